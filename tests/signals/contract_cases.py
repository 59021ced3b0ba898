"""The written requests of ``tests/cases/contract``, and how a reading of one is judged."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

import yaml

from router.signals.contract import read_asked
from router.types import Contract, Hints, Message, Request, Signal, Split, Tool
from router.wire.openai import read_chat

FOLDER = Path(__file__).parent.parent / "cases" / "contract"
CERTAIN = 0.6
Outcome = Literal["right", "abstained", "wrong"]
Case = dict[str, Any]


@functools.cache
def cases() -> list[Case]:
    return [case for path in sorted(FOLDER.glob("*.yaml")) for case in yaml.safe_load(path.read_text("utf-8"))]


def request_of(case: Case) -> Request:
    """The request of a case: of its chat body (``request``) where it has one, else of the parts that it spells out."""
    if "request" in case:
        return read_chat(case["request"])
    turns = case.get("messages") or [["user", case["prompt"]]]
    modalities = frozenset(case.get("modalities", ()))
    hints = case.get("hints", {})
    return Request(
        messages=tuple(Message(role=role, text=text, modalities=modalities) for role, text in turns),
        json_schema=case.get("schema"),
        tools=tuple(Tool(**tool) for tool in case.get("tools", ())),
        tool_choice=case.get("tool_choice"),
        n=case.get("n", 1),
        wants_logprobs=case.get("logprobs", False),
        stop=tuple(case.get("stop", ())),
        body=case.get("body", {}),
        hints=Hints(labels=tuple(hints["labels"]) if "labels" in hints else None, input=hints.get("input")),
    )


def reading(case: Case) -> tuple[Request, Signal[Contract], Signal[Split]]:
    request = request_of(case)
    return request, *read_asked(request)


def judge(case: Case) -> tuple[Outcome, str]:
    """Right, abstained or wrong, with what was read."""
    request, signal, split = reading(case)
    contract = signal.value
    assert contract is not None
    text = None
    if split.value is not None:
        whole = case["hints"]["input"] if split.value.message < 0 else request.messages[split.value.message].text
        text = whole[split.value.start : split.value.end]
    told = f"{contract.labels} {contract.shape} {contract.path} blocker={contract.blocker!r} text={text!r}"
    eligible = (
        contract.labels is not None
        and contract.blocker is None
        and signal.confidence >= CERTAIN
        and text is not None
        and split.confidence >= CERTAIN
    )
    if not eligible:
        return "right" if case.get("abstain") else "abstained", told
    if case.get("abstain") == "described" and contract.meanings:
        return "right", told  # who answers must know what these labels mean
    if case.get("abstain"):
        return "wrong", told
    as_asked = (
        list(contract.labels or ()) == case["labels"]
        and (contract.shape != "bare_label" or list(contract.values or ()) == case.get("values", []))
        and contract.shape == case.get("shape", "bare_label")
        and list(contract.path) == case.get("path", [])
        and contract.multi_label == case.get("multi", False)
        and bool(contract.meanings) == case.get("glossed", False)
        and text == case["text"]
    )
    return "right" if as_asked else "wrong", told
