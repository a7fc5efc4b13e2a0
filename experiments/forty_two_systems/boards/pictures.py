"""Observed dots, bands and held-out months: a few boards, and England."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import bands
from .data import FORECAST, HORIZON, MONTHS, in_counts, label
from .study import Study, england

TITLES = ("Occupied beds", "Occupancy", "No criteria to reside, remaining")
ORIGIN = 12
"""The inner origin shown: a year known, a year held out."""


def draw(study: Study, names: list[str], path: Path) -> None:
    """One row for England and each board named, one column for each series."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    rows = len(names) + 1
    figure, axes = plt.subplots(rows, 3, figsize=(13, 2.3 * rows), layout="constrained", sharex=True)
    counted = study.counts.forecast_series()
    inner = bands.scaled(study.stocks.bands[ORIGIN], study.factors, study.longest)
    blind = study.blind()
    total = england(study)["observed"]
    for row, name in enumerate(["England, sum of the boards", *names]):
        for series in range(3):
            axis = axes[row, series]
            if row == 0:
                before, after, values = _england(study, ORIGIN)[:, series], _england(study, MONTHS)[:, series], total[series]
            else:
                board = study.counts.names.index(name)
                before, after, values = inner[:, board, series], blind[:, board, series], counted[board, series]
            _panel(axis, before, after, values)
            if row == 0:
                axis.set_title(TITLES[series], fontsize=10, loc="left", fontweight="bold", pad=18)
            if FORECAST[series] == "ga_occupancy":
                axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
            else:
                axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            if series == 0:
                axis.annotate(name, (0.01, 1.02), xycoords="axes fraction", fontsize=8.5, color="#333333")
    ticks = [0, 6, 12, 18, 24, 30, 36]
    for axis in axes[-1]:
        axis.set_xticks(ticks, [label(k) for k in ticks], fontsize=7.5)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _england(study: Study, origin: int) -> np.ndarray:
    """[3, series, month ahead]: quantiles of the sums of boards, scaled as the boards' are.

    Sums are taken draw by draw: national shocks do not cancel."""
    logs = study.stocks.logs[origin]
    sums = in_counts(np.log(np.exp(logs).sum(axis=1)))
    band = np.quantile(sums, (0.1, 0.5, 0.9), axis=0)[:, None]
    return bands.scaled(band, study.factors, study.longest)[:, 0]


def _panel(axis: Any, before: np.ndarray, after: np.ndarray, values: np.ndarray) -> None:
    held = np.arange(ORIGIN, MONTHS)
    ahead = np.arange(MONTHS, MONTHS + HORIZON)
    axis.fill_between(held, before[0], before[2], color="#b0b0b0", alpha=0.5, lw=0, label="80 % band from 12 months")
    axis.plot(held, before[1], color="#777777", lw=1)
    axis.fill_between(ahead, after[0], after[2], color="#2f6fae", alpha=0.3, lw=0, label="80 % band from 24 months, blind")
    axis.plot(ahead, after[1], color="#2f6fae", lw=1.4)
    months = np.arange(MONTHS)
    axis.plot(months[:ORIGIN], values[:ORIGIN], "o", color="#222222", ms=3, label="counted")
    axis.plot(held, values[ORIGIN:], "o", mfc="white", color="#222222", ms=3.5, label="counted, held out from the grey band")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=7.5)
    axis.grid(axis="y", color="#eeeeee")
