from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigError, RouterError
from router.offline.reading import read_labelled, read_texts

ROWS = [("der Schlüssel klemmt", "Tür"), ("das Licht flackert", "Lampe"), ("поменяйте лампу", "Lampe")]


def written(path: Path, kind: str, encoding: str = "utf-8") -> Path:
    target = path / f"rows.{kind}"
    if kind == "jsonl":
        text = "\n".join(json.dumps({"text": t, "label": n}, ensure_ascii=False) for t, n in ROWS)
    elif kind == "json":
        text = json.dumps({"data": [{"sentence": t, "intent": n} for t, n in ROWS]}, ensure_ascii=False)
    else:
        mark = {"csv": ",", "tsv": "\t", "semicolon.csv": ";"}[kind]
        text = mark.join(("Text", "Label")) + "\n" + "\n".join(f'"{t}"{mark}{n}' for t, n in ROWS)
    target.write_bytes(text.encode(encoding))
    return target


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "semicolon.csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_usual_formats_and_encodings_are_read(tmp_path: Path, kind: str, encoding: str) -> None:
    found = read_labelled(written(tmp_path, kind, encoding)).rows
    assert list(zip(found.texts, found.labels, strict=True)) == ROWS


def test_legacy_encoding_is_recognised_and_said(tmp_path: Path) -> None:
    lines = [f"größe und länge passen nicht zu schuh {n};größe" for n in range(40)]
    lines += [f"über die straße kommt ein päckchen {n};weg" for n in range(40)]
    (tmp_path / "rows.csv").write_bytes("\n".join(["text;label", *lines]).encode("cp1252"))
    found = read_labelled(tmp_path / "rows.csv")
    assert set(found.rows.labels) == {"größe", "weg"}
    assert "not UTF-8" in found.notes[0]


def test_gzip_and_hugging_face_columns_are_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt", encoding="utf-8") as file:
        for n in range(6):
            file.write(json.dumps({"idx": n, "text": f"text {n}", "label": n % 2, "label_text": "ab"[n % 2]}) + "\n")
    assert set(read_labelled(tmp_path / "rows.jsonl.gz").rows.labels) == {"a", "b"}


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"review": ["good", "bad", None], "stars": [5.0, 1.0, 3.0]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    found = read_labelled(tmp_path / "rows.parquet", label="stars")
    assert found.rows.labels == ("5", "1")
    assert "1 rows without" in found.notes[0]


def test_unnamed_columns_are_told_by_shape(tmp_path: Path) -> None:
    lines = [f"where is parcel number {n},{'late' if n % 2 else 'lost'}" for n in range(20)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    found = read_labelled(tmp_path / "rows.csv")
    assert len(found.rows) == 20
    assert set(found.rows.labels) == {"late", "lost"}


def test_repeats_and_contradictions_are_counted(tmp_path: Path) -> None:
    rows = [("a b", "x"), ("A  b", "x"), ("c", "x"), ("c", "y"), ("d", "y"), ("d", "y"), ("d", "x")]
    (tmp_path / "r.jsonl").write_text("\n".join(json.dumps({"text": t, "label": n}) for t, n in rows))
    found = read_labelled(tmp_path / "r.jsonl")
    assert found.rows.texts == ("a b", "d")
    assert len(found.notes) == 2


def test_line_of_broken_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"text": "a", "label": "b"}\n{"text": ')
    with pytest.raises(ConfigError, match=r"r\.jsonl:2: this is no JSON"):
        read_labelled(tmp_path / "r.jsonl")


def test_several_labels_a_row_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"text": "a", "label": ["b", "c"]}')
    with pytest.raises(ConfigError, match="2 labels"):
        read_labelled(tmp_path / "r.jsonl")


