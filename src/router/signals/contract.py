"""The detector of ``contract`` and ``split``: what is asked for, and about which text; each is read with the other.

The labels tell the instruction from the text to judge; what the instruction says outside that text may forbid a label
as the whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract import Memory, draft, finished, is_open_ended
from ..contract.read import DETECTOR, NO_LIST
from ..types import Contract, Request, Signal, SignalName, Signals, Split
from .split import UNKNOWN, read_split

__all__ = ["ContractDetector", "read_asked"]


def read_asked(request: Request, memory: Memory | None = None) -> tuple[Signal[Contract], Signal[Split]]:
    """The asked-for answer and the text to judge. ``memory`` saves time where instructions come again."""
    if is_open_ended(request):
        return _OPEN, UNKNOWN
    memory = Memory() if memory is None else memory
    drafted = draft(request, memory)
    split = read_split(request, drafted.contract)
    if split.value is not None and drafted.contract.blocker is not None and drafted.holds(split.value):
        drafted = draft(request, memory, split.value)
    return finished(drafted, request, split.value, memory), split


# What the full reading gives where no list of answers is found.
_OPEN: Signal[Contract] = Signal(value=Contract(shape="free_text", blocker=NO_LIST), confidence=0.85, detector=DETECTOR)


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
