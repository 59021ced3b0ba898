"""One hosted stream: opened up to its first token, then passed on as the caller gets it, whole or through a window.

Nothing is shown before the first token, so that until then another deployment may take over. The room picks no model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from ..selection.steps import Call
from ..types import Usage
from .assembled import whole_answer
from .base import ChunkStream, UpstreamCall
from .books import AnswerMeter, Books, ChunkRestorer, usage_body
from .checking import Finding
from .course import Course, without_logprobs
from .window import Window

__all__ = ["Kept", "Opened", "discard", "open_stream", "relay", "show_held"]

# Chunks before the first token that are held back, so that another deployment can still take over.
_MAX_EARLY = 64


class Opened(msgspec.Struct, kw_only=True):
    """A stream whose first token has come. ``early`` are the chunks until then, ``started_s`` when it was called."""

    step: Call
    books: Books
    call: UpstreamCall
    mapping: Mapping[str, str]
    stream: ChunkStream
    early: list[dict[str, Any]]
    meter: AnswerMeter
    started_s: float


class Kept(msgspec.Struct, kw_only=True):
    """A whole stream that failed a check of ``escalate``; nobody has seen it."""

    step: Call
    window: Window | None
    restorer: ChunkRestorer | None
    first: dict[str, Any]
    usage: Usage
    is_counted: bool
    strip: bool


async def open_stream(course: Course, step: Call, books: Books) -> Opened:
    """Call the deployment and read up to the first token.

    Raises:
        UpstreamError: whatever went wrong until then; nothing was shown.
    """
    call, mapping = course.outgoing.prepare(step, stream=True, logprobs=course.asks_for_logprobs(step))
    meter = AnswerMeter()
    books.sent(meter)
    started = course.means.clock()
    stream: ChunkStream | None = None
    early: list[dict[str, Any]] = []
    try:
        with course.means.deadlines.within(min(call.ttft_timeout_s, call.timeout_s)):
            stream = await course.backend(call).open_stream(call)
            while not meter.has_token and len(early) < _MAX_EARLY:
                chunk = await anext(stream, None)
                if chunk is None:
                    break
                meter.take(chunk)
                early.append(chunk)
    except BaseException:
        if stream is not None:
            await stream.aclose()
        raise
    return Opened(
        step=step,
        books=books,
        call=call,
        mapping=mapping,
        stream=stream,
        early=early,
        meter=meter,
        started_s=started,
    )


async def discard(opened: Opened) -> None:
    """Stop a stream that nobody wants any more."""
    await opened.stream.aclose()


async def relay(course: Course, opened: Opened) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks as the caller gets them; the books are closed when the stream has ended.

    An answer that is graded, or checked without a hold-back, is held whole; until something was shown the run may
    still go on elsewhere. What is withheld or rejected stands in the course.
    """
    step, books, meter, verdict = opened.step, opened.books, opened.meter, course.decision.verdict
    if meter.has_token:
        course.means.health.began(step.model, course.means.clock())
    restorer = ChunkRestorer(opened.mapping, is_json=course.is_json) if opened.mapping else None
    is_graded, strip = course.may_escalate(step), course.asks_for_logprobs(step)
    window: Window | None = None
    if is_graded or course.must_check:
        hold = None if is_graded else verdict.hold
        window = Window(verdict, course.means.check, hold=hold, max_bytes=course.means.max_held_bytes)
    continuation = course.continuation
    first: dict[str, Any] = {}
    bad: Finding | None = None
    course.has_ready = _shows_at_once(opened) if window is None else _never
    async with aclosing(_sent(course, opened)) as sent:
        async for chunk in sent:
            first = first or chunk
            if window is None:
                ready = [chunk]
            else:
                window.take(chunk)
                ready = []
                if window.is_full and not course.must_check:
                    # Too long to be graded: it is good enough to be shown.
                    ready, window = window.whole(), None
                elif window.is_full:
                    break
                elif window.is_due:
                    ready, finding = await window.release(is_end=False, timeout_s=course.check_timeout_s)
                    if finding.action in ("refuse", "escalate"):
                        bad = finding
                        break
            for held in ready:
                books.first_token()
                shown = _shown(course, held, restorer, strip)
                if shown is not None:
                    if continuation is not None:
                        shown = continuation.shown(shown, step.model)
                        continuation.take(shown)
                    yield shown
    if window is None or (bad is None and not window.is_full):
        books.first_token()
    kept = Kept(
        step=step,
        window=window,
        restorer=restorer,
        first=first,
        usage=books.answered(meter.usage or books.counted()),
        is_counted=meter.usage is None,
        strip=strip,
    )
    if bad is None and window is not None and window.is_full:
        most = f"{course.means.max_held_bytes:,} bytes"
        why = f"The answer was withheld, since it is too long to be checked: more than {most}."
        bad = Finding(action="refuse", why=why)
    if bad is not None:
        for chunk in _refused(course, kept, bad):
            yield chunk
        return
    if window is not None and is_graded:
        why_not = await course.why_not_good_enough(whole_answer(window.whole()))
        if why_not is not None:
            course.reject(why_not, kept=kept)
            return
    async for chunk in show_held(course, kept):
        yield chunk


