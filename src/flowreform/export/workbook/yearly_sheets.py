"""Yearly and Triangulation: results by reporting year, and the same quantities reached by a second way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flowreform.case.tables import Kpi, YearStatistic
from flowreform.export.workbook.book import (
    ACTIVE,
    CELL,
    GREEN,
    GREY,
    HEADER,
    HEADING,
    INPUT_FIRST,
    PALE,
    RED,
    SELECTOR,
    SMALL,
    SUBTITLE,
    TITLE,
    WRAPPED,
    Book,
    Live,
    Page,
    SheetLayout,
    letters,
    number_format,
    reference,
    style,
)
from flowreform.export.workbook.engine_sheet import describe
from flowreform.export.workbook.series_sheet import Series
from flowreform.export.workbook.source import Floats, Shown, WorkbookSource, moving, within_a_step
from flowreform.kpi import kpi_unit
from flowreform.measure import Grid, Measure, evaluate, window
from flowreform.names import element_names, split
from flowreform.statistics import STATISTICS
from flowreform.text import spoken

if TYPE_CHECKING:
    from xarray import Dataset

MOST_PERIODS = 100
"""Most columns of a yearly sheet."""
SHARES = ("occupancy", "share", "fraction", "rate")
"""Words in the name of a number without unit that is shown in per cent."""


@dataclass(frozen=True)
class Year:
    """A reporting year: its name, and its first and last step (the last one begins the next year)."""

    label: str
    first: int
    last: int


@dataclass(frozen=True)
class YearRow:
    """A row of the yearly sheet."""

    section: str
    label: str
    unit: str
    item: Shown
    statistic: YearStatistic
    scale: float
    percent: bool


WORDS: dict[YearStatistic, str] = {
    "start": "start of year",
    "end": "end of year",
    "mean": "mean",
    "max": "highest",
    "min": "lowest",
    "increase": "in the year",
    "total": "in the year",
}
"""What a statistic is called."""


def years_of(source: WorkbookSource) -> tuple[Year, ...]:
    """The whole reporting years of a run; without a calendar, twelve months, four quarters or one year each, else ten parts."""
    start, stop, dt = source.program.start, source.program.stop, source.program.dt
    calendar = source.experiment.case.calendar if source.experiment.case else None
    found: list[Year] = []
    if calendar is not None:
        first = calendar.date(start).year - 1
        last = calendar.date(stop).year + 1
        for year in range(max(1, first), min(9998, last) + 1):
            try:
                begin, end = calendar.year(year)
            except ValueError:
                continue
            steps = ((begin - start) / dt, (end - start) / dt)
            if begin >= start - 1e-6 and end <= stop + 1e-6 and all(abs(at - round(at)) < 1e-6 for at in steps):
                if calendar.year_starts == 1:
                    label = str(year)
                elif calendar.year_named_by == "start":
                    label = f"{year}/{(year + 1) % 100:02d}"
                else:
                    label = f"FY{year}"
                found.append(Year(label, round(steps[0]), round(steps[1])))
    if not found:
        length = {"month": 12.0, "quarter": 4.0, "year": 1.0, "week": 52.0, "day": 365.0}.get(_unit(source), (stop - start) / 10)
        width = round(length / dt)
        if width < 1 or abs(width - length / dt) > 1e-6:
            width = max(1, source.program.steps // 10)
        count = source.program.steps // width
        found = [Year(f"Year {i + 1}", i * width, (i + 1) * width) for i in range(count)]
    return tuple(found[:MOST_PERIODS])


def _unit(source: WorkbookSource) -> str:
    word = source.model.specs.time_unit.strip().lower()
    return word[:-1] if word.endswith("s") else word


def rows_of(source: WorkbookSource) -> tuple[YearRow, ...]:
    """The rows of the yearly sheet: those of the case file, or what follows from units."""
    found: list[YearRow] = []
    section = ""
    for row in source.table.yearly:
        section = row.section or section
        item = next((shown for shown in source.shown if shown.name == row.variable), None)
        if item is None:
            continue
        label = row.label or f"{_plain(item)}, {WORDS[row.statistic]}"
        found.append(YearRow(section, label, row.unit or item.variable.units or "", item, row.statistic, row.scale, row.percent))
    return tuple(found) or tuple(_default(source, item) for item in source.shown)


def _plain(item: Shown) -> str:
    return spoken(item.variable.label) + item.name[len(item.variable.name) :]


def _default(source: WorkbookSource, item: Shown) -> YearRow:
    unit = (item.variable.units or "").strip()
    currency = source.experiment.case.about.currency if source.experiment.case else ""
    groups = dict(source.model.groups)
    section = groups.get(item.variable.group or "", "") or "Results"
    time = source.model.specs.time_unit
    statistic: YearStatistic = "mean"
    totals = source.laws.running_totals if source.laws else ()
    if unit.endswith(f"/{time}"):
        statistic, unit = "total", unit[: -len(time) - 1]
    elif item.name in totals or item.variable.name in totals:
        statistic = "increase"
    elif unit not in ("", "1", "dimensionless"):
        statistic = "end"
    scale = 1.0
    if currency and unit == currency:
        scale, unit = 0.001, f"{currency} thousand"
    percent = unit in ("dimensionless", "1", "") and any(word in item.name for word in SHARES)
    label = f"{_plain(item)}, {WORDS[statistic]}"
    return YearRow(section[:1].upper() + section[1:], label, "%" if percent else unit, item, statistic, scale, percent)


def formula(
    source: WorkbookSource, layout: SheetLayout, item: Shown, statistic: YearStatistic, year: Year, scale: float = 1.0
) -> str:
    """The formula of a year."""
    times = "" if scale == 1.0 else f"*{scale!r}"
    if not moving(source.flat, item.slot):
        cell = layout.addresses.cells[item.slot]
        text = {"increase": "0", "total": f"{cell}*{(year.last - year.first) * source.program.dt!r}"}.get(statistic, cell)
        return f"={text}{times}"
    start, end = layout.engine_cell(item.slot, year.first), layout.engine_cell(item.slot, year.last)
    steps = layout.engine_range(item.slot, year.first, year.last - 1)
    whole = layout.engine_range(item.slot, year.first, year.last)
    text = {
        "start": start,
        "end": end,
        "mean": f"AVERAGE({steps})",
        "max": f"MAX({whole})",
        "min": f"MIN({whole})",
        "increase": f"({end}-{start})",
        "total": f"{_sum_of_steps(source, layout, item, year)}*Engine!$B$4",
    }[statistic]
    return f"={text}{times}"


def value(
    source: WorkbookSource, item: Shown, statistic: YearStatistic, year: Year, scale: float = 1.0, scenario: int | None = None
) -> float:
    """What the formula gives at the engine's values, in the scenario that the workbook opens with unless another is named."""
    number = source.chosen if scenario is None else scenario
    values = source.values[item.slot, year.first : year.last + 1, number]
    if statistic == "total" and moving(source.flat, item.slot):
        parts = within_a_step(source.flat, item)
        values = sum(weight * source.values[slot, year.first : year.last + 1, number] for slot, weight in parts)  # type: ignore[assignment]
    return float(_taken(values, statistic, source.program.dt) * scale)


