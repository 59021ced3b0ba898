"""``router spend``: what was spent, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import RequestError
from .options import listed
from .records import ledger_of, moment, which_records, zone_of

if TYPE_CHECKING:
    from ..state.bill import Line
    from ..types import Record

# Of an id: so much of it tells one request from another.
_SHORTEST = 8


@click.command()
@click.option("--by", default="tenant,model", show_default=True, metavar="WHAT[,WHAT...]", help="tenant, key, model, "
              "day, month, policy, task, template, status.")  # fmt: skip
@click.option(
    "--explain",
    "wanted",
    metavar="ID",
    help="The sum of one request, by its record's or decision's id, or the first 8 characters of it.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, money in whole nano-dollars.")
@which_records
def spend(
    by: str,
    wanted: str | None,
    as_json: bool,
    since: str | None,
    until: str | None,
    timezone: str,
    ledger: Path | None,
    config: Path | None,
) -> None:
    """Say what was spent, by whom and on which model; with --explain ID, how one request came to its price.

    Sums are made in whole nano-dollars (1e-9 USD), so they are exact. Calls at an unknown price count nothing and are
    told as such.
    """
    from ..state.bill import DIMENSIONS, bill
    from ..state.ledger import read_records

    zone = zone_of(timezone)
    dimensions: Any = listed(by)
    unknown = [each for each in dimensions if each not in DIMENSIONS]
    if unknown or not dimensions:
        raise RequestError(
            f"--by {by!r} names what is not there.", hint=f"Write one or more of {', '.join(DIMENSIONS)}."
        )
    with closing(ledger_of(config, ledger)) as sink:
        records = read_records(sink, moment(since, zone), moment(until, zone))
        if wanted is not None:
            _explain(records, wanted, as_json=as_json)
            return
        totals = bill(records, dimensions, zone)
    if as_json:
        _print_json({**dict(zip(dimensions, key, strict=True)), **_plain(total)} for key, total in totals.items())
        return
    _table(dimensions, totals)


def _table(dimensions: tuple[str, ...], totals: dict[tuple[str, ...], Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(*dimensions)
    for column in (
        "requests",
        "calls",
        "failed",
        "local",
        "cached",
        "tokens in",
        "of them cached",
        "tokens out",
        "USD",
    ):
        table.add_column(column, justify="right")
    for key, total in totals.items():
        table.add_row(*key, *_cells(total))
    if len(totals) > 1 and "model" not in dimensions:
        table.add_section()
        table.add_row("all", *[""] * (len(dimensions) - 1), *_cells(_sum(totals.values())))
    (console if console.is_terminal else Console(highlight=False, width=160)).print(table)
    unpriced = sum(total.unpriced for total in totals.values())
    estimated = sum(total.estimated for total in totals.values())
    if unpriced:
        print(f"{unpriced} requests had calls at an unknown price; they count nothing here.")
    if estimated:
        print(f"{estimated} calls reported no usage; their tokens were counted by the router.")


def _cells(total: Any) -> list[str]:
    counts = (total.requests, total.calls, total.failed, total.local, total.cached)
    tokens = (total.input, total.cached_input, total.output)
    return [*(f"{count:,}" for count in (*counts, *tokens)), f"{total.usd:,.6f}{'+?' if total.unpriced else ''}"]


def _sum(totals: Iterable[Any]) -> Any:
    from ..state.bill import Total

    every = list(totals)
    return Total(**{name: sum(getattr(total, name) for total in every) for name in Total.__struct_fields__})


def _plain(total: Any) -> dict[str, int]:
    return {name: getattr(total, name) for name in total.__struct_fields__}


def _explain(records: Iterable[Record], wanted: str, *, as_json: bool) -> None:
    from ..state.bill import lines_of
    from ..state.store import to_nano

    size = len(wanted) if len(wanted) >= _SHORTEST else None
    found = [record for record in records if wanted in (record.id[:size], record.decision.id[:size])]
    if not found:
        raise RequestError(
            f"the ledger has no request {wanted!r}.",
            hint="Ids are in the header x-router-decision-id and in the ledger.",
        )
    for record in found:
        calls = [attempt for attempt in record.outcome.attempts if attempt.kind == "llm"]
        if as_json:
            lines = [line for call in calls for line in lines_of(call, record.rates.get(call.model, {}))]
            _print_json([{"id": record.id, "nano_usd": record.nano_usd, "lines": lines}])
            continue
        timing, outcome = record.timing, record.outcome
        who = f" for tenant {record.tenant}" if record.tenant else ""
        # Of a request that nobody was called for, what kept it from that.
        what = outcome.model or outcome.error or "nobody"
        print(f"{record.id}{who}: {outcome.status}, {what}; {record.decision.reason}")
        print(
            f"  {timing.total:.1f} ms in all: {timing.decide:.1f} deciding, {timing.reserve:.1f} setting money aside"
            + (f", first token after {timing.ttft:.1f}" if timing.ttft is not None else "")
        )
        for call in calls:
            lines = lines_of(call, record.rates.get(call.model, {}))
            said = "counted by the router" if call.usage.estimated else "as the provider said"
            print(f"  {call.model}: {call.error or 'answered'}{f' ({said})' if lines else ''}")
            for line in lines:
                print(f"    {_count(line):>9} {line.kind:<16}{_price(line)}")
            cost = "unknown" if call.usd is None else f"${to_nano(call.usd) / 1e9:.9f}"
            print(f"    {'':>9} {'together':<16}{cost}")
        if outcome.cached:
            print("  the answer was given before: nobody was called")
        print(f"  total ${record.nano_usd / 1e9:.9f}{'' if record.is_priced else ', and calls at an unknown price'}")


def _count(line: Line) -> str:
    return f"{line.count:,.3f}" if line.kind == "second" else f"{line.count:,}"


def _price(line: Line) -> str:
    if line.rate is None:
        return "price unknown"
    rate = f"${line.rate * 1e6:.6g}/M" if line.is_tokens else f"${line.rate:.9g}"
    return f"x {rate} = ${line.usd:.9f}"


def _print_json(rows: Iterable[Any]) -> None:
    import sys

    import msgspec

    for row in rows:
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
