"""Processes that are killed in the middle, over the stores that several processes share: nothing leaks.

The same proof with 8 processes and 2,000 reservations each is ``benchmarks/money/crash.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import stores

PROOF = Path(__file__).parents[2] / "benchmarks" / "money" / "crash.py"


@pytest.mark.parametrize("store_kind", stores.KINDS[1:], indirect=True)
def test_killed_processes_leak_nothing(store_kind: str) -> None:
    options = ["--processes", "2", "--reservations", "60", "--kill", "0.1", "--lease", "2", "--store", store_kind]
    done = subprocess.run([sys.executable, str(PROOF), *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] > 0
    assert found["granted"] > 0
    assert found["overshoot_nano"] == found["leaked_nano"] == found["difference_nano"] == 0
