"""Plots of a report as SVG shapes: measurements in, geometry out. Pure.

A drawing is 320 units wide, which is what a phone has, and the style sheet keeps a unit near a
pixel, so that text in it stays as large as the text around it. Colours are classes of the style
sheet: `before` is drawn hollow and `now` solid, so that they differ without colour too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from unicodedata import east_asian_width

from housing_monitoring.page.tables import cut

WIDTH = 320

_CHARACTER = 6.6
"""Width of a digit of the drawings' text, 11 units high."""

_LABEL_PLACES = 19

_TOP, _RIGHT = 10, 6


@dataclass(frozen=True, slots=True)
class Shape:
    """One SVG element; `text` is what a `text` says, and a tip on everything else."""

    tag: Literal["circle", "line", "path", "rect", "text"]
    attributes: dict[str, str | float]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG image; the description says in words what it shows."""

    title: str
    description: str
    height: float
    shapes: list[Shape]


@dataclass(frozen=True, slots=True)
class Bar:
    """A share of the rows on each side; `upper` is where a range of numbers ends."""

    label: str
    before: float
    now: float
    note: str = ""
    upper: float | None = None
    is_range: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a time, with its interval where it has one; `marked` draws it apart."""

    time: datetime
    value: float
    tip: str
    lower: float | None = None
    upper: float | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """A line; `style` is its class in the style sheet."""

    style: Literal["now", "estimate"]
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values between two ends on a stretch of the drawing; `start` is where `low` is drawn."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        place = (min(max(value, self.low), self.high) - self.low) / span if span else 0.5
        return round(self.start + place * (self.end - self.start), 1)


@dataclass(slots=True)
class _Canvas:
    shapes: list[Shape] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, anchor: str = "start", style: str = "") -> None:
        attributes: dict[str, str | float] = {"x": round(x, 1), "y": round(y, 1)}
        attributes |= {"text-anchor": anchor, "class": style}
        self.shapes.append(Shape("text", {k: v for k, v in attributes.items() if v != ""}, text))

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        ends: dict[str, str | float] = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
        rounded = {k: round(float(v), 1) for k, v in ends.items()}
        self.shapes.append(Shape("line", {**rounded, "class": style}))

    def rect(self, box: tuple[float, float, float, float], style: str, tip: str) -> None:
        """A box of x, y, width and height."""
        names = ("x", "y", "width", "height")
        rounded = {name: round(max(v, 0), 1) for name, v in zip(names, box, strict=True)}
        self.shapes.append(Shape("rect", {**rounded, "class": style}, tip))


def histogram(title: str, description: str, bars: Sequence[Bar]) -> Drawing:
    """Columns side by side for ranges of numbers, their ends below; other bars stand apart."""
    left, bottom, height = 38, 132, 164
    ranges = sum(bar.is_range for bar in bars)
    gap = 0.6 if 0 < ranges < len(bars) else 0.0
    step = (WIDTH - left - _RIGHT) / (len(bars) + gap or 1)
    canvas = _Canvas()
    y = _shares(canvas, bars, left, bottom)
    ends = [number(bar.upper) for bar in bars if bar.upper is not None]
    every = math.ceil((max((len(end) for end in ends), default=1) * _CHARACTER + 8) / step)
    for position, bar in enumerate(bars):
        x = left + step * (position + (0.0 if bar.is_range else gap))
        for share, place, style in ((bar.before, 0.1, "before"), (bar.now, 0.52, "now")):
            tip = f"{bar.label}: {share:.1%} {_SIDES[style]}"
            box = (x + step * place, y(share), step * 0.38, bottom - y(share))
            canvas.rect(box, style, tip)
        if bar.upper is not None:
            canvas.line(x + step, bottom, x + step, bottom + 4, "axis")
            if position % every == every // 2:
                canvas.text(x + step, bottom + 17, number(bar.upper), "middle", "soft")
        elif not bar.is_range or ranges == 1:
            canvas.text(min(x + step / 2, WIDTH - 26), bottom + 30, bar.label, "middle", "soft")
    canvas.line(left, bottom, WIDTH - _RIGHT, bottom, "axis")
    return Drawing(title, description, height, canvas.shapes)


def categories(title: str, description: str, bars: Sequence[Bar]) -> Drawing:
    """Bars below each other, with their shares in numbers; a note stands below a label."""
    row, left, right, thick = 34, 128, 48, 11
    x = _Axis(0, max((max(bar.before, bar.now) for bar in bars), default=0), left, WIDTH - right)
    canvas = _Canvas()
    for position, bar in enumerate(bars):
        top = position * row + 2
        canvas.text(0, top + (10 if bar.note else 15), _fitting(bar.label))
        if bar.note:
            canvas.text(0, top + 23, bar.note, style="note")
        for share, y, style in ((bar.before, top, "before"), (bar.now, top + thick + 2, "now")):
            tip = f"{bar.label}: {share:.1%} {_SIDES[style]}"
            width = x(share) - left if x.high else 0
            canvas.rect((left, y, width, thick), style, tip)
            canvas.text(WIDTH, y + 9.5, f"{share:.1%}", "end", "soft")
    return Drawing(title, description, max(len(bars), 1) * row, canvas.shapes)


