"""What the router must remember, as small protocols; each technology meets the meanings only here.

A store counts: whole nano-dollars (1e-9 USD), requests or tokens, in named accounts with a cap. Sums are integers, so
they are exact. Every operation carries an id and may be sent again: it is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from ..types import Attempt, Record
from .breaker import Blocked
from .health import HealthView

__all__ = [
    "MAX_COUNT",
    "Balance",
    "Claim",
    "Granted",
    "Health",
    "Ledger",
    "Op",
    "QuickStore",
    "RecordSink",
    "Refused",
    "Reply",
    "Reserve",
    "Row",
    "Settle",
    "Settled",
    "Share",
    "Store",
    "from_nano",
    "to_nano",
]

# Redis counts in doubles inside its scripts, so all stores keep below 2**53: about 9 million dollars an account.
MAX_COUNT = (1 << 53) - 1


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """``amount`` to be set aside in ``account``, whose spent and reserved sums may not pass ``cap`` (None: no cap).

    ``ends_s`` is the Unix time at which the account's window ends and it may be forgotten later; None for never.
    """

    account: str
    amount: int
    cap: int | None = None
    ends_s: float | None = None


class Share(msgspec.Struct, frozen=True, array_like=True):
    """What was really used of ``account``; 0 gives back everything that was set aside there."""

    account: str
    amount: int
    ends_s: float | None = None


class Reserve(msgspec.Struct, frozen=True):
    """Set all ``claims`` aside under ``id``, or none of them. Accounts must differ."""

    id: str
    claims: tuple[Claim, ...]


class Settle(msgspec.Struct, frozen=True):
    """Replace what is held under ``id`` by what was used. An id that is no longer held (its lease had ended, or the
    store lost it) is charged all the same: it was spent. The second settlement of an id changes nothing."""

    id: str
    shares: tuple[Share, ...] = ()


Op = Reserve | Settle


class Balance(msgspec.Struct, frozen=True, array_like=True):
    """Sums of an account."""

    spent: int = 0
    reserved: int = 0

    @property
    def used(self) -> int:
        """Spent or set aside."""
        return self.spent + self.reserved


class Granted(msgspec.Struct, frozen=True):
    """It is set aside; ``balances`` of its accounts afterwards, in the order of the claims."""

    balances: tuple[Balance, ...]


class Refused(msgspec.Struct, frozen=True):
    """``claims[index]`` does not fit, and nothing was set aside; ``balances`` as they are."""

    index: int
    balances: tuple[Balance, ...]


class Settled(msgspec.Struct, frozen=True):
    """It is settled, now or before."""


Reply = Granted | Refused | Settled


class Store(Protocol):
    """Accounts with caps in one technology. Blocking: whoever runs an event loop calls it in a thread.

    What a process holds is bound to its lease, which :meth:`beat` renews. When a process dies its lease ends, and the
    next ``beat`` of any other process gives back what it held.

    Raises:
        StateUnavailable: from every method, when the store cannot be reached. The operation may have been done.
    """

    def apply(self, ops: Sequence[Op]) -> list[Reply]:
        """Do ``ops`` in order; each is atomic, also against other processes."""

    def balances(self, accounts: Sequence[str]) -> list[Balance]:
        """Sums of ``accounts``; an unknown one is empty."""

    def beat(self) -> int:
        """Renew this process's lease, give back what ended leases held, forget what is over; how many were given
        back."""

    def close(self) -> None:
        """Close connections; what is still held stays held until the lease ends."""


@runtime_checkable
class QuickStore(Store, Protocol):
    """A store that takes less time than handing an operation to a thread does, while nobody else is at work on it."""

    def attempt(self, ops: Sequence[Op]) -> list[Reply] | None:
        """As :meth:`apply`; None, with nothing done, where it would have to wait. For any thread, one at a time."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A record as it is written down: ``body`` is its JSON."""

    id: str
    at_s: float
    tenant: str | None
    body: bytes


class RecordSink(Protocol):
    """Where records are kept. Blocking, called by one thread; writing a row of the same id again changes nothing.

    Raises:
        StateUnavailable: it cannot be reached, written or read.
    """

    def write(self, rows: Sequence[Row]) -> None:
        """Append all of them, or none that could not be written again."""

    def scan(self, since_s: float | None = None, until_s: float | None = None) -> Iterator[bytes]:
        """Bodies in the order in which they were written; some may lie outside the times, none inside is left out."""

    def find(self, decision: str) -> bytes | None:
        """The newest body whose id begins with that of the decision and a dot, None where there is none."""

    def prune(self, before_s: float) -> None:
        """Forget what is older than this Unix time."""

    def close(self) -> None:
        """Close files and connections."""


class Ledger(Protocol):
    """One record a request, appended once and never changed."""

    def append(self, record: Record) -> None:
        """Take the record; does not block the answer."""

    def check(self) -> None:
        """Whether a request may start now.

        Raises:
            StateUnavailable: records cannot be written, and the policy is to refuse then.
        """

    def tail(self, count: int) -> Sequence[Record]:
        """The newest records of this process, oldest first."""

    def find(self, decision: str) -> Record | None:
        """The newest record of a decision by its id, None when it is not (or no longer) known. May block: whoever asks
        is not on the way of an answer.

        Raises:
            StateUnavailable: the records cannot be read now.
        """

    def close(self) -> None:
        """Write out what is still held."""


class Health(Protocol):
    """What was seen of each deployment lately. Its seconds are those of one steady clock, whichever."""

    def observe(self, attempt: Attempt, now_s: float) -> None:
        """Take note of one finished attempt at a hosted deployment."""

    def began(self, model: str, now_s: float) -> None:
        """The answer to a call has begun to come; a long one need not have ended to say that a deployment is back."""

    def admit(self, model: str, now_s: float, *, is_early: bool = False) -> bool:
        """Whether a call may go out now. Where a breaker is half-open, the first caller's is the only probe.

        ``is_early``: whoever calls can call nobody else, and probes one that may be probed (:class:`.health.Blocked`).
        """

    def found_down(self, model: str, now_s: float, *, for_s: float) -> None:
        """A health check says that it is down: no call goes out ``for_s``, unless it is found up before."""

    def found_up(self, model: str) -> None:
        """A health check says that it is up. Only what a health check opened is closed by it."""

    def blocked(self, now_s: float) -> Mapping[str, Blocked]:
        """Deployments that must not be called now, and for how long."""

    def watch(self, call: Callable[[], None]) -> None:
        """Call this, from any thread, whenever what :meth:`blocked` says may have changed other than by time."""

    def view(self, now_s: float) -> HealthView:
        """Latencies of the last minutes."""


def to_nano(usd: float) -> int:
    """Whole nano-dollars, rounded to the nearest."""
    return round(usd * 1_000_000_000)


def from_nano(nano: int) -> float:
    """US dollars."""
    return nano / 1_000_000_000
