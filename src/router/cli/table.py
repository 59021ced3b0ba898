"""A table that is printed row by row: fixed columns fitted to the terminal once, cells cut to their width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

__all__ = ["Cell", "Column", "Table"]


class Column(NamedTuple):
    """``share`` divides what is left of the width after every column has its least."""

    title: str
    least: int
    share: int = 0
    is_right: bool = False


class Cell(NamedTuple):
    """A text and its rich style."""

    text: str
    style: str = ""


class Table:
    """Lays out rows of cells in ``width`` columns of the terminal."""

    def __init__(self, columns: Sequence[Column], width: int) -> None:
        self._columns = columns
        spare = max(0, width - sum(column.least for column in columns) - 2 * (len(columns) - 1))
        shares = sum(column.share for column in columns) or 1
        self._widths = [column.least + spare * column.share // shares for column in columns]

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
                line.append("  ")
        line.rstrip()
        return line


def _fitted(text: str, width: int, *, is_right: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if is_right else text + " " * (width - length)
