"""A real OpenAI-compatible server beside a test."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from router.testing.upstream import Answer, Fault, Upstream


class Background:
    """An upstream in a thread of its own; ``script`` takes effect for the next requests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server = Upstream()
        self.url = self._run(self.server.start())

    def script(self, *steps: Answer | Fault) -> None:
        self.server._script[:] = steps
        self.server.received.clear()

    def stop(self) -> None:
        self._run(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)
