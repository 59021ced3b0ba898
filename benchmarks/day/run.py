"""A day of mixed traffic through the whole router: bill, latency, accuracy, and what stayed on this machine.

    python benchmarks/day/run.py --data DIR [--requests 2000]

Hosted models are a loopback server. Its answers come from recorded outcomes (knowledge: MMLU, arithmetic: GSM8K, code:
MBPP, with Mixtral-8x7B as the small and GPT-4 as the large model) or are the gold answer with stated noise (labels, and
names to be extracted: right in 93 % of the cases for the small, 96 % for the large model). It waits 40 ms (small) or
90 ms (large) before it answers. Arrivals are a Poisson process; prices are those of a small and a large hosted model,
in USD a million tokens.

`learned-N` is the guide with learned quality (`router train-quality`), from what both models answered to other requests
of the same traffic, where a right answer is worth N cents: a dollar weighs as much as 100 / N of them. Last, the first
preset has a budget of half of what it spent, for the same requests: `overshoot_usd` is what was spent above it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiohttp import web

from day.picture import draw
from day.traffic import HIT, LARGE, SMALL, Asked, days_before, key_of, traffic
from machine import write
from router import Router
from router.errors import RouterError
from router.offline.fit_quality import QualityFit, save_quality

PRICE = {SMALL: (0.15, 0.60), LARGE: (2.50, 10.00)}
WAIT_S = {SMALL: 0.040, LARGE: 0.090}
ANSWER_TOKENS = {"labelling": 6, "extraction": 24, "other": 180}
PRESETS = ("guide", "cost-first", "latency-first", "quality-first", "private", "learned-1", "learned-2")
LEARNED = """
policy: {name}
extends: guide
objective: {{cost: {cost}}}
"""
CONFIG = """
deployments:
  - {{name: small, model: openai/small, tier: small, backend: openai, api_base: "{url}", in_house: false,
      ttft_ms: 40, tokens_per_s: 2000, price_per_million: {{input: 0.15, output: 0.60}}}}
  - {{name: large, model: openai/large, tier: large, backend: openai, api_base: "{url}", in_house: false,
      ttft_ms: 90, tokens_per_s: 2000, price_per_million: {{input: 2.50, output: 10.00}}}}
