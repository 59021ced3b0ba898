"""What an instruction demands beside a label, and rules in it that decide the label: both are no classifier's business.

Every check is gated by the words of the text. It is told in a sentence why the answer cannot be given by a classifier.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .understood import unexplained
from .vocabulary import (
    ANSWER_WORDS,
    COPULAS,
    DATA_TAGS,
    EXTRA_WORDS,
    FORM_WORDS,
    INDEX_WORDS,
    INPUT_WORDS,
    ITEM_WORDS,
    LANGUAGE_WORDS,
    MULTI_WORDS,
    NEGATIONS,
    RANK_WORDS,
    RULE_WORDS,
    SCOPE_WORDS,
)
from .words import table

__all__ = ["described", "goes_on", "json_key", "multi_label", "obstacle", "rule"]

_NEGATED = late_pattern(
    r"\b(?:do not|don't|does not|must not|should not|not|no|without|never|nor|neither|rather than|keine?n?|ohne|"
    r"nicht|sans|"
    r"aucune?|ni|sin|sem|senza|geen|zonder|niet|não|non|nada de|pas)\b[^.;:\n!?]{0,90}|(?:不要|无需|不需|请勿|别|不用|"
    r"勿)[^。；\n]{0,30}"
    r"|(?:説明|理由|解説)(?:は|を|も)?(?:不要|なし|せず|しない|書かない|いらない|加えない|付けない)",
    re.IGNORECASE,
)
_EXTRA = late_pattern(
    r"\b(?:explain|explaining|explanations?|justif\w*|rationale|reasoning|reasons?\b(?! (?:for|of) (?:contact|"
    r"calling|the call|"
    r"call))|why|confidence|(?<!highest )(?<!most )probabilit\w*|likelihood|percentage|step[- ]by[- ]step|"
    r"chain of thought|think (?:about|through|"
    r"carefully|first|it)|thoughts|translate|draft|rewrite|rephrase|summari[sz]e|suggest\w*|recommend|extract|"
    r"highlight|"
    r"evidence|keywords?|elaborate|describe (?:the|how|what|your)|(?:in a|with a|in|with|one|two|and a|a short|"
    r"a brief|1|2) (?:short |brief |"
    r"full |complete )*"
    r"(?:sentences?|paragraph)|write (?:a|an|the|me|your)\b(?! (?:label|single))|\bcite\b|spans?\b|\bplus\b|(?:\+|"
    r"&) (?:the|a)\b|generate|compose|come up with|g[ae]r[ae]|cri[ae]|crea|erstelle|generiere|génère|(?:and|then|"
    r"also) (?:reply|fix|"
    r"correct|generate|"
    r"write|give|tell|list|quote|comment)|(?:a|your|the) (?:brief|short) (?:comment|reply|reason|note)|"
    r"begründ\w*|erklär\w*|warum|wahrscheinlichkeit|konfidenz\w*|zusammenfass\w*|übersetz\w*|expli(?:que\w*|"
    r"cation\w*|ca\b|"
    r"cación|cação)|pourquoi|confiance|résum\w*|tradu\w+|razón|razão|confian[zç]a|motivo|por ?qu[eé]|spiega\w*|"
    r"motiva\w*|perché|"
    r"riassumi|leg uit|uitleg|waarom|toelicht\w*|vertaal|samenvat\w*)\b",
    re.IGNORECASE,
)
_EXTRA_CJK = late_pattern(
    r"解释|理由|原因|为什么|置信度|概率|翻译|总结|摘要|分析过程|一步|説明|なぜ|確信度|信頼度|翻訳|要約|生成|编写|出\d"
)
_WHETHER = late_pattern(
    r"\b(?:determine|decide|tell|check|see|say|judge|identify|know|assess|evaluate|predict|ask|asked|asking|"
    r"detect|classify|"
    r"wonder|indicate|state|flag|verify)(?: (?:me|us|for me))? if\b|\b(?:diga|indica|indique|di|decide|determina|"
    r"determine|dis|sag|dimmi|indiquez?|verifica|verifique|zeg) (?:se|si|ob|of|s')\b|\bif (?:possible|needed|"
    r"necessary)\b",
    re.IGNORECASE,
)
_RULE = late_pattern(
    r"\bas judged\b|\bstandards?\b|\b(?:judge|consider|look at|use|read|classify|assess|rate|"
    r"evaluate|based on|focus on) (?:only|just|solely) (?:the|its|their|on)\b"
    r"(?! (?:label|word|category|name|answer|text|message|input))|"
    r"\bverify\b|\bfact[- ]check\w*|\b(?:your|own|world|general) knowledge\b|"
    r"\bfirst (?:sentence|paragraph|word|message|mail|turn|part|half)\b|\bcompar\w+|\brelative to\b|\bthan (?:the|"
    r"a|an|last|before|usual)\b|\blast (?:week|month|year|time)\b|"
    r"\bprevious(?:ly)?\b|"
    r"\byesterday\b|\btoday\b|\b(?:newest|latest|most recent|last|final|only the first) (?:\w+ )?(?:message|mail|"
    r"e-?mail|turn|sentence|"
    r"line|reply|comment|"
    r"part|paragraph|speaker|word|utterance)s?\b|\bwhich of (?:the |these |those )?(?:\w+ )?(?:two|three|texts|"
    r"sentences|"
    r"slogans|answers|responses|statements|reviews|messages|comments)\b|"
    r"\bif\b|\bunless\b|\bwhenever\b|\bexcept (?:if|when|for|that|where|in)\b|\btreat(?:ed)?\b|\bcount(?:s|"
    r"ed)? as\b|\bconsider(?:ed)? (?:it|a|"
    r"an|as|the|any|to be|"
    r"only)?\b|\bmeans?\b|\bregardless\b|\balways (?!respond|answer|reply|return|output|use|give|choose|pick|be\b|"
    r"select|write)|"
    r"\bdefined (?:as|by)\b|\brefers? to\b|\bpoint of view\b|\bperspective\b|\bviewpoint\b|\bwhen (?:the|it|a|an|"
    r"in|someone|"
    r"there|both|you|any|no|unsure)\b|\bprefer\b|\bby default\b|\bdefaults? to\b|\bin doubt\b|\bunsure\b|\bspecify\b|"
    r"\byour own (?:label|categor|topic|tag|class|word)|\b(?:create|invent|propose|add) (?:a |an )?(?:new|other|"
    r"another)\b|"
    r"\bnew (?:label|category|tag|topic)s?\b|\bdefinitions?:|\bmeaning\b|\bfor (?:this|the purposes?|"
    r"our purposes?)\b.{0,20}\bpurpose|"
    r"\b(?:not )?(?:allowed|permitted|forbidden|acceptable)\b(?! (?:labels?|values?|categor|answers?|outputs?|"
    r"options?|classes|responses?|intents?|tags?)|\s*:)|\b(?:anything|everything|those|messages|comments|"
    r"texts) (?:that|which)\b|\b(?:opposite|reversed?|inverted?|swap(?:ped)?)\b|\bin (?:this|our) (?:company|"
    r"context|task|team|system|exercise)\b|\bwenn\b|\bfalls\b|\bsofern\b|\bgilt\b|\bgelten\b|\bbedeutet\b|"
    r"\bim zweifel\b|"
    r"\blorsque\b|\bsauf\b|"
    r"\bsignifi(?:e|ca)\b|\ben cas de|"
    r"\bsi (?:el|la|le|l'|les|los|las|es|no|il y|c'|ce|un|una|une|hay|aucun\w*|ninguna?)\b|\bcuando\b|\bexcepto\b|"
    r"\bquando\b|\bexceto\b|"
    r"\btranne\b|\bse (?:o|a|for|il|lo|è|não|non|houver|la|nenhum\w*|l')\b|\bcaso\b|\bals (?:de|het|er|geen)\b|"
    r"\bindien\b|\bwanneer\b|"
    r"\btenzij\b|\bbetekent\b",
    re.IGNORECASE,
)
_RULE_CJK = late_pattern(r"如果|若(?!干)|除非|表示|指的是|视为|一律|的话|的话,|とみなす|を意味|場合|ならば?|なければ")
_RANKED = late_pattern(
    r"\brank\w*|\btop[- ](?:\d|two|three|five)\b|\b(?:two|three|2|3) (?:most|best|likely|highest)\b|\bin order of\b|"
    r"\border(?:ed)? (?:by|of)\b|\bmost to least\b|\bdistribution\b|\brangfolge|\bclassement|\bpor orden\b|"
    r"\b(?:die|deux|dos|duas|due) (?:zwei|besten|plus|más|mais|più)\b",
    re.IGNORECASE,
)
_RANKED_CJK = late_pattern(r"排序|排名|前[两二三]|概率分布|順位|上位|순위|상위")
_SCOPED = late_pattern(
    r"\b(?:sentiment|stance|opinion|attitude|feelings?|emotions?|polarity|tone)\b[^.\n:]{0,30}\b(?:toward|towards|"
    r"about|"
    r"regarding|concerning|with respect to|with regard to)\b|\btarget\b|\baspects?\b|\bstance\b|\bfocus(?:ing)? on\b|"
    r"\bignor(?:e|ing)\b|\bdisregard\b|\bfrom the (?:perspective|viewpoint|standpoint)\b|\baspekt\w*|"
    r"\bgegenüber\b|\bà propos d|\bsobre (?:el|la)\b|\benvers\b|\bhacia\b|\bignorier\w*|\bignora\w*",
    re.IGNORECASE,
)
_SCOPED_CJK = late_pattern(r"针对|方面|立场|忽略|に対する|観点|무시|대한 (?:태도|감정)")
_EQUATION = late_pattern(r"(?<![\w=])[\"'`]?(\w[\w -]{0,30}?)[\"'`]?\s*(?:=|:=|→|->|=>|≙)\s*[\"'`]?\w")
_NUMBERED = late_pattern(r"(?<![\w.])\(?(\d{1,2}|[A-Za-z])\)?\s*(?:=|:|->|→|=>|for|means)\s*[\"']?[^\W\d_]")
_INDEX = late_pattern(
    r"\b(?:answer|respond|reply|return|output|give|write|say|print|choose|select|pick|provide|state|only|just|with)\b"
    r"[^.\n]{0,40}\b(?:(?:option|category|label|choice|class|intent|answer|corresponding|correct|single)[ -])*"
    r"(?:number|index|indices|digit|numeral|letter|initial|ids?|code|integer|position)s?\b(?! (?:of words|"
    r"of labels|one\b))|"
    r"\b(?:numéro|lettre|nummer|ziffer|buchstaben?|número|letra|código|numero|lettera|cijfer)\b|"
    r"\b1 (?:if|for|when|means)\b|\b0 (?:if|for|when|means|otherwise)\b",
    re.IGNORECASE,
)
_INDEX_CJK = late_pattern(r"编号|序号|数字|字母|番号|記号")
_WRAPPED = late_pattern(
    r"(?:answer|label|category|intent|output|response|respond|reply|put|provide|wrap\w*|enclos\w*|classification|"
    r"result|"
    r"reasoning|return|format\w*|inside|within|between)\b[^.\n]{0,90}?<([a-z_]{2,30})>",
    re.IGNORECASE,
)
_FORM = late_pattern(
    r"\bprefix\w*|\bsuffix\w*|\bcode (?:snippet|block)|\bin (?:yaml|csv|xml|bold|a table|markdown)\b|\b(?:begin|"
    r"start|starting|end) "
    r"(?:your|the|with|each)\b.{0,30}\bwith\b|\bstart(?:ing)? with (?:the field|[\"'`])|\bfollowed by\b|\bemoji|"
    r"\bhashtag|"
    r"\b(?:in|inside|within|between) (?:square|round|curly|angle|double) brackets\b|\byaml\b|\bcsv\b|\bmarkdown\b|"
    r"\bend(?:s|ing)? with an? \w|"
    r"\b(?:answer|respond|reply|output|return)\w*(?: only)?(?: with| in| as| the)? <\w+ \w+ ?=|"
    r"\bincluding (?:the |its |their )?(?:double |single )?(?:quot\w+|brackets|full stops?|"
    r"periods?|dots?|hash\w*|punctuation|numbers?|bullets?)\b|"
    r"\[\[|\]\]|\bone per line\b|\bper line\b",
    re.IGNORECASE,
)
_TAGGED = late_pattern(r"\b(?:in|inside|within|between|with|by|using) (?:\w+ )?<(\w{2,30})>", re.IGNORECASE)
_TEMPLATE = late_pattern(
    r"(?:[Ff]ormat|form|like this|as follows|template|shape)\b[^\n:]{0,40}:?\s*\n?\s*[\"'`]?[A-Z]\w{2,20}: ?[<\[{(\w]",
    re.MULTILINE,
)
_UPPER = late_pattern(
    r"upper ?case|capital letters|all caps|in caps|großbuchstaben|majuscules|mayúsculas|maiúsculas|maiuscolo|"
    r"hoofdletters",
    re.I,
)
_LOWER = late_pattern(r"lower ?case|kleinbuchstaben|minuscules|minúsculas|minuscolo", re.I)
_ITEMS = late_pattern(
    r"\bfor (?:each|every)\b|\b(?:each|every) (?:of )?(?:the |these )?(?:following )?(?:review|comment|message|"
    r"tweet|ticket|text|"
    r"sentence|line|item|headline|post|email|row|aspect|title|one|entity|statement|paragraph)s?\b|\b(?:these|"
    r"the following|"
    r"all|both|these \w+|following \d+) (?:customer |user |product |\d+ |two |three |four |five )?(?:reviews|"
    r"comments|messages|tweets|"
    r"tickets|texts|sentences|lines|items|headlines|posts|emails|rows|aspects|titles|statements|queries|"
    r"utterances)\b|"
    r"\brespectively\b|\b(?:cada|chaque|ogni|elke?|jede[nrs]?) \w+|\b(?:für|zu) jede[nsmr]?\b|\bpour chaque\b|"
    r"\b(?:para|por|de) cada\b|\bper ogni\b|"
    r"\bvoor elke?\b",
    re.IGNORECASE,
)
_ITEMS_CJK = late_pattern(r"每[一条句个则]|各[条句文]|それぞれ|逐条")
_MULTI = late_pattern(
    r"\b(?:all|any)\b(?: of)?(?: the)?(?: (?:labels?|categories|tags?|topics?|options|classes|emotions|"
    r"intents))* (?:that|which) appl(?:y|ies)|"
    r"\bone or (?:more|several)\b|\bmultiple (?:labels|categories|tags|topics|classes|values|answers|options|"
    r"emotions|intents)\b|"
    r"\ball applicable\b|\bzero or more\b|\bevery (?:label|category|tag|topic) (?:that|which)\b|\bmore than one\b|"
    r"\bany number of\b|\b(?:as )?many as\b|\bmehrere\b|\bplusieurs\b|\bvarias\b|\bvárias\b|\bat least one\b|"
    r"\bup to (?:two|three|\d)\b|"
    r"\bone or two\b|\b(?:labels|categories|tags|topics) \(?(?:separated|comma)",
    re.IGNORECASE,
)
_GOES_ON = late_pattern(
    r"[\"'”»)\]}`*]{0,2}\s*(?:[;；]|,?\s*(?:(?:and|then|plus|with|und|dann|mit|et|puis|avec|y|con|e|com|en|met|poi|"
    r"luego)\b|[&+]))"
    r"(?!\s*(?:only|nothing|no|not|do|don't|return|reply|respond|answer|output|just|print|say|use|nichts|nur|rien|"
    r"nada|niente|"
    r"exactly|pick|choose|select|give (?:only|just|the|one))\b)",
    re.IGNORECASE,
)
_KEY = late_pattern(r"[\"'“]([\w][\w -]{0,40})[\"'”]\s*:")
_BARE_KEY = late_pattern(r"[{,;]\s*(\w{1,40})\??\s*:")
_NAMED_KEY = late_pattern(
    r"\b(?:keys?|fields?|property|attribute|schlüssel|clé|clave|chave|chiave|feld|champ|"
    r"campo)\b[^\n\"'`.]{0,30}[\"'`](\w{1,40})[\"'`]|"
    r"[\"'`](\w{1,40})[\"'`] (?:key|field|property|attribute)\b",
    re.IGNORECASE,
)
_BRACES = late_pattern(r"\{[^{}]{0,8000}\}")


_QUOTED_IS = late_pattern(
    r"[\"'`](\w[\w -]{0,40})[\"'`]\s+(?:is|are|stands|denotes|covers|includes|indicates|ist|est|es|"
    r"heißt)\b",
    re.IGNORECASE,
)
_LANGUAGE = late_pattern(
    r"\b(?:answer|respond|reply|output|label|write|return|give|say)\w*\b[^.\n]{0,40}\bin (?:german|french|spanish|"
    r"italian|"
    r"portuguese|dutch|chinese|japanese|korean|russian|arabic|polish|turkish|hindi|(?:the|its|their|your|"
    r"that) (?:own |same |"
    r"original )?language|the user's language)\b",
    re.IGNORECASE,
)
_SINGLE = frozenset("0123456789bcdefgh") | {"10"}


_RIGHT_OR_WRONG = table("correct incorrect right wrong pass fail passed failed valid invalid accurate inaccurate")


_SIDE = late_pattern(
    r"\b(?:sentiment|tone|mood|emotion|attitude|stance|opinion|feelings?) of (?:the|this|that) (\w+)(?: (\w+))?",
    re.IGNORECASE,
)
_WHOLE = INPUT_WORDS | {
    "author",
    "writer",
    "user",
    "customer",
    "reviewer",
    "sender",
    "poster",
    "following",
    "given",
    "provided",
    "below",
    "above",
    "whole",
    "entire",
    "latest",
    "last",
    "quote",
    "texts",
    "tweets",
    "reviews",
    "comments",
    "messages",
    "note",
    "speech",
    "data",
    "line",
    "words",
    "feedback",
    "client",
    "guest",
    "person's",
    "text's",
    "string",
    "chat",
    "reader",
    "conversation",
    "dialogue",
    "caption",
    "answer",
    "response",
    "call",
    "letter",
    "news",
    "item",
    "entry",
    "description",
}
_YOUR_VIEW = late_pattern(
    r"\bdo you (?:dis)?(?:agree|prefer|like|love|hate|want|feel)\b|"
    r"\byour (?:own |personal )?(?:opinion|view)s? (?:on|of|about)\b",
    re.IGNORECASE,
)


def obstacle(
    text: str, words: frozenset[str], labels: tuple[str, ...], *, by_user: bool, is_json: bool, is_given: bool
) -> str | None:
    """Why the wording asks for more than, or another thing than, one label of the list; None when it does not.

    ``is_given``: the caller's schema or tool fixes the answer's form, so that the wording cannot add to it.
    """
    narrow = text.isascii()
    is_listed = (words & ITEM_WORDS and _ITEMS.search(text)) or (not narrow and _ITEMS_CJK.search(text))
    if by_user and is_listed:
        return "the request asks for one label for each of several texts."
    if all(label.lower() in _RIGHT_OR_WRONG for label in labels):
        return "whether something is right is not told by its wording."
    if "you" in words and _YOUR_VIEW.search(text):
        return "the request asks what the model itself thinks."
    if is_given:
        return None
    return (
        _other_name(text, words, labels)
        or _ranked(text, words)
        or _extra(text, words)
        or _form(text, words, labels, is_json=is_json)
    )


def _ranked(text: str, words: frozenset[str]) -> str | None:
    narrow = text.isascii()
    if (words & RANK_WORDS and _RANKED.search(text)) or (not narrow and _RANKED_CJK.search(text)):
        return "several labels are asked for, in an order or with shares."
    return None


def _other_name(text: str, words: frozenset[str], labels: tuple[str, ...]) -> str | None:
    if all(label.isdigit() for label in labels):
        return None
    if any(len(label) == 1 and label.isascii() for label in labels) and {label.lower() for label in labels} != {
        "y",
        "n",
    }:
        return "the answer is a number, letter or id that stands for a label."
    narrow = text.isascii()
    if words & INDEX_WORDS or not narrow:
        spoken = _affirmed(text, words)
        if _INDEX.search(spoken) or (not narrow and _INDEX_CJK.search(spoken)):
            return "the answer is a number, letter or id that stands for a label."
    if words & _SINGLE and len({match[1] for match in _NUMBERED.finditer(text)}) > 1:
        return "the answer is a number, letter or id that stands for a label."
    return None


def _extra(text: str, words: frozenset[str]) -> str | None:
    narrow = text.isascii()
    if not words & EXTRA_WORDS and narrow:
        return None
    spoken = _affirmed(text, words)
    lower = spoken.lower()
    for word in sorted(words & EXTRA_WORDS):
        place = lower.find(word)
        while place >= 0:
            # The pattern is wide and slow: only the surroundings of its own words are searched.
            extra = _EXTRA.search(spoken, max(0, place - 32), place + len(word) + 32)
            if extra is not None:
                return f"the request asks for more than a label ({extra[0].strip()!r})."
            place = lower.find(word, place + 1)
    extra = None if narrow else _EXTRA_CJK.search(spoken) or _EXTRA.search(spoken)
    return None if extra is None else f"the request asks for more than a label ({extra[0].strip()!r})."


def _affirmed(text: str, words: frozenset[str]) -> str:
    """The text without what it says not to do."""
    return text if words.isdisjoint(NEGATIONS) and text.isascii() else _NEGATED.sub(" ", text)


def _form(text: str, words: frozenset[str], labels: tuple[str, ...], *, is_json: bool) -> str | None:
    if words & LANGUAGE_WORDS and _LANGUAGE.search(text):
        return "the answer is to be given in another language."
    if not ("<" in text or "[[" in text or words & FORM_WORDS):
        return None
    spoken = _affirmed(text, words)
    if not is_json:
        for wrapped in _WRAPPED.finditer(text):
            if wrapped[1].lower() not in DATA_TAGS and f"</{wrapped[1]}" in text.replace("\\", ""):
                return "the answer is to be wrapped in tags."
        if _TEMPLATE.search(spoken):
            return "the answer is to be written in a form of its own."
    if "<" in spoken and any(tag[1].lower() in ANSWER_WORDS for tag in _TAGGED.finditer(spoken)):
        return "the answer is to be wrapped in tags."
    if _FORM.search(spoken):
        return "the answer is to be written in a form of its own."
    if (
        "_case" in spoken
        and "snake_case" in spoken.lower()
        and any(" " in label or label != label.lower() for label in labels)
    ):
        return "the answer is to be written in snake_case, the list is not."
    if _UPPER.search(spoken) and any(label != label.upper() for label in labels):
        return "the answer is to be written in capitals, the list is not."
    if _LOWER.search(spoken) and any(label != label.lower() for label in labels):
        return "the answer is to be written in small letters, the list is not."
    return None


def rule(text: str, words: frozenset[str], labels: tuple[str, ...]) -> str | None:
    """Why the label is decided by rules or meanings of the request's own; None when no such rule was found."""
    narrow = text.isascii()
    if words & RULE_WORDS:
        bare = _WHETHER.sub(" ", text)
        found = _RULE.search(bare)
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


