"""The one enumeration of an instruction that no usual cue announces: ``Trays: A, B, C``, ``goes to A, B or C``.

Weaker than the cues of :mod:`cues`: it is looked for only when they find nothing, and it counts only when no other
enumeration of the text could be meant as well and the words say that one of its items is wanted.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .labels import Listing, is_ellipsis
from .lexicon_further import FURTHER, FURTHER_ORDERS
from .runs import Run, runs
from .speech import IMPERATIVE
from .vocabulary import CLASSIFY, NOUNS
from .words import table, words_of

__all__ = ["lone_list"]

_LONGEST = 6000
_CERTAINTY = 0.72
# One of the items is wanted.
_ONE = table(
    """
    one single only just exactly alone nothing best closest which choose pick select nur genau eine einen einem einer
    eines ein welche welcher welches seulement uniquement quel quelle une un solo sólo única único cuál apenas somente
    qual quale soltanto alleen welk welke één een один одно одну одной одним только какой какую jedno jedną
    jeden jednym
    tylko wyłącznie bir biri birini sadece yalnızca tek hangi endast bara kun én ett et en vilken vilket
    hvilken hvilket
    label value class category return output print respond reply answer whether either
    """
)
_ONE_UNSPACED = late_pattern(r"只|哪|のみ|だけ|どれ|하나|のいずれ|一つ|之一")
_ASK_UNSPACED = late_pattern(r"哪|どれ|どの|いずれ|어느|분류|分类|判断|分類|選|类别|ラベル|カテゴリ|标签|归")
_ALLOWED = table(
    """
    allowed permitted possible valid erlaubt zulässig möglich autorisé permis permitido permitida ammessi
    值 可选值 选项 項目 値 可能な値 选择 類別 admissible permissible
    варианты вариантов значения метки категории wartości etykiety opcje kategorier värden etiketter alternativ værdier
    seçenekler etiketler kategoriler list liste lista listado список listy listan listen lijst elenco
    """
)
_VERBS = (
    CLASSIFY
    | FURTHER_ORDERS
    | table(
        """
        sorting sorts routed sent filed belongs goes put give say name decide guess if whether write map code fill
        filled
        place state send asigna asignar asigne elige escoge atribua escolha assegna scegli smista attribue attribuez
        choisis trie tries sortierst wähle zuordnen kies codeer una diga dime dis qual quelle cuál
        """
    )
)
# Without one of these a message of a user's own, in letters of ASCII, asks for no choice.
_CORE = (
    (CLASSIFY - table("tell read call put handle score predict analyze analyse mark file"))
    | NOUNS
    | table("choose pick select which whether either single map code decide word words")
)
# Two of these: the answer is limited.
_LIMITS = table("only just exactly one single word nothing alone answer reply respond return output")
_ASKS = (
    CLASSIFY
    | FURTHER_ORDERS
    | NOUNS
    | _ALLOWED
    | table(
        """
        choose pick select output name say guess answer return print reply respond give write emit put place drop fill
        which what whether if either how is are does do sound sounds seem seems decide wähle nenne ist ob welche
        was quel quelle est si cuál qué es
        qual é quale
        è welk is one each gets go goes belong belongs sorting sorts routed sent filed
        """
    )
)
_COPULAS = table("is are be sind sont son são sono zijn")
_COUNTED = table(
    "two three four five six seven eight nine ten zwei drei vier deux trois quatre dos tres cuatro due tre"
)
# Such an enumeration says what to fill in, to look at, to leave out, or how to speak.
_NO_ANSWERS = table(
    """
    fields keys columns properties attributes aspects criteria facts rules steps include includes including contain
    contains cover extract list summarize summarise
    avoid ignore except ingredients translate compare rank voice persona products offer sell
    """
)
_NEGATIVE = late_pattern(
    r"\b(?:no|not|never|without|don't|avoid|nor|omit|ohne|kein\w*|nicht|sans|pas|ni|sin|sem|senza|zonder|geen|bez|"
    r"без|utan|uten|uden)\b[^.:]{0,40}$",
    2,
)
_FORM = table(
    """
    quotes quotation punctuation explanation explanations markdown formatting comments commentary prose preamble
    reasoning justification period text json xml csv yaml bullet bullets whitespace caps lowercase uppercase
    """
)
_UNSPACED = late_pattern(r"[\u0e00-\u0e7f\u0900-\u0dff\u0590-\u06ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CHOICE = late_pattern(
    r"(?: or |/)[^.?!\n]{1,80}\?|\?[ \n]+[^?.!\n]{2,40}[,/]|\?\n(?:[^\s?.!:,][^?.!:,\n]{1,30}(?:\n|\Z)){2}"
)
_EDGE = 800
_LONG = 1500
_MAY_BE = late_pattern(r"\b(?:can|may|must|should|will|could) (?:only )?be(?: either)? $", re.IGNORECASE)
_ONE_ABOVE = late_pattern(r"\bwhich (?:one|of)\b|\bone of (?:these|them|those|the above)\b|\bfrom the list\b", 2)
_PRONOUNS = table(
    "something someone anything anyone somebody anybody somewhere everything nothing it me you us them him her"
)
# "Answer questions about home, travel and pet insurance"
_HELPS = late_pattern(
    r"\b(?:answer|help|assist|support|advise|handle|resolve|know)s?(?: [\w'’-]+){0,4}? "
    r"(?:questions|queries|inquiries|enquiries|customers|users|callers|people|about|with)\b[^.?!:]{0,40}$",
    2,
)
_OPEN_LIST = late_pattern(
    r"\b(?:e\.g\.|such as|for example|for instance|including|like:?$|z\. ?b\.|par exemple|por ejemplo|things like|"
    r"topics like)",
    2,
)
_ANSWERS = late_pattern(
    r"antwort|réponse|respuesta|resposta|rispost|antwoord|answer|option|zulässig|erlaubt|possible|posible", 2
)
_META = table("label labels category categories class classes tag tags option options choice choices field fields key")
_ITEM_NOUNS = table(
    """
    word term ord mot palabra palavra parola woord słowo słowem wort begriff kelime slovo label category class tag
    kategori kategorie catégorie categoría categoria categorie
    """
)
"""What the items of a list are called."""
_KINDS = table("type types kind kinds formats language languages")
"""Behind these "html, json, csv" are answers."""
_DATA = _FORM | table(
    """
    texts text messages message reviews review comments comment tickets ticket email emails e-mail e-mails mail mails
    tweets tweet posts post sms chats chat articles article documents document sentences sentence headline title body
    subject input output prompt prompts
    """
)


def lone_list(text: str, words: frozenset[str], *, is_system: bool) -> Listing | None:
    """The only enumeration that stands as answers would, or None. ``is_system``: no text to judge is expected in it."""
    is_one = not words.isdisjoint(_ONE) or (not text.isascii() and _ONE_UNSPACED.search(text) is not None)
    if (
        not is_one
        and words.isdisjoint(_VERBS)
        and words.isdisjoint(FURTHER)
        and "?" not in text
        and _UNSPACED.search(text) is None
    ):
        return None
    is_limited = not is_system and _is_limited(text, words)
    if not (is_system or is_limited) and text.isascii() and (words & _CORE) <= {"which"} and not _asks_choice(text):
        return None
    if not is_system and len(text) > _LONGEST:
        return None
    near = None if is_system or is_limited or not text.isascii() else _CORE
    if is_limited and len(text) > _LONG:
        near = _CORE | _LIMITS
    found = [run for run in map(_without_noun, runs(text, near)) if _may_answer(run)]
    strong = [run for run in found if _is_asked(text, words, run)]
    choices = {frozenset(map(str.casefold, run.listing.labels)) for run in strong if run.joined == "or"}
    if len(choices) > 1:
        return None  # "each good or bad", "in formal or casual words": two choices
    chosen = _surest(strong)
    if chosen is not None and choices and frozenset(map(str.casefold, chosen.labels)) not in choices:
        return None
    if chosen is None and not strong:
        weak = [run for run in found if any(map(str.isalnum, run.listing.labels[0]))]
        chosen = _surest(
            [
                run
                for run in weak
                if (
                    is_system
                    and (is_one or ((run.introduced or run.joined == "lines") and len(run.listing.labels) > 2))
                )
                or (run.introduced and len(run.listing.labels) > 2 and is_one and _is_heading(run.head))
            ]
        )
    return None if chosen is None else chosen._replace(certainty=_CERTAINTY)


def _is_limited(text: str, words: frozenset[str]) -> bool:
    """Whether the edges of a message say that the answer is short: "just the mood", "one word, nothing else"."""
    if words.isdisjoint(_LIMITS):
        return False
    if len(text) > 2 * _EDGE:
        text = f"{text[: _EDGE // 2]}\n{text[-_EDGE // 2 :]}"
        words = words_of(text)
    found = len(words & _LIMITS)
    return found > 1 or (found == 1 and ("? " in text or ")" in text))


def _asks_choice(text: str) -> bool:
    """Whether a question at the edges of a text names what may be answered; cheap."""
    if "?" not in text:
        return False
    if len(text) > 2 * _EDGE:
        text = f"{text[:_EDGE]}\n{text[-_EDGE:]}"
    return _CHOICE.search(text) is not None


def _surest(found: list[Run]) -> Listing | None:
    """The listing that stands out, or None where two with other labels stand alike."""
    if not found:
        return None
    ranked = sorted(found, key=lambda run: (-_weight(run), run.listing.start))
    best = ranked[0]
    labels = frozenset(map(str.casefold, best.listing.labels))
    for other in ranked[1:]:
        theirs = frozenset(map(str.casefold, other.listing.labels))
        if theirs != labels and _weight(other) == _weight(best):
            return None
    return best.listing


def _weight(run: Run) -> int:
    head = words_of(run.head)
    return (
        2 * run.introduced
        + (len(run.listing.labels) > 2)
        + (not head.isdisjoint(NOUNS | _ALLOWED | _COUNTED))
        + (not head.isdisjoint(_VERBS | _ONE))
        + (run.joined in ("or", "lines"))
    )


def _without_noun(run: Run) -> Run:
    """A run without a first item that is what its items are called: "ett ord, klagomål, beröm eller fråga"."""
    labels = run.listing.labels
    first = labels[0].lower()
    if len(labels) < 3 or not (first in _ITEM_NOUNS or (first in NOUNS and first.endswith("s"))):
        return run
    return run._replace(listing=run.listing._replace(labels=labels[1:]))


def _may_answer(run: Run) -> bool:
    labels = run.listing.labels
    if any(map(is_ellipsis, labels)):
        return False
    if any(label.lower() in _META or label.lower() in _PRONOUNS for label in labels):
        return False
    is_form = run.introduced and not words_of(run.head).isdisjoint(_KINDS)
    if not is_form and sum(label.lower() in _DATA for label in labels) * 2 > len(labels):
        return False
    head = run.head[-80:]
    if _HELPS.search(head) is not None:
        return False
    if _NEGATIVE.search(head) or _OPEN_LIST.search(run.head[-32:]):
        return False
    return run.introduced or run.joined != "and" or len(labels) > 2 or "between" in head


def _is_set_apart(run: Run, is_limited: bool) -> bool:
    """Whether an enumeration stands for itself: "joking or mad?", "Mood of the deed? good / evil", "(good / evil)"."""
    head = run.head.rstrip()
    if head.endswith("?"):
        return run.introduced
    if head.endswith(("(", "（", "[")):
        return run.introduced and ("only" in run.tail[:40] or run.tail[1:2] in ("?", "？"))
    return is_limited and not any(map(str.isalnum, head)) and (run.tail.lstrip()[:1] in "?(:." or not run.tail)


def _is_heading(head: str) -> bool:
    """Whether the words before a colon announce answers."""
    return not words_of(head).isdisjoint(_ALLOWED | NOUNS | _COUNTED) or _ANSWERS.search(head) is not None


def _is_asked(text: str, words: frozenset[str], run: Run) -> bool:
    """Whether the words around an enumeration say that one of its items is wanted."""
    head, labels = run.head, run.listing.labels
    if not any(map(str.isalnum, "".join(labels))):
        return head.rstrip().endswith(("one of", "pick one", "choose one")) or not words.isdisjoint(
            CLASSIFY | NOUNS
        )  # an emoji may be a reaction as well
    near = words_of(head) if head.isascii() else words_of(f"{head} {run.tail[:60]}")  # the verb may stand last
    last = head.rstrip(" :：=([{\"'“„«`-–—*").rsplit(None, 1)[-1:] or [""]
    is_named = last[0].lower() in _COPULAS
    if is_named:
        last = head.rstrip(" :：").rsplit(None, 2)[-2:-1] or last
    name = last[0].strip("*_#\"'`").lower()
    if not near.isdisjoint(_NO_ANSWERS) and not (near & NOUNS):
        return False
    if not head.isascii() and _ASK_UNSPACED.search(head):
        return True
    asks = not near.isdisjoint(_ASKS) or IMPERATIVE.match(head) is not None
    if run.joined == "or" and not words.isdisjoint(_LIMITS) and _is_set_apart(run, len(words & _LIMITS) > 1):
        return True
    if run.joined == "lines" and not head and _ONE_ABOVE.search(text, run.listing.end) is not None:
        return True
    if run.joined == "or" and _MAY_BE.search(head) is not None and not words.isdisjoint(_LIMITS):
        return True  # "It can be enrolment, absence or payments."
    if run.introduced and run.joined == "or" and run.tail.lstrip(" \"'")[:1] == "?":
        return True  # "Owner: frontend, backend or infra?"
    if run.introduced and len(name) > 3 and re.search(rf"\b(?:from|of|in) the {re.escape(name)}\b", text.lower()):
        return True  # "Codeframe: pay; hours; manager ... one code from the codeframe"
    if run.introduced:
        return asks or name.endswith("s") or not near.isdisjoint(_COUNTED) or any("_" in label for label in labels)
    if run.joined == "or":
        return asks
    # Without an "or" a choice must be spoken of: "the sections are A, B and C", "assign A, B, C".
    picks = not near.isdisjoint(_VERBS | NOUNS | _ALLOWED) or (is_named and name.endswith("s"))
    return picks and (run.joined == "," or len(labels) > 2)
