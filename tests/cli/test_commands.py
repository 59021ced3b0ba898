"""The commands as a person meets them: output, exit codes, and errors of one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from processes import run_router as router

EXAMPLES = Path(__file__).parents[2] / "examples" / "requests.jsonl"
REVIEW = "Is this review positive or negative? Answer with one word.\n\nReview: I loved every minute, what a joy!"


def decisions(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


# ----- the command itself ---------------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    done = router("--help")
    assert done.returncode == 0
    for name in ("route", "decide", "explain", "models", "policy", "init", "serve"):
        assert name in done.stdout.decode()


@pytest.mark.parametrize(
    "arguments", [["rute"], ["route"], ["route", "a", "--text", "b"], ["decide"], ["serve", "--port", "99999"]]
)
def test_wrong_usage_ends_with_two(arguments: list[str]) -> None:
    done = router(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(b"Usage:")


def test_version_is_told() -> None:
    assert router("--version").stdout.startswith(b"router")


@pytest.mark.parametrize(
    "arguments",
    [
        ["route", "no/such/file.jsonl"],
        ["decide", "-i", "no/such/file.jsonl"],
        ["decide", "-i", str(EXAMPLES), "-o", "no/such/folder/x"],
        ["explain", "--file", "no/such/file"],
        ["route", "--text", "hello", "--config", "no/such/router.yaml"],
        ["route", "--text", "hello", "--policy", "no-such-policy"],
        ["policy", "check", "no-such-policy"],
    ],
)
def test_failures_are_one_clear_line(arguments: list[str]) -> None:
    done = router(*arguments)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")


# ----- decide -----------------------------------------------------------------------------------------------------


def test_every_row_gets_its_decision(tmp_path: Path) -> None:
    out = tmp_path / "decisions.jsonl"
    done = router("decide", "--input", str(EXAMPLES), "--output", str(out), "--strict")
    rows = decisions(out.read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    assert len(rows) == len(EXAMPLES.read_bytes().splitlines())
    for row in rows:
        assert row["task"]["label"]
        assert 0 <= row["task"]["probability"] <= 1
        assert row["target"]["kind"] in ("local", "llm", "refuse")
        assert row["rules"]
        assert {"safety", "contract", "split", "task", "language", "tokens"} <= row["signals"].keys()
        assert {"value", "confidence", "detector"} == row["signals"]["safety"].keys()


def test_decisions_stream_through_pipes() -> None:
    rows = [{"prompt": REVIEW}, {"prompt": "Write a poem about the sea."}]
    done = router("decide", "-i", "-", stdin="\n\n".join(json.dumps(row) for row in rows).encode())
    kinds = [row["target"]["kind"] for row in decisions(done.stdout)]
    assert kinds == ["local", "llm"]


def test_bad_rows_stand_in_their_place() -> None:
    stdin = b'{"prompt": "hello"}\nnot json\n{"prompt": ""}\n{"prompt": "\xff"}\n{"messages": 5}\n{"prompt": "hi"}\n'
    done = router("decide", "-i", "-", stdin=stdin)
    rows = decisions(done.stdout)
    assert done.returncode == 0
    assert ["error" in row for row in rows] == [False, True, True, True, True, False]
    assert b"4 with an error" in done.stderr
    assert all(row["error"]["message"] for row in rows if "error" in row)
    assert router("decide", "-i", "-", "--strict", stdin=stdin).returncode == 1


def test_same_rows_give_same_decisions() -> None:
    stdin = json.dumps({"prompt": REVIEW}).encode()
    first, second = (decisions(router("decide", "-i", "-", stdin=stdin).stdout)[0] for _ in range(2))
    for row in (first, second):
        del row["id"], row["snapshot"]
    assert first == second


# ----- route ------------------------------------------------------------------------------------------------------


def test_route_answers_locally_without_a_provider() -> None:
    done = router("route", "--text", REVIEW)
    shown = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "positive" in shown
    assert "1 local" in shown


def test_route_shows_the_plan_without_a_provider(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"prompt": "Write a poem about the sea."}) + "\n")
    done = router("route", str(file))
    shown = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "(not called)" in shown
    assert "ROUTER_UPSTREAM" in shown


def test_route_goes_on_after_bad_rows() -> None:
    done = router("route", "-", stdin=b'nonsense\n{"prompt": "Write a poem about the sea."}\n')
    assert done.returncode == 1
    assert b"not JSON" in done.stdout
    assert b"(not called)" in done.stdout


def test_route_gives_json() -> None:
    done = router("route", "--json", "--text", REVIEW)
    (row,) = decisions(done.stdout)
    assert row["decision"]["target"]["kind"] == "local"
    assert row["outcome"]["body"]["choices"][0]["message"]["content"] == "positive"


# ----- explain, models, policy, init --------------------------------------------------------------------------------


def test_explain_shows_rules_way_and_losers() -> None:
    done = router("explain", REVIEW)
    shown = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert "NLU-02" in shown
    assert "F1" in shown
    assert "local" in shown


def test_explain_draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "way.svg"
    assert router("explain", REVIEW, "--picture", str(picture)).returncode == 0
    assert picture.read_text(encoding="utf-8").startswith("<svg")


def test_explain_gives_json() -> None:
    done = router("explain", "--json", REVIEW)
    assert json.loads(done.stdout)["decision"]["target"]["kind"] == "local"


def test_decide_does_not_overwrite_what_it_reads(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "hello"}\n')
    done = router("decide", "-i", "rows.jsonl", "-o", "./rows.jsonl", cwd=tmp_path)
    assert done.returncode == 1
    assert b"would be overwritten" in done.stderr
    assert rows.read_text() == '{"prompt": "hello"}\n'


def test_explain_reads_a_body_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    found = []
    for mark in (b"", b"\xef\xbb\xbf"):
        file.write_bytes(mark + json.dumps({"messages": [{"role": "user", "content": REVIEW}]}).encode())
        found.append(
            json.loads(router("explain", "--json", "--file", str(file)).stdout)["decision"]["signals"]["tokens"]
        )
    assert found[0] == found[1]


def test_explain_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text(REVIEW)
    assert router("explain", "--file", str(file)).returncode == 0


def test_models_tell_what_is_missing() -> None:
    shown = router("models").stdout.decode()
    assert "sentiment" in shown
    assert "OPENAI_API_KEY" in shown
    listed = json.loads(router("models", "--json").stdout)
    assert {"local", "states", "hosted", "deep"} == listed.keys()
    assert all(card["licence"] for card in listed["local"])


@pytest.mark.parametrize("name", ["guide", "cost-first", "latency-first", "quality-first", "private"])
def test_built_in_policies_are_well(name: str) -> None:
    done = router("policy", "check", name)
    assert done.returncode == 0, done.stderr.decode()
    assert b"\x1b" not in done.stderr  # colours are for terminals


def test_a_policy_file_that_is_missing_is_told_by_its_path(tmp_path: Path) -> None:
    done = router("policy", "check", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert f"there is no file {tmp_path / 'mine.yaml'}" in done.stderr.decode()
    assert b'there is no policy "mine"' in router("policy", "check", "mine", cwd=tmp_path).stderr


def test_wrong_policy_names_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("policy: mine\nextends: guide\ndescription: x\nobjectiv: {}\n")
    done = router("policy", "check", str(file))
    assert done.returncode == 1
    assert b"mine.yaml:4:1" in done.stderr


def test_written_config_can_be_used(tmp_path: Path) -> None:
    assert router("init", cwd=tmp_path).returncode == 0
    assert router("init", cwd=tmp_path).returncode == 1
    assert router("route", "--config", "router.yaml", "--text", REVIEW, cwd=tmp_path).returncode == 0


def test_commented_settings_of_the_template_are_valid(tmp_path: Path) -> None:
    from router.cli.init import TEMPLATE
    from router.config import load_settings

    lines = []
    for line in TEMPLATE.splitlines():
        bare = line.removeprefix("# ")
        is_setting = bare.startswith((" ", "deployments:", "budgets:", "state:", "ledger:", "embeddings:", "dispatch:"))
        lines.append(bare if line.startswith("# ") and is_setting else line)
    file = tmp_path / "router.yaml"
    file.write_text("\n".join(lines))
    settings = load_settings(file)
    assert [deployment.name for deployment in settings.deployments or []] == ["small", "large", "at-home"]
    assert [budget.mode for budget in settings.budgets] == ["hard", "soft", "hard", "hard"]
    assert settings.state.path == "state.db"
    assert settings.ledger.path == "ledger.jsonl"
