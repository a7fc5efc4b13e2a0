"""What the yearly sheets show: for each variable a number a year and run, and its percentiles over the draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from flowreform.export.tables import shown_unit
from flowreform.export.tidy import OUTER, moving
from flowreform.export.values.periods import Period
from flowreform.measure import Cut, Measure
from flowreform.model import Role
from flowreform.names import element_names, join

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment

Floats = NDArray[np.float64]
PERCENTILES = (10.0, 50.0, 90.0)
Statistic = Literal["at", "mean", "increase"]
WORDS: dict[Statistic, str] = {"at": "at the end of the year", "mean": "mean of the year", "increase": "in the year"}
"""How a statistic is called on the sheet."""


@dataclass(frozen=True)
class Line:
    """One result: its name, label and unit, what stands for a year, and the numbers float64[scenario, draw, year]."""

    name: str
    label: str
    unit: str
    statistic: Statistic
    values: Floats

    @property
    def percentiles(self) -> Floats:
        """float64[percentile, scenario, year] over the draws that have a number; NaN where none has."""
        found = np.full((len(PERCENTILES), self.values.shape[0], self.values.shape[2]), np.nan)
        for scenario, year in np.ndindex(found.shape[1:]):
            column = self.values[scenario, :, year]
            kept = column[np.isfinite(column)]
            if len(kept):
                found[:, scenario, year] = np.percentile(kept, PERCENTILES)
        return found

    def less(self, baseline: int) -> Line:
        """The difference to one scenario, the same draw against the same draw."""
        return Line(self.name, self.label, self.unit, self.statistic, self.values - self.values[baseline : baseline + 1])


def lines(ds: Dataset, experiment: Experiment, years: tuple[Period, ...]) -> Iterator[Line]:
    """Every variable over time, elements of arrays one by one: stocks at the end of a year, running totals by what they grew
    in it, all else by its mean over the saved values of the year, weighted by time. One variable is in memory at a time."""
    totals = _totals(experiment)
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
            yield Line(name, shown, unit, statistic, _by_year(whole[..., place], times, statistic, years))


def _by_year(values: Floats, times: Floats, statistic: Statistic, years: tuple[Period, ...]) -> Floats:
    measure = Measure(variable="result", statistic=statistic)
    parts = [Cut(measure, times, year.last if statistic == "at" else year.first, year.last).of(values) for year in years]
    return np.stack(parts, axis=-1) if parts else np.empty((*values.shape[:2], 0))


def _totals(experiment: Experiment) -> frozenset[str]:
    """The stocks that only add up: those that the laws say so of, and those whose reference series is their yearly increase."""
    from flowreform.laws.tables import read_rules

    found: set[str] = set()
    if experiment.case is not None:
        laws = read_rules(experiment.model, experiment.case).laws
        found |= set(laws.running_totals) if laws is not None else set()
        found |= {item.variable for item in experiment.case.reference.values() if item.statistic == "increase" and item.scale}
    return frozenset(found)
