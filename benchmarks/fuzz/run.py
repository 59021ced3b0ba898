"""A million hostile inputs: bodies of every endpoint, header hints, event streams, and what providers answer. Nothing
may crash, hang, or raise anything but a typed error. ``--seconds`` bounds the time, ``--inputs`` the number;
results/fuzz.json tells what was run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from machine import write
from router.backends.base import Completeness, check_chunk, check_reply, read_usage
from router.backends.books import AnswerMeter
from router.errors import RouterError
from router.types import Hints
from router.wire.anthropic import messages_form
from router.wire.completions import completions_form
from router.wire.embeddings import read_embedding
from router.wire.forms import chat_form, translated
from router.wire.hints import HEADERS, read_headers
from router.wire.jsonbody import Limits, decoded
from router.wire.responses import responses_form
from router.wire.sse import DONE, EventTooLarge, SseParser, encode_event

LIMITS = Limits(max_bytes=65_536, max_depth=32, max_messages=100)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
SEEDS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True, "n": 2, "stop": ["a"]},
        {
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "content": "b", "tool_call_id": "c"},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": SCHEMA,
            "router": {"task": "sentiment", "labels": ["a", "b"], "max_usd": "$1", "max_latency_ms": "2s"},
        },
    ],
    "completions": [
        {"prompt": ["hi"], "max_tokens": 5, "logprobs": 2, "n": 1, "best_of": 1, "stop": "a"},
        {"prompt": "hi", "echo": True, "stream": True, "user": "u"},
    ],
    "responses": [
        {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "x"},
            ],
            "instructions": "a",
            "tools": [{"type": "function", "name": "f", "parameters": {}}],
            "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}, "verbosity": "low"},
            "reasoning": {"effort": "low"},
            "include": ["message.output_text.logprobs"],
        }
    ],
    "messages": [
        {
            "max_tokens": 5,
            "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [IMAGE, {"type": "text", "text": "a"}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "metadata": {"user_id": "u"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
        }
    ],
    "embeddings": [{"input": ["a", "b"], "model": "m", "router": {"tenant": "t"}}, {"input": [[1, 2]]}],
}
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "reply": [
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "a", "refusal": None, "tool_calls": [CALL]},
                    "finish_reason": "stop",
                    "logprobs": {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]},
                }
            ],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "total_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
        }
    ],
    "chunk": [
        {
            "id": "x",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "role": "assistant",
                        "content": "a",
                        "reasoning_content": "b",
                        "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}],
                    },
                    "finish_reason": None,
                    "logprobs": None,
                }
            ],
            "usage": None,
        },
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
    ],
}
READERS: dict[str, Callable[[bytes], Any]] = {
    "chat": lambda data: chat_form(data, hints=Hints(), limits=LIMITS),
    "completions": lambda data: completions_form(data, hints=Hints(), limits=LIMITS),
    "responses": lambda data: responses_form(data, hints=Hints(), limits=LIMITS),
    "messages": lambda data: messages_form(data, hints=Hints(), limits=LIMITS),
    "embeddings": lambda data: read_embedding(data, hints=Hints(), limits=LIMITS),
    "decoder": lambda data: decoded(data, LIMITS),
}
_BOM = b"\xef\xbb\xbf"
CHUNKS = [
    {"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}},
]


def main() -> int:
    """Run, and write results/fuzz.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    kinds = [*READERS, *ANSWERS, "headers", "sse"]
    ran: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    crashes: list[dict[str, str]] = []
    slowest = ("", 0.0)
    until = time.monotonic() + asked.seconds
    while sum(ran.values()) < asked.inputs and time.monotonic() < until:
        kind = kinds[rng.randrange(len(kinds))]
        case = _case(kind, rng)
        # Processor time: a hang shows in it, other work on the machine does not.
        began = time.thread_time()
        try:
            _try(kind, case, rng)
        except (RouterError, EventTooLarge) as error:
            refused[kind] += 1
            str(error)
        except Exception as error:  # noqa: BLE001 that is what is searched for
            crashes.append({"kind": kind, "error": repr(error), "input": repr(case)[:2000]})
            if len(crashes) >= 50:
                break
        took = time.thread_time() - began
        if took > slowest[1]:
            slowest = (f"{kind}: {repr(case)[:200]}", took)
        ran[kind] += 1
    for crash in crashes:
        print(json.dumps(crash, indent=1))
    figures = {
        "inputs": sum(ran.values()),
        "by_kind": dict(sorted(ran.items())),
        "refused": dict(sorted(refused.items())),
        "crashes": len(crashes),
        "slowest_ms": round(slowest[1] * 1000, 2),
        "seed": asked.seed,
    }
    if asked.no_write:
        print(json.dumps(figures))
    else:
        write("fuzz", figures)
    print(f"slowest: {slowest}")
    return int(bool(crashes))


