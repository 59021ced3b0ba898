"""A sidecar with the flywheel: states of local models as metrics, and a transition that another process makes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from conftest import KEEP, Start

LABELLED = 'router_local_state{{model="{}",state="{}"}} {}'


def test_states_are_metrics_and_transitions_of_others_are_learnt(start: Start, config: Path) -> None:
    config.write_text("local_models: {shipped: [sentiment], flywheel: {shadow: 5%}}\n", encoding="utf-8")
    with start("--config", str(config)) as address:

        def metrics() -> str:
            with urlopen(f"{address}/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        assert LABELLED.format("sentiment", "serving", "1.0") in metrics()
        clean = {key: value for key, value in os.environ.items() if key in KEEP}
        done = subprocess.run(
            [sys.executable, "-m", "router", "models", "demote", "sentiment", "-c", str(config)],
            env=clean, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout == "sentiment: serving -> shadow\n", done.stderr
        for _ in range(100):
            if LABELLED.format("sentiment", "shadow", "1.0") in (text := metrics()):
                break
            time.sleep(0.1)
        assert LABELLED.format("sentiment", "shadow", "1.0") in text
        assert LABELLED.format("sentiment", "serving", "0.0") in text
