"""What is proved of own signals, fallbacks and copies, against brute force: sampled requests through the real judge."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.catalogue import Deployment
from router.policy.compile import CompiledPolicy, compile_policy
from router.policy.example_schema import Example
from router.policy.examples import given_signals
from router.policy.judge import judge
from router.policy.lint import lint
from router.policy.read import resolve
from router.price import Price
from router.selection.beside import mirror_loss, named_fallbacks
from router.selection.candidates import candidates, make_fleet
from router.selection.feasible import find_infeasible
from router.spec import validated
from router.types import Candidate, Snapshot, Verdict

FREE = Price(input=0.0, output=0.0)
FLEET = make_fleet(
    [
        Deployment(name="out", model="a/out", tier="small", price=FREE),
        Deployment(name="big", model="a/big", tier="large", price=FREE),
        Deployment(name="home", model="a/home", tier="large", price=FREE, in_house=True),
    ],
    [],
)
SIGNALS = {
    "mood": {"keywords": {"angry": ["furious"], "calm": ["thanks"]}},
    "big": {"regex": "x{9}"},
    "rude": {"keywords": ["damn"], "number": True},
    "near": {"examples": ["refund"], "number": True},
}
own = st.fixed_dictionaries(
    {},
    optional={
        "mood": st.sampled_from(["angry", "calm", "none", ["angry", "calm"], ["angry", "calm", "none"]]),
        "big": st.booleans(),
        "rude": st.sampled_from([">=2", ">0, <3", "=1", "<1"]),
        "near": st.sampled_from([">=0.5", ">0.9", "<0.5", ">0.5, <0.9"]),
    },
).filter(bool)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "custom": own,
        "task": st.sampled_from(["ner", "nli"]),
        "safety": st.sampled_from(["clean", "pii", "harmful"]),
        "unknown": st.sampled_from(["safety", "custom.mood"]),
    },
)
whens = st.one_of(conditions, st.builds(lambda inner: {"not": inner}, conditions.filter(bool)))
thens = st.sampled_from(
    [
        {"prefer": "local"},
        {"forbid": ["llm"]},
        {"require": ["big"]},
        {"refuse": "No."},
        {"redact": ["pii"]},
        {"fallback": ["out"]},
        {"fallback": ["big", "home"]},
        {"mirror": {"to": "out", "share": 1}},
        {"mirror": {"to": "home", "share": 1}},
        {"tier": "large", "mirror": {"to": "big", "share": 1}},
    ]
)
requests = st.fixed_dictionaries(
    {
        "signals": st.fixed_dictionaries(
            {},
            optional={
                "task": st.sampled_from(["ner", "nli", "code"]),
                "safety": st.lists(st.fixed_dictionaries({"kind": st.sampled_from(["pii", "harmful"])}), max_size=2),
                "custom": st.fixed_dictionaries(
                    {},
                    optional={
                        "mood": st.sampled_from(["angry", "calm", "none"]),
                        "big": st.booleans(),
                        "rude": st.integers(0, 4),
                        "near": st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.9, 0.95, 1.0]),
                    },
                ),
            },
        )
    }
)


@st.composite
def policies(draw: st.DrawFn) -> CompiledPolicy:
    rules = [{"id": name, "when": draw(whens), "then": draw(thens), "why": "w"} for name in "ABC"]
    text = {"policy": "p", "otherwise": {"prefer": "llm"}, "signals": SIGNALS, "rules": rules}
    return compile_policy(resolve(json.dumps(text) + "\n", lambda name: (name, ""), file="p.yaml"))


def judged(policy: CompiledPolicy, request: Any) -> tuple[Verdict, tuple[Candidate, ...]]:
    signals = given_signals(validated(Example, {"name": "n", **request, "expect": {"warns": True}}))
    verdict = judge(policy, signals, signals.request)
    assert isinstance(verdict, Verdict)
    return verdict, candidates(signals.request, signals, verdict, FLEET, Snapshot(id="", now_s=0.0))


def kept_from(policy: CompiledPolicy, request: Any) -> set[tuple[str, str]]:
    """The rules that name somebody whom another rule keeps from ``request``, and whether as fallback or mirror."""
    verdict, found = judged(policy, request)
    if verdict.refuse is not None:
        return set()
    able = tuple(each.model for each in found if each.failed != "policy")
    fired = {each.id for each in verdict.rules}
    kept: set[tuple[str, str]] = set()
    for rule in policy.rules:
        if rule.id not in fired:
            continue
        if rule.fallback and not named_fallbacks(rule.fallback, able, FLEET):
            kept.add((rule.id, "unsafe-fallback"))
        for each in dict(rule.asks).get("mirror", ()):
            if mirror_loss(each.to, found, None) is not None:
                kept.add((rule.id, "unsafe-mirror"))
    return kept


@settings(max_examples=60, deadline=None)
@given(policies(), st.lists(requests, min_size=50, max_size=50))
def test_no_request_contradicts_what_is_found(policy: CompiledPolicy, sample: list[Any]) -> None:
    proved = lint(policy)
    findings = find_infeasible(policy, FLEET)
    never_fires = {each.rule for each in proved if each.kind == "unreachable"}
    told = {(each.rule, each.kind) for each in findings if each.kind.startswith("unsafe")}
    always = {
        (each.rule, each.kind) for each in findings if each.kind.startswith("unsafe") and each.severity == "error"
    }
    never_served = {each.rule for each in findings if each.kind == "infeasible" and each.severity == "error"}
    for request in sample:
        verdict, found = judged(policy, request)
        fired = {each.id for each in verdict.rules}
        assert not never_fires & fired
        if verdict.refuse is not None:
            continue
        # Nobody is kept from a request unless that was told of the rule; a rule that nobody can serve is told itself.
        for rule, kind in kept_from(policy, request):
            assert (rule, kind) in told or rule in never_served or not any(each.failed is None for each in found)
        for rule, kind in always:
            words = next(each for each in policy.rules if each.id == rule).fallback or ()
            if rule in fired and (kind == "unsafe-mirror" or len(words) == 1):
                assert (rule, kind) in kept_from(policy, request)


@settings(max_examples=60, deadline=None)
@given(policies())
def test_each_witness_shows_what_is_found(policy: CompiledPolicy) -> None:
    for each in find_infeasible(policy, FLEET):
        if not each.kind.startswith("unsafe") or each.witness is None:
            continue
        verdict, found = judged(policy, each.witness)
        assert each.rule in {fired.id for fired in verdict.rules}
        assert verdict.refuse is None
        if "as they are" in each.message:
            assert not verdict.redact
            assert verdict.prefer == "local" or any(fired.outcome == "local" for fired in verdict.rules)
            assert any(candidate.failed is None and candidate.model != "home" for candidate in found)
        elif "nobody is left" in each.message or each.kind == "unsafe-mirror":
            assert (each.rule, each.kind) in kept_from(policy, each.witness)
