"""Which message holds the text to judge, and where in it: hints first, then who gives the instruction.

Tool output, harness reminders and the assistant's words are never judged. Where two readings are possible the split is
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..contract.blocks import trimmed
from ..contract.examples import is_pointed, shown_answers
from ..contract.fields import holds_field, is_document, is_one_field_asked
from ..contract.framing import TWIN, is_nothing, is_pair, is_several, is_talk, unframed, unquoted
from ..contract.layout import inside, marked, tagged, whole_or_wrapped
from ..contract.paragraphs import SPEAKERS, TEXTS_OWN, Found
from ..contract.prose_json import without_appended
from ..contract.speech import has_residue, is_instruction, lists, mentions
from ..contract.trailing import may_speak
from ..patterns import late_pattern
from ..types import Contract, Message, Request, Signal, Split

__all__ = ["THRESHOLD", "UNKNOWN", "read_split"]

DETECTOR = "split"
THRESHOLD = 0.6
"""Below this certainty the split is unknown."""

_MAX_CHARS = 65_536
_PLACEHOLDER = late_pattern(
    r"(?:[\w ]{1,40}[:：])?\W*(?:\{{1,3}|<<?|\[\[?|\$\{?|%\()\s*[\w .-]{1,40}\s*(?:\}{1,3}|>>?|\]\]?|\)s)\W*|\W*"
)
"""A template's slot that was never filled."""
_EMPTY_TAGS = late_pattern(r"(?:\s*</?[\w-]+>)+\s*")
_OWN_HEADING = late_pattern(r"(?P<name>[A-Za-z]+(?: [A-Za-z]+){0,2})(?: #?[A-Z]{0,2}\d{1,6})?[:：]\s+(?=\S)")
_UNSPACED_HEADING = late_pattern(
    r"[\u3040-\u30ff\u3400-\u9fff]{0,6}(?:留言|评论|評論|文本|内容|消息|句子|标题|問い合わせ|発話|投稿|コメント|レビュー|メッセージ|"
    r"テキスト|文章|反馈|描述|邮件|メール|本文|问题|質問|入力|输入|新闻|ツイート|문의|리뷰|댓글|문장|메시지|텍스트)\s*[:：]\s*(?=\S)"
)
# "issue_title: ", where other lines of the message are such fields
_KEY = late_pattern(r"[A-Za-z]+(?:_[A-Za-z]+)+:[ \t]+(?=\S)")
_KEYS = late_pattern(r"^[a-z]+(?:_[a-z]+)*:(?:[ \t]|$)", re.MULTILINE)
_NAMED = late_pattern(r"(?P<name>[A-Z]{1,3}\d{1,5})[:：]\s+(?=\S)")
_WHICH = late_pattern(r"\W*(?:which|welche[rs]?|quel(?:le)?s?|cuál|quale?)\b", re.IGNORECASE)
_POLAR = late_pattern(
    r"\W*(?:is|are|was|were|does|do|did|has|have|can|could|will|would|should|ist|sind|hat|kann|est-ce|es|é|"
    r"è)\b",
    re.IGNORECASE,
)
_LAST_CUE = late_pattern(r"\s*[^\W\d_][\w ]{0,24}(?P<sign>[:：=])\s*")
_UNSPACED_NAME = late_pattern(r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,8})[:：]\s*(?=\S)")
_LEAD = late_pattern(
    r"(?:(?:here|this|below) (?:is|comes) )?(?:the|this|a|an|my) [\w'’ -]{2,50}(?:(?: reads| says| writes| goes| is|"
    r" wrote)?(?: as follows)?:| reads| says)\s+(?=\"[^\"]+\"\Z|“[^“”]+”\Z)",
    re.IGNORECASE,
)
_NAMED_QUOTE = late_pattern(r"(?P<name>[A-Z][A-Za-z]+(?: [\w-]+){0,2}):\s+(?=\"[^\"]+\"\Z|“[^“”]+”\Z)")
_SPEAKER = late_pattern(r"\b(?P<name>[A-Za-z]+):\s+\Z")
_TURN = late_pattern(r"(?:^|(?<=[\n.!?…] ))(?P<name>[A-Z][a-z]*):\s", re.MULTILINE)
# What closes a text: nothing behind it is its own.
_CLOSED = ("</", "\n</", "```", "\n```", '"', '\n"', "'", "\n'", "”", "»", "\n---", "\n###", "\n===", "\n[/", ">>>")
_HEADER = late_pattern(r"[^\W\d_][\w -]{0,24}[:：]\s*")


