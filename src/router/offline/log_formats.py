"""Rows of other tools' logs -> exchanges: LiteLLM spend logs, OpenAI bodies and batch files, plain prompt and response.

LiteLLM's rows are those of its proxy's table ``LiteLLM_SpendLogs`` (``litellm/proxy/schema.prisma``), as the database,
``/spend/logs`` or a CSV export gives them; prompts stand there only with ``store_prompts_in_spend_logs``. Batch files
are those of https://platform.openai.com/docs/guides/batch: requests and answers are joined by ``custom_id``.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..catalogue import Price, cost_usd
from ..errors import RouterError
from ..state.store import to_nano
from ..types import Request, Usage
from ..wire.openai import read_chat
from .exchanges import Exchange, answer_text

__all__ = ["Ignored", "LogReader", "Unreadable", "is_spend_log", "parsed", "seconds", "usage_of"]

_PROMPTS = ("prompt", "input", "question", "query", "text", "instruction")
_ANSWERS = ("response", "completion", "output", "answer", "generation", "result")
_MODELS = ("model", "model_name", "model_group", "engine")
_COSTS = ("spend", "cost", "cost_usd", "usd", "response_cost", "total_cost")
_TIMES = ("startTime", "start_time", "timestamp", "created_at", "created", "time", "ts", "date")
_TAKEN_MS = ("request_duration_ms", "latency_ms", "duration_ms", "elapsed_ms")
_CHAT = frozenset({"completion", "acompletion", "text_completion", "atext_completion", "responses", "aresponses", ""})
_MOST_WAITING = 50_000

Prices = Callable[[str], Price | None]


class Unreadable(Exception):
    """The row is none of the known kinds, or contradicts its kind; the message says why."""


class Ignored(Exception):
    """The row is well, and no answered chat request: an embedding, a failed call."""


class LogReader:
    """Reads rows of every kind but spans; remembers what waits for its other half, 50,000 rows at most.

    ``price`` tells a model's price where the row says tokens and no cost.
    """

    def __init__(self, price: Prices) -> None:
        self._price = price
        self._waiting: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Batch rows whose other half has not come."""
        return len(self._waiting)

    def read(self, row: Mapping[str, Any]) -> Exchange | None:
        """The exchange of a row; None while its other half has not come.

        Raises:
            Unreadable, Ignored: see there.
        """
        if is_spend_log(row):
            return self._spend_log(row)
        if "custom_id" in row and ("body" in row or "response" in row or "error" in row):
            return self._batch(row)
        for asked, said in (("request", "response"), ("body", "response"), ("request_body", "response_body")):
            body, answer = parsed(row.get(asked)), parsed(row.get(said))
            if isinstance(body, Mapping) and "messages" in body:
                return self._bodies(body, answer, row)
        if "messages" in row:
            return self._messages(row)
        return self._plain(row)

    # ----- kinds -----

    def _spend_log(self, row: Mapping[str, Any]) -> Exchange:
        if str(row.get("status") or "success").lower() in ("failure", "failed", "error"):
            raise Ignored("a failed call")
        if str(row.get("call_type") or "").lower() not in _CHAT:
            raise Ignored("no chat call")
        asked = parsed(row.get("proxy_server_request"))
        if not (isinstance(asked, Mapping) and asked.get("messages")):
            messages = parsed(row.get("messages"))
            asked = messages if isinstance(messages, Mapping) and messages.get("messages") else {"messages": messages}
        response = parsed(row.get("response"))
        has_contents = bool(asked.get("messages")) and bool(response)
        request = self._request(asked) if has_contents else None
        return self._exchange(
            request,
            _said(response) if request is not None else None,
            row,
            usage=Usage(input=_whole(row.get("prompt_tokens")), output=_whole(row.get("completion_tokens"))),
            # Without contents the nearest thing to a template is who called, with what: never one of the router's.
            template="" if request is not None else _caller(row),
        )

    def _batch(self, row: Mapping[str, Any]) -> Exchange | None:
        if row.get("error"):
            raise Ignored("a failed call")
        key = str(row["custom_id"])
        other = self._waiting.pop(key, None)
        is_request = isinstance(row.get("body"), Mapping) and "response" not in row
        if other is None or (("response" in other) != is_request):
            self._waiting[key] = row
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)
                self.lost += 1
            return None
        asked, said = (row, other) if is_request else (other, row)
        response = said.get("response")
        body = asked.get("body")
        if not isinstance(response, Mapping) or not isinstance(body, Mapping):
            raise Unreadable("a batch row without a body")
        if response.get("status_code") not in (None, 200):
            raise Ignored("a failed call")
        if "messages" not in body:
            raise Ignored("no chat call")
        return self._bodies(body, response.get("body"), {**body, **_timed(response.get("body"))})

    def _bodies(self, body: Mapping[str, Any], answer: Any, row: Mapping[str, Any]) -> Exchange:
        if isinstance(answer, Mapping) and answer.get("error"):
            raise Ignored("a failed call")
        told = {
            **body,
            **_timed(answer),
            **{key: value for key, value in row.items() if key not in ("body", "request")},
        }
        return self._exchange(self._request(body), _said(answer), told, usage=usage_of(answer))

    def _messages(self, row: Mapping[str, Any]) -> Exchange:
        """A conversation that ends with the answer, as in files for fine-tuning, or has it beside."""
        messages = parsed(row["messages"])
        if not isinstance(messages, list) or not all(isinstance(each, Mapping) for each in messages) or not messages:
            raise Unreadable("messages are no list of objects")
        answer = next((said for key in _ANSWERS if (said := _said(parsed(row.get(key)))) is not None), None)
        if answer is None and messages[-1].get("role") == "assistant":
            answer = answer_text({"choices": [{"message": messages[-1]}]})
            messages = messages[:-1]
        body = {key: row[key] for key in ("tools", "tool_choice", "response_format") if row.get(key) is not None}
        return self._exchange(self._request({**body, "messages": messages}), answer, row, usage=usage_of(row))

    def _plain(self, row: Mapping[str, Any]) -> Exchange:
        prompt = next((parsed(row[key]) for key in _PROMPTS if row.get(key)), None)
        answer = next((said for key in _ANSWERS if (said := _said(parsed(row.get(key)))) is not None), None)
        if isinstance(prompt, Mapping) and "messages" in prompt:
            return self._exchange(self._request(prompt), answer, row, usage=usage_of(row))
        if isinstance(prompt, list):
            return self._exchange(self._request({"messages": prompt}), answer, row, usage=usage_of(row))
        if not isinstance(prompt, str) or answer is None:
            raise Unreadable("neither a prompt with its response, nor any other kind that is known")
        messages = [{"role": "user", "content": prompt}]
        system = next((row[key] for key in ("system", "system_prompt") if isinstance(row.get(key), str)), None)
        if system:
            messages.insert(0, {"role": "system", "content": system})
        return self._exchange(self._request({"messages": messages}), answer, row, usage=usage_of(row))

    # ----- parts -----

    def _request(self, body: Mapping[str, Any]) -> Request:
        kept = {
            key: body[key]
            for key in ("messages", "tools", "tool_choice", "response_format", "functions", "function_call")
            if body.get(key) is not None
        }
        try:
            return read_chat(kept)
        except RouterError as error:
            raise Unreadable(error.message.rstrip(".")) from error

    def _exchange(
        self, request: Request | None, answer: str | None, row: Mapping[str, Any], *, usage: Usage, template: str = ""
    ) -> Exchange:
        model = next((str(row[key]) for key in _MODELS if row.get(key)), "")
        usd = next((cost for key in _COSTS if (cost := _number(row.get(key))) is not None), None)
        if usd is None and (usage.input or usage.output):
            price = self._price(model)
            usd = None if price is None else cost_usd(price, usage)
        at_s = next((at for key in _TIMES if (at := seconds(row.get(key))) is not None), None)
        taken = next((ms for key in _TAKEN_MS if (ms := _number(row.get(key))) is not None), None)
        ended = seconds(row.get("endTime") or row.get("end_time"))
        if taken is None and ended is not None and at_s is not None and ended >= at_s:
            taken = round((ended - at_s) * 1000.0, 3)
        return Exchange(
            request=request,
            answer=answer,
            template=template,
            model=model,
            at_s=at_s,
            nano_usd=to_nano(usd or 0.0),
            is_priced=usd is not None,
            latency_ms=taken,
        )


