"""How many worked examples does the request bring (Brown et al., 2020, arXiv:2005.14165)?

Pairs of marked lines in one text ("Input: ... Output: ..."), lines with an arrow, or chat turns that the caller wrote
as if the model had answered them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ..patterns import late_pattern
from ..types import Message, Signals
from .excerpt import COUNTED, excerpt, lines
from .rule import Rule

__all__ = ["FEW_SHOT"]

_MARKS = frozenset((
    "output", "answer", "label", "sentiment", "a", "category", "class", "translation", "response", "result",
    "completion", "intent", "topic", "summary", "entities", "tag", "json", "sql", "target", "prediction", "score",
    "rating", "decision", "ausgabe", "antwort", "kategorie", "sortie", "réponse", "étiquette", "salida",
    "respuesta", "etiqueta", "categoría", "saída", "resposta", "risposta", "etichetta", "categoria", "输出", "答案",
    "标签", "回答", "分类", "出力", "答え", "ラベル", "출력", "답변", "ответ", "выход", "french", "spanish",
    "german", "english", "corrected", "assistant", "emotion", "verdict",
))  # fmt: skip
_INLINE = late_pattern(r"(?:\boutput|\banswer|\blabel|\bA|输出|答案)\s?[:：]\s?\S", re.IGNORECASE)
_ARROW = late_pattern(r"^[^\n]{2,200}?\s*(?:->|=>|→|==>|⇒)\s*[^\n]{1,80}$", re.MULTILINE)
_SHOTS = late_pattern(r"<(?:example|shot|sample)(?: [^>]{0,40})?>", re.IGNORECASE)
_NUMBERED = late_pattern(
    r"[ \t*#]*(?:example|beispiel|exemple|ejemplo|exemplo|esempio|例|示例) ?(?:#|no\.? ?)?\d+\b", re.IGNORECASE
)
_NUMBERED_STARTS = frozenset(" \t*#eEbB例示")
_MOST_MARK = 60


def _read(signals: Signals) -> tuple[int | None, float]:
    messages = signals.request.messages
    turns = _turns(messages)
    if turns:
        return turns, 0.85
    view = signals.view(excerpt)
    most = 0
    for text in (view.user, view.system) if view.system else (view.user,):
        breaks = view.breaks if text is view.user else text.count("\n", 0, COUNTED)
        if breaks >= 2:
            most = max(most, _pairs(text[:COUNTED], signals.view(lines) if text is view.user else None))
        elif ": " in text and text.count("utput:") + text.count("nswer:") >= 2:
            most = max(most, len(_INLINE.findall(text[:COUNTED])))
    return most, 0.9 if most == 0 or most > 1 else 0.75


def _pairs(text: str, lines: Sequence[str] | None) -> int:
    found = 0
    if lines is None:
        lines = text.split("\n")
    if _holds_two(text) and (marked := _marked(text, lines)):
        marks: Counter[str] = Counter()
        filled: Counter[str] = Counter()
        for mark, is_filled in marked:
            marks[mark] += 1
            filled[mark] += is_filled
        # One marked line alone is the place for the answer, or a field of a form.
        pairs = [mark for mark in marks if marks[mark] >= 2]
        # The answer's mark is the one that stands open at the end.
        still_open = [filled[mark] for mark in pairs if filled[mark] == marks[mark] - 1]
        found = max(still_open or [filled[mark] for mark in pairs], default=0)
    if (">" in text and ("->" in text or "=>" in text)) or "→" in text or "⇒" in text:
        arrows = len(_ARROW.findall(text))
        found = max(found, arrows if arrows >= 2 and "(" not in text[: text.find("\n")] else 0)
    if "<" in text:
        found = max(found, len(_SHOTS.findall(text)))
    if len(lines) >= 4 and found == 0:
        for line in lines:
            if line[:1] in _NUMBERED_STARTS and _NUMBERED.match(line):
                found += 1
    return found


def _holds_two(text: str) -> bool:
    """Whether two of the signs that stand behind a mark are there."""
    if ":" not in text and "=" not in text and "：" not in text:
        return False
    # Finding is far faster than counting, which looks at each character.
    first = text.find(":")
    if first >= 0 and text.find(":", first + 1) >= 0:
        return True
    return (first >= 0) + text.count("：") + text.count("=") >= 2


def _marked(text: str, lines: Sequence[str]) -> list[tuple[str, bool]]:
    """The marks that lines begin with ("**Label:** spam" -> "label"), and whether something follows them."""
    marked: list[tuple[str, bool]] = []
    further = [sign for sign in "：=" if sign in text]
    for number, line in enumerate(lines):
        cut = line.find(":", 0, _MOST_MARK + 1)
        for sign in further:
            at = line.find(sign, 0, _MOST_MARK + 1)
            if at >= 0 and (cut < 0 or at < cut):
                cut = at
        if cut <= 0:
            continue
        mark = line[:cut].lstrip(" \t>*-#").rstrip(" \t").rstrip("*").lower()
        if mark not in _MARKS:
            continue
        following = lines[number + 1].strip() if number + 1 < len(lines) else ""
        value = line[cut + 1 :].strip(" *_`\"'")
        marked.append((mark, bool(value) or (following != "" and not following.endswith((":", "：")))))
    return marked


def _turns(messages: tuple[Message, ...]) -> int:
    """Answers that the caller wrote: short ones, alike in form, that a conversation would not have."""
    if len(messages) < 5:
        return 0
    answers = [message for message in messages if message.role == "assistant"]
    if len(answers) < 2 or any(message.has_tool_calls for message in answers):
        return 0
    texts = [message.text.strip() for message in answers]
    if all(text[:1] in ("{", "[") for text in texts):
        return len(texts)
    short = [text for text in texts if 0 < len(text) <= 40 and len(text.split()) <= 4 and text[-1:] not in "?!"]
    return len(texts) if len(short) == len(texts) else 0


FEW_SHOT = Rule(name="few_shot", read=_read)
