"""Numbers and letters that stand for labels: ``0 = human, 1 = bot. Digit only.``

The label stays what the list calls it; what is written is its mark. Both must be said: what each mark stands for, and
that the mark is the answer.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .labels import Listing, clean
from .vocabulary import LANGUAGE_WORDS

__all__ = ["coded_list", "may_code", "without_marks"]

_MARK = (
    r"(?:\d{1,2}|I{2,3}|IV|VI{0,3}|[A-Za-z]|[A-Z]\d{1,2}|[A-Z]{2,4}(?= ?[=:])|"
    r"(?<=[\"'`])[A-Za-z]{2,3}(?=[\"'`] ?(?:for|if|=|:)))"
)
# "1 if it is spam": what it is, and no more of a sentence
_IF = (
    r"\b(?:if|when) (?:(?:it|(?:the|this) [\w-]+(?: [\w-]+)?)(?: is|['’]s) )?(?:an? )?"
    r"(?!(?:not|so|it|otherwise)\b[^\w]*(?:$|[.,;]))(?=(?:not )?[\w-]+[\"'`]?(?:\s*[,;.)\n]|\s*\Z|\s(?:and|or)\s))"
)
_LINE = late_pattern(
    rf"^[ \t]*(?:[-*•][ \t]+)?[(\[\"'`]?(?P<mark>{_MARK})[)\]\"'`]?[ \t]*(?:[.):=：、]+|->|→|[-–—]|[ \t]{{2,}}|"
    rf"(?<=[)\]]))[ \t]*(?P<label>\S[^\n]{{0,60}})$",
    re.MULTILINE,
)
_ENTRY = late_pattern(
    rf"(?<![\w.])[(\[\"'`]?(?P<mark>{_MARK})[)\]\"'`]?[ \t]*(?:=|:|：|->|→|\bfor\b|\bmeans\b|{_IF}|表示|(?<=[)\]])|"
    rf"\.(?= ?[\u3040-\u9fff])|"
    rf"(?<=\d)[ \t])[ \t]*"
    r"[\"'`]?(?P<label>(?!(?:if|when)\b)[^\W\d_][^,;、，。.\n|=:：()]{0,40}?)[\"'`]?"
    rf"(?=\s*(?:[,;、，/|]|\.(?:\s|$)|[。\n)]|$|\s(?:and|or|und|oder|et|ou|y|o|e)\s|"
    rf"\s+[(\[\"'`]?{_MARK}[)\]\"'`]?\s*[:：=).]))"
)
# "praise -> 1, blame -> 2"
_TURNED = late_pattern(r"(?P<label>[^\W\d_][\w -]{0,24}?)[ \t]*(?:->|→|=>)[ \t]*(?P<mark>\d{1,2})(?![\w.]\w)")
# "spam (1) or not spam (0)"
_BEHIND = late_pattern(
    r"(?:(?<=as )|(?<=: )|(?<=or )|(?<=, )|(?<=and ))(?P<label>[^\W\d_][\w -]{0,24}?) ?\((?P<mark>\d{1,2}|[A-Z])\)"
)
# "-1 (bearish), 0 (flat) or 1 (bullish)"
_BEFORE = late_pattern(r"(?<![\w.])(?P<mark>-?\d{1,2}) ?\((?P<label>[^\W\d_][\w -]{0,24})\)")
_BETWEEN = late_pattern(r"[\s,;、，/|.)]*(?:and|or|und|oder|et|ou|y|o|e)?[\s(]*", re.IGNORECASE)
_NAMES = (
    r"(?:numbers?|digits?|numerals?|integers?|letters?|codes?|ids?|indexe?s?|ziffern?|zahl|nummer|buchstaben?|"
    r"chiffre|numéro|"
    r"lettre|número|dígito|letra|numero|cifra|lettera|cijfer|numer|cyfrę?|literę|цифр\w*|номер\w*|букв\w*|sayı\w*|"
    r"harf\w*)"
)
_ASKED = late_pattern(
    rf"\b{_NAMES}(?: of [^.\n]{{1,40}})? ?(?:only|alone|please|and nothing else|[,.] ?(?:no|nothing)\b)|"
    r"\b(?:answer|respond|reply|return|output|give|write|say|print|choose|select|pick|provide|state|only|just|"
    r"emit|gib|nenne|antworte|"
    rf"nur|donne\w*|réponds|répondez|indique\w*|responde|responda|devuelve|rispondi|scrivi|geef|"
    rf"alleen)\b[^.\n]{{0,60}}\b{_NAMES}\b|"
    rf"(?:\n|[.?!:] )[ \t]*{_NAMES} ?[:：][ \t]*\Z|\b(?:which|what) (?:number|digit|letter|code)\b|"
    rf"(?:^|[.\n] ?)(?:one |a single |single )?{_NAMES} only\b|数字のみ|数字だけ|番号のみ|番号だけ|番号で|数字で|"
    rf"只.{{0,6}}(?:数字|"
    rf"编号|"
    rf"序号|"
    rf"字母)|"
    r"(?:输出|回答|返回)(?:数字|编号|序号|字母)|숫자만|번호만",
    re.IGNORECASE,
)
# "Answer 0 for negative, 1 for positive"
_ORDERED = late_pattern(
    r"\b(?:answer|respond|reply|return|output|give|write|say|print|predict|emit|put)"
    r"(?: (?:with|only|just|either|exactly|a|an|the|number|digit|code))*:? ?[\"'`(]?\Z",
    re.IGNORECASE,
)
_NAME_ASKED = late_pattern(
    rf"\b(?:not|without|no|nicht|ohne|sans|pas|sin|sem|senza|zonder) (?:the |its |any |a |die |den |le |la |el |o |"
    rf"il )*{_NAMES}\b|"
    r"\b(?:names?|labels?|categor\w+|words?)(?:['’]s)? (?:itself|only|alone|in full)|label name|in words",
    re.IGNORECASE,
)
_UNWANTED = late_pattern(
    r"(?:不要|无需|不需|请勿|(?<![类類级級个性区分差特识鉴])别|不用|勿)[^。；\n]{0,30}|"
    r"[^。、\n]{0,8}(?:は不要|なし|書かない)"
)
# "the number of the category only"
_OF_NAME = late_pattern(rf"\b{_NAMES} of (?:the|its|your) \w+", re.IGNORECASE)
_WORDED = late_pattern(
    rf"\b(?:(?:single|capital|bare|option|category|code|class|label|choice|its|corresponding) )*{_NAMES}\b",
    re.IGNORECASE,
)
_WORDED_UNSPACED = late_pattern(r"数字|番号|编号|序号|字母|숫자|번호")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")
_MOST_WORDS = 5
_REST = frozenset({"otherwise", "else", "not", "anything else", "everything else"})  # what is left has no label
_EDGE = 1500
_SIGN = late_pattern(
    r"(?<![\w.])(?:\d{1,2}|[A-Za-z]|[A-Z]\d{1,2}|[A-Z]{2,4}(?= ?=)|(?<=[\"'`])[A-Za-z]{2,3}(?=[\"'`]))"
    r"(?:[\"'`]? ?[).:=：、\]]|[\"'`]? (?:for|if|when|means|=|-|–|->|→) |\s{2}\S|"
    r"\s?表示|(?<=\d) \(?[^\W\d_]{3})"
)


def may_code(text: str) -> bool:
    """Whether two marks stand near the edges of a text; cheap."""
    if len(text) > 2 * _EDGE:
        text = f"{text[:_EDGE]}\n{text[-_EDGE:]}"
    if "->" in text or "→" in text or "=>" in text or "(1)" in text:
        return True
    found = _SIGN.search(text)
    return found is not None and _SIGN.search(text, found.end()) is not None


def coded_list(text: str) -> Listing | None:
    """The labels behind marks, with the marks, where the mark is asked for; None where that is not certain."""
    affirmed = text if text.isascii() else _UNWANTED.sub(" ", text)
    for form in (_LINE, _ENTRY, _TURNED, _BEHIND, _BEFORE):
        entries = _consecutive(text, list(form.finditer(text)))
        if entries is None:
            continue
        marks = tuple(entry["mark"] for entry in entries)
        labels = tuple(clean(entry["label"]) for entry in entries)
        is_sound = (
            len({label.casefold() for label in labels}) == len(labels)
            and all(label and label.count(" ") < _MOST_WORDS and len(label) <= 48 for label in labels)
            and not any(re.search(r"[:：]\s|\s[-–—]\s|\(", entry["label"]) for entry in entries)
            and _REST.isdisjoint(label.casefold() for label in labels)
        )
        if not is_sound or not (
            _asks_for_mark(affirmed, marks)
            or (
                form in (_ENTRY, _BEFORE) and _ORDERED.search(text, max(0, entries[0].start() - 60), entries[0].start())
            )
        ):
            return None
        return Listing(labels, entries[0].start(), entries[-1].end(), 0.92, marks=marks)
    return None


def _asks_for_mark(text: str, marks: tuple[str, ...]) -> bool:
    """Whether the mark, and not the name behind it, is the answer."""
    if _NAME_ASKED.search(_OF_NAME.sub(" ", text)) is not None:
        return False
    return _ASKED.search(text) is not None or _listed_marks(text, marks) is not None


def without_marks(text: str, marks: tuple[str, ...]) -> str:
    """An instruction in which the mark is called a label: what is asked for is one of the list."""
    listed = _listed_marks(text, marks)
    if listed is not None:
        text = f"{text[: listed.start()]}_{text[listed.end() :]}"
    either = "|".join(map(re.escape, marks))
    shown = rf",? ?\(?(?:e\.g\.|for example|such as),? [\"'`]?(?:{either})[\"'`]?\)?(?=[.,;\s]|$)"
    text = re.sub(shown, "", text)
    return _WORDED_UNSPACED.sub("标签", _WORDED.sub("label", text))


def _listed_marks(text: str, marks: tuple[str, ...] | None) -> re.Match[str] | None:
    """ "A, B, C or D", "0 or 1": the marks themselves as a list."""
    for match in _MARKS.finditer(text):
        if marks is None or sorted(re.findall(_MARK, match[0].replace(" or ", ", ").replace(" oder ", ", "))) == sorted(
            marks
        ):
            return match
    return None


_MARKS = late_pattern(
    rf"\b{_MARK}(?:[\"'`]?\s?[,/]\s?[\"'`]?{_MARK}\b)*[\"'`]?(?:,? (?:or|oder|ou|o) |\s?/\s?)[\"'`]?{_MARK}\b"
)


def _consecutive(text: str, found: list[re.Match[str]]) -> list[re.Match[str]] | None:
    """The entries that stand one behind the other and are counted; None with fewer than two."""
    best: list[re.Match[str]] = []
    run: list[re.Match[str]] = []
    for entry in found:
        if run and (
            _BETWEEN.fullmatch(text, run[-1].end(), entry.start()) is None
            or not (_follows(run[-1]["mark"], entry["mark"]) or (_is_initial(run[-1]) and _is_initial(entry)))
        ):
            run = []
        run.append(entry)
        if len(run) >= len(best):
            best = list(run)
    if len(best) < 2 or len({entry["mark"] for entry in best}) < len(best):
        return None
    first, last = found.index(best[0]), found.index(best[-1])
    ends = [(found[first - 1], best[0])] if first else []
    ends += [(best[-1], found[last + 1])] if last + 1 < len(found) else []
    # An entry right before or behind them belongs to the list, and does not fit: the list is not understood.
    if any(_BETWEEN.fullmatch(text, one.end(), other.start()) for one, other in ends):
        return None
    return best


def _is_initial(entry: re.Match[str]) -> bool:
    """Whether a mark is the first letter of what it stands for ("N = natural"), or short for it ("TEC = technical"), or
    a language's code."""
    mark, label = entry["mark"].casefold(), entry["label"].casefold()
    if len(mark) == 2 and label in LANGUAGE_WORDS:
        return True
    if not mark.isalpha() or label[:1] != mark[:1]:
        return False
    rest = iter(label)
    return len(mark) == 1 or all(letter in rest for letter in mark)


def _follows(mark: str, next_: str) -> bool:
    if next_ in _ROMAN and mark in _ROMAN:
        return _ROMAN.index(next_) == _ROMAN.index(mark) + 1
    if next_.isdigit() and (mark.isdigit() or (mark[0] == "-" and mark[1:].isdigit())):
        return int(next_) == int(mark) + 1 or next_ in ("9", "99", "0")
    if len(mark) == len(next_) == 1:
        return next_ > mark and mark.isupper() == next_.isupper()
    return mark[0] == next_[0] and mark[1:].isdigit() and next_[1:].isdigit() and int(next_[1:]) == int(mark[1:]) + 1
