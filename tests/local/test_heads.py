"""Fine-tuned Hugging Face directories: tiny networks of fixed weights, exported, calibrated, served, asked."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnx")

from router import Router  # noqa: E402
from router.catalogue import PAIR_MARK  # noqa: E402
from router.cli.main import _run  # noqa: E402
from router.errors import ModelFileError, RequestError, RouterError  # noqa: E402
from router.local.base import CARD, read_card, write_card  # noqa: E402
from router.local.files import write_bytes  # noqa: E402
from router.local.load import load_local_model  # noqa: E402
from router.offline.adapters import merged  # noqa: E402
from router.offline.examples import read_examples  # noqa: E402
from router.offline.from_hf import build_from_hf  # noqa: E402
from router.offline.promise import Goal  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

NAMES = ("anna", "bruno", "carla", "dario")
PLACES = ("paris", "london", "rome", "oslo")
FILLERS = ("went", "saw", "the", "old", "near", "and", "then", "house", "in", "with", "who", "is", "man", "where", "he")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *NAMES, *PLACES, *FILLERS, "yes", "no", "perhaps")
KINDS = ("labels", "pair", "entities", "span", "number")


def tokenizer(directory: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(directory / "tokenizer.json"))


def network(kind: str, directory: Path) -> None:
    """A tiny encoder trained for seconds on sentences made here."""
    torch.manual_seed(0)
    tags = {
        "labels": ["person", "place"],
        "pair": ["entailment", "contradiction"],
        "entities": ["O", "B-PER", "B-LOC"],
        "number": ["LABEL_0"],
    }.get(kind, [])
    config = transformers.BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        **({"id2label": dict(enumerate(tags)), "label2id": {tag: i for i, tag in enumerate(tags)}} if tags else {}),
    )  # fmt: skip
    family = {
        "entities": transformers.BertForTokenClassification,
        "span": transformers.BertForQuestionAnswering,
    }.get(kind, transformers.BertForSequenceClassification)
    made = family(config)
    tokenizer(directory)
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(directory / "tokenizer.json"))
    optimiser = torch.optim.AdamW(made.parameters(), lr=8e-3)
    draw = random.Random(0)
    words.enable_padding()
    for _ in range(60):
        rows = [sentence(kind, draw) for _ in range(24)]
        pairs = [text_of(kind, row).partition(PAIR_MARK) for row in rows]
        read = words.encode_batch([(first, second) if second else first for first, _, second in pairs])
        given = {
            "input_ids": torch.tensor([one.ids for one in read]),
            "token_type_ids": torch.tensor([one.type_ids for one in read]),
            "attention_mask": torch.tensor([one.attention_mask for one in read]),
        }
        if kind == "span":
            places = [one.tokens.index(row["answers"][0]) for one, row in zip(read, rows, strict=True)]
            given |= {"start_positions": torch.tensor(places), "end_positions": torch.tensor(places)}
        elif kind == "entities":
            width = given["input_ids"].shape[1]
            named = [[0, *[tags.index(tag) for tag in row["tags"]]] for row in rows]
            given["labels"] = torch.tensor([(mine + [0] * width)[:width] for mine in named])
        elif kind == "number":
            given["labels"] = torch.tensor([float(row["label"]) for row in rows])
        else:
            given["labels"] = torch.tensor([tags.index(row["label"]) for row in rows])
        loss = made(**given).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    made.save_pretrained(directory)


def sentence(kind: str, draw: random.Random) -> dict[str, object]:
    """One row of the kind, as its file has it."""
    filler = draw.choices(FILLERS, k=draw.randint(2, 6))
    name, place = draw.choice(NAMES), draw.choice(PLACES)
    if kind == "entities":
        words = [*filler, name, draw.choice(FILLERS), place]
        draw.shuffle(words)
        tags = ["B-PER" if word in NAMES else "B-LOC" if word in PLACES else "O" for word in words]
        return {"tokens": words, "tags": tags}
    if kind == "span":
        words = [*filler, place]
        draw.shuffle(words)
        return {"question": "where is he", "context": " ".join(words), "answers": [place]}
    if kind == "number":
        count = draw.randint(0, 3)
        return {"text": " ".join([*filler, *[name] * count]), "label": float(count > 0)}
    word = draw.choice((name, place))
    label = "person" if word in NAMES else "place"
    if kind == "pair":
        label = "entailment" if word in NAMES else "contradiction"
        return {"text": f"he saw {word}", "text_pair": " ".join(filler), "label": label}
    return {"text": " ".join([*filler, word]), "label": label}


def text_of(kind: str, row: dict[str, object]) -> str:
    if kind == "entities":
        return " ".join(row["tokens"])  # type: ignore[arg-type]
    if kind == "span":
        return f"{row['question']}{PAIR_MARK}{row['context']}"
    return f"{row['text']}{PAIR_MARK}{row['text_pair']}" if kind == "pair" else str(row["text"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind -> a fine-tuned directory with ``rows.jsonl`` beside it."""
    found = {}
    for kind in KINDS:
        directory = found[kind] = tmp_path_factory.mktemp(kind)
        network(kind, directory)
        draw = random.Random(1)
        rows = [json.dumps(sentence(kind, draw)) for _ in range(400)]
        (directory / "rows.jsonl").write_text("\n".join(rows))
    return found


