"""How well is personal data found, and how often is clean text flagged?

Two sets. The written set of ``tests/cases/pii.yaml`` (the rules were written with it at hand: its figures are an upper
bound). With ``--data DIR``: ``DIR/safety/dev.jsonl.gz``, whole sentences with the kinds that stand in them; a row
counts as found when anything in it was flagged. Names and places in prose, which the detector leaves alone on purpose,
are counted apart from kinds that have a format.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import timeit
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import yaml

from machine import ROOT, write
from router.signals.pii import find_pii

MARK = re.compile(r"\[\[(\w+):(.+?)\]\](?!\])")
WITH_FORMAT = {"CREDIT_CARD", "EMAIL_ADDRESS", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "PHONE_NUMBER"}
PROSE = (
    "The quarterly report, which the committee published on Monday, shows that most people like the new system "
    "and would keep it as it stands today. "
)


def unmarked(line: str) -> tuple[str, set[tuple[str, int, int]]]:
    """The text without its marks, and the stretches that they marked."""
    text, spans, last = "", set(), 0
    for match in MARK.finditer(line):
        text += line[last : match.start()]
        spans.add((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        last = match.end()
    return text + line[last:], spans


def written() -> dict[str, Any]:
    """Exact spans and kinds on the written set."""
    cases = yaml.safe_load((ROOT / "tests" / "cases" / "pii.yaml").read_text(encoding="utf-8"))
    right, found, marked = Counter[str](), Counter[str](), Counter[str]()
    for line in cases["found"] + cases["clean"]:
        text, spans = unmarked(line)
        hits = {(hit.kind, hit.start, hit.end) for hit in find_pii(text)}
        right.update(kind for kind, _, _ in hits & spans)
        found.update(kind for kind, _, _ in hits)
        marked.update(kind for kind, _, _ in spans)
    return {
        "items": len(cases["found"]) + len(cases["clean"]),
        "values": marked.total(),
        "precision": round(right.total() / found.total(), 4),
        "recall": round(right.total() / marked.total(), 4),
        "by_kind": {kind: {"values": marked[kind], "found": right[kind]} for kind in sorted(marked)},
    }


def sentences(path: Path) -> dict[str, Any]:
    """Rows found by kind, and benign rows flagged by kind."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found, of = Counter[str](), Counter[str]()
    for row in rows:
        if row["flag"] == "pii":
            hit = bool(find_pii(row["prompt"]))
            kinds = set(row["category"].split(","))
            of.update(kinds)
            found.update(kinds if hit else ())
            of["any kind with a format"] += bool(kinds & WITH_FORMAT)
            found["any kind with a format"] += hit and bool(kinds & WITH_FORMAT)
    benign = [row["prompt"] for row in rows if row["flag"] == "benign"]
    flagged = Counter(kind for text in benign for kind in {hit.kind for hit in find_pii(text)})
    return {
        "rows_by_kind": {kind: {"rows": of[kind], "found": found[kind]} for kind in sorted(of)},
        "benign": {
            "rows": len(benign),
            "flagged": sum(bool(find_pii(text)) for text in benign),
            "by_kind": dict(sorted(flagged.items())),
        },
    }


def cost() -> dict[str, dict[str, float]]:
    """Microseconds a text, without any digit and with a date and a small number in every twenty-five words."""
    figures = {}
    for words in (20, 200, 2000):
        text = " ".join((PROSE * (words // 20 + 1)).split()[:words])
        dated = text.replace("Monday", "12 March 2019").replace("most", "35")
        number = max(20, 20_000 // words)
        figures[str(words)] = {
            name: round(min(timeit.repeat(lambda t=t: find_pii(t), number=number, repeat=5)) / number * 1e6, 1)
            for name, t in (("no_digits_us", text), ("many_numbers_us", dated))
        }
    return figures


def main() -> None:
    """Measure and write ``results/pii.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with safety/dev.jsonl.gz")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"written": written(), "cost": cost()}
    if arguments.data:
        figures["dev"] = sentences(arguments.data / "safety" / "dev.jsonl.gz")
    print(json.dumps(figures, indent=1))
    write("pii", figures)


if __name__ == "__main__":
    main()
