"""Does anything leak or get lost while a sidecar answers for a long time and its provider keeps failing?

    python benchmarks/money/soak.py                       # 200,000 requests, or half an hour
    python benchmarks/money/soak.py --requests 2000       # the short form

One ``router serve`` with budgets in SQLite and a ledger, before a server that fails in every usual way; callers at a
bounded rate: whole answers, streams, streams that are left in the middle, local answers. Meanwhile memory, files, tasks
and reservations of the process are watched. At the end, when nobody asks any more, nothing may be held; the ledger must
have a record of each request; its sums must be what the server itself counted and what the budget says was spent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aiohttp
from aiohttp import web
from benchmarks.machine import write

from router.state.jsonl import JsonlSink

IN, OUT = 31, 14
# Shares of calls: how the server fails, or answers late. The rest is answered well.
FAULTS = {
    "error_500": 0.04,
    "rate_limit": 0.01,
    "reset": 0.03,
    "malformed": 0.02,
    "cut": 0.03,
    "slow": 0.05,
    "no_usage": 0.02,
}
# What callers do.
KINDS = {"whole": 0.5, "stream": 0.38, "leave": 0.05, "local": 0.07}
STORY = "Write a short story about a lighthouse keeper who counts the ships, number %d."
REVIEW = [
    {"role": "system", "content": "You label customer reviews. Answer with one word: positive or negative."},
    {"role": "user", "content": "I loved every minute of it. What a wonderful film, I will watch it again!"},
]


# ----- the server -------------------------------------------------------------------------------------------------


class Server:
    """An OpenAI-compatible server that counts the tokens of the answers that it gave whole."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.counted: Counter[str] = Counter()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        is_stream = body.get("stream") is True
        leaves = "leave" in body.get("user", "")
        kind = "slow" if leaves else self._kind()
        self.counted["calls"] += 1
        self.counted[kind] += 1
        if kind == "error_500":
            return web.json_response({"error": {"message": "failing"}}, status=500)
        if kind == "rate_limit":
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "1"})
        if kind == "reset" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if kind == "malformed":
            return web.Response(text="<html>", content_type="application/json")
        if kind == "slow":
            await asyncio.sleep(0.2)
        usage = {"prompt_tokens": IN, "completion_tokens": OUT, "total_tokens": IN + OUT}
        if not is_stream:
            if kind == "cut" and request.transport is not None:
                request.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
                request.transport.close()
                return web.Response()
            choice = {"index": 0, "message": {"role": "assistant", "content": "The sea."}, "finish_reason": "stop"}
            answer = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            self._whole(kind)
            return web.json_response(answer if kind == "no_usage" else {**answer, "usage": usage})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(4):
            last = number == 3
            if number == 2 and kind == "cut" and request.transport is not None:
                request.transport.abort()
                return response
            if number == 1 and leaves:
                # Whoever says so has left by then, however busy the machine is.
                await asyncio.sleep(60.0)
            delta = {} if last else {"content": "sea "}
            choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
            await response.write(
                _event({"id": "a", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})
            )
        if kind != "no_usage":
            await response.write(_event({"id": "a", "choices": [], "usage": usage}))
        await response.write(b"data: [DONE]\n\n")
        self._whole(kind)
        return response

    def _whole(self, kind: str) -> None:
        if kind == "no_usage":
            self.counted["whole_without_usage"] += 1
            return
        self.counted["whole"] += 1
        self.counted["input"] += IN
        self.counted["output"] += OUT

    def _kind(self) -> str:
        at = self.draw.random()
        for kind, share in FAULTS.items():
            at -= share
            if at < 0:
                return kind
        return "well"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


