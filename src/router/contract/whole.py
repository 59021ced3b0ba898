"""Whether a list of labels that was found begins and ends where the caller's list does, and holds labels at all."""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .labels import Listing
from .vocabulary import ANSWER_WORDS, CLASSIFY, INPUT_WORDS, NOUNS
from .words import table

__all__ = ["is_whole"]

# "for a house, a flat or land": an item before the first; "van de leerling met goed of slecht": the list has begun
# within another noun phrase.
_ITEM_BEFORE = late_pattern(
    r"\b(?:an?|eine?[nmr]?|une?|una?|uno|um|uma|een) [^\s,.:;?!]+(?: [^\s,.:;?!]+)?, ?(?:(?:an?|eine?[nmr]?|une?|"
    r"una?|uno|um|"
    r"uma|een) )?\Z",
    re.IGNORECASE,
)
_DEFINITE_BEFORE = late_pattern(
    r"\b(?:the|de|het|der|die|das|den|dem|des|le|la|les|el|los|las|il|lo|gli|os|da|del|della|du) \Z",
    re.IGNORECASE,
)
_INDEFINITE_BEFORE = late_pattern(r"\b(?:an?|eine?[nmr]?|une?|una|um|uma|een) \Z", re.IGNORECASE)
_SIGNED = late_pattern(r"(?:^|[\s,;/|]):_|_:[,;/|]|[@$%&~^+]_|_[@$%&~^+]")
_ONE_QUOTE = late_pattern(r".?[\"“«][^\"“”«»]*[\"”»].?", re.DOTALL)
_OPEN_END = late_pattern(
    r"[\"'”`)\]]{0,2},? (?:etc\b|or similar|or the like|and so on|and similar|and others|or something|"
    r"whatever (?:fits|else))",
    re.I,
)
_JOINED_BEFORE = late_pattern(r"\w (?:and|und|et) [\"'`“]?\Z", re.IGNORECASE)
_EXCEPTED = table("except everything anything without instead besides")
_FIELDS = table(
    "sentiment topic category intent type label class emotion score confidence reason tone priority urgency"
)
# "a, b c, d or e": items before the first.
_COMMAS_BEFORE = late_pattern(r"(?:^|[\s,])[\w-]+(?: [\w-]+)?, [\w-]+(?: [\w-]+)?, \Z")
_WRITTEN = late_pattern(
    r"\b(?:answer|reply|respond|output|return|print|write|say)(?: with| only| either| exactly)* \[?\Z", re.IGNORECASE
)
# "choose exactly one, verbatim", "in Kleinbuchstaben, ohne Satzzeichen": how the answer is to be written
_HOW = late_pattern(
    r"(?:^|\n)(?:(?:choose|pick|select|answer|respond|reply|return|use) (?:exactly|only|just|one|with)\b|"
    r"(?:in|en|em|all) (?:all )?(?:lower|upper|small|min[uú]scul|mai?[uú]scul|kleinbuch|großbuch|maj)|"
    r"(?:no|not?|non|ne|nicht|keine?n?|without|ohne|sin|sem|sans|senza|zonder|geen)(?: [\w’']+){0,2} "
    r"(?:explanation|punctuation|quot|extra|additional|further|preamble|text[oe]?\b|"
    r"explica|comillas|puntuaci|adicion|frases|palabras|palavras|pontua|aspas|"
    r"explication|ponctuation|guillemets|spiegazion|punteggiatura|virgolette|parole|"
    r"satzzeichen|erklärung|anführungs|weitere|leestekens|uitleg)|verbatim(?:\n|$))",
    re.IGNORECASE,
)
_ARTICLE = late_pattern(r"(?:an?|une?|una|uno|eine?n?|een) \w|un['’]\w", re.IGNORECASE)
_IS = table("is was to into")
_BEFORE_LABEL = CLASSIFY | table(
    """
    is are was be as to in into of or and with from by for on at under either being it that which only must should
    belongs goes falls sounds seems looks feels reads rather more most mostly mainly best truly really clearly just
    this that these those he she they we you i the a an
    below above here hier sound return output answer reply respond print write give choose pick select name state
    following behind emit tell mark tag label
    can may will has does do says shows expresses about between among via whether if not simply exactly overall
    ist als est es são é è is wie comme como come zu à a en in klingt wirkt eher oder ou o eller som er är jest
    """
)
# Where the verb stands at the end of a clause it is no part of the last label.
_VERBS_LAST = table("ist sind geht handelt betrifft gehört passt gaat zijn hoort betreft valt")
_OWN_FIRST = table("not no none other neither both all very more less too")
_LEADING = table("to the as is a an into this it")
_RUN_IN = (
    INPUT_WORDS
    | CLASSIFY
    | table(
        """
        thats its hes shes theyre whats
        c'est ça es est ist das é è sono son está être sei tell if
        a an the this that these those it its is are was does do did show shows express expresses mention
    mentions sound
        sounds seem seems feel feels below above following as to of in on for with about whether if either be
    been being
        customer user author speaker writer say says want wants mean means belong belongs go goes fit fits describe
        describes
        """
    )
)


def is_whole(text: str, listing: Listing) -> bool:
    """Whether nothing about a list says that a label is missing, cut or run into by other words."""
    return (
        _begins_well(listing.labels)
        and not _runs_on(listing.labels)
        and not _mixes_articles(listing.labels)
        and not _is_bracketed(text, listing)
        and not _names_fields(listing)
        and _HOW.search(listing.labels[0] if listing.closed else "\n".join(listing.labels)) is None
        and not _is_cut(text, listing)
    )


