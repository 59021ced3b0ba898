"""The HTTP client for upstreams against servers that answer whatever bytes a test says."""

import asyncio
import contextlib
import ssl
import subprocess
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.backends.http import HttpError, HttpPool, head_of, target_of

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


class Server:
    """Answers each request with the next of ``answers``, in its pieces; then closes, if ``closes``."""

    def __init__(self, answers, *, closes=False):
        self.answers, self.closes = list(answers), closes
        self.requests, self.writers, self.connections = [], [], 0
        self.left = asyncio.Event()

    async def serve(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append((head, await reader.readexactly(length)))
                pieces = self.answers.pop(0)
                for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        except asyncio.CancelledError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def listening(server, **options):
    """A server, a pool of connections, and the target that is at the server."""
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    pool = HttpPool(**options)
    try:
        yield server, pool, target_of(f"http://127.0.0.1:{port}/v1/chat/completions")
    finally:
        pool.close()
        running.close()
        # Until both sides of each connection know that it is over.
        await asyncio.sleep(0.01)


def serving(*answers, closes=False, **options):
    return listening(Server(answers, closes=closes), **options)


def ask(target, body=b"{}"):
    return head_of(target, {"Content-Type": "application/json"}) + b"%d\r\n\r\n" % len(body) + body


async def test_one_connection_serves_many_requests():
    async with serving(OK, CHUNKED, OK) as (server, pool, target):
        found = [await pool.send(target, ask(target, b"[%d]" % turn), most=100) for turn in range(3)]
    assert [answer.body for answer in found] == [b"{}", b"abcde", b"{}"]
    assert [body for _, body in server.requests] == [b"[0]", b"[1]", b"[2]"]
    assert server.connections == 1
    head = server.requests[0][0].decode()
    assert head.startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{target.port}\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head


@given(cuts=st.lists(st.integers(1, len(CHUNKED) - 1), max_size=6), is_stream=st.booleans())
def test_pieces_of_the_network_change_nothing(cuts, is_stream):
    edges = [0, *sorted(set(cuts)), len(CHUNKED)]
    pieces = [CHUNKED[start:end] for start, end in pairwise(edges)]

    async def run():
        async with serving(pieces, OK) as (server, pool, target):
            if is_stream:
                stream = await pool.open(target, ask(target))
                got = b""
                while piece := await stream.read():
                    got += piece
            else:
                got = (await pool.send(target, ask(target), most=100)).body
            assert (await pool.send(target, ask(target), most=100)).body == b"{}"
            return got, server.connections

    assert asyncio.run(run()) == (b"abcde", 1)


@given(
    start=st.sampled_from([b"", OK, CHUNKED, OK[:-2], CHUNKED[:40], b"HTTP/1.1 200 OK\r\n"]),
    rest=st.binary(max_size=60),
    cut=st.integers(0, 80),
)
def test_whatever_comes_is_an_answer_or_an_error(start, rest, cut):
    async def run():
        data = start[:cut] + rest + start[cut:]
        async with serving([data], closes=True) as (_, pool, target), asyncio.timeout(5):
            try:
                return (await pool.send(target, ask(target), most=1_000)).status
            except HttpError as error:
                return "sent" if error.is_sent else "not sent"

    found = asyncio.run(run())
    assert found == "sent" or 200 <= found < 1000


@pytest.fixture
def certificate(tmp_path):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *files], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cert.pem"


@pytest.mark.parametrize(("is_trusted", "host"), [(True, "localhost"), (False, "localhost"), (True, "127.0.0.1")])
async def test_tls_is_spoken_to_the_named_host_only(certificate, monkeypatch, is_trusted, host):
    if is_trusted:
        # OpenSSL's own setting for who is trusted.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = Server([OK, CHUNKED])
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=served)
    target = target_of(f"https://{host}:{listening.sockets[0].getsockname()[1]}/v1")
    pool = HttpPool()
    if is_trusted and host == "localhost":
        found = [await pool.send(target, ask(target), most=100) for _ in range(2)]
        assert [answer.body for answer in found] == [b"{}", b"abcde"]
        assert server.connections == 1
    else:
        with pytest.raises(HttpError, match="certificate") as caught:
            await pool.send(target, ask(target), most=100)
        assert not caught.value.is_sent
        assert server.requests == []
    pool.close()
    listening.close()
    await asyncio.sleep(0.05)


