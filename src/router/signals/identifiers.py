"""National identity numbers: their written forms, each with the check that a made-up number fails.

A form that is telling by itself (separators, check letter, check digits) counts unless the words around it say that it
is something else; a bare row of digits counts only where the words say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..patterns import late_pattern
from . import checksums as check
from . import checksums_world as world
from .hits import Hit
from .surroundings import Meaning

__all__ = ["identifiers", "lettered_identifiers", "may_be_lettered"]

Check = Callable[[str], bool]
Forms = tuple[tuple[str, Check, float], ...]
"""Each form, the check on the bare number, and the score where no word says more."""

_EDGE = r"(?<![A-Za-z0-9_])(?<![A-Za-z0-9_][.\-/])"
_END = r"(?![A-Za-z0-9_]|[.\-/]\d)"


def _patterns(forms: Forms, end: str) -> tuple[tuple[tuple[re.Pattern[str], Check, float], ...], re.Pattern[str]]:
    """The forms as patterns between an edge and ``end``, and whether a text holds any of them: hardly a number does,
    and one look tells."""
    each = tuple((late_pattern(_EDGE + form + end), test, score) for form, test, score in forms)
    return each, late_pattern(f"{_EDGE}(?:{'|'.join(form for form, _, _ in forms)}){end}")


_DIGIT_FORMS: Forms = (
    (r"\d{3}-\d{2}-\d{4}", check.ssn, 0.97),
    (r"[12] ?\d\d ?\d\d ?\d\d ?\d{3} ?\d{3} ?\d\d", check.nir, 0.98),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", check.cpf, 0.99),
    (r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", check.cnpj, 0.97),
    (r"[2-9]\d{3}(?P<gap>[ -])\d{4}(?P=gap)\d{4}", check.aadhaar, 0.93),
    (r"(?:\d\d)?\d{6}[-+]\d{4}", check.personnummer, 0.96),
    (r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", check.belgian, 0.99),
    (r"756\.\d{4}\.\d{4}\.\d{2}", check.ahv, 0.99),
    (r"\d{6}-[1-8]\d{6}", check.rrn, 0.95),
    (r"[1-9]\d{10}", check.pesel, 0.7),
    (r"[1-9]\d{16}\d", check.cn_resident, 0.98),
    (r"\d{6}/\d{4}", world.rodne_cislo, 0.93),
    (r"(?:20|23|24|27|3[034])-\d{8}-\d", world.cuit, 0.96),
    (r"[1-8]-\d{4}-\d{5}-\d\d-\d", world.thai, 0.97),
)
_FORMS, _ANY_FORM = _patterns(_DIGIT_FORMS, _END)
_BARE: tuple[Check, ...] = (
    check.ssn,
    check.sin,
    check.bsn,
    check.tfn,
    check.nhs,
    check.steuer_id,
    check.pesel,
    check.norwegian,
    check.cpf,
    check.tckn,
    check.belgian,
    check.aadhaar,
    check.south_african,
    check.rrn,
    check.cnp,
    check.ahv,
    check.personnummer,
    check.cnpj,
    check.nir,
    check.cn_resident,
    world.nif_pt,
    world.nip,
    world.rodne_cislo,
    world.egn,
    world.amka,
    world.israeli,
    world.isikukood,
    world.oib,
    world.emso,
    world.kennitala,
    world.cuit,
    world.my_number,
    world.thai,
    world.nik,
    world.mykad,
)
_DIGITS = late_pattern(r"\d(?:[ .\-/]?\d)*")
_CPR = late_pattern(r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d-?\d{4}")

_LETTERED_FORMS: Forms = (
    (r"\d{8}[- ]?[A-Za-z]", check.dni, 0.95),
    (r"[XYZ][- ]?\d{7}[- ]?[A-Z]", check.dni, 0.96),
    (r"[A-Za-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]", check.nino, 0.93),
    (r"[A-Z]{6}\d[\dLMNPQRSTUV][A-Z][\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{3}[A-Z]", check.codice_fiscale, 0.99),
    (r"[A-Z]{3} [A-Z]{3} \d{2}[A-Z]\d{2} [A-Z]\d{3}[A-Z]", check.codice_fiscale, 0.99),
    (r"[STFG]\d{7}[A-Z]", check.nric, 0.96),
    (r"\d{6}[-+A]\d{3}[0-9A-Y]", check.hetu, 0.96),
    (r"\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]", check.rut, 0.94),
    (r"\d{17}[Xx]", check.cn_resident, 0.99),
    (r"[12] ?\d\d ?\d\d ?2[AB] ?\d{3} ?\d{3} ?\d\d", check.nir, 0.99),
    (r"[A-Z]{1,2}\d{6} ?\([\dA]\)", world.hkid, 0.95),
    (r"[A-Z]{1,2}\d{6}[\dA]", world.hkid, 0.7),
    (r"[A-Z][12]\d{8}", world.taiwanese, 0.7),
    (r"\d{7}[A-Z]{1,2}", world.pps, 0.7),
)
_LETTERED, _ANY_LETTERED = _patterns(_LETTERED_FORMS, r"(?![A-Za-z0-9_])")
# Only where the words around it say so: Indian PAN, Mexican CURP, passports, driving licences.
_WORDED = late_pattern(
    r"(?<![A-Za-z0-9_])(?:[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d|[A-Z]{1,3}\d{6,9}|"
    r"\d{2}[A-Z]{2}\d{5}"
    r"|[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ\d]{8}\d?|[A-Z]{5}\d{6}[A-Z\d]{5}|\d{7,9})(?![A-Za-z0-9_])"
)


def identifiers(text: str, start: int, end: int, means: Meaning | None, hits: list[Hit]) -> None:
    """Add to ``hits`` what is a national number in the run of digits and separators ``text[start:end]``."""
    if means != "other":
        for form, test, score in _FORMS if _ANY_FORM.search(text, start, end) else ():
            hits.extend(
                Hit("national_id", match.start(), match.end(), 0.99 if means == "id" else score)
                for match in form.finditer(text, start, end)
                if test(_bare(match[0])) and (score > 0.75 or means in ("id", None))
            )
    if means == "id":
        for match in _DIGITS.finditer(text, start, end):
            digits = _bare(match[0])
            # Danish numbers have had no check digit since 2007, so the word must do.
            if any(test(digits) for test in _BARE) or _CPR.fullmatch(match[0]):
                hits.append(Hit("national_id", match.start(), match.end(), 0.95))
                return


def may_be_lettered(text: str, start: int, end: int) -> bool:
    """Whether :func:`lettered_identifiers` could find anything, so that nobody else need be asked what it is."""
    return _ANY_LETTERED.search(text, start, end) is not None or _WORDED.search(text, start, end) is not None


def lettered_identifiers(text: str, start: int, end: int, means: Meaning | None, hits: list[Hit]) -> None:
    """The same for ``text[start:end]`` that mixes digits and letters."""
    if means == "other":
        return
    for form, test, score in _LETTERED:
        hits.extend(
            Hit("national_id", match.start(), match.end(), 0.99 if means == "id" else score)
            for match in form.finditer(text, start, end)
            if test(_bare_mixed(match[0])) and (score > 0.75 or means == "id")
        )
    if means == "id":
        hits.extend(Hit("national_id", match.start(), match.end(), 0.9) for match in _WORDED.finditer(text, start, end))


def _bare(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _bare_mixed(text: str) -> str:
    text = text.upper()
    return text if len(text) == 11 and text[6:7] in "-+A" else "".join(char for char in text if char.isalnum())
