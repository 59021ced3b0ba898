"""Answers that the policy wants checked: what is flagged, or cannot be checked, never reaches the caller."""

import asyncio
import json
import threading

import pytest
from backend_cases import collect, content, decision, deployment, dropped, request

from router.backends.checking import MAX_CHARS, OVERLAP, PIECE, AnswerTexts, TextCheck
from router.errors import NoCandidate
from router.testing.upstream import Answer, Fault, Upstream
from router.types import UNKNOWN, Budget, Contract, Flag, LocalEvidence, Signal, Span, Verdict

SECRET = "the forbidden words"


def find(text):
    kinds = [kind for kind, mark in (("toxicity", "forbidden"), ("pii", "@")) if mark in text]
    return tuple(Flag(kind=kind, score=0.9, severity="high") for kind in kinds)


def unsure(text):
    return None


def broken(text):
    raise ValueError(text)


def checked(*kinds, **fields):
    return decision(verdict=Verdict(check=frozenset(kinds or {"toxicity"})), **fields)


def refusals(chunks):
    return [
        c["choices"][0]["delta"]["refusal"] for c in chunks if c["choices"] and "refusal" in c["choices"][0]["delta"]
    ]


def called(arguments):
    return {"id": "c1", "type": "function", "function": {"name": "say", "arguments": arguments}}


# ----- whole answers ----------------------------------------------------------------------------------------------


async def test_a_flagged_answer_is_refused(make_dispatcher):
    async with Upstream([Answer(text=SECRET)]) as up:
        outcome = await make_dispatcher(deployment(url=up.url), check=find).run(request(), checked())
    (choice,) = outcome.body["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"] is None
    assert "toxicity" in choice["message"]["refusal"]
    assert SECRET not in json.dumps(outcome.body)
    assert (outcome.status, outcome.error) == ("refused", "content_filter")


async def test_a_refused_answer_is_paid_for(make_dispatcher):
    async with Upstream([Answer(text=SECRET)]) as up:
        outcome = await make_dispatcher(deployment(url=up.url), check=find).run(request(), checked())
        assert len(up.received) == 1
    assert outcome.usd == pytest.approx(11e-6 + 14e-6)
    assert outcome.body["usage"] == {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    (attempt,) = outcome.attempts
    assert (attempt.error, attempt.model) == (None, "small")
    assert "withheld" in attempt.message


async def test_a_refused_answer_is_not_shopped_around(make_dispatcher):
    async with Upstream([Answer(text=SECRET)]) as one, Upstream() as other:
        dispatcher = make_dispatcher(deployment(url=one.url), deployment("large", other.url), check=find)
        outcome = await dispatcher.run(request(), checked(fallbacks=["large"]))
        assert not other.received
    assert outcome.status == "refused"


async def test_a_clean_answer_passes_unchanged(make_dispatcher):
    async with Upstream(default=Answer(text="Good words.")) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find)
        plain = await dispatcher.run(request(), decision())
        found = await dispatcher.run(request(), checked())
    assert found.body["choices"] == plain.body["choices"]
    assert found.body["usage"] == plain.body["usage"]
    assert (found.status, found.error) == ("answered", None)


async def test_other_kinds_of_flags_pass(make_dispatcher):
    async with Upstream([Answer(text="write to a@b.example")]) as up:
        outcome = await make_dispatcher(deployment(url=up.url), check=find).run(request(), checked("toxicity"))
    assert outcome.status == "answered"


async def test_nothing_is_checked_unasked(make_dispatcher):
    async with Upstream([Answer(text=SECRET)]) as up:
        outcome = await make_dispatcher(deployment(url=up.url), check=broken).run(request(), decision())
    assert outcome.body["choices"][0]["message"]["content"] == SECRET


@pytest.mark.parametrize("check", [unsure, broken])
async def test_an_unchecked_answer_is_refused(make_dispatcher, check):
    async with Upstream(default=Answer(text="Good words.")) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=check)
        outcome = await dispatcher.run(request(), checked())
        chunks = await collect(dispatcher.stream(request(stream=True), checked()))
    assert "could not be checked" in outcome.body["choices"][0]["message"]["refusal"]
    assert "Good" not in json.dumps([outcome.body, chunks])
    assert (outcome.status, outcome.usd) == ("refused", pytest.approx(25e-6))


async def test_a_hanging_check_is_not_waited_for(make_dispatcher):
    release = threading.Event()

    def hang(text):
        release.wait(5)
        return ()

    async with Upstream() as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=hang, check_timeout_s=0.05)
        outcome = await dispatcher.run(request(), checked())
        hurried = make_dispatcher(deployment(url=up.url), check=hang)
        late = await hurried.run(request(), checked(budget=Budget(max_latency_ms=300)))
    release.set()
    assert outcome.status == late.status == "refused"
    assert "in time" in outcome.body["choices"][0]["message"]["refusal"]
    assert late.latency_ms < 1000


