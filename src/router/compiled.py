"""What was compiled of C, or None where it could not be: then Python does the same work, slower."""

from __future__ import annotations

try:
    from . import _ngrams as compiled
except ImportError:
    compiled = None  # type: ignore[assignment]
else:
    if getattr(compiled, "VERSION", 0) != 13:  # built from other sources than these: installing anew builds it again
        compiled = None  # type: ignore[assignment]

__all__ = ["compiled"]