def _try(kind: str, case: Any, rng: random.Random) -> None:
    if kind == "headers":
        read_headers(case)
    elif kind == "sse":
        _parse_stream(case, rng)
    elif kind in ANSWERS:
        _pass_on(kind, case)
    else:
        found = READERS[kind](case)
        if hasattr(found, "stream"):
            _write(found, rng)


def forms() -> dict[str, Any]:
    """A request of each endpoint."""
    return {name: READERS[name](json.dumps(SEEDS[name][0]).encode()) for name in FORMS}


FORMS = ("chat", "completions", "responses", "messages")


def _pass_on(kind: str, data: bytes) -> None:
    """What a provider sent, as each endpoint's callers get it."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError):
        return
    if kind == "reply":
        body = check_reply(found, "m")
        read_usage(body.get("usage"))
        for form in forms().values():
            translated(form.answer, body)
        return
    chunk = check_chunk(found, "m")
    meter, completeness = AnswerMeter(), Completeness()
    # Where a run reads them, whatever they raise is a failed attempt.
    with suppress(AttributeError, TypeError):
        meter.take(chunk)
        completeness.take(chunk)
    for form in forms().values():
        stream = form.stream()
        translated(stream.take, chunk)
        translated(stream.take, chunk)
        translated(stream.close)


def _write(form: Any, rng: random.Random) -> None:
    stream = form.stream()
    for _ in range(rng.randrange(4)):
        stream.take(rng.choice(CHUNKS))
    stream.close()


def _parse_stream(data: bytes, rng: random.Random) -> None:
    """However the pieces are cut, the same events must come out."""
    whole = SseParser(max_bytes=8_192)
    expected = [*whole.feed(data), *whole.close()]
    pieces = SseParser(max_bytes=8_192)
    found, at = [], 0
    while at < len(data):
        step = rng.randrange(1, 9)
        found += pieces.feed(data[at : at + step])
        at += step
    found += pieces.close()
    if found != expected:
        raise AssertionError("other events by other pieces")


def _case(kind: str, rng: random.Random) -> Any:
    if kind == "headers":
        names = [*HEADERS, "x-router-x", "x-other"]
        return [
            (rng.choice(names).encode(), _word(rng).encode("utf-8", "surrogatepass"))
            for _ in range(rng.randrange(1, 5))
        ]
    if kind == "sse":
        lines = [
            rng.choice([b"data: ", b"data:", b"event: ", b"id: ", b": ", b"", b"\xef\xbb\xbf", b"retry: "])
            + _word(rng).encode("utf-8", "replace")
            + rng.choice([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\r\r"])
            for _ in range(rng.randrange(12))
        ]
        return b"".join(lines) + rng.choice([b"", encode_event(DONE), b"data: {"])
    seed = rng.choice(ANSWERS[kind] if kind in ANSWERS else SEEDS[kind if kind in SEEDS else "chat"])
    body = _mutated(seed, rng, 0)
    data = json.dumps(body).encode()
    if rng.random() < 0.15:
        data = _flipped(data, rng)
    return data


def _mutated(node: Any, rng: random.Random, depth: int) -> Any:
    if rng.random() < 0.012:
        return _value(rng, depth)
    if isinstance(node, dict):
        found = {key: _mutated(value, rng, depth + 1) for key, value in node.items() if rng.random() > 0.015}
        if rng.random() < 0.05:
            found[_word(rng)] = _value(rng, depth)
        return found
    if isinstance(node, list):
        found_list = [_mutated(value, rng, depth + 1) for value in node if rng.random() > 0.02]
        return found_list * rng.choice([1, 1, 1, 1, 2, 40]) if depth < 2 else found_list
    return node


def _value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(12)
    if kind == 10 and depth < 3:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(3))]
    if kind == 11 and depth < 3:
        return {_word(rng): _value(rng, depth + 1) for _ in range(rng.randrange(3))}
    return [None, True, False, 0, -1, 2**63, 1e308, "", _word(rng), "function", [], {}][kind]


def _word(rng: random.Random) -> str:
    words = ["", "a", "auto", "router/guide", "\u0000", "\ud800", "é" * 9, "a,b,c", "$1", "-1", "1e999", "900ms", "NaN",
             "sentiment", "user", "tool", "text", "\r\nx: y", "x" * 300, "🙂", "[DONE]", '{"a": 1}']  # fmt: skip
    return rng.choice(words)


def _flipped(data: bytes, rng: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        if not found:
            break
        at = rng.randrange(len(found))
        action = rng.randrange(4)
        if action == 0:
            found[at] = rng.randrange(256)
        elif action == 1:
            del found[at : at + rng.randrange(1, 20)]
        elif action == 2:
            found[at:at] = rng.choice(
                [b"[" * 50, b'"', b"{", b"\\u0000", b"\\ud800", b"\xff", b"1e999", b"\xef\xbb\xbf"]
            )
        else:
            found[at:at] = found[at : at + rng.randrange(1, 50)]
    return bytes(found)


if __name__ == "__main__":
    sys.exit(main())
