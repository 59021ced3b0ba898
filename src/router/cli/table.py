"""A table that is printed row by row: fixed columns fitted to the terminal once, cells cut to their width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

__all__ = ["Cell", "Column", "Table"]


class Column(NamedTuple):
    """``least`` is the width it wants, ``tight`` what it takes in a narrow terminal; ``share`` divides the rest."""

    title: str
    least: int
    tight: int
    share: int = 0
    is_right: bool = False


class Cell(NamedTuple):
    """A text and its rich style."""

    text: str
    style: str = ""


class Table:
    """Lays out rows of cells in ``width`` columns of the terminal."""

    def __init__(self, columns: Sequence[Column], width: int) -> None:
        gaps = len(columns) - 1
        is_tight = sum(column.least for column in columns) + 2 * gaps > width
        self._columns, self._gap = columns, " " if is_tight else "  "
        widths = [column.tight if is_tight else column.least for column in columns]
        spare = max(0, width - sum(widths) - gaps * len(self._gap))
        shares = sum(column.share for column in columns) or 1
        self._widths = [least + spare * column.share // shares for least, column in zip(widths, columns, strict=True)]

    @property
    def header(self) -> Text:
        """The line of titles."""
        return self.row([Cell(column.title, "bold") for column in self._columns])

    def row(self, cells: Sequence[Cell]) -> Text:
        """One line."""
        line = Text(no_wrap=True, overflow="ignore", end="")
        for index, (cell, column, width) in enumerate(zip(cells, self._columns, self._widths, strict=True)):
            text = _fitted(" ".join(cell.text.split()), width, is_right=column.is_right)
            line.append(text, cell.style)
            if index < len(cells) - 1:
                line.append(self._gap)
        line.rstrip()
        return line


def _fitted(text: str, width: int, *, is_right: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if is_right else text + " " * (width - length)
