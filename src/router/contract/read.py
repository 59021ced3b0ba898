"""Read the asked-for answer from a request: hints first, then schema or tool, then wording, then worked examples.

Where two of them disagree, or the answer is more than a label, the contract carries a blocker.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from ..patterns import late_pattern
from ..types import Contract, Request, Signal, Split
from . import demands
from .canonical import canonical
from .codes import without_marks
from .examples import Shown, shown_answers, without_examples
from .fallback import fallbacks
from .frames import tied_names
from .instruction import Spoken, instructions, remainder
from .labels import Listing, no_list
from .memory import Memory
from .opening import opened, without_wrapping
from .polar import asks_truth, holds_polar, question_of, unasked
from .prose_json import asks_for_json, forbids_json, json_key
from .rules import rule, without_guards, without_keys
from .runs import runs
from .schema import alternation, grammar_words, read_schema
from .several import multi_label
from .structured import TWO_LISTS, blocked, conflict, structured, tool_of
from .understood import unexplained
from .whole import is_whole
from .words import table, words_of

__all__ = ["DETECTOR", "NO_LIST", "Draft", "draft", "finished"]

DETECTOR = "contract"
NO_LIST = "the request names no closed list of answers."
_MORE = "the request asks for more than a label."
_STRANGE = "the request says something beside the labels that is not understood; it may be a rule."


_REASONS = table("reason motivo motif cause summary evidence step aspect suggestion meaning")
_ONLY_SHOWN = late_pattern(
    r"\bonly (?:the |these )?(?:labels?|categor\w+|tags|classes|codes)\b[^.\n]{0,30}\b(?:examples|above|below)\b",
    re.IGNORECASE,
)
_SIGN = late_pattern(
    r",? ?\b(?:including|with) (?:the |its )?(?:leading )?(?:hash(?:tag)?|#|at sign|@|slash)", re.IGNORECASE
)
# "these reviews", "for each of the following": several texts, whatever was found
_MANY = late_pattern(
    r"\b(?:these|those|both|following|several|all|two|three|\d+) (?:[\w-]+ ){0,2}(?:reviews|comments|messages|tweets|"
    r"tickets|"
    r"texts|sentences|lines|items|headlines|posts|emails|mails|rows|titles|statements|queries|words|clauses|answers)\b|"
    r"\b(?:each|every) of\b|\b(?:each|every) (?:one|line|row|item|word|sentence|part|aspect|entity|clause|"
    r"paragraph|"
    r"bullet|half|step|point|entry)\b|\bper \w+|\brespectively\b|\b(?:label|classify|tag|sort|rate|mark) (?:them|"
    r"these|those)\b",
    re.IGNORECASE,
)
_EACH = late_pattern(r"\b(?:each|every) ", re.IGNORECASE)
_TALK = table("conversation dialogue dialog gesprek gespräch unterhaltung conversación conversa conversazione")
_NEXT = late_pattern(r"\bnext (?:tool|action|step|role|agent|worker|speaker|move|node)\b", re.IGNORECASE)
_ORDERED = late_pattern(
    r"\b(?:say|reply|respond|answer|return|output|print|write|give|emit)\b"
    r"(?: (?:with|only|just|either|exactly|one|of|the|words?|strings?))*[ :\"'`*(\[{]*\Z",
    re.IGNORECASE,
)
_SENTENCE = late_pattern(r"[^\W\d_]+(?:[ ,]+['\"]?[^\W\d_]+){3}")
_NO_TOOL = late_pattern(
    r"\b(?:not|n't|never|without) (?:use|using|call|calling|invoke|invoking) (?:any |the |a )?(?:tools?|"
    r"functions?)\b",
    re.I,
)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """The labels and the shape as first read, and the instructions that they were read from; see :func:`finished`."""

    contract: Contract
    confidence: float
    spoken: tuple[Spoken, ...] = ()
    found: tuple[Listing, ...] = ()

    def holds(self, judged: Split) -> bool:
        """Whether one of several lists stands in the text to judge, or one beside a schema's."""
        inside = sum(part.holds(listing, judged) for part in self.spoken for listing in part.found)
        return inside > 0 and (inside < len(self.found) or self.contract.shape != "bare_label")


