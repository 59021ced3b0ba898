"""Where a text lists names with glosses: line by line, in a table, under headings, in brackets, or in one line.

Looks alone decide: whether the names are labels is told by whoever reads the list without its glosses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from ..patterns import late_pattern
from .glosses import Gloss, Glossed
from .labels import FORM
from .speech import is_instruction
from .vocabulary import ANSWER_WORDS, INPUT_WORDS, NOUNS
from .words import table, words_of

__all__ = ["glossed_lists"]

_LONGEST = 6000
# A label by its looks: in bold, in quotation marks, in brackets, or up to five words.
_NAME = (
    r"\*\*[\"'`“]?(?P<bold>[^*\n]{1,48}?)[\"'`”]?\s?[:：]?\*\*|__(?P<under>[^_\n]{1,48}?):?__|"
    r"\"(?P<double>[^\"\n]{1,48})\"|`(?P<tick>[^`\n]{1,48})`|“(?P<curled>[^”\n]{1,48})”|"
    r"«\s?(?P<angled>[^»\n]{1,48}?)\s?»|"
    r"'(?P<single>[^'\n]{1,48})'|\[(?P<square>[^\[\]\n]{1,48})\]|「(?P<corner>[^」\n]{1,24})」|"
    r"(?P<bare>[^\W_](?:[\w/&+.'’]|-(?!>)){0,40}+(?: (?:[^\W_]|&)(?:[\w/&+.'’]|-(?!>)){0,40}+){0,4}?)"
)
_SIGN = (
    r"[ \t]*(?:[:：](?!//)|-{1,2}>|=+>|→|⇒|:=|=|\|)|[ \t]+[-–—]{1,2}(?=[ \t])|[–—](?=[ \t])|(?<=\*\*)[ \t]+(?=\w)|"
    r"[ \t]+(?=\([^\n]{3,300}\)[.,;]?[ \t]*$)|(?=（[^\n]{2,300}）[。，；]?[ \t]*$)"
)
_LINE = late_pattern(
    rf"(?P<indent>[ \t]*)(?P<mark>(?:[-*+•–·▪►‣](?=[ \t])|•|#{{2,6}}(?=[ \t])|\(?\d{{1,2}}[.):、]|"
    rf"\(?[A-Za-z][.)](?=[ \t])|\|)[ \t]*)?(?P<name>{_NAME})"
    rf"(?:(?P<sign>{_SIGN})(?P<meaning>[^\n]*)|[ \t]*[:：]?[ \t]*$)",
    re.MULTILINE,
)
_MARK = r"(?:[-*+•–·▪►‣|]|#{2,6} |\(?[A-Za-z\d]{1,2}[.):、])[ \t]*"
_SOME_NAME = r"[*_\"'`“«\[「]{0,3}[^\W_][^\n:：=|→(（]{0,60}?"
_GLOSSED_LINE = late_pattern(rf"[ \t]*(?:{_MARK})?{_SOME_NAME}(?:{_SIGN})[ \t]*\S", re.M)
# Whether lines with glosses may stand anywhere: under marks, or two without marks below each other.
_MAY_GLOSS = late_pattern(
    rf"^[ \t]*(?:{_MARK}{_SOME_NAME}(?:(?:{_SIGN})[ \t]*\S|\n[ \t]{{2,}}\S)|"
    rf"{_SOME_NAME}(?:{_SIGN})[^\n]*\n(?:[ \t]*\n)?[ \t]*{_SOME_NAME}(?:{_SIGN})[ \t]*\S|#{{2,6}} [^\n]{{1,40}}\n\w)",
    re.M,
)
_RULE = late_pattern(r"[ \t]*\|?[ \t:]*-{2,}[ \t:|-]*")
_JOINT = r"[\"'`*]*\s*(?:[,;/|{}]|(?:or|and|oder|und|ou|et|o|y|e|of)\b"
_NOTE = late_pattern(r"(?<=[\w\"'`”»*\])) ])\(([^()\n]{2,200})\)(?=" + _JOINT.format(".?!:") + r"|\n|$))")
# Behind these, or at the start, a name may stand that a sign follows in the same line.
_BEFORE_HEAD = late_pattern(r"; |, |: |\. |or |and |\( ?|\n ?")
# Without one of these there is no sign behind a name.
_SIGNS, _SIGNS_BEYOND = ("for ", "means ", "=", ":", "-"), ("→", "–", "—")
_HEAD = late_pattern(r"; |, |: |\. |or |and |\( ?|\n ?")
# What a name and its sign look like at least: told in a fraction of the time that the names take.
_RUN = r"[\w/&+.'’]++(?:-(?!>)[\w/&+.'’]*+)*+"
_MAY_HEAD = rf"(?=[\"'`“«\[「*_]|{_RUN}(?: {_RUN}){{0,4}}?[ \t]*(?:[=→:–—-]|means|for))"
_HEAD = late_pattern(
    rf"(?:{_NAME})"
    r"(?P<sign> ?(?:=+>?|-{1,2}>|→|:)(?= ?\S)|[ \t]+[-–—](?= )|[ \t]+(?:means|for)(?= ))[ \t]*"
)
_TWO_SIGNS = late_pattern(
    r"(?:: |=|->|→|\s[-–—] |[^\W\d_] (?:means|for) )[^\n]{3,300}?(?:[;,.] |or |and )[^\n;,.]{1,50}?"
    r"(?:: |=|->|→| [-–—] | (?:means|for) )"
)
_BETWEEN_NOTES = late_pattern(_JOINT.format("") + r")[^.?!:()\n]{1,60}\Z")
_GOES_ON = late_pattern(r"\s*(?:also|then|finally|additionally|next|afterwards|in addition|furthermore)\b", re.I)
_ANNOUNCED = late_pattern(
    r"(?P<cut>,? ?(?:(?:and|with|along with|plus|&) )?(?:(?:their|the|its|brief|short|corresponding) )*\b"
    r"(?:definitions?|descriptions?|meanings?|explanations?|definition of each|what (?:they|each) means?))"
    r"[ \t]*[:.*)]*\s*\Z",
    re.IGNORECASE,
)
_STOP = late_pattern(r"[;.](?=\s|$)|\n|$")
_OPTION = late_pattern(
    r"<(?P<tag>\w{3,20})(?: \w+=\"[^\"<>\n]{1,60}\")?>[^<]{0,20}(?:<(?:name|label|id|title)>[^<>\n]{1,60}</\w+>\s*)?"
    r"(?P<cut><(?P<inner>description|desc|definition|meaning|content|explanation|about|note)>"
    r"(?P<said>[^<>]{1,400})</(?P=inner)>)"
)
_VALUE = late_pattern(r"\s*(?:[\"'][^\"'\n]{1,60}[\"']|\w+\(\)|[\d.]+),?\s*(?:(?:#|//).*)?")
_ENTRY = late_pattern(r"\"(?P<key>[^\"\n]{1,48})\"(?P<cut>\s*:\s*\"(?P<said>[^\"\n]{8,300})\")")
# What stands before such lines where they are no answers, and names that no label has.
_OTHERS = table(
    """
    fields field keys key steps step columns parameters arguments variables properties attributes inputs input
    examples example procedure process rules guidelines instructions requirements facts context glossary terms
    abbreviations definitions order questions extract fill
    """
)
_NO_LABELS = table(
    """
    input output text example examples from to cc date format task role label labels answer answers response rules
    context hint step user system assistant category categories result options classes topics intents remember
    """
)
_HEADINGS = _NO_LABELS | table(
    "reply return respond purpose allowed available possible output department available code intent team name"
)
_NEGATIONS = table("not never no except without nicht kein pas sans non niet sin")
_KINDS = ("bold", "under", "double", "tick", "curled", "angled", "single", "square", "corner", "bare")
_WRAPS = "*_\"`“”«»'[]「」:： "
_TRIMMED = " \t\r\n.;,|-–—=>→:：\"'"


def glossed_lists(text: str) -> tuple[Glossed, ...]:
    """All lists with glosses that stand in a text, whatever they list."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST]
    found: list[Glossed] = []
    if "\n" in text and _MAY_GLOSS.search(text) is not None:
        found.extend(_of_lines(text))
    if "(" in text:
        found.extend(_apart(_of_notes(text), found))
    if "</" in text:
        found.extend(_apart(_of_elements(text, _OPTION), found))
    if '": "' in text or '" : "' in text:
        found.extend(_apart(_of_elements(text, _ENTRY), found))
    told = tuple(_of_sentences(text))
    if told and _TWO_SIGNS.search(text) is not None:
        found.extend(_apart(told, found))
    if not found:
        return ()
    found = [_announced(text, one) for one in found]
    # "Tweet: ... Mood: ...", again and again: worked examples
    return tuple(one for one in found if not any(text.count(f"{name}:") > 1 for name in one.names))


