"""Every exception of the installed litellm has a kind of ours; none is unmapped."""

import inspect
from types import SimpleNamespace

import pytest

litellm_exceptions = pytest.importorskip("litellm.exceptions")

from router.backends.litellm import ERROR_KINDS, upstream_error  # noqa: E402
from router.errors import UpstreamError  # noqa: E402


def exception_classes():
    found = inspect.getmembers(litellm_exceptions, inspect.isclass)
    return [cls for _, cls in found if issubclass(cls, Exception) and cls.__module__ == litellm_exceptions.__name__]


def bare(cls, **fields):
    """An instance without its constructor, whose arguments differ from class to class."""
    error = cls.__new__(cls)
    for name, value in {"message": "it failed", **fields}.items():
        setattr(error, name, value)
    return error


def test_there_are_exceptions_to_map():
    assert len(exception_classes()) > 20


@pytest.mark.parametrize("cls", exception_classes(), ids=lambda cls: cls.__name__)
def test_every_exception_is_mapped_by_name(cls):
    assert cls.__name__ in ERROR_KINDS


@pytest.mark.parametrize("cls", exception_classes(), ids=lambda cls: cls.__name__)
def test_every_exception_becomes_a_typed_error(cls):
    found = upstream_error(bare(cls), "small")
    assert isinstance(found, UpstreamError)
    assert found.deployment == "small"


@pytest.mark.parametrize(
    ("name", "status", "kind", "retryable"),
    [
        ("AuthenticationError", 401, "auth", False),
        ("RateLimitError", 429, "rate_limit", True),
        ("PaymentRequiredError", 402, "quota", False),
        ("APIError", 402, "quota", False),
        ("ContextWindowExceededError", 400, "context_length", False),
        ("ContentPolicyViolationError", 400, "content_filter", False),
        ("BadRequestError", 400, "bad_request", False),
        ("UnsupportedParamsError", 400, "unsupported", False),
        ("NotFoundError", 404, "not_found", False),
        ("Timeout", 408, "timeout", True),
        ("ServiceUnavailableError", 503, "overload", True),
        ("InternalServerError", 500, "overload", True),
        ("APIConnectionError", 500, "network", True),
        ("MidStreamFallbackError", 503, "network", True),
    ],
)
def test_kinds_are_what_they_mean(name, status, kind, retryable):
    found = upstream_error(bare(getattr(litellm_exceptions, name), status_code=status), "small")
    assert (found.kind, found.retryable) == (kind, retryable)


def test_retry_after_is_read_from_the_answer():
    error = bare(litellm_exceptions.RateLimitError, status_code=429, litellm_response_headers={"retry-after": "7"})
    assert upstream_error(error, "small").retry_after_s == 7.0


def test_a_foreign_exception_is_unknown_and_final():
    found = upstream_error(ValueError("sk-abcdefgh12345678 is odd"), "small")
    assert (found.kind, found.retryable) == ("unknown", False)
    assert "abcdefgh" not in str(found)


def test_an_unreadable_status_is_no_crash():
    error = SimpleNamespace(message="odd", status_code="x")
    assert upstream_error(error, "small").kind == "unknown"
