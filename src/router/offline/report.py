"""The held-out report of a training: JSON, and plots of reliability, coverage against accuracy, and confusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import MissingExtra
from .classifier import LocalClassifier
from .rows import count_labels

__all__ = ["report_of", "summary", "write_report"]

REPORT = "report.json"
_MOST_SHOWN = 40  # labels of a confusion matrix: those that are confused most


def report_of(model: LocalClassifier, notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """All that training found out, as one JSON-able object; ``notes`` are about the file."""
    card = model.card_
    return {
        "model": card.name,
        "maker": card.maker,
        "task": card.task,
        "labels": len(card.labels),
        "languages": list(card.languages),
        "rows": model.splits_,
        "test": model.test_figures_,
        "promise": dict(card.promise),
        "threshold": card.threshold,
        "latency_us_p50": card.latency_us,
        "cross_validation": [msgspec.to_builtins(score) for score in model.scores_],
        "per_label": _per_label(model),
        "notes": [*notes, *model.notes_],
    }


def summary(report: dict[str, Any]) -> str:
    """The report in a few lines for a terminal."""
    test, promise, rows = report["test"], report["promise"], report["rows"]
    lines = [
        f"{report['model']} ({report['maker']}): {report['labels']} labels, rows: {rows['fit']:,} to fit, "
        f"{rows['calibration']:,} to calibrate, {rows['test']:,} to test; {', '.join(report['languages'])}"
    ]
    lines += [
        f"  tried {score['name']}: accuracy {score['accuracy']:.3f}, macro-F1 {score['macro_f1']:.3f} "
        f"({score['folds']} folds)"
        for score in report["cross_validation"]
    ]
    if "accuracy" in test:
        low, high = test["accuracy_interval"]
        lines.append(
            f"Held-out test: accuracy {test['accuracy']:.3f} ({low:.3f} to {high:.3f}), "
            f"macro-F1 {test['macro_f1']:.3f}, ECE {test['ece']:.3f}, {report['latency_us_p50']:.0f} us a text"
        )
    if report["threshold"] <= 1.0:
        tested = promise.get("tested", {})
        lines.append(
            f"Promise: answers from p >= {report['threshold']:.3f}, {promise['coverage']:.1%} of texts; bound "
            f"{promise['bound']:.4f} of at most {promise['limit']:.4f}, confidence {promise['confidence']:.2f}"
        )
        if tested:
            lines.append(
                f"Tested once: {tested['errors']} wrong of {tested['answered']} answers on {tested['rows']} rows"
                f"{' (confirmed)' if tested['confirmed'] else ' (not contradicted)'}"
            )
    else:
        lines.append(f"No promise, so it answers nothing yet: {promise.get('why') or 'it broke on the test rows'}.")
    lines += [f"note: {note}" for note in report["notes"]]
    return "\n".join(lines)


def write_report(directory: Path, model: LocalClassifier, report: dict[str, Any], *, plots: bool = True) -> list[str]:
    """Write ``report.json`` and, with ``plots``, ``plots/*.svg`` and ``*.png``; returns what could not be done."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if not plots or not len(model.test_rows_):
        return []
    try:
        _plot(directory / "plots", model)
    except MissingExtra as error:
        return [f"No plots: {error}"]
    return []


def _per_label(model: LocalClassifier) -> dict[str, dict[str, float | int]]:
    if not len(model.test_rows_):
        return {}
    truth = np.array(model.test_rows_.labels)
    said = np.array(model.predict(model.test_rows_.texts))
    found: dict[str, dict[str, float | int]] = {}
    for label in count_labels(model.test_rows_):
        mine, called = truth == label, said == label
        both = int((mine & called).sum())
        found[label] = {
            "rows": int(mine.sum()),
            "precision": round(both / max(1, int(called.sum())), 4),
            "recall": round(both / max(1, int(mine.sum())), 4),
        }
    return found


def _plot(directory: Path, model: LocalClassifier) -> None:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("matplotlib", "plots") from error
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    directory.mkdir(parents=True, exist_ok=True)
    probabilities = model.predict_proba(model.test_rows_.texts)
    at = {label: index for index, label in enumerate(model.classes_)}
    truth = np.array([at[label] for label in model.test_rows_.labels])
    top, said = probabilities.max(1), probabilities.argmax(1)
    right = said == truth
    for name, draw in (("reliability", _reliability), ("coverage", _coverage)):
        figure = Figure(figsize=(5, 4.2), layout="constrained")
        draw(figure.subplots(), top, right, model.card_.threshold)
        _save(figure, directory / name)
    size = min(len(model.classes_), _MOST_SHOWN)
    figure = Figure(figsize=(2.5 + 0.28 * size, 2.2 + 0.26 * size), layout="constrained")
    _confusion(figure.subplots(), truth, said, tuple(model.classes_))
    _save(figure, directory / "confusion")


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=120)


def _reliability(axes: Any, top: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], threshold: float) -> None:
    edges = np.linspace(0.0, 1.0, 11)
    bins = np.clip(np.digitize(top, edges) - 1, 0, 9)
    filled = [index for index in range(10) if (bins == index).any()]
    shares = [float(right[bins == index].mean()) for index in filled]
    axes.bar([edges[index] + 0.05 for index in filled], shares, width=0.09, color="#4c72b0", label="right")
    axes.plot([0, 1], [0, 1], color="#555555", linestyle="--", linewidth=1, label="perfectly calibrated")
    for index, share in zip(filled, shares, strict=True):
        axes.text(edges[index] + 0.05, share + 0.01, f"{(bins == index).sum():,}", ha="center", fontsize=7)
    axes.set(xlabel="probability", ylabel="share right", xlim=(0, 1), ylim=(0, 1.08), title="Reliability (test rows)")
    axes.legend(fontsize=8)


def _coverage(axes: Any, top: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], threshold: float) -> None:
    order = np.argsort(-top, kind="stable")
    counts = np.arange(1, len(top) + 1)
    accuracy = np.cumsum(right[order]) / counts
    axes.plot(counts / len(top), accuracy, color="#4c72b0")
    if threshold <= 1.0:
        share = float((top >= threshold).mean())
        axes.axvline(share, color="#c44e52", linestyle="--", linewidth=1, label=f"threshold {threshold:.3f}")
        axes.legend(fontsize=8)
    axes.set(
        xlabel="share answered (surest first)", ylabel="accuracy of those", xlim=(0, 1), title="Coverage (test rows)"
    )
    axes.grid(alpha=0.3)


def _confusion(axes: Any, truth: npt.NDArray[np.intp], said: npt.NDArray[np.intp], labels: tuple[str, ...]) -> None:
    n = len(labels)
    counts = np.zeros((n, n), int)
    np.add.at(counts, (truth, said), 1)
    wrong = counts - np.diag(np.diag(counts))
    shown = np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:_MOST_SHOWN])
    part = counts[np.ix_(shown, shown)]
    axes.imshow(part / np.maximum(1, part.sum(1, keepdims=True)), cmap="Blues", vmin=0, vmax=1)
    names = [labels[index] if len(labels[index]) <= 24 else labels[index][:22] + ".." for index in shown]
    axes.set_xticks(range(len(shown)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(shown)), names, fontsize=7)
    for row, column in zip(*part.nonzero(), strict=True):
        axes.text(column, row, part[row, column], ha="center", va="center", fontsize=6)
    title = "Confusion (test rows)" if len(shown) == n else f"The {len(shown)} most confused of {n} labels"
    axes.set(xlabel="model", ylabel="truth", title=title)