async def started(server: Server) -> tuple[web.AppRunner, str]:
    """The server, listening; its base URL."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.chat)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


# ----- the sidecar ------------------------------------------------------------------------------------------------


def config(folder: Path, base: str) -> Path:
    """A config with budgets, a ledger and two deployments."""
    path = folder / "router.yaml"
    path.write_text(
        "server: {watch: false}\nledger: {path: ledger.jsonl}\nstate: {path: state.db}\n"
        "budgets: [{usd: $9000000, window: total}, {requests: 1000000000, window: total}]\n"
        "dispatch: {max_wait: 2s}\ndeployments:\n"
        + "".join(
            f"  - {{name: {name}, model: {name}, tier: {tier}, backend: openai, api_base: '{base}', price_per_million: "
            f"{{input: ${price}, output: ${4 * price}}}}}\n"
            for name, tier, price in (("small", "small", 1), ("large", "large", 10))
        ),
        encoding="utf-8",
    )
    return path


class Watched:
    """A running sidecar, and what its process holds."""

    def __init__(self, path: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH", "TMPDIR")}
        command = [sys.executable, "-m", "router", "serve", "--config", str(path), "--port", "0"]
        self.log = (path.parent / "log").open("wb")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=kept)
        assert self.process.stdout is not None
        found = re.search(r"http://\S+", self.process.stdout.readline())
        if found is None:
            raise RuntimeError((path.parent / "log").read_text())
        self.url, self.folder = found[0], path.parent

    async def sample(self, session: aiohttp.ClientSession) -> dict[str, float]:
        """Memory in MiB, open files, tasks, requests in flight, reservations that are held."""
        async with session.get(f"{self.url}/metrics") as response:
            text = await response.text()
        return {
            **_held(self.process.pid),
            "tasks": _metric(text, "router_asyncio_tasks"),
            "in_flight": _metric(text, "router_http_requests_in_flight"),
            "reserved": self.reserved(),
        }

    def reserved(self) -> int:
        """Reservations that are held now."""
        with sqlite3.connect(f"file:{self.folder / 'state.db'}?mode=ro", uri=True, timeout=5) as database:
            (count,) = database.execute("SELECT count(*) FROM reservations WHERE done_s IS NULL").fetchone()
        return int(count)

    def end(self) -> int:
        """End it; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.log.close()
        return code


def _held(pid: int) -> dict[str, float]:
    status = Path(f"/proc/{pid}/status").read_text()
    found = {name: int(value) for name, value in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE)}
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return {"rss_mib": round(found["VmRSS"] / 1024, 1), "files": files, "threads": found["Threads"]}


def _metric(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else -1.0


# ----- the callers ------------------------------------------------------------------------------------------------


async def ask(session: aiohttp.ClientSession, url: str, kind: str, number: int) -> str:
    """One request; what became of it."""
    body: dict[str, Any] = {"model": "auto", "user": kind}
    body["messages"] = REVIEW if kind == "local" else [{"role": "user", "content": STORY % number}]
    if kind in ("stream", "leave"):
        body["stream"] = True
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body) as response:
            if kind == "leave":
                await response.content.readany()
                return "left"
            data = await response.read()
            if response.status != 200:
                return f"status {response.status} {json.loads(data)['error']['code']}"
            if kind == "stream":
                return "answered" if data.endswith(b"data: [DONE]\n\n") else "told that it was cut"
            return "answered"
    except aiohttp.ClientError as error:
        return type(error).__name__