# What the instructor library says of every tool (https://python.useinstructor.com).
_BOILERPLATE = late_pattern(r"Correctly extracted `[^`]{1,80}` with all the required parameters with correct types\.?")


def described(text: str, words: frozenset[str], labels: tuple[str, ...]) -> str | None:
    """Why the description of a schema, field or tool decides the label; None when it only says what is there."""
    text = _BOILERPLATE.sub("", text)
    found = rule(text, words, labels)
    if found is None and (
        words & {"example", "examples", "only", "beispiel", "exemple", "ejemplo"} or unexplained(text, labels)
    ):
        return "a description in the schema or tool may decide the label."
    return found


def goes_on(text: str, end: int) -> bool:
    """Whether the sentence asks for more right behind the list that ends at ``end``: "..., then name the rule"."""
    return _GOES_ON.match(text, end) is not None


def multi_label(text: str, words: frozenset[str]) -> bool:
    """Whether several labels may be given at once."""
    return bool(words & MULTI_WORDS) and _MULTI.search(text) is not None


def json_key(text: str) -> tuple[str | None, bool, str | None]:
    """The one key of the JSON object that prose asks for, whether its value is a list, and what stands against it."""
    keys: list[str] = []
    is_list = False
    for match in _BRACES.finditer(text.replace("{{", "{").replace("}}", "}")):
        inner = _KEY.findall(match[0]) or _BARE_KEY.findall(match[0])
        if inner:
            keys.extend(inner)
            is_list = is_list or re.search(r":\s*\[", match[0]) is not None
    distinct = list(dict.fromkeys(keys))
    if not distinct:
        distinct = list(dict.fromkeys(one or two for one, two in _NAMED_KEY.findall(text)))
    if not distinct:
        return None, False, "the request asks for JSON without saying which key holds the label."
    if len(distinct) > 1:
        return distinct[0], is_list, "the request asks for JSON with several keys."
    return distinct[0], is_list, None
