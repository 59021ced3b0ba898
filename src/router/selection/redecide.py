"""A decision made again from what was known: the request's facts, its signals, and the state at that time. Pure.

Explaining, comparing policies and replaying a ledger all do this; none of them reads a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..policy.compile import CompiledPolicy
from ..policy.judge import judge
from ..types import Decision, Need, PolicyRef, Request, Signal, SignalName, Signals, Snapshot
from .candidates import Fleet, candidates
from .choose import choose

__all__ = ["redecide"]


def redecide(
    request: Request,
    known: Mapping[SignalName, Signal[Any]],
    policy: CompiledPolicy,
    fleet: Fleet,
    snapshot: Snapshot,
) -> Decision:
    """What ``policy`` decides from the signals that are known; the others are unknown.

    Raises:
        NoCandidate, BudgetExceeded, DeadlineInfeasible: as :func:`~.choose.choose`.
    """
    signals = Signals.given(request, known)
    verdict = judge(policy, signals, request)
    if isinstance(verdict, Need):  # nothing that is given can still be pending
        raise TypeError(f"judging known signals asked for {verdict.signals}")
    found = candidates(request, signals, verdict, fleet, snapshot)
    return choose(request, signals, verdict, found, fleet, PolicyRef(name=policy.name, hash=policy.hash), snapshot)
