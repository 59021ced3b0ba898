"""The regulated preset: clean < unknown < flagged, whatever else is observed; and it fails closed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import Router
from router.config import Settings
from router.errors import ConfigError, RouterError
from router.policy.compile import CompiledPolicy, compile_policy
from router.policy.example_schema import Example
from router.policy.examples import given_signals
from router.policy.judge import judge
from router.spec import validated
from router.types import TASKS, Verdict

others = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from(TASKS),
        "annotated": st.sampled_from([0, 50, 5000]),
        "ood": st.sampled_from(["in", "out"]),
        "noise": st.booleans(),
        "stakes": st.sampled_from(["none", "medical"]),
        "labels": st.just(["a", "b"]),
        "intents": st.integers(1, 3),
        "reasoning": st.booleans(),
    },
)
flags = st.lists(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["harmful", "jailbreak", "prompt_injection", "pii"]), "score": st.floats(0.65, 1.0)}
    ),
    min_size=1,
    max_size=3,
)


def judged(policy: CompiledPolicy, signals: dict[str, Any]) -> Verdict:
    example = validated(Example, {"name": "n", "signals": signals, "expect": {"warns": True}})
    given_ = given_signals(example)
    verdict = judge(policy, given_, given_.request)
    assert isinstance(verdict, Verdict)
    return verdict


@settings(max_examples=80, deadline=None)
@given(others, flags)
def test_more_suspicion_never_binds_less(builtin, seen: dict[str, Any], raised: list[dict[str, Any]]) -> None:
    policy = builtin["regulated"]
    clean = judged(policy, {**seen, "safety": []})
    unknown = judged(policy, {key: value for key, value in seen.items() if key != "safety"})
    flagged = judged(policy, {**seen, "safety": raised})
    assert clean.check <= unknown.check
    assert clean.forbid <= unknown.forbid
    assert "llm" in unknown.forbid
    assert flagged.refuse is not None or "llm" in flagged.forbid


@pytest.mark.parametrize("disabled", ["[REG-UNKNOWN, REG-ANSWER, OPS-04-unknown]"])
def test_child_that_leaves_a_gap_does_not_load(read, disabled: str) -> None:
    with pytest.raises(ConfigError, match="fail_closed: where safety is unknown"):
        compile_policy(read(f"extends: regulated\ndisable: {disabled}"))


def test_child_cannot_switch_it_off(read) -> None:
    file = read("extends: regulated\nfail_closed: false\ndisable: [REG-UNKNOWN, REG-ANSWER, OPS-04-unknown]")
    assert file.fail_closed
    with pytest.raises(ConfigError, match="fail_closed"):
        compile_policy(file)


def test_child_that_keeps_the_lattice_loads(read) -> None:
    assert compile_policy(read("extends: regulated\ndisable: [REG-ANSWER]")).file.fail_closed


def test_flag_taints_the_conversation() -> None:
    card = "My card number is 4539 1488 0343 6467, please remember it."
    with Router(Settings(policy="regulated")) as router:
        clean = router.decide("Write a story about a fox.")
        assert clean.target.kind == "llm"
        turns = [
            {"role": "user", "content": card},
            {"role": "assistant", "content": "I will."},
            {"role": "user", "content": "Now write a story about a fox."},
        ]
        with pytest.raises(RouterError, match="the policy forbids llm here"):
            router.decide(messages=turns)
