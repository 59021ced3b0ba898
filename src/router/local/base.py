"""A local model on disk: one directory with a card and the files that the card vouches for.

The room knows where models are and what a trustworthy card looks like; what the arrays mean is each maker's business.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import msgspec

from ..catalogue import LocalCard
from ..errors import ModelFileError
from ..types import LocalModel
from .files import read_bytes

__all__ = [
    "CARD",
    "CardedModel",
    "card_by",
    "checked_file",
    "model_directories",
    "read_card",
    "shipped_directory",
    "write_card",
]

CARD = "card.json"
MAX_CARD_BYTES = 1024 * 1024
MAX_LABELS = 4096

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class CardedModel(LocalModel, Protocol):
    """A local model that was read from a directory, with its card. ``labels`` are in the order of probabilities."""

    @property
    def card(self) -> LocalCard: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


def shipped_directory() -> Path:
    """Where the models that come with the package are, one directory each."""
    return Path(__file__).resolve().parent.parent / "builtin" / "local"


def model_directories(root: Path) -> tuple[Path, ...]:
    """``root`` itself when it holds a card, else its sub-directories that do, by name."""
    if (root / CARD).is_file():
        return (root,)
    if not root.is_dir():
        return ()
    return tuple(sorted(path for path in root.iterdir() if (path / CARD).is_file()))


def read_card(directory: Path) -> LocalCard:
    """The card of the model in ``directory``, checked in itself.

    Raises:
        ModelFileError: missing, oversized, no card, or a card that contradicts itself.
    """
    path = directory / CARD
    data = read_bytes(path, max_bytes=MAX_CARD_BYTES)
    try:
        card = msgspec.json.decode(data, type=LocalCard)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(
            f"this is no card of a local model ({error}).", file=str(path), hint="Train the model again."
        ) from error
    wrong = _contradiction(card)
    if wrong is not None:
        raise ModelFileError(f"the card is wrong: {wrong}.", file=str(path), hint="Train the model again.")
    return card


def card_by(maker: str, directory: Path) -> LocalCard:
    """As :func:`read_card`, of a model that ``maker`` made.

    Raises:
        ModelFileError: as there, or another one made it.
    """
    card = read_card(directory)
    if card.maker != maker:
        raise ModelFileError(
            f"the model {card.name!r} was made by {card.maker!r}, not by {maker!r}.", file=str(directory)
        )
    return card


def write_card(directory: Path, card: LocalCard) -> None:
    """Write the card, readable for people."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")


def checked_file(directory: Path, card: LocalCard, name: str) -> tuple[Path, str]:
    """Path and expected SHA-256 of one of the card's files.

    Raises:
        ModelFileError: the card does not name it.
    """
    expected = card.files.get(name)
    if expected is None:
        raise ModelFileError(
            f"the card names no file {name!r}.", file=str(directory / CARD), hint="Train the model again."
        )
    return directory / name, expected


def _contradiction(card: LocalCard) -> str | None:
    if not _NAME.fullmatch(card.name):
        return f"name {card.name!r} is not made of small letters, digits, '.', '_' and '-'"
    if not 2 <= len(card.labels) <= MAX_LABELS or len(set(card.labels)) != len(card.labels):
        return f"{len(card.labels)} labels; 2 to {MAX_LABELS} different ones are expected"
    if not all(card.labels):
        return "a label is empty"
    if not set(card.aliases) <= set(card.labels):
        return "aliases are given for labels that it does not have"
    thresholds = [(value, f"threshold for {language}") for language, value in card.language_thresholds.items()]
    for value, what in ((card.threshold, "threshold"), (card.ood_threshold, "ood_threshold"), *thresholds):
        if not 0.0 <= value <= 1.01:
            return f"{what} is {value}; 0 to 1 is expected (1.01: never answers)"
    if not card.languages or card.rows < 0:
        return "languages are missing or rows are negative"
    for name, digest in card.files.items():
        if not _PLAIN_NAME.fullmatch(name) or not _SHA256.fullmatch(digest):
            return f"file {name!r} has no plain name or no SHA-256"
    return None
