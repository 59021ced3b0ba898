"""How long a connection is kept between two requests, and that none is closed under one."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from router.config import ServerSettings
from router.proxy.cycle import Cycle
from router.proxy.listener import Listener
from router.proxy.protocol import HttpConnection

KEPT_S = 0.5
ASKED = b"GET /%b HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def answer(cycle: Cycle) -> None:
    """Answers at once, at ``/slow`` after longer than a connection is kept."""
    if cycle.path == "/slow":
        await asyncio.sleep(2.5 * KEPT_S)
    await cycle.answer(200, [], b"ok")


def held() -> list[Any]:
    return [each for each in gc.get_objects() if type(each) is HttpConnection]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    place = socket.create_server(("127.0.0.1", 0))
    listener = Listener(answer, ServerSettings(), keep_alive_s=KEPT_S)
    await listener.begin(place)
    reader, writer = await asyncio.open_connection(*place.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        await listener.end(10.0)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes = b"") -> None:
    writer.write(ASKED % path)
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\nok"), 10)).startswith(b"HTTP/1.1 200")


async def test_an_idle_connection_is_closed_in_time() -> None:
    async with connected() as (reader, writer):
        await ask(reader, writer)
        began_s = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert time.monotonic() - began_s > 0.8 * KEPT_S


async def test_each_request_lengthens_its_life() -> None:
    async with connected() as (reader, writer):
        for _ in range(6):
            await ask(reader, writer)
            await asyncio.sleep(0.6 * KEPT_S)
        await ask(reader, writer)
        began_s = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert time.monotonic() - began_s > 0.8 * KEPT_S


@pytest.mark.parametrize("before", [0, 1])
async def test_no_request_is_cut_however_long_it_takes(before: int) -> None:
    async with connected() as (reader, writer):
        for _ in range(before):
            await ask(reader, writer)
        await ask(reader, writer, b"slow")
        await ask(reader, writer)
        assert await asyncio.wait_for(reader.read(), 10) == b""


@pytest.mark.parametrize("sent", [b"", b"GET /", ASKED % b"", b"GET / HTTP/1.1\r\n\r\n"])
async def test_ended_connections_wait_for_no_collector(sent: bytes) -> None:
    gc.collect()
    before = len(held())
    gc.disable()
    try:
        async with connected() as (reader, writer):
            writer.write(sent)
            await asyncio.sleep(0.1)
            writer.close()
            await reader.read()
            for _ in range(50):
                if len(held()) == before:
                    break
                await asyncio.sleep(0.05)
            assert len(held()) == before
    finally:
        gc.enable()
