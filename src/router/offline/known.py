"""Which hashed n-grams texts have, as the table of bits that :mod:`router.known_ngrams` reads."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from ..features import FeatureSpec, TextHashes, buckets
from ..known_ngrams import KNOWN_BITS

__all__ = ["known_table"]


def known_table(texts: Iterable[str], spec: FeatureSpec, least: int = 1) -> npt.NDArray[np.uint8]:
    """One bit an n-gram that at least so many of the texts have."""
    fine = msgspec.structs.replace(spec, bits=KNOWN_BITS)
    counts = np.zeros(1 << KNOWN_BITS, np.uint32)
    for text in texts:
        blocks, _ = buckets(TextHashes(text, head=fine.head, tail=fine.tail), fine)
        counts[np.unique(np.concatenate(blocks))] += 1
    return np.packbits(counts >= least, bitorder="little")