def is_spend_log(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of LiteLLM's table of spending."""
    return "spend" in row and "startTime" in row and ("request_id" in row or "call_type" in row)


def parsed(value: Any) -> Any:
    """JSON that stands as text inside a row, as its value; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def seconds(value: Any) -> float | None:
    """Unix seconds of a number (seconds, or milliseconds, microseconds or nanoseconds by its size) or an ISO time."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        try:
            when = datetime.fromisoformat(value.strip().replace("Z", "+00:00").removesuffix(" UTC"))
        except ValueError:
            return None
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    number = _number(value)
    while number is not None and number > 1e11:
        number /= 1e3
    return number


def usage_of(body: Any) -> Usage:
    """Tokens that an answer, or a row, says; zero where it says nothing."""
    usage = body.get("usage") if isinstance(body, Mapping) else None
    told: Mapping[str, Any] = usage if isinstance(usage, Mapping) else body if isinstance(body, Mapping) else {}
    details = told.get("prompt_tokens_details")
    cached = _whole(details.get("cached_tokens")) if isinstance(details, Mapping) else 0
    given = _whole(told.get("prompt_tokens") or told.get("input_tokens"))
    return Usage(
        input=given,
        output=_whole(told.get("completion_tokens") or told.get("output_tokens")),
        cached_input=min(cached, given),
    )


def _said(answer: Any) -> str | None:
    if isinstance(answer, str):
        return answer if answer.strip() else None
    if isinstance(answer, bool | int | float):
        return msgspec.json.encode(answer).decode()
    if not isinstance(answer, Mapping):
        return None
    if "choices" in answer:
        return answer_text(answer)
    if isinstance(answer.get("content"), str) or answer.get("tool_calls"):
        return answer_text({"choices": [{"message": answer}]})
    text = answer.get("text") or answer.get("output_text")
    if isinstance(text, str) and text.strip():
        return text
    # An object that is the answer itself: the prompt asked for JSON.
    return json.dumps(answer, ensure_ascii=False) if answer and "error" not in answer else None


def _timed(answer: Any) -> dict[str, Any]:
    return {key: answer[key] for key in ("created", "model") if key in answer} if isinstance(answer, Mapping) else {}


def _caller(row: Mapping[str, Any]) -> str:
    who = next((str(row[key]) for key in ("end_user", "user", "team_id", "api_key") if row.get(key)), "anybody")
    return f"unread:{str(row.get('model_group') or row.get('model') or 'model')[:40]}:{who[:12]}"


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(value)


def _whole(value: Any) -> int:
    return int(_number(value) or 0)
