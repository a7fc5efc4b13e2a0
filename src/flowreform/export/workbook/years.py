"""Reporting years: which steps they span, and what stands for a year in a row of the yearly sheets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowreform.case.tables import YearStatistic
from flowreform.export.workbook.book import Layout
from flowreform.export.workbook.engine_sheet import spoken
from flowreform.export.workbook.source import Floats, Shown, Source, moving

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
class Row:
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


def years_of(source: Source) -> tuple[Year, ...]:
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


def _unit(source: Source) -> str:
    word = source.model.specs.time_unit.strip().lower()
    return word[:-1] if word.endswith("s") else word


def rows_of(source: Source) -> tuple[Row, ...]:
    """The rows of the yearly sheet: those of the case file, or what follows from units."""
    found: list[Row] = []
    section = ""
    for row in source.table.yearly:
        section = row.section or section
        item = next((shown for shown in source.shown if shown.name == row.variable), None)
        if item is None:
            continue
        label = row.label or f"{_plain(item)}, {WORDS[row.statistic]}"
        found.append(Row(section, label, row.unit or item.variable.units or "", item, row.statistic, row.scale, row.percent))
    return tuple(found) or tuple(_default(source, item) for item in source.shown)


def _plain(item: Shown) -> str:
    return spoken(item.variable.label) + item.name[len(item.variable.name) :]


def _default(source: Source, item: Shown) -> Row:
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
    return Row(section[:1].upper() + section[1:], label, "%" if percent else unit, item, statistic, scale, percent)


def formula(source: Source, layout: Layout, item: Shown, statistic: YearStatistic, year: Year, scale: float = 1.0) -> str:
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
        "total": f"SUM({steps})*Engine!$B$4",
    }[statistic]
    return f"={text}{times}"


def value(
    source: Source, item: Shown, statistic: YearStatistic, year: Year, scale: float = 1.0, scenario: int | None = None
) -> float:
    """What the formula gives at the engine's values, in the scenario that the workbook opens with unless another is named."""
    number = source.chosen if scenario is None else scenario
    values = source.values[item.slot, year.first : year.last + 1, number]
    return float(_taken(values, statistic, source.program.dt) * scale)


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
