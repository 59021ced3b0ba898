"""How many tokens a request has, and how many its answer will have, without a tokenizer.

The estimate weighs letters, capitals, blanks, digits and marks, counted in C over UTF-8 bytes. The weights were fitted
on the mean of OpenAI's cl100k and o200k vocabularies; ``benchmarks/tokens`` measures the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..types import Request, Signals, TokenCount
from .census import SHARED, Census, beginning, census
from .excerpt import excerpt
from .rule import Rule

__all__ = ["TOKENS", "estimate_tokens"]

_SAMPLE = 4096

_LETTER, _CAPITAL, _BLANK, _BREAK, _DIGIT, _MARK = 0.103, 0.214, 0.636, 0.351, 0.765, 0.75
_ACCENTED, _TWO_BYTES, _THREE_BYTES = 1.326, 0.335, 0.834

# Every chat message costs a few tokens of framing, and the answer is primed with three (OpenAI cookbook,
# "How to count tokens with tiktoken").
_PER_MESSAGE, _PRIMING, _PER_TOOL = 4, 3, 8
_PER_PART: Mapping[str, int] = {"image": 800, "audio": 500, "file": 1500}

# Tokens that an answer to such a task typically has, when nothing in the request says more.
_EXPECTED: Mapping[str, int] = {
    "arithmetic_reasoning": 250,
    "closed_book_qa": 80,
    "code": 500,
    "commonsense_reasoning": 60,
    "data_annotation_or_generation": 300,
    "dialogue": 120,
    "evaluation_judging": 150,
    "information_extraction": 80,
    "intent_classification": 4,
    "ner": 50,
    "nli": 4,
    "open_generation": 600,
    "other": 250,
    "other_classification": 4,
    "paraphrase_rewrite": 80,
    "reading_comprehension": 40,
    "regression_scoring": 4,
    "sentiment": 3,
    "summarization": 120,
    "symbolic_manipulation": 60,
    "topic_classification": 4,
    "toxicity": 3,
    "translation": 60,
}
_UNKNOWN_TASK = 250
_DEFAULT_MAX = 4096


def estimate_tokens(text: str) -> int:
    """Tokens of ``text``, within 15 % for nine texts of ten; a long text is sampled at its start and its end."""
    size = len(text)
    if size <= 2 * _SAMPLE:
        return round(_weigh(text))
    return round((_weigh(text[:_SAMPLE]) + _weigh(text[-_SAMPLE:])) * size / (2 * _SAMPLE))


def _weigh(text: str, known: tuple[bytes, Census] | None = None) -> float:
    """``known``: the text as UTF-8 and its census, where somebody has them."""
    if known is None:
        raw = text.encode("utf-8", "replace")
        known = raw, census(raw)
    raw, counted = known
    size = len(raw)
    blanks = counted.blanks - counted.pairs
    ascii_letters, beyond = size, 0.0
    extra = size - len(text)
    if extra:
        ascii_letters = len(text.encode("ascii", "ignore"))
        others = len(text) - ascii_letters
        three = max(0, size - ascii_letters - 2 * others)
        two = others - three
        # A few two-byte letters among many plain ones are accents of a Latin text; a text of them is Cyrillic or Greek.
        beyond = two * (_ACCENTED if two < 0.3 * ascii_letters else _TWO_BYTES) + three * _THREE_BYTES
    letters = max(0, ascii_letters - blanks - counted.breaks - counted.digits - counted.marks - counted.capitals)
    return (
        letters * _LETTER
        + counted.capitals * _CAPITAL
        + blanks * _BLANK
        + counted.breaks * _BREAK
        + counted.digits * _DIGIT
        + counted.marks * _MARK
        + beyond
    )


def _read(signals: Signals) -> tuple[TokenCount, float]:
    request = signals.request
    texts, user = _PRIMING, signals.view(excerpt).user
    for message in request.messages:
        text = message.text
        known = signals.view(beginning) if text is user and len(text) <= SHARED else None
        texts += (estimate_tokens(text) if known is None else round(_weigh(text, known))) + _PER_MESSAGE
        for part in message.modalities:
            texts += _PER_PART.get(part, 800)
    if request.units is not None and request.units.images:
        # A message's pictures count as one up to here.
        ones = sum("image" in message.modalities for message in request.messages)
        texts += max(0, request.units.images - ones) * _PER_PART["image"]
    counted = texts
    for tool in request.tools:
        texts += estimate_tokens(tool.name + tool.description) + _schema_tokens(tool.parameters) + _PER_TOOL
    if request.json_schema is not None:
        texts += _schema_tokens(request.json_schema)
    limit = request.max_output_tokens
    most = limit if limit is not None else _DEFAULT_MAX
    expected = min(_expected(signals, counted), most)
    choices = max(1, request.n)
    most, expected = most * choices, expected * choices
    return TokenCount(input=texts, output=expected, output_max=most, units=request.units), 0.85


def _schema_tokens(schema: Mapping[str, Any]) -> int:
    try:
        return estimate_tokens(msgspec.json.encode(schema).decode())
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        return estimate_tokens(repr(schema)[: 2 * _SAMPLE])


def _expected(signals: Signals, asked: int) -> int:
    request = signals.request
    schema = _answer_schema(request)
    if schema is not None:
        return 6 + _fields(schema, 0)
    if request.hints.labels is not None:
        return 4
    # Whether the wording asks for a bare label is not read here: it costs more than all the rest together, and a task
    # that ends in labels says as much.
    task = signals.get("task").value
    if request.wants_json and task is not None and task not in ("code", "open_generation"):
        return max(20, _EXPECTED.get(task, 60))
    if task in ("translation", "paraphrase_rewrite"):
        return max(12, min(asked, 4000))
    if task == "summarization":
        return max(60, min(asked // 5, 400))
    if task in ("ner", "information_extraction"):
        return max(30, min(asked // 3, 800))
    if task == "data_annotation_or_generation":
        return max(200, min(asked // 2, 1500))
    return _EXPECTED.get(task, _UNKNOWN_TASK) if isinstance(task, str) else _UNKNOWN_TASK


def _answer_schema(request: Request) -> Mapping[str, Any] | None:
    if request.json_schema is not None:
        return request.json_schema
    for tool in request.tools:
        if request.tool_choice == tool.name or (request.tool_choice == "required" and len(request.tools) == 1):
            return tool.parameters
    return None


def _fields(schema: Any, depth: int) -> int:
    """Tokens of a JSON value by its schema: names and marks, 3 for a closed value, 20 for free text, 3 items a list."""
    if not isinstance(schema, Mapping) or depth > 6:
        return 4
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return 2 + sum(
            4 + len(str(name)) // 6 + _fields(value, depth + 1) for name, value in list(properties.items())[:64]
        )
    if "enum" in schema or "const" in schema or schema.get("type") in ("boolean", "number", "integer"):
        return 3
    if schema.get("type") == "array":
        return 2 + 3 * _fields(schema.get("items"), depth + 1)
    return 20 if schema.get("type") == "string" else 4


TOKENS = Rule(name="tokens", read=_read)
