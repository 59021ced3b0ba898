"""A sidecar with the flywheel: states of local models as metrics, and a transition that another process makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.request import urlopen

import pytest

from router.cli.main import main

Start = Callable[..., AbstractContextManager[str]]
LINE = 'router_local_state{{model="sentiment",state="{}"}} {}'


def test_states_are_metrics_and_transitions_of_others_are_learnt(
    start: Start, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("local_models: {shipped: [sentiment], flywheel: {shadow: 5%}}\n", encoding="utf-8")
    with start("--config", str(config)) as address:

        def metrics() -> str:
            with urlopen(f"{address}/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        assert LINE.format("serving", "1.0") in metrics()
        with pytest.raises(SystemExit):
            main(["models", "demote", "sentiment", "-c", str(config)])
        assert capsys.readouterr().out == "sentiment: serving -> shadow\n"
        for _ in range(100):
            if LINE.format("shadow", "1.0") in (text := metrics()):
                break
            time.sleep(0.1)
        assert LINE.format("shadow", "1.0") in text
        assert LINE.format("serving", "0.0") in text
