"""The decision flow: questions in order, asked of a request's signals; the way it takes ends at a target.

The flow stands in the policy file and nowhere else; ``draw.py`` draws it from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from ..document import did_you_mean
from ..types import Fired, Signals, Tier
from .code import walks
from .conditions import Values
from .logic import Condition
from .read import PolicyFile
from .schema import FlowStep
from .when import compile_when

__all__ = ["Answer", "CompiledFlow", "CompiledStep", "FlowEnd", "Step", "compile_flow", "walk"]

Answer = Literal["yes", "no", "unknown"]
Prefer = Literal["local", "llm", "tie"]


class FlowEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A target of the flow, as one step's answer reaches it; ``prefer`` None is "undecided". ``name``: of both."""

    name: str
    label: str
    prefer: Prefer | None
    tier: Tier | None
    fired: Fired
    decisive: Fired


class CompiledStep(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the flow; an answer leads to another step (its index) or to an end."""

    step: FlowStep
    condition: Condition
    yes: int | FlowEnd
    no: int | FlowEnd
    unknown: int | FlowEnd


class CompiledFlow(msgspec.Struct, frozen=True, kw_only=True):
    """The decision flow; it starts at the first step. ``walks`` says where a request's way ends."""

    steps: tuple[CompiledStep, ...]
    walks: Callable[[Values], FlowEnd]

    def end(self, values: Values) -> FlowEnd:
        """Where the request's way ends."""
        try:
            return self.walks(values)
        except TypeError:  # as where rules are judged: the check that reads such a value says that it is unknown
            return self.asked(values)[1]

    def asked(self, values: Values) -> tuple[list[tuple[CompiledStep, bool | None]], FlowEnd]:
        """The steps on the request's way, each with its answer, and where it ends, asked one by one."""
        taken: list[tuple[CompiledStep, bool | None]] = []
        at: int | FlowEnd = 0
        while isinstance(at, int):
            step = self.steps[at]
            holds = step.condition.check(values)
            taken.append((step, holds))
            at = step.unknown if holds is None else step.yes if holds else step.no
        return taken, at


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step that a request took: the question and the answer that its signals gave."""

    id: str
    question: str
    answer: Answer


def walk(flow: CompiledFlow, signals: Signals) -> tuple[tuple[Step, ...], str]:
    """The steps that the request takes and the target at their end (``local``, ``llm/large``, ``undecided`` ...)."""
    asked, end = flow.asked(Values(signals, signals.request))
    taken = [
        Step(id=each.step.id, question=each.step.ask, answer="unknown" if holds is None else "yes" if holds else "no")
        for each, holds in asked
    ]
    return tuple(taken), end.label


def compile_flow(file: PolicyFile) -> CompiledFlow | None:
    """The policy's flow, None when it has none.

    Raises:
        ConfigError: a step leads nowhere, or the flow in a circle.
    """
    if not file.flow:
        return None
    index = {step.id: position for position, step in enumerate(file.flow)}
    steps = []
    for step in file.flow:
        ends: dict[str, int | FlowEnd] = {}
        for answer in ("yes", "no", "unknown"):
            goes_to = getattr(step, answer) or step.no
            ends[answer] = index[goes_to] if goes_to in index else _end(file, step, answer, goes_to)
        condition = compile_when(file, step.when, ("flow", step.id, "when"))
        steps.append(CompiledStep(step=step, condition=condition, **ends))
    _check_flow_ends(file, steps)
    ways = walks([(step.condition.code, (step.yes, step.no, step.unknown)) for step in steps])
    return CompiledFlow(steps=tuple(steps), walks=ways)


_TARGETS: Final[Mapping[str, tuple[Prefer | None, Tier | None]]] = {
    "local": ("local", None),
    "llm": ("llm", None),
    "llm/small": ("llm", "small"),
    "llm/large": ("llm", "large"),
    "tie": ("tie", None),
    "undecided": (None, None),
}


def _end(file: PolicyFile, step: FlowStep, answer: str, goes_to: str) -> FlowEnd:
    if goes_to not in _TARGETS:
        options = [*_TARGETS, *(other.id for other in file.flow)]
        close = did_you_mean(goes_to, options)
        raise file.error(
            f'"{goes_to}" is neither a step of the flow nor a target'
            + (f'; did you mean "{close}"?' if close else f"; targets are: {', '.join(_TARGETS)}."),
            *("flow", step.id, answer),
        )
    prefer, tier = _TARGETS[goes_to]
    fired = Fired(
        id=step.id,
        outcome=f"{prefer} ({tier})" if tier else prefer or "undecided",
        strength="strong",
        why=f"{step.ask} {answer}",
        source="decision flow",
    )
    decisive = msgspec.structs.replace(fired, decisive=True)
    return FlowEnd(name=f"{step.id} {answer}", label=goes_to, prefer=prefer, tier=tier, fired=fired, decisive=decisive)


def _check_flow_ends(file: PolicyFile, steps: list[CompiledStep]) -> None:
    done: set[int] = set()

    def visit(index: int, way: tuple[int, ...]) -> None:
        if index in way:
            names = " -> ".join(steps[at].step.id for at in (*way[way.index(index) :], index))
            raise file.error(f"the flow leads in a circle: {names}.", "flow", steps[index].step.id)
        if index in done:
            return
        for goes_to in (steps[index].yes, steps[index].no, steps[index].unknown):
            if isinstance(goes_to, int):
                visit(goes_to, (*way, index))
        done.add(index)

    for index in range(len(steps)):
        visit(index, ())
