"""Tests that may be looked at after every sample: who bets against a claim and grows rich has refuted it.

The wealth of a bettor who starts with 1 and cannot win on average while the claim is true passes ``1 / alpha`` at any
time with probability ``alpha`` at most (Ville, 1939). So evidence may be looked at whenever a sample comes, and a
decision made at the first look that shows enough. The bets on means of bounded losses are those of Waudby-Smith and
Ramdas (2024, "Estimating means of bounded random variables by betting", JRSS B 86(1), arXiv:2010.09686), the bet on
drift is a conformal test martingale (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2022, chapter
8; Vovk, Petej, Nouretdinov, Ahlberg, Carlsson, Gammerman, "Retrain or not retrain", 2021, arXiv:2102.10439). Fixed
fractions are mixed rather than tuned, so that no order of the samples matters within a bet. A change may come at any
time: capital is kept back for bets that begin later (as in Shin, Ramdas, Rinaldo, 2024, "E-detectors",
arXiv:2203.03532, but with shares that sum to 1, so that the level holds for ever and not per time).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["BINS", "DriftBet", "LateBets", "Tally", "bin_of", "histogram"]

# Fractions of the largest stake that cannot ruin the bettor.
_STAKES = (0.97, 0.5, 0.2, 0.08, 0.03)
_BLOCK = 25
_MOST_BETS = 48
BINS = 64
_EDGE = 8.0
# Powers of the bets on small p-values.
_POWERS = (0.1, 0.25, 0.45, 0.7)
# Inputs may become so much less usual before it counts as drift: p-values are raised to 1 / (1 + this), which allows
# 2.7 times as many beyond the reference's 5 % tail. Any difference at all would be found in enough traffic.
_TOLERATED = 0.5


class Tally(msgspec.Struct):
    """Compared answers by weight and loss: ``counts`` holds ``(weight, loss, count)``, weights in 0..1, losses 0 or 1.

    A weight is the least probability with which any answer was drawn over the one with which this was: so all answers
    count alike, however often they were looked at (inverse propensities, scaled so that bets stay bounded).
    """

    counts: list[tuple[float, int, int]] = []

    def add(self, weight: float, loss: int) -> None:
        """Take one more."""
        for at, (other, kind, count) in enumerate(self.counts):
            if other == weight and kind == loss:
                self.counts[at] = (other, kind, count + 1)
                return
        self.counts.append((weight, loss, 1))

    @property
    def n(self) -> int:
        """How many answers were compared."""
        return sum(count for _, _, count in self.counts)

    @property
    def agreement(self) -> float | None:
        """The weighted share without loss, None for none."""
        whole = sum(weight * count for weight, _, count in self.counts)
        return None if whole == 0.0 else sum(w * count for w, loss, count in self.counts if not loss) / whole

    def wealth_below(self, mean: float) -> float:
        """Log-wealth of the bets that the mean loss is below ``mean``: evidence against its being at least that."""
        return self._wealth([-stake / (1.0 - mean) for stake in _STAKES], mean)

    def wealth_above(self, mean: float) -> float:
        """Log-wealth of the bets that the mean loss is above ``mean``: evidence against its being at most that."""
        return self._wealth([stake / mean for stake in _STAKES], mean)

    def _wealth(self, bets: Sequence[float], mean: float) -> float:
        return log_mean(
            [sum(count * math.log1p(bet * w * (loss - mean)) for w, loss, count in self.counts) for bet in bets]
        )


class LateBets(msgspec.Struct):
    """Bets that the mean loss is above a promise (``rises``) or below it, from a time on that nobody knows: a new one
    begins every 25 answers, with its share of the capital. ``begun`` holds the number of each bet and its tally."""

    rises: bool
    begun: list[tuple[int, Tally]] = []
    n: int = 0

    def add(self, weight: float, loss: int, mean: float) -> None:
        """Take one more; ``mean`` is the promise."""
        if self.n % _BLOCK == 0:
            self.begun.append((self.n // _BLOCK, Tally()))
            if len(self.begun) > _MOST_BETS:
                # Who gives capital away has no more than before: the level holds.
                self.begun.remove(min(self.begun[:-1], key=lambda bet: self._wealth(bet, mean)))
        self.n += 1
        for _, tally in self.begun:
            tally.add(weight, loss)

    def wealth(self, mean: float) -> float:
        """Log-wealth of all bets and what is kept back."""
        held_back = -math.log(1.0 + -(-self.n // _BLOCK))
        return log_sum([held_back, *(self._wealth(bet, mean) for bet in self.begun)])

    def richest(self, mean: float) -> Tally:
        """The tally of the bet that has grown most."""
        if not self.begun:
            return Tally()
        return max(self.begun, key=lambda bet: self._wealth(bet, mean))[1]

    def bound(self, alpha: float) -> float:
        """What the agreement is at most (where losses rise) or at least, as long as it is what it was when the bet that
        tells most began; wrong at any time with probability ``alpha`` at most."""
        goal, low, high = -math.log(alpha), 1e-6, 1.0 - 1e-6
        if self.wealth(low if self.rises else high) < goal:
            return 1.0 if self.rises else 0.0
        for _ in range(24):
            middle = (low + high) / 2.0
            if (self.wealth(middle) >= goal) == self.rises:
                low = middle
            else:
                high = middle
        return 1.0 - (low if self.rises else high)

    def _wealth(self, bet: tuple[int, Tally], mean: float) -> float:
        number, tally = bet
        return _log_share(number) + (tally.wealth_above(mean) if self.rises else tally.wealth_below(mean))


class DriftBet(msgspec.Struct):
    """A bet that inputs have become less like what the model knows, by their in-distribution scores.

    ``counts``: the scores until now by bin (:func:`bin_of`), those of calibration first. Each new score's smoothed
    conformal p-value is its randomised rank among them; ``sums`` are, for each late bet, its number, how many p-values
    it has seen and the sum of their logarithms.
    """

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    sums: list[tuple[int, int, float]] = []
    n: int = 0

    def add(self, at: int, draw: float) -> None:
        """Take a score that is in bin ``at``; ``draw`` is uniform in 0..1 and independent of everything."""
        below = sum(self.counts[:at])
        p = (below + draw * (self.counts[at] + 1)) / (below + sum(self.counts[at:]) + 1)
        self.counts[at] += 1
        log_p = math.log(max(p, 1e-12)) / (1.0 + _TOLERATED)
        if self.n % _BLOCK == 0:
            self.sums.append((self.n // _BLOCK, 0, 0.0))
            if len(self.sums) > _MOST_BETS:
                self.sums.remove(min(self.sums[:-1], key=_log_bet))
        self.n += 1
        self.sums = [(number, seen + 1, total + log_p) for number, seen, total in self.sums]

    def wealth(self) -> float:
        """Log-wealth of all bets and what is kept back."""
        return log_sum([-math.log(1.0 + -(-self.n // _BLOCK)), *map(_log_bet, self.sums)])


def bin_of(score: float) -> int:
    """The bin of an in-distribution score in 0..1: 64 of equal width in its log-odds, fixed for good."""
    odds = math.log(max(score, 1e-9) / max(1.0 - score, 1e-9))
    return min(BINS - 1, max(0, int((odds + _EDGE) / (2.0 * _EDGE) * BINS)))


def histogram(scores: Iterable[float]) -> list[int]:
    """How many scores are in each bin."""
    found = [0] * BINS
    for score in scores:
        found[bin_of(score)] += 1
    return found


def log_mean(values: Sequence[float]) -> float:
    """Logarithm of the mean of exponentials."""
    return log_sum(values) - math.log(len(values))


def log_sum(values: Sequence[float]) -> float:
    """Logarithm of the sum of exponentials."""
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))


def _log_share(number: int) -> float:
    # 1/2 + 1/6 + 1/12 + ... = 1; what bets that have not begun will get is kept back.
    return -math.log((number + 1) * (number + 2))


def _log_bet(bet: tuple[int, int, float]) -> float:
    number, seen, total = bet
    return _log_share(number) + log_mean([seen * math.log(power) + (power - 1.0) * total for power in _POWERS])
