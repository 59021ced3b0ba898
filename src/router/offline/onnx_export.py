"""A torch network -> an ONNX graph with int8 weights that says the same (extra ``train``).

Activations are rounded too where that costs no accuracy on rows kept back (dynamic quantisation, one scale a column).
Where it does, each token gets a scale of its own, and columns are evened out. Where that costs accuracy as well,
products that narrow stay float: what goes into them has the largest outliers, and half of the rows that rounding turns
are turned there. Where that does not do, only weights are rounded: slower, as right as the network.

Weights have seven bits: two products of 8 bits each overflow the 16 bits in which processors without VNNI add them, so
that a graph would say one thing where it was made and another where it is served.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelFileError
from .onnx_scaling import scaled_by_token, smoothed, with_int8_vectors

__all__ = ["exported", "quantised", "with_int8_weights"]

_BATCH_AXES = {0: "batch"}
_TOKEN_AXES = {0: "batch", 1: "tokens"}


def exported(
    network: Any, outputs: Mapping[str, bool], *, inputs: Sequence[str] = ("input_ids", "attention_mask")
) -> bytes:
    """The float graph of ``network``; ``outputs`` maps each output's name to whether it has one entry a token.

    Raises:
        ModelFileError: the graph says something else than the network, on a batch of another shape.
    """
    import torch

    example = tuple(torch.ones(2, 9, dtype=torch.long) for _ in inputs)
    axes = dict.fromkeys(inputs, _TOKEN_AXES)
    axes |= {name: _TOKEN_AXES if by_token else _BATCH_AXES for name, by_token in outputs.items()}
    buffer = io.BytesIO()
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            example,
            buffer,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    graph = buffer.getvalue()
    _compare(network, graph, inputs)
    return graph


def quantised(
    graph: bytes,
    is_good: Callable[[bytes], bool] = lambda graph: True,
    samples: Sequence[npt.NDArray[np.int64]] = (),
) -> tuple[bytes, str]:
    """``(smaller graph, how)``: the first that ``is_good`` says so of, else ``int8 weights``.

    They are tried in this order: ``int8``, ``int8, scaled by token``, ``int8, narrowing products float``. ``samples``:
    token ids of some texts, ``(1, tokens)`` each, to see on them which columns are large.
    """
    for how, found in _ways(graph, samples):
        if is_good(found):
            return found, how
    return with_int8_weights(graph), "int8 weights"


def _ways(graph: bytes, samples: Sequence[npt.NDArray[np.int64]]) -> Iterator[tuple[str, bytes]]:
    """Graphs that are made when they are asked for, the fastest first."""
    yield "int8", _rounded(graph, [])
    yield "int8, scaled by token", _rounded(scaled_by_token(smoothed(graph, samples) if samples else graph), [])
    yield "int8, narrowing products float", _rounded(graph, _narrowing(graph))


def _narrowing(graph: bytes) -> list[str]:
    """The nodes that multiply by a matrix with more rows than columns."""
    import onnx

    model = onnx.load_from_string(graph)
    tall = {
        tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2 and tensor.dims[0] > tensor.dims[1]
    }
    return [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in tall]


def _rounded(graph: bytes, kept: list[str]) -> bytes:
    """The graph with products of rounded numbers, but for the nodes ``kept``."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _without_advice():
        warnings.simplefilter("ignore")
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(with_int8_vectors(graph))
        quantize_dynamic(
            whole,
            small,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=kept,
        )
        return small.read_bytes()


@contextmanager
def _without_advice() -> Iterator[None]:
    """Within, the library's advice to simplify the graph first is not printed: it is for its own developers."""
    root, silent = logging.getLogger(), logging.NullHandler()

    def is_no_advice(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Please consider")

    root.addFilter(is_no_advice)
    root.addHandler(silent)  # else the first message would give the root logger a handler for good
    try:
        yield
    finally:
        root.removeHandler(silent)
        root.removeFilter(is_no_advice)


def with_int8_weights(graph: bytes) -> bytes:
    """The float graph with its large matrices stored as int8 and one scale a column."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(with_int8_vectors(graph))  # else all of them would be widened for each text
    kept, added = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.ndim != 2 or array.size < 4096:
            kept.append(tensor)
            continue
        scale = np.maximum(np.abs(array).max(0), 1e-12).astype(np.float32) / 127.0
        small = np.clip(np.rint(array / scale), -127, 127).astype(np.int8)
        names = (f"{tensor.name}_int8", f"{tensor.name}_scale")
        kept += [numpy_helper.from_array(small, names[0]), numpy_helper.from_array(scale, names[1])]
        added.append(onnx.helper.make_node("DequantizeLinear", list(names), [tensor.name], axis=1))
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = [*added, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    data: bytes = model.SerializeToString()
    return data


def _compare(network: Any, graph: bytes, inputs: Sequence[str]) -> None:
    import onnxruntime
    import torch

    ids = torch.arange(3 * 17, dtype=torch.long).reshape(3, 17) % 200 + 5
    mask = torch.ones_like(ids)
    mask[1, 5:] = mask[2, 11:] = 0
    every = {"input_ids": ids, "attention_mask": mask, "token_type_ids": (ids % 2) * mask}
    with torch.inference_mode():
        expected = network(*(every[name] for name in inputs))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: every[name].numpy() for name in inputs})
    first: Any = expected[0] if isinstance(expected, tuple) else expected
    if _differ(found[0], first.numpy()):
        raise ModelFileError(
            "the exported graph differs from the trained network.",
            hint="This architecture cannot be exported: use another one.",
        )


def _differ(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return found.shape != expected.shape or float(np.abs(found - expected).max()) > 1e-2
