"""Verdicts of users folded into learned quality: by model and task a bounded shift, and nothing else is changed.

The table that was learnt from outcomes stays as it is, so that a fold is undone by taking the file before it. A task's
shift is what its own verdicts say beyond the model's (two levels of shrinkage, as in empirical Bayes: Efron and Morris,
1975). No prompt is needed: a verdict holds what had been predicted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from ..errors import RequestError
from ..local.files import read_arrays, write_arrays
from ..signals.quality import ALL_TASKS, LearnedQuality, quality_from_arrays
from ..state.learning import Evidence, completed, evidence_of
from ..types import Feedback, Record

__all__ = ["fold", "folded", "verdicts_of"]


def verdicts_of(feedback: Iterable[Feedback], records: Iterable[Record]) -> list[Feedback]:
    """The newest verdict on each decision, completed from its record where it does not say who answered."""
    newest = {each.decision_id: each for each in feedback}
    waiting = {name for name, each in newest.items() if each.model is None}
    if waiting:
        for record in records:
            if record.decision.id in waiting:
                newest[record.decision.id] = completed(newest[record.decision.id], record)
    return list(newest.values())


def folded(
    verdicts: Iterable[Feedback], base: LearnedQuality, names: Mapping[str, str], *, max_shift: float, least: int
) -> dict[str, dict[str, Evidence]]:
    """What the verdicts on predictions of ``base`` say of its models, by task; :data:`ALL_TASKS` stands for the rest.

    ``names``: which of its models a deployment is. ``max_shift``, ``least``: as in
    :func:`~router.state.learning.evidence_of`.
    """
    by_model: dict[str, list[Feedback]] = {}
    for each in verdicts:
        model = names.get(each.model or "")
        if each.predictor == base.name and each.predicted is not None and model in base.facts.models:
            by_model.setdefault(model, []).append(each)
    found: dict[str, dict[str, Evidence]] = {}
    for model, told in sorted(by_model.items()):
        whole = evidence_of(told, max_shift=max_shift, least=least)
        found[model] = {ALL_TASKS: whole}
        for task in sorted({each.task for each in told if each.task is not None}):
            # What remains once the model's own shift is taken for given.
            rest = [
                msgspec.structs.replace(each, predicted=(each.predicted or 0.0) + whole.shift)
                for each in told
                if each.task == task
            ]
            evidence = evidence_of(rest, max_shift=2 * max_shift, least=least)
            if evidence.shift:
                shift = min(max_shift, max(-max_shift, whole.shift + evidence.shift))
                found[model][task] = msgspec.structs.replace(evidence, shift=shift)
    return found


def fold(base: Path, out: Path, evidence: Mapping[str, Mapping[str, Evidence]]) -> LearnedQuality:
    """Write ``base`` with the shifts of ``evidence`` on top of those that it has; the detector in the new file.

    Raises:
        RequestError: ``out`` is ``base``, which would leave no way back.
    """
    if base.resolve() == out.resolve():
        raise RequestError("--out is the file that is folded into.", hint="Write another: the old one is the way back.")
    arrays, metadata = read_arrays(base)
    facts = quality_from_arrays(arrays, metadata).facts
    shifts: dict[str, dict[str, float]] = {model: dict(of) for model, of in facts.shifts.items()}
    for model, by_task in evidence.items():
        had = shifts.get(model, {})
        # A task that had no shift of its own had the model's.
        now = {task: had.get(task, had.get(ALL_TASKS, 0.0)) + each.shift for task, each in by_task.items()}
        now |= {task: shift + by_task[ALL_TASKS].shift for task, shift in had.items() if task not in by_task}
        shifts[model] = {task: round(shift, 6) for task, shift in now.items()}
    told = msgspec.json.encode(shifts, order="deterministic")
    version = hashlib.sha256(facts.version.encode() + told).hexdigest()[:12]
    new: dict[str, npt.NDArray[Any]] = dict(arrays)
    facts = msgspec.structs.replace(facts, shifts=shifts, version=version)
    write_arrays(out, new, {**metadata, "facts": msgspec.json.encode(facts).decode()})
    return quality_from_arrays(*read_arrays(out))
