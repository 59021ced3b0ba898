"""How the last part of a prompt looks: length, numbers, symbols, answer options. What words cannot tell of difficulty.

Few-shot prompts repeat their examples before every question, so only the last paragraph is looked at.
"""

from __future__ import annotations

import re
from math import log1p
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["SURFACE", "surface_of"]

MOST_BYTES = 1024
_OPTION = re.compile(rb"^[ \t]*\(?[a-e][).:] ?(.*)$", re.MULTILINE)
_NUMBER = re.compile(rb"\d[\d,]*(?:\.\d+)?")
_NEGATED: Final = (b" not ", b" except", b" least ", b" never ", b" incorrect", b" false")
_CLASSES: Final = (b"0123456789", b"+*/=^<>\\|~", b"(){}[]_", b",;", b".", b"?", b"$%", b"\"'", b"\n")
_CLASS = np.zeros(256, np.uint8)
for _number, _members in enumerate(_CLASSES, start=1):
    for _byte in _members:
        _CLASS[_byte] = _number
_LETTERS = bytes(byte if chr(byte).isalnum() or byte >= 0x80 else 0x20 for byte in range(256))

SURFACE: Final = (
    "bytes", "words", "word_bytes", "stem_bytes", "options", "option_bytes", "option_spread", "options_with_numbers",
    "echoes", "echoed", "numbers", "largest_number", "decimals", "negated", "digits", "operators", "brackets", "commas",
    "stops", "questions", "money", "quotes", "lines",
)  # fmt: skip
"""Names of what :func:`surface_of` gives, in its order."""


def surface_of(data: bytes) -> npt.NDArray[np.float32]:
    """Float32, shape ``(len(SURFACE),)``: logarithms of counts and sizes, and shares of the bytes. ``data`` is
    lower-cased UTF-8, as :func:`router.features.prepared` makes it."""
    text = data[-MOST_BYTES:].strip()
    start = text.rfind(b"\n\n")
    block = text[start + 2 :] if start > 0 else text
    size = max(1, len(block))
    words = block.count(b" ") + block.count(b"\n") + 1
    options = _OPTION.findall(block)
    sizes = [len(option) for option in options] or [0]
    mean = sum(sizes) / len(sizes)
    echoes, echoed = _echoes(block, options)
    numbers = _NUMBER.findall(block)
    largest = max((len(number.split(b".")[0].replace(b",", b"")) for number in numbers), default=0)
    counts = np.bincount(_CLASS[np.frombuffer(block, np.uint8)], minlength=len(_CLASSES) + 1)
    found = np.empty(len(SURFACE), np.float32)
    found[:14] = (
        log1p(size),
        log1p(words),
        size / max(1, words),
        log1p(size - sum(sizes)),
        len(options),
        log1p(mean),
        (max(sizes) - min(sizes)) / (1.0 + mean),
        sum(map(bool, map(_NUMBER.search, options))),
        log1p(echoes),
        echoed,
        log1p(len(numbers)),
        largest,
        sum(b"." in number for number in numbers),
        sum(map(block.count, _NEGATED)),
    )
    found[14:] = counts[1:] / size
    return found


def _echoes(block: bytes, options: list[bytes]) -> tuple[int, float]:
    """How many words of the question stand in an option, at most, and what share of the options' words these are: an
    answer that takes up the question's words is found more easily. Words count by their first five bytes."""
    first = _OPTION.search(block)
    if first is None:
        return 0, 0.0
    asked = _stems(block[: first.start()])
    stems = [_stems(option) for option in options]
    shared = [len(each & asked) for each in stems]
    return max(shared), sum(shared) / max(1, sum(map(len, stems)))


def _stems(text: bytes) -> set[bytes]:
    return {word[:5] for word in text.translate(_LETTERS).split() if len(word) > 2}
