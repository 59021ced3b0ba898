"""Tests of a policy: its examples and those of test files, run as one suite; which rules they exercise; JUnit XML.

Examples that give signals are judged here. Those that give a request need whoever assembled an engine: ``decide``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from ..document import Document, Place
from ..errors import RouterError
from ..types import Decision
from .checked import check_examples_text
from .compile import CompiledPolicy
from .example_schema import Example
from .examples import ExampleResult, compare_decision, run_example

__all__ = ["Case", "CaseResult", "Coverage", "coverage", "junit_xml", "own_cases", "run_cases", "written_cases"]

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Decide = Callable[[Example], Decision]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An example and where it stands."""

    example: Example
    place: Place


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a case; ``skipped`` says why it was not run, ``error`` why nothing could be decided."""

    case: Case
    result: ExampleResult | None
    skipped: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.differences)

    @property
    def differences(self) -> tuple[str, ...]:
        """What is not as expected, one line each."""
        if self.error:
            return (f"nothing is decided: {self.error}",)
        return () if self.result is None else self.result.differences

    @property
    def text(self) -> str:
        """The difference, one line a field: what was expected, what came, and who decided."""
        if not self.failed:
            return ""
        lines = [f"{self.case.place}: {self.case.example.name}"]
        lines += [f"  {line}" for line in self.differences]
        if self.result is None:
            return "\n".join(lines)
        deciders = [rule for rule in self.result.verdict.rules if rule.decisive]
        lines += [f"  decided by {rule.id} ({rule.outcome}): {rule.why}" for rule in deciders]
        fired = ", ".join(self.result.fired) or "none"
        return "\n".join([*lines, f"  fired: {fired}"])


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a policy's own rules (not those it inherits unchanged) fired, and which decided, in some example."""

    rules: tuple[str, ...]
    fired: frozenset[str]
    decided: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(rule for rule in self.rules if rule not in self.fired)

    @property
    def share(self) -> float:
        """Share of the rules that fired in some example, 0..1."""
        return 1.0 - len(self.missing) / len(self.rules) if self.rules else 1.0


def own_cases(policy: CompiledPolicy) -> tuple[Case, ...]:
    """The examples that stand in the policy's file."""
    file = policy.file
    return tuple(
        Case(example=example, place=file.place("examples", index)) for index, example in enumerate(file.examples)
    )


def written_cases(document: Document) -> tuple[str, tuple[Case, ...]]:
    """The policy that a test file names, and its cases.

    Raises:
        ConfigError: the file is wrong.
    """
    text = check_examples_text(document)
    return text.policy, tuple(
        Case(example=example, place=document.place(("examples", index))) for index, example in enumerate(text.examples)
    )


def run_cases(policy: CompiledPolicy, cases: Iterable[Case], decide: Decide | None = None) -> tuple[CaseResult, ...]:
    """Run each case; without ``decide``, those that give a request are skipped."""
    results = []
    for case in cases:
        if case.example.request is None:
            results.append(CaseResult(case=case, result=run_example(policy, case.example)))
        elif decide is None:
            results.append(
                CaseResult(case=case, result=None, skipped="it gives a request, and no detectors are at hand")
            )
        else:
            results.append(_decided(case, decide))
    return tuple(results)


def _decided(case: Case, decide: Decide) -> CaseResult:
    try:
        return CaseResult(case=case, result=compare_decision(case.example, decide(case.example)))
    except RouterError as error:
        return CaseResult(case=case, result=None, error=f"{type(error).__name__}: {error.message}")


def coverage(policy: CompiledPolicy, results: Sequence[CaseResult]) -> Coverage:
    """Which rules the cases exercise."""
    file = policy.file
    changed = {str(path[1]) for path, place in file.places.items() if path[0] == "rules" and place.file == file.file}
    verdicts = [result.result.verdict for result in results if result.result is not None]
    return Coverage(
        rules=tuple(rule.id for rule in policy.rules if rule.id in changed),
        fired=frozenset(rule.id for verdict in verdicts for rule in verdict.rules),
        decided=frozenset(rule.id for verdict in verdicts for rule in verdict.rules if rule.decisive),
    )


def junit_xml(suites: Iterable[tuple[str, Sequence[CaseResult]]]) -> str:
    """The results as JUnit XML (https://github.com/testmoapp/junitxml), one suite a policy."""
    root = Element("testsuites", name="router policy test")
    totals = [0, 0, 0]
    for name, results in suites:
        failed = sum(result.failed for result in results)
        skipped = sum(bool(result.skipped) for result in results)
        counts = (len(results), failed, skipped)
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        suite = SubElement(
            root, "testsuite", name=_clean(name), tests=str(counts[0]), failures=str(failed), skipped=str(skipped)
        )
        for result in results:
            place = result.case.place
            case = SubElement(
                suite,
                "testcase",
                name=_clean(result.case.example.name),
                classname=_clean(name),
                file=_clean(place.file),
                line=str(place.line),
                time="0",
            )
            if result.failed:
                failure = SubElement(case, "failure", message=_clean("; ".join(result.differences)))
                failure.text = _clean(result.text)
            elif result.skipped:
                SubElement(case, "skipped", message=result.skipped)
    for key, total in zip(("tests", "failures", "skipped"), totals, strict=True):
        root.set(key, str(total))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Without the characters that XML 1.0 does not allow (https://www.w3.org/TR/xml/#charsets)."""
    return _NOT_XML.sub("", text)
