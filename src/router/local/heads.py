"""The maker ``huggingface``: an already fine-tuned transformer as an ONNX graph, run without PyTorch (extra ``deep``).

Five kinds of heads, one protocol. ``labels`` and ``pair`` choose a label for a text or for two; ``entities``, ``span``
and ``number`` write an answer of their own (``Prediction.value``); their labels are :data:`ANSWERED`, and the first
one's probability says how sure the answer is. ``entities`` are BIO tags over tokens (Ramshaw and Marcus, 1995);
``span`` is the likeliest stretch of the second text, with the empty one as a rival (Devlin et al., 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..catalogue import PAIR_MARK, HeadKind, LocalCard
from ..errors import ModelFileError
from ..types import Prediction
from .base import card_by, checked_file
from .encoder import (
    ARRAYS_FILE,
    EncoderArrays,
    arrays_from,
    facts_of,
    opened_session,
    opened_tokenizer,
    read_graph,
)
from .files import read_arrays, read_bytes

__all__ = [
    "ANSWERED",
    "HEAD_FILE",
    "LABEL_HEADS",
    "PAIR_HEADS",
    "Head",
    "HeadGraph",
    "HeadModel",
    "Reading",
    "load_heads",
]

HEAD_FILE = "head.json"
FORMAT = "head-1"
ANSWERED = ("answer", "none")
LABEL_HEADS: frozenset[HeadKind] = frozenset({"labels", "pair"})
"""Those whose answer is one of the model's labels."""
PAIR_HEADS: frozenset[HeadKind] = frozenset({"pair", "span"})
"""Those that always read two texts."""
_MAX_HEAD_BYTES = 256 * 1024
_LONGEST_SPAN = 40
_OUTPUTS: Mapping[HeadKind, tuple[str, ...]] = {
    "labels": ("logits", "pooled"),
    "pair": ("logits", "pooled"),
    "entities": ("logits", "pooled"),
    "span": ("starts", "ends", "pooled"),
    "number": ("logits", "pooled"),
}

_F32 = npt.NDArray[np.float32]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the graph's numbers mean. ``tags`` in the order of its logits: labels, or BIO tags."""

    format: str
    kind: HeadKind
    tags: tuple[str, ...]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the graph says of one text: raw ``logits`` ``(K,)`` (of :data:`ANSWERED` for answers that are no label),
    the vector ``pooled`` ``(H,)`` and the answer ``value``."""

    logits: _F32
    pooled: _F32
    value: Any = None


class HeadGraph:
    """Tokenizer and ONNX session of a head: texts -> readings.

    Raises:
        MissingExtra: ``onnxruntime`` or ``tokenizers`` is not installed.
        ModelFileError: graph or tokenizer cannot be read, or the graph has other inputs or outputs.
    """

    def __init__(
        self, graph: bytes, tokenizer: bytes, head: Head, *, max_tokens: int, threads: int = 1, file: str = ""
    ) -> None:
        self.head = head
        self._tokenizer = opened_tokenizer(tokenizer, max_tokens, file)
        self._session = opened_session(graph, threads, file)
        self._inputs = {given.name for given in self._session.get_inputs()}
        outputs = tuple(given.name for given in self._session.get_outputs())
        known = {"input_ids", "attention_mask", "token_type_ids"}
        if not {"input_ids", "attention_mask"} <= self._inputs <= known or outputs != _OUTPUTS[head.kind]:
            raise ModelFileError(
                f"the graph has inputs {sorted(self._inputs)} and outputs {outputs}.",
                file=file,
                hint=f"{_OUTPUTS[head.kind]} are expected: make it with router models build --from-hf.",
            )

    def read(self, text: str) -> Reading:
        """What the graph says of one text; of two, joined by ``PAIR_MARK``, where the head reads pairs."""
        first, found, second = text.partition(PAIR_MARK)
        is_pair = self.head.kind in PAIR_HEADS or (self.head.kind == "number" and bool(found))
        if not is_pair:
            first = text
        encoded = self._tokenizer.encode(first, second) if is_pair else self._tokenizer.encode(first)
        ids = np.array([encoded.ids or [0]], np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        if "token_type_ids" in self._inputs:
            given["token_type_ids"] = np.array([encoded.type_ids or [0]], np.int64)
        *said, pooled = self._session.run(None, given)
        vector: _F32 = pooled[0]
        if not all(np.isfinite(part).all() for part in (*said, vector)):
            return Reading(logits=_sure(0.0), pooled=np.nan_to_num(vector))
        if self.head.kind in LABEL_HEADS:
            return Reading(logits=said[0][0], pooled=vector)
        if self.head.kind == "number":
            return Reading(logits=_sure(1.0), pooled=vector, value=float(said[0][0, 0]))
        if encoded.overflowing:  # what was cut off may hold the answer
            return Reading(logits=_sure(0.0), pooled=vector)
        if self.head.kind == "entities":
            certainty, entities = _entities(first, encoded, said[0][0], self.head.tags)
            return Reading(logits=_sure(certainty), pooled=vector, value=entities)
        certainty, answer = _span(second, encoded, said[0][0], said[1][0])
        return Reading(logits=_sure(certainty), pooled=vector, value=answer)


class HeadModel:
    """A fine-tuned transformer that may answer, meeting :class:`router.types.LocalModel`. Threads may share it."""

    is_fast = False

    def __init__(self, card: LocalCard, graph: HeadGraph, arrays: EncoderArrays) -> None:
        self.card, self.name, self.labels = card, card.name, card.labels
        self.graph, self.arrays = graph, arrays

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Calibrated probabilities, in-distribution score and, of heads that write answers, the answer."""
        found = []
        weights = self.arrays.ood_weights.astype(np.float64)
        for text in texts:
            reading = self.graph.read(text)
            probabilities, facts = facts_of(reading.logits[None], reading.pooled[None], self.arrays)
            said = probabilities[0].tolist()
            if self.card.head not in LABEL_HEADS:
                said[1] = 0.0  # the second label is never an answer
            logit = float(np.clip(facts[0] @ weights[:-1] + weights[-1], -60.0, 60.0))
            found.append(
                Prediction(
                    labels=self.labels,
                    probabilities=tuple(said),
                    in_distribution=1.0 / (1.0 + math.exp(-logit)) if text.strip(PAIR_MARK + " \n\t") else 0.0,
                    value=reading.value,
                )
            )
        return found


