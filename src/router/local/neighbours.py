"""The maker ``neighbours``: a pretrained encoder as it is, and two closed-form classifiers on its vectors.

A Gaussian for each label with one covariance for all, shrunk towards a multiple of the identity (regularised
discriminant analysis: Friedman, 1989), and the nearest training texts, weighted by similarity; their probabilities are
multiplied. Fitted in milliseconds, made for few rows. The encoder is an ONNX graph, run without PyTorch (extra
``deep``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from .base import card_by, checked_file
from .encoder import ARRAYS_FILE, EncoderModel, Graph, arrays_from, read_graph
from .files import read_arrays

__all__ = ["NEIGHBOURS_FILE", "NearestGraph", "Neighbours", "load_neighbours", "softmax", "unit"]

NEIGHBOURS_FILE = "neighbours.safetensors"
FORMAT = "neighbours-1"
_NEAREST = 10
_NEAR_TEMPERATURE = 0.07
_GAUSSIAN_TEMPERATURE = 8.0

_Floats = npt.NDArray[Any]


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """What was learnt of K labels from n vectors of width H.

    ``weights``: ``(H, K)`` and ``offset``: ``(K,)``, the Gaussians' scores; ``rows``: ``(n, H)`` of length 1, the
    training texts; ``truth``: int32 ``(n,)``, their labels.
    """

    weights: _Floats
    offset: _Floats
    rows: _Floats
    truth: npt.NDArray[Any]

    def probabilities(self, vectors: _Floats) -> _Floats:
        """Shape ``(len(vectors), K)``; ``vectors`` are of length 1."""
        gaussian = softmax((vectors @ self.weights - self.offset) / _GAUSSIAN_TEMPERATURE)
        near = vectors @ self.rows.T
        count = min(_NEAREST, near.shape[1])
        places = np.argpartition(-near, count - 1, axis=1)[:, :count]
        votes = np.full_like(gaussian, 1e-6)
        texts = np.arange(len(vectors))
        for column in range(count):
            at = places[:, column]
            np.add.at(votes, (texts, self.truth[at]), np.exp((near[texts, at] - 1) / _NEAR_TEMPERATURE))
        votes /= votes.sum(1, keepdims=True)
        return softmax((np.log(gaussian + 1e-4) + np.log(votes + 1e-3)) / 2)

    def as_file(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
        """``(arrays, metadata)`` for :func:`router.local.files.write_arrays`."""
        return {
            "weights": self.weights.astype(np.float32),
            "offset": self.offset.astype(np.float32),
            "rows": self.rows.astype(np.float16),
            "truth": self.truth.astype(np.int32),
        }, {"format": FORMAT}


class NearestGraph:
    """An encoder and its neighbours, used as a :class:`~router.local.encoder.Graph` is."""

    def __init__(self, graph: Graph, learnt: Neighbours) -> None:
        self._graph, self._learnt = graph, learnt

    def tokens(self, text: str) -> int:
        """How many tokens are read of ``text``, special ones included."""
        return self._graph.tokens(text)

    def run(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logarithms of probabilities ``(n, K)`` and vectors ``(n, H)`` of length 1, float32."""
        vectors = unit(self._graph.run(texts)[1])
        return np.log(self._learnt.probabilities(vectors)).astype(np.float32), vectors


def unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The vectors at length 1."""
    found: npt.NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found


def softmax(scores: _Floats) -> _Floats:
    """Rows that sum to one."""
    shares: _Floats = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return shares


def load_neighbours(directory: Path, *, threads: int = 1) -> EncoderModel:
    """The model in ``directory``; size, hash and shapes of its files are checked against its card.

    Raises:
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
        MissingExtra: ``onnxruntime`` or ``tokenizers`` is not installed.
    """
    card = card_by("neighbours", directory)
    path, sha256 = checked_file(directory, card, ARRAYS_FILE)
    arrays = arrays_from(*read_arrays(path, sha256=sha256), len(card.labels), path)
    width = arrays.whitening.shape[0]
    path, sha256 = checked_file(directory, card, NEIGHBOURS_FILE)
    stored, metadata = read_arrays(path, sha256=sha256)
    wrong = _misfit(stored, metadata, len(card.labels), width)
    if wrong is not None:
        raise ModelFileError(f"the arrays do not fit the card: {wrong}.", file=str(path), hint="Train the model again.")
    path, graph, tokenizer = read_graph(directory, card)
    reader = NearestGraph(
        Graph(graph, tokenizer, max_tokens=arrays.max_tokens, threads=threads, file=str(path)),
        Neighbours(
            weights=stored["weights"],
            offset=stored["offset"],
            rows=stored["rows"].astype(np.float32),
            truth=stored["truth"],
        ),
    )
    try:
        reader.run(["a text"])
    except Exception as error:
        raise ModelFileError(
            f"the graph cannot be run, or its vectors do not fit ({str(error)[:200]}).", file=str(path)
        ) from error
    return EncoderModel(card, reader, arrays)


def _misfit(stored: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], labels: int, width: int) -> str | None:
    if metadata.get("format") != FORMAT:
        return f"format {metadata.get('format')!r} instead of {FORMAT!r}"
    count = len(stored["rows"]) if "rows" in stored and stored["rows"].ndim == 2 else 0
    if not 0 < count <= 1_000_000:
        return f"{count} rows are not supported"
    expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "weights": (np.float32, (width, labels)),
        "offset": (np.float32, (labels,)),
        "rows": (np.float16, (count, width)),
        "truth": (np.int32, (count,)),
    }
    for name, (dtype, shape) in expected.items():
        array = stored.get(name)
        if array is None or array.dtype != dtype or array.shape != shape or not np.isfinite(array).all():
            return f"{name} is missing, of another shape than {shape}, or not finite"
    if not 0 <= int(stored["truth"].min()) <= int(stored["truth"].max()) < labels:
        return "a row has a label that the card does not name"
    return None
