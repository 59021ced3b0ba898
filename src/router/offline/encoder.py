"""Train the maker ``encoder``: fine-tune a small pretrained transformer, export it to ONNX in int8 (extra ``train``).

PyTorch is needed here only: what is calibrated is the exported graph, so that thresholds fit what is served. n-grams
are learnt from the same rows and read beside it; how much they weigh is fitted on rows kept back.
"""

from __future__ import annotations

import math
import platform
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
import numpy as np
import numpy.typing as npt

from ..catalogue import LocalCard
from ..errors import RequestError
from ..local.base import write_card
from ..local.embedding import EMBEDDING_FACTS, EmbeddingArrays, EmbeddingModel
from ..local.encoder import (
    ARRAYS_FILE,
    ENCODER_FACTS,
    GRAPH_FILE,
    NGRAMS_FILE,
    TOKENIZER_FILE,
    EncoderArrays,
    EncoderModel,
    Graph,
    TextReader,
)
from ..local.files import write_arrays, write_bytes
from ..local.static import shipped_encoder
from .bases import Base, find_base, pretrained
from .choose import candidates
from .embedding import EmbeddingMaker, prototypes_of, scaled, whitening_of
from .finetune import Schedule, classifier, fine_tune
from .fit import factors_of, judge, two_halves
from .label_heads import Helper
from .onnx_export import exported, quantised
from .promise import Goal
from .rows import Rows
from .teacher import taught
from .threads import on_one_thread
from .thresholds import set_thresholds
from .typos import mistyped

__all__ = ["EncoderMaker"]

# Rounding may cost so much accuracy on rows kept back, or as much as chance alone would in 95 of 100 draws of them:
# float products take many times as long.
_LOST_BY_ROUNDING = 0.01
_BY_CHANCE = 1.64
_SAMPLES = 64  # so many texts show which columns of an activation are large
_TEACHERS_SHARE = 0.65  # of the minutes, at most


