"""The litellm backend, through litellm itself, against a real server on this machine."""

import os
import subprocess
import sys

import pytest
from backend_cases import deployment, request

pytest.importorskip("litellm")

from router.backends.base import UpstreamCall, outgoing_body
from router.backends.litellm import LitellmBackend
from router.errors import UpstreamError
from router.testing.upstream import Answer, Fault, Upstream

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CALLED = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo, Norway"}'}}


def call(url, *, stream=False, read=None, **fields):
    read = read or request()
    target = deployment(url=url, backend="litellm", model="openai/some-model", **fields)
    return UpstreamCall(
        deployment=target,
        request=read,
        body=outgoing_body(read, target, stream=stream),
        timeout_s=10.0,
        ttft_timeout_s=10.0,
    )


@pytest.fixture
async def backend():
    made = LitellmBackend(reach="loopback")
    yield made
    await made.aclose()


async def test_an_answer_is_openai_shaped(backend):
    async with Upstream([Answer(text="Good day.")]) as up:
        reply = await backend.send(call(up.url))
    choice = reply.body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "Good day."}
    assert choice["finish_reason"] == "stop"
    assert (reply.usage.input, reply.usage.output) == (11, 7)


async def test_every_field_of_the_caller_goes_out(backend):
    fields = {"seed": 7, "temperature": 0.2, "tools": [WEATHER], "made_up": {"x": 1}, "metadata": {"order": "1"}}
    async with Upstream([Answer(tool_calls=(CALLED,))]) as up:
        reply = await backend.send(call(up.url, read=request(**fields)))
        sent = up.received[0].body
    assert {key: sent[key] for key in fields} == fields
    assert reply.body["choices"][0]["message"]["tool_calls"][0]["function"] == CALLED["function"]


async def test_a_caller_cannot_set_litellms_switches(backend):
    read = request(api_base="http://127.0.0.1:9/v1", mock_response="fake", api_key="stolen", num_retries=5)
    async with Upstream([Answer(text="real"), Answer(text="real")]) as up:
        reply = await backend.send(call(up.url, read=read))
        assert reply.body["choices"][0]["message"]["content"] == "real"
        assert "stolen" not in up.received[0].headers.get("Authorization", "")


async def test_the_usual_key_never_goes_to_another_server(backend, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    async with Upstream() as up:
        await backend.send(call(up.url))
        assert "very-secret" not in str(up.received[0].headers)


async def test_a_stream_gives_text_and_usage(backend):
    async with Upstream([Answer(text="one two three four")]) as up:
        chunks = [chunk async for chunk in await backend.open_stream(call(up.url, stream=True))]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert text == "one two three four"
    assert chunks[-1]["usage"]["prompt_tokens"] == 11
    assert all("finish_reason" in choice for chunk in chunks for choice in chunk["choices"])


async def test_streamed_tool_calls_are_whole(backend):
    async with Upstream([Answer(tool_calls=(CALLED,))]) as up:
        read = request(tools=[WEATHER])
        chunks = [chunk async for chunk in await backend.open_stream(call(up.url, stream=True, read=read))]
    calls = [c["choices"][0]["delta"].get("tool_calls") for c in chunks if c["choices"]]
    assert "".join(part[0]["function"].get("arguments") or "" for part in calls if part) == '{"city": "Oslo, Norway"}'


async def test_unreported_usage_is_unknown(backend):
    async with Upstream([Answer(usage=None), Answer(usage=None)]) as up:
        assert (await backend.send(call(up.url))).usage is None
        chunks = [chunk async for chunk in await backend.open_stream(call(up.url, stream=True))]
    assert not any(chunk.get("usage") for chunk in chunks)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=401), "auth"),
        (Fault(status=402), "quota"),
        (Fault(status=429), "rate_limit"),
        (Fault(status=404), "not_found"),
        (Fault(status=500), "overload"),
        (Fault(status=503), "overload"),
        (Fault(status=400, code="context_length_exceeded", message="maximum context length is 8"), "context_length"),
        (Fault(kind="reset"), "network"),
    ],
)
async def test_failures_have_their_kind(backend, fault, kind):
    async with Upstream([fault]) as up:
        with pytest.raises(UpstreamError) as caught:
            await backend.send(call(up.url))
    assert caught.value.kind == kind
    assert len(up.received) == 1


async def test_retry_after_survives_litellm(backend):
    async with Upstream([Fault(status=429, retry_after="7")]) as up:
        with pytest.raises(UpstreamError) as caught:
            await backend.send(call(up.url))
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("kind", ["cut", "clean_cut", "done_without_finish", "error_in_stream"])
async def test_cut_stream_is_never_reported_complete(backend, kind):
    async with Upstream([Fault(kind=kind, after=3)]) as up:
        with pytest.raises(UpstreamError):
            async for _ in await backend.open_stream(call(up.url, stream=True)):
                pass


async def test_an_unsupported_field_is_never_dropped(backend):
    read = request(seed=3)
    target = deployment(url="http://127.0.0.1:9", backend="litellm", model="anthropic/claude-haiku-5-5")
    with pytest.raises(UpstreamError) as caught:
        await backend.send(
            UpstreamCall(
                deployment=target,
                request=read,
                body=outgoing_body(read, target, stream=False),
                timeout_s=5.0,
                ttft_timeout_s=5.0,
            )
        )
    assert caught.value.kind == "unsupported"


async def test_a_named_credential_goes_to_its_server():
    backend = LitellmBackend(credential={"MY_KEY": "my-own-value"}.get)
    async with Upstream() as up:
        await backend.send(call(up.url, key_env="MY_KEY"))
        assert up.received[0].headers["Authorization"] == "Bearer my-own-value"
        with pytest.raises(UpstreamError, match="OTHER_KEY"):
            await backend.send(call(up.url, key_env="OTHER_KEY"))
    await backend.aclose()


async def test_calls_beyond_this_machine_are_refused(backend):
    with pytest.raises(UpstreamError, match="switched off"):
        await backend.send(call(None))


OFFLINE = """
import asyncio, os, socket, sys, threading

def refuse(*args, **kwargs):
    sys.exit("the import reached for the network")

socket.getaddrinfo = refuse
connect = socket.socket.connect
socket.socket.connect = lambda self, where: connect(self, where) if self.family == socket.AF_UNIX else refuse()

from router.backends.litellm import LitellmBackend

async def main():
    backend = LitellmBackend(reach="loopback")
    assert "litellm" not in sys.modules and not backend.is_warm
    await backend.warm()
    assert "litellm" in sys.modules and backend.is_warm
    print(os.environ["LITELLM_LOCAL_MODEL_COST_MAP"])

asyncio.run(main())
"""


@pytest.mark.parametrize(("given", "kept"), [(None, "True"), ("true", "true")])
def test_importing_litellm_needs_no_network(given, kept):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LITELLM")}
    if given is not None:
        environment["LITELLM_LOCAL_MODEL_COST_MAP"] = given
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, kept), done.stderr
