"""Which of a model's labels does each allowed answer mean? Exact spellings and the card's aliases, never a guess.

And, far cheaper: are a model's labels named in a request at all?
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import msgspec

from ..catalogue import LocalCard
from ..contract.polar import YES_WORDS, is_polar
from ..contract.vocabulary import YES_NO
from ..types import Contract, Request
from .gates import Gates
from .meanings import agrees

__all__ = ["LabelMap", "LabelReader", "NamedLabels", "folded"]

_GAPS = re.compile(r"[\s_\-]+")
_EDGES = " .,:;!?\"'`*()[]<>«»“”‘’"
_CAPACITY = 256
_MOST_CHARS = 20_000

# Answers that leave a way out: no classifier knows when the caller would take it.
_CATCH_ALL = frozenset(
    {
        "other", "others", "unknown", "none", "n/a", "na", "not sure", "unsure", "unclear", "uncertain",
        "none of these", "none of the above", "no match",
        "not applicable", "can't tell", "cannot tell", "cannot determine", "undefined",
        "miscellaneous", "misc", "andere", "anderes", "sonstiges", "unbekannt", "unklar", "otro", "otra", "otros",
        "desconocido", "ninguno", "autre", "inconnu", "aucun", "altro", "sconosciuto", "outro", "desconhecido",
        "其他", "未知", "その他", "不明", "기타",
    }
)  # fmt: skip
# Words with a plain meaning of their own: without two others they fit a model only when the task is known.
_EVERYDAY = frozenset({"good", "bad", "pos", "neg", "clean", "normal", "ok", "safe", "true", "false", "yes", "no"})


class LabelMap(msgspec.Struct, frozen=True, kw_only=True):
    """How a contract's labels read for one model.

    ``places[i]`` is the index of the model's label that the i-th allowed answer means, None for none. ``is_telling``:
    the answers are so particular that they name the task. ``reason`` says why not every answer maps, as a sentence.
    """

    places: tuple[int | None, ...]
    is_telling: bool = False
    reason: str | None = None

    @property
    def mapped(self) -> int:
        """How many answers map."""
        return sum(place is not None for place in self.places)


class LabelReader:
    """Reads contracts for one model; the last 256 label lists are remembered."""

    def __init__(self, card: LocalCard) -> None:
        self._name, self._task = card.name, card.task
        # A model that was taught by a template's own answers knows what that template means.
        self._is_taught = bool(card.template)
        self._labels = card.labels
        self._places: dict[str, int] = {}
        for place, label in enumerate(card.labels):
            for spelling in (label, *card.aliases.get(label, ())):
                key = folded(spelling)
                if self._places.setdefault(key, place) != place:
                    self._places[key] = -1  # one spelling for two labels means neither
        self._known: dict[tuple[tuple[str, ...], str, str, tuple[str, ...]], LabelMap] = {}

    def __call__(self, contract: Contract) -> LabelMap | None:
        """How the contract's labels read, None when it has none."""
        labels = contract.labels
        if labels is None:
            return None
        meanings = () if self._is_taught else contract.meanings
        key = (labels, contract.path[-1] if contract.path else "", contract.question, meanings)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _CAPACITY:
                self._known.clear()
            found = self._known[key] = self._read(*key)
        return found

    def _read(self, labels: tuple[str, ...], field: str, question: str, meanings: tuple[str, ...]) -> LabelMap:
        found = self._spelled(labels, field, question)
        if found.reason is not None or not meanings:
            return found
        for label, place, meaning in zip(labels, found.places, meanings, strict=True):
            is_one_of_two = len(labels) == len(self._labels) == 2
            if meaning and (
                place is None or not agrees(self._task, self._labels[place], meaning, is_one_of_two=is_one_of_two)
            ):
                return LabelMap(places=found.places, reason=f"the request says what {label!r} means")
        return found

    def _spelled(self, labels: tuple[str, ...], field: str, question: str) -> LabelMap:
        keys = [folded(label) for label in labels]
        if len(self._labels) == 2 and is_polar(keys):
            return self._polar(keys, field, question)
        if YES_NO.issuperset(keys) and len(self._labels) > len(keys):
            reason = f"{labels[0]!r} answers the request's own question, and is no label of {self._name} there"
            return LabelMap(places=(None,) * len(keys), reason=reason)
        places = tuple(place if (place := self._places.get(key)) is not None and place >= 0 else None for key in keys)
        used = [place for place in places if place is not None]
        for label, key, place in zip(labels, keys, places, strict=True):
            if place is not None:
                continue
            if key in _CATCH_ALL:
                reason = f"{label!r} is allowed too, and {self._name} cannot tell when that applies"
            else:
                reason = f"{label!r} is no label of {self._name}"
            return LabelMap(places=places, reason=reason)
        if len(set(used)) < len(used):
            return LabelMap(places=places, reason=f"two of the allowed answers are the same label of {self._name}")
        if len(used) < 2:
            return LabelMap(places=places, reason="fewer than two answers are allowed")
        return LabelMap(places=places, is_telling=sum(key not in _EVERYDAY for key in keys) > 1)

    def _polar(self, keys: Sequence[str], field: str, question: str) -> LabelMap:
        """Yes or no to a label's own name: the field's ``{"is_spam": true}``, or the question's "Is this spam?"."""
        name = folded(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", field)).removeprefix("is ").removesuffix(" flag")
        meant = {self._places.get(name, -1), self._places.get(folded(question), -1)} - {-1}
        named = meant.pop() if len(meant) == 1 else -1
        if named < 0:
            return LabelMap(
                places=(None,) * len(keys), reason=f"which label of {self._name} is meant by yes is not certain"
            )
        return LabelMap(places=tuple(named if key in YES_WORDS else 1 - named for key in keys), is_telling=True)


class NamedLabels:
    """Tells at a glance which requests cannot ask for labels that name the task of one of the models.

    Such a request has two of a model's labels in it, or the one that a yes or no is about. Everyday words name no task.
    """

    def __init__(self, cards: Iterable[LocalCard]) -> None:
        # By a spelling's longest word: all its words, the model, the label's place, and whether it may stand alone.
        self._spellings: dict[str, list[tuple[frozenset[str], str, int, bool]]] = {}
        self._is_complete = True
        for card in cards:
            for place, label in enumerate(card.labels):
                spellings = [folded(spelling) for spelling in (label, *card.aliases.get(label, ()))]
                telling = [spelling for spelling in spellings if not _EVERYDAY.issuperset(spelling.split())]
                for spelling in filter(str.isascii, telling):
                    words = [word for word in spelling.split() if len(word) > 1]
                    if words:
                        entry = (frozenset(words), card.name, place, len(card.labels) == 2)
                        self._spellings.setdefault(max(words, key=len), []).append(entry)
                    else:  # "1" or "A": such a label cannot be told from what stands in any text
                        self._is_complete = False
        self._gates = Gates(word for of in self._spellings.values() for words, *_ in of for word in words)

    def may_stand_in(self, request: Request) -> bool:
        """Whether a model's labels may be named in ``request``; true of every long one and of every foreign script, and
        of all where a model has labels of a single character."""
        texts = [message.text for message in request.messages]
        if not self._is_complete or sum(map(len, texts)) > _MOST_CHARS or not all(map(str.isascii, texts)):
            return True
        text = "\n".join(texts).lower()
        found = frozenset(self._gates.found(text.encode()))
        places: dict[str, int] = {}
        for longest in found:
            for words, model, place, is_enough in self._spellings.get(longest, ()):
                if places.get(model) == place or not words <= found or not _stands_alone(text, longest):
                    continue
                if is_enough or model in places:
                    return True
                places[model] = place
        return False


def _stands_alone(text: str, word: str) -> bool:
    """Whether a word stands in a lower-case text without letters or digits on either side; "isSpam" is two words."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not text[end : end + 1].isalnum() and (not text[at - 1 : at].isalnum() or text[at - 2 : at] == "is"):
            return True
        at = text.find(word, end)
    return False


def folded(label: str) -> str:
    """A label without what spelling alone adds: case, width, underscores, hyphens, quotes and final punctuation."""
    text = label if label.isascii() else unicodedata.normalize("NFKC", label)
    return _GAPS.sub(" ", text.casefold()).strip(_EDGES)
