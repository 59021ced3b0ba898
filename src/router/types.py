"""The nouns of a request's way: Request, Signals, Verdict, Candidate, Decision, Outcome, Record.

Values only, immutable, in the order in which a request meets them. The room does no I/O, reads no clock and knows no
vendor's JSON: ``wire/`` turns bytes into a Request and an answer back into bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

__all__ = [
    "TASKS",
    "UNKNOWN",
    "Attempt",
    "AttemptRole",
    "Budget",
    "Candidate",
    "Contract",
    "Decision",
    "Detector",
    "Escalation",
    "Estimate",
    "Exploration",
    "Failure",
    "Feedback",
    "Fired",
    "Flag",
    "FlagKind",
    "Hints",
    "LocalEvidence",
    "LocalModel",
    "Message",
    "Need",
    "Objective",
    "OnFlag",
    "Outcome",
    "PolicyRef",
    "Prediction",
    "Record",
    "Request",
    "RequestFacts",
    "Runner",
    "Severity",
    "Shape",
    "Signal",
    "SignalName",
    "Signals",
    "Snapshot",
    "Span",
    "Split",
    "Strength",
    "Target",
    "TargetKind",
    "TaskReading",
    "Tier",
    "Timing",
    "TokenCount",
    "Tool",
    "Usage",
    "Verdict",
]

T = TypeVar("T")

Role = Literal["system", "developer", "user", "assistant", "tool"]
Shape = Literal["bare_label", "json", "tool_call", "free_text"]
TargetKind = Literal["local", "llm", "refuse"]
Tier = Literal["small", "large"]
Strength = Literal["strong", "weak", "tie"]
Failure = Literal["policy", "model", "ability", "evidence", "unavailable", "money", "latency", "cooling"]
OnFlag = Literal["annotate", "redact", "escalate", "refuse"]
AttemptRole = Literal["first", "retry", "fallback", "escalation", "hedge"]
FlagKind = Literal["harmful", "jailbreak", "prompt_injection", "toxicity", "pii"]
Severity = Literal["low", "medium", "high"]
SignalName = str

TASKS: tuple[str, ...] = (
    "arithmetic_reasoning",
    "closed_book_qa",
    "code",
    "commonsense_reasoning",
    "data_annotation_or_generation",
    "dialogue",
    "evaluation_judging",
    "information_extraction",
    "intent_classification",
    "ner",
    "nli",
    "open_generation",
    "other",
    "other_classification",
    "paraphrase_rewrite",
    "reading_comprehension",
    "regression_scoring",
    "sentiment",
    "summarization",
    "symbolic_manipulation",
    "topic_classification",
    "toxicity",
    "translation",
)


# ----- Request: what came in ------------------------------------------------------------------------------------


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Hard limits of one request; ``None`` is no limit. ``max_latency_ms`` covers the whole way, retries included."""

    max_usd: float | None = None
    max_latency_ms: float | None = None


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller tells beside the chat body; every field is optional and beats what would be inferred.

    ``task`` is a task label, ``input`` the text to judge, ``labels`` the allowed answers in the caller's spelling.
    ``key`` is no hint of the caller's: the surface puts a fingerprint of the credential there that it was shown.
    """

    task: str | None = None
    input: str | None = None
    labels: tuple[str, ...] | None = None
    budget: Budget = Budget()
    tenant: str | None = None
    policy: str | None = None
    session: str | None = None
    key: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One chat message. ``text`` joins its text parts with ``\\n``; ``modalities`` names parts that are not text."""

    role: Role
    text: str
    modalities: frozenset[str] = frozenset()
    has_tool_calls: bool = False
    name: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the caller offers; ``parameters`` is its JSON Schema, verbatim."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAI-style chat request, read but not altered. ``body`` keeps every field of the caller, verbatim.

    ``json_schema`` is the schema inside ``response_format`` (None when free text or when only ``json_object`` is
    asked; then ``wants_json`` tells). ``tool_choice`` is ``none``/``auto``/``required`` or the name of one tool.
    ``n_bytes`` is the size of the body as received, or of the texts when the body did not come as bytes.
    ``traceparent`` is the caller's trace, as the header of that name says it.
    """

    messages: tuple[Message, ...]
    model: str = "auto"
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    json_schema: Mapping[str, Any] | None = None
    wants_json: bool = False
    max_output_tokens: int | None = None
    n: int = 1
    stream: bool = False
    include_usage: bool = False
    wants_logprobs: bool = False
    stop: tuple[str, ...] = ()
    hints: Hints = Hints()
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)
    n_bytes: int = 0
    traceparent: str | None = None

    @property
    def modalities(self) -> frozenset[str]:
        """Kinds of parts that are not text, over all messages (``image``, ``audio``, ``file``)."""
        return frozenset().union(*(message.modalities for message in self.messages))

    def last_user(self) -> int | None:
        """Index of the last user message, or None."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user":
                return index
        return None

    def transcript(self, head: int = 3072, tail: int = 1024) -> str:
        """The conversation as one text of at most about ``head + tail`` characters, its middle left out.

        A lone user message is itself; otherwise each message stands behind ``System:``, ``User:`` or ``Assistant:``,
        with a blank line between. Costs time in what is kept, not in what was sent.
        """
        if len(self.messages) == 1 and self.messages[0].role == "user":
            text = self.messages[0].text
            return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"
        parts: list[str] = []
        for message in self.messages:
            text = message.text
            if len(text) > head + tail:
                text = f"{text[:head]}\n{text[-tail:]}"
            parts.append(f"{_SPEAKER[message.role]}: {text}")
        whole = "\n\n".join(parts)
        return whole if len(whole) <= head + tail else f"{whole[:head]}\n{whole[-tail:]}"


