"""Records: written down by all sinks alike, spooled while that is impossible, and proved complete afterwards."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
import stores
from ledger_records import a_record

from router import Router
from router.errors import BudgetExceeded, ConfigError, NotConfigured, RateLimited, StateUnavailable, UpstreamError
from router.state.jsonl import JsonlSink
from router.state.ledger import LedgerWriter, read_records, verify
from router.state.postgres import PostgresSink
from router.state.spool import Spool
from router.state.sqlite import SqliteSink, SqliteStore
from router.state.store import Balance, RecordSink, Row
from router.testing.upstream import Answer, Upstream
from router.types import Signal

KINDS = ["jsonl", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def open_sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], RecordSink]]:
    opened: list[RecordSink] = []
    if request.param == "postgres":
        stores.require("postgres")
        address = stores.schema_url(stores.fresh_name())

    def open_one() -> RecordSink:
        if request.param == "jsonl":
            opened.append(JsonlSink(tmp_path / "deep" / "ledger.jsonl"))
        elif request.param == "sqlite":
            opened.append(SqliteSink(tmp_path / "deep" / "ledger.db"))
        else:
            opened.append(PostgresSink(address))
        return opened[-1]

    yield open_one
    for sink in opened:
        if not isinstance(sink, JsonlSink):
            sink.close()


class Flaky:
    """A sink that is away while ``is_down``, and may break in the middle of a write."""

    def __init__(self, inner: RecordSink) -> None:
        self.inner, self.is_down, self.breaks_after = inner, False, False

    def write(self, rows: Sequence[Row]) -> None:
        if self.is_down:
            raise StateUnavailable("away.")
        self.inner.write(rows)
        if self.breaks_after:
            self.breaks_after = False
            raise StateUnavailable("it was written, and the connection broke.")

    def scan(self, since_s: float | None = None, until_s: float | None = None) -> Iterator[bytes]:
        return self.inner.scan(since_s, until_s)

    def find(self, decision: str) -> bytes | None:
        return self.inner.find(decision)

    def prune(self, before_s: float) -> None:
        self.inner.prune(before_s)

    def close(self) -> None:
        self.inner.close()


def eventually(check: Callable[[], bool]) -> None:
    for _ in range(400):
        if check():
            return
        time.sleep(0.02)
    raise AssertionError("it never came true")


def test_every_record_is_written_and_read_back(open_sink: Callable[[], RecordSink], tmp_path: Path) -> None:
    ledger = LedgerWriter(open_sink(), spool=tmp_path / "spool", queue_size=4, keep=3)
    records = [a_record(number, tenant="é\n'") for number in range(60)]
    for record in records:
        ledger.append(record)
    assert [record.id for record in ledger.tail(9)] == ["r57", "r58", "r59"]
    ledger.close()
    ledger.close()
    # Who finds the queue full writes past it, so the order of writing may be another.
    found = sorted(read_records(open_sink()), key=lambda record: record.at_s)
    assert [record.id for record in found] == [record.id for record in records]
    assert found[7].decision == records[7].decision
    checked = verify(open_sink().scan())
    assert (checked.records, checked.writers, checked.nano_usd, checked.faults) == (60, 1, 60_000, ())


@pytest.mark.parametrize("queue_bytes", [1, 500_000])
def test_large_records_do_not_fill_the_memory(tmp_path: Path, queue_bytes: int) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerWriter(JsonlSink(path), spool=tmp_path / "spool", queue_bytes=queue_bytes)
    records = [a_record(number, tenant="x" * 100_000) for number in range(20)]
    for record in records:
        ledger.append(record)
        assert len(ledger.tail(99)) <= 3
    assert [record.id for record in ledger.tail(99)] == ["r18", "r19"]
    assert ledger.find("d19") is not None
    ledger.close()
    assert sorted(record.id for record in read_records(JsonlSink(path))) == sorted(record.id for record in records)
    assert verify(JsonlSink(path).scan()).faults == ()


def test_what_json_cannot_say_costs_no_other_record(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerWriter(JsonlSink(path), spool=tmp_path / "spool")
    for number in range(5):
        record = a_record(number)
        if number == 2:
            odd = {"odd": Signal[object](value=object(), confidence=1.0, detector="mine")}
            record = msgspec.structs.replace(record, decision=msgspec.structs.replace(record.decision, signals=odd))
        ledger.append(record)
    assert ledger.find("d3") is not None
    ledger.close()
    assert [record.id for record in read_records(JsonlSink(path))] == ["r0", "r1", "r3", "r4"]
    assert verify(JsonlSink(path).scan()).faults == ()
    assert any("r2" in record.getMessage() for record in caplog.records)


def test_many_threads_may_record_while_the_ledger_is_slow(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    sink = Flaky(JsonlSink(path))
    ledger = LedgerWriter(sink, spool=tmp_path / "spool", queue_size=8)

    def record_some(first: int) -> None:
        for number in range(first, first + 100):
            sink.is_down = number % 30 == 0
            ledger.append(a_record(number))
            time.sleep(0.001)

    threads = [threading.Thread(target=record_some, args=(100 * at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    sink.is_down = False
    eventually(lambda: not any(tmp_path.glob("spool.*")))
    ledger.close()
    assert sorted(int(record.id[1:]) for record in read_records(JsonlSink(path))) == list(range(400))
    checked = verify(JsonlSink(path).scan())
    assert (checked.records, checked.writers, checked.faults) == (400, 1, ())


def test_records_are_found_by_time(open_sink: Callable[[], RecordSink], tmp_path: Path) -> None:
    ledger = LedgerWriter(open_sink(), spool=tmp_path / "spool")
    for number in range(10):
        ledger.append(a_record(number, at_s=time.time() - 20))
    ledger.close()
    records = list(read_records(open_sink()))
    found = read_records(open_sink(), records[3].at_s, records[6].at_s)
    assert [record.id for record in found] == ["r3", "r4", "r5"]


def test_another_process_finds_a_decision(open_sink: Callable[[], RecordSink], tmp_path: Path) -> None:
    wide = "x" * 700_000  # more than two of them fit into no block that is read at once
    ledger = LedgerWriter(open_sink(), spool=tmp_path / "spool", keep=1)
    for number in range(12):
        record = a_record(number, tenant=wide if number == 4 else None)
        ledger.append(msgspec.structs.replace(record, id=f"{record.decision.id}.{number:08}"))
    eventually(lambda: len(list(read_records(open_sink()))) == 12)
    other = LedgerWriter(open_sink(), spool=tmp_path / "spool")
    for found in (ledger, other):
        for number in (1, 4, 11):
            record = found.find(f"d{number}")
            assert record is not None
            assert record.id == f"d{number}.{number:08}"
        for unknown in ("d12", "d", "", "d1.0", 'd1"'):
            assert found.find(unknown) is None
        found.close()


def test_records_are_spooled_and_replayed(open_sink: Callable[[], RecordSink], tmp_path: Path) -> None:
    sink = Flaky(open_sink())
    ledger = LedgerWriter(sink, spool=tmp_path / "spool")
    ledger.append(a_record(0))
    eventually(lambda: len(list(read_records(open_sink()))) == 1)
    sink.is_down = True
    for number in range(1, 30):
        ledger.append(a_record(number))
    eventually(lambda: any(tmp_path.glob("spool.*")))
    ledger.check()  # it goes on without a ledger
    sink.is_down = False
    eventually(lambda: not any(tmp_path.glob("spool.*")))
    ledger.append(a_record(30))
    ledger.close()
    assert [record.id for record in read_records(open_sink())] == [f"r{number}" for number in range(31)]
    assert verify(open_sink().scan()).faults == ()


def test_what_was_written_before_it_broke_counts_once(open_sink: Callable[[], RecordSink], tmp_path: Path) -> None:
    sink = Flaky(open_sink())
    sink.breaks_after = True
    ledger = LedgerWriter(sink, spool=tmp_path / "spool")
    for number in range(5):
        ledger.append(a_record(number))
        time.sleep(0.03)
    ledger.close()
    found = [record.id for record in read_records(open_sink())]
    assert found == [f"r{number}" for number in range(5)]
    checked = verify(open_sink().scan())
    assert (checked.records, checked.nano_usd, checked.faults) == (5, 5_000, ())


def test_a_ledger_that_refuses_lets_nobody_start(tmp_path: Path) -> None:
    sink = Flaky(SqliteSink(tmp_path / "ledger.db"))
    sink.is_down = True
    ledger = LedgerWriter(sink, spool=tmp_path / "spool", refuses_when_down=True)
    ledger.check()
    ledger.append(a_record(0))  # was running when it broke
    eventually(lambda: any(tmp_path.glob("spool.*")))
    with pytest.raises(StateUnavailable, match="on_error"):
        ledger.check()
    sink.is_down = False
    eventually(lambda: not any(tmp_path.glob("spool.*")))
    eventually(lambda: ledger.check() is None)
    ledger.close()


def test_the_next_process_takes_over_the_spool_of_a_dead_one(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from ledger_records import a_record\n"
        "from test_ledger import Flaky\n"
        "from router.state.jsonl import JsonlSink\n"
        "from router.state.ledger import LedgerWriter\n"
        "folder = Path(sys.argv[1]); sink = Flaky(JsonlSink(folder / 'ledger.jsonl')); sink.is_down = True\n"
        "ledger = LedgerWriter(sink, spool=folder / 'spool')\n"
        "[ledger.append(a_record(number)) for number in range(20)]\n"
        "while not any(folder.glob('spool.*')): time.sleep(0.01)\n"
        "time.sleep(0.2); print('ready', flush=True); time.sleep(60)"
    )
    here = str(Path(__file__).parent)
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), here], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
        # While it lives, its spool is its own.
        LedgerWriter(JsonlSink(tmp_path / "ledger.jsonl"), spool=tmp_path / "spool").close()
        assert list(read_records(JsonlSink(tmp_path / "ledger.jsonl"))) == []
        process.send_signal(signal.SIGKILL)
        process.wait()
    (spool,) = tmp_path.glob("spool.*")
    with spool.open("ab") as torn:
        torn.write(b'{"id": "r99", "at')
    LedgerWriter(JsonlSink(tmp_path / "ledger.jsonl"), spool=tmp_path / "spool").close()
    found = [record.id for record in read_records(JsonlSink(tmp_path / "ledger.jsonl"))]
    assert found == [f"r{number}" for number in range(20)]
    assert not spool.exists()


def test_a_line_cut_by_death_costs_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for turn in range(2):
        ledger = LedgerWriter(JsonlSink(path), spool=tmp_path / "spool")
        ledger.append(a_record(turn))
        ledger.close()
        if turn == 0:
            with path.open("ab") as file:
                file.write(b'{"decision": {"id"')
    assert [record.id for record in read_records(JsonlSink(path))] == ["r0", "r1"]
    (fault,) = verify(JsonlSink(path).scan()).faults
    assert "row 2" in fault


@pytest.mark.parametrize("change", ["remove", "alter", "swap"])
def test_tampering_is_seen(tmp_path: Path, change: str) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerWriter(JsonlSink(path), spool=tmp_path / "spool")
    for number in range(6):
        ledger.append(a_record(number))
    ledger.close()
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "remove":
        del lines[3]
    elif change == "alter":
        lines[3] = lines[3].replace(b'"nano_usd":1000', b'"nano_usd":1')
    else:
        lines[2], lines[3] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    assert verify(JsonlSink(path).scan()).faults


@pytest.mark.parametrize("open_sink", KINDS[1:], indirect=True)
def test_old_records_are_pruned(open_sink: Callable[[], RecordSink], tmp_path: Path) -> None:
    ledger = LedgerWriter(open_sink(), spool=tmp_path / "spool", keep_s=100.0, now=lambda: 1.8e9 + 105.0)
    for number in range(10):
        ledger.append(a_record(number))
    ledger.close()
    assert [record.id for record in read_records(open_sink())] == [f"r{number}" for number in range(5, 10)]


def test_a_full_file_is_set_aside_and_old_ones_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first, second = (JsonlSink(path, max_bytes=2_000) for _ in range(2))
    for number in range(40):
        body = b'{"number": %d, "padding": "%s"}' % (number, b"x" * 100)
        (first, second)[number % 2].write([Row(f"r{number}", 0.0, None, body)])
    aside = sorted(tmp_path.glob("ledger.*.jsonl"))
    assert len(aside) > 1
    assert len(list(first.scan())) == 40
    os.utime(aside[0], (1.0, 1.0))
    first.prune(time.time() - 60)
    assert sorted(tmp_path.glob("ledger.*.jsonl")) == aside[1:]


def test_a_ledger_that_cannot_be_opened_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for make in (JsonlSink, SqliteSink):
        with pytest.raises(ConfigError, match="cannot be opened"):
            make(tmp_path / "file" / "ledger.jsonl")


def test_a_full_disk_cuts_no_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerWriter(JsonlSink(path), spool=tmp_path / "spool")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        ledger.append(a_record(1))
        deadline = time.monotonic() + 5
        while ledger._error is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    ledger.append(a_record(2))
    ledger.close()
    found = verify(JsonlSink(path).scan())
    assert found.faults == ()


def test_a_spool_that_was_taken_for_a_dead_ones_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "spool.me"
    with path.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as one who takes over what the dead left
        row = Row("a", 1.0, None, b'{"id":"a","at_s":1.0}')
        writer = threading.Thread(target=Spool(tmp_path / "spool", "me").write, args=([row],))
        writer.start()
        time.sleep(0.2)
        path.unlink()
    writer.join(10)
    assert path.read_bytes() == row.body + b"\n"


async def test_a_request_that_the_store_could_not_admit_is_recorded(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    (tmp_path / "router.yaml").write_text(
        "local_models: {shipped: false}\nledger: {path: ledger.jsonl}\nbudgets: [{usd: $1, window: day}]\n"
        "state: {url: 'redis://127.0.0.1:9/0', timeout: 500ms}\ndeployments:\n"
        "  - {name: here, model: tiny, backend: openai, api_base: 'http://127.0.0.1:9/v1'}\n"
    )
    async with Router.from_config(tmp_path / "router.yaml") as router:
        for stream in (False, True):
            with pytest.raises(StateUnavailable):
                await router.acomplete("Write a story about the sea.", tenant="acme", stream=stream)
        with pytest.raises(StateUnavailable):
            router.decide("Write a story about the sea.")
    found = list(read_records(JsonlSink(tmp_path / "ledger.jsonl")))
    assert [(record.outcome.status, record.outcome.error) for record in found] == [("failed", "state_unavailable")] * 2
    assert {(record.tenant, record.decision.target.model, record.nano_usd) for record in found} == {("acme", "here", 0)}


PLACES = (
    "local_models: {shipped: false}\nledger: {path: ledger.jsonl}\ndeployments:\n"
    "  - {name: here, model: tiny, backend: openai, api_base: 'http://127.0.0.1:9/v1', "
    "price_per_million: {input: $1, output: $4}}\n"
)
STORY = "Write a story about the sea."


def outcomes_in(folder: Path) -> list[tuple[str, str | None, str | None, int]]:
    found = read_records(JsonlSink(folder / "ledger.jsonl"))
    return [(r.outcome.status, r.outcome.error, r.decision.target.model, len(r.outcome.attempts)) for r in found]


@pytest.mark.parametrize(
    ("limit", "error", "code"),
    [
        ("{requests: 1, window: total}", RateLimited, "rate_limit_exceeded"),
        ("{tokens: 10, window: total}", RateLimited, "rate_limit_exceeded"),
        ("{usd: $0.000001, window: total}", BudgetExceeded, "budget_exceeded"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_what_a_limit_refuses_is_recorded(
    tmp_path: Path, limit: str, error: type[Exception], code: str, is_stream: bool
) -> None:
    (tmp_path / "router.yaml").write_text(f"{PLACES}budgets: [{limit}]\n")
    async with Router.from_config(tmp_path / "router.yaml") as router:
        if "requests" in limit:
            with pytest.raises(UpstreamError):
                await router.acomplete(STORY)
        with pytest.raises(error):
            await router.acomplete(STORY, stream=is_stream)
    assert outcomes_in(tmp_path)[-1] == ("failed", code, "here", 0)
    assert verify(JsonlSink(tmp_path / "ledger.jsonl").scan()).faults == ()


async def test_what_no_provider_can_answer_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOBODYS_KEY", raising=False)
    text = PLACES.replace("api_base: 'http://127.0.0.1:9/v1'", "key_env: NOBODYS_KEY")
    (tmp_path / "router.yaml").write_text(text)
    async with Router.from_config(tmp_path / "router.yaml") as router:
        with pytest.raises(NotConfigured):
            await router.acomplete(STORY)
    assert outcomes_in(tmp_path) == [("failed", "provider_not_configured", "here", 0)]


async def test_refusals_cannot_fill_the_ledger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "router.yaml").write_text(f"{PLACES}budgets: [{{usd: $0.000001, window: total}}]\n")
    async with Router.from_config(tmp_path / "router.yaml") as router:
        for _ in range(150):
            with pytest.raises(BudgetExceeded):
                await router.acomplete(STORY)
        await asyncio.sleep(1.05)
        with pytest.raises(BudgetExceeded):
            await router.acomplete(STORY)
    assert 101 <= len(outcomes_in(tmp_path)) < 130
    assert any("without a record" in record.getMessage() for record in caplog.records)


async def test_a_refused_request_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text(f"{PLACES}budgets: [{{requests: 1, window: total}}]\nstate: {{path: s.db}}\n")
    async with Router.from_config(tmp_path / "router.yaml") as router:
        with pytest.raises(UpstreamError):
            await router.acomplete(STORY)
        with pytest.raises(RateLimited):
            await router.acomplete(STORY)
    store = SqliteStore(tmp_path / "s.db")
    assert store.balances(["requests|total"]) == [Balance(1, 0)]
    store.close()


async def test_nobody_is_refused_for_what_has_ended(tmp_path: Path) -> None:
    async with Upstream([Answer(text="Once.")] * 20) as upstream:
        text = PLACES.replace("http://127.0.0.1:9/v1", upstream.url)
        # Two answers of the longest kind fit, and twenty short ones.
        (tmp_path / "router.yaml").write_text(
            f"{text}budgets: [{{usd: $0.033, window: total}}]\nstate: {{path: s.db}}\n"
        )
        async with Router.from_config(tmp_path / "router.yaml") as router:
            for turn in range(20):
                await router.acomplete(f"{STORY} Number {turn}.", max_tokens=4_000)
    assert [found[0] for found in outcomes_in(tmp_path)] == ["answered"] * 20
