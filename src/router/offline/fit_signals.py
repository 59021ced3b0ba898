"""Train the shipped signals: ``python -m router.offline.fit_signals --data DIR --out DIR --work DIR``.

Writes ``understanding.safetensors`` and ``card.json``. Tasks and risks are fitted twice: without some of the data sets,
on which temperature, calibration and thresholds are set, and once more on all rows. ``--work`` keeps the scorer of
tasks without these data sets, and the risks' log-odds out of fold: other readings are weighed against them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from ..errors import ModelFileError
from ..local.files import read_arrays, write_arrays
from ..local.static import shipped_encoder
from ..reading import ReadingSpec
from ..signals.learned import Facts
from ..signals.windows import WindowSpec
from .pooled import Pooled, fit_heads, fit_pooled, quantised, reading_rows, window_rows
from .recombined import has_input, recombined
from .signal_rows import RISKS, RiskRow, TaskRow, inputs, is_held_out, is_own, risk_rows, task_rows
from .word_risks import COLUMNS, KINDS, UNITS, Known, Said, fit_said, known_words

__all__ = [
    "LOOK_ALIKES",
    "fit_windows",
    "highest",
    "main",
    "read_odds",
    "read_trial",
    "set_weights",
    "sources_of",
    "worst",
]

VERSION = "1"
TRIAL_FILE, ODDS_FILE = "trial.safetensors", "risks.safetensors"
_TRIAL_ARRAYS = ("table", "weights", "bias", "word_weights", "word_bias", "word_out")
SEED = 7
FOLDS = 4
RECOMBINED = 12_000  # requests made of an instruction and another request's input
MIXED_SHARE = 0.5  # their share of the weight of written requests
LIMITS = (
    "Figures on data that was not trained on: benchmarks/results/understanding.json, made by python -m "
    "benchmarks.understanding.",
    "Risks are found by wording: a harmful wish in harmless words, an instruction hidden in data that "
    "addresses nobody, and most insults below open abuse are missed; a second look finds more of them.",
    "Short clean documents with orders in them are flagged more often than other texts.",
    "At most 32 KiB of a conversation are scanned for risks; beyond that safety is unknown unless a flag was raised.",
)
# Of ordinary texts at most this share is flagged; written look-alikes of risky ones are no ordinary texts.
BENIGN_FLAGGED = {"harmful": 0.010, "jailbreak": 0.004, "prompt_injection": 0.006, "toxicity": 0.004}
LOOK_ALIKES = ("pair:", "act:", "document:", "injected:", "direct:")
LOOK_ALIKES_FLAGGED = {"harmful": 0.12, "jailbreak": 0.01}

Floats = npt.NDArray[np.float32]


def fit_tasks_without(
    rows: Sequence[TaskRow],
    texts: Sequence[str],
    labels: Sequence[str],
    spec: ReadingSpec,
    seed: int = SEED,
) -> tuple[Pooled, float]:
    """A scorer that has not seen what :func:`is_held_out` keeps back, and the temperature that calibrates it there."""
    left = [row for row in rows if is_held_out(row.group)]
    trial = fit_tasks([row for row in rows if not is_held_out(row.group)], texts, labels, spec, seed)
    scores = trial.scores(reading_rows([row.text for row in left], spec, shipped_encoder().table))
    gold = np.array([labels.index(row.task) for row in left])
    temperature = _temperature(scores, gold, set_weights(left))
    hit = scores.argmax(axis=1) == gold
    weights = np.array([row.weight for row in left])
    for name, kind in (("data sets", False), ("written", True)):
        of = np.array([is_own(row) == kind for row in left])
        right = np.average(hit[of], weights=weights[of])
        _say(f"tasks, {name}: {right:.4f} right (weighted) of {int(of.sum())} rows kept back")
    _say(f"temperature {temperature:.2f}")
    return trial, temperature


def fit_tasks(
    rows: Sequence[TaskRow],
    texts: Sequence[str],
    labels: Sequence[str],
    spec: ReadingSpec,
    seed: int = SEED,
) -> Pooled:
    """A scorer fitted on all ``rows``; ``texts`` are further inputs for the recombined requests."""
    mixable = [is_own(row) and has_input(row.text) for row in rows]
    own = [row for row, is_mixable in zip(rows, mixable, strict=True) if is_mixable]
    mixed = list(recombined([(row.text, row.task) for row in own], texts, RECOMBINED, seed))
    # What is mixed takes its weight from the rows that it is made of, so that no task gains or loses.
    weights = [row.weight * (1.0 - MIXED_SHARE * of) for row, of in zip(rows, mixable, strict=True)]
    weights += [MIXED_SHARE * sum(row.weight for row in own) / len(mixed)] * len(mixed)
    gold = [labels.index(row.task) for row in rows] + [labels.index(task) for _, task in mixed]
    readings = reading_rows([row.text for row in rows] + [text for text, _ in mixed], spec, shipped_encoder().table)
    targets = np.eye(len(labels), dtype=np.float32)[gold]
    return fit_pooled(readings, targets, np.array(weights, np.float32), epochs=12, dropout=0.4, seed=seed)


def set_weights(rows: Sequence[TaskRow]) -> npt.NDArray[np.float64]:
    """Weights to calibrate by: half for what was written; each set alike, since a request is like none of them."""
    groups = ["chat" if row.group.startswith("chat:") else row.group for row in rows]
    size = Counter(groups)
    weights = np.array([1.0 / size[group] for group in groups])
    own = np.array([is_own(row) for row in rows])
    for kind in (own, ~own):
        weights[kind] /= weights[kind].sum() or 1.0
    return weights


def _temperature(scores: Floats, gold: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]) -> float:
    """The temperature of least log loss (Guo et al., 2017, arXiv:1706.04599)."""
    best, least = 1.0, np.inf
    for temperature in np.geomspace(0.5, 8.0, 60):
        z = scores / temperature
        z = z - z.max(axis=1, keepdims=True)
        losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(gold)), gold]
        loss = float((losses * weights).sum() / weights.sum())
        if loss < least:
            best, least = float(temperature), loss
    return best


def fit_risks(
    rows: Sequence[RiskRow],
    layer: tuple[Floats, Floats],
    reading: ReadingSpec,
    spec: WindowSpec,
    settled: Mapping[str, tuple[float, float]],
    seed: int = SEED,
) -> tuple[Said, dict[str, tuple[float, float]], dict[str, float], Floats]:
    """What words say of risks, calibration, thresholds, and the log-odds of each row, shape ``(rows, risks)``, from
    fits that have not seen its group. ``layer``: weights and bias of the tasks' hidden layer; ``settled``: calibration
    that stays as it is."""
    fold = np.array([int(hashlib.sha256(row.group.encode()).hexdigest()[:4], 16) % FOLDS for row in rows])
    by_words = np.array([not row.in_context for row in rows])
    scores = windows_out_of_fold(rows, fold, spec, seed)
    platt = dict(zip(RISKS, (_platt(rows, at, scores[:, at]) for at in range(len(RISKS))), strict=True))
    platt |= settled
    odds = scores * np.array([platt[kind][0] for kind in RISKS]) + np.array([platt[kind][1] for kind in RISKS])
    known = known_words([row.text for row in rows], reading, shipped_encoder().table)
    units = np.maximum(known.places @ layer[0] + layer[1], 0.0)
    windows, alone = scores[:, COLUMNS], np.array([platt[kind] for kind in KINDS], np.float32).T
    for part in range(FOLDS):
        left = fold == part
        said = fit_said(rows, units, known, windows, alone, ~left, seed=seed)
        odds[np.ix_(left, COLUMNS)] = said.odds(units[left], Known(*(of[left] for of in known)), windows[left])
    again = np.array([_platt(rows, at, odds[:, at]) for at in COLUMNS], np.float32).T
    odds[:, COLUMNS] = odds[:, COLUMNS] * again[0] + again[1]
    said = fit_said(rows, units, known, windows, alone, np.ones(len(rows), bool), seed=seed).scaled(again[0], again[1])
    platt |= {kind: (float(said.slope[at]), float(said.offset[at])) for at, kind in enumerate(KINDS)}
    weight = np.array([row.weight for row in rows])
    clean = by_words & np.array([all(flag == 0 for flag in row.flags) for row in rows])
    like = clean & np.array([row.group.startswith(LOOK_ALIKES) for row in rows])
    thresholds = {}
    for column, kind in enumerate(RISKS):
        ordinary = clean & ~like
        cut = highest(odds[ordinary, column], weight[ordinary], BENIGN_FLAGGED[kind])
        if kind in LOOK_ALIKES_FLAGGED:
            cut = max(cut, highest(odds[like, column], weight[like], LOOK_ALIKES_FLAGGED[kind]))
        thresholds[kind] = float(1.0 / (1.0 + np.exp(-cut)))
        gold = by_words & np.array([row.flags[column] == 1 for row in rows])
        flagged = [float(np.average(odds[of, column] >= cut, weights=weight[of])) for of in (gold, ordinary, like)]
        _say(
            f"{kind}: recall {flagged[0]:.3f} on {int(gold.sum())} rows out of fold, of ordinary texts {flagged[1]:.4f}"
            f" flagged, of look-alikes {flagged[2]:.3f}, threshold {thresholds[kind]:.3f}"
        )
    return said, platt, thresholds, odds.astype(np.float32)


def windows_out_of_fold(rows: Sequence[RiskRow], fold: npt.NDArray[np.int64], spec: WindowSpec, seed: int) -> Floats:
    """Raw scores of each row's worst windows, shape ``(rows, risks)``, by heads that have not seen its fold."""
    matrix, owner = window_rows([row.text for row in rows], spec)
    by_words = np.array([not row.in_context for row in rows])
    scores = np.zeros((len(rows), len(RISKS)), np.float32)
    for part in range(FOLDS):
        table, bias = fit_windows(rows, matrix, owner, (fold != part) & by_words, seed)
        found = worst(matrix @ table + bias, owner, len(rows))
        scores[fold == part] = found[fold == part]
    return scores


