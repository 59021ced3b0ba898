"""The signals of the latest requests. The same request is sent again and again: by retries, by buttons, by tests, by
several answers drawn for one prompt. Reading it once is enough.

A reading is a pure function of the request and of the local models that answer for now. The key holds both, the tenant
included, so that nobody learns from the time an answer takes what others have sent. Readings are kept, never requests,
and only in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..types import Request, Signal, SignalName, Signals
from ..wire.jsonbody import RawJson

__all__ = ["RecentSignals"]

_MOST = 256
_MOST_BYTES = 65_536
_encode = msgspec.msgpack.Encoder().encode
_Known = Mapping[SignalName, Signal[Any]]


class RecentSignals:
    """Between 256 and 512 readings, the latest ones, of requests of at most 64 KiB. Safe for several threads.

    ``away`` tells the local models that do not answer for now; a detector that looks at anything beside the request
    and this must not be remembered. ``salt``: bytes that nobody else knows; with them in front, nobody can find two
    requests of one hash, whatever key the interpreter's hash (SipHash: Aumasson and Bernstein, 2012) has.
    """

    def __init__(self, away: Callable[[], Mapping[str, str]], *, salt: bytes) -> None:
        self._away, self._salt = away, salt
        self._young: dict[int, _Known] = {}
        self._old: dict[int, _Known] = {}

    def recall(self, signals: Signals) -> int | None:
        """Let ``signals`` know what was read of their request before; the key to :meth:`keep` them under."""
        key = self._key(signals.request)
        if key is None:
            return None
        known = self._young.get(key)
        if known is None:
            known = self._old.get(key)
            if known is None:
                return key
            self._young[key] = known
        signals.take(known)
        return key

    def keep(self, key: int | None, signals: Signals) -> None:
        """Remember what is known by now, unless a detector failed."""
        if key is None or signals.has_failed:
            return
        kept = self._young.get(key)
        if kept is not None and len(kept) == signals.n_known:
            return
        if len(self._young) >= _MOST:
            # Replaced, never emptied in place: another thread may be reading.
            self._old, self._young = self._young, {}
        self._young[key] = signals.all_known()

    def _key(self, request: Request) -> int | None:
        """What the signals of ``request`` depend on, as a hash of 64 bits; None where they are not remembered."""
        if request.n_bytes > _MOST_BYTES:
            return None
        hints, body, messages = request.hints, request.body, request.messages
        sent = body.get("messages")
        if type(sent) is not list or len(sent) != len(messages):
            sent = messages
        try:
            read = _encode(
                (
                    self._salt,
                    body.raw if type(body) is RawJson else body,
                    [
                        (
                            m.role,
                            # What is the very content of the body's message is in the digest already.
                            None if type(entry) is dict and entry.get("content") is m.text else m.text,
                            sorted(m.modalities) if m.modalities else (),
                            m.has_tool_calls,
                            m.name,
                        )
                        for m, entry in zip(messages, sent, strict=True)
                    ],
                    [(tool.name, tool.description, tool.parameters) for tool in request.tools],
                    request.tool_choice,
                    request.json_schema,
                    request.wants_json,
                    request.wants_logprobs,
                    request.wants_audio,
                    request.max_output_tokens,
                    request.n,
                    request.stop,
                    request.units,
                    hints.task,
                    hints.input,
                    hints.labels,
                    hints.tenant,
                    self._away(),
                )
            )
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
            return None
        return hash(read)
