"""The label for texts that none of the others fits: "If none of them applies, answer other".

It belongs to the list, and no rule decides it. What is to be answered by whoever is unsure is another matter: a
classifier is never unsure in the caller's sense.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..patterns import late_pattern
from .vocabulary import ANSWER_WORDS, INPUT_WORDS, NOUNS
from .words import alternatives, table

__all__ = ["fallbacks", "without_fallback"]

_OTHERS = table(
    """
    other others none unknown unclear neither misc miscellaneous general uncategorized uncategorised unclassified
    undefined n/a na applicable andere anderes sonstige sonstiges unbekannt keine autre autres inconnu aucun aucune
    otro otra otros desconocido ninguno ninguna altro sconosciuto nessuno outro outros desconhecido nenhum
    """
)
_UNSPACED_OTHERS = ("其他", "其它", "未知", "その他", "不明", "기타")
_LABEL = (
    r"=*(?:not applicable|"
    + "|".join(sorted((_OTHERS - {"applicable"}) | set(_UNSPACED_OTHERS), key=len, reverse=True))
    + r")=*"
)
_NOUN = alternatives(NOUNS | ANSWER_WORDS)
_TEXT = alternatives(INPUT_WORDS)
_OF_LIST = (
    rf"(?: (?:any|one)(?: (?:single )?(?:{_NOUN}))?(?: of)?)?(?: (?:the|these|those|them|your|our))?"
    r"(?: (?:above|provided|given|listed|predefined|following|other|available|possible|allowed))*"
    rf"(?: (?:{_NOUN}|above|list|well|clearly|cleanly|neatly))*"
)
_NONE = (
    rf"(?:(?:none|nothing|no (?:(?:other|single|suitable) )?(?:{_NOUN}))"
    rf"(?: of{_OF_LIST})?(?: else)? (?:really |clearly |quite )?"
    r"(?:appl(?:y|ies)|fits?|match(?:es)?|(?:is|are) (?:suitable|right|appropriate|applicable|a match)|seems? to fit)"
    rf"(?: well)?(?: (?:it|(?:the|this) (?:\w+ )?(?:{_TEXT})))?"
    rf"|(?:it|this|(?:the|this|an?) (?:[\w'’-]+ )?(?:{_TEXT}|input|item|product|entry|prompt))"
    r" (?:really |clearly )?(?:does not|doesn['’]?t|do not|cannot|can['’]t|can not|could not) "
    r"(?:clearly |really )?(?:be )?"
    r"(?:fit|match|belong|fall|classified|assigned|categori[sz]ed|sorted|placed)"
    rf"(?: (?:in|into|to|with|under|by))?{_OF_LIST}"
    r"|you (?:cannot|can['’]t|can not|could not|are unable to|are not able to) (?:determine|assign|find)"
    rf" (?:an?|the|any|one) (?:(?:single|suitable|fitting|matching|appropriate|clear) )?(?:{_NOUN}))"
)
_ANSWER = (
    r"(?:please )?(?:simply |just |only )?"
    r"(?:(?:answer|reply|respond|return|output|use|choose|pick|select|say|give|write|print)"
    r"(?: only)?(?: (?:with|as))?|(?:label|classify|mark|tag|file|put) (?:it )?(?:as|under|in)?)"
    rf" ?(?:the )?(?:(?:{_NOUN}|word|string) )?:? ?[\"'`“]?(?P<{{}}>{_LABEL})[\"'`”]?(?: (?:instead|{_NOUN}))?"
)
_ENGLISH = late_pattern(
    rf"(?:^|(?<=[.;\n*•-] )|(?<=\n))[ \t]*(?:[-*•] ?)?(?:\w+: )?(?:(?:if|when|whenever|in case) {_NONE},? (?:then )?"
    rf"{_ANSWER.format('a')}|{_ANSWER.format('b')} (?:only )?(?:if|when|where) {_NONE})(?=\W*(?:[.;\n]|$))",
    re.IGNORECASE | re.MULTILINE,
)
_ABROAD = late_pattern(
    r"(?:^|(?<=[.;\n] )|(?<=\n))(?:"
    r"(?:wenn|falls) (?:keine[srn]?|nichts)(?: (?:davon|der|dieser|von|diesen|ihnen|passende[rn]?|[A-Z]\w+))* "
    r"(?:passt|zutrifft|passen|zutreffen|passend ist)|"
    r"si (?:aucune?|rien)(?: (?:de|des|d'entre|ces|elles|eux|\w+s|catégorie|étiquette))* ne "
    r"(?:convient|correspond|s['’]applique)|"
    r"si (?:ninguna?|nada)(?: (?:de|las|los|estas|estos|ellas|\w+s|categoría|etiqueta))* "
    r"(?:aplica|encaja|corresponde|se aplica)|"
    r"se (?:nenhuma?|nada)(?: (?:das|dos|delas|\w+s|categoria))* se (?:aplicar|encaixar|aplica|encaixa)|"
    r"se (?:nessuna?|niente)(?: (?:delle|dei|di|\w+e|categoria))* (?:si applica|corrisponde|va bene)"
    r"),? (?:dann )?(?:\w+ ){1,4}?[\"'`“„«]?(?P<a>" + _LABEL + r")[\"'`”“»]?(?: (?:aus|zurück))?(?=\W*(?:[.;\n]|$))",
    re.IGNORECASE | re.MULTILINE,
)
_UNSPACED = late_pattern(
    r"(?:如果|若)(?:以上|上述|这些)?(?:类别|标签|选项|意图)?(?:都|均|全)?(?:不|无法|没有)(?:符合|匹配|适用|合适|属于|归类|归入|分类)[^，,。；\n]{0,10}[，,]"
    r"\s*(?:请|则|就)?(?:回答|输出|返回|回复|选择|归为|归入|填写?|标为)[：:]?\s*[“\"'「『]?(?P<a>"
    + _LABEL
    + r")[”\"'」』]?(?=\s*(?:[。；;.\n]|$))|"
    r"(?:どれ|いずれ|どの[^、。\n]{1,6})にも(?:当てはまらない|該当しない|合わない)場合は?、?\s*[「『\"]?(?P<b>"
    + _LABEL
    + r")[」』\"]?(?:と|を)?(?:答え|回答し|出力し|返し|選択し|選び|して)[^。\n]{0,8}(?=\s*(?:。|\n|$))"
)


def _found(text: str, words: frozenset[str]) -> Iterator[re.Match[str]]:
    if words.isdisjoint(_OTHERS) and text.isascii():
        return
    lower = text.lower()
    if "if " in lower or "when" in lower or "case " in lower:
        yield from _ENGLISH.finditer(text)
    if "wenn " in lower or "falls " in lower or "si " in lower or "se " in lower:
        yield from _ABROAD.finditer(text)
    if not text.isascii() and any(label in text for label in _UNSPACED_OTHERS):
        yield from _UNSPACED.finditer(text)


def fallbacks(text: str, words: frozenset[str]) -> frozenset[str]:
    """The labels that an instruction gives to what no other label fits, as they are spelled."""
    said = (match.groupdict().values() for match in _found(text, words))
    return frozenset(next(label for label in labels if label is not None) for labels in said)


def without_fallback(text: str, words: frozenset[str]) -> str:
    """An instruction without the sentences that say so."""
    for match in reversed(list(_found(text, words))):
        text = f"{text[: match.start()]}{text[match.end() :]}"
    return text
