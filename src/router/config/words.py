"""What the settings are written in: money, times, shares, places; strict keys."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ..deployments import Strict, Usd
from ..units import parse_ms, parse_share

__all__ = [
    "Located",
    "Milliseconds",
    "Share",
    "Strict",
    "Usd",
]

Milliseconds = Annotated[float, BeforeValidator(parse_ms), Field(ge=0)]
Share = Annotated[float, BeforeValidator(parse_share), Field(ge=0, le=1)]


class Located(Strict):
    """Something in a file (``path``), or behind an address (``url``, or ``url_env`` where it holds a password)."""

    path: str | None = None
    url: str | None = None
    url_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @field_validator("url")
    @classmethod
    def _has_no_secret(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).password:
            raise ValueError("a password must not stand in the file; put the address into a variable (url_env)")
        return url

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.url, self.url_env)) > 1:
            raise ValueError("only one of path, url and url_env may be given")
        return self

    @property
    def is_memory(self) -> bool:
        """Whether no place is given."""
        return self.path is None and self.url is None and self.url_env is None
