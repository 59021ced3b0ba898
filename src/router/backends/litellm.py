"""Every provider that litellm speaks (https://docs.litellm.ai), one call at a time and without litellm's own retries.

litellm is imported by the first call, in a worker thread, since that takes seconds. The room knows litellm's exceptions
and nothing of retries, prices or policies.
"""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ..catalogue import Deployment, provider_key_env
from ..errors import UpstreamError, UpstreamErrorKind
from ..types import Usage
from .base import (
    ChunkStream,
    Completeness,
    Credential,
    Reach,
    Reply,
    UpstreamCall,
    check_chunk,
    check_reach,
    check_reply,
    read_usage,
)
from .late import Once
from .upstream_errors import cut_short, error_from_status, malformed, missing_credential, retry_after_s, scrub

__all__ = ["ERROR_KINDS", "LitellmBackend", "upstream_error"]

# Fields of a chat body that ``acompletion`` takes by name. Everything else that a caller writes goes into the body as
# it is (``extra_body``), and never becomes one of litellm's own settings (``api_base``, ``mock_response`` ...).
_NAMED = frozenset(
    "messages model functions function_call temperature top_p n stream stream_options stop max_tokens "  # noqa: SIM905
    "max_completion_tokens modalities prediction audio presence_penalty frequency_penalty logit_bias user "
    "response_format seed tools tool_choice parallel_tool_calls logprobs top_logprobs reasoning_effort verbosity "
    "safety_identifier service_tier store prompt_cache_key prompt_cache_retention thinking web_search_options".split()
)

_EMBEDDING_NAMES = frozenset({"model", "input", "dimensions", "encoding_format", "user"})

# litellm's and its clients' exceptions by class name: kind and whether to retry; None: the HTTP status says it.
ERROR_KINDS: Mapping[str, tuple[UpstreamErrorKind, bool] | None] = {
    "AuthenticationError": ("auth", False),
    "CallerCredentialAuthenticationError": ("auth", False),
    "PermissionDeniedError": ("auth", False),
    "NotFoundError": ("not_found", False),
    "LiteLLMUnknownProvider": ("not_found", False),
    "UnsupportedEndpointError": ("unsupported", False),
    "EndpointNotSupportedByModelError": ("unsupported", False),
    "UnsupportedParamsError": ("unsupported", False),
    "ModelNotMappedError": ("not_found", False),
    "VectorStoreSearchError": ("bad_request", False),
    "MalformedRequestFieldError": ("bad_request", False),
    "ImageFetchError": ("bad_request", False),
    "InvalidRequestError": None,
    "BadRequestError": None,
    "UnprocessableEntityError": None,
    "ConflictError": None,
    "ContextWindowExceededError": ("context_length", False),
    "ContentPolicyViolationError": ("content_filter", False),
    "RejectedRequestError": ("content_filter", False),
    "GuardrailRaisedException": ("content_filter", False),
    "GuardrailInterventionNormalStringError": ("content_filter", False),
    "BlockedPiiEntityError": ("content_filter", False),
    "ModifyResponseException": ("content_filter", False),
    "SensitiveDataRouteException": ("content_filter", False),
    "PaymentRequiredError": ("quota", False),
    "BudgetExceededError": ("quota", False),
    "RateLimitError": None,
    "CallerCredentialRateLimitError": ("rate_limit", True),
    "RouterRateLimitError": ("rate_limit", True),
    "RouterRateLimitErrorBasic": ("rate_limit", True),
    "Timeout": ("timeout", True),
    "APITimeoutError": ("timeout", True),
    "TimeoutException": ("timeout", True),
    "TimeoutError": ("timeout", True),
    "APIConnectionError": ("network", True),
    "TransportError": ("network", True),
    "ConnectionError": ("network", True),
    "MidStreamFallbackError": ("network", True),
    "ServiceUnavailableError": ("overload", True),
    "BadGatewayError": ("overload", True),
    "InternalServerError": ("overload", True),
    "APIResponseValidationError": ("malformed", True),
    "JSONSchemaValidationError": ("malformed", True),
    "MockException": None,
    "APIStatusError": None,
    "APIError": None,
    "OpenAIError": ("unknown", False),
}


class _NoRetries(int):
    """Zero that ``max_retries or DEFAULT_MAX_RETRIES``, as litellm has it for embeddings, does not take for unsaid."""

    def __bool__(self) -> bool:
        return True


def _no_credential(_: str) -> str | None:
    return None


