"""Does the request bring a passage or document that its question is about (open-book: KNW-04, KNW-05 of the guide)?

Tags and headings of retrieval templates, results of tools, references to "the text below", or a long quoted text.
A long text without any such sign may be one or may be something else: unknown.
"""

from __future__ import annotations

import re

from ..patterns import late_pattern
from ..types import Request, Signals
from .excerpt import Excerpt, excerpt, flow
from .rule import Rule
from .triggers import triggers

__all__ = ["CONTEXT", "passage"]

_TAG = late_pattern(
    r"<(?:context|documents?|docs?|passages?|article|sources?|search_results?|results?|retrieved\w*|excerpts?|"
    r"chunks?|snippets?|text|paragraph|transcript|"
    r"email|report|reference|knowledge|background|file|page|content|quote|story|contract|data)(?:[ _][^>\n]{0,60})?>",
    re.IGNORECASE,
)
_HEADING = late_pattern(
    r"(?:^|\n|[.!?] )[ \t>*#\-=]*(?:the )?(?:retrieved |relevant |given |supporting |provided |reference |search |"
    r"source )?(?:context|contexts|passages?|documents?|doc ?\d|articles?|"
    r"paragraphs?|excerpts?|background|sources?|search results?|results|references?|knowledge|text|transcript|story|"
    r"snippets?|chunks?|notes|facts|evidence|manual|faq|policy|"
    r"contract|report|kontext|textabschnitt|abschnitt|dokumente?|artikel|hintergrund|contexte|extrait|texte|"
    r"contexto|pasaje|párrafo|documento|fragmento|texto|trecho|"
    r"contesto|brano|testo|kontekst|fragment|контекст|отрывок|текст|"
    r"документ)(?: ?\(?\[?\d{1,2}\]?\)?)?(?: information)?[*]*\s?[:：\]]",
    re.IGNORECASE,
)
_UNSPACED = late_pattern(r"(?:上下文|背景(?:信息|知识|资料)?|文章|段落|材料|资料|文档|原文|参考(?:资料|文献)?|"
r"根据(?:以下|上述|下面|文中)|コンテキスト|文脈|以下の(?:文章|文書|資料)|本文|参考資料|"
    r"문맥|본문|다음 (?:글|문서|지문))(?:如下|内容)?\s?[:：、,，に]?")  # fmt: skip
