"""``router eval``: a model's figures on labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .labelled import COLUMNS, columns_of, open_model, rows_of


@click.command("eval")
@click.option("--model", required=True, help="Directory of a model, or the name of a shipped one.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled rows.")
@click.option("--ood", type=click.Path(path_type=Path), help="Texts that it must not answer.")
@click.option("--every-label", is_flag=True, help="Choose among all labels of the model, not those of the rows.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@COLUMNS
def evaluate(model: str, data: Path, ood: Path | None, every_label: bool, as_json: bool, **options: Any) -> None:
    """Measure a local model: accuracy, macro-F1, calibration, coverage, its promise, and outsiders.

    Where the rows have two or more of the model's labels and not all, it is measured as for a request that allows
    these alone, and a note says so. Rows of a model that writes its answers (entities, spans, numbers) are those that
    `models build --from-hf` takes; its accuracy is the share of right answers.
    """
    import sys

    from ..local.heads import PAIR_HEADS
    from ..offline.evaluation import evaluation
    from ..offline.reading import read_texts

    columns = columns_of(options)
    opened = open_model(model)
    if ood is not None and opened.card.head in PAIR_HEADS:
        raise click.UsageError("--ood takes single texts, and this model reads two.")
    file = rows_of(opened, data, columns, clean=False)
    outside = read_texts(ood, text=columns["text"], encoding=columns["encoding"]) if ood is not None else ()
    found = evaluation(opened, file.rows, outside, every_label=every_label)
    notes = list(file.notes)
    if found["labels"] < len(opened.labels):
        notes.append(
            f"the rows have {found['labels']} of the model's {len(opened.labels)} labels, and the choice is among "
            "these; --every-label measures it among all."
        )
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        import msgspec

        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", title=f"{opened.name} on {data.name}")
    for name, value in found.items():
        if name != "promise":
            table.add_row(name, "-" if value is None else str(value))
    here = found["promise"].pop("here") or {}
    for name, value in found["promise"].items():
        table.add_row(f"promise: {name}", str(value))
    for name, value in here.items():
        if name != "data_hash":
            table.add_row(f"on these rows: {name}", "-" if value is None else str(value))
    Console(highlight=False).print(table)
