"""Charts as SVG: one house style, direct labels, at most one band a line, readable without colour.

Every text is escaped; numbers are rounded to a tenth of a pixel, so that the same results give the same bytes."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray

from flowreform.errors import visible

Floats = NDArray[np.float64]
INK, GREY, GRID, BLUE, BAND = "#212B32", "#4C6272", "#D8DDE0", "#003087", "#B9C6DE"
STACK = ("#003087", "#5B7DB1", "#9DB2D0", "#4C6272", "#8A9AA6", "#C3CCD2", "#6E5B8A", "#B7ABC8", "#2F6F6B", "#9CC4BF")


@dataclass(frozen=True)
class Median:
    """The course of one option: its name, float64[time] of the median and of the edges of the band (None without draws).

    `against` is a course of its own to compare with, dashed."""

    name: str
    middle: Floats
    low: Floats | None = None
    high: Floats | None = None
    against: Floats | None = None


@dataclass(frozen=True)
class Span:
    """Where values lie and what is written beside them."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float, first: float, last: float) -> float:
        """The place of a value between two pixels."""
        return first + (last - first) * (value - self.low) / (self.high - self.low)


def axis(values: Floats, zero: bool = True, most: float | None = None) -> Span:
    """A round axis around some values; with zero where that costs little, and not past `most`."""
    found = values[np.isfinite(values)]
    low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    if high == low:
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    if zero and (0 < low < 0.6 * high or (low >= 0 and low < 0.3 * high)):
        low = 0.0
    if zero and high < 0 and high > 0.6 * low:
        high = 0.0
    step = _step((high - low) / 4)
    first, last = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
    if most is not None and high <= most < last:
        last = most
    count = round((last - first) / step + 1e-6)
    ticks = tuple(round(first + i * step, 12) for i in range(count + 1) if first + i * step <= last + 1e-9 * step)
    return Span(first, last, ticks)


def _step(rough: float) -> float:
    size = 10.0 ** floor(log10(rough)) if rough > 0 and isfinite(rough) else 1.0
    return next(size * by for by in (1, 2, 2.5, 5, 10) if size * by >= rough * 0.999)


def svg(width: float, height: float, title: str, body: Sequence[str], name: str = "") -> str:
    """An SVG picture with a sentence for those who cannot see it."""
    label = html.escape(visible(title), quote=True)
    return f'<svg class="{name}" viewBox="0 0 {n(width)} {n(height)}" role="img" aria-label="{label}">' + "".join(body) + "</svg>"


