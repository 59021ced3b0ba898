"""An already fine-tuned Hugging Face directory -> a local model directory that is served without PyTorch.

The network is exported to ONNX in int8, then calibrated on rows that it was not trained on, as every model here is: it
answers nothing that it does not promise. Low-rank adapters (LoRA: Hu et al., 2021, arXiv:2106.09685) are merged into
their base on the way.
"""

from __future__ import annotations

import inspect
import itertools
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..catalogue import PAIR_MARK, HeadKind, LocalCard
from ..errors import MissingExtra, ModelFileError, RequestError
from ..local.base import write_card
from ..local.encoder import ARRAYS_FILE, ENCODER_FACTS, GRAPH_FILE, TOKENIZER_FILE, EncoderArrays, facts_of
from ..local.files import write_arrays, write_bytes
from ..local.heads import ANSWERED, FORMAT, HEAD_FILE, LABEL_HEADS, PAIR_HEADS, Head, HeadGraph, HeadModel, Reading
from ..types import TASKS
from .adapters import ADAPTER_FILE, merged
from .embedding import prototypes_of, whitening_of
from .examples import Example, is_right, judged_rows
from .fit import judge, temperature_of
from .given import checked_languages
from .measure import confirmed, latency_us, said_labels
from .onnx_export import exported, quantised
from .outsiders import outsider_texts
from .promise import Goal
from .rows import Rows, rows_hash
from .thresholds import set_thresholds

__all__ = ["TASK_OF", "build_from_hf", "kind_of"]

LEAST_EXAMPLES = 60
TASK_OF: Mapping[HeadKind, str] = {
    "labels": "other_classification",
    "pair": "nli",
    "entities": "ner",
    "span": "reading_comprehension",
    "number": "regression_scoring",
}
_HEADS = {
    "ForSequenceClassification": "labels",
    "ForTokenClassification": "entities",
    "ForQuestionAnswering": "span",
}
_ADAPTED = {"SEQ_CLS": "labels", "TOKEN_CLS": "entities", "QUESTION_ANS": "span"}
_NLI = frozenset({"entailment", "contradiction", "neutral", "not_entailment"})


