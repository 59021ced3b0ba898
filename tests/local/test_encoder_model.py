from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from local_making import accuracy, copy_damaged, rows, tiny_encoder

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
onnx = pytest.importorskip("onnx")

from router.errors import ModelFileError, RouterError  # noqa: E402
from router.local.base import CARD, read_card, write_card  # noqa: E402
from router.local.encoder import (  # noqa: E402
    ARRAYS_FILE,
    GRAPH_FILE,
    NGRAMS_FILE,
    TOKENIZER_FILE,
    EncoderModel,
    opened_session,
    opened_tokenizer,
)
from router.local.files import write_bytes  # noqa: E402
from router.local.load import load_local_model  # noqa: E402
from router.offline.bases import find_base, pretrained  # noqa: E402
from router.offline.encoder import EncoderMaker  # noqa: E402
from router.offline.finetune import Schedule, Trained, _start_head, classifier, fine_tune  # noqa: E402
from router.offline.onnx_export import exported, quantised  # noqa: E402
from router.offline.promise import Goal  # noqa: E402
from router.offline.teacher import pieces, taught  # noqa: E402

FILES = (ARRAYS_FILE, GRAPH_FILE, NGRAMS_FILE, TOKENIZER_FILE)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def saved(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("encoder")
    made = EncoderMaker(
        base=base,
        schedule=Schedule(rate=5e-3, epochs=3, layer_decay=1.0),
        minutes=2.0,
        max_tokens=32,
        goal=Goal(max_error=0.2),
    )
    made.fit(rows(400, 1), rows(400, 2), {"sums": [f"compute {n} plus {n + 2}" for n in range(40)]})
    made.export(
        directory,
        made.card(
            name="places", task="topic_classification", languages=("en",), rows=400, licence="none", data_hash="none"
        ),
    )
    return directory


def test_fine_tuned_graph_is_served_without_torch(saved: Path) -> None:
    test = rows(150, 3)
    found = load_local_model(saved).predict(test.texts)
    assert accuracy(found, test) > 0.9
    assert set(json.loads((saved / CARD).read_text())["files"]) == {*FILES}


def test_ngrams_are_read_beside_the_graph(saved: Path) -> None:
    model = load_local_model(saved)
    assert isinstance(model, EncoderModel)
    bare = EncoderModel(model.card, model._graph, model.arrays)
    texts = rows(50, 5).texts
    assert model.measure(texts)[1].shape[1] > bare.measure(texts)[1].shape[1]
    assert not np.allclose(model.measure(texts)[0], bare.measure(texts)[0], atol=1e-4)


def test_single_and_batched_texts_are_read_alike(saved: Path) -> None:
    model = load_local_model(saved)
    texts = rows(20, 4).texts
    batched = [p.probabilities for p in model.predict(texts)]
    # Weights and activations are eight bits wide, and their range is a batch's: equal only to that precision.
    assert np.allclose(batched, [model.predict([text])[0].probabilities for text in texts], atol=0.08)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["cut", "changed", "missing"])
def test_damaged_file_is_refused(saved: Path, tmp_path: Path, name: str, change: str) -> None:
    copy_damaged(saved, tmp_path, (CARD, *FILES), name, change)
    with pytest.raises(ModelFileError):
        load_local_model(tmp_path)


@pytest.mark.parametrize("name", [GRAPH_FILE, NGRAMS_FILE, TOKENIZER_FILE])
def test_vouched_nonsense_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    for file in FILES:
        (tmp_path / file).write_bytes((saved / file).read_bytes())
    card = read_card(saved)
    digest = write_bytes(tmp_path / name, b"no graph, no tokenizer")
    write_card(tmp_path, msgspec.structs.replace(card, files={**card.files, name: digest}))
    with pytest.raises(ModelFileError):
        load_local_model(tmp_path)


def test_rounding_that_costs_too_much_is_tried_in_other_ways(base: Path) -> None:
    network, _, _ = pretrained(find_base(base), 32)
    whole = exported(classifier(network, 3).eval(), {"logits": False, "pooled": False})
    tried: list[bytes] = []

    def third(graph: bytes) -> bool:
        tried.append(graph)
        return len(tried) == 3

    found, how = quantised(whole, third, [np.arange(4, 12)[None]])
    assert (found, how) == (tried[2], "int8, narrowing products float")
    rounded = [str(onnx.load_from_string(graph)).count("MatMulInteger") for graph in tried]
    assert 0 < rounded[2] < rounded[1] == rounded[0]
    assert quantised(whole, lambda graph: False)[1] == "int8 weights"


def test_huge_values_of_one_token_leave_the_others_their_steps() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(1, 9, 64)).astype(np.float32)
    values[0, 0] *= 300.0
    values[..., 5] *= 40.0
    helper, kinds, stored = onnx.helper, onnx.TensorProto, onnx.numpy_helper.from_array
    table, weight = values[0], draw.normal(size=(64, 32)).astype(np.float32)
    whole = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Gather", ["table", "input_ids"], ["found"], name="look up"),
                helper.make_node("MatMul", ["found", "weight"], ["pooled"], name="product"),
            ],
            "one product",
            [helper.make_tensor_value_info("input_ids", kinds.INT64, ["batch", "tokens"])],
            [helper.make_tensor_value_info("pooled", kinds.FLOAT, ["batch", "tokens", 32])],
            [stored(table, "table"), stored(weight, "weight")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    ).SerializeToString()
    ids = np.arange(9)[None]
    tried: list[bytes] = []
    quantised(whole, lambda graph: bool(tried.append(graph)), [ids])
    plain, by_token = (
        np.abs(opened_session(graph, 1, "").run(None, {"input_ids": ids})[0] - values @ weight)[0, 1:].mean()
        for graph in tried[:2]
    )
    assert by_token < 0.2 * plain


