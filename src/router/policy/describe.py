"""A policy told in Markdown: its flow, its rules and what they ask for, from the compiled policy alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..spec import plain
from .compile import CompiledPolicy
from .schema import Rule, When

__all__ = ["describe_policy", "describe_when"]


def describe_policy(policy: CompiledPolicy) -> str:
    """The whole policy: thresholds, flow, and one row a rule in the order of the file."""
    file = policy.file
    outcomes = {rule.id: rule.fired.outcome for rule in policy.rules}
    lines = [f"# Policy `{policy.name}`", "", file.description, ""]
    if file.parents:
        lines += [f"Extends: {', '.join(f'`{parent}`' for parent in file.parents)}.", ""]
    lines += ["## Thresholds", "", "| name | value |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(value)} |" for name, value in file.thresholds.items()]
    if policy.flow is not None:
        # What describes a condition alone, on a receipt, draws nothing.
        from .draw import flow_mermaid, flow_text

        lines += ["", "## Decision flow", "", "```text", flow_text(policy.flow), "```", ""]
        lines += ["```mermaid", flow_mermaid(policy.flow).rstrip(), "```", "", "| step | condition |", "|---|---|"]
        lines += [f"| {step.id} | {_cell(describe_when(step.when))} |" for step in file.flow]
    lines += [
        "",
        "## Rules",
        "",
        "| id | condition | asks for | strength | over | source |",
        "|---|---|---|---|---|---|",
    ]
    for rule in file.rules:
        asked = outcomes.get(rule.id, "obligation")
        condition = describe_when(rule.when) if rule.then is not None else ""
        cells = (rule.id, condition, asked, _weight(rule), ", ".join(rule.over), rule.source)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    lines += ["", "## Why", ""]
    lines += [line for rule in file.rules for line in _reason(rule)]
    return "\n".join(lines).rstrip() + "\n"


def describe_when(when: When) -> str:
    """A condition in one line, its parts parted by semicolons: ``task: nli; either (adversarial: true) or (ood: out)``;
    ``always`` when there is none."""
    return _joined(plain(when)) or "always"


def _weight(rule: Rule) -> str:
    if rule.then is None:
        return ""
    if rule.then.prefer is not None or rule.then.tier is not None:
        return rule.strength
    return "hint" if rule.then.rank is not None or rule.then.fallback is not None else "binding"


def _joined(data: dict[str, Any]) -> str:
    return "; ".join(_parts(data))


def _parts(data: dict[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if key == "all":
            yield from (_joined(inner) for inner in value)
        elif key == "any":
            yield f"either ({') or ('.join(_joined(inner) for inner in value)})"
        elif key == "not":
            yield f"not ({_joined(value)})"
        elif key == "unknown":
            yield f"{' or '.join(value)} unknown"
        elif key == "custom":
            yield from (f"{name}: {_value(wanted)}" for name, wanted in value.items())
        elif key == "safety" and isinstance(value, dict):
            flags = _value(value.get("any") or ["any flag"])
            rest = ", ".join(f"{name} {_value(part)}" for name, part in value.items() if name != "any")
            yield f"safety: {flags}" + (f" ({rest})" if rest else "")
        else:
            yield f"{key}: {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return str(value[0]) if len(value) == 1 else f"{', '.join(map(str, value[:-1]))} or {value[-1]}"
    return str(value)


def _reason(rule: Rule) -> Iterator[str]:
    yield f"- **{rule.id}**: {rule.why}"
    if rule.obligation:
        yield f"  Obligation: {rule.obligation} Fulfilled by: {rule.fulfilled_by}"
    if rule.note:
        yield f"  *{rule.note.strip()}*"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
