"""What a policy file may say, checked strictly: every wrong word is a ConfigError with its place and a suggestion.

The only room of policies that uses pydantic. It checks one file by itself; ``read.py`` puts files together.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from ..errors import ConfigError
from ..types import FlagKind, Severity, Shape, Strength, Tier
from ..yamlfile import Document, Path, place_error
from .conditions import FACTS, FLAG_KINDS, SIGNALS, TASKS, Unit, parse_comparison, parse_number

__all__ = [
    "Budgets",
    "Example",
    "ExamplesText",
    "Expectation",
    "FlagSeen",
    "FlowStep",
    "ObjectiveWeights",
    "Observed",
    "Otherwise",
    "PolicyText",
    "Promise",
    "Rule",
    "RulePatch",
    "SafetyCondition",
    "Then",
    "When",
    "check_examples_text",
    "check_policy_text",
]

RULE_ID = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
RULE_PATTERN = r"^[A-Za-z*][A-Za-z0-9_.*-]{0,63}$"
WORD = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"


_Text = TypeVar("_Text", bound=BaseModel)


class _Open(BaseModel):
    """Strict keys and types; a key without a value means something (unknown, or: take it away)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Strict(_Open):
    """As above, and a key without a value is a slip: a condition that was forgotten must not hold for everything."""

    @model_validator(mode="before")
    @classmethod
    def _has_values(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key, value in data.items():
                if value is None:
                    raise PydanticCustomError("no_value", "the key {quoted} has no value", {"quoted": f'"{key}"'})
        return data


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _one_of(what: str, options: Iterable[str]) -> Callable[[str], str]:
    allowed = list(options)

    def check(word: str) -> str:
        if word not in allowed:
            raise PydanticCustomError("unknown_word", f"unknown {what} {{quoted}}", _context(word, allowed))
        return word

    return check


def _context(word: str, options: list[str]) -> dict[str, Any]:
    return {"quoted": f'"{word}"', "word": word, "options": options}


def _comparison(unit: Unit) -> Callable[[Any], int | float | str]:
    def check(value: Any) -> int | float | str:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError('write a comparison: ">=1000", "<40%", ">0, <100"')
        parse_comparison(value, unit)
        return value

    return check


def _number(unit: Unit) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{value!r} is not a number with its unit")
        number = parse_number(value, unit)
        if not number >= 0 or number == float("inf"):
            raise ValueError(f"{value!r} must be finite and not negative")
        return number

    return check


Words = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]], BeforeValidator(_listed), Field(min_length=1)
]
Tags = Annotated[list[Annotated[str, Field(pattern=WORD)]], BeforeValidator(_listed), Field(min_length=1)]
Task = Annotated[str, AfterValidator(_one_of("task", TASKS))]
Tasks = Annotated[list[Task], BeforeValidator(_listed), Field(min_length=1)]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
FlagKinds = Annotated[
    list[Annotated[str, AfterValidator(_one_of("flag", FLAG_KINDS))]], BeforeValidator(_listed), Field(min_length=1)
]
RuleIds = Annotated[list[Annotated[str, Field(pattern=RULE_PATTERN)]], BeforeValidator(_listed)]
Stakes = Literal["none", "medical", "legal", "financial"]
Count = Annotated[int | float | str, BeforeValidator(_comparison("number"))]
Share = Annotated[int | float | str, BeforeValidator(_comparison("share"))]
Money = Annotated[int | float | str, BeforeValidator(_comparison("usd"))]
Time = Annotated[int | float | str, BeforeValidator(_comparison("ms"))]
Usd = Annotated[float, BeforeValidator(_number("usd"))]
Milliseconds = Annotated[float, BeforeValidator(_number("ms"))]
Text = Annotated[str, Field(min_length=1, max_length=4000)]


class SafetyCondition(_Strict):
    """A raised flag: one of the kinds in ``any`` (all kinds when left out) that meets every other condition here."""

    any: FlagKinds | None = None
    score: Share | None = None
    severity: Severity | None = None
    where: Literal["own", "data"] | None = None
    pii: Words | None = None


def _safety(value: Any) -> Any:
    return {"any": value} if isinstance(value, str | list) and value != "clean" else value


