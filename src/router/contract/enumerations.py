"""The one enumeration of an instruction that no usual cue announces: ``Trays: A, B, C``, ``Which part? A, B or C.``

Weaker than the cues of :mod:`cues`: it is looked for only when they find nothing, and it counts only when nothing else
in the text is enumerated like that, and the words or the letters (``OPEN, CLOSED``; ``in_stock, sold_out``) say that
one of the items is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from ..patterns import late_pattern
from .blocks import is_input_marker
from .cues import OPEN_LIST
from .lexicon_further import FURTHER_ORDERS
from .listing import Listing, has_prose, list_at
from .speech import IMPERATIVE
from .vocabulary import CLASSIFY, NOUNS
from .words import table, words_of

__all__ = ["lone_list"]

_MOST = 16
_LONGEST = 6000
# Short items up to the end of the sentence, or a list on lines of its own.
_ITEM = r"[^\s,/|.;:!?()、，،]++(?: [^\s,/|.;:!?()、，،]++){0,5}+"
_ENUMERATED = late_pattern(
    rf"\s*+(?:(?<=\n)|[\[{{(\"'`«„“]*+{_ITEM}(?:\s?+[,/|;、，،]\s*+{_ITEM})*+[\]}})\"'`»”]*+\s*+(?:[.?!;。।]|(?<=\n)|\Z))"
)
_BRACKETED = late_pattern(r"\b(?:from|of|is|are|in|among|set) (?=[\[{])", re.IGNORECASE)
_COPULA = late_pattern(
    r"\b(?:permissible|possible|allowed|valid|available|admissible|permitted) (?:[\w-]+ ){1,3}(?:are|is):? ",
    re.IGNORECASE,
)
_SIGNS = (
    ",",
    "/",
    "|",
    ";",
    "、",
    "，",
    "،",
    " or ",
    " oder ",
    " ou ",
    " o ",
    " of ",
    " eller ",
    " или ",
    " lub ",
    " veya ",
)
_ENDS = late_pattern(r"[\"'`\])]*\s*(?:[.?!;。？！\n]|\Z)")
# One of the items is wanted.
_ONE = table(
    """
    one single only just exactly alone nothing best closest which choose pick select nur genau eine einen einem einer
    eines ein welche welcher welches seulement uniquement quel quelle une un solo sólo única único cuál apenas somente
    qual quale soltanto alleen welk welke één een один одно одну одной одним только какой какую jedno jedną jeden jednym
    tylko wyłącznie bir biri birini sadece yalnızca tek hangi endast bara kun én ett et en vilken vilket hvilken hvilket
    label value class category return output print respond reply answer
    """
)
_ONE_UNSPACED = late_pattern(r"只|哪|のみ|だけ|どれ|하나")
_WHICH_UNSPACED = late_pattern(r"哪|どれ|どの|いずれ|어느|분류|分类|判断|分類|選")
# "output the call's outcome:", "which language is it written in:": what is asked for is one thing.
_SINGULAR = late_pattern(
    r"\b(?:the|its|his|her|their|which|what|an?|\w+['’]s) (?:[\w-]+ ){0,2}(?!\w*[^su]s\b)[^\W\d_]{3,}"
    r"(?: of (?:the|this|each|an?) [\w-]+(?: [\w-]+)?)?$|\b(?:which|what) ",
    re.IGNORECASE,
)
_LISTS = table("list liste lista listado список списка списке listy listan listen lijst elenco listeden")
_ALLOWED = table(
    """
    allowed permitted possible valid erlaubt zulässig möglich autorisé permis permitido permitida ammessi
    值 可选值 选项 項目 값 可能な値 选择 類別 admissible permissible
    варианты вариантов значения метки категории wartości etykiety opcje kategorier värden etiketter alternativ værdier
    seçenekler etiketler kategoriler
    """
)
_ORDERS = CLASSIFY | FURTHER_ORDERS | table("choose pick select output name say guess answer return print wähle nenne")
# Such an enumeration says what to fill in, to look at, to leave out, or how to speak.
_NO_ANSWERS = table(
    """
    field fields key keys column columns property properties attribute attributes aspect aspects criterion criteria
    fact facts rule rules step steps include includes including contain contains cover extract list summarize summarise
    avoid ignore except never not don't no each every all consider write check example examples ingredients translate
    compare rank style voice persona values products offer sell
    """
)
_HEADS = _ALLOWED | _LISTS | NOUNS
_HINTS = _ORDERS | _ALLOWED
_JOINTS = (" or ", "/", "|", " oder ", " ou ", " o ", " of ", " eller ", " или ", " lub ", " veya ")
_MARKED = r"(?:[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+|[A-Z]{3,}|[a-z][a-z0-9]*(?:_[a-z0-9]+)+|`[^`\n]{1,40}`)"
# Names by their letters, with an "or", a slash or a bar: OPEN or CLOSED, in_stock / sold_out.
_MARKED_RUN = late_pattern(
    rf"(?<![\w.,/|])(?<![,/|] )(?:{_MARKED},\s+)*{_MARKED}(?:,?\s+(?:or|oder|ou|o|of|eller|или|lub|veya)\s+|"
    rf"\s?[/|]\s?){_MARKED}"
    rf"(?:(?:\s?[/|]\s?){_MARKED})*(?![\w(])(?!,? ?(?:[/|]|or |oder |ou ))"
)
_HASHED_RUN = late_pattern(r"(?<!\S)#\w{2,30}(?:(?:,? (?:or )?|, ?|/|\|)#\w{2,30})+(?![\w#])")
_HASHED = late_pattern(r"#\w+")
_BULLETED = late_pattern(r"\n(?=[ \t]*(?:[-*+•·] |・|\(?\d{1,2}[.)] ))")
_SPLIT = late_pattern(r",\s+|\s?[/|]\s?|,?\s+(?:or|oder|ou|o|of|eller|или|lub|veya)\s+")


def lone_list(text: str, words: frozenset[str], *, is_system: bool) -> Listing | None:
    """The only enumeration that stands as answers would, or None. ``is_system``: no text to judge is expected in it."""
    found = _runs(text, words)
    is_one = not words.isdisjoint(_ONE) or (not text.isascii() and _ONE_UNSPACED.search(text) is not None)
    if not found and (is_one or not words.isdisjoint(_HINTS) or "_" in text or not text.isascii()):
        if is_system or len(text) <= _LONGEST:
            found = _standing(text, words, is_system=is_system, is_one=is_one)
        if not found and is_one and "\n" in text and (bulleted := _bulleted(text)) is not None:
            found = [bulleted]
    return found[0]._replace(certainty=0.72) if len({one.labels for one in found}) == 1 else None


def _runs(text: str, words: frozenset[str]) -> list[Listing]:
    """Names by their letters."""
    found: list[Listing] = []
    end = 0
    for joint in _JOINTS:
        if joint.strip() not in words and joint not in ("/", "|"):
            continue
        place = text.find(joint)
        for _ in range(_MOST):
            if place < 0:
                break
            if place >= end and _looks_marked(text, place, place + len(joint)):
                match = _MARKED_RUN.search(text, max(0, place - 240), place + 240)
                if match is not None and match.start() <= place < match.end():
                    end = match.end()
                    items = tuple(item.strip("`") for item in _SPLIT.split(match[0]))
                    if len(set(items)) == len(items):
                        found.append(Listing(items, match.start(), end, 0.72))
            place = text.find(joint, place + 1)
    if text.count("#") < 2:
        return found
    for match in _HASHED_RUN.finditer(text):
        items = tuple(_HASHED.findall(match[0]))
        if len(set(items)) == len(items) and not any(item[1:].isdigit() for item in items):
            found.append(Listing(items, match.start(), match.end(), 0.72))
    return found


def _looks_marked(text: str, start: int, end: int) -> bool:
    """Whether the words on both sides of a joint are written as names are."""
    before = text[max(0, start - 32) : start].rstrip(" ,").rpartition(" ")[2]
    after = text[end : end + 32].lstrip().partition(" ")[0].rstrip(".,;:?!)")
    return all(word.isupper() or "_" in word or "`" in word for word in (before, after))


def _bulleted(text: str) -> Listing | None:
    """The only list of bullets, when its items are as short as labels and nothing is said of them."""
    first = _BULLETED.search(text)
    if first is None:
        return None
    head = text[text.rfind("\n\n", 0, first.start()) + 1 : first.start()].strip()
    near = words_of(head)
    if near & _NO_ANSWERS or not (
        IMPERATIVE.match(head)
        or not near.isdisjoint(_ORDERS)
        or (not head.isascii() and _WHICH_UNSPACED.search(head) is not None)
    ):
        return None
    listing = list_at(text, first.start())
    if listing is None or listing.defined or any(label.count(" ") > 2 for label in listing.labels):
        return None
    return listing if _BULLETED.search(text, listing.end) is None else None


def _leads(text: str) -> Iterator[int]:
    """Where colons and question marks stand that something follows, kind by kind."""
    for mark in ":?" if text.isascii() else ":：?":
        place = text.find(mark)
        while place >= 0:
            if mark == "：" or text[place + 1 : place + 2].isspace():
                yield place
            place = text.find(mark, place + 1)
    for lead in _BRACKETED.finditer(text) if "[" in text or "{" in text else ():
        yield lead.end() - 1
    for lead in _COPULA.finditer(text) if " are " in text or " is " in text else ():
        yield lead.end() - 1


def _standing(text: str, words: frozenset[str], *, is_system: bool, is_one: bool) -> list[Listing]:
    """Enumerations behind a colon or a question."""
    found: list[Listing] = []
    end = 0
    for place in islice(_leads(text), _MOST):
        position, mark = place + 1, text[place]
        if place < end or (items := _ENUMERATED.match(text, position)) is None:
            continue
        if "\n" not in items[0] and not any(sign in items[0] for sign in _SIGNS):
            continue
        begin = max(text.rfind("\n", 0, place), text.rfind(". ", 0, place), text.rfind("? ", 0, place))
        head = text[begin + 1 : place].strip()
        if not head or len(head) > 240 or head == "_":
            continue
        tail = text[position : position + 240].split("\n\n", 1)[0]
        if mark == "?":
            line = tail.strip().split("\n", 1)[0]
            if line.count(",") < 2 and not any(joint in line for joint in _JOINTS):
                continue
        elif not is_system and not _may_head(head, tail):
            continue
        near = words_of(head)
        if near & _NO_ANSWERS or (mark != "?" and is_input_marker(head.lower())):
            continue
        listing = list_at(text, position, introduced=mark != "?")
        if listing is None or (listing.numbered and mark == "?") or listing.start - position > 4:
            continue
        if (len(listing.labels) < 3 and not listing.closed) or _ENDS.match(text, listing.end) is None:
            continue
        if has_prose(listing.labels) or any(label.count(" ") > 3 for label in listing.labels) or OPEN_LIST.search(head):
            continue
        if mark == "?":
            is_asked = listing.closed or is_one
        else:
            is_asked = _is_asked(text, head, near, listing, words, is_system=is_system, is_one=is_one)
        if is_asked:
            end = listing.end
            found.append(listing)
    return found


def _name(head: str) -> str:
    """The last noun of a heading, in small letters: "Types are" is headed by "types"."""
    words = [word.strip("*_#\"'`").lower() for word in head.split()[-2:]]
    return words[0] if words[-1] in ("is", "are", "sind", "sont", "son", "sono", "zijn") else words[-1]


def _may_head(head: str, tail: str) -> bool:
    """Whether a heading in a text that holds its instruction can announce answers; cheap."""
    name = _name(head)
    return (
        name.endswith("s")
        or name in _HEADS
        or "_" in tail
        or not head.isascii()
        or not words_of(head).isdisjoint(_ORDERS)
        or IMPERATIVE.match(head) is not None
    )


def _is_asked(
    text: str,
    head: str,
    near: frozenset[str],
    listing: Listing,
    words: frozenset[str],
    *,
    is_system: bool,
    is_one: bool,
) -> bool:
    """Whether the words before a colon, or in the rest of the text, say that one item of the list is wanted."""
    name = _name(head)
    if name in _ALLOWED or any("_" in label for label in listing.labels):
        return True
    if not head.isascii() and (_WHICH_UNSPACED.search(head) or (len(head) < 9 and text.count(head) > 1)):
        return True
    is_order = IMPERATIVE.match(head) is not None or not near.isdisjoint(_ORDERS)
    if is_order and (listing.closed or is_one or _SINGULAR.search(head)):
        return True
    if name in NOUNS and not words.isdisjoint(CLASSIFY):
        return True
    return is_one and (
        is_system or name in _LISTS or _is_called_again(f"{text[: listing.start]} {text[listing.end :]}", head, name)
    )


def _is_called_again(rest: str, head: str, name: str) -> bool:
    """Whether the heading's noun is spoken of, in the singular, elsewhere: "Trays: ... which single tray"."""
    if len(name) < 4 or head.count(" ") > 3 or not name.endswith("s"):
        return False
    single = name[:-3] + "y" if name.endswith("ies") else name[:-1]
    return rest.lower().replace(head.lower(), " ", 1).find(single) >= 0
