"""The ledger: records are taken at once and written down by one thread, so that no answer waits for a disk or server.

They become JSON some at a time, a few milliseconds later: one by one, amid other work, it takes twice as long. JSON
is one object, which the collector of garbage need not walk through as long as it is kept.

What cannot be written now goes to a spool file beside, and from there to the ledger when it is back. Each writer
numbers its records and names the hash of the one before, so that :func:`verify` sees what is missing or was changed.
"""

from __future__ import annotations

import atexit
import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import msgspec

from ..errors import RouterError, StateUnavailable
from ..telemetry import LEDGER_BACK, LEDGER_DOWN, LEDGER_LOST, log
from ..types import Record
from .sized import SizedQueue
from .spool import Spool
from .store import RecordSink, Row

__all__ = ["LedgerWriter", "Verification", "each_once", "read_records", "verify"]

_BATCH = 256
# Each waking of the thread takes the interpreter from the event loop: what comes within this time is written at once.
_GATHER_S = 0.01
_PRUNE_EVERY_S = 600.0
_FULL = 0.8
# So many records, of requests of so many bytes, may wait to become JSON: nobody knows yet how large they are.
_MOST_FRESH = 32
_MOST_FRESH_BYTES = 16 * 1024
_MOST_KEPT_BYTES = 256 * 1024
_MOST_WAITING_BYTES = 32 * 1024 * 1024
_MOST_BUFFERED_BYTES = 64 * 1024
_PIECE = 2047  # https://docs.python.org/3/library/hashlib.html#hashlib.hash.update
_encode_into = msgspec.json.Encoder(order="deterministic").encode_into
_decode = msgspec.json.Decoder(Record).decode


_UNSIGNED = b',"writer":"","number":0,"previous":""}'


