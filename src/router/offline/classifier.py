"""``LocalClassifier``: from labelled texts to a local model with a card, in scikit-learn's manner.

    >>> from router.offline.classifier import LocalClassifier
    >>> model = LocalClassifier(task="intent_classification", max_error=0.02).fit(texts, labels)   # doctest: +SKIP
    >>> model.predict(["where is my parcel?"]), model.card_.promise                                # doctest: +SKIP
    >>> model.save("models/parcels")                                                               # doctest: +SKIP

Rows are split three ways: fitted, calibrated, and tested once at the end; the test rows decide nothing. It is an
estimator as scikit-learn has them: cloned, searched over, cross-validated and put at the end of a pipeline.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..catalogue import LocalCard
from ..errors import RequestError
from ..local.base import CardedModel
from ..signals.excerpt import edges
from ..signals.language import identify
from ..types import TASKS
from .choose import Score, cross_validate, winner
from .embedding import EmbeddingMaker
from .fit import LinearMaker
from .given import LEAST_ROWS, checked_languages, given_rows, text_list
from .label_heads import Helper
from .measure import blind_spots, confirmed, figures, latency_us, ood_figures
from .outsiders import outsider_texts
from .promise import Goal
from .rows import Rows, rows_hash, split_rows
from .shortcuts import find_shortcuts

__all__ = ["LEAST_ROWS", "LocalClassifier"]

_MOST_CALIBRATION = 1600  # more rows hardly sharpen a promise, and would be missed where they teach
_MAKERS: Mapping[str, type[LinearMaker]] = {"linear": LinearMaker, "embedding": EmbeddingMaker}
MAKERS = ("auto", *_MAKERS, "neighbours", "encoder")


class LocalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Chooses a maker by cross-validation, trains and calibrates it, and tests it once.

    Args:
        task: the task label that requests for this model have (see ``router.types.TASKS``).
        name: of the model; small letters, digits and dashes. Default: the task's.
        maker: ``auto`` (``linear`` or ``embedding``, whichever does better), ``linear``, ``embedding``, or ``encoder``
            (fine-tunes a pretrained encoder) or ``neighbours`` (a pretrained encoder as it is, for few rows); these two
            need the extra ``train``.
        max_error, confidence, keep, of: the promise, see :class:`router.offline.promise.Goal`.
        minutes: how long choosing may take (0.3 by default; the final fit comes on top), or, with ``encoder``,
            fine-tuning (15).
        languages: ISO 639-1 codes of the texts; recognised from them by default.
        licence: what the card says of the rows' licence.
        base, teacher: of ``encoder``, see :class:`router.offline.encoder.EncoderMaker`; ``base`` of ``neighbours`` too.
        seed: of every draw, 0 to 2**32 - 1. The same rows, settings and seed give the same file.
        progress: called with what is being done and the share of it that is, 0..1.

    Labels are text: others are written as such (``1`` as ``"1"``), in what is predicted too.

    Attributes after ``fit``: ``classes_``, ``card_``, ``model_``, ``scores_`` (cross-validation), ``notes_``,
    ``test_figures_`` and ``splits_`` (rows by part). A fitted one is not pickled, but saved with :meth:`save`.
    """

    def __init__(
        self,
        *,
        task: str = "other_classification",
        name: str | None = None,
        maker: str = "auto",
        max_error: float = 0.05,
        confidence: float = 0.95,
        keep: float | None = None,
        of: str | None = None,
        minutes: float | None = None,
        languages: Sequence[str] | None = None,
        licence: str = "not stated",
        base: str | Path | None = None,
        teacher: str | Path | None = None,
        seed: int = 0,
        progress: Callable[[str, float], None] | None = None,
    ) -> None:
        self.task, self.name, self.maker = task, name, maker
        self.max_error, self.confidence, self.keep, self.of = max_error, confidence, keep, of
        self.minutes, self.languages, self.licence, self.base, self.teacher = minutes, languages, licence, base, teacher
        self.seed, self.progress = seed, progress
        self._check()

    def fit(
        self,
        X: Sequence[str],  # noqa: N803 scikit-learn's name
        y: Sequence[str],
        *,
        hosted: Sequence[str] = (),
        languages: Sequence[str] = (),
        test: Rows | None = None,
        ood: Sequence[str] = (),
    ) -> Self:
        """Train on texts ``X`` with labels ``y``, both of length n.

        ``hosted``: a hosted model's answers to the same texts, for a promise about them; ``languages``: one a text, for
        thresholds by language; ``test``: rows to test on instead of a part of these; ``ood``: texts that the model must
        not answer, to measure how often it would.

        Raises:
            RequestError: too few rows, fewer than two labels, labels that look like free text, or a wrong setting.
        """
        self._check()
        rows, self.notes_ = given_rows(X, y, hosted, languages)
        told = tuple(sorted(set(rows.languages)))
        if len(told) < 2:  # one threshold does for one language
            rows = msgspec.structs.replace(rows, languages=())
        # A promise needs hundreds of calibration rows, however few there are to learn from.
        calibration = min(0.2, _MOST_CALIBRATION / len(rows)) if len(rows) >= 4000 else 0.3
        parts = split_rows(rows, test=0.0 if test is not None else 0.2, calibration=calibration, seed=self.seed)
        held_out = test if test is not None else parts.test
        if test is not None:
            held_out = self._fresh(test, rows)
        self.splits_ = {"fit": len(parts.fit), "calibration": len(parts.calibration), "test": len(held_out)}
        started = time.monotonic()
        outsiders = outsider_texts(self.task)
        self.scores_: list[Score] = []
        with Helper() as helper:
            made = self._maker(parts.fit, helper)
            made.fit(parts.fit, parts.calibration, outsiders)
        self.maker_ = made
        # Python's own text in an array: what scikit-learn does with classes it does with these.
        self.classes_: npt.NDArray[np.object_] = np.array(made.classes_, dtype=object)
        self.model_: CardedModel = made.model()
        card = made.card(
            name=self._name,
            task=self.task,
            languages=self._languages or told or self._recognised(rows),
            rows=len(parts.fit),
            licence=self.licence,
            data_hash=rows_hash(parts.fit, parts.calibration),
            description=f"Trained on {len(parts.fit):,} rows with {len(self.classes_)} labels.",
            limits=tuple(self.notes_),
        )
        shortcuts = find_shortcuts(self.model_, card, parts.fit, seed=self.seed)
        if shortcuts:
            self.notes_.append(f"One of these words alone can turn its answer: {', '.join(shortcuts)}.")
            card = msgspec.structs.replace(card, shortcuts=shortcuts)
        self._test(card, held_out, ood, time.monotonic() - started)
        return self

    def predict(self, X: Sequence[str]) -> npt.NDArray[np.object_]:  # noqa: N803
        """The likeliest label of each text, shape ``(len(X),)``."""
        best = self.predict_proba(X).argmax(1)
        found: npt.NDArray[np.object_] = self.classes_[best]
        return found

    def predict_proba(self, X: Sequence[str]) -> npt.NDArray[np.float64]:  # noqa: N803
        """Calibrated probabilities, float64, shape ``(len(X), len(classes_))``."""
        check_is_fitted(self, "model_")
        texts = text_list(X)
        found = [prediction.probabilities for prediction in self.model_.predict(texts)]
        return np.array(found, np.float64).reshape(len(texts), len(self.classes_))

    def score(self, X: Sequence[str], y: Sequence[str]) -> float:  # noqa: N803
        """Accuracy."""
        said, truth = self.predict(X), [str(label) for label in y]
        if not len(said) or len(said) != len(truth):
            raise RequestError(f"{len(said)} texts and {len(truth)} labels: one label a text is expected.")
        return float(np.mean([one == other for one, other in zip(said, truth, strict=True)]))

    def save(self, directory: str | Path) -> LocalCard:
        """Write card and files to ``directory``, which ``local_models.paths`` in router.yaml may then name."""
        check_is_fitted(self, "model_")
        card: LocalCard = self.maker_.export(Path(directory), self.card_)
        return card

    def __getstate__(self) -> dict[str, Any]:
        if "model_" in self.__dict__:
            raise TypeError("A fitted LocalClassifier is not pickled: write it with save(), read it with router eval.")
        state: dict[str, Any] = super().__getstate__()
        return state

    # ----- steps -----

    def _check(self) -> None:
        if self.task not in TASKS:
            raise RequestError(f"there is no task {self.task!r}.", param="task", hint=f"Tasks: {', '.join(TASKS)}.")
        if self.maker not in MAKERS:
            raise RequestError(
                f"there is no maker {self.maker!r}.", param="maker", hint=f"Makers: {', '.join(MAKERS)}."
            )
        if self.minutes is not None and not self.minutes > 0.0:
            raise RequestError(f"minutes is {self.minutes}; it is above 0.", param="minutes")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed is {self.seed}; it lies between 0 and {2**32 - 1}.", param="seed")
        self._name = self.name or self.task.replace("_", "-")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", self._name):
            raise RequestError(
                f"the name {self._name!r} is not made of small letters, digits, '.', '_' and '-'.", param="name"
            )
        self._languages = checked_languages(self.languages or ())
        self.goal = Goal(
            max_error=self.max_error if self.keep is None else round(1.0 - self.keep, 9),
            confidence=self.confidence,
            keep=self.keep,
            of=self.of,
        )

    def _said(self, what: str, share: float) -> None:
        if self.progress is not None:
            self.progress(what, share)

    def _maker(self, rows: Rows, helper: Helper) -> Any:
        minutes = self.minutes or (15.0 if self.maker == "encoder" else 0.3)
        if self.maker == "encoder":
            from .encoder import EncoderMaker

            return EncoderMaker(
                base=self.base,
                teacher=self.teacher,
                goal=self.goal,
                minutes=minutes,
                seed=self.seed,
                helper=helper,
                progress=self._said,
            )
        if self.maker == "neighbours":
            from .neighbours import NeighboursMaker

            return NeighboursMaker(base=self.base, goal=self.goal, seed=self.seed, progress=self._said)
        self.scores_ = cross_validate(
            rows, self.maker, seconds=minutes * 60.0, seed=self.seed, progress=self._said, helper=helper
        )
        best = winner(self.scores_)
        self._said(f"training {best.name}", 0.0)
        kind = _MAKERS[best.maker]
        return kind(goal=self.goal, seed=self.seed, helper=helper, **best.settings)

    def _fresh(self, test: Rows, rows: Rows) -> Rows:
        """The test rows that ``rows`` have not, with labels that they have."""
        seen, labels = set(rows.texts), set(rows.labels)
        fresh = test.pick([index for index, text in enumerate(test.texts) if text not in seen])
        if len(fresh) < len(test):
            self.notes_.append(f"{len(test) - len(fresh):,} test rows are training rows too and were not tested.")
        known = fresh.pick([index for index, label in enumerate(fresh.labels) if label in labels])
        if len(known) < len(fresh):
            others = ", ".join(sorted(set(fresh.labels) - labels)[:8])
            count = len(fresh) - len(known)
            self.notes_.append(f"{count:,} test rows have labels that were not learnt, and were not tested: {others}.")
        if not len(known):
            raise RequestError("no test row is left to test on.", param="test", hint=" ".join(self.notes_))
        return known

    def _recognised(self, rows: Rows) -> tuple[str, ...]:
        sample = rows.texts[:: max(1, len(rows) // 400)]
        heard = [identify(edges(text).lower()) for text in sample]
        counts: dict[str, int] = {}
        for code, confidence in heard:
            if code is not None and confidence >= 0.6:
                counts[code] = counts.get(code, 0) + 1
        sure = sum(counts.values())
        found = tuple(sorted(code for code, count in counts.items() if count >= max(2, 0.08 * sure)))
        if not found:
            self.notes_.append("No language was recognised in the texts; English is assumed: languages says another.")
            return ("en",)
        self.notes_.append(f"Languages recognised from the texts: {', '.join(found)}.")
        return found

    def _test(self, card: LocalCard, test: Rows, ood: Sequence[str], seconds: float) -> None:
        self._said("testing", 0.0)
        model = self.maker_.model(card)
        found: dict[str, Any] = {}
        predictions = model.predict(test.texts)
        if len(test):
            found = figures(card, predictions, test.labels, language=card.languages[0], every_label=True)
            self.notes_ += blind_spots(card, predictions, test)
            tested = confirmed(card, predictions, test, self.goal)
            card = msgspec.structs.replace(card, promise={**card.promise, "tested": tested})
            if not tested["holds"]:  # the frozen threshold broke its promise on untouched rows: it must not answer
                card = msgspec.structs.replace(card, threshold=1.01, language_thresholds={})
                self.notes_.append(
                    f"The promise broke on the test rows ({tested['errors']} of {tested['answered']} answers wrong): "
                    "the model answers nothing until it is calibrated anew on fresh rows."
                )
        if ood:
            found |= ood_figures(model.card, predictions, model.predict(ood))
        found["train_seconds"] = round(seconds, 1)
        self.test_rows_, self.test_figures_ = test, found
        self.card_ = msgspec.structs.replace(
            card,
            metrics={"test": found},
            latency_us=round(latency_us(model, test.texts), 1),
            limits=tuple(self.notes_),
        )
        self.model_ = self.maker_.model(self.card_)
        self._said("tested", 1.0)
