"""May a local model answer? Finds the model whose task and labels fit, lets it read the text, and says what failed.

Provides ``local`` (:class:`LocalEvidence`), ``annotated`` (rows behind the matching model), ``ood`` (``in`` or ``out``)
and ``shortcut`` (the answer rests on a word that the model is known to lean on). Every condition must hold; the first
that does not is the evidence's ``reason``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..catalogue import LocalCard
from ..contract import LISTING, render
from ..types import (
    UNKNOWN,
    Contract,
    LocalEvidence,
    LocalModel,
    Request,
    Signal,
    SignalName,
    Signals,
    Split,
)
from .contract import read_asked
from .evidence import judged, shortfall
from .excerpt import edges
from .label_map import LabelMap, LabelReader, NamedLabels
from .language import identify
from .pairs import read_pair, read_single, without_pair
from .shortcut import rests_on_shortcut
from .template import template_of
from .written_form import Unfit, written

__all__ = ["LocalDetector"]

_NAME = "local-models"
# From it on the text's language is believed; a headline of names tells little.
_LANGUAGE_CERTAINTY = 0.6
# States in which a model that does not answer is still tried beside.
_TRIED = frozenset({"shadow", "quarantined"})
_SAID = {"shadow": "in shadow", "quarantined": "in quarantine"}


# Heads that choose among labels; the others write their answer.
_CHOOSING = frozenset({"labels", "pair"})
# Which of these a choice among labels is called is a matter of its labels, which a model either has or has not.
_BY_LABELS = frozenset({"topic_classification", "intent_classification", "other_classification"})


class _Match(msgspec.Struct, frozen=True, kw_only=True):
    model: LocalModel
    card: LocalCard
    labels: LabelMap | None
    is_task_certain: bool
    state: str | None = None


class LocalDetector:
    """Evidence of the registered local models for one request.

    Args:
        models: the models, any that meet the protocol; ``slow`` is true when one of them is.
        cards: the card of each, by the model's name.
        least_certainty: below it a reading (contract, text to judge) is not certain enough to answer on, 0..1.
        task_certainty: from it on the task classifier is believed, 0..1.
        contradiction: from it on the task classifier overrules labels that speak for another task, 0..1.
        least_share: below this probability of all the models' tasks together, a prompt's wording is not searched for
            labels (those of a schema, a tool or a hint always are), 0..1.
        away: tells the models that do not answer for now, by name, and the state that they are in instead.

    A model whose card names a prompt template answers requests of that template, whatever their task is read as.
    """

    provides: tuple[SignalName, ...] = ("local", "annotated", "ood", "shortcut")

    def __init__(
        self,
        models: Sequence[LocalModel],
        cards: Mapping[str, LocalCard],
        *,
        least_certainty: float = 0.7,
        task_certainty: float = 0.5,
        contradiction: float = 0.8,
        least_share: float = 0.05,
        away: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._models = tuple((model, cards[model.name], LabelReader(cards[model.name])) for model in models)
        self._choosing = tuple(each for each in self._models if each[1].head in _CHOOSING)
        self._named = NamedLabels(card for _, card, _ in self._models)
        self._templates = frozenset(
            name for card in cards.values() if card.template for name in (card.template, *card.also_templates)
        )
        tasks = {task for card in cards.values() if not card.template for task in (card.task, *card.also_tasks)}
        self._tasks = tasks | _BY_LABELS if tasks & _BY_LABELS else tasks
        self._away = away
        self.slow = any(not model.is_fast for model in models)
        self._least, self._task_certainty, self._contradiction = least_certainty, task_certainty, contradiction
        self._least_share = least_share

    def __call__(self, signals: Signals, /) -> Mapping[SignalName, Signal[Any]]:
        """The four signals; ``local`` is None when no model's task and labels match the request."""
        if not self._models:
            return _NOTHING
        template = self._template(signals)
        if not template and self._is_elsewhere(signals):
            return _NOTHING
        contract: Signal[Contract] = signals.get("contract")
        match = self._match(signals, contract.value, template, self._away())
        return self._written(signals) if match is None else self._read(signals, contract, match)

    def trial(self, signals: Signals) -> list[LocalEvidence]:
        """What the models that are in shadow or in quarantine would have said of this request, each for itself.

        Not for the way of a request: it runs the models, slow ones too.
        """
        away = {name: state for name, state in self._away().items() if state in _TRIED}
        if not away:
            return []
        signals.fetch(("task", "scores", "language"))
        template = self._template(signals)
        contract: Signal[Contract] = signals.get("contract")
        found: list[LocalEvidence] = []
        for name in away:
            match = self._match(signals, contract.value, template, {}, only=name)
            if match is not None:
                evidence: Signal[LocalEvidence] = self._read(signals, contract, match)["local"]
                found += [] if evidence.value is None else [evidence.value]
        return found

    def _read(self, signals: Signals, contract: Signal[Contract], match: _Match) -> Mapping[SignalName, Signal[Any]]:
        """The four signals by the matching model."""
        card = match.card
        text = self._text(signals) if card.head == "labels" else read_pair(signals.request, card.head)
        if card.head == "pair" and text is not None and signals.request.hints.input is None:
            contract = _about(signals.request, text, contract)
        language = _language(signals, text)
        blocked = self._obstacle(match, contract, signals, language)
        mismatch = match.labels is not None and match.labels.reason is not None
        evidence = LocalEvidence(
            model=card.name,
            threshold=card.language_thresholds.get(_base(language), card.threshold),
            ood_threshold=card.ood_threshold,
            rows=card.rows,
            reason=blocked,
            template=card.template,
        )
        if mismatch:  # its rows speak of other labels, so they are no annotated data for this request
            return {"local": _said(evidence, 1.0), "annotated": _said(0, 1.0), "ood": UNKNOWN, "shortcut": UNKNOWN}
        annotated = _said(card.rows, signals.get("task").confidence if match.labels is None else 1.0)
        if text is None or match.state is not None:
            if blocked is None:
                evidence = msgspec.structs.replace(
                    evidence, reason="the text to judge could not be told from the instruction with certainty"
                )
            return {"local": _said(evidence, 1.0), "annotated": annotated, "ood": UNKNOWN, "shortcut": UNKNOWN}
        prediction = match.model.predict((text,))[0]
        evidence = judged(evidence, prediction, contract.value, match.labels)
        if contract is not signals.get("contract") and contract.value is not None and evidence.reason is None:
            evidence = msgspec.structs.replace(evidence, text=render(contract.value, evidence.answer))
        inside = prediction.in_distribution
        label = prediction.labels.index(evidence.label) if evidence.label is not None else 0
        is_shortcut = rests_on_shortcut(match.model, text, label, card.shortcuts)
        where = "in" if inside >= card.ood_threshold else "out"
        confidence = evidence.probability if evidence.probability is not None else 1.0
        return {
            "local": _said(evidence, confidence),
            "annotated": annotated,
            "ood": _said(where, max(inside, 1.0 - inside)),
            "shortcut": _said(is_shortcut, 1.0),
        }

    def _template(self, signals: Signals) -> str:
        """The request's template, where a model was trained on it; else empty."""
        if not self._templates:
            return ""
        template = template_of(signals.request, signals.get("split").value)
        return template if template in self._templates else ""

    def _is_elsewhere(self, signals: Signals) -> bool:
        """Whether no model could match, whatever labels are asked for: then they need not be read."""
        scores: Mapping[str, float] | None = signals.get("scores").value
        request = signals.request
        if not scores or request.json_schema is not None or request.tools or request.hints.labels is not None:
            return False
        if sum([scores.get(task, 0.0) for task in self._tasks]) < self._least_share:
            return True
        # Of another task, a request is a model's only by labels that name its task.
        if signals.get("task").value in self._tasks or any(key in request.body for key in LISTING):
            return False
        return not self._named.may_stand_in(request)

    def _match(
        self,
        signals: Signals,
        contract: Contract | None,
        template: str,
        away: Mapping[str, str],
        *,
        only: str | None = None,
    ) -> _Match | None:
        task: Signal[str] = signals.get("task")
        request = signals.request
        is_given = request.json_schema is not None or bool(request.tools) or request.hints.labels is not None
        best: tuple[tuple[bool, bool, bool, bool, int, int], _Match] | None = None
        for order, (model, card, reader) in enumerate(self._choosing):
            if only is not None and card.name != only:
                continue
            is_bound = bool(card.template)
            if is_bound and not _is_bound_to(card, template):
                continue
            labels = reader(contract) if contract is not None else None
            fits = labels is not None and labels.reason is None
            is_its_task = is_bound or task.value == card.task or (fits and task.value in card.also_tasks)
            is_told = fits and labels is not None and labels.is_telling
            # A schema, a tool or a hint names the answers beyond doubt, so that the task is told.
            if is_told and not is_its_task and not is_given and task.value is not None:
                contradicted = task.confidence >= self._contradiction
                is_told = not contradicted or {task.value, card.task} <= _BY_LABELS
            if not is_its_task and not is_told:
                continue
            if labels is not None and not labels.mapped and not is_bound and self._count(card.task) > 1:
                continue  # one of several models of a task, and none of its labels: it has nothing to do with this
            state = away.get(card.name)
            rank = (fits, state is None, is_bound, is_its_task, labels.mapped if labels is not None else 0, -order)
            certain = is_bound or is_told or (is_its_task and task.confidence >= self._task_certainty)
            match = _Match(model=model, card=card, labels=labels, is_task_certain=certain, state=state)
            if best is None or rank > best[0]:
                best = (rank, match)
        return None if best is None else best[1]

    def _count(self, task: str) -> int:
        """How many models are for any request of a task."""
        return sum(card.task == task and not card.template for _, card, _ in self._models)

    def _obstacle(
        self, match: _Match, contract: Signal[Contract], signals: Signals, language: str | None
    ) -> str | None:
        """The first condition that fails before the text is read."""
        name, asked = match.card.name, contract.value
        if match.state is not None:
            return f"{name} does not answer for now: it is {_SAID.get(match.state, match.state)}"
        if asked is None:
            return "it is unknown which answer is asked for"
        if asked.blocker is not None and not (asked.is_learnable and match.card.template):
            return asked.blocker.rstrip(".")
        if match.labels is None:
            hints = signals.request.hints
            alone = self._count(match.card.task) == 1 and not match.card.template
            if hints.task != match.card.task or asked.shape != "bare_label" or not alone:
                return "the labels that the answer may have are unknown"
        elif match.labels.reason is not None:
            return match.labels.reason
        if asked.multi_label:
            return f"several labels may be asked for, and {name} gives exactly one"
        if not match.is_task_certain:
            return f"the task is not certain ({signals['task'].value}, {signals['task'].confidence:.2f})"
        if contract.confidence < self._least:
            return f"the asked-for answer was not read with certainty ({contract.confidence:.2f})"
        if language is None:
            return "the language is unknown"
        if _base(language) not in match.card.languages:
            return f"{name} does not know the language {language!r}"
        return None

    def _written(self, signals: Signals) -> Mapping[SignalName, Signal[Any]]:
        """Evidence of a model that writes its answer: entities, a span, a number. Only where its task is asked for
        beyond doubt, by a hint or by the task signal and a schema."""
        request, task, away = signals.request, signals.get("task"), self._away()
        named = request.hints.task
        if named is None and request.json_schema is not None and task.confidence >= self._contradiction:
            named = task.value
        fitting = [
            (model, card)
            for model, card, _ in self._models
            if card.head not in _CHOOSING and card.task == named and card.name not in away
        ]
        if len(fitting) != 1:
            return _NOTHING
        model, card = fitting[0]
        text = read_pair(request, card.head) or (read_single(request) if card.head != "span" else None)
        language = _language(signals, text)
        evidence = LocalEvidence(
            model=card.name, threshold=card.threshold, ood_threshold=card.ood_threshold, rows=card.rows
        )
        annotated = _said(card.rows, 1.0)
        if text is None or _base(language) not in card.languages:
            why = "the text to read could not be told from the instruction with certainty"
            if text is not None:
                why = f"{card.name} does not know the language {language!r}"
            unread = msgspec.structs.replace(evidence, reason=why)
            return {"local": _said(unread, 1.0), "annotated": annotated, "ood": UNKNOWN, "shortcut": UNKNOWN}
        prediction = model.predict((text,))[0]
        evidence = msgspec.structs.replace(
            evidence,
            label=prediction.labels[0],
            probability=prediction.probabilities[0],
            in_distribution=prediction.in_distribution,
            reason=shortfall(evidence, prediction, free=0, chosen=0, mass=1.0, probability=prediction.probabilities[0]),
        )
        if evidence.reason is None:
            try:
                whole = written(request, card, prediction.value)
                evidence = msgspec.structs.replace(evidence, text=whole, answer=(whole,))
            except Unfit as error:
                evidence = msgspec.structs.replace(evidence, reason=str(error))
        inside = prediction.in_distribution
        where = "in" if inside >= card.ood_threshold else "out"
        return {
            "local": _said(evidence, prediction.probabilities[0]),
            "annotated": annotated,
            "ood": _said(where, max(inside, 1.0 - inside)),
            "shortcut": UNKNOWN,
        }

    def _text(self, signals: Signals) -> str | None:
        found: Signal[Split] = signals.get("split")
        split = found.value
        if split is None or found.confidence < self._least:
            return None
        request = signals.request
        whole = (request.hints.input or "") if split.message < 0 else request.messages[split.message].text
        return whole[split.start : split.end]


