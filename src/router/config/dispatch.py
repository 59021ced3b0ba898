"""Settings of calls: patience, retries, hedges, copies, health checks."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..spec import Spec
from .words import Located, Milliseconds, Share, Strict

__all__ = [
    "DispatchSettings",
    "HealthCheckSettings",
    "HedgeSettings",
    "MirrorSettings",
    "SharedHealthSettings",
]


class HedgeSettings(Strict, frozen=True, kw_only=True):
    """A second call beside one that takes longer than its 95th percentile; ``after`` stands in until that is known."""

    on: bool = True
    after: Milliseconds | None = None
    least: Milliseconds = 50.0


class MirrorSettings(Strict, frozen=True, kw_only=True):
    """Copies of a share of the requests for the deployment ``to``, whose answers nobody sees."""

    to: Annotated[str, Spec(min_length=1, max_length=120)]
    share: Share
    at_once: Annotated[int, Spec(ge=1, le=1000)] = 8


class HealthCheckSettings(Strict, frozen=True, kw_only=True):
    """OpenAI-compatible servers are asked (GET ``path`` below ``api_base``) each ``every``; after ``failures`` in a row
    their deployments are passed over until they answer again. Only the sidecar checks."""

    every: Annotated[Milliseconds, Spec(ge=1_000)] = 30_000.0
    timeout: Annotated[Milliseconds, Spec(ge=10)] = 5_000.0
    path: Annotated[str, Spec(pattern=r"^/[A-Za-z0-9._~/-]*$")] = "/models"
    failures: Annotated[int, Spec(ge=1, le=100)] = 2


class SharedHealthSettings(Located, frozen=True, kw_only=True):
    """Replicas of one ``prefix`` tell each other over Redis (``url``) which deployments are out, each ``every``."""

    every: Annotated[Milliseconds, Spec(ge=100, le=60_000)] = 500.0
    prefix: Annotated[str, Spec(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")] = "router"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is not None or self.is_memory:
            raise ValueError("replicas meet in Redis: write its url (redis://HOST:6379/0) or url_env")


class DispatchSettings(Strict, frozen=True, kw_only=True):
    """How patient a run is and how far it goes; see :class:`router.selection.plan.Pacing`.

    ``tries`` is how often one deployment is called for a request; ``extra_calls`` the share of extra calls (retries,
    hedges) that each deployment gets beside its first calls. ``checks`` are functions ``module:function`` that a
    policy's ``escalate`` may name, beside installed entry points of the group ``router.answer_checks``.
    ``continue_streams``: a stream of plain text that is cut after its first token goes on at a fallback, marked.
    """

    timeout: Milliseconds = 600_000.0
    first_token_timeout: Milliseconds = 120_000.0
    idle_timeout: Milliseconds = 60_000.0
    tries: Annotated[int, Spec(ge=1, le=10)] = 2
    max_calls: Annotated[int, Spec(ge=1, le=50)] = 6
    max_wait: Milliseconds = 30_000.0
    extra_calls: Share = 0.2
    balance: Literal["weighted", "fastest"] = "weighted"
    hedge: HedgeSettings = HedgeSettings(on=False)
    mirror: MirrorSettings | None = None
    checks: dict[str, str] = msgspec.field(default_factory=dict)
    sticky: bool = True
    continue_streams: bool = False
    health_check: HealthCheckSettings | None = None
    shared_health: SharedHealthSettings | None = None