def read_split(request: Request, contract: Contract | None) -> Signal[Split]:
    """The text to judge, as exact offsets into one message's text; unknown below :data:`THRESHOLD`.

    ``message`` is -1 when the hinted input stands in no message; then the offsets span the hint itself.
    """
    hinted = request.hints.input
    if hinted is not None:
        return _hinted(request, hinted)
    if contract is None:
        return UNKNOWN
    found = _located(request, contract)
    if found is None or found[1][2] < THRESHOLD:
        return UNKNOWN
    index, (start, end, certainty) = found
    text = request.messages[index].text
    if text[start:end].rstrip().endswith(("->", "=>", "→", "⇒")):
        end = start + len(text[start:end].rstrip(" \n\t->=→⇒"))
        start = _behind_examples(text, start, end, contract.labels or ())
    start, end = trimmed(text, start, end)
    is_in_fields = is_document(text, start, end)
    if is_in_fields:
        told = [text[:start], text[end:], *(one.text for place, one in enumerate(request.messages) if place != index)]
        if is_one_field_asked(text, start, end, "\n".join(told)):
            return UNKNOWN
    else:
        start, end = unframed(text, start, end)
        start, end = unquoted(text, *_led(text, start, end))
        start = _with_speaker(text, _behind_heading(request, index, start, end), end)
        if holds_field(text, start, end):
            return UNKNOWN
    if text.startswith("{", start) and text.endswith("}", 0, end):
        picked = _field(request, index, start, end)
        if picked is None:
            return UNKNOWN
        start, end = picked
    if start >= end or end - start > _MAX_CHARS or (not is_in_fields and is_several(text[start:end])):
        return UNKNOWN
    if (speaker := _OWN_HEADING.match(text, start, end)) is not None and speaker["name"].lower() in SPEAKERS:
        names = {turn["name"].lower() for turn in _TURN.finditer(text, start, min(end, start + 2000))} & SPEAKERS
        others = [text[:start], text[end:], *(one.text for place, one in enumerate(request.messages) if place != index)]
        if len(names) > 1 and any(_asks_of(name, other.lower()) for name in names for other in others):
            return UNKNOWN  # "Was the agent polite?"
    if (
        is_nothing(text[start:end])
        or is_pair(text[start:end])
        or has_residue(text[start:end])
        or ("___" in text and "___" in text[start:end])
        or text.startswith("{{", start)
        or _PLACEHOLDER.fullmatch(text, start, end)
        or _EMPTY_TAGS.fullmatch(text, start, end)
    ):
        return UNKNOWN
    is_told = start > 0 or end < len(text)
    if is_told and not text.startswith(_CLOSED, end):
        before, behind = text[:start].strip(), text[end:].strip()
        if (before or behind) and may_speak(
            text[start:end], contract.labels or (), has_before=len(before) > 24, has_behind=len(behind) > 24
        ):
            return UNKNOWN
    is_read = request.json_schema is None and contract.tool is None
    if is_read and not _labels_stand_outside(request, contract, index, start, end):
        return UNKNOWN
    return Signal(value=Split(message=index, start=start, end=end), confidence=certainty, detector=DETECTOR)


def _led(text: str, start: int, end: int) -> tuple[int, int]:
    """A quotation without the words that lead to it and say nothing else: 'The customer writes: "..."'."""
    if start >= end or text[end - 1] not in '"”':
        return start, end
    lead = _LEAD.match(text, start, end)
    if lead is None and (lead := _NAMED_QUOTE.match(text, start, end)) is not None:
        lead = None if lead["name"].lower().split()[0] in TEXTS_OWN else lead
    return (start, end) if lead is None else (lead.end(), end)


def _with_speaker(text: str, start: int, end: int) -> int:
    """The start of a conversation whose first speaker was taken for a heading: "Agent: ... Caller: ..."."""
    if not text.startswith(": ", max(0, start - 2)):
        return start
    first = _SPEAKER.search(text, max(0, start - 24), start)
    if first is None or first["name"].lower() not in SPEAKERS:
        return start
    turns = _TURN.finditer(text, start, min(end, start + 2000))
    return first.start("name") if any(turn["name"].lower() in SPEAKERS for turn in turns) else start


def _behind_examples(text: str, start: int, end: int, labels: Sequence[str]) -> int:
    """The start of the last line where all lines above it show a text, an arrow and a label.

    ``end`` where all begin with one heading: it is unclear what belongs to the text.
    """
    names = {label.casefold() for label in labels}
    line = text.rfind("\n", start, end) + 1
    above = [one for one in text[start:line].split("\n") if one.strip()]
    if line == start or not above or not all(is_pointed(one, names) for one in above):
        return start
    heading = _HEADER.match(text, line)
    return end if heading is not None and all(one.startswith(heading[0]) for one in above) else line


