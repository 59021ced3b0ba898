"""What a run may do next, and what its next step depends on beside the plan and the attempts: values only."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..types import AttemptRole

__all__ = ["Block", "Call", "Running", "Step", "Stop", "StopReason", "Wait"]

StopReason = Literal[
    "answered", "refused", "kept", "cut", "cancelled", "final", "deadline", "money", "unavailable", "exhausted"
]


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that must not be called before ``until_ms`` of the run.

    ``is_told``: its provider said so. ``is_probed``: a probe is out, whose end will say more. ``may_probe``: it may be
    tried all the same by a run that can call nobody else.
    """

    until_ms: float
    is_told: bool = False
    is_probed: bool = False
    may_probe: bool = False


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has not ended yet."""

    model: str
    started_ms: float


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Call ``model`` now; ``role`` says why. A ``hedge`` runs beside the call that is out already. ``is_early``: it is
    cooling down, and is probed before its time, since nobody else can be called."""

    model: str
    kind: Literal["local", "llm"]
    timeout_ms: float
    ttft_ms: float
    role: AttemptRole = "first"
    is_early: bool = False


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Wait until ``until_ms`` after the start of the run, or until a running call ends; then ask again.

    ``for_health``: what is waited for is a deployment that can be called; it may be there earlier.
    """

    until_ms: float
    for_health: bool = False


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more may be done; ``reason`` says why. ``kept``: an answer that failed a check is the best there is."""

    reason: StopReason


Step = Call | Wait | Stop
