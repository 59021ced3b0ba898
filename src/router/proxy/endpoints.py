"""The paths that answer: one way for all, each with its own form of request and answer. Nothing is decided here.

Read by a wire form, bind to the caller, decide, run, write by the same form.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import cache, lru_cache, partial
from importlib import import_module
from typing import Any

from ..backends.stream import SettledStream
from ..errors import RateLimited, RequestError, RouterError, UnknownModel
from ..state.budget import Rate
from ..telemetry import (
    HEADER_CACHE,
    HEADER_COST,
    HEADER_DECISION,
    HEADER_MODEL,
    HEADER_POLICY,
    HEADER_RULE,
    HEADER_TARGET,
    log,
)
from ..types import Decision, Outcome, Record, Request
from ..wire.forms import ReadForm, StreamForm, chat_form, translated
from ..wire.openai import model_list
from .auth import with_caller
from .exchange import Ending, Endpoint, Exchange, Header, Route, unforeseen
from .metrics import Metrics

__all__ = ["answering_routes", "rate_headers", "receipt_headers"]

_MOST_TOGETHER = 64


def _late(module: str, name: str) -> Any:
    """A function of a wire form that is loaded with its first request: most sidecars are spoken to in one of them."""

    @cache
    def loaded() -> Any:
        return getattr(import_module(f"..wire.{module}", __package__), name)

    return lambda *given, **named: loaded()(*given, **named)


_completions: ReadForm = _late("completions", "completions_form")
_responses: ReadForm = _late("responses", "responses_form")
_messages: ReadForm = _late("anthropic", "messages_form")
_anthropic_error = _late("anthropic", "anthropic_error")
_model_page = _late("anthropic", "model_page")


def answering_routes(metrics: Metrics) -> list[Route]:
    """``/v1/chat/completions``, ``/v1/completions``, ``/v1/responses``, ``/v1/messages`` (and its token count), and the
    models."""

    def answering(read: ReadForm) -> Endpoint:
        return lambda exchange: _answer(exchange, read, metrics)

    return [
        Route(path="/v1/chat/completions", methods={"POST": answering(chat_form)}, scope="chat"),
        Route(path="/v1/completions", methods={"POST": answering(_completions)}, scope="chat"),
        Route(path="/v1/responses", methods={"POST": answering(_responses)}, scope="chat"),
        Route(path="/v1/messages", methods={"POST": answering(_messages)}, scope="chat", error=_anthropic_error),
        Route(
            path="/v1/messages/count_tokens",
            methods={"POST": _count_tokens},
            scope="chat",
            error=_anthropic_error,
        ),
        Route(path="/v1/models", methods={"GET": _models}, scope="models"),
        Route(path="/v1/models/*", methods={"GET": _model}, scope="models"),
    ]


async def _answer(exchange: Exchange, read: ReadForm, metrics: Metrics) -> None:
    version, caller = exchange.version, exchange.caller
    engine = version.engine
    clock_s, hints = engine.clock_s, exchange.hints()
    body = exchange.whole_body()
    if body is None:
        body = await exchange.body()
    started_s = clock_s()
    form = read(body, hints=hints, limits=version.limits)
    request = with_caller(caller.bind(form.request), caller, exchange.fields, exchange.all_fields)
    read_s = clock_s()
    exchange.stages = (("read", started_s, read_s),)
    try:
        decision = await engine.admit(request, started_s=started_s)
        decided_s = clock_s()
        metrics.decided(decision, decided_s - started_s)
        exchange.decision = decision
        exchange.stages = (("read", started_s, read_s), ("decide", read_s, decided_s))
        try:
            told = partial(_told, exchange, metrics, decision)
            if request.stream:
                stream = await engine.stream(request, decision, started_s=started_s, on_record=told)
                _name(exchange, request, receipt_headers(stream.decision))
                await _stream(exchange, stream, request, form.stream(), metrics)
                return
            decision, outcome = await engine.complete(request, decision, started_s=started_s, on_record=told)
            _name(exchange, request, receipt_headers(decision, outcome))
            await exchange.answer(translated(form.answer, outcome.body or {}))
        except BaseException:
            # An error answer says who was to answer, too.
            exchange.headers = exchange.headers or receipt_headers(decision)
            raise
    except RateLimited:
        exchange.headers += rate_headers(engine.rates(request))
        raise


def _told(exchange: Exchange, metrics: Metrics, decision: Decision, record: Record) -> None:
    metrics.finished(decision, record.outcome, tenant=record.tenant, is_known=exchange.caller.tenant is not None)
    exchange.record = record


def _name(exchange: Exchange, request: Request, receipt: list[Header]) -> None:
    """Have the answer say who gives it, and what limits leave its caller."""
    rates = exchange.version.engine.rates(request)
    exchange.headers = [*receipt, *rate_headers(rates)] if rates else receipt


async def _stream(
    exchange: Exchange, stream: SettledStream, request: Request, form: StreamForm, metrics: Metrics
) -> None:
    try:
        chunks = aiter(stream)
        # What fails before the first chunk is still an ordinary error answer; a fallback may have begun this one.
        first = await anext(chunks, None)
        _name(exchange, request, receipt_headers(stream.decision, stream.given_before, model=stream.model))
        exchange.open_events()
        await _forward(exchange, stream, first, chunks, form, metrics)
    finally:
        await stream.aclose()


async def _forward(
    exchange: Exchange,
    stream: SettledStream,
    first: Mapping[str, Any] | None,
    chunks: AsyncIterator[Mapping[str, Any]],
    form: StreamForm,
    metrics: Metrics,
) -> None:
    # What came together is sent together: each piece costs a system call.
    held: list[bytes] = []

    def ending(data: bytes) -> bytes:
        return b"".join([*held, data])

    try:
        if first is not None:
            held.append(translated(form.take, first))
            if held[0] and stream.has_ready:
                # Nobody waits for the first token until the rest is read: the loop must turn for it to leave.
                await exchange.event(held.pop())
                await asyncio.sleep(0)
            while True:
                if not stream.has_ready or len(held) >= _MOST_TOGETHER:
                    await exchange.event(b"".join(held))
                    held.clear()
                chunk = await anext(chunks, None)
                if chunk is None:
                    break
                held.append(translated(form.take, chunk))
        last = translated(form.close)
    except RouterError as error:
        # After the first byte there is no error answer any more: the error is an event, and no end follows it.
        metrics.cut()
        exchange.error = error.code
        await exchange.event(ending(form.fail(error)), more=False)
    except asyncio.CancelledError:
        if not exchange.is_gone:
            metrics.cut()
            await exchange.event(ending(form.fail(Ending())), more=False)
        raise
    except Exception:  # noqa: BLE001 as above, for what nobody foresaw: a cut stream must not look complete
        metrics.cut()
        log.exception("stream %s failed unexpectedly", exchange.request_id.decode())
        await exchange.event(ending(form.fail(unforeseen())), more=False)
    else:
        await exchange.event(ending(last), more=False)


def rate_headers(rates: Iterable[Rate]) -> list[Header]:
    """``x-ratelimit-*`` as OpenAI sends them: limit, remaining and time to the reset, of requests and of tokens.

    Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
    """
    found: list[Header] = []
    for rate in rates:
        unit = rate.unit.encode()
        found.append((b"x-ratelimit-limit-%b" % unit, b"%d" % rate.amount))
        found.append((b"x-ratelimit-remaining-%b" % unit, b"%d" % rate.left))
        if rate.resets_s is not None:
            found.append((b"x-ratelimit-reset-%b" % unit, _duration(rate.resets_s)))
    return found


def _duration(seconds: float) -> bytes:
    """``6m0s``, as Go writes it and OpenAI's clients read it; parts of a second are rounded up."""
    whole = math.ceil(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return b"%dh%dm%ds" % (hours, minutes, left)
    return b"%dm%ds" % (minutes, left) if minutes else b"%ds" % left


async def _count_tokens(exchange: Exchange) -> None:
    """``POST /v1/messages/count_tokens``: the router's own estimate."""
    from ..wire.anthropic import messages_form

    hints = exchange.hints()
    body = await exchange.body()
    form = messages_form(body, hints=hints, limits=exchange.version.limits, is_count=True)
    count = exchange.version.engine.observe(form.request)["tokens"].value
    if count is None:
        raise RequestError("the tokens of this request cannot be counted.")
    await exchange.answer({"input_tokens": count.input})


def _listed(exchange: Exchange) -> list[tuple[str, str]]:
    """``auto``, the policies as ``router/NAME``, and every registered model, each with its owner."""
    engine, policy = exchange.version.engine, exchange.caller.policy
    listed = [("auto", "router")]
    listed += [(f"router/{name}", "router") for name in engine.policies if policy in (None, name)]
    listed += [(deployment.name, deployment.backend) for deployment in engine.fleet.deployments.values()]
    listed += [(name, "local") for name in engine.fleet.local]
    listed += [(each.name, each.backend) for each in exchange.version.settings.embeddings]
    return listed


async def _models(exchange: Exchange) -> None:
    """``GET /v1/models``, in Anthropic's form for its clients."""
    listed = _listed(exchange)
    if b"anthropic-version" in exchange.fields:
        await exchange.answer(_model_page([name for name, _ in listed]))
    else:
        await exchange.answer(model_list(listed))


async def _model(exchange: Exchange) -> None:
    """``GET /v1/models/{id}``."""
    for name, owner in _listed(exchange):
        if name == exchange.rest:
            page = b"anthropic-version" in exchange.fields
            await exchange.answer(_model_page([name])["data"][0] if page else model_list([(name, owner)])["data"][0])
            return
    raise UnknownModel(f"there is no model {exchange.rest[:100]!r}.", hint="GET /v1/models lists them.")


def receipt_headers(decision: Decision, outcome: Outcome | None = None, *, model: str | None = None) -> list[Header]:
    """Who answered and why, as headers; ``model`` is who has begun to, where there is no outcome yet. The cost of a
    hosted stream is not known when its headers are sent."""
    target = decision.target
    decisive = ",".join([fired.id for fired in decision.verdict.rules if fired.decisive])
    who = (outcome.model if outcome else model) or target.model
    kind = "llm" if target.kind == "local" and who != target.model else target.kind
    usd = outcome.usd if outcome else 0.0 if kind != "llm" else None
    found = [*_who(who or "", kind, decisive, decision.policy.name), (_DECISION, _printable(decision.id))]
    if outcome is not None and outcome.cached:
        found.append((_CACHE, b"similar" if outcome.similar else b"hit"))
    if usd is not None:
        found.append((_COST, b"%.9f" % usd))
    return found


_CACHE = HEADER_CACHE.encode()
_MODEL, _TARGET, _RULE, _POLICY, _DECISION, _COST = (
    name.encode() for name in (HEADER_MODEL, HEADER_TARGET, HEADER_RULE, HEADER_POLICY, HEADER_DECISION, HEADER_COST)
)


@lru_cache(maxsize=1024)
def _who(model: str, kind: str, rules: str, policy: str) -> tuple[Header, ...]:
    """The few that most answers have."""
    told = ((_MODEL, model), (_TARGET, kind), (_RULE, rules), (_POLICY, policy))
    return tuple((name, _printable(value)) for name, value in told)


def _printable(value: str) -> bytes:
    return value.encode("ascii", "replace") if value.isprintable() else b"?"
