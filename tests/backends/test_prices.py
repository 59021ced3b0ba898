"""Prices, limits and the catalogue's own files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.backends.base import read_usage
from router.backends.prices import builtin_deployments, builtin_families, load_facts, price_table, read_facts
from router.catalogue import (
    Deployment,
    ModelFacts,
    Price,
    PriceTier,
    cost_usd,
    expected_usd,
    is_configured,
    provider_key_env,
    read_deployments,
    with_facts,
    worst_case_usd,
)
from router.errors import ConfigError
from router.price import UnitPrices
from router.types import TokenCount, Units, Usage

GUIDE = (
    "BERT RoBERTa DistilBERT ALBERT ELECTRA T5 GLM UniLM AlexaTM ST-MoE GPT-1 GPT-2 GPT-3 GPT-4 OPT PaLM "  # noqa: SIM905
    "BLOOM MT-NLG GLaM Gopher Chinchilla LaMDA LLaMA BloombergGPT GPT-NeoX".split()
)
TASKS = {
    "arithmetic_reasoning", "closed_book_qa", "code", "commonsense_reasoning", "data_annotation_or_generation",
    "dialogue", "evaluation_judging", "information_extraction", "intent_classification", "ner", "nli",
    "open_generation", "other", "other_classification", "paraphrase_rewrite", "reading_comprehension",
    "regression_scoring", "sentiment", "summarization", "symbolic_manipulation", "topic_classification", "toxicity",
    "translation",
}  # fmt: skip


def test_every_family_of_the_guide_is_there():
    families = {family.name: family for family in builtin_families()}
    assert set(GUIDE) <= families.keys()
    assert "GPT-3.5 / ChatGPT" in families
    assert families["ALBERT"].maker == "Google"
    assert {task for family in families.values() for task in family.good_at} <= TASKS


def test_default_deployments_are_in_the_price_table():
    for deployment in builtin_deployments():
        assert deployment.price.input is not None, deployment.name
        assert deployment.price.output is not None, deployment.name
        assert deployment.context_tokens, deployment.name


def test_default_deployments_are_consistent():
    deployments = builtin_deployments()
    families = {family.name for family in builtin_families()}
    assert {deployment.tier for deployment in deployments} == {"small", "large"}
    for deployment in deployments:
        assert deployment.family in families
        assert not deployment.configured
        assert provider_key_env(deployment.model)
        assert set(deployment.quality) <= TASKS | {"*"}
        assert all(0 < quality < 1 for quality in deployment.quality.values())


def test_one_model_stands_in_two_tiers():
    tiers = {}
    for deployment in builtin_deployments():
        tiers.setdefault(deployment.model, set()).add((deployment.tier, bool(deployment.params)))
    assert {("small", True), ("large", False)} in tiers.values()


def test_prices_are_read_without_importing_litellm():
    code = "import sys, router.backends.prices as p; p.builtin_deployments(); assert 'litellm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("bare", "named"), [("gpt-4o", "openai/gpt-4o"), ("gpt-4o-mini", "openai/gpt-4o-mini")])
def test_a_providers_name_in_front_is_understood(bare, named):
    facts = load_facts([bare, named])
    assert facts[bare] == facts[named]


def test_unknown_models_are_left_out():
    assert load_facts(["openai/no-such-model", "mistral/gpt-4o", "x" * 500, ""]) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"gpt-4o": 3}', '{"gpt-4o": {"input_cost_per_token": "free"}}'])
def test_a_broken_table_knows_no_price(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    facts = load_facts(["gpt-4o"], table=path).get("gpt-4o", ModelFacts())
    assert facts.price.input is None


def test_every_entry_of_the_table_can_be_read():
    table = json.loads(Path(price_table()).read_text())
    for entry in table.values():
        facts = read_facts(entry)
        above = [tier.above for tier in facts.price.tiers]
        assert above == sorted(set(above))


def test_a_missing_price_is_unknown_not_zero():
    facts = read_facts({"max_input_tokens": 10, "output_cost_per_token": 1e-6})
    assert facts.price.input is None
    assert cost_usd(facts.price, Usage(input=1, output=1)) is None
    assert worst_case_usd(facts.price, TokenCount(input=1, output=1, output_max=1)) is None


def test_tiers_are_read_from_both_spellings():
    suffix = read_facts({"input_cost_per_token": 1.0, "input_cost_per_token_above_128k_tokens": 2.0})
    ranges = read_facts(
        {
            "tiered_pricing": [
                {"range": [0, 32000], "input_cost_per_token": 1.0},
                {"range": [32000, 1e6], "input_cost_per_token": 3.0},
            ]
        }
    )
    assert [(tier.above, tier.input) for tier in suffix.price.tiers] == [(128_000, 2.0)]
    assert (ranges.price.input, ranges.price.at(40_000).input) == (1.0, 3.0)


def test_batch_and_priority_prices_are_not_tiers():
    facts = read_facts({"input_cost_per_token": 1.0, "input_cost_per_token_above_200k_tokens_priority": 9.0})
    assert facts.price.tiers == ()


PRICE = Price(input=1.0, output=10.0, cached_input=0.1, cache_write=1.25, reasoning=12.0)


def test_each_kind_of_token_has_its_price():
    usage = Usage(input=100, cached_input=40, cache_write=20, output=10, reasoning=4)
    assert cost_usd(PRICE, usage) == pytest.approx(40 * 1.0 + 40 * 0.1 + 20 * 1.25 + 6 * 10 + 4 * 12)


def test_the_tier_of_the_input_prices_the_whole_call():
    price = Price(input=1.0, output=2.0, tiers=(PriceTier(above=100, input=3.0), PriceTier(above=200, output=9.0)))
    assert [cost_usd(price, Usage(input=n, output=1)) for n in (100, 101, 201)] == [102.0, 305.0, 612.0]


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**5),
    st.integers(0, 10**5),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_worst_case_is_never_exceeded(read, written, spare, cached, stored, thought):
    tokens = TokenCount(input=read, output=min(written, spare), output_max=written + spare)
    hit = int(read * cached)
    usage = Usage(
        input=read,
        cached_input=hit,
        cache_write=int((read - hit) * stored),
        output=written,
        reasoning=int(written * thought),
    )
    worst = worst_case_usd(PRICE, tokens)
    assert cost_usd(PRICE, usage) <= worst * (1 + 1e-9) + 1e-9
    assert expected_usd(PRICE, tokens) <= worst * (1 + 1e-9) + 1e-9


def test_audio_and_pictures_have_their_own_prices():
    entry = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
        "input_cost_per_audio_token": 1e-5,
        "output_cost_per_audio_token": 2e-5,
        "input_cost_per_image_token": 3e-6,
    }
    usage = read_usage(
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 100,
            "prompt_tokens_details": {"audio_tokens": 200, "image_tokens": 300, "cached_tokens": 100},
            "completion_tokens_details": {"audio_tokens": 40, "reasoning_tokens": 10},
        }
    )
    cost = cost_usd(read_facts(entry).price, usage)
    # 400 of text, 100 cached at the price of text, 300 of pictures, 200 of audio; 60 of text, 40 of audio.
    assert cost == pytest.approx((500 + 3 * 300 + 10 * 200 + 2 * 60 + 20 * 40) * 1e-6)
    assert worst_case_usd(read_facts(entry).price, TokenCount(input=10, output=1, output_max=2)) == pytest.approx(
        1.4e-4
    )


def test_audio_without_a_price_is_unknown_and_pictures_are_text():
    price = Price(input=1e-6, output=2e-6)
    assert cost_usd(price, Usage(input=10, output=1, image_input=5)) == pytest.approx(1.2e-5)
    assert cost_usd(price, Usage(input=10, output=1, audio_input=5)) is None
    assert cost_usd(price, Usage(input=10, output=2, audio_output=1)) is None
    assert cost_usd(Price(input=0.0, output=0.0), Usage(input=10, output=2, audio_input=5, audio_output=1)) == 0.0


def test_a_free_server_costs_nothing():
    assert cost_usd(Price(input=0.0, output=0.0), Usage(input=5, output=5)) == 0.0


def test_what_the_user_wrote_is_kept():
    written = Deployment(name="x", model="gpt-4o", tier="small", price=Price(input=7.0), context_tokens=99)
    facts = ModelFacts(
        price=Price(input=1.0, output=2.0, tiers=(PriceTier(above=5, input=9.0),)),
        context_tokens=5,
        max_output_tokens=6,
    )
    found = with_facts(written, facts)
    assert (found.price.input, found.price.output, found.price.tiers) == (7.0, 2.0, ())
    assert (found.context_tokens, found.max_output_tokens) == (99, 6)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "OPENAI_API_KEY"),
        ("openai/gpt-4o", "OPENAI_API_KEY"),
        ("claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("gemini/gemini-2.5-pro", "GEMINI_API_KEY"),
        ("openrouter/meta-llama/llama-3-70b", "OPENROUTER_API_KEY"),
        ("groq/openai/gpt-oss-20b", "GROQ_API_KEY"),
    ],
)
def test_usual_credentials_are_known(model, name):
    assert name in provider_key_env(model)
    assert is_configured(Deployment(name="x", model=model, tier="small"), {name})
    assert not is_configured(Deployment(name="x", model=model, tier="small"), set())


def test_an_unknown_provider_is_never_configured():
    assert not is_configured(Deployment(name="x", model="nobody/model", tier="small"), {"OPENAI_API_KEY"})


def test_a_named_credential_must_be_set():
    deployment = Deployment(name="x", model="m", tier="small", backend="openai", api_base="http://x", key_env="K")
    assert not is_configured(deployment, {"OPENAI_API_KEY"})
    assert is_configured(deployment, {"K"})


@pytest.mark.parametrize(
    "text",
    [
        "deployments: 3",
        "deployments: [{name: x}]",
        "deployments: [{name: x, model: m, tier: medium}]",
        "deployments: [{name: x, model: m, tier: small, colour: red}]",
        "deployments: [{name: x, model: m, tier: small}, {name: x, model: n, tier: small}]",
        "deployments: [",
        "",
    ],
)
def test_a_wrong_catalogue_names_its_file(text):
    with pytest.raises(ConfigError, match=re.escape("mine.yaml")):
        read_deployments(text, file="mine.yaml")


# ----- beside tokens -----------------------------------------------------------------------------------------------

UNITS = UnitPrices(image=0.01, image_output=0.5, second=0.001, search=(0.1, 0.2, 0.3), most_seconds=100.0)
BY_UNIT = Price(input=1e-6, output=2e-6, by_unit=UNITS)


def test_what_is_no_token_is_read_from_the_table():
    entry = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 2e-6,
        "input_cost_per_image": 0.001,
        "output_cost_per_image": 0.04,
        "supported_output_modalities": ["text", "image"],
        "search_context_cost_per_query": {"search_context_size_low": 0.03, "search_context_size_high": 0.05},
    }
    by_unit = read_facts(entry).price.by_unit
    assert (by_unit.image, by_unit.image_output, by_unit.second) == (0.001, 0.04, None)
    # A size without a price costs as much as the dearest.
    assert by_unit.search == (0.03, 0.05, 0.05)
    assert not by_unit.always_searches
    assert read_facts({**entry, "litellm_provider": "perplexity"}).price.by_unit.always_searches
    assert read_facts(entry, "gpt-4o-search-preview").price.by_unit.always_searches


def test_a_model_that_is_paid_by_time_charges_no_tokens():
    price = read_facts({"input_cost_per_second": 0.01, "cost_per_second": 0.01}).price
    assert (price.input, price.output, price.by_unit.second) == (0.0, 0.0, 0.01)
    assert cost_usd(price, Usage(input=9, output=9, units=Units(seconds=2.5))) == pytest.approx(0.025)


@pytest.mark.parametrize(
    "entry",
    [
        {"input_cost_per_token": 0, "output_cost_per_token": 0, "output_cost_per_image": 0.08},
        {"input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6, "citation_cost_per_token": 2e-6},
        {"input_cost_per_character": 5e-6, "output_cost_per_character": 1e-5},
        {"input_cost_per_video_per_second": 5e-4, "output_cost_per_token": 7.5e-6},
    ],
)
def test_a_price_that_cannot_be_counted_is_unknown(entry):
    price = read_facts(entry).price
    assert cost_usd(price, Usage(input=10, output=10)) is None
    assert worst_case_usd(price, TokenCount(input=10, output=1, output_max=10)) is None


def test_no_model_of_the_table_is_free_that_charges_by_unit():
    table = json.loads(Path(price_table()).read_text())
    used = Usage(input=100, output=100, units=Units(images=1, images_output=1, seconds=1.0, searches=1))
    charged = ("input_cost_per_second", "cost_per_second", "input_cost_per_image", "output_cost_per_image")
    for name, entry in table.items():
        if entry.get("mode") in ("chat", "responses") and any(entry.get(key) for key in charged):
            assert cost_usd(read_facts(entry, name).price, used) != 0.0, name


def test_each_unit_has_its_price():
    units = Units(images=3, images_output=2, seconds=10.0, searches=2, search_size="low")
    cost = cost_usd(BY_UNIT, Usage(input=100, output=10, units=units))
    assert cost == pytest.approx(120e-6 + 0.03 + 1.0 + 0.01 + 0.2)


def test_a_picture_is_not_paid_twice():
    usage = Usage(input=1000, output=0, image_input=900, units=Units(images=1))
    assert cost_usd(BY_UNIT, usage) == pytest.approx(100e-6 + 0.01)
    both = msgspec.structs.replace(BY_UNIT, image_input=3e-6)
    assert cost_usd(both, usage) == pytest.approx(100e-6 + 2700e-6 + 0.01)


def test_the_worst_case_pays_for_what_the_request_asks_for():
    tokens = TokenCount(input=100, output=10, output_max=1024, units=Units(images=3, searches=2, search_size="high"))
    rest = 100e-6 + 2048e-6 + 0.03 + 4 * 0.5 + 0.6
    assert worst_case_usd(BY_UNIT, tokens) == pytest.approx(rest + 0.1)
    assert worst_case_usd(BY_UNIT, tokens, max_latency_ms=5000.0) == pytest.approx(rest + 0.005)


def test_searches_without_an_end_have_no_worst_case():
    tokens = TokenCount(input=1, output=1, output_max=1, units=Units(searches=None))
    assert worst_case_usd(BY_UNIT, tokens) is None
    assert worst_case_usd(PRICE, tokens) is not None
    assert expected_usd(BY_UNIT, tokens) == pytest.approx(3e-6 + 0.2)


@given(
    st.builds(
        UnitPrices,
        image=st.none() | st.floats(0, 1),
        image_output=st.none() | st.floats(0, 1),
        second=st.none() | st.floats(0, 1),
        search=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
        always_searches=st.booleans(),
    ),
    st.builds(
        Units, images=st.integers(0, 9), searches=st.integers(0, 9), search_size=st.sampled_from(["low", "high"])
    ),
    st.integers(0, 20_000),
    st.floats(0, 1),
)
def test_units_never_exceed_their_worst_case(prices, asked, written, share):
    price = msgspec.structs.replace(PRICE, by_unit=prices)
    tokens = TokenCount(input=10, output=0, output_max=written, units=asked)
    used = msgspec.structs.replace(
        asked,
        images_output=int(share * max(1, written // 256)),
        seconds=share * 30.0,
        searches=max(asked.searches, int(prices.always_searches)),
    )
    worst = worst_case_usd(price, tokens, max_latency_ms=30_000.0)
    assert cost_usd(price, Usage(input=10, output=written, units=used)) <= worst * (1 + 1e-9) + 1e-9
    assert expected_usd(price, tokens) <= worst * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(
    ("usage", "searches"),
    [
        ({"num_search_queries": 3}, 3),
        ({"prompt_tokens_details": {"web_search_requests": 2}}, 2),
        ({"server_tool_use": {"web_search_requests": 4}}, 4),
        ({"server_tool_use": None}, 0),
    ],
)
def test_searches_are_read_from_what_providers_tell(usage, searches):
    read = read_usage({"prompt_tokens": 1, "completion_tokens": 1, **usage})
    assert (read.units.searches if read.units else 0) == searches


def test_tokens_of_written_pictures_have_their_own_price():
    usage = {"prompt_tokens": 0, "completion_tokens": 1000, "completion_tokens_details": {"image_tokens": 900}}
    entry = {"input_cost_per_token": 0, "output_cost_per_token": 1e-6, "output_cost_per_image_token": 1e-5}
    assert cost_usd(read_facts(entry).price, read_usage(usage)) == pytest.approx(100e-6 + 9e-3)
