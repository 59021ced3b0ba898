"""Active health checks: OpenAI-compatible servers are asked now and then whether they are there.

A server that died is taken out before a request meets it, and used again when it is back. Nothing is generated and
nothing is billed: one GET a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from ..catalogue import Deployment
from ..errors import UpstreamError
from ..state.store import Health
from ..telemetry import DEPLOYMENT_DOWN, DEPLOYMENT_UP, log
from .base import Credential, Reach, check_reach
from .http import HttpPool, head_of, target_of
from .openai_server import DEFAULT_BASE

__all__ = ["HealthCheck", "Probed", "Prober"]

_MAX_BODY_BYTES = 4 * 1024 * 1024


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How servers are asked: ``path`` below their address, each ``every_s``, at most ``timeout_s`` long. After
    ``failures`` in a row a server is down."""

    every_s: float = 30.0
    timeout_s: float = 5.0
    path: str = "/models"
    failures: int = 2


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks say of one deployment. ``failures`` in a row; ``why`` the last one failed."""

    state: Literal["unknown", "up", "down"] = "unknown"
    failures: int = 0
    why: str = ""

    def after(self, why: str, most: int) -> Probed:
        """The state after another check; ``why`` it failed, empty when it did not."""
        if not why:
            return _UP
        failures = self.failures + 1
        return Probed(state="down" if failures >= most else self.state, failures=failures, why=why)


_UNKNOWN, _UP = Probed(), Probed(state="up")


class Prober:
    """Asks the servers of ``deployments`` (those of the backend ``openai``), and tells ``health``.

    Whatever comes says that a server is there, a path that it does not have included; but 5xx, 401 and 403. ``states``
    by deployment.
    """

    def __init__(
        self,
        deployments: Iterable[Deployment],
        health: Health,
        check: HealthCheck,
        *,
        credential: Credential,
        clock: Callable[[], float],
        reach: Reach = "any",
    ) -> None:
        self._health, self._check, self._credential, self._clock, self._reach = health, check, credential, clock, reach
        self._servers: dict[tuple[str, str | None], list[Deployment]] = {}
        for each in deployments:
            if each.backend == "openai" and each.configured:
                self._servers.setdefault((each.api_base or DEFAULT_BASE, each.key_env), []).append(each)
        self._states: dict[str, Probed] = {}
        self._pool: HttpPool | None = None

    @property
    def every_s(self) -> float:
        """Seconds between two checks of a server."""
        return self._check.every_s

    @property
    def states(self) -> Mapping[str, Probed]:
        """What is known by now."""
        return self._states

    async def check(self) -> None:
        """Ask every server once, all at the same time."""
        if self._pool is None or not self._pool.belongs_to(asyncio.get_running_loop()):
            self._pool = HttpPool(connect_timeout_s=self._check.timeout_s, keepalive_s=2 * self._check.every_s)
        await asyncio.gather(*(self._server(self._pool, key, each) for key, each in self._servers.items()))

    def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    async def _server(self, pool: HttpPool, key: tuple[str, str | None], deployments: list[Deployment]) -> None:
        why = await self._why_down(pool, *key, deployments[0])
        for each in deployments:
            before = self._states.get(each.name, _UNKNOWN)
            after = self._states[each.name] = before.after(why, self._check.failures)
            if after.state == "down":
                # Until a few more checks were missed: whoever checks may end, and then requests find out themselves.
                self._health.found_down(each.name, self._clock(), for_s=3.0 * self._check.every_s)
            elif after.state == "up":
                self._health.found_up(each.name)
            if after.state != before.state and after.state == "down":
                log.warning("%s: %s (%s)", DEPLOYMENT_DOWN, each.name, why)
            elif before.state == "down" and after.state == "up":
                log.warning("%s: %s", DEPLOYMENT_UP, each.name)

    async def _why_down(self, pool: HttpPool, base: str, key_env: str | None, like: Deployment) -> str:
        headers = {"Accept": "application/json", "User-Agent": "guide-router"}
        key = self._credential(key_env) if key_env is not None else None
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        try:
            check_reach(self._reach, like)
            target = target_of(base.rstrip("/") + self._check.path)
            async with asyncio.timeout(self._check.timeout_s):
                answer = await pool.send(target, head_of(target, headers, method="GET"), most=_MAX_BODY_BYTES)
        except TimeoutError:
            return "no answer in time"
        except (OSError, ValueError, UpstreamError) as error:
            return type(error).__name__
        return f"HTTP {answer.status}" if answer.status >= 500 or answer.status in (401, 403) else ""