def n(value: float) -> str:
    """A coordinate."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0") or "0"


def text(x: float, y: float, words: str, *, anchor: str = "start", size: float = 11, fill: str = INK, weight: str = "") -> str:
    """A line of text."""
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{n(x)}" y="{n(y)}" text-anchor="{anchor}" font-size="{n(size)}" fill="{fill}"{bold}>'
        f"{html.escape(visible(words))}</text>"
    )


def line(points: Sequence[tuple[float, float]], stroke: str, width: float, dash: str = "") -> str:
    """A line through points; where there is no number it is broken."""
    parts: list[str] = []
    pen = "M"
    for x, y in points:
        if not isfinite(y):
            pen = "M"
            continue
        parts.append(f"{pen}{n(x)} {n(y)}")
        pen = "L"
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{"".join(parts)}" fill="none" stroke="{stroke}" stroke-width="{n(width)}"{dashed}/>'


def band(x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> str:
    """An area between two lines."""
    known = [at for at in range(len(x)) if isfinite(low[at]) and isfinite(high[at])]
    if not known:
        return ""
    over = "L".join(f"{n(x[at])} {n(high[at])}" for at in known)
    under = "L".join(f"{n(x[at])} {n(low[at])}" for at in reversed(known))
    return f'<path d="M{over}L{under}Z" fill="{BAND}"/>'


def multiples(
    times: Floats,
    courses: Sequence[Median],
    baseline: int | None,
    ticks: Sequence[tuple[float, str]],
    shown: Callable[[float], str],
    title: str,
    most: float | None = None,
) -> str:
    """Small multiples on the same axes: one option each, median and band; the baseline's median dashed in each."""
    every = np.concatenate(
        [part for item in courses for part in (item.middle, item.low, item.high, item.against) if part is not None]
    )
    y_axis = axis(every, most=most)
    width, height, gap, top, bottom = 720.0, 220.0, 14.0, 24.0, 22.0
    left = _room(y_axis, shown)
    each = (width - left - 4 - gap * (len(courses) - 1)) / len(courses)
    body: list[str] = []
    for number, course in enumerate(courses):
        x0 = left + number * (each + gap)
        x1 = x0 + each

        def across(time: float, x0: float = x0, x1: float = x1) -> float:
            return x0 + (x1 - x0) * (time - float(times[0])) / (float(times[-1] - times[0]) or 1.0)

        def up(value: float) -> float:
            return y_axis.at(value, height - bottom, top)

        body.append(text(x0, 14, _cut(course.name, each / 7.2), size=12, weight="bold"))
        for value in y_axis.ticks:
            body.append(line([(x0, up(value)), (x1, up(value))], GRID, 1))
            if not number:
                body.append(text(left - 6, up(value) + 4, shown(value), anchor="end", fill=GREY))
        for at, (time, word) in enumerate(_thinned(ticks, each / (30 + 6.4 * max((len(word) for _, word in ticks), default=4)))):
            if across(time) + 24 < x1 + gap:
                anchor = "middle" if at else "start"
                body.append(text(across(time), height - 6, word, anchor=anchor, size=10.5, fill=GREY))
            body.append(line([(across(time), height - bottom), (across(time), height - bottom + 4)], GREY, 1))
        x = [across(float(time)) for time in times]
        if course.low is not None and course.high is not None:
            body.append(band(x, [up(float(v)) for v in course.low], [up(float(v)) for v in course.high]))
        if baseline is not None and number != baseline:
            body.append(line(list(zip(x, (up(float(v)) for v in courses[baseline].middle), strict=True)), GREY, 1.6, "5 3"))
        if course.against is not None:
            body.append(line(list(zip(x, (up(float(v)) for v in course.against), strict=True)), GREY, 1.6, "5 3"))
        own = GREY if number == baseline else BLUE
        body.append(
            line(list(zip(x, (up(float(v)) for v in course.middle), strict=True)), own, 2.5, "5 3" if own == GREY else "")
        )
    return svg(width, height, title, body, "chart")


def _room(ticks: Span, shown: Callable[[float], str]) -> float:
    """Room for the longest number beside an axis."""
    return 12.0 + 6.4 * max(len(shown(value)) for value in ticks.ticks)


def _thinned(ticks: Sequence[tuple[float, str]], most: float) -> Sequence[tuple[float, str]]:
    every = max(1, ceil(len(ticks) / max(1.0, most)))
    return ticks[::every]


def _cut(label: str, most: float) -> str:
    return label if len(label) <= most else label[: max(1, int(most) - 1)].rstrip() + "…"


