"""Cascades, answer checks, hedges, balancing, mirrors and conversations, set up in files as a user does."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from router import ConfigError, Router
from router.testing.upstream import Answer, Fault, Upstream

LABELS = "Is this a complaint? Answer with one word: yes or no.\n\nThe parcel came broken."
HARD = "If a train needs 45 minutes for 60 km, how long does it need for 200 km?"


def configured(tmp_path: Path, deployments: list[str], *, policy: str = "", dispatch: str = "") -> Router:
    if policy:
        (tmp_path / "mine.yaml").write_text(policy)
    listed = "\n".join(f"  - {{{each}}}" for each in deployments)
    settings = f"dispatch: {{{dispatch}}}\n" if dispatch else ""
    path = tmp_path / "router.yaml"
    path.write_text(
        f"policy: {'mine' if policy else 'guide'}\nlocal_models: {{shipped: false}}\n{settings}deployments:\n{listed}\n"
    )
    return Router.from_config(path)


def at(url: str, name: str, *, tier: str = "small", extra: str = "") -> str:
    price = "{input: $1, output: $4, cached_input: $0.1}"
    return (
        f'name: {name}, model: {name}-model, tier: {tier}, backend: openai, api_base: "{url}", '
        f"price_per_million: {price}{extra}"
    )


def policy(then: str) -> str:
    return f"""policy: mine
description: A test.
otherwise: {{prefer: llm, tier: small}}
rules:
  - {{id: MINE, then: {{{then}}}, why: A test.}}
