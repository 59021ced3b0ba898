"""What a rule may ask for, as a policy file writes it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ..spec import Spec, written
from ..types import Tier
from .words import (
    Budgets,
    Checks,
    Open,
    Place,
    Places,
    ShareNumber,
    Strict,
    Tags,
    Text,
    one_or_many,
)

__all__ = ["Escalate", "Mirror", "Then", "ThenPatch"]

_PREFER = "A recommendation: a local model, a hosted LLM, or either."
_TIER = "A recommendation: the tier of hosted models, decided by itself."
_RANK = "Tags, or what a model's family is good at: those come first among equals."
_REQUIRE = "`local`, `llm`, `small`, `large`, `in_house` or a deployment's tag: no other target may answer."
_FORBID = "The same words: no such target may answer. `llm` leaves deployments that are in house."
_REFUSE = "The message of the refusal."
_REDACT = "Kinds of personal data to mask before a hosted call; `pii` is all of them."
_CHECK = (
    "Flags to look for in a hosted answer: what has one, or cannot be checked, is refused; or each with what follows: "
    "`{pii: redact, toxicity: refuse}` (`annotate`, `redact`, `escalate` to a larger model, `refuse`)."
)
_HOLD = "How many characters of a checked stream are held back; left out, all of it until its end."
_ESCALATE = "When a smaller model's answer goes to a larger one."
_FALLBACK = (
    "Who may answer when the target fails, in this order, and nobody else: deployments, models, tags, `small`, "
    "`large`, `in_house`, or `llm` for all that are left; `[]` is nobody. Of several rules one decides, as for `tier`."
)
_MIRROR = "A deployment that gets copies of a share of these requests: `{to: shadow, share: 2%}`."
_WARN = "A sentence for the record."
_BUDGET = "Limits of the request, added to the caller's own."


class Escalate(Strict, frozen=True, kw_only=True):
    """When a smaller model's answer goes to a larger one; one failed check is enough."""

    on: Annotated[
        Annotated[list[Literal["contract", "refusal", "cut_off"]], Spec(min_length=1), *one_or_many] | None,
        Spec(description="It is not in the form that was asked for, it is a refusal, or it was cut off."),
    ] = None
    min_logprob: Annotated[
        float | None,
        Spec(le=0, description="The least mean log-probability of a token (nats), where the provider gives it."),
    ] = None
    check: Annotated[Tags | None, Spec(description="Names of your own checks (`dispatch.checks` of the config).")] = (
        None
    )

    def __post_init__(self) -> None:
        if not any(written(self)):
            raise ValueError("write on, min_logprob or check, or leave escalate out")


class Mirror(Strict, frozen=True, kw_only=True):
    """Copies of a share of the requests, for a deployment whose answers nobody is shown. What binds the request binds
    its copy; it costs what it costs, and is in the ledger."""

    to: Annotated[Place, Spec(description="The deployment that gets the copies.")]
    share: Annotated[
        ShareNumber,
        Spec(gt=0, le=1),
        Spec(description="The share of the answered requests that are copied, drawn by their ids: `2%`."),
    ]


class _Asks(Open, frozen=True, kw_only=True):
    prefer: Annotated[Literal["local", "llm", "tie"] | None, Spec(description=_PREFER)] = None
    tier: Annotated[Tier | None, Spec(description=_TIER)] = None
    rank: Annotated[Tags | None, Spec(description=_RANK)] = None
    require: Annotated[Tags | None, Spec(description=_REQUIRE)] = None
    forbid: Annotated[Tags | None, Spec(description=_FORBID)] = None
    refuse: Annotated[Text | None, Spec(description=_REFUSE)] = None
    redact: Annotated[Tags | None, Spec(description=_REDACT)] = None
    check: Annotated[Checks | None, Spec(description=_CHECK)] = None
    hold: Annotated[int | None, Spec(ge=50, le=100_000, description=_HOLD)] = None
    escalate: Annotated[Escalate | None, Spec(description=_ESCALATE)] = None
    fallback: Annotated[Places | None, Spec(description=_FALLBACK)] = None
    mirror: Annotated[Mirror | None, Spec(description=_MIRROR)] = None
    warn: Annotated[Text | None, Spec(description=_WARN)] = None
    budget: Annotated[Budgets | None, Spec(description=_BUDGET)] = None


class Then(_Asks, frozen=True, kw_only=True):
    """What a rule asks for. `prefer`, `tier`, `rank` and `fallback` recommend; everything else binds."""

    takes_null: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not any(written(self)):
            raise ValueError("a rule must ask for something (prefer, tier, require, forbid, refuse, check ...)")
        if self.hold is not None and self.check is None:
            raise ValueError("hold is how much of a checked stream is held back; it needs check")
        if self.tier is not None and self.prefer == "local":
            raise ValueError("tier is a tier of hosted models; it does not go with prefer: local")


class ThenPatch(_Asks, frozen=True, kw_only=True):
    """As `then`; a key given replaces the parent's, `null` takes it away, the rest stays."""
