"""Server-sent events survive every way of cutting the stream into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.sse import DONE, EventTooLarge, SseParser, encode_event

STREAM = (
    b'\xef\xbb\xbf: hello\r\ndata: {"a": 1}\r\n\r\nevent: error\r\ndata: two\r\ndata:  lines\nid: 7\nretry: 5\n\n'
    b"data\n\n: only a comment\n\ndata: caf\xc3\xa9\r\rdata: [DONE]\n\n"
)
EVENTS = [(b'{"a": 1}', ""), (b"two\n lines", "error"), (b"", ""), ("café".encode(), ""), (DONE, "")]


def parse(pieces):
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return [(event.data, event.event) for event in events + parser.close()]


def test_a_whole_stream_is_read():
    assert parse([STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_pieces_do_not_matter(cuts):
    edges = sorted({0, len(STREAM), *cuts})
    assert parse([STREAM[a:b] for a, b in pairwise(edges)]) == EVENTS


def test_single_bytes_do_not_matter():
    assert parse([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


def test_an_event_comes_as_soon_as_it_is_complete():
    parser = SseParser()
    assert parser.feed(b"data: 1\n") == []
    assert [event.data for event in parser.feed(b"\n")] == [b"1"]


def test_a_missing_last_blank_line_is_forgiven():
    assert parse([b"data: 1\n\ndata: [DONE]"]) == [(b"1", ""), (DONE, "")]


def test_a_stream_of_nothing_has_no_events():
    assert parse([]) == []
    assert parse([b"\n\n\n"]) == []


def test_an_endless_event_is_refused():
    parser = SseParser(max_bytes=1000)
    for _ in range(9):
        parser.feed(b"data: " + b"x" * 100)
    with pytest.raises(EventTooLarge):
        parser.feed(b"x" * 100)


def test_many_small_events_are_no_large_one():
    parser = SseParser(max_bytes=1000)
    for _ in range(100):
        assert len(parser.feed(b"data: " + b"x" * 90 + b"\n\n")) == 1


@given(st.lists(st.binary().filter(lambda data: b"\r" not in data and b"\x00" not in data), max_size=5))
def test_what_is_written_can_be_read(payloads):
    written = b"".join(encode_event(data) for data in payloads if not data.endswith(b"\n"))
    assert [data for data, _ in parse([written])] == [data for data in payloads if not data.endswith(b"\n")]
