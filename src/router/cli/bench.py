"""``router bench``: what routing would have been worth on recorded outcomes, beside honest baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_FILES = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.command()
@_FILES
@click.option(
    "--rival",
    "rivals",
    multiple=True,
    help="Measure this predictor too: knn, mlp, mf, routes or length; may be repeated.",
)
@click.option("--all-rivals", is_flag=True, help="Measure all predictors.")
@click.option("--pair", nargs=2, metavar="WEAK STRONG", help="The two models of APGR (default: told by cost, quality).")
@click.option("--models", metavar="A,B,...", help="Only these models.")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2, 20), help="Of the cross-validation.")
@click.option("--leave-dataset-out", is_flag=True, help="Predict each data set from the others alone.")
@click.option("--seed", default=20230427, show_default=True, help="Of folds, resampling and training.")
@click.option("--draws", default=1000, show_default=True, type=click.IntRange(20, 10000), help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Write curves (PNG, SVG) here.")
def bench(
    files: tuple[Path, ...],
    rivals: tuple[str, ...],
    all_rivals: bool,
    pair: tuple[str, str] | None,
    models: str | None,
    folds: int,
    leave_dataset_out: bool,
    seed: int,
    draws: int,
    as_json: bool,
    plots: Path | None,
) -> None:
    """Route recorded outcomes (JSON lines: prompt, model, score, cost_usd, dataset) and report what it is worth.

    Predictions are always for prompts that the predictor has not seen.
    """
    import sys

    import msgspec

    from ..errors import RequestError
    from ..offline.evaluate import report
    from ..offline.outcomes import read_outcomes
    from ..offline.rivals import RIVALS
    from .options import listed

    unknown = [name for name in rivals if name not in RIVALS]
    if unknown:
        raise RequestError(f"unknown predictor {unknown[0]!r}.", hint=f"There are: {', '.join(RIVALS)}.")
    outcomes = read_outcomes(files, listed(models))
    found = report(
        outcomes,
        tuple(RIVALS) if all_rivals else ("router", *(name for name in rivals if name != "router")),
        pair=pair,
        folds=folds,
        seed=seed,
        draws=draws,
        by_dataset=leave_dataset_out,
        note=lambda name: None if as_json else click.echo(f"measuring {name} ...", err=True),
    )
    if plots is not None:
        from ..offline.plots import draw_curves

        for path in draw_curves(found, plots):
            click.echo(f"wrote {path}", err=True)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"{found['prompts']:,} prompts, {len(found['singles']['models'])} models, {found['protocol']}; "
        f"weak: {found['pair'][0]}, strong: {found['pair'][1]}",
        soft_wrap=True,
    )
    for caution in found["cautions"]:
        console.print(f"note: {caution}", soft_wrap=True)
    alone = Table("baseline", "quality", "USD a request", title="Without routing")
    for name, figures in found["singles"]["models"].items():
        alone.add_row(f"always {name}", _number(figures["quality"]), _usd(figures["usd"]))
    if len(found["datasets"]) > 1:
        majority = next(iter(found["routers"].values()))["many"]["majority_per_dataset"]
        alone.add_row("best model of each data set, as learnt", _number(majority), "")
    alone.add_row("oracle (best answer each time)", _number(found["singles"]["oracle"]), "")
    console.print(alone)
    table = Table(
        "router", "APGR", "CPT(50)", "CPT(80)", "AUROC weak fails", "over best single, same cost", "us a prompt"
    )
    table.add_row("random", "0.500", "0.500", "0.800", "0.500", "", "")
    for name, figures in found["routers"].items():
        two, many = figures["pair"], figures["many"]
        table.add_row(
            name,
            *(_interval(two[key]) for key in ("apgr", "cpt_50", "cpt_80", "auroc_weak_fails")),
            _interval(many["over_best_single"]),
            f"{figures['us']:.0f}",
        )
    table.add_row("oracle", _number(found["oracle_apgr"]), "", "", "", "", "")
    console.print(table)
    if "quality_at_cost" in found["singles"]:
        _show_by_cost(console, found)
    each = {name: figures["datasets"] for name, figures in found["routers"].items() if "datasets" in figures}
    if each:
        _show_each(console, each)


def _show_by_cost(console: Any, found: dict[str, Any]) -> None:
    from rich.table import Table

    mix = found["singles"]
    at = [f"quality at {float(share):.0%}" for share in mix["quality_at_cost"]]
    table = Table(
        "router", "AIQ", "AIQ over random mix", *at, "saved at 95 %", "saved at 99 %", "regret", "arena score",
        title="All models: quality at shares of the best one's cost, savings at shares of its quality",
    )  # fmt: skip
    qualities = map(_reached, mix["quality_at_cost"].values())
    table.add_row("models mixed at random", _number(mix["aiq_of_random_mix"]), "", *qualities)
    for name, figures in found["routers"].items():
        many = figures["many"]
        table.add_row(
            name,
            _number(many["aiq"]),
            _interval(many["over_random_mix"]),
            *map(_reached, many["quality_at_cost"].values()),
            _share(many["saving_at_95_percent"]),
            _share(many["saving_at_99_percent"]),
            _number(many["regret_to_oracle"]),
            _interval(figures["arena"]["arena"]),
        )
    console.print(table)


def _show_each(console: Any, each: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("data set", "prompts", "weak", "strong", *each, title="APGR within each data set")
    for name, facts in next(iter(each.values())).items():
        apgrs = (_interval(figures[name]["apgr"]) for figures in each.values())
        table.add_row(name, f"{facts['prompts']:,}", _number(facts["weak"]), _number(facts["strong"]), *apgrs)
    console.print(table)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def _reached(value: float | None) -> str:
    return "too dear" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "never" if value is None else f"{value:.0%}"


def _usd(value: float | None) -> str:
    return "?" if value is None else f"${value:.6f}"


def _interval(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{_number(figure['value'])} ({_number(low)} to {_number(high)})"
