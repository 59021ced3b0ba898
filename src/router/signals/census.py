"""How many characters of which kind a text has: what token estimates and noise are read off."""

from __future__ import annotations

import msgspec

from .. import features

__all__ = ["Census", "census"]

_SMALL, _CAPITALS, _DIGITS = bytes(range(97, 123)), bytes(range(65, 91)), b"0123456789"
_MARKS = bytes(code for code in range(33, 127) if not chr(code).isalnum())


class Census(msgspec.Struct, frozen=True, gc=False):
    """ASCII characters by kind; ``pairs`` are pairs of blanks, none overlapping; ``stretches`` is 1 where ``!!``,
    ``??`` or ``...`` stands somewhere, else 0."""

    small: int
    capitals: int
    digits: int
    marks: int
    blanks: int
    pairs: int
    breaks: int
    stretches: int


def census(raw: bytes) -> Census:
    """Count the characters of a text given as UTF-8."""
    if features.compiled is not None:
        return Census(*features.compiled.census(raw))
    size = len(raw)
    small, capitals, digits, marks = (
        size - len(raw.translate(None, kind)) for kind in (_SMALL, _CAPITALS, _DIGITS, _MARKS)
    )
    stretches = int(b"!!" in raw or b"??" in raw or b"..." in raw)
    return Census(small, capitals, digits, marks, raw.count(b" "), raw.count(b"  "), raw.count(b"\n"), stretches)
