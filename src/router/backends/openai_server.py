"""What calls of an OpenAI-compatible server over HTTP share: where they go, and what is told of those that fail."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..catalogue import Deployment
from ..errors import UpstreamError
from .base import Credential
from .http import HttpAnswer, HttpError, HttpPool, HttpTooLarge, Target, head_of, target_of
from .upstream_errors import error_from_status, malformed, missing_credential, scrub

__all__ = [
    "CODED",
    "DEFAULT_BASE",
    "MAX_ERROR_BYTES",
    "answer_of",
    "call_head",
    "is_coded",
    "key_of",
    "network_error",
    "status_error",
]

DEFAULT_BASE = "https://api.openai.com/v1"
_DEFAULT_KEY = "OPENAI_API_KEY"
MAX_ERROR_BYTES = 64 * 1024
CODED = "the answer is compressed, which was not asked for"
_decode = msgspec.json.Decoder().decode


def key_of(deployment: Deployment, credential: Credential) -> str | None:
    """The key that a call of ``deployment`` carries, None where its server asks for none.

    Raises:
        UpstreamError: the variable that should hold it is not set.
    """
    variable = deployment.key_env or (None if deployment.api_base else _DEFAULT_KEY)
    if variable is None:
        return None
    key = credential(variable)
    if not key:
        raise missing_credential(deployment.name, variable)
    return key


async def answer_of(pool: HttpPool, target: Target, data: bytes, *, most: int, name: str, key: str | None) -> bytes:
    """The body that the deployment ``name`` gives to the request ``data``, of at most ``most`` bytes.

    Raises:
        UpstreamError: there is no connection, or one that broke; another status than 200; a body that is too long or
            compressed.
    """
    try:
        answer = await pool.send(target, data, most=most)
    except HttpTooLarge as error:
        raise malformed(name, str(error)) from error
    except OSError as error:
        raise network_error(name, error) from error
    if answer.status != 200:
        raise status_error(answer, name, key)
    if is_coded(answer.headers):
        raise malformed(name, CODED)
    return answer.body


def call_head(name: str, base: str, path: str, *, accept: str, key: str | None) -> tuple[Target, bytes]:
    """Where a call of the deployment ``name`` goes, and the head of its request up to the value of Content-Length.

    Raises:
        UpstreamError: ``base`` is no address, or the key has a line break.
    """
    headers = {"Content-Type": "application/json", "Accept": accept, "User-Agent": "guide-router"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    try:
        target = target_of(base.rstrip("/") + path)
        return target, head_of(target, headers)
    except ValueError as error:
        raise UpstreamError(
            f"{name}: it cannot be called ({scrub(str(error), key)}).",
            kind="network",
            deployment=name,
            hint="Check the deployment's api_base and its credential.",
        ) from None


def is_coded(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body is compressed."""
    coding = headers.get(b"content-encoding")
    return coding is not None and coding.strip().lower() != b"identity"


def network_error(name: str, error: OSError) -> UpstreamError:
    """No connection, or one that broke. Once the request was sent, the server may have worked."""
    is_sent = isinstance(error, HttpError) and error.is_sent
    return UpstreamError(
        f"{name}: the connection failed ({scrub(str(error)) or type(error).__name__}).",
        kind="timeout" if isinstance(error, TimeoutError) else "network",
        retryable=True,
        deployment=name,
        may_be_billed=is_sent,
        hint="" if is_sent else "Check the deployment's api_base, and that the server runs.",
    )


def status_error(answer: HttpAnswer, name: str, secret: str | None) -> UpstreamError:
    """An answer with another status than 200."""
    message, code = _error_fields(answer.body[:MAX_ERROR_BYTES])
    retry_after = answer.headers.get(b"retry-after")
    return error_from_status(
        answer.status,
        message=scrub(message, secret),
        code=code,
        deployment=name,
        retry_after=None if retry_after is None else retry_after.decode("latin-1"),
    )


def _error_fields(data: bytes) -> tuple[str, str]:
    """Message and code of an error body, in whatever shape servers send it."""
    try:
        body = _decode(data)
    except msgspec.DecodeError:
        return data[:400].decode("utf-8", "replace"), ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, Mapping):
        return str(error), ""
    message = error.get("message") or error.get("detail") or ""
    code = " ".join(str(error[key]) for key in ("code", "type") if isinstance(error.get(key), str))
    return str(message), code
