"""A local model that is read from disk when it is first asked, so that a router starts fast and holds what it uses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..catalogue import LocalCard
from ..types import LocalModel, Prediction

__all__ = ["OnDemandModel"]


class OnDemandModel:
    """Stands for the model in ``directory``; ``load`` reads and checks it, once.

    A file that cannot be trusted raises ModelFileError at each use: the model then never answers.
    """

    def __init__(self, directory: Path, card: LocalCard, load: Callable[[Path], LocalModel]) -> None:
        self.directory, self.card = directory, card
        self._load = load
        self._model: LocalModel | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name, as its card says."""
        return self.card.name

    @property
    def is_fast(self) -> bool:
        """Whether a text takes under a millisecond, as its card says."""
        return self.card.latency_us < 1000.0

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """See :class:`router.types.LocalModel`.

        Raises:
            ModelFileError: the model's files are missing, tampered with or damaged.
        """
        return (self._model or self._loaded()).predict(texts)

    def _loaded(self) -> LocalModel:
        with self._lock:
            if self._model is None:
                self._model = self._load(self.directory)
            return self._model