"""


class Hosted:
    """Both hosted models, as one server."""

    def __init__(self, asked: list[Asked]) -> None:
        self._known = {request.key: request for request in asked}
        self.calls = 0

    async def __call__(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.calls += 1
        model = body["model"].rsplit("/", 1)[-1]
        await asyncio.sleep(WAIT_S[model])
        known = self._known.get(key_of(body))
        text = answer(known, model, body) if known is not None else "Certainly."
        most = body.get("max_completion_tokens") or body.get("max_tokens") or 4096
        written = answer_tokens(known)
        usage = {"prompt_tokens": prompt_tokens(body), "completion_tokens": min(written, most)}
        message = {"role": "assistant", "content": text}
        return web.json_response(
            {
                "id": "chatcmpl-day",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": model,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop" if written <= most else "length"}],
                "usage": {**usage, "total_tokens": sum(usage.values())},
            }
        )


def answer(asked: Asked, model: str, body: dict[str, Any]) -> str:
    """What the hosted model says: the gold label, another one, or a text that tells whether it is right."""
    if asked.gold is None:
        return "right" if asked.right and asked.right[model] else "wrong" if asked.right else "Certainly."
    assert asked.right is not None
    if not asked.labels:
        return asked.gold if asked.right[model] else f"{asked.gold}\nPER: somebody else"
    others = [label for label in asked.labels if label != asked.gold]
    label = asked.gold if asked.right[model] else others[int(asked.key, 16) % len(others)]
    form = body.get("response_format")
    return json.dumps({form["json_schema"]["name"]: label}) if form else label


def prompt_tokens(body: dict[str, Any]) -> int:
    """Four characters a token, which is about what English takes."""
    return (
        4
        + len(json.dumps(body.get("response_format") or "")) // 4
        + sum(len(message["content"]) // 4 for message in body["messages"])
    )


def answer_tokens(asked: Asked | None) -> int:
    if asked is None or asked.gold is None:
        return ANSWER_TOKENS["other"]
    return ANSWER_TOKENS["labelling" if asked.labels else "extraction"]


def is_right(asked: Asked, content: str) -> bool | None:
    if asked.gold is not None:
        text = content.strip()
        if text.startswith("{"):
            text = next(iter(json.loads(text).values()))
        return text == asked.gold
    return content == "right" if asked.right is not None else None


async def one(router: Router, asked: Asked, due_s: float, rows: list[dict[str, Any]]) -> None:
    await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    started = time.monotonic()
    row: dict[str, Any] = {"kind": asked.kind, "target": "failed", "usd": 0.0, "right": None, "masked": False}
    try:
        found = await router.acomplete({**asked.body, "model": "auto"})
    except RouterError as error:
        row["target"] = f"refused: {type(error).__name__}"
    else:
        decision, outcome = found.decision, found.outcome
        row.update(
            target=decision.target.kind if decision.target.kind != "llm" else decision.target.tier,
            usd=outcome.usd or 0.0,
            masked=bool(decision.verdict and decision.verdict.redact),
        )
        if decision.target.kind != "refuse":
            row["right"] = is_right(asked, found["choices"][0]["message"]["content"] or "")
    row["ms"] = (time.monotonic() - started) * 1000
    rows.append(row)


async def day(
    preset: str, asked: list[Asked], rate: float, seed: int, quality: QualityFit | None, cap_usd: float | None = None
) -> dict[str, Any]:
    hosted = Hosted(asked)
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", hosted)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    with tempfile.TemporaryDirectory() as folder:
        config, policy = Path(folder) / "router.yaml", preset
        settings = CONFIG.format(url=url)
        if cap_usd is not None:
            settings += f"budgets: [{{usd: {cap_usd}, window: total}}]\n"
        if preset.startswith("learned-"):
            assert quality is not None
            save_quality(quality, Path(folder) / "quality.safetensors")
            settings += "quality: quality.safetensors\n"
            learned = Path(folder) / "learned.yaml"
            learned.write_text(LEARNED.format(name=preset, cost=100 / float(preset[8:])), encoding="utf-8")
            policy = str(learned)
        config.write_text(settings, encoding="utf-8")
        async with Router.from_config(config, policy=policy) as router:
            await router.awarm()
            chance, due, rows, tasks = random.Random(seed), time.monotonic() + 0.2, [], []
            for request in asked:
                due += chance.expovariate(rate)
                tasks.append(asyncio.create_task(one(router, request, due, rows)))
            await asyncio.gather(*tasks)
    await runner.cleanup()
    return summary(rows, hosted.calls)


def summary(rows: list[dict[str, Any]], calls: int) -> dict[str, Any]:
    times = sorted(row["ms"] for row in rows)
    judged = [row["right"] for row in rows if row["right"] is not None]
    local = [row for row in rows if row["target"] == "local"]
    wrongly = [row for row in local if row["kind"] not in ("sentiment", "spam", "intent")]
    kinds: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = kinds.setdefault(row["kind"], {"requests": 0, "local": 0, "judged": 0, "right": 0})
        kind["requests"] += 1
        kind["local"] += row["target"] == "local"
        kind["judged"] += row["right"] is not None
        kind["right"] += bool(row["right"])
    targets: dict[str, int] = {}
    for row in rows:
        targets[row["target"]] = targets.get(row["target"], 0) + 1
    return {
        "usd": round(sum(row["usd"] for row in rows), 6),
        "p50_ms": round(times[len(times) // 2], 1),
        "p99_ms": round(times[int(len(times) * 0.99)], 1),
        "accuracy": round(sum(judged) / max(1, len(judged)), 4),
        "judged": len(judged),
        "local_share": round(len(local) / len(rows), 4),
        "local_accuracy": round(sum(bool(row["right"]) for row in local) / max(1, len(local)), 4),
        "wrongly_local": len(wrongly),
        "masked": sum(row["masked"] for row in rows),
        "hosted_calls": calls,
        "kinds": kinds,
        "targets": dict(sorted(targets.items(), key=lambda item: -item[1])),
    }


def always(asked: list[Asked], model: str) -> dict[str, Any]:
    """Every request to one hosted model, without a router."""
    usd = sum(cost(request, model) for request in asked)
    judged = [bool(request.right[model]) for request in asked if request.right is not None]
    return {"usd": round(usd, 6), "accuracy": round(sum(judged) / len(judged), 4), "p50_ms": WAIT_S[model] * 1000}


def tiers(asked: list[Asked]) -> dict[str, Any]:
    """What each hosted model alone would cost and get right, by kind of request; None where no answer is judged."""
    found = {}
    for kind in sorted({request.kind for request in asked}):
        those = [request for request in asked if request.kind == kind]
        judged = [request.right for request in those if request.right is not None]
        found[kind] = {
            model: {
                "usd": round(sum(cost(request, model) for request in those), 6),
                "accuracy": round(sum(right[model] for right in judged) / len(judged), 4) if judged else None,
            }
            for model in (SMALL, LARGE)
        }
    return found


def cost(asked: Asked, model: str) -> float:
    into, out = PRICE[model]
    return (prompt_tokens(asked.body) * into + answer_tokens(asked) * out) / 1e6


def mixed(small: dict[str, Any], large: dict[str, Any], usd: float) -> float:
    """Accuracy of sending requests to the two models at random, at the same bill; the small one's where it is less."""
    share = min(1.0, max(0.0, (usd - small["usd"]) / (large["usd"] - small["usd"])))
    return round(small["accuracy"] + share * (large["accuracy"] - small["accuracy"]), 4)


