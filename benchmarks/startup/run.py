"""What does `import router` cost, and when is a Router ready? Each figure is the median of fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import write

ROUNDS = 9
PROBE = """
import json, resource, sys, time
started = time.perf_counter()
{code}
seconds = time.perf_counter() - started
unit = 2**10 if sys.platform == "linux" else 2**20
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit]))
"""
CODES = {
    "bare_python": "pass",
    "import_router": "import router",
    "import_Router": "from router import Router",
    "first_decision": "from router import Router; Router().decide('Is this review positive or negative? I loved it.')",
}


def main() -> None:
    """Measure and write the results."""
    figures: dict[str, dict[str, float]] = {}
    for name, code in CODES.items():
        rows = [probe(code) for _ in range(ROUNDS + 1)][1:]
        figures[name] = {
            "seconds": round(median(row[0] for row in rows), 4),
            "rss_mib": round(median(row[1] for row in rows), 1),
        }
        print(f"{name}: {figures[name]}")
    walls = [wall([sys.executable, "-m", "router", "--help"]) for _ in range(ROUNDS)]
    figures["command_help"] = {"seconds": round(median(walls), 4)}
    print(f"command_help: {figures['command_help']}")
    write("startup", {"rounds": ROUNDS, "figures": figures})


def probe(code: str) -> tuple[float, float]:
    """Seconds and peak MiB of ``code`` in a fresh process."""
    done = subprocess.run([sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=True)
    seconds, rss = json.loads(done.stdout.splitlines()[-1])
    return seconds, rss


def wall(command: list[str]) -> float:
    """Seconds of a whole command."""
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
