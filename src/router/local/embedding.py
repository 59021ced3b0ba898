"""The maker ``embedding``: hashed n-grams as in ``linear``, and beside them a sentence vector, in one linear model.

The n-grams know the words of the training rows, the vector knows their neighbours; distances in the vector's space tell
texts of the model's kind from others better than its probabilities do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from ..catalogue import LocalCard
from ..errors import ModelFileError
from ..types import Prediction
from .base import card_by, checked_file
from .files import read_arrays
from .linear import FACTS, MAX_MODEL_BYTES, MODEL_FILE, LinearArrays, LinearModel, arrays_of
from .static import shipped_encoder

__all__ = [
    "EMBEDDING_FACTS",
    "EmbeddingArrays",
    "EmbeddingModel",
    "SentenceEncoder",
    "embedding_model",
    "load_embedding",
]

FORMAT = "embedding-1"
# After those of the linear model: how near the text is to what training texts were like (cosine of the nearest of the
# prototypes; Sun et al., 2022, arXiv:2204.06507), and its Mahalanobis distance to the nearest label (Lee et al., 2018,
# arXiv:1807.03888).
EMBEDDING_FACTS = (*FACTS, "nearest", "mahalanobis")

_F32 = npt.NDArray[np.float32]


class SentenceEncoder(Protocol):
    """Texts -> vectors. ``name`` changes whenever the vectors do."""

    @property
    def name(self) -> str: ...
    @property
    def width(self) -> int: ...
    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


class EmbeddingArrays(LinearArrays, frozen=True, kw_only=True):
    """The numbers of an embedding model with K labels, beside those of the linear one.

    ``dense``: float32 ``(D, K + 1)``, what the vector adds to the scores. ``prototypes``: float32 ``(P, D)``, of
    length 1. ``whitening``: float32 ``(D, d)`` and ``means``: float32 ``(K, d)``, for Mahalanobis distances as plain
    ones. ``ood_weights`` has ``len(EMBEDDING_FACTS) + 1`` entries. ``encoder``: the name of what made the vectors.
    """

    dense: _F32
    prototypes: _F32
    whitening: _F32
    means: _F32
    encoder: str

    def as_file(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
        """``(arrays, metadata)`` for :func:`router.local.files.write_arrays`."""
        arrays, metadata = LinearArrays.as_file(self)
        arrays |= {name: getattr(self, name) for name in ("dense", "prototypes", "whitening", "means")}
        return arrays, metadata | {"format": FORMAT, "encoder": self.encoder}


class EmbeddingModel:
    """A linear model over n-grams and sentence vectors, meeting :class:`router.types.LocalModel`. Immutable."""

    is_fast = True

    def __init__(self, card: LocalCard, arrays: EmbeddingArrays, encoder: SentenceEncoder) -> None:
        self.card, self.name, self.labels = card, card.name, card.labels
        self.arrays = arrays
        self._encoder = encoder
        self._linear = LinearModel(card, arrays)
        self._uniform = (1.0 / len(self.labels),) * len(self.labels)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Calibrated probabilities and in-distribution score of each text; a text without words is never inside."""
        return [self._predict(read) for read in self._read(texts)]

    def measure(self, texts: Sequence[str]) -> tuple[_F32, npt.NDArray[np.float64]]:
        """Raw label scores ``(n, K)`` and the facts of :data:`EMBEDDING_FACTS`, one row a text."""
        scores = np.zeros((len(texts), len(self.labels)), np.float32)
        facts = np.zeros((len(texts), len(EMBEDDING_FACTS)))
        for index, read in enumerate(self._read(texts)):
            if read is not None:
                scores[index], _, facts[index] = read
        return scores, facts

    def _predict(self, read: tuple[_F32, list[float], list[float]] | None) -> Prediction:
        if read is None:
            return Prediction(labels=self.labels, probabilities=self._uniform, in_distribution=0.0)
        _, probabilities, facts = read
        weights = self.arrays.ood_weights
        logit = float(np.dot(weights[:-1], facts)) + float(weights[-1])
        inside = 1.0 / (1.0 + math.exp(-min(max(logit, -60.0), 60.0)))
        if facts[0] < self.arrays.min_known:
            inside = 0.0
        return Prediction(labels=self.labels, probabilities=tuple(probabilities), in_distribution=inside)

    def _read(self, texts: Sequence[str]) -> list[tuple[_F32, list[float], list[float]] | None]:
        """Label scores, their softmax and the facts of each text; None for one without words."""
        reads = [self._linear.read(text) for text in texts]
        vectors = self._encoder.embed(
            [text if read is None else read[3] for text, read in zip(texts, reads, strict=True)]
        )
        return [
            None if read is None else self._joined(read[0], read[2], vector)
            for read, vector in zip(reads, vectors, strict=True)
        ]

    def _joined(
        self, sparse: Sequence[float], facts: Sequence[float], vector: _F32
    ) -> tuple[_F32, list[float], list[float]]:
        arrays = self.arrays
        every = vector @ arrays.dense
        scores = np.array(sparse, np.float32) + every[:-1]
        scaled = scores * arrays.temperature
        top = float(scaled.max())
        exponents = np.exp(scaled - top)
        total = float(exponents.sum())
        nearest = float((arrays.prototypes @ vector).max())
        apart = arrays.means - vector @ arrays.whitening
        distance = math.sqrt(float((apart * apart).sum(1).min()))
        facts = [*facts[:3], 1.0 / total, top + math.log(total), facts[5] + float(every[-1]), nearest, distance]
        return scores, (exponents / total).tolist(), facts


