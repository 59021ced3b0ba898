"""Traffic of two prompt templates, carried out by a router in front of a loopback LLM, and the ledger that it left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router import Router
from router.testing.upstream import Answer, Upstream

DESK = (
    "You sort the mail of a parcel service. Classify the customer's message as one of: delivery, invoice, complaint. "
    "Answer with the label only."
)
WORDS = {
    "delivery": ("where is my parcel", "the courier is late", "track my shipment", "when does the box arrive"),
    "invoice": ("the bill is wrong", "please send the invoice", "I was charged twice", "refund the payment"),
    "complaint": ("your staff was rude", "worst service ever", "I want to complain", "this is unacceptable"),
}
TAILS = ("please", "today", "again", "thanks", "as always", "for Anna", "since monday", "really", "now", "hello")


def message(draw: random.Random) -> tuple[str, str]:
    """A customer's message and its label."""
    label = draw.choice(sorted(WORDS))
    text = f"{draw.choice(WORDS[label])} {draw.choice(TAILS)} {draw.choice(TAILS)} {draw.randint(1, 99_999)}"
    return text, label


def body(text: str, system: str = DESK) -> dict[str, Any]:
    return {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
        "model": "auto",
    }


def said(asked: Mapping[str, Any]) -> Answer:
    """What the loopback LLM answers: the label for the desk, prose for everybody else."""
    text = asked["messages"][-1]["content"]
    for label, phrases in WORDS.items():
        if any(phrase in text for phrase in phrases):
            return Answer(text=label)
    return Answer(text=f"A poem about {text[-40:]}, and more of it.")


def written(folder: Path, count: int, *, contents: bool = True, poems: int = 40, mail: str = "") -> Path:
    """The ledger of ``count`` messages to the desk and ``poems`` to a poet."""
    ledger = folder / "ledger.jsonl"

    async def drive() -> None:
        async with Upstream(default=said) as upstream:
            (folder / "router.yaml").write_text(
                f"local_models: {{shipped: false}}\nledger: {{path: ledger.jsonl, contents: {str(contents).lower()}}}\n"
                f"deployments:\n  - {{name: teacher, model: teacher-1, tier: large, backend: openai, "
                f'api_base: "{upstream.url}", price_per_million: {{input: $2, output: $8}}}}\n'
            )
            draw = random.Random(7)
            async with Router.from_config(folder / "router.yaml") as router:
                for number in range(count):
                    text, _ = message(draw)
                    await router.acomplete(body(f"{text} {mail}" if mail and number % 7 == 0 else text))
                for number in range(poems):
                    await router.acomplete(body(f"number {number} and rain", "You are a poet. Write long poems."))

    asyncio.run(drive())
    return ledger
