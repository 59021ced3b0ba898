"""Rows to calibrate fine-tuned networks on, of all kinds of heads: JSON Lines, gzipped or not, one object a line.

``labels``: ``text``, ``label``; ``pair``: ``text``, ``text_pair``, ``label``; ``entities``: ``tokens``, ``tags`` (BIO);
``span``: ``question``, ``context``, ``answers`` (a list of accepted texts); ``number``: ``text``, ``label`` (a number),
maybe ``text_pair``.
"""

from __future__ import annotations

import gzip
import json
import string
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..catalogue import PAIR_MARK, HeadKind
from ..errors import RequestError
from ..local.base import CardedModel
from ..local.heads import ANSWERED, LABEL_HEADS
from .rows import Rows

__all__ = ["Example", "is_right", "judged_rows", "read_examples"]


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` as a local model reads it; ``truth``: a label, entities as ``(start, end, type)``, accepted spans, or a
    number."""

    text: str
    truth: Any


def read_examples(path: Path, kind: HeadKind) -> list[Example]:
    """The examples of a file; repeated texts once.

    Raises:
        RequestError: the file cannot be read, or a line lacks a field of this kind.
    """
    found: dict[str, Example] = {}
    number = 0
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
        for number, line in enumerate(text.split("\n"), 1):  # noqa: B007 the error names it
            if line.strip():
                example = _example(json.loads(line), kind)
                found.setdefault(example.text, example)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{path}, line {number}: this is no row of the kind {kind!r} ({error}).",
            hint=" ".join((__doc__ or "").split("\n\n")[-1].split()),
        ) from error
    return list(found.values())


def judged_rows(model: CardedModel, examples: Sequence[Example], tolerance: float = 0.5) -> Rows:
    """Rows whose labels are the truth in the model's own labels: of answers that are no label, whether they are right.

    ``tolerance``: how far off a number may be and still count as right.
    """
    texts = tuple(example.text for example in examples)
    kind = model.card.head
    if kind in LABEL_HEADS:
        return Rows(texts=texts, labels=tuple(str(example.truth) for example in examples))
    labels = [
        ANSWERED[0 if is_right(kind, prediction.value, example.truth, tolerance) else 1]
        for prediction, example in zip(model.predict(texts), examples, strict=True)
    ]
    return Rows(texts=texts, labels=tuple(labels))


def _example(row: Mapping[str, Any], kind: HeadKind) -> Example:
    if kind == "entities":
        return tagged([str(token) for token in row["tokens"]], [str(tag) for tag in row["tags"]])
    if kind == "span":
        answers = row["answers"]
        texts = answers.get("text", []) if isinstance(answers, Mapping) else answers
        accepted = [str(text) for text in ([texts] if isinstance(texts, str) else texts)]
        return Example(text=f"{row['question']}{PAIR_MARK}{row['context']}", truth=tuple(accepted))
    text = str(row["text"])
    if kind == "pair" or (kind == "number" and "text_pair" in row):
        text = f"{text}{PAIR_MARK}{row['text_pair']}"
    if kind == "number":
        return Example(text=text, truth=float(row["label"]))
    return Example(text=text, truth=str(row["label"]))


def tagged(tokens: Sequence[str], tags: Sequence[str]) -> Example:
    """Words and BIO tags as a text and its entities."""
    entities: list[tuple[int, int, str]] = []
    at, before = 0, "O"
    for token, tag in zip(tokens, tags, strict=True):
        kind = tag[2:] if tag[:2] in ("B-", "I-") else tag
        if tag == "O":
            before = "O"
        elif before == kind and not tag.startswith("B-"):
            entities[-1] = (entities[-1][0], at + len(token), kind)
        else:
            entities.append((at, at + len(token), kind))
            before = kind
        at += len(token) + 1
    return Example(text=" ".join(tokens), truth=tuple(entities))


def is_right(kind: HeadKind, value: Any, truth: Any, tolerance: float) -> bool:
    """Whether an answer that is no label is right: all entities and no other, an accepted span, or a near number."""
    if value is None:
        return False
    if kind == "entities":
        return tuple((entity["start"], entity["end"], entity["type"]) for entity in value) == tuple(truth)
    if kind == "number":
        return bool(abs(value - truth) <= tolerance)
    return _plain(value) in {_plain(text) for text in truth} if truth else not value


def _plain(text: str) -> str:
    """SQuAD's normal form (Rajpurkar et al., 2016): small letters, no punctuation, no articles."""
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(word for word in bare.split() if word not in ("a", "an", "the"))
