"""Logs of other tools, in the forms that they really have, give the verdict of ``router advise``."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from flywheel_traffic import DESK, message
from hypothesis import given
from hypothesis import strategies as st

from router.cli.main import _run
from router.offline.scan import LogScan

TRACE = "5b8efff798038103d269b633813fc60c"


def pairs(count: int = 4) -> list[tuple[str, str]]:
    draw = random.Random(3)
    return [message(draw) for _ in range(count)]


def chat(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": DESK}, {"role": "user", "content": text}]


def completion(label: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": label}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102},
    }


def spend_log(at: int, text: str, label: str, **more: Any) -> dict[str, Any]:
    """A row of LiteLLM_SpendLogs, prompts stored."""
    return {
        "request_id": f"chatcmpl-{at}",
        "call_type": "acompletion",
        "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05",
        "spend": 0.000_125,
        "total_tokens": 102,
        "prompt_tokens": 100,
        "completion_tokens": 2,
        "startTime": f"2026-11-0{1 + at % 9}T10:00:00.000Z",
        "endTime": f"2026-11-0{1 + at % 9}T10:00:00.750Z",
        "model": "gpt-4o",
        "model_group": "desk",
        "metadata": "{}",
        "cache_hit": "False",
        "messages": "{}",
        "response": json.dumps(completion(label)),
        "proxy_server_request": json.dumps({"model": "desk", "messages": chat(text)}),
        "status": "success",
        **more,
    }


def attributes(**values: Any) -> list[dict[str, Any]]:
    def typed(value: Any) -> dict[str, Any]:
        if isinstance(value, int):
            return {"intValue": str(value)}
        if isinstance(value, list):
            return {"arrayValue": {"values": [typed(each) for each in value]}}
        if isinstance(value, dict):
            return {"kvlistValue": {"values": [{"key": key, "value": typed(each)} for key, each in value.items()]}}
        return {"stringValue": value}

    return [{"key": key.replace("__", "."), "value": typed(value)} for key, value in values.items()]


def span(at: int, told: list[dict[str, Any]], events: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    usual = attributes(gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o", gen_ai__usage__input_tokens=100,
                       gen_ai__usage__output_tokens=2)  # fmt: skip
    return {
        "traceId": TRACE,
        "spanId": f"{at:016x}",
        "name": "chat gpt-4o",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000000750000000",
        "attributes": [*usual, *told],
        "events": events or [],
        "status": {},
    }


def otlp(spans: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "openai"}, "spans": spans}]}]}


def newest(text: str, label: str) -> list[dict[str, Any]]:
    """Semantic conventions 1.37: messages with parts, structured or as one JSON text."""
    asked = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": label}], "finish_reason": "stop"}]
    system = [{"type": "text", "content": DESK}]
    if len(text) % 2:
        return attributes(
            gen_ai__input__messages=asked, gen_ai__output__messages=said, gen_ai__system_instructions=system
        )
    return attributes(
        gen_ai__input__messages=json.dumps(asked),
        gen_ai__output__messages=json.dumps(said),
        gen_ai__system_instructions=json.dumps(system),
    )


def with_events(at: int, text: str, label: str) -> dict[str, Any]:
    """Conventions 1.28 to 1.36: an event a message."""
    return span(at, [], [
        {"name": "gen_ai.system.message", "attributes": attributes(content=DESK)},
        {"name": "gen_ai.user.message", "attributes": attributes(content=text)},
        {"name": "gen_ai.choice",
         "attributes": attributes(message=json.dumps({"content": label}), finish_reason="stop")},
    ])  # fmt: skip


def oldest(at: int, text: str, label: str) -> dict[str, Any]:
    """Before 1.28: the whole prompt in one event."""
    return span(at, [], [
        {"name": "gen_ai.content.prompt", "attributes": attributes(gen_ai__prompt=json.dumps(chat(text)))},
        {"name": "gen_ai.content.completion",
         "attributes": attributes(gen_ai__completion=json.dumps([{"role": "assistant", "content": label}]))},
    ])  # fmt: skip


def flat(text: str, label: str) -> list[dict[str, Any]]:
    """OpenLLMetry's attributes."""
    return attributes(**{
        "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": DESK, "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": text, "gen_ai.completion.0.content": label,
    })  # fmt: skip


