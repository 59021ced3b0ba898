"""A real OpenAI-compatible server on this machine that answers by script, and fails as servers do.

For tests, benchmarks and chaos runs: each request takes the next step of the script, then the default. It records what
it received, so that a test can say what went out. It knows nothing of the router.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
from aiohttp import web

__all__ = ["Answer", "Fault", "Received", "Upstream", "completion"]

FaultKind = Literal[
    "reset",
    "stall",
    "cut",
    "clean_cut",
    "done_without_finish",
    "malformed_chunk",
    "malformed_body",
    "error_in_stream",
    "error_in_body",
    "wrong_length",
    "huge_body",
    "huge_chunk",
    "html",
    "echo_key",
]
_SPLIT = 7
_HUGE = 2_000_000


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A good answer: ``text`` (streamed in pieces of seven characters) or ``tool_calls`` as OpenAI writes them.

    ``delay_s`` passes before the first byte, ``drip_s`` before each chunk. ``usage`` None sends none; ``message`` adds
    fields to the message (in a stream a delta), ``reasoning`` is what it thought (``reasoning_content``), ``logprobs``
    stands in every choice (in a stream with its end), ``late_usage`` sends the usage after the last choice even
    unasked, ``crlf`` ends lines so.
    """

    text: str = "Hello from upstream."
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    usage: Mapping[str, Any] | None = msgspec.field(
        default_factory=lambda: {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    )
    message: Mapping[str, Any] = msgspec.field(default_factory=dict)
    reasoning: str = ""
    logprobs: Mapping[str, Any] | None = None
    delay_s: float = 0.0
    drip_s: float = 0.0
    late_usage: bool = False
    crlf: bool = False
    finish_reason: str = "stop"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A failure. With ``status`` an error answer (``retry_after`` its header, ``code`` its error code); else ``kind``.

    ``after`` is how many good chunks a stream gives first, ``delay_s`` how long a stall lasts, ``size`` the bytes of a
    huge body or chunk. ``echo_key`` is a 401 whose message holds the credential that came.
    """

    status: int = 0
    kind: FaultKind | None = None
    retry_after: str | None = None
    code: str | None = None
    message: str = "scripted failure"
    after: int = 2
    delay_s: float = 30.0
    size: int = _HUGE


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came in. ``at_s`` is ``time.monotonic()``."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    at_s: float


Default = Answer | Fault | Callable[[Mapping[str, Any]], Answer]


class Upstream:
    """``async with Upstream([Fault(status=429), Answer()]) as up:`` serves ``up.url`` until the block ends.

    ``default`` is what comes when the script is at its end; a function makes it from the request's body.
    ``received`` are the requests so far, ``dropped`` how many of them the client left before their end, ``peers`` the
    connections that they came by. With a
    ``share`` below 1 the default comes that often, evenly spread, and ``otherwise`` the rest of the time.
    """

    def __init__(
        self,
        script: Iterable[Answer | Fault] = (),
        *,
        default: Default | None = None,
        share: float = 1.0,
        otherwise: Answer | Fault | None = None,
    ) -> None:
        self._script = list(script)
        self._default: Default = default or Answer()
        self._share, self._otherwise, self._turn = share, otherwise or Answer(), 0.0
        self.received: list[Received] = []
        self.dropped = 0
        self.peers: set[object] = set()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Upstream:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> str:
        """Listen on the loopback address; returns the base URL (``http://127.0.0.1:PORT/v1``)."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._chat)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self.url

    def play(self, script: Iterable[Answer | Fault] = (), *, default: Answer | Fault | None = None) -> None:
        """Go on with another script, and forget what came until now."""
        self._script = list(script)
        self._default = default or Answer()
        self.received = []
        self.dropped = 0

    async def stop(self) -> None:
        """Stop listening and end what is still open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _next_default(self) -> Default:
        if self._share >= 1.0:
            return self._default
        self._turn += self._share
        if self._turn < 1.0:
            return self._otherwise
        self._turn -= 1.0
        return self._default

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        self.peers.add(request.transport and request.transport.get_extra_info("peername"))
        try:
            body = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return _error(400, "the body is not JSON", None, None)
        self.received.append(
            Received(path=request.path, headers=dict(request.headers), body=body, at_s=time.monotonic())
        )
        step = self._script.pop(0) if self._script else self._next_default()
        if callable(step):
            step = step(body)
        try:
            if isinstance(step, Answer) and request.path.endswith("/embeddings"):
                await asyncio.sleep(step.delay_s)
                return _json(_embeddings(body, step))
            if isinstance(step, Answer):
                return await _answer(request, body, step)
            if step.status:
                return _error(step.status, step.message, step.code, step.retry_after)
            return await _fail(request, body, step)
        except (asyncio.CancelledError, ConnectionResetError):
            self.dropped += 1
            raise


def completion(body: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """The ``chat.completion`` object of a good answer to ``body``, with ``n`` choices."""
    message: dict[str, Any] = {"role": "assistant", "content": None if answer.tool_calls else answer.text}
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    message.update(answer.message)
    finish = "tool_calls" if answer.tool_calls else answer.finish_reason
    found: dict[str, Any] = {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body.get("model"),
        "choices": [
            {"index": index, "message": message, "finish_reason": finish, "logprobs": _logprobs(body, answer)}
            for index in range(body.get("n") or 1)
        ],
    }
    if answer.usage is not None:
        found["usage"] = dict(answer.usage)
    return found


def _embeddings(body: Mapping[str, Any], answer: Answer) -> dict[str, Any]:
    """Vectors of three numbers, told apart by the length of each input; ``usage`` None sends none."""
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [
        {"object": "embedding", "index": index, "embedding": [1.0, 0.5, float(len(text))]}
        for index, text in enumerate(inputs)
    ]
    found = {"object": "list", "data": data, "model": body["model"]}
    count = 5 * len(inputs)
    return found if answer.usage is None else {**found, "usage": {"prompt_tokens": count, "total_tokens": count}}


def _logprobs(body: Mapping[str, Any], answer: Answer) -> dict[str, Any] | None:
    """Each word of the text as a token of its own, where the caller asks for logprobs."""
    if answer.logprobs is not None or not body.get("logprobs"):
        return None if answer.logprobs is None else dict(answer.logprobs)
    words = [f" {word}" if at else word for at, word in enumerate(answer.text.split(" "))]
    return {
        "content": [
            {
                "token": word,
                "logprob": -0.5,
                "bytes": list(word.encode()),
                "top_logprobs": [{"token": word, "logprob": -0.5, "bytes": list(word.encode())}],
            }
            for word in words
        ],
        "refusal": None,
    }


def _chunks(body: Mapping[str, Any], answer: Answer) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    thought = answer.reasoning
    deltas.extend({"reasoning_content": thought[at : at + _SPLIT]} for at in range(0, len(thought), _SPLIT))
    if answer.tool_calls:
        for index, call in enumerate(answer.tool_calls):
            function = call["function"]
            deltas.append(
                {"tool_calls": [{**call, "index": index, "function": {"name": function["name"], "arguments": ""}}]}
            )
            written = function["arguments"]
            deltas.extend(
                {"tool_calls": [{"index": index, "function": {"arguments": written[at : at + _SPLIT]}}]}
                for at in range(0, len(written), _SPLIT)
            )
    else:
        deltas.extend({"content": answer.text[at : at + _SPLIT]} for at in range(0, len(answer.text), _SPLIT))
    if answer.message:
        deltas.append(dict(answer.message))
    finish = "tool_calls" if answer.tool_calls else answer.finish_reason
    choices = range(body.get("n") or 1)
    found = [
        _chunk(body, [{"index": index, "delta": delta, "finish_reason": None}]) for delta in deltas for index in choices
    ]
    end: dict[str, Any] = {"delta": {}, "finish_reason": finish}
    if answer.logprobs is not None:
        end["logprobs"] = answer.logprobs
    found.extend(_chunk(body, [{"index": index, **end}]) for index in choices)
    options = body.get("stream_options") or {}
    if answer.usage is not None and (options.get("include_usage") or answer.late_usage):
        found.append({**_chunk(body, []), "usage": dict(answer.usage)})
    return found


def _chunk(body: Mapping[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": body.get("model"),
        "choices": choices,
    }


async def _answer(request: web.Request, body: Mapping[str, Any], answer: Answer) -> web.StreamResponse:
    if answer.delay_s:
        await asyncio.sleep(answer.delay_s)
    if not body.get("stream"):
        return _json(completion(body, answer))
    response = await _open(request)
    end = b"\r\n\r\n" if answer.crlf else b"\n\n"
    for chunk in _chunks(body, answer):
        if answer.drip_s:
            await asyncio.sleep(answer.drip_s)
        await response.write(b"data: " + msgspec.json.encode(chunk) + end)
    await response.write(b": the end" + end + b"data: [DONE]" + end)
    await response.write_eof()
    return response


async def _fail(request: web.Request, body: Mapping[str, Any], fault: Fault) -> web.StreamResponse:
    kind = fault.kind
    if kind == "echo_key":
        return _error(401, f"wrong key: {request.headers.get('Authorization', 'none')}", "invalid_api_key", None)
    if kind == "html":
        return web.Response(text="<html>maintenance</html>", content_type="text/html")
    if kind == "error_in_body":
        return _json({"error": {"message": fault.message, "code": fault.code or "server_error"}})
    if kind == "huge_body":
        return _json({**completion(body, Answer()), "padding": "x" * fault.size})
    if not body.get("stream"):
        if kind == "malformed_body":
            return web.Response(body=b'{"choices": [', content_type="application/json")
        if kind == "stall":
            await asyncio.sleep(fault.delay_s)
            return _json(completion(body, Answer()))
        if kind in ("wrong_length", "cut"):
            response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "100000"})
            await response.prepare(request)
            await response.write(msgspec.json.encode(completion(body, Answer())))
        _reset(request, hard=kind == "reset")
        return web.Response()
    if kind == "reset":
        _reset(request, hard=True)
        return web.Response()
    response = await _open(request)
    for chunk in _chunks(body, Answer())[: fault.after]:
        await response.write(b"data: " + msgspec.json.encode(chunk) + b"\n\n")
    if kind == "stall":
        await asyncio.sleep(fault.delay_s)
    elif kind == "huge_chunk":
        huge = _chunk(body, [{"index": 0, "delta": {"content": "x" * fault.size}, "finish_reason": None}])
        await response.write(b"data: " + msgspec.json.encode(huge) + b"\n\n")
    elif kind == "malformed_chunk":
        await response.write(b'data: {"choices": [{"delta"\n\n')
    elif kind == "error_in_stream":
        error = {"error": {"message": fault.message, "code": fault.code or "overloaded_error"}}
        await response.write(b"data: " + msgspec.json.encode(error) + b"\n\n")
    elif kind == "done_without_finish":
        await response.write(b"data: [DONE]\n\n")
    elif kind == "cut":
        await response.write(b'data: {"choices": [{"del')
        _reset(request, hard=False)
        return response
    await response.write_eof()
    return response


async def _open(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    return response


def _json(body: Mapping[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _error(status: int, message: str, code: str | None, retry_after: str | None) -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    body = msgspec.json.encode({"error": {"message": message, "type": "scripted", "code": code, "param": None}})
    return web.Response(status=status, body=body, headers=headers, content_type="application/json")


def _reset(request: web.Request, *, hard: bool) -> None:
    """End the connection: with a TCP reset when ``hard``, else as if the server had died."""
    transport = request.transport
    if transport is None:
        return
    if hard:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
