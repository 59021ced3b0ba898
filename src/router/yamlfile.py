"""YAML text -> plain data, with the place (line and column) of every key and value. No file is opened here.

Read as YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema): ``yes``, ``no``, ``on`` and dates are
text, only ``true`` and ``false`` are booleans. Anchors, aliases and ``<<`` work, within bounds that stop alias bombs.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any, ClassVar

import yaml

from .document import Document, Path, Place
from .errors import ConfigError

__all__ = ["load_yaml"]

MAX_CHARACTERS = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 40

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASE: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"


class _Loader(_BASE):  # type: ignore[misc]
    """The safe loader, in C when libyaml is there, with the core schema's resolvers in place of YAML 1.1's."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}


_Loader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(rf"(?:{_INT.pattern})$"), list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(rf"(?:{_FLOAT.pattern})$"), list("-+0123456789."))
_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"(?:<<)$"), ["<"])


# Policies that extend the same one are read one after another.
@lru_cache(maxsize=2)
def load_yaml(text: str, *, name: str) -> Document:
    """Parse one YAML document, which nobody may change. An empty text gives ``data=None``.

    Raises:
        ConfigError: at ``name:line:column``: not YAML, a key twice, a key that is not text, an unknown tag, or larger,
            deeper or with more nodes (aliases expanded) than the bounds allow.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"the file has {len(text):,} characters, more than the {MAX_CHARACTERS:,} allowed.",
            file=name,
            hint="Split it, or keep data elsewhere.",
        )
    try:
        _check_depth(text, name)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"this is not YAML: {error.problem or error.context}.",
            file=name,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
            hint="Check quotes, colons and indentation.",
        ) from error
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"this is not YAML: {reason}.", file=name, hint="Save it as UTF-8 text.") from error
    reader = _Reader(name)
    data = None if node is None else reader.value(node, (), ())
    return Document(name=name, data=data, places=reader.places, keys=reader.keys)


def _check_depth(text: str, name: str) -> None:
    """Bound nesting and size on the flat event stream, before anything recursive looks at the text."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or count > 3 * MAX_NODES:
            mark = event.start_mark
            what = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else "too large"
            line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
            raise ConfigError(f"this is {what}.", file=name, line=line, column=column)


class _Reader:
    """One walk over the node graph, aliases expanded; ``above`` holds the nodes that are still open."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.count = 0

    def value(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        self.count += 1
        if self.count > MAX_NODES:
            raise self._error(node, f"more than {MAX_NODES:,} values; aliases multiply them.")
        if any(node is open_node for open_node in above):
            raise self._error(node, "an alias stands inside its own anchor.")
        if len(above) > MAX_DEPTH:
            raise self._error(node, f"nested deeper than {MAX_DEPTH} levels.")
        self.places[path] = self._place(node)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise self._unknown_tag(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise self._error(source, "<< takes a mapping or a list of mappings.")
                    merged = {**self.value(source, path, above), **merged}
                continue
            key = self._scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else key_node
            if not isinstance(key, str):
                raise self._error(key_node, "a key must be text.", hint="Put it in quotes.")
            if key in found:
                first = self.keys[(*path, key)]
                raise self._error(key_node, f'the key "{key}" stands twice; first at line {first.line}.')
            self.keys[(*path, key)] = self._place(key_node)
            found[key] = self.value(value_node, (*path, key), above)
        self.places[path] = self._place(node)
        return {**merged, **found} if merged else found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text, tag = node.value, node.tag
        if tag == f"{_TAG}str":
            return text
        if tag == f"{_TAG}null":
            return None
        if tag == f"{_TAG}bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if tag == f"{_TAG}int" and _INT.fullmatch(text) and len(text) <= 40:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if tag == f"{_TAG}float" and _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        if tag in {f"{_TAG}{kind}" for kind in ("bool", "int", "float", "merge")}:
            raise self._error(node, f'"{text[:40]}" cannot be read as {tag.removeprefix(_TAG)}.')
        raise self._unknown_tag(node)

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _unknown_tag(self, node: yaml.Node) -> ConfigError:
        tag = str(node.tag).replace(_TAG, "!!")
        return self._error(node, f'unknown tag "{tag}".', hint="Write plain values without tags.")

    def _error(self, node: yaml.Node, message: str, *, hint: str = "") -> ConfigError:
        place = self._place(node)
        return ConfigError(message, file=place.file, line=place.line, column=place.column, hint=hint)
