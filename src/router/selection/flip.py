"""The flip line: the smallest change of one signal or limit that would have sent the request elsewhere.

Decisions are constant between the thresholds of conditions, the prices of candidates and the bounds of the local model,
so trying each of these points, and a hair beside it, finds the exact place where the target changes. Each try decides
again; that is some milliseconds a request, off the hot path.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from ..errors import NoCandidate
from ..policy.compile import CompiledPolicy
from ..policy.space import Space, make_space
from ..types import (
    TASKS,
    Budget,
    Decision,
    Flag,
    LocalEvidence,
    Request,
    Signal,
    SignalName,
    Snapshot,
    Target,
    TokenCount,
)
from ..units import format_ms, format_usd
from .candidates import Fleet
from .points import beside, least_usd, ratio
from .redecide import redecide

__all__ = ["Flip", "find_flips"]

Known = Mapping[SignalName, Signal[Any]]


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one thing that changes the target.

    ``what`` is a signal, a part of one, or a limit; ``now`` its value (None: unknown, or no limit), which would have to
    be ``op`` ``limit``. ``target`` is who would answer then (None: nobody, with ``fails`` as the error), ``rule`` who
    decides it. ``change`` orders changes of different things: shares by their difference, counts and limits by the
    logarithm of their ratio, words and truths as 1, a value for an unknown one as 2.
    """

    what: str
    now: Any
    op: str
    limit: Any
    target: Target | None
    change: float
    rule: str | None = None
    fails: str | None = None

    @property
    def text(self) -> str:
        """In words: ``goes local (mood) if the in-distribution score >= 0.71, now 0.64``."""
        model = self.what.removeprefix("left_usd.")
        name = _NAMES.get(self.what, self.what if model == self.what else f"what its windows leave {model}")
        now = "unknown" if self.now is None else _shown(self.what, self.now)
        if self.now is None and self.what.startswith("max_"):
            now = "no limit"
        by = f" ({self.rule})" if self.rule else ""
        op = "is" if self.op == "=" else self.op
        return f"{self._goes()} if {name} {op} {_shown(self.what, self.limit)}, now {now}{by}"

    def _goes(self) -> str:
        target = self.target
        if target is None:
            return f"fails ({self.fails})"
        if target.kind == "refuse":
            return "is refused"
        if target.kind == "local":
            return f"goes local ({target.model})"
        return f"goes to the {target.tier} tier ({target.model})"


_NAMES: Final = {
    "in_distribution": "the in-distribution score",
    "local.probability": "the local model's probability",
    "task_probability": "the task's probability",
    "safety": "the safety flags",
    "left_usd": "what the spending windows leave",
    "soft_limits": "the soft limit",
}


def find_flips(
    request: Request, decision: Decision, known: Known, policy: CompiledPolicy, fleet: Fleet
) -> tuple[Flip, ...]:
    """For each signal and limit the smallest change that changes the target, the smallest of all first; those that
    would leave nobody to answer stand last.

    ``known`` are the signals that ``decision`` was made from, all of them.
    """
    search = _Search(request, decision, known, policy, fleet)
    found = [flip for flip in search.each() if flip is not None]
    return tuple(sorted(found, key=lambda flip: (flip.target is None, flip.change, flip.what)))


class _Try(msgspec.Struct, frozen=True, kw_only=True):
    """A changed request, or another ``state``: ``op limit`` says for which values of ``what`` it stands."""

    op: str
    limit: Any
    change: float
    request: Request
    known: Known
    state: Snapshot | None = None


