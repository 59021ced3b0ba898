"""What the C library keeps of memory that is free: as little as it can be told to (glibc's
https://man7.org/linux/man-pages/man3/mallopt.3.html and malloc_trim(3)); elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import gc

__all__ = ["give_back", "share_arena", "trim"]

_M_ARENA_MAX = -8


def share_arena() -> None:
    """All threads allocate from one arena: Python lets one of them run at a time, and each arena keeps free memory of
    its own. Called before other threads allocate."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Collect garbage, and return free pages to the system: much is needed only to start, or to reload. Takes some
    milliseconds."""
    gc.collect()
    trim()


def trim() -> None:
    """Return free pages to the system: what many requests at once needed stays with the C library else."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
