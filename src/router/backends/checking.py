"""Whether a hosted answer may be shown: its texts are gathered, searched, and held against what the policy looks for.

Nothing passes that could not be read to its end. The room knows OpenAI's answers and chunks; what is dangerous, the
detectors say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from ..signals.learned import SCAN_HEAD
from ..telemetry import log
from ..types import Detector, Flag, Message, Request, SignalName, Signals

__all__ = ["AnswerTexts", "Check", "HeldChunks", "TextCheck", "why_withheld"]

Check = Callable[[str], tuple[Flag, ...] | None]
"""The flags of a text: empty when it is clean, None when that could not be found out."""

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
_encode = msgspec.json.Encoder().encode
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
            found.extend(flags)
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
        signals.fetch(("safety",))
        flags: tuple[Flag, ...] | None = signals["safety"].value
        # One detector's flags say nothing of what the failed one would have found.
        return None if failed else flags


class AnswerTexts:
    """Everything in an answer that somebody may read, of all its choices: from one whole answer, or chunk by chunk."""

    def __init__(self) -> None:
        self._parts: dict[tuple[Any, ...], list[str]] = {}
        self.is_readable = True

    def take(self, body: Mapping[str, Any]) -> None:
        """Take note of an answer or of one chunk. Sound or an image makes the whole unreadable."""
        for choice in body.get("choices") or ():
            self._walk((choice.get("index"),), choice)

    def texts(self) -> list[str]:
        """The texts, none blank. One that is JSON with escaped characters also stands there unescaped."""
        found: list[str] = []
        for parts in self._parts.values():
            text = "".join(parts)
            if not text.strip():
                continue
            found.append(text)
            if "\\" in text:
                found.extend(_unescaped(text))
        return found

    def _walk(self, path: tuple[Any, ...], value: Any) -> None:
        if isinstance(value, str):
            self._parts.setdefault(path, []).append(value)
        elif isinstance(value, Mapping | list) and len(path) > _MAX_DEPTH:
            self.is_readable = False
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                if key in _UNREADABLE and inner:
                    self.is_readable = False
                elif key not in _NO_TEXT:
                    self._walk((*path, key), inner)
        elif isinstance(value, list):
            for at, inner in enumerate(value):
                index = inner.get("index", at) if isinstance(inner, Mapping) else at
                self._walk((*path, index), inner)


class HeldChunks:
    """The chunks of a stream that nobody has seen yet, and their texts. ``is_full``: more bytes than ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self.chunks: list[dict[str, Any]] = []
        self.texts = AnswerTexts()
        self._left = max_bytes

    @property
    def is_full(self) -> bool:
        """Nothing more may be held."""
        return self._left < 0

    def take(self, chunk: dict[str, Any]) -> None:
        """Hold one more chunk, unless it is too much."""
        self._left -= len(_encode(chunk))
        if not self.is_full:
            self.chunks.append(chunk)
            self.texts.take(chunk)


async def why_withheld(
    texts: AnswerTexts, kinds: Collection[str], check: Check | None, *, timeout_s: float
) -> str | None:
    """Why an answer may not be shown, as a sentence; None when it was read to its end and has none of ``kinds``.

    ``check`` runs in a worker thread for at most ``timeout_s``; one that fails or takes longer lets nothing pass.
    """
    if check is None:
        return _unchecked("there is no check")
    if not texts.is_readable:
        return _unchecked("it holds more than text")
    try:
        async with asyncio.timeout(timeout_s):
            flagged = await asyncio.to_thread(_flagged, texts, frozenset(kinds), check)
    except TimeoutError:
        return _unchecked("the check did not end in time")
    except Exception as error:  # noqa: BLE001 whatever a detector raises, the answer was not found clean
        log.error("the check of an answer failed: %s", type(error).__name__)
        return _unchecked("the check failed")
    if flagged is None:
        return _unchecked("it could not be read to its end")
    return f"The answer was checked and withheld: it was flagged as {', '.join(sorted(flagged))}." if flagged else None


def _flagged(texts: AnswerTexts, kinds: frozenset[str], check: Check) -> frozenset[str] | None:
    """Those of ``kinds`` that are in the texts; None when none were found and a text could not be read."""
    found: set[str] = set()
    is_whole = True
    for text in texts.texts():
        flags = check(text)
        if flags is None:
            is_whole = False
        else:
            found.update(flag.kind for flag in flags if flag.kind in kinds)
    return frozenset(found) if found or is_whole else None


def _unchecked(why: str) -> str:
    return f"The answer was withheld, since it could not be checked: {why}."


def _unescaped(text: str) -> list[str]:
    try:
        value = _decode(text)
    except msgspec.DecodeError:
        return []
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
