"""What ``router policy diff`` prints: flows, estimates with intervals, and the requests that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..units import format_ms, format_usd

if TYPE_CHECKING:
    from ..offline.diff import Diff, Measure

__all__ = ["print_diff"]


def print_diff(found: Diff, old: str, new: str, show: int) -> None:
    """Tables for people, in plain text where no terminal is."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    share = 100 * found.changed / found.rows
    console.print(f"{found.rows:,} requests under {old} and {new}: {found.changed:,} change ({share:.1f} %)")
    if found.errors:
        console.print(f"{found.errors:,} rows could not be read", style="yellow")
    for name, count in found.missing.items():
        told = f"{count:,} records lack the signal {name}, which the new policy asks for; it counts as unknown there"
        console.print(told, style="yellow")
    if found.refallen:
        console.print(f"{found.refallen:,} requests keep their target and get other fallbacks")
    if any(found.copied):
        old_share, new_share = found.copied
        console.print(f"{old_share:.1f} and {new_share:.1f} copies are to be expected of 100 requests")
    flows = Table("from", "to", "requests", "share", box=None, pad_edge=False)
    for flow, count in found.flows.items():
        start, _, end = flow.partition(" -> ")
        style = "" if start == end else "bold"
        flows.add_row(start, end, f"{count:,}", f"{100 * count / found.rows:.1f} %", style=style)
    console.print(flows)
    console.print()
    estimates = Table("estimate", "old", "new", "change", "95 % interval", "rows", box=None, pad_edge=False)
    for title, measure, form in (
        ("cost, all", found.cost, format_usd),
        *([("copies, all", found.copies, format_usd)] if any(found.copied) else []),
        ("latency, mean", found.latency, format_ms),
        ("quality, mean", found.quality, lambda value: f"{value:.3f}"),
    ):
        estimates.add_row(title, form(measure.old), form(measure.new), *_interval(measure), f"{measure.rows:,}")
    console.print(estimates)
    if found.changes and show:
        console.print()
        changes = Table("row", "from", "by", "to", "by", "cost", box=None, pad_edge=False)
        for change in found.changes[:show]:
            one, other = change.old, change.new
            cost = f"{format_usd(one.usd)} -> {format_usd(other.usd)}"
            ends = (f"{one.place} {one.model or ''}", one.rule, f"{other.place} {other.model or ''}", other.rule)
            changes.add_row(f"{change.row}", *ends, cost)
        console.print(changes)
        if found.changed > show:
            console.print(f"and {found.changed - show:,} more; by reason:")
            for reason, count in list(found.reasons.items())[:20]:
                console.print(f"  {reason}: {count:,}")


def _interval(measure: Measure) -> tuple[str, str]:
    if measure.change is None or measure.low is None or measure.high is None:
        return "-", "-"
    return f"{measure.change:+.2f} %", f"{measure.low:+.2f} .. {measure.high:+.2f} %"
