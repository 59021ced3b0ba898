from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.units import format_ms, format_usd, parse_ms, parse_share, parse_usd


@pytest.mark.parametrize(
    ("written", "usd"),
    [
        ("$0.002", 0.002),
        ("0.2 ct", 0.002),
        ("2 cents", 0.02),
        (0.5, 0.5),
        ("1e-3", 0.001),
        ("USD 3", 3.0),
        ("1_000", 1000.0),
    ],
)
def test_money_reads_as_people_write_it(written: str | float, usd: float) -> None:
    assert parse_usd(written) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("900ms", 900),
        ("1.5s", 1500),
        ("2min", 120_000),
        (250, 250),
        ("1 hour", 3.6e6),
        ("50us", 0.05),
        ("3 seconds", 3000),
    ],
)
def test_durations_read_as_people_write_them(written: str | float, ms: float) -> None:
    assert parse_ms(written) == pytest.approx(ms)


@pytest.mark.parametrize("bad", ["", "$", "-1", "$1$", "free", "1 euro", math.nan, math.inf, -0.1, True, None, []])
def test_bad_money_is_a_value_error(bad: object) -> None:
    with pytest.raises(ValueError, match=r"money|finite|number"):
        parse_usd(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", ["", "fast", "10 parsecs", "-5ms", math.inf, False])
def test_bad_duration_is_a_value_error(bad: object) -> None:
    with pytest.raises(ValueError, match=r"duration|finite|number"):
        parse_ms(bad)  # type: ignore[arg-type]


def test_shares_read_with_and_without_percent() -> None:
    assert parse_share("98%") == pytest.approx(0.98)
    assert parse_share(0.02) == 0.02
    for bad in ("120%", 1.5, "x"):
        with pytest.raises(ValueError, match=r"share|outside"):
            parse_share(bad)


@given(st.floats(min_value=1e-9, max_value=1e6))
def test_formatted_money_reads_back(usd: float) -> None:
    assert parse_usd(format_usd(usd).replace(",", "")) == pytest.approx(usd, rel=0.06)


@given(st.text(max_size=30))
def test_any_text_is_money_or_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_usd(text) >= 0


@given(st.text(max_size=30))
def test_any_text_is_duration_or_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_ms(text) >= 0


def test_unknown_values_print_as_question_marks() -> None:
    assert (format_usd(None), format_ms(None)) == ("?", "?")
    assert [format_ms(v) for v in (0.085, 1.24, 900, 2500)] == ["85us", "1.2ms", "900ms", "2.5s"]
