"""The ``quality`` signal: how good each hosted model's answer to this request would be, learnt from outcomes.

Optional: a router has it when its configuration names a file that ``router train-quality`` made. It feeds the
selector's objective; the rules of the policy stay above it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from ..features import FeatureSpec, linear_scores, prepared, unsupported
from ..known_ngrams import KNOWN_BITS, KnownScorer
from ..types import Signal, SignalName, Signals
from .surface import SURFACE, surface_of

__all__ = [
    "ALL_TASKS",
    "BEND_WITHIN",
    "FORMAT",
    "LearnedQuality",
    "QualityFacts",
    "digest_of",
    "quality_from_arrays",
    "standardised",
]

FORMAT = "quality-5"
BEND_WITHIN = 2.0
"""Of how many spreads of the level the curves reach; beyond they stay as they are there."""
ALL_TASKS = "*"
_MAX_MODELS = 256
_ARRAYS = (
    "table",
    "scale",
    "bias",
    "word_table",
    "word_scale",
    "surface",
    "middle",
    "spread",
    "known",
    "level",
    "bend",
)


class QualityFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the arrays mean. ``spec`` are the n-grams of one table, ``words`` the single words of the other.

    ``models`` are named as in the outcomes, in the order of the columns; ``means`` their mean scores over the ``rows``
    prompts that were learnt from. ``shifts``: by how much verdicts of users moved a model's scores, by task;
    :data:`ALL_TASKS` for the tasks that are not there. ``digest``: of the arrays (:func:`digest_of`), so that a damaged
    file is noticed; who can write the file can write that, too.
    """

    version: str
    models: tuple[str, ...]
    spec: FeatureSpec
    words: FeatureSpec
    rows: int
    means: tuple[float, ...]
    digest: str
    shifts: Mapping[str, Mapping[str, float]] = msgspec.field(default_factory=dict)


