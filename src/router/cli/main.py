"""The command ``router``: which commands there are, and how every error ends.

Exit codes: 0 well, 1 failed, 2 wrong usage, 130 interrupted. A command is imported when it is called, so that
``router --help`` stays fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from ..errors import RouterError

__all__ = ["main"]

# name -> (module, function, first line of its help)
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "route": ("route", "route", "Decide and answer requests, in a live table."),
    "decide": ("decide", "decide", "Decide for every row of a file, as JSON lines."),
    "explain": ("explain", "explain", "Show why a request goes where it goes."),
    "models": ("models", "models", "List, show, verify and build models."),
    "train": ("train", "train", "Train a local model on labelled rows."),
    "eval": ("eval", "evaluate", "Measure a local model on labelled rows."),
    "calibrate": ("calibrate", "calibrate", "Set what a local model may promise."),
    "policy": ("policy", "policy", "Check, test and compare policies."),
    "replay": ("replay", "replay", "Decide recorded requests again, and prove the decisions."),
    "bench": ("bench", "bench", "Measure routing on recorded outcomes."),
    "train-quality": ("train_quality", "train_quality", "Learn answer quality from outcomes."),
    "spend": ("spend", "spend", "Say what was spent, and how one request came to its price."),
    "advise": ("advise", "advise", "Say what a local model could take over, and what that saves."),
    "scan": ("scan", "scan", "Give the same verdict from logs of other tools."),
    "savings": ("savings", "savings", "Compare the bill with each model alone, with intervals."),
    "ledger": ("ledger", "ledger", "Show, export and verify the records of requests."),
    "init": ("init", "init", "Write a commented router.yaml."),
    "serve": ("serve", "serve", "Run the sidecar for OpenAI's and Anthropic's clients."),
    "keys": ("keys", "keys", "Make and check API keys for the sidecar."),
    "chaos": ("chaos", "chaos", "Try any gateway between faulty upstreams."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        module, name, _ = found
        command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, _, help_line) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda c, _, v: _version(c, v),
    help="Show the version.",
)
@click.option("--traceback", is_flag=True, expose_value=False, help="Show where an unexpected error comes from.")
def cli() -> None:
    """An LLM router that knows when an LLM is not needed."""


def _version(context: click.Context, is_asked: bool) -> None:
    if not is_asked:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        print(f"router {version('guide-router')}")
    except PackageNotFoundError:
        print("router, run from its source tree")
    context.exit()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="router", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130
    except RouterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough (`router decide ... | head`); the interpreter must not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if "--traceback" in (sys.argv if arguments is None else arguments):
            raise
        print(f"error: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        print("See where it comes from with: router --traceback COMMAND ...", file=sys.stderr)
        return 1
    return result if isinstance(result, int) else 0
