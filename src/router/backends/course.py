"""The state of one run: its plan, its attempts with what they used, its clock; and what goes out and what is shown.

It decides neither what comes next (``selection/attempts.py``) nor drives it (``run.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Literal

import msgspec

from ..catalogue import Deployment, provider_key_env
from ..errors import BudgetExceeded, DeadlineExceeded, NoCandidate, NotConfigured, RouterError, UpstreamError
from ..redact import Found, Redaction, redact
from ..selection.attempts import Call, Pacing, Plan, Stop, Wait, make_plan, next_step
from ..telemetry import log
from ..types import Attempt, Decision, Outcome, Request, Usage
from ..units import format_ms
from .base import Backend, ChunkStream, UpstreamCall, outgoing_body
from .books import AnswerMeter, Books, ChunkRestorer, estimated_input
from .checking import AnswerTexts, Check, HeldChunks, why_withheld
from .local import local_answer, refusal

__all__ = ["Course", "Find", "Means"]

# Words in ``Verdict.redact`` that mean every kind of personal data.
_ALL_KINDS = frozenset({"pii", "all", "*"})
# Chunks before the first token that are held back, so that another deployment can still take over.
_MAX_EARLY = 64
_NOTHING = Usage()
Find = Callable[[str], Iterable[Found]]


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What all runs of one dispatcher share; see :class:`router.backends.run.Dispatcher`."""

    backends: dict[str, Backend]
    deployments: dict[str, Deployment]
    pacing: Pacing
    find: Find | None
    check: Check | None
    check_timeout_s: float
    max_held_bytes: int
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float]
    jitter: Callable[[], float]


