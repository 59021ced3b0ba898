"""Guarantees tried on two gateways side by side: this router's sidecar and litellm's proxy.

Run: ``python benchmarks/dispatch/chaos.py [--litellm URL]``. litellm's proxy is started beforehand with the config that
``router chaos config litellm`` prints (its documented retries, fallbacks, timeouts and cooldowns). ``--from NAME=FILE``
takes the JSON lines of an earlier run instead.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import msgspec

from machine import write
from router.cli.chaos import sidecar
from router.testing.contract_run import run_contract


async def tried(url: str, **options: Any) -> list[dict[str, Any]]:
    """All guarantees of one gateway."""
    found = []
    async for result in run_contract(url, **options):
        print(f"{result.held!s:6} {result.name:26} {result.seen}", flush=True)
        found.append(msgspec.to_builtins(result))
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(from its source tree)"


def main() -> None:
    """Try both and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--litellm", metavar="URL", help="base URL of litellm's proxy, up to /v1")
    parser.add_argument("--litellm-version", default="")
    parser.add_argument("--from", dest="files", action="append", default=[], metavar="NAME=FILE")
    chosen = parser.parse_args()
    earlier = dict(each.split("=", 1) for each in chosen.files)
    gateways: dict[str, Any] = {}
    if "router" not in earlier:
        with sidecar(9701, 9702) as url:
            results = asyncio.run(tried(url, deadline=lambda ms: {"x-router-deadline-ms": str(ms)}))
        gateways["this router's sidecar"] = {"version": _version("guide-router"), "results": results}
    else:
        lines = Path(earlier["router"]).read_text().splitlines()
        gateways["this router's sidecar"] = {
            "version": _version("guide-router"),
            "results": [json.loads(line) for line in lines],
        }
    if chosen.litellm:
        results = asyncio.run(
            tried(chosen.litellm, model="chaos", deadline=lambda ms: {"x-litellm-timeout": f"{ms / 1000:g}"})
        )
        gateways["litellm proxy"] = {"version": chosen.litellm_version, "results": results}
    elif "litellm" in earlier:
        lines = Path(earlier["litellm"]).read_text().splitlines()
        gateways["litellm proxy"] = {
            "version": chosen.litellm_version,
            "results": [json.loads(line) for line in lines],
        }
    write("chaos", {"gateways": gateways})


if __name__ == "__main__":
    main()
