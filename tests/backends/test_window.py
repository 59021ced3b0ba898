"""Checked streams with a hold-back: what is shown, when, and what a check's outcomes do."""

import asyncio
import json
import re

import pytest
from backend_cases import collect, content, decision, deployment, dropped, request
from hypothesis import given, settings
from hypothesis import strategies as st

from router.backends.window import Window
from router.testing.upstream import Answer, Fault, Upstream
from router.types import Flag, Span, Verdict

MAIL = re.compile(r"[a-z]+@[a-z]+\.example")
BAD = "forbidden"


def find(text):
    found = [Flag(kind="toxicity", score=1.0, severity="high")] if BAD in text else []
    for match in MAIL.finditer(text):
        span = Span(message=0, start=match.start(), end=match.end(), kind="email")
        found.append(Flag(kind="pii", score=1.0, severity="medium", spans=(span,)))
    return tuple(found)


def checked(*, hold=100, kinds=("toxicity", "pii"), **fields):
    return decision(verdict=Verdict(check=frozenset(kinds), hold=hold, on_flag=fields.pop("on_flag", {})), **fields)


GOOD = "Plain words, and many of them. " * 40


async def test_a_window_shows_while_it_streams(make_dispatcher):
    async with Upstream([Answer(text=GOOD, drip_s=0.002)]) as up:
        run = make_dispatcher(deployment(url=up.url), check=find).stream(request(stream=True), checked())
        shown = ""
        async for chunk in run:
            if not shown and (chunk["choices"][0]["delta"].get("content") or ""):
                # The upstream is still writing when the first words are shown.
                assert run.outcome is None
            shown += content([chunk])
    assert shown == GOOD
    assert run.outcome.status == "answered"
    assert run.outcome.attempts[0].ttft_ms < run.outcome.attempts[0].latency_ms / 2


async def test_what_is_refused_is_never_shown(make_dispatcher):
    async with Upstream([Answer(text=GOOD + BAD + " " + GOOD, drip_s=0.0005)]) as up:
        run = make_dispatcher(deployment(url=up.url), check=find).stream(request(stream=True), checked())
        chunks = await collect(run)
        assert await dropped(up) == 1
    assert GOOD.startswith(content(chunks))
    assert 0 < len(content(chunks)) <= len(GOOD)
    (last,) = chunks[-1]["choices"]
    assert last["finish_reason"] == "content_filter"
    assert "toxicity" in last["delta"]["refusal"]
    assert (run.outcome.status, run.outcome.error) == ("refused", "content_filter")
    assert run.outcome.usd > 0


async def test_personal_data_is_masked_as_it_streams(make_dispatcher):
    text = f"{GOOD}Write to ada@mail.example today. {GOOD}And to bob@mail.example."
    async with Upstream([Answer(text=text)]) as up:
        made = checked(on_flag={"pii": "redact"})
        run = make_dispatcher(deployment(url=up.url), check=find).stream(request(stream=True), made)
        chunks = await collect(run)
    assert content(chunks) == f"{GOOD}Write to [EMAIL] today. {GOOD}And to [EMAIL]."
    assert run.outcome.flags == ("pii",)
    assert chunks[-1]["router"] == {"flags": ["pii"]}


async def test_a_whole_answer_is_masked(make_dispatcher):
    async with Upstream([Answer(text="Write to ada@mail.example.")]) as up:
        made = checked(on_flag={"pii": "redact"})
        outcome = await make_dispatcher(deployment(url=up.url), check=find).run(request(), made)
    assert outcome.body["choices"][0]["message"]["content"] == "Write to [EMAIL]."
    assert outcome.body["router"] == {"flags": ["pii"]}
    assert (outcome.status, outcome.flags) == ("answered", ("pii",))


