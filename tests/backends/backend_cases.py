"""Small requests, decisions and deployments for the tests of this folder."""

import asyncio

from router.catalogue import Deployment, Price
from router.types import Budget, Decision, Estimate, PolicyRef, Signal, Target, TaskReading, TokenCount, Verdict
from router.wire.openai import read_chat


async def collect(stream, into=None):
    """The chunks of a stream, put ``into`` a list as they come."""
    chunks = into if into is not None else []
    async for chunk in stream:
        chunks.append(chunk)
    return chunks


def content(chunks):
    """What the chunks write."""
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


async def dropped(upstream):
    """How many requests the client left before their end, as soon as it is one, else after two seconds."""
    for _ in range(200):
        if upstream.dropped:
            break
        await asyncio.sleep(0.01)
    return upstream.dropped


def deployment(name="small", url="http://127.0.0.1:1/v1", **fields):
    defaults = {
        "model": f"{name}-model",
        "tier": "small",
        "backend": "openai",
        "api_base": url,
        "configured": True,
        "price": Price(input=1e-6, output=2e-6),
    }
    return Deployment(name=name, **{**defaults, **fields})


def request(**body):
    body.setdefault("messages", [{"role": "user", "content": "Hello there"}])
    return read_chat(body)


def decision(model="small", *, kind="llm", fallbacks=(), signals=None, verdict=None, budget=None, **fields):
    return Decision(
        id="d1",
        policy=PolicyRef(name="guide", hash="h"),
        task=TaskReading(label="other", probability=1.0),
        target=Target(kind=kind, model=model if kind != "refuse" else None),
        fallbacks=tuple(fallbacks),
        rules=(),
        reason="because",
        estimate=Estimate(),
        candidates=(),
        signals={
            "tokens": Signal(value=TokenCount(input=10, output=20, output_max=50), confidence=1.0, detector="test"),
            **(signals or {}),
        },
        verdict=verdict or Verdict(),
        budget=budget or Budget(),
        **fields,
    )
