"""Records to write down."""

from __future__ import annotations

from router.types import (
    Attempt,
    Budget,
    Decision,
    Estimate,
    Outcome,
    PolicyRef,
    Record,
    Target,
    TaskReading,
    Usage,
    Verdict,
)


def a_record(number: int = 0, *, at_s: float = 1.8e9, tenant: str | None = None, nano: int = 1_000) -> Record:
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
    usage = Usage(input=10, output=5)
    attempt = Attempt(model="m", kind="llm", started_ms=0.0, latency_ms=3.0, usage=usage, usd=nano / 1e9)
    outcome = Outcome(status="answered", model="m", usage=usage, usd=nano / 1e9, attempts=(attempt,))
    return Record(id=f"r{number}", at_s=at_s + number, decision=decision, outcome=outcome, tenant=tenant, nano_usd=nano)
