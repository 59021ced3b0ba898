"""Budgets over a store: what is refused and why, what is given back, and what happens while the store is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
import stores

from router.errors import BudgetExceeded, RateLimited, StateUnavailable
from router.state.budget import Budgets, Needs
from router.state.limits import Limit, Who
from router.state.memory import MemoryStore
from router.state.store import Balance, Op, Reply, Store
from router.state.worker import Direct, StoreWorker

NOON = 1_800_000_000.0
USD = 10**9
DAY = Limit(unit="usd", amount=USD, window="day")


@pytest.fixture
async def make(store_kind: str, open_store: stores.Open) -> AsyncIterator[object]:
    made: list[Budgets] = []

    def make(*limits: Limit) -> Budgets:
        runner = Direct(open_store()) if store_kind == "memory" else StoreWorker(open_store)
        made.append(Budgets(limits, runner, models=["small", "large"]))
        return made[-1]

    yield make
    for budgets in made:
        await asyncio.to_thread(budgets.close)


def usd(amount: float, model: str = "small", tokens: int = 100) -> Needs:
    return Needs({model: round(amount * USD)}, tokens)


async def test_without_limits_nothing_is_asked() -> None:
    budgets = Budgets((), Direct(MemoryStore()))
    hold = await budgets.reserve("a", Who(), usd(1e6), NOON)
    assert not hold.counts
    budgets.settle(hold, {"small": 5}, 1)
    assert (await budgets.allowance(Who(), NOON)).left_usd is None


async def test_beyond_the_limit_says_what_is_left_and_when_it_resets(make) -> None:  # type: ignore[no-untyped-def]
    budgets = make(DAY)
    await budgets.reserve("a", Who(), usd(0.35), NOON)
    with pytest.raises(BudgetExceeded, match=r"leaves \$0\.30 \(some of it is only set aside") as refusal:
        await budgets.reserve("b", Who(), usd(0.4), NOON)
    assert refusal.value.left_usd == pytest.approx(0.3)
    assert refusal.value.needed_usd == pytest.approx(0.4)
    assert refusal.value.resets_at == "2027-01-16T00:00:00+00:00"


async def test_what_was_not_spent_comes_back(make) -> None:  # type: ignore[no-untyped-def]
    budgets = make(DAY)
    hold = await budgets.reserve("a", Who(), usd(0.4), NOON)
    assert hold.nano == round(0.8 * USD)  # twice the dearest call, while there is money for it
    budgets.settle(hold, {"small": USD // 10}, 7)
    budgets.settle(hold, {"small": USD // 10}, 7)
    await budgets.reserve("b", Who(), usd(0.01), NOON + 5)
    left = await budgets.allowance(Who(), NOON + 5)
    assert left.left_usd == pytest.approx(0.9 - 0.02)


async def test_near_the_limit_one_call_is_set_aside(make) -> None:  # type: ignore[no-untyped-def]
    hold = await make(DAY).reserve("a", Who(), usd(0.7), NOON)
    assert hold.nano == round(0.7 * USD)


async def test_tokens_and_requests_are_limited_alike(make) -> None:  # type: ignore[no-untyped-def]
    budgets = make(
        Limit(unit="requests", amount=3, window="minute", key="*"),
        Limit(unit="tokens", amount=250, window="minute"),
    )
    held = [await budgets.reserve(str(turn), Who(key="k"), usd(0.1), NOON) for turn in range(2)]
    with pytest.raises(RateLimited, match="token limit of 250") as refusal:
        await budgets.reserve("x", Who(key="k"), usd(0.1), NOON)
    assert (refusal.value.left, refusal.value.needed) == (50, 100)
    for hold in held:
        budgets.settle(hold, {}, 10)
    await budgets.reserve("y", Who(key="k"), usd(0.1), NOON)
    with pytest.raises(RateLimited, match="request limit of 3 for key 'k'") as refusal:
        await budgets.reserve("z", Who(key="k"), usd(0.1), NOON)
    assert refusal.value.retry_after_s == pytest.approx(60 - NOON % 60)
    await budgets.reserve("z", Who(key="another"), usd(0.1), NOON)


async def test_what_nobody_can_use_does_not_stop_the_others(make) -> None:  # type: ignore[no-untyped-def]
    tokens = Limit(unit="tokens", amount=1_000_000, window="day")
    budgets = make(DAY, tokens)
    with pytest.raises(RateLimited):
        await budgets.reserve("a", Who(), usd(0, tokens=10**30), NOON)
    hold = await budgets.reserve("b", Who(), usd(0.1), NOON)
    budgets.settle(hold, {"small": 10**30}, 0)
    with pytest.raises(BudgetExceeded, match="leaves"):
        await budgets.reserve("c", Who(), usd(0.1), NOON)
    assert (await budgets.allowance(Who(), NOON)).left_usd == 0


async def test_a_model_has_its_own_budget(make) -> None:  # type: ignore[no-untyped-def]
    budgets = make(Limit(unit="usd", amount=USD, model="large"), Limit(unit="usd", amount=5 * USD, tenant="*"))
    hold = await budgets.reserve("a", Who("t"), Needs({"small": USD // 10, "large": USD // 2}, 1), NOON)
    budgets.settle(hold, {"small": USD // 10, "large": USD // 2}, 1)
    await budgets.reserve("b", Who("t"), usd(0.01, "small"), NOON + 5)
    left = await budgets.allowance(Who("t"), NOON + 5)
    assert left.model_left_usd == {"large": pytest.approx(0.5)}
    assert left.left_usd == pytest.approx(5 - 0.6 - 0.02)


async def test_a_soft_limit_refuses_nothing_and_says_so(make) -> None:  # type: ignore[no-untyped-def]
    soft = Limit(unit="usd", amount=USD // 2, window="day", is_hard=False)
    budgets = make(soft, DAY)
    hold = await budgets.reserve("a", Who(), usd(0.5), NOON)
    budgets.settle(hold, {"small": USD // 2}, 1)
    hold = await budgets.reserve("b", Who(), usd(0.2), NOON + 5)
    left = await budgets.allowance(Who(), NOON + 5)
    assert left.used_up == (soft.describe(),)
    assert left.left_usd == pytest.approx(0.1)  # counted once, though two limits share the account


async def test_many_at_once_never_pass_the_limit(make) -> None:  # type: ignore[no-untyped-def]
    budgets = make(DAY)
    done = await asyncio.gather(
        *(budgets.reserve(str(turn), Who(), usd(0.013), NOON) for turn in range(200)), return_exceptions=True
    )
    held = sum(hold.nano for hold in done if not isinstance(hold, BaseException))
    assert USD - round(0.013 * USD) < held <= USD
    assert {type(hold) for hold in done if isinstance(hold, BaseException)} == {BudgetExceeded}


class Shaky(MemoryStore):
    """A store that goes away and comes back with everything it knew."""

    is_down = False
    forgets_to_answer = False
    delay_s = 0.0

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        time.sleep(self.delay_s)
        if self.is_down:
            raise StateUnavailable("away.")
        found = super().apply(ops)
        if self.forgets_to_answer:
            self.forgets_to_answer = False
            raise StateUnavailable("done, and the connection broke.")
        return found


async def settled(store: Store, account: str, expected: Balance) -> None:
    for _ in range(400):
        if store.balances([account]) == [expected]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(store.balances([account]))


ACCOUNT = "usd|total"
TOTAL = Limit(unit="usd", amount=USD)


async def test_a_store_that_dies_and_comes_back_loses_nothing() -> None:
    store = Shaky()
    budgets = Budgets([TOTAL], StoreWorker(lambda: store))
    holds = [await budgets.reserve(str(turn), Who(), usd(0.1), NOON) for turn in range(3)]
    store.is_down = True
    for hold in holds:
        budgets.settle(hold, {"small": USD // 20}, 1)
    with pytest.raises(StateUnavailable):
        await budgets.reserve("refused", Who(), usd(0.1), NOON)
    with pytest.raises(StateUnavailable):
        await budgets.allowance(Who("new"), NOON + 60)
    store.is_down = False
    await settled(store, ACCOUNT, Balance(3 * USD // 20, 0))
    await asyncio.to_thread(budgets.close)


async def test_done_without_an_answer_is_undone_or_done_once() -> None:
    store = Shaky()
    budgets = Budgets([TOTAL], StoreWorker(lambda: store))
    hold = await budgets.reserve("a", Who(), usd(0.1), NOON)
    store.forgets_to_answer = True
    with pytest.raises(StateUnavailable):
        await budgets.reserve("b", Who(), usd(0.1), NOON)
    await settled(store, ACCOUNT, Balance(0, USD // 5))
    store.forgets_to_answer = True
    budgets.settle(hold, {"small": 7}, 1)
    await settled(store, ACCOUNT, Balance(7, 0))
    await asyncio.to_thread(budgets.close)


async def test_whoever_left_while_waiting_holds_nothing() -> None:
    store = Shaky()
    store.delay_s = 0.2
    budgets = Budgets([TOTAL], StoreWorker(lambda: store))
    waiting = asyncio.ensure_future(budgets.reserve("a", Who(), usd(0.1), NOON))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    store.delay_s = 0.0
    await settled(store, ACCOUNT, Balance(0, 0))
    await asyncio.to_thread(budgets.close)


async def test_a_store_that_hangs_is_not_waited_for() -> None:
    store = Shaky()
    store.delay_s = 0.4
    budgets = Budgets([TOTAL], StoreWorker(lambda: store, timeout_s=0.05))
    with pytest.raises(StateUnavailable, match="did not answer"):
        await budgets.reserve("a", Who(), usd(0.1), NOON)
    store.delay_s = 0.0
    await settled(store, ACCOUNT, Balance(0, 0))
    await asyncio.to_thread(budgets.close)


async def test_requests_go_on_unreserved_where_that_is_wanted() -> None:
    store = Shaky()
    budgets = Budgets([TOTAL], StoreWorker(lambda: store), refuses_when_down=False)
    store.is_down = True
    hold = await budgets.reserve("a", Who(), usd(0.1), NOON)
    budgets.settle(hold, {"small": 7}, 1)
    store.is_down = False
    await settled(store, ACCOUNT, Balance(7, 0))
    await asyncio.to_thread(budgets.close)


async def test_closing_settles_what_was_posted() -> None:
    store = MemoryStore()
    budgets = Budgets([TOTAL], StoreWorker(lambda: store))
    holds = [await budgets.reserve(str(turn), Who(), usd(0.001), NOON) for turn in range(100)]
    for hold in holds:
        budgets.settle(hold, {"small": 1}, 1)
    await asyncio.to_thread(budgets.close)
    assert store.balances([ACCOUNT]) == [Balance(100, 0)]


@pytest.mark.parametrize("store_kind", stores.KINDS, indirect=True)
async def test_what_a_finished_request_held_is_there_for_the_next(make) -> None:  # type: ignore[no-untyped-def]
    budgets = make(DAY)
    for turn in range(3):
        hold = await budgets.reserve(f"{turn}", Who(), usd(0.45), NOON)
        budgets.settle(hold, {"small": USD // 100}, 1)
        left = await budgets.allowance(Who(), NOON)
        assert left.left_usd == pytest.approx(1 - 0.01 * (turn + 1))


async def test_a_fresh_allowance_sees_what_others_gave_back(store_kind: str, open_store: stores.Open) -> None:
    if store_kind == "memory":
        pytest.skip("memory is not shared")
    mine, other = (Budgets([DAY], StoreWorker(open_store), models=["small"]) for _ in range(2))
    hold = await other.reserve("a", Who(), usd(0.4), NOON)
    assert (await mine.allowance(Who(), NOON)).left_usd == pytest.approx(0.2)
    other.settle(hold, {"small": 0}, 0)
    await asyncio.to_thread(other.close)
    assert (await mine.allowance(Who(), NOON)).left_usd == pytest.approx(0.2)
    assert (await mine.allowance(Who(), NOON, is_fresh=True)).left_usd == pytest.approx(1.0)
    await asyncio.to_thread(mine.close)