def _behind_heading(request: Request, index: int, start: int, end: int) -> int:
    """The text's start behind a heading that the instruction speaks of ("You code verbatims." "Verbatim: ...").

    Other words before a colon are the text's own: headlines begin so.
    """
    text = request.messages[index].text
    colon = text.find(":", start, start + 80)
    if not text.isascii():
        unspaced = _UNSPACED_HEADING.match(text, start, end)
        if unspaced is not None:
            return unspaced.end()
        named = _UNSPACED_NAME.match(text, start, end)
        if named is not None:
            others = (message.text for place, message in enumerate(request.messages) if place != index)
            return named.end() if any(named[1] in other for other in (text[:start], *others)) else start
    cue = _LAST_CUE.fullmatch(text, end) if end < len(text) < end + 60 else None
    if cue is not None and "\n" not in text[start:end]:
        twin = TWIN.match(text, start, end)
        return twin.end() if twin is not None and twin["sign"] == cue["sign"] else start  # "T: ..." above "E:"
    if colon < 0 and "：" not in text[start : start + 80]:
        return start
    if (key := _KEY.match(text, start, end)) is not None and _KEYS.search(text, 0, start) is not None:
        return key.end()
    heading = _NAMED.match(text, start, end)
    if heading is not None and re.search(rf"\b{heading['name']}\b(?!:)", text[:start]):
        return heading.end()  # "Classify B7." "B7: ..."
    if (heading := _OWN_HEADING.match(text, start, end)) is None:
        return start
    words = heading["name"].lower().split()
    if words[0] in TEXTS_OWN or words[0].startswith("http"):
        return start
    if before := f"{text[:start]} {text[end:]}".strip():  # "Mark the survey answer ..." "SURVEY ANSWER: ..."
        return heading.end() if _is_spoken_of(heading["name"].lower(), before.lower()) else start
    told = " ".join(message.text for place, message in enumerate(request.messages) if place != index).lower()
    return heading.end() if any(len(word) > 2 and word.rstrip("s")[:6] in told for word in words) else start


def _asks_of(name: str, told: str) -> bool:
    """Whether an instruction asks how one of the speakers is: "Was the agent polite?"."""
    asked = rf"\b(?:is|was|did|does|whether|if|how|has|had)\b[^.\n]{{0,24}}\bthe {name}\b|\b{name}['’]s\b"
    return re.search(asked, told) is not None


def _is_spoken_of(name: str, before: str) -> bool:
    """Whether an instruction calls the text so: "mark the survey answer as ..."."""
    form = rf"\b(?:the|this|that|each|every|an?|following) (?:[\w-]+ )?{re.escape(name)}\b"
    return re.search(form, before) is not None


