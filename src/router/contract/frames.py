"""English sentences with words of the caller's own: which of them can change neither the label nor the answer's form?

The words that make a sentence an order, a rule or a setting are few and known; the nouns in it are not. A sentence is
plain when it has a known frame and every unknown word stands where a noun stands. What an order wants back must be
the label, or be called as the list is: "Which tray is it? ... Send the tray."
"""

from __future__ import annotations

from collections.abc import Iterable

from ..patterns import late_pattern
from .frames_abroad import TOKEN, are_glossed
from .lexicon import KNOWN
from .vocabulary import ANSWER_WORDS, CLASSIFY, DATA_TAGS, INPUT_WORDS, NOUNS
from .words import table

__all__ = ["gives", "is_plain", "stem", "tied_names"]

# A sentence with one of these may be a rule, or ask for something else.
_RISKS = table(
    """
    if unless except instead rather though although despite regardless otherwise count counts counted treat treated
    consider considered regard regarded prefer priority override overrides outweigh outweighs default mean means meant
    stand stands denote denotes denotes represent than least first second third last latest next previous earlier
    before after twice both either-way also plus too as-well in-doubt doubt unsure unclear sure assume assuming pretend
    imagine suppose ignore ignoring disregard exclude excluding include including even still however but yet sarcasm
    irony ironic literally sentence-by-sentence poem haiku rhyme joke emoji emojis language english german french
    spanish italian translate translated summarize summarise summary explain explanation why reason reasons because
    confidence score scores probability percent number numbers digit digits letter letters index code-point reversed
    reverse backwards alphabetical prefix suffix followed
    according compared compare more less fewer several multiple various all every each any whatever
    whenever when while until once where only-if count sum average lenient strict tolerant severe allowed forbidden
    permitted acceptable fine goes get gets got must-not cannot can't shouldn't true false same different opposite
    similar again already never always aspect toward towards perspective viewpoint company policy rules guideline
    invent create draft write reply-to greet thank apologize apologise advise recommend suggest help
    """
) - table("never goes get gets got write help before after all every each any always reason number code same")
_GIVES = table(
    """
    give return reply answer respond output write print send emit state report provide say name tell pick choose select
    use put fill enter hand submit show deliver produce generate supply type record set log
    """
)
_CALLS = table(
    "call invoke follow fill use extract populate complete file hand send pass submit register note log save stick"
)
_ANSWERING = table("answer reply respond write speak talk say phrase")
_ASKS = CLASSIFY | table(
    """
    move drop slot annotate qualify characterize characterise
    find figure work decide sort place assign allocate recognize recognise spot code match pigeonhole bucket group
    categorise triage guess interpret estimate infer attribute map look
    check examine consider
    """
)
_LEADS = late_pattern(
    r"\W*(?:(?:please|now|then|so|kindly|first|just|only|simply|always|task|your task|instruction|note|reminder|"
    r"remember|important|output|format|question)\b(?<!output)(?<!format)(?<!question)(?<!task)[\s:,–—-]*|"
    r"(?:output|format|question|task|your task)(?: format)?[:：–—-]\s*)*"
    r"(?:(?:for|given|with|in|from|on|upon|after|based on|as|as part of|when) (?:an?|the|this|that|each|every|your|our|"
    r"the user's)\b"
    r"(?:(?! you\b| we\b| i\b)[^,:_.]){1,70}?(?:,|(?= you (?:must|should|will|have|are|need|can|get|decide)\b|"
    r" (?:we|i) | (?:determine|decide|classify|choose|pick|"
    r"give|return|output|assign|say|name|identify|write|reply|label|tag|select)\b))\s*)?"
    r"(?:(?:please|then|simply|just) )?"
)
_ONE_WORD = late_pattern(r"\b(?:in|with|using) (?:just |only |exactly )?(?:one|a single) words?\b[ ,:;–—-]*")
_IF = late_pattern(r"\b(tell me|tell us|say|decide|determine|check|judge|identify|know|tell|predict|see) if\b")
_EQUALS = late_pattern(r"\b(input|output|task|answer|format|label) = ")
_HOW_MANY = late_pattern(r"\bhow many (?=stars|points)")
_WANTS = late_pattern(
    r"(?:i (?:need|want|would like|have)|i'd like|we (?:need|want|would like)|you (?:must|should|have to|need to|"
    r"are to|"
    r"will|can|are asked to|are required to|then)|(?:your|the) (?:task|job|role|goal|only job|sole task|work|duty|"
    r"purpose) (?:is|here is|will be)|it is your (?:job|task))\b(?: (?:to|you to|just|simply|only|always|then))*\s+"
)
# "Everything you are shown goes to one of them", "the tenant's own words follow", "the user will paste a paragraph".
_ONE_OF_THEM = late_pattern(
    r"(?:any\w*|every\w*|each|all|whatever)\b[^.]{0,60}? (?:goes?|belongs?|falls?|gets?|receives?|has|have|fits?|"
    r"(?:is|are) (?:put|"
    r"sent|routed|assigned|filed|placed|sorted)|must (?:go|be)|should (?:go|be))\b[^.]{0,24}?\b(?:exactly |only |"
    r"just )?"
    r"one(?: of (?:them|these|those|the [\w-]+)| [\w-]+)?\W*$"
)
# "The set of admissible subjects is {_, _}"
_HEADS_LIST = late_pattern(
    r"(?:the |our |my |these |all )?(?:[\w'’-]+ ){1,5}(?:is|are|=)\W*(?:one of |as follows\W*|"
    r"the following\W*)?_(?:[^\w]+(?:(?:or|and|a|an) )?_)*\W*"
)
_FOLLOWS = late_pattern(
    r"[^.:]{3,80} (?:follows?|(?:is|are|stands?|comes?) (?:below|next|here|underneath)|will follow)\W*$"
)
_SENDS = late_pattern(
    r"(?:the|each|every|our|my) (?:[\w'’-]+ ){1,3}?(?:will |then |just |only )*(?:sends?|pastes?|names?|writes?|"
    r"types?|gives?|provides?|"
    r"shares?|submits?|posts?|describes?|uploads?|enters?|supplies|supply|says?)\b(?! (?:is|are))"
)
# "Customers write in many languages", "think of yourself as the dispatcher of a hotline"
_PEOPLE_WRITE = late_pattern(
    r"(?:(?:our|the|some|most|all|many) )?(?:[\w'’-]+ ){0,2}?[\w'’-]+s (?:(?:of|on|at|in|from|"
    r"to) (?:[\w'’-]+ ){1,5}?)?(?:often |usually |mostly |"
    r"sometimes |can |may |will )*(?:write|ask|send|post|type|call|contact|use|leave|report|submit|reach|come|"
    r"arrive|text|e-?mail|message)\b"
)
_YOURSELF = late_pattern(r"(?:think of|see|consider|picture) yourself (?:as|in)\b")
_IS_SHOWN = late_pattern(r"(?:be )?(?:gets?|given|receives?|see|read|shown|sent|presented|handed|find)\b")
# "Your reply consists of", "The output must be": as an order to give it.
_OUTPUT = late_pattern(
    r"(?:(?:your|the) )?(?:entire |whole |only |final |first and only )?(?:output|answer|reply|response|result|"
    r"token|word)s? (?:consists? of|must be|should be|has to be|"
    r"is to be|is|will be|must match|should match|must contain|should contain|shall be|must equal)\b"
)
_SUBJECTS = table("you we i our this these those here here's below above everything")
_SETTING_VERBS = late_pattern(
    r"(?:is|are|was|were|will be|has been|have been|may be|can be|comes?|came|arrives?|follows?|contains?|may contain|"
    r"can contain|might contain|belongs?|falls?|stands?|(?:is|are) to be|go|goes|gets?)\b"
)
_NOT_NOUNS = table(
    """
    and then to you i we they it he she who that must should can could will would may might please not don't never also
    or but , ; let always just only simply be
    """
)
_OPEN = table(
    """
    the a an this that these those our your my their his its her every each any one of for from about on at by with
    into in which what whose between regarding concerning under single no and or new incoming short
    """
)
_PREPOSITIONS = table("in as with by like into using via through as-if within inside between behind under")
_FIRM = table("the this that these those one a an each every our your exactly single it which square triple")
_STOPS = table(
    "of for from that which this it you i we to about on at only alone exactly and , . ; : ( ) [ ] { } – — - _ in as "
    "with by like into using no without nothing verbatim please here is are best belongs fits applies matches before "
    "after behind over around inside within next between below above under at via through as-if per"
)
_ANSWERS = (
    ANSWER_WORDS
    | NOUNS
    | table(
        """
    word words name names one term string token tokens member value key item phrase line element entry answer result
    code it them this that those these _ choice pick title field column cell match verdict outcome
    """
    )
)
_DENIES = table("give add ask explain include provide output say mention repeat invent apologise apologize greet chat "
                "comment offer make put write reply respond answer return print elaborate discuss argue "
                "translate quote "
                "follow obey execute justify use")  # fmt: skip
