"""Flows of requests between targets as SVG: the old policy on the left, the new one on the right."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

__all__ = ["flows_svg"]

_WIDTH, _HEIGHT, _BAR, _GAP, _TOP = 720, 360, 16, 14, 48
_COLOURS: Final = {"local": "#2e8b57", "llm/small": "#3b7dd8", "llm/large": "#7a4fd0", "refuse": "#b5507d"}


def flows_svg(flows: Mapping[str, int], old: str, new: str) -> str:
    """``flows`` counts requests by ``"old place -> new place"``; ``old`` and ``new`` name the policies."""
    counted = {tuple(flow.split(" -> ", 1)): count for flow, count in flows.items()}
    total = sum(counted.values()) or 1
    places = [sorted({flow[side] for flow in counted}) for side in (0, 1)]
    room = _HEIGHT - _GAP * (max(map(len, places), default=1) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT + _TOP + 16}" role="img" '
        f'aria-label="Flows of requests from {escape(old)} to {escape(new)}">',
        "<style>text{font:13px sans-serif;fill:#333}@media(prefers-color-scheme:dark){text{fill:#ddd}}"
        ".f{fill-opacity:.35}</style>",
    ]
    tops: list[dict[str, float]] = [{}, {}]
    xs = (150, _WIDTH - 150 - _BAR)
    for side, name in ((0, old), (1, new)):
        anchor, x = ("end", xs[0] - 8) if side == 0 else ("start", xs[1] + _BAR + 8)
        parts.append(f'<text x="{x}" y="24" text-anchor="{anchor}" font-weight="bold">{escape(name)}</text>')
        y = float(_TOP)
        for place in places[side]:
            count = sum(number for flow, number in counted.items() if flow[side] == place)
            tall = max(room * count / total, 1.0)
            tops[side][place] = y
            parts.append(
                f'<rect x="{xs[side]}" y="{y:.1f}" width="{_BAR}" height="{tall:.1f}" fill="{_colour(place)}"/>'
                f'<text x="{x}" y="{y + tall / 2 + 4:.1f}" text-anchor="{anchor}">{escape(place)} {count:,}</text>'
            )
            y += tall + _GAP
    left, right, middle = xs[0] + _BAR, xs[1], _WIDTH // 2
    for (start, end), count in sorted(counted.items()):
        tall = max(room * count / total, 1.0)
        one, other = tops[0][start], tops[1][end]
        tops[0][start] += tall
        tops[1][end] += tall
        parts.append(
            f'<path class="f" fill="{_colour(end)}" d="M{left} {one:.1f}C{middle} {one:.1f} {middle} {other:.1f} '
            f"{right} {other:.1f}V{other + tall:.1f}C{middle} {other + tall:.1f} {middle} {one + tall:.1f} {left} "
            f'{one + tall:.1f}Z"><title>{escape(start)} to {escape(end)}: {count:,}</title></path>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _colour(place: str) -> str:
    return _COLOURS.get(place, "#8a8f98")
