"""What a library call adds to a plain aiohttp call, beside litellm: all against the same 0 ms server on this machine.

Run: ``python benchmarks/dispatch/loopback.py [--calls 2000] [--write]``. The server runs in a process of its own and
answers with fixed bytes. The rounds of all contenders alternate, so that the machine's mood hits all alike.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import aiohttp

from machine import write
from router import Router
from router.backends.base import UpstreamCall, outgoing_body
from router.backends.openai import OpenAIBackend
from router.backends.run import Dispatcher
from router.catalogue import Deployment, Price
from router.types import (
    Budget,
    Decision,
    Estimate,
    PolicyRef,
    Request,
    Signal,
    Target,
    TaskReading,
    TokenCount,
    Verdict,
)
from router.wire.openai import read_chat

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * 40}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 40, "total_tokens": 70},
    }
).encode()
_HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
_CHUNKS = [
    {**_HEAD, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    *({**_HEAD, "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]} for _ in range(40)),
    {**_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
STREAM = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in _CHUNKS) + b"data: [DONE]\n\n"


def _response(body: bytes, kind: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind.encode(), len(body), body)


class Server(asyncio.Protocol):
    """As little HTTP as a keep-alive POST needs."""

    whole = _response(ANSWER, "application/json")
    streamed = _response(STREAM, "text/event-stream")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        if len(body) < length:
            return
        self.buffer = body[length:]
        streams = b'"stream":true' in body[:length].replace(b" ", b"")
        self.transport.write(self.streamed if streams else self.whole)  # type: ignore[attr-defined]


def serve(port: Any) -> None:
    """Serve until terminated; the port goes into the queue."""

    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def serve_bytes(body: bytes, kind: str, port: Any) -> None:
    """As :func:`serve`, with one answer to everything."""
    Server.whole = Server.streamed = _response(body, kind)
    serve(port)


def decision_for(deployment: Deployment) -> Decision:
    tokens = Signal(value=TokenCount(input=30, output=40, output_max=400), confidence=1.0, detector="bench")
    return Decision(
        id="bench",
        policy=PolicyRef(name="guide", hash="-"),
        task=TaskReading(label="other", probability=1.0),
        target=Target(kind="llm", model=deployment.name),
        fallbacks=("second", "third"),
        rules=(),
        reason="",
        estimate=Estimate(),
        candidates=(),
        signals={"tokens": tokens},
        verdict=Verdict(),
        budget=Budget(),
    )


CONFIG = """
policy: guide
local_models: {{shipped: false}}
deployments:
  - name: first
    model: m
    backend: openai
    api_base: {url}
    price_per_million: {{input: $1, output: $2}}
"""


async def measure(calls: int) -> dict[str, dict[str, float]]:
    """Figures by contender."""
    port: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{port.get()}/v1"
    body = {"model": "m", "messages": [{"role": "user", "content": "word " * 20}]}
    request = read_chat(body)
    streamed = read_chat({**body, "stream": True})
    fields: dict[str, Any] = {"tier": "small", "backend": "openai", "api_base": url, "configured": True}
    deployments = [
        Deployment(name=name, model="m", price=Price(input=1e-6, output=2e-6), **fields)
        for name in ("first", "second", "third")
    ]
    backend = OpenAIBackend()
    dispatcher = Dispatcher(backends={"openai": backend}, deployments=deployments)
    decision = decision_for(deployments[0])
    session = aiohttp.ClientSession()
    payload = json.dumps(body).encode()
    streaming = json.dumps({**body, "stream": True}, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "router.yaml"
        path.write_text(CONFIG.format(url=url))
        router = Router.from_config(path)
    decided = router.decide(messages=body["messages"])

    async def raw() -> None:
        async with session.post(f"{url}/chat/completions", data=payload, headers=headers) as response:
            json.loads(await response.read())

    async def raw_stream() -> None:
        async with session.post(f"{url}/chat/completions", data=streaming, headers=headers) as response:
            async for _ in response.content.iter_any():
                pass

    async def send() -> None:
        await backend.send(_call(deployments[0], request))

    async def run() -> None:
        await dispatcher.run(request, decision)

    async def library() -> None:
        await router.acomplete(messages=body["messages"], decision=decided)

    numbers = itertools.count()

    async def deciding() -> None:
        await router.acomplete(messages=[{"role": "user", "content": f"{next(numbers)} " + "word " * 19}])

    async def again() -> None:
        await router.acomplete(messages=body["messages"])

    async def stream() -> None:
        async for _ in dispatcher.stream(streamed, decision):
            pass

    contenders: dict[str, Callable[[], Awaitable[Any]]] = {
        "raw aiohttp": raw,
        "backend.send": send,
        "dispatcher.run": run,
        "router.acomplete, decided before": library,
        "router.acomplete, deciding on a new text": deciding,
        "router.acomplete, deciding on the same again": again,
        **_litellm(url, body),
        "raw aiohttp, 42 chunks": raw_stream,
        "dispatcher.stream, 42 chunks": stream,
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(calls + 50):
        for name, call in contenders.items():
            if name.startswith("litellm") and turn % 10:
                continue
            start = time.perf_counter()
            await call()
            if turn >= 50:
                times[name].append(time.perf_counter() - start)
    await session.close()
    await dispatcher.aclose()
    await router.aclose()
    process.terminate()
    return {name: _figures(found) for name, found in times.items()}


def _litellm(url: str, body: dict[str, Any]) -> dict[str, Callable[[], Awaitable[Any]]]:
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    parameters = {"model": "openai/m", "api_base": url, "api_key": "none"}
    router = litellm.Router(model_list=[{"model_name": "m", "litellm_params": parameters}])

    async def alone() -> None:
        await litellm.acompletion(messages=body["messages"], **parameters)

    async def routed() -> None:
        await router.acompletion(model="m", messages=body["messages"])

    return {"litellm.acompletion": alone, "litellm.Router.acompletion": routed}


def _call(deployment: Deployment, request: Request) -> UpstreamCall:
    return UpstreamCall(
        deployment=deployment,
        request=request,
        body=outgoing_body(request, deployment, stream=False),
        timeout_s=60.0,
        ttft_timeout_s=60.0,
    )


def _figures(seconds: list[float]) -> dict[str, float]:
    cut = statistics.quantiles(seconds, n=100)
    return {"p50_us": round(cut[49] * 1e6, 1), "p90_us": round(cut[89] * 1e6, 1), "p99_us": round(cut[98] * 1e6, 1)}


def main() -> None:
    """Measure, print, and write the results if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/dispatch_loopback.json")
    chosen = parser.parse_args()
    found = asyncio.run(measure(chosen.calls))
    for name, figures in found.items():
        print(f"{name:46}" + "".join(f"{key[:3]} {value:8.1f} us   " for key, value in figures.items()))
    if chosen.write:
        write("dispatch_loopback", {"calls": chosen.calls, "figures": found})


if __name__ == "__main__":
    main()
