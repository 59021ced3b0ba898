"""Draws that hang on a text alone, so that every process makes the same and a recorded one can be made again."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["DRAWS", "draw_number", "draw_share"]

DRAWS = 1 << 53
"""How many numbers can be drawn: what a float holds exactly, so that one next below 1 is not rounded up to it."""


def draw_number(text: str) -> int:
    """A whole number of 0 to ``DRAWS - 1``; those of any two texts are independent.

    A checksum would not do: those of texts of one length differ by the same bits wherever the texts differ alike.
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 11


def draw_share(text: str) -> float:
    """As :func:`draw_number`, as a number of [0, 1)."""
    return draw_number(text) / DRAWS
