"""A deployment's circuit breaker as a value: what one call, one probe or a provider's word makes of it.

Pure, and time comes in as a value; :mod:`.health` keeps one for each deployment.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..types import Attempt

__all__ = ["CLOSED", "Blocked", "Breaker", "BreakerRules", "BreakerState", "Opened", "Source"]

BreakerState = Literal["closed", "open", "half_open"]
Source = Literal["calls", "check", "others"]

# Errors that say nothing of the deployment: the request's own fault, or nobody's.
_NO_FAULT = frozenset(
    {"bad_request", "context_length", "content_filter", "unsupported", "cancelled", "superseded", "rejected"}
)
# Errors that no retry can help: the deployment is out at once, and for longer.
_LASTING = frozenset({"auth", "quota", "not_found"})


class BreakerRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens, and for how long.

    ``failures`` in a row open it, and so does a smoothed share of errors of ``error_share`` once ``min_calls`` were
    seen. It stays open ``cooldown_s``, doubled at each opening in a row up to ``max_cooldown_s``; ``lasting_s`` after
    an error that no retry can help (auth, quota). ``smoothing`` is the weight of the newest call in the share. A
    Retry-After is obeyed for as long as it says, at most ``max_retry_after_s``. A probe that never comes back is given
    up after ``probe_s``. Where nobody else can be called, an open deployment is probed before its time, one call at a
    time and at most one each ``early_probe_s``.
    """

    failures: int = 5
    error_share: float = 0.5
    min_calls: int = 10
    cooldown_s: float = 2.0
    max_cooldown_s: float = 60.0
    lasting_s: float = 60.0
    max_retry_after_s: float = 3600.0
    probe_s: float = 60.0
    early_probe_s: float = 0.5
    smoothing: float = 0.1


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """For how many more seconds a deployment is out, by its failures and by what its provider said."""

    open_s: float = 0.0
    told_s: float = 0.0


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that must not be called for ``for_s`` more seconds.

    ``is_told``: its provider said so. ``is_probed``: a probe is out, and its end opens or closes the breaker before
    that. ``may_probe``: only failures speak against it, so that one who can call nobody else may try it all the same.
    """

    for_s: float
    is_told: bool = False
    is_probed: bool = False
    may_probe: bool = False


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment's breaker (Nygard, *Release It!*, 2007): closed, open, and half-open with one probe.

    ``told_until_s``: until then the provider itself said that it will not answer (Retry-After, no credit), so that the
    late answer to an earlier call does not close it, and nobody probes it. ``tried_s`` is when the last call failed or
    the last probe went out. ``by`` says who opened it: a health check or another replica may close only what it opened.
    """

    failures: int = 0
    openings: int = 0
    calls: int = 0
    error_share: float = 0.0
    open_until_s: float = 0.0
    told_until_s: float = 0.0
    probe_until_s: float = 0.0
    tried_s: float = float("-inf")
    by: Source = "calls"

    def state(self, now_s: float) -> BreakerState:
        """Closed, open until its cooldown is over, then half-open until a call answers."""
        if now_s < self.told_until_s:
            return "open"
        if not self.openings:
            return "closed"
        return "open" if now_s < self.open_until_s else "half_open"

    def blocked(self, now_s: float, rules: BreakerRules) -> Blocked | None:
        """Why and for how long it must not be called, None when it may be called now."""
        state = self.state(now_s)
        if state == "closed":
            return None
        if now_s < self.told_until_s:
            until_s = max(self.told_until_s, self.open_until_s if self.openings else 0.0)
            return Blocked(for_s=until_s - now_s, is_told=True)
        if now_s < self.probe_until_s:
            return Blocked(for_s=self.probe_until_s - now_s, is_probed=True)
        if state == "half_open":
            return None
        return Blocked(for_s=self.open_until_s - now_s, may_probe=now_s >= self.tried_s + rules.early_probe_s)

    def admit(self, now_s: float, rules: BreakerRules, *, is_early: bool = False) -> Breaker | None:
        """The breaker once a call goes out; None when none may. Half-open, the first call is the only probe;
        ``is_early``: whoever calls can call nobody else."""
        blocked = self.blocked(now_s, rules)
        if blocked is not None and not (is_early and blocked.may_probe):
            return None
        if self.state(now_s) == "closed":
            return self
        return msgspec.structs.replace(self, probe_until_s=now_s + rules.probe_s, tried_s=now_s)

    def began(self, now_s: float) -> Breaker:
        """The breaker once a call's answer has begun: that closes it as an answer does; how it ends is seen later."""
        if not self.openings or now_s < self.told_until_s:
            return self
        return Breaker(calls=self.calls, error_share=self.error_share)

    def after(self, attempt: Attempt, now_s: float, rules: BreakerRules) -> Breaker:
        """The breaker once a call has ended."""
        error = attempt.error
        if error in _NO_FAULT:
            # It answered, or was not let answer: only a probe is given back.
            return msgspec.structs.replace(self, probe_until_s=0.0) if self.probe_until_s else self
        # More than are asked for tell nothing.
        calls = min(self.calls + 1, rules.min_calls)
        if error is None:
            if calls == self.calls and not (self.error_share or self.failures or self.openings or self.told_until_s):
                return self
            share = self.error_share * (1.0 - rules.smoothing)
            if now_s < self.told_until_s:
                return msgspec.structs.replace(self, failures=0, calls=calls, error_share=share)
            return Breaker(calls=calls, error_share=share)
        share = self.error_share + rules.smoothing * (1.0 - self.error_share)
        failures = self.failures + 1
        told_until_s = max(self.told_until_s, self._told_until(attempt, now_s, rules))
        is_many = failures >= rules.failures or (calls >= rules.min_calls and share >= rules.error_share)
        if not (is_many or self.openings or error in _LASTING):
            return Breaker(failures=failures, calls=calls, error_share=share, told_until_s=told_until_s)
        is_still_open = bool(self.openings) and now_s < self.open_until_s
        cooldown_s = min(rules.cooldown_s * 2.0 ** min(self.openings, 32), rules.max_cooldown_s)
        return Breaker(
            failures=failures,
            openings=self.openings if is_still_open else min(self.openings + 1, 64),
            calls=calls,
            error_share=share,
            # A call that began before it opened, or an early probe, neither shortens nor lengthens the cooldown.
            open_until_s=self.open_until_s if is_still_open else now_s + cooldown_s,
            told_until_s=told_until_s,
            tried_s=now_s,
        )

    def _told_until(self, attempt: Attempt, now_s: float, rules: BreakerRules) -> float:
        if attempt.error in _LASTING:
            return now_s + max(rules.lasting_s, rules.cooldown_s)
        if attempt.error in ("rate_limit", "overload") and attempt.retry_after_s is not None:
            return now_s + min(attempt.retry_after_s, rules.max_retry_after_s)
        return 0.0


CLOSED = Breaker()
"""Of a deployment that nothing is known of."""