class When(_Strict):
    """Conditions that must all hold; a list within one condition means any of its words."""

    all: Annotated[list[When], Field(min_length=1)] | None = None
    any: Annotated[list[When], Field(min_length=1)] | None = None
    not_: When | None = Field(default=None, alias="not")
    unknown: Words | None = None
    task: Tasks | None = None
    task_probability: Share | None = None
    language: Annotated[list[Language], BeforeValidator(_listed), Field(min_length=1)] | None = None
    resource: Literal["high", "low"] | None = None
    annotated: Count | None = None
    few_shot: Count | None = None
    ood: Literal["in", "out"] | None = None
    intents: Count | None = None
    stakes: Annotated[list[Stakes], BeforeValidator(_listed), Field(min_length=1)] | None = None
    safety: Annotated[SafetyCondition | Literal["clean"], BeforeValidator(_safety)] | None = None
    context: bool | None = None
    knowledge: bool | None = None
    symbols: bool | None = None
    inverse: bool | None = None
    adversarial: bool | None = None
    noise: bool | None = None
    reasoning: bool | None = None
    explanation: bool | None = None
    agent: bool | None = None
    shortcut: bool | None = None
    tokens_input: Count | None = Field(default=None, alias="tokens.input")
    tokens_output: Count | None = Field(default=None, alias="tokens.output")
    tokens_output_max: Count | None = Field(default=None, alias="tokens.output_max")
    contract_shape: Annotated[list[Shape], BeforeValidator(_listed), Field(min_length=1)] | None = Field(
        default=None, alias="contract.shape"
    )
    contract_closed: bool | None = Field(default=None, alias="contract.closed")
    local_may_answer: bool | None = Field(default=None, alias="local.may_answer")
    local_probability: Share | None = Field(default=None, alias="local.probability")
    budget_max_usd: Money | None = Field(default=None, alias="budget.max_usd")
    budget_max_latency_ms: Time | None = Field(default=None, alias="budget.max_latency_ms")
    tenant: Words | None = None
    modality: Words | None = None
    tools: bool | None = None
    stream: bool | None = None
    messages: Count | None = None
    custom: dict[Annotated[str, Field(pattern=WORD)], bool | int | float | str | list[str]] | None = None

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
                raise PydanticCustomError("unknown_word", "unknown signal {quoted}", _context(name, list(SIGNALS)))
        inner = [*(self.all or ()), *(self.any or ()), *([self.not_] if self.not_ is not None else [])]
        if any(not condition.model_fields_set for condition in inner):
            raise ValueError("an empty condition holds for every request; leave it out")
        return self


class Budgets(_Strict):
    """Limits of one request, added to the caller's own: the tighter one binds."""

    max_usd: Usd | None = None
    max_latency_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Budgets:
        if "max_usd" not in self.model_fields_set and "max_latency_ms" not in self.model_fields_set:
            raise ValueError("write max_usd or max_latency_ms, or leave budgets out")
        return self


class Then(_Strict):
    """What a rule asks for. ``prefer``, ``tier`` and ``rank`` recommend; everything else binds."""

    prefer: Literal["local", "llm", "tie"] | None = None
    tier: Tier | None = None
    rank: Tags | None = None
    require: Tags | None = None
    forbid: Tags | None = None
    refuse: Text | None = None
    redact: Tags | None = None
    check: FlagKinds | None = None
    warn: Text | None = None
    budget: Budgets | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Then:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a rule must ask for something (prefer, tier, require, forbid, refuse, check ...)")
        if self.tier is not None and self.prefer == "local":
            raise ValueError("tier is a tier of hosted models; it does not go with prefer: local")
        return self


class Rule(_Strict):
    """One rule. With ``obligation`` it is a duty of the house that no single request fulfils; ``fulfilled_by`` says
    what does."""

    id: str = Field(pattern=RULE_ID)
    when: When = When()
    then: Then | None = None
    strength: Strength = "strong"
    over: RuleIds = []
    step: str | None = Field(default=None, pattern=RULE_ID)
    why: Text
    source: str = Field(default="", max_length=400)
    note: str = Field(default="", max_length=4000)
    obligation: Text | None = None
    fulfilled_by: str = Field(default="", max_length=4000)

    @model_validator(mode="after")
    def _acts_or_obliges(self) -> Rule:
        if (self.then is None) == (self.obligation is None):
            raise ValueError("a rule has either then (what it asks for) or obligation (a duty, as text)")
        if self.obligation is not None and (self.when != When() or not self.fulfilled_by):
            raise ValueError("an obligation has no when; fulfilled_by says what fulfils it")
        return self


