from __future__ import annotations

from router.state.memory import MemoryLedger
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


def test_memory_ledger_keeps_the_newest() -> None:
    ledger = MemoryLedger(keep=3)
    for number in range(5):
        ledger.append(a_record(number))
    assert [record.decision.id for record in ledger.tail(10)] == ["d2", "d3", "d4"]
    assert ledger.tail(0) == []
