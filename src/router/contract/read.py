"""Read the asked-for answer from a request: hints first, then schema or tool, then wording, then worked examples.

Where two of them disagree, or the answer is more than a label, the contract carries a blocker.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..types import Contract, Message, Request, Signal, Tool
from . import demands
from .blocks import Block, fences, is_input_marker, markers, quotations, tags
from .examples import Shown, shown_answers
from .listing import Listing
from .schema import Field, alternation, read_schema
from .speech import IMPERATIVE, orders
from .vocabulary import DATA_TAGS
from .wording import YES_WORDS, listings, may_list, words_of

__all__ = ["read_contract"]

DETECTOR = "contract"
_HEAD, _TAIL = 4000, 2000
_OTHERWISE = re.compile(r"\b(?:otherwise|if not|sonst|sinon|si no|caso contrário|altrimenti|anders)\b", re.IGNORECASE)
_NO_LIST = "the request names no closed list of answers."
_YES_NO = (frozenset({"yes", "no"}), frozenset({"true", "false"}))
_TOOL_WORDS = (
    "classif", "label", "categor", "sentiment", "tag", "route", "triage", "moderat", "detect", "intent", "rate",
    "record", "extract", "response", "answer", "output", "select", "predict", "assign", "topic", "emotion", "spam",
    "toxic",
)  # fmt: skip


class _Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """One message's instruction, the text to judge masked out, and the lists of answers in it."""

    text: str
    words: frozenset[str]
    by_user: bool
    found: tuple[Listing, ...] = ()


def read_contract(request: Request) -> Signal[Contract]:
    """The answer that a request asks for; ``confidence`` is how certain the reading is.

    The shape is ``free_text`` with no labels where no closed list of answers was found. A contract with a ``blocker``
    may still tell its labels: they were read with certainty, but a label alone would not be the whole answer.
    """
    is_given = request.json_schema is not None or (request.tools and request.tool_choice != "none")
    spoken = _spoken(request, is_given=bool(is_given))
    choice = request.body.get("guided_choice")
    tool, tool_blocker = _tool(request)
    if request.json_schema is not None:
        contract, confidence = _structured(request, spoken, read_schema(request.json_schema), "json", None)
        if tool is not None or tool_blocker is not None:
            contract = _blocked(contract, "tools are offered beside the asked-for JSON.")
    elif tool is not None:
        contract, confidence = _structured(request, spoken, read_schema(tool.parameters), "tool_call", tool.name)
        contract = _blocked(contract, tool_blocker)
    elif isinstance(choice, Sequence) and not isinstance(choice, str) and len(choice) > 1:
        labels = tuple(str(item) for item in choice)
        contract, confidence = _ruled(Contract(shape="bare_label", labels=labels), spoken), 0.95
    else:
        contract, confidence = _worded(request, spoken)
        contract = _blocked(contract, tool_blocker)
    contract = _blocked(contract, _request_blocker(request, contract))
    if contract.labels is None:
        contract = _blocked(contract, _NO_LIST)
    return Signal(value=contract, confidence=confidence, detector=DETECTOR)


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
    if body.get("grammar") or body.get("guided_grammar") or body.get("guided_json"):
        return "the request constrains the answer by a grammar."
    if request.messages and request.messages[-1].role == "assistant":
        return "the answer is to continue a text that the assistant has begun."
    if request.modalities:
        return "the request has parts that are not text."
    if any(message.role == "tool" or message.has_tool_calls for message in request.messages):
        return "the conversation holds tool calls or their results."
    written = contract.values or contract.labels or ()
    if any(stop and stop in str(value) for stop in request.stop for value in written):
        return "a stop sequence cuts one of the labels."
    return None


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
    request: Request, spoken: Sequence[_Spoken], field: Field, shape: Any, tool: str | None
) -> tuple[Contract, float]:
    contract = Contract(
        shape=shape, labels=field.labels, values=field.values, multi_label=field.multi_label, path=field.path,
        tool=tool, blocker=field.blocker, fixed=field.fixed,
    )  # fmt: skip
    confidence = 0.97 if field.certain else 0.85
    hinted = request.hints.labels
    found = _found(spoken)
    if field.labels is None:
        if field.blocker is not None:
            return contract, 0.9
        if not found and field.description:
            found = listings(field.description, words_of(field.description))
        labels = hinted or (found[0].labels if found else None)
        if labels is None:
            return contract, 0.8
        confidence = 0.93 if hinted else min(0.9, found[0].certainty)
        contract = msgspec.structs.replace(contract, labels=tuple(labels))
        if not hinted and len(found) > 1 and _conflict(found):
            contract = _blocked(contract, "the request names two different lists of labels.")
        return _ruled(contract, spoken, found, shape), confidence
    if hinted:
        contract = _restricted(contract, hinted)
    elif found and contract.blocker is None and not _agrees(contract.labels or (), found):
        contract = _blocked(contract, "the instruction and the schema name different labels.")
    elif any(listing.defined for listing in found):
        contract = _blocked(contract, "the request gives its labels meanings of their own.")
    if field.description and (reason := demands.rule(field.description, words_of(field.description), field.labels)):
        contract = _blocked(contract, reason)
    return _ruled(contract, spoken, found, shape), confidence


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


