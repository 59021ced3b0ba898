"""A litellm proxy's config is taken over, and what is lost is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.main import _run
from router.config import load_settings
from router.errors import ConfigError
from router.offline.from_litellm import import_litellm
from router.yamlfile import load_yaml

CONFIG = """\
model_list:
  - model_name: small-one
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, rpm: 100, temperature: 0.2}
  - model_name: small-one
    litellm_params:
      model: azure/mini
      api_base: https://x.example.com
      api_key: sk-secret-123
      input_cost_per_token: 0.00000015
      output_cost_per_token: 0.0000006
  - model_name: big
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY, tags: [eu]}
  - model_name: dear
    litellm_params: {model: openai/unheard-of, output_cost_per_token: 0.00006, input_cost_per_token: 0.00001}
  - model_name: smart
    litellm_params:
      model: auto_router/complexity_router
      complexity_router_config: {tiers: {SIMPLE: small-one, REASONING: [big]}}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*"}
router_settings: {routing_strategy: least-busy, fallbacks: [{small-one: [big]}], num_retries: 3}
litellm_settings: {max_budget: 10, budget_duration: 30d, drop_params: true}
general_settings: {master_key: sk-1234}
"""


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    (tmp_path / "litellm.yaml").write_text(CONFIG, encoding="utf-8")
    path = tmp_path / "router.yaml"
    assert _run(["init", str(path), "--from-litellm", str(tmp_path / "litellm.yaml")]) == 0
    return path, capsys.readouterr().out


def test_models_prices_tiers_and_budgets_come_along(made: tuple[Path, str]) -> None:
    settings = load_settings(made[0])
    by_name = {each.name: each for each in settings.deployments or ()}
    assert list(by_name) == ["small-one", "small-one-2", "big", "dear"]
    assert [each.tier for each in by_name.values()] == ["small", "small", "large", "large"]
    assert by_name["small-one"].key_env == "OPENAI_API_KEY"
    assert by_name["small-one"].params == {"temperature": 0.2}
    assert by_name["big"].tags == ["eu"]
    price = by_name["small-one-2"].price_per_million
    assert price is not None
    assert (price.input, price.output) == (pytest.approx(0.15), pytest.approx(0.6))
    assert [(limit.usd, limit.window) for limit in settings.budgets] == [(10.0, "month")]


def test_no_secret_is_copied(made: tuple[Path, str]) -> None:
    path, told = made
    for secret in ("sk-secret-123", "sk-1234"):
        assert secret not in path.read_text(encoding="utf-8") + told


@pytest.mark.parametrize(
    "note",
    [
        "small-one-2: its key stands in the file and was not copied; set AZURE_API_KEY.",
        "small-one: not carried over: rpm.",
        "openai/*: a wildcard is no single model",
        "fallbacks: small-one -> big",
        "routing_strategy: least-busy",
        "smart: litellm's automatic routing; its tiers were taken over",
        "dear: its tier is a guess (large: $60 a million output tokens)",
        "router_settings: not carried over: num_retries.",
        "general_settings: not carried over: master_key.",
    ],
)
def test_what_is_lost_is_said(made: tuple[Path, str], note: str) -> None:
    assert note in made[1]
    assert note in made[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["model: x", "model_list: []", "model_list: [{model_name: a}]", "[]"])
def test_what_is_no_litellm_config_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="model"):
        import_litellm(load_yaml(text, name="x.yaml"))