def build_from_hf(
    source: Path,
    out: Path,
    examples: Sequence[Example],
    *,
    task: str | None = None,
    kind: HeadKind | None = None,
    name: str | None = None,
    base: Path | None = None,
    labels: Sequence[str] = (),
    languages: Sequence[str] = ("en",),
    goal: Goal | None = None,
    licence: str = "not stated",
    max_tokens: int = 256,
    tolerance: float = 0.5,
    keep: float = 0.96,
    seed: int = 0,
) -> LocalCard:
    """Export the network in ``source``, calibrate it on ``examples``, test it once, write it to ``out``.

    ``kind``: what its head answers, told from its configuration when not given. ``base``: the network that a low-rank
    adapter in ``source`` was trained on. ``labels``: names of the outputs in their order, where the configuration has
    none. ``tolerance``: how far off a number may be and still count as right.

    Raises:
        MissingExtra: the extra ``train`` is not installed.
        ModelFileError: ``source`` holds no network that can be read and exported.
        RequestError: too few examples, or examples of another kind than the head.
    """
    if task is not None and task not in TASKS:
        raise RequestError(f"there is no task {task!r}.", param="task", hint=f"Tasks: {', '.join(TASKS)}.")
    languages = checked_languages(languages)
    network, tokenizer, kind, tags = _network(source, base, kind, labels)
    if len(examples) < LEAST_EXAMPLES:
        raise RequestError(
            f"{len(examples)} rows are too few to calibrate and test on: at least {LEAST_EXAMPLES} are needed.",
            hint="Give rows that the model was not trained on.",
        )
    is_label = kind in LABEL_HEADS
    unknown = {str(example.truth) for example in examples} - set(tags) if is_label else set()
    if unknown:
        raise RequestError(
            f"the rows have labels that the model has not: {', '.join(sorted(unknown)[:8])}.",
            hint=f"It has: {', '.join(tags[:20])}. Name its outputs in order with --labels.",
        )
    places = int(getattr(network.config, "max_position_embeddings", 0) or 0)
    if places:
        max_tokens = min(max_tokens, places - 2)  # some architectures count positions from two on
    inputs = ("input_ids", "attention_mask", "token_type_ids")[: 3 if _reads_types(network) else 2]
    outputs = {"starts": True, "ends": True} if kind == "span" else {"logits": kind == "entities"}
    whole = exported(_wrapped(network, kind), outputs | {"pooled": False}, inputs=inputs)
    said = tokenizer.to_str().encode()
    head = Head(format=FORMAT, kind=kind, tags=tuple(tags))
    first, second, test = _parts(examples, seed)

    def graph_of(graph: bytes) -> HeadGraph:
        return HeadGraph(graph, said, head, max_tokens=max_tokens)

    def right(graph: bytes) -> float:
        return float(np.mean([_is_right(graph_of(graph).read(e.text), e, head, tolerance) for e in first]))

    least = right(whole) - 1.0 / len(first)
    graph, numbers = quantised(whole, lambda small: right(small) >= least)
    opened = graph_of(graph)
    arrays = _arrays(opened, first, head, max_tokens, kind, seed)
    draft = LocalCard(
        name=name or out.resolve().name.lower(),
        task=task or TASK_OF[kind],
        labels=tuple(tags) if is_label else ANSWERED,
        maker="huggingface",
        languages=tuple(languages),
        rows=len(examples),
        threshold=1.01,
        ood_threshold=1.0,
        licence=licence,
        data_hash=rows_hash(_rows(examples, [str(example.truth) for example in examples])),
        files=dict.fromkeys((ARRAYS_FILE, GRAPH_FILE, HEAD_FILE, TOKENIZER_FILE), "0" * 64),
        family=source.resolve().name,
        description=f"A fine-tuned {type(network).__name__}, calibrated on {len(second):,} rows.",
        head=kind,
        entity_types=tuple(sorted({tag.removeprefix("B-").removeprefix("I-") for tag in tags} - {"O"}))
        if kind == "entities"
        else (),
        made_with=_versions(),
        limits=(
            "What it was trained on is not known here; its in-distribution score compares with the calibration rows.",
        ),
    )
    model = HeadModel(draft, opened, arrays)
    rows = judged_rows(model, second, tolerance)
    thresholds = set_thresholds(model.predict(rows.texts), rows, goal=goal or Goal(), keep=keep)
    facts = {"method": "temperature", "temperature": round(arrays.temperature, 6), "numbers": numbers}
    card = msgspec.structs.replace(draft, **thresholds.card_fields(facts))
    card = _tested(card, opened, arrays, judged_rows(model, test, tolerance), goal or Goal())
    return _written(out, card, arrays, graph, said, head)


