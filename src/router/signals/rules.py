"""All signals that are told by rules and validators, by name."""

from __future__ import annotations

from ..types import Detector, SignalName
from .adversarial import ADVERSARIAL
from .agent import AGENT
from .context import CONTEXT
from .explanation import EXPLANATION
from .few_shot import FEW_SHOT
from .intents import INTENTS
from .inverse import INVERSE
from .knowledge import KNOWLEDGE
from .noise import NOISE
from .pii import PiiDetector
from .reasoning import REASONING
from .resource import RESOURCE
from .stakes import STAKES
from .symbols import SYMBOLS
from .tokens import TOKENS

__all__ = ["rule_detectors"]


def rule_detectors() -> dict[SignalName, Detector]:
    """A detector for each signal of this kind; none is slow, and each reads ``task`` and ``contract`` where they are
    known."""
    detectors: tuple[Detector, ...] = (
        ADVERSARIAL,
        AGENT,
        CONTEXT,
        EXPLANATION,
        FEW_SHOT,
        INTENTS,
        INVERSE,
        KNOWLEDGE,
        NOISE,
        PiiDetector(),
        REASONING,
        RESOURCE,
        STAKES,
        SYMBOLS,
        TOKENS,
    )
    return {name: detector for detector in detectors for name in detector.provides}
