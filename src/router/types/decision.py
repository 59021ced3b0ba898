"""Verdict, Candidates, Decision: what the policy says, who could answer, and who will."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from .request import Budget
from .signals import LocalEvidence, Signal, SignalName, TaskReading

__all__ = [
    "Candidate",
    "Decision",
    "Escalation",
    "Estimate",
    "Exploration",
    "Failure",
    "Fired",
    "Mirroring",
    "Need",
    "Objective",
    "OnFlag",
    "PolicyRef",
    "Snapshot",
    "Strength",
    "Target",
    "TargetKind",
    "Tier",
    "Verdict",
]

TargetKind = Literal["local", "llm", "refuse"]
Tier = Literal["small", "large"]
Strength = Literal["strong", "weak", "tie"]
Failure = Literal["policy", "model", "ability", "evidence", "unavailable", "money", "latency", "cooling"]
OnFlag = Literal["annotate", "redact", "escalate", "refuse"]


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of the selector: it maximises ``quality - cost * usd - latency * seconds``.

    ``cost`` is quality points a dollar, ``latency`` quality points a second; quality is 0..1. ``explore``: the share of
    requests, 0..1, for which one of the candidates that this weighing is among is drawn at random instead.
    """

    quality: float = 1.0
    cost: float = 1.0
    latency: float = 0.01
    explore: float = 0.0


