"""Embeddings over HTTP and through litellm, against a real server."""

from __future__ import annotations

import pytest

from router.backends.embeddings import Embedder
from router.catalogue import Deployment
from router.errors import UpstreamError
from router.testing.upstream import Answer, Fault, Upstream


def deployment(url: str, backend: str, **fields: object) -> Deployment:
    model = "openai/tiny-embed" if backend == "litellm" else "tiny-embed"
    return Deployment(name="embed", model=model, tier="small", backend=backend, api_base=url, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["openai", "litellm"])
async def test_caller_cannot_move_the_call(backend: str) -> None:
    embedder = Embedder(credential=lambda _: "sk-secret", reach="loopback")
    body = {
        "input": ["a", "abc"],
        "api_base": "http://192.0.2.1/v1",
        "api_key": "mine",
        "custom_llm_provider": "cohere",
    }
    async with Upstream() as upstream:
        found = await embedder.embed(deployment(upstream.url, backend), body, timeout_s=30)
        await embedder.aclose()
        assert [row["embedding"][2] for row in found["data"]] == [1.0, 3.0]
        received = upstream.received[0]
    assert received.body["model"] == "tiny-embed"
    assert "sk-secret" not in str(received.headers)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=401), "auth"),
        (Fault(status=429, retry_after="2"), "rate_limit"),
        (Fault(kind="error_in_body"), "overload"),
        (Fault(kind="malformed_body"), "malformed"),
        (Fault(kind="reset"), "network"),
        (Fault(kind="stall", delay_s=20), "timeout"),
    ],
)
async def test_failures_are_typed(fault: Fault, kind: str) -> None:
    embedder = Embedder(credential=lambda _: None)
    async with Upstream([fault]) as upstream:
        with pytest.raises(UpstreamError) as failed:
            await embedder.embed(deployment(upstream.url, "openai"), {"input": "a"}, timeout_s=1)
        await embedder.aclose()
    assert failed.value.kind == kind


@pytest.mark.parametrize("backend", ["openai", "litellm"])
async def test_broken_upload_may_be_billed(backend: str) -> None:
    embedder = Embedder(credential=lambda _: None)
    async with Upstream([Fault(kind="reset")]) as upstream:
        with pytest.raises(UpstreamError) as failed:
            await embedder.embed(deployment(upstream.url, backend), {"input": "a"}, timeout_s=30)
        await embedder.aclose()
        assert len(upstream.received) == 1
    assert (failed.value.kind, failed.value.may_be_billed) == ("network", True)


@pytest.mark.parametrize("backend", ["openai", "litellm"])
async def test_usage_that_nobody_told_is_none(backend: str) -> None:
    embedder = Embedder(credential=lambda _: None)
    async with Upstream([Answer(usage=None)]) as upstream:
        found = await embedder.embed(deployment(upstream.url, backend), {"input": "a"}, timeout_s=30)
        await embedder.aclose()
    assert "usage" not in found


async def test_nothing_is_billed_where_nobody_listens() -> None:
    embedder = Embedder(credential=lambda _: None)
    with pytest.raises(UpstreamError) as failed:
        await embedder.embed(deployment("http://127.0.0.1:9/v1", "openai"), {"input": "a"}, timeout_s=5)
    assert (failed.value.kind, failed.value.may_be_billed) == ("network", False)


async def test_missing_credential_is_told() -> None:
    embedder = Embedder(credential=lambda _: None)
    with pytest.raises(UpstreamError, match="EMBED_KEY"):
        await embedder.embed(
            deployment("http://127.0.0.1:9/v1", "openai", key_env="EMBED_KEY"), {"input": "a"}, timeout_s=1
        )
