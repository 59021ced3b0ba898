"""Fine-tune a small pretrained encoder on one processor core, in minutes: what is trained, in which order, how fast.

A linear probe starts the new layer, so that the first steps do not tear what was pretrained (LP-FT: Kumar et al.,
2022, arXiv:2202.10054); lower layers move less than upper ones (Howard and Ruder, 2018, arXiv:1801.06146), word vectors
not at all, nor the lowest layers of a wide encoder (Lee et al., 2019, arXiv:1911.03090); the weights of the last steps
are averaged (Kaddour, 2022, arXiv:2209.14981) when that does better on rows kept back. Matrix products are bfloat16
where the processor multiplies these in hardware.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["Schedule", "Trained", "batch_of", "classifier", "fine_tune", "read_all"]

_LAYER = re.compile(r"\.layers?\.(\d+)\.")
_LEAST_STEPS = 20
_POINTS = 24  # so many weights are averaged at most
_PROBED = 3000  # so many rows start the new layer at most, or a hundred a label


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how hard to train.

    ``rate``: peak learning rate of the uppermost layer, falling by ``layer_decay`` a layer; ``frozen``: so many of the
    lowest layers stay as they are, and positions with them, which saves going back through them; ``smoothing`` of
    labels; ``hidden``: share of tokens that are masked, anew in each pass; ``warm_up`` and ``averaged``: first and last
    share of the steps.
    """

    epochs: int = 5
    rate: float = 1.5e-4
    batch: int = 32
    layer_decay: float = 0.9
    frozen: int = 0
    smoothing: float = 0.05
    hidden: float = 0.05
    warm_up: float = 0.1
    averaged: float = 0.3
    weight_decay: float = 0.01


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What happened: steps taken, seconds, number format, and whether averaged weights were kept."""

    steps: int
    seconds: float
    precision: str
    is_averaged: bool


Tokens = Sequence[Sequence[int]]


def classifier(encoder: Any, labels: int) -> Any:
    """A torch module ``(input_ids, attention_mask) -> (logits, pooled)``: mean of the last states, one linear layer."""
    import torch

    class Classifier(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.drop = torch.nn.Dropout(0.1)
            self.head = torch.nn.Linear(encoder.config.hidden_size, labels)

        def forward(self, input_ids: Any, attention_mask: Any) -> tuple[Any, Any]:
            # With four dimensions the mask is taken as it is; one made by the library does not survive tracing.
            shut = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
            hidden = self.encoder(input_ids=input_ids, attention_mask=shut).last_hidden_state.to(torch.float32)
            weigh = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weigh).sum(1) / weigh.sum(1)
            return self.head(self.drop(pooled)), pooled

    return Classifier()


def batch_of(tokens: Tokens, pad: int) -> tuple[Any, Any]:
    """``(input_ids, attention_mask)``, int64 tensors of shape ``(len(tokens), longest)``."""
    import torch

    width = max(1, *map(len, tokens))
    ids = torch.full((len(tokens), width), pad, dtype=torch.long)
    mask = torch.zeros(len(tokens), width, dtype=torch.long)
    for row, mine in enumerate(tokens):
        ids[row, : len(mine)] = torch.tensor(mine, dtype=torch.long)
        mask[row, : len(mine)] = 1
    return ids, mask


def read_all(network: Any, tokens: Tokens, pad: int, device: str = "cpu") -> tuple[Any, Any]:
    """Logits ``(n, K)`` and pooled vectors ``(n, H)`` of all texts, float32 arrays, without gradients."""
    import torch

    order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    found: tuple[list[Any], list[Any]] = ([], [])
    was = network.training
    network.eval()
    with torch.inference_mode(), _numbers(device)[0]():
        for start in range(0, len(order), 64):
            ids, mask = batch_of([tokens[index] for index in order[start : start + 64]], pad)
            for part, value in zip(found, network(ids.to(device), mask.to(device)), strict=True):
                part.append(value.float().cpu().numpy())
    network.train(was)
    back = np.argsort(order)
    return np.concatenate(found[0])[back], np.concatenate(found[1])[back]


def fine_tune(
    network: Any,
    tokens: Tokens,
    target: npt.NDArray[Any],
    schedule: Schedule,
    *,
    check: tuple[Tokens, npt.NDArray[np.intp]],
    pad: int,
    mask: int | None,
    minutes: float,
    redrawn: Callable[[int], Tokens] | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda what, share: None,
) -> Trained:
    """Train ``network`` in place on ``tokens`` (ids with special tokens) and ``target``: label indices, or the labels'
    probabilities ``(n, K)``, which are not smoothed.

    ``check``: rows kept back, which choose between last and averaged weights. ``pad``, ``mask``: token ids (``mask``
    None: nothing is hidden). ``minutes``: fewer steps are taken where the planned ones would last longer, the rate
    falling by the clock, so that a machine that others use does what there is time for.
    ``redrawn``: the rows as pass ``n`` reads them, in their order, with other typing mistakes each time for example.
    """
    import torch

    started = time.monotonic()
    numbers, precision = _numbers(device)
    hard = (target if target.ndim == 1 else target.argmax(1)).astype(np.intp)
    smoothing = schedule.smoothing if target.ndim == 1 else 0.0
    progress("reading rows with the pretrained encoder", 0.0)
    probed = np.random.default_rng(seed).permutation(len(tokens))[: max(_PROBED, 100 * network.head.out_features)]
    _start_head(network, read_all(network, [tokens[row] for row in probed], pad, device)[1], hard[probed])
    _freeze(network, schedule.frozen)
    groups = _groups(network, schedule)
    optimiser = torch.optim.AdamW(groups, lr=schedule.rate, betas=(0.9, 0.98), fused=True)
    trained = [value for value in network.parameters() if value.requires_grad]
    planned = math.ceil(len(tokens) / schedule.batch) * schedule.epochs
    draw = torch.Generator().manual_seed(seed)
    mean = _Mean(network)
    step, loop = 0, time.monotonic()
    left = max(1e-9, minutes * 60.0 - (loop - started))
    network.train()
    for epoch in range(schedule.epochs):
        rows = tokens if redrawn is None else redrawn(epoch)
        for part in _batches(rows, schedule.batch, (seed, epoch)):
            share = step / planned
            if step >= _LEAST_STEPS:
                share = max(share, (time.monotonic() - loop) / left)
            if share >= 1.0:
                break
            for group in optimiser.param_groups:
                fall = min(1.0, (share + 1e-3) / schedule.warm_up, (1.0 - share) / (1.0 - schedule.warm_up))
                group["lr"] = schedule.rate * group["scale"] * fall
            ids, seen = batch_of([rows[index] for index in part], pad)
            if mask is not None and schedule.hidden > 0.0:
                hit = (torch.rand(ids.shape, generator=draw) < schedule.hidden) & (seen > 0)
                hit[:, 0] = False
                ids = ids.masked_fill(hit, mask)
            wanted = torch.from_numpy(target[part]).to(device)
            with numbers():
                logits, _ = network(ids.to(device), seen.to(device))
            loss = torch.nn.functional.cross_entropy(logits.float(), wanted, label_smoothing=smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            step += 1
            if share >= 1.0 - schedule.averaged and step % max(1, int(planned * schedule.averaged / _POINTS)) == 0:
                mean.add()
            if step % 10 == 0:
                progress(f"fine-tuning, epoch {epoch + 1}, loss {loss.item():.3f}", share)
    is_averaged = _kept_average(network, mean, check, pad, device)
    return Trained(
        steps=step, seconds=round(time.monotonic() - started, 1), precision=precision, is_averaged=is_averaged
    )


class _Mean:
    """The running mean of a network's trained weights."""

    def __init__(self, network: Any) -> None:
        self._values = [value for value in network.parameters() if value.requires_grad]
        self._mean: list[Any] = []
        self.count = 0

    def add(self) -> None:
        self.count += 1
        if not self._mean:
            self._mean = [value.detach().clone() for value in self._values]
            return
        for mean, value in zip(self._mean, self._values, strict=True):
            mean.lerp_(value.detach(), 1.0 / self.count)

    def swap(self) -> None:
        """Exchange the network's weights with the mean."""
        for mean, value in zip(self._mean, self._values, strict=True):
            now = value.detach().clone()
            value.data.copy_(mean)
            mean.copy_(now)


