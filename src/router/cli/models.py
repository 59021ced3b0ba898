"""``router models``: what could answer on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from .options import CONFIG, POLICY


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@CONFIG
@POLICY
def models(as_json: bool, config: Path | None, policy: str | None) -> None:
    """List the local models with their cards, and the hosted deployments with their prices."""
    import sys

    import msgspec
    from rich.console import Console
    from rich.table import Table

    from .options import open_router

    with open_router(config, policy) as router:
        fleet = router.engine.fleet
        if as_json:
            shown = {"local": list(fleet.local.values()), "hosted": list(fleet.deployments.values())}
            sys.stdout.buffer.write(
                msgspec.json.format(msgspec.json.encode(shown, order="deterministic"), indent=1) + b"\n"
            )
            return
        wide = Console(highlight=False)
        console = wide if wide.is_terminal else Console(highlight=False, width=150)
        local = Table("name", "task", "labels", "languages", "rows", "answers from", "licence", title="Local models")
        for card in fleet.local.values():
            labels = ", ".join(card.labels[:4]) + (f" ... ({len(card.labels)})" if len(card.labels) > 4 else "")
            local.add_row(
                card.name,
                card.task,
                labels,
                ", ".join(card.languages),
                f"{card.rows:,}",
                f"p >= {card.threshold:.3f}",
                card.licence,
            )
        console.print(local)
        hosted = Table("name", "model", "tier", "can be called", "$/M in", "$/M out", "context", title="Hosted models")
        for deployment in fleet.deployments.values():
            missing = f"no: set {deployment.key_env}" if deployment.key_env else "no"
            hosted.add_row(
                deployment.name,
                deployment.model,
                deployment.tier,
                "yes" if deployment.configured else missing,
                _per_million(deployment.price.input),
                _per_million(deployment.price.output),
                f"{deployment.context_tokens:,}" if deployment.context_tokens else "?",
                style="" if deployment.configured else "dim",
            )
        console.print(hosted)


def _per_million(usd: float | None) -> str:
    return "?" if usd is None else f"${usd * 1e6:,.2f}"
