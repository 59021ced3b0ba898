"""The decision flow as text, Mermaid and SVG, from the compiled policy alone; a request's own way is lit up.

Layout: questions stand in a column in the order of the file, targets to their right, jumps that skip a question run
along the left edge. ``way`` is what :func:`router.policy.walk` returned; without it nothing is lit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from textwrap import wrap
from typing import Final

import msgspec

from .flow import Answer, CompiledFlow, FlowEnd, Step

__all__ = ["flow_mermaid", "flow_svg", "flow_text"]

_ANSWERS: Final[tuple[Answer, ...]] = ("yes", "no", "unknown")


class _Edge(msgspec.Struct, frozen=True, kw_only=True):
    """From a step to another step (its index) or to a target; ``answers`` lead there, ``lit`` says the request did."""

    start: int
    goes_to: int | FlowEnd
    answers: tuple[Answer, ...]
    lit: bool

    @property
    def label(self) -> str:
        return " / ".join(self.answers)

    @property
    def target(self) -> str:
        return "" if isinstance(self.goes_to, int) else self.goes_to.label


def flow_text(flow: CompiledFlow, way: Sequence[Step] = ()) -> str:
    """One line a question; the request's way is marked ``>`` with its answer in brackets, its target with ``<==``."""
    given = {step.id: step.answer for step in way}
    last = way[-1].id if way else None
    width = max(len(step.step.ask) for step in flow.steps)
    margin = max(len(step.step.id) for step in flow.steps)
    lines = []
    for index, step in enumerate(flow.steps):
        mark = ">" if step.step.id in given else " "
        branches = []
        for edge in _edges(flow, index, given):
            branch = f"{edge.label} -> {_named(flow, edge)}"
            branches.append(f"[{branch}]" if edge.lit else f" {branch} ")
        line = f"{mark} {step.step.id:<{margin}}  {step.step.ask:<{width}}  {'  '.join(branches)}".rstrip()
        lines.append(f"{line}  <==" if step.step.id == last else line)
    return "\n".join(lines)


def flow_mermaid(flow: CompiledFlow, way: Sequence[Step] = ()) -> str:
    """A Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html); steps and links of the way are thick."""
    given = {step.id: step.answer for step in way}
    lines = ["flowchart TD"]
    lit_nodes: list[str] = []
    lit_links: list[str] = []
    link = 0
    for index, step in enumerate(flow.steps):
        name = _node(step.step.id)
        lines.append(f'    {name}{{{{"{_quoted(step.step.id)}: {_quoted(step.step.ask)}"}}}}')
        if step.step.id in given:
            lit_nodes.append(name)
        for edge in _edges(flow, index, given):
            if isinstance(edge.goes_to, int):
                end = _node(flow.steps[edge.goes_to].step.id)
            else:
                end = f"{name}_{_node(edge.target)}"
                lines.append(f'    {end}(["{_quoted(edge.target)}"])')
                if edge.lit:
                    lit_nodes.append(end)
            lines.append(f"    {name} -->|{edge.label}| {end}")
            if edge.lit:
                lit_links.append(str(link))
            link += 1
    if lit_nodes:
        lines.append("    classDef lit fill:#ffe8a3,stroke:#b35900,stroke-width:3px,color:#000000")
        lines.append(f"    class {','.join(lit_nodes)} lit")
    if lit_links:
        lines.append(f"    linkStyle {','.join(lit_links)} stroke:#b35900,stroke-width:3px")
    return "\n".join(lines) + "\n"


_BOX_W, _BOX_H, _GAP, _LEFT, _TOP = 300, 54, 34, 70, 20
_END_X, _END_W, _END_H = _LEFT + _BOX_W + 110, 110, 24
_STYLE: Final = (
    "text{font:13px sans-serif;fill:#222}.small{font-size:11px;fill:#555}"
    ".box{fill:#f4f6f8;stroke:#8a949e}.end{fill:#fff;stroke:#8a949e}"
    ".edge{fill:none;stroke:#8a949e;stroke-width:1.2}"
    ".lit.box,.lit.end{fill:#ffe8a3;stroke:#b35900;stroke-width:2.5}.lit.edge{stroke:#b35900;stroke-width:3}"
)


