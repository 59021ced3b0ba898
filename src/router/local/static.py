"""Word vectors of a sentence encoder, read once word by word (static distillation) and summed: no network at run time.

The table that ships (``builtin/static``) was made from all-MiniLM-L6-v2 (Wang et al., 2020, arXiv:2002.10957; Reimers
and Gurevych, 2019, arXiv:1908.10084) as in Model2Vec (Tulkens and van Dongen, 2024): each word through the encoder,
principal components, weights that fall with a word's frequency (SIF: Arora et al., 2017). English only: a text in
another language has a vector of few words or of none, and models then live on their n-grams.

    from router.local.static import shipped_encoder
    vectors = shipped_encoder().embed(["where is my parcel?"])      # float32, shape (1, 128), rows of length 1
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .. import features
from ..errors import ModelFileError
from ..features import TextHashes, prepared
from ..reading import WordVectors
from .files import read_arrays, sha256_of

__all__ = ["StaticEncoder", "load_static", "shipped_encoder", "word_keys"]

FORMAT = "static-1"
_HEAD, _TAIL = 3072, 1024
_SHIFT = np.uint64(32)


class StaticEncoder:
    """A text's vector is the scaled sum of its known words' vectors.

    ``keys``: uint32 ``(V,)``, rising: the upper halves of the words' hashes. ``vectors``: int8 ``(V, D)``; ``scale``:
    float32 ``(D,)``. ``name`` identifies the table: models refuse any other than the one they were trained with.
    """

    def __init__(
        self,
        name: str,
        keys: npt.NDArray[np.uint32],
        vectors: npt.NDArray[np.int8],
        scale: npt.NDArray[np.float32],
    ) -> None:
        self.name, self.width = name, vectors.shape[1]
        self.table = WordVectors(name, keys, vectors, scale)

    @property
    def keys(self) -> npt.NDArray[np.uint32]:
        """The known words, as :func:`word_keys` gives them, rising; shape ``(V,)``."""
        return self.table.keys

    @property
    def words(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
        """The keys, rising, and the words' vectors, float32, shape ``(V, width)``."""
        return self.table.keys, self.table.vectors.astype(np.float32) * self.table.scale

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of length 1 (0 for a text without a known word), float32, shape ``(len(texts), width)``."""
        found = np.zeros((len(texts), self.width), np.float32)
        keys, vectors = self.table.keys, self.table.vectors
        for index, text in enumerate(texts):
            if features.compiled is None:
                found[index] = self.vector(TextHashes(text, head=_HEAD, tail=_TAIL))
                continue
            summed = features.compiled.word_sum(prepared(text, head=_HEAD, tail=_TAIL), keys, vectors)
            if summed is not None:
                found[index] = self.table.directed(np.frombuffer(summed, np.int32))
        return found

    def vector(self, hashes: TextHashes) -> npt.NDArray[np.float32]:
        """The vector of one hashed text, float32, shape ``(width,)``."""
        return self.table.direction(self.table.rows(hashes.tokens))


def word_keys(words: Sequence[str]) -> npt.NDArray[np.uint32]:
    """The key of each word, uint32, shape ``(len(words),)``; a string of several words has its first one's."""
    keys = np.zeros(len(words), np.uint32)
    for index, word in enumerate(words):
        tokens = TextHashes(word).tokens
        keys[index] = np.uint32(tokens[0] >> _SHIFT) if len(tokens) else 0
    return keys


def load_static(path: Path, *, sha256: str | None = None) -> StaticEncoder:
    """The table in ``path``, checked.

    Raises:
        ModelFileError: missing, changed, or no table of word vectors.
    """
    arrays, metadata = read_arrays(path, sha256=sha256)
    keys, vectors, scale = (arrays.get(name) for name in ("keys", "vectors", "scale"))
    fits = (
        metadata.get("format") == FORMAT
        and keys is not None
        and vectors is not None
        and scale is not None
        and keys.dtype == np.uint32
        and vectors.dtype == np.int8
        and scale.dtype == np.float32
        and keys.ndim == 1
        and len(keys) > 0
        and vectors.ndim == 2
        and len(vectors) == len(keys)
        and 0 < vectors.shape[1] <= 4096
        and scale.shape == (vectors.shape[1],)
        and bool((keys[1:] > keys[:-1]).all())
        and bool(np.isfinite(scale).all())
    )
    if not fits or keys is None or vectors is None or scale is None:
        raise ModelFileError("this is no table of word vectors.", file=str(path), hint="Install the package again.")
    return StaticEncoder(f"static-{sha256 or sha256_of(path)}"[:23], keys, vectors, scale)


@lru_cache(maxsize=1)
def shipped_encoder() -> StaticEncoder:
    """The English table that comes with the package, read once.

    Raises:
        ModelFileError: it is missing or damaged.
    """
    return load_static(Path(__file__).resolve().parent.parent / "builtin" / "static" / "english.safetensors")
