"""What does the shipped toxicity model make of hate and of its near misses, function by function?

    python benchmarks/local_models/functions.py [--model DIR]

``hate_functions.json`` holds sentences of this project's own, after the functionalities of HateCheck (Röttger et al.,
2021, arXiv:2012.15606): what must be flagged, and counter-speech, negation, reclaimed words and the like that must not.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import write
from router.local.base import CardedModel, shipped_directory
from router.local.load import load_local_model
from router.offline.promise import wilson_interval

FUNCTIONS = Path(__file__).with_name("hate_functions.json")


def sentences() -> list[tuple[str, str, str]]:
    """``(function, label, text)``, each sentence about each group once."""
    told = json.loads(FUNCTIONS.read_text(encoding="utf-8"))
    found = []
    for function in told["functions"]:
        for sentence in function["sentences"]:
            for group in told["groups"] if "{g}" in sentence else [""]:
                text = sentence.replace("{g}", group)
                found.append((function["name"], function["label"], text[0].upper() + text[1:]))
    return found


def measured(model: CardedModel) -> dict[str, Any]:
    """Accuracy in all, by label and by function; and what is wrong of what the model would answer."""
    rows = sentences()
    predictions = model.predict([text for _, _, text in rows])
    said = [prediction.labels[int(np.argmax(prediction.probabilities))] for prediction in predictions]
    right = np.array([label == truth for label, (_, truth, _) in zip(said, rows, strict=True)])
    sure = np.array([max(prediction.probabilities) >= model.card.threshold for prediction in predictions])
    by: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(function for function, _, _ in rows):
        mine = np.array([function == name for function, _, _ in rows])
        label = next(truth for function, truth, _ in rows if function == name)
        by[name] = {"label": label, "rows": int(mine.sum()), "accuracy": round(float(right[mine].mean()), 4)}
    labels = np.array([truth for _, truth, _ in rows])
    return {
        "model": model.name,
        "rows": len(rows),
        "accuracy": round(float(right.mean()), 4),
        "accuracy_interval": [round(end, 4) for end in wilson_interval(int(right.sum()), len(right))],
        "by_label": {str(label): round(float(right[labels == label].mean()), 4) for label in np.unique(labels)},
        "answered": round(float(sure.mean()), 4),
        "wrong_among_answered": round(float((~right)[sure].mean()), 4) if sure.any() else None,
        "functions": by,
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=shipped_directory() / "toxicity")
    found = measured(load_local_model(parser.parse_args().model))
    print(found["accuracy"], found["by_label"])
    write("hate_functions", found)


if __name__ == "__main__":
    main()
