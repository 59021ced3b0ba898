"""Train the deep reading (extra ``train``).

``python -m router.offline.fit_deep --data DIR --first DIR --work DIR --out DIR``

Writes ``encoder.onnx``, ``tokenizer.json`` and ``card.json``. A tenth of the data sets, of the files of written
requests and of the groups of risky texts is kept back: on it the two readings, fitted without it, are weighed,
calibrated and given their thresholds. ``--part mix`` takes the encoder in ``--out`` as it is. ``--start`` trains an
encoder further that was trained before on fewer rows; what it was not to see is the same then.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from ..features import prepared
from ..local.deep import CARD_FILE, DeepCard
from ..local.encoder import GRAPH_FILE, TOKENIZER_FILE, Graph
from ..local.files import write_bytes
from ..local.static import shipped_encoder
from ..local.understanding import load_understanding
from ..reading import ReadingSpec
from ..signals.deep import DeepFacts, Mix, suspicious_place
from ..signals.learned import SCAN_HEAD, SCAN_TAIL, Understanding
from .deep_rows import deep_rows, drawn, kept_tasks
from .fit_signals import LOOK_ALIKES, highest, read_odds, read_trial, set_weights, sources_of, worst
from .pooled import Pooled, reading_rows
from .signal_rows import RISKS, WRITTEN, RiskRow, TaskRow, is_held_out, is_own, read_rows, risk_rows

__all__ = ["main"]

VERSION = "1"
SEED = 11
MOST_TASKS, MOST_RISKS = 6_000, 6_000  # of what is kept back
MAX_TOKENS, TAIL_TOKENS = 112, 48
PIECES = 18_000
# Of ordinary texts that are kept back at most this share is flagged, and of harmless twins of risky ones.
ORDINARY_FLAGGED = {"harmful": 0.002, "jailbreak": 0.003, "prompt_injection": 0.004, "toxicity": 0.003}
TWINS_FLAGGED = 0.055
ENOUGH, ENOUGH_OF_SOURCE = 30, 10  # rows that a risk needs, of two sources at least
TASK_LOSS = 0.002  # so much of the right tasks may be lost where the deep reading is spared,
RISK_MISSED = 0.1  # and so much of the risks that it would flag
LIMITS = (
    "Too few jailbreaks and abusive texts were kept back to weigh the two readings by: of these the first one stands.",
    "The base was trained on English: other languages are read by what the training rows hold of them.",
    "Of a long text the first and the last tokens are read for the task, and for risks also the place that the first "
    "reading suspects most.",
)

Floats = npt.NDArray[np.float32]


def fit_mix(
    graph: Graph,
    first: Understanding,
    trial: tuple[Pooled, float],
    odds: Floats,
    tasks: Sequence[TaskRow],
    risks: Sequence[RiskRow],
    labels: tuple[str, ...],
) -> tuple[DeepFacts, dict[str, Any]]:
    """Facts of the card, and figures on what was kept back, which ``trial`` has not seen either.

    ``odds``: the first reading's of all ``risks``, out of fold.
    """
    deep_task, first_task, figures = _task_weights(graph, trial, tasks, labels)
    task_below = figures.pop("task_below")
    mixes, risk_above, told = _risk_mixes(graph, first, odds, risks, len(labels))
    facts = DeepFacts(
        version=VERSION,
        tasks=labels,
        risks=RISKS,
        max_tokens=MAX_TOKENS,
        tail_tokens=TAIL_TOKENS,
        task_deep=deep_task,
        task_first=first_task,
        task_below=task_below,
        risk_above=risk_above,
        mixes=mixes,
    )
    return facts, {"tasks": figures, "risks": told}


def _task_weights(
    graph: Graph, trial: tuple[Pooled, float], tasks: Sequence[TaskRow], labels: tuple[str, ...]
) -> tuple[float, float, dict[str, Any]]:
    scorer, temperature = trial
    left = _some([row for row in tasks if is_held_out(row.group)], MOST_TASKS)
    before = _log_softmax(
        scorer.scores(reading_rows([row.text for row in left], ReadingSpec(), shipped_encoder().table)) / temperature
    )
    deep = graph.run([row.text for row in left])[0][:, : len(labels)]
    gold = np.array([labels.index(row.task) for row in left])
    own = np.array([is_own(row) for row in left])
    weight = set_weights(left)

    def loss(by: npt.NDArray[np.float64]) -> float:
        scores = _log_softmax(by[0] * deep + by[1] * before)
        return float(-(weight * scores[np.arange(len(gold)), gold]).sum())

    found = minimize(loss, np.array([1.0, 0.5]), method="Nelder-Mead").x
    both = _log_softmax(found[0] * deep + found[1] * before)
    sure = np.exp(before.max(axis=1))
    hits = {name: scores.argmax(axis=1) == gold for name, scores in (("first", before), ("deep", deep), ("both", both))}
    whole = float((weight * hits["both"]).sum())
    below = 1.0
    for cut in np.arange(0.98, 0.3, -0.01):
        mixed = np.where(sure < cut, hits["both"], hits["first"])
        if (weight * mixed).sum() < whole - TASK_LOSS * weight.sum():
            break
        below = float(cut)
    figures: dict[str, Any] = {"rows": len(left), "task_below": round(below, 2)}
    for name, of in (("data_sets", ~own), ("written", own)):
        figures[name] = {
            reading: round(float(np.average(hit[of], weights=weight[of])), 4) for reading, hit in hits.items()
        }
        figures[name]["asked_deep"] = round(float(np.average(sure[of] < below, weights=weight[of])), 4)
    _say(f"tasks: {found}, {figures}")
    return float(found[0]), float(found[1]), figures


def _risk_mixes(
    graph: Graph, first: Understanding, odds: Floats, risks: Sequence[RiskRow], tasks: int
) -> tuple[dict[str, Mix], float, dict[str, Any]]:
    kept = [index for index, row in enumerate(risks) if is_held_out(row.group)]
    at = np.array(_some(kept, MOST_RISKS))
    left = [risks[index] for index in at]
    before = np.clip(odds[at], -13.8, 13.8)
    weighed = [column for column in range(len(RISKS)) if _is_enough(left, column)]
    texts, of = [], []
    for index, row in enumerate(left):
        data = prepared(row.text, head=SCAN_HEAD, tail=SCAN_TAIL)
        place = suspicious_place(row.text, data, first, [RISKS[column] for column in weighed])
        texts += [row.text] if place is None else [row.text, row.text[place[0] : place[1]]]
        of += [index] if place is None else [index, index]
    deep = worst(graph.run(texts)[0][:, tasks:], np.array(of), len(left))
    weight = np.array([row.weight for row in left])
    clean = np.array([all(flag == 0 for flag in row.flags) for row in left])
    ordinary = clean & np.array([not row.group.startswith(LOOK_ALIKES) for row in left])
    twins = clean & np.array([row.group.startswith("pair:") for row in left])
    mixes: dict[str, Mix] = {}
    told: dict[str, Any] = {}
    unsure, flagged = np.zeros(len(left)), np.zeros(len(left), bool)
    for column, kind in enumerate(RISKS):
        unsure = np.maximum(unsure, 1.0 / (1.0 + np.exp(-before[:, column])))
        known = np.array([row.flags[column] is not None for row in left])
        gold = np.array([row.flags[column] == 1 for row in left])
        if column not in weighed:  # too little to weigh by: the first reading stands
            mixes[kind] = Mix(deep=0.0, first=1.0, offset=0.0, threshold=first.facts.thresholds[kind])
            continue
        facts = np.stack([deep[:, column], before[:, column]], axis=1)
        fitted = LogisticRegression(C=10.0).fit(facts[known], gold[known], sample_weight=weight[known])
        by_deep, by_first = (max(0.0, float(value)) for value in fitted.coef_[0])
        score = by_deep * facts[:, 0] + by_first * facts[:, 1] + float(fitted.intercept_[0])
        cut = max(
            highest(score[ordinary], weight[ordinary], ORDINARY_FLAGGED[kind]),
            highest(score[twins], weight[twins], TWINS_FLAGGED),
        )
        flagged |= gold & (score >= cut)
        mixes[kind] = Mix(
            deep=by_deep, first=by_first, offset=float(fitted.intercept_[0]), threshold=float(1 / (1 + np.exp(-cut)))
        )
        told[kind] = {
            "rows": int(gold.sum()),
            "recall": round(float((score[gold] >= cut).mean()), 4),
            "twins_flagged": round(float((score[twins] >= cut).mean()), 4),
        }
        _say(f"{kind}: {mixes[kind]}, {told[kind]}")
    risk_above = float(np.quantile(unsure[flagged], RISK_MISSED))
    told["asked_deep"] = round(float(np.average(unsure[ordinary] >= risk_above, weights=weight[ordinary])), 4)
    _say(f"risk_above {risk_above:.3f}: {told['asked_deep']} of ordinary texts are read again")
    return mixes, risk_above, told


def _is_enough(rows: Sequence[RiskRow], column: int) -> bool:
    """Whether enough rows of enough sources have a risk to weigh two readings of it by."""
    risky = [row.group for row in rows if row.flags[column] == 1]
    # Written pairs are named after the file that they stand in: pair:hr-12.
    sources = Counter(group.split("-" if group.startswith("pair:") else ":")[0] for group in risky)
    large = [count for count in sources.values() if count >= ENOUGH_OF_SOURCE]
    return len(large) >= 2 and sum(large) >= ENOUGH


def _some(found: Sequence[Any], most: int) -> list[Any]:
    """At most ``most`` of them, the same in every run."""
    drawn = np.sort(np.random.default_rng(SEED).permutation(len(found))[:most])
    return [found[index] for index in drawn]


def _log_softmax(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    z = scores.astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)
    shifted: npt.NDArray[np.float64] = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return shifted


def fit_encoder(
    data: Path, tasks: Sequence[TaskRow], risks: Sequence[RiskRow], first: Understanding, options: argparse.Namespace
) -> tuple[bytes, bytes]:
    """Graph and tokenizer, trained on what is not kept back."""
    from .deep_encoder import cut_vocabulary, encoded, fine_tuned
    from .deep_start import weights_of

    labels = sorted({row.task for row in tasks})
    rows = deep_rows(
        data,
        [row for row in tasks if not is_held_out(row.group)],
        [row for row in risks if not is_held_out(row.group)],
        first,
        SEED,
        frozenset(row["prompt"] for name in options.often for row in read_rows(WRITTEN / name)),
    )
    base, whole = _base(options)
    if options.start is None:
        start = None
        tokenizer, pieces = cut_vocabulary(whole, [row.text[:3000] for row in rows], PIECES)
    else:
        start = weights_of((options.start / GRAPH_FILE).read_bytes())
        tokenizer, pieces = _cut(options.start, whole)
    draws = [drawn(rows, options.rows, SEED + at) for at in range(options.draws)]
    graph = fine_tuned(
        base,
        [(draw, encoded(tokenizer, [row.text for row in draw], MAX_TOKENS, TAIL_TOKENS)) for draw in draws],
        pieces,
        labels,
        minutes=options.minutes,
        seed=SEED,
        start=start,
    )
    return graph, tokenizer.to_str().encode()


def mean_encoder(options: argparse.Namespace) -> bytes:
    """The graph between ``--start`` and the encoder in ``--out``, which was trained on from there.

    On what the later rows are unlike it is better than the later one, and nearly as good on what they are like
    (Wortsman et al., 2022, arXiv:2109.01903).
    """
    from .deep_encoder import averaged
    from .deep_start import weights_of

    base, whole = _base(options)
    _, pieces = _cut(options.out, whole)
    shares = ((options.kept, options.start), (1.0 - options.kept, options.out))
    return averaged(base, pieces, [(share, weights_of((at / GRAPH_FILE).read_bytes())) for share, at in shares])


def _base(options: argparse.Namespace) -> tuple[Path, Any]:
    """The folder of the base, and its whole tokenizer, which cuts no text."""
    from tokenizers import Tokenizer

    from .bases import find_base

    base = options.base or find_base().directory
    whole = Tokenizer.from_file(str(base / "tokenizer.json"))
    whole.no_truncation()
    whole.no_padding()
    return base, whole


def _cut(place: Path, whole: Any) -> tuple[Any, list[int]]:
    """The tokenizer of an encoder that was trained before, and the ids of its pieces in the whole one."""
    from tokenizers import Tokenizer

    from .deep_encoder import pieces_of

    tokenizer = Tokenizer.from_file(str(place / TOKENIZER_FILE))
    return tokenizer, pieces_of(tokenizer, whole)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m router.offline.fit_deep", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tasks/, safety/ and sources.json")
    parser.add_argument("--first", type=Path, required=True, help="folder with the first reading's file")
    parser.add_argument("--work", type=Path, required=True, help="the folder that fit_signals was given")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the encoder and its card to")
    parser.add_argument("--base", type=Path, help="a Hugging Face encoder; MiniLM of an installed package by default")
    parser.add_argument("--rows", type=int, default=180_000, help="rows of a draw")
    parser.add_argument("--minutes", type=float, default=75.0, help="how long training may take")
    parser.add_argument("--start", type=Path, help="folder of an encoder that was trained before, to train on")
    parser.add_argument("--draws", type=int, default=1, help="with --start: so many are trained on, each on a core")
    parser.add_argument("--often", nargs="*", default=[], help="files of written rows that are drawn more often")
    parser.add_argument(
        "--part",
        choices=("all", "mean", "mix"),
        default="all",
        help="mean: of --start's weights and those of the encoder that is there; mix: the encoder stays as it is",
    )
    parser.add_argument("--kept", type=float, default=0.4, help="mean: the share of --start's weights, 0..1")
    options = parser.parse_args(argv)
    if options.draws > 1 and options.start is None:
        parser.error("weights of several draws can be averaged where they go on from the same ones: name --start")
    if options.part == "mean" and options.start is None:
        parser.error("a mean is of two encoders: name --start")
    tasks, risks = kept_tasks(options.data), risk_rows(options.data)
    first = load_understanding(options.first / "understanding.safetensors")
    if options.part == "all":
        graph, tokenizer = fit_encoder(options.data, tasks, risks, first, options)
        write_bytes(options.out / GRAPH_FILE, graph)
        write_bytes(options.out / TOKENIZER_FILE, tokenizer)
    if options.part == "mean":
        write_bytes(options.out / GRAPH_FILE, mean_encoder(options))
    graph, tokenizer = ((options.out / name).read_bytes() for name in (GRAPH_FILE, TOKENIZER_FILE))
    reader = Graph(graph, tokenizer, max_tokens=MAX_TOKENS, tail_tokens=TAIL_TOKENS)
    labels = tuple(sorted({row.task for row in tasks}))
    facts, figures = fit_mix(
        reader, first, read_trial(options.work), read_odds(options.work, risks), tasks, risks, labels
    )
    card = DeepCard(
        name=f"deep-{VERSION}",
        files={GRAPH_FILE: hashlib.sha256(graph).hexdigest(), TOKENIZER_FILE: hashlib.sha256(tokenizer).hexdigest()},
        licence="Apache-2.0; trained on rows under permissive licences only, see sources",
        base="all-MiniLM-L6-v2 (Apache-2.0)" if options.base is None else options.base.name,
        rows=options.rows,
        seed=SEED,
        sources=tuple(sources_of([row.group for row in tasks] + [row.group for row in risks])),
        limits=LIMITS,
        kept_back=figures,
        facts=facts,
    )
    write_bytes(options.out / CARD_FILE, msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    _say(f"written to {options.out}")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