def _network(
    source: Path, base: Path | None, kind: HeadKind | None, labels: Sequence[str]
) -> tuple[Any, Any, HeadKind, tuple[str, ...]]:
    """``(network, tokenizer, kind of head, names of its outputs)``."""
    try:
        import transformers
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "train") from error
    adapter = (source / ADAPTER_FILE).is_file()
    place = source if not adapter else base
    if place is None:
        raise RequestError("this is a low-rank adapter, and its base is not named.", hint="Name it with --base DIR.")
    if not place.is_dir():
        raise ModelFileError("there is no such directory.", file=str(place), hint="Check the path.")
    try:
        config = transformers.AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
        found = _agreed(kind, _kind_of(config, source, adapter), source.name)
        if labels and len(labels) != config.num_labels and not adapter:
            raise RequestError(f"{len(labels)} labels are named, and the network has {config.num_labels} outputs.")
        if labels and found in ("labels", "pair", "entities"):
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: index for index, label in enumerate(labels)}
        family = {"entities": "AutoModelForTokenClassification", "span": "AutoModelForQuestionAnswering"}
        loader = getattr(transformers, family.get(found, "AutoModelForSequenceClassification"))
        network, told = loader.from_pretrained(
            place,
            output_loading_info=True,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",
        )
        tokens = source if (source / "tokenizer.json").is_file() else place
        tokenizer = Tokenizer.from_file(str(tokens / "tokenizer.json"))
    except RequestError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"there is no fine-tuned network that can be read ({' '.join(str(error).split())[:200]}).",
            file=str(place),
            hint="config.json, model.safetensors and tokenizer.json are expected; pickled weights are not read.",
        ) from error
    missing = sorted(map(str, told["missing_keys"]))
    if missing and not adapter:  # the library would draw them at random
        raise ModelFileError(
            f"weights of the network are not in its file: {', '.join(missing[:4])}{' ...' if missing[4:] else ''}.",
            file=str(place),
            hint="Only a network whose head is fine-tuned already can be served.",
        )
    if adapter:
        merged(network, source)
    count = network.config.num_labels
    tags = tuple(str(network.config.id2label.get(index, index)) for index in range(count))
    if found == "labels" and {tag.lower() for tag in tags} <= _NLI:
        found = "pair"
    if found == "number" and count != 1:
        raise RequestError(f"a number is one output; this network has {count}.", hint="Say what it is with --kind.")
    if getattr(network.config, "problem_type", None) == "multi_label_classification":
        raise RequestError("several labels for one text are not served.", hint="Use a network that chooses one.")
    return network.eval(), tokenizer, found, tags


def kind_of(source: Path, base: Path | None = None) -> HeadKind:
    """What the head of the network in ``source`` answers, as its configuration tells.

    Raises:
        MissingExtra, ModelFileError, RequestError.
    """
    return _network(source, base, None, ())[2]


def _agreed(asked: HeadKind | None, told: HeadKind | None, name: str) -> HeadKind:
    """What the head of the network ``name`` answers; ``told`` by its configuration, None where that says nothing."""
    found = asked or told
    if found is None:
        raise RequestError(
            f"what the head of {name} answers cannot be told.", hint="Say so with --kind labels, pair, ..."
        )
    chosen = ("labels", "pair", "number")
    if told is not None and told != found and not (told in chosen and found in chosen):
        raise RequestError(f"the network's head is of the kind {told!r}, not {found!r}.", hint="Leave --kind out.")
    return found


def _kind_of(config: Any, source: Path, adapter: bool) -> HeadKind | None:
    if adapter:
        told = msgspec.json.decode((source / ADAPTER_FILE).read_bytes()).get("task_type")
        found: Any = _ADAPTED.get(str(told))
    else:
        name = (getattr(config, "architectures", None) or [""])[0]
        found = next((kind for ending, kind in _HEADS.items() if name.endswith(ending)), None)
    kind: HeadKind | None = "number" if found == "labels" and config.num_labels == 1 else found
    return kind


def _reads_types(network: Any) -> bool:
    told = "token_type_ids" in inspect.signature(network.forward).parameters
    return told and int(getattr(network.config, "type_vocab_size", 0)) > 1


