"""What the watch over local models rests on: compared answers and seen inputs, as a file that all processes share.

No text of a prompt stands in it. When the file is full it begins anew with a checkpoint: what the watch had made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ..draws import DRAWS, draw_number
from ..telemetry import LIFECYCLE_DOWN, log
from .betting import BINS, DriftBet, LateBets, bin_of
from .lines import SharedLines

__all__ = ["AgreementLog", "Compared", "Inputs", "Round"]


class Compared(msgspec.Struct, frozen=True, kw_only=True, tag="compared", tag_field="kind"):
    """A local model's answer beside a hosted one to the same request.

    ``files`` is the hash of the model's files, ``round`` how often it had changed its state. ``propensity`` is the
    probability with which this request was drawn; ``would``: the model would have answered it. ``agrees`` is None where
    the hosted answer gives no label. ``said`` and ``hosted`` are labels.
    """

    at_s: float
    model: str
    files: str
    round: int
    decision: str
    source: Literal["shadow", "audit"]
    propensity: float
    would: bool
    agrees: bool | None
    probability: float
    in_distribution: float
    said: str = ""
    hosted: str | None = None


class Inputs(msgspec.Struct, frozen=True, kw_only=True, tag="inputs", tag_field="kind"):
    """In-distribution scores of requests that a serving model read, as bins (:func:`router.state.betting.bin_of`)."""

    at_s: float
    model: str
    files: str
    round: int
    id: str
    bins: list[int]


class Round(msgspec.Struct, kw_only=True):
    """What one round of a model's life has shown: bets on the answers that it gave, or would have given (``bets``), the
    inputs it read (``drift``), the bins of all scores (``seen``), and how many hosted answers gave no label
    (``unread``). ``least``: the smallest probability with which an answer was drawn."""

    files: str
    number: int
    bets: LateBets
    drift: DriftBet = msgspec.field(default_factory=DriftBet)
    seen: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)
    compared: int = 0
    would: int = 0
    unread: int = 0
    least: float = 1.0

    def take(self, sample: Compared | Inputs, max_error: float) -> None:
        """Take one more sample of this round."""
        if isinstance(sample, Inputs):
            for at, found in enumerate(sample.bins):
                self.drift.add(found, (draw_number(f"{sample.id}:{at}") + 0.5) / DRAWS)
                self.seen[found] += 1
            return
        if (sample.source == "audit") != self.bets.rises:
            return  # it was decided on before the state changed, and compared after
        self.compared += 1
        self.seen[bin_of(sample.in_distribution)] += 1
        if not sample.would:
            return
        self.would += 1
        if sample.agrees is None:
            self.unread += 1
            return
        self.least = min(self.least, sample.propensity)
        weight, loss = round(self.least / sample.propensity, 6), int(not sample.agrees)
        self.bets.add(weight, loss, max_error)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag="checkpoint", tag_field="kind"):
    """The rounds by model, in place of all lines before."""

    rounds: dict[str, Round]


_decode = msgspec.json.Decoder(Compared | Inputs | Checkpoint).decode


class AgreementLog:
    """The file at ``path``; begun anew when it is larger than ``max_bytes``. Not for several threads at once."""

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._lines, self._max_bytes = SharedLines(path), max_bytes

    def write(self, samples: Sequence[Compared | Inputs]) -> None:
        """Append samples.

        Raises:
            StateUnavailable: the file cannot be written.
        """
        with self._lines.locked():
            self._lines.append([msgspec.json.encode(each) for each in samples])

    def read(self) -> list[Compared | Inputs | Checkpoint]:
        """What is new since the last call, in the order in which all processes see it; bad lines are passed over.

        Raises:
            StateUnavailable: the file cannot be read.
        """
        found: list[Compared | Inputs | Checkpoint] = []
        for line in self._lines.read() if self._lines.has_grown() else ():
            try:
                found.append(_decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                log.error("%s: a line of %s is wrong (%s)", LIFECYCLE_DOWN, self._lines.path, error)
        return found

    @property
    def is_full(self) -> bool:
        """Whether it is time for :meth:`begin_anew`."""
        return self._lines.read_bytes > self._max_bytes

    def begin_anew(self, rounds: dict[str, Round]) -> None:
        """Put a checkpoint in place of all lines, unless somebody wrote more or was faster.

        Raises:
            StateUnavailable: the file cannot be written.
        """
        with self._lines.locked():
            if not self._lines.has_grown():
                self._lines.replace([msgspec.json.encode(Checkpoint(rounds=rounds))])
