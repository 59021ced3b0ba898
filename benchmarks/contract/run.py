"""How are the written requests of ``tests/cases/contract`` read: right, left to a hosted model, or wrong?

Files called ``unseen_*`` were written without sight of the reader. What it made of one when it first met it is measured
once, with ``--first``, before anything is mended for it, and kept in the results from then on; every other figure is of
the code as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "signals")]

from benchmarks import machine  # noqa: E402
from contract_cases import FOLDER, judge  # noqa: E402


def reading_of(path: Path) -> dict[str, Any]:
    """How the requests of one file are read."""
    counts = Counter((bool(case.get("abstain")), judge(case)[0]) for case in yaml.safe_load(path.read_text("utf-8")))
    return {
        "clear": {outcome: counts[False, outcome] for outcome in ("right", "abstained", "wrong")},
        "near_miss": {outcome: counts[True, outcome] for outcome in ("right", "wrong")},
    }


def summed(readings: list[dict[str, Any]]) -> dict[str, Any]:
    """Several files as one."""
    whole: dict[str, Counter[str]] = {"clear": Counter(), "near_miss": Counter()}
    for reading in readings:
        for kind, counts in whole.items():
            counts.update(reading[kind])
    return {kind: dict(counts) for kind, counts in whole.items()}


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--first", nargs="*", default=[], metavar="NAME", help="files that the reader meets for the first time"
    )
    first = parser.parse_args().first
    kept = machine.RESULTS / "contract.json"
    known: dict[str, Any] = json.loads(kept.read_text("utf-8"))["first"] if kept.exists() else {}
    now = {path.stem: reading_of(path) for path in sorted(FOLDER.glob("*.yaml"))}
    for name in first:
        if name in known:
            raise SystemExit(f"the first reading of {name!r} is known; it cannot be measured again")
        known[name] = {**now[name], "commit": machine.facts()["commit"]}
    by_sight = {
        "unseen": [reading for name, reading in now.items() if name.startswith("unseen")],
        "others": [reading for name, reading in now.items() if not name.startswith("unseen")],
    }
    machine.write("contract", {"first": known, "now": {name: summed(readings) for name, readings in by_sight.items()}})


if __name__ == "__main__":
    main()