@pytest.mark.parametrize("stream", [False, True])
async def test_an_annotated_answer_is_shown_unchanged(make_dispatcher, stream):
    text = "This is forbidden, they say."
    async with Upstream([Answer(text=text)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find)
        made = checked(on_flag={"toxicity": "annotate"})
        if stream:
            run = dispatcher.stream(request(stream=True), made)
            chunks = await collect(run)
            assert content(chunks) == text
            assert chunks[-1]["router"] == {"flags": ["toxicity"]}
            assert run.outcome.flags == ("toxicity",)
        else:
            outcome = await dispatcher.run(request(), made)
            assert outcome.body["choices"][0]["message"]["content"] == text
            assert outcome.flags == ("toxicity",)


async def test_what_cannot_be_pointed_at_is_refused(make_dispatcher):
    async with Upstream([Answer(text="forbidden")]) as up:
        made = checked(on_flag={"toxicity": "redact"})
        outcome = await make_dispatcher(deployment(url=up.url), check=find).run(request(), made)
    assert outcome.status == "refused"


async def test_the_strictest_outcome_stands(make_dispatcher):
    async with Upstream([Answer(text="forbidden ada@mail.example")]) as up:
        made = checked(on_flag={"pii": "annotate"})
        outcome = await make_dispatcher(deployment(url=up.url), check=find).run(request(), made)
    assert outcome.status == "refused"


async def test_escaped_arguments_are_read_while_they_stream(make_dispatcher):
    arguments = json.dumps({"text": GOOD})[:-2] + r' \u0066orbidden"}'
    call = {"id": "c", "type": "function", "function": {"name": "say", "arguments": arguments}}
    async with Upstream([Answer(tool_calls=(call,))]) as up:
        run = make_dispatcher(deployment(url=up.url), check=find).stream(request(stream=True), checked())
        chunks = await collect(run)
    assert run.outcome.status == "refused"
    assert "orbidden" not in json.dumps(chunks)


@pytest.mark.parametrize("broken", [lambda text: None, lambda text: 1 / 0])
async def test_a_broken_check_shows_nothing(make_dispatcher, broken):
    async with Upstream([Answer(text=GOOD)]) as up:
        run = make_dispatcher(deployment(url=up.url), check=broken).stream(request(stream=True), checked())
        chunks = await collect(run)
    assert content(chunks) == ""
    assert run.outcome.status == "refused"


async def test_failover_while_nothing_was_shown(make_dispatcher):
    cut = Fault(kind="cut", after=5)
    async with Upstream([cut, cut]) as bad, Upstream([Answer(text="from the other")]) as good:
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url), check=find)
        run = dispatcher.stream(request(stream=True), checked(fallbacks=["large"]))
        assert content(await collect(run)) == "from the other"


# ----- the window alone -------------------------------------------------------------------------------------------


def chunk(text, index=0, finish=None):
    return {"choices": [{"index": index, "delta": {"content": text} if text else {}, "finish_reason": finish}]}


WORDS = st.lists(
    st.sampled_from(["a ", "word ", "ada@mail.example ", "x" * 30 + " ", "eve@b.example,", "\u00e9"]),
    min_size=1,
    max_size=60,
).map("".join)


@settings(max_examples=120, deadline=None)
@given(text=WORDS, cuts=st.lists(st.integers(1, 40), min_size=1, max_size=40), hold=st.integers(50, 120))
def test_every_cut_of_a_stream_is_masked_alike(text, cuts, hold):
    window = Window(Verdict(check=frozenset({"pii"}), on_flag={"pii": "redact"}), find, hold=hold, max_bytes=1 << 20)

    async def run():
        shown, at, turn = [], 0, 0
        while at < len(text):
            size = cuts[turn % len(cuts)]
            window.take(chunk(text[at : at + size]))
            at, turn = at + size, turn + 1
            if window.is_due:
                ready, _ = await window.release(is_end=False, timeout_s=5)
                shown += ready
                assert len(content(shown)) <= at
        window.take(chunk("", finish="stop"))
        ready, _ = await window.release(is_end=True, timeout_s=5)
        return shown + ready

    chunks = asyncio.run(run())
    assert content(chunks) == MAIL.sub("[EMAIL]", text)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert window.unfinished == []


def test_the_memory_of_a_window_is_bounded():
    window = Window(Verdict(check=frozenset({"pii"})), find, hold=100, max_bytes=1 << 20)

    async def run():
        most = 0
        for _ in range(2000):
            window.take(chunk("plain words "))
            if window.is_due:
                await window.release(is_end=False, timeout_s=5)
            most = max(most, sum(len(text.kept) for text in window._texts.values()))
        return most

    assert asyncio.run(run()) < 500
