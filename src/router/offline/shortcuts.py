"""Words that a model leans on alone: one of them, put in front of a text about something else, turns its answer.

Such a word may be a mark of how the data was collected rather than of what is asked (shortcut learning: Geirhos et al.,
2020, arXiv:2004.07780). The check is a contrast test with one inserted word (as in Wallace et al., 2019,
arXiv:1908.07125, with words of the data instead of searched ones). Words of the labels' own names are left out.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np

from ..catalogue import LocalCard
from ..local.base import CardedModel
from ..signals.shortcut import words_of
from .rows import Rows
from .threads import on_one_thread

__all__ = ["find_shortcuts"]

_MOST_WORDS = 40
_TEXTS = 24
_SAMPLE = 200
_TURNED = 0.5
_LEAST_ROWS = 5
_LEAST_SHARE = 0.005


@on_one_thread
def find_shortcuts(model: CardedModel, card: LocalCard, rows: Rows, *, seed: int = 0) -> tuple[str, ...]:
    """The words of ``rows`` that turn at least half of 24 texts of other labels to one label, the strongest first.

    The 40 words that tell most of a label are tried: at most 1,160 predictions.
    """
    draw = np.random.default_rng(seed)
    sample = [rows.texts[at] for at in draw.permutation(len(rows))[:_SAMPLE]]
    said = [_top(prediction.probabilities) for prediction in model.predict(sample)]
    found: list[tuple[float, str]] = []
    for word, place in _telling(card, rows):
        texts = [text for text, label in zip(sample, said, strict=True) if label != place][:_TEXTS]
        if not texts:
            continue
        turned = [_top(each.probabilities) == place for each in model.predict([f"{word} {text}" for text in texts])]
        share = sum(turned) / len(turned)
        if share >= _TURNED:
            found.append((share, word))
    return tuple(word for _, word in sorted(found, key=lambda each: (-each[0], each[1])))


def _telling(card: LocalCard, rows: Rows) -> list[tuple[str, int]]:
    """The words that are most over-represented in one label, and its index."""
    own = {word for label in card.labels for name in (label, *card.aliases.get(label, ())) for word in words_of(name)}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    labels = Counter(rows.labels)
    for text, label in zip(rows.texts, rows.labels, strict=True):
        for word in words_of(text) - own:
            counts[word][label] += 1
    least = max(_LEAST_ROWS, math.ceil(_LEAST_SHARE * len(rows)))
    scored: list[tuple[float, str, int]] = []
    for word, by_label in counts.items():
        total = by_label.total()
        if total < least:
            continue
        label, count = by_label.most_common(1)[0]
        expected = total * labels[label] / len(rows)
        scored.append(((count - expected) / math.sqrt(expected), word, card.labels.index(label)))
    scored.sort(key=lambda each: (-each[0], each[1]))
    return [(word, place) for _, word, place in scored[:_MOST_WORDS]]


def _top(probabilities: tuple[float, ...]) -> int:
    return max(range(len(probabilities)), key=probabilities.__getitem__)
