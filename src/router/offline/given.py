"""Texts and labels as a caller gives them to a classifier -> rows to train on, with notes on what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import RequestError
from ..signals.language import LANGUAGES
from .rows import Rows, count_labels, is_missing, writable

__all__ = ["LEAST_ROWS", "checked_languages", "given_rows", "text_list"]

LEAST_ROWS = 24
_LEAST_OF_LABEL = 4
_MOST_LABELS = 1000


def text_list(texts: Any) -> list[str]:
    """The texts of any sequence of them.

    Raises:
        RequestError: one text alone, or something that is no text.
    """
    if isinstance(texts, str | bytes):
        raise RequestError("one text is given; a list of texts is expected.", hint="Put it in a list: [text].")
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise RequestError(f"text {index} is {_told(text)}, no text.", hint="Leave such rows out, or convert them.")
    return [str(text) for text in found]


def given_rows(texts: Any, labels: Any, hosted: Iterable[str], languages: Iterable[str]) -> tuple[Rows, list[str]]:
    """Rows with a text and a label of at least four rows, and notes on the others.

    Raises:
        RequestError: too few rows, fewer than two labels, labels that look like free text, lists of other lengths.
    """
    said, told = text_list(texts), [_label(label, index) for index, label in enumerate(labels)]
    answers, spoken = tuple(map(str, hosted)), tuple(map(str, languages))
    if len(said) != len(told):
        raise RequestError(f"{len(said)} texts and {len(told)} labels: one label a text is expected.")
    for name, values in (("hosted", answers), ("languages", spoken)):
        if values and len(values) != len(said):
            raise RequestError(f"{len(said)} texts and {len(values)} {name}: one a text, or none.", param=name)
    rows, notes = Rows(texts=tuple(said), labels=tuple(told), hosted=answers, languages=spoken), []
    blank = sum(not text.strip() for text in said)
    if blank:
        notes.append(f"{blank:,} texts without a letter were left out.")
        rows = rows.pick([index for index, text in enumerate(said) if text.strip()])
    counts = count_labels(rows)
    rare = {label for label, count in counts.items() if count < _LEAST_OF_LABEL}
    if len(rare) > len(counts) / 2 and len(counts) > min(_MOST_LABELS, max(LEAST_ROWS, len(rows) / 3)):
        raise RequestError(
            f"{len(counts):,} different labels for {len(rows):,} rows look like free text, not like labels.",
            hint="Name the right column with --label.",
        )
    if rare:
        lost = sum(counts[label] for label in rare)
        shown = ", ".join(sorted(rare)[:8]) + (" ..." if len(rare) > 8 else "")
        notes.append(f"Labels with fewer than {_LEAST_OF_LABEL} rows were left out: {shown} ({lost} rows).")
        rows = rows.pick([index for index, label in enumerate(rows.labels) if label not in rare])
    if len(counts) - len(rare) < 2:
        held = ", ".join(f"{label[:40]!r}: {count:,}" for label, count in list(counts.items())[:6])
        raise RequestError(
            f"{len(counts) - len(rare)} label(s) with at least {_LEAST_OF_LABEL} rows; two or more are needed"
            f"{f' (rows by label: {held})' if held else ''}.",
            hint="Check the label column, or add rows.",
        )
    if len(rows) < LEAST_ROWS:
        raise RequestError(
            f"{len(rows)} rows are too few to train, calibrate and test: at least {LEAST_ROWS} are needed.",
            hint="Some hundred rows a label make a useful model.",
        )
    return rows, notes


def checked_languages(codes: Iterable[str]) -> tuple[str, ...]:
    """The codes, each once.

    Raises:
        RequestError: one that no text is ever recognised as: the model would answer none.
    """
    found = tuple(dict.fromkeys(code.strip().lower() for code in codes))
    for code in found:
        if code not in LANGUAGES:
            raise RequestError(
                f"no language that texts are recognised as has the code {code!r}.",
                param="languages",
                hint=f"Codes: {', '.join(LANGUAGES)}.",
            )
    return found


def _label(label: Any, index: int) -> str:
    if is_missing(label) or isinstance(label, list | tuple | dict | set) or np.ndim(label):
        raise RequestError(f"the label of text {index} is {_told(label)}.", hint="One label a text is expected.")
    return writable(str(label))


def _told(value: Any) -> str:
    return "None" if value is None else f"{str(value)[:40]} ({type(value).__name__})"
