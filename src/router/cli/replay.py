"""``router replay``: recorded requests decided again; nothing is called and no prompt is needed."""

from __future__ import annotations

from pathlib import Path

import click

from .options import CONFIG, POLICY


@click.command()
@click.argument("ledger", required=False, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 also for records of another policy or other models.")
@click.option("--show", type=click.IntRange(0, 10_000), default=20, help="How many differences to list (20).")
@CONFIG
@POLICY
def replay(ledger: Path | None, strict: bool, show: int, config: Path | None, policy: str | None) -> int:
    """Decide every record of LEDGER again, from its recorded signals and state.

    LEDGER is a .jsonl or .db file, - is stdin; without it, the ledger of the configuration is read, wherever it is.
    The same policy, models and state must give the same decision, byte for byte. Records of another policy or of other
    models prove nothing, and are counted apart. Exit code 1: a decision differs.
    """
    from collections import Counter

    from ..errors import RouterError
    from ..offline.recorded import read_record
    from ..offline.replay import replay_record
    from .options import open_router
    from .records import rows_of

    counts: Counter[str] = Counter()
    others: Counter[str] = Counter()
    with open_router(config, policy) as router, rows_of(ledger, config) as rows:
        engine, place = router.engine, ledger or "ledger"
        for at, line in enumerate(rows, 1):
            try:
                if isinstance(line, RouterError):
                    raise line
                found = replay_record(read_record(line), engine.policies, engine.fleet)
            except RouterError as error:
                counts["unreadable"] += 1
                if counts["unreadable"] <= show:
                    print(f"{place}:{at}: {error}")
                continue
            counts[found.status] += 1
            if found.status == "other":
                others[found.reason] += 1
            elif found.status == "differs" and counts["differs"] <= show:
                print(f"{place}:{at}: {found.id} differs: {found.reason}")
    total = sum(counts.values())
    print(f"{total} records: {counts['same']} the same byte for byte, {counts['differs']} differ", end="")
    print(f", {counts['other']} of another policy or other models, {counts['unreadable']} unreadable")
    for reason, count in others.most_common(10):
        print(f"  {count}: {reason}")
    proved_nothing = counts["other"] + counts["unreadable"]
    return 1 if counts["differs"] or (strict and proved_nothing) else 0
