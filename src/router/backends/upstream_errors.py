"""What went wrong at a provider, typed: from a status and OpenAI's code, an error object, an answer that is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import UpstreamError, UpstreamErrorKind

__all__ = [
    "cut_short",
    "error_from_status",
    "error_in_body",
    "malformed",
    "missing_credential",
    "retry_after_s",
    "scrub",
]

_SECRET = re.compile(r"(?i)\b(?:(?:sk|pk|gsk|xai|AIza|hf|key)[-_][\w*.-]{6,}|AIza[\w-]{10,}|bearer\s+[\w.~+/-]{8,}=*)")
_MAX_MESSAGE = 500

_HINTS: Mapping[UpstreamErrorKind, str] = {
    "auth": "Check the deployment's credential.",
    "quota": "Add credit at the provider.",
    "not_found": "Check the deployment's model and api_base.",
    "context_length": "Shorten the request.",
}
_CODES: tuple[tuple[str, UpstreamErrorKind, bool], ...] = (
    ("insufficient_quota", "quota", False),
    ("billing", "quota", False),
    ("credit", "quota", False),
    ("context_length", "context_length", False),
    ("string_above_max_length", "context_length", False),
    ("content_filter", "content_filter", False),
    ("content_policy", "content_filter", False),
    ("unsupported_parameter", "unsupported", False),
    ("unsupported_value", "unsupported", False),
    ("model_not_found", "not_found", False),
    ("invalid_api_key", "auth", False),
    ("rate_limit", "rate_limit", True),
    ("overloaded", "overload", True),
)
_STATUSES: Mapping[int, tuple[UpstreamErrorKind, bool]] = {
    400: ("bad_request", False),
    401: ("auth", False),
    402: ("quota", False),
    403: ("auth", False),
    404: ("not_found", False),
    405: ("not_found", False),
    408: ("timeout", True),
    409: ("overload", True),
    410: ("not_found", False),
    413: ("context_length", False),
    422: ("bad_request", False),
    425: ("overload", True),
    429: ("rate_limit", True),
    501: ("unsupported", False),
    504: ("timeout", True),
}


def error_from_status(
    status: int,
    *,
    message: str,
    deployment: str,
    code: str = "",
    retry_after: str | None = None,
    now: datetime | None = None,
) -> UpstreamError:
    """The typed error of an HTTP status and OpenAI's error code (https://platform.openai.com/docs/guides/error-codes)."""
    kind, retryable = _kind(status, code, message)
    return UpstreamError(
        f"{deployment} answered {status}: {scrub(message) or 'no message'}",
        kind=kind,
        upstream_status=status,
        retryable=retryable,
        retry_after_s=retry_after_s(retry_after, now=now),
        deployment=deployment,
        # A gateway that gave up does not know whether the provider behind it went on.
        may_be_billed=kind == "timeout",
        hint=_HINTS.get(kind, ""),
    )


def error_in_body(error: object, deployment: str) -> UpstreamError:
    """The typed error of an ``error`` object that came with status 200 or within a stream."""
    fields = error if isinstance(error, Mapping) else {"message": error}
    code, status = fields.get("code"), fields.get("status")
    number = next((value for value in (code, status) if isinstance(value, int) and 400 <= value < 600), 0)
    named = " ".join(str(value) for value in (code, fields.get("type")) if isinstance(value, str))
    found = error_from_status(
        number or 502, message=str(fields.get("message") or "an error"), deployment=deployment, code=named
    )
    found.may_be_billed = True
    return found


def missing_credential(deployment: str, variable: str) -> UpstreamError:
    """The environment variable that should hold the deployment's credential is not set."""
    return UpstreamError(
        f"{deployment}: the credential {variable} is not set.",
        kind="auth",
        deployment=deployment,
        hint=f"Set the environment variable {variable}.",
    )


def malformed(deployment: str, what: str) -> UpstreamError:
    """The answer cannot be read; asking again may help."""
    return UpstreamError(
        f"{deployment}: {what}.",
        kind="malformed",
        retryable=True,
        deployment=deployment,
        may_be_billed=True,
        hint="Check that the address serves OpenAI's chat completions.",
    )


def cut_short(deployment: str) -> UpstreamError:
    """The stream ended before the answer was complete."""
    return UpstreamError(
        f"{deployment}: the stream ended before the answer was complete.",
        kind="network",
        retryable=True,
        deployment=deployment,
        may_be_billed=True,
    )


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3); None when it says nothing."""
    if not value:
        return None
    text = value.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text):
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def scrub(message: str, secret: str | None = None) -> str:
    """``message`` on one line, cut to 500 characters, without ``secret`` and what else looks like a credential."""
    if secret:
        message = message.replace(secret, "[secret]")
    return _SECRET.sub("[secret]", " ".join(message[: 4 * _MAX_MESSAGE].split()))[:_MAX_MESSAGE]


def _kind(status: int, code: str, message: str) -> tuple[UpstreamErrorKind, bool]:
    lowered = code.lower()
    for word, kind, retryable in _CODES:
        if word in lowered:
            return kind, retryable
    if status in (400, 422) and re.search(r"(?i)context (?:length|window)|maximum context|too many tokens", message):
        return "context_length", False
    if status == 429 and re.search(r"(?i)insufficient.quota|exceeded your current quota|out of credit", message):
        return "quota", False
    found = _STATUSES.get(status)
    if found is not None:
        return found
    if status >= 500:
        return "overload", True
    return ("bad_request", False) if 400 <= status < 500 else ("malformed", True)
