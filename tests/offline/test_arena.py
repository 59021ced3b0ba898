"""RouterArena's figures are those of its published evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from router.offline.arena import arena_report, arena_score, operating_weight
from router.offline.evaluate import ahead, singles
from router.offline.outcomes import Outcomes

# Prompts 0 and 1: both models right; 2: only the dear one; 3: nobody.
SCORES = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
USD = np.array([[0.001, 0.01]] * 4)
OUTCOMES = Outcomes(("a", "b", "c", "d"), ("set",) * 4, ("cheap", "dear"), SCORES, USD)


def test_score_is_the_published_leaderboard_s() -> None:
    # MIRT-BERT on the leaderboard of autumn 2025: accuracy 66.88 at $0.15 a thousand, arena score 66.89.
    assert arena_score(0.6688, 0.15) == pytest.approx(0.6689, abs=5e-4)


def test_ends_of_the_cost_scale() -> None:
    assert arena_score(0.8, 200.0) == pytest.approx(0.0)
    assert arena_score(1.0, 0.0044) == pytest.approx(1.0)
    assert arena_score(0.0, 1.0) == arena_score(0.0, 500.0) == 0.0
    assert arena_score(0.7, 0.0) == arena_score(0.7, 0.0044)


def test_optimality_is_over_prompts_answered_right() -> None:
    found = arena_report(OUTCOMES, np.array([0, 1, 1, 0]), draws=20)
    # Right: prompts 0, 1, 2. The cheapest right model was chosen for 0 and 2; at best they cost 0.001 + 0.001 + 0.01.
    assert found["accuracy"] == 0.75
    assert found["optimal_selection"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["optimal_cost"] == pytest.approx(0.012 / 0.021, abs=1e-4)
    assert found["optimal_accuracy"] == 1.0
    assert found["usd_per_1000"] == pytest.approx(5.5)
    low, high = found["arena"]["interval"]
    assert low <= found["arena"]["value"] <= high


def test_nothing_right_has_no_optimality() -> None:
    found = arena_report(OUTCOMES.take(np.array([3, 3])), np.array([0, 1]), draws=20)
    assert found["accuracy"] == 0.0
    assert found["optimal_selection"] is None
    assert found["optimal_cost"] is None


def test_operating_point_pays_only_for_expected_quality() -> None:
    price = np.array([[0.0001, 0.1]] * 200)
    alike = np.full((200, 2), 0.9)
    weight = operating_weight(alike, price)
    assert ((alike - weight * price).argmax(axis=1) == 0).all()
    apart = np.tile([0.1, 0.9], (200, 1))
    weight = operating_weight(apart, price)
    assert ((apart - weight * price).argmax(axis=1) == 1).all()


def test_a_random_mix_has_the_mean_of_its_ends() -> None:
    assert singles(OUTCOMES)["aiq_of_random_mix"] == pytest.approx((0.5 + 0.75) / 2, abs=1e-3)


def test_ahead_is_paired() -> None:
    chance = np.random.default_rng(5)
    truth = (chance.random((300, 2)) < [0.5, 0.9]).astype(float)
    outcomes = Outcomes(
        tuple(map(str, range(300))), ("set",) * 300, ("weak", "strong"), truth, np.full((300, 2), np.nan)
    )
    gain, noise = truth[:, 1] - truth[:, 0], chance.random(300)
    same = ahead(outcomes, gain, gain, 0, 1, draws=50)
    assert (same["value"], same["interval"]) == (0.0, [0.0, 0.0])
    assert ahead(outcomes, gain, noise, 0, 1, draws=50)["interval"][0] > 0.3
