"""Users' verdicts on answers, as a file of JSON lines beside the ledger, or in memory; without texts of requests."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from pathlib import Path

import msgspec

from ..errors import ConfigError
from ..types import Feedback

__all__ = ["FeedbackLog", "read_feedback"]


class FeedbackLog:
    """Appends one JSON object a verdict to ``path`` (None: memory only); the newest ``keep`` stay in memory.

    Several processes may append to one file: a line is written in one piece.
    """

    def __init__(self, path: Path | None = None, *, keep: int = 1_000) -> None:
        self._path = path
        self._recent: deque[Feedback] = deque(maxlen=keep)

    async def append(self, feedback: Feedback) -> None:
        """Keep one verdict.

        Raises:
            ConfigError: the file cannot be written.
        """
        self._recent.append(feedback)
        if self._path is not None:
            await asyncio.to_thread(self._write, msgspec.json.encode(feedback) + b"\n")

    def tail(self, count: int) -> list[Feedback]:
        """The newest verdicts of this process, oldest first."""
        return list(self._recent)[-count:] if count > 0 else []

    def _write(self, line: bytes) -> None:
        assert self._path is not None
        try:
            with self._path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise ConfigError(
                f"feedback cannot be written ({error.strerror}).", file=str(self._path), hint="Check its folder."
            ) from error


def read_feedback(path: Path) -> list[Feedback]:
    """The verdicts in a file, oldest first, none where there is no file; a line that cannot be read is passed over: a
    process may have died while writing it.

    Raises:
        ConfigError: the file cannot be read.
    """
    found = []
    try:
        with path.open("rb") as lines:
            for line in lines:
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    found.append(msgspec.json.decode(line, type=Feedback))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"feedback cannot be read ({error.strerror}).", file=str(path), hint="Check it.") from error
    return found
