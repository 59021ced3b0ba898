"""`signals` and `models` in a policy file: slips have a place, children inherit, and reasoning knows the values."""

from __future__ import annotations

import pytest

from router.errors import ConfigError
from router.policy.compile import compile_policy
from router.policy.lint import Finding, lint
from router.policy.read import resolve

SIGNALS = "signals: {mood: {keywords: {angry: [furious], calm: [thanks]}}, big: {regex: 'x{9}'}, rude: {keywords: [damn], number: true}}"  # noqa: E501
KNOWN = frozenset({"task", "safety"})


def rule(when: str, then: str = "tier: large") -> str:
    return f"{SIGNALS}\nrules: [{{id: A, when: {{{when}}}, then: {{{then}}}, why: w}}]"


def found(read, text: str) -> list[Finding]:
    return [each for each in lint(read(text), KNOWN) if each.kind != "gap"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("signals: {a: {keyword: [x]}}", "4:15", 'did you mean "keywords"'),
        ("signals: {a: {keywords: [x], regex: y}}", "4:14", "one of keywords, regex, examples and python"),
        ("signals: {a: {}}", "4:14", "one of keywords"),
        ("signals: {a: {regex: '('}}", "4:22", "no regular expression"),
        ("signals: {a: {regex: [x, '(a+)+']}}", "4:26", "repeats a repeat"),
        ("signals: {a: {keywords: {none: [x]}}}", "4:25", '"none" cannot be a name'),
        ("signals: {a: {keywords: {b: [x, '*']}}}", "4:33", "is no keyword"),
        ("signals: {a: {keywords: []}}", "4:25", "at least 1"),
        ("signals: {a: {keywords: }}", "4:15", "has no value"),
        ("signals: {a: {examples: [x], threshold: 140%}}", "4:41", "is outside 0..1"),
        ("signals: {a: {keywords: [x], threshold: 40%}}", "4:14", "goes with examples"),
        ("signals: {a: {examples: {b: [x]}, number: true}}", "4:14", "lists by name"),
        ("signals: {a: {keywords: [x], read: lst}}", "4:36", 'did you mean "last"'),
        ("signals: {task: {keywords: [x]}}", "4:17", '"task" is a signal of the router'),
        ("signals: {'a b': {keywords: [x]}}", "4:18", "is no name"),
        (
            "signals: {up: {keywords: [x]}}\nrules: [{id: A, when: {any: [{up: 1}]}, then: {tier: large}, why: w}]",
            "5:31",
            "ask for it as custom: {up: ...}",
        ),
        ("models: [{name: a}]", "4:10", 'the key "model"'),
        ("models: [{name: a, model: m, teir: small}]", "4:30", 'did you mean "tier"'),
        ("models: [{name: a, model: m, tier: lage}]", "4:36", 'did you mean "large"'),
        ("models: [{name: a, model: m, capabilities: [visoin]}]", "4:45", 'did you mean "vision"'),
        ("models: [{name: a, model: m, quality: {codes: 0.5}}]", "4:39", 'did you mean "code"'),
        ("models: [{name: a, model: m, params: {api_key: sk-1}}]", "4:38", "must not stand in the file"),
        ("models: [{name: a, model: m, api_base: 'http://u:p@h/v1'}]", "4:40", "password must not stand"),
        ("models: [{name: a, model: m, key_env: sk-1234}]", "4:39", "name of an environment variable"),
        ("models: [{name: a, model: m}, {name: a, model: n}]", "4:38", "named twice"),
        ("models: [{name: a, model: m, price_per_million: {input: cheap}}]", "4:57", "not an amount of money"),
    ],
)
def test_slip_has_a_place(read, text: str, place: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(text)
    assert str(raised.value).startswith(f"mine.yaml:{place}: ")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("custom: {mood: angree}", 'never "angree"; did you mean "angry"'),
        ("custom: {mood: [calm, happy]}", "it is one of: none, angry, calm"),
        ("custom: {mood: true}", 'never "True"'),
        ("custom: {big: yes}", "it is one of: false, true"),
        ("custom: {big: '>2'}", 'never ">2"'),
        ("custom: {rude: true}", "is a number"),
    ],
)
def test_a_value_that_a_signal_never_has_does_not_load(read, when: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml:5:3\d: ") as raised:
        compile_policy(read(rule(when)))
    assert words in str(raised.value)


def test_a_signal_that_is_not_defined_is_an_error(read) -> None:
    (first,) = (
        each for each in found(read, rule("any: [{task: ner}, {custom: {moood: angry}}]")) if each.severity == "error"
    )
    assert (str(first.place), first.severity, first.kind) == ("mine.yaml:5:60", "error", "signal-off")
    assert 'did you mean "mood"' in first.message
    unknown = found(read, rule("unknown: custom.mod"))
    assert [(each.severity, each.kind) for each in unknown if each.severity == "error"] == [("error", "signal-off")]


def test_a_signal_that_nobody_asks_for_is_told(read) -> None:
    told = {each.message for each in found(read, rule("custom: {mood: angry}")) if each.kind == "unused"}
    assert told == {"no condition asks for the signal big.", "no condition asks for the signal rude."}


def test_a_slip_in_an_example_is_told(read) -> None:
    examples = "\nexamples: [{name: e, signals: {custom: {moood: calm, mood: clam}}, expect: {tier: none}}]"
    wrong = [each for each in found(read, rule("custom: {mood: angry}") + examples) if each.place.line == 6]
    assert [(each.kind, each.severity) for each in wrong] == [("unknown-name", "warning"), ("example", "warning")]
    assert 'did you mean "mood"' in wrong[0].message
    assert "it is one of: none, angry, calm" in wrong[1].message


def test_reasoning_knows_the_values_of_own_signals(read) -> None:
    """Nothing but none, angry and calm is there, so what is none of them is nothing."""
    impossible = rule("not: {custom: {mood: [none, angry, calm]}}")
    assert [each.kind for each in found(read, impossible) if each.severity == "error"] == ["unreachable"]
    halves = "custom: {rude: '>1, <2'}"
    assert [each.kind for each in found(read, rule(halves)) if each.severity == "error"] == ["unreachable"]


PARENT = (
    f"policy: parent\notherwise: {{prefer: llm}}\n{SIGNALS}\nmodels: [{{name: a, model: m}}, {{name: b, model: n}}]\n"
)


def child(text: str):
    files = {"parent": ("parent.yaml", PARENT)}
    return resolve(f"policy: child\nextends: parent\n{text}\n", files.__getitem__, file="child.yaml")


def test_children_inherit_and_replace() -> None:
    same = child("description: d")
    assert [model.name for model in same.models] == ["a", "b"]
    assert list(same.signals) == ["mood", "big", "rude"]
    other = child("models: [{name: a, model: x, tier: large}, {name: c, model: y}]\nsignals: {mood: {regex: z}}")
    assert [(model.name, model.model, model.tier) for model in other.models] == [
        ("a", "x", "large"), ("b", "n", "small"), ("c", "y", "small"),
    ]  # fmt: skip
    assert other.signals["mood"].kind == "regex"
    assert str(other.place("signals", "mood")) == "child.yaml:4:17"
    assert other.place("signals", "big").file == "parent.yaml"


def test_the_hash_names_signals_and_models() -> None:
    hashes = {
        child(text).hash
        for text in (
            "description: d", "models: [{name: a, model: m, tier: large}]", "models: [{name: c, model: m}]",
            "signals: {mood: {keywords: {angry: [furious, mad], calm: [thanks]}}}",
        )
    }  # fmt: skip
    assert len(hashes) == 4
    assert child("description: other").hash in hashes


def test_a_word_condition_on_a_truth_is_no_crash(read) -> None:
    """A detector that was put in by code may give anything; what cannot be compared is unknown."""
    from router.policy.judge import judge
    from router.types import Message, Request, Signal, Signals

    policy = compile_policy(read("rules: [{id: A, when: {custom: {theirs: word}}, then: {tier: large}, why: w}]"))
    request = Request(messages=(Message(role="user", text="x"),))
    for value in (True, 3, 0.5, None):
        signals = Signals.given(request, {"theirs": Signal(value=value, confidence=1.0, detector="d")})
        assert judge(policy, signals, request).tier is None
