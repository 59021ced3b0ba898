"""Check digits and formats of cards, bank accounts and national identity numbers.

Each function takes the bare number (digits and letters, no separators) and says whether it could have been issued.
Formats follow ISO/IEC 7812 (cards), ISO 13616 (IBAN), ISO 7064 (mod 11-2, 11-10, 97-10) and the issuing authorities'
published rules. The room knows nothing of texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = [
    "aadhaar",
    "ahv",
    "belgian",
    "bsn",
    "card_network",
    "cn_resident",
    "cnp",
    "cnpj",
    "codice_fiscale",
    "cpf",
    "dni",
    "hetu",
    "iban",
    "iban_length",
    "luhn",
    "nhs",
    "nino",
    "nir",
    "norwegian",
    "nric",
    "personnummer",
    "pesel",
    "rrn",
    "rut",
    "sin",
    "south_african",
    "ssn",
    "steuer_id",
    "tckn",
    "tfn",
]

_IBAN_LENGTH: Mapping[str, int] = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
    "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
_VERHOEFF_D = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_VERHOEFF_P = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)
_NINO = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]\d{6}[A-D]")
_CODICE = re.compile(r"[A-Z]{6}[\dLMNPQRSTUV]{2}[ABCDEHLMPRST][\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{3}[A-Z]")
_NIR = re.compile(r"[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:\d\d|2[AB])\d{6}\d\d")
_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        b"\1\0\5\7\11\15\17\21\23\25\1\0\5\7\11\15\17\21\23\25\2\4\22\24\13\3\6\10\14\16\20\12\26\31\30\27",
        strict=True,
    )
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    odd = sum(map(int, digits[-1::-2]))
    return (odd + sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(digit)] for digit in digits[-2::-2])) % 10 == 0


def card_network(digits: str) -> str | None:
    """The network that issues such numbers, when length, issuer range and check digit agree."""
    n = len(digits)
    if not 13 <= n <= 19 or not luhn(digits) or len(set(digits)) < 2:
        return None
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return "visa" if n in (13, 16, 19) else None
    if n == 16 and (51 <= two <= 55 or 2221 <= four <= 2720):
        return "mastercard"
    if n == 15 and two in (34, 37):
        return "amex"
    if (n == 14 and (two in (36, 38, 39) or 300 <= three <= 305)) or (n == 16 and two == 36):
        return "diners"
    if n == 15 and four in (1800, 2131):
        return "jcb"
    if 16 <= n <= 19:
        if 3528 <= four <= 3589:
            return "jcb"
        if four == 6011 or 644 <= three <= 649 or two == 65:
            return "discover"
        if two == 62 or 8100 <= four <= 8171:
            return "unionpay"
        if 2200 <= four <= 2204:
            return "mir"
    if two in (50, 56, 57, 58, 60, 61, 63, 67, 69):
        return "maestro"
    return None


def iban(text: str) -> bool:
    """ISO 13616: the country's length, and 1 as the remainder by 97."""
    if _IBAN_LENGTH.get(text[:2]) != len(text) or not text.isascii() or not text.isalnum():
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def iban_length(country: str) -> int | None:
    """How many characters an IBAN of the country has."""
    return _IBAN_LENGTH.get(country)


def aadhaar(d: str) -> bool:
    """India, 12 digits, Verhoeff (1969)."""
    years = all(group[:2] in ("19", "20") for group in (d[:4], d[4:8], d[8:]))
    if len(d) != 12 or d[0] in "01" or d == d[::-1] or years:
        return False
    check = 0
    for place, digit in enumerate(reversed(d)):
        check = _VERHOEFF_D[check][_VERHOEFF_P[place % 8][int(digit)]]
    return check == 0


def ssn(d: str) -> bool:
    """United States, 9 digits: areas, groups and serials that were never issued are out."""
    return (
        len(d) == 9
        and d[:3] not in ("000", "666")
        and d[0] != "9"
        and d[3:5] != "00"
        and d[5:] != "0000"
        and len(set(d)) > 1
    )