def _announced(text: str, one: Glossed) -> Glossed:
    """The list with blanks for words before it that announce glosses: "the labels and their definitions:"."""
    found = _ANNOUNCED.search(text, max(0, one.start - 100), one.start)
    if found is None:
        return one
    return one._replace(signs=(*one.signs, *((place, " ") for place in range(*found.span("cut")))))


def _apart(lists: Iterable[Glossed], found: Sequence[Glossed]) -> list[Glossed]:
    taken = [(one.start, one.end) for one in found]
    return [one for one in lists if not any(one.start < end and start < one.end for start, end in taken)]


class _Item(NamedTuple):
    match: re.Match[str]
    name: str
    is_bare: bool
    indent: int
    mark: str
    cut: int
    end: int
    said: str


def _of_lines(text: str) -> Iterator[Glossed]:
    position = 0
    items: list[_Item] = []
    head = above = ""
    columns = range(0)
    while position <= len(text):
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop
        line = text[position:stop]
        if not line.strip():
            following = text[stop + 1 :].lstrip("\n") if items else ""
            if not items or not following or not _goes_on(items, following):
                yield from _list_of(items, head, columns)
                items, columns = [], range(0)
        elif items and _is_below(items, line):
            last = items[-1]
            items[-1] = last._replace(end=stop, said=f"{last.said} {line.strip(_TRIMMED + '*+•')}".strip())
        elif _RULE.fullmatch(line) and "|" in line:
            # The head of a table is no item: "| label | when to use |".
            columns = range(items[0].match.end("name") if items else position, stop)
            if not _NEGATIONS.isdisjoint(words_of(text[columns.start : stop])):
                return  # "when not to use"
            items, head, above = [], "table", "table"
        else:
            item = _item(text, position, stop)
            if item is not None and items and not _is_alike(items, item):
                yield from _list_of(items, head, columns)
                items = []
            if item is None:
                yield from _list_of(items, head, columns)
                items, above, columns = [], line, range(0)
            else:
                head = head if items else above
                items.append(item)
                if item.is_bare:
                    above = line
        position = stop + 1
    yield from _list_of(items, head, columns)


