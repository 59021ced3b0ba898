"""JSON Schema -> the one place where a label goes. Knows schemas, not requests.

Reads the part of JSON Schema (draft 2020-12, https://json-schema.org/draft/2020-12/json-schema-validation) that
structured outputs use: enum, const, anyOf/oneOf/allOf, ``$ref`` into the same document, objects, arrays, booleans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["Field", "alternation", "grammar_words", "read_schema"]

_MAX_DEPTH = 12
_MAX_FIELDS = 200
_MAX_RANGE = 11
_EXPLANATIONS = ("enumDescriptions", "x-enumDescriptions", "x-enum-descriptions", "markdownEnumDescriptions")

Path = tuple[str, ...]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Where the label goes. ``labels`` is None when a field is there but the schema does not list its answers.

    ``description`` is the field's own, ``about`` the whole schema's. ``defined``: the schema says what its labels mean.
    """

    path: Path = ()
    labels: tuple[str, ...] | None = None
    values: tuple[Any, ...] | None = None
    multi_label: bool = False
    fixed: tuple[tuple[Path, Any], ...] = ()
    description: str = ""
    about: str = ""
    defined: bool = False
    certain: bool = True
    blocker: str | None = None


class _Leaf(msgspec.Struct, kw_only=True):
    path: Path
    required: bool
    kind: str  # label, fixed, text, other
    values: tuple[Any, ...] = ()
    multi_label: bool = False
    description: str = ""
    defined: bool = False
    blocker: str | None = None


def read_schema(schema: Mapping[str, Any]) -> Field:
    """The label field of a schema; ``blocker`` says why a classifier cannot fill the whole answer."""
    inner = schema.get("schema")
    if isinstance(inner, Mapping) and not ({"type", "properties", "enum", "$ref", "anyOf"} & schema.keys()):
        schema = inner
    leaves: list[_Leaf] = []
    for leaf in _walk(schema, schema, (), True, 0):
        leaves.append(leaf)
        if len(leaves) > _MAX_FIELDS:
            return Field(blocker="the schema has too many fields.")
    if not leaves:
        return Field(blocker="the schema names no field to fill.")
    about = schema.get("description")
    field = _choose(leaves)
    return msgspec.structs.replace(field, about=about) if isinstance(about, str) else field


def alternation(pattern: str) -> tuple[str, ...] | None:
    """The words of a regular expression that is nothing but a choice of words, such as ``^(spam|ham)$``."""
    body = pattern.strip().removeprefix("^").removesuffix("$").strip()
    grouped = re.fullmatch(r"\((?:\?:)?(.*)\)", body, re.DOTALL)
    if grouped:
        body = grouped[1]
    words = tuple(re.sub(r"\\([-_ ./&])", r"\1", word) for word in body.split("|"))
    if len(words) < 2 or any(not word or re.search(r"[\\()\[\]{}*+?^$.]", word) for word in words):
        return None
    return words


def grammar_words(grammar: str) -> tuple[str, ...] | None:
    """The words of a grammar (GBNF, as llama.cpp takes it) that is nothing but a choice of words."""
    whole = re.fullmatch(r"\s*root\s*::=\s*\(?((?:\"[^\"\\\n]{1,64}\"[\s|]*){2,300})\)?\s*", grammar)
    if whole is None or whole[1].count("|") + 1 != whole[1].count('"') // 2:
        return None
    return tuple(re.findall(r'"([^"]+)"', whole[1]))


def _choose(leaves: list[_Leaf]) -> Field:
    labels = [leaf for leaf in leaves if leaf.kind == "label"]
    any_required = any(leaf.required for leaf in leaves)
    needed = [leaf for leaf in leaves if leaf.required and leaf.kind != "fixed"]
    if any_required and any(leaf.required for leaf in labels):
        labels = [leaf for leaf in labels if leaf.required]
    fixed = tuple((leaf.path, leaf.values[0]) for leaf in leaves if leaf.kind == "fixed" and leaf.required)
    if not labels:
        texts = [leaf for leaf in needed or leaves if leaf.kind == "text"]
        if len(texts) == 1 and len(needed or leaves) == 1:
            only = texts[0]
            return Field(
                path=only.path, fixed=fixed, description=only.description, certain=False, multi_label=only.multi_label
            )
        return Field(blocker="the schema has no field with a closed list of answers.")
    field = labels[0]
    blocker = field.blocker
    if len(labels) > 1:
        blocker = "the schema asks for several labels in fields of their own."
    elif any(leaf is not field for leaf in needed):
        names = ", ".join(repr(".".join(leaf.path)) for leaf in needed if leaf is not field)
        blocker = f"the schema also requires {names}, which is no label."
    elif any(leaf is not field and leaf.kind != "fixed" for leaf in leaves):
        names = ", ".join(repr(".".join(leaf.path)) for leaf in leaves if leaf is not field and leaf.kind != "fixed")
        blocker = f"the schema also has {names}, which an answer may fill."
    texts_only = all(isinstance(value, str) for value in field.values)
    return Field(
        path=field.path,
        labels=tuple(_spelled(value) for value in field.values),
        values=None if texts_only else field.values,
        multi_label=field.multi_label,
        fixed=fixed,
        description=field.description,
        defined=field.defined,
        certain=field.required or len(leaves) == 1,
        blocker=blocker,
    )


