"""``router policy``: policies checked, proved, tested and compared before they are used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, RouterError
from .options import CONFIG

if TYPE_CHECKING:
    from ..offline.bench import Bench
    from ..policy.compile import CompiledPolicy
    from ..policy.finding import Finding
    from ..policy.suite import Case, CaseResult
    from ..selection.candidates import Fleet

MARKS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.group()
def policy() -> None:
    """Check, test and compare policies."""


@policy.command()
@click.argument("names", nargs=-1, required=True, metavar="FILE|NAME...")
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option("--quiet", "-q", is_flag=True, help="No notes.")
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON lines.")
@CONFIG
def check(names: tuple[str, ...], strict: bool, quiet: bool, as_json: bool, config: Path | None) -> int:
    """Read, resolve and compile policies, prove what can be proved, and judge the examples that stand in them.

    Every finding is told as file:line:column with a request that shows it. Models and prices are those of --config,
    else the built-in ones. Exit code 1: a policy has errors (with --strict, warnings too).
    """
    from ..assemble import signal_names
    from ..offline.bench import compiled_policy
    from ..policy.lint import lint
    from ..selection.feasible import find_infeasible

    fleet_for, known = _registered(config), signal_names()
    wrong = 0
    for name in names:
        try:
            compiled = compiled_policy(name)
        except ConfigError as error:
            _tell_error(error, as_json)
            wrong += 1
            continue
        found = [*lint(compiled, known), *find_infeasible(compiled, fleet_for(compiled)), *_failed_examples(compiled)]
        found.sort(key=lambda each: (each.place.file != compiled.file.file, each.place.file, each.place.line))
        counts = {severity: sum(each.severity == severity for each in found) for severity in MARKS}
        for each in found:
            if not (quiet and each.severity == "note"):
                _tell(each, as_json)
        if counts["error"] or (strict and counts["warning"]):
            wrong += 1
        elif not as_json:
            told = ", ".join(
                f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items() if count
            )
            told = told or "nothing to say"
            examples = len(compiled.file.examples)
            print(f"{name}: well ({told}); {len(compiled.rules)} rules, {examples} examples, hash {compiled.hash}")
    return 1 if wrong else 0


@policy.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER|NAME...")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the results as JUnit XML.")
@click.option(
    "--min-coverage", type=click.FloatRange(0, 100), default=0.0, help="Least share of own rules, in per cent."
)
@click.option("--verbose", "-v", is_flag=True, help="Name every example.")
@CONFIG
def test(paths: tuple[str, ...], junit: Path | None, min_coverage: float, verbose: bool, config: Path | None) -> int:
    """Run the examples in policies and in test files (*_test.yaml), and say which rules they exercise.

    Given a policy file, the test file beside it is run too; given a folder, all test files in it. Examples that give a
    request are read by the real detectors and decided among the models of --config; nothing is called.
    """
    from ..policy.suite import coverage, junit_xml

    decider = _Decider(config)
    suites: list[tuple[str, tuple[CaseResult, ...]]] = []
    failed = thin = 0
    for name, (compiled, cases) in _suites(paths).items():
        results = decider.run(compiled, cases)
        suites.append((name, results))
        for result in results:
            if result.failed:
                print(f"FAIL {result.text}")
                failed += 1
            elif verbose:
                print(f"{'skip' if result.skipped else 'ok  '} {result.case.place}: {result.case.example.name}")
        found = coverage(compiled, results)
        missing = f"; never fired: {', '.join(found.missing)}" if found.missing else ""
        bad = sum(result.failed for result in results)
        print(
            f"{name}: {len(results)} examples, {bad} failed; {len(found.rules) - len(found.missing)} of "
            f"{len(found.rules)} own rules fired ({found.share:.0%}){missing}"
        )
        thin += found.share * 100 < min_coverage
    if junit is not None:
        _write(junit, junit_xml(suites))
    if thin:
        print(f"{thin} below the coverage of {min_coverage:g} %", file=sys.stderr)
    return 1 if failed or thin else 0


@policy.command()
@click.option("--tests", is_flag=True, help="The schema of test files instead (*_test.yaml).")
def schema(tests: bool) -> None:
    """Print the JSON Schema of policy files, for completion and hover in an editor."""
    import json

    from ..policy.editor_schema import examples_schema, policy_schema

    print(json.dumps(examples_schema() if tests else policy_schema(), indent=1, ensure_ascii=False))


@policy.command()
@click.argument("old")
@click.argument("new")
@click.option(
    "--on",
    "source",
    type=click.Path(path_type=Path),
    help="Requests, or a ledger (.jsonl, .db); - is stdin. Left out: the ledger of the configuration.",
)
@click.option("--fail-if", "fail_if", help='Exit 1 when it holds: "cost>+5% or local<-10%".')
@click.option("--picture", type=click.Path(path_type=Path), help="Write the flows as SVG.")
@click.option("--show", type=click.IntRange(0, 1000), default=20, help="How many changed requests to list (20).")
@click.option("--processes", "-j", type=click.IntRange(1, 64), help="Worker processes (default: one a core).")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@CONFIG
def diff(
    old: str,
    new: str,
    source: Path | None,
    fail_if: str | None,
    picture: Path | None,
    show: int,
    processes: int | None,
    as_json: bool,
    config: Path | None,
) -> int:
    """Decide the same requests under the policies OLD and NEW, and tell what changes. Nothing is called.

    Rows are {"prompt": "..."}, OpenAI chat bodies, or records of a ledger (decided from their recorded signals; no
    prompt is needed). Cost, latency and quality are the decisions' estimates, with 95 % intervals over requests.
    """
    import os

    from ..offline.bench import OpenBench, compiled_policy
    from ..offline.diff import diff as summed
    from ..offline.fail_if import parse_fail_if
    from ..offline.flow_picture import flows_svg
    from ..offline.traffic import compare_rows
    from .diff_table import print_diff
    from .options import config_path
    from .records import rows_of

    condition = parse_fail_if(fail_if) if fail_if is not None else None
    names = [compiled_policy(each).name for each in (old, new)]  # an error here needs no workers
    named = config_path(config)
    open_bench = OpenBench(str(named) if named is not None else None)
    with rows_of(source, config) as given:
        rows = compare_rows(given, old, new, open_bench, processes=processes or os.cpu_count() or 1)
        found = summed(rows)
    if not found.rows:
        raise RouterError(
            f"{source or 'the ledger'} holds no request that could be read.", hint="One JSON object a line."
        )
    if picture is not None:
        _write(picture, flows_svg(found.flows, *(names if names[0] != names[1] else (old, new))))
    if as_json:
        import msgspec

        print(
            msgspec.json.format(
                msgspec.json.encode({**msgspec.to_builtins(found), "measured": found.measured()}), indent=1
            ).decode()
        )
    else:
        print_diff(found, old, new, show)
    broken = condition.holds(found.measured()) if condition is not None else None
    if broken is not None:
        print(f"--fail-if holds: {broken}", file=sys.stderr)
    return 1 if broken is not None else 0


# ----- reading ---------------------------------------------------------------------------------------------------


def _registered(config: Path | None) -> Callable[[CompiledPolicy], Fleet]:
    """What is registered under a policy: its own models beside those of the config."""
    from ..config import Environment, read_environment
    from ..fleet import fleet_of
    from ..models import local_models
    from .options import settings_of

    settings, environment = settings_of(config), Environment(upstream=read_environment().upstream)
    cards = [card for _, card in local_models(settings.local_models, Path(settings.directory))]
    return lambda compiled: fleet_of(settings, environment, cards, compiled.file.models)


def _suites(paths: tuple[str, ...]) -> dict[str, tuple[CompiledPolicy, list[Case]]]:
    """The cases of each policy that ``paths`` lead to, a policy's own before those of test files."""
    from ..offline.bench import compiled_policy
    from ..policy.suite import own_cases, written_cases
    from ..yamlfile import load_yaml

    found: dict[str, tuple[CompiledPolicy, list[Case]]] = {}

    def add(name: str, cases: tuple[Case, ...] | None, near: Path = Path()) -> None:
        if name not in found:
            beside = near / name
            compiled = compiled_policy(str(beside) if beside.is_file() else name)
            found[name] = (compiled, list(own_cases(compiled)))
        found[name][1].extend(cases or ())

    def add_tests(path: Path) -> None:
        try:
            document = load_yaml(path.read_text(encoding="utf-8"), name=str(path))
        except OSError as error:
            raise RouterError(f"{path} cannot be read ({error.strerror}).", hint="Check the path.") from error
        name, cases = written_cases(document)
        near = path.parent / name
        add(str(near) if near.is_file() else name, cases, path.parent)

    for written in paths:
        path = Path(written)
        if path.is_dir():
            tests = sorted(path.rglob("*_test.yaml"))
            if not tests:
                raise RouterError(f"{path} holds no test files.", hint="They are called *_test.yaml.")
            for each in tests:
                add_tests(each)
        elif path.stem.endswith("_test"):
            add_tests(path)
        else:
            add(written, None)
            beside = path.with_name(f"{path.stem}_test.yaml")
            if path.is_file() and beside.is_file():
                add_tests(beside)
    return found


