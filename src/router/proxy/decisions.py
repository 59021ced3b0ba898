"""What is told of decisions: decide only, with a quote; the receipt of a decision; a user's verdict on an answer."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from ..errors import RequestError
from ..state.feedback import FeedbackLog
from ..state.learning import completed
from ..types import Decision, Feedback, Record
from ..wire.jsonbody import decoded, shown, wrong
from ..wire.openai import read_row
from .auth import with_caller
from .endpoints import receipt_headers
from .exchange import Exchange, Route
from .metrics import Metrics

__all__ = ["decision_routes"]

_VERDICTS = ("good", "bad")
_LONGEST_ID = 200
MAX_LABEL = 200


class _UnknownDecision(RequestError):
    status = 404
    code = "decision_not_found"


def decision_routes(metrics: Metrics, feedback: FeedbackLog) -> list[Route]:
    """``/v1/route``, ``/v1/receipts/{id}``, ``/v1/feedback``."""

    async def route(exchange: Exchange) -> None:
        """``POST /v1/route``: a chat body or ``{"prompt": TEXT}``; nothing is called and nothing is spent."""
        engine = exchange.version.engine
        hints = exchange.hints()
        body = await exchange.body()
        started_s = engine.clock_s()
        request = exchange.caller.bind(read_row(body, hints=hints, limits=exchange.version.limits))
        request = with_caller(request, exchange.caller, exchange.fields, exchange.all_fields)

        def decide() -> tuple[Decision, str]:
            from ..selection.explain import explain  # with what finds out which change would flip it

            decision = engine.decide(request, all_signals=True)
            return decision, explain(decision, engine.policy_for(request), engine.observe(request)).text

        decision, text = await asyncio.to_thread(decide)
        metrics.decided(decision, engine.clock_s() - started_s)
        exchange.headers = receipt_headers(decision)
        await exchange.answer({"decision": decision, "quote": _quote(decision), "receipt": text})

    async def receipt(exchange: Exchange) -> None:
        """``GET /v1/receipts/{id}``: the decision and what became of it, for its tenant only."""
        record = await _find(exchange, exchange.rest)
        outcome = msgspec.to_builtins(record.outcome)
        # The answer itself belongs to nobody's receipt.
        outcome.pop("body", None)
        await exchange.answer({"decision": record.decision, "outcome": outcome, "tenant": record.tenant})

    async def take(exchange: Exchange) -> None:
        """``POST /v1/feedback``: ``{"decision_id", "verdict": "good" | "bad", "label"}``."""
        body, _ = decoded(await exchange.body(), exchange.version.limits)
        given = _feedback(body)
        engine = exchange.version.engine
        told = completed(given, await _find(exchange, given.decision_id))
        await feedback.append(told)
        if engine.learner is not None:
            engine.learner.take(told)
        await exchange.answer({"decision_id": given.decision_id, "taken": True}, status=201)

    return [
        Route(path="/v1/route", methods={"POST": route}, scope="route"),
        Route(path="/v1/receipts/*", methods={"GET": receipt}, scope="receipts"),
        Route(path="/v1/feedback", methods={"POST": take}, scope="feedback"),
    ]


def _quote(decision: Decision) -> dict[str, Any]:
    """What the answer would cost and take, and what the others would; None is unknown."""
    tokens = decision.signals["tokens"].value if "tokens" in decision.signals else None
    return {
        "model": decision.target.model,
        "target": decision.target.kind,
        **msgspec.to_builtins(decision.estimate),
        "tokens": tokens,
        "alternatives": [
            {
                "model": each.model,
                "target": each.kind,
                **msgspec.to_builtins(each.estimate),
                "lost_by": each.failed,
                "reason": each.reason,
            }
            for each in decision.candidates
            if each.model != decision.target.model
        ],
    }


async def _find(exchange: Exchange, wanted: str) -> Record:
    tenant = exchange.caller.tenant
    is_one = len(wanted) <= _LONGEST_ID and wanted.isascii() and wanted.isprintable()
    record = await asyncio.to_thread(exchange.version.engine.ledger.find, wanted) if is_one else None
    # Another tenant's decision is as unknown as one that never was.
    if record is None or (tenant is not None and record.tenant != tenant):
        raise _UnknownDecision(
            f"there is no decision {wanted[:64]!r}.", hint="Take the id from the header x-router-decision-id."
        )
    return record


def _feedback(body: dict[str, Any]) -> Feedback:
    for key in body:
        if key not in ("decision_id", "verdict", "label"):
            raise RequestError(f"unknown field {shown(key)}.", param=key[:100], hint="Send decision_id and verdict.")
    name, verdict, label = body.get("decision_id"), body.get("verdict"), body.get("label")
    if not isinstance(name, str) or not name:
        raise wrong("decision_id", "text", name)
    if verdict not in _VERDICTS:
        raise RequestError(f"verdict is {shown(verdict)}.", param="verdict", hint="Write good or bad.")
    if label is not None and (not isinstance(label, str) or not label or len(label) > MAX_LABEL):
        raise wrong("label", f"text of at most {MAX_LABEL} characters", label)
    return Feedback(decision_id=name, verdict=verdict, label=label, at_s=time.time())
