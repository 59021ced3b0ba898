from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy.typing as npt

from .catalogue import Deployment
from .types import Candidate

VERSION: int

_Array = npt.NDArray[Any]

# What task_scores takes behind data: head, tail, words, chars, wide, edge, bits; table, weights, bias; layer.
_Tasks = tuple[int, int, int, int, int, int, int, _Array, _Array, _Array, tuple[Any, ...] | None]
# What worst_windows takes behind data: bits, size, step; table, scale, bias.
_Windows = tuple[int, int, int, _Array, _Array, _Array]

def task_scores(data: bytes, /, *tasks: *_Tasks) -> tuple[float, ...]: ...
def softmax(scores: tuple[float, ...], temperature: float, /) -> tuple[float, ...]: ...
def worst_windows(data: bytes, /, *windows: *_Windows) -> tuple[tuple[float, int, int], ...]: ...
def reader(
    *arguments: *tuple[*_Tasks, float, *_Windows, _Array],
) -> object: ...
def read(
    reader: object, data: bytes, /
) -> tuple[tuple[float, ...], tuple[tuple[float, int, int], ...], tuple[float, ...], tuple[float, ...]]: ...
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
def lazy_signals(signal: type, unknown: object, /) -> type: ...
def rule_signals(rule: type, signal: object, /) -> None: ...
def candidate_fields(candidate: type, estimate: type, /) -> object: ...
def hosted_rows(fields: object, rows: list[tuple[Any, ...]], /) -> object: ...
def hosted(
    rows: object,
    sent: float,
    expected: float,
    most: float,
    size: float,
    wanted: float,
    most_usd: float,
    most_ms: float,
    needs: frozenset[str],
    apart: frozenset[str],
    measured: Mapping[str, float],
    tails: Mapping[str, float],
    check: Callable[[Deployment], Candidate],
    /,
) -> list[Candidate] | None: ...
def ordered(
    fields: object,
    found: tuple[Candidate, ...],
    places: dict[str, int],
    local: int,
    quality: float,
    cost: float,
    latency: float,
    /,
) -> list[Candidate] | None: ...
