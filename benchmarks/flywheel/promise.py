"""Does a promise hold, draw after draw? Ours, and tracer-llm's parity gate, on the same draws of calibration rows.

    python benchmarks/flywheel/promise.py [--draws 400] [--short]

A model's probability is uniform, its error at each probability is known, so each chosen threshold's true error is known
as well. Ten per cent of error are allowed. Shapes: how the error runs with the probability, those among them at
the edge of what is allowed: there, whoever looks at many thresholds and takes the best-looking one fails too often.
``pip install --no-deps tracer-llm==0.3.3`` (its ``_calibrate_threshold``, with its own defaults and at our confidence);
it is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt

from machine import write
from router.offline.promise import Goal, choose_threshold

_F64 = npt.NDArray[np.float64]

LIMIT = 0.1
ROWS = 1200
LABELS = 10
SHAPES: Mapping[str, Callable[[_F64], _F64]] = {
    "falls with the probability": lambda p: 0.6 * (1.0 - p),
    "flat, 0.5 points too much": lambda p: np.full_like(p, LIMIT + 0.005),
    "flat above p = 0.4, just too much": lambda p: np.where(p > 0.4, LIMIT + 0.0005, 0.4),
    "flat above p = 0.4, just allowed": lambda p: np.where(p > 0.4, LIMIT - 0.001, 0.4),
    "worse at the top": lambda p: np.where(p > 0.9, LIMIT + 0.02, 0.05),
    "flat, half of what is allowed": lambda p: np.full_like(p, LIMIT / 2),
}
Chooser = Callable[[_F64, npt.NDArray[np.bool_], npt.NDArray[np.intp]], float | None]


def ours(probability: _F64, wrong: npt.NDArray[np.bool_], truth: npt.NDArray[np.intp]) -> float | None:
    """Our threshold at 95 % confidence, None where nothing is promised."""
    found = choose_threshold(probability, wrong, Goal(max_error=LIMIT, confidence=0.95))
    return found.threshold if found.is_kept else None


def peers() -> dict[str, Chooser]:
    """tracer-llm's gate with its default (90 %) and with our confidence; nothing where it is not installed."""
    try:
        from tracer.fit.pipeline import _calibrate_threshold
    except ImportError:
        print("tracer-llm is not installed and was left out: pip install --no-deps tracer-llm==0.3.3")
        return {}

    def chooser(alpha: float) -> Chooser:
        def choose(probability: _F64, wrong: npt.NDArray[np.bool_], truth: npt.NDArray[np.intp]) -> float | None:
            said = np.where(wrong, (truth + 1) % LABELS, truth)
            found = _calibrate_threshold(probability, said, truth, 1.0 - LIMIT, alpha=alpha)
            return None if found is None else float(found["threshold"])

        return choose

    return {"tracer-llm 0.3.3, 90 %": chooser(0.1), "tracer-llm 0.3.3, 95 %": chooser(0.05)}


def drawn(draws: int) -> list[dict[str, Any]]:
    """For each shape and chooser: how often a threshold was promised, how often it broke, and the mean coverage."""
    found = []
    fine = np.linspace(0.0, 1.0, 20001)
    for shape, risk in SHAPES.items():
        truly = risk(fine)
        for name, choose in ({"this router, 95 %": ours} | peers()).items():
            random = np.random.default_rng(23)
            promised = broken = 0
            coverage = 0.0
            for _ in range(draws):
                probability = random.random(ROWS)
                wrong = random.random(ROWS) < risk(probability)
                threshold = choose(probability, wrong, random.integers(0, LABELS, ROWS))
                if threshold is None:
                    continue
                promised += 1
                coverage += 1.0 - threshold
                broken += bool(truly[fine >= threshold].mean() > LIMIT)
            found.append(
                {
                    "shape": shape,
                    "who": name,
                    "promised": promised / draws,
                    "broken": broken / draws,
                    "coverage": round(coverage / draws, 4),
                }
            )
            print(found[-1], flush=True)
    return found


def main() -> None:
    """Draw and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--short", action="store_true", help="20 draws, nothing is written")
    chosen = parser.parse_args()
    found = drawn(20 if chosen.short else chosen.draws)
    if not chosen.short:
        write("flywheel_promise", {"limit": LIMIT, "rows": ROWS, "draws": chosen.draws, "shapes": found})


if __name__ == "__main__":
    main()
