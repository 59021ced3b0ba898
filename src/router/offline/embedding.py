"""Train the maker ``embedding``: the linear maker's n-grams and a sentence vector, fitted together.

What differs from :class:`LinearMaker` is the matrix that is fitted on, and two more facts that tell outsiders. The
matrix may also hold what shipped models tell; in the trained model nothing is left of these columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.cluster import MiniBatchKMeans
from sklearn.covariance import ledoit_wolf

from ..catalogue import LocalCard
from ..local.embedding import EMBEDDING_FACTS, EmbeddingArrays, EmbeddingModel, SentenceEncoder
from ..local.linear import LinearArrays
from ..local.static import shipped_encoder
from .fit import LinearMaker, Measuring
from .rows import Rows
from .transfer import SPEC, shipped_transfer, transfer_sources

__all__ = ["EmbeddingMaker", "prototypes_of", "scaled", "whitening_of"]

_MOST_PROTOTYPES = 384


class EmbeddingMaker(LinearMaker):
    """Trains a :class:`router.local.embedding.EmbeddingModel`, in scikit-learn's manner.

    Args:
        encoder: makes sentence vectors; the static one of the package by default.
        share: what a sentence vector weighs beside a block of n-grams.
        transfers: whether it also learns from what shipped models tell (English ones); ``spec`` and ``encoder`` are
            then theirs.
        settings: those of :class:`LinearMaker`.
    """

    maker = "embedding"

    def __init__(
        self, *, encoder: SentenceEncoder | None = None, share: float = 1.0, transfers: bool = False, **settings: Any
    ) -> None:
        super().__init__(**({"spec": SPEC} | settings if transfers else settings))
        self.encoder, self.share = encoder or shipped_encoder(), share
        if transfers and (self.spec != SPEC or self.encoder.name != shipped_encoder().name):
            raise ValueError("transfers needs the n-grams and the encoder of shipped models")
        self.transfers = transfers

    def card(self, **facts: Any) -> LocalCard:
        """As :meth:`LinearMaker.card`; what shipped models were asked is among its sources."""
        card = super().card(**facts)
        learnt = transfer_sources() if self.transfers else ()
        return msgspec.structs.replace(card, sources=(*card.sources, *learnt))

    def features(self, texts: Sequence[str]) -> sp.csr_matrix:
        matrix, vectors = super().features(texts), self.encoder.embed(texts)
        blocks = [matrix, sp.csr_matrix(vectors.astype(np.float64) * self.share)]
        if self.transfers:
            known = shipped_transfer()
            blocks.append(sp.csr_matrix(matrix @ known.table + vectors @ known.dense + known.offset))
        return sp.hstack(blocks, format="csr")

    def _plain_columns(self, width: int) -> slice:
        return slice(1 << self.spec.bits, width)

    def _arrays(self, weights: npt.NDArray[np.float64], bias: npt.NDArray[np.float64], rows: Rows) -> LinearArrays:
        grams = 1 << self.spec.bits
        table, dense, learnt = np.split(weights, [grams, grams + self.encoder.width])
        dense = dense * self.share
        if self.transfers:
            known = shipped_transfer()
            table, dense = table + known.table @ learnt, dense + known.dense @ learnt
            bias = bias + known.offset @ learnt
        linear = super()._arrays(table, bias, rows)
        vectors = self.encoder.embed(rows.texts)
        labels = sorted(set(rows.labels))
        truth = np.array([labels.index(label) for label in rows.labels])
        means = np.stack([vectors[truth == index].mean(0) for index in range(len(labels))])
        whitening = whitening_of(vectors - means[truth])
        return EmbeddingArrays(
            **msgspec.structs.asdict(msgspec.structs.replace(linear, ood_weights=_no_weights())),
            dense=dense.astype(np.float32),
            prototypes=prototypes_of(vectors, len(labels), self.seed),
            whitening=whitening,
            means=(means @ whitening).astype(np.float32),
            encoder=self.encoder.name,
        )

    def _model(self, card: LocalCard, arrays: LinearArrays) -> Measuring:
        assert isinstance(arrays, EmbeddingArrays)
        return EmbeddingModel(card, arrays, self.encoder)


def _no_weights() -> npt.NDArray[np.float32]:
    return np.zeros(len(EMBEDDING_FACTS) + 1, np.float32)


def scaled(arrays: EmbeddingArrays, factor: float) -> EmbeddingArrays:
    """The same model with the scores of its labels times ``factor``; it is as sure as before."""
    columns = np.full(len(arrays.scale), factor, np.float32)
    columns[-1] = 1.0  # tells outsiders
    return msgspec.structs.replace(
        arrays,
        scale=arrays.scale * columns,
        bias=arrays.bias * columns,
        dense=arrays.dense * columns,
        temperature=arrays.temperature / factor,
    )


def prototypes_of(vectors: npt.NDArray[np.float32], labels: int, seed: int) -> npt.NDArray[np.float32]:
    """Centres of the training vectors, of length 1."""
    count = min(len(vectors), max(64, min(_MOST_PROTOTYPES, 3 * labels)))
    clusters = MiniBatchKMeans(count, n_init=1, max_iter=30, batch_size=2048, random_state=seed).fit(vectors)
    centres = clusters.cluster_centers_
    length = np.linalg.norm(centres, axis=1, keepdims=True)
    found: npt.NDArray[np.float32] = (centres / np.maximum(length, 1e-9)).astype(np.float32)
    return found


def whitening_of(centred: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What makes the covariance that all labels share the identity (shrunk: Ledoit and Wolf, 2004)."""
    covariance, _ = ledoit_wolf(centred.astype(np.float64), assume_centered=True)
    values, axes = np.linalg.eigh(covariance + 1e-6 * np.eye(len(covariance)))
    found: npt.NDArray[np.float32] = (axes / np.sqrt(values)).astype(np.float32)
    return found
