"""What comes next: call, wait or stop, from the decision, the attempts so far, and the time and money left.

One pure function, so that every interleaving of retry, fallback, escalation and deadline can be tested without clock
or network; ``backends/run.py`` does what it says. It knows no provider and reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_exponential

from ..catalogue import Deployment, worst_case_usd
from ..types import Attempt, Decision, TokenCount, Verdict

__all__ = ["Call", "Choice", "Pacing", "Plan", "Step", "Stop", "StopReason", "Wait", "make_plan", "next_step"]

StopReason = Literal["answered", "refused", "cut", "cancelled", "final", "deadline", "money", "exhausted"]

# Errors that another deployment would answer with as well, or that must not be shopped around for.
_FINAL = frozenset({"bad_request", "content_filter"})
_CLOCK_MS = 0.5


class RetryState(msgspec.Struct, frozen=True, kw_only=True):
    """What tenacity's wait and stop objects read of a ``RetryCallState``, without its clock."""

    attempt_number: int
    seconds_since_start: float = 0.0
    upcoming_sleep: float = 0.0
    idle_for: float = 0.0


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a run is.

    ``tries`` calls at most go to one deployment and ``max_calls`` to all. ``wait`` and ``stop`` are tenacity's (they
    are asked as pure functions of the number of the try; ``wait`` in seconds, before jitter). ``max_wait_s`` is the
    longest Retry-After that is waited for, ``patience_s`` the longest while another deployment could answer.
    ``timeout_s`` bounds one call, ``ttft_timeout_s`` its first token, ``idle_timeout_s`` the silence within a stream.
    ``min_call_ms`` is the least time in which a call makes sense.
    """

    max_calls: int = 6
    wait: Callable[[Any], float] = wait_exponential(multiplier=0.25, max=8.0)
    stop: Callable[[Any], bool] = stop_after_attempt(2)
    max_wait_s: float = 30.0
    patience_s: float = 1.0
    timeout_s: float = 600.0
    ttft_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    min_call_ms: float = 2.0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One target that the decision allows. ``worst_usd`` is None when unknown; both figures stand only where a limit
    asks for them."""

    model: str
    kind: Literal["local", "llm"]
    worst_usd: float | None = 0.0
    expected_ms: float = 0.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run may do: the choices in order, the limits, and ``jitter`` (0..1, drawn once a run)."""

    choices: tuple[Choice, ...]
    refused: bool = False
    max_usd: float | None = None
    max_latency_ms: float | None = None
    jitter: float = 0.5
    pacing: Pacing = Pacing()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Call ``model`` now. ``escalates`` says that a local model was to answer and could not."""

    model: str
    kind: Literal["local", "llm"]
    timeout_ms: float
    ttft_ms: float
    escalates: bool = False


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Wait until ``until_ms`` after the start of the run, then ask again."""

    until_ms: float


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more may be done; ``reason`` says why."""

    reason: StopReason


Step = Call | Wait | Stop
_DEFAULT_PACING = Pacing()


def make_plan(
    decision: Decision,
    deployments: Mapping[str, Deployment],
    *,
    jitter: float = 0.5,
    pacing: Pacing = _DEFAULT_PACING,
) -> Plan:
    """The target and its fallbacks in the decision's order, less those that the verdict forbids or that cannot be
    called from here."""
    verdict = decision.verdict
    if decision.target.kind == "refuse" or verdict.refuse is not None:
        return Plan(choices=(), refused=True, jitter=jitter, pacing=pacing)
    tokens = _billable(decision)
    costs, times = decision.budget.max_usd is not None, decision.budget.max_latency_ms is not None
    choices: list[Choice] = []
    for name in dict.fromkeys((decision.target.model, *decision.fallbacks)):
        if name is None:
            continue
        if len(choices) == pacing.max_calls:
            break
        if decision.target.kind == "local" and name == decision.target.model:
            if _allows(verdict, {"local", name}):
                choices.append(Choice(model=name, kind="local"))
            continue
        deployment = deployments.get(name)
        if deployment is None or not deployment.configured or not _allows(verdict, _traits(deployment)):
            continue
        # Only a limit asks what a choice would cost or take.
        worst = worst_case_usd(deployment.price, tokens) if costs and tokens is not None else None
        expected = 0.0
        if times:
            expected = deployment.ttft_ms + (tokens.output if tokens else 0) * 1000.0 / deployment.tokens_per_s
        choices.append(Choice(model=name, kind="llm", worst_usd=worst, expected_ms=expected))
    return Plan(
        choices=tuple(choices),
        max_usd=decision.budget.max_usd,
        max_latency_ms=decision.budget.max_latency_ms,
        jitter=jitter,
        pacing=pacing,
    )


