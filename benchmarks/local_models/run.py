"""How good are the shipped local models, on sets they learnt from and on others, and what does an answer cost?

    python benchmarks/local_models/run.py --data DIR [--tweeteval DIR] [--models sentiment ...]

DIR holds ``experts/`` and ``experts_permissive/`` (gzipped JSON Lines with ``text`` and ``label``). Test and outsider
rows only; each figure is of the shipped file, loaded as the router loads it. ``--tweeteval``: ``datasets/sentiment`` of
cardiffnlp/tweeteval (test_text.txt, test_labels.txt), a domain with three classes that ``sentiment`` has not seen.
Models that are not named keep the figures they have.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import RESULTS, write
from router.local.base import CardedModel, model_directories, shipped_directory
from router.local.load import load_local_model
from router.offline.build_shipped import measured, read_source
from router.offline.measure import figures, latency_us
from router.offline.recipes import RECIPES
from router.offline.typos import mistyped

SENTENCE = "the parcel came two days late and one box was open but the people on the phone were kind "


def with_typos(model: CardedModel, data: Path) -> dict[str, float]:
    """Accuracy on the first learnt set's test rows, clean and with three typos a text."""
    source = RECIPES[model.name].sources[0]
    test = read_source(data, source, "test")
    draw = random.Random(0)
    texts = [mistyped(text, draw) for text in test.texts]
    return {
        name: figures(model.card, model.predict(read), test.labels, language=source.language)["accuracy"]
        for name, read in (("clean", test.texts), ("three_typos", texts))
    }


def of_tweets(model: CardedModel, folder: Path) -> dict[str, Any]:
    """Figures on TweetEval's test tweets (Barbieri et al., 2020, arXiv:2010.12421)."""
    texts = (folder / "test_text.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    names = ("negative", "neutral", "positive")
    labels = [names[int(line)] for line in (folder / "test_labels.txt").read_text().split()]
    return figures(model.card, model.predict(texts), labels) | {"seen_domain": False}


def main() -> None:
    """Measure all shipped models and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tweeteval", type=Path)
    parser.add_argument("--models", nargs="*", default=list(RECIPES))
    chosen = parser.parse_args()
    data: Path = chosen.data
    before = json.loads((RESULTS / "local_models.json").read_text(encoding="utf-8"))["models"]
    found: dict[str, Any] = {}
    for directory in model_directories(shipped_directory()):
        model = load_local_model(directory)
        if model.name not in RECIPES:
            continue
        if model.name not in chosen.models:
            found[model.name] = before[model.name]
            continue
        found[model.name] = {
            "labels": len(model.labels),
            "rows": model.card.rows,
            "promise": model.card.promise,
            "bytes": sum(path.stat().st_size for path in directory.iterdir()),
            "latency_us_by_words": {
                str(count): round(latency_us(model, (" ".join((SENTENCE * 120).split()[:count]),)), 1)
                for count in (10, 30, 200, 2000)
            },
            "typos": with_typos(model, data),
            "sets": measured(model, RECIPES[model.name], data),
        }
        if model.name == "sentiment" and chosen.tweeteval:
            found[model.name]["sets"]["tweets (TweetEval)"] = of_tweets(model, chosen.tweeteval)
        print(model.name, found[model.name]["latency_us_by_words"], found[model.name]["typos"])
    write("local_models", {"models": found})


if __name__ == "__main__":
    main()