def _sum_of_steps(source: WorkbookSource, layout: SheetLayout, item: Shown, year: Year) -> str:
    """The sum over the steps of a year of what a flow is in each; by a Runge-Kutta method the weighted mean of its looks."""
    parts = within_a_step(source.flat, item)
    sums = [(f"SUM({layout.engine_range(slot, year.first, year.last - 1)})", weight) for slot, weight in parts]
    return sums[0][0] if len(sums) == 1 else "(" + "+".join(f"{text}*{weight!r}" for text, weight in sums) + ")"


def _taken(values: Floats, statistic: YearStatistic, dt: float) -> float:
    match statistic:
        case "start":
            return float(values[0])
        case "end":
            return float(values[-1])
        case "mean":
            return float(np.mean(values[:-1]))
        case "max":
            return float(values.max())
        case "min":
            return float(values.min())
        case "increase":
            return float(values[-1] - values[0])
        case "total":
            return float(np.sum(values[:-1]) * dt)


# --- yearly and triangulation ----------------------------------------------------------------------------------------


NEVER, NONE_NEEDED, UNDEFINED = "never", "none needed", "not defined"


def key_number(series: Series, kpi: Kpi, value: float | str) -> Live:
    """The formula of a KPI with its value for the scenario that the workbook opens with."""
    number = _measure(series, kpi)
    scaled = f"({number})*{kpi.scale!r}" if kpi.scale != 1.0 else number
    raw = f"({number})"
    if kpi.never == "stop":
        limit = series.source.program.stop - series.source.program.dt * (1 + 1e-6)
        scaled = f'IF({raw}>={limit!r},"{NEVER}",{scaled})'
    elif kpi.never is not None:
        scaled = f'IF(ABS({raw}-({kpi.never!r}))<={_near(float(kpi.never))},"{NEVER}",{scaled})'
    if kpi.none_needed is not None:
        scaled = f'IF(ABS({raw}-({kpi.none_needed!r}))<={_near(kpi.none_needed)},"{NONE_NEEDED}",{scaled})'
    row = STATISTICS[kpi.statistic]
    if row.threshold:
        scaled = f'IF({raw}>=1E+99,"{NONE_NEEDED if row.good_if_never else NEVER}",{scaled})'
    if kpi.over is not None:
        scaled = f'IFERROR({scaled},"{UNDEFINED}")'
    return Live(f"={scaled}", value)


