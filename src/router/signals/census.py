"""How many characters of which kind a text has: what token estimates and noise are read off."""

from __future__ import annotations

import msgspec

from .. import features
from ..types import Signals
from .excerpt import excerpt

__all__ = ["SHARED", "Census", "beginning", "census"]

SHARED = 1500

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
    return _counted(raw)


def _counted(raw: bytes) -> Census:
    size = len(raw)
    small, capitals, digits, marks = (
        size - len(raw.translate(None, kind)) for kind in (_SMALL, _CAPITALS, _DIGITS, _MARKS)
    )
    stretches = int(b"!!" in raw or b"??" in raw or b"..." in raw)
    return Census(small, capitals, digits, marks, raw.count(b" "), raw.count(b"  "), raw.count(b"\n"), stretches)


def beginning(signals: Signals) -> tuple[bytes, Census]:
    """The first ``SHARED`` characters of the last user message as UTF-8, and their census; see
    :meth:`router.types.Signals.view`."""
    raw = signals.view(excerpt).user[:SHARED].encode("utf-8", "replace")
    return raw, census(raw)
