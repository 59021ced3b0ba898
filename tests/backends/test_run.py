"""Running a decision: what is called, what is sent, what is counted; against a real server on this machine."""

import asyncio
import contextlib

import pytest
from backend_cases import collect, content, decision, deployment, dropped, request

from router.catalogue import Price
from router.errors import DeadlineExceeded, NoCandidate, NotConfigured, UpstreamError
from router.selection.plan import Pacing
from router.testing.upstream import Answer, Fault, Upstream
from router.types import Budget, Contract, Flag, LocalEvidence, Signal, Span, Verdict


def signal(value):
    return Signal(value=value, confidence=1.0, detector="test")


# ----- whole answers ----------------------------------------------------------------------------------------------


async def test_an_answer_costs_what_it_used(make_dispatcher):
    async with Upstream([Answer(text="Hi.")]) as up:
        outcome = await make_dispatcher(deployment(url=up.url)).run(request(), decision())
    assert outcome.status == "answered"
    assert outcome.model == "small"
    assert outcome.body["choices"][0]["message"]["content"] == "Hi."
    assert outcome.usd == pytest.approx(11e-6 + 14e-6)
    assert [attempt.error for attempt in outcome.attempts] == [None]


async def test_an_unknown_price_is_unknown_cost(make_dispatcher):
    async with Upstream() as up:
        outcome = await make_dispatcher(deployment(url=up.url, price=Price())).run(request(), decision())
    assert outcome.usd is None


async def test_missing_usage_is_estimated_and_marked(make_dispatcher):
    async with Upstream([Answer(text="x" * 40, usage=None)]) as up:
        outcome = await make_dispatcher(deployment(url=up.url)).run(request(), decision())
    assert outcome.usage.estimated
    assert (outcome.usage.input, outcome.usage.output) == (10, 10)


async def test_text_in_parts_is_counted(make_dispatcher):
    parts = [{"type": "text", "text": "x" * 40}]
    async with Upstream([Answer(message={"content": parts}, usage=None)]) as up:
        outcome = await make_dispatcher(deployment(url=up.url)).run(request(), decision())
    assert outcome.usage.output == 10


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(kind="reset"), Fault(kind="malformed_body")])
async def test_a_passing_failure_is_retried(make_dispatcher, fault):
    async with Upstream([fault, Answer(text="second")]) as up:
        outcome = await make_dispatcher(deployment(url=up.url)).run(request(), decision())
    assert outcome.body["choices"][0]["message"]["content"] == "second"
    assert len(outcome.attempts) == 2


@pytest.mark.parametrize("status", [401, 402, 404])
async def test_a_lasting_failure_goes_to_the_fallback(make_dispatcher, status):
    async with Upstream([Fault(status=status)]) as bad, Upstream([Answer(text="other")]) as good:
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url, tier="large"))
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"]))
    assert outcome.model == "large"
    assert len(bad.received) == 1


async def test_a_callers_mistake_is_not_shopped_around(make_dispatcher):
    async with Upstream([Fault(status=400)]) as bad, Upstream() as good:
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url))
        with pytest.raises(UpstreamError) as caught:
            await dispatcher.run(request(), decision(fallbacks=["large"]))
    assert caught.value.status == 400
    assert not good.received


async def test_failures_keep_their_books(make_dispatcher):
    async with Upstream([Fault(status=503), Fault(status=503)]) as up:
        run = make_dispatcher(deployment(url=up.url)).start(request(), decision())
        outcome = await run.finish()
    assert (outcome.status, outcome.error, outcome.usd) == ("failed", "overload", 0.0)
    assert run.failure.status == 503


async def test_retry_after_is_waited_for(make_dispatcher):
    slept, now = [], [0.0]

    async def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    async with Upstream([Fault(status=429, retry_after="5"), Answer()]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), clock=lambda: now[0], sleep=sleep)
        outcome = await dispatcher.run(request(), decision())
    assert outcome.status == "answered"
    assert slept == [pytest.approx(5.0)]


async def test_the_deadline_bounds_everything(make_dispatcher):
    async with Upstream(default=Fault(kind="stall")) as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        with pytest.raises(DeadlineExceeded) as caught:
            await dispatcher.run(request(), decision(budget=Budget(max_latency_ms=150)))
    assert caught.value.elapsed_ms < 600


