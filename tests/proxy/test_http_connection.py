"""Requests on one connection, cut into pieces as networks do; the transport is a list."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.config import ServerSettings
from router.proxy.cycle import Cycle
from router.proxy.listener import Listener
from router.proxy.protocol import HttpConnection

REQUESTS = (
    (b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /a b "),
    (b"POST /b HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello", b"POST /b hello"),
    (
        b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"POST /c abcde",
    ),
    (b"POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, b"POST /d " + b"x" * 70_000),
    (b"GET http://x/e#f HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /e "),
    (
        b"POST /g HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nok",
        b"POST /g ok",
    ),
)


class Wire(asyncio.Transport):
    """Takes what is written, and notes whether it is to read."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_closed, self.is_reading = b"", False, True

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


async def echo(cycle: Cycle) -> None:
    body = b""
    while (received := await cycle.receive()) is not None:
        body += received[0]
        if not received[1]:
            break
    await cycle.answer(200, [], f"{cycle.method} {cycle.path} ".encode() + body)


async def spoken(pieces: list[bytes], *, answers: int) -> tuple[bytes, bool]:
    """What is answered to ``pieces``, and whether the connection was closed."""
    loop, wire = asyncio.get_running_loop(), Wire()
    listener = Listener(echo, ServerSettings())
    connection = HttpConnection(listener, loop)
    connection.connection_made(wire)
    for piece in pieces:
        while not wire.is_reading:
            await asyncio.sleep(0)
        connection.data_received(piece)
    for _ in range(1_000):
        if wire.written.count(b"HTTP/1.1 200 ") >= answers or wire.is_closed:
            break
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await listener.end(1.0)
    return wire.written, wire.is_closed


def bodies_of(answers: bytes) -> list[bytes]:
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        length = int(head.rpartition(b"content-length: ")[2])
        found.append(rest[:length])
        answers = rest[length:]
    return found


@settings(deadline=None, max_examples=200)
@given(asked=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=5), data=st.data())
def test_answers_do_not_hang_on_how_bytes_come(asked: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    sent = b"".join(request for request, _ in asked)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=8)))
    pieces = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    written, is_closed = asyncio.run(spoken(pieces, answers=len(asked)))
    assert bodies_of(written) == [answer for _, answer in asked]
    assert not is_closed


def test_body_is_invited_only_when_it_is_read() -> None:
    head = b"POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    async def ask() -> tuple[bytes, bytes]:
        wire, listener = Wire(), Listener(echo, ServerSettings())
        connection = HttpConnection(listener, asyncio.get_running_loop())
        connection.connection_made(wire)
        connection.data_received(head)
        before = wire.written
        while not wire.written:
            await asyncio.sleep(0)
        invited = wire.written
        connection.data_received(b"ok")
        while wire.written == invited:
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return before, wire.written

    before, written = asyncio.run(ask())
    assert before == b""
    assert written.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_head_of_a_stream_leaves_with_its_first_piece() -> None:
    async def streams(cycle: Cycle) -> None:
        cycle.open(200, [(b"content-type", b"text/event-stream")])
        await cycle.send(b"data: 1\n\n", more=True)
        await cycle.send(b"data: 2\n\n", more=False)

    async def ask(first: bytes) -> list[bytes]:
        wire, listener = Wire(), Listener(streams, ServerSettings())
        pieces: list[bytes] = []
        wire.write = pieces.append  # type: ignore[method-assign, assignment]
        connection = HttpConnection(listener, asyncio.get_running_loop())
        connection.connection_made(wire)
        connection.data_received(first)
        for _ in range(10):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return pieces

    first, second = asyncio.run(ask(REQUESTS[0][0]))
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
    assert second == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"
    (head,) = asyncio.run(ask(REQUESTS[0][0].replace(b"GET", b"HEAD")))
    assert head.endswith(b"\r\ncontent-type: text/event-stream\r\n\r\n")


def test_application_that_fails_is_an_answer() -> None:
    async def fails(_: Cycle) -> None:
        raise ValueError

    async def ask() -> bytes:
        wire, listener = Wire(), Listener(fails, ServerSettings())
        connection = HttpConnection(listener, asyncio.get_running_loop())
        connection.connection_made(wire)
        connection.data_received(REQUESTS[0][0])
        while not wire.is_closed:
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire.written

    answer = asyncio.run(ask())
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b'"code":"internal_error"' in answer
