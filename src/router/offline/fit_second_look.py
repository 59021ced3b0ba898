"""Train the second look at risks: ``python -m router.offline.fit_second_look --data DIR --first DIR --out DIR``.

Writes ``second_look.safetensors`` and ``second_look.json``. ``--first`` is the folder of the first look, whose scores
are summed with; both are scored out of fold, by data set and pair, before weights, calibration and thresholds are set.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from ..features import prepared
from ..local.files import write_arrays
from ..local.understanding import load_understanding
from ..signals.learned import SCAN_HEAD, SCAN_TAIL, Understanding
from ..signals.pieces import pieces, windows_of
from ..signals.second_look import Encode, LookFacts, Perceptron, in_context
from .fit_signals import LOOK_ALIKES, fit_windows, worst
from .pooled import Adam, window_rows
from .signal_rows import RISKS, RiskRow, risk_rows, written_documents

__all__ = ["fit_second_look", "main"]

VERSION = "1"
SEED = 11
FOLDS = 3
INJECTION = RISKS.index("prompt_injection")
# Of ordinary texts at most this share is flagged, of the harmless twins of risky ones and of documents these.
ORDINARY_FLAGGED = {"harmful": 0.006, "jailbreak": 0.003, "prompt_injection": 0.008, "toxicity": 0.0015}
TWINS_FLAGGED, DOCUMENTS_FLAGGED = 0.15, 0.2
PAIRED = 2.0  # how much more pairs of twins weigh than in the first look

Floats = npt.NDArray[np.float32]


class _Units(msgspec.Struct):
    """Windows and sentences of some texts as rows of numbers, and the text that each is of."""

    windows: Floats
    window_owner: npt.NDArray[np.int64]
    sentences: Floats
    sentence_owner: npt.NDArray[np.int64]
    places: list[tuple[int, int]]


def _units(texts: Sequence[str], encode: Encode) -> _Units:
    windows: list[str] = []
    sentences: list[str] = []
    window_owner: list[int] = []
    counts: list[int] = []
    places: list[tuple[int, int]] = []
    for index, text in enumerate(texts):
        stretches = pieces(text)
        for a, b in windows_of(stretches):
            windows.append(text[a:b].strip())
            window_owner.append(index)
        sentences.extend(text[a:b].strip() for a, b in stretches)
        places.extend(stretches)
        counts.append(len(stretches))
    vectors = encode(sentences)
    rows = []
    at = 0
    for count in counts:
        rows.append(in_context(vectors[at : at + count]))
        at += count
    return _Units(
        windows=encode(windows),
        window_owner=np.array(window_owner),
        sentences=np.concatenate(rows),
        sentence_owner=np.repeat(np.arange(len(texts)), counts),
        places=places,
    )


def fit_perceptron(
    rows: Floats, targets: Floats, weights: Floats, *, hidden: int, epochs: int, dropout: float, seed: int
) -> Perceptron:
    """Independent logistic outputs over one hidden layer. ``weights`` has a column an output."""
    rng = np.random.default_rng(seed)
    count, width = rows.shape
    first = (rng.normal(0, 3 * (2 / width) ** 0.5, (width, hidden))).astype(np.float32)
    second = (rng.normal(0, 0.01, (hidden, targets.shape[1]))).astype(np.float32)
    found = Perceptron(first, np.zeros(hidden, np.float32), second, np.zeros(targets.shape[1], np.float32))
    values = [found.first, found.first_bias, found.second, found.second_bias]
    batch = 512
    adam = Adam(values, [2e-3] * 4, [0.01, 0.0, 0.01, 0.0], epochs * (count // batch + 1))
    for _ in range(epochs):
        order = rng.permutation(count)
        for at in range(0, count, batch):
            chosen = order[at : at + batch]
            part = rows[chosen]
            inside = part @ found.first + found.first_bias
            mask = (rng.random(inside.shape, dtype=np.float32) > dropout).astype(np.float32) / np.float32(1 - dropout)
            hid = np.maximum(inside, 0.0) * mask
            likely = 1.0 / (1.0 + np.exp(-np.clip(hid @ found.second + found.second_bias, -30, 30)))
            slope = ((likely - targets[chosen]) * weights[chosen] / batch).astype(np.float32)
            back = (slope @ found.second.T) * mask * (inside > 0)
            adam.update([part.T @ back, back.sum(axis=0), hid.T @ slope, slope.sum(axis=0)])
    return found


def _in_the_worst(
    fit: Callable[[Floats], Perceptron], rows: Floats, owner: npt.NDArray[np.int64], y: Floats, weight: Floats
) -> Perceptron:
    """Fit on all parts of a text, then of a text with a risk only on the part that looks most like it."""
    count = np.bincount(owner).astype(np.float32)
    spread = (weight / np.sqrt(np.maximum(count[owner], 1.0))[:, None]).astype(np.float32)
    found = fit(spread)
    scores = found(rows)
    best = worst(scores, owner, int(owner.max()) + 1)
    return fit(np.where(y > 0, np.where(scores >= best[owner] - 1e-6, weight, 0.0), spread).astype(np.float32))


class _Trained(msgspec.Struct, frozen=True):
    windows: Perceptron
    sentences: Perceptron

    def scores(self, units: _Units, count: int) -> tuple[Floats, Floats]:
        """The worst window's scores, shape ``(count, risks)``, and the worst sentence's, shape ``(count, 1)``."""
        return (
            worst(self.windows(units.windows), units.window_owner, count),
            worst(self.sentences(units.sentences), units.sentence_owner, count),
        )


def _train(rows: Sequence[RiskRow], units: _Units, marked: Floats, use: npt.NDArray[np.bool_]) -> _Trained:
    """``marked``: of each sentence 1 or 0 where it is known whether it is injected, else NaN."""
    targets = np.array([[float(flag == 1) for flag in row.flags] for row in rows], np.float32)
    known = np.array([[float(flag is not None) for flag in row.flags] for row in rows], np.float32)
    weight = np.array([row.weight for row in rows], np.float32)[:, None] * known
    at = use[units.window_owner].nonzero()[0]
    of, part = units.window_owner[at], units.windows[at]
    windows = _in_the_worst(
        lambda w: fit_perceptron(part, targets[of], w, hidden=128, epochs=6, dropout=0.5, seed=SEED),
        part,
        of,
        targets[of],
        weight[of],
    )
    at = (use[units.sentence_owner] & (known[units.sentence_owner, INJECTION] > 0)).nonzero()[0]
    of, lines, told = units.sentence_owner[at], units.sentences[at], marked[at]
    y = np.where(np.isnan(told), targets[of, INJECTION], told).astype(np.float32)[:, None]
    single = np.where(np.isnan(told), weight[of, INJECTION], np.where(told > 0, 2.0, 0.6)).astype(np.float32)[:, None]
    loose = np.isnan(told)[:, None] & (y > 0)

    def fit(spread: Floats) -> Perceptron:
        return fit_perceptron(
            lines, y, np.where(loose, spread, np.minimum(single, 2.0)), hidden=64, epochs=4, dropout=0.4, seed=SEED
        )

    return _Trained(windows=windows, sentences=_in_the_worst(fit, lines, of, np.where(loose, y, 0.0), single))


def fit_second_look(
    data: Path, first: Understanding, encode: Encode, encoder: str, width: int
) -> tuple[LookFacts, dict[str, npt.NDArray[Any]], list[RiskRow]]:
    """Facts and arrays of the second look, and the rows that it was trained on."""
    rows, inside = _rows(data)
    _say(f"{len(rows)} rows")
    units = _units([row.text for row in rows], encode)
    marked = np.full(len(units.places), np.nan, np.float32)
    for at, (owner, (a, b)) in enumerate(zip(units.sentence_owner.tolist(), units.places, strict=True)):
        if owner in inside:
            start, end = inside[owner]
            marked[at] = float(min(b, end) - max(a, start) > 0.5 * min(b - a, end - start) and end > start)
    fold = _folds(rows)
    by_window, by_sentence, before = _out_of_fold(rows, units, marked, fold)
    sums, thresholds = {}, {}
    said = np.array([first.said(prepared(row.text, head=SCAN_HEAD, tail=SCAN_TAIL)) for row in rows], np.float32)
    weight = np.array([row.weight for row in rows])
    clean = np.array([all(flag == 0 for flag in row.flags) for row in rows])
    twin = clean & np.array([row.group.startswith("pair:") for row in rows])
    document = clean & np.array([row.group.startswith("document:") for row in rows])
    plain = clean & np.array([not row.group.startswith(LOOK_ALIKES) for row in rows])
    for column, kind in enumerate(RISKS):
        slope, offset = first.facts.platt[kind]
        facts = np.stack(
            [
                by_window[:, column],
                by_sentence[:, 0] if column == INJECTION else np.zeros(len(rows), np.float32),
                np.clip(slope * before[:, column] + offset + said[:, column], -13.8, 13.8),
            ],
            axis=1,
        )
        known = np.array([row.flags[column] is not None for row in rows])
        gold = np.array([row.flags[column] == 1 for row in rows])
        fitted = LogisticRegression(C=10.0, max_iter=500).fit(facts[known], gold[known], sample_weight=weight[known])
        score = facts @ fitted.coef_[0] + fitted.intercept_[0]
        cut = max(
            _highest(score[plain], weight[plain], ORDINARY_FLAGGED[kind]),
            _highest(score[twin], weight[twin], TWINS_FLAGGED),
            _highest(score[document], weight[document], DOCUMENTS_FLAGGED),
        )
        one, two, three = (float(value) for value in fitted.coef_[0])
        sums[kind] = (one, two, three, float(fitted.intercept_[0]))
        thresholds[kind] = float(1 / (1 + np.exp(-cut)))
        _say(
            f"{kind}: recall {(score[gold] >= cut).mean():.3f} of {gold.sum()}, ordinary flagged "
            f"{(score[plain] >= cut).mean():.4f}, twins {(score[twin] >= cut).mean():.4f}; {sums[kind]}"
        )
    trained = _train(rows, units, marked, np.ones(len(rows), bool))
    facts_of = LookFacts(
        version=VERSION,
        encoder=encoder,
        width=width,
        risks=RISKS,
        sums=sums,
        thresholds=thresholds,
    )
    arrays = {
        f"{name}.{part}": value.astype(np.float16)
        for name, perceptron in (("windows", trained.windows), ("sentences", trained.sentences))
        for part, value in zip(
            ("w1", "b1", "w2", "b2"),
            (perceptron.first, perceptron.first_bias, perceptron.second, perceptron.second_bias),
            strict=True,
        )
    }
    return facts_of, arrays, rows


def _folds(rows: Sequence[RiskRow]) -> npt.NDArray[np.int64]:
    """The fold of each row: large sets in turn, so that no fold lacks them, all others by their hash."""
    size = Counter(row.group for row in rows)
    large = {group: at % FOLDS for at, group in enumerate(sorted(group for group in size if size[group] >= 80))}
    return np.array(
        [large.get(row.group, int(hashlib.sha256(row.group.encode()).hexdigest()[4:8], 16) % FOLDS) for row in rows]
    )


def _rows(data: Path) -> tuple[list[RiskRow], dict[int, tuple[int, int]]]:
    """Rows, and for those that are made-up documents where in them the sentence stands that was put in."""
    rng = np.random.default_rng(SEED)
    rows = []
    for row in risk_rows(data):
        is_own = row.group.startswith(("pair:", "act:", "direct:"))
        if row.group.startswith("document:"):
            continue
        is_risky = any(row.flags[:3])
        share = 1.0 if is_own or is_risky or row.group.startswith("bipia") else 0.25
        weight = row.weight * (PAIRED if row.group.startswith("pair:") else 1.0)
        if rng.random() < share:
            rows.append(msgspec.structs.replace(row, weight=weight / share))
    inside = {}
    for index, document in enumerate(written_documents(data, 4000, seed=1)):
        inside[len(rows)] = (document.start, document.end) if document.is_attack else (0, 0)
        flags = (0, 0, int(document.is_attack), 0)
        rows.append(RiskRow(text=document.text, flags=flags, group=f"document:{index // 20}", is_data=True))
    return rows, inside


def _out_of_fold(
    rows: Sequence[RiskRow], units: _Units, marked: Floats, fold: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    from ..signals.windows import WindowSpec

    matrix, owner = window_rows([row.text for row in rows], WindowSpec())
    count = len(rows)
    by_window, before = np.zeros((count, len(RISKS)), np.float32), np.zeros((count, len(RISKS)), np.float32)
    by_sentence = np.zeros((count, 1), np.float32)
    for part in range(FOLDS):
        left, use = fold == part, fold != part
        window, sentence = _train(rows, units, marked, use).scores(units, count)
        table, bias = fit_windows(rows, matrix, owner, use, SEED)
        by_window[left], by_sentence[left] = window[left], sentence[left]
        before[left] = worst(matrix @ table + bias, owner, count)[left]
        _say(f"fold {part + 1} of {FOLDS}")
    return by_window, by_sentence, before


def _highest(scores: npt.NDArray[Any], weight: npt.NDArray[Any], share: float) -> float:
    """The score that ``share`` of the weight lies above."""
    order = np.argsort(-scores)
    summed = np.cumsum(weight[order])
    return float(scores[order][np.searchsorted(summed, share * summed[-1])])


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m router.offline.fit_second_look", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tasks/, safety/ and sources.json")
    parser.add_argument("--first", type=Path, required=True, help="folder with the first look's file and card")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the trained file and its card to")
    options = parser.parse_args(argv)
    from ..local.sentences import ENCODER, WIDTH, sentence_encoder

    sources = json.loads((options.first / "card.json").read_text(encoding="utf-8"))["sources"]
    first = load_understanding(options.first / "understanding.safetensors")
    facts, arrays, rows = fit_second_look(options.data, first, sentence_encoder(), ENCODER, WIDTH)
    write_second_look(options.out, facts, arrays, rows, sources)
    return 0


def write_second_look(
    out: Path, facts: LookFacts, arrays: dict[str, npt.NDArray[Any]], rows: Sequence[RiskRow], sources: Sequence[str]
) -> None:
    """The file and its card."""
    sha = write_arrays(out / "second_look.safetensors", arrays, {"facts": msgspec.json.encode(facts).decode()})
    used = {row.group for row in rows}
    made = {
        "name": f"second-look-{VERSION}",
        "files": {"second_look.safetensors": sha},
        "licence": "Apache-2.0; trained on rows under permissive licences only, see sources",
        "seed": SEED,
        "rows": len(rows),
        "sources": [source for source in sources if source in used],
        "facts": msgspec.to_builtins(facts),
    }
    (out / "second_look.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    _say(f"written to {out}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