class LitellmBackend:
    """Calls ``litellm.acompletion``. ``credential`` gives a key by the name of its variable."""

    def __init__(self, *, credential: Credential = _no_credential, reach: Reach = "any") -> None:
        self._credential, self._reach = credential, reach
        self._litellm = Once(_load, name="router-load-litellm")

    @property
    def is_warm(self) -> bool:
        """Whether litellm is imported."""
        return self._litellm.is_done

    async def warm(self) -> None:
        """Import litellm now, so that no request's deadline pays for it."""
        await self._litellm.get()

    async def send(self, call: UpstreamCall) -> Reply:
        """The whole answer; see :class:`router.backends.base.Backend`."""
        name = call.deployment.name
        answer = await self._complete(call)
        if not hasattr(answer, "model_dump"):
            raise malformed(name, "the answer is no chat completion")
        body = check_reply(_plain_body(answer.model_dump()), name)
        return Reply(body=body, usage=_told_usage(body))

    async def open_stream(self, call: UpstreamCall) -> ChunkStream:
        """The stream of chunks; see :class:`router.backends.base.Backend`."""
        stream = await self._complete(call)
        if not hasattr(stream, "__anext__"):
            raise malformed(call.deployment.name, "a stream was asked for and something else came")
        return _LitellmStream(stream, call.deployment.name, call.request.n)

    async def embed(self, deployment: Deployment, body: Mapping[str, Any]) -> dict[str, Any]:
        """OpenAI's list of embeddings for the body of an embeddings request.

        Raises:
            UpstreamError: whatever went wrong, typed.
        """
        litellm = self._litellm.peek() or await self._litellm.get()
        # As in a chat: no field of a caller may name an address, a provider or a credential.
        arguments = {key: value for key, value in body.items() if key in _EMBEDDING_NAMES}
        extra = {key: value for key, value in body.items() if key not in _EMBEDDING_NAMES}
        if extra:
            arguments["extra_body"] = extra
        arguments.update(max_retries=_NoRetries(), api_key=self._key(deployment))
        if deployment.api_base is not None:
            arguments["api_base"] = deployment.api_base
        try:
            answer = await litellm.aembedding(**arguments)
        except Exception as error:
            raise upstream_error(error, deployment.name) from error
        found: dict[str, Any] = answer.model_dump()
        _told_usage(found)
        return found

    async def aclose(self) -> None:
        """Close litellm's connections of this event loop."""
        close = getattr(self._litellm.peek(), "close_litellm_async_clients", None)
        if close is not None:
            await close()

    async def _complete(self, call: UpstreamCall) -> Any:
        check_reach(self._reach, call.deployment)
        litellm = self._litellm.peek() or await self._litellm.get()
        try:
            return await litellm.acompletion(**self._arguments(call))
        except Exception as error:
            raise upstream_error(error, call.deployment.name) from error

    def _arguments(self, call: UpstreamCall) -> dict[str, Any]:
        deployment = call.deployment
        arguments: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in call.body.items():
            (arguments if key in _NAMED or key in deployment.params else extra)[key] = value
        if extra:
            arguments["extra_body"] = {**extra, **arguments.get("extra_body", {})}
        arguments.update(timeout=call.timeout_s, max_retries=0, num_retries=0, drop_params=False)
        if deployment.api_base is not None:
            arguments["api_base"] = deployment.api_base
        credential = self._key(call.deployment)
        if credential is not None:
            arguments["api_key"] = credential
        return arguments

    def _key(self, deployment: Deployment) -> str | None:
        usual = provider_key_env(deployment.model)
        if deployment.key_env is not None and (deployment.key_env not in usual or deployment.api_base is not None):
            key = self._credential(deployment.key_env)
            if not key:
                raise missing_credential(deployment.name, deployment.key_env)
            return key
        if deployment.api_base is not None:
            # Without this litellm would send the provider's usual key to a server that is not the provider's.
            return "none"
        # What is no plain key (an AWS profile, a bearer token) litellm takes from the environment itself.
        names = [name for name in usual if name.endswith("_API_KEY")]
        return next((key for name in names if (key := self._credential(name))), None)


class _LitellmStream:
    """litellm's stream as plain chunks. Every end but a complete answer raises."""

    def __init__(self, stream: Any, name: str, n: int) -> None:
        self._stream, self._name = stream, name
        self._completeness = Completeness(n)

    def __aiter__(self) -> _LitellmStream:
        return self

    async def __anext__(self) -> dict[str, Any]:
        found: dict[str, Any] | None = None
        while found is None:
            try:
                chunk = await self._stream.__anext__()
            except StopAsyncIteration:
                if not self._completeness.is_complete:
                    raise cut_short(self._name) from None
                raise
            except Exception as error:
                raise upstream_error(error, self._name, began=True) from error
            found = check_chunk(_plain_chunk(chunk.model_dump()), self._name)
        if found.get("usage") and not self._reported_usage():
            # litellm counted for itself; the one who keeps the books counts too, and marks it as an estimate.
            del found["usage"]
        self._completeness.take(found)
        return found

    async def aclose(self) -> None:
        """Stop the upstream."""
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()

    def _reported_usage(self) -> bool:
        seen = getattr(self._stream, "chunks", None)
        return not isinstance(seen, list) or any(getattr(chunk, "usage", None) for chunk in seen)


