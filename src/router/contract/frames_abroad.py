"""Sentences with words of the caller's own in languages other than English; see :mod:`frames`. Less is understood here,
so less may be said: few unknown words, none of which begins as a demand or a rule does.
"""

from __future__ import annotations

from itertools import pairwise

from ..patterns import late_pattern
from .lexicon import ENGLISH, KNOWN
from .lexicon_further import ABROAD_DEMANDS
from .vocabulary import ANSWER_WORDS, CLASSIFY, DATA_TAGS, INPUT_WORDS, NOUNS
from .words import table

__all__ = ["TOKEN", "are_glossed", "is_plain_abroad"]

TOKEN = late_pattern(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|_|\d+|[^\w\s]")


_ABROAD_SUBJECTS = table(
    """
    du sie ihr wir ich er es dies hier tu vous nous je on il elle ceci voici tú usted nosotros yo recibes recibirás
    recibe eres
    trabajas clasificas gestionas atiendes você vocês nós eu recebe receberá és lei noi io ricevi riceverai sei lavori
    gestisci smista jij je u wij ik
    """
)


_ABROAD_VERBS = table("und dann et puis y luego e poi depois en daarna oraz i och og och ve").difference(
    ("e", "i", "en")
)


_STEM = 4


_MIXED = ENGLISH | ANSWER_WORDS | CLASSIFY | DATA_TAGS | INPUT_WORDS | NOUNS


_WITHOUT = table(
    "bez ne älä ilman nélkül fără без χωρίς tanpa không án bila sense بدون دون ללא בלי बिना ছাড়া не nie utan uden "
    "uten "
    "kein keine ohne sans pas sin sem senza zonder geen no non não niet ikke inte jangan"
)


_BETWEEN = table(
    "or and oder und ou et o u y e of en eller och og или и lub i albo czy veya ya da a an ein eine un une una "
    "uno um uma een"
)


def is_plain_abroad(lower: str, names: set[str], tied: frozenset[str]) -> bool:
    """As :func:`is_plain`, for languages whose usual words are known; less is understood there, so less may be said."""
    tokens: list[str] = TOKEN.findall(lower)
    if not tokens or len(tokens) > 40 or any(token.isdigit() for token in tokens):
        return False
    foreign = sum(token in KNOWN and token not in _MIXED for token in tokens)
    if not foreign or foreign < sum(token in ENGLISH for token in tokens) or are_glossed(tokens):
        return False
    strange = [token for token in tokens if token[0].isalpha() and token not in KNOWN and token not in names]
    if len(tokens) <= 9 and all(any(token.startswith(name[:_STEM]) for name in tied) for token in strange):
        return True
    if any(
        token.startswith(name) and len(token) < len(name) + 3 for token in tokens for name in names if len(name) > 3
    ):
        return False
    if not names.isdisjoint(tokens) or tokens[0] in strange:
        return False
    for place, token in enumerate(tokens):
        if token.startswith(ABROAD_DEMANDS) and _WITHOUT.isdisjoint(tokens[max(0, place - 2) : place + 2]):
            return False
    for place, token in enumerate(tokens[:-1]):
        if token in _ABROAD_VERBS and tokens[place + 1] in strange and "_" not in tokens[place:]:
            return False
    if tokens[0] in _ABROAD_SUBJECTS:
        return len(strange) * 2 <= len(tokens) + 4
    if len(tokens) <= 8 and len(strange) <= 1 and foreign * 2 > len(tokens):
        return True
    return "_" in tokens and len(strange) <= 4 and len(strange) * 3 <= len(tokens) + 3


def are_glossed(tokens: list[str]) -> bool:
    """Whether words stand between listed labels: "_ is for bills, _ for the rest"."""
    places = [place for place, word in enumerate(tokens) if word == "_"]
    return any(
        tokens[place][0].isalpha() and tokens[place] not in _BETWEEN
        for first, second in pairwise(places)
        for place in range(first + 1, second)
    )
