"""What all runs of one dispatcher share: backends, deployments, patience, health, clocks and checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..catalogue import Deployment
from ..redact import Found
from ..selection.plan import Pacing
from ..state.health import RetryBudget
from ..state.store import Health
from ..types import Request
from .base import Backend
from .checking import Check
from .deadlines import Deadlines
from .waiting import WaitingRoom

__all__ = ["AnswerCheck", "Find", "Means"]

Find = Callable[[str], Iterable[Found]]
AnswerCheck = Callable[[Request, Mapping[str, Any]], "str | bool | None"]
"""A user's own check of an answer (an OpenAI ``chat.completion``): None or True when it is good, else why it is not."""


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """See :class:`router.backends.run.Dispatcher`. ``warm`` are the backends that need not be loaded any more."""

    backends: dict[str, Backend]
    deployments: dict[str, Deployment]
    pacing: Pacing
    health: Health
    retries: RetryBudget
    room: WaitingRoom
    find: Find | None
    check: Check | None
    answer_checks: dict[str, AnswerCheck]
    check_timeout_s: float
    max_held_bytes: int
    continues: bool
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    jitter: Callable[[], float]
    deadlines: Deadlines
    warm: set[str] = msgspec.field(default_factory=set)
