"""The detector of ``contract`` and ``split``: what is asked for, and about which text; each is read with the other.

The labels tell the instruction from the text to judge; what the instruction says outside that text may forbid a label
as the whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract import Memory, draft, finished, is_open_ended
from ..contract.described import Plainer, described, plainer
from ..contract.read import DETECTOR, NO_LIST
from ..types import Contract, Request, Signal, SignalName, Signals, Split
from .split import UNKNOWN, read_split

__all__ = ["ContractDetector", "read_asked"]


_Reading = tuple[Signal[Contract], Signal[Split]]


def read_asked(request: Request, memory: Memory | None = None) -> tuple[Signal[Contract], Signal[Split]]:
    """The asked-for answer and the text to judge. ``memory`` saves time where instructions come again.

    A list that says what its labels mean is read as one that does not, where what is left is such a list.
    """
    if is_open_ended(request):
        return _OPEN, UNKNOWN
    memory = Memory() if memory is None else memory
    read = _read(request, memory)
    told = plainer(request, read[0].value, memory)
    return read if told is None else _described(read, told, memory)


def _described(read: _Reading, told: Plainer | None, memory: Memory) -> _Reading:
    """The reading without glosses, where they are those of its labels; else ``read``, which is the one with them."""
    for _ in range(2):
        if told is None:
            break
        contract, split = _read(told.request, memory)
        found = described(told, contract, split.value)
        if found is not None:
            if not _is_same_list(read[0].value, found.value):
                break  # a list was read, and what looks like glosses of another may be anything
            return _unlisted(told, memory, found, split)
        told = told.narrowed(contract.value)
    return read


def _is_same_list(with_glosses: Contract | None, without: Contract | None) -> bool:
    """Whether the labels read with glosses and without are the same, those with them being longer at most."""
    if with_glosses is None or without is None or with_glosses.labels is None or with_glosses.blocker is not None:
        return True
    known = without.labels or ()
    return len(with_glosses.labels) == len(known) and all(map(str.startswith, with_glosses.labels, known))


def _unlisted(
    told: Plainer, memory: Memory, found: Signal[Contract], split: Signal[Split]
) -> tuple[Signal[Contract], Signal[Split]]:
    """The reading, or a better one of the request without the described list, where another names the same labels."""
    contract = found.value
    if contract is None or contract.blocker is None:
        return found, split
    told = told.unlisted()
    asked, other = _read(told.request, memory)
    again = described(told, asked, other.value)
    if again is None or again.value is None or again.value.blocker is not None:
        return found, split
    return (again, other) if again.value.labels == contract.labels else (found, split)


def _read(request: Request, memory: Memory) -> tuple[Signal[Contract], Signal[Split]]:
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
