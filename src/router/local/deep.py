"""The encoder of the deep reading, from the package ``guide-router-deep`` or a directory: files checked, then run.

A directory holds ``card.json``, ``encoder.onnx`` and ``tokenizer.json``; the card names the hashes of the other two and
what the scores mean (:class:`router.signals.deep.DeepFacts`).
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, ModelFileError
from ..signals.deep import DeepFacts, Score
from .encoder import GRAPH_FILE, MAX_GRAPH_BYTES, MAX_TOKENIZER_BYTES, TOKENIZER_FILE, Graph
from .files import read_bytes

__all__ = ["CARD_FILE", "DeepCard", "deep_directory", "load_deep", "read_deep_card", "shortened"]

CARD_FILE = "card.json"
PACKAGE = "guide_router_deep"
# Of a longer text only so many characters at its beginning and end are made into tokens.
HEAD, TAIL = 3000, 2000


class DeepCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a deep reading is: its files' SHA-256, what it was made from, and ``facts``."""

    name: str
    files: dict[str, str]
    licence: str
    facts: DeepFacts
    base: str = ""
    rows: int = 0
    seed: int = 0
    sources: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    kept_back: dict[str, Any] = {}


def deep_directory() -> Path | None:
    """Where the installed package keeps its files; None when it is not installed. Nothing of it is run."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (Path(place) / CARD_FILE).is_file():
            return Path(place)
    return None


def read_deep_card(directory: Path) -> DeepCard:
    """The card of a deep reading.

    Raises:
        ModelFileError: it is missing or cannot be read.
    """
    path = directory / CARD_FILE
    try:
        card = msgspec.json.decode(read_bytes(path), type=DeepCard)
    except msgspec.MsgspecError as error:
        raise ModelFileError(
            f"the card cannot be read ({error}).", file=str(path), hint="Install guide-router-deep again."
        ) from error
    facts = card.facts
    if not (8 <= facts.tail_tokens + 8 <= facts.max_tokens <= 512) or set(facts.mixes) != set(facts.risks):
        raise ModelFileError("the card's facts do not fit together.", file=str(path), hint="Train the model again.")
    return card


def shortened(text: str) -> str:
    """What is made into tokens of a text, in training as in service."""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


def load_deep(directory: Path | None, *, at_once: int = 2, wait_s: float = 0.1) -> tuple[DeepCard, Score]:
    """The card and the scoring function of the deep reading in ``directory``, by default in the installed package.

    Threads may share the function; each call runs on one core. At most ``at_once`` run at the same time, and one that
    has waited ``wait_s`` seconds for its turn raises TimeoutError.

    Raises:
        ConfigError: there is no directory and the package is not installed.
        MissingExtra: ``onnxruntime`` or ``tokenizers`` is not installed.
        ModelFileError: anything missing, tampered with, truncated, oversized or not fitting together.
    """
    place = directory or deep_directory()
    if place is None:
        raise ConfigError(
            "understanding.deep needs the package guide-router-deep, which is not installed.",
            hint="Install it (in a checkout: pip install ./deep), name a directory in understanding.model, or set "
            "understanding: {deep: off}.",
        )
    card = read_deep_card(place)
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        if name not in card.files:
            raise ModelFileError(f"the card names no hash for {name}.", file=str(place / CARD_FILE))
    path, facts = place / GRAPH_FILE, card.facts
    graph = Graph(
        read_bytes(path, sha256=card.files[GRAPH_FILE], max_bytes=MAX_GRAPH_BYTES),
        read_bytes(place / TOKENIZER_FILE, sha256=card.files[TOKENIZER_FILE], max_bytes=MAX_TOKENIZER_BYTES),
        max_tokens=facts.max_tokens,
        tail_tokens=facts.tail_tokens,
        file=str(path),
    )

    turns = threading.BoundedSemaphore(at_once)

    def score(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        cut = [shortened(text) for text in texts]
        if not turns.acquire(timeout=wait_s):
            raise TimeoutError(f"no turn within {wait_s:g} s for a deep reading")
        try:
            return graph.run(cut)[0]
        finally:
            turns.release()

    columns = score(["a text"]).shape[1]
    if columns != len(facts.tasks) + len(facts.risks):
        raise ModelFileError(
            f"the graph gives {columns} scores, the card names {len(facts.tasks) + len(facts.risks)}.",
            file=str(path),
            hint="Train the model again.",
        )
    return card, score
