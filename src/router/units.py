"""Money, time and rates as people write them: one grammar for YAML, headers and the command line.

``"$0.002"``, ``"0.2 ct"`` and ``0.002`` are US dollars; ``"900ms"``, ``"1.5s"``, ``"2min"`` and ``900`` are
milliseconds; ``"98%"`` and ``0.98`` are shares. The room knows nothing of requests or policies.
"""

from __future__ import annotations

import math
import re

__all__ = ["format_ms", "format_usd", "parse_ms", "parse_share", "parse_usd"]

_NUMBER = r"(?P<number>\d+(?:_\d+)*(?:\.\d+)?|\.\d+)(?:[eE](?P<exp>[-+]?\d{1,3}))?"
_USD = re.compile(rf"\s*(?P<sign>\$|USD\s*)?\s*{_NUMBER}\s*(?P<unit>usd|\$|ct|cents?)?\s*", re.IGNORECASE)
_TIME = re.compile(rf"\s*{_NUMBER}\s*(?P<unit>us|µs|ms|s|sec|seconds?|m|min|minutes?|h|hours?)?\s*", re.IGNORECASE)
_SHARE = re.compile(rf"\s*{_NUMBER}\s*(?P<unit>%)?\s*")
_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "sec": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6}


def parse_usd(value: str | float) -> float:
    """US dollars as a finite, non-negative float.

    Raises:
        ValueError: with a message that shows the accepted forms.
    """
    if isinstance(value, str):
        match = _USD.fullmatch(value)
        if match is None or (match["sign"] and match["unit"]):
            raise ValueError(f'{value!r} is not an amount of money; write "$0.002" or "0.2 ct"')
        number = _number(match)
        return _amount(number / 100 if (match["unit"] or "").lower().startswith("c") else number, value)
    return _amount(value, value)


def parse_ms(value: str | float) -> float:
    """Milliseconds as a finite, non-negative float; a bare number is milliseconds.

    Raises:
        ValueError: with a message that shows the accepted forms.
    """
    if isinstance(value, str):
        match = _TIME.fullmatch(value)
        if match is None:
            raise ValueError(f'{value!r} is not a duration; write "900ms", "1.5s" or "2min"')
        unit = (match["unit"] or "ms").lower()
        for suffix in ("econds", "econd", "inutes", "inute", "ours", "our"):
            unit = unit.removesuffix(suffix) if unit.endswith(suffix) else unit
        return _amount(_number(match) * _MS[unit], value)
    return _amount(value, value)


def parse_share(value: str | float) -> float:
    """A share between 0 and 1; ``"2%"`` is 0.02.

    Raises:
        ValueError: when it is not a number or outside 0..1.
    """
    if isinstance(value, str):
        match = _SHARE.fullmatch(value)
        if match is None:
            raise ValueError(f'{value!r} is not a share; write "2%" or 0.02')
        number = _number(match) / (100 if match["unit"] else 1)
    else:
        number = _amount(value, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{value!r} is outside 0..1")
    return number


def format_usd(usd: float | None) -> str:
    """A short amount: ``$0``, ``$0.000015``, ``$0.0021``, ``$1.25``; ``?`` when unknown."""
    if usd is None:
        return "?"
    if usd == 0:
        return "$0"
    if usd >= 1:
        return f"${usd:,.2f}"
    digits = max(2, 1 - math.floor(math.log10(usd)))
    return f"${usd:.{digits}f}"


def format_ms(ms: float | None) -> str:
    """A short duration: ``85us``, ``1.2ms``, ``900ms``, ``2.5s``; ``?`` when unknown."""
    if ms is None:
        return "?"
    if ms < 1:
        return f"{ms * 1000:.0f}us"
    if ms < 10:
        return f"{ms:.1f}ms"
    return f"{ms:.0f}ms" if ms < 1000 else f"{ms / 1000:.1f}s"


def _number(match: re.Match[str]) -> float:
    return float(match["number"].replace("_", "") + (f"e{match['exp']}" if match["exp"] else ""))


def _amount(number: float, written: str | float) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{written!r} is not a number")
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{written!r} must be finite and not negative")
    return float(number)
