"""``router route``: requests decided and answered, one line each as they finish, and what it came to."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .options import CONFIG, POLICY

if TYPE_CHECKING:
    from rich.console import Console

    from ..api import Router
    from ..errors import RouterError
    from ..types import Decision, Outcome

HOW_TO_CONFIGURE = (
    "No hosted provider is configured: hosted rows show the decision and an estimate. To have them answered, set a "
    "provider's usual key (OPENAI_API_KEY, ANTHROPIC_API_KEY ...), or ROUTER_UPSTREAM=http://localhost:11434/v1 and "
    "ROUTER_UPSTREAM_MODEL for any OpenAI-compatible server."
)


class Routed(NamedTuple):
    """What became of one row. ``failure`` is set when it could not be read, decided or answered."""

    title: str
    decision: Decision | None
    outcome: Outcome | None
    failure: RouterError | None
    decided_ms: float


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--text", "-t", help="One prompt, instead of a file.")
@click.option("--decide-only", is_flag=True, help="Call no hosted model, even where one is configured.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests at a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row instead of the table.")
@CONFIG
@POLICY
def route(
    file: Path | None,
    text: str | None,
    decide_only: bool,
    concurrency: int,
    as_json: bool,
    config: Path | None,
    policy: str | None,
) -> int:
    """Decide and answer the requests of FILE (JSON Lines; - is stdin), or one --text.

    A row is {"prompt": "..."} or an OpenAI chat body; either may carry a "router" object with hints. Hosted models are
    called where one is configured; where none is, the decision and its estimate are shown.

    The exit code is 1 when a row could not be read or a call failed.
    """
    from .options import open_router

    if (file is None) == (text is None):
        raise click.UsageError("give a FILE or --text.")
    with open_router(config, policy) as router:
        rows = _rows(file, text)
        return asyncio.run(_show(router, rows, decide_only, concurrency, as_json, _count(file)))


async def _show(
    router: Router, rows: Iterator[bytes | RouterError], decide_only: bool, concurrency: int, as_json: bool, total: int
) -> int:
    from ..errors import NoCandidate, NotConfigured

    seen: list[Routed] = []
    show = _as_json() if as_json else _as_table(total)
    next(show)
    started = time.perf_counter()
    try:
        async for routed in _route_all(router, rows, decide_only, concurrency):
            seen.append(_slim(routed))
            show.send(routed)
    finally:
        show.close()
        await router.engine.aclose()
    if not as_json:
        _summary(router, seen, time.perf_counter() - started)
    # A budget that cannot be met is an answer to what was asked; a provider that is not there is no failure of ours.
    return int(any(row.failure and not isinstance(row.failure, NoCandidate | NotConfigured) for row in seen))


# ----- routing ----------------------------------------------------------------------------------------------------


def _rows(file: Path | None, text: str | None) -> Iterator[bytes | RouterError]:
    import msgspec

    from .rows import lines, reading

    if file is None:
        yield msgspec.json.encode({"prompt": text})
        return
    with reading(file) as stream:
        yield from lines(stream)


def _count(file: Path | None) -> int:
    """Rows in the file, 0 when that is only known at its end."""
    if file is None or not file.is_file():
        return 0
    with file.open("rb") as stream:
        return sum(1 for line in stream if not line.isspace())


async def _route_all(
    router: Router, rows: Iterator[bytes | RouterError], decide_only: bool, concurrency: int
) -> AsyncIterator[Routed]:
    """Results in the order of the rows, ``concurrency`` of them under way."""
    pending: deque[asyncio.Task[Routed]] = deque()
    try:
        for row in rows:
            pending.append(asyncio.create_task(_route_one(router, row, decide_only)))
            if len(pending) >= concurrency:
                yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        for task in pending:
            task.cancel()


async def _route_one(router: Router, row: bytes | RouterError, decide_only: bool) -> Routed:
    from ..errors import NotConfigured, RouterError
    from ..wire.openai import read_row

    engine = router.engine
    title, decision, outcome, decided_ms = "", None, None, 0.0
    try:
        if isinstance(row, RouterError):
            raise row
        request = read_row(row)
        title = _title(request.body)
        started_s = engine.clock_s()
        decision = await (engine.adecide(request) if decide_only else engine.admit(request, started_s=started_s))
        decided_ms = (engine.clock_s() - started_s) * 1000
        if decision.target.kind == "llm" and (decide_only or not decision.target.configured):
            raise NotConfigured("not called.")
        _, outcome = await engine.complete(request, decision, started_s=started_s)
    except RouterError as error:
        return Routed(title, decision, outcome, error, decided_ms)
    return Routed(title, decision, outcome, None, decided_ms)


def _slim(routed: Routed) -> Routed:
    """Without the answer's body, so that a long file does not stay in memory."""
    import msgspec

    if routed.outcome is None:
        return routed
    return routed._replace(outcome=msgspec.structs.replace(routed.outcome, body=None))


def _title(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("title"), str):
        return str(metadata["title"])
    for message in reversed(body["messages"]):
        if message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"][:200])
    return ""


# ----- showing ----------------------------------------------------------------------------------------------------


