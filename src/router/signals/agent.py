"""Is the request a step of an agent: tools offered for actions, or results of tools in the conversation?

One tool whose only use is to carry the answer (a forced call, "submit_label") makes no agent.
"""

from __future__ import annotations

import re

from ..types import Signals
from .excerpt import excerpt
from .rule import Rule

__all__ = ["AGENT"]

_ANSWER_TOOL = re.compile(
    r"(?:classif|label|categor|sentiment|respon[ds]|answer|extract|output|result|submit|return|record|report|format|"
    r"rout|"
    r"tag|score|rate|judge|decide|verdict|predict|json|schema|structured)",
    re.IGNORECASE,
)
_HARNESS = re.compile(
    r"you have access to (?:the following )?tools|thought:\s|action input:|observation:|\btool_use\b|<tool_call>|"
    r"<function_calls?>|you are an? (?:autonomous|coding|software engineering|browser|web) agent|"
    r"use the (?:following )?tools"
)


def _read(signals: Signals) -> tuple[bool | None, float]:
    request = signals.request
    for message in request.messages:
        if message.role == "tool" or message.has_tool_calls:
            return True, 0.99
    if request.tools and request.tool_choice != "none":
        names = [tool.name for tool in request.tools]
        if request.tool_choice in names:
            return False, 0.97
        if len(names) == 1:
            if request.tool_choice == "required":
                return False, 0.9
            return (None, 0.0) if _ANSWER_TOOL.match(names[0]) else (True, 0.85)
        return True, 0.93 if not all(_ANSWER_TOOL.match(name) for name in names) else 0.75
    view = signals.view(excerpt)
    if ("tool" in view.lower or "observation" in view.lower or "agent" in view.lower) and _HARNESS.search(view.lower):
        return True, 0.85
    return False, 0.97


AGENT = Rule(name="agent", read=_read)