def stacks(
    names: Sequence[str],
    years: Sequence[str],
    values: Sequence[Floats],
    net: Sequence[Floats],
    shown: Callable[[float], str],
    title: str,
) -> str:
    """Stacked bars by year, a panel for each option: float64[part, year] each, and the net as a line with dots."""
    ups = [np.where(v > 0, v, 0).sum(axis=0) for v in values]
    downs = [np.where(v < 0, v, 0).sum(axis=0) for v in values]
    y_axis = axis(np.concatenate([*ups, *downs, *net, np.zeros(1)]))
    width, height, gap, top, bottom = 720.0, 190.0, 16.0, 22.0, 20.0
    left = _room(y_axis, shown)
    each = (width - left - 4 - gap * (len(names) - 1)) / len(names)
    body: list[str] = []

    def up(value: float) -> float:
        return y_axis.at(value, height - bottom, top)

    for number, name in enumerate(names):
        x0 = left + number * (each + gap)
        bar = each / len(years)
        body.append(text(x0, 13, _cut(name, each / 7.2), size=12, weight="bold"))
        for value in y_axis.ticks:
            body.append(line([(x0, up(value)), (x0 + each, up(value))], INK if value == 0 else GRID, 1))
            if not number:
                body.append(text(left - 6, up(value) + 4, shown(value), anchor="end", fill=GREY))
        for year in range(len(years)):
            above = below = 0.0
            for part, value in enumerate(values[number][:, year]):
                size = float(value)
                if not size:
                    continue
                start = above if size > 0 else below
                y0, y1 = up(start), up(start + size)
                above, below = (above + size, below) if size > 0 else (above, below + size)
                body.append(
                    f'<rect x="{n(x0 + year * bar + bar * 0.12)}" y="{n(min(y0, y1))}" width="{n(bar * 0.76)}" '
                    f'height="{n(abs(y1 - y0))}" fill="{STACK[part % len(STACK)]}"/>'
                )
            if year % max(1, ceil(len(years) / max(1.0, each / (10 + 6 * max(map(len, years)))))) == 0:
                middle = x0 + (year + 0.5) * bar
                if middle + 3 * len(years[year]) < x0 + each + gap / 2:
                    body.append(text(middle, height - 5, years[year], anchor="middle", size=10, fill=GREY))
        dots = [(x0 + (year + 0.5) * bar, up(float(value))) for year, value in enumerate(net[number])]
        body.append(line(dots, INK, 1.6))
        body += [f'<circle cx="{n(x)}" cy="{n(y)}" r="2.6" fill="#fff" stroke="{INK}" stroke-width="1.4"/>' for x, y in dots]
    return svg(width, height, title, body, "chart")


def swarm(rows: Sequence[tuple[str, Floats]], shown: Callable[[float], str], title: str) -> str:
    """A dot for every run, a row for every option, zero marked."""
    known = [(name, np.sort(values[np.isfinite(values)])) for name, values in rows]
    x_axis = axis(np.concatenate([*(values for _, values in known), np.zeros(1)]), zero=True)
    left, width, row, radius = 150.0, 430.0, 46.0, 2.1
    height = row * len(known) + 24
    body = []

    def across(value: float) -> float:
        return x_axis.at(value, left, width - 30)

    for tick in x_axis.ticks:
        x = across(tick)
        body.append(line([(x, 4), (x, height - 20)], INK if tick == 0 else GRID, 1.6 if tick == 0 else 1))
        body.append(text(x, height - 6, shown(tick), anchor="middle", size=10.5, fill=GREY))
    for number, (name, values) in enumerate(known):
        middle = 4 + row * (number + 0.5)
        body.append(text(0, middle + 4, _cut(name, 24), size=11.5))
        placed = _apart([across(float(value)) for value in values], radius)
        most = max((abs(offset) for _, offset in placed), default=0.0)
        squeezed = min(1.0, (row / 2 - radius) / most) if most else 1.0
        for x, offset in placed:
            y = middle + offset * squeezed
            body.append(f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(radius)}" fill="{BLUE}" fill-opacity="0.7"/>')
    return svg(width, height, title, body, "swarm")


def _apart(places: Sequence[float], radius: float) -> list[tuple[float, float]]:
    """Rising places with how far up or down each dot stands so that none covers another."""
    placed: list[tuple[float, float]] = []
    for x in places:
        near = [y for other, y in placed if x - other < 2 * radius]
        tries = (sign * step * radius for step in range(2 * len(near) + 2) for sign in (1, -1))
        placed.append((x, next(y for y in tries if all(abs(y - other) >= 2 * radius - 1e-9 for other in near))))
    return placed
