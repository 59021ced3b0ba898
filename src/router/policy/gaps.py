"""Unknown is not clean: a request that nobody could check for safety must be protected too.

Safety is a lattice, clean < unknown < flagged. A policy that protects flagged requests and leaves unchecked ones alone
has a gap; with ``fail_closed: true`` it does not load.
"""

from __future__ import annotations

import msgspec

from .read import PolicyFile
from .schema import Rule
from .search import Witness, every, fails, find, witness
from .space import Space

__all__ = ["Gap", "check_closed", "find_gap"]

_PROTECTS = ("refuse", "redact", "check", "forbid", "require")


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that protects flagged requests, and an unchecked one that nothing protects."""

    rule: str
    message: str
    witness: Witness


def find_gap(file: PolicyFile, space: Space) -> Gap | None:
    """A request whose safety is unknown and that no rule protects, where some rule protects flagged ones."""
    at = space.index("safety")
    protecting = [rule for rule in file.rules if _protects(rule)]
    asking = [rule for rule in protecting if at is not None and at in space.rules[rule.id].variables]
    if at is None or not asking:
        return None
    unread = 1 << (len(space.variables[at].regions) - 1)  # the last region is the unknown one
    within = (*space.whole[:at], unread, *space.whole[at + 1 :])
    found = find(space, every(fails(space.rules[rule.id]) for rule in protecting), within=within)
    if found.domains is None:
        return None
    message = (
        f"where safety is unknown, neither {asking[0].id} nor any other rule protects the request; unknown is not "
        f"clean: add a rule with `when: {{unknown: safety}}`."
    )
    return Gap(rule=asking[0].id, message=message, witness=witness(space, found.domains))


def check_closed(file: PolicyFile, space: Space) -> None:
    """Hold a policy to ``fail_closed``.

    Raises:
        ConfigError: it has a gap.
    """
    gap = find_gap(file, space)
    if gap is not None:
        raise file.error(f"fail_closed: {gap.message}", "rules", gap.rule, "when")


def _protects(rule: Rule) -> bool:
    return rule.then is not None and any(getattr(rule.then, name) is not None for name in _PROTECTS)