def draft(request: Request, memory: Memory, judged: Split | None = None) -> Draft:
    """Which labels are allowed, and in which shape: enough to tell the text to judge from the instruction.

    ``judged``: the text to judge where it is known; a list of labels that stands in it is none.
    """
    is_given = request.json_schema is not None or (request.tools and request.tool_choice != "none")
    spoken = instructions(request, memory, is_given=bool(is_given))
    choice = request.body.get("guided_choice") or _grammar(request)
    tool, tool_blocker = tool_of(request)
    found = [listing for part in spoken for listing in part.found if not part.holds(listing, judged)]
    found.sort(key=lambda listing: -listing.certainty)
    found = _as_ordered(found, spoken)
    if request.json_schema is not None:
        contract, confidence = structured(request, found, read_schema(request.json_schema), "json", None)
        if tool is not None or tool_blocker is not None:
            contract = blocked(contract, "tools are offered beside the asked-for JSON.")
    elif tool is not None:
        contract, confidence = structured(request, found, read_schema(tool.parameters), "tool_call", tool)
        contract = blocked(contract, tool_blocker)
    elif isinstance(choice, Sequence) and not isinstance(choice, str) and len(choice) > 1:
        labels = tuple(str(item) for item in choice)
        contract, confidence = Contract(shape="bare_label", labels=labels), 0.95
    else:
        contract, confidence = _worded(request, spoken, found, memory)
        contract = blocked(contract, tool_blocker)
    if contract.shape == "json" and any(forbids_json(part.text, part.words) for part in spoken):
        contract = blocked(contract, "JSON is asked for, and forbidden in words.")
    if tool is not None and request.tool_choice not in (tool.name, "required") and not spoken:
        contract = blocked(contract, "a tool is offered, and nothing says that it is to be called.")
    if contract.shape == "tool_call" and any(_NO_TOOL.search(part.text) for part in spoken):
        contract = blocked(contract, "a tool is offered, and its use is forbidden in words.")
    if len(request.messages) > 2 and any(message.role == "assistant" for message in request.messages):
        if _goes_on(spoken):
            contract = blocked(contract, "what is to be done next depends on the turns before.")
        if any(not part.words.isdisjoint(_TALK) for part in spoken):
            contract = blocked(contract, "the whole conversation is judged.")
    contract = blocked(contract, _request_blocker(request, contract))
    if contract.labels is None:
        contract = blocked(contract, NO_LIST)
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
        if contract.blocker is None and holds_polar(contract.labels or ()):
            told = tuple(remainder(part, split) for part in drafted.spoken)
            question = memory.recall("question", "".join(told), told, partial(question_of, told))
            contract = msgspec.structs.replace(contract, question=question)
            contract = blocked(contract, asks_truth(told))
            if contract.shape == "bare_label" and told and not question:
                said = (
                    *told,
                    _around(request, split, drafted),
                    *(part.text[one.start : one.end] for part in drafted.spoken for one in part.found),
                )
                contract = blocked(contract, memory.recall("unasked", "".join(said), said, partial(unasked, said)))
    return Signal(value=contract, confidence=drafted.confidence, detector=DETECTOR)


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


def _as_ordered(found: list[Listing], spoken: Sequence[Spoken]) -> list[Listing]:
    """The lists, first the one that an order spells out: "on-topic or off-topic? Say ON_TOPIC or OFF_TOPIC"."""
    if len(found) < 2:
        return found
    first = found[0].labels
    plain = _plain(first)
    alike = [listing for listing in found if listing.labels == first or _plain(listing.labels) == plain]
    if all(listing.labels == first for listing in alike):
        return found
    ordered = [
        listing
        for part in spoken
        for listing in part.found
        if listing in alike and _ORDERED.search(part.text, max(0, listing.start - 40), listing.start) is not None
    ]
    if len({listing.labels for listing in ordered}) != 1:
        return found
    return [ordered[0], *(listing for listing in found if listing != ordered[0])]


def _plain(labels: tuple[str, ...]) -> frozenset[str]:
    return frozenset(label.casefold().replace("_", " ").replace("-", " ") for label in labels)


def _around(request: Request, split: Split | None, drafted: Draft) -> str:
    """What a message says around the text to judge that was not taken for an instruction."""
    if split is None or split.message < 0:
        return ""
    text = request.messages[split.message].text
    if (split.start == 0 and split.end == len(text)) or any(part.index == split.message for part in drafted.spoken):
        return ""
    return f"{text[: split.start]}_{text[split.end :]}"


