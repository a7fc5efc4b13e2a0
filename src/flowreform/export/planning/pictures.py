"""The pictures of a plan: the frontier, and beds closed against places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowreform.analyse.planning import FoundPlan
from flowreform.analyse.planning.lattice import Plan
from flowreform.analyse.planning.score import is_kept, mean
from flowreform.drawing import save_picture
from flowreform.export.chart import COLOURS, GREY
from flowreform.export.planning.closure import closure_of
from flowreform.export.planning.words import label
from flowreform.kpi import kpi_unit
from flowreform.text import scale, shown_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset


def has_frontier(found: FoundPlan) -> bool:
    """Whether there are two points at least to draw a line through."""
    return sum(point.plan is not None for point in found.frontier) > 1


def draw_frontier(path: Path, found: FoundPlan) -> None:
    """The frontier as a PNG."""
    save_picture(path, lambda: _frontier(found), dpi=110)


def draw_closure(path: Path, found: FoundPlan, ds: Dataset) -> None:
    """The bed-closure page as a PNG."""
    save_picture(path, lambda: _closure(found, ds), dpi=110)


def _frontier(found: FoundPlan) -> Figure:
    """Every plan that keeps the other promises as a dot, the best for each level as a line."""
    from matplotlib.figure import Figure

    item = next(row for row in found.problem.requirements if row.name == found.problem.frontier)
    at = found.problem.requirements.index(item)
    points = [point for point in found.frontier if point.plan is not None]
    dots = [pair for plan in found.known if (pair := _dot(found, plan, at)) is not None]
    factor, word = scale(*(point.objective for point in points), *(y for _, y in dots))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(
        [x for x, _ in dots],
        [y / factor for _, y in dots],
        s=10,
        color="#bbbbbb",
        label="plans tried that keep the other promises",
    )
    axes.plot(
        [p.level for p in points],
        [p.objective / factor for p in points],
        "o-",
        color=COLOURS[1],
        label="best plan for each level",
    )
    best = _dot(found, found.plan, at)
    if best is not None:
        axes.plot(best[0], best[1] / factor, "D", color=COLOURS[0], markersize=8, label="the plan")
    unit = shown_unit(item.unit)
    form = "of the baseline, times" if item.form == "times" else "against the baseline" if item.relative else ""
    axes.set_xlabel(f"{item.name}{', ' + form if form else ''}{' (' + unit + ')' if unit and item.form != 'times' else ''}")
    kpi = found.experiment.kpis[found.problem.objective]
    money = " ".join(part for part in (shown_unit(kpi_unit(kpi, found.experiment)), word) if part)
    axes.set_ylabel(f"{label(found)}{' (' + money + ')' if money else ''}\nmean of {found.problem.draws} draws")
    axes.set_title("The frontier: what each level costs", loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _dot(found: FoundPlan, plan: Plan, at: int) -> tuple[float, float] | None:
    """The level that a plan keeps in the share asked for, and its objective; None where it breaks another promise."""
    from dataclasses import replace

    terms, one = found.terms, found.known[plan]
    levels = tuple(
        None if place == at or item.name in found.problem.replaced else level
        for place, (item, level) in enumerate(zip(found.problem.requirements, terms.levels, strict=True))
    )
    if not is_kept(one, found.problem, replace(terms, levels=levels)):
        return None
    item = found.problem.requirements[at]
    row = np.sort(item.sign * one.worst[at])
    value = float(item.sign * row[min(len(row) - 1, int(np.ceil(terms.share * len(row) - 1e-9)) - 1)])
    return (value, mean(one)) if np.isfinite(value) else None


def _closure(found: FoundPlan, ds: Dataset) -> Figure:
    """Beds closed and usable places above, the margin of each kind of place below, the gap of staff at the bottom."""
    from matplotlib.figure import Figure

    shown = closure_of(found, ds)
    calendar = found.experiment.case.calendar if found.experiment.case else None
    rows = [bool(shown.closed), bool(shown.margins), bool(shown.gaps)]
    figure = Figure(figsize=(11, 3.0 * sum(rows) + 0.4), layout="constrained")
    grid = figure.subplots(sum(rows), 1, sharex=True, squeeze=False)[:, 0]
    place = iter(grid)
    if shown.closed is not None:
        axes = next(place)
        axes.fill_between(shown.times, shown.closed.low, shown.closed.high, color="#1a1a1a", alpha=0.15, linewidth=0)
        axes.plot(shown.times, shown.closed.middle, color="#1a1a1a", linewidth=2, label="Beds closed")
        for colour, item in zip(COLOURS, shown.usable, strict=False):
            gained = item.middle - item.middle[0]
            axes.plot(shown.times, gained, color=colour, label=item.label)
        axes.set_title(
            "Beds closed, and usable places more than at the start (medians; band: 8 in 10 runs of beds closed)",
            loc="left",
            fontsize=10,
        )
        axes.set_ylabel("beds, places")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if shown.margins:
        axes = next(place)
        for colour, item in zip(COLOURS, shown.margins, strict=False):
            axes.fill_between(shown.times, item.low, item.high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(shown.times, item.middle, color=colour, label=item.label)
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.set_title("Margin: usable places less what is needed of them (median; band: 8 in 10 runs)", loc="left", fontsize=10)
        axes.set_ylabel("places")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if shown.gaps:
        axes = next(place)
        for colour, item in zip(COLOURS, shown.gaps, strict=False):
            axes.plot(shown.times, item.middle, color=colour, label=item.label)
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.set_title("Staff: posts with nobody in them (medians; below 0: staff without a post)", loc="left", fontsize=10)
        axes.set_ylabel("WTE")
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    last = grid[-1]
    if calendar is not None:
        ticks = shown.times[:: max(1, len(shown.times) // 10)]
        last.set_xticks(ticks, [f"{calendar.date(float(time)):%b %Y}" for time in ticks], rotation=30, ha="right")
    else:
        last.set_xlabel(found.experiment.model.specs.time_unit)
    for axes in grid:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure
