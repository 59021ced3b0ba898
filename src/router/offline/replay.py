"""Recorded requests decided again: the same policy, models and state must give the same decision, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from ..errors import RouterError
from ..policy.compile import CompiledPolicy
from ..selection.beside import copy_of
from ..selection.candidates import Fleet
from ..types import Decision, Record
from .recorded import encode_decision, redecide_record

__all__ = ["Replayed", "replay_record"]


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """``same``: byte for byte; ``other``: policy or models are not those of the record, so nothing can be proved;
    ``differs``: they are, and the decision is another one: ``reason`` says in what."""

    id: str
    status: Literal["same", "differs", "other"]
    reason: str = ""


def replay_record(record: Record, policies: Mapping[str, CompiledPolicy], fleet: Fleet) -> Replayed:
    """Decide ``record`` again and compare."""
    old = record.decision
    policy = policies.get(old.policy.name)
    if policy is None or policy.hash != old.policy.hash:
        now = f"it is {policy.hash} now" if policy is not None else "there is none of that name"
        reason = f"decided under {old.policy.name} {old.policy.hash}; {now}"
        return Replayed(id=old.id, status="other", reason=reason)
    models = old.snapshot.models if old.snapshot is not None else ""
    if models != fleet.hash:
        return Replayed(id=old.id, status="other", reason=f"decided among models {models}; they are {fleet.hash} now")
    try:
        _, new = redecide_record(record, policy, fleet)
        new = _as_copied(new, old)
    except RouterError as error:
        return Replayed(id=old.id, status="differs", reason=f"{type(error).__name__}: {error.message}")
    if encode_decision(new) == encode_decision(old):
        return Replayed(id=old.id, status="same")
    return Replayed(id=old.id, status="differs", reason=", ".join(_differences(old, new)))


def _as_copied(new: Decision, old: Decision) -> Decision:
    """``new`` as the copy of a request that ``old`` is, or as it is where that is none."""
    _, is_copy, purpose = old.id.partition(f"{new.id}-")
    if not is_copy or old.target.model is None:
        return new
    return copy_of(new, old.target.model, purpose, old.budget.max_usd)


def _differences(old: Decision, new: Decision) -> list[str]:
    encode = msgspec.json.Encoder(order="deterministic").encode
    return [name for name in Decision.__struct_fields__ if encode(getattr(old, name)) != encode(getattr(new, name))]
