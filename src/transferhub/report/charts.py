"""Line charts as plain SVG, so that a report is one file that needs no network and no script."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 250, 62, 34, 28, 12
COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed")

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A named series of (step, value)."""

    name: str
    points: Sequence[Point]


def line_chart(lines: Sequence[Line], *, powers_of_ten: bool = False) -> str:
    """An SVG of one or more lines over steps; an empty string if there is nothing to draw.

    `powers_of_ten` says that the points' first numbers are exponents instead of steps.
    """
    drawn = [Line(line.name, [point for point in line.points if math.isfinite(point[1])]) for line in lines]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return ""
    steps = [point[0] for line in drawn for point in line.points]
    values = [point[1] for line in drawn for point in line.points]
    low, high = min(values), max(values)
    if high - low < 1e-12:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    first, last = (min(steps), max(steps)) if powers_of_ten else (min(0.0, *steps), max(*steps, 1.0))

    def place(point: Point) -> str:
        x = LEFT + (point[0] - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - point[1]) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(", ".join(line.name for line in drawn))}">'
    ]
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        x, y = place((first, value)).split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        step = first + share * (last - first)
        x, _ = place((step, low)).split(",")
        anchor = ("start", "middle", "end")[round(share * 2)]
        parts.append(f'<text x="{x}" y="{HEIGHT - 12}" text-anchor="{anchor}">{_shown(step, powers_of_ten)}</text>')
    for number, line in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(point) for point in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(line.points) < 40:
            for point in line.points:
                x, y = place(point).split(",")
                parts.append(
                    f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}">'
                    f"<title>{escape(line.name)} {_shown(point[0], powers_of_ten)}: {point[1]:.5g}</title></circle>"
                )
        parts.append(
            f'<text x="{LEFT + 110 * number}" y="13" style="fill:{colour}" class="key">{escape(line.name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def svg_file(chart: str) -> str:
    """A chart as the text of a file of its own; in a page the style is the page's."""
    return chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" ', 1)


def _shown(x: float, power_of_ten: bool) -> str:
    return f"{10**x:.2g}" if power_of_ten else f"{x:.0f}"
