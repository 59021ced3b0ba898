"""Signals of a policy's own: keywords, patterns, examples that a text is like, and functions of the user's.

Each looks for one thing and says whether it is there, or for several by name and says which one. What cannot be told
(no text, words that the vectors do not know, more text than is read) is unknown, which is not "no".
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..types import UNKNOWN, Detector, Request, Signal, Signals

__all__ = ["NOTHING", "Embed", "FunctionSignal", "OwnSignal", "own_detector", "plain", "repeats_a_repeat"]

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Embed = Callable[[str], npt.NDArray[np.float32]]
Reads = Literal["last", "user", "all"]

NOTHING = "none"
"""The value of a signal that looks for several things and found none of them."""

# Characters that are read: keywords take time in proportion to the text, patterns may take its square.
_MOST_FOR_KEYWORDS = (150_000, 50_000)
_MOST_FOR_PATTERNS = (3072, 1024)
# Marks that nobody sees: soft hyphen, zero-width blanks and joiners.
_UNSEEN = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
# Scripts that are written without blanks: a keyword may stand anywhere in them.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class OwnSignal(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal looks for: ``kind`` of ``sought``, texts by name (one nameless entry: a truth value);
    for each that a function (``python``) may return, its place.

    ``read``: the last user message, all of the user's, or the whole conversation. ``threshold``: the least cosine to an
    example. ``is_number``: how many different keywords or patterns are found, or the cosine to the nearest example.
    """

    name: str
    kind: Literal["keywords", "regex", "examples", "python"]
    sought: Mapping[str, tuple[str, ...]]
    read: Reads = "last"
    threshold: float = 0.6
    is_number: bool = False

    @property
    def values(self) -> tuple[bool | str, ...]:
        """All values that it may have; none where it is a number."""
        if self.is_number:
            return ()
        return (False, True) if "" in self.sought else (NOTHING, *self.sought)


def own_detector(signal: OwnSignal, embed: Embed) -> Detector:
    """The detector of ``signal``; ``embed`` gives a text's vector of length 1, or of zeros where it knows no word."""
    if signal.kind == "examples":
        return _Examples(signal, embed)
    return _Keywords(signal) if signal.kind == "keywords" else _Patterns(signal)


