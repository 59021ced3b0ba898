"""Enumerations by their looks alone: items between commas, bars, slashes and an "or", in brackets, or line by line.

No cue is asked for: where an enumeration begins and ends is told by punctuation, by the words that cannot belong to an
item, and by how long its other items are. Whether it is a list of answers is :mod:`enumerations`' business.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from itertools import pairwise

from ..patterns import late_pattern
from .labels import FORM as _FORM
from .labels import UNSPACED, Listing, clean, is_bracketed, is_label
from .lines import Run, line_runs
from .vocabulary import INPUT_WORDS
from .words import table, words_of

__all__ = ["Run", "runs"]

_MOST = 40
_HEAD, _TAIL = 1000, 600
_OR = (
    r"(?:or|oder|ou|oppure|o|u|eller|или|lub|albo|czy|veya|ya da|vs\.?|versus|"
    r"nebo|alebo|või|vai|ar|sau|vagy|tai|atau|hoặc|eða|"
    r"ή|або|чи|أو|یا|או|या|หรือ|অথবা|বা)"
)
_AND = r"(?:and|und|et|e|y|en|och|og|oraz|ve|ja|dan|va|und|și|és|и|та|plus)"
_LAST = rf"(?:(?P<or>{_OR}|or else)|(?P<and>{_AND}))"
# One kind of sign separates the items of an enumeration; an "or" or "and" may stand before the last one.
_JOINTS = tuple(
    (sign, late_pattern(form, re.IGNORECASE))
    for sign, form in (
        ("|", r"\s*\|\s*(?P<or>)(?P<and>\Z\A)?"),
        (";", rf"\s*;\s*(?:{_LAST}\s+)?"),
        (",", rf"\s*[,،，、]\s*(?:{_LAST}\s+)?|\s+(?:(?P<or2>{_OR})|(?P<and2>{_AND}))\s+"),
        (",", r"\s*[,،，、]\s*(?P<or>\Z\A)?(?P<and>\Z\A)?"),
        ("/", r"\s*/\s*(?P<or>)(?P<and>\Z\A)?"),
        ("·", r"\s*[·•]\s*(?P<or>)(?P<and>\Z\A)?"),
        (" ", rf"\s+(?:(?P<or>{_OR})|(?P<and>{_AND}))\s+"),
    )
)
_SENTENCE = late_pattern(r"(?<=[.?!…])[\"'”’)\]]*\s+|[。！？।۔]\s*|\n")
_SEGMENT = late_pattern(
    r"[:：](?=\s|$)|：|\s[-–—=]{1,2}>?\s|[()（）\[\]{}【】]|->|→|=(?=\s)|</?[A-Za-z_][^<>\n]{0,60}>"
)
_DUTCH = late_pattern(
    r"\b(?:een|één|het|kies|deze|dit|niet|alleen|bepaal|geef|antwoord)\b|\b[^\W\d_]+, [^\W\d_]+ of [^\W\d_]+[.?:]",
    re.IGNORECASE,
)
_DUTCH_OR = late_pattern(r" of ")
# Words that stand before the first item or behind the last one and belong to none.
_EDGES = table(
    """
    a an the this that these those its it's it he's she's they're that's what's there's who's as into to in at on by of
    for from with within under between among amongst is are be was were being been whether if either neither both like
    per via about called named labelled labeled say says said answer reply respond return output write print
    give choose
    pick select name tell state emit send use call mean means one only just exactly strictly simply rather more most
    than me us you your their his her our my we i they he she your who which what whose how when where then so but
    based depending according do does don't did can could will would should must may might has have had gets get goes
    go belongs belong falls fall please here below above following word words alone instead accordingly respectively
    each all both para pour für per por about towards toward against
    als in zu zum zur ob ist sind entweder zwischen aus mit von der die das den dem des ein eine einen einer nur wähle
    antworte nenne gib handelt sich um bitte
    comme est sont entre parmi à de par du des le la les l'un un une dans en soit si elle il ou réponds avec seulement
    son es como entre en el los las una uno con sólo solo si responde elige
    são é em do da dos das uma um com só apenas se responda escolha
    è sono come tra fra nel della delle dei il lo gli una uno con se rispondi scegli
    zijn is als tussen uit van het de een met alleen kies antwoord
    czy jest som är er olarak c'est ¿es ¿está ¿son
    """
)
_ELIDED = late_pattern(r"^un['’](?=\w)", re.IGNORECASE)
_COPULAS = table("is are be sind ist sont est son es são é sono è zijn")
_INDEFINITE = table("a an ein eine einen einer un une una uno um uma een")
_ARTICLES = table("a an the ein eine einen einer un une una uno um uma il la le el lo een het de der die das den")
# What a clause is made of: no item holds such a word.
_POLES = table(
    "for against pro contra on off in out above below up down yes no more less other none both neither all one two"
)
_CLAUSE = table(
    """
    i my we our you your he she they their his her its it is was are were be been have had has will would may
    might can
    could should must do does did don't doesn't if when because but that which who whose whether then than this these
    those please not-only ist sind wird wenn weil dass du sie est sont tu vous qui que si quand es son está cuando
    """
)
_LEADS = late_pattern(
    r"(?:(?:exactly|only|just|strictly|simply|either|one|single|of|the|these|those|following|below|given|possible|"
    r"allowed|available|valid|labels?|categories|category|classes|options?|choices?|values?|tags?|is|are|be|entweder|"
    r"nur|soit|seulement|solo|sólo|apenas|soltanto|alleen|two|three|four|five|six|seven|eight|nine|ten)\s+)+",
    re.IGNORECASE,
)
_POLITE = late_pattern(r"\s+(?:pls|plz|please|thx|thanks|bitte|only)\W*$", re.IGNORECASE)
_GLOSS = late_pattern(r"\s*[(（]([^()（）\n]{1,200})[)）]")
_EMOJI = late_pattern(r"(?:[\u2190-\u2bff\u3030-\u303d\u2600-\u27bf\U0001f000-\U0001faff][\ufe0f\u200d]*)+")
_EMOJIS = late_pattern(
    r"(?:[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]\ufe0f?(?:\s*[,/|、]\s*(?:or\s+)?|\s+(?:or|oder|ou|o)\s+|"
    r"\s+|(?=[\U0001f000-\U0001faff]))){1,12}"
    r"[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]\ufe0f?"
)
_BRACKETED = late_pattern(r"(?:[\[<{]([^\[\]<>{}\n,/|]{1,32})[\]>}][ \t,/|]{0,2}(?:or )?){2,40}")


_ASKS = late_pattern(r"\W*(?:how|what|which|who|is|are|does|was)\b", re.IGNORECASE)


_ABOUT = late_pattern(r"\b(?:about|concerns?|praises?|criticises?|criticizes?) \Z", re.IGNORECASE)


_SIGNS = (*",/|;、，،[·•", " or ", " and ", " oder ", " ou ", " o ", " of ", " czy ", "или", " lub ")


def runs(text: str, near: frozenset[str] | None = None) -> list[Run]:
    """All enumerations of a text, in its order; at most 40.

    ``near``: words of which one stands in the enumeration's sentence or in the one before; None asks for none.
    """
    found = list(line_runs(text))
    if not text.isascii():
        found.extend(_circled(text))
    taken = [(run.listing.start, run.listing.end) for run in found]
    position, is_near = 0, False
    for stop in [*(match for match in _SENTENCE.finditer(text)), None]:
        start, end = position, len(text) if stop is None else stop.start()
        position = end if stop is None else stop.end()
        if near is not None and start > _HEAD and end < len(text) - _TAIL:
            continue  # an instruction stands at the edges
        was_near, is_near = is_near, near is None or _is_near(text, start, end, near)
        if start >= end or not (is_near or was_near) or any(start < b and a < end for a, b in taken):
            continue
        if end - start > 6000 or not any(sign in text[start:end] for sign in _SIGNS):
            continue
        before = text[max(0, start - 160) : start].rstrip(" \n\"'")
        lead = before[max(before.rfind(mark) for mark in (". ", "! ", "? ", "\n")) + 1 :].strip()
        found.extend(_inline(text, start, end, lead + before[-1:] if lead else ""))
        if len(found) >= _MOST:
            break
    found.sort(key=lambda run: run.listing.start)
    return found[:_MOST]


def _is_near(text: str, start: int, end: int, near: frozenset[str]) -> bool:
    """Whether a sentence asks, or is a heading with what follows it on its line."""
    if text[end - 1 : end] == "?" and (" or " in text[start:end] or _ASKS.match(text, start) is not None):
        return True
    return text.find(":", start, min(end, start + 40)) > 0 or not near.isdisjoint(words_of(text[start:end]))


_CIRCLED = late_pattern(r"[①-⑳❶-❿]\s*([^①-⑳❶-❿\s、，,。;；]{1,24})[\s、，,;；]*")


def _circled(text: str) -> Iterator[Run]:
    """Items behind circled numbers in one line: "①投诉 ②咨询"."""
    found = list(_CIRCLED.finditer(text))
    labels = tuple(clean(match[1]) for match in found)
    joined = all(one.end() == other.start() for one, other in pairwise(found))
    if (
        len(labels) > 1
        and joined
        and len(set(labels)) == len(labels)
        and "\n" not in text[found[0].start() : found[-1].end()].rstrip()
    ):
        head = text[max(0, found[0].start() - 60) : found[0].start()].rsplit("\n", 1)
        listing = Listing(labels, found[0].start(), found[-1].end(), 0.72, numbered="digit")
        yield Run(listing, "\n".join(head).strip(), "", True, "lines")


def _inline(text: str, start: int, end: int, asked: str) -> Iterator[Run]:
    # ``asked``: the sentence before, with its last sign once more.
    sentence = text[start:end]
    if _DUTCH.search(sentence):
        sentence = _DUTCH_OR.sub(" or ", sentence)  # as long as "of" is
    for form in (_EMOJIS, _BRACKETED):
        if form is _BRACKETED and not any(mark in sentence for mark in "[<{"):
            continue
        match = form.search(sentence)
        if match is not None:
            items = (
                list(_EMOJI.findall(match[0].replace(" ", "")))
                if form is _EMOJIS
                else [item.strip() for item in re.findall(r"[\[<{]([^\[\]<>{}\n]+)[\]>}]", match[0])]
            )
            if form is _EMOJIS:
                items = re.findall(r"[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]\ufe0f?", match[0])
            is_one = is_label if match[0][0] != "[" else is_bracketed
            if len(items) > 1 and len(set(items)) == len(items) and (form is _EMOJIS or all(map(is_one, items))):
                listing = Listing(tuple(items), start + match.start(), start + match.end(), 0.72)
                yield Run(listing, sentence[: match.start()], sentence[match.end() :], True, "or")
                return
    cuts = [(match.start(), match.end()) for match in _SEGMENT.finditer(sentence)]
    edges = [(0, 0), *cuts, (len(sentence), len(sentence))]
    for (_, left), (right, _) in itertools.pairwise(edges):
        if right - left < 3:
            continue
        if left > 1 and sentence[left - 1] in "([" and (sentence[left - 2].isalnum() or sentence[left - 2] == "_"):
            continue  # the arguments of a call
        run = _segment(sentence, left, right, start, introduced=left > 0)
        if run is not None:
            rest = run.tail.strip(" \"'`).!?;:*")
            is_alone = bool(asked) and not run.head.strip(" \"'`(*") and (not rest or rest[0] in "-–—")
            yield run._replace(head=asked[:-1], introduced=asked[-1] in "?？") if is_alone else run


def _segment(sentence: str, left: int, right: int, base: int, *, introduced: bool) -> Run | None:
    """The longest enumeration between two signs of punctuation."""
    segment = sentence[left:right].rstrip(" .?!;,")
    for sign, pattern in _JOINTS:
        if sign == "," and not any(mark in segment for mark in ",،，、"):
            continue
        if sign not in ", " and sign not in segment:
            continue
        if sign == "/" and any(mark in segment for mark in ",;|"):
            continue
        joints = list(pattern.finditer(segment))
        if joints and len(joints) <= 300:
            run = _joined(sentence, segment, joints, sign, left, base, introduced=introduced)
            if run is not None:
                return run
    return None


def _joined(
    sentence: str, segment: str, joints: list[re.Match[str]], sign: str, left: int, base: int, *, introduced: bool
) -> Run | None:
    pieces = [
        segment[a:b]
        for a, b in zip([0, *(j.end() for j in joints)], [*(j.start() for j in joints), len(segment)], strict=True)
    ]
    best: tuple[int, int] | None = None
    first = 0
    for place in range(1, len(pieces)):
        joint = joints[place - 1].groupdict()
        later = joints[place].groupdict() if place < len(joints) else {}
        is_last = bool(joint["and"] or joint.get("and2"))  # an "and" stands before the last item only
        is_last = is_last or bool(
            (joint["or"] or joint.get("or2")) and sign in ", " and not (later.get("or") or later.get("or2"))
        )
        if is_last or place == len(pieces) - 1 or not _is_item(pieces[place]):
            longer = place - first - (best[1] - best[0] if best is not None else 0)
            is_or = bool(joint["or"] or joint.get("or2"))
            if best is None or longer > -(sign == " ") or (longer == 0 and is_or):
                best = (first, place)
            first = place
    if best is None:
        return None
    first, last = best
    inner = [piece.strip() for piece in pieces[first + 1 : last]]
    longest = max((piece.count(" ") for piece in inner), default=0)
    begin = 0 if first == 0 else joints[first - 1].end()
    lead = _first_item(pieces[first], inner[0] if inner else pieces[last], introduced and first == 0, longest)
    tail = _last_item(pieces[last], longest, is_end=last == len(pieces) - 1)
    if lead is None or tail is None:
        return None
    begin += lead
    stop = joints[last - 1].end() + tail
    raw = [segment[begin : joints[first].start()], *inner, segment[joints[last - 1].end() : stop]]
    items = [clean(_POLITE.sub("", item)) for item in raw]
    articles = [item.split(" ", 1)[0].lower() in _ARTICLES and " " in item for item in items]
    if any(articles):
        # "a question, praise or a complaint"; with "the" they are things of the text, no labels.
        before = segment[:begin].rsplit(None, 1)[-1:]
        is_led = articles[0] or (before and before[0].lower() in _INDEFINITE)
        found = [item.split(" ", 1) if is_one else ["", item] for item, is_one in zip(items, articles, strict=True)]
        if all(articles) and _ABOUT.search(segment[:begin]) is not None:
            is_led, found = True, [["", item] for _, item in found]  # "about the food, the service or the price"
        if not is_led or not all(article.lower() in _INDEFINITE or not article for article, _ in found):
            return None
        items = [_ELIDED.sub("", item) for _, item in found]
    if len(items) > 2 and " " not in items[0] and all(" " in item for item in items[1:]):
        before = segment[:begin].rsplit(None, 1)[-1:]
        if before and before[0].lower() in _COPULAS:
            return None  # "Screens are ui, routes api, tables db"
    used = joints[first:last]
    said = [joint.groupdict() for joint in used]
    is_or = sign in "|/·" or any(one["or"] or one.get("or2") for one in said)
    ands = [bool(one["and"] or one.get("and2")) for one in said]
    ors = [bool(one["or"] or one.get("or2")) for one in said]
    if any(ands[:-1]) or (sign == "," and any(ors[:-1]) and not all(ors)) or not all(map(is_label, items)):
        return None
    if all(item.isdigit() for item in items):
        return None
    if sign != "," and any("," in item for item in items):
        return None
    if sign == ";" and len(items) < 3 and not introduced:
        return None
    if sign == "," and "or2" not in said[0] and not introduced:
        return None  # commas alone, and an "or" or "and" within an item: only behind a colon
    if len({item.casefold() for item in items}) != len(items):
        return None
    if len({item.lower() in _EDGES for item in items}) > 1 and not set(map(str.lower, items)) & _POLES:
        return None  # a word between two labels, taken for one
    joined = "or" if is_or else "and" if any(ands) else ","
    listing = Listing(tuple(items), base + left + begin, base + left + stop, 0.72, closed=is_or)
    if len({UNSPACED.search(item) is not None for item in items}) > 1 and UNSPACED.search(items[0]):
        return None  # words before the list, run into its first label
    behind = sentence[left + stop :]
    if items[-1][:1].isupper() and _NAME_GOES_ON.match(behind):
        return None  # "Sports, Business or Science and Technology"
    if behind.lstrip(" ,").startswith(("...", "…", "[", "(trunc")):
        return None  # a list that was cut off
    if (gloss := _GLOSS.match(behind)) and not _FORM.fullmatch(gloss[1]):
        listing = listing._replace(defined=True)
    return Run(listing, sentence[: left + begin], behind, introduced and not segment[:begin].strip(" \"'“„«`"), joined)


_NAME_GOES_ON = late_pattern(r" (?:and|&|of) [A-Z][a-z]")


def _is_item(piece: str) -> bool:
    words = piece.strip().lower().split()
    return 0 < len(words) <= 5 and _CLAUSE.isdisjoint(words)


def _first_item(piece: str, following: str, introduced: bool, longest: int) -> int | None:
    """Where the first item begins in the words before the first joint; None when that is not clear."""
    skipped = len(piece) - len(piece.lstrip(" \"'“„«‘`"))
    if introduced:
        lead = _LEADS.match(piece, skipped)
        if lead is not None and lead.end() < len(piece.rstrip()):
            skipped = lead.end()
        rest = piece[skipped:].lower().split()
        is_one = len(rest) == 1 or longest > 0 or " " in following.strip()
        is_whole = (
            bool(rest)
            and _CLAUSE.isdisjoint(rest)
            and (is_one or (_EDGES.isdisjoint(rest) and rest[0] not in INPUT_WORDS))
        )
        if 0 < len(rest) <= 5 and (is_whole or len(rest) == 1):
            return skipped
    quoted = max(piece.rfind(f" {mark}") for mark in "\"'“„«‘`")
    if piece[-1:] in "\"'”“»’`" and quoted >= 0:
        return quoted + 1
    following = _until_edge(following)
    words = list(re.finditer(r"\S+", piece))
    if not words:
        return None
    place = len(words) - 1
    if words[place][0].lower() in _EDGES:
        return words[place].start()  # "is for, against or neutral"
    while place > 0 and words[place - 1][0].lower() not in _EDGES and not words[place - 1][0].endswith(","):
        place -= 1
    if place == 0 and longest == 0 and len(words) == len(following.split()) < 4 and words[0][0].lower() not in _EDGES:
        return words[0].start()  # "green flag or red flag?"
    if place == 0 and words[0][0].lower() not in _EDGES and len(words) > 1:
        place = len(words) - 1 if longest == 0 and " " not in following.strip() else -1
    if place < 0:
        return None
    are_led = place and {words[place - 1][0].lower(), following.split(" ", 1)[0].lower()} <= _INDEFINITE
    if len(words) - place > max(longest + 1, 1) + (0 if longest == 0 else 1) and not (
        are_led and len(words) - place < 5
    ):
        if longest == 0 and " " not in following.strip():
            place = len(words) - 1
        else:
            return None
    if place and words[place - 1][0].lower() in _ARTICLES and following.split(" ", 1)[0].lower() in _ARTICLES:
        place -= 1
    return words[place].start()


def _until_edge(piece: str) -> str:
    """A last item without what stands behind it: "unresolved at the end"."""
    words = piece.split()
    end = next((place for place, word in enumerate(words) if place and word.lower() in _EDGES), len(words))
    return " ".join(words[:end])


def _last_item(piece: str, longest: int, *, is_end: bool) -> int | None:
    """Where the last item ends in the words behind the last joint; None when that is not clear."""
    words = list(re.finditer(r"\S+", piece))
    if not words:
        return None
    start = 1 if words[0][0].lower() in _ARTICLES and len(words) > 1 else 0
    place = start + 1
    while place < len(words) and words[place][0].lower() not in _EDGES and place - start <= longest + 2:
        if words[place][0].lower() in ("and", "und", "et", "y", "e", "en", "for"):
            break
        place += 1
    if place < len(words) and words[place][0].lower() not in _EDGES and place - start > longest + 1:
        return words[start].end() if longest == 0 else None
    if place - start > max(longest + 1, 3 if is_end and place == len(words) else longest + 1):
        return words[start].end() if longest == 0 and not is_end else None
    return words[place - 1].end()
