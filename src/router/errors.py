"""The exception tree. Every error says what was wrong, where, and what to do.

    RouterError                     500
    ├── ConfigError                 500   a config, policy or catalogue file is wrong (file:line:column)
    │   └── ModelFileError          500   a local model's file is missing, truncated, tampered or oversized
    ├── MissingExtra                500   an optional dependency is not installed
    ├── RequestError                400   the caller's request or hints are wrong
    │   ├── RequestTooLarge         413
    │   ├── TooFewRows              422   too little was recorded to learn from, or to keep a promise
    │   └── UnknownModel            404
    ├── NoCandidate                 422   nothing registered can honour the request (reason for each)
    │   ├── BudgetExceeded          402   nothing fits the money left
    │   └── DeadlineInfeasible      422   nothing fits the latency budget
    ├── RateLimited                 429   too many requests or tokens in a window of time
    ├── NotConfigured               503   the chosen hosted deployment has no credentials or address here
    ├── StateUnavailable            503   budgets or ledger cannot be reached, and nothing may run without them
    ├── DeadlineExceeded            504   time ran out while the request was running
    └── UpstreamError               502   a provider failed (kind, status, retryable, retry_after_s)

The room knows nothing else of the package. ``status`` is the HTTP status the sidecar answers with, ``code`` the
machine-readable word in OpenAI's error shape (https://platform.openai.com/docs/guides/error-codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

__all__ = [
    "BudgetExceeded",
    "ConfigError",
    "DeadlineExceeded",
    "DeadlineInfeasible",
    "MissingExtra",
    "ModelFileError",
    "NoCandidate",
    "NotConfigured",
    "RateLimited",
    "RequestError",
    "RequestTooLarge",
    "RouterError",
    "StateUnavailable",
    "TooFewRows",
    "UnknownModel",
    "UpstreamError",
    "UpstreamErrorKind",
]

UpstreamErrorKind = Literal[
    "auth",
    "quota",
    "rate_limit",
    "context_length",
    "content_filter",
    "bad_request",
    "unsupported",
    "not_found",
    "overload",
    "timeout",
    "network",
    "malformed",
    "unknown",
]


class RouterError(Exception):
    """Base of everything this package raises on purpose.

    ``hint`` is one sentence that tells the reader what to do next; it is part of ``str(error)``.
    """

    status: int = 500
    code: str = "router_error"
    type: str = "server_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip() if self.hint else self.message


class ConfigError(RouterError):
    """A file that the user wrote is wrong. ``str()`` starts with ``file:line:column:`` where they are known."""

    code = "config_error"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.file, self.line, self.column = file, line, column

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = super().__str__()
        return f"{place}: {text}" if place else text


class ModelFileError(ConfigError):
    """A local model's file cannot be trusted or read."""

    code = "model_file_error"


class MissingExtra(RouterError):
    """An optional dependency is needed and not installed."""

    code = "missing_extra"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"the package {package!r} is needed for this and is not installed.",
            hint=f'Install it with: pip install "guide-router[{extra}]"',
        )
        self.package, self.extra = package, extra


class RequestError(RouterError):
    """The request cannot be read or contradicts itself. ``param`` names the offending field."""

    status = 400
    code = "invalid_request"
    type = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.param = param


class RequestTooLarge(RequestError):
    """The body is larger, deeper or has more messages than the limits allow."""

    status = 413
    code = "request_too_large"


class TooFewRows(RequestError):
    """There is too little to learn from. ``needed`` is how many rows would do, None when the rows cannot tell."""

    status = 422
    code = "too_few_rows"

    def __init__(self, message: str, *, rows: int, needed: int | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rows, self.needed = rows, needed


class UnknownModel(RequestError):
    """The request names a model or policy that is not registered."""

    status = 404
    code = "model_not_found"


class NoCandidate(RouterError):
    """No registered target can honour the request; ``reasons`` maps each candidate to its first failing reason."""

    status = 422
    code = "no_candidate"
    type = "invalid_request_error"

    def __init__(self, message: str, *, reasons: Mapping[str, str] | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reasons = dict(reasons or {})


class BudgetExceeded(NoCandidate):
    """Nothing fits the money left. ``needed_usd`` is what the cheapest able candidate (``deployment``) would have
    needed."""

    status = 402
    code = "budget_exceeded"

    def __init__(
        self,
        message: str,
        *,
        needed_usd: float | None = None,
        left_usd: float | None = None,
        resets_at: str | None = None,
        deployment: str | None = None,
        reasons: Mapping[str, str] | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, reasons=reasons, hint=hint)
        self.needed_usd, self.left_usd, self.resets_at = needed_usd, left_usd, resets_at
        self.deployment = deployment


class DeadlineInfeasible(NoCandidate):
    """Nothing fits the latency budget. ``needed_ms`` is what the fastest able candidate would have needed."""

    code = "deadline_infeasible"

    def __init__(
        self,
        message: str,
        *,
        needed_ms: float | None = None,
        limit_ms: float | None = None,
        reasons: Mapping[str, str] | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, reasons=reasons, hint=hint)
        self.needed_ms, self.limit_ms = needed_ms, limit_ms


class RateLimited(RouterError):
    """A window's requests or tokens (``unit``) are used up. ``left`` of them remain, ``needed`` are asked for; the
    window ends in ``retry_after_s`` seconds, at ``resets_at`` (None: never)."""

    status = 429
    code = "rate_limit_exceeded"
    type = "rate_limit_error"

    def __init__(
        self,
        message: str,
        *,
        unit: str,
        needed: int,
        left: int,
        retry_after_s: float | None = None,
        resets_at: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.unit, self.needed, self.left = unit, needed, left
        self.retry_after_s, self.resets_at = retry_after_s, resets_at


class StateUnavailable(RouterError):
    """What must be remembered cannot be written or read now; ``retry_after_s`` says when to try again."""

    status = 503
    code = "state_unavailable"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class NotConfigured(RouterError):
    """The decision stands, but no provider is configured that could carry it out."""

    status = 503
    code = "provider_not_configured"


class DeadlineExceeded(RouterError):
    """The request's time ran out while it was running; ``elapsed_ms`` says after how long."""

    status = 504
    code = "deadline_exceeded"

    def __init__(self, message: str, *, elapsed_ms: float, limit_ms: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.elapsed_ms, self.limit_ms = elapsed_ms, limit_ms


class UpstreamError(RouterError):
    """A provider failed. ``kind`` decides whether a retry or a fallback may follow, and the HTTP status.

    ``retryable``: the same call may be made again. ``may_be_billed``: the provider may have worked, and may charge for
    it, although no answer came.
    """

    status = 502
    code = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        kind: UpstreamErrorKind,
        upstream_status: int | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        deployment: str | None = None,
        may_be_billed: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind: UpstreamErrorKind = kind
        self.status = _UPSTREAM_STATUS.get(kind, 502)
        if self.status < 500:
            self.type = "rate_limit_error" if self.status == 429 else "invalid_request_error"
        self.upstream_status = upstream_status
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.deployment = deployment
        self.may_be_billed = may_be_billed


_UPSTREAM_STATUS: Mapping[UpstreamErrorKind, int] = {
    "rate_limit": 429,
    "context_length": 400,
    "content_filter": 400,
    "bad_request": 400,
    "unsupported": 400,
    "overload": 503,
    "timeout": 504,
}
