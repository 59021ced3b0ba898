"""What budgets and records add to a request: reserve, settle and record, over each store, beside litellm's budget path.

Run: ``python benchmarks/money/run.py [--calls 1500]``. Redis and PostgreSQL by ROUTER_TEST_REDIS and
ROUTER_TEST_POSTGRES, else on their usual ports; one that is not there is left out and named.

Measured is the time that the request itself spends: it waits for the reservation; settlement and record are handed
over. Other threads write them, or the next reservation does it with its own (in memory: done at once). Twice: with
requests back to back, and (at rest) with 2 ms of sleep between two, after which the processor's caches are cold and
each thread must be woken. litellm's path is what its Router does for a budgeted deployment:
``async_filter_deployments`` before the call, ``async_log_success_event`` after it. It reads what was spent and adds to
it, and sets nothing aside: of N concurrent requests all may pass. ``overshoot`` counts that: 200 concurrent requests of
$0.01 against $1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from router.errors import BudgetExceeded, RouterError
from router.state.budget import Budgets, Needs
from router.state.ids import Ids
from router.state.ledger import LedgerWriter
from router.state.limits import Limit, Who
from router.state.memory import MemoryLedger, MemoryStore
from router.state.worker import Direct, StoreWorker
from router.types import (
    Attempt,
    Budget,
    Decision,
    Estimate,
    Outcome,
    PolicyRef,
    Record,
    Target,
    TaskReading,
    Usage,
    Verdict,
)

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
REDIS = os.environ.get("ROUTER_TEST_REDIS", "redis://127.0.0.1:6379/0")
POSTGRES = os.environ.get("ROUTER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
REST_S = 0.002
Step = Callable[[int], Awaitable[None]]


def record(id: str) -> Record:
    """One like those of a hosted answer."""
    decision = Decision(
        id=id,
        policy=PolicyRef(name="guide", hash="0123456789abcdef"),
        task=TaskReading(label="open_generation", probability=0.9),
        target=Target(kind="llm", tier="small", model="small"),
        fallbacks=("large",),
        rules=("GEN-04",),
        reason="GEN-04 (llm)",
        estimate=Estimate(usd=0.001, latency_ms=900.0, quality=0.8, worst_usd=0.01),
        candidates=(),
        signals={},
        verdict=Verdict(),
        budget=Budget(),
    )
    usage = Usage(input=400, output=120)
    attempt = Attempt(model="small", kind="llm", started_ms=1.0, latency_ms=800.0, usage=usage, usd=0.0009)
    outcome = Outcome(status="answered", model="small", usage=usage, usd=0.0009, attempts=(attempt,))
    return Record(id=id, at_s=time.time(), decision=decision, outcome=outcome, tenant="acme", nano_usd=900_000)


class Ours:
    """Budgets over one store, with a ledger of the same kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.name = kind
        limits = [
            Limit(unit="usd", amount=9_000_000 * 10**9, window="day"),
            Limit(unit="usd", amount=9_000_000 * 10**9, window="month", zone="Europe/Berlin", tenant="*"),
        ]
        self.budgets = Budgets(limits, self._runner(kind, folder))
        self.small = Budgets([Limit(unit="usd", amount=10**9, tenant=uuid.uuid4().hex[:8])], self._runner(kind, folder))
        self.ledger = self._ledger(kind, folder)
        self.ids, self.record = Ids(), record("")

    def _runner(self, kind: str, folder: Path) -> Any:
        if kind == "memory":
            return Direct(MemoryStore())
        return StoreWorker(lambda: self._store(kind, folder))

    @staticmethod
    def _store(kind: str, folder: Path) -> Any:
        if kind == "sqlite":
            from router.state.sqlite import SqliteStore

            return SqliteStore(folder / "state.db")
        if kind == "redis":
            from router.state.redis import RedisStore

            return RedisStore(REDIS, prefix="bench-money")
        from router.state.postgres import PostgresStore

        return PostgresStore(POSTGRES)

    @staticmethod
    def _ledger(kind: str, folder: Path) -> Any:
        if kind == "memory":
            return MemoryLedger()
        if kind == "postgres":
            from router.state.postgres import PostgresSink

            return LedgerWriter(PostgresSink(POSTGRES), spool=folder / "spool")
        from router.state.sqlite import SqliteSink

        return LedgerWriter(SqliteSink(folder / f"{kind}-ledger.db"), spool=folder / "spool")

    async def step(self, _: int) -> None:
        id = self.ids()
        hold = await self.budgets.reserve(id, Who("acme"), Needs({"small": 10_000_000}, 500), time.time())
        self.budgets.settle(hold, {"small": 900_000}, 520)
        self.ledger.append(msgspec.structs.replace(self.record, id=id))

    async def overshoot_usd(self) -> float:
        limit = self.small.limits[0]

        async def one(turn: int) -> int:
            needs = Needs({"small": 10_000_000}, 1)
            try:
                hold = await self.small.reserve(f"{limit.tenant}{turn}", Who(limit.tenant), needs, time.time())
            except BudgetExceeded:
                return 0
            await asyncio.sleep(0.05)
            self.small.settle(hold, {"small": 10_000_000}, 1)
            return 10_000_000

        spent = sum(await asyncio.gather(*(one(turn) for turn in range(200))))
        return max(0, spent - limit.amount) / 1e9

    async def close(self) -> None:
        self.ledger.close()
        self.budgets.close()
        self.small.close()


