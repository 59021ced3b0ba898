"""Personal data and secrets: e-mail, phone, card, bank account, address, identity numbers, keys, names.

Each kind has a validator or a published format; what a number means is told by the words around it, so that order
numbers, versions, dates, UUIDs, hashes and technical names stay as they are. Measured figures and limits: the
benchmark ``benchmarks/pii``. The room decides nothing: a policy says what becomes of a flag.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..patterns import late_pattern
from ..types import Flag, Severity, Signal, SignalName, Signals, Span
from .checksums import card_network, iban, iban_length, luhn
from .credentials import SECRET_GATES, key_in_token, worded_secrets
from .gates import Gates
from .hits import Hit, PiiKind, settled
from .identifiers import identifiers, lettered_identifiers
from .personal import BIRTH_GATES, NAME_GATES, birth_date, names, street, tells_birth
from .phones import phones
from .surroundings import surroundings

__all__ = ["MAX_CHARS", "Hit", "PiiDetector", "PiiKind", "find_pii"]

MAX_CHARS = 400_000
"""Characters of all messages together that are searched; a longer request's signal is unknown."""

_SEVERITY: Mapping[PiiKind, Severity] = {
    "email": "medium",
    "phone": "medium",
    "card": "high",
    "iban": "high",
    "ip": "low",
    "national_id": "high",
    "api_key": "high",
    "person": "low",
    "address": "medium",
    "birth_date": "medium",
    "account": "high",
}
_RANK: Mapping[Severity, int] = {"low": 0, "medium": 1, "high": 2}

# One byte a character: "0" digit, "a" letter, "-" what may stand inside a number, key or address, " " anything else.
_CLASS = bytes(
    48 if 48 <= c <= 57
    else 97 if 65 <= c <= 90 or 97 <= c <= 122 or c == 95 or c >= 192
    else 45 if chr(c) in ".-+/:@#%" or c == 160
    else 32
    for c in range(256)
)  # fmt: skip
_OTHER_DIGITS = late_pattern(r"[٠-٩۰-۹०-९０-９]")
_ASCII_DIGITS = {base + n: 48 + n for base in (0x660, 0x6F0, 0x966, 0xFF10) for n in range(10)}
_RUN = late_pattern(r"\d(?:(?:[ .\-/()\u00a0\u2009\u202f\u2011\u2013]|, ?(?=\d{4}\b)){0,3}\d)*")

