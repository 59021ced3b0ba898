"""pytest plugin: ``assert_routes`` says where a request must go, and ``*_test.yaml`` files of policies are collected.

Hermetic: decisions are made by the real detectors, policy and models, and nothing is called. ``ROUTER_CONFIG`` and
``ROUTER_POLICY`` choose what is tested, or the ``router_under_test`` fixture does, overridden in a conftest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..api import Router
    from ..offline.bench import Party
    from ..policy.compile import CompiledPolicy
    from ..policy.suite import Case
    from ..types import Decision

__all__ = ["PolicyTestFile", "assert_routes", "router_under_test"]


@pytest.fixture(scope="session")
def router_under_test() -> Iterator[Router]:
    """The router whose decisions ``assert_routes`` looks at; override it for a config of your own."""
    from ..api import Router

    with Router() as router:
        yield router


@pytest.fixture
def assert_routes(router_under_test: Router) -> Callable[..., Decision]:
    """``assert_routes("Is this kind?", to="llm", rule="GEN-04")``: decide, compare, and say why when it differs.

    ``to``: ``local``, ``llm`` or ``refuse``; ``rule``: who decided; ``model``, ``tier``, ``task``: of the decision;
    ``fired``: rules that must have fired; ``redact``: kinds that must be masked. Other keywords are fields of a chat
    body, or hints (``max_usd``, ``tenant`` ...). Returns the decision.
    """

    def check(
        request: Any = None,
        *,
        to: str | None = None,
        rule: str | None = None,
        model: str | None = None,
        tier: str | None = None,
        task: str | None = None,
        fired: Iterable[str] = (),
        redact: Iterable[str] | None = None,
        **fields: Any,
    ) -> Decision:
        __tracebackhide__ = True
        explanation = router_under_test.explain(request, **fields)
        decision = explanation.decision
        deciders = [each.id for each in decision.verdict.rules if each.decisive] or ["otherwise"]
        differences = [
            f"{what}: expected {wanted}, got {got}"
            for what, wanted, got in (
                ("target", to, decision.target.kind),
                ("model", model, decision.target.model),
                ("tier", tier, decision.target.tier),
                ("task", task, decision.task.label),
                ("redact", None if redact is None else sorted(redact), sorted(decision.verdict.redact)),
            )
            if wanted is not None and wanted != got
        ]
        if rule is not None and rule not in deciders:
            differences.append(f"rule: expected {rule}, decided by {', '.join(deciders)}")
        differences += [f"fired: {each} did not fire" for each in fired if each not in decision.rules]
        if differences:
            pytest.fail("\n".join([*differences, "", explanation.text]), pytrace=False)
        return decision

    return check


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Test files of policies: YAML called ``*_test.yaml`` with ``policy`` and ``examples`` at the top."""
    if not file_path.name.endswith("_test.yaml"):
        return None
    try:
        text = file_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    keys = {line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()}
    return PolicyTestFile.from_parent(parent, path=file_path) if {"policy", "examples"} <= keys else None


class PolicyTestFile(pytest.File):
    """A file of policy tests; each example is one item."""

    def collect(self) -> Iterable[pytest.Item]:
        from ..config import read_environment
        from ..offline.bench import OpenBench, compiled_policy
        from ..policy.suite import written_cases
        from ..yamlfile import load_yaml

        document = load_yaml(self.path.read_text(encoding="utf-8"), name=str(self.path))
        name, cases = written_cases(document)
        policy = compiled_policy(name, self.path.parent)
        party = None
        if any(case.example.request is not None for case in cases):
            party = OpenBench(read_environment().config)().party(policy)
        for case in cases:
            yield PolicyTestItem.from_parent(self, name=case.example.name, case=case, policy=policy, party=party)


class PolicyTestItem(pytest.Item):
    """One example of a policy test file."""

    def __init__(self, *, case: Case, policy: CompiledPolicy, party: Party | None, **more: Any) -> None:
        super().__init__(**more)
        self.case, self.policy, self.party = case, policy, party

    def runtest(self) -> None:
        """Judge the example; fail with the differences."""
        from ..api import as_request
        from ..policy.suite import run_cases

        def decide(example: Any) -> Decision:
            assert self.party is not None
            return self.party.decide(self.party.observe(as_request(example.request, {})))

        (result,) = run_cases(self.policy, [self.case], decide)
        if result.failed:
            raise _Differs(result.text)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The differences alone: a traceback would tell nothing."""
        return str(excinfo.value) if isinstance(excinfo.value, _Differs) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the example stands."""
        return self.path, self.case.place.line - 1, self.name


class _Differs(AssertionError):
    pass