async def test_a_stalled_model_leaves_time_to_fall_back(make_dispatcher):
    async with Upstream(default=Fault(kind="stall")) as bad, Upstream() as good:
        dispatcher = make_dispatcher(
            deployment(url=bad.url, ttft_ms=50, tokens_per_s=1e6), deployment("large", good.url, ttft_ms=200)
        )
        outcome = await dispatcher.run(request(), decision(fallbacks=["large"], budget=Budget(max_latency_ms=2000)))
    assert outcome.model == "large"
    assert outcome.attempts[0].usage.estimated


async def test_a_cancelled_run_is_counted(make_dispatcher):
    async with Upstream(default=Answer(delay_s=20)) as up:
        run = make_dispatcher(deployment(url=up.url)).start(request(), decision())
        task = asyncio.create_task(run.finish())
        while not up.received:
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert run.outcome.status == "cancelled"
        assert run.outcome.usd == pytest.approx(10e-6)


async def test_money_left_binds_the_fallback(make_dispatcher):
    dear = deployment("large", "http://127.0.0.1:9/v1", price=Price(input=1.0, output=1.0))
    async with Upstream(default=Fault(status=401)) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), dear)
        with pytest.raises(UpstreamError) as caught:
            await dispatcher.run(request(), decision(fallbacks=["large"], budget=Budget(max_usd=0.01)))
    assert caught.value.deployment == "small"


async def test_output_is_capped_by_the_decision(make_dispatcher):
    async with Upstream() as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        await dispatcher.run(request(), decision(max_output_tokens=9))
        await dispatcher.run(request(max_tokens=4), decision(max_output_tokens=9))
        await dispatcher.run(request(max_completion_tokens=400), decision(max_output_tokens=9))
    sent = [received.body for received in up.received]
    assert [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in sent] == [
        (9, None),
        (4, None),
        (None, 9),
    ]


async def test_nothing_configured_says_what_to_set(make_dispatcher):
    dispatcher = make_dispatcher(deployment(configured=False, model="openai/gpt-4o", backend="litellm"))
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        await dispatcher.run(request(), decision())


async def test_a_broken_backend_is_a_typed_error(make_dispatcher):
    class Broken:
        async def send(self, call):
            raise KeyError("boom")

        async def aclose(self):
            pass

    dispatcher = make_dispatcher(deployment(), backends={"openai": Broken()})
    with pytest.raises(UpstreamError) as caught:
        await dispatcher.run(request(), decision())
    assert caught.value.kind == "unknown"


# ----- the verdict binds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(forbid=frozenset({"llm"})),
        Verdict(forbid=frozenset({"large"})),
        Verdict(forbid=frozenset({"elsewhere"})),
        Verdict(require=frozenset({"in_house"})),
        Verdict(require=frozenset({"local"})),
    ],
)
async def test_a_forbidden_fallback_is_never_called(make_dispatcher, verdict):
    async with Upstream(default=Answer()) as up:
        dispatcher = make_dispatcher(deployment("large", up.url, tier="large", tags=frozenset({"elsewhere"})))
        with pytest.raises((NoCandidate, UpstreamError)):
            await dispatcher.run(request(), decision("gone", fallbacks=["large"], verdict=verdict))
        assert not up.received


async def test_a_refusal_calls_nobody(make_dispatcher):
    async with Upstream() as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        refused = decision(kind="refuse", verdict=Verdict(refuse="This asks for harm."))
        outcome = await dispatcher.run(request(), refused)
        chunks = await collect(dispatcher.stream(request(stream=True), refused))
        assert not up.received
    choice = outcome.body["choices"][0]
    assert outcome.status == "refused"
    assert choice["message"]["refusal"] == "This asks for harm."
    assert choice["finish_reason"] == "content_filter"
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert any(c["choices"][0]["delta"].get("refusal") == "This asks for harm." for c in chunks)


MAIL = "Write to ada@example.com please"
SPAN = Span(message=0, start=9, end=24, kind="email")


def private(flags=None, **fields):
    flags = (Flag(kind="pii", score=1.0, severity="medium", spans=(SPAN,)),) if flags is None else flags
    return decision(signals={"safety": signal(flags)}, verdict=Verdict(redact=frozenset({"email"})), **fields)


async def test_masked_data_never_leaves_and_returns(make_dispatcher):
    read = request(messages=[{"role": "user", "content": MAIL}])
    async with Upstream([Answer(text="I wrote to <EMAIL_1>.")]) as up:
        outcome = await make_dispatcher(deployment(url=up.url)).run(read, private())
        assert "ada@" not in str(up.received[0].body)
        assert "<EMAIL_1>" in up.received[0].body["messages"][0]["content"]
    assert outcome.body["choices"][0]["message"]["content"] == "I wrote to ada@example.com."


