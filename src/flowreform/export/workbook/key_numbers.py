"""Key numbers: the KPIs of the experiment as formulas over the Series sheet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flowreform.case.tables import Kpi
from flowreform.export.workbook.book import Live, letters
from flowreform.export.workbook.series_sheet import Series
from flowreform.export.workbook.source import Source
from flowreform.kpi import kpi_unit
from flowreform.measure import Grid, Measure, evaluate, window
from flowreform.names import element_names, split
from flowreform.statistics import STATISTICS

if TYPE_CHECKING:
    from xarray import Dataset

NEVER, NONE_NEEDED, UNDEFINED = "never", "none needed", "not defined"


def key_number(series: Series, kpi: Kpi, value: float | str) -> Live:
    """The formula of a KPI with its value for the scenario that the workbook opens with."""
    number = _measure(series, kpi)
    scaled = f"({number})*{kpi.scale!r}" if kpi.scale != 1.0 else number
    raw = f"({number})"
    row = STATISTICS[kpi.statistic]
    if row.threshold:
        scaled = f'IF({raw}>=1E+99,"{NONE_NEEDED if row.good_if_never else NEVER}",{scaled})'
    if kpi.never == "stop":
        limit = series.source.program.stop - series.source.program.dt * (1 + 1e-6)
        scaled = f'IF({raw}>={limit!r},"{NEVER}",{scaled})'
    elif kpi.never is not None:
        scaled = f'IF(ABS({raw}-({kpi.never!r}))<={_near(float(kpi.never))},"{NEVER}",{scaled})'
    if kpi.none_needed is not None:
        scaled = f'IF(ABS({raw}-({kpi.none_needed!r}))<={_near(kpi.none_needed)},"{NONE_NEEDED}",{scaled})'
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


def _in_words(source: Source, kpi: Kpi, found: float) -> float | str:
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
    parts = [_plain(series, part) for part in measure.parts()]
    if measure.over is not None:
        return f"{parts[0]}/{parts[1]}"
    return f"{parts[0]}-{parts[1]}" if measure.minus is not None else parts[0]


def _plain(series: Series, measure: Measure) -> str:
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
