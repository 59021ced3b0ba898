"""Read the asked-for answer from a request: hints first, then schema or tool, then wording, then worked examples.

Where two of them disagree, or the answer is more than a label, the contract carries a blocker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from ..patterns import late_pattern
from ..types import Contract, Request, Signal, Split, Tool
from . import demands
from .codes import without_marks
from .examples import Shown, shown_answers
from .frames import tied_names
from .instruction import Spoken, instructions, remainder
from .listing import Listing
from .memory import Memory
from .opening import opened, without_wrapping
from .polar import is_polar, question_of
from .prose_json import json_key
from .rules import described, rule
from .schema import Field, alternation, grammar_words, read_schema
from .understood import unexplained
from .wording import listings
from .words import table, words_of

__all__ = ["Draft", "draft", "finished"]

DETECTOR = "contract"
_NO_LIST = "the request names no closed list of answers."
_MORE = "the request asks for more than a label."
_STRANGE = "the request says something beside the labels that is not understood; it may be a rule."
_YES_NO = (frozenset({"yes", "no"}), frozenset({"true", "false"}))
_TOOL_WORDS = (
    "classif", "label", "categor", "sentiment", "tag", "route", "triage", "moderat", "detect", "intent", "rate",
    "record", "extract", "response", "answer", "output", "select", "predict", "assign", "topic", "emotion", "spam",
    "toxic",
)  # fmt: skip


_REASONS = table("reason motivo motif cause summary evidence step aspect suggestion")
_ONLY_SHOWN = late_pattern(
    r"\bonly (?:the |these )?(?:labels?|categor\w+|tags|classes|codes)\b[^.\n]{0,30}\b(?:examples|above|below)\b",
    re.IGNORECASE,
)
# "You get a record as JSON": what comes in, not what is to go out.
_JSON_INPUT = late_pattern(
    r"(?:^|(?<=[.\n])) ?(?!(?:[^.\n]*\b(?:return|respond|reply|output|answer)\b))[^.\n]*\b(?:input|inputs|"
    r"you(?:'ll| will)? (?:get|receive|"
    r"are given|will (?:get|receive|be given|see))|comes? as|is given as|sends?|arrives? as|wrapped in|"
    r"look(?:ing)? (?:only )?at|inside|payload|record|contained in)\b[^.\n]*"
)


_NO_JSON = late_pattern(
    r"\b(?:no|not|kein|never|without|sans|sin|sem) (?:(?:use|return|output|any|wrap it in|valid|"
    r"in) )?json\b(?! schema)|"
    r"\b(?:do not|don't|never) (?:use|return|output|write|reply in|answer in|wrap it in) json\b",
    re.IGNORECASE,
)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The labels and the shape as first read, and the instructions that they were read from; see :func:`finished`."""

    contract: Contract
    confidence: float
    spoken: tuple[Spoken, ...] = ()
    found: tuple[Listing, ...] = ()


def draft(request: Request, memory: Memory) -> Draft:
    """Which labels are allowed, and in which shape: enough to tell the text to judge from the instruction."""
    is_given = request.json_schema is not None or (request.tools and request.tool_choice != "none")
    spoken = instructions(request, memory, is_given=bool(is_given))
    choice = request.body.get("guided_choice") or _grammar(request)
    tool, tool_blocker = _tool(request)
    found = _found(spoken)
    if request.json_schema is not None:
        contract, confidence = _structured(request, found, read_schema(request.json_schema), "json", None)
        if tool is not None or tool_blocker is not None:
            contract = _blocked(contract, "tools are offered beside the asked-for JSON.")
    elif tool is not None:
        contract, confidence = _structured(request, found, read_schema(tool.parameters), "tool_call", tool)
        contract = _blocked(contract, tool_blocker)
    elif isinstance(choice, Sequence) and not isinstance(choice, str) and len(choice) > 1:
        labels = tuple(str(item) for item in choice)
        contract, confidence = Contract(shape="bare_label", labels=labels), 0.95
    else:
        contract, confidence = _worded(request, spoken, found, memory)
        contract = _blocked(contract, tool_blocker)
    if contract.shape == "json" and any(_forbids_json(part) for part in spoken):
        contract = _blocked(contract, "JSON is asked for, and forbidden in words.")
    if tool is not None and request.tool_choice not in (tool.name, "required") and not spoken:
        contract = _blocked(contract, "a tool is offered, and nothing says that it is to be called.")
    contract = _blocked(contract, _request_blocker(request, contract))
    if contract.labels is None:
        contract = _blocked(contract, _NO_LIST)
    return Draft(contract=contract, confidence=confidence, spoken=tuple(spoken), found=tuple(found))


