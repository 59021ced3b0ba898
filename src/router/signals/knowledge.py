"""Does the given context hold what is asked (F9, KNW-04 of the guide)?

A lexical guess: the question's own content words must nearly all stand in the context. Many do: yes; hardly any: no;
in between the answer is unknown, as words alone cannot tell.
"""

from __future__ import annotations

import re

from ..types import Signals
from .context import passage
from .excerpt import excerpt, has_shared_case, lowered
from .rule import Rule

__all__ = ["KNOWLEDGE"]

_WORD = re.compile(r"[^\W_]{3,}")
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "was",
        "were",
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "why",
        "how",
        "does",
        "did",
        "doing",
        "has",
        "have",
        "had",
        "can",
        "could",
        "should",
        "would",
        "will",
        "shall",
        "may",
        "might",
        "must",
        "that",
        "this",
        "these",
        "those",
        "with",
        "from",
        "into",
        "about",
        "between",
        "according",
        "based",
        "text",
        "passage",
        "context",
        "article",
        "document",
        "paragraph",
        "following",
        "above",
        "below",
        "given",
        "provided",
        "question",
        "answer",
        "please",
        "tell",
        "give",
        "list",
        "name",
        "many",
        "much",
        "long",
        "old",
        "you",
        "your",
        "they",
        "their",
        "them",
        "its",
        "his",
        "her",
        "she",
        "not",
        "but",
        "any",
        "all",
        "some",
        "than",
        "then",
        "there",
        "here",
        "only",
        "also",
        "just",
        "use",
        "using",
        "most",
        "more",
        "der",
        "die",
        "das",
        "und",
        "ist",
        "sind",
        "war",
        "wer",
        "was",
        "wann",
        "wie",
        "warum",
        "welche",
        "welcher",
        "laut",
        "text",
        "nach",
        "les",
        "des",
        "une",
        "est",
        "qui",
        "que",
        "quand",
        "comment",
        "pourquoi",
        "quel",
        "quelle",
        "selon",
        "dans",
        "los",
        "las",
        "una",
        "qué",
        "quién",
        "cuándo",
        "cómo",
        "dónde",
        "según",
        "del",
        "por",
        "para",
        "con",
        "como",
        "uma",
        "quem",
        "quando",
        "onde",
        "said",
        "says",
        "say",
        "mentioned",
        "mention",
        "mentions",
        "stated",
        "author",
        "explain",
        "describe",
        "happened",
        "happen",
        "kind",
        "type",
        "first",
        "last",
    ]
)
_READ = 20_000


def _read(signals: Signals) -> tuple[bool | None, float]:
    context = signals.get("context")
    if context.value is None:
        return None, 0.0
    if context.value is False:
        return False, context.confidence
    view = signals.view(excerpt)
    last = signals.request.messages[-1]
    is_small = not view.system and last.role != "tool" and has_shared_case(view.user)
    question, text = passage(signals.view(lowered) if is_small else view.user, view.system)
    if last.role == "tool":
        text += "\n" + last.text
    question = question if is_small else question.lower()
    asked = {_stem(word) for word in _WORD.findall(question[-400:]) if word not in _COMMON} - _COMMON
    if not asked or len(text) < 60:
        return None, 0.0
    held = text[:_READ] if is_small else text[:_READ].lower()
    share = sum([word in held for word in asked]) / len(asked)
    if share >= 0.75:
        return True, 0.6 + 0.25 * share
    return (False, 0.75) if share <= 0.2 and len(asked) >= 2 else (None, 0.0)


def _stem(word: str) -> str:
    """The part of a word that its forms share ("founded", "founder"): the first five letters of a longer one."""
    return word if len(word) <= 5 else word[: max(5, len(word) - 3)]


KNOWLEDGE = Rule(name="knowledge", read=_read)
