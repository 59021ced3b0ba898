"""The learned signals: which task a request asks for, and how dangerous it looks, from one trained file of arrays.

Linear in hashed n-grams, so that a request is understood in tens of microseconds. The room reads no file: arrays come
in, a detector comes out (``router.offline.fit_signals`` makes the arrays).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from .. import features
from ..errors import ModelFileError
from ..features import bits_of, prepared
from ..reading import ReadingSpec, WordLayer, WordVectors, layer_arguments, said_of_risks, softmax, task_scores
from ..types import Request, Signal, SignalName, Signals, Span
from .excerpt import lowered
from .windows import WindowSpec, worst_windows

__all__ = ["Facts", "Risk", "Risks", "Understanding", "spans_between", "understanding_from_arrays"]

SCAN_HEAD, SCAN_TAIL = 24 * 1024, 8 * 1024
RISK_FLOOR = 0.25  # below it nobody asks where in the text the score came from

Worst = tuple[tuple[float, int, int], ...]
"""Of each risk the highest raw score of a window, and the bytes between which that one stands."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the arrays mean; it stands as JSON under ``facts`` in the file's metadata.

    ``tasks``/``risks``: labels in the order of the columns. ``temperature`` divides task scores; ``vectors`` names the
    table of word vectors that is read beside n-grams, empty for none; ``platt`` is slope and offset of each risk's
    calibration, before what words say is added; ``thresholds`` are the probabilities from which a risk is flagged.
    """

    version: str
    tasks: tuple[str, ...]
    risks: tuple[str, ...]
    reading: ReadingSpec = ReadingSpec()
    windows: WindowSpec = WindowSpec()
    temperature: float = 1.0
    vectors: str = ""
    platt: dict[str, tuple[float, float]] = {}
    thresholds: dict[str, float] = {}


class Risk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How likely the conversation holds a risk of one kind (0..1), and where it looked most like it."""

    kind: str
    probability: float
    threshold: float
    spans: tuple[Span, ...] = ()


