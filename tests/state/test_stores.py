"""What every store promises, over memory, SQLite, Redis and PostgreSQL alike."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import stores
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from router.errors import StateUnavailable
from router.state.postgres import PostgresStore
from router.state.redis import RedisStore
from router.state.store import MAX_COUNT, Balance, Claim, Granted, Refused, Reserve, Settle, Settled, Share, Store

FAR = 4e9


def reserve(store: Store, id: str, *claims: Claim) -> bool:
    (reply,) = store.apply([Reserve(id, claims)])
    assert isinstance(reply, Granted | Refused)
    return isinstance(reply, Granted)


def test_reservation_beyond_the_cap_is_refused(open_store: stores.Open) -> None:
    store = open_store()
    assert reserve(store, "a", Claim("x", 7, 10))
    (reply,) = store.apply([Reserve("b", (Claim("free", 1, None), Claim("x", 4, 10)))])
    assert reply == Refused(1, (Balance(0, 0), Balance(0, 7)))
    assert store.balances(["x", "free", "unknown"]) == [Balance(0, 7), Balance(), Balance()]


def test_exactly_the_cap_fits(open_store: stores.Open) -> None:
    store = open_store()
    assert reserve(store, "a", Claim("x", MAX_COUNT - 1, MAX_COUNT))
    assert reserve(store, "b", Claim("x", 1, MAX_COUNT))
    assert not reserve(store, "c", Claim("x", 1, MAX_COUNT))
    assert store.balances(["x"]) == [Balance(0, MAX_COUNT)]


def test_settlement_returns_what_was_not_used(open_store: stores.Open) -> None:
    store = open_store()
    reserve(store, "a", Claim("x", 7, 10), Claim("y", 7, None))
    store.apply([Settle("a", (Share("x", 3), Share("y", 0)))])
    assert store.balances(["x", "y"]) == [Balance(3, 0), Balance(0, 0)]


def test_the_same_operation_twice_counts_once(open_store: stores.Open) -> None:
    store = open_store()
    for _ in range(2):
        assert reserve(store, "a", Claim("x", 7, 10))
    for _ in range(2):
        store.apply([Settle("a", (Share("x", 5),))])
    assert store.balances(["x"]) == [Balance(5, 0)]
    assert reserve(store, "a", Claim("x", 7, 10))
    assert store.balances(["x"]) == [Balance(5, 0)]


def test_a_settlement_nobody_reserved_is_charged(open_store: stores.Open) -> None:
    store = open_store()
    store.apply([Settle("lost", (Share("x", 5, FAR),))])
    assert store.balances(["x"]) == [Balance(5, 0)]


def test_a_batch_is_done_in_order(open_store: stores.Open) -> None:
    store = open_store()
    replies = store.apply(
        [
            Reserve("a", (Claim("x", 10, 10),)),
            Reserve("b", (Claim("x", 1, 10),)),
            Settle("a", (Share("x", 9),)),
            Reserve("c", (Claim("x", 1, 10),)),
        ]
    )
    assert [type(reply).__name__ for reply in replies] == ["Granted", "Refused", "Settled", "Granted"]
    assert replies[3].balances == (Balance(9, 1),)


def test_a_batch_in_any_order_of_accounts(open_store: stores.Open) -> None:
    store = open_store()
    store.apply([Reserve("a", (Claim("z", 5, 10), Claim("b", 5, 10))), Reserve("b", (Claim("a", 5, 10),))])
    replies = store.apply(
        [
            Settle("a", (Share("new", 1),)),
            Reserve("c", (Claim("z", 10, 10), Claim("a", 5, 10))),
            Settle("b"),
            Reserve("d", (Claim("b", 11, 10), Claim("a", 1, None))),
            Settle("a", (Share("new", 1),)),
        ]
    )
    assert [type(reply).__name__ for reply in replies] == ["Settled", "Granted", "Settled", "Refused", "Settled"]
    assert replies[1].balances == (Balance(0, 10), Balance(0, 10))
    assert replies[3] == Refused(0, (Balance(0, 0), Balance(0, 5)))
    assert store.balances(["a", "b", "new", "z"]) == [Balance(0, 5), Balance(), Balance(1, 0), Balance(0, 10)]


def test_a_batch_that_settles_elsewhere_than_it_was_held(open_store: stores.Open) -> None:
    store = open_store()
    reserve(store, "a", Claim("x", 5, 10), Claim("y", 5, 10))
    replies = store.apply([Settle("a", (Share("x", 2),)), Reserve("b", (Claim("x", 8, 10),))])
    assert replies == [Settled(), Granted((Balance(2, 8),))]
    assert store.balances(["y"]) == [Balance()]


@pytest.mark.parametrize("count", [0, 1, 64])
def test_a_batch_of_any_size(open_store: stores.Open, count: int) -> None:
    store = open_store()
    assert len(store.apply([Reserve(f"{each}", (Claim("x", 1, 64),)) for each in range(count)])) == count
    assert len(store.apply([Settle(f"{each}", (Share("x", 1),)) for each in range(count)])) == count
    assert store.balances(["x"]) == [Balance(count, 0)]


def test_names_are_data(open_store: stores.Open) -> None:
    store = open_store()
    names = ["a\"b\\c'd;--{}é\u2028 *", "NULL", "", "a,b", "{}", '"', "\\", "\U0001f600", "\uffee", "\n"]
    for name in names:
        assert reserve(store, f"id {name}", Claim(name, 1, 1))
    assert store.balances(names) == [Balance(0, 1)] * len(names)
    store.apply([Settle(f"id {name}", (Share(name, 1),)) for name in names])
    assert store.balances(names) == [Balance(1, 0)] * len(names)


def test_threads_cannot_overspend_together(open_store: stores.Open) -> None:
    granted: list[str] = []

    def spend(worker: int) -> None:
        store = open_store()
        for turn in range(25):
            is_granted = reserve(store, f"{worker}-{turn}", Claim("x", 1, 50), Claim(f"own-{worker}", 1, None))
            granted.extend([f"{worker}-{turn}"] * is_granted)
        store.close()

    threads = [threading.Thread(target=spend, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 50
    assert open_store().balances(["x"]) == [Balance(0, 50)]


def test_batches_in_every_order_never_wait_for_each_other(open_store: stores.Open) -> None:
    opened = [open_store() for _ in range(4)]

    def work(worker: int) -> Counter[str]:
        draw, spent = random.Random(worker), Counter[str]()
        for turn in range(40):
            id, accounts = f"{worker}-{turn}", draw.sample("uvwxyz", 3)
            settled = draw.sample([*accounts, "other"], draw.randint(0, 3))
            claims = tuple(Claim(account, 1, None) for account in accounts)
            opened[worker].apply([Reserve(id, claims), Reserve(f"{id}b", claims[::-1])])
            opened[worker].apply([Settle(f"{id}b"), Settle(id, tuple(Share(account, 1) for account in settled))])
            spent.update(settled)
        return spent

    with ThreadPoolExecutor(4) as pool:
        spent = sum(pool.map(work, range(4)), Counter[str]())
    names = [*"uvwxyz", "other"]
    assert opened[0].balances(names) == [Balance(spent[name], 0) for name in names]


@pytest.mark.postgres
def test_a_postgres_store_opens_beside_one_at_work() -> None:
    import psycopg

    url = stores.schema_url(stores.fresh_name())
    first = PostgresStore(url)
    reserve(first, "a", Claim("x", 1, None))
    with psycopg.connect(url) as at_work:
        at_work.execute("UPDATE router_holds SET done_s = NULL")
        second = PostgresStore(url, timeout_s=30.0)
        assert second.balances(["x"]) == [Balance(0, 1)]
        at_work.rollback()
    first.close()
    second.close()


# What memory holds ends with its process.
@pytest.mark.parametrize("store_kind", stores.KINDS[1:], indirect=True)
@pytest.mark.parametrize("is_charged", [False, True])
def test_a_dead_process_gives_back_after_its_lease(open_store: stores.Open, is_charged: bool) -> None:
    clock = [1000.0]
    dead, alive = (open_store(lease_s=60.0, lease_clock=lambda: clock[0], charge_lost=is_charged) for _ in range(2))
    reserve(dead, "d", Claim("x", 7, 10))
    reserve(alive, "a", Claim("x", 2, 10))
    clock[0] += 59
    assert alive.beat() == 0
    assert alive.balances(["x"]) == [Balance(0, 9)]
    clock[0] += 2
    assert alive.beat() == 1
    assert alive.balances(["x"]) == [Balance(7 if is_charged else 0, 2)]
    # It was only slow: what it used is charged all the same, once.
    dead.apply([Settle("d", (Share("x", 5),)), Settle("d", (Share("x", 5),))])
    assert alive.balances(["x"]) == [Balance(12 if is_charged else 5, 2)]


@pytest.mark.parametrize("store_kind", stores.KINDS[1:], indirect=True)
def test_a_lease_is_renewed_by_use(open_store: stores.Open) -> None:
    clock = [1000.0]
    used, other = (open_store(lease_s=60.0, lease_clock=lambda: clock[0]) for _ in range(2))
    reserve(used, "a", Claim("x", 1, 10))
    for _ in range(4):
        clock[0] += 40
        used.beat()
        assert other.beat() == 0
    assert other.balances(["x"]) == [Balance(0, 1)]


def test_a_machine_that_started_anew_leaks_nothing(tmp_path: Path) -> None:
    # The monotonic clock of SQLite's leases begins at nought after a restart.
    clock = [50_000.0]
    open_store = stores.Open("sqlite", tmp_path)
    reserve(open_store(lease_clock=lambda: clock[0]), "a", Claim("x", 1, 10))
    clock[0] = 3.0
    assert open_store(lease_clock=lambda: clock[0]).beat() == 1
    open_store.close()


@pytest.mark.parametrize(
    "store", [RedisStore("redis://:secret@127.0.0.1:1/0"), PostgresStore("postgresql://me:secret@127.0.0.1:1/none")]
)
def test_a_store_that_cannot_be_reached_says_so(store: Store) -> None:
    with pytest.raises(StateUnavailable) as error:
        reserve(store, "a", Claim("x", 1, 10))
    assert "secret" not in str(error.value)
    with pytest.raises(StateUnavailable):
        store.balances(["x"])


@dataclass
class Model:
    """What the accounts must say: plain arithmetic."""

    spent: dict[str, int] = field(default_factory=dict)
    held: dict[str, tuple[int, dict[str, int]]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def reserved(self, account: str) -> int:
        return sum(claims.get(account, 0) for _, claims in self.held.values())


class StoreMachine(RuleBasedStateMachine):
    """Two processes over one store: reserve, settle, release, repeat, die, pass time; sums are exact at every step."""

    open_store: stores.Open
    CAP = 100

    @initialize()
    def open(self) -> None:
        self.clock = 1000.0
        self.run = uuid.uuid4().hex
        self.accounts = (f"red-{self.run}", f"blue-{self.run}")
        self.stores = [self.fresh(), self.fresh()]
        self.leases = [self.clock, self.clock]
        self.model, self.count = Model(), 0

    def fresh(self) -> Store:
        return self.open_store(lease_s=60.0, lease_clock=lambda: self.clock)

    @rule(process=st.integers(0, 1), amounts=st.tuples(st.integers(0, 60), st.integers(0, 60)), capped=st.booleans())
    def reserve(self, process: int, amounts: tuple[int, int], capped: bool) -> None:
        self.count += 1
        id, model = f"{self.run}-{self.count}", self.model
        cap = self.CAP if capped else None
        claims = tuple(Claim(name, amount, cap, FAR) for name, amount in zip(self.accounts, amounts, strict=True))
        fits = all(
            cap is None or model.spent.get(claim.account, 0) + model.reserved(claim.account) + claim.amount <= cap
            for claim in claims
        )
        assert reserve(self.stores[process], id, *claims) == fits
        self.leases[process] = self.clock
        if fits:
            model.held[id] = (process, {claim.account: claim.amount for claim in claims})

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), share=st.floats(0, 1), times=st.integers(1, 2))
    def settle(self, data: st.DataObject, share: float, times: int) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.held)))
        process, claims = self.model.held.pop(id)
        used = {account: int(amount * share) for account, amount in claims.items()}
        op = Settle(id, tuple(Share(account, amount, FAR) for account, amount in used.items()))
        for _ in range(times):
            self.stores[process].apply([op])
        self.leases[process] = self.clock
        for account, amount in used.items():
            self.model.spent[account] = self.model.spent.get(account, 0) + amount

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.held)))
        process, _ = self.model.held.pop(id)
        self.stores[process].apply([Settle(id)])
        self.leases[process] = self.clock

    @precondition(lambda self: self.open_store.kind != "memory")
    @rule()
    def die(self) -> None:
        """The first process dies without a word; after its lease another gives back what it held."""
        self.stores[0] = self.fresh()
        self.clock += 61
        for process in (1, 0):
            self.stores[process].beat()
            self.leases[process] = self.clock
        # The second was as silent for a minute, but renewed its lease before it looked.
        self.model.held = {id: held for id, held in self.model.held.items() if held[0] != 0}

    @rule(seconds=st.integers(0, 30))
    def wait(self, seconds: int) -> None:
        self.clock += seconds
        for process in (0, 1):
            self.stores[process].beat()
            self.leases[process] = self.clock

    @invariant()
    def sums_are_exact(self) -> None:
        if not hasattr(self, "model"):
            return
        expected = [Balance(self.model.spent.get(name, 0), self.model.reserved(name)) for name in self.accounts]
        assert self.stores[1].balances(self.accounts) == expected


def test_sums_are_exact_whatever_happens(store_kind: str, open_store: stores.Open) -> None:
    machine = type("Machine", (StoreMachine,), {"open_store": open_store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples={"memory": 50, "sqlite": 12, "redis": 12, "postgres": 8}[store_kind],
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_ids_need_no_order(open_store: stores.Open) -> None:
    store, name = open_store(), uuid.uuid4().hex
    ops = [Reserve(f"{name}{index}", (Claim("b" if index % 2 else "a", 1, 40),)) for index in range(60)]
    assert all(isinstance(reply, Granted) for reply in store.apply(ops))
    assert store.balances(["a", "b"]) == [Balance(0, 30), Balance(0, 30)]
