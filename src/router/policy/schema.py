"""What a policy file may say. Each field tells itself: errors, editors and the reference in the docs read it here.

It checks one file by itself; ``read.py`` puts files together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ..deployments import DeploymentSettings
from ..spec import After, Before, Spec, UnknownWordError
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
    "one_condition",
]


class SafetyCondition(Strict, frozen=True, kw_only=True):
    """A raised flag: one of the kinds in `any` (all kinds when left out) that meets every other condition here."""

    any: Annotated[FlagKinds | None, Spec(description="Kinds of flags, any of them; all kinds when left out.")] = None
    score: Annotated[Share | None, Spec(description='Its calibrated probability: `">=80%"`.')] = None
    severity: Annotated[Severity | None, Spec(description="The least severity that counts.")] = None
    where: Annotated[
        Literal["own", "data"] | None,
        Spec(description="`own`: what the user says; `data`: what is passed on (a tool's result, the text to judge)."),
    ] = None
    pii: Annotated[Words | None, Spec(description="Kinds of personal data, any of them: `iban`, `email` ...")] = None


def _safety(value: Any) -> Any:
    return {"any": value} if isinstance(value, str | list) and value != "clean" else value


def _truth(what: str) -> Any:
    return Spec(description=f"{what}: `true` or `false`.")


class When(Strict, frozen=True, kw_only=True):
    """Conditions that must all hold; a list within one condition means any of its words."""

    all: Annotated[
        Annotated[list[When], Spec(min_length=1)] | None, Spec(description="Conditions that must all hold.")
    ] = None
    any: Annotated[
        Annotated[list[When], Spec(min_length=1)] | None, Spec(description="Conditions of which one must hold.")
    ] = None
    not_: Annotated[
        When | None, Spec(description="A condition that must be false; where it is unknown, so is this.")
    ] = msgspec.field(default=None, name="not")
    unknown: Annotated[Words | None, Spec(description="Signals of which one must have no value.")] = None
    task: Annotated[Tasks | None, Spec(description="What the request asks for: one of the tasks, or a list.")] = None
    task_probability: Annotated[Share | None, Spec(description='How sure the reading of the task is: `"<40%"`.')] = None
    language: Annotated[Languages | None, Spec(description="ISO 639 codes.")] = None
    resource: Annotated[
        Literal["high", "low"] | None, Spec(description="Resource level of a translation's source language.")
    ] = None
    annotated: Annotated[
        Count | None, Spec(description='Annotated rows behind the matching local model, 0 without one: `">=1000"`.')
    ] = None
    few_shot: Annotated[Count | None, Spec(description='Worked examples in the request: `">0"`.')] = None
    ood: Annotated[
        Literal["in", "out"] | None, Spec(description="The text against the matching local model's training data.")
    ] = None
    intents: Annotated[Count | None, Spec(description='How many separate tasks the request asks for: `">1"`.')] = None
    stakes: Annotated[
        Annotated[list[Stakes], Spec(min_length=1), *one_or_many] | None,
        Spec(description="Kind of harm that a wrong answer may do."),
    ] = None
    safety: Annotated[
        Annotated[SafetyCondition | FlagKinds | Literal["clean"], Before(_safety)] | None,
        Spec(description="`clean`, a kind of flag, a list of kinds, or a mapping of conditions on one flag."),
    ] = None
    context: Annotated[bool | None, _truth("Passages or a document to read are in the request")] = None
    knowledge: Annotated[bool | None, _truth("That context holds what is asked")] = None
    symbols: Annotated[bool | None, _truth("Redefined symbols or operators, ASCII-art digits")] = None
    inverse: Annotated[bool | None, _truth("A pattern that larger models do worse on")] = None
    adversarial: Annotated[bool | None, _truth("Adversarial or out-of-distribution inference data")] = None
    noise: Annotated[bool | None, _truth("Noisy or unstructured input")] = None
    reasoning: Annotated[bool | None, _truth("Several steps of reasoning are needed")] = None
    explanation: Annotated[bool | None, _truth("An explanation of the answer is wanted")] = None
    agent: Annotated[bool | None, _truth("Tools for actions are offered, or tool results are in the conversation")] = (
        None
    )
    shortcut: Annotated[bool | None, _truth("The local model is suspected of having learnt shortcuts")] = None
    tokens_input: Annotated[Count | None, Spec(description='Input tokens: `">8000"`.')] = msgspec.field(
        default=None, name="tokens.input"
    )
    tokens_output: Annotated[Count | None, Spec(description="Output tokens to be expected.")] = msgspec.field(
        default=None, name="tokens.output"
    )
    tokens_output_max: Annotated[Count | None, Spec(description="Output tokens that may be billed at most.")] = (
        msgspec.field(default=None, name="tokens.output_max")
    )
    contract_shape: Annotated[
        Annotated[list[Shape], Spec(min_length=1), *one_or_many] | None,
        Spec(description="Shape of the answer that is asked for."),
    ] = msgspec.field(default=None, name="contract.shape")
    contract_closed: Annotated[
        bool | None, Spec(description="Whether the answer is one of known labels and nothing else.")
    ] = msgspec.field(default=None, name="contract.closed")
    local_may_answer: Annotated[bool | None, Spec(description="Whether the matching local model may answer.")] = (
        msgspec.field(default=None, name="local.may_answer")
    )
    local_template: Annotated[
        bool | None,
        Spec(description="Whether the matching local model learnt the hosted answers to this very prompt template."),
    ] = msgspec.field(default=None, name="local.template")
    local_probability: Annotated[
        Share | None, Spec(description="Calibrated probability of the local model's answer.")
    ] = msgspec.field(default=None, name="local.probability")
    budget_max_usd: Annotated[
        Money | None, Spec(description='The caller\'s money limit; none counts as infinite: `"<=$0.001"`.')
    ] = msgspec.field(default=None, name="budget.max_usd")
    budget_max_latency_ms: Annotated[
        Time | None, Spec(description="The caller's time limit; none counts as infinite.")
    ] = msgspec.field(default=None, name="budget.max_latency_ms")
    tenant: Annotated[Words | None, Spec(description="Who asks.")] = None
    modality: Annotated[Words | None, Spec(description="Parts that are not text: `image`, `audio`, `file`.")] = None
    tools: Annotated[bool | None, _truth("The caller offers tools")] = None
    stream: Annotated[bool | None, _truth("The answer is to be streamed")] = None
    messages: Annotated[Count | None, Spec(description='Messages of the conversation: `">1"`.')] = None
    custom: Annotated[
        dict[Annotated[str, Spec(pattern=WORD)], bool | int | float | str | list[str]] | None,
        Spec(description='Signals of your own: `{mood: angry, urgency: ">0.8"}`.'),
    ] = None

    def __post_init__(self) -> None:
        own = set(self.custom or ())
        taken = sorted(own & {*SIGNALS, *FACTS})
        if taken:
            raise ValueError(f'"{taken[0]}" is no signal of your own; write it outside custom')
        for name in self.unknown or ():
            if name not in SIGNALS and not name.startswith("custom."):
                raise UnknownWordError("signal", name, list(SIGNALS))
        inner = [*(self.all or ()), *(self.any or ()), *([self.not_] if self.not_ is not None else [])]
        if any(condition == When() for condition in inner):
            raise ValueError("an empty condition holds for every request; leave it out")


def one_condition(key: str, value: Any) -> When:
    """The condition that has ``key``, as a file spells it, alone."""
    at = When.__struct_encode_fields__.index(key)
    return When(**{When.__struct_fields__[at]: value})


class Rule(Strict, frozen=True, kw_only=True):
    """One rule. With `obligation` it is a duty of the house that no single request fulfils; `fulfilled_by` says
    what does."""

    id: Annotated[
        str, Spec(pattern=RULE_ID, description="Its name, unique in the file; an inherited id replaces that rule.")
    ]
    when: Annotated[When, Spec(description="The condition; left out, the rule always fires.")] = When()
    then: Annotated[Then | None, Spec(description="What it asks for.")] = None
    strength: Annotated[Strength, Spec(description="How strongly it recommends.")] = "strong"
    over: Annotated[RuleIds, Spec(description='Rules that it overrules when both fire; `"NLU-*"` names many.')] = (
        msgspec.field(default_factory=list)
    )
    step: Annotated[
        str | None, Spec(pattern=RULE_ID, description="The flow's step that it belongs to, for the order among equals.")
    ] = None
    why: Annotated[Text, Spec(description="The reason, in one sentence.")]
    source: Annotated[str, Spec(max_length=400, description="Where it comes from.")] = ""
    note: Annotated[str, Spec(max_length=4000, description="What else to know.")] = ""
    obligation: Annotated[
        Text | None, Spec(description="Instead of `then`: a duty that no single request fulfils, as text.")
    ] = None
    fulfilled_by: Annotated[str, Spec(max_length=4000, description="What fulfils the obligation.")] = ""

    def __post_init__(self) -> None:
        if (self.then is None) == (self.obligation is None):
            raise ValueError("a rule has either then (what it asks for) or obligation (a duty, as text)")
        if self.obligation is not None and (self.when != When() or not self.fulfilled_by):
            raise ValueError("an obligation has no when; fulfilled_by says what fulfils it")


class RulePatch(Strict, frozen=True, kw_only=True):
    """A change to an inherited rule: fields given replace the parent's; `then` is changed key by key."""

    when: Annotated[When | None, Spec(description="Replaces the condition.")] = None
    then: Annotated[ThenPatch | None, Spec(description="Changes what it asks for, key by key.")] = None
    strength: Annotated[Strength | None, Spec(description="Replaces the strength.")] = None
    over: Annotated[RuleIds | None, Spec(description="Replaces the list of rules that it overrules.")] = None
    step: Annotated[str | None, Spec(pattern=RULE_ID, description="Replaces the step.")] = None
    why: Annotated[Text | None, Spec(description="Replaces the reason.")] = None
    source: Annotated[str | None, Spec(max_length=400, description="Replaces the source.")] = None
    note: Annotated[str | None, Spec(max_length=4000, description="Replaces the note.")] = None