def main() -> None:
    """Measure and write the results."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--requests", type=int, default=2000)
    arguments.add_argument("--rate", type=float, default=60.0, help="requests a second")
    arguments.add_argument("--seed", type=int, default=20230427)
    arguments.add_argument("--presets", default=",".join(PRESETS))
    options = arguments.parse_args()
    if not 1 <= options.requests <= 20_000:
        arguments.error("--requests is 1 to 20,000")
    asked = traffic(options.data, options.requests, options.seed)
    small, large = always(asked, SMALL), always(asked, LARGE)
    print(f"always small {small}\nalways large {large}")
    presets, chosen = {}, options.presets.split(",")
    quality = None
    if any(preset.startswith("learned-") for preset in chosen):
        quality = QualityFit().fit(days_before(options.data, asked, 4 * options.requests, options.seed))
        print(f"learned quality from {quality.n_rows_} requests")
    for preset in chosen:
        found = asyncio.run(day(preset, asked, options.rate, options.seed, quality))
        found["random_at_equal_cost"] = mixed(small, large, found["usd"])
        presets[preset] = found
        print(preset, json.dumps(found), flush=True)
    half = round(presets[chosen[0]]["usd"] / 2, 6)
    capped = asyncio.run(day(chosen[0], asked, options.rate, options.seed, quality, half))
    capped |= {"preset": chosen[0], "cap_usd": half, "overshoot_usd": round(max(0.0, capped["usd"] - half), 6)}
    print(f"{chosen[0]} with ${half}", json.dumps(capped), flush=True)
    kinds: dict[str, int] = {}
    for request in asked:
        kinds[request.kind] = kinds.get(request.kind, 0) + 1
    write(
        "day",
        {
            "requests": len(asked), "kinds": kinds, "rate": options.rate, "seed": options.seed, "hit": HIT,
            "price_per_million": PRICE, "always_small": small, "always_large": large, "presets": presets,
            "capped": capped, "tiers": tiers(asked), "learned_from": quality.n_rows_ if quality is not None else 0,
        },
    )  # fmt: skip
    draw()


if __name__ == "__main__":
    main()