"""


async def test_a_policy_escalates_by_the_answer(tmp_path: Path) -> None:
    async with Upstream([Answer(text="Hard to say.")]) as small, Upstream([Answer(text="yes")]) as large:
        deployments = [at(small.url, "little"), at(large.url, "big", tier="large")]
        async with configured(tmp_path, deployments, policy=policy("escalate: {on: [contract, refusal]}")) as router:
            answer = await router.acomplete(LABELS, labels=["yes", "no"])
    assert (answer.text, answer.outcome.model, answer.outcome.escalated) == ("yes", "big", True)
    assert [attempt.error for attempt in answer.outcome.attempts] == ["rejected", None]
    assert answer.outcome.saved_usd is not None
    assert answer.outcome.saved_usd < 0


def wants_numbers(request: object, body: dict) -> bool | str:
    text = body["choices"][0]["message"]["content"]
    return any(sign.isdigit() for sign in text) or "no number in it"


async def test_a_policy_names_a_users_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    async with Upstream([Answer(text="Some time.")]) as small, Upstream([Answer(text="150 minutes")]) as large:
        deployments = [at(small.url, "little"), at(large.url, "big", tier="large")]
        mine, checks = policy("escalate: {check: numbers}"), "checks: {numbers: 'test_dispatch:wants_numbers'}"
        async with configured(tmp_path, deployments, policy=mine, dispatch=checks) as router:
            answer = await router.acomplete("How long does it take?", policy="mine")
    assert answer.text == "150 minutes"
    assert answer.outcome.attempts[0].message == "no number in it"


async def test_an_installed_check_needs_no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "own_checks-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-checks\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[router.answer_checks]\nnumbers = test_dispatch:wants_numbers\n")
    for folder in (package.parent, Path(__file__).parent):
        monkeypatch.syspath_prepend(str(folder))
    async with Upstream([Answer(text="Some time.")]) as small, Upstream([Answer(text="150 minutes")]) as large:
        deployments = [at(small.url, "little"), at(large.url, "big", tier="large")]
        async with configured(tmp_path, deployments, policy=policy("escalate: {check: numbers}")) as router:
            answer = await router.acomplete("How long does it take?", policy="mine")
    assert answer.text == "150 minutes"


def test_an_unknown_check_is_a_config_error(tmp_path: Path) -> None:
    mine = policy("escalate: {check: nothing}")
    with pytest.raises(ConfigError, match=r"mine\.yaml.*nothing"):
        configured(tmp_path, [at("http://127.0.0.1:1/v1", "little")], policy=mine)


@pytest.mark.parametrize(
    ("then", "place"),
    [
        ("check: {toxcity: refuse}", "toxcity"),
        ("check: {toxicity: hide}", "hide"),
        ("hold: 200", "check"),
        ("escalate: {}", "escalate"),
        ("escalate: {on: [speed]}", "speed"),
        ("escalate: {min_logprob: 0.5}", "min_logprob"),
    ],
)
def test_a_slip_in_the_policy_is_told(tmp_path: Path, then: str, place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        configured(tmp_path, [at("http://127.0.0.1:1/v1", "little")], policy=policy(then))


async def test_a_policy_masks_what_streams(tmp_path: Path) -> None:
    text = "Some plain words come first here. " * 20 + "Write to ada.lovelace@example.com or so. " + "Words. " * 40
    async with Upstream([Answer(text=text)]) as up:
        mine = policy("check: {pii: redact}, hold: 200")
        async with configured(tmp_path, [at(up.url, "little")], policy=mine) as router:
            stream = await router.acomplete("Tell me something", stream=True)
            shown = "".join([chunk["choices"][0]["delta"].get("content") or "" async for chunk in stream])
    assert shown == text.replace("ada.lovelace@example.com", "[EMAIL]")
    assert stream.outcome.flags == ("pii",)


async def test_of_two_rules_the_stricter_check_binds(tmp_path: Path) -> None:
    mine = policy("check: {pii: redact}, hold: 200").replace(
        "rules:\n", "rules:\n  - {id: OTHER, then: {check: [pii]}, why: Stricter.}\n"
    )
    upstream = Upstream([Answer(text="Write to ada.lovelace@example.com.")])
    async with upstream as up, configured(tmp_path, [at(up.url, "little")], policy=mine) as router:
        answer = await router.acomplete("Tell me something")
    assert answer.decision.verdict.hold is None
    assert answer.outcome.status == "refused"


async def test_hedging_is_switched_on_in_the_config(tmp_path: Path) -> None:
    async with Upstream(default=Answer(delay_s=20)) as slow, Upstream([Answer(text="quick")]) as quick:
        deployments = [at(slow.url, "a-slow"), at(quick.url, "b-quick")]
        async with configured(tmp_path, deployments, dispatch="hedge: {after: 80ms}") as router:
            answer = await router.acomplete(HARD, model="auto")
    assert (answer.text, answer.outcome.attempts[-1].role) == ("quick", "hedge")


async def test_deployments_of_one_model_share_the_load(tmp_path: Path) -> None:
    async with Upstream() as one, Upstream() as other:
        deployments = [
            at(one.url, "one", extra=", weight: 3, group: all"),
            at(other.url, "other", extra=", weight: 1, group: all"),
        ]
        async with configured(tmp_path, deployments) as router:
            await asyncio.gather(*(router.acomplete("Hello there") for _ in range(80)))
        assert len(one.received) + len(other.received) == 80
        assert 8 <= len(other.received) <= 36


async def test_the_faster_deployment_of_a_model_gets_the_load(tmp_path: Path) -> None:
    async with Upstream(default=Answer(delay_s=0.08)) as slow, Upstream() as fast:
        both = [at(slow.url, "slow", extra=", group: g"), at(fast.url, "fast", extra=", group: g")]
        async with configured(tmp_path, both, dispatch="balance: fastest") as router:
            for _ in range(60):  # each is tried, though the catalogue expects both to be slower than either is
                if slow.received and fast.received:
                    break
                await router.acomplete("Hello there")
            tried = len(slow.received)
            for _ in range(6):
                await router.acomplete("Hello there")
        assert fast.received
        assert 0 < len(slow.received) == tried


async def test_a_session_stays_on_its_side_of_a_split(tmp_path: Path) -> None:
    async with Upstream() as one, Upstream() as other:
        deployments = [at(one.url, "one", extra=", group: all"), at(other.url, "other", extra=", group: all")]
        async with configured(tmp_path, deployments) as router:
            for _ in range(8):
                await router.acomplete("Hello there", session="s1")
        assert 0 in (len(one.received), len(other.received))


async def test_a_share_is_mirrored_and_nobody_notices(tmp_path: Path) -> None:
    async with Upstream(default=Answer(text="real")) as up, Upstream(default=Answer(text="shadow")) as shadow:
        deployments = [at(up.url, "real"), at(shadow.url, "shadow", tier="large")]
        async with configured(tmp_path, deployments, dispatch="mirror: {to: shadow, share: 50%}") as router:
            answers = [await router.acomplete("Hello there") for _ in range(30)]
            for _ in range(500):
                records = router.engine.ledger.tail(100)
                copies = [record for record in records if record.decision.id.endswith("-mirror")]
                if len(copies) == len(shadow.received) and copies:
                    break
                await asyncio.sleep(0.02)
    assert {answer.text for answer in answers} == {"real"}
    assert 5 <= len(copies) <= 25
    assert {record.outcome.model for record in copies} == {"shadow"}
    assert {record.decision.id.removesuffix("-mirror") for record in copies} < {a.decision.id for a in answers}


async def test_a_failing_mirror_changes_nothing(tmp_path: Path) -> None:
    async with Upstream(default=Answer(text="real")) as up, Upstream(default=Fault(status=401)) as shadow:
        deployments = [at(up.url, "real"), at(shadow.url, "shadow", tier="large")]
        async with configured(tmp_path, deployments, dispatch="mirror: {to: shadow, share: 100%}") as router:
            answers = []
            while len(shadow.received) < 1:
                answers.append((await router.acomplete("Hello there")).text)
            await asyncio.sleep(0.05)
            answers += [(await router.acomplete("Hello there")).text for _ in range(5)]
        # No copy is sent to a shadow that is cooling down.
        assert len(shadow.received) < 4
    assert set(answers) == {"real"}


async def test_a_mirror_is_bound_by_the_verdict(tmp_path: Path) -> None:
    async with Upstream() as up, Upstream() as shadow:
        deployments = [at(up.url, "real", extra=", in_house: true"), at(shadow.url, "shadow", tier="large")]
        mine, mirror = policy("forbid: llm"), "mirror: {to: shadow, share: 100%}"
        async with configured(tmp_path, deployments, policy=mine, dispatch=mirror) as router:
            await router.acomplete("Hello there")
            await asyncio.sleep(0.1)
        assert len(up.received) == 1
        assert not shadow.received


def test_a_mirror_to_nowhere_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shadow"):
        configured(tmp_path, [at("http://127.0.0.1:1/v1", "real")], dispatch="mirror: {to: shadow, share: 2%}")


# ----- conversations ----------------------------------------------------------------------------------------------

LONG = "These are the rules of the house, all of which you know by heart. " * 120
USED = {"prompt_tokens": 2000, "completion_tokens": 10, "total_tokens": 2010}
CACHED = {**USED, "prompt_tokens_details": {"cached_tokens": 1900}}


def talk(turns: int) -> list[dict[str, str]]:
    messages = [{"role": "system", "content": LONG}, {"role": "user", "content": "Hello"}]
    for turn in range(turns):
        messages += [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": f"Question {turn}"}]
    return messages


async def test_a_conversation_stays_where_it_is_warm(tmp_path: Path) -> None:
    cached = Answer(usage=CACHED)
    async with Upstream(default=cached) as one, Upstream(default=cached) as other:
        deployments = [at(one.url, "one", extra=", group: all"), at(other.url, "other", extra=", group: all")]
        async with configured(tmp_path, deployments) as router:
            answers = [await router.acomplete(messages=talk(turn)) for turn in range(6)]
    assert len({answer.outcome.model for answer in answers}) == 1
    last = answers[-1].decision
    assert last.estimate.saved_usd > 0
    assert "the conversation stays: 2,000 warm tokens save" in last.reason


async def test_a_provider_without_a_cache_keeps_nobody(tmp_path: Path) -> None:
    async with Upstream(default=Answer(usage=USED)) as up, configured(tmp_path, [at(up.url, "one")]) as router:
        for turn in range(2):
            await router.acomplete(messages=talk(turn))
        decision = router.decide(messages=talk(2))
    assert not decision.snapshot.warm


async def test_a_failure_moves_a_conversation(tmp_path: Path) -> None:
    script = [Answer(usage=CACHED), Fault(status=401)]
    async with Upstream(script) as one, Upstream(default=Answer(usage=CACHED, text="moved")) as other:
        deployments = [at(one.url, "a-one"), at(other.url, "b-other")]
        async with configured(tmp_path, deployments) as router:
            answers = [await router.acomplete(messages=talk(turn)) for turn in range(3)]
    assert [answer.outcome.model for answer in answers] == ["a-one", "b-other", "b-other"]


async def test_a_real_saving_moves_a_conversation(tmp_path: Path) -> None:
    async with Upstream(default=Answer(usage=CACHED)) as dear, Upstream(default=Answer(usage=CACHED)) as cheap:
        # The large one is asked for by a rule at first; then it is free to go where it costs less.
        price = "price_per_million: {input: $0.01, output: $0.01}"
        little = f'name: little, model: l, tier: small, backend: openai, api_base: "{cheap.url}", {price}'
        mine = policy("tier: large").replace("id: MINE,", "id: MINE, when: {messages: '<3'},")
        async with configured(tmp_path, [at(dear.url, "big", tier="large"), little], policy=mine) as router:
            answers = [await router.acomplete(messages=talk(turn)) for turn in range(2)]
    assert [answer.outcome.model for answer in answers] == ["big", "little"]
    assert "the conversation leaves big" in answers[-1].decision.reason


class ClosesWhatItKept:
    """Answers the first request of each connection, and closes on the next one without a word."""

    BODY = (
        b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        b'"message":{"role":"assistant","content":"Hello."}}],"usage":{"prompt_tokens":10,"completion_tokens":2,'
        b'"total_tokens":12}}'
    )
    connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            size = b"Content-Length: %d" % len(self.BODY)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%b\r\n\r\n%b" % (size, self.BODY))
            await reader.readuntil(b"\r\n\r\n")
        writer.close()


async def test_a_kept_connection_that_was_closed_costs_nothing(tmp_path: Path) -> None:
    server = ClosesWhatItKept()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    async with configured(tmp_path, [at(url, "little")]) as router:
        for _ in range(4):
            outcome = (await router.acomplete(HARD)).outcome
            assert [attempt.error for attempt in outcome.attempts] == [None]
            assert outcome.usd == pytest.approx(10e-6 + 8e-6)
    assert server.connections == 4
    listening.close()
