"""The detectors of ``contract`` and ``split``: the reading itself is done by pure functions of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract import read_contract
from ..types import Contract, Signal, SignalName, Signals
from .split import read_split

__all__ = ["ContractDetector", "SplitDetector"]


class ContractDetector:
    """``contract``: the asked-for answer."""

    provides: tuple[SignalName, ...] = ("contract",)
    slow = False

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        return {"contract": signals.view(read_contract)}


class SplitDetector:
    """``split``: the text to judge, read with the contract in hand."""

    provides: tuple[SignalName, ...] = ("split",)
    slow = False

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        contract: Contract | None = signals["contract"].value
        return {"split": read_split(signals.request, contract)}
