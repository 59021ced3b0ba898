"""Policies: files -> closures -> a Verdict for a request's signals.

``resolve`` reads a policy and what it extends, ``compile_policy`` makes it ready, ``judge`` applies it; ``lint`` finds
what the schema cannot, ``check_examples`` runs a file's own examples, ``walk`` follows the decision flow and ``draw``
shows it. The room knows neither models nor prices, and opens no file.
"""

from __future__ import annotations

from .compile import CompiledPolicy, compile_policy
from .examples import ExampleResult, check_examples
from .flow import Step, walk
from .judge import judge
from .read import Load, PolicyFile, resolve

__all__ = [
    "CompiledPolicy",
    "ExampleResult",
    "Load",
    "PolicyFile",
    "Step",
    "check_examples",
    "compile_policy",
    "judge",
    "resolve",
    "walk",
]
