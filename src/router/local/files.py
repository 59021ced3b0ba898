"""Model files read with distrust: no pickle, sizes bounded, hashes checked before a byte is interpreted.

Arrays live in safetensors (https://huggingface.co/docs/safetensors), facts in JSON cards. Nothing here knows what a
model does.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..errors import ModelFileError

__all__ = ["read_arrays", "read_bytes", "sha256_of", "write_arrays", "write_bytes"]

Arrays = dict[str, npt.NDArray[Any]]
MAX_BYTES = 64 * 1024 * 1024


def read_bytes(path: Path, *, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> bytes:
    """The file's bytes, after its size and, where given, its SHA-256 were checked.

    Raises:
        ModelFileError: missing, no regular file, larger than ``max_bytes``, or not the bytes that its card was written
            for.
    """
    try:
        # What is opened is what is checked; a pipe or a device must neither block nor flow for ever.
        with open(path, "rb", opener=_unblocked) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ModelFileError("this is no regular file.", file=str(path), hint="Build the model again.")
            size = facts.st_size
            data = file.read(max_bytes + 1) if size <= max_bytes else b""
        if max(size, len(data)) > max_bytes:
            raise ModelFileError(
                f"the file has {max(size, len(data)):,} bytes, more than the {max_bytes:,} allowed.",
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
    return data


def read_arrays(path: Path, *, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> tuple[Arrays, dict[str, str]]:
    """Arrays and text metadata of a safetensors file.

    Raises:
        ModelFileError: as :func:`read_bytes`, or when it is no well-formed safetensors file.
    """
    data = read_bytes(path, sha256=sha256, max_bytes=max_bytes)
    try:
        arrays = load(data)
        header = int.from_bytes(data[:8], "little")
        metadata = _metadata(data[8 : 8 + header])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"the file is no well-formed safetensors file ({error}).", file=str(path), hint="Train the model again."
        ) from error
    return arrays, metadata


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file and return its SHA-256: the same arrays give the same file."""
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


def _metadata(header: bytes) -> dict[str, str]:
    metadata = json.loads(header).get("__metadata__", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("metadata values must be text")
    return dict(metadata)
