"""Settings of the sidecar: where it listens, for whom, and its limits."""

from __future__ import annotations

from typing import Annotated, Literal

from ..spec import Spec
from .words import Strict

__all__ = [
    "AdminSettings",
    "ServerSettings",
    "TlsSettings",
]


class TlsSettings(Strict, frozen=True, kw_only=True):
    """Certificate chain and private key (PEM files); ``client_ca`` asks callers for a certificate signed by it."""

    certificate: str
    key: str
    client_ca: str | None = None


class AdminSettings(Strict, frozen=True, kw_only=True):
    """A listener of its own for metrics, health and reload."""

    host: str = "127.0.0.1"
    port: Annotated[int, Spec(ge=0, le=65535)]


class ServerSettings(Strict, frozen=True, kw_only=True):
    """Where the sidecar listens, who may call it, and how much one caller may ask of it.

    ``keys`` is the file of API keys; without one, nobody is asked for a key, and only the loopback address is listened
    on. Times are seconds. ``watch``: files that change are read again by themselves. ``otel``: traces and metrics go
    where the standard ``OTEL_EXPORTER_OTLP_*`` variables say.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Spec(ge=0, le=65535)] = 8787
    keys: str | None = None
    admin: AdminSettings | None = None
    tls: TlsSettings | None = None
    max_body_bytes: Annotated[int, Spec(ge=1024)] = 16 * 1024 * 1024
    max_header_bytes: Annotated[int, Spec(ge=1024)] = 32 * 1024
    max_messages: Annotated[int, Spec(ge=1)] = 10_000
    max_depth: Annotated[int, Spec(ge=4, le=512)] = 64
    max_in_flight: Annotated[int, Spec(ge=1)] = 1_000
    max_connections: Annotated[int, Spec(ge=1)] = 4_000
    header_timeout_s: Annotated[float, Spec(gt=0)] = 10.0
    body_timeout_s: Annotated[float, Spec(gt=0)] = 60.0
    send_timeout_s: Annotated[float, Spec(gt=0)] = 60.0
    drain_s: Annotated[float, Spec(ge=0)] = 20.0
    watch: bool = True
    log: Literal["text", "json"] = "text"
    access_log: bool = False
    otel: bool = False
