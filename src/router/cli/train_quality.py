"""``router train-quality``: how good each hosted model's answer would be, learnt from outcomes or verdicts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from ..errors import RequestError
from .options import CONFIG, listed
from .records import LEDGER


@click.command("train-quality")
@click.option(
    "--outcomes",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON lines: prompt, model, score (0..1), cost_usd, dataset; may be repeated.",
)
@click.option("--from-ledger", is_flag=True, help="Fold verdicts on recorded decisions into --base instead.")
@click.option("--base", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file made before.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--models", metavar="A,B,...", help="Only these models, of outcomes.")
@click.option("--seed", default=20230427, show_default=True, help="Of the folds that choose the regularisation.")
@click.option("--max-shift", default=0.1, show_default=True, type=click.FloatRange(0.01, 0.3), help="Bound of a fold.")
@click.option("--least", default=20, show_default=True, type=click.IntRange(5), help="Verdicts that a fold takes.")
@LEDGER
@CONFIG
def train_quality(
    files: tuple[Path, ...],
    from_ledger: bool,
    base: Path | None,
    out: Path,
    models: str | None,
    seed: int,
    max_shift: float,
    least: int,
    ledger: Path | None,
    config: Path | None,
) -> None:
    """Learn a predictor of answer quality, and write the file that `quality:` in router.yaml names.

    Either from --outcomes; or with --from-ledger --base FILE, by moving what FILE predicts, within bounds, by verdicts
    on its predictions. FILE stays as it is, and is the way back.
    """
    if from_ledger is bool(files) or from_ledger is not (base is not None):
        raise RequestError("give --outcomes FILE, or --from-ledger with --base FILE.", hint="router train-quality -h")
    if base is not None:
        _fold(base, out, max_shift, least, ledger, config)
    else:
        _train(files, out, models, seed)


def _train(files: tuple[Path, ...], out: Path, models: str | None, seed: int) -> None:
    from ..offline.cautions import cautions
    from ..offline.evaluate import held_out, pair_of, pair_report
    from ..offline.fit_quality import QualityFit, save_quality
    from ..offline.outcomes import read_outcomes

    outcomes = read_outcomes(files, listed(models))
    click.echo(f"{len(outcomes):,} prompts, {len(outcomes.models)} models", err=True)
    weak, strong = pair_of(outcomes)
    for caution in cautions(outcomes, weak, strong):
        click.echo(f"note: {caution}", err=True)
    measured = pair_report(outcomes, held_out(outcomes, "router", seed=seed), weak, strong, draws=200)
    detector = save_quality(QualityFit(seed=seed).fit(outcomes), out)
    apgr = measured["apgr"]
    pair = f"held out, {outcomes.models[weak]} against {outcomes.models[strong]}"
    if apgr["value"] is None:
        click.echo(f"{pair}: nothing to measure, for there is no gap between them", err=True)
    else:
        low, high = apgr["interval"]
        click.echo(f"{pair}: APGR {apgr['value']} ({low} to {high}; random 0.5)", err=True)
    click.echo(
        f"expected scores are {measured['ece']['weak']:.3f} and {measured['ece']['strong']:.3f} off on average "
        "(calibration error over ten bins)",
        err=True,
    )
    if apgr["interval"][0] is None or apgr["interval"][0] <= 0.5:
        click.echo(
            "warning: no better than random routing with certainty; more outcomes, or other prompts, are needed.",
            err=True,
        )
    click.echo(f"wrote {out} ({detector.name})")


def _fold(base: Path, out: Path, max_shift: float, least: int, ledger: Path | None, config: Path | None) -> None:
    from ..local.files import read_arrays
    from ..offline.fold_feedback import fold, folded, verdicts_of
    from ..signals.quality import quality_from_arrays
    from ..state.ledger import read_records
    from .options import open_router
    from .records import feedback_of, ledger_of

    quality = quality_from_arrays(*read_arrays(base))
    with closing(ledger_of(config, ledger)) as sink:
        verdicts = verdicts_of(feedback_of(config, ledger), read_records(sink))
    with open_router(config, None) as router:
        known = set(quality.facts.models)
        names = {
            name: name if name in known else deployment.model
            for name, deployment in router.engine.fleet.deployments.items()
        }
    evidence = folded(verdicts, quality, names, max_shift=max_shift, least=least)
    own = sum(each.predictor == quality.name for each in verdicts)
    click.echo(f"{len(verdicts):,} verdicts, {own:,} of them on predictions of {quality.name}", err=True)
    for model, by_task in evidence.items():
        for task, each in by_task.items():
            where = "all tasks" if task == "*" else task
            told = f"{model}, {where}: {each.verdicts:,} verdicts, {each.mean:+.3f} on average"
            click.echo(f"{told}, moved by {each.shift:+.3f}", err=True)
    if not any(each.shift for by_task in evidence.values() for each in by_task.values()):
        raise RequestError(
            "there is too little evidence to move anything; nothing was written.",
            hint=f"A model needs {least} verdicts on predictions of this file: POST /v1/feedback, or lower --least.",
        )
    click.echo(f"wrote {out} ({fold(base, out, evidence).name})")
