"""How near is the token estimate to what real vocabularies count?

Texts are prompts of ``--data DIR`` (``DIR/tasks/dev.jsonl.gz`` and ``chat_dev.jsonl.gz``), counted with tiktoken's
cl100k_base and o200k_base from the copies that litellm carries, so that nothing is downloaded.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import random
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import write
from router.signals.tokens import estimate_tokens

VOCABULARIES = ("cl100k_base", "o200k_base")
ROWS = 2500


def main() -> None:
    """Measure and write ``results/tokens.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "tasks"
    litellm = importlib.util.find_spec("litellm")
    if litellm is None or litellm.origin is None:
        sys.exit("litellm is not installed: its copies of the vocabularies are needed")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers")
    import tiktoken

    figures: dict[str, dict[str, float]] = {}
    for name in ("dev", "chat_dev"):
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["prompt"] for line in lines]
        random.Random(1).shuffle(texts)
        for vocabulary in VOCABULARIES:
            encoding = tiktoken.get_encoding(vocabulary)
            counts = [len(encoding.encode(text, disallowed_special=())) for text in texts[:ROWS]]
            pairs = [(estimate_tokens(text) / max(1, n), n) for text, n in zip(texts[:ROWS], counts, strict=True)]
            long = [ratio for ratio, n in pairs if n >= 50]
            figures[f"{name}/{vocabulary}"] = {
                "texts": len(pairs),
                "median_error": round(statistics.median(abs(ratio - 1) for ratio, _ in pairs), 3),
                "within_15_percent": round(sum(abs(ratio - 1) <= 0.15 for ratio, _ in pairs) / len(pairs), 3),
                "within_15_percent_from_50_tokens": round(sum(abs(r - 1) <= 0.15 for r in long) / len(long), 3),
                "total": round(sum(ratio * n for ratio, n in pairs) / sum(n for _, n in pairs), 3),
            }
            print(f"{name}/{vocabulary}", figures[f"{name}/{vocabulary}"])
    write("tokens", {"figures": figures})


if __name__ == "__main__":
    main()
