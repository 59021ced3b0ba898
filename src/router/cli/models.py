"""``router models``: what could answer on this machine, and whether its files can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .labelled import PROMISE, check_output, written_to
from .lifecycle import demote, history, promote
from .options import CONFIG, POLICY, listed

if TYPE_CHECKING:
    from ..catalogue import HeadKind

_SHOWN = (
    ("rows", ","),
    ("accuracy", ".3f"),
    ("macro_f1", ".3f"),
    ("ece", ".3f"),
    ("coverage", ".1%"),
    ("error_answered", ".1%"),
    ("ood_auroc", ".3f"),
)
_PROMISED = ("max_error", "keep", "of", "confidence")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@CONFIG
@POLICY
@click.pass_context
def models(context: click.Context, as_json: bool, config: Path | None, policy: str | None) -> None:
    """List, show, verify and build models; without a command: list."""
    if context.invoked_subcommand is None:
        _list(as_json, config, policy)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@CONFIG
@POLICY
def list_models(as_json: bool, config: Path | None, policy: str | None) -> None:
    """List the local models with their cards, and the hosted deployments with their prices."""
    _list(as_json, config, policy)


@models.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="The card as JSON.")
@CONFIG
def show(model: str, as_json: bool, config: Path | None) -> None:
    """Show the card of MODEL: a directory, or the name of a shipped model or of one in the config."""
    import sys

    import msgspec

    from ..local.base import read_card
    from .labelled import model_directory

    card = read_card(model_directory(model, config))
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
        return
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=160)
    facts = Table("field", "value", title=card.name, show_header=False)
    labels = ", ".join(card.labels[:30]) + (f" ... ({len(card.labels)})" if len(card.labels) > 30 else "")
    promise = card.promise
    said = f"answers from p >= {card.threshold:.3f}" if card.threshold <= 1.0 else "answers nothing"
    for name, value in (
        ("description", card.description),
        ("maker", f"{card.maker}, {card.latency_us:.0f} us a text"),
        ("task", ", ".join((card.task, *card.also_tasks))),
        ("template", card.template),
        ("labels", labels),
        ("languages", ", ".join(card.languages)),
        ("rows", f"{card.rows:,} (data {card.data_hash[:12]})"),
        ("threshold", said),
        (
            "promise",
            ", ".join(f"{key} {promise[key]}" for key in _PROMISED if key in promise),
        ),
        ("coverage", f"{_written(promise.get('coverage'), '.1%') or 'unknown'} of calibration rows"),
        ("in-distribution", f"from {card.ood_threshold:.3f}"),
        ("licence", card.licence),
        ("sources", "\n".join(card.sources)),
        ("shortcuts", ", ".join(card.shortcuts)),
        ("limits", "\n".join(card.limits)),
    ):
        if value:
            facts.add_row(name, value)
    console.print(facts)
    figures = Table(
        Column("measured on", no_wrap=True),
        "rows",
        "accuracy",
        "macro-F1",
        "ECE",
        "answers",
        "wrong of these",
        "OOD AUROC",
    )
    for data, row in card.metrics.items():
        if isinstance(row, dict) and "accuracy" in row:
            figures.add_row(
                data if row.get("seen_domain", True) else f"{data} (unseen)",
                *(_written(row.get(key), form) for key, form in _SHOWN),
            )
    if figures.row_count:
        console.print(figures)


@models.command()
@click.argument("model", nargs=-1)
def verify(model: tuple[str, ...]) -> None:
    """Check the files of each MODEL (a directory or a shipped name; all shipped ones by default) against its card.

    Exit code 1 when one cannot be trusted.
    """
    from ..errors import RouterError
    from ..local.base import model_directories, shipped_directory
    from .labelled import open_model

    names = model or tuple(folder.name for folder in model_directories(shipped_directory()))
    failed = 0
    for name in names:
        try:
            opened = open_model(name)
            opened.predict(["a text to read"])
        except RouterError as error:
            failed += 1
            click.echo(f"{name}: NOT TRUSTED: {error}")
        else:
            click.echo(f"{name}: ok ({opened.card.maker}, {len(opened.labels)} labels, {len(opened.card.files)} files)")
    if not model:
        failed += _verify_deep()
    if failed:
        raise click.exceptions.Exit(1)


def _verify_deep() -> bool:
    """Whether the encoder of the deep reading is installed and cannot be trusted."""
    from ..errors import RouterError
    from ..local.deep import deep_directory, load_deep

    if deep_directory() is None:
        return False
    try:
        card, _ = load_deep(None)
    except RouterError as error:
        click.echo(f"deep reading: NOT TRUSTED: {error}")
        return True
    click.echo(f"{card.name}: ok (deep reading, {len(card.facts.tasks)} tasks, {len(card.files)} files)")
    return False


@models.command()
@click.argument("name", nargs=-1)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Training sets; with --from-hf: rows.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write one directory a model.")
@click.option("--from-hf", type=click.Path(path_type=Path), help="A fine-tuned Hugging Face directory to serve.")
@click.option("--base", type=click.Path(path_type=Path), help="The network that an adapter was trained on.")
@click.option("--kind", type=click.Choice(["labels", "pair", "entities", "span", "number"]), help="What it answers.")
@click.option("--task", help="Task of the requests it is for (default: by its kind).")
@click.option("--labels", help="Names of its outputs in order, with commas between, where it has none of its own.")
@click.option("--languages", default="en", show_default=True, help="ISO 639-1 codes with commas between.")
@click.option("--licence", default="not stated", help="Licence of the model, for the card.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0.0),
    default=0.5,
    show_default=True,
    help="How far off a right number may be.",
)
@PROMISE
def build(
    name: tuple[str, ...],
    data: Path,
    out: Path,
    from_hf: Path | None,
    base: Path | None,
    kind: HeadKind | None,
    task: str | None,
    labels: str | None,
    languages: str,
    licence: str,
    tolerance: float,
    **promise: Any,
) -> None:
    """Build the models NAME (all shipped ones by default) from their public data sets; also those that do not ship.

    The recipe of a model names its sets; each is DATA/experts_permissive/<set>/train.jsonl.gz
    (or DATA/experts/...) with "text" and "label".

    With --from-hf, write an already fine-tuned network to --out instead, as ONNX in int8 (extra train), calibrated on
    the rows in --data, none of which it was trained on.
    """
    if from_hf is not None:
        if name or promise["keep"] is not None:
            raise click.UsageError("--from-hf takes no NAME and no --keep.")
        check_output(out)
        from ..offline.examples import read_examples
        from ..offline.from_hf import build_from_hf, kind_of
        from ..offline.promise import Goal

        head = kind or kind_of(from_hf, base)
        with written_to(out):
            card = build_from_hf(
                from_hf,
                out,
                read_examples(data, head),
                kind=head,
                task=task,
                base=base,
                labels=listed(labels),
                languages=listed(languages),
                licence=licence,
                tolerance=tolerance,
                goal=Goal(max_error=promise["max_error"], confidence=promise["confidence"]),
            )
        said = f"answers from p >= {card.threshold:.3f}" if card.threshold <= 1.0 else "answers nothing"
        test = card.metrics["test"]
        click.echo(
            f"{card.name}: {card.head}, {said}; right on {test['right']:.1%} of {test['rows']} test rows. "
            f"Written to {out}."
        )
        return
    from ..errors import UnknownModel
    from ..offline.build_shipped import build as build_one
    from ..offline.recipes import RECIPES

    for one in name:
        if one not in RECIPES:
            raise UnknownModel(f"no recipe is called {one!r}.", hint=f"There are: {', '.join(RECIPES)}.")
    check_output(out)
    for one in name or tuple(key for key, recipe in RECIPES.items() if recipe.is_shipped):
        with written_to(out):
            build_one(RECIPES[one], data, out)


for _command in (history, promote, demote):
    models.add_command(_command)


def _list(as_json: bool, config: Path | None, policy: str | None) -> None:
    import sys

    import msgspec
    from rich.console import Console
    from rich.table import Table

    from .options import open_router

    with open_router(config, policy) as router:
        fleet = router.engine.fleet
        deep = _deep(router.engine.detectors["task"])
        if as_json:
            shown = {
                "local": list(fleet.local.values()),
                "states": router.engine.lifecycle.states(),
                "hosted": list(fleet.deployments.values()),
                "deep": deep,
            }
            sys.stdout.buffer.write(
                msgspec.json.format(msgspec.json.encode(shown, order="deterministic"), indent=1) + b"\n"
            )
            return
        wide = Console(highlight=False)
        console = wide if wide.is_terminal else Console(highlight=False, width=150)
        states = router.engine.lifecycle.states()
        columns = ("name", "state", "task", "labels", "languages", "rows", "answers from", "licence")
        local = Table(*columns, title="Local models")
        for card in fleet.local.values():
            labels = ", ".join(card.labels[:4]) + (f" ... ({len(card.labels)})" if len(card.labels) > 4 else "")
            local.add_row(
                card.name,
                states[card.name],
                card.task + (f" ({card.template})" if card.template else ""),
                labels,
                ", ".join(card.languages),
                f"{card.rows:,}",
                f"p >= {card.threshold:.3f}" if card.threshold <= 1.0 else "nothing",
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
        installed, used = deep["installed"], deep["used"]
        package = "guide-router-deep is not installed" if installed is None else f"{installed} is installed"
        said = f"requests are read by {used}" if used else "requests are read by the first reading alone"
        console.print(f"Deep reading: {package}; {said} (understanding.deep in the config).")


def _deep(reads_task: Any) -> dict[str, Any]:
    from ..local.deep import deep_directory, read_deep_card

    place = deep_directory()
    return {
        "installed": None if place is None else read_deep_card(place).name,
        "used": reads_task.name if reads_task.slow else None,
    }


def _written(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else ""


def _per_million(usd: float | None) -> str:
    return "?" if usd is None else f"${usd * 1e6:,.2f}"
