"""Names, postal addresses and birth dates, where the words around them say whose they are.

A name or a street in a text is mostly no personal data (novels, history, opening hours); "My name is", "I live at" and
"date of birth:" make it so. Without such words nothing is found here, on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..patterns import late_pattern
from .hits import Hit

__all__ = ["BIRTH_GATES", "NAME_GATES", "birth_date", "names", "street", "tells_birth"]

_UP = r"[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞİŁŃŇŌŐŘŚŞŠŤŪŮŰŹŻŽА-ЯЁΑ-Ω]"
_LOW = r"[a-zß-öø-ÿāăąćčďđēęěğıłńňōőřśşšťūůűźżžа-яёά-ώ'’]"
_ONE = rf"(?:{_UP}['’]{_UP}{_LOW}+|{_UP}{_LOW}+(?:-{_UP}{_LOW}+)?|(?:Mc|Mac|De|Di|La|Le|Van|O)[A-Z]{_LOW}+|{_UP}\.)"
_LINK = r"(?: (?:van|von|de|der|den|del|della|di|da|dos|la|le|bin|ibn|al|el|zu|ter|y))?"
_NAME = rf"(?P<name>{_ONE}(?:{_LINK}{_LINK} {_ONE}){{0,3}})"
_FULL = rf"(?P<name>{_ONE}(?:{_LINK}{_LINK} {_ONE}){{1,3}})"
_TITLE = r"(?:(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Sr|Sra|M|Mme)\.? )?"

# gate word in lower case -> what follows from that place on
_NAME_GATES: Mapping[str, re.Pattern[str]] = {
    gate: late_pattern(form)
    for gate, form in (
        ("name is ", rf"(?i:name is )(?:(?i:actually|now|still) )?{_TITLE}{_NAME}"),
        ("name's ", rf"(?i:name's ){_TITLE}{_NAME}"),
        ("name:", rf"(?i:name):[ \t*]{{0,4}}{_TITLE}{_FULL}"),
        ("i am ", rf"(?i:I am ){_TITLE}{_FULL}(?=[,.;!?]| and | from | at | with |\n|\Z)"),
        ("i'm ", rf"(?i:I'm ){_TITLE}{_FULL}(?=[,.;!?]| and | from | at | with |\n|\Z)"),
        ("heiße ", rf"(?i:heiße ){_NAME}"),
        ("name ist ", rf"(?i:name ist ){_NAME}"),
        ("appelle ", rf"(?i:appelle ){_NAME}"),
        ("nom est ", rf"(?i:nom est ){_NAME}"),
        ("nom :", rf"(?i:nom) :[ \t]{{0,3}}{_FULL}"),
        ("me llamo ", rf"(?i:me llamo ){_NAME}"),
        ("nombre es ", rf"(?i:nombre es ){_NAME}"),
        ("nombre:", rf"(?i:nombre):[ \t]{{0,3}}{_FULL}"),
        ("mi chiamo ", rf"(?i:mi chiamo ){_NAME}"),
        ("nome é ", rf"(?i:nome é ){_NAME}"),
        ("me chamo ", rf"(?i:me chamo ){_NAME}"),
        ("nome:", rf"(?i:nome):[ \t]{{0,3}}{_FULL}"),
        ("naam is ", rf"(?i:naam is ){_NAME}"),
        ("nazywam się ", rf"(?i:nazywam się ){_NAME}"),
        ("меня зовут ", rf"(?i:меня зовут ){_NAME}"),
        ("我叫", r"我叫(?P<name>[\u4e00-\u9fff]{2,4}?)(?=[,，。、.;；!！\s]|是|今年|住|\Z)"),
        ("姓名", r"姓名[:：]\s?(?P<name>[\u4e00-\u9fff]{2,4})(?![\u4e00-\u9fff])"),
    )
}
NAME_GATES = tuple(_NAME_GATES)
"""Phrases, in lower case, without one of which :func:`names` finds nothing."""

_WHOSE = late_pattern(
    r"(?:\b(?:my|patient'?s?|customer'?s?|client'?s?|user'?s?|employee'?s?|full|first|last|legal|maiden|applicant'?s?|"
    r"cardholder'?s?|account holder'?s?|contact|guest'?s?|passenger'?s?|his|her|their|mein|meine?r?|mon|mi|meu|mio|"
    r"il mio|"
    r"mijn|holder'?s?|student'?s?|real|wife'?s?|husband'?s?|son'?s?|daughter'?s?|mother'?s?|father'?s?) |^|[\n|"
    r"\-*>{,;\"] *\"?)\Z",
    re.IGNORECASE,
)
_NO_NAME = frozenset(
    [
        "The",
        "A",
        "An",
        "I",
        "This",
        "That",
        "What",
        "Which",
        "Not",
        "Just",
        "Your",
        "My",
        "Our",
        "It",
        "He",
        "She",
        "They",
        "We",
        "You",
        "No",
        "Yes",
        "Please",
        "So",
        "Very",
        "Sorry",
        "Here",
        "There",
        "And",
        "But",
        "Or",
        "If",
        "In",
        "On",
        "At",
        "For",
        "From",
        "With",
        "Senior",
        "Software",
        "Product",
        "Project",
        "Data",
        "Sales",
        "Marketing",
        "English",
        "Spanish",
        "French",
        "German",
        "American",
        "British",
        "Indian",
        "Chinese",
        "Japanese",
        "Customer",
        "Service",
        "String",
        "Full",
        "First",
        "Last",
        "Name",
        "Null",
        "None",
    ]
)

_WHERE = late_pattern(
    r"(?:\b(?:live[sd]?|living|resid(?:e[sd]?|ing|ence)|moved|ship(?:ped|ping)?|deliver(?:ed|y)?|send|mail(?:ed|ing)?|"
    r"address(?:es)?|home|house|apartment|located|stay(?:s|ing)?|return|meet|sent|bill(?:ing)?|"
    r"pick(?:ed)? (?:me )?up|drop|come|"
    r"wohn\w*|adresse|anschrift|liefer\w*|schick\w*|umgezogen|habit\w*|demeur\w*|livr\w*|envoy\w*|viv[eoi]\w*|"
    r"dirección|"
    r"direccion|domicilio|enví\w+|envi\w+|entreg\w+|abit\w+|indirizzo|sped\w+|moro|moramos|endereço|residência|"
    r"woon\w*|adres|"
    r"bezorg\w*|mieszk\w*|bor|adress)\b|地址|住在|住所|주소)",
    re.IGNORECASE,
)
_WORDS = rf"(?:{_UP}[\w'’.-]*|\d+(?:st|nd|rd|th))"
_NUMBER_FIRST = late_pattern(
    rf"\d{{1,6}}[A-Za-z]?(?:[-/]\d{{1,4}})?,? (?:\d{{1,5}} )?(?:[NSEW]\.? |(?:North|South|East|"
    rf"West) )?(?:{_WORDS} ){{1,4}}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Terrace|Square|Sq|"
    r"Highway|Hwy|"
    r"Parkway|Pkwy|Close|Crescent|Cres|Circle|Cir|Trail|Row|Mews|Grove|Gardens|Hill|Alley|Loop|Crossroad|Points?|"
    r"Walk|Park|"
    r"Quay|Rise|View|Path)\b\.?"
    r"|\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|av\.|boulevard|bd|place|chemin|impasse|allée|quai|cours|route) "
    rf"(?:(?:de|du|des|la|le|les|l'|d'|saint|sainte) ?){{0,3}}[\w'’-]+(?: {_UP}[\w'’-]*){{0,3}}"
)
_AFTER_NUMBER = late_pattern(
    r"\d{1,6}[A-Za-z]?(?:[-/]\d{1,4})?(?: ?(?:bis|ter))?,? (?:[A-ZÀ-Þ0-9]|rue |av|boul|bd |"
    r"place |chem|imp|all|quai |cours |route )"
)
# Any name between a house number and a flat's number.
_BEFORE_FLAT = late_pattern(
    rf"\d{{1,6}}[A-Za-z]?(?: \d{{1,5}})?(?: {_UP}[\w'’.-]*){{1,4}}(?: \d{{1,5}}\b)?"
    r"(?=[,\s]{1,4}(?:Apt|Apartment|Flat|Suite)\.? ?#?\d)"
)
_LAST = (
    "straße", "strasse", "str.", "gasse", "weg", "platz", "allee", "damm", "ufer", "ring", "straat", "laan",
    "plein", "gracht", "kade", "gatan", "vägen", "gate", "veien", "vej", "gade", "katu", "tie", "utca", "út", "box",
    "路", "街", "道", "巷",
)  # fmt: skip
_FIRST = (
    "calle ", "c/ ", "avenida ", "avda", "av. ", "plaza ", "paseo ", "carrera ", "via ", "viale ", "piazza ",
    "corso ", "largo ", "rua ", "travessa ", "alameda ", "ul. ", "ulica ", "улица ", "ул. ",
)  # fmt: skip
_NAME_FIRST = late_pattern(
    rf"(?:(?:{_UP}[\w'’.-]* ){{0,3}}(?:{_UP}[\w'’.-]*?)?(?i:straße|strasse|str\.|gasse|weg|platz|allee|damm|ufer|"
    rf"ring|straat|laan|"
    r"plein|gracht|kade|gatan|vägen|gate|veien|vej|gade|katu|tie|utca|út)) \d{1,4} ?(?:[a-zA-Z]\b)?"
    r"|(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrera|Via|Viale|Piazza|Corso|Largo|Rua|Travessa|Alameda|"
    r"ul\.|ulica|"
    rf"улица|ул\.) (?:(?:de|del|la|las|los|da|do|das|dos|di|della|dei) ){{0,3}}[\w'’.-]+"
    rf"(?: (?:de|del|la|da|do|dos|di|della|{_UP}[\w'’-]*)){{0,4}},? (?:n[º°.]? ?|nº |número |"
    rf"д\. ?)?\d{{1,5}}[a-zA-Z]?\b"
    r"|P\.? ?O\.? Box \d{1,6}"
    r"|[\u4e00-\u9fff]{2,14}(?:省|市|区|县)[\u4e00-\u9fff]{1,12}(?:路|街|道|"
    r"巷)\s?\d{1,5}\s?号(?:[\w\u4e00-\u9fff]{0,12}室)?"
)
_CITY = rf"{_UP}[^\W\d_]+(?:[.'’-]{{1,2}}[^\W\d_]+)*\.?(?: {_UP}[^\W\d_]{{2,}}){{0,2}}(?![\w])"
_MORE = late_pattern(
    r"(?:[,\s]{1,4}(?:Apt|Apartment|Unit|Suite|Ste|Flat|App|Wohnung|Piso|Apto|#)\.? ?#?\w{1,6})?"
    rf"(?:,?\s{{1,3}}\d{{4,5}}(?:-\d{{3,4}})?(?: [A-Z]{{2}})?,? {_UP}[\w'’-]+(?: {_UP}[\w'’-]+)?"
    rf"|(?:,\s{{1,3}}{_CITY}){{0,2}}"
    r"(?:,?\s{1,3}[A-Z]{2})?(?:,?\s{1,3}(?:\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|"
    r"[A-Z]\d[A-Z] ?\d[A-Z]\d))?\b)?"
)
_FLAT = late_pattern(r"[,\s]{1,4}(?:Apt|Apartment|Flat|Unit|Suite)\.? ?#?\d", re.IGNORECASE)

_BIRTH_GATES = (
    "birth",
    "born",
    "dob",
    "d.o.b",
    "gebor",
    "geburts",
    "naissance",
    "nacimiento",
    "nasc",
    "nato il",
    "nata il",
    "geboort",
    "urodz",
)
_OTHER_BIRTH_GATES = ("né le", "née le", "nací", "рожд", "родил", "生日", "出生", "誕生日", "생일", "생년월일")
BIRTH_GATES = frozenset((*_BIRTH_GATES, *_OTHER_BIRTH_GATES))
"""Phrases, in lower case, without one of which :func:`birth_date` finds nothing."""
_BIRTH = late_pattern(
    r"(?:(?:date of birth|birth ?date|birthday|d\.?o\.?b\.?)(?: is| was|:| =| -|\))*"
    r"|(?<=i was )born(?: on| in)?|(?<=i'm )born(?: on)?|(?<=i am )born(?: on)?|(?<=patient )born(?: on)?|"
    r"(?<=patient was )born(?: on)?"
    r"|birth(?: date)?:|born:"
    r"|(?:geburtsdatum|geburtstag)(?: ist| war|:)*|geboren am|(?:date de )?naissance(?: est|:| :)*|(?<=je suis )née? le"
    r"|fecha de nacimiento(?: es|:)*|nací el|(?:data de )?nascimento(?: é|:)*|nasci em|(?:data di )?nascita(?: è|:)*"
    r"|(?<=sono )nat[oa] il|geboortedatum(?: is|:)*|geboren op|urodz\w*(?: się)?(?: dnia)?:?|дата рождения:?|родил\w+"
    r"|出生日期|出生于|生日|出生|誕生日|생년월일|생일)"
    r"[\s:：是は\"'*]{0,4}(?P<date>\d{1,4}[-./年]\s?\d{1,2}[-./月]\s?\d{1,4}日?"
    r"|\d{1,2}(?:st|nd|rd|th|\.|er)?(?: of| de)? [^\W\d]{3,12}\.?,?(?: de)? \d{4}|[^\W\d]{3,12}\.? \d{1,2}(?:st|nd|"
    r"rd|th)?,? \d{4}|\d{8})",
    re.IGNORECASE,
)


def names(text: str, lower: str, gates: Iterable[str], hits: list[Hit]) -> None:
    """Names that somebody gives as a person's: "My name is ...", "Name: ...", in a dozen languages.

    ``gates``: those of :data:`NAME_GATES` that stand in ``lower``, among others.
    """
    for gate in gates:
        form = _NAME_GATES.get(gate)
        if form is None:
            continue
        at = lower.find(gate)
        while at >= 0:
            match = form.match(text, at)
            if match is not None and match["name"].split(" ", 1)[0].strip(".") not in _NO_NAME:
                before = text[max(0, at - 24) : at]
                if not gate.startswith("name") or gate == "name ist " or _WHOSE.search(before):
                    hits.append(Hit("person", match.start("name"), match.end("name"), 0.9))
            at = lower.find(gate, at + len(gate))


def street(text: str, lower: str, at: int, hits: list[Hit]) -> None:
    """A street with the house number that starts at ``at``, where somebody lives or wants something sent.

    A flat's number behind it tells as well as words before it.
    """
    found = None
    if _AFTER_NUMBER.match(text, at):
        found = _NUMBER_FIRST.match(text, at) or _BEFORE_FLAT.match(text, at)
    if found is None:
        before = text[max(0, at - 60) : at].rstrip(" ,")
        last = before[before.rfind(" ") + 1 :]
        if not last.lower().endswith(_LAST):
            # The word before the number is the street's own name, or a sign for "number".
            if not (last[:1].isupper() or last in ("n", "n.", "nº", "n°", "número")):
                return
            before = lower[max(0, at - 60) : at]
            if not any(word in before for word in _FIRST):
                return
        for match in _NAME_FIRST.finditer(text, max(0, at - 60), min(len(text), at + 24)):
            if match.start() < at < match.end():
                found = match
        if found is None:
            return
    start = found.start()
    between = text[max(0, start - 90) : start]
    where = None
    for match in _WHERE.finditer(between):
        where = match
    lives = where is not None and "?" not in between[where.end() :] and between[where.end() :].count(". ") <= 1
    if lives or _FLAT.match(text, found.end()):
        more = _MORE.match(text, found.end())
        end = more.end() if more is not None else found.end()
        hits.append(Hit("address", start, len(text[:end].rstrip(" ,\n\t")), 0.88 if lives else 0.85))


def tells_birth(lower: str) -> bool:
    """A cheap test of the text before a number: can :func:`birth_date` find anything there?"""
    return any(gate in lower for gate in (_BIRTH_GATES if lower.isascii() else _BIRTH_GATES + _OTHER_BIRTH_GATES))


def birth_date(text: str, at: int, hits: list[Hit]) -> None:
    """The date around ``at``, when it is said to be somebody's birth; those in prose ("Mozart was born on") are not."""
    hits.extend(
        Hit("birth_date", match.start("date"), match.end("date"), 0.92)
        for match in _BIRTH.finditer(text, max(0, at - 56), min(len(text), at + 40))
        if match.start("date") <= at < match.end("date")
    )