def _goes_on(items: Sequence[_Item], following: str) -> bool:
    line = following.split("\n", 1)[0]
    last = items[-1]
    if len(line) - len(line.lstrip()) > last.indent and last.mark:
        return True
    item = _item(line, 0, len(line))
    return item is not None and bool(item.mark or last.match["name"].startswith("**")) and _is_alike(items, item)


def _is_below(items: Sequence[_Item], line: str) -> bool:
    """Whether a line goes on with an item: a paragraph under a heading, or one that is indented."""
    last = items[-1]
    if last.mark.startswith("#"):
        may = not line.startswith("#") and _GLOSSED_LINE.match(line) is None
    else:
        is_deeper = line[:1].isspace() and len(line) - len(line.lstrip()) > last.indent
        may = is_deeper and (bool(last.mark) or last.is_bare or not line.lstrip()[:1].isupper())
    return may and _GOES_ON.match(line) is None and not is_instruction(line, ())


def _item(text: str, start: int, stop: int) -> _Item | None:
    match = _LINE.match(text, start, stop)
    if match is None or match.end() < stop:
        return None
    raw, sign, said = match["name"], match["sign"], (match["meaning"] or "").strip()
    name = raw.strip(_WRAPS) if raw[:1] in _WRAPS else raw
    mark = (match["mark"] or "").strip()
    if mark == "|":
        said = said.rstrip("| \t")
    is_bare = not said or sign is None
    if is_bare and sign and sign.strip() in (":", "：") and name is raw and not mark:
        return None  # a heading
    if said[:1] in "(（" and said[-1:] in ")）":
        said = said[1:-1]
    if mark and name.endswith((".", "?", "!")):
        return None
    cut = match.end() if is_bare else match.end("name")
    if is_bare and sign:
        cut = match.start("sign")
    name = name.rstrip(":")
    return _Item(match, name, is_bare, len(match["indent"]), _kind_of(mark), cut, match.end(), said.strip(_TRIMMED))