_SPEAKER: Mapping[str, str] = {
    "system": "System",
    "developer": "System",
    "user": "User",
    "assistant": "Assistant",
    "tool": "Tool",
}


# ----- Signals: what we observed --------------------------------------------------------------------------------


class Signal(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One observation. ``value is None`` means unknown, which is never the same as clean, false or zero.

    ``confidence`` is a calibrated probability that ``value`` is right, 0..1; ``detector`` names who said so.
    """

    value: T | None
    confidence: float
    detector: str


UNKNOWN: Signal[Any] = Signal(value=None, confidence=0.0, detector="none")


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """A label and its calibrated probability."""

    label: str
    probability: float


class TaskReading(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a request: the likeliest label, its calibrated probability, and the runners-up."""

    label: str
    probability: float
    runners_up: tuple[Runner, ...] = ()


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """The text to judge: ``messages[message].text[start:end]``. ``message`` is -1 when it came as a hint."""

    message: int
    start: int
    end: int


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that was asked for.

    ``labels`` in the caller's own spelling and order, None when unknown; ``path`` is where the label goes in a JSON
    answer or in a tool's arguments; ``tool`` the tool to call; ``values`` are the JSON values to write for ``labels``
    (booleans, numbers), None when the labels themselves are written. ``blocker`` says why the contract cannot be
    honoured exactly by a classifier (a required free-text field, several label fields ...), None when it can.
    ``fixed`` are other fields of the JSON answer that the schema leaves no choice in, as ``(path, value)``.
    ``question``: what is said of the text by "yes" ("toxic" in "Is this comment toxic?"), empty when unknown.
    ``is_learnable``: the blocker is about which label is right (definitions, rules), not about the answer's form, so
    that a model that learnt the answers to this very instruction honours it.
    """

    shape: Shape
    labels: tuple[str, ...] | None = None
    multi_label: bool = False
    path: tuple[str, ...] = ()
    tool: str | None = None
    values: tuple[Any, ...] | None = None
    blocker: str | None = None
    fixed: tuple[tuple[tuple[str, ...], Any], ...] = ()
    question: str = ""
    is_learnable: bool = False


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of ``messages[message].text``, and what it is (``email``, ``iban``, ``instruction`` ...)."""

    message: int
    start: int
    end: int
    kind: str = ""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """A raised safety flag. ``score`` is a calibrated probability."""

    kind: FlagKind
    score: float
    severity: Severity
    spans: tuple[Span, ...] = ()


class TokenCount(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens: ``input`` estimated, ``output`` expected, ``output_max`` the worst case that may be billed."""

    input: int
    output: int
    output_max: int


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What a local model says of one text: calibrated probabilities in the order of ``labels``, and its
    in-distribution score (0..1, higher is more like its training texts). ``value`` is the answer of a model that does
    not choose among labels: entities, a span of text, a number."""

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    in_distribution: float
    value: Any = None


class LocalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the matching local model says of this request, and why it may or may not answer.

    ``reason`` is None when every condition holds, else the first that failed, as a sentence. ``answer`` is the label in
    the caller's own spelling (a tuple when several are asked for). ``template``: the model learnt the hosted answers to
    this very prompt template; empty for a model of a task. ``text`` is the whole answer, written out, of a model that
    does not choose among labels.
    """

    model: str
    label: str | None = None
    answer: tuple[str, ...] = ()
    probability: float | None = None
    threshold: float | None = None
    in_distribution: float | None = None
    ood_threshold: float | None = None
    rows: int = 0
    reason: str | None = None
    template: str = ""
    text: str | None = None


class LocalModel(Protocol):
    """A trained classifier that may answer. ``predict`` is batched and pure; ``is_fast`` means under a millisecond."""

    @property
    def name(self) -> str: ...
    @property
    def is_fast(self) -> bool: ...
    def predict(self, texts: Sequence[str]) -> list[Prediction]: ...


class Detector(Protocol):
    """Reads signals off a request. ``provides`` names them, ``slow`` ones are only run on the engine's demand."""

    @property
    def provides(self) -> tuple[SignalName, ...]: ...
    @property
    def slow(self) -> bool: ...
    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]: ...


@runtime_checkable
class StagedDetector(Detector, Protocol):
    """A slow detector that can often do without its slow part: it says so of each request, at once."""

    def wants_more(self, signals: Signals, /) -> bool: ...


class Signals:
    """The signals of one request, each computed at most once and only when somebody asks.

    ``signals["task"]`` returns a :class:`Signal`. A slow detector is not run here: the signal reads as unknown until
    :meth:`fetch` was called for it (the engine does that in a worker thread), and :meth:`missing` names it.
    A detector that raises makes its signals unknown, never clean: ``on_error`` hears of it.
    """

    __slots__ = ("_by_name", "_known", "_on_error", "_views", "request")

    def __init__(
        self,
        request: Request,
        detectors: Mapping[SignalName, Detector],
        *,
        on_error: Callable[[Detector, Exception], None] | None = None,
    ) -> None:
        self.request = request
        self._by_name = detectors
        self._known: dict[SignalName, Signal[Any]] = {}
        self._views: dict[Callable[[Request], Any], Any] = {}
        self._on_error = on_error

    @classmethod
    def given(
        cls,
        request: Request,
        known: Mapping[SignalName, Signal[Any]],
        detectors: Mapping[SignalName, Detector] | None = None,
    ) -> Signals:
        """Signals that were computed before; all others are told by ``detectors``, unknown without."""
        signals = cls(request, detectors or {})
        signals._known.update(known)
        return signals

    def __getitem__(self, name: SignalName) -> Signal[Any]:
        known = self._known.get(name)
        if known is not None:
            return known
        detector = self._by_name.get(name)
        if detector is None:
            return UNKNOWN
        return UNKNOWN if detector.slow else self._run(name, detector)

    def fetch(self, names: Iterable[SignalName]) -> None:
        """Compute ``names``, slow ones included. Blocking: call it in a worker thread when one is slow."""
        for name in names:
            detector = self._by_name.get(name)
            if detector is not None and name not in self._known:
                self._run(name, detector)

    def late(self, name: SignalName) -> bool:
        """Whether only a slow reading can tell ``name``; where its detector can tell at once, it does so here."""
        detector = self._by_name.get(name)
        if detector is None or not detector.slow or name in self._known or not isinstance(detector, StagedDetector):
            return False
        try:
            if detector.wants_more(self):
                return True
        except Exception:  # noqa: BLE001,S110 it comes up again in the next line, where it is heard of
            pass
        self._run(name, detector)
        return False

    def missing(self, names: Iterable[SignalName]) -> tuple[SignalName, ...]:
        """Those of ``names`` that a slow detector could still tell."""
        return tuple(
            name for name in names if name not in self._known and name in self._by_name and self._by_name[name].slow
        )

    def view(self, make: Callable[[Request], T]) -> T:
        """``make(request)``, computed once: a reading of the request that several detectors share, never reported."""
        if make not in self._views:
            self._views[make] = make(self.request)
        view: T = self._views[make]
        return view

    @property
    def names(self) -> tuple[SignalName, ...]:
        """All signals that some detector provides."""
        return tuple(self._by_name)

    def known(self) -> dict[SignalName, Signal[Any]]:
        """The signals computed so far."""
        return dict(self._known)

    def _run(self, name: SignalName, detector: Detector) -> Signal[Any]:
        try:
            found = detector(self)
        except Exception as error:  # noqa: BLE001 one broken detector must not fail the request; unknown is never clean
            if self._on_error is not None:
                self._on_error(detector, error)
            found = dict.fromkeys(detector.provides, UNKNOWN)
        for key, signal in found.items():
            self._known.setdefault(key, signal)
        return self._known.setdefault(name, UNKNOWN)


# ----- Verdict: what the policy says ----------------------------------------------------------------------------


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of the selector: it maximises ``quality - cost * usd - latency * seconds``.

    ``cost`` is quality points a dollar, ``latency`` quality points a second; quality is 0..1. ``explore``: the share of
    requests, 0..1, for which one of the candidates that this weighing is among is drawn at random instead.
    """

    quality: float = 1.0
    cost: float = 1.0
    latency: float = 0.01
    explore: float = 0.0


class Fired(msgspec.Struct, frozen=True, kw_only=True):
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
    rules: tuple[Fired, ...] = ()


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """The policy cannot judge yet: it needs these slow signals first."""

    signals: tuple[SignalName, ...]


# ----- Candidates and Decision: who could do it, and who will ------------------------------------------------------


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
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


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A local model or hosted deployment, with its estimate.

    ``failed`` is None when it is able and allowed, else which kind of check failed first; ``reason`` says it in words.
    """

    model: str
    kind: Literal["local", "llm"]
    tier: Tier | None = None
    estimate: Estimate = Estimate()
    failed: Failure | None = None
    reason: str | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
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


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy decided: its name and the hash of its resolved text."""

    name: str
    hash: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
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


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers, who is next, and the whole reasoning as data. Its JSON Schema is ``docs/decision.schema.json``.

    ``fallbacks`` may be tried in this order, and nothing else may. ``max_output_tokens`` is how many output tokens the
    money limit pays for at the dearest of them, None when no limit binds: a call never asks for more. ``exploration``
    is there where the policy lets chance have a say.
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


# ----- Outcome and Record: what happened, and what we remember ----------------------------------------------------


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that were billed; ``estimated`` when the provider sent none and they were counted here.

    ``cached_input``, ``cache_write``, ``audio_input`` and ``image_input`` are parts of ``input``, ``reasoning`` and
    ``audio_output`` of ``output``; no token is in two of them.
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


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger: enough to replay the decision, and never the prompt unless the user asked for it.

    ``id`` is the run's; ``nano_usd`` what it cost in whole nano-dollars (1e-9 USD), ``is_priced`` whether every price
    was known; ``rates`` are the prices of the models that were called, in USD a token. ``template`` is a fingerprint of
    system prompt and instruction, the same for all requests that differ in their text alone. ``messages`` and
    ``outcome.body`` are kept only where the ledger is told to keep contents.
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
