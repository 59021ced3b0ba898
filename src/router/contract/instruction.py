"""The instructions of a request: system messages, and the user's own words around the text to judge.

Stretches that hold data by their looks (tags, fences, quotations, what stands behind "Review:") are left out before
lists of labels are looked for: a list in the text to judge is no list of answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..patterns import late_pattern
from ..types import Message, Request, Split
from .blocks import FENCES, Block, fences, has_marker, is_input_marker, markers, quotations, tags, trimmed
from .labels import Listing
from .memory import Memory
from .polar import YES_WORDS
from .prose_json import pasted_schema, schema_examples
from .speech import IMPERATIVE, ITEM_LINE, is_instruction, orders
from .understood import FOREIGN
from .vocabulary import DATA_TAGS, NOT_DATA
from .wording import listings, may_list
from .words import words_of

__all__ = ["FOREIGN", "Spoken", "instructions", "remainder"]

_HEAD, _TAIL = 6000, 2000


_UNSPACED = late_pattern(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_TYPES = late_pattern(r"\b(?:interface|enum|class|type) \w+ ?[({=:]|\bLiteral\[|\benum\(\[")


# "labels: a, b" below the text.
_LISTED = late_pattern(
    r"\n[ \t]*(?:possible |allowed |candidate |valid )?(?:labels|categories|classes|options|choices|tags|intents|"
    r"topics)[ \t]*[:=]",
    re.I,
)


_QUOTED = late_pattern(r"'[^'\n]+'(?=[.\s])|\"[^\"\n]+\"(?=[.\s])|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»")


_WITH = late_pattern(r"\bw/(?=\s|o\b)")
_THING = late_pattern(r"(?:an?|one) [\w-]+(?: [\w-]+){0,4}(?:[.;] |[.;]?\n)", re.IGNORECASE)


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """One message's instruction. ``text`` is ``source`` with each of ``cuts`` (offsets in it) replaced by one sign;
    ``found`` are the lists of answers in ``text``; ``schema`` is a JSON Schema that stands in it, and ``told`` are cuts
    (offsets in ``source``) that need no understanding.
    """

    index: int
    by_user: bool
    source: str
    text: str
    words: frozenset[str]
    cuts: tuple[tuple[int, int], ...] = ()
    found: tuple[Listing, ...] = ()
    schema: Mapping[str, Any] | None = None
    told: tuple[tuple[int, int], ...] = ()

    def holds(self, listing: Listing, judged: Split | None) -> bool:
        """Whether a list stands in the text to judge."""
        if judged is None or judged.message != self.index:
            return False
        return judged.start <= _in_source(self, listing.start) and _in_source(self, listing.end) <= judged.end


def instructions(request: Request, memory: Memory, *, is_given: bool) -> list[Spoken]:
    """What speaks to the model. ``is_given``: a schema or a tool says what is asked, so that a message may be bare."""
    last = request.last_user()
    messages = request.messages
    has_turns = any(message.role == "assistant" for message in messages[: last or 0])
    parts = [
        part
        for index, message in enumerate(messages)
        if message.role in ("system", "developer") and (part := _remembered(index, message, memory)) is not None
    ]
    for index, message in enumerate(messages):
        if message.role != "user" or (index != last and has_turns and any(part.found for part in parts)):
            continue
        # Under an instruction that lists the answers, a message that orders nothing is the text to judge.
        text = message.text
        is_told = is_given or request.hints.labels is not None or any(part.found for part in parts)
        if is_told and not orders(text) and not (is_given and IMPERATIVE.match(text)):
            continue
        part = _spoken(index, message, memory, by_user=True)
        if part is not None and not (index != last and has_turns and not part.found):
            parts.append(part)
    return parts


def remainder(part: Spoken, split: Split | None) -> str:
    """What an instruction says beside its lists of labels, and outside the text to judge."""
    judged = (split.start, split.end) if split is not None and split.message == part.index else (-1, -1)
    cuts = [(start, end, _sign(part, start, end, judged)) for start, end in part.cuts]
    if judged[0] >= 0:
        cuts.append((*judged, "_"))
        cuts += _again(part.source, judged)
    for listing in part.found:
        start, end = _in_source(part, listing.start), _in_source(part, listing.end)
        cuts.append((start, end, _unnamed(part.text[listing.start : listing.end], listing)))
    if not cuts:
        return part.source
    cuts.sort()
    kept: list[str] = []
    position = 0
    for start, end, instead in cuts:
        if start >= position:
            kept.append(part.source[position:start])
            kept.append(f"{instead}\n" if part.source[end - 1] == "\n" else instead)
        position = max(position, end)
    kept.append(part.source[position:])
    return "".join(kept)


def _again(source: str, judged: tuple[int, int]) -> Iterator[tuple[int, int, str]]:
    """Where the text to judge stands word for word once more."""
    text = source[slice(*judged)]
    place = source.find(text) if len(text) > 15 else -1
    while place >= 0:
        if place != judged[0]:
            yield place, place + len(text), "_"
        place = source.find(text, place + len(text))


def _sign(part: Spoken, start: int, end: int, judged: tuple[int, int]) -> str:
    if (start, end) in part.told or (start < judged[1] and judged[0] < end):
        return "_"
    if _gap(part.source) == (start, end):
        return "\n"
    return "_" if part.source[:start].rstrip().endswith(("<example>", "<examples>")) else FOREIGN


def _unnamed(stretch: str, listing: Listing) -> str:
    """The stretch of a list without its labels: a label called "translate" demands nothing."""
    if listing.marks:
        return "_"
    if len(listing.labels) == 2 and {label.casefold() for label in listing.labels} & YES_WORDS:
        return "_"  # "YES if it is spam, otherwise NO" says what is asked, it is no rule beside the labels
    if stretch.startswith("<"):
        return "_"
    for label in sorted(listing.labels, key=len, reverse=True):
        stretch = stretch.replace(label, "_")
    return stretch


def _in_source(part: Spoken, place: int) -> int:
    for start, end in part.cuts:
        if place <= start:
            break
        place += end - start - 1
    return place


def _remembered(index: int, message: Message, memory: Memory) -> Spoken | None:
    """A system message: it comes again word for word."""
    return memory.recall("system", message.text, index, lambda: _spoken(index, message, memory, by_user=False))


def _spoken(index: int, message: Message, memory: Memory, *, by_user: bool) -> Spoken | None:
    source = message.text
    if not source or source.isspace():
        return None
    gap = _gap(source)
    seen = source if gap is None else f"{source[: gap[0]]}\n{source[gap[1] :]}"
    if "w/" in seen:
        seen = _WITH.sub("w ", seen)  # a slash that separates nothing
    cuts = [] if gap is None else [gap]
    schema, told = _given(source)
    cuts += told
    cuts += _moved(_data(seen), gap)
    if len(cuts) > (gap is not None):
        cuts = _merged(cuts)
        seen = _masked(source if "w/" not in source else _WITH.sub("w ", source), cuts, gap)
        words, found = memory.recall("lists", seen, by_user, lambda: _lists(seen, by_user))
    else:
        words, found = _lists(seen, by_user)
    return Spoken(
        index=index, by_user=by_user, source=source, text=seen, words=words, cuts=tuple(cuts), found=found,
        schema=schema, told=tuple(told),
    )  # fmt: skip


def _given(source: str) -> tuple[Mapping[str, Any] | None, list[tuple[int, int]]]:
    """A pasted schema, and what stands there for it alone."""
    pasted, examples = pasted_schema(source), schema_examples(source)
    spans = [(pasted[1], pasted[2])] if pasted is not None else []
    return (None if pasted is None else pasted[0]), spans + ([examples] if examples is not None else [])


def _lists(text: str, by_user: bool) -> tuple[frozenset[str], tuple[Listing, ...]]:
    words = words_of(text)
    return words, tuple(listings(text, words, is_system=not by_user)) if may_list(text, words) else ()


def _gap(text: str) -> tuple[int, int] | None:
    """The middle of a long message; instructions stand at its edges."""
    return None if len(text) <= _HEAD + _TAIL else (_HEAD, len(text) - _TAIL)


def _moved(cuts: Iterator[tuple[int, int]], gap: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
    """Offsets in the text without its middle, as offsets in the whole."""
    for start, end in cuts:
        if gap is None:
            yield start, end
            continue
        shift = gap[1] - gap[0] - 1
        yield (start if start <= gap[0] else start + shift), (end if end <= gap[0] else end + shift)


def _merged(cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    cuts.sort()
    merged: list[tuple[int, int]] = []
    for start, end in cuts:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def _masked(source: str, cuts: list[tuple[int, int]], gap: tuple[int, int] | None) -> str:
    kept: list[str] = []
    position = 0
    for start, end in cuts:
        kept.append(source[position:start])
        kept.append("\n" if (start, end) == gap else "_")
        position = end
    kept.append(source[position:])
    return "".join(kept)


def _data(text: str) -> Iterator[tuple[int, int]]:
    """The stretches that hold data by their looks."""
    if "</" in text:
        for block in tags(text):
            if (block.name in DATA_TAGS and not _holds_labels(text, block)) or block.name in ("example", "examples"):
                yield block.start, block.end
    fenced: list[Block] = []
    if (
        "```" in text
        or '"""' in text
        or "'''" in text
        or "\n---\n" in text
        or "\n###\n" in text
        or "===" in text
        or "BEGIN" in text
    ):
        fenced = fences(text)
        for block in fenced:
            if not text.startswith(("{", "["), block.start) and not _TYPES.search(text, block.start, block.end):
                yield block.start, block.end
    if has_marker(text):
        yield from _marked(text, fenced)
    for block in quotations(text):
        if block.name == "`" and "```" in text[max(0, block.outer - 2) : block.outer + 3]:
            continue  # a fence
        if _is_prose(text, block) and not (
            text.startswith(("{", "<one of", "one of"), block.start) or _TYPES.search(text, block.start, block.end)
        ):
            yield block.start, block.end


