"""Personal data in numbers: cards, bank accounts, identity numbers, phones, addresses of machines.

Walks from number to number and asks each kind's validator; what a number means is told by the words around it.
"""

from __future__ import annotations

import ipaddress
import re

from ..patterns import late_pattern
from .checksums import card_network, iban, iban_length, luhn
from .credentials import key_in_token
from .hits import Hit
from .identifiers import identifiers, lettered_identifiers, may_be_lettered
from .personal import birth_date, street, tells_birth
from .phones import phones
from .surroundings import surroundings

__all__ = ["numbers"]

# One byte a character: "0" digit, "a" letter, "-" what may stand inside a number, key or address, " " anything else.
_CLASS = bytes(
    48 if 48 <= c <= 57
    else 97 if 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or c >= 192
    else 45 if chr(c) in ".-+/:@#%" or c == 160
    else 32
    for c in range(256)
)  # fmt: skip
_RUN = late_pattern(r"\d(?:(?:[ .\-/()\u00a0\u2009\u202f\u2011\u2013]|, ?(?=\d{4}\b)){0,3}\d)*")

_CARD = late_pattern(
    r"(?<![A-Za-z0-9_])(?<![A-Za-z0-9_][.\-/])(?:\d{4}([ \-\u00a0.])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|"
    r"\d{4}([ \-\u00a0])\d{6}\2\d{4,5}|\d{12,19})"
    r"(?![A-Za-z0-9_]|[.\-]\d)"
)
_IBAN = late_pattern(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ \-\u00a0]?[A-Za-z0-9]){11,30}")
_IBAN_LOWER = late_pattern(r"(?<![A-Za-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]){11,30}")
_IPV4 = late_pattern(
    r"(?<![A-Za-z0-9_.\-])(?<!\w/)(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
    r"(?![A-Za-z0-9_]|\.\d|-[a-z]|/\d)"
)
_NO_ADDRESS = late_pattern(
    r"(?<![a-z])(?:versions?|ver|v|release|firmware|build|section|chapter|clause|§|oid|"
    r"(?:up|down)grad\w*(?: from)?|update\w*|driver|"
    r"patch|article|art\.|paragraph|>=|<=|==|~=|\^|"
    r"(?:chrome|safari|edg|opr|firefox)/?)[ :]*v?\Z",
    re.IGNORECASE,
)
_VERSIONS = late_pattern(
    r"\b(?:upgrad|downgrad|version|updat|bump)\w* (?:\w+ ){0,2}v?(?:\d+\.)+\d+ (?:to|->|"
    r"→) ",
    re.IGNORECASE,
)
_NOBODY = frozenset(
    [
        "8.8.8.8",
        "8.8.4.4",
        "1.1.1.1",
        "1.0.0.1",
        "9.9.9.9",
        "169.254.169.254",
        "255.255.255.255",
        "255.255.255.0",
        "1.2.3.4",
    ]
)
_IPV6 = late_pattern(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_ACCOUNT = late_pattern(r"(?<![\w])(?:\d{2}-\d{2}-\d{2}|\d{6,12}|\d{3}[- ]\d{3})(?![\w]|[.\-/]\d)")


def numbers(text: str, lower: str, hits: list[Hit], *, may_tell_birth: bool) -> None:
    """Adds to ``hits`` what the numbers of a text tell; ``lower`` is the text in small letters."""
    flat = text.encode("latin-1", "replace").translate(_CLASS)
    size = len(flat)
    pos = flat.find(b"0")
    while pos >= 0:
        run = _RUN.match(text, pos)
        end = run.end() if run is not None else pos + 1
        right = flat.find(b" ", pos)
        if right < 0:
            right = size
        left = flat.rfind(b" ", 0, pos) + 1
        if may_tell_birth and tells_birth(lower[max(0, pos - 56) : pos]):
            birth_date(text, pos, hits)
        street(text, lower, pos, hits)
        if left == pos and end - pos < 7 and end >= right and end - pos != 6:
            pos = flat.find(b"0", end)
            continue
        _island(text, flat, left, pos, end, right, hits)
        pos = flat.find(b"0", max(end, right))


def _island(text: str, flat: bytes, left: int, pos: int, end: int, right: int, hits: list[Hit]) -> None:
    """One number and the stretch without blanks that it stands in."""
    if right - left >= 16:
        key_in_token(text, left, right, hits)
        scheme = text.find("://", left, min(right, left + 64))
        if scheme >= 0:
            _addresses_of_machines(text, scheme, min(right, scheme + 64), hits)
            return
    first = left
    while first < max(end, right):
        _number(text, flat, first, pos, end, right, hits)
        # Several numbers may stand in one stretch ("tel:555-0100/555-0101").
        following = flat.find(b"0", max(end, pos + 1), right)
        if following < 0:
            return
        first = pos = following
        run = _RUN.match(text, pos)
        end = run.end() if run is not None else pos + 1


def _number(text: str, flat: bytes, left: int, pos: int, end: int, right: int, hits: list[Hit]) -> None:
    length = end - pos
    before = flat[pos - 1 : pos] if pos else b" "
    after = flat[end : end + 1]
    lettered = before == b"a" or after == b"a" or (after == b"-" and flat[end + 1 : end + 2] == b"a")
    spaced = before == b" " and length >= 6 and (text[pos - 2 : pos - 1].isalpha() or text[end : end + 1] == " ")
    if lettered or spaced or (before == b"-" and flat[pos - 2 : pos - 1] == b"a"):
        _lettered(text, pos, max(end, right), hits)
    # Only what is near: a stretch without blanks may be as long as the text.
    near_left, near_right = max(left, pos - 48), max(end, min(right, end + 48))
    if "." in text[pos:end] or ":" in text[near_left:near_right]:
        _addresses_of_machines(text, near_left, near_right, hits)
    if length < 6 or before == b"a":
        return
    digits = sum(map(str.isdigit, text[pos:end]))
    if digits < 6:
        return
    around = surroundings(text, pos, end)
    means = around.means
    if digits >= 12:
        for match in _CARD.finditer(text, pos, end):
            _card(match, means, hits)
    if digits >= 9 and after != b"a":
        identifiers(text, pos, end, means, hits)
    if means == "account":
        hits.extend(Hit("account", match.start(), match.end(), 0.9) for match in _ACCOUNT.finditer(text, pos, end))
    elif digits >= 7:
        phones(text, pos, end, around, hits)


def _card(match: re.Match[str], means: str | None, hits: list[Hit]) -> None:
    digits = "".join(char for char in match[0] if char.isdigit())
    network = card_network(digits)
    if network is None:
        if means == "card" and luhn(digits):
            hits.append(Hit("card", match.start(), match.end(), 0.93))
        return
    grouped = len(digits) != len(match[0])
    if means == "card":
        score = 0.99
    elif means in ("other", "phone", "id") or network == "maestro" or len(digits) not in (14, 15, 16):
        return
    else:
        score = 0.97 if grouped else 0.92
    hits.append(Hit("card", match.start(), match.end(), score))


def _lettered(text: str, pos: int, right: int, hits: list[Hit]) -> None:
    start = max(0, pos - 12)
    for form in (_IBAN, _IBAN_LOWER):
        for match in form.finditer(text, max(0, pos - 3), min(len(text), pos + 48)):
            _iban(match, hits)
    end = min(len(text), max(right, pos + 16))
    if end - start <= 80 and may_be_lettered(text, start, end):
        lettered_identifiers(text, start, end, surroundings(text, pos, min(end, right)).means, hits)


def _iban(match: re.Match[str], hits: list[Hit]) -> None:
    written = match[0]
    length = iban_length(written[:2].upper())
    if length is None:
        return
    kept = 0
    for offset, char in enumerate(written):
        kept += char.isalnum()
        if kept == length:
            bare = "".join(char for char in written[: offset + 1] if char.isalnum()).upper()
            follows = match.string[match.start() + offset + 1 : match.start() + offset + 2]
            if iban(bare) and not follows.isalnum():
                hits.append(Hit("iban", match.start(), match.start() + offset + 1, 0.99))
            return


def _addresses_of_machines(text: str, left: int, right: int, hits: list[Hit]) -> None:
    for match in _IPV4.finditer(text, left, right):
        value = match[0]
        if value in _NOBODY or value.startswith(("127.", "0.")) or int(value.split(".", 1)[0]) >= 224:
            continue
        before = text[max(0, match.start() - 40) : match.start()]
        if not (_NO_ADDRESS.search(before) or _VERSIONS.search(before)):
            hits.append(Hit("ip", match.start(), match.end(), 0.95))
    token = text[left:right]
    if "::" in token or token.count(":") >= 7:
        hits.extend(
            Hit("ip", match.start(), match.end(), 0.97)
            for match in _IPV6.finditer(text, left, right)
            if _is_ipv6(match[0])
        )


def _is_ipv6(value: str) -> bool:
    groups = [group for group in value.split(":") if group]
    if len(groups) < 3 or not any(char.isdigit() for char in value):
        return False
    try:
        return not ipaddress.IPv6Address(value).is_loopback
    except ValueError:
        return False
