"""Rules that would have fired but for one of their conditions: which one, and what was there instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..document import Path
from ..spec import written
from ..types import Signals
from .compile import CompiledPolicy
from .conditions import FACTS, Values
from .describe import describe_when
from .read import PolicyFile
from .schema import When, one_condition
from .when import compile_when

__all__ = ["NearMiss", "near_misses"]


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, what it asks for, the one condition that did not hold, and the value that was there (None: unknown)."""

    id: str
    outcome: str
    missing: str
    now: Any = None

    @property
    def text(self) -> str:
        """In words: ``NLU-00 (local) but for annotated: >=1000 (now 400)``."""
        now = "unknown" if self.now is None else str(self.now).lower() if isinstance(self.now, bool) else str(self.now)
        return f"{self.id} ({self.outcome}) but for {self.missing} (now {now})"


def near_misses(policy: CompiledPolicy, signals: Signals, fired: frozenset[str]) -> tuple[NearMiss, ...]:
    """Rules of several conditions of which all but one hold, in the order of precedence."""
    values = Values(signals, signals.request)
    found = []
    for rule in policy.rules:
        if rule.id in fired:
            continue
        parts = list(_parts(rule.rule.when, ("rules", rule.id, "when")))
        failed = [part for part in parts if not _holds(policy.file, part, values)]
        if len(parts) > 1 and len(failed) == 1:
            key, when, _ = failed[0]
            outcome = rule.fired.outcome
            found.append(NearMiss(id=rule.id, outcome=outcome, missing=describe_when(when), now=_now(key, values)))
    return tuple(found)


def _parts(when: When, path: Path) -> Iterator[tuple[str, When, Path]]:
    """The conditions that must all hold, each as a ``when`` of its own; nested ``all`` flattened."""
    for key, value in written(when):
        if key == "all":
            for index, inner in enumerate(value):
                yield from _parts(inner, (*path, "all", index))
        else:
            yield key, one_condition(key, value), path


def _holds(file: PolicyFile, part: tuple[str, When, Path], values: Values) -> bool:
    _, when, path = part
    return compile_when(file, when, path).check(values) is True


def _now(key: str, values: Values) -> Any:
    """What stands where the condition looked; for conditions on several things, nothing but that they do not hold."""
    if key == "safety":
        flags = values["safety"]
        return None if flags is None else ", ".join(f"{flag.kind} {flag.score:.2g}" for flag in flags) or "clean"
    if key in FACTS or key in ("task", "annotated", "few_shot", "ood", "intents", "stakes", "language", "resource"):
        value = values[key]
        return sorted(value) if isinstance(value, frozenset) else value
    return values[key] if isinstance(values.get(key), bool) else "not so"
