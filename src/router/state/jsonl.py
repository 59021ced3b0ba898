"""The ledger as a file of JSON lines, written by one thread behind a bounded queue, so that no answer waits for a disk.

When the queue is full a record is not lost silently: ``append`` writes it itself and the caller waits.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import ConfigError
from ..telemetry import LEDGER_LOST, log
from ..types import Record

__all__ = ["JsonlLedger"]


class JsonlLedger:
    """Appends one JSON object a record to ``path``; the newest ``keep`` stay in memory for :meth:`tail`."""

    def __init__(self, path: Path, *, keep: int = 1_000, queue_size: int = 10_000) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise ConfigError(
                f"the ledger cannot be opened for writing ({error.strerror}).",
                file=str(path),
                hint="Check the folder's permissions, or set another `ledger.path`.",
            ) from error
        self._recent: deque[Record] = deque(maxlen=keep)
        self._queue: queue.Queue[Record | None] = queue.Queue(queue_size)
        self._encoder = msgspec.json.Encoder(order="deterministic")
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, name="router-ledger", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> None:
        """See :class:`~.store.Ledger`."""
        self._recent.append(record)
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self._write([record])

    def tail(self, count: int) -> Sequence[Record]:
        """See :class:`~.store.Ledger`."""
        return list(self._recent)[-count:] if count > 0 else []

    def find(self, decision: str) -> Record | None:
        """See :class:`~.store.Ledger`."""
        return next((record for record in reversed(self._recent) if record.decision.id == decision), None)

    def close(self) -> None:
        """Write out what is queued and close the file; a second call does nothing."""
        if self._file.closed:
            return
        self._queue.put(None)
        self._thread.join(timeout=10)
        with self._lock:
            self._file.close()

    def _drain(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < 256:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            self._write([record for record in batch if record is not None])
            if None in batch:
                return

    def _write(self, records: Sequence[Record]) -> None:
        lines = b"".join(self._encoder.encode(record) + b"\n" for record in records)
        try:
            with self._lock:
                self._file.write(lines)
                self._file.flush()
        except (OSError, ValueError) as error:
            log.error(LEDGER_LOST, extra={"records": len(records), "error": str(error)})
