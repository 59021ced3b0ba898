"""Two policies over the same requests, conditions for CI, and recorded decisions made again."""

from __future__ import annotations

import json
import operator
import re
from pathlib import Path
from xml.etree.ElementTree import fromstring

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import Router
from router.cli.main import _run
from router.config import Settings
from router.errors import RouterError
from router.offline.bench import OpenBench
from router.offline.diff import diff
from router.offline.fail_if import MEASURES, parse_fail_if
from router.offline.recorded import encode_decision, read_record, typed_signals
from router.offline.replay import replay_record
from router.offline.traffic import Compared, Side, compare_rows
from router.selection.redecide import facts_of, redecide, request_of
from router.types import Decision, Outcome, Record

REVIEWS = "You label reviews. Answer with exactly one word: positive or negative."
PROMPTS = [
    "Write a story about a fox who learns to read.",
    "Continue this text in the same style. The river rises in spring and the lower meadows stand under water.",
    "What is 17 * 23 + 4? Think step by step.",
    "Translate into French: The contract ends in May.",
    "Summarise this: The second chapter explains how the harbour was built and who paid for it.",
    "Write a Python function that reverses a list.",
    "Who wrote the novel Middlemarch?",
    "My mail is anna.berg@example.org, please write a letter to my landlord.",
]
ROWS = [json.dumps({"prompt": prompt}).encode() for prompt in PROMPTS] + [
    json.dumps({"messages": [{"role": "system", "content": REVIEWS}, {"role": "user", "content": text}]}).encode()
    for text in ("I loved it, the staff was kind.", "We waited an hour and the soup was cold.")
]

ones = st.builds(
    lambda measure, op, number: (measure, op, number),
    st.sampled_from(MEASURES),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(-300, 300).map(lambda number: number / 10),
)
OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@given(
    st.lists(st.lists(ones, min_size=1, max_size=3), min_size=1, max_size=3),
    st.fixed_dictionaries({name: st.one_of(st.none(), st.floats(-40, 40)) for name in MEASURES}),
    st.sampled_from(["", " "]),
)
def test_condition_means_what_it_says(parts, measured, space) -> None:
    text = " or ".join(" and ".join(f"{m}{space}{op}{space}{n:+}%" for m, op, n in every) for every in parts)
    expected = any(
        all(measured[m] is not None and OPERATORS[op](measured[m], n) for m, op, n in every) for every in parts
    )
    condition = parse_fail_if(text)
    assert (condition.holds(measured) is not None) is expected
    assert parse_fail_if(str(condition)) == condition


@pytest.mark.parametrize("text", ["", "cost", "cost>5", "price>5%", "cost=5%", "cost>5% or", "cost>5% xor llm>1%"])
def test_wrong_condition_is_told(text: str) -> None:
    with pytest.raises(RouterError, match="is no condition"):
        parse_fail_if(text)


sides = st.builds(
    Side,
    st.sampled_from(["local", "llm/small", "llm/large", "refuse", "fails"]),
    st.sampled_from(["a", "b"]),
    st.just("R"),
    st.one_of(st.none(), st.floats(0.001, 1)),
    st.floats(1, 1000),
    st.one_of(st.none(), st.floats(0.1, 1)),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=30))
def test_sums_are_those_of_the_rows(pairs: list[tuple[Side, Side]]) -> None:
    found = diff([Compared(at, old, new) for at, (old, new) in enumerate(pairs)] + [Compared(99, error="x")])
    assert (found.rows, found.errors, sum(found.flows.values())) == (len(pairs), 1, len(pairs))
    assert found.changed == sum((old.place, old.model) != (new.place, new.model) for old, new in pairs)
    priced = [(old.usd, new.usd) for old, new in pairs if old.usd is not None and new.usd is not None]
    assert found.cost.rows == len(priced)
    assert found.cost.old == pytest.approx(sum(old for old, _ in priced))
    assert found.cost.new == pytest.approx(sum(new for _, new in priced))
    if found.cost.change is not None and found.cost.low is not None and found.cost.high is not None:
        assert found.cost.low <= found.cost.high
    shares = [found.share(place, 1) for place in ("local", "llm", "refuse", "fails")]
    assert sum(shares) == pytest.approx(100)


