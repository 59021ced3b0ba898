"""Lists of labels as people write them: quoted, bulleted, comma, slash or pipe separated, in brackets, line by line.

:func:`list_at` reads the list that starts at a place; where lists start is :mod:`wording`'s business.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .labels import FORM, LEAD, MAX_LABELS, Listing, clean, is_plausible
from .vocabulary import INPUT_WORDS

__all__ = ["inside", "list_at"]


_OR = r"(?:or|oder|ou|oppure|o|u|eller|или|lub|albo|veya|ya da|或者?|还是|または|もしくは)"
# Between quoted items no such word can be a preposition or the name of something.
_OR_QUOTED = rf"(?:{_OR}|of|czy|або|чи|nebo|alebo|või|vai|ar|sau|vagy|tai|atau|hoặc|eða|ή|أو|یا|או|या|vs\.?)"
_AND = r"(?:and|und|et|e|y|en|和|と)"


_OPENERS = " \t:：=([{（【"
_QUOTED = late_pattern(
    r"[*_]{0,2}(?:\"([^\"\n]{1,64})\"|'((?:[^'\n]|(?<=\w)'(?=\w)){1,64})'|`([^`\n]{1,64})`|“([^”\n]{1,64})”|"
    r"„([^“”\n]{1,64})[“”]|"
    r"‘([^’\n]{1,64})’|«\s?([^»\n]{1,64}?)\s?»|「([^」\n]{1,64})」|『([^』\n]{1,64})』|\*\*([^*\n]{1,64})\*\*|"
    r"<([^<>\n/]{1,48})>|"
    r"\[([^\[\],\n]{1,48})\])[*_]{0,2}"
)
_NOTE = late_pattern(r"\s*\([^()\n]{1,200}\)")
_BETWEEN = late_pattern(
    rf"\s*(?:[,;/|、，；]\s*(?:{_OR_QUOTED}|{_AND}|か)?|(?:{_OR_QUOTED}|{_AND}|か))\s*(?=[\"'`“„‘«「『*<\[])|(?<=[”」』])(?=[“「『])|"
    rf"(?<=[\"'`”»])\n[ \t]*(?=[\"'`“«])",
    re.IGNORECASE,
)
_BULLET = late_pattern(
    r"([ \t]*)(?:[-*+–—](?=[ \t])|[•–·・]|[(\[]?(\d{1,3})(?:[.):：、\]]|[ \t][-–—=](?=[ \t]))|"
    r"[(\[]?([A-Za-z])(?:[.)\]]|[ \t][-–—=](?=[ \t])|:(?=[ \t])))[ \t]*(\S[^\n]*)"
)
_DEFINED = late_pattern(r"(.{1,64}?)(?:\s*[:：]\s+|\s+[-–—=>]+\s+|：|\s*[（(](?=.{2}))(.+)", re.DOTALL)
_END = late_pattern(
    r"[?!](?!\s?[,;|/])|(?<!,)\n|(?<=,)\n(?=\s*\n)|[。！？；()（）\[\]{}【】\"“”„«»「」]|\.(?=\s|$|['\"])|:(?=\s|$)|：|\s[-–—]\s|\s[-=]{1,2}>|→|⇒|\s(?=<)"
)
_SPLIT_OR = late_pattern(rf"\s+(?:{_OR})\s+|(?:或者?|还是|または|もしくは|、|か、)\s*", re.IGNORECASE)
_SPLIT_OR_NL = late_pattern(r"\s+of\s+", re.IGNORECASE)
_LEADING = late_pattern(rf"^(?:{_OR}|{_AND}|of|either|entweder|soit|only|just)\s+", re.IGNORECASE)
_TAIL = late_pattern(
    r"(?:,?\s+(?:whichever|"
    r"based|depending|according|with|without|and (?:nothing|never|no)|only|for (?:the|this|each|a)|"
    r"in (?:lower|upper|one|the|this|english|json|all|tone)|as (?:the|your|a)|to (?:the|this|an?|most|describe|"
    r"indicate|each)|from|"
    r"when|if|that|which|using|by|accordingly|followed|please|pls|plz|thx|sentiment|priority|severity|urgency|"
    r"tone|emotion|"
    r"mood|polarity|stance|intent|rating|overall|about|regarding|towards?|"
    r"selon|según|segundo|nach|basierend|ist|zu|ein|est|là|exactly|and then|then|here|label|category|else|nothing|"
    r"é|è|aan|in de|oppure|bitte|s'il|por favor|per favore|alleen)\b|\s+[-–—]|,?\s+(?:do|don't)\s|"
    r",?\s+no\s+(?:other|explanations?|extra|more|further|additional|need|text|words?|punctuation|comments?|"
    r"reasons?)\b).*$",
    re.IGNORECASE | re.DOTALL,
)
_PROSE = late_pattern(
    r"\b(?:i|my|we|our|you|your|he|she|they|their|his|her|its|it|this|that|these|is|was|are|were|have|had|has|"
    r"will|would|may|might|"
    r"can|could|should|the|an?|very|so|if|me|them|us|i'm|it's|don't|do|did|does|because|but|just|really|as|into|"
    r"must|only|between)\b",
    re.IGNORECASE,
)
_SEPARATOR = late_pattern(rf"[,/|;，、،]|\s(?:{_OR}|of|and)\s|或|还是|または|もしくは")
_ONE_OF = late_pattern(rf"[/|]|(?:^|[\s,])(?:{_OR})\s|或|还是|または|もしくは", re.IGNORECASE)
_ONE_OF_QUOTED = late_pattern(rf"[/|]|(?:^|[\s,]){_OR_QUOTED}\s|或|还是|または|もしくは", re.IGNORECASE)
_JOINED = late_pattern(rf"\s*(?:[,/|]|{_OR}\s)", re.IGNORECASE)
_TWO_IN_ONE = late_pattern(rf"\s(?:{_AND}|{_OR})\s", re.IGNORECASE)
_BULLET_LINE = late_pattern(r"[^\S\n]*+[:：.]?[^\S\n]*+\n")
_BOLD_END = late_pattern(r"\*\*[ \t]+")
_UNDERLINED = late_pattern(r"[^\S\n]*+[:：]?[^\S\n]*+\n\w{1,40}\n-{3,}[^\S\n]*\n")
_GOES_ON = late_pattern(rf"\s*(?:[,;/|]|{_OR}\s|{_AND}\s|$)", re.IGNORECASE)
_HALVES = late_pattern(rf"\s+{_AND}\s+", re.IGNORECASE)


def list_at(text: str, place: int, *, introduced: bool = False, dutch: bool = False) -> Listing | None:
    """The list of labels that starts at ``place``, or None. ``introduced``: a colon or bracket stands before it."""
    lead = LEAD.match(text, place)
    start = lead.end() if lead else place
    bulleted = _bullets(text, start)
    if bulleted is not None:
        return bulleted
    found = _inline(text, start, introduced, dutch)
    if found is not None or lead is None or _JOINED.match(text, start) is None:
        return found
    # What was taken for filler may have been the list's own first word ("one, two or three").
    return _inline(text, place, introduced, dutch)


def inside(content: str, start: int) -> Listing | None:
    """The list that a whole bracket or element holds; offsets are moved by ``start``."""
    body = content.strip()
    if not body:
        return None
    found = _bullets("\n" + body, 0) or _inline(body, 0, True, False) or _lines("\n" + body, 0)
    if found is None:
        return None
    return found._replace(start=start, end=start + len(content))


def _inline(text: str, place: int, introduced: bool, dutch: bool) -> Listing | None:
    start = place
    while start < len(text) and text[start] in _OPENERS:
        introduced = introduced or text[start] in ":：=([{（【"
        start += 1
    if introduced and (bold := _BOLD_END.match(text, start)):
        start = bold.end()
    if text.startswith("\n", start):
        if not introduced:
            return None
        rest = start
        bulleted = _bullets(text, rest) or _lines(text, rest)
        if bulleted is not None:
            return bulleted
        while start < len(text) and text[start] in " \t\r\n[":
            start += 1
    if text[start - 1 : start] in ("(", "[") and text[start - 2 : start - 1].isalnum():
        return None  # the arguments of a call: "label(id, name)"
    while text.startswith("[", start) and introduced:
        start += 1
    return _quoted(text, start) or _bare(text, start, introduced, dutch)


def _quoted(text: str, start: int) -> Listing | None:
    items: list[str] = []
    place, end, defined, closed = start, start, False, False
    while len(items) < MAX_LABELS:
        match = _QUOTED.match(text, place)
        if match is None:
            break
        items.append(next(group for group in match.groups() if group is not None).strip())
        end = match.end()
        note = _NOTE.match(text, end)
        if note is not None:
            defined = defined or not FORM.fullmatch(note[0].strip(" ()"))
            end = note.end()
        between = _BETWEEN.match(text, end)
        if between is None:
            break
        closed = closed or _ONE_OF_QUOTED.search(between[0]) is not None
        place = between.end()
    else:
        return None
    if not is_plausible(items, 9):
        return None
    return Listing(tuple(items), start, end, 0.95, defined, closed=closed)


def _bullets(text: str, place: int) -> Listing | None:
    first = _BULLET_LINE.match(text, place) or _UNDERLINED.match(text, place)
    if first is None:
        return None
    position = first.end()
    while text.startswith("\n", position):
        position += 1
    items: list[str] = []
    defined, numbered, indent, start, end = False, "", -1, position, position
    while len(items) <= MAX_LABELS:
        match = _BULLET.match(text, position)
        if match is None or (match[4][:1] in "-*" and match[4][:3] in ("---", "***")):
            break
        stop = match.end()
        depth = len(match[1])
        if indent < 0:
            indent = depth
        if depth > indent:
            defined = True
        else:
            item = match[4].strip()
            explained = _DEFINED.match(item)
            if explained is not None and not item.startswith(("http",)):
                defined = True
                item = explained[1]
            items.append(clean(item))
            numbered = "digit" if match[2] else "letter" if match[3] else numbered
        end = stop
        position = stop + 1
        if text.startswith("\n", position) and _BULLET.match(text, position + 1):
            position += 1
    if not is_plausible(items, 9):
        return None
    return Listing(tuple(items), start, end, 0.92, defined, numbered)


def _lines(text: str, place: int) -> Listing | None:
    position = place
    while text.startswith(("\n", " ", "\t", "\r"), position):
        position += 1
    start = end = position
    items: list[str] = []
    while len(items) <= MAX_LABELS:
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop
        line = text[position:stop].strip().rstrip(",")
        if (
            len(items) > 1
            and text[start - 1 : start] in (" ", "\t")
            and text[position : position + 1] not in (" ", "\t")
        ):
            break
        if not line or (len(items) > 1 and line.endswith(".") and line.count(" ") > 2):
            break  # "Return the name exactly as in the list.": the sentence after the list
        if line[0] == "<" or ": " in line or line.endswith((":", ".", "?", "!")) or line.count(" ") > 4 or "," in line:
            return None
        items.append(clean(line))
        end = position = stop
        if stop >= len(text):
            break
        position = stop + 1
    if not is_plausible(items, 5):
        return None
    return Listing(tuple(items), start, end, 0.85)


def _bare(text: str, start: int, introduced: bool, dutch: bool) -> Listing | None:
    stop = _END.search(text, start)
    end = stop.start() if stop else len(text)
    if end - start > 4000 or _SEPARATOR.search(text, start, min(end + 1, len(text))) is None:
        return None
    semicolon = text.find(";", start, end)
    if semicolon > 0 and text.count(";", start, end) == 1 and _SEPARATOR.search(text, start, semicolon) is not None:
        end, stop = semicolon, None
    defined = False
    parts: list[str] = [text[start:end]]
    # Remarks in brackets after an item belong to it: "billing (invoices, refunds), technical (errors)".
    while stop is not None and stop[0] in "(（" and parts[0].strip() and len(parts) < MAX_LABELS:
        closing = text.find(")" if stop[0] == "(" else "）", stop.end())
        if closing < 0 or closing - stop.end() > 200 or "\n" in text[stop.end() : closing]:
            break
        after = text[closing + 1 : closing + 2]
        if after not in (",", ";", "/", "|", " ", ".", ""):
            break
        following = _END.search(text, closing + 1)
        tail_end = following.start() if following else len(text)
        piece = text[closing + 1 : tail_end]
        if not _GOES_ON.match(piece):
            break
        defined = defined or not FORM.fullmatch(text, stop.end(), closing)
        parts.append(piece)
        end, stop = tail_end, following
    segment = "".join(parts)
    if len(segment) > 4000 or "</" in segment:
        return None
    items = _items(segment, introduced, dutch)
    if items is None:
        return None
    if len(items) > 1 and all(map(_ARTICLE.match, items[1:])) and (one := _LAST_ARTICLE.search(items[0])) is not None:
        items[0] = one[1]  # "whether the remark is a fact, an opinion or a forecast"
    if all(map(_ARTICLE.match, items)):
        items = [_ARTICLE.sub("", item) for item in items]  # "a question, a request or a statement"
    if not introduced and any(" " in item and item.split(" ", 1)[0].lower() in INPUT_WORDS for item in items):
        return None  # "ob der Kommentar beleidigend oder harmlos ist": the text's own name is no part of a label
    if not introduced and len(items) > 2 and not any(" " in item for item in items[:-1]):
        items[-1] = _ADVERBIAL.sub("", items[-1])  # "a, b or c at random"
    joined = " ".join(item for item in items if item.lower() not in ("it", "us"))  # departments are called so
    if not introduced:
        if _PROSE.search(joined) or not is_plausible(items, 3):
            return None
        joined_by = (
            _SPLIT_OR.search(segment) or "/" in segment or "|" in segment or (dutch and _SPLIT_OR_NL.search(segment))
        )
        if len(items) == 2 and not joined_by and any(" " in item for item in items):
            return None
        if any(_TWO_IN_ONE.search(item) for item in items):
            return None
    elif not is_plausible(items, 6) or (len(items) == 2 and "," in segment and _PROSE.search(joined)):
        return None
    if items and items[0].count(" ") > 1 and _PROSE.search(items[0]) and not any(" " in item for item in items[1:]):
        return None  # "does the tweet show joy, sadness or fear": where the first label begins is not clear here
    if len(items) == 2 and abs(items[0].count(" ") - items[1].count(" ")) > 2:
        return None  # "praise or criticism and write an answer"
    closed = _ONE_OF.search(segment) is not None or (dutch and _SPLIT_OR_NL.search(segment) is not None)
    if "," in segment and any(_SPLIT_OR.search(item) for item in items):
        return None
    return Listing(tuple(items), start, end, 0.9 if introduced else 0.85, defined, closed=closed)


def _behind_or(segment: str, split_or: re.Pattern[str]) -> int | None:
    """The first comma behind the only "or" of an enumeration: an "or" stands before the last item."""
    joints = list(split_or.finditer(segment))
    if len(joints) != 1 or segment.count(",") != 1 or "|" in segment or "/" in segment:
        return None
    comma = segment.find(",", joints[0].end())
    if comma < 0 or len(segment[: joints[0].start()].split()) != len(segment[joints[0].end() : comma].split()):
        return None  # where the first item begins is not clear
    return comma


def _items(segment: str, introduced: bool, dutch: bool) -> list[str] | None:
    split_or = _SPLIT_OR_NL if dutch and _SPLIT_OR_NL.search(segment) else _SPLIT_OR
    head = segment.split(",", 1)[0]
    if "," in segment and (head.count("/") > 1 if " " not in head.strip() else head.count(" / ") > 1):
        segment = head  # "low/medium/high, only the word"
    elif (ends_list := _behind_or(segment, split_or)) is not None:
        segment = segment[:ends_list]  # "sarcastic or sincere, just one word"
    for mark in ("|", ";", ",", "，", "、", "،"):
        if mark == ";" and segment.count(";") == 1:
            segment = segment.split(";")[0] if _SEPARATOR.search(segment.split(";")[0]) else segment
        if mark in segment:
            chunks = segment.split(mark)
            break
    else:
        chunks = segment.split("/") if "/" in segment else [segment]
    if not introduced or chunks[-1].count(" ") > 3:
        # The sentence goes on after its last label: "..., negative or neutral based on its tone".
        for index, chunk in enumerate(chunks):
            if " " not in chunk.strip():
                continue
            plain = " ".join(chunk.split())
            cut = _TAIL.sub("", f" {plain}").strip()
            if cut != plain:
                chunks = [*chunks[:index], cut] if cut else chunks[:index]
                break
    if not chunks:
        return None
    last = chunks[-1].strip()
    ends = [part for part in split_or.split(" " + last) if part and part.strip()]
    if len(ends) == 1 and len(chunks) > 1:
        # "A, B and C": one label "B and C" or two? Only clear when all are single words.
        halves = _HALVES.split(last)
        before = [chunk.strip() for chunk in chunks[:-1]]
        if len(halves) == 2 and halves[0] and not _LEADING.match(last):
            if all(" " not in part for part in (*halves, *before)):
                ends = halves
            elif not all(" and " in part or "&" in part for part in before):
                return None
    items = [_LEADING.sub("", clean(part)) for part in (*chunks[:-1], *ends)]
    return [clean(item) for item in items]


_ADVERBIAL = late_pattern(r"(?<=\w) (?:at|by|from|in|on) [^,]+$")
_ARTICLE = late_pattern(r"(?:an?|eine?n?|une?|una) ", re.IGNORECASE)
_LAST_ARTICLE = late_pattern(r"\s((?:an?|eine?n?|une?|una) [^\s]+)$", re.IGNORECASE)