def _kept_average(network: Any, mean: _Mean, check: tuple[Tokens, npt.NDArray[np.intp]], pad: int, device: str) -> bool:
    """Leave the better weights in ``network``: the last ones, or their mean."""
    if mean.count < 2 or not len(check[1]):
        return False
    last = _loss(read_all(network, check[0], pad, device)[0], check[1])
    mean.swap()
    if _loss(read_all(network, check[0], pad, device)[0], check[1]) <= last:
        return True
    mean.swap()
    return False


def _loss(logits: npt.NDArray[np.float32], target: npt.NDArray[np.intp]) -> tuple[float, float]:
    """Share of wrong rows first, then cross-entropy: the lesser is the better."""
    shifted = logits - logits.max(1, keepdims=True)
    surprise = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(target)), target]
    return float((logits.argmax(1) != target).mean()), float(surprise.mean())


def _numbers(device: str) -> tuple[Callable[[], Any], str]:
    """A context in which products are bfloat16 where that is done in hardware, and the format's name."""
    import contextlib

    import torch

    told = [getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")]
    fast = torch.cuda.is_bf16_supported() if device == "cuda" else any(ask is not None and ask() for ask in told)
    if not fast:
        return contextlib.nullcontext, "float32"
    return lambda: torch.autocast(device, torch.bfloat16), "bfloat16"


def _start_head(network: Any, pooled: npt.NDArray[np.float32], target: npt.NDArray[np.intp]) -> None:
    """The new layer as a ridge regression on the pretrained vectors, scaled to be as sure as it is right.

    How sure is told from a fifth of the rows that a first regression has not seen: of its own rows any is too sure.
    """
    import torch
    from sklearn.linear_model import Ridge

    from .fit import temperature_of

    labels = network.head.out_features
    spread = float(pooled.std()) + 1e-9
    wanted = np.eye(labels, dtype=np.float64)[target]
    fresh = len(target) // 5
    first = Ridge(alpha=10.0).fit(pooled[fresh:] / spread, wanted[fresh:])
    sure = min(temperature_of(first.predict(pooled[:fresh] / spread), target[:fresh]), 30.0)
    probe = Ridge(alpha=10.0).fit(pooled / spread, wanted)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy((probe.coef_ / spread * sure).astype(np.float32)))
        network.head.bias.copy_(torch.from_numpy((probe.intercept_ * sure).astype(np.float32)))


