"""Does a local model keep its promise in service? Decides promotion, quarantine and return, from samples of agreement
and from its inputs, by tests that may be looked at at any time.

The allowed error probability is shared out beforehand: half of it to each of the two tests on a serving model, and in
each over the rounds of the model's life as 1/2, 1/6, 1/12 ..., so that it holds for the whole life.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ..catalogue import LocalCard
from ..telemetry import MODEL_READY, log
from .agreement import AgreementLog, Checkpoint, Compared, Inputs, Round
from .betting import BINS, DriftBet, LateBets
from .lifecycle import Evidence, Lifecycle, ModelState, Transition

__all__ = ["Standing", "Watch", "promised_error"]

# So many scores of the time in quarantine tell better than the calibration rows what inputs are like now.
_ENOUGH_SEEN = 50
_AWAY = ("shadow", "quarantined")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model in its present round. ``is_kept``: the promise is shown to be kept; ``is_broken``: it is
    shown to be broken, or the inputs have drifted. ``coverage`` is the share of compared requests that it would answer.
    """

    state: ModelState
    evidence: Evidence
    coverage: float | None = None
    unread: int = 0
    is_kept: bool = False
    is_broken: bool = False
    why: str = ""


class Watch:
    """Watches the models with these ``cards``; moves those that are bound to a prompt template.

    ``alpha`` is the probability, over a model's whole life, that it is ever promoted although its promise does not
    hold, and as much that it is ever sent to quarantine although it does. ``max_error`` is the share of disagreement
    that is allowed in service, the card's promise by default. ``promotes``: it moves models to serving itself, else it
    says that one is ready. A model that would go to quarantine for the ``quarantines + 1``-th time is retired.
    ``max_bytes``: the file of samples begins anew when it is larger. Not for several threads at once.
    """

    def __init__(
        self,
        path: Path,
        lifecycle: Lifecycle,
        cards: Iterable[LocalCard],
        *,
        alpha: float = 0.05,
        max_error: float | None = None,
        promotes: Literal["auto", "manual"] = "auto",
        quarantines: int = 3,
        max_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._log, self._lifecycle = AgreementLog(path, max_bytes=max_bytes), lifecycle
        self._cards: Mapping[str, LocalCard] = {card.name: card for card in cards}
        self._max_error = max_error
        self._alpha, self._promotes, self._quarantines = alpha, promotes, quarantines
        self._rounds: dict[str, Round] = {}
        self._said_ready: set[tuple[str, int]] = set()

    def record(self, samples: Sequence[Compared | Inputs]) -> list[Transition]:
        """Write samples down and do what they, and those of other processes, ask for; the transitions made.

        Raises:
            StateUnavailable: a file cannot be written.
        """
        self._log.write(samples)
        touched = self.follow()
        if self._log.is_full:
            self._log.begin_anew(self._rounds)
        return [made for name in touched if (made := self._judge(name)) is not None]

    def follow(self) -> set[str]:
        """Take what is new in the file; the models that it is about.

        Raises:
            StateUnavailable: the file cannot be read.
        """
        touched: set[str] = set()
        for sample in self._log.read():
            if isinstance(sample, Checkpoint):
                self._rounds = dict(sample.rounds)
                continue
            card = self._cards.get(sample.model)
            if card is None or sample.files != self._lifecycle.files(card.name):
                continue
            current = self._rounds.get(card.name)
            if current is None or current.files != sample.files or current.number < sample.round:
                current = self._rounds[card.name] = self._begin(card, sample, current)
            if current.number == sample.round:
                current.take(sample, self._allowed(card) or 0.5)
                touched.add(card.name)
        return touched

    def standing(self, model: str, *, is_asked: bool = True) -> Standing:
        """How a model does in its present round. Unless ``is_asked``, bounds are told only where they decide.

        Raises:
            UnknownModel: none of that name is registered.
        """
        state = self._lifecycle.state(model)
        rounds = self._lifecycle.rounds(model)
        found = self._rounds.get(model)
        max_error = self._allowed(self._cards[model])
        if found is None or found.number != len(rounds) - 1 or found.files != self._lifecycle.files(model):
            return Standing(state=state, evidence=Evidence(), why="nothing was compared since it is so")
        if max_error is None:
            return Standing(state=state, evidence=Evidence(n=found.bets.n), why="its card promises nothing")
        alpha = self._alpha * _share(sum((each in _AWAY) == (state in _AWAY) for each in rounds) - 1)
        tell = _of_shadow if state in _AWAY else _of_serving
        return tell(state, found, max_error, alpha, is_asked=is_asked)

    def _allowed(self, card: LocalCard) -> float | None:
        promised = promised_error(card)
        return promised if promised is None or self._max_error is None else self._max_error

    def _begin(self, card: LocalCard, sample: Compared | Inputs, before: Round | None) -> Round:
        reference = [*card.calibration.get("in_distribution", ())]
        rounds = self._lifecycle.rounds(card.name)
        came_back = 0 < sample.round < len(rounds) and rounds[sample.round - 1] == "quarantined"
        if came_back and before is not None and before.number == sample.round - 1 and sum(before.seen) >= _ENOUGH_SEEN:
            reference = before.seen
        drift = DriftBet(counts=list(reference)) if len(reference) == BINS else DriftBet()
        is_shadow = isinstance(sample, Compared) and sample.source == "shadow"
        is_away = rounds[sample.round] in _AWAY if sample.round < len(rounds) else is_shadow
        return Round(files=sample.files, number=sample.round, bets=LateBets(rises=not is_away), drift=drift)

    def _judge(self, model: str) -> Transition | None:
        card = self._cards[model]
        if not card.template:
            return None
        standing = self.standing(model, is_asked=False)
        if standing.is_kept:
            number = len(self._lifecycle.rounds(model))
            if self._promotes == "auto":
                return self._move(model, "serving", standing)
            if (model, number) not in self._said_ready:
                self._said_ready.add((model, number))
                log.info("%s: %s (%s)", MODEL_READY, model, standing.why)
        elif standing.is_broken:
            before = self._lifecycle.rounds(model).count("quarantined")
            return self._move(model, "quarantined" if before < self._quarantines else "retired", standing)
        return None

    def _move(self, model: str, becomes: ModelState, standing: Standing) -> Transition | None:
        why = (
            standing.why if becomes != "retired" else f"{standing.why}; it was in quarantine {self._quarantines} times"
        )
        return self._lifecycle.move(
            model, becomes, by="auto", why=why, evidence=standing.evidence, only_from=standing.state
        )


def promised_error(card: LocalCard) -> float | None:
    """The share of disagreement that the card allows, None when it promises nothing."""
    found = card.promise.get("max_error")
    return float(found) if isinstance(found, int | float) and 0.0 < found < 1.0 else None


def _of_shadow(state: ModelState, found: Round, max_error: float, alpha: float, *, is_asked: bool) -> Standing:
    is_kept = found.bets.wealth(max_error) >= -math.log(alpha)
    evidence = _evidence(found, max_error, alpha if is_kept or is_asked else None)
    return Standing(
        state=state,
        evidence=evidence,
        coverage=_short(found.would / found.compared) if found.compared else None,
        unread=found.unread,
        is_kept=is_kept,
        why=_said(evidence)
        + (f"; at least {evidence.bound or 0.0:.1%} do at confidence {1.0 - alpha:.1%}" if evidence.n else ""),
    )


def _of_serving(state: ModelState, found: Round, max_error: float, alpha: float, *, is_asked: bool) -> Standing:
    # Two tests, each with half of the allowed error probability.
    goal, drift = -math.log(alpha / 2.0), found.drift.wealth()
    is_worse, is_drift = found.bets.wealth(max_error) >= goal, drift >= goal
    grown = float(f"{math.exp(min(drift, 600.0)):.3g}")
    evidence = _evidence(found, max_error, alpha / 2.0 if is_worse or is_asked else None)
    evidence = msgspec.structs.replace(evidence, drift=grown)
    why = _said(evidence)
    if is_worse:
        why = f"it disagrees with the hosted model too often: {why}"
    elif is_drift:
        why = f"its inputs are unlike those it was calibrated on: a bet on that has grown {grown:.3g} times"
    return Standing(state=state, evidence=evidence, unread=found.unread, is_broken=is_worse or is_drift, why=why)


def _evidence(found: Round, max_error: float, alpha: float | None) -> Evidence:
    """The bound takes some milliseconds, so it is only told where ``alpha`` is given."""
    tally = found.bets.richest(max_error)
    return Evidence(
        n=tally.n,
        agreement=_short(tally.agreement),
        bound=None if alpha is None else _short(found.bets.bound(alpha)),
        promised=_short(1.0 - max_error),
    )


def _said(evidence: Evidence) -> str:
    if not evidence.n:
        return f"no answer was compared since it is so, {evidence.promised:.1%} is asked for"
    return f"{evidence.agreement:.1%} of {evidence.n:,} compared answers agree, {evidence.promised:.1%} is asked for"


def _share(before: int) -> float:
    return 1.0 / ((before + 1) * (before + 2))


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
