"""The detector of ``contract`` and ``split``: what is asked for, and about which text; each is read with the other.

The labels tell the instruction from the text to judge; what the instruction says outside that text may forbid a label
as the whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract import Memory, draft, finished
from ..types import Contract, Request, Signal, SignalName, Signals, Split
from .split import read_split

__all__ = ["ContractDetector", "read_asked"]


def read_asked(request: Request, memory: Memory | None = None) -> tuple[Signal[Contract], Signal[Split]]:
    """The asked-for answer and the text to judge. ``memory`` saves time where instructions come again."""
    memory = Memory() if memory is None else memory
    drafted = draft(request, memory)
    split = read_split(request, drafted.contract)
    if split.value is not None and drafted.contract.blocker is not None and drafted.holds(split.value):
        drafted = draft(request, memory, split.value)
    return finished(drafted, request, split.value, memory), split


class ContractDetector:
    """``contract`` and ``split``; what instructions say is remembered from request to request."""

    provides: tuple[SignalName, ...] = ("contract", "split")
    slow = False

    __slots__ = ("_memory",)

    def __init__(self) -> None:
        self._memory = Memory()

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        contract, split = read_asked(signals.request, self._memory)
        return {"contract": contract, "split": split}
