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
from typing import Any, Literal

from ..catalogue import Deployment, cost_usd, provider_key_env
from ..errors import BudgetExceeded, DeadlineExceeded, NoCandidate, NotConfigured, RouterError, UpstreamError
from ..redact import Found, Redaction, redact
from ..selection.attempts import Call, Pacing, Plan, Stop, Wait, make_plan, next_step
from ..types import Attempt, Decision, Outcome, Request, Usage
from ..units import format_ms
from .base import Backend, ChunkStream, UpstreamCall, outgoing_body
from .books import AnswerMeter, ChunkRestorer, estimated_input, estimated_usage, restore_answer
from .local import completion_chunks, local_answer, refusal

__all__ = ["Dispatcher", "Run", "StreamRun"]

# Words in ``Verdict.redact`` that mean every kind of personal data.
_ALL_KINDS = frozenset({"pii", "all", "*"})
# Chunks before the first token that are held back, so that another deployment can still take over.
_MAX_HELD = 64
_DEFAULT_PACING = Pacing()
Find = Callable[[str], Iterable[Found]]


class Dispatcher:
    """Runs decisions over ``backends`` (by ``Deployment.backend``).

    ``clock`` gives seconds of a monotonic clock, ``now`` Unix seconds, ``jitter`` a number in 0..1 for each run.
    ``find`` searches texts outside the messages for personal data when a request must be masked.
    """

    def __init__(
        self,
        *,
        backends: Mapping[str, Backend],
        deployments: Iterable[Deployment],
        pacing: Pacing = _DEFAULT_PACING,
        find: Find | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.backends = dict(backends)
        self.deployments = {deployment.name: deployment for deployment in deployments}
        self.pacing, self.find = pacing, find
        self.clock, self.sleep, self.now, self.jitter = clock, sleep, now, jitter

    def start(self, request: Request, decision: Decision) -> Run:
        """A run that has not begun; its ``outcome`` stands also when it is cancelled."""
        return Run(_Course(self, request, decision))

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

    def stream(self, request: Request, decision: Decision) -> StreamRun:
        """Carry the decision out as a stream; nothing is called before the first chunk is asked for."""
        return StreamRun(_Course(self, request, decision))

    async def aclose(self) -> None:
        """Close the backends' connections."""
        for backend in self.backends.values():
            await backend.aclose()


class Run:
    """One run. ``outcome`` is None until it ended; ``failure`` is the typed error when no answer came."""

    def __init__(self, course: _Course) -> None:
        self._course = course
        self.outcome: Outcome | None = None
        self.failure: RouterError | None = None

    async def finish(self) -> Outcome:
        """Carry it out, once. A failure is no exception here: it stands in ``failure``."""
        course = self._course
        body: dict[str, Any] | None = None
        try:
            while isinstance(step := await course.advance(), Call):
                body = course.answer_locally(step) if step.kind == "local" else await self._call(step)
        except asyncio.CancelledError:
            self.outcome = course.outcome("cancelled")
            raise
        if step.reason == "refused":
            self.outcome = course.outcome("refused", body=course.refusal())
        elif step.reason == "answered":
            self.outcome = course.outcome("answered", body=body)
        else:
            self.failure = course.failure(step)
            self.outcome = course.outcome("failed", failure=self.failure)
        return self.outcome

    async def _call(self, step: Call) -> dict[str, Any] | None:
        course = self._course
        books = course.begin(step)
        try:
            call, masked = course.prepare(step, stream=False)
            books.sent()
            async with asyncio.timeout(call.timeout_s):
                reply = await course.backend(call).send(call)
        except asyncio.CancelledError:
            books.cancelled()
            raise
        except Exception as error:  # noqa: BLE001 a backend may be anybody's: its failure must not lose the books
            books.failed(_typed(error, step))
            return None
        books.answered(reply.usage or estimated_usage(course.request, course.decision, reply.body))
        return restore_answer(reply.body, masked.mapping, is_json=course.is_json) if masked.mapping else reply.body


class StreamRun:
    """An async iterator of ``chat.completion.chunk`` objects.

    Another deployment may take over before the first token, never after. It ends only when the answer is complete,
    else it raises the typed error. ``outcome`` (its ``body`` is None) and ``failure`` stand once it ended or was
    closed.
    """

    def __init__(self, course: _Course) -> None:
        self._course = course
        self.outcome: Outcome | None = None
        self.failure: RouterError | None = None
        self._chunks = self._iterate()

    def __aiter__(self) -> StreamRun:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await self._chunks.__anext__()

    async def aclose(self) -> None:
        """Stop the upstream; what was used until now is counted."""
        await self._chunks.aclose()
        if self.outcome is None:
            self.outcome = self._course.outcome("cancelled")

    async def _iterate(self) -> AsyncGenerator[dict[str, Any], None]:
        course = self._course
        include_usage = course.request.include_usage
        try:
            while isinstance(step := await course.advance(), Call):
                if step.kind == "local":
                    body = course.answer_locally(step)
                    for chunk in completion_chunks(body, include_usage=include_usage) if body else ():
                        yield chunk
                    continue
                books = course.begin(step)
                try:
                    async with aclosing(course.chunks(step, books)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                except (asyncio.CancelledError, GeneratorExit):
                    books.cancelled()
                    raise
                except Exception as error:  # noqa: BLE001 as above: whatever a backend raises, the books are kept
                    books.failed(_typed(error, step))
            if step.reason == "refused":
                for chunk in completion_chunks(course.refusal(), include_usage=include_usage):
                    yield chunk
                self.outcome = course.outcome("refused")
            elif step.reason == "answered":
                self.outcome = course.outcome("answered")
            else:
                self.failure = course.failure(step)
                self.outcome = course.outcome("failed", failure=self.failure)
                raise self.failure
        finally:
            if self.outcome is None:
                self.outcome = course.outcome("cancelled")


class _Course:
    """The state of one run: its plan, its attempts, its clock."""

    def __init__(self, dispatcher: Dispatcher, request: Request, decision: Decision) -> None:
        self.dispatcher, self.request, self.decision = dispatcher, request, decision
        self.plan: Plan = make_plan(
            decision, dispatcher.deployments, jitter=dispatcher.jitter(), pacing=dispatcher.pacing
        )
        self.attempts: list[Attempt] = []
        self.is_json = request.wants_json or request.json_schema is not None
        self.hosted_error: UpstreamError | None = None
        self.local_error: UpstreamError | None = None
        self._blocked: RouterError | None = None
        self._redaction: Redaction | None = None
        self._start = dispatcher.clock()

    @property
    def elapsed_ms(self) -> float:
        return (self.dispatcher.clock() - self._start) * 1000.0

    async def advance(self) -> Call | Stop:
        """The next step that is no wait."""
        while isinstance(step := next_step(self.plan, self.attempts, self.elapsed_ms), Wait):
            await self.dispatcher.sleep(max(0.0, step.until_ms - self.elapsed_ms) / 1000.0)
        return step

    def begin(self, step: Call) -> _Books:
        return _Books(self, step)

    def backend(self, call: UpstreamCall) -> Backend:
        backend = self.dispatcher.backends.get(call.deployment.backend)
        if backend is None:
            raise UpstreamError(
                f"{call.deployment.name}: there is no backend {call.deployment.backend!r}.",
                kind="not_found",
                deployment=call.deployment.name,
                hint=f"Backends: {', '.join(sorted(self.dispatcher.backends))}.",
            )
        return backend

    def prepare(self, step: Call, *, stream: bool) -> tuple[UpstreamCall, Redaction]:
        """What goes out: masked if the verdict says so and it leaves the house.

        Raises:
            UpstreamError: it had to be masked and could not be.
        """
        deployment = self.dispatcher.deployments[step.model]
        masked = Redaction(request=self.request, mapping={})
        if self.decision.verdict.redact and not deployment.in_house:
            masked = self._masked(deployment)
        body = outgoing_body(
            masked.request, deployment, stream=stream, max_output_tokens=self.decision.max_output_tokens
        )
        call = UpstreamCall(
            deployment=deployment,
            request=masked.request,
            body=body,
            timeout_s=step.timeout_ms / 1000.0,
            ttft_timeout_s=step.ttft_ms / 1000.0,
            idle_timeout_s=self.dispatcher.pacing.idle_timeout_s,
        )
        return call, masked

    async def chunks(self, step: Call, books: _Books) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one hosted stream, none before its first token."""
        call, masked = self.prepare(step, stream=True)
        restorer = ChunkRestorer(masked.mapping, is_json=self.is_json) if masked.mapping else None
        clock, started = self.dispatcher.clock, self.dispatcher.clock()
        stream: ChunkStream | None = None
        held: list[dict[str, Any]] = []
        meter = books.sent(AnswerMeter())
        try:
            async with asyncio.timeout(min(call.ttft_timeout_s, call.timeout_s)):
                stream = await self.backend(call).open_stream(call)
                while not meter.has_token and len(held) < _MAX_HELD:
                    chunk = await anext(stream, None)
                    if chunk is None:
                        break
                    meter.take(chunk)
                    held.append(chunk)
            books.first_token()
            for chunk in held:
                shown = self._shown(chunk, restorer)
                if shown is not None:
                    yield shown
            while True:
                left = call.timeout_s - (clock() - started)
                async with asyncio.timeout(max(0.0, min(left, call.idle_timeout_s))):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                meter.take(chunk)
                shown = self._shown(chunk, restorer)
                if shown is not None:
                    yield shown
        finally:
            if stream is not None:
                await stream.aclose()
        usage = books.answered(meter.usage or books.counted())
        if self.request.include_usage and meter.usage is None:
            yield _usage_chunk(held[0] if held else {}, usage)

    def answer_locally(self, step: Call) -> dict[str, Any] | None:
        """The local model's answer, None (and a failed attempt) when it has none after all."""
        books = self.begin(step)
        try:
            body = local_answer(self.request, self.decision, created=int(self.dispatcher.now()))
        except UpstreamError as error:
            books.failed(error)
            return None
        books.answered(Usage())
        return body

    def refusal(self) -> dict[str, Any]:
        return refusal(self.request, self.decision, created=int(self.dispatcher.now()))

    def outcome(
        self,
        status: Literal["answered", "refused", "failed", "cancelled"],
        *,
        body: dict[str, Any] | None = None,
        failure: RouterError | None = None,
    ) -> Outcome:
        last = self.attempts[-1] if self.attempts else None
        answered = last if last is not None and last.error is None else None
        costs = [attempt.usd for attempt in self.attempts]
        return Outcome(
            status=status,
            model=answered.model if answered is not None else None,
            body=body,
            usage=answered.usage if answered is not None else Usage(),
            usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            latency_ms=self.elapsed_ms,
            ttft_ms=last.started_ms + last.ttft_ms if last is not None and last.ttft_ms is not None else None,
            attempts=tuple(self.attempts),
            escalated=any(attempt.kind == "local" and attempt.error for attempt in self.attempts),
            error=None if failure is None else getattr(failure, "kind", failure.code),
        )

    def failure(self, stop: Stop) -> RouterError:
        """The typed error of a run that stopped without an answer."""
        last = self.hosted_error
        limit = self.plan.max_latency_ms
        if stop.reason == "deadline" and limit is not None and (last is None or last.kind == "timeout"):
            return self._late(limit)
        if stop.reason == "cut" and limit is not None and limit - self.elapsed_ms < self.plan.pacing.min_call_ms:
            return self._late(limit)
        if self._blocked is not None and last is None:
            return self._blocked
        last = last or self.local_error
        if last is not None:
            return last
        if stop.reason == "money":
            return BudgetExceeded(
                "no allowed model fits the money left.",
                left_usd=self.plan.max_usd,
                hint="Raise max_usd, or shorten the request.",
            )
        return self._nothing_to_call()

    def _late(self, limit: float) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"no complete answer within {format_ms(limit)} ({len(self.attempts)} calls).",
            elapsed_ms=self.elapsed_ms,
            limit_ms=limit,
            hint="Raise max_latency_ms, or ask for a shorter answer.",
        )

    def _nothing_to_call(self) -> RouterError:
        named = [name for name in (self.decision.target.model, *self.decision.fallbacks) if name is not None]
        known = [self.dispatcher.deployments[name] for name in named if name in self.dispatcher.deployments]
        if known and not any(deployment.configured for deployment in known):
            variables = (known[0].key_env,) if known[0].key_env else provider_key_env(known[0].model)
            how = f"Set {' or '.join(variables)}" if variables else "Configure a provider"
            return NotConfigured(
                f"the decision is {known[0].name}, but no allowed deployment is configured here.", hint=f"{how}."
            )
        return NoCandidate(
            f"the policy allows none of {', '.join(named) or 'no model'}.", hint="Change the policy or the request."
        )

    def _masked(self, deployment: Deployment) -> Redaction:
        if self._redaction is None:
            kinds = self.decision.verdict.redact
            signal = self.decision.signals.get("safety")
            flags = None if signal is None else signal.value
            if flags is None:
                raise self._unmaskable(deployment, "it could not be searched for personal data")
            found = [flag for flag in flags if flag.kind == "pii"]
            if any(not flag.spans for flag in found):
                raise self._unmaskable(deployment, "it holds personal data that could not be located")
            spans = [span for flag in found for span in flag.spans]
            wanted = None if kinds & _ALL_KINDS else kinds
            try:
                self._redaction = redact(self.request, spans, wanted, self.dispatcher.find)
            except Exception as error:
                raise self._unmaskable(deployment, "masking it failed") from error
        return self._redaction

    def _unmaskable(self, deployment: Deployment, why: str) -> UpstreamError:
        self._blocked = NoCandidate(
            f"the request must be masked before it leaves the house, and {why}; nothing was sent.",
            hint="Remove the personal data, or register a deployment that is in_house.",
        )
        return UpstreamError(
            f"{deployment.name}: nothing was sent: {why}.", kind="unsupported", deployment=deployment.name
        )

    def _shown(self, chunk: dict[str, Any], restorer: ChunkRestorer | None) -> dict[str, Any] | None:
        """The chunk as the caller gets it, None for usage that was not asked for."""
        if not self.request.include_usage and "usage" in chunk:
            if not chunk.get("choices"):
                return None
            chunk = {key: value for key, value in chunk.items() if key != "usage"}
        return chunk if restorer is None else restorer.restore(chunk)


class _Books:
    """One attempt while it runs; closed once, by an answer, a failure or a cancellation."""

    def __init__(self, course: _Course, step: Call) -> None:
        self._course, self._step = course, step
        self._started_ms = course.elapsed_ms
        self._meter: AnswerMeter | None = None
        self._ttft_ms: float | None = None
        self._is_sent = False
        self._is_closed = False

    def sent(self, meter: AnswerMeter | None = None) -> AnswerMeter:
        self._is_sent = True
        self._meter = meter or AnswerMeter()
        return self._meter

    def first_token(self) -> None:
        self._ttft_ms = self._course.elapsed_ms - self._started_ms

    def counted(self) -> Usage:
        """The usage as far as it can be counted here."""
        written = self._meter.written_tokens if self._meter is not None else 0
        return Usage(input=estimated_input(self._course.request, self._course.decision), output=written, estimated=True)

    def answered(self, usage: Usage) -> Usage:
        self._close(usage, None)
        return usage

    def failed(self, error: UpstreamError) -> None:
        if self._step.kind == "local":
            self._course.local_error = error
        elif self._is_sent:
            self._course.hosted_error = error
        billed = error.may_be_billed or self._ttft_ms is not None
        self._close(self._used() if billed else Usage(), error)

    def cancelled(self) -> None:
        error = UpstreamError("the caller left.", kind="unknown")
        self._close(self._used() if self._is_sent else Usage(), error, kind="cancelled")

    def _used(self) -> Usage:
        return (self._meter.usage if self._meter is not None else None) or self.counted()

    def _close(self, usage: Usage, error: UpstreamError | None, *, kind: str | None = None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        course, step = self._course, self._step
        usd: float | None = 0.0
        if step.kind == "llm" and usage != _NOTHING:
            usd = cost_usd(course.dispatcher.deployments[step.model].price, usage)
        course.attempts.append(
            Attempt(
                model=step.model,
                kind=step.kind,
                started_ms=self._started_ms,
                latency_ms=course.elapsed_ms - self._started_ms,
                usage=usage,
                usd=usd,
                ttft_ms=self._ttft_ms,
                error=kind or (error.kind if error is not None else None),
                message=str(error) if error is not None else "",
                retryable=error is not None and error.retryable,
                retry_after_s=error.retry_after_s if error is not None else None,
            )
        )


_NOTHING = Usage()


def _typed(error: Exception, step: Call) -> UpstreamError:
    """The error as an UpstreamError, with the deployment's name."""
    if isinstance(error, UpstreamError):
        error.deployment = error.deployment or step.model
        return error
    if isinstance(error, TimeoutError):
        return UpstreamError(
            f"{step.model} gave no answer in time.", kind="timeout", deployment=step.model, may_be_billed=True
        )
    typed = UpstreamError(
        f"{step.model} failed ({type(error).__name__}).", kind="unknown", deployment=step.model, may_be_billed=True
    )
    typed.__cause__ = error
    return typed


def _usage_chunk(like: Mapping[str, Any], usage: Usage) -> dict[str, Any]:
    head = {key: like[key] for key in ("id", "created", "model", "object") if key in like}
    tokens = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    return {**head, "choices": [], "usage": tokens}
