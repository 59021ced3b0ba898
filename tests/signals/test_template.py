"""The fingerprint of a prompt template: the same for all its requests, another for every other template."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import Router
from router.api import as_request
from router.config import DeploymentSettings, LedgerSettings, LocalSettings, Settings
from router.signals.contract import read_asked
from router.signals.template import template_of
from router.testing.upstream import Upstream
from router.types import Message, Request, Split

ASK = "Classify the ticket as billing, shipping or account. Answer with the label only.\n\nTicket: "


def template(system: str, text: str = "where is my parcel?") -> str:
    request = as_request(
        {"messages": [{"role": "system", "content": system}, {"role": "user", "content": f"{ASK}{text}"}]}, {}
    )
    return template_of(request, read_asked(request)[1].value)


def test_the_text_to_judge_does_not_count() -> None:
    assert template("You sort tickets.", "where is my parcel?") == template("You sort tickets.", "the invoice is wrong")
    assert template("You sort tickets.") != template("You sort mails.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Today is Monday, November 30, 2026.", "Today is Tuesday, December 1, 2026."),
        ("As of 3 March 2026, 09:30:11.", "As of 28 Apr 2027, 23:59:01."),
        ("Now: 2026-11-30T12:01:02Z", "Now: 2031-01-01T00:00:00Z"),
        ("Session 550e8400-e29b-41d4-a716-446655440000.", "Session a1b2c3d4-e29b-41d4-a716-446655449999."),
        ("Customer 48211, order ABC-10233.", "Customer 99120, order ZZ-99871."),
    ],
)
def test_slots_do_not_count(one: str, other: str) -> None:
    assert template(one) == template(other)


def test_small_numbers_count() -> None:
    assert template("Rate from 1 to 5.") != template("Rate from 1 to 10.")


def test_a_user_who_says_everything_in_one_message_has_no_template() -> None:
    request = Request(messages=(Message(role="user", text="Write a poem about 2026."),))
    assert template_of(request, None) == ""


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_any_text_has_one_template(text: str, start: int, end: int) -> None:
    request = Request(messages=(Message(role="user", text=text),))
    start, end = sorted((min(start, len(text)), min(end, len(text))))
    split = Split(message=0, start=start, end=end)
    assert template_of(request, split) == template_of(request, split) != ""


@pytest.mark.parametrize("shipped", [True, False])
async def test_the_record_has_the_same_template_whatever_models_are_there(shipped: bool) -> None:
    async with Upstream() as up:
        settings = Settings(
            deployments=[DeploymentSettings(name="m", model="m", backend="openai", api_base=up.url)],
            local_models=LocalSettings(shipped=shipped),
            ledger=LedgerSettings(contents=True),
        )
        async with Router(settings) as router:
            request = as_request({"messages": [{"role": "user", "content": f"{ASK}where is my parcel?"}]}, {})
            await router.acomplete(request)
            record = router.engine.ledger.tail(1)[0]
    assert record.template == template_of(request, read_asked(request)[1].value) != ""