async def test_without_a_check_nothing_is_sent(make_dispatcher):
    async with Upstream() as up:
        with pytest.raises(NoCandidate, match="nothing was sent"):
            await make_dispatcher(deployment(url=up.url)).run(request(), checked())
        assert not up.received


@pytest.mark.parametrize("arguments", ['{"text": "forbidden"}', r'{"text": "\u0066orbidden"}'])
async def test_tool_arguments_are_checked(make_dispatcher, arguments):
    async with Upstream(default=Answer(tool_calls=(called(arguments),))) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find)
        outcome = await dispatcher.run(request(), checked())
        chunks = await collect(dispatcher.stream(request(stream=True), checked()))
    assert outcome.status == "refused"
    assert "tool_calls" not in json.dumps([outcome.body, chunks])


async def test_a_local_answer_needs_no_check(make_dispatcher):
    found = LocalEvidence(model="m", label="forbidden", answer=("forbidden",), probability=0.99)
    contract = Signal(value=Contract(shape="bare_label", labels=("forbidden", "fine")), confidence=1.0, detector="t")
    made = checked(model="m", kind="local", evidence=found, signals={"contract": contract})
    outcome = await make_dispatcher(check=broken).run(request(), made)
    assert outcome.body["choices"][0]["message"]["content"] == "forbidden"


async def test_masked_values_are_not_flagged_as_leaks(make_dispatcher):
    flag = Flag(kind="pii", score=1.0, severity="medium", spans=(Span(message=0, start=9, end=24, kind="email"),))
    made = decision(
        signals={"safety": Signal(value=(flag,), confidence=1.0, detector="t")},
        verdict=Verdict(redact=frozenset({"pii"}), check=frozenset({"pii"})),
    )
    read = request(messages=[{"role": "user", "content": "Write to ada@example.com please"}])
    async with Upstream([Answer(text="Done: <EMAIL_1>"), Answer(text="Done: eve@example.com")]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find)
        own = await dispatcher.run(read, made)
        leak = await dispatcher.run(read, made)
    assert own.body["choices"][0]["message"]["content"] == "Done: ada@example.com"
    assert leak.status == "refused"


async def test_a_cancelled_check_keeps_the_books(make_dispatcher):
    began, release = threading.Event(), threading.Event()

    def hang(text):
        began.set()
        release.wait(5)
        return ()

    async with Upstream() as up:
        run = make_dispatcher(deployment(url=up.url), check=hang).start(request(), checked())
        task = asyncio.create_task(run.finish())
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    release.set()
    assert (run.outcome.status, run.outcome.usd) == ("cancelled", pytest.approx(25e-6))


# ----- streams ----------------------------------------------------------------------------------------------------


async def test_a_flagged_stream_shows_only_a_refusal(make_dispatcher):
    async with Upstream([Answer(text=f"a nice beginning, then {SECRET}")]) as up:
        run = make_dispatcher(deployment(url=up.url), check=find).stream(request(stream=True), checked())
        chunks = await collect(run)
    assert content(chunks) == ""
    assert "nice" not in json.dumps(chunks)
    assert "toxicity" in refusals(chunks)[0]
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert (run.outcome.status, run.outcome.error) == ("refused", "content_filter")
    assert run.outcome.usd == pytest.approx(25e-6)


async def test_a_flag_across_chunks_is_found(make_dispatcher):
    async with Upstream([Answer(text="for bid den for-bidden forbidden")]) as up:
        chunks = await collect(
            make_dispatcher(deployment(url=up.url), check=find).stream(request(stream=True), checked())
        )
    assert content(chunks) == ""


async def test_a_clean_stream_passes_unchanged(make_dispatcher):
    read = request(stream=True, stream_options={"include_usage": True})
    async with Upstream(default=Answer(text="one two three")) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find)
        plain = await collect(dispatcher.stream(read, decision()))
        run = dispatcher.stream(read, checked())
        found = await collect(run)
    assert [c["choices"] for c in found] == [c["choices"] for c in plain]
    assert found[-1]["usage"] == plain[-1]["usage"]
    assert run.outcome.status == "answered"
    assert run.outcome.ttft_ms is not None


async def test_nothing_is_shown_before_the_check(make_dispatcher):
    seen = []

    def watch(text):
        seen.append(text)
        return ()

    async with Upstream([Answer(text="word " * 20, drip_s=0.005)]) as up:
        run = make_dispatcher(deployment(url=up.url), check=watch).stream(request(stream=True), checked())
        await anext(run)
        assert seen == ["word " * 20]
        await run.aclose()


async def test_every_choice_is_checked(make_dispatcher):
    async with Upstream(default=Answer(text=SECRET)) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find)
        whole = await dispatcher.run(request(n=2), checked())
        chunks = await collect(dispatcher.stream(request(stream=True, n=2), checked()))
    assert [choice["message"]["content"] for choice in whole.body["choices"]] == [None, None]
    assert len(refusals(chunks)) == 2


