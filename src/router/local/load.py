"""A model directory -> the model in it, whatever its maker."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError
from .base import CARD, CardedModel, read_card

__all__ = ["load_local_model"]


def load_local_model(directory: Path) -> CardedModel:
    """The model in ``directory``, its files checked against its card.

    Raises:
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
        MissingExtra: the maker needs a package that is not installed.
    """
    maker = read_card(directory).maker
    if maker == "linear":
        from .linear import load_linear

        return load_linear(directory)
    if maker == "embedding":
        from .embedding import load_embedding

        return load_embedding(directory)
    if maker == "encoder":
        from .encoder import load_encoder

        return load_encoder(directory)
    if maker == "neighbours":
        from .neighbours import load_neighbours

        return load_neighbours(directory)
    if maker == "huggingface":
        from .heads import load_heads

        return load_heads(directory)
    raise ModelFileError(f"nothing here reads models of the maker {maker!r}.", file=str(directory / CARD))
