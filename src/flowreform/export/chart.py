"""The chart: for each quantity one panel, for each scenario a fan, and what was observed laid over.

A panel is plain numbers; `draw` turns panels into a PNG with the same bytes for the same numbers and versions. Colours are
those of Okabe and Ito, which people with the common kinds of colour blindness can tell apart.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowreform.drawing import save_picture
from flowreform.errors import one_line
from flowreform.statistics import quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

BASELINE_COLOUR = "#1a1a1a"
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
GREY = "#5a5a5a"
MOST_LETTERS = 56
"""Letters of all the names below an axis together: more would run into each other."""
SCALES = ((1e9, "billion"), (1e6, "million"))


@dataclass(frozen=True)
class Fan:
    """One scenario of one variable: the middle and the 10th and 90th percentile of its runs, each at the times `x`.

    `low` and `high` are None where there is a single run. `line` tells several variables of a panel apart."""

    scenario: str
    x: Floats
    middle: Floats
    low: Floats | None = None
    high: Floats | None = None
    line: str = ""


@dataclass(frozen=True)
class ChartPoints:
    """What was observed: `x` on the panel's axis, `y` in its unit; `firm` where every source was verified or derived."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    label: str
    firm: bool = True


@dataclass(frozen=True)
class Axis:
    """What stands below a panel. `edges` are where reporting years begin (and the last one ends), `years` their names."""

    start: float
    stop: float
    label: str
    edges: tuple[float, ...] = ()
    years: tuple[str, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One quantity over time."""

    title: str
    unit: str
    axis: Axis
    fans: tuple[Fan, ...]
    points: tuple[ChartPoints, ...] = ()


def draw(path: Path, panels: Sequence[Panel], *, title: str, question: str = "", note: str, baseline: str = "") -> None:
    """Write the panels as a PNG under a title and a question; `baseline` is the scenario in black."""
    save_picture(path, lambda: _figure(panels, (title, question), note, baseline), dpi=150)


def _figure(panels: Sequence[Panel], words: tuple[str, str], note: str, baseline: str) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = 1 if len(panels) == 1 else 2
    rows = ceil(len(panels) / columns)
    width = 9.0 if columns == 1 else 12.5
    heading = textwrap.wrap(one_line(words[0], 300), 64 if columns == 1 else 92)
    asked = textwrap.wrap(one_line(words[1], 600), 92 if columns == 1 else 130)
    below = textwrap.wrap(one_line(note, 600), 115 if columns == 1 else 160)
    scenarios = list(dict.fromkeys(fan.scenario for panel in panels for fan in panel.fans))
    colours = _colours(scenarios, baseline)
    handles, labels = _entries(panels, colours)
    places = _columns(labels, width - 0.3)
    upper = 0.14 + 0.30 * len(heading) + 0.22 * len(asked)
    top, bottom = upper + 0.14 + 0.22 * ceil(len(labels) / places), 0.2 * len(below) + 0.12
    height = (4.4 if columns == 1 else 3.5) * rows + top + bottom
    rect = (0.005, bottom / height, 0.99, 1 - (top + bottom) / height)
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=rect, h_pad=0.1, w_pad=0.12))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, panel in zip(grid, panels, strict=False):
        _panel(place, panel, colours, baseline)
    for place in grid[len(panels) :]:
        place.set_axis_off()
    left = 0.012
    figure.text(left, 1 - 0.12 / height, "\n".join(heading), ha="left", va="top", fontsize=14, weight="bold", linespacing=1.25)
    under = 1 - (0.14 + 0.30 * len(heading)) / height
    figure.text(left, under, "\n".join(asked), ha="left", va="top", fontsize=11, color=GREY, linespacing=1.25)
    if labels:
        figure.legend(
            handles, labels, ncols=places, loc="upper left", bbox_to_anchor=(left, 1 - (upper + 0.04) / height),
            borderaxespad=0.0, borderpad=0.0, frameon=False, fontsize=10, columnspacing=1.6, handlelength=1.6,
        )  # fmt: skip
    figure.text(left, 0.08 / height, "\n".join(below), ha="left", va="bottom", fontsize=8.5, color=GREY, linespacing=1.3)
    return figure


def _colours(scenarios: Iterable[str], baseline: str) -> dict[str, str]:
    others = [name for name in scenarios if name != baseline]
    found = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(others)}
    return {baseline: BASELINE_COLOUR} | found


def _panel(place: Axes, panel: Panel, colours: dict[str, str], baseline: str) -> None:
    factor, word = _scale(panel)
    lines = list(dict.fromkeys(fan.line for fan in panel.fans))
    alpha = 0.14 if len(colours) <= 4 else 0.08
    ordered = sorted(panel.fans, key=lambda fan: fan.scenario == baseline)  # the baseline lies on top
    for fan in ordered:
        colour = colours[fan.scenario]
        if fan.low is not None and fan.high is not None:
            place.fill_between(fan.x, fan.low / factor, fan.high / factor, color=colour, alpha=alpha, linewidth=0)
        style: Any = STYLES[lines.index(fan.line) % len(STYLES)]
        width = 2.4 if fan.scenario == baseline else 1.9
        place.plot(fan.x, fan.middle / factor, color=colour, linestyle=style, linewidth=width)
    for points in panel.points:
        fill = BASELINE_COLOUR if points.firm else "white"
        y = np.asarray(points.y) / factor
        look: dict[str, Any] = {"color": BASELINE_COLOUR, "markerfacecolor": fill, "markersize": 5.5, "markeredgewidth": 1.3}
        place.plot(points.x, y, "o", **look, zorder=5, clip_on=False)
    place.set_title(one_line(panel.title, 70), loc="left", fontsize=11, weight="bold")
    unit = " ".join(part for part in (word, one_line(panel.unit, 40)) if part)
    place.set_ylabel(unit, fontsize=9.5, color=GREY)
    _y_axis(place)
    _x_axis(place, panel.axis)
    if len(lines) > 1:
        _line_legend(place, lines)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        place.spines[side].set_color("#9a9a9a")
    place.tick_params(colors=GREY, labelsize=9)
    place.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    place.set_axisbelow(True)


def _scale(panel: Panel) -> tuple[float, str]:
    """What large numbers are divided by, so that an axis reads "2, 4, 6 billion USD"."""
    values = [part for fan in panel.fans for part in (fan.middle, fan.low, fan.high) if part is not None]
    finite = [float(np.abs(part[np.isfinite(part)]).max()) for part in values if np.isfinite(part).any()]
    largest = max(finite, default=0.0)
    for factor, word in SCALES:
        if largest >= factor:
            return factor, word
    return 1.0, ""


def _y_axis(place: Axes) -> None:
    """From 0, unless all the movement is far above it; thousands apart."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = place.get_ylim()
    if 0 < low < 0.6 * high:
        place.set_ylim(bottom=0, top=high)
    elif high - low <= 1e-9 * max(abs(low), abs(high)):
        place.set_ylim(low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))
    place.yaxis.set_major_locator(MaxNLocator(nbins=6))
    place.yaxis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:,.10g}"))