async def test_usage_of_a_refused_stream_is_told(make_dispatcher):
    read = request(stream=True, stream_options={"include_usage": True})
    async with Upstream([Answer(text=SECRET)]) as up:
        chunks = await collect(make_dispatcher(deployment(url=up.url), check=find).stream(read, checked()))
    assert chunks[-1]["usage"]["total_tokens"] == 18


async def test_a_held_stream_may_fall_back(make_dispatcher):
    cut = Fault(kind="cut", after=3)
    async with Upstream([cut, cut]) as bad, Upstream([Answer(text="from the other")]) as good:
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url), check=find)
        run = dispatcher.stream(request(stream=True), checked(fallbacks=["large"]))
        chunks = await collect(run)
    assert content(chunks) == "from the other"
    assert run.outcome.usd > 11e-6 + 14e-6
    assert all(attempt.usage.output > 0 for attempt in run.outcome.attempts)


async def test_a_stream_too_long_to_hold_is_refused(make_dispatcher):
    async with Upstream([Answer(text="word " * 2000, drip_s=0.001)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), check=find, max_held_bytes=20_000)
        run = dispatcher.stream(request(stream=True), checked())
        chunks = await collect(run)
        assert await dropped(up) == 1
    assert content(chunks) == ""
    assert "too long" in refusals(chunks)[0]
    assert run.outcome.status == "refused"
    assert run.outcome.attempts[0].usage.output > 0


# ----- what is read ------------------------------------------------------------------------------------------------


def message(**fields):
    return {"choices": [{"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (message(content="a"), ["a"]),
        (message(content=None, refusal="no"), ["no"]),
        (message(content="a", reasoning_content="b"), ["a", "b"]),
        (message(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), ["a", "b"]),
        (message(content=None, function_call={"name": "f", "arguments": "{}"}), ["f", "{}"]),
        (message(content="  "), []),
        (message(content="a", annotations=[{"type": "url_citation", "url_citation": {"title": "t"}}]), ["a", "t"]),
        ({"choices": []}, []),
    ],
)
def test_all_written_fields_are_read(body, texts):
    found = AnswerTexts()
    found.take(body)
    assert found.texts() == texts
    assert found.is_readable


@pytest.mark.parametrize("fields", [{"audio": {"data": "AAAA"}}, {"images": [{"image_url": {"url": "data:"}}]}])
def test_sound_and_images_are_unreadable(fields):
    found = AnswerTexts()
    found.take(message(content="a", **fields))
    assert not found.is_readable


def test_parts_of_parallel_calls_stay_apart():
    found = AnswerTexts()
    for index, text in [(0, "for"), (1, "x"), (0, "bidden"), (1, "y")]:
        call = {"index": index, "function": {"arguments": text}}
        found.take({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    assert found.texts() == ["forbidden", "xy"]


# ----- the check by the detectors ------------------------------------------------------------------------------------


class Detector:
    provides = ("safety",)
    slow = False

    def __init__(self, mark="", *, value=()):
        self.mark, self.value, self.read = mark, value, []

    def __call__(self, signals):
        (only,) = signals.request.messages
        self.read.append(only.text)
        if self.mark and self.mark in only.text:
            return {"safety": Signal(value=find("forbidden"), confidence=0.9, detector="t")}
        return {"safety": Signal(value=self.value, confidence=0.9, detector="t")}


@pytest.mark.parametrize("at", [0, PIECE - 5, PIECE - OVERLAP, 3 * PIECE, 40_000 - 10])
def test_a_long_answer_is_read_whole(at):
    detector = Detector("XXXXXXXXXX")
    text = "é" * at + "XXXXXXXXXX" + "é" * (40_000 - at - 10)
    assert {flag.kind for flag in TextCheck({"safety": detector})(text)} == {"toxicity"}
    assert all(len(piece.encode()) <= 24 * 1024 for piece in detector.read)


def test_what_is_not_read_is_unknown():
    assert TextCheck({"safety": Detector()})("a" * (MAX_CHARS + 1)) is None
    assert TextCheck({"safety": Detector(value=None)})("a") is None
    assert TextCheck({})("a") is None


def test_a_failed_part_makes_the_whole_unknown():
    class Part:
        provides, slow = ("risks",), False

        def __call__(self, signals):
            raise RuntimeError

    class Whole:
        provides, slow = ("safety",), False

        def __call__(self, signals):
            assert signals["risks"] is UNKNOWN
            return {"safety": Signal(value=find("@"), confidence=0.9, detector="t")}

    heard = []
    check = TextCheck({"safety": Whole(), "risks": Part()}, on_error=lambda *failed: heard.append(failed))
    assert check("a") is None
    assert len(heard) == 1