def _near(value: float) -> str:
    return f"{1e-9 + 1e-9 * abs(value):.3E}"


def unit_of(series: Series, kpi: Kpi) -> str:
    """The unit of a KPI."""
    return kpi_unit(kpi, series.source.experiment)


def kpi_values(series: Series, kpi: Kpi) -> list[float | str]:
    """The value of a KPI by the engine in every scenario, or the word for why it has none."""
    case = series.source.experiment.case
    found = evaluate(kpi, _dataset(series, kpi), case.calendar if case else None)
    return [_in_words(series.source, kpi, float(value)) for value in found.values.ravel()]


def _in_words(source: WorkbookSource, kpi: Kpi, found: float) -> float | str:
    raw = found / kpi.scale if kpi.scale else found
    if kpi.none_needed is not None and np.isclose(raw, kpi.none_needed, rtol=1e-9, atol=1e-9):
        return NONE_NEEDED
    if kpi.never == "stop" and raw >= source.program.stop - source.program.dt * (1 + 1e-6):
        return NEVER
    if isinstance(kpi.never, int | float) and np.isclose(raw, kpi.never, rtol=1e-9, atol=1e-9):
        return NEVER
    if not math.isfinite(found):
        row = STATISTICS[kpi.statistic]
        return NONE_NEEDED if row.good_if_never else NEVER if row.threshold else UNDEFINED
    return found


def _dataset(series: Series, kpi: Kpi) -> Dataset:
    """What `evaluate` reads: the variables of a KPI at the saved times, one run for each scenario."""
    import xarray as xr

    source = series.source
    data = {}
    for name in dict.fromkeys(split(text)[0] for text in kpi.variables):
        variable = source.model.variables[name]
        place = source.program.places[name]
        block = source.values[place.base : place.base + place.size][:, list(source.saved)]
        shape = tuple(len(source.model.dimensions[d].elements) for d in variable.dimensions)
        values = np.transpose(block, (2, 1, 0)).reshape(len(source.scenarios), len(source.saved), *shape)
        data[name] = (("run", "time", *variable.dimensions), values)
    used = {dimension for dims, _ in data.values() for dimension in dims}
    coords = {name: list(dimension.elements) for name, dimension in source.model.dimensions.items() if name in used}
    return xr.Dataset(data, {"time": series.times, "run": range(len(source.scenarios)), **coords})


def _measure(series: Series, measure: Measure) -> str:
    parts = [_cells_of(series, part) for part in measure.parts()]
    if measure.over is not None:
        return f"{parts[0]}/{parts[1]}"
    return f"{parts[0]}-{parts[1]}" if measure.minus is not None else parts[0]


def _cells_of(series: Series, measure: Measure) -> str:
    source = series.source
    case = source.experiment.case
    base, elements = split(measure.variable)
    name = measure.variable if elements else element_names(source.model, source.model.variables[base])[0]
    every = float(series.times[1] - series.times[0]) if len(series.times) > 1 else 1.0
    grid = Grid(float(series.times[0]), float(series.times[-1]), every)
    first, last = window(measure, grid, case.calendar if case else None)
    return STATISTICS[measure.statistic].cell(_Cells(series, measure, name, first, last))