def _kind_of(mark: str) -> str:
    letter = mark.strip("().:、]")
    return "1" if letter.isdigit() else "a" if letter.isalpha() else mark


def _is_alike(items: Sequence[_Item], item: _Item) -> bool:
    first = items[0]
    if first.indent != item.indent or first.mark != item.mark:
        return False
    if first.mark:
        return True
    # Without marks the sign must be the same, and none may be bare.
    return (first.match["sign"] or "").strip() == (item.match["sign"] or "").strip() and first.is_bare == item.is_bare


def _list_of(items: Sequence[_Item], head: str, columns: range) -> Iterator[Glossed]:
    found = [item for item in items if item.said]
    if len(items) < 2 or not found or len(found) * 2 < len(items):
        return
    told = [item.name.casefold() for item in items]
    if len(set(told)) < len(told) or not _NO_LABELS.isdisjoint(told):
        return
    if all(_VALUE.fullmatch(item.match["meaning"] or "") for item in found):
        return  # a type in a programming language: "PAST = 'past'"
    if any(len(item.said) < 3 or item.said.isdigit() for item in found) or all(name.isdigit() for name in told):
        return  # "positive: 1": what stands for the label
    if all(item.name.isdigit() or len(item.name) == 1 for item in items):
        return
    is_marked = bool(items[0].mark) or items[0].match["name"][:1] in _WRAPS
    if not is_marked and any(". " in name or not _HEADINGS.isdisjoint(words_of(name)) for name in told):
        return  # "Output format: ...": sections of the instruction
    if not is_marked and all(not INPUT_WORDS.isdisjoint(name.split()) for name in told):
        return  # "Review A: ... Review B: ...": texts
    before = words_of(head)
    if not before.isdisjoint(_OTHERS) and before.isdisjoint(NOUNS | ANSWER_WORDS) and head != "table":
        return
    signs = [(place, " ") for place in columns]
    glosses = []
    for item in items:
        if item.mark == "|":
            signs.append((item.match.start("mark"), "-"))
        if item.mark.startswith("#"):
            length = len(item.match["mark"].strip())
            signs += [(item.match.start("mark") + place, " ") for place in range(length - 1)]
            signs.append((item.match.start("mark") + length - 1, "-"))
        if item.end > item.cut:
            glosses.append(Gloss(item.cut, item.end, item.said))
    yield Glossed(
        items[0].match.start(), items[-1].end, tuple(item.name for item in items),
        tuple(glosses), tuple(signs),
    )  # fmt: skip


def _of_notes(text: str) -> Iterator[Glossed]:
    """Remarks in brackets behind the items of a list in one line."""
    group: list[re.Match[str]] = []
    for match in _NOTE.finditer(text):
        if FORM.fullmatch(match[1]):
            continue
        if group and _BETWEEN_NOTES.match(text, group[-1].end(), match.start()) is None:
            yield from _noted(group)
            group = []
        group.append(match)
    yield from _noted(group)


