"""Outcome and Record: what happened, and what is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from .decision import Decision
from .request import Budget, Message, Role, Units

__all__ = [
    "Attempt",
    "AttemptRole",
    "Feedback",
    "Outcome",
    "Record",
    "RequestFacts",
    "Timing",
    "Usage",
]

AttemptRole = Literal["first", "retry", "fallback", "escalation", "hedge"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that were billed; ``estimated`` when the provider sent none and they were counted here.

    ``cached_input``, ``cache_write``, ``audio_input`` and ``image_input`` are parts of ``input``, ``reasoning``,
    ``audio_output`` and ``image_output`` of ``output``; no token is in two of them. ``units`` is what was charged for
    beside tokens, None for nothing.
    """

    input: int = 0
    output: int = 0
    cached_input: int = 0
    estimated: bool = False
    cache_write: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0
    units: Units | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one candidate. ``error`` is None when it answered, else the kind of failure; also ``superseded`` (a
    hedge that lost), ``rejected`` (it answered, and a larger model was asked instead) and ``cancelled``.

    ``role`` is why it was made. ``retryable`` says that the same call may be made again, ``retry_after_s`` when the
    provider asked to be called next. ``ttft_ms`` is set once a stream gave its first token.
    """

    model: str
    kind: Literal["local", "llm"]
    started_ms: float
    latency_ms: float
    usage: Usage = Usage()
    usd: float | None = None
    ttft_ms: float | None = None
    error: str | None = None
    message: str = ""
    retryable: bool = False
    retry_after_s: float | None = None
    role: AttemptRole = "first"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What happened. ``body`` is the OpenAI-shaped answer, None unless ``answered`` or ``refused``.

    ``error`` is the kind of failure, for the record; the typed error itself travels beside the Outcome. ``flags`` are
    those that a check found in the answer that was given all the same (annotated or masked). ``escalated``: a smaller
    model was to answer and a larger one was asked; ``saved_usd`` is what that saved (below zero: cost) against asking
    the larger one at once, by its estimate. ``cached``: the answer was given before and costs
    nothing now; ``usage`` is what it cost then. ``similar``: it was given to another wording of the same question.
    """

    status: Literal["answered", "refused", "failed", "cancelled"]
    model: str | None = None
    body: Mapping[str, Any] | None = None
    usage: Usage = Usage()
    usd: float | None = None
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    attempts: tuple[Attempt, ...] = ()
    escalated: bool = False
    error: str | None = None
    flags: tuple[str, ...] = ()
    saved_usd: float | None = None
    cached: bool = False
    similar: bool = False


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time of a request went, in milliseconds: reading and deciding, setting money aside; ``ttft`` until the
    first token (None when nothing was streamed) and ``total`` count from its start."""

    decide: float = 0.0
    reserve: float = 0.0
    ttft: float | None = None
    total: float = 0.0


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision reads of a request beside its signals; never its text. ``messages``: role and length of each."""

    model: str = "auto"
    policy: str | None = None
    tenant: str | None = None
    session: str | None = None
    budget: Budget = Budget()
    stream: bool = False
    has_tools: bool = False
    has_schema: bool = False
    max_output_tokens: int | None = None
    n_bytes: int = 0
    messages: tuple[tuple[Role, int], ...] = ()
    modalities: frozenset[str] = frozenset()
    wants_audio: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger: enough to replay the decision, and never the prompt unless the user asked for it.

    ``id`` is the run's, behind its decision's and a dot; ``nano_usd`` what it cost in whole nano-dollars (1e-9 USD),
    ``is_priced`` whether every price was known; ``rates`` are the prices of the models that were called, USD a token.
    ``template`` is a fingerprint of system prompt and instruction, the same for all requests that differ in their text
    alone. ``messages`` and ``outcome.body`` are kept only where the ledger is told to keep contents.
    ``writer``, ``number`` and ``previous`` are put in by who writes it down: who that was, how many records it wrote
    before, and the hash of the last of them, so that one that is missing or was changed is seen.
    """

    decision: Decision
    outcome: Outcome
    tenant: str | None = None
    asked: RequestFacts | None = None
    id: str = ""
    at_s: float = 0.0
    key: str | None = None
    nano_usd: int = 0
    is_priced: bool = True
    rates: Mapping[str, Mapping[str, float]] = msgspec.field(default_factory=dict)
    template: str = ""
    timing: Timing = Timing()
    messages: tuple[Message, ...] = ()
    writer: str = ""
    number: int = 0
    previous: str = ""


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A user's verdict on the answer of one decision; ``label`` is what would have been right, ``at_s`` Unix time.

    From the decision: ``model`` who answered, ``task``, ``predicted`` its estimated quality before any verdict moved
    it, ``predictor`` who estimated it, and ``propensity`` how probable it was to be asked; None where nobody knows.
    """

    decision_id: str
    verdict: Literal["good", "bad"]
    at_s: float
    label: str | None = None
    tenant: str | None = None
    model: str | None = None
    task: str | None = None
    predicted: float | None = None
    predictor: str | None = None
    propensity: float | None = None