def _as_json() -> Generator[None, Routed, None]:
    import sys

    import msgspec

    from ..wire.openai import error_body

    encode = msgspec.json.Encoder(order="deterministic").encode
    while True:
        row = yield
        shown = {"title": row.title, "decision": row.decision, "outcome": row.outcome}
        if row.failure is not None:
            shown.update(error_body(row.failure))
        sys.stdout.buffer.write(encode(shown) + b"\n")
        sys.stdout.buffer.flush()


def _as_table(total: int) -> Generator[None, Routed, None]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from .table import Cell, Column, Table

    console = _console()
    table = Table(
        [
            Column("#", 3, 2, is_right=True),
            Column("request", 18, 8, 3),
            Column("task", 13, 8, 2),
            Column("target", 7, 6),
            Column("model", 14, 9, 2),
            Column("rule", 7, 7),
            Column("answer", 16, 8, 4),
            Column("estimate", 10, 10, is_right=True),
            Column("cost", 10, 6, is_right=True),
            Column("latency", 8, 7, is_right=True),
        ],
        console.width,
    )
    progress = Progress(
        TextColumn("routing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    console.print(table.header)
    number = 0
    with progress:
        bar = progress.add_task("routing", total=total or None)
        while True:
            row = yield
            number += 1
            console.print(table.row([Cell(str(number), "dim"), *_cells(row, Cell)]))
            progress.advance(bar)


def _cells(row: Routed, cell: Any) -> list[Any]:
    from ..errors import NotConfigured
    from ..units import format_ms, format_usd

    failure = row.failure
    if row.decision is None:
        return [
            cell(row.title),
            *[cell("")] * 4,
            cell(str(failure), "red"),
            *[cell("")] * 3,
        ]
    decision, outcome = row.decision, row.outcome
    target = decision.target
    name, colour = {
        "local": ("local", "green"),
        "refuse": ("refuse", "magenta"),
        "llm": (target.tier or "llm", "cyan" if target.tier == "small" else "blue"),
    }[target.kind]
    rule = next((fired.id for fired in decision.verdict.rules if fired.decisive), "default")
    if outcome is not None:
        answer, style = _answer(outcome.body), ""
    elif isinstance(failure, NotConfigured):
        answer, style = "(not called)", "dim"
    else:
        answer, style = str(failure), "red"
    # A local answer takes as long as deciding did, for the model was asked then.
    took = format_ms(row.decided_ms + outcome.latency_ms) if outcome else f"~{format_ms(decision.estimate.latency_ms)}"
    return [
        cell(row.title),
        cell(decision.task.label),
        cell(name, colour),
        cell((outcome.model if outcome else None) or target.model or "-"),
        cell(rule),
        cell(answer, style),
        cell(format_usd(decision.estimate.usd), "dim"),
        cell(format_usd(outcome.usd) if outcome else "-"),
        cell(took, "" if outcome else "dim"),
    ]


def _answer(body: Mapping[str, Any] | None) -> str:
    if not body:
        return ""
    message = body["choices"][0].get("message", {})
    calls = message.get("tool_calls") or []
    if calls:
        return ", ".join(f"{call['function']['name']}({call['function']['arguments']})" for call in calls)
    return str(message.get("content") or message.get("refusal") or "")


def _summary(router: Router, rows: list[Routed], seconds: float) -> None:
    from ..units import format_ms, format_usd

    console = _console()
    kinds = [row.decision.target.kind for row in rows if row.decision]
    local, llm, refused = (kinds.count(kind) for kind in ("local", "llm", "refuse"))
    failed = sum(1 for row in rows if row.decision is None)
    called = [row for row in rows if row.outcome is not None and row.outcome.status == "answered"]
    spent = sum(row.outcome.usd or 0.0 for row in rows if row.outcome is not None)
    planned = sum(row.decision.estimate.usd or 0.0 for row in rows if row.decision)
    all_hosted = sum(_cheapest_hosted(row.decision) for row in rows if row.decision)
    times = sorted(row.decided_ms for row in rows if row.decision)
    console.print()
    console.print(
        f"{len(rows)} requests in {seconds:.1f}s: [green]{local} local[/], [cyan]{llm} hosted[/], "
        f"[magenta]{refused} refused[/]" + (f", [red]{failed} with an error[/]" if failed else "")
    )
    console.print(
        f"answered {len(called)}; spent {format_usd(spent)}; estimate of the whole plan {format_usd(planned)}, "
        f"with hosted models alone {format_usd(all_hosted)}"
    )
    if times:
        console.print(f"deciding took {format_ms(times[len(times) // 2])} in the median")
    if router.engine.fleet.is_plan and llm:
        console.print(HOW_TO_CONFIGURE, style="yellow")


def _cheapest_hosted(decision: Decision) -> float:
    """Estimate of what a hosted model would have cost; the decision's own where it is one or none is known."""
    if decision.target.kind != "local":
        return decision.estimate.usd or 0.0
    able = [c.estimate.usd for c in decision.candidates if c.kind == "llm" and c.estimate.usd is not None]
    return min(able, default=0.0)


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    # Where no terminal tells its width (a log, a pipe), one that shows every column.
    return console if console.is_terminal else Console(highlight=False, width=170, no_color=True)
