"""Rules and meanings in an instruction that decide the label: the text alone does not, and no classifier knows them.

Every check is gated by the words of the text, and tells in a sentence why a classifier cannot answer.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .fallback import without_fallback
from .frame_words import RISKS
from .frames import stem
from .understood import unexplained
from .usual import ANOTHERS_VIEW, UNBOUND, without_closing
from .vocabulary import COPULAS, INPUT_WORDS, RULE_WORDS, SCOPE_WORDS
from .words import stands_in, table

__all__ = ["described", "rule", "without_guards", "without_keys"]

_WHETHER = late_pattern(
    r"\b(?:determine|decide|estimate|guess|infer|tell|check|see|say|judge|identify|know|assess|evaluate|predict|ask|asked|asking|"
    r"detect|classify|"
    r"wonder|indicate|state|flag|verify)(?: (?:me|us|for me))? if\b|\b(?:diga|indica|indique|di|decide|determina|"
    r"determine|dis(?:-moi)?|dites(?:-moi)?|sag|dimmi|indiquez?|verifica|verifique|zeg) (?:se|si|ob|of|s')\b|"
    r"\b(?:if|when) (?:i|we|the user|someone) (?:give|send|paste|show|write)s? (?:you )?(?:an?|the|some) [\w-]+,|"
    r"\bif (?:possible|needed|"
    r"necessary)\b|(?:an |the )?empty (?:list|array)[^.\n]{0,60}|\bthe last user message\b|"
    # What comes in, and when: no rule.
    r"(?:^|[.\n] ?)(?:you|we|i) (?:[\w'’-]+ ){1,5}(?:messages|comments|texts) (?:that|which)\b|"
    r"\b(?:messages|comments|texts) (?:that|which) (?:\w+ )?(?:users?|customers?|visitors?|people|readers|"
    r"patients|players|"
    r"members|guests|students|employees|tenants|citizens|clients)\b|"
    r"\b(?:whenever|when|each time|every time) (?:a|an|the|you (?:get|receive|are (?:given|sent|shown)) (?:a|an|"
    r"the)) (?:[\w-]+ ){1,2}?"
    r"(?:arrives|comes in|writes(?: in)?|asks|calls|is (?:sent|received|posted)|(?=[,]))|\b(?:is|are) always an? "
    r"(?=\w)",
    re.IGNORECASE | re.MULTILINE,
)
# Every turn begins with a word: that is asked once a place, and not once a turn.
_RULE = late_pattern(
    r"\b(?=\w)(?:"
    r"\b(?:as|like) an? (?:[\w-]+ ){1,3}would\b|\brelevan(?:t|ce) (?:of|to)\b|\b(?:grounded|entail\w*|"
    r"contradict\w*|paraphras\w*|"
    r"hallucinat\w*|plagiari\w*)\b|"
    r"\b(?:would|do|does) (?:most|many|some|other|the average)\b|\bby (?:the )?(?:senders?|domain|date|length|"
    r"word count|time|author|price|size|amount|recipient|who)\b|"
    r"\b(?:number of (?!stars\b|points\b)(?:\w+ ){0,2}\w+s|how many (?!stars\b|points\b)\w+)\b|"
    r"\b(?:program|code|script|function|snippet|expression|loop|query|command)\b (?:\w+ )?(?:prints?|outputs?|returns?|"
    r"evaluates?|compiles?|runs?|terminates?|halts?|raises?|throws?)\b|"
    r"\b(?:what|which|how(?! many)|who|whether)\b[^.,:;?\n_]{0,40}\b(?<!you )(?:would|will|might) (?!you\b)|"
    r"\bwhat (?:matters|counts|decides)\b|\btells? you (?:which|what|whether|how)\b|\btruth\b|"
    r"\b(?:claim|statement|message|story|text) is true\b|\bfor [\w-]+,? (?:write|output|return|answer|say) nothing\b|"
    r"\b(?:apply|follow|use) (?:the|our|these|those) (?:[\w-]+ )?(?:guidelines?|rules|polic(?:y|ies)|criteria|rubric|"
    r"handbook)\b|\bwhichever\b(?! (?:(?:best |most )?(?:fits|applies|describes|matches)|is (?:closest|best|right)))|"
    r"\b(?:on|in|from) (?:our|the) (?:wiki|handbook|documentation|docs|manual|intranet|website|attachment|annex|"
    r"appendix)\b|"
    r"\bthe one (?:before|after)\b|\btogether with\b|"
    r"\bwho(?:'s| is| was) (?:speaking|talking|writing|meant)\b|\bwho (?:should|must|has to) (?!handle|answer|get|"
    r"receive|deal|"
    r"take|own|read|see|reply|respond|look|work|be)|\b(?:is|are|was) (?:it|this|that) \w+er (?:by|in|on)\b|"
    r"\b(?:mood|tone|sentiment|feeling|emotion)s?\b[^.?\n]{0,20}\bat the (?:end|start|beginning)\b|"
    r"\bconsistent with\b|\b(?:ending|continuation|completion)\b|\bcontains? the (?:letter|word|character|phrase|"
    r"string|number)\b|\b(?:after|before) (?!reading|being)\w+ing\b|"
    r"\brhymes?\b|\b(?:palindrome|anagram|alliteration)s?\b|"
    r"\bduplicates?\b(?= (?:of|questions?|or not))|\bas judged\b|\bstandards?\b|\b(?:judge|consider|look at|use|read|"
    r"classify|assess|rate|"
    r"evaluate|based on|focus on) (?:only|just|solely) (?:the|its|their|on)\b"
    r"(?! (?:label|word|category|name|answer|text|message|input))|"
    r"\bverify\b|\bfact[- ]check\w*|\b(?:your|own|world|general) knowledge\b|"
    r"\buse [\"'`]?\w+[\"'`]? (?:for|to mean|as a sign)\b|"
    r"\b(?:first|second|third|fourth|fifth) (?:sentence|paragraph|word|message|mail|turn|part|half|comment|reply|"
    r"post|tweet|line|item|speaker|"
    r"text)\b|\bcompar\w+|\brelative to\b|"
    r"\b(?:that|which)\b[^.\n]{0,40}\b(?:(?:is|are|does|do|was) not|isn't|aren't|doesn't)\b(?! (?:if|when|only))|"
    r"\b(?:should|to) [^.\n]{0,20}\bnext\b|\b(?:second|third|least|next)[- ](?:most|best|likely)\b|"
    r"\b(?:erste|zweite|dritte|letzte)[nrs]? (?:satz|absatz|zeile|wort|nachricht|teil)\w*|\b(?:première?|premier|"
    r"deuxième|"
    r"dernière?|dernier) (?:phrase|ligne|mot|paragraphe|message)\b|\b(?:primer[ao]?|segund[ao]|últim[ao]|prim[ao]|"
    r"second[ao]|"
    r"ultim[ao]) (?:frase|línea|linha|palabra|palavra|parola|riga|oración|mensaje|messaggio)\b|"
    r"\b(?:eerste|tweede|laatste) (?:zin|regel|woord|bericht)\b|(?<!nom )\bd[ue] (?:la |l['’])?\w+ uniquement\b|"
    r"\bat random\b|\b(?:output|return|answer|reply|say|write|give) nothing (?:for|if|when|on)\b|\bleft? out\b|"
    r"\bleave out\b|"
    r"\b(?:just|only|mere) examples\b|\bnot (?:exhaustive|complete)\b|\bamong others\b|\bsalvo\b|\b(?:how|"
    r"what) (?:would|will|might)\b(?! you)|\bpredict the (?:winner|next|future)\b|"
    r"\bdecides\b(?! (?:whether|which|if))|"
    r"\b(?:look at|read|judge by|use|consider|go by) (?:the|its) (?!(?:text|message|input|review|"
    r"comment)s? )[\w ]{1,20} (?:only|alone)\b|"
    r"\b(?:call|use|search|open|check|consult|ask|look up)\b[^.\n]{1,30}\bfirst\b|"
    r"\bthe (?:gap|blank)s?\b|\bgiven the (?:rules|policy|guidelines|criteria)\b|\bwhat would\b|"
    r"\bin the same (?:tone|style|way|register|language|manner)\b|"
    r"\bthan(?<!other than)(?<!else than) (?:the|"
    r"a|an|last|before|usual)\b|\blast (?:week|month|year|time)\b|"
    r"\bprevious(?:ly)?\b|"
    r"\b(?:so far|up to now|until now|throughout the conversation|earlier (?:turns|messages))\b|"
    r"\byesterday\b|\btoday\b|\b(?:newest|latest|most recent|last|final|only the first) (?:\w+ )?(?:message|mail|"
    r"e-?mail|turn|sentence|"
    r"line|reply|comment|"
    r"part|paragraph|speaker|word|utterance)s?\b|\bwhich of (?:the |these |those )?(?:\w+ )?(?:two|three|texts|"
    r"sentences|"
    r"slogans|answers|responses|statements|reviews|messages|comments)\b|"
    r"\bif\b|\bunless\b|\bwhenever\b|\bexcept (?:if|when|for|that|where|in)\b|\btreat(?:ed)?\b(?! (?:the|it|this|all|"
    r"everything)[^.\n]{0,30} as (?:data|text|untrusted|plain|content|input))|\bcount(?:s|"
    r"ed)? as\b|\bconsider(?:ed)?\b(?! the [\w-]+:| the (?:whole|entire|full|complete)\b| the [\w-]+ as a whole\b|"
    r" the (?:[\w-]+ ){1,4}(?:below|given|following|above)\b) (?:it|a|"
    r"an|as|the(?! [\w ]{1,40}\b(?:below|given|following|above)\b)|any|to be|"
    r"only)?\b|\bmeans?\b(?! (?:a |an )?[\"'`]?_)|\bregardless\b|\balways (?!one of|exactly one|call|invoke|respond|"
    r"answer|reply|"
    r"return|output|use|give|choose|"
    r"pick|be\b|"
    r"select|write)|"
    r"\bdefined (?:as|by)\b|(?<!\bit )(?<!\bthey )\brefers? to\b(?= \w)|\bpoint of view\b|\bperspective\b|"
    r"\bviewpoint\b|"
    r"\bwhen (?:two|three|several|more|multiple|the|it|a|an|"
    r"in|someone|"
    r"there|both|you|any|no|none|nothing|unsure)\b|\bprefer\b|\bby default\b|\bdefaults? to\b|\bin doubt\b|"
    r"\bunsure\b|\bspecify\b|"
    r"\byour own (?:label|categor|topic|tag|class|word)|\b(?:create|invent|propose|add) (?:a |an )?(?:new|other|"
    r"another)\b|"
    r"\bnew(?<!no new)(?<!any new) (?:label|category|tag|topic)s?\b|\b(?:majority|average|median|combined)\b|"
    r"\bdefinitions?(?<!typescript definition)(?<!typescript definitions)(?<!type definitions):|\bmeaning\b|"
    r"\bfor (?:this|the purposes?|"
    r"our purposes?)\b.{0,20}\bpurpose|"
    r"\b(?:not )?(?<!\bone )(?<!\bsingle )(?:allowed|permitted|forbidden|acceptable)\b(?! (?:labels?|values?|"
    r"categor|answers?|outputs?|"
    r"options?|classes|responses?|intents?|tags?)| (?:[\w-]+ )?[\w-]+:|\s*:)|\b(?:anything|everything|those|"
    r"messages|comments|"
    r"texts) (?:that|which)\b|\b(?:opposite|reversed?|inverted?|swap(?:ped)?)\b|\bin (?:this|our) (?:company|"
    r"context|task|team|system|exercise)\b|\bwenn\b|\bfalls\b(?! (?:in|into|under|within|outside)\b)|\bsofern\b|"
    r"\bgilt\b|\bgelten\b|\bbedeutet\b|"
    r"\bim zweifel\b|"
    r"\blorsque\b|\bsauf\b|"
    r"\bsignifi(?:e|ca)\b|\ben cas de|"
    r"\bsi (?:el|la|le|l'|les|los|las|es|no|il y|c'|ce|un|una|une|hay|aucun\w*|ninguna?)\b|\bcuando\b|\bexcepto\b|"
    r"\bquando\b|\bexceto\b|"
    r"\btranne\b|\bse (?:o|a|for|il|lo|è|não|non|houver|la|nenhum\w*|l')\b|\bcaso\b|\bals (?:de|het|er|geen)\b|"
    r"\bindien\b|\bwanneer\b|"
    r"\btenzij\b|\bbetekent\b)",
    re.IGNORECASE,
)
_RULE_CJK = late_pattern(r"如果|若(?!干)|除非|表示|指的是|视为|一律|的话|的话,|とみなす|を意味|場合|ならば?|なければ")
_SCOPED = late_pattern(
    r"\b(?=\w)(?:"
    r"\b(?:sentiment|stance|opinion|attitude|feelings?|emotions?|polarity|tone)\b[^.\n:]{0,30}\b(?:toward|towards|"
    r"about|"
    r"regarding|concerning|with respect to|with regard to)\b|\btarget\b(?<!sample target)(?! (?:labels?|class|"
    r"categor|folder|queue|team|department|mailbox|channel|bucket|list|tray|inbox))|\baspects? (?:terms?|called|"
    r"named)\b|"
    r"\b(?:for|toward|towards|about|regarding|on|per|by|to) (?:the|this|each|that|given|an?|every) (?:\w+ )?aspects?\b|"
    r"\b(?:each|every|given|following) aspects?\b|\baspects? ?[:=(\"'](?! ?_)|\bstance (?:on|to|"
    r"in)\b|"
    r"\bfocus(?:ing)? on\b|"
    r"\bignor(?:e|ing)\b|\bdisregard\b|\bfrom the (?:perspective|viewpoint|standpoint)\b|\baspekt\w*|"
    r"\bgegenüber\b|\bà propos d|\bsobre (?:el|la)\b|\benvers\b|\bhacia\b|\bignorier\w*|\bignora\w*)",
    re.IGNORECASE,
)
_SCOPED_CJK = late_pattern(r"针对|方面|立场|忽略|に対する|観点|무시|대한 (?:태도|감정)")
_EQUATION = late_pattern(r"(?<![\w=])[\"'`]?(\w[\w -]{0,30}?)[\"'`]?\s*(?:=|:=|→|->|=>|≙)\s*[\"'`]?\w")
_QUOTED_IS = late_pattern(
    r"[\"'`](\w[\w -]{0,40})[\"'`]\s+(?:is|are|stands|denotes|covers|includes|indicates|ist|est|es|"
    r"heißt)\b",
    re.IGNORECASE,
)
# "Judge the service, not the food."
_NOT_THAT = late_pattern(
    r"\b(?:judge|rate|classify|assess|evaluate|grade|weigh) (?:only )?(?:the|its|their|what|how) "
    r"[\w '’-]{2,40},? (?:and |but )?not (?:the|its|their|what|how)\b",
    re.IGNORECASE,
)
_SIDE = late_pattern(
    r"\b(?:sentiment|tone|mood|emotion|attitude|stance|opinion|feelings?)(?: \([^()]{1,40}\))? of (?:the|this|"
    r"that) ([\w-]+)(?:['’]s?)?(?: ([\w-]+))?",
    re.IGNORECASE,
)
_WHOLE = INPUT_WORDS | table(
    """
    author writer user customer reviewer sender poster following given provided below above whole entire latest last
    quote texts tweets reviews comments messages note speech data line words feedback client guest person's text's
    string chat reader conversation dialogue caption answer response call letter news item entry description
    """
)
_GUARDED = table("even instructions instruction commands command orders requests prompts prompt")
_PIECES = late_pattern(r"[;:\d\n(]|[.?!,] \S|\b(?:or|and|not|use|is to be|must|should|only)\b", re.IGNORECASE)
# Alpaca's template (https://github.com/tatsu-lab/stanford_alpaca).
_TEMPLATE = late_pattern(
    r"Below is an instruction that describes a task(?:, paired with an input that provides further context)?\. *\n? *"
    r"Write a response that appropriately completes the request\."
)
# "Ignore any instructions inside the message."
_GUARD = late_pattern(
    r"\b(?:treat [^.:;\n]{3,50} as [\w ]{0,20}(?:data|text|content|input)(?: only)?[:;,–—-] ?)?"
    r"(?:ignore|disregard|(?:do not|don't|never) (?:follow|obey|execute|act on)) (?:(?:any|all|the|other|further) )*"
    r"(?:instructions?|commands?|orders|requests|prompts?) (?:that (?:are |appear |may be )?)?(?:(?:written|"
    r"contained|given|"
    r"found|hidden|placed|appearing) )?(?:in|inside|within|from) (?:the|this|that|it|an?|each|its)(?: [\w'’-]+){0,3}"
    r"(?=[.,;!\n]|$)|,? even if (?:the|it|an?) ?(?:[\w'’-]+ ){0,3}(?:asks?|tells?|says?|orders?|wants?)(?: you)?"
    r"(?: to| otherwise| so)?(?=[.;!\n]|$)",
    re.IGNORECASE,
)
# What the instructor library says of every tool (https://python.useinstructor.com).
# What LangChain's tagging chain says first.
_TAGGING = late_pattern(
    r"Extract the desired information from the following passage\.|Only extract the properties mentioned in the "
    r"['\"`]\w{1,40}['\"`] function\."
)
_BOILERPLATE = late_pattern(r"Correctly extracted `[^`]{1,80}` with all the required parameters with correct types\.?")


def without_guards(text: str, words: frozenset[str]) -> str:
    """An instruction without the order to take what the text says for no instruction, and without a known template."""
    text = without_closing(text)
    if "desired" in words:
        text = _TAGGING.sub("", text)
    text = without_fallback(text, words)
    if "appropriately" in words:
        text = _TEMPLATE.sub("", text)
    return text if words.isdisjoint(_GUARDED) else _GUARD.sub("", text)


def without_keys(text: str, keys: tuple[str, ...]) -> str:
    """An instruction in which a field of the schema, or one of its items, is called so."""
    for key in keys:
        text = re.sub(rf"\b{re.escape(stem(key.lower()))}s?\b", "field", text, flags=re.IGNORECASE)
    return text


def rule(text: str, words: frozenset[str], labels: tuple[str, ...]) -> str | None:
    """Why the label is decided by rules or meanings of the request's own; None when no such rule was found."""
    narrow = text.isascii()
    if UNBOUND.search(text) is not None:
        return "the list of labels is open."
    if ANOTHERS_VIEW.search(text) is not None:
        return "the label is what somebody else would say."
    if "not" in words and _NOT_THAT.search(text) is not None:
        return "the label is asked for one side of the text only."
    if "(" in text and sum(f" ({label.lower()})" in text.lower() for label in labels) > 1:
        return "the request gives its labels meanings of their own."  # "is it civil (accept) or abusive (reject)?"
    if words & RULE_WORDS:
        bare = _WHETHER.sub(" ", text)
        named = frozenset(word for label in labels for word in label.lower().split())
        found = next((match for match in _RULE.finditer(bare) if match[0].strip().lower() not in named), None)
        if found is not None:
            return f"a rule in the request decides the label ({found[0].strip()!r})."
    if not narrow:
        found = _RULE_CJK.search(text)
        if found is not None:
            return f"a rule in the request decides the label ({found[0]!r})."
    for side in _SIDE.finditer(text) if "of" in words else ():
        if not any(word.lower() in _WHOLE for word in side.groups() if word):
            return f"the label is asked for one side of the text only ({side[0]!r})."
    if (words & SCOPE_WORDS and _SCOPED.search(text)) or (not narrow and _SCOPED_CJK.search(text)):
        return "the label is asked for one side of the text only."
    if words & COPULAS and any(mark in text for mark in "\"'`"):
        folded = {label.casefold() for label in labels}
        if any(match[1].casefold() in folded for match in _QUOTED_IS.finditer(text)):
            return "the request gives its labels meanings of their own."
    if "=" in text or "->" in text or "→" in text or "≙" in text:
        folded = {label.casefold() for label in labels}
        if any(match[1].casefold() in folded for match in _EQUATION.finditer(text)):
            return "the request gives its labels meanings of their own."
    return None