def _platt(rows: Sequence[RiskRow], column: int, scores: Floats) -> tuple[float, float]:
    """Slope and offset that make log-odds of scores."""
    used = [at for at, row in enumerate(rows) if row.flags[column] is not None and not row.in_context]
    gold = np.array([rows[at].flags[column] == 1 for at in used])
    weight = np.array([rows[at].weight for at in used])
    fitted = LogisticRegression(C=1e6).fit(scores[used][:, None], gold, sample_weight=weight)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def fit_table(rows: Sequence[RiskRow], spec: WindowSpec, seed: int = SEED) -> tuple[Floats, Floats]:
    """Table and bias of the windows' heads, fitted on all rows that n-grams may learn from."""
    matrix, owner = window_rows([row.text for row in rows], spec)
    return fit_windows(rows, matrix, owner, np.array([not row.in_context for row in rows]), seed)


def fit_windows(
    rows: Sequence[RiskRow], matrix: Any, owner: npt.NDArray[np.int64], use: npt.NDArray[np.bool_], seed: int
) -> tuple[Floats, Floats]:
    """Fit on windows: of a text with a risk in it, the window that looks most like it is the one that has it."""
    targets = np.array([[float(flag == 1) for flag in row.flags] for row in rows], np.float32)
    known = np.array([[float(flag is not None) for flag in row.flags] for row in rows], np.float32)
    weight = np.array([row.weight for row in rows], np.float32)[:, None] * known
    count = np.bincount(owner, minlength=len(rows)).astype(np.float32)
    keep = use[owner].nonzero()[0]
    of = owner[keep]
    y = targets[of]
    spread = (weight[of] / np.sqrt(count[of])[:, None]).astype(np.float32)
    table, bias = fit_heads(matrix[keep], y, spread, epochs=3, seed=seed)
    for _ in range(2):
        scores = matrix[keep] @ table + bias
        best = worst(scores, of, len(rows))
        chosen = scores >= best[of] - 1e-6
        settled = np.where(y > 0, np.where(chosen, weight[of], 0.0), spread).astype(np.float32)
        table, bias = fit_heads(matrix[keep], y, settled, seed=seed)
    return table, bias


