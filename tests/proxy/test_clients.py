"""The official OpenAI client against the running sidecar, with a real OpenAI-compatible server behind it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from typing import Any

import openai
import pytest
from background import Background

from router.testing.upstream import Answer, Fault

STORY = [{"role": "user", "content": "Write a short story about a lighthouse keeper and the sea."}]
REVIEW = [
    {"role": "system", "content": "You label customer reviews. Answer with one word: positive or negative."},
    {"role": "user", "content": "I loved every minute of it. What a wonderful film!"},
]
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def test_hosted_answer_comes_back(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="Once upon a time."))
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=STORY)
    answer = raw.parse()
    assert answer.choices[0].message.content == "Once upon a time."
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 7
    assert raw.headers["x-router-target"] == "llm"
    assert raw.headers["x-router-model"].startswith("upstream")
    assert upstream.server.received[0].headers["Authorization"] == "Bearer sk-upstream-secret"


def test_caller_s_fields_reach_the_upstream(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    client.chat.completions.create(
        model="auto",
        messages=STORY,
        temperature=0.3,
        seed=7,
        extra_body={"future_field": {"a": 1}, "router": {"max_usd": "$1"}},
    )
    body = upstream.server.received[0].body
    assert body["messages"] == STORY
    assert (body["temperature"], body["seed"], body["future_field"]) == (0.3, 7, {"a": 1})
    assert "router" not in body
    assert body["model"] in ("tiny", "huge")


def test_hosted_stream_comes_back(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="A longer text that comes in several pieces."))
    with client.chat.completions.create(
        model="auto", messages=STORY, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "A longer text that comes in several pieces."
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None


def test_usage_that_was_not_asked_for_is_not_sent(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    with client.chat.completions.create(model="auto", messages=STORY, stream=True) as stream:
        assert all(chunk.usage is None for chunk in stream)


def test_tool_calls_come_back(client: openai.OpenAI, upstream: Background) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lisbon"}'}}
    upstream.script(Answer(tool_calls=(call,)), Answer(tool_calls=(call,)))
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Lisbon tomorrow?"}]
    answer = client.chat.completions.create(model="auto", messages=asked, tools=[TOOL])
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.arguments == '{"city": "Lisbon"}'
    with client.chat.completions.create(model="auto", messages=asked, tools=[TOOL], stream=True) as stream:
        pieces = [
            piece.function.arguments or ""
            for chunk in stream
            for choice in chunk.choices
            for piece in choice.delta.tool_calls or []
            if piece.function
        ]
    assert "".join(pieces) == '{"city": "Lisbon"}'


def test_local_answer_needs_no_upstream(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    answer = client.chat.completions.create(model="auto", messages=REVIEW)
    with client.chat.completions.create(model="auto", messages=REVIEW, stream=True) as stream:
        streamed = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    assert answer.choices[0].message.content == streamed == "positive"
    assert upstream.server.received == []


def test_async_client_is_answered(address: str, upstream: Background) -> None:
    upstream.script(*[Answer(text=f"{number}") for number in range(8)])

    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="unused", timeout=60) as client:
            answers = await asyncio.gather(
                *[client.chat.completions.create(model="auto", messages=STORY) for _ in range(8)]
            )
        return [answer.choices[0].message.content for answer in answers]

    assert sorted(asyncio.run(ask()), key=str) == [str(number) for number in range(8)]


def test_models_are_listed(client: openai.OpenAI) -> None:
    ids = {model.id for model in client.models.list()}
    assert {"auto", "router/guide", "upstream", "upstream-large"} <= ids


def test_wrong_requests_raise_the_client_s_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model="auto", messages=[])
    assert wrong.value.param == "messages"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gtp-9", messages=STORY)
    assert unknown.value.code == "model_not_found"


def test_upstream_failure_is_a_typed_error(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(*[Fault(status=400, message="no such parameter")] * 9)
    with pytest.raises(openai.APIStatusError) as failed:
        client.chat.completions.create(model="auto", messages=STORY)
    assert failed.value.status_code in (400, 502)
    assert "sk-upstream-secret" not in str(failed.value)


def test_cut_stream_is_never_complete(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(*[Fault(kind="cut", after=3)] * 9)
    with (
        pytest.raises(openai.APIError),
        client.chat.completions.create(model="auto", messages=STORY, stream=True) as stream,
    ):
        for _ in stream:
            pass


def test_client_that_leaves_stops_the_upstream(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="word " * 400, drip_s=0.05))
    dropped = upstream.server.dropped
    with client.chat.completions.create(model="auto", messages=STORY, stream=True) as stream:
        next(iter(stream))
    until = time.monotonic() + 10
    while upstream.server.dropped == dropped and time.monotonic() < until:
        time.sleep(0.05)
    assert upstream.server.dropped == dropped + 1


def test_client_that_times_out_stops_the_upstream(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(delay_s=30.0))
    dropped = upstream.server.dropped
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="auto", messages=STORY, timeout=1.0)
    until = time.monotonic() + 10
    while upstream.server.dropped == dropped and time.monotonic() < until:
        time.sleep(0.05)
    assert upstream.server.dropped == dropped + 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_streams(address: str, upstream: Background) -> None:
    upstream.script(Answer(text="A longer text that comes in several pieces."))
    body = json.dumps({"model": "auto", "messages": STORY, "stream": True})
    command = ["curl", "-sSN", "--fail", f"{address}/v1/chat/completions", "-H", "content-type: application/json"]
    out = subprocess.run([*command, "-d", body], capture_output=True, text=True, timeout=60, check=True).stdout
    assert out.count("data: ") > 3
    assert out.endswith("data: [DONE]\n\n")
