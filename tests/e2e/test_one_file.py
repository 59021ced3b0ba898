"""One policy file that is all a user needs: models, signals and rules; through the library and the commands."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from router import ConfigError, Router
from router.config import Settings
from router.errors import UpstreamError
from router.offline.recorded import read_record
from router.offline.replay import replay_record
from router.spec import validated
from router.testing.upstream import Answer, Fault, Upstream


def one_file(urls: dict[str, str], *, rules: str, more: str = "") -> str:
    models = "".join(
        f"  - {{name: {name}, model: m-{name}, backend: openai, api_base: '{url}', tier: {tier}, "
        f"price_per_million: {{input: $1, output: $4}}}}\n"
        for (name, url), tier in zip(urls.items(), ("small", "large", "small"), strict=False)
    )
    return f"""policy: all-in-one
otherwise: {{prefer: llm, tier: small}}
models:
{models}signals:
  mood: {{keywords: {{angry: [furious, fed up], calm: thanks}}}}
rules:
{rules}
{more}"""


ANGRY = "  - {id: ANGRY, when: {custom: {mood: angry}}, then: {tier: large}, why: They waited.}"


def router_of(tmp_path: Path, text: str, **settings: object) -> Router:
    path = tmp_path / "all.yaml"
    path.write_text(text)
    base = {"policy": str(path), "local_models": {"shipped": False}, "directory": str(tmp_path)}
    return Router(validated(Settings, {**base, **settings}))


async def test_a_policy_file_is_enough(tmp_path: Path) -> None:
    async with (
        Upstream(default=Answer(text="small")) as small,
        Upstream(default=Answer(text="large")) as large,
        router_of(tmp_path, one_file({"a": small.url, "b": large.url}, rules=ANGRY)) as router,
    ):
        calm = await router.acomplete("Where is my parcel? Thanks!")
        angry = await router.acomplete("I am FED UP. Where is my parcel?")
    assert (calm.text, angry.text) == ("small", "large")
    assert angry.decision.signals["mood"].value == "angry"
    assert angry.decision.rules == ("ANGRY",)


async def test_the_config_has_the_last_word_on_a_model(tmp_path: Path) -> None:
    async with Upstream(default=Answer(text="theirs")) as theirs, Upstream(default=Answer(text="here")) as here:
        (tmp_path / "all.yaml").write_text(one_file({"a": theirs.url, "b": theirs.url}, rules=ANGRY))
        config = tmp_path / "router.yaml"
        config.write_text(
            "policy: all.yaml\nlocal_models: {shipped: false}\n"
            f"deployments: [{{name: b, model: x, backend: openai, api_base: '{here.url}', tier: large}}]\n"
        )
        async with Router.from_config(config) as router:
            assert list(router.engine.fleet.deployments) == ["a", "b"]
            assert (await router.acomplete("I am furious")).text == "here"
            assert (await router.acomplete("Hello")).text == "theirs"


@pytest.mark.parametrize(
    ("then", "place"),
    [("mirror: {to: nobody, share: 1%}", "9:33"), ("fallback: [b, nobody]", "9:34")],
)
def test_a_deployment_that_is_not_there_does_not_load(tmp_path: Path, then: str, place: str) -> None:
    text = one_file(
        {"a": "http://127.0.0.1:1/v1", "b": "http://127.0.0.1:1/v1"}, rules=f"  - {{id: A, then: {{{then}}}, why: w}}"
    )
    with pytest.raises(ConfigError, match=rf'all\.yaml:{place}: .*"nobody"'):
        router_of(tmp_path, text)


async def test_fallbacks_come_in_the_order_of_the_rule(tmp_path: Path) -> None:
    rule = "  - {id: A, then: {tier: small, fallback: [c]}, why: w}"
    async with (
        Upstream(default=Fault(status=500)) as first,
        Upstream(default=Answer(text="large")) as large,
        Upstream(default=Answer(text="third")) as third,
    ):
        urls = {"a": first.url, "b": large.url, "c": third.url}
        async with router_of(tmp_path, one_file(urls, rules=rule)) as router:
            answer = await router.acomplete("Hello")
        assert not large.received
    assert (answer.text, answer.outcome.model, answer.decision.fallbacks) == ("third", "c", ("c",))


async def test_without_a_fallback_the_failure_is_told(tmp_path: Path) -> None:
    rule = "  - {id: A, then: {tier: small, fallback: []}, why: w}"
    async with Upstream(default=Fault(status=401)) as first, Upstream(default=Answer(text="large")) as large:
        async with router_of(tmp_path, one_file({"a": first.url, "b": large.url}, rules=rule)) as router:
            with pytest.raises(UpstreamError):
                await router.acomplete("Hello")
        assert not large.received


MIRRORED = """  - {id: COPY, when: {custom: {mood: angry}}, then: {mirror: {to: c, share: 100%}}, why: w}
  - {id: KEEP, when: {safety: pii}, then: {forbid: c}, why: w}"""


async def _copies(router: Router, count: int) -> list:
    for _ in range(500):
        found = [each for each in router.engine.ledger.tail(100) if each.decision.id.endswith("-mirror-c")]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("no copy came")


async def test_a_rule_copies_what_it_matches_and_nothing_else(tmp_path: Path) -> None:
    async with (
        Upstream(default=Answer(text="real")) as real,
        Upstream() as large,
        Upstream(default=Answer(text="shadow")) as shadow,
    ):
        urls = {"a": real.url, "b": large.url, "c": shadow.url}
        async with router_of(tmp_path, one_file(urls, rules=MIRRORED)) as router:
            quiet = await router.acomplete("Hello")
            copied = await router.acomplete("I am furious")
            kept = await router.acomplete("I am furious. Write to jane.doe@example.com")
            [copy] = await _copies(router, 1)
            await asyncio.sleep(0.1)
            records = [*router.engine.ledger.tail(100)]
            policies, fleet = router.engine.policies, router.engine.fleet
        assert len(shadow.received) == 1
    assert {quiet.text, copied.text, kept.text} == {"real"}
    assert (quiet.decision.mirrors, copied.decision.mirrors, kept.decision.mirrors) == ((), ("c",), ())
    assert copy.decision.id == f"{copied.decision.id}-mirror-c"
    assert copy.outcome.model == "c"
    assert copy.nano_usd > 0
    # Copies and requests are decided again byte for byte.
    lines = [json.dumps(_plain(record)).encode() for record in records]
    assert [replay_record(read_record(line), policies, fleet).status for line in lines] == ["same"] * 4


def _plain(record: object) -> object:
    import msgspec

    return msgspec.to_builtins(record)


async def test_a_copy_is_masked_like_the_request(tmp_path: Path) -> None:
    rule = "  - {id: MASK, then: {redact: pii, mirror: {to: c, share: 100%}}, why: w}"
    async with Upstream() as real, Upstream() as large, Upstream() as shadow:
        async with router_of(
            tmp_path, one_file({"a": real.url, "b": large.url, "c": shadow.url}, rules=rule)
        ) as router:
            await router.acomplete("Write a letter to jane.doe@example.com, please.")
            await _copies(router, 1)
        sent = [json.dumps(_plain(received.body)) for received in (*real.received, *shadow.received)]
    assert len(sent) == 2
    assert not any("jane.doe" in body for body in sent)


async def test_a_local_answer_is_copied_too(tmp_path: Path) -> None:
    rule = "  - {id: TRY, then: {prefer: local, mirror: {to: c, share: 100%}}, why: w}"
    review = "Is this review positive or negative? Answer with one word.\n\nReview: I loved every minute, what a joy!"
    async with Upstream() as real, Upstream() as large, Upstream(default=Answer(text="positive")) as shadow:
        path = tmp_path / "all.yaml"
        path.write_text(one_file({"a": real.url, "b": large.url, "c": shadow.url}, rules=rule))
        async with Router(Settings(policy=str(path))) as router:
            answer = await router.acomplete(review, labels=["positive", "negative"])
            [copy] = await _copies(router, 1)
    assert (answer.decision.target.kind, answer.decision.mirrors) == ("local", ("c",))
    assert (copy.outcome.model, len(real.received) + len(large.received)) == ("c", 0)


async def test_a_rules_share_counts_before_the_configs(tmp_path: Path) -> None:
    """One request is copied once to one deployment."""
    async with Upstream() as real, Upstream() as large, Upstream() as shadow:
        urls = {"a": real.url, "b": large.url, "c": shadow.url}
        dispatch = {"mirror": {"to": "c", "share": 1.0}}
        async with router_of(tmp_path, one_file(urls, rules=MIRRORED), dispatch=dispatch) as router:
            await router.acomplete("I am furious")
            await _copies(router, 1)
            await asyncio.sleep(0.1)
            assert len(shadow.received) == 1
            await router.acomplete("Hello")
            for _ in range(200):
                if len(shadow.received) == 2:
                    break
                await asyncio.sleep(0.02)
        assert len(shadow.received) == 2


def test_the_commands_read_models_and_signals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    urls = {"a": "http://127.0.0.1:1/v1", "b": "http://127.0.0.1:1/v1", "c": "http://127.0.0.1:1/v1"}
    examples = """examples:
  - {name: angry, request: I am furious, expect: {tier: large, decided_by: ANGRY, model: b}}
  - {name: not angry, request: Hello, expect: {model: a, not_fired: ANGRY}}
"""
    Path("new.yaml").write_text(one_file(urls, rules=ANGRY, more=examples))
    Path("old.yaml").write_text(one_file({"a": urls["a"]}, rules="  - {id: ALL, then: {tier: small}, why: w}"))
    Path("rows.jsonl").write_text('{"prompt": "I am furious"}\n{"prompt": "Hello"}\n')

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-m", "router", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    code, said = run("policy", "check", "new.yaml")
    assert (code, "well" in said) == (0, True), said
    code, said = run("policy", "test", "new.yaml")
    assert (code, "0 failed" in said) == (0, True), said
    code, said = run("policy", "diff", "old.yaml", "new.yaml", "--on", "rows.jsonl", "--json", "-j", "1")
    found = json.loads(said)
    assert (code, found["flows"]) == (0, {"llm/small -> llm/large": 1, "llm/small -> llm/small": 1})
    assert [(change["old"]["model"], change["new"]["model"]) for change in found["changes"]] == [("a", "b")]
    code, said = run("explain", "-p", "new.yaml", "I am furious")
    assert code == 0
    assert "mood         angry" in said
