"""A large encoder teaches a small one: what it says of the rows, and of pieces of them, is learnt beside the labels.

Knowledge distillation (Hinton et al., 2015, arXiv:1503.02531). Of a piece of a text nobody gave a label, but the
teacher has an opinion, so that a few thousand rows show the small encoder many times as many texts (as in TinyBERT:
Jiao et al., 2020, arXiv:1909.10351).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from .bases import Base, pretrained
from .finetune import Schedule, classifier, fine_tune, read_all

__all__ = ["pieces", "taught"]

_PIECES = 2  # of each text
_LEAST_WORDS = 4  # of fewer words a piece would be a word or two
_SHORTEST, _LONGEST = 0.3, 0.8  # share of a text's words that a piece has
_LABEL_SHARE = 0.5  # of a row's target; the teacher's opinion is the rest
_TRAINING_SHARE = 0.7  # of the minutes, at most; reading the rows and their pieces gets the rest
_AT_ONCE = 256  # so many texts are read between two looks at the clock


def pieces(texts: Sequence[str], seed: int) -> list[str]:
    """One run of neighbouring words of each text that has some words."""
    draw = random.Random(seed)  # noqa: S311 no secret is drawn
    found = []
    for text in texts:
        words = text.split()
        if len(words) < _LEAST_WORDS:
            continue
        count = max(2, round(len(words) * draw.uniform(_SHORTEST, _LONGEST)))
        start = draw.randrange(len(words) - count + 1)
        found.append(" ".join(words[start : start + count]))
    return found


def taught(
    base: Base,
    texts: Sequence[str],
    target: npt.NDArray[np.intp],
    labels: int,
    *,
    max_tokens: int,
    minutes: float,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> tuple[list[str], npt.NDArray[np.float32]]:
    """``(texts and pieces of them, probabilities to learn)`` from ``base``, fine-tuned on ``texts`` and ``target``.

    ``target``: label indices. The lower half of its layers stays as it is, which saves a third of the time. Within
    ``minutes`` as many texts are read as there is time for: rows first, of which those unread keep their labels.

    Raises:
        MissingExtra, ModelFileError: as of :func:`router.offline.bases.pretrained`.
    """
    deadline = time.monotonic() + 60.0 * minutes
    encoder, config, tokenizer = pretrained(base, max_tokens)
    network = classifier(encoder, labels).to(device)
    pad = config.pad_token_id or 0

    def read(several: Sequence[str]) -> list[list[int]]:
        return [each.ids for each in tokenizer.encode_batch(list(several))]

    fine_tune(
        network,
        read(texts),
        target,
        Schedule(rate=5e-5, epochs=2, batch=16, frozen=config.num_hidden_layers // 2),
        check=([], np.zeros(0, np.intp)),
        pad=pad,
        mask=None,
        minutes=_TRAINING_SHARE * minutes,
        device=device,
        seed=seed,
        progress=lambda what, share: progress(f"teacher: {what}", share),
    )
    progress("teacher: reading rows and pieces of them", 1.0)
    more = [*texts, *(piece for draw in range(_PIECES) for piece in pieces(texts, seed + draw))]
    logits: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(more), _AT_ONCE):
        if logits and time.monotonic() >= deadline:
            break
        logits.append(read_all(network, read(more[start : start + _AT_ONCE]), pad, device)[0])
    shares = _soft_targets(np.concatenate(logits), target)
    return more[: len(shares)], shares


def _soft_targets(logits: npt.NDArray[np.float32], target: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Probabilities to learn, ``(n, K)``, for rows with the labels ``target`` and for the pieces behind them.

    ``logits``: what the teacher says of as many of them as it has read.
    """
    powers = np.exp(logits - logits.max(1, keepdims=True))
    told, rows = len(logits), len(target)
    shares = np.zeros((max(told, rows), logits.shape[1]), np.float32)
    shares[:told] = powers / powers.sum(1, keepdims=True)
    both = min(told, rows)
    shares[:both] *= 1.0 - _LABEL_SHARE
    shares[np.arange(both), target[:both]] += _LABEL_SHARE
    shares[np.arange(both, rows), target[both:]] = 1.0
    return shares
