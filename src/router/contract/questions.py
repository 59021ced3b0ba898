"""The weakest wording: "is it A or B?", where only the question itself names the answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..patterns import late_pattern
from .labels import Listing
from .vocabulary import NEVER

__all__ = ["questions"]

_COPULA = late_pattern(
    r"(?:\b(?:is it|is|are|be|as|about|of|sounds?|more|like|rather|plutôt|eher|est-il|est-elle|ist|es|é|è|tweet|"
    r"review|"
    r"text|message|comment|sentence|post|email|headline|statement|article|ticket|passage)|[:\-–])$",
    re.I,
)
_ARTICLE = late_pattern(r"\ban? (?:\w+)?$", re.I)
_QUESTION = late_pattern(
    r"((?:[\w'’-]+,\s+)*)([\w’'-]+),?\s+(?:or|oder|ou|o|of)\s+((?:not?\s)?[\w’'-]+)(?:\s+(?:here|only|"
    r"overall)|\s+(?:for|in|on|to) (?:the|an?|this|our|my) [\w'’ -]{1,30})?\s*[?:](?=\s|$|[\"'])",
    re.IGNORECASE,
)
_HEADED = late_pattern(
    r"\s*_?\W{0,4}((?:[\w'-]+(?: [\w'-]+)?,\s+)*(?:[\w'-]+ )?[\w'-]+,?\s+(?:or|oder|ou|of|o|"
    r"vs\.?)\s+(?:not )?[\w'-]+)\s*[:?](?=\s|$)",
    re.IGNORECASE,
)
_SUBJECT = late_pattern(
    r"\b(?:this|the|it|following|below|dies\w*|folgende\w*|cette?|ce|suivante?|est[ea]|siguiente|seguinte|quest[oa]|"
    r"seguente|"
    r"dit|deze|volgende|la (?:recensione|reseña|opinión|frase)|le (?:message|texte|commentaire)|el (?:mensaje|texto|"
    r"comentario)|il (?:messaggio|commento|testo)|l'avis)\b",
    re.IGNORECASE,
)


_JOINT = late_pattern(r" (?:or|oder|ou|o) ", re.IGNORECASE)
_JOINT_DUTCH = late_pattern(r" of ", re.IGNORECASE)
_DUTCH = frozenset({"deze", "dit", "antwoord", "recensie", "bericht"})


def questions(text: str, words: frozenset[str]) -> Iterator[Listing]:
    headed = _HEADED.match(text)
    if headed is not None:
        items = tuple(
            part.strip() for part in re.split(r",?\s+(?:or|oder|ou|of|o|vs\.?)\s+|,\s+", headed[1], flags=re.I)
        )
        if len(set(items)) == len(items) > 1 and not ({item.lower() for item in items} & NEVER):
            yield Listing(items, headed.start(1), headed.end(1), 0.78)
    joints = _JOINT_DUTCH if words & _DUTCH else _JOINT
    for joint in joints.finditer(text):
        after = text[joint.end() : joint.end() + 40]
        if "?" not in after and ":" not in after:
            continue
        match = _QUESTION.search(
            text, max(0, joint.start() - 120, text.rfind("\n", 0, joint.start())), joint.end() + 60
        )
        if match is None or not match.start() <= joint.start() < match.end():
            continue
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if not _SUBJECT.search(line[-160:]) and not _SUBJECT.search(match[0]):
            continue
        before = [part.strip() for part in match[1].split(",") if part.strip()]
        lead_in = text[: match.start()].rstrip()
        if before and not _COPULA.search(lead_in[-24:]):
            continue  # "this newsletter line, invitation or notice?": where the first label begins is unclear
        if not before and _ARTICLE.search(lead_in[-24:]):
            continue
        asked = (*before, match[2], match[3].strip())
        if all(map(str.isdigit, asked)):
            continue  # "Is the sum 4 or 5?"
        if len({item.casefold() for item in asked}) == len(asked) and not ({item.lower() for item in asked} & NEVER):
            yield Listing(asked, match.start(), match.end(), 0.72)
