"""Write the reference part of docs/policies.md from the models: ``python docs/make_policies.py``. A test compares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from router.policy.editor_schema import policy_schema

DOCS = Path(__file__).resolve().parent
BEGIN = "<!-- Made by docs/make_policies.py from the models in src/router/policy; change those and run it again. -->"
END = "<!-- End of what is made. -->"
PARTS = (
    ("The file", None),
    ("A rule", "Rule"),
    ("`then`: what a rule asks for", "Then"),
    ("`escalate`", "Escalate"),
    ("`mirror`", "Mirror"),
    ("`when`: conditions", "When"),
    ("`safety`, as a mapping", "SafetyCondition"),
    ("A step of the flow", "FlowStep"),
    ("`otherwise`", "Otherwise"),
    ("`budgets`", "Budgets"),
    ("`objective`", "ObjectiveWeights"),
    ("`promises`", "Promise"),
    ("`override`", "RulePatch"),
    ("A model", "DeploymentSettings"),
    ("`price_per_million` of a model", "PriceSettings"),
    ("`price_per_unit` of a model", "UnitPriceSettings"),
    ("A signal of your own", "OwnSignalText"),
    ("An example", "Example"),
    ("`signals` of an example", "Observed"),
    ("`expect` of an example", "Expectation"),
    ("A flag in an example", "FlagSeen"),
)


def page(text: str) -> str:
    """The page with its reference made anew."""
    made = f"{BEGIN}\n\n{reference().rstrip()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: made, text, flags=re.DOTALL)


def reference() -> str:
    """One table a model."""
    schema = policy_schema()
    return "\n".join(
        part for title, name in PARTS for part in _table(title, schema if name is None else schema["$defs"][name])
    )


def _table(title: str, model: dict[str, Any]) -> list[str]:
    needed = set(model.get("required", ()))
    about = " ".join(model.get("description", "").split())
    rows = [
        f"| `{key}`{' (needed)' if key in needed else ''} | {_kind(field)} | {_cell(field['description'])} |"
        for key, field in model["properties"].items()
    ]
    return [
        f"### {title}",
        "",
        *([about, ""] if about else []),
        "| key | value | what it is |",
        "|---|---|---|",
        *rows,
        "",
    ]


def _kind(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return {"Budgets": "budgets", "When": "conditions", "Then": "actions", "ThenPatch": "actions"}.get(
            field["$ref"].rsplit("/", 1)[1], "mapping"
        )
    if "enum" in field:
        return (
            f"one of {len(field['enum'])} tasks"
            if len(field["enum"]) > 12
            else ", ".join(f"`{word}`" for word in field["enum"])
        )
    if "const" in field:
        return f"`{field['const']}`"
    if "examples" in field:
        return " or ".join(f"`{example}`" for example in field["examples"])
    if "anyOf" in field:
        kinds = list(dict.fromkeys(_kind(option) for option in field["anyOf"] if option != {"type": "null"}))
        one = [kind for kind in kinds if f"list of {kind}" in kinds]
        return " or ".join(
            f"{kind}, or a list" if kind in one else kind
            for kind in kinds
            if not (kind.startswith("list of ") and kind[8:] in one)
        )
    kind = field.get("type")
    if kind == "array":
        inner = field.get("items")
        return f"list of {_kind(inner)}" if inner else "three numbers"
    return {
        "string": "text",
        "boolean": "`true` / `false`",
        "integer": "number",
        "number": "number",
        "object": "mapping",
    }.get(str(kind), "any")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    path = DOCS / "policies.md"
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
