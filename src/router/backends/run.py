"""Does what ``selection/attempts.py`` says: calls, waits, stops; and keeps the books of one run.

It picks no model and judges no answer. Whatever happens, the Outcome holds every attempt with what it used: an answer,
a failure, a caller who left.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from ..catalogue import Deployment
from ..errors import RouterError
from ..selection.plan import Pacing
from ..selection.steps import Call
from ..state.health import MemoryHealth, RetryBudget
from ..state.store import Health
from ..telemetry import log
from ..types import Decision, Outcome, Request
from .base import Backend, Reply
from .books import Books, estimated_usage, typed_error
from .checking import Check
from .course import Course
from .deadlines import Deadlines
from .ending import outcome_of, refusal_of
from .local import completion_chunks
from .means import AnswerCheck, Find, Means
from .race import race
from .streaming import Kept, Opened, discard, open_stream, relay, show_held
from .waiting import WaitingRoom

__all__ = ["Dispatcher", "Run", "StreamRun"]

_DEFAULT_PACING = Pacing()
_MAX_HELD_BYTES = 16 * 1024 * 1024


class Dispatcher:
    """Runs decisions over ``backends`` (by ``Deployment.backend``).

    ``clock`` gives seconds of a monotonic clock (:attr:`clock_s`), ``now`` Unix seconds, ``jitter`` a number
    in 0..1 for each run. ``find`` searches texts outside the messages for personal data when a request must be masked.

    ``check`` searches a hosted answer where the verdict asks for it (``Verdict.check``), for at most
    ``check_timeout_s``; without one, such a request is not sent. A stream is held back until it was checked, whole or
    in a window (``Verdict.hold``), in at most ``max_held_bytes``. What could not be checked is refused like what was
    flagged. ``answer_checks`` are the user's own, by the name that a policy's ``escalate`` gives them.

    ``continues``: a stream of plain text that was cut goes on at a fallback; see :mod:`.continuing`.

    ``health`` hears of every attempt as it ends and says who may be called; ``retries`` bounds the extra calls.
    """

    def __init__(
        self,
        *,
        backends: Mapping[str, Backend],
        deployments: Iterable[Deployment],
        pacing: Pacing = _DEFAULT_PACING,
        find: Find | None = None,
        check: Check | None = None,
        answer_checks: Mapping[str, AnswerCheck] | None = None,
        health: Health | None = None,
        retries: RetryBudget | None = None,
        check_timeout_s: float = 10.0,
        max_held_bytes: int = _MAX_HELD_BYTES,
        continues: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        known = health or MemoryHealth()
        self._means = Means(
            backends=dict(backends),
            deployments={deployment.name: deployment for deployment in deployments},
            pacing=pacing,
            health=known,
            retries=retries or RetryBudget(),
            room=WaitingRoom(known, size=pacing.most_waiting, sleep=sleep),
            find=find,
            check=check,
            answer_checks=dict(answer_checks or {}),
            check_timeout_s=check_timeout_s,
            max_held_bytes=max_held_bytes,
            continues=continues,
            clock=clock,
            sleep=sleep,
            now=now,
            jitter=jitter,
            deadlines=Deadlines(),
        )
        self.clock_s = clock

    @property
    def health(self) -> Health:
        """What is known of the deployments' health."""
        return self._means.health

    def start(self, request: Request, decision: Decision, *, started_s: float | None = None) -> Run:
        """A run that has not begun; its ``outcome`` stands also when it is cancelled.

        ``started_s`` is when the request came in, by :meth:`clock_s`; its deadline counts from there. Else from now.
        """
        return Run(self._course(request, decision, started_s, is_stream=False))

    async def run(self, request: Request, decision: Decision) -> Outcome:
        """Carry the decision out.

        Raises:
            UpstreamError: every allowed attempt failed; this is the last one's error.
            DeadlineExceeded, BudgetExceeded, NotConfigured, NoCandidate: nothing (more) may be called.
        """
        run = self.start(request, decision)
        outcome = await run.finish()
        if run.failure is not None:
            raise run.failure
        return outcome

    def stream(self, request: Request, decision: Decision, *, started_s: float | None = None) -> StreamRun:
        """Carry the decision out as a stream; nothing is called before the first chunk is asked for."""
        return StreamRun(self._course(request, decision, started_s, is_stream=True))

    async def warm(self) -> None:
        """Load the backends of all configured deployments, so that no request waits for it.

        One that cannot be loaded is logged; the calls that need it will say why.
        """
        means = self._means
        names = sorted({deployment.backend for deployment in means.deployments.values() if deployment.configured})
        cold = [name for name in names if not getattr(means.backends.get(name), "is_warm", True)]
        warming = (means.backends[name].warm() for name in cold)  # type: ignore[attr-defined]
        for name, error in zip(cold, await asyncio.gather(*warming, return_exceptions=True), strict=True):
            if isinstance(error, Exception):
                log.error("the backend %s cannot be loaded: %s", name, error)
            elif isinstance(error, BaseException):
                raise error

    async def aclose(self) -> None:
        """Close the backends' connections."""
        for backend in self._means.backends.values():
            await backend.aclose()

    def _course(self, request: Request, decision: Decision, started_s: float | None, *, is_stream: bool) -> Course:
        started_s = self._means.clock() if started_s is None else started_s
        return Course(self._means, request, decision, started_s, is_stream=is_stream)


