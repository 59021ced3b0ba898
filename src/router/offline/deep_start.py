"""The weights of an encoder that was trained before, out of its int8 graph: training may go on from them.

A graph of :func:`router.offline.deep_encoder.fine_tuned` keeps the names of its biases and layer norms; a matrix is
known by the bias that is added to its product. Rounded to int8 they lose less than one pass of training moves them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError

__all__ = ["weights_of"]

_THROUGH = ("Cast", "Mul")  # what stands between a product of integers and its bias


def weights_of(graph: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """Weights by the names that the network gives them, matrices of shape ``(out, in)``; embeddings are left out.

    Raises:
        ModelFileError: a product is followed by no bias with a name.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    stored = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    after: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            after.setdefault(name, []).append(node)
    found = {
        name: value.astype(np.float32)
        for name, value in stored.items()
        if name.endswith(("LayerNorm.weight", "LayerNorm.bias", "dense.bias", "query.bias", "key.bias", "value.bias"))
        or name == "head.bias"
    }
    for node in model.graph.node:
        if node.op_type != "MatMulInteger" or node.input[1] not in stored:
            continue
        name = node.input[1].removesuffix("_quantized")
        whole = stored[node.input[1]].astype(np.float32) - stored[f"{name}_zero_point"].astype(np.float32)
        bias = _bias_behind(node, after)
        found[f"{bias.removesuffix('bias')}weight"] = (whole * stored[f"{name}_scale"]).T.copy()
    return found


def _bias_behind(node: Any, after: dict[str, list[Any]]) -> str:
    for _ in range(len(_THROUGH) + 1):
        (node,) = after.get(node.output[0], (None,))[:1]
        if node is None:
            break
        if node.op_type == "Add":
            for name in node.input:
                if name.endswith(".bias"):
                    return str(name)
    raise ModelFileError(
        "the graph is none that training can go on from.", hint="Begin with the base: without --start."
    )
