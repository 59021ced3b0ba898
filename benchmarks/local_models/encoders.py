"""How good does the maker ``encoder`` get, in how many minutes, and what does a text of 32 tokens cost on one core?

    python -m benchmarks.local_models.encoders --data DIR [--bases minilm mpnet] [--sets clinc150 ...] [--minutes 20]
        [--teacher mpnet-12] [--keep DIR [--timed]]

As ``experts.py``: official splits, the user's way, ``test`` read once; results of what is run are merged into
``results/experts.json`` under ``encoder`` (MiniLM) and ``encoder, mpnet``, with ``, taught`` behind where a teacher was
named. ``--timed`` measures what a text costs once more, with the models that an earlier run has kept in DIR: training
takes hours in which a machine is seldom left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from experts import RESULTS, SETS, measure, merged, processor_us

from machine import facts
from router.local.load import load_local_model
from router.offline.build_shipped import read_rows
from router.offline.measure import latency_us

THIRTY_TWO = "the parcel came two days late and one box was open but the people on the phone were kind and sent a new"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bases", nargs="+", default=["minilm"], help="minilm, mpnet, or a Hugging Face directory")
    parser.add_argument("--teacher", help="a larger encoder to learn from: mpnet-12, or a Hugging Face directory")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--minutes", type=float, default=15.0, help="of fine-tuning, for one set")
    parser.add_argument("--keep", type=Path, help="write the trained models to folders here")
    parser.add_argument("--timed", action="store_true", help="train nothing: time the models in --keep once more")
    chosen = parser.parse_args()
    if chosen.timed and not chosen.keep:
        parser.error("--timed needs the folder of --keep")
    for name in chosen.sets:
        for base in chosen.bases:
            maker = "encoder" if base == "minilm" else f"encoder, {Path(base).name}"
            maker += ", taught" if chosen.teacher else ""

            if chosen.timed:
                again(name, maker, chosen.keep / f"{name}-{Path(base).name}", chosen.data)
                continue

            def also(model: Any, place: str = f"{name}-{Path(base).name}") -> dict[str, Any]:
                if chosen.keep:
                    model.save(chosen.keep / place)
                return cost(model)

            merged(
                name,
                maker,
                measure("encoder", chosen.data, name, chosen.minutes, base=base, teacher=chosen.teacher, also=also),
            )


def again(name: str, maker: str, place: Path, data: Path) -> None:
    """Time the model in ``place``; its row keeps what else was measured when it was trained."""
    model = load_local_model(place)
    row = json.loads(RESULTS.read_text(encoding="utf-8"))["sets"][name][maker]
    texts = [each["text"] for each in read_rows(data / "experts" / name / "test.jsonl.gz")]
    timed = {
        "latency_us_p50": round(latency_us(model), 1),
        "processor_us_p50": round(processor_us(model, texts[:300]), 1),
    }
    merged(name, maker, row | timing(model) | timed | {"timed_at": facts()["commit"]})


def cost(model: Any) -> dict[str, Any]:
    """What a text costs of a classifier that was just trained, and how that went."""
    return {
        **timing(model.model_),
        "numbers": model.maker_.numbers_,
        "trained": {
            "steps": model.maker_.trained_.steps,
            "seconds": model.maker_.trained_.seconds,
            "precision": model.maker_.trained_.precision,
            "is_averaged": model.maker_.trained_.is_averaged,
        },
    }


def timing(model: Any) -> dict[str, Any]:
    """Tokens of a text, and the milliseconds that it takes, by the clock and by the processor."""
    graph = model._graph
    words = (THIRTY_TWO * 2).split()
    text = next(
        " ".join(words[:count]) for count in range(len(words), 0, -1) if graph.tokens(" ".join(words[:count])) <= 32
    )
    clock, processor = [], []
    for _ in range(300):
        started = time.perf_counter(), time.thread_time()
        model.predict([text])
        clock.append(time.perf_counter() - started[0])
        processor.append(time.thread_time() - started[1])
    return {
        "tokens": graph.tokens(text),
        "ms_p50": round(1e3 * float(np.median(clock)), 2),
        "ms_p99": round(1e3 * float(np.quantile(clock, 0.99)), 2),
        "processor_ms_p50": round(1e3 * float(np.median(processor)), 2),
    }


if __name__ == "__main__":
    main()
