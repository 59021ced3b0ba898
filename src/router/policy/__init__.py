"""Policies: files -> closures -> a Verdict for a request's signals.

``resolve`` reads a policy and what it extends, ``compile_policy`` makes it ready, ``judge`` applies it; ``lint`` finds
what the schema cannot, ``check_examples`` runs a file's own examples, ``walk`` follows the decision flow and
``flow_text``, ``flow_mermaid`` and ``flow_svg`` show it. The room knows neither models nor prices, and opens no file.
"""

from __future__ import annotations

from .compile import CompiledPolicy, compile_policy
from .draw import flow_mermaid, flow_svg, flow_text
from .examples import ExampleResult, check_examples
from .finding import Finding
from .flow import Step, walk
from .judge import judge
from .lint import lint
from .read import Load, PolicyFile, resolve

__all__ = [
    "CompiledPolicy",
    "ExampleResult",
    "Finding",
    "Load",
    "PolicyFile",
    "Step",
    "check_examples",
    "compile_policy",
    "flow_mermaid",
    "flow_svg",
    "flow_text",
    "judge",
    "lint",
    "resolve",
    "walk",
]