def load_embedding(directory: Path) -> EmbeddingModel:
    """The embedding model in ``directory``, checked as a linear one is, and against the encoder it was trained with.

    Raises:
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
    """
    return embedding_model(card_by("embedding", directory), directory, MODEL_FILE)


def embedding_model(card: LocalCard, directory: Path, name: str) -> EmbeddingModel:
    """The embedding model in the file ``name`` of a model's ``directory``, checked as :func:`load_embedding` says.

    Raises:
        ModelFileError: as there.
    """
    path, sha256 = checked_file(directory, card, name)
    arrays, metadata = read_arrays(path, sha256=sha256, max_bytes=MAX_MODEL_BYTES)
    linear = arrays_of(arrays, metadata, labels=len(card.labels), file=path, kind=FORMAT, facts=len(EMBEDDING_FACTS))
    encoder = shipped_encoder()
    wrong = _misfit(arrays, metadata, len(card.labels), encoder)
    if wrong is not None:
        raise ModelFileError(f"the arrays do not fit the card: {wrong}.", file=str(path), hint="Train the model again.")
    found = EmbeddingArrays(
        **msgspec.structs.asdict(linear),
        dense=arrays["dense"],
        prototypes=arrays["prototypes"],
        whitening=arrays["whitening"],
        means=arrays["means"],
        encoder=metadata["encoder"],
    )
    return EmbeddingModel(card, found, encoder)


def _misfit(
    arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], labels: int, encoder: SentenceEncoder
) -> str | None:
    if metadata.get("encoder") != encoder.name:
        return f"it was trained with the encoder {metadata.get('encoder')!r}, and {encoder.name!r} is here"
    width = encoder.width
    rank = arrays["whitening"].shape[-1] if "whitening" in arrays else 0
    count = len(arrays["prototypes"]) if "prototypes" in arrays and arrays["prototypes"].ndim == 2 else 0
    if not (0 < rank <= width and 0 < count <= 65536):
        return f"{count} prototypes and {rank} whitened dimensions are not supported"
    expected = {
        "dense": (width, labels + 1),
        "prototypes": (count, width),
        "whitening": (width, rank),
        "means": (labels, rank),
    }
    for name, shape in expected.items():
        array = arrays.get(name)
        if array is None or array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            return f"{name} is missing, of another shape than {shape}, or not finite"
    return None