async def test_answer_without_length_ends_with_its_connection():
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n{}", closes=True) as (_, pool, target):
        answer = await pool.send(target, ask(target), most=100)
        assert (answer.status, answer.body, pool.idle) == (200, b"{}", 0)


async def test_interim_answers_are_passed_over():
    async with serving(b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + OK) as (_, pool, target):
        answer = await pool.send(target, ask(target), most=100)
    assert (answer.status, answer.body) == (200, b"{}")
    assert b"x-early" not in answer.headers


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "closed"),
        (CHUNKED[:-9], "closed"),
        (b"hello\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"x" * 900, "more than"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000, "head is too large"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000 + b"\r\n", "head is too large"),
    ],
)
async def test_broken_answers_are_errors(answer, said):
    async with serving(answer, closes=True) as (_, pool, target):
        with pytest.raises(HttpError, match=said) as caught:
            await pool.send(target, ask(target), most=500)
        assert caught.value.is_sent
        assert pool.idle == 0


@pytest.mark.parametrize("excess", [OK, b"x", b"\r\n\r\nx"])
async def test_bytes_beyond_an_answer_never_reach_the_next(excess):
    async with serving(OK + excess, [OK, excess], OK, OK) as (server, pool, target):
        for _ in range(3):
            assert (await pool.send(target, ask(target), most=100)).body == b"{}"
            await asyncio.sleep(0.02)
    assert server.connections == 3


async def test_cancelled_call_cuts_its_connection():
    async with serving([], OK) as (server, pool, target):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.send(target, ask(target), most=100)
        await asyncio.wait_for(server.left.wait(), 5)
        assert (await pool.send(target, ask(target), most=100)).body == b"{}"
    assert server.connections == 2


async def test_closed_stream_cuts_its_connection():
    async with serving([CHUNKED[:-9]]) as (server, pool, target):
        stream = await pool.open(target, ask(target))
        assert await stream.read()
        stream.close()
        await asyncio.wait_for(server.left.wait(), 5)
        assert pool.idle == 0


