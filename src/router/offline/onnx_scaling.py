"""Rewrite a float ONNX graph so that it says the same and loses less when its products are rounded (extra ``train``).

One scale for a whole activation is what ONNX Runtime's dynamic quantisation has; a first token whose values are a
hundred times those of the others leaves them a handful of steps. So each token is divided by its largest value before a
product and the result multiplied by it, and columns that are large in every token hand some of that to the weights
(SmoothQuant: Xiao et al., 2023, arXiv:2211.10438).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["scaled_by_token", "smoothed", "with_int8_vectors"]

_TO_WEIGHTS = 0.65  # how much of a column's size goes to the weights; 0.5 to 0.8 are usual
_LEAST = 1e-9

_F32 = npt.NDArray[np.float32]


def smoothed(graph: bytes, samples: Sequence[npt.NDArray[np.int64]]) -> bytes:
    """The graph with columns divided before each product, and rows of the weights multiplied, by what evens them out.

    ``samples``: token ids of some texts, ``(1, tokens)`` each: how large columns are is seen on them.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(graph)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    by_input: dict[str, list[Any]] = {}
    for node in _products(model):
        by_input.setdefault(node.input[0], []).append(node)
    largest = _largest_by_column(graph, list(by_input), samples)
    before: dict[str, Any] = {}
    for name, nodes in by_input.items():
        weights = {node.input[1]: numpy_helper.to_array(stored[node.input[1]]) for node in nodes}
        heaviest = np.max([np.abs(weight).max(1) for weight in weights.values()], axis=0)
        factor = np.maximum(largest[name], 1e-5) ** _TO_WEIGHTS / np.maximum(heaviest, 1e-5) ** (1.0 - _TO_WEIGHTS)
        factor = np.maximum(factor / np.exp(np.log(factor).mean()), 1e-3).astype(np.float32)
        inverse, even = f"{name}_inverse", f"{name}_even"
        model.graph.initializer.append(numpy_helper.from_array(1.0 / factor, inverse))
        before[nodes[0].name] = helper.make_node("Mul", [name, inverse], [even], name=even)
        for node in nodes:
            weight = weights[node.input[1]] * factor[:, None]
            stored[node.input[1]].CopyFrom(numpy_helper.from_array(weight, node.input[1]))
            node.input[0] = even
    return _rewritten(model, {name: [node] for name, node in before.items()}, {})


def scaled_by_token(graph: bytes) -> bytes:
    """The graph with each token divided by its largest absolute value before a product, multiplied by it after."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(graph)
    model.graph.initializer.append(numpy_helper.from_array(np.array(_LEAST, np.float32), "least_of_a_token"))
    before: dict[str, list[Any]] = {}
    after: dict[str, list[Any]] = {}
    seen: set[str] = set()
    for node in _products(model):
        name, result = node.input[0], node.output[0]
        top, unit = f"{name}_top", f"{name}_unit"
        if name not in seen:
            seen.add(name)
            before[node.name] = [
                helper.make_node("Abs", [name], [f"{name}_abs"], name=f"{name}_abs"),
                helper.make_node("ReduceMax", [f"{name}_abs"], [f"{name}_max"], name=f"{name}_max", axes=[-1]),
                helper.make_node("Max", [f"{name}_max", "least_of_a_token"], [top], name=top),
                helper.make_node("Div", [name, top], [unit], name=unit),
            ]
        after[node.name] = [helper.make_node("Mul", [f"{result}_unit", top], [result], name=f"{result}_scaled")]
        node.input[0], node.output[0] = unit, f"{result}_unit"
    return _rewritten(model, before, after)


def with_int8_vectors(graph: bytes) -> bytes:
    """The graph with what is looked up (word vectors and the like) in int8, one scale a vector."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    stored = {tensor.name: tensor for tensor in model.graph.initializer if _is_matrix(tensor)}
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
    nodes = []
    for node in model.graph.node:
        name = node.input[0] if node.op_type == "Gather" else ""
        if name not in stored or uses[name] != 1:
            nodes.append(node)
            continue
        vectors = numpy_helper.to_array(stored[name])
        scale = (np.maximum(np.abs(vectors).max(1, keepdims=True), 1e-12) / 127.0).astype(np.float32)
        small = np.clip(np.rint(vectors / scale), -127, 127).astype(np.int8)
        model.graph.initializer.remove(stored[name])
        model.graph.initializer.extend(
            [numpy_helper.from_array(small, f"{name}_row_int8"), numpy_helper.from_array(scale, f"{name}_row_scale")]
        )
        small_name, scale_name, found = f"{name}_row_int8", f"{name}_row_scale", node.output[0]
        parts = [f"{found}_row_int8", f"{found}_row_scale", f"{found}_row_wide"]
        nodes += [
            helper.make_node("Gather", [small_name, node.input[1]], [parts[0]], name=parts[0]),
            helper.make_node("Gather", [scale_name, node.input[1]], [parts[1]], name=parts[1]),
            helper.make_node("Cast", [parts[0]], [parts[2]], name=parts[2], to=TensorProto.FLOAT),
            helper.make_node("Mul", [parts[2], parts[1]], [found], name=f"{found}_row"),
        ]
    return _with_nodes(model, nodes)


def _products(model: Any) -> list[Any]:
    """The nodes that multiply by a stored matrix."""
    stored = {tensor.name for tensor in model.graph.initializer if _is_matrix(tensor)}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in stored]


def _is_matrix(tensor: Any) -> bool:
    return len(tensor.dims) == 2 and tensor.data_type == 1  # floats


def _largest_by_column(
    graph: bytes, names: list[str], samples: Sequence[npt.NDArray[np.int64]]
) -> dict[str, npt.NDArray[np.float64]]:
    """The largest absolute value of each column of the activations ``names`` over ``samples``."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    model = onnx.load_from_string(graph)
    given = [each.name for each in model.graph.input]
    told = {each.name for each in model.graph.output}
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in told
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, npt.NDArray[np.float64]] = {}
    for ids in samples:
        every = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        for name, value in zip(names, session.run(names, {key: every[key] for key in given}), strict=True):
            top = np.abs(value.reshape(-1, value.shape[-1])).max(0).astype(np.float64)
            found[name] = np.maximum(found[name], top) if name in found else top
    return found


def _rewritten(model: Any, before: dict[str, list[Any]], after: dict[str, list[Any]]) -> bytes:
    """The model with nodes put before and after others, by their names."""
    nodes = []
    for node in model.graph.node:
        nodes += [*before.get(node.name, []), node, *after.get(node.name, [])]
    return _with_nodes(model, nodes)


def _with_nodes(model: Any, nodes: list[Any]) -> bytes:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    data: bytes = model.SerializeToString()
    return data
