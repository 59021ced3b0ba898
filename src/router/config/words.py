"""What the settings are written in: money, times, shares, places; strict keys."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from ..deployments import Strict, Usd
from ..spec import After, Before, Spec
from ..units import parse_ms, parse_share

__all__ = [
    "Located",
    "Milliseconds",
    "Share",
    "Strict",
    "Usd",
]

Milliseconds = Annotated[float, Before(parse_ms), Spec(ge=0)]
Share = Annotated[float, Before(parse_share), Spec(ge=0, le=1)]


def _has_no_secret(url: str | None) -> str | None:
    if url is not None and urlsplit(url).password:
        raise ValueError("a password must not stand in the file; put the address into a variable (url_env)")
    return url


class Located(Strict, frozen=True, kw_only=True):
    """Something in a file (``path``), or behind an address (``url``, or ``url_env`` where it holds a password)."""

    path: str | None = None
    url: Annotated[str | None, After(_has_no_secret)] = None
    url_env: Annotated[str | None, Spec(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = None

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.path, self.url, self.url_env)) > 1:
            raise ValueError("only one of path, url and url_env may be given")

    @property
    def is_memory(self) -> bool:
        """Whether no place is given."""
        return self.path is None and self.url is None and self.url_env is None