def finished(drafted: Draft, request: Request, split: Split | None, memory: Memory) -> Signal[Contract]:
    """The contract, held against what the instruction says beside the label list and outside the text to judge.

    ``confidence`` is how certain the reading is. The shape is ``free_text`` with no labels where no closed list of
    answers was found. A contract with a ``blocker`` may still tell its labels: they were read with certainty, but a
    label alone would not be the whole answer.
    """
    contract = drafted.contract
    if contract.blocker is None and contract.labels is not None:
        contract = _ruled(drafted, request, split, memory)
        if contract.blocker is None and is_polar(contract.labels or ()):
            told = tuple(remainder(part, split) for part in drafted.spoken)
            question = memory.recall("question", "".join(told), told, partial(question_of, told))
            contract = msgspec.structs.replace(contract, question=question)
    return Signal(value=contract, confidence=drafted.confidence, detector=DETECTOR)


def _blocked(contract: Contract, reason: str | None) -> Contract:
    if reason is None or contract.blocker is not None:
        return contract
    return msgspec.structs.replace(contract, blocker=reason)


def _request_blocker(request: Request, contract: Contract) -> str | None:
    if request.n > 1:
        return "several answers (n > 1) are asked for."
    body = request.body
    if request.wants_logprobs or body.get("logprobs") or body.get("top_logprobs"):
        return "token log-probabilities are asked for."
    if body.get("logit_bias"):
        return "the request steers tokens (logit_bias)."
    if body.get("guided_json") or ((body.get("grammar") or body.get("guided_grammar")) and _grammar(request) is None):
        return "the request constrains the answer by a grammar."
    if request.messages and request.messages[-1].role == "assistant" and opened(request) is None:
        return "the answer is to continue a text that the assistant has begun."
    if request.modalities:
        return "the request has parts that are not text."
    if any(message.role == "tool" or message.has_tool_calls for message in request.messages):
        return "the conversation holds tool calls or their results."
    written = contract.values or contract.labels or ()
    if any(stop and stop in str(value) for stop in request.stop for value in written):
        return "a stop sequence cuts one of the labels."
    return None


def _grammar(request: Request) -> tuple[str, ...] | None:
    """The answers that a grammar allows, when it is a choice of words and nothing else."""
    grammar = request.body.get("grammar") or request.body.get("guided_grammar")
    return grammar_words(grammar) if isinstance(grammar, str) else None


def _tool(request: Request) -> tuple[Tool | None, str | None]:
    """The tool whose call is the answer, and why that is not certain."""
    tools, choice = request.tools, request.tool_choice
    if not tools or choice == "none":
        return None, None
    named = [tool for tool in tools if tool.name == choice]
    if named:
        return named[0], None
    if len(tools) > 1:
        return None, "several tools are offered and the model may call any of them."
    only = tools[0]
    if choice == "required":
        return only, None
    about = f"{only.name} {only.description}".lower()
    if any(word in about for word in _TOOL_WORDS):
        return only, None
    return None, "a tool is offered for actions and the model may call it."


def _structured(
    request: Request, found: Sequence[Listing], field: Field, shape: Any, tool: Tool | None
) -> tuple[Contract, float]:
    contract = Contract(
        shape=shape, labels=field.labels, values=field.values, multi_label=field.multi_label, path=field.path,
        tool=None if tool is None else tool.name, blocker=field.blocker, fixed=field.fixed,
    )  # fmt: skip
    confidence = 0.97 if field.certain else 0.85
    hinted = request.hints.labels
    descriptions = [
        text for text in (field.description, field.about, tool.description if tool is not None else "") if text
    ]
    if field.labels is None:
        if field.blocker is not None:
            return contract, 0.9
        listed = list(found)
        if not listed and field.description:
            listed = listings(field.description, words_of(field.description))
        labels = hinted or (listed[0].labels if listed else None)
        if labels is None:
            return contract, 0.8
        confidence = 0.93 if hinted else min(0.9, listed[0].certainty)
        contract = msgspec.structs.replace(contract, labels=tuple(labels))
        if not hinted and len(listed) > 1 and _conflict(listed):
            contract = _blocked(contract, "the request names two different lists of labels.")
    elif hinted:
        contract = _restricted(contract, hinted)
    elif found and contract.blocker is None and not _agrees(contract.labels or (), found):
        contract = _blocked(contract, "the instruction and the schema name different labels.")
    elif field.defined or any(listing.defined for listing in found):
        contract = _blocked(contract, "the request gives its labels meanings of their own.")
    for text in descriptions:
        contract = _blocked(contract, described(text, words_of(text), contract.labels or ()))
    return contract, confidence