def _walk(node: Any, root: Mapping[str, Any], path: Path, required: bool, depth: int) -> Iterator[_Leaf]:
    node = _resolve(node, root)
    if node is None or depth > _MAX_DEPTH:
        yield _Leaf(path=path, required=required, kind="other")
        return
    properties = node.get("properties")
    if isinstance(properties, Mapping):
        must = node.get("required")
        names = set(must) if isinstance(must, list) and all(isinstance(name, str) for name in must) else set()
        for name, child in properties.items():
            yield from _walk(child, root, (*path, str(name)), required and name in names, depth + 1)
        for name in sorted(names - set(properties)):
            yield _Leaf(path=(*path, name), required=required, kind="other")
        return
    yield _leaf(node, root, path, required)


def _leaf(node: Mapping[str, Any], root: Mapping[str, Any], path: Path, required: bool) -> _Leaf:
    description = node.get("description")
    leaf = _Leaf(
        path=path, required=required, kind="other", description=description if isinstance(description, str) else ""
    )
    if node.get("type") == "array":
        items = _resolve(node.get("items"), root)
        inner = _values(items, root) if items is not None else None
        if items is None or inner is None or len(inner) < 2:
            return leaf
        leaf.kind, leaf.values, leaf.multi_label, leaf.defined = "label", inner, True, _is_defined(items, root)
        low, high = node.get("minItems", 0), node.get("maxItems", len(inner))
        if not isinstance(low, int) or not isinstance(high, int) or low > 1 or high < len(inner):
            leaf.blocker = "the schema limits how many labels may be given."
    else:
        values = _values(node, root)
        if values is None:
            leaf.kind = "text" if node.get("type") == "string" else "other"
            return leaf
        leaf.values = values
        leaf.kind, leaf.defined = "fixed" if len(values) == 1 else "label", _is_defined(node, root)
    if any(value is None for value in leaf.values):
        leaf.values = tuple(value for value in leaf.values if value is not None)
        leaf.blocker = "the schema also allows no label at all (null)."
        leaf.kind = "label" if leaf.values else "other"
    if any(not isinstance(value, str | int | float | bool) for value in leaf.values):
        leaf.kind = "other"
    return leaf


def _is_defined(node: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether the values of a node are explained one by one: by their branches, or in a list beside the enum, as
    editors and some providers read it."""
    if any(isinstance(node.get(key), list | dict) and node[key] for key in _EXPLANATIONS):
        return True
    branches = [branch for key in ("anyOf", "oneOf") if isinstance(node.get(key), list) for branch in node[key][:500]]
    resolved = [_resolve(branch, root) or {} for branch in branches]
    return any(str(branch.get(key) or "").strip() for branch in resolved for key in ("description", "$comment"))


def _values(node: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The closed list of values that a node allows, or None."""
    if "const" in node:
        return (node["const"],)
    enum = node.get("enum")
    if isinstance(enum, list) and enum:
        return _distinct(enum)
    for key in ("anyOf", "oneOf"):
        branches = node.get(key)
        if isinstance(branches, list) and branches:
            found: list[Any] = []
            for branch in branches[:500]:
                resolved = _resolve(branch, root)
                if resolved is None or resolved is node:
                    return None
                part = (None,) if resolved.get("type") == "null" else _flat(resolved)
                if part is None:
                    return None
                found.extend(part)
            return _distinct(found)
    return _flat(node)


def _flat(node: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if "const" in node:
        return (node["const"],)
    enum = node.get("enum")
    if isinstance(enum, list) and enum:
        return _distinct(enum)
    kind = node.get("type")
    if kind == "boolean":
        return (True, False)
    if kind == "integer":
        low, high = node.get("minimum"), node.get("maximum")
        if isinstance(low, int) and isinstance(high, int) and 1 <= high - low < _MAX_RANGE:
            return tuple(range(low, high + 1))
    pattern = node.get("pattern")
    return alternation(pattern) if kind == "string" and isinstance(pattern, str) else None


def _resolve(node: Any, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for _ in range(_MAX_DEPTH):
        if not isinstance(node, Mapping):
            return None
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = _pointer(root, reference)
            if target is None:
                return None
            rest = {key: value for key, value in node.items() if key != "$ref"}
            node = {**target, **rest}
            continue
        whole = node.get("allOf")
        if isinstance(whole, list) and len(whole) == 1 and isinstance(whole[0], Mapping):
            node = {**whole[0], **{key: value for key, value in node.items() if key != "allOf"}}
            continue
        return None if isinstance(whole, list) and whole else node
    return None


def _pointer(root: Mapping[str, Any], reference: str) -> Mapping[str, Any] | None:
    if not reference.startswith("#"):
        return None
    place: Any = root
    for part in reference[1:].split("/")[1:]:
        if not isinstance(place, Mapping):
            return None
        place = place.get(part.replace("~1", "/").replace("~0", "~"))
    return place if isinstance(place, Mapping) else None


def _distinct(values: list[Any]) -> tuple[Any, ...] | None:
    kept: list[Any] = []
    seen: set[tuple[type, str]] = set()
    for value in values:
        key = (type(value), repr(value))
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return tuple(kept) if kept else None


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
