"""Whether workers scale. Several must do for a request what one does, neither more work nor waiting for one another.

On a machine with cores to spare, requests a second tell it. Where the load, the upstream and the workers share two
cores they cannot, so that the processor time of a request tells it, with one worker and with several at the same load:
``scales`` is how many times as many requests the workers can answer as one, had each a core of its own.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers import Peer, running

__all__ = ["scaling"]

Load = Callable[[str, str, int, int], dict[str, float]]
_EACH = 32


def scaling(upstream: Peer, folder: Path, load: Load, *, workers: int, rounds: int, words: int = 20) -> dict[str, Any]:
    """One worker and ``workers``, in turns. ``load`` (address, cores, words, connections) is one run of the load."""
    cores = os.cpu_count() or 1
    has_room = cores > workers + 1
    own = f"0-{workers - 1}" if workers > 1 and has_room else None
    others = f"{workers}-{cores - 1}" if has_room else f"0-{cores - 1}"
    rows: dict[int, list[dict[str, float]]] = {1: [], workers: []}
    for _ in range(rounds):
        for count, found in rows.items():
            place = folder / f"workers-{count}"
            place.mkdir(exist_ok=True)
            with running("router", f"{upstream.url}/v1", place, core=own, workers=count) as peer:
                load(peer.url, others, words, _EACH * workers)
                found.append(
                    _one(peer, upstream, count, lambda peer=peer: load(peer.url, others, words, _EACH * workers))
                )
    told = {str(count): _medians(found) for count, found in rows.items()}
    one, many = told["1"], told[str(workers)]
    return {
        "workers": workers,
        "words": words,
        "connections": _EACH * workers,
        "own_cores": has_room,
        "by_workers": told,
        "scales": round(workers * one["cpu_us"] / many["cpu_us"], 3),
        "per_s_times": round(many["per_s"] / one["per_s"], 3),
    }


def _one(peer: Peer, upstream: Peer, count: int, run: Callable[[], dict[str, float]]) -> dict[str, float]:
    before, loaded_s, waited_s = peer.times_s(), upstream.cpu_s(), peer.waited_s()
    found = run()
    after = peer.times_s()
    spent = {pid: (after[pid][0] - before[pid][0], after[pid][1] - before[pid][1]) for pid in before if pid in after}
    # With several, the parent only waits.
    busy = sorted((sum(times) for times in spent.values()), reverse=True)[:count]
    user, system = (sum(times[at] for times in spent.values()) for at in (0, 1))
    return {
        "per_s": found["per_s"],
        "cpu_us": (user + system) * 1e6 / found["requests"],
        "system_share": system / (user + system),
        "least_share": busy[-1] * count / sum(busy),
        "upstream_us": (upstream.cpu_s() - loaded_s) * 1e6 / found["requests"],
        "waited_us": (peer.waited_s() - waited_s) * 1e6 / found["requests"],
        "failed": found["failed"],
    }


def _medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
