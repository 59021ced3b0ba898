"""What changes nothing in an instruction: headings, thanks, why an answer must be short, what leads to a text.

Told by form alone, before :mod:`understood` looks at words; a remark that may carry a rule is none.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..patterns import late_pattern
from .frame_words import ANSWERING, ASKS, CALLS, GIVES, RISKS
from .usual import is_usual_form
from .vocabulary import INPUT_WORDS, LANGUAGE_WORDS, NOUNS
from .words import alternatives, table

__all__ = ["is_remark", "without_remarks"]

_LONGEST = 400
# "# Shelves"
_HEADING = late_pattern(r"#{1,6} *[^\s#:_.,;]+(?: [^\s#:_.,;]+){0,3}:?")
_THANKS = late_pattern(
    r"\W*(?:(?:many |thank you|thanks|thx|cheers|merci|danke|vielen dank|gracias|muchas gracias|obrigad[oa]|"
    r"grazie)\b)"
    r"[^.:_]{0,24}"
)
# "Got this from the landlord: _"
_LEADS_IN = late_pattern(r"([^_:：.?!\n]{3,70})[:：]\W*_\W*")
_EMPTY_LIST = late_pattern(r"(?:return |give |use )?(?:an |the )?empty (?:list|array)\b[^_]{0,60}")
# "Any other output breaks the pipeline"
_ELSE = late_pattern(r"(?:any|all|every) other (?:output|answer|text|word|reply|response|format)s? [^_]{2,60}")
# "The label goes straight into our database", "It's for a weekly report", "Some messages are in German",
# "Stick to these labels": what becomes of the answer, and how the texts come.
_USED = late_pattern(
    r"(?:(?:the|your|its) (?:label|answer|output|reply|response|result|category|value)s? (?:goes|go|(?:is|are|will "
    r"be|gets?) "
    r"(?:then |only |directly |automatically )*(?:used|read|parsed|stored|saved|fed|inserted|shown|consumed|written|"
    r"sent|"
    r"piped|processed|logged|displayed|passed))|(?:it's|it is|this is) for (?:an?|the|my|our))\b[^_:]{1,80}"
)
_TEXTS = alternatives(INPUT_WORDS)
_LISTS = alternatives(NOUNS)
_WRITTEN_IN = late_pattern(
    rf"(?:(?:some|most|the|our|all|many) )*(?:{_TEXTS})s?(?: of (?:them|the \w+))? (?:is|are|may be|can be|might be|"
    rf"comes?) "
    r"(?:written |sent )?in (?P<in>[a-z ,/-]{4,60})"
)
_STICK = late_pattern(
    r"(?:please )?(?:stick to|(?:restrict|limit|confine) yourself to|stay within) (?:only |exactly )?(?:these|the|"
    rf"this|those) (?:[\w-]+ )?(?:list|{_LISTS})"
)
_LANGUAGES = LANGUAGE_WORDS | table(
    "and or both any broken simple bad poor plain mixed english swedish danish norwegian"
)
_NO_LEAD = (GIVES | ASKS | CALLS | ANSWERING | RISKS) - table("send post type record note log report mark get got say")
# "..., so the next step works", "because the answer is parsed": why the answer has its form.
_PURPOSE = late_pattern(
    r"[,;–—-]? ?\b(?:so(?: that)? (?:the|my|our|i|we|it)|because (?:the|my|our|your|i|we)|(?:since|as) (?:the|my|"
    r"our) (?:answer|"
    r"output|reply|response|result)|(?<=, )(?:the|my|our) (?:next|downstream|following)) [\w'’-]+(?: [\w'’-]+){0,7}$"
)
# "Just the word would be great, thanks"
_ARRIVES = late_pattern(
    r"^\W*(?:if|when|whenever|each time|every time) (?:(?:i|we|you|the user|someone|a user) (?:give|get|send|"
    r"receive|paste|show)s? "
    r"(?:you )?(?:an?|the|some) [\w -]{2,30}|an? [\w-]+ (?:writes(?: in)?|asks|calls|arrives|comes in)), *"
)
# "can u tell me if", "I'd like you to": an order all the same.
_POLITELY = late_pattern(
    r"^\W*(?:(?:please|pls|hi|hey|hello|ok|so|now)\b[ ,!]*)*(?:(?:can|could|would|will) (?:you|u|ya)|"
    r"i(?:'d| would)? (?:want|need|like) you to|would you mind|you (?:are|have) to)(?: (?:please|pls|kindly|just))* "
    r"(?=(?:tell|say|classif|clasif|categori|label|sort|rate|decide|identify|pick|choose|mark|tag|assign|guess)\w*\b)|"
    # "Read the following page from our archive and classify it"
    rf"^\W*(?:please )?(?:carefully )?(?:read|look at|review|consider|examine|study|take) (?:carefully )?"
    rf"(?:this|the following|the given|the) (?:[\w'’-]+ )?(?:{_TEXTS})(?: (?:below|above|carefully))?"
    rf"(?: (?:from|of|taken from|sent by|written by) [^,;:._]{{2,50}}?)?,? (?:and|then) "
    r"(?=(?:then )?(?:classify|categori[sz]e|label|tag|assign|sort) )"
)
_SILENCE = late_pattern(
    r"\W*(?:please |you (?:must |should |will )?)?(?:do not|don't|never|no need to) (?:greet|sign|apologi[sz]e|chat|"
    r"thank|elaborate|hedge|overthink|explain|justify|comment|introduce|discuss|argue|moralize|"
    r"repeat yourself)(?: (?:the|any|me|us|it|anything|anyone|them|"
    r"yourself|your [\w'’-]+)(?: [\w'’-]+){0,2})?|"
    r"(?:just )?(?:a )?quick (?:favou?r|question|one|task|thing)(?: for you)?|"
    r"\W*(?:think|reason|reflect|pensa|ragiona|piensa|razona|pense|raciocine|réfléchis|raisonne|denke?)\b[^_.]{0,40}?"
    r"\b(?:internally|silently|to yourself|internamente|mentalmente|in silenzio|en silencio|em silêncio|en silence|"
    r"intérieurement|intern|still)\b[^_.]{0,80}"
)
# "An automatic workflow reads your answer"
_READS = late_pattern(
    r"(?:an?|the|our|my|your|another) (?:[\w'’-]+ ){1,4}(?:reads?|parses?|consumes?|uses?|processes|stores?|imports?|"
    r"ingests?|receives?|takes|picks up|logs?|displays?|expects?) (?:your|the|this|its) (?:answer|output|reply|"
    r"response|label|result|category|value)s?\b[^_:]{0,60}"
)
# ", just one word pls"
_JUST = late_pattern(
    r"[,;(–—-]? ?\b(?:just|only) (?:the |one |a single |1 )?(?:word|label|category|class|answer|name)s?\)?"
    r"(?:,? (?:pls|plz|please|thx|thanks))?(?=\W*_?\W*$)"
)
_ENOUGH = late_pattern(
    r" (?:would be|will be|is|will) (?:great|nice|lovely|perfect|enough|fine|ideal|sufficient|do)(?:,? (?:thanks|"
    r"thank you|thx|"
    r"please))?$"
)
# "(no bold)", "without its number", "and not one word more"
_DENIED = late_pattern(
    r"[ ,;(–—-]*\b(?:and )?(?:no|without|not) (?!(?:if|when|unless|less|more|the|one|any|only|sure|what|which|to|"
    r"for|by|in|from|about)\b)"
    r"(?:(?:a|an|any|its|the|their|further|other) )?(?:[\w'’-]+ ){0,2}?(?P<last>[\w'’-]+)\)?$"
)
_FORMS = table(
    """
    bold italics markdown block blocks number numbers numbering text quotes fence fences letter letters bullet bullets
    dash dashes hash emoji emojis brackets heading headings code formatting tags tag words word punctuation
    prose index
    """
)


def is_remark(lower: str, names: Iterable[str]) -> bool:
    """Whether a sentence in small letters, with ``_`` for listed labels and the text, is such a remark as a whole."""
    if len(lower) > _LONGEST:
        return False
    if _SILENCE.fullmatch(lower) is not None:
        return True
    if lower.startswith("#") and _HEADING.fullmatch(lower) is not None:
        return lower.lstrip("# ") not in names
    if lower.startswith(
        ("thank", "many", "thx", "cheers", "merci", "danke", "vielen", "gracias", "muchas", "obrigad", "grazie")
    ):
        return _THANKS.fullmatch(lower) is not None
    if _EMPTY_LIST.fullmatch(lower) is not None or _ELSE.fullmatch(lower) is not None:
        return not any(name in lower for name in names)
    if not any(name in lower for name in names):
        if is_usual_form(lower):
            return RISKS.isdisjoint(lower.split()) and not lower.startswith("reply to")
        if _USED.fullmatch(lower) is not None or _READS.fullmatch(lower) is not None:
            return RISKS.isdisjoint(lower.split())
        written = _WRITTEN_IN.fullmatch(lower)
        if written is not None and set(written["in"].replace(",", " ").replace("/", " ").split()) <= _LANGUAGES:
            return True
    if _STICK.fullmatch(lower) is not None:
        return True
    lead = _LEADS_IN.fullmatch(lower)
    if lead is None:
        return False
    words = lead[1].split()
    return (
        _NO_LEAD.isdisjoint(words) and not any(map(str.isdigit, lead[1])) and not any(name in words for name in names)
    )


def without_remarks(lower: str) -> str:
    """A sentence without its remarks: that a text comes in, why the answer is short."""
    if len(lower) > _LONGEST:
        return lower
    lower = _POLITELY.sub("", lower, count=1)
    if "_" in lower and ("just" in lower or "only" in lower):
        lower = _JUST.sub("", lower)
    if lower.lstrip(' "').startswith(("if ", "when", "each time", "every time")):
        lower = _ARRIVES.sub("", lower)
    if "so " in lower or "because " in lower or "since " in lower or ", " in lower:
        lower = _PURPOSE.sub("", lower)
    if "would be" in lower or lower.endswith(("enough", "fine", "thanks", "sufficient")):
        lower = _ENOUGH.sub("", lower)
    denied = _DENIED.search(lower)
    if denied is not None and denied["last"] in _FORMS and denied.start() > 0:
        lower = lower[: denied.start()]
    return lower