def _goes_on(spoken: Sequence[Spoken]) -> bool:
    """Whether the next step of a conversation that is under way is asked for."""
    return any("next" in part.words and _NEXT.search(part.text) is not None for part in spoken)


def _grammar(request: Request) -> tuple[str, ...] | None:
    """The answers that a grammar allows, when it is a choice of words and nothing else."""
    grammar = request.body.get("grammar") or request.body.get("guided_grammar")
    return grammar_words(grammar) if isinstance(grammar, str) else None


def _worded(
    request: Request, spoken: Sequence[Spoken], found: Sequence[Listing], memory: Memory
) -> tuple[Contract, float]:
    pasted = [part.schema for part in spoken if part.schema is not None]
    if len(pasted) == 1 and not request.hints.labels:
        contract, confidence = structured(request, found, read_schema(pasted[0]), "json", None)
        return contract, min(confidence, 0.9)
    shown = shown_answers(request)
    hinted = request.hints.labels
    pattern = request.body.get("guided_regex")
    if hinted:
        labels, confidence = tuple(hinted), 0.97
    elif isinstance(pattern, str) and (choice := alternation(pattern)):
        labels, confidence = choice, 0.93
    elif found:
        labels, confidence = _with_other(found[0].labels, spoken), found[0].certainty
    elif shown is not None and shown.labels and shown.certainty > 0.0:
        for part in spoken:
            for run in runs(part.text, None):
                if (
                    len(run.listing.labels) > 1
                    and is_whole(part.text, run.listing)
                    and set(shown.answers) <= set(run.listing.labels)
                ):
                    return _worded(request, spoken, [run.listing._replace(certainty=0.85)], memory)
        is_all = any(_ONLY_SHOWN.search(part.text) is not None for part in spoken)
        labels, confidence = shown.labels, max(shown.certainty, 0.75 if is_all else 0.0)
    else:
        return Contract(shape="json" if request.wants_json else "free_text"), 0.85
    marks = found[0].marks if found and labels == found[0].labels else ()
    if found and found[0].marks and not marks and not hinted:
        confidence = min(confidence, 0.5)
    contract = Contract(shape="bare_label", labels=labels, values=marks or None)
    if not hinted:
        contract = blocked(contract, no_list(labels))
        if marks and any(_is_form(labels, part.text) for part in spoken):
            contract = blocked(contract, "the answer's form names the labels, and their numbers are asked for.")
        if conflict(found):
            contract = blocked(contract, TWO_LISTS)
            confidence = min(confidence, 0.5)
    if opened(request) is None:
        contract, confidence = _in_json(request, spoken, shown, contract, confidence)
    if shown is not None:
        contract = blocked(contract, shown.against(contract))
    is_multi = [memory.recall("multi", p.text, None, partial(multi_label, p.text, p.words)) for p in spoken]
    if any(is_multi) and not contract.multi_label:
        commas = any("comma" in part.words or "commas" in part.words for part in spoken)
        contract = msgspec.structs.replace(contract, multi_label=True)
        if found and len(labels) > len(found[0].labels):
            contract = blocked(contract, "several labels may be given, and a word of its own for none of them.")
        if contract.shape != "bare_label" or not commas:
            contract = blocked(contract, "several labels may be given, and how they are written is not said.")
    numbered = found[0].numbered if found and not hinted else ""
    if numbered == "letter" and not any(part.words & {"name", "label", "category", "word", "text"} for part in spoken):
        contract = blocked(contract, "the options carry letters, and the answer may be a letter.")
    return contract, confidence


def _is_form(labels: tuple[str, ...], text: str) -> bool:
    """Whether the answer is to look like the labels themselves: "Output format: spam/ham"."""
    named = r"[\"'`]?\s?[/|,、]\s?[\"'`]?".join(map(re.escape, labels[:2]))
    return re.search(rf"(?i:format\w*|formato|格式|形式|フォーマット|형식)\W{{0,6}}{named}", text) is not None


