"""A small model trained in the test: two topics, written here, far from what any shipped model has learnt."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from router.catalogue import LocalCard
from router.features import FeatureSpec
from router.offline.fit import LinearMaker
from router.offline.rows import Rows
from router.types import Contract, Hints, Message, Prediction, Request, Signal, Signals, Split

_GARDEN = (
    "the {a} roses need water", "plant {a} seeds in spring", "my {a} tomatoes grow behind the shed", "mow the {a} lawn",
    "cut the {a} hedge with shears", "rake {a} leaves from the path",
)  # fmt: skip
_SEA = (
    "the {a} ship left the harbour", "a {a} whale near the reef", "sail the {a} boat to the island",
    "pull up the {a} anchor", "{a} waves hit the pier", "the {a} captain watched the tide",
)  # fmt: skip
_WORDS = (
    "old",
    "young",
    "tall",
    "red",
    "green",
    "small",
    "large",
    "quiet",
    "early",
    "late",
    "dry",
    "wet",
    "nice",
    "odd",
)
OUTSIDE = (
    "def add(x, y): return x + y", "what is the capital of france", "SELECT name FROM users WHERE id = 7",
    "please convert 20 dollars into euros", "how many legs has a spider",
)  # fmt: skip
SPEC = FeatureSpec(bits=12, words=(1, 2), chars=(4,))


def rows(count: int, seed: int) -> Rows:
    """Made-up sentences about gardens and the sea, half and half."""
    draw = random.Random(seed)
    texts, labels = [], []
    for index in range(count):
        label, forms = (("garden", _GARDEN), ("sea", _SEA))[index % 2]
        first, second = draw.choice(forms), draw.choice(forms)
        texts.append(f"{first.format(a=draw.choice(_WORDS))} and {second.format(a=draw.choice(_WORDS))}")
        labels.append(label)
    return Rows(texts=tuple(texts), labels=tuple(labels))


def accuracy(found: Sequence[Prediction], test: Rows) -> float:
    """The share of rows whose likeliest label is right."""
    likeliest = [each.labels[int(np.argmax(each.probabilities))] for each in found]
    return float(np.mean([label == right for label, right in zip(likeliest, test.labels, strict=True)]))


def tiny_encoder(directory: Path) -> Path:
    """Write a Hugging Face directory of a tiny encoder that has learnt nothing, but knows the words of :func:`rows`."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = sorted({word for text in rows(400, 1).texts for word in text.split()})
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=2000, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    transformers.BertModel(config).save_pretrained(directory)
    return directory


def maker(**settings: object) -> LinearMaker:
    """A fitted maker."""
    outliers = {f"origin{index}": [f"{text} {n}" for n in range(30)] for index, text in enumerate(OUTSIDE)}
    return LinearMaker(spec=SPEC, **settings).fit(rows(300, 1), rows(900, 2), outliers)  # type: ignore[arg-type]


def card_of(made: LinearMaker, **facts: object) -> LocalCard:
    """Its card."""
    known: dict[str, object] = {
        "name": "places",
        "task": "topic_classification",
        "languages": ("en",),
        "rows": 300,
        "licence": "Apache-2.0",
        "data_hash": "none",
        "aliases": {"garden": ("Garten",), "sea": ("ocean",)},
    }
    return made.card(**(known | facts))


def signals_of(request: Request, **values: tuple[object, float]) -> Signals:
    """Signals with these values, as if detectors had said them: ``task=("sentiment", 0.9)``."""

    def detector(name: str, value: object, confidence: float) -> object:
        class Said:
            provides = (name,)
            slow = False

            def __call__(self, signals: Signals) -> Mapping[str, Signal[object]]:
                return {name: Signal(value=value, confidence=confidence, detector="test")}

        return Said()

    return Signals(request, {name: detector(name, *said) for name, said in values.items()})  # type: ignore[misc]


def asking(text: str, labels: tuple[str, ...] | None, **changes: object) -> Signals:
    """The signals of a request that asks for one of ``labels`` for ``text``; ``changes`` replace single signals."""
    hints = changes.pop("hints", Hints())
    contract = changes.pop("contract", Contract(shape="bare_label", labels=labels))
    request = Request(messages=(Message(role="user", text=text),), hints=hints)  # type: ignore[arg-type]
    said: dict[str, tuple[object, float]] = {
        "task": ("topic_classification", 0.9),
        "contract": (contract, 0.95),
        "language": ("en", 0.9),
        "split": (Split(message=0, start=0, end=len(text)), 0.95),
    }
    return signals_of(request, **(said | changes))  # type: ignore[arg-type]


Asking = Callable[..., Signals]


def copy_damaged(saved: Path, target: Path, files: Iterable[str], name: str, change: str) -> None:
    """Copy ``files``; that called ``name`` is ``cut``, ``changed`` in its last byte, or ``missing``."""
    for file in files:
        data = (saved / file).read_bytes()
        if file == name:
            data = data[: len(data) // 2] if change == "cut" else data[:-1] + bytes([data[-1] ^ 1])
            if change == "missing":
                continue
        (target / file).write_bytes(data)