def _holds_labels(text: str, block: Block) -> bool:
    """Whether an element that is called as data are holds the instruction as well: "<request><task>...</task>"."""
    return text.find("</", block.start, block.end) >= 0 and any(
        inner.name in NOT_DATA for inner in tags(text[block.start : block.end])
    )


def _before_instruction(text: str, start: int) -> int:
    """Where data that begins at ``start`` ends: before its last paragraph, or before all that speak to the model."""
    end = len(text)
    for _ in range(6):
        paragraph = text.rfind("\n\n", start, end)
        if paragraph <= start:
            break
        last = text[paragraph:end].strip()
        if last and end < len(text) and not is_instruction(last, ()) and not ITEM_LINE.match(last):
            break
        if len(text) - paragraph > 6000:
            break
        end = paragraph
    line = text.rfind("\n", start, end)
    if line > start and text[line:end].rstrip().endswith((":", "：")) and len(text[line:end]) < 120:
        end = line  # "Language (en, de, fr):", the cue below the text
    for _ in range(6):
        line = text.rfind("\n", start, end)
        if line <= start or not is_instruction(text[line:end], ()):
            break
        end = line  # "Is the sentence subjective or objective?", right below the text
    return end


def _is_prose(text: str, quoted: Block) -> bool:
    length = quoted.end - quoted.start
    if text.find(" | ", quoted.start, quoted.end) > 0:
        return False  # "Positive | Negative | Neutral"
    if length > 24 and text.count(" ", quoted.start, quoted.end) > 3:
        return True
    stretch = text[quoted.start : quoted.end]
    return length > 8 and not stretch.isascii() and _UNSPACED.search(stretch) is not None


