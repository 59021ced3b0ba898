"""Low-rank adapters as the library ``peft`` writes them, merged into their network: ``W + scale * B A``.

Only what can be merged exactly is: plain LoRA on linear layers, with or without rank-stabilised scaling (Kalajdzievski,
2023, arXiv:2312.03732), and whole layers that were saved beside it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from ..local.files import read_arrays

__all__ = ["ADAPTER_FILE", "merged"]

ADAPTER_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
_MAX_BYTES = 1024 * 1024 * 1024
_MAX_RANK = 1024
_LORA = re.compile(r"(.+)\.lora_(A|B)(?:\.default)?\.weight")
_FIRST = "base_model.model."


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    peft_type: str
    r: int
    lora_alpha: float
    use_rslora: bool = False
    use_dora: bool = False
    fan_in_fan_out: bool = False
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    bias: str = "none"


def merged(network: Any, directory: Path) -> int:
    """Merge the adapter in ``directory`` into the torch module ``network``, in place; the number of layers changed.

    Raises:
        ModelFileError: no such adapter, one that cannot be merged exactly, or one made for another network.
    """
    settings = _settings(directory / ADAPTER_FILE)
    path = directory / WEIGHTS_FILE
    arrays, _ = read_arrays(path, max_bytes=_MAX_BYTES)
    state = network.state_dict()
    low: dict[str, dict[str, npt.NDArray[Any]]] = {}
    changed = 0
    for key, array in arrays.items():
        name = key.removeprefix(_FIRST)
        match = _LORA.fullmatch(name)
        if match is not None:
            low.setdefault(match[1], {})[match[2]] = array
            continue
        plain = (
            name.replace(".modules_to_save.default", "").replace(".modules_to_save", "").replace(".original_module", "")
        )
        _put(state, plain, array.astype(np.float32), path, replace=True)
        changed += 1
    scale = settings.lora_alpha / (settings.r**0.5 if settings.use_rslora else settings.r)
    for name, halves in low.items():
        down, up = halves.get("A"), halves.get("B")
        if down is None or up is None or down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:
            raise ModelFileError(f"the adapter's halves for {name} do not fit together.", file=str(path))
        change = scale * (up.astype(np.float32) @ down.astype(np.float32))
        _put(state, f"{name}.weight", change.T if settings.fan_in_fan_out else change, path, replace=False)
        changed += 1
    if not changed:
        raise ModelFileError("the adapter changes nothing.", file=str(path))
    network.load_state_dict(state)
    return changed


def _put(state: dict[str, Any], name: str, array: npt.NDArray[Any], path: Path, *, replace: bool) -> None:
    import torch

    known = state.get(name)
    if known is None or tuple(known.shape) != array.shape or not np.isfinite(array).all():
        raise ModelFileError(
            f"the adapter's {name} fits no layer of the network.",
            file=str(path),
            hint="Name the network that it was trained on with --base.",
        )
    value = torch.from_numpy(np.ascontiguousarray(array)).to(known.dtype)
    state[name] = value if replace else known + value


def _settings(path: Path) -> _Settings:
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=_Settings)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(f"this describes no adapter ({error}).", file=str(path)) from error
    odd = settings.use_dora or settings.rank_pattern or settings.alpha_pattern or settings.bias != "none"
    if settings.peft_type != "LORA" or odd or not 1 <= settings.r <= _MAX_RANK:
        raise ModelFileError(
            f"this adapter ({settings.peft_type}) is not plain LoRA and cannot be merged here.",
            file=str(path),
            hint="Merge it with peft (merge_and_unload) and give the directory that it then saves.",
        )
    return settings