_CARD = late_pattern(
    r"(?<![A-Za-z0-9_])(?<![A-Za-z0-9_][.\-/])(?:\d{4}([ \-\u00a0.])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|"
    r"\d{4}([ \-\u00a0])\d{6}\2\d{4,5}|\d{12,19})"
    r"(?![A-Za-z0-9_]|[.\-]\d)"
)
_IBAN = late_pattern(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ \-\u00a0]?[A-Za-z0-9]){11,30}")
_IBAN_LOWER = late_pattern(r"(?<![A-Za-z0-9])[a-z]{2}\d{2}(?: ?[a-z0-9]){11,30}")
_IPV4 = late_pattern(
    r"(?<![A-Za-z0-9_.\-])(?<!\w/)(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
    r"(?![A-Za-z0-9_]|\.\d|-[a-z]|/\d)"
)
_NO_ADDRESS = late_pattern(
    r"(?<![a-z])(?:versions?|ver|v|release|firmware|build|section|chapter|clause|§|oid|"
    r"(?:up|down)grad\w*(?: from)?|update\w*|driver|"
    r"patch|article|art\.|paragraph|>=|<=|==|~=|\^|"
    r"(?:chrome|safari|edg|opr|firefox)/?)[ :]*v?\Z",
    re.IGNORECASE,
)
_VERSIONS = late_pattern(
    r"\b(?:upgrad|downgrad|version|updat|bump)\w* (?:\w+ ){0,2}v?(?:\d+\.)+\d+ (?:to|->|"
    r"→) ",
    re.IGNORECASE,
)
_NOBODY = frozenset(
    [
        "8.8.8.8",
        "8.8.4.4",
        "1.1.1.1",
        "1.0.0.1",
        "9.9.9.9",
        "169.254.169.254",
        "255.255.255.255",
        "255.255.255.0",
        "1.2.3.4",
    ]
)
_IPV6 = late_pattern(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_ACCOUNT = late_pattern(r"(?<![\w])(?:\d{2}-\d{2}-\d{2}|\d{6,12}|\d{3}[- ]\d{3})(?![\w]|[.\-/]\d)")

_LOCAL = late_pattern(r"[\w!#$%&'*+/=?^`{|}~.-]{1,64}\Z")
_DOMAIN = late_pattern(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}[^\W\d_]{2,24}(?![\w-])")
_OTHER_SCRIPT = late_pattern(r".*[\u0e00-\u0e7f\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]")
_QUOTES = "'`*/=|{}#&?!~^%$."
_SPELT_OUT = late_pattern(
    r"(?<![\w.])[A-Za-z0-9._+-]{2,40} ?[(\[{] ?at ?[)\]}] ?[A-Za-z0-9-]{2,40}(?: ?[(\[{] ?(?:dot|\.) ?[)\]}] ?|"
    r"\.)[A-Za-z]{2,12}(?!\w)",
    re.IGNORECASE,
)
_NO_DOMAIN = frozenset(
    [
        "js",
        "ts",
        "py",
        "rb",
        "go",
        "sh",
        "md",
        "txt",
        "json",
        "yaml",
        "yml",
        "toml",
        "xml",
        "html",
        "css",
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "pdf",
        "lock",
        "local",
    ]
)


_GATES = Gates(("at)", "at]", *SECRET_GATES, *NAME_GATES, *BIRTH_GATES))


def find_pii(text: str) -> tuple[Hit, ...]:
    """Personal data and secrets in ``text``, in reading order, none overlapping.

    ``Hit(kind, start, end, score)``: ``text[start:end]`` is the value alone (no label, no quotes); ``score`` is the
    probability that it is what ``kind`` says. Time grows linearly with the text.
    """
    lower = text.lower()
    if len(lower) != len(text):
        lower = text
    hits: list[Hit] = []
    if "@" in text:
        hits.extend(_emails(text))
    found = _GATES.found(lower)
    if "at)" in found or "at]" in found:
        hits.extend(Hit("email", match.start(), match.end(), 0.9) for match in _SPELT_OUT.finditer(text))
    if not text.isascii() and _OTHER_DIGITS.search(text):
        text = text.translate(_ASCII_DIGITS)
    has_digit = _has_digit(text)
    if found:
        worded_secrets(text, lower, found, hits, has_digit=has_digit)
        names(text, lower, found, hits)
    if has_digit:
        _numbers(text, lower, hits, may_tell_birth=not BIRTH_GATES.isdisjoint(found))
    return settled(hits) if hits else ()


class PiiDetector:
    """Provides ``pii``: a tuple that is empty when clean and else holds one ``Flag(kind="pii")`` with every span.

    All messages are searched, and what travels beside their texts: arguments of tool calls, names, refusals, ``user``,
    ``metadata`` and fields that nobody here knows. A value that stands only there has a span of length zero. What the
    developer of the caller wrote (tools, the form of the answer) is not searched: it is full of made-up examples. The
    signal is unknown when the request has more than ``MAX_CHARS`` characters.
    """

    provides: tuple[SignalName, ...] = ("pii",)
    slow = False

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        request = signals.request
        beside = list(_beside(request.body))
        length = sum([len(message.text) for message in request.messages]) + sum([len(text) for _, text in beside])
        if length > MAX_CHARS:
            return {"pii": Signal(value=None, confidence=0.0, detector="pii")}
        spans: list[Span] = []
        surest = 0.0
        severity: Severity = "low"
        for index, text in (*enumerate([message.text for message in request.messages]), *beside):
            inside = text is request.messages[index].text
            for hit in find_pii(text):
                start, end = (hit.start, hit.end) if inside else (0, 0)
                spans.append(Span(message=index, start=start, end=end, kind=hit.kind))
                surest = max(surest, hit.score)
                if _RANK[_SEVERITY[hit.kind]] > _RANK[severity]:
                    severity = _SEVERITY[hit.kind]
        if not spans:
            return {"pii": Signal(value=(), confidence=0.97, detector="pii")}
        flag = Flag(kind="pii", score=surest, severity=severity, spans=tuple(spans))
        return {"pii": Signal(value=(flag,), confidence=surest, detector="pii")}


def _beside(body: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Texts that are none of the messages', each with the message that it belongs to (the first where it has none)."""
    sent = body.get("messages")
    for index, entry in enumerate(sent if isinstance(sent, list) else ()):
        if type(entry) is dict and len(entry) == 2 and type(entry.get("content")) is str and "role" in entry:
            continue  # as nearly all are
        if not isinstance(entry, Mapping):
            continue
        content = entry.get("content")
        if isinstance(content, list) and entry.get("role") == "assistant":
            # What it thought; its texts are read.
            yield from ((index, text) for part in content if not _is_text(part) for text in _texts(part))
        if len(entry) > 2 or "content" not in entry:
            for key, value in entry.items():
                if key not in _READ and key not in _MARKS:
                    yield from ((index, text) for text in _texts(value))
    for key, value in body.items():
        if key not in _CONTROLS and isinstance(value, str | list | Mapping):
            yield from ((0, text) for text in _texts(value))


def _is_text(part: Any) -> bool:
    return not isinstance(part, Mapping) or part.get("type") in ("text", "refusal")


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str) and not node.startswith("data:"):
            # An escaped line break would glue its "n" to the number behind it.
            yield node.replace("\\n", "  ")
        elif isinstance(node, Mapping):
            waiting.extend(each for key, each in node.items() if key not in _MARKS)
        elif isinstance(node, list):
            waiting.extend(node)


# A message's text is read as such; sound, pictures and files in it cannot be.
_READ = frozenset(("role", "content"))
_MARKS = frozenset(("type", "tool_call_id", "signature", "thought_signature", "thought_signatures"))
_CONTROLS = frozenset(
    ("messages", "model", "tools", "functions", "tool_choice", "function_call", "response_format", "stop", "modalities",
     "reasoning_effort", "service_tier", "verbosity", "stream_options", "guided_json", "guided_regex", "guided_choice",
     "guided_grammar", "router")
)  # fmt: skip


def _has_digit(text: str) -> bool:
    return (
        "1" in text or "2" in text or "0" in text or "3" in text or "5" in text or "4" in text or "6" in text
        or "7" in text or "8" in text or "9" in text
    )  # fmt: skip


def _emails(text: str) -> Iterator[Hit]:
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(0, at - 64), at)
        domain = _DOMAIN.match(text, at + 1) if local is not None else None
        if local is not None and domain is not None:
            name = local[0]
            # What stands glued before an address (quotes, "mailto:", "to=") is none of it.
            for glue in _QUOTES:
                cut = name.rfind(glue)
                inside = glue == "'" and cut > 0 and name[cut - 1].isalnum()
                if glue != "." and cut >= 0 and not inside:
                    name = name[cut + 1 :]
            if not name.isascii():
                name = _OTHER_SCRIPT.sub("", name)
            name = name.lstrip(".")
            last = domain[0].rsplit(".", 1)[1].lower()
            before = text[max(0, local.start() - 3) : at - len(name)]
            if (
                name
                and last not in _NO_DOMAIN
                and not before.endswith(("://", "@"))
                and not (name == "git" and text[domain.end() : domain.end() + 1] in (":", "/"))
            ):
                yield Hit("email", at - len(name), domain.end(), 0.98)
        at = text.find("@", at + 1)