async def test_a_masked_stream_is_restored(make_dispatcher):
    read = request(messages=[{"role": "user", "content": MAIL}], stream=True)
    async with Upstream([Answer(text="I wrote to <EMAIL_1>, and to <EMAIL_1>")]) as up:
        chunks = await collect(make_dispatcher(deployment(url=up.url)).stream(read, private()))
    assert content(chunks) == "I wrote to ada@example.com, and to ada@example.com"


@pytest.mark.parametrize("flags", ["unknown", (Flag(kind="pii", score=0.9, severity="high"),)])
async def test_what_cannot_be_masked_is_not_sent(make_dispatcher, flags):
    read = request(messages=[{"role": "user", "content": MAIL}])
    made = private(flags=None if flags == "unknown" else flags)
    if flags == "unknown":
        made = decision(verdict=Verdict(redact=frozenset({"email"})))
    async with Upstream() as up:
        with pytest.raises(NoCandidate, match="nothing was sent"):
            await make_dispatcher(deployment(url=up.url)).run(read, made)
        assert not up.received


async def test_an_in_house_server_gets_it_unmasked(make_dispatcher):
    read = request(messages=[{"role": "user", "content": MAIL}])
    async with Upstream() as up:
        await make_dispatcher(deployment(url=up.url, in_house=True)).run(read, private())
        assert up.received[0].body["messages"][0]["content"] == MAIL


# ----- local answers ----------------------------------------------------------------------------------------------


def local(*, evidence=True, fallbacks=()):
    found = LocalEvidence(model="sentiment-1", label="positive", answer=("Positive",), probability=0.99)
    return decision(
        "sentiment-1",
        kind="local",
        fallbacks=fallbacks,
        evidence=found if evidence else None,
        signals={"contract": signal(Contract(shape="bare_label", labels=("Positive", "Negative")))},
    )


async def test_a_local_answer_calls_nobody(make_dispatcher):
    outcome = await make_dispatcher().run(request(), local())
    assert outcome.body["choices"][0]["message"]["content"] == "Positive"
    assert (outcome.model, outcome.usd, outcome.escalated) == ("sentiment-1", 0.0, False)


async def test_a_failing_local_answer_escalates(make_dispatcher):
    async with Upstream([Answer(text="Positive")]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        outcome = await dispatcher.run(request(), local(evidence=False, fallbacks=["small"]))
    assert (outcome.model, outcome.escalated) == ("small", True)


async def test_a_local_answer_streams(make_dispatcher):
    read = request(stream=True, stream_options={"include_usage": True})
    run = make_dispatcher().stream(read, local())
    chunks = await collect(run)
    assert content(chunks) == "Positive"
    assert chunks[-1]["usage"]["total_tokens"] == 0
    assert run.outcome.status == "answered"


# ----- streams ----------------------------------------------------------------------------------------------------


async def test_a_stream_is_counted_and_complete(make_dispatcher):
    async with Upstream([Answer(text="one two three")]) as up:
        run = make_dispatcher(deployment(url=up.url)).stream(request(stream=True), decision())
        chunks = await collect(run)
        assert up.received[0].body["stream_options"] == {"include_usage": True}
    assert content(chunks) == "one two three"
    assert not any("usage" in chunk for chunk in chunks)
    assert (run.outcome.usage.input, run.outcome.usage.output) == (11, 7)
    assert run.outcome.ttft_ms is not None


async def test_usage_arrives_when_asked_for(make_dispatcher):
    read = request(stream=True, stream_options={"include_usage": True})
    async with Upstream([Answer(), Answer(usage=None)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        reported = await collect(dispatcher.stream(read, decision()))
        counted = await collect(dispatcher.stream(read, decision()))
    assert reported[-1]["usage"]["total_tokens"] == 18
    assert counted[-1]["usage"]["prompt_tokens"] == 10


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(kind="cut", after=1),
        Fault(kind="clean_cut", after=1),
        Fault(kind="malformed_chunk", after=0),
        Fault(kind="error_in_stream", after=1),
        Fault(kind="html"),
    ],
)
async def test_failover_before_the_first_token(make_dispatcher, fault):
    async with Upstream([fault, fault]) as bad, Upstream([Answer(text="from the other")]) as good:
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url))
        run = dispatcher.stream(request(stream=True), decision(fallbacks=["large"]))
        chunks = await collect(run)
    assert content(chunks) == "from the other"
    assert run.outcome.model == "large"


