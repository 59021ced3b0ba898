"""An instruction with its usual turns of phrase in one form, so that what looks for rules and demands meets each once.

What is rewritten says the same as what stands instead: when a text comes in, how long the answer is, that the listed
answers are the allowed ones. Offsets are lost: it is for reading only.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .polar import without_restated
from .vocabulary import ANSWER_WORDS, INPUT_WORDS, NOUNS
from .words import alternatives

__all__ = ["canonical"]

_NOUN = alternatives(NOUNS | (ANSWER_WORDS - {"subject"}))
_TEXTS = alternatives(INPUT_WORDS)
# "When a rep pastes a call note, tell which stage": that a text comes in is no rule.
_ARRIVES = late_pattern(
    r"(?:^|(?<=[.!?:\n] )|(?<=\n))\W{0,3}(?:when(?:ever)?|if|once|each time|every time|as soon as) "
    r"(?:an?|the|my|our|some|one of our|you|i|we|users|people|customers|someone|somebody) ?(?:[\w'’-]+ ){0,3}?"
    r"(?:pastes?|sends?|gives?|posts?|submits?|writes?|shares?|types?|asks?|calls?|receives?|gets?|(?:is|are) given|"
    r"uploads?|enters?|provides?|arrives?|comes? in|forwards?|is (?:received|sent|shown))\b"
    r"(?: (?:you |us |me |in )?(?:(?:an?|the|some|their|his|her|its|your|new) )?(?:[\w'’-]+ ){0,2}?[\w'’-]+)?, *",
    re.IGNORECASE,
)
_ONE_WORD = late_pattern(
    r"\b(?:do not|don't|never|must not) (?:respond|answer|reply|output|return|write|use|say|give)(?: with)? "
    r"more than (?:one|a single|1) word\b|"
    r"\b(?:at most|no more than|not more than|a maximum of|max\.?) (?:one|1) word\b",
    re.IGNORECASE,
)
_ALLOWED = late_pattern(
    r"\b(?:permitted|admissible|permissible|acceptable|accepted|legal|allowed)"
    rf"(?= (?:[\w-]+ )?(?:{_NOUN}|\w+s (?:are|is)\b)\b)",
    re.IGNORECASE,
)
# "write the single most appropriate category": as "return" it.
_WRITES = late_pattern(
    r"\bwrite (?=(?:(?:just|only|down|out) )?(?:the|one|a single)(?: (?:single|one|most|best|more|appropriate|fitting|"
    rf"suitable|correct|right|matching|exact|relevant|likely|chosen))* (?:{_NOUN})\b"
    r"(?! (?:and (?!nothing|no )|with|for|of)\b))",
    re.IGNORECASE,
)
_WHAT_IS = late_pattern(r"\b(what|which|who|where|how|here|that|it)['’]s\b", re.IGNORECASE)
_IT_IS = late_pattern(
    r",? (?:according to|depending on|based on|by) how [a-z]+ (?:it|(?:the|this) [a-z]+) (?:is|sounds)\b"
)
_NO_OTHER = late_pattern(
    r",? (?:but|and) nothing (?:else|more|other)(?=[.;!\n]|$)|"
    r",? (?:with|and) no (?:other|further|extra|additional) (?:characters?|text|words?|output|content|symbols?)\b|"
    r",? and (?:print|output|return|write|say) it(?=[\s,.:]|$)",
    re.IGNORECASE,
)
_SHOWN = late_pattern(
    r"[,;]? ?\(?(?:e\.g\.|for example|for instance|such as|like(?: this)?)[,:]? ?`?\{\s*\"[^\"{}]{1,40}\"\s*:\s*"
    r"\"([^\"{}]{1,60})\"\s*\}`?\)?",
    re.IGNORECASE,
)
# "pick the reaction from this list": what is taken from the list is a label.
_FROM_LIST = late_pattern(
    r"\b(pick|choose|select) (?:me )?(?:exactly |only |just )?(?:the|a|an|one|that)"
    r"(?: (?!of\b|for\b|first\b|last\b|second\b|next\b|worst\b|least\b|number\b|position\b|index\b)[\w'’-]+){1,2}? "
    r"(?:from|out of) (?:this|the|that|our|your|the following|the above|the given) (?:list|set|table|enumeration)\b",
    re.IGNORECASE,
)
# "[ROLE] You are ..."
_SECTION = late_pattern(r"^[ \t]*\[(?!INST)[A-Z][A-Z _/-]{2,24}\]:?[ \t]+(?=[^\s_])", re.MULTILINE)
# "in lowercase with underscores", where the labels are written so
_SMALL = late_pattern(
    r",? ?\(?(?:in |all |using |written in )*lower[ -]?case"
    r"(?:,? (?:with|and|using) underscores?)?\)?(?=[.,;:!\n]|$)",
    re.IGNORECASE,
)
_SMALL_ABROAD = late_pattern(
    r",? ?\(?(?:(?:todo|tudo|tutto|alles|tout) )?(?:en|em|in) (?:lettere |letras? |lettres )?"
    r"(?:min[uú]sculas?|minuscol[oae]|minuscules?|kleinbuchstaben|kleine letters|kleinschreibung)\)?"
    r"(?= (?:y|e|et|und|en) |[.,;:!\n]|$)",
    re.IGNORECASE,
)
# "senza altre parole né punteggiatura", "no añadas comentarios": nothing is wanted beside the label
_CHATTER_ABROAD = (
    r"(?:nessun[ao]?|altr[aeio]|alcun[ao]?|parol[ae]|né|ne|e|o|punteggiatura|virgolette|testo|spiegazion[ei]|"
    r"comment[oi]|fras[ei]|aggiuntiv[aeio]|ulterior[ei]|extra|ningun[ao]?|ningún|textos?|adicional(?:es)?|palabras?|"
    r"frases?|explicaci(?:ón|ones)|puntuación|comillas|comentarios?|otr[ao]s?|más|ni|y|u|nenhuma?|pontuação|aspas|"
    r"explicaç(?:ão|ões)|palavras?|adiciona(?:l|is)|nem|outr[ao]s?|mais|comentários?|ou|ponctuation|guillemets|"
    r"explications?|commentaires?|texte|mots?|phrases?|supplémentaires?|autres?|aucune?|et|satzzeichen|"
    r"anführungszeichen|erklärung(?:en)?|weiteren?|texte?|worte?|wörter|zusätzlichen?|kommentare?|begründung|jegliche|"
    r"und|oder|leestekens|uitleg|aanhalingstekens|tekst|woorden|verdere|en|of)"
)
_BARE_ABROAD = late_pattern(
    r"(?:,|,? (?:y|e|et|und|en|ma|mais|pero|mas))? ?\(?\b(?:senza|sin|sem|sans|ohne|zonder)"
    rf"(?:,? {_CHATTER_ABROAD}\b)+\)?(?=[.,;:!\n]|$)",
    re.IGNORECASE,
)
_NOTHING_ABROAD = late_pattern(
    r"(?:^|(?<=[.!;] )|(?<=\n))[-*•]? ?(?:non (?:aggiungere|includere|scrivere|fornire)|"
    r"no (?:añadas|agregues|incluyas|escribas)|não (?:adicione|inclua|acrescente|escreva)|"
    r"n['’](?:ajoute[zr]?|inclu[st]|écri[st]) (?:pas|aucune?)|füge keine?n?)"
    rf"(?:,? (?:di|de|da|blocchi di codice|bloques de código|blocos de código|markdown|{_CHATTER_ABROAD})\b)+"
    r"(?: hinzu)?(?=[.;!\n]|$)",
    re.IGNORECASE,
)
# "Regole: rispondi solo con la categoria"
_HEAD_ABROAD = late_pattern(
    r"^[ \t]*[*_#]{0,3} ?(?:regole|istruzioni|reglas|instrucciones|règles|consignes|regeln|anweisungen|regras|"
    r"instruções|regels)(?: [^\W\d_]+)?[*_]{0,2} ?[:：][*_]{0,2}",
    re.IGNORECASE | re.MULTILINE,
)
_ABROAD = late_pattern(
    r"\b(?:regole|istruzioni|reglas|instrucciones|règles|consignes|regeln|anweisungen|regras|instruções|regels)\b|"
    r"\b(?:senza|sin|sem|sans|ohne|zonder) |min[uú]scul|minuscol|klein|\bnon (?:agg|incl|scri|forn)|"
    r"\bno (?:aña|agr|incl|escr)|\bnão |\bn['’](?:aj|incl|écr)|\bfüge ke"
)
# A string in small letters without which the turn is not there, the turn, and what stands instead.
_TURNS = (
    (
        " as ",
        late_pattern(r"\byou(?: will|'ll)?(?: be)? (?:acting|act|serv(?:e|ing)|function(?:ing)?) as\b", re.I),
        "you are",
    ),
    ("part of", late_pattern(r"\bas part of (?:our|the|a|this) [^,.:\n]{3,60}, (?=you\b)", re.I), ""),
    ("ed to ", late_pattern(r"\byou(?: are|'re) (?:required|asked|expected|supposed|instructed|tasked) to ", re.I), ""),
    ("sure", late_pattern(r"\b(?:kindly |please )?(?:ensure|make sure|be sure) that (?=your|the|you)", re.I), ""),
    ("highest ", late_pattern(r",? with the highest (?:probability|likelihood)\b", re.I), ""),
    ("possibilities", late_pattern(r"(?<=following )possibilities\b", re.I), "labels"),
    (" about a", late_pattern(rf"\b({_TEXTS}) about an? [\w-]+(?=[.,:;?\n]| into\b| as\b|$)", re.I), r"\1"),
    ("consist", late_pattern(r"\bconsists? (?:solely|only|exclusively|just|entirely) of\b", re.I), "is only"),
    (
        "nothing ",
        late_pattern(r"\bnothing (?:but|(?:other|else) than|else but|except|apart from|besides) ", re.I),
        "only ",
    ),
    (
        "anything ",
        late_pattern(
            r"\b(?:do not|don['’]t|never|must not) "
            r"(?:answer|respond|reply|return|output|say|write|give|print)(?: with| in)? "
            r"anything (?:but|(?:other|else) than|else but|except|apart from|besides) (?=the |one |an? |_)",
            re.I,
        ),
        "answer only ",
    ),
    (" back", late_pattern(r"\b(?:hand|give|send|pass) back ", re.I), "return "),
    (
        "ever ",
        late_pattern(
            r"(?:^|(?<=[.!\n] )|(?<=\n))never (?:invent|make up|create)"
            rf"(?: any| new| other| further)* (?:{_NOUN})[.!\n]",
            re.I,
        ),
        "",
    ),
    ("w/", late_pattern(r"\bw/ ?(?=[a-z])"), "with "),
)
# "allowed_outputs = {_, _}": further on it is the list.
_VARIABLE = late_pattern(r"\b([A-Za-z]+(?:_[A-Za-z]+)*) ?= ?[\[{(]?[\"' ]*_")


def canonical(text: str, labels: tuple[str, ...]) -> str:
    """``text``, an instruction with ``_`` for each listed label, in such a form."""
    lower = text.lower()
    if not text.isascii() and "是" in text:
        text = without_restated(text, labels)
    if "]" in text:
        text = _SECTION.sub("", text)
    if "when" in lower or "if " in lower or "once" in lower or " time " in lower or "as soon" in lower:
        text = _ARRIVES.sub("", text)
    if " word" in lower and ("more than" in lower or "most" in lower or "max" in lower):
        text = _ONE_WORD.sub("one word", text)
    if "ed " in lower or "ble " in lower or "legal " in lower:
        text = _ALLOWED.sub("possible", text)
    if "write " in lower:
        text = _WRITES.sub("return ", text)
    if "'s" in lower or "’s" in lower:
        text = _WHAT_IS.sub(r"\1 is", text)
    if " how " in lower:
        text = _IT_IS.sub("", text)
    if (
        "nothing " in lower
        or "d no " in lower
        or "h no " in lower
        or "d print it" in lower
        or "n it" in lower
        or "t it" in lower
    ):
        text = _NO_OTHER.sub("", text)
    if "{" in lower:
        known = {label.casefold() for label in labels}
        text = _SHOWN.sub(lambda shown: "" if shown[1].casefold() in known else shown[0], text)
    if " list" in lower or " table" in lower or " set" in lower or " enumeration" in lower:
        text = _FROM_LIST.sub(r"\1 one of the list", text)
    for needed, turn, instead in _TURNS:
        if needed in lower:
            text = turn.sub(instead, text)
    if "case" in lower and all(label.islower() and " " not in label for label in labels):
        text = _SMALL.sub("", text)
    if _ABROAD.search(lower) is not None:
        if all(label.islower() and " " not in label for label in labels):
            text = _SMALL_ABROAD.sub("", text)
        text = _NOTHING_ABROAD.sub("", _BARE_ABROAD.sub("", _HEAD_ABROAD.sub("", text)))
    if "_" in lower and "=" in lower:
        for name in {match[1] for match in _VARIABLE.finditer(text) if "_" in match[1] or match[1].isupper()}:
            text = re.sub(rf"\b{re.escape(name)}\b(?! ?=)", "the list", text)
            text = text if "_" in name else re.sub(rf"\b{name}\b(?= ?=)", "list", text)  # "ALLOWED = (_"
    return text