def _numbers(text: str, lower: str, hits: list[Hit], *, may_tell_birth: bool) -> None:
    flat = text.encode("latin-1", "replace").translate(_CLASS)
    size = len(flat)
    pos = flat.find(b"0")
    while pos >= 0:
        run = _RUN.match(text, pos)
        end = run.end() if run is not None else pos + 1
        right = flat.find(b" ", pos)
        if right < 0:
            right = size
        left = flat.rfind(b" ", 0, pos) + 1
        if may_tell_birth and tells_birth(lower[max(0, pos - 56) : pos]):
            birth_date(text, pos, hits)
        street(text, lower, pos, hits)
        if left == pos and end - pos < 7 and end >= right and end - pos != 6:
            pos = flat.find(b"0", end)
            continue
        _island(text, flat, left, pos, end, right, hits)
        pos = flat.find(b"0", max(end, right))


def _island(text: str, flat: bytes, left: int, pos: int, end: int, right: int, hits: list[Hit]) -> None:
    """One number and the stretch without blanks that it stands in."""
    if right - left >= 16:
        key_in_token(text, left, right, hits)
        scheme = text.find("://", left, min(right, left + 64))
        if scheme >= 0:
            _addresses_of_machines(text, scheme, min(right, scheme + 64), hits)
            return
    first = left
    while first < max(end, right):
        _number(text, flat, first, pos, end, right, hits)
        # Several numbers may stand in one stretch ("tel:555-0100/555-0101").
        following = flat.find(b"0", max(end, pos + 1), right)
        if following < 0:
            return
        first = pos = following
        run = _RUN.match(text, pos)
        end = run.end() if run is not None else pos + 1


