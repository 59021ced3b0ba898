"""Is every sentence of an instruction of a usual kind? What is not understood may be the rule that decides the label.

Looking for known rules finds known rules only. This turns the burden round: a sentence must say who is to answer, ask
for the label, list the labels, point at the text, or limit the answer, in words that such sentences are made of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from .examples import EDGES, MARKED, is_example
from .frame_words import GIVES, POINTERS, RISKS, RULES, SHIFTS, WHICH
from .frames import gives, is_plain, stem, tied_names
from .frames_abroad import is_plain_abroad
from .lexicon import KNOWN, UNSPACED
from .misspelt import is_one_edit
from .orders import adds_to_label, asks_too_much, is_plain_question
from .polar import OF_TEXT, are_denied, asks_one
from .remarks import is_remark, without_remarks
from .riders import does_more, has_rider, has_rule, has_sense, short_capitals
from .vocabulary import ANSWER_WORDS, INPUT_WORDS, NOUNS, YES_NO
from .words import stands_in, table

__all__ = ["FOREIGN", "unexplained"]

_SENTENCE = late_pattern(r"((?:[.?!;](?=[\s\"')\]]|$)|[。？！；\n])+)")
_WORD = late_pattern(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CJK = late_pattern(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CLAUSE = late_pattern(r"[,，、：:]")
_PREFIX = r"\W*(?:[\w'’-]{1,24}(?: [\w'’-]{1,24}){0,2} ?[:：]\W*)?(?:(?:please|now|then|so|kindly|bitte|first|also) )*"
_ROLE = late_pattern(
    _PREFIX
    + r"(?:you(?: are|'re|r (?:task|job|role|goal|purpose) is| (?:will be |)(?:given|provided|shown|receive|read|label|"
    r"assign|decide|choose|pick|check|map|file|classify|sort|route|moderate|tag|triage|filter|grade|judge|rate|"
    r"detect|screen|categori[sz]e)\b)|act as|as an? |"
    r"you (?:work|help|support|assist) |i am|i'm|i have|i've got|we have|we've got|"
    r"i run|we are|we run|here (?:is|are)|below (?:is|are)|"
    r"this is|these are|the following (?:is|are)|"
    r"du (?:bist|klassifizierst|sortierst|ordnest|bewertest)|sie sind|tu (?:es|classes|tries|modères)|vous êtes|eres|"
    r"usted es|você é|sei un|siete|(?:jij |je |u )bent|helpful)\b",
    re.IGNORECASE,
)
_ASK = late_pattern(
    _PREFIX + r"(?:classif\w+|categori[sz]e\w*|labell?\w*|rate|determine|decide|detect|identif\w+|assign|analy[sz]e|"
    r"guess|evaluate|assess|judge|predict|sort|tag|mark|flag|route|triage|moderate|(?:tell|say|find)(?: me|"
    r" us)? (?:if|"
    r"whether|which|what|the|out)|recogni[sz]e|score|look at|(?:state|report|indicate) whether|"
    r"each [\w-]+ (?:belongs|falls|gets|has|is)|for (?:the|this|"
    r"each) (?:given|following)|"
    r"use (?:the|this) (?:tool|function)(?: to)?|"
    r"given|is|are|does|do(?! not\b)|was|would|which|what|whose|how|in which|to which|"
    r"klassifizier\w*|ordne|bestimme|bewerte|kategorisiere|entscheide|beurteile|erkenne|ist|sind|enthält|welche\w*|"
    r"in welche|"
    r"was|handelt|class\w+|déterminez?|indiquez?|analysez?|évaluez?|quel\w*|est-ce|est|dans quel\w*|"
    r"diga|dime|dis(?:-moi)?|dites|sage?|dimmi|zeg|clasif\w+|determina|indica|analiza|evalúa|etiqueta|cuál|"
    r"classifi\w+|analise|avalie|identifique|qual|valuta|analizza|assegna|determina|quale|"
    r"classificeer|bepaal|beoordeel|welk\w*)\b",
    re.IGNORECASE,
)
# An order to choose: what is chosen from may be called by a word of the caller's own, nothing more may be asked.
_CHOOSE = late_pattern(
    _PREFIX
    + r"(?:choose|pick|select|name|output|read|say|print|return|file|give|put|wähle|nenne|choisis\w*|elige|escolha|"
    r"scegli|kies)\b(?!.*\b(?:then|also|plus|both|along|(?:and|und|et|y|e|en) (?!(?:output|return|say|tell|name|"
    r"choose|pick|"
    r"select|print|give|nothing|no)\b))\b)",
    re.IGNORECASE,
)
# "the bucket name", "one tray only": whatever such a word is, the answer's name is asked for.
_CALLED = late_pattern(
    r"\b(?:the|one|single|exact|matching|right|correct|best)(?: (?:one|single|exact|matching|right|correct|best))* "
    r"[^\W\d_]{3,20}(?:['’]s)?(?= (?:word|name|label|category|class|tag|type|code|title|alone|only|from the "
    r"(?:table|list|set|options))\b)"
)
_DENIED = late_pattern(
    r"(?:,? ?(?:but|and) )?\b(?:do not|don't|never|must not) (?:repeat|output|add|include|print|return|mention|quote|"
    r"copy|provide|give|write|show|"
    r"echo|invent|make up|follow|execute|obey|translate|answer the|reply to|respond to) [^_.;:]{2,80}|"
    r"\b(?:without|not) (?:the |its |any |a )?(?:numbers?|numbering|index|letters?|digits?|bullets?|dash(?:es)?|"
    r"hash)\b|"
    r"\b(?:sans|ohne|sin|sem|senza|zonder) (?:le |la |die |den |el |o |il |lo |de |het )?"
    r"(?:numéro|nummer|número|numero|lettre|letra)\b"
)
# "Resident says: _": what stands before the list or the text to judge is its heading.
_HEADED = late_pattern(
    r"\W*[\w'’-]+(?: [\w'’-]+){0,3}\s*[:：]\W*_\W*$|"
    r"\W*(?:[\w'’-]+ ){0,9}[\w'’-]+\s*(?:\([^()_]{0,60}\)\s*)?(?:[:：=(]|->|→)\s*(?:one of |"
    r"either )?[\"'`\[{(]*_(?:[\s,/|;\"'`\[\]{}()]+(?:or |oder |ou |o |of |"
    r"eller |или |lub |veya )?[\"'`]*_)+\W*$"
)
# "Is it _, _ or _"
_IS_ONE = late_pattern(r"\W*(?:is|was) (?:it|this|that)(?:\W*(?:an? |or |either |more )?_){2,}\W*")
_JOINED = table("and then und dann et puis y luego e i oraz og och и ve en")
# The head of a type, or a field of it, in a programming language: the caller's form of the answer.
_CODE = late_pattern(
    r"\W*(?:field|name|key|column|variable|parameter|task|type)s?: [\w-]+$|"
    r"\W*(?:export |public |private |declare |from \w+ import .*|import .*)*(?:"
    r"(?:interface|type|enum|class|const|let|var) [\w =<>():,.;|{}\[\]\"'`]{1,80}|"
    r"[\w?]+\s*[:=]\s*(?:(?:z\.)?enum|literal|union)?[(\[{\"'` ]*_[\s,|/_\"'`\])};]*(?://.{0,80}|#.{0,80})?|"
    r"[})\];, ]+)$"
)
# What the instructor library says first (https://python.useinstructor.com).
_INSTRUCTOR = late_pattern(
    r"(?:As a )?genius expert, your task is to understand the content and provide\s+the parsed objects"
    r"(?: in json that match the following json_schema)?[.:]?|"
    r"Return the correct JSON response within a ```json codeblock\. not the JSON_SCHEMA|"
    r"Make sure to return an instance of the JSON, not the schema itself|^Answer the user query\.(?=\n|$)",
    re.IGNORECASE,
)
# A chat template's own marks, left in the prompt.
_TOKENS = late_pattern(r"</?s>|\[/?INST\]|<</?SYS>>|<\|\w{1,24}\|>(?:system|user|assistant)?")
# "(e.g. "ok")": one of the labels, to show how the answer looks.
_SUCH_AS = late_pattern(
    r"\(?(?:e\.g\.|i\.e\.|for example|such as)[,:]? [\"'`“]?([^\"'`”()\n]{1,48}?)[\"'`”]?(?=[).,\n]|$)\)?"
)
_VOWELS = late_pattern("[\u064b-\u0652\u0670]")  # marks in Arabic that most writers leave out
_CIRCLED = late_pattern(r"[①-⑳❶-❿]")
# The lines around a text: "----- BEGIN EMAIL -----".
_FRAME = late_pattern(
    r"^[-=*#<>\[\] ]*(?:BEGIN|START|END)(?: OF)?(?: [A-Z]+)*[-=*#<>\[\] ]*$|^[-=*#]{2,} ?(?:[A-Z]+ )+(?:START|END|"
    r"BEGIN)[-=*# ]*$",
    re.MULTILINE,
)
_FENCE = late_pattern(r"^[ \t]*```\w{0,12}[ \t]*$", re.MULTILINE)
# A worked example in two elements, as OpenAI's guide to prompts writes them.
_PAIRED = late_pattern(
    r"<(\w{1,40})(?: \w+=\"[^\"<>]{0,40}\")?>[^<>]{1,2000}</\1>\s*<(\w{1,40})(?: \w+=\"[^\"<>]{0,40}\")?>"
    r"([^<>]{1,64})</\2>"
)
_MOST = 200
_PLAIN = ANSWER_WORDS | INPUT_WORDS | NOUNS
_PLAIN |= table("yes no não non nein nee si sí true false other none one any all")
_ORDERS = late_pattern(
    rf"\W*(?:(?:please|only|just|simply|always|and) )*(?:{'|'.join(sorted(GIVES))}) (?:the|only|just|one|a|its)\b"
)
_RISKY = (RISKS - table("once")) | table("to is as null none empty")
_PREDICATE = table("is are was were be must should can may will ist sind muss est sont doit es son debe é são è sono")
_TAGS = late_pattern(r"</?[a-z_]{2,24}(?: [a-z_-]+=\"[^\"]*\")*/?>")
_VERSION = late_pattern(r"\bv\d+(?:\.\d+)*\b")
_DIGIT = late_pattern(r"\d")
_POLAR = late_pattern(
    r"(?:and |also,? )?(?:do|does|did|has|have|had|can|could|will|would|is there|are there|was there)\b(?! you)"
)
_OR = late_pattern(r"(?<=\s)(?:or|oder|ou|eller|czy|или)\b|^\W*(?:and|und|et|y|e|en|och) ")
# What a list calls its items: "to one desk: _", "Buckets: _".
_CALLS = late_pattern(r"[:：=(]\s*(?:[-*•]\s+)?[\"'`\[{(]*_")
_TEXTS = INPUT_WORDS | {"user", "customer", "author", "product"}
_FORBIDS = late_pattern(r"\b(?:not|never|don't)\b.*\b(?:the word|the label|with|choose|use|say|return|pick|assign)\b")
# "Requests for a call are questions", "Complaint has priority"
_PREDICATED = (
    r"(?:\b(?:is|are|be|becomes?|gets?|to) (?:an? |always |still )?{0}s?$|"
    r"^\W*{0}s? (?:has|have|is|are|goes|comes|wins?|beats?|only|needs?|must|covers?|takes?)\b)"
)
_AMOUNT = late_pattern(r"\W*[\w ]+[:：]\W*\d[\d.,/ -]*")  # "Rating: 1": something else that is given
_ANY = late_pattern(
    r"(?:^|[,;] )(?:an?|any|no|every) [\w-]+ (?:is|are|has|have|must|should|may|can|needs?|means?|covers?)\b"
)
_BARE = late_pattern(
    r"\W*(?:(?:please )?(?:output|return|give|write|print|say|(?:reply|answer|respond)(?: with)?) (?:me )?)?"
    r"(?:only|just) (?:the|one) ([^\W\d_]+)(?:,? please)?$"
)
_IS_A = late_pattern(
    r"\W*(?:you are|you're|act as) (?:an?|the) (?:[\w'’-]+ ){1,6}(?:bot|assistant|agent|classifier|system|expert|model|"
    r"router|clerk|analyst|tool|api|service|chatbot|operator|dispatcher)"
)
_ABOUT = late_pattern(r"#+ *(?:role|context|background|about|who you are|setting|purpose|overview):?", re.IGNORECASE)
_SCALE = late_pattern(r"(?:,? ?(?:on|using|with) )?an? scale (?:of|from|between)? ?_ ?(?:to|-|–|and) ?_,? ?")
_NEGATIONS = table("not don't never without sans ohne sin sem senza zonder")
_SHOWN = "\x00"
_ANSWERED = late_pattern(r"[\"']\w{1,40}[\"']\s*:\s*[\"']([^\"'\n]{1,64})[\"']")
_ELIDED = table("l d qu c s n j m t dell all un nell sull quest dall")
FOREIGN = "¤"
"""Stands for data that is not the text to judge: fine in a worked example, unexplained anywhere else."""


def unexplained(text: str, labels: Sequence[str], keys: Sequence[str] = (), *, is_given: bool = False) -> bool:
    """Whether an instruction holds a sentence of no usual kind. ``text``: text to judge and label lists left out;
    ``keys``: names of fields and tools and what the list is called, which are no rule where they are spoken of;
    ``is_given``: a schema or tool fixes the answer's form.
    """
    names = {label.casefold().strip(EDGES) for label in labels if label}
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "field")
    if "<|" in text or "[INST]" in text:
        text = _TOKENS.sub("\n", text)
    if "." in text:
        text = _SUCH_AS.sub(lambda shown: "" if shown[1].casefold() in names else shown[0].replace(".", ""), text)
    if not text.isascii():
        text = _CIRCLED.sub(" ", text)
        text = _VOWELS.sub("", text)
    if "```" in text:
        text = _FENCE.sub("", text)
    if "BEGIN" in text or "START" in text:
        text = _FRAME.sub("", text)
    if "parsed objects" in text or "JSON_SCHEMA" in text or "user query" in text:
        text = _INSTRUCTOR.sub("", text)
    if "</" in text:
        text = _PAIRED.sub(lambda shown: "" if shown[3].strip().strip(EDGES).casefold() in names else shown[0], text)
    if "\n" in text:
        lines = text.split("\n")
        text = "\n".join(_SHOWN if is_example(line, names) else line for line in lines)
    called = (
        frozenset(
            before[-1].lower()
            for match in _CALLS.finditer(text)
            if (before := _WORD.findall(text[max(0, match.start() - 24) : match.start()]))
        )
        - _TEXTS
    )
    asked = (match.groups() for match in WHICH.finditer(text.lower()) if not match[0].startswith("what"))
    heads = frozenset(map(stem, called)) | {stem(word) for words in asked for word in words if word}
    called |= tied_names(text.lower())
    if names and all(name.isdigit() for name in names):
        called |= {"number", "digit", "rating", "figure"}
    parts = _SENTENCE.split(text)
    if len(parts) > 2 * _MOST:
        return True
    ends = [*parts[1::2], ""]
    is_first, is_open, is_listed = True, False, False
    shouted = short_capitals(labels)
    asks = odd = 0
    for part, end in zip(parts[::2], ends, strict=True):
        if not part or part.isspace():
            continue
        sentence = part.strip()
        if sentence == _SHOWN:
            is_open = False
            continue
        if is_open or FOREIGN in sentence:
            if is_open:
                return True
            is_open = True
            continue
        if any(stands_in(sentence, name) for name in shouted) and not _ASK.match(sentence):
            return True  # "Long ones are IT"
        is_question = "?" in end or "？" in end
        if not _is_usual(sentence, names, is_question=is_question, is_first=is_first, called=called, heads=heads,
                         is_given=is_given, is_listed=is_listed):  # fmt: skip
            return True
        is_first = sentence.startswith("#") and _ABOUT.fullmatch(sentence) is not None
        lower = sentence.lower()
        asks += is_question or _ASK.match(lower) is not None
        is_odd = is_question and not is_plain_question(lower) and _IS_ONE.fullmatch(lower) is None
        if is_odd and is_listed and "_" not in lower and OF_TEXT.isdisjoint(_WORD.findall(lower)):
            return True  # "My options are _ or _. What is the weather?"
        is_listed = is_listed or lower.count("_") > 1
        odd += is_odd
    # What a question asks is not always understood; beside another order it may be a second one.
    return is_open or (odd > 0 and asks > 1 and names.isdisjoint(YES_NO))


def _is_usual(
    sentence: str,
    names: set[str],
    *,
    is_question: bool,
    is_first: bool,
    called: frozenset[str] = frozenset(),
    heads: frozenset[str] = frozenset(),
    is_given: bool = False,
    is_listed: bool = False,
) -> bool:
    lower = sentence.lower()
    if "<" in lower:
        lower = _TAGS.sub(" ", lower).strip()
    if "{" in lower:
        lower = _ANSWERED.sub(lambda match: "_" if match[1] in names else match[0], lower)
    if not lower.isascii() and _CJK.search(lower):
        if 0 < sum(len(name) > 1 and name in lower for name in names) < len(names):
            return is_example(sentence, names)  # a rule about one label
        return all(_is_usual_unspaced(clause) for clause in _CLAUSE.split(lower)) or is_example(sentence, names)
    if is_remark(lower, names):
        return True
    lower = without_remarks(lower)
    if "scale" in lower and all(map(str.isdigit, names)):
        lower = _SCALE.sub("", lower)
    is_asked = (is_question and len(lower) < 240) or _ASK.match(lower) is not None
    spoken = [name for name in names if stands_in(lower, name)]
    if spoken and spoken[0] in GIVES and _ORDERS.match(lower) is not None:
        spoken.clear()  # a label that is the order's own verb: "only return the category"
    if lower.count("_") > 1 and has_rider(lower, [name for name in spoken if name not in _PLAIN]):
        return False
    if len(spoken) == 1 < len(names) and _IS_A.fullmatch(lower) is not None:
        return True  # "You are a customer service bot", where "customer service" is a label
    plural = [name for name in names - _PLAIN if len(name) > 3 and not is_asked and stands_in(lower, f"{name}s")]
    if plural and not spoken and "_" not in lower and len(names) > 1:
        return False
    if len(spoken) == 1 < len(names) and not is_asked and spoken[0] not in _PLAIN and len(spoken[0]) > 2:
        return is_example(sentence, names)  # a rule about one label, or a default
    if len(spoken) == 1 and not is_asked and spoken[0] in INPUT_WORDS and _ANY.search(lower) is not None:
        return False  # "A complaint has to name a product": the label, and not the text
    if not is_asked and any(
        name in lower and re.search(_PREDICATED.format(re.escape(name)), lower) for name in names & INPUT_WORDS
    ):
        return False
    if len(spoken) == 1 < len(names) and not is_asked and names.isdisjoint(YES_NO) and has_sense(lower, spoken[0]):
        return False  # "with us spam has nothing to do with its usual sense"
    if len(spoken) > 1 or is_asked:
        for name in sorted(spoken, key=len, reverse=True):
            if name not in KNOWN:
                lower = lower.replace(name, "_")
    if has_rule(lower, names, is_question=is_question) or (is_listed and does_more(lower)):
        return False
    if (
        is_question
        and "_" not in lower
        and not spoken
        and (
            (_OR.search(lower) and (names.isdisjoint(YES_NO) or not asks_one(lower)))
            or (_asks_anew(lower, names) and not are_denied(names))
        )
    ):
        return False  # a second question beside the one whose answers are listed
    if len(spoken) == 1 < len(names) and _FORBIDS.search(lower):
        return False  # "do not use the word spam"
    words = _WORD.findall(lower)
    if is_given and "field" in words and len(words) < 6 and not spoken and _RISKY.isdisjoint(words):
        return True  # "Rufe immer `route` auf"
    strange = [word for word in words if not _is_known(word, names) and stem(word) not in heads]
    masked = lower
    for name in sorted(spoken, key=len, reverse=True) if len(spoken) > 1 else ():
        masked = masked.replace(name, "_")
    is_too_much = asks_too_much(masked, called)
    if (
        (strange or is_too_much)
        and not adds_to_label(masked)
        and (is_plain(masked, names, called, is_given=is_given) or is_plain_abroad(masked, names, called))
    ):
        return True
    bare = _BARE.match(lower)
    if bare is not None and strange == [bare[1]] and bare[1] not in OF_TEXT:
        return True  # "Only the tense"
    if is_too_much or (strange and gives(masked)):
        return False
    if not strange:
        return SHIFTS.isdisjoint(words) and _AMOUNT.fullmatch(sentence) is None
    filled = MARKED.match(sentence)
    if filled is not None and "_" not in lower and filled[1].lower().rsplit(" ", 1)[-1] in ANSWER_WORDS:
        return is_example(sentence, names)  # "Label: positive": an answer that stands there already
    if not spoken and not _NEGATIONS.isdisjoint(words):
        denied = _DENIED.sub(" ", lower)
        if all(_is_known(word, names) for word in _WORD.findall(denied)):
            return True
    if (_HEADED.match(lower) and _JOINED.isdisjoint(words)) or _CODE.match(lower):
        return True
    if "_" in lower or len(strange) <= 2:
        plain = _CALLED.sub(" ", lower)
        if plain is not lower and all(_is_known(word, names) for word in _WORD.findall(plain)):
            return True
        if _CHOOSE.match(lower) and len(strange) <= (5 if "_" in lower else 3) and len(strange) * 2 <= len(words):
            listed = lower.rfind("_")
            last = words if listed < 0 else _WORD.findall(lower[listed:])
            # A strange word may say more of the answer's name, never how it is to be written: "say it in Swahili".
            return all(_is_known(word, names) for word in (last[-1:] if listed < 0 else last))
    if is_question and asks_one(lower) and not names.isdisjoint(YES_NO):
        return (SHIFTS | RULES).isdisjoint(words)
    if is_asked:
        listed = lower.rfind("_")
        if listed >= 0 and any(not _is_known(word, names) for word in _WORD.findall(lower[listed:])):
            return False  # "label it _ or _ with a smiley behind it"
        return len(strange) <= 6 and len(strange) * 2 <= len(words) + 2
    if _ROLE.match(lower):
        return len(words) < 60
    if (
        is_first
        and "_" not in lower
        and len(words) <= 10
        and _PREDICATE.isdisjoint(words)
        and (SHIFTS | RULES).isdisjoint(words)
        and {stem(word) for name in names for word in _WORD.findall(name)}.isdisjoint(map(stem, words))
        and not _DIGIT.search(_VERSION.sub("", lower))
    ):
        # What the application is; no order ("improve this").
        return len(strange) <= 4 and not (
            (words[0] in strange or words[0] == "only") and len(words) > 1 and words[1] in POINTERS
        )  #: "moderation filter of a cooking forum"
    return is_example(sentence, names)


def _asks_anew(lower: str, names: set[str]) -> bool:
    """A question to be answered by yes or no, where neither is a label."""
    return _POLAR.match(lower) is not None and names.isdisjoint(YES_NO)


def _is_known(word: str, names: set[str]) -> bool:
    if word in KNOWN or word in names:
        return True
    article, _, rest = word.replace("’", "'").partition("'")
    if (rest in KNOWN and article in _ELIDED) or (rest == "s" and article in KNOWN):
        return True
    return is_one_edit(word) and not any(word.startswith(name[:-1]) for name in names)


def _is_usual_unspaced(clause: str) -> bool:
    if not _CJK.search(clause):
        return sum(word not in KNOWN for word in _WORD.findall(clause)) <= 1
    return len(clause.strip(" _\"'“”「」【】[]")) <= 4 or any(word in clause for word in UNSPACED)
