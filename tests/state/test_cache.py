"""Answers that are given again: only to the same request of the same caller, and only where the decision allows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stores
from hypothesis import given
from hypothesis import strategies as st

from router import Router
from router.state.cache import CacheStore, MemoryCache
from router.state.semantic import gist
from router.testing.upstream import Answer, Fault, Upstream

PAIRS = (Path(__file__).parents[2] / "benchmarks/money/semantic_pairs.tsv").read_text(encoding="utf-8").splitlines()
STORY = {"messages": [{"role": "user", "content": "Write a story about a lighthouse."}], "temperature": 1.0}


@pytest.fixture
async def upstream() -> Any:
    async with Upstream() as up:
        yield up


def make(tmp_path: Path, url: str, more: str = "cache: {ttl: 10m}\n") -> Router:
    path = tmp_path / "router.yaml"
    path.write_text(
        "deployments:\n"
        f"  - {{name: small, model: tiny, backend: openai, api_base: '{url}', tier: small, "
        "price_per_million: {input: $1, output: $4}}\n" + more
    )
    return Router.from_config(path)


async def test_the_same_request_is_answered_once(tmp_path: Path, upstream: Upstream) -> None:
    async with make(tmp_path, upstream.url) as router:
        first, second = [await router.acomplete(STORY) for _ in range(2)]
        records = router.engine.ledger.tail(2)
    assert len(upstream.received) == 1
    assert second.to_dict() == first.to_dict()
    assert [answer.outcome.cached for answer in (first, second)] == [False, True]
    assert [record.nano_usd for record in records] == [39_000, 0]


@pytest.mark.parametrize(
    "other",
    [
        {**STORY, "temperature": 0.0},
        {**STORY, "messages": [{"role": "system", "content": "Be brief."}, *STORY["messages"]]},  # type: ignore[misc]
        {**STORY, "messages": [{"role": "user", "content": "Write no story about a lighthouse."}]},
        {**STORY, "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    ],
)
async def test_another_request_is_another(tmp_path: Path, upstream: Upstream, other: dict[str, Any]) -> None:
    async with make(tmp_path, upstream.url) as router:
        await router.acomplete(STORY)
        await router.acomplete(other)
    assert len(upstream.received) == 2


async def test_nobody_gets_another_tenants_answer(tmp_path: Path, upstream: Upstream) -> None:
    async with make(tmp_path, upstream.url) as router:
        for tenant in ("red", "blue", None, "red"):
            await router.acomplete(STORY, **({"tenant": tenant} if tenant else {}))
    assert len(upstream.received) == 3


SEMANTIC = "cache: {ttl: 10m, semantic: {}}\n"


def asking(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}], **fields}


async def test_another_wording_is_answered_where_it_is_asked_for(tmp_path: Path, upstream: Upstream) -> None:
    wordings = ["How do I reset my password?", "Could you tell me how I can reset the password, please?"]
    for more, calls in (("cache: {ttl: 10m}\n", 2), (SEMANTIC, 1)):
        upstream.received.clear()
        async with make(tmp_path, upstream.url, more) as router:
            first, second = [await router.acomplete(asking(text)) for text in wordings]
            streamed = [chunk async for chunk in await router.acomplete(asking(wordings[1].upper(), stream=True))]
        assert len(upstream.received) == calls + (calls == 2)
        assert second.outcome.similar is (calls == 1)
        assert not first.outcome.similar
        assert streamed


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("How do I not reset my password?", {}),
        ("How do I reset your password?", {}),
        ("How do I reset 2 passwords?", {}),
        ("How do I reset my username?", {}),
        ("How should we reset my password from Linux?", {}),
        ("Could you tell me how I can reset the password?", {"temperature": 0.5}),
        ("Could you tell me how I can reset the password?", {"tenant": "blue"}),
        ("Could you tell me how I can reset the password?", {"max_tokens": 5}),
        ("Could you tell me how I can reset the password?", {"response_format": {"type": "json_object"}}),
    ],
)
async def test_what_means_or_asks_something_else_is_asked_again(
    tmp_path: Path, upstream: Upstream, text: str, fields: dict[str, Any]
) -> None:
    hints = {"tenant": fields["tenant"]} if "tenant" in fields else {}
    fields = {name: value for name, value in fields.items() if name != "tenant"}
    async with make(tmp_path, upstream.url, SEMANTIC) as router:
        await router.acomplete(asking("How do I reset my password?"))
        await router.acomplete(asking(text, **fields), **hints)
        other = asking("Could you tell me how I can reset the password?")
        other["messages"][0]["content"] = "Be long."
        await router.acomplete(other)
    assert len(upstream.received) == 3


@pytest.mark.parametrize(
    ("one", "two"),
    [line.split("\t")[0:4:3] for line in PAIRS] + [line.split("\t")[0:5:4] for line in PAIRS],
)
def test_questions_that_look_alike_have_another_gist(one: str, two: str) -> None:
    assert gist(one) is None or gist(one) != gist(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("How do I look for my passport?", "How do I look at my passport?"),
        ("How do I send money to Ann Lee?", "How do I send money for Ann Lee?"),
        ("What is in the black box?", "What is on the black box?"),
        ("Can I sue my landlord?", "Can it sue my landlord?"),
        ("Which insurance covers my car?", "Does my insurance cover the car?"),
        ("What is the dog eating for lunch?", "Is the dog eating for lunch?"),
    ],
)
def test_small_words_that_change_a_question_keep_it_apart(one: str, two: str) -> None:
    assert gist(one) != gist(two)


@given(st.text(max_size=400))
def test_any_text_has_a_gist_or_none(text: str) -> None:
    found = gist(text)
    assert found is None or (len(found) > 1 and all(found))
    assert gist("Translate 'the cat' into German") is None
    assert gist("Summarize:\nthe cat sat") is None


async def test_a_stream_is_served_from_the_cache(tmp_path: Path, upstream: Upstream) -> None:
    async with make(tmp_path, upstream.url) as router:
        whole = await router.acomplete(STORY)
        chunks = [chunk async for chunk in await router.acomplete({**STORY, "stream": True})]
        (record,) = router.engine.ledger.tail(1)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == whole.text
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert record.outcome.cached
    assert len(upstream.received) == 1


async def test_a_stream_from_the_cache_lacks_nothing(tmp_path: Path) -> None:
    asked = {**STORY, "logprobs": True}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    async with Upstream([Answer(text="So it was.", usage=None)]) as upstream, make(tmp_path, upstream.url) as router:
        whole = (await router.acomplete(asked)).to_dict()
        chunks = [chunk async for chunk in await router.acomplete({**asked, **options})]
    told = [chunk["choices"][0].get("logprobs") for chunk in chunks if chunk["choices"]]
    assert [each for each in told if each] == [whole["choices"][0]["logprobs"]]
    assert chunks[-1]["usage"]["completion_tokens"] == 3


async def test_identical_requests_at_once_are_sent_once(tmp_path: Path) -> None:
    async with Upstream(default=Answer(delay_s=0.2)) as upstream, make(tmp_path, upstream.url) as router:
        answers = await asyncio.gather(*(router.acomplete(STORY) for _ in range(20)))
        assert len(upstream.received) == 1
    assert sum(answer.outcome.cached for answer in answers) == 19


async def test_two_wordings_at_once_of_what_is_over_are_answered(tmp_path: Path, upstream: Upstream) -> None:
    more = "cache: {ttl: 1s, path: cache.db, semantic: {}}\n"
    async with make(tmp_path, upstream.url, more) as router:
        await router.acomplete(asking("How do I reset my password?"))
        await asyncio.sleep(1.1)
        again = [router.acomplete(asking("How can I reset the password?")) for _ in range(4)]
        answers = await asyncio.gather(*again)
    assert [answer.text for answer in answers] == ["Hello from upstream."] * 4


async def test_whoever_waited_in_vain_goes_on_alone(tmp_path: Path) -> None:
    script = [Fault(status=400), *[Answer() for _ in range(5)]]
    async with Upstream(script) as upstream, make(tmp_path, upstream.url) as router:
        done = await asyncio.gather(*(router.acomplete(STORY) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, Exception) for each in done) == 1


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_half_an_answer_is_not_kept(tmp_path: Path, finish: str) -> None:
    async with Upstream(default=Answer(finish_reason=finish)) as upstream, make(tmp_path, upstream.url) as router:
        for _ in range(2):
            await router.acomplete(STORY)
        assert len(upstream.received) == 2


async def test_another_policy_asks_anew(tmp_path: Path, upstream: Upstream) -> None:
    async with make(tmp_path, upstream.url) as router:
        await router.acomplete(STORY)
        await router.acomplete(STORY, policy="quality-first")
    assert len(upstream.received) == 2


async def test_personal_data_is_never_kept(tmp_path: Path, upstream: Upstream) -> None:
    mail = "Write a letter to jane.roe@example.com about the lighthouse."
    async with make(tmp_path, upstream.url) as router:
        masks = bool(router.decide(mail).verdict.redact)
        for _ in range(2):
            await router.acomplete(mail)
    assert masks
    assert len(upstream.received) == 2


@pytest.mark.parametrize("place", ["path: cache.db", pytest.param(f"url: {stores.REDIS}", marks=pytest.mark.redis)])
async def test_answers_outlive_the_process(tmp_path: Path, upstream: Upstream, place: str) -> None:
    if "redis" in place:
        stores.require("redis")
    setting = f"cache: {{ttl: 10m, {place}, prefix: {stores.fresh_name()}}}\n"
    for _ in range(2):
        async with make(tmp_path, upstream.url, setting) as router:
            await router.acomplete(STORY)
    assert len(upstream.received) == 1


async def test_another_model_of_the_same_name_asks_anew(tmp_path: Path, upstream: Upstream) -> None:
    more = "cache: {ttl: 10m, path: cache.db}\n"
    for model in ("tiny", "tiny", "huge"):
        make(tmp_path, upstream.url, more).close()
        path = tmp_path / "router.yaml"
        path.write_text(path.read_text().replace("model: tiny", f"model: {model}"))
        async with Router.from_config(path) as router:
            await router.acomplete(STORY)
    assert [each.body["model"] for each in upstream.received] == ["tiny", "huge"]


async def test_a_cache_that_is_away_is_a_miss(tmp_path: Path, upstream: Upstream) -> None:
    async with make(tmp_path, upstream.url, "cache: {ttl: 10m, url: 'redis://127.0.0.1:1/0'}\n") as router:
        for _ in range(2):
            assert (await router.acomplete(STORY)).text
    assert len(upstream.received) == 2


@pytest.fixture(params=["memory", "sqlite"])
def clocked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[CacheStore, list[float]]]:
    from router.state.sqlite import SqliteCache

    now = [1000.0]
    if request.param == "memory":
        store: CacheStore = MemoryCache(max_bytes=10, now=lambda: now[0])
    else:
        store = SqliteCache(tmp_path / "cache.db", now=lambda: now[0])
    yield store, now
    store.close()


def test_entries_end(clocked: tuple[CacheStore, list[float]]) -> None:
    store, now = clocked
    store.put("a", b"1", 10.0)
    now[0] += 9.9
    assert store.get("a") == b"1"
    now[0] += 0.2
    assert store.get("a") is None


def test_memory_is_bounded_and_drops_the_least_used() -> None:
    store = MemoryCache(max_bytes=10)
    for key in "abc":
        store.put(key, b"1234", 60.0)
        store.get("a")
    assert [store.get(key) for key in "abc"] == [b"1234", None, b"1234"]
