"""What checking a stream costs: microseconds a token, beside the same stream unchecked, with the shipped detectors.

Run: ``python benchmarks/dispatch/window.py [--streams 30]``. A server on this machine sends 400 chunks of about four
characters at once; the rounds of all contenders alternate. The time to the first token shows the hold-back: here it is
what the check takes, from a real provider it is that and the time to write as many characters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec
from loopback import decision_for, serve_bytes

from machine import write
from router import Router
from router.backends.checking import TextCheck
from router.backends.openai import OpenAIBackend
from router.backends.run import Dispatcher
from router.catalogue import Deployment, Price
from router.types import Verdict
from router.wire.openai import read_chat

TOKENS = 400
WORDS = "The parcel was sent on Monday and should be with you by the end of the week, unless the roads are closed. "
_HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}


def stream() -> bytes:
    """The stream's events."""
    text = (WORDS * (4 * TOKENS // len(WORDS) + 1))[: 4 * TOKENS]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[at : at + 4]} for at in range(0, len(text), 4)]
    chunks = [{**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


async def measure(streams: int) -> dict[str, dict[str, float]]:
    """Figures by contender."""
    port: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve_bytes, args=(stream(), "text/event-stream", port), daemon=True)
    process.start()
    deployment = Deployment(
        name="first",
        model="m",
        tier="small",
        backend="openai",
        api_base=f"http://127.0.0.1:{port.get()}/v1",
        configured=True,
        price=Price(input=1e-6, output=2e-6),
    )
    with Router() as router:
        check = TextCheck(router.engine.detectors)
    dispatcher = Dispatcher(backends={"openai": OpenAIBackend()}, deployments=[deployment], check=check)
    request = read_chat({"model": "m", "messages": [{"role": "user", "content": "Where is it?"}], "stream": True})
    kinds = frozenset({"pii", "toxicity", "harmful"})
    plain = decision_for(deployment)
    contenders = {"unchecked": plain}
    for name, hold in (("window, hold 100", 100), ("window, hold 400", 400), ("whole", None)):
        contenders[name] = msgspec.structs.replace(plain, verdict=Verdict(check=kinds, hold=hold))
    took: dict[str, list[float]] = {name: [] for name in contenders}
    first: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(streams + 3):
        for name, decision in contenders.items():
            started, seen = time.perf_counter(), 0.0
            async for chunk in dispatcher.stream(request, decision):
                if not seen and chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                    seen = time.perf_counter() - started
            if turn >= 3:
                took[name].append(time.perf_counter() - started)
                first[name].append(seen)
    await dispatcher.aclose()
    process.terminate()
    return {
        name: {
            "us_a_token": round(statistics.median(took[name]) / TOKENS * 1e6, 1),
            "added_us_a_token": round(
                (statistics.median(took[name]) - statistics.median(took["unchecked"])) / TOKENS * 1e6, 1
            ),
            "first_ms": round(statistics.median(first[name]) * 1e3, 2),
        }
        for name in contenders
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=30)
    chosen = parser.parse_args()
    found = asyncio.run(measure(chosen.streams))
    for name, figures in found.items():
        print(f"{name:20}", figures)
    write("dispatch_window", {"streams": chosen.streams, "tokens": TOKENS, "figures": found})


if __name__ == "__main__":
    main()
