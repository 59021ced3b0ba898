"""What a value of a file may be, written beside the types of a frozen struct, once; and the model that checks a file by
it.

pydantic makes that model and is imported when the first file is read: who is handed values that were read elsewhere
(the sidecar) does without it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, Union

import msgspec

if TYPE_CHECKING:
    from pydantic import BaseModel, GetJsonSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema

__all__ = [
    "After",
    "Before",
    "Checked",
    "Spec",
    "UnknownWordError",
    "Written",
    "model_of",
    "plain",
    "validated",
    "written",
]


class Spec:
    """Bounds and a description of a value, as keywords of pydantic's ``Field``: ``ge``, ``max_length``, ``pattern``."""

    def __init__(self, **facts: float | str | bool) -> None:
        self.facts = facts


class Before:
    """How a value is read before its type is checked."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read


class After:
    """What is checked of a value that has its type; returns it, or raises ValueError."""

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check


class Written:
    """How a value is written, for the JSON Schema: a schema of its own, or one made from the checked one."""

    def __init__(self, schema: dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._schema = schema

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self._schema(handler(core)) if callable(self._schema) else dict(self._schema)


class UnknownWordError(ValueError):
    """A word that is none of ``options``: the reader is told what was probably meant."""

    def __init__(self, what: str, word: str, options: list[str]) -> None:
        super().__init__(f'unknown {what} "{word}"')
        self.word, self.options = word, options


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what a file says. A struct's own ``__post_init__`` checks what its fields must be together.

    ``reading``: pydantic's config. ``takes_null``: a key without a value means something, and is no slip.
    """

    reading: ClassVar[Mapping[str, Any]] = {}
    takes_null: ClassVar[bool] = True


def written(struct: Checked) -> Iterator[tuple[str, Any]]:
    """The keys, as a file spells them, and values of what is not left at its default."""
    for field in _fields(type(struct)):
        value = getattr(struct, field.name)
        if field.required or value != _default(field):
            yield field.encode_name, value


def plain(value: Any) -> Any:
    """``value`` as plain data; of structs what is not left at its default."""
    if isinstance(value, Checked):
        return {key: plain(part) for key, part in written(value)}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


_Kind = TypeVar("_Kind", bound=Checked)


@cache
def model_of(kind: type[Checked]) -> type[BaseModel]:
    """The pydantic model of ``kind``; what is checked by it within a field comes out as a struct."""
    from pydantic import ConfigDict, Field, create_model, model_validator

    fields: dict[str, Any] = {}
    for field in _fields(kind):
        facts: dict[str, Any] = {}
        if not field.required:
            default = _default(field)
            # Never taken, since the struct has its own; but it stands in the JSON Schema.
            facts["default"] = model_of(type(default))() if isinstance(default, Checked) else default
        if field.encode_name != field.name:
            facts["alias"] = field.encode_name
        fields[field.name] = (_as_pydantic(field.type, kind), Field(**facts))
    validators: dict[str, Any] = {} if kind.takes_null else {"has_values": model_validator(mode="before")(_has_values)}
    made: type[BaseModel] = create_model(
        kind.__name__,
        __config__=ConfigDict(extra="forbid", defer_build=True, **kind.reading),  # type: ignore[typeddict-item]
        __doc__=kind.__doc__,
        __module__=kind.__module__,
        __validators__=validators,
        **fields,
    )
    made.model_rebuild(_types_namespace={kind.__name__: made})
    return made


def validated(kind: type[_Kind], data: Any) -> _Kind:
    """``data`` as ``kind``.

    Raises:
        ValueError: it is not; pydantic's own, with every place that is wrong.
    """
    found: _Kind = _adapter(kind).validate_python(data)
    return found


@cache
def _adapter(kind: type[Checked]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(_as_pydantic(kind, Checked))


def _made(kind: type[_Kind], found: BaseModel) -> _Kind:
    return kind(**{name: getattr(found, name) for name in found.model_fields_set})


def _as_pydantic(annotation: Any, inside: type[Checked]) -> Any:
    from pydantic import AfterValidator

    if isinstance(annotation, type) and issubclass(annotation, Checked):
        model: Any = typing.ForwardRef(annotation.__name__) if annotation is inside else model_of(annotation)
        return Annotated[model, AfterValidator(partial(_made, annotation))]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return Annotated[(_as_pydantic(parts[0], inside), *map(_marker, parts[1:]))]
    if origin in (Union, types.UnionType):
        return reduce(or_, (_as_pydantic(part, inside) for part in parts))
    if origin in (list, dict, tuple):
        return origin[tuple(part if part is ... else _as_pydantic(part, inside) for part in parts)]
    return annotation


def _marker(marker: Any) -> Any:
    from pydantic import AfterValidator, BeforeValidator, Field

    if isinstance(marker, Spec):
        return Field(**marker.facts)  # type: ignore[call-overload]
    if isinstance(marker, Before):
        return BeforeValidator(marker.read)
    return AfterValidator(marker.check) if isinstance(marker, After) else marker


def _has_values(data: Any) -> Any:
    from pydantic_core import PydanticCustomError

    if isinstance(data, dict):
        for key, value in data.items():
            if value is None:
                context = {"quoted": f'"{key}"', "key": key}
                raise PydanticCustomError("no_value", "the key {quoted} has no value", context)
    return data


@cache
def _fields(kind: type[Checked]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
