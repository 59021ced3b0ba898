"""What an example in a policy file, or in a file of tests, may say: what is observed of a request, and the verdict."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ..spec import Spec, written
from ..types import FlagKind, Severity, Shape, Strength
from .words import Budgets, Language, Milliseconds, Open, Stakes, Strict, Task, Usd, Words, one_or_many

__all__ = ["Example", "ExamplesText", "Expectation", "FlagSeen", "Observed"]


class FlagSeen(Strict, frozen=True, kw_only=True):
    """A safety flag, as an example writes it: `{kind: pii, score: 0.9, pii: iban}`."""

    kind: Annotated[FlagKind, Spec(description="What was flagged.")]
    score: Annotated[float, Spec(ge=0, le=1, description="Calibrated probability, 0..1.")] = 1.0
    severity: Annotated[Severity, Spec(description="How bad it is.")] = "high"
    text: Annotated[str | None, Spec(description="The flagged words; they must stand in `messages` or `split`.")] = None
    pii: Annotated[str, Spec(description="Kind of personal data: `email`, `iban`, `card` ...")] = ""


class Observed(Open, frozen=True, kw_only=True):
    """Signals as values. What is left out, or `null`, is unknown."""

    task: Annotated[Task | None, Spec(description="What the request asks for.")] = None
    task_probability: Annotated[float, Spec(ge=0, le=1, description="How sure the reading of the task is, 0..1.")] = (
        0.99
    )
    language: Annotated[Language | None, Spec(description="ISO 639 code.")] = None
    resource: Annotated[
        Literal["high", "low"] | None, Spec(description="Resource level of a translation's source.")
    ] = None
    annotated: Annotated[int | None, Spec(description="Annotated rows behind the matching local model.")] = None
    few_shot: Annotated[int | None, Spec(description="Worked examples in the request.")] = None
    ood: Annotated[Literal["in", "out"] | None, Spec(description="In or out of the local model's distribution.")] = None
    intents: Annotated[int | None, Spec(description="How many separate tasks the request asks for.")] = None
    stakes: Annotated[Stakes | None, Spec(description="Kind of harm that a wrong answer may do.")] = None
    safety: Annotated[list[FlagSeen] | None, Spec(description="Raised flags; `[]` is clean, left out is unknown.")] = (
        None
    )
    context: Annotated[bool | None, Spec(description="Passages or a document to read are in the request.")] = None
    knowledge: Annotated[bool | None, Spec(description="That context holds what is asked.")] = None
    symbols: Annotated[bool | None, Spec(description="Redefined symbols or operators.")] = None
    inverse: Annotated[bool | None, Spec(description="A pattern that larger models do worse on.")] = None
    adversarial: Annotated[bool | None, Spec(description="Adversarial inference data.")] = None
    noise: Annotated[bool | None, Spec(description="Noisy or unstructured input.")] = None
    reasoning: Annotated[bool | None, Spec(description="Several steps of reasoning are needed.")] = None
    explanation: Annotated[bool | None, Spec(description="An explanation of the answer is wanted.")] = None
    agent: Annotated[bool | None, Spec(description="Tools for actions are offered.")] = None
    shortcut: Annotated[bool | None, Spec(description="The local model is suspected of shortcuts.")] = None
    tokens: Annotated[
        tuple[int, int, int] | None,
        Spec(strict=False, description="Tokens as `[input, expected output, largest output]`."),
    ] = None
    labels: Annotated[list[str] | None, Spec(description="The allowed answers.")] = None
    shape: Annotated[Shape | None, Spec(description="Shape of the answer that is asked for.")] = None
    split: Annotated[str | None, Spec(description="The text to judge; it must stand in `messages`.")] = None
    may_answer: Annotated[bool | None, Spec(description="Whether the matching local model may answer.")] = None
    template: Annotated[
        bool, Spec(description="The matching local model learnt the hosted answers to this prompt template.")
    ] = False
    custom: Annotated[dict[str, bool | int | float | str], Spec(description="Signals of your own, by name.")] = (
        msgspec.field(default_factory=dict)
    )


Maybe = Annotated[list[str], *one_or_many]


class Expectation(Strict, frozen=True, kw_only=True):
    """What the verdict must be; only what is written is compared, and `[]` is nothing."""

    target: Annotated[
        Literal["local", "llm", "refuse"] | None,
        Spec(description="Who answers in the end; for examples with a `request`."),
    ] = None
    model: Annotated[str | None, Spec(description="The model that answers; for examples with a `request`.")] = None
    prefer: Annotated[Literal["local", "llm", "tie"] | None, Spec(description="The recommendation.")] = None
    tier: Annotated[
        Literal["small", "large", "none"] | None, Spec(description="Tier of hosted models; `none` for none.")
    ] = None
    strength: Annotated[Strength | None, Spec(description="Strength of the rule that decided.")] = None
    decided_by: Annotated[str | None, Spec(description="The rule or step that decided, or `otherwise`.")] = None
    refuse: Annotated[bool | None, Spec(description="Whether it is refused.")] = None
    refused_by: Annotated[str | None, Spec(description="The rule that refuses.")] = None
    fired: Annotated[Words | None, Spec(description="Rules that fire, among others.")] = None
    not_fired: Annotated[Words | None, Spec(description="Rules that do not fire.")] = None
    require: Annotated[Maybe | None, Spec(description="All that is required.")] = None
    forbid: Annotated[Maybe | None, Spec(description="All that is forbidden.")] = None
    redact: Annotated[Maybe | None, Spec(description="All that is masked.")] = None
    check: Annotated[Maybe | None, Spec(description="All that the answer is checked for.")] = None
    rank: Annotated[Maybe | None, Spec(description="Tags that come first among equals, in this order.")] = None
    fallback: Annotated[Maybe | None, Spec(description="Who may come after the target, as the rule names them.")] = None
    mirror: Annotated[Maybe | None, Spec(description="The deployments that get copies of a share.")] = None
    warns: Annotated[bool | None, Spec(description="Whether there are warnings.")] = None
    max_usd: Annotated[Usd | None, Spec(description="The policy's money limit.")] = None
    max_latency_ms: Annotated[Milliseconds | None, Spec(description="The policy's time limit.")] = None

    def __post_init__(self) -> None:
        if not any(written(self)):
            raise ValueError("an example must expect something")


class Example(Strict, frozen=True, kw_only=True):
    """A request, given as what is observed of it, and the verdict that it must get."""

    name: Annotated[str, Spec(min_length=1, max_length=200, description="One line that says what is claimed.")]
    request: Annotated[
        str | dict[str, Any] | None,
        Spec(description="Instead of `signals`: a prompt or a chat body, read by the real detectors."),
    ] = None
    signals: Annotated[Observed, Spec(description="What is observed; the rest is unknown.")] = Observed()
    budget: Annotated[Budgets | None, Spec(description="The caller's own limits.")] = None
    tenant: Annotated[str | None, Spec(description="Who asks.")] = None
    modality: Annotated[Words | None, Spec(description="Parts that are not text: `image`, `audio`, `file`.")] = None
    messages: Annotated[
        Annotated[list[dict[Literal["user", "system", "assistant", "tool"], str]], Spec(min_length=1)] | None,
        Spec(description="The conversation, where a rule looks at it: `[{user: Hello}]`."),
    ] = None
    expect: Annotated[Expectation, Spec(description="The verdict; only what is written is compared.")]

    def __post_init__(self) -> None:
        given = {"signals", "tenant", "modality", "messages", "budget"}.intersection(dict(written(self)))
        if self.request is not None and given:
            raise ValueError(f"an example has a request or {', '.join(sorted(given))}, not both")
        if self.request is None and (self.expect.target or self.expect.model):
            raise ValueError("target and model need a request: signals alone do not choose among models")


class ExamplesText(Strict, frozen=True, kw_only=True):
    """A file of tests for a policy that stands elsewhere (`*_test.yaml`)."""

    policy: Annotated[
        str, Spec(min_length=1, max_length=400, description="A built-in policy's name, or a file beside this one.")
    ]
    examples: Annotated[list[Example], Spec(min_length=1), Spec(description="Requests and their verdicts.")]
