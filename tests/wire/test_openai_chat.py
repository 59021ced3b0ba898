"""A chat body read into a Request: what is kept, what is refused, and how it says so."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BudgetExceeded, NoCandidate, RequestError, RequestTooLarge, UpstreamError
from router.types import Budget, Hints, Request
from router.wire.openai import Limits, error_body, model_list, read_chat, read_prompt, read_row

HELLO = {"role": "user", "content": "hello"}


def chat(**fields: Any) -> bytes:
    return json.dumps({"messages": [HELLO], **fields}).encode()


def refused(body: bytes | dict[str, Any]) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_chat(body)
    return caught.value


# ----- what is read ---------------------------------------------------------------------------------------------


def test_plain_chat_is_read() -> None:
    data = chat(model="gpt-x", temperature=0.2, stream=True)
    request = read_chat(data)
    assert request.messages[0].text == "hello"
    assert (request.model, request.stream, request.n, request.n_bytes) == ("gpt-x", True, 1, len(data))


def test_byte_order_mark_is_passed_over() -> None:
    assert read_chat(b"\xef\xbb\xbf" + chat()).messages[0].text == "hello"


def test_unknown_fields_are_kept_verbatim() -> None:
    body = {"messages": [{**HELLO, "x": [1, {"y": None}]}], "future_field": {"deep": [1.5, "é"]}, "max_tokens": 5}
    assert read_chat(json.dumps(body).encode()).body == body
    assert read_chat(body).body == body


def test_mapping_and_bytes_read_alike() -> None:
    body = {"messages": [HELLO], "tools": [{"type": "function", "function": {"name": "f"}}], "stop": ["a"], "n": 2}
    from_mapping, from_bytes = read_chat(body), read_chat(json.dumps(body).encode())
    assert from_mapping.tools == from_bytes.tools
    assert (from_mapping.stop, from_mapping.n) == (from_bytes.stop, from_bytes.n) == (("a",), 2)


def test_parts_give_text_and_modalities() -> None:
    parts = [
        {"type": "text", "text": "what is"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "text", "text": "this?"},
    ]
    message = read_chat({"messages": [{"role": "user", "content": parts}]}).messages[0]
    assert message.text == "what is\nthis?"
    assert message.modalities == {"image", "audio", "file"}


def test_earlier_thoughts_ask_for_no_ability() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    answer = {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes."}]}
    request = read_chat({"messages": [{"role": "user", "content": "Is it?"}, answer]})
    assert (request.messages[1].text, request.messages[1].modalities) == ("Yes.", frozenset())
    assert request.body["messages"][1] == answer


def test_calls_without_content_are_read() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    conversation = [
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
        {"role": "function", "name": "f", "content": "42"},
    ]
    request = read_chat({"messages": conversation})
    assert [m.role for m in request.messages] == ["user", "assistant", "tool", "tool"]
    assert request.messages[1].has_tool_calls


def test_developer_role_is_read() -> None:
    assert (
        read_chat({"messages": [{"role": "developer", "content": "Be brief."}, HELLO]}).messages[0].role == "developer"
    )


def test_legacy_functions_are_tools() -> None:
    function = {"name": "label", "description": "d", "parameters": {"type": "object"}}
    request = read_chat(chat(functions=[function], function_call={"name": "label"}))
    assert request.tools[0].name == "label"
    assert request.tools[0].parameters == {"type": "object"}
    assert request.tool_choice == "label"


def test_schema_of_response_format_is_read() -> None:
    schema = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}}
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    request = read_chat(chat(response_format=asked))
    assert request.json_schema == schema
    assert request.wants_json


@pytest.mark.parametrize(("kind", "wants"), [("text", False), ("json_object", True)])
def test_other_formats_have_no_schema(kind: str, wants: bool) -> None:
    request = read_chat(chat(response_format={"type": kind}))
    assert (request.json_schema, request.wants_json) == (None, wants)


def test_options_are_read() -> None:
    request = read_chat(
        chat(
            max_completion_tokens=7, n=3, stop="END", logprobs=True, stream=True, stream_options={"include_usage": True}
        )
    )
    assert (request.max_output_tokens, request.n, request.stop) == (7, 3, ("END",))
    assert request.wants_logprobs
    assert request.include_usage


def test_null_options_count_as_absent() -> None:
    request = read_chat(chat(n=None, stop=None, tools=None, max_tokens=None, stream=None, model=None, router=None))
    assert (request.n, request.stop, request.tools, request.max_output_tokens, request.model) == (
        1,
        (),
        (),
        None,
        "auto",
    )


def test_message_objects_of_sdk_are_read() -> None:
    from openai.types.chat import ChatCompletionMessage

    answer = ChatCompletionMessage(role="assistant", content="hi")
    assert read_chat({"messages": [HELLO, answer]}).messages[1].text == "hi"


# ----- hints ----------------------------------------------------------------------------------------------------


def test_hints_in_body_are_read_and_removed() -> None:
    written = {
        "task": "sentiment",
        "input": "great film",
        "labels": ["pos", "neg"],
        "max_usd": "$0.002",
        "max_latency_ms": "1.5s",
        "tenant": "acme",
        "session": "s1",
    }
    request = read_chat(chat(router=written, model="router/cost-first"))
    assert request.hints == Hints(
        task="sentiment",
        input="great film",
        labels=("pos", "neg"),
        budget=Budget(max_usd=0.002, max_latency_ms=1500.0),
        tenant="acme",
        session="s1",
        policy="cost-first",
    )
    assert "router" not in request.body


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        ({"tsak": "sentiment"}, 'Did you mean "task"?'),
        ({"task": "sentimant"}, 'Did you mean "sentiment"?'),
        ({"max_usd": -1}, "not negative"),
        ({"max_usd": "a lot"}, "not an amount of money"),
        ({"max_usd": True}, "must be a number"),
        ({"max_latency_ms": [1]}, "must be a number"),
        ({"labels": ["only"]}, "1 labels"),
        ({"labels": ["a", "a "]}, "twice"),
        ({"labels": ["a", ""]}, "empty label"),
        ({"labels": "a,b"}, "list of texts"),
        ({"input": "  "}, "empty"),
        ({"tenant": 7}, "must be text"),
        ({"session": "s" * 600}, "600 characters"),
    ],
)
def test_wrong_hints_say_what_is_wrong(hints: dict[str, Any], said: str) -> None:
    error = refused(chat(router=hints))
    assert said in str(error)
    assert (error.param or "").startswith("router.")


def test_contradicting_hints_are_refused() -> None:
    with pytest.raises(RequestError, match="contradicts itself"):
        read_chat(chat(router={"task": "nli"}), hints=Hints(task="sentiment"))
    assert "contradicts" in str(refused(chat(router={"policy": "private"}, model="router/cost-first")))


def test_hints_from_both_places_are_joined() -> None:
    request = read_chat(chat(router={"task": "nli", "max_usd": 1}), hints=Hints(tenant="acme", task="nli"))
    assert request.hints == Hints(task="nli", tenant="acme", budget=Budget(max_usd=1.0))


# ----- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"not json", "not JSON"),
        (b'{"messages": [', "not JSON"),
        (b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', "not UTF-8"),
        (b"[]", "must be an object; found a list"),
        (b"null", "must be an object; found nothing"),
        (b"{}", "messages is missing"),
        (b'{"messages": []}', "messages is empty"),
        (b'{"messages": [{"role": "user", "content": ""}]}', "every message is empty"),
        (b'{"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}', "every message is empty"),
    ],
)
def test_unreadable_bodies_say_why(data: bytes, said: str) -> None:
    assert said in str(refused(data))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [HELLO, {"role": "usr", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
        ({"messages": [{**HELLO, "name": 1}]}, "messages[0].name"),
        ({"messages": [{**HELLO, "tool_calls": {"a": 1}}]}, "messages[0].tool_calls"),
        ({"model": 5}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": 10**9}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_shema"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": []}}},
            "response_format.json_schema.schema",
        ),
        ({"router": "cheap"}, "router"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_wrong_types_name_the_field(fields: dict[str, Any], param: str) -> None:
    assert refused(chat(**fields)).param == param
    assert refused(json.loads(chat(**fields))).param == param


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("prefix", [b"", b'{"messages":[{"role":"user","content":"x"}],"tools":'])
def test_deep_nesting_is_a_typed_error(opening: bytes, prefix: bytes) -> None:
    with pytest.raises(RequestError):
        read_chat(prefix + opening * 100_000)
    close = b"]" if opening == b"[" else b"1}"
    deep = b'{"messages":[{"role":"user","content":"x"}],"z":' + opening * 200 + b"1" + close[-1:] * 200 + b"}"
    with pytest.raises(RequestTooLarge, match="nested deeper"):
        read_chat(deep)


def test_many_brackets_in_text_are_no_nesting() -> None:
    assert read_chat({"messages": [{"role": "user", "content": "[{" * 5000}]}).messages[0].text
    assert read_chat(json.dumps({"messages": [{"role": "user", "content": "[{" * 5000}]}).encode()).messages[0].text


def test_cyclic_mapping_is_a_typed_error() -> None:
    body: dict[str, Any] = {"messages": [HELLO]}
    body["self"] = body
    with pytest.raises(RequestTooLarge):
        read_chat(body)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"raw", object(), {1: 2}, "\ud800"])
def test_values_that_json_lacks_are_refused(value: object) -> None:
    refused({"messages": [HELLO], "extra": value})


def test_ten_megabytes_are_read() -> None:
    text = "a few words " * 850_000
    assert (
        len(read_chat(json.dumps({"messages": [{"role": "user", "content": text}]}).encode()).messages[0].text) > 10**7
    )


def test_too_many_bytes_or_messages_are_refused() -> None:
    with pytest.raises(RequestTooLarge, match="bytes"):
        read_chat(chat(), limits=Limits(max_bytes=20))
    with pytest.raises(RequestTooLarge, match="bytes"):
        read_chat({"messages": [{"role": "user", "content": "x" * 30}]}, limits=Limits(max_bytes=20))
    with pytest.raises(RequestTooLarge, match="3 messages"):
        read_chat({"messages": [HELLO] * 3}, limits=Limits(max_messages=2))
    with pytest.raises(RequestTooLarge, match="tools"):
        read_chat(chat(tools=[{"type": "function", "function": {"name": "f"}}] * 3), limits=Limits(max_tools=2))


# ----- any JSON -------------------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.sampled_from(
    [
        "model",
        "tools",
        "functions",
        "tool_choice",
        "function_call",
        "response_format",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stop",
        "stream",
        "stream_options",
        "logprobs",
        "router",
        "temperature",
        "unknown",
    ]
)
_PART = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "file", "refusal"]) | _JSON}) | _JSON
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "system", "assistant", "tool"]) | _JSON, "content": _JSON | st.lists(_PART)},
    optional={"name": _JSON, "tool_calls": _JSON, "function_call": _JSON},
)
_BODY = st.builds(
    lambda messages, rest: {**rest, "messages": messages},
    st.lists(_MESSAGE, max_size=3) | _JSON,
    st.dictionaries(_FIELDS, _JSON, max_size=4),
)


@given(_BODY | _JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    data = json.dumps(value).encode()
    for read in (read_chat, read_row):
        with contextlib.suppress(RequestError):
            assert isinstance(read(data), Request)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_chat, read_row):
        with pytest.raises(RequestError):
            read(data)


# ----- rows and prompts -------------------------------------------------------------------------------------------


def test_prompt_row_takes_only_router_hints() -> None:
    request = read_row({"prompt": "Is this spam?", "task": "ner", "id": 7, "router": {"task": "other_classification"}})
    assert request.messages[0].text == "Is this spam?"
    assert request.hints.task == "other_classification"


def test_row_with_body_is_a_chat() -> None:
    assert read_row(b'{"messages": [{"role": "user", "content": "a \\"prompt\\" here"}]}').messages[0].role == "user"


@pytest.mark.parametrize(
    "row", [{}, {"prompt": ""}, {"prompt": 5}, {"prompt": "x", "messages": [HELLO]}, {"prompt": "x", "router": 1}]
)
def test_wrong_rows_are_refused(row: dict[str, Any]) -> None:
    for form in (row, json.dumps(row).encode()):
        with pytest.raises(RequestError):
            read_row(form)


def test_empty_prompt_is_refused() -> None:
    for text in ("", " \n"):
        with pytest.raises(RequestError, match="empty"):
            read_prompt(text)


# ----- writing ----------------------------------------------------------------------------------------------------


def test_errors_have_the_openai_shape() -> None:
    body = error_body(refused(chat(n=0)))["error"]
    assert (body["type"], body["param"], body["code"]) == ("invalid_request_error", "n", "invalid_request")
    assert "n is 0" in body["message"]


def test_errors_carry_what_programs_read() -> None:
    broke = error_body(BudgetExceeded("too dear.", needed_usd=0.01, left_usd=0.0, reasons={"m": "costs more"}))["error"]
    assert (broke["needed_usd"], broke["reasons"]) == (0.01, {"m": "costs more"})
    assert error_body(NoCandidate("none.", reasons={"m": "no vision"}))["error"]["reasons"] == {"m": "no vision"}
    assert error_body(UpstreamError("busy.", kind="overload"))["error"]["kind"] == "overload"


def test_model_list_has_the_openai_shape() -> None:
    listed = model_list([("auto", "router")])
    assert listed == {
        "object": "list",
        "data": [{"id": "auto", "object": "model", "created": 0, "owned_by": "router"}],
    }
