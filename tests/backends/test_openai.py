"""The OpenAI-compatible backend against a real server on this machine."""

import asyncio

import pytest
from backend_cases import deployment, dropped, request

from router.backends.base import UpstreamCall, outgoing_body
from router.backends.openai import OpenAIBackend
from router.errors import UpstreamError
from router.testing.upstream import Answer, Fault, Upstream


def call(url, *, stream=False, timeout_s=5.0, read=None, **fields):
    read = read or request()
    target = deployment(url=url, **fields)
    return UpstreamCall(
        deployment=target,
        request=read,
        body=outgoing_body(read, target, stream=stream),
        timeout_s=timeout_s,
        ttft_timeout_s=timeout_s,
    )


@pytest.fixture
async def backend():
    made = OpenAIBackend(reach="loopback")
    yield made
    await made.aclose()


async def read_stream(backend, made, into=None):
    async for chunk in await backend.open_stream(made):
        if into is not None:
            into.append(chunk)


async def send_error(backend, fault, *, stream=False):
    async with Upstream([fault]) as up:
        made = call(up.url, stream=stream)
        with pytest.raises(UpstreamError) as caught:
            await (read_stream(backend, made) if stream else backend.send(made))
    return caught.value


async def test_a_whole_answer_arrives_with_usage(backend):
    async with Upstream([Answer(text="Good day.")]) as up:
        reply = await backend.send(call(up.url))
    assert reply.body["choices"][0]["message"]["content"] == "Good day."
    assert (reply.usage.input, reply.usage.output) == (11, 7)


async def test_unknown_fields_go_out_verbatim(backend):
    read = request(seed=7, made_up={"deep": [1, None, "x"]}, router={"task": "sentiment"})
    async with Upstream() as up:
        await backend.send(call(up.url, read=read, params={"reasoning_effort": "low"}))
        sent = up.received[0].body
    assert sent == {
        "messages": [{"role": "user", "content": "Hello there"}],
        "seed": 7,
        "made_up": {"deep": [1, None, "x"]},
        "model": "small-model",
        "reasoning_effort": "low",
    }


async def test_connections_are_used_again(backend):
    async with Upstream() as up:
        for stream in (False, True, False, True):
            if stream:
                async for _ in await backend.open_stream(call(up.url, stream=True)):
                    pass
            else:
                await backend.send(call(up.url))
        assert len(up.peers) == 1


@pytest.mark.parametrize("crlf", [False, True])
async def test_a_stream_gives_every_chunk(backend, crlf):
    async with Upstream([Answer(text="one two three four", crlf=crlf)]) as up:
        chunks = [chunk async for chunk in await backend.open_stream(call(up.url, stream=True))]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert text == "one two three four"
    assert chunks[-1]["usage"]["total_tokens"] == 18


@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        (Fault(status=401), "auth", False),
        (Fault(status=403), "auth", False),
        (Fault(status=402), "quota", False),
        (Fault(status=429, code="insufficient_quota"), "quota", False),
        (Fault(status=429), "rate_limit", True),
        (Fault(status=400), "bad_request", False),
        (Fault(status=400, code="context_length_exceeded"), "context_length", False),
        (Fault(status=400, message="This model's maximum context length is 8192"), "context_length", False),
        (Fault(status=400, code="content_filter"), "content_filter", False),
        (Fault(status=400, code="unsupported_parameter"), "unsupported", False),
        (Fault(status=404), "not_found", False),
        (Fault(status=408), "timeout", True),
        (Fault(status=413), "context_length", False),
        (Fault(status=500), "overload", True),
        (Fault(status=503), "overload", True),
        (Fault(status=529), "overload", True),
        (Fault(status=302), "malformed", True),
        (Fault(kind="reset"), "network", True),
        (Fault(kind="wrong_length"), "network", True),
        (Fault(kind="malformed_body"), "malformed", True),
        (Fault(kind="html"), "malformed", True),
        (Fault(kind="error_in_body"), "overload", True),
    ],
)
async def test_failures_have_their_kind(backend, fault, kind, retryable):
    error = await send_error(backend, fault)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.deployment == "small"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="cut"), "network"),
        (Fault(kind="cut", after=0), "network"),
        (Fault(kind="clean_cut"), "network"),
        (Fault(kind="done_without_finish"), "network"),
        (Fault(kind="malformed_chunk"), "malformed"),
        (Fault(kind="error_in_stream"), "overload"),
        (Fault(kind="html"), "malformed"),
        (Fault(kind="error_in_body"), "overload"),
        (Fault(kind="reset"), "network"),
        (Fault(status=503), "overload"),
    ],
)
async def test_cut_stream_is_never_reported_complete(backend, fault, kind):
    assert (await send_error(backend, fault, stream=True)).kind == kind


