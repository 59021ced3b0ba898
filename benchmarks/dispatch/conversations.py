"""What it saves that a conversation stays where its prompt cache is warm, on a replayed set of conversations.

Run: ``python benchmarks/dispatch/conversations.py [--conversations 150]``. The conversations are made (seeded): a
system prompt of 1,500 to 6,000 tokens, 2 to 12 turns that grow the prompt, several conversations at a time. Two
deployments of one model at the same price share the load; each has a prompt cache as providers document it (prefixes
from 1,024 tokens, in steps of 128, at a tenth of the input price). The same conversations go through the router twice:
with ``sticky: true`` and without. What is billed is what the upstream's usage says.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiohttp import web

from machine import write
from router import Router

STEP, LEAST = 128, 1024
CONFIG = """
policy: guide
local_models: {{shipped: false}}
dispatch: {{sticky: {sticky}}}
deployments:
{deployments}
"""
ONE = """  - name: {name}
    model: m
    tier: small
    backend: openai
    api_base: http://127.0.0.1:{port}/v1
    price_per_million: {{input: $1, output: $4, cached_input: $0.1}}
"""


class CachingUpstream:
    """Answers any chat, and bills the prefix that it has read before as cached."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self.port = 0

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = "\n".join(f"{message['role']}: {message['content']}" for message in body["messages"])
        tokens = len(text) // 4
        cached, running = 0, blake2b(digest_size=12)
        for end in range(STEP, tokens + 1, STEP):
            running.update(text[4 * (end - STEP) : 4 * end].encode())
            key = running.digest()
            if key in self._seen and end >= LEAST:
                cached = end
            self._seen.add(key)
        usage = {
            "prompt_tokens": tokens,
            "completion_tokens": 60,
            "total_tokens": tokens + 60,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        message = {"role": "assistant", "content": "An answer of some words. " * 10}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
        )


def conversations(count: int, seed: int) -> list[list[str]]:
    """System prompt and user turns of each conversation."""
    draw = random.Random(seed)
    words = ["order", "parcel", "invoice", "refund", "account", "address", "delivery", "form", "date", "agent", "case"]
    found = []
    for _ in range(count):
        system = " ".join(draw.choices(words, k=draw.randint(1000, 4000)))
        turns = [" ".join(draw.choices(words, k=draw.randint(20, 300))) for _ in range(draw.randint(2, 12))]
        found.append([system, *turns])
    return found


async def replay(talks: list[list[str]], *, sticky: bool) -> dict[str, float]:
    """Send all conversations through a router; what was billed."""
    upstreams = [CachingUpstream(), CachingUpstream()]
    for upstream in upstreams:
        await upstream.start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "router.yaml"
        listed = "".join(ONE.format(name=f"one-{at}", port=upstream.port) for at, upstream in enumerate(upstreams))
        path.write_text(CONFIG.format(sticky=str(sticky).lower(), deployments=listed))
        total = {"usd": 0.0, "input": 0, "cached": 0, "requests": 0, "moves": 0}
        slots = asyncio.Semaphore(8)
        async with Router.from_config(path) as router:

            async def talk(lines: list[str]) -> None:
                async with slots:
                    system, *turns = lines
                    messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
                    last = None
                    for turn in turns:
                        messages.append({"role": "user", "content": turn})
                        answer = await router.acomplete(messages=messages)
                        messages.append({"role": "assistant", "content": answer.text})
                        outcome = answer.outcome
                        total["usd"] += outcome.usd or 0.0
                        total["input"] += outcome.usage.input
                        total["cached"] += outcome.usage.cached_input
                        total["requests"] += 1
                        total["moves"] += last not in (None, outcome.model)
                        last = outcome.model

            await asyncio.gather(*(talk(lines) for lines in talks))
    for upstream in upstreams:
        await upstream.stop()
    return {**total, "usd": round(total["usd"], 6), "cached_share": round(total["cached"] / total["input"], 4)}


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    rounds = []
    for seed in range(chosen.seeds):
        talks = conversations(chosen.conversations, seed)
        found = {
            name: asyncio.run(replay(talks, sticky=sticky)) for name, sticky in (("moving", False), ("staying", True))
        }
        print(seed, found)
        rounds.append(found)
    write("dispatch_conversations", {"conversations": chosen.conversations, "rounds": rounds})


if __name__ == "__main__":
    main()
