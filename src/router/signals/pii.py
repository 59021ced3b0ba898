"""Personal data and secrets: e-mail, phone, card, bank account, address, identity numbers, keys, names.

Each kind has a validator or a published format; what a number means is told by the words around it, so that order
numbers, versions, dates, UUIDs, hashes and technical names stay as they are. Measured figures and limits: the
benchmark ``benchmarks/pii``. The room decides nothing: a policy says what becomes of a flag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..patterns import late_pattern
from ..types import Flag, Severity, Signal, SignalName, Signals, Span
from .beside import beside
from .credentials import SECRET_GATES, worded_secrets
from .excerpt import excerpt, lowered
from .gates import Gates
from .hits import Hit, PiiKind, settled
from .numeric import numbers
from .personal import BIRTH_GATES, NAME_GATES, names

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
_CLEAN: Signal[tuple[Flag, ...]] = Signal(value=(), confidence=0.97, detector="pii")
_TOO_LONG: Signal[tuple[Flag, ...]] = Signal(value=None, confidence=0.0, detector="pii")

_OTHER_DIGITS = late_pattern(r"[٠-٩۰-۹०-९０-９]")
_ASCII_DIGITS = {base + n: 48 + n for base in (0x660, 0x6F0, 0x966, 0xFF10) for n in range(10)}

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


def find_pii(text: str, lower: str | None = None) -> tuple[Hit, ...]:
    """Personal data and secrets in ``text``, in reading order, none overlapping.

    ``Hit(kind, start, end, score)``: ``text[start:end]`` is the value alone (no label, no quotes); ``score`` is the
    probability that it is what ``kind`` says. ``lower``: the text in small letters, where somebody has them already.
    Time grows linearly with the text.
    """
    lower = text.lower() if lower is None else lower
    if len(lower) != len(text):
        lower = text
    hits: list[Hit] = []
    if "@" in text:
        hits.extend(_emails(text))
    found = _GATES.found(lower.encode("utf-8", "replace"))
    if "at)" in found or "at]" in found:
        hits.extend(Hit("email", match.start(), match.end(), 0.9) for match in _SPELT_OUT.finditer(text))
    if not text.isascii() and _OTHER_DIGITS.search(text):
        text = text.translate(_ASCII_DIGITS)
    has_digit = _has_digit(text)
    if found:
        worded_secrets(text, lower, found, hits, has_digit=has_digit)
        names(text, lower, found, hits)
    if has_digit:
        numbers(text, lower, hits, may_tell_birth=not BIRTH_GATES.isdisjoint(found))
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

    def __call__(self, signals: Signals, /) -> Signal[tuple[Flag, ...]]:
        request = signals.request
        texts, further = [message.text for message in request.messages], beside(request.body)
        if sum(map(len, texts)) + (sum([len(text) for _, text in further]) if further else 0) > MAX_CHARS:
            return _TOO_LONG
        user = signals.view(excerpt).user
        found = [
            (index, hit, hit.start, hit.end)
            for index, text in enumerate(texts)
            for hit in find_pii(text, signals.view(lowered) if text is user else None)
        ]
        if further:
            found += [(index, hit, 0, 0) for index, text in further for hit in find_pii(text)]
        if not found:
            return _CLEAN
        flag = Flag(
            kind="pii",
            score=max(hit.score for _, hit, _, _ in found),
            severity=max((_SEVERITY[hit.kind] for _, hit, _, _ in found), key=_RANK.__getitem__),
            spans=tuple(Span(message=index, start=start, end=end, kind=hit.kind) for index, hit, start, end in found),
        )
        return Signal(value=(flag,), confidence=flag.score, detector="pii")


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
