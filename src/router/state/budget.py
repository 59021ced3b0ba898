"""Budgets and rate limits: what a request may still use, and reserve / settle around its run.

Worst case is set aside before a call and replaced by what was used after it, so that any number of callers and
processes cannot pass a hard limit together. The room knows limits and accounts; how they are kept stands in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NoReturn

import msgspec

from ..errors import BudgetExceeded, RateLimited, StateUnavailable
from ..telemetry import STATE_DOWN, log
from ..units import format_usd
from .limits import Account, Limit, Who, Windows
from .store import MAX_COUNT, Balance, Claim, Granted, Reserve, Settle, Share, from_nano
from .worker import Runner

__all__ = ["Allowance", "Budgets", "Hold", "Needs", "Rate"]

_FRESH_S = 1.0
_MOST_SEEN = 20_000


class Allowance(msgspec.Struct, frozen=True):
    """What hard limits leave: ``left_usd`` for any model (None: no limit), ``model_left_usd`` for single models; and
    ``used_up``, the soft limits that are reached."""

    left_usd: float | None = None
    model_left_usd: Mapping[str, float] = {}
    used_up: tuple[str, ...] = ()


class Needs(msgspec.Struct, frozen=True):
    """The most that a run may use: nano-dollars of each model that may be called, tokens of one call, and how many
    requests it counts as."""

    nano: Mapping[str, int]
    tokens: int
    requests: int = 1


class Hold(msgspec.Struct, frozen=True):
    """A reservation: its ``id``, where it counts, and what is ``held`` by account. ``nano`` is what hard money limits
    let the run spend at most, None when there is none."""

    id: str
    counts: tuple[tuple[Limit, Account, str | None], ...] = ()
    nano: int | None = None
    requests: int = 1
    held: tuple[tuple[str, int], ...] = ()


class Rate(msgspec.Struct, frozen=True):
    """What a limit of requests or tokens (``unit``) leaves of its ``amount``; when its window ends (None: never)."""

    unit: str
    amount: int
    left: int
    resets_s: float | None


_NOTHING = Hold(id="")
_FREE = Allowance()


class Budgets:
    """``limits`` over a store that ``runner`` reaches; ``models`` are all hosted deployments' names.

    ``refuses_when_down``: without its store nothing is granted; else requests run unreserved meanwhile, and what they
    used is charged when the store is back.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        runner: Runner,
        *,
        models: Iterable[str] = (),
        refuses_when_down: bool = True,
    ) -> None:
        self.limits = tuple(limits)
        self._runner, self._refuses = runner, refuses_when_down
        self._models = tuple(models)
        self._windows = Windows()
        self._seen: dict[str, tuple[Balance, float]] = {}

    def renewed(self, limits: Sequence[Limit], *, models: Iterable[str]) -> Budgets:
        """Other limits and deployments in the same store: what an account counted stays."""
        return Budgets(limits, self._runner, models=models, refuses_when_down=self._refuses)

    def rates(self, who: Who, now_s: float) -> list[Rate]:
        """Of the hard limits of requests and of tokens that bind ``who``, the one of each that leaves the least; as of
        the last reservation of this process."""
        found: dict[str, Rate] = {}
        for limit in self.limits:
            if limit.unit == "usd" or not limit.is_hard or limit.model is not None:
                continue
            account = self._windows.account(limit, who, None, now_s)
            if account is None:
                continue
            left = max(0, limit.amount - self._used(account))
            resets_s = None if account.ends_s is None else max(0.0, account.ends_s - now_s)
            if limit.unit not in found or left < found[limit.unit].left:
                found[limit.unit] = Rate(limit.unit, limit.amount, left, resets_s)
        return list(found.values())

    async def allowance(self, who: Who, now_s: float, *, is_fresh: bool = False) -> Allowance:
        """What is left for a request of ``who``: for the decision only, for it may be a second old, unless it must be
        fresh.

        Raises:
            StateUnavailable: the store is away, and nothing may run without it.
        """
        if not self.limits:
            return _FREE
        found = self._money(who, now_s)
        missing = self._stale(found, float("inf") if is_fresh else now_s)
        if missing:
            try:
                self._note(missing, await self._runner.read(missing), now_s)
            except StateUnavailable as error:
                self._bear(error)
        return self._allowance(found)

    def allowance_now(self, who: Who, now_s: float) -> Allowance:
        """As :meth:`allowance`, blocking; what is known is not asked for again."""
        if not self.limits:
            return _FREE
        found = self._money(who, now_s)
        missing = self._stale(found, now_s)
        if missing:
            try:
                self._note(missing, self._runner.read_now(missing), now_s)
            except StateUnavailable as error:
                self._bear(error)
        return self._allowance(found)

    async def reserve(self, id: str, who: Who, needs: Needs, now_s: float) -> Hold:
        """Set the worst case aside under ``id``.

        With money for it, twice the dearest call is set aside: a call that failed and was billed all the same leaves
        enough for another.

        Raises:
            BudgetExceeded, RateLimited: a hard limit leaves too little; says what is left and when it resets.
            StateUnavailable: as :meth:`allowance`.
        """
        if not self.limits:
            return _NOTHING
        counts = tuple(self._counts(who, needs, now_s))
        if not counts:
            return _NOTHING
        has_cap = any(limit.unit == "usd" and limit.is_hard for limit, _, _ in counts)
        dearest = max(needs.nano.values(), default=0)
        calls = 2 if has_cap and dearest else 1
        while True:
            claims, owners = _claims(counts, needs, calls)
            try:
                reply = await self._runner.reserve(Reserve(id, claims))
            except StateUnavailable as error:
                self._bear(error)
                # Under a name of its own: what the failed reservation may have left is undone under the other.
                return Hold(f"{id}+", counts, requests=needs.requests)
            self._note([claim.account for claim in claims], reply.balances, now_s)
            if isinstance(reply, Granted):
                held = tuple([(claim.account, claim.amount) for claim in claims])
                return Hold(id, counts, calls * dearest if has_cap else None, needs.requests, held)
            limit, account = owners[reply.index]
            if calls == 1 or limit.unit != "usd":
                claim = claims[reply.index]
                _refuse(limit, account, claim, reply.balances[reply.index], now_s)
            calls = 1

    def settle(self, hold: Hold, nano: Mapping[str, int], tokens: int) -> None:
        """Replace what is held by what was used: nano-dollars by model, tokens. Never blocks and never fails."""
        if not hold.counts:
            return
        shares: dict[str, Share] = {}
        for limit, account, model in hold.counts:
            if limit.unit == "requests":
                used = hold.requests
            elif limit.unit == "tokens":
                used = tokens
            else:
                used = sum(nano.values()) if model is None else nano.get(model, 0)
            shares[account.name] = Share(account.name, min(used, MAX_COUNT), account.ends_s)
        self._runner.post(Settle(hold.id, tuple(shares.values())))
        # What was held must not count as used until the store is asked again: the next request may need it.
        for name, amount in hold.held:
            seen = self._seen.get(name)
            if seen is not None:
                balance, share = seen[0], shares[name]
                spent, reserved = balance.spent + share.amount, max(0, balance.reserved - amount)
                self._seen[name] = (Balance(spent, reserved), seen[1])

    def refusal(self, who: Who, error: BudgetExceeded, now_s: float) -> BudgetExceeded:
        """``error`` of a decision, told by the limit that leaves the least where that is what bound it."""
        found = [
            (rest, limit, account)
            for limit, account, model in self._money(who, now_s)
            if limit.is_hard
            and model in (None, error.deployment)
            and (rest := limit.amount - self._used(account)) is not None
        ]
        if not found:
            return error
        _, limit, account = min(found, key=lambda each: each[0])
        balance = self._seen.get(account.name, (Balance(), 0.0))[0]
        left = max(0, limit.amount - balance.used)
        if error.left_usd is None or abs(error.left_usd - from_nano(left)) > 1e-9:
            return error
        told = _money_refusal(limit, account, balance, error.needed_usd)
        told.reasons = error.reasons
        return told

    def close(self) -> None:
        """Do what was posted, then close the store."""
        self._runner.close()

    def _bear(self, error: StateUnavailable) -> None:
        """The store is away: raise, or go on."""
        if self._refuses:
            raise error
        log.warning("%s; the request runs unreserved", STATE_DOWN)

    def _money(self, who: Who, now_s: float) -> list[tuple[Limit, Account, str | None]]:
        found: list[tuple[Limit, Account, str | None]] = []
        for limit in self.limits:
            if limit.unit == "usd" or not limit.is_hard:
                for model in (None,) if limit.model is None else self._models:
                    account = self._windows.account(limit, who, model, now_s)
                    if account is not None:
                        found.append((limit, account, model))
        return found

    def _counts(self, who: Who, needs: Needs, now_s: float) -> Iterable[tuple[Limit, Account, str | None]]:
        for limit in self.limits:
            # Who answers is open until the end, so a limit of one model counts for each that may be called.
            for model in (None,) if limit.model is None else needs.nano:
                account = self._windows.account(limit, who, model, now_s)
                if account is not None:
                    yield limit, account, model

    def _allowance(self, found: Sequence[tuple[Limit, Account, str | None]]) -> Allowance:
        left: int | None = None
        by_model: dict[str, int] = {}
        used_up: list[str] = []
        for limit, account, model in found:
            rest = limit.amount - self._used(account)
            if not limit.is_hard:
                if rest <= 0:
                    used_up.append(limit.describe(account))
            elif model is None:
                left = rest if left is None else min(left, rest)
            else:
                by_model[model] = min(rest, by_model.get(model, rest))
        if left is None and not by_model and not used_up:
            return _FREE
        return Allowance(
            None if left is None else from_nano(max(0, left)),
            {model: from_nano(max(0, rest)) for model, rest in by_model.items()},
            tuple(used_up),
        )

    def _stale(self, found: Sequence[tuple[Limit, Account, str | None]], now_s: float) -> tuple[str, ...]:
        if self._runner.is_exact:
            return tuple({account.name: None for _, account, _ in found})
        names = {account.name: None for _, account, _ in found}
        return tuple(
            name for name in names if (seen := self._seen.get(name)) is None or abs(now_s - seen[1]) > _FRESH_S
        )

    def _used(self, account: Account) -> int:
        seen = self._seen.get(account.name)
        return seen[0].used if seen is not None else 0

    def _note(self, accounts: Sequence[str], balances: Sequence[Balance], now_s: float) -> None:
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        for account, balance in zip(accounts, balances, strict=True):
            self._seen[account] = (balance, now_s)


