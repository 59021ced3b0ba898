"""Checks of identity numbers of further countries; :mod:`router.signals.checksums` has the first twenty-five.

Each takes the bare number (digits and letters, no separators) and says whether it can be one. Sources: the published
algorithms of the issuing authorities, as collected in the Wikipedia article "National identification number".
"""

from __future__ import annotations

from .checksums import luhn

__all__ = [
    "amka",
    "cuit",
    "egn",
    "emso",
    "hkid",
    "isikukood",
    "israeli",
    "kennitala",
    "my_number",
    "mykad",
    "nif_pt",
    "nik",
    "nip",
    "oib",
    "pps",
    "rodne_cislo",
    "taiwanese",
    "thai",
]


def nif_pt(d: str) -> bool:
    """Portugal, 9 digits, weighted mod 11."""
    if len(d) != 9 or d[0] not in "1235689":
        return False
    rest = _weighted(d[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return int(d[8]) == (0 if rest < 2 else 11 - rest)


def nip(d: str) -> bool:
    """Poland, tax number, 10 digits, weighted mod 11."""
    return len(d) == 10 and d[0] != "0" and _weighted(d[:9], (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(d[9])


def rodne_cislo(d: str) -> bool:
    """Czechia and Slovakia, 10 digits: birth date (month + 50 for women, + 20 when full), divisible by 11."""
    return len(d) == 10 and 1 <= int(d[2:4]) % 50 % 20 <= 12 and _day(d[4:6]) and int(d) % 11 == 0


def egn(d: str) -> bool:
    """Bulgaria, 10 digits: birth date (month + 20 or + 40 by century), weighted mod 11 mod 10."""
    if len(d) != 10 or not 1 <= int(d[2:4]) % 20 <= 12 or not _day(d[4:6]):
        return False
    return _weighted(d[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(d[9])


def amka(d: str) -> bool:
    """Greece, 11 digits: birth date, order, Luhn."""
    return len(d) == 11 and _day(d[:2]) and _month(d[2:4]) and luhn(d)


def pps(text: str) -> bool:
    """Ireland, 7 digits, a check letter mod 23, and for newer numbers one more letter."""
    if not 8 <= len(text) <= 9 or not text[:7].isdigit() or not text[7:].isalpha():
        return False
    more = text[8:].upper()
    total = _weighted(text[:7], (8, 7, 6, 5, 4, 3, 2)) + (9 * (ord(more) - 64) if more and more != "W" else 0)
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == text[7].upper()


def israeli(d: str) -> bool:
    """Israel, 9 digits, Luhn."""
    return len(d) == 9 and len(set(d)) > 2 and luhn(d)


def isikukood(d: str) -> bool:
    """Estonia and Lithuania, 11 digits: sex and century, birth date, order, weighted mod 11 in two rounds."""
    if len(d) != 11 or d[0] not in "12345678" or not _month(d[3:5]) or not _day(d[5:7]):
        return False
    rest = _weighted(d[:10], (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if rest == 10:
        rest = _weighted(d[:10], (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return rest == int(d[10])


def oib(d: str) -> bool:
    """Croatia, 11 digits, ISO 7064 mod 11,10."""
    if len(d) != 11:
        return False
    rest = 10
    for digit in d[:10]:
        rest = (rest + int(digit)) % 10 or 10
        rest = rest * 2 % 11
    return (11 - rest) % 10 == int(d[10])


def emso(d: str) -> bool:
    """Slovenia and its neighbours, 13 digits: birth date, region, order, weighted mod 11."""
    if len(d) != 13 or not _day(d[:2]) or not _month(d[2:4]):
        return False
    return -_weighted(d[:12], (7, 6, 5, 4, 3, 2) * 2) % 11 == int(d[12])


def kennitala(d: str) -> bool:
    """Iceland, 10 digits: birth date, order, weighted mod 11, century."""
    if len(d) != 10 or not _day(d[:2]) or not _month(d[2:4]) or d[9] not in "089":
        return False
    return -_weighted(d[:8], (3, 2, 7, 6, 5, 4, 3, 2)) % 11 == int(d[8])


def cuit(d: str) -> bool:
    """Argentina, 11 digits, weighted mod 11."""
    if len(d) != 11 or d[:2] not in ("20", "23", "24", "27", "30", "33", "34"):
        return False
    return -_weighted(d[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11 == int(d[10])


def my_number(d: str) -> bool:
    """Japan, 12 digits, weighted mod 11."""
    if len(d) != 12 or len(set(d)) < 3:
        return False
    rest = _weighted(d[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(d[11]) == (0 if rest < 2 else 11 - rest)


def taiwanese(text: str) -> bool:
    """Taiwan, a letter (the city) and 9 digits, weighted mod 10."""
    if len(text) != 10 or not text[0].isalpha() or not text[0].isascii() or not text[1:].isdigit():
        return False
    city = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0].upper())
    return (city // 10 + city % 10 * 9 + _weighted(text[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def hkid(text: str) -> bool:
    """Hong Kong, one or two letters, 6 digits, a check character mod 11."""
    text = text.upper()
    letters = text[: len(text) - 7]
    if not 1 <= len(letters) <= 2 or not letters.isalpha() or not text[len(letters) : -1].isdigit():
        return False
    values = [36] * (2 - len(letters)) + [ord(letter) - 55 for letter in letters] + [int(d) for d in text[-7:-1]]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11] == text[-1]


def thai(d: str) -> bool:
    """Thailand, 13 digits, weighted mod 11."""
    return (
        len(d) == 13
        and d[0] in "12345678"
        and (11 - _weighted(d[:12], tuple(range(13, 1, -1))) % 11) % 10 == int(d[12])
    )


def nik(d: str) -> bool:
    """Indonesia, 16 digits: district, birth date (day + 40 for women), order; no check digit."""
    return len(d) == 16 and 11 <= int(d[:2]) <= 96 and 1 <= int(d[6:8]) % 40 <= 31 and _month(d[8:10])


def mykad(d: str) -> bool:
    """Malaysia, 12 digits: birth date, place, order; no check digit."""
    return len(d) == 12 and _month(d[2:4]) and _day(d[4:6]) and d[6:8] not in ("00", "17", "18", "19", "20")


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _day(text: str) -> bool:
    return 1 <= int(text) <= 31


def _month(text: str) -> bool:
    return 1 <= int(text) <= 12
