"""Candidates and choice through plain values: who is able, who wins, who comes next, and the typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.catalogue import Deployment, LocalCard, Price, PriceTier
from router.errors import BudgetExceeded, DeadlineInfeasible, NoCandidate
from router.price import UnitPrices
from router.selection.candidates import Fleet, candidates, make_fleet
from router.selection.choose import choose
from router.selection.estimate import estimate_hosted
from router.types import (
    Budget,
    Decision,
    Fired,
    Hints,
    LocalEvidence,
    Message,
    PolicyRef,
    Request,
    Signal,
    Signals,
    Snapshot,
    TokenCount,
    Tool,
    Units,
    Verdict,
)

CARD = LocalCard(
    name="sentiment",
    task="sentiment",
    labels=("positive", "negative"),
    maker="linear",
    languages=("en",),
    rows=5000,
    threshold=0.8,
    ood_threshold=0.5,
    licence="CC BY 4.0",
    data_hash="0",
    files={},
)
SMALL = Deployment(
    name="small",
    model="openai/small",
    tier="small",
    configured=True,
    key_env="SMALL_KEY",
    price=Price(input=1e-7, output=4e-7),
    context_tokens=10_000,
    capabilities=frozenset({"streaming", "tools", "json_schema"}),
)
LARGE = Deployment(
    name="large",
    model="openai/large",
    tier="large",
    configured=True,
    price=Price(input=2e-6, output=8e-6),
    ttft_ms=1500,
    capabilities=frozenset({"streaming", "tools", "json_schema", "vision"}),
)
FLEET = make_fleet((SMALL, LARGE), (CARD,))
ABLE = LocalEvidence(model="sentiment", label="positive", answer=("positive",), probability=0.97, threshold=0.8)
NOW = Snapshot(id="d1", now_s=1.8e9)
SHORT = TokenCount(input=100, output=10, output_max=1000)


class Fixed:
    """A detector that says what the test wants."""

    slow = False

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.provides = tuple(values)
        self._values = values

    def __call__(self, signals: Signals, /) -> dict[str, Signal[Any]]:
        return {name: Signal(value=value, confidence=0.9, detector="test") for name, value in self._values.items()}


def request(**fields: Any) -> Request:
    return Request(messages=(Message(role="user", text="I loved it"),), n_bytes=10, **fields)


def decide(
    verdict: Verdict,
    asked: Request | None = None,
    *,
    evidence: LocalEvidence | None = ABLE,
    fleet: Fleet = FLEET,
    snapshot: Snapshot = NOW,
    tokens: TokenCount = SHORT,
) -> Decision:
    asked = asked or request()
    fixed = Fixed({"task": "sentiment", "tokens": tokens, "local": evidence, "scores": {"sentiment": 0.9}})
    signals = Signals(asked, dict.fromkeys(fixed.provides, fixed))
    found = candidates(asked, signals, verdict, fleet, snapshot)
    return choose(
        asked,
        signals,
        verdict,
        found,
        fleet,
        PolicyRef(name="test", hash="0"),
        snapshot,
    )


def reasons(decision: Decision) -> dict[str, str | None]:
    return {candidate.model: candidate.reason for candidate in decision.candidates}


def test_preferred_able_local_model_answers() -> None:
    decision = decide(Verdict(prefer="local"))
    assert (decision.target.kind, decision.target.model) == ("local", "sentiment")
    assert decision.fallbacks == ("small", "large")
    assert decision.estimate.usd == 0


def test_a_tie_goes_to_the_cheaper_local() -> None:
    assert decide(Verdict(prefer="tie")).target.kind == "local"


def test_unable_local_model_loses_with_its_reason() -> None:
    unsure = msgspec.structs.replace(ABLE, reason="probability 0.61 is under 0.80")
    decision = decide(Verdict(prefer="local"), evidence=unsure)
    assert decision.target.kind == "llm"
    assert reasons(decision)["sentiment"] == "probability 0.61 is under 0.80"
    assert "probability 0.61" in decision.reason


def test_missing_model_for_the_task_is_named() -> None:
    decision = decide(Verdict(prefer="local"), evidence=None)
    assert decision.target.kind == "llm"
    assert "none is registered for sentiment" in decision.reason


def test_larger_tier_only_when_asked_for() -> None:
    assert decide(Verdict(prefer="llm")).target.tier == "small"
    assert decide(Verdict(prefer="llm", tier="large")).target.tier == "large"


def test_refusal_needs_no_candidate() -> None:
    decision = decide(Verdict(refuse="not here", refused_by="OPS-04"), fleet=make_fleet((), ()))
    assert decision.target.kind == "refuse"
    assert "OPS-04" in decision.reason


@pytest.mark.parametrize("prefer", ["local", "llm", "tie"])
def test_forbidden_hosted_binds_fallbacks_too(prefer: Any) -> None:
    decision = decide(Verdict(prefer=prefer, forbid=frozenset({"llm"})))
    assert decision.target.kind == "local"
    assert decision.fallbacks == ()


def test_in_house_deployment_may_see_private_data() -> None:
    house = msgspec.structs.replace(SMALL, name="house", in_house=True)
    decision = decide(Verdict(forbid=frozenset({"llm"})), evidence=None, fleet=make_fleet((SMALL, house), (CARD,)))
    assert decision.target.model == "house"
    assert decision.fallbacks == ()


def test_money_limit_beats_the_recommendation() -> None:
    decision = decide(
        Verdict(prefer="llm", tier="large"), request(hints=Hints(budget=Budget(max_usd=0.0001))), evidence=None
    )
    assert decision.target.model == "small"
    assert (reasons(decision)["large"] or "").startswith("needs $0.00028")


def test_money_limit_caps_the_output() -> None:
    decision = decide(Verdict(), request(hints=Hints(budget=Budget(max_usd=0.0001))), evidence=None)
    assert decision.max_output_tokens == 225
    assert decide(Verdict()).max_output_tokens is None


def test_impossible_money_limit_says_what_is_needed() -> None:
    with pytest.raises(BudgetExceeded, match="small, would probably need") as error:
        decide(Verdict(prefer="llm"), request(hints=Hints(budget=Budget(max_usd=1e-9))), evidence=None)
    assert error.value.needed_usd == pytest.approx(1.4e-5)
    assert set(error.value.reasons) == {"sentiment", "small", "large"}


def test_impossible_latency_limit_says_what_is_needed() -> None:
    with pytest.raises(DeadlineInfeasible, match="fastest, small") as error:
        decide(Verdict(prefer="llm"), request(hints=Hints(budget=Budget(max_latency_ms=5))), evidence=None)
    assert error.value.needed_ms == pytest.approx(600 + 10 / 60 * 1000)


def test_tight_limit_prefers_able_local_over_nothing() -> None:
    decision = decide(Verdict(prefer="llm"), request(hints=Hints(budget=Budget(max_latency_ms=5))))
    assert decision.target.kind == "local"


def test_unknown_price_never_fits_a_money_limit() -> None:
    unpriced = msgspec.structs.replace(SMALL, price=Price())
    with pytest.raises(NoCandidate) as error:
        decide(
            Verdict(),
            request(hints=Hints(budget=Budget(max_usd=1.0))),
            evidence=None,
            fleet=make_fleet((unpriced,), ()),
        )
    assert error.value.reasons["small"] == "its price is unknown and a money limit is set"


def test_unable_deployments_say_why() -> None:
    plain = msgspec.structs.replace(SMALL, name="plain", capabilities=frozenset({"streaming"}))
    fleet = make_fleet((plain, SMALL, LARGE), ())
    picture = Request(messages=(Message(role="user", text="What is this?", modalities=frozenset({"image"})),))
    assert reasons(decide(Verdict(), picture, evidence=None, fleet=fleet))["small"] == "cannot read image"
    tools = request(tools=(Tool(name="search"),))
    assert reasons(decide(Verdict(), tools, evidence=None, fleet=fleet))["plain"] == "cannot call tools"
    schema = request(json_schema={"type": "object"})
    assert reasons(decide(Verdict(), schema, evidence=None, fleet=fleet))["plain"] == "cannot follow a JSON schema"
    long = TokenCount(input=20_000, output=10, output_max=100)
    assert "tokens of context" in (reasons(decide(Verdict(), evidence=None, fleet=fleet, tokens=long))["small"] or "")


def test_unconfigured_loses_to_configured() -> None:
    absent = msgspec.structs.replace(SMALL, configured=False)
    decision = decide(Verdict(), evidence=None, fleet=make_fleet((absent, LARGE), ()))
    assert decision.target.model == "large"
    assert reasons(decision)["small"] == "not configured: set SMALL_KEY"


def test_without_any_provider_the_plan_stands() -> None:
    absent = tuple(msgspec.structs.replace(each, configured=False) for each in (SMALL, LARGE))
    decision = decide(Verdict(), evidence=None, fleet=make_fleet(absent, ()))
    assert (decision.target.model, decision.target.configured) == ("small", False)


def test_cooling_deployment_comes_last() -> None:
    decision = decide(Verdict(), evidence=None, snapshot=msgspec.structs.replace(NOW, unhealthy=frozenset({"small"})))
    assert decision.target.model == "large"
    assert decision.fallbacks[-1] == "small"


def test_concrete_model_is_honoured_without_fallbacks() -> None:
    decision = decide(Verdict(prefer="local"), request(model="openai/large"))
    assert (decision.target.model, decision.fallbacks) == ("large", ())


def test_concrete_model_is_honoured_within_policy_only() -> None:
    with pytest.raises(NoCandidate):
        decide(Verdict(forbid=frozenset({"large"})), request(model="large"))


def test_measured_latency_beats_the_prior() -> None:
    slow = msgspec.structs.replace(NOW, latency_ms={"small": 9000.0})
    decision = decide(Verdict(), request(hints=Hints(budget=Budget(max_latency_ms=3000))), evidence=None, snapshot=slow)
    assert decision.target.model == "large"


def test_decisive_rule_stands_in_the_reason() -> None:
    fired = (Fired(id="NLU-03", outcome="local", decisive=True), Fired(id="OPS-01", outcome="local"))
    decision = decide(Verdict(prefer="local", rules=fired))
    assert decision.reason.startswith("NLU-03")
    assert decision.rules == ("NLU-03", "OPS-01")


_KINDS = st.frozensets(st.sampled_from(["local", "llm", "small", "large"]), max_size=2)


_USD = st.none() | st.floats(0.0, 1e-3)
_PRICES = st.builds(
    Price,
    input=_USD,
    output=_USD,
    cache_write=_USD,
    reasoning=_USD,
    per_call=st.floats(0.0, 0.01),
    by_unit=st.sampled_from((None, UnitPrices(search=(0.01, 0.01, 0.01)), UnitPrices(second=0.001))),
    tiers=st.sampled_from(((), (PriceTier(above=1000, input=3e-6),))),
)
_TOKENS = st.builds(
    TokenCount,
    input=st.integers(1, 20_000),
    output=st.integers(1, 2000),
    output_max=st.integers(1, 4096),
    units=st.sampled_from((None, Units(images=1))),
)


@given(price=_PRICES, tokens=_TOKENS, ttft_ms=st.floats(1.0, 3000.0), latency=st.none() | st.floats(1.0, 9000.0))
def test_estimates_are_the_same_by_either_way(
    price: Price, tokens: TokenCount, ttft_ms: float, latency: float | None
) -> None:
    one = msgspec.structs.replace(SMALL, price=price, ttft_ms=ttft_ms, quality={"*": 0.7}, context_tokens=None)
    measured = {} if latency is None else {"small": latency}
    plain = msgspec.structs.replace(NOW, latency_ms=measured)
    # What was measured of somebody else, so that nothing is plain, changes no other estimate.
    marked = msgspec.structs.replace(plain, quality_shift={"other": 0.5})
    fleet = make_fleet((one, LARGE), (CARD,))
    first, second = (
        decide(Verdict(), evidence=None, fleet=fleet, snapshot=snapshot, tokens=tokens) for snapshot in (plain, marked)
    )
    assert first.candidates == second.candidates
    assert first.fallbacks == second.fallbacks
    assert first.candidates[1].estimate == estimate_hosted(one, "sentiment", tokens, plain)


_NAMES = st.frozensets(st.sampled_from(["small", "large", "third"]))


@given(
    configured=_NAMES,
    able=_NAMES,
    windows=st.tuples(*[st.sampled_from([None, 90, 120, 5000])] * 3),
    outputs=st.tuples(*[st.sampled_from([None, 50, 5000])] * 3),
    asked=st.fixed_dictionaries(
        {},
        optional={
            "tools": st.just((Tool(name="search"),)),
            "json_schema": st.just({"type": "object"}),
            "max_output_tokens": st.sampled_from([10, 50, 200]),
        },
    ),
    budget=st.builds(
        Budget,
        max_usd=st.sampled_from([None, 2e-5, 4.1e-5, 0.01]),
        max_latency_ms=st.sampled_from([None, 300.0, 1500.0]),
    ),
    tails=st.dictionaries(st.sampled_from(["small", "large"]), st.sampled_from([200.0, 900.0])),
    warm=st.dictionaries(st.sampled_from(["small", "large"]), st.integers(0, 100)),
    left=st.dictionaries(st.sampled_from(["small", "large"]), st.sampled_from([1e-6, 1.0])),
    cooling=_NAMES,
)
def test_rows_settle_nothing_that_the_checks_would_not(
    configured: frozenset[str],
    able: frozenset[str],
    windows: tuple[int | None, ...],
    outputs: tuple[int | None, ...],
    asked: dict[str, Any],
    budget: Budget,
    tails: dict[str, float],
    warm: dict[str, int],
    left: dict[str, float],
    cooling: frozenset[str],
) -> None:
    members = [
        msgspec.structs.replace(
            each,
            name=name,
            configured=name in configured,
            capabilities=frozenset({"streaming", *(("tools",) if name in able else ())}),
            context_tokens=window,
            max_output_tokens=most,
        )
        for each, name, window, most in zip(
            (SMALL, LARGE, LARGE), ("small", "large", "third"), windows, outputs, strict=True
        )
    ]
    state = msgspec.structs.replace(NOW, tail_ms=tails, warm=warm, model_left_usd=left, unhealthy=cooling)
    # What was learnt of somebody else changes no candidate, but has each one checked for itself.
    checked = msgspec.structs.replace(state, quality_shift={"other": 0.5})
    hinted = request(hints=Hints(budget=budget), **asked)
    signals = Signals.given(
        hinted,
        {
            "task": Signal(value="sentiment", confidence=0.9, detector="test"),
            "tokens": Signal(value=TokenCount(input=100, output=20, output_max=200), confidence=0.9, detector="test"),
        },
    )
    fleet = make_fleet(members, (CARD,))
    first, second = (candidates(hinted, signals, Verdict(), fleet, snapshot) for snapshot in (state, checked))
    assert first == second


@given(
    prefer=st.sampled_from(["local", "llm", "tie"]),
    tier=st.sampled_from([None, "small", "large"]),
    forbid=_KINDS,
    require=_KINDS,
    usd=st.one_of(st.none(), st.floats(0, 0.01)),
    ms=st.one_of(st.none(), st.floats(0, 5000)),
)
def test_nothing_forbidden_or_over_budget_is_chosen(
    prefer: Any, tier: Any, forbid: frozenset[str], require: frozenset[str], usd: float | None, ms: float | None
) -> None:
    asked = request(hints=Hints(budget=Budget(max_usd=usd, max_latency_ms=ms)))
    try:
        decision = decide(Verdict(prefer=prefer, tier=tier, forbid=forbid, require=require), asked)
    except NoCandidate:
        return
    by_name = {candidate.model: candidate for candidate in decision.candidates}
    for name in (decision.target.model or "", *decision.fallbacks):
        chosen = by_name[name]
        assert chosen.failed is None
        assert not {chosen.kind, chosen.tier} & forbid
        assert ms is None or (chosen.estimate.latency_ms or 0) <= ms
        assert usd is None or (chosen.estimate.usd or 0) <= usd


def test_same_inputs_give_the_same_bytes() -> None:
    encode = msgspec.json.Encoder(order="deterministic").encode
    assert encode(decide(Verdict(prefer="tie"))) == encode(decide(Verdict(prefer="tie")))
