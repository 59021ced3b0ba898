"""The router's command in a process of its own, whose environment holds no settings and no credentials."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "SYSTEMROOT", "VIRTUAL_ENV")


def environment(**more: str) -> dict[str, str]:
    """What such a process may know, and ``more``."""
    return {key: value for key, value in os.environ.items() if key in KEPT} | more


def run_router(
    *arguments: str, stdin: bytes | str = b"", cwd: Path | None = None, text: bool = False, **env: str
) -> subprocess.CompletedProcess[Any]:
    """``router`` with these arguments, ended; ``text``: what comes and goes are texts. Nothing may fail unforeseen."""
    done = subprocess.run(
        [sys.executable, "-m", "router", *arguments],
        input=stdin or ("" if text else b""),
        capture_output=True,
        text=text,
        timeout=120,
        env=environment(**env),
        cwd=cwd,
        check=False,
    )
    assert ("Traceback" if text else b"Traceback") not in done.stderr, done.stderr
    return done


class Sidecar:
    """A sidecar whose process a test may signal. ``addresses``: the callers' listener, then the operators'. ``errors``
    is what it wrote to standard error until its end."""

    def __init__(self, process: subprocess.Popen[str], addresses: list[str]) -> None:
        self.process, self.addresses = process, addresses
        self.errors = ""

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@contextmanager
def serving(*options: str, listeners: int = 1, env: Mapping[str, str] | None = None) -> Iterator[Sidecar]:
    """``router serve --port 0``; it must end well on SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "router", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(env or {})),
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(listeners)]
        addresses = [found[0] for line in lines if (found := re.search(r"https?://\S+", line))]
        if len(addresses) < listeners:
            process.kill()
            raise AssertionError(f"the sidecar did not start: {lines}{process.communicate()[1]}")
        sidecar = Sidecar(process, addresses)
        yield sidecar
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=90)
    sidecar.errors = errors
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors
