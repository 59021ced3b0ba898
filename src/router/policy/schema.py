"""What a policy file may say. Each field tells itself: errors, editors and the reference in the docs read it here.

It checks one file by itself; ``read.py`` puts files together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ..deployments import DeploymentSettings
from ..types import Severity, Shape, Strength, Tier
from .conditions import FACTS, SIGNALS
from .example_schema import Example
from .signal_schema import OwnSignalText
from .then_schema import Then, ThenPatch
from .words import (
    RULE_ID,
    WORD,
    Budgets,
    Count,
    FlagKinds,
    Languages,
    Money,
    RuleIds,
    Share,
    ShareNumber,
    Stakes,
    Strict,
    Task,
    Tasks,
    Text,
    Time,
    Words,
    one_or_many,
    word_context,
)

__all__ = [
    "FlowStep",
    "ObjectiveWeights",
    "Otherwise",
    "PolicyText",
    "Promise",
    "Rule",
    "RulePatch",
    "SafetyCondition",
    "Then",
    "When",
]


class SafetyCondition(Strict):
    """A raised flag: one of the kinds in `any` (all kinds when left out) that meets every other condition here."""

    any: FlagKinds | None = Field(default=None, description="Kinds of flags, any of them; all kinds when left out.")
    score: Share | None = Field(default=None, description='Its calibrated probability: `">=80%"`.')
    severity: Severity | None = Field(default=None, description="The least severity that counts.")
    where: Literal["own", "data"] | None = Field(
        default=None,
        description="`own`: what the user says; `data`: what is passed on (a tool's result, the text to judge).",
    )
    pii: Words | None = Field(default=None, description="Kinds of personal data, any of them: `iban`, `email` ...")


def _safety(value: Any) -> Any:
    return {"any": value} if isinstance(value, str | list) and value != "clean" else value


def _truth(what: str) -> Any:
    return Field(default=None, description=f"{what}: `true` or `false`.")


class When(Strict):
    """Conditions that must all hold; a list within one condition means any of its words."""

    all: Annotated[list[When], Field(min_length=1)] | None = Field(
        default=None, description="Conditions that must all hold."
    )
    any: Annotated[list[When], Field(min_length=1)] | None = Field(
        default=None, description="Conditions of which one must hold."
    )
    not_: When | None = Field(
        default=None, alias="not", description="A condition that must be false; where it is unknown, so is this."
    )
    unknown: Words | None = Field(default=None, description="Signals of which one must have no value.")
    task: Tasks | None = Field(default=None, description="What the request asks for: one of the tasks, or a list.")
    task_probability: Share | None = Field(default=None, description='How sure the reading of the task is: `"<40%"`.')
    language: Languages | None = Field(default=None, description="ISO 639 codes.")
    resource: Literal["high", "low"] | None = Field(
        default=None, description="Resource level of a translation's source language."
    )
    annotated: Count | None = Field(
        default=None, description='Annotated rows behind the matching local model, 0 without one: `">=1000"`.'
    )
    few_shot: Count | None = Field(default=None, description='Worked examples in the request: `">0"`.')
    ood: Literal["in", "out"] | None = Field(
        default=None, description="The text against the matching local model's training data."
    )
    intents: Count | None = Field(default=None, description='How many separate tasks the request asks for: `">1"`.')
    stakes: Annotated[list[Stakes], Field(min_length=1), *one_or_many] | None = Field(
        default=None, description="Kind of harm that a wrong answer may do."
    )
    safety: Annotated[SafetyCondition | FlagKinds | Literal["clean"], BeforeValidator(_safety)] | None = Field(
        default=None, description="`clean`, a kind of flag, a list of kinds, or a mapping of conditions on one flag."
    )
    context: bool | None = _truth("Passages or a document to read are in the request")
    knowledge: bool | None = _truth("That context holds what is asked")
    symbols: bool | None = _truth("Redefined symbols or operators, ASCII-art digits")
    inverse: bool | None = _truth("A pattern that larger models do worse on")
    adversarial: bool | None = _truth("Adversarial or out-of-distribution inference data")
    noise: bool | None = _truth("Noisy or unstructured input")
    reasoning: bool | None = _truth("Several steps of reasoning are needed")
    explanation: bool | None = _truth("An explanation of the answer is wanted")
    agent: bool | None = _truth("Tools for actions are offered, or tool results are in the conversation")
    shortcut: bool | None = _truth("The local model is suspected of having learnt shortcuts")
    tokens_input: Count | None = Field(default=None, alias="tokens.input", description='Input tokens: `">8000"`.')
    tokens_output: Count | None = Field(
        default=None, alias="tokens.output", description="Output tokens to be expected."
    )
    tokens_output_max: Count | None = Field(
        default=None, alias="tokens.output_max", description="Output tokens that may be billed at most."
    )
    contract_shape: Annotated[list[Shape], Field(min_length=1), *one_or_many] | None = Field(
        default=None, alias="contract.shape", description="Shape of the answer that is asked for."
    )
    contract_closed: bool | None = Field(
        default=None, alias="contract.closed", description="Whether the answer is one of known labels and nothing else."
    )
    local_may_answer: bool | None = Field(
        default=None, alias="local.may_answer", description="Whether the matching local model may answer."
    )
    local_template: bool | None = Field(
        default=None,
        alias="local.template",
        description="Whether the matching local model learnt the hosted answers to this very prompt template.",
    )
    local_probability: Share | None = Field(
        default=None, alias="local.probability", description="Calibrated probability of the local model's answer."
    )
    budget_max_usd: Money | None = Field(
        default=None,
        alias="budget.max_usd",
        description='The caller\'s money limit; none counts as infinite: `"<=$0.001"`.',
    )
    budget_max_latency_ms: Time | None = Field(
        default=None, alias="budget.max_latency_ms", description="The caller's time limit; none counts as infinite."
    )
    tenant: Words | None = Field(default=None, description="Who asks.")
    modality: Words | None = Field(default=None, description="Parts that are not text: `image`, `audio`, `file`.")
    tools: bool | None = _truth("The caller offers tools")
    stream: bool | None = _truth("The answer is to be streamed")
    messages: Count | None = Field(default=None, description='Messages of the conversation: `">1"`.')
    custom: dict[Annotated[str, Field(pattern=WORD)], bool | int | float | str | list[str]] | None = Field(
        default=None, description='Signals of your own: `{mood: angry, urgency: ">0.8"}`.'
    )

    @model_validator(mode="after")
    def _is_meant(self) -> When:
        own = set(self.custom or ())
        taken = sorted(own & {*SIGNALS, *FACTS})
        if taken:
            raise PydanticCustomError(
                "taken", "{quoted} is no signal of your own; write it outside custom", {"quoted": f'"{taken[0]}"'}
            )
        for name in self.unknown or ():
            if name not in SIGNALS and not name.startswith("custom."):
                raise PydanticCustomError("unknown_word", "unknown signal {quoted}", word_context(name, list(SIGNALS)))
        inner = [*(self.all or ()), *(self.any or ()), *([self.not_] if self.not_ is not None else [])]
        if any(not condition.model_fields_set for condition in inner):
            raise ValueError("an empty condition holds for every request; leave it out")
        return self


class Rule(Strict):
    """One rule. With `obligation` it is a duty of the house that no single request fulfils; `fulfilled_by` says
    what does."""

    id: str = Field(pattern=RULE_ID, description="Its name, unique in the file; an inherited id replaces that rule.")
    when: When = Field(default=When(), description="The condition; left out, the rule always fires.")
    then: Then | None = Field(default=None, description="What it asks for.")
    strength: Strength = Field(default="strong", description="How strongly it recommends.")
    over: RuleIds = Field(default=[], description='Rules that it overrules when both fire; `"NLU-*"` names many.')
    step: str | None = Field(
        default=None, pattern=RULE_ID, description="The flow's step that it belongs to, for the order among equals."
    )
    why: Text = Field(description="The reason, in one sentence.")
    source: str = Field(default="", max_length=400, description="Where it comes from.")
    note: str = Field(default="", max_length=4000, description="What else to know.")
    obligation: Text | None = Field(
        default=None, description="Instead of `then`: a duty that no single request fulfils, as text."
    )
    fulfilled_by: str = Field(default="", max_length=4000, description="What fulfils the obligation.")

    @model_validator(mode="after")
    def _acts_or_obliges(self) -> Rule:
        if (self.then is None) == (self.obligation is None):
            raise ValueError("a rule has either then (what it asks for) or obligation (a duty, as text)")
        if self.obligation is not None and (self.when != When() or not self.fulfilled_by):
            raise ValueError("an obligation has no when; fulfilled_by says what fulfils it")
        return self


class RulePatch(Strict):
    """A change to an inherited rule: fields given replace the parent's; `then` is changed key by key."""

    when: When | None = Field(default=None, description="Replaces the condition.")
    then: ThenPatch | None = Field(default=None, description="Changes what it asks for, key by key.")
    strength: Strength | None = Field(default=None, description="Replaces the strength.")
    over: RuleIds | None = Field(default=None, description="Replaces the list of rules that it overrules.")
    step: str | None = Field(default=None, pattern=RULE_ID, description="Replaces the step.")
    why: Text | None = Field(default=None, description="Replaces the reason.")
    source: str | None = Field(default=None, max_length=400, description="Replaces the source.")
    note: str | None = Field(default=None, max_length=4000, description="Replaces the note.")