def over_time(
    title: str,
    description: str,
    series: Sequence[Series],
    *,
    limit: float | None = None,
    versions: Sequence[tuple[datetime, str]] = (),
    share: bool = False,
) -> Drawing:
    """Lines over time with their intervals.

    Args:
        title: of the drawing.
        description: in words.
        series: at least one, each with at least one point.
        limit: a threshold, drawn dashed.
        versions: when another version was judged, and its name.
        share: the values are shares: the axis need not begin at 0, and ends at 1.

    """
    left, bottom, height = 40, 132, 154
    points = [point for line in series for point in line.points]
    values = [v for p in points for v in (p.value, p.lower, p.upper) if v is not None]
    values += [] if limit is None else [limit]
    canvas = _Canvas()
    low, high = (max(0.0, math.floor(min(values) * 20 - 0.5) / 20), 1.0) if share else (0.0, 0.0)
    high = high or _ceiling(max(values))
    y = _Axis(low, high, bottom, _TOP)
    for tick in (low, (low + high) / 2, high):
        canvas.line(left, y(tick), WIDTH - _RIGHT, y(tick), "grid")
        canvas.text(
            left - 5, y(tick) + 4, f"{100 * tick:.3g}%" if share else number(tick), "end", "soft"
        )
    times = [point.time for point in points]
    first, last = min(times), max(times)
    x = _Axis(first.timestamp(), last.timestamp(), left + 8, WIDTH - _RIGHT - 8)
    for time, name in versions:
        at = x(time.timestamp())
        canvas.line(at, _TOP, at, bottom, "version")
        canvas.text(min(at + 3, WIDTH - 30), _TOP + 8, name, style="note")
    if limit is not None:
        canvas.line(left, y(limit), WIDTH - _RIGHT, y(limit), "limit")
    for line in series:
        _line(canvas, line, x, y)
    canvas.line(left, bottom, WIDTH - _RIGHT, bottom, "axis")
    canvas.text(left, bottom + 16, _moment(first, last), style="soft")
    canvas.text(WIDTH - _RIGHT, bottom + 16, _moment(last, first), "end", "soft")
    return Drawing(title, description, height, canvas.shapes)


def _line(canvas: _Canvas, series: Series, x: _Axis, y: _Axis) -> None:
    places = [(x(p.time.timestamp()), y(p.value), p) for p in series.points]
    path = "M" + " L".join(f"{at} {up}" for at, up, _ in places)
    canvas.shapes.append(Shape("path", {"d": path, "class": f"line {series.style}"}))
    for at, up, point in places:
        if point.lower is not None and point.upper is not None:
            canvas.line(at, y(point.lower), at, y(point.upper), f"interval {series.style}")
        if point.marked:
            mark = f"M{at} {up - 5} l5 5 -5 5 -5 -5z"
            canvas.shapes.append(Shape("path", {"d": mark, "class": "mark"}, point.tip))
        else:
            centre: dict[str, str | float] = {"cx": at, "cy": up, "r": 3, "class": series.style}
            canvas.shapes.append(Shape("circle", centre, point.tip))


def _moment(time: datetime, other: datetime) -> str:
    """A time as the end of an axis whose other end is `other`."""
    return f"{time:%H:%M}" if time.date() == other.date() else f"{time.day} {time:%b %Y}"


_SIDES = {"before": "in training", "now": "in the window"}


def _shares(canvas: _Canvas, bars: Sequence[Bar], left: float, bottom: float) -> _Axis:
    top = _ceiling(max((max(bar.before, bar.now) for bar in bars), default=0.0))
    y = _Axis(0, top, bottom, _TOP)
    for tick in (0, top / 2, top):
        canvas.line(left, y(tick), WIDTH - _RIGHT, y(tick), "grid")
        canvas.text(left - 5, y(tick) + 4, f"{100 * tick:.3g}%", "end", "soft")
    return y


def _ceiling(value: float) -> float:
    """The next larger end of an axis whose half is a short number too."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(
        step * unit
        for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10)
        if value <= step * unit * (1 + 1e-9)
    )


def _fitting(label: str) -> str:
    """As much of a label as there is room for beside the bars; wide letters take two places."""
    places = 0
    for position, letter in enumerate(label):
        places += 2 if east_asian_width(letter) in "WF" else 1
        if places > _LABEL_PLACES:
            return cut(label, position)
    return label


def number(value: float | None) -> str:
    """A number as people write it, in a few characters; nothing for None."""
    if value is None:
        return ""
    size = abs(value)
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if unit <= size < 1e15:
            return f"{value / unit:.3g}{name}"
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
