"""English sentences with words of the caller's own: which of them can change neither the label nor the answer's form?

The words that make a sentence an order, a rule or a setting are few and known; the nouns in it are not. A sentence is
plain when it has a known frame and every unknown word stands where a noun stands. What an order wants back must be
the label, or be called as the list is: "Which tray is it? ... Send the tray."
"""

from __future__ import annotations

from collections.abc import Iterable

from .frame_words import (
    ADVERBS,
    ANSWERING,
    ANSWERS,
    ASKS,
    CALLS,
    CHOICE,
    CLAUSES,
    DENIALS,
    DENIES,
    DOES,
    EQUALS,
    FIRM,
    FOLLOWS,
    FORMS,
    GIVES,
    HEADS_LIST,
    HOW,
    HOW_MANY,
    IF,
    IS_SHOWN,
    IS_THING,
    LEADS,
    MEANS,
    NAMED,
    NOT_NOUNS,
    ONE_OF_THEM,
    ONE_WORD,
    OPEN,
    OUTPUT,
    PEOPLE_WRITE,
    PREPOSITIONS,
    QUALITIES,
    RISKS,
    SENDS,
    SETTING_VERBS,
    STOPS,
    SUBJECTS,
    UNTIED,
    VERDICT,
    WANTS,
    WHICH,
    WORDS,
    YOURSELF,
)
from .frames_abroad import TOKEN, are_glossed
from .lexicon import KNOWN
from .vocabulary import ANSWER_WORDS, DATA_TAGS, INPUT_WORDS, NOUNS
from .words import table

__all__ = ["gives", "is_plain", "stem", "tied_names"]