def _with_other(labels: tuple[str, ...], spoken: Sequence[Spoken]) -> tuple[str, ...]:
    """The labels, and the one for texts that none of them fits: "If none of them applies, answer other"."""
    others = {label for part in spoken for label in fallbacks(part.text, part.words)}
    if len(others) != 1 or {label.casefold() for label in labels} & {other.casefold() for other in others}:
        return labels
    return (*labels, *others)


def _in_json(
    request: Request, spoken: Sequence[Spoken], shown: Shown | None, contract: Contract, confidence: float
) -> tuple[Contract, float]:
    if shown is not None and shown.path:
        return msgspec.structs.replace(contract, shape="json", path=shown.path), min(confidence, 0.9)
    is_label = any(label.casefold() == "json" for label in contract.labels or ())
    asking = [] if is_label else [part for part in spoken if asks_for_json(part.text, part.words)]
    if not asking and not request.wants_json:
        return contract, confidence
    whole = "\n".join(part.text for part in asking or spoken)
    key, is_list, against = json_key(whole)
    if '"properties"' in whole and "schema" in whole.lower():
        against = against or "the request spells out a schema of its own."
    contract = msgspec.structs.replace(contract, shape="json", path=(key,) if key else (), multi_label=is_list)
    return blocked(contract, against), min(confidence, 0.88)


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
    keys = tuple(key for key in (*contract.path, contract.tool) if key and len(key) > 2) if is_json else ()
    is_given = is_given or any(part.schema is not None for part in drafted.spoken)
    for part in drafted.spoken:
        by_user = part.by_user and not _is_one_line(request, split)
        asked = (labels, keys, by_user, is_json, is_given)
        goes_on = not is_given and any(demands.goes_on(part.text, listing.end) for listing in part.found)
        if goes_on:
            return blocked(contract, _MORE)
        text = remainder(part, split)
        if (begun := opened(request)) is not None:
            text = without_wrapping(text, begun)
        if contract.values is not None and contract.shape == "bare_label":
            text = without_marks(text, tuple(map(str, contract.values)))
        form, meaning = memory.recall("against", text, asked, partial(_against, text, *asked))
        if form is not None:
            return blocked(contract, form)
        learnable = learnable or meaning
    around = _around(request, split, drafted)
    if around and _SENTENCE.search(around) is not None:
        # A message that orders nothing may say something beside the text all the same.
        asked = (labels, keys, True, is_json, is_given)
        form, meaning = memory.recall("against", around, asked, partial(_against, around, *asked))
        if form is not None:
            return blocked(contract, form)
        learnable = learnable or meaning
    if learnable is None:
        return contract
    return msgspec.structs.replace(contract, blocker=learnable, is_learnable=True)


def _is_one_line(request: Request, split: Split | None) -> bool:
    """Whether the text to judge is one text by its looks, so that "each message" speaks of those that come."""
    if split is None or split.message < 0:
        return False
    text = request.messages[split.message].text
    around = f"{text[: split.start]}{text[split.end :]}"
    piece = text[split.start : split.end]
    return (
        len(piece) < 400
        and not any(sign in piece for sign in ("\n", ";", "|", " / ", '" '))
        and not _MANY.search(around)
    )


def _against(
    text: str, labels: tuple[str, ...], keys: tuple[str, ...], by_user: bool, is_json: bool, is_given: bool
) -> tuple[str | None, str | None]:
    """What an instruction says that a label alone does not honour: of the answer's form; of which label is right."""
    bare = without_examples(text, labels)
    text = text if bare == text else _EACH.sub("the ", bare)  # of the examples' texts
    if all(label[:1] in "#@/!" for label in labels):
        text = _SIGN.sub("", text).replace("hashtag", "label")
    # What the list is called is no demand: "the reason for the cancellation: price, other".
    for name in tied_names(text.lower()) & _REASONS:
        text = text.replace(name, "label").replace("Reason", "Label")
    text = canonical(without_guards(text, words_of(text)), labels)
    words = words_of(text)
    form = demands.obstacle(text, words, labels, by_user=by_user, is_json=is_json, is_given=is_given)
    if form is not None:
        return form, None
    found = rule(text, words, labels)
    if found is not None and is_given:
        found = rule(without_keys(text, keys), words, labels)  # a field may be called "aspect"
    return None, found or (_STRANGE if unexplained(text, labels, keys, is_given=is_given) else None)
