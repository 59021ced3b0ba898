"""A JSON object from outside, as bytes or as a mapping, read within bounds: size, depth, types that JSON can say.

Every vendor's codec starts here; the room knows no vendor's field names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import RequestError, RequestTooLarge

__all__ = ["Limits", "RawJson", "checked_mapping", "decoded", "shown", "too_large", "wrong"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a body may be at most: bytes, levels of nesting, messages, tools, and completions asked for (``n``)."""

    max_bytes: int = 16 * 1024 * 1024
    max_depth: int = 64
    max_messages: int = 10_000
    max_tools: int = 1_000
    max_n: int = 128


class RawJson(dict[str, Any]):
    """A JSON object together with the bytes that it was read from; a changed copy of it is a plain dict."""

    __slots__ = ("raw",)

    def __init__(self, value: Mapping[str, Any], raw: bytes) -> None:
        super().__init__(value)
        self.raw = raw


_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


def decoded(data: bytes | bytearray | memoryview, limits: Limits) -> tuple[dict[str, Any], int]:
    """The JSON object in ``data`` and its size in bytes.

    Raises:
        RequestTooLarge: more bytes or levels than ``limits`` allow.
        RequestError: empty, not UTF-8, not JSON, or JSON of another kind.
    """
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    if size > limits.max_bytes:
        raise too_large(size, limits)
    raw = (data if isinstance(data, bytes) else bytes(data)).removeprefix(_BOM)
    try:
        body = _decode(raw)
    except RecursionError:
        raise _too_deep(limits) from None
    except (msgspec.DecodeError, ValueError) as error:
        if not raw or raw.isspace():
            raise RequestError("the body is empty.", hint="Send a JSON object with messages.") from None
        # Which of the two msgspec raises for wrong bytes depends on its version.
        if not _is_utf8(raw):
            raise RequestError("the body is not UTF-8.", hint="Encode it as UTF-8.") from error
        raise RequestError(f"the body is not JSON: {error}.", hint="Send a JSON object with messages.") from error
    if not isinstance(body, dict):
        raise wrong("the body", "an object", body)
    # A body with fewer brackets than levels allowed needs no walk.
    if raw.count(b"{") + raw.count(b"[") > limits.max_depth:
        _check_depth(body, limits)
    return body, size


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_depth(body: dict[str, Any], limits: Limits) -> None:
    level: list[Any] = [body]
    for _ in range(limits.max_depth):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise _too_deep(limits)


def checked_mapping(data: Mapping[str, Any], limits: Limits) -> tuple[dict[str, Any], int]:
    """A copy of ``data`` in plain JSON values, and the bytes of its texts; objects with ``model_dump`` are dumped.

    Raises:
        RequestTooLarge: more bytes or levels than ``limits`` allow (a cycle has endless levels).
        RequestError: a value or key that JSON cannot say.
    """
    copying = _Copying(limits)
    body: dict[str, Any] = copying.plain(data, "", 0)
    return body, copying.size


class _Copying:
    """One copy; ``size`` is how many bytes of text it has until now."""

    __slots__ = ("_limits", "size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.size = 0

    def plain(self, value: Any, at: str, depth: int) -> Any:
        limits = self._limits
        if isinstance(value, str):
            self.size += _utf8_length(value, at)
            if self.size > limits.max_bytes:
                raise too_large(self.size, limits)
            return value
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise RequestError(f"{at} is {value}, which JSON cannot say.", param=at)
            return value
        if depth >= limits.max_depth:
            raise _too_deep(limits)
        if self.size > limits.max_bytes:
            raise too_large(self.size, limits)
        if isinstance(value, Mapping):
            items: dict[str, Any] = {}
            for key, child in value.items():
                if not isinstance(key, str):
                    raise wrong(at or "the body", "an object whose keys are texts", key)
                path = f"{at}.{key}" if at else key
                self.size += _utf8_length(key, path)
                items[key] = self.plain(child, path, depth + 1)
            return items
        if isinstance(value, list | tuple):
            self.size += len(value)
            return [self.plain(child, f"{at}[{index}]", depth + 1) for index, child in enumerate(value)]
        dump = getattr(value, "model_dump", None)
        if callable(dump):
            return self.plain(dump(exclude_unset=True), at, depth + 1)
        raise wrong(at, "a JSON value", value)


def _utf8_length(text: str, at: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{at} has a lone surrogate, which UTF-8 cannot say.", param=at, hint="Cut text between characters."
        ) from error


def too_large(size: int, limits: Limits) -> RequestTooLarge:
    """A body of ``size`` bytes that the limits forbid."""
    message = f"the body has {size:,} bytes, more than the {limits.max_bytes:,} allowed."
    return RequestTooLarge(message, hint="Send less, or raise the limit.")


def _too_deep(limits: Limits) -> RequestTooLarge:
    return RequestTooLarge(f"the body is nested deeper than the {limits.max_depth} levels allowed.", hint="Flatten it.")


def wrong(param: str, expected: str, found: Any) -> RequestError:
    """A value of the wrong type; ``param`` is its path in the body, or ``the body`` itself."""
    message = f"{param} must be {expected}; found {_kind(found)}."
    return RequestError(message, param=None if param == "the body" else param)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    for kind, name in (
        (bool, "true or false"),
        (str, "text"),
        (int, "a number"),
        (float, "a number"),
        (list, "a list"),
        (Mapping, "an object"),
    ):
        if isinstance(value, kind):
            return name
    return f"a {type(value).__name__}"


def shown(value: Any) -> str:
    """The value as a message may quote it: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
