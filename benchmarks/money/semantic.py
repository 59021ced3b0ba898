"""How often does the semantic cache answer another question than it was asked, and how often the same one reworded?

Each row of semantic_pairs.tsv is a question, two other wordings of it, and two questions that look like it and are
not: a negation, an antonym, another number or another name. Rows alternate between a half on which the threshold is
chosen and one that is kept back. Beside the cache's own rule stands what a threshold on the vectors alone would do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.machine import write

from router.config import SemanticSettings
from router.local.static import shipped_encoder
from router.state.semantic import SemanticIndex, gist

PAIRS = Path(__file__).with_name("semantic_pairs.tsv")
STEPS = [round(0.5 + 0.01 * step, 2) for step in range(51)]
Pair = tuple[str, str, bool]


def halves() -> tuple[list[Pair], list[Pair]]:
    """Pairs to choose the threshold on, and pairs that are kept back; True where both ask the same."""
    found: tuple[list[Pair], list[Pair]] = ([], [])
    for number, line in enumerate(PAIRS.read_text(encoding="utf-8").splitlines()):
        question, *others = line.split("\t")
        for at, other in enumerate(others):
            found[number % 2].append((question, other, at < 2))
    return found


def counted(pairs: list[Pair], *, threshold: float, guarded: bool) -> dict[str, Any]:
    """Shares of pairs that would be taken for the same."""
    encoder = shipped_encoder()
    hits = {True: 0, False: 0}
    wrong = []
    for question, other, is_same in pairs:
        if guarded:
            index = SemanticIndex(lambda text: encoder.embed([text])[0], threshold=threshold)
            index.add("scope", question, "key")
            is_hit = index.find("scope", other) == "key"
        else:
            one, two = encoder.embed([question, other])
            is_hit = float(one @ two) >= threshold
        hits[is_same] += is_hit
        if is_hit and not is_same:
            wrong.append([question, other])
    same = sum(is_same for _, _, is_same in pairs)
    return {
        "threshold": threshold,
        "pairs": len(pairs),
        "hit": round(hits[True] / same, 4),
        "false_hits": hits[False],
        "false_hit": round(hits[False] / (len(pairs) - same), 4),
        "wrong": wrong[:5],
    }


def main() -> None:
    """Measure, and write results/semantic.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-write", action="store_true")
    asked = parser.parse_args()
    chosen_on, kept_back = halves()
    default = SemanticSettings().threshold
    near = [
        float(one @ two)
        for question, other, is_same in chosen_on
        if is_same and gist(question) == gist(other) is not None
        for one, two in [shipped_encoder().embed([question, other])]
    ]
    alone = [counted(chosen_on, threshold=each, guarded=False) for each in STEPS]
    best = next((row["threshold"] for row in alone if row["false_hits"] == 0), 1.0)
    figures = {
        "default": default,
        "lowest_cosine_of_a_hit": round(min(near), 4),
        "chosen_on": counted(chosen_on, threshold=default, guarded=True),
        "kept_back": counted(kept_back, threshold=default, guarded=True),
        "vectors_alone": {
            "same_threshold": counted(kept_back, threshold=default, guarded=False),
            "no_false_hit_on_the_other_half": counted(kept_back, threshold=best, guarded=False),
        },
    }
    for name, row in figures.items():
        print(name, row)
    if not asked.no_write:
        write("semantic", figures)


if __name__ == "__main__":
    main()
