"""``router savings``: what routing saved, with intervals, and what nobody can know."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .records import feedback_of, ledger_of, moment, which_records, zone_of

if TYPE_CHECKING:
    from ..offline.savings import Estimated, Savings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@which_records
def savings(
    as_json: bool, since: str | None, until: str | None, timezone: str, ledger: Path | None, config: Path | None
) -> int:
    """Compare the bill with each model alone, with a random mix at the same bill, and with hindsight.

    Other models' bills are estimates at the real token counts, with 95 % intervals over conversations. Exit code 1: the
    ledger holds no request that could be compared.
    """
    from ..offline.savings import savings as found_savings
    from ..state.ledger import read_records

    zone = zone_of(timezone)
    with closing(ledger_of(config, ledger)) as sink:
        records = read_records(sink, moment(since, zone), moment(until, zone))
        found = found_savings(records, feedback_of(config, ledger))
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    else:
        _show(found)
    return 0 if found.requests else 1


def _show(found: Savings) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=120)
    apart = ", ".join(f"{count:,} {why}" for why, count in sorted(found.apart.items()))
    console.print(
        f"{found.requests:,} requests in {found.conversations:,} conversations cost ${found.usd:,.6f}"
        + (f" (not compared: {apart})" if apart else "")
    )
    if not found.requests:
        return
    table = Table("instead", "USD", "saved", "95 % interval", "able to take", "quality, estimated")
    for single in found.singles:
        best = " (best single)" if single.model == found.best_single else ""
        table.add_row(
            f"always {single.model}{best}", f"{single.usd:,.6f}", *_share(single.saved),
            f"{single.able / found.requests:.0%}", _quality(single.quality),
        )  # fmt: skip
    table.add_section()
    table.add_row("this routing", f"{found.usd:,.6f}", "", "", "", _quality(found.quality))
    if found.random_share is not None:
        told = f"random, {found.random_share:.0%} to {found.best_single}"
        table.add_row(told, f"{found.usd:,.6f}", "", "the same bill", "", _quality(found.random_quality))
    console.print(table)
    less, interval = _share(found.floor_saved)
    console.print(
        f"The cheapest able candidate each time would have cost ${found.floor_usd:,.6f} ({less} less, {interval}); "
        "whether its answers had been good enough is not known."
    )
    if found.wasted_usd:
        console.print(f"${found.wasted_usd:,.6f} went to calls whose answer was not used; hindsight saves it.")
    for each in found.verdicts:
        share, interval = _share(each.share)
        console.print(f"judged: {each.model} {each.good + each.bad:,} times, good {share} ({interval})")
    for alone in found.alone:
        good, interval = _share(alone.good)
        who = f"{alone.model} alone" if alone.model is not None else "the choice without exploration"
        console.print(f"explored: {who} would have had {good} good answers ({interval}) of {alone.rows:,} judged")
    console.print("Not known:")
    for sentence in found.not_known:
        console.print(f"- {sentence}")


def _share(found: Estimated) -> tuple[str, str]:
    if found.value is None or found.low is None or found.high is None:
        return "-", "-"
    return f"{found.value:.1%}", f"{found.low:.1%} .. {found.high:.1%}"


def _quality(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
