"""``router policy``: policies checked before they are used."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError


@click.group()
def policy() -> None:
    """Check policies."""


@policy.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE|NAME...")
def check(names: tuple[str, ...]) -> int:
    """Read, resolve, lint and compile policies, and judge the examples that stand in them.

    What is wrong is told as file:line:column, and the exit code is then 1; warnings do not change it.
    """
    import sys

    from ..assemble import PolicyShelf, signal_names
    from ..policy.examples import check_examples
    from ..policy.lint import lint

    wrong = 0
    known = signal_names()
    for name in names:
        try:
            shelf = PolicyShelf(name, Path())
            compiled = shelf[shelf.default]
        except ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            wrong += 1
            continue
        findings = lint(compiled, known)
        for finding in findings:
            print(finding, file=sys.stderr)
        is_wrong = any(finding.severity == "error" for finding in findings)
        results = check_examples(compiled)
        failed = [result for result in results if result.differences]
        for result in failed:
            print(
                f"error: {compiled.file.file}: example {result.name!r}: {'; '.join(result.differences)}",
                file=sys.stderr,
            )
        is_wrong = is_wrong or bool(failed)
        wrong += is_wrong
        if not is_wrong:
            print(f"{name}: well; {len(compiled.rules)} rules, {len(results)} examples, hash {compiled.hash}")
    return 1 if wrong else 0


@policy.command()
@click.option("--tests", is_flag=True, help="The schema of test files instead (*_test.yaml).")
def schema(tests: bool) -> None:
    """Print the JSON Schema of policy files, for completion and hover in an editor."""
    import json

    from ..policy.editor_schema import examples_schema, policy_schema

    print(json.dumps(examples_schema() if tests else policy_schema(), indent=1, ensure_ascii=False))