@pytest.mark.parametrize("kind", ["cut", "clean_cut", "done_without_finish", "malformed_chunk", "error_in_stream"])
async def test_no_failover_after_the_first_token(make_dispatcher, kind):
    async with Upstream([Fault(kind=kind, after=3)]) as bad, Upstream() as good:
        dispatcher = make_dispatcher(deployment(url=bad.url), deployment("large", good.url))
        run = dispatcher.stream(request(stream=True), decision(fallbacks=["large"]))
        chunks = []
        with pytest.raises(UpstreamError):
            await collect(run, chunks)
        assert not good.received
    assert content(chunks) == "Hello from ups"
    assert run.outcome.status == "failed"
    assert run.outcome.usd == pytest.approx(10e-6 + 4 * 2e-6)


async def test_a_stalled_stream_ends_with_an_error(make_dispatcher):
    async with Upstream([Fault(kind="stall", after=3)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url), pacing=Pacing(idle_timeout_s=0.1))
        run = dispatcher.stream(request(stream=True), decision())
        with pytest.raises(UpstreamError) as caught:
            await collect(run)
    assert caught.value.kind == "timeout"


async def test_a_deadline_ends_a_slow_stream(make_dispatcher):
    async with Upstream([Answer(text="word " * 100, drip_s=0.02)]) as up:
        dispatcher = make_dispatcher(deployment(url=up.url))
        run = dispatcher.stream(request(stream=True), decision(budget=Budget(max_latency_ms=300)))
        with pytest.raises(DeadlineExceeded):
            await collect(run)
    assert run.outcome.attempts[0].usage.output > 0


async def test_a_late_first_token_falls_back(make_dispatcher):
    async with Upstream([Fault(kind="stall", after=1)]) as bad, Upstream() as good:
        dispatcher = make_dispatcher(
            deployment(url=bad.url), deployment("large", good.url), pacing=Pacing(ttft_timeout_s=0.2)
        )
        run = dispatcher.stream(request(stream=True), decision(fallbacks=["large"]))
        await collect(run)
    assert [attempt.error for attempt in run.outcome.attempts] == ["timeout", None]


async def test_closing_a_stream_stops_the_spend(make_dispatcher):
    async with Upstream([Answer(text="word " * 500, drip_s=0.01)]) as up:
        run = make_dispatcher(deployment(url=up.url)).stream(request(stream=True), decision())
        await anext(run)
        await anext(run)
        await run.aclose()
        assert await dropped(up) == 1
    assert run.outcome.status == "cancelled"
    assert run.outcome.attempts[0].usage.estimated
    assert run.outcome.usd > 0


async def test_cancelling_the_reader_stops_the_spend(make_dispatcher):
    async with Upstream([Answer(text="word " * 500, drip_s=0.01)]) as up:
        run = make_dispatcher(deployment(url=up.url)).stream(request(stream=True), decision())
        task = asyncio.create_task(collect(run))
        while not up.received:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await dropped(up) == 1
    assert run.outcome.status == "cancelled"


async def test_a_stream_never_started_calls_nobody(make_dispatcher):
    async with Upstream() as up:
        run = make_dispatcher(deployment(url=up.url)).stream(request(stream=True), decision())
        await run.aclose()
        assert not up.received
    assert run.outcome.status == "cancelled"


async def test_tool_calls_stream_unchanged(make_dispatcher):
    called = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"city": "Oslo, Norway"}'}}
    async with Upstream([Answer(tool_calls=(called,))]) as up:
        chunks = await collect(make_dispatcher(deployment(url=up.url)).stream(request(stream=True), decision()))
    parts = [part for c in chunks if c["choices"] for part in c["choices"][0]["delta"].get("tool_calls", ())]
    assert "".join(part["function"].get("arguments", "") for part in parts) == '{"city": "Oslo, Norway"}'


async def test_every_choice_of_many_arrives(make_dispatcher):
    async with Upstream([Answer(text="both of them")]) as up:
        chunks = await collect(make_dispatcher(deployment(url=up.url)).stream(request(stream=True, n=2), decision()))
    ended = {c["choices"][0]["index"] for c in chunks if c["choices"] and c["choices"][0]["finish_reason"]}
    assert ended == {0, 1}