class Run:
    """One run. ``outcome`` is None until it ended; ``failure`` is the typed error when no answer came."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self.outcome: Outcome | None = None
        self.failure: RouterError | None = None

    async def finish(self) -> Outcome:
        """Carry it out, once. A failure is no exception here: it stands in ``failure``."""
        course = self._course
        body: dict[str, Any] | None = None
        try:
            while isinstance(step := course.at_hand() or await course.advance(), Call):
                body = course.answer_locally(step) if step.kind == "local" else await self._call(step)
                if body is not None:
                    self.outcome = outcome_of(course, "answered", body=body)
                    return self.outcome
            if step.reason == "kept":
                body = await course.keep()
        except asyncio.CancelledError:
            self.outcome = outcome_of(course, "cancelled")
            raise
        if course.is_refused(step):
            self.outcome = outcome_of(course, "refused", body=refusal_of(course))
        elif step.reason in ("answered", "kept"):
            self.outcome = outcome_of(course, "answered", body=body)
        else:
            self.failure = course.failure(step)
            self.outcome = outcome_of(course, "failed", failure=self.failure)
        return self.outcome

    async def _call(self, step: Call) -> dict[str, Any] | None:
        course = self._course
        if course.may_hedge:
            won = await race(course, step, self._send, _drop)
            if won is None:
                return None
            step, books, (reply, mapping) = won
        else:
            books = course.begin(step)
            try:
                reply, mapping = await self._send(step, books)
            except asyncio.CancelledError:
                books.cancelled()
                raise
            except Exception as error:  # noqa: BLE001 a backend may be anybody's: its failure must not lose the books
                books.failed(typed_error(error, step.model))
                return None
        body = reply.body
        books.answered(reply.usage or estimated_usage(course.request, course.decision, body), body["choices"])
        return await course.judged(step, body, mapping) if mapping or course.is_judged else body

    async def _send(self, step: Call, books: Books) -> tuple[Reply, Mapping[str, str]]:
        course = self._course
        call, mapping = course.outgoing.prepare(step, stream=False, logprobs=course.asks_for_logprobs(step))
        books.sent(None)
        with course.means.deadlines.within(call.timeout_s):
            return await course.backend(call).send(call), mapping


class StreamRun:
    """An async iterator of ``chat.completion.chunk`` objects.

    Another deployment may take over before the first token, never after. It ends only when the answer is complete,
    else it raises the typed error. ``outcome`` (its ``body`` is None) and ``failure`` stand once it ended or was
    closed. ``model`` is whose chunks are given, None before the first one and for a refusal.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self.outcome: Outcome | None = None
        self.failure: RouterError | None = None
        self.model: str | None = None
        self._chunks = self._iterate()

    def __aiter__(self) -> StreamRun:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await self._chunks.__anext__()

    @property
    def has_ready(self) -> bool:
        """Whether the next chunk comes without waiting, so that it may be sent together with this one."""
        return self._course.has_ready()

    async def aclose(self) -> None:
        """Stop the upstream; what was used until now is counted."""
        await self._chunks.aclose()
        if self.outcome is None:
            self.outcome = outcome_of(self._course, "cancelled")

    def abandon(self) -> Outcome:
        """As :meth:`aclose`, where nothing can be awaited any more."""
        if self.outcome is None:
            self._course.abandon()
            self.outcome = outcome_of(self._course, "cancelled")
        return self.outcome

    async def _iterate(self) -> AsyncGenerator[dict[str, Any], None]:
        course = self._course
        include_usage = course.request.include_usage
        is_shown = False
        try:
            while isinstance(step := course.at_hand() or await course.advance(), Call):
                if step.kind == "local":
                    body = course.answer_locally(step)
                    self.model = step.model if body else None
                    for chunk in completion_chunks(body, include_usage=include_usage) if body else ():
                        yield chunk
                    continue
                async with aclosing(self._call(step)) as chunks:
                    async for chunk in chunks:
                        is_shown = True
                        yield chunk
            if step.reason == "kept" and isinstance(course.kept, Kept):
                kept, course.kept = course.kept, None
                self.model = kept.step.model
                async with aclosing(show_held(course, kept)) as chunks:
                    async for chunk in chunks:
                        is_shown = True
                        yield chunk
            if course.is_refused(step):
                if not is_shown:
                    for chunk in completion_chunks(refusal_of(course), include_usage=include_usage):
                        yield chunk
                self.outcome = outcome_of(course, "refused")
            elif step.reason in ("answered", "kept"):
                self.outcome = outcome_of(course, "answered")
            else:
                self.failure = course.failure(step)
                self.outcome = outcome_of(course, "failed", failure=self.failure)
                raise self.failure
        finally:
            if self.outcome is None:
                self.outcome = outcome_of(course, "cancelled")

    async def _call(self, step: Call) -> AsyncGenerator[dict[str, Any], None]:
        course = self._course
        if course.may_hedge:
            won = await race(course, step, self._open, discard)
            if won is None:
                return
            step, books, opened = won
        else:
            books, opened = course.begin(step), None
        try:
            async with aclosing(relay(course, opened or await self._open(step, books))) as chunks:
                async for chunk in chunks:
                    self.model = step.model
                    yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            books.cancelled()
            raise
        except Exception as error:  # noqa: BLE001 as above: whatever a backend raises, the books are kept
            books.failed(typed_error(error, step.model))
            course.go_on_elsewhere()

    async def _open(self, step: Call, books: Books) -> Opened:
        return await open_stream(self._course, step, books)


async def _drop(_: object) -> None:
    return
