"""``router serve``: the OpenAI-compatible sidecar."""

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
    """Run the sidecar: point an OpenAI client's base_url at http://HOST:PORT/v1.

    \b
    POST /v1/chat/completions   route and answer (also streamed)
    GET  /v1/models             auto, router/POLICY, and every registered model
    GET  /healthz
    """
    from ..config import Settings, load_settings, read_environment
    from ..proxy.server import serve as run

    environment = read_environment()
    path = config or (Path(environment.config) if environment.config else None)
    settings = load_settings(path) if path is not None else Settings()
    chosen = policy or environment.policy
    if chosen:
        settings = settings.model_copy(update={"policy": chosen})
    listen = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"server": settings.server.model_copy(update=listen)})
    run(settings, announce=_announce, workers=workers, allow_public=allow_public)


def _announce(address: str) -> None:
    print(f"router listens on {address}", flush=True)
