"""What comes next: call, hedge, escalate, wait or stop, from the decision, the attempts so far, and the time, money
and health that are left.

One pure function, so that every interleaving of retry, fallback, hedge, escalation and deadline can be tested without
clock or network; ``backends/run.py`` does what it says. It knows no provider and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ..types import Attempt, AttemptRole
from .plan import Choice, Plan, RetryState
from .steps import Block, Call, Running, Step, Stop, StopReason, Wait

__all__ = ["can_escalate", "next_step"]

# Errors that another deployment would answer with as well, or that must not be shopped around for.
_FINAL = frozenset({"bad_request", "content_filter"})
_CLOCK_MS = 0.5
_HOPELESS = 3.0
_NEVER = float("inf")
_NOBODY: Mapping[str, Block] = {}
_NONE: frozenset[str] = frozenset()
_RUNG = {None: 0, "small": 1, "large": 2}


_STOPS: Mapping[StopReason, Stop] = {
    reason: Stop(reason=reason) for reason in ("answered", "refused", "kept", "cut", "cancelled", "final")
}


def next_step(
    plan: Plan,
    attempts: Sequence[Attempt],
    elapsed_ms: float,
    *,
    running: Sequence[Running] = (),
    blocked: Mapping[str, Block] = _NOBODY,
    spent_out: frozenset[str] = _NONE,
    is_crowded: bool = False,
) -> Step:
    """What to do now, ``elapsed_ms`` after the start of the run.

    ``running`` are the calls that are out. ``blocked`` are deployments that must not be called now (an open breaker);
    ``spent_out`` those where no extra call may be made (retry budget). ``is_crowded``: so many runs wait for a
    deployment already that no more may. With something running the answer is a hedge or a wait, never a stop.
    """
    if plan.refused:
        return _STOPS["refused"]
    if not attempts and not running and not blocked and plan.choices and plan.max_latency_ms is None:
        # The way that nearly every request takes, and its end.
        return _call(plan, 0, None, elapsed_ms, "first")
    if attempts and not running and attempts[-1].error is None:
        return _STOPS["answered"]
    state = _State(plan, attempts, elapsed_ms, running, blocked, spent_out, is_crowded)
    if running:
        return state.beside()
    step = state.after()
    is_end = isinstance(step, Stop) and step.reason not in ("answered", "cancelled", "cut")
    if is_end and any(attempt.error == "rejected" for attempt in attempts):
        # A better answer was looked for and not found: the one that failed its check is given.
        return _STOPS["kept"]
    return step


def can_escalate(plan: Plan, attempts: Sequence[Attempt], model: str) -> bool:
    """Whether a larger model is left that could answer instead of ``model``; money and time are not asked."""
    tried = {attempt.model for attempt in attempts}
    rung = next((_RUNG[choice.tier] for choice in plan.choices if choice.model == model), 0)
    return any(_RUNG[choice.tier] > rung and choice.model not in tried for choice in plan.choices)


class _State:
    """What one step is worked out from."""

    __slots__ = (
        "at", "attempts", "blocked", "elapsed_ms", "is_crowded", "plan", "rung", "running", "spent_out", "tried",
        "window",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        attempts: Sequence[Attempt],
        elapsed_ms: float,
        running: Sequence[Running],
        blocked: Mapping[str, Block],
        spent_out: frozenset[str],
        is_crowded: bool,
    ) -> None:
        self.plan, self.attempts, self.elapsed_ms = plan, attempts, elapsed_ms
        self.running, self.blocked, self.spent_out, self.is_crowded = running, blocked, spent_out, is_crowded
        self.at = {choice.model: index for index, choice in enumerate(plan.choices)}
        self.tried = {attempt.model for attempt in attempts} | {call.model for call in running}
        self.rung, self.window = 0, 0
        for attempt in attempts:
            choice = plan.choices[self.at[attempt.model]] if attempt.model in self.at else None
            if choice is None:
                continue
            if attempt.error == "rejected":
                # Whoever answers now must be more than the one whose answer was not good enough.
                self.rung = max(self.rung, _RUNG[choice.tier] + 1)
            elif attempt.error == "context_length" and choice.context_tokens is not None:
                self.window = max(self.window, choice.context_tokens)

    # ----- nothing is running -------------------------------------------------------------------------------------

    def after(self) -> Step:
        plan, elapsed = self.plan, self.elapsed_ms
        last = next((attempt for attempt in reversed(self.attempts) if attempt.error != "superseded"), None)
        if last is not None:
            if last.error is None:
                return _STOPS["answered"]
            if last.error == "cancelled":
                return _STOPS["cancelled"]
            if last.ttft_ms is not None:
                return _STOPS["cut"]
            if last.error in _FINAL:
                return _STOPS["final"]
        if plan.max_latency_ms is not None and plan.max_latency_ms - elapsed < plan.pacing.min_call_ms:
            return Stop(reason="deadline")
        if len(self.attempts) >= plan.pacing.max_calls:
            return Stop(reason="exhausted")
        later = self.best()
        retry = None if last is None else self.retry(last, later is not None)
        if retry is not None:
            model, at_ms = retry
            if at_ms - elapsed > _CLOCK_MS:
                reopens = [block.until_ms for block in self.cooling().values()]
                return Wait(until_ms=min([at_ms, *reopens]), for_health=bool(reopens) and not self.is_crowded)
            return self.call(self.at[model], later, "retry")
        if later is not None:
            return self.call(later, self.best(beside=later), self.role(later))
        return self.no_call(last)

    def call(self, index: int, later: int | None, role: AttemptRole) -> Call:
        """A call with the time that it may take. Where nobody else is left but it may itself be tried again, half of
        the time left is kept for that, as long as half is several times what it nearly always needs."""
        call, limit = _call(self.plan, index, later, self.elapsed_ms, role), self.plan.max_latency_ms
        if limit is None or later is not None:
            return call
        choice, half = self.plan.choices[index], (limit - self.elapsed_ms) / 2.0
        tries = sum(attempt.model == choice.model for attempt in self.attempts) + 1
        is_last = self.plan.pacing.stop(RetryState(attempt_number=tries)) or choice.model in self.spent_out
        is_last = is_last or len(self.attempts) + 1 >= self.plan.pacing.max_calls
        if is_last or choice.tail_ms is None or _HOPELESS * choice.tail_ms > half:
            return call
        return msgspec.structs.replace(call, timeout_ms=min(call.timeout_ms, half), ttft_ms=min(call.ttft_ms, half))

    def role(self, index: int) -> AttemptRole:
        if not self.attempts:
            return "first"
        gave_way = any(attempt.error == "rejected" or attempt.kind == "local" for attempt in self.attempts)
        first = self.plan.choices[index].kind == "llm" and not any(
            attempt.role == "escalation" for attempt in self.attempts
        )
        return "escalation" if gave_way and first else "fallback"

    def no_call(self, last: Attempt | None) -> Step:
        """Nobody may be called now. Better late than never: wait for the first that may be, as long as one waits for a
        Retry-After; else probe the best of those that only failures speak against; else say what stands in the way."""
        plan, now = self.plan, self.elapsed_ms
        cooling = self.cooling()
        if last is not None and last.model in self.blocked and self.may_retry(last):
            block, due = self.blocked[last.model], self.due_ms(last)
            cooling[self.at[last.model]] = msgspec.structs.replace(
                block, until_ms=max(block.until_ms, due), may_probe=block.may_probe and due <= now + _CLOCK_MS
            )
        if cooling:
            until = self.waits_until(cooling.values())
            early = next((i for i, block in cooling.items() if block.may_probe), None)
            # A long cooldown is no news of a deployment that may be back long since, unless somebody finds out already.
            is_long = until - now > plan.pacing.probe_after_s * 1000.0
            is_asked = early is not None and is_long and not any(block.is_probed for block in cooling.values())
            if until - now > _CLOCK_MS and not self.is_crowded and not is_asked:
                return Wait(until_ms=until, for_health=True)
            if early is None:
                return Stop(reason="unavailable")
            role: AttemptRole = "retry" if plan.choices[early].model in self.tried else self.role(early)
            call = _call(plan, early, None, now, role)
            return msgspec.structs.replace(call, is_early=True)
        untried = [i for i, choice in enumerate(plan.choices) if choice.model not in self.tried and self.serves(i)]
        if any(not self.affordable(i) for i in untried):
            return Stop(reason="money")
        waits = last is not None and self.backoff_s(last) is not None
        is_late = plan.max_latency_ms is not None and (waits or bool(untried))
        return Stop(reason="deadline" if is_late else "exhausted")

    def cooling(self) -> dict[int, Block]:
        """Choices that were not tried and could be, but for their health."""
        if not self.blocked:
            return {}
        names = ((i, self.plan.choices[i].model) for i in self.eligible())
        return {i: self.blocked[name] for i, name in names if name in self.blocked}

    def waits_until(self, blocks: Iterable[Block]) -> float:
        """Until when the run waits for one of them, in ms after its start; the present where that makes no sense."""
        idle_since = max((a.started_ms + a.latency_ms for a in self.attempts), default=0.0)
        found = [self.elapsed_ms]
        for block in blocks:
            latest = idle_since + 1000.0 * self.patience_s(block)
            if self.plan.max_latency_ms is not None:
                latest = min(latest, self.plan.max_latency_ms - self.plan.pacing.min_call_ms)
            if block.is_probed:  # how long that takes nobody knows
                found.append(min(block.until_ms, latest))
            elif block.until_ms <= latest:
                found.append(block.until_ms)
        return min((until for until in found if until > self.elapsed_ms), default=self.elapsed_ms)

    def patience_s(self, block: Block) -> float:
        """How long a run waits for a deployment. Without a deadline, what only failures speak against is waited for as
        long as somebody who waits for an answer will put up with."""
        pacing = self.plan.pacing
        # Whoever has an answer to give, though not a good one, waits no longer than for a better choice.
        if any(attempt.error == "rejected" for attempt in self.attempts):
            return pacing.patience_s
        is_short = self.plan.max_latency_ms is None and not (block.is_told or block.is_probed)
        return min(pacing.max_wait_s, pacing.probe_after_s) if is_short else pacing.max_wait_s

    # ----- a call is out ------------------------------------------------------------------------------------------

    def beside(self) -> Call | Wait:
        """A hedge when the running call takes longer than it nearly always does, and one can be afforded."""
        plan, first = self.plan, self.running[0]
        due = self.hedge_due(first)
        if due is None:
            return Wait(until_ms=_NEVER)
        if due - self.elapsed_ms > _CLOCK_MS:
            return Wait(until_ms=due)
        if plan.max_latency_ms is not None and self.left_at(self.elapsed_ms) < plan.pacing.min_call_ms:
            return Wait(until_ms=_NEVER)
        other = self.best()
        index = self.at[first.model] if other is None or plan.choices[other].kind == "local" else other
        choice = plan.choices[index]
        if choice.model in self.spent_out or choice.model in self.blocked or not self.affordable(index):
            return Wait(until_ms=_NEVER)
        return _call(plan, index, None, self.elapsed_ms, "hedge")

    def hedge_due(self, first: Running) -> float | None:
        plan = self.plan
        if not plan.hedge or len(self.running) > 1 or len(self.attempts) + 2 > plan.pacing.max_calls:
            return None
        if any(attempt.error == "superseded" or attempt.role == "hedge" for attempt in self.attempts):
            return None
        choice = plan.choices[self.at[first.model]]
        return None if choice.hedge_ms is None else first.started_ms + choice.hedge_ms

    # ----- who may be called --------------------------------------------------------------------------------------

    def serves(self, index: int) -> bool:
        """Whether an answer of this choice could still be the one."""
        choice = self.plan.choices[index]
        if _RUNG[choice.tier] < self.rung:
            return False
        return not self.window or choice.context_tokens is None or choice.context_tokens > self.window

    def eligible(self) -> Iterator[int]:
        """Choices that were not tried, in order, as far as money and time go; also those that are blocked."""
        for index, choice in enumerate(self.plan.choices):
            if choice.model in self.tried or not self.serves(index) or not self.affordable(index):
                continue
            yield index

    def best(self, *, beside: int | None = None) -> int | None:
        """The first choice whose observed tail fits the time left, else the first whose usual time does."""
        limit = self.plan.max_latency_ms
        second: int | None = None
        for index in self.eligible():
            choice = self.plan.choices[index]
            if index == beside or choice.model in self.blocked:
                continue
            if limit is None or choice.tail_ms is None or choice.tail_ms <= limit - self.elapsed_ms:
                return index
            usual = choice.usual_ms
            if second is None and (usual is None or usual <= limit - self.elapsed_ms):
                second = index
        return second

    def retry(self, last: Attempt, has_later: bool) -> tuple[str, float] | None:
        """Which choice is tried again and when, in ms after the start: the last one; where nobody else is left, the one
        of all that were tried whose turn comes first."""
        newest = {attempt.model: attempt for attempt in self.attempts if attempt.error != "superseded"}
        tried = [last] if has_later else list(newest.values())
        found = [(at_ms, each.model) for each in tried if (at_ms := self.retry_at(each, has_later)) is not None]
        if not found:
            return None
        at_ms, model = min(found)
        return model, at_ms

    def retry_at(self, last: Attempt, has_later: bool) -> float | None:
        """When the last choice may be called again, in ms after the start; None when it may not."""
        plan, block = self.plan, self.blocked.get(last.model)
        if not self.may_retry(last) or (block is not None and block.is_probed):
            return None
        if has_later and not last.retryable:
            return None
        at_ms = self.due_ms(last)
        if block is not None:
            ended_ms = last.started_ms + last.latency_ms
            if block.until_ms - ended_ms > 1000.0 * self.patience_s(block):
                return None
            at_ms = max(at_ms, block.until_ms)
        waits_ms = at_ms - last.started_ms - last.latency_ms
        if waits_ms > 1000.0 * (plan.pacing.patience_s if has_later else plan.pacing.max_wait_s):
            return None
        if plan.max_latency_ms is not None and self.left_at(at_ms) < plan.pacing.min_call_ms:
            return None
        return at_ms

    def may_retry(self, last: Attempt) -> bool:
        """Whether the choice of the last attempt may be called again at all."""
        index = self.at.get(last.model)
        if index is None or last.model in self.spent_out or self.backoff_s(last) is None:
            return False
        return self.serves(index) and self.affordable(index)

    def due_ms(self, last: Attempt) -> float:
        """When a retry that may be made is due, in ms after the start."""
        return last.started_ms + last.latency_ms + 1000.0 * (self.backoff_s(last) or 0.0)

    def backoff_s(self, last: Attempt) -> float | None:
        """Seconds to wait before the same choice is tried again; None when it had its tries or must not be retried."""
        # Within a deadline a call is given up so that another may still answer; that may be the same one.
        gave_up = last.error == "timeout" and self.plan.max_latency_ms is not None
        if not last.retryable and not gave_up:
            return None
        state = RetryState(attempt_number=sum(attempt.model == last.model for attempt in self.attempts))
        if self.plan.pacing.stop(state):
            return None
        # Equal jitter: half of the wait is certain, so that a run neither hammers nor dawdles
        # (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
        delay = self.plan.pacing.wait(state) * (0.5 + 0.5 * self.plan.jitter)
        return max(delay, last.retry_after_s or 0.0)

    def left_at(self, at_ms: float) -> float:
        return (self.plan.max_latency_ms or _NEVER) - at_ms

    def affordable(self, index: int) -> bool:
        plan = self.plan
        # The decision itself held its target against the limit; only what follows must be checked here.
        if plan.max_usd is None or (index == 0 and not self.attempts and not self.running):
            return True
        total = plan.choices[index].worst_usd
        for model, known in [*((a.model, a.usd) for a in self.attempts), *((c.model, None) for c in self.running)]:
            if known is None and model in self.at:
                known = plan.choices[self.at[model]].worst_usd
            if known is None or total is None:
                return False
            total += known
        return total is not None and total <= plan.max_usd * (1 + 1e-9)


def _call(plan: Plan, index: int, later: int | None, elapsed_ms: float, role: AttemptRole) -> Call:
    choice = plan.choices[index]
    timeout = plan.pacing.timeout_s * 1000.0
    if plan.max_latency_ms is not None:
        left = plan.max_latency_ms - elapsed_ms
        timeout = min(timeout, left if later is None else _share_of(left, choice, plan.choices[later]))
    return Call(
        model=choice.model,
        kind=choice.kind,
        timeout_ms=timeout,
        ttft_ms=min(timeout, plan.pacing.ttft_timeout_s * 1000.0),
        role=role,
    )


def _share_of(left: float, choice: Choice, later: Choice) -> float:
    """How much of the time left a call gets while another choice could still answer after it."""
    # Time for the next choice is kept back, as long as this one keeps what it usually needs.
    usual = min(left, choice.expected_ms * 1.5)
    kept = later.expected_ms if later.tail_ms is None else max(later.expected_ms, later.tail_ms)
    share = max(left - kept, usual, left / 2)
    # What takes several times as long as it nearly always does will hardly come any more.
    return share if choice.tail_ms is None else min(share, max(_HOPELESS * choice.tail_ms, usual))
