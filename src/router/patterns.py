"""Regular expressions that are compiled when they are first used, so that a process starts without them.

Reading requests takes some hundred patterns, many of them long; compiling all takes longer than importing everything
else, and most processes need a part of them only.
"""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["late_pattern", "led"]

_METHODS = ("search", "match", "fullmatch", "finditer", "findall", "sub", "split")


def late_pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """What ``re.compile`` gives, compiled at the first use. A wrong pattern is an error then; a test compiles all."""
    return cast("re.Pattern[str]", _LatePattern(source, flags))


def led(words: str, rest: str) -> str:
    """Alternatives of a pattern: ``rest`` behind each of ``words`` (which ``|`` parts, none within brackets cut).

    ``(?:can|may) x`` among many alternatives is entered wherever it is tried; ``can x|may x`` is left at once where the
    first letter is another, so that a search takes half the time.
    """
    return "|".join(word + rest for word in re.split(r"\|(?![^(]*\))", words))


class _LatePattern:
    """Its methods become those of the compiled pattern, so that a later call costs no more than theirs."""

    def __init__(self, source: str, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = re.compile(self._source, self._flags)
        for method in _METHODS:
            self.__dict__[method] = getattr(compiled, method)
        return getattr(compiled, name)
