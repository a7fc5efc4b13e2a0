"""What all pictures of a sensitivity analysis share: the page, its words, its axes."""

from __future__ import annotations

import textwrap
from math import ceil
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.methods import METHODS
from flowreform.errors import one_line
from flowreform.export.chart import COLOURS, GREY, SCALES
from flowreform.text import shown_unit, spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

Floats = NDArray[np.float64]

MARKS = ("o", "s", "^", "D", "v")
HATCHES = ("", "///", "...", "\\\\\\", "xx")
MOST_PANELS = 8
NO_UNIT = "no unit"
"""What an axis says of a number that has none."""


def page(count: int, title: str, note: str, *, columns: int = 2, tall: float = 3.1) -> tuple[Figure, list[Axes]]:
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


def dress(place: Axes, title: str) -> None:
    place.set_title("\n".join(textwrap.wrap(one_line(title, 110), 40)), loc="left", fontsize=10.5, weight="bold")
    for side in ("top", "right"):
        place.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        place.spines[side].set_color("#9a9a9a")
    place.tick_params(colors=GREY, labelsize=8.5)
    place.set_axisbelow(True)


def text_of(one: Dataset, kind: str, name: str) -> str:
    return spoken(str(one[f"{kind}_label"].sel({kind: name}).values))


def unit_of(one: Dataset, kind: str, name: str) -> str:
    return shown_unit(str(one[f"{kind}_units"].sel({kind: name}).values))


def plain_numbers(place: Axes, which: Literal["x", "y", "both"]) -> None:
    """Few enough ticks that their numbers do not touch, with commas between thousands."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis in (place.xaxis, place.yaxis) if which == "both" else (getattr(place, f"{which}axis"),):
        axis.set_major_locator(MaxNLocator(nbins=5))
        axis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:,.10g}"))


def input_of(one: Dataset, at: int, width: int = 34) -> str:
    text = spoken(str(one["parameter_label"].values[at]))
    return "\n".join(textwrap.wrap(one_line(text, 70), width)[:2])


def scaled(largest: float) -> tuple[float, str]:
    for factor, word in SCALES:
        if largest >= factor:
            return factor, word
    return 1.0, ""


def axis_label(*words: str) -> str:
    return " ".join(one_line(word, 40) for word in words if word)


def leading(one: Dataset, kpi: str) -> NDArray[np.int_]:
    """The numbers of the parameters, the most important first."""
    method = METHODS[str(one.attrs["method"])]
    values = np.abs(np.asarray(one["kpi_index"].sel(kpi=kpi, index=method.leading).values))
    return np.argsort(-np.nan_to_num(values), kind="stable")


def note_of(one: Dataset, more: str, kpis: int | None = None) -> str:
    about = one.attrs
    total = one.sizes.get("kpi", 0)
    part = f" {kpis} of {total} KPIs; all are in indices.csv." if kpis is not None and kpis < total else ""
    runs = f"{int(about['runs_per_scenario']):,} runs, seed {about['seed']}."
    return f"{more}{part} Model {about['model']} {str(about['model_sha256'])[:8]}, {runs}"


def looks(weights: Floats) -> list[tuple[str, int]]:
    """A colour and the number of a hatch or mark for each input, the same in all panels; `weights` are [panel, input]."""
    rank = np.argsort(np.argsort(-weights.sum(axis=0), kind="stable"))
    return [(COLOURS[at % len(COLOURS)], int(at % len(MARKS))) for at in rank]
