"""What a check finds in a hosted answer, and what follows: its texts are gathered, searched, and held against what the
policy looks for.

Nothing passes that could not be read to its end. The room knows OpenAI's answers and chunks; what is dangerous, the
detectors say.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from ..signals.learned import SCAN_HEAD
from ..telemetry import log
from ..types import Detector, Flag, Message, OnFlag, Request, SignalName, Signals, Span, Verdict

__all__ = ["AnswerTexts", "Check", "Finding", "Mask", "Path", "TextCheck", "examine", "mask_texts", "masked"]

Check = Callable[[str], tuple[Flag, ...] | None]
"""The flags of a text, their spans in its characters: empty when it is clean, None when that could not be found out."""

Path = tuple[Any, ...]
Mask = tuple[int, int, str]
"""Characters ``start`` to ``end`` of a text, and what they are."""

# Of at most four bytes each, so that every piece lies within what the detectors read.
PIECE = SCAN_HEAD // 4
# What stands across the border of two pieces is whole in one of them: more than a window of the detectors.
OVERLAP = 600
MAX_CHARS = 400_000
_MAX_DEPTH = 32
# Names and marks that the provider makes up; no text that anybody reads.
_NO_TEXT = frozenset(
    {"role", "id", "type", "index", "finish_reason", "logprobs", "signature", "thought_signature", "thought_signatures"}
)
_UNREADABLE = frozenset({"audio", "input_audio", "image", "images", "image_url", "video", "file"})
_STRICTNESS: Mapping[str, int] = {"show": 0, "annotate": 1, "redact": 2, "escalate": 3, "refuse": 4}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_decode = msgspec.json.Decoder().decode


class TextCheck:
    """A :data:`Check` by the detector of ``safety``.

    A long text is read in pieces; one of more than 400,000 characters, or one that a detector fails on, could not be
    checked.
    """

    def __init__(
        self, detectors: Mapping[SignalName, Detector], *, on_error: Callable[[Detector, Exception], None] | None = None
    ) -> None:
        self._detectors, self._on_error = detectors, on_error

    def __call__(self, text: str) -> tuple[Flag, ...] | None:
        if len(text) > MAX_CHARS:
            return None
        found: list[Flag] = []
        for start in range(0, max(1, len(text) - OVERLAP), PIECE - OVERLAP):
            flags = self._flags(text[start : start + PIECE])
            if flags is None:
                return None
            found.extend(_moved(flag, start) for flag in flags)
        return tuple(found)

    def _flags(self, piece: str) -> tuple[Flag, ...] | None:
        failed: list[Detector] = []

        def note(detector: Detector, error: Exception) -> None:
            failed.append(detector)
            if self._on_error is not None:
                self._on_error(detector, error)

        # As a person's words: so the detectors learnt texts, and so they find more of what is dangerous in them.
        request = Request(messages=(Message(role="user", text=piece),))
        signals = Signals(request, self._detectors, on_error=note)
        signals.fetch(("risks", "safety"))
        flags: tuple[Flag, ...] | None = signals["safety"].value
        # One detector's flags say nothing of what the failed one would have found.
        return None if failed else flags


class AnswerTexts:
    """Everything in an answer that somebody may read, of all its choices: from one whole answer, or chunk by chunk."""

    def __init__(self) -> None:
        self._parts: dict[Path, list[str]] = {}
        self.is_readable = True

    def take(self, body: Mapping[str, Any]) -> dict[Path, str]:
        """Take note of an answer or of one chunk, and give its texts. Sound or an image makes the whole unreadable."""
        found: dict[Path, str] = {}
        for choice in body.get("choices") or ():
            self._walk((choice.get("index"),), choice, found)
        for path, text in found.items():
            self._parts.setdefault(path, []).append(text)
        return found

    def forget(self) -> None:
        """Keep no text; whether everything was readable is still known."""
        self._parts.clear()

    def by_path(self) -> dict[Path, str]:
        """The texts by where they stand."""
        return {path: "".join(parts) for path, parts in self._parts.items()}

    def texts(self) -> list[str]:
        """The texts, none blank. One that is JSON with escaped characters also stands there unescaped."""
        found: list[str] = []
        for text in self.by_path().values():
            if text.strip():
                found.extend((text, *_unescaped(text)))
        return found

    def _walk(self, path: Path, value: Any, found: dict[Path, str]) -> None:
        if isinstance(value, str):
            found[path] = found.get(path, "") + value
        elif isinstance(value, Mapping | list) and len(path) > _MAX_DEPTH:
            self.is_readable = False
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                if key in _UNREADABLE and inner:
                    self.is_readable = False
                elif key not in _NO_TEXT:
                    self._walk((*path, key), inner, found)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                self._walk((*path, _index(inner, at)), inner, found)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a check. ``why`` is a sentence where the answer is not shown as it is; ``flags`` are the kinds
    that were found, ``masks`` what must not be seen of the texts that were checked."""

    action: Literal["show", "annotate", "redact", "escalate", "refuse"] = "show"
    why: str = ""
    flags: tuple[str, ...] = ()
    masks: Mapping[Path, tuple[Mask, ...]] = msgspec.field(default_factory=dict)


