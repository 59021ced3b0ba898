"""A text in fields: "Subject: ...", "Body: ..." of a mail, "Title: ...", "Abstract: ..." of a paper, a payment's lines.

Such a run is one text, names and all. Fields of two things ("Claim: ...", "Evidence: ...") are none: only names that
are parts of one document count, or lines under a heading that calls them the details of one thing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from .blocks import trimmed
from .paragraphs import AMBIGUOUS, SPEAKERS, TEXTS_OWN, Found, without_instruction
from .speech import lists
from .vocabulary import ANSWER_WORDS, INPUT_WORDS
from .words import table, words_of

__all__ = [
    "HEADLINES",
    "SUBJECTS",
    "document",
    "goes_on_in_field",
    "holds_field",
    "is_document",
    "is_one_field_asked",
]

SUBJECTS = table("subject betreff objet asunto assunto oggetto onderwerp 件名 主题")
HEADLINES = SUBJECTS | table("title headline titular titel titre título titolo タイトル 标题")
"""Fields above a text that may stand there without a name of its own."""
_SENDERS = table("from sender von absender de expéditeur remitente da mittente remetente van afzender 差出人 发件人")
_HEADS = (
    HEADLINES
    | _SENDERS
    | table(
        """
    to cc bcc date sent recipient reply-to url link website domain
    an datum empfänger à destinataire para fecha destinatario data destinatário aan
    amount price merchant supplier vendor counterparty payee mcc currency author byline company employer
    channel site location
    betrag verwendungszweck preis händler montant commerçant importe comercio importo esercente valor
    """
    )
)
_BODIES = table(
    """
    body text content contents message description abstract snippet excerpt preview summary lead value
    concepto libellé causale
    nachricht inhalt beschreibung auszug zusammenfassung corps contenu texte extrait résumé
    cuerpo contenido mensaje texto descripción resumen extracto corpo contenuto messaggio testo descrizione estratto
    conteúdo mensagem descrição resumo trecho bericht inhoud tekst omschrijving 本文 内容 正文 説明 描述
    """
)
_OWNERS = (INPUT_WORDS - table("question query claim answer reply response hypothesis premise")) | table(
    "job page web site issue transaction payment bank card file code line short full e-mail video de la del du des der "
    "do da della dell'articolo delle news"
)
_GENERIC = table("text message content contents texto mensaje texte testo messaggio mensagem nachricht bericht tekst "
                 "value contenu contenido contenuto conteúdo inhalt inhoud an à a de da to von van para data "
                 "date code line lead 内容 正文 本文")  # fmt: skip
"""Words that an instruction uses of the whole text as well."""
_SAID_OF = {
    "sender": _SENDERS, "domain": _SENDERS | {"url", "link"}, "address": _SENDERS, "recipient": {"to"},
    "line": SUBJECTS, "header": SUBJECTS, "absender": _SENDERS, "remitente": _SENDERS, "mittente": _SENDERS,
    "remetente": _SENDERS, "expéditeur": _SENDERS, "date": {"date", "sent"}, "datum": {"datum"},
}  # fmt: skip
_COMPARED = table(
    "match matches matching mismatch fit fits consistent inconsistent contradict contradicts support supports agree "
    "agrees correspond corresponds relate relates related compare compared between same passt entspricht corresponde "
    "corrisponde correspond coincide longer shorter before after earlier later differ different difference fields each"
)
_OTHERS = table("question answer claim hypothesis premise evidence query reference candidate reply response")
_BESIDE = (
    INPUT_WORDS
    | _OTHERS
    | table(
        "result results products headlines documents passages context options items candidates reviews messages tickets"
    )
)
_ADDRESSES = table("url link website domain date sent")
_HELD_TOGETHER = (
    ANSWER_WORDS
    | _OTHERS
    | table("target aspect entity keyword topic term phrase role criteria example review comment")
)
"""Names beside which a field is no part of one text."""
_FIELD = late_pattern(
    r"^[ \t]*(?:[-*•][ \t]+)?\**(?P<name>[^\W\d_][^\W_]*(?:[ '’/-][^\W_]+){0,3})(?: ?\([^()\n]{1,30}\))?\**"
    r"[ \u00a0]?(?:[:：]\**(?=\s|$)|：)",
    re.MULTILINE,
)
# "Title: ...", and at once another field
_ADJOINING = late_pattern(r"[^\n]+\n[ \t]*[*_]{0,2}[^\W\d_][^\W_]*(?: [^\W_]+){0,2}[*_]{0,2}[ \u00a0]?[:：] ?\S")
_DETAILS = late_pattern(
    r"(?:^|\n)[*_# ]*(?:[^\n:.?!]{2,40} (?:details|data|info|information|fields|record|metadata)|[^\W\d_]+daten|"
    r"(?:datos|données|détails|detalles|dettagli|dati|dados|detalhes)\b[^\n:.?!]{0,40})"
    r"[*_]*[ ]?[:：][*_]*[ \t]*\n\s*\Z",
    re.IGNORECASE,
)
_OPEN_CUE = late_pattern(r"\n[ \t]*[^\W\d_][^\n:：.?!]{0,40}[:：][\s*_]*\Z")


def document(text: str, labels: Sequence[str]) -> Found | None:
    """The text in fields within a message that holds its instruction as well."""
    if "\n" not in text or len(_FIELD.findall(text)) < 2:
        return None
    fields = list(_FIELD.finditer(text))
    for field, below in zip(fields, [*fields[1:], None], strict=True):
        shared = frozenset[str]() if below is None else _shared([field["name"].lower(), below["name"].lower()])
        is_part = _kind(field["name"], shared) != ""
        if not is_part and _DETAILS.search(text, max(0, field.start() - 80), field.start()) is None:
            continue
        start = trimmed(text, field.start(), len(text))[0]
        if lists(text[start : (text + "\n").find("\n", start)], labels):
            continue
        end = trimmed(text, start, len(text))[1]
        cue = _OPEN_CUE.search(text, start, end) if text[:end].rstrip(" *_").endswith((":", "：")) else None
        end = without_instruction(text, start, end if cue is None else cue.start(), labels)
        end = trimmed(text, start, start + len(text[start:end].rstrip("-=#*_~ \t")))[1]  # a line below the text
        if not is_document(text, start, end):
            return (
                AMBIGUOUS
                if _ADJOINING.match(text, start, end) is not None and field["name"].lower() in HEADLINES
                else None
            )
        if _ADDRESSES.issuperset(_names(text, start, end)):
            return AMBIGUOUS  # where the text stands, and no text
        behind = _FIELD.match(text, trimmed(text, end, len(text))[0])
        is_answered = behind is not None and behind.end() < len(text) and text[behind.end()] in " \t"
        if is_answered and behind is not None and not _OTHERS.isdisjoint(behind["name"].lower().split()):
            return AMBIGUOUS  # "Answer: No": a text beside the one in fields
        return (start, end, 0.88)
    return None


def is_document(text: str, start: int, end: int) -> bool:
    """Whether a stretch begins as fields of one text do."""
    if text.find("\n", start, end) < 0:
        return False
    names = _names(text, start, end)
    if len(names) < 2 or len(set(names)) < len(names):
        return False
    shared = _shared(names)
    kinds = [_kind(name, shared) for name in names]
    strange = [name for name, kind in zip(names, kinds, strict=True) if not kind]
    if len(strange) * 3 <= len(names) and _HELD_TOGETHER.isdisjoint(word for name in strange for word in name.split()):
        return "head" in kinds
    return (
        _DETAILS.search(text, max(0, start - 80), start) is not None
        and len(names) == len([line for line in text[start:end].split("\n") if line.strip()])
        and _HELD_TOGETHER.isdisjoint(word for name in names for word in name.split())
    )


def goes_on_in_field(text: str, start: int, end: int) -> bool:
    """Whether the line below a text's first one is another field of what it is a part of."""
    line = text.find("\n", start, end)
    below = None if line < 0 else _FIELD.match(text, line + 1, end)
    return below is not None and _kind(below["name"]) != "" and _FIELD.match(text, start, line) is None


