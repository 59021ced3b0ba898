"""Personal data: the measured set of ``tests/cases/pii.yaml``, and the detector's promises."""

from __future__ import annotations

import re
import timeit
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.signals import checksums
from router.signals.pii import MAX_CHARS, PiiDetector, find_pii
from router.types import Message, Request, Signals

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
    assert len(CASES["found"]) + len(CASES["clean"]) >= 250
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
    ],
)
def test_published_examples_pass_their_check(check, number: str) -> None:
    assert check(number)
    digit = next(place for place in range(len(number) - 1, -1, -1) if number[place].isdigit())
    changed = number[:digit] + str((int(number[digit]) + 1) % 10) + number[digit + 1 :]
    assert not check(changed)


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


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_length_alone(piece: str) -> None:
    def took(size: int) -> float:
        text = piece * (size // len(piece))
        return min(timeit.repeat(lambda: find_pii(text), number=1, repeat=3))

    small = took(8_000)
    # Eight times the text may cost eight times the time, with room for noise; twice that squared would be 64.
    assert took(64_000) < 24 * small + 0.02


@given(st.text(max_size=300))
def test_any_text_gives_ordered_separate_hits(text: str) -> None:
    end = 0
    for hit in find_pii(text):
        assert end <= hit.start < hit.end <= len(text)
        end = hit.end


@given(st.text(alphabet="0123456789 -+().@:/aA", max_size=400))
def test_number_soup_never_raises(text: str) -> None:
    find_pii(text)
