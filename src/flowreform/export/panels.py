"""From an experiment's Dataset to the panels of its chart: which lines, over which years, beside which observations.

A charted stock that adds up (one whose reference series is its `increase` over a year) is shown as that yearly increase, at
the middle of each reporting year, since nobody observes a running total.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.calendar import Calendar
from flowreform.export.chart import Axis, ChartPoints, Fan, Panel, percentiles
from flowreform.export.tables import label_of, unit_of
from flowreform.names import element_names, split
from flowreform.text import number, short, shown_unit, spoken

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

    from flowreform.case import Observation, Reference
    from flowreform.experiment import Experiment

Floats = NDArray[np.float64]
MOST_PANELS = 8
MOST_STOCKS = 6
FIRM = ("verified", "derived")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def panels_of(ds: Dataset, experiment: Experiment) -> tuple[Panel, ...]:
    """The panels of an experiment: the charts of its case, or the first stocks where there are none.

    Where there are too many, the first panel of every chart comes before the second of any."""
    calendar = experiment.case.calendar if experiment.case else None
    axis = axis_of(experiment.start, experiment.stop, experiment.model.specs.time_unit, calendar)
    found: list[tuple[int, Panel]] = []
    for title, names, unit in _charts(ds, experiment):
        for depth, (heading, together) in enumerate(_split(experiment, title, names)):
            found.append((depth, _panel(ds, experiment, axis, heading, together, unit)))
    kept = sorted(sorted(range(len(found)), key=lambda at: (found[at][0], at))[:MOST_PANELS])
    return tuple(found[at][1] for at in kept)


def _split(experiment: Experiment, title: str, names: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The panels of one chart, title and lines of each, the most telling first.

    Several lines share a panel only when there is one scenario: scenarios times lines cannot be told apart."""
    if len(names) > 1 and len(experiment.scenarios) == 1:
        return [(title, names)]
    own = (title,) if len(names) == 1 else (spoken(experiment.model[split(name)[0]].label) for name in names)
    return [
        (heading, (full,)) for head, name in zip(own, names, strict=True) for heading, full in _elements(experiment, head, name)
    ]


def axis_of(start: float, stop: float, time_unit: str, calendar: Calendar | None) -> Axis:
    """The axis from start to stop (model time), with the reporting years that lie wholly within."""
    if calendar is None:
        return Axis(start, stop, f"time ({time_unit})" if time_unit else "time")
    guard = 1e-6 * (stop - start)
    years = range(calendar.date(start).year - 1, calendar.date(stop).year + 2)
    inside = [year for year in years if calendar.year(year)[0] >= start - guard and calendar.year(year)[1] <= stop + guard]
    edges = tuple(calendar.year(year)[0] for year in inside) + ((calendar.year(inside[-1])[1],) if inside else ())
    first = calendar.year_starts
    if first == 1:
        return Axis(start, stop, "year", edges, tuple(map(str, inside)))
    label = f"reporting year, {MONTHS[first - 1]} to {MONTHS[first - 2]}"
    if calendar.year_named_by == "start":
        return Axis(start, stop, label, edges, tuple(f"{year}/{(year + 1) % 100:02d}" for year in inside))
    return Axis(start, stop, label, edges, tuple(map(str, inside)))


def _charts(ds: Dataset, experiment: Experiment) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    """Title, variables and unit of each chart."""
    for chart in experiment.charts:
        names = tuple(name for name in chart.variables if split(name)[0] in ds.data_vars)
        if names:
            yield chart.title, names, chart.unit
    if not experiment.charts:
        stocks = [name for name in experiment.model.stocks if name in ds.data_vars]
        for name in stocks[:MOST_STOCKS] or [name for name in experiment.save if name in ds.data_vars][:MOST_STOCKS]:
            yield experiment.model[name].label.replace("_", " "), (name,), None


def _elements(experiment: Experiment, title: str, name: str) -> list[tuple[str, str]]:
    """An arrayed variable gets a panel for each element: (title, full name) of each."""
    base, elements = split(name)
    variable = experiment.model[base]
    if elements or not variable.dimensions:
        return [(title, name)]
    return [(f"{title}: {', '.join(split(full)[1])}", full) for full in element_names(experiment.model, variable)]


