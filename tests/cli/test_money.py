"""``router spend`` and ``router ledger`` over the records of a router that has answered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from processes import run_router as router
from router import BudgetExceeded, Router
from router.testing.upstream import Answer, Fault, Upstream

USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
# 60 at $1, 40 at $0.1, 10 at $4 a million, in nano-dollars.
ONE = 60_000 + 4_000 + 40_000


async def answered(folder: Path, suffix: str) -> None:
    """Three answers for acme, one of them after a failure, and one for other."""
    script = [Answer(usage=USAGE), Fault(status=503), Answer(usage=USAGE), Answer(usage=USAGE), Answer(usage=None)]
    async with Upstream(script) as up:
        path = folder / "router.yaml"
        path.write_text(
            f"ledger: {{path: ledger{suffix}}}\nlocal_models: {{shipped: false}}\ndeployments:\n"
            f"  - {{name: small, model: tiny, tier: small, backend: openai, api_base: '{up.url}',"
            " price_per_million: {input: $1, output: $4, cached_input: $0.1}}\n"
        )
        async with Router.from_config(path) as made:
            for tenant in ("acme", "acme", "acme", "other"):
                await made.acomplete("Write a story about the sea.", tenant=tenant)


@pytest.fixture(scope="module", params=[".jsonl", ".db"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("money")
    asyncio.run(answered(made, request.param))
    return made


def told(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = router(*arguments, "--config", "router.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_spend_sums_exactly_by_tenant_and_model(folder: Path) -> None:
    rows = told(folder, "spend", "--json")
    acme, other = rows
    assert (acme["tenant"], acme["model"], acme["nano_usd"], acme["requests"]) == ("acme", "small", 3 * ONE, 3)
    assert (acme["calls"], acme["failed"], acme["input"], acme["cached_input"]) == (4, 0, 300, 120)
    assert (other["tenant"], other["estimated"], other["unpriced"]) == ("other", 1, 0)
    assert other["nano_usd"] > 0
    (day,) = told(folder, "spend", "--by", "day", "--json")
    assert day["nano_usd"] == acme["nano_usd"] + other["nano_usd"]
    assert told(folder, "spend", "--until", "2020-01-01", "--json") == []
    assert len(told(folder, "spend", "--since", "1h", "--by", "tenant,status,policy", "--json")) == 2


def test_spend_prints_a_table_with_its_sum(folder: Path) -> None:
    done = router("spend", "--by", "tenant", "--config", "router.yaml", cwd=folder)
    text = done.stdout.decode()
    assert f"{3 * ONE / 1e9:.6f}" in text
    assert "all" in text
    assert "1 calls reported no usage" in text


def test_spend_explains_one_request(folder: Path) -> None:
    records = told(folder, "ledger", "export")
    retried = next(each for each in records if len(each["outcome"]["attempts"]) == 2)
    done = router("spend", "--explain", retried["id"], "--config", "router.yaml", cwd=folder)
    text = done.stdout.decode()
    for part in ("overload", "60 input", "40 cached input", "10 output", "x $0.1/M", f"total ${ONE / 1e9:.9f}"):
        assert part in text, text
    (bill,) = told(folder, "spend", "--explain", retried["decision"]["id"], "--json")
    assert bill["nano_usd"] == ONE
    assert sum(round(line["count"] * line["rate"] * 1e9) for line in bill["lines"]) == ONE


def test_the_start_of_an_id_is_enough(folder: Path) -> None:
    newest = router("ledger", "tail", "-n", "1", "--config", "router.yaml", cwd=folder).stdout.decode().split()[2]
    (bill,) = told(folder, "spend", "--explain", newest, "--json")
    assert bill["id"].startswith(newest)
    assert router("spend", "--explain", newest[:4], "--config", "router.yaml", cwd=folder).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "colour"], b"colour"),
        (["--explain", "nothing"], b"nothing"),
        (["--since", "yesterday"], b"yesterday"),
        (["--timezone", "Mars"], b"Mars"),
    ],
)
def test_wrong_questions_are_told(folder: Path, arguments: list[str], said: bytes) -> None:
    done = router("spend", *arguments, "--config", "router.yaml", cwd=folder)
    assert done.returncode != 0
    assert said in done.stderr


def test_tail_shows_the_newest(folder: Path) -> None:
    done = router("ledger", "tail", "-n", "1", "--config", "router.yaml", cwd=folder)
    (line,) = done.stdout.decode().splitlines()
    assert "other" in line
    assert "answered" in line
    assert b"story" not in done.stdout


def test_export_writes_each_record_once(folder: Path) -> None:
    records = told(folder, "ledger", "export")
    assert [each["tenant"] for each in records] == ["acme", "acme", "acme", "other"]
    assert "story" not in json.dumps(records)
    assert told(folder, "ledger", "export", "--until", "2020-01-01") == []


def test_verify_finds_nothing_in_a_whole_ledger(folder: Path) -> None:
    done = router("ledger", "verify", "--config", "router.yaml", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith(b"4 records by 1 writers")


def test_verify_finds_what_was_changed(folder: Path, tmp_path: Path) -> None:
    export = router("ledger", "export", "--config", "router.yaml", cwd=folder).stdout.splitlines(keepends=True)
    changed = tmp_path / "changed.jsonl"
    changed.write_bytes(b"".join([export[0].replace(b'"nano_usd":%d' % ONE, b'"nano_usd":1'), *export[1:3]]))
    done = router("ledger", "verify", "--ledger", str(changed))
    assert done.returncode == 1
    assert b"was changed" in done.stderr
    changed.write_bytes(b"".join([export[0], *export[2:]]))
    done = router("ledger", "verify", "--ledger", str(changed))
    assert done.returncode == 1
    assert b"missing" in done.stderr


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = router("spend", "--ledger", str(tmp_path / "none.db"))
    assert done.returncode != 0
    assert b"no ledger yet" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_refused_request_says_why(tmp_path: Path) -> None:
    path = tmp_path / "router.yaml"
    path.write_text(
        "ledger: {path: ledger.jsonl}\nlocal_models: {shipped: false}\nbudgets: [{usd: $0.000001, window: total}]\n"
        "deployments:\n  - {name: small, model: tiny, backend: openai, api_base: 'http://127.0.0.1:9/v1',"
        " price_per_million: {input: $1, output: $4}}\n"
    )
    with Router.from_config(path) as made, pytest.raises(BudgetExceeded):
        made.complete("Write a story about the sea.")
    (line,) = router("ledger", "tail", "--config", "router.yaml", cwd=tmp_path).stdout.decode().splitlines()
    assert "failed (budget_exceeded)" in line
    told = router("spend", "--explain", line.split()[2], "--config", "router.yaml", cwd=tmp_path).stdout.decode()
    assert "failed, budget_exceeded" in told
