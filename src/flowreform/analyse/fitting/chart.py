"""Fit against data: a panel for each series, observed values as points, the model before and after as lines."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flowreform.analyse.fitting.estimate import Fit

AFTER, BEFORE, OBSERVED = "#0072B2", "#8a8a8a", "#1a1a1a"


def chart(fit: Fit) -> Figure:
    """The figure of a fit; the caller saves it."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    names = list(fit.errors)
    across = min(3, len(names))
    figure = Figure(figsize=(4.2 * across, 2.9 * ceil(len(names) / across) + 0.5), layout="constrained")
    grid = figure.subplots(ceil(len(names) / across), across, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        points = sorted((point for point in fit.points if point.series == name), key=lambda point: point.year)
        years = [point.year for point in points]
        axes.plot(years, [point.before for point in points], color=BEFORE, linestyle="--", marker=".", label="before")
        axes.plot(years, [point.after for point in points], color=AFTER, marker=".", markersize=7, label="fitted")
        axes.plot(years, [point.observed for point in points], "o", color=OBSERVED, markersize=5, fillstyle="none",
                  label="observed")  # fmt: skip
        axes.set_title(name.replace("_", " "), loc="left", fontsize=10)
        values = [value for point in points for value in (point.before, point.after, point.observed)]
        axes.set_ylim(min(0.0, *values) * 1.1, max(0.0, *values) * 1.1 or 1.0)
        beside = max(0.5, 2.5 - (years[-1] - years[0]) / 2)  # one year alone still stands on an axis of whole years
        axes.set_xlim(years[0] - beside, years[-1] + beside)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if max(values) >= 100 else "{x:g}"))
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{fit.model}: fit against data", x=0.01, ha="left")
    return figure


def write_chart(fit: Fit, path: Path) -> None:
    """The figure as a PNG, the same bytes for the same fit and versions. Raises ExperimentError where it cannot be written."""
    from flowreform.files import write_file

    write_file(path, lambda temporary: chart(fit).savefig(temporary, dpi=130, format="png", metadata={"Software": None}))