async def show_held(course: Course, kept: Kept) -> AsyncGenerator[dict[str, Any], None]:
    """What is still to be shown of a stream whose end has come, once it was checked."""
    window = kept.window
    chunks = [] if window is None else window.whole()
    if window is not None and course.must_check:
        chunks, finding = await window.release(is_end=True, timeout_s=course.check_timeout_s)
        if finding.action in ("refuse", "escalate"):
            for chunk in _refused(course, kept, finding):
                yield chunk
            return
        course.flags = tuple(sorted({*course.flags, *window.flags}))
        if window.flags:
            chunks = _annotated(chunks, sorted(window.flags))
    for held in chunks:
        shown = _shown(course, held, kept.restorer, kept.strip)
        if shown is not None:
            yield shown
    if course.request.include_usage and kept.is_counted:
        yield _usage_chunk(kept.first, kept.usage)


def _annotated(chunks: list[dict[str, Any]], flags: list[str]) -> list[dict[str, Any]]:
    """The flags on the last chunk that belongs to a choice: one of usage alone may not reach the caller."""
    last = max((at for at, chunk in enumerate(chunks) if chunk.get("choices")), default=None)
    return [{**chunk, "router": {"flags": flags}} if at == last else chunk for at, chunk in enumerate(chunks)]


def _refused(course: Course, kept: Kept, finding: Finding) -> list[dict[str, Any]]:
    """Withhold the rest; where a part was shown, the chunks that end each open choice with the refusal."""
    if kept.window is None or not kept.window.has_shown:
        course.follow(kept.step, finding)
        return []
    course.withhold(finding.why)
    tail = _refusal_tail(kept.first, kept.window.unfinished, finding.why)
    if course.request.include_usage:
        tail.append(_usage_chunk(kept.first, kept.usage))
    return tail


async def _sent(course: Course, opened: Opened) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks of one hosted stream as the provider sends them, timed."""
    call, stream, meter, clock = opened.call, opened.stream, opened.meter, course.means.clock
    within = course.means.deadlines.within
    try:
        for chunk in opened.early:
            yield chunk
        ready = getattr(stream, "ready", _nothing)
        while True:
            while (chunk_now := ready()) is not None:
                meter.take(chunk_now)
                yield chunk_now
            left = call.timeout_s - (clock() - opened.started_s)
            with within(max(0.0, min(left, call.idle_timeout_s))):
                following = await anext(stream, None)
            if following is None:
                break
            meter.take(following)
            yield following
    finally:
        await stream.aclose()


def _nothing() -> None:
    return None


def _shows_at_once(opened: Opened) -> Callable[[], bool]:
    """Tells whether the chunk after the present one will be shown without waiting for the upstream."""
    stream = opened.stream
    if not hasattr(stream, "has_ready"):
        return _never
    return lambda: bool(stream.has_ready)


def _never() -> bool:
    return False


def _refusal_tail(like: Mapping[str, Any], choices: list[int], why: str) -> list[dict[str, Any]]:
    """The end of a stream of which a part was shown: each open choice ends with the refusal."""
    head = {key: like[key] for key in ("id", "created", "model", "object") if key in like}
    return [
        {
            **head,
            "choices": [
                {"index": index, "delta": {"refusal": why}, "logprobs": None, "finish_reason": "content_filter"}
            ],
        }
        for index in choices
    ]


def _shown(course: Course, chunk: dict[str, Any], restorer: ChunkRestorer | None, strip: bool) -> dict[str, Any] | None:
    """The chunk as the caller gets it, None for usage that was not asked for."""
    if not course.request.include_usage and "usage" in chunk:
        if not chunk.get("choices"):
            return None
        chunk = {key: value for key, value in chunk.items() if key != "usage"}
    if strip and chunk.get("choices"):
        chunk = without_logprobs(chunk)
    return chunk if restorer is None else restorer.restore(chunk)


def _usage_chunk(like: Mapping[str, Any], usage: Usage) -> dict[str, Any]:
    head = {key: like[key] for key in ("id", "created", "model", "object") if key in like}
    return {**head, "choices": [], "usage": usage_body(usage)}
