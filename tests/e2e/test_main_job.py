"""The main job: the example requests routed by the real command, on a machine without a provider."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from processes import run_router

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "requests.jsonl"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_router(*arguments, cwd=ROOT, text=True)


@pytest.fixture(scope="module")
def routed() -> dict[str, dict[str, Any]]:
    """What became of each example, by its title."""
    done = run("route", "--json", str(EXAMPLES))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["title"]: row for row in rows}


def test_every_example_has_a_title_of_its_own() -> None:
    titles = [json.loads(line)["metadata"]["title"] for line in EXAMPLES.read_bytes().splitlines()]
    assert len(titles) == len(set(titles)) >= 60


def test_table_shows_every_row_and_the_end() -> None:
    done = run("route", str(EXAMPLES))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    rows = [line for line in lines if line.strip()[:1].isdigit() and "requests in" not in line]
    assert len(rows) == len(EXAMPLES.read_bytes().splitlines())
    assert "ROUTER_UPSTREAM" in done.stdout
    assert done.stderr == ""


def test_several_examples_are_answered_locally(routed: dict[str, dict[str, Any]]) -> None:
    local = [row for row in routed.values() if row["decision"] and row["decision"]["target"]["kind"] == "local"]
    assert len(local) >= 6
    for row in local:
        assert row["outcome"]["status"] == "answered"
        assert row["outcome"]["usd"] == 0


@pytest.mark.parametrize(
    "title",
    [
        "Chat",
        "Role play",
        "Open generation",
        "Code",
        "Word problem",
        "Closed-book question",
        "Translation from Romansh",
        "Noisy mail with several wishes",
        "Agent with tools",
        "Picture",
    ],
)
def test_what_needs_an_llm_goes_to_one(routed: dict[str, dict[str, Any]], title: str) -> None:
    assert routed[title]["decision"]["target"]["kind"] == "llm"


def test_answer_has_the_asked_form(routed: dict[str, dict[str, Any]]) -> None:
    as_json = routed["Banking intent, JSON schema"]["outcome"]["body"]["choices"][0]["message"]
    as_call = routed["Banking intent, tool enum"]["outcome"]["body"]["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(as_json["content"]) == {"intent": "lost_or_stolen_card"}
    assert as_call["function"]["name"] == "set_intent"
    assert json.loads(as_call["function"]["arguments"]) == {"intent": "card_arrival"}


@pytest.mark.parametrize("title", ["Jailbreak attempt", "Harmful request", "Prompt injection in a document"])
def test_unsafe_requests_raise_a_flag(routed: dict[str, dict[str, Any]], title: str) -> None:
    flags = routed[title]["decision"]["signals"]["safety"]["value"]
    assert flags


def test_personal_data_is_masked_or_kept(routed: dict[str, dict[str, Any]]) -> None:
    decision = routed["Personal data, synthetic"]["decision"]
    assert decision["verdict"]["redact"] or "llm" in decision["verdict"]["forbid"]