async def soak(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The run, and what was found."""
    server = Server(asked.seed)
    runner, base = await started(server)
    watched = Watched(config(folder, base))
    draw = random.Random(asked.seed + 1)
    became: Counter[str] = Counter()
    samples: list[dict[str, float]] = []
    connector = aiohttp.TCPConnector(limit=asked.at_once)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        before = await watched.sample(session)
        room = asyncio.Semaphore(asked.at_once)
        began = time.monotonic()
        sampled = began

        async def one(number: int) -> None:
            kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
            try:
                became[await ask(session, watched.url, kind, number)] += 1
            finally:
                room.release()

        running: set[asyncio.Task[None]] = set()
        sent = 0
        for number in range(asked.requests):
            if time.monotonic() - began > 60.0 * asked.minutes:
                break
            await room.acquire()
            sent += 1
            task = asyncio.create_task(one(number))
            running.add(task)
            task.add_done_callback(running.discard)
            late = began + number / asked.rate - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            if time.monotonic() - sampled > asked.sample_s:
                sampled = time.monotonic()
                samples.append({"at_s": round(sampled - began, 1), **await watched.sample(session)})
                print(number, samples[-1], flush=True)
        await asyncio.gather(*running)
        took_s = time.monotonic() - began
    await asyncio.sleep(3.0)
    async with aiohttp.ClientSession() as session:
        after = await watched.sample(session)
    code = watched.end()
    await runner.cleanup()
    return {
        "requests": sent,
        "seconds": round(took_s, 1),
        "per_s": round(sent / took_s, 1),
        "became": dict(became),
        "before": before,
        "after": after,
        "samples": samples[:: max(1, len(samples) // 60)],
        "exit_code": code,
        "log": Counter(line.partition(": ")[0][-80:] for line in (folder / "log").read_text().splitlines()),
        "server": dict(server.counted),
        **books(folder, server.counted, sent, before, after, samples),
    }


def books(
    folder: Path,
    counted: Counter[str],
    requests: int,
    before: dict[str, float],
    after: dict[str, float],
    samples: list[dict[str, float]],
) -> dict[str, Any]:
    """The sums of the ledger, and the list of what is not as it should be."""
    ledger: Counter[str] = Counter()
    for line in JsonlSink(folder / "ledger.jsonl").scan():  # with the files that were set aside when they were full
        record = json.loads(line)
        ledger["records"] += 1
        ledger["nano_usd"] += record["nano_usd"]
        for attempt in record["outcome"]["attempts"]:
            if attempt["kind"] != "llm":
                continue
            ledger["calls"] += 1
            usage = attempt["usage"]
            if attempt["error"] is None and not usage["estimated"]:
                ledger["whole"] += 1
                ledger["input"] += usage["input"]
                ledger["output"] += usage["output"]
            elif attempt["error"] is None:
                ledger["whole_without_usage"] += 1
    with sqlite3.connect(folder / "state.db") as database:
        rows = database.execute("SELECT account, spent, reserved FROM accounts").fetchall()
    spent = sum(spent for account, spent, _ in rows if account.startswith("usd"))
    counts = sum(spent for account, spent, _ in rows if account.startswith("requests"))
    held = sum(reserved for _, _, reserved in rows)
    middle = samples[len(samples) // 3] if len(samples) > 5 else None
    grew = after["rss_mib"] / middle["rss_mib"] - 1 if middle else 0.0
    checks = {
        "each request has one record": ledger["records"] == requests == counts,
        "whole answers are those of the server": all(
            ledger[name] == counted[name] for name in ("whole", "whole_without_usage", "input", "output")
        ),
        "no call is missing": ledger["calls"] == counted["calls"],
        "the budget says what the ledger says": spent == ledger["nano_usd"],
        "nothing stays reserved": held == 0 and after["reserved"] == 0,
        "no task is left": after["tasks"] <= before["tasks"] + 1,
        # Connections to the provider that wait to be used again are no leak: they are closed after 30 s.
        "no file is left": after["files"] <= before["files"] + 64,
        "no thread is left": after["threads"] <= before["threads"] + 4,
        "memory stands still": grew < 0.1,
    }
    return {
        "ledger": dict(ledger),
        "spent_nano_usd": spent,
        "memory_growth_after_a_third": round(grew, 4),
        "checks": checks,
        "faults": [name for name, holds in checks.items() if not holds],
    }


def main() -> int:
    """Run, and write results/soak.json; exit code 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=30.0, help="the longest that requests are sent")
    parser.add_argument("--rate", type=float, default=120.0, help="requests a second, at most")
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--sample-s", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--no-write", action="store_true")
    asked = parser.parse_args()
    # The server's connections are broken on purpose.
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as scratch:
        found = asyncio.run(soak(asked, Path(scratch)))
    print(json.dumps({name: value for name, value in found.items() if name != "samples"}, indent=1))
    if not asked.no_write:
        write("soak", found)
    return int(bool(found["faults"]))


if __name__ == "__main__":
    sys.exit(main())