def _about(request: Request, pair: str, contract: Signal[Contract]) -> Signal[Contract]:
    """The contract as the instruction alone says it, where it is for the same bare labels; else as it was read."""
    bare, _ = read_asked(without_pair(request, pair))
    was, now = contract.value, bare.value
    is_same = (
        was is not None
        and now is not None
        and (was.labels, was.meanings) == (now.labels, now.meanings)
        and now.shape == "bare_label"
    )
    return bare if is_same and was is not None and was.blocker is not None else contract


def _language(signals: Signals, text: str | None) -> str | None:
    """The language of the text to judge; the request's where the text alone does not tell. Instructions may differ."""
    own: str | None = None
    messages = signals.request.messages
    if text is not None and not (len(messages) == 1 and len(text) == len(messages[0].text)):
        own, certainty = identify(edges(text).lower())
        if certainty >= _LANGUAGE_CERTAINTY:
            return own
    whole: str | None = signals.get("language").value
    return whole or own


def _is_bound_to(card: LocalCard, template: str) -> bool:
    """Whether the model may answer requests of this template; one that is bound to none may answer any."""
    return not card.template or template == card.template or template in card.also_templates


def _base(language: str | None) -> str:
    return (language or "").split("-")[0].lower()


def _said(value: Any, confidence: float) -> Signal[Any]:
    return Signal(value=value, confidence=confidence, detector=_NAME)


_NOTHING: Mapping[SignalName, Signal[Any]] = {
    "local": _said(None, 1.0), "annotated": _said(0, 1.0), "ood": UNKNOWN, "shortcut": UNKNOWN,
}  # fmt: skip
