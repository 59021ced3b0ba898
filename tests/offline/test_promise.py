from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.offline.promise import (
    GRID,
    NEVER,
    STARTS,
    Goal,
    choose_threshold,
    mean_upper_bound,
    rows_needed,
    upper_bound,
    wilson_interval,
)


def test_bound_equals_textbook_values() -> None:
    # Rule of three and Clopper-Pearson tables (one-sided 95 %).
    assert upper_bound(0, 59, 0.95) == pytest.approx(0.0495, abs=1e-3)
    assert upper_bound(1, 20, 0.95) == pytest.approx(0.2161, abs=1e-3)
    assert upper_bound(20, 20, 0.95) == 1.0


def test_needed_rows_are_just_enough() -> None:
    needed = rows_needed(0.02, 0.95)
    assert upper_bound(0, needed, 0.95) <= 0.02 < upper_bound(0, needed - 1, 0.95)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_bound_lies_above_observed_share(errors: int, right: int, confidence: float) -> None:
    n = errors + right
    if right:
        assert errors / n < upper_bound(errors, n, confidence) <= 1.0


def test_too_few_rows_promise_nothing() -> None:
    found = choose_threshold(np.ones(20), np.zeros(20), Goal(max_error=0.02))
    assert not found.is_kept
    assert found.threshold == NEVER


def test_hopeless_model_promises_nothing() -> None:
    draw = np.random.default_rng(0)
    found = choose_threshold(draw.uniform(0.5, 1.0, 2000), draw.random(2000) < 0.5, Goal(max_error=0.05))
    assert not found.is_kept


def test_perfect_model_answers_everything() -> None:
    found = choose_threshold(np.full(2000, 0.999), np.zeros(2000), Goal(max_error=0.02))
    assert found.coverage == 1.0


def test_gated_rows_are_not_counted() -> None:
    gate = np.arange(2000) % 2 == 0
    found = choose_threshold(np.full(2000, 0.999), ~gate, Goal(max_error=0.02), may_answer=gate)
    assert found.errors == 0
    assert found.coverage == 0.5


def test_walk_starts_on_the_grid() -> None:
    assert list(GRID) == sorted(GRID, reverse=True)
    assert set(STARTS) <= set(GRID)


def broken_share(risk: object, *, max_error: float, rows: int, draws: int) -> float:
    """How often, over draws of calibration rows, the chosen threshold's true error is above the promise."""
    random = np.random.default_rng(11)
    fine = np.linspace(0.0, 1.0, 4001)
    truth = risk(fine)  # type: ignore[operator]
    broken = 0
    for _ in range(draws):
        probability = random.random(rows)
        wrong = random.random(rows) < risk(probability)  # type: ignore[operator]
        found = choose_threshold(probability, wrong, Goal(max_error=max_error))
        if found.is_kept and truth[fine >= found.threshold].mean() > max_error:
            broken += 1
    return broken / draws


@pytest.mark.parametrize(
    "risk",
    [
        lambda p: 0.3 * (1.0 - p),
        lambda p: np.where(p > 0.4, 0.0501, 0.3),
        lambda p: np.where(p > 0.4, 0.0495, 0.3),
        lambda p: np.full_like(p, 0.0505),
        lambda p: np.where(p > 0.9, 0.06, 0.02),
        lambda p: 0.5 * (1.0 - p) ** 2 + 0.01,
    ],
    ids=["calibrated", "edge above", "edge just below", "flat just above", "worse at the top", "curved"],
)
def test_promise_holds_over_repeated_draws(risk: object) -> None:
    # 5 % may fail; 0.08 leaves room for the chance of 300 draws (standard error 1.3 %).
    assert broken_share(risk, max_error=0.05, rows=1200, draws=300) <= 0.08


def test_flat_risk_below_the_promise_is_used() -> None:
    random = np.random.default_rng(3)
    probability = random.random(4000)
    found = choose_threshold(probability, random.random(4000) < 0.03, Goal(max_error=0.05))
    assert found.coverage > 0.9


def test_wilson_interval_matches_published_example() -> None:
    low, high = wilson_interval(81, 263)  # Newcombe, 1998, table I
    assert low == pytest.approx(0.2553, abs=2e-4)
    assert high == pytest.approx(0.3662, abs=2e-4)


def test_betting_bound_covers_the_true_mean() -> None:
    random = np.random.default_rng(9)
    low = sum(mean_upper_bound(random.beta(2.0, 6.0, 120), 0.95) < 0.25 for _ in range(200))
    assert low / 200 <= 0.08  # 5 % may fail; the rest is the chance of 200 draws


@pytest.mark.parametrize("edge", [0.0, 0.005], ids=["flat at the limit", "flat just above"])
def test_promise_about_hosted_answers_holds_over_draws(edge: float) -> None:
    random = np.random.default_rng(5)
    goal = Goal(keep=0.95, of="hosted", max_error=0.05)
    broken = 0
    for _ in range(120):
        hosted = random.random(900) < 0.9
        right = random.random(900) < 0.9 * 0.95 - edge
        loss = (goal.keep * hosted - right + 1.0) / (1.0 + goal.keep)
        broken += choose_threshold(random.random(900), loss, goal).is_kept
    assert broken / 120 <= 0.1  # 5 % may fail; the rest is the chance of 120 draws


def test_better_than_hosted_is_promised() -> None:
    random = np.random.default_rng(6)
    goal = Goal(keep=0.95, of="hosted", max_error=0.05)
    loss = (goal.keep * (random.random(3000) < 0.8) - (random.random(3000) < 0.95) + 1.0) / (1.0 + goal.keep)
    assert choose_threshold(random.random(3000), loss, goal).coverage > 0.9


def test_refusal_says_how_many_rows_would_do() -> None:
    wrong = np.arange(700) % 80 == 0
    found = choose_threshold(np.full(700, 0.99), wrong, Goal(max_error=0.02))
    assert not found.is_kept
    needed = int(found.why.split("about ")[1].split(" are")[0].replace(",", ""))
    more = np.arange(needed) % 80 == 0
    assert choose_threshold(np.full(needed, 0.99), more, Goal(max_error=0.02)).is_kept
