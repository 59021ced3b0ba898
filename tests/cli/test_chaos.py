"""The contract runner: on this router's own sidecar, and on a gateway that keeps no promise."""

from __future__ import annotations

import socket

import pytest
from aiohttp import ClientSession, web

from router.cli.chaos import sidecar
from router.errors import ConfigError
from router.testing.contract_run import config_for, run_contract, summary
from router.testing.guarantees import GUARANTEES
from router.yamlfile import load_yaml


def free_ports() -> list[int]:
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


async def collect(url: str, ports: list[int], *only: str, **fields: object) -> dict[str, bool | None]:
    found = run_contract(url, primary_port=ports[0], fallback_port=ports[1], only=only, **fields)
    return {result.name: result.held async for result in found}


async def test_the_sidecar_keeps_its_promises() -> None:
    ports = free_ports()
    with sidecar(*ports) as url:
        held = await collect(
            url, ports, "unchanged", "usage", "cut", "cut_told", "malformed_body", "stream_cut_early", "final", "secret"
        )
    assert held == dict.fromkeys(held, True)
    assert len(held) == 15


class _Careless:
    """A gateway that forwards a stream's text, ends everything well, and hides every failure."""

    def __init__(self, upstream: str) -> None:
        self.upstream, self.url = upstream, ""

    async def __aenter__(self) -> _Careless:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self.chat)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"
        self.session = ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.runner.cleanup()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        upstream = f"{self.upstream}/chat/completions"
        if not body.get("stream"):
            async with self.session.post(upstream, json=body) as answer:
                return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            async with self.session.post(upstream, json=body) as answer:
                async for line in answer.content:
                    if line.endswith(b"}\n"):
                        await response.write(line + b"\n")
        except Exception:  # noqa: BLE001 as careless as can be
            pass
        await response.write(b"data: [DONE]\n\n")
        return response


async def test_a_careless_gateway_is_found_out() -> None:
    ports = free_ports()
    async with _Careless(f"http://127.0.0.1:{ports[0]}/v1") as gateway:
        held = await collect(gateway.url, ports, "answer", "cut", "cut_told", "clean_cut", "status_500", patience_s=5.0)
    assert held == {"answer": True, "cut": False, "cut_told": False, "clean_cut": False, "status_500": False}


async def test_a_gateway_set_up_wrongly_is_told() -> None:
    ports = free_ports()
    with pytest.raises(ConfigError, match="first upstream"):
        await collect(f"http://127.0.0.1:{ports[0]}/nowhere", ports, "answer")


async def test_an_unknown_guarantee_is_told() -> None:
    with pytest.raises(ConfigError, match="no guarantee"):
        await collect("http://127.0.0.1:1/v1", free_ports(), "everything")


def test_guarantees_have_names_of_their_own() -> None:
    names = [each.name for each in GUARANTEES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("gateway", ["router", "litellm"])
def test_the_configs_are_yaml(gateway: str) -> None:
    data = load_yaml(config_for(gateway, primary_port=1, fallback_port=2), name="chaos.yaml").data
    assert "http://127.0.0.1:1/v1" in str(data)
    assert "http://127.0.0.1:2/v1" in str(data)


def test_the_summary_counts() -> None:
    assert summary(()) == (0, 0, 0)
