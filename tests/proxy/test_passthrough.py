"""What need not change reaches the caller in the bytes that the provider wrote."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from calling import CHAT, STORY, call

Start = Callable[..., AbstractContextManager[str]]
# Spaces, escapes, numbers and order as no encoder here would write them.
ANSWER = (
    b'{ "made_up": 1.50e+2, "choices": [ {"index":0, "message": {"role":"assistant","content":"caf\\u00e9 \\/"},'
    b' "finish_reason":"stop"} ],\n "object":"chat.completion", "usage": {"prompt_tokens": 3, "completion_tokens": 2} }'
)
CHUNKS = [
    b'{"choices": [{"index": 0, "delta": {"content": "caf\\u00e9"}}], "made_up": 1.0e0}',
    b'{"choices": [{"index": 0, "delta": {"content": " \\/"}, "finish_reason": null}]}',
    b'{"choices": [{"delta": {}, "index": 0, "finish_reason": "stop"}]}',
]
USAGE = b'{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}'


@pytest.fixture(scope="module")
def odd(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            data, kind = ANSWER, "application/json"
            if body.get("stream"):
                data = b"".join(b"data: %b\n\n" % each for each in [*CHUNKS, USAGE, b"[DONE]"])
                kind = "text/event-stream"
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path: Path = tmp_path_factory.mktemp("odd") / "router.yaml"
    path.write_text("policy: guide\n")
    env = {"ROUTER_UPSTREAM": f"http://127.0.0.1:{server.server_address[1]}/v1", "ROUTER_UPSTREAM_MODEL": "odd"}
    with start("--config", str(path), env=env) as address:
        yield address
    server.shutdown()
    server.server_close()


def ask(address: str, **fields: Any) -> bytes:
    answer = call(address, CHAT, {**STORY, **fields})
    assert answer.status == 200, answer.data
    return answer.data


def test_whole_answer_keeps_its_bytes(odd: str) -> None:
    assert ask(odd) == ANSWER


def test_chunks_keep_their_bytes(odd: str) -> None:
    events = ask(odd, stream=True).split(b"\n\n")
    assert events == [*(b"data: %b" % chunk for chunk in CHUNKS), b"data: [DONE]", b""]


def test_asked_usage_comes_with_the_chunks(odd: str) -> None:
    events = ask(odd, stream=True, stream_options={"include_usage": True}).split(b"\n\n")
    assert events == [*(b"data: %b" % chunk for chunk in [*CHUNKS, USAGE]), b"data: [DONE]", b""]