def _number(text: str, flat: bytes, left: int, pos: int, end: int, right: int, hits: list[Hit]) -> None:
    length = end - pos
    before = flat[pos - 1 : pos] if pos else b" "
    after = flat[end : end + 1]
    lettered = before == b"a" or after == b"a" or (after == b"-" and flat[end + 1 : end + 2] == b"a")
    spaced = before == b" " and length >= 6 and (text[pos - 2 : pos - 1].isalpha() or text[end : end + 1] == " ")
    if lettered or spaced or (before == b"-" and flat[pos - 2 : pos - 1] == b"a"):
        _lettered(text, pos, max(end, right), hits)
    # Only what is near: a stretch without blanks may be as long as the text.
    near_left, near_right = max(left, pos - 48), max(end, min(right, end + 48))
    if "." in text[pos:end] or ":" in text[near_left:near_right]:
        _addresses_of_machines(text, near_left, near_right, hits)
    if length < 6 or before == b"a":
        return
    digits = sum(map(str.isdigit, text[pos:end]))
    if digits < 6:
        return
    around = surroundings(text, pos, end)
    means = around.means
    if digits >= 12:
        for match in _CARD.finditer(text, pos, end):
            _card(match, means, hits)
    if digits >= 9 and after != b"a":
        identifiers(text, pos, end, means, hits)
    if means == "account":
        hits.extend(Hit("account", match.start(), match.end(), 0.9) for match in _ACCOUNT.finditer(text, pos, end))
    elif digits >= 7:
        phones(text, pos, end, around, hits)


def _card(match: re.Match[str], means: str | None, hits: list[Hit]) -> None:
    digits = "".join(char for char in match[0] if char.isdigit())
    network = card_network(digits)
    if network is None:
        if means == "card" and luhn(digits):
            hits.append(Hit("card", match.start(), match.end(), 0.93))
        return
    grouped = len(digits) != len(match[0])
    if means == "card":
        score = 0.99
    elif means in ("other", "phone", "id") or network == "maestro" or len(digits) not in (14, 15, 16):
        return
    else:
        score = 0.97 if grouped else 0.92
    hits.append(Hit("card", match.start(), match.end(), score))


def _lettered(text: str, pos: int, right: int, hits: list[Hit]) -> None:
    start = max(0, pos - 12)
    for form in (_IBAN, _IBAN_LOWER):
        for match in form.finditer(text, max(0, pos - 3), min(len(text), pos + 48)):
            _iban(match, hits)
    end = min(len(text), max(right, pos + 16))
    if end - start <= 80:
        lettered_identifiers(text, start, end, surroundings(text, pos, min(end, right)).means, hits)


def _iban(match: re.Match[str], hits: list[Hit]) -> None:
    written = match[0]
    length = iban_length(written[:2].upper())
    if length is None:
        return
    kept = 0
    for offset, char in enumerate(written):
        kept += char.isalnum()
        if kept == length:
            bare = "".join(char for char in written[: offset + 1] if char.isalnum()).upper()
            follows = match.string[match.start() + offset + 1 : match.start() + offset + 2]
            if iban(bare) and not follows.isalnum():
                hits.append(Hit("iban", match.start(), match.start() + offset + 1, 0.99))
            return


def _addresses_of_machines(text: str, left: int, right: int, hits: list[Hit]) -> None:
    for match in _IPV4.finditer(text, left, right):
        value = match[0]
        if value in _NOBODY or value.startswith(("127.", "0.")) or int(value.split(".", 1)[0]) >= 224:
            continue
        before = text[max(0, match.start() - 40) : match.start()]
        if not (_NO_ADDRESS.search(before) or _VERSIONS.search(before)):
            hits.append(Hit("ip", match.start(), match.end(), 0.95))
    token = text[left:right]
    if "::" in token or token.count(":") >= 7:
        hits.extend(
            Hit("ip", match.start(), match.end(), 0.97)
            for match in _IPV6.finditer(text, left, right)
            if _is_ipv6(match[0])
        )


def _is_ipv6(value: str) -> bool:
    groups = [group for group in value.split(":") if group]
    if len(groups) < 3 or not any(char.isdigit() for char in value):
        return False
    try:
        return not ipaddress.IPv6Address(value).is_loopback
    except ValueError:
        return False