def sin(d: str) -> bool:
    """Canada, 9 digits, Luhn."""
    return len(d) == 9 and d[0] not in "08" and luhn(d) and len(set(d)) > 2


def nino(text: str) -> bool:
    """United Kingdom: two letters, six digits, a suffix letter."""
    return _NINO.fullmatch(text) is not None


def nhs(d: str) -> bool:
    """NHS number, 10 digits, weighted mod 11."""
    check = 11 - _weighted(d[:9], range(10, 1, -1)) % 11
    return len(d) == 10 and check != 10 and check % 11 == int(d[9]) and len(set(d)) > 2


def steuer_id(d: str) -> bool:
    """Germany, 11 digits, ISO 7064 mod 11-10; one digit of the first ten occurs two or three times."""
    if len(d) != 11 or d[0] == "0":
        return False
    counts = sorted((d[:10].count(digit) for digit in set(d[:10])), reverse=True)
    if counts[0] not in (2, 3) or counts[1:2] not in ([1], [2]):
        return False
    product = 10
    for digit in d[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(d[10])


def nir(text: str) -> bool:
    """France, 15 characters: sex, year, month, place, order, key mod 97; 2A and 2B are Corsica."""
    if _NIR.fullmatch(text) is None:
        return False
    body = int(text[:13].replace("2A", "19").replace("2B", "18"))
    return 97 - body % 97 == int(text[13:])


def dni(text: str) -> bool:
    """Spain, DNI (8 digits, letter) and NIE (X, Y or Z, 7 digits, letter)."""
    if len(text) != 9 or not text[-1].isalpha():
        return False
    body = text[:-1]
    if body[0] in "XYZ":
        body = str("XYZ".index(body[0])) + body[1:]
    return body.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23] == text[-1]


def codice_fiscale(text: str) -> bool:
    """Italy, 16 characters, the last a check letter."""
    if _CODICE.fullmatch(text) is None:
        return False
    total = sum(_ODD[char] for char in text[:15:2])
    total += sum(int(char) if char.isdigit() else ord(char) - 65 for char in text[1:15:2])
    return chr(65 + total % 26) == text[15]


