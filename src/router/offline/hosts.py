"""Made-up documents of many kinds, with and without an order to the machine that reads them.

Tables, mails, error reports and passages, a request of their reader's before or behind them, and in some of them one
sentence that does not belong: an order to the machine, another request, or (harmless) an order to people or a sentence
of another document. An injection is told by whom it addresses and by how little it has to do with its surroundings.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from .attacks import machine_order, people_order

__all__ = ["Document", "documents"]

INSERTS = Path(__file__).parent / "written" / "inserts.jsonl"

_NAMES = ("Anna", "Bruno", "Chen", "Dilek", "Emre", "Fatima", "Goran", "Hana", "Kofi", "Lina", "Omar", "Petra", "Sven")
_CITIES = ("Lisbon", "Oslo", "Turin", "Kyoto", "Quito", "Perth", "Lagos", "Halifax", "Graz", "Leeds", "Nantes", "Malmo")
_TABLE_ASKS = (
    "who was first?",
    "how many points did {n} have?",
    "which city is listed last?",
    "what is the highest score?",
    "in which year did {n} win?",
    "What was the total attendance?",
    "how many rows have a note?",
    "name the team of {n}",
)
_OPENINGS = ("Hi {n},", "Dear {n},", "Hello,", "SUBJECT: your order", "SUBJECT: trip to {c}", "Dear customer,")
_LINES = (
    "Your card ending in {d} was charged ${m}.",
    "The parcel leaves {c} on Tuesday.",
    "Your account was credited with ${m}.",
    "We have booked room {d} for you.",
    "The invoice of ${m} is attached.",
    "The meeting is in {c} at ten.",
    "Thank you for your order.",
    "The payment of ${m} to {n} has settled.",
    "Your subscription renews on the 3rd.",
    "The flight to {c} is delayed by two hours.",
    "Please reply to this mail if you have questions.",
    "If this was not you, call our help line.",
    "You can track the shipment online.",
    "{n} will join us later.",
    "The report is due on Friday.",
    "Let me know if the time suits you.",
    "Bring your badge and the signed form.",
    "We look forward to seeing you.",
)
_CLOSINGS = ("Best regards, {n}", "Thanks, {n}", "The {c} Team", "Cheers")
_MAIL_ASKS = (
    "Find the amount that was paid. If there are several, list all.",
    "Who sent this mail?",
    "What is the date of the flight?",
    "Summarise the mail.",
    "Which card was charged?",
    "Does the sender expect an answer?",
    "How much is the invoice?",
    "When is the meeting?",
    "Write a short answer to this mail.",
    "Extract the names.",
)
_ERRORS = (
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    "KeyError: 'price'",
    "IndexError: list index out of range",
    "ValueError: could not convert string to float: 'n/a'",
    "ModuleNotFoundError: No module named 'yaml'",
    "AttributeError: 'NoneType' object has no attribute 'split'",
    "java.lang.NullPointerException",
    "ReferenceError: total is not defined",
)
_CODE_LINES = (
    "The column holds strings, so convert it first:",
    'df["price"] = df["price"].astype(float)',
    "You forgot to return the value from the function.",
    "Install the package in the same environment that runs the script.",
    "def load(path):",
    "    with open(path) as f:",
    "        return json.load(f)",
    "The loop runs one time too many, use range(len(xs) - 1).",
    "Check whether the match is None before you call group().",
    "for row in rows:",
    "    total += int(row[2])",
    "This happens because the file is empty.",
    "You need to import it at the top of the module.",
)
_CODE_ASKS = ("", "How do I fix this error?", "Explain the error.", "What is wrong with this code?", "")
_PASSAGE_ASKS = (
    "Summarise this.",
    "What does the writer want?",
    "Translate this into French.",
    "List the dates in this text.",
    "Proofread:",
    "Answer from the text below.",
    "What is the text about?",
    "Read the text and answer.",
    "Who is mentioned in the passage?",
    "Write a headline for this.",
    "Fasse das zusammen:",
    "Résume ce texte :",
    "",
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


class Document(msgspec.Struct, frozen=True):
    """``text[start:end]`` is the sentence put in (``start == end``: none); ``kind`` says what it is.

    ``machine``: an order to a machine; ``request``: somebody else's request; ``people``, ``stray``, ``none``: harmless.
    """

    text: str
    start: int
    end: int
    kind: str

    @property
    def is_attack(self) -> bool:
        return self.kind in ("machine", "request")


class _Author:
    def __init__(self, passages: Sequence[str], requests: Sequence[str], seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 not for secrets
        self.passages, self.requests = passages, requests
        rows = [json.loads(line) for line in INSERTS.read_text(encoding="utf-8").splitlines()]
        self.to_machine = [row["text"] for row in rows if row["to"] == "machine"]
        self.to_people = [row["text"] for row in rows if row["to"] == "people"]

    def filled(self, template: str) -> str:
        rng = self.rng
        return template.format(
            n=rng.choice(_NAMES), c=rng.choice(_CITIES), d=rng.randint(100, 9999), m=f"{rng.randint(5, 900)}.50"
        )

    def table(self) -> tuple[str, list[str]]:
        rng = self.rng
        columns: dict[str, Callable[[], str]] = {
            "Rank": lambda: str(rng.randint(1, 30)),
            "Name": lambda: f"{rng.choice(_NAMES)} {rng.choice(_NAMES)}",
            "City": lambda: rng.choice(_CITIES),
            "Points": lambda: str(rng.randint(0, 99)),
            "Year": lambda: str(rng.randint(1950, 2024)),
            "Time": lambda: f"{rng.randint(1, 9)}:{rng.randint(10, 59)}.{rng.randint(10, 99)}",
            "Score": lambda: f"{rng.randint(0, 5)}-{rng.randint(0, 5)}",
            "Team": lambda: f"{rng.choice(_CITIES)} {rng.choice(('Bears', 'United', 'Rovers', 'Stars'))}",
            "Notes": lambda: rng.choice(("", "PB", "DNF", "champion", "not held")),
            "Attendance": lambda: f"{rng.randint(1, 80)},{rng.randint(100, 999)}",
        }
        names = rng.sample(list(columns), rng.randint(3, 6))
        lines = [f"| {' | '.join(names)} |"]
        lines += [f"| {' | '.join(columns[name]() for name in names)} |" for _ in range(rng.randint(3, 14))]
        return self.filled(rng.choice(_TABLE_ASKS)), lines

    def mail(self) -> tuple[str, list[str]]:
        rng = self.rng
        lines = [rng.choice(_OPENINGS), *rng.sample(_LINES, rng.randint(2, 7)), rng.choice(_CLOSINGS)]
        ask = rng.choice(_MAIL_ASKS)
        return (f"Q: {ask}" if rng.random() < 0.2 else ask), [self.filled(line) for line in lines]

    def error(self) -> tuple[str, list[str]]:
        rng = self.rng
        lines = [
            "Traceback (most recent call last):",
            f'  File "{rng.choice(("app", "main", "job"))}.py", line {rng.randint(3, 90)}, in <module>',
            rng.choice(_ERRORS),
            *rng.sample(_CODE_LINES, rng.randint(2, 7)),
        ]
        return rng.choice(_CODE_ASKS), lines

    def passage(self) -> tuple[str, list[str]]:
        text = self.rng.choice(self.passages)[:1600]
        return self.rng.choice(_PASSAGE_ASKS), [part for part in _SENTENCE.split(text) if part.strip()] or [text]

    def put_in(self) -> tuple[str, str]:
        """What kind of sentence is put in, and the sentence."""
        rng, draw = self.rng, self.rng.random()
        if draw < 0.3:
            return "request", rng.choice(self.requests)
        if draw < 0.38:
            return "machine", machine_order(rng)
        if draw < 0.5:
            return "machine", rng.choice(self.to_machine)
        if draw < 0.57:
            return "people", people_order(rng)
        if draw < 0.7:
            return "people", rng.choice(self.to_people)
        if draw < 0.8:
            return "stray", rng.choice((self.mail if rng.random() < 0.5 else self.passage)()[1])
        return "none", ""

    def document(self) -> Document:
        rng = self.rng
        form = rng.choice((self.table, self.mail, self.mail, self.error, self.passage, self.passage))
        ask, lines = form()
        kind, sentence = self.put_in()
        joint = "\n" if form in (self.table, self.error) else rng.choice((" ", " ", "\n"))
        at = rng.choice((0, len(lines), rng.randint(0, len(lines))))
        sentence = sentence.replace("\n", " ")
        if sentence:
            lines.insert(at, sentence)
        draw = rng.random()
        before = ask + rng.choice(("\n\n", "\n", "\n---\n", "\n<doc>\n")) if ask and draw < 0.65 else ""
        after = rng.choice(("\n\n", "\n", "\n---\n")) + ask if ask and 0.65 <= draw < 0.9 else ""
        start = len(before) + sum(len(line) + len(joint) for line in lines[:at])
        return Document(before + joint.join(lines) + after, start, start + len(sentence), kind)


def documents(count: int, passages: Sequence[str], requests: Sequence[str], seed: int = 0) -> list[Document]:
    """``count`` documents. ``passages``: prose to draw from; ``requests``: what people ask a model for, a line each."""
    author = _Author(passages, requests, seed)
    return [author.document() for _ in range(count)]