class Course:
    """The state of one run. ``started_s`` is when the request began, by ``means.clock``.

    ``withheld`` says why the answer that came is not shown; None when it is, or none came.
    """

    def __init__(self, means: Means, request: Request, decision: Decision, started_s: float) -> None:
        self.means, self.request, self.decision = means, request, decision
        self.plan: Plan = make_plan(decision, means.deployments, jitter=means.jitter(), pacing=means.pacing)
        self.attempts: list[Attempt] = []
        self.is_json = request.wants_json or request.json_schema is not None
        self.hosted_error: UpstreamError | None = None
        self.local_error: UpstreamError | None = None
        self.withheld: str | None = None
        self.loading_ms = 0.0
        self._loads: set[str] = set()
        self._blocked: RouterError | None = None
        self._redaction: Redaction | None = None
        self._start = started_s

    @property
    def elapsed_ms(self) -> float:
        """Since the request began."""
        return (self.means.clock() - self._start) * 1000.0

    async def advance(self) -> Call | Stop:
        """The next step that is no wait. A backend that must be loaded first is, which is no fault of a deployment."""
        while True:
            step = next_step(self.plan, self.attempts, self.elapsed_ms)
            if isinstance(step, Wait):
                await self.means.sleep(max(0.0, step.until_ms - self.elapsed_ms) / 1000.0)
            elif not (isinstance(step, Call) and step.kind == "llm" and await self._has_loaded(step)):
                return step

    async def _has_loaded(self, step: Call) -> bool:
        """Load the backend that the step needs; True when that took time, so that the step must be thought over."""
        name = self.means.deployments[step.model].backend
        backend = self.means.backends.get(name)
        if name in self._loads or backend is None or getattr(backend, "is_warm", True):
            return False
        self._loads.add(name)
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
            self.loading_ms += (self.means.clock() - began) * 1000.0
        return True

    def begin(self, step: Call) -> Books:
        """Open the books of one attempt."""
        return Books(
            step,
            price=self.means.deployments[step.model].price if step.kind == "llm" else None,
            input_tokens=estimated_input(self.request, self.decision),
            elapsed_ms=lambda: self.elapsed_ms,
            close=self._close,
        )

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

    def prepare(self, step: Call, *, stream: bool) -> tuple[UpstreamCall, Redaction]:
        """What goes out: masked if the verdict says so and it leaves the house.

        Raises:
            UpstreamError: it had to be masked and could not be, or nobody could check the answer.
        """
        deployment = self.means.deployments[step.model]
        if self.must_check and self.means.check is None:
            self._blocked = NoCandidate(
                "the policy asks for a checked answer, and nothing here can check it; nothing was sent.",
                hint="Give the dispatcher a check.",
            )
            raise UpstreamError(str(self._blocked), kind="unsupported", deployment=deployment.name)
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
            idle_timeout_s=self.means.pacing.idle_timeout_s,
        )
        return call, masked

    @property
    def must_check(self) -> bool:
        """Whether hosted answers are shown only when a check found them clean."""
        return bool(self.decision.verdict.check)

    async def is_shown(self, texts: AnswerTexts) -> bool:
        """Check an answer whose books are closed; False when it is ``withheld``."""
        limit = self.decision.budget.max_latency_ms
        left_s = self.means.check_timeout_s
        if limit is not None:
            left_s = min(left_s, (limit - self.elapsed_ms) / 1000.0)
        kinds = self.decision.verdict.check
        why = await why_withheld(texts, kinds, self.means.check, timeout_s=max(0.0, left_s))
        if why is not None:
            self.withhold(why)
        return why is None

    def withhold(self, why: str) -> None:
        """The answer of the last attempt is not shown. What it used stays on the books."""
        self.withheld = why
        self.attempts[-1] = msgspec.structs.replace(self.attempts[-1], message=why)

    async def chunks(self, step: Call, books: Books) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one hosted stream as the caller gets them, none before its first token.

        An answer that must be checked is held back whole; until then another deployment may still take over.
        """
        call, masked = self.prepare(step, stream=True)
        restorer = ChunkRestorer(masked.mapping, is_json=self.is_json) if masked.mapping else None
        held = HeldChunks(self.means.max_held_bytes) if self.must_check else None
        meter = books.sent(AnswerMeter())
        first: dict[str, Any] = {}
        async with aclosing(self._sent_chunks(call, meter)) as sent:
            async for chunk in sent:
                first = first or chunk
                if held is None:
                    books.first_token()
                    shown = self._shown(chunk, restorer)
                    if shown is not None:
                        yield shown
                    continue
                held.take(chunk)
                if held.is_full:
                    break
        books.first_token()
        usage = books.answered(meter.usage or books.counted())
        if held is not None:
            if held.is_full:
                most = f"{self.means.max_held_bytes:,} bytes"
                self.withhold(f"The answer was withheld, since it is too long to be checked: more than {most}.")
                return
            if not await self.is_shown(held.texts):
                return
            for chunk in held.chunks:
                shown = self._shown(chunk, restorer)
                if shown is not None:
                    yield shown
        if self.request.include_usage and meter.usage is None:
            yield _usage_chunk(first, usage)

    async def _sent_chunks(self, call: UpstreamCall, meter: AnswerMeter) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks of one hosted stream as the provider sends them, none before its first token."""
        clock, started = self.means.clock, self.means.clock()
        stream: ChunkStream | None = None
        early: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(min(call.ttft_timeout_s, call.timeout_s)):
                stream = await self.backend(call).open_stream(call)
                while not meter.has_token and len(early) < _MAX_EARLY:
                    chunk = await anext(stream, None)
                    if chunk is None:
                        break
                    meter.take(chunk)
                    early.append(chunk)
            for chunk in early:
                yield chunk
            while True:
                left = call.timeout_s - (clock() - started)
                async with asyncio.timeout(max(0.0, min(left, call.idle_timeout_s))):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                meter.take(chunk)
                yield chunk
        finally:
            if stream is not None:
                await stream.aclose()

    def _close(self, attempt: Attempt, error: UpstreamError | None, is_sent: bool) -> None:
        if error is not None and attempt.error != "cancelled":
            if attempt.kind == "local":
                self.local_error = error
            elif is_sent:
                self.hosted_error = error
        if attempt.error == "timeout" and self.loading_ms:
            attempt = msgspec.structs.replace(attempt, message=f"{attempt.message} ({self._loading_note})")
        self.attempts.append(attempt)

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

    def refusal(self) -> dict[str, Any]:
        """The policy's refusal, or what stands for a withheld answer, with the usage that was billed for it."""
        usage = self.attempts[-1].usage if self.withheld is not None else _NOTHING
        return refusal(self.request, self.decision, created=int(self.means.now()), why=self.withheld, usage=usage)

    def outcome(
        self,
        status: Literal["answered", "refused", "failed", "cancelled"],
        *,
        body: dict[str, Any] | None = None,
        failure: RouterError | None = None,
    ) -> Outcome:
        """What happened until now."""
        error = None if failure is None else getattr(failure, "kind", failure.code)
        if status == "refused" and self.withheld is not None:
            error = "content_filter"
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
            error=error,
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
        loaded = f"; {self._loading_note}" if self.loading_ms else ""
        return DeadlineExceeded(
            f"no complete answer within {format_ms(limit)} ({len(self.attempts)} calls{loaded}).",
            elapsed_ms=self.elapsed_ms,
            limit_ms=limit,
            hint="Load it beforehand with warm()." if loaded else "Raise max_latency_ms, or ask for a shorter answer.",
        )

    @property
    def _loading_note(self) -> str:
        return f"{format_ms(self.loading_ms)} went into loading the client"

    def _nothing_to_call(self) -> RouterError:
        named = [name for name in (self.decision.target.model, *self.decision.fallbacks) if name is not None]
        known = [self.means.deployments[name] for name in named if name in self.means.deployments]
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
                self._redaction = redact(self.request, spans, wanted, self.means.find)
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


def _usage_chunk(like: Mapping[str, Any], usage: Usage) -> dict[str, Any]:
    head = {key: like[key] for key in ("id", "created", "model", "object") if key in like}
    tokens = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    return {**head, "choices": [], "usage": tokens}