async def stream_of(backend, *pieces):
    """What is read of a stream that a server sends in exactly these bytes, then closes."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        chunks = []
        await read_stream(backend, call(f"http://127.0.0.1:{port}/v1", stream=True), chunks)
    return chunks


async def test_an_empty_finish_reason_is_no_end(backend):
    chunk = b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": ""}]}\n\n'
    with pytest.raises(UpstreamError):
        await stream_of(backend, chunk)
    end = chunk.replace(b'""', b'"stop"')
    assert len(await stream_of(backend, chunk, end)) == 2


async def test_untidy_events_are_read(backend):
    end = b'data: {"choices": [{"index": 0, "delta": {"content": "\xf0\x9f\x99\x82"}, "finish_reason": "stop"}]}\n\n'
    pieces = [bytes([byte]) for byte in b"data: \n\n" + end + b"data: [DONE] \n\n"]
    (chunk,) = await stream_of(backend, *pieces)
    assert chunk["choices"][0]["delta"]["content"] == "\N{SLIGHTLY SMILING FACE}"


async def test_chunks_before_a_cut_arrive(backend):
    async with Upstream([Fault(kind="cut", after=3)]) as up:
        chunks = []
        with pytest.raises(UpstreamError):
            await read_stream(backend, call(up.url, stream=True), chunks)
    assert len(chunks) == 3


async def test_a_missing_choice_is_no_end(backend):
    async with Upstream([Answer()]) as up:
        read = request(n=2)
        stream = call(up.url, stream=True, read=request())
        two = UpstreamCall(
            deployment=stream.deployment, request=read, body=stream.body, timeout_s=5.0, ttft_timeout_s=5.0
        )
        with pytest.raises(UpstreamError):
            await read_stream(backend, two)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_huge_answer_is_refused(stream):
    backend = OpenAIBackend(max_body_bytes=100_000)
    error = await send_error(backend, Fault(kind="huge_body"), stream=stream)
    await backend.aclose()
    assert error.kind == "malformed"


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("0.5", 0.5), ("soon", None), (None, None)])
async def test_retry_after_is_read(backend, header, seconds):
    error = await send_error(backend, Fault(status=429, retry_after=header))
    assert error.retry_after_s == seconds


async def test_a_closed_stream_stops_the_upstream(backend):
    async with Upstream([Answer(text="word " * 200, drip_s=0.01)]) as up:
        stream = await backend.open_stream(call(up.url, stream=True))
        await anext(stream)
        await stream.aclose()
        assert await dropped(up) == 1


async def test_nobody_listening_is_a_network_error(backend):
    with pytest.raises(UpstreamError) as caught:
        await backend.send(call("http://127.0.0.1:9/v1"))
    assert (caught.value.kind, caught.value.may_be_billed) == ("network", False)


async def test_a_missing_credential_sends_nothing(backend):
    async with Upstream() as up:
        with pytest.raises(UpstreamError, match="SOME_KEY") as caught:
            await backend.send(call(up.url, key_env="SOME_KEY"))
        assert caught.value.kind == "auth"
        assert not up.received


async def test_the_credential_goes_out_as_bearer():
    backend = OpenAIBackend(credential={"SOME_KEY": "secret-value"}.get)
    async with Upstream() as up:
        await backend.send(call(up.url, key_env="SOME_KEY"))
        await backend.aclose()
        assert up.received[0].headers["Authorization"] == "Bearer secret-value"


@pytest.mark.parametrize("key", ["sk-proj-abc123def456", "plain"])
async def test_errors_never_repeat_a_credential(key):
    backend = OpenAIBackend(credential={"K": key}.get)
    async with Upstream([Fault(status=401, message=f"wrong key: {key}")]) as up:
        with pytest.raises(UpstreamError) as caught:
            await backend.send(call(up.url, key_env="K"))
    await backend.aclose()
    assert key not in str(caught.value)


async def test_calls_beyond_this_machine_are_refused(backend):
    for url in ("https://api.example.com/v1", None):
        with pytest.raises(UpstreamError, match="switched off"):
            await backend.send(call(url))


def test_one_backend_serves_several_event_loops():
    backend = OpenAIBackend()

    async def once():
        async with Upstream() as up:
            reply = await backend.send(call(up.url))
            await backend.aclose()
            return reply.usage.input

    assert [asyncio.run(once()) for _ in range(2)] == [11, 11]