def _marked(text: str, fenced: Sequence[Block]) -> Iterator[tuple[int, int]]:
    """What stands behind input markers, up to the next marker or a last paragraph of its own.

    A marker in one of ``fenced`` is the fenced text's own.
    """
    found: Sequence[Block] = markers(text)
    if fenced:
        found = [one for one in found if not any(fence.outer < one.outer < fence.outer_end for fence in fenced)]
    for place, block in enumerate(found):
        if block.kind != "input" or not is_input_marker(block.name):
            continue
        if _THING.match(text, block.start) is not None:
            continue  # "Input: a text. Output: one of": what comes in
        end = found[place + 1].outer if place + 1 < len(found) else len(text)
        if text.startswith("#", block.outer) and (heading := text.find("\n#", block.start)) >= 0:
            end = min(end, heading)  # a section ends where the next begins
        if (listed := _LISTED.search(text, block.start, end)) is not None:
            end = listed.start()
        if (quoted := _QUOTED.match(text, block.start)) is not None and quoted.end() < end:
            end = quoted.end()
        if (
            text.startswith(FENCES, block.start)
            and (closing := text.find(text[block.start : block.start + 3], block.start + 3)) > 0
        ):
            end = min(end, closing + 3)
        if end == len(text):
            end = _before_instruction(text, block.start)
        start, end = trimmed(text, block.start, end)
        if start < end:
            yield start, end