class FlowStep(Strict, frozen=True, kw_only=True):
    """A question of the decision flow. `yes`, `no` and `unknown` (as `no` when left out) name a step or a
    target: `local`, `llm`, `llm/small`, `llm/large`, `tie`, `undecided`."""

    id: Annotated[str, Spec(pattern=RULE_ID, description="Its name, unique in the flow.")]
    ask: Annotated[str, Spec(min_length=1, max_length=200, description="The question, for people.")]
    when: Annotated[When, Spec(description="The question, as a condition.")]
    yes: Annotated[str, Spec(min_length=1, max_length=64, description="Where it goes when the condition holds.")]
    no: Annotated[str, Spec(min_length=1, max_length=64, description="Where it goes when it does not.")]
    unknown: Annotated[
        str | None,
        Spec(min_length=1, max_length=64, description="Where it goes when nobody knows; as `no` when left out."),
    ] = None


class Otherwise(Strict, frozen=True, kw_only=True):
    """Where a request goes that no rule and no step of the flow speaks of."""

    prefer: Annotated[Literal["local", "llm", "tie"], Spec(description="The kind of target.")]
    tier: Annotated[Tier | None, Spec(description="The tier of hosted models.")] = None


Weight = Annotated[int | float, Spec(ge=0, le=1e6)]


