"""The maker ``encoder``: a fine-tuned transformer as an ONNX graph, run without PyTorch (extra ``deep``).

The graph takes ``input_ids`` and ``attention_mask`` (int64, ``(n, tokens)``) and gives ``logits`` ``(n, K)`` and
``pooled`` ``(n, H)``, the vector before the last layer, in whose space distances tell outsiders. Beside it a model of
the maker ``embedding`` may read the same texts: its scores are added to the logits, for n-grams know what the graph
does not, and its facts tell outsiders, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from ..catalogue import LocalCard
from ..errors import MissingExtra, ModelFileError
from ..types import Prediction
from .base import card_by, checked_file
from .embedding import EMBEDDING_FACTS, EmbeddingModel, embedding_model
from .files import read_arrays, read_bytes

__all__ = [
    "ARRAYS_FILE",
    "ENCODER_FACTS",
    "GRAPH_FILE",
    "NGRAMS_FILE",
    "TOKENIZER_FILE",
    "EncoderArrays",
    "EncoderModel",
    "Graph",
    "TextReader",
    "arrays_from",
    "facts_of",
    "load_encoder",
    "opened_session",
    "opened_tokenizer",
    "read_graph",
    "token_edges",
]

GRAPH_FILE, TOKENIZER_FILE, ARRAYS_FILE = "encoder.onnx", "tokenizer.json", "model.safetensors"
NGRAMS_FILE = "ngrams.safetensors"
MAX_GRAPH_BYTES = 1024 * 1024 * 1024
MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
FORMAT = "encoder-1"
# Top probability, energy (Liu et al., 2020), Mahalanobis distance to the nearest label (Lee et al., 2018), and
# cosine to the nearest prototype of the training texts (Sun et al., 2022).
ENCODER_FACTS = ("top", "energy", "mahalanobis", "nearest")
_BATCH = 32

_F32 = npt.NDArray[np.float32]


class EncoderArrays(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the graph of a model with K labels and vectors of width H.

    ``temperature`` multiplies logits before softmax; ``whitening``: float32 ``(H, d)``; ``means``: float32 ``(K, d)``;
    ``prototypes``: float32 ``(P, H)`` of length 1; ``ood_weights``: float32, one for each of :data:`ENCODER_FACTS`, of
    the n-grams' facts where they are read, and a bias; ``max_tokens``: what is read of a text.
    """

    temperature: float
    whitening: _F32
    means: _F32
    prototypes: _F32
    ood_weights: _F32
    max_tokens: int

    def as_file(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
        """``(arrays, metadata)`` for :func:`router.local.files.write_arrays`."""
        arrays: dict[str, npt.NDArray[Any]] = {
            name: getattr(self, name) for name in ("whitening", "means", "prototypes", "ood_weights")
        }
        arrays["gates"] = np.array([self.temperature, self.max_tokens], np.float32)
        return arrays, {"format": FORMAT}


class Graph:
    """Tokenizer and ONNX session: texts -> ``(logits, pooled)``.

    Of a text longer than ``max_tokens`` its first are read and its last ``tail_tokens``.

    Raises:
        MissingExtra: ``onnxruntime`` or ``tokenizers`` is not installed.
        ModelFileError: the graph or the tokenizer cannot be read, or the graph has other inputs or outputs.
    """

    def __init__(
        self,
        graph: bytes,
        tokenizer: bytes,
        *,
        max_tokens: int,
        tail_tokens: int = 0,
        threads: int = 1,
        file: str = "",
    ) -> None:
        self._tokenizer = opened_tokenizer(tokenizer, None if tail_tokens else max_tokens, file)
        self._session = opened_session(graph, threads, file)
        self._most, self._tail = max_tokens, tail_tokens
        self._inputs = {given.name for given in self._session.get_inputs()}
        outputs = [given.name for given in self._session.get_outputs()]
        if not {"input_ids", "attention_mask"} <= self._inputs or outputs[:2] != ["logits", "pooled"]:
            raise ModelFileError(
                f"the graph has inputs {sorted(self._inputs)} and outputs {outputs}.",
                file=file,
                hint="input_ids and attention_mask, logits and pooled are expected: make it with router train.",
            )

    def tokens(self, text: str) -> int:
        """How many tokens are read of ``text``, special ones included."""
        return len(self._tokenizer.encode(text).ids)

    def run(self, texts: Sequence[str]) -> tuple[_F32, _F32]:
        """Logits ``(n, K)`` and pooled vectors ``(n, H)``, float32."""
        encoded = [
            token_edges(found.ids, self._most, self._tail) for found in self._tokenizer.encode_batch(list(texts))
        ]
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
        logits: list[_F32] = []
        pooled: list[_F32] = []
        for batch in _batches(order, encoded):
            part = [encoded[index] or [0] for index in batch]
            width = max(map(len, part))
            ids = np.zeros((len(part), width), np.int64)
            mask = np.zeros((len(part), width), np.int64)
            for row, tokens in enumerate(part):
                ids[row, : len(tokens)] = tokens
                mask[row, : len(tokens)] = 1
            given = {"input_ids": ids, "attention_mask": mask}
            if "token_type_ids" in self._inputs:
                given["token_type_ids"] = np.zeros_like(ids)
            found = self._session.run(["logits", "pooled"], given)
            logits.append(found[0])
            pooled.append(found[1])
        back = np.argsort(order)
        return np.concatenate(logits)[back], np.concatenate(pooled)[back]


def token_edges(ids: list[int], most: int, tail: int) -> list[int]:
    """The first and the last ``tail`` tokens of a longer text, ``most`` in all."""
    return ids if len(ids) <= most else ids[: most - tail] + ids[len(ids) - tail :]


def _batches(order: Sequence[int], encoded: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices in batches, ``order`` being by length: what is padded would be computed, so lengths are about equal."""
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) == _BATCH or len(encoded[index]) > 8 + 1.2 * len(encoded[batch[0]])):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def opened_tokenizer(data: bytes, max_tokens: int | None, file: str) -> Any:
    """A tokenizer that cuts after ``max_tokens`` (None: cuts nothing) and pads nothing.

    Raises:
        MissingExtra, ModelFileError.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra(error.name or "tokenizers", "deep") from error
    try:
        tokenizer = Tokenizer.from_str(data.decode())
        if max_tokens is None:
            tokenizer.no_truncation()
        else:
            tokenizer.enable_truncation(max_tokens)
        tokenizer.no_padding()
        for texts in (("a text",), ("a text", "and another")):  # a rule about a token that is not there fails now
            tokenizer.encode(*texts)
    except BaseException as error:
        # The library is written in Rust, whose panics are no exceptions to Python.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelFileError(f"the tokenizer cannot be read ({error}).", file=file) from error
    return tokenizer


def opened_session(graph: bytes, threads: int, file: str) -> Any:
    """An ONNX session on ``threads`` threads; the server's own concurrency is the better use of more cores.

    Raises:
        MissingExtra, ModelFileError.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(error.name or "onnxruntime", "deep") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        # Fused, the sums before layer norms take a tenth of the time longer on the CPU.
        return onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
        )
    except Exception as error:
        raise ModelFileError(f"the graph cannot be run ({str(error)[:200]}).", file=file) from error


class TextReader(Protocol):
    """Texts -> ``(logits, vectors)``, float32, ``(n, K)`` and ``(n, H)``: a graph, or a graph and what follows it."""

    def run(self, texts: Sequence[str]) -> tuple[_F32, _F32]: ...


class EncoderModel:
    """A fine-tuned encoder that may answer, meeting :class:`router.types.LocalModel`. Threads may share it.

    ``ngrams`` reads beside it, its scores being of the logits' scale.
    """

    is_fast = False

    def __init__(
        self, card: LocalCard, graph: TextReader, arrays: EncoderArrays, ngrams: EmbeddingModel | None = None
    ) -> None:
        self.card, self.name, self.labels = card, card.name, card.labels
        self.arrays = arrays
        self._graph, self._ngrams = graph, ngrams

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Calibrated probabilities and in-distribution score of each text."""
        if not texts:
            return []
        probabilities, facts = self.measure(texts)
        weights = self.arrays.ood_weights.astype(np.float64)
        logit = np.clip(facts @ weights[:-1] + weights[-1], -60.0, 60.0)
        inside = 1.0 / (1.0 + np.exp(-logit))
        return [
            Prediction(
                labels=self.labels,
                probabilities=tuple(row.tolist()),
                in_distribution=float(score) if text.strip() else 0.0,
            )
            for text, row, score in zip(texts, probabilities, inside, strict=True)
        ]

    def measure(self, texts: Sequence[str]) -> tuple[_F32, npt.NDArray[np.float64]]:
        """Probabilities ``(n, K)`` and what tells outsiders, ``(n, len(ood_weights) - 1)``."""
        logits, pooled = self._graph.run(texts)
        if self._ngrams is None:
            return facts_of(logits, pooled, self.arrays)
        scores, more = self._ngrams.measure(texts)
        probabilities, facts = facts_of(logits + scores, pooled, self.arrays)
        return probabilities, np.hstack([facts, more])


def facts_of(logits: _F32, pooled: _F32, arrays: EncoderArrays) -> tuple[_F32, npt.NDArray[np.float64]]:
    """Probabilities and facts from what the graph gave."""
    scaled = logits * arrays.temperature
    top = scaled.max(1, keepdims=True)
    powers = np.exp(scaled - top)
    total = powers.sum(1, keepdims=True)
    probabilities: _F32 = powers / total
    white = pooled @ arrays.whitening
    distance = np.sqrt(
        np.maximum(
            (white**2).sum(1)[:, None] - 2.0 * white @ arrays.means.T + (arrays.means**2).sum(1)[None, :], 0.0
        ).min(1)
    )
    length = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-9)
    nearest = (pooled / length @ arrays.prototypes.T).max(1)
    energy = (top + np.log(total))[:, 0]
    facts = np.stack([probabilities.max(1), energy, distance, nearest], axis=1).astype(np.float64)
    return probabilities, facts


def read_graph(directory: Path, card: LocalCard) -> tuple[Path, bytes, bytes]:
    """Where the graph of a model is, its bytes and those of its tokenizer, checked against the card.

    Raises:
        ModelFileError: one is missing, tampered with, truncated or oversized.
    """
    path, sha256 = checked_file(directory, card, GRAPH_FILE)
    graph = read_bytes(path, sha256=sha256, max_bytes=MAX_GRAPH_BYTES)
    tokenizer_path, sha256 = checked_file(directory, card, TOKENIZER_FILE)
    return path, graph, read_bytes(tokenizer_path, sha256=sha256, max_bytes=MAX_TOKENIZER_BYTES)


def load_encoder(directory: Path, *, threads: int = 1) -> EncoderModel:
    """The encoder model in ``directory``; size, hash and shapes of its files are checked against its card.

    Raises:
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
        MissingExtra: ``onnxruntime`` or ``tokenizers`` is not installed.
    """
    card = card_by("encoder", directory)
    path, sha256 = checked_file(directory, card, ARRAYS_FILE)
    stored, metadata = read_arrays(path, sha256=sha256)
    ngrams = embedding_model(card, directory, NGRAMS_FILE) if NGRAMS_FILE in card.files else None
    facts = len(ENCODER_FACTS) + (len(EMBEDDING_FACTS) if ngrams is not None else 0)
    arrays = arrays_from(stored, metadata, len(card.labels), path, facts=facts)
    path, graph, tokenizer = read_graph(directory, card)
    reader = Graph(graph, tokenizer, max_tokens=arrays.max_tokens, threads=threads, file=str(path))
    model = EncoderModel(card, reader, arrays, ngrams)
    try:
        logits, pooled = reader.run(["a text"])
    except Exception as error:
        raise ModelFileError(f"the graph cannot be run ({str(error)[:200]}).", file=str(path)) from error
    if (
        logits.ndim != 2
        or pooled.ndim != 2
        or logits.shape[1] != len(card.labels)
        or pooled.shape[1] != arrays.whitening.shape[0]
    ):
        raise ModelFileError(
            f"the graph gives {logits.shape} labels and {pooled.shape} vectors, which do not fit the card.",
            file=str(path),
            hint="Train the model again.",
        )
    return model


def arrays_from(
    stored: Mapping[str, npt.NDArray[Any]],
    metadata: Mapping[str, str],
    labels: int,
    path: Path,
    *,
    facts: int = len(ENCODER_FACTS),
) -> EncoderArrays:
    """A file's arrays, checked: types, shapes, finite values. ``facts`` is how many tell outsiders.

    Raises:
        ModelFileError: something is missing or does not fit ``labels`` labels.
    """
    wrong = _misfit(stored, metadata, labels, facts)
    if wrong is not None:
        raise ModelFileError(f"the arrays do not fit the card: {wrong}.", file=str(path), hint="Train the model again.")
    temperature, max_tokens = (float(value) for value in stored["gates"])
    return EncoderArrays(
        temperature=temperature,
        whitening=stored["whitening"],
        means=stored["means"],
        prototypes=stored["prototypes"],
        ood_weights=stored["ood_weights"],
        max_tokens=int(max_tokens),
    )


def _misfit(stored: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], labels: int, facts: int) -> str | None:
    if metadata.get("format") != FORMAT:
        return f"format {metadata.get('format')!r} instead of {FORMAT!r}"
    whitening, prototypes = stored.get("whitening"), stored.get("prototypes")
    if whitening is None or whitening.ndim != 2 or prototypes is None or prototypes.ndim != 2:
        return "whitening or prototypes are missing"
    width, rank = whitening.shape
    expected: dict[str, tuple[int, ...]] = {
        "whitening": (width, rank),
        "means": (labels, rank),
        "prototypes": (len(prototypes), width),
        "ood_weights": (facts + 1,),
        "gates": (2,),
    }
    for name, shape in expected.items():
        array = stored.get(name)
        if array is None or array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            return f"{name} is missing, of another shape than {shape}, or not finite"
    temperature, max_tokens = (float(value) for value in stored["gates"])
    if not (temperature > 0.0 and 8 <= max_tokens <= 8192 and math.isfinite(temperature)) or not len(prototypes):
        return f"temperature {temperature} or max_tokens {max_tokens} is not supported"
    return None
