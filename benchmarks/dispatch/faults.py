"""Requests answered within their deadline while upstreams fail: this router beside litellm.Router, in one run.

Run: ``python benchmarks/dispatch/faults.py [--requests 400] [--rounds 3]``. Two upstreams in processes of their own
answer after a log-normal time (median 40 ms); 0, 5 or 20 % of the calls to each fail: 500, 503, a reset, a stall, or an
answer that takes ten times as long, in equal shares. Every contender sends the same number of requests to fresh
upstreams with the same seeds; the order of the contenders changes from round to round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import aiohttp
import msgspec
from loopback import ANSWER, decision_for

from machine import write
from router.backends.openai import OpenAIBackend
from router.backends.run import Dispatcher
from router.catalogue import Deployment, Price
from router.errors import RouterError
from router.selection.balance import balanced
from router.selection.candidates import make_fleet
from router.selection.plan import Hedging, Pacing
from router.types import Budget, Candidate, Snapshot
from router.wire.openai import read_chat

DEADLINE_S = 1.0
AT_ONCE = 4
RATES = (0.0, 0.05, 0.20)
MEDIAN_S, SIGMA = 0.040, 0.5
MESSAGES = [{"role": "user", "content": "word " * 20}]


# ----- upstreams --------------------------------------------------------------------------------------------------


class _Upstream(asyncio.Protocol):
    """HTTP as far as a keep-alive POST needs it, with faults."""

    calls = 0
    rate = 0.0
    draw = random.Random(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, found, body = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
            length = int(lengths[0].split(b":")[1]) if lengths else 0
            if len(body) < length:
                return
            self.buffer = body[length:]
            if head.startswith(b"GET /calls"):
                self._send(200, json.dumps(_Upstream.calls).encode())
            else:
                self._answer()

    def _answer(self) -> None:
        _Upstream.calls += 1
        draw = _Upstream.draw
        took = MEDIAN_S * math.exp(draw.gauss(0.0, SIGMA))
        if draw.random() >= _Upstream.rate:
            self._later(took, 200, ANSWER)
            return
        kind = draw.choices(("500", "503", "reset", "stall", "slow"), (20, 20, 20, 20, 20))[0]
        if kind == "slow":
            self._later(took * 10, 200, ANSWER)
        elif kind == "reset":
            self.transport.abort()  # type: ignore[attr-defined]
        elif kind != "stall":
            error = b'{"error": {"message": "injected", "type": "injected", "code": null}}'
            self._later(took / 4, int(kind), error)

    def _later(self, seconds: float, status: int, body: bytes) -> None:
        asyncio.get_running_loop().call_later(seconds, self._send, status, body)

    def _send(self, status: int, body: bytes) -> None:
        if self.transport.is_closing():
            return
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)  # type: ignore[attr-defined]


def _serve(rate: float, seed: int, port: Any) -> None:
    async def forever() -> None:
        _Upstream.rate, _Upstream.draw = rate, random.Random(seed)
        server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


class Upstreams:
    """Two fresh upstreams."""

    def __init__(self, rate: float, seed: int) -> None:
        self.ports: list[int] = []
        self._processes = []
        for number in range(2):
            port: Any = multiprocessing.Queue()
            process = multiprocessing.Process(target=_serve, args=(rate, seed + number, port), daemon=True)
            process.start()
            self._processes.append(process)
            self.ports.append(port.get())

    async def calls(self) -> int:
        """Calls that reached them."""
        total = 0
        async with aiohttp.ClientSession() as session:
            for port in self.ports:
                async with session.get(f"http://127.0.0.1:{port}/calls") as response:
                    total += int(await response.text())
        return total

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
            process.join()


# ----- contenders -------------------------------------------------------------------------------------------------

Call = Callable[[], Awaitable[bool]]
Close = Callable[[], Awaitable[None]]


async def ours(ports: list[int], *, hedge: bool) -> tuple[Call, Close]:
    """The dispatcher over two deployments of one model, balanced, with a deadline a request."""
    deployments = [
        Deployment(
            name=name,
            model="m",
            tier="small",
            backend="openai",
            api_base=f"http://127.0.0.1:{port}/v1",
            configured=True,
            price=Price(input=1e-6, output=2e-6),
            ttft_ms=40.0,
            tokens_per_s=2000.0,
        )
        for name, port in zip(("first", "second"), ports, strict=True)
    ]
    pacing = Pacing(hedging=Hedging(is_on=hedge, after_ms=150.0))
    dispatcher = Dispatcher(backends={"openai": OpenAIBackend()}, deployments=deployments, pacing=pacing)
    fleet = make_fleet(deployments, ())
    request = read_chat({"model": "m", "messages": MESSAGES})
    number = iter(range(1 << 30))

    order = [Candidate(model=deployment.name, kind="llm", tier="small") for deployment in deployments]

    async def call() -> bool:
        # As the engine does it: the health of this moment, and the load shared among the deployments of a model.
        now = dispatcher.clock_s()
        view, blocked = dispatcher.health.view(now), dispatcher.health.blocked(now)
        snapshot = Snapshot(
            id=str(next(number)),
            now_s=now,
            latency_ms=view.latency_ms,
            tail_ms=view.tail_ms,
            unhealthy=frozenset(blocked),
        )
        able = [candidate for candidate in order if candidate.model not in blocked] or order
        first, *rest = balanced(able, fleet, frozenset(), snapshot.id)
        others = [candidate.model for candidate in (*rest, *order) if candidate.model != first.model]
        decision = msgspec.structs.replace(
            decision_for(deployments[0]),
            target=msgspec.structs.replace(decision_for(deployments[0]).target, model=first.model),
            fallbacks=tuple(dict.fromkeys(others)),
            budget=Budget(max_latency_ms=DEADLINE_S * 1000),
            snapshot=snapshot,
        )
        try:
            await dispatcher.run(request, decision)
        except RouterError:
            return False
        return True

    return call, dispatcher.aclose


async def theirs(ports: list[int], *, tuned: bool) -> tuple[Call, Close]:
    """litellm.Router over the same two, with its documented settings for reliability
    (https://docs.litellm.ai/docs/routing): retries, timeouts, cooldowns, load balancing in one model group."""
    import litellm
    from litellm import Router

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # A third of the deadline a call, so that two more fit: the best that was found among 0.2, 0.33 and 0.5 s.
    settings: dict[str, Any] = {"num_retries": 3, "timeout": 0.33, "retry_after": 0, "cooldown_time": 1}
    if not tuned:
        settings = {"num_retries": 2, "timeout": DEADLINE_S}
    router = Router(
        model_list=[
            {
                "model_name": "m",
                "litellm_params": {"model": "openai/m", "api_base": f"http://127.0.0.1:{port}/v1", "api_key": "none"},
            }
            for port in ports
        ],
        **settings,
    )

    async def call() -> bool:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await router.acompletion(model="m", messages=MESSAGES)
        except Exception:  # noqa: BLE001 whatever it raises, the request was not answered in time
            return False
        return True

    async def close() -> None:
        router.retire()

    return call, close


CONTENDERS: dict[str, Callable[[list[int]], Awaitable[tuple[Call, Close]]]] = {
    "router, hedged": lambda ports: ours(ports, hedge=True),
    "router": lambda ports: ours(ports, hedge=False),
    "litellm.Router, tuned": lambda ports: theirs(ports, tuned=True),
    "litellm.Router, defaults": lambda ports: theirs(ports, tuned=False),
}


async def one_round(name: str, rate: float, requests: int, seed: int) -> dict[str, float]:
    """One contender against fresh upstreams."""
    upstreams = Upstreams(rate, seed)
    call, close = await CONTENDERS[name](upstreams.ports)
    times: list[float] = []
    answered = 0
    for _ in range(25):
        await call()
    before = await upstreams.calls()
    left = iter(range(requests))

    async def worker() -> None:
        nonlocal answered
        for _ in left:
            started = time.perf_counter()
            is_answered = await call()
            took = time.perf_counter() - started
            answered += is_answered and took <= DEADLINE_S * 1.02
            times.append(took if is_answered else max(took, DEADLINE_S))

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    calls = await upstreams.calls() - before
    await close()
    upstreams.stop()
    cut = statistics.quantiles(times, n=100)
    return {
        "answered": answered / requests,
        "calls": calls / requests,
        "p50_ms": cut[49] * 1e3,
        "p95_ms": cut[94] * 1e3,
        "p99_ms": cut[98] * 1e3,
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    rounds: dict[tuple[float, str], list[dict[str, float]]] = {}
    names = list(CONTENDERS)
    for turn in range(chosen.rounds):
        for rate in RATES:
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                found = asyncio.run(one_round(name, rate, chosen.requests, 1000 * turn + int(rate * 100)))
                rounds.setdefault((rate, name), []).append(found)
                print(f"{rate:4.0%} {name:26}" + "".join(f" {key} {value:8.3f}" for key, value in found.items()))
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for (rate, name), found in rounds.items():
        row: dict[str, Any] = {key: round(statistics.median(each[key] for each in found), 4) for key in found[0]}
        row["answered_spread"] = [
            round(value, 4) for value in (min(f["answered"] for f in found), max(f["answered"] for f in found))
        ]
        figures.setdefault(f"{rate:.0%}", {})[name] = row
    settings = {
        "requests": chosen.requests, "rounds": chosen.rounds, "deadline_s": DEADLINE_S, "at_once": AT_ONCE,
        "median_s": MEDIAN_S, "sigma": SIGMA,
    }  # fmt: skip
    write("dispatch_faults", {**settings, "figures": figures})


if __name__ == "__main__":
    main()
