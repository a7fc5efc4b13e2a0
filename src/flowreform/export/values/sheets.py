"""The sheets with numbers: KPIs, results by year, and what matters to the KPIs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from flowreform.experiment import Experiment
from flowreform.export.tables import by_kpi, without
from flowreform.export.tidy import OUTER, kept, moving
from flowreform.export.workbook.book import (
    BLUE,
    CELL,
    FONT,
    GREY,
    HEADER,
    HEADING,
    LINE,
    SMALL,
    SUBTITLE,
    TITLE,
    WRAPPED,
    Book,
    Page,
    chart_text,
    number_format,
    style,
)
from flowreform.kpi import KpiRow, contrast, summary
from flowreform.measure import Cut, Measure
from flowreform.model import Role
from flowreform.names import element_names, join, split
from flowreform.statistics import quantiles
from flowreform.text import shown_unit

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.calendar import Calendar
    from flowreform.experiment import Experiment

MOST = 100
"""Most periods shown."""
LENGTHS = {"month": 12.0, "quarter": 4.0, "year": 1.0, "week": 52.0, "day": 365.0}
"""Time units in a year, where there is no calendar."""
PARTS = 10


@dataclass(frozen=True, slots=True)
class Period:
    """A reporting year: its name, and the numbers of the saved times at which it begins and ends (the next one begins there)."""

    label: str
    first: int
    last: int


def periods(times: NDArray[np.float64], time_unit: str, calendar: Calendar | None) -> tuple[Period, ...]:
    """The whole reporting years within some saved times (ascending, in the time unit), both ends of each saved.

    Without a calendar, or where no year fits, they are years counted from the start, or as many as ten equal parts."""
    found = _years(times, calendar) if calendar is not None else []
    if not found:
        length = LENGTHS.get(time_unit.strip().lower().removesuffix("s"))
        whole = length is not None and times[-1] - times[0] >= length - 1e-9
        width = length if whole and length is not None else (times[-1] - times[0]) / min(PARTS, max(1, len(times) - 1))
        count = int((times[-1] - times[0]) / width + 1e-9) if width else 0
        for at in range(count):
            ends = [_place(times, times[0] + (at + step) * width) for step in (0, 1)]
            if ends[0] is not None and ends[1] is not None:
                found.append(Period(f"Year {at + 1}" if whole else f"to {times[ends[1]]:g}", ends[0], ends[1]))
    return tuple(found[:MOST])


def _years(times: NDArray[np.float64], calendar: Calendar) -> list[Period]:
    found = []
    try:
        span = range(max(2, calendar.date(times[0]).year - 1), min(9998, calendar.date(times[-1]).year + 1) + 1)
    except (ValueError, OverflowError):
        return []
    for year in span:
        begin, end = calendar.year(year)
        first, last = _place(times, begin), _place(times, end)
        if first is not None and last is not None:
            found.append(Period(year_label(year, calendar), first, last))
    return found


def year_label(year: int, calendar: Calendar) -> str:
    """`2026`, `2026/27` for years named by where they start, `FY2026` for those named by where they end."""
    if calendar.year_starts == 1:
        return str(year)
    return f"{year}/{(year + 1) % 100:02d}" if calendar.year_named_by == "start" else f"FY{year}"


def _place(times: NDArray[np.float64], time: float) -> int | None:
    at = int(np.argmin(np.abs(times - time)))
    return at if abs(times[at] - time) <= 1e-6 * max(1.0, abs(time)) else None


# --- what the yearly sheets show -------------------------------------------------------------------------------------


Floats = NDArray[np.float64]
PERCENTILES = (10.0, 50.0, 90.0)
Statistic = Literal["at", "mean", "increase"]
WORDS: dict[Statistic, str] = {"at": "at the end of the year", "mean": "mean of the year", "increase": "in the year"}
"""How a statistic is called on the sheet."""


@dataclass(frozen=True)
class SeriesLine:
    """One result: its name, label and unit, what stands for a year, and float64[percentile, scenario, year]: its percentiles
    over the draws, and those of its difference to the baseline, the same draw against the same draw (None where the runs
    themselves are not at hand, only their quantiles)."""

    name: str
    label: str
    unit: str
    statistic: Statistic
    percentiles: Floats
    differences: Floats | None


def percentiles(values: Floats) -> Floats:
    """float64[percentile, scenario, year] of float64[scenario, draw, year] over the draws that have a number; NaN where none
    has. Linear between draws."""
    return quantiles(values, [percentile / 100 for percentile in PERCENTILES], axis=1)


def lines(ds: Dataset, experiment: Experiment, years: tuple[Period, ...]) -> Iterator[SeriesLine]:
    """Every variable over time, elements of arrays one by one: stocks at the end of a year, running totals by what they grew
    in it, all else by its mean over the saved values of the year, weighted by time. One variable is in memory at a time."""
    ds, totals = kept(ds), _totals(experiment)
    baseline = [str(name) for name in ds["scenario"].values].index(experiment.baseline)
    times = np.asarray(ds["time"].values, dtype=np.float64)
    for base in moving(ds):
        variable = experiment.model.variables.get(base)
        data = ds[base].transpose("scenario", "draw", "time", ...)
        inner = [dim for dim in data.dims if dim not in OUTER]
        names = element_names(experiment.model, variable) if variable is not None else ()
        whole = np.asarray(data.values, dtype=np.float64).reshape(*data.shape[:3], -1)
        label = str(data.attrs.get("long_name") or base).replace("_", " ")
        unit = shown_unit(str(data.attrs.get("units") or ""))
        for place in range(whole.shape[-1]):
            elements = tuple(
                str(ds[dim].values[at]) for dim, at in zip(inner, np.unravel_index(place, data.shape[3:]), strict=True)
            )
            name = names[place] if len(names) == whole.shape[-1] else join(base, elements)
            statistic: Statistic = "mean"
            if name in totals or base in totals:
                statistic = "increase"
            elif variable is not None and variable.role is Role.STOCK:
                statistic = "at"
            shown = f"{label} [{', '.join(elements)}]" if elements else label
            yearly = _by_year(whole[..., place], times, statistic, years)
            away = percentiles(yearly - yearly[baseline : baseline + 1])
            yield SeriesLine(name, shown, unit, statistic, percentiles(yearly), away)


def stored_lines(ds: Dataset, experiment: Experiment, years: tuple[Period, ...]) -> Iterator[SeriesLine]:
    """The lines of a sweep that kept quantiles over its draws and no courses: each variable at the end of a year.

    Nothing where the sweep did not keep the 10th, 50th and 90th percentile."""
    if "quantile_value" not in ds:
        return
    shares = np.asarray(ds["quantile"].values, dtype=np.float64)
    places = [int(np.argmin(np.abs(shares - share / 100))) for share in PERCENTILES]
    if np.abs(shares[places] - np.array(PERCENTILES) / 100).max() > 1e-9:
        return
    data = ds["quantile_value"].transpose("quantile", "scenario", "time", "column")
    ends = [year.last for year in years]
    for at, full in enumerate(map(str, ds["column"].values)):
        base, elements = split(full)
        variable = experiment.model.variables[base]
        label = variable.label.replace("_", " ")
        shown = f"{label} [{', '.join(elements)}]" if elements else label
        values = np.asarray(data.isel(column=at).values, dtype=np.float64)[places][:, :, ends]
        yield SeriesLine(full, shown, shown_unit(variable.units or ""), "at", values, None)


def _by_year(values: Floats, times: Floats, statistic: Statistic, years: tuple[Period, ...]) -> Floats:
    measure = Measure(variable="result", statistic=statistic)
    parts = [Cut(measure, times, year.last if statistic == "at" else year.first, year.last).of(values) for year in years]
    return np.stack(parts, axis=-1) if parts else np.empty((*values.shape[:2], 0))


def _totals(experiment: Experiment) -> frozenset[str]:
    """The stocks that only add up: those that the laws say so of, and those whose reference series is their yearly increase."""
    found: set[str] = set()
    if experiment.case is not None:
        found |= set(experiment.case.laws.running_totals) if experiment.case.laws is not None else set()
        found |= {item.variable for item in experiment.case.reference.values() if item.statistic == "increase" and item.scale}
    return frozenset(found)


# --- the sheets with numbers -----------------------------------------------------------------------------------------


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


def _kpi_table(page: Page, row: int, title: str, rows: tuple[KpiRow, ...], results: Results, *, signed: bool) -> int:
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
    book: Book, results: Results, name: str, found: Iterable[SeriesLine], without: int | None = None
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


# --- what the sheets are made of -------------------------------------------------------------------------------------


NOT_ADDITIVE = "Percentiles do not add up across rows: the P90 of a total is not the sum of the P90s of its parts."


@dataclass(frozen=True)
class Results:
    """The experiment, its Dataset and KPIs, the years, a line for each variable, and the indices of a sensitivity analysis
    where there are any. `labels` are the scenarios' names as shown, in order, all different."""

    experiment: Experiment
    ds: Dataset
    kpis: Dataset
    years: tuple[Period, ...]
    lines: tuple[SeriesLine, ...]
    labels: tuple[str, ...]
    indices: Dataset | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios' own names, in order."""
        return tuple(str(name) for name in self.ds["scenario"].values)

    @property
    def baseline(self) -> int:
        """The position of the baseline among the scenarios."""
        return self.names.index(self.experiment.baseline)

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return int(self.ds.sizes["draw"])

    @property
    def kept(self) -> int:
        """How many of them have their course over time kept."""
        return int(kept(self.ds).sizes["draw"])


