"""``router keys``: API keys of the sidecar's callers."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def keys() -> None:
    """Make and check API keys for the sidecar."""


@keys.command()
@click.argument("name")
@click.option("--tenant", required=True, help="Whose key it is: budgets and receipts are kept by tenant.")
@click.option("--scope", "scopes", multiple=True, help="What it may do (default: everything but admin).")
def new(name: str, tenant: str, scopes: tuple[str, ...]) -> None:
    """Print a fresh key, and the entry for the keys file that holds only its hash."""
    from ..errors import ConfigError
    from ..proxy.auth import SCOPES, new_key

    for scope in scopes:
        if scope not in SCOPES:
            raise ConfigError(f"there is no scope {scope!r}.", hint=f"Scopes: {', '.join(SCOPES)}.")
    key, digest = new_key(name)
    print("# Give the caller this key. It is shown once and kept nowhere:")
    print(f"# {key}")
    print(f"  - id: {name}\n    tenant: {tenant!r}\n    sha256: {digest}")
    if scopes:
        print(f"    scopes: [{', '.join(scopes)}]")


@keys.command()
@click.argument("path", type=click.Path(path_type=Path))
def check(path: Path) -> None:
    """Say file:line:column of what is wrong in a keys file."""
    from ..proxy.auth import read_keys

    tenants = read_keys(path).tenants()
    print(f"{path}: well; tenants: {', '.join(sorted(tenants)) or 'none'}")
