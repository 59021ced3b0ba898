"""What is wrong in a policy is told with file, line, column and a suggestion."""

from __future__ import annotations

import pytest

from router.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("ruls: []", "4:1", 'unknown key "ruls"; did you mean "rules"?'),
        ("rules: [{id: A, when: {task: sentimant}, then: {prefer: llm}, why: w}]", "4:30", 'did you mean "sentiment"?'),
        ("rules: [{id: A, when: {task: [ner, nly]}, then: {prefer: llm}, why: w}]", "4:36", 'did you mean "nli"?'),
        ("rules: [{id: A, when: {tsk: ner}, then: {prefer: llm}, why: w}]", "4:24", 'did you mean "task"?'),
        ("rules: [{id: A, then: {prefer: lokal}, why: w}]", "4:32", 'did you mean "local"?'),
        ("rules: [{id: A, then: {prefr: llm}, why: w}]", "4:24", 'did you mean "prefer"?'),
        ("rules: [{id: A, then: {}, why: w}]", "4:23", "must ask for something"),
        ("rules: [{id: A, when: {noise: }, then: {prefer: llm}, why: w}]", "4:24", 'the key "noise" has no value'),
        ("rules: [{id: A, when: {any: [{}]}, then: {prefer: llm}, why: w}]", "4:23", "empty condition"),
        ("rules: [{id: A, then: {prefer: llm}}]", "4:9", 'the key "why" of rules.0 is missing'),
        ("rules: [{id: A, when: {noise: 1}, then: {prefer: llm}, why: w}]", "4:31", "noise: "),
        ('rules: [{id: A, when: {noise: "yes"}, then: {prefer: llm}, why: w}]', "4:31", "must be true or false"),
        ('rules: [{id: A, when: {annotated: "many"}, then: {prefer: llm}, why: w}]', "4:35", 'no threshold "many"'),
        ('rules: [{id: A, when: {annotated: ">=<3"}, then: {prefer: llm}, why: w}]', "4:35", "is not a comparison"),
        ("rules: [{id: A, when: {annotated: true}, then: {prefer: llm}, why: w}]", "4:35", "write a comparison"),
        ('rules: [{id: A, when: {task_probability: "<140%"}, then: {prefer: llm}, why: w}]', "4:42", "outside 0..1"),
        ("rules: [{id: A, when: {safety: jailbrake}, then: {prefer: llm}, why: w}]", "4:32", 'mean "jailbreak"?'),
        ("rules: [{id: A, when: {safety: {sevrity: low}}, then: {prefer: llm}, why: w}]", "4:33", '"severity"'),
        ("rules: [{id: A, when: {unknown: safty}, then: {prefer: llm}, why: w}]", "4:33", 'did you mean "safety"?'),
        ("rules: [{id: A, when: {custom: {task: ner}}, then: {prefer: llm}, why: w}]", "4:23", "outside custom"),
        ("rules: [{id: A, when: {ood: maybe}, then: {prefer: llm}, why: w}]", "4:29", 'unknown value "maybe"'),
        ("rules: [{id: A, then: {prefer: local, tier: large}, why: w}]", "4:23", "does not go with prefer: local"),
        ("rules: [{id: A, then: {fallbak: [x]}, why: w}]", "4:24", 'did you mean "fallback"?'),
        ("rules: [{id: A, then: {fallback: [x, 3]}, why: w}]", "4:38", "must be text"),
        ("rules: [{id: A, then: {mirror: {to: x}}, why: w}]", "4:32", 'the key "share"'),
        ("rules: [{id: A, then: {mirror: {to: x, share: 0%}}, why: w}]", "4:47", "greater than 0"),
        ("rules: [{id: A, then: {mirror: {to: x, share: 200%}}, why: w}]", "4:47", "outside 0..1"),
        ("rules: [{id: A, then: {mirror: x}, why: w}]", "4:32", "mirror: "),
        ("rules: [{id: A, obligation: o, why: w}]", "4:9", "fulfilled_by"),
        ("rules: [{id: A, then: {warn: x}, why: w}, {id: A, then: {warn: y}, why: w}]", "4:48", "stands twice"),
        ("rules: hello", "4:8", "rules: "),
        ("rules: [7]", "4:9", "must be a mapping"),
        ("budgets: {max_usd: -1}", "4:20", "max_usd: "),
        ("budgets: {max_usd: 1 EUR}", "4:20", "is not an amount of money"),
        ("budgets: {}", "4:10", "leave budgets out"),
        ("objective: {speed: 3}", "4:13", 'unknown key "speed"'),
        ("promises: [{task: ner, max_error: 120%}]", "4:35", "outside 0..1"),
        ("override: {NLU-01: {then: {prefer: llm}}}", "4:12", 'no inherited rule is called "NLU-01"'),
        ("disable: [NLU-01]", "4:11", 'no inherited rule is called "NLU-01"'),
        ("extends: guid", "4:10", 'there is no policy "guid"'),
        ("examples: [{name: a, signals: {task: nor}, expect: {refuse: true}}]", "4:38", 'did you mean "ner"?'),
        ("examples: [{name: a, expect: {}}]", "4:30", "must expect something"),
        ("flow: [{id: F1, ask: q, when: {noise: true}, yes: F2, no: llm}]", "4:51", "neither a step"),
        ("flow: [{id: F1, ask: q, when: {noise: true}, yes: F1, no: llm}]", "4:8", "leads in a circle: F1 -> F1"),
        (
            "rules: [{id: A, then: {prefer: llm}, why: w, over: B}, {id: B, then: {prefer: llm}, why: w, over: A}]",
            "4:52",
            "in a circle: A over B over A",
        ),
    ],
)
def test_mistake_is_told_with_its_place(read, text: str, place: str, words: str) -> None:
    from router.policy.compile import compile_policy

    with pytest.raises(ConfigError) as caught:
        compile_policy(read(text))
    assert str(caught.value).startswith(f"mine.yaml:{place}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2]\n", "just words\n\n", "\n", "policy: x\n"])
def test_file_that_is_no_policy_is_refused(read, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, whole=True)
    assert str(caught.value).startswith("mine.yaml:1:1: ")


def test_policy_without_otherwise_is_refused(read) -> None:
    with pytest.raises(ConfigError, match=r'"otherwise" is missing.*otherwise: \{prefer: llm\}'):
        read("policy: x\ndescription: y\n", whole=True)


def test_further_mistakes_are_counted(read) -> None:
    with pytest.raises(ConfigError, match=r"\(1 more"):
        read("rules: [{id: A, then: {prefr: llm}, why: w}]\nruls: 1")


def test_units_are_read_as_written(read) -> None:
    policy = read("budgets: {max_usd: 0.2 ct, max_latency_ms: 1.5s}\npromises: [{task: ner, max_error: 2%}]")
    assert policy.budget.max_usd == pytest.approx(0.002)
    assert policy.budget.max_latency_ms == pytest.approx(1500)
    assert policy.promises[0].max_error == pytest.approx(0.02)
