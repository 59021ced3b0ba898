"""The whole way of a request through ``Router``: a real config, real local models, a real loopback upstream."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import (
    Answer,
    AnswerStream,
    BudgetExceeded,
    ConfigError,
    DeadlineInfeasible,
    NoCandidate,
    NotConfigured,
    RequestError,
    Router,
    UpstreamError,
)
from router.errors import DeadlineExceeded, UnknownModel
from router.testing.upstream import Answer as Scripted
from router.testing.upstream import Fault, Upstream
from router.types import slow_of

REVIEW = [
    {
        "role": "system",
        "content": "Classify the sentiment of the review. Answer with one word: positive, negative or neutral.",
    },
    {"role": "user", "content": "Absolutely loved this film, a wonderful cast and a great story."},
]
HARD = "If a train needs 45 minutes for 60 km, how long does it need for 200 km? Think step by step."


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as server:
        yield server


def config(tmp_path: Path, url: str, extra: str = "") -> Path:
    path = tmp_path / "router.yaml"
    at = f'backend: openai, api_base: "{url}"'
    path.write_text(
        f"""
deployments:
  - {{name: little, model: little-1, tier: small, {at}, price_per_million: {{input: $1, output: $4}}}}
  - {{name: big, model: big-1, tier: large, {at}, price_per_million: {{input: $10, output: $40}}}}
{extra}"""
    )
    return path


@pytest.fixture
async def router(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Router]:
    async with Router.from_config(config(tmp_path, upstream.url)) as made:
        yield made


@pytest.fixture(scope="module")
def bare() -> Iterator[Router]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.endswith("_API_KEY") or name.startswith("ROUTER_"):
                patch.delenv(name)
        with Router() as made:
            yield made


async def test_local_model_answers_without_a_call(router: Router, upstream: Upstream) -> None:
    answer = await router.acomplete(messages=REVIEW)
    assert isinstance(answer, Answer)
    assert answer.text == "positive"
    assert answer.decision.target.kind == "local"
    assert answer.outcome.usd == 0
    assert upstream.received == []


async def test_answers_look_like_openai_completions(router: Router) -> None:
    answer = await router.acomplete(messages=REVIEW)
    assert answer["object"] == "chat.completion"
    assert answer.choices[0].message.content == "positive"
    assert answer.choices[0].finish_reason == "stop"
    assert set(answer.usage) >= {"prompt_tokens", "completion_tokens", "total_tokens"}


async def test_label_is_written_into_the_asked_schema(router: Router) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"type": "string", "enum": ["Positive", "Negative", "Neutral"]}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    answer = await router.acomplete(
        messages=REVIEW,
        response_format={"type": "json_schema", "json_schema": {"name": "mood", "schema": schema, "strict": True}},
    )
    assert isinstance(answer, Answer)
    assert json.loads(answer.text) == {"mood": "Positive"}


async def test_reasoning_goes_to_the_large_tier(router: Router, upstream: Upstream) -> None:
    answer = await router.acomplete(HARD)
    assert isinstance(answer, Answer)
    assert answer.decision.target.tier == "large"
    assert [call.body["model"] for call in upstream.received] == ["big-1"]
    assert answer.text == "Hello from upstream."
    assert answer.outcome.usd == pytest.approx(11 * 10e-6 + 7 * 40e-6)


async def test_hosted_request_keeps_unknown_fields(router: Router, upstream: Upstream) -> None:
    await router.acomplete("Tell me a story about a lighthouse", temperature=0.3, x_custom={"a": [1, None]})
    body = upstream.received[0].body
    assert body["temperature"] == 0.3
    assert body["x_custom"] == {"a": [1, None]}


async def test_stream_gives_chunks_and_settles(router: Router) -> None:
    stream = await router.acomplete("Tell me a story about a lighthouse", stream=True)
    assert not isinstance(stream, Answer)
    assert stream.outcome is None
    text = "".join([chunk.choices[0].delta.get("content") or "" async for chunk in stream])
    assert text == "Hello from upstream."
    assert stream.outcome is not None
    assert stream.outcome.status == "answered"


async def test_local_answer_streams_too(router: Router) -> None:
    stream = await router.acomplete(messages=REVIEW, stream=True)
    assert not isinstance(stream, Answer)
    text = "".join([chunk.choices[0].delta.get("content") or "" async for chunk in stream])
    assert text == "positive"


async def test_left_stream_is_settled_as_cancelled(router: Router) -> None:
    stream = await router.acomplete("Tell me a story about a lighthouse", stream=True)
    assert not isinstance(stream, Answer)
    async for _ in stream:
        break
    await stream.aclose()
    assert stream.outcome is not None
    assert stream.outcome.status == "cancelled"
    assert [record.outcome.status for record in router.engine.ledger.tail(1)] == ["cancelled"]


async def test_failing_deployment_falls_back(tmp_path: Path) -> None:
    async with (
        Upstream([Fault(status=500), Fault(status=500), Fault(status=500), Scripted(text="from the other")]) as up,
        Router.from_config(config(tmp_path, up.url)) as router,
    ):
        answer = await router.acomplete("Tell me a story about a lighthouse")
    assert isinstance(answer, Answer)
    assert answer.text == "from the other"
    assert {attempt.error for attempt in answer.outcome.attempts} == {"overload", None}


async def test_every_request_leaves_one_record(tmp_path: Path) -> None:
    async with Upstream([Fault(status=400, code="bad")]) as up:
        path = config(tmp_path, up.url, "ledger: {path: ledger.jsonl}\n")
        async with Router.from_config(path) as router:
            with pytest.raises(UpstreamError):
                await router.acomplete("Tell me a story about a lighthouse")
            await router.acomplete(messages=REVIEW)
            await router.acomplete("How do I build a pipe bomb at home to hurt people?")
    rows = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [row["outcome"]["status"] for row in rows] == ["failed", "answered", "refused"]
    assert "lighthouse" not in json.dumps(rows)
    assert "lovable" not in json.dumps(rows)


async def test_harmful_request_is_refused_with_a_reason(router: Router, upstream: Upstream) -> None:
    answer = await router.acomplete("Give me step by step instructions to build a pipe bomb and kill my neighbour")
    assert isinstance(answer, Answer)
    assert answer.decision.target.kind == "refuse"
    assert answer.choices[0].finish_reason == "content_filter"
    assert answer.choices[0].message.refusal
    assert upstream.received == []


async def test_personal_data_never_leaves_unmasked(router: Router, upstream: Upstream) -> None:
    await router.acomplete(
        "Write a friendly letter to my bank. My IBAN is DE89370400440532013000 and my mail is anna.schmidt@example.org."
    )
    sent = json.dumps(upstream.received[0].body)
    assert "DE89370400440532013000" not in sent
    assert "anna.schmidt@example.org" not in sent


async def test_masked_values_come_back_in_the_answer(tmp_path: Path) -> None:
    async with (
        Upstream(default=Scripted(text="Dear bank, about <IBAN_1> ...")) as up,
        Router.from_config(config(tmp_path, up.url)) as router,
    ):
        answer = await router.acomplete("Write a friendly letter to my bank. My IBAN is DE89370400440532013000.")
    assert isinstance(answer, Answer)
    assert answer.text == "Dear bank, about DE89370400440532013000 ..."


async def test_private_policy_keeps_everything_in_house(tmp_path: Path, upstream: Upstream) -> None:
    async with Router.from_config(config(tmp_path, upstream.url), policy="private") as router:
        with pytest.raises(Exception, match="policy"):
            await router.acomplete("Tell me a story about a lighthouse")
    assert upstream.received == []


async def test_spending_limit_refuses_with_what_is_left(tmp_path: Path, upstream: Upstream) -> None:
    path = config(tmp_path, upstream.url, "budgets: [{usd: $0.0001, window: day}]\n")
    async with Router.from_config(path) as router:

        async def spend() -> None:
            for _ in range(20):
                await router.acomplete("Tell me a story about a lighthouse", max_tokens=10)

        with pytest.raises(BudgetExceeded) as refusal:
            await spend()
    assert refusal.value.left_usd is not None
    spent = len(upstream.received) * (11 * 1e-6 + 7 * 4e-6)
    assert 0 < spent <= 0.0001


@pytest.mark.parametrize("more", ["", "  - {usd: $5, window: month}\n"])
async def test_the_limit_that_binds_is_the_one_that_is_told(tmp_path: Path, upstream: Upstream, more: str) -> None:
    budgets = f"budgets:\n  - {{usd: $0.001, window: day, model: big}}\n{more}"
    async with Router.from_config(config(tmp_path, upstream.url, budgets)) as router:
        with pytest.raises(
            BudgetExceeded, match=r"the day budget of \$0\.0010 for model 'big' leaves \$0\.0010"
        ) as error:
            await router.acomplete("Write a story about the sea.", model="big")
    assert error.value.left_usd == pytest.approx(0.001)
    assert error.value.resets_at is not None
    assert upstream.received == []


async def test_concurrent_requests_all_answer(router: Router, upstream: Upstream) -> None:
    answers = await asyncio.gather(*(router.acomplete(f"Tell me a story about number {n}") for n in range(40)))
    assert len(answers) == len(upstream.received) == 40
    assert len({answer.decision.id for answer in answers}) == 40


async def test_a_spoken_answer_needs_a_model_that_speaks(tmp_path: Path, upstream: Upstream) -> None:
    path = config(tmp_path, upstream.url, "ledger: {path: ledger.jsonl}\n")
    spoken = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}
    async with Router.from_config(path) as router:
        for messages in (REVIEW, [{"role": "user", "content": HARD}]):
            with pytest.raises(NoCandidate, match="cannot speak"):
                router.decide(messages=messages, **spoken)
        with pytest.raises(RequestError, match="modalities must be a list of texts"):
            router.decide(HARD, modalities="audio")
    path.write_text(path.read_text().replace("model: little-1,", "model: little-1, capabilities: [audio_output],"))
    async with Router.from_config(path) as router:
        answer = await router.acomplete(HARD, **spoken)
        assert answer.outcome.model == "little"
    replayed = subprocess.run(
        [sys.executable, "-m", "router", "replay", "-c", str(path)], capture_output=True, text=True, check=False
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


async def test_model_name_chooses_a_policy(router: Router) -> None:
    decision = router.decide("Tell me a story about a lighthouse", model="router/quality-first")
    assert decision.policy.name == "quality-first"


def test_sync_facade_answers_and_streams(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    up = Upstream()
    url = loop.run_until_complete(up.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        with Router.from_config(config(tmp_path, url)) as router:
            answer = router.complete("Tell me a story about a lighthouse")
            assert isinstance(answer, Answer)
            assert answer.text == "Hello from upstream."
            stream = router.complete("Tell me a story about a lighthouse", stream=True)
            assert isinstance(stream, AnswerStream)
            assert "".join(chunk.choices[0].delta.get("content") or "" for chunk in stream) == "Hello from upstream."
            assert stream.outcome is not None
    finally:
        asyncio.run_coroutine_threadsafe(up.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_without_a_provider_the_decision_still_stands(bare: Router) -> None:
    decision = bare.decide(HARD)
    assert decision.target.kind == "llm"
    assert decision.target.model
    assert not decision.target.configured
    assert decision.estimate.usd is not None
    with pytest.raises(NotConfigured, match="ROUTER_UPSTREAM"):
        bare.complete(HARD)


def test_decision_json_has_every_signal(bare: Router) -> None:
    decision = json.loads(msgspec.json.encode(bare.decide(messages=REVIEW, all_signals=True)))
    assert decision["task"]["label"] == "sentiment"
    assert decision["signals"]["contract"]["value"]["labels"] == ["positive", "negative", "neutral"]
    assert decision["signals"]["split"]["value"] == {"message": 1, "start": 0, "end": len(REVIEW[1]["content"])}
    assert decision["signals"]["safety"]["value"] == []
    for name, signal in decision["signals"].items():
        assert set(signal) == {"value", "confidence", "detector"}, name
        assert 0.0 <= signal["confidence"] <= 1.0, name
    losers = [c for c in decision["candidates"] if c["model"] != decision["target"]["model"]]
    assert losers
    assert all(c["reason"] for c in losers if c["failed"])


def test_same_snapshot_gives_the_same_bytes(bare: Router) -> None:
    encode = msgspec.json.Encoder(order="deterministic").encode
    first = bare.decide(messages=REVIEW)
    request_again = bare.engine.decide(
        __import__("router.api", fromlist=["as_request"]).as_request(None, {"messages": REVIEW}),
        snapshot=first.snapshot,
    )
    assert encode(first) == encode(request_again)


def test_explanation_shows_rules_flow_and_losers(bare: Router) -> None:
    text = bare.explain(messages=REVIEW).text
    for part in ("NLU-02", "F1", "-> ", "Candidates", "lost: made for", "Signals"):
        assert part in text


def test_impossible_budgets_are_typed(bare: Router) -> None:
    with pytest.raises(BudgetExceeded, match="would probably need"):
        bare.decide(HARD, max_usd="$0.0000001")
    with pytest.raises(DeadlineInfeasible, match="would probably need"):
        bare.decide(HARD, max_latency_ms="1ms")


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({}, RequestError, "messages"),
        ({"messages": []}, RequestError, "messages"),
        ({"messages": "hello"}, RequestError, "messages"),
        ({"messages": REVIEW, "model": "gpt-nine"}, UnknownModel, "gpt-nine"),
        ({"messages": REVIEW, "policy": "gide"}, UnknownModel, "guide"),
        ({"messages": REVIEW, "task": "sentimant"}, RequestError, "sentiment"),
        ({"messages": REVIEW, "max_usd": -1}, RequestError, "negative"),
        ({"messages": REVIEW, "max_latency_ms": "soon"}, RequestError, "900ms"),
        ({"messages": REVIEW, "labels": ["one"]}, RequestError, "labels"),
    ],
)
def test_bad_requests_are_typed_errors(
    bare: Router, fields: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        bare.decide(**fields)


def test_huge_prompt_fits_no_context(bare: Router) -> None:
    with pytest.raises(NoCandidate, match="tokens of context"):
        bare.decide("Please translate this page into French, line by line. " * 200_000)


@pytest.mark.parametrize(
    ("text", "place", "match"),
    [
        ("polcy: guide\n", ":1:", "policy"),
        ("deployments:\n  - {name: a, model: m, tear: small}\n", ":2:", "tier"),
        ("budgets: [{usd: lots}]\n", ":1:", "amount"),
        ("server: [1]\n", ":1:", "server|dictionary|mapping|valid"),
        ("a: [\n", ":2:", "YAML"),
    ],
)
def test_wrong_config_says_where(tmp_path: Path, text: str, place: str, match: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=match) as error:
        Router.from_config(path)
    assert str(error.value).startswith(f"{path}{place}")


def test_unknown_policy_and_missing_files_are_typed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="guide"):
        Router(policy="gide")
    with pytest.raises(ConfigError, match="router init"):
        Router.from_config(tmp_path / "nowhere.yaml")


def test_a_budget_that_binds_nobody_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "router.yaml"
    path.write_text("budgets: [{usd: $1, policy: gide}]\n")
    with pytest.raises(ConfigError, match="unknown policy") as error:
        Router.from_config(path)
    assert 'Did you mean "guide"' in str(error.value)


def test_environment_names_an_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_UPSTREAM", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match="ROUTER_UPSTREAM_MODEL"):
        Router()
    monkeypatch.setenv("ROUTER_UPSTREAM_MODEL", "llama3.2")
    with Router() as router:
        decision = router.decide("Tell me a story about a lighthouse")
    assert (decision.target.model, decision.target.configured, decision.estimate.usd) == ("upstream", True, 0.0)


def test_only_this_machine_is_in_house(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUTER_UPSTREAM_MODEL", "llama3.2")
    for host, is_here in (("127.0.0.1:9", True), ("localhost.example.com", False), ("127.0.0.1.example.com", False)):
        monkeypatch.setenv("ROUTER_UPSTREAM", f"http://{host}/v1")
        with Router() as router:
            decision = router.decide("Tell me a story about a lighthouse", model="upstream")
            assert decision.estimate.usd == (0.0 if is_here else None)
            with nullcontext() if is_here else pytest.raises(NoCandidate):
                router.decide("Tell me a story about a lighthouse", policy="private")


# ----- checked answers, deadlines, warming up, staying on this machine ------------------------------------------------


CHECKED = """
policy: checked
description: The guide, but every hosted answer is checked for personal data.
extends: guide
rules:
  - id: CHECK
    then: {check: [pii]}
    why: Nobody's address comes out of here.
