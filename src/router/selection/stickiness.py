"""Whether a conversation stays where its prompt cache is warm: it does, unless moving it really saves.

A provider bills the part of a prompt that it has seen lately at its cached price; another deployment would read all of
it anew. The room compares this turn's estimates and knows no sessions.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Candidate, Snapshot, Tier
from ..units import format_usd

__all__ = ["SAVING", "stay_note", "staying", "warm_tier"]

# A move must save at least this share of the turn: the cache it leaves would have served the next turns as well.
SAVING = 0.1


def staying(able: Sequence[Candidate], snapshot: Snapshot) -> frozenset[str]:
    """The deployments that have a part of the conversation warm, less those that another of their tier undercuts."""
    return frozenset(
        candidate.model
        for candidate in able
        if snapshot.warm.get(candidate.model)
        and not any(_saves(other, candidate) for other in able if other.tier == candidate.tier)
    )


def warm_tier(able: Sequence[Candidate], snapshot: Snapshot) -> Tier | None:
    """The tier where the conversation is warm, as long as nobody of another tier really saves; None when nowhere."""
    if not snapshot.warm:
        return None
    warm = max(
        (candidate for candidate in able if snapshot.warm.get(candidate.model)),
        key=lambda candidate: snapshot.warm[candidate.model],
        default=None,
    )
    if warm is None or any(_saves(other, warm) for other in able if other.kind == "llm" and other.tier != warm.tier):
        return None
    return warm.tier


def stay_note(order: Sequence[Candidate], snapshot: Snapshot) -> str:
    """For the receipt: what the warm cache is worth where the conversation stays, or what leaving it saves."""
    if not snapshot.warm:
        return ""
    warm = next((candidate for candidate in order if snapshot.warm.get(candidate.model)), None)
    if warm is None or not order or order[0].kind != "llm":
        return ""
    tokens = snapshot.warm[warm.model]
    if order[0] is warm:
        if not warm.estimate.saved_usd:
            return ""
        return f"; the conversation stays: {tokens:,} warm tokens save {format_usd(warm.estimate.saved_usd)}"
    costs = f"{format_usd(order[0].estimate.usd)} against {format_usd(warm.estimate.usd)}"
    return f"; the conversation leaves {warm.model} ({tokens:,} warm tokens; {costs})"


def _saves(other: Candidate, warm: Candidate) -> bool:
    one, two = other.estimate.usd, warm.estimate.usd
    return other.model != warm.model and one is not None and two is not None and one < two * (1.0 - SAVING)
