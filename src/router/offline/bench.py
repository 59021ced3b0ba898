"""Policies decided without a server: each with its own models and signals beside those of a config. Nothing is called,
no store is opened, and which keys are set does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..assemble import assemble
from ..config import Environment, LedgerSettings, Settings, StateSettings, load_settings, read_environment
from ..deciding import note_failure
from ..engine import Engine
from ..fleet import fleet_of
from ..plugins import own_detectors
from ..policy.compile import CompiledPolicy, compile_policy
from ..policy.judge import judge
from ..selection.candidates import Fleet, candidates
from ..selection.choose import choose
from ..shelf import PolicyFiles
from ..types import Candidate, Decision, Detector, Need, PolicyRef, Request, Signals, Snapshot

__all__ = ["Able", "Bench", "OpenBench", "Party", "compiled_policy"]

Able = dict[Any, tuple[Candidate, ...]]


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with all that it decides with."""

    policy: CompiledPolicy
    fleet: Fleet
    detectors: Mapping[str, Detector]

    def observe(self, request: Request) -> Signals:
        """The request's signals, none computed yet."""
        return Signals(request, self.detectors, on_error=note_failure)

    def decide(self, signals: Signals, snapshot: Snapshot | None = None, *, able: Able | None = None) -> Decision:
        """What the policy decides of the request of ``signals``, in the state of ``snapshot`` (a fresh one when left
        out). ``able`` keeps candidates for another policy's turn at the same request.

        Raises:
            NoCandidate, BudgetExceeded, DeadlineInfeasible: nobody could answer.
        """
        policy, fleet, request = self.policy, self.fleet, signals.request
        state = snapshot or Snapshot(id="0", now_s=0.0, models=fleet.hash)
        if signals.late("task"):
            signals.fetch(("task",))
        verdict = judge(policy, signals, request)
        while isinstance(verdict, Need):
            signals.fetch(verdict.signals)
            verdict = judge(policy, signals, request)
        signals.fetch(("task", "tokens", "local"))
        # Who is able hangs on what binds, not on what is recommended.
        bound = (fleet.hash, verdict.forbid, verdict.require, verdict.budget, verdict.max_error)
        kept = {} if able is None else able
        if bound not in kept:
            kept[bound] = candidates(request, signals, verdict, fleet, state)
        ref = PolicyRef(name=policy.name, hash=policy.hash)
        return choose(request, signals, verdict, kept[bound], fleet, ref, state)

    def differs(self, other: Party) -> frozenset[str]:
        """Own signals that ``other`` has not, or defines in another way."""
        mine, theirs = self.policy.file.signals, other.policy.file.signals
        return frozenset(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What policies are tried with: an engine under a built-in policy, and the settings that it was made of."""

    engine: Engine
    settings: Settings

    def party(self, policy: CompiledPolicy) -> Party:
        """``policy`` with its own signals, and its models beside those of the settings."""
        own = {name: detector for detector in own_detectors(policy) for name in detector.provides}
        upstream = Environment(upstream=read_environment().upstream)
        cards = tuple(self.engine.fleet.local.values())
        fleet = msgspec.structs.replace(fleet_of(self.settings, upstream, cards, policy.file.models), is_plan=True)
        return Party(policy=policy, fleet=fleet, detectors={**self.engine.detectors, **own})


class OpenBench(msgspec.Struct, frozen=True):
    """A way to make a bench that can be sent to another process: the settings' file, None for the built-in ones."""

    config: str | None

    def __call__(self) -> Bench:
        settings = load_settings(Path(self.config)) if self.config is not None else Settings()
        # No store is opened: what is decided here is written nowhere.
        alone = msgspec.structs.replace(
            settings, policy="guide", ledger=LedgerSettings(), state=StateSettings(), cache=None, budgets=[]
        )
        return Bench(engine=assemble(alone, Environment()), settings=settings)


def compiled_policy(name: str, directory: Path = Path()) -> CompiledPolicy:
    """A policy by name or file; a file is looked for in ``directory``.

    Raises:
        ConfigError: it is missing or wrong.
    """
    return compile_policy(PolicyFiles(name, directory).first)
