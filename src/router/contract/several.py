"""Whether several labels may be given at once: "all that apply", "several are possible", "separated by commas"."""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .vocabulary import MULTI_WORDS

__all__ = ["multi_label"]

_MULTI = late_pattern(
    r"\b(?:all|any)\b(?: of)?(?: the)?(?: (?:labels?|categories|tags?|topics?|options|classes|emotions|"
    r"intents))* (?:that|which) (?:appl(?:y|ies)|fits?|match(?:es)?|hold|are relevant)\b|"
    r"\bone or (?:more|several)\b|\b(?:multiple|several|various) (?:labels|categories|tags|topics|classes|values|"
    r"answers|options|"
    r"emotions|intents)\b|"
    r"\ball applicable\b|\bzero or more\b|\bevery (?:label|category|tag|topic) (?:that|which)\b|\bmore than one\b|"
    r"\bany number of\b|\b(?:as )?many as\b|\bmehrere\b|\bplusieurs\b|\bvarias\b|\bvárias\b|\bat least one\b|"
    r"\bup to (?:two|three|\d)\b|"
    r"\b(?:several|multiple|more) (?:are|is|may|can|could) (?:be )?(?:possible|allowed|chosen|given|apply|fine|ok|"
    r"picked|selected|named)\b|\bevery [\w-]+(?: [\w-]+)? (?:that|which) (?:fits?|appl(?:y|ies)|match(?:es)?|holds?)\b|"
    r"\b(?:give|list|write|return|output|separate|join) them\b[^.\n]{0,24}\bcommas?\b|"
    r"\ball (?:[\w-]+ )?[\w-]+s (?:that|which) (?:appl(?:y|ies)|fits?|match(?:es)?)\b|"
    r"\bone or two\b|\b(?:labels|categories|tags|topics) \(?(?:separated|comma)|"
    r"\b(?:answer|respond|return|output|reply|as an?|give|as long as they're|separated? them)\b[^.\n]{0,40}"
    r"\bcomma[- ](?:separated|delimited)\b|\b(?:every|all the) (?:\w+ )?(?:labels?|departments?|teams?|categor\w+|"
    r"tags?|"
    r"topics?|themes?|departments?) (?:that|which|it)\b|"
    r"через запят\w+|\bseparad[oa]s por (?:una )?(?:comas?|vírgulas?)\b|\bséparée?s par (?:des |une )?virgules?\b|"
    r"\b(?:komma-?getrennt\w*|durch kommas? getrennt|gescheiden door (?:een )?komma'?s?|separat[ei] da virgol[ae])\b",
    re.IGNORECASE,
)
_ONE_WORD = late_pattern(r"\b(?:not|n't|never|no)\b[^.\n]{0,40}\bmore than one\b", re.IGNORECASE)


def multi_label(text: str, words: frozenset[str]) -> bool:
    """Whether several labels may be given at once."""
    return bool(words & MULTI_WORDS) and _MULTI.search(_ONE_WORD.sub(" ", text)) is not None
