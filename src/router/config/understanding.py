"""Settings of what reads requests and answers them here: local models, detectors, learned quality."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .words import Milliseconds, Share, Strict

__all__ = [
    "FlywheelSettings",
    "LearningSettings",
    "LocalSettings",
    "SafetySettings",
    "UnderstandingSettings",
]


class FlywheelSettings(Strict):
    """Local models are compared with hosted ones while they serve.

    ``shadow``: share of the hosted answers that a model in shadow or quarantine reads beside; ``audit``: share of a
    serving model's answers that a hosted model is asked for too. ``agreement`` is what is asked for in service, what
    the card promises by default. ``promote: manual`` leaves promotion to you. ``confidence`` of the tests over a
    model's whole life; after ``quarantines`` returns a model is retired.
    """

    shadow: Share = 0.05
    audit: Share = 0.02
    agreement: Annotated[Share, Field(gt=0, lt=1)] | None = None
    promote: Literal["auto", "manual"] = "auto"
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    quarantines: int = Field(default=3, ge=0, le=100)
    at_once: int = Field(default=8, ge=1, le=1000)


class LocalSettings(Strict):
    """Which local models take part: the shipped ones (all, none, or by name) and directories of one's own.

    ``lifecycle`` is the file of their states, shared by all processes; compared answers stand beside it.
    """

    shipped: bool | list[str] = True
    paths: list[str] = Field(default_factory=list)
    lifecycle: str = Field(default="models/lifecycle.jsonl", min_length=1)
    flywheel: FlywheelSettings | None = None


class LearningSettings(Strict):
    """How far verdicts of ``/v1/feedback`` may move the estimated quality of a hosted model; off unless it is set.

    ``max_shift`` bounds the move, ``least`` is how many verdicts (effectively) it takes, ``window`` how many of the
    newest count for each model.
    """

    max_shift: Annotated[Share, Field(gt=0, le=0.3)] = 0.1
    least: int = Field(default=20, ge=5, le=100_000)
    window: int = Field(default=1_000, ge=20, le=100_000)


class SafetySettings(Strict):
    """``second_look``: a sentence encoder looks again at risks, in a worker thread (extra ``deep``)."""

    second_look: bool = False


class UnderstandingSettings(Strict):
    """``deep``: whether an encoder reads requests as well, where the first reading is unsure or of all of them.

    ``model`` is a directory with the encoder, that of the package ``guide-router-deep`` by default. ``task_below`` and
    ``risk_above`` say when the first reading is unsure, in place of what the model's card says. At most ``at_once``
    requests are read at a time, and one that has waited ``wait`` for its turn does without.
    """

    deep: Literal["off", "unsure", "always"] = "off"
    model: str | None = None
    task_below: float | None = Field(default=None, ge=0.0, le=1.0)
    risk_above: float | None = Field(default=None, ge=0.0, le=1.0)
    at_once: int = Field(default=2, ge=1, le=64)
    wait: Milliseconds = Field(default=100, ge=0)
