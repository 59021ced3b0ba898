"""Recorded outcomes: what several models scored on the same prompts, and what each call cost."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from ..errors import RequestError

__all__ = ["Outcomes", "prompt_folds", "read_outcomes"]

MAX_ROW_BYTES = 4 * 1024 * 1024


class OutcomeRow(msgspec.Struct, frozen=True):
    """One line of an outcomes file; further keys are ignored."""

    prompt: str
    model: str
    score: float
    cost_usd: float | None = None
    dataset: str = "outcomes"


class Outcomes(msgspec.Struct, frozen=True):
    """N prompts, M models. ``scores`` and ``usd``: float64, shape ``(N, M)``, NaN where nothing was recorded.

    ``scores`` are 0..1. A prompt that a model was asked more than once counts with the mean. ``left_out``: how many
    prompts were not read, since not every model was asked them.
    """

    prompts: tuple[str, ...]
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    scores: npt.NDArray[np.float64]
    usd: npt.NDArray[np.float64]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def has_cost(self) -> bool:
        """Whether the cost of every call is known."""
        return bool(np.isfinite(self.usd).all())

    def take(self, rows: npt.NDArray[np.intp]) -> Outcomes:
        """Only the prompts ``rows``, in that order."""
        return Outcomes(
            tuple(self.prompts[row] for row in rows),
            tuple(self.datasets[row] for row in rows),
            self.models,
            self.scores[rows],
            self.usd[rows],
            self.left_out,
        )

    def of(self, models: Sequence[str]) -> Outcomes:
        """Only ``models``, in that order.

        Raises:
            RequestError: one of them has no outcomes here.
        """
        for model in models:
            _known(model, self.models)
        columns = [self.models.index(model) for model in models]
        scores, usd = self.scores[:, columns], self.usd[:, columns]
        return Outcomes(self.prompts, self.datasets, tuple(models), scores, usd, self.left_out)


def prompt_folds(
    prompts: Sequence[str], count: int, seed: int
) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """``count`` pairs of training and test rows; a prompt that stands in several rows is in one fold."""
    keys: dict[str, int] = {}
    groups = np.array([keys.setdefault(prompt, len(keys)) for prompt in prompts])
    shuffled = np.random.default_rng(seed).permutation(len(keys))[groups]
    folds = GroupKFold(min(count, len(keys))).split(groups, groups=shuffled)
    return [(train.astype(np.intp), test.astype(np.intp)) for train, test in folds]


def read_outcomes(paths: Iterable[Path], only: Sequence[str] = ()) -> Outcomes:
    """Outcomes from JSON lines (``{"prompt", "model", "score", "cost_usd", "dataset"}``), plain or gzipped.

    Prompts that not every model was asked are left out, so that all models are judged on the same ones; of models that
    are not in ``only``, where it names any, nothing is read, and the others stand in its order.

    Raises:
        RequestError: a line that cannot be read, a score outside 0..1, or nothing left to compare.
    """
    wanted = frozenset(only)
    if len(wanted) == 1 or len(wanted) < len(only):
        raise RequestError(f"to compare {', '.join(only)} takes two different models.", hint="Name two or more, once.")
    sums: dict[tuple[str, str], dict[str, list[float]]] = {}
    models: dict[str, None] = {}
    for row in _rows(paths):
        models.setdefault(row.model)
        if wanted and row.model not in wanted:
            continue
        entry = sums.setdefault((row.dataset, row.prompt), {}).setdefault(row.model, [0.0, 0.0, 0.0, 0.0])
        entry[0] += row.score
        entry[1] += 1.0
        if row.cost_usd is not None:
            entry[2] += row.cost_usd
            entry[3] += 1.0
    for name in only:
        _known(name, tuple(models))
    names = tuple(only) or tuple(models)
    whole = {key: found for key, found in sums.items() if len(found) == len(names)}
    if not whole or len(names) < 2:
        raise RequestError(
            f"no prompt has outcomes of two models or more ({len(sums)} prompts, {len(models)} models)."
            if len(names) < 2
            else f"no prompt was asked all {len(names)} models ({len(sums)} prompts).",
            hint="One line a prompt and model is expected, the prompt spelt alike for all models; "
            "--models A,B compares some of them.",
        )
    scores = np.array([[found[name][0] / found[name][1] for name in names] for found in whole.values()])
    usd = np.array(
        [[found[name][2] / found[name][3] if found[name][3] else np.nan for name in names] for found in whole.values()]
    )
    prompts, datasets = tuple(key[1] for key in whole), tuple(key[0] for key in whole)
    return Outcomes(prompts, datasets, names, scores, usd, len(sums) - len(whole))


def _known(name: str, models: Sequence[str]) -> None:
    if name not in models:
        hint = f"Models: {', '.join(models)}."
        raise RequestError(f"no outcomes of {name!r} were recorded.", param="model", hint=hint)


def _rows(paths: Iterable[Path]) -> Iterator[OutcomeRow]:
    decoder = msgspec.json.Decoder(OutcomeRow)
    for path in paths:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            number = 0
            while line := _line(lines, path):
                number += 1
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")  # editors on Windows write it
                if not line.strip():
                    continue
                try:
                    row = decoder.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise RequestError(
                        f"{path}:{number}: {error}.", hint="See the format in docs/quality.md."
                    ) from None
                if not 0.0 <= row.score <= 1.0 or (row.cost_usd is not None and not 0.0 <= row.cost_usd < 1e6):
                    raise RequestError(
                        f"{path}:{number}: score {row.score} and cost_usd {row.cost_usd} are not both in range.",
                        hint="score is 0..1, cost_usd dollars or null.",
                    )
                yield row


def _line(lines: Any, path: Path) -> bytes:
    try:
        line: bytes = lines.readline(MAX_ROW_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RequestError(
            f"{path} cannot be unpacked: {error}.", hint="A file whose name ends in .gz must be a whole gzip file."
        ) from None
    return line
