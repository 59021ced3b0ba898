"""The candidates of a plain request: one that tokens alone pay for and that the policy binds in nothing.

Most requests are such. What their candidates have in common is worked out once a task, and the figures of all hosted
deployments in one pass; ``_candidates.c`` makes that pass where it was compiled, and says the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from .. import features
from ..catalogue import Deployment, LocalCard
from ..types import Candidate, Estimate, Snapshot
from .estimate import estimate_local
from .losses import Asked, not_made_for
from .rates import FOLLOWS_SCHEMA, Rate, rate_of

__all__ = ["PlainTask", "candidate_fields", "plain_task", "plainly_hosted"]

_INFINITE = float("inf")


class PlainTask(NamedTuple):
    """The local models as candidates for a task that none of them is made for, and the hosted deployments' rates."""

    local: tuple[Candidate, ...]
    hosted: tuple[tuple[Any, ...], ...]
    """Each a :class:`.rates.Rate`, as a plain tuple: Python takes those apart far faster."""
    all_take: tuple[int, int, int, frozenset[str]]
    """Input, context and output in tokens that each of them takes, and what each is able to do."""
    rows: object | None
    """The same rates for what is compiled."""


def plain_task(deployments: Iterable[Deployment], cards: Iterable[LocalCard], task: str, *, plan: bool) -> PlainTask:
    """What the members of a fleet come down to for plain requests of ``task``."""
    local = tuple(
        Candidate(model=card.name, kind="local", estimate=estimate_local(card, None), failed=failed, reason=reason)
        for card in cards
        for failed, reason in (not_made_for(card, task),)
    )
    rates = [rate_of(deployment, task, plan=plan) for deployment in deployments]
    all_take = (
        min((rate.most_input for rate in rates), default=-1),
        min((rate.window for rate in rates), default=-1),
        min((rate.most_output for rate in rates), default=-1),
        frozenset.intersection(*(rate.able for rate in rates)) if rates else frozenset[str](),
    )
    return PlainTask(local, tuple(map(tuple, rates)), all_take, _rows(rates))


def plainly_hosted(
    plain: PlainTask, asked: Asked, snapshot: Snapshot, check: Callable[[Deployment], Candidate]
) -> list[Candidate]:
    """What ``check`` says of each deployment, without a call for each of its sums and checks.

    A deployment that a row does not settle (it lacks an ability, may be over a limit, cools down, or is warm) is left
    to that function.
    """
    tokens, size, measured, tails = asked.tokens, asked.context_tokens, snapshot.latency_ms, snapshot.tail_ms
    sent, expected, most = tokens.input, tokens.output, tokens.output_max
    request, budget = asked.request, asked.budget
    needs = asked.needs if request.json_schema is None else asked.needs | {FOLLOWS_SCHEMA}
    wanted = request.max_output_tokens or 0
    # Beyond what rounding can do to the sums by which the limit is told.
    most_usd = _INFINITE if budget.max_usd is None else budget.max_usd * (1.0 - 1e-9)
    most_ms = _INFINITE if budget.max_latency_ms is None else budget.max_latency_ms
    apart = snapshot.unhealthy
    if snapshot.warm or asked.model_left_usd:
        apart = apart.union(snapshot.warm, asked.model_left_usd)
    if features.compiled is not None and plain.rows is not None:
        found = features.compiled.hosted(
            plain.rows, sent, expected, most, size, wanted, most_usd, most_ms, needs, apart, measured, tails, check
        )
        if found is not None:
            return found
    return _hosted(plain, sent, expected, most, size, wanted, most_usd, most_ms, needs, apart, measured, tails, check)


def _hosted(
    plain: PlainTask, sent: int, expected: int, most: int, size: int, wanted: int, most_usd: float, most_ms: float,
    needs: frozenset[str], apart: frozenset[str], measured: Mapping[str, float], tails: Mapping[str, float],
    check: Callable[[Deployment], Candidate],
) -> list[Candidate]:  # fmt: skip
    all_input, all_window, all_output, all_able = plain.all_take
    fits_all = sent <= all_input and size <= all_window and wanted <= all_output and needs <= all_able
    fits_all = fits_all and not apart and most_usd == most_ms == _INFINITE
    return [
        Candidate(
            model=name,
            kind="llm",
            tier=tier,
            estimate=Estimate(
                usd=usd,
                latency_ms=latency_ms,
                quality=quality,
                worst_usd=per_call + sent * worst_input_usd + most * worst_output_usd,
                tail_ms=tails.get(name),
            ),
            failed=failed,
            reason=reason,
        )
        if fits_all or (sent <= most_input and size <= window and wanted <= most_output and needs <= able
        and ((usd <= most_usd and latency_ms <= most_ms) or failed is not None) and name not in apart)
        else check(deployment)
        for deployment, name, tier, failed, reason, able, most_input, window, most_output, quality, ttft_ms,
        tokens_per_s, per_call, input_usd, output_usd, worst_input_usd, worst_output_usd in plain.hosted
        for usd in (per_call + sent * input_usd + expected * output_usd,)
        for latency_ms in (measured[name] if name in measured else ttft_ms + expected * 1000.0 / tokens_per_s,)
    ]  # fmt: skip


@cache
def candidate_fields() -> object:
    """What compiled code needs to know of candidates and estimates."""
    assert features.compiled is not None
    return features.compiled.candidate_fields(Candidate, Estimate)


def _rows(rates: Iterable[Rate]) -> object | None:
    if features.compiled is None:
        return None
    return features.compiled.hosted_rows(
        candidate_fields(),
        [
            (
                rate.deployment,
                Candidate(
                    model=rate.name,
                    kind="llm",
                    tier=rate.tier,
                    estimate=Estimate(quality=rate.quality),
                    failed=rate.failed,
                    reason=rate.reason,
                ),
                rate.able,
                *(rate.most_input, rate.window, rate.most_output, rate.ttft_ms, rate.tokens_per_s),
                *(rate.per_call, rate.input, rate.output, rate.worst_input, rate.worst_output),
            )
            for rate in rates
        ],
    )