_REFERRED = late_pattern(
    r" (?:(?:based (?:only |solely |strictly )?(?:on|upon)|according to|using(?: only)?|given|from|in|read|"
    r"with (?:the help of )?|refer(?:ring)? to|about|regarding) (?:only )?(?:the|this|these|that) "
    r"(?:\w+ )?(?:(?:following|above|below|provided|given|attached|retrieved|supplied|quoted) )?(?:context|"
    r"passages?|documents?|text|articles?|paragraphs?|excerpts?|information|sources?|"
    r"search results|transcript|story|report|contract|policy|letter|e?-?mail|abstract|snippets?|notes|manual|faq)\b|"
    r"(?:the|this) (?:following|above|below) (?:context|passage|document|text|article|paragraph|excerpt|transcript|"
    r"story|report|contract|abstract)|"
    r"(?:context|passage|document|text|article|paragraph|excerpt|transcript|report|contract|policy)s? (?:below|"
    r"above|provided|given|is (?:below|given|provided)|follows)|"
    r"(?:basierend auf|anhand|laut|gemäß|nach) (?:dem|der|des|diesem|den|folgendem) (?:\w+ )?(?:text|kontext|"
    r"abschnitt|artikel|dokument)|"
    r"(?:d'après|selon|à partir d[ue]|dans) (?:le|la|l'|ce|cet|du) ?(?:\w+ )?(?:texte|contexte|passage|article|"
    r"document|extrait)|"
    r"(?:según|basándote en|a partir de|en|de acuerdo con) (?:el|la|este|siguiente|del) (?:\w+ )?(?:texto|contexto|"
    r"pasaje|párrafo|artículo|documento|fragmento)|"
    r"(?:segundo|com base n?o?|de acordo com|no) (?:o|a|este|seguinte)? ?(?:texto|contexto|trecho|artigo|documento)|"
    r"(?:secondo|in base a|nel|dal) ?(?:il|la|al|questo)? ?(?:testo|contesto|brano|articolo|documento))"
)
_WORK_ON = late_pattern(
    r" (?:summari[sz]e|sum up|tl;?dr|condense|fasse|zusammenfass\w+|résume\w*|resum[ea]\w*|"
    r"riassumi) (?:[\w-]+ ){0,4}(?:article|text|document|report|passage|paper|transcript|story|"
    r"e-?mail|thread|meeting|notes|review|contract|abstract|conversation|post|letter|artikel|bericht|texte|rapport|"
    r"texto|artículo|informe|testo|articolo)"
)
_NUMBERED = late_pattern(r"^[ \t]*\[\d{1,2}\][ \t:]*\S.{30,}$", re.MULTILINE)
_TELLING = triggers(
    "context contexts passage passages document documents doc article articles paragraph paragraphs excerpt "
    "excerpts background source "
    "sources results reference references knowledge text transcript story snippet snippets chunk chunks notes "
    "facts evidence manual faq "
    "policy contract report information letter email e-mail abstract paper thread meeting review conversation "
    "post kontext abschnitt "
    "textabschnitt dokument dokumente artikel hintergrund bericht contexte extrait texte rapport contexto pasaje "
    "párrafo documento fragmento "
    "texto artículo informe trecho artigo contesto brano testo articolo kontekst fragment tekst контекст отрывок "
    "текст документ"
)
# Words of which one stands in each way to point at a text.
_POINTING = triggers(
    "passage passages context contexts text article document documents paragraph excerpt transcript snippets abstract "
    "based according using given following above below provided attached retrieved supplied quoted summarize summarise "
    "sum condense tl basierend anhand laut gemäß fasse résume résumer résumé resume resumir resuma "
    "riassumi zusammenfassung "
    "texte contexte extrait texto contexto pasaje párrafo artículo documento fragmento trecho "
    "artigo testo contesto brano "
    "articolo dokument artikel abschnitt kontext selon d'après según basándote segundo secondo zusammen"
)
_LONG, _PASSAGE = 280, 140
# What a heading's last word ends in, after its number was taken off.
_HEADING_ENDS = (*_TELLING.words, "result")
# Headings that stand alone in their line need no pattern: each of these words before a colon is one.
_HEADINGS = frozenset((
    "context", "contexts", "passage", "passages", "document", "documents", "article", "articles", "paragraph",
    "paragraphs", "excerpt", "excerpts", "background", "source", "sources", "results", "reference", "references",
    "knowledge", "text", "transcript", "story", "snippet", "snippets", "chunk", "chunks", "notes", "facts", "evidence",
    "manual", "faq", "policy", "contract", "report",
))  # fmt: skip
_ENDS_BY_TAIL = {
    tail: tuple(end for end in _HEADING_ENDS if end.endswith(tail)) for tail in {end[-2:] for end in _HEADING_ENDS}
}
_BEHIND_HEADING = " *\t\n0123456789()[]"
_CLOSING = late_pattern(r"[:：\]]")
_HEADING_SIZE, _MOST_MARKS = 90, 12


