"""An LLM router that knows when an LLM is not needed.

>>> from router import Router
>>> router = Router()
>>> decision = router.decide("Is this review positive or negative?\\n\\nReview: I loved every minute of it.")
>>> decision.target.kind
'local'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answers import Answer, AnswerStream, AsyncAnswerStream
    from .api import Router
    from .errors import (
        BudgetExceeded,
        ConfigError,
        DeadlineExceeded,
        DeadlineInfeasible,
        NoCandidate,
        NotConfigured,
        RequestError,
        RouterError,
        UpstreamError,
    )
    from .types import Budget, Decision, Hints, Outcome, Request, Verdict

_HOME = {
    "Answer": "answers",
    "AnswerStream": "answers",
    "AsyncAnswerStream": "answers",
    "Budget": "types",
    "BudgetExceeded": "errors",
    "ConfigError": "errors",
    "DeadlineExceeded": "errors",
    "DeadlineInfeasible": "errors",
    "Decision": "types",
    "Hints": "types",
    "NoCandidate": "errors",
    "NotConfigured": "errors",
    "Outcome": "types",
    "Request": "types",
    "RequestError": "errors",
    "Router": "api",
    "RouterError": "errors",
    "UpstreamError": "errors",
    "Verdict": "types",
}

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerStream",
    "AsyncAnswerStream",
    "Budget",
    "BudgetExceeded",
    "ConfigError",
    "DeadlineExceeded",
    "DeadlineInfeasible",
    "Decision",
    "Hints",
    "NoCandidate",
    "NotConfigured",
    "Outcome",
    "Request",
    "RequestError",
    "Router",
    "RouterError",
    "UpstreamError",
    "Verdict",
    "__version__",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
