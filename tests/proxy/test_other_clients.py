"""Other people's clients and their own test suites against the running sidecar.

They pin other versions of OpenAI's client than the suite's, so they live in an environment of their own: the variable
ROUTER_TEST_CLIENTS names its folder (``bin/python`` with langchain-openai, langchain-tests and instructor, and
``node_modules`` with openai, ai and @ai-sdk/openai). The continuous integration has one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import running
from router.testing.obliging import obliging
from router.testing.upstream import Upstream

HERE = Path(__file__).parent / "others"
FOLDER = Path(os.environ.get("ROUTER_TEST_CLIENTS") or "/nowhere")
pytestmark = pytest.mark.skipif(
    not (FOLDER / "bin" / "python").exists(), reason="ROUTER_TEST_CLIENTS names no environment of other clients"
)


@pytest.fixture(scope="module")
def willing() -> Iterator[str]:
    """Address of a sidecar whose upstream does as it is told."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    upstream = Upstream(default=obliging)
    url = asyncio.run_coroutine_threadsafe(upstream.start(), loop).result(20)
    env = {"ROUTER_UPSTREAM": url, "ROUTER_UPSTREAM_MODEL": "tiny", "ROUTER_UPSTREAM_LARGE_MODEL": "huge"}
    with running(env=env) as address:
        yield address
    asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def run(address: str, *command: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(FOLDER), "ROUTER_ADDRESS": address}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=env, cwd=FOLDER)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_langchain_s_standard_tests_pass(willing: str) -> None:
    # Away from this suite's own settings and fixtures.
    script = FOLDER / "langchain_standard.py"
    shutil.copy(HERE / "langchain_standard.py", script)
    python = str(FOLDER / "bin" / "python")
    options = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(FOLDER), "-o", "asyncio_mode=auto")
    assert " passed" in run(willing, python, "-m", "pytest", *options, str(script))


def test_instructor_gets_its_objects(willing: str) -> None:
    assert "well" in run(willing, str(FOLDER / "bin" / "python"), str(HERE / "instructor_client.py"))


@pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules" / "ai").exists(),
    reason="Node.js or its packages are not installed",
)
def test_javascript_clients_are_answered(willing: str) -> None:
    # Modules are found beside the script that asks for them.
    script = FOLDER / "javascript_clients.mjs"
    shutil.copy(HERE / "javascript_clients.mjs", script)
    assert "well" in run(willing, "node", str(script))
