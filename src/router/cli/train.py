"""``router train``: a local model from a file of labelled rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .labelled import COLUMNS, PROMISE, check_output, columns_of, goal_fields, written_to
from .records import ledger_of, moment, which_records, zone_of

if TYPE_CHECKING:
    from ..offline.classifier import LocalClassifier


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Labelled rows: .jsonl .csv .tsv .parquet")
@click.option("--from-ledger", "template", metavar="TEMPLATE", help="Learn the hosted answers to a prompt template.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to write the model to.")
@click.option("--task", default="other_classification", show_default=True, help="Task of the requests it is for.")
@click.option("--name", help="Name of the model (default: that of --out).")
@click.option(
    "--maker",
    type=click.Choice(["auto", "linear", "embedding", "neighbours", "encoder"]),
    default="auto",
    show_default=True,
    help="auto: linear or embedding, whichever cross-validates better; neighbours: a pretrained encoder as it is, for "
    "few rows; encoder: fine-tune one (both: extra train).",
)
@click.option(
    "--base", type=click.Path(path_type=Path), help="Pretrained encoder: minilm (default), mpnet, or a directory."
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    help="A larger encoder to learn from (--maker encoder): mpnet-12, or a directory.",
)
@click.option("--test", type=click.Path(path_type=Path), help="Rows to test on (default: a fifth of --data).")
@click.option("--ood", type=click.Path(path_type=Path), help="Texts that it must not answer, to measure that.")
@click.option(
    "--minutes", type=float, help="How long choosing may take (default: 0.3), or fine-tuning with --maker encoder (15)."
)
@click.option("--licence", default="not stated", help="Licence of the rows, for the card.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--plots/--no-plots", default=True, help="Draw reliability, coverage and confusion.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--languages", help="ISO 639-1 codes with commas between (default: recognised).")
@PROMISE
@COLUMNS
@which_records
def train(
    data: Path | None,
    template: str | None,
    out: Path,
    task: str,
    name: str | None,
    maker: str,
    base: Path | None,
    teacher: Path | None,
    test: Path | None,
    ood: Path | None,
    minutes: float | None,
    licence: str,
    seed: int,
    plots: bool,
    as_json: bool,
    languages: str | None,
    **options: Any,
) -> None:
    """Train a local model on labelled rows, calibrate it, test it once, and write it with a card and a report.

    Three parts of the rows are kept apart: to fit, to calibrate, to test. With --from-ledger the rows are the hosted
    answers to one prompt template (see `router advise`), and --keep (default 0.98) is how often the model must agree.
    """
    import re
    import sys

    from ..offline.report import report_of, summary, write_report

    if (data is None) == (template is None):
        raise click.UsageError("Give either --data or --from-ledger.")
    if template is not None and (test is not None or ood is not None or maker == "encoder"):
        raise click.UsageError("--from-ledger takes no --test, no --ood and no --maker encoder.")
    check_output(out)
    plain = re.sub(r"[^a-z0-9._-]+", "-", (name or out.resolve().name).lower()).strip("-._")
    if name is not None and not plain:
        raise click.UsageError(f"--name {name!r} has no letter of a to z and no digit.")
    settings: dict[str, Any] = {
        "task": task,
        "name": plain or None,
        "maker": maker,
        "minutes": minutes,
        "seed": seed,
        "languages": languages.split(",") if languages is not None else None,
    }
    with _bar(sys.stderr.isatty() and not as_json) as progress:
        settings["progress"] = progress
        if template is not None:
            model, found = _learnt(template, options, settings)
        else:
            assert data is not None
            more = {"licence": licence, "base": base, "teacher": teacher}
            model, found = _fitted(data, test, ood, options, {**settings, **more})
        report = report_of(model, found)
        with written_to(out):
            model.save(out)
            notes = write_report(out, model, report, plots=plots)
    if as_json:
        import msgspec

        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    else:
        click.echo(summary(report))
        for note in notes:
            click.echo(note)
        click.echo(f"Written to {out}. Use it: local_models: {{paths: [{out}]}} in router.yaml")


def _fitted(
    data: Path, test: Path | None, ood: Path | None, options: dict[str, Any], settings: dict[str, Any]
) -> tuple[LocalClassifier, tuple[str, ...]]:
    """A model of a file's rows, and what reading it has noted."""
    from ..errors import RequestError
    from ..offline.classifier import LocalClassifier
    from ..offline.reading import read_labelled, read_texts

    columns = columns_of(options)
    model = LocalClassifier(**settings, **goal_fields(options))
    file = read_labelled(data, **columns)
    tested = read_labelled(test, **columns, clean=False) if test is not None else None
    outside = read_texts(ood, text=columns["text"], encoding=columns["encoding"]) if ood is not None else ()
    try:
        model.fit(
            file.rows.texts,
            file.rows.labels,
            hosted=file.rows.hosted,
            languages=file.rows.languages,
            test=tested.rows if tested is not None else None,
            ood=outside,
        )
    except RequestError:
        for note in file.notes:  # what was left out may be why
            click.echo(f"note: {note}", err=True)
        raise
    return model, file.notes


def _learnt(
    template: str, options: dict[str, Any], settings: dict[str, Any]
) -> tuple[LocalClassifier, tuple[str, ...]]:
    """A model of the hosted answers to one template."""
    from ..offline.exchanges import recorded_exchanges
    from ..offline.from_ledger import learn, template_rows

    zone = zone_of(options["timezone"])
    since, until = moment(options["since"], zone), moment(options["until"], zone)
    with closing(ledger_of(options["config"], options["ledger"])) as sink:
        harvested = template_rows(lambda: recorded_exchanges(sink, since, until), template)
    keep = options["keep"] if options["keep"] is not None else 0.98
    return learn(harvested, keep=keep, confidence=options["confidence"], **settings), ()


@contextmanager
def _bar(is_shown: bool) -> Iterator[Callable[[str, float], None]]:
    if not is_shown:
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    parts = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("reading", total=1.0)
        yield lambda what, share: bar.update(line, description=what, completed=share)
