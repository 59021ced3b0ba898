"""What the sidecar adds to a call, beside nginx, a bare Python proxy and litellm's proxy, all in one run.

Needs ``wrk``, ``nginx`` and ``taskset``; ``--litellm PATH`` names the ``litellm`` command of another environment. The
proxy has core 0 to itself, the load and the upstream the others. Rounds are interleaved, so that a slow moment of the
machine meets everybody; medians over the rounds are told, with the lowest and highest. No two requests are alike,
except where ``again`` says that all are: what the router read of a request it does not read a second time.

wrk counts a pause once for every request that could have been sent meanwhile, so that one of 40 ms is seen in the 99th
percentile of some seconds. ``waited_us`` is how long a server had work and no core, for each request: where other work
shares the machine, most of such a percentile is that. ``--priority`` (root) runs everything that is measured before the
rest. ``--workers N`` also compares one worker of the router with several; see ``workers.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers import Peer, running
from workers import scaling

from machine import facts, write

HERE = Path(__file__).resolve().parent
WORDS = (
    "Write a short story about an old lighthouse keeper who counts the ships that pass by his lonely rock and wonders "
    "about the people on board, where they come from and what they carry home to those who wait for them there. "
)
PATH = "/v1/chat/completions"


def body(words: int, *, stream: bool = False) -> str:
    """A chat body whose message has about ``words`` words."""
    text = " ".join((WORDS.split() * (1 + words // 10))[:words])
    asked: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    return json.dumps({**asked, "stream": True} if stream else asked)


def main() -> int:
    """Measure, and write results/proxy.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--litellm", help="the litellm command of an environment with litellm[proxy]")
    parser.add_argument("--workers", type=int, default=0, help="compare one worker of the router with so many")
    parser.add_argument("--priority", action="store_true", help="run what is measured at the highest priority")
    parser.add_argument("--only", help="one server beside the direct way")
    parser.add_argument("--no-write", action="store_true")
    asked = parser.parse_args()
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            print(f"{tool} is needed: apt-get install wrk nginx-light util-linux", file=sys.stderr)
            return 2
    names = ["nginx", "uvicorn+aiohttp", "router", *(["litellm"] if asked.litellm else [])]
    names = [asked.only] if asked.only else names
    if asked.priority:
        os.nice(-20)  # servers and load are children
    rows: dict[str, dict[str, list[float]]] = {name: {} for name in ("direct", *names)}
    cores = os.cpu_count() or 1
    others = f"1-{cores - 1}" if cores > 1 else "0"
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        upstream = stack.enter_context(running("upstream", "", folder, core=1 if cores > 1 else None))
        base = f"{upstream.url}/v1"
        peers: dict[str, Peer] = {"direct": upstream}
        for name in names:
            peers[name] = stack.enter_context(running(name, base, folder, core=0, litellm=asked.litellm))
            print(f"{name} answers after {peers[name].cold_s:.2f} s", flush=True)
        time.sleep(8)
        for peer in peers.values():
            _wrk(peer.url, folder, others, words=20, connections=4, seconds=2)
        for number in range(asked.rounds):
            for name, peer in peers.items():
                _measure(name, peer, rows[name], folder, others, asked)
            print(f"round {number + 1} of {asked.rounds}", flush=True)
        for name in names:
            rows[name]["rss_mib"] = [peers[name].rss_mib()]
        for name in names:
            rows[name]["cold_start_s"] = _cold_starts(name, base, folder, asked.litellm)
        workers = None
        if asked.workers > 1:
            seconds = asked.seconds

            def load(url: str, on: str, words: int, connections: int) -> dict[str, float]:
                return _wrk(url, folder, on, words=words, connections=connections, seconds=seconds)

            workers = scaling(upstream, folder, load, workers=asked.workers, rounds=asked.rounds)
            print(json.dumps(workers, indent=1))
    figures = {
        "priority": asked.priority,
        "workers": workers,
        "concurrency": asked.connections,
        "seconds_each": asked.seconds,
        "rounds": asked.rounds,
        "servers": {name: {key: _summary(found) for key, found in row.items()} for name, row in rows.items()},
        "added": _added(rows),
    }
    print(json.dumps(figures["added"], indent=1))
    if not asked.no_write:
        write("proxy", figures)
    print(f"load average {facts()['load_average']}")
    return 0


