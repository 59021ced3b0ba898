"""The deep reading: a small fine-tuned encoder reads again what the n-grams were unsure of, and both are summed.

The encoder comes in as a function (texts -> scores of tasks and risks); what is here is which stretches of a request it
reads, when it is asked, and how its scores and the first reading's are put together. The room reads no file:
``router.offline.fit_deep`` makes the facts, ``router.local.deep`` the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..features import prepared
from ..types import Request, Signal, SignalName, Signals, Span
from .learned import SCAN_HEAD, SCAN_TAIL, Risk, Risks, Understanding, spans_between
from .targets import chosen

__all__ = ["DeepFacts", "DeepUnderstanding", "Mix", "Score", "stretches", "suspicious_place"]

Floats = npt.NDArray[np.float32]
Score = Callable[[Sequence[str]], Floats]
"""Texts to raw scores, float32, shape ``(texts, tasks + risks)``."""

SHORT = 440  # characters that the encoder reads at once
AROUND = 60  # characters before and behind a suspicious window that may be read with it
PLACE = 240  # characters of it that are read at serving: about 55 tokens


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """A risk's logistic sum of the deep score, the first reading's log-odds and 1; ``threshold``: a probability."""

    deep: float
    first: float
    offset: float
    threshold: float


class DeepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the encoder's scores mean; it stands in the package's card.

    ``tasks``/``risks``: labels in the order of the columns, tasks first. ``task_deep``/``task_first``: weights of the
    deep task scores and of the first reading's log-probabilities before the softmax. ``task_below``: the first
    reading's confidence under which it is unsure; ``risk_above``: a first probability of any risk from which it is.
    Both were chosen on sources that neither reading was trained on.
    """

    version: str
    tasks: tuple[str, ...]
    risks: tuple[str, ...]
    max_tokens: int
    tail_tokens: int
    task_deep: float
    task_first: float
    task_below: float
    risk_above: float
    mixes: dict[str, Mix]


def stretches(text: str, data: bytes, worst: Sequence[tuple[float, int, int]]) -> list[tuple[int, int]]:
    """Of a long text the places that look most like a risk, as characters; none of a short text.

    ``worst``: of each risk a score and the bytes of ``data`` between which its worst window stands. Windows that begin
    at nearly one place are read once.
    """
    if len(text) <= SHORT:
        return []
    found: list[tuple[int, int]] = []
    for _, begin, end in worst:
        first = max(0, len(data[:begin].decode("utf-8", "ignore")) - AROUND)
        last = first + len(data[begin:end].decode("utf-8", "ignore")) + 2 * AROUND
        if all(abs(first - other) > AROUND for other, _ in found):
            found.append((first, min(last, len(text))))
    return found


