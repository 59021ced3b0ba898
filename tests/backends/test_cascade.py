"""Cascades: a smaller model answers first, and a larger one when the answer fails a check."""

import pytest
from backend_cases import collect, content, decision, deployment, request

from router.backends.grading import mean_logprob
from router.testing.upstream import Answer, Fault, Upstream
from router.types import Budget, Contract, Escalation, Flag, Signal, Verdict

ALL = frozenset({"contract", "refusal", "cut_off"})
LABELS = Signal(value=Contract(shape="bare_label", labels=("yes", "no")), confidence=1.0, detector="t")


def cascade(*, on=ALL, signals=None, budget=None, check=frozenset(), on_flag=None, **fields):
    verdict = Verdict(escalate=Escalation(on=on, **fields), check=check, on_flag=on_flag or {})
    return decision(fallbacks=["large"], verdict=verdict, signals=signals, budget=budget)


@pytest.fixture
async def both(make_dispatcher):
    """Dispatchers over a small and a large deployment, with what each of them answers."""
    servers = []

    async def make(small, large, **fields):
        pair = [Upstream([small]), Upstream([large])]
        servers.extend(pair)
        for server in pair:
            await server.start()
        able = frozenset({"streaming", "logprobs"})
        made = make_dispatcher(
            deployment(url=pair[0].url, capabilities=able),
            deployment("large", pair[1].url, tier="large", capabilities=able),
            **fields,
        )
        return made, *pair

    yield make
    for server in servers:
        await server.stop()


def said(outcome):
    return outcome.body["choices"][0]["message"]["content"]


@pytest.mark.parametrize("content", ["yes", [{"type": "text", "text": "yes"}]])
async def test_a_good_answer_stays_small(both, content):
    dispatcher, _, large = await both(Answer(message={"content": content}), Answer(text="no"))
    outcome = await dispatcher.run(request(), cascade(signals={"contract": LABELS}))
    assert (said(outcome), outcome.model, outcome.escalated) == (content, "small", False)
    assert not large.received


@pytest.mark.parametrize(
    ("answer", "body", "signals"),
    [
        (Answer(text="perhaps"), {}, {"contract": LABELS}),
        (Answer(text=""), {}, None),
        (Answer(text="{not json"), {"response_format": {"type": "json_object"}}, None),
        (Answer(text="I'm sorry, but I can't help with that."), {}, None),
        (Answer(text="Es tut mir leid, das kann ich nicht."), {}, None),
        (Answer(text="", message={"refusal": "no"}), {}, None),
        (Answer(text="The answer is", finish_reason="length"), {}, None),
    ],
)
async def test_an_answer_that_fails_goes_up(both, answer, body, signals):
    dispatcher, *_ = await both(answer, Answer(text='{"a": 1}'))
    outcome = await dispatcher.run(request(**body), cascade(signals=signals))
    assert (said(outcome), outcome.model, outcome.escalated) == ('{"a": 1}', "large", True)
    assert [(a.error, a.role) for a in outcome.attempts] == [("rejected", "first"), (None, "escalation")]
    assert outcome.usd == pytest.approx(2 * (11e-6 + 14e-6))
    assert outcome.latency_ms >= sum(attempt.latency_ms for attempt in outcome.attempts)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(text="I'm sorry to hear that. " + "Here is what you can do about it. " * 20),
        Answer(text="Sorrow is a feeling."),
    ],
)
async def test_an_answer_is_no_refusal(both, answer):
    dispatcher, _, large = await both(answer, Answer())
    await dispatcher.run(request(), cascade())
    assert not large.received


async def test_the_callers_own_limit_is_no_cut(both):
    dispatcher, _, large = await both(Answer(text="The answer is", finish_reason="length"), Answer())
    await dispatcher.run(request(max_tokens=3), cascade())
    assert not large.received


LOW = {"content": [{"token": "a", "logprob": -3.0}, {"token": "b", "logprob": -1.0}]}


async def test_an_unsure_answer_goes_up(both):
    dispatcher, small, _ = await both(Answer(logprobs=LOW), Answer(text="sure"))
    outcome = await dispatcher.run(request(), cascade(on=frozenset(), min_logprob=-1.5))
    assert said(outcome) == "sure"
    assert small.received[0].body["logprobs"] is True


async def test_logprobs_nobody_asked_for_are_not_shown(both):
    dispatcher, *_ = await both(Answer(text="sure", logprobs=LOW), Answer())
    outcome = await dispatcher.run(request(), cascade(on=frozenset(), min_logprob=-9.0))
    assert said(outcome) == "sure"
    assert outcome.body["choices"][0]["logprobs"] is None


