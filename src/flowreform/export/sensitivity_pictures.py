"""Pictures of a sensitivity analysis: bars, tornado, mu*-sigma, areas and fans over time, scatter; PNG and SVG.

The same bytes for the same numbers and versions. Colours are those of Okabe and Ito and, for a scale, viridis: both can be
told apart by people with the common kinds of colour blindness.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from flowreform.errors import one_line
from flowreform.export.chart import BASELINE_COLOUR, COLOURS, GREY, SCALES, Axis, _x_axis
from flowreform.export.tables import shown_unit
from flowreform.sensitivity.methods import MEANINGS, METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

Floats = NDArray[np.float64]
Picture = Callable[[], "Figure"]
Shares = tuple[Floats, NDArray[np.bool_]]

BLUE, ORANGE, VERMILION = "#0072B2", "#E69F00", "#D55E00"
REST = "#c9c9c9"
MOST_PANELS = 8
MOST_BARS = 7
MOST_AREAS = 5
MARKS = ("o", "s", "^", "D", "v")
HATCHES = ("", "///", "...", "\\\\\\", "xx")
FORMATS = ("png", "svg")
NO_UNIT = "no unit"
"""What an axis says of a number that has none."""


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
        if "variable_index" in ds and (method == "morris" or METHODS[method].shares) and _moving(one):
            yield f"over_time_{at}", partial(_over_time, one, axis, title)
        if "band" in ds:
            yield f"fan_{at}", partial(_fan, one, axis, title)


_NAMES = {"morris": "morris", "tornado": "tornado"}


def save(path: Path, make: Picture, form: str) -> None:
    """Write a picture as `png` or `svg`."""
    import matplotlib

    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(("backend", "webagg"))}
    with matplotlib.rc_context(defaults | {"text.parse_math": False, "svg.hashsalt": "flowreform"}):
        metadata = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
        make().savefig(path, format=form, dpi=140, metadata=metadata)


def _shown(one: Dataset) -> list[str]:
    """The KPIs with estimates that are not all 0, as many as a page takes."""
    if "kpi_index" not in one:
        return []
    names = [str(name) for name in one["kpi"].values]
    return [name for name in names if int(one["kpi_status"].sel(kpi=name)) == 0][:MOST_PANELS]


def _moving(one: Dataset) -> list[str]:
    """The variables that something matters to at some time."""
    names = [str(name) for name in one["variable"].values]
    return [name for name in names if (one["variable_status"].sel(variable=name).values == 0).any()][:MOST_PANELS]


def _page(count: int, title: str, note: str, *, columns: int = 2, tall: float = 3.1) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, a heading and a note below."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(columns, count)
    rows = ceil(count / columns)
    width = 6.4 * columns if columns > 1 else 8.0
    below = textwrap.wrap(one_line(note, 700), int(15.5 * width))
    heading = textwrap.wrap(one_line(title, 300), int(7.4 * width))
    top, bottom = 0.2 + 0.29 * len(heading), 0.18 * len(below) + 0.12
    height = tall * rows + top + bottom
    rect = (0.005, bottom / height, 0.99, 1 - (top + bottom) / height)
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=rect, h_pad=0.1, w_pad=0.12))
    grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for place in grid[count:]:
        place.set_axis_off()
    figure.text(0.012, 1 - 0.1 / height, "\n".join(heading), ha="left", va="top", fontsize=14, weight="bold", linespacing=1.2)
    figure.text(0.012, 0.07 / height, "\n".join(below), ha="left", va="bottom", fontsize=8.5, color=GREY, linespacing=1.25)
    return figure, grid[:count]


def _dress(place: Axes, title: str) -> None:
    place.set_title("\n".join(textwrap.wrap(one_line(title, 110), 40)), loc="left", fontsize=10.5, weight="bold")
    for side in ("top", "right"):
        place.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        place.spines[side].set_color("#9a9a9a")
    place.tick_params(colors=GREY, labelsize=8.5)
    place.set_axisbelow(True)


def _text(one: Dataset, kind: str, name: str) -> str:
    text = str(one[f"{kind}_label"].sel({kind: name}).values).replace("_", " ")
    return text[:1].upper() + text[1:]


def _unit(one: Dataset, kind: str, name: str) -> str:
    return shown_unit(str(one[f"{kind}_units"].sel({kind: name}).values))


def _plain_numbers(place: Axes, which: Literal["x", "y", "both"]) -> None:
    """Few enough ticks that their numbers do not touch, with commas between thousands."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis in (place.xaxis, place.yaxis) if which == "both" else (getattr(place, f"{which}axis"),):
        axis.set_major_locator(MaxNLocator(nbins=5))
        axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:,.10g}"))


