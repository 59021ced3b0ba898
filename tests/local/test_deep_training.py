"""An encoder is trained on from its int8 graph: what it has learnt stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from local_making import rows, tiny_encoder

pytest.importorskip("onnxruntime")
tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("torch")
pytest.importorskip("transformers")
onnx = pytest.importorskip("onnx")

from router.errors import ModelFileError  # noqa: E402
from router.local.encoder import Graph  # noqa: E402
from router.offline.deep_encoder import averaged, encoded, fine_tuned, pieces_of  # noqa: E402
from router.offline.deep_rows import DeepRow  # noqa: E402
from router.offline.deep_start import weights_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_training_goes_on_where_it_ended(tmp_path: Path) -> None:
    base = tiny_encoder(tmp_path)
    written = (base / "tokenizer.json").read_bytes()
    tokenizer = tokenizers.Tokenizer.from_str(written.decode())
    pieces = pieces_of(tokenizer, tokenizer)
    found = rows(120, 1)
    names = sorted(set(found.labels))
    draw = [DeepRow(text, label, (0, None), 1.0) for text, label in zip(found.texts, found.labels, strict=True)]
    tokens = encoded(tokenizer, found.texts, 32, 8)

    def scores(graph: bytes) -> np.ndarray:
        return Graph(graph, written, max_tokens=32, tail_tokens=8).run(found.texts)[0]

    first = fine_tuned(base, [(draw, tokens)], pieces, names, minutes=1.0, seed=1)
    start = weights_of(first)
    again = fine_tuned(base, [(draw, tokens)], pieces, names, minutes=1e-9, seed=2, start=start)
    other = fine_tuned(base, [(draw, tokens)], pieces, names, minutes=1e-9, seed=2)
    lost = np.abs(scores(again) - scores(first)).mean()
    apart = np.abs(scores(other) - scores(first)).mean()
    assert lost < 0.2 * apart
    second = fine_tuned(base, [(draw, tokens)], pieces, names, minutes=1.0, seed=2, start=start)
    parts = [(0.1, start), (0.9, weights_of(second))]
    for between, near, far in (
        (averaged(base, pieces, parts), second, first),
        (averaged(base, pieces, [(9.0, start), (1.0, weights_of(second))]), first, second),
    ):
        assert np.abs(scores(between) - scores(near)).mean() < np.abs(scores(between) - scores(far)).mean()


def test_graph_without_named_biases_is_refused() -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    weight = helper.make_tensor("w_quantized", kinds.INT8, (2, 2), [1, 2, 3, 4])
    zero = helper.make_tensor("w_zero_point", kinds.INT8, (2,), [0, 0])
    scale = helper.make_tensor("w_scale", kinds.FLOAT, (2,), [1.0, 1.0])
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w_quantized"], ["y"])],
        "bare",
        [helper.make_tensor_value_info("x", kinds.INT8, (1, 2))],
        [helper.make_tensor_value_info("y", kinds.INT32, (1, 2))],
        [weight, zero, scale],
    )
    with pytest.raises(ModelFileError, match="go on from"):
        weights_of(helper.make_model(graph).SerializeToString())
