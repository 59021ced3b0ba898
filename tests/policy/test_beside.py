"""`fallback` and `mirror`: who is named, what binds all the same, and which of them break a rule that protects."""

from __future__ import annotations

import pytest

from router.catalogue import Deployment, LocalCard, Price
from router.policy.compile import compile_policy
from router.policy.example_schema import Example
from router.policy.examples import given_signals
from router.policy.judge import judge
from router.selection.best_case import BestCases
from router.selection.candidates import candidates, make_fleet
from router.selection.choose import choose
from router.selection.feasible import find_infeasible
from router.spec import validated
from router.types import Decision, Message, Mirroring, PolicyRef, Request, Signals, Snapshot

CARD = LocalCard(
    name="mood", task="sentiment", labels=("good", "bad"), maker="linear", languages=("en",), rows=5000, threshold=0.9,
    ood_threshold=0.1, licence="MIT", data_hash="0", files={}, promise={"max_error": 0.05},
)  # fmt: skip


def deployment(name: str, tier: str = "small", *, price: float = 1e-6, **more: object) -> Deployment:
    return Deployment(
        name=name, model=f"a/{name}", tier=tier, price=Price(input=price, output=2 * price), context_tokens=8000, **more
    )  # type: ignore[arg-type]


FLEET = make_fleet(
    [
        deployment("mini"), deployment("mini-b", price=2e-6),
        deployment("maxi", "large", price=1e-5, tags=frozenset({"eu"})),
        deployment("home", "large", price=0.0, in_house=True), deployment("shadow", price=3e-6),
    ],
    [CARD],
)  # fmt: skip


def decided(policy, *, number: int = 0, model: str = "auto", max_usd: str = "", **signals: object) -> Decision:
    compiled = compile_policy(policy)
    example = {"name": "e", "signals": {"safety": [], **signals}, "expect": {"warns": True}}
    if max_usd:
        example["budget"] = {"max_usd": max_usd}
    known = given_signals(validated(Example, example))
    request = Request(messages=known.request.messages, model=model, hints=known.request.hints)
    known = Signals.given(request, known.known())
    verdict = judge(compiled, known, request)
    snapshot = Snapshot(id=f"id-{number}", now_s=0.0)
    found = candidates(request, known, verdict, FLEET, snapshot)  # type: ignore[arg-type]
    return choose(request, known, verdict, found, FLEET, PolicyRef(name="mine", hash=""), snapshot)  # type: ignore[arg-type]


def rules(*then: str) -> str:
    listed = ", ".join(f"{{id: R{number}, {each}, why: w}}" for number, each in enumerate(then))
    return f"rules: [{listed}]"


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        ("[maxi, mini-b]", ("maxi", "mini-b")),
        ("mini-b", ("mini-b",)),
        ("a/maxi", ("maxi",)),
        ("[eu, home]", ("maxi", "home")),
        ("[large]", ("home", "maxi")),
        ("[in_house, small]", ("home", "mini-b", "shadow")),
        ("[maxi, llm]", ("maxi", "mini-b", "shadow", "home")),
        ("[mini]", ()),
        ("[]", ()),
    ],
)
def test_the_fallbacks_are_those_named_in_their_order(read, fallback: str, expected: tuple[str, ...]) -> None:
    decision = decided(read(rules(f"then: {{tier: small, fallback: {fallback}}}")))
    assert decision.target.model == "mini"
    assert decision.fallbacks == expected


def test_without_the_word_all_able_ones_follow(read) -> None:
    assert len(decided(read(rules("then: {tier: small}"))).fallbacks) == 4


def test_what_binds_binds_a_fallback(read) -> None:
    keep = rules("then: {fallback: [maxi, home]}", "when: {safety: clean}, then: {forbid: llm}")
    assert (decided(read(keep)).target.model, decided(read(keep)).fallbacks) == ("home", ())
    eu = rules("then: {fallback: [llm]}", "then: {require: eu}")
    assert decided(read(eu)).fallbacks == ()
    dear = rules("then: {tier: small, fallback: [maxi, mini-b]}")
    assert decided(read(dear), max_usd="$0.001", tokens=[100, 100, 200]).fallbacks == ("mini-b",)
    assert decided(read(dear), model="mini").fallbacks == ()


