"""Fine-tunes the encoder of the deep reading: one network, one softmax over tasks and a logistic score for each risk.

The vocabulary is cut to what requests need before training, the embeddings stay as they are, and the network is trained
in bfloat16 where the processor has it. What is exported is an ONNX graph in int8.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .deep_rows import DeepRow
from .finetune import classifier
from .onnx_export import exported, quantised

__all__ = ["PASSES", "cut_vocabulary", "edges", "encoded", "fine_tuned"]

SMOOTHING = 0.1
# Of each pass the peak learning rates of the encoder and of its head; both fall to zero by its end.
PASSES = ((1.2e-4, 1e-3),)
BATCH_TOKENS = 3072
RISK_LOSS = 0.5
Tokens = list[int]


def cut_vocabulary(tokenizer: Any, texts: Sequence[str], size: int) -> tuple[Any, list[int]]:
    """A WordPiece tokenizer of at most ``size`` pieces, and the old id of each of its pieces.

    Kept are the special pieces, single characters, pieces that the texts hold, and then those that stand first in the
    vocabulary, which is in order of frequency.
    """
    from tokenizers import Tokenizer

    written = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = written["model"]["vocab"]
    counts = Counter(index for found in tokenizer.encode_batch(list(texts)) for index in found.ids)
    special = {added["content"] for added in written["added_tokens"]}

    def rank(piece: str, index: int) -> tuple[int, int]:
        bare = piece.removeprefix("##")
        if piece in special:
            return 0, index
        if len(bare) == 1:
            return (1, index) if ord(bare) < 0x2000 or counts[index] else (4, index)
        if counts[index] > 1:
            return 2, -counts[index]
        return (5, index) if piece.startswith("[unused") else (3, index)

    kept = sorted(vocabulary, key=lambda piece: rank(piece, vocabulary[piece]))[:size]
    kept.sort(key=vocabulary.__getitem__)
    places = {piece: index for index, piece in enumerate(kept)}
    written["model"]["vocab"] = places
    for added in written["added_tokens"]:
        added["id"] = places[added["content"]]
    for told in written["post_processor"]["special_tokens"].values():
        told["ids"] = [places[piece] for piece in told["tokens"]]
    written["padding"] = written["truncation"] = None
    return Tokenizer.from_str(json.dumps(written)), [vocabulary[piece] for piece in kept]


def edges(ids: Tokens, most: int, tail: int) -> Tokens:
    """The first and the last tokens of a longer text, ``most`` in all."""
    return ids if len(ids) <= most else ids[: most - tail] + ids[len(ids) - tail :]


def encoded(tokenizer: Any, texts: Sequence[str], most: int, tail: int) -> list[Tokens]:
    """Token ids of texts, long ones cut to their edges."""
    cut = [text if len(text) < 6000 else f"{text[:3000]}\n{text[-2000:]}" for text in texts]
    return [edges(found.ids, most, tail) for found in tokenizer.encode_batch(cut)]


def fine_tuned(
    base: Path,
    passes: Sequence[tuple[Sequence[DeepRow], Sequence[Tokens]]],
    pieces: Sequence[int],
    tasks: Sequence[str],
    *,
    minutes: float,
    seed: int,
    say: Callable[[str], None],
) -> bytes:
    """One pass over each draw of rows, shorter when ``minutes`` a pass would not do; the graph in int8.

    ``passes``: rows and their tokens, as many as :data:`PASSES`; ``pieces``: the base's ids of the tokenizer's pieces.
    """
    import torch
    from transformers import AutoModel

    torch.manual_seed(seed)
    encoder = AutoModel.from_pretrained(
        base,
        local_files_only=True,
        attn_implementation="eager",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    table = encoder.get_input_embeddings().weight.data[torch.tensor(list(pieces))].clone()
    encoder.set_input_embeddings(torch.nn.Embedding.from_pretrained(table, freeze=True))
    encoder.config.vocab_size = len(pieces)
    for value in encoder.embeddings.parameters():
        value.requires_grad_(False)
    network = classifier(encoder, len(tasks) + len(passes[0][0][0].flags))
    for (rows, tokens), (rate, head_rate) in zip(passes, PASSES, strict=True):
        body = [value for value in network.encoder.parameters() if value.requires_grad]
        head = list(network.head.parameters())
        optimiser = torch.optim.AdamW(
            [
                {"params": [value for value in body if value.ndim > 1], "weight_decay": 0.01, "peak": rate},
                {"params": [value for value in body if value.ndim <= 1], "weight_decay": 0.0, "peak": rate},
                {"params": head, "weight_decay": 0.01, "peak": head_rate},
            ],
            lr=rate,
            fused=True,
        )
        _train(network, optimiser, rows, tokens, tasks, minutes, seed, say)
    network.eval()
    return quantised(exported(network, {"logits": False, "pooled": False}))[0]


def _train(
    network: Any,
    optimiser: Any,
    rows: Sequence[DeepRow],
    tokens: Sequence[Tokens],
    tasks: Sequence[str],
    minutes: float,
    seed: int,
    say: Callable[[str], None],
) -> None:
    import torch

    at = {task: index for index, task in enumerate(tasks)}
    batches = list(_batches(tokens, seed))
    planned, started = len(batches), time.monotonic()
    network.train()
    shown = 0.0
    for step, part in enumerate(batches):
        if step in (40, 200):
            a_step = (time.monotonic() - started) / step
            planned = min(planned, int(minutes * 60.0 / a_step))
            say(f"{planned} of {len(batches)} steps of {a_step:.2f} s")
        if step >= planned:
            break
        share = step / planned
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * min(1.0, (share + 1e-3) / 0.06, (1.0 - share) / 0.94)
        width = max(len(tokens[index]) for index in part)
        ids = torch.zeros(len(part), width, dtype=torch.long)
        mask = torch.zeros(len(part), width, dtype=torch.long)
        for row, index in enumerate(part):
            ids[row, : len(tokens[index])] = torch.tensor(tokens[index])
            mask[row, : len(tokens[index])] = 1
        with torch.autocast("cpu", torch.bfloat16):
            scores, _ = network(ids, mask)
        loss = _loss(scores.float(), [rows[index] for index in part], at)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([value for value in network.parameters() if value.requires_grad], 1.0)
        optimiser.step()
        shown = 0.98 * shown + 0.02 * loss.item() if step else loss.item()
        if step % 50 == 0:
            say(f"step {step} of {planned}, loss {shown:.3f}, {time.monotonic() - started:.0f} s")


def _loss(scores: Any, rows: Sequence[DeepRow], at: dict[str, int]) -> Any:
    import torch

    wanted = torch.tensor([-100 if row.task is None else at[row.task] for row in rows])
    told = torch.nn.functional.cross_entropy(
        scores[:, : len(at)], wanted, label_smoothing=SMOOTHING, ignore_index=-100, reduction="sum"
    )
    flags = torch.tensor([[float("nan") if flag is None else float(flag) for flag in row.flags] for row in rows])
    known = ~flags.isnan()
    risks = torch.nn.functional.binary_cross_entropy_with_logits(
        scores[:, len(at) :][known], flags[known], reduction="sum"
    )
    return (told + RISK_LOSS * risks) / len(rows)


def _batches(tokens: Sequence[Tokens], seed: int) -> Iterator[list[int]]:
    """Batches of rows of about one length and of a limited number of tokens, in random order."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(tokens))
    batches: list[list[int]] = []
    for start in range(0, len(order), 4096):
        part: list[int] = []
        for index in sorted(order[start : start + 4096].tolist(), key=lambda index: len(tokens[index])):
            if part and len(tokens[index]) * (len(part) + 1) > BATCH_TOKENS:
                batches.append(part)
                part = []
            part.append(index)
        batches.append(part)
    for index in draw.permutation(len(batches)):
        yield batches[index]
