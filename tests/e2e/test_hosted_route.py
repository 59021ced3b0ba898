"""`router route` with a provider: hosted rows are really answered, in order, and failures are told."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

from processes import run_router
from router.testing.upstream import Answer, Fault, Upstream


async def route(upstream: Upstream, rows: list[dict[str, Any]], *options: str) -> subprocess.CompletedProcess[str]:
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny"}
    asked = "".join(json.dumps(row) + "\n" for row in rows)
    return await asyncio.to_thread(run_router, "route", "-", *options, stdin=asked, text=True, **env)


async def test_hosted_rows_are_answered_in_order() -> None:
    rows = [{"prompt": f"Write a short poem about the number {number}."} for number in range(12)]
    async with Upstream(default=Answer(text="A poem.")) as upstream:
        done = await route(upstream, rows, "--json")
        asked = len(upstream.received)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [row["title"] for row in shown] == [row["prompt"] for row in rows]
    assert {row["outcome"]["body"]["choices"][0]["message"]["content"] for row in shown} == {"A poem."}
    assert asked == len(rows)


async def test_streaming_rows_are_answered_whole() -> None:
    rows = [{"messages": [{"role": "user", "content": "Write a poem about rain."}], "stream": True}]
    async with Upstream(default=Answer(text="Drip.")) as upstream:
        done = await route(upstream, rows)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Drip." in done.stdout


async def test_decide_only_calls_nobody() -> None:
    async with Upstream() as upstream:
        done = await route(upstream, [{"prompt": "Write a poem about rain."}], "--decide-only")
        assert upstream.received == []
    assert done.returncode == 0
    assert "(not called)" in done.stdout


async def test_failed_calls_end_with_one() -> None:
    async with Upstream(default=Fault(status=400, message="no such parameter")) as upstream:
        done = await route(upstream, [{"prompt": "Write a poem about rain."}])
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "no such parameter" in done.stdout or "400" in done.stdout
