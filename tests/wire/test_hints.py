"""Hints in headers mean what hints in the body mean."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import RequestError
from router.types import Budget, Hints
from router.wire.hints import read_headers


def test_headers_are_read() -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"x-router-task", b"sentiment"),
        (b"x-router-budget-usd", b"0.002"),
        (b"x-router-deadline-ms", b"900ms"),
        (b"x-router-tenant", b"acme"),
        (b"x-router-labels", "positive, négative".encode()),
    ]
    assert read_headers(headers) == Hints(
        task="sentiment",
        labels=("positive", "négative"),
        tenant="acme",
        budget=Budget(max_usd=0.002, max_latency_ms=900.0),
    )


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([(b"x-router-tsak", b"nli")], 'Did you mean "x-router-task"?'),
        ([(b"x-router-task", b"nli"), (b"x-router-task", b"ner")], "sent twice"),
        ([(b"x-router-task", b"\xff")], "not UTF-8"),
        ([(b"x-router-budget-usd", b"-1")], "not an amount"),
        ([(b"x-router-labels", b"one")], "1 labels"),
        ([(b"x-router-labels", b"one,,two")], "empty label"),
    ],
)
def test_wrong_headers_say_what_is_wrong(headers: list[tuple[bytes, bytes]], said: str) -> None:
    with pytest.raises(RequestError, match=said.replace("?", r"\?")):
        read_headers(headers)


@given(
    st.lists(st.tuples(st.sampled_from([b"task", b"labels", b"budget-usd", b"deadline-ms"]), st.binary(max_size=30)))
)
def test_any_header_is_read_or_refused(pairs: list[tuple[bytes, bytes]]) -> None:
    with contextlib.suppress(RequestError):
        assert isinstance(read_headers([(b"x-router-" + name, value) for name, value in pairs]), Hints)