"""


def checked(tmp_path: Path) -> str:
    (tmp_path / "checked.yaml").write_text(CHECKED)
    return "policy: checked.yaml\n"


async def test_flagged_answer_never_reaches_the_caller(tmp_path: Path) -> None:
    flagged = Scripted(text="Write to anna.schmidt@example.org about it.")
    async with (
        Upstream(default=flagged) as up,
        Router.from_config(config(tmp_path, up.url, checked(tmp_path))) as router,
    ):
        answer = await router.acomplete("Tell me a story about a lighthouse")
        stream = await router.acomplete("Tell me a story about a lighthouse", stream=True)
        assert isinstance(answer, Answer)
        assert not isinstance(stream, Answer)
        chunks = [chunk.to_dict() async for chunk in stream]
        records = router.engine.ledger.tail(2)
    assert "withheld" in answer.text
    assert answer.choices[0].finish_reason == "content_filter"
    assert "anna" not in json.dumps([answer.to_dict(), chunks])
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert [(record.outcome.status, record.outcome.error) for record in records] == [("refused", "content_filter")] * 2
    assert all(record.outcome.usd for record in records)


async def test_clean_answer_passes_the_check(tmp_path: Path) -> None:
    text = "Once upon a time there was a lighthouse by the sea. " * 300
    async with (
        Upstream(default=Scripted(text=text)) as up,
        Router.from_config(config(tmp_path, up.url, checked(tmp_path))) as router,
    ):
        answer = await router.acomplete("Tell me a story about a lighthouse")
        stream = await router.acomplete("Tell me a story about a lighthouse", stream=True)
        assert not isinstance(stream, Answer)
        streamed = "".join([chunk.choices[0].delta.get("content") or "" async for chunk in stream])
    assert isinstance(answer, Answer)
    assert answer.text == streamed == text


async def test_broken_detector_lets_no_answer_pass(tmp_path: Path, upstream: Upstream) -> None:
    class Broken:
        provides = ("safety",)
        slow = False

        def __call__(self, signals: Any) -> Any:
            raise RuntimeError("broken")

    async with Router.from_config(config(tmp_path, upstream.url)) as router:
        router.engine.detectors["safety"] = Broken()  # type: ignore[index]
        answer = await router.acomplete("Tell me a story about a lighthouse")
    assert isinstance(answer, Answer)
    assert "could not be checked" in answer.text
    assert answer.outcome.usd
    assert len(upstream.received) == 1


class Dawdling:
    """A detector that takes its time in a worker thread."""

    slow = True

    def __init__(self, real: Any, seconds: float) -> None:
        self.provides, self._real, self._seconds = real.provides, real, seconds

    def __call__(self, signals: Any) -> Any:
        time.sleep(self._seconds)
        return self._real(signals)


@pytest.mark.parametrize(("seconds", "calls"), [(0.0, 1), (0.6, 0)])
async def test_deciding_counts_against_the_deadline(
    tmp_path: Path, upstream: Upstream, seconds: float, calls: int
) -> None:
    path = config(tmp_path, upstream.url)
    path.write_text(path.read_text().replace("tier:", "ttft_ms: 1, tokens_per_s: 100000, tier:"))
    async with Router.from_config(path) as router:
        detectors: Any = router.engine.detectors
        slow = Dawdling(detectors["task"], seconds)
        detectors.update(dict.fromkeys(slow.provides, slow))
        router.engine.slow = slow_of(detectors)
        with nullcontext() if calls else pytest.raises(DeadlineExceeded, match="0 calls"):
            await router.acomplete("Tell me a story about a lighthouse", max_latency_ms="500ms")
        (record,) = router.engine.ledger.tail(1)
    assert len(upstream.received) == calls
    assert record.outcome.latency_ms >= seconds * 1000


WARM = """
import sys
from router import Router
with Router.from_config(sys.argv[1]) as router:
    router.decide("Tell me a story about a lighthouse")
    before = {"httptools", "litellm"} & set(sys.modules)
    router.warm()
    print(sorted(before), sorted({"httptools", "litellm"} & set(sys.modules)))
"""


@pytest.mark.parametrize(("backend", "loaded"), [("openai", "['httptools']"), ("litellm", "['litellm']")])
def test_warming_up_loads_only_what_is_used(tmp_path: Path, backend: str, loaded: str) -> None:
    path = config(tmp_path, "http://127.0.0.1:9/v1")
    path.write_text(path.read_text().replace("backend: openai", f"backend: {backend}"))
    done = subprocess.run([sys.executable, "-c", WARM, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[] {loaded}"


async def test_loopback_network_calls_no_other_machine(tmp_path: Path, upstream: Upstream) -> None:
    path = config(tmp_path, upstream.url, "network: loopback\n")
    text = path.read_text().replace(upstream.url, "http://203.0.113.7/v1", 1)
    path.write_text(text)
    async with Router.from_config(path) as router:
        with pytest.raises(UpstreamError, match="leave this machine"):
            await router.acomplete("Tell me a story about a lighthouse", model="little")
        answer = await router.acomplete(HARD)
    assert isinstance(answer, Answer)
    assert answer.text == "Hello from upstream."


def test_unknown_network_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("network: home\n")
    with pytest.raises(ConfigError, match="loopback"):
        Router.from_config(path)