async def test_slow_reader_slows_the_server():
    size = 64 * 1024 * 1024
    sent = 0

    async def pour(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        try:
            while sent < size:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536
        except ConnectionError:
            pass
        writer.close()

    listening = await asyncio.start_server(pour, "127.0.0.1", 0)
    pool = HttpPool()
    target = target_of(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/")
    stream = await pool.open(target, ask(target))
    await asyncio.sleep(0.3)
    waiting = sent
    got = 0
    while piece := await stream.read():
        got += len(piece)
    assert (got, waiting < size // 2) == (size, True)
    pool.close()
    listening.close()
    await asyncio.sleep(0.01)


async def test_no_more_connections_than_allowed():
    async with serving(*[[OK[:5], OK[5:]]] * 12, max_connections=2) as (server, pool, target):
        found = await asyncio.gather(*(pool.send(target, ask(target), most=100) for _ in range(12)))
        assert {answer.body for answer in found} == {b"{}"}
        assert server.connections == 2


async def test_who_waits_for_a_connection_may_leave():
    async with serving([OK[:5], OK[5:]], OK, max_connections=1) as (_, pool, target):
        first = asyncio.create_task(pool.send(target, ask(target), most=100))
        waiting = [asyncio.create_task(pool.send(target, ask(target), most=100)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()
        assert (await first).body == (await waiting[1]).body == b"{}"


async def test_idle_connections_are_closed_in_time():
    async with serving(OK, keepalive_s=0.02) as (server, pool, target):
        await pool.send(target, ask(target), most=100)
        assert pool.idle == 1
        await asyncio.wait_for(server.left.wait(), 5)
        assert pool.idle == 0


async def test_nobody_there_was_sent_nothing():
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    target = target_of(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/")
    listening.close()
    await listening.wait_closed()
    pool = HttpPool()
    with pytest.raises(HttpError) as caught:
        await pool.send(target, ask(target), most=100)
    assert not caught.value.is_sent


def test_addresses_are_read_or_refused():
    assert target_of("https://api.example.com/v1/x y").path == "/v1/x%20y"
    assert target_of("http://[::1]:8000/v1").authority == "[::1]:8000"
    assert (target_of("https://h/").port, target_of("http://h").path) == (443, "/")
    for wrong in ("ftp://h/", "h:80/v1", "http:///x", "http://user:secret@h/"):
        with pytest.raises(ValueError, match=r"no http|credential"):
            target_of(wrong)
    with pytest.raises(ValueError, match="line break"):
        head_of(target_of("http://h/"), {"Authorization": "Bearer a\r\nX: y"})


@pytest.mark.parametrize("excess", [OK, b"x"])
async def test_bytes_that_the_loop_has_not_seen_are_no_answer(excess):
    async with serving([OK], OK) as (server, pool, target):
        await pool.send(target, ask(target), most=100)
        (said,) = server.writers
        said.transport.get_extra_info("socket")._sock.send(excess)  # in the kernel, and the loop did not run since
        assert (await pool.send(target, ask(target), most=100)).body == b"{}"
        assert server.connections == 2


class Forgetful:
    """Answers the first request of each connection, and closes on the next: ``after_s``, having sent ``said``."""

    def __init__(self, *, after_s=0.0, said=b"", first=(OK,)):
        self.after_s, self.said, self.first = after_s, said, list(first)
        self.requests = self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for turn in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                self.requests += 1
                if turn == 0 and self.first:
                    writer.write(self.first[0] if len(self.first) == 1 else self.first.pop(0))
                    continue
                await asyncio.sleep(self.after_s)
                writer.write(self.said)
                break
        writer.close()


def forgetting(**options):
    return listening(Forgetful(**options))


async def broken_off(pool, target):
    """A request that fails, and that the server may have got."""
    with pytest.raises(HttpError) as error:
        await pool.send(target, ask(target), most=100)
    assert error.value.is_sent


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_kept_connection_that_was_closed_is_replaced(is_stream):
    async with forgetting() as (server, pool, target):
        for _ in range(4):
            if is_stream:
                stream = await pool.open(target, ask(target))
                assert await stream.read() == b"{}"
                assert await stream.read() == b""
            else:
                assert (await pool.send(target, ask(target), most=100)).body == b"{}"
        assert (server.requests, server.connections) == (7, 4)


async def test_what_was_closed_late_was_read():
    async with forgetting(after_s=1.05) as (server, pool, target):
        await pool.send(target, ask(target), most=100)
        await broken_off(pool, target)
        assert server.requests == 2


async def test_an_answer_that_has_begun_is_not_asked_for_again():
    async with forgetting(said=b"HTTP/1.1 20") as (server, pool, target):
        await pool.send(target, ask(target), most=100)
        await broken_off(pool, target)
        assert server.requests == 2


async def test_a_new_connection_that_is_closed_may_have_been_read():
    async with forgetting(first=()) as (server, pool, target):
        await broken_off(pool, target)
        assert server.requests == 1


async def test_a_server_that_always_closes_is_asked_twice():
    async with forgetting(first=(OK, b"")) as (server, pool, target):
        await pool.send(target, ask(target), most=100)
        server.first.clear()
        await broken_off(pool, target)
        assert server.requests == 3
