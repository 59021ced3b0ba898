"""Settings of the sidecar: where it listens, for whom, and its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .words import Strict

__all__ = [
    "AdminSettings",
    "ServerSettings",
    "TlsSettings",
]


class TlsSettings(Strict):
    """Certificate chain and private key (PEM files); ``client_ca`` asks callers for a certificate signed by it."""

    certificate: str
    key: str
    client_ca: str | None = None


class AdminSettings(Strict):
    """A listener of its own for metrics, health and reload."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)


class ServerSettings(Strict):
    """Where the sidecar listens, who may call it, and how much one caller may ask of it.

    ``keys`` is the file of API keys; without one, nobody is asked for a key, and only the loopback address is listened
    on. Times are seconds. ``watch``: files that change are read again by themselves. ``otel``: traces and metrics go
    where the standard ``OTEL_EXPORTER_OTLP_*`` variables say.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    keys: str | None = None
    admin: AdminSettings | None = None
    tls: TlsSettings | None = None
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    max_header_bytes: int = Field(default=32 * 1024, ge=1024)
    max_messages: int = Field(default=10_000, ge=1)
    max_depth: int = Field(default=64, ge=4, le=512)
    max_in_flight: int = Field(default=1_000, ge=1)
    max_connections: int = Field(default=4_000, ge=1)
    header_timeout_s: float = Field(default=10.0, gt=0)
    body_timeout_s: float = Field(default=60.0, gt=0)
    send_timeout_s: float = Field(default=60.0, gt=0)
    drain_s: float = Field(default=20.0, ge=0)
    watch: bool = True
    log: Literal["text", "json"] = "text"
    access_log: bool = False
    otel: bool = False
