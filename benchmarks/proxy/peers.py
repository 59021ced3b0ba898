"""The servers that are measured: the upstream, and who stands between it and the caller; each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

__all__ = ["PEERS", "Peer", "free_port", "running"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
PEERS = ("nginx", "uvicorn+aiohttp", "router", "litellm")
START_S = 240.0


class Peer:
    """A running server: where it answers, its processes, how long it took until its first answer."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], cold_s: float) -> None:
        self.url, self.process, self.cold_s = url, process, cold_s

    def rss_mib(self) -> float:
        """Resident memory of the process and its children, in MiB."""
        pids = [self.process.pid, *_children(self.process.pid)]
        return sum(_rss(pid) for pid in pids) / 1024

    def cpu_s(self) -> float:
        """Processor time of the process and its children until now, in seconds."""
        return sum(sum(times) for times in self.times_s().values())

    def times_s(self) -> dict[int, tuple[float, float]]:
        """User and system time of the process and of each of its children until now, in seconds, by process id."""
        return {pid: _times_s(pid) for pid in [self.process.pid, *_children(self.process.pid)]}

    def waited_s(self) -> float:
        """How long all their threads had work and no core until now, in seconds: other work was in the way."""
        return sum(_waited_s(pid) for pid in [self.process.pid, *_children(self.process.pid)])


@contextmanager
def running(
    name: str,
    upstream: str,
    folder: Path,
    *,
    core: int | str | None,
    workers: int = 1,
    litellm: str | None = None,
) -> Iterator[Peer]:
    """Start the server ``name`` in front of ``upstream`` (a base URL), pinned to ``core`` (one, or ``0-1``), and end it
    afterwards."""
    port = free_port()
    command, environment = _command(name, upstream, folder, port, workers, litellm)
    pinned = [*(["taskset", "-c", str(core)] if core is not None else []), *command]
    began = time.monotonic()
    log = (folder / f"{name.replace('+', '-')}.log").open("wb")
    kept = {key: value for key, value in os.environ.items() if key in KEPT}
    process = subprocess.Popen(pinned, env={**kept, **environment}, stdout=log, stderr=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder)
        yield Peer(url, process, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _command(
    name: str, upstream: str, folder: Path, port: int, workers: int, litellm: str | None
) -> tuple[Sequence[str], dict[str, str]]:
    if name == "upstream":
        return [sys.executable, str(HERE / "servers.py"), "upstream", str(port), ""], {}
    if name == "uvicorn+aiohttp":
        return [sys.executable, str(HERE / "servers.py"), "forward", str(port), upstream], {}
    if name == "nginx":
        path = folder / "nginx.conf"
        path.write_text(_nginx(upstream, port, folder), encoding="utf-8")
        return ["nginx", "-p", str(folder), "-c", str(path)], {}
    if name == "router":
        path = folder / "router.yaml"
        path.write_text(_router(upstream), encoding="utf-8")
        command = [sys.executable, "-m", "router", "serve", "--config", str(path), "--port", str(port)]
        return [*command, "--workers", str(workers)], {}
    if name == "litellm" and litellm is not None:
        path = folder / "litellm.yaml"
        path.write_text(_litellm(upstream), encoding="utf-8")
        command = [litellm, "--config", str(path), "--port", str(port), "--num_workers", "1"]
        return command, {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    raise ValueError(f"there is no server {name!r}")


def _nginx(upstream: str, port: int, folder: Path) -> str:
    place = upstream.removeprefix("http://").partition("/")[0]
    return f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 10000000;
  upstream backend {{ server {place}; keepalive 256; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


def _router(upstream: str) -> str:
    return f"""
policy: guide
ledger: {{path: ledger.jsonl}}
server: {{watch: false}}
deployments:
  - {{name: small, model: tiny, tier: small, backend: openai, api_base: "{upstream}",
      price_per_million: {{input: $0.1, output: $0.4}}}}
  - {{name: large, model: huge, tier: large, backend: openai, api_base: "{upstream}",
      price_per_million: {{input: $1, output: $4}}}}
"""


def _litellm(upstream: str) -> str:
    return f"""
model_list:
  - model_name: auto
    litellm_params: {{model: openai/tiny, api_base: "{upstream}", api_key: none}}
litellm_settings: {{set_verbose: false, telemetry: false, request_timeout: 60}}
general_settings: {{disable_spend_logs: true, dangerously_permit_weak_or_unset_master_key: true}}
"""


def _wait(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            logs = "".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log"))
            raise RuntimeError(f"the server ended: {logs}")
        try:
            with urlopen(Request(f"{url}/healthz"), timeout=1):
                return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.01)
    raise RuntimeError(f"{url} did not answer within {START_S:.0f} s")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found


def _times_s(pid: int) -> tuple[float, float]:
    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def _waited_s(pid: int) -> float:
    # https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that has ended since
            found += int((task / "schedstat").read_text().split()[1])
    return found / 1e9


def _rss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
