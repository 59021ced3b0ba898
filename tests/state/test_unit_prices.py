"""Pictures, seconds and searches: set aside before a call, settled after it, shown on the bill; through files as a user
writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from router import BudgetExceeded, ConfigError, Router
from router.testing.upstream import Answer, Fault, Upstream

USAGE = {"prompt_tokens": 1000, "completion_tokens": 10}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TEXT = {"type": "text", "text": "What is on these pictures? Describe them in one sentence each."}
TWO_PICTURES = [{"role": "user", "content": [TEXT, PICTURE, PICTURE]}]
TWO_ELSEWHERE = [{"role": "user", "content": [TEXT, PICTURE]}, {"role": "user", "content": [PICTURE]}]
QUESTION = [{"role": "user", "content": "Write a story about a lighthouse keeper who counts the ships."}]


def router(folder: Path, url: str, price: str, *, budgets: str = "", more: str = "") -> Router:
    path = folder / "router.yaml"
    path.write_text(
        f"ledger: {{path: ledger.jsonl}}\nlocal_models: {{shipped: false}}\n{budgets}deployments:\n"
        f"  - {{name: eyes, model: eyes-1, tier: small, backend: openai, api_base: '{url}', capabilities: [streaming, "
        f"vision, tools], price_per_million: {{input: $1, output: $10}}, price_per_unit: {{{price}}}{more}}}\n"
    )
    return Router.from_config(path)


def explained(folder: Path, id: str, *more: str) -> str:
    command = [sys.executable, "-m", "router", "spend", "--explain", id, "--config", "router.yaml", *more]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


TOKENS_USD = 1000e-6 + 100e-6


@pytest.mark.parametrize("messages", [TWO_PICTURES, TWO_ELSEWHERE])
async def test_pictures_are_charged_and_shown(tmp_path: Path, messages: list[Any]) -> None:
    async with Upstream([Answer(usage=USAGE)]) as up, router(tmp_path, up.url, "image: $0.003") as made:
        answer = await made.acomplete(messages=messages)
        assert answer.outcome.usd == pytest.approx(TOKENS_USD + 0.006)
        assert answer.decision.estimate.worst_usd > answer.decision.estimate.usd > 0.006
    text = explained(tmp_path, answer.decision.id)
    assert "2 picture" in text
    assert "x $0.003 = $0.006000000" in text
    assert "total $0.007100000" in text
    bill = json.loads(explained(tmp_path, answer.decision.id, "--json"))
    assert sum(round(line["count"] * line["rate"] * 1e9) for line in bill["lines"]) == bill["nano_usd"] == 7_100_000


@pytest.mark.parametrize("model", ["my-own", "gpt-4o"])
async def test_a_server_on_this_machine_is_free_unless_its_model_has_a_price(tmp_path: Path, model: str) -> None:
    async with Upstream([Answer(usage=USAGE)]) as up:
        (tmp_path / "router.yaml").write_text(
            "ledger: {path: ledger.jsonl}\nlocal_models: {shipped: false}\ndeployments:\n"
            f"  - {{name: here, model: {model}, backend: openai, api_base: '{up.url}'}}\n"
        )
        async with Router.from_config(tmp_path / "router.yaml") as made:
            answer = await made.acomplete(messages=QUESTION)
            (record,) = made.engine.ledger.tail(1)
    assert record.is_priced
    assert answer.outcome.usd == (0 if model == "my-own" else pytest.approx(1000 * 2.5e-6 + 10 * 1e-5))
    told = explained(tmp_path, record.id)
    assert "unknown" not in told
    assert ("1,000 input           x $0/M" in told) is (model == "my-own"), told


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 10**30, "completion_tokens": 10},
        {"prompt_tokens": 10, "completion_tokens": -5},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": "5"},
    ],
)
async def test_usage_that_cannot_be_is_counted_here(tmp_path: Path, usage: Any) -> None:
    budgets = "state: {path: state.db}\nbudgets: [{usd: $1, window: day}]\n"
    async with Upstream([Answer(usage=usage)]) as up, router(tmp_path, up.url, "call: $0", budgets=budgets) as made:
        for _ in range(2):
            await made.acomplete(messages=QUESTION)
        first, second = made.engine.ledger.tail(2)
    assert first.outcome.usage.estimated
    assert first.nano_usd < 10**6
    assert not second.outcome.usage.estimated


async def test_pictures_are_set_aside_before_the_call(tmp_path: Path) -> None:
    budgets = "budgets: [{usd: $0.05, window: total}]\n"
    async with Upstream(default=Answer(usage=USAGE)) as up:
        async with router(tmp_path, up.url, "image: $0.02", budgets=budgets) as made:
            first = await made.acomplete(messages=TWO_PICTURES, max_tokens=20)
            assert first.outcome.status == "answered"
            with pytest.raises(BudgetExceeded):
                await made.acomplete(messages=TWO_PICTURES, max_tokens=20)
            assert (await made.acomplete(messages=QUESTION, max_tokens=20)).outcome.status == "answered"
        assert len(up.received) == 2


async def test_seconds_are_those_that_the_call_took(tmp_path: Path) -> None:
    async with Upstream([Answer(usage=USAGE, delay_s=0.3)]) as up, router(tmp_path, up.url, "second: $0.01") as made:
        answer = await made.acomplete(messages=QUESTION, budget={"max_latency_ms": 20_000})
        (attempt,) = answer.outcome.attempts
        assert answer.decision.estimate.worst_usd >= 0.2
    assert attempt.latency_ms >= 300
    assert answer.outcome.usd == pytest.approx(TOKENS_USD + attempt.latency_ms * 1e-5)
    assert " second " in explained(tmp_path, answer.decision.id)


async def test_what_was_cut_is_charged_by_time_too(tmp_path: Path) -> None:
    async with Upstream([Fault(kind="cut")]) as up, router(tmp_path, up.url, "second: $0.01") as made:
        stream = await made.acomplete(messages=QUESTION, stream=True)
        with pytest.raises(Exception, match="closed the connection"):
            async for _ in stream:
                pass
        assert stream.outcome is not None
        (attempt,) = stream.outcome.attempts
    assert attempt.usage.units is not None
    assert attempt.usage.units.seconds > 0
    assert attempt.usd is not None
    assert attempt.usd > 0


async def test_a_connection_that_failed_costs_nothing(tmp_path: Path) -> None:
    async with router(tmp_path, "http://127.0.0.1:9/v1", "second: $0.01, image: $1, call: $1") as made:
        with pytest.raises(Exception, match="eyes"):
            await made.acomplete(messages=TWO_PICTURES)
    (record,) = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_bytes().splitlines()]
    assert record["nano_usd"] == 0


@pytest.mark.parametrize("is_stream", [False, True])
async def test_written_pictures_are_charged(tmp_path: Path, is_stream: bool) -> None:
    images = {"images": [PICTURE, PICTURE, PICTURE]}
    priced = "image_output: $0.04"
    async with Upstream([Answer(usage=USAGE, message=images)]) as up, router(tmp_path, up.url, priced) as made:
        if is_stream:
            stream = await made.acomplete(messages=QUESTION, stream=True)
            [chunk async for chunk in stream]
            outcome = stream.outcome
        else:
            outcome = (await made.acomplete(messages=QUESTION)).outcome
    assert outcome is not None
    assert outcome.usd == pytest.approx(TOKENS_USD + 0.12)


SEARCH_TOOL = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("body", "usage", "searches"),
    [
        ({"web_search_options": {}}, {}, 1),
        ({"web_search_options": {}}, {"num_search_queries": 3}, 3),
        ({"tools": [{**SEARCH_TOOL, "max_uses": 5}]}, {"server_tool_use": {"web_search_requests": 2}}, 2),
        ({"tools": [SEARCH_TOOL]}, {}, 1),
        ({}, {}, 0),
    ],
)
async def test_searches_are_charged(tmp_path: Path, body: Any, usage: Any, searches: int) -> None:
    script = [Answer(usage={**USAGE, **usage})]
    async with Upstream(script) as up, router(tmp_path, up.url, "search: $0.01") as made:
        answer = await made.acomplete(messages=QUESTION, **body)
    assert answer.outcome.usd == pytest.approx(TOKENS_USD + 0.01 * searches)


async def test_searches_without_an_end_are_refused_under_a_limit(tmp_path: Path) -> None:
    budgets = "budgets: [{usd: $5, window: total}]\n"
    answers = Upstream(default=Answer(usage=USAGE))
    async with answers as up, router(tmp_path, up.url, "search: $0.01", budgets=budgets) as made:
        with pytest.raises(Exception, match="max_uses"):
            await made.acomplete(messages=QUESTION, tools=[SEARCH_TOOL])
        assert (await made.acomplete(messages=QUESTION, tools=[{**SEARCH_TOOL, "max_uses": 2}])).outcome.usd


def test_a_slip_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"router.yaml:\d+:\d+: unknown key \"picture\""):
        router(tmp_path, "http://127.0.0.1:9/v1", "picture: $1")
