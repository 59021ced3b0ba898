"""The typed error of a run that stopped without an answer: what was wrong, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..catalogue import Deployment, provider_key_env
from ..errors import BudgetExceeded, DeadlineExceeded, NoCandidate, NotConfigured, RouterError, UpstreamError
from ..selection.plan import Plan
from ..selection.steps import Stop
from ..types import Decision
from ..units import format_ms

__all__ = ["Failed", "loading_note", "run_failure"]


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. The errors are the last of their kind; ``blocked`` says why nothing could be sent;
    ``cooling_s`` in how many seconds the first deployment may be called again that is cooling down."""

    stop: Stop
    calls: int
    elapsed_ms: float
    loading_ms: float = 0.0
    hosted: UpstreamError | None = None
    local: UpstreamError | None = None
    blocked: RouterError | None = None
    cooling_s: float | None = None


def run_failure(found: Failed, plan: Plan, decision: Decision, deployments: Mapping[str, Deployment]) -> RouterError:
    """The error that the caller gets."""
    last, stop, limit = found.hosted, found.stop, plan.max_latency_ms
    if stop.reason == "deadline" and limit is not None and (last is None or last.kind == "timeout"):
        return _late(found, limit)
    if stop.reason == "cut" and limit is not None and limit - found.elapsed_ms < plan.pacing.min_call_ms:
        return _late(found, limit)
    if found.blocked is not None and last is None:
        return found.blocked
    last = last or found.local
    if last is not None:
        return last
    if stop.reason == "money":
        return BudgetExceeded(
            "no allowed model fits the money left.",
            left_usd=plan.max_usd,
            hint="Raise max_usd, or shorten the request.",
        )
    if stop.reason == "unavailable":
        names = [choice.model for choice in plan.choices]
        wait = found.cooling_s or 1.0
        return UpstreamError(
            f"{', '.join(names)}: cooling down after failures; nothing was sent.",
            kind="overload",
            retryable=True,
            retry_after_s=wait,
            deployment=names[0] if names else None,
            hint=f"Try again in {wait:.0f} s, or register another deployment.",
        )
    if stop.reason == "deadline" and limit is not None:
        return _late(found, limit)
    return _nothing_to_call(decision, deployments)


def loading_note(loading_ms: float) -> str:
    """What went into loading a backend, in words."""
    return f"{format_ms(loading_ms)} went into loading the client"


def _late(found: Failed, limit: float) -> DeadlineExceeded:
    loaded = f"; {loading_note(found.loading_ms)}" if found.loading_ms else ""
    return DeadlineExceeded(
        f"no complete answer within {format_ms(limit)} ({found.calls} calls{loaded}).",
        elapsed_ms=found.elapsed_ms,
        limit_ms=limit,
        hint="Load it beforehand with warm()." if loaded else "Raise max_latency_ms, or ask for a shorter answer.",
    )


def _nothing_to_call(decision: Decision, deployments: Mapping[str, Deployment]) -> RouterError:
    named: Sequence[str] = [name for name in (decision.target.model, *decision.fallbacks) if name is not None]
    known = [deployments[name] for name in named if name in deployments]
    if known and not any(deployment.configured for deployment in known):
        variables = (known[0].key_env,) if known[0].key_env else provider_key_env(known[0].model)
        how = f"Set {' or '.join(variables)}" if variables else "Configure a provider"
        return NotConfigured(
            f"the decision is {known[0].name}, but no allowed deployment is configured here.", hint=f"{how}."
        )
    return NoCandidate(
        f"the policy allows none of {', '.join(named) or 'no model'}.", hint="Change the policy or the request."
    )
