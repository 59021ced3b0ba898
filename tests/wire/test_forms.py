"""Each endpoint's form: a body ends in a Request or a typed error, and what is streamed can be put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import RequestError, RouterError, UpstreamError
from router.types import Hints
from router.wire.anthropic import messages_form
from router.wire.completions import completions_form
from router.wire.embeddings import read_embedding
from router.wire.forms import Form, chat_form, translated
from router.wire.jsonbody import Limits
from router.wire.responses import responses_form
from router.wire.sse import DONE, SseParser

Read = Callable[..., Form]
LIMITS = Limits()
BODIES: dict[str, tuple[Read, dict[str, Any]]] = {
    "chat": (chat_form, {"messages": [{"role": "user", "content": "hi"}]}),
    "completions": (completions_form, {"prompt": "hi"}),
    "responses": (responses_form, {"input": "hi"}),
    "messages": (messages_form, {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
}
KEYS = st.sampled_from(
    ["messages", "input", "prompt", "system", "tools", "tool_choice", "content", "type", "role", "text", "source",
     "max_tokens", "stream", "stop_sequences", "thinking", "output_config", "format", "reasoning", "include", "echo",
     "logprobs", "n", "best_of", "metadata", "instructions", "call_id", "arguments", "name", "id", "x"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["user", "assistant", "text", "tool_use", "tool_result", "image", "function", "function_call", "message", "auto",
     "function_call_output", "input_text", "json_schema", "base64", "", "a"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def read(name: str, /, **fields: Any) -> Form:
    reader, body = BODIES[name]
    return reader(json.dumps({**body, **fields}).encode(), hints=Hints(), limits=LIMITS)


@pytest.mark.parametrize("name", BODIES)
@settings(max_examples=150, deadline=None)
@given(fields=st.dictionaries(KEYS, JSON, max_size=5))
def test_any_object_is_read_or_refused(name: str, fields: dict[str, Any]) -> None:
    try:
        form = read(name, **fields)
    except RouterError:
        return
    assert form.request.messages
    assert isinstance(form.request.body["messages"], list)


@settings(max_examples=150, deadline=None)
@given(fields=st.dictionaries(KEYS, JSON, max_size=5))
def test_any_embedding_body_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        read_embedding(json.dumps({"input": "a", **fields}).encode(), hints=Hints(), limits=LIMITS)
    except RouterError:
        return


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [choice], **fields}


def written(name: str, chunks: list[dict[str, Any]]) -> list[Any]:
    """The events of a complete stream, decoded."""
    form = read(name, stream=True).stream()
    data = b"".join(form.take(each) for each in chunks) + form.close()
    events = SseParser().feed(data)
    for event in events:
        if event.data != DONE and event.event:
            assert event.event == msgspec.json.decode(event.data)["type"]
    return [msgspec.json.decode(event.data) for event in events if event.data != DONE]


TOOL = {"type": "function", "name": "f", "parameters": {}}
FILE = {"type": "input_file", "file_url": "https://x.example/a.pdf"}
PIECES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES)
def test_streamed_text_is_whole_in_every_form(pieces: list[str]) -> None:
    chunks = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in pieces)]
    chunks.append(chunk({}, "stop"))
    whole = "".join(pieces)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in written("chat", chunks)) == whole
    assert "".join(c["choices"][0]["text"] for c in written("completions", chunks)) == whole
    responses = written("responses", chunks)
    assert "".join(e["delta"] for e in responses if e["type"] == "response.output_text.delta") == whole
    assert responses[-1]["response"]["output"][0]["content"][0]["text"] == whole
    messages = written("messages", chunks)
    assert "".join(e["delta"]["text"] for e in messages if e["type"] == "content_block_delta") == whole
    assert [e["type"] for e in messages[-2:]] == ["message_delta", "message_stop"]


@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_interleaved_tool_calls_keep_their_arguments(order: list[int]) -> None:
    seen: set[int] = set()
    chunks, expected = [], dict.fromkeys(order, "")
    for number, index in enumerate(order):
        call: dict[str, Any] = {"index": index, "function": {"arguments": f"{number};"}}
        if index not in seen:
            seen.add(index)
            call |= {"id": f"c{index}", "type": "function"}
            call["function"]["name"] = f"f{index}"
        expected[index] += f"{number};"
        chunks.append(chunk({"tool_calls": [call]}))
    chunks.append(chunk({}, "tool_calls"))
    output = written("responses", chunks)[-1]["response"]["output"]
    assert {item["call_id"]: item["arguments"] for item in output} == {f"c{i}": text for i, text in expected.items()}
    blocks: dict[int, tuple[str, str]] = {}
    for event in written("messages", chunks):
        if event["type"] == "content_block_start":
            blocks[event["index"]] = (event["content_block"]["id"], "")
        elif event["type"] == "content_block_delta":
            name, text = blocks[event["index"]]
            blocks[event["index"]] = (name, text + event["delta"]["partial_json"])
    assert dict(blocks.values()) == {f"c{i}": text for i, text in expected.items()}


@pytest.mark.parametrize("name", BODIES)
def test_broken_stream_never_looks_complete(name: str) -> None:
    form = read(name, stream=True).stream()
    data = form.take(chunk({"content": "a"})) + form.fail(UpstreamError("it broke.", kind="network"))
    text = data.decode()
    assert "it broke." in text
    for end in ("[DONE]", "response.completed", "message_stop"):
        assert end not in text


@pytest.mark.parametrize(
    ("name", "finish", "expected"),
    [
        ("messages", "length", "max_tokens"),
        ("messages", "content_filter", "refusal"),
        ("responses", "length", "incomplete"),
        ("responses", "content_filter", "incomplete"),
    ],
)
def test_finish_reasons_are_translated(name: str, finish: str, expected: str) -> None:
    body = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": finish}]}
    answer = read(name).answer(body)
    assert expected in (answer.get("stop_reason"), answer.get("status"))


@pytest.mark.parametrize("name", ["completions", "responses", "messages"])
def test_text_in_parts_is_read(name: str) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "So it is."}]
    choice = {"index": 0, "message": {"content": parts}, "finish_reason": "stop"}
    whole = json.dumps(read(name).answer({"id": "chatcmpl-1", "choices": [choice]}))
    streamed = json.dumps(written(name, [chunk({"content": parts}), chunk({}, "stop")]))
    for told in (whole, streamed):
        assert '"So it is."' in told
        assert "hm" not in told


def test_call_of_a_named_tool_stops_for_it() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    choice = {"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "stop"}
    assert read("messages").answer({"id": "chatcmpl-1", "choices": [choice]})["stop_reason"] == "tool_use"
    events = written("messages", [chunk({"tool_calls": [call]}), chunk({}, "stop")])
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_only_allowed_tools_are_offered() -> None:
    tools = [{"type": "function", "name": name, "parameters": {}} for name in ("f", "g")]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    body = read("responses", tools=tools, tool_choice=allowed).request.body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == "required"
    assert "tool_choice" not in read("responses", tool_choice="auto").request.body


def test_failed_tool_is_told_as_such() -> None:
    parts = [
        {"type": "text", "text": "no"},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
    ]
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True}
    for content, begin in (("no", "Error: no"), (parts, [{"type": "text", "text": "Error:"}])):
        asked = [{"role": "user", "content": [{**result, "content": content}]}]
        sent = read("messages", messages=asked).request.body["messages"][0]["content"]
        assert sent[: len(begin)] == begin


@pytest.mark.parametrize("name", ["completions", "responses", "messages"])
def test_refusal_can_be_read(name: str) -> None:
    message = {"role": "assistant", "content": None, "refusal": "That is not allowed."}
    body = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message, "finish_reason": "content_filter"}]}
    assert "That is not allowed." in json.dumps(read(name).answer(body))
    chunks = [chunk({"refusal": "That is not allowed."}), chunk({}, "content_filter")]
    assert "That is not allowed." in json.dumps(written(name, chunks))


@pytest.mark.parametrize(
    ("name", "fields", "param"),
    [
        ("messages", {"max_tokens": None}, "max_tokens"),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ("messages", {"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
        ("messages", {"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ("responses", {"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ("responses", {"text": 3}, "text"),
        ("responses", {"n": 2}, "n"),
        ("messages", {"n": 2}, "n"),
        ("responses", {"tool_choice": "required"}, "tool_choice"),
        ("responses", {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "tools": [5]}}, "tool_choice.tools"),
        ("responses", {"input": [{"role": "user", "content": [FILE]}]}, "input[0].content[0].file_url"),
        ("completions", {"echo": "yes"}, "echo"),
        ("completions", {"logprobs": 99}, "logprobs"),
    ],
)
def test_wrong_field_is_named(name: str, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as wrong:
        read(name, **fields)
    assert wrong.value.param == param


def test_cache_marks_and_pictures_travel() -> None:
    parts = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
    ]
    body = read("messages", messages=[{"role": "user", "content": parts}]).request.body
    sent = body["messages"][0]["content"]
    assert sent[0]["cache_control"] == {"type": "ephemeral"}
    assert sent[1]["image_url"]["url"] == "data:image/png;base64,AA"


def test_what_cannot_be_translated_is_a_typed_error() -> None:
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": 7}, "finish_reason": "stop"}]}
    form = responses_form(b'{"input": "hi"}', hints=Hints(), limits=Limits())
    with pytest.raises(UpstreamError, match="form of this endpoint") as caught:
        translated(form.answer, body)
    assert caught.value.may_be_billed
    # As a chat completion it passes as it came.
    chat = chat_form(b'{"messages": [{"role": "user", "content": "hi"}]}', hints=Hints(), limits=Limits())
    assert translated(chat.answer, body) is body