def _noted(group: Sequence[re.Match[str]]) -> Iterator[Glossed]:
    if len(group) > 1 and not all(match[1].strip().isdigit() or len(match[1].strip()) < 3 for match in group):
        glosses = tuple(Gloss(match.start(), match.end(), match[1].strip(_TRIMMED)) for match in group)
        yield Glossed(group[0].start(), group[-1].end(), (), glosses)


def _of_elements(text: str, form: re.Pattern[str]) -> Iterator[Glossed]:
    """Descriptions in elements of their own, or the values of an object whose keys are the labels."""
    found = list(form.finditer(text))
    if len(found) > 1:
        glosses = tuple(Gloss(match.start("cut"), match.end("cut"), match["said"].strip()) for match in found)
        named = tuple(match["key"] for match in found) if form is _ENTRY else ()
        signs = []
        if form is _ENTRY:
            opening, closing = text.rfind("{", 0, found[0].start()), text.find("}", found[-1].end())
            signs = [(place, " ") for place in (opening, closing) if place >= 0]
        if _NO_LABELS.isdisjoint(map(str.casefold, named)):
            yield Glossed(found[0].start(), found[-1].end(), named, glosses, tuple(signs))


def _of_sentences(text: str) -> Iterator[Glossed]:
    """Names and glosses in one line: ``billing: invoices; technical: errors``, ``"up" = the price rises, ...``."""
    group: list[re.Match[str]] = []
    end = -1
    for start in _may_be_heads(text):
        head = _HEAD.match(text, start) if start >= end else None
        if head is None:
            continue
        if end >= 0 and text.find("\n", end, start) < 0:
            if start - end < 3:
                group.pop()  # "Labels: billing: ..."
        elif group:
            if len(group) > 1:
                yield from _told_in_line(text, group)
            group = []
        group.append(head)
        end = head.end()
    if len(group) > 1:
        yield from _told_in_line(text, group)


def _may_be_heads(text: str) -> Iterator[int]:
    """Where a name may stand with a sign behind it: most of a text has no sign within reach, which is told fast."""
    signs = dict.fromkeys(_SIGNS if text.isascii() else (*_SIGNS, *_SIGNS_BEYOND), -1)
    nearest = -1
    for start in chain((0,), (place.end() for place in _BEFORE_HEAD.finditer(text))):
        if nearest < start:
            for sign, place in signs.items():
                if place < start:
                    found = text.find(sign, start)
                    signs[sign] = found if found >= 0 else len(text)
            nearest = min(signs.values())
            if nearest == len(text):
                return
        # A name is in one line, and of up to five words unless something stands around it.
        if text.find("\n", start, nearest) < 0 and (text.count(" ", start, nearest) <= 5 or text[start] in _WRAPS):
            yield start


def _told_in_line(text: str, group: list[re.Match[str]]) -> Iterator[Glossed]:
    named, glosses, signs = [], [], []
    for place, head in enumerate(group):
        kind = next(kind for kind in _KINDS if head[kind] is not None)
        if place + 1 < len(group):
            end = group[place + 1].start()
        else:
            stop = _STOP.search(text, head.end())
            end = len(text) if stop is None else stop.start()
        raw = text[head.end() : end]
        kept = re.sub(r"\s(?:or|and)\s*$", "", raw.rstrip()).rstrip(" ;,.")
        said = kept.strip(_TRIMMED)
        if len(said) < 3 or said.isdigit() or re.search(r"[.?!;]\s", kept):
            return
        named.append(head[kind].strip())
        glosses.append(Gloss(head.start("sign"), head.end() + len(kept), said))
        if place + 1 < len(group) and (at := head.end() + len(kept)) < end and text[at] in ".;":
            signs.append((at, ","))
    told = [name.casefold() for name in named]
    if len(set(told)) < len(told) or all(len(name) < 2 or name.isdigit() for name in told):
        return
    if any(". " in name or not _HEADINGS.isdisjoint(words_of(name)) for name in told):
        return
    yield Glossed(group[0].start(), glosses[-1].end, tuple(named), tuple(glosses), tuple(signs))
