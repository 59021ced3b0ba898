"""The first reading of requests, from its file and the word vectors that ship."""

from __future__ import annotations

from pathlib import Path

from ..signals.learned import Understanding, understanding_from_arrays
from .files import read_arrays
from .static import shipped_encoder

__all__ = ["load_understanding"]


def load_understanding(path: Path, *, sha256: str | None = None) -> Understanding:
    """The detector of tasks and risks in ``path``, checked.

    Raises:
        ModelFileError: missing, changed, or trained with other word vectors than those that ship.
    """
    return understanding_from_arrays(*read_arrays(path, sha256=sha256), shipped_encoder().table)
