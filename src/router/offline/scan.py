"""Log files of any known kind -> exchanges, with a count of what could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..backends.prices import load_facts
from ..catalogue import Price
from .exchanges import Exchange
from .log_formats import Ignored, LogReader, Unreadable, is_spend_log
from .log_rows import log_rows
from .log_spans import SpanReader, is_telemetry

__all__ = ["LogScan"]

_MOST_SHOWN = 5


class LogScan:
    """One pass over log files.

    After :meth:`exchanges` was read to its end: ``rows`` read, ``kinds`` of them, ``bad`` rows by reason with the first
    places in ``places``, ``ignored`` rows by reason.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.kinds: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.places: list[str] = []
        self._prices: dict[str, Price | None] = {}

    def exchanges(self, paths: Sequence[Path]) -> Iterator[Exchange]:
        """The exchanges of all files, in order; halves of one call may stand in different files.

        Raises:
            ConfigError: a file cannot be read at all.
        """
        logs, spans = LogReader(self._price), SpanReader(self._price)
        for path in paths:
            for number, row in log_rows(path, self._note_bad):
                self.rows += 1
                try:
                    if is_telemetry(row):
                        self.kinds["OpenTelemetry"] += 1
                        yield from self._sorted(spans.add(row))
                        continue
                    self.kinds["LiteLLM spend log" if is_spend_log(row) else "JSON"] += 1
                    found = logs.read(row)
                except Unreadable as why:
                    self._note_bad(str(path), number, str(why))
                except Ignored as why:
                    self.ignored[str(why)] += 1
                except Exception as error:  # noqa: BLE001 a foreign row of whatever shape must not end the scan
                    self._note_bad(str(path), number, f"an unexpected shape ({type(error).__name__})")
                else:
                    if found is not None:
                        yield found
        yield from self._sorted(spans.close())
        if logs.waiting or logs.lost:
            self.ignored["a batch row without its other half"] += logs.waiting + logs.lost

    def notes(self) -> list[str]:
        """What a reader should know of the scan, as sentences."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.most_common())
        found = [f"{self.rows:,} rows read ({kinds})" if self.rows else "no rows were found"]
        if self.bad:
            reasons = ", ".join(f"{why}: {count:,}" for why, count in self.bad.most_common(4))
            shown = "; ".join(self.places)
            found.append(f"{self.bad.total():,} rows could not be read ({reasons}), the first at {shown}")
        found += [f"{count:,} rows were left out: {why}" for why, count in self.ignored.most_common()]
        return found

    def _sorted(self, found: Iterator[Exchange | Unreadable | Ignored]) -> Iterator[Exchange]:
        for each in found:
            if isinstance(each, Unreadable):
                self._note_bad("a span", 0, str(each))
            elif isinstance(each, Ignored):
                self.ignored[str(each)] += 1
            else:
                yield each

    def _note_bad(self, file: str, number: int, why: str) -> None:
        self.bad[why[:120] if len(self.bad) < 50 else "other reasons"] += 1
        if len(self.places) < _MOST_SHOWN:
            self.places.append(f"{file}:{number}" if number else file)

    def _price(self, model: str) -> Price | None:
        """The model's price in litellm's table; each model is looked up once."""
        if model not in self._prices:
            if len(self._prices) >= 200:
                return None
            facts = load_facts([model]).get(model) if model else None
            self._prices[model] = None if facts is None else facts.price
        return self._prices[model]