def suspicious_place(text: str, data: bytes, first: Understanding, kinds: Sequence[str]) -> tuple[int, int] | None:
    """Of a long text the characters that are read again for risks of these ``kinds``; None of a short text.

    They are those that look most like the likeliest risk in its worst window and around it, for a window may begin or
    end within the words that count.
    """
    if len(text) <= SHORT or not kinds:
        return None
    worst = dict(zip(first.facts.risks, first.worst(data), strict=True))
    kind = max(kinds, key=lambda kind: first.odds(kind, worst[kind][0]))
    _, begin, end = worst[kind]
    start = len(data[:begin].decode("utf-8", "ignore"))
    spare = len(data[begin:end].decode("utf-8", "ignore")) - PLACE
    column = first.facts.risks.index(kind)

    def looks(at: int) -> float:
        return first.worst(prepared(text[at : at + PLACE], head=SCAN_HEAD, tail=SCAN_TAIL))[column][0]

    at = max(
        (min(max(0, at), len(text) - PLACE) for at in (start + spare // 2, start - AROUND, start + spare + AROUND)),
        key=looks,
    )
    return at, at + PLACE


class DeepUnderstanding:
    """Detector of ``task``, ``scores`` and ``risks``: the first reading, and the encoder's where that one is unsure.

    Slow where it is unsure, and then run in a worker thread; :meth:`wants_more` tells. Where the encoder cannot be run,
    the first reading stands, the signals' ``detector`` says so, ``on_failure`` is told why, and risks that it was
    needed for are unknown unless a flag was raised. Without ``reads_risks`` they are always the first reading's.
    """

    slow = True
    provides: tuple[SignalName, ...] = ("task", "scores", "risks")

    __slots__ = ("_always", "_first", "_on_failure", "_reads_risks", "_score", "facts", "name")

    def __init__(
        self,
        facts: DeepFacts,
        first: Understanding,
        score: Score,
        *,
        always: bool = False,
        reads_risks: bool = True,
        on_failure: Callable[[DeepUnderstanding, Exception], None] | None = None,
    ) -> None:
        self.facts = facts
        self.name = f"{first.name}+deep-{facts.version}"
        self._first, self._score, self._on_failure = first, score, on_failure
        self._always, self._reads_risks = always, reads_risks

    def wants_more(self, signals: Signals, /) -> bool:
        """Whether the first reading is unsure; costs what that one costs."""
        return self.is_unsure(signals.view(self._reading))

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        found = signals.view(self._reading)
        if not self.is_unsure(found):
            return found
        try:
            return self.deepened(signals.request, found)
        except Exception as error:  # noqa: BLE001 whatever stops the encoder, the first reading stands and says so
            if self._on_failure is not None:
                self._on_failure(self, error)
            risks: Any = found["risks"].value
            if self._is_grey(risks):
                risks = msgspec.structs.replace(risks, is_complete=False)
            stands = {**found, "risks": msgspec.structs.replace(found["risks"], value=risks)}
            return {
                name: msgspec.structs.replace(signal, detector=f"{signal.detector} (deep reading failed)")
                for name, signal in stands.items()
            }

    def is_unsure(self, found: Mapping[SignalName, Signal[Any]]) -> bool:
        """Whether the first reading asks for the deep one."""
        if found["task"].value is None:
            return False  # no text
        return self._always or found["task"].confidence < self.facts.task_below or self._is_grey(found["risks"].value)

    def _is_grey(self, risks: Any) -> bool:
        if not self._reads_risks:
            return False
        return self._always or any(risk.probability >= self.facts.risk_above for risk in risks.risks)

    def _reading(self, signals: Signals) -> Mapping[SignalName, Signal[Any]]:
        return self._first(signals)

    def deepened(self, request: Request, found: Mapping[SignalName, Signal[Any]]) -> Mapping[SignalName, Signal[Any]]:
        """The signals with both readings summed. A hinted task stays as it was hinted."""
        facts = self.facts
        text = request.transcript(SCAN_HEAD, SCAN_TAIL)
        data = prepared(text, head=SCAN_HEAD, tail=SCAN_TAIL)
        before: Any = found["risks"].value
        told = [kind for kind in facts.risks if facts.mixes[kind].deep > 0.0] if self._reads_risks else []
        place = suspicious_place(text, data, self._first, told)
        scores = self._score([text] if place is None else [text, text[place[0] : place[1]]])
        known = found["task"]
        both: dict[SignalName, Signal[Any]] = {}
        if known.detector == "hint":
            both["task"], both["scores"] = known, found["scores"]
        else:
            probabilities = mixed_tasks(facts, scores[0], found["scores"].value)
            best = chosen(facts.tasks, probabilities)
            confidence = probabilities[best]
            both["task"] = Signal(value=facts.tasks[best], confidence=confidence, detector=self.name)
            table = dict(zip(facts.tasks, probabilities, strict=True))
            both["scores"] = Signal(value=table, confidence=confidence, detector=self.name)
        if not self._reads_risks:
            return {**both, "risks": found["risks"]}
        risks = self._risks(request, text, before, scores[:, len(facts.tasks) :], place)
        highest = max((risk.probability for risk in risks.risks), default=0.0)
        both["risks"] = Signal(value=risks, confidence=highest, detector=self.name)
        return both

    def _risks(self, request: Request, text: str, first: Risks, scores: Floats, place: tuple[int, int] | None) -> Risks:
        before = {risk.kind: risk for risk in first.risks}
        found = []
        for column, kind in enumerate(self.facts.risks):
            mix, known = self.facts.mixes[kind], before[kind]
            at = int(scores[:, column].argmax())
            probability = _logistic(
                mix.deep * float(scores[at, column]) + mix.first * _logit(known.probability) + mix.offset
            )
            spans: tuple[Span, ...] = ()
            if probability >= mix.threshold:
                spans = spans_between(request, text, *place) if at and place is not None else known.spans
            found.append(Risk(kind=kind, probability=probability, threshold=mix.threshold, spans=spans))
        return Risks(risks=tuple(found), is_complete=first.is_complete, in_context=True)


def mixed_tasks(facts: DeepFacts, deep: Floats, first: Any) -> list[float]:
    """Probabilities in the order of ``facts.tasks``; ``deep``: at least as many raw scores."""
    scores = [
        facts.task_deep * float(score) + facts.task_first * log(max(first.get(label, 0.0), 1e-9))
        for label, score in zip(facts.tasks, deep, strict=False)
    ]
    top = max(scores)
    powers = [exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1.0 - 1e-6)
    return log(probability / (1.0 - probability))


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + exp(-min(max(value, -30.0), 30.0)))
