"""A litellm proxy's config is taken over, and what is lost is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.main import _run
from router.config import Settings, load_settings
from router.errors import ConfigError
from router.offline.from_litellm import import_litellm
from router.spec import validated
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
        "fallbacks: taken over",
        "routing_strategy: least-busy",
        "smart: litellm's automatic routing; its tiers were taken over",
        "dear: its tier is a guess (large: $60 a million output tokens)",
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


def taken(text: str) -> tuple[dict, str]:
    found = import_litellm(load_yaml(text, name="x.yaml"))
    by_name = {each["name"]: each for each in found.settings["deployments"]}
    return {**found.settings, **by_name}, "\n".join(found.notes)


def entry(name: str, model: str, more: str = "", info: str = "") -> str:
    told = f", model_info: {{{info}}}" if info else ""
    return f"  - {{model_name: {name}, litellm_params: {{model: {model}{more}}}{told}}}\n"


def test_fallbacks_groups_and_weights_come_along() -> None:
    text = (
        "model_list:\n"
        + entry("main", "openai/a", ", weight: 2")
        + entry("main", "azure/a", ", api_base: 'https://x.example'")
        + entry("spare", "openai/b")
        + entry("last", "openai/c")
        + "litellm_settings: {fallbacks: [{main: [spare, gone]}], default_fallbacks: [last]}\n"
    )
    found, notes = taken(text)
    assert (found["main"]["group"], found["main-2"]["group"], found["main"]["weight"]) == ("main", "main", 2.0)
    assert found["main"]["fallback"] == ["main-2", "spare"]
    assert found["main-2"]["fallback"] == ["main", "spare"]
    assert (found["spare"]["fallback"], found["last"].get("fallback")) == (["last"], None)
    assert "fallbacks: gone: no such model was taken over." in notes


def test_what_an_imported_fallback_says_holds(tmp_path: Path) -> None:
    from router import Router

    path = tmp_path / "router.yaml"
    made = import_litellm(
        load_yaml(
            "model_list:\n"
            + entry("main", "openai/a", ", api_base: 'http://127.0.0.1:1/v1', api_key: none")
            + entry("other", "openai/b", ", api_base: 'http://127.0.0.1:1/v1', api_key: none")
            + entry("spare", "openai/c", ", api_base: 'http://127.0.0.1:1/v1', api_key: none")
            + "router_settings: {fallbacks: [{main: [spare]}, {other: [main]}, {spare: [other]}]}\n",
            name="x.yaml",
        )
    )
    import yaml

    path.write_text(yaml.safe_dump({**made.settings, "local_models": {"shipped": False}}))
    follows = {"main": ("spare",), "other": ("main",), "spare": ("other",)}
    with Router.from_config(path) as router:
        decision = router.decide("Tell me a story.")
        assert decision.fallbacks == follows[decision.target.model or ""]


def test_budgets_patience_and_balance_come_along() -> None:
    text = (
        "model_list:\n"
        + entry("a", "openai/a", ", max_budget: 5, budget_duration: 1d")
        + entry("b", "openai/b", ", max_budget: '2.5', budget_duration: 7d")
        + "router_settings: {routing_strategy: latency-based-routing, num_retries: 2, timeout: 30}\n"
    )
    found, notes = taken(text)
    assert found["budgets"] == [
        {"usd": "$5", "window": "day", "model": "a"}, {"usd": "$2.5", "window": "total", "model": "b"},
    ]  # fmt: skip
    assert "b: max_budget: a window of 7d is not there" in notes
    assert found["dispatch"] == {"tries": 3, "timeout": "30s", "balance": "fastest"}


def test_what_model_info_tells_is_read() -> None:
    info = "mode: chat, max_input_tokens: 9000, input_cost_per_token: 0.000001, supports_vision: true, team_id: t"
    found, notes = taken("model_list:\n" + entry("a", "openai/a", ", api_version: '1', max_tokens: 5", info))
    made = found["a"]
    assert (made["context_tokens"], made["capabilities"]) == (9000, ["streaming", "vision"])
    assert made["price_per_million"] == {"input": "$1"}
    assert made["params"] == {"api_version": "1"}
    assert "a: not carried over: max_tokens, model_info.team_id." in notes


def test_models_that_do_not_chat_are_no_chat_models() -> None:
    text = (
        "model_list:\n"
        + entry("chat", "openai/a")
        + entry("vectors", "text-embedding-3-small", ", api_key: os.environ/K", "mode: embedding")
        + entry("pictures", "openai/dall-e-3", "", "mode: image_generation")
    )
    found, notes = taken(text)
    assert [each["name"] for each in found["deployments"]] == ["chat"]
    assert found["embeddings"] == [{"name": "vectors", "model": "text-embedding-3-small", "key_env": "K"}]
    assert "pictures: not carried over: models for image_generation are not routed." in notes


def test_complexity_tiers_in_any_form() -> None:
    tiers = "{simple: a, MEDIUM: [b, c], COMPLEX: c, REASONING: [d], WEIRD: a}"
    text = (
        "model_list:\n"
        + "".join(entry(name, f"openai/{name}") for name in "abcd")
        + entry("smart", "auto_router/complexity_router", f", complexity_router_config: {{tiers: {tiers}}}")
    )
    found, notes = taken(text)
    assert [found[name]["tier"] for name in "abcd"] == ["small", "small", "large", "large"]
    assert "smart: its tier WEIRD is not known here." in notes


@pytest.mark.parametrize(
    ("more", "key_env"),
    [
        ("api_key: sk-1", "OPENAI_API_KEY"),
        ("api_key: sk-1, api_base: 'http://10.0.0.1/v1'", "MY_SERVER_API_KEY"),
        ("api_key: none, api_base: 'http://10.0.0.1/v1'", None),
        ("api_key: EMPTY, api_base: 'http://10.0.0.1/v1'", None),
        ("api_base: 'http://10.0.0.1/v1'", None),
        ("api_key: os.environ/THEIRS, api_base: 'http://10.0.0.1/v1'", "THEIRS"),
    ],
)
def test_a_server_of_ones_own_is_not_shown_the_providers_key(more: str, key_env: str | None) -> None:
    found, _ = taken("model_list:\n" + entry("my-server", "openai/m", f", {more}"))
    assert found["my-server"].get("key_env") == key_env


@pytest.mark.parametrize(
    "odd",
    [
        entry("a", "openai/a", ", input_cost_per_token: abc, weight: heavy, tags: one, rpm: x, max_budget: lots"),
        entry("a", "openai/a", ", input_cost_per_token: -1, weight: .inf, api_key: 12345, api_base: 7"),
        entry("a", "openai/a", "", "max_input_tokens: many, mode: 3"),
        "  - just text\n  - 3\n  - {model_name: x}\n  - {litellm_params: [a]}\n" + entry("a", "openai/a"),
        "  - {litellm_params: {model: openai/a}}\n",
        entry("a", "openai/a") + "router_settings: [1]\nlitellm_settings: {fallbacks: x, default_fallbacks: {a: b}}\n",
        entry("a", "openai/a") + "router_settings: {fallbacks: [{a: }, 3, [b]], model_group_alias: x, timeout: soon}\n",
        entry("9 lives!", "unknown_provider/x", ", api_key: secret"),
        entry("s", "auto_router/complexity_router", ", complexity_router_config: x") + entry("a", "openai/a"),
    ],
)
def test_odd_files_are_read_or_told_about(odd: str) -> None:
    """Never a crash, and what comes out is a config."""
    try:
        found = import_litellm(load_yaml("model_list:\n" + odd, name="x.yaml"))
    except ConfigError:
        return
    validated(Settings, found.settings)