class FlowStep(Strict):
    """A question of the decision flow. `yes`, `no` and `unknown` (as `no` when left out) name a step or a
    target: `local`, `llm`, `llm/small`, `llm/large`, `tie`, `undecided`."""

    id: str = Field(pattern=RULE_ID, description="Its name, unique in the flow.")
    ask: str = Field(min_length=1, max_length=200, description="The question, for people.")
    when: When = Field(description="The question, as a condition.")
    yes: str = Field(min_length=1, max_length=64, description="Where it goes when the condition holds.")
    no: str = Field(min_length=1, max_length=64, description="Where it goes when it does not.")
    unknown: str | None = Field(
        default=None, min_length=1, max_length=64, description="Where it goes when nobody knows; as `no` when left out."
    )


class Otherwise(Strict):
    """Where a request goes that no rule and no step of the flow speaks of."""

    prefer: Literal["local", "llm", "tie"] = Field(description="The kind of target.")
    tier: Tier | None = Field(default=None, description="The tier of hosted models.")


Weight = Annotated[int | float, Field(ge=0, le=1e6)]


class ObjectiveWeights(Strict):
    """The choice among equals maximises `quality - cost * USD - latency * seconds` (quality 0..1)."""

    quality: Weight | None = Field(default=None, description="Weight of the estimated quality, 0..1.")
    cost: Weight | None = Field(default=None, description="Quality points that a dollar is worth.")
    latency: Weight | None = Field(default=None, description="Quality points that a second is worth.")
    explore: Annotated[ShareNumber, Field(le=0.5)] | None = Field(
        default=None,
        description="Share of requests for which one of the equals is drawn at random, to learn from it: `2%`.",
    )


