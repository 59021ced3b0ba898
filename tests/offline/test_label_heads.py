from __future__ import annotations

import shutil
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp

from router.offline.label_heads import Helper, cores, many_heads

DRAW = np.random.default_rng(0)
DRAWN = DRAW.integers(0, 30, 1000)
WEIGH = DRAW.uniform(0.2, 1.0, 1000)
ROWS = sp.csr_matrix(np.eye(30)[DRAWN] * DRAW.uniform(0.5, 1.0, (1000, 1)) + 0.05 * DRAW.normal(size=(1000, 30)))


class Watched(Helper):
    took = False

    def ask(self, problem: dict[str, npt.NDArray[Any]]) -> bool:
        self.took = super().ask(problem)
        return self.took


def heads(helper: Helper | None = None, *, balanced: bool = False) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    return many_heads(ROWS, DRAWN, WEIGH, c=0.5, balanced=balanced, seed=3, helper=helper)


@pytest.mark.parametrize("balanced", [False, True])
def test_second_process_changes_nothing(balanced: bool) -> None:
    alone = heads(balanced=balanced)
    with Watched() as helper:
        helped = heads(helper, balanced=balanced)
        assert helper.took == (cores() > 1)
    for mine, theirs in zip(alone, helped, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("program", ["/no/such/program", shutil.which("false") or "/bin/false"])
def test_failing_second_process_is_done_without(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    alone = heads()
    monkeypatch.setattr(sys, "executable", program)
    with Helper() as helper:
        for _ in range(2):
            assert np.array_equal(heads(helper)[0], alone[0])


def test_heads_tell_labels() -> None:
    weights, biases = heads()
    assert ((ROWS @ weights + biases).argmax(1) == DRAWN).mean() > 0.95