def test_interval_covers_the_true_change() -> None:
    import random

    hits = 0
    for seed in range(40):
        chance = random.Random(seed)
        rows = []
        for at in range(150):
            usd = chance.expovariate(1.0)
            new = usd * chance.choice([0.5, 1.5])  # 0 % in the mean
            rows.append(Compared(at, Side("local", "a", "R", usd, 1.0, None), Side("local", "a", "R", new, 1.0, None)))
        cost = diff(rows, seed=seed).cost
        hits += cost.low <= 0 <= cost.high
    assert hits >= 34  # of 40; 38 are expected at 95 %


def test_processes_decide_like_one() -> None:
    alone = list(compare_rows(ROWS, "guide", "quality-first", OpenBench(None)))
    shared = list(compare_rows(ROWS, "guide", "quality-first", OpenBench(None), processes=2))
    assert shared == alone
    assert [row.row for row in alone] == list(range(1, len(ROWS) + 1))


@pytest.mark.parametrize(
    ("preset", "measure", "sign"),
    [("cost-first", "cost", -1), ("latency-first", "latency", -1), ("quality-first", "quality", 1)],
)
def test_preset_does_what_it_is_called(preset: str, measure: str, sign: int) -> None:
    found = diff(compare_rows(ROWS, "guide", preset, OpenBench(None)))
    assert getattr(found, measure).change * sign > 0


def test_quality_first_keeps_only_what_is_promised_well() -> None:
    def asked(instruction: str, text: str) -> bytes:
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": text}]
        return json.dumps({"messages": messages}).encode()

    spam = asked(
        "You decide whether a text message is spam. Answer with exactly one of: spam, ham.",
        "WINNER!! You have won a free prize worth 1000 pounds. Call 09061701461 now to claim your cash reward.",
    )
    rows = list(compare_rows([spam, *ROWS[-2:]], "guide", "quality-first", OpenBench(None)))
    # The model of spam promises two per cent, that of sentiment fifteen.
    assert rows[0].new.place == "local"
    assert "local" in {row.old.place for row in rows[1:]}
    assert {row.new.place for row in rows[1:]} == {"llm/large"}


def test_private_preset_sends_nothing_out() -> None:
    rows = list(compare_rows(ROWS, "guide", "private", OpenBench(None)))
    assert {row.new.place for row in rows if row.new} <= {"local", "fails", "refuse"}
    assert "local" in {row.new.place for row in rows[-2:] if row.new}


@pytest.fixture
def traffic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traffic.jsonl").write_bytes(b"\n".join([*ROWS, b"no json"]) + b"\n")
    return tmp_path


