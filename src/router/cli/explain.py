"""``router explain``: why a request goes where it goes; nothing is called and nothing is spent."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import RouterError
from .options import CONFIG, POLICY

FLOW_TITLE = "The guide's flow"


@click.command()
@click.argument("text", required=False)
@click.option("--file", "-f", type=click.Path(path_type=Path), help="Prompt, or chat body as JSON; - is stdin.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Write the flow with the request's way: SVG, or Mermaid for .mmd.",
)
@click.option("--json", "as_json", is_flag=True, help="The decision and the way through the flow as JSON.")
@CONFIG
@POLICY
def explain(
    text: str | None, file: Path | None, picture: Path | None, as_json: bool, config: Path | None, policy: str | None
) -> None:
    """Show the rules that fired, what would have changed the decision, the guide's flow with the way of TEXT through
    it, and why every other model lost."""
    import sys

    import msgspec
    from rich.console import Console
    from rich.text import Text

    from ..policy.draw import flow_mermaid, flow_svg, flow_text
    from ..wire.openai import read_prompt, read_row
    from .options import open_router, read_input

    if (text is None) == (file is None):
        raise click.UsageError("give TEXT or --file.")
    given = read_input(file, text)
    is_body = file is not None and given.lstrip().startswith("{")
    request = read_row(given.encode()) if is_body else read_prompt(given)
    with open_router(config, policy) as router:
        found = router.explain(request)
        flow = router.engine.policy_for(request).flow
        if picture is not None:
            draw = flow_mermaid if picture.suffix in (".mmd", ".mermaid") else flow_svg
            _write(picture, draw(flow, found.steps) if flow else "")
        if as_json:
            encoded = msgspec.json.encode(found, order="deterministic")
            sys.stdout.buffer.write(msgspec.json.format(encoded, indent=1) + b"\n")
            return
        console = Console(highlight=False, soft_wrap=True)
        for section in found.text.split("\n\n"):
            title, _, rest = section.partition("\n")
            if title == FLOW_TITLE and flow:
                rest = flow_text(flow, found.steps)
            elif title.startswith("Target"):
                title, rest = "", section
            for line in [title, *rest.splitlines()]:
                style = "bold green" if line.startswith(">") else "bold" if line and line is title else ""
                console.print(Text(line, style))
            console.print()


def _write(path: Path, svg: str) -> None:
    if not svg:
        raise RouterError("the policy has no flow to draw.", hint="Use one that extends guide.")
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise RouterError(f"{path} cannot be written ({error.strerror}).", hint="Check the folder.") from error
