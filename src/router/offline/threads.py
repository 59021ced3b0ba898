"""How many threads numerical libraries use while a model of the default makers is trained: one.

Matrices of a few hundred columns are small: a second BLAS thread waits busily for the first one's few microseconds of
work, which costs more processor time than it saves, and on a busy machine most of the wall time. What runs on two
cores does so on purpose (:mod:`router.offline.label_heads`). With one thread sums are also added in one order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

__all__ = ["on_one_thread"]

P = ParamSpec("P")
R = TypeVar("R")


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with BLAS and OpenMP on one thread while it runs."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with threadpool_limits(limits=1):
            return function(*args, **kwargs)

    return limited
