"""The state of one run: its plan, its attempts with what they used, its clock; and what is shown of an answer.

It decides neither what comes next (``selection/attempts.py``) nor drives it (``run.py``, ``streaming.py``), and what it
came to is told by ``ending.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ..errors import RouterError, UpstreamError
from ..selection.attempts import can_escalate, next_step
from ..selection.plan import Choice, Plan, make_plan
from ..selection.steps import Block, Call, Running, Step, Stop, Wait
from ..telemetry import log
from ..types import Attempt, Decision, Request, Usage
from .base import Backend, UpstreamCall
from .books import Books, estimated_input, restore_answer
from .checking import AnswerTexts, Finding, examine, mask_texts, masked
from .continuing import continuation_of
from .failures import Failed, loading_note, run_failure
from .grading import why_not_good_enough
from .local import local_answer
from .means import Means
from .outgoing import Outgoing

__all__ = ["Course"]

_NOBODY: Mapping[str, Block] = {}
_CUT = frozenset({"network", "timeout", "malformed", "overload"})


class Course:
    """The state of one run. ``started_s`` is when the request began, by ``means.clock``.

    ``withheld`` says why the answer that came is not shown; None when it is, or none came. ``kept`` is an answer that
    failed a check of ``escalate`` and is given if nothing better comes. ``has_ready`` says whether the next chunk of a
    stream comes without waiting.
    """

    def __init__(
        self,
        means: Means,
        request: Request,
        decision: Decision,
        started_s: float,
        *,
        is_stream: bool,
    ) -> None:
        self.means, self.request, self.decision = means, request, decision
        self._clock, self._start = means.clock, started_s
        self.plan: Plan = make_plan(
            decision,
            means.deployments,
            jitter=means.jitter(),
            pacing=means.pacing,
            is_stream=is_stream,
        )
        self.attempts: list[Attempt] = []
        self._begun: list[Books] = []
        self.outgoing = Outgoing(means, request, decision)
        self.continuation = continuation_of(request, decision.verdict) if is_stream and means.continues else None
        self.has_ready: Callable[[], bool] = bool

    # What hardly any run changes.
    withheld: str | None = None
    kept: Any = None
    flags: tuple[str, ...] = ()
    _unshowable: str | None = None
    _hosted_error: UpstreamError | None = None
    _local_error: UpstreamError | None = None
    _loading_ms = 0.0
    _loads: frozenset[str] = frozenset()

    @property
    def is_json(self) -> bool:
        """Whether the answer is to be JSON."""
        return self.request.wants_json or self.request.json_schema is not None

    @property
    def elapsed_ms(self) -> float:
        """Since the request began."""
        return (self._clock() - self._start) * 1000.0

    def _elapsed_ms(self) -> float:
        return (self._clock() - self._start) * 1000.0

    # ----- what comes next ------------------------------------------------------------------------------------------

    def at_hand(self) -> Call | Stop | None:
        """The next step, None where something must be waited for first: :meth:`advance` does."""
        step = self._next()
        if isinstance(step, Stop):
            return step
        if isinstance(step, Call) and (step.kind == "local" or (not self._is_cold(step) and self._admits(step))):
            return step
        return None

    async def advance(self) -> Call | Stop:
        """The next step that is no wait. A backend that must be loaded first is, which is no fault of a deployment."""
        while True:
            step = self._next()
            if isinstance(step, Wait) and step.for_health:
                await self.means.room.wait(max(0.0, step.until_ms - self.elapsed_ms) / 1000.0)
            elif isinstance(step, Wait):
                await self.means.sleep(max(0.0, step.until_ms - self.elapsed_ms) / 1000.0)
            elif (
                isinstance(step, Stop)
                or step.kind == "local"
                or (not (self._is_cold(step) and await self._has_loaded(step)) and self._admits(step))
            ):
                return step

    def beside(self, running: Sequence[Running]) -> Call | float:
        """A hedge to make now beside the running calls, or until when (ms of the run) to wait for them."""
        step = self._next(running)
        if isinstance(step, Call):
            return step if self._admits(step) else float("inf")
        return step.until_ms if isinstance(step, Wait) else float("inf")

    @property
    def may_hedge(self) -> bool:
        """Whether any call of this run may get a second one beside it."""
        return self.plan.hedge

    def _next(self, running: Sequence[Running] = ()) -> Step:
        means, now_s = self.means, self._clock()
        elapsed = (now_s - self._start) * 1000.0
        cooling = means.health.blocked(now_s)
        blocked, is_crowded = _NOBODY, False
        if cooling:
            is_crowded = means.room.is_full
            blocked = {
                name: Block(
                    until_ms=elapsed + each.for_s * 1000.0,
                    is_told=each.is_told,
                    is_probed=each.is_probed,
                    may_probe=each.may_probe,
                )
                for name, each in cooling.items()
            }
        return next_step(
            self.plan,
            self.attempts,
            elapsed,
            running=running,
            blocked=blocked,
            spent_out=means.retries.empty,
            is_crowded=is_crowded,
        )

    def _admits(self, step: Call) -> bool:
        means, model = self.means, step.model
        if not means.health.admit(model, self._clock(), is_early=step.is_early):
            return False
        if step.role in ("retry", "hedge"):
            means.retries.repeat(model)
        else:
            means.retries.first(model)
        return True

    def _is_cold(self, step: Call) -> bool:
        """Whether the backend that the step needs is still to be loaded."""
        means = self.means
        name = means.deployments[step.model].backend
        if name in means.warm or name in self._loads:
            return False
        is_warm = bool(getattr(means.backends.get(name), "is_warm", True))
        if is_warm:
            means.warm.add(name)
        return not is_warm

    async def _has_loaded(self, step: Call) -> bool:
        """Load the backend that the step needs; True, since that took time, so that the step must be thought over."""
        name = self.means.deployments[step.model].backend
        backend = self.means.backends[name]
        self._loads |= {name}
        began = self.means.clock()
        try:
            async with asyncio.timeout(step.timeout_ms / 1000.0):
                await backend.warm()  # type: ignore[attr-defined]
        except TimeoutError:
            # The work goes on for those who come later.
            pass
        except Exception as error:  # noqa: BLE001 the call will meet the same failure, and that one is recorded
            log.error("the backend %s cannot be loaded: %s", name, type(error).__name__)
        finally:
            self._loading_ms += (self.means.clock() - began) * 1000.0
        return True

    # ----- one attempt ----------------------------------------------------------------------------------------------

    def begin(self, step: Call) -> Books:
        """Open the books of one attempt."""
        books = Books(
            step,
            price=self.means.deployments[step.model].price if step.kind == "llm" else None,
            input_tokens=partial(estimated_input, self.request, self.decision),
            units=self.request.units,
            elapsed_ms=self._elapsed_ms,
            close=self._close,
        )
        self._begun.append(books)
        return books

    def abandon(self) -> None:
        """Nobody reads on, and nothing more can be waited for: what the calls that are out have used is counted."""
        for books in list(self._begun):
            books.cancelled()

    def backend(self, call: UpstreamCall) -> Backend:
        """The backend of a call.

        Raises:
            UpstreamError: there is none of that name.
        """
        backend = self.means.backends.get(call.deployment.backend)
        if backend is None:
            raise UpstreamError(
                f"{call.deployment.name}: there is no backend {call.deployment.backend!r}.",
                kind="not_found",
                deployment=call.deployment.name,
                hint=f"Backends: {', '.join(sorted(self.means.backends))}.",
            )
        return backend

    def _close(self, books: Books, attempt: Attempt, error: UpstreamError | None, is_sent: bool) -> None:
        self._begun.remove(books)  # books know their course: who also knew them would be garbage in a circle
        if error is not None:
            if attempt.error not in ("cancelled", "superseded"):
                if attempt.kind == "local":
                    self._local_error = error
                elif is_sent:
                    self._hosted_error = error
            if attempt.error == "timeout" and self._loading_ms:
                note = loading_note(self._loading_ms)
                attempt = msgspec.structs.replace(attempt, message=f"{attempt.message} ({note})")
        self.attempts.append(attempt)
        self.means.health.observe(attempt, self._clock())

    def answer_locally(self, step: Call) -> dict[str, Any] | None:
        """The local model's answer, None (and a failed attempt) when it has none after all."""
        books = self.begin(step)
        try:
            body = local_answer(self.request, self.decision, created=int(self.means.now()))
        except UpstreamError as error:
            books.failed(error)
            return None
        books.answered(Usage())
        return body

    # ----- is the answer shown ----------------------------------------------------------------------------------------

    @property
    def is_judged(self) -> bool:
        """Whether an answer may be shown otherwise than as it came, or not at all."""
        return bool(self.decision.verdict.check) or self.decision.verdict.escalate is not None

    @property
    def must_check(self) -> bool:
        """Whether hosted answers are shown only once a check has read them."""
        return bool(self.decision.verdict.check)

    def may_escalate(self, step: Call) -> bool:
        """Whether the answer is graded: the policy says so, and a larger model is left that could be asked instead."""
        return self.decision.verdict.escalate is not None and can_escalate(self.plan, self.attempts, step.model)

    def asks_for_logprobs(self, step: Call) -> bool:
        """Whether the grading needs log-probabilities that the caller did not ask for."""
        escalate = self.decision.verdict.escalate
        if escalate is None or escalate.min_logprob is None or self.request.wants_logprobs:
            return False
        return "logprobs" in self.means.deployments[step.model].capabilities and self.may_escalate(step)

    async def judged(self, step: Call, body: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any] | None:
        """An answer whose books are closed, as it is shown; None when it is withheld or a larger model is asked."""
        if self.may_escalate(step):
            why = await self.why_not_good_enough(body)
            if why is not None:
                self.reject(why, kept=(step, body, mapping))
                return None
        if self.asks_for_logprobs(step):
            body = without_logprobs(body)
        return await self._shown(step, body, mapping)

    async def keep(self) -> dict[str, Any] | None:
        """The answer that failed a check of ``escalate``, as it is shown now that nothing better came."""
        if self.kept is None:
            return None
        (step, body, mapping), self.kept = self.kept, None
        return await self._shown(step, body, mapping)

    async def _shown(self, step: Call, body: dict[str, Any], mapping: Mapping[str, str]) -> dict[str, Any] | None:
        if self.must_check:
            texts = AnswerTexts()
            texts.take(body)
            finding = await examine(
                texts.by_path(),
                self.decision.verdict,
                self.means.check,
                is_readable=texts.is_readable,
                timeout_s=self.check_timeout_s,
            )
            if not self.follow(step, finding):
                return None
            if finding.masks:
                masks = finding.masks
                body = mask_texts(body, lambda path, text: masked(text, masks.get(path, ())))
            if finding.flags:
                body = {**body, "router": {"flags": list(finding.flags)}}
        return restore_answer(body, mapping, is_json=self.is_json) if mapping else body

    async def why_not_good_enough(self, body: Mapping[str, Any]) -> str | None:
        """Why a larger model should be asked, None when the answer passes the policy's ``escalate``."""
        escalate = self.decision.verdict.escalate
        if escalate is None:
            return None
        return await why_not_good_enough(
            body,
            self.request,
            self.decision,
            escalate,
            self.means.answer_checks,
            timeout_s=self.check_timeout_s,
        )

    def follow(self, step: Call, finding: Finding) -> bool:
        """Do what a check's finding asks for; whether the answer (masked, where it says so) is shown."""
        if finding.action == "escalate" and can_escalate(self.plan, self.attempts[:-1], step.model):
            self.reject(finding.why, kept=None)
            return False
        if finding.action in ("refuse", "escalate"):
            self.withhold(finding.why)
            return False
        self.flags = tuple(sorted({*self.flags, *finding.flags}))
        return True

    @property
    def check_timeout_s(self) -> float:
        """How long a check may take now."""
        limit = self.decision.budget.max_latency_ms
        most = self.means.check_timeout_s
        return most if limit is None else max(0.0, min(most, (limit - self.elapsed_ms) / 1000.0))

    def withhold(self, why: str) -> None:
        """The answer that came is not shown. What it used stays on the books."""
        self.withheld = why
        self._note(message=why)

    def reject(self, why: str, *, kept: Any) -> None:
        """The answer that came goes to a larger model; ``kept`` is what is shown if that has none, None for nothing."""
        self.kept = kept
        self._unshowable = why if kept is None else None
        # Nobody has seen any of it, so the run may go on.
        self._note(message=why, error="rejected", ttft_ms=None)

    def go_on_elsewhere(self) -> None:
        """The stream of the newest attempt was cut: a fallback goes on from what was shown, where that is possible."""
        shown, cut = self.continuation, self.attempts[-1]
        if shown is None or not shown.can_go_on or cut.ttft_ms is None or cut.error not in _CUT:
            return
        tried = {attempt.model for attempt in self.attempts}
        left = [choice for choice in self.plan.choices if choice.kind == "llm" and choice.model not in tried]
        if not left or not self._can_pay(left, shown.text):
            return
        shown.cut()
        self.outgoing.beginning = shown.text
        # For the plan it is an attempt that showed nothing, so that others may follow.
        note = f"{cut.message} The answer goes on elsewhere."
        self.attempts[-1] = msgspec.structs.replace(cut, ttft_ms=None, retryable=False, message=note)

    def _can_pay(self, choices: Sequence[Choice], text: str) -> bool:
        """Whether the money left also pays for reading what was shown. A token has at least one byte."""
        limit = self.plan.max_usd
        if limit is None:
            return True
        size = len(text.encode("utf-8", "replace"))
        spent = [attempt.usd for attempt in self.attempts]
        for choice in choices:
            rate = self.means.deployments[choice.model].price.input
            if rate is None or choice.worst_usd is None or None in spent:
                return False
            if sum(usd for usd in spent if usd is not None) + choice.worst_usd + size * rate > limit:
                return False
        return True

    def is_refused(self, step: Stop) -> bool:
        """Whether there is nothing to show but a refusal."""
        if step.reason == "kept" and self._unshowable is not None:
            self.withheld = self._unshowable
        return step.reason == "refused" or self.withheld is not None

    def _note(self, **fields: Any) -> None:
        """Write into the newest attempt that answered."""
        for at in range(len(self.attempts) - 1, -1, -1):
            if self.attempts[at].error in (None, "rejected"):
                self.attempts[at] = msgspec.structs.replace(self.attempts[at], **fields)
                return

    # ----- the end ---------------------------------------------------------------------------------------------------

    def failure(self, stop: Stop) -> RouterError:
        """The typed error of a run that stopped without an answer."""
        cooling = self.means.health.blocked(self.means.clock())
        waits = [cooling[choice.model].for_s for choice in self.plan.choices if choice.model in cooling]
        found = Failed(
            stop=stop,
            calls=len(self.attempts),
            elapsed_ms=self.elapsed_ms,
            loading_ms=self._loading_ms,
            hosted=self._hosted_error,
            local=self._local_error,
            blocked=self.outgoing.blocked,
            cooling_s=min(waits, default=None),
        )
        return run_failure(found, self.plan, self.decision, self.means.deployments)


def without_logprobs(body: dict[str, Any]) -> dict[str, Any]:
    """An answer or chunk without log-probabilities that nobody but the grading asked for."""
    choices = [{**choice, "logprobs": None} if choice.get("logprobs") else choice for choice in body["choices"]]
    return {**body, "choices": choices}
