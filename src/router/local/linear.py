"""The maker ``linear``: hashed n-grams, one int8 table, calibrated probabilities and an in-distribution score.

A text is hashed once; the same table rows give the labels' scores, the outlier head's score and, in a bit table, which
of its n-grams the training texts had. scikit-learn is not needed here: it only trains (``offline/fit.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..catalogue import LocalCard
from ..errors import ModelFileError
from ..features import FeatureSpec, prepared, unsupported
from ..known_ngrams import KNOWN_BITS, KnownScorer
from ..types import Prediction
from .base import card_by, checked_file
from .files import read_arrays
from .spelling import Speller

__all__ = [
    "FACTS",
    "MAX_MODEL_BYTES",
    "MODEL_FILE",
    "LinearArrays",
    "LinearModel",
    "arrays_of",
    "load_linear",
]

MODEL_FILE = "model.safetensors"
MAX_MODEL_BYTES = 32 * 1024 * 1024
FORMAT = "linear-1"

# What the in-distribution score is made of, in the order of ``ood_weights`` (whose last entry is the bias).
FACTS = ("known_words", "known_pairs", "known_letters", "top", "energy", "inlier")

_MANY = 24  # so many labels, and numpy's softmax is the faster one

_F32 = npt.NDArray[np.float32]
_NO_WORDS, _NO_COUNTS = np.zeros(0, np.uint32), np.zeros(0, np.uint16)


class LinearArrays(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of a linear model with K labels.

    ``table``: int8 ``(2**spec.bits, K + 1)``, ``scale`` and ``bias``: float32 ``(K + 1,)``; the last column tells
    texts of the model's kind from others. ``temperature``: what label scores are multiplied by before softmax.
    ``known``: uint8 ``(2**KNOWN_BITS / 8,)``, one bit an n-gram of the training texts. ``ood_weights``: float32
    ``(len(FACTS) + 1,)``, of a logistic model that tells the model's own texts from others by shares of known n-grams,
    top probability, energy (logsumexp of scores: Liu et al., 2020, arXiv:2010.03759) and the last column's score
    (outlier exposure: Hendrycks et al., 2019, arXiv:1812.04606). ``min_known``: least share of known words.
    ``spelling`` and ``spelling_counts``: of :class:`router.local.spelling.Speller`; empty where nothing is corrected.
    """

    spec: FeatureSpec
    table: npt.NDArray[np.int8]
    scale: _F32
    bias: _F32
    temperature: float
    known: npt.NDArray[np.uint8]
    ood_weights: _F32
    min_known: float
    spelling: npt.NDArray[np.uint32] = _NO_WORDS
    spelling_counts: npt.NDArray[np.uint16] = _NO_COUNTS

    def as_file(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
        """``(arrays, metadata)`` for :func:`router.local.files.write_arrays`."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "table": self.table,
            "scale": self.scale,
            "bias": self.bias,
            "known": self.known,
            "ood_weights": self.ood_weights,
            "gates": np.array([self.temperature, self.min_known], np.float32),
        }
        if len(self.spelling):
            arrays |= {"spelling": self.spelling, "spelling_counts": self.spelling_counts}
        return arrays, {"format": FORMAT, "spec": msgspec.json.encode(self.spec).decode()}


class LinearModel:
    """A linear classifier that may answer, meeting :class:`router.types.LocalModel`.

    ``labels`` has K entries in the order of the table's columns. Instances are immutable and may be shared by threads.
    """

    is_fast = True

    def __init__(self, card: LocalCard, arrays: LinearArrays) -> None:
        self.card = card
        self.name = card.name
        self.labels = card.labels
        self.arrays = arrays
        self._scorer = KnownScorer(arrays.spec, arrays.table, arrays.scale, arrays.bias, arrays.known)
        self._ood_weights = [float(weight) for weight in arrays.ood_weights]
        self._uniform = (1.0 / len(self.labels),) * len(self.labels)
        self._speller = Speller(arrays.spelling, arrays.spelling_counts)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Calibrated probabilities and in-distribution score of each text; a text without words is never inside."""
        return [self._predict(text) for text in texts]

    def measure(self, texts: Sequence[str]) -> tuple[_F32, npt.NDArray[np.float64]]:
        """Raw label scores ``(n, K)`` and the facts of :data:`FACTS` ``(n, len(FACTS))``: what calibration fits on."""
        scores = np.zeros((len(texts), len(self.labels)), np.float32)
        facts = np.zeros((len(texts), len(FACTS)))
        for index, text in enumerate(texts):
            read = self.read(text)
            if read is not None:
                scores[index], _, facts[index], _ = read
        return scores, facts

    def _predict(self, text: str) -> Prediction:
        read = self.read(text)
        if read is None:
            return Prediction(labels=self.labels, probabilities=self._uniform, in_distribution=0.0)
        _, probabilities, facts, _ = read
        logit = self._ood_weights[-1]
        for weight, fact in zip(self._ood_weights, facts, strict=False):
            logit += weight * fact
        inside = 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))
        if facts[0] < self.arrays.min_known:
            inside = 0.0
        return Prediction(labels=self.labels, probabilities=tuple(probabilities), in_distribution=inside)

    def read(self, text: str) -> tuple[Sequence[float], list[float], list[float], str] | None:
        """Label scores, their softmax, the facts, and the text as it was read; None when it has no word at all.

        Where words are unknown, labels are read from the text as the :class:`Speller` spells it; what
        is known of a text is known of it as it came.
        """
        found = self._scored(text)
        if found is None:
            return None
        every, words, pairs, letters = found
        if words < 1.0:
            spelt = self._speller.spelt(text)
            if spelt is not text:
                text, (every, *_) = spelt, self._scored(spelt) or found
        scores = every[:-1]
        temperature = self.arrays.temperature
        top = max(scores) * temperature
        if len(scores) > _MANY:
            exponents = np.exp(np.array(scores) * temperature - top)
            total = float(exponents.sum())
            probabilities: list[float] = (exponents / total).tolist()
        else:
            powers = [math.exp(score * temperature - top) for score in scores]
            total = sum(powers)
            probabilities = [power / total for power in powers]
        return scores, probabilities, [words, pairs, letters, 1.0 / total, top + math.log(total), every[-1]], text

    def _scored(self, text: str) -> tuple[Sequence[float], float, float, float] | None:
        """All columns' scores, and the shares of known words, pairs and letters."""
        spec = self.arrays.spec
        return self._scorer.scores(prepared(text, head=spec.head, tail=spec.tail))


