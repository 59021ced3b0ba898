"""``router train-quality``: learn from outcomes how good each hosted model's answer would be."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train-quality")
@click.option(
    "--outcomes",
    "files",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines: prompt, model, score (0..1), cost_usd, dataset; may be repeated.",
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--models", metavar="A,B,...", help="Only these models.")
@click.option("--seed", default=20230427, show_default=True, help="Of the folds that choose the regularisation.")
def train_quality(files: tuple[Path, ...], out: Path, models: str | None, seed: int) -> None:
    """Learn a predictor of answer quality, and write the file that `quality:` in router.yaml names."""
    from ..offline.evaluate import held_out, pair_of, pair_report
    from ..offline.fit_quality import QualityFit, save_quality
    from ..offline.outcomes import read_outcomes

    outcomes = read_outcomes(files)
    if models:
        outcomes = outcomes.of([name.strip() for name in models.split(",")])
    click.echo(f"{len(outcomes):,} prompts, {len(outcomes.models)} models", err=True)
    weak, strong = pair_of(outcomes)
    measured = pair_report(outcomes, held_out(outcomes, "router", seed=seed), weak, strong, draws=200)
    detector = save_quality(QualityFit(seed=seed).fit(outcomes), out)
    apgr = measured["apgr"]
    click.echo(
        f"held out, {outcomes.models[weak]} against {outcomes.models[strong]}: "
        f"APGR {apgr['value']} ({apgr['interval'][0]} to {apgr['interval'][1]}; random 0.5)",
        err=True,
    )
    if apgr["interval"][0] is None or apgr["interval"][0] <= 0.5:
        click.echo(
            "warning: no better than random routing with certainty; more outcomes, or other prompts, are needed.",
            err=True,
        )
    click.echo(f"wrote {out} ({detector.name})")