def _restricted(contract: Contract, hinted: Sequence[str]) -> Contract:
    labels = contract.labels or ()
    places = {label.casefold(): index for index, label in enumerate(labels)}
    chosen = [places.get(label.casefold(), -1) for label in hinted]
    if -1 in chosen or len(set(chosen)) != len(chosen) or not chosen:
        return _blocked(contract, "the hinted labels are not those of the schema.")
    values = contract.values
    return msgspec.structs.replace(
        contract,
        labels=tuple(labels[index] for index in chosen),
        values=None if values is None else tuple(values[index] for index in chosen),
    )


def _agrees(labels: Sequence[str], found: Sequence[Listing]) -> bool:
    wanted = {_folded(label) for label in labels}
    sure = [listing for listing in found if listing.certainty >= 0.8]
    if not sure:
        return True
    if wanted == {"true", "false"}:
        return all({_folded(label) for label in listing.labels} in _YES_NO for listing in sure)
    return any({_folded(label) for label in listing.labels} == wanted for listing in sure) and all(
        {_folded(label) for label in listing.labels} <= wanted for listing in sure
    )


def _folded(label: str) -> str:
    return label.casefold().replace("_", " ").replace("-", " ").strip()


def _worded(
    request: Request, spoken: Sequence[Spoken], found: Sequence[Listing], memory: Memory
) -> tuple[Contract, float]:
    pasted = [part.schema for part in spoken if part.schema is not None]
    if len(pasted) == 1 and not request.hints.labels:
        contract, confidence = _structured(request, found, read_schema(pasted[0]), "json", None)
        return contract, min(confidence, 0.9)
    shown = shown_answers(request)
    hinted = request.hints.labels
    pattern = request.body.get("guided_regex")
    if hinted:
        labels, confidence = tuple(hinted), 0.97
    elif isinstance(pattern, str) and (choice := alternation(pattern)):
        labels, confidence = choice, 0.93
    elif found:
        labels, confidence = found[0].labels, found[0].certainty
    elif shown is not None and shown.labels and shown.certainty > 0.0:
        is_whole = any(_ONLY_SHOWN.search(part.text) is not None for part in spoken)
        labels, confidence = shown.labels, max(shown.certainty, 0.75 if is_whole else 0.0)
    else:
        return Contract(shape="json" if request.wants_json else "free_text"), 0.85
    marks = found[0].marks if found and labels == found[0].labels else ()
    contract = Contract(shape="bare_label", labels=labels, values=marks or None)
    if not hinted and _conflict(found):
        contract = _blocked(contract, "the request names two different lists of labels.")
        confidence = min(confidence, 0.5)
    if opened(request) is None:
        contract, confidence = _in_json(request, spoken, shown, contract, confidence)
    if shown is not None:
        contract = _blocked(contract, shown.against(contract))
    is_multi = [memory.recall("multi", p.text, None, partial(demands.multi_label, p.text, p.words)) for p in spoken]
    if any(is_multi) and not contract.multi_label:
        commas = any("comma" in part.words or "commas" in part.words for part in spoken)
        contract = msgspec.structs.replace(contract, multi_label=True)
        if contract.shape != "bare_label" or not commas:
            contract = _blocked(contract, "several labels may be given, and how they are written is not said.")
    numbered = found[0].numbered if found and not hinted else ""
    if numbered == "letter" and not any(part.words & {"name", "label", "category", "word", "text"} for part in spoken):
        contract = _blocked(contract, "the options carry letters, and the answer may be a letter.")
    return contract, confidence