def load_linear(directory: Path) -> LinearModel:
    """The linear model in ``directory``, its file's size, hash, types, shapes and values checked against its card.

    Raises:
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
    """
    card = card_by("linear", directory)
    path, sha256 = checked_file(directory, card, MODEL_FILE)
    arrays, metadata = read_arrays(path, sha256=sha256, max_bytes=MAX_MODEL_BYTES)
    return LinearModel(card, arrays_of(arrays, metadata, labels=len(card.labels), file=path))


def arrays_of(
    arrays: Mapping[str, npt.NDArray[Any]],
    metadata: Mapping[str, str],
    *,
    labels: int,
    file: Path,
    kind: str = FORMAT,
    facts: int = len(FACTS),
) -> LinearArrays:
    """A file's arrays, checked: types, shapes, finite values. ``facts`` is how many the outlier judge weighs.

    Raises:
        ModelFileError: something is missing or does not fit ``labels`` labels.
    """
    wrong = _misfit(arrays, metadata, labels, kind, facts)
    if wrong is not None:
        raise ModelFileError(f"the arrays do not fit the card: {wrong}.", file=str(file), hint="Train the model again.")
    gates = arrays["gates"]
    return LinearArrays(
        spec=_spec(metadata["spec"]),
        table=arrays["table"],
        scale=arrays["scale"],
        bias=arrays["bias"],
        temperature=float(gates[0]),
        known=arrays["known"],
        ood_weights=arrays["ood_weights"],
        min_known=float(gates[1]),
        spelling=arrays.get("spelling", _NO_WORDS),
        spelling_counts=arrays.get("spelling_counts", _NO_COUNTS),
    )


def _spec(text: str) -> FeatureSpec:
    return msgspec.json.decode(text, type=FeatureSpec)


def _misfit(
    arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], labels: int, kind: str, facts: int
) -> str | None:
    if metadata.get("format") != kind:
        return f"format {metadata.get('format')!r} instead of {kind!r}"
    try:
        spec = _spec(metadata.get("spec", ""))
    except (msgspec.MsgspecError, RecursionError) as error:
        return f"its feature specification cannot be read ({error})"
    limits = unsupported(spec, KNOWN_BITS)
    if limits is not None:
        return limits
    expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "table": (np.int8, (1 << spec.bits, labels + 1)),
        "scale": (np.float32, (labels + 1,)),
        "bias": (np.float32, (labels + 1,)),
        "known": (np.uint8, ((1 << KNOWN_BITS) // 8,)),
        "ood_weights": (np.float32, (facts + 1,)),
        "gates": (np.float32, (2,)),
    }
    if "spelling" in arrays or "spelling_counts" in arrays:
        count = min(arrays["spelling"].size if "spelling" in arrays else 0, 1 << 20)
        expected |= {"spelling": (np.uint32, (count,)), "spelling_counts": (np.uint16, (count,))}
    for name, (dtype, shape) in expected.items():
        array = arrays.get(name)
        if array is None or array.dtype != dtype or array.shape != shape:
            found = "missing" if array is None else f"{array.dtype} {array.shape}"
            return f"{name} is {found}, {np.dtype(dtype)} {shape} is expected"
        if array.dtype == np.float32 and not np.isfinite(array).all():
            return f"{name} holds values that are not finite"
    if "spelling" in arrays and not bool((arrays["spelling"][1:] > arrays["spelling"][:-1]).all()):
        return "the words that spelling knows are not in order"
    if not float(arrays["gates"][0]) > 0.0:
        return "the temperature is not positive"
    return None
