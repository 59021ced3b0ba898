"""What shipped models tell of a text, as columns beside n-grams and sentence vectors for a new model to learn from.

Their scores are linear in the same n-grams and vectors. What a new model gives a column is therefore added to its own
weights: its file stands alone, and no text is read by more than one model.
"""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt

from ..features import FeatureSpec
from ..local.base import read_card, shipped_directory
from ..local.embedding import EmbeddingArrays, EmbeddingModel
from ..local.linear import MODEL_FILE, LinearModel
from ..local.load import load_local_model
from ..local.static import shipped_encoder
from .outsiders import outsider_texts

__all__ = ["NAMES", "SPEC", "Transfer", "shipped_transfer", "transfer_sources"]

NAMES = ("sentiment", "emotion", "toxicity")
"""The shipped models that are asked: those whose subject stands in texts of any domain."""
SPEC = FeatureSpec(bits=19, words=(1, 2), chars=(3, 4, 5))
"""The n-grams of a model that learns from them: theirs, by a table that none of them has a finer one than."""

# What a column weighs beside a sentence vector of length 1.
_SIZE = 0.1

_F32 = npt.NDArray[np.float32]
_F64 = npt.NDArray[np.float64]


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """``table``: float32 ``(2**SPEC.bits, J)`` and ``dense``: float32 ``(D, J)``, of n-grams and of sentence vectors;
    ``offset``: float64 ``(J,)``. Columns are near a mean of 0 and a spread of ``_SIZE`` on texts of many kinds."""

    table: _F32
    dense: _F32
    offset: _F64


@cache
def shipped_transfer() -> Transfer:
    """Of the models :data:`NAMES`, read once.

    Raises:
        ModelFileError: one of them is missing or damaged.
    """
    tables, denses, spreads, means = [], [], [], []
    texts = [text for part in outsider_texts("other_classification").values() for text in part]
    for name in NAMES:
        model = load_local_model(shipped_directory() / name)
        assert isinstance(model, LinearModel | EmbeddingModel)
        arrays, labels = model.arrays, len(model.labels)
        # Only differences between a model's labels tell something.
        centre = (np.eye(labels) - 1.0 / labels).astype(np.float32)
        table = (arrays.table[:, :labels] * arrays.scale[:labels]) @ centre
        tables.append(np.repeat(table, 1 << (SPEC.bits - arrays.spec.bits), axis=0))
        denses.append(arrays.dense[:, :labels] @ centre if isinstance(arrays, EmbeddingArrays) else _nothing(labels))
        scores = (model.measure(texts)[0] - arrays.bias[:labels]) @ centre
        spreads.append(scores.std(0))
        means.append(scores.mean(0))
    scale = (_SIZE / np.concatenate(spreads)).astype(np.float32)
    return Transfer(
        table=(np.concatenate(tables, axis=1) * scale).astype(np.float32),
        dense=(np.concatenate(denses, axis=1) * scale).astype(np.float32),
        offset=(-np.concatenate(means) * scale).astype(np.float64),
    )


def transfer_sources() -> tuple[str, ...]:
    """What cards of models that learnt from them say of :data:`NAMES`: each with the hash of its file."""
    found = []
    for name in NAMES:
        card = read_card(shipped_directory() / name)
        found.append(f"weights of the shipped model {name} ({card.files[MODEL_FILE][:16]}), see the package's NOTICE")
    return tuple(found)


def _nothing(labels: int) -> _F32:
    return np.zeros((shipped_encoder().width, labels), np.float32)
