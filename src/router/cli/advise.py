"""``router advise``: which prompt templates a local model could take over, from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import settings_of
from .records import ledger_of, moment, which_records, zone_of

if TYPE_CHECKING:
    from ..offline.advise import Advice
    from ..offline.harvest import Harvest
    from ..offline.promise import Goal

__all__ = ["advise", "show_advice", "which_advice", "without_template"]

F = TypeVar("F", bound=Callable[..., Any])


_KEEP = click.option(
    "--keep", type=float, default=0.98, show_default=True, help="Least agreement with the hosted model, 0 to 1."
)
_CONFIDENCE = click.option(
    "--confidence", type=float, default=0.95, show_default=True, help="Confidence of the promise, 0 to 1."
)
_TOP = click.option(
    "--top", type=click.IntRange(1), default=20, show_default=True, help="How many templates, the dearest first."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object, money in whole nano-dollars.")


def which_advice(command: F) -> F:
    """The options of a command that advises: ``keep``, ``confidence``, ``top`` and ``as_json``."""
    return _KEEP(_CONFIDENCE(_TOP(_JSON(command))))


@click.command()
@which_advice
@which_records
def advise(
    keep: float,
    confidence: float,
    top: int,
    as_json: bool,
    since: str | None,
    until: str | None,
    timezone: str,
    ledger: Path | None,
    config: Path | None,
) -> None:
    """Say which prompt templates a local model could take over, what that would save, and what is still missing.

    Agreement is estimated by cross-validation on the recorded hosted answers; it needs `ledger: {contents: true}`.
    """
    from ..offline.exchanges import recorded_exchanges
    from ..offline.harvest import harvest
    from ..offline.promise import agreement

    goal = agreement(keep, confidence)
    zone = zone_of(timezone)
    settings = settings_of(config)
    with closing(ledger_of(config, ledger)) as sink:
        found, beyond = harvest(recorded_exchanges(sink, moment(since, zone), moment(until, zone)))
    notes = [without_template(beyond)] if beyond else []
    show_advice(found, goal, top, notes, as_json=as_json, is_recording=settings.ledger.contents)


def without_template(count: int) -> str:
    """What to know of requests that belong to no template."""
    return (
        f"{count:,} requests have no template: bare questions, more templates than are told apart, or an instruction "
        "that cannot be told from its text (a system message, or the hints `labels` and `input`, would tell it)"
    )


def show_advice(
    found: Sequence[Harvest],
    goal: Goal,
    top: int,
    notes: Sequence[str],
    *,
    as_json: bool,
    is_of_logs: bool = False,
    is_recording: bool = False,
) -> None:
    """Work the verdicts out and print them, as a table or as one JSON object.

    ``is_of_logs``: they are of another tool's logs, not of the router's ledger. ``is_recording``: that ledger has the
    text of prompts already.
    """
    import sys

    import msgspec

    from ..offline.advise import advise as verdict_on
    from ..offline.advise import suggested_config

    keep = round(1.0 - goal.max_error, 9)
    advices = [verdict_on(each, goal) for each in found[:top]]
    patch = suggested_config(advices, goal, is_of_logs=is_of_logs, is_recording=is_recording)
    if as_json:
        whole = {
            "keep": keep,
            "confidence": goal.confidence,
            "templates": advices,
            "config": patch,
            "notes": list(notes),
        }
        left = len(found) - len(advices)
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode({**whole, "left_out": left}), indent=1) + b"\n")
        return
    if not advices:
        print("No requests with a prompt template were found.")
    else:
        _table(advices, keep)
        for advice in advices:
            reason = "; ".join(advice.reasons)
            print(f"{advice.template}: {advice.verdict}{f': {reason}' if reason else ''}")
            if advice.laxer is not None:
                kept, share = advice.laxer
                print(f"    with --keep {kept:g} it would answer {share:.0%}")
            if advice.wording:
                print(f"    {advice.wording[:110]!r}")
    if len(found) > len(advices):
        print(f"{len(found) - len(advices):,} cheaper templates are not shown; see --top.")
    for note in notes:
        print(note)
    if patch:
        print(f"\nSuggested for router.yaml:\n\n{patch}", end="")


def _table(advices: Sequence[Advice], keep: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("template", "verdict")
    for column in (
        "requests",
        "spent USD",
        "labels",
        "bits",
        "rows",
        "missing",
        "agrees",
        f"would answer at {keep:g}",
        "saves USD a month",
        "p50 gained",
    ):
        table.add_column(column, justify="right")
    for advice in advices:
        table.add_row(*_cells(advice))
    (console if console.is_terminal else Console(highlight=False, width=200)).print(table)


def _cells(advice: Advice) -> list[str]:
    estimate = advice.estimate

    def span(interval: Sequence[Any] | None, written: str) -> str:
        return f" ({written.format(interval[0])} to {written.format(interval[1])})" if interval is not None else ""

    saves = gains = agrees = answers = "-"
    if estimate is not None:
        agrees = f"{estimate.agreement:.1%}" + span(estimate.agreement_interval, "{:.1%}")
        answers = f"{estimate.coverage:.0%}" + span(estimate.coverage_interval, "{:.0%}")
    if advice.saves_nano_usd_month is not None:
        low, high = advice.saves_interval or (0, 0)
        saves = f"{advice.saves_nano_usd_month / 1e9:,.2f}" + span((low / 1e9, high / 1e9), "{:,.2f}")
    if advice.gains_p50_ms is not None:
        gains = f"{advice.gains_p50_ms:,.0f} ms" + span(advice.gains_interval, "{:,.0f}")
    spent = f"{advice.spent_nano_usd / 1e9:,.6f}{'+?' if advice.unpriced else ''}"
    missing = "?" if advice.rows_missing is None else f"{advice.rows_missing:,}"
    counts = (f"{advice.requests:,}", spent, f"{len(advice.labels):,}", f"{advice.entropy:.2f}", f"{advice.rows:,}")
    return [advice.template, advice.verdict, *counts, missing, agrees, answers, saves, gains]
