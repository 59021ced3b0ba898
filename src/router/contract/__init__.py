"""The asked-for answer: read it from a request, render a label into it, check an answer against it.

The room turns a request into a ``Contract`` and a label into the text that the caller expects. It must not know any
local model: whether the labels fit one is decided where models are known. What a classifier could not honour exactly
carries a ``blocker``; it is never guessed.
"""

from __future__ import annotations

from .answer import check, given_label, render, render_tool_arguments
from .memory import Memory
from .open_ended import LISTING, is_open_ended
from .read import Draft, draft, finished

__all__ = [
    "LISTING",
    "Draft",
    "Memory",
    "check",
    "draft",
    "finished",
    "given_label",
    "is_open_ended",
    "render",
    "render_tool_arguments",
]