def _x_axis(place: Axes, axis: Axis) -> None:
    """Reporting years named in the middle of each, a tick where one begins; every second, fifth, ... when there are many."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    place.set_xlim(axis.start, axis.stop)
    place.margins(x=0)
    place.set_xlabel(one_line(axis.label, 80), fontsize=9.5, color=GREY)
    if len(axis.years) < 1:
        return
    letters = sum(map(len, axis.years))
    every = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10_000) if letters / step <= MOST_LETTERS)
    kept = [at for at, year in enumerate(axis.years) if _year_number(year) % every == 0]
    middles = [(axis.edges[at] + axis.edges[at + 1]) / 2 for at in kept]
    place.xaxis.set_major_locator(FixedLocator(list(axis.edges) if every == 1 else [axis.edges[at] for at in kept]))
    place.xaxis.set_major_formatter(NullFormatter())
    place.xaxis.set_minor_locator(FixedLocator(middles))
    place.xaxis.set_minor_formatter(_names(middles, [axis.years[at] for at in kept]))
    place.tick_params(axis="x", which="minor", length=0, colors=GREY, labelsize=9)


def _names(places: list[float], names: list[str]) -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, position: names[int(np.argmin(np.abs(np.asarray(places) - value)))])


def _year_number(year: str) -> int:
    return int(year[:4])


def _line_legend(place: Axes, lines: list[str]) -> None:
    from matplotlib.lines import Line2D

    styles: list[Any] = [STYLES[at % len(STYLES)] for at in range(len(lines))]
    handles = [Line2D([], [], color=GREY, linestyle=style, linewidth=1.6) for style in styles]
    place.legend(handles, [one_line(line, 40) for line in lines], fontsize=8.5, frameon=False, loc="best", handlelength=2.8)


def _entries(panels: Sequence[Panel], colours: dict[str, str]) -> tuple[list[Any], list[str]]:
    """The one legend of all panels: the scenarios, the band, and what was observed."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = dict.fromkeys(fan.scenario for panel in panels for fan in panel.fans)
    names = [name for name in colours if name in shown] if len(shown) > 1 else []
    handles: list[Any] = [Line2D([], [], color=colours[name], linewidth=2.6) for name in names]
    labels = [one_line(name.replace("_", " "), 40) for name in names]
    if any(fan.low is not None for panel in panels for fan in panel.fans):
        handles.append(Patch(color="#bdbdbd", linewidth=0))
        labels.append("80 % of draws")
    for firm, label in ((True, "observed"), (False, "observed, source not verified")):
        if any(points.firm is firm for panel in panels for points in panel.points):
            fill = BASELINE_COLOUR if firm else "white"
            handles.append(Line2D([], [], linestyle="", marker="o", color=BASELINE_COLOUR, markerfacecolor=fill, markersize=5.5))
            labels.append(label)
    return handles, labels


def _columns(labels: Sequence[str], width: float) -> int:
    """How many columns of a legend fit into a width in inches, at 10 points."""
    widths = [0.56 + 0.072 * len(label) for label in labels]
    for columns in range(len(labels), 1, -1):
        rows, longer = divmod(len(labels), columns)  # as matplotlib fills them: the first columns are one row longer
        ends = [min(at, longer) + at * rows for at in range(columns + 1)]
        if sum(max(widths[begin:end]) for begin, end in pairwise(ends)) <= width:
            return columns
    return 1


def percentiles(values: Floats) -> tuple[Floats, Floats | None, Floats | None]:
    """The middle, 10th and 90th percentile over the first axis [run, time], leaving out what is not finite.

    A single run is its own middle and has no band."""
    if values.shape[0] == 1:
        return values[0], None, None
    middle, low, high = quantiles(values, (0.5, 0.1, 0.9))
    return middle, low, high


def drawable(panel: Panel) -> bool:
    """Whether there is anything to see."""
    return any(any(map(isfinite, fan.middle)) for fan in panel.fans)
