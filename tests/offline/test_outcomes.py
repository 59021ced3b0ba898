"""Recorded outcomes are read, refused where they cannot be trusted, and measured."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import RequestError
from router.offline.outcomes import read_outcomes
from router.offline.routing_curves import Curve, aiq, apgr, bootstrap, cost_curve, cpt, hull, quality_at_cost
from router.offline.routing_curves import saving_at_quality as saving

SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=60
)


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(prompt: str, model: str, score: float, usd: float | None = 0.001) -> dict[str, object]:
    return {"prompt": prompt, "model": model, "score": score, "cost_usd": usd, "dataset": "d"}


def test_models_are_compared_on_prompts_that_all_were_asked(tmp_path: Path) -> None:
    path = written(tmp_path / "o.jsonl", [row("a", "x", 1.0), row("a", "y", 0.0), row("b", "x", 1.0)])
    outcomes = read_outcomes([path])
    assert (outcomes.prompts, outcomes.models) == (("a",), ("x", "y"))
    assert outcomes.scores.tolist() == [[1.0, 0.0]]


def test_a_prompt_asked_twice_counts_with_its_mean(tmp_path: Path) -> None:
    rows = [row("a", "x", 1.0), row("a", "x", 0.0, None), row("a", "y", 1.0, None)]
    outcomes = read_outcomes([written(tmp_path / "o.jsonl", rows)])
    assert outcomes.scores.tolist() == [[0.5, 1.0]]
    assert outcomes.usd[0, 0] == 0.001
    assert not outcomes.has_cost


def test_gzipped_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(json.dumps(row("a", m, 1.0)).encode() for m in "xy")))
    assert len(read_outcomes([path])) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        '{"prompt": "a", "model": "x"}',
        json.dumps(row("a", "x", 1.5)),
        json.dumps(row("a", "x", 1, -1)),
        "\xff",
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "o.jsonl"
    path.write_bytes(json.dumps(row("a", "x", 1.0)).encode() + b"\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(RequestError, match=r"o\.jsonl:2"):
        read_outcomes([path])


def test_one_model_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="two models"):
        read_outcomes([written(tmp_path / "o.jsonl", [row("a", "x", 1.0)])])


@given(SCORES)
def test_knowing_nothing_recovers_half_of_the_gap(pairs: list[tuple[float, float]]) -> None:
    weak, strong = (np.array(column) for column in zip(*pairs, strict=True))
    found = apgr(np.zeros(len(weak)), weak, strong)
    assert np.isnan(found) if (strong - weak).sum() <= 0 else found == pytest.approx(0.5)


@given(SCORES, st.randoms(use_true_random=False))
def test_nobody_beats_the_oracle(pairs: list[tuple[float, float]], chance) -> None:
    weak, strong = (np.array(column) for column in zip(*pairs, strict=True))
    if (strong - weak).sum() <= 0:
        return
    best = apgr(strong - weak, weak, strong)
    guess = np.array([chance.random() for _ in weak])
    assert apgr(guess, weak, strong) <= best + 1e-9
    assert cpt(strong - weak, weak, strong, 0.8) <= cpt(guess, weak, strong, 0.8) + 1e-9


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 20)), min_size=1, max_size=20))
def test_a_hull_lies_above_its_points_and_bends_down(points: list[tuple[int, int]]) -> None:
    points = sorted(set(points))
    curve = Curve(np.array([float(x) for x, _ in points]), np.array([float(y) for _, y in points]))
    best = hull(curve)
    for x, y in points:
        assert quality_at_cost(curve, x) >= y - 1e-9
    slopes = np.diff(best.quality) / np.diff(best.usd)
    assert (slopes > 0).all()
    assert (np.diff(slopes) < 1e-9).all()
    assert best.quality[-1] == max(y for _, y in points)
    assert aiq(curve, float(curve.usd[0]), 50.0) <= best.quality[-1] + 1e-9


def test_savings_are_read_off_the_hull() -> None:
    curve = Curve(np.array([1.0, 5.0, 10.0]), np.array([0.5, 0.9, 1.0]))
    assert saving(curve, 0.9, 10.0) == pytest.approx(0.5)
    assert saving(curve, 0.7, 10.0) == pytest.approx(0.7)
    assert np.isnan(saving(curve, 1.1, 10.0))


def test_knowing_everything_costs_less_than_the_dear_model() -> None:
    scores = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    usd = np.tile([0.001, 0.01], (4, 1))
    curve = cost_curve(scores, usd, scores, usd)
    assert quality_at_cost(curve, 0.01) == 1.0
    assert curve.usd[np.argmax(curve.quality)] == pytest.approx((3 * 0.001 + 0.01) / 4)


def test_intervals_hold_their_mean() -> None:
    values = np.random.default_rng(3).normal(5.0, 1.0, 400)
    low, high = bootstrap(lambda rows: float(values[rows].mean()), 400, draws=300)
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 * values.std() / 20, rel=0.25)


def test_models_that_are_not_compared_do_not_decide_which_prompts_are(tmp_path: Path) -> None:
    rows = [row(prompt, model, 1.0) for prompt in "abc" for model in ("x", "y")] + [row("a", "z", 0.0)]
    path = written(tmp_path / "o.jsonl", rows)
    assert (read_outcomes([path]).prompts, read_outcomes([path]).left_out) == (("a",), 2)
    two = read_outcomes([path], ("y", "x"))
    assert (two.prompts, two.models, two.left_out) == (("a", "b", "c"), ("y", "x"), 0)
    for wrong, said in ((("x", "q"), "'q'"), (("x",), "two different"), (("x", "x"), "two different")):
        with pytest.raises(RequestError, match=said):
            read_outcomes([path], wrong)


def test_prompts_that_no_two_models_share_are_told_from_one_model(tmp_path: Path) -> None:
    path = written(tmp_path / "o.jsonl", [row("a", "x", 1.0), row("b", "y", 1.0)])
    with pytest.raises(RequestError, match="no prompt was asked all 2 models"):
        read_outcomes([path])


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda data: b"{" + data])
def test_a_broken_archive_is_named(tmp_path: Path, spoil) -> None:
    path = tmp_path / "o.jsonl.gz"
    lines = b"\n".join(json.dumps(row(str(at), m, 1.0)).encode() for at in range(900) for m in "xy")
    path.write_bytes(spoil(gzip.compress(lines)))
    with pytest.raises(RequestError, match=r"o\.jsonl\.gz cannot be unpacked"):
        read_outcomes([path])


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join(json.dumps(row("a", m, 1.0)).encode() for m in "xy"))
    assert len(read_outcomes([path])) == 1


def test_nothing_is_saved_where_nothing_is_paid() -> None:
    assert np.isnan(saving(Curve(np.array([0.0]), np.array([0.5])), 0.5, 0.0))
