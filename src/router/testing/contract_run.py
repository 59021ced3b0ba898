"""Try every guarantee on a gateway, one after the other, between two faulty upstreams on this machine.

The gateway must be set up beforehand with the two upstreams as a deployment and its fallback; :func:`config_for` writes
that for this router and for litellm's proxy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Literal

import msgspec

from ..errors import ConfigError
from .bench import Bench, Guarantee, Held
from .gateway import Gateway
from .guarantees import CHAOS_KEY, GUARANTEES
from .upstream import Upstream

__all__ = ["Result", "config_for", "run_contract", "summary"]

# What the configs below allow an upstream: a stall must be noticed within the patience of a trial.
FIRST_TOKEN_S = 2
IDLE_S = 2
WHOLE_S = 4


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One guarantee as it was tried."""

    name: str
    group: str
    holds: str
    held: bool | None
    seen: str


async def run_contract(
    base_url: str,
    *,
    model: str = "auto",
    primary_port: int = 9701,
    fallback_port: int = 9702,
    headers: Mapping[str, str] | None = None,
    deadline: Callable[[int], Mapping[str, str]] | None = None,
    patience_s: float = 15.0,
    cooldown_s: float = 70.0,
    only: Collection[str] = (),
) -> AsyncIterator[Result]:
    """Results as they come. ``only`` names guarantees or groups; all when empty.

    Raises:
        ConfigError: the gateway cannot be reached, or does not send its calls to the two upstreams.
    """
    chosen = [each for each in GUARANTEES if not only or each.name in only or each.group in only]
    if not chosen:
        names = sorted({each.group for each in GUARANTEES})
        raise ConfigError(f"there is no guarantee {', '.join(only)}.", hint=f"Groups: {', '.join(names)}.")
    primary, fallback = Upstream(), Upstream()
    try:
        await primary.start(primary_port)
        await fallback.start(fallback_port)
    except OSError as error:
        await primary.stop()
        raise ConfigError(f"the upstreams cannot listen ({error.strerror}).", hint="Choose other ports.") from error
    try:
        async with Gateway(base_url, model=model, headers=headers or {}, patience_s=patience_s) as gateway:
            bench = Bench(gateway=gateway, primary=primary, fallback=fallback, deadline=deadline, cooldown_s=cooldown_s)
            await _check_reached(bench, base_url)
            for each in chosen:
                if not await bench.settle():
                    yield _result(each, Held(held=None, seen="the first upstream was not used again before it"))
                    continue
                yield _result(each, await each.trial(bench))
    finally:
        await primary.stop()
        await fallback.stop()


async def _check_reached(bench: Bench, base_url: str) -> None:
    bench.play([])
    answer = await bench.gateway.whole()
    if answer.status == 200 and bench.primary.received:
        return
    port = bench.primary.url.rsplit(":", 1)[1].split("/")[0]
    raise ConfigError(
        f"{base_url} did not send the request to the first upstream ({answer.status}: {answer.text[:200]}).",
        hint=f"Set the gateway up with an upstream at http://127.0.0.1:{port}/v1 for this model.",
    )


def _result(guarantee: Guarantee, held: Held) -> Result:
    return Result(name=guarantee.name, group=guarantee.group, holds=guarantee.holds, held=held.held, seen=held.seen)


def summary(results: Collection[Result]) -> tuple[int, int, int]:
    """How many held, were broken, and could not be tried."""
    held = sum(result.held is True for result in results)
    broken = sum(result.held is False for result in results)
    return held, broken, len(results) - held - broken


def config_for(gateway: Literal["router", "litellm"], *, primary_port: int = 9701, fallback_port: int = 9702) -> str:
    """A config of the gateway for the contract run, as YAML. For this router the policy of that name goes with it."""
    urls = [f"http://127.0.0.1:{port}/v1" for port in (primary_port, fallback_port)]
    if gateway == "litellm":
        return _LITELLM.format(primary=urls[0], fallback=urls[1], key=CHAOS_KEY, first=FIRST_TOKEN_S, whole=WHOLE_S)
    return _ROUTER.format(primary=urls[0], fallback=urls[1], first=FIRST_TOKEN_S, idle=IDLE_S, whole=WHOLE_S)


_ROUTER = """\
policy: guide
network: loopback
local_models: {{shipped: false}}
dispatch: {{first_token_timeout: {first}s, idle_timeout: {idle}s, timeout: {whole}s}}
deployments:
  - name: primary
    model: chaos
    tier: small
    backend: openai
    api_base: {primary}
    key_env: CHAOS_KEY
    capabilities: [streaming, tools, json_schema, logprobs]
    ttft_ms: 50
    tokens_per_s: 1000
    price_per_million: {{input: $1, output: $2}}
  - name: fallback
    model: chaos-fallback
    tier: large
    backend: openai
    api_base: {fallback}
    key_env: CHAOS_KEY
    capabilities: [streaming, tools, json_schema, logprobs]
    ttft_ms: 50
    tokens_per_s: 1000
    price_per_million: {{input: $1, output: $2}}
"""
_LITELLM = """\
model_list:
  - model_name: chaos
    litellm_params:
      model: openai/chaos
      api_base: {primary}
      api_key: {key}
      timeout: {whole}
      stream_timeout: {first}
  - model_name: chaos-fallback
    litellm_params:
      model: openai/chaos-fallback
      api_base: {fallback}
      api_key: {key}
      timeout: {whole}
      stream_timeout: {first}
router_settings:
  fallbacks: [{{chaos: [chaos-fallback]}}]
  num_retries: 1
  timeout: {whole}
  stream_timeout: {first}
  allowed_fails: 2
  cooldown_time: 5
  enable_pre_call_checks: true
litellm_settings:
  request_timeout: {whole}
  drop_params: false
  telemetry: false
general_settings:
  # Without it a proxy that has no master key does not start; this one is asked from this machine alone.
  dangerously_permit_weak_or_unset_master_key: true
"""
