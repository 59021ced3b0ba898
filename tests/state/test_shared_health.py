"""Replicas tell each other which deployments are out: between two healths in one process, then over a real Redis."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping

import pytest
import stores

from router.errors import StateUnavailable
from router.state.breaker import Opened
from router.state.health import MemoryHealth
from router.state.redis_health import RedisBoard
from router.state.shared_health import Board, Posted, SharedHealth
from router.types import Attempt


class Wall:
    """A board in this process; ``is_away``: it cannot be reached."""

    def __init__(self) -> None:
        self.posted: dict[str, tuple[int, float, float, float]] = {}
        self.is_away = False
        self.lock = threading.Lock()

    def view(self, me: int) -> Board:
        return _View(self, me)


class _View:
    def __init__(self, wall: Wall, me: int) -> None:
        self._wall, self._me = wall, me

    def exchange(self, opened: Mapping[str, Opened], closed: Collection[str]) -> list[Posted]:
        if self._wall.is_away:
            raise StateUnavailable("the wall is away.")
        now = time.monotonic()
        with self._wall.lock:
            for name, each in opened.items():
                self._wall.posted[name] = (self._me, now + each.open_s, now + each.told_s, now)
            for name in closed:
                self._wall.posted.pop(name, None)
            return [
                Posted(
                    model=name,
                    opened=Opened(open_s=max(0.0, until - now), told_s=max(0.0, told - now)),
                    age_s=now - posted,
                )
                for name, (owner, until, told, posted) in self._wall.posted.items()
                if owner != self._me
            ]

    def close(self) -> None:
        pass


class Replica:
    def __init__(self, board: Board, **fields: float) -> None:
        self.health = MemoryHealth(**{"cooldown_s": 0.4, "failures": 3, **fields})
        self.shared = SharedHealth(self.health, board, every_s=0.1)

    def fail(self, times: int = 3, error: str = "overload", **fields: float) -> None:
        for _ in range(times):
            self._observe(error, **fields)

    def answer(self) -> None:
        self._observe(None)

    def _observe(self, error: str | None, **fields: float) -> None:
        made = Attempt(model="m", kind="llm", started_ms=0.0, latency_ms=1.0, error=error, **fields)
        self.health.observe(made, time.monotonic())

    def admits(self) -> bool:
        return self.health.admit("m", time.monotonic())

    @property
    def is_blocked(self) -> bool:
        return "m" in self.health.blocked(time.monotonic())


def soon(what: Callable[[], bool], within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture(params=["wall", pytest.param("redis", marks=pytest.mark.redis)])
def boards(request: pytest.FixtureRequest, wall: Wall) -> Callable[[int], Board]:
    if request.param == "wall":
        return wall.view
    stores.require("redis")
    prefix = f"test-{uuid.uuid4().hex[:8]}"
    return lambda me: RedisBoard(stores.REDIS, prefix=prefix)


@pytest.fixture
def replicas(boards: Callable[[int], Board]) -> Iterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(**fields: float) -> Replica:
        made.append(Replica(boards(len(made)), **fields))
        return made[-1]

    yield make
    for each in made:
        each.shared.close()


def test_the_others_hear_of_it_and_call_nobody(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(cooldown_s=30.0), replicas()
    first.fail()
    assert soon(lambda: second.is_blocked)
    assert not second.admits()
    assert second.health.blocked(time.monotonic())["m"].for_s > 25.0


def test_the_others_hear_that_it_is_back(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(cooldown_s=0.3), replicas()
    first.fail()
    assert soon(lambda: second.is_blocked)
    assert soon(first.admits)
    first.answer()
    assert soon(lambda: not second.is_blocked)
    assert [second.admits() for _ in range(3)] == [True] * 3


def test_news_wakes_whoever_waits(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(cooldown_s=0.3), replicas()
    first.fail()
    assert soon(lambda: second.is_blocked)
    told = threading.Event()
    second.health.watch(told.set)
    assert soon(first.admits)
    first.answer()
    assert told.wait(5.0)


def test_what_the_provider_said_binds_all(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(), replicas()
    second.answer()
    first.fail(1, "rate_limit", retry_after_s=20.0)
    assert soon(lambda: second.is_blocked)
    blocked = second.health.blocked(time.monotonic())["m"]
    assert blocked.for_s > 15.0
    assert not blocked.may_probe


def test_who_is_answered_knows_better(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(cooldown_s=30.0), replicas()
    second.shared.close()
    first.fail()
    time.sleep(0.3)
    second.answer()
    third = SharedHealth(second.health, second.shared._board, every_s=0.1)
    time.sleep(0.5)
    assert not second.is_blocked
    third.close()


def test_who_only_heard_of_it_leaves_the_first_probe_to_the_one_that_knows(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(cooldown_s=0.5), replicas()
    first.fail()
    assert soon(lambda: second.is_blocked)
    assert soon(first.admits)
    assert not second.admits()
    # It finds out itself if nothing is heard.
    assert soon(second.admits)
    assert not second.admits()


def test_a_check_does_not_close_what_another_replica_found(replicas: Callable[..., Replica]) -> None:
    first, second = replicas(cooldown_s=30.0), replicas()
    first.fail()
    assert soon(lambda: second.is_blocked)
    second.health.found_up("m")
    assert second.is_blocked


def test_alone_each_goes_on_by_itself(wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    wall.is_away = True
    first, second = Replica(wall.view(0), cooldown_s=30.0), Replica(wall.view(1))
    first.fail()
    assert first.is_blocked
    time.sleep(0.5)
    assert not second.is_blocked
    assert second.admits()
    wall.is_away = False
    assert soon(lambda: second.is_blocked, 15.0)
    assert sum("not shared" in record.message for record in caplog.records) == 2
    for each in (first, second):
        each.shared.close()


def test_one_who_starts_later_hears_of_it_too(replicas: Callable[..., Replica]) -> None:
    replicas(cooldown_s=30.0).fail()
    time.sleep(0.3)
    late = replicas()
    assert soon(lambda: late.is_blocked)


def test_many_failures_are_few_messages(wall: Wall) -> None:
    calls = []
    view = wall.view(0)

    class Counted:
        def exchange(self, opened: Mapping[str, Opened], closed: Collection[str]) -> list[Posted]:
            calls.append(time.monotonic())
            return view.exchange(opened, closed)

        def close(self) -> None:
            pass

    replica = Replica(Counted())
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        replica.fail(10)
        time.sleep(0.001)
    replica.shared.close()
    assert len(calls) < 40
