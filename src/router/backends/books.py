"""What one call used, said by the provider or counted here; and what a masked answer becomes once it is unmasked.

The books of an attempt, and readers of OpenAI answers and chunks. Nothing here calls anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..errors import UpstreamError
from ..price import Price, UnitPrices, cost_usd
from ..redact import StreamRestorer, restore
from ..selection.steps import Call
from ..types import Attempt, Decision, Request, Units, Usage
from ..wire.openai import said
from .base import read_usage

__all__ = [
    "AnswerMeter",
    "Books",
    "ChunkRestorer",
    "estimated_input",
    "estimated_usage",
    "pictures_in",
    "restore_answer",
    "typed_error",
    "usage_body",
]

# Fields of a message or delta that hold what the model wrote.
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
_BYTES_PER_TOKEN = 4
_NOTHING = Usage()
_NO_UNITS = Units()


class AnswerMeter:
    """Reads a stream's chunks as they pass: has the first token come, what was used.

    Providers that report no usage are counted: about four bytes of UTF-8 a token.
    """

    __slots__ = ("_bytes", "has_token", "pictures", "usage")

    def __init__(self) -> None:
        self.has_token = False
        self.pictures = 0
        self.usage: Usage | None = None
        self._bytes = 0

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Take note of one chunk."""
        reported = chunk.get("usage")
        if reported:
            self.usage = read_usage(reported) or self.usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            content = delta.get("content")
            if len(delta) == 1 and isinstance(content, str) and content.isascii():
                size = len(content)
            else:
                size = sum(len(text.encode("utf-8", "replace")) for text in _written(delta))
            self._bytes += size
            if delta.get("images"):
                self.pictures += pictures_in(delta)
                self.has_token = True
            if size or choice.get("finish_reason") or delta.get("tool_calls") or delta.get("audio"):
                self.has_token = True

    @property
    def written_tokens(self) -> int:
        """Output tokens counted here."""
        return -(-self._bytes // _BYTES_PER_TOKEN)


class Books:
    """One attempt while it runs; closed once, by an answer, a failure or a cancellation.

    ``price`` is None for a local model; ``input_tokens`` counts those of the request, ``units`` is what it asks for
    beside tokens. ``close`` gets these
    books, the attempt, its error, and whether the call went out.
    """

    def __init__(
        self,
        step: Call,
        *,
        price: Price | None,
        input_tokens: Callable[[], int],
        units: Units | None = None,
        elapsed_ms: Callable[[], float],
        close: Callable[[Books, Attempt, UpstreamError | None, bool], None],
    ) -> None:
        self._step, self._price, self._input_tokens, self._units = step, price, input_tokens, units
        self._elapsed_ms, self._tell = elapsed_ms, close
        self._started_ms = elapsed_ms()
        self._meter: AnswerMeter | None = None
        self._ttft_ms: float | None = None
        self._pictures = 0
        self._is_sent = self._is_closed = False

    def sent(self, meter: AnswerMeter | None) -> None:
        """The call goes out now; ``meter`` reads the chunks of its stream."""
        self._is_sent, self._meter = True, meter

    def first_token(self) -> None:
        """The caller gets the first of the answer now; told again, it changes nothing."""
        if self._ttft_ms is None:
            self._ttft_ms = self._elapsed_ms() - self._started_ms

    def counted(self) -> Usage:
        """The usage as far as it can be counted here."""
        written = self._meter.written_tokens if self._meter is not None else 0
        return Usage(input=self._input_tokens(), output=written, estimated=True)

    def answered(self, usage: Usage, choices: Iterable[Mapping[str, Any]] = ()) -> Usage:
        """It answered, and used this; ``choices`` are those of a whole answer."""
        if self._price is not None and self._price.by_unit is not None:
            self._pictures = sum(pictures_in(choice["message"]) for choice in choices)
        self._close(usage, None)
        return usage

    def failed(self, error: UpstreamError) -> None:
        """It failed; what may be billed all the same is counted."""
        began = self._ttft_ms is not None or (self._meter is not None and self._meter.has_token)
        self._close(self._used() if error.may_be_billed or began else Usage(), error)

    def cancelled(self) -> None:
        """The caller left."""
        error = UpstreamError("the caller left.", kind="unknown")
        self._close(self._used() if self._is_sent else Usage(), error, kind="cancelled")

    def superseded(self, usage: Usage | None = None) -> None:
        """Another call answered first, and this one was stopped; ``usage`` is what it used where that is known."""
        error = UpstreamError("another call answered first.", kind="unknown")
        self._close(usage or (self._used() if self._is_sent else Usage()), error, kind="superseded")

    def _used(self) -> Usage:
        return (self._meter.usage if self._meter is not None else None) or self.counted()

    def _close(self, usage: Usage, error: UpstreamError | None, *, kind: str | None = None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        latency_ms = self._elapsed_ms() - self._started_ms
        usd: float | None = 0.0
        if self._price is not None and usage != _NOTHING:
            if self._price.by_unit is not None:
                usage = msgspec.structs.replace(usage, units=self._charged(self._price.by_unit, usage, latency_ms))
            usd = cost_usd(self._price, usage)
        step = self._step
        attempt = Attempt(
            model=step.model,
            kind=step.kind,
            started_ms=self._started_ms,
            latency_ms=latency_ms,
            usage=usage,
            usd=usd,
            ttft_ms=self._ttft_ms,
            role=step.role,
        )
        if error is not None:
            attempt = msgspec.structs.replace(
                attempt,
                error=kind or error.kind,
                message=str(error),
                retryable=error.retryable,
                retry_after_s=error.retry_after_s,
            )
        self._tell(self, attempt, error, self._is_sent)

    def _charged(self, prices: UnitPrices, usage: Usage, latency_ms: float) -> Units:
        """What is charged beside tokens. Searches that nobody tells count as the one that was asked for."""
        asked, told = self._units or _NO_UNITS, usage.units or _NO_UNITS
        is_asked = prices.always_searches or asked.searches != 0
        return Units(
            images=asked.images,
            images_output=self._pictures + (0 if self._meter is None else self._meter.pictures),
            seconds=latency_ms / 1000.0,
            searches=told.searches or int(is_asked),
            search_size=asked.search_size,
        )


class ChunkRestorer:
    """Puts masked values back into a stream's chunks. What could still be half a placeholder is held back, at most
    until the choice ends. ``is_json``: the content is a JSON text, so values are written as inside its strings."""

    def __init__(self, mapping: Mapping[str, str], *, is_json: bool = False) -> None:
        self._mapping, self._is_json = mapping, is_json
        self._texts: dict[tuple[int, str], StreamRestorer] = {}
        self._calls: dict[tuple[int, int], StreamRestorer] = {}

    def restore(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk with the values put back; the given one is not altered."""
        choices = chunk.get("choices")
        return chunk if not choices else {**chunk, "choices": [self._choice(choice) for choice in choices]}

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        index = choice.get("index") or 0
        delta = dict(choice.get("delta") or {})
        for field in _TEXTS:
            if isinstance(delta.get(field), str):
                delta[field] = self._text(index, field).feed(delta[field])
        if isinstance(delta.get("tool_calls"), list):
            delta["tool_calls"] = [self._call(index, call) for call in delta["tool_calls"]]
        if choice.get("finish_reason"):
            self._flush(index, delta)
        return {**choice, "delta": delta}

    def _call(self, index: int, call: dict[str, Any]) -> dict[str, Any]:
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
            return call
        key = (index, call.get("index") or 0)
        restorer = self._calls.setdefault(key, StreamRestorer(self._mapping, escaped=True))
        return {**call, "function": {**function, "arguments": restorer.feed(function["arguments"])}}

    def _text(self, index: int, field: str) -> StreamRestorer:
        escaped = self._is_json and field == "content"
        return self._texts.setdefault((index, field), StreamRestorer(self._mapping, escaped=escaped))

    def _flush(self, index: int, delta: dict[str, Any]) -> None:
        for (at, field), restorer in self._texts.items():
            held = restorer.close() if at == index else ""
            if held:
                delta[field] = (delta.get(field) or "") + held
        for (at, call), restorer in self._calls.items():
            held = restorer.close() if at == index else ""
            if held:
                calls = [*(delta.get("tool_calls") or ()), {"index": call, "function": {"arguments": held}}]
                delta["tool_calls"] = calls


def restore_answer(body: dict[str, Any], mapping: Mapping[str, str], *, is_json: bool = False) -> dict[str, Any]:
    """A whole answer with the masked values put back; the given one is not altered. ``is_json`` as above."""
    choices = []
    for choice in body["choices"]:
        message = dict(choice["message"])
        for field in _TEXTS:
            if isinstance(message.get(field), str):
                message[field] = restore(message[field], mapping, escaped=is_json and field == "content")
        if isinstance(message.get("tool_calls"), list):
            message["tool_calls"] = [_restore_call(call, mapping) for call in message["tool_calls"]]
        if isinstance(message.get("function_call"), dict):
            message["function_call"] = _restore_arguments(message["function_call"], mapping)
        choices.append({**choice, "message": message})
    return {**body, "choices": choices}


def estimated_input(request: Request, decision: Decision) -> int:
    """Input tokens of the request as the decision estimated them, else by its size."""
    signal = decision.signals.get("tokens")
    if signal is not None and signal.value is not None:
        return int(signal.value.input)
    size = request.n_bytes or sum(len(message.text.encode("utf-8", "replace")) for message in request.messages)
    return -(-size // _BYTES_PER_TOKEN)


def estimated_usage(request: Request, decision: Decision, body: Mapping[str, Any]) -> Usage:
    """The usage of a whole answer whose provider reported none."""
    size = 0
    for choice in body.get("choices") or ():
        size += sum(len(text.encode("utf-8", "replace")) for text in _written(choice.get("message") or {}))
    return Usage(input=estimated_input(request, decision), output=-(-size // _BYTES_PER_TOKEN), estimated=True)


def usage_body(usage: Usage) -> dict[str, int]:
    """Tokens as OpenAI's ``usage`` object tells them."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }


def typed_error(error: Exception, deployment: str) -> UpstreamError:
    """The error as an UpstreamError, with the deployment's name."""
    if isinstance(error, UpstreamError):
        error.deployment = error.deployment or deployment
        return error
    if isinstance(error, TimeoutError):
        return UpstreamError(
            f"{deployment} gave no answer in time.", kind="timeout", deployment=deployment, may_be_billed=True
        )
    typed = UpstreamError(
        f"{deployment} failed ({type(error).__name__}).", kind="unknown", deployment=deployment, may_be_billed=True
    )
    typed.__cause__ = error
    return typed


def pictures_in(message: Mapping[str, Any]) -> int:
    """Pictures of an answer's message, or of a chunk's delta (``images``, as OpenRouter and litellm write them)."""
    images = message.get("images")
    return len(images) if isinstance(images, list) else 0


def _written(message: Mapping[str, Any]) -> Iterable[str]:
    for field in _TEXTS:
        text = message.get(field)
        if isinstance(text, str):
            yield text
        elif text is not None:
            yield said(text)
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield from (text for text in (function.get("name"), function.get("arguments")) if isinstance(text, str))
    called = message.get("function_call")
    if isinstance(called, Mapping) and isinstance(called.get("arguments"), str):
        yield called["arguments"]


def _restore_call(call: Any, mapping: Mapping[str, str]) -> Any:
    if isinstance(call, Mapping) and isinstance(call.get("function"), dict):
        return {**call, "function": _restore_arguments(call["function"], mapping)}
    return call


def _restore_arguments(function: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(function.get("arguments"), str):
        return function
    return {**function, "arguments": restore(function["arguments"], mapping, escaped=True)}
