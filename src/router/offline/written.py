"""Training sentences written for this project: phrases and words that combine into everyday opinions, spam and abuse.

The public sets lack whole kinds of text (films, hotels, apps; spam by mail and in comments; insults that are none).
Rows are drawn by a seeded generator from ``written.json``; its wording is original and under the project's licence.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

__all__ = ["written_rows"]

Row = tuple[str, str]


class _Abroad(msgspec.Struct, frozen=True):
    things: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    praise: tuple[str, ...]
    blame: tuple[str, ...]
    facts: tuple[str, ...]


class _Wording(msgspec.Struct, frozen=True):
    good: tuple[str, ...]
    bad: tuple[str, ...]
    things: tuple[str, ...]
    very: tuple[str, ...]
    who: tuple[str, ...]
    insults: tuple[str, ...]
    groups: tuple[str, ...]
    gifts: tuple[str, ...]
    days: tuple[str, ...]
    sites: tuple[str, ...]
    asks: tuple[str, ...]
    mine: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    neutral: tuple[str, ...]
    abroad: Mapping[str, _Abroad]
    spam: tuple[str, ...]
    promotion: tuple[str, ...]
    ham: tuple[str, ...]
    toxic: tuple[str, ...]
    civil: tuple[str, ...]
    quoted: tuple[str, ...]
    despise: tuple[str, ...]
    slander: tuple[str, ...]
    beasts: tuple[str, ...]
    harm: tuple[str, ...]


class _Writer:
    def __init__(self, wording: _Wording, seed: int) -> None:
        self.wording = wording
        draw = self.draw = random.Random(seed)  # noqa: S311 no secret is drawn
        pick = draw.choice
        self._slots: Mapping[str, Callable[[], str]] = {
            "t": lambda: pick(wording.things),
            "t2": lambda: pick(wording.things),
            "g": lambda: pick(wording.good),
            "g2": lambda: pick(wording.good),
            "b": lambda: pick(wording.bad),
            "m": lambda: pick(wording.very),
            "w": lambda: pick(wording.who),
            "n": lambda: str(draw.randint(10, 99)),
            "i": lambda: pick(wording.insults),
            "G": lambda: pick(wording.groups),
            "q": lambda: self.one(wording.quoted),
            "despise": lambda: pick(wording.despise),
            "slander": lambda: pick(wording.slander),
            "slander2": lambda: pick(wording.slander),
            "beasts": lambda: pick(wording.beasts),
            "harm": lambda: pick(wording.harm),
            "harm_ed": lambda: _participle(pick(wording.harm)),
            "gift": lambda: pick(wording.gifts),
            "day": lambda: pick(wording.days),
            "ask": lambda: pick(wording.asks),
            "mine": lambda: pick(wording.mine),
            "cash": lambda: f"{pick('$£€')}{pick((250, 500, 1000, 2000, 5000))}",
            "small": lambda: f"{pick('$£€')}{draw.randint(1, 40)}.{draw.randint(10, 99)}",
            "code": lambda: str(draw.randint(1000, 99999)),
            "url": lambda: (
                f"http://{pick(wording.sites)}.{pick(('com', 'net', 'xyz', 'info'))}/{draw.randint(10, 9999)}"
            ),
        }

    def one(self, templates: Sequence[str]) -> str:
        """A sentence of one of the templates, its slots filled."""
        return re.sub(r"\{(\w+)\}", lambda match: self._slots[match[1]](), self.draw.choice(templates))

    def many(self, templates: Sequence[str], label: str, count: int, chain: float) -> list[Row]:
        """Texts of one to four such sentences."""
        rows = []
        for _ in range(count):
            parts = [self.one(templates)]
            while self.draw.random() < chain and len(parts) < 4:
                parts.append(self.one(templates))
            rows.append((self.draw.choice((" . ", " , ", " and ", "\n", " ! ")).join(parts), label))
        return rows

    def after(self, first: Sequence[str], second: Sequence[str], label: str, count: int) -> list[Row]:
        """Texts in which a sentence of the one kind is followed by one of the other, which decides."""
        return [(f"{self.one(first)} . {self.one(second)}", label) for _ in range(count)]


_IRREGULAR = {"shoot": "shot", "hang": "hanged", "beat": "beaten", "run": "run", "burn": "burned", "hurt": "hurt"}


def _participle(verb: str) -> str:
    """``beat up`` -> ``beaten up``."""
    first, gap, rest = verb.partition(" ")
    doubled = first + first[-1] if first in ("stab", "slap", "whip", "gas") else first
    regular = first + "d" if first.endswith("e") else doubled + "ed"
    return f"{_IRREGULAR.get(first, regular)}{gap}{rest}"


def _sentiment(writer: _Writer) -> list[Row]:
    said, draw = writer.wording, writer.draw
    rows = writer.many(said.positive, "positive", 3500, 0.35) + writer.many(said.negative, "negative", 3500, 0.35)
    rows += writer.many(said.neutral, "neutral", 2500, 0.35)
    for part in said.abroad.values():
        for label, words, forms in (
            ("positive", part.good, part.praise),
            ("negative", part.bad, part.blame),
            ("neutral", part.good, part.facts),
        ):
            for _ in range(250):
                rows.append((draw.choice(forms).format(t=draw.choice(part.things), x=draw.choice(words)), label))
    return rows


def _toxicity(writer: _Writer) -> list[Row]:
    said = writer.wording
    return writer.many(said.toxic, "toxic", 6000, 0.15) + writer.many(said.civil, "not_toxic", 7000, 0.15)


def _spam(writer: _Writer) -> list[Row]:
    said = writer.wording
    rows = writer.many(said.spam, "spam", 1500, 0.15) + writer.many(said.promotion, "spam", 1500, 0.2)
    rows += writer.after(said.ham, said.promotion, "spam", 700) + writer.after(said.ham, said.spam, "spam", 300)
    return rows + writer.many(said.ham, "ham", 2500, 0.3)


_KINDS: Mapping[str, Callable[[_Writer], list[Row]]] = {"sentiment": _sentiment, "toxicity": _toxicity, "spam": _spam}


def written_rows(name: str, seed: int = 0) -> list[Row]:
    """``(text, label)`` rows for the model ``name``, none when nothing was written for it; duplicates left out."""
    kind = _KINDS.get(name)
    if kind is None:
        return []
    wording = msgspec.json.decode(Path(__file__).with_name("written.json").read_bytes(), type=_Wording)
    return list(dict.fromkeys(kind(_Writer(wording, seed))))
