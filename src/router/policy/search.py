"""Search for a request with a property among all that a policy can tell apart; without one, a proof that none exists.

Depth first: a variable is narrowed region by region until the goal is certain (Davis, Logemann and Loveland 1962, with
answers of three-valued formulas as bounds). The search gives up after a number of nodes and then claims nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from .logic import TRUE
from .regions import PASSAGE, QUESTION
from .space import Domains, Formula, Space, possible

__all__ = ["Found", "Goal", "Witness", "every", "fails", "find", "holds", "witness"]

# True: holds for every request within the domains; False: for none; a formula: it depends on this one, among others.
Goal = Callable[[Sequence[int]], bool | Formula]

MAX_NODES = 20_000

# A request as an example writes it: ``signals`` and, where they matter, ``budget``, ``tenant``, ``messages`` ...
Witness = Mapping[str, Any]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """``domains``: requests that have the property, None when there are none; ``is_certain``: nothing was skipped."""

    domains: Domains | None
    is_certain: bool

    @property
    def is_impossible(self) -> bool:
        """Whether it is proved that no request has the property."""
        return self.domains is None and self.is_certain


def find(space: Space, goal: Goal, *, within: Domains | None = None) -> Found:
    """A part of ``within`` (all requests when left out) in which ``goal`` holds for each request."""
    stack: list[Domains] = [within or space.whole]
    nodes = 0
    while stack:
        domains = stack.pop()
        nodes += 1
        if nodes > MAX_NODES:
            return Found(domains=None, is_certain=False)
        holds = goal(domains)
        if holds is True:
            return Found(domains=domains, is_certain=True)
        if holds is False:
            continue
        # A formula whose variables are all in one region has one answer, so an open one has a variable to narrow.
        at = next(at for at in sorted(holds.variables) if domains[at].bit_count() > 1)
        regions = [1 << bit for bit in range(domains[at].bit_length()) if domains[at] >> bit & 1]
        # The plainest region stands first, so it is pushed last.
        stack.extend((*domains[:at], region, *domains[at + 1 :]) for region in reversed(regions))
    return Found(domains=None, is_certain=space.is_complete)


def holds(formula: Formula) -> Goal:
    """The goal that ``formula`` is true."""

    def goal(domains: Sequence[int]) -> bool | Formula:
        answers = possible(formula, domains)
        return True if answers == TRUE else formula if answers & TRUE else False

    return goal


def fails(formula: Formula) -> Goal:
    """The goal that ``formula`` is not true: false or unknown."""

    def goal(domains: Sequence[int]) -> bool | Formula:
        answers = possible(formula, domains)
        return False if answers == TRUE else True if not answers & TRUE else formula

    return goal


def every(goals: Iterable[Goal]) -> Goal:
    """The goal that all of ``goals`` are reached."""
    goals = tuple(goals)

    def goal(domains: Sequence[int]) -> bool | Formula:
        undecided: Formula | None = None
        for part in goals:
            answer = part(domains)
            if answer is False:
                return False
            if undecided is None and answer is not True:
                undecided = answer
        return True if undecided is None else undecided

    return goal


def witness(space: Space, domains: Domains) -> Witness:
    """One request within ``domains`` as an example writes it; variables that were not narrowed are left out."""
    signals: dict[str, Any] = {}
    beside: dict[str, Any] = {}
    for variable, domain in zip(space.variables, domains, strict=True):
        if domain == variable.all:
            continue
        written = variable.regions[(domain & -domain).bit_length() - 1].written
        (beside if variable.is_request else signals).update(written)
    custom = {name: signals.pop(name) for name in list(signals) if name not in _KNOWN}
    if custom:
        signals["custom"] = custom
    found: dict[str, Any] = {"signals": signals}
    limits = {name.removeprefix("budget."): value for name, value in beside.items() if name.startswith("budget.")}
    if limits:
        found["budget"] = limits
    found.update({name: beside[name] for name in ("tenant", "modality", "tools", "stream") if name in beside})
    turns = _messages(int(beside.get("messages", 1)), signals)
    if turns:
        found["messages"] = turns
    return found


def _messages(count: int, signals: dict[str, Any]) -> list[dict[str, str]]:
    has_data = any(flag.get("text") == PASSAGE for flag in signals.get("safety", ()))
    if has_data and count == 1:
        signals["split"] = PASSAGE
        return [{"user": f"{QUESTION} {PASSAGE}"}]
    if has_data:
        return [*[{"user": QUESTION}] * (count - 1), {"tool": PASSAGE}]
    return [{"user": QUESTION}] * count if count > 1 else []


_KNOWN = frozenset(
    {
        "task", "task_probability", "language", "resource", "annotated", "few_shot", "ood", "intents", "stakes",
        "safety", "context", "knowledge", "symbols", "inverse", "adversarial", "noise", "reasoning", "explanation",
        "agent", "shortcut", "tokens", "labels", "shape", "split", "may_answer",
        "template",
    }
)  # fmt: skip