def test_the_mean_logprob_is_read():
    assert mean_logprob({"logprobs": LOW}) == -2.0
    assert mean_logprob({"logprobs": None}) is None


@pytest.mark.parametrize("said_by_check", [False, "too short", RuntimeError("boom")])
async def test_a_users_own_check_decides(both, said_by_check):
    def own(asked, body):
        assert asked.messages
        assert body["choices"]
        if isinstance(said_by_check, Exception):
            raise said_by_check
        return said_by_check

    dispatcher, *_ = await both(Answer(text="short"), Answer(text="longer"), answer_checks={"mine": own})
    outcome = await dispatcher.run(request(), cascade(on=frozenset(), checks=("mine",)))
    assert said(outcome) == "longer"


async def test_a_larger_model_that_fails_keeps_the_answer(both):
    dispatcher, *_ = await both(Answer(text="perhaps"), Fault(status=401))
    outcome = await dispatcher.run(request(), cascade(signals={"contract": LABELS}))
    assert (outcome.status, outcome.model, said(outcome)) == ("answered", "small", "perhaps")
    assert [attempt.error for attempt in outcome.attempts] == ["rejected", "auth"]


async def test_no_money_keeps_the_answer(both):
    dispatcher, _, large = await both(Answer(text="perhaps"), Answer())
    outcome = await dispatcher.run(request(), cascade(signals={"contract": LABELS}, budget=Budget(max_usd=0.00012)))
    assert said(outcome) == "perhaps"
    assert not large.received


def flagged(text):
    return (Flag(kind="toxicity", score=1.0, severity="high"),) if "foul" in text else ()


async def test_a_flagged_answer_goes_up(both):
    dispatcher, *_ = await both(Answer(text="foul words"), Answer(text="kind words"), check=flagged)
    made = cascade(check=frozenset({"toxicity"}), on_flag={"toxicity": "escalate"})
    assert said(await dispatcher.run(request(), made)) == "kind words"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("large", [Answer(text="foul again"), Fault(status=401)])
async def test_a_flagged_answer_is_never_kept(both, large, stream):
    dispatcher, *_ = await both(Answer(text="foul words"), large, check=flagged)
    made = cascade(check=frozenset({"toxicity"}), on_flag={"toxicity": "escalate"})
    if stream:
        run = dispatcher.stream(request(stream=True), made)
        chunks = await collect(run)
        assert "foul" not in content(chunks)
        assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
        assert run.outcome.status == "refused"
    else:
        outcome = await dispatcher.run(request(), made)
        assert outcome.status == "refused"
        assert "foul" not in str(outcome.body)


async def test_a_kept_answer_is_checked_too(both):
    dispatcher, *_ = await both(Answer(text="foul perhaps"), Fault(status=401), check=flagged)
    outcome = await dispatcher.run(request(), cascade(signals={"contract": LABELS}, check=frozenset({"toxicity"})))
    assert outcome.status == "refused"


@pytest.mark.parametrize(("text", "shown"), [("yes", "yes"), ("perhaps", "no")])
async def test_a_graded_stream_shows_one_answer(both, text, shown):
    dispatcher, *_ = await both(Answer(text=text), Answer(text="no"))
    run = dispatcher.stream(request(stream=True), cascade(signals={"contract": LABELS}))
    assert content(await collect(run)) == shown
    assert run.outcome.escalated == (text != shown)


async def test_a_kept_stream_is_shown_in_the_end(both):
    dispatcher, *_ = await both(Answer(text="perhaps"), Fault(status=401))
    read = request(stream=True, stream_options={"include_usage": True})
    run = dispatcher.stream(read, cascade(signals={"contract": LABELS}))
    chunks = await collect(run)
    assert content(chunks) == "perhaps"
    assert chunks[-1]["usage"]["total_tokens"] == 18
    assert (run.outcome.status, run.outcome.model) == ("answered", "small")


async def test_a_graded_stream_too_long_is_shown(both):
    dispatcher, _, large = await both(Answer(text="word " * 500), Answer(), max_held_bytes=5000)
    run = dispatcher.stream(request(stream=True), cascade())
    assert content(await collect(run)) == "word " * 500
    assert not large.received


async def test_a_graded_tool_call_is_read_from_its_deltas(both):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1'}}
    dispatcher, *_ = await both(Answer(tool_calls=(call,)), Answer(text="fine"))
    run = dispatcher.stream(request(stream=True, tools=tools), cascade())
    assert content(await collect(run)) == "fine"
