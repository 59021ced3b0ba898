"""The published JSON Schemas: up to date, told field by field, and of one mind with the loader."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from router.policy.editor_schema import examples_schema, policy_schema
from router.yamlfile import load_yaml

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {"policy.schema.json": policy_schema, "policy_test.schema.json": examples_schema}
SERVER = shutil.which("yaml-language-server")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schema_is_up_to_date(name: str) -> None:
    published = json.loads((ROOT / "docs" / name).read_text(encoding="utf-8"))
    assert published == PUBLISHED[name](), f"run: router policy schema > docs/{name}"


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_field_tells_what_it_is(name: str) -> None:
    schema = PUBLISHED[name]()
    models = {"(top)": schema, **schema["$defs"]}
    silent = [
        f"{model}.{key}"
        for model, part in models.items()
        for key, field in part.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == []


def _policies() -> list[str]:
    page = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    recipes = [text for text in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL) if text.startswith("policy:")]
    return [path.read_text(encoding="utf-8") for path in sorted((ROOT / "policies").glob("*.yaml"))] + recipes


def test_schema_accepts_what_the_loader_does() -> None:
    checker = jsonschema.Draft202012Validator(policy_schema())
    for text in _policies():
        assert [error.message for error in checker.iter_errors(load_yaml(text, name="p").data)] == []


@pytest.mark.parametrize(
    "text",
    [
        "policy: p\nruls: []",
        "policy: p\nrules: [{id: A, when: {task: nope}, then: {prefer: llm}, why: w}]",
        "policy: p\nrules: [{id: A, when: {noise: }, then: {prefer: llm}, why: w}]",
        "policy: p\nrules: [{id: A, then: {prefer: lokal}, why: w}]",
        "policy: p\nexamples: [{name: a}]",
    ],
)
def test_schema_refuses_what_the_loader_refuses(text: str) -> None:
    checker = jsonschema.Draft202012Validator(policy_schema())
    assert list(checker.iter_errors(load_yaml(text, name="p").data))


@pytest.mark.skipif(SERVER is None, reason="yaml-language-server is not installed (npm install -g)")
def test_language_server_completes_and_explains(tmp_path: Path) -> None:
    """Completion, hover and diagnostics over LSP 3.17 (https://microsoft.github.io/language-server-protocol/)."""
    text = (
        "policy: mine\nrules:\n  - id: A\n    why: w\n    when:\n      task: sentimant\n    then:\n      \n"
        "models:\n  - name: a\n    \nsignals:\n  mood:\n    \n"
    )
    file = (tmp_path / "mine.yaml").as_uri()
    schema = (ROOT / "docs" / "policy.schema.json").as_uri()
    with _Client([str(SERVER), "--stdio"]) as client:
        client.ask("initialize", {"processId": None, "rootUri": tmp_path.as_uri(), "capabilities": {}})
        client.tell("initialized", {})
        settings = {"yaml": {"schemas": {schema: ["*.yaml"]}, "completion": True, "hover": True, "validate": True}}
        client.settings = settings["yaml"]
        client.tell("workspace/didChangeConfiguration", {"settings": settings})
        document = {"uri": file, "languageId": "yaml", "version": 1, "text": text}
        client.tell("textDocument/didOpen", {"textDocument": document})
        at = {"textDocument": {"uri": file}, "position": {"line": 5, "character": 8}}
        hovers = (client.ask("textDocument/hover", at) for _ in range(100))  # until the server has read its settings
        hover = next((found for found in hovers if found), None)
        inside = {"textDocument": {"uri": file}, "position": {"line": 7, "character": 6}}
        found = client.ask("textDocument/completion", inside)
        of_model, of_signal = (
            {
                item["label"]
                for item in client.ask(
                    "textDocument/completion",
                    {"textDocument": {"uri": file}, "position": {"line": line, "character": 4}},
                )["items"]
            }
            for line in (10, 13)
        )
        told = client.wait_for("textDocument/publishDiagnostics")
    assert "What the request asks for" in json.dumps(hover)
    assert {"model", "tier", "key_env", "price_per_million"} <= of_model
    assert {"keywords", "regex", "examples", "read"} <= of_signal
    assert {"prefer", "tier", "forbid", "refuse", "fallback", "mirror"} <= {item["label"] for item in found["items"]}
    assert any("sentiment" in diagnostic["message"] for diagnostic in told["diagnostics"])


class _Client:
    """A language client: one request at a time over standard input and output."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.settings: dict[str, object] = {}
        self.seen: list[dict[str, object]] = []
        self.number = 0

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()

    def tell(self, method: str, params: object, **more: object) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params, **more})

    def ask(self, method: str, params: object):
        self.number += 1
        self.tell(method, params, id=self.number)
        while True:
            message = self._read()
            if message.get("id") == self.number and "method" not in message:
                return message["result"]

    def wait_for(self, method: str):
        while True:
            found = [m["params"] for m in self.seen if m.get("method") == method and m["params"]["diagnostics"]]
            if found:
                return found[-1]
            self._read()

    def _send(self, message: dict[str, object]) -> None:
        body = json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _read(self) -> dict[str, object]:
        assert self.process.stdout is not None
        size = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        message = json.loads(self.process.stdout.read(size))
        self.seen.append(message)
        if "method" in message and "id" in message:  # the server asks the client
            answer = (
                [self.settings] * len(message["params"].get("items", []))
                if "items" in (message["params"] or {})
                else None
            )
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": answer})
        return message