class _Search:
    def __init__(
        self, request: Request, decision: Decision, known: Known, policy: CompiledPolicy, fleet: Fleet
    ) -> None:
        self.request, self.decision, self.known = request, decision, known
        self.policy, self.fleet = policy, fleet
        self.space = make_space(policy.file)
        self.limits = _limits(self.space)

    def each(self) -> Iterator[Flip | None]:
        """The nearest flip of each thing that can change."""
        yield self._nearest("max_usd", self.request.hints.budget.max_usd, self._money())
        yield self._nearest("max_latency_ms", self.request.hints.budget.max_latency_ms, self._time())
        yield from self._windows()
        yield from self._evidence()
        task = self._signal("task")
        yield self._nearest("task_probability", task.confidence, self._task_probability(task))
        for name, value, tries in self._numbers():
            yield self._nearest(name, value, tries)
        for at, flag in enumerate(self._signal("safety").value or ()):
            yield self._nearest(f"safety.{flag.kind}", flag.score, self._score(at, flag))
        for variable in self.space.variables:
            if not variable.is_request and variable.name not in _NUMERIC and not self._is_own_number(variable.name):
                yield self._nearest(variable.name, self._value(variable.name), self._words(variable.name))

    def _nearest(self, what: str, now: Any, tries: Iterable[_Try]) -> Flip | None:
        for attempt in sorted(tries, key=lambda each: each.change):
            outcome = self._decide(attempt)
            if isinstance(outcome, Decision):
                if _place(outcome.target) == _place(self.decision.target):
                    continue
                decisive = next((fired.id for fired in outcome.verdict.rules if fired.decisive), "otherwise")
                return Flip(
                    what=what, now=now, op=attempt.op, limit=attempt.limit, target=outcome.target, rule=decisive,
                    change=attempt.change,
                )  # fmt: skip
            return Flip(
                what=what, now=now, op=attempt.op, limit=attempt.limit, target=None, change=attempt.change,
                fails=type(outcome).__name__,
            )  # fmt: skip
        return None

    def _decide(self, attempt: _Try) -> Decision | NoCandidate:
        snapshot = attempt.state or self.decision.snapshot
        if snapshot is None:
            raise TypeError("a decision without its snapshot cannot be made again")
        try:
            return redecide(attempt.request, attempt.known, self.policy, self.fleet, snapshot)
        except NoCandidate as error:
            return error

    # ----- limits ------------------------------------------------------------------------------------------------

    def _money(self) -> Iterator[_Try]:
        points = self._prices() | self.limits.get("budget.max_usd", set())
        yield from self._budget("max_usd", self.request.hints.budget.max_usd, points)

    def _prices(self) -> set[float]:
        """The smallest sums that pay for the expected answer of a deployment."""
        tokens = self._signal("tokens").value or TokenCount(input=1, output=256, output_max=4096)
        needed = {least_usd(each.price, tokens) for each in self.fleet.deployments.values()}
        return {usd for usd in needed if usd is not None}

    def _windows(self) -> Iterator[Flip | None]:
        """What hard spending windows leave, in all and for single deployments, and soft ones that are used up."""
        state = self.decision.snapshot
        if state is None:
            return
        if state.left_usd is not None:
            yield self._nearest("left_usd", state.left_usd, self._left(state, None))
        for model, left in state.model_left_usd.items():
            yield self._nearest(f"left_usd.{model}", left, self._left(state, model))
        if state.soft_limits:
            free = msgspec.structs.replace(state, soft_limits=())
            yield self._nearest(
                "soft_limits", ", ".join(state.soft_limits), [self._state("=", "not used up", 1.0, free)]
            )

    def _left(self, state: Snapshot, model: str | None) -> Iterator[_Try]:
        now = state.left_usd if model is None else state.model_left_usd[model]
        for op, limit, value in beside(self._prices(), now or 0.0):
            if model is None:
                changed = msgspec.structs.replace(state, left_usd=value)
            else:
                changed = msgspec.structs.replace(state, model_left_usd={**state.model_left_usd, model: value})
            yield self._state(op, limit, ratio(value, now), changed)

    def _state(self, op: str, limit: Any, change: float, state: Snapshot) -> _Try:
        return _Try(op=op, limit=limit, change=change, request=self.request, known=self.known, state=state)

    def _time(self) -> Iterator[_Try]:
        points = {each.estimate.latency_ms for each in self.decision.candidates if each.estimate.latency_ms is not None}
        limits = self.limits.get("budget.max_latency_ms", set())
        yield from self._budget("max_latency_ms", self.request.hints.budget.max_latency_ms, points | limits)

    def _budget(self, name: str, now: float | None, points: set[float]) -> Iterator[_Try]:
        for op, limit, value in beside(points, now if now is not None else math.inf):
            hints = self.request.hints
            budget: Budget = msgspec.structs.replace(hints.budget, **{name: value})
            request = msgspec.structs.replace(self.request, hints=msgspec.structs.replace(hints, budget=budget))
            # Setting a limit where there is none is a word more than changing one, and the wider the less it changes.
            base, more = (now, 0.0) if now is not None else (max(points), 1.0)
            yield _Try(op=op, limit=limit, change=more + ratio(value, base), request=request, known=self.known)

    # ----- signals -----------------------------------------------------------------------------------------------

    def _evidence(self) -> Iterator[Flip | None]:
        """What the local model said, against its own bounds; only where nothing else keeps it from answering."""
        signal = self._signal("local")
        evidence: LocalEvidence | None = signal.value
        if evidence is None or evidence.in_distribution is None or evidence.probability is None:
            return
        inside, sure = evidence.ood_threshold or 0.0, evidence.threshold or 0.0
        if evidence.reason is not None and evidence.in_distribution >= inside and evidence.probability >= sure:
            return  # something that is no number
        for what, now, bound in (
            ("in_distribution", evidence.in_distribution, inside),
            ("local.probability", evidence.probability, sure),
        ):
            points = {bound} | (self.limits.get(what, set()) if what == "local.probability" else set())
            yield self._nearest(what, now, self._changed_evidence(signal, what, now, points))

    def _changed_evidence(self, signal: Any, what: str, now: float, points: set[float]) -> Iterator[_Try]:
        field = "probability" if what == "local.probability" else what
        for op, limit, value in beside(points, now):
            was: LocalEvidence = signal.value
            evidence = msgspec.structs.replace(was, **{field: value})
            inside = (evidence.in_distribution or 0.0) >= (evidence.ood_threshold or 0.0)
            able = inside and (evidence.probability or 0.0) >= (evidence.threshold or 0.0)
            evidence = msgspec.structs.replace(evidence, reason=None if able else "as assumed")
            ood = msgspec.structs.replace(self._signal("ood"), value="in" if inside else "out")
            yield self._try(op, limit, abs(value - now), {"local": _with(signal, evidence), "ood": ood})

    def _task_probability(self, task: Signal[Any]) -> Iterator[_Try]:
        if task.value is None:
            return
        for op, limit, value in beside(self.limits.get("task_probability", set()), task.confidence, most=1.0):
            changed = msgspec.structs.replace(task, confidence=value)
            yield self._try(op, limit, abs(value - task.confidence), {"task": changed})

    def _numbers(self) -> Iterator[tuple[str, float, Iterator[_Try]]]:
        for name in ("annotated", "few_shot", "intents"):
            signal = self._signal(name)
            if signal.value is not None and name in self.limits:
                yield name, signal.value, self._counts(name, signal)
        for name in self.policy.file.signals:
            if self._is_own_number(name):
                own: Any = self._signal(name)
                yield name, own.value, self._own_numbers(name, own)
        signal = self._signal("tokens")
        for part in ("input", "output", "output_max"):
            if signal.value is not None and f"tokens.{part}" in self.limits:
                yield f"tokens.{part}", getattr(signal.value, part), self._tokens(part, signal)

    def _counts(self, name: str, signal: Any) -> Iterator[_Try]:
        for op, limit, value in beside(self.limits[name], signal.value, whole=True):
            yield self._try(op, limit, ratio(value, signal.value), {name: _with(signal, int(value))})

    def _is_own_number(self, name: str) -> bool:
        own = self.policy.file.signals.get(name)
        return own is not None and own.is_number and name in self.limits and self._signal(name).value is not None

    def _own_numbers(self, name: str, signal: Any) -> Iterator[_Try]:
        is_share = self.policy.file.signals[name].kind == "examples"
        for op, limit, value in beside(
            self.limits[name], signal.value, whole=not is_share, most=1.0 if is_share else None
        ):
            changed = value if is_share else int(value)
            change = abs(value - signal.value) if is_share else ratio(value, signal.value)
            yield self._try(op, limit, change, {name: _with(signal, changed)})

    def _tokens(self, part: str, signal: Any) -> Iterator[_Try]:
        now = getattr(signal.value, part)
        for op, limit, value in beside(self.limits[f"tokens.{part}"], now, whole=True):
            changed = msgspec.structs.replace(signal.value, **{part: int(value)})
            yield self._try(op, limit, ratio(value, now), {"tokens": _with(signal, changed)})

    def _score(self, at: int, flag: Flag) -> Iterator[_Try]:
        signal: Any = self._signal("safety")
        for op, limit, value in beside(self.limits.get("safety", set()), flag.score, most=1.0):
            changed = msgspec.structs.replace(flag, score=value)
            flags = (*signal.value[:at], changed, *signal.value[at + 1 :])
            yield self._try(op, limit, abs(value - flag.score), {"safety": _with(signal, flags)})

    def _words(self, name: str) -> Iterator[_Try]:
        """Every other value that the policy tells apart: another task, a yes for a no, clean for flagged."""
        signal = self._signal(name)
        values: list[Any] = []
        if name == "task":
            values = [task for task in TASKS if task != signal.value]
        elif name in ("local", "contract", "split"):
            return  # what these are made of cannot be assumed
        else:
            variable = self.space.variables[self.space.index(name) or 0]
            values = [region.facts[name] for region in variable.regions if region.facts[name] is not None]
        change = 2.0 if signal.value is None else 1.0
        for value in values:
            if value != signal.value:
                shown = _flags(value) if name == "safety" else value
                confidence = signal.confidence if signal.value is not None else 1.0
                changed = Signal(value=value, confidence=confidence, detector="assumed")
                yield self._try("=", shown, change + _extra(name, value), {name: changed})

    def _try(self, op: str, limit: Any, change: float, changed: Known) -> _Try:
        return _Try(op=op, limit=limit, change=change, request=self.request, known={**self.known, **changed})

    def _signal(self, name: str) -> Signal[Any]:
        return self.known.get(name) or Signal(value=None, confidence=0.0, detector="none")

    def _value(self, name: str) -> Any:
        value = self._signal(name).value
        return _flags(value) if name == "safety" and value is not None else value


# Facts that are changed as numbers, not as words.
_NUMERIC: Final = frozenset({"annotated", "few_shot", "intents", "tokens", "local"})


def _limits(space: Space) -> dict[str, set[float]]:
    """The numbers that conditions of the policy compare each fact with."""
    found: dict[str, set[float]] = {}
    for leaf in space.leaves:
        if leaf.limits:
            name = leaf.variable if leaf.key in ("safety", "custom") else leaf.key
            found.setdefault(name, set()).update(leaf.limits)
    return found


def _extra(name: str, value: Any) -> float:
    """Among the values of one signal the plainer ones come first: one flag before two."""
    return 0.01 * len(value) if name == "safety" else 0.0


def _flags(flags: Iterable[Flag]) -> str:
    return ", ".join(f"{flag.kind} {flag.score:.2g}" for flag in flags) or "clean"


def _with(signal: Signal[Any], value: Any) -> Signal[Any]:
    return msgspec.structs.replace(signal, value=value)


def _place(target: Target) -> tuple[str, str | None]:
    return target.kind, target.model


def _shown(what: str, value: Any) -> str:
    if what == "max_usd" or what.startswith("left_usd"):
        return format_usd(value)
    if what == "max_latency_ms":
        return format_ms(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
