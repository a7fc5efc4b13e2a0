"""Sensitivity: how far results spread over the experiment's draws, as values, and which inputs move them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from flowreform.export.workbook.book import (
    CELL,
    GREY,
    HEADER,
    HEADING,
    SMALL,
    SUBTITLE,
    TITLE,
    WRAPPED,
    Book,
    Page,
    Progress,
    number_format,
    style,
)
from flowreform.export.workbook.source import Floats, WorkbookSource
from flowreform.export.workbook.yearly_sheets import Year, YearRow, rows_of, years_of
from flowreform.kpi import kpis
from flowreform.names import element_names, split
from flowreform.runs import run
from flowreform.statistics import quantiles

if TYPE_CHECKING:
    from xarray import Dataset

NOT_ADDITIVE = "Percentiles do not add up across rows: the P90 of a total is not the sum of the P90s of its parts."
QUANTILES = (0.1, 0.5, 0.9)
FEWEST = 20
"""Draws from which a rank correlation is shown."""


def draws_of(source: WorkbookSource, progress: Progress | None) -> Dataset | None:
    """The experiment's own runs, over all scenarios and draws, at the model's own dt; None where there is one draw only."""
    experiment = source.experiment
    if experiment.draws < 2 or not experiment.uncertainties:
        return None
    wanted = {split(row.item.name)[0] for row in rows_of(source)} | set(experiment.save)
    save = tuple(name for name in experiment.model.variables if name in wanted)
    return run(dataclasses.replace(experiment, save=save), progress=progress)


def write_sensitivity(book: Book, source: WorkbookSource, draws: Dataset | None) -> None:
    """P10, P50 and P90 by year for every scenario, and the rank correlation of each uncertain input with each key number."""
    page = book.page("Sensitivity", "#330072")
    page.put(0, 0, "Sensitivity", TITLE)
    page.put(1, 0, NOT_ADDITIVE, SUBTITLE, style(bold=True))
    if draws is None:
        page.put(3, 0, "The experiment has one draw: nothing varies. Give it draws and uncertainties and export again.", SMALL)
        page.widths(40)
        page.finish()
        return
    years = years_of(source)
    page.widths(46, 14, 34, 9, *([12] * len(years)))
    count = source.experiment.draws
    many = len(source.experiment.uncertainties)
    page.put(2, 0, f"Values, not formulas: {count} draws of {many} uncertain inputs, the same for every scenario.", SMALL)
    page.put_row(4, 0, ("Result", "Unit", "Scenario", "", *(year.label for year in years)), HEADER)
    row = 5
    for item in rows_of(source):
        row = _quantiles(page, source, draws, item, years, row)
    page.sheet.autofilter(4, 0, row - 1, 3 + len(years))
    if count >= FEWEST:
        _correlations(page, source, draws, row + 2)
    page.finish(freeze=(5, 3), repeat=(4, 4))


def _quantiles(page: Page, source: WorkbookSource, draws: Dataset, item: YearRow, years: tuple[Year, ...], row: int) -> int:
    name, elements = split(item.item.name)
    data = draws[name]
    if elements:
        inner = [str(dim) for dim in data.dims if dim not in ("scenario", "draw", "time")]
        data = data.sel(dict(zip(inner, elements, strict=True)))
    values = np.asarray(data.transpose("scenario", "draw", "time").values)
    times = np.asarray(draws["time"].values)
    found = np.stack([_of_year(values, times, source, item, year) for year in years], axis=-1)
    shown = quantiles(found, QUANTILES, axis=1) if np.isfinite(found).any() else np.zeros((3, *found[:, 0].shape))
    look = style(num_format=number_format(item.unit, percent=item.percent, size=float(np.nanmax(np.abs(shown)))))
    for number, label in enumerate(source.labels):
        for k, word in enumerate(("P10", "P50", "P90")):
            page.put_row(row, 0, (item.label, item.unit, label), CELL, style(font_color=GREY) if k != 1 else {})
            page.put(row, 3, word, CELL, style(bold=k == 1))
            for i in range(len(years)):
                page.put(row, 4 + i, float(shown[k, number, i]), CELL, look, style(bold=k == 1))
            row += 1
    return row


def _of_year(values: Floats, times: Floats, source: WorkbookSource, item: YearRow, year: Year) -> Floats:
    """[scenario, draw]: what stands for a year, from the saved values; means and sums by straight lines between them."""
    begin, end = float(source.rows[year.first]), float(source.rows[year.last])
    inside = np.flatnonzero((times >= begin - 1e-6) & (times <= end + 1e-6))
    part = values[..., inside]
    span = end - begin
    match item.statistic:
        case "start":
            found: Floats = part[..., 0]
        case "end":
            found = part[..., -1]
        case "max":
            found = part.max(axis=-1)
        case "min":
            found = part.min(axis=-1)
        case "increase":
            found = part[..., -1] - part[..., 0]
        case _:
            total = np.asarray(np.trapezoid(part, times[inside], axis=-1))
            found = total if item.statistic == "total" else total / span
    return np.asarray(found * item.scale)


def _correlations(page: Page, source: WorkbookSource, draws: Dataset, row: int) -> None:
    from scipy.stats import rankdata

    experiment = source.experiment
    numbers = kpis(draws, experiment)
    scenario = source.scenarios[source.chosen]
    page.put(
        row, 0, f"What moves the key numbers: rank correlation over the draws, scenario {source.labels[source.chosen]}", HEADING
    )
    page.put(row + 1, 0, "From -1 to 1: the sign says which way, the size how steadily. Chance alone gives about "
             f"{2 / np.sqrt(experiment.draws):.2f} either way. Blank: the key number does not vary.", SMALL)  # fmt: skip
    heads = [experiment.kpis[name].label or name.replace("_", " ") for name in experiment.kpis]
    page.put_row(row + 2, 0, ("Uncertain input", "", "", ""), HEADER)
    page.put_row(row + 2, 4, heads, HEADER)
    page.height(row + 2, 70)
    first = row + 3
    columns = {name: np.asarray(numbers[name].sel(scenario=scenario).values, dtype=np.float64) for name in experiment.kpis}
    at = first
    for name in experiment.uncertainties:
        base = split(name)[0]
        drawn = draws[name] if name in draws else draws[base]
        if "scenario" in drawn.dims:
            drawn = drawn.sel(scenario=scenario)
        x = np.asarray(drawn.values, dtype=np.float64)
        page.put(
            at,
            0,
            experiment.uncertainties[name].label or element_names(experiment.model, experiment.model[base])[0].replace("_", " "),
            WRAPPED,
        )
        for k, y in enumerate(columns.values()):
            good = np.isfinite(y) & np.isfinite(x)
            value = None
            if good.sum() >= FEWEST and np.ptp(y[good]) > 0 and np.ptp(x[good]) > 0:
                value = float(np.corrcoef(rankdata(x[good]), rankdata(y[good]))[0, 1])
            page.put(at, 4 + k, value, CELL, style(num_format="0.00"))
        at += 1
    page.sheet.conditional_format(
        first, 4, max(first, at - 1), 3 + len(columns),
        {"type": "3_color_scale", "min_type": "num", "mid_type": "num", "max_type": "num", "min_value": -1, "mid_value": 0,
         "max_value": 1, "min_color": "#F6C3BE", "mid_color": "#FFFFFF", "max_color": "#C6E7CF"},
    )  # fmt: skip


__all__ = ["draws_of", "write_sensitivity"]
