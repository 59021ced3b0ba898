"""Options of the commands that read labelled rows and make promises."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import ConfigError, UnknownModel

if TYPE_CHECKING:
    from ..local.base import CardedModel
    from ..offline.reading import LabelledFile

__all__ = [
    "COLUMNS",
    "PROMISE",
    "check_output",
    "columns_of",
    "goal_fields",
    "model_directory",
    "open_model",
    "rows_of",
    "written_to",
]

F = TypeVar("F", bound=Callable[..., Any])


def COLUMNS(command: F) -> F:  # noqa: N802 used as a decorator beside CONFIG and POLICY
    """``--text``, ``--label``, ``--hosted``, ``--language``, ``--encoding``."""
    for option in (
        click.option("--encoding", help="Encoding of the file (default: recognised)."),
        click.option("--language", help="Column of the language."),
        click.option("--hosted", help="Column of a hosted model's answers."),
        click.option("--label", help="Column of the label."),
        click.option("--text", help="Column of the text."),
    ):
        command = option(command)
    return command


def PROMISE(command: F) -> F:  # noqa: N802
    """``--max-error``, ``--keep``, ``--of``, ``--confidence``."""
    for option in (
        click.option("--confidence", type=float, default=0.95, show_default=True, help="Confidence of the promise."),
        click.option("--of", type=click.Choice(["hosted"]), help="What --keep is measured against."),
        click.option("--keep", type=float, help="Be right at least this often compared with the hosted model, 0 to 1."),
        click.option("--max-error", type=float, default=0.05, show_default=True, help="Most wrong answers, 0 to 1."),
    ):
        command = option(command)
    return command


def columns_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for :func:`router.offline.reading.read_labelled`."""
    return {name: options[name] for name in ("text", "label", "hosted", "language", "encoding")}


def goal_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for a promise."""
    keep = options["keep"]
    of = options["of"] or ("hosted" if keep is not None else None)
    return {"max_error": options["max_error"], "confidence": options["confidence"], "keep": keep, "of": of}


def check_output(directory: Path) -> None:
    """Whether a directory can be written or made there: known before the work that would be lost.

    Raises:
        ConfigError: it cannot.
    """
    place = directory.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigError("this is no directory.", file=str(place), hint="Name another with --out.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError("the directory cannot be written to.", file=str(place), hint="Name another with --out.")


def rows_of(model: CardedModel, path: Path, columns: Mapping[str, Any], *, clean: bool = True) -> LabelledFile:
    """The rows of a file as ``model`` reads them: pairs, entities, spans and numbers are rows of other fields.

    Raises:
        ConfigError, RequestError: the file cannot be read, or has no such rows.
    """
    from ..offline.examples import judged_rows, read_examples
    from ..offline.reading import LabelledFile, read_labelled

    if model.card.head == "labels":
        return read_labelled(path, **columns, clean=clean)
    rows = judged_rows(model, read_examples(path, model.card.head))
    if not len(rows):
        raise ConfigError("the file has no rows.", file=str(path))
    return LabelledFile(rows=rows)


@contextmanager
def written_to(directory: Path) -> Iterator[None]:
    """Within, a file that cannot be written is an error of the directory.

    Raises:
        ConfigError: one could not be written.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"the model cannot be written ({error.strerror}).", file=str(directory), hint="Name another with --out."
        ) from error


def model_directory(model: str, config: Path | None = None) -> Path:
    """The directory that ``model`` names: a path, or the name of a model that ``config`` names or that is shipped.

    Raises:
        UnknownModel: neither. ConfigError: ``config`` is wrong. ModelFileError: a card there is.
    """
    from ..local.base import CARD, model_directories, read_card, shipped_directory
    from .options import settings_of

    path = Path(model)
    if (path / CARD).is_file():
        return path
    names = {folder.name: folder for folder in model_directories(shipped_directory())}
    settings = settings_of(config)
    for written in settings.local_models.paths:
        names |= {read_card(folder).name: folder for folder in model_directories(Path(settings.directory) / written)}
    if model in names:
        return names[model]
    raise UnknownModel(
        f"{model!r} is neither a directory with a card.json nor a model that is registered here.",
        hint=f"There are: {', '.join(sorted(names))}.",
    )


def open_model(model: str) -> CardedModel:
    """The model that ``model`` names, its files checked.

    Raises:
        UnknownModel, ModelFileError, MissingExtra.
    """
    from ..local.load import load_local_model

    return load_local_model(model_directory(model))
