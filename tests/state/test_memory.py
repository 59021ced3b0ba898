from __future__ import annotations

import json
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BudgetExceeded, ConfigError
from router.state.jsonl import JsonlLedger
from router.state.memory import MemoryBudgets, MemoryLedger
from router.state.store import SpendLimit
from router.types import (
    Budget,
    Decision,
    Estimate,
    Outcome,
    PolicyRef,
    Record,
    Target,
    TaskReading,
    Verdict,
)

NOON = 1_800_000_000.0


def a_record(number: int = 0) -> Record:
    decision = Decision(
        id=f"d{number}",
        policy=PolicyRef(name="guide", hash="h"),
        task=TaskReading(label="other", probability=0.5),
        target=Target(kind="llm", tier="small", model="m"),
        fallbacks=(),
        rules=("RWD-03",),
        reason="because",
        estimate=Estimate(),
        candidates=(),
        signals={},
        verdict=Verdict(forbid=frozenset({"local"})),
        budget=Budget(),
    )
    return Record(decision=decision, outcome=Outcome(status="answered"))


def test_no_limits_never_refuse() -> None:
    budgets = MemoryBudgets()
    budgets.reserve("r", None, 1e9, NOON)
    assert budgets.left_usd("t", NOON) is None


def test_reservation_beyond_the_limit_is_refused() -> None:
    budgets = MemoryBudgets([SpendLimit(usd=1.0, window="day")])
    budgets.reserve("a", None, 0.7, NOON)
    with pytest.raises(BudgetExceeded, match=r"leaves \$0\.30") as refusal:
        budgets.reserve("b", None, 0.4, NOON)
    assert refusal.value.left_usd == pytest.approx(0.3)
    assert refusal.value.resets_at == "2027-01-16T00:00:00+00:00"


def test_settlement_returns_what_was_not_spent() -> None:
    budgets = MemoryBudgets([SpendLimit(usd=1.0)])
    budgets.reserve("a", None, 0.7, NOON)
    budgets.settle("a", 0.1, NOON)
    assert budgets.left_usd(None, NOON) == pytest.approx(0.9)


def test_settling_twice_counts_once() -> None:
    budgets = MemoryBudgets([SpendLimit(usd=1.0)])
    budgets.reserve("a", None, 0.5, NOON)
    budgets.settle("a", 0.5, NOON)
    budgets.settle("a", 0.5, NOON)
    assert budgets.left_usd(None, NOON) == pytest.approx(0.5)


def test_each_tenant_has_its_own_window() -> None:
    budgets = MemoryBudgets([SpendLimit(usd=1.0, window="hour", tenant="*")])
    budgets.reserve("a", "red", 1.0, NOON)
    budgets.reserve("b", "blue", 1.0, NOON)
    assert budgets.left_usd("red", NOON) == 0
    assert budgets.left_usd("red", NOON + 3600) == 1.0


def test_refused_reservation_sets_nothing_aside() -> None:
    budgets = MemoryBudgets([SpendLimit(usd=5.0), SpendLimit(usd=1.0, tenant="red")])
    with pytest.raises(BudgetExceeded):
        budgets.reserve("a", "red", 2.0, NOON)
    assert budgets.left_usd("blue", NOON) == 5.0


@given(st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 1)), max_size=30))
def test_reservations_never_overshoot(steps: list[tuple[float, float]]) -> None:
    budgets = MemoryBudgets([SpendLimit(usd=1.0)])
    spent = 0.0
    for index, (amount, share) in enumerate(steps):
        try:
            budgets.reserve(str(index), None, amount, NOON)
        except BudgetExceeded:
            continue
        budgets.settle(str(index), amount * share, NOON)
        spent += amount * share
    assert spent <= 1.0 + 1e-6
    assert budgets.left_usd(None, NOON) == pytest.approx(max(0.0, 1.0 - spent), abs=1e-6)


def test_threads_cannot_overspend_together() -> None:
    budgets = MemoryBudgets([SpendLimit(usd=1.0)])
    granted: list[int] = []

    def spend(worker: int) -> None:
        for turn in range(50):
            try:
                budgets.reserve(f"{worker}-{turn}", None, 0.01, NOON)
            except BudgetExceeded:
                return
            granted.append(1)

    threads = [threading.Thread(target=spend, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100


def test_memory_ledger_keeps_the_newest() -> None:
    ledger = MemoryLedger(keep=3)
    for number in range(5):
        ledger.append(a_record(number))
    assert [record.decision.id for record in ledger.tail(10)] == ["d2", "d3", "d4"]
    assert ledger.tail(0) == []


def test_file_ledger_writes_every_record(tmp_path: Path) -> None:
    ledger = JsonlLedger(tmp_path / "deep" / "ledger.jsonl", queue_size=4)
    for number in range(100):
        ledger.append(a_record(number))
    ledger.close()
    ledger.close()
    rows = [json.loads(line) for line in (tmp_path / "deep" / "ledger.jsonl").read_text().splitlines()]
    assert sorted(row["decision"]["id"] for row in rows) == sorted(f"d{number}" for number in range(100))


def test_file_ledger_rows_read_back(tmp_path: Path) -> None:
    ledger = JsonlLedger(tmp_path / "ledger.jsonl")
    ledger.append(a_record())
    ledger.close()
    assert msgspec.json.decode((tmp_path / "ledger.jsonl").read_bytes(), type=Record) == a_record()


def test_unwritable_ledger_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="ledger"):
        JsonlLedger(tmp_path / "file" / "ledger.jsonl")
