"""What providers write that OpenAI does not: notices between chunks, thoughts, calls that nobody counts, coded bodies.

Each by the official clients, against the running sidecar.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from calling import CHAT
from calling import call as post

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

Start = Callable[..., AbstractContextManager[str]]
ASKED: Any = [{"role": "user", "content": "Write a short story about a lighthouse keeper and the sea."}]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]})


def call(name: str, arguments: str, index: int = 0, id: str | None = None) -> str:
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})


END = [chunk({}, "stop"), json.dumps({"choices": [], "usage": USAGE})]


class Provider:
    """Streams ``events`` (lines of data, or whole events where they begin with a field), and answers ``message``."""

    def __init__(self) -> None:
        provider, self.events, self.message, self.coding = self, list[str](), dict[str, Any](), ""
        self.headers: dict[str, str] = {}

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                provider.headers = {name.lower(): value for name, value in self.headers.items()}
                data, kind = provider.streamed(), "text/event-stream"
                if not body.get("stream"):
                    choices = [{"index": 0, "message": provider.message, "finish_reason": "stop"}]
                    data = json.dumps({"id": "chatcmpl-1", "choices": choices, "usage": USAGE}).encode()
                    kind = "application/json"
                self.send_response(200)
                if provider.coding:
                    self.send_header("content-encoding", provider.coding)
                    data = gzip.compress(data)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def streamed(self) -> bytes:
        fields = ("event:", ":", "data:")
        lines = [event if event.startswith(fields) else f"data: {event}" for event in [*self.events, "[DONE]"]]
        return "".join(f"{line}\n\n" for line in lines).encode()

    def script(self, *events: str, message: dict[str, Any] | None = None, coding: str = "") -> None:
        self.events, self.message, self.coding = list(events), {"role": "assistant", **(message or {})}, coding


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def odd(provider: Provider, start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("odd") / "router.yaml"
    path.write_text("policy: guide\ndispatch: {tries: 1}\n")
    env = {"ROUTER_UPSTREAM": provider.url, "ROUTER_UPSTREAM_MODEL": "odd"}
    with start("--config", str(path), env=env) as address:
        yield address


@pytest.fixture(scope="module")
def client(odd: str) -> Any:
    return openai.OpenAI(base_url=f"{odd}/v1", api_key="none", max_retries=0, timeout=30)


@pytest.fixture(scope="module")
def claude(odd: str) -> Any:
    return anthropic.Anthropic(base_url=odd, api_key="none", max_retries=0, timeout=30)


def test_notices_do_not_end_a_stream(provider: Provider, client: Any) -> None:
    provider.script(
        ": OPENROUTER PROCESSING",
        '{"type": "ping"}',
        'event: ping\ndata: {"type": "ping"}',
        json.dumps({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}),
        '{"choices": null, "x_notice": {"queue": 3}}',
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "The "}),
        '{"type": "ping"}',
        chunk({"content": "sea."}),
        chunk({}, "stop"),
        json.dumps({"usage": USAGE}),
    )
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(model="auto", messages=ASKED, **asked))
    assert "".join(c.delta.content or "" for each in chunks for c in each.choices) == "The sea."
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 5


@pytest.mark.parametrize(
    "garbage",
    [
        "[1, 2]",
        '"text"',
        "not json",
        '{"choices": "x"}',
        '{"choices": [1]}',
        '{"object": "error", "message": "out of memory", "code": 500}',
        '{"type": "error", "message": "out of memory"}',
    ],
)
def test_garbage_ends_a_stream(provider: Provider, client: Any, garbage: str) -> None:
    provider.script(chunk({"content": "The "}), garbage, chunk({"content": "sea."}), *END)
    read: list[str] = []
    stream = client.chat.completions.create(model="auto", messages=ASKED, stream=True)
    with pytest.raises(openai.APIError):
        read.extend(each.choices[0].delta.content for each in stream)
    assert read == ["The "]


def test_items_of_a_response_end_in_order(provider: Provider, client: Any) -> None:
    provider.script(
        chunk({"reasoning_content": "Two "}),
        chunk({"reasoning_content": "cities."}),
        chunk({"content": "I look."}),
        call("weather", '{"city": ', 0, "call_a"),
        call("", '"Oslo"}', 0),
        call("weather", '{"city": "Rome"}', 1, "call_b"),
        chunk({"content": "Done."}),
        *END,
    )
    tools: Any = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    with client.responses.stream(model="auto", input=ASKED, tools=tools) as stream:
        events = list(stream)
        response = stream.get_final_response()
    opened = [event for event in events if event.type in ("response.output_item.added", "response.output_item.done")]
    assert [event.output_index for event in opened] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [event.type.rpartition(".")[2] for event in opened] == ["added", "done"] * 5
    assert [event.sequence_number for event in events] == sorted(event.sequence_number for event in events)
    thought, first, oslo, rome, last = response.output
    assert len({item.id for item in response.output}) == 5
    assert (thought.type, thought.content[0].text) == ("reasoning", "Two cities.")
    assert (first.content[0].text, last.content[0].text) == ("I look.", "Done.")
    assert [(item.call_id, item.arguments) for item in (oslo, rome)] == [
        ("call_a", '{"city": "Oslo"}'),
        ("call_b", '{"city": "Rome"}'),
    ]
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.arguments for item in done if item.type == "function_call"] == [oslo.arguments, rome.arguments]


def test_calls_that_nobody_counts_are_several(provider: Provider, client: Any, claude: Any) -> None:
    provider.script(call("weather", '{"city": "Oslo"}', 0, "a"), call("weather", '{"city": "Rome"}', 0, "b"), *END)
    tools: Any = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    with client.responses.stream(model="auto", input=ASKED, tools=tools) as stream:
        response = stream.get_final_response()
    assert [item.arguments for item in response.output] == ['{"city": "Oslo"}', '{"city": "Rome"}']
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    with claude.messages.stream(model="auto", max_tokens=99, messages=ASKED, tools=tools) as stream:
        message = stream.get_final_message()
    assert [(block.id, block.input) for block in message.content] == [("a", {"city": "Oslo"}), ("b", {"city": "Rome"})]


def test_whole_response_holds_its_thoughts(provider: Provider, client: Any) -> None:
    provider.script(message={"content": "The sea.", "reasoning": "A story."})
    response = client.responses.create(model="auto", input=ASKED)
    thought, answer = response.output
    assert (thought.type, thought.content[0].text) == ("reasoning", "A story.")
    assert (answer.type, response.output_text) == ("message", "The sea.")


BLOCKS = [
    {"type": "thinking", "thinking": "A story.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "aGlkZGVu"},
]
DETAILS = [
    {"type": "reasoning.text", "text": "A story.", "signature": "c2ln", "index": 0},
    {"type": "reasoning.encrypted", "data": "aGlkZGVu", "index": 1},
]
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


def told(message: Any) -> list[dict[str, Any]]:
    return [block.model_dump(exclude_none=True) for block in message.content]


@pytest.mark.parametrize("fields", [{"thinking_blocks": BLOCKS}, {"reasoning_details": DETAILS}])
def test_thoughts_and_signatures_reach_who_asked(provider: Provider, claude: Any, fields: dict[str, Any]) -> None:
    expected = [*BLOCKS, {"type": "text", "text": "The sea."}]
    (name, parts), asked = next(iter(fields.items())), {"model": "auto", "max_tokens": 2048, "messages": ASKED}
    text = "thinking" if name == "thinking_blocks" else "text"
    provider.script(
        chunk({"reasoning_content": "A ", name: [{**parts[0], text: "A ", "signature": None}]}),
        chunk({"reasoning_content": "story.", name: [{**parts[0], text: "story.", "signature": None}]}),
        chunk({name: [{**parts[0], text: ""}]}),
        chunk({name: [parts[1]]}),
        chunk({"content": "The sea."}),
        *END,
        message={"content": "The sea.", "reasoning_content": "A story.", name: parts},
    )
    assert told(claude.messages.create(**asked, thinking=THINKING)) == expected
    with claude.messages.stream(**asked, thinking=THINKING) as stream:
        assert told(stream.get_final_message()) == expected
    # Who did not ask may take the first block for the text.
    assert told(claude.messages.create(**asked)) == expected[-1:]
    with claude.messages.stream(**asked) as stream:
        assert told(stream.get_final_message()) == expected[-1:]


def test_thoughts_without_signature_are_told_as_such(provider: Provider, claude: Any) -> None:
    provider.script(chunk({"reasoning": "A story."}), chunk({"content": "The sea."}), *END)
    with claude.messages.stream(model="auto", max_tokens=2048, messages=ASKED, thinking=THINKING) as stream:
        thought, text = told(stream.get_final_message())
    assert thought == {"type": "thinking", "thinking": "A story.", "signature": ""}
    assert text["text"] == "The sea."


@pytest.mark.parametrize("stream", [False, True])
def test_coded_answer_is_a_typed_error(provider: Provider, odd: str, stream: bool) -> None:
    provider.script(chunk({"content": "The sea."}), *END, message={"content": "The sea."}, coding="gzip")
    answer = post(odd, CHAT, {"messages": ASKED, "stream": stream})
    assert answer.status == 502
    assert "compressed" in answer.json["error"]["message"]
    assert provider.headers["accept-encoding"] == "identity"
