"""Fine-tunes the encoder of the deep reading: one network, one softmax over tasks and a logistic score for each risk.

The vocabulary is cut to what requests need before training, the embeddings stay as they are, and the network is trained
in bfloat16 where the processor has it. What is exported is an ONNX graph in int8.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..local.deep import shortened
from ..local.encoder import token_edges
from .deep_rows import DeepRow
from .finetune import classifier
from .onnx_export import exported, quantised

__all__ = ["averaged", "cut_vocabulary", "encoded", "fine_tuned", "pieces_of"]

SMOOTHING = 0.1
# Peak learning rates of the encoder and of its head, from the base and from an encoder that was trained before.
RATES, RATES_ON = (1.2e-4, 1e-3), (8e-5, 3e-4)
# What is trained on keeps this share of the weights that it started from: it stays better on what the new rows are
# unlike (Wortsman et al., 2022, arXiv:2109.01903).
KEPT = 0.2
BATCH_TOKENS = 3072
RISK_LOSS = 0.5
Tokens = list[int]
Weights = Mapping[str, npt.NDArray[np.float32]]
"""By the names that the network gives them."""


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


def pieces_of(tokenizer: Any, whole: Any) -> list[int]:
    """Of each piece of a cut tokenizer the id that it has in the whole one."""
    known = whole.get_vocab()
    mine = tokenizer.get_vocab()
    return [known[piece] for piece in sorted(mine, key=mine.__getitem__)]


def encoded(tokenizer: Any, texts: Sequence[str], most: int, tail: int) -> list[Tokens]:
    """Token ids of texts, long ones cut to their edges."""
    cut = [shortened(text) for text in texts]
    return [token_edges(found.ids, most, tail) for found in tokenizer.encode_batch(cut)]


def fine_tuned(
    base: Path,
    draws: Sequence[tuple[Sequence[DeepRow], Sequence[Tokens]]],
    pieces: Sequence[int],
    tasks: Sequence[str],
    *,
    minutes: float,
    seed: int,
    start: Weights | None = None,
) -> bytes:
    """One pass over each draw of rows, ended and its rates fallen after ``minutes`` at the latest; the graph in int8.

    Each draw (rows and their tokens) is trained on by a process of its own, on one core, and the weights are averaged:
    runs that go on from the same weights stay near enough for that (Wortsman et al., 2022, arXiv:2203.05482).
    ``pieces``: the base's ids of the tokenizer's pieces. ``start``: weights to go on from, as
    :func:`deep_start.weights_of` gives them; without, there is one draw.
    """
    run = partial(_trained, base, pieces, tasks, minutes, start)
    if len(draws) == 1:
        found = [run(*draws[0], seed)]
    else:
        with ProcessPoolExecutor(len(draws), mp_context=get_context("spawn")) as pool:
            found = list(pool.map(run, *zip(*draws, strict=True), range(seed, seed + len(draws))))
    if start is None:
        return averaged(base, pieces, [(1.0, one) for one in found])
    rest = (1.0 - KEPT) / len(found)
    return averaged(base, pieces, [(KEPT, start), *((rest, one) for one in found)])


def averaged(base: Path, pieces: Sequence[int], parts: Sequence[tuple[float, Weights]]) -> bytes:
    """The int8 graph of the weighted mean of encoders' weights; one that does not name a weight has the base's."""
    import torch

    shares = [share for share, _ in parts]
    network = _network(base, pieces, len(parts[0][1]["head.bias"]), None)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if any(name in weights for _, weights in parts):
                found = [weights.get(name, value.detach().numpy()) for _, weights in parts]
                value.copy_(torch.from_numpy(np.average(found, axis=0, weights=shares)))
    network.eval()
    return quantised(exported(network, {"logits": False, "pooled": False}))[0]


def _network(base: Path, pieces: Sequence[int], outputs: int, start: Weights | None) -> Any:
    import torch
    from transformers import AutoModel

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
    network = classifier(encoder, outputs)
    if start is not None:
        network.load_state_dict({name: torch.from_numpy(value) for name, value in start.items()}, strict=False)
    return network


def _trained(
    base: Path,
    pieces: Sequence[int],
    tasks: Sequence[str],
    minutes: float,
    start: Weights | None,
    rows: Sequence[DeepRow],
    tokens: Sequence[Tokens],
    seed: int,
) -> dict[str, npt.NDArray[np.float32]]:
    """The weights that one pass over ``rows`` leaves."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = _network(base, pieces, len(tasks) + len(rows[0].flags), start)
    rate, head_rate = RATES if start is None else RATES_ON
    body = [value for value in network.encoder.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [value for value in body if value.ndim > 1], "weight_decay": 0.01, "peak": rate},
            {"params": [value for value in body if value.ndim <= 1], "weight_decay": 0.0, "peak": rate},
            {"params": list(network.head.parameters()), "weight_decay": 0.01, "peak": head_rate},
        ],
        lr=rate,
        fused=True,
    )
    _train(network, optimiser, rows, tokens, tasks, minutes, seed)
    return {name: value.detach().numpy() for name, value in network.named_parameters() if value.requires_grad}


def _train(
    network: Any,
    optimiser: Any,
    rows: Sequence[DeepRow],
    tokens: Sequence[Tokens],
    tasks: Sequence[str],
    minutes: float,
    seed: int,
) -> None:
    import torch

    at = {task: index for index, task in enumerate(tasks)}
    batches = list(_batches(tokens, seed))
    started = time.monotonic()
    network.train()
    shown = 0.0
    for step, part in enumerate(batches):
        share = max(step / len(batches), (time.monotonic() - started) / (minutes * 60.0))
        if share >= 1.0:
            break
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
            sys.stderr.write(f"draw {seed}, step {step} of {len(batches)}, {share:.1%} of the pass, loss {shown:.3f}\n")


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
