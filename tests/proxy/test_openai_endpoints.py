"""The official OpenAI client: structured output, logprobs, completions, responses, embeddings."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

import httpx
import openai
import pytest
from background import Background
from pydantic import BaseModel

from router.testing.upstream import Answer, Fault

STORY = "Write a short story about a lighthouse keeper and the sea."
REVIEW = [
    {"role": "system", "content": "You label customer reviews. Answer with one word: positive or negative."},
    {"role": "user", "content": "I loved every minute of it. What a wonderful film!"},
]
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lisbon"}'}}


class Verdict(BaseModel):
    label: Literal["positive", "negative"]


# ----- chat -------------------------------------------------------------------------------------------------------


def test_structured_output_is_parsed_from_local_model(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    answer = client.chat.completions.parse(model="auto", messages=REVIEW, response_format=Verdict)
    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    assert parsed.label == "positive"
    assert upstream.server.received == []


def test_answer_that_no_form_can_tell_is_a_typed_error(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(message={"tool_calls": 7}))
    with pytest.raises(openai.APIStatusError, match="form of this endpoint") as caught:
        client.responses.create(model="auto", input=STORY)
    assert caught.value.status_code == 502


def test_structured_output_is_parsed_from_hosted_model(client: openai.OpenAI, upstream: Background) -> None:
    class Story(BaseModel):
        title: str

    upstream.script(Answer(text='{"title": "The lamp"}'))
    answer = client.chat.completions.parse(
        model="auto", messages=[{"role": "user", "content": STORY}], response_format=Story
    )
    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    assert parsed.title == "The lamp"
    assert upstream.server.received[0].body["response_format"]["type"] == "json_schema"


def test_several_choices_and_logprobs_come_back(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="The sea"))
    answer = client.chat.completions.create(
        model="upstream",
        messages=[{"role": "user", "content": STORY}],
        n=2,
        logprobs=True,
        top_logprobs=1,
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [token.token for token in logprobs.content] == ["The", " sea"]


def test_pictures_travel_as_they_are(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    parts: list[Any] = [
        {"type": "text", "text": "What is on this picture, told as a story?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
    ]
    with pytest.raises(openai.UnprocessableEntityError) as unable:
        client.chat.completions.create(model="auto", messages=[{"role": "user", "content": parts}])
    # The loopback deployment does not claim to see: each candidate says why it lost.
    assert "image" in str(unable.value.body) or "vision" in str(unable.value.body)


# ----- completions ------------------------------------------------------------------------------------------------


def test_completion_is_text(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="Once upon a time."))
    raw = client.completions.with_raw_response.create(model="auto", prompt=STORY, max_tokens=40, echo=True)
    answer = raw.parse()
    assert answer.object == "text_completion"
    assert answer.choices[0].text == f"{STORY}Once upon a time."
    assert raw.headers["x-router-target"] == "llm"
    assert upstream.server.received[0].body["messages"] == [{"role": "user", "content": STORY}]
    assert "prompt" not in upstream.server.received[0].body


def test_completion_streams(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="A longer text in pieces."))
    with client.completions.create(model="auto", prompt=STORY, stream=True) as stream:
        chunks = list(stream)
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "A longer text in pieces."
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_completion_logprobs_have_their_old_form(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="The sea rests"))
    answer = client.completions.create(model="upstream", prompt=STORY, logprobs=1)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == ["The", " sea", " rests"]
    assert logprobs.text_offset == [0, 3, 7]
    assert logprobs.token_logprobs == [-0.5] * 3


@pytest.mark.parametrize(
    "fields", [{"suffix": "x"}, {"prompt": ["a", "b"]}, {"prompt": [1, 2]}, {"best_of": 3}, {"prompt": ""}]
)
def test_completion_refuses_what_chat_cannot_do(client: openai.OpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as wrong:
        client.completions.create(**{"model": "auto", "prompt": STORY, **fields})
    assert wrong.value.param in fields


# ----- responses --------------------------------------------------------------------------------------------------


def test_response_comes_back(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="Once upon a time."))
    raw = client.responses.with_raw_response.create(
        model="auto", input=STORY, instructions="Be brief.", max_output_tokens=50, metadata={"a": "b"}
    )
    answer = raw.parse()
    assert answer.output_text == "Once upon a time."
    assert (answer.status, answer.metadata, answer.instructions) == ("completed", {"a": "b"}, "Be brief.")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)
    sent = upstream.server.received[0].body
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert sent["max_completion_tokens"] == 50
    assert raw.headers["x-router-decision-id"]


def test_response_tools_make_a_round(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(tool_calls=(CALL,)), Answer(text="It will rain."))
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Lisbon tomorrow?"}]
    first = client.responses.create(model="auto", input=asked, tools=[WEATHER])
    call = next(item for item in first.output if item.type == "function_call")
    assert (call.call_id, call.arguments) == ("c1", '{"city": "Lisbon"}')
    asked += [item.model_dump(exclude_none=True) for item in first.output]
    asked.append({"type": "function_call_output", "call_id": call.call_id, "output": "rain"})
    second = client.responses.create(model="auto", input=asked, tools=[WEATHER])
    assert second.output_text == "It will rain."
    sent = upstream.server.received[1].body["messages"]
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"city": "Lisbon"}'
    assert sent[2] == {"role": "tool", "tool_call_id": "c1", "content": "rain"}


def test_response_streams_its_events(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(text="A longer text in pieces."))
    with client.responses.stream(model="auto", input=STORY) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.output_text == "A longer text in pieces."
    assert final.usage is not None
    assert final.usage.output_tokens == 7


def test_response_streams_tool_calls(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Answer(tool_calls=(CALL, {**CALL, "id": "c2"})))
    with client.responses.stream(model="auto", input="Weather in Lisbon tomorrow?", tools=[WEATHER]) as stream:
        final = stream.get_final_response()
    assert [(item.call_id, item.arguments) for item in final.output if item.type == "function_call"] == [
        ("c1", '{"city": "Lisbon"}'),
        ("c2", '{"city": "Lisbon"}'),
    ]


def test_response_is_parsed_and_local(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    answer = client.responses.parse(model="auto", input=REVIEW, text_format=Verdict)
    assert answer.output_parsed is not None
    assert answer.output_parsed.label == "positive"
    assert upstream.server.received == []


def test_cut_response_stream_fails(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(*[Fault(kind="cut", after=3)] * 9)
    with client.responses.create(model="auto", input=STORY, stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds[-2:] == ["error", "response.failed"]
    assert "response.completed" not in kinds


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": 3}, "input"),
    ],
)
def test_response_refuses_stored_state(client: openai.OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as wrong:
        client.responses.create(**{"model": "auto", "input": STORY, **fields})
    assert wrong.value.param == param


# ----- embeddings -------------------------------------------------------------------------------------------------


def test_embeddings_come_back_in_order(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    raw = client.embeddings.with_raw_response.create(model="embed", input=["a", "lighthouse"])
    answer = raw.parse()
    assert [row.embedding[2] for row in answer.data] == [1.0, 10.0]
    assert upstream.server.received[0].body["model"] == "tiny-embed"
    assert float(raw.headers["x-router-cost-usd"]) == pytest.approx(10e-6)
    assert raw.headers["x-router-model"] == "embed"


def test_embedding_limits_and_names_hold(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script()
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="upstream", input="a")
    with pytest.raises(openai.APIStatusError) as dear:
        client.embeddings.create(model="embed", input="word " * 500, extra_body={"router": {"max_usd": "$0.0000001"}})
    assert dear.value.status_code == 402
    assert upstream.server.received == []


def test_embedding_is_tried_again(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Fault(status=503))
    assert client.embeddings.create(model="auto", input="a").data[0].embedding[2] == 1.0
    upstream.script(Fault(status=400, message="too long"))
    with pytest.raises(openai.BadRequestError, match="too long"):
        client.embeddings.create(model="auto", input="a")


def test_embedding_costs_what_nobody_tells(client: openai.OpenAI, address: str, upstream: Background) -> None:
    upstream.script(Answer(usage=None))
    raw = client.embeddings.with_raw_response.create(model="embed", input="word " * 100)
    assert float(raw.headers["x-router-cost-usd"]) == pytest.approx(130e-6, rel=0.1)
    upstream.script(Answer(delay_s=20))
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5, max_retries=0).embeddings.create(model="embed", input="word " * 100)
    told = 'router_attempts_total{error="cancelled",model="embed"} 1.0'
    until = time.monotonic() + 10
    while told not in (text := httpx.get(f"{address}/metrics").text) and time.monotonic() < until:
        time.sleep(0.05)
    assert told in text


def broken_upload(client: openai.OpenAI, address: str, **fields: Any) -> list[dict[str, Any]]:
    """The attempts of an embedding request whose answer never came, as its receipt tells them."""
    with pytest.raises(openai.APIStatusError) as failed:
        client.with_options(max_retries=0).embeddings.create(model="embed", input="word " * 100, **fields)
    receipt = f"{address}/v1/receipts/{failed.value.response.headers['x-router-decision-id']}"
    until = time.monotonic() + 10
    while (answer := httpx.get(receipt)).status_code != 200 and time.monotonic() < until:
        time.sleep(0.05)
    attempts: list[dict[str, Any]] = answer.json()["outcome"]["attempts"]
    return attempts


def test_broken_upload_of_an_embedding_is_booked(client: openai.OpenAI, address: str, upstream: Background) -> None:
    upstream.script(Fault(kind="cut"), Answer(usage=None))
    raw = client.embeddings.with_raw_response.create(model="embed", input="word " * 100)
    assert float(raw.headers["x-router-cost-usd"]) == pytest.approx(2 * 130e-6, rel=0.1)
    upstream.script(Fault(kind="cut"), Fault(kind="cut"))
    attempts = broken_upload(client, address)
    assert [attempt["error"] for attempt in attempts] == ["network", "network"]
    assert all(attempt["usage"]["estimated"] for attempt in attempts)
    assert [attempt["usd"] for attempt in attempts] == [pytest.approx(130e-6, rel=0.1)] * 2


def test_embedding_is_not_paid_for_twice(client: openai.OpenAI, address: str, upstream: Background) -> None:
    upstream.script(Fault(kind="cut"))
    assert len(broken_upload(client, address, extra_body={"router": {"max_usd": "$0.0002"}})) == 1
    assert len(upstream.server.received) == 1


def test_embedding_waits_as_it_is_told(client: openai.OpenAI, upstream: Background) -> None:
    upstream.script(Fault(status=429, retry_after="30"))
    with pytest.raises(openai.RateLimitError) as limited:
        client.with_options(max_retries=0).embeddings.create(model="embed", input="a")
    assert limited.value.response.headers["retry-after"] == "30"
    assert len(upstream.server.received) == 1


# ----- models and the asynchronous client -------------------------------------------------------------------------


def test_one_model_is_told(client: openai.OpenAI) -> None:
    assert client.models.retrieve("router/guide").owned_by == "router"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gtp-9")


def test_async_client_streams_responses(address: str, upstream: Background) -> None:
    upstream.script(*[Answer(text=f"answer {number}") for number in range(4)])

    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="unused", timeout=60) as client:

            async def one() -> str:
                async with client.responses.stream(model="auto", input=STORY) as stream:
                    return (await stream.get_final_response()).output_text

            return list(await asyncio.gather(*[one() for _ in range(4)]))

    assert sorted(asyncio.run(ask())) == [f"answer {number}" for number in range(4)]
