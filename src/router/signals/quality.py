"""The ``quality`` signal: how good each hosted model's answer to this request would be, learnt from outcomes.

Optional: a router has it when its configuration names a file that ``router train-quality`` made. It feeds the
selector's objective; the rules of the policy stay above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from ..features import FeatureSpec, linear_scores, prepared, unsupported
from ..types import Signal, SignalName, Signals

__all__ = ["ALL_TASKS", "FORMAT", "LearnedQuality", "QualityFacts", "quality_from_arrays"]

FORMAT = "quality-1"
ALL_TASKS = "*"
_MAX_MODELS = 256


class QualityFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the arrays mean. ``models`` are named as in the outcomes, in the order of the columns; ``means`` their mean
    scores over the ``rows`` prompts that were learnt from. ``shifts``: by how much verdicts of users moved a model's
    scores, by task; :data:`ALL_TASKS` for the tasks that are not there."""

    version: str
    models: tuple[str, ...]
    spec: FeatureSpec
    rows: int
    means: tuple[float, ...]
    shifts: Mapping[str, Mapping[str, float]] = msgspec.field(default_factory=dict)


class LearnedQuality:
    """Provides ``quality``: ``{model: expected score}``, 0..1; unknown for a request without text."""

    provides: tuple[SignalName, ...] = ("quality",)
    slow = False

    def __init__(
        self,
        facts: QualityFacts,
        table: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
    ) -> None:
        """``table``: shape ``(2**facts.spec.bits, models)``; ``scale``, ``bias``: shape ``(models,)``."""
        self.facts = facts
        self.name = f"quality-{facts.version}"
        self._arrays = (table, scale, bias)

    def predict(self, text: str) -> dict[str, float] | None:
        """Expected scores of the models for a prompt, 0..1; None when it has no word."""
        spec = self.facts.spec
        scores = linear_scores(prepared(text, head=spec.head, tail=spec.tail), spec, *self._arrays)
        if not scores:
            return None
        return {model: min(1.0, max(0.0, score)) for model, score in zip(self.facts.models, scores, strict=True)}

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        found = self.predict(signals.request.transcript(self.facts.spec.head, self.facts.spec.tail))
        if found is not None and self.facts.shifts:
            task = signals["task"].value
            found = {model: min(1.0, max(0.0, score + self._shift(model, task))) for model, score in found.items()}
        return {"quality": Signal(value=found, confidence=0.0 if found is None else 1.0, detector=self.name)}

    def _shift(self, model: str, task: str | None) -> float:
        by_task = self.facts.shifts.get(model, {})
        return by_task.get(task or "", by_task.get(ALL_TASKS, 0.0))


def quality_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> LearnedQuality:
    """The predictor in a file's arrays and metadata.

    Raises:
        ModelFileError: not such a file, or its arrays do not fit what it says of them.
    """
    again = "Train it again: router train-quality"
    try:
        facts = msgspec.json.decode(metadata["facts"], type=QualityFacts)
        table, scale, bias = arrays["table"], arrays["scale"], arrays["bias"]
    except (KeyError, msgspec.MsgspecError, RecursionError) as error:
        raise ModelFileError(f"the file holds no learned quality ({error}).", hint=again) from error
    spec, count = facts.spec, len(facts.models)
    wrong = None
    if metadata.get("format") != FORMAT:
        wrong = f"format {metadata.get('format')!r} instead of {FORMAT!r}"
    elif not (1 <= count <= _MAX_MODELS and len(facts.means) == count and len(set(facts.models)) == count):
        wrong = f"{count} models with {len(facts.means)} means"
    elif (limits := unsupported(spec, 20)) is not None:
        wrong = limits
    elif table.dtype != np.int8 or table.shape != (1 << spec.bits, count):
        wrong = f"table is {table.dtype} {table.shape}"
    elif any(array.dtype != np.float32 or array.shape != (count,) for array in (scale, bias)):
        wrong = "scale and bias do not fit the models"
    elif not all(abs(shift) <= 1.0 for by_task in facts.shifts.values() for shift in by_task.values()):
        wrong = "a shift is no number of -1..1"
    elif not (np.isfinite(scale).all() and np.isfinite(bias).all()):
        wrong = "it holds values that are not finite"
    if wrong is not None:
        raise ModelFileError(f"the arrays do not fit: {wrong}.", hint=again)
    return LearnedQuality(facts, np.ascontiguousarray(table), scale, bias)
