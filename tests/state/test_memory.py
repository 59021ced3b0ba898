from __future__ import annotations

from ledger_records import a_record

from router.state.memory import MemoryLedger


def test_memory_ledger_keeps_the_newest() -> None:
    ledger = MemoryLedger(keep=3)
    for number in range(5):
        ledger.append(a_record(number))
    assert [record.decision.id for record in ledger.tail(10)] == ["d2", "d3", "d4"]
    assert ledger.tail(0) == []
