"""Pictures of a sensitivity analysis: bars, tornado, mu*-sigma, areas and fans over time, scatter; PNG and SVG.

The same bytes for the same numbers and versions. Colours are those of Okabe and Ito and, for a scale, viridis: both can be
told apart by people with the common kinds of colour blindness.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.methods import MEANINGS, METHODS
from flowreform.drawing import Picture, save_picture
from flowreform.export.chart import BASELINE_COLOUR, GREY, Axis
from flowreform.export.sensitivity_courses import areas_panel, fan, moving, over_time, shares_of
from flowreform.export.sensitivity_page import (
    MARKS,
    MOST_PANELS,
    NO_UNIT,
    axis_label,
    dress,
    input_of,
    leading,
    looks,
    note_of,
    page,
    plain_numbers,
    scaled,
    text_of,
    unit_of,
)
from flowreform.text import shown_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

Floats = NDArray[np.float64]

BLUE, ORANGE, VERMILION = "#0072B2", "#E69F00", "#D55E00"
MOST_BARS = 7
MOST_AREAS = 5
FORMATS = ("png", "svg")


def pictures(ds: Dataset, axis: Axis, titles: dict[str, str]) -> Iterator[tuple[str, Picture]]:
    """A name and a maker for each picture that the analysis allows; `titles` are the headings of its scenarios."""
    method = str(ds.attrs["method"])
    kind = {"morris": _morris, "tornado": _tornado}.get(method, _bars)
    for at, label in enumerate(map(str, ds["scenario"].values), start=1):
        one, title = ds.sel(scenario=label), titles[label]
        if kpis := _shown(one):
            yield f"{_NAMES.get(method, 'indices')}_{at}", partial(kind, one, kpis, title)
            if "kpi_value" in ds and ds.sizes["parameter"] > 1 and method != "regional":
                yield f"scatter_{at}", partial(_scatter, one, kpis, title)
        if "variable_index" in ds and (method == "morris" or METHODS[method].shares) and moving(one):
            yield f"over_time_{at}", partial(over_time, one, axis, title)
        if "band" in ds:
            yield f"fan_{at}", partial(fan, one, axis, title)


_NAMES = {"morris": "morris", "tornado": "tornado"}


def save(path: Path, make: Picture, form: str) -> None:
    """Write a picture as `png` or `svg`."""
    save_picture(path, make, form=form, dpi=140)


def _shown(one: Dataset) -> list[str]:
    """The KPIs with estimates that are not all 0, as many as a page takes."""
    if "kpi_index" not in one:
        return []
    names = [str(name) for name in one["kpi"].values]
    return [name for name in names if int(one["kpi_status"].sel(kpi=name)) == 0][:MOST_PANELS]


def _bars(one: Dataset, kpis: list[str], title: str) -> Figure:
    """Bars with intervals: every index that is a share, or the leading one."""
    method = METHODS[str(one.attrs["method"])]
    indices = [name for name in method.indices if method.shares] or [method.leading]
    meaning = "; ".join(f"{name}: {MEANINGS[name]}" for name in indices)
    level = f" Lines: {100 * float(one.attrs['confidence']):g} % intervals."
    has_width = bool(np.isfinite(one["kpi_confidence"].sel(index=indices).values).any())
    figure, grid = page(len(kpis), f"{title}: {method.label}", note_of(one, f"{meaning}.{level if has_width else ''}", len(kpis)))
    for place, kpi in zip(grid, kpis, strict=True):
        _bars_panel(place, one, kpi, indices)
    return figure


def _bars_panel(place: Axes, one: Dataset, kpi: str, indices: list[str]) -> None:
    method = METHODS[str(one.attrs["method"])]
    order = leading(one, kpi)[:MOST_BARS]
    high = 0.8 / len(indices)
    for number, name in enumerate(indices):
        values = np.asarray(one["kpi_index"].sel(kpi=kpi, index=name).values)[order]
        widths = np.asarray(one["kpi_confidence"].sel(kpi=kpi, index=name).values)[order]
        where = np.arange(len(order)) + (number - (len(indices) - 1) / 2) * high
        colour = (BLUE, ORANGE)[number % 2]
        place.barh(where, values, height=high, color=colour, label=name, edgecolor="white", linewidth=0.5)
        if np.isfinite(widths).any():
            place.errorbar(values, where, xerr=widths, fmt="none", ecolor=BASELINE_COLOUR, elinewidth=1, capsize=2)
    _inputs_axis(place, one, order)
    unit = f"[{unit_of(one, 'kpi', kpi) or NO_UNIT}]" if method.in_units else ""
    words = "share of the variance" if method.shares else MEANINGS[indices[0]]
    place.set_xlabel(axis_label(words, unit), fontsize=9, color=GREY)
    dress(place, text_of(one, "kpi", kpi))
    if len(indices) > 1:
        place.legend(fontsize=8.5, frameon=False, loc="lower right")


def _inputs_axis(place: Axes, one: Dataset, order: NDArray[np.int_]) -> None:
    place.set_yticks(np.arange(len(order)), [input_of(one, int(at)) for at in order])
    place.invert_yaxis()
    plain_numbers(place, "x")
    place.axvline(0, color="#9a9a9a", linewidth=0.8)
    place.grid(axis="x", color="#e4e4e4", linewidth=0.8)


def _tornado(one: Dataset, kpis: list[str], title: str) -> Figure:
    """For each input what its low and its high end change, the widest on top."""
    note = "Each input alone at its 5th and 95th percentile, all others at their medians; what inputs do together is not seen."
    figure, grid = page(len(kpis), f"{title}: one at a time", note_of(one, note, len(kpis)))
    for place, kpi in zip(grid, kpis, strict=True):
        order = leading(one, kpi)[:MOST_BARS]
        table = one["kpi_index"].sel(kpi=kpi)
        ends = {name: np.asarray(table.sel(index=name).values)[order] for name in ("low", "high")}
        factor, word = scaled(max(float(np.abs(part).max()) for part in ends.values()))
        for name, colour, label in (("low", BLUE, "input low (P5)"), ("high", VERMILION, "input high (P95)")):
            place.barh(np.arange(len(order)), ends[name] / factor, height=0.7, color=colour, label=label, alpha=0.9)
        _inputs_axis(place, one, order)
        unit = axis_label(word, unit_of(one, "kpi", kpi)) or NO_UNIT
        place.set_xlabel(f"change [{unit}]", fontsize=9, color=GREY)
        dress(place, text_of(one, "kpi", kpi))
    figure.legend(*grid[0].get_legend_handles_labels(), fontsize=9.5, frameon=False, loc="upper right", ncols=2)
    return figure


def _morris(one: Dataset, kpis: list[str], title: str) -> Figure:
    """Mean size of elementary effects against their spread: far right matters, high up bends or depends on others."""
    note = "mu*: mean size of the effect over an input's range, with interval; sigma: its spread. Broken line: sigma = mu*."
    figure, grid = page(len(kpis), f"{title}: Morris elementary effects", note_of(one, note, len(kpis)), tall=3.6)
    sizes = np.nan_to_num(np.asarray(one["kpi_index"].sel(kpi=kpis, index="mu_star").values))
    each = looks(sizes / np.maximum(sizes.max(axis=1, keepdims=True), 1e-300))
    for place, kpi in zip(grid, kpis, strict=True):
        table = one["kpi_index"].sel(kpi=kpi)
        size, bend = (np.asarray(table.sel(index=name).values) for name in ("mu_star", "sigma"))
        width = np.asarray(one["kpi_confidence"].sel(kpi=kpi, index="mu_star").values)
        factor, word = scaled(float(max(size.max(), bend.max())))
        place.errorbar(size / factor, bend / factor, xerr=width / factor, fmt="o", color=GREY, markersize=4, elinewidth=0.8)
        reach = float(max(size.max(), bend.max())) / factor
        place.plot([0, reach], [0, reach], color=GREY, linestyle=(0, (3, 3)), linewidth=0.9)
        handles = []
        for at in leading(one, kpi)[:MOST_AREAS]:
            colour, mark = each[at]
            look: dict[str, Any] = {"color": colour, "marker": MARKS[mark], "markersize": 7.5, "linestyle": ""}
            handles += place.plot(size[at] / factor, bend[at] / factor, **look, label=input_of(one, int(at), 30), zorder=3)
        place.legend(handles=handles, fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        plain_numbers(place, "both")
        unit = axis_label(word, unit_of(one, "kpi", kpi)) or NO_UNIT
        place.set_xlabel(f"mu* [{unit}]", fontsize=9, color=GREY)
        place.set_ylabel(f"sigma [{unit}]", fontsize=9, color=GREY)
        place.set_xlim(left=0)
        place.set_ylim(bottom=0)
        place.grid(color="#ececec", linewidth=0.8)
        dress(place, text_of(one, "kpi", kpi))
    return figure


def _scatter(one: Dataset, kpis: list[str], title: str) -> Figure:
    """A KPI over its two leading inputs, its value as colour."""
    kpis = kpis[:6]
    figure, grid = page(len(kpis), f"{title}: KPIs on their two leading inputs", note_of(one, "A point is one run.", len(kpis)))
    drawn = np.asarray(one["drawn"].values)
    for place, kpi in zip(grid, kpis, strict=True):
        order = leading(one, kpi)[:2]
        values = np.asarray(one["kpi_value"].sel(kpi=kpi).values)
        known = np.flatnonzero(np.isfinite(values))[:2000]
        factor, word = scaled(float(np.abs(values[known]).max()))
        x, y = (drawn[known, at] for at in order)
        points = place.scatter(x, y, c=values[known] / factor, s=9, cmap="viridis", linewidths=0, rasterized=True)
        bar = figure.colorbar(points, ax=place, pad=0.02)
        bar.set_label(axis_label(word, unit_of(one, "kpi", kpi)) or NO_UNIT, fontsize=9, color=GREY)
        plain_numbers(bar.ax, "y")
        plain_numbers(place, "both")
        bar.ax.tick_params(labelsize=8.5, colors=GREY)
        bar.outline.set_visible(False)
        units = [shown_unit(str(one["parameter_units"].values[at])) for at in order]
        words = [input_of(one, int(at), 30) + f"\n[{unit or NO_UNIT}]" for at, unit in zip(order, units, strict=True)]
        place.set_xlabel(words[0], fontsize=9, color=GREY)
        place.set_ylabel(words[1], fontsize=9, color=GREY)
        dress(place, text_of(one, "kpi", kpi))
    return figure


def one_page(one: Dataset, kpi: str, variable: str, axis: Axis, title: str) -> Figure:
    """What matters to one KPI, beside what matters to one variable over time, for a model's own page."""
    method = METHODS[str(one.attrs["method"])]
    indices = [name for name in method.indices if method.shares]
    note = "; ".join(f"{name}: {MEANINGS[name]}" for name in indices)
    level = f"Lines: {100 * float(one.attrs['confidence']):g} % intervals."
    right_note = "Right: how far apart the 5th and 95th percentile of the draws lie, split by first-order shares."
    figure, (left, right) = page(2, title, note_of(one, f"{note}. {level} {right_note}"), tall=3.4)
    _bars_panel(left, one, kpi, indices)
    part = shares_of(one, variable, "S1")
    band = one["band"].sel(variable=variable)
    size = np.asarray(band.sel(quantile=0.95).values - band.sel(quantile=0.05).values)
    look = looks((part[0] * size[:, None])[part[1]].mean(axis=0)[None, :])
    areas_panel(right, one, variable, "S1", part, look, axis, spread=True)
    right.set_title(
        f"{text_of(one, 'variable', variable)}: uncertain by how much, and why", loc="left", fontsize=10.5, weight="bold"
    )
    return figure


def writers(made: Iterator[tuple[str, Any]]) -> dict[str, Callable[[Path], None]]:
    """A writer for each picture and format, by file name; a picture is made once for all of its formats."""
    found: dict[str, Callable[[Path], None]] = {}
    for name, make in made:
        once = functools.cache(make)  # goes with its writers: figures of other pictures are not kept
        for form in FORMATS:
            found[f"{name}.{form}"] = partial(_write, once, form, last=form == FORMATS[-1])
    return found


def _write(make: Any, form: str, path: Path, *, last: bool) -> None:
    save(path, make, form)
    if last:
        make.cache_clear()
