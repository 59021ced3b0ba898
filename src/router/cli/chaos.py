"""``router chaos``: faulty upstreams on this machine, and which guarantees a gateway in front of them holds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..testing.contract_run import Result

PORTS = (
    click.option("--primary-port", type=click.IntRange(0, 65535), default=9701, show_default=True),
    click.option("--fallback-port", type=click.IntRange(0, 65535), default=9702, show_default=True),
)
KINDS = (
    "reset", "stall", "cut", "clean_cut", "done_without_finish", "malformed_chunk", "malformed_body",
    "error_in_stream", "error_in_body", "wrong_length", "huge_body", "huge_chunk", "html",
)  # fmt: skip


def _ports(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(PORTS):
        command = option(command)
    return command


@click.group()
def chaos() -> None:
    """Faulty OpenAI-compatible upstreams, and what a gateway in front of them guarantees.

    \b
    router chaos run                              this router's sidecar
    router chaos run --gateway URL --model NAME   any other gateway
    router chaos config litellm                   how to set one up for it
    router chaos upstream --fault cut             one faulty upstream to play with
    """


@chaos.command()
@click.option("--gateway", help="Base URL of the gateway, up to /v1 (default: a sidecar of this router).")
@click.option("--model", default="auto", show_default=True, help="The model to ask the gateway for.")
@click.option("--key-env", help="Environment variable that holds the gateway's API key.")
@click.option("--deadline-header", help="Header that limits one request: NAME:ms or NAME:s (its unit).")
@click.option(
    "--patience", type=click.FloatRange(1, 120), default=15.0, show_default=True, help="Seconds for one call."
)
@click.option(
    "--cooldown", type=click.FloatRange(1, 600), default=70.0, show_default=True, help="Seconds to wait for recovery."
)
@click.option("--only", multiple=True, help="A guarantee or a group of them; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@_ports
def run(
    gateway: str | None,
    model: str,
    key_env: str | None,
    deadline_header: str | None,
    patience: float,
    cooldown: float,
    only: tuple[str, ...],
    as_json: bool,
    primary_port: int,
    fallback_port: int,
) -> None:
    """Try every guarantee and print which held. Exit code 1 when one is broken."""
    headers: dict[str, str] = {}
    if key_env:
        key = os.environ.get(key_env)
        if not key:
            raise ConfigError(f"{key_env} is not set.", hint="Set it to the gateway's API key.")
        headers["Authorization"] = f"Bearer {key}"
    deadline = _deadline(deadline_header) if deadline_header else None

    def go(base_url: str) -> list[Result]:
        return asyncio.run(
            _run(
                base_url,
                as_json=as_json,
                model=model,
                headers=headers,
                deadline=deadline,
                patience_s=patience,
                cooldown_s=cooldown,
                only=only,
                primary_port=primary_port,
                fallback_port=fallback_port,
            )
        )

    if gateway is not None:
        results = go(gateway)
    else:
        deadline = _deadline("x-router-deadline-ms:ms")
        with sidecar(primary_port, fallback_port) as base_url:
            results = go(base_url)
    sys.exit(int(any(result.held is False for result in results)))


async def _run(base_url: str, *, as_json: bool, **options: object) -> list[Result]:
    from ..testing.contract_run import run_contract, summary

    results: list[Result] = []
    group = ""
    async for result in run_contract(base_url, **options):  # type: ignore[arg-type]
        results.append(result)
        if as_json:
            print(json.dumps(_row(result)), flush=True)
            continue
        if result.group != group:
            group = result.group
            print(f"\n{group}")
        word = {True: "held", False: "BROKEN", None: "not tried"}[result.held]
        print(f"  {word:9} {result.name:24} {result.holds}\n{'':37}{result.seen}", flush=True)
    if not as_json:
        held, broken, untried = summary(results)
        print(f"\n{held} held, {broken} broken, {untried} not tried")
    return results


def _row(result: Result) -> dict[str, object]:
    return {name: getattr(result, name) for name in result.__struct_fields__}


@chaos.command()
@click.argument("gateway", type=click.Choice(["router", "litellm"]))
@_ports
def config(gateway: str, primary_port: int, fallback_port: int) -> None:
    """Print a config of GATEWAY for the run: two upstreams, the second as the first one's fallback."""
    from ..testing.contract_run import config_for

    print(
        config_for(
            "litellm" if gateway == "litellm" else "router", primary_port=primary_port, fallback_port=fallback_port
        ),
        end="",
    )


@chaos.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9701, show_default=True)
@click.option("--fault", type=click.Choice(KINDS), help="What goes wrong; with --status an error answer instead.")
@click.option("--status", type=click.IntRange(400, 599), help="An error status.")
@click.option("--retry-after", help="Its Retry-After header.")
@click.option("--share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Share of failing requests.")
@click.option("--latency", type=click.FloatRange(0, 600), default=0.0, help="Seconds before a good answer.")
@click.option("--drip", type=click.FloatRange(0, 60), default=0.0, help="Seconds before each chunk of a good stream.")
def upstream(
    port: int,
    fault: str | None,
    status: int | None,
    retry_after: str | None,
    share: float,
    latency: float,
    drip: float,
) -> None:
    """Run one faulty upstream until interrupted."""
    from ..testing.upstream import Answer, Fault, Upstream

    good = Answer(delay_s=latency, drip_s=drip)
    bad = None
    if status is not None:
        bad = Fault(status=status, retry_after=retry_after)
    elif fault is not None:
        bad = Fault(kind=fault)  # type: ignore[arg-type]

    async def serve() -> None:
        server = Upstream(default=good if bad is None else bad, share=share, otherwise=good)
        print(f"faulty upstream listens on {await server.start(port)}", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    asyncio.run(serve())


def _deadline(written: str) -> Callable[[int], Mapping[str, str]]:
    name, colon, unit = written.rpartition(":")
    if not colon or unit not in ("ms", "s"):
        raise ConfigError(f"--deadline-header {written!r} has no unit.", hint="Write NAME:ms or NAME:s.")
    return lambda ms: {name: str(ms) if unit == "ms" else f"{ms / 1000:g}"}


@contextmanager
def sidecar(primary_port: int, fallback_port: int) -> Iterator[str]:
    """A sidecar of this router between the two upstreams; its base URL."""
    from ..testing.contract_run import config_for
    from ..testing.guarantees import CHAOS_KEY

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "router.yaml"
        path.write_text(config_for("router", primary_port=primary_port, fallback_port=fallback_port), encoding="utf-8")
        environment = {**os.environ, "CHAOS_KEY": CHAOS_KEY}
        process = subprocess.Popen(  # noqa: S603 this very program
            [sys.executable, "-m", "router", "serve", "--port", "0", "--config", str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            found = re.search(r"http://\S+", line)
            if found is None:
                raise ConfigError("the sidecar did not start.", hint="Its message stands above.")
            yield f"{found[0].rstrip('/')}/v1"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
