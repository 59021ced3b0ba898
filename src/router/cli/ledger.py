"""``router ledger``: the records themselves: the newest, all of them, and whether they are whole."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import closing
from datetime import datetime
from pathlib import Path

import click

from .options import CONFIG
from .records import LEDGER, ZONE, ledger_of, moment, which_records, zone_of


@click.group()
def ledger() -> None:
    """Read the records of requests, and prove that none is missing."""


@ledger.command()
@click.option("-n", "--count", type=click.IntRange(1), default=10, show_default=True)
@ZONE
@LEDGER
@CONFIG
def tail(count: int, timezone: str, ledger: Path | None, config: Path | None) -> None:
    """Show the newest records, one a line."""
    from ..state.ledger import read_records
    from ..units import format_ms

    zone = zone_of(timezone)
    with closing(ledger_of(config, ledger)) as sink:
        newest = deque(read_records(sink), maxlen=count)
    for record in newest:
        outcome = record.outcome
        when = datetime.fromtimestamp(record.at_s, zone).isoformat(" ", "seconds")
        cost = f"${record.nano_usd / 1e9:.6f}{'' if record.is_priced else '+?'}"
        what = f"{record.decision.task.label} -> {outcome.model or record.decision.target.kind}"
        how = " (cached)" if outcome.cached else f" ({outcome.error})" if outcome.error else ""
        print(
            f"{when}  {record.id[:12]}  {record.tenant or '-'}  {what}  {outcome.status}{how}"
            f"  {format_ms(outcome.latency_ms)}  {cost}"
        )


@ledger.command()
@which_records
def export(since: str | None, until: str | None, timezone: str, ledger: Path | None, config: Path | None) -> None:
    """Write the records to standard output as JSON lines, each once."""
    import msgspec

    from ..state.ledger import read_records

    zone = zone_of(timezone)
    encode = msgspec.json.Encoder(order="deterministic").encode
    with closing(ledger_of(config, ledger)) as sink:
        for record in read_records(sink, moment(since, zone), moment(until, zone)):
            sys.stdout.buffer.write(encode(record) + b"\n")


@ledger.command()
@LEDGER
@CONFIG
def verify(ledger: Path | None, config: Path | None) -> int:
    """Read everything: is each row whole, is none missing, was none changed. Exit code 1 if not."""
    from ..state.ledger import verify as check

    with closing(ledger_of(config, ledger)) as sink:
        found = check(sink.scan())
    for fault in found.faults:
        print(f"fault: {fault}", file=sys.stderr)
    usd = f"${found.nano_usd / 1e9:,.9f}"
    print(f"{found.records:,} records by {found.writers:,} writers, {usd} in all, {len(found.faults)} faults")
    return 1 if found.faults else 0
