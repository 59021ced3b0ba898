"""Curves of a routing report as pictures; matplotlib draws them (extra ``plots``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import MissingExtra

__all__ = ["draw_curves"]


def draw_curves(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Quality over cost of every router, the models alone and the oracle, as PNG and SVG; the files written.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plots") from error
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for name, figures in report["routers"].items():
        points = figures["many"]["curve"]
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    has_cost = all(single["usd"] is not None for single in report["singles"]["models"].values())
    for name, single in report["singles"]["models"].items():
        x = single["usd"] if has_cost else 1.0
        axes.plot([x], [single["quality"]], "kx", markersize=5)
        axes.annotate(
            name.split("/")[-1], (x, single["quality"]), fontsize=6, xytext=(3, 3), textcoords="offset points"
        )
    axes.axhline(report["singles"]["oracle"], linestyle=":", color="grey", label="oracle")
    if has_cost:
        axes.set_xscale("log")
    axes.set_xlabel("mean USD a request" if has_cost else "calls a request (cost not recorded)")
    axes.set_ylabel("mean quality")
    axes.legend(fontsize=7, loc="lower right")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"quality_over_cost.{kind}" for kind in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths
