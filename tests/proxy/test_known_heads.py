"""A head that came before is not read again, and nobody can tell."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_http_connection import Wire, echo

from router.config import ServerSettings
from router.proxy.heads import known_head
from router.proxy.listener import Listener
from router.proxy.protocol import HttpConnection

HEAD = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: %b\r\nAccept: */*\r\n\r\n"
HEADERS = [(b"host", b"x"), (b"content-length", b"5"), (b"accept", b"*/*")]
FIRST = HEAD % b"5" + b"hello"


async def answered(pieces: list[bytes]) -> tuple[bytes, bool]:
    """What is answered to ``pieces`` on a connection that had answered ``FIRST``, and whether it was closed."""
    wire, listener = Wire(), Listener(echo, ServerSettings())
    connection = HttpConnection(listener, asyncio.get_running_loop())
    connection.connection_made(wire)
    connection.data_received(FIRST)
    while not wire.written.endswith(b"POST /b hello"):
        await asyncio.sleep(0)
    before = len(wire.written)
    for piece in pieces:
        connection.data_received(piece)
    for _ in range(20):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await listener.end(1.0)
    return wire.written[before:], wire.is_closed


def compare(request: bytes) -> bytes:
    """The answer to ``request``, which is the same whether it comes whole or its first byte alone."""

    async def both() -> tuple[tuple[bytes, bool], tuple[bytes, bool]]:
        return await answered([request]), await answered([request[:1], request[1:]])

    whole, parted = asyncio.run(both())
    assert whole == parted
    return whole[0]


@pytest.mark.parametrize("body", [b"", b"other", b"x" * 70_000])
def test_same_head_with_another_body(body: bytes) -> None:
    assert compare(HEAD % b"%d" % len(body) + body).endswith(b"POST /b " + body)


ODD = (
    b"", b"05", b"+5", b"-5", b" 5", b"5 ", b"5, 5", b"0x5", b"5_0", b"\xb2", b"4", b"6", b"9" * 20,
    b"5\r\nContent-Length: 5", b"5\r\nTransfer-Encoding: chunked",
)  # fmt: skip


@pytest.mark.parametrize("length", ODD)
def test_odd_lengths_are_left_to_the_parser(length: bytes) -> None:
    compare(HEAD % length + b"hello")


def test_two_requests_at_once() -> None:
    assert compare(FIRST + HEAD % b"2" + b"ok").count(b"HTTP/1.1 200 ") == 2


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_altered_requests_are_answered_as_ever(data: st.DataObject) -> None:
    request = bytearray(HEAD % b"3" + b"abc")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(request) - 1))
        put = data.draw(st.binary(max_size=2))
        request[at : at + data.draw(st.integers(0, 2))] = put
    if len(request) > 1:
        compare(bytes(request))


def test_head_that_could_grow_too_large_is_not_kept() -> None:
    assert known_head(FIRST, "POST", "/b", HEADERS, most=4096) is not None
    assert known_head(FIRST, "POST", "/b", HEADERS, most=len(FIRST)) is None
