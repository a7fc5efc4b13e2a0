"""Fit against data: a panel for each series, observed values as points, the model before and after as lines."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.drawing import save_picture
from flowreform.errors import one_line
from flowreform.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from flowreform.analyse.fitting.calibrate import Calibration
    from flowreform.analyse.fitting.estimate import Fit
    from flowreform.analyse.fitting.posterior import Posterior

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
        points = sorted((point for point in fit.points if point.series == name), key=lambda point: point.at)
        years = [point.at for point in points]
        axes.plot(years, [point.before for point in points], color=BEFORE, linestyle="--", marker=".", label="before")
        axes.plot(years, [point.after for point in points], color=AFTER, marker=".", markersize=7, label="fitted")
        axes.plot(years, [point.observed for point in points], "o", color=OBSERVED, markersize=5, fillstyle="none",
                  label="observed")  # fmt: skip
        axes.set_title(one_line(name.replace("_", " "), 60), loc="left", fontsize=10)
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
    figure.suptitle(f"{one_line(fit.model, 60)}: fit against data", x=0.01, ha="left")
    return figure


def write_chart(fit: Fit, path: Path) -> None:
    """The figure as a PNG, the same bytes for the same fit and versions. Raises ExperimentError where it cannot be written."""
    write_file(path, lambda temporary: save_picture(temporary, lambda: chart(fit), dpi=130))


PRIOR_BAND, BAND = "#d9d9d9", "#8fc1e3"


def bands(found: Posterior) -> Figure:
    """The figure of a posterior: a panel for each series, 80 % bands before and after, data with two standard errors."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    names = list(dict.fromkeys(row.series for row in found.rows))
    across = min(4, len(names))
    figure = Figure(figsize=(3.6 * across, 2.7 * ceil(len(names) / across) + 0.6), layout="constrained")
    grid = figure.subplots(ceil(len(names) / across), across, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        rows = sorted((row for row in found.rows if row.series == name), key=lambda row: row.at)
        at = [row.at for row in rows]
        if len(rows) > 1:
            axes.fill_between(at, *zip(*((row.prior[0], row.prior[2]) for row in rows), strict=True), color=PRIOR_BAND, lw=0)
            axes.fill_between(at, *zip(*((row.posterior[0], row.posterior[2]) for row in rows), strict=True), color=BAND, lw=0)
            axes.plot(at, [row.posterior[1] for row in rows], color=AFTER, lw=1.4)
        else:
            row = rows[0]
            axes.bar([row.at - 0.5], [row.prior[2] - row.prior[0]], 0.3, [row.prior[0]], color=PRIOR_BAND)
            axes.bar([row.at + 0.5], [row.posterior[2] - row.posterior[0]], 0.3, [row.posterior[0]], color=BAND)
            axes.hlines(row.posterior[1], row.at + 0.35, row.at + 0.65, color=AFTER, lw=1.4)
            axes.set_xlim(row.at - 1.5, row.at + 1.5)
            axes.set_xticks([row.at], [row.when])
        observed, errors = [row.observed for row in rows], [2 * row.error for row in rows]
        axes.errorbar(at, observed, errors, color=OBSERVED, fmt="o", markersize=3.5, lw=1, fillstyle="none")
        axes.set_title(one_line(name.replace("_", " "), 60), loc="left", fontsize=9)
        axes.use_sticky_edges = False
        axes.margins(y=0.08)
        values = [value for row in rows for value in (*row.prior, *row.posterior, row.observed) if value == value]
        if len(rows) > 1:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}" if max(map(abs, values)) >= 100 else "{x:g}"))
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(color=PRIOR_BAND, label="prior, 80 % of draws"),
        Patch(color=BAND, label="posterior, 80 % of draws"),
        Line2D([], [], color=OBSERVED, marker="o", fillstyle="none", label="observed, two standard errors"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{one_line(found.model, 60)}: before and after the data", x=0.01, ha="left")
    return figure


def write_bands(found: Posterior, path: Path) -> None:
    """The figure as a PNG. Raises ExperimentError where it cannot be written."""
    write_file(path, lambda temporary: save_picture(temporary, lambda: bands(found), dpi=130))


AHEAD_BAND, HELD = "#f0c987", "#D55E00"


def months(found: Calibration) -> Figure:
    """The figure of a calibration: a panel for each series, counts as dots, 80 % bands, the months held out in another colour."""
    import numpy as np
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import StrMethodFormatter

    names = list(found.labels)
    figure = Figure(figsize=(8.4, 2.5 * len(names) + 0.7), layout="constrained")
    grid = figure.subplots(len(names), 1, squeeze=False, sharex=True).ravel()
    for axes, name in zip(grid, names, strict=True):
        rows = [item for item in found.months if item.series == name]
        at = np.arange(len(rows))
        bands_ = np.array([item.band for item in rows])
        ahead = np.array([item.ahead for item in rows])
        held = np.array([item.held_out for item in rows])
        for where, colour, line in ((~ahead, BAND, AFTER), (ahead, AHEAD_BAND, BEFORE)):
            axes.fill_between(at[where], bands_[where, 0], bands_[where, 2], color=colour, alpha=0.6, lw=0)
            axes.plot(at[where], bands_[where, 1], color=line, lw=1.3)
        counted = np.array([item.observed for item in rows])
        axes.plot(at[~held], counted[~held], "o", color=OBSERVED, markersize=4)
        axes.plot(at[held], counted[held], "o", color=HELD, markersize=5.5, fillstyle="none", markeredgewidth=1.6)
        if held.any():
            axes.axvline(at[held][0] - 0.5, color=BEFORE, lw=0.9, ls=":")
        axes.set_title(one_line(found.labels[name], 80), loc="left", fontsize=10)
        axes.set_xticks(at[::6], [item.month for item in rows][::6])
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Line2D([], [], color=OBSERVED, marker="o", lw=0, label="counted"),
        Line2D([], [], color=HELD, marker="o", lw=0, fillstyle="none", markeredgewidth=1.6, label="counted, held out"),
        Patch(color=BAND, label="fit and back-test, 80 %"),
        Patch(color=AHEAD_BAND, label="months ahead, 80 %"),
    ]
    if found.untested:
        del handles[1]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(
        f"{one_line(found.experiment, 60)}: what was counted, and the calibrated model", x=0.01, ha="left", fontsize=11
    )
    return figure


def write_months(found: Calibration, path: Path) -> None:
    """The figure as a PNG. Raises ExperimentError where it cannot be written."""
    write_file(path, lambda temporary: save_picture(temporary, lambda: months(found), dpi=130))
