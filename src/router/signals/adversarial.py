"""Inference data built to fool a classifier, or far from what one was trained on (NLU-06 of the guide).

One request rarely shows it. It is known where the request says so; a premise of many sentences with a hypothesis that
turns on numbers, time or negation is unknown; anything else is not adversarial.
"""

from __future__ import annotations

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import excerpt
from .rule import Rule
from .triggers import triggers

__all__ = ["ADVERSARIAL"]

_TRIGGERS = triggers(
    "stress distribution domain "
    "confuse crafted designed intended adversarial adversarially anli hans counterfactual "
    "counterfactually contrast perturbed paws stress-test "
    "red-team robustness "
    "tricky trick fool mislead misleading deceive out-of-distribution ood adversariales adversarielle adversario "
    "heuristics"
)
_NAMED = late_pattern(
    r"\badversarial(?:ly)?\b|\banli\b|\bhans (?:data|set|bench|example)|contrast sets?|"
    r"counterfactual(?:ly)? (?:augmented|edited|revised|example|pair|data)|"
    r"perturbed (?:example|input|premise|hypothes|text|sentence)|stress[- ]test|robustness (?:test|check|probe)|"
    r"(?:designed|meant|written|crafted|constructed|intended|trying) to "
    r"(?:fool|trick|mislead|deceive|confuse)|trick (?:question|example|pair|item)s?|out[- ]of[- ](?:distribution|"
    r"domain)|\bpaws\b|tricky (?:pair|example|entailment|nli|hypothes|premise|"
    r"sentence|case)s?|(?:might|may|could|will) (?:fool|trick|mislead) (?:a|the|most|simple|you)|"
    r"lexical overlap heuristic"
)
_HYPOTHESIS = late_pattern(
    r"(?:hypothesis|claim|statement|hypothese|hypothèse|hipótesis|假设)\s*[:：]\s*(?P<text>[^\n]{5,300})"
)
_HARD = late_pattern(
    r"\d|\b(?:more|less|fewer|before|after|never|not|only|least|most|older|younger|same|both|first|last|always|"
    r"until)\b|n't"
)
_PREMISE = 260


def _read(signals: Signals) -> tuple[bool | None, float]:
    view = signals.view(excerpt)
    if view.groups & _TRIGGERS.bit and _NAMED.search(view.lower):
        return True, 0.85
    if "hyp" in view.ask or "claim" in view.ask or "statement" in view.ask or view.is_unspaced:
        hypothesis = _HYPOTHESIS.search(view.ask)
        if (
            hypothesis is not None
            and len(view.user) > _PREMISE + len(hypothesis["text"])
            and _HARD.search(hypothesis["text"])
        ):
            return None, 0.0
    return False, 0.93


ADVERSARIAL = Rule(name="adversarial", read=_read)