def _depths(network: Any) -> tuple[dict[str, int], int]:
    """Each parameter's depth by name, 0 what embeds words and positions, and that of the last layer."""
    names = [name for name, _ in network.named_parameters()]
    layers = {name: int(match[1]) + 1 for name in names if (match := _LAYER.search(name))}
    deepest = max(layers.values(), default=1)

    def depth(name: str) -> int:
        if name in layers:
            return layers[name]
        is_lowest = "embed" in name or "relative_attention_bias" in name
        return deepest + 1 if name.startswith("head") else 0 if is_lowest else deepest

    return {name: depth(name) for name in names}, deepest


def _freeze(network: Any, layers: int) -> None:
    """Word vectors are not trained, nor are the lowest ``layers`` and what is before them; one layer always is."""
    for value in network.encoder.get_input_embeddings().parameters():
        value.requires_grad_(False)
    depths, deepest = _depths(network)
    highest = min(layers, deepest - 1)
    for name, value in network.named_parameters():
        if highest and depths[name] <= highest:
            value.requires_grad_(False)


def _groups(network: Any, schedule: Schedule) -> list[dict[str, Any]]:
    """Parameters by depth and by whether they shrink, each group with the ``scale`` of its learning rate."""
    depths, deepest = _depths(network)
    found: dict[tuple[int, bool], list[Any]] = {}
    for name, value in network.named_parameters():
        if value.requires_grad and "pooler" not in name:
            found.setdefault((depths[name], value.ndim > 1), []).append(value)
    return [
        {
            "params": values,
            "weight_decay": schedule.weight_decay if shrinks else 0.0,
            "scale": schedule.layer_decay ** (deepest + 1 - level),
        }
        for (level, shrinks), values in sorted(found.items())
    ]


def _batches(tokens: Tokens, size: int, seed: tuple[int, int]) -> Iterator[list[int]]:
    """Batches of rows of about one length, so that little is padded, in random order."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(tokens))
    batches: list[list[int]] = []
    for start in range(0, len(order), 50 * size):
        pool = sorted(order[start : start + 50 * size].tolist(), key=lambda index: len(tokens[index]))
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    for index in draw.permutation(len(batches)):
        yield batches[index]
