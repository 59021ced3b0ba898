from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

VERSION: int

_Array = npt.NDArray[Any]

def task_scores(
    data: bytes,
    head: int,
    tail: int,
    words: int,
    chars: int,
    wide: int,
    edge: int,
    bits: int,
    table: _Array,
    weights: _Array,
    bias: _Array,
    layer: tuple[Any, ...] | None,
    /,
) -> tuple[float, ...]: ...
def softmax(scores: tuple[float, ...], temperature: float, /) -> tuple[float, ...]: ...
def worst_windows(
    data: bytes,
    bits: int,
    size: int,
    step: int,
    table: _Array,
    scale: _Array,
    bias: _Array,
    /,
) -> tuple[tuple[float, int, int], ...]: ...
def reader(
    head: int,
    tail: int,
    words: int,
    chars: int,
    wide: int,
    edge: int,
    bits: int,
    table: _Array,
    weights: _Array,
    bias: _Array,
    layer: tuple[Any, ...] | None,
    temperature: float,
    window_bits: int,
    size: int,
    step: int,
    risk_table: _Array,
    risk_scale: _Array,
    risk_bias: _Array,
    /,
) -> object: ...
def read(reader: object, data: bytes, /) -> tuple[tuple[float, ...], tuple[tuple[float, int, int], ...]]: ...
def label_scores(
    data: bytes,
    words: int,
    chars: int,
    bits: int,
    table: _Array,
    scale: _Array,
    bias: _Array,
    known: _Array,
    /,
) -> tuple[tuple[float, ...], float, float, float] | None: ...
def word_sum(data: bytes, keys: _Array, vectors: _Array, /) -> bytes | None: ...
def census(data: bytes, /) -> tuple[int, int, int, int, int, int, int, int]: ...
def words(words: list[str], bits: list[int], /) -> object: ...
def word_groups(words: object, data: bytes, /) -> tuple[int, frozenset[str], bool]: ...
def word_count(data: bytes, /) -> int: ...
def near(text: str, words: Iterable[str], reach: int, /) -> str: ...
def phrases(phrases: list[str], /) -> object: ...
def phrases_in(phrases: object, data: bytes, /) -> tuple[str, ...]: ...