@dataclass(frozen=True)
class _Cells:
    """The cells of a variable on the Series sheet, from the saved time `first` to `last`."""

    series: Series
    measure: Measure
    name: str
    start: int
    end: int

    @property
    def column(self) -> int:
        return self.series.position(self.name)

    @property
    def values(self) -> str:
        return self.series.range(self.column, self.start, self.end)

    @property
    def times(self) -> str:
        return self.series.range(0, self.start, self.end)

    @property
    def first(self) -> str:
        return self.series.cell(self.column, self.start)

    @property
    def last(self) -> str:
        return self.series.cell(self.column, self.end)

    @property
    def but_last(self) -> str:
        return self.series.range(self.column, self.start, max(self.start, self.end - 1))

    @property
    def but_first(self) -> str:
        return self.series.range(self.column, min(self.start + 1, self.end), self.end)

    def times_beyond(self, mark: str) -> str:
        threshold, values, letter = self.measure.threshold or 0.0, self.series.values(self.name), letters(self.column)
        helper = self.series.added(
            (self.measure.statistic, self.name, repr(threshold)),
            f"time when {self.name} {mark} {threshold:g}",
            self.series.source.model.specs.time_unit,
            lambda row: f"=IF({letter}{row}{mark}{threshold!r},A{row},1E+99)",
            np.where(values > threshold if mark == ">" else values < threshold, self.series.times, 1e99),
        )
        return self.series.range(helper, self.start, self.end)


# --- yearly and triangulation ----------------------------------------------------------------------------------------


YEARLY_FIRST = 6
"""The first row of results, on both sheets."""
YEAR_COLUMN = 3
"""The first column of years."""
BOLD = style(bold=True)
TOLERANCE = 1e-9


def heading(page: Page, source: WorkbookSource, title: str, note: str) -> None:
    """Title, scenario and what the numbers are."""
    page.put(0, 0, title, TITLE)
    page.put(1, 0, note, SUBTITLE)
    page.put(2, 0, "Scenario", SMALL)
    page.put(2, 1, Live(f"={reference(*SELECTOR, sheet='Control')}", source.labels[source.chosen]), BOLD)


def conventions(source: WorkbookSource) -> str:
    """Currency, prices and years, in the words of the case file."""
    case = source.experiment.case
    if case is None:
        return "Values by year."
    about, parts = case.about, []
    if case.calendar is not None and case.calendar.year_starts > 1:
        month = ("", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
                 "December")[case.calendar.year_starts]  # fmt: skip
        parts.append(f"Years begin in {month}.")
    if about.currency:
        parts.append(f"Money in {about.currency}" + (f" at the prices of {about.price_base}." if about.price_base else "."))
    return " ".join(parts) or "Values by year."


def write_yearly(book: Book, source: WorkbookSource, layout: SheetLayout) -> None:
    """One row for each result, one column for each reporting year."""
    page = book.page("Yearly", "#009639")
    years, rows = years_of(source), rows_of(source)
    page.widths(46, 14, 16, *([12] * len(years)))
    heading(page, source, "Yearly results", conventions(source))
    page.put_row(YEARLY_FIRST - 1, 0, ("Result", "Unit", "Variable"), HEADER)
    page.put_row(YEARLY_FIRST - 1, YEAR_COLUMN, [year.label for year in years], HEADER, style(align="right"))
    at, section = YEARLY_FIRST, ""
    for row in rows:
        if row.section != section:
            section = row.section
            page.put_row(at, 0, (section, *([None] * (2 + len(years)))), HEADING, style(bg_color=PALE))
            at += 1
        _result(page, source, layout, row, years, at)
        at += 1
    at = _discounting(page, source, layout, years, at)
    page.put(at + 1, 0, "Means and sums are over the steps of a year; the highest value is the highest of any step.", SMALL)
    page.finish(freeze=(YEARLY_FIRST, YEAR_COLUMN), repeat=(YEARLY_FIRST - 1, YEARLY_FIRST - 1))


def _result(page: Page, source: WorkbookSource, layout: SheetLayout, row: YearRow, years: tuple[Year, ...], at: int) -> None:
    values = [value(source, row.item, row.statistic, year, row.scale) for year in years]
    look = style(num_format=number_format(row.unit, percent=row.percent, size=_size(source, row, years)))
    page.put(at, 0, row.label, WRAPPED)
    page.put(at, 1, row.unit, CELL, style(font_color=GREY))
    page.put(at, 2, row.item.name, WRAPPED, style(font_size=8, font_color=GREY))
    for i, year in enumerate(years):
        text = formula(source, layout, row.item, row.statistic, year, row.scale)
        page.put(at, YEAR_COLUMN + i, Live(text, values[i]), CELL, look)