class LedgerWriter:
    """See :class:`~.store.Ledger`. The newest ``keep`` records stay in memory for :meth:`tail`, at most 256 KiB of
    them. What waits to be written is bounded too, by ``queue_size`` and ``queue_bytes``.

    ``refuses_when_down``: while records cannot be written, no new request may start; those that run are spooled. Else
    all go on, and are spooled. ``keep_s`` is how long records are kept (None: for ever).
    """

    def __init__(
        self,
        sink: RecordSink,
        *,
        spool: Path,
        keep: int = 1_000,
        refuses_when_down: bool = False,
        keep_s: float | None = None,
        queue_size: int = 10_000,
        queue_bytes: int = _MOST_WAITING_BYTES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sink, self._refuses, self._keep_s, self._now = sink, refuses_when_down, keep_s, now
        writer = uuid4().hex[:16]
        self._name, self._number, self._previous = writer.encode(), 0, b""
        self._spool = Spool(spool, writer)
        self._keep = keep
        self._recent: SizedQueue[tuple[str, bytes]] = SizedQueue()
        self._fresh: deque[Record] = deque()
        self._buffer = bytearray()
        self._waiting: SizedQueue[Row] = SizedQueue()
        self._queue_size, self._queue_bytes = queue_size, queue_bytes
        self._has_work, self._closing = threading.Event(), threading.Event()
        # Asked for each record, they cost less than the events.
        self._is_told = self._is_closed = False
        self._error: RouterError | None = None
        self._pause_s = self._retry_at_s = 0.0
        self._pruned_s = float("-inf")
        self._lock, self._encoding = threading.Lock(), threading.Lock()
        self._thread = threading.Thread(target=self._work, name="router-ledger", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def append(self, record: Record) -> None:
        """See :class:`~.store.Ledger`. Only when the queue is full, or the ledger closed, does the caller write to the
        spool itself."""
        fresh = self._fresh
        fresh.append(record)
        if len(fresh) > _MOST_FRESH or _is_large(record) or self._is_closed:
            self._encode_fresh()
        if not self._is_told:
            self._is_told = True
            self._has_work.set()

    def check(self) -> None:
        """See :class:`~.store.Ledger`."""
        if self._refuses and (self._error is not None or self._is_full(_FULL)):
            why = f"{self._error.message}" if self._error is not None else "records come faster than they are written."
            raise StateUnavailable(
                f"the ledger cannot take records, and no request may run without one: {why}",
                retry_after_s=max(1.0, self._pause_s),
                hint="Bring it back, or set `ledger.on_error: continue-and-spool`.",
            )

    def tail(self, count: int) -> Sequence[Record]:
        """See :class:`~.store.Ledger`."""
        self._encode_fresh()
        return [_decode(body) for _, body in self._recent.items()[-count:]] if count > 0 else []

    def find(self, decision: str) -> Record | None:
        """See :class:`~.store.Ledger`. Those of other processes, and older ones, are looked up where they are kept."""
        self._encode_fresh()
        for known, body in reversed(self._recent.items()):
            if known == decision:
                return _decode(body)
        with self._lock:
            kept = self._sink.find(decision)
        try:
            found = None if kept is None else _decode(kept)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None  # half a line of a process that died
        return found if found is not None and found.decision.id == decision else None

    def close(self) -> None:
        """Write out what is queued and close; a second call does nothing."""
        if self._closing.is_set():
            return
        self._encode_fresh()
        self._is_closed = True
        self._closing.set()
        atexit.unregister(self.close)
        self._has_work.set()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        self._replay()
        is_last = False
        while not is_last:
            self._has_work.wait(self._pause_s or 30.0)
            self._closing.wait(_GATHER_S)
            # In this order: what comes after the last look at the queue sets the event again.
            self._has_work.clear()
            self._is_told = False
            is_last = self._closing.is_set()
            while True:
                self._encode_fresh()
                batch = self._waiting.take(_BATCH)
                with self._lock:
                    self._write(self._signed(batch))
                if not self._waiting:
                    break
        with suppress(RouterError):
            self._sink.close()
        self._spool.close()

    def _encode_fresh(self) -> None:
        """Make JSON of what was taken since, and queue it; what there is no room for goes to the spool."""
        fresh, waiting = self._fresh, self._waiting
        known: list[tuple[tuple[str, bytes], int]] = []
        queued: list[tuple[Row, int]] = []
        spooled: list[Row] = []
        with self._encoding:
            room = 0 if self._is_closed else self._queue_size - len(waiting)
            bytes_left = self._queue_bytes - waiting.n_bytes
            for _ in range(len(fresh)):
                record = fresh.popleft()
                body = self._encoded(record)
                if body is None:
                    continue
                row, size = Row(record.id, record.at_s, record.tenant, body), len(body)
                known.append(((record.decision.id, body), size))
                if room > 0 and bytes_left > 0:
                    room, bytes_left = room - 1, bytes_left - size
                    queued.append((row, size))
                else:
                    spooled.append(row)
            waiting.put(queued)
            self._recent.put(known)
            self._recent.trim(self._keep, _MOST_KEPT_BYTES)
            if spooled:
                with self._lock:
                    self._spool_rows(self._signed(spooled))
                    if not self._thread.is_alive():
                        self._spool.close()

    def _encoded(self, record: Record) -> bytes | None:
        buffer = self._buffer
        try:
            _encode_into(record, buffer)
            if not buffer.endswith(_UNSIGNED):
                _encode_into(msgspec.structs.replace(record, writer="", number=0, previous=""), buffer)
            body = bytes(buffer)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            log.error("%s: %s cannot be said in JSON (%s)", LEDGER_LOST, record.id, error)
            return None
        if len(body) > _MOST_BUFFERED_BYTES:
            self._buffer = bytearray()
        return body

    def _is_full(self, share: float) -> bool:
        waiting = self._waiting
        return len(waiting) >= self._queue_size * share or waiting.n_bytes >= self._queue_bytes * share

    def _signed(self, rows: Iterable[Row]) -> list[Row]:
        """The rows with who writes them down, the how manieth each is, and the hash of the one before."""
        found = []
        for row in rows:
            signature = b',"writer":"%b","number":%d,"previous":"%b"}' % (self._name, self._number, self._previous)
            body = b"".join((memoryview(row.body)[: -len(_UNSIGNED)], signature))
            self._number, self._previous = self._number + 1, _hash(body).encode()
            found.append(Row(row.id, row.at_s, row.tenant, body))
        return found

    def _write(self, rows: Sequence[Row]) -> None:
        if time.monotonic() < self._retry_at_s and not self._closing.is_set():
            self._spool_rows(rows)
            return
        try:
            if self._error is not None or self._spool.is_used:
                self._spool.replay(self._sink.write)
            if rows:
                self._sink.write(rows)
            self._prune()
        except Exception as error:  # noqa: BLE001 whatever a client library raises, records must not be lost
            self._fail(error)
            self._spool_rows(rows)
            return
        if self._error is not None:
            log.warning(LEDGER_BACK)
            self._error, self._pause_s = None, 0.0

    def _replay(self) -> None:
        """What an earlier process left in its spool."""
        try:
            self._spool.adopt(self._sink.write)
        except Exception as error:  # noqa: BLE001 as in _write
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        told = error if isinstance(error, RouterError) else StateUnavailable(f"({type(error).__name__})")
        if self._error is None:
            log.error("%s: %s", LEDGER_DOWN, told)
        self._error = told
        self._pause_s = min(5.0, max(0.1, self._pause_s * 2))
        self._retry_at_s = time.monotonic() + self._pause_s

    def _spool_rows(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        try:
            self._spool.write(rows)
        except OSError as error:
            log.error("%s: %d records, ids from %s on (%s)", LEDGER_LOST, len(rows), rows[0].id, error)

    def _prune(self) -> None:
        if self._keep_s is not None and time.monotonic() - self._pruned_s > _PRUNE_EVERY_S:
            self._sink.prune(self._now() - self._keep_s)
            self._pruned_s = time.monotonic()


def _is_large(record: Record) -> bool:
    """Whether it holds what the caller sent, or something as long."""
    return (
        bool(record.messages)
        or record.outcome.body is not None
        or (record.asked is not None and record.asked.n_bytes > _MOST_FRESH_BYTES)
    )


def read_records(sink: RecordSink, since_s: float | None = None, until_s: float | None = None) -> Iterator[Record]:
    """The records between two Unix times, each once; what cannot be read is passed over (:func:`verify` tells)."""
    for body in each_once(sink.scan(since_s, until_s)):
        try:
            record = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if (since_s is None or record.at_s >= since_s) and (until_s is None or record.at_s < until_s):
            yield record


class _Number(msgspec.Struct):
    writer: str = ""
    number: int = 0


_decode_number = msgspec.json.Decoder(_Number).decode


def each_once(bodies: Iterable[bytes]) -> Iterator[bytes]:
    """The rows as they are, but each once: a spool that was replayed twice wrote its records again. Rows that cannot
    be read are passed on."""
    last: dict[str, int] = {}
    for body in bodies:
        try:
            found = _decode_number(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield body
            continue
        if found.writer:
            if found.number <= last.get(found.writer, -1):
                continue
            last[found.writer] = found.number
        yield body


class Verification(msgspec.Struct, frozen=True):
    """What :func:`verify` found: ``records`` that are whole, ``writers`` of them, their sum in nano-dollars, and
    ``faults`` as sentences."""

    records: int
    writers: int
    nano_usd: int
    faults: tuple[str, ...]


def verify(bodies: Iterable[bytes]) -> Verification:
    """Read everything: rows that cannot be read, gaps in a writer's numbers, records that are not what their successor
    says. A writer's oldest records may have been pruned: it may begin at any number."""
    faults: list[str] = []
    writers: dict[str, tuple[int, str]] = {}
    count = nano = 0
    for line, body in enumerate(bodies, start=1):
        try:
            record = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            faults.append(f"row {line} cannot be read ({error}); a process may have died while writing it")
            continue
        before = writers.get(record.writer)
        if before is not None and record.number <= before[0]:
            continue
        if before is not None and record.number != before[0] + 1:
            missing = record.number - before[0] - 1
            faults.append(f"{missing} record(s) of writer {record.writer} are missing before {record.id}")
        elif before is not None and record.previous != before[1]:
            faults.append(f"the record before {record.id} (writer {record.writer}) was changed")
        writers[record.writer] = (record.number, _hash(body))
        count += 1
        nano += record.nano_usd
    return Verification(count, len(writers), nano, tuple(faults))


def _hash(body: bytes) -> str:
    # With more at once hashlib lets go of the interpreter, and to get it back takes far longer than the hash.
    found, view = hashlib.sha256(), memoryview(body)
    for at in range(0, len(body), _PIECE):
        found.update(view[at : at + _PIECE])
    return found.hexdigest()[:32]
