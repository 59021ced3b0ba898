"""A slower second look at risks: sentence embeddings of windows, and of each sentence beside what stands around it.

A wish is told by its meaning where n-grams see its words only, and an injected order by how little it has to do with
the text that it stands in. The encoder comes in as a function (texts -> unit vectors); all else is two small
perceptrons and a logistic sum with the first look's score. The room reads no file:
``router.offline.fit_second_look`` makes the arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from ..types import Request
from .learned import Risk, Risks, spans_between
from .pieces import pieces, windows_of

__all__ = ["Encode", "LookFacts", "Perceptron", "SecondLook", "in_context", "second_look_from_arrays"]

Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]
"""Texts to unit vectors, float32, shape ``(texts, width)``."""

_FACTS = 12  # numbers beside the vectors in a row of :func:`in_context`
HEAD, TAIL = 12_000, 4_000


class LookFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the arrays mean. ``sums``: of each risk the weights of (window, sentence, first look) and the offset.

    ``thresholds``: probabilities from which a risk is flagged. ``encoder``: the encoder that the arrays were trained
    with.
    """

    version: str
    encoder: str
    width: int
    risks: tuple[str, ...]
    sums: dict[str, tuple[float, float, float, float]]
    thresholds: dict[str, float]


class Perceptron(msgspec.Struct, frozen=True):
    """One hidden layer: shapes ``(inputs, hidden)``, ``(hidden,)``, ``(hidden, outputs)``, ``(outputs,)``."""

    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats

    def __call__(self, rows: Floats) -> Floats:
        hidden: Floats = rows @ self.first
        hidden += self.first_bias
        np.maximum(hidden, 0.0, out=hidden)
        scores: Floats = hidden @ self.second + self.second_bias
        return scores


class SecondLook:
    """The risks of a request, looked at again with a sentence encoder."""

    __slots__ = ("_encode", "_sentences", "_windows", "facts", "name")

    def __init__(self, facts: LookFacts, encode: Encode, *, windows: Perceptron, sentences: Perceptron) -> None:
        """``windows``: width -> risks. ``sentences``: ``3 * width + 12`` -> 1, see :func:`in_context`."""
        self.facts = facts
        self.name = f"second-look-{facts.version}"
        self._encode, self._windows, self._sentences = encode, windows, sentences

    def risks(self, first: Risks, request: Request) -> Risks:
        """``first`` with the probabilities, thresholds and spans of the second look. Milliseconds: see the docs."""
        text = request.transcript(HEAD, TAIL)
        facts = self.facts
        stretches = pieces(text)
        windows = windows_of(stretches)
        vectors = self._encode([text[a:b].strip() for a, b in (*windows, *stretches)])
        by_window = self._windows(vectors[: len(windows)])
        by_sentence = self._sentences(in_context(vectors[len(windows) :]))[:, 0]
        before = {risk.kind: risk for risk in first.risks}
        found = []
        for column, kind in enumerate(facts.risks):
            known = before[kind]
            window = int(by_window[:, column].argmax())
            sentence = int(by_sentence.argmax())
            on_window, on_sentence, on_first, offset = facts.sums[kind]
            logit = on_window * float(by_window[window, column]) + on_first * _logit(known.probability) + offset
            logit += on_sentence * float(by_sentence[sentence])
            stretch = stretches[sentence] if kind == "prompt_injection" else windows[window]
            probability = 1.0 / (1.0 + exp(-min(max(logit, -30.0), 30.0)))
            spans = spans_between(request, text, *stretch) if probability >= facts.thresholds[kind] else ()
            found.append(
                Risk(kind=kind, probability=probability, threshold=facts.thresholds[kind], spans=spans or known.spans)
            )
        return Risks(risks=tuple(found), is_complete=first.is_complete)


def in_context(vectors: Floats) -> Floats:
    """A row for each sentence of a text: itself, itself times the others' mean, the text's first, and 12 numbers.

    The numbers: nearness to the others' mean, to the nearest, to the first, the last, the one before and behind;
    whether it is the first, last, second, last but one; how many there are; whether it is alone.
    """
    count, width = vectors.shape
    others = vectors.sum(axis=0) - vectors if count > 1 else np.zeros_like(vectors)
    others /= np.sqrt((others * others).sum(axis=1, keepdims=True)) + np.float32(1e-6)
    near = vectors @ vectors.T
    at = np.arange(count)
    beside = np.diagonal(near, 1) if count > 1 else np.zeros(0, np.float32)
    apart = near.copy()
    np.fill_diagonal(apart, -1.0)
    rows = np.zeros((count, 3 * width + _FACTS), np.float32)
    rows[:, :width] = vectors
    rows[:, width : 2 * width] = vectors * others * 8.0
    rows[1:, 2 * width : 3 * width] = vectors[0] * 0.5
    facts = rows[:, 3 * width :]
    facts[:, 0] = (vectors * others).sum(axis=1)
    facts[:, 1] = apart.max(axis=1) if count > 1 else 0.0
    facts[1:, 2] = near[1:, 0]
    facts[:-1, 3] = near[:-1, -1]
    facts[1:, 4] = beside
    facts[:-1, 5] = beside
    facts[:, 6], facts[:, 7], facts[:, 8], facts[:, 9] = at == 0, at == count - 1, at == 1, at == count - 2
    facts[:, 10], facts[:, 11] = log(count), count == 1
    return rows


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-6), 1.0 - 1e-6)
    return log(probability / (1.0 - probability))


def second_look_from_arrays(
    arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str], encode: Encode, encoder: str
) -> SecondLook:
    """The second look in a file's arrays and metadata, with ``encode`` of the encoder named ``encoder``.

    Raises:
        ModelFileError: an array is missing or has another shape, or the file was trained with another encoder.
    """
    try:
        facts = msgspec.json.decode(metadata["facts"], type=LookFacts)
        made = {
            name: Perceptron(*(arrays[f"{name}.{part}"].astype(np.float32) for part in ("w1", "b1", "w2", "b2")))
            for name in ("windows", "sentences")
        }
    except (KeyError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ModelFileError(f"the second look's file cannot be read: {error}.", hint="Train it again.") from error
    inputs = {"windows": facts.width, "sentences": 3 * facts.width + _FACTS}
    outputs = {"windows": len(facts.risks), "sentences": 1}
    for name, part in made.items():
        if part.first.shape[0] != inputs[name] or part.second.shape != (part.first.shape[1], outputs[name]):
            raise ModelFileError(f"the arrays of {name} do not fit the facts.", hint="Train the second look again.")
    if facts.encoder != encoder:
        raise ModelFileError(
            f"the second look was trained with {facts.encoder!r}, not with {encoder!r}.", hint="Train it again."
        )
    return SecondLook(facts, encode, windows=made["windows"], sentences=made["sentences"])