class _Decider:
    """Runs cases; what decides requests is made when the first case needs it."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self._bench: Bench | None = None

    def run(self, compiled: CompiledPolicy, cases: list[Case]) -> tuple[CaseResult, ...]:
        from ..policy.suite import run_cases

        if all(case.example.request is None for case in cases):
            return run_cases(compiled, cases)
        from ..api import as_request
        from ..offline.bench import OpenBench
        from .options import config_path

        if self._bench is None:
            named = config_path(self._config)
            self._bench = OpenBench(str(named) if named is not None else None)()
        party = self._bench.party(compiled)
        return run_cases(compiled, cases, lambda example: party.decide(party.observe(as_request(example.request, {}))))


def _failed_examples(compiled: CompiledPolicy) -> list[Finding]:
    from ..policy.finding import finding
    from ..policy.suite import own_cases, run_cases

    return [
        finding(
            compiled.file,
            "error",
            "example",
            f"example {result.case.example.name!r}: {'; '.join(result.differences)}.",
            *("examples", index),
        )
        for index, result in enumerate(run_cases(compiled, own_cases(compiled)))
        if result.failed
    ]


# ----- telling ---------------------------------------------------------------------------------------------------


def _tell(each: Finding, as_json: bool) -> None:
    if as_json:
        import msgspec

        print(msgspec.json.encode(each).decode())
        return
    line, _, rest = str(each).partition("\n")
    click.echo(click.style(line, fg=MARKS[each.severity]) + (f"\n{rest}" if rest else ""), err=True)


def _tell_error(error: ConfigError, as_json: bool) -> None:
    if as_json:
        import json

        place = {"file": error.file, "line": error.line, "column": error.column}
        print(json.dumps({"place": place, "message": error.message, "severity": "error", "kind": "invalid"}))
    else:
        print(f"error: {error}", file=sys.stderr)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RouterError(f"{path} cannot be written ({error.strerror}).", hint="Check the folder.") from error
