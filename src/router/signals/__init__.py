"""Request -> Signals: the registry of detectors. Each detector is one file beside this one and knows no other stage.

Which rooms ask for which signal, and what its value means, is told in ``docs/architecture.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..types import Detector, SignalName

if TYPE_CHECKING:
    from .second_look import SecondLook

__all__ = ["standard_detectors"]


def standard_detectors(*learned: Detector, second_look: SecondLook | None = None) -> dict[SignalName, Detector]:
    """All standard detectors by the signals that they provide.

    ``learned`` are those that were made from files or from the registered models: the understanding of requests, the
    evidence of local models. A later one replaces an earlier one that provides the same signal, and the standard ones.
    ``second_look`` reads the learned risks again.
    """
    from .contract import ContractDetector
    from .language import Language
    from .rules import rule_detectors
    from .safety import Safety

    detectors = dict(rule_detectors())
    standard: tuple[Detector, ...] = (ContractDetector(), Language(), Safety(second_look))
    for detector in (*standard, *learned):
        detectors.update(dict.fromkeys(detector.provides, detector))
    return detectors
