"""Phrases without which a pattern cannot match, looked for together: one pass over a text tells which of them it holds.

As :mod:`.triggers`, for what is no whole word ("name is ", "pass", "https://") and for texts of any length.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import features

__all__ = ["Gates"]


class Gates:
    """A fixed set of phrases, each of at least two bytes."""

    __slots__ = ("_phrases", "_set")

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = tuple(dict.fromkeys(phrases))
        self._set: object | None = None

    def found(self, raw: bytes) -> tuple[str, ...]:
        """Those of the phrases that stand anywhere in ``raw``, UTF-8, in the order in which they were given."""
        if features.compiled is None:
            text = raw.decode("utf-8", "replace")
            return tuple([phrase for phrase in self._phrases if phrase in text])
        if self._set is None:
            self._set = features.compiled.phrases(list(self._phrases))
        return features.compiled.phrases_in(self._set, raw)