def worst(scores: Floats, owner: npt.NDArray[np.int64], count: int) -> Floats:
    """Of each of ``count`` texts its parts' highest scores, shape ``(count, heads)``."""
    highest = np.full((count, scores.shape[1]), -np.inf, np.float32)
    np.maximum.at(highest, owner, scores)
    return highest


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m router.offline.fit_signals", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tasks/, safety/ and sources.json")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the trained file and its card to")
    parser.add_argument(
        "--part",
        choices=("all", "tasks", "risks", "words"),
        default="all",
        help="all else stays as it is; what words say of risks follows from both and is fitted in any case",
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of what is kept between runs")
    options = parser.parse_args(argv)
    path, reading, windows = options.out / "understanding.safetensors", ReadingSpec(), WindowSpec()
    tasks, around = task_rows(options.data), inputs(options.data)
    risks = risk_rows(options.data)
    arrays: dict[str, npt.NDArray[Any]] = {}
    facts = Facts(version=VERSION, tasks=(), risks=RISKS, reading=reading, windows=windows)
    if options.part != "all":
        arrays, metadata = read_arrays(path)
        facts = msgspec.json.decode(metadata["facts"], type=Facts)
    if options.part in ("all", "tasks"):
        texts, labels = [text for text, _ in around], tuple(sorted({row.task for row in tasks}))
        trial, temperature = fit_tasks_without(tasks, texts, labels, reading)
        write_trial(options.work, trial, temperature)
        pooled = fit_tasks(tasks, texts, labels, reading)
        table, scale = quantised(pooled.table)
        arrays |= {"task.table": table, "task.scale": scale, "task.weights": pooled.weights, "task.bias": pooled.bias}
        weights, weigh = quantised(pooled.word_weights)
        arrays |= {"word.weights": weights, "word.weigh": weigh, "word.bias": pooled.word_bias}
        arrays["word.out"] = pooled.word_out
        arrays.pop("word.risks", None)
        name = shipped_encoder().name
        facts = msgspec.structs.replace(facts, tasks=labels, temperature=temperature, vectors=name)
    if options.part in ("all", "risks"):
        risk_table, risk_bias = fit_table(risks, windows)
        table, scale = quantised(risk_table)
        arrays |= {"risk.table": table, "risk.scale": scale, "risk.bias": risk_bias}
    arrays |= without_said(arrays)
    layer = arrays["word.weights"].astype(np.float32) * arrays["word.weigh"], arrays["word.bias"]
    settled = [] if options.part in ("all", "risks") else [kind for kind in RISKS if kind not in KINDS]
    said, platt, thresholds, odds = fit_risks(
        risks, layer, reading, windows, {kind: facts.platt[kind] for kind in settled}
    )
    thresholds |= {kind: facts.thresholds[kind] for kind in settled}
    arrays |= with_said(arrays, said)
    write_odds(options.work, risks, odds)
    facts = msgspec.structs.replace(facts, platt=platt, thresholds=thresholds)
    sha = write_arrays(path, arrays, {"facts": msgspec.json.encode(facts).decode()})
    card = {
        "name": f"understanding-{VERSION}",
        "files": {"understanding.safetensors": sha},
        "licence": "Apache-2.0; trained on rows under permissive licences only, see sources",
        "seed": SEED,
        "limits": LIMITS,
        "task_rows": len(tasks),
        "risk_rows": len(risks),
        "data_sha256": _digest([f"{row.task}\t{row.text}" for row in tasks] + [row.text for row in risks]),
        "sources": sources_of(
            [row.group for row in tasks] + [row.group for row in risks] + [name for _, name in around]
        ),
        "facts": msgspec.to_builtins(facts),
    }
    (options.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    _say(f"written to {options.out}")
    return 0


def highest(scores: npt.NDArray[Any], weight: npt.NDArray[Any], share: float) -> float:
    """The score that ``share`` of the weight lies above; minus infinity where there are no rows."""
    if not len(scores):
        return -np.inf
    order = np.argsort(-scores)
    summed = np.cumsum(weight[order])
    return float(scores[order][np.searchsorted(summed, share * summed[-1])])


def without_said(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The hidden layer as tasks have it."""
    units = arrays["word.bias"].shape[0] - (UNITS if "word.risks" in arrays else 0)
    found = {f"word.{name}": arrays[f"word.{name}"][..., :units] for name in ("weights", "weigh", "bias")}
    return found | {"word.out": arrays["word.out"][:units]}


def with_said(arrays: Mapping[str, npt.NDArray[Any]], said: Said) -> dict[str, npt.NDArray[Any]]:
    """The hidden layer with the units and columns of risks behind those of tasks, which they add nothing to."""
    weights, weigh = quantised(said.weights)
    risks = np.zeros((len(said.out), len(RISKS)), np.float32)
    risks[:, COLUMNS] = said.out
    return {
        "word.weights": np.concatenate([arrays["word.weights"], weights], axis=1),
        "word.weigh": np.concatenate([arrays["word.weigh"], weigh]),
        "word.bias": np.concatenate([arrays["word.bias"], said.bias]),
        "word.out": np.pad(arrays["word.out"], ((0, UNITS), (0, 0))),
        "word.risks": risks,
    }


def write_odds(work: Path, rows: Sequence[RiskRow], odds: Floats) -> None:
    """Keep the risks' log-odds out of fold, for :func:`read_odds`."""
    write_arrays(work / ODDS_FILE, {"odds": odds}, {"rows": _digest([row.text for row in rows])})


def read_odds(work: Path, rows: Sequence[RiskRow]) -> Floats:
    """What :func:`write_odds` kept of these rows, shape ``(rows, risks)``.

    Raises:
        ModelFileError: signals were not fitted with this folder as ``--work``, or with other rows.
    """
    arrays, metadata = read_arrays(work / ODDS_FILE)
    if metadata.get("rows") != _digest([row.text for row in rows]):
        raise ModelFileError(
            "the first reading was fitted on other rows of risks.", file=str(work / ODDS_FILE), hint="Fit it again."
        )
    odds: Floats = arrays["odds"]
    return odds


def write_trial(work: Path, trial: Pooled, temperature: float) -> None:
    """Keep the scorer that has not seen what is kept back, for :func:`read_trial`."""
    arrays = dict(zip(_TRIAL_ARRAYS, trial.arrays, strict=True))
    write_arrays(work / TRIAL_FILE, arrays | {"temperature": np.array([temperature], np.float32)}, {})


def read_trial(work: Path) -> tuple[Pooled, float]:
    """What :func:`write_trial` kept.

    Raises:
        ModelFileError: signals were not fitted with this folder as ``--work``.
    """
    arrays, _ = read_arrays(work / TRIAL_FILE)
    return Pooled(*(arrays[name] for name in _TRIAL_ARRAYS)), float(arrays["temperature"][0])


def sources_of(groups: Sequence[str]) -> list[str]:
    """The data sets among groups of rows, sorted; what was written for this project is left out."""
    return sorted(
        {
            group
            for group in groups
            if not group.startswith(("chat:", "written:", "pair:", "injected:", "direct:", "act:", "document:"))
        }
    )


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in sorted(texts):
        digest.update(text.encode("utf-8", "replace") + b"\0")
    return digest.hexdigest()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
