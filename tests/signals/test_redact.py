"""Redaction: nothing masked stays in the request, and the answer gets every value back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.redact import Redaction, StreamRestorer, redact, restore
from router.signals.pii import find_pii
from router.types import Hints, Message, Request, Span, Tool

KINDS = ["email", "phone", "card", "person", "address"]
VALUES = {
    "email": ["ana@x.org", 'o"neil@y.ie', "bob.smith@example.com"],
    "phone": ["+44 20 7946 0958", "(212) 555-0187"],
    "card": ["4111 1111 1111 1111", "5555555555554444"],
    "person": ["Ana", "Jürgen Schäfer", "王小明"],
    "address": ["12 Oak Street\nFlat 3", "C:\\Straße 7"],
}
PLAIN = st.text(alphabet=st.sampled_from('qz ,.<>_{}"\\\n1é中'), max_size=12)
PIECE = st.one_of(
    PLAIN.map(lambda text: (text, "")),
    st.sampled_from([(value, kind) for kind, values in VALUES.items() for value in values]),
    st.sampled_from(["<EMAIL_1>", "<PERSON_2>", "<EMAIL_1", "EMAIL_1>"]).map(lambda text: (text, "")),
)


def request_of(pieces: list[tuple[str, str]]) -> tuple[Request, list[Span]]:
    text, spans = "", []
    for piece, kind in pieces:
        text += " "
        if kind:
            spans.append(Span(message=0, start=len(text), end=len(text) + len(piece), kind=kind))
        text += piece
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return Request(messages=(Message(role="user", text=text),), body=body), spans


def strings(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        return [text for pair in node.items() for item in pair for text in strings(item)]
    return [text for item in node for text in strings(item)] if isinstance(node, list | tuple) else []


@given(st.lists(PIECE, max_size=12))
def test_restoring_undoes_redaction(pieces: list[tuple[str, str]]) -> None:
    request, spans = request_of(pieces)
    done = redact(request, spans)
    assert restore(done.request.messages[0].text, done.mapping) == request.messages[0].text
    assert restore(done.request.body["messages"][0]["content"], done.mapping) == request.messages[0].text


@given(st.lists(PIECE, max_size=12))
def test_no_masked_value_stays_anywhere(pieces: list[tuple[str, str]]) -> None:
    request, spans = request_of(pieces)
    done = redact(request, spans)
    left = "\0".join(strings(done.request.body)) + done.request.messages[0].text
    for span in spans:
        assert request.messages[0].text[span.start : span.end] not in left


@given(st.lists(PIECE, max_size=10), st.lists(st.integers(1, 7), min_size=1, max_size=8), st.booleans())
def test_stream_may_be_cut_anywhere(pieces: list[tuple[str, str]], sizes: list[int], escaped: bool) -> None:
    request, spans = request_of(pieces)
    done = redact(request, spans)
    text = done.request.messages[0].text
    restorer, answer, place, turn = StreamRestorer(done.mapping, escaped=escaped), "", 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        answer += restorer.feed(text[place : place + size])
        place, turn = place + size, turn + 1
    assert answer + restorer.close() == restore(text, done.mapping, escaped=escaped)


@given(st.lists(PIECE, max_size=8))
def test_json_answers_stay_valid_and_true(pieces: list[tuple[str, str]]) -> None:
    request, spans = request_of(pieces)
    done = redact(request, spans)
    answer = json.dumps({"said": done.request.messages[0].text})
    assert json.loads(restore(answer, done.mapping, escaped=True)) == {"said": request.messages[0].text}


def test_same_value_gets_same_placeholder() -> None:
    text = "ana@x.org wrote to bob@y.org and ana@x.org again"
    spans = [Span(message=0, start=hit.start, end=hit.end, kind=hit.kind) for hit in find_pii(text)]
    done = redact(Request(messages=(Message(role="user", text=text),)), spans)
    assert done.request.messages[0].text == "<EMAIL_1> wrote to <EMAIL_2> and <EMAIL_1> again"


def test_callers_own_placeholder_is_not_reused() -> None:
    text = "<EMAIL_1> is not ana@x.org"
    done = redact(
        Request(messages=(Message(role="user", text=text),)), [Span(message=0, start=17, end=26, kind="email")]
    )
    assert done.request.messages[0].text == "<EMAIL_1> is not <EMAIL_2>"


def test_only_wanted_kinds_are_masked() -> None:
    text = "ana@x.org, +44 20 7946 0958"
    spans = [Span(message=0, start=hit.start, end=hit.end, kind=hit.kind) for hit in find_pii(text)]
    done = redact(Request(messages=(Message(role="user", text=text),)), spans, {"phone"})
    assert done.request.messages[0].text == "ana@x.org, <PHONE_1>"


def everywhere() -> Redaction:
    mail = "ana@x.org"
    body = {
        "model": "gpt",
        "user": mail,
        "messages": [
            {"role": "system", "content": f"You help {mail}."},
            {
                "role": "user",
                "name": mail,
                "content": [{"type": "text", "text": f"I am {mail}"}, {"type": "image_url"}],
            },
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": "f", "arguments": '{"to": "ana@x.org", "cc": "eve@z.org"}'}}],
            },
        ],
        "tools": [{"function": {"name": "f", "description": f"mails {mail}", "parameters": {"enum": [mail]}}}],
    }
    request = Request(
        messages=(
            Message(role="system", text=f"You help {mail}."),
            Message(role="user", text=f"I am {mail}", name=mail),
            Message(role="assistant", text="", has_tool_calls=True),
        ),
        tools=(Tool(name="f", description=f"mails {mail}", parameters={"enum": [mail]}),),
        hints=Hints(input=f"I am {mail}", labels=(mail, "none")),
        body=body,
    )
    return redact(request, [Span(message=1, start=5, end=14, kind="email")], None, find_pii)


def test_values_leave_every_place_of_the_request() -> None:
    done = everywhere().request
    rest = json.dumps(done.body) + "".join(m.text + (m.name or "") for m in done.messages)
    rest += done.tools[0].description + str(done.tools[0].parameters) + str(done.hints)
    assert "ana@x.org" not in rest
    assert "eve@z.org" not in rest


def test_tool_arguments_stay_valid_json() -> None:
    arguments = everywhere().request.body["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert set(json.loads(arguments)) == {"to", "cc"}


def test_short_name_is_not_cut_from_words() -> None:
    text = "Ana likes Analysis"
    done = redact(
        Request(messages=(Message(role="user", text=text),)), [Span(message=0, start=0, end=3, kind="person")]
    )
    assert done.request.messages[0].text == "<PERSON_1> likes Analysis"


def test_escaped_placeholders_are_restored() -> None:
    mapping = {"<EMAIL_1>": "ana@x.org"}
    assert restore(r"to \u003cEMAIL_1\u003e", mapping) == "to ana@x.org"
    assert restore("to &lt;EMAIL_1&gt;", mapping) == "to ana@x.org"


def test_mapping_is_not_shown() -> None:
    assert "ana@x.org" not in repr(everywhere())


def test_request_without_spans_stays_the_same() -> None:
    request = Request(messages=(Message(role="user", text="hello"),), body={"messages": []})
    assert redact(request, []).request is request
