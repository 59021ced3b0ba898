"""Mask stretches of a request by placeholders, and put the values back into the answer.

The same value always gets the same placeholder (``<EMAIL_1>``), over the whole request, so that the model still sees
who is who; a placeholder that the caller wrote himself is never reused. The room knows nothing of how the stretches
were found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from .types import Hints, Message, Request, Span

__all__ = ["Found", "Redaction", "StreamRestorer", "redact", "restore"]

_PLACEHOLDER = re.compile(r"<([A-Z][A-Z0-9_]*_\d+)>")
# Fields of a chat body whose text is the protocol's own and never a person's.
_PROTOCOL = frozenset({"role", "type", "model", "object"})
_SHORT = 6


class Found(Protocol):
    """A stretch ``text[start:end]`` of some text, and its kind; what a finder of personal data returns."""

    @property
    def kind(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """A request without the values, and ``mapping``: placeholder -> value. The mapping is secret: never log it."""

    request: Request
    mapping: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Redaction(placeholders={list(self.mapping)})"


def redact(
    request: Request,
    spans: Iterable[Span],
    kinds: Collection[str] | None = None,
    find: Callable[[str], Iterable[Found]] | None = None,
) -> Redaction:
    """Replace what ``spans`` mark by placeholders, in ``messages`` and everywhere in the verbatim ``body``.

    Args:
        spans: offsets into ``request.messages[span.message].text``; a span of length zero marks nothing.
        kinds: only these kinds are masked; None masks all.
        find: searches the body's other texts (tool arguments, tool descriptions, the name of a speaker) for values
            that no message text holds.

    Every other occurrence of a masked value in the request is masked as well, hints and JSON-escaped forms included.
    """
    wanted = [span for span in spans if (kinds is None or span.kind in kinds) and span.end > span.start]
    values: dict[str, str] = {}
    for span in sorted(wanted, key=lambda span: (span.message, span.start)):
        if 0 <= span.message < len(request.messages):
            value = request.messages[span.message].text[span.start : span.end]
            if value.strip():
                values.setdefault(value, span.kind)
    if find is not None:
        known = {message.text for message in request.messages}
        for text in _texts(request.body):
            if text in known or text.startswith("data:"):
                continue
            for plain in (text, *_inner_texts(text)):
                for hit in find(plain):
                    if kinds is None or hit.kind in kinds:
                        values.setdefault(plain[hit.start : hit.end], hit.kind)
    if not values:
        return Redaction(request=request, mapping={})
    names = _names(values, request)
    mask = _masker(names)
    messages = tuple(_masked_message(message, mask) for message in request.messages)
    hints = request.hints
    return Redaction(
        request=msgspec.structs.replace(
            request,
            messages=messages,
            body=_masked(request.body, mask),
            tools=tuple(
                msgspec.structs.replace(
                    tool, description=mask(tool.description), parameters=_masked(tool.parameters, mask)
                )
                for tool in request.tools
            ),
            json_schema=None if request.json_schema is None else _masked(request.json_schema, mask),
            stop=tuple(mask(stop) for stop in request.stop),
            hints=_masked_hints(hints, mask),
        ),
        mapping={placeholder: value for value, placeholder in names.items()},
    )


def restore(text: str, mapping: Mapping[str, str], *, escaped: bool = False) -> str:
    """``text`` with its placeholders replaced by their values.

    ``escaped``: the text is the source of a JSON document, so values are written as inside a JSON string. Placeholders
    that a writer escaped (``\\u003cEMAIL_1\\u003e``, ``&lt;EMAIL_1&gt;``) are found as well.
    """
    if not mapping:
        return text
    restorer = StreamRestorer(mapping, escaped=escaped)
    return restorer.feed(text) + restorer.close()


class StreamRestorer:
    """:func:`restore` over a text that arrives in pieces, cut anywhere.

    ``feed`` returns what is certain so far; at most one placeholder's length is held back, until ``close``.
    """

    def __init__(self, mapping: Mapping[str, str], *, escaped: bool = False) -> None:
        self._written: dict[str, str] = {}
        for placeholder, value in mapping.items():
            name = placeholder[1:-1]
            inside = json.dumps(value, ensure_ascii=False)[1:-1]
            self._written[placeholder] = inside if escaped else value
            self._written[f"&lt;{name}&gt;"] = inside if escaped else value
            for opening, closing in (("\\u003c", "\\u003e"), ("\\u003C", "\\u003E")):
                self._written[f"{opening}{name}{closing}"] = inside
        self._any = re.compile("|".join(map(re.escape, self._written))) if self._written else None
        self._starts = {form[:length] for form in self._written for length in range(1, len(form))}
        self._longest = max(map(len, self._written), default=0)
        self._held = ""

    def feed(self, text: str) -> str:
        """What the answer says so far, as far as no placeholder could still be growing at its end."""
        if self._any is None:
            return text
        text = self._held + text
        done = self._any.sub(lambda match: self._written[match[0]], text)
        # Only what stands behind the last whole placeholder can be the start of another.
        tail = text[self._last_end(text) :]
        for length in range(min(self._longest - 1, len(tail)), 0, -1):
            if tail[-length:] in self._starts:
                self._held = tail[-length:]
                return done[: len(done) - length]
        self._held = ""
        return done

    def close(self) -> str:
        """What was still held back: the answer ended in the middle of something like a placeholder."""
        held, self._held = self._held, ""
        return held

    def _last_end(self, text: str) -> int:
        end = 0
        if self._any is not None:
            for match in self._any.finditer(text):
                end = match.end()
        return end


def _names(values: Mapping[str, str], request: Request) -> dict[str, str]:
    taken = {match for text in _texts(request.body) for match in _PLACEHOLDER.findall(text)}
    taken.update(match for message in request.messages for match in _PLACEHOLDER.findall(message.text))
    taken.update(name for text in values for name in _PLACEHOLDER.findall(text))
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for value, kind in values.items():
        stem = re.sub(r"[^A-Z0-9]+", "_", kind.upper()).strip("_") or "VALUE"
        if not stem[0].isalpha():
            stem = f"VALUE_{stem}"
        count = counts.get(stem, 0) + 1
        while f"{stem}_{count}" in taken:
            count += 1
        counts[stem] = count
        names[value] = f"<{stem}_{count}>"
    return names


def _masker(names: Mapping[str, str]) -> Callable[[str], str]:
    forms: dict[str, str] = {}
    for value, placeholder in names.items():
        forms[value] = placeholder
        # The same value inside JSON that travels as text, as tool arguments do.
        forms.setdefault(json.dumps(value)[1:-1], placeholder)
        forms.setdefault(json.dumps(value, ensure_ascii=False)[1:-1], placeholder)
    parts = []
    for form in sorted(forms, key=len, reverse=True):
        # A short name must not be cut out of longer words ("Ana" in "Analysis").
        whole = len(form) < _SHORT or form.replace(" ", "").isalpha()
        left = r"(?<!\w)" if whole and form[0].isalnum() else ""
        right = r"(?!\w)" if whole and form[-1].isalnum() else ""
        parts.append(f"{left}{re.escape(form)}{right}")
    any_form = re.compile("|".join(parts))
    return lambda text: any_form.sub(lambda match: forms[match[0]], text)


def _masked(node: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(node, str):
        return mask(node)
    if isinstance(node, Mapping):
        return {
            mask(key) if isinstance(key, str) else key: value if key in _PROTOCOL else _masked(value, mask)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_masked(item, mask) for item in node]
    return node


def _masked_message(message: Message, mask: Callable[[str], str]) -> Message:
    return msgspec.structs.replace(
        message, text=mask(message.text), name=None if message.name is None else mask(message.name)
    )


def _masked_hints(hints: Hints, mask: Callable[[str], str]) -> Hints:
    return msgspec.structs.replace(
        hints,
        input=None if hints.input is None else mask(hints.input),
        labels=None if hints.labels is None else tuple(mask(label) for label in hints.labels),
    )


def _texts(node: Any) -> Iterable[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if isinstance(key, str):
                yield key
            if key not in _PROTOCOL:
                yield from _texts(value)
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _texts(item)


def _inner_texts(text: str) -> Iterable[str]:
    """The strings inside a text that is itself a JSON object or list, as a tool's arguments are."""
    if text[:1] not in ("{", "["):
        return ()
    try:
        return tuple(_texts(json.loads(text)))
    except (ValueError, RecursionError):
        return ()
