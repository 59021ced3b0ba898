"""Which local models may answer now: each one's state, as an append-only file of transitions that all processes share.

A transition says when, from what to what, by whom and why, and on which evidence. It names the hash of the model's
files: a model that was trained anew begins its life anew.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, get_args

import msgspec

from ..catalogue import LocalCard
from ..errors import StateUnavailable, UnknownModel
from ..telemetry import LIFECYCLE_DOWN, MODEL_MOVED, log
from .lines import SharedLines

__all__ = ["STATES", "Evidence", "Lifecycle", "ModelState", "Transition", "files_hash"]

ModelState = Literal["shadow", "serving", "quarantined", "retired"]
STATES: tuple[ModelState, ...] = get_args(ModelState)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a transition rests on: ``n`` compared answers, the share of them that agreed, and ``bound``, which the true
    share passes with the confidence asked for (from below for a promotion, from above for a quarantine).

    ``promised`` is the share that is asked for; ``drift`` the evidence that inputs have drifted, as the factor by which
    a bet on it has grown (None: was not looked at).
    """

    n: int = 0
    agreement: float | None = None
    bound: float | None = None
    promised: float | None = None
    drift: float | None = None


class Transition(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"was": "from", "becomes": "to"}
):
    """One line of the file. ``at_s`` is Unix time, ``files`` the hash of the model's files."""

    at_s: float
    model: str
    files: str
    was: ModelState
    becomes: ModelState
    by: Literal["auto", "user"]
    why: str = ""
    evidence: Evidence | None = None


_decode = msgspec.json.Decoder(Transition).decode


class Lifecycle:
    """The states of the models with these ``cards``.

    A model that is bound to a prompt template begins in shadow, others begin serving. The file at ``path`` need not be
    there. What other processes write is seen within ``every_s`` seconds, and logged. Safe for several threads.

    Raises:
        StateUnavailable: the file is there and cannot be read.
    """

    def __init__(
        self,
        path: Path,
        cards: Iterable[LocalCard],
        *,
        every_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._files = {card.name: files_hash(card) for card in cards}
        self._begin: dict[str, ModelState] = {card.name: "shadow" if card.template else "serving" for card in cards}
        self._lines = SharedLines(path)
        self._every_s, self._clock, self._now = every_s, clock, now
        self._lock = threading.Lock()
        self._history: list[Transition] = []
        self._states = dict(self._begin)
        self._away: Mapping[str, str] = self._not_serving()
        self._look_at_s = 0.0
        self._is_down = False
        self._take(self._read_new())

    def away(self) -> Mapping[str, str]:
        """The models that do not answer, and their state. Looks at the file at most once in ``every_s``."""
        if self._clock() >= self._look_at_s:
            self._look()
        return self._away

    def state(self, model: str) -> ModelState:
        """The state of a model.

        Raises:
            UnknownModel: none of that name is registered.
        """
        self.away()
        if model not in self._states:
            raise UnknownModel(
                f"no local model {model!r} is registered here.", hint=f"There are: {', '.join(sorted(self._states))}."
            )
        return self._states[model]

    def states(self) -> dict[str, ModelState]:
        """All states by name."""
        self.away()
        return dict(self._states)

    def files(self, model: str) -> str:
        """The hash of a model's files."""
        return self._files[model]

    def history(self, model: str | None = None) -> list[Transition]:
        """The transitions so far, oldest first; also of models that are not registered any more."""
        self.away()
        with self._lock:
            return [each for each in self._history if model in (None, each.model)]

    def rounds(self, model: str) -> list[ModelState]:
        """The states that the model, as its files are now, has been in, the present one last."""
        found = [each.becomes for each in self.history(model) if each.files == self._files[model]]
        return [self._begin[model], *found]

    def move(
        self,
        model: str,
        becomes: ModelState,
        *,
        by: Literal["auto", "user"],
        why: str = "",
        evidence: Evidence | None = None,
        only_from: ModelState | None = None,
    ) -> Transition | None:
        """Write down that a model changes its state; None when it is in that state already, or not in ``only_from``.

        Raises:
            UnknownModel: none of that name is registered.
            StateUnavailable: the file cannot be written.
        """
        self.state(model)
        with self._lines.locked():
            self._refresh()
            was = self._states[model]
            if was == becomes or only_from not in (None, was):
                return None
            made = Transition(
                at_s=self._now(), model=model, files=self._files[model], was=was, becomes=becomes, by=by, why=why,
                evidence=evidence,
            )  # fmt: skip
            self._lines.append([msgspec.json.encode(made)], sync=True)
        self._refresh()
        return made

    def _look(self) -> None:
        self._look_at_s = self._clock() + self._every_s
        if self._lines.has_grown():
            self._refresh()

    def _refresh(self) -> None:
        with self._lock:
            try:
                found = self._read_new()
                self._is_down = False
            except StateUnavailable as error:
                # What is known stays so: a model that answers is watched, and one that does not does no harm.
                if not self._is_down:
                    log.error("%s: %s", LIFECYCLE_DOWN, error)
                self._is_down = True
                return
            self._take(found)
        self._tell(found)

    def _read_new(self) -> list[Transition]:
        return [each for line in self._lines.read() if (each := _read(line)) is not None]

    def _take(self, found: list[Transition]) -> None:
        self._history += found
        for each in found:
            if self._files.get(each.model) == each.files:
                self._states[each.model] = each.becomes
        self._away = self._not_serving()

    def _tell(self, found: list[Transition]) -> None:
        for each in found:
            loud = log.warning if each.becomes in ("quarantined", "retired") else log.info
            loud("%s: %s, %s -> %s (%s): %s", MODEL_MOVED, each.model, each.was, each.becomes, each.by, each.why or "-")

    def _not_serving(self) -> dict[str, str]:
        return {name: state for name, state in self._states.items() if state != "serving"}


def files_hash(card: LocalCard) -> str:
    """Names the model's files and thresholds: 16 hex digits that change whenever it may answer otherwise."""
    facts = [sorted(card.files.items()), card.threshold, sorted(card.language_thresholds.items()), card.ood_threshold]
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:16]


def _read(line: bytes) -> Transition | None:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.error("%s: a line cannot be read (%s)", LIFECYCLE_DOWN, error)
        return None
