"""The day as a picture, from its results: right answers over the bill, and who answered.

python benchmarks/day/picture.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import RESULTS, ROOT

COLOURS = {"here": "#2a9d5c", "small hosted model": "#8ab6e8", "large hosted model": "#2b5fa8", "refused": "#b0b0b0"}


ANSWERED_BY = {"local": "here", "cache": "here", "small": "small hosted model", "large": "large hosted model"}


def draw() -> None:
    """Write ``results/day.svg`` and ``.png``; needs matplotlib (extra ``plots``)."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    results = json.loads((RESULTS / "day.json").read_text(encoding="utf-8"))
    rcParams["svg.hashsalt"] = "day"  # the same figures give the same file
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    _bill(left, results)
    _who(right, results)
    for kind in ("svg", "png"):
        path = RESULTS / f"day.{kind}"
        figure.savefig(path, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        print(f"wrote {path.relative_to(ROOT)}")


def _bill(axes: Any, results: dict[str, Any]) -> None:
    """Accuracy over the bill, beside the line that mixing both hosted models at random gives."""
    large, small = results["always_large"], results["always_small"]
    ends = [100 * small["usd"] / large["usd"], 100.0], [small["accuracy"], large["accuracy"]]
    axes.plot(*ends, color="#999999", linestyle="--", marker="x", label="one hosted model, or both at random")
    for number, (name, row) in enumerate(results["presets"].items()):
        if _shares(row["targets"], results["requests"])["refused"] > 25:
            continue  # who refuses most of the day is not right more often, but asked less
        axes.plot([100 * row["usd"] / large["usd"]], [row["accuracy"]], "o", color=f"C{number}", label=name)
    axes.set_xlabel("bill, % of always asking the large model")
    axes.set_ylabel("right, of the requests that can be judged")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower right")


def _who(axes: Any, results: dict[str, Any]) -> None:
    """Who answered, preset by preset."""
    names = list(results["presets"])
    for place, name in enumerate(reversed(names)):
        start = 0.0
        for label, share in _shares(results["presets"][name]["targets"], results["requests"]).items():
            axes.barh(place, share, left=start, color=COLOURS[label], label=label if place == 0 else None)
            start += share
    axes.set_yticks(range(len(names)), names[::-1], fontsize=8)
    axes.set_xlabel("% of the requests, answered by")
    axes.set_xlim(0, 100)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.45, 1.13), ncols=4, frameon=False, columnspacing=0.8)


def _shares(targets: dict[str, int], requests: int) -> dict[str, float]:
    found = dict.fromkeys(COLOURS, 0.0)
    for target, count in targets.items():
        found[ANSWERED_BY.get(target, "refused")] += 100 * count / requests
    return found


if __name__ == "__main__":
    draw()