@pytest.fixture(scope="module")
def built(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Kind -> the directory that is served."""
    found = {}
    for kind, source in trained.items():
        found[kind] = tmp_path_factory.mktemp(f"served-{kind}") / kind
        build_from_hf(
            source,
            found[kind],
            read_examples(source / "rows.jsonl", kind),
            goal=Goal(max_error=0.2),
            max_tokens=48,  # type: ignore[arg-type]
        )
    return found


def test_kind_and_answers_survive_the_export(built: dict[str, Path]) -> None:
    for kind, directory in built.items():
        card = read_card(directory)
        assert (card.head, card.maker) == (kind, "huggingface")
        assert card.threshold <= 1.0, card.promise
        assert card.promise["tested"]["holds"]
    said = load_local_model(built["labels"]).predict(["he saw anna", "he saw rome"])
    assert [p.labels[int(np.argmax(p.probabilities))] for p in said] == ["person", "place"]
    entities = load_local_model(built["entities"]).predict(["the man anna went in oslo"])[0].value
    assert [(e["text"], e["type"], e["start"]) for e in entities] == [("anna", "PER", 8), ("oslo", "LOC", 21)]
    assert (
        load_local_model(built["span"]).predict([f"where is he{PAIR_MARK}the old man near paris"])[0].value == "paris"
    )
    number = load_local_model(built["number"]).predict(["the old house bruno"])[0].value
    assert number == pytest.approx(1.0, abs=0.4)


def test_text_that_was_cut_is_not_answered(built: dict[str, Path]) -> None:
    long = "the old man " * 60
    assert load_local_model(built["entities"]).predict([long])[0].probabilities[0] < 0.01


@pytest.fixture(scope="module")
def config(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    paths = ", ".join(f'"{directory}"' for kind, directory in built.items() if kind != "labels")
    (folder / "router.yaml").write_text(
        f"policy: guide\nlocal_models:\n  shipped: false\n  paths: [{paths}]\nledger:\n  path: ledger.jsonl\n"
        "deployments:\n  - {name: large, model: openai/gpt-4o, api_base: http://127.0.0.1:9}\n"
    )
    return folder / "router.yaml"


@pytest.fixture(scope="module")
def router(config: Path) -> Router:
    return Router.from_config(config)


def asked(router: Router, text: str, task: str, **more: object) -> object:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "router": {"task": task}, **more}
    return router.decide(body)


def test_pair_is_found_in_the_prompt_and_answered(router: Router) -> None:
    prompt = (
        "Classify the relation between premise and hypothesis as entailment or contradiction. "
        "Reply with the label only.\n"
        "Premise: he saw anna\nHypothesis: the old man\nAnswer:"
    )
    decision = asked(router, prompt, "nli")
    assert decision.evidence.reason is None, decision.evidence  # type: ignore[attr-defined]
    assert decision.evidence.answer == ("entailment",)  # type: ignore[attr-defined]


def test_two_premises_are_no_pair(router: Router) -> None:
    prompt = (
        "Answer with entailment or contradiction.\nPremise: he saw rome\nHypothesis: he is\nAnswer: contradiction\n"
        "Premise: he saw anna\nHypothesis: the old man\nAnswer:"
    )
    assert asked(router, prompt, "nli").evidence.reason is not None  # type: ignore[attr-defined]


ENTITY_SCHEMA = {
    "type": "object",
    "properties": {
        "entities": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "type": {"enum": ["Person", "Location"]}},
            },
        }
    },
}


def formatted(schema: dict[str, object]) -> dict[str, object]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def test_entities_fill_the_callers_schema(router: Router) -> None:
    text = "Find the names.\nText: the man anna went in oslo"
    decision = asked(router, text, "ner", **formatted(ENTITY_SCHEMA))
    assert decision.evidence.reason is None, decision.evidence  # type: ignore[attr-defined]
    assert json.loads(decision.evidence.text) == {  # type: ignore[attr-defined]
        "entities": [{"name": "anna", "type": "Person"}, {"name": "oslo", "type": "Location"}]
    }


def test_written_answer_reaches_the_caller_and_not_the_ledger(config: Path) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Find names.\nText: the man anna went in oslo"}]}
    with Router.from_config(config) as router:
        answer = router.complete(body | {"router": {"task": "ner"}})
        assert [(entity["text"], entity["type"]) for entity in json.loads(answer.text)] == [
            ("anna", "PER"),
            ("oslo", "LOC"),
        ]
    kept = config.with_name("ledger.jsonl").read_text()
    assert "entities" in kept
    assert "anna" not in kept


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"entities": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        {"type": "array", "items": {"type": "object", "properties": {"text": {}, "why": {}}}},
        {"type": "array", "items": {"type": "object", "properties": {"text": {}, "type": {"enum": ["animal"]}}}},
    ],
)
def test_schema_that_cannot_be_filled_is_not_answered(router: Router, schema: dict[str, object]) -> None:
    decision = asked(router, "Text: the man anna", "ner", **formatted(schema))
    assert decision.evidence.reason  # type: ignore[attr-defined]
    assert decision.evidence.text is None  # type: ignore[attr-defined]


def test_span_and_number_are_written_plainly(router: Router) -> None:
    prompt = "Answer from the context.\nContext: the old man near paris\nQuestion: where is he"
    assert asked(router, prompt, "reading_comprehension").evidence.text == "paris"  # type: ignore[attr-defined]
    schema = {"type": "object", "properties": {"score": {"type": "integer", "minimum": 0, "maximum": 5}}}
    rated = asked(router, "Rate it.\nText: the old house bruno", "regression_scoring", **formatted(schema))
    assert rated.evidence.text == '{"score": 1}'  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["encoder.onnx", "head.json", "model.safetensors", "tokenizer.json"])
def test_each_file_is_vouched_for(built: dict[str, Path], tmp_path: Path, name: str) -> None:
    for file in built["entities"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-7])
    with pytest.raises(ModelFileError):
        load_local_model(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_bytes_load_as_anything_but_a_model(
    built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever the card vouches for, and whatever stands in the files: a typed error, or a model that answers."""
    source = built[data.draw(st.sampled_from(["entities", "labels"]))]
    folder = tmp_path_factory.mktemp("fuzz")
    card = read_card(source)
    victim = data.draw(st.sampled_from(sorted(card.files)))
    for file in card.files:
        (folder / file).write_bytes((source / file).read_bytes())
    whole = (source / victim).read_bytes()
    change = data.draw(st.sampled_from(["cut", "flip", "noise", "grow", "empty"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = {
        "cut": whole[:at],
        "flip": whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :],
        "noise": data.draw(st.binary(max_size=200)),
        "grow": whole + b"\0" * 64,
        "empty": b"",
    }[change]
    digest = write_bytes(folder / victim, changed)
    write_card(folder, msgspec.structs.replace(card, files={**card.files, victim: digest}))
    try:
        model = load_local_model(folder)
    except ModelFileError:
        return
    assert all(0.0 <= value <= 1.0 for value in model.predict(["the man anna"])[0].probabilities)


def test_oversized_file_is_refused_before_it_is_read(built: dict[str, Path], tmp_path: Path) -> None:
    for file in built["labels"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "tokenizer.json").open("r+b") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(ModelFileError, match="more than"):
        load_local_model(tmp_path)


def test_low_rank_adapter_is_merged(trained: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    draw = np.random.default_rng(0)
    name = "bert.encoder.layer.0.attention.self.query"
    halves = {"A": draw.normal(size=(4, 32)), "B": draw.normal(size=(32, 4))}
    arrays = {f"base_model.model.{name}.lora_{half}.weight": value.astype(np.float32) for half, value in halves.items()}
    save_file(arrays, tmp_path / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "task_type": "SEQ_CLS"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(told))
    made = transformers.BertForSequenceClassification.from_pretrained(trained["labels"])
    before = made.state_dict()[f"{name}.weight"].numpy().copy()
    assert merged(made, tmp_path) == 1
    assert np.allclose(made.state_dict()[f"{name}.weight"].numpy(), before + 2.0 * halves["B"] @ halves["A"], atol=1e-4)
    (tmp_path / "adapter_config.json").write_text(json.dumps(told | {"use_dora": True}))
    with pytest.raises(ModelFileError, match="plain LoRA"):
        merged(made, tmp_path)


def test_command_builds_and_verifies(trained: dict[str, Path], tmp_path: Path) -> None:
    rows = trained["pair"] / "rows.jsonl"
    command = ["models", "build", "--from-hf", str(trained["pair"]), "--data", str(rows), "--max-error", "0.2"]
    assert _run([*command, "--out", str(tmp_path / "nli")]) == 0
    assert read_card(tmp_path / "nli").task == "nli"
    assert _run(["models", "verify", str(tmp_path / "nli")]) == 0


def test_wrong_rows_and_directories_are_typed_errors(trained: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no row of the kind"):
        read_examples(trained["labels"] / "rows.jsonl", "span")
    few = read_examples(trained["labels"] / "rows.jsonl", "labels")[:20]
    with pytest.raises(RequestError, match="too few"):
        build_from_hf(trained["labels"], tmp_path / "out", few)
    with pytest.raises(RouterError, match="no fine-tuned network"):
        build_from_hf(tmp_path, tmp_path / "out", few)
    assert not (tmp_path / "out" / CARD).exists()


def test_a_head_that_is_not_in_the_file_is_not_drawn_at_random(trained: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(trained["labels"], tmp_path / "bare")
    arrays = load_file(tmp_path / "bare" / "model.safetensors")
    save_file(
        {name: array for name, array in arrays.items() if not name.startswith("classifier")},
        tmp_path / "bare" / "model.safetensors",
        metadata={"format": "pt"},
    )
    rows = read_examples(trained["labels"] / "rows.jsonl", "labels")
    with pytest.raises(ModelFileError, match=r"not in its file: classifier"):
        build_from_hf(tmp_path / "bare", tmp_path / "out", rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "entities"], "of the kind 'labels', not 'entities'"),
        (["--labels", "a,b,c"], "3 labels are named, and the network has 2"),
        (["--task", "weather"], "no task 'weather'"),
        (["--languages", "english"], "code 'english'"),
    ],
)
def test_what_contradicts_the_network_is_refused(
    trained: dict[str, Path], tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = trained["entities" if "entities" in arguments else "labels"] / "rows.jsonl"
    command = ["models", "build", "--from-hf", str(trained["labels"]), "--data", str(rows), "--out", f"{tmp_path}/o"]
    assert _run([*command, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_missing_directory_is_one_short_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    command = ["models", "build", "--from-hf", f"{tmp_path}/none", "--data", f"{tmp_path}/rows.jsonl"]
    assert _run([*command, "--out", f"{tmp_path}/o"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no such directory" in line


def test_building_says_nothing_but_its_result(trained: dict[str, Path], tmp_path: Path) -> None:
    source = trained["labels"]
    command = ["models", "build", "--from-hf", str(source), "--data", f"{source}/rows.jsonl", "--out", f"{tmp_path}/o"]
    done = subprocess.run(
        [sys.executable, "-m", "router", *command, "--max-error", "0.2"], capture_output=True, timeout=300, check=True
    )
    assert b"pre-processing" not in done.stderr
    assert b"test rows. Written to" in done.stdout
    assert b"{" not in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_evaluated_and_calibrated_on_rows_of_its_own(
    kind: str, built: dict[str, Path], trained: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = f"{trained[kind]}/rows.jsonl"
    assert _run(["eval", "--model", str(built[kind]), "--data", rows, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["accuracy"] > 0.85
    assert found["coverage"] > 0.5
    assert found["promise"]["here"]["holds"]
    assert (found["macro_f1"] is None) == (kind not in ("labels", "pair"))
    command = ["calibrate", "--model", str(built[kind]), "--data", rows, "--max-error", "0.2"]
    assert _run([*command, "--out", f"{tmp_path}/c"]) == 0
    assert read_card(tmp_path / "c").promise["tested"]["holds"]
    assert load_local_model(tmp_path / "c").card.head == kind
