"""What an instruction demands beside one label of the list, or in place of it: no classifier gives that.

Every check is gated by the words of the text, and tells in a sentence why a classifier cannot answer.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from .frames import stem, tied_names
from .twofold import asks_twice
from .vocabulary import (
    ANSWER_WORDS,
    COMPARED,
    DATA_TAGS,
    EXTRA_WORDS,
    FORM_WORDS,
    GRAMMAR,
    INDEX_WORDS,
    INPUT_WORDS,
    ITEM_WORDS,
    LANGUAGE_WORDS,
    NEGATIONS,
    RANK_WORDS,
    RIGHT_OR_WRONG,
)
from .words import table

__all__ = ["goes_on", "obstacle"]

_NEGATED = late_pattern(
    r"\b(?:do not|don't|does not|must not|should not|not|no|without|never|nor|neither|rather than|keine?n?|ohne|"
    r"nicht|sans|"
    r"aucune?|nessun[ao]?|ningun[ao]?|nenhuma?|ni|sin|sem|senza|geen|zonder|niet|não|non|nada de|"
    r"pas)\b[^.;:\n!?]{0,90}|(?:不要|无需|不需|请勿|(?<![类類级級个性区分差特识鉴])别|不用|"
    r"勿)[^。；\n]{0,30}"
    r"|(?:説明|理由|解説)(?:は|を|も)?(?:不要|なし|せず|しない|書かない|いらない|加えない|付けない)",
    re.IGNORECASE,
)
_EXTRA = late_pattern(
    r"\b(?=\w)(?:"
    r"\b(?:explain|explaining|explanations?|justif\w*|rationale|reasoning|reasons?\b(?! (?:for|of) (?:contact|"
    r"calling|the call|"
    r"call))|(?:(?:and|or|say|tell (?:me|us|them)|explain|state|write|give|know|show|describe),? why|why (?:you|"
    r"it is|this is)|"
    r"why\b[^.\n]{0,30}\?)|confidence|(?<!highest )(?<!most )probabilit\w*|likelihood|percentage|step[- ]by[- ]step|"
    r"chain of thought|think (?:about|through|"
    r"carefully|first|it)|thoughts|translat(?:e|ed|ing|ion)\b(?! into (?:an? )?json)|"
    r"draft(?<!a draft)(?<!the draft)(?<!this draft)|rewrite|rephrase|summari[sz]e|suggest\w*(?! box)(?! (?:the |"
    r"a |one |"
    r"some )?(?:best |right |fitting )?(?:labels?|tags?|"
    r"categor|class|topics?|intents?))|recommend|extract(?! the (?:main )?(?:intent|sentiment|topic|category|label|"
    r"emotion|class|language|tone|type))|"
    r"highlight|"
    r"evidence|keywords?(?<!given keyword)(?<!this keyword)(?<!following keyword)|elaborate|describe (?:the|how|what|"
    r"your)|(?:in a|with a|in|with|one|two|and a|a short|"
    r"a brief|1|2) (?:(?!(?:the|this|that|each|given|following|input)\b)[\w-]+ ){0,3}"
    r"(?:sentences?|paragraph)|write (?:a|an|me|your)\b(?! (?:label|single))|write the\b(?!(?: [\w'’-]+){0,2} "
    r"(?:label|word|name|category|class|tag|option|value|team|department|queue|type|title)\b| (?:\w+ )?answer\b)|"
    r"\b(?:two|three|dos|tres|deux|trois|zwei|drei|due|tre|twee|drie|duas|três) (?:questions|preguntas|fragen|"
    r"domande|"
    r"vragen|perguntas)\b|"
    r"\b(?:nenne|gib|schreibe?|liste)\b[^.\n]{0,20}\b(?:auch|außerdem|zusätzlich)\b|\bund (?:schreibe?|nenne|"
    r"liste)\b|"
    r"\b(?:donne|indique|écris|nomme|cite)[zr]? (?:aussi|également)\b|\b(?:da|indica|nombra|escribe) también\b|"
    r"\b(?:indica|scrivi|nomina) anche\b|\b(?:geef|noem|schrijf) ook\b|\b(?:dê|indique|escreva) também\b|"
    r"\bcite\b|\b(?:write|talk) about\b|\bor (?:ask|escalate|forward|request)\b(?! or)|spans?\b|\bplus\b|(?:\+|"
    r"&) (?:the|a)\b|generate|compose|come up with|g[ae]r[ae]|cri[ae]|crea|erstelle|generiere|génère|(?:and|then|"
    r"also) (?:reply|fix|"
    r"correct|generate|"
    r"write|give|tell|list|quote|comment)\b(?! (?:(?:me )?(?:only |just )?(?:whether|if|which (?:one|of))|"
    r"(?:with |back )?(?:that|this|the|one) (?:\w+ )?(?:word|label|name|category|class|option)\b|nothing|"
    r"no|only|just|exactly|(?:with )?(?:the|that) [\w-]+ (?:only|alone|and nothing)|the (?:label|name|word|"
    r"category))\b)|(?:a|your|the) (?:brief|short) (?:comment|reply|reason|note)|"
    r"begründ\w*|erklär\w*|warum|wahrscheinlichkeit|konfidenz\w*|zusammenfass\w*|übersetz\w*|expli(?:que\w*|"
    r"cation\w*|ca\b|"
    r"cación|cação)|pourquoi|confiance|r[eé]sum(?!en\b|es?\b)\w+|"
    r"resumes? (?:el|la|los|las|este|esta|o|a|os|as|em|en|lo|il|it)\b|"
    r"(?:en|em|in) (?:una|uma|une|einem|één|een) (?:frase|"
    r"phrase|satz|zin|oración)|tradu\w+|razón|razão|confian[zç]a|motivo|por ?qu[eé]|spiega\w*|"
    r"motiva\w*|perché|"
    r"riassumi|leg uit|uitleg|waarom|toelicht\w*|vertaal|samenvat\w*)\b)",
    re.IGNORECASE,
)
_EXTRA_CJK = late_pattern(
    r"解释|理由|原因|为什么|置信度|概率|翻译|总结|概括|归纳|摘要|分析过程|一步|依据|列出|举例|建议|附上|根拠|挙げ|述べ|添え|提案|返信|改善|근거|이유|설명하|번역|요약|説明|なぜ|確信度|"
    r"信頼度|翻訳|要約|生成|编写|出\d"
)
_RANKED = late_pattern(
    r"\brank\w*|\btop[- ](?:\d|two|three|five)\b|\b(?:two|three|2|3) (?:most|best|likely|highest)\b|\bin order of\b|"
    r"\btop (?:tres|trois|tre|drei|três|dos|deux|zwei)\b|\b(?:las|los|les|die|le|i|as|os) (?:tres|dos|trois|deux|"
    r"drei|zwei|tre|due|"
    r"três|duas|dois)\b|"
    r"\border(?:ed)? (?:by|of)\b|\bmost to least\b|\bdistribution\b|\brangfolge|\bclassement|\bpor orden\b|"
    r"\b(?:die|deux|dos|duas|due) (?:zwei|besten|plus|más|mais|più)\b",
    re.IGNORECASE,
)
_RANKED_CJK = late_pattern(r"排序|排名|前[两二三]|概率分布|順位|上位|순위|상위")
_NUMBERED = late_pattern(r"(?<![\w.])\(?(\d{1,2}|[A-Za-z])\)?\s*(?:=|:|->|→|=>|for|means)\s*[\"']?[^\W\d_]")
_INDEX = late_pattern(
    r"\b(?:answer|respond|reply|return|output|give|write|say|print|choose|select|pick|provide|state|only|just|with)\b"
    r"[^.\n]{0,40}\b(?:(?:option|category|label|choice|class|intent|answer|corresponding|correct|single)[ -])*"
    r"(?:number|index|indices|digit|numeral|letter|initial|ids?|code|integer|position)s?\b(?! (?:of words|"
    r"of labels|one\b))|"
    r"\b(?:numéro|lettre|nummer|ziffer|buchstaben?|número|letra|código|numero|lettera|cijfer)\b|"
    r"\b(?:number|index|digit|letter|id)s? (?:only|alone)\b|\b1 (?:if|for|when|means)\b|\b0 (?:if|for|when|means|"
    r"otherwise)\b",
    re.IGNORECASE,
)
_INDEX_CJK = late_pattern(
    r"numara\w*|rakam\w*|harf\w*|numer\w*|cyfr\w*|liter[aęyą]\w*|номер\w*|цифр\w*|букв\w*|编号|序号|数字|字母|番号|記号"
)
_WRAPPED = late_pattern(
    r"(?:answer|label|category|intent|output|response|respond|reply|put|provide|wrap\w*|enclos\w*|classification|"
    r"result|"
    r"reasoning|return|format\w*|inside|within|between)\b[^.\n]{0,90}?<([a-z_]{2,30})>",
    re.IGNORECASE,
)
_FORM = late_pattern(
    r"\b(?:return|output|give|print|write|repeat|reproduce) (?:back )?(?:the|its) (?:whole|full|entire|original|"
    r"rewritten|"
    r"corrected|marked|tagged) (?:text|message|sentence|review|comment|document)\b|\bprefix\w*|\bsuffix\w*|"
    r"\b(?<!the )(?<!this )code (?:snippet|block)|\b(?:in|as) (?:an? |valid )?(?:yaml|csv|xml|html|bold|table|"
    r"markdown)\b|\b(?:begin|"
    r"start|starting|end) "
    r"(?:your|the|with|each)\b.{0,30}\bwith\b|\bstart(?:ing)? with (?:the field|[\"'`])|\bfollowed by\b|\bemoji|"
    r"\bhashtag|"
    r"\b(?:in|inside|within|between) (?:square|round|curly|angle|double) brackets\b|\byaml\b|\bcsv\b|\bmarkdown\b|"
    r"\bend(?:s|ing)? with an? \w|"
    r"\b(?:answer|respond|reply|output|return)\w*(?: only)?(?: with| in| as| the)? <\w+ \w+ ?=|"
    r"\binclud(?:e|ing) (?:the |its |their )?(?:double |single )?(?:quot\w+|brackets|full stops?|"
    r"periods?|dots?|hash\w*|punctuation|numbers?|bullets?)\b|"
    r"\[\[|\]\]|\bone per line\b|\bper line\b",
    re.IGNORECASE,
)
_EMOJI = late_pattern(r"\bemojis?\b", re.IGNORECASE)
_SHOWN = late_pattern(
    r"\b(?:shown|given|gets?|receives?|see|read|contains?|consists? of|send|sends|paste|pastes|"
    r"takes?)\b",
    re.IGNORECASE,
)
_TAGGED = late_pattern(r"\b(?:in|inside|within|between|with|by|using) (?:\w+ )?<(\w{2,30})>", re.IGNORECASE)
_TEMPLATE = late_pattern(
    r"\b(?:[Ff]ormat|form|like this|as follows|template|"
    r"shape)\b[^\n:]{0,40}:?\s*\n?\s*[\"'`]?(?:[A-Z]\w{2,20}: ?[<\[{(\w]|\w{2,20}[:=] ?[<\[{])",
    re.MULTILINE,
)
_TWO_SLOTS = late_pattern(r"<[A-Za-z][\w ]{0,24}>[^<>\n\w]{1,6}<[A-Za-z][\w ]{0,24}>(?!.*</)")  # "<label> - <place>"
_UPPER = late_pattern(
    r"upper ?case|capital letters|in capitals|all caps|in caps|großbuchstaben|majuscules|mayúsculas|maiúsculas|"
    r"maiuscolo|"
    r"hoofdletters",
    re.I,
)
_LOWER = late_pattern(r"lower ?case|kleinbuchstaben|minuscules|minúsculas|minuscolo", re.I)
_ITEMS = late_pattern(
    r"\b(?:sort|classify|categori[sz]e|label|tag|put) (?:these|them)\b|\bfor (?:each|every)\b|\b(?:each|"
    r"every) (?:of )?(?:the |these )?(?:following )?(?:review|comment|message|"
    r"tweet|ticket|text|"
    r"sentence|line|item|headline|post|email|row|aspect|title|one|entity|statement|paragraph)s?\b|\b(?:these|"
    r"the following|"
    r"all|both|these \w+|following \d+) (?:customer |user |product |\d+ |two |three |four |five )?(?:reviews|"
    r"comments|messages|tweets|"
    r"tickets|texts|sentences|lines|items|headlines|posts|emails|rows|aspects|titles|statements|queries|"
    r"utterances)\b|"
    r"\brespectively\b|\b(?:cada|chaque|ogni|elke?|jede[nrs]?) \w+|\b(?:für|zu) jede[nsmr]?\b|\bpour chaque\b|"
    r"\b(?:para|por|de) cada\b|\bper ogni\b|"
    r"\bvoor elke?\b",
    re.IGNORECASE,
)
_UNITS = late_pattern(
    r"\b(?:each|every) (?!(?:text|message|review|comment|ticket|e-?mail|mail|tweet|post|one)\b)[\w-]+ (?:in|of|"
    r"from) (?:the|this|that|"
    r"a) (?:following |given )?(?:text|message|review|comment|article|document|e-?mail|mail|post|paragraph|passage|"
    r"conversation|transcript)\b|\beach (?:as |with |one |either )?[\w-]+(?:, [\w-]+)* or [\w-]+|"
    r"\b(?:label|classify|tag|rate|mark) (?:each|every) (?:line|row|word|paragraph|bullet)\b|\bfor (?:each|"
    r"every) (?:line|row|word|"
    r"paragraph|bullet|sentence)\b|\b(?:each|every one) of the \w+s\b|\bseveral (?:texts|mails|e-?mails|messages|"
    r"reviews|comments|tickets|tweets|posts)\b|"
    r"\b(?:cada|jede[ns]?|chaque|ogni|elke?) (?:línea|linha|zeile|ligne|riga|regel|frase|phrase|satz|zin|fila|"
    r"párrafo|"
    r"absatz)\b",
    re.IGNORECASE,
)
_ITEMS_CJK = late_pattern(r"每[一条句个则]|各[条句文]|それぞれ|逐条")
_GOES_ON = late_pattern(
    r"[\"'”»)\]}`*]{0,2}\s*(?:[;；]|,?\s*(?:(?:and|then|plus|with|und|dann|mit|et|puis|avec|y|con|e|com|en|met|poi|"
    r"luego)\b|[&+]))"
    r"(?!\s*(?://|\}|\n|$))(?!\s*(?:what|which|only|nothing|never|no|not|do|don't|return|reply|respond|answer|"
    r"output|just|print|"
    r"say|use|nichts|nur|rien|"
    r"nada|niente|un mot|une? seule?|un[ao]? sol[ao]|min[uú]scul\w+|mai?[uú]scul\w+|kleinbuch\w+|großbuch\w+|"
    r"exactly|pick|choose|select|give (?:only|just|the|one))\b)",
    re.IGNORECASE,
)
_LANGUAGE = late_pattern(
    r"\b(?:answer|respond|reply|output|label|write|return|give|say)\w*\b[^.\n]{0,40}\bin (?:german|french|spanish|"
    r"italian|"
    r"portuguese|dutch|chinese|japanese|korean|russian|arabic|polish|turkish|hindi|(?:the|its|their|your|"
    r"that|(?:the )?\w+['’]s) (?:own |same |"
    r"original )?language|the user's language)\b|"
    r"\b(?:the|its|an?) (?:german|french|spanish|italian|portuguese|dutch|chinese|japanese|korean|russian|arabic|"
    r"polish|"
    r"turkish|hindi|latin) (?:word|name|term|translation|label|equivalent)\b",
    re.IGNORECASE,
)
_LANGUAGE_ABROAD = late_pattern(
    r"\b(?:antwort|schreib|gib|répon|écri|respon|contest|escri|rispon|scriv|antwoord|schrijf|svar|odpowied|ответ|"
    r"отвеч)\w*\b"
    r"[^.\n]{0,40}\b(?:auf|en|em|in(?: het)?|på|po|по-?) ?(?:englisch|deutsch|französisch|spanisch|italienisch|"
    r"anglais|"
    r"allemand|français|espagnol|italien|inglés|alemán|francés|italiano|inglês|alemão|francês|espanhol|inglese|"
    r"tedesco|"
    r"francese|spagnolo|engels|duits|frans|spaans|engelska?|tyska?|angielsku|английски|немецки)\b",
    re.IGNORECASE,
)
_LANGUAGE_CJK = late_pattern(
    r"(?:英語|日本語|中国語|ドイツ語|フランス語)で(?:答|回答|出力|書)|"
    r"用(?:英文|英语|英語|中文|日语|德语)(?:回答|回复|输出|作答)|영어로"
)
_CODES = table("code id código codice codigo")
_SINGLE = frozenset("0123456789bcdefgh") | {"10"}
_GENERATES = late_pattern(
    r"(?:^|[.!?\n] ?)(?:(?:please|now|first|then),? )?(?:write|generate|compose|draft|invent|make up) "
    r"(?:(?:me|us) )?(?:an?|some|two|three|\d+) (?!(?:single |one |valid )?(?:label|word|category|class|tag|json|"
    r"name|answer))\w",
    re.IGNORECASE,
)
# "the best title for the story", among texts that somebody wrote
_BEST = late_pattern(
    r"\bbest (?:title|headline|ending|caption|slogan|summary|translation|reply)s? (?:for|to|of)\b", re.I
)
_YOUR_VIEW = late_pattern(
    r"\byou (?:like|love|prefer|enjoy)\b|\bdo you (?:dis)?(?:agree|prefer|like|love|hate|want|feel)\b|"
    r"\byour (?:own |personal )?(?:opinion|view)s? (?:on|of|about)\b",
    re.IGNORECASE,
)


# "Reply to this ticket.": the answer is written to somebody, and is no label
_TO_TEXT = late_pattern(
    r"(?:^|[.!?\n:] ?)(?:please |now |then )?(?:reply|respond|write back) to (?:the|this|that|each|every|my|our) "
    r"[\w'’-]+(?: [\w'’-]+){0,2}(?=\W*(?:[.!\n]|$))(?![^.\n]{0,60}\b(?:with|by|using|in|as)\b)",
    re.IGNORECASE,
)


def obstacle(
    text: str, words: frozenset[str], labels: tuple[str, ...], *, by_user: bool, is_json: bool, is_given: bool
) -> str | None:
    """Why the wording asks for more than, or another thing than, one label of the list; None when it does not.

    ``is_given``: the caller's schema or tool fixes the answer's form, so that the wording cannot add to it.
    """
    narrow = text.isascii()
    is_listed = (words & ITEM_WORDS and _ITEMS.search(text)) or (not narrow and _ITEMS_CJK.search(text))
    if by_user and is_listed:
        return "the request asks for one label for each of several texts."
    if words & ITEM_WORDS and _UNITS.search(text):
        return "the request asks for one label for each part of a text."
    if all(label.lower() in RIGHT_OR_WRONG for label in labels):
        return "whether something is right is not told by its wording."
    if all(label.lower() in GRAMMAR for label in labels):
        return "a gap is to be filled."
    if all(label.lower() in COMPARED for label in labels):
        return "two texts are to be compared."
    if "you" in words and _YOUR_VIEW.search(text):
        return "the request asks what the model itself thinks."
    if _GENERATES.search(text) is not None or ("best" in words and _BEST.search(text) is not None):
        return "a text is to be written."
    if ("reply" in words or "respond" in words or "write" in words) and _TO_TEXT.search(text) is not None:
        return "a text is to be written."
    if is_given:
        return None
    if asks_twice(text, words):
        return "the request asks for more than a label."
    return (
        _other_name(text, words, labels)
        or _ranked(text, words)
        or _extra(text, words, frozenset(word for label in labels for word in label.lower().split()))
        or _form(text, words, labels, is_json=is_json)
    )


def _ranked(text: str, words: frozenset[str]) -> str | None:
    narrow = text.isascii()
    if (words & RANK_WORDS and _RANKED.search(text)) or (not narrow and _RANKED_CJK.search(text)):
        return "several labels are asked for, in an order or with shares."
    return None


def _other_name(text: str, words: frozenset[str], labels: tuple[str, ...]) -> str | None:
    if set(labels) == {"0", "1"}:
        return "the answer is a number, letter or id that stands for a label."
    if all(label.isdigit() for label in labels):
        return None
    if any(len(label) == 1 and label.isascii() for label in labels) and {label.lower() for label in labels} != {
        "y",
        "n",
    }:
        return "the answer is a number, letter or id that stands for a label."
    narrow = text.isascii()
    if words & INDEX_WORDS or not narrow:
        spoken = _affirmed(text, words)
        index = _INDEX.search(spoken)
        is_code = index is not None and index[0].endswith("code") and all(len(label) <= 5 for label in labels)
        if index is not None and all(len(label) > 2 for label in labels):
            # What the list is called is no number: "one of these codes: ... Return the code."
            named = stem(index[0].rsplit(None, 1)[-1].lower())
            is_code = is_code or (named in _CODES and named in tied_names(text.lower()))
        if (index is not None and not is_code) or (not narrow and _INDEX_CJK.search(spoken)):
            return "the answer is a number, letter or id that stands for a label."
    if (
        words & _SINGLE
        and len({match[1] for match in _NUMBERED.finditer(text) if not _is_numbered_text(text, match)}) > 1
    ):
        return "the answer is a number, letter or id that stands for a label."
    return None


def _is_numbered_text(text: str, match: re.Match[str]) -> bool:
    """Whether a number counts texts ("Headline 2: ...") and stands for no label."""
    before = text[max(0, match.start() - 24) : match.start()].split()
    return bool(before) and before[-1].lower().strip("*#([") in INPUT_WORDS


def _extra(text: str, words: frozenset[str], named: frozenset[str]) -> str | None:
    narrow = text.isascii()
    if not words & EXTRA_WORDS and narrow:
        return None
    spoken = _affirmed(text, words)
    lower = spoken.lower()
    for word in sorted((words & EXTRA_WORDS) - named):
        place = lower.find(word)
        while place >= 0:
            # The pattern is wide and slow: only the surroundings of its own words are searched.
            extra = _EXTRA.search(spoken, max(0, place - 32), place + len(word) + 32)
            if extra is not None and not _is_shown(spoken, extra):
                return f"the request asks for more than a label ({extra[0].strip()!r})."
            place = lower.find(word, place + 1)
    extra = None if narrow else _EXTRA_CJK.search(spoken) or _EXTRA.search(spoken)
    return None if extra is None else f"the request asks for more than a label ({extra[0].strip()!r})."


def _is_shown(text: str, extra: re.Match[str]) -> bool:
    """Whether "one sentence" is what comes in: "you are shown one sentence"."""
    return (
        "sentence" in extra[0].lower()
        and _SHOWN.search(text, max(0, extra.start() - 40), extra.start() + 1) is not None
    )


def _affirmed(text: str, words: frozenset[str]) -> str:
    """The text without what it says not to do."""
    return text if words.isdisjoint(NEGATIONS) and text.isascii() else _NEGATED.sub(" ", text)


def _form(text: str, words: frozenset[str], labels: tuple[str, ...], *, is_json: bool) -> str | None:
    if (words & LANGUAGE_WORDS and (_LANGUAGE.search(text) or _LANGUAGE_ABROAD.search(text))) or (
        not text.isascii() and _LANGUAGE_CJK.search(text)
    ):
        return "the answer is to be given in another language."
    if not ("<" in text or "[[" in text or words & FORM_WORDS):
        return None
    spoken = _affirmed(text, words)
    if not is_json:
        for wrapped in _WRAPPED.finditer(text):
            if wrapped[1].lower() not in DATA_TAGS and f"</{wrapped[1]}" in text.replace("\\", ""):
                return "the answer is to be wrapped in tags."
        if _TEMPLATE.search(spoken):
            return "the answer is to be written in a form of its own."
    if "<" in spoken and _TWO_SLOTS.search(spoken) is not None:
        return "the answer is to be written in a form of its own."
    if "<" in spoken and any(tag[1].lower() in ANSWER_WORDS for tag in _TAGGED.finditer(spoken)):
        return "the answer is to be wrapped in tags."
    if any(map(str.isalnum, "".join(labels))) is False:
        spoken = _EMOJI.sub("label", spoken)
    if _FORM.search(spoken):
        return "the answer is to be written in a form of its own."
    if (
        "_case" in spoken
        and "snake_case" in spoken.lower()
        and any(" " in label or label != label.lower() for label in labels)
    ):
        return "the answer is to be written in snake_case, the list is not."
    if _UPPER.search(spoken) and any(label != label.upper() for label in labels):
        return "the answer is to be written in capitals, the list is not."
    if _LOWER.search(spoken) and any(label != label.lower() for label in labels):
        return "the answer is to be written in small letters, the list is not."
    return None


def goes_on(text: str, end: int) -> bool:
    """Whether the sentence asks for more right behind the list that ends at ``end``: "..., then name the rule"."""
    return _GOES_ON.match(text, end) is not None
