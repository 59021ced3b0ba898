"""English orders made of usual words: which of them ask for a label and nothing else?

"Return the label" and "return the label and the text" are made of the same words. What an order may say is therefore
spelled out: its parts are taken away one by one, and nothing but words without content may be left.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .vocabulary import ANSWER_WORDS, DATA_TAGS, INPUT_WORDS, NOUNS
from .words import table

__all__ = ["adds_to_label", "asks_too_much", "is_plain_question"]

_NAMES = NOUNS | (ANSWER_WORDS - {"subject"})
_START = (
    r"^\W*(?:[\w'’-]{1,24}(?: [\w'’-]{1,24}){0,2} ?[:：]\W*)?(?:(?:please|help me to|help me|now|then|so|kindly|"
    r"always|simply|just|"
    r"only|strictly|also|and|you (?:must|should|will|can|may|are to|need to|have to)|your task is to|must|should) )*"
)
_ORDER = late_pattern(
    _START
    + r"(?P<verb>answer|respond|reply|return|output|print|give|write|say|provide|state|name|tell(?! me (?:which|what|"
    r"whether|if)\b)|add|put|keep|start|"
    r"end|"
    r"begin|show|mark|use|repeat|spell|include|let|thank|look up|be(?! (?:given|provided|shown|sent|presented|"
    r"asked))|order|"
    r"report|emit|send|choose|pick|select|correct (?:the|any|all|its)|make|take|express|format|leave|limit|point|"
    r"speak|change|"
    r"follow|check|treat|list|quote|sign|append|insert)\b(?! ?[:：]| (?:must|should|will|is|has|are)\b)"
)
_NOUN = "|".join(
    sorted(
        map(
            re.escape,
            (word for word in NOUNS | (ANSWER_WORDS - {"subject"}) if word.isascii() and word.isalpha()),
        ),
        key=len,
        reverse=True,
    )
)
_INPUT = "|".join(
    sorted(map(re.escape, (word for word in INPUT_WORDS | DATA_TAGS if word.isascii())), key=len, reverse=True)
)
_MORE_NOUNS = (
    r"names?|word|string|literal|term|choice|item|decision|action|folder|bucket|code|member|constant|element|tool|function|team|"
    r"rating|"
    r"field|judge?ment|assessment|outcome|mood|feeling|language|number|digit|stars?|score|grade|level|platform|area|"
    r"function call|identifier|party|side|genre|style"
)
_DET = (
    r"(?:(?:the|a|an|one|exactly one|only one|just one|single|your|that|its|any|each|every|this|these|those|"
    r"one and only one) )*"
)
_ADJ = (
    r"(?:(?:single|exact|best|best[- ]fitting|best[- ]matching|best-suited|most|more|appropriate|suitable|correct|"
    r"right|matching|"
    r"corresponding|"
    r"relevant|fitting|predicted|chosen|selected|final|main|primary|dominant|overall|following|given|possible|"
    r"allowed|valid|"
    r"above|closest|likely|probable|predefined|listed|available|only|bare|plain|applicable|resulting|general|"
    r"specific|"
    r"detected|identified|assigned|lowercase|lower-case|uppercase|expected|desired|proper|fit|exactly|specified|"
    r"provided|"
    r"original|prevailing|principal) )*"
)
_OWN = (
    r"(?!(?:customer|user|author|product|sender|company|person|client|first|second|other|last|next|item|"
    r"text)\b)[\w-]+ "
)
_PARTS = tuple(
    (late_pattern(form), " ")
    for form in (
        r"(?:(?:a|an|one|the|valid|single) )*\bjson(?: objects?| format| string| only| instance)?(?: (?:that|"
        r"which) (?:matches|"
        r"conforms to|follows|fits|satisfies|validates against) (?:this|the)(?: (?:following|given|above|"
        r"typescript))* "
        r"(?:type|schema|interface|structure|shape|format|definition))?|\bschema\b",
        rf"^\W*(?:put|file|send|place|sort) {_DET}(?:[\w-]+ )?(?:{_INPUT})s?\b",
        r"\b(?:for|of|about) the (?:[\w'’-]+ ){1,3}?(?:described|given|sent|pasted|provided|quoted|shown|written) "
        r"(?:by the (?:user|customer)|below|above|here|in the message)",
        # What is forbidden is not demanded.
        r"(?:,|;|\band\b|\bbut\b|[–—-])?\s*(?:\b(?:no|without|nor|do not|don't|never|not|rather than|instead of|"
        r"nothing|omit|avoid)\b).*$",
        r"\b(?:answer|respond|reply|return|output|print|give|write|say|provide|state|"
        r"name(?! (?:as|only|alone|itself)\b)|tell|use|report|emit|send|choose|pick|"
        r"select|put|make sure|be)(?:ing)? (?:me |us |back |out |it |them )?",
        r"\b(?:(?:spelled|written|typed) )?(?:exactly |word for word |verbatim )?(?:as|like) (?:it is |they are |"
        r"it's |it |they )?(?:appears?|stands?|written|listed|given|"
        r"shown|spelled|"
        r"provided|above|below|specified|defined|named|in the list|stated|printed)(?: (?:in the list|above|below|"
        r"here|there))*",
        r"\b(?:that|which) (?:best |most (?:closely |accurately |likely )?|is (?:the )?)?(?:fits?|match(?:es)?|"
        r"describes?|appl(?:y|ies)|"
        r"corresponds?|represents?|belongs?|expresse?s?|captures?|reflects?|summari[sz]es?|suits?|best)\b"
        rf"(?: (?:best|most|to|it|the|this|with|of|content|whole|entire|overall|(?:{_INPUT})s?|(?:{_INPUT})'s|user|"
        rf"customer|author)\b)*",
        rf"\b(?:from|of|among|between|in|out of|to|for|on|about|to which|given|into|under) {_DET}(?:user|customer|"
        rf"new|user's|customer's|author's|"
        rf"last|given|following|incoming|whole|entire|full|above|provided|short|complete|current|"
        rf"latest)? ?(?:[\w'’-]+ ){{0,2}}(?:{_INPUT})s?\b(?: (?:above|below|i send|you receive|you are shown|"
        rf"in (?:triple |the )?(?:backticks|quotes|brackets|tags|lines)|between the lines))?",
        rf"\b(?:from|of|among|between|in|out of|into|to|for|on) {_DET}{_ADJ}(?:list|options|set|{_NOUN}|"
        rf"{_MORE_NOUNS}|{_INPUT}|"
        rf"(?:two|three|four|five|six|seven|eight|nine|ten|\d+)(?: words)?|following|above|below|user|customer|"
        rf"author|speaker|writer|team)s?"
        rf"(?: (?:{_NOUN}|{_MORE_NOUNS}|options|words))?(?: (?:above|below|given|listed|provided|here))?",
        rf"\b(?:the )?(?:{_NOUN}|option|value|choice|item)(?:['’]s)? (?:text|wording|name)\b|"
        rf"\bthe (?:text|wording|name) of the (?:{_NOUN}|option|value|choice|item)\b",
        r"\b(?:words|labels|options|values|names) in (?:the )?(?:brackets|parentheses)\b",
        r"\b(?:keep|use|copy|preserve|respect|match) (?:to )?(?:the|their|its) (?:(?:exact|same|original) "
        r")*(?:spelling|case|"
        r"casing|wording|capitali[sz]ation)\b(?: (?:of|from|in|as) the (?:list|labels?|options|categories|names)| "
        r"shown| given|"
        r" used| above| below)*",
        r"\b(?:separated|delimited|joined) (?:by|with) (?:an? )?commas?(?: and (?:an? )?(?:space|blank)s?)?|"
        r"\bcomma-separated list\b",
        r"\bit (?:refers to|is about|belongs to|concerns|falls under)\b",
        r"\bwith the ones (?:that|which)?|\bdescribed by the user|\bbetween the (?:markers|lines|dashes)",
        rf"\b{_DET}{_ADJ}(?:{_OWN})?(?:_|(?:{_NOUN})(?:['’]s)?|(?:{_MORE_NOUNS})(?:['’]s)?)(?: (?:{_NOUN}|"
        rf"{_MORE_NOUNS}|itself|alone|string|value))*",
        r"\b(?:in|all|as|with|using|one of|either|from among|accordingly)\b",
        r"\b(?:lower ?-?case|small letters|lowercase letters|english|full|exactly|strictly|directly|plain text|"
        r"a single token|one token)\b",
    )
)
_LEFT = late_pattern(r"[^\W\d_]+(?:['’_-][^\W\d_]+)*")
_EMPTY = table(
    """
    only just exactly strictly simply solely please always must should now with as by in from to the a an one of or
    and it its this that these those for is are be on at you your will can any here below above following given alone
    else more other than also directly either single best most what which whose whether if how them their they shown
    so i listed list provided named read carefully consider look whole content itself then my we us me back quickly
    line row account behind cue after next has holds contains candidate candidates concise brief precise accurate
    consistent careful hyphen comma-separated containing corresponding record otherwise format form option options
    value values key array comma separated like based predefined raw passes parse verbatim unquoted caps capitals stop
    between choose into path receive python dict member enum send where belongs falls turn chat example snake_case
    you're being e g yes true false per
    """
)
# Orders made of these alone ask for a label.
_SIMPLE = (
    _EMPTY
    | _NAMES
    | table("name names word string term respond reply return print give write say provide state use report emit")
    | table("choose pick select")
)
_COUNTED = late_pattern(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|[02-9]|\d\d|several|top|other two)\b(?: \w+)? "
    r"(?:words?|letters?|labels?|answers?|characters|sentences?)\b"
)
_COUNT_OF_LIST = table("of the these those following into among between are predefined possible allowed")
_FURTHER = late_pattern(
    r"\W*(?:also|additionally|in addition|furthermore|moreover|on top of that|as well),? (?:please )?(?!(?:do not|"
    r"don't|never|no|avoid|"
    r"make sure|note|remember|be\b))[a-z]+\b"
)
# "Do the same for urgency: now, later"
_AGAIN = late_pattern(
    r"\W*(?:now |and |then |please )*(?:do (?:the same|likewise)|likewise|same) (?:again )?(?:for|with|to)\b"
)
_THEN = late_pattern(r"\W*(?:then|finally|afterwards|after that),? (?:an?|the|your|two|three)\b")
_SEVERAL = late_pattern(
    _START
    + r"(?:write|give|list|name|suggest|make|create|generate|provide|propose|invent|draft)(?: me| us)? (?:two|three|"
    r"four|five|six|seven|eight|nine|ten|\d+|several|some|a few) (?!of\b|words? or\b)"
)
_COUNTED_OUT = late_pattern(
    r"\b(?:the|your) (?:top|other|first|last) (?:two|three|\d)\b|"
    r"\b(?:exactly|pick|choose|select|give|name|list) (?:me )?(?:the )?(?:two|three|four|five|six|[2-9]) "
    r"(?:of (?:the|these|those|them)|[\w-]+ (?:from|out of))\b"
)
_OTHER_LABEL = late_pattern(
    r"\b(?:second|third|least|worst|opposite|wrong)\b(?: \w+){0,3} (?:label|category|class|option|answer|choice|"
    r"tag)s?\b|"
    r"\b(?:second|third|least|worst|other|opposite|wrong|same|first|last|random|next)\b(?: \w+)? (?:label|category|"
    r"class|option|answer|choice|tag)s?\b|"
    r"\beach (?:label|category|class|tag|option)\b(?! (?:is|has|means|belongs|gets|one))|\b(?:attached|attachment)\b|"
    r"\bof your own\b|"
    r"\b(?:code|letter|length|position|place|index|id|number|synonym|plural|translation|opposite|initial|"
    r"abbreviation|meaning|"
    r"part|half|end|start)s? of (?:the|a|each|its) (?:\w+ )?(?:label|category|class|tag|option|answer)\b|"
    r"\b(?:python|a) (?:list|dict|dictionary|tuple|set)\b(?!-like|.*\{)|,? not (?:of |for )?the (?:message|text|"
    r"review|comment|title)\b|"
    r"\bas (?:a|an) (?:(?:bulleted|numbered) )?(?:list|table|sentence|question|paragraph)\b|\b(?:fits?|appl(?:y|ies)|"
    r"match(?:es)?) (?:the )?(?:least|worst)\b|\b(?:do|does|did|would|will) not (?:fit|choose|apply|match|belong)\b|"
    r"\b(?:label|category|class|answer)s? (?:that|which|by|of) (?:the )?(?:author|writer|most people|name|length|"
    r"number)\b"
)
_LISTED = late_pattern(r"(?<!\w)_(?!\w)")
_ASKED = late_pattern(r"\W*(?:is|are|does|do|has|have|was|were|if|whether)\b")
_TWO_ORDERS = late_pattern(
    r"(?:\band|\bthen|;) (?:also |then |afterwards )?(?:answer|respond|reply|return|give|write|say|tell|add|put|mark|"
    r"send|name|"
    r"label|classify|tag|rate|assign|greet|thank|list|quote)\b"
)
_LOOK = late_pattern(_START + r"(?:read|look at|consider|analy[sz]e|examine|review|take|study|go through)\b")
# "the label and a greeting", "one label for the title and one for the text"
_SECOND_OBJECT = late_pattern(
    r"(?P<before>[^\W\d_]+|_)(?:,|,? and|,? plus|,? then| with) (?:(?:the|an?|its|their|his|her|your) "
    r"(?!_|(?:tool|hyphen|exact|same|correct|given|right))|(?:one|two|some|another) "
    r"(?!of\b|and\b|or\b|only\b|word\b|label\b|_))|"
    rf"\b(?P<one>the|one) (?:{_NOUN}) (?:for|of) [^.]*\band (?P=one)\b|\bof your (?:own )?choice\b|"
    r"\b(?:backwards?|in reverse|right to left|every (?:second|other|third)|read between the lines)\b|"
    rf"\bsort the (?:{_NOUN})"
)
# "return label and severity"
_BARE_SECOND = late_pattern(
    r"\b(?:return|give|output|state|provide|report|print|write|(?:answer|respond|reply) with) (?:only |just |the )*"
    rf"(?:{_NOUN})(?: and|,| plus| with) (?!nothing|no\b|not\b|only|never|stop|done|please|thanks|alone)[a-z]+$"
)
# "classify the question, then answer it"
_ANSWERED = late_pattern(
    r"(?:\band|\bthen|;) (?:also |then |please )*(?:answer|solve|fix|translate|reply to|respond to) "
    r"(?:it|them|the (?:question|query|message|user|customer|sender|request))\b"
)
_MARK = late_pattern(r"\W*(?:please )?mark (?:the|this|each|every|it)\b")
_DOING = late_pattern(
    _START
    + r"(?:ask (?:the|our|a|them|him|her|for)\b|(?:reply|respond|write|answer|talk|speak|explain) (?:to )?(?:the |"
    r"this |our |your )?(?:customer|user|"
    r"client|"
    r"sender|author|guest|patient)s?\b|help(?! me (?:to )?(?:label|classify|sort|tag|categori[sz]e|decide|find|choose|"
    r"pick|rate|understand))|"
    r"tell (?:the |our |your )?(?:customer|user|client|sender|author|guest|patient)s?\b|"
    r"thank|correct (?:the|any|all|its)|let|show|mark|speak|change|check|spell|"
    r"repeat|start|begin|end|look up|keep(?! the (?:spelling|case|wording))|"
    r"be(?! (?:concise|brief|precise|exact|accurate|consistent|careful|objective|as |sure))|quote|sign|order|leave|"
    r"treat|read (?:only|from|every|it aloud))\b(?<!be)(?! (?:given|provided|shown|sent|presented|asked))"
    r"(?! (?:to the format|the format|your answer to|it (?:to|at) (?:one|a single)))"
)


def asks_too_much(lower: str, called: frozenset[str] = frozenset()) -> bool:
    """Whether an order of usual words, in small letters with ``_`` for the labels, asks for more than a label.

    ``called``: what the list calls its items ("desk").
    """
    if adds_to_label(lower):
        return True
    order = _ORDER.match(lower)
    if order is None:
        return False
    listed = [match.start() for match in _LISTED.finditer(lower)]
    if listed:
        if _TWO_ORDERS.search(lower, 0, listed[0]) and _LOOK.match(lower) is None:
            return True
        lower = lower[listed[-1] :]
    else:
        lower = lower[order.start("verb") :]
    if _SIMPLE.issuperset(_LEFT.findall(lower)):
        return False
    for form, instead in _PARTS:
        lower = form.sub(instead, lower)
    return any(word not in _EMPTY and word not in called for word in _LEFT.findall(lower))


def adds_to_label(lower: str) -> bool:
    """Whether something beside the label, or another than the listed one, is asked for."""
    if (
        _is_counted(lower)
        or _OTHER_LABEL.search(lower)
        or _SEVERAL.match(lower)
        or _FURTHER.match(lower)
        or _THEN.match(lower)
        or _ANSWERED.search(lower)
        or _BARE_SECOND.search(lower)
        or (("same" in lower or "likewise" in lower) and _AGAIN.match(lower))
    ):
        return True
    if _DOING.match(lower) and " as " not in lower[:24] and not (_MARK.match(lower) and "_" in lower):
        return True
    order = _ORDER.match(lower)
    return _names_second(lower, order.end() if order is not None else 0)


def _is_counted(lower: str) -> bool:
    """Whether words or labels are counted that are not those of the list: "three letters", "the top two"."""
    if _ASKED.match(lower) is not None:
        return False
    for match in _COUNTED.finditer(lower):
        before = lower[: match.start()].rsplit(None, 1)
        if not before or before[-1] not in _COUNT_OF_LIST:
            return True
    return _COUNTED_OUT.search(lower) is not None


_CALLED = frozenset({"name", "word", "term", "value"})


def _names_second(lower: str, start: int) -> bool:
    """Whether something is asked for beside the label."""
    for match in _SECOND_OBJECT.finditer(lower, start):
        before = match["before"]
        if before == "answer" and match[0].startswith("answer with"):
            continue
        if (
            before is None
            or before == "_"
            or (
                (before in _NAMES or before in _CALLED or before.removesuffix("s") in _NAMES)
                and not lower.endswith(("and ", "then "), 0, match.start())
            )
        ):
            return True
    return False


def is_plain_question(lower: str) -> bool:
    """Whether a question asks for the label, as what kind of thing the text is; True of questions not in English."""
    return _QUESTION.match(lower) is None or _ASKS_KIND.search(lower) is not None


_QUESTION = late_pattern(
    r"\W*(?:and |also |then |question: )*(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|does|do|did|"
    r"can|could|"
    r"should|would|will|has|have)\b"
)
_ASKS_KIND = late_pattern(
    rf"\b(?:what|which)(?: of (?:the|these|those)\b|(?:'s| is| are| best| kind of| type of| sort of)*(?: the| its|"
    rf" this| {_ADJ})* ?(?:{_NOUN}|"
    r"kind|sort|mood|feelings?|one|team|genre)\b)|\bhow (?:does|do|did|is|would)\b.*\b(?:feel|feeling|sound|classify|"
    r"rate|label)\b|"
    r"\bwhat (?:is|are) (?:it|this|the \w+) about\b|\b(?:belong|belongs|classified|fall|falls)\b"
)
