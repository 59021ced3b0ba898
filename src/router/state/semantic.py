"""When two questions are the same one: what a semantic cache may take for equal, and where it looks.

Sentence vectors say how near two texts are, not whether they mean the same: *increase* and *decrease*, *to Lyon* and
*from Lyon* lie close together. So a near vector is not enough: the two texts may differ in nothing but courtesies,
articles, endings and the like, in the same order (:func:`gist`). Whatever else differs (a number, a name, a negation,
an antonym) keeps them apart. The room stores vectors and hashes, no text.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import msgspec

__all__ = ["SemanticIndex", "gist"]

_MOST_CHARACTERS = 300
_MOST_SCOPES = 2_000
_MOST_IN_SCOPE = 200

_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:[+#]+)?|[^\s\w.,!?]")
_CONTRACTIONS = (
    (re.compile(r"\b(can)'?t\b|\bcannot\b"), "can not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|who|where|when|why|how|it|that|there|he|she)'s\b"), r"\1 is"),
    (re.compile(r"'(?:re|m)\b"), " are"),
    (re.compile(r"'d\b"), " would"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'ve\b"), " have"),
)
_GREETING = re.compile(r"^(?:hi|hello|hey|good (?:morning|evening|afternoon))(?: there)?[,.! ]+")
_ASKING = re.compile(
    r"^(?:please[,: ]+)?(?:(?:can|could|would|will) you (?:please |kindly )?(?:tell|show|give) me"
    r"|(?:tell|give) me|do you know|i (?:want|need|would like) to know|i was wondering)[,: ]+"
)
# Whoever asks how to do something means the same person.
_HOW = re.compile(r"\bhow (?:to|(?:do|can|could|would) (?:i|you|we|one)|(?:i|you|we|one) (?:can|could))\b")
# "Tell me the capital" asks what it is.
_THING = re.compile(r"^(?=(?:the|an?|my) )")
_THANKS = re.compile(r"[,.;:! ]+(?:please|thanks|thank you|thx)[.!? ]*$")
# Material that is worked on, and work where each small word counts.
_MATERIAL = re.compile(r"[\"`\n{}<>\[\]]|'[^']{2,}'|: ")
_LITERAL = frozenset(
    _WORD.findall(
        "translate translation spell spelling grammar rewrite rephrase paraphrase proofread correct shorten summarize"
        " summarise count letters repeat quote compose classify label rate sentence"
    )
)
# They change nothing in a question. Not among them: negations, quantities, places and directions, persons, times and
# moods: whoever looks at a passport does not look for one.
_EMPTY = frozenset(_WORD.findall("a an the is are am be do does please kindly of i me my"))


def gist(text: str) -> tuple[str, ...] | None:
    """What a short English question asks, as a sequence that other wordings of it share; None where it must be taken
    word by word: longer texts, texts with material to be worked on, and work on words themselves."""
    if len(text) > _MOST_CHARACTERS:
        return None
    plain = text.strip().replace("\u2019", "'")
    if not plain.isascii() or _MATERIAL.search(plain):
        return None
    plain = plain.lower()
    plain = _THANKS.sub("", plain)
    plain = _GREETING.sub("", plain)
    for pattern, full in _CONTRACTIONS:
        plain = pattern.sub(full, plain)
    bare = _ASKING.sub("", plain)
    if bare != plain:
        bare = _THING.sub("what ", bare)
    words = ["what" if word == "which" else word for word in _WORD.findall(_HOW.sub("how", bare))]
    if not words or not _LITERAL.isdisjoint(words):
        return None
    found = tuple(_stem(word) for word in words if word not in _EMPTY and word != "'")
    return found if len(found) > 1 else None


def _stem(word: str) -> str:
    """The word without the ``s`` of a plural or a third person."""
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


class _Kept(msgspec.Struct, frozen=True):
    key: str
    gist: bytes
    vector: Any


class SemanticIndex:
    """Which answers were given to questions like this one. ``embed`` gives a text's vector, of length 1.

    ``threshold`` is the least cosine. A scope is everything but the question: caller, policy, demands, system prompt,
    tools, earlier messages, and all parameters.
    """

    def __init__(self, embed: Callable[[str], Any], *, threshold: float) -> None:
        self._embed, self._threshold = embed, threshold
        self._scopes: OrderedDict[str, OrderedDict[str, _Kept]] = OrderedDict()
        self._lock = Lock()

    def find(self, scope: str, text: str) -> str | None:
        """The key of an answer to the same question, None where there is none."""
        kept = self._scopes.get(scope)
        asked = self._kept("", text) if kept else None
        if kept is None or asked is None:
            return None
        best, key = self._threshold, None
        with self._lock:
            for each in kept.values():
                if each.gist == asked.gist and (near := float(each.vector @ asked.vector)) >= best:
                    best, key = near, each.key
        return key

    def add(self, scope: str, text: str, key: str) -> None:
        """An answer to ``text`` is kept under ``key``."""
        made = self._kept(key, text)
        if made is None:
            return
        with self._lock:
            kept = self._scopes.setdefault(scope, OrderedDict())
            self._scopes.move_to_end(scope)
            kept[key] = made
            if len(kept) > _MOST_IN_SCOPE:
                kept.popitem(last=False)
            if len(self._scopes) > _MOST_SCOPES:
                self._scopes.popitem(last=False)

    def _kept(self, key: str, text: str) -> _Kept | None:
        found = gist(text)
        if found is None:
            return None
        return _Kept(key, hashlib.blake2b("\0".join(found).encode(), digest_size=16).digest(), self._embed(text))
