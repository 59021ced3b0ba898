"""What a rule may ask for, as a policy file writes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

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


class Escalate(Strict):
    """When a smaller model's answer goes to a larger one; one failed check is enough."""

    on: Annotated[list[Literal["contract", "refusal", "cut_off"]], Field(min_length=1), *one_or_many] | None = Field(
        default=None, description="It is not in the form that was asked for, it is a refusal, or it was cut off."
    )
    min_logprob: float | None = Field(
        default=None, le=0, description="The least mean log-probability of a token (nats), where the provider gives it."
    )
    check: Tags | None = Field(default=None, description="Names of your own checks (`dispatch.checks` of the config).")

    @model_validator(mode="after")
    def _checks_something(self) -> Escalate:
        if not self.model_fields_set:
            raise ValueError("write on, min_logprob or check, or leave escalate out")
        return self


class Mirror(Strict):
    """Copies of a share of the requests, for a deployment whose answers nobody is shown. What binds the request binds
    its copy; it costs what it costs, and is in the ledger."""

    to: Place = Field(description="The deployment that gets the copies.")
    share: Annotated[ShareNumber, Field(gt=0, le=1)] = Field(
        description="The share of the answered requests that are copied, drawn by their ids: `2%`."
    )


class _Asks(Open):
    prefer: Literal["local", "llm", "tie"] | None = Field(default=None, description=_PREFER)
    tier: Tier | None = Field(default=None, description=_TIER)
    rank: Tags | None = Field(default=None, description=_RANK)
    require: Tags | None = Field(default=None, description=_REQUIRE)
    forbid: Tags | None = Field(default=None, description=_FORBID)
    refuse: Text | None = Field(default=None, description=_REFUSE)
    redact: Tags | None = Field(default=None, description=_REDACT)
    check: Checks | None = Field(default=None, description=_CHECK)
    hold: int | None = Field(default=None, ge=50, le=100_000, description=_HOLD)
    escalate: Escalate | None = Field(default=None, description=_ESCALATE)
    fallback: Places | None = Field(default=None, description=_FALLBACK)
    mirror: Mirror | None = Field(default=None, description=_MIRROR)
    warn: Text | None = Field(default=None, description=_WARN)
    budget: Budgets | None = Field(default=None, description=_BUDGET)


class Then(_Asks, Strict):
    """What a rule asks for. `prefer`, `tier`, `rank` and `fallback` recommend; everything else binds."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Then:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a rule must ask for something (prefer, tier, require, forbid, refuse, check ...)")
        if self.hold is not None and self.check is None:
            raise ValueError("hold is how much of a checked stream is held back; it needs check")
        if self.tier is not None and self.prefer == "local":
            raise ValueError("tier is a tier of hosted models; it does not go with prefer: local")
        return self


class ThenPatch(_Asks):
    """As `then`; a key given replaces the parent's, `null` takes it away, the rest stays."""
