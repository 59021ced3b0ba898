"""One client of a gateway, as strict as a careful caller: what came, when, and whether it looked complete.

It reads OpenAI's chat completions over HTTP and knows no gateway.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from ..wire.sse import DONE, SseParser

__all__ = ["Gateway", "Streamed", "Whole"]

_decode = msgspec.json.Decoder().decode


class Whole(msgspec.Struct, kw_only=True):
    """A whole answer. ``status`` is 0 when the connection broke or nothing came in time."""

    status: int
    body: Any = None
    text: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    took_s: float = 0.0

    @property
    def content(self) -> str | None:
        """What the first choice says; None when there is none."""
        try:
            content = self.body["choices"][0]["message"].get("content")
        except (KeyError, IndexError, TypeError, AttributeError):
            return None
        return content if isinstance(content, str) else None

    @property
    def is_error_shaped(self) -> bool:
        """``{"error": {"message": TEXT, ...}}``, as OpenAI's clients expect."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return isinstance(error, dict) and isinstance(error.get("message"), str)


class Streamed(msgspec.Struct, kw_only=True):
    """A stream to its end. ``broke``: the connection ended as no stream ends, or nothing came in time."""

    status: int
    chunks: list[dict[str, Any]] = msgspec.field(default_factory=list)
    errors: list[Any] = msgspec.field(default_factory=list)
    is_done: bool = False
    broke: str = ""
    text: str = ""
    took_s: float = 0.0
    first_s: float | None = None

    @property
    def content(self) -> str:
        """The content of the first choice."""
        return self.joined("content")

    def joined(self, field: str, index: int = 0) -> str:
        """A text field of one choice's deltas, put together."""
        return "".join(delta.get(field) or "" for delta in self.deltas(index))

    def deltas(self, index: int = 0) -> list[dict[str, Any]]:
        """The deltas of one choice."""
        return [
            choice.get("delta") or {}
            for chunk in self.chunks
            for choice in chunk.get("choices") or ()
            if (choice.get("index") or 0) == index
        ]

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The usage that was told, if any."""
        return next((chunk["usage"] for chunk in reversed(self.chunks) if chunk.get("usage")), None)

    @property
    def finishes(self) -> list[str]:
        """The finish reasons that were told."""
        reasons = (choice.get("finish_reason") for chunk in self.chunks for choice in chunk.get("choices") or ())
        return [reason for reason in reasons if reason]

    @property
    def looks_complete(self) -> bool:
        """What a client takes for a whole answer: no error, and an end that is an end."""
        return self.status == 200 and not self.errors and not self.broke and (self.is_done or bool(self.finishes))


class Gateway:
    """Calls ``<base_url>/chat/completions`` as ``model``. ``headers`` go along; ``patience_s`` bounds each call."""

    def __init__(self, base_url: str, *, model: str, headers: Mapping[str, str], patience_s: float) -> None:
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._model, self._headers, self.patience_s = model, dict(headers), patience_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Gateway:
        # A connection each, so that one that a gateway breaks is nobody else's.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def whole(self, *, headers: Mapping[str, str] | None = None, **fields: Any) -> Whole:
        """One whole answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.patience_s):
                async with self._post(headers, fields) as response:
                    data = await response.read()
                    found = Whole(status=response.status, headers=dict(response.headers))
        except TimeoutError:
            return Whole(status=0, text="nothing came in time", took_s=time.monotonic() - started)
        except (aiohttp.ClientError, OSError) as error:
            return Whole(status=0, text=type(error).__name__, took_s=time.monotonic() - started)
        found.took_s = time.monotonic() - started
        found.text = data.decode("utf-8", "replace")
        try:
            found.body = _decode(data)
        except msgspec.DecodeError:
            found.body = None
        return found

    async def stream(
        self, *, leave_after: int | None = None, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Streamed:
        """One stream to its end; with ``leave_after`` the client goes away after so many chunks."""
        started = time.monotonic()
        found = Streamed(status=0)
        try:
            async with asyncio.timeout(self.patience_s):
                async with self._post(headers, {**fields, "stream": True}) as response:
                    found.status = response.status
                    if response.status != 200 or "event-stream" not in response.headers.get("Content-Type", ""):
                        found.text = (await response.read()).decode("utf-8", "replace")
                    else:
                        await _read(response, found, started, leave_after)
        except TimeoutError:
            found.broke = "nothing came in time"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            found.broke = type(error).__name__
        found.took_s = time.monotonic() - started
        return found

    def _post(self, headers: Mapping[str, str] | None, fields: Mapping[str, Any]) -> Any:
        if self._session is None:
            raise RuntimeError("use it as a context manager")
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": "Name three rivers of Europe."}],
            **fields,
        }
        return self._session.post(
            self._url,
            data=msgspec.json.encode(body),
            headers={"Content-Type": "application/json", **self._headers, **(headers or {})},
        )


async def _read(response: aiohttp.ClientResponse, found: Streamed, started: float, leave_after: int | None) -> None:
    parser = SseParser(max_bytes=256 * 1024 * 1024)
    while piece := await response.content.readany():
        for event in parser.feed(piece):
            if event.data == DONE:
                found.is_done = True
                continue
            chunk = _decode(event.data)
            if event.event == "error" or (isinstance(chunk, dict) and chunk.get("error")):
                found.errors.append(chunk)
            elif isinstance(chunk, dict):
                found.chunks.append(chunk)
                if found.first_s is None and any(
                    (c.get("delta") or {}).get("content") for c in chunk.get("choices", ())
                ):
                    found.first_s = time.monotonic() - started
            if leave_after is not None and len(found.chunks) >= leave_after:
                response.close()
                return
