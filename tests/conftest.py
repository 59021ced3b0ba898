"""What holds for every test: no real provider is called, and no setting of this machine leaks in."""

import os
import socket

import pytest


@pytest.fixture(autouse=True)
def no_calls_beyond_this_machine(monkeypatch):
    """Sockets connect to the loopback address only."""

    def guarded(connect):
        def checked(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
                raise OSError(f"a test tried to call {address[0]}")
            return connect(self, address)

        return checked

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    """Credentials and settings of the router are unset, for processes that a test starts as well."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")) or name.startswith(("ROUTER_", "AWS_", "LITELLM_")):
            monkeypatch.delenv(name)