class Promise(Strict):
    """A local model may answer `task` only when its card promises at most `max_error`."""

    task: Task = Field(description="The task.")
    max_error: ShareNumber = Field(description="The largest error that its card may promise: `2%`.")


def _own_name(name: str) -> str:
    if name in (*SIGNALS, *FACTS, "scores", "quality", "pii"):
        raise ValueError(f'"{name}" is a signal of the router itself; give yours another name')
    return name


class PolicyText(Strict):
    """One policy file, before `extends` is followed."""

    policy: str = Field(pattern=WORD, description="The policy's name.")
    description: str = Field(default="", max_length=2000, description="What it is for.")
    extends: str | None = Field(
        None,
        min_length=1,
        max_length=400,
        description="A built-in policy's name, or a file beside this one.",
    )
    thresholds: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], int | float | str] = Field(
        default={}, description="Named numbers that conditions may use: `unsure: 40%`."
    )
    objective: ObjectiveWeights = Field(default=ObjectiveWeights(), description="Weights of the choice among equals.")
    fail_closed: bool = Field(
        default=False,
        description="Does not load unless requests that could not be checked for safety are protected too; inherited.",
    )
    budgets: Budgets | None = Field(
        default=None, description="Limits of each request; the caller's own limit binds too."
    )
    promises: list[Promise] = Field(
        default=[], description="What a local model's card must promise before it may answer."
    )
    flow: Annotated[list[FlowStep], Field(min_length=1)] | None = Field(
        default=None, description="The decision flow; a child's flow replaces the parent's whole."
    )
    models: list[DeploymentSettings] = Field(
        default=[],
        description="Hosted models, as in the config's `deployments`, which replace one of the same name; inherited.",
    )
    signals: dict[Annotated[str, Field(pattern=WORD), AfterValidator(_own_name)], OwnSignalText] = Field(
        default={}, description="Signals of your own, by name: what rules ask for under `custom`; inherited."
    )
    rules: list[Rule] = Field(default=[], description="The rules.")
    override: dict[str, RulePatch] = Field(default={}, description="Changes to inherited rules, by id.")
    disable: RuleIds = Field(default=[], description='Inherited rules that no longer hold; `"NLU-*"` names many.')
    otherwise: Otherwise | None = Field(
        default=None, description="Where a request goes that nothing else speaks of; needed, or inherited."
    )
    examples: list[Example] = Field(default=[], description="Observed signals and the verdict they must get.")
