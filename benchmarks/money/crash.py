"""Can budgets leak? Many processes reserve against one cap, jump through time, and are killed in the middle.

Run: ``python benchmarks/money/crash.py [--store sqlite|redis|postgres|all] [--processes 8] [--reservations 2000]``.

Every process holds a few reservations at a time. Some processes kill themselves (SIGKILL) between reserve and settle,
others are killed from outside at any moment; each is replaced until all reservations were tried. Their wall clocks jump
by days. Checked: no account is ever seen above its cap; after the leases nothing is reserved; and the accounts' sums
equal the journal that each process kept, to the nano-dollar.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

from router.state.limits import Limit, Who, Windows
from router.state.sqlite import SqliteStore
from router.state.store import Claim, Granted, Reserve, Settle, Share, Store

MOST = 4_000  # nano-dollars that one reservation sets aside
JUMPS_S = (0, 0, 0, 86_400, -86_400, 3 * 86_400, 3_600)
OUTSTANDING = 4


def open_store(place: str, lease_s: float) -> Store:
    kind, _, rest = place.partition("=")
    prefix, _, address = rest.partition("@")
    if kind == "sqlite":
        return SqliteStore(Path(address), lease_s=lease_s)
    if kind == "redis":
        from router.state.redis import RedisStore

        return RedisStore(address, prefix=prefix, lease_s=lease_s, timeout_s=10.0)
    from router.state.postgres import PostgresStore

    return PostgresStore(address, lease_s=lease_s, timeout_s=10.0)


def work(place: str, journal: Path, count: int, seed: int, kill: float, lease_s: float, cap: int) -> None:
    """One process: ``count`` reservations, some of them in the clutches of death."""
    dice, windows = random.Random(seed), Windows()
    limits = [
        Limit(unit="usd", amount=cap, window="day"),
        Limit(unit="usd", amount=cap // 4, window="hour", tenant="*"),
    ]
    store = open_store(place, lease_s)
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(*words: Any) -> None:
        os.write(file, (" ".join(map(str, words)) + "\n").encode())

    outstanding: list[tuple[str, int, list[Any]]] = []
    jump = 0
    for turn in range(count):
        if turn % 20 == 0:
            jump = dice.choice(JUMPS_S)
        who, now_s = Who(tenant=f"t{dice.randrange(3)}"), time.time() + jump
        accounts = [windows.account(limit, who, None, now_s) for limit in limits]
        id, amount = uuid.uuid4().hex, dice.randrange(1, MOST)
        claims = tuple(
            Claim(account.name, amount, limit.amount, account.ends_s + 1e6)  # kept for the check at the end
            for limit, account in zip(limits, accounts, strict=True)
        )
        (reply,) = store.apply([Reserve(id, claims)])
        note("T", int(isinstance(reply, Granted)))
        if isinstance(reply, Granted):
            outstanding.append((id, amount, accounts))
        if dice.random() < kill:
            os.kill(os.getpid(), signal.SIGKILL)
        while len(outstanding) > OUTSTANDING or (outstanding and turn == count - 1):
            held, most, kept = outstanding.pop(dice.randrange(len(outstanding)))
            used = dice.randrange(0, most + 1)
            shares = tuple(Share(account.name, used, account.ends_s + 1e6) for account in kept)
            note("I", held, used, *(share.account for share in shares))
            store.apply([Settle(held, shares)])
            note("D", held)
    store.close()


def prove(kind: str, place: str, *, processes: int, reservations: int, kill: float, lease_s: float) -> dict[str, Any]:
    """Run the processes to their end and count."""
    folder = Path(tempfile.mkdtemp())
    dice = random.Random(7)
    left = dict.fromkeys(range(processes), reservations)
    cap = processes * reservations * MOST // 32  # about half of what is asked for
    running: dict[int, tuple[subprocess.Popen[bytes], Path]] = {}
    store, journals = open_store(place, lease_s), list[Path]()
    killed = overshoots = 0
    seen: set[str] = set()
    started = time.monotonic()
    while left or running:
        for worker in list(left):
            if worker not in running:
                journal = folder / f"{worker}-{len(journals)}"
                journals.append(journal)
                arguments = [place, journal, left[worker], dice.randrange(1 << 30), kill, lease_s, cap]
                process = subprocess.Popen(
                    [sys.executable, __file__, "--work", json.dumps(arguments, default=str)],
                )
                running[worker] = (process, journal)
        time.sleep(0.05)
        busy = [process for process, journal in running.values() if journal.exists()]
        if busy and dice.random() < 0.05:
            # From outside, at any moment: within a statement, a commit, a script.
            dice.choice(busy).send_signal(signal.SIGKILL)
        for journal in journals:
            if journal.exists():
                seen.update(word for line in journal.read_text().splitlines() for word in line.split()[3:])
        names = sorted(seen)
        for name, balance in zip(names, store.balances(names), strict=True):
            overshoots += balance.used > (cap if "|day|" in name else cap // 4)
        for worker, (process, journal) in list(running.items()):
            if process.poll() is None:
                continue
            del running[worker]
            tried = journal.read_text().count("T ") if journal.exists() else 0
            left[worker] -= tried
            if process.returncode == 0:
                left.pop(worker)
            elif process.returncode == -signal.SIGKILL:
                killed += 1
                if left[worker] <= 0:
                    left.pop(worker)
            else:
                raise SystemExit(f"{kind}: a process failed ({process.returncode})")
    elapsed_s = time.monotonic() - started
    granted = refused = 0
    sums: dict[str, int] = defaultdict(int)
    unsure: list[Settle] = []
    for journal in journals:
        words = [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []
        done = {line[1] for line in words if line[0] == "D"}
        for line in words:
            if line[0] == "T":
                granted, refused = granted + int(line[1]), refused + 1 - int(line[1])
            elif line[0] == "I":
                for account in line[3:]:
                    sums[account] += int(line[2])
                if line[1] not in done:
                    unsure.append(Settle(line[1], tuple(Share(name, int(line[2]), 4e9) for name in line[3:])))
    # Killed while settling: nobody knows whether it was done. Done again, it counts once.
    if unsure:
        store.apply(unsure)
    names = sorted(sums)
    lost, waited = 0, time.monotonic()
    while True:
        lost += store.beat()
        balances = dict(zip(names, store.balances(names), strict=True))
        if not any(balance.reserved for balance in balances.values()) or time.monotonic() - waited > lease_s + 30:
            break
        time.sleep(0.2)
    over = sum(max(0, b.spent - (cap if "|day|" in name else cap // 4)) for name, b in balances.items())
    store.close()
    return {
        "store": kind,
        "processes": processes,
        "reservations": granted + refused,
        "granted": granted,
        "refused": refused,
        "killed": killed,
        "settled_again_after_a_kill": len(unsure),
        "given_back_after_leases": lost,
        "accounts": len(names),
        "overshoot_nano": over,
        "times_seen_above_a_cap": overshoots,
        "leaked_nano": sum(balance.reserved for balance in balances.values()),
        "difference_nano": sum(abs(balances[name].spent - sums[name]) for name in names),
        "seconds": round(elapsed_s, 1),
    }


def is_sound(found: dict[str, Any]) -> bool:
    """Whether nothing was overspent, leaked or miscounted."""
    return not any(found[key] for key in ("overshoot_nano", "times_seen_above_a_cap", "leaked_nano", "difference_nano"))


def place_of(kind: str) -> str:
    """Address of a fresh store."""
    name = f"crash-{uuid.uuid4().hex[:8]}"
    if kind == "sqlite":
        return f"sqlite={name}@{tempfile.mkdtemp()}/state.db"
    if kind == "redis":
        return f"redis={name}@{os.environ.get('ROUTER_TEST_REDIS', 'redis://127.0.0.1:6379/0')}"
    import psycopg

    address = os.environ.get("ROUTER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
    schema = name.replace("-", "_")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"postgres={name}@{address}?options=-csearch_path%3D{schema}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "redis", "postgres", "all"], default="all")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--reservations", type=int, default=2_000, help="a process")
    parser.add_argument("--kill", type=float, default=0.003, help="how likely a process dies after a reservation")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds")
    parser.add_argument("--output", help="name below benchmarks/results, without .json")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        place, journal, *rest = json.loads(options.work)
        work(place, Path(journal), *rest)
        return
    found = []
    for kind in ["sqlite", "redis", "postgres"] if options.store == "all" else [options.store]:
        found.append(
            prove(
                kind,
                place_of(kind),
                processes=options.processes,
                reservations=options.reservations,
                kill=options.kill,
                lease_s=options.lease,
            )
        )
        print(json.dumps(found[-1]), flush=True)
    if options.output:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        from benchmarks.machine import write

        write(options.output, {"runs": found})
    if not all(is_sound(each) for each in found):
        sys.exit("budgets leak")


if __name__ == "__main__":
    main()