def stem(word: str) -> str:
    """A noun without the ending of its plural."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if word.endswith("lves"):
        return word[:-3] + "f"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def tied_names(lower: str) -> frozenset[str]:
    """What an instruction calls its list, or asks for by "which": stems of nouns. ``lower``: ``_`` for each label."""
    found: set[str] = set()
    last = ""
    for line in CLAUSES.split(lower):
        place = line.find("_")
        if place >= 0 and not line[:place].strip(" -*•\"'`([{"):
            found.update(WORDS.findall(last)[-2:])  # "Choose the tense. past | present"
        last = line if line.strip() else last
        if place > 0:
            found.update(WORDS.findall(line[:place])[-6:])
        for asked in WHICH.finditer(line):
            found.update(word for word in asked.groups() if word and asked[1] not in UNTIED)
    found.update(named[1] or named[2] for named in NAMED.finditer(lower))
    found |= {word[:-2] for word in found if word.endswith("ed") and len(word) > 5}  # "must be marked _ or _"
    return frozenset(stem(word) for word in found if len(word) > 2 and word not in UNTIED)


def gives(lower: str) -> bool:
    """Whether a sentence begins by ordering how to answer."""
    lead = LEADS.match(lower)
    words = TOKEN.findall(lower[lead.end() :] if lead is not None else lower)
    return len(words) > 2 and words[0] in ANSWERING and words[1] in ("as", "like", "in", "with", "using")


def is_plain(lower: str, names: set[str], tied: frozenset[str], *, is_given: bool = False) -> bool:
    """Whether a sentence in small letters, with ``_`` for listed labels, says nothing that a label would not honour.

    ``is_given``: a schema or tool fixes the answer's form, so that an order to fill it, whatever its words, adds
    nothing.
    """
    lower = HOW_MANY.sub("what", IF.sub(r"\1 whether", lower)).replace("the next message", "the message")
    if not any(map(str.isalnum, "".join(names))):
        lower = lower.replace("emojis", "labels").replace("emoji", "label")
    tokens: list[str] = TOKEN.findall(lower)
    is_role = YOURSELF.search(lower) is not None
    if len(tokens) > 60 or any(token.isdigit() for token in tokens) or (not is_role and not RISKS.isdisjoint(tokens)):
        return False
    if are_glossed(tokens):
        return False
    lower = ONE_WORD.sub(" ", lower).replace("nothing more", "nothing")
    lower = EQUALS.sub(r"\1: ", lower)
    lead = LEADS.match(lower)
    rest = lower[lead.end() :] if lead is not None else lower
    if not _are_nouns(TOKEN.findall(lower[: len(lower) - len(rest)]), names):
        return False
    wants = WANTS.match(rest)
    if wants is not None:
        rest = rest[wants.end() :]
    words = TOKEN.findall(rest)
    if not words:
        return True
    start = words[0]
    if start in ("know", "learn", "find", "hear") and wants is not None:
        return _are_nouns(words[1:], names)
    if start in ("do", "don't", "never", "no", "not", "without", "nothing"):
        return _denies(words, names)
    if is_given and (start in GIVES or start in ASKS or start in CALLS):
        return _are_nouns(words[1:], names)
    if start in GIVES or start.removesuffix("ing") in GIVES:
        return _gives(words[1:], names, tied)
    if start in ASKS or start.removesuffix("ing") in ASKS:
        return _asks(words[1:], names, tied)
    if start in ("which", "what", "is", "are", "how", "does", "whether", "who") and wants is None:
        return _are_nouns(words, names) and "_" in words
    if wants is not None:
        return IS_SHOWN.match(rest) is not None and _are_nouns(words[1:], names) and not any(w in names for w in words)
    if (
        words[-1] == ":"
        and len(words) <= 9
        and start not in ANSWER_WORDS
        and words[1] not in FIRM
        and _are_nouns(["the", *words], names)
    ):
        return True  # the heading of what follows
    if words[-2:] == ["nothing", "else"] or words[-1] == "nothing":
        words = [*words[: words.index("nothing")], "only"]
    if words[-1] in ("only", "alone") and len(words) < 7:
        return _is_label([word for word in words[:-1] if word[0].isalpha() and word not in ADVERBS] or ["it"], tied)
    if (
        ONE_OF_THEM.match(rest) is not None
        or FOLLOWS.match(rest) is not None
        or SENDS.match(rest) is not None
        or (PEOPLE_WRITE.match(rest) is not None or YOURSELF.match(rest) is not None)
    ):
        named = {stem(name) for name in names}
        return not any(stem(word) in named for word in words) and len(words) < 40
    if HEADS_LIST.fullmatch(rest) is not None:
        return _are_nouns(["the", *words], names)
    if words[:2] in (["list", "of"], ["set", "of"], ["examples", "of"]):
        return _are_nouns(words, names)
    if (form := OUTPUT.match(rest)) is not None:
        return _gives(TOKEN.findall(rest[form.end() :]), names, tied)
    return _sets(rest, words, names, tied)


def _are_nouns(tokens: list[str], names: set[str]) -> bool:
    """Whether every unknown word stands where a noun does."""
    strange = 0
    was = False  # the word before was an unknown noun
    for place, token in enumerate(tokens):
        if not token[0].isalpha() or token in KNOWN or token in names or token in FORMS or _known_part(token):
            was = False
            continue
        strange += 1
        before = tokens[place - 1] if place else ""
        after = tokens[place + 1] if place + 1 < len(tokens) else ""
        if token.endswith("s") and not after and ("that" in tokens or "which" in tokens):
            continue  # "all components that the report touches"
        if token.endswith("s") and before in ("that", "which") and after in _DETERMINERS:
            was = False
            continue  # "the value that suits the caller's words"
        if (
            not was and (not before or before in NOT_NOUNS or not before[0].isalpha()) and before not in ("`", '"', "'")
        ) and (not (before == "or" or before == "and") or place < 2 or tokens[place - 2][0] in "_,"):
            return False
        was = True
    return strange <= 8 and strange * 2 <= len(tokens) + 2


_LIST_NOUNS = table("category label class topic genre intent department queue emotion sentiment tag mood")
_DETERMINERS = ("the", "a", "an", "this", "it", "its", "your", "my", "our")


def _known_part(token: str) -> bool:
    return token.endswith(("'s", "’s")) and token[:-2] in KNOWN


def _denies(words: list[str], names: set[str]) -> bool:
    """ "Do not give legal advice", "no greetings": what is not to be answered; never how to judge."""
    if any(word in names for word in words) or "_" in words:
        return False
    verb = next((word for word in words if word not in ("do", "don't", "never", "not", "no", "without", "please")), "")
    if words[0] in ("no", "without", "nothing"):
        return len(words) <= 12 and "that" not in words
    return verb in DENIES and verb not in ("use",) and len(words) <= 24


def _asks(words: list[str], names: set[str], tied: frozenset[str]) -> bool:
    """Behind a verb of judging: what is judged and by what name, and perhaps what is to be given back."""
    for place, word in enumerate(words):
        if word in ("and", "then", ";") and place + 1 < len(words):
            after = [one for one in words[place + 1 : place + 4] if one not in ("then", "only", "just", "simply")]
            if after and (after[0] in GIVES or after[0] in ASKS):
                return _are_nouns(words[:place], names) and _gives(
                    words[words.index(after[0], place) + 1 :], names, tied
                )
    listed = len(words) - words[::-1].index("_") if "_" in words else 0
    behind = words[listed:] if listed else []
    odd = [place for place, word in enumerate(behind) if word[0].isalpha() and word not in KNOWN]
    if odd and any(word in MEANS for word in behind):
        return False  # "using the price list", "in the manner of a pirate"
    if any(not place or (behind[place - 1] not in OPEN and place - 1 not in odd) for place in odd):
        return False  # "whichever is funnier"
    return _are_nouns(words, names) and not _adds(words)


def _adds(words: list[str]) -> bool:
    """Whether an "and" brings a second object or order."""
    for place, word in enumerate(words):
        if word == "then" and place > 1:
            return True
        if word in ("and", "plus", "then", "&", "+", "with") and place + 1 < len(words):
            after = words[place + 1]
            if after in DOES:
                return True
            if word != "with" and after in ("what", "why", "how", "which", "whether"):
                return True
            if word != "with" and after in ("the", "a", "an", "its", "their", "his", "her", "your"):
                return True
            if word in ("and", "then") and (after in GIVES or after in ASKS) and place > 1:
                return True
    return False


def _gives(words: list[str], names: set[str], tied: frozenset[str]) -> bool:
    """Behind a verb of answering: its object must be the label, and nothing may be said of how it is written."""
    if not HOW.isdisjoint(words) or ('"' in words and "_" not in words):
        return False
    place = 0
    while place < len(words) and words[place] in ADVERBS:
        place += 1
    if place < len(words) and words[place] in ("which", "what", "whether", "how", "if"):
        return place < 3 and _are_nouns(words, names) and _is_choice(words[place + 1 :], tied)
    object_: list[str] = []
    while place < len(words) and words[place] not in STOPS and words[place][0].isalpha():
        object_.append(words[place])
        place += 1
    rest = words[place:]
    is_listed = "_" in rest and object_[-1:] != [] and object_[-1] not in UNTIED
    if object_ and not is_listed and not _is_label(object_, tied):
        return False
    denied = next((index for index, word in enumerate(rest) if word in DENIALS), len(rest))
    said, rest = rest, rest[:denied]
    if _adds(rest):
        return False
    for index, word in enumerate(rest):
        if word in PREPOSITIONS and not _is_place(rest[index + 1 :], tied):
            return False
        if word in ("and", "then") and index + 1 < len(rest) and rest[index + 1] not in KNOWN | {"_"}:
            return False
    whole = [*object_, *said]
    return _are_nouns(whole if not object_ or object_[0] in KNOWN else ["the", *whole], names)


def _is_label(object_: list[str], tied: frozenset[str]) -> bool:
    """Whether an object is called as labels are, or as the list is: "the folder name", not "the product name"."""
    *before, head = object_
    if stem(head) in tied:
        return True
    if head not in ANSWERS and stem(head) not in ANSWERS:
        return False
    before = [word.removesuffix("'s").removesuffix("’s") for word in before]
    if stem(head) in _LIST_NOUNS and len(before) == 1 and before[0] not in UNTIED:
        return True  # "the budget category"
    return all(word in ANSWERS or word in QUALITIES or stem(word) in tied for word in before)


def _is_place(words: list[str], tied: frozenset[str]) -> bool:
    """Whether words behind "in", "as" or "with" say where the label stands, or what it is, not how it looks."""
    found: list[str] = []
    for word in words:
        if word in ("a", "an") and not found:
            return words[1:2] != [] and (
                words[1] in ANSWERS - {"phrase", "line", "sentence", "title"} or words[1] == "single"
            )
        if word in ADVERBS or word in FIRM:
            continue
        if word in STOPS or not word[0].isalpha():
            break
        found.append(word)
    if not found:
        return "_" in words or bool(words)
    return (
        found[-1] in FORMS
        or found[-1] in INPUT_WORDS
        or found[-1] in ("list", "set", "english", "examples", "table", "codebook")
        or _is_label(found, tied)
    )


def _is_choice(words: list[str], tied: frozenset[str]) -> bool:
    """Whether a question behind "say which" or "say what" is the one that the list answers."""
    if "_" in words:
        return not _adds(words)
    return CHOICE.fullmatch(" ".join(words)) is not None or (
        bool(words)
        and (stem(words[0]) in tied or words[0] in NOUNS)
        and CHOICE.fullmatch(" ".join(words[1:])) is not None
    )


def _sets(rest: str, words: list[str], names: set[str], tied: frozenset[str]) -> bool:
    """What the application is, what comes in, who writes it."""
    named = {stem(name) for name in names}
    if any(stem(word) in named for word in words):
        return False
    if VERDICT.search(rest):
        return False
    start = words[0]
    if start in ("you", "i", "we"):
        verb = next(
            (word for word in words[1:3] if word not in ("always", "only", "must", "should", "then", "just")), ""
        )
        if verb in GIVES and verb != "set":
            return _gives(words[words.index(verb) + 1 :], names, tied)
        place = _find(words, GIVES, 2)
        if place is not None and words[place - 1] in ("and", "then", "to", ","):
            return _gives(words[place + 1 :], names, tied)
        return len(words) < 50
    if start in ("our", "my"):
        return len(words) < 40 and "_" not in words
    if start in ("here's", "here’s"):
        return len(words) < 30
    subject = _subject(words)
    if subject is None:
        return False
    behind = rest.split(subject, 1)[1].strip()
    said = SETTING_VERBS.search(behind[:80])
    return said is not None and len(words) < 40 and ("_" in words or IS_THING.match(behind[said.end() :]) is not None)


def _subject(words: list[str]) -> str | None:
    """The noun for the text to judge with which a sentence begins, or None."""
    if words[0] in SUBJECTS or words[:2] in (["the", "above"], ["the", "following"]):
        return words[0]
    for place, word in enumerate(words[:5]):
        if word in INPUT_WORDS or word in DATA_TAGS or stem(word) in INPUT_WORDS:
            return word
        if word not in KNOWN or (place and word in NOT_NOUNS):
            return None
    return None


def _find(words: list[str], table_: Iterable[str], start: int) -> int | None:
    return next((place for place, word in enumerate(words) if place >= start and word in table_), None)