class Risks(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All learned risks of a conversation.

    ``is_complete`` is False when the text was longer than what is read, or a reading that was needed failed.
    ``in_context``: an encoder read also what stands around a suspicious stretch.
    """

    risks: tuple[Risk, ...]
    is_complete: bool
    in_context: bool = False


class Understanding:
    """Detector of ``task``, ``scores`` and ``risks``, scored together.

    ``task``: the likeliest label, confidence its calibrated probability; unknown for a request without text.
    ``scores``: ``{label: probability}`` of all tasks. ``risks``: :class:`Risks`, over at most 32 KiB of
    the conversation.
    """

    slow = False
    provides: tuple[SignalName, ...] = ("task", "scores", "risks")

    __slots__ = (
        "_bias", "_kinds", "_layer", "_platt", "_reader", "_risk_bias", "_risk_scale", "_risk_table", "_silent",
        "_table", "_weights", "facts", "name",
    )  # fmt: skip

    def __init__(
        self,
        facts: Facts,
        *,
        table: npt.NDArray[np.int8],
        weights: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        layer: WordLayer | None,
        risk_table: npt.NDArray[np.int8],
        risk_scale: npt.NDArray[np.float32],
        risk_bias: npt.NDArray[np.float32],
    ) -> None:
        """Shapes: table (2**reading.bits, d), weights (3 * d, tasks), risk_table (2**windows.bits, risks)."""
        self.facts = facts
        self.name = f"understanding-{facts.version}"
        self._kinds = tuple((kind, facts.thresholds.get(kind, 0.5)) for kind in facts.risks)
        self._platt = tuple(facts.platt.get(kind, (1.0, 0.0)) for kind in facts.risks)
        self._table, self._weights, self._bias, self._layer = table, weights, bias, layer
        self._risk_table, self._risk_scale, self._risk_bias = risk_table, risk_scale, risk_bias
        self._silent = (0.0,) * len(facts.risks)
        self._reader: object | None = None

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        text, messages = signals.request.transcript(SCAN_HEAD, SCAN_TAIL), signals.request.messages
        # A lone user message is its own transcript.
        lower = signals.view(lowered) if len(messages) == 1 and text is messages[0].text else None
        data = prepared(text, head=SCAN_HEAD, tail=SCAN_TAIL, lower=lower)
        found: dict[SignalName, Signal[Any]] = {}
        probabilities, worst, _, risky = self._read(data)
        hinted = signals.request.hints.task
        if hinted is not None:
            found["task"] = Signal(value=hinted, confidence=1.0, detector="hint")
            found["scores"] = Signal(value={hinted: 1.0}, confidence=1.0, detector="hint")
        elif probabilities:
            confidence = max(probabilities)
            best = self.facts.tasks[probabilities.index(confidence)]
            scores = dict(zip(self.facts.tasks, probabilities, strict=True))
            found["task"] = Signal(value=best, confidence=confidence, detector=self.name)
            found["scores"] = Signal(value=scores, confidence=confidence, detector=self.name)
        else:
            unknown = Signal[Any](value=None, confidence=0.0, detector=self.name)
            found["task"] = found["scores"] = unknown
        risks = self._risks(signals.request, text, data, worst, risky)
        found["risks"] = Signal(value=risks, confidence=max(risky, default=0.0), detector=self.name)
        return found

    def task_probabilities(self, data: bytes) -> Sequence[float]:
        """Calibrated probabilities in the order of ``facts.tasks``; empty when ``data`` holds no token."""
        scores = task_scores(data, self.facts.reading, self._table, self._weights, self._bias, self._layer)
        return softmax(scores, self.facts.temperature) if scores else ()

    def _read(self, data: bytes) -> tuple[Sequence[float], Worst, Sequence[float], Sequence[float]]:
        """:meth:`task_probabilities`, :meth:`worst`, what words say of risks and the probabilities of these, of one
        pass over ``data``."""
        if features.compiled is None:
            said = said_of_risks(data, self.facts.reading, self._layer) if self._layer is not None else ()
            worst = self.worst(data)
            return self.task_probabilities(data), worst, said, self._probabilities(worst, said)
        if self._reader is None:
            reading, windows = self.facts.reading, self.facts.windows
            self._reader = features.compiled.reader(
                reading.head, reading.tail, bits_of(reading.words), reading.chars, bits_of(reading.wide), reading.edge,
                reading.bits, self._table, self._weights, self._bias, layer_arguments(reading, self._layer),
                self.facts.temperature,
                windows.bits, windows.size, windows.step, self._risk_table, self._risk_scale, self._risk_bias,
                np.ascontiguousarray(np.array(self._platt, np.float64).T),
            )  # fmt: skip
        return features.compiled.read(self._reader, data)

    def _probabilities(self, worst: Worst, said: Sequence[float]) -> Sequence[float]:
        found = []
        for (slope, offset), (score, _, _), more in zip(self._platt, worst, said or self._silent, strict=True):
            odds = slope * score + offset + more
            found.append(1.0 / (1.0 + exp(-odds if -30.0 < odds < 30.0 else 30.0 if odds < 0.0 else -30.0)))
        return found

    def _risks(self, request: Request, text: str, data: bytes, worst: Worst, probabilities: Sequence[float]) -> Risks:
        """The risks of a conversation, ``text`` being its transcript as far as it is read, ``data`` its bytes."""
        risks = [
            Risk(
                kind=kind,
                probability=probability,
                threshold=threshold,
                spans=_spans(request, text, data, begin, end) if probability >= RISK_FLOOR else (),
            )
            for (kind, threshold), probability, (_, begin, end) in zip(self._kinds, probabilities, worst, strict=True)
        ]
        length = sum([len(message.text) for message in request.messages])
        return Risks(risks=tuple(risks), is_complete=length <= len(text) and len(data) < SCAN_HEAD + SCAN_TAIL)

    def odds(self, kind: str, score: float) -> float:
        """Log-odds of a risk by n-grams alone, given a raw score of :meth:`worst`."""
        slope, offset = self.facts.platt.get(kind, (1.0, 0.0))
        return slope * score + offset

    def said(self, data: bytes) -> Sequence[float]:
        """What known words say of each of ``facts.risks``: it is added to the log-odds of n-grams."""
        return self._read(data)[2] or self._silent

    def worst(self, data: bytes) -> Worst:
        """Of each of ``facts.risks`` the highest raw score of a window, and the bytes between which that one stands."""
        return worst_windows(data, self.facts.windows, self._risk_table, self._risk_scale, self._risk_bias)


def _spans(request: Request, text: str, data: bytes, begin_byte: int, end_byte: int) -> tuple[Span, ...]:
    if end_byte == 0:
        return ()
    begin = len(data[:begin_byte].decode("utf-8", "ignore"))
    return spans_between(request, text, begin, begin + len(data[begin_byte:end_byte].decode("utf-8", "ignore")))


def spans_between(request: Request, text: str, begin: int, end: int) -> tuple[Span, ...]:
    """The stretches of messages that ``text[begin:end]`` covers, ``text`` being the transcript.

    None when text was left out, so that offsets would lie.
    """
    if sum(len(message.text) for message in request.messages) > len(text):
        return ()
    spans = []
    cursor = 0
    for index, message in enumerate(request.messages):
        at = text.find(message.text, cursor)
        if at < 0:
            continue
        cursor = at + len(message.text)
        low, high = max(begin, at), min(end, cursor)
        if low < high:
            spans.append(Span(message=index, start=low - at, end=high - at, kind="window"))
    return tuple(spans)


def understanding_from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], words: WordVectors
) -> Understanding:
    """The detector in a file's arrays and metadata; ``words`` are the vectors that it may have been trained with.

    Raises:
        ModelFileError: an array is missing or has another shape than the facts say, or the facts cannot be read.
    """
    try:
        facts = msgspec.json.decode(metadata["facts"], type=Facts)
        scale = arrays["task.scale"].astype(np.float32)
        table = arrays["task.table"]
        weights = arrays["task.weights"].astype(np.float32)
        width = table.shape[1]
        expected = {
            "task.table": (1 << facts.reading.bits, width),
            "task.scale": (width,),
            "task.weights": (3 * width, len(facts.tasks)),
            "task.bias": (len(facts.tasks),),
            "risk.table": (1 << facts.windows.bits, len(facts.risks)),
            "risk.scale": (len(facts.risks),),
            "risk.bias": (len(facts.risks),),
        }
        if facts.vectors:
            units = arrays["word.bias"].shape
            expected["word.weights"] = (3 * len(words.scale), *units)
            expected["word.weigh"] = units
            expected["word.out"] = (*units, len(facts.tasks))
            expected["word.risks"] = (units[0] + 1, len(facts.risks))
            if facts.vectors != words.name:
                raise ModelFileError(
                    f"it was trained with the word vectors {facts.vectors}, not {words.name}.",
                    hint="Train the model again.",
                )
        if facts.windows.size != 2 * facts.windows.step:
            raise ModelFileError("a window is not two steps long.", hint="Train the model again.")
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                raise ModelFileError(
                    f"the array {name} has shape {arrays[name].shape}, not {shape}.", hint="Train the model again."
                )
        return Understanding(
            facts,
            table=np.ascontiguousarray(table, np.int8),
            weights=np.ascontiguousarray(np.tile(scale, 3)[:, None] * weights, np.float32),
            bias=arrays["task.bias"].astype(np.float32),
            layer=_layer(arrays, words) if facts.vectors else None,
            risk_table=np.ascontiguousarray(arrays["risk.table"], np.int8),
            risk_scale=arrays["risk.scale"].astype(np.float32),
            risk_bias=arrays["risk.bias"].astype(np.float32),
        )
    except (KeyError, IndexError, msgspec.MsgspecError) as error:
        raise ModelFileError(
            f"the file holds no trained signals ({error}).", hint="Train it again: python -m router.offline.fit_signals"
        ) from error


def _layer(arrays: Mapping[str, npt.NDArray[Any]], words: WordVectors) -> WordLayer:
    weights = np.ascontiguousarray(arrays["word.weights"], np.int8)
    weigh, bias, out, risks = (
        np.ascontiguousarray(arrays[f"word.{name}"], np.float32) for name in ("weigh", "bias", "out", "risks")
    )
    return WordLayer(words, weights, weigh, bias, out, risks)
