"""A checked stream on its way to the caller: chunks wait until what they say was found clean.

With a hold-back of N characters, a text is checked again each time it has grown, in a window that reaches N characters
back beyond what was shown, and all but its last N characters are let go. Without one, everything waits for the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from ..types import Verdict
from .checking import AnswerTexts, Check, Finding, Mask, Path, examine, mask_texts, masked

__all__ = ["Window"]

_LEAST_STRIDE = 64
_MANY = 32
_CLEAN = Finding()
_encode = msgspec.json.Encoder().encode


class _Text:
    """One growing text of a stream, by absolute positions: all before ``cleared`` may be shown."""

    __slots__ = ("base", "checked", "cleared", "kept", "masks")

    def __init__(self) -> None:
        self.base = self.checked = self.cleared = 0
        self.kept = ""
        self.masks: tuple[Mask, ...] = ()

    @property
    def end(self) -> int:
        return self.base + len(self.kept)


class Window:
    """The chunks that nobody has seen yet. ``hold`` characters are held back, all of them when it is None; ``is_full``:
    more than ``max_bytes`` are waiting."""

    def __init__(self, verdict: Verdict, check: Check | None, *, hold: int | None, max_bytes: int) -> None:
        self._verdict, self._check, self._hold = verdict, check, hold
        self._stride = max(_LEAST_STRIDE, (hold or 0) // 2)
        self._waiting: deque[tuple[dict[str, Any], Mapping[Path, tuple[int, int]], int]] = deque()
        self._texts: dict[Path, _Text] = {}
        self._reader = AnswerTexts()
        self._bytes, self._max_bytes = 0, max_bytes
        self._unchecked = 0
        self._choices: dict[int, bool] = {}
        self.flags: set[str] = set()
        self.has_shown = False

    @property
    def is_full(self) -> bool:
        """Nothing more may be held."""
        return self._bytes > self._max_bytes

    @property
    def is_due(self) -> bool:
        """Enough has come for another check."""
        return self._hold is not None and self._unchecked >= self._stride

    @property
    def unfinished(self) -> list[int]:
        """The choices that began and have no finish reason among what was shown."""
        return [index for index, is_done in self._choices.items() if not is_done]

    def take(self, chunk: dict[str, Any]) -> None:
        """Hold one more chunk."""
        size = len(_encode(chunk))
        self._bytes += size
        places: dict[Path, tuple[int, int]] = {}
        # A window must not grow with the answer, so the reader keeps nothing.
        for path, piece in self._reader.take(chunk).items():
            text = self._texts.get(path)
            if text is None:
                text = self._texts[path] = _Text()
            start = text.end
            text.kept += piece
            places[path] = (start, text.end)
            self._unchecked += len(piece)
        self._reader.forget()
        self._waiting.append((chunk, places, size))

    def whole(self) -> list[dict[str, Any]]:
        """Everything that waits, as it came."""
        return [chunk for chunk, _, _ in self._waiting]

    async def release(self, *, is_end: bool, timeout_s: float) -> tuple[list[dict[str, Any]], Finding]:
        """Check what is new; the chunks that may be shown now, and what the check found."""
        finding = _CLEAN
        reach = self._hold or 0
        windows: dict[Path, str] = {}
        starts: dict[Path, int] = {}
        for path, text in self._texts.items():
            if text.checked < text.end:
                starts[path] = max(text.base, text.cleared - reach)
                windows[path] = text.kept[starts[path] - text.base :]
        if windows or not self._reader.is_readable:
            finding = await examine(
                windows, self._verdict, self._check, is_readable=self._reader.is_readable, timeout_s=timeout_s
            )
        self._unchecked = 0
        if finding.action in ("refuse", "escalate"):
            return [], finding
        self.flags.update(finding.flags)
        for path, start in starts.items():
            text = self._texts[path]
            text.masks += tuple((start + a, start + b, kind) for a, b, kind in finding.masks.get(path, ()))
            text.checked = text.end
        for text in self._texts.values():
            text.cleared = text.end if is_end else max(text.cleared, text.end - reach)
            keep_from = max(text.base, text.cleared - reach)
            text.kept, text.base = text.kept[keep_from - text.base :], keep_from
        shown = self._let_go(is_end)
        for text in self._texts.values():
            if len(text.masks) > _MANY:
                text.masks = tuple(mask for mask in text.masks if mask[1] >= text.base)
        return shown, finding

    def _let_go(self, is_end: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if not is_end and not self.has_shown and not any(text.cleared for text in self._texts.values()):
            # While nothing was shown, another deployment may still take over.
            return found
        while self._waiting:
            chunk, places, size = self._waiting[0]
            if any(self._texts[path].cleared < end for path, (_, end) in places.items()):
                break
            self._waiting.popleft()
            self._bytes -= size
            self.has_shown = True
            for choice in chunk.get("choices") or ():
                index = choice.get("index") or 0
                self._choices[index] = self._choices.get(index, False) or bool(choice.get("finish_reason"))
            found.append(self._shown(chunk, places))
        return found

    def _shown(self, chunk: dict[str, Any], places: Mapping[Path, tuple[int, int]]) -> dict[str, Any]:
        if not any(self._texts[path].masks for path in places):
            return chunk

        def replace(path: Path, text: str) -> str:
            place = places.get(path)
            return text if place is None else masked(text, self._texts[path].masks, place[0])

        return mask_texts(chunk, replace)
