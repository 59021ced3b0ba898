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
    from ..config import Settings

__all__ = ["CONFIG", "POLICY", "config_path", "listed", "open_router", "read_input", "settings_of"]

F = TypeVar("F", bound=Callable[..., Any])

CONFIG = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    help="Config file (default: $ROUTER_CONFIG, else built-in settings).",
)
POLICY = click.option("--policy", "-p", help="Name or file of the policy (default: the config's, else guide).")


def listed(given: str | None) -> tuple[str, ...]:
    """The parts of an option such as ``--models A,B``; none where it was not given."""
    return tuple(part.strip() for part in (given or "").split(",") if part.strip())


def open_router(config: Path | None, policy: str | None) -> Router:
    """A Router as the options say.

    Raises:
        ConfigError: a config, policy or model file is wrong.
    """
    from ..api import Router

    if policy is not None and config_path(config) is not None and Path(policy).is_file():
        policy = str(Path(policy).resolve())  # it is named from here, not from where the config is
    return Router.from_config(config, policy=policy) if config is not None else Router(policy=policy)


def config_path(config: Path | None) -> Path | None:
    """The config file that ``--config`` or ``$ROUTER_CONFIG`` names, None where the built-in settings hold.

    Raises:
        ConfigError: the environment is wrong.
    """
    from ..config import read_environment

    return config or (Path(given) if (given := read_environment().config) else None)


def settings_of(config: Path | None) -> Settings:
    """The settings that ``--config`` or ``$ROUTER_CONFIG`` names, else the built-in ones.

    Raises:
        ConfigError: the file is wrong.
    """
    from ..config import Settings, load_settings

    path = config_path(config)
    return load_settings(path) if path is not None else Settings()


def read_input(path: Path | None, text: str | None) -> str:
    """The text of ``--file`` (``-`` is standard input) or of the argument.

    Raises:
        RequestError: unreadable, not UTF-8.
    """
    if path is None:
        return text or ""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise RequestError(f"{path} cannot be read ({error.strerror}).", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text.", hint="Save it as UTF-8.") from error
