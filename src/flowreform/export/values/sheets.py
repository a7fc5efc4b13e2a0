"""The sheets with numbers: KPIs, results by year, and what matters to the KPIs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from flowreform.export.tables import by_kpi, shown_unit, without
from flowreform.export.values.lines import WORDS, Line
from flowreform.export.values.results import NOT_ADDITIVE, Results
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
    number_format,
    style,
)
from flowreform.kpi import Row, contrast, summary

if TYPE_CHECKING:
    from xarray import Dataset

YEARLY_FIRST, YEARLY_COLUMNS = 5, 6
"""The first row of numbers on a yearly sheet, and the first column of years."""
MEDIAN = 1
QUIET = style(font_color=GREY)
BETTER = {"lower": "lower", "higher": "higher"}


def write_kpis(book: Book, results: Results) -> None:
    """Each KPI of each scenario over the draws, and each difference to the baseline."""
    page = book.page("KPIs")
    page.put(0, 0, "KPIs", TITLE)
    page.put(1, 0, _over_draws(results), SUBTITLE)
    page.put(2, 0, NOT_ADDITIVE, style(font_size=9, font_color=GREY, bold=True))
    page.widths(46, 16, 10, 30, 14, 14, 14, 14, 9, 30)
    row = _kpi_table(page, 4, "Results", summary(results.kpis), results, signed=False)
    if len(results.names) > 1:
        against = results.labels[results.baseline]
        rows = summary(contrast(results.kpis, baseline=results.experiment.baseline))
        row = _kpi_table(page, row + 1, f'Against "{against}", the same draw against the same draw', rows, results, signed=True)
    page.finish(freeze=(4, 1), repeat=(0, 2))


def _kpi_table(page: Page, row: int, title: str, rows: tuple[Row, ...], results: Results, *, signed: bool) -> int:
    page.put(row, 0, title, HEADING)
    heads = ("KPI", "Unit", "Better", "Scenario", "P10", "P50", "P90", "Mean", "Draws", "Draws without a number")
    page.put_row(row + 1, 0, (*heads, *(("Better in",) if signed else ())), HEADER)
    row += 2
    labels = dict(zip(results.names, results.labels, strict=True))
    for of in by_kpi(rows).values():
        size = max((abs(part) for item in of.values() for part in (item.p10, item.p50, item.p90) if part == part), default=0.0)
        look = style(num_format=_signed(number_format("", size=size)) if signed else number_format("", size=size))
        for item in of.values():
            unit, better = shown_unit(item.unit), BETTER.get(item.better, "")
            page.put_row(row, 0, (item.label, unit, better, labels.get(item.scenario, item.scenario)), WRAPPED)
            for at, value in enumerate((item.p10, item.p50, item.p90, item.mean)):
                page.put(row, 4 + at, number(value), CELL, look, style(bold=at == MEDIAN))
            page.put(row, 8, item.count, CELL)
            page.put(row, 9, without(item), CELL, style(indent=1))
            if signed:
                page.put(row, 10, number(item.better_share), CELL, style(num_format="0%"))
            row += 1
    return row


def write_yearly(
    book: Book, results: Results, name: str, found: Iterable[Line], without: int | None = None
) -> dict[tuple[str, int], int]:
    """P10, P50 and P90 of each line by year and scenario, leaving out the scenario at `without`.

    Gives the row of each median, by the line's name and the scenario's position."""
    signed = without is not None
    page = book.page(name, "#330072" if signed else "#005EB8")
    page.put(0, 0, "Differences by year" if signed else "Results by year", TITLE)
    against = f'Against "{results.labels[without]}", the same draw against the same draw. ' if without is not None else ""
    page.put(1, 0, f"{against}{_over_draws(results)}", SUBTITLE)
    page.put(2, 0, NOT_ADDITIVE, style(font_size=9, font_color=GREY, bold=True))
    page.widths(46, 16, 20, 30, 10, 34, *([12] * len(results.years)))
    heads = (
        "Result",
        "Unit",
        "What a year shows",
        "Scenario",
        "Percentile",
        "Name in the model",
        *(year.label for year in results.years),
    )
    page.put_row(YEARLY_FIRST - 1, 0, heads, HEADER)
    page.height(YEARLY_FIRST - 1, 30)
    row, medians = YEARLY_FIRST, {}
    words = ("P10", "P50", "P90") if results.draws > 1 else ("", "value", "")
    for line in found:
        quantiles = line.differences if signed else line.percentiles
        if quantiles is None:
            continue
        size = float(np.nanmax(np.abs(quantiles))) if np.isfinite(quantiles).any() else 0.0
        shown = number_format(line.unit, size=size)
        look = style(num_format=_signed(shown) if signed else shown)
        for scenario, label in enumerate(results.labels):
            if scenario == without:
                continue
            for at, word in enumerate(words):
                if not word:
                    continue
                middle = at == MEDIAN
                texts = (line.label, line.unit, WORDS[line.statistic], label)
                page.put_row(row, 0, texts, CELL, {} if middle else QUIET)
                page.put(row, 4, word, CELL, style(bold=middle))
                page.put(row, 5, line.name, CELL, QUIET, style(font_size=8))
                for year in range(len(results.years)):
                    value = number(float(quantiles[at, scenario, year]))
                    page.put(row, YEARLY_COLUMNS + year, value, CELL, look, style(bold=middle) if middle else QUIET)
                if middle:
                    medians[line.name, scenario] = row
                row += 1
    if row > YEARLY_FIRST:
        page.sheet.autofilter(YEARLY_FIRST - 1, 0, row - 1, YEARLY_COLUMNS + len(results.years) - 1)
    page.finish(freeze=(YEARLY_FIRST, YEARLY_COLUMNS), repeat=(YEARLY_FIRST - 1, YEARLY_FIRST - 1))
    return medians


def write_indices(book: Book, results: Results, ds: Dataset) -> None:
    """The sensitivity indices of every KPI: a row for each input, the most telling first, with half-widths of intervals."""
    from flowreform.analyse.sensitivity.columns import STATUS
    from flowreform.analyse.sensitivity.methods import MEANINGS, METHODS

    method = METHODS[str(ds.attrs["method"])]
    page = book.page("Sensitivity", "#330072")
    page.put(0, 0, f"What matters: {method.label}", TITLE)
    page.put(1, 0, "; ".join(f"{name}: {MEANINGS[name]}" for name in method.indices), SUBTITLE)
    page.put(2, 0, f"{int(ds.attrs.get('runs_per_scenario', 0)):,} runs a scenario. Half-widths are of "
             f"{100 * float(ds.attrs.get('confidence', 0.95)):g} % intervals.", SMALL)  # fmt: skip
    page.widths(46, 30, 46, *([12] * (2 * len(method.indices))))
    heads: list[str] = ["KPI", "Scenario", "Input"]
    for name in method.indices:
        heads += [name, "+/-"]
    page.put_row(4, 0, tuple(heads), HEADER)
    row = 5
    kpis = [str(name) for name in ds["kpi"].values] if "kpi_index" in ds else []
    labels = dict(zip(results.names, results.labels, strict=True))
    for kpi in kpis:
        for scenario in map(str, ds["scenario"].values):
            one = ds.sel(kpi=kpi, scenario=scenario)
            head = (str(one["kpi_label"].values), labels.get(scenario, scenario))
            status = int(one["kpi_status"])
            if status:
                page.put_row(row, 0, (*head, STATUS[status].replace("_", " ")), WRAPPED)
                row += 1
                continue
            leading = np.abs(one["kpi_index"].sel(index=method.leading).values)
            for place in np.argsort(-np.nan_to_num(leading), kind="stable"):
                page.put_row(row, 0, (*head, str(ds["parameter_label"].values[place])), WRAPPED)
                for at, name in enumerate(method.indices):
                    for side, part in enumerate(("kpi_index", "kpi_confidence")):
                        value = number(float(one[part].sel(index=name).values[place]))
                        page.put(row, 3 + 2 * at + side, value, CELL, style(num_format="0.000"), QUIET if side else {})
                row += 1
    if row > 5:
        page.sheet.autofilter(4, 0, row - 1, 2 + 2 * len(method.indices))
    page.finish(freeze=(5, 3), repeat=(4, 4))


def number(value: float | None) -> float | None:
    """A number that a cell can hold; an empty cell where there is none."""
    return None if value is None or value - value != 0 else value


def _signed(shown: str) -> str:
    return f"+{shown};-{shown};0"


def _over_draws(results: Results) -> str:
    if results.draws == 1:
        return "One run of each scenario."
    return (
        f"10th, 50th (median) and 90th percentile of {results.draws:,} draws, the same in every scenario; linear between draws."
    )
