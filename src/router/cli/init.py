"""``router init``: a commented config to start from."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import RouterError

TEMPLATE = """\
# Settings of the router. Everything here is optional; secrets stay in the environment.
# Use it with: router route --config router.yaml FILE     or: export ROUTER_CONFIG=router.yaml

# guide, cost-first, latency-first, quality-first, private, regulated, or a file of your own.
policy: guide

# Hosted models. Without this list the built-in ones are used; those whose key is set can be called.
# deployments:
#   - name: small                        # the router's own name for it
#     model: openai/gpt-6-luna           # as litellm spells it
#     tier: small                        # small or large
#     key_env: OPENAI_API_KEY            # the variable that holds the key
#   - name: large
#     model: anthropic/claude-sonnet-5-5
#     tier: large
#     key_env: ANTHROPIC_API_KEY
#     price_per_million: {input: $3, output: $15}   # beats the price table
#   - name: at-home                      # any OpenAI-compatible server: Ollama, vLLM, llama.cpp
#     model: llama3.2
#     backend: openai
#     api_base: http://localhost:11434/v1
#     tier: small
#     in_house: true                     # what is sent there stays in house
#     price_per_million: {input: $0, output: $0}

# Local models: the shipped ones (true, false, or a list of names) and directories of your own.
local_models:
  shipped: true
  paths: []
  # flywheel: {shadow: 5%, audit: 2%}    # models trained on recorded answers earn the right to answer: docs/flywheel.md

# Who reads requests beside the n-grams: docs/signals.md and docs/flags.md.
# understanding: {deep: unsure}            # an encoder where they are unsure; needs guide-router-deep
# safety: {second_look: true}              # a sentence encoder for risks; needs guide-router[deep]

# At most so much money, so many requests or tokens in a window (second, minute, hour, day, month, total): for all
# callers together, for one tenant, key, policy or model, or ("*") for each of them. See docs/money.md.
# budgets:
#   - {usd: $100, window: month, timezone: Europe/Berlin}
#   - {usd: $80, window: month, timezone: Europe/Berlin, mode: soft}   # from here on the cheapest able model
#   - {usd: $1, window: day, tenant: "*"}
#   - {requests: 60, window: minute, key: "*"}

# Where budgets are kept: in memory; in a file that survives a restart; or in Redis or PostgreSQL for all replicas.
# state:
#   path: state.db
#   # url: redis://localhost:6379/0

# Every decision and what it cost, without the prompts: JSON lines, or a .db file (SQLite).
# ledger:
#   path: ledger.jsonl
#   keep_days: 90

# How good each hosted model's answer would be, learnt from outcomes, and moved by verdicts: docs/quality.md.
# quality: quality.safetensors           # router train-quality writes it
# learning: {max_shift: 10%}             # by /v1/feedback, while the sidecar runs

# How patient a request is: docs/dispatch.md.
# dispatch:
#   first_token_timeout: 30s
#   hedge: {after: 2s}                   # a second call beside a slow one
#   mirror: {to: large, share: 2%}       # copies whose answers nobody sees

# any, or loopback: no call leaves this machine, whatever is configured above (for tests and dry runs).
# network: any

server:
  host: 127.0.0.1
  port: 8787
  # keys: keys.yaml            # who may call; needed on public addresses. Entries: router keys new NAME --tenant T
  # admin: {port: 9090}        # metrics, health and reload on a listener of their own
  # log: json

# Models for /v1/embeddings.
# embeddings:
#   - {name: embed, model: text-embedding-3-small, backend: openai, key_env: OPENAI_API_KEY}
"""


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default="router.yaml")
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@click.option(
    "--from-litellm", "source", type=click.Path(path_type=Path), help="A litellm proxy's config to take over."
)
def init(path: Path, force: bool, source: Path | None) -> None:
    """Write a commented config to PATH (default: router.yaml).

    With --from-litellm, models, keys' names, prices, fallbacks, tiers, budgets and patience come from there, and what
    did not carry over is listed.
    """
    text, notes = (TEMPLATE, ()) if source is None else _imported(source)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise RouterError(f"{path} exists already.", hint="Choose another name, or say --force.") from error
    except OSError as error:
        raise RouterError(f"{path} cannot be written ({error.strerror}).", hint="Check the folder.") from error
    print(f"wrote {path}; try: router route --config {path} --text 'Hello'")
    for note in notes:
        print(f"  {note}")


def _imported(source: Path) -> tuple[str, tuple[str, ...]]:
    import yaml

    from ..offline.from_litellm import import_litellm
    from ..yamlfile import load_yaml

    try:
        written = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RouterError(f"{source} cannot be read ({error}).", hint="Check the path.") from error
    found = import_litellm(load_yaml(written, name=str(source)))
    head = f"# Taken over from {source.name}; secrets stay in the environment.\n"
    notes = "".join(f"# - {note}\n" for note in found.notes)
    told = f"# Look at these:\n{notes}" if notes else ""
    return head + told + yaml.safe_dump(found.settings, sort_keys=False, allow_unicode=True), found.notes
