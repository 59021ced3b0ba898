"""All requests that a policy can tell apart, as finitely many: each signal's values fall into regions.

Two values of a signal stand in one region when every condition of the policy answers the same for both, so one value
of each region stands for all. Conditions become formulas over regions, sets of regions are bits of an integer. Facts
of one signal (a task and its probability) make one variable, since they are known or unknown together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..document import Path
from ..spec import written
from .conditions import FACTS, Check, Values
from .logic import FALSE, NEITHER, TRUE
from .read import PolicyFile
from .regions import Leaf, Variable, make_variable, values_of
from .schema import SafetyCondition, When, one_condition
from .when import compile_when, numeric_limits

__all__ = ["Domains", "Formula", "Space", "make_space", "narrowed", "possible"]

Domains = tuple[int, ...]


class Formula(msgspec.Struct, frozen=True, kw_only=True):
    """``atom``: regions of ``variable`` in which it holds or is unknown; otherwise a connective of ``parts``."""

    kind: Literal["atom", "all", "any", "not"]
    variable: int = -1
    true: int = 0
    unknown: int = 0
    parts: tuple[Formula, ...] = ()
    variables: frozenset[int] = frozenset()


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """The variables of a policy and its conditions over them, by rule or step id.

    ``leaves`` are the single conditions. ``is_complete`` is False when some variable has more regions than were made:
    then nothing can be proved absent.
    """

    variables: tuple[Variable, ...]
    rules: Mapping[str, Formula]
    steps: Mapping[str, Formula]
    leaves: tuple[Leaf, ...]
    is_complete: bool

    @property
    def whole(self) -> Domains:
        """All requests."""
        return tuple(variable.all for variable in self.variables)

    def index(self, name: str) -> int | None:
        """The place of the variable called ``name``, None when no condition reads it."""
        return next((at for at, variable in enumerate(self.variables) if variable.name == name), None)


def possible(formula: Formula, domains: Sequence[int]) -> int:
    """Bit set of the answers (TRUE, FALSE, NEITHER) that ``formula`` may give within ``domains``.

    Never too small; exact once each variable of the formula is in one region.
    """
    kind = formula.kind
    if kind == "atom":
        domain = domains[formula.variable]
        found = TRUE if domain & formula.true else 0
        if domain & formula.unknown:
            found |= NEITHER
        if domain & ~(formula.true | formula.unknown):
            found |= FALSE
        return found
    if kind == "not":
        inner = possible(formula.parts[0], domains)
        return (inner & NEITHER) | (FALSE if inner & TRUE else 0) | (TRUE if inner & FALSE else 0)
    decides, neutral = (FALSE, TRUE) if kind == "all" else (TRUE, FALSE)
    some, every_neutral, may_be_unknown, undecided = 0, neutral, False, True
    for part in formula.parts:
        inner = possible(part, domains)
        if inner == decides:
            return decides
        some |= inner & decides
        every_neutral &= inner
        may_be_unknown = may_be_unknown or bool(inner & NEITHER)
        undecided = undecided and bool(inner & ~decides)
    return some | every_neutral | (NEITHER if may_be_unknown and undecided else 0)


def narrowed(formula: Formula, domains: Domains) -> Domains:
    """``domains`` without the regions in which a part that must hold does not; what is left holds all requests that
    ``formula`` is true of, and maybe others."""
    left = list(domains)
    for part in formula.parts if formula.kind == "all" else (formula,):
        if part.kind == "atom":
            left[part.variable] &= part.true
        elif part.kind == "all":
            left = list(narrowed(part, tuple(left)))
    return tuple(left)


def make_space(file: PolicyFile) -> Space:
    """The requests that ``file`` can tell apart.

    Raises:
        ConfigError: a condition that does not compile.
    """
    reader = _Reader(file)
    rules = {
        rule.id: reader.read(rule.when, ("rules", rule.id, "when")) for rule in file.rules if rule.then is not None
    }
    steps = {step.id: reader.read(step.when, ("flow", step.id, "when")) for step in file.flow}
    variables: dict[str, Variable] = {}
    truths: dict[int, tuple[int, int]] = {}
    complete = True
    for name, leaves in reader.leaves.items():
        made, whole = make_variable(name, leaves, file.signals.get(name))
        complete = complete and whole
        variables[name] = made
        for leaf in leaves:
            truths[leaf.number] = _truth(leaf, made)
    order = {name: at for at, name in enumerate(variables)}
    return Space(
        variables=tuple(variables.values()),
        rules={name: _formula(tree, order, truths) for name, tree in rules.items()},
        steps={name: _formula(tree, order, truths) for name, tree in steps.items()},
        leaves=tuple(leaf for leaves in reader.leaves.values() for leaf in leaves),
        is_complete=complete,
    )


# ----- conditions -> trees of leaves -----------------------------------------------------------------------------


_Tree = tuple[str, Any]


class _Reader:
    """Takes conditions apart; equal leaves are kept once for each place, which costs little and needs no hashing."""

    def __init__(self, file: PolicyFile) -> None:
        self.file = file
        self.leaves: dict[str, list[Leaf]] = {}
        self.count = 0

    def read(self, when: When, path: Path) -> _Tree:
        parts: list[_Tree] = []
        for key, value in written(when):
            here = (*path, key)
            if key == "all":
                parts += [self.read(inner, (*here, at)) for at, inner in enumerate(value)]
            elif key == "any":
                parts.append(("any", [self.read(inner, (*here, at)) for at, inner in enumerate(value)]))
            elif key == "not":
                parts.append(("not", [self.read(value, here)]))
            elif key == "unknown":
                parts.append(("any", [self._leaf(signal.removeprefix("custom."), key, signal, ()) for signal in value]))
            elif key == "custom":
                parts += [self._custom(signal, wanted, here) for signal, wanted in value.items()]
            else:
                fact = FACTS.get(key)
                variable = key if fact is None or fact.signal is None else fact.signal
                limits = [limit for _, limit in numeric_limits(self.file, key, value, here)]
                if isinstance(value, SafetyCondition) and value.score is not None:
                    limits = [limit for _, limit in numeric_limits(self.file, "task_probability", value.score, here)]
                parts.append(self._leaf(variable, key, value, tuple(limits), self._check(key, value, here)))
        return ("all", parts)

    def _custom(self, signal: str, wanted: Any, here: Path) -> _Tree:
        is_number = not isinstance(wanted, bool | list) and not (
            isinstance(wanted, str) and wanted.lstrip()[:1] not in tuple("<>=!")
        )
        limits = [limit for _, limit in numeric_limits(self.file, "messages", wanted, here)] if is_number else []
        when = When(custom={signal: wanted})
        check = compile_when(self.file, when, here[:-1]).check
        return self._leaf(signal, "custom", wanted, tuple(limits), check)

    def _check(self, key: str, value: Any, here: Path) -> Check:
        return compile_when(self.file, one_condition(key, value), here[:-1]).check

    def _leaf(
        self, variable: str, key: str, value: Any, limits: tuple[float, ...], check: Check | None = None
    ) -> _Tree:
        def is_unknown(values: Values) -> bool:
            return values[variable] is None

        leaf = Leaf(
            number=self.count, variable=variable, key=key, value=value, limits=limits, check=check or is_unknown
        )
        self.count += 1
        self.leaves.setdefault(variable, []).append(leaf)
        return ("atom", leaf)


def _formula(tree: _Tree, order: Mapping[str, int], truths: Mapping[int, tuple[int, int]]) -> Formula:
    kind, content = tree
    if kind == "atom":
        at = order[content.variable]
        true, unknown = truths[content.number]
        return Formula(kind="atom", variable=at, true=true, unknown=unknown, variables=frozenset({at}))
    parts = tuple(_formula(part, order, truths) for part in content)
    if kind != "not" and len(parts) == 1:
        return parts[0]
    return Formula(
        kind=kind,  # type: ignore[arg-type]
        parts=parts,
        variables=frozenset[int]().union(*(part.variables for part in parts)),
    )


def _truth(leaf: Leaf, variable: Variable) -> tuple[int, int]:
    true = unknown = 0
    for at, region in enumerate(variable.regions):
        answer = leaf.check(values_of(region.facts))
        if answer is None:
            unknown |= 1 << at
        elif answer:
            true |= 1 << at
    return true, unknown
