"""The sidecar loads what hosted calls need, and answers meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

Start = Callable[..., AbstractContextManager[str]]

HOSTED = """
network: loopback
deployments:
  - {name: one, model: openai/some-model, api_base: "http://127.0.0.1:9/v1"}
"""


def ask(address: str) -> tuple[int, dict[str, Any]]:
    body = json.dumps({"messages": [{"role": "user", "content": "Tell me a story about a lighthouse"}]}).encode()
    request = Request(f"{address}/v1/chat/completions", body, {"content-type": "application/json"})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def test_health_is_answered_while_warming(start: Start, config: Path) -> None:
    config.write_text(HOSTED)
    with start("--config", str(config)) as address:
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            with urlopen(f"{address}/healthz", timeout=30) as answer:
                assert answer.status == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)
        # The import takes seconds and must not stand in the way for as long.
        assert slowest < 1.5
        status, body = ask(address)
        assert status == 502, body


def test_sidecar_ends_well_while_warming(start: Start, config: Path) -> None:
    config.write_text(HOSTED)
    with start("--config", str(config)) as address, urlopen(f"{address}/healthz", timeout=30) as answer:
        assert answer.status == 200
