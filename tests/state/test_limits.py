"""Windows of time in time zones, and which account a request counts in."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.state.limits import Limit, Who, Windows, window_at

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "Australia/Lord_Howe"]


@given(st.sampled_from(ZONES), st.sampled_from(["second", "minute", "day", "month"]), st.floats(0, 4e9))
def test_windows_tile_time(zone: str, window: str, now_s: float) -> None:
    start, end, label = window_at(window, zone, now_s)  # type: ignore[arg-type]
    assert start <= now_s < end
    assert window_at(window, zone, start) == (start, end, label)  # type: ignore[arg-type]
    after = window_at(window, zone, end)  # type: ignore[arg-type]
    assert after[0] == end
    assert after[2] != label


@given(st.sampled_from(ZONES[:5]), st.floats(0, 4e9))
def test_hours_are_those_of_the_zone(zone: str, now_s: float) -> None:
    start, end, _ = window_at("hour", zone, now_s)
    assert start <= now_s < end
    assert end - start == 3600
    assert datetime.fromtimestamp(start, ZoneInfo(zone)).minute == 0


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)], ids=["spring", "autumn", "summer"]
)
def test_a_day_ends_at_local_midnight(day: str, hours: int) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00:00+02:00").timestamp()
    start, end, label = window_at("day", "Europe/Berlin", noon)
    assert (end - start, label) == (hours * 3600, day)


def test_the_repeated_hour_is_two_windows() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    one, other = (window_at("hour", "Europe/Berlin", first + offset) for offset in (0, 3600))
    assert one[1] == other[0]
    assert one[2] != other[2]


def test_a_limit_binds_only_whom_it_names() -> None:
    windows, now_s = Windows(), 1.8e9
    acme = Limit(unit="usd", amount=1, tenant="acme", model="large")
    assert windows.account(acme, Who("acme"), "large", now_s) is not None
    assert windows.account(acme, Who("acme"), "small", now_s) is None
    assert windows.account(acme, Who("other"), "large", now_s) is None
    assert windows.account(acme, Who(), "large", now_s) is None


def test_a_star_gives_each_its_own_account() -> None:
    windows, now_s = Windows(), 1.8e9
    each = Limit(unit="requests", amount=1, key="*", policy="*")
    names = {windows.account(each, Who("t", key, policy), None, now_s) for key in "ab" for policy in "xy"}
    assert len({account.name for account in names if account is not None}) == 4


@settings(max_examples=40)
@given(st.text(max_size=250), st.text(max_size=250))
def test_no_name_gets_anothers_account(one: str, other: str) -> None:
    windows, limit = Windows(), Limit(unit="usd", amount=1, tenant="*", key="*")
    first = windows.account(limit, Who(one, other), None, 1.8e9)
    second = windows.account(limit, Who(other, one), None, 1.8e9)
    assert first is not None
    assert second is not None
    assert (first.name == second.name) == (one == other)
    assert len(first.name) < 500


def test_what_is_bound_is_told_in_words() -> None:
    limit = Limit(unit="usd", amount=5 * 10**9, window="day", tenant="*")
    account = Windows().account(limit, Who("acme"), None, 1.8e9)
    assert limit.describe(account) == "the day budget of $5.00 for tenant 'acme'"
    assert Limit(unit="requests", amount=60, window="minute").describe() == (
        "the minute request limit of 60 for all requests together"
    )