def bsn(d: str) -> bool:
    """Netherlands, 9 digits, weighted mod 11."""
    return len(d) == 9 and len(set(d)) > 2 and _weighted(d, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def cpf(d: str) -> bool:
    """Brazil, persons, 11 digits, two check digits mod 11."""
    if len(d) != 11 or len(set(d)) == 1:
        return False
    first = _weighted(d[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(d[:10], range(11, 1, -1)) * 10 % 11 % 10
    return d[9:] == f"{first}{second}"


def cnpj(d: str) -> bool:
    """Brazil, companies, 14 digits, two check digits mod 11."""
    if len(d) != 14 or len(set(d)) == 1:
        return False
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    for place in (12, 13):
        rest = _weighted(d[:place], weights[13 - place :]) % 11
        if int(d[place]) != (0 if rest < 2 else 11 - rest):
            return False
    return True


def pesel(d: str) -> bool:
    """Poland, 11 digits: birth date with the century in the month, weighted mod 10."""
    if len(d) != 11 or not _day(d[4:6]) or not 1 <= int(d[2:4]) % 20 <= 12:
        return False
    return (10 - _weighted(d[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(d[10])


def cn_resident(text: str) -> bool:
    """China, 18 characters: region, birth date, order, ISO 7064 mod 11-2 (GB 11643)."""
    if len(text) != 18 or not text[:17].isdigit() or text[0] in "089" or text[6:8] not in ("18", "19", "20"):
        return False
    if not _month(text[10:12]) or not _day(text[12:14]):
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[_weighted(text[:17], weights) % 11] == text[17]


def personnummer(d: str) -> bool:
    """Sweden, 10 or 12 digits: birth date (day + 60 for coordination numbers), order, Luhn over ten."""
    if len(d) not in (10, 12) or (len(d) == 12 and d[:2] not in ("18", "19", "20")):
        return False
    d = d[-10:]
    day = int(d[4:6])
    return _month(d[2:4]) and (1 <= day <= 31 or 61 <= day <= 91) and luhn(d)


def norwegian(d: str) -> bool:
    """Norway, 11 digits: birth date and two check digits mod 11."""
    if len(d) != 11 or not _day(d[:2]) or not _month(d[2:4]):
        return False
    first = -_weighted(d[:9], (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -_weighted(d[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return d[9:] == f"{first}{second}"


def hetu(text: str) -> bool:
    """Finland: ddmmyy, a century sign, three digits, a check character mod 31."""
    if len(text) != 11 or not (text[:6] + text[7:10]).isdigit() or not _day(text[:2]) or not _month(text[2:4]):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:6] + text[7:10]) % 31] == text[10]


def belgian(d: str) -> bool:
    """Belgium, 11 digits: birth date, order, check mod 97 (2 in front for births from 2000)."""
    if len(d) != 11 or not _month(d[2:4]) or not _day(d[4:6]):
        return False
    return int(d[9:]) in (97 - int(d[:9]) % 97, 97 - int("2" + d[:9]) % 97)


def ahv(d: str) -> bool:
    """Switzerland, 13 digits from 756, EAN-13 check digit."""
    return len(d) == 13 and d.startswith("756") and -_weighted(d[:12], (1, 3) * 6) % 10 == int(d[12])


def rrn(d: str) -> bool:
    """South Korea, 13 digits: birth date, sex and century; weighted mod 11 (numbers given out since 2020 have none)."""
    return len(d) == 13 and _month(d[2:4]) and _day(d[4:6]) and d[6] in "12345678"


def rut(text: str) -> bool:
    """Chile, 7 or 8 digits and a check character mod 11."""
    body = text[:-1]
    if not 7 <= len(body) <= 8 or not body.isdigit():
        return False
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(body)))
    return "0K987654321"[total % 11] == text[-1].upper()


def nric(text: str) -> bool:
    """Singapore: S, T, F or G, seven digits, a check letter."""
    if len(text) != 9 or text[0] not in "STFG" or not text[1:8].isdigit():
        return False
    total = _weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + (4 if text[0] in "TG" else 0)
    return ("JZIHGFEDCBA" if text[0] in "ST" else "XWUTRQPNMLK")[total % 11] == text[8]


def tckn(d: str) -> bool:
    """Turkey, 11 digits, two check digits."""
    if len(d) != 11 or d[0] == "0":
        return False
    tenth = (sum(map(int, d[:9:2])) * 7 - sum(map(int, d[1:8:2]))) % 10
    return d[9:] == f"{tenth}{sum(map(int, d[:10])) % 10}"


def south_african(d: str) -> bool:
    """South Africa, 13 digits: birth date, order, citizenship, Luhn."""
    return len(d) == 13 and _month(d[2:4]) and _day(d[4:6]) and d[10] in "012" and luhn(d)


def tfn(d: str) -> bool:
    """Australia, tax file number, 9 digits, weighted mod 11."""
    return len(d) == 9 and len(set(d)) > 2 and _weighted(d, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def cnp(d: str) -> bool:
    """Romania, 13 digits: sex and century, birth date, county, weighted mod 11."""
    if len(d) != 13 or d[0] == "0" or not _month(d[3:5]) or not _day(d[5:7]):
        return False
    rest = _weighted(d[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if rest == 10 else rest) == int(d[12])


def _weighted(digits: str, weights: range | tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _day(text: str) -> bool:
    return 1 <= int(text) <= 31


def _month(text: str) -> bool:
    return 1 <= int(text) <= 12