def _input(one: Dataset, at: int, width: int = 34) -> str:
    text = str(one["parameter_label"].values[at]).replace("_", " ")
    text = text[:1].upper() + text[1:]
    return "\n".join(textwrap.wrap(one_line(text, 70), width)[:2])


def _scaled(largest: float) -> tuple[float, str]:
    for factor, word in SCALES:
        if largest >= factor:
            return factor, word
    return 1.0, ""


def _axis_label(*words: str) -> str:
    return " ".join(one_line(word, 40) for word in words if word)


def _leading(one: Dataset, kpi: str) -> NDArray[np.int_]:
    """The numbers of the parameters, the most important first."""
    method = METHODS[str(one.attrs["method"])]
    values = np.abs(np.asarray(one["kpi_index"].sel(kpi=kpi, index=method.leading).values))
    return np.argsort(-np.nan_to_num(values), kind="stable")


def _note(one: Dataset, more: str, kpis: int | None = None) -> str:
    about = one.attrs
    total = one.sizes.get("kpi", 0)
    part = f" {kpis} of {total} KPIs; all are in indices.csv." if kpis is not None and kpis < total else ""
    runs = f"{int(about['runs_per_scenario']):,} runs, seed {about['seed']}."
    return f"{more}{part} Model {about['model']} {str(about['model_sha256'])[:8]}, {runs}"


# --- one moment -------------------------------------------------------------------------------------------------------


def _bars(one: Dataset, kpis: list[str], title: str) -> Figure:
    """Bars with intervals: every index that is a share, or the leading one."""
    method = METHODS[str(one.attrs["method"])]
    indices = [name for name in method.indices if method.shares] or [method.leading]
    meaning = "; ".join(f"{name}: {MEANINGS[name]}" for name in indices)
    level = f" Lines: {100 * float(one.attrs['confidence']):g} % intervals."
    has_width = bool(np.isfinite(one["kpi_confidence"].sel(index=indices).values).any())
    figure, grid = _page(len(kpis), f"{title}: {method.label}", _note(one, f"{meaning}.{level if has_width else ''}", len(kpis)))
    for place, kpi in zip(grid, kpis, strict=True):
        _bars_panel(place, one, kpi, indices)
    return figure


def _bars_panel(place: Axes, one: Dataset, kpi: str, indices: list[str]) -> None:
    method = METHODS[str(one.attrs["method"])]
    order = _leading(one, kpi)[:MOST_BARS]
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
    unit = f"[{_unit(one, 'kpi', kpi) or NO_UNIT}]" if method.in_units else ""
    words = "share of the variance" if method.shares else MEANINGS[indices[0]]
    place.set_xlabel(_axis_label(words, unit), fontsize=9, color=GREY)
    _dress(place, _text(one, "kpi", kpi))
    if len(indices) > 1:
        place.legend(fontsize=8.5, frameon=False, loc="lower right")


def _inputs_axis(place: Axes, one: Dataset, order: NDArray[np.int_]) -> None:
    place.set_yticks(np.arange(len(order)), [_input(one, int(at)) for at in order])
    place.invert_yaxis()
    _plain_numbers(place, "x")
    place.axvline(0, color="#9a9a9a", linewidth=0.8)
    place.grid(axis="x", color="#e4e4e4", linewidth=0.8)


def _tornado(one: Dataset, kpis: list[str], title: str) -> Figure:
    """For each input what its low and its high end change, the widest on top."""
    note = "Each input alone at its 5th and 95th percentile, all others at their medians; what inputs do together is not seen."
    figure, grid = _page(len(kpis), f"{title}: one at a time", _note(one, note, len(kpis)))
    for place, kpi in zip(grid, kpis, strict=True):
        order = _leading(one, kpi)[:MOST_BARS]
        table = one["kpi_index"].sel(kpi=kpi)
        ends = {name: np.asarray(table.sel(index=name).values)[order] for name in ("low", "high")}
        factor, word = _scaled(max(float(np.abs(part).max()) for part in ends.values()))
        for name, colour, label in (("low", BLUE, "input low (P5)"), ("high", VERMILION, "input high (P95)")):
            place.barh(np.arange(len(order)), ends[name] / factor, height=0.7, color=colour, label=label, alpha=0.9)
        _inputs_axis(place, one, order)
        unit = _axis_label(word, _unit(one, "kpi", kpi)) or NO_UNIT
        place.set_xlabel(f"change [{unit}]", fontsize=9, color=GREY)
        _dress(place, _text(one, "kpi", kpi))
    figure.legend(*grid[0].get_legend_handles_labels(), fontsize=9.5, frameon=False, loc="upper right", ncols=2)
    return figure