class FunctionSignal:
    """What ``function`` says of the request. It may take its time, so that it runs where it holds nobody up; what it
    returns must be a value of ``signal``, or None for unknown."""

    slow = True

    def __init__(self, signal: OwnSignal, function: Callable[[Request], Any]) -> None:
        self._signal, self._function = signal, function

    @property
    def provides(self) -> tuple[str, ...]:
        return (self._signal.name,)

    def __call__(self, signals: Signals, /) -> Mapping[str, Signal[Any]]:
        signal = self._signal
        value = self._function(signals.request)
        if value is None:
            return {signal.name: UNKNOWN}
        options = signal.values
        is_right = value in options and isinstance(value, type(options[0])) if options else _is_number(value)
        if not is_right:
            raise TypeError(f"the signal {signal.name} cannot be a {type(value).__name__} like this")
        return {signal.name: Signal(value=value, confidence=1.0, detector=signal.kind)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class _Own:
    """What the three kinds share: which text is read, and how findings become a value."""

    slow = False
    most = _MOST_FOR_KEYWORDS

    def __init__(self, signal: OwnSignal) -> None:
        self._signal = signal

    @property
    def provides(self) -> tuple[str, ...]:
        return (self._signal.name,)

    def __call__(self, signals: Signals, /) -> Mapping[str, Signal[Any]]:
        text = _text(signals.request, self._signal.read)
        value, sure = self.told(text) if text.strip() else (None, 0.0)
        return {self._signal.name: Signal(value=value, confidence=sure, detector=self._signal.kind)}

    def told(self, text: str) -> tuple[Any, float]:
        head, tail = self.most
        is_cut = len(text) > head + tail
        found = self.found(f"{text[:head]}\n{text[-tail:]}" if is_cut else text)
        count = sum(map(len, found.values()))
        if not count and is_cut:
            return None, 0.0
        if self._signal.is_number:
            return count, 1.0
        if "" in self._signal.sought:
            return count > 0, 1.0
        # The most different findings win; among as many, the first that is named.
        return max(found, key=lambda name: len(found[name])) if count else NOTHING, 1.0

    def found(self, text: str) -> Mapping[str, set[str]]:
        """The different findings by name."""
        raise NotImplementedError


class _Keywords(_Own):
    def __init__(self, signal: OwnSignal) -> None:
        super().__init__(signal)
        self._names: dict[str, list[str]] = {}
        for name, words in signal.sought.items():
            for word in words:
                self._names.setdefault(plain(word), []).append(name)
        exact = [word for word in self._names if not word.endswith("*")]
        # Longer keywords first, so that "credit card" is not read as "card".
        self._exact = _any_of(exact, "") if exact else None
        self._begun = {word: _any_of([word.removesuffix("*")], r"\w*") for word in self._names if word.endswith("*")}

    def found(self, text: str) -> Mapping[str, set[str]]:
        read = plain(text)
        words = {match.group() for match in self._exact.finditer(read)} if self._exact is not None else set()
        words |= {word for word, pattern in self._begun.items() if pattern.search(read)}
        found: dict[str, set[str]] = {name: set() for name in self._signal.sought}
        for word in words:
            for name in self._names.get(word, ()):
                found[name].add(word)
        return found


class _Patterns(_Own):
    most = _MOST_FOR_PATTERNS

    def __init__(self, signal: OwnSignal) -> None:
        super().__init__(signal)
        self._patterns = {name: [re.compile(each) for each in listed] for name, listed in signal.sought.items()}

    def found(self, text: str) -> Mapping[str, set[str]]:
        return {
            name: {pattern.pattern for pattern in patterns if pattern.search(text)}
            for name, patterns in self._patterns.items()
        }


class _Examples(_Own):
    """The examples are embedded when the signal is first asked for."""

    def __init__(self, signal: OwnSignal, embed: Embed) -> None:
        super().__init__(signal)
        self._embed = embed
        self._names: list[str] = [name for name, texts in signal.sought.items() for _ in texts]
        self._vectors: npt.NDArray[np.float32] | None = None

    def told(self, text: str) -> tuple[Any, float]:
        import numpy as np

        signal = self._signal
        if self._vectors is None:
            self._vectors = np.stack([self._embed(each) for listed in signal.sought.values() for each in listed])
        asked = self._embed(text)
        if not asked.any():
            return None, 0.0
        near = self._vectors @ asked
        at = int(near.argmax())
        nearest = min(max(float(near[at]), 0.0), 1.0)
        if signal.is_number:
            return round(nearest, 6), 1.0
        is_like = nearest >= signal.threshold
        # How sure: how far the text lies on its side of the threshold.
        sure = 0.5 + 0.5 * abs(nearest - signal.threshold) / max(signal.threshold, 1.0 - signal.threshold)
        if "" in signal.sought:
            return is_like, round(sure, 6)
        return self._names[at] if is_like else NOTHING, round(sure, 6)


def _text(request: Request, read: Reads) -> str:
    if read == "last":
        last = request.last_user()
        return "" if last is None else request.messages[last].text
    return "\n".join(message.text for message in request.messages if read == "all" or message.role == "user")


def plain(text: str) -> str:
    """One spelling for all: compatibility forms, letter case, blanks."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", text.translate(_UNSEEN)).casefold().split())


def _any_of(words: Iterable[str], ending: str) -> re.Pattern[str]:
    parts = []
    for word in sorted(words, key=len, reverse=True):
        start = "" if _UNSPACED.match(word) or not word[:1].isalnum() else r"(?<!\w)"
        end = "" if _UNSPACED.match(word[-1:]) or not word[-1:].isalnum() else r"(?!\w)"
        parts.append(f"{start}{re.escape(word)}{ending}{end}")
    return re.compile("|".join(parts))


def repeats_a_repeat(pattern: str) -> bool:
    """Whether ``pattern`` repeats without end what repeats without end, as ``(a+)+`` does: some texts take it for ever.

    Raises:
        re.error: it is no pattern.
    """
    from re import _constants, _parser  # type: ignore[attr-defined] # the module's own reading of a pattern

    endless = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}

    def look(parts: Any, inside: bool) -> bool:
        for op, argument in parts:
            if op in endless:
                _, most, inner = argument
                is_endless = most == _constants.MAXREPEAT
                if (is_endless and inside) or look(inner, inside or is_endless):
                    return True
            elif any(look(inner, inside) for inner in _inner(argument)):
                return True
        return False

    def _inner(argument: Any) -> list[Any]:
        if isinstance(argument, _parser.SubPattern):
            return [argument]
        if isinstance(argument, list | tuple):
            return [inner for part in argument for inner in _inner(part)]
        return []

    return look(_parser.parse(pattern), False)
