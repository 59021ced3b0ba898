"""What a run came to: its outcome, summed over its attempts, and the refusal that is shown where there is no answer."""

from __future__ import annotations

from typing import Any, Literal

from ..errors import RouterError
from ..types import Outcome, Usage
from .course import Course
from .local import refusal

__all__ = ["outcome_of", "refusal_of"]


def refusal_of(course: Course) -> dict[str, Any]:
    """The policy's refusal, or what stands for a withheld answer, with the usage that was billed for it."""
    usage = Usage()
    if course.withheld is not None:
        answered = (attempt.usage for attempt in reversed(course.attempts) if attempt.error in (None, "rejected"))
        usage = next(answered, usage)
    now = int(course.means.now())
    return refusal(course.request, course.decision, created=now, why=course.withheld, usage=usage)


def outcome_of(
    course: Course,
    status: Literal["answered", "refused", "failed", "cancelled"],
    *,
    body: dict[str, Any] | None = None,
    failure: RouterError | None = None,
) -> Outcome:
    """What happened until now."""
    error = None if failure is None else getattr(failure, "kind", failure.code)
    if status == "refused" and course.withheld is not None:
        error = "content_filter"
    attempts = course.attempts
    last = attempts[-1] if attempts else None
    if status == "answered" and last is not None and len(attempts) == 1 and last.error is None:
        # As most end.
        return Outcome(
            status=status,
            model=last.model,
            body=body,
            usage=last.usage,
            usd=last.usd,
            latency_ms=course.elapsed_ms,
            ttft_ms=None if last.ttft_ms is None else last.started_ms + last.ttft_ms,
            attempts=(last,),
            flags=course.flags,
            saved_usd=_saved_usd(course, last.usd),
        )
    answered = last if last is not None and last.error is None else None
    if status in ("answered", "refused") and answered is None:
        answered = next((attempt for attempt in reversed(attempts) if attempt.error == "rejected"), None)
        last = answered or last
    costs = [attempt.usd for attempt in attempts]
    usd = None if None in costs else sum(cost for cost in costs if cost is not None)
    return Outcome(
        status=status,
        model=answered.model if answered is not None else None,
        body=body,
        usage=answered.usage if answered is not None else Usage(),
        usd=usd,
        latency_ms=course.elapsed_ms,
        ttft_ms=last.started_ms + last.ttft_ms if last is not None and last.ttft_ms is not None else None,
        attempts=tuple(attempts),
        escalated=any(a.error == "rejected" or (a.kind == "local" and a.error) for a in attempts),
        error=error,
        flags=course.flags,
        saved_usd=_saved_usd(course, usd),
    )


def _saved_usd(course: Course, usd: float | None) -> float | None:
    """What a cascade saved (or cost, below zero) against asking the larger model at once, by its estimate."""
    if course.decision.verdict.escalate is None or usd is None:
        return None
    larger = {choice.model for choice in course.plan.choices if choice.tier == "large"}
    estimates = (c.estimate.usd for c in course.decision.candidates if c.model in larger)
    alone = next((estimate for estimate in estimates if estimate is not None), None)
    return None if alone is None else alone - usd
