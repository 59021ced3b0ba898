"""What was read of a YAML file: plain data, and the place (line and column) of every key and value; errors that tell
such a place, with did-you-mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .errors import ConfigError

__all__ = ["Document", "Path", "Place", "did_you_mean", "place_error"]

Path = tuple[str | int, ...]


class Place(msgspec.Struct, frozen=True):
    """Where something stands: ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A YAML document: plain data, and the places of its values (``places``) and keys (``keys``) by path.

    A path is a tuple of keys and list indexes, ``("rules", 3, "when")``; the root is ``()``.
    """

    name: str
    data: Any
    places: Mapping[Path, Place]
    keys: Mapping[Path, Place]

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of a value (or of its key); when it is not there, that of what would hold it."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.name, 1, 1))


def did_you_mean(word: object, options: Iterable[str]) -> str | None:
    """The option closest to ``word``, or None when none is close (difflib's ratio, ignoring case)."""
    import difflib

    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def place_error(
    document: Document,
    path: Path,
    message: str,
    *,
    options: Iterable[str] = (),
    word: object = None,
    hint: str = "",
    at_key: bool = False,
) -> ConfigError:
    """A ConfigError at ``path``, ending in a suggestion when ``options`` has something close.

    With ``options`` and without ``word`` it is the path's last key that is wrong, and its place is told; else the
    value's, or with ``at_key`` that of its key.
    """
    choices = list(options)
    is_key = bool(choices) and word is None
    place = document.place(path, key=is_key or at_key)
    ending = _suggestion(path[-1] if is_key and path else word, choices) if choices else ""
    text = " ".join(part for part in (f"{message.rstrip('.;')}{';' if ending else '.'}", ending) if part)
    return ConfigError(text, file=place.file, line=place.line, column=place.column, hint=hint)


def _suggestion(word: object, options: list[str]) -> str:
    close = did_you_mean(word, options)
    listed = f"one of: {', '.join(options)}."
    return f'did you mean "{close}"? It is {listed}' if close else f"it must be {listed}"
