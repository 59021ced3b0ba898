"""What the past holds of each prompt template: counts, money, time, labels, and rows to learn from.

One pass over exchanges in bounded memory. Personal data is masked before a text is kept.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from ..redact import redact
from ..signals.pii import find_pii
from ..types import Message, Request, Span
from .exchanges import Exchange, ExchangeReader, Reading
from .rows import Rows
from .templates import Wording, merged_templates

__all__ = ["MOST_LABELS", "MOST_ROWS", "Harvest", "Row", "harvest", "masked"]

MOST_ROWS = 20_000
"""Rows kept of one template; the newest stay."""
MOST_LABELS = 1_000
"""Different answers that are counted; a template with more asks for free text."""
_MOST_TEMPLATES = 5_000
_MOST_CHARS_IN_ALL = 200_000_000
_MOST_CHARS = 20_000
_SAMPLE = 4_000


class Row(msgspec.Struct, frozen=True):
    """A judged text with personal data masked, the hosted answer's label, the model that gave it, and when."""

    text: str
    label: str
    model: str
    at_s: float


class Harvest(msgspec.Struct, kw_only=True):
    """What is known of one template, or of several that are one (``templates``, the most used first).

    ``hosted`` of ``requests`` were answered by hosted models, and these cost ``nano_usd`` (``unpriced`` calls count
    nothing). ``readable`` had contents; ``labels`` counts their labels, ``unlabelled`` answers gave none;
    ``obstacles`` are reasons why the router could not let a local model answer. ``rows`` by folded text: the newest
    answer counts, ``repeated`` texts came again with the same label and ``conflicts`` with another one. ``costs``
    (nano-dollars) and ``latencies_ms`` are samples of hosted calls.
    """

    templates: list[str]
    frame: str = ""
    allowed: tuple[str, ...] = ()
    requests: int = 0
    hosted: int = 0
    nano_usd: int = 0
    unpriced: int = 0
    readable: int = 0
    unlabelled: int = 0
    without_text: int = 0
    repeated: int = 0
    conflicts: int = 0
    dropped: int = 0
    first_s: float | None = None
    last_s: float | None = None
    models: Counter[str] = msgspec.field(default_factory=Counter)
    labels: Counter[str] = msgspec.field(default_factory=Counter)
    obstacles: Counter[str] = msgspec.field(default_factory=Counter)
    rows: dict[str, Row] = msgspec.field(default_factory=dict)
    costs: list[int] = msgspec.field(default_factory=list)
    latencies_ms: list[float] = msgspec.field(default_factory=list)

    @property
    def template(self) -> str:
        """The fingerprint that stands for it."""
        return self.templates[0]

    @property
    def teacher(self) -> str:
        """The hosted model that answered most often."""
        return self.models.most_common(1)[0][0] if self.models else ""

    @property
    def days(self) -> float:
        """Days between the first and the last request, 1 at least."""
        if self.first_s is None or self.last_s is None:
            return 1.0
        return max(1.0, (self.last_s - self.first_s) / 86_400.0)

    def as_rows(self) -> Rows:
        """The rows, oldest first; the labels are the hosted answers."""
        ordered = sorted(self.rows.values(), key=lambda row: row.at_s)
        return Rows(texts=tuple(row.text for row in ordered), labels=tuple(row.label for row in ordered))

    def keep(self, row: Row) -> None:
        """Add a row; the newest answer to a text is the one that counts."""
        key = " ".join(row.text.split()).casefold()
        before = self.rows.pop(key, None)
        if before is not None:
            if before.label == row.label:
                self.repeated += 1
            else:
                self.conflicts += 1
            row = max(before, row, key=lambda each: each.at_s) if before.at_s != row.at_s else row
        self.rows[key] = row
        if len(self.rows) > MOST_ROWS:
            self.rows.pop(next(iter(self.rows)))
            self.dropped += 1

    def join(self, other: Harvest) -> None:
        """Take in what is known of another template that turned out to be the same."""
        larger = self.requests >= other.requests
        self.templates = [*self.templates, *other.templates] if larger else [*other.templates, *self.templates]
        for name in ("requests", "hosted", "nano_usd", "unpriced", "readable", "unlabelled", "without_text"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("repeated", "conflicts", "dropped"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        times = [each for each in (self.first_s, self.last_s, other.first_s, other.last_s) if each is not None]
        self.first_s, self.last_s = (min(times), max(times)) if times else (None, None)
        for counts, more in (
            (self.models, other.models),
            (self.labels, other.labels),
            (self.obstacles, other.obstacles),
        ):
            counts.update(more)
        for row in other.rows.values():
            self.keep(row)
        self.costs = [*self.costs, *other.costs][: 2 * _SAMPLE]
        self.latencies_ms = [*self.latencies_ms, *other.latencies_ms][: 2 * _SAMPLE]


def harvest(
    exchanges: Iterable[Exchange], *, keeps: Callable[[str], bool] = lambda template: True
) -> tuple[list[Harvest], int]:
    """What each template holds, the dearest first, and how many requests belong to templates beyond the 5,000 that are
    told apart. ``keeps`` says of which templates rows are wanted (all by default)."""
    reader, draw = ExchangeReader(), random.Random(0)  # noqa: S311 no secret is drawn
    found: dict[str, Harvest] = {}
    beyond = kept = 0
    for exchange in exchanges:
        reading = reader(exchange)
        if not reading.template:
            beyond += 1
            continue
        mine = found.get(reading.template)
        if mine is None:
            if len(found) >= _MOST_TEMPLATES:
                beyond += 1
                continue
            mine = found[reading.template] = Harvest(templates=[reading.template])
        is_full = kept >= _MOST_CHARS_IN_ALL or not keeps(reading.template)
        kept += _note(mine, exchange, reading, draw, is_full=is_full)
    return _joined(found), beyond


def _note(mine: Harvest, exchange: Exchange, reading: Reading, draw: random.Random, *, is_full: bool) -> int:
    """Take note of an exchange; how many characters of text were kept for it."""
    mine.requests += 1
    if exchange.at_s is not None:
        mine.first_s = exchange.at_s if mine.first_s is None else min(mine.first_s, exchange.at_s)
        mine.last_s = exchange.at_s if mine.last_s is None else max(mine.last_s, exchange.at_s)
    if not exchange.is_hosted:
        return 0
    mine.hosted += 1
    mine.models[exchange.model or "unknown"] += 1
    mine.nano_usd += exchange.nano_usd
    mine.unpriced += not exchange.is_priced
    _sampled(mine.costs, exchange.nano_usd, mine.hosted, draw)
    if exchange.latency_ms is not None:
        _sampled(mine.latencies_ms, exchange.latency_ms, mine.hosted, draw)
    if exchange.request is None:
        return 0
    mine.readable += 1
    mine.frame, mine.allowed = mine.frame or reading.frame, mine.allowed or reading.allowed
    if reading.obstacle is not None:
        mine.obstacles[reading.obstacle] += 1
    if reading.label is None or len(reading.label) > 200:
        mine.unlabelled += 1
        return 0
    if reading.label in mine.labels or len(mine.labels) < MOST_LABELS:
        mine.labels[reading.label] += 1
    else:
        mine.unlabelled += 1
        return 0
    if reading.text is None or not reading.text.strip():
        mine.without_text += 1
    elif is_full:
        mine.dropped += 1
    else:
        text = masked(reading.text[:_MOST_CHARS])
        mine.keep(Row(text, reading.label, exchange.model, exchange.at_s or 0.0))
        return len(text)
    return 0


def _sampled(sample: list[int] | list[float], value: float, count: int, draw: random.Random) -> None:
    """Reservoir sampling (Vitter, 1985): each of ``count`` values is as likely to stay."""
    values: list[float] = sample  # type: ignore[assignment]
    if len(values) < _SAMPLE:
        values.append(value)
    elif (place := draw.randrange(count)) < _SAMPLE:
        values[place] = value


def _joined(found: dict[str, Harvest]) -> list[Harvest]:
    told = {name: Wording(frame=each.frame, allowed=each.allowed) for name, each in found.items() if each.frame}
    order = sorted(told, key=lambda name: -found[name].requests)
    stands_for = merged_templates({name: told[name] for name in order})
    groups: dict[str, Harvest] = {}
    for name in sorted(found, key=lambda name: -found[name].requests):
        group = groups.get(stands_for.get(name, name))
        if group is None:
            groups[name] = found[name]
        else:
            group.join(found[name])
    return sorted(groups.values(), key=lambda each: (-each.nano_usd, -each.requests, each.template))


def masked(text: str) -> str:
    """The text with personal data and secrets as placeholders (``<EMAIL_1>``)."""
    hits = find_pii(text)
    if not hits:
        return text
    spans = [Span(message=0, start=hit.start, end=hit.end, kind=hit.kind) for hit in hits]
    request = Request(messages=(Message(role="user", text=text),))
    return redact(request, spans).request.messages[0].text
