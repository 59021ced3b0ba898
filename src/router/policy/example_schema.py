"""What an example in a policy file, or in a file of tests, may say: what is observed of a request, and the verdict."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..types import FlagKind, Severity, Shape, Strength
from .words import Budgets, Language, Milliseconds, Open, Stakes, Strict, Task, Usd, Words, one_or_many

__all__ = ["Example", "ExamplesText", "Expectation", "FlagSeen", "Observed"]


class FlagSeen(Strict):
    """A safety flag, as an example writes it: `{kind: pii, score: 0.9, pii: iban}`."""

    kind: FlagKind = Field(description="What was flagged.")
    score: float = Field(default=1.0, ge=0, le=1, description="Calibrated probability, 0..1.")
    severity: Severity = Field(default="high", description="How bad it is.")
    text: str | None = Field(default=None, description="The flagged words; they must stand in `messages` or `split`.")
    pii: str = Field(default="", description="Kind of personal data: `email`, `iban`, `card` ...")


class Observed(Open):
    """Signals as values. What is left out, or `null`, is unknown."""

    task: Task | None = Field(default=None, description="What the request asks for.")
    task_probability: float = Field(default=0.99, ge=0, le=1, description="How sure the reading of the task is, 0..1.")
    language: Language | None = Field(default=None, description="ISO 639 code.")
    resource: Literal["high", "low"] | None = Field(
        default=None, description="Resource level of a translation's source."
    )
    annotated: int | None = Field(default=None, description="Annotated rows behind the matching local model.")
    few_shot: int | None = Field(default=None, description="Worked examples in the request.")
    ood: Literal["in", "out"] | None = Field(default=None, description="In or out of the local model's distribution.")
    intents: int | None = Field(default=None, description="How many separate tasks the request asks for.")
    stakes: Stakes | None = Field(default=None, description="Kind of harm that a wrong answer may do.")
    safety: list[FlagSeen] | None = Field(default=None, description="Raised flags; `[]` is clean, left out is unknown.")
    context: bool | None = Field(default=None, description="Passages or a document to read are in the request.")
    knowledge: bool | None = Field(default=None, description="That context holds what is asked.")
    symbols: bool | None = Field(default=None, description="Redefined symbols or operators.")
    inverse: bool | None = Field(default=None, description="A pattern that larger models do worse on.")
    adversarial: bool | None = Field(default=None, description="Adversarial inference data.")
    noise: bool | None = Field(default=None, description="Noisy or unstructured input.")
    reasoning: bool | None = Field(default=None, description="Several steps of reasoning are needed.")
    explanation: bool | None = Field(default=None, description="An explanation of the answer is wanted.")
    agent: bool | None = Field(default=None, description="Tools for actions are offered.")
    shortcut: bool | None = Field(default=None, description="The local model is suspected of shortcuts.")
    tokens: tuple[int, int, int] | None = Field(
        default=None, strict=False, description="Tokens as `[input, expected output, largest output]`."
    )
    labels: list[str] | None = Field(default=None, description="The allowed answers.")
    shape: Shape | None = Field(default=None, description="Shape of the answer that is asked for.")
    split: str | None = Field(default=None, description="The text to judge; it must stand in `messages`.")
    may_answer: bool | None = Field(default=None, description="Whether the matching local model may answer.")
    template: bool = Field(
        default=False, description="The matching local model learnt the hosted answers to this prompt template."
    )
    custom: dict[str, bool | int | float | str] = Field(default={}, description="Signals of your own, by name.")


Maybe = Annotated[list[str], *one_or_many]


class Expectation(Strict):
    """What the verdict must be; only what is written is compared, and `[]` is nothing."""

    target: Literal["local", "llm", "refuse"] | None = Field(
        default=None, description="Who answers in the end; for examples with a `request`."
    )
    model: str | None = Field(default=None, description="The model that answers; for examples with a `request`.")
    prefer: Literal["local", "llm", "tie"] | None = Field(default=None, description="The recommendation.")
    tier: Literal["small", "large", "none"] | None = Field(
        default=None, description="Tier of hosted models; `none` for none."
    )
    strength: Strength | None = Field(default=None, description="Strength of the rule that decided.")
    decided_by: str | None = Field(default=None, description="The rule or step that decided, or `otherwise`.")
    refuse: bool | None = Field(default=None, description="Whether it is refused.")
    refused_by: str | None = Field(default=None, description="The rule that refuses.")
    fired: Words | None = Field(default=None, description="Rules that fire, among others.")
    not_fired: Words | None = Field(default=None, description="Rules that do not fire.")
    require: Maybe | None = Field(default=None, description="All that is required.")
    forbid: Maybe | None = Field(default=None, description="All that is forbidden.")
    redact: Maybe | None = Field(default=None, description="All that is masked.")
    check: Maybe | None = Field(default=None, description="All that the answer is checked for.")
    rank: Maybe | None = Field(default=None, description="Tags that come first among equals, in this order.")
    fallback: Maybe | None = Field(default=None, description="Who may come after the target, as the rule names them.")
    mirror: Maybe | None = Field(default=None, description="The deployments that get copies of a share.")
    warns: bool | None = Field(default=None, description="Whether there are warnings.")
    max_usd: Usd | None = Field(default=None, description="The policy's money limit.")
    max_latency_ms: Milliseconds | None = Field(default=None, description="The policy's time limit.")

    @model_validator(mode="after")
    def _expects_something(self) -> Expectation:
        if not self.model_fields_set:
            raise ValueError("an example must expect something")
        return self


class Example(Strict):
    """A request, given as what is observed of it, and the verdict that it must get."""

    name: str = Field(min_length=1, max_length=200, description="One line that says what is claimed.")
    request: str | dict[str, Any] | None = Field(
        default=None, description="Instead of `signals`: a prompt or a chat body, read by the real detectors."
    )
    signals: Observed = Field(default=Observed(), description="What is observed; the rest is unknown.")
    budget: Budgets | None = Field(default=None, description="The caller's own limits.")
    tenant: str | None = Field(default=None, description="Who asks.")
    modality: Words | None = Field(default=None, description="Parts that are not text: `image`, `audio`, `file`.")
    messages: Annotated[list[dict[Literal["user", "system", "assistant", "tool"], str]], Field(min_length=1)] | None = (
        Field(default=None, description="The conversation, where a rule looks at it: `[{user: Hello}]`.")
    )
    expect: Expectation = Field(description="The verdict; only what is written is compared.")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Example:
        given = {"signals", "tenant", "modality", "messages", "budget"} & self.model_fields_set
        if self.request is not None and given:
            raise ValueError(f"an example has a request or {', '.join(sorted(given))}, not both")
        if self.request is None and (self.expect.target or self.expect.model):
            raise ValueError("target and model need a request: signals alone do not choose among models")
        return self


class ExamplesText(Strict):
    """A file of tests for a policy that stands elsewhere (`*_test.yaml`)."""

    policy: str = Field(
        min_length=1, max_length=400, description="A built-in policy's name, or a file beside this one."
    )
    examples: Annotated[list[Example], Field(min_length=1)] = Field(description="Requests and their verdicts.")