def _claims(
    counts: Sequence[tuple[Limit, Account, str | None]], needs: Needs, calls: int
) -> tuple[tuple[Claim, ...], list[tuple[Limit, Account]]]:
    """One claim an account: limits that share one (a soft and a hard one) count once, under the tightest cap."""
    claims: dict[str, Claim] = {}
    owners: dict[str, tuple[Limit, Account]] = {}
    dearest = calls * max(needs.nano.values(), default=0)
    for limit, account, model in counts:
        if limit.unit == "requests":
            amount = needs.requests
        elif limit.unit == "tokens":
            amount = needs.tokens
        else:
            amount = dearest if model is None else calls * needs.nano[model]
        cap = limit.amount if limit.is_hard else None
        before = claims.get(account.name)
        if before is not None and before.cap is not None and (cap is None or before.cap <= cap):
            continue
        claims[account.name] = Claim(account.name, min(amount, MAX_COUNT), cap, account.ends_s)
        owners[account.name] = (limit, account)
    return tuple(claims.values()), list(owners.values())


def _refuse(limit: Limit, account: Account, claim: Claim, balance: Balance, now_s: float) -> NoReturn:
    if limit.unit == "usd":
        raise _money_refusal(limit, account, balance, from_nano(claim.amount))
    left = max(0, limit.amount - balance.used)
    resets_at = _resets_at(limit, account)
    held = _held(balance) if limit.unit == "tokens" else ""
    raise RateLimited(
        f"{limit.describe(account)} leaves {left:,}{held}; this request may need {claim.amount:,}.",
        unit=limit.unit,
        needed=claim.amount,
        left=left,
        retry_after_s=None if account.ends_s is None else max(0.0, account.ends_s - now_s),
        resets_at=resets_at,
        hint=f"It resets at {resets_at}." if resets_at else "Raise the limit in the config.",
    )


def _money_refusal(limit: Limit, account: Account, balance: Balance, needed_usd: float | None) -> BudgetExceeded:
    left_usd = from_nano(max(0, limit.amount - balance.used))
    resets_at = _resets_at(limit, account)
    return BudgetExceeded(
        f"{limit.describe(account)} leaves {format_usd(left_usd)}{_held(balance)}; "
        f"this request may need {format_usd(needed_usd)}.",
        needed_usd=needed_usd,
        left_usd=left_usd,
        resets_at=resets_at,
        hint=f"It resets at {resets_at}." if resets_at else "Raise the limit in the config.",
    )


def _held(balance: Balance) -> str:
    # What others hold may come back before the window ends.
    return " (some of it is only set aside for requests that are running)" if balance.reserved else ""


def _resets_at(limit: Limit, account: Account) -> str | None:
    if account.ends_s is None:
        return None
    from zoneinfo import ZoneInfo  # with the table of where zones are kept

    return datetime.fromtimestamp(account.ends_s, ZoneInfo(limit.zone)).isoformat()