def _in_json(
    request: Request, spoken: Sequence[Spoken], shown: Shown | None, contract: Contract, confidence: float
) -> tuple[Contract, float]:
    if shown is not None and shown.path:
        return msgspec.structs.replace(contract, shape="json", path=shown.path), min(confidence, 0.9)
    asking = [part for part in spoken if _asks_for_json(part)]
    if not asking and not request.wants_json:
        return contract, confidence
    whole = "\n".join(part.text for part in asking or spoken)
    key, is_list, against = json_key(whole)
    if '"properties"' in whole and "schema" in whole.lower():
        against = against or "the request spells out a schema of its own."
    contract = msgspec.structs.replace(contract, shape="json", path=(key,) if key else (), multi_label=is_list)
    return _blocked(contract, against), min(confidence, 0.88)


def _forbids_json(part: Spoken) -> bool:
    return "json" in part.words and _NO_JSON.search(part.text) is not None


def _asks_for_json(part: Spoken) -> bool:
    if "json" in part.words:
        lower = _JSON_INPUT.sub(" ", part.text.lower())
        return "json" in lower and not _forbids_json(part)
    return "{" in part.text and json_key(part.text)[0] is not None


def _ruled(drafted: Draft, request: Request, split: Split | None, memory: Memory) -> Contract:
    """The contract with the blocker that the wording raises, if any."""
    contract = drafted.contract
    labels = contract.labels or ()
    # What is said of the form weighs more than what is said of the labels' meaning: that can be learnt.
    learnable: str | None = None
    if any(listing.defined for listing in drafted.found if listing.labels == labels):
        learnable = "the request gives its labels meanings of their own."
    is_given = contract.shape == "tool_call" or request.json_schema is not None
    is_json = contract.shape != "bare_label"
    keys = tuple(key for key in (*contract.path, contract.tool) if key and len(key) > 2)
    is_given = is_given or any(part.schema is not None for part in drafted.spoken)
    for part in drafted.spoken:
        asked = (labels, keys, part.by_user, is_json, is_given)
        goes_on = not is_given and any(demands.goes_on(part.text, listing.end) for listing in part.found)
        if goes_on:
            return _blocked(contract, _MORE)
        text = remainder(part, split)
        if (begun := opened(request)) is not None:
            text = without_wrapping(text, begun)
        if contract.values is not None and contract.shape == "bare_label":
            text = without_marks(text, tuple(map(str, contract.values)))
        form, meaning = memory.recall("against", text, asked, partial(_against, text, *asked))
        if form is not None:
            return _blocked(contract, form)
        learnable = learnable or meaning
    if learnable is None:
        return contract
    return msgspec.structs.replace(contract, blocker=learnable, is_learnable=True)


def _against(
    text: str, labels: tuple[str, ...], keys: tuple[str, ...], by_user: bool, is_json: bool, is_given: bool
) -> tuple[str | None, str | None]:
    """What an instruction says that a label alone does not honour: of the answer's form; of which label is right."""
    words = words_of(text)
    # What the list is called is no demand: "the reason for the cancellation: price, other".
    for name in tied_names(text.lower()) & words & _REASONS:
        text = text.replace(name, "label")
    words = words_of(text)
    form = demands.obstacle(text, words, labels, by_user=by_user, is_json=is_json, is_given=is_given)
    if form is not None:
        return form, None
    return None, rule(text, words, labels) or (_STRANGE if unexplained(text, labels, keys, is_given=is_given) else None)


def _conflict(found: Sequence[Listing]) -> bool:
    if len(found) < 2:
        return False
    first = {_folded(label) for label in found[0].labels}
    # "Does it touch security (auth, crypto)? Yes or no": what is asked about is no list of answers.
    is_asked = is_polar(found[0].labels)
    return any(
        listing.certainty >= 0.78
        and not (is_asked and not listing.closed)
        and not all(_is_among(_folded(label), first) for label in listing.labels)
        for listing in found[1:]
    )


def _is_among(label: str, known: set[str]) -> bool:
    """Whether a label is one of the known, or one with a word more: "passive voice"."""
    return label in known or any(label.startswith(f"{one} ") or one.startswith(f"{label} ") for one in known)


def _found(spoken: Sequence[Spoken]) -> list[Listing]:
    found = [listing for part in spoken for listing in part.found]
    found.sort(key=lambda listing: -listing.certainty)
    return found
