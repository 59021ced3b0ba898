"""What a run may do: the decision's target and fallbacks as choices with their cost and time, and how patient it is.

Made once a run, from values only; ``attempts.py`` walks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_exponential

from ..catalogue import Deployment
from ..price import worst_case_usd
from ..types import Decision, Snapshot, Tier, TokenCount, Verdict

__all__ = ["Choice", "Hedging", "Pacing", "Plan", "RetryState", "make_plan"]

_NO_SNAPSHOT = Snapshot(id="", now_s=0.0)


class RetryState(msgspec.Struct, frozen=True, kw_only=True):
    """What tenacity's wait and stop objects read of a ``RetryCallState``, without its clock."""

    attempt_number: int
    seconds_since_start: float = 0.0
    upcoming_sleep: float = 0.0
    idle_for: float = 0.0


class Hedging(msgspec.Struct, frozen=True, kw_only=True):
    """When a second call is made beside a slow one (Dean & Barroso, *The Tail at Scale*, 2013).

    Once the first takes longer than the 95th percentile of what was seen lately, and ``least_ms`` in any case;
    ``after_ms`` stands in where too little was seen, None hedges only what is known.
    """

    is_on: bool = False
    least_ms: float = 50.0
    after_ms: float | None = None


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a run is.

    At most ``max_calls`` calls are made, hedges included. ``wait`` and ``stop`` (tries at one deployment) are
    tenacity's: they are asked as pure functions of the number of the try; ``wait`` in seconds, before jitter.
    ``max_wait_s`` is the longest that a Retry-After or a deployment in its cooldown is waited for, ``patience_s`` the
    longest while there is another answer; at most ``most_waiting`` runs of a process wait for cooldowns, and one that
    would wait longer than ``probe_after_s`` probes before its end. ``timeout_s``
    bounds one call, ``ttft_timeout_s`` its first token, ``idle_timeout_s`` the silence within a stream. ``min_call_ms``
    is the least time in which a call makes sense.
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
    most_waiting: int = 256
    probe_after_s: float = 5.0
    hedging: Hedging = Hedging()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One target that the decision allows.

    ``worst_usd`` is None when unknown. ``expected_ms`` is the catalogue's or the measured time, ``usual_ms`` and
    ``tail_ms`` (95th percentile) only what was measured; ``hedge_ms`` is after how long a second call may be made.
    Costs and times stand only where a limit asks for them.
    """

    model: str
    kind: Literal["local", "llm"]
    tier: Tier | None = None
    worst_usd: float | None = 0.0
    expected_ms: float = 0.0
    usual_ms: float | None = None
    tail_ms: float | None = None
    hedge_ms: float | None = None
    context_tokens: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run may do: the choices in order, the limits, and ``jitter`` (0..1, drawn once a run)."""

    choices: tuple[Choice, ...]
    refused: bool = False
    max_usd: float | None = None
    max_latency_ms: float | None = None
    jitter: float = 0.5
    pacing: Pacing = Pacing()
    hedge: bool = False


_DEFAULT_PACING = Pacing()


def make_plan(
    decision: Decision,
    deployments: Mapping[str, Deployment],
    *,
    jitter: float = 0.5,
    pacing: Pacing = _DEFAULT_PACING,
    is_stream: bool = False,
) -> Plan:
    """The target and its fallbacks in the decision's order, less those that the verdict forbids or that cannot be
    called from here."""
    verdict = decision.verdict
    if decision.target.kind == "refuse" or verdict.refuse is not None:
        return Plan(choices=(), refused=True, jitter=jitter, pacing=pacing)
    limit, limit_ms = decision.budget.max_usd, decision.budget.max_latency_ms
    seen = decision.snapshot or _NO_SNAPSHOT
    is_bound, is_limited = bool(verdict.forbid or verdict.require), limit is not None or limit_ms is not None
    measure: _Measure | None = None
    if is_limited or pacing.hedging.is_on:
        measure = _Measure(
            seen=seen,
            tokens=_billable(decision) if is_limited else None,
            costs=limit is not None,
            times=limit_ms is not None,
            hedging=pacing.hedging if pacing.hedging.is_on else None,
            hedge_tails=seen.ttft_tail_ms if is_stream else seen.tail_ms,
            max_latency_ms=limit_ms,
        )
    choices: list[Choice] = []
    for name in dict.fromkeys((decision.target.model, *decision.fallbacks)):
        if name is None:
            continue
        if len(choices) == pacing.max_calls:
            break
        if decision.target.kind == "local" and name == decision.target.model:
            if not is_bound or _allows(verdict, {"local", name}):
                choices.append(Choice(model=name, kind="local"))
            continue
        deployment = deployments.get(name)
        if deployment is None or not deployment.configured:
            continue
        if is_bound and not _allows(verdict, _traits(deployment)):
            continue
        if measure is not None:
            choices.append(measure.choice(deployment))
        else:
            tier, window = deployment.tier, deployment.context_tokens
            choices.append(Choice(model=name, kind="llm", tier=tier, worst_usd=None, context_tokens=window))
    return Plan(
        choices=tuple(choices),
        max_usd=limit,
        max_latency_ms=limit_ms,
        jitter=jitter,
        pacing=pacing,
        hedge=pacing.hedging.is_on,
    )


class _Measure(msgspec.Struct, frozen=True, kw_only=True):
    """What each choice is given beside its name; only a limit or a hedge asks what it would cost or take."""

    seen: Snapshot
    tokens: TokenCount | None
    costs: bool
    times: bool
    hedging: Hedging | None
    hedge_tails: Mapping[str, float]
    max_latency_ms: float | None

    def choice(self, deployment: Deployment) -> Choice:
        name, tokens = deployment.name, self.tokens
        worst = None
        if self.costs and tokens is not None:
            worst = worst_case_usd(deployment.price, tokens, max_latency_ms=self.max_latency_ms)
        usual = self.seen.latency_ms.get(name) if self.times else None
        expected = 0.0
        if self.times:
            prior = deployment.ttft_ms + (tokens.output if tokens else 0) * 1000.0 / deployment.tokens_per_s
            expected = prior if usual is None else usual
        return Choice(
            model=name,
            kind="llm",
            tier=deployment.tier,
            worst_usd=worst,
            expected_ms=expected,
            usual_ms=usual,
            tail_ms=self.seen.tail_ms.get(name) if self.times else None,
            hedge_ms=self._hedge_ms(name),
            context_tokens=deployment.context_tokens,
        )

    def _hedge_ms(self, name: str) -> float | None:
        if self.hedging is None:
            return None
        after = self.hedge_tails.get(name, self.hedging.after_ms)
        return None if after is None else max(after, self.hedging.least_ms)


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
    if verdict.forbid & traits:
        return False
    if "local" in traits:
        return not verdict.require & {"llm", "small", "large"}
    return verdict.require - {"llm"} <= traits
