"""`dispatch.continue_streams`: a stream that was cut goes on at a fallback, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_dispatch import at, configured, policy

from router import UpstreamError
from router.testing.upstream import Answer, Fault, Upstream

ON = "continue_streams: true, tries: 1"
STORY = "Tell me a story about a lighthouse."
REST = "And the keeper lived there happily."


async def told(tmp_path: Path, first: Any, second: Any, *, dispatch: str = ON, mine: str = "", **fields: Any) -> Any:
    """Chunks, the bodies that the second upstream got, the router's record, and the error at the end."""
    async with Upstream([first]) as one, Upstream([second]) as other:
        deployments = [at(one.url, "one", extra=", weight: 100"), at(other.url, "other", tier="large")]
        async with configured(tmp_path, deployments, dispatch=dispatch, policy=mine) as router:
            chunks, error = [], None
            stream = await router.acomplete(STORY, stream=True, model="auto", **fields)
            try:
                async for chunk in stream:
                    chunks += [chunk.to_dict()]
            except UpstreamError as caught:
                error = caught
            (record,) = router.engine.ledger.tail(1)
        return chunks, [each.body for each in other.received], record, error


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks if each["choices"])


@pytest.mark.parametrize("kind", ["cut", "clean_cut", "malformed_chunk", "error_in_stream"])
async def test_cut_stream_goes_on_and_says_so(tmp_path: Path, kind: Any) -> None:
    chunks, bodies, record, error = await told(tmp_path, Fault(kind=kind, after=3), Answer(text=REST))
    assert error is None
    (mark,) = [chunk["router_continuation"] for chunk in chunks if "router_continuation" in chunk]
    shown = text_of(chunks)
    beginning = shown[: mark["after_characters"]]
    assert beginning
    assert shown == beginning + REST
    assert mark["model"] == "other"
    assert bodies[0]["messages"][-1] == {"role": "assistant", "content": beginning}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [attempt.model for attempt in record.outcome.attempts] == ["one", "other"]
    assert record.outcome.attempts[0].error is not None
    assert record.outcome.attempts[0].usage.output > 0
    assert record.outcome.status == "answered"


async def test_without_the_setting_a_cut_ends_in_an_error(tmp_path: Path) -> None:
    chunks, bodies, record, error = await told(
        tmp_path, Fault(kind="cut", after=3), Answer(text=REST), dispatch="tries: 1"
    )
    assert error is not None
    assert bodies == []
    assert not any("router_continuation" in chunk for chunk in chunks)
    assert record.outcome.status == "failed"


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        # Enough for one call at its worst, and for nothing more.
        {"max_usd": "$0.00322", "max_tokens": 800},
    ],
)
async def test_what_cannot_be_written_on_is_not(tmp_path: Path, fields: dict[str, Any]) -> None:
    _, bodies, _, error = await told(tmp_path, Fault(kind="cut", after=3), Answer(text=REST), **fields)
    assert error is not None
    assert bodies == []


async def test_checked_streams_are_not_continued(tmp_path: Path) -> None:
    mine = policy("check: {pii: redact}, hold: 200")
    chunks, bodies, _, error = await told(tmp_path, Fault(kind="cut", after=3), Answer(text=REST), mine=mine)
    # Nobody had seen anything of it: another one takes over from the start.
    assert error is None
    assert text_of(chunks) == REST
    assert not any("router_continuation" in chunk for chunk in chunks)
    assert [message["role"] for message in bodies[0]["messages"]] == ["user"]


async def test_when_nobody_can_go_on_the_error_is_told(tmp_path: Path) -> None:
    chunks, bodies, record, error = await told(tmp_path, Fault(kind="cut", after=3), Fault(status=400))
    assert error is not None
    assert len(bodies) == 1
    assert text_of(chunks)
    assert record.outcome.status == "failed"
