"""YAML with places: what is read, what is refused and where."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.document import did_you_mean, place_error
from router.errors import ConfigError
from router.yamlfile import load_yaml


def _error(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_yaml(text, name="f.yaml")
    return str(caught.value)


def test_only_true_and_false_are_booleans() -> None:
    data = load_yaml("a: yes\nb: no\nc: on\nd: true\ne: False\nf: 2024-01-01\ng: 010\nh: ~\n", name="f").data
    assert data == {"a": "yes", "b": "no", "c": "on", "d": True, "e": False, "f": "2024-01-01", "g": 10, "h": None}


def test_every_key_and_value_has_a_place() -> None:
    document = load_yaml("a: 1\nrules:\n  - id: X\n    when: {task: ner}\n", name="f.yaml")
    assert str(document.place(("rules", 0, "when", "task"))) == "f.yaml:4:18"
    assert str(document.place(("rules", 0, "when"), key=True)) == "f.yaml:4:5"
    assert str(document.place(("rules", 0, "missing"))) == "f.yaml:3:5"


def test_anchors_and_merge_keys_work() -> None:
    data = load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n", name="f").data
    assert data["b"] == {"x": 1, "y": 3}
    assert data["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: ", "stands twice; first at line 1"),
        ("a: !mine x\n", "f.yaml:1:4: ", 'unknown tag "!mine"'),
        ("a: !!python/object:os.system x\n", "f.yaml:1:4: ", "unknown tag"),
        ("1: x\n", "f.yaml:1:1: ", "a key must be text"),
        ("? [a]\n: b\n", "f.yaml:1:3: ", "a key must be text"),
        ("a: [1\nb: 2\n", "f.yaml:2:", "this is not YAML"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: ", "another document"),
        ("a: *nobody\n", "f.yaml:1:4: ", "undefined alias"),
        ("a: \x00\n", "f.yaml: ", "this is not YAML"),
        ("\ud800", "f.yaml: ", "this is not YAML"),
        ("<<: 3\n", "f.yaml:1:5: ", "<< takes a mapping"),
        (f"a: {'9' * 5000}\n", "f.yaml:1:4: ", "cannot be read as int"),
        ("a: 1e999\n", "f.yaml:1:4: ", "cannot be read as float"),
    ],
)
def test_wrong_text_is_told_with_its_place(text: str, start: str, words: str) -> None:
    message = _error(text)
    assert message.startswith(start)
    assert words in message


def test_alias_bomb_is_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases multiply" in _error("\n".join(lines))


def test_alias_inside_its_anchor_is_refused() -> None:
    assert "inside its own anchor" in _error("a: &a [1, *a]\n")


@pytest.mark.parametrize("text", ["[" * 200 + "]" * 200, "[" * 100_000, "- " * 5000 + "a", "x" * 1_000_001])
def test_deep_and_large_texts_are_refused(text: str) -> None:
    assert _error(text).startswith("f.yaml")


def test_empty_text_is_no_data() -> None:
    assert load_yaml("# nothing\n", name="f").data is None


_words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12)
_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words.filter(lambda w: w != "<<"), inner, max_size=4),
    max_leaves=20,
)


@given(_data)
def test_json_is_read_as_it_is(data) -> None:
    assert load_yaml(json.dumps(data, ensure_ascii=False), name="f").data == data


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert load_yaml(text, name="f.yaml").name == "f.yaml"


def test_suggestion_ignores_case_and_distance() -> None:
    assert did_you_mean("Sentimant", ["sentiment", "ner"]) == "sentiment"
    assert did_you_mean("zebra", ["sentiment", "ner"]) is None


def test_error_at_a_key_suggests_the_right_one() -> None:
    document = load_yaml("a:\n  polcy: x\n", name="f.yaml")
    message = str(place_error(document, ("a", "polcy"), 'unknown key "polcy"', options=["policy", "rules"]))
    assert message == 'f.yaml:2:3: unknown key "polcy"; did you mean "policy"? It is one of: policy, rules.'
