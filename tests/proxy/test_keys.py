"""API keys: who may do what, whose receipts they see, and how keys are changed while the sidecar runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from background import Background
from calling import CHAT, REVIEW, call

from router.errors import ConfigError
from router.proxy.auth import KeyRing, Unauthorized, new_key, read_keys

Start = Callable[..., AbstractContextManager[str]]


class Keys:
    """Keys of two tenants and an operator, and the folder of their config."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder = folder
        self.acme, self._acme = new_key("acme")
        self.other, self._other = new_key("other")
        self.narrow, self._narrow = new_key("narrow")
        self.operator, self._operator = new_key("operator")
        self.old, self._old = new_key("old")
        self.write(
            f"- {{id: acme, tenant: acme, sha256: {self._acme}}}",
            f"- {{id: other, tenant: other, sha256: {self._other}}}",
            f"- {{id: narrow, tenant: acme, sha256: {self._narrow}, scopes: [chat], policy: private, max_usd: $0}}",
            f"- {{id: operator, tenant: ops, sha256: {self._operator}, scopes: [admin]}}",
            f"- {{id: old, tenant: acme, sha256: {self._old}, expires: 2020-01-01}}",
        )
        (folder / "router.yaml").write_text(f"server: {{keys: keys.yaml}}\n# {upstream}\n")

    def write(self, *entries: str) -> None:
        (self.folder / "keys.yaml").write_text("keys:\n" + "".join(f"  {entry}\n" for entry in entries))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory, upstream: Background) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"), upstream.url)


@pytest.fixture(scope="module")
def guarded(keys: Keys, upstream: Background, start: Start) -> Iterator[str]:
    env = {"ROUTER_UPSTREAM": upstream.url, "ROUTER_UPSTREAM_MODEL": "tiny", "ROUTER_UPSTREAM_LARGE_MODEL": "huge"}
    with start("--config", str(keys.folder / "router.yaml"), env=env) as address:
        yield address


def test_nobody_is_answered_without_key(guarded: str, keys: Keys) -> None:
    nothing = call(guarded, CHAT, REVIEW)
    assert nothing.status == 401
    assert nothing.json["error"]["code"] == "invalid_api_key"
    assert nothing.headers["www-authenticate"] == "Bearer"
    for wrong in (keys.acme[:-1], keys.acme + "x", keys.acme.replace("gr_acme", "gr_other"), keys.old, "sk-1", ""):
        refused = call(guarded, CHAT, REVIEW, key=wrong)
        assert refused.status == 401, wrong
        assert wrong == "" or wrong not in refused.data.decode()
    assert call(guarded, "/v1/messages", {}).json["error"]["type"] == "authentication_error"


def test_either_header_carries_the_key(guarded: str, keys: Keys) -> None:
    assert call(guarded, CHAT, REVIEW, key=keys.acme).status == 200
    assert call(guarded, CHAT, REVIEW, x_api_key=keys.acme).status == 200
    assert call(guarded, CHAT, REVIEW, key=keys.acme, x_api_key=keys.acme).status == 200
    assert call(guarded, CHAT, REVIEW, key=keys.acme, x_api_key=keys.other).status == 401


def test_health_needs_no_key_and_metrics_do(guarded: str, keys: Keys) -> None:
    assert call(guarded, "/healthz").status == call(guarded, "/readyz").status == 200
    assert call(guarded, "/metrics").status == 401
    assert call(guarded, "/metrics", key=keys.acme).status == 403
    assert call(guarded, "/metrics", key=keys.operator).status == 200
    assert call(guarded, CHAT, REVIEW, key=keys.operator).status == 403


def test_key_decides_tenant_policy_and_budget(guarded: str, keys: Keys) -> None:
    assert call(guarded, CHAT, REVIEW, key=keys.acme, x_router_tenant="other").status == 403
    assert call(guarded, CHAT, REVIEW, key=keys.acme, x_router_tenant="acme").status == 200
    private = call(guarded, CHAT, REVIEW, key=keys.narrow)
    assert private.headers["x-router-policy"] == "private"
    assert call(guarded, CHAT, {**REVIEW, "model": "router/guide"}, key=keys.narrow).status == 403
    assert call(guarded, CHAT, REVIEW, key=keys.narrow, x_router_policy="guide").status == 403
    assert call(guarded, "/v1/route", REVIEW, key=keys.narrow).status == 403


