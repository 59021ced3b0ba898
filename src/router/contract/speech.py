"""Whether a stretch of a prompt speaks to the model: orders, questions about a text, lists of the labels.

Told from surface forms in several languages; what stands in the stretch otherwise is not understood here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..patterns import late_pattern
from .lexicon import KNOWN
from .lexicon_further import FURTHER_ORDERS
from .vocabulary import ANSWER_WORDS, INPUT_WORDS, NOUNS
from .words import stands_in

__all__ = ["IMPERATIVE", "ITEM_LINE", "has_residue", "is_instruction", "is_own", "lists", "mentions", "orders"]

IMPERATIVE = late_pattern(
    r"\W*(?:(?:please|now|then|kindly|bitte|por favor|s'il (?:te|vous) pla[iî]t|per favore|alsjeblieft|your task|"
    r"task|instructions?|remember|reminder|note|important|"
    r"can you|could you|i want you to|i need you to|help me|given|based on|as an?|"
    r"read|after reading|question)\b[\s:,]*(?:to (?=\w))?)*"
    r"(?:classify|categori[sz]e|label|rate|determine|decide|detect|identify|assign|analy[sz]e|choose|pick|select|"
    r"respond|answer|reply|"
    r"return|output|tell|judge|evaluate|assess|predict|file|sort|tag|mark|flag|route|triage|moderate|you (?:are|"
    r"will|must|should)|"
    r"your (?:task|job|(?:final |whole |entire |only )?(?:answer|response|reply|output) (?:must|should|has to|needs to)"
    r")|here (?:is|are)|here['’]s (?:the|an?|this|my) (?:[\w-]+ )?(?:review|message|text|e?mail|"
    r"comment|ticket|tweet|post|"
    r"sentence|article|transcript|note)\b|below (?:is|are)|the following|following|only|use (?:one|the|"
    r"only)|do not|"
    r"don't|sentiment|"
    r"intent|topic|category|classification|what(?: is| are|['’]s) the|"
    r"which (?:of|one|category|label|topic|intent|class|"
    r"department|team|"
    r"section|sentiment|emotion)|i have|possible|options|labels|categories|consider|review the|look at|give|"
    r"provide|say|write|"
    r"report|put|call|name|find|state|extract|just|print|no explanations?|nothing else|one word|reply|"
    r"gib|nenne|nur|gebe|donne[zr]?|renvoie[zr]?|retourne[zr]?|ne |pas d|uniquement|seulement|devuelve|solo|sólo|no |"
    r"retorne|devolva|apenas|somente|restituisci|indica|soltanto|geef|alleen|"
    r"klassifiziere\w*|ordne\w*|bestimme\w*|bewerte\w*|antworte\w*|kategorisiere\w*|entscheide\w*|beurteile\w*|"
    r"wähle\w*|"
    r"classe[zr]?|classifie[zr]?|réponds|répondez|détermine[zr]?|indique[zr]?|choisis\w*|analyse[zr]?|"
    r"clasifi\w+|responde|responda|determina|indica|elige|etiqueta|analiza|evalúa|"
    r"classifi\w+|determine|escolha|avalie|analise|identifique|rispondi|determina|scegli|valuta|analizza|"
    r"classificeer|bepaal|antwoord|kies|beoordeel)\b",
    re.IGNORECASE,
)
_ORDER = late_pattern(
    r"\W*(?:(?:please|now|kindly|bitte|por favor|per favore|alsjeblieft|your task is to|task|can you|could you|"
    r"i want you to)\b"
    r"[\s:,]*)*(?:classify|categori[sz]e|label (?:this|the|each|it)|rate (?:this|the)|determine (?:if|whether|the)|"
    r"(?:analy[sz]e|evaluate|assess|judge|moderate|tag|sort|triage|route|file) (?:this|the|following|each|these)|"
    r"identify the|"
    r"what(?: is| are|['’]s) the (?:sentiment|intent|category|topic|label|class|emotion|tone)|(?:the )?following (?:is|"
    r"text|review|message)|"
    r"here (?:is|are) (?:the|a|my)|is (?:this|the following) (?:text|review|message|comment|tweet|sentence|email|"
    r"post)|"
    r"(?:which|what) (?:category|label|class|topic|intent|sentiment)|extract the|sentiment\s*[:?]|"
    r"(?:answer|respond|reply) (?:with|only|in)|(?:choose|select|pick) (?:one|the|a)|"
    r"klassifiziere|ordne (?:den|die|das|diese)|kategorisiere|bestimme (?:die|das|den)|classe[zr]? (?:ce|le|la|"
    r"cet)|classifie|"
    r"clasific|classifi(?:que|ca)|classificeer)",
    re.IGNORECASE,
)
_ASKING = late_pattern(
    r"\b(?:is|are|does|do|would|which|what|how|ist|sind|welche\w*|est|quel\w*|es|cuál|qué|é|qual|"
    r"welk\w*)\b[^\n]{0,160}\b(?:this|the|"
    r"following|above|below|it|text|review|message|comment|tweet|sentence|post|ticket|email|query|customer|author|"
    r"writer|"
    r"dies\w*|folgende\w*|cett?e?|ce|est[ea]|siguiente|seguinte|quest[oa]|seguente|dit|deze|"
    r"volgende)\b[^\n]{0,160}[?？]",
    re.IGNORECASE,
)
_CJK_ORDER = late_pattern(r"^\s*(?:请)?(?:判断|分类|归类|将(?:以下|下面)|次の.{0,12}(?:分類|判定))")
_CJK_ASKING = late_pattern(
    r"判断|分类|归类|请|回答|输出|选择|以下|下面|下列|属于|分類|判定|答え|次の|以下|选出|标注|情感|类别|选项|ラベル|カテゴリ|是.{1,12}还是"
)
# "Number only!", "one word, please", "just the mood": the answer is limited.
_LIMITS = late_pattern(
    r"\W*(?:(?:[\w'’-]+ ){1,4}(?:only|alone)|(?:only|just) (?:the |one |a )?[\w-]+(?: [\w-]+)?|(?:one|a single|"
    r"single) "
    r"(?:word|label|name|tag)|no (?:punctuation|explanations?))(?:,? please)?\W*\Z",
    re.IGNORECASE,
)
# A question and its answers line by line; "refund or exchange? (answer with that one word)"
_ASKED_LINES = late_pattern(
    r"(?:which|what|is|are|does|do|how)\b[^\n]{3,120}\?\n+"
    r"(?:[ \t]*(?:[-*•]|\([ xo]?\)|\[[ x]?\])[ \t]*[^\n]{1,48}(?:\n|\Z)){2,}",
    re.IGNORECASE,
)
_BRACKETED = late_pattern(
    r"\?\s*\((?:answer|reply|respond|one word|just|only|copy|choose|pick|select|say)\b[^()\n]{2,60}\)\W*\Z",
    re.IGNORECASE,
)
_FRAME = late_pattern(
    r"_\.role|#{1,4} |[-=*#]{3}|``|\[[^\[\]]*\]$|\[[A-Z][a-z][\w '’-]{1,30}\]:\s|>|"
    r"[A-Z][\w'’-]{1,20}(?: [\w'’-]{1,20})?[:：]\s*\n"
)
_TOKENS = late_pattern(r"<\|\w{1,24}\|>|\[/?INST\]|^\w*>>>|<<<\w*\W*\Z")
_MEANT_FOR_MODEL = late_pattern(
    r"\bI(?:'ll| will| am going to|'m going to) (?:send|paste|give|provide|share|type|show|ask)\b|\bare you ready\b|"
    r"^ready\b|\b(?:can|could|will|would|did|do|have) you (?:classif|label|categori[sz]e)\w*",
    re.IGNORECASE,
)
_TO_MODEL = ("ready", "i'll ", "i will ", "going to ", "you c", "you l")
_SENTENCE_END = late_pattern(r"[.!?](?=\s)|\n|[。！？]")
_WORD = late_pattern(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_OUTPUT = late_pattern(
    r"\W*(?:(?:please|now|bitte|por favor|per favore)\W+)?(?:answer|respond|reply|return|output|only|just|give|"
    r"print|do not|"
    r"don't|provide|choose|select|pick|classify|label|categori[sz]e|use|write|no|which|"
    r"gib|antworte|nenne|nur|wähle|klassifiziere|ordne|réponds|répondez|donne[zr]?|choisis\w*|classe[zr]?|uniquement|"
    r"responde|responda|devuelve|elige|clasifica|solo|sólo|apenas|escolha|classifique|rispondi|scegli|restituisci|"
    r"antwoord|kies|geef)\b",
    re.IGNORECASE,
)
ITEM_LINE = late_pattern(r"\s*(?:\(?(?:\d{1,3}|[a-zA-Z])[.):]|[-*•])\s+\S")


# "The type of the question is", "Kind: <kind>": the answer is to follow, or how it is to look.
_OPEN_CUE = late_pattern(r"[^.?!\n]{3,100}\b(?:is|are|as|ist|sind|est|es|è|é)", re.IGNORECASE)
# "Which component?"
_BARE_QUESTION = late_pattern(r"(?:which|what|welche\w*|quel\w*|qué|cuál|quale?|welke?) [\w-]+ ?\?", re.IGNORECASE)
_SLOT = late_pattern(r"\W{0,3}(?:[\w ]{1,30}[:=] ?)?[<\[{]{1,2}[\w .…-]{1,30}[>\]}]{1,2}\W*")


def orders(text: str) -> bool:
    """Whether a text begins by asking for a classification, however short it is."""
    if _ORDER.match(text):
        return True
    return not text.isascii() and len(text) < 400 and _CJK_ORDER.search(text) is not None


def is_instruction(part: str, labels: Sequence[str]) -> bool:
    """Whether a stretch speaks to the model: it lists the labels, orders something or asks about the text."""
    part = part.strip()
    if lists(part, labels):
        return True
    if len(part) < 1500 and IMPERATIVE.match(part) is not None:
        return True
    if len(part) < 600 and (_ASKED_LINES.fullmatch(part) or (len(part) < 160 and _BRACKETED.search(part))):
        return True
    if len(part) < 60 and _LIMITS.match(part) is not None:
        return True
    if part.split(":", 1)[0].rstrip().lower() in NOUNS:
        return True
    if len(part) < 80 and ("<" in part or "[" in part or "{" in part) and _SLOT.fullmatch(part) is not None:
        return True
    if labels and len(part) < 120 and (part.endswith(("?", "？")) or _OPEN_CUE.fullmatch(part)) and _is_usual(part):
        return True
    if len(part) < 160 and not FURTHER_ORDERS.isdisjoint(_ends(part)):
        return True
    if labels and len(part) < 40 and _BARE_QUESTION.fullmatch(part) is not None:
        return True
    if not labels and part.isascii() and not part.endswith(("?", ":")):
        return False
    if len(part) < 400 and part.endswith(("?", "？", ":", ".")) and _ASKING.search(part) is not None:
        return part.endswith(("?", "？")) or mentions(part, labels)
    if ITEM_LINE.match(part) and labels:
        folded = part.casefold()
        return any(label.casefold() in folded for label in labels) and len(part) < 160
    if labels and part.strip("-*• \t`'\".,").casefold() in {label.casefold() for label in labels}:
        return True
    if not part.isascii() and len(part) < 200:
        return _CJK_ASKING.search(part) is not None
    return part.endswith(":") and len(part) < 80 and "\n" not in part


def _is_usual(part: str) -> bool:
    """Whether a stretch is made of words of instructions, and speaks of an answer: "Qual é o sentimento?"."""
    words = _WORD.findall(part.lower())
    return all(word in KNOWN for word in words) and not (NOUNS | ANSWER_WORDS).isdisjoint(words)


def _ends(part: str) -> tuple[str, ...]:
    """The first and the last word of a stretch, in small letters."""
    return tuple(
        word[-1].strip(".,:!?\"'").lower() for word in (part.split(None, 1)[:1], part.rsplit(None, 1)[-1:]) if word
    )


# "Text - the soup was cold", and a word about the answer that was given before ("Are you sure?").
_DASHED = late_pattern(rf"(?:{'|'.join(sorted(word for word in INPUT_WORDS if word.isalpha()))}) [-–—] ", re.IGNORECASE)
_MEANS_ANSWER = late_pattern(
    r"(?:are you (?:really |quite |absolutely )?sure|really|why(?: (?:is that|so|not))?|how come|"
    r"(?:no|nope),? (?:that's|it's|that is|it is|you're|try)\b.{0,40}|"
    r"that's (?:wrong|right|not right|incorrect|correct)|"
    r"(?:please )?(?:try|check|think|look) again|explain(?: (?:that|why|yourself|your answer))?|what do you mean|"
    r"sicher|bist du sicher|warum|wieso|tu es sûr|pourquoi|estás seguro|por qué)\W*\Z",
    re.IGNORECASE,
)


# Words about the answers stand in an instruction: "write five utterances for each intent".
_OF_LABELS = late_pattern(
    r"\b(?:each|every|per|these|those|all the|of the) (?:intents?|labels?|categor(?:y|ies)|classes|tags)\b|"
    r"\b(?:per|je|pro|för varje|for hver|pour chaque|por cada|per ogni|voor elke?|für jede[ns]?) (?:etikett?|"
    r"label|kategori|klass|catégorie|categor|étiquette|rótulo)\w*",
    re.IGNORECASE,
)


_MAKES = late_pattern(
    r"\W*(?:please )?(?:generate|create|make|produce|list|suggest|draft|invent|compose|come up)\b", re.I
)


# "Which category was my first message?": words about the answer.
_ASKS_LABEL = late_pattern(
    r"\b(?:categor|kategori|catégori|étiquett|etikett|klassifi|classificat)\w*|\b(?:which|what|"
    r"why)\b[^?]{0,60}\blabels?\b|"
    r"\b(?:classify|label) (?:it|this|that)\b",
    re.IGNORECASE,
)
_LABEL_NOUNS = (
    "intent",
    "label",
    "categor",
    "classes",
    "tags",
    "etiket",
    "etikett",
    "kategori",
    "klass",
    "catégor",
    "étiquet",
    "rótulo",
)


# "只回答类别", "カテゴリ名だけを答えてください", "위 내용을 분류해 주세요": an order about labels behind a text.
_UNSPACED_TAIL = late_pattern(
    r"(?:只|仅|僅|请|請|直接)[^。，\n]{0,8}(?:回答|输出|輸出|返回|回复|回覆|给出|选择|选出|填写)[^。\n]{0,6}"
    r"(?:类|類|标签|標籤|词|詞|选项|编号|意图|情感|名称|结果)|(?:只|仅)(?:需|要|能)?(?:回答|输出|返回)|属于哪|屬於哪|哪一?[类類]|"
    r"(?:以上|上述|上面)[^。\n]{0,8}(?:属于|判断|分类|归|情感|类别|是)|(?:说明|解释|给出|写出|附上)[^。\n]{0,4}(?:理由|原因|依据)|"
    r"(?:カテゴリ|ラベル|分類|感情|ジャンル)[^。\n]{0,12}(?:答え|出力|選|判定|返し|ください)|(?:一語|単語|一言|ひとこと)で|"
    r"(?:上の|上記)[^。\n]{0,14}(?:分類|判定|答え|どれ|ラベル|カテゴリ)|理由[^。\n]{0,8}(?:書|述べ|説明|添え|付け|答え)|"
    r"(?:분류|라벨|레이블|카테고리|감정|의도)[^.\n]{0,12}(?:하세요|해줘|해 ?주세요|하시오|출력|답|골라|선택|판단|알려)|"
    r"한 ?단어로|(?:하나|한 가지)만 [^.\n]{0,6}(?:답|골라|선택|출력)|"
    r"(?:^|\s)위 (?:문장|글|내용|리뷰|문의|메시지|텍스트|댓글)|"
    r"이유[^.\n]{0,8}(?:알려|설명|적어|써|말해)"
)


def has_residue(text: str) -> bool:
    """Whether the first or last sentence of a text to judge speaks to the model in usual words: the split is wrong."""
    if _FRAME.match(text) or _DASHED.match(text) or _MEANS_ANSWER.match(text):
        return True
    if ("<|" in text or "[INST]" in text or "[/INST]" in text or ">>>" in text or "<<<" in text) and _TOKENS.search(
        text
    ):
        return True
    if text.endswith("?") and len(text) < 160 and _ASKS_LABEL.search(text):
        return True
    if text.startswith("{") and not text.endswith("}") and ('"}' in text[:200] or ": ..." in text[:200]):
        return True  # the form of the answer, and the text behind it
    start = text[:300].lower()
    if (
        any(noun in start for noun in _LABEL_NOUNS)
        and (of := _OF_LABELS.search(start))
        and ("label" not in of[0] or IMPERATIVE.match(text) or _MAKES.match(text))
    ):
        return True
    if any(sign in start for sign in _TO_MODEL) and _MEANT_FOR_MODEL.search(text[:300]):
        return True
    tail = text[-160:].rstrip(" .!?\"'`。！？")
    place = max(tail.rfind(". "), tail.rfind("! "), tail.rfind("? "), tail.rfind("\n"))
    if not text.isascii():
        place = max(place, tail.rfind("。"), tail.rfind("！"), tail.rfind("？"))
    if place < 0 and len(text) <= 160:
        return False  # one sentence: an order given to somebody is a text like another
    if not text.isascii() and _UNSPACED_TAIL.search(tail, place + 1) is not None:
        return True
    if _orders_usually(tail[place + 1 :]) or (
        place >= 0
        and _LIMITS.match(tail[place + 1 :])
        and all(word in KNOWN for word in _WORD.findall(tail[place + 1 :].lower()))
    ):
        return True
    if _OUTPUT.match(text) is None:
        return False
    return _orders_usually(_SENTENCE_END.split(text[:160], maxsplit=1)[0])


def is_own(part: str) -> bool:
    """Whether a question or remark is a text's own: it uses words that instructions do not."""
    words = _WORD.findall(part.lower())
    return _OUTPUT.match(part) is None and sum(word not in KNOWN for word in words) * 3 > len(words)


def _orders_usually(sentence: str) -> bool:
    if _OUTPUT.match(sentence) is None:
        return False
    words = _WORD.findall(sentence.lower())
    return len(words) > 2 and all(word in KNOWN for word in words)


def lists(part: str, labels: Sequence[str]) -> bool:
    """Whether at least two labels, and most of a few, stand in a stretch."""
    if len(labels) < 2:
        return False
    folded = part.casefold()
    count = 0
    for label in labels[:64]:
        if _word_in(folded, label.casefold()):
            count += 1
            if count >= 2 and count * 2 > min(len(labels), 6):
                return True
    return False


def mentions(text: str, labels: Sequence[str]) -> bool:
    """Whether all labels stand in a text."""
    if not labels:
        return False
    folded = text.casefold()
    if len(labels) > 2 and all(map(str.isdigit, labels)):
        labels = (labels[0], labels[-1])  # "1 to 5"
    return all(_word_in(folded, label.casefold()) for label in labels[:200])


def _word_in(text: str, word: str) -> bool:
    return stands_in(text, word) if word.isascii() else word in text
