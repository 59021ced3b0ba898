"""Compares local models with hosted ones while requests are served, beside the way of the answers.

A model in shadow or quarantine reads a share of the requests that a hosted model has answered; a share of those that a
serving model answers also goes to the hosted model that would have answered else. Neither delays or changes an answer.
Models run, and files are written, in one thread of its own with a bounded queue; what does not fit is left out.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec

from ..catalogue import Deployment, LocalCard
from ..contract import given_label
from ..errors import StateUnavailable
from ..signals.ood import LocalDetector
from ..state.agreement import Compared, Inputs
from ..state.betting import bin_of
from ..state.lifecycle import Lifecycle, Transition
from ..state.watch import Watch
from ..telemetry import FLYWHEEL_FAILED, log
from ..types import Contract, Decision, Detector, LocalEvidence, Outcome, Request, SignalName, Signals
from .assembled import whole_answer
from .copies import Copies, is_drawn

__all__ = ["MOST_CHUNKS", "Flywheel"]

_OWN = frozenset({"local", "annotated", "ood", "shortcut"})
_WAITING = 256
_LOOK_S = 0.5
_MOST_INPUTS = 50
MOST_CHUNKS = 512


class Flywheel:
    """``shadow`` and ``audit`` are shares of requests, 0..1. ``detector`` knows the models, ``detectors`` tell what it
    asks for; ``copies`` carry audits to the ``deployments``. ``on_event`` hears of every comparison and of
    the transitions that were made here, in the flywheel's thread. ``skipped`` counts what was drawn and left out.
    """

    def __init__(
        self,
        *,
        detector: LocalDetector,
        detectors: Mapping[SignalName, Detector],
        copies: Copies,
        lifecycle: Lifecycle,
        watch: Watch,
        cards: Iterable[LocalCard],
        deployments: Mapping[str, Deployment],
        shadow: float,
        audit: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._detector, self._copies, self._lifecycle, self._watch = detector, copies, lifecycle, watch
        self._detectors = {name: each for name, each in detectors.items() if name not in _OWN}
        self._bound = frozenset(card.name for card in cards if card.template)
        self._deployments, self._shadow, self._audit, self._now = deployments, shadow, audit, now
        self._waiting: queue.Queue[Callable[[], list[Compared]] | None] = queue.Queue(_WAITING)
        self._inputs: deque[tuple[str, str, float]] = deque(maxlen=_WAITING)
        self._thread: threading.Thread | None = None
        self._skipped = 0
        self.on_event: Callable[[Compared | Transition], None] | None = None

    @property
    def skipped(self) -> int:
        """How many comparisons were drawn and left out."""
        return self._skipped + self._copies.skipped

    def wants_stream(self, decision: Decision) -> bool:
        """Whether the answer that is streamed will be compared, so that it must be gathered."""
        return decision.target.kind == "llm" and self._is_shadowed(decision)

    def offer(
        self, request: Request, decision: Decision, outcome: Outcome, chunks: list[Mapping[str, Any]] | None = None
    ) -> None:
        """Look at an answered request; returns at once. ``chunks``: the answer, where it was streamed."""
        if outcome.status != "answered":
            return
        evidence = decision.evidence
        if evidence is not None and evidence.in_distribution is not None and evidence.model in self._bound:
            self._inputs.append((evidence.model, decision.id, evidence.in_distribution))
            self._start()
        if decision.target.kind == "local" and outcome.model == decision.target.model:
            if evidence is not None and evidence.model in self._bound:
                self._audit_one(request, decision, evidence)
        elif self._is_shadowed(decision):
            body = outcome.body
            if body is None and chunks is not None and len(chunks) <= MOST_CHUNKS:
                body = whole_answer(chunks)
            if body is not None:
                answer = body
                self._put(lambda: self._try(request, decision, answer))

    async def aclose(self) -> None:
        """Stop audits that are out, and write down what waits."""
        await self._copies.aclose()
        thread = self._thread
        if thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            await asyncio.to_thread(thread.join, 5.0)

    # ----- on the way of a request -----

    def _is_shadowed(self, decision: Decision) -> bool:
        return (
            bool(self._shadow)
            and any(state != "retired" for state in self._lifecycle.away().values())
            and is_drawn("shadow", decision.id, self._shadow)
        )

    def _audit_one(self, request: Request, decision: Decision, evidence: LocalEvidence) -> None:
        if not self._audit or not is_drawn("audit", decision.id, self._audit):
            return
        to = next((name for name in decision.fallbacks if self._deployments[name].configured), None)
        if to is None:
            return
        number = self._number(evidence.model)

        def compare(outcome: Outcome) -> None:
            sample = self._compared(decision, evidence, outcome.body or {}, "audit", number)
            self._put(lambda: [sample])

        self._copies.send(request, decision, to, "audit", max_usd=decision.budget.max_usd, then=compare)

    def _put(self, work: Callable[[], list[Compared]]) -> None:
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            self._skipped += 1
        self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="router-flywheel", daemon=True)
            self._thread.start()

    # ----- in the thread -----

    def _work(self) -> None:
        is_open = True
        while is_open:
            samples: list[Compared | Inputs] = []
            with suppress(queue.Empty):
                work = self._waiting.get(timeout=_LOOK_S)
                while True:
                    if work is None:
                        is_open = False
                    else:
                        samples += self._done(work)
                    work = self._waiting.get_nowait()
            samples += self._seen_inputs()
            if samples:
                self._record(samples)

    def _done(self, work: Callable[[], list[Compared]]) -> list[Compared]:
        try:
            return work()
        except Exception as error:  # noqa: BLE001 a model that fails must not end the thread; its message may quote texts
            log.error("%s: %s", FLYWHEEL_FAILED, type(error).__name__)
            return []

    def _record(self, samples: list[Compared | Inputs]) -> None:
        moved: list[Transition] = []
        try:
            moved = self._watch.record(samples)
        except StateUnavailable as error:
            log.error("%s: %s", FLYWHEEL_FAILED, error)
        except Exception as error:  # noqa: BLE001 as above
            log.error("%s: %s", FLYWHEEL_FAILED, type(error).__name__)
        if self.on_event is not None:
            for each in (*samples, *moved):
                if not isinstance(each, Inputs):
                    self.on_event(each)

    def _try(self, request: Request, decision: Decision, body: Mapping[str, Any]) -> list[Compared]:
        signals = Signals.given(request, {k: v for k, v in decision.signals.items() if k not in _OWN}, self._detectors)
        numbers = {name: self._number(name) for name in self._lifecycle.away()}
        contract = signals["contract"]
        found = []
        for evidence in self._detector.trial(signals):
            if evidence.probability is not None and evidence.model in numbers:
                known = msgspec.structs.replace(decision, signals={**decision.signals, "contract": contract})
                found.append(self._compared(known, evidence, body, "shadow", numbers[evidence.model]))
        return found

    def _compared(
        self,
        decision: Decision,
        evidence: LocalEvidence,
        body: Mapping[str, Any],
        source: Literal["shadow", "audit"],
        number: int,
    ) -> Compared:
        signal = decision.signals.get("contract")
        contract: Contract | None = None if signal is None else signal.value
        choices = body.get("choices") or ()
        message = choices[0].get("message") if choices else None
        hosted = None if contract is None else given_label(contract, message or {})
        said = evidence.answer[0] if evidence.answer else ""
        return Compared(
            at_s=self._now(),
            model=evidence.model,
            files=self._lifecycle.files(evidence.model),
            round=number,
            decision=decision.id,
            source=source,
            propensity=self._shadow if source == "shadow" else self._audit,
            would=evidence.reason is None,
            agrees=None if hosted is None else hosted == said,
            probability=round(evidence.probability or 0.0, 6),
            in_distribution=round(evidence.in_distribution or 0.0, 6),
            said=said,
            hosted=hosted,
        )

    def _seen_inputs(self) -> list[Compared | Inputs]:
        seen: dict[str, tuple[str, list[int]]] = {}
        with suppress(IndexError):
            while True:
                model, decision, score = self._inputs.popleft()
                bins = seen.setdefault(model, (decision, []))[1]
                if len(bins) < _MOST_INPUTS:
                    bins.append(bin_of(score))
        away = self._lifecycle.away()
        return [
            Inputs(
                at_s=self._now(),
                model=model,
                files=self._lifecycle.files(model),
                round=self._number(model),
                id=decision,
                bins=bins,
            )
            for model, (decision, bins) in seen.items()
            if model not in away
        ]

    def _number(self, model: str) -> int:
        return len(self._lifecycle.rounds(model)) - 1