class Fired(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A rule that fired: what it asked for, how strongly, and whether it decided (the others were overruled)."""

    id: str
    outcome: str
    strength: Strength | None = None
    decisive: bool = False
    why: str = ""
    source: str = ""


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """A smaller hosted model answers first; a larger one takes over when the answer fails one of these checks.

    ``on`` holds ``contract`` (not the asked JSON or label), ``refusal``, ``cut_off``; ``min_logprob`` is the least mean
    log-probability of a token, in nats, where the provider gives it; ``checks`` are the names of the user's own.
    """

    on: frozenset[str] = frozenset()
    min_logprob: float | None = None
    checks: tuple[str, ...] = ()


class Mirroring(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of ``share`` (0..1) of such requests goes to the deployment ``to``; nobody is shown its answer."""

    to: str
    share: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy says of a request. Obligations and prohibitions bind every later step: fallback, hedge, cache.

    ``forbid``/``require`` name target kinds and tiers (``local``, ``llm``, ``small``, ``large``) or deployments' tags;
    ``prefer`` is the winning recommendation, ``redact`` the kinds of personal data to mask before a hosted call,
    ``check`` the flags to look for in the answer, ``budget`` the limits that the policy adds. ``rank`` names tags or
    what a model's family is good at: among otherwise equal candidates of a kind, those that have more of them come
    first. ``max_error``: a local model may answer only when its card promises at most this error.

    ``on_flag`` says what happens to an answer with a flag of ``check`` (left out: it is refused). ``hold`` is how many
    characters of a checked stream are held back; None holds the whole answer until it was checked. ``escalate``: when
    a smaller model's answer goes to a larger one.

    ``fallback`` names, in this order, who may come after the target: deployments, models, tags or tiers; None leaves it
    to the selection. ``mirror``: who gets copies. Both are held to all that binds.
    """

    refuse: str | None = None
    refused_by: str | None = None
    forbid: frozenset[str] = frozenset()
    require: frozenset[str] = frozenset()
    prefer: Literal["local", "llm", "tie"] = "llm"
    tier: Tier | None = None
    strength: Strength = "weak"
    redact: frozenset[str] = frozenset()
    check: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    budget: Budget = Budget()
    objective: Objective = Objective()
    rank: tuple[str, ...] = ()
    max_error: float | None = None
    on_flag: Mapping[str, OnFlag] = msgspec.field(default_factory=dict)
    hold: int | None = None
    escalate: Escalation | None = None
    fallback: tuple[str, ...] | None = None
    mirror: tuple[Mirroring, ...] = ()
    rules: tuple[Fired, ...] = ()


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """The policy cannot judge yet: it needs these slow signals first."""

    signals: tuple[SignalName, ...]


class Estimate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a candidate would probably give: USD (None when a price is unknown), milliseconds, quality 0..1.

    ``tail_ms`` is the 95th percentile lately, None when too little was seen. ``saved_usd`` is what the provider's warm
    prompt cache saves this conversation here; ``usd`` has it taken off already.
    """

    usd: float | None = None
    latency_ms: float | None = None
    quality: float | None = None
    worst_usd: float | None = None
    tail_ms: float | None = None
    saved_usd: float | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A local model or hosted deployment, with its estimate.

    ``failed`` is None when it is able and allowed, else which kind of check failed first; ``reason`` says it in words.
    """

    model: str
    kind: Literal["local", "llm"]
    tier: Tier | None = None
    estimate: Estimate = Estimate()
    failed: Failure | None = None
    reason: str | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who will answer. ``configured`` is False when the deployment has no credentials or address on this machine."""

    kind: TargetKind
    tier: Tier | None = None
    model: str | None = None
    configured: bool = True


class Exploration(msgspec.Struct, frozen=True, kw_only=True):
    """That chance had a say in who answers, logged so that what others would have done can be estimated without bias.

    ``share`` of such requests are drawn evenly ``among`` these hosted candidates; the others go to ``greedy``, the one
    that the objective likes best. ``propensity``: how probable the one that was chosen was, 0..1.
    """

    share: float
    among: tuple[str, ...]
    greedy: str
    propensity: float


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which policy decided: its name and the hash of its resolved text."""

    name: str
    hash: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All state that a decision depended on; kept in the Record so that the decision can be made again.

    ``now_s`` is Unix time; ``left_usd`` what hard budgets leave, ``model_left_usd`` those of single deployments;
    ``soft_limits`` are the soft ones that are used up, so that the cheapest able candidate is wanted. ``unhealthy``
    deployments are open breakers; ``latency_ms`` what was measured lately per deployment, ``tail_ms`` its 95th
    percentile and ``ttft_tail_ms`` that of the first token; ``warm`` how many tokens of this conversation are warm at a
    deployment; ``models`` the hash of the model set. ``quality_shift``: by how much users' verdicts moved the estimated
    quality of a deployment, -1..1.
    """

    id: str
    now_s: float
    models: str = ""
    config: str = ""
    left_usd: float | None = None
    unhealthy: frozenset[str] = frozenset()
    latency_ms: Mapping[str, float] = msgspec.field(default_factory=dict)
    tail_ms: Mapping[str, float] = msgspec.field(default_factory=dict)
    ttft_tail_ms: Mapping[str, float] = msgspec.field(default_factory=dict)
    warm: Mapping[str, int] = msgspec.field(default_factory=dict)
    model_left_usd: Mapping[str, float] = msgspec.field(default_factory=dict)
    soft_limits: tuple[str, ...] = ()
    quality_shift: Mapping[str, float] = msgspec.field(default_factory=dict)


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who answers, who is next, and the whole reasoning as data. Its JSON Schema is ``docs/decision.schema.json``.

    ``fallbacks`` may be tried in this order, and nothing else may. ``max_output_tokens`` is how many output tokens the
    money limit pays for at the dearest of them, None when no limit binds: a call never asks for more. ``exploration``
    is there where the policy lets chance have a say. ``mirrors`` are the deployments that a copy of this very request
    goes to once it is answered.
    """

    id: str
    policy: PolicyRef
    task: TaskReading
    target: Target
    fallbacks: tuple[str, ...]
    rules: tuple[str, ...]
    reason: str
    estimate: Estimate
    candidates: tuple[Candidate, ...]
    signals: Mapping[SignalName, Signal[Any]]
    verdict: Verdict
    budget: Budget
    max_output_tokens: int | None = None
    evidence: LocalEvidence | None = None
    snapshot: Snapshot | None = None
    exploration: Exploration | None = None
    mirrors: tuple[str, ...] = ()