# --- native charts of the medians by year ----------------------------------------------------------------------------


COLOURS = (BLUE, "#DA291C", "#009639", "#330072", "#ED8B00", "#00A9CE", "#7C2855", "#768692")
MOST_LINES = 12
WIDTH, HEIGHT = 700, 340
ROWS, COLUMNS = 19, 11
"""Cells that one chart takes."""


def write_charts(book: Book, results: Results, medians: dict[tuple[str, int], int]) -> None:
    """Two charts side by side; those of the case first, else the first lines of the yearly sheet."""
    from flowreform.names import split

    lines = {line.name: line for line in results.lines}
    wanted = [name for chart in results.experiment.charts for variable in chart.variables for name in lines
              if name == variable or split(name)[0] == variable]  # fmt: skip
    names = list(dict.fromkeys(wanted or lines))[:MOST_LINES]
    if not names or not results.years:
        return
    page = book.page("Charts", "#41B6E6")
    page.put(0, 0, "Charts", TITLE)
    middle = f"Medians of {results.draws:,} draws by year" if results.draws > 1 else "By year"
    page.put(1, 0, f"{middle}; the numbers stand on the Yearly sheet.", SUBTITLE)
    last = YEARLY_COLUMNS + len(results.years) - 1
    for at, name in enumerate(names):
        line = lines[name]
        chart = book.chart("line")
        for scenario, label in enumerate(results.labels):
            row = medians[name, scenario]
            chart.add_series(
                {
                    "name": chart_text(label, 80),
                    "categories": ["Yearly", YEARLY_FIRST - 1, YEARLY_COLUMNS, YEARLY_FIRST - 1, last],
                    "values": ["Yearly", row, YEARLY_COLUMNS, row, last],
                    "line": {"color": COLOURS[scenario % len(COLOURS)], "width": 2.25},
                    "marker": {"type": "none"},
                }
            )
        title = chart_text(line.label[:1].upper() + line.label[1:])
        font = {"name": FONT, "size": 9, "color": GREY}
        chart.set_title({"name": title, "name_font": {"name": FONT, "size": 12, "bold": True}, "overlay": False})
        chart.set_x_axis({"num_font": font, "line": {"color": LINE}})
        axis = {"name": chart_text(line.unit, 60), "name_font": font | {"bold": False}, "num_font": font}
        chart.set_y_axis(axis | {"major_gridlines": {"visible": True, "line": {"color": LINE}}, "line": {"none": True}})
        chart.set_legend({"position": "bottom", "font": font})
        chart.set_size({"width": WIDTH, "height": HEIGHT})
        page.sheet.insert_chart(3 + (at // 2) * ROWS, (at % 2) * COLUMNS, chart, {"object_position": 1})
    rows = 3 + ((len(names) + 1) // 2) * ROWS
    page.put(rows, 0, "A line is the median of each year by itself, so it need not be the course of any one draw.", SMALL)
    page.finish(area=(0, 0, rows, 2 * COLUMNS - 1))