def flow_svg(flow: CompiledFlow, way: Sequence[Step] = ()) -> str:
    """An SVG 1.1 image, complete with its styles. It has a title and a description for screen readers."""
    given = {step.id: step.answer for step in way}
    height = 2 * _TOP + len(flow.steps) * (_BOX_H + _GAP)
    told = " ".join(f"{step.id}: {step.question} {step.answer}." for step in way) or "No request is shown."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_END_X + _END_W + 20}" height="{height}" '
        f'viewBox="0 0 {_END_X + _END_W + 20} {height}" role="img">',
        f"<title>Decision flow</title><desc>{escape(told)}</desc><style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="#6b747d"/></marker></defs>',
    ]
    boxes: list[str] = []
    for index, step in enumerate(flow.steps):
        top = _top(index)
        boxes.append(_box(step.step.id, step.step.ask, top, lit=step.step.id in given))
        ends = 0
        for number, edge in enumerate(_edges(flow, index, given)):
            if isinstance(edge.goes_to, int):
                parts.append(_link(index, edge.goes_to, edge, number))
            else:
                parts.append(_to_end(top, edge, ends))
                ends += 1
    return "\n".join([*parts, *boxes, "</svg>"]) + "\n"


def _edges(flow: CompiledFlow, index: int, given: dict[str, Answer]) -> Iterator[_Edge]:
    """The step's ways on, answers that lead to the same place together; ``unknown`` only where it differs from no."""
    step = flow.steps[index]
    goes = {"yes": step.yes, "no": step.no, "unknown": step.unknown}
    merged: dict[int | str, list[Answer]] = {}
    for answer in _ANSWERS:
        end = goes[answer]
        merged.setdefault(end if isinstance(end, int) else end.label, []).append(answer)
    taken = given.get(step.step.id)
    for answers in merged.values():
        shown = [answer for answer in answers if answer != "unknown" or "no" not in answers]
        yield _Edge(start=index, goes_to=goes[answers[0]], answers=tuple(shown), lit=taken in answers)


def _named(flow: CompiledFlow, edge: _Edge) -> str:
    return flow.steps[edge.goes_to].step.id if isinstance(edge.goes_to, int) else edge.goes_to.label


def _top(index: int) -> int:
    return _TOP + index * (_BOX_H + _GAP)


def _box(name: str, ask: str, top: int, *, lit: bool) -> str:
    lines = wrap(f"{name}: {ask}", 44)[:3]
    first = top + _BOX_H / 2 + 4 - 8 * (len(lines) - 1)
    text = "".join(
        f'<text x="{_LEFT + _BOX_W / 2:g}" y="{first + 16 * row:g}" text-anchor="middle">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    return (
        f'<rect class="{"lit " if lit else ""}box" x="{_LEFT}" y="{top}" width="{_BOX_W}" height="{_BOX_H}" rx="8"/>'
        + text
    )


def _to_end(top: int, edge: _Edge, place: int) -> str:
    lit = "lit " if edge.lit else ""
    y = top + 12 + place * (_END_H + 6)
    x = _LEFT + _BOX_W
    return (
        f'<path class="{lit}edge" d="M{x} {y} H{_END_X}" marker-end="url(#tip)"/>'
        f'<text class="small" x="{x + 8}" y="{y - 4}">{escape(edge.label)}</text>'
        f'<rect class="{lit}end" x="{_END_X}" y="{y - _END_H // 2}" width="{_END_W}" height="{_END_H}" rx="12"/>'
        f'<text x="{_END_X + _END_W // 2}" y="{y + 4}" text-anchor="middle">{escape(edge.target)}</text>'
    )


def _link(start: int, end: int, edge: _Edge, number: int) -> str:
    lit = "lit " if edge.lit else ""
    middle = _LEFT + _BOX_W // 2 + 40 * number
    if end == start + 1:
        path = f"M{middle} {_top(start) + _BOX_H} V{_top(end)}"
        at = (middle + 6, _top(start) + _BOX_H + _GAP // 2 + 4)
    else:
        side = 12 + 10 * (start % 5)
        path = f"M{_LEFT} {_top(start) + _BOX_H // 2} H{side} V{_top(end) + 14} H{_LEFT}"
        at = (side + 4, _top(start) + _BOX_H // 2 - 4)
    return (
        f'<path class="{lit}edge" d="{path}" marker-end="url(#tip)"/>'
        f'<text class="small" x="{at[0]}" y="{at[1]}">{escape(edge.label)}</text>'
    )


def _node(name: str) -> str:
    # "end" is a word of Mermaid's grammar, so every name gets a letter in front.
    return "n_" + re.sub(r"[^A-Za-z0-9]", "_", name)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "#quot;").replace("<", "&lt;").replace(">", "&gt;")