@pytest.mark.parametrize("name", ["nowhere.jsonl", "rows.xlsx", "bad.csv.gz"])
def test_unreadable_file_is_a_typed_error(tmp_path: Path, name: str) -> None:
    if name == "bad.csv.gz":
        (tmp_path / name).write_bytes(b"no gzip at all")
    with pytest.raises(ConfigError):
        read_labelled(tmp_path / name)


def test_plain_lines_are_texts(tmp_path: Path) -> None:
    (tmp_path / "ood.txt").write_text("one\n\ntwo\n")
    assert read_texts(tmp_path / "ood.txt") == ("one", "two")


@given(
    st.sampled_from(["jsonl", "json", "csv", "tsv"]), st.binary(max_size=300) | st.text(max_size=200).map(str.encode)
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_rows_or_a_typed_error(tmp_path_factory: pytest.TempPathFactory, kind: str, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{kind}"
    path.write_bytes(data)
    try:
        found = read_labelled(path).rows
    except RouterError:
        return
    assert all(text.strip() and label for text, label in zip(found.texts, found.labels, strict=True))


WORDS = (("sea", "wet"), ("sun", "dry"))
TABLE = [(f"the {word} of number {number}", label) for number in range(6) for word, label in WORDS]


def test_columns_of_a_json_object_are_read_side_by_side(tmp_path: Path) -> None:
    texts, labels = zip(*TABLE, strict=True)
    (tmp_path / "r.json").write_text(json.dumps({"text": texts, "label": labels}))
    found = read_labelled(tmp_path / "r.json").rows
    assert (found.texts, found.labels) == (texts, labels)


@pytest.mark.parametrize("places", [(0, 1), (1, 0), (None, 0, 1), (0, None, 1)])
def test_a_table_without_a_header_loses_no_row(tmp_path: Path, places: tuple[int | None, ...]) -> None:
    table = [[str(at) if place is None else row[place] for place in places] for at, row in enumerate(TABLE)]
    (tmp_path / "r.csv").write_text("\n".join(",".join(row) for row in table))
    found = read_labelled(tmp_path / "r.csv").rows
    assert sorted(zip(found.texts, found.labels, strict=True)) == sorted(TABLE)


def test_unknown_names_are_a_header_when_no_cell_below_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("Nr,Vorgang,Amt\n" + "\n".join(f"{at},{a},{b}" for at, (a, b) in enumerate(TABLE)))
    found = read_labelled(tmp_path / "r.csv")
    assert len(found.rows) == len(TABLE)
    assert any("'Amt'" in note for note in found.notes)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": {"a": "b"}, "label": "x"}, "the text is an object"),
        ({"text": ["a", "b"], "label": "x"}, "the text is a list"),
        ({"text": "a", "label": {"name": "x"}}, "the label is a list or an object"),
        ({"text": "a", "label": [["x"]]}, "the label is a list or an object"),
    ],
)
def test_what_is_no_text_and_no_label_is_named_by_its_line(tmp_path: Path, row: object, message: str) -> None:
    (tmp_path / "r.jsonl").write_text('{"text": "fine", "label": "x"}\n' + json.dumps(row))
    with pytest.raises(ConfigError, match=message) as caught:
        read_labelled(tmp_path / "r.jsonl")
    assert caught.value.line == 2


def test_half_a_letter_in_a_label_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"text": "fine", "label": "x\\ud800"}\n{"text": ["good"], "label": ["y"]}')
    found = read_labelled(tmp_path / "r.jsonl").rows
    assert found.labels == ("x?", "y")
    assert found.texts == ("fine", "good")


def test_labels_that_differ_in_capitals_alone_are_told(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("text,label\n" + "".join(f"text {n},{('Spam', 'spam')[n % 2]}\n" for n in range(8)))
    assert any("'Spam', 'spam'" in note for note in read_labelled(tmp_path / "r.csv").notes)
    (tmp_path / "r.csv").write_text("text,label\n" + "".join(f"text {n},{('ham', 'spam')[n % 2]}\n" for n in range(8)))
    assert read_labelled(tmp_path / "r.csv").notes == ()
