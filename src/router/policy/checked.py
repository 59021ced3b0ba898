"""Plain data of a YAML file -> typed policy or examples; what is wrong is a ConfigError with place and suggestion."""

from __future__ import annotations

from ..deployments import check_unique
from ..document import Document, place_error
from ..typed import typed
from .example_schema import ExamplesText
from .schema import PolicyText

__all__ = ["check_examples_text", "check_policy_text"]


def check_policy_text(document: Document) -> PolicyText:
    """The file's content, typed.

    Raises:
        ConfigError: at the place of the first thing that is wrong, with a suggestion where one is close.
    """
    text = typed(document, PolicyText, "a policy is a mapping of keys (policy, description, rules ...)")
    for part, ids in (("rules", [rule.id for rule in text.rules]), ("flow", [step.id for step in text.flow or ()])):
        for index, name in enumerate(ids):
            if name in ids[:index]:
                raise place_error(document, (part, index, "id"), f'the id "{name}" stands twice in {part}')
    check_unique(document, "models", text.models)
    return text


def check_examples_text(document: Document) -> ExamplesText:
    """A file of examples, typed.

    Raises:
        ConfigError: as :func:`check_policy_text`.
    """
    return typed(document, ExamplesText, "a file of examples is a mapping with the keys policy and examples")