def test_weights_fit_processors_that_add_in_16_bits(base: Path) -> None:
    network, _, _ = pretrained(find_base(base), 32)
    graph, _ = quantised(exported(classifier(network, 3).eval(), {"logits": False, "pooled": False}))
    stored = {tensor.name: tensor for tensor in onnx.load_from_string(graph).graph.initializer}
    products = [node for node in onnx.load_from_string(graph).graph.node if node.op_type == "MatMulInteger"]
    assert products
    for node in products:
        assert np.abs(onnx.numpy_helper.to_array(stored[node.input[1]]).astype(int)).max() <= 64


def _tuned(base: Path, schedule: Schedule, minutes: float) -> tuple[Trained, set[str]]:
    """What happened on 400 short rows, and the names of the weights that moved."""
    encoder, _, _ = pretrained(find_base(base), 32)
    network = classifier(encoder, 2)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    tokens, target = [[2, 4 + row % 90, 3] for row in range(400)], np.arange(400) % 2
    trained = fine_tune(
        network, tokens, target, schedule, check=(tokens[:40], target[:40]), pad=0, mask=None, minutes=minutes
    )
    return trained, {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}


def test_lowest_layers_stay_where_the_schedule_says_so(base: Path) -> None:
    trained, moved = _tuned(base, Schedule(epochs=2, rate=1e-3, frozen=1), 2.0)
    assert trained.steps == 26
    assert moved
    assert not [name for name in moved if "embeddings" in name or ".layer.0." in name]
    assert [name for name in moved if ".layer.1." in name]
    assert [name for name in _tuned(base, Schedule(epochs=2, rate=1e-3), 2.0)[1] if ".layer.0." in name]


def test_new_layer_is_not_sure_of_what_it_only_knows_by_heart(base: Path) -> None:
    network = classifier(pretrained(find_base(base), 32)[0], 2)
    draw = np.random.default_rng(0)
    pooled = draw.normal(size=(60, 32)).astype(np.float32)
    _start_head(network, pooled, draw.integers(0, 2, 60))
    with torch.no_grad():
        sure = network.head(torch.from_numpy(pooled)).softmax(1).max(1).values
    assert float(sure.mean()) < 0.65


def test_training_ends_with_its_minutes(base: Path) -> None:
    assert _tuned(base, Schedule(epochs=50), 1e-9)[0].steps == 20


def test_directory_without_an_encoder_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="no encoder"):
        EncoderMaker(base=tmp_path).fit(rows(50, 1), rows(50, 2), {})


def test_a_tokenizer_that_panics_is_a_typed_error(saved: Path) -> None:
    told = json.loads((saved / TOKENIZER_FILE).read_text())
    told["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {},
    }
    with pytest.raises(ModelFileError, match="tokenizer cannot be read"):
        opened_tokenizer(json.dumps(told).encode(), 32, "tokenizer.json")


def test_pieces_are_runs_of_neighbouring_words() -> None:
    texts = ["one two three four five six seven eight nine ten", "too short"]
    found = pieces(texts, 1)
    assert len(found) == 1
    assert found[0] in texts[0]
    assert 2 <= len(found[0].split()) <= 8
    assert found == pieces(texts, 1) != pieces(texts, 2)


def test_teacher_is_learnt_from(base: Path) -> None:
    told: list[str] = []
    made = EncoderMaker(
        base=base,
        teacher=base,
        schedule=Schedule(rate=5e-3, epochs=3, layer_decay=1.0),
        minutes=2.0,
        max_tokens=32,
        progress=lambda what, share: told.append(what),
    )
    made.fit(rows(400, 1), rows(400, 2), {"sums": [f"compute {n} plus {n + 2}" for n in range(40)]})
    test = rows(150, 3)
    assert accuracy(made.model().predict(test.texts), test) > 0.9
    assert any(what.startswith("teacher: fine-tuning") for what in told)
    assert made.trained_.steps > 3 * (400 // 32)  # pieces are texts of their own


def test_rows_that_a_teacher_had_no_time_for_keep_their_labels(base: Path) -> None:
    learnt = rows(600, 1)
    target = np.array([label == "sea" for label in learnt.labels], np.intp)
    texts, shares = taught(find_base(base), learnt.texts, target, 2, max_tokens=32, minutes=1e-9)
    assert texts == list(learnt.texts)
    assert np.allclose(shares.sum(1), 1.0, atol=1e-5)
    assert np.array_equal(shares[256:], np.eye(2, dtype=np.float32)[target[256:]])
    assert 0.5 < shares[:256].max(1).mean() < 1.0