def _size(source: WorkbookSource, row: YearRow, years: tuple[Year, ...]) -> float:
    """The largest value of a row in any scenario."""
    return max(
        (abs(value(source, row.item, row.statistic, year, row.scale, k)) for year in years for k in range(len(source.scenarios))),
        default=0.0,
    )


def _discounting(page: Page, source: WorkbookSource, layout: SheetLayout, years: tuple[Year, ...], at: int) -> int:
    """The rate and factor that money is discounted with, by year."""
    table = source.table
    if not table.discount_rate and not table.discount_factor:
        return at
    case = source.experiment.case
    base = case.about.discount_base if case else None
    title = "Discounting" + (f" to {base.isoformat()}" if base else "")
    page.put_row(at, 0, (title, *([None] * (2 + len(years)))), HEADING, style(bg_color=PALE))
    at += 1
    if table.discount_rate:
        cell = next(i for i, cell in enumerate(layout.order) if cell.name == table.discount_rate)
        item = layout.order[cell]
        setting = item.settings.get(source.chosen)
        rate = float(setting) if isinstance(setting, int | float) else item.value
        page.put_row(at, 0, ("Discount rate", item.variable.units or "", item.name), WRAPPED)
        for i in range(len(years)):
            live = Live(f"={reference(INPUT_FIRST + cell, ACTIVE, sheet='Inputs')}", rate)
            page.put(at, YEAR_COLUMN + i, live, CELL, style(num_format="0.0%"))
        at += 1
    if table.discount_factor:
        shown = source.shown_as(table.discount_factor)
        page.put_row(at, 0, ("Discount factor, end of year", "", shown.name), WRAPPED)
        for i, year in enumerate(years):
            live = Live(formula(source, layout, shown, "end", year), value(source, shown, "end", year))
            page.put(at, YEAR_COLUMN + i, live, CELL, style(num_format="0.0000"))
        at += 1
    return at


# --- triangulation ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """A stock with the flows that account for it."""

    stock: Shown
    inflows: tuple[Shown, ...]
    outflows: tuple[Shown, ...]


def accounts_of(source: WorkbookSource) -> tuple[Account, ...]:
    """The stocks that are reconciled, with their flows; those held at 0 from below are left out, since they may lose a flow."""
    found = []
    names = {item.name: item for item in source.shown}
    for name in source.reconciled:
        item = names[name]
        inside = name[len(item.variable.name) :]
        inflows = tuple(names[f"{flow}{inside}"] for flow in item.variable.inflows)
        outflows = tuple(names[f"{flow}{inside}"] for flow in item.variable.outflows)
        found.append(Account(item, inflows, outflows))
    return tuple(found)


def kind_of(source: WorkbookSource, item: Shown) -> str:
    """Activity, bed-days, beds, WTE, money or places: the heading a stock stands under."""
    unit = (item.variable.units or "").lower()
    currency = source.experiment.case.about.currency.lower() if source.experiment.case else ""
    if currency and currency in unit:
        return "Money"
    if "day" in unit or "*" in unit:
        return "Bed-days and waits"
    return {"person": "Activity", "bed": "Beds", "wte": "WTE", "place": "Places"}.get(unit, "Other")


_KINDS = ("Activity", "Bed-days and waits", "Beds", "Places", "WTE", "Money", "Other")