def _wrapped(network: Any, kind: HeadKind) -> Any:
    import torch

    class Served(torch.nn.Module):  # type: ignore[misc]
        """``(ids, mask[, types])`` -> the head's numbers and the mean of the last states."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> tuple[Any, ...]:
            shut = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            said = self.network(input_ids=input_ids, attention_mask=shut, output_hidden_states=True, **types)
            weigh = attention_mask.unsqueeze(-1).to(torch.float32)
            pooled = (said.hidden_states[-1] * weigh).sum(1) / weigh.sum(1)
            if kind == "span":
                return said.start_logits, said.end_logits, pooled
            return said.logits, pooled

    return Served().eval()


def _parts(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example], list[Example]]:
    """A quarter for temperature and distances, half for the threshold, a quarter to test on."""
    order = np.random.default_rng(seed).permutation(len(examples))
    quarter = len(examples) // 4
    cuts = (order[:quarter], order[2 * quarter :], order[quarter : 2 * quarter])
    first, second, test = ([examples[index] for index in part] for part in cuts)
    return first, second, test


def _rows(examples: Sequence[Example], labels: Sequence[str]) -> Rows:
    return Rows(texts=tuple(example.text for example in examples), labels=tuple(labels))


def _is_right(reading: Reading, example: Example, head: Head, tolerance: float) -> bool:
    if head.kind in LABEL_HEADS:
        return bool(head.tags[int(reading.logits.argmax())] == example.truth)
    return is_right(head.kind, reading.value, example.truth, tolerance)


def _arrays(
    graph: HeadGraph, examples: Sequence[Example], head: Head, max_tokens: int, kind: HeadKind, seed: int
) -> EncoderArrays:
    readings = [graph.read(example.text) for example in examples]
    pooled = np.stack([reading.pooled for reading in readings])
    logits = np.stack([reading.logits for reading in readings])
    is_label = kind in LABEL_HEADS
    tags = list(head.tags) if is_label else list(ANSWERED)
    truth = np.array([tags.index(str(example.truth)) if is_label else 0 for example in examples], np.intp)
    means = np.stack([pooled[truth == index].mean(0) if (truth == index).any() else pooled.mean(0)
                      for index in range(len(tags))])  # fmt: skip
    whitening = whitening_of(pooled - means[truth])
    arrays = EncoderArrays(
        temperature=temperature_of(logits.astype(np.float64), truth) if is_label else 1.0,
        whitening=whitening,
        means=(means @ whitening).astype(np.float32),
        prototypes=prototypes_of(pooled, len(tags), seed),
        ood_weights=np.zeros(len(ENCODER_FACTS) + 1, np.float32),
        max_tokens=max_tokens,
    )
    strange = [text for texts in outsider_texts(TASK_OF[kind]).values() for text in texts[:30]]
    if kind in PAIR_HEADS:
        strange = [f"{one}{PAIR_MARK}{other}" for one, other in itertools.pairwise(strange)]
    others = [graph.read(text) for text in strange]
    outside = facts_of(np.stack([r.logits for r in others]), np.stack([r.pooled for r in others]), arrays)[1]
    return msgspec.structs.replace(arrays, ood_weights=judge(facts_of(logits, pooled, arrays)[1], [outside]))


def _tested(card: LocalCard, graph: HeadGraph, arrays: EncoderArrays, rows: Rows, goal: Goal) -> LocalCard:
    model = HeadModel(card, graph, arrays)
    predictions = model.predict(rows.texts)
    tested = confirmed(card, predictions, rows, goal)
    right = float(np.mean([label == truth for label, truth in zip(said_labels(predictions), rows.labels, strict=True)]))
    return msgspec.structs.replace(
        card,
        promise={**card.promise, "tested": tested},
        threshold=card.threshold if tested["holds"] else 1.01,
        metrics={"test": {"rows": len(rows), "right": round(right, 4)}},
        latency_us=round(latency_us(model, rows.texts[:1], repeats=20), 1),
    )


def _written(
    out: Path, card: LocalCard, arrays: EncoderArrays, graph: bytes, tokenizer: bytes, head: Head
) -> LocalCard:
    files = {
        ARRAYS_FILE: write_arrays(out / ARRAYS_FILE, *arrays.as_file()),
        GRAPH_FILE: write_bytes(out / GRAPH_FILE, graph),
        HEAD_FILE: write_bytes(out / HEAD_FILE, msgspec.json.encode(head)),
        TOKENIZER_FILE: write_bytes(out / TOKENIZER_FILE, tokenizer),
    }
    card = msgspec.structs.replace(card, files=files)
    write_card(out, card)
    return card


def _versions() -> dict[str, str]:
    import torch
    import transformers

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
    }