def _worded(request: Request, spoken: Sequence[_Spoken]) -> tuple[Contract, float]:
    shown = shown_answers(request)
    found = _found(spoken)
    hinted = request.hints.labels
    pattern = request.body.get("guided_regex")
    if hinted:
        labels, confidence = tuple(hinted), 0.97
    elif isinstance(pattern, str) and (choice := alternation(pattern)):
        labels, confidence = choice, 0.93
    elif found:
        labels, confidence = found[0].labels, found[0].certainty
    elif shown is not None and shown.labels and shown.certainty > 0.0:
        labels, confidence = shown.labels, shown.certainty
    else:
        return Contract(shape="json" if request.wants_json else "free_text"), 0.85
    contract = Contract(shape="bare_label", labels=labels)
    if not hinted and _conflict(found):
        contract = _blocked(contract, "the request names two different lists of labels.")
        confidence = min(confidence, 0.5)
    contract, confidence = _in_json(request, spoken, shown, contract, confidence)
    if shown is not None:
        contract = _blocked(contract, shown.against(contract))
    if any(demands.multi_label(part.text, part.words) for part in spoken) and not contract.multi_label:
        commas = any("comma" in part.words or "commas" in part.words for part in spoken)
        contract = msgspec.structs.replace(contract, multi_label=True)
        if contract.shape != "bare_label" or not commas:
            contract = _blocked(contract, "several labels may be given, and how they are written is not said.")
    numbered = found[0].numbered if found and not hinted else ""
    if numbered == "letter" and not any(part.words & {"name", "label", "category", "word", "text"} for part in spoken):
        contract = _blocked(contract, "the options carry letters, and the answer may be a letter.")
    return _ruled(contract, spoken, found), confidence


def _in_json(
    request: Request, spoken: Sequence[_Spoken], shown: Shown | None, contract: Contract, confidence: float
) -> tuple[Contract, float]:
    if shown is not None and shown.path:
        return msgspec.structs.replace(contract, shape="json", path=shown.path), min(confidence, 0.9)
    asking = [part for part in spoken if _asks_for_json(part)]
    if not asking and not request.wants_json:
        return contract, confidence
    whole = "\n".join(part.text for part in asking or spoken)
    key, is_list, against = demands.json_key(whole)
    if "schema" in whole and "properties" in whole:
        against = against or "the request spells out a schema of its own."
    contract = msgspec.structs.replace(contract, shape="json", path=(key,) if key else (), multi_label=is_list)
    return _blocked(contract, against), min(confidence, 0.88)


def _asks_for_json(part: _Spoken) -> bool:
    if "json" in part.words:
        lower = part.text.lower()
        return not ("no json" in lower or "not json" in lower or "kein json" in lower)
    return "{" in part.text and demands.json_key(part.text)[0] is not None


def _ruled(
    contract: Contract, spoken: Sequence[_Spoken], found: Sequence[Listing] = (), request_shape: str | None = None
) -> Contract:
    """The contract with the blocker that the wording raises, if any."""
    if contract.blocker is not None or contract.labels is None:
        return contract
    if any(listing.defined for listing in found if listing.labels == contract.labels):
        return _blocked(contract, "the request gives its labels meanings of their own.")
    is_given = request_shape is not None
    is_json = contract.shape != "bare_label"
    for part in spoken:
        text = part.text
        if not is_given and any(demands.goes_on(text, listing.end) for listing in part.found):
            return _blocked(contract, "the request asks for more than a label.")
        for listing in sorted(part.found, key=lambda listing: -listing.start):
            if len(listing.labels) == 2 and {label.casefold() for label in listing.labels} & YES_WORDS:
                # "YES if it is spam, otherwise NO" says what is asked, it is no rule beside the labels.
                text = f"{text[: listing.start]} {text[listing.end :]}"
                text = _OTHERWISE.sub(" ", text)
            else:
                text = f"{text[: listing.start]}{_unnamed(text, listing)}{text[listing.end :]}"
        words = part.words if text is part.text else words_of(text)
        reason = demands.obstacle(
            text, words, contract.labels, by_user=part.by_user, is_json=is_json, is_given=is_given
        )
        reason = reason or demands.rule(text, words, contract.labels)
        if reason is not None:
            return _blocked(contract, reason)
    return contract


