"""What a policy's schema cannot tell: names that nobody has, signals that nobody reads, and all that can be proved.

It runs on a policy that may not compile; one that does is looked through by ``prove.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ..document import Path, did_you_mean
from ..errors import ConfigError
from ..spec import plain
from .compile import CompiledPolicy, compile_policy
from .conditions import SIGNALS
from .finding import Finding, Severity, finding, finding_of
from .flow import compile_flow
from .prove import prove
from .read import PolicyFile, matching_ids
from .schema import FlowStep, Rule, When
from .when import compile_when

__all__ = ["Finding", "lint"]


def lint(policy: PolicyFile | CompiledPolicy, known_signals: Collection[str] | None = None) -> tuple[Finding, ...]:
    """All findings, in the order of the file.

    ``known_signals`` are the signals that some detector provides; without them, nothing is said about signals.
    """
    file = policy.file if isinstance(policy, CompiledPolicy) else policy
    found = [
        *_names(file),
        *_flow(file),
        *_conditions(file, known_signals),
        *_thresholds(file),
    ]
    if not any(each.kind == "invalid" for each in found):
        found += [*_own_signals(file), *_examples(file)]
    if not any(each.severity == "error" for each in found):
        found += _proved(policy)
    return tuple(sorted(found, key=lambda each: (each.place.file, each.place.line, each.place.column)))


def _names(file: PolicyFile) -> Iterator[Finding]:
    ids = [rule.id for rule in file.rules]
    steps = [step.id for step in file.flow]
    for rule in file.rules:
        for index, pattern in enumerate(rule.over):
            if not matching_ids(pattern, [*ids, *file.removed]):
                guess = did_you_mean(pattern, ids)
                tail = f'; did you mean "{guess}"?' if guess else "."
                yield finding(
                    file,
                    "error",
                    "unknown-name",
                    f'no rule is called "{pattern}"{tail}',
                    "rules",
                    rule.id,
                    "over",
                    index,
                )
        if rule.step is not None and steps and rule.step not in steps:
            guess = did_you_mean(rule.step, steps)
            tail = f'; did you mean "{guess}"?' if guess else "."
            yield finding(
                file, "error", "unknown-name", f'the flow has no step "{rule.step}"{tail}', "rules", rule.id, "step"
            )


def _flow(file: PolicyFile) -> Iterator[Finding]:
    try:
        flow = compile_flow(file)
    except ConfigError as error:
        yield finding_of(error, file)
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
            yield finding(
                file, "warning", "unreachable", f"no answer leads to the step {step.step.id}.", "flow", step.step.id
            )


def _conditions(file: PolicyFile, known_signals: Collection[str] | None) -> Iterator[Finding]:
    asking: list[tuple[Rule | FlowStep, Path]] = [(rule, ("rules", rule.id, "when")) for rule in file.rules]
    asking += [(step, ("flow", step.id, "when")) for step in file.flow]
    for rule, path in asking:
        name = rule.id if isinstance(rule, Rule) else None
        try:
            reads = compile_when(file, rule.when, path).reads
        except ConfigError as error:
            if name is not None:  # the flow's own errors were told by _flow
                yield finding_of(error, file, name)
            continue
        # Learned quality is there for those who trained it; a rule may well ask whether it is.
        known = {*known_signals, "quality", *file.signals} if known_signals is not None else reads
        missing = sorted(reads - known)
        severity: Severity = "warning" if file.place(*path).file == file.file else "note"
        undefined = [each for each in missing if each not in SIGNALS]
        if undefined:
            guess = did_you_mean(undefined[0], file.signals)
            tail = f'did you mean "{guess}"?' if guess else "define it under `signals`."
            message = f'no signal is called "{undefined[0]}", so this is always unknown; {tail}'
            yield finding(file, "error", "signal-off", message, *_asked_at(rule.when, undefined[0], path))
        elif missing:
            yield finding(
                file,
                severity,
                "signal-off",
                f"no detector provides {', '.join(missing)}, so this is always unknown.",
                *path,
            )


def _asked_at(when: When, signal: str, path: Path) -> Path:
    """Where a condition on a signal of one's own stands."""
    if when.custom is not None and signal in when.custom:
        return (*path, "custom", signal)
    inner = [*((("all", at), each) for at, each in enumerate(when.all or ()))]
    inner += [(("any", at), each) for at, each in enumerate(when.any or ())]
    deeper = [_asked_at(each, signal, (*path, *key)) for key, each in inner]
    if when.not_ is not None:
        deeper.append(_asked_at(when.not_, signal, (*path, "not")))
    return max(deeper, key=len, default=path)


def _own_signals(file: PolicyFile) -> Iterator[Finding]:
    """Signals that no condition asks for."""
    asked = _asked(file)
    for name in file.signals:
        if name not in asked and file.place("signals", name).file == file.file:
            yield finding(file, "warning", "unused", f"no condition asks for the signal {name}.", "signals", name)


def _examples(file: PolicyFile) -> Iterator[Finding]:
    """Examples that give signals of one's own which nobody asks for, or values that these never have."""
    asked = _asked(file) | file.signals.keys()
    for index, example in enumerate(file.examples):
        for name, value in example.signals.custom.items():
            own, path = file.signals.get(name), ("examples", index, "signals", "custom", name)
            if name not in asked:
                guess = did_you_mean(name, file.signals)
                tail = f'; did you mean "{guess}"?' if guess else "."
                message = f'no condition asks for the signal "{name}" of this example{tail}'
                yield finding(file, "warning", "unknown-name", message, *path)
            elif own is not None and own.values and value not in own.values:
                listed = ", ".join(str(option).lower() for option in own.values)
                message = f'the signal {name} is never "{value}"; it is one of: {listed}.'
                yield finding(file, "warning", "example", message, *path)


def _asked(file: PolicyFile) -> frozenset[str]:
    """The signals that conditions read."""
    return frozenset[str]().union(
        *(compile_when(file, rule.when, ("rules", rule.id, "when")).reads for rule in file.rules),
        *(compile_when(file, step.when, ("flow", step.id, "when")).reads for step in file.flow),
    )


def _thresholds(file: PolicyFile) -> Iterator[Finding]:
    conditions = [*(rule.when for rule in file.rules), *(step.when for step in file.flow)]
    used = "\n".join(str(value) for when in conditions for value in _leaves(plain(when)))
    for name in file.thresholds:
        # An inherited threshold may have lost its rule on purpose.
        if name not in used and file.place("thresholds", name).file == file.file:
            yield finding(file, "warning", "unused", f'no condition uses the threshold "{name}".', "thresholds", name)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _proved(policy: PolicyFile | CompiledPolicy) -> Iterator[Finding]:
    try:
        yield from prove(policy if isinstance(policy, CompiledPolicy) else compile_policy(policy))
    except ConfigError as error:
        yield finding_of(error, policy.file if isinstance(policy, CompiledPolicy) else policy)