def load_heads(directory: Path, *, threads: int = 1) -> HeadModel:
    """The model in ``directory``; size, hash and shapes of its four files are checked against its card.

    Raises:
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
        MissingExtra: ``onnxruntime`` or ``tokenizers`` is not installed.
    """
    card = card_by("huggingface", directory)
    path, sha256 = checked_file(directory, card, HEAD_FILE)
    head = _head(read_bytes(path, sha256=sha256, max_bytes=_MAX_HEAD_BYTES), card, path)
    path, sha256 = checked_file(directory, card, ARRAYS_FILE)
    arrays = arrays_from(*read_arrays(path, sha256=sha256), len(card.labels), path)
    path, graph, tokenizer = read_graph(directory, card)
    opened = HeadGraph(graph, tokenizer, head, max_tokens=arrays.max_tokens, threads=threads, file=str(path))
    try:
        reading = opened.read(f"a text{PAIR_MARK}another")
        fits = reading.logits.shape == (len(card.labels),) and reading.pooled.shape == (arrays.whitening.shape[0],)
    except Exception as error:
        raise ModelFileError(f"the graph cannot be run ({str(error)[:200]}).", file=str(path)) from error
    if not fits:
        raise ModelFileError(
            f"the graph gives {reading.logits.shape} and vectors of {reading.pooled.shape}, which do not fit the card.",
            file=str(path),
            hint="Build the model again.",
        )
    return HeadModel(card, opened, arrays)


def _head(data: bytes, card: LocalCard, path: Path) -> Head:
    try:
        head = msgspec.json.decode(data, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(f"this describes no head ({error}).", file=str(path), hint="Build it again.") from error
    is_label = head.kind in LABEL_HEADS
    if head.format != FORMAT or head.kind != card.head or card.labels != (head.tags if is_label else ANSWERED):
        raise ModelFileError(
            f"the head ({head.format}, {head.kind}) is not the card's ({card.head}).",
            file=str(path),
            hint="Build the model again.",
        )
    return head


def _sure(probability: float) -> _F32:
    """Logits of :data:`ANSWERED` whose softmax is this probability."""
    kept = min(max(probability, 1e-6), 1.0 - 1e-6)
    return np.log(np.array([kept, 1.0 - kept], np.float32))


def _softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    powers: npt.NDArray[np.float64] = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    powers /= powers.sum(-1, keepdims=True)
    return powers


def _entities(text: str, encoded: Any, logits: _F32, tags: Sequence[str]) -> tuple[float, list[dict[str, Any]]]:
    """``(certainty, entities)``: a word has its first token's tag; the least sure word says how sure the list is."""
    probabilities = _softmax(logits)
    words: list[tuple[int, int, str]] = []
    least, last_word = 1.0, None
    for place, word in enumerate(encoded.word_ids):
        start, end = encoded.offsets[place]
        if word is None or start >= end:
            continue
        if word == last_word:
            words[-1] = (words[-1][0], end, words[-1][2])
            continue
        last_word = word
        best = int(probabilities[place].argmax())
        least = min(least, float(probabilities[place, best]))
        words.append((start, end, tags[best]))
    found: list[dict[str, Any]] = []
    before = "O"
    for start, end, tag in words:
        kind = tag[2:] if tag[:2] in ("B-", "I-") else tag
        if tag == "O":
            before = "O"
            continue
        if before == kind and not tag.startswith("B-"):
            found[-1]["end"] = end
        else:
            found.append({"text": "", "type": kind, "start": start, "end": end})
        before = kind
    for entity in found:
        entity["text"] = text[entity["start"] : entity["end"]]
    return least, found


def _span(context: str, encoded: Any, starts: _F32, ends: _F32) -> tuple[float, str]:
    """``(probability, text)`` of the likeliest stretch of the second sequence; none is a stretch too."""
    inside = np.array(encoded.sequence_ids, object) == 1
    places = np.flatnonzero(inside)
    if not len(places):
        return 0.0, ""
    scores = starts[places][:, None] + ends[places][None, :]
    allowed = np.triu(np.ones_like(scores, bool)) & ~np.triu(np.ones_like(scores, bool), _LONGEST_SPAN)
    scores = np.where(allowed, scores, -np.inf)
    nothing = float(starts[0] + ends[0])
    best = int(scores.argmax())
    first, last = divmod(best, len(places))
    top = float(scores[first, last])
    total = float(np.exp(scores - max(top, nothing)).sum()) + math.exp(nothing - max(top, nothing))
    if top <= nothing:
        return 0.0, ""
    begin, stop = encoded.offsets[places[first]][0], encoded.offsets[places[last]][1]
    return math.exp(top - max(top, nothing)) / total, context[begin:stop]