async def examine(
    texts: Mapping[Path, str], verdict: Verdict, check: Check | None, *, is_readable: bool = True, timeout_s: float
) -> Finding:
    """Hold ``texts`` against the verdict's ``check`` and ``on_flag``; of several flags the strictest outcome stands.

    ``check`` runs in a worker thread for at most ``timeout_s``; one that fails or takes longer lets nothing pass.
    """
    if check is None:
        return _unchecked("there is no check")
    if not is_readable:
        return _unchecked("it holds more than text")
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncio.to_thread(_find, texts, verdict, check)
    except TimeoutError:
        return _unchecked("the check did not end in time")
    except Exception as error:  # noqa: BLE001 whatever a detector raises, the answer was not found clean
        log.error("the check of an answer failed: %s", type(error).__name__)
        return _unchecked("the check failed")


def _find(texts: Mapping[Path, str], verdict: Verdict, check: Check) -> Finding:
    kinds, on_flag = verdict.check, verdict.on_flag
    action: OnFlag | Literal["show"] = "show"
    seen: set[str] = set()
    masks: dict[Path, tuple[Mask, ...]] = {}
    is_whole = True
    for path, text in texts.items():
        if not text.strip():
            continue
        for number, reading in enumerate((text, *_unescaped(text))):
            flags = check(reading)
            if flags is None:
                is_whole = False
                continue
            for flag in flags:
                if flag.kind not in kinds:
                    continue
                seen.add(flag.kind)
                asked = on_flag.get(flag.kind, "refuse")
                if asked == "redact":
                    if number or not flag.spans:
                        # What cannot be pointed at cannot be masked.
                        asked = "refuse"
                    else:
                        found = tuple((span.start, span.end, span.kind or flag.kind) for span in flag.spans)
                        masks[path] = masks.get(path, ()) + found
                if _STRICTNESS[asked] > _STRICTNESS[action]:
                    action = asked
    if not is_whole and action != "refuse":
        return _unchecked("it could not be read to its end")
    why = f"The answer was checked and withheld: it was flagged as {', '.join(sorted(seen))}."
    return Finding(action=action, why=why if _STRICTNESS[action] > 2 else "", flags=tuple(sorted(seen)), masks=masks)


def masked(text: str, masks: Iterable[Mask], offset: int = 0) -> str:
    """``text``, which begins at ``offset`` of what ``masks`` speak of, with ``[KIND]`` in the place of each mask."""
    parts: list[str] = []
    at = 0
    for start, end, kind in _merged(masks):
        start, end = start - offset, end - offset
        if end <= at or start >= len(text):
            continue
        parts.append(text[at : max(at, start)])
        if start >= 0:
            parts.append(f"[{kind.upper()}]")
        at = min(end, len(text))
    parts.append(text[at:])
    return "".join(parts)


def mask_texts(body: Mapping[str, Any], replace: Callable[[Path, str], str]) -> dict[str, Any]:
    """An answer or chunk with ``replace(path, text)`` in the place of each text; the given one is not altered."""
    choices = [_replaced((choice.get("index"),), choice, replace) for choice in body.get("choices") or ()]
    return {**body, "choices": choices}


def _replaced(path: Path, value: Any, replace: Callable[[Path, str], str]) -> Any:
    if isinstance(value, str):
        return replace(path, value)
    if isinstance(value, Mapping):
        return {
            key: inner if key in _NO_TEXT else _replaced((*path, key), inner, replace) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_replaced((*path, _index(inner, at)), inner, replace) for at, inner in enumerate(value)]
    return value


def _merged(masks: Iterable[Mask]) -> list[Mask]:
    found: list[Mask] = []
    for start, end, kind in sorted(masks, key=lambda mask: (mask[0], -mask[1])):
        if found and start < found[-1][1]:
            before = found[-1]
            found[-1] = (before[0], max(before[1], end), before[2])
        else:
            found.append((start, end, kind))
    return found


def _index(inner: Any, at: int) -> Any:
    return inner.get("index", at) if isinstance(inner, Mapping) else at


def _moved(flag: Flag, by: int) -> Flag:
    if not by or not flag.spans:
        return flag
    spans = tuple(
        Span(message=span.message, start=span.start + by, end=span.end + by, kind=span.kind) for span in flag.spans
    )
    return msgspec.structs.replace(flag, spans=spans)


def _unchecked(why: str) -> Finding:
    return Finding(action="refuse", why=f"The answer was withheld, since it could not be checked: {why}.")


def _unescaped(text: str) -> list[str]:
    """The text as somebody reads it who parses it as JSON; of a part of a JSON text, its escapes undone."""
    if "\\" not in text:
        return []
    try:
        value = _decode(text)
    except msgspec.DecodeError:
        return [_ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text)]
    found: list[str] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting.extend((*value.keys(), *value.values()))
        elif isinstance(value, list):
            waiting.extend(value)
    return ["\n".join(found)] if found else []