class ObjectiveWeights(Strict, frozen=True, kw_only=True):
    """The choice among equals maximises `quality - cost * USD - latency * seconds` (quality 0..1)."""

    quality: Annotated[Weight | None, Spec(description="Weight of the estimated quality, 0..1.")] = None
    cost: Annotated[Weight | None, Spec(description="Quality points that a dollar is worth.")] = None
    latency: Annotated[Weight | None, Spec(description="Quality points that a second is worth.")] = None
    explore: Annotated[
        Annotated[ShareNumber, Spec(le=0.5)] | None,
        Spec(description="Share of requests for which one of the equals is drawn at random, to learn from it: `2%`."),
    ] = None


class Promise(Strict, frozen=True, kw_only=True):
    """A local model may answer `task` only when its card promises at most `max_error`."""

    task: Annotated[Task, Spec(description="The task.")]
    max_error: Annotated[ShareNumber, Spec(description="The largest error that its card may promise: `2%`.")]


def _own_name(name: str) -> str:
    if name in (*SIGNALS, *FACTS, "scores", "quality", "pii"):
        raise ValueError(f'"{name}" is a signal of the router itself; give yours another name')
    return name


class PolicyText(Strict, frozen=True, kw_only=True):
    """One policy file, before `extends` is followed."""

    policy: Annotated[str, Spec(pattern=WORD, description="The policy's name.")]
    description: Annotated[str, Spec(max_length=2000, description="What it is for.")] = ""
    extends: Annotated[
        str | None,
        Spec(min_length=1, max_length=400, description="A built-in policy's name, or a file beside this one."),
    ] = None
    thresholds: Annotated[
        dict[Annotated[str, Spec(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], int | float | str],
        Spec(description="Named numbers that conditions may use: `unsure: 40%`."),
    ] = msgspec.field(default_factory=dict)
    objective: Annotated[ObjectiveWeights, Spec(description="Weights of the choice among equals.")] = ObjectiveWeights()
    fail_closed: Annotated[
        bool,
        Spec(
            description="Does not load unless requests that could not be checked for safety are protected too; "
            "inherited."
        ),
    ] = False
    budgets: Annotated[
        Budgets | None, Spec(description="Limits of each request; the caller's own limit binds too.")
    ] = None
    promises: Annotated[
        list[Promise], Spec(description="What a local model's card must promise before it may answer.")
    ] = msgspec.field(default_factory=list)
    flow: Annotated[
        Annotated[list[FlowStep], Spec(min_length=1)] | None,
        Spec(description="The decision flow; a child's flow replaces the parent's whole."),
    ] = None
    models: Annotated[
        list[DeploymentSettings],
        Spec(
            description="Hosted models, as in the config's `deployments`, which replace one of the same name; "
            "inherited."
        ),
    ] = msgspec.field(default_factory=list)
    signals: Annotated[
        dict[Annotated[str, Spec(pattern=WORD), After(_own_name)], OwnSignalText],
        Spec(description="Signals of your own, by name: what rules ask for under `custom`; inherited."),
    ] = msgspec.field(default_factory=dict)
    rules: Annotated[list[Rule], Spec(description="The rules.")] = msgspec.field(default_factory=list)
    override: Annotated[dict[str, RulePatch], Spec(description="Changes to inherited rules, by id.")] = msgspec.field(
        default_factory=dict
    )
    disable: Annotated[RuleIds, Spec(description='Inherited rules that no longer hold; `"NLU-*"` names many.')] = (
        msgspec.field(default_factory=list)
    )
    otherwise: Annotated[
        Otherwise | None, Spec(description="Where a request goes that nothing else speaks of; needed, or inherited.")
    ] = None
    examples: Annotated[list[Example], Spec(description="Observed signals and the verdict they must get.")] = (
        msgspec.field(default_factory=list)
    )