class ThenPatch(_Open):
    """As ``then``; a key given replaces the parent's, ``null`` takes it away, the rest stays."""

    prefer: Literal["local", "llm", "tie"] | None = None
    tier: Tier | None = None
    rank: Tags | None = None
    require: Tags | None = None
    forbid: Tags | None = None
    refuse: Text | None = None
    redact: Tags | None = None
    check: FlagKinds | None = None
    warn: Text | None = None
    budget: Budgets | None = None


class RulePatch(_Strict):
    """A change to an inherited rule: fields given replace the parent's; ``then`` is changed key by key."""

    when: When | None = None
    then: ThenPatch | None = None
    strength: Strength | None = None
    over: RuleIds | None = None
    step: str | None = Field(default=None, pattern=RULE_ID)
    why: Text | None = None
    source: str | None = Field(default=None, max_length=400)
    note: str | None = Field(default=None, max_length=4000)


class FlowStep(_Strict):
    """A question of the decision flow. ``yes``, ``no`` and ``unknown`` (as ``no`` when left out) name a step or a
    target: ``local``, ``llm``, ``llm/small``, ``llm/large``, ``tie``, ``undecided``."""

    id: str = Field(pattern=RULE_ID)
    ask: str = Field(min_length=1, max_length=200)
    when: When
    yes: str = Field(min_length=1, max_length=64)
    no: str = Field(min_length=1, max_length=64)
    unknown: str | None = Field(default=None, min_length=1, max_length=64)


class Otherwise(_Strict):
    """Where a request goes that no rule and no step of the flow speaks of."""

    prefer: Literal["local", "llm", "tie"]
    tier: Tier | None = None


class ObjectiveWeights(_Strict):
    """The selector maximises ``quality - cost * USD - latency * seconds`` (quality 0..1)."""

    quality: Annotated[int | float, Field(ge=0, le=1e6)] | None = None
    cost: Annotated[int | float, Field(ge=0, le=1e6)] | None = None
    latency: Annotated[int | float, Field(ge=0, le=1e6)] | None = None


class Promise(_Strict):
    """A local model may answer ``task`` only when its card promises at most ``max_error``."""

    task: Task
    max_error: Annotated[float, BeforeValidator(_number("share"))]


class FlagSeen(_Strict):
    """A flag, as an example writes it."""

    kind: FlagKind
    score: float = Field(default=1.0, ge=0, le=1)
    severity: Severity = "high"
    text: str | None = None
    pii: str = ""


class Observed(_Open):
    """Signals as values. What is left out, or ``null``, is unknown."""

    task: Task | None = None
    task_probability: float = Field(default=0.99, ge=0, le=1)
    language: Language | None = None
    resource: Literal["high", "low"] | None = None
    annotated: int | None = None
    few_shot: int | None = None
    ood: Literal["in", "out"] | None = None
    intents: int | None = None
    stakes: Stakes | None = None
    safety: list[FlagSeen] | None = None
    context: bool | None = None
    knowledge: bool | None = None
    symbols: bool | None = None
    inverse: bool | None = None
    adversarial: bool | None = None
    noise: bool | None = None
    reasoning: bool | None = None
    explanation: bool | None = None
    agent: bool | None = None
    shortcut: bool | None = None
    tokens: tuple[int, int, int] | None = Field(default=None, strict=False)
    labels: list[str] | None = None
    shape: Shape | None = None
    split: str | None = None
    may_answer: bool | None = None
    custom: dict[str, bool | int | float | str] = {}


Maybe = Annotated[list[str], BeforeValidator(_listed)]


class Expectation(_Strict):
    """What the verdict must be; only what is written is compared, and ``[]`` is nothing."""

    prefer: Literal["local", "llm", "tie"] | None = None
    tier: Literal["small", "large", "none"] | None = None
    strength: Strength | None = None
    decided_by: str | None = None
    refuse: bool | None = None
    refused_by: str | None = None
    fired: Words | None = None
    not_fired: Words | None = None
    require: Maybe | None = None
    forbid: Maybe | None = None
    redact: Maybe | None = None
    check: Maybe | None = None
    rank: Maybe | None = None
    warns: bool | None = None
    max_usd: Usd | None = None
    max_latency_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Expectation:
        if not self.model_fields_set:
            raise ValueError("an example must expect something")
        return self


class Example(_Strict):
    """A request, given as what is observed of it, and the verdict that it must get."""

    name: str = Field(min_length=1, max_length=200)
    signals: Observed = Observed()
    budget: Budgets | None = None
    tenant: str | None = None
    modality: Words | None = None
    messages: Annotated[list[dict[Literal["user", "system", "assistant", "tool"], str]], Field(min_length=1)] | None = (
        None
    )
    expect: Expectation