def _panel(ds: Dataset, experiment: Experiment, axis: Axis, title: str, names: tuple[str, ...], unit: str | None) -> Panel:
    fans: list[Fan] = []
    points: list[ChartPoints] = []
    calendar = experiment.case.calendar if experiment.case else None
    yearly = False
    for name in names:
        references = dict(_references(experiment, name))
        totals = {key: item for key, item in references.items() if item.statistic == "increase"}
        data = select(ds, name)
        times = np.asarray(ds["time"].values, dtype=np.float64)
        values = np.asarray(data.values, dtype=np.float64)
        if totals and calendar is not None and len(axis.edges) > 1:
            times, values = _yearly(times, values, axis)
            yearly = True
        else:
            totals = {}
        line = label_of(data) if len(names) > 1 else ""
        for at, scenario in enumerate(ds["scenario"].values):
            label = short(experiment.scenarios[str(scenario)].label)
            fans.append(Fan(label, times, *percentiles(values[at]), line))
        if calendar is not None:
            points += _points(experiment, totals or references, calendar)
    shown = shown_unit(unit) if unit is not None else unit_of(select(ds, names[0]))
    if yearly and unit is None:
        shown = f"{shown} in the year".strip()
    return Panel(title, shown, axis, tuple(fans), tuple(points))


def select(ds: Dataset, name: str) -> DataArray:
    """One variable, or one element of it, as [scenario, draw, time]."""
    base, elements = split(name)
    data = ds[base]
    inner = [dim for dim in data.dims if dim not in ("scenario", "draw", "time")]
    return data.sel(dict(zip(inner, elements, strict=False))).transpose("scenario", "draw", "time", ...)


def _yearly(times: Floats, values: Floats, axis: Axis) -> tuple[Floats, Floats]:
    """What a running total [scenario, draw, time] grew by in each reporting year, at the middle of the year."""
    edges = np.asarray(axis.edges)
    places = np.array([int(np.argmin(np.abs(times - edge))) for edge in edges])
    return (edges[1:] + edges[:-1]) / 2, np.diff(values[..., places], axis=-1)


def _references(experiment: Experiment, name: str) -> Iterator[tuple[str, Reference]]:
    """The reference series that speak about this very variable."""
    if experiment.case is None:
        return
    for key, item in experiment.case.reference.items():
        if item.variable == name and item.over is None and item.minus is None and item.scale and not item.setting:
            yield key, item


def _points(experiment: Experiment, references: Mapping[str, Reference], calendar: Calendar) -> Iterator[ChartPoints]:
    """The observations of some series, in the variable's unit; values at a date stand at its year's end, others mid-year."""
    assert experiment.case is not None
    for key, item in references.items():
        for firm in (True, False):
            rows = [row for row in experiment.case.observations if row.series == key and (row.status in FIRM) is firm]
            placed = [(_place(item, row, calendar), row.value / item.scale) for row in rows]
            inside = [(x, y) for x, y in placed if experiment.start - 1e-6 <= x <= experiment.stop + 1e-6]
            if inside:
                yield ChartPoints(tuple(x for x, _ in inside), tuple(y for _, y in inside), item.label or key, firm)


def _place(item: Reference, row: Observation, calendar: Calendar) -> float:
    if item.date is not None and isinstance(item.date, datetime.date):
        return calendar.time(item.date)
    if row.period is not None and item.year is None and row.period.kind != "years":
        if row.period.kind == "day" or item.statistic in ("at", "final"):
            return calendar.time(row.period.moment)
        return (calendar.time(row.period.first) + calendar.time(row.period.until)) / 2
    begin, end = calendar.year(item.year if item.year is not None else row.year)
    return end if item.statistic in ("at", "final") else (begin + end) / 2


def course(ds: Dataset, experiment: Experiment) -> tuple[list[str], list[list[str]]]:
    """The saved stocks of one run (or whatever was saved) at the start, in the middle and at the end: heads and rows."""
    from flowreform.names import element_names

    times = ds["time"].values
    places = sorted({0, len(times) // 2, len(times) - 1})
    calendar = experiment.case.calendar if experiment.case else None
    heads = [f"time {number(float(times[at]))}" + (f" ({calendar.date(float(times[at]))})" if calendar else "") for at in places]
    saved = [name for name in experiment.save if name in ds]
    stocks = [name for name in saved if name in experiment.model.stocks]
    rows = []
    for base in stocks or saved:
        for name in element_names(experiment.model, experiment.model[base]):
            data = select(ds, name)
            values = np.asarray(data.values, dtype=np.float64)[0, 0]
            rows.append([name, unit_of(data), *(number(float(values[at])) for at in places)])
    return ["stock" if stocks else "variable", "unit", *heads], rows
