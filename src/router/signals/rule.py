"""A signal told by rules: one function over the signals so far, as a detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..compiled import compiled
from ..types import Signal, SignalName, Signals

__all__ = ["Rule"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Provides one signal. ``read`` returns its value and the probability that it is right; None is unknown."""

    name: SignalName
    read: Callable[[Signals], tuple[Any, float]]
    slow: bool = False

    @property
    def provides(self) -> tuple[SignalName, ...]:
        return (self.name,)

    def __call__(self, signals: Signals, /) -> Signal[Any]:
        value, confidence = self.read(signals)
        return Signal(value=value, confidence=confidence if value is not None else 0.0, detector="rules")


if compiled is not None:
    # Signals ask rules by far the most often: compiled, they do what ``__call__`` does.
    compiled.rule_signals(Rule, Signal(value=None, confidence=0.0, detector="rules"))
