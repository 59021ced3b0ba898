"""What a policy's schema cannot tell: rules that never decide, contradict one another, or ask what nobody answers.

Every finding is certain; what this room cannot prove it does not report. It runs on a policy that may not compile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

import msgspec

from ..errors import ConfigError
from ..yamlfile import Path, Place, did_you_mean
from .compile import CompiledPolicy, compile_policy
from .flow import compile_flow
from .read import PolicyFile, matching_ids
from .schema import FlowStep, Rule, When
from .when import compile_when, numeric_limits

__all__ = ["Finding", "lint"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found. An ``error`` makes part of the policy do nothing or fail, a ``warning`` is probably a slip."""

    place: Place
    message: str
    severity: Literal["error", "warning"]
    rule: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.message}"


def lint(policy: PolicyFile | CompiledPolicy, known_signals: Collection[str] | None = None) -> tuple[Finding, ...]:
    """All findings, in the order of the file.

    ``known_signals`` are the signals that some detector provides; without them, nothing is said about signals.
    """
    file = policy.file if isinstance(policy, CompiledPolicy) else policy
    found = [
        *_names(file),
        *_flow(file),
        *_conditions(file, known_signals),
        *_contradictions(file),
        *_never_decide(file),
        *_thresholds(file),
    ]
    if not any(finding.severity == "error" for finding in found):
        found += _does_not_compile(file)
    return tuple(sorted(found, key=lambda finding: (finding.place.file, finding.place.line, finding.place.column)))


def _finding(file: PolicyFile, severity: Literal["error", "warning"], message: str, *path: str | int) -> Finding:
    rule = str(path[1]) if path[0] == "rules" else None
    return Finding(place=file.place(*path), message=message, severity=severity, rule=rule)


def _from_error(error: ConfigError, file: PolicyFile, rule: str | None = None) -> Finding:
    place = Place(error.file or file.file, error.line or 1, error.column or 1)
    return Finding(place=place, message=f"{error.message} {error.hint}".strip(), severity="error", rule=rule)


def _names(file: PolicyFile) -> Iterator[Finding]:
    ids = [rule.id for rule in file.rules]
    steps = [step.id for step in file.flow]
    for rule in file.rules:
        for index, pattern in enumerate(rule.over):
            if not matching_ids(pattern, [*ids, *file.removed]):
                guess = did_you_mean(pattern, ids)
                tail = f'; did you mean "{guess}"?' if guess else "."
                yield _finding(file, "error", f'no rule is called "{pattern}"{tail}', "rules", rule.id, "over", index)
        if rule.step is not None and steps and rule.step not in steps:
            guess = did_you_mean(rule.step, steps)
            tail = f'; did you mean "{guess}"?' if guess else "."
            yield _finding(file, "error", f'the flow has no step "{rule.step}"{tail}', "rules", rule.id, "step")


def _flow(file: PolicyFile) -> Iterator[Finding]:
    try:
        flow = compile_flow(file)
    except ConfigError as error:
        yield _from_error(error, file)
        return
    if flow is None:
        return
    reached: set[int] = set()
    open_steps = [0]
    while open_steps:
        at = open_steps.pop()
        if at in reached:
            continue
        reached.add(at)
        step = flow.steps[at]
        open_steps += [goes_to for goes_to in (step.yes, step.no, step.unknown) if isinstance(goes_to, int)]
    for at, step in enumerate(flow.steps):
        if at not in reached:
            yield _finding(file, "warning", f"no answer leads to the step {step.step.id}.", "flow", step.step.id)


def _conditions(file: PolicyFile, known_signals: Collection[str] | None) -> Iterator[Finding]:
    asking: list[tuple[Rule | FlowStep, Path]] = [(rule, ("rules", rule.id, "when")) for rule in file.rules]
    asking += [(step, ("flow", step.id, "when")) for step in file.flow]
    for rule, path in asking:
        name = rule.id if isinstance(rule, Rule) else None
        try:
            reads = compile_when(file, rule.when, path).reads
        except ConfigError as error:
            if name is not None:  # the flow's own errors were told by _flow
                yield _from_error(error, file, name)
            continue
        reason = _never_holds(file, rule.when, path)
        if reason is not None:
            yield _finding(file, "error", f"this condition can never hold: {reason}.", *path)
        missing = sorted(reads - set(known_signals)) if known_signals is not None else []
        if missing:
            yield _finding(
                file, "warning", f"no detector provides {', '.join(missing)}, so this is always unknown.", *path
            )


def _contradictions(file: PolicyFile) -> Iterator[Finding]:
    acting = [(rule, rule.then) for rule in file.rules if rule.then is not None]
    for rule, then in acting:
        require, forbid = set(then.require or ()), set(then.forbid or ())
        both = sorted(require & forbid)
        if both:
            yield _finding(
                file, "error", f"{', '.join(both)} is both required and forbidden.", "rules", rule.id, "then"
            )
        if then.prefer in forbid or then.tier in forbid:
            word = then.prefer if then.prefer in forbid else then.tier
            yield _finding(file, "error", f"{word} is both recommended and forbidden.", "rules", rule.id, "then")
        if {"local", "llm"} <= require:
            yield _finding(file, "error", "no target is both local and an LLM.", "rules", rule.id, "then", "require")
        for other, wanted in acting:
            clash = sorted(require & set(wanted.forbid or ()))
            if other is not rule and clash and _implies(rule.when, other.when):
                message = f"whenever {rule.id} requires {', '.join(clash)}, {other.id} forbids it."
                yield _finding(file, "error", message, "rules", rule.id, "then")