class EncoderMaker:
    """Fine-tunes an encoder, in scikit-learn's manner.

    Args:
        base: ``minilm`` (the default), ``mpnet``, or the directory of a Hugging Face encoder (``config.json``,
            ``model.safetensors``, ``tokenizer.json``), see :mod:`router.offline.bases`.
        schedule: epochs, rates and the like; wide encoders have lower rates by default, and two layers that stay.
        teacher: named as ``base``: a larger encoder that is fine-tuned first, and what it says of the rows and of
            pieces of them is learnt beside the labels. It takes most of the minutes, and nothing of a model's answer.
        minutes: how long fine-tuning may take; fewer steps are taken where the schedule's would last longer.
        max_tokens: what is read of a text.
        typos: share of the rows that have one to four typing mistakes in a pass, other rows and mistakes each time.
        goal, keep, helper: as of :class:`router.offline.fit.LinearMaker`.

    Attributes after ``fit``: ``classes_``, ``arrays_``, ``thresholds_``, ``trained_`` (steps, seconds, number format)
    and ``numbers_`` (how the graph's are stored).
    """

    maker: Literal["encoder", "neighbours"] = "encoder"
    reads_ngrams = True

    def __init__(
        self,
        *,
        base: str | Path | Base | None = None,
        teacher: str | Path | Base | None = None,
        schedule: Schedule | None = None,
        minutes: float = 15.0,
        max_tokens: int = 128,
        typos: float = 0.3,
        goal: Goal | None = None,
        keep: float = 0.96,
        seed: int = 0,
        helper: Helper | None = None,
        progress: Callable[[str, float], None] = lambda what, share: None,
    ) -> None:
        self.base = base if isinstance(base, Base) else find_base(base)
        self.teacher = find_base(teacher) if isinstance(teacher, str | Path) else teacher
        self.schedule, self.minutes, self.max_tokens, self.typos = schedule, minutes, max_tokens, typos
        self.goal, self.keep, self.seed, self.progress = goal or Goal(), keep, seed, progress
        self.helper = helper

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
        at = {label: index for index, label in enumerate(self.classes_)}
        order = np.random.default_rng(self.seed).permutation(len(calibration))
        cut = min(len(order) // 4, 800)
        first, second = calibration.pick(order[:cut]), calibration.pick(order[cut:])
        self._reader = self._learnt(rows, first)
        heads, checks = two_halves(sorted(outliers)) if self.reads_ngrams else ([], sorted(outliers))
        self._ngrams = self._learnt_ngrams(rows, first, [text for origin in heads for text in outliers[origin]])
        draw = np.random.default_rng(self.seed).permutation(len(rows))[:3000]
        sample = rows.pick(draw)
        self.progress("reading training texts once more", 0.0)
        _, pooled = self._reader.run(sample.texts)
        truth = np.array([at[label] for label in sample.labels])
        present = [index for index in range(len(self.classes_)) if (truth == index).any()]
        means = np.zeros((len(self.classes_), pooled.shape[1]), np.float32)
        for index in range(len(self.classes_)):
            means[index] = pooled[truth == index].mean(0) if index in present else pooled.mean(0)
        whitening = whitening_of(pooled - means[truth])
        self._weigh(first.texts, np.array([at[label] for label in first.labels], np.intp))
        facts = len(ENCODER_FACTS) + (0 if self._ngrams is None else len(EMBEDDING_FACTS))
        self.arrays_ = EncoderArrays(
            temperature=self.temperature_,
            whitening=whitening,
            means=means @ whitening,
            prototypes=prototypes_of(pooled, len(self.classes_), self.seed),
            ood_weights=np.zeros(facts + 1, np.float32),
            max_tokens=self.max_tokens,
        )
        strange = [text for origin in checks for text in outliers[origin]]
        self.progress("reading outsiders", 0.5)
        draft = self.model()
        weights = judge(draft.measure(first.texts)[1], [draft.measure(strange)[1]])
        self.arrays_ = msgspec.structs.replace(self.arrays_, ood_weights=weights)
        self.thresholds_ = set_thresholds(self.model().predict(second.texts), second, goal=self.goal, keep=self.keep)
        return self

    def model(self, card: LocalCard | None = None) -> EncoderModel:
        """The fitted model, in memory, with ``card``."""
        return EncoderModel(card or self._draft_card(), self._reader, self.arrays_, self._ngrams)

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities, float64, shape ``(len(texts), len(classes_))``."""
        found = [prediction.probabilities for prediction in self.model().predict(texts)]
        return np.array(found, np.float64).reshape(len(texts), len(self.classes_))

    def export(self, directory: Path, card: LocalCard) -> LocalCard:
        """Write the three files and the card, completed with their hashes; returns that card."""
        files = self._files(directory)
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
            "numbers": self.numbers_,
        }
        return LocalCard(
            labels=self.classes_,
            maker=self.maker,
            family=self.base.family,
            files=dict.fromkeys((ARRAYS_FILE, GRAPH_FILE, TOKENIZER_FILE), "0" * 64),  # until they are written
            made_with={
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "transformers": str(transformers.__version__),
            },
            **self.thresholds_.card_fields(calibration),
            **facts,
        )

    def _files(self, directory: Path) -> dict[str, str]:
        """Write the files; their hashes by name."""
        ngrams = {}
        if self._ngrams is not None:
            ngrams[NGRAMS_FILE] = write_arrays(directory / NGRAMS_FILE, *self._ngrams.arrays.as_file())
        return ngrams | {
            ARRAYS_FILE: write_arrays(directory / ARRAYS_FILE, *self.arrays_.as_file()),
            GRAPH_FILE: write_bytes(directory / GRAPH_FILE, self.graph_),
            TOKENIZER_FILE: write_bytes(directory / TOKENIZER_FILE, self.tokenizer_),
        }

    def _learnt(self, rows: Rows, check: Rows) -> TextReader:
        """What reads texts once ``rows`` are learnt; ``check`` are rows kept back. Sets graph, tokenizer, numbers."""
        self.graph_, self.tokenizer_ = self._fine_tuned(rows, check)
        return Graph(self.graph_, self.tokenizer_, max_tokens=self.max_tokens)

    @on_one_thread
    def _learnt_ngrams(self, rows: Rows, check: Rows, outliers: Sequence[str]) -> EmbeddingModel | None:
        """What reads beside the graph: as ``embedding`` would learn it with its first settings, of these rows."""
        if not self.reads_ngrams:
            return None
        self.progress("learning n-grams", 0.0)
        settings = {**candidates(rows, "embedding")[0][2], "transfers": False}
        maker = EmbeddingMaker(seed=self.seed, helper=self.helper, **settings)
        arrays = maker.draft(self.classes_, rows, check, outliers)
        assert isinstance(arrays, EmbeddingArrays)
        return EmbeddingModel(self._draft_card(), arrays, maker.encoder)

    def _weigh(self, texts: Sequence[str], truth: npt.NDArray[np.intp]) -> None:
        """Set the temperature, and what the n-grams' scores weigh beside the graph's logits."""
        readings = [self._reader.run(texts)[0].astype(np.float64)]
        if self._ngrams is None:
            self.temperature_ = factors_of(readings, truth)[0]
            return
        readings.append(self._ngrams.measure(texts)[0].astype(np.float64))
        self.temperature_, share = factors_of(readings, truth)
        arrays = scaled(self._ngrams.arrays, share / self.temperature_)
        self._ngrams = EmbeddingModel(self._ngrams.card, arrays, shipped_encoder())

    def _draft_card(self) -> LocalCard:
        return LocalCard(
            name="draft", task="other_classification", labels=self.classes_, maker=self.maker, languages=("en",),
            rows=0, threshold=1.01, ood_threshold=1.0, licence="", data_hash="", files={},
        )  # fmt: skip

    def _some_mistyped(self, texts: Sequence[str], epoch: int) -> list[str]:
        draw = random.Random(f"{self.seed} {epoch}")  # noqa: S311 no secret is drawn
        return [mistyped(text, draw, draw.randint(1, 4)) if draw.random() < self.typos else text for text in texts]

    def _fine_tuned(self, rows: Rows, check: Rows) -> tuple[bytes, bytes]:
        """The exported graph and its tokenizer; ``check`` are rows kept back."""
        encoder, config, tokenizer = pretrained(self.base, self.max_tokens)
        import torch

        torch.manual_seed(self.seed)

        def read(texts: Sequence[str]) -> list[list[int]]:
            return [each.ids for each in tokenizer.encode_batch(list(texts))]

        at = {label: index for index, label in enumerate(self.classes_)}
        target, truth = (np.array([at[label] for label in part.labels], np.intp) for part in (rows, check))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        wide = config.hidden_size >= 512
        pad = config.pad_token_id or 0
        texts, minutes = list(rows.texts), self.minutes
        aim: npt.NDArray[Any] = target
        if self.teacher is not None:
            started = time.monotonic()
            texts, aim = taught(
                self.teacher,
                texts,
                target,
                len(self.classes_),
                max_tokens=self.max_tokens,
                minutes=_TEACHERS_SHARE * minutes,
                seed=self.seed,
                device=device,
                progress=self.progress,
            )
            minutes = max(0.0, minutes - (time.monotonic() - started) / 60.0)
            torch.manual_seed(self.seed)
        network = classifier(encoder, len(self.classes_))
        self.trained_ = fine_tune(
            network.to(device),
            read(texts),
            aim,
            self.schedule or (Schedule(rate=6e-5, epochs=3, batch=16, frozen=2) if wide else Schedule()),
            check=(read(check.texts), truth),
            pad=pad,
            mask=next(
                (found for name in ("[MASK]", "<mask>") if (found := tokenizer.token_to_id(name)) is not None), None
            ),
            minutes=minutes,
            redrawn=(lambda epoch: read(self._some_mistyped(texts, epoch))) if self.typos > 0.0 else None,
            device=device,
            seed=self.seed,
            progress=self.progress,
        )
        network.to("cpu").eval()
        self.progress("exporting", 1.0)
        whole = exported(network, {"logits": False, "pooled": False})
        said = tokenizer.to_str().encode()

        def right(graph: bytes) -> npt.NDArray[np.int8]:
            logits = Graph(graph, said, max_tokens=self.max_tokens).run(check.texts)[0]
            found: npt.NDArray[np.int8] = (logits.argmax(1) == truth).astype(np.int8)
            return found

        before = right(whole) if len(truth) else None

        def is_good(small: bytes) -> bool:
            if before is None:
                return True
            lost = before - right(small)
            by_chance = _BY_CHANCE * math.sqrt(np.count_nonzero(lost))
            return int(lost.sum()) <= max(_LOST_BY_ROUNDING * len(lost), by_chance)

        samples = [np.array([ids]) for ids in read(rows.texts[:_SAMPLES])]
        graph, self.numbers_ = quantised(whole, is_good, samples)
        return graph, said