_DENIALS = table("no not never without nothing nor don't")
_MEANS = table("using with like by via through in as on from per")
_DOES = table("list add describe quote highlight compare count check write draft copy repeat underline point ask "
              "show tell "
              "mention propose provide include justify comment reply respond keep make turn convert")  # fmt: skip
_ADVERBS = table(
    "me us back out with only just exactly strictly simply always the a an one your its to that single best"
)
# How a label is to be written, or from what.
_HOW = table(
    """
    before after twice quotes quoted bold italics capitals star stars bracket brackets parentheses random randomly well
    account past table bullet bullets stars exclamation hyphen underscore dash comma dot tone style voice way manner
    """
) - table("stars quotes brackets dash hyphen comma dot")
_QUALITIES = table(
    """
    single best exact correct right matching fitting appropriate suitable final main primary most likely probable chosen
    selected relevant corresponding predicted only one following given listed allowed possible above own bare plain
    exactly same valid full short applicable closest proper
    """
)
_CHOICE = late_pattern(
    r"(?:(?:one|kind|type|sort)\b ?)?(?:of (?:them|these|those|the [\w-]+(?: [\w-]+)?)\b ?)?"
    r"(?:(?:it|this|that|the (?:[\w'’-]+ ){0,2}[\w'’-]+) (?:best )?(?:is|are|belongs|falls|goes|should|concerns|"
    r"deals)\b.*|"
    r"(?:best )?(?:fits|applies|describes|matches|covers|it is)\b.*)?"
)
_FORMS = table("lower-case upper-case lowercase uppercase json verbatim")
_PEOPLE = table("customer user author writer sender person people name names text number numbers client caller speaker")
_UNTIED = (
    _PEOPLE
    | INPUT_WORDS
    | DATA_TAGS
    | table(
        """
        the one two three four five six seven eight nine ten single right correct best these following our your its this
        that into from with are is for and give return reply answer output write print choose pick select only just
        exactly you must which what belongs whether either between among possible allowed below above here there of in
        """
    )
)
_CLAUSES = late_pattern(r"[.?!\n]")
_WORDS = late_pattern(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_WHICH = late_pattern(
    r"\b(?:which|what|welch\w+|quel\w*|qué|cuál|qual|quale|welke?|jaki\w*|vilken|vilket|hvilken|hvilket|какой|какая|"
    r"какую)\s([^\W\d_]+)(?:\s([^\W\d_]+))?"
)


def stem(word: str) -> str:
    """A noun without the ending of its plural."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def tied_names(lower: str) -> frozenset[str]:
    """What an instruction calls its list, or asks for by "which": stems of nouns. ``lower``: ``_`` for each label."""
    found: set[str] = set()
    last = ""
    for line in _CLAUSES.split(lower):
        place = line.find("_")
        if place >= 0 and not line[:place].strip(" -*•\"'`([{"):
            found.update(_WORDS.findall(last)[-2:])  # "Choose the tense. past | present"
        last = line if line.strip() else last
        if place > 0:
            found.update(_WORDS.findall(line[:place])[-6:])
        for asked in _WHICH.finditer(line):
            found.update(word for word in asked.groups() if word and asked[1] not in _UNTIED)
    return frozenset(stem(word) for word in found if len(word) > 2 and word not in _UNTIED)


def gives(lower: str) -> bool:
    """Whether a sentence begins by ordering how to answer."""
    lead = _LEADS.match(lower)
    words = TOKEN.findall(lower[lead.end() :] if lead is not None else lower)
    return len(words) > 2 and words[0] in _ANSWERING and words[1] in ("as", "like", "in", "with", "using")


def is_plain(lower: str, names: set[str], tied: frozenset[str], *, is_given: bool = False) -> bool:
    """Whether a sentence in small letters, with ``_`` for listed labels, says nothing that a label would not honour.

    ``is_given``: a schema or tool fixes the answer's form, so that an order to fill it, whatever its words, adds
    nothing.
    """
    lower = _HOW_MANY.sub("what", lower).replace("the next message", "the message")
    if not any(map(str.isalnum, "".join(names))):
        lower = lower.replace("emojis", "labels").replace("emoji", "label")
    tokens: list[str] = TOKEN.findall(lower)
    is_role = _YOURSELF.search(lower) is not None
    if len(tokens) > 60 or any(token.isdigit() for token in tokens) or (not is_role and not _RISKS.isdisjoint(tokens)):
        return False
    if are_glossed(tokens):
        return False
    lower = _ONE_WORD.sub(" ", lower).replace("nothing more", "nothing")
    lower = _EQUALS.sub(r"\1: ", lower)
    lower = _IF.sub(r"\1 whether", lower)
    lead = _LEADS.match(lower)
    rest = lower[lead.end() :] if lead is not None else lower
    if not _are_nouns(TOKEN.findall(lower[: len(lower) - len(rest)]), names):
        return False
    wants = _WANTS.match(rest)
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
    if is_given and (start in _GIVES or start in _ASKS or start in _CALLS):
        return _are_nouns(words[1:], names)
    if start in _GIVES or start.removesuffix("ing") in _GIVES:
        return _gives(words[1:], names, tied)
    if start in _ASKS or start.removesuffix("ing") in _ASKS:
        return _asks(words[1:], names, tied)
    if start in ("which", "what", "is", "are", "how", "does", "whether", "who") and wants is None:
        return _are_nouns(words, names) and "_" in words
    if wants is not None:
        return _IS_SHOWN.match(rest) is not None and _are_nouns(words[1:], names) and not any(w in names for w in words)
    if (
        words[-1] == ":"
        and len(words) <= 9
        and start not in ANSWER_WORDS
        and words[1] not in _FIRM
        and _are_nouns(["the", *words], names)
    ):
        return True  # the heading of what follows
    if words[-1] in ("only", "alone") and len(words) < 7:
        return _is_label([word for word in words[:-1] if word[0].isalpha() and word not in _ADVERBS] or ["it"], tied)
    if (
        _ONE_OF_THEM.match(rest) is not None
        or _FOLLOWS.match(rest) is not None
        or _SENDS.match(rest) is not None
        or (_PEOPLE_WRITE.match(rest) is not None or _YOURSELF.match(rest) is not None)
    ):
        named = {stem(name) for name in names}
        return not any(stem(word) in named for word in words) and len(words) < 40
    if _HEADS_LIST.fullmatch(rest) is not None:
        return _are_nouns(["the", *words], names)
    if words[:2] in (["list", "of"], ["set", "of"], ["examples", "of"]):
        return _are_nouns(words, names)
    if (form := _OUTPUT.match(rest)) is not None:
        return _gives(TOKEN.findall(rest[form.end() :]), names, tied)
    return _sets(rest, words, names, tied)


def _are_nouns(tokens: list[str], names: set[str]) -> bool:
    """Whether every unknown word stands where a noun does."""
    strange = 0
    was = False  # the word before was an unknown noun
    for place, token in enumerate(tokens):
        if not token[0].isalpha() or token in KNOWN or token in names or token in _FORMS or _known_part(token):
            was = False
            continue
        strange += 1
        before = tokens[place - 1] if place else ""
        if (
            not was
            and (not before or before in _NOT_NOUNS or not before[0].isalpha())
            and before not in ("`", '"', "'")
        ) and (not (before == "or" or before == "and") or place < 2 or tokens[place - 2][0] in "_,"):
            return False
        was = True
    return strange <= 8 and strange * 2 <= len(tokens) + 2


def _known_part(token: str) -> bool:
    return token.endswith(("'s", "’s")) and token[:-2] in KNOWN


def _denies(words: list[str], names: set[str]) -> bool:
    """ "Do not give legal advice", "no greetings": what is not to be answered; never how to judge."""
    if any(word in names for word in words) or "_" in words:
        return False
    verb = next((word for word in words if word not in ("do", "don't", "never", "not", "no", "without", "please")), "")
    if words[0] in ("no", "without", "nothing"):
        return len(words) <= 12 and "that" not in words
    return verb in _DENIES and verb not in ("use",) and len(words) <= 24


def _asks(words: list[str], names: set[str], tied: frozenset[str]) -> bool:
    """Behind a verb of judging: what is judged and by what name, and perhaps what is to be given back."""
    for place, word in enumerate(words):
        if word in ("and", "then", ";") and place + 1 < len(words):
            after = [one for one in words[place + 1 : place + 4] if one not in ("then", "only", "just", "simply")]
            if after and (after[0] in _GIVES or after[0] in _ASKS):
                return _are_nouns(words[:place], names) and _gives(
                    words[words.index(after[0], place) + 1 :], names, tied
                )
    listed = len(words) - words[::-1].index("_") if "_" in words else 0
    behind = words[listed:] if listed else []
    odd = [place for place, word in enumerate(behind) if word[0].isalpha() and word not in KNOWN]
    if odd and any(word in _MEANS for word in behind):
        return False  # "using the price list", "in the manner of a pirate"
    if any(not place or (behind[place - 1] not in _OPEN and place - 1 not in odd) for place in odd):
        return False  # "whichever is funnier"
    return _are_nouns(words, names) and not _adds(words)


def _adds(words: list[str]) -> bool:
    """Whether an "and" brings a second object or order."""
    for place, word in enumerate(words):
        if word == "then" and place > 1:
            return True
        if word in ("and", "plus", "then", "&", "+", "with") and place + 1 < len(words):
            after = words[place + 1]
            if after in _DOES:
                return True
            if word != "with" and after in ("what", "why", "how", "which", "whether"):
                return True
            if word != "with" and after in ("the", "a", "an", "its", "their", "his", "her", "your"):
                return True
            if word in ("and", "then") and (after in _GIVES or after in _ASKS) and place > 1:
                return True
    return False


def _gives(words: list[str], names: set[str], tied: frozenset[str]) -> bool:
    """Behind a verb of answering: its object must be the label, and nothing may be said of how it is written."""
    if not _HOW.isdisjoint(words) or ('"' in words and "_" not in words):
        return False
    place = 0
    while place < len(words) and words[place] in _ADVERBS:
        place += 1
    if place < len(words) and words[place] in ("which", "what", "whether", "how", "if"):
        return place < 3 and _are_nouns(words, names) and _is_choice(words[place + 1 :], tied)
    object_: list[str] = []
    while place < len(words) and words[place] not in _STOPS and words[place][0].isalpha():
        object_.append(words[place])
        place += 1
    rest = words[place:]
    is_listed = "_" in rest and object_[-1:] != [] and object_[-1] not in _UNTIED
    if object_ and not is_listed and not _is_label(object_, tied):
        return False
    denied = next((index for index, word in enumerate(rest) if word in _DENIALS), len(rest))
    said, rest = rest, rest[:denied]
    if _adds(rest):
        return False
    for index, word in enumerate(rest):
        if word in _PREPOSITIONS and not _is_place(rest[index + 1 :], tied):
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
    if head not in _ANSWERS and stem(head) not in _ANSWERS:
        return False
    before = [word.removesuffix("'s").removesuffix("’s") for word in before]
    return all(word in _ANSWERS or word in _QUALITIES or stem(word) in tied for word in before)


def _is_place(words: list[str], tied: frozenset[str]) -> bool:
    """Whether words behind "in", "as" or "with" say where the label stands, or what it is, not how it looks."""
    found: list[str] = []
    for word in words:
        if word in ("a", "an") and not found:
            return words[1:2] != [] and (
                words[1] in _ANSWERS - {"phrase", "line", "sentence", "title"} or words[1] == "single"
            )
        if word in _ADVERBS or word in _FIRM:
            continue
        if word in _STOPS or not word[0].isalpha():
            break
        found.append(word)
    if not found:
        return "_" in words or bool(words)
    return (
        found[-1] in _FORMS
        or found[-1] in INPUT_WORDS
        or found[-1] in ("list", "set", "english", "examples", "table", "codebook")
        or _is_label(found, tied)
    )


def _is_choice(words: list[str], tied: frozenset[str]) -> bool:
    """Whether a question behind "say which" or "say what" is the one that the list answers."""
    if "_" in words:
        return not _adds(words)
    return _CHOICE.fullmatch(" ".join(words)) is not None or (
        bool(words)
        and (stem(words[0]) in tied or words[0] in NOUNS)
        and _CHOICE.fullmatch(" ".join(words[1:])) is not None
    )


def _sets(rest: str, words: list[str], names: set[str], tied: frozenset[str]) -> bool:
    """What the application is, what comes in, who writes it."""
    named = {stem(name) for name in names}
    if any(stem(word) in named for word in words):
        return False
    if _VERDICT.search(rest):
        return False
    start = words[0]
    if start in ("you", "i", "we"):
        verb = next(
            (word for word in words[1:3] if word not in ("always", "only", "must", "should", "then", "just")), ""
        )
        if verb in _GIVES and verb != "set":
            return _gives(words[words.index(verb) + 1 :], names, tied)
        place = _find(words, _GIVES, 2)
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
    said = _SETTING_VERBS.search(behind[:80])
    return said is not None and len(words) < 40 and ("_" in words or _IS_THING.match(behind[said.end() :]) is not None)


_VERDICT = late_pattern(
    r"\b(?:good|bad|positive|negative|harmless|harmful|serious|okay|ok|welcome|irrelevant|relevant|important|urgent)\b"
)
_IS_THING = late_pattern(
    r"\s*(?:(?:always|usually|often|typically|mostly|to be|all|written|sent|posted|taken|left|typed) )*(?:an?|the|"
    r"one|from|by|in|on|to|short|lines?|typos?|spelling|[a-z]+s)\b"
)


def _subject(words: list[str]) -> str | None:
    """The noun for the text to judge with which a sentence begins, or None."""
    if words[0] in _SUBJECTS or words[:2] in (["the", "above"], ["the", "following"]):
        return words[0]
    for place, word in enumerate(words[:5]):
        if word in INPUT_WORDS or word in DATA_TAGS or stem(word) in INPUT_WORDS:
            return word
        if word not in KNOWN or (place and word in _NOT_NOUNS):
            return None
    return None


def _find(words: list[str], table_: Iterable[str], start: int) -> int | None:
    return next((place for place, word in enumerate(words) if place >= start and word in table_), None)