class LearnedQuality:
    """Provides ``quality``: ``{model: expected score}``, 0..1; unknown for a request without text.

    The confidence is the share of the request's words that stood in the outcomes: where it is low, little was learnt.
    """

    provides: tuple[SignalName, ...] = ("quality",)
    slow = False

    def __init__(self, facts: QualityFacts, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """``arrays`` by name, for M models: ``table`` and ``word_table``, int8, ``(2**bits, M)`` by ``facts.spec`` and
        ``facts.words``; ``scale``, ``word_scale`` and ``bias``, float32, ``(M,)``; ``surface``, float32,
        ``(len(SURFACE), M)``, and ``middle`` and ``spread``, float32, ``(len(SURFACE),)``, which standardise it;
        ``level``, float32, ``(2,)``: the middle and the spread of the mean over the models, how hard a prompt is for
        all of them; ``bend``, float32, ``(3, M)``: each model's constant, slope and curvature over that."""
        self.facts = facts
        self.name = f"quality-{facts.version}"
        self._ngrams = KnownScorer(facts.spec, arrays["table"], arrays["scale"], arrays["bias"], arrays["known"])
        self._words = (facts.words, arrays["word_table"], arrays["word_scale"], np.zeros_like(arrays["bias"]))
        self._surface = (arrays["middle"], np.float32(1.0) / arrays["spread"], arrays["surface"])
        self._level = tuple(arrays["level"].tolist())
        self._bend = tuple(zip(*arrays["bend"].tolist(), strict=True))

    def predict(self, text: str) -> dict[str, float] | None:
        """Expected scores of the models for a prompt, 0..1; None when it has no word."""
        found = self._read(text)
        return None if found is None else found[0]

    def _read(self, text: str) -> tuple[dict[str, float], float] | None:
        """The expected scores, and the share of the prompt's words that are known."""
        spec = self.facts.spec
        data = prepared(text, head=spec.head, tail=spec.tail)
        found = self._ngrams.scores(data)
        if found is None:
            return None
        middle, width, weights = self._surface
        looks = standardised(surface_of(data), middle, width) @ weights
        scores = [sum(each) for each in zip(found[0], linear_scores(data, *self._words), looks.tolist(), strict=True)]
        middle_level, spread = self._level
        level = min(max((sum(scores) / len(scores) - middle_level) / spread, -BEND_WITHIN), BEND_WITHIN)
        expected = {
            model: min(1.0, max(0.0, score + constant + level * (slope + level * curvature)))
            for model, score, (constant, slope, curvature) in zip(self.facts.models, scores, self._bend, strict=True)
        }
        return expected, found[1]

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        read = self._read(signals.request.transcript(self.facts.spec.head, self.facts.spec.tail))
        if read is None:
            return {"quality": Signal(value=None, confidence=0.0, detector=self.name)}
        found, known = read
        if self.facts.shifts:
            task = signals["task"].value
            found = {model: min(1.0, max(0.0, score + self._shift(model, task))) for model, score in found.items()}
        return {"quality": Signal(value=found, confidence=known, detector=self.name)}

    def _shift(self, model: str, task: str | None) -> float:
        by_task = self.facts.shifts.get(model, {})
        return by_task.get(task or "", by_task.get(ALL_TASKS, 0.0))


def quality_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> LearnedQuality:
    """The predictor in a file's arrays and metadata.

    Raises:
        ModelFileError: not such a file, or its arrays do not fit what it says of them.
    """
    again = "Train it again: router train-quality"
    if metadata.get("format") != FORMAT:
        raise ModelFileError(f"the file has format {metadata.get('format')!r} instead of {FORMAT!r}.", hint=again)
    try:
        facts = msgspec.json.decode(metadata["facts"], type=QualityFacts)
        missing = [name for name in _ARRAYS if name not in arrays]
    except (KeyError, msgspec.MsgspecError, RecursionError) as error:
        raise ModelFileError(f"the file holds no learned quality ({error}).", hint=again) from error
    spec, count = facts.spec, len(facts.models)
    wrong = None
    if not (1 <= count <= _MAX_MODELS and len(facts.means) == count):
        wrong = f"{count} models with {len(facts.means)} means"
    elif len(set(facts.models)) < count:
        wrong = f"{', '.join(sorted(set(facts.models)))} stand for {count} models"
    elif missing:
        wrong = f"it lacks {', '.join(missing)}"
    elif (limits := unsupported(spec, KNOWN_BITS) or unsupported(facts.words, 20)) is not None:
        wrong = limits
    elif not all(abs(shift) <= 1.0 for by_task in facts.shifts.values() for shift in by_task.values()):
        wrong = "a shift is no number of -1..1"
    else:
        wrong = next(filter(None, (_misfit(name, arrays[name], *_expected(name, facts)) for name in _ARRAYS)), None)
    if wrong is None and digest_of(arrays) != facts.digest:
        wrong = "they are not those that were written"
    if wrong is not None:
        raise ModelFileError(f"the arrays do not fit: {wrong}.", hint=again)
    return LearnedQuality(facts, {name: np.ascontiguousarray(arrays[name]) for name in _ARRAYS})


def digest_of(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 of the arrays that :class:`LearnedQuality` reads."""
    found = hashlib.sha256()
    for name in _ARRAYS:
        found.update(np.ascontiguousarray(arrays[name]).data)
    return found.hexdigest()


def standardised(
    surface: npt.NDArray[np.float32], middle: npt.NDArray[np.float32], width: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Surfaces, shape ``(..., len(SURFACE))``, less their middle and times ``width``, cut at two of these: what is out
    of the ordinary must not count without bound."""
    found: npt.NDArray[np.float32] = np.clip((surface - middle) * width, -2.0, 2.0)
    return found


def _expected(name: str, facts: QualityFacts) -> tuple[type, tuple[int, ...]]:
    count = len(facts.models)
    if name in ("table", "word_table"):
        return np.int8, (1 << (facts.spec if name == "table" else facts.words).bits, count)
    if name == "known":
        return np.uint8, ((1 << KNOWN_BITS) // 8,)
    if name in ("level", "bend"):
        return np.float32, (2,) if name == "level" else (3, count)
    if name in ("middle", "spread"):
        return np.float32, (len(SURFACE),)
    return np.float32, (len(SURFACE), count) if name == "surface" else (count,)


def _misfit(name: str, array: npt.NDArray[Any], kind: type, shape: tuple[int, ...]) -> str | None:
    if array.dtype != kind or array.shape != shape:
        return f"{name} is {array.dtype} {array.shape}"
    if kind is np.float32 and not np.isfinite(array).all():
        return f"{name} holds values that are not finite"
    is_divisor = {"spread": array, "level": array[1:]}.get(name)
    return f"{name} holds a zero" if is_divisor is not None and not is_divisor.all() else None