def _is_bracketed(text: str, listing: Listing) -> bool:
    """Whether each label stands in brackets that may belong to it: "[HUMAN] or [BOT]"."""
    if "[" not in text[max(0, listing.start - 1) : listing.end]:
        return False
    if _WRITTEN.search(text, max(0, listing.start - 24), listing.start) is None:
        return False
    return all(f"[{label}]" in text[max(0, listing.start - 1) : listing.end + 1] for label in listing.labels)


def _mixes_articles(labels: tuple[str, ...]) -> bool:
    """Whether an article may belong to a label or not: "an incident, a how-to or chatter"."""
    found = [_ARTICLE.match(label) is not None for label in labels]
    return any(found) and not all(found)


def _runs_on(labels: tuple[str, ...]) -> bool:
    """Whether a sentence without a stop before it has run into the last label: "shipping, other Reply with one"."""
    first, *others = labels[-1].split()
    if not others or first[:1].isupper() != first[-1:].isupper():
        return False  # "Account Access"
    begun = [word for word in others if word[:1].isupper() and (len(word) == 1 or word[1:2].islower())]
    if not begun:
        return False
    return not any(word[:1].isupper() and word[1:].islower() for label in labels[:-1] for word in label.split()[1:])


def _is_cut(text: str, listing: Listing) -> bool:
    """Whether a list begins within another: "reply with sun and moon or star", "everything except sun or moon"."""
    before = text[max(0, listing.start - 48) : listing.start]
    if _OPEN_END.match(text, listing.end) is not None:
        return True  # "a, b or similar"
    if listing.certainty < 0.9 and (_ITEM_BEFORE.search(before) is not None or _runs_in(before, listing.labels)):
        return True
    words = before.split()
    if words and any(label.lower().startswith(f"{words[-1].lower()} ") for label in listing.labels):
        return True  # "by Keats or by Byron"
    if listing.certainty < 0.9 and before.endswith(", ") and _COMMAS_BEFORE.search(before) is not None:
        return True
    first = listing.labels[0].lower()
    if " " in first and before.endswith((" this ", " that ")) and _ARTICLE.match(first) is None:
        return True  # "Is this legal clause liability, payment or governing law?"
    if " " in first and first.split()[0] in INPUT_WORDS and before.endswith((" this ", " the ", " that ")):
        return True  # "Is this ticket other, technical issue or billing?"
    if listing.certainty < 0.9 and _is_halved(before, listing.labels):
        return True
    if _shares_noun(before, listing):
        return True  # "a junior, mid-level or senior role"
    if not listing.closed and _ONE_QUOTE.fullmatch(text, max(0, listing.start - 1), listing.end + 1) is not None:
        return True  # "Yes, definitely": one label with a comma
    if not listing.defined and not listing.marks and _SIGNED.search(_masked(text, listing)) is not None:
        return True  # ":bug:, :question:": signs that belong to the labels
    return listing.certainty < 0.9 and (
        _JOINED_BEFORE.search(before) is not None or not _EXCEPTED.isdisjoint(listing.labels[0].lower().split())
    )


def _runs_in(before: str, labels: tuple[str, ...]) -> bool:
    """Whether a first label that alone has several words stands behind "the": it is the end of what is spoken of."""
    return (
        " " in labels[0]
        and not any(" " in label for label in labels[1:])
        and _DEFINITE_BEFORE.search(before) is not None
    )


def _is_halved(before: str, labels: tuple[str, ...]) -> bool:
    """Whether the first label has left a word behind: "is this call callback needed, resolved or lost"."""
    words = before.lower().split()
    if (
        " " in labels[0]
        or len(words) < 2
        or not before.endswith(" ")
        or not (words[-1].isalpha() and words[-2].isalpha())
    ):
        return False
    last = words[-1]
    if last in _BEFORE_LABEL or last in INPUT_WORDS or last in NOUNS or last in ANSWER_WORDS or last.endswith("ly"):
        return False
    return words[-2] in INPUT_WORDS or words[-2] in _IS


def _shares_noun(before: str, listing: Listing) -> bool:
    """Whether the last label alone has a noun, behind "a": it may be that of them all."""
    *others, last = listing.labels
    return (
        listing.certainty < 0.9
        and last.count(" ") == 1
        and not any(" " in other for other in others)
        and last.split(" ", 1)[0].lower() not in _OWN_FIRST
        and _INDEFINITE_BEFORE.search(before) is not None
    )


def _masked(text: str, listing: Listing) -> str:
    """A list with ``_`` for its labels, and the signs before it."""
    stretch = text[listing.start : listing.end + 1]
    for label in sorted(listing.labels, key=len, reverse=True):
        stretch = stretch.replace(label, "_")
    return text[max(0, listing.start - 2) : listing.start] + stretch


def _names_fields(listing: Listing) -> bool:
    """Whether what stands as labels are names for labels: "reply sentiment,topic where ..."."""
    return listing.certainty < 0.9 and sum(label.lower() in _FIELDS for label in listing.labels) * 2 >= len(
        listing.labels
    )


def _begins_well(labels: tuple[str, ...]) -> bool:
    """Whether the first label is none that words before the list have run into: "show joy, fear or anger"."""
    first, last = labels[0].lower().split(), labels[-1].lower().split()
    if any(" " in label for label in labels[1:-1]):
        others = [word for label in labels[1:] for word in label.lower().split()]
        # "set it to Open, On Hold or Closed"
        return len(first) < 3 or _LEADING.isdisjoint(first[:-1]) or not _LEADING.isdisjoint(others)
    if len(last) > 1 and last[-1] in _VERBS_LAST:
        return False
    if len(first) < 2 or first[0] in _OWN_FIRST or (len(labels) < 3 and len(last) > 1):
        return True
    return _RUN_IN.isdisjoint(first[:-1])
