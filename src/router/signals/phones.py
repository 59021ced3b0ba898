"""Telephone numbers: international form anywhere, national forms where format or words say that it is one.

Numbering plans come from the ``phonenumbers`` package (a port of Google's libphonenumber), which is imported when the
first likely number is met.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ..patterns import late_pattern
from .hits import Hit
from .surroundings import Meaning, Surroundings

if TYPE_CHECKING:
    import phonenumbers

__all__ = ["phones"]

_REGIONS = (
    "US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "CN", "JP", "NL", "PL", "SE", "AU", "MX", "KR", "RU", "CH",
    "AT", "BE", "SG", "HK", "NO", "DK", "FI", "PT", "TR", "ZA", "AR", "CL", "CO", "NZ", "IE", "IL", "CZ",
)  # fmt: skip
_NANP = late_pattern(r"(?<!\d)(?:1[-. ])?\(?([2-9]\d\d)\)?[-. ]{1,2}[2-9]\d\d[-. ]\d{4}(?!\d)")
_PAREN = late_pattern(r"\(0?\d{1,4}\) ?\d{2,5}[- ]\d{3,5}(?:[- ]\d{2,4})?(?!\d)")
_FRENCH = late_pattern(r"(?<!\d)0[1-79](?:([ .-])\d\d)(?:\1\d\d){3}(?!\d)")
_BRITISH = late_pattern(r"(?<!\d)(?:07\d{3} ?\d{3} ?\d{3}|020 \d{4} \d{4}|01\d{3} \d{6}|01\d1 \d{3} \d{4})(?!\d)")
# Swiss, Japanese mobile, Russian: groups that nothing else is written in.
_SWISS = late_pattern(r"(?<!\d)0[1-9]\d ?\d{3}([ .-])\d\d\1\d\d(?!\d)")
_JAPANESE = late_pattern(r"(?<!\d)0[789]0-\d{4}-\d{4}(?!\d)")
_RUSSIAN = late_pattern(r"(?<!\d)8[ -]?\(?9\d\d\)?[ -]?\d{3}-\d\d-\d\d(?!\d)")
# Three groups apart by blanks alone are more often a row of figures.
_BLANKS = late_pattern(r"\d{3} \d{3} \d{4}")
_FORMS = (_NANP, _PAREN, _FRENCH, _BRITISH, _SWISS, _JAPANESE, _RUSSIAN)
_DATE = late_pattern(
    r"(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:[0-2]?\d|3[01])(?!\d)|(?<!\d)[0-3]?\d[-./][0-3]?\d[-./](?:19|"
    r"20)\d\d(?!\d)"
)
_YEARS = late_pattern(r"(?:19|20)\d\d ?[-–/ ] ?(?:19|20)\d\d")
_TAIL = late_pattern(r"[ .\-/(]+\Z")
_COUNTED = late_pattern(
    r" ?(?:ms|per|[kmgt]b|users|times|people|steps|%|rows|bytes|years|dollars|euros|eur|"
    r"usd)\b",
    re.IGNORECASE,
)
_NUMBER = late_pattern(r"\+?\(?\d(?:[ .\-/()\u00a0\u2009\u202f\u2011\u2013]{0,3}\d){6,16}")


def phones(text: str, start: int, end: int, around: Surroundings, hits: list[Hit]) -> None:
    """Add to ``hits`` the telephone numbers in the run of digits and separators ``text[start:end]``."""
    means = around.means
    while start > 0 and text[start - 1] in "+(":
        start -= 1
    if text[start] == "+" or text[start : start + 2] in ("00", "(+"):
        _international(text, start, end, means, hits)
        return
    if means in ("card", "id", "other"):
        return
    region = text[start:end]
    if _DATE.search(region) or _YEARS.fullmatch(region):
        return
    forms = [match for form in _FORMS for match in form.finditer(text, start, end)]
    hits.extend(
        Hit("phone", match.start(), match.end(), 0.97 if means == "phone" else 0.9)
        for match in forms
        if not _is_sequence(match[0])
        and (means == "phone" or (not _BLANKS.fullmatch(match[0]) and _has_plan(match[0])))
    )
    if forms or means != "phone":
        return
    number = _NUMBER.match(text, start, end)
    if number is None:
        return
    digits = _digits(number[0])
    if not 7 <= len(digits) <= 15 or len(set(digits)) < 3 or ("." in number[0] and digits.endswith("00")):
        return
    near = around.near
    if _COUNTED.match(text, number.end()) or (_is_sequence(number[0]) and not near):
        return
    if near or (
        (len(digits) >= 8 or len(digits) < len(number[0]))
        and (digits[0] != "0" or len(digits) >= 9)
        and _is_national(number[0])
    ):
        hits.append(Hit("phone", start, number.end(), 0.95 if near else 0.88))


def _international(text: str, start: int, end: int, means: Meaning | None, hits: list[Hit]) -> None:
    end = min(end, start + 26)
    number = text[start:end]
    plus = "+" + _digits(number).removeprefix("00") if not number.lstrip("(").startswith("+") else "+" + _digits(number)
    parsed = _parse(plus, None)
    if parsed is None:
        if len(plus) <= 17:
            return
        # Something else stands right behind the number: cut at the last gap.
        cut = max(number.rfind(" "), number.rfind("/"))
        if cut > 7:
            _international(text, start, start + cut, means, hits)
        return
    import phonenumbers

    valid = phonenumbers.is_valid_number(parsed)
    if not valid and " " in number:
        cut = number.rfind(" ")
        shorter = _parse("+" + _digits(number[:cut]).removeprefix("00"), None) if cut > 7 else None
        if shorter is not None and phonenumbers.is_valid_number(shorter):
            hits.append(Hit("phone", start, start + len(_TAIL.sub("", number[:cut])), 0.96))
            return
    leading_zeros = not number.lstrip("(").startswith("+")
    if valid and (not leading_zeros or means == "phone" or " " in number):
        hits.append(Hit("phone", start, end, 0.98))
    elif (means == "phone" or (means != "other" and len(number) > len(plus))) and phonenumbers.is_possible_number(
        parsed
    ):
        hits.append(Hit("phone", start, end, 0.85))


def _is_sequence(number: str) -> bool:
    """``01 02 03 04 05`` and ``123-456-7890`` are examples of counting, the second one of a number nobody has."""
    digits = _digits(number)
    pairs = [int(digits[at : at + 2]) for at in range(0, len(digits) - 1, 2)]
    return (
        digits in ("1234567890", "0123456789", "0987654321")
        or len({after - before for before, after in pairwise(pairs)}) == 1
    )


def _has_plan(number: str) -> bool:
    return any(_valid(number, region) for region in ("US", "GB", "FR", "BR", "MX", "IN", "DE", "AU", "CH", "JP", "RU"))


def _is_national(number: str) -> bool:
    return any(_valid(number, region) for region in _REGIONS)


def _valid(number: str, region: str) -> bool:
    parsed = _parse(number, region)
    if parsed is None:
        return False
    import phonenumbers

    return bool(phonenumbers.is_valid_number(parsed))


def _parse(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())
