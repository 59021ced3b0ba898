"""The ``safety`` signal: learned risks and personal data as one list of flags.

A text that was not read to its end is unknown, never clean; a flag that was raised stands all the same.
"""

from __future__ import annotations

import re
from typing import cast

from ..types import Flag, FlagKind, Request, Severity, Signal, SignalName, Signals
from .excerpt import excerpt, is_unspaced
from .learned import Risk, Risks
from .second_look import SecondLook
from .triggers import triggers

__all__ = ["Safety"]


# An injected order overrides something: the words that do it, or text long enough to hide it in.
_OVERRIDING = triggers(
    "ignore ignoring disregard forget override overrule bypass previous prior above instructions instruction prompt "
    "system rules guidelines reveal secret password confidential hidden developer admin unrestricted pretend jailbreak "
    "ignoriere vergiss anweisungen regeln vorherigen oublie ignorez ignore instructions précédentes olvida ignora "
    "instrucciones anteriores ignorar instruções esqueça dimentica istruzioni precedenti negeer instructies "
    "забудь игнорируй инструкции"
)
_OVERRIDING_UNSPACED = ("忽略", "无视", "忘记", "指令", "提示词", "無視", "指示", "忘れ", "무시", "지시")
_LONG = 400
# A word alone asks for nothing, and of two or three the wording tells little: "negative", "she left", "out of stock".
_FEW_WORDS, _LONGEST_WORD = 3, 15
_JOINED = re.compile(r"[^\W_]+")
_LEAST_SCORE_OF_FEW = {"harmful": 0.75, "jailbreak": 0.65, "prompt_injection": 0.65, "toxicity": 0.4}


class Safety:
    """Detector of ``safety``: a tuple of :class:`~router.types.Flag`, empty when clean, None when unknown.

    Asks for ``risks`` and ``pii``. Confidence is the highest score of a flag, or how unlikely the likeliest risk is.
    With a ``second_look`` it is slow, and the risks are those of both looks.
    """

    provides: tuple[SignalName, ...] = ("safety",)

    def __init__(self, second_look: SecondLook | None = None) -> None:
        self._second_look = second_look
        self.slow = second_look is not None

    def __call__(self, signals: Signals, /) -> Signal[tuple[Flag, ...]]:
        found = signals.get("risks")
        risks: Risks | None = found.value
        detector = found.detector if risks is not None and risks.in_context else "safety"
        if self._second_look is not None and risks is not None:
            risks, detector = self._second_look.risks(risks, signals.request), self._second_look.name
        personal: tuple[Flag, ...] | None = signals.get("pii").value
        flags = [_flag(risk) for risk in risks.risks if risk.probability >= risk.threshold] if risks else []
        # An encoder reads what stands around an order, so it needs no such rule.
        by_words = bool(flags) and detector == "safety" and any(flag.kind == "prompt_injection" for flag in flags)
        if by_words and not _can_be_injected(signals):
            flags = [flag for flag in flags if flag.kind != "prompt_injection"]
        if flags and (words := _words(signals.request)) <= _FEW_WORDS:
            flags = [flag for flag in flags if flag.score >= _LEAST_SCORE_OF_FEW.get(flag.kind, 0.0)]
            if words == 1:
                flags = [flag for flag in flags if flag.kind == "toxicity"]
        flags.extend(personal or ())
        is_whole = risks is not None and risks.is_complete and personal is not None
        if not flags and not is_whole:
            return Signal(value=None, confidence=0.0, detector=detector)
        if flags:
            confidence = max(flag.score for flag in flags)
        else:
            confidence = 1.0 - max([risk.probability for risk in risks.risks], default=0.0) if risks else 0.0
        return Signal(value=tuple(flags), confidence=confidence, detector=detector)


def _can_be_injected(signals: Signals) -> bool:
    """Whether there is text in which an order may hide, or words that override orders.

    Attacks are often plain orders ("write a poem"): alone and in a person's own words they are just requests.
    """
    request = signals.request
    if len(request.messages) > 1 or len(request.messages[0].text) > _LONG:
        return True
    view = signals.view(excerpt)
    return view.groups & _OVERRIDING.bit != 0 or any(word in view.lower for word in _OVERRIDING_UNSPACED)


def _words(request: Request) -> int:
    """How many words a request of one short message has, of two characters each where blanks do not part them.

    Words joined by other signs count one by one, and a long one as several: nobody hides a wish in a single word.
    """
    text = request.messages[0].text if len(request.messages) == 1 else ""
    if not text or len(text) > _LONG:
        return _LONG
    if is_unspaced(text):
        return (len(text) + 1) // 2
    return max(len(_JOINED.findall(text)), -(-len(text) // _LONGEST_WORD))


def _flag(risk: Risk) -> Flag:
    return Flag(kind=cast("FlagKind", risk.kind), score=risk.probability, severity=_severity(risk), spans=risk.spans)


def _severity(risk: Risk) -> Severity:
    """By how far the score lies above the threshold; insults alone are never more than medium."""
    above = (risk.probability - risk.threshold) / max(1e-6, 1.0 - risk.threshold)
    if above >= 0.6:
        return "medium" if risk.kind == "toxicity" else "high"
    return "medium" if above >= 0.2 else "low"
