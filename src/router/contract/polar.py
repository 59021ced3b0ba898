"""Yes or no, true or false, and scales of numbers, in several languages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from ..patterns import late_pattern
from .labels import Listing
from .listing import list_at
from .vocabulary import DATA_TAGS, INPUT_WORDS, RANGE_WORDS
from .words import table, words_of

__all__ = [
    "OF_TEXT",
    "YES_WORDS",
    "are_denied",
    "asks_one",
    "asks_truth",
    "holds_polar",
    "is_polar",
    "question_of",
    "ranges",
    "unasked",
    "without_restated",
    "yes_no",
]

_YES = {
    "yes": ("no",), "y": ("n",), "ja": ("nein", "nee", "nej", "nei"), "oui": ("non",), "sí": ("no",), "si": ("no",),
    "sì": ("no",),
    "sim": ("não", "nao"), "true": ("false",), "wahr": ("falsch",), "vrai": ("faux",), "verdadero": ("falso",),
    "verdadeiro": ("falso",), "vero": ("falso",), "waar": ("onwaar",), "tak": ("nie",), "نعم": ("لا",), "да": ("нет",),
    "evet": ("hayır",), "ano": ("ne",), "áno": ("nie",), "kyllä": ("ei",), "igen": ("nem",), "так": ("ні",),
    "כן": ("לא",), "ναι": ("όχι",), "da": ("nu",), "ya": ("tidak",),
}  # fmt: skip
YES_WORDS = frozenset(_YES)
_POLAR = frozenset(frozenset((yes, no)) for yes, nos in _YES.items() for no in nos) | frozenset(
    map(frozenset, (("是", "否"), ("是", "不是"), ("对", "错"), ("はい", "いいえ"), ("예", "아니요"), ("네", "아니요")))
)
_POLAR_WORDS = frozenset[str]().union(*_POLAR)
_JOIN = (
    r"[\"'”’»`*.]{0,2}\s*(?:/|\||,\s*or|,|\bor\b|\boder\b|\bou\b|\boppure\b|\bo\b|\bof\b|\b(?:albo|lub|или|або|أو|"
    r"veya|"
    r"ya da|eller|tai|nebo|alebo|vagy|czy|או|ή|sau|atau)\b)\s*"
    r"(?:(?:mit|par|con|com|with|met|per|med)\s+)?[\"'“‘«`*]{0,2}"
)
_COND = r"[\"'”’»`*]{0,2},?\s+(?:if|when|wenn|falls|si|se|als|indien|for|where)\b[^\n]{2,300}?[\s\"'“‘«`*]"
_PAIRS = {
    yes: late_pattern(
        rf"(?<!\w)({yes})(?:{_JOIN}|{_COND})({'|'.join(nos)})(?!\w)(?P<more>[\"'”’»`*]{{0,2}}\s*(?:/|\||"
        rf",?\s*\bor\b)\s*"
        rf"[\"'“‘«`*]{{0,2}}\w)?",
        re.IGNORECASE,
    )
    for yes, nos in _YES.items()
}
_REVERSED = {
    yes: late_pattern(rf"(?<!\w)({'|'.join(nos)})(?:{_JOIN}|{_COND})({yes})(?!\w)(?P<more>\Z\A)?", re.IGNORECASE)
    for yes, nos in _YES.items()
}
_ELSE = late_pattern(
    r"[\"'”’`]{0,2},? (?:if|when) (?:it (?:is|does|has|was)(?: not|n't)|it isn't|it doesn't|not)\b", re.IGNORECASE
)
_CONDITION = late_pattern(r"\b(?:if|when|wenn|falls|si|se|als|indien|for|where)\b", re.IGNORECASE)
_RANGE = late_pattern(
    r"(?<![\d.$€£])(\d{1,2})\s*(?:-|–|—|to|bis|à|a|tot|至|到|~|〜|から)\s*(\d{1,2})(?![\d.%:/])"
    r"(?:\s*(?:stars?|sterne[n]?|étoiles?|estrellas?|estrelas?|stelle|sterren|星|つ星))?",
    re.IGNORECASE,
)


_SCALE_CJK = late_pattern(r"星|段階|スコア|評価|评分|打分|평점")
_INPUT = "|".join(sorted(map(re.escape, (word for word in INPUT_WORDS if word.isalpha())), key=len, reverse=True))
_SUBJECT = rf"(?:it|this|(?:[^\W\d_]['\w’-]* ){{1,4}}?(?:{_INPUT}))"
_WHAT = (
    r"(?:an? |eine? |un[ea]? |considered )?(?P<what>[^\W\d_][\w-]*(?: [\w-]+){0,2}?) ?"
    # one more quality behind it makes it another question
    r"(?=[?.;:!()\n]|,(?! ?(?:or |and )?(?!yes|no\b|true|false|ja|nein|oui|s[íi]\b)[\w-]+(?: [\w-]+)?(?:,| or |\?))|$|"
    r"or not\b|oder nicht\b|ist\b|\byes/no|\bja/nein)"
)
_ASKED = tuple(
    late_pattern(form, re.IGNORECASE)
    for form in (
        rf"(?:^|[\n.:!?] ?)(?:is|ist|¿? ?es|è|é) {_SUBJECT} {_WHAT}",
        rf"\b(?:whether|(?:tell me|decide|determine|check|say|judge|detect|indicate|assess|evaluate) if|"
        rf"(?:yes|true)[\"'”’]{{0,2}},? (?:if|when)) {_SUBJECT} is {_WHAT}",
        rf"\bob {_SUBJECT} {_WHAT}",
        rf"(?:^|[\n.:!?] ?)est-ce que {_SUBJECT} est {_WHAT}",
        rf"\bsi {_SUBJECT} (?:es|est) {_WHAT}",
    )
)
# "Is it academic or not?", "Is it rude, hateful or violent?": yes or no answers them.
_ONE_ASKED = late_pattern(
    r"(?:is|are|was) [^,:;_]* related to [^:;_?]+$|"
    r"(?:is|are|does|do|was)\b[^,:;_]* or not$|"
    r"(?:is|was) (?!.*\b(?:about|of|for|in|to|on|from|by)\b)[^,:;_]+"
    r"(?:, [\w'-]+(?: [\w'-]+)?)+,? or [\w'-]+(?: [\w'-]+)?$"
)
_RESTATED = late_pattern(
    r"(?:如果|若)是(?:的话)?[，,]?\s*(?:请|则|就)?(?:回答|输出|返回|回复)\s*[“\"'「]?(?P<yes>yes|true|是|对)[”\"'」]?[；;，,。]\s*"
    r"(?:否则|反之|(?:如果|若)不是)(?:的话)?[，,]?\s*(?:请|则|就)?(?:回答|输出|返回|回复)\s*[“\"'「]?(?P<no>no|false|否|不是|错)[”\"'」]?",
    re.IGNORECASE,
)
_DENIED = late_pattern(r"(?:not?|non|un|free|kein|nicht|pas|sin|sans|less|more|too|very|never)\b|non-?|un(?!i)")
_AGAINST = late_pattern(r"\b(?:no|false|nein|non|não)[\"'”’]{0,2},? (?:if|when|wenn|si|se)\b", re.IGNORECASE)


_QUESTIONS = late_pattern(r"[^.?!\n]+\?")
_ASKS = late_pattern(
    r"\W*(?:question: *)?(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|may|might)\b"
)
_ENGLISH = table("the is are does answer reply respond return output yes")
_CONDITIONS_CJK = late_pattern(r"是否|吗|嗎|是不是|有没有|かどうか|ですか|ますか|여부|인지|니까|나요|ή όχι")
_PREDICTS = late_pattern(r"\W*(?:will|would|should|may|might|could) (?!you (?:say|call|rate|classify|describe|label) )")
_TRUTH = late_pattern(
    r"\W*(?:is|are|was) (?:it|this|that|the (?:statement|claim|sentence|following)) "
    r"(?:_|true|correct|right|accurate|factual)\W"
)
_CONDITIONS = late_pattern(
    r"[?=]|\b(?:whether|if|when|(?:yes|no|true|false)[\"'”’]? for|where|ob|wenn|falls|si|se|als|of|czy|in case|"
    r"est-ce|classify|classifier|check\w*|"
    r"detect\w*|flag\w*|filter\w*|moderat\w+|screen\w*)\b"
)
_BY_SIGNS = late_pattern(r"\bcontains? the (?:letter|word|character|phrase|string|number)\b")
# "Does the note mention "garden party"?": a second text beside the one to judge, or a phrase to look for
_QUOTED_IN = late_pattern(
    r"\b(?:mention|contain|relat|refer|say|said|includ|match|correspond|about|answer|address|same|discuss|cover|concern|"
    r"nennt|erwähn|enthält|contient|parle|contiene|menciona|contém|parla)\w*\b[^?\"“«„\n]{0,40}"
    r"[\"“«„]\s*[^\W_][^\"“”«»„\n]*[\"”»“]",
    re.IGNORECASE,
)
_TWICE_DENIED = late_pattern(r"\b(?:not|isn't|doesn't|n't)\b[^.?!\n]*\b(?:not|isn't|doesn't|no|never)\b[^.?!\n]*\?")
OF_TEXT = (
    INPUT_WORDS
    | DATA_TAGS
    | table(
        """
    this that these those it its he she they them their his her here above below following author writer reviewer
    customer user sender speaker person poster client caller you someone anybody anyone guest patient buyer tenant
    passenger reader texts messages reviews comments tweets tickets posts emails mails words image picture chat line
    answer reply response note there
    """
    )
)


def is_polar(labels: Sequence[str]) -> bool:
    """Whether the answers are yes and no, or true and false."""
    return len(labels) == 2 and frozenset([labels[0].casefold(), labels[1].casefold()]) in _POLAR


def are_denied(names: Collection[str]) -> bool:
    """Whether two labels are one and its denial ("pii", "no_pii"), so that they answer such a question."""
    short, long = sorted(names, key=len)[0], sorted(names, key=len)[-1]
    return len(names) == 2 and long.endswith(short) and long[: -len(short)].rstrip(" _-") in ("no", "not", "non", "un")


def asks_one(lower: str) -> bool:
    """Whether yes or no answers a question with an "or", in small letters: "is it academic or not"."""
    return _ONE_ASKED.match(lower) is not None


def without_restated(text: str, labels: Sequence[str]) -> str:
    """An instruction in Chinese without the sentence that tells yes from no: 如果是，回答是；否则回答否"""
    return _RESTATED.sub(
        lambda said: "" if is_polar(labels) and {said["yes"], said["no"]} == set(labels) else said[0], text
    )


def holds_polar(labels: Sequence[str]) -> bool:
    """Whether yes and no are among the answers: "yes, no or maybe"."""
    folded = {label.casefold() for label in labels}
    return len(labels) < 5 and not folded.isdisjoint(_POLAR_WORDS) and any(pair <= folded for pair in _POLAR)


def question_of(texts: Iterable[str]) -> str:
    """What instructions ask whether it is so of the text to judge ("toxic"); empty unless exactly one thing is asked.

    A denial ("not spam") is left to whoever reads more than words.
    """
    found: set[str] = set()
    for text in texts:
        if _AGAINST.search(text):
            return ""
        for form in _ASKED:
            for match in form.finditer(text):
                words = match["what"].casefold().split()
                while len(words) > 1 and words[0] in INPUT_WORDS:
                    words.pop(0)
                found.add(" ".join(words))
    asked = found.pop() if len(found) == 1 else ""
    return "" if _DENIED.match(asked) else asked


def asks_truth(texts: Sequence[str]) -> str | None:
    """Why what an instruction asks is no matter of wording: whether a statement is true. None when it is."""
    for text in texts:
        if "?" in text and any(_TRUTH.match(match[0]) for match in _QUESTIONS.finditer(text.lower())):
            return "whether something is true is not told by its wording."
        if '"' in text or not text.isascii():
            asked = (match[0] for match in _QUESTIONS.finditer(text))
            if any(_QUOTED_IN.search(question) is not None for question in asked):
                return "a text is to be held against a phrase."
    return None


def unasked(texts: Sequence[str]) -> str | None:
    """Why a bare yes or no cannot be an answer about the text to judge; None when it can.

    ``texts``: the instructions. Nothing may be asked at all ("Yes or no: did vikings have horned helmets"), or
    something that the text does not decide by itself ("Is the museum open at eleven?").
    """
    whole = "\n".join(texts).lower()
    if not whole.isascii() or _ENGLISH.isdisjoint(words_of(whole)):
        is_asked = any(mark in whole for mark in "?？؟¿") or _CONDITIONS.search(whole) or _CONDITIONS_CJK.search(whole)
        return None if is_asked else "nothing says what yes and no mean of the text."
    if _TWICE_DENIED.search(whole):
        return "the question is denied twice."
    if _BY_SIGNS.search(whole) is not None:
        return "what is asked is told by letters, not by meaning."
    asked = [match[0].split("question:")[-1] for match in _QUESTIONS.finditer(whole) if _ASKS.match(match[0])]
    if any(_PREDICTS.match(question) or OF_TEXT.isdisjoint(words_of(question)) for question in asked):
        return "the question is about something else than the text."
    if not asked and not _CONDITIONS.search(whole):
        return "nothing says what yes and no mean of the text."
    return None


def yes_no(text: str, words: frozenset[str]) -> Iterator[Listing]:
    for yes in sorted(words & YES_WORDS):
        if not any(no in words for no in _YES[yes]):
            continue
        for patterns in (_PAIRS, _REVERSED):
            match = patterns[yes].search(text)
            if match is None:
                continue
            if match["more"]:
                listing = list_at(text, match.start())
                if listing is not None:
                    yield listing
                break
            before = text[max(0, match.start() - 2) : match.start()]
            if "/" in before or "|" in before or (before.rstrip().endswith(",") and len(yes) > 1):
                break
            alike = match[1].istitle() == match[2].istitle() and match[1].isupper() == match[2].isupper()
            # "True or false: ...": how the answer is to be spelled is not said.
            end = match.end()
            if (rest := _ELSE.match(text, end)) is not None and _CONDITION.search(match[0]):
                end = rest.end()  # "... and FALSE if it is not"
            listing = Listing((match[1], match[2]), match.start(), end, 0.88 if alike else 0.5)
            # "NO if it is insulting, YES otherwise": which way round is a rule of the request's own.
            is_turned = patterns is _REVERSED and _CONDITION.search(match[0]) is not None
            yield listing._replace(defined=is_turned)
            break


def ranges(text: str) -> Iterator[Listing]:
    for match in _RANGE.finditer(text):
        low, high = int(match[1]), int(match[2])
        if not (low in (0, 1) and 2 <= high - low + 1 <= 6):
            continue
        around = words_of(text[max(0, match.start() - 60) : match.end() + 30])
        if around & RANGE_WORDS or _SCALE_CJK.search(text, max(0, match.start() - 30), match.end() + 15) is not None:
            yield Listing(tuple(map(str, range(low, high + 1))), match.start(), match.end(), 0.8)
