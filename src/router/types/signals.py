"""Signals: what was observed of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from .request import Units

__all__ = [
    "TASKS",
    "UNKNOWN",
    "Contract",
    "Flag",
    "FlagKind",
    "LocalEvidence",
    "LocalModel",
    "Prediction",
    "Runner",
    "Severity",
    "Shape",
    "Signal",
    "SignalName",
    "Span",
    "Split",
    "TaskReading",
    "TokenCount",
]

T = TypeVar("T")
Shape = Literal["bare_label", "json", "tool_call", "free_text"]
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


class Signal(msgspec.Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """One observation. ``value is None`` means unknown, which is never the same as clean, false or zero.

    ``confidence`` is a calibrated probability that ``value`` is right, 0..1; ``detector`` names who said so.
    """

    value: T | None
    confidence: float
    detector: str


UNKNOWN: Signal[Any] = Signal(value=None, confidence=0.0, detector="none")


class Runner(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A label and its calibrated probability."""

    label: str
    probability: float


class TaskReading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The task of a request: the likeliest label, its calibrated probability, and the runners-up."""

    label: str
    probability: float
    runners_up: tuple[Runner, ...] = ()


class Split(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    ``meanings`` is what the request says each of ``labels`` means ("invoices and refunds"), empty where it says nothing
    of one, and no entries where it describes none: whether a model means the same by a label, the model's card tells.
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
    meanings: tuple[str, ...] = ()


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stretch of ``messages[message].text``, and what it is (``email``, ``iban``, ``instruction`` ...)."""

    message: int
    start: int
    end: int
    kind: str = ""


class Flag(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A raised safety flag. ``score`` is a calibrated probability."""

    kind: FlagKind
    score: float
    severity: Severity
    spans: tuple[Span, ...] = ()


class TokenCount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Tokens: ``input`` estimated, ``output`` expected, ``output_max`` the worst case that may be billed; ``units`` is
    what the request asks for beside them, None for nothing."""

    input: int
    output: int
    output_max: int
    units: Units | None = None


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
