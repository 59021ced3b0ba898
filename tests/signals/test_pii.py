"""Personal data: the measured set of ``tests/cases/pii.yaml``, and the detector's promises."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from router.signals import checksums, credentials, identifiers, personal, phones, pii, surroundings
from router.signals import checksums_world as world
from router.signals.pii import MAX_CHARS, PiiDetector, find_pii
from router.types import Message, Request, Signals
from router.wire.openai import read_chat

THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Mail bo@firma.se"}]}
CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "pii.yaml").read_text(encoding="utf-8"))
MARK = re.compile(r"\[\[(\w+):(.+?)\]\](?!\])")


def unmarked(line: str) -> tuple[str, set[tuple[str, int, int]]]:
    """The text without its marks, and the stretches that they marked."""
    text, spans, last = "", set(), 0
    for match in MARK.finditer(line):
        text += line[last : match.start()]
        spans.add((match[1], len(text), len(text) + len(match[2])))
        text += match[2]
        last = match.end()
    return text + line[last:], spans


def read(request: Request):
    detector = PiiDetector()
    return Signals(request, {"pii": detector})["pii"]


def test_precision_and_recall_on_written_set() -> None:
    found_right = found = marked = 0
    wrong = []
    for line in CASES["found"] + CASES["clean"]:
        text, spans = unmarked(line)
        hits = {(hit.kind, hit.start, hit.end) for hit in find_pii(text)}
        found_right += len(hits & spans)
        found += len(hits)
        marked += len(spans)
        if hits != spans:
            wrong.append((text, sorted(spans - hits), sorted(hits - spans)))
    precision, recall = found_right / found, found_right / marked
    assert len(CASES["found"]) + len(CASES["clean"]) >= 600
    assert precision >= 0.98, (precision, wrong)
    assert recall >= 0.95, (recall, wrong)


def test_clean_texts_stay_clean() -> None:
    flagged = [line for line in CASES["clean"] if find_pii(line)]
    assert len(flagged) <= 0.02 * len(CASES["clean"]), flagged


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (checksums.iban, "GB82WEST12345698765432"),
        (checksums.aadhaar, "234123412346"),
        (checksums.nir, "255081416802538"),
        (checksums.dni, "12345678Z"),
        (checksums.codice_fiscale, "RSSMRA85T10A562S"),
        (checksums.bsn, "111222333"),
        (checksums.cpf, "52998224725"),
        (checksums.cnpj, "11222333000181"),
        (checksums.pesel, "44051401359"),
        (checksums.cn_resident, "11010519491231002X"),
        (checksums.personnummer, "8112189876"),
        (checksums.hetu, "131052-308T"),
        (checksums.ahv, "7569217076985"),
        (checksums.belgian, "85073003328"),
        (checksums.tckn, "10000000146"),
        (checksums.south_african, "8001015009087"),
        (checksums.tfn, "123456782"),
        (checksums.steuer_id, "86095742719"),
        (checksums.nric, "S1234567D"),
        (checksums.nhs, "9434765919"),
        (checksums.rut, "123456785"),
        (checksums.sin, "130692544"),
        (world.pps, "1234567T"),
        (world.taiwanese, "A123456789"),
        (world.isikukood, "37605030299"),
        (world.nif_pt, "123456789"),
        (world.egn, "7523169263"),
        (world.my_number, "123456789018"),
        (world.oib, "33392005961"),
        (world.cuit, "20267565393"),
        (world.nip, "1060000062"),
        (world.amka, "01013099997"),
        (world.israeli, "123456782"),
        (world.rodne_cislo, "7103192745"),
        (world.emso, "0101006500006"),
        (world.thai, "1101700207366"),
    ],
)
def test_published_examples_pass_their_check(check, number: str) -> None:
    assert check(number)
    digit = next(place for place in range(len(number) - 1, -1, -1) if number[place].isdigit())
    changed = number[:digit] + str((int(number[digit]) + 1) % 10) + number[digit + 1 :]
    assert not check(changed)


def test_the_check_digit_of_an_icelandic_number_is_its_last_but_one() -> None:
    assert world.kennitala("1201743399")
    assert not world.kennitala("1201743389")


def test_spans_point_into_their_message() -> None:
    request = Request(
        messages=(
            Message(role="system", text="Answer kindly."),
            Message(role="user", text="I am at ana.lima@correio.pt"),
            Message(role="tool", text='{"phone": "+14155552671"}'),
        )
    )
    (flag,) = read(request).value
    values = [request.messages[span.message].text[span.start : span.end] for span in flag.spans]
    assert values == ["ana.lima@correio.pt", "+14155552671"]
    assert [span.kind for span in flag.spans] == ["email", "phone"]


def test_clean_request_has_empty_value() -> None:
    assert read(Request(messages=(Message(role="user", text="Summarise the plot of Hamlet."),))).value == ()


def test_too_long_request_is_unknown() -> None:
    request = Request(messages=(Message(role="user", text="a" * (MAX_CHARS + 1)),))
    assert read(request).value is None


def test_tool_call_arguments_are_searched() -> None:
    body = {
        "messages": [
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": "mail", "arguments": '{"to":"bo@firma.se"}'}}],
            }
        ]
    }
    request = Request(messages=(Message(role="assistant", text="", has_tool_calls=True),), body=body)
    (flag,) = read(request).value
    assert flag.spans[0].kind == "email"


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "bo@firma.se"},
        {"metadata": {"customer": "bo@firma.se"}},
        {"prediction": {"type": "content", "content": "Mail bo@firma.se"}},
        {"documents": [{"data": {"text": "Mail bo@firma.se"}}]},
        {"messages": [{"role": "user", "content": "Write a story.", "name": "bo@firma.se"}]},
        {"messages": [{"role": "user", "content": "Write a story."}, {"role": "assistant", "refusal": "bo@firma.se"}]},
        {"messages": [{"role": "user", "content": "Write a story."}, {"role": "assistant", "content": [THOUGHT]}]},
    ],
)
def test_what_travels_beside_the_texts_is_searched(fields: dict[str, Any]) -> None:
    request = read_chat({"messages": [{"role": "user", "content": "Write a story."}], **fields})
    (flag,) = read(request).value
    assert [span.kind for span in flag.spans] == ["email"]


def test_made_up_examples_of_tools_are_no_personal_data() -> None:
    function = {"name": "mail", "description": "Sends mail, to bo@firma.se for example.", "parameters": {}}
    tools = [{"type": "function", "function": function}]
    assert read(read_chat({"messages": [{"role": "user", "content": "Write a story."}], "tools": tools})).value == ()


def test_secrets_are_of_high_severity() -> None:
    (flag,) = read(Request(messages=(Message(role="user", text="key AKIAIOSFODNN7EXAMPLE"),))).value
    assert flag.severity == "high"


def test_cut_private_key_is_found() -> None:
    text = "key:\n-----BEGIN RSA PRIVATE KEY-----\nMIIEow"
    assert [(hit.kind, hit.start, hit.end) for hit in find_pii(text)] == [("api_key", 5, len(text))]


HOSTILE = [
    "1a",
    "+1 ",
    "a@",
    "eyJaaaaaaaa-",
    "1.",
    "1:",
    "password: ",
    "-----BEGIN PRIVATE KEY-----",
    "://a:b",
    "name is ",
    "9" * 50,
]


class Counted:
    """A pattern that counts how many characters it was given to search, or matched where it may match one place."""

    def __init__(self, pattern: re.Pattern[str], work: list[int]) -> None:
        self.pattern, self.work = pattern, work

    def _searched(self, name: str, text: str, start: int = 0, end: int = sys.maxsize) -> Any:
        self.work[0] += max(0, min(end, len(text)) - start) + 1
        return getattr(self.pattern, name)(text, start, end)

    def search(self, *args: Any) -> Any:
        return self._searched("search", *args)

    def finditer(self, *args: Any) -> Any:
        return self._searched("finditer", *args)

    def findall(self, *args: Any) -> Any:
        return self._searched("findall", *args)

    def match(self, *args: Any) -> Any:
        found = self.pattern.match(*args)
        self.work[0] += len(found[0]) + 1 if found else 1
        return found

    def fullmatch(self, *args: Any) -> Any:
        return self._searched("fullmatch", *args)

    def sub(self, new: Any, text: str) -> str:
        self.work[0] += len(text) + 1
        return self.pattern.sub(new, text)


def counted(value: Any, work: list[int]) -> Any:
    if isinstance(value, re.Pattern):
        return Counted(value, work)
    if type(value) is tuple and any(isinstance(each, re.Pattern | tuple) for each in value):
        return tuple(counted(each, work) for each in value)
    return value


@pytest.mark.parametrize("piece", HOSTILE)
def test_work_grows_with_length_alone(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work = [0]
    for module in (credentials, identifiers, personal, phones, pii, surroundings):
        for name, value in list(vars(module).items()):
            if isinstance(value, re.Pattern | tuple):
                monkeypatch.setattr(module, name, counted(value, work))

    def done(size: int) -> int:
        """Characters that patterns were given, and calls that were made, for a text of ``size`` characters."""
        work[0] = 0
        calls = 0

        def note(frame: Any, event: str, arg: Any) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            find_pii(piece * (size // len(piece)))
        finally:
            sys.setprofile(None)
        return work[0] + calls

    # Four times the text may cost four times the work; twice that squared would be sixteen.
    assert done(16_000) <= 5 * done(4_000) + 2_000


@given(st.text(max_size=300))
def test_any_text_gives_ordered_separate_hits(text: str) -> None:
    end = 0
    for hit in find_pii(text):
        assert end <= hit.start < hit.end <= len(text)
        end = hit.end


TELLING = ("my SSN is", "passport", "NINO", "card", "call me on", "order no.", "IBAN", "account", "X", "AB", " ", "")


@given(
    st.lists(st.sampled_from(TELLING) | st.text(alphabet="0123456789 -+().@:/aA", max_size=60), max_size=12).map(
        " ".join
    )
)
@example("SSN 123456789.12 /-3")
def test_number_soup_never_raises(text: str) -> None:
    find_pii(text)
