import socket

import pytest
import pytest_asyncio
from tenacity.wait import wait_none

from router.backends.openai import OpenAIBackend
from router.backends.run import Dispatcher
from router.selection.attempts import Pacing


@pytest.fixture(autouse=True)
def no_calls_beyond_this_machine(monkeypatch):
    """A real provider is never called from a test: sockets connect to the loopback address only."""

    def guarded(connect):
        def checked(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
                raise OSError(f"a test tried to call {address[0]}")
            return connect(self, address)

        return checked

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


@pytest_asyncio.fixture
async def make_dispatcher():
    """Dispatchers over the deployments given, without waits, closed at the end of the test."""
    made = []

    def make(*deployments, **fields):
        fields.setdefault("backends", {"openai": OpenAIBackend(reach="loopback")})
        fields.setdefault("pacing", Pacing(wait=wait_none()))
        dispatcher = Dispatcher(deployments=deployments, **fields)
        made.append(dispatcher)
        return dispatcher

    yield make
    for dispatcher in made:
        await dispatcher.aclose()
