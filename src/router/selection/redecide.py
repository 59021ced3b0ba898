"""A decision made again from what was known: the request's facts, its signals, and the state at that time. Pure.

Explaining, comparing policies and replaying a ledger all do this; none of them reads a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..policy.compile import CompiledPolicy
from ..policy.judge import judge
from ..types import (
    Decision,
    Hints,
    Message,
    Need,
    PolicyRef,
    Request,
    RequestFacts,
    Signal,
    SignalName,
    Signals,
    Snapshot,
    Tool,
)
from .candidates import Fleet, candidates
from .choose import choose

__all__ = ["facts_of", "redecide", "request_of"]


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


def facts_of(request: Request) -> RequestFacts:
    """What deciding reads of ``request`` beside its signals, without its text."""
    hints = request.hints
    return RequestFacts(
        model=request.model,
        policy=hints.policy,
        tenant=hints.tenant,
        session=hints.session,
        budget=hints.budget,
        stream=request.stream,
        has_tools=bool(request.tools),
        has_schema=request.json_schema is not None,
        max_output_tokens=request.max_output_tokens,
        n_bytes=request.n_bytes,
        messages=tuple((message.role, len(message.text.strip())) for message in request.messages),
        modalities=request.modalities,
        wants_audio=request.wants_audio,
    )


def request_of(facts: RequestFacts) -> Request:
    """A request that decides like the one ``facts`` were taken of; its texts are as long, and say nothing."""
    messages = [Message(role=role, text="x" * length) for role, length in facts.messages]
    if facts.modalities and messages:
        messages[-1] = Message(role=messages[-1].role, text=messages[-1].text, modalities=facts.modalities)
    return Request(
        messages=tuple(messages),
        model=facts.model,
        tools=(Tool(name="recorded"),) if facts.has_tools else (),
        json_schema={} if facts.has_schema else None,
        max_output_tokens=facts.max_output_tokens,
        stream=facts.stream,
        wants_audio=facts.wants_audio,
        hints=Hints(budget=facts.budget, tenant=facts.tenant, policy=facts.policy, session=facts.session),
        n_bytes=facts.n_bytes,
    )
