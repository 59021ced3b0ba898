"""Two small servers on raw ASGI: ``upstream`` answers every chat completion with the same words, ``forward`` passes
bodies through by aiohttp and does nothing else: what a Python proxy costs at least.

    python servers.py upstream|forward PORT UPSTREAM
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn

Message = MutableMapping[str, Any]
ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"tiny","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"The lighthouse keeper counted the ships as they came home."},'
    b'"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":31,"completion_tokens":14,"total_tokens":45}}'
)
_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"tiny","choices":'
    b'[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n'
)
STREAM = (
    _CHUNK % (b'{"role":"assistant","content":"The"}', b"null")
    + b"".join(_CHUNK % (b'{"content":" sea"}', b"null") for _ in range(20))
    + _CHUNK % (b"{}", b'"stop"')
    + b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"tiny","choices":[],'
    b'"usage":{"prompt_tokens":31,"completion_tokens":21,"total_tokens":52}}\n\ndata: [DONE]\n\n'
)
JSON = (b"content-type", b"application/json")


async def body_of(receive: Callable[[], Awaitable[Message]]) -> bytes:
    """The whole body of a request."""
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


async def upstream(scope: Message, receive: Any, send: Any) -> None:
    """The same answer for everybody, streamed if asked."""
    body = await body_of(receive)
    is_stream = b'"stream":true' in body.replace(b" ", b"")
    data, kind = (STREAM, (b"content-type", b"text/event-stream")) if is_stream else (ANSWER, JSON)
    headers = [kind, *([] if is_stream else [(b"content-length", b"%d" % len(data))])]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})


class Forward:
    """Body in, body out."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        body = await body_of(receive)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=512), cookie_jar=aiohttp.DummyCookieJar()
            )
        url = f"{self._target}{scope['path'].removeprefix('/v1')}"
        async with self._session.post(url, data=body, headers={"content-type": "application/json"}) as response:
            kind = response.headers.get("content-type", "application/json").encode()
            start = {"type": "http.response.start", "status": response.status}
            if b"event-stream" in kind:
                await send({**start, "headers": [(b"content-type", kind)]})
                async for piece in response.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                return
            data = await response.read()
            headers = [(b"content-type", kind), (b"content-length", b"%d" % len(data))]
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": data})


def main() -> None:
    """Serve until told to end."""
    kind, port, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    app: Any = upstream if kind == "upstream" else Forward(target)
    uvicorn.run(
        app, host="127.0.0.1", port=port, http="httptools", loop="uvloop", ws="none", lifespan="off",
        access_log=False, log_level="error", server_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