def test_the_first_rule_that_names_fallbacks_decides(read) -> None:
    two = rules("then: {fallback: [maxi]}", "when: {task: ner}, then: {fallback: [home]}")
    assert decided(read(two), task="ner").fallbacks == ("home",)  # more conditions
    assert decided(read(two), task="nli").fallbacks == ("maxi",)
    over = rules("then: {fallback: [maxi]}, over: [R1]", "when: {task: ner}, then: {fallback: [home]}")
    assert decided(read(over), task="ner").fallbacks == ("maxi",)


def test_money_pays_for_the_named_fallbacks_alone(read) -> None:
    """The dearest fallback bounds how long an answer may be; one that is not named does not."""
    limits = {
        words: decided(read(rules(f"then: {{tier: small, fallback: {words}}}")), max_usd="$0.01", tokens=[10, 50, 9000])
        for words in ("[mini-b]", "[maxi]")
    }
    most = {words: decision.max_output_tokens or 9000 for words, decision in limits.items()}
    assert most["[mini-b]"] > most["[maxi]"]


# ----- mirrors ----------------------------------------------------------------------------------------------------

ALL = "then: {tier: small, mirror: {to: shadow, share: 100%}}"


def test_a_share_is_drawn_by_the_id(read) -> None:
    policy = read(rules("then: {tier: small, mirror: {to: shadow, share: 30%}}"))
    drawn = [decided(policy, number=number).mirrors for number in range(400)]
    assert {*drawn} == {(), ("shadow",)}
    assert 80 <= drawn.count(("shadow",)) <= 160
    assert drawn == [decided(policy, number=number).mirrors for number in range(400)]


def test_draws_for_two_shadows_are_independent(read) -> None:
    policy = read(
        rules("then: {tier: small, mirror: {to: shadow, share: 50%}}", "then: {mirror: {to: maxi, share: 50%}}")
    )
    drawn = [decided(policy, number=number).mirrors for number in range(400)]
    assert all(60 <= drawn.count(each) <= 140 for each in ((), ("shadow",), ("maxi",), ("shadow", "maxi")))


def test_of_two_shares_the_larger_counts(read) -> None:
    policy = rules("then: {mirror: {to: shadow, share: 1%}}", "then: {mirror: {to: shadow, share: 4%}}")
    assert decided(read(policy)).verdict.mirror == (Mirroring(to="shadow", share=0.04),)


@pytest.mark.parametrize(
    ("more", "signals", "is_copied"),
    [
        ("when: {task: ner}, then: {warn: x}", {}, True),
        ("when: {safety: harmful}, then: {forbid: llm}", {"safety": [{"kind": "harmful"}]}, False),
        ("when: {safety: harmful}, then: {require: in_house}", {"safety": [{"kind": "harmful"}]}, False),
        ("when: {safety: harmful}, then: {require: local}", {"may_answer": True}, True),
        ("when: {safety: harmful}, then: {refuse: No.}", {"safety": [{"kind": "harmful"}]}, False),
        ("then: {forbid: shadow}", {}, False),
        ("then: {budget: {max_usd: $0.000002}}", {"tokens": [1, 1, 1]}, False),
    ],
)
def test_what_binds_the_request_binds_its_copy(read, more: str, signals: dict, is_copied: bool) -> None:
    assert (decided(read(rules(ALL, more)), **signals).mirrors == ("shadow",)) is is_copied


def test_who_answers_gets_no_copy(read) -> None:
    assert decided(read(rules("then: {tier: small, mirror: {to: mini, share: 100%}}"))).mirrors == ()
    assert decided(read(rules("then: {mirror: {to: nobody, share: 100%}}"))).mirrors == ()
    assert decided(read(rules(ALL)), model="mini").mirrors == ("shadow",)


# ----- what check says --------------------------------------------------------------------------------------------


COPIED = "when: {task: ner}, then: {mirror: {to: maxi, share: 1%}}"


