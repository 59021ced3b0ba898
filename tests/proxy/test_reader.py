"""What the process that reads hands to the one that serves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from router.config import Environment, Settings
from router.document import Place
from router.errors import ConfigError, RouterError
from router.inputs import packed, read_inputs, unpacked
from router.proxy import reader
from router.proxy.auth import new_key
from router.proxy.reader import Reading, Source

SERVES = """
import asyncio, json, sys
from router.proxy.reader import Reading, Source
reading = Reading(Source(path=sys.argv[1]))
from router.proxy.server import Process
process = Process(Source(path=sys.argv[1]), reading.result())
process.serving.current.engine.policies["regulated"]
asyncio.run(process.serving.aclose())
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    _key, digest = new_key("acme")
    (tmp_path / "keys.yaml").write_text(f"keys: [{{id: acme, tenant: acme, sha256: {digest}, max_usd: $0.05}}]")
    path = tmp_path / "router.yaml"
    path.write_text(
        "policy: cost-first\nserver: {port: 0, keys: keys.yaml}\nbudgets: [{usd: $3, window: day}]\n"
        "deployments: [{name: a, model: m, backend: openai, api_base: 'http://127.0.0.1:9/v1'}]\n"
    )
    return path


def test_what_serves_loads_neither_pydantic_nor_yaml(config: Path) -> None:
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", SERVES, str(config)], text=True))
    assert not {"pydantic", "pydantic_core", "yaml"} & set(loaded)


def test_settings_and_keys_come_across_whole(config: Path) -> None:
    source = Source(path=str(config), port=1234)
    read = Reading(source).result()
    assert unpacked(read.inputs).settings == source.read()
    callers = read.callers()
    assert callers is not None
    assert [(caller.id, caller.budget.max_usd) for caller in callers] == [("acme", 0.05)]


def test_all_policies_come_across_without_their_examples() -> None:
    inputs = read_inputs(Settings(policy="regulated"), Environment())
    found = unpacked(packed(inputs))
    assert found.policy == "regulated"
    assert sorted(found.policies) == sorted(inputs.policies)
    assert (found.hosted, found.families) == (inputs.hosted, inputs.families)
    for name, file in inputs.policies.items():
        kept = {path: place for path, place in file.places.items() if path[:1] != ("examples",)}
        other = found.policies[name]
        assert dict(other.places) == kept
        assert msgspec.structs.replace(other, places={}) == msgspec.structs.replace(file, examples=(), places={})


def test_places_are_told_after_the_handing_over() -> None:
    inputs = read_inputs(Settings(), Environment())
    found = unpacked(packed(inputs)).policies["guide"]
    assert found.place("rules", "NLU-03", "when") == inputs.policies["guide"].place("rules", "NLU-03", "when")
    assert isinstance(found.place("nowhere"), Place)


def test_wrong_file_is_told_with_place_and_guess(tmp_path: Path) -> None:
    path = tmp_path / "router.yaml"
    path.write_text("policy: guide\nbudgets: [{usd: $3, window: dya}]\n")
    with pytest.raises(ConfigError) as here:
        Source(path=str(path)).read()
    with pytest.raises(ConfigError) as told:
        Reading(Source(path=str(path))).result()
    assert str(told.value) == str(here.value)
    assert f"{path}:2:" in str(told.value)
    assert 'did you mean "day"' in str(told.value)


def test_unknown_policy_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'Did you mean "guide"\?'):
        Reading(Source(policy="guid")).result()


def test_reader_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "__name__", "router.proxy.nothing")
    with pytest.raises(RouterError, match="reading the config failed"):
        Reading(Source()).result()
