"""The official Anthropic client against the running sidecar."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from background import Background

from router.testing.upstream import Answer, Fault

STORY: list[Any] = [{"role": "user", "content": "Write a short story about a lighthouse keeper and the sea."}]
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lisbon"}'}}
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 7,
    "total_tokens": 37,
    "prompt_tokens_details": {"cached_tokens": 20},
}


@pytest.fixture
def client(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="unused", max_retries=0, timeout=60) as found:
        yield found


def test_message_comes_back(client: anthropic.Anthropic, upstream: Background) -> None:
    upstream.script(Answer(text="Once upon a time.", usage=USAGE))
    raw = client.messages.with_raw_response.create(
        model="auto",
        max_tokens=100,
        system="Be brief.",
        messages=STORY,
        stop_sequences=["END"],
        extra_body={"temperature": 0.5},
    )
    message = raw.parse()
    assert [block.text for block in message.content if block.type == "text"] == ["Once upon a time."]
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (10, 20)
    assert raw.headers["request-id"]
    assert raw.headers["x-router-target"] == "llm"
    sent = upstream.server.received[0].body
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *STORY]
    assert (sent["stop"], sent["temperature"], sent["max_tokens"]) == (["END"], 0.5, 100)
    assert "system" not in sent


def test_tools_make_a_round(client: anthropic.Anthropic, upstream: Background) -> None:
    upstream.script(Answer(tool_calls=(CALL,)), Answer(text="It will rain."))
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Lisbon tomorrow?"}]
    first = client.messages.create(
        model="auto", max_tokens=100, messages=asked, tools=[WEATHER], tool_choice={"type": "any"}
    )
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.input == {"city": "Lisbon"}
    asked.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]})
    asked.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]})
    second = client.messages.create(model="auto", max_tokens=100, messages=asked, tools=[WEATHER])
    assert [block.text for block in second.content if block.type == "text"] == ["It will rain."]
    assert upstream.server.received[0].body["tool_choice"] == "required"
    assert upstream.server.received[0].body["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    sent = upstream.server.received[1].body["messages"]
    assert sent[1]["tool_calls"][0]["id"] == "c1"
    assert sent[2] == {"role": "tool", "tool_call_id": "c1", "content": "rain"}


def test_message_streams(client: anthropic.Anthropic, upstream: Background) -> None:
    upstream.script(Answer(text="A longer text that comes in several pieces."))
    with client.messages.stream(model="auto", max_tokens=100, messages=STORY) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "A longer text that comes in several pieces."
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 7)


def test_stream_holds_text_and_tool_calls(client: anthropic.Anthropic, upstream: Background) -> None:
    upstream.script(Answer(tool_calls=(CALL, {**CALL, "id": "c2"})))
    with client.messages.stream(model="auto", max_tokens=100, messages=STORY, tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
    assert [(block.id, block.input) for block in message.content if block.type == "tool_use"] == [
        ("c1", {"city": "Lisbon"}),
        ("c2", {"city": "Lisbon"}),
    ]
    assert message.stop_reason == "tool_use"


def test_local_answer_is_a_message(client: anthropic.Anthropic, upstream: Background) -> None:
    upstream.script()
    asked: dict[str, Any] = {
        "model": "auto",
        "max_tokens": 10,
        "system": "You label customer reviews. Answer with one word: positive or negative.",
        "messages": [{"role": "user", "content": "I loved every minute of it. What a wonderful film!"}],
    }
    raw = client.messages.with_raw_response.create(**asked)
    assert raw.headers["x-router-target"] == "local"
    assert [block.text for block in raw.parse().content if block.type == "text"] == ["positive"]
    with client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == "positive"
    assert upstream.server.received == []


def test_tokens_are_counted(client: anthropic.Anthropic) -> None:
    short = client.messages.count_tokens(model="auto", messages=STORY).input_tokens
    long = client.messages.count_tokens(model="auto", messages=[*STORY, {"role": "assistant", "content": "word " * 90}])
    assert 5 < short < 40
    assert long.input_tokens > short + 60


def test_errors_have_anthropic_s_shape(client: anthropic.Anthropic, upstream: Background) -> None:
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model="gtp-9", max_tokens=10, messages=STORY)
    body: Any = unknown.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"
    assert body["request_id"] == unknown.value.response.headers["request-id"]
    upstream.script(*[Fault(status=429, retry_after="1")] * 9)
    with pytest.raises(anthropic.APIStatusError) as limited:
        client.messages.create(model="auto", max_tokens=10, messages=STORY)
    assert limited.value.status_code in (429, 503)
    with pytest.raises(anthropic.BadRequestError, match="runs at Anthropic"):
        client.messages.create(
            model="auto", max_tokens=10, messages=STORY, tools=[{"type": "web_search_20250305", "name": "web_search"}]
        )


def test_cut_stream_is_never_complete(client: anthropic.Anthropic, upstream: Background) -> None:
    upstream.script(*[Fault(kind="cut", after=3)] * 9)
    with (
        pytest.raises(anthropic.APIError),
        client.messages.stream(model="auto", max_tokens=100, messages=STORY) as stream,
    ):
        stream.until_done()


def test_models_are_listed(client: anthropic.Anthropic) -> None:
    assert {"auto", "router/guide"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("router/guide").display_name == "router/guide"


def answered_again(client: anthropic.Anthropic, upstream: Background) -> None:
    """Wait until no deployment cools down after the failures of other tests."""
    for _ in range(60):
        upstream.script(Answer())
        try:
            client.messages.create(model="auto", max_tokens=10, messages=STORY)
        except anthropic.APIStatusError:
            time.sleep(0.25)
        else:
            return
    pytest.fail("the sidecar has not recovered")


def test_client_times_out(client: anthropic.Anthropic, upstream: Background) -> None:
    answered_again(client, upstream)
    upstream.script(Answer(delay_s=30.0))
    with pytest.raises(anthropic.APITimeoutError):
        client.messages.create(model="auto", max_tokens=10, messages=STORY, timeout=1.0)


def test_async_client_is_answered(address: str, upstream: Background) -> None:
    upstream.script(*[Answer(text=f"{number}") for number in range(4)])

    async def ask() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=address, api_key="unused", timeout=60) as client:

            async def one() -> str:
                async with client.messages.stream(model="auto", max_tokens=9, messages=STORY) as stream:
                    return await stream.get_final_text()

            return list(await asyncio.gather(*[one() for _ in range(4)]))

    assert sorted(asyncio.run(ask())) == [str(number) for number in range(4)]