def _never_decide(file: PolicyFile) -> Iterator[Finding]:
    """Rules that only recommend, and that another rule overrules each time they fire."""
    acting = [rule for rule in file.rules if rule.then is not None]
    for rule in acting:
        if rule.then is None or not set(rule.then.model_fields_set) <= {"prefer", "tier"}:
            continue
        for other in acting:
            if other is rule or other.then is None or not _speaks_of_all(other, rule):
                continue
            named = any(matching_ids(pattern, [rule.id]) for pattern in other.over)
            # A child that puts its rule over an inherited one means it.
            meant = file.place("rules", other.id, "over").file != file.place("rules", rule.id).file
            answered = any(matching_ids(pattern, [other.id]) for pattern in rule.over)
            if named and not (meant or answered) and _implies(rule.when, other.when):
                message = f"{rule.id} never decides: {other.id} fires whenever it does, and stands over it."
                yield _finding(file, "error", message, "rules", rule.id)
                break
            same = _implies(rule.when, other.when) and _implies(other.when, rule.when)
            if same and not answered and _stands_before(file, other, rule):
                message = f"{rule.id} never decides: {other.id} has the same condition and stands before it."
                yield _finding(file, "warning", message, "rules", rule.id)
                break


def _speaks_of_all(other: Rule, rule: Rule) -> bool:
    if other.then is None or rule.then is None:
        return False
    return all(
        theirs is not None or ours is None
        for ours, theirs in ((rule.then.prefer, other.then.prefer), (rule.then.tier, other.then.tier))
    )


def _stands_before(file: PolicyFile, one: Rule, other: Rule) -> bool:
    strength = {"strong": 0, "weak": 1, "tie": 2}
    steps = {step.id: index for index, step in enumerate(file.flow)}
    order = {rule.id: index for index, rule in enumerate(file.rules)}

    def rank(rule: Rule) -> tuple[int, int, int, int]:
        step = steps.get(rule.step or "", len(steps))
        return (file.generation[rule.id], strength[rule.strength], step, order[rule.id])

    return rank(one) < rank(other)


def _thresholds(file: PolicyFile) -> Iterator[Finding]:
    conditions = [*(rule.when for rule in file.rules), *(step.when for step in file.flow)]
    used = "\n".join(str(value) for when in conditions for value in _leaves(when.model_dump(exclude_unset=True)))
    for name in file.thresholds:
        # An inherited threshold may have lost its rule on purpose.
        if name not in used and file.place("thresholds", name).file == file.file:
            yield _finding(file, "warning", f'no condition uses the threshold "{name}".', "thresholds", name)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _does_not_compile(file: PolicyFile) -> list[Finding]:
    try:
        compile_policy(file)
    except ConfigError as error:
        return [_from_error(error, file)]
    return []


# ----- conditions, compared as written --------------------------------------------------------------------------


def _facts(when: When) -> dict[str, list[Any]]:
    """Top-level conditions by fact, nested ``all`` flattened: each value in the list must hold."""
    found: dict[str, list[Any]] = {}
    for key, value in when.model_dump(exclude_unset=True, by_alias=True).items():
        if key == "all":
            continue
        found.setdefault(key, []).append(value)
    for inner in when.all or ():
        for key, values in _facts(inner).items():
            found.setdefault(key, []).extend(values)
    return found


def _implies(narrow: When, wide: When) -> bool:
    """Whether ``wide`` holds whenever ``narrow`` does, as far as their words alone tell."""
    ours = _facts(narrow)
    return all(
        any(_covers(key, theirs, value) for value in ours.get(key, ()))
        for key, values in _facts(wide).items()
        for theirs in values
    )


def _covers(key: str, wide: Any, narrow: Any) -> bool:
    if wide == narrow:
        return True
    # A list of words means any of them, except for flags and names in `unknown`, whose meaning has more parts.
    if isinstance(wide, list) and isinstance(narrow, list) and key not in ("any", "all"):
        return set(narrow) <= set(wide)
    return False


def _never_holds(file: PolicyFile, when: When, path: Path) -> str | None:
    for key, values in _facts(when).items():
        if key in ("any", "not", "unknown", "custom", "safety"):
            continue
        if all(isinstance(value, bool) for value in values):
            if len(set(values)) > 1:
                return f"{key} cannot be both true and false"
        elif all(isinstance(value, list) for value in values):
            common = set(values[0]).intersection(*values[1:])
            if not common and key != "modality":
                return f"no {key} is in every list"
        elif len(values) > 1 and all(isinstance(value, str) for value in values) and key in ("resource", "ood"):
            if len(set(values)) > 1:
                return f"{key} cannot be {' and '.join(sorted(set(values)))}"
        else:
            reason = _empty_range(file, key, values, path)
            if reason is not None:
                return reason
    return None


def _empty_range(file: PolicyFile, key: str, values: list[Any], path: Path) -> str | None:
    low, high = (0.0, False), (float("inf"), False)
    for value in values:
        for op, limit in numeric_limits(file, key, value, path):
            if op in (">", ">=", "=", "=="):
                low = max(low, (limit, op == ">"))
            if op in ("<", "<=", "=", "=="):
                high = min(high, (limit, op != "<"), key=lambda bound: (bound[0], bound[1]))
    open_low = low[1]
    open_high = high[0] != float("inf") and not high[1]
    if low[0] > high[0] or (low[0] == high[0] and (open_low or open_high)):
        return f"no number satisfies {key}: {', '.join(str(value) for value in values)}"
    return None
