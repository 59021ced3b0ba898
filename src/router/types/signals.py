"""Signals: what was observed of a request, and who observes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from .request import Request, Units

__all__ = [
    "TASKS",
    "UNKNOWN",
    "Contract",
    "Detector",
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
    "Signals",
    "Span",
    "Split",
    "StagedDetector",
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


class Detector(Protocol):
    """Reads signals off a request. ``provides`` names them, ``slow`` ones are only run on the engine's demand.

    Called, it gives them by name; one that provides a single signal may give that signal alone.
    """

    @property
    def provides(self) -> tuple[SignalName, ...]: ...
    @property
    def slow(self) -> bool: ...
    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]] | Signal[Any]: ...


@runtime_checkable
class StagedDetector(Detector, Protocol):
    """A slow detector that can often do without its slow part: it says so of each request, at once."""

    def wants_more(self, signals: Signals, /) -> bool: ...


def slow_of(detectors: Mapping[SignalName, Detector]) -> frozenset[SignalName]:
    """The names of the signals that only a slow detector tells."""
    return frozenset(name for name, detector in detectors.items() if detector.slow)


class Signals:
    """The signals of one request, each computed at most once and only when somebody asks.

    ``signals["task"]`` returns a :class:`Signal`. A slow detector is not run here: the signal reads as unknown until
    :meth:`fetch` was called for it (the engine does that in a worker thread), and :meth:`missing` names it.
    A detector that raises makes its signals unknown, never clean: ``on_error`` hears of it. ``slow``: the names of
    all slow ones, where somebody knows them.
    """

    __slots__ = ("_by_name", "_known", "_on_error", "_slow", "_views", "has_failed", "request")

    def __init__(
        self,
        request: Request,
        detectors: Mapping[SignalName, Detector],
        *,
        on_error: Callable[[Detector, Exception], None] | None = None,
        slow: frozenset[SignalName] | None = None,
    ) -> None:
        self.request = request
        self._by_name = detectors
        self._slow = slow
        self._known: dict[SignalName, Signal[Any]] = {}
        self._views: dict[Callable[[Signals], Any], Any] = {}
        self._on_error = on_error
        self.has_failed = False

    @classmethod
    def given(
        cls,
        request: Request,
        known: Mapping[SignalName, Signal[Any]],
        detectors: Mapping[SignalName, Detector] | None = None,
    ) -> Signals:
        """Signals that were computed before; all others are told by ``detectors``, unknown without."""
        signals = cls(request, detectors or {})
        signals.take(known)
        return signals

    def take(self, known: Mapping[SignalName, Signal[Any]]) -> None:
        """Know ``known`` without computing it."""
        self._known.update(known)

    def get(self, name: SignalName, *, slow: bool = False) -> Signal[Any]:
        """``signals[name]``, without what Python adds to a call in brackets. ``slow``: a slow detector is run, too."""
        known = self._known
        found: Any = known.get(name)
        if found is not None:
            return found  # type: ignore[no-any-return]
        detector = self._by_name.get(name)
        if detector is None or (detector.slow and not slow):
            return UNKNOWN
        try:
            found = detector.__call__(self)  # detector(self) would enter the interpreter anew
        except Exception as error:  # noqa: BLE001 one broken detector must not fail the request; unknown is never clean
            self.has_failed = True
            if self._on_error is not None:
                self._on_error(detector, error)
            found = dict.fromkeys(detector.provides, UNKNOWN)
        if isinstance(found, Signal):
            known[name] = found
            return found
        known.update({**found, **known})  # what is known stays
        return known.setdefault(name, UNKNOWN)

    __getitem__ = get

    def fetch(self, names: Iterable[SignalName]) -> None:
        """Compute ``names``, slow ones included. Blocking: call it in a worker thread when one is slow."""
        for name in names:
            self.get(name, slow=True)

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
        self.get(name, slow=True)
        return False

    def missing(self, names: Iterable[SignalName]) -> tuple[SignalName, ...]:
        """Those of ``names`` that a slow detector could still tell."""
        slow, known = self._slow, self._known
        if slow is None:
            slow = self._slow = slow_of(self._by_name)
        return tuple([name for name in names if name in slow and name not in known]) if slow else ()

    def view(self, make: Callable[[Signals], T]) -> T:
        """``make(self)``, computed once: a reading of the request that several detectors share, never reported."""
        view: T | None = self._views.get(make)
        if view is None:
            view = self._views[make] = make(self)
        return view

    @property
    def names(self) -> tuple[SignalName, ...]:
        """All signals that some detector provides."""
        return tuple(self._by_name)

    @property
    def n_known(self) -> int:
        """How many signals were computed so far."""
        return len(self._known)

    def known(self) -> dict[SignalName, Signal[Any]]:
        """The signals computed so far."""
        return dict(self._known)

    def all_known(self) -> Mapping[SignalName, Signal[Any]]:
        """The signals computed so far, as they are held here: for who keeps them when no more will be computed."""
        return self._known
