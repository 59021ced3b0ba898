"""A local model from the hosted answers to one prompt template, as the ledger recorded them.

The answers are the labels, so what is calibrated and promised is agreement with the hosted model, not truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from ..errors import RequestError, TooFewRows
from .advise import least_rows
from .classifier import LocalClassifier
from .exchanges import Exchange
from .harvest import Harvest, harvest
from .promise import agreement

__all__ = ["learn", "template_rows"]

_MOST_BOUND = 64


def template_rows(read: Callable[[], Iterable[Exchange]], template: str) -> Harvest:
    """What the past holds of the template that ``template`` (a fingerprint, or its first digits) names.

    ``read`` is called twice: to see which wordings are one template, and for its rows.

    Raises:
        RequestError: no such template, or several that begin so.
    """
    found, _ = harvest(read(), keeps=lambda each: False)
    exact = [each for each in found if template in each.templates]
    chosen = exact or [each for each in found if any(name.startswith(template) for name in each.templates)]
    if not chosen:
        known = ", ".join(each.template for each in found[:5])
        raise RequestError(
            f"the ledger has no template {template!r}.",
            param="template",
            hint=f"The dearest are: {known}. See router advise." if known else "It has no requests with a template.",
        )
    if len(chosen) > 1:
        raise RequestError(
            f"{len(chosen)} templates begin with {template!r}: {', '.join(each.template for each in chosen[:5])}.",
            param="template",
            hint="Write more digits.",
        )
    wanted = frozenset(chosen[0].templates)
    again, _ = harvest(read(), keeps=wanted.__contains__)
    return next(each for each in again if not wanted.isdisjoint(each.templates))


def learn(
    harvested: Harvest,
    *,
    keep: float = 0.98,
    confidence: float = 0.95,
    name: str | None = None,
    task: str = "other_classification",
    maker: str = "auto",
    minutes: float | None = None,
    languages: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> LocalClassifier:
    """Train on a template's hosted answers and calibrate to ``keep``: the share of the model's answers that must agree
    with what the hosted model would have said, with ``confidence``. Save what comes back.

    Raises:
        TooFewRows: there are no contents, too few rows, or the calibration rows do not carry the promise.
        RequestError: fewer than two labels, or the frozen threshold broke its promise on the test rows.
    """
    goal = agreement(keep, confidence)
    if not harvested.readable:
        raise TooFewRows(
            f"the ledger holds no contents of the template {harvested.template}: there is nothing to learn from.",
            rows=0,
            needed=least_rows(goal),
            hint="Set `ledger: {contents: true}`, and come back when enough requests have passed.",
        )
    rows, needed = harvested.as_rows(), least_rows(goal)
    if len(rows) < needed:
        raise TooFewRows(
            f"{len(rows):,} different texts with a hosted answer are too few to keep {keep:g}: "
            f"at least {needed:,} are needed.",
            rows=len(rows),
            needed=needed,
            hint=f"Wait for {needed - len(rows):,} more, or promise less with --keep.",
        )
    classifier = LocalClassifier(
        task=task,
        name=name,
        maker=maker,
        max_error=goal.max_error,
        confidence=confidence,
        minutes=minutes,
        languages=languages,
        licence="the user's own traffic",
        seed=seed,
        progress=progress,
    ).fit(rows.texts, rows.labels)
    promise = classifier.card_.promise
    tested = promise.get("tested", {})
    if promise["threshold"] > 1.0:
        raise TooFewRows(
            f"no threshold keeps {keep:g}: {promise['why']}.",
            rows=len(rows),
            needed=_rows_said(promise["why"]),
            hint="Wait for more requests, or promise less with --keep.",
        )
    if not tested.get("holds", True):
        raise RequestError(
            f"agreement of {keep:g} did not hold on untouched rows: {tested['errors']} of {tested['answered']} answers "
            "differed from the hosted model's.",
            hint="Train again when there are more rows, or promise less with --keep.",
        )
    notes = _notes(harvested, len(rows))
    limits = (
        "It learnt what the hosted model said, mistakes included; what it promises is agreement, not truth.",
        "Texts were stored with personal data masked.",
        *notes,
        *classifier.card_.limits,
    )
    classifier.notes_[:0] = notes
    classifier.card_ = msgspec.structs.replace(
        classifier.card_,
        template=harvested.template,
        also_templates=tuple(harvested.templates[1:_MOST_BOUND]),
        promise={**promise, "of": "hosted", "keep": keep, "teacher": harvested.teacher},
        description=f"Trained on {classifier.card_.rows:,} answers of {harvested.teacher} to one prompt template.",
        sources=tuple(f"answers of {model} ({count:,})" for model, count in harvested.models.most_common(5)),
        limits=limits,
    )
    classifier.model_ = classifier.maker_.model(classifier.card_)
    return classifier


def _notes(harvested: Harvest, rows: int) -> tuple[str, ...]:
    found = [f"{rows:,} different texts with a hosted answer, of {harvested.hosted:,} hosted requests."]
    if harvested.repeated:
        found.append(f"{harvested.repeated:,} repeated texts were read once.")
    if harvested.conflicts:
        found.append(f"{harvested.conflicts:,} texts had another answer before; the newest was taken.")
    if harvested.unlabelled:
        found.append(f"{harvested.unlabelled:,} answers gave none of the labels and were left out.")
    if harvested.without_text:
        found.append(f"{harvested.without_text:,} requests whose text could not be told were left out.")
    if len(harvested.models) > 1:
        said = ", ".join(f"{model} {count:,}" for model, count in harvested.models.most_common(4))
        found.append(f"Several hosted models answered ({said}); the promise is about their mixture.")
    return tuple(found)


def _rows_said(why: str) -> int | None:
    """The number that a promise's reason ends with, when it names one."""
    words: list[Any] = [word.replace(",", "") for word in why.split()]
    numbers = [int(word) for word in words if word.isdigit()]
    return numbers[-1] if len(numbers) > 1 else None