def _read(signals: Signals) -> tuple[bool | None, float]:
    request = signals.request
    for message in request.messages:
        if message.role == "tool" and len(message.text) > 1:
            return True, 0.95
    if "file" in request.modalities:
        return True, 0.9
    view = signals.view(excerpt)
    size = len(view.user) + len(view.system)
    if size < (30 if view.is_unspaced else 70) and "\n" not in view.user:
        return False, 0.95
    if (
        "<" in view.text
        and (tag := _TAG.search(view.text)) is not None
        and f"</{tag[0][1:5].lower()}" in _closing(view)
    ):
        return True, 0.93
    telling = view.groups & _TELLING.bit
    if ":" in view.text or "：" in view.text or "]" in view.text:
        if telling and _has_heading(view.text) and size > (70 if "?" in view.text else 140):
            return True, 0.9 if "?" in view.text or "？" in view.text else 0.75
        if "[1]" in view.user and len(_NUMBERED.findall(view.user[:6000])) >= 2:
            return True, 0.92
    if view.is_unspaced and len(view.user) > 45 and _UNSPACED.search(view.text):
        return True, 0.85
    if telling and size > 110 and view.groups & _POINTING.bit:
        around = flow(view.lower, view.among(_POINTING), 70)
        if _REFERRED.search(around) or _WORK_ON.search(around):
            return True, 0.88
    if '"""' in view.user or "\n> " in view.user:
        return (True, 0.8) if len(view.user) > 200 and ("?" in view.text or size > 500) else (False, 0.6)
    if len(view.user) > 1200:
        # A long text may be a document to read, code, a conversation or examples.
        task = signals.get("task")
        if task.value in ("reading_comprehension", "summarization", "nli") and task.confidence >= 0.6:
            return True, 0.85
        return None, 0.0
    task = signals.get("task")
    if task.value == "reading_comprehension" and task.confidence >= 0.5:
        return (True, 0.8) if len(view.user) > _PASSAGE else (None, 0.0)
    if len(view.user) > _LONG and _asks_at_edge(view.user):
        return None, 0.0
    return _before(request)


def _has_heading(text: str) -> bool:
    """Whether one of the first marks that can close a heading does."""
    for number, mark in enumerate(_CLOSING.finditer(text)):
        if number == _MOST_MARKS:
            return _HEADING.search(text, mark.start() - _HEADING_SIZE) is not None
        at = mark.start()
        if text[text.rfind("\n", 0, at) + 1 : at].lower() in _HEADINGS:
            return True
        before = text[max(0, at - 32) : at].rstrip(_BEHIND_HEADING).lower()
        ends = _ENDS_BY_TAIL.get(before[-2:])
        if ends is None or not before.endswith(ends):
            continue
        if _HEADING.search(text, max(0, at - _HEADING_SIZE), mark.end()):
            return True
    return False


def _before(request: Request) -> tuple[bool | None, float]:
    """A passage may have come in an earlier turn: a long one leaves the signal unknown, a marked one tells."""
    for message in request.messages[:-1]:
        if message.role == "user" and len(message.text) > _LONG:
            head = message.text[:700]
            return (True, 0.8) if _TAG.search(head) or _HEADING.search(head) else (None, 0.0)
    return False, 0.9


def _closing(view: Excerpt) -> str:
    return (view.user[-3000:] + view.system[-3000:] if len(view.user) > 3000 else view.user + view.system).lower()


def _asks_at_edge(text: str) -> bool:
    """A question before or behind several sentences that ask nothing."""
    return (text.rstrip().endswith(("?", "？")) or "?" in text[:140]) and text.count("?") <= 2 and text.count(". ") >= 3


def passage(text: str, system: str) -> tuple[str, str]:
    """The question and the text that it is about, as far as they can be told apart by position in the user's ``text``;
    both may be empty."""
    head, tail = text[:300], text[-300:]
    if "?" in tail or "？" in tail:
        cut = max(text.rfind("\n", 0, len(text) - 2), text.rfind(". ", 0, len(text) - 2))
        return text[cut + 1 :], system + text[: cut + 1]
    if "?" in head or "？" in head:
        cut = max(head.find("?"), head.find("？")) + 1
        return text[:cut], system + text[cut:]
    return "", text


CONTEXT = Rule(name="context", read=_read)