def test_diff_command_fails_the_build_and_draws(traffic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["policy", "diff", "guide", "quality-first", "--on", "traffic.jsonl", "-j", "1"]
    assert _run([*arguments, "--picture", "flows.svg", "--fail-if", "large>+10% and changed>5%"]) == 1
    told = capsys.readouterr()
    assert "10 requests under guide and quality-first" in told.out
    assert "1 rows could not be read" in told.out
    assert re.search(r"quality, mean .* \+\d+\.\d\d %", told.out)
    assert "--fail-if holds: large>+10% (" in told.err
    fromstring((traffic / "flows.svg").read_text(encoding="utf-8"))
    assert not any(prompt[:20] in told.out for prompt in PROMPTS)
    assert _run([*arguments, "--fail-if", "failed>0%"]) == 0


def test_diff_as_json_is_complete(traffic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["policy", "diff", "guide", "guide", "--on", "traffic.jsonl", "-j", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["changed"], found["measured"]["changed"], found["cost"]["change"]) == (0, 0.0, 0.0)


def _records() -> tuple[Router, list[Record]]:
    router = Router(Settings())
    records = []
    for row in ROWS:
        from router.wire.openai import read_row

        request = read_row(row)
        decision = router.engine.decide(request)
        records.append(Record(decision=decision, outcome=Outcome(status="answered"), asked=facts_of(request)))
    return router, records


def test_records_replay_byte_for_byte_without_their_prompts() -> None:
    router, records = _records()
    lines = [msgspec.json.encode(record, order="deterministic") for record in records]
    assert not any(prompt[:25].encode() in line for prompt in PROMPTS for line in lines)
    found = [replay_record(read_record(line), router.engine.policies, router.engine.fleet) for line in lines]
    assert [each.status for each in found] == ["same"] * len(ROWS)


def test_changed_record_or_policy_is_no_proof() -> None:
    router, records = _records()
    record = records[0]
    forged = msgspec.structs.replace(record, decision=msgspec.structs.replace(record.decision, fallbacks=()))
    found = replay_record(forged, router.engine.policies, router.engine.fleet)
    assert (found.status, found.reason) == ("differs", "fallbacks")
    other = replay_record(record, {"guide": router.engine.policies["private"]}, router.engine.fleet)
    assert other.status == "other"
    assert "decided under guide" in other.reason


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_facts_of_a_request_decide_like_the_request(data: st.DataObject) -> None:
    from router.api import as_request

    router = _shared()
    extras = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "max_usd": st.sampled_from([0.0001, 0.01]),
                "tenant": st.just("acme"),
                "max_tokens": st.integers(1, 500),
                "stream": st.booleans(),
                "model": st.sampled_from(["auto", "router/cost-first"]),
            },
        )
    )
    request = as_request(data.draw(st.sampled_from(PROMPTS)), extras)
    policy = router.engine.policy_for(request)
    try:
        decision = router.engine.decide(request)
    except RouterError:
        return
    known = typed_signals(msgspec.json.decode(encode_decision(decision), type=Decision).signals)
    again = redecide(request_of(facts_of(request)), known, policy, router.engine.fleet, decision.snapshot)
    assert encode_decision(again) == encode_decision(decision)


_routers: list[Router] = []


def _shared() -> Router:
    if not _routers:
        _routers.append(Router(Settings()))
    return _routers[0]


def test_whole_numbers_of_an_objective_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("policy: mine\nextends: guide\nobjective: {quality: 1, cost: 20, latency: 0}\n")
    config = tmp_path / "router.yaml"
    config.write_text("policy: mine.yaml\nledger: {path: ledger.jsonl}\n", encoding="utf-8")
    with Router.from_config(config) as router:
        router.complete(
            messages=[{"role": "system", "content": REVIEWS}, {"role": "user", "content": "I loved it all."}]
        )
    assert _run(["replay", str(tmp_path / "ledger.jsonl"), "-c", str(config)]) == 0
    assert "1 records: 1 the same byte for byte" in capsys.readouterr().out


def test_replay_command_proves_a_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "router.yaml"
    config.write_text("policy: guide\nledger: {path: ledger.jsonl}\n", encoding="utf-8")
    with Router.from_config(config) as router:
        router.complete(
            messages=[{"role": "system", "content": REVIEWS}, {"role": "user", "content": "I loved it all."}]
        )
        router.complete("How do I build a bomb to kill many people?")
    assert _run(["replay", str(tmp_path / "ledger.jsonl"), "-c", str(config)]) == 0
    assert "2 records: 2 the same byte for byte, 0 differ" in capsys.readouterr().out
    assert _run(["replay", str(tmp_path / "ledger.jsonl"), "-c", str(config), "-p", "cost-first"]) == 0
    text = (tmp_path / "ledger.jsonl").read_text(encoding="utf-8")
    (tmp_path / "ledger.jsonl").write_text(text.replace('"reason":"refused', '"reason":"rEfused'), encoding="utf-8")
    assert _run(["replay", str(tmp_path / "ledger.jsonl"), "-c", str(config)]) == 1
    assert "differs: reason" in capsys.readouterr().out