def holds_field(text: str, start: int, end: int) -> bool:
    """Whether a stretch behind a heading goes on with one of its own: "Query: ...", and below it "Result: ..."."""
    line = text.rfind("\n", 0, start) + 1
    if text.find("\n", start, end) < 0 or (heading := _FIELD.match(text, line)) is None or heading.end() > start:
        return False
    own = heading["name"].lower().split()
    if own[-1] in SPEAKERS:
        return False
    is_plain = own[-1] in INPUT_WORDS and own[-1] not in _OTHERS  # "Message: ...", and below it "Rules: ..."
    return any(
        field["name"][0].isupper()
        and TEXTS_OWN.isdisjoint(words)
        and SPEAKERS.isdisjoint(words)
        and not (is_plain and _BESIDE.isdisjoint(words))
        for field in _FIELD.finditer(text, start, end)
        if (words := frozenset(field["name"].lower().split()))
    )


def is_one_field_asked(text: str, start: int, end: int, around: str) -> bool:
    """Whether an instruction (``around``) speaks of single fields of a text: judges its title, or compares two."""
    words = words_of(around)
    own = {word for name in _names(text, start, end) for word in name.split()} & (_HEADS | _BODIES)
    spoken = (own - _GENERIC) & words
    for word in words & _SAID_OF.keys():
        spoken |= own & _SAID_OF[word]
    if not spoken:
        return False
    return len(spoken) < 2 or not spoken >= own - _GENERIC or not _COMPARED.isdisjoint(words)


def _names(text: str, start: int, end: int) -> list[str]:
    """The names of the fields in a stretch that begins with one, in small letters; none where it does not."""
    if (
        _FIELD.match(text, text.rfind("\n", 0, start) + 1) is None
        or text[text.rfind("\n", 0, start) + 1 : start].strip()
    ):
        return []
    return [field["name"].lower() for field in _FIELD.finditer(text, text.rfind("\n", 0, start) + 1, end)]


def _shared(names: Sequence[str]) -> frozenset[str]:
    """The words that all names of a run have, which say whose parts they are: "Epic Title", "Epic Description"."""
    return frozenset.intersection(*(frozenset(name.split()) for name in names)) - _HELD_TOGETHER


def _kind(name: str, shared: frozenset[str] = frozenset()) -> str:
    """ "head" or "body" where a field's name is that of a part of one text, else "".

    ``shared``: words that stand in the names of all its parts.
    """
    words = [word for word in name.lower().split() if word not in shared]
    if not words:
        return ""
    if shared and words == ["name"]:
        return "head"
    if not all(word in _HEADS or word in _BODIES or word in _OWNERS for word in words):
        return ""
    if words[-1] in _HEADS or words[0] in _HEADS:
        return "head"
    return "body" if words[-1] in _BODIES or words[0] in _BODIES else ""