class Litellm:
    """litellm's RouterBudgetLimiting around one deployment with a budget, in memory or with Redis."""

    def __init__(self, *, redis: bool) -> None:
        from litellm.caching.caching import DualCache, InMemoryCache, RedisCache
        from litellm.router_strategy.budget_limiter import RouterBudgetLimiting

        self.name = "litellm, Redis" if redis else "litellm, memory"
        cache = DualCache(in_memory_cache=InMemoryCache(), redis_cache=RedisCache(url=REDIS) if redis else None)
        self.id = uuid.uuid4().hex
        self.small_id = uuid.uuid4().hex
        self.deployments = [self._deployment(self.id, 9e6), self._deployment(self.small_id, 1.0)]
        self.limiter = RouterBudgetLimiting(dual_cache=cache, provider_budget_config=None, model_list=self.deployments)

    @staticmethod
    def _deployment(id: str, usd: float) -> dict[str, Any]:
        params = {"model": "openai/gpt-4o-mini", "max_budget": usd, "budget_duration": "1d"}
        return {"model_name": "m", "litellm_params": params, "model_info": {"id": id}}

    async def _call(self, deployment: dict[str, Any], usd: float, pause_s: float = 0.0) -> bool:
        try:
            left = await self.limiter.async_filter_deployments("m", [deployment], [], {})
        except ValueError:  # no deployment within its budget
            return False
        if not left:
            return False
        if pause_s:
            await asyncio.sleep(pause_s)
        payload = {"response_cost": usd, "model_id": deployment["model_info"]["id"], "custom_llm_provider": "openai"}
        await self.limiter.async_log_success_event({"standard_logging_object": payload}, None, None, None)
        return True

    async def step(self, _: int) -> None:
        await self._call(self.deployments[0], 0.0009)

    async def overshoot_usd(self) -> float:
        done = await asyncio.gather(*(self._call(self.deployments[1], 0.01, 0.05) for _ in range(200)))
        return max(0.0, sum(done) * 0.01 - 1.0)

    async def close(self) -> None:
        self.limiter.retire()


async def measure(calls: int) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rounds of all contenders alternate, so that the machine's mood hits all alike."""
    folder, left_out = Path(tempfile.mkdtemp()), dict[str, str]()
    contenders: list[Any] = []
    makers: list[tuple[str, Callable[[], Any]]] = [
        *((kind, lambda kind=kind: Ours(kind, folder)) for kind in ("memory", "sqlite", "redis", "postgres")),
        ("litellm, memory", lambda: Litellm(redis=False)),
        ("litellm, Redis", lambda: Litellm(redis=True)),
    ]
    for name, make in makers:
        try:
            contender = make()
            for turn in range(50):
                await contender.step(turn)
            contenders.append(contender)
        except (RouterError, OSError, ImportError) as error:
            left_out[name] = str(error)
    rested: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    busy: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for start in range(0, calls, 100):
        for contender in contenders:
            for times, rest_s in ((busy, 0.0), (rested, REST_S)):
                for turn in range(start, min(start + 100, calls)):
                    began = time.perf_counter()
                    await contender.step(turn)
                    times[contender.name].append((time.perf_counter() - began) * 1e6)
                    await asyncio.sleep(rest_s)
    rows = []
    for contender in contenders:
        overshoot = await contender.overshoot_usd()
        cuts = statistics.quantiles(busy[contender.name], n=100)
        rest = statistics.quantiles(rested[contender.name], n=100)
        rows.append(
            {
                "name": contender.name,
                "p50_us": round(cuts[49], 1),
                "p90_us": round(cuts[89], 1),
                "p99_us": round(cuts[98], 1),
                "rest_p50_us": round(rest[49], 1),
                "rest_p99_us": round(rest[98], 1),
                "overshoot_usd": round(overshoot, 9),
            }
        )
        await contender.close()
    return rows, left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_500)
    calls = parser.parse_args().calls
    rows, left_out = asyncio.run(measure(calls))
    for row in rows:
        print(row)
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from benchmarks.machine import write

    versions = {name: version(name) for name in ("litellm", "redis", "psycopg")}
    write("money", {"calls": calls, "cost": rows, "left_out": left_out, "clients": versions})


if __name__ == "__main__":
    main()
