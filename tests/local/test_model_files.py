"""Files of arrays: what is read is what the safetensors library reads, and what it refuses is refused."""

from __future__ import annotations

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors import SafetensorError
from safetensors.numpy import load

import router
from router.errors import ModelFileError
from router.local.files import read_arrays, write_arrays

SHIPPED = sorted((Path(router.__file__).parent / "builtin").rglob("*.safetensors"))
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).filter(
    lambda name: name != "__metadata__"
)
KINDS = st.sampled_from(
    [np.int8, np.uint8, np.uint16, np.uint32, np.int64, np.float16, np.float32, np.float64, np.bool_]
)
ARRAYS = st.dictionaries(
    NAMES,
    KINDS.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))),
    min_size=1,
    max_size=4,
)
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


def file_of(header: dict[str, Any] | bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def place(dtype: str = "U8", shape: tuple[Any, ...] = (2,), offsets: tuple[Any, ...] = (0, 2)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@quick
@given(written=ARRAYS, metadata=st.dictionaries(NAMES, NAMES, max_size=2))
def test_what_was_written_is_read(tmp_path: Path, written: dict[str, Any], metadata: dict[str, str]) -> None:
    path = tmp_path / "model.safetensors"
    sha256 = write_arrays(path, written, metadata)
    found, told = read_arrays(path, sha256=sha256)
    assert told == metadata
    assert found.keys() == written.keys()
    for name, array in written.items():
        assert found[name].dtype == array.dtype
        assert found[name].flags.aligned
        np.testing.assert_array_equal(found[name], array)


@quick
@given(data=st.data())
def test_no_damaged_file_is_read_otherwise(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "model.safetensors"
    write_arrays(path, {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.int8)}, {"x": "y"})
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    path.write_bytes(damaged)
    try:
        found, _ = read_arrays(path)
    except ModelFileError:
        return
    expected = load(bytes(damaged))
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02\x00",
        file_of(b""),
        file_of(b"{}", length=2**63),
        file_of(b"{}", length=3),
        file_of(b"[]"),
        file_of(b"[" * 100_000),
        file_of(b'{"a": ' + b"[" * 100_000),
        file_of(b'{"\xff": 1}'),
        file_of({"__metadata__": {"x": 1}}),
        file_of({"a": place()}),
        file_of({"a": place()}, b"abc"),
        file_of({"a": place(offsets=(1, 3))}, b"abc"),
        file_of({"a": place(), "b": place()}, b"ab"),
        file_of({"a": place(), "b": place(offsets=(1, 3))}, b"abc"),
        file_of({"a": place(shape=(3,))}, b"ab"),
        file_of({"a": place(shape=(-1, -2))}, b"ab"),
        file_of({"a": place(shape=(2**70, 0), offsets=(0, 0))}),
        file_of({"a": place(shape=(2.0,))}, b"ab"),
        file_of({"a": place(dtype="O")}, b"ab"),
        file_of({"a": place(dtype="BF16", shape=(1,))}, b"ab"),
        file_of({"a": {"dtype": "U8"}}, b"ab"),
    ],
)  # fmt: skip
def test_file_that_is_not_well_formed_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises((SafetensorError, KeyError, TypeError, ValueError, AttributeError)):
        load(content)
    with pytest.raises(ModelFileError, match="no well-formed"):
        read_arrays(path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: "/".join(path.parts[-2:]))
def test_shipped_arrays_stay_in_their_file(path: Path) -> None:
    data = path.read_bytes()
    found, _ = read_arrays(path, sha256=hashlib.sha256(data).hexdigest())
    for name, array in load(data).items():
        np.testing.assert_array_equal(found[name], array)
        assert not found[name].flags.writeable
    owner: Any = max(found.values(), key=lambda array: array.nbytes)
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)


def test_shipped_file_with_another_hash_is_refused() -> None:
    with pytest.raises(ModelFileError, match="SHA-256 differs"):
        read_arrays(SHIPPED[0], sha256="0" * 64)


def test_shipped_file_may_be_too_large() -> None:
    with pytest.raises(ModelFileError, match="more than the 10 allowed"):
        read_arrays(SHIPPED[0], max_bytes=10)
