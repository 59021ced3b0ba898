"""Where an instruction in plain words lists the answers it allows, in several languages.

Knows text, not requests. The words of a text are gathered once; a cue is looked for only when its word is there, and a
list is read only behind a cue, so that texts without one cost a set intersection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .listing import Listing, clean, inside, list_at
from .vocabulary import CLASSIFY, NEVER, NOUNS, RANGE_WORDS, WEAK_NOUNS

__all__ = ["YES_WORDS", "listings", "may_list", "words_of"]

_FOLD = str.maketrans(dict.fromkeys("\n\t\r.,;:!?()[]{}<>\"'`*#|/=“”„«»‘’「」：，、。？！（）_-", " "))

# Phrases behind which a list of answers stands at once; what stands before them does not matter.
_DIRECT: Mapping[str, tuple[str, ...]] = {
    "one": ("one of", "only one", "just one", "exactly one", "one word"),
    "any": ("any of",),
    "apply": ("apply",),
    "either": ("either",),
    "choose": ("choose",),
    "select": ("select",),
    "pick": ("pick",),
    "answer": ("answer",),
    "respond": ("respond",),
    "reply": ("reply",),
    "return": ("return",),
    "output": ("output",),
    "say": ("say",),
    "write": ("write only", "write just"),
    "must": ("must be", "must exactly match"),
    "between": ("between",),
    # German
    "eine": ("eine der", "in eine der"),
    "einer": ("einer der",),
    "eines": ("eines der", "eines von"),
    "genau": ("mit genau", "genau"),
    "entweder": ("entweder",),
    "antworte": ("antworte",),
    "antworten": ("antworten sie",),
    "gib": ("gib",),
    "wähle": ("wähle",),
    # French
    "réponds": ("réponds",),
    "répondez": ("répondez",),
    "parmi": ("parmi",),
    "choisis": ("choisis",),
    "choisissez": ("choisissez",),
    # Spanish, Portuguese, Italian
    "responde": ("responde",),
    "responda": ("responda",),
    "contesta": ("contesta",),
    "devuelve": ("devuelve",),
    "elige": ("elige",),
    "una": ("una de", "una delle"),
    "uno": ("uno de", "uno dei", "uno tra"),
    "entre": ("entre",),
    "uma": ("uma das", "uma de"),
    "um": ("um dos",),
    "escolha": ("escolha",),
    "rispondi": ("rispondi",),
    "scegli": ("scegli",),
    "tra": ("tra",),
    # Dutch
    "antwoord": ("antwoord",),
    "kies": ("kies",),
    "een": ("een van",),
    "één": ("één van",),
}  # fmt: skip

# Phrases that announce a list only when a word of this kind stands before them.
_UNSURE: Mapping[str, re.Pattern[str]] = {
    "must": re.compile(r"answer|output|label|response|reply|value|categor|result|it\b|prediction"),
    "between": re.compile(r"choose|decide|select|pick|choice"),
    "entre": re.compile(r"elige|escolha|seleccion|choisis|decide|opci|opç|uma|una"),
    "tra": re.compile(r"scegli|uno|una|decidi"),
    "either": re.compile(r"answer|output|label|respon|reply|classif|return|say|choose|pick|as\b|is\b|with"),
}

# Nouns that need a colon, a bracket or an equals sign before the list.
_SENTENCE_END = re.compile(r"[\n?!]|\.(?=\s|$)")
_PREPOSITION = re.compile(
    r"\b(?:as|into|under|to|whether|if|is|in|als|ob|comme|en|como|se|come|entre|tra|between|among|by|with|"
    r"of)(?=[ :])",
    re.IGNORECASE,
)
_ARE = re.compile(r"\s+(?:are|is|sind|lauten|sont|son|são|sono|zijn)\b", re.IGNORECASE)
_INTRO = re.compile(r"[^\n.?!;:：=(\[{（]{0,70}[:：=(\[{（]|[^\n.?!;:]{0,80}[.:]?(?=\s*\n)")
_ALLOWED = re.compile(
    r"possible|allowed|valid|these|following|available|permitted|candidate|mögliche|posibles|possíveis"
)
_EXCLUSIVE = re.compile(
    r"ausschließlich|uniquement|únicamente|soltanto|one of|exactly one|only one|just one|one word|single|only|"
    r"exactly|either|(?:choose|select|pick)\b|any of|all that|between|"
    r"label|categor|intent|class|\beine[srn]? |entweder|genau|nur|l'une|parmi|une? seule?|un[ao]? (?:de|dei|delle|"
    r"tra|solo|sola)|"
    r"uma das|um dos|elige|escolha|scegli|choisis|kies|[eé]{2}n van|apenas|solo|seul"
)
_OPEN_LIST = re.compile(r"\b(?:e\.g\.|such as|for example|for instance|z\. ?b\.|par exemple|por ejemplo|like)", re.I)
_ATTRIBUTE = re.compile(
    r"<(?:label|category|class|option|choice|intent|topic|value|item)\b[^<>]{0,80}?\b(?:name|id|value|label)\s*=\s*"
    r"[\"']([^\"'<>]{1,60})[\"']",
    re.IGNORECASE,
)
_ELEMENT = re.compile(
    r"<(label|category|class|option|choice|intent|topic|value|item|name)>\s*([^<>\n]{1,60}?)\s*</\1>", re.IGNORECASE
)
_HOLDER = re.compile(
    r"<(labels|categories|classes|options|choices|intents|topics|values|tags|allowed_\w+|valid_\w+|label_set|"
    r"category_list)>"
    r"(.{2,4000}?)</\1>",
    re.IGNORECASE | re.DOTALL,
)
_UNION = re.compile(r"(['\"])([^'\"\n|]{1,60})\1(?:\s*\|\s*(['\"])[^'\"\n|]{1,60}\3)+")
_PIPED = re.compile(r"[\"'<\[(](\w[\w -]{0,40}(?:\s?[|/]\s?\w[\w -]{0,40}){1,40})[\"'>\])]")
_LITERAL = re.compile(r"Literal\[([^\]\n]{3,2000})\]")
_SOME_WORDS = r"[^\s/|:,.()\"'<>]{1,30}(?: [^\s/|:,.()\"'<>]{1,20})?"
_SLASHED = re.compile(rf"[ \t]*({_SOME_WORDS}(?:(?:[/|]| [/|] ){_SOME_WORDS}){{1,12}})[ \t]*[:?：]")
_BRACKET = re.compile(r"[(（]([^()（）\n]{3,300})[)）]")
_ASKED = re.compile(
    r"\b(?:which|what|is|are|does|classif\w*|categor\w*|label\w*|sentiment\w*|intent\w*|topic|type|tone|emotion|"
    r"kategorie|"
    r"ressort|ordne\w*|einordnen|stimmung|absicht|catégorie|rubrique|classe\w*|quelle?|sentimiento|categoría|"
    r"clasific\w*|"
    r"intención|qué|sentimento|categoria|classif\w*|qual|quale|intento|thema|theme|section|department|rate|flag|"
    r"tell|decide|say|welke|diga|responda|réponds|antworte)\b|[类別别类情意]",
    re.IGNORECASE,
)

_YES = {
    "yes": ("no",), "y": ("n",), "ja": ("nein", "nee"), "oui": ("non",), "sí": ("no",), "si": ("no",), "sì": ("no",),
    "sim": ("não", "nao"), "true": ("false",), "wahr": ("falsch",), "vrai": ("faux",), "verdadero": ("falso",),
    "verdadeiro": ("falso",), "vero": ("falso",), "waar": ("onwaar",),
}  # fmt: skip
YES_WORDS = frozenset(_YES)
_JOIN = r"[\"'”’»`*.]{0,2}\s*(?:/|\||,\s*or|,|\bor\b|\boder\b|\bou\b|\bo\b|\bof\b)\s*[\"'“‘«`*]{0,2}"
_COND = r"[\"'”’»`*]{0,2},?\s+(?:if|when|wenn|falls|si|se|als|indien|for|where)\b[^\n]{2,300}?[\s\"'“‘«`*]"
_PAIRS = {
    yes: re.compile(
        rf"(?<!\w)({yes})(?:{_JOIN}|{_COND})({'|'.join(nos)})(?!\w)(?P<more>[\"'”’»`*]{{0,2}}\s*(?:/|\||"
        rf",?\s*\bor\b)\s*"
        rf"[\"'“‘«`*]{{0,2}}\w)?",
        re.IGNORECASE,
    )
    for yes, nos in _YES.items()
}
_REVERSED = {
    yes: re.compile(rf"(?<!\w)({'|'.join(nos)})(?:{_JOIN}|{_COND})({yes})(?!\w)(?P<more>\Z\A)?", re.IGNORECASE)
    for yes, nos in _YES.items()
}
_PAIR_CJK = re.compile(
    r"[\"'“‘「『]?(是|はい|对|真|有毒|正确)[\"'”’」』]?\s*(?:或者?|/|还是|、|，|か|または|もしくは)\s*[\"'“‘「『]?(不是|否|いいえ|错|假|无毒|错误)"
)
_RANGE = re.compile(
    r"(?<![\d.$€£])(\d{1,2})\s*(?:-|–|—|to|bis|à|a|tot|至|到|~|〜|から)\s*(\d{1,2})(?![\d.%:/])"
    r"(?:\s*(?:stars?|sterne[n]?|étoiles?|estrellas?|estrelas?|stelle|sterren|星|つ星))?",
    re.IGNORECASE,
)
_CJK_AFTER = re.compile(
    r"之一|中的一[个类项种]|其中一[个类项种]|中选择|中选一?个?|のいずれか|のどれか|のうち|から(?:一つ|1つ|ひとつ)?選|で答え|と答え|に分類|のどちらか|で回答"
)
_CJK_BEFORE = re.compile(
    r"(?:候选(?:意图|标签|类别)|可选(?:类别|标签|项|意图)?|类别|分类|选项|标签|意图|情感(?:倾向|标签)?|カテゴリー?|ラベル|選択肢|分類|類別|选择|"
    r"(?:只|仅)?(?:需|能|要)?(?:回答|输出|返回|回复)|只答|判断[^\n。：:]{0,30}?(?:是|属于|为)|归类为|分类为|分为|归入|主要讲的是)"
    r"(?:以下|下列|下面)?(?:之一|为|是|有|包括|的)?[:：（(「“]?\s*"
)
_CJK_ITEM = r"[「『“\"'‘]?[^\s、，,/|。：:；;「」『』“”\"'‘’（）()？?\n]{1,12}?[」』”\"'’]?"
_CJK_LIST = re.compile(
    rf"({_CJK_ITEM}(?:\s*(?:、|/|\||或者?|还是|または|もしくは|か、|か)\s*{_CJK_ITEM}){{1,40}})"
    r"(?=$|[\s。；;」』”\"（）()？?\n]|か\b|かを|之一|中的|的|の|を|で|から|に|に分)"
)
_CJK_SPLIT = re.compile(r"\s*(?:か、|、|/|\||或者?|还是|または|もしくは|か(?=[^\s]))\s*")
_CJK_QUESTION = re.compile(
    r"(?:是|属于|讲的是|算)([^，。？?、\s是]{1,8}(?:、[^，。？?、\s]{1,8})*?)(?:，|,)?还是([^，。？?\s]{1,8}?)(?:的|呢)?[？?。：:\s]"
)
_COPULA = re.compile(
    r"(?:\b(?:is|are|be|as|about|of|sounds?|more|like|rather|plutôt|eher|est-il|est-elle|ist|es|é|è|tweet|review|"
    r"text|message|comment|sentence|post|email|headline|statement|article|ticket|passage)|[:\-–])$",
    re.I,
)
_ARTICLE = re.compile(r"\ban? (?:\w+)?$", re.I)
_QUESTION = re.compile(
    r"((?:[\w'’-]+,\s+)*)([\w’'-]+),?\s+(?:or|oder|ou|o)\s+((?:not?\s)?[\w’'-]+)(?:\s+(?:here|only|"
    r"overall))?\s*[?:](?=\s|$|[\"'])",
    re.IGNORECASE,
)
_QUOTE_OR = re.compile(
    r"(?:\"[^\"\n]{1,40}\"|(?<!\w)'[^'\n]{1,40}'|“[^”\n]{1,40}”|«[^»\n]{1,40}»|„[^“\n]{1,40}“|‘[^’\n]{1,40}’)"
    r"(?=\s*(?:,|/|\|)|\s+(?:or|oder|ou|o|of)\s)"
)
_HEADED = re.compile(
    r"\s*((?:[\w'-]+(?: [\w'-]+)?,\s+)*(?:[\w'-]+ )?[\w'-]+,?\s+(?:or|oder|ou|of|o|"
    r"vs\.?)\s+(?:not )?[\w'-]+)\s*[:?](?=\s|$)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\b(?:this|the|following|below|dies\w*|folgende\w*|cette?|ce|suivante?|est[ea]|siguiente|seguinte|quest[oa]|"
    r"seguente|"
    r"dit|deze|volgende)\b",
    re.IGNORECASE,
)


_OR_WORDS = frozenset({"or", "oder", "ou", "o", "of", "vs"})
_CUES = NOUNS | CLASSIFY | YES_WORDS | RANGE_WORDS | {"or", "oder", "ou", "o", "vs"} | _DIRECT.keys()
_JOINT = re.compile(r" (?:or|oder|ou|o) ", re.IGNORECASE)


def words_of(text: str) -> frozenset[str]:
    """The lower-case words of a text, punctuation left out."""
    return frozenset(text.lower().translate(_FOLD).split())


def listings(text: str, words: frozenset[str]) -> list[Listing]:
    """All lists of answers that an instruction names, surest and earliest first; one set of labels stands once."""
    found: list[Listing] = []
    seen: set[frozenset[str]] = set()
    for listing in _all(text, words, found):
        key = frozenset(label.casefold() for label in listing.labels)
        if key in seen:
            continue
        if any(_overlaps(listing, other) for other in found):
            continue
        seen.add(key)
        found.append(listing)
        if len(found) >= 6:
            break
    return found


def may_list(text: str, words: frozenset[str]) -> bool:
    """Whether a text can name a list of answers at all; cheap, and never False for one that does."""
    return not words.isdisjoint(_CUES) or not text.isascii() or any(mark in text for mark in "<|/(")


def _all(text: str, words: frozenset[str], found: list[Listing]) -> Iterator[Listing]:
    yield from _candidates(text, words)
    # The weakest reading, "is it A or B?", is only tried when nothing surer was found.
    if not found and words & _OR_WORDS and ("?" in text or ":" in text):
        yield from _questions(text, words)


def _candidates(text: str, words: frozenset[str]) -> Iterator[Listing]:
    if "<" in text:
        yield from _markup(text)
    if "|" in text or "Literal[" in text:
        yield from _unions(text)
    yield from _nouns(text, words)
    dutch = "een" in words or "antwoord" in words or "kies" in words
    yield from _direct(text, words, dutch)
    if words & CLASSIFY:
        yield from _as(text, words, dutch)
    if words & YES_WORDS:
        yield from _yes_no(text, words)
    if words & _OR_WORDS or "/" in text or "|" in text:
        yield from _quoted_runs(text)
    if not text.isascii():
        yield from _cjk(text)
    if words & RANGE_WORDS or "星" in text:
        yield from _ranges(text)
    if "(" in text or "（" in text:
        yield from _brackets(text)
    if "/" in text or "|" in text:
        yield from _slashed(text)


def _markup(text: str) -> Iterator[Listing]:
    for match in _HOLDER.finditer(text[:20000]) if "</" in text else ():
        items = [item[1] for item in _ELEMENT.findall(match[2])] or _ATTRIBUTE.findall(match[2])
        if len(items) >= 2:
            yield Listing(tuple(dict.fromkeys(map(clean, items))), match.start(), match.end(), 0.93)
            continue
        listing = inside(match[2], match.start(2))
        if listing is not None:
            yield listing
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
    for match in _PIPED.finditer(text):
        if "|" in match[1]:
            items = [part.strip() for part in match[1].split("|")]
            if len(set(items)) == len(items) and all(items):
                yield Listing(tuple(items), match.start(), match.end(), 0.9)


def _nouns(text: str, words: frozenset[str]) -> Iterator[Listing]:
    lower = ""
    for noun in sorted(words & NOUNS):
        lower = lower or text.lower()
        for place in _places(lower, noun):
            after = place + len(noun)
            copula = _ARE.match(text, after)
            if copula is not None:
                listing = list_at(text, copula.end())
                if listing is not None and (listing.closed or _ALLOWED.search(lower, max(0, place - 24), place)):
                    yield listing
                    continue
            intro = _INTRO.match(text, after)
            if intro is None:
                continue
            if _OPEN_LIST.search(intro[0]):
                continue
            if noun in WEAK_NOUNS and not _ALLOWED.search(lower, max(0, place - 24), place):
                listing = list_at(text, intro.end(), introduced=True)
                if listing is not None and listing.closed:
                    yield listing
                continue
            listing = list_at(text, intro.end(), introduced=True)
            if listing is not None:
                yield listing


def _direct(text: str, words: frozenset[str], dutch: bool) -> Iterator[Listing]:
    lower = ""
    for word in sorted(words & _DIRECT.keys()):
        lower = lower or text.lower()
        for phrase in _DIRECT[word]:
            for place in _places(lower, phrase):
                after = place + len(phrase)
                listing = list_at(text, after, dutch=dutch)
                if listing is None:
                    intro = _INTRO.match(text, after)
                    if intro is None or _OPEN_LIST.search(intro[0]):
                        continue
                    listing = list_at(text, intro.end(), introduced=True, dutch=dutch)
                if listing is None:
                    continue
                if not listing.closed and not _EXCLUSIVE.search(lower, place, listing.start):
                    continue
                if word in _UNSURE and not _UNSURE[word].search(lower, max(0, place - 48), place):
                    continue
                yield listing


def _as(text: str, words: frozenset[str], dutch: bool) -> Iterator[Listing]:
    lower = text.lower()
    for verb in sorted(words & CLASSIFY):
        for place in _places(lower, verb):
            stop = _SENTENCE_END.search(text, place)
            end = min(place + 260, stop.start() if stop else len(text))
            # The verb may be followed by several such words: the last one that a list stands behind counts.
            for word in reversed(list(_PREPOSITION.finditer(text, place, end))):
                listing = list_at(text, word.end(), introduced=word[0] == ":", dutch=dutch)
                if listing is None:
                    continue
                if word[0] == ":" and not listing.closed and not _EXCLUSIVE.search(lower, place, listing.end + 60):
                    continue
                if not _OPEN_LIST.search(text, place, listing.start):
                    yield listing
                break


def _yes_no(text: str, words: frozenset[str]) -> Iterator[Listing]:
    for yes in sorted(words & YES_WORDS):
        if not any(no in words for no in _YES[yes]):
            continue
        for patterns in (_PAIRS, _REVERSED):
            match = patterns[yes].search(text)
            if match is None:
                continue
            if match["more"]:
                listing = list_at(text, match.start())
                if listing is not None:
                    yield listing
                break
            before = text[max(0, match.start() - 2) : match.start()]
            if "/" in before or "|" in before or (before.rstrip().endswith(",") and len(yes) > 1):
                break
            yield Listing((match[1], match[2]), match.start(), match.end(), 0.88)
            break


def _quoted_runs(text: str) -> Iterator[Listing]:
    for match in _QUOTE_OR.finditer(text):
        listing = list_at(text, match.start())
        if listing is not None and listing.closed and all(label.count(" ") < 4 for label in listing.labels):
            yield listing._replace(certainty=0.85)


def _ranges(text: str) -> Iterator[Listing]:
    for match in _RANGE.finditer(text):
        low, high = int(match[1]), int(match[2])
        if not (low in (0, 1) and 2 <= high - low + 1 <= 11):
            continue
        around = words_of(text[max(0, match.start() - 60) : match.end() + 30])
        if around & RANGE_WORDS or "星" in match[0]:
            yield Listing(tuple(map(str, range(low, high + 1))), match.start(), match.end(), 0.8)


def _brackets(text: str) -> Iterator[Listing]:
    for match in _BRACKET.finditer(text):
        content = match[1]
        if not ("/" in content or "|" in content or "," in content or " or " in content or "、" in content):
            continue
        if text[match.start() - 1 : match.start()].isalnum():
            continue  # the arguments of a call: "label(id, name)"
        sentence = text[max(text.rfind("\n", 0, match.start()), match.start() - 160) + 1 : match.start()]
        if not _ASKED.search(sentence) or _OPEN_LIST.search(content):
            continue
        listing = inside(content, match.start(1))
        longest = 3 if listing is not None and listing.closed else 2
        if listing is not None and all(label.count(" ") < longest for label in listing.labels):
            yield listing._replace(certainty=0.8)


def _slashed(text: str) -> Iterator[Listing]:
    # A message that begins "angry / not angry:" or "Rate as ...". Elsewhere a slash says little.
    match = _SLASHED.match(text)
    if match is not None:
        items = tuple(part.strip() for part in re.split(r"[/|]", match[1]))
        if len({item.casefold() for item in items}) == len(items) and not items[0].lower().startswith(("http", "and")):
            yield Listing(items, match.start(1), match.end(1), 0.85)


def _questions(text: str, words: frozenset[str]) -> Iterator[Listing]:
    headed = _HEADED.match(text)
    if headed is not None:
        items = tuple(
            part.strip() for part in re.split(r",?\s+(?:or|oder|ou|of|o|vs\.?)\s+|,\s+", headed[1], flags=re.I)
        )
        if len(set(items)) == len(items) > 1 and not ({item.lower() for item in items} & NEVER):
            yield Listing(items, headed.start(1), headed.end(1), 0.78)
    for joint in _JOINT.finditer(text):
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
        if len({item.casefold() for item in asked}) == len(asked) and not ({item.lower() for item in asked} & NEVER):
            yield Listing(asked, match.start(), match.end(), 0.72)


def _cjk(text: str) -> Iterator[Listing]:
    match = _PAIR_CJK.search(text)
    if match is not None:
        yield Listing((match[1], match[2]), match.start(), match.end(), 0.85)
    for cue in _CJK_BEFORE.finditer(text):
        listed = _CJK_LIST.match(text, cue.end())
        if listed is not None:
            listing = _cjk_listing(listed[1], listed.start(1), listed.end(1))
            if listing is not None:
                yield listing
    for cue in _CJK_AFTER.finditer(text):
        start = max(text.rfind(mark, 0, cue.start()) for mark in "。：:\n；;（(？?")
        segment = re.split(r"(?:从|请从|请用|を|は|用|在)", text[start + 1 : cue.start()])[-1]
        listing = _cjk_listing(segment, cue.start() - len(segment), cue.start())
        if listing is not None:
            yield listing
    question = _CJK_QUESTION.search(text + "\n")
    if question is not None:
        listing = _cjk_listing(f"{question[1]}、{question[2]}", question.start(1), question.end(2))
        if listing is not None:
            yield listing._replace(certainty=0.75)


def _cjk_listing(segment: str, start: int, end: int) -> Listing | None:
    items = [clean(item) for item in _CJK_SPLIT.split(segment) if item.strip()]
    if not 2 <= len(items) <= 60 or any(not item or len(item) > 16 for item in items):
        return None
    if len(set(items)) != len(items):
        return None
    return Listing(tuple(items), start, end, 0.85)


def _places(lower: str, phrase: str) -> Iterator[int]:
    place = lower.find(phrase)
    for _ in range(8):
        if place < 0:
            return
        before = lower[place - 1 : place]
        after = lower[place + len(phrase) : place + len(phrase) + 1]
        if not (before.isalnum() or after.isalnum() or after == "_"):
            yield place
        place = lower.find(phrase, place + 1)


def _overlaps(one: Listing, other: Listing) -> bool:
    return one.start < other.end and other.start < one.end
