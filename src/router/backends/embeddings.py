"""One call for embeddings, to any OpenAI-compatible server or through litellm; every failure is an UpstreamError."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ..catalogue import Deployment
from ..errors import UpstreamError
from .base import Credential, Reach, check_reach
from .http import HttpPool
from .openai_server import DEFAULT_BASE, answer_of, call_head, key_of
from .upstream_errors import error_in_body, malformed

__all__ = ["Embedder"]

_MAX_BODY_BYTES = 256 * 1024 * 1024
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Embedder:
    """Calls ``<api_base>/embeddings``, or ``litellm.aembedding`` where the deployment's backend is litellm.

    The connections belong to the event loop that uses it first.
    """

    def __init__(self, *, credential: Credential, reach: Reach = "any", connect_timeout_s: float = 10.0) -> None:
        self._credential, self._reach = credential, reach
        self._connect_timeout_s = connect_timeout_s
        self._pool: HttpPool | None = None
        self._litellm: Any = None

    async def embed(self, deployment: Deployment, body: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The answer, OpenAI's ``list`` of ``embedding`` objects.

        Raises:
            UpstreamError: whatever went wrong, typed.
        """
        check_reach(self._reach, deployment)
        sent = {**body, "model": deployment.model}
        try:
            async with asyncio.timeout(timeout_s):
                if deployment.backend == "litellm":
                    found = await self._by_litellm(deployment, sent)
                else:
                    found = await self._by_http(deployment, sent)
        except TimeoutError as error:
            raise UpstreamError(
                f"{deployment.name} gave no embeddings within {timeout_s:.1f} s.",
                kind="timeout",
                deployment=deployment.name,
                may_be_billed=True,
            ) from error
        if not isinstance(found.get("data"), list):
            raise malformed(deployment.name, "the answer holds no embeddings")
        return found

    async def aclose(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
        if self._litellm is not None:
            await self._litellm.aclose()

    async def _by_http(self, deployment: Deployment, body: Mapping[str, Any]) -> dict[str, Any]:
        name, key = deployment.name, key_of(deployment, self._credential)
        base = deployment.api_base or DEFAULT_BASE
        target, head = call_head(name, base, "/embeddings", accept="application/json", key=key)
        if self._pool is None or not self._pool.belongs_to(asyncio.get_running_loop()):
            self._pool = HttpPool(connect_timeout_s=self._connect_timeout_s)
        sent = _encode(body)
        data = b"%b%d\r\n\r\n%b" % (head, len(sent), sent)
        answer = await answer_of(self._pool, target, data, most=_MAX_BODY_BYTES, name=name, key=key)
        try:
            found = _decode(answer)
        except msgspec.DecodeError as error:
            raise malformed(name, "the answer is not JSON") from error
        if not isinstance(found, dict) or found.get("error"):
            raise error_in_body(found["error"] if isinstance(found, dict) else "no object", name)
        return found

    async def _by_litellm(self, deployment: Deployment, body: Mapping[str, Any]) -> dict[str, Any]:
        if self._litellm is None:
            from .litellm import LitellmBackend

            self._litellm = LitellmBackend(credential=self._credential, reach=self._reach)
        found: dict[str, Any] = await self._litellm.embed(deployment, body)
        return found
