"""Policy files -> one resolved policy: ``extends`` is followed, rules are replaced, changed or taken away.

No file is opened here: the caller passes ``load``, which turns a policy's name into its file name and text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ..deployments import DeploymentSettings
from ..document import Document, Path, Place, did_you_mean, place_error
from ..errors import ConfigError
from ..signals.own import OwnSignal
from ..spec import plain, validated, written
from ..types import Budget, Objective
from .checked import check_policy_text
from .example_schema import Example
from .schema import FlowStep, Otherwise, PolicyText, Promise, Rule
from .signal_schema import own_signals

__all__ = ["Load", "PolicyFile", "matching_ids", "resolve"]

Load = Callable[[str], tuple[str, str]]

MAX_PARENTS = 8


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with all that it inherits. ``parents`` are the names it extends, nearest first.

    ``generation`` says of each rule's id how far up it comes from (0: the file itself). ``places`` tells where things
    stand, by paths such as ``("rules", "NLU-03", "then", "prefer")``, ``("flow", "F6", "no")``.
    ``hash``: the first 16 hexadecimal digits of the SHA-256 over everything that can change a verdict.
    """

    name: str
    file: str
    description: str
    parents: tuple[str, ...]
    rules: tuple[Rule, ...]
    generation: Mapping[str, int]
    flow: tuple[FlowStep, ...]
    otherwise: Otherwise
    objective: Objective
    budget: Budget
    thresholds: Mapping[str, str | int | float]
    promises: tuple[Promise, ...]
    examples: tuple[Example, ...]
    removed: frozenset[str]
    fail_closed: bool
    models: tuple[DeploymentSettings, ...]
    signals: Mapping[str, OwnSignal]
    places: Mapping[Path, Place]
    hash: str

    def place(self, *path: str | int) -> Place:
        """Where ``path`` stands, or the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1, 1))

    def error(self, message: str, *path: str | int, hint: str = "") -> ConfigError:
        """A ConfigError at the place of ``path``."""
        place = self.place(*path)
        return ConfigError(message, file=place.file, line=place.line, column=place.column, hint=hint)


def resolve(name_or_text: str, load: Load, *, file: str = "policy") -> PolicyFile:
    """The policy called ``name_or_text`` (or written in it, when it has more than one line), parents included.

    ``load(name)`` gives ``(file name, text)``; ``file`` names a text that was passed directly.

    Raises:
        ConfigError: a file is wrong, extends itself, or changes a rule that its parents do not have.
    """
    from ..yamlfile import load_yaml

    file, text = (file, name_or_text) if "\n" in name_or_text else load(name_or_text)
    texts: list[tuple[Document, PolicyText]] = []
    seen: list[str] = []
    while True:
        document = load_yaml(text, name=file)
        policy = check_policy_text(document)
        texts.append((document, policy))
        seen.append(policy.policy)
        parent = policy.extends
        if parent is None:
            break
        if parent in seen or len(seen) > MAX_PARENTS:
            way = " -> ".join([*seen, parent])
            raise place_error(document, ("extends",), f"the policies extend one another in a circle ({way})")
        try:
            file, text = load(parent)
        except LookupError as error:
            hint = getattr(error, "hint", "")
            raise place_error(document, ("extends",), f'there is no policy "{parent}"', hint=hint) from error
    return _Resolution(texts).policy()


def matching_ids(pattern: str, ids: Iterable[str]) -> tuple[str, ...]:
    """The ids that ``pattern`` names: itself, or all that fit its ``*``."""
    if "*" not in pattern:
        return tuple(name for name in ids if name == pattern)
    return tuple(name for name in ids if fnmatchcase(name, pattern))


class _Resolution:
    """Applies the files from the oldest parent down to the policy itself."""

    def __init__(self, texts: list[tuple[Document, PolicyText]]) -> None:
        self.texts = texts
        self.rules: dict[str, Rule] = {}
        self.generation: dict[str, int] = {}
        self.removed: set[str] = set()
        self.places: dict[Path, Place] = {}
        self.flow: tuple[FlowStep, ...] = ()
        self.otherwise: Otherwise | None = None
        self.promises: dict[str, Promise] = {}
        self.thresholds: dict[str, str | float] = {}
        self.objective: dict[str, float] = {}
        self.budget: dict[str, float] = {}
        self.models: dict[str, DeploymentSettings] = {}
        self.signals: dict[str, OwnSignal] = {}

    def policy(self) -> PolicyFile:
        for generation, (document, text) in reversed(list(enumerate(self.texts))):
            self._apply(document, text, generation)
        document, text = self.texts[0]
        if self.otherwise is None:
            raise place_error(
                document,
                (),
                'the key "otherwise" is missing: say where a request goes that no rule speaks of',
                hint="For example: otherwise: {prefer: llm}",
            )
        # A file's own new rules stand before what it inherits.
        rules = tuple(sorted(self.rules.values(), key=lambda rule: self.generation[rule.id]))
        return PolicyFile(
            name=text.policy,
            file=document.name,
            description=text.description,
            parents=tuple(parent.policy for _, parent in self.texts[1:]),
            rules=rules,
            generation=self.generation,
            flow=self.flow,
            otherwise=self.otherwise,
            # Whole numbers come back from a record as fractions, and a replay must find the same bytes.
            objective=Objective(**{name: float(weight) for name, weight in self.objective.items()}),
            budget=Budget(**self.budget),
            thresholds=self.thresholds,
            promises=tuple(self.promises.values()),
            examples=tuple(text.examples),
            removed=frozenset(self.removed),
            fail_closed=any(parent.fail_closed for _, parent in self.texts),
            models=tuple(self.models.values()),
            signals=self.signals,
            places=self.places,
            hash=self._hash(text.policy, rules),
        )

    def _apply(self, document: Document, text: PolicyText, generation: int) -> None:
        for index, pattern in enumerate(text.disable):
            found = matching_ids(pattern, self.rules)
            if not found:
                raise self._unknown_rule(document, ("disable", index), pattern)
            for name in found:
                del self.rules[name]
                self._forget(("rules", name))
            self.removed.update(found)
        for name in text.override:
            rule = self.rules.get(name)
            if rule is None:
                raise self._unknown_rule(document, ("override", name), name)
            self.rules[name] = self._changed(document, rule, document.data["override"][name])
        for index, rule in enumerate(text.rules):
            self.generation.setdefault(rule.id, generation)
            self.rules[rule.id] = rule
            self.removed.discard(rule.id)
            self._forget(("rules", rule.id))
            self._remember(document, ("rules", index), ("rules", rule.id))
        if text.flow is not None:
            self.flow = tuple(text.flow)
            self._forget(("flow",))
            for index, step in enumerate(self.flow):
                self._remember(document, ("flow", index), ("flow", step.id))
        for part in ("thresholds", "otherwise", "objective", "budgets", "promises", "examples"):
            self._remember(document, (part,), (part,))
        for index, model in enumerate(text.models):
            self._forget(("models", model.name))
            self._remember(document, ("models", index), ("models", model.name))
            self.models[model.name] = model
        for name, signal in own_signals(text.signals).items():
            self._forget(("signals", name))
            self._remember(document, ("signals", name), ("signals", name))
            self.signals[name] = signal
        self.otherwise = text.otherwise or self.otherwise
        self.promises.update({promise.task: promise for promise in text.promises})
        self.thresholds.update(text.thresholds)
        self.objective.update(dict(written(text.objective)))
        if text.budgets is not None:
            self.budget.update(dict(written(text.budgets)))

    def _changed(self, document: Document, rule: Rule, patch: dict[str, Any]) -> Rule:
        data = plain(rule)
        for key, value in patch.items():
            if key == "then" and value is not None:
                merged = {**data.get("then", {}), **value}
                data["then"] = {name: part for name, part in merged.items() if part is not None}
            else:
                data[key] = value
            if key == "when":
                self._forget(("rules", rule.id, "when"))
            self._remember(document, ("override", rule.id, key), ("rules", rule.id, key))
        try:
            return validated(Rule, data)
        except ValueError as error:
            reason = str(error).splitlines()
            message = reason[2].strip() if len(reason) > 2 else reason[0]
            raise place_error(document, ("override", rule.id), f"the changed rule does not work: {message}") from error

    def _unknown_rule(self, document: Document, path: Path, name: str) -> ConfigError:
        close = did_you_mean(name, self.rules)
        place = document.place(path, key=path[0] == "override")
        return ConfigError(
            f'no inherited rule is called "{name}"{f"; did you mean {close!r}?" if close else "."}'.replace("'", '"'),
            file=place.file,
            line=place.line,
            column=place.column,
            hint="Only rules of the policies in extends can be changed or disabled.",
        )

    def _remember(self, document: Document, prefix: Path, new: Path) -> None:
        size = len(prefix)
        for path, place in document.places.items():
            if path[:size] == prefix:
                self.places[new + path[size:]] = place

    def _forget(self, prefix: Path) -> None:
        for path in [path for path in self.places if path[: len(prefix)] == prefix]:
            del self.places[path]

    def _hash(self, name: str, rules: tuple[Rule, ...]) -> str:
        otherwise = self.otherwise
        resolved: dict[str, Any] = {
            "policy": name,
            "rules": [plain(rule) for rule in rules],
            "generation": [self.generation[rule.id] for rule in rules],
            "flow": [plain(step) for step in self.flow],
            "otherwise": msgspec.to_builtins(otherwise) if otherwise else None,
            "promises": [msgspec.to_builtins(promise) for promise in self.promises.values()],
            "thresholds": self.thresholds,
            "objective": self.objective,
            "budgets": self.budget,
        }
        if self.models:
            resolved["models"] = [plain(model) for model in self.models.values()]
        if self.signals:
            resolved["signals"] = [msgspec.to_builtins(self.signals[name]) for name in sorted(self.signals)]
        return hashlib.sha256(msgspec.json.encode(resolved, order="sorted")).hexdigest()[:16]
