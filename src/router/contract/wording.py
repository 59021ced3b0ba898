"""Where an instruction in plain words lists the answers it allows, in several languages.

Knows text, not requests. The words of a text are gathered once; a cue is looked for only when its word is there, and a
list is read only behind a cue, so that texts without one cost a set intersection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise

from ..patterns import late_pattern
from .codes import coded_list, may_code
from .cues import DIRECT, OPEN_LIST, as_lists, direct_lists, noun_lists
from .enumerations import lone_list
from .labels import Listing, clean
from .listing import inside, list_at
from .polar import YES_WORDS, ranges, yes_no
from .questions import questions
from .unspaced import unspaced_lists
from .vocabulary import CLASSIFY, DATA_TAGS, INPUT_WORDS, NOUNS, RANGE_WORDS
from .whole import is_whole
from .words import alternatives, table, words_of

__all__ = ["listings", "may_list"]

_ATTRIBUTE = late_pattern(
    r"<(?:(?:label|category|class|option|choice|intent|topic|value|item)\b[^<>]{0,80}?\b|\w{2,20} )(?:name|id|value|"
    r"label)"
    r"\s*=\s*[\"']([^\"'<>]{1,60})[\"']",
    re.IGNORECASE,
)
_ELEMENT = late_pattern(
    r"<(label|category|class|option|choice|intent|topic|value|item|name)>\s*([^<>\n]{1,60}?)\s*</\1>", re.IGNORECASE
)
_HOLDER = late_pattern(
    r"<(labels|categories|classes|options|choices|intents|topics|values|tags|allowed_\w+|valid_\w+|label_set|"
    r"category_list)>"
    r"(.{2,4000}?)</\1>",
    re.IGNORECASE | re.DOTALL,
)
_EXPLAINED = late_pattern(
    r"<(?:content|description|desc|definition|explanation|meaning|examples?|keywords?|about|note)\b", re.I
)
_CHILD = late_pattern(r"<(\w{1,20})>\s*([^<>\n]{1,60}?)\s*</\1>")
_PLURAL = late_pattern(r"<([A-Za-z_]{2,20}s)>([^<>]{2,2000})</\1>")
_SIBLINGS = late_pattern(r"(<(\w{1,20})>\s*[^<>\n]{1,60}?\s*</\2>)(?:\s*<\2>\s*[^<>\n]{1,60}?\s*</\2>)+")
_UNION = late_pattern(r"(['\"])([^'\"\n|]{1,60})\1(?:\s*\|\s*(['\"])[^'\"\n|]{1,60}\3)+")
_PIPED = late_pattern(r"[\"'<\[(](\w(?:[\w -]{0,40}\w)?(?:\s?[|/]\s?\w(?:[\w -]{0,40}\w)?){1,300})[\"'>\])]")
_OBJECT = late_pattern(r"\{\s*\"(\w{1,40})\"\s*:\s*(?:\"([^\"{}\n|<>]{1,48})\"|(true|false))\s*\}")
_BETWEEN = late_pattern(r"[\s,/|`]*(?:or|oder|ou|o|of|either|eller|lub|albo|czy|или|veya)?[\s`]*", re.IGNORECASE)
_ONE_OF = late_pattern(r"[\"'][<\[]?one of:? ([^\"'<>\n]{3,400})[>\]]?[\"']|<one of:? ([^<>\n]{3,400})>", re.IGNORECASE)
_LITERAL = late_pattern(r"Literal\[([^\]\n]{3,2000})\]")
_SOME_WORDS = r"[^\s/|:,.()（），。：\"'<>]{1,30}(?: [^\s/|:,.()（），。：\"'<>]{1,20})?"
_SLASHED = late_pattern(rf"[ \t]*({_SOME_WORDS}(?:(?:[/|]| [/|] ){_SOME_WORDS}){{1,12}})[ \t]*[:?：]")
# A constraint in SQL: "CHECK (species IN ('owl', 'kite'))".
_AMONG = late_pattern(r"\bIN\s*\((\s*'[^'\n]{1,60}'(?:\s*,\s*'[^'\n]{1,60}'){1,99}\s*)\)")
_BRACKET = late_pattern(r"[(（]([^()（）\n]{3,6000})[)）]")
_ONE_OF_THEM = late_pattern(r"\b(?:one|single|which) (?:[\w-]+ ){0,2}[\w-]+ ?$", re.IGNORECASE)
_ASKED = late_pattern(
    r"\b(?:how|which|what|is|are|does|classif\w*|categor\w*|label\w*|sentiment\w*|intent\w*|topic|type|tone|emotion|"
    r"kategorie|"
    r"ressort|ordne\w*|einordnen|stimmung|absicht|catégorie|rubrique|classe\w*|quelle?|sentimiento|categoría|"
    r"clasific\w*|"
    r"intención|qué|sentimento|categoria|classif\w*|qual|quale|intento|thema|theme|section|department|rate|flag|"
    r"tell|decide|say|guess|mood|name|choose|pick|select|output|answer|rating|grade|score|genre|language|outcome|"
    r"status|"
    r"urgency|priority|severity|feeling|feels|dringlichkeit|urgence|urgencia|priorité|prioridad|priorità|prioriteit|"
    r"welke|diga|responda|réponds|antworte)\b|[类別别类情意]",
    re.IGNORECASE,
)

_QUOTE_OR = late_pattern(
    r"(?:\"[^\"\n]{1,40}\"|(?<!\w)'[^'\n]{1,40}'|`[^`\n]{1,40}`|“[^”\n]{1,40}”|«[^»\n]{1,40}»|„[^“\n]{1,40}“|"
    r"‘[^’\n]{1,40}’)"
    r"(?=\s*(?:,|/|\|)|\s+(?:or|oder|ou|o|of|eller|lub|albo|czy|или|veya)\s)"
)
_ITEM_NOUNS = table("word label category class tag term option value letter wort ord palabra palavra mot parola woord")
_THE = table("this the der die das dem diese dieser dieses le la el este esta il questo questa de het deze o a")
_ONE = late_pattern(r"\b(?:1|one|a|single|ein|einem|eine[nr]?|une?|una|uno|uma?|een|één)[ \"'`*]{1,3}\Z", re.IGNORECASE)
_DUTCH = frozenset({"een", "één", "antwoord", "kies", "het", "bepaal", "geef", "alleen", "welke"})
_MOST = 60
_ASKED_FOR = late_pattern(
    r"(?:^|[\n.?!\"“] ?)(?:(?:and|so|then|now),? )?(?:what|which|whose|who|how|where|when|quel\w*|welch\w+|cuál|"
    r"qué|qual[ei]?|"
    r"welke?)\b"
    r"(?:[^\n.?!:,–—]* )?(?P<last>[^\s,:.?!–—]+) \Z|(?:^|[\n.?!] ?)(?P<wh>which|what) \Z",
    re.IGNORECASE,
)
# "for example 'sports' or 'politics'"
_LEFT_OPEN = late_pattern(
    r"\b(?:e\.g\.,?|such as|for (?:example|instance),?|z\. ?b\.|zum beispiel|par exemple,?|por ejemplo,?|"
    r"por exemplo,?|bijvoorbeeld)[ :\"'“«„`(]*\Z",
    re.IGNORECASE,
)
# "do not classify it as a, b or c", "never use a or b": these are not to be answered
_DENIED = late_pattern(
    rf"\b(?:do not|don't|never|must not|should not|shouldn't|not to|stop|avoid|no longer) (?:\w+ )?"
    rf"(?:{'|'.join(sorted(w for w in CLASSIFY if w.isascii() and w.isalpha() and len(w) > 2))}|use|using|pick|choose|"
    r"select|answer with|reply with|respond with|say|return|output|give|allow|write|print|"
    r"mention|begin|start)(?:ing)?\b"
    r"(?![^.;\n]*\b(?:other|but|except|besides|outside|beyond|unless|only|just|more|than|explain|"
    r"anything)\b)[^.;:!?\n]{0,60}\Z",
    re.IGNORECASE,
)
_TEXTS = alternatives(INPUT_WORDS)
_CODES_TEXT = late_pattern(
    r"(?:^|[.!?\n] ?)(?:please )?(?:pick|choose|select|code|find|give)\b[^.?!\n]{0,40}"
    rf"\b(?:the|this|each) (?:[\w'’-]+ ){{0,2}}(?:{_TEXTS}|"
    r"line|transaction|clause|post|posting|answer|ad|recipe|dish)\b[^.?!\n]{0,40}[.:]$",
    re.IGNORECASE,
)
_NO_NOUN = table("of between among from as von entre unter tra parmi")
_LATIN_END = late_pattern(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af] ?([\x21-\x7e]+)\Z")
_PARTICIPLE = late_pattern(r"(?:ge[^\W\d_]{2,}t|gehalten|geschrieben|verfasst|formuliert)")
_OR_WORDS = frozenset({"or", "oder", "ou", "o", "of", "vs", "eller", "lub", "albo", "czy", "или", "veya"})
_CUES = NOUNS | CLASSIFY | YES_WORDS | RANGE_WORDS | {"or", "oder", "ou", "o", "vs"} | DIRECT.keys()


def listings(text: str, words: frozenset[str], *, is_system: bool = False) -> list[Listing]:
    """All lists of answers that an instruction names, surest and earliest first; one set of labels stands once.

    ``is_system``: it stands apart from the text to judge.
    """
    candidates = list(islice(_candidates(text, words), _MOST))
    coded = coded_list(text) if may_code(text) else None
    # A question with lettered answers, and nothing that speaks of classes, asks for knowledge.
    if coded is not None and (is_system or not words.isdisjoint(CLASSIFY | NOUNS) or _asks_of_text(text, coded)):
        known = frozenset(map(str.casefold, coded.labels))
        # "Classify it as a, b or c. Answer 0 for a, 1 for b": the list and its codes disagree.
        others = (frozenset(map(str.casefold, other.labels)) for other in candidates)
        if not any(known & other and other - known - set(map(str.casefold, coded.marks)) for other in others):
            return [coded]
    if not candidates and (lone := lone_list(text, words, is_system=is_system)) is not None:
        candidates = [lone]
    if not candidates and words & _OR_WORDS and ("?" in text or ":" in text):
        candidates = list(questions(text, words))  # the weakest reading, "is it A or B?"
    candidates.sort(key=lambda listing: (-listing.certainty, listing.start))
    found: list[Listing] = []
    seen: set[frozenset[str]] = set()
    for listing in candidates:
        listing = _without_noun(text, _without_participle(_without_script(_without_asked(text, listing))))
        if not is_whole(text, listing) or _is_denied(text, listing):
            continue
        if _LEFT_OPEN.search(text, max(0, listing.start - 24), listing.start):
            continue
        key = frozenset(label.casefold() for label in listing.labels)
        if (key in seen and len(found) > 3) or any(_overlaps(listing, other) for other in found):
            continue
        seen.add(key)
        found.append(listing)
        if len(found) >= 6:
            break
    return found


def _is_denied(text: str, listing: Listing) -> bool:
    """Whether a list names what is not to be answered."""
    head = text[max(0, listing.start - 90) : listing.start].lower()
    return any(sign in head for sign in ("not", "n't", "n’t", "never", "avoid", "no longer")) and bool(
        _DENIED.search(head)
    )


def _asks_of_text(text: str, coded: Listing) -> bool:
    """Whether a short question about the text has names as short as labels for answers."""
    asked = text[max(0, coded.start - 80) : coded.start].strip().rsplit("\n", 1)[-1]
    if _CODES_TEXT.search(asked) is not None:
        return True  # "Pick one for the log line:"
    if not asked.endswith("?"):
        asked = text[:80].split("\n", 1)[0].strip()
    named = words_of(asked)
    of_text = INPUT_WORDS | {"caller", "customer", "user", "author", "sender", "writer", "speaker", "guest"}
    return (
        asked.endswith("?")
        and len(named) <= 9
        and not named.isdisjoint(of_text)
        and not named.isdisjoint(_THE)
        and all(label.count(" ") < 4 for label in coded.labels)
    )


def _without_asked(text: str, listing: Listing) -> Listing:
    """A list without what a question asks for: "What is the customer's intent, delivery or billing?"."""
    if len(listing.labels) < 3 or not listing.closed or text.startswith(("\n", "-", "*"), listing.start):
        return listing
    first = listing.labels[0]
    if not text.startswith(f"{first},", listing.start) or text[listing.end :].lstrip("\"'”’)* ")[:1] not in ("?", "？"):
        return listing
    asked = _ASKED_FOR.search(text, max(0, listing.start - 120), listing.start)
    if asked is None or " - " in asked[0] or (asked["last"] or "").lower() in _NO_NOUN:
        return listing
    return listing._replace(labels=listing.labels[1:], start=listing.start + len(first) + 1)


def _without_noun(text: str, listing: Listing) -> Listing:
    """A list without what its items are called: "with exactly one word, safe or unsafe"."""
    first, *others = listing.labels
    if len(others) < 2 or not listing.closed or first.lower() not in _ITEM_NOUNS:
        return listing
    is_counted = _ONE.search(text, max(0, listing.start - 12), listing.start) is not None
    return listing._replace(labels=tuple(others)) if is_counted else listing


def _without_participle(listing: Listing) -> Listing:
    """A list without the verb that German puts behind it: "nett oder gemein gemeint?"."""
    last = listing.labels[-1].split()
    if len(last) != 2 or any(" " in label for label in listing.labels[:-1]) or not _PARTICIPLE.fullmatch(last[1]):
        return listing
    return listing._replace(labels=(*listing.labels[:-1], last[0]))


def _without_script(listing: Listing) -> Listing:
    """A list in Latin letters without what another script says before it: "标签只能是 bug、feature"."""
    first, *others = listing.labels
    if first.isascii() or not all(label.isascii() for label in others) or (bare := _LATIN_END.search(first)) is None:
        return listing
    return listing._replace(labels=(bare[1], *others), start=listing.start + bare.start(1))


def may_list(text: str, words: frozenset[str]) -> bool:
    """Whether a text can name a list of answers at all; cheap, and never False for one that does."""
    return (
        not words.isdisjoint(_CUES)
        or not text.isascii()
        or any(mark in text for mark in "<|/(")
        or ("," in text and (":" in text or "?" in text))
    )


def _candidates(text: str, words: frozenset[str]) -> Iterator[Listing]:
    if "<" in text:
        yield from _markup(text)
    if "|" in text or "Literal[" in text or "<one of" in text or '"one of' in text:
        yield from _unions(text)
    if '": ' in text or '":"' in text:
        yield from _objects(text)
    dutch = not words.isdisjoint(_DUTCH)
    yield from noun_lists(text, words, dutch)
    yield from direct_lists(text, words, dutch)
    if words & CLASSIFY:
        yield from as_lists(text, words, dutch)
    if words & YES_WORDS:
        yield from yes_no(text, words)
    if words & _OR_WORDS or "/" in text or "|" in text:
        yield from _quoted_runs(text)
    if not text.isascii():
        yield from unspaced_lists(text)
    if words & RANGE_WORDS or not text.isascii():
        yield from ranges(text)
    if "(" in text or "（" in text:
        yield from _brackets(text)
        for match in _AMONG.finditer(text):
            yield from filter(None, (inside(match[1], match.start(1)),))
    if "/" in text or "|" in text:
        yield from _slashed(text)


def _markup(text: str) -> Iterator[Listing]:
    for match in _HOLDER.finditer(text[:20000]) if "</" in text else ():
        items = (
            [item[1] for item in _ELEMENT.findall(match[2])]
            or _ATTRIBUTE.findall(match[2])
            or [item[1] for item in _CHILD.findall(match[2])]
        )
        if len(items) >= 2:
            defined = _EXPLAINED.search(match[2]) is not None
            yield Listing(tuple(dict.fromkeys(map(clean, items))), match.start(), match.end(), 0.93, defined)
            continue
        listing = inside(match[2], match.start(2))
        if listing is not None:
            yield listing
    for match in _PLURAL.finditer(text) if "</" in text else ():
        name = match[1].lower()
        if name in DATA_TAGS or name[:-1] in DATA_TAGS or name.startswith(("example", "instruction", "rule")):
            continue
        listing = inside(match[2], match.start(2))
        if listing is not None and re.search(rf"\b{name[:-1]}\b", text[match.end() :].lower()):
            yield listing  # "<piles>...</piles> ... Return the pile."
    for match in _SIBLINGS.finditer(text) if "</" in text else ():
        name = match[2].lower()
        items = [item[1] for item in _CHILD.findall(match[0])]
        if name not in DATA_TAGS and name not in ("example", "input", "turn") and len(set(items)) == len(items) > 1:
            yield Listing(tuple(map(clean, items)), match.start(), match.end(), 0.9)
    for pattern, group in ((_ATTRIBUTE, 1), (_ELEMENT, 2)):
        matches = list(pattern.finditer(text))
        items = list(dict.fromkeys(clean(match[group]) for match in matches))
        if len(items) >= 2:
            yield Listing(tuple(items), matches[0].start(), matches[-1].end(), 0.9)


def _unions(text: str) -> Iterator[Listing]:
    for match in _UNION.finditer(text):
        items = [part.strip().strip("'\"") for part in match[0].split("|")]
        if len(set(items)) == len(items):
            yield Listing(tuple(items), match.start(), match.end(), 0.93)
    for match in _LITERAL.finditer(text):
        listing = inside(match[1], match.start(1))
        if listing is not None:
            yield listing
    for match in _ONE_OF.finditer(text):
        group = 1 if match[1] else 2
        listing = inside(match[group], match.start(group))
        if listing is not None:
            yield listing
    for match in _PIPED.finditer(text):
        if "|" in match[1]:
            items = [part.strip() for part in match[1].split("|")]
            if len(set(items)) == len(items) and all(items):
                yield Listing(tuple(items), match.start(), match.end(), 0.9)


def _objects(text: str) -> Iterator[Listing]:
    """Objects of one and the same key, one a label: ``{"stage": "TOFU"} or {"stage": "MOFU"}``."""
    found = list(islice(_OBJECT.finditer(text), _MOST))
    labels = tuple(dict.fromkeys(match[2] or match[3] for match in found))
    if len(labels) > 1 and len({match[1] for match in found}) == 1:
        between = [text[one.end() : other.start()] for one, other in pairwise(found)]
        if all(_BETWEEN.fullmatch(piece) for piece in between):
            yield Listing(labels, found[0].start(), found[-1].end(), 0.9)


def _quoted_runs(text: str) -> Iterator[Listing]:
    end = 0
    for match in islice(_QUOTE_OR.finditer(text), _MOST):
        if match.start() < end:
            continue
        listing = list_at(text, match.start())
        end = match.end() if listing is None else listing.end
        if listing is not None and listing.closed and all(label.count(" ") < 4 for label in listing.labels):
            yield listing._replace(certainty=0.85)


def _brackets(text: str) -> Iterator[Listing]:
    for match in _BRACKET.finditer(text):
        content = match[1]
        if not ("/" in content or "|" in content or "," in content or " or " in content or "、" in content):
            continue
        if text[match.start() - 1 : match.start()].isalnum():
            continue  # the arguments of a call: "label(id, name)"
        sentence = text[max(text.rfind("\n", 0, match.start()), match.start() - 160) + 1 : match.start()]
        if not (_ASKED.search(sentence) or _ONE_OF_THEM.search(sentence)) or OPEN_LIST.search(content):
            continue
        listing = inside(content, match.start(1))
        longest = 4 if _ONE_OF_THEM.search(sentence) else 3 if listing is not None and listing.closed else 2
        if listing is not None and all(label.count(" ") < longest for label in listing.labels):
            yield listing._replace(certainty=0.8)


def _slashed(text: str) -> Iterator[Listing]:
    # A message that begins "angry / not angry:" or "Rate as ...". Elsewhere a slash says little.
    match = _SLASHED.match(text)
    if match is not None:
        items = tuple(part.strip() for part in re.split(r"[/|]", match[1]))
        if len({item.casefold() for item in items}) == len(items) and not items[0].lower().startswith(("http", "and")):
            yield Listing(items, match.start(1), match.end(1), 0.85)


def _overlaps(one: Listing, other: Listing) -> bool:
    return one.start < other.end and other.start < one.end
