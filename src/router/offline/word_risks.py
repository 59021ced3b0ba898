"""What known words say of risks: more columns and some more units of the hidden layer that tasks have over words.

The windows' scores of each row come from heads that have not seen its group, so that what is learnt here is what
n-grams leave open. Prompt injection is left to n-grams: by its words alone a good part of clean mail looks like it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..features import TextHashes
from ..reading import ReadingSpec, WordVectors, looked_up, word_places
from ..signals.learned import SCAN_HEAD, SCAN_TAIL
from .pooled import WORDS_DROPPED, WORDS_WEIGH, Adam, kept_units
from .signal_rows import RISKS, RiskRow

__all__ = ["COLUMNS", "KINDS", "UNITS", "Known", "Said", "fit_said", "known_words"]

Floats = npt.NDArray[np.float32]
KINDS = ("harmful", "jailbreak")
UNITS = 32  # beside those of tasks
# Of rows that only whole sentences tell, words may learn a little.
IN_CONTEXT_WEIGHS = 0.15
# Half of what is learnt is taken, and half of what n-grams say alone: of sources of another kind than those that were
# trained on words say less, and then n-grams are the better half.
LEARNT = 0.5
COLUMNS = [RISKS.index(kind) for kind in KINDS]


class Known(NamedTuple):
    """What :func:`router.reading.word_places` tells of texts, ``(texts, 3 * D)``, and the share of words known."""

    places: Floats
    share: Floats


class Said(NamedTuple):
    """The layer's part for risks, beside the tasks' units: ``weights`` ``(3 * D, UNITS)``, ``bias`` ``(UNITS,)``, and
    ``out`` ``(units of tasks + UNITS + 1, kinds)``; ``slope`` and ``offset`` ``(kinds,)`` of the windows' score."""

    weights: Floats
    bias: Floats
    out: Floats
    slope: Floats
    offset: Floats

    def odds(self, units: Floats, known: Known, by_windows: Floats) -> Floats:
        """Log-odds of :data:`KINDS`; ``units``: those of tasks; ``by_windows``: raw scores of the kinds."""
        more = np.maximum(known.places @ self.weights + self.bias, 0.0)
        said = np.concatenate([units, more], axis=1) @ self.out[:-1] + self.out[-1]
        found: Floats = by_windows * self.slope + self.offset + known.share[:, None] * said
        return found

    def scaled(self, slope: Floats, offset: Floats) -> Said:
        """The same with its log-odds times ``slope``, plus ``offset``."""
        return self._replace(out=self.out * slope, slope=self.slope * slope, offset=self.offset * slope + offset)


def known_words(texts: Sequence[str], spec: ReadingSpec, words: WordVectors) -> Known:
    """What the words of texts tell, as they are read at serving."""
    places, share = np.zeros((len(texts), 3 * len(words.scale)), np.float32), np.zeros(len(texts), np.float32)
    for index, text in enumerate(texts):
        rows = looked_up(TextHashes(text, head=SCAN_HEAD, tail=SCAN_TAIL).cut(spec.head, spec.tail), spec, words)
        if len(rows):
            places[index], share[index] = word_places(rows, spec, words), (rows >= 0).mean()
    return Known(places, share)


def fit_said(
    rows: Sequence[RiskRow],
    units: Floats,
    known: Known,
    by_windows: Floats,
    platt: Floats,
    use: npt.NDArray[np.bool_],
    *,
    epochs: int = 5,
    batch: int = 512,
    rate: float = 2e-3,
    dropout: float = 0.3,
    decay: float = 0.01,
    seed: int = 0,
) -> Said:
    """Fit on the rows in ``use``. ``by_windows``: raw scores of the kinds; ``platt``: slopes and offsets that calibrate
    these alone, shape ``(2, kinds)``."""
    rng = np.random.default_rng(seed)
    targets = np.array([[float(row.flags[column] == 1) for column in COLUMNS] for row in rows], np.float32)
    told = np.array([[float(row.flags[column] is not None) for column in COLUMNS] for row in rows], np.float32)
    weight = np.array([row.weight * (IN_CONTEXT_WEIGHS if row.in_context else 1.0) for row in rows], np.float32)
    at_all, width, kinds = units.shape[1] + UNITS, known.places.shape[1], len(KINDS)
    weights, bias = rng.uniform(-0.4, 0.4, (width, UNITS)).astype(np.float32), np.zeros(UNITS, np.float32)
    out = np.zeros((at_all + 1, kinds), np.float32)
    out[units.shape[1] : at_all] = rng.uniform(-0.02, 0.02, (UNITS, kinds))
    slope, offset = platt[0].copy(), platt[1].copy()
    kept = np.flatnonzero(use)
    steps = epochs * (len(kept) // batch + 1)
    adam = Adam([weights, bias, out, slope, offset], [rate] * 5, [decay, 0.0, decay, 0.0, 0.0], steps)

    for _ in range(epochs):
        order = rng.permutation(kept)
        for at in range(0, len(order), batch):
            part = order[at : at + batch]
            x = known.places[part]
            x = x * (WORDS_WEIGH * kept_units(rng, x.shape, 1.0 - WORDS_DROPPED))
            hidden = x @ weights + bias
            loud = (hidden > 0.0).astype(np.float32)
            mask = kept_units(rng, (len(part), at_all), 1.0 - dropout)
            both = np.concatenate([units[part], hidden * loud], axis=1) * mask
            share, window = known.share[part][:, None], by_windows[part]
            odds = window * slope + offset + share * (both @ out[:-1] + out[-1])
            likely = 1.0 / (1.0 + np.exp(-np.clip(odds, -30, 30)))
            error = ((likely - targets[part]) * told[part] * weight[part][:, None] / batch).astype(np.float32)
            said = error * share
            behind = (said @ out[:-1].T * mask)[:, units.shape[1] :] * loud
            found: list[Any] = [x.T @ behind, behind.sum(axis=0), np.vstack([both.T @ said, said.sum(axis=0)])]
            adam.update([*found, (error * window).sum(axis=0), error.sum(axis=0)])
    learnt = Said(weights * np.float32(WORDS_WEIGH), bias, out, slope, offset)
    halved = learnt.scaled(np.full(kinds, LEARNT, np.float32), np.zeros(kinds, np.float32))
    return halved._replace(
        slope=halved.slope + (1.0 - LEARNT) * platt[0], offset=halved.offset + (1.0 - LEARNT) * platt[1]
    )
