import pytest_asyncio
from tenacity.wait import wait_none

from router.backends.openai import OpenAIBackend
from router.backends.run import Dispatcher
from router.selection.plan import Pacing


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
