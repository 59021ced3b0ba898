"""``router calibrate``: set from which probability on a model may answer, for a promise on one's own rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .labelled import (
    COLUMNS,
    PROMISE,
    check_output,
    columns_of,
    goal_fields,
    model_directory,
    open_model,
    rows_of,
    written_to,
)


@click.command()
@click.option("--model", required=True, help="Directory of a model, or the name of a shipped one (then with --out).")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled rows, none trained on.")
@click.option("--test", type=click.Path(path_type=Path), help="Untouched rows to test on (default: 30 % of --data).")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the model (default: in place).")
@click.option("--inside", type=float, default=0.96, show_default=True, help="Share of rows taken as in-distribution.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@PROMISE
@COLUMNS
def calibrate(
    model: str, data: Path, test: Path | None, out: Path | None, inside: float, as_json: bool, **options: Any
) -> None:
    """Choose the threshold for a promise with a finite-sample bound (Learn-then-Test), then test it once.

    Nothing is written when the rows are too few (it says how many are needed) or when the promise breaks on the test
    rows.
    """
    import shutil
    import sys

    from ..errors import RequestError
    from ..local.base import shipped_directory, write_card
    from ..local.heads import LABEL_HEADS
    from ..offline.promise import Goal
    from ..offline.recalibrate import recalibrate

    source = model_directory(model)
    if out is None and source.parent == shipped_directory():
        raise RequestError("a shipped model is not changed in place.", hint="Say where to write it with --out.")
    check_output(out or source)
    columns = columns_of(options)
    fields = goal_fields(options)
    goal = Goal(**(fields | {"max_error": round(1.0 - fields["keep"], 9)} if fields["keep"] is not None else fields))
    opened = open_model(model)
    rows = rows_of(opened, data, columns)
    tested = rows_of(opened, test, columns).rows if test is not None else None
    card, found = recalibrate(opened, rows.rows, goal, keep=inside, test=tested)
    if not found["holds"]:
        raise RequestError(
            f"the promise broke on the test rows: {found['errors']} of {found['answered']} answers wrong.",
            hint="The card was left as it is. Are calibration and test rows of one kind?",
        )
    target = out or source
    with written_to(target):
        if out is not None and not (out.exists() and out.samefile(source)):
            out.mkdir(parents=True, exist_ok=True)
            for name in card.files:
                shutil.copyfile(source / name, out / name)
        write_card(target, card)
    notes = list(rows.notes)
    is_label = card.head in LABEL_HEADS
    if unseen := [label for label in card.labels if is_label and label not in set(rows.rows.labels)]:
        shown = ", ".join(map(repr, unseen[:8])) + (" ..." if len(unseen) > 8 else "")
        notes.append(f"no row has the label {shown}: the promise is about texts like these rows, none of which had it.")
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        import msgspec

        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(card.promise), indent=1) + b"\n")
        return
    promise = card.promise
    told = (
        f"{promise['errors']} wrong of {promise['answered']}"
        if goal.keep is None
        else f"mean loss {promise['errors'] / promise['answered']:.4f} of {promise['answered']} with hosted answers"
    )
    click.echo(
        f"{card.name} answers from p >= {card.threshold:.4f}: {promise['coverage']:.1%} of such texts, "
        f"{told}, bound {promise['bound']:.4f} "
        f"(limit {promise['limit']:.4f}, "
        f"confidence {promise['confidence']:.2f})."
    )
    verdict = "confirmed" if found["confirmed"] else "not contradicted (too few rows to confirm)"
    click.echo(f"Tested once on {found['rows']} rows: {found['errors']} wrong of {found['answered']}: {verdict}.")
    click.echo(f"Written to {target}.")
