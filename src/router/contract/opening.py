"""An answer that the caller has begun (``Sentiment:``, ``<category>``, ``{"spam": "``): does a bare label complete it?

It does where the beginning ends in a cue, and what would have to follow the label is a stop sequence.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from ..types import Request

__all__ = ["opened", "without_wrapping"]

_LONGEST = 80
_CUE = late_pattern(r"(?:[:：=]|->|→|\b(?:is|as|ist|est|es|è|é|label|answer|category|class))\s*$", re.IGNORECASE)
_TAG = late_pattern(r"<([A-Za-z_][\w-]{0,30})>\s*$")
_CLOSERS = {'"': '"', "'": "'", "(": ")", "[": "]", "`": "`", "*": "*", "«": "»", "“": "”", "「": "」"}


def opened(request: Request) -> str | None:
    """The beginning of the answer, where a label and nothing else completes it; None where there is none or more is
    to follow."""
    if not request.messages or request.messages[-1].role != "assistant":
        return None
    begun = request.messages[-1].text.strip()
    if not begun or len(begun) > _LONGEST or "\n" in begun or request.json_schema is not None or request.tools:
        return None
    tag = _TAG.search(begun)
    if tag is not None:
        return begun if any(stop in (f"</{tag[1]}>", f"</{tag[1]}", "</", "<") for stop in request.stop) else None
    closer = _CLOSERS.get(begun[-1])
    if closer is not None:
        return begun if any(stop.startswith(closer) for stop in request.stop) else None
    return begun if _CUE.search(begun) is not None else None


def without_wrapping(text: str, begun: str) -> str:
    """An instruction without the order to wrap the answer as its beginning already does."""
    tag = _TAG.search(begun)
    if tag is None:
        return text
    name = re.escape(tag[1])
    wrapped = (
        rf"(?:inside|in|within|between|with|using|as)[^.\n]{{0,30}}</?{name}>(?:[^.\n]{{0,20}}</{name}>)?"
        r"(?: (?:xml )?(?:tags?|elements?))?"
    )
    return re.sub(wrapped, "", text)
