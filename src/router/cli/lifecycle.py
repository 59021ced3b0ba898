"""``router models history|promote|demote``: the lives of local models, told and changed by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import CONFIG

if TYPE_CHECKING:
    from ..state.lifecycle import ModelState
    from ..state.watch import Standing

__all__ = ["demote", "history", "promote"]

WHY = click.option("--why", default="", help="A reason, for the record.")


@click.command()
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON lines.")
@CONFIG
def history(model: str | None, as_json: bool, config: Path | None) -> None:
    """Show what became of MODEL (default: of all models), and how it does now."""
    from datetime import UTC, datetime

    import msgspec

    from .options import open_router

    with open_router(config, None) as router:
        lifecycle, watch = router.engine.lifecycle, router.engine.watch
        found = lifecycle.history(model)
        if as_json:
            for each in found:
                sys.stdout.buffer.write(msgspec.json.encode(each) + b"\n")
            return
        if not found and model is None:
            click.echo("No model was ever moved; see router models list.")
        for each in found:
            at = datetime.fromtimestamp(each.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
            click.echo(
                f"{at}Z {each.model} ({each.files}): {each.was} -> {each.becomes} by {each.by}: {each.why or '-'}"
            )
        watch.follow()
        states = lifecycle.states()
        told = {each.model for each in found} & {*states} | {name for name in states if states[name] != "serving"}
        for name in (model,) if model is not None else sorted(told):
            standing = watch.standing(name)
            click.echo(f"{name} is in the state {standing.state}: {standing.why}")


@click.command()
@click.argument("model")
@click.option("--force", is_flag=True, help="Although nothing shows that its promise is kept.")
@WHY
@CONFIG
def promote(model: str, force: bool, why: str, config: Path | None) -> None:
    """Let MODEL answer, from now on and in all processes.

    Refused unless the answers compared in shadow show that its promise is kept, or you take your own demotion back.
    """
    from ..errors import RequestError

    def allowed(standing: Standing, is_own: bool) -> str:
        if standing.is_kept or is_own or standing.state == "serving":
            return why
        if not force:
            raise RequestError(
                f"{model} has not shown that it keeps its promise: {standing.why}.",
                hint="Let it stay in shadow (local_models.flywheel), or promote it with --force.",
            )
        click.echo(f"{model} has not shown that it keeps its promise ({standing.why}); it is forced.", err=True)
        return f"{why} (forced: {standing.why})".strip()

    _move(model, "serving", config, allowed)


@click.command()
@click.argument("model")
@click.option(
    "--to",
    "state",
    type=click.Choice(["shadow", "quarantined", "retired"]),
    default="shadow",
    show_default=True,
    help="shadow: still compared and promoted again when it keeps its promise; retired: left alone.",
)
@WHY
@CONFIG
def demote(model: str, state: ModelState, why: str, config: Path | None) -> None:
    """Let MODEL answer no more, from now on and in all processes."""
    _move(model, state, config, lambda standing, is_own: why)


def _move(model: str, state: ModelState, config: Path | None, allowed: Any) -> None:
    from .options import open_router

    with open_router(config, None) as router:
        lifecycle, watch = router.engine.lifecycle, router.engine.watch
        watch.follow()
        standing = watch.standing(model)
        past = [each for each in lifecycle.history(model) if each.files == lifecycle.files(model)]
        is_own = bool(past) and past[-1].by == "user" and past[-1].was == "serving"
        reason = allowed(standing, is_own)
        made = lifecycle.move(model, state, by="user", why=reason, evidence=standing.evidence)
    if made is None:
        click.echo(f"{model} is in the state {state} already.")
    else:
        click.echo(f"{model}: {made.was} -> {made.becomes}")