def told(read, text: str):
    findings = find_infeasible(compile_policy(read(text)), FLEET)
    return [(each.kind, each.severity, each.rule) for each in findings if each.severity != "note"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rules("then: {fallback: [maxi, home]}"), []),
        (rules("then: {fallback: [maxy]}"), [("unknown-name", "error", "R0")]),
        (rules("then: {fallback: [local]}"), [("unknown-name", "error", "R0")]),
        (rules("then: {mirror: {to: shadou, share: 1%}}"), [("unknown-name", "error", "R0")]),
        (rules("then: {mirror: {to: small, share: 1%}}"), [("unknown-name", "error", "R0")]),
        (rules("when: {tokens.input: '<100'}, then: {fallback: [maxi]}"), []),
        (
            rules("when: {tokens.input: '>8000'}, then: {fallback: [maxi]}"),
            [("infeasible", "warning", "R0")],
        ),
        (rules("then: {forbid: llm, fallback: [maxi]}"), [("unsafe-fallback", "error", "R0")]),
        (rules("then: {forbid: llm, mirror: {to: maxi, share: 1%}}"), [("unsafe-mirror", "error", "R0")]),
        (rules("then: {forbid: llm, mirror: {to: home, share: 1%}}"), []),
        (
            rules("when: {task: ner}, then: {fallback: [maxi]}", "when: {safety: pii}, then: {forbid: llm}"),
            [("unsafe-fallback", "warning", "R0")],
        ),
        (rules("when: {task: ner}, then: {fallback: [home]}", "when: {safety: pii}, then: {forbid: llm}"), []),
        (rules("when: {task: ner}, then: {fallback: [maxi, home]}", "when: {safety: pii}, then: {forbid: llm}"), []),
        (rules("when: {task: ner}, then: {fallback: [maxi]}", "when: {task: nli}, then: {forbid: llm}"), []),
        (
            rules("when: {task: ner}, then: {fallback: [maxi]}", "when: {task: [ner, nli]}, then: {forbid: llm}"),
            [("unsafe-fallback", "error", "R0")],
        ),
        (
            rules(
                "when: {task: ner}, then: {mirror: {to: maxi, share: 1%}}", "when: {safety: pii}, then: {forbid: llm}"
            ),
            [("unsafe-mirror", "warning", "R0")],
        ),
        (
            rules(
                "when: {task: ner}, then: {mirror: {to: maxi, share: 1%}}", "when: {safety: pii}, then: {refuse: No.}"
            ),
            [],
        ),
        (
            rules(
                COPIED,
                "when: {safety: pii}, then: {prefer: local, redact: pii}",
            ),
            [],
        ),
        (rules("then: {tier: small, escalate: {on: contract}, fallback: [mini-b]}"), [("infeasible", "warning", "R0")]),
        (rules("then: {tier: small, escalate: {on: contract}, fallback: [mini-b, maxi]}"), []),
    ],
)
def test_what_cannot_be_or_breaks_a_rule_is_found(read, text: str, expected: list) -> None:
    assert told(read, text) == expected


def test_a_copy_of_what_should_stay_local_is_found(read) -> None:
    """A rule that only prefers a local model does not keep a copy in the house."""
    text = rules(
        "when: {task: sentiment}, then: {mirror: {to: maxi, share: 1%}}", "when: {safety: pii}, then: {prefer: local}"
    )
    assert ("unsafe-mirror", "warning", "R0") in told(read, text)
    assert ("unsafe-mirror", "warning", "R0") not in told(read, text.replace("to: maxi", "to: home"))


def test_a_witness_shows_what_is_said(read) -> None:
    """Both rules fire for it, and the one that is named gets nothing."""
    text = rules("when: {task: ner}, then: {fallback: [maxi]}", "when: {safety: pii}, then: {forbid: llm}")
    policy = compile_policy(read(text))
    [found] = [each for each in find_infeasible(policy, FLEET) if each.kind == "unsafe-fallback"]
    assert str(found.place).startswith("mine.yaml:4:")
    signals = given_signals(validated(Example, {"name": "w", **found.witness, "expect": {"warns": True}}))
    verdict = judge(policy, signals, signals.request)
    assert {fired.id for fired in verdict.rules} == {"R0", "R1"}
    request = Request(messages=(Message(role="user", text="x"),))
    able = candidates(request, signals, verdict, BestCases(policy, FLEET).fleet, Snapshot(id="", now_s=0.0))
    assert [each.model for each in able if each.failed is None and each.kind == "llm"] == ["home"]
