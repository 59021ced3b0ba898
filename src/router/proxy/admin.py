"""What operators ask: is it alive, is it ready, its metrics, a reload."""

from __future__ import annotations

import asyncio
import os
import signal

from ..errors import NotConfigured
from .exchange import Endpoint, Exchange, Route
from .metrics import CONTENT_TYPE, Metrics
from .serving import Serving

__all__ = ["admin_routes", "health_routes"]


class _NotReady(NotConfigured):
    code = "not_ready"


def health_routes(serving: Serving) -> list[Route]:
    """``/healthz`` (the process answers) and ``/readyz`` (it takes requests: not while it drains). Neither asks for a
    key, and neither tells anything of the config."""

    async def healthz(exchange: Exchange) -> None:
        await exchange.answer({"status": "ok"})

    async def readyz(exchange: Exchange) -> None:
        if serving.is_draining:
            raise _NotReady("the sidecar is ending.")
        await exchange.answer({"status": "ready", "version": serving.current.name})

    return [
        Route(path="/healthz", methods={"GET": healthz}, scope=None, is_light=True),
        Route(path="/readyz", methods={"GET": readyz}, scope=None, is_light=True),
    ]


def admin_routes(serving: Serving, metrics: Metrics, *, is_worker: bool, may_reload: bool) -> list[Route]:
    """``/metrics``, and ``/admin/reload`` where ``may_reload``; keys need the scope ``admin`` for both.

    ``is_worker``: the reload is for the other workers too, which their parent tells.
    """

    async def show(exchange: Exchange) -> None:
        engine = exchange.version.engine
        unhealthy = engine.health.blocked(engine.clock_s())
        text = metrics.render(
            in_flight=serving.in_flight,
            tasks=len(asyncio.all_tasks()),
            unhealthy={name: name in unhealthy for name in engine.fleet.deployments},
            local=engine.lifecycle.states(),
        )
        await exchange.answer_text(text, (b"content-type", CONTENT_TYPE))

    async def reload(exchange: Exchange) -> None:
        version = await serving.reload()
        if is_worker:
            os.kill(os.getppid(), signal.SIGHUP)
        await exchange.answer({"version": version.name, "number": version.number})

    found: dict[str, dict[str, Endpoint]] = {"/metrics": {"GET": show}}
    if may_reload:
        found["/admin/reload"] = {"POST": reload}
    return [Route(path=path, methods=methods, scope="admin", is_light=True) for path, methods in found.items()]