def _field(request: Request, index: int, start: int, end: int) -> tuple[int, int] | None:
    """Within a text in JSON the value of the one field that the instruction names; all of it when none holds prose.

    None when it cannot be told which part is meant, or the value is written with escapes.
    """
    text = request.messages[index].text
    try:
        document = msgspec.json.decode(text[start:end].encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return start, end
    if not isinstance(document, dict):
        return start, end
    around = [
        message.text for place, message in enumerate(request.messages) if place != index and message.role != "assistant"
    ]
    told = "\n".join([text[:start], text[end:], *around])
    prose = {key: value for key, value in document.items() if isinstance(value, str) and value.count(" ") > 1}
    named = [
        key
        for key in document
        if re.search(rf"[\"'`“]{re.escape(key)}[\"'`”]|\b{re.escape(key)} (?:field|key)\b", told)
    ]
    if len(named) != 1 and len(prose) != 1:
        return None if prose or named else (start, end)
    if not named:
        return None if len(document) > 1 else _value(text, start, end, next(iter(prose.values())))
    value = document[named[0]]
    return _value(text, start, end, value) if isinstance(value, str) else None


def _value(text: str, start: int, end: int, value: str) -> tuple[int, int] | None:
    place = text.find(f'"{value}"', start, end) if value.strip() else -1
    return None if place < 0 else trimmed(text, place + 1, place + 1 + len(value))


UNKNOWN: Signal[Split] = Signal(value=None, confidence=0.0, detector=DETECTOR)


def _hinted(request: Request, hinted: str) -> Signal[Split]:
    if not hinted.strip():
        return UNKNOWN
    last = request.last_user()
    order = list(range(len(request.messages) - 1, -1, -1))
    if last is not None:
        order.remove(last)
        order.insert(0, last)
    for index in order:
        message = request.messages[index]
        if message.role in ("tool", "assistant"):
            continue
        place = message.text.rfind(hinted)
        if place >= 0:
            value = Split(message=index, start=place, end=place + len(hinted))
            return Signal(value=value, confidence=1.0, detector=DETECTOR)
    return Signal(value=Split(message=-1, start=0, end=len(hinted)), confidence=0.98, detector=DETECTOR)


def _located(request: Request, contract: Contract) -> tuple[int, Found] | None:
    messages = request.messages
    last = request.last_user()
    if any(message.role == "tool" or message.has_tool_calls for message in messages):
        return None
    if last is None:
        return _in_system(request, contract, range(len(messages)))
    text = messages[last].text
    if contract.shape == "json":
        text = without_appended(text)
    if len(text) > _MAX_CHARS or not text.strip():
        return None
    labels = contract.labels or ()
    here = mentions(text, labels)
    systems = [i for i, message in enumerate(messages) if message.role in ("system", "developer")]
    earlier = [i for i in range(last) if messages[i].role == "user"]
    has_turns = any(messages[i].role == "assistant" for i in range(last))
    if has_turns:
        if not _are_examples(request, contract):
            found = inside(text, labels) if here else None
            return None if found is None else (last, (found[0], found[1], min(found[2], 0.8)))
        found = whole_or_wrapped(text) if not here else inside(text, labels)
        if is_talk(text):
            return None
        if found is not None and found[0] == 0 and (header := _shared_header(request, last)):
            found = (len(header), found[1], found[2])
        return None if found is None else (last, found)
    told = [i for i in (*systems, *earlier) if _tells(messages[i], labels, contract)]
    if earlier and not here:
        if len(earlier) != 1 or earlier[0] not in told:
            return None  # the text may be spread over several messages
        found = whole_or_wrapped(text)
        return None if found is None else (last, (found[0], found[1], min(found[2], 0.85)))
    found = inside(text, labels) if here else None
    if found is None and told:
        found = whole_or_wrapped(text)
    if found is None and not here and not told:
        found = inside(text, labels)
        is_guided = "guided_choice" in request.body or "guided_regex" in request.body
        is_told = contract.shape != "bare_label" or request.hints.labels is not None or is_guided
        if found is None and is_told and labels and not (is_instruction(text, labels) or _asks_itself(text, labels)):
            if may_speak(text, labels, has_before=not told, has_behind=not told):
                return None
            found = (0, len(text), 0.75)  # the schema, a tool or a hint says what is asked; the message is bare text
    if found is not None:
        return last, found
    if earlier and here and len(earlier) == 1 and not is_instruction(messages[earlier[0]].text, labels):
        other = messages[earlier[0]].text
        return earlier[0], (0, len(other), 0.75)
    if is_instruction(text, labels):
        return _in_system(request, contract, systems)
    return None


def _asks_itself(text: str, labels: Sequence[str]) -> bool:
    """Whether a bare message is the question that a schema's answers answer, and no text: "Is 7 prime?"."""
    if not text.rstrip().endswith(("?", "？")) or len(text) > 200:
        return False
    return _WHICH.match(text) is not None or (set(labels) == {"true", "false"} and _POLAR.match(text) is not None)


def _in_system(request: Request, contract: Contract, places: Sequence[int]) -> tuple[int, Found] | None:
    """A text that stands between clear delimiters in a system message, the user's words being the instruction."""
    found: list[tuple[int, Found]] = []
    for index in places:
        message = request.messages[index]
        if message.role not in ("system", "developer") or len(message.text) > _MAX_CHARS:
            continue
        one = tagged(message.text, contract.labels or ()) or marked(message.text, contract.labels or ())
        if one is not None:
            found.append((index, (one[0], one[1], 0.75)))
    return found[0] if len(found) == 1 else None


def _are_examples(request: Request, contract: Contract) -> bool:
    shown = shown_answers(request)
    if shown is None or not shown.is_chat:
        return False
    known = {label.casefold() for label in contract.labels or ()}
    return bool(known) and all(answer.casefold().strip(".") in known for answer in shown.answers)


def _shared_header(request: Request, last: int) -> str:
    """The marker with which each of the examples and the text begin: "Line: "."""
    match = _HEADER.match(request.messages[last].text)
    if match is None:
        return ""
    turns = [message.text for message in request.messages[:last] if message.role == "user"]
    return match[0] if turns and all(turn.startswith(match[0]) for turn in turns) else ""


def _tells(message: Message, labels: Sequence[str], contract: Contract) -> bool:
    """Whether a message says what is to be done, so that another one holds the text."""
    if mentions(message.text, labels):
        return True
    return contract.shape in ("json", "tool_call") and is_instruction(message.text, labels)


def _labels_stand_outside(request: Request, contract: Contract, index: int, start: int, end: int) -> bool:
    """Labels that were read from the wording must stand outside the text that is judged."""
    labels = contract.labels or ()
    text = request.messages[index].text
    if not lists(text[start:end], labels):
        return True
    around = [text[:start], text[end:]]
    around += [message.text for place, message in enumerate(request.messages) if place != index]
    return mentions("\n".join(around), labels)