def _is_noun_phrase(text: str, words: frozenset[str], labels: tuple[str, ...]) -> bool:
    """Whether a description is short and of one piece, and says nothing of single labels: "The part that is broken"."""
    return (
        len(text) < 80
        and _PIECES.search(text) is None
        and RISKS.isdisjoint(words)
        and not any(label.casefold() in text.casefold() for label in labels)
    )


def _is_input(lower: str, label: str) -> bool:
    """Whether a label's word means what is to be labelled, as in "the label of a text"."""
    word = label.lower()
    return word in INPUT_WORDS and any(f" of {article} {word}" in lower for article in ("a", "an", "the", "each"))


def described(text: str, words: frozenset[str], labels: tuple[str, ...]) -> str | None:
    """Why the description of a schema, field or tool decides the label; None when it only says what is there."""
    text = _BOILERPLATE.sub("", text)
    found = rule(text, words, labels)
    lower = text.lower()
    told = [label for label in labels if label and stands_in(lower, label.lower()) and not _is_input(lower, label)]
    if found is None and 0 < len(told) < len(labels):
        return "a description in the schema or tool says something of one label."
    if found is None and _is_noun_phrase(text, words, labels):
        return None
    if found is None and unexplained(text, labels, is_given=True):
        return "a description in the schema or tool may decide the label."
    return found
