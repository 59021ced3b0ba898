"""The detector of ``contract`` and ``split``: what is asked for, and about which text; each is read with the other.

The labels tell the instruction from the text to judge; what the instruction says outside that text may forbid a label
as the whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract import draft, finished
from ..types import Contract, Request, Signal, SignalName, Signals, Split
from .split import read_split

__all__ = ["ContractDetector", "read_asked"]


def read_asked(request: Request) -> tuple[Signal[Contract], Signal[Split]]:
    """The asked-for answer and the text to judge."""
    drafted = draft(request)
    split = read_split(request, drafted.contract)
    return finished(drafted, request, split.value), split


class ContractDetector:
    """``contract`` and ``split``."""

    provides: tuple[SignalName, ...] = ("contract", "split")
    slow = False

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        contract, split = read_asked(signals.request)
        return {"contract": contract, "split": split}
