"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import RequestError

if TYPE_CHECKING:
    from ..api import Router

__all__ = ["CONFIG", "POLICY", "open_router", "read_input"]

F = TypeVar("F", bound=Callable[..., Any])

CONFIG = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    help="Config file (default: $ROUTER_CONFIG, else built-in settings).",
)
POLICY = click.option("--policy", "-p", help="Name or file of the policy (default: the config's, else guide).")


def open_router(config: Path | None, policy: str | None) -> Router:
    """A Router as the options say.

    Raises:
        ConfigError: a config, policy or model file is wrong.
    """
    from ..api import Router

    return Router.from_config(config, policy=policy) if config is not None else Router(policy=policy)


def read_input(path: Path | None, text: str | None) -> str:
    """The text of ``--file`` (``-`` is standard input) or of the argument.

    Raises:
        RequestError: unreadable, not UTF-8.
    """
    if path is None:
        return text or ""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode()
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}).", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8.") from error