def test_receipt_is_its_tenant_s_alone(guarded: str, keys: Keys) -> None:
    answer = call(guarded, CHAT, REVIEW, key=keys.acme)
    path = f"/v1/receipts/{answer.headers['x-router-decision-id']}"
    own = call(guarded, path, key=keys.acme)
    assert own.status == 200
    assert own.json["decision"]["target"]["kind"] == "local"
    assert own.json["outcome"]["status"] == "answered"
    assert "body" not in own.json["outcome"]
    assert "wonderful film" not in own.data.decode()
    foreign = call(guarded, path, key=keys.other)
    unknown = call(guarded, "/v1/receipts/00000000000000000000000000000000", key=keys.other)
    assert foreign.status == unknown.status == 404
    assert foreign.json["error"]["code"] == unknown.json["error"]["code"] == "decision_not_found"


def test_feedback_is_taken_for_own_decisions_only(guarded: str, keys: Keys) -> None:
    answer = call(guarded, CHAT, REVIEW, key=keys.acme)
    given = {"decision_id": answer.headers["x-router-decision-id"], "verdict": "bad", "label": "negative"}
    assert call(guarded, "/v1/feedback", given, key=keys.acme).status == 201
    assert call(guarded, "/v1/feedback", given, key=keys.other).status == 404
    wrong = call(guarded, "/v1/feedback", {**given, "verdict": "meh"}, key=keys.acme)
    assert (wrong.status, wrong.json["error"]["param"]) == (400, "verdict")


def test_keys_rotate_without_restart(tmp_path: Path, start: Start) -> None:
    first, first_hash = new_key("first")
    second, second_hash = new_key("second")
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys:\n  - {{id: first, tenant: a, sha256: {first_hash}}}\n")
    (tmp_path / "router.yaml").write_text("server: {keys: keys.yaml}\n")
    with start("--config", str(tmp_path / "router.yaml")) as address:
        assert call(address, CHAT, REVIEW, key=first).status == 200
        assert call(address, CHAT, REVIEW, key=second).status == 401
        path.write_text(f"keys:\n  - {{id: second, tenant: a, sha256: {second_hash}}}\n")
        until = time.monotonic() + 60
        while call(address, CHAT, REVIEW, key=second).status != 200 and time.monotonic() < until:
            time.sleep(0.2)
        assert call(address, CHAT, REVIEW, key=second).status == 200
        assert call(address, CHAT, REVIEW, key=first).status == 401


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{id: a, tenant: t}", "sha256"),
        ("{id: a, tenant: t, sha256: gr_a_secret}", "never the key itself"),
        ("{id: A B, tenant: t, sha256: '%s'}" % ("0" * 64), "lower-case"),
        ("{id: a, tenant: t, sha256: '%s', scope: [chat]}" % ("0" * 64), 'did you mean "scopes"'),
        ("{id: a, tenant: t, sha256: '%s', scopes: [chta]}" % ("0" * 64), "one of: chat"),
        ("{id: a, tenant: t, sha256: '%s', max_usd: much}" % ("0" * 64), "much"),
        ("{id: a, tenant: t, sha256: '%s', expires: soon}" % ("0" * 64), "expires"),
    ],
)
def test_wrong_keys_file_says_where(tmp_path: Path, entry: str, said: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys:\n  - {entry}\n")
    with pytest.raises(ConfigError) as wrong:
        read_keys(path)
    assert said in str(wrong.value)
    assert "keys.yaml:2:" in str(wrong.value)


def test_expired_key_is_refused(tmp_path: Path) -> None:
    key, digest = new_key("a")
    path = tmp_path / "keys.yaml"
    path.write_text(f"keys:\n  - {{id: a, tenant: t, sha256: {digest}, expires: 2030-01-01}}\n")
    ring = read_keys(path)
    headers = [(b"authorization", f"Bearer {key}".encode())]
    assert ring.caller(headers, 1_800_000_000.0).tenant == "t"
    with pytest.raises(Unauthorized):
        ring.caller(headers, 1_900_000_000.0)


def test_open_ring_asks_nobody() -> None:
    assert KeyRing().caller([], 0.0).tenant is None
    with pytest.raises(Unauthorized):
        KeyRing([]).caller([], 0.0)
