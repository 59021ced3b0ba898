"""Server-sent events, bytes <-> events, whatever the boundaries of the network's pieces are.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. One liberty is taken: an
event whose last blank line is missing at the end of the stream is given, since some servers end so after ``[DONE]``.
"""

from __future__ import annotations

import msgspec

__all__ = ["DONE", "EventTooLarge", "SseEvent", "SseParser", "encode_event"]

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventTooLarge(ValueError):
    """One event has more bytes than the parser was told to take."""


class SseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``data`` joins its data lines with ``\\n``; ``event`` is ``""`` when none is named."""

    data: bytes
    event: str = ""


class SseParser:
    """Feed it pieces of a stream in order; it gives the events that are complete.

    ``max_bytes`` bounds one event, so that a server cannot fill the memory.
    """

    __slots__ = ("_data", "_event", "_max_bytes", "_rest", "_size", "_started")

    def __init__(self, *, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._event = ""
        self._size = 0
        self._started = False

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that ``piece`` completes.

        Raises:
            EventTooLarge: an event grew beyond ``max_bytes``.
        """
        if not piece:
            return []
        self._size += len(piece)
        self._rest.append(piece)
        if b"\n" not in piece and b"\r" not in piece and not self._ends_in_return():
            self._check_size()
            return []
        whole = b"".join(self._rest)
        # A return at the very end may be the first half of CR LF: it is kept until the next piece tells.
        cut = max(whole.rfind(b"\n", 0), whole.rfind(b"\r", 0, len(whole) - 1)) + 1
        self._rest = [whole[cut:]] if cut < len(whole) else []
        found: list[SseEvent] = []
        for line in whole[:cut].splitlines():
            self._line(line, found)
        self._size = len(whole) - cut + sum(map(len, self._data))
        self._check_size()
        return found

    def close(self) -> list[SseEvent]:
        """The event left at the end of the stream, if there is one."""
        found: list[SseEvent] = []
        for line in b"".join(self._rest).splitlines():
            self._line(line, found)
        self._rest = []
        self._line(b"", found)
        return found

    def _line(self, line: bytes, found: list[SseEvent]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                found.append(SseEvent(data=b"\n".join(self._data), event=self._event))
            self._data, self._event = [], ""
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        elif field == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")

    def _ends_in_return(self) -> bool:
        return len(self._rest) > 1 and self._rest[-2].endswith(b"\r")

    def _check_size(self) -> None:
        if self._size > self._max_bytes:
            raise EventTooLarge(f"an event has more than {self._max_bytes:,} bytes")


def encode_event(data: bytes, *, event: str = "") -> bytes:
    """One event as bytes. ``data`` may have several lines."""
    head = f"event: {event}\n".encode() if event else b""
    if b"\n" not in data and b"\r" not in data:
        return b"%bdata: %b\n\n" % (head, data)
    return head + b"".join(b"data: %b\n" % line for line in data.splitlines()) + b"\n"