class PolicyText(_Strict):
    """One policy file, before ``extends`` is followed."""

    policy: str = Field(pattern=WORD)
    description: str = Field(default="", max_length=2000)
    extends: str | None = Field(default=None, min_length=1, max_length=400)
    thresholds: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], int | float | str] = {}
    objective: ObjectiveWeights = ObjectiveWeights()
    budgets: Budgets | None = None
    promises: list[Promise] = []
    flow: Annotated[list[FlowStep], Field(min_length=1)] | None = None
    rules: list[Rule] = []
    override: dict[str, RulePatch] = {}
    disable: RuleIds = []
    otherwise: Otherwise | None = None
    examples: list[Example] = []


class ExamplesText(_Strict):
    """A file of examples for a policy that stands elsewhere."""

    policy: str = Field(min_length=1, max_length=400)
    examples: Annotated[list[Example], Field(min_length=1)]


def check_policy_text(document: Document) -> PolicyText:
    """The file's content, typed.

    Raises:
        ConfigError: at the place of the first thing that is wrong, with a suggestion where one is close.
    """
    text = _checked(document, PolicyText, "a policy is a mapping of keys (policy, description, rules ...)")
    for part, ids in (("rules", [rule.id for rule in text.rules]), ("flow", [step.id for step in text.flow or ()])):
        for index, name in enumerate(ids):
            if name in ids[:index]:
                raise place_error(document, (part, index, "id"), f'the id "{name}" stands twice in {part}')
    return text


def check_examples_text(document: Document) -> ExamplesText:
    """A file of examples, typed.

    Raises:
        ConfigError: as :func:`check_policy_text`.
    """
    return _checked(document, ExamplesText, "a file of examples is a mapping with the keys policy and examples")


def _checked(document: Document, model: type[_Text], otherwise: str) -> _Text:
    if not isinstance(document.data, dict):
        raise place_error(document, (), otherwise)
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise _config_error(document, model, found[0], len(found) - 1) from error


def _config_error(document: Document, model: type[BaseModel], error: ErrorDetails, more: int) -> ConfigError:
    context: Mapping[str, Any] = error.get("ctx") or {}
    kind, where = error["type"], error["loc"]
    path = _written_path(document, where)
    hint = f"({more} more of this file to look at after it.)" if more else ""
    if kind == "extra_forbidden":
        message = f'unknown key "{path[-1]}"'
        return place_error(document, path, message, options=_keys_at(model, path[:-1]), hint=hint)
    if kind == "missing":
        inside = f" of {'.'.join(map(str, path))}" if path else ""
        return place_error(document, path, f'the key "{where[-1]}"{inside} is missing', hint=hint)
    if kind == "unknown_word":
        word, options = context["word"], context["options"]
        return place_error(document, _word_path(document, path, word), error["msg"], options=options, word=word)
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        word = error["input"]
        return place_error(document, path, f'unknown value "{word}"', options=options, word=word, hint=hint)
    message = error["msg"].removeprefix("Value error, ")
    name = f"{path[-1]}: " if path and isinstance(path[-1], str) else ""
    return place_error(document, path, name + message, hint=hint)


def _written_path(document: Document, where: tuple[int | str, ...]) -> Path:
    """Pydantic's location without the names of union branches, which nobody wrote."""
    path: Path = ()
    data = document.data
    for part in where:
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        elif part == "not_" and isinstance(data, dict) and "not" in data:
            part, data = "not", data["not"]
        else:
            continue
        path = (*path, part)
    return path


def _word_path(document: Document, path: Path, word: str) -> Path:
    """The path of ``word`` in the list or mapping at ``path``, where a check of the whole found it wrong."""
    for candidate in document.places:
        if candidate[: len(path)] == path and candidate != path and _at(document.data, candidate) == word:
            return candidate
    return path


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _keys_at(root: type[BaseModel], path: Path) -> list[str]:
    """The keys that the mapping at ``path`` may have, read off the models."""
    found: list[type[BaseModel]] = [root]
    for part in path:
        if isinstance(part, int):
            continue
        inner: list[type[BaseModel]] = []
        named = False
        for outer in found:
            for name, info in outer.model_fields.items():
                if part in (name, info.alias):
                    named = True
                    inner += _models_in(info.annotation)
        found = inner if named else found
    return [info.alias or name for model in found for name, info in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models_in(inner)]
