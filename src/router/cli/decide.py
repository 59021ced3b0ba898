"""``router decide``: one JSON decision a row, in the order of the rows; nothing is called and nothing is spent."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import CONFIG, POLICY


@click.command()
@click.option("--input", "-i", "source", type=click.Path(path_type=Path), required=True, help="Rows; - is stdin.")
@click.option("--output", "-o", "target", type=click.Path(path_type=Path), default="-", help="Decisions; - is stdout.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a row could not be decided.")
@CONFIG
@POLICY
def decide(source: Path, target: Path, strict: bool, config: Path | None, policy: str | None) -> int:
    """Decide for every row of a JSON Lines file.

    A row is {"prompt": "..."} or an OpenAI chat body; either may carry a "router" object with hints. Each line of the
    output is a decision (docs/decision.schema.json), with every signal, or {"error": {...}} for a row that could not
    be decided. Blank lines are passed over.
    """
    import msgspec

    from ..errors import RouterError
    from ..wire.openai import error_body, read_row
    from .options import open_router
    from .rows import lines, reading, writing

    encode = msgspec.json.Encoder(order="deterministic").encode
    decided = failed = 0
    with open_router(config, policy) as router, reading(source) as rows, writing(target, source=source) as out:
        for line in lines(rows):
            try:
                if isinstance(line, RouterError):
                    raise line
                out.write(encode(router.decide(read_row(line), all_signals=True)))
                decided += 1
            except RouterError as error:
                out.write(encode(error_body(error)))
                failed += 1
            out.write(b"\n")
    if failed:
        print(f"{decided + failed} rows: {decided} decided, {failed} with an error in their place", file=sys.stderr)
    return 1 if failed and strict else 0
