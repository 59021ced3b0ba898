"""Plain data of a YAML file -> typed values; what is wrong is a ConfigError with place and suggestion."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from .document import Document, Path, place_error
from .errors import ConfigError
from .spec import Checked, UnknownWordError, validated

__all__ = ["typed"]

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Text = TypeVar("_Text", bound=Checked)

_PLAINLY: Mapping[str, str] = {
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
}


def typed(document: Document, kind: type[_Text], otherwise: str, **more: Any) -> _Text:
    """The document's mapping, and ``more`` beside it, as ``kind``; ``otherwise`` says what it should have been.

    Raises:
        ConfigError: at the place of the first thing that is wrong, with a suggestion where one is close.
    """
    if not isinstance(document.data, dict):
        raise place_error(document, (), otherwise)
    from pydantic import ValidationError

    try:
        return validated(kind, {**document.data, **more})
    except ValidationError as error:
        # A key that is missing is often one that is written wrongly.
        found = sorted(error.errors(include_url=False), key=lambda each: each["type"] == "missing")
        raise _config_error(document, kind, found[0], len(found) - 1) from error


def _config_error(document: Document, kind: type[Checked], error: ErrorDetails, more: int) -> ConfigError:
    context: Mapping[str, Any] = error.get("ctx") or {}
    slip, where = error["type"], error["loc"]
    path = _written_path(document, where)
    hint = f"({more} more of this file to look at after it.)" if more else ""
    if slip == "extra_forbidden":
        options, name = _keys_at(kind, path[:-1]), path[-1]
        if "custom" in options and name in (document.data.get("signals") or ()):
            message = f'"{name}" is a signal of your own: ask for it as custom: {{{name}: ...}}'
            return place_error(document, path, message, at_key=True, hint=hint)
        return place_error(document, path, f'unknown key "{name}"', options=options, hint=hint)
    if slip == "no_value":
        return place_error(document, (*path, context["key"]), error["msg"], at_key=True, hint=hint)
    if slip == "missing":
        inside = f" of {'.'.join(map(str, path))}" if path else ""
        return place_error(document, path, f'the key "{where[-1]}"{inside} is missing', hint=hint)
    cause = context.get("error")
    if isinstance(cause, UnknownWordError):
        at = _word_path(document, path, cause.word)
        return place_error(document, at, str(cause), options=cause.options, word=cause.word)
    if slip == "literal_error":
        options = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        word = error["input"]
        return place_error(document, path, f'unknown value "{word}"', options=options, word=word, hint=hint)
    message = _PLAINLY.get(slip, error["msg"]).removeprefix("Value error, ")
    if slip == "string_pattern_mismatch" and path and path[-1] == "key_env":
        message = "must be the name of an environment variable; the credential itself never stands in a file"
    elif slip == "string_pattern_mismatch" and "A-Za-z" in str(context.get("pattern")):
        message = f'"{error["input"]}" is no name; it begins with a letter and holds letters, digits, "_", "." and "-"'
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


def _keys_at(root: type[Checked], path: Path) -> list[str]:
    """The keys that the mapping at ``path`` may have, read off the structs."""
    found: list[type[Checked]] = [root]
    for part in path:
        if isinstance(part, int):
            continue
        inner: list[type[Checked]] = []
        named = False
        for outer in found:
            for field in msgspec.structs.fields(outer):
                if part in (field.name, field.encode_name):
                    named = True
                    inner += _structs_in(field.type)
        found = inner if named else found
    return [field.encode_name for struct in found for field in msgspec.structs.fields(struct)]


def _structs_in(annotation: Any) -> list[type[Checked]]:
    if isinstance(annotation, type) and issubclass(annotation, Checked):
        return [annotation]
    return [struct for inner in typing.get_args(annotation) for struct in _structs_in(inner)]
