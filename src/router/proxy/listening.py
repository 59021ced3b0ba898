"""Where the sidecar listens: sockets, addresses as callers write them, and who can reach them."""

from __future__ import annotations

import ipaddress
import socket

from ..config import Settings
from ..errors import ConfigError

__all__ = ["address_of", "check_public", "is_loopback", "listen"]


def check_public(settings: Settings, *, allow_public: bool) -> None:
    """Refuse to be reachable from other machines without asking for keys.

    Raises:
        ConfigError: a public address without keys, and nobody said that this is meant.
    """
    server = settings.server
    places = [server.host, *([server.admin.host] if server.admin is not None else [])]
    for host in places:
        if not allow_public and server.keys is None and not is_loopback(host):
            raise ConfigError(
                f"{host} can be reached from other machines, and the sidecar would answer anybody.",
                hint="Set up keys (server.keys, router keys new), listen on 127.0.0.1, or say --allow-public behind a "
                "firewall or gateway of your own.",
            )


def listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one. ``is_shared``: several processes may bind it, and the
    kernel spreads connections over them.

    Raises:
        ConfigError: the address is taken or unknown.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except (OSError, OverflowError) as error:
        listener.close()
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"cannot listen on {host}:{port} ({said}).",
            hint="Choose another --host or --port; port 0 takes a free one.",
        ) from error
    return listener


def address_of(listener: socket.socket, *, is_tls: bool) -> str:
    """The address as callers write it."""
    host, port = listener.getsockname()[:2]
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can be meant by ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
