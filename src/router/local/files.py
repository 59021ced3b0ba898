"""Model files read with distrust: no pickle, sizes bounded, hashes checked before a byte is interpreted.

Arrays live in safetensors (https://huggingface.co/docs/safetensors), facts in JSON cards. Nothing here knows what a
model does.

A file that comes with the package is mapped: its arrays stay in the system's cache of files, where all processes share
them, and what no request asks for takes no memory. It is replaced by an update, never written into. Any other file is
read, since whoever trains a model again writes into it.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import stat
from collections.abc import Callable, Mapping
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError

__all__ = ["read_arrays", "read_bytes", "sha256_of", "write_arrays", "write_bytes"]

Arrays = dict[str, npt.NDArray[Any]]
MAX_BYTES = 64 * 1024 * 1024
_SHIPPED = Path(__file__).resolve().parent.parent / "builtin"
_MAX_HEADER = 1024 * 1024
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_Data = TypeVar("_Data", bytes, mmap.mmap)


class _Place(msgspec.Struct, frozen=True):
    """Where an array stands behind the header, as the header tells it."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


_header_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_place_of = msgspec.json.Decoder(_Place).decode
_metadata_of = msgspec.json.Decoder(dict[str, str]).decode


def read_bytes(path: Path, *, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> bytes:
    """The file's bytes, after its size and, where given, its SHA-256 were checked.

    Raises:
        ModelFileError: missing, no regular file, larger than ``max_bytes``, or not the bytes that its card was written
            for.
    """
    return _checked(path, sha256, max_bytes, lambda file: file.read(max_bytes + 1))


def read_arrays(path: Path, *, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> tuple[Arrays, dict[str, str]]:
    """Arrays, which nobody can write into, and text metadata of a safetensors file.

    Raises:
        ModelFileError: as :func:`read_bytes`, or when it is no well-formed safetensors file.
    """
    if path.resolve().is_relative_to(_SHIPPED):
        return _arrays(_checked(path, sha256, max_bytes, _mapped), path)
    return _arrays(read_bytes(path, sha256=sha256, max_bytes=max_bytes), path)


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file and return its SHA-256: the same arrays give the same file."""
    from safetensors.numpy import save  # whoever only reads models does without it

    data = _in_order(save(dict(arrays), metadata=dict(metadata)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def write_bytes(path: Path, data: bytes) -> str:
    """Write a file and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _in_order(data: bytes) -> bytes:
    # The library writes the header's metadata in no fixed order; a sorted one makes hashes repeatable.
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _checked(path: Path, sha256: str | None, max_bytes: int, read: Callable[[BufferedReader], _Data]) -> _Data:
    """What ``read`` makes of the opened file, once it is known to be as it must."""
    try:
        # What is opened is what is checked; a pipe or a device must neither block nor flow for ever.
        with open(path, "rb", opener=_unblocked) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ModelFileError("this is no regular file.", file=str(path), hint="Build the model again.")
            size = facts.st_size
            data = read(file) if size <= max_bytes else None
        size = size if data is None else max(size, len(data))
        if data is None or size > max_bytes:
            raise ModelFileError(
                f"the file has {size:,} bytes, more than the {max_bytes:,} allowed.",
                file=str(path),
                hint="Only load model files that you made or trust.",
            )
    except OSError as error:
        raise ModelFileError(
            f"the file cannot be read ({error.strerror}).", file=str(path), hint="Check the path, or build it again."
        ) from error
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ModelFileError(
            "the file is not the one its card was written for (SHA-256 differs).",
            file=str(path),
            hint="It was changed or cut: restore it, or train the model again.",
        )
    if isinstance(data, mmap.mmap) and hasattr(data, "madvise"):
        # To work out the hash, all of it was read; it comes again, page by page, as it is asked for.
        data.madvise(mmap.MADV_DONTNEED)
    return data


def _mapped(file: BufferedReader) -> mmap.mmap:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise OSError(0, "it is empty") from error


def _arrays(data: bytes | mmap.mmap, path: Path) -> tuple[Arrays, dict[str, str]]:
    """What stands in the bytes of a safetensors file (https://huggingface.co/docs/safetensors): arrays one behind the
    other, in the order of their offsets, without a gap."""
    try:
        begin = 8 + int.from_bytes(data[:8], "little")
        if not 8 < begin <= min(len(data), _MAX_HEADER):
            raise ValueError("its header has no possible length")
        header = _header_of(data[8:begin])
        metadata = _metadata_of(header.pop("__metadata__", b"{}"))
        places = {name: _place_of(each) for name, each in header.items()}
        found: Arrays = {}
        end = 0
        for name, place in sorted(places.items(), key=lambda item: item[1].data_offsets):
            dtype = np.dtype(_DTYPES[place.dtype])
            count = prod(place.shape)
            if min(place.shape, default=0) < 0 or place.data_offsets != (end, end + count * dtype.itemsize):
                raise ValueError(f"the array {name[:100]!r} is not where it must be")
            end = place.data_offsets[1]
            if begin + end > len(data):
                raise ValueError(f"the array {name[:100]!r} is cut")
            array = np.frombuffer(data, dtype, count, begin + place.data_offsets[0]).reshape(place.shape)
            found[name] = array if array.flags.aligned else array.copy()
        if begin + end != len(data):
            raise ValueError("there is more behind its arrays")
    except (msgspec.MsgspecError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise ModelFileError(
            f"the file is no well-formed safetensors file ({error}).", file=str(path), hint="Train the model again."
        ) from error
    return found, metadata
