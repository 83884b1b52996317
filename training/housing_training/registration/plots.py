"""Small plots as SVG text, for people who look at a run: no plotting library on the way of a Job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve

WIDTH, HEIGHT = 460, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 46
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000")
"""Okabe and Ito's, which colour-blind people tell apart."""

MOST_POINTS = 200

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart, with its points in order."""

    name: str
    points: Points
    dashed: bool = False


def line_chart(title: str, across: str, up: str, lines: Sequence[Line]) -> str:
    """Lines over two axes that just hold them."""
    xs = np.array([x for line in lines for x, _ in line.points] or [0.0, 1.0])
    ys = np.array([y for line in lines for _, y in line.points] or [0.0, 1.0])
    left, right = _ends(xs)
    low, high = _ends(ys)

    def place(x: float, y: float) -> str:
        across_ = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{across_:.1f},{down:.1f}"

    parts = []
    for tick in np.linspace(low, high, 5):
        start, end = place(left, float(tick)), place(right, float(tick)).split(",")
        x, y = start.split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{end[0]}" y2="{y}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, float(y) + 4, f"{tick:.3g}", "end"))
    for tick in np.linspace(left, right, 5):
        x = place(float(tick), low).split(",")[0]
        parts.append(_text(float(x), HEIGHT - BOTTOM + 16, f"{tick:.3g}", "middle"))
    for number, line in enumerate(lines):
        colour = "#888" if line.dashed else COLOURS[number % len(COLOURS)]
        dash = ' stroke-dasharray="4 3"' if line.dashed else ""
        points = " ".join(place(x, y) for x, y in line.points)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        parts.append(
            f'<text x="{WIDTH - RIGHT - 4}" y="{TOP + 14 + 15 * number}" text-anchor="end" '
            f'fill="{colour}">{escape(line.name)}</text>'
        )
    return _svg(title, across, up, parts)


def matrix_chart(title: str, classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """A confusion matrix: true classes down, predicted ones across, darker for a larger share."""
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell_width = (WIDTH - LEFT - RIGHT) / len(classes)
    cell_height = (HEIGHT - TOP - BOTTOM) / len(classes)
    parts = []
    for row, name in enumerate(classes):
        middle = TOP + (row + 0.5) * cell_height + 4
        parts.append(_text(LEFT - 6, middle, name[:9], "end"))
        parts.append(
            _text(LEFT + (row + 0.5) * cell_width, HEIGHT - BOTTOM + 16, name[:12], "middle")
        )
        for column in range(len(classes)):
            share = float(shares[row, column])
            x, y = LEFT + column * cell_width, TOP + row * cell_height
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell_width:.1f}" '
                f'height="{cell_height:.1f}" fill="#0072b2" fill-opacity="{share:.3f}" '
                'stroke="#fff"/>'
            )
            colour = "#fff" if share > 0.5 else "#000"
            text = f"{counts[row, column]:,} ({share:.0%})"
            parts.append(_text(x + cell_width / 2, middle, text, "middle", colour))
    return _svg(title, "predicted class", "true class", parts)


def bar_chart(title: str, across: str, bars: Sequence[tuple[str, float, float]]) -> str:
    """Horizontal bars: (name, length, half of its spread), the longest first."""
    most = max((abs(length) + spread for _, length, spread in bars), default=1.0) or 1.0
    left = 190
    scale = (WIDTH - left - RIGHT - 50) / most
    step = (HEIGHT - TOP - BOTTOM) / max(1, len(bars))
    parts = []
    for number, (name, length, spread) in enumerate(bars):
        y = TOP + number * step
        wide = max(0.0, length) * scale
        parts.append(_text(left - 6, y + step / 2 + 4, name[:28], "end"))
        parts.append(
            f'<rect x="{left}" y="{y + 1:.1f}" width="{wide:.1f}" height="{step - 2:.1f}" '
            'fill="#0072b2"/>'
        )
        shown = f"{length:.4f} ± {spread:.4f}"
        parts.append(_text(left + wide + 4, y + step / 2 + 4, shown, "start"))
    return _svg(title, across, "", parts)


def precision_recall_lines(
    truth: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any], classes: Sequence[str]
) -> list[Line]:
    """(recall, precision) of each class against the others; classes that do not occur have none."""
    lines = []
    for label, name in enumerate(classes):
        if (truth == label).any():
            precision, recall, _ = precision_recall_curve(truth == label, probabilities[:, label])
            at = np.unique(np.linspace(0, len(recall) - 1, MOST_POINTS).astype(int))
            lines.append(Line(name, [(float(recall[i]), float(precision[i])) for i in at]))
    return lines


def _ends(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#000") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _svg(title: str, across: str, up: str, parts: Sequence[str]) -> str:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{WIDTH / 2}" y="18" text-anchor="middle" font-size="14">'
            f"{escape(title)}</text>",
            _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, "middle"),
            f'<text x="12" y="{middle}" text-anchor="middle" '
            f'transform="rotate(-90 12 {middle})">{escape(up)}</text>',
            *parts,
            "</svg>\n",
        ]
    )
