"""``router serve``: the sidecar for OpenAI's and Anthropic's clients."""

from __future__ import annotations

from pathlib import Path

import click

from .options import CONFIG, POLICY


@click.command()
@click.option("--host", help="Address to listen on (default: the config's, else 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: the config's, else 8787); 0 takes one.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--allow-public", is_flag=True, help="Listen on an address that other machines can reach, without keys.")
@CONFIG
@POLICY
def serve(
    host: str | None, port: int | None, workers: int, allow_public: bool, config: Path | None, policy: str | None
) -> None:
    """Run the sidecar: point a client's base_url at http://HOST:PORT/v1 (Anthropic's: at http://HOST:PORT).

    \b
    POST /v1/chat/completions   route and answer; also /v1/completions, /v1/responses, /v1/messages, /v1/embeddings
    POST /v1/route              decide only, with a quote and the receipt
    GET  /v1/receipts/ID        the receipt of a decision; POST /v1/feedback: a verdict on its answer
    GET  /v1/models             auto, router/POLICY, and every registered model
    GET  /healthz /readyz /metrics /openapi.json

    SIGHUP reads config, policies and keys again; SIGTERM lets running requests finish.
    """
    from ..proxy.reader import Reading, Source

    asked = Source(path=None if config is None else str(config), policy=policy, host=host, port=port)
    reading = Reading(asked)
    # Beside that, what serves is loaded.
    from ..config import read_environment
    from ..proxy.workers import serve as run

    source = asked.within(read_environment())
    run(source, reading, announce=_announce, workers=workers, allow_public=allow_public)


def _announce(address: str) -> None:
    print(f"router listens on {address}", flush=True)