def as_logs(at: int, text: str, label: str) -> list[dict[str, Any]]:
    """Events as log records beside the span."""

    def record(name: str, **body: Any) -> dict[str, Any]:
        return {"traceId": TRACE, "spanId": f"{at:016x}", "eventName": name, "body": attributes(x=body)[0]["value"]}

    logs = [record("gen_ai.system.message", content=DESK), record("gen_ai.user.message", content=text),
            record("gen_ai.choice", message={"role": "assistant", "content": label}, finish_reason="stop")]  # fmt: skip
    return [{"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}, otlp([span(at, [])])]


def console(at: int, text: str, label: str) -> dict[str, Any]:
    """A span as the console exporter of Python's SDK prints it."""
    plain = {each["key"]: next(iter(each["value"].values())) for each in flat(text, label)}
    return {"name": "chat", "context": {"trace_id": "0x1", "span_id": f"0x{at}"}, "kind": "SpanKind.CLIENT",
            "start_time": "2026-11-01T10:00:00.000000Z", "end_time": "2026-11-01T10:00:00.750000Z",
            "status": {"status_code": "UNSET"}, "attributes": {**plain, "gen_ai.request.model": "gpt-4o"},
            "events": []}  # fmt: skip


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def batch(rows: list[tuple[str, str]]) -> tuple[bytes, bytes]:
    asked = [{"custom_id": f"r{at}", "method": "POST", "url": "/v1/chat/completions",
              "body": {"model": "gpt-4o", "messages": chat(text)}} for at, (text, _) in enumerate(rows)]  # fmt: skip
    said = [{"id": f"b{at}", "custom_id": f"r{at}", "error": None,
             "response": {"status_code": 200, "body": completion(label)}}
            for at, (_, label) in enumerate(rows)]  # fmt: skip
    return lines(asked), lines(said)


ROWS = pairs()
LOGS = [spend_log(at, text, label) for at, (text, label) in enumerate(ROWS)]
FORMS: dict[str, tuple[tuple[str, bytes], ...]] = {
    "LiteLLM, JSON lines": (("spend.jsonl", lines(LOGS)),),
    "LiteLLM, a list": (("spend.json", json.dumps(LOGS, indent=2).encode()),),
    "LiteLLM, a page of its API": (("page.json", json.dumps({"data": LOGS, "total": 4}).encode()),),
    "LiteLLM, CSV": (("spend.csv", table(LOGS)),),
    "LiteLLM, gzipped": (("spend.jsonl.gz", gzip.compress(lines(LOGS))),),
    "LiteLLM, messages": (("spend.jsonl", lines([
        spend_log(at, text, label, messages=chat(text), response=completion(label), proxy_server_request=None)
        for at, (text, label) in enumerate(ROWS)])),),
    "OTLP, 1.37": (("spans.json", json.dumps(otlp([span(at, newest(*row)) for at, row in enumerate(ROWS)])).encode()),),
    "OTLP, indented": (
        ("spans.json", json.dumps(otlp([span(at, newest(*row)) for at, row in enumerate(ROWS)]), indent=2).encode()),),
    "OTLP, an event a message": (("s.jsonl", lines([otlp([with_events(at, *row)]) for at, row in enumerate(ROWS)])),),
    "OTLP, one event": (("s.jsonl", lines([otlp([oldest(at, *row)]) for at, row in enumerate(ROWS)])),),
    "OTLP, logs beside": (
        ("s.jsonl", lines([each for at, row in enumerate(ROWS) for each in as_logs(at, *row)])),),
    "OTLP, details in an event": (("s.jsonl", lines([otlp([span(at, [], [
        {"name": "gen_ai.client.inference.operation.details", "attributes": newest(*row)}])])
        for at, row in enumerate(ROWS)])),),
    "OpenLLMetry": (("s.jsonl", lines([otlp([span(at, flat(*row))]) for at, row in enumerate(ROWS)])),),
    "console spans": (
        ("s.json", "\n".join(json.dumps(console(at, *row), indent=4) for at, row in enumerate(ROWS)).encode()),),
    "bodies": (("b.jsonl", lines([
        {"request": {"model": "gpt-4o", "messages": chat(text)}, "response": completion(label)}
        for text, label in ROWS])),),
    "fine-tuning": (("f.jsonl", lines([
        {"messages": [*chat(text), {"role": "assistant", "content": label}]} for text, label in ROWS])),),
    "plain": (("p.jsonl", lines([
        {"system": DESK, "prompt": text, "response": label, "model": "gpt-4o"} for text, label in ROWS])),),
    "batch": tuple(zip(("asked.jsonl", "said.jsonl"), batch(ROWS), strict=True)),
    "batch, answers first": tuple(zip(("said.jsonl", "asked.jsonl"), reversed(batch(ROWS)), strict=True)),
}  # fmt: skip


def written(folder: Path, files: tuple[tuple[str, bytes], ...]) -> list[str]:
    for name, data in files:
        (folder / name).write_bytes(data)
    return [str(folder / name) for name, _ in files]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["scan", *written(tmp_path, FORMS[form]), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (desk,) = found["templates"]
    want = {label: sum(each == label for _, each in ROWS) for _, label in ROWS}
    assert desk["labels"] == want, found["notes"]
    assert (desk["requests"], desk["rows"], desk["verdict"]) == (4, 4, "more rows")
    assert desk["rows_missing"] > 900
    assert not any("could not be read" in note for note in found["notes"])


def test_spending_and_time_are_taken_over(tmp_path: Path) -> None:
    paths = [Path(each) for each in written(tmp_path, FORMS["LiteLLM, CSV"])]
    found = list(LogScan().exchanges(paths))
    assert [each.nano_usd for each in found] == [125_000] * 4
    assert [each.latency_ms for each in found] == [750.0] * 4
    assert found[0].at_s == 1_793_527_200.0


def test_known_models_are_priced_by_their_tokens(tmp_path: Path) -> None:
    paths = [Path(each) for each in written(tmp_path, FORMS["OTLP, 1.37"])]
    found = list(LogScan().exchanges(paths))
    assert all(each.is_priced and each.nano_usd > 0 for each in found)
    assert found[0].latency_ms == 750.0


def test_rows_without_prompts_say_what_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = [spend_log(at, *row, response="{}", proxy_server_request="{}") for at, row in enumerate(ROWS)]
    assert _run(["scan", *written(tmp_path, (("s.jsonl", lines(bare)),)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["verdict"] for each in found["templates"]] == ["no contents"]
    assert found["templates"][0]["spent_nano_usd"] == 500_000
    assert any("store_prompts_in_spend_logs" in note for note in found["notes"])


def test_bad_rows_are_counted_and_placed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = FORMS["plain"][0][1]
    bad = b'{"prompt": \n[1, 2]\n"text"\n{"prompt": 5, "response": "x"}\n\xff\xfe\n{"messages": "none"}\n'
    failed = lines([spend_log(9, "x", "y", status="failure"), spend_log(8, "x", "y", call_type="aembedding")])
    (tmp_path / "mixed.jsonl").write_bytes(good + bad + failed + good)
    assert _run(["scan", f"{tmp_path}/mixed.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "rows could not be read" in shown
    assert "mixed.jsonl:5" in shown
    assert "1 rows were left out: a failed call" in shown
    assert "1 rows were left out: no chat call" in shown
    assert DESK[:40] in shown


def test_a_missing_file_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["scan", f"{tmp_path}/none.jsonl"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_broken_archive_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(lines(LOGS))[:-30])
    assert _run(["scan", f"{tmp_path}/x.jsonl.gz"]) == 1
    assert "cannot be read" in capsys.readouterr().err


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["messages", "role", "content", "prompt", "response", "request", "body", "custom_id", "spend", "startTime",
             "request_id", "choices", "message", "attributes", "key", "value", "stringValue", "arrayValue", "values",
             "resourceSpans", "scopeSpans", "spans", "resourceLogs", "scopeLogs", "logRecords", "events", "name",
             "gen_ai.prompt", "gen_ai.input.messages", "gen_ai.output.messages", "parts", "type", "usage", "model",
             "tools", "error", "context", "start_time", "proxy_server_request", "endTime", "gen_ai.operation.name"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(st.lists(JSON, max_size=6))
def test_no_row_is_fatal(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    path.write_bytes(lines(rows))
    scanned = LogScan()
    found = list(scanned.exchanges([path]))
    assert len(found) <= 2_000
    assert scanned.notes()


@given(st.binary(max_size=300))
def test_no_file_is_fatal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("x.jsonl", "x.json", "x.csv"):
        (folder / name).write_bytes(data)
        assert LogScan().exchanges([folder / name]) is not None
        list(LogScan().exchanges([folder / name]))


def test_what_logs_are_worth_is_trained_from_the_routers_own_ledger(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [
        spend_log(at, text, label, messages=chat(text), response=completion(label))
        for at, (text, label) in enumerate(pairs(400))
    ]
    (tmp_path / "spend.json").write_text(json.dumps(rows))
    assert _run(["scan", f"{tmp_path}/spend.json", "--keep", "0.8", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    template = found["templates"][0]
    assert template["verdict"] == "train"
    assert yaml.safe_load(found["config"]) == {"ledger": {"contents": True}}
    assert f"train --from-ledger {template['template']}" in found["config"]


@pytest.mark.parametrize(("option", "value"), [("--keep", "2"), ("--keep", "0"), ("--confidence", "1")])
def test_a_promise_out_of_range_is_told_before_the_logs_are_read(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["scan", f"{tmp_path}/nowhere", option, value]) == 1
    assert f"{option[2:]} is {float(value)}" in capsys.readouterr().err


def test_requests_without_a_template_say_what_would_tell_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": f"what is {number} and why", "response": "a number"} for number in range(5)]
    (tmp_path / "plain.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert _run(["scan", f"{tmp_path}/plain.jsonl"]) == 0
    assert "a system message, or the hints" in capsys.readouterr().out
