"""The figures of ``router eval``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import RequestError
from ..local.base import CardedModel
from ..local.heads import LABEL_HEADS
from .measure import confirmed, figures, latency_us, ood_figures
from .promise import Goal
from .rows import Rows

__all__ = ["evaluation"]


def evaluation(
    model: CardedModel, rows: Rows, outside: Sequence[str] = (), *, every_label: bool = False
) -> dict[str, Any]:
    """Figures of ``model`` on ``rows``; those of outsiders are None without ``outside``.

    Where the rows lack some of the model's labels, figures are of a choice among those they have (``labels`` says how
    many), as :func:`router.offline.measure.figures` tells; ``promise`` is always of a choice among all.
    Keys: ``model``, ``rows``, ``labels``, ``accuracy``, ``accuracy_interval``, ``macro_f1``, ``macro_f1_interval``,
    ``ece``, ``coverage``, ``error_answered``, ``ood_auroc``, ``ood_fpr95``, ``ood_answered``, ``latency_us_p50``,
    ``promise``.

    Raises:
        RequestError: the rows have labels that the model has not.
    """
    aliases = {spelling: label for label, spellings in model.card.aliases.items() for spelling in spellings}
    known = {label: label for label in model.labels} | {label.casefold(): label for label in model.labels}
    known |= {spelling.casefold(): label for spelling, label in aliases.items()}
    unknown = sorted({label for label in rows.labels if known.get(label, known.get(label.casefold())) is None})
    if unknown:
        raise RequestError(
            f"the rows have labels that {model.name} has not: {', '.join(unknown[:8])}.",
            hint=f"It has: {', '.join(model.labels[:20])}.",
        )
    labels = tuple(known.get(label) or known[label.casefold()] for label in rows.labels)
    rows = Rows(texts=rows.texts, labels=labels, languages=rows.languages, hosted=rows.hosted)
    is_label = model.card.head in LABEL_HEADS
    card, predictions, language = model.card, model.predict(rows.texts), _language(model, rows)
    found = figures(card, predictions, rows.labels, language=language, every_label=every_label or not is_label)
    if not is_label:  # right or not is no choice between two labels
        found |= {"macro_f1": None, "macro_f1_interval": None}
    promised = model.card.promise
    goal = Goal(**{name: promised[name] for name in ("max_error", "confidence", "keep", "of") if name in promised})
    promise = {
        **{name: value for name, value in promised.items() if name not in {"tested", "by_language"}},
        "here": confirmed(card, predictions, rows, goal) if goal.keep is None or rows.hosted else None,
    }
    out: dict[str, Any] = {"ood_auroc": None, "ood_fpr95": None, "ood_answered": None}
    if outside:
        out = ood_figures(card, predictions, model.predict(outside))
    return {
        "model": model.name,
        **found,
        **out,
        "latency_us_p50": round(latency_us(model, rows.texts), 1),
        "promise": promise,
    }


def _language(model: CardedModel, rows: Rows) -> str:
    spoken = set(rows.languages)
    return spoken.pop() if len(spoken) == 1 else model.card.languages[0]
