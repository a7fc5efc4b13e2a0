"""What the yearly sheets show: for each variable a number a year and run, and its percentiles over the draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from flowreform.export.tables import shown_unit
from flowreform.export.tidy import OUTER, kept, moving
from flowreform.export.values.periods import Period
from flowreform.measure import Cut, Measure
from flowreform.model import Role
from flowreform.names import element_names, join, split

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
    found = np.full((len(PERCENTILES), values.shape[0], values.shape[2]), np.nan)
    for scenario, year in np.ndindex(found.shape[1:]):
        column = values[scenario, :, year]
        finite = column[np.isfinite(column)]
        if len(finite):
            found[:, scenario, year] = np.percentile(finite, PERCENTILES)
    return found


def lines(ds: Dataset, experiment: Experiment, years: tuple[Period, ...]) -> Iterator[Line]:
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
            yield Line(name, shown, unit, statistic, percentiles(yearly), away)


def stored_lines(ds: Dataset, experiment: Experiment, years: tuple[Period, ...]) -> Iterator[Line]:
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
        yield Line(full, shown, shown_unit(variable.units or ""), "at", values, None)


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
