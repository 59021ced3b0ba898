"""Where the ledger's commands read from, and the moments that they are told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from ..errors import ConfigError, RequestError, RouterError
from .options import CONFIG, settings_of

if TYPE_CHECKING:
    from ..config import LedgerSettings
    from ..state.store import RecordSink
    from ..types import Feedback

__all__ = ["LEDGER", "ZONE", "feedback_of", "ledger_of", "moment", "rows_of", "which_records", "zone_of"]

F = TypeVar("F", bound=Callable[..., Any])
_AGO = re.compile(r"(\d+)\s*(m|h|d|w)")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}

LEDGER = click.option(
    "--ledger", type=click.Path(path_type=Path), help="Read this .jsonl or .db file instead of the config's ledger."
)
ZONE = click.option("--timezone", default="UTC", show_default=True, help="Whose days are meant, e.g. Europe/Berlin.")
_SINCE = click.option("--since", help="From when on: 7d, 24h, 30m ago, or a date such as 2026-11-01.")
_UNTIL = click.option("--until", help="Until when (exclusive), written likewise.")


def which_records(command: F) -> F:
    """The options of a command that reads the records of some time: ``since``, ``until``, ``timezone``, ``ledger`` and
    ``config``."""
    return _SINCE(_UNTIL(ZONE(LEDGER(CONFIG(command)))))


def ledger_of(config: Path | None, ledger: Path | None) -> RecordSink:
    """The ledger that the options name; it is not made where there is none.

    Raises:
        ConfigError: there is none, or it cannot be opened.
    """
    from ..stores import open_sink

    found, directory = _ledger_settings(config, ledger)
    if found.path is not None and not (directory / found.path).is_file():
        raise ConfigError("there is no ledger yet.", file=str(directory / found.path), hint="Answer a request first.")
    return open_sink(found, directory)


def feedback_of(config: Path | None, ledger: Path | None) -> list[Feedback]:
    """Users' verdicts beside the ledger that the options name, oldest first.

    Raises:
        ConfigError: they cannot be read.
    """
    from ..state.feedback import read_feedback
    from ..stores import feedback_path

    path = feedback_path(*_ledger_settings(config, ledger))
    return [] if path is None else read_feedback(path)


def _ledger_settings(config: Path | None, ledger: Path | None) -> tuple[LedgerSettings, Path]:
    if ledger is not None:
        return _settings_of(ledger), Path()
    settings = settings_of(config)
    return settings.ledger, Path(settings.directory)


@contextmanager
def rows_of(source: Path | None, config: Path | None) -> Iterator[Iterator[bytes | RouterError]]:
    """The lines of a file (``-`` is standard input), or the records of a ledger: the ``.db`` file named, and the one of
    ``config`` where none is named.

    Raises:
        ConfigError: there is no such ledger. RouterError: the file cannot be opened.
    """
    from .rows import lines, reading

    if source is None or source.suffix in (".db", ".sqlite"):
        from ..state.ledger import each_once

        with closing(ledger_of(config, source)) as sink:
            yield each_once(sink.scan())
        return
    with reading(source) as stream:
        yield lines(stream)


def _settings_of(path: Path) -> LedgerSettings:
    from ..config import LedgerSettings
    from ..spec import validated

    try:
        return validated(LedgerSettings, {"path": str(path)})
    except ValueError as error:
        raise ConfigError("a ledger's file ends in .jsonl or .db.", file=str(path)) from error


def zone_of(name: str) -> ZoneInfo:
    """The time zone.

    Raises:
        RequestError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise RequestError(f"there is no time zone {name!r}.", hint="Write one such as Europe/Berlin.") from error


def moment(text: str | None, zone: ZoneInfo) -> float | None:
    """Unix seconds of ``7d`` (ago) or of an ISO date or time, in ``zone`` where it names none.

    Raises:
        RequestError: it is neither.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RequestError(f"{text!r} is no moment.", hint="Write 7d, 24h, or a date such as 2026-11-01.") from error
    return (when if when.tzinfo is not None else when.replace(tzinfo=zone)).astimezone(UTC).timestamp()
