"""Texts that are for no model trained here, to teach what is out of distribution: all written for this project."""

from __future__ import annotations

from pathlib import Path

import msgspec

__all__ = ["outsider_texts"]

# The origins that are sentences for a model of that task; the others are requests to chat assistants.
_TASKS = frozenset({"sentiment", "toxicity"})


def outsider_texts(task: str) -> dict[str, list[str]]:
    """Texts by origin: chat requests of eight kinds, opinions, insults and spam, without those of ``task`` itself."""
    found = msgspec.json.decode(Path(__file__).with_name("outsiders.json").read_bytes(), type=dict[str, list[str]])
    return {origin: texts for origin, texts in found.items() if origin != task or origin not in _TASKS}
