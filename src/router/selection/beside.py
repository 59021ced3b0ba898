"""Who else takes part in a request: the fallbacks that a rule names, and who gets a copy.

Both pick among candidates that the verdict allows; neither can bring back one that it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ..catalogue import Deployment
from ..draws import draw_share
from ..policy.schema import Rule
from ..types import Budget, Candidate, Decision, Failure, Mirroring, Target
from .candidates import Fleet

__all__ = ["GENERAL", "copy_of", "drawn_mirrors", "fits", "mirror_loss", "named_fallbacks", "unknown_place"]

GENERAL = ("small", "large", "in_house", "llm")
"""Words for deployments that none needs to be called by."""

# What keeps a caller from asking a model does not keep its shadow from being tried: which model was asked for, and how
# long it may take. Whether it is well is seen when the copy is sent.
_NO_MATTER: frozenset[Failure | None] = frozenset({None, "model", "latency", "cooling"})


def fits(deployment: Deployment, word: str) -> bool:
    """Whether ``word`` of a rule names ``deployment``: by its name, model, tag or tier, as ``in_house``, or ``llm``."""
    if word in (deployment.name, deployment.model, deployment.tier, "llm") or word in deployment.tags:
        return True
    return word == "in_house" and deployment.in_house


def named_fallbacks(words: Iterable[str], able: Sequence[str], fleet: Fleet) -> tuple[str, ...]:
    """Of the ``able`` deployments, in their order, those that ``words`` name, in the order of the words."""
    return tuple(dict.fromkeys(name for word in words for name in able if fits(fleet.deployments[name], word)))


def mirror_loss(to: str, found: Sequence[Candidate], target: str | None) -> str | None:
    """Why the deployment ``to`` gets no copy, None where it may get one."""
    if to == target:
        return "it answers itself"
    shadow = next((each for each in found if each.model == to and each.kind == "llm"), None)
    if shadow is None:
        return "it is not registered"
    return None if shadow.failed in _NO_MATTER else shadow.reason


def drawn_mirrors(
    mirrors: Iterable[Mirroring], found: Sequence[Candidate], target: str | None, draw: str
) -> tuple[str, ...]:
    """Who gets a copy of the request that is drawn by the text ``draw``; draws for different deployments are
    independent."""
    return tuple(
        each.to
        for each in mirrors
        if draw_share(f"mirror-{each.to}:{draw}") < each.share and mirror_loss(each.to, found, target) is None
    )


def unknown_place(rule: Rule, fleet: Fleet) -> tuple[str, tuple[str | int, ...]] | None:
    """A deployment that ``rule`` names and that is not registered, and where it stands; None where all are."""
    then = rule.then
    if then is None:
        return None
    path = ("rules", rule.id, "then")
    if then.mirror is not None and then.mirror.to not in fleet.deployments:
        return then.mirror.to, (*path, "mirror", "to")
    for index, word in enumerate(then.fallback or ()):
        if word not in GENERAL and not any(fits(each, word) for each in fleet.deployments.values()):
            return word, (*path, "fallback", index)
    return None


def copy_of(decision: Decision, to: str, purpose: str, max_usd: float | None) -> Decision:
    """The decision of a copy for the deployment ``to``: its id is that of ``decision`` with ``-purpose`` behind it."""
    # Nobody is shown the answer, so nothing of it is checked; what binds the request stays.
    verdict = msgspec.structs.replace(decision.verdict, check=frozenset(), on_flag={}, hold=None, escalate=None)
    return msgspec.structs.replace(
        decision,
        id=f"{decision.id}-{purpose}",
        target=Target(kind="llm", model=to),
        fallbacks=(),
        verdict=verdict,
        budget=Budget(max_usd=max_usd),
    )