def _measure(
    name: str, peer: Peer, row: dict[str, list[float]], folder: Path, cores: str, asked: argparse.Namespace
) -> None:
    for is_new in (True, False):
        told, waited_s = "" if is_new else "_again", peer.waited_s()
        one = _wrk(peer.url, folder, cores, words=20, is_new=is_new, connections=1, seconds=asked.seconds)
        row.setdefault(f"waited_us{told}", []).append((peer.waited_s() - waited_s) * 1e6 / one["requests"])
        row.setdefault(f"p50_ms{told}", []).append(one["p50_ms"])
        row.setdefault(f"p99_ms{told}", []).append(one["p99_ms"])
        for words in (20, 200):
            before_s, how_many = peer.cpu_s(), asked.connections
            many = _wrk(
                peer.url, folder, cores, words=words, is_new=is_new, connections=how_many, seconds=asked.seconds
            )
            # Processor time says what a core could do also where other work is in the way.
            row.setdefault(f"cpu_us_{words}{told}", []).append((peer.cpu_s() - before_s) * 1e6 / many["requests"])
            row.setdefault(f"per_s_{words}{told}", []).append(many["per_s"])
            row.setdefault("failed", []).append(many["failed"])
    row.setdefault("ttft_ms", []).append(_ttft(peer.url, 200 if name != "litellm" else 40))


def _wrk(
    url: str, folder: Path, cores: str, *, words: int, connections: int, seconds: int, is_new: bool = True
) -> dict[str, float]:
    """One run of wrk: requests a second, latency percentiles in milliseconds, answers that were no 200. ``is_new``: no
    two requests of a run are alike, else all are."""
    script = folder / f"body-{words}-{'new' if is_new else 'same'}.lua"
    if not script.exists():
        first = time.time_ns() // 1_000_000 % 10**9  # Lua prints 14 digits
        numbered = (
            f"local body, number = [==[{body(words)}]==], {first}\n"
            "function request()\n  number = number + 1\n"
            '  return wrk.format(nil, nil, nil, (body:gsub("Write", number .. " Write", 1)))\nend\n'
        )
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [==[{body(words)}]==]\nwrk.headers["Content-Type"] = "application/json"\n'
            f"{numbered if is_new else ''}"
            "function done(summary, latency, requests)\n"
            '  io.write(string.format("PERCENTILES %f %f\\n", latency:percentile(50), latency:percentile(99)))\nend\n',
            encoding="utf-8",
        )
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    text = subprocess.run([*command, f"{url}{PATH}"], capture_output=True, text=True, check=True).stdout
    per_s = re.search(r"Requests/sec:\s+([\d.]+)", text)
    percentiles = re.search(r"PERCENTILES ([\d.]+) ([\d.]+)", text)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    requests = re.search(r"(\d+) requests in", text)
    if per_s is None or percentiles is None or requests is None:
        raise RuntimeError(text)
    return {
        "per_s": float(per_s[1]),
        "requests": float(requests[1]),
        "p50_ms": float(percentiles[1]) / 1000,
        "p99_ms": float(percentiles[2]) / 1000,
        "failed": float(failed[1]) if failed else 0.0,
    }


def _ttft(url: str, count: int) -> float:
    """Median milliseconds until the first event of a stream, one after another over one connection."""
    host = urlsplit(url).netloc
    first, found = time.time_ns() // 1000, []
    place, _, port = host.partition(":")
    with socket.create_connection((place, int(port)), timeout=30) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(first, first + count):
            data = body(20, stream=True).replace("Write", f"{number} Write", 1).encode()
            head = f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            began = time.perf_counter()
            raw.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
            got = b""
            while b"data: " not in got:
                got += _received(raw)
            found.append((time.perf_counter() - began) * 1000)
            while not got.endswith(b"0\r\n\r\n"):
                got += _received(raw)
    return statistics.median(found)


def _received(raw: socket.socket) -> bytes:
    piece = raw.recv(65536)
    if not piece:
        raise RuntimeError("the connection was closed")
    return piece


def _cold_starts(name: str, base: str, folder: Path, litellm: str | None) -> list[float]:
    found = []
    for _ in range(3 if name != "litellm" else 1):
        with running(name, base, folder, core=None, litellm=litellm) as peer:
            found.append(peer.cold_s)
    return found


def _summary(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 4), "low": round(min(values), 4), "high": round(max(values), 4)}


def _added(rows: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """What each server adds over the direct way, and how many requests it takes, by medians."""

    def middle(name: str, key: str) -> float:
        return statistics.median(rows[name][key])

    found: dict[str, Any] = {}
    for name, row in rows.items():
        if name == "direct":
            continue
        added = ("p50_ms", "p99_ms", "ttft_ms", "p50_ms_again", "p99_ms_again")
        whole = [
            f"{key}_{words}{told}" for told in ("", "_again") for key in ("per_s", "cpu_us") for words in (20, 200)
        ]
        whole += ["waited_us", "waited_us_again"]
        found[name] = {
            **{key: round(middle(name, key) - middle("direct", key), 3) for key in added},
            **{key: round(middle(name, key)) for key in whole},
            "cold_start_s": round(middle(name, "cold_start_s"), 2),
            "rss_mib": round(middle(name, "rss_mib")),
            "failed": sum(row["failed"]),
        }
    return found


if __name__ == "__main__":
    sys.exit(main())
