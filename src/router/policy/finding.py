"""One thing that a policy has wrong: where, what, how bad, and a request that shows it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..document import Place
from ..errors import ConfigError
from .read import PolicyFile
from .search import Witness

__all__ = ["Finding", "Kind", "Severity", "finding", "finding_of", "flow_style"]

Severity = Literal["error", "warning", "note"]
Kind = Literal[
    "invalid",
    "unknown-name",
    "unreachable",
    "shadowed",
    "overlap",
    "contradiction",
    "gap",
    "signal-off",
    "unused",
    "infeasible",
    "unsafe-fallback",
    "unsafe-mirror",
    "uncalibrated",
    "example",
]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An ``error`` makes part of the policy do nothing or fail, a ``warning`` is probably a slip, a ``note`` is good to
    know. ``witness`` is a request that shows it, as an example writes one; None where no request is at fault."""

    place: Place
    message: str
    severity: Severity
    kind: Kind = "invalid"
    rule: str | None = None
    witness: Witness | None = None

    def __str__(self) -> str:
        shown = f"\n    for example: {flow_style(self.witness)}" if self.witness is not None else ""
        return f"{self.place}: {self.severity}: {self.message} [{self.kind}]{shown}"


def finding(
    file: PolicyFile, severity: Severity, kind: Kind, message: str, *path: str | int, witness: Witness | None = None
) -> Finding:
    """A finding at the place of ``path``."""
    rule = str(path[1]) if path and path[0] == "rules" else None
    return Finding(place=file.place(*path), message=message, severity=severity, kind=kind, rule=rule, witness=witness)


def finding_of(error: ConfigError, file: PolicyFile, rule: str | None = None) -> Finding:
    """A ConfigError as a finding."""
    place = Place(error.file or file.file, error.line or 1, error.column or 1)
    return Finding(place=place, message=f"{error.message} {error.hint}".strip(), severity="error", rule=rule)


def flow_style(value: Any) -> str:
    """Plain data as YAML in one line, ready to be pasted under ``examples``."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow_style(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow_style, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, str) and not value.replace("_", "").replace("-", "").isalnum():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
