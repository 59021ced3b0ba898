"""``router explain``: why a request goes where it goes; nothing is called and nothing is spent."""

from __future__ import annotations

from pathlib import Path

import click

from .options import CONFIG, POLICY


@click.command()
@click.argument("text", required=False)
@click.option("--file", "-f", type=click.Path(path_type=Path), help="Prompt, or chat body as JSON; - is stdin.")
@click.option("--json", "as_json", is_flag=True, help="The decision and the way through the flow as JSON.")
@CONFIG
@POLICY
def explain(text: str | None, file: Path | None, as_json: bool, config: Path | None, policy: str | None) -> None:
    """Show the rules that fired, the guide's flow with the way of TEXT through it, and why every other model lost."""
    import sys

    import msgspec
    from rich.console import Console
    from rich.text import Text

    from ..wire.openai import read_prompt, read_row
    from .options import open_router, read_input

    if (text is None) == (file is None):
        raise click.UsageError("give TEXT or --file.")
    given = read_input(file, text)
    is_body = file is not None and given.lstrip().startswith("{")
    request = read_row(given.encode()) if is_body else read_prompt(given)
    with open_router(config, policy) as router:
        found = router.explain(request)
        if as_json:
            encoded = msgspec.json.encode(found, order="deterministic")
            sys.stdout.buffer.write(msgspec.json.format(encoded, indent=1) + b"\n")
            return
        console = Console(highlight=False, soft_wrap=True)
        for line in found.text.splitlines():
            is_title = bool(line) and not line.startswith((" ", ">"))
            console.print(Text(line, "bold green" if line.startswith(">") else "bold" if is_title else ""))
