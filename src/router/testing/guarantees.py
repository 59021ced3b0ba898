"""What a gateway in front of two OpenAI-compatible upstreams should guarantee, each as a small trial of it.

A trial scripts the upstreams, calls the gateway, and says whether the guarantee held and what was seen. Trials know no
gateway: what they ask for is stated in docs/streaming.md and docs/dispatch.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from .bench import OTHER, TEXT, USAGE, Bench, Group, Guarantee, Held, Trial
from .gateway import Streamed, Whole
from .upstream import Answer, Fault, Upstream

__all__ = ["CHAOS_KEY", "GUARANTEES"]

CHAOS_KEY = "sk-chaos-4f7d2a"
_HUGE = 80_000_000


def _held(is_held: bool, seen: str) -> Held:
    return Held(held=is_held, seen=seen)


def _told(answer: Whole) -> str:
    return f"{answer.status or answer.text} in {answer.took_s:.1f} s"


def _ended(stream: Streamed) -> str:
    if stream.status != 200:
        return f"{stream.status or 'no answer'} in {stream.took_s:.1f} s"
    end = "an error event" if stream.errors else stream.broke or ("[DONE]" if stream.is_done else "a clean end")
    finish = f", finish_reason {stream.finishes[-1]}" if stream.finishes else ""
    return f"{len(stream.chunks)} chunks, {end}{finish} in {stream.took_s:.1f} s"


# ----- unchanged --------------------------------------------------------------------------------------------------


async def _plain(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=USAGE))
    answer = await bench.gateway.whole()
    usage = answer.body.get("usage") or {} if isinstance(answer.body, dict) else {}
    return _held(answer.content == TEXT and usage.get("total_tokens") == 34, _told(answer))


async def _stream(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=USAGE))
    stream = await bench.gateway.stream()
    return _held(stream.content == TEXT and stream.looks_complete and stream.finishes == ["stop"], _ended(stream))


async def _tools(bench: Bench) -> Held:
    arguments = '{"city": "Oslo, Norway", "days": 3}'
    call = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    bench.play(Answer(tool_calls=(call,), usage=USAGE))
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    stream = await bench.gateway.stream(tools=tools)
    parts = [part for delta in stream.deltas() for part in delta.get("tool_calls") or ()]
    written = "".join((part.get("function") or {}).get("arguments") or "" for part in parts)
    named = [(part.get("function") or {}).get("name") for part in parts if (part.get("function") or {}).get("name")]
    is_same = written == arguments and named == ["weather"] and "tool_calls" in stream.finishes
    return _held(is_same and any(part.get("id") == "call_7" for part in parts), f"{named}: {written[:40]}")


async def _choices(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=USAGE))
    stream = await bench.gateway.stream(n=2)
    texts = [stream.joined("content", index) for index in (0, 1)]
    seen = f"{[len(text) for text in texts]} characters, {len(stream.finishes)} finish reasons"
    return _held(texts == [TEXT, TEXT] and len(stream.finishes) == 2, seen)


async def _logprobs(bench: Bench) -> Held:
    told = {"content": [{"token": "Nine", "logprob": -0.25, "bytes": None, "top_logprobs": []}]}
    bench.play(Answer(text=TEXT, usage=USAGE, logprobs=told))
    answer = await bench.gateway.whole(logprobs=True)
    try:
        seen = answer.body["choices"][0]["logprobs"]["content"][0]["logprob"]
    except (KeyError, IndexError, TypeError):
        seen = None
    return _held(seen == -0.25, f"logprob {seen}")


async def _reasoning(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=USAGE, reasoning="First I count the words."))
    stream = await bench.gateway.stream()
    seen = stream.joined("reasoning_content")
    return _held(seen == "First I count the words." and stream.content == TEXT, seen[:40] or "none")


async def _first_byte(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=USAGE, drip_s=0.12))
    stream = await bench.gateway.stream()
    first = stream.first_s if stream.first_s is not None else stream.took_s
    return _held(
        stream.content == TEXT and first < stream.took_s / 2, f"first after {first:.1f} s of {stream.took_s:.1f} s"
    )


# ----- usage ------------------------------------------------------------------------------------------------------


async def _late_usage(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=USAGE, late_usage=True))
    stream = await bench.gateway.stream(stream_options={"include_usage": True})
    usage = stream.usage or {}
    return _held(usage.get("total_tokens") == 34, f"usage {usage.get('total_tokens')}")


async def _no_usage(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, usage=None))
    stream = await bench.gateway.stream(stream_options={"include_usage": True})
    usage = stream.usage or {}
    is_counted = (usage.get("completion_tokens") or 0) > 0 and (usage.get("prompt_tokens") or 0) > 0
    return _held(is_counted, f"usage {usage.get('prompt_tokens')} + {usage.get('completion_tokens')}")


# ----- failover before the first token -----------------------------------------------------------------------------


def _failover(fault: Fault) -> Trial:
    async def trial(bench: Bench) -> Held:
        bench.play(fault)
        answer = await bench.gateway.whole()
        return _held(answer.status == 200 and answer.content == OTHER, _told(answer))

    return trial


def _stream_failover(fault: Fault) -> Trial:
    async def trial(bench: Bench) -> Held:
        bench.play(fault)
        stream = await bench.gateway.stream()
        return _held(stream.content == OTHER and stream.looks_complete, _ended(stream))

    return trial


# ----- after the first token ----------------------------------------------------------------------------------------


def _cut(fault: Fault, *, told: bool) -> Trial:
    async def trial(bench: Bench) -> Held:
        bench.play(fault)
        stream = await bench.gateway.stream()
        if stream.content == OTHER or stream.status != 200:
            # It waited, and nothing of the broken answer was shown: all the better.
            return _held(True, _ended(stream))
        if not told:
            return _held(not stream.looks_complete, _ended(stream))
        return _held(bool(stream.errors), _ended(stream))

    return trial


async def _one_answer(bench: Bench) -> Held:
    bench.play(Fault(kind="cut", after=4))
    stream = await bench.gateway.stream()
    begun = "Hello f"
    is_mixed = stream.content.startswith(begun) and OTHER in stream.content
    return _held(not is_mixed, stream.content[:60])


# ----- limits -----------------------------------------------------------------------------------------------------


async def _gone(upstream: Upstream) -> bool:
    for _ in range(60):
        if upstream.dropped:
            return True
        await asyncio.sleep(0.05)
    return False


async def _client_leaves(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT * 40, drip_s=0.05))
    await bench.gateway.stream(leave_after=3)
    is_gone = await _gone(bench.primary)
    return _held(is_gone, "the upstream was stopped" if is_gone else "the upstream wrote on")


async def _caller_leaves(bench: Bench) -> Held:
    bench.play(Answer(text=TEXT, delay_s=8.0))
    task = asyncio.create_task(bench.gateway.whole())
    for _ in range(100):
        if bench.primary.received:
            break
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.wait([task])
    is_gone = await _gone(bench.primary)
    return _held(is_gone, "the upstream was stopped" if is_gone else "the upstream worked on")


async def _deadline(bench: Bench) -> Held:
    if bench.deadline is None:
        return Held(held=None, seen="no deadline for one request")
    bench.play(Answer(text=TEXT, delay_s=8.0), Answer(text=OTHER, delay_s=8.0))
    answer = await bench.gateway.whole(headers=bench.deadline(1500))
    return _held(answer.took_s < 2.0 and answer.status != 200, _told(answer))


async def _deadline_over_retries(bench: Bench) -> Held:
    if bench.deadline is None:
        return Held(held=None, seen="no deadline for one request")
    slow = Fault(kind="stall", delay_s=20.0)
    bench.play(slow, Answer(text=OTHER, usage=USAGE))
    answer = await bench.gateway.whole(headers=bench.deadline(1500))
    return _held(answer.status == 200 and answer.took_s < 2.0, _told(answer))


async def _bounded(bench: Bench) -> Held:
    bench.play(Fault(status=500), Fault(status=500))
    answer = await bench.gateway.whole()
    return _held(answer.status >= 500 and bench.calls <= 6, f"{_told(answer)}, {bench.calls} calls")


async def _no_storm(bench: Bench) -> Held:
    bench.play(Fault(status=503), Fault(status=503))

    async def caller() -> None:
        for _ in range(10):
            await bench.gateway.whole()

    await asyncio.gather(*(caller() for _ in range(6)))
    return _held(bench.calls <= 60, f"{bench.calls} calls for 60 requests")


async def _final(bench: Bench) -> Held:
    bench.play(Fault(status=400, message="temperature is out of range", code="invalid_value"))
    answer = await bench.gateway.whole(temperature=1.0)
    return _held(400 <= answer.status < 500 and bench.calls == 1, f"{answer.status}, {bench.calls} calls")


async def _error_shape(bench: Bench) -> Held:
    bench.play(Fault(status=500), Fault(status=500))
    answer = await bench.gateway.whole()
    return _held(answer.is_error_shaped and answer.status >= 500, answer.text[:60])


async def _secret(bench: Bench) -> Held:
    bench.play(Fault(kind="echo_key"), Fault(kind="echo_key"))
    answer = await bench.gateway.whole()
    keys = {received.headers.get("Authorization", "").removeprefix("Bearer ") for received in bench.primary.received}
    keys = {key for key in keys if len(key) > 5}
    if not keys:
        return Held(held=None, seen="the gateway sent no key")
    return _held(not any(key in answer.text for key in keys), answer.text[:60])


def _huge(fault: Fault) -> Trial:
    async def trial(bench: Bench) -> Held:
        bench.play(fault)
        if fault.kind == "huge_chunk":
            stream = await bench.gateway.stream()
            seen, is_well = _ended(stream), not stream.looks_complete or len(stream.content) >= fault.size
        else:
            answer = await bench.gateway.whole()
            seen, is_well = _told(answer), answer.status >= 200
        bench.play(Answer(text=TEXT, usage=USAGE))
        after = await bench.gateway.whole()
        return _held(is_well and after.status == 200, f"{seen}, then {_told(after)}")

    return trial


# ----- health -----------------------------------------------------------------------------------------------------


async def _retry_after(bench: Bench) -> Held:
    bench.play(Fault(status=429, retry_after="3"))
    await bench.gateway.whole()
    seen = len(bench.primary.received)
    end = asyncio.get_running_loop().time() + 1.5
    while asyncio.get_running_loop().time() < end:
        await bench.gateway.whole()
        await asyncio.sleep(0.1)
    early = len(bench.primary.received) - seen
    return _held(early == 0 and seen == 1, f"{seen} calls at once, {early} before the time")


async def _cooldown(bench: Bench) -> Held:
    bench.play(Fault(status=500))
    statuses = [(await bench.gateway.whole()).status for _ in range(12)]
    calls = len(bench.primary.received)
    return _held(calls <= 6 and set(statuses) == {200}, f"{calls} calls for 12 requests")


async def _quota(bench: Bench) -> Held:
    bench.play(Fault(status=402, message="insufficient credit", code="insufficient_quota"))
    statuses = [(await bench.gateway.whole()).status for _ in range(6)]
    calls = len(bench.primary.received)
    return _held(calls <= 2 and set(statuses) == {200}, f"{calls} calls for 6 requests")


async def _recovery(bench: Bench) -> Held:
    bench.play(Fault(status=500))
    for _ in range(6):
        await bench.gateway.whole()
    loop = asyncio.get_running_loop()
    began = loop.time()
    is_back = await bench.settle()
    return _held(is_back, f"after {loop.time() - began:.1f} s")


def _list() -> tuple[Guarantee, ...]:
    found: list[Guarantee] = []

    def add(group: Group, name: str, holds: str, trial: Trial) -> None:
        found.append(Guarantee(name=name, group=group, holds=holds, trial=trial))

    add("unchanged", "answer", "An answer and its usage arrive as they were.", _plain)
    add("unchanged", "stream", "A stream arrives whole, with one end.", _stream)
    add("unchanged", "tool_calls", "Deltas of tool calls keep name, id and arguments.", _tools)
    add("unchanged", "choices", "n=2 streams both choices.", _choices)
    add("unchanged", "logprobs", "Log-probabilities pass.", _logprobs)
    add("unchanged", "reasoning", "Reasoning deltas pass.", _reasoning)
    add("unchanged", "first_byte", "The first token is forwarded as it comes.", _first_byte)
    add("usage", "late_usage", "Usage that comes after the last token is told.", _late_usage)
    add("usage", "no_usage", "Usage is counted where the provider sends none.", _no_usage)
    faults: Mapping[str, tuple[str, Fault]] = {
        "status_500": ("500", Fault(status=500)),
        "rate_limit": ("429 with Retry-After", Fault(status=429, retry_after="1")),
        "out_of_credit": ("402, out of credit", Fault(status=402, code="insufficient_quota")),
        "reset": ("a connection reset", Fault(kind="reset")),
        "malformed_body": ("a body that is no JSON", Fault(kind="malformed_body")),
        "wrong_length": ("a wrong content length", Fault(kind="wrong_length")),
        "html": ("a page of HTML", Fault(kind="html")),
        "error_in_body": ("an error inside a 200", Fault(kind="error_in_body")),
        "stall": ("silence", Fault(kind="stall")),
    }
    for name, (what, fault) in faults.items():
        add("failover", name, f"After {what} the second upstream answers.", _failover(fault))
    for name, what, fault in (
        ("stream_500", "500", Fault(status=500)),
        ("stream_reset", "a connection reset", Fault(kind="reset")),
        ("stream_cut_early", "a cut before the first token", Fault(kind="cut", after=1)),
        ("stream_error_early", "an error event before the first token", Fault(kind="error_in_stream", after=1)),
        ("stream_stall_early", "silence before the first token", Fault(kind="stall", after=1)),
    ):
        add("failover", name, f"A stream: after {what} the second upstream answers.", _stream_failover(fault))
    endings = (
        ("cut", "whose connection dies", Fault(kind="cut", after=4)),
        ("clean_cut", "that just ends", Fault(kind="clean_cut", after=4)),
        ("done_without_finish", "that says [DONE] without a finish_reason", Fault(kind="done_without_finish", after=4)),
        ("malformed_chunk", "with a chunk that is no JSON", Fault(kind="malformed_chunk", after=4)),
        ("error_in_stream", "with an error inside", Fault(kind="error_in_stream", after=4)),
        ("stall_within", "that falls silent", Fault(kind="stall", after=4)),
    )
    for name, what, fault in endings:
        add("ending", name, f"A stream {what} never looks complete.", _cut(fault, told=False))
    for name, what, fault in endings:
        add("ending", f"{name}_told", f"A stream {what} ends with an error event.", _cut(fault, told=True))
    add("ending", "one_answer", "Two answers are never mixed in one stream.", _one_answer)
    add("limits", "stream_client_leaves", "A client who leaves a stream stops the upstream.", _client_leaves)
    add("limits", "caller_leaves", "A client who leaves before the answer stops the upstream.", _caller_leaves)
    add("limits", "deadline", "One request's deadline ends it, fallbacks included.", _deadline)
    add("limits", "deadline_shared", "A stalled upstream leaves time for the second.", _deadline_over_retries)
    add("limits", "bounded", "With both down, one request makes at most six calls.", _bounded)
    add("limits", "no_storm", "With both down, 60 requests make no more calls than that.", _no_storm)
    add("limits", "final", "A caller's mistake (400) is told, and not tried again.", _final)
    add("limits", "error_shape", "A failure has OpenAI's error shape and a 5xx status.", _error_shape)
    add("limits", "secret", "The upstream's key is never echoed to the client.", _secret)
    add("health", "retry_after", "Nobody is sent before Retry-After is over.", _retry_after)
    add("health", "cooldown", "A deployment that keeps failing is taken out.", _cooldown)
    add("health", "quota", "A deployment without credit is taken out at once.", _quota)
    add("health", "recovery", "A deployment that is well again is used again.", _recovery)
    # Last, since a gateway may not be well after them.
    add("size", "huge_body", "A body of 80 MB leaves the gateway alive.", _huge(Fault(kind="huge_body", size=_HUGE)))
    huge_chunk = Fault(kind="huge_chunk", after=4, size=_HUGE)
    add("size", "huge_chunk", "A stream with a chunk of 80 MB leaves the gateway alive.", _huge(huge_chunk))
    return tuple(found)


GUARANTEES = _list()