def write_triangulation(book: Book, source: WorkbookSource, layout: SheetLayout) -> list[tuple[str, str, float]]:
    """Opening value, flows in, flows out, closing value from the flows, closing value in Engine, difference, for each year.

    Gives the cells with each account's largest relative difference, with its name."""
    page = book.page("Triangulation", "#009639")
    years = years_of(source)
    page.widths(46, 14, 16, *([13] * len(years)))
    heading(
        page,
        source,
        "Triangulation",
        "Each stock by a second way: what was there, plus what came, less what went, against Engine.",
    )
    page.put_row(YEARLY_FIRST - 1, 0, ("Account", "Unit", "Variable"), HEADER)
    page.put_row(YEARLY_FIRST - 1, YEAR_COLUMN, [year.label for year in years], HEADER, style(align="right"))
    at = YEARLY_FIRST
    found: list[tuple[str, str, float]] = []
    accounts = accounts_of(source)
    for kind in _KINDS:
        chosen = [account for account in accounts if kind_of(source, account.stock) == kind]
        if chosen:
            page.put_row(at, 0, (kind, *([None] * (2 + len(years)))), HEADING, style(bg_color=PALE))
            at += 1
        for account in chosen:
            at = _account(page, source, layout, account, years, at, found)
    if not accounts:
        page.put(at, 0, "No stock with flows is shown.", SMALL)
    page.sheet.conditional_format(
        YEARLY_FIRST, YEAR_COLUMN, at + 1, YEAR_COLUMN + len(years) - 1,
        {"type": "formula", "criteria": f'=AND($B{YEARLY_FIRST + 1}="relative",ABS(D{YEARLY_FIRST + 1})>{TOLERANCE!r})',
         "format": book.format(style(bg_color=RED))},
    )  # fmt: skip
    page.finish(freeze=(YEARLY_FIRST, YEAR_COLUMN), repeat=(YEARLY_FIRST - 1, YEARLY_FIRST - 1))
    return found


def _account(
    page: Page,
    source: WorkbookSource,
    layout: SheetLayout,
    account: Account,
    years: tuple[Year, ...],
    at: int,
    found: list[tuple[str, str, float]],
) -> int:
    stock = account.stock
    unit = stock.variable.units or ""
    label = describe(source, stock.slot)[1]
    lines: list[tuple[str, Shown, str, int]] = [(f"{label}, start of year", stock, "start", 0)]
    lines += [(f"  + {describe(source, flow.slot)[1]}", flow, "total", 1) for flow in account.inflows]
    lines += [(f"  - {describe(source, flow.slot)[1]}", flow, "total", -1) for flow in account.outflows]
    first = at
    sums = [0.0] * len(years)
    sizes = [0.0] * len(years)
    for text, item, statistic, sign in lines:
        values = [value(source, item, statistic, year) for year in years]  # type: ignore[arg-type]
        look = style(num_format=number_format(unit, size=max((abs(v) for v in values), default=0.0)))
        page.put_row(at, 0, (text, unit, item.name), CELL)
        for i, year in enumerate(years):
            live = Live(formula(source, layout, item, statistic, year), values[i])  # type: ignore[arg-type]
            page.put(at, YEAR_COLUMN + i, live, CELL, look)
            sums[i] += values[i] * (sign or 1)
            sizes[i] = max(sizes[i], abs(values[i]))
        at += 1
    signs = "".join("+" if sign >= 0 else "-" for *_, sign in lines)
    ends = [value(source, stock, "end", year) for year in years]
    look = style(num_format=number_format(unit, size=max((abs(v) for v in ends), default=0.0)))
    page.put_row(at, 0, ("  = end of year by its flows", unit, ""), CELL)
    page.put_row(at + 1, 0, ("  end of year in Engine", unit, stock.name), CELL)
    page.put_row(at + 2, 0, ("  difference, of the largest line", "relative", ""), CELL, style(italic=True))
    worst = 0.0
    for i, year in enumerate(years):
        column = YEAR_COLUMN + i
        terms = "".join(f"{mark}{reference(first + k, column, fixed=False)}" for k, mark in enumerate(signs)).removeprefix("+")
        page.put(at, column, Live(f"={terms}", sums[i]), CELL, look)
        page.put(at + 1, column, Live(formula(source, layout, stock, "end", year), ends[i]), CELL, look)
        by_flows, engine = reference(at, column, fixed=False), reference(at + 1, column, fixed=False)
        block = f"{reference(first, column, fixed=False)}:{engine}"
        size = max(sizes[i], abs(ends[i]), abs(sums[i]), 1e-9)
        difference = abs(sums[i] - ends[i]) / size
        worst = max(worst, difference)
        text = f"=ABS({by_flows}-{engine})/MAX(MAX({block}),-MIN({block}),0.000000001)"
        page.put(at + 2, column, Live(text, difference), CELL, style(num_format="0.0E+00", italic=True))
    last = YEAR_COLUMN + len(years) - 1
    found.append((label, f"Triangulation!{reference(at + 2, YEAR_COLUMN)}:{reference(at + 2, last)}", worst))
    return at + 4


__all__ = ["GREEN", "moving", "write_triangulation", "write_yearly"]