def next_step(plan: Plan, attempts: Sequence[Attempt], elapsed_ms: float) -> Step:
    """What to do now, ``elapsed_ms`` after the start of the run."""
    if plan.refused:
        return Stop(reason="refused")
    last = attempts[-1] if attempts else None
    if last is not None:
        if last.error is None:
            return Stop(reason="answered")
        if last.error == "cancelled":
            return Stop(reason="cancelled")
        if last.ttft_ms is not None:
            return Stop(reason="cut")
        if last.error in _FINAL:
            return Stop(reason="final")
    if plan.max_latency_ms is not None and plan.max_latency_ms - elapsed_ms < plan.pacing.min_call_ms:
        return Stop(reason="deadline")
    if len(attempts) >= plan.pacing.max_calls:
        return Stop(reason="exhausted")
    at = -1 if last is None else _index(plan, last.model)
    later = _next_affordable(plan, attempts, at + 1)
    if last is not None and at >= 0:
        retry = _retry(plan, attempts, last, later is not None, at)
        if retry is not None:
            return _call(plan, at, later, elapsed_ms) if retry - elapsed_ms <= _CLOCK_MS else Wait(until_ms=retry)
    if later is not None:
        return _call(plan, later, _next_affordable(plan, attempts, later + 1), elapsed_ms)
    if at + 1 < len(plan.choices):
        return Stop(reason="money")
    waits = last is not None and last.retryable and _backoff(plan, attempts, last) is not None
    return Stop(reason="deadline" if waits and plan.max_latency_ms is not None else "exhausted")


def _retry(plan: Plan, attempts: Sequence[Attempt], last: Attempt, has_later: bool, at: int) -> float | None:
    """When the last choice may be called again, in ms after the start; None when it may not."""
    delay_s = _backoff(plan, attempts, last)
    if delay_s is None or not _affordable(plan, attempts, at):
        return None
    if delay_s > (plan.pacing.patience_s if has_later else plan.pacing.max_wait_s):
        return None
    at_ms = last.started_ms + last.latency_ms + delay_s * 1000.0
    if plan.max_latency_ms is not None and plan.max_latency_ms - at_ms < plan.pacing.min_call_ms:
        return None
    return at_ms


def _backoff(plan: Plan, attempts: Sequence[Attempt], last: Attempt) -> float | None:
    """Seconds to wait before the same choice is tried again; None when it had its tries or must not be retried."""
    if not last.retryable:
        return None
    state = RetryState(attempt_number=sum(attempt.model == last.model for attempt in attempts))
    if plan.pacing.stop(state):
        return None
    # Equal jitter: half of the wait is certain, so that a run neither hammers nor dawdles.
    delay = plan.pacing.wait(state) * (0.5 + 0.5 * plan.jitter)
    return max(delay, last.retry_after_s or 0.0)


def _call(plan: Plan, index: int, later: int | None, elapsed_ms: float) -> Call:
    choice = plan.choices[index]
    timeout = plan.pacing.timeout_s * 1000.0
    if plan.max_latency_ms is not None:
        left = plan.max_latency_ms - elapsed_ms
        # Time for the next choice is kept back, as long as this one keeps what it usually needs.
        kept = plan.choices[later].expected_ms if later is not None else 0.0
        timeout = min(timeout, max(left - kept, min(left, choice.expected_ms * 1.5), left / 2))
    return Call(
        model=choice.model,
        kind=choice.kind,
        timeout_ms=timeout,
        ttft_ms=min(timeout, plan.pacing.ttft_timeout_s * 1000.0),
        escalates=choice.kind == "llm" and plan.choices[0].kind == "local",
    )


def _next_affordable(plan: Plan, attempts: Sequence[Attempt], start: int) -> int | None:
    return next((i for i in range(start, len(plan.choices)) if _affordable(plan, attempts, i)), None)


def _affordable(plan: Plan, attempts: Sequence[Attempt], index: int) -> bool:
    # The decision itself held its target against the limit; only what follows must be checked here.
    if plan.max_usd is None or (index == 0 and not attempts):
        return True
    worst = plan.choices[index].worst_usd
    if worst is None:
        return False
    spent = 0.0
    for attempt in attempts:
        known = attempt.usd
        if known is None:
            known = next((c.worst_usd for c in plan.choices if c.model == attempt.model), None)
        if known is None:
            return False
        spent += known
    return spent + worst <= plan.max_usd * (1 + 1e-9)


def _index(plan: Plan, model: str) -> int:
    return next((i for i, choice in enumerate(plan.choices) if choice.model == model), -1)


def _billable(decision: Decision) -> TokenCount | None:
    signal = decision.signals.get("tokens")
    tokens: TokenCount | None = signal.value if signal is not None else None
    if tokens is not None and decision.max_output_tokens is not None:
        return msgspec.structs.replace(tokens, output_max=min(tokens.output_max, decision.max_output_tokens))
    return tokens


def _traits(deployment: Deployment) -> set[str]:
    traits = {deployment.tier, deployment.name, *deployment.tags}
    # "llm" forbids what leaves the house; an in-house server does not.
    traits.add("in_house" if deployment.in_house else "llm")
    return traits


def _allows(verdict: Verdict, traits: set[str]) -> bool:
    if not verdict.forbid and not verdict.require:
        return True
    if verdict.forbid & traits:
        return False
    if "local" in traits:
        return not verdict.require & {"llm", "small", "large"}
    return verdict.require - {"llm"} <= traits
