"""Patterns on which larger models do not do steadily better: inverse and U-shaped scaling.

Redefined mathematics, the memo trap, negated questions and quotes to be repeated literally (McKenzie et al., 2023,
"Inverse Scaling: When Bigger Isn't Better", arXiv:2306.09479; SCL-04 of the guide).
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from ..types import Signals
from .excerpt import excerpt, flow
from .rule import Rule
from .symbols import redefines
from .triggers import triggers

__all__ = ["INVERSE"]

_SAYING = triggers("quote quotes saying proverb sentence phrase line idiom sayings proverbs sentences")
_ENDING = triggers("end ends ending finish finishes finishing")
_AGAIN = triggers("repeat repeating verbatim exactly unchanged back")
_SPEAKING = triggers("repeat repeating say copy copying write")
_NO = triggers(
    "not except never false incorrect untrue isn't aren't wasn't doesn't don't didn't can't cannot couldn't "
    "hasn't won't"
)
_MEMO = late_pattern(
    r"(?:write|finish|complete|create|make) (?:me )?(?:a|an|the|this|some)? ?(?:\w+ )?(?:quote|saying|proverb|"
    r"sentence|phrase|line|idiom)s? (?:that |which |so that it |, )?"
    r"(?:ends?|ending|finish\w*) (?:in|with|on)\b|ends? (?:in|with) the (?:word|heavy|phrase)|"
    r"(?:quote|proverb|saying|idiom)[^.?!\n]{0,80}\b(?:ends?|ending) (?:in|with|on)\b"
)
_REPEAT = late_pattern(
    r"(?:repeat|say|copy|write)(?:ing)? (?:back )?(?:(?:my|the|this|these|each|all|every|"
    r"following) ){1,3}(?:\w+ )?(?:sentences?|text|words?|quotes?|lines?|phrases?|messages?)"
    r"[^.?!\n]{0,40}(?:back|verbatim|exactly|word[- ]for[- ]word|without (?:changing|correcting|fixing)|as (?:is|"
    r"written)|unchanged|after me)|"
    r"repeat (?:my|the following|these|the) (?:sentences?|text|words?|quotes?) back|repeat (?:exactly|verbatim|"
    r"word[- ]for[- ]word)|"
    r"repeat after me"
)
# Read in a line with a blank in front of each word; it starts with that blank, so that it is tried once a word.
_NEGATED = late_pattern(
    r" [\"'(]?(?:(?:which|what|who|where)(?: one)?(?: of (?:the|these|"
    r"those)(?: following)?(?: \w+){0,2})?(?: \w+){0,3}? (?:is|are|was|were|does|do|did|can|could|would|has|have|will)"
    r"(?:n't|n’t|not| not| never)\b|"
    r"(?:all|each) of (?:the )?(?:following|these)(?: \w+){0,4} except\b|which (?:of|one|answer|option|"
    r"statement)[^.?!\n]{0,60}\b(?:not|except|false|incorrect|untrue)\b|"
    r"(?:is|are) not (?:an? |the )?(?:example|type|kind|part|member|cause|symptom|property|characteristic|"
    r"function)s? of\b[^.!\n]{0,80}\?)"
)
_GAP = late_pattern(r"_{2,}[^.?!\n]{0,40}\bnot\b")
_CHOICES = late_pattern(r"^\s*\(?(?:a|1)[.):]\s|\boptions?:|\bchoices?:|\n\s*[-*] |\ba\) .{1,60}\bb\) ", re.MULTILINE)


def _read(signals: Signals) -> tuple[bool | None, float]:
    view = signals.view(excerpt)
    lower, ask = view.lower, view.ask
    if (
        (view.groups & _ENDING.bit and view.groups & _SAYING.bit and _MEMO.search(lower))
        or (view.groups & _AGAIN.bit and view.groups & _SPEAKING.bit and _REPEAT.search(lower))
        or redefines(view)
    ):
        return True, 0.85
    if not view.groups & _NO.bit or not ("?" in ask or "except" in ask):
        return False, 0.95
    shouted = " NOT " in view.user
    negated = flow(ask, view.among(_NO), 110)
    if shouted or (_may_negate(negated) and _NEGATED.search(negated)) or ("__" in negated and _GAP.search(negated)):
        if shouted or "following" in ask or "except" in ask or _CHOICES.search(ask):
            return True, 0.8
        return None, 0.0
    return False, 0.93


def _may_negate(text: str) -> bool:
    """A cheap test whether ``_NEGATED`` can match: each of its ways has one of these."""
    return (
        "who" in text or "which" in text or "what" in text or "where" in text or "except" in text
        or "is not " in text or "are not " in text
    )  # fmt: skip


INVERSE = Rule(name="inverse", read=_read)
