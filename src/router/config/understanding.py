"""Settings of what reads requests and answers them here: local models, detectors, learned quality."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..spec import Spec
from .words import Milliseconds, Share, Strict

__all__ = [
    "FlywheelSettings",
    "LearningSettings",
    "LocalSettings",
    "SafetySettings",
    "UnderstandingSettings",
]


class FlywheelSettings(Strict, frozen=True, kw_only=True):
    """Local models are compared with hosted ones while they serve.

    ``shadow``: share of the hosted answers that a model in shadow or quarantine reads beside; ``audit``: share of a
    serving model's answers that a hosted model is asked for too. ``agreement`` is what is asked for in service, what
    the card promises by default. ``promote: manual`` leaves promotion to you. ``confidence`` of the tests over a
    model's whole life; after ``quarantines`` returns a model is retired.
    """

    shadow: Share = 0.05
    audit: Share = 0.02
    agreement: Annotated[Share, Spec(gt=0, lt=1)] | None = None
    promote: Literal["auto", "manual"] = "auto"
    confidence: Annotated[float, Spec(gt=0.5, lt=1.0)] = 0.95
    quarantines: Annotated[int, Spec(ge=0, le=100)] = 3
    at_once: Annotated[int, Spec(ge=1, le=1000)] = 8


class LocalSettings(Strict, frozen=True, kw_only=True):
    """Which local models take part: the shipped ones (all, none, or by name) and directories of one's own.

    ``lifecycle`` is the file of their states, shared by all processes; compared answers stand beside it.
    """

    shipped: bool | list[str] = True
    paths: list[str] = msgspec.field(default_factory=list)
    lifecycle: Annotated[str, Spec(min_length=1)] = "models/lifecycle.jsonl"
    flywheel: FlywheelSettings | None = None


class LearningSettings(Strict, frozen=True, kw_only=True):
    """How far verdicts of ``/v1/feedback`` may move the estimated quality of a hosted model; off unless it is set.

    ``max_shift`` bounds the move, ``least`` is how many verdicts (effectively) it takes, ``window`` how many of the
    newest count for each model.
    """

    max_shift: Annotated[Share, Spec(gt=0, le=0.3)] = 0.1
    least: Annotated[int, Spec(ge=5, le=100_000)] = 20
    window: Annotated[int, Spec(ge=20, le=100_000)] = 1_000


class SafetySettings(Strict, frozen=True, kw_only=True):
    """``second_look``: a sentence encoder looks again at risks, in a worker thread (extra ``deep``)."""

    second_look: bool = False


class UnderstandingSettings(Strict, frozen=True, kw_only=True):
    """``deep``: whether an encoder reads requests as well, where the first reading is unsure or of all of them.

    ``model`` is a directory with the encoder, that of the package ``guide-router-deep`` by default. ``task_below`` and
    ``risk_above`` say when the first reading is unsure, in place of what the model's card says. At most ``at_once``
    requests are read at a time, and one that has waited ``wait`` for its turn does without.
    """

    deep: Literal["off", "unsure", "always"] = "off"
    model: str | None = None
    task_below: Annotated[float | None, Spec(ge=0.0, le=1.0)] = None
    risk_above: Annotated[float | None, Spec(ge=0.0, le=1.0)] = None
    at_once: Annotated[int, Spec(ge=1, le=64)] = 2
    wait: Annotated[Milliseconds, Spec(ge=0)] = 100