def _unnamed(text: str, listing: Listing) -> str:
    """The stretch of a list without its labels: a label called "translate" demands nothing."""
    stretch = text[listing.start : listing.end]
    for label in sorted(listing.labels, key=len, reverse=True):
        stretch = stretch.replace(label, "_")
    return stretch


def _conflict(found: Sequence[Listing]) -> bool:
    if len(found) < 2:
        return False
    first = {_folded(label) for label in found[0].labels}
    return any(
        listing.certainty >= 0.78 and not {_folded(label) for label in listing.labels} <= first for listing in found[1:]
    )


def _found(spoken: Sequence[_Spoken]) -> list[Listing]:
    found = [listing for part in spoken for listing in part.found]
    found.sort(key=lambda listing: -listing.certainty)
    return found


def _spoken(request: Request, *, is_given: bool) -> list[_Spoken]:
    """The instructions of a request: system messages, and the user's own words around the text to judge."""
    last = request.last_user()
    messages = request.messages
    has_turns = any(message.role == "assistant" for message in messages[: last or 0])
    systems = (message for message in messages if message.role in ("system", "developer"))
    parts = [part for message in systems if (part := _part(message, by_user=False)) is not None]
    for index, message in enumerate(messages):
        if message.role != "user" or (index != last and has_turns and any(part.found for part in parts)):
            continue
        # Under an instruction that lists the answers, a message that orders nothing is the text to judge.
        text = message.text
        is_told = is_given or request.hints.labels is not None or any(part.found for part in parts)
        if is_told and not orders(text) and not (is_given and IMPERATIVE.match(text)):
            continue
        if (part := _part(message, by_user=True)) is not None and not (index != last and has_turns and not part.found):
            parts.append(part)
    return parts


def _part(message: Message, *, by_user: bool) -> _Spoken | None:
    text = _window(message)
    if not text or text.isspace():
        return None
    words = words_of(text)
    if not may_list(text, words):
        return _Spoken(text=text, words=words, by_user=by_user)
    masked = _masked(text)
    if masked is not text:
        text, words = masked, words_of(masked)
    return _Spoken(text=text, words=words, by_user=by_user, found=tuple(listings(text, words)))


def _window(message: Message) -> str:
    """A message's text without the middle of a long one; users' instructions stand at its edges."""
    text = message.text
    head, tail = (_HEAD, _TAIL) if message.role != "user" else (_HEAD // 2, _TAIL // 2)
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"


def _masked(text: str) -> str:
    """The text without the stretches that hold data."""
    cuts: list[tuple[int, int]] = []
    if "</" in text:
        cuts += [(b.start, b.end) for b in tags(text) if b.name in DATA_TAGS or b.name in ("example", "examples")]
    if "```" in text or '"""' in text or "'''" in text or "\n---\n" in text or "\n###\n" in text:
        cuts += [(b.start, b.end) for b in fences(text) if not text.startswith(("{", "["), b.start)]
    if ":" in text or "：" in text:
        cuts += _marked(text)
    cuts += [(block.start, block.end) for block in quotations(text) if _is_prose(text, block)]
    if not cuts:
        return text
    cuts.sort()
    kept: list[str] = []
    position = 0
    for start, end in cuts:
        if start >= position:
            kept.append(text[position:start])
            kept.append("_")
            position = end
    kept.append(text[position:])
    return "".join(kept)


def _is_prose(text: str, quoted: Block) -> bool:
    length = quoted.end - quoted.start
    if length > 24 and text.count(" ", quoted.start, quoted.end) > 3:
        return True
    return length > 8 and not text[quoted.start : quoted.end].isascii()


def _marked(text: str) -> list[tuple[int, int]]:
    """What stands behind input markers, up to the next marker or a last paragraph of its own."""
    found = markers(text)
    cuts: list[tuple[int, int]] = []
    for place, block in enumerate(found):
        if block.kind != "input" or not is_input_marker(block.name):
            continue
        end = found[place + 1].outer if place + 1 < len(found) else len(text)
        if end == len(text):
            paragraph = text.rfind("\n\n", block.start, end)
            if paragraph > block.start and len(text) - paragraph < 600:
                end = paragraph
        if block.start < end:
            cuts.append((block.start, end))
    return cuts


def labels_of(schema: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The labels that a schema allows, or None."""
    return read_schema(schema).labels
