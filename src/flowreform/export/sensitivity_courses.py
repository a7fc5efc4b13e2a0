"""Pictures of a sensitivity analysis over time: areas of shares, and the range of outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.methods import METHODS
from flowreform.export.chart import GREY, Axis, _x_axis
from flowreform.export.sensitivity_page import (
    HATCHES,
    MOST_PANELS,
    NO_UNIT,
    axis_label,
    dress,
    input_of,
    looks,
    note_of,
    page,
    plain_numbers,
    scaled,
    text_of,
    unit_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

Floats = NDArray[np.float64]
Shares = tuple[Floats, NDArray[np.bool_]]

BLUE = "#0072B2"
REST = "#c9c9c9"
MOST_AREAS = 5


def moving(one: Dataset) -> list[str]:
    """The variables that something matters to at some time."""
    names = [str(name) for name in one["variable"].values]
    return [name for name in names if (one["variable_status"].sel(variable=name).values == 0).any()][:MOST_PANELS]


def over_time(one: Dataset, axis: Axis, title: str) -> Figure:
    """Shares of the variance over time, one area for each leading input and one for the rest."""
    method = METHODS[str(one.attrs["method"])]
    names = moving(one)
    index = "S1" if "S1" in method.indices else method.leading
    note = (
        "First-order shares, those below 0 drawn as 0; grey: other inputs, and what inputs do together. Gaps: nothing varies."
        if index == "S1"
        else f"{index} of each input as a share of the sum over all inputs."
    )
    figure, grid = page(len(names), f"{title}: what matters when", note_of(one, note), tall=3.3)
    parts = {name: shares_of(one, name, index) for name in names}
    look = looks(np.stack([shares[varies].mean(axis=0) for shares, varies in parts.values()]))
    for place, name in zip(grid, names, strict=True):
        areas_panel(place, one, name, index, parts[name], look, axis)
    return figure


def areas_panel(
    place: Axes,
    one: Dataset,
    name: str,
    index: str,
    part: Shares,
    look: list[tuple[str, int]],
    axis: Axis,
    *,
    spread: bool = False,
) -> None:
    """Areas of shares, or with `spread` of the range of outcomes that they split."""
    times, (shares, varies) = np.asarray(one["time"].values), part
    size, word = np.ones(len(times)), ""
    if spread:
        band = one["band"].sel(variable=name)
        size = np.asarray(band.sel(quantile=0.95).values - band.sel(quantile=0.05).values)
        factor, word = scaled(float(size.max()))
        size = size / factor
    order = np.argsort(-(shares * size[:, None])[varies].mean(axis=0), kind="stable")[:MOST_AREAS]
    rest = np.where(varies, np.clip(1.0 - shares[:, order].sum(axis=1), 0.0, None), 0.0)
    colours = [*(look[at][0] for at in order), REST]
    stack = place.stackplot(
        times, *(shares[:, order].T * size), rest * size, colors=colours, linewidth=0 if spread else 0.4, edgecolor="white"
    )
    for area, at in zip(stack, order, strict=False):
        area.set_hatch(HATCHES[look[at][1]])  # areas are told apart without colour too
    labels = [*(input_of(one, int(at), 30) for at in order), "others, and together"]
    place.legend(stack[::-1], labels[::-1], fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    place.set_ylim(0, None if spread else 1)
    if spread:
        place.set_ylabel(axis_label("P5 to P95,", word, unit_of(one, "variable", name)), fontsize=9, color=GREY)
        plain_numbers(place, "y")
    else:
        place.set_ylabel("share of the variance" if index == "S1" else "share of the sum", fontsize=9, color=GREY)
    _x_axis(place, axis)
    place.tick_params(axis="x", which="minor", labelsize=7.5)  # the legend takes room
    dress(place, text_of(one, "variable", name))


def shares_of(one: Dataset, name: str, index: str) -> Shares:
    """Shares of a variable's variance [time, parameter], none below 0 and no more than 1 in all; and when it varies."""
    shares = np.clip(np.nan_to_num(one["variable_index"].sel(variable=name, index=index).values), 0, None)
    whole = shares.sum(axis=1, keepdims=True)
    limit = np.maximum(whole, 1.0) if index == "S1" else whole
    shares = np.divide(shares, limit, out=np.zeros_like(shares), where=limit > 0)
    return shares, np.asarray(one["variable_status"].sel(variable=name).values) == 0


def fan(one: Dataset, axis: Axis, title: str) -> Figure:
    """The median and two bands of every variable."""
    names = [str(name) for name in one["variable"].values][:MOST_PANELS]
    note = "Line: median; bands: 10th to 90th and 5th to 95th percentile of the draws."
    figure, grid = page(len(names), f"{title}: range of outcomes", note_of(one, note))
    times = np.asarray(one["time"].values)
    for place, name in zip(grid, names, strict=True):
        low, tenth, middle, ninetieth, high = np.asarray(one["band"].sel(variable=name).values)
        factor, word = scaled(float(np.nanmax(np.abs(np.stack([low, high])))))
        place.fill_between(times, low / factor, high / factor, color=BLUE, alpha=0.18, linewidth=0)
        place.fill_between(times, tenth / factor, ninetieth / factor, color=BLUE, alpha=0.28, linewidth=0)
        place.plot(times, middle / factor, color=BLUE, linewidth=2.0)
        place.set_ylabel(axis_label(word, unit_of(one, "variable", name)) or NO_UNIT, fontsize=9, color=GREY)
        plain_numbers(place, "y")
        place.grid(axis="y", color="#e4e4e4", linewidth=0.8)
        _x_axis(place, axis)
        dress(place, text_of(one, "variable", name))
    return figure