def upstream_error(error: BaseException, deployment: str, *, began: bool = False) -> UpstreamError:
    """The typed error for anything that litellm raised; ``began``: the answer had begun.

    A class that is not in ``ERROR_KINDS`` is read as the first of its bases that is.
    """
    if isinstance(error, UpstreamError):
        return error
    message = scrub(str(getattr(error, "message", "") or error)) or type(error).__name__
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) and not isinstance(status, bool) else None
    wait = _header(error, "retry-after")
    named = next((ERROR_KINDS[base.__name__] for base in type(error).__mro__ if base.__name__ in ERROR_KINDS), _UNKNOWN)
    if named is None or named == _UNKNOWN:
        if status is None or not 400 <= status < 600:
            kind, retryable = _UNKNOWN
        else:
            code = getattr(error, "code", None)
            code = code if isinstance(code, str) and not code.isdigit() else ""
            found = error_from_status(status, message=message, deployment=deployment, code=code, retry_after=wait)
            found.may_be_billed = found.may_be_billed or began
            return found
    else:
        kind, retryable = named
        if kind == "overload" and "Connection error" in message:
            # litellm's word for a connection that broke under OpenAI's client.
            kind, began = "network", True
    return UpstreamError(
        f"{deployment}: {message}",
        kind=kind,
        upstream_status=status,
        retryable=retryable,
        retry_after_s=retry_after_s(wait),
        deployment=deployment,
        may_be_billed=began or kind in ("timeout", "malformed", "unknown"),
    )


_UNKNOWN: tuple[UpstreamErrorKind, bool] = ("unknown", False)


def _header(error: BaseException, name: str) -> str | None:
    """A header of the answer that the error came from."""
    for headers in (getattr(error, "litellm_response_headers", None), getattr(error, "headers", None)):
        if isinstance(headers, Mapping) and headers.get(name):
            return str(headers[name])
    response_headers = getattr(getattr(error, "response", None), "headers", None)
    return str(response_headers[name]) if isinstance(response_headers, Mapping) and name in response_headers else None


def _load() -> ModuleType:
    # Read once, at import: without it litellm fetches its price table from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    # What pydantic says of litellm's own types is of no use to anybody here.
    warnings.filterwarnings("ignore", message=r".*using the .ReadOnly. qualifier", category=UserWarning)
    warnings.filterwarnings("ignore", message=r"Pydantic serializer warnings", category=UserWarning)
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.set_verbose = False
    litellm.suppress_debug_info = True
    # Its logs hold prompts and its errors are told by ours.
    litellm.turn_off_message_logging = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    loaded: ModuleType = litellm
    return loaded


def _told_usage(body: dict[str, Any]) -> Usage | None:
    """The usage, taken out of ``body`` where a provider reported nothing: litellm writes zeros then."""
    usage = read_usage(body.get("usage"))
    if usage is not None and not usage.input and not usage.output:
        del body["usage"]
        return None
    return usage


def _plain_body(body: dict[str, Any]) -> dict[str, Any]:
    """litellm's answer as OpenAI writes it: no empty extras, ``content`` and ``finish_reason`` always there."""
    found = _without_nones(body)
    choices = []
    for choice in found.get("choices") or ():
        message = _without_nones(choice.get("message") or {})
        message.setdefault("content", None)
        kept = _without_nones(choice)
        choices.append({**kept, "finish_reason": choice.get("finish_reason"), "message": message})
    found["choices"] = choices
    if isinstance(found.get("usage"), dict):
        found["usage"] = _tidy(found["usage"])
    return found


def _plain_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    found = _without_nones(chunk)
    found["choices"] = [
        {
            **_without_nones(choice),
            "delta": _without_nones(choice.get("delta") or {}),
            "finish_reason": choice.get("finish_reason"),
        }
        for choice in found.get("choices") or ()
    ]
    if isinstance(found.get("usage"), dict):
        found["usage"] = _tidy(found["usage"])
    return found


def _without_nones(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in fields.items()
        if value is not None and not (key == "provider_specific_fields" and not value)
    }


def _tidy(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_nones(value) if isinstance(value, Mapping) else value
        for key, value in usage.items()
        if value is not None
    }