def _morris(one: Dataset, kpis: list[str], title: str) -> Figure:
    """Mean size of elementary effects against their spread: far right matters, high up bends or depends on others."""
    note = "mu*: mean size of the effect over an input's range, with interval; sigma: its spread. Broken line: sigma = mu*."
    figure, grid = _page(len(kpis), f"{title}: Morris elementary effects", _note(one, note, len(kpis)), tall=3.6)
    sizes = np.nan_to_num(np.asarray(one["kpi_index"].sel(kpi=kpis, index="mu_star").values))
    looks = _looks(sizes / np.maximum(sizes.max(axis=1, keepdims=True), 1e-300))
    for place, kpi in zip(grid, kpis, strict=True):
        table = one["kpi_index"].sel(kpi=kpi)
        size, bend = (np.asarray(table.sel(index=name).values) for name in ("mu_star", "sigma"))
        width = np.asarray(one["kpi_confidence"].sel(kpi=kpi, index="mu_star").values)
        factor, word = _scaled(float(max(size.max(), bend.max())))
        place.errorbar(size / factor, bend / factor, xerr=width / factor, fmt="o", color=GREY, markersize=4, elinewidth=0.8)
        reach = float(max(size.max(), bend.max())) / factor
        place.plot([0, reach], [0, reach], color=GREY, linestyle=(0, (3, 3)), linewidth=0.9)
        handles = []
        for at in _leading(one, kpi)[:MOST_AREAS]:
            colour, mark = looks[at]
            look: dict[str, Any] = {"color": colour, "marker": MARKS[mark], "markersize": 7.5, "linestyle": ""}
            handles += place.plot(size[at] / factor, bend[at] / factor, **look, label=_input(one, int(at), 30), zorder=3)
        place.legend(handles=handles, fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        _plain_numbers(place, "both")
        unit = _axis_label(word, _unit(one, "kpi", kpi)) or NO_UNIT
        place.set_xlabel(f"mu* [{unit}]", fontsize=9, color=GREY)
        place.set_ylabel(f"sigma [{unit}]", fontsize=9, color=GREY)
        place.set_xlim(left=0)
        place.set_ylim(bottom=0)
        place.grid(color="#ececec", linewidth=0.8)
        _dress(place, _text(one, "kpi", kpi))
    return figure


def _scatter(one: Dataset, kpis: list[str], title: str) -> Figure:
    """A KPI over its two leading inputs, its value as colour."""
    kpis = kpis[:6]
    figure, grid = _page(len(kpis), f"{title}: KPIs on their two leading inputs", _note(one, "A point is one run.", len(kpis)))
    drawn = np.asarray(one["drawn"].values)
    for place, kpi in zip(grid, kpis, strict=True):
        order = _leading(one, kpi)[:2]
        values = np.asarray(one["kpi_value"].sel(kpi=kpi).values)
        known = np.flatnonzero(np.isfinite(values))[:2000]
        factor, word = _scaled(float(np.abs(values[known]).max()))
        x, y = (drawn[known, at] for at in order)
        points = place.scatter(x, y, c=values[known] / factor, s=9, cmap="viridis", linewidths=0, rasterized=True)
        bar = figure.colorbar(points, ax=place, pad=0.02)
        bar.set_label(_axis_label(word, _unit(one, "kpi", kpi)) or NO_UNIT, fontsize=9, color=GREY)
        _plain_numbers(bar.ax, "y")
        _plain_numbers(place, "both")
        bar.ax.tick_params(labelsize=8.5, colors=GREY)
        bar.outline.set_visible(False)
        units = [shown_unit(str(one["parameter_units"].values[at])) for at in order]
        words = [_input(one, int(at), 30) + f"\n[{unit or NO_UNIT}]" for at, unit in zip(order, units, strict=True)]
        place.set_xlabel(words[0], fontsize=9, color=GREY)
        place.set_ylabel(words[1], fontsize=9, color=GREY)
        _dress(place, _text(one, "kpi", kpi))
    return figure


# --- over time --------------------------------------------------------------------------------------------------------


def _over_time(one: Dataset, axis: Axis, title: str) -> Figure:
    """Shares of the variance over time, one area for each leading input and one for the rest."""
    method = METHODS[str(one.attrs["method"])]
    names = _moving(one)
    index = "S1" if "S1" in method.indices else method.leading
    note = (
        "First-order shares, those below 0 drawn as 0; grey: other inputs, and what inputs do together. Gaps: nothing varies."
        if index == "S1"
        else f"{index} of each input as a share of the sum over all inputs."
    )
    figure, grid = _page(len(names), f"{title}: what matters when", _note(one, note), tall=3.3)
    parts = {name: _shares(one, name, index) for name in names}
    look = _looks(np.stack([shares[varies].mean(axis=0) for shares, varies in parts.values()]))
    for place, name in zip(grid, names, strict=True):
        _areas_panel(place, one, name, index, parts[name], look, axis)
    return figure


def _areas_panel(
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
        factor, word = _scaled(float(size.max()))
        size = size / factor
    order = np.argsort(-(shares * size[:, None])[varies].mean(axis=0), kind="stable")[:MOST_AREAS]
    rest = np.where(varies, np.clip(1.0 - shares[:, order].sum(axis=1), 0.0, None), 0.0)
    colours = [*(look[at][0] for at in order), REST]
    stack = place.stackplot(times, *(shares[:, order].T * size), rest * size, colors=colours, linewidth=0.4, edgecolor="white")
    for area, at in zip(stack, order, strict=False):
        area.set_hatch(HATCHES[look[at][1]])  # areas are told apart without colour too
    labels = [*(_input(one, int(at), 30) for at in order), "others, and together"]
    place.legend(stack[::-1], labels[::-1], fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    place.set_ylim(0, None if spread else 1)
    if spread:
        place.set_ylabel(_axis_label("P5 to P95,", word, _unit(one, "variable", name)), fontsize=9, color=GREY)
        _plain_numbers(place, "y")
    else:
        place.set_ylabel("share of the variance" if index == "S1" else "share of the sum", fontsize=9, color=GREY)
    _x_axis(place, axis)
    _dress(place, _text(one, "variable", name))


def one_page(one: Dataset, kpi: str, variable: str, axis: Axis, title: str) -> Figure:
    """What matters to one KPI, beside what matters to one variable over time, for a model's own page."""
    method = METHODS[str(one.attrs["method"])]
    indices = [name for name in method.indices if method.shares]
    note = "; ".join(f"{name}: {MEANINGS[name]}" for name in indices)
    level = f"Lines: {100 * float(one.attrs['confidence']):g} % intervals."
    right_note = "Right: how far apart the 5th and 95th percentile of the draws lie, split by first-order shares."
    figure, (left, right) = _page(2, title, _note(one, f"{note}. {level} {right_note}"), tall=3.4)
    _bars_panel(left, one, kpi, indices)
    part = _shares(one, variable, "S1")
    band = one["band"].sel(variable=variable)
    size = np.asarray(band.sel(quantile=0.95).values - band.sel(quantile=0.05).values)
    look = _looks((part[0] * size[:, None])[part[1]].mean(axis=0)[None, :])
    _areas_panel(right, one, variable, "S1", part, look, axis, spread=True)
    right.set_title(
        f"{_text(one, 'variable', variable)}: uncertain by how much, and why", loc="left", fontsize=10.5, weight="bold"
    )
    return figure


def _shares(one: Dataset, name: str, index: str) -> Shares:
    """Shares of a variable's variance [time, parameter], none below 0 and no more than 1 in all; and when it varies."""
    shares = np.clip(np.nan_to_num(one["variable_index"].sel(variable=name, index=index).values), 0, None)
    whole = shares.sum(axis=1, keepdims=True)
    limit = np.maximum(whole, 1.0) if index == "S1" else whole
    shares = np.divide(shares, limit, out=np.zeros_like(shares), where=limit > 0)
    return shares, np.asarray(one["variable_status"].sel(variable=name).values) == 0


def _looks(weights: Floats) -> list[tuple[str, int]]:
    """A colour and the number of a hatch or mark for each input, the same in all panels; `weights` are [panel, input]."""
    rank = np.argsort(np.argsort(-weights.sum(axis=0), kind="stable"))
    return [(COLOURS[at % len(COLOURS)], int(at % len(MARKS))) for at in rank]


def _fan(one: Dataset, axis: Axis, title: str) -> Figure:
    """The median and two bands of every variable."""
    names = [str(name) for name in one["variable"].values][:MOST_PANELS]
    note = "Line: median; bands: 10th to 90th and 5th to 95th percentile of the draws."
    figure, grid = _page(len(names), f"{title}: range of outcomes", _note(one, note))
    times = np.asarray(one["time"].values)
    for place, name in zip(grid, names, strict=True):
        low, tenth, middle, ninetieth, high = np.asarray(one["band"].sel(variable=name).values)
        factor, word = _scaled(float(np.nanmax(np.abs(np.stack([low, high])))))
        place.fill_between(times, low / factor, high / factor, color=BLUE, alpha=0.18, linewidth=0)
        place.fill_between(times, tenth / factor, ninetieth / factor, color=BLUE, alpha=0.28, linewidth=0)
        place.plot(times, middle / factor, color=BLUE, linewidth=2.0)
        place.set_ylabel(_axis_label(word, _unit(one, "variable", name)) or NO_UNIT, fontsize=9, color=GREY)
        _plain_numbers(place, "y")
        place.grid(axis="y", color="#e4e4e4", linewidth=0.8)
        _x_axis(place, axis)
        _dress(place, _text(one, "variable", name))
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
