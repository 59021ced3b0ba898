"""What each path does: decode by a wire codec, ask the engine, encode. Nothing is decided here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from ..engine import Engine, EngineStream
from ..errors import RouterError
from ..telemetry import (
    HEADER_COST,
    HEADER_DECISION,
    HEADER_MODEL,
    HEADER_POLICY,
    HEADER_RULE,
    HEADER_TARGET,
    log,
)
from ..types import Decision, Outcome, Request
from ..wire.hints import read_headers
from ..wire.jsonbody import Limits
from ..wire.openai import error_body, model_list, read_chat
from ..wire.sse import DONE, encode_event
from .app import App, Exchange, Header, unforeseen

__all__ = ["app"]

_encode = msgspec.json.Encoder().encode
_DONE = encode_event(DONE)


def app(engine: Engine, *, max_body_bytes: int) -> App:
    """The sidecar's application around one engine."""
    endpoints = _Endpoints(engine, Limits(max_bytes=max_body_bytes))
    return App(
        {
            "/v1/chat/completions": {"POST": endpoints.chat},
            "/v1/models": {"GET": endpoints.models},
            "/healthz": {"GET": endpoints.healthz},
        },
        started=_nothing,
        stopped=engine.aclose,
        max_body_bytes=max_body_bytes,
    )


class _Endpoints:
    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine, self._limits = engine, limits

    async def chat(self, exchange: Exchange) -> None:
        """``POST /v1/chat/completions``: https://platform.openai.com/docs/api-reference/chat/create"""
        hints = read_headers(exchange.scope["headers"])
        body = await exchange.body()
        started_s = self._engine.clock_s()
        request = read_chat(body, hints=hints, limits=self._limits)
        task = asyncio.current_task()
        gone = False

        async def watch() -> None:
            nonlocal gone
            await exchange.disconnected()
            gone = True
            if task is not None:
                task.cancel()

        watching = asyncio.create_task(watch())
        try:
            await self._chat(exchange, request, started_s)
        except asyncio.CancelledError:
            if not gone:
                raise
            # The client has gone: the upstream was stopped on the way out, and nobody is left to answer.
            if task is not None:
                task.uncancel()
        finally:
            watching.cancel()

    async def _chat(self, exchange: Exchange, request: Request, started_s: float) -> None:
        decision = await self._engine.adecide(request)
        exchange.headers = _receipt(decision)
        if request.stream:
            await self._stream(exchange, await self._engine.stream(request, decision, started_s=started_s))
            return
        decision, outcome = await self._engine.complete(request, decision, started_s=started_s)
        exchange.headers = _receipt(decision, outcome)
        await exchange.answer(outcome.body)

    async def _stream(self, exchange: Exchange, stream: EngineStream) -> None:
        try:
            chunks = aiter(stream)
            # What fails before the first chunk is still an ordinary error answer.
            first = await anext(chunks, None)
            await exchange.open_events()
            if first is not None:
                await exchange.event(_event(first))
                await _forward(exchange, chunks)
        finally:
            await stream.aclose()

    async def models(self, exchange: Exchange) -> None:
        """``GET /v1/models``: ``auto``, the policies as ``router/NAME``, and every registered model."""
        engine = self._engine
        listed = [("auto", "router")]
        listed += [(f"router/{name}", "router") for name in engine.policies]
        listed += [(deployment.name, deployment.backend) for deployment in engine.fleet.deployments.values()]
        listed += [(name, "local") for name in engine.fleet.local]
        await exchange.answer(model_list(listed))

    async def healthz(self, exchange: Exchange) -> None:
        """``GET /healthz``: the process answers."""
        await exchange.answer({"status": "ok"})


async def _forward(exchange: Exchange, chunks: AsyncIterator[Mapping[str, Any]]) -> None:
    try:
        async for chunk in chunks:
            await exchange.event(_event(chunk))
    except RouterError as error:
        # After the first byte there is no error answer any more: the error is an event, and no [DONE] follows it.
        await exchange.event(_event(error_body(error)), more=False)
    except Exception:  # noqa: BLE001 as above, for what nobody foresaw: a cut stream must not look complete
        log.exception("stream %s failed unexpectedly", exchange.request_id.decode())
        await exchange.event(_event(error_body(unforeseen())), more=False)
    else:
        await exchange.event(_DONE, more=False)


async def _nothing() -> None:
    return


def _event(data: Any) -> bytes:
    return encode_event(_encode(data))


def _receipt(decision: Decision, outcome: Outcome | None = None) -> list[Header]:
    """Who answered and why, as headers. The cost of a hosted stream is not known when its headers are sent."""
    target = decision.target
    model = (outcome.model if outcome else None) or target.model or ""
    decisive = [fired.id for fired in decision.verdict.rules if fired.decisive]
    usd = outcome.usd if outcome else 0.0 if target.kind != "llm" else None
    pairs = [
        (HEADER_MODEL, model),
        (HEADER_TARGET, target.kind),
        (HEADER_RULE, ",".join(decisive)),
        (HEADER_POLICY, decision.policy.name),
        (HEADER_DECISION, decision.id),
    ]
    if usd is not None:
        pairs.append((HEADER_COST, f"{usd:.9f}"))
    return [(name.encode(), _printable(value)) for name, value in pairs]


def _printable(value: str) -> bytes:
    return value.encode("ascii", "replace") if value.isprintable() else b"?"
