"""``POST /v1/embeddings``: https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

import msgspec

from ..errors import RateLimited
from ..types import Record
from ..wire.embeddings import read_embedding
from .auth import with_caller
from .endpoints import rate_headers, receipt_headers
from .exchange import Exchange, Route
from .metrics import Metrics

__all__ = ["embedding_routes"]


def embedding_routes(metrics: Metrics) -> list[Route]:
    """``/v1/embeddings``."""

    async def embed(exchange: Exchange) -> None:
        version, caller = exchange.version, exchange.caller
        hints = exchange.hints()
        asked = read_embedding(await exchange.body(), hints=hints, limits=version.limits)
        asked = msgspec.structs.replace(
            asked, request=with_caller(caller.bind(asked.request), caller, exchange.fields, exchange.all_fields)
        )
        started_s = version.engine.clock_s()
        decision = await version.embeddings.decide(asked)
        decided_s = version.engine.clock_s()
        metrics.decided(decision, decided_s - started_s)
        exchange.headers = receipt_headers(decision)
        exchange.stages = (("decide", started_s, decided_s),)
        exchange.decision = decision

        def told(record: Record) -> None:
            exchange.record = record
            metrics.finished(decision, record.outcome, tenant=record.tenant, is_known=caller.tenant is not None)

        try:
            body, outcome = await version.embeddings.embed(asked, decision, on_record=told)
        except RateLimited:
            exchange.headers += rate_headers(version.engine.rates(asked.request))
            raise
        exchange.headers = [*receipt_headers(decision, outcome), *rate_headers(version.engine.rates(asked.request))]
        await exchange.answer(body)

    return [Route(path="/v1/embeddings", methods={"POST": embed}, scope="embeddings")]
