"""Targets in words: `payback <= 60`, `monthly_mean_occupancy < 0.92 throughout`.

A target on a KPI compares its value; one on a variable compares its course: `throughout` (at every saved time, what is
meant when nothing is said), `ever` (at some saved time) or `at_end`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.errors import ExperimentError, Finding, did_you_mean, error
from flowreform.kpi import FAILED, NEVER, NONE_NEEDED, UNDEFINED, failures
from flowreform.model import Role
from flowreform.names import Unknown, find, split
from flowreform.text import as_number

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

    from flowreform.experiment import Experiment

Floats = NDArray[np.float64]

_FORM = re.compile(r"\s*(?P<name>[^<>=]+?)\s*(?P<sign><=|>=|<|>)\s*(?P<value>[^\s<>=]+)\s*(?P<when>\S*)\s*")
WHEN = ("throughout", "ever", "at_end")


@dataclass(frozen=True, slots=True)
class DrawTarget:
    """What is wanted of a KPI or a variable; `when` is empty for a KPI."""

    text: str
    name: str
    sign: str
    value: float
    when: str = ""

    def holds(self, values: Floats) -> NDArray[np.bool_]:
        """Whether each value is on the wanted side."""
        match self.sign:
            case "<":
                return values < self.value
            case "<=":
                return values <= self.value
            case ">":
                return values > self.value
            case _:
                return values >= self.value


def read_targets(texts: Sequence[str], experiment: Experiment) -> tuple[DrawTarget, ...]:
    """The targets, against the names of an experiment. Raises ExperimentError with every fault found."""
    found: list[DrawTarget] = []
    faults: list[Finding] = []
    for text in texts:
        target = _read(text, experiment)
        if isinstance(target, Finding):
            faults.append(target)
        else:
            found.append(target)
    if faults:
        raise ExperimentError(faults)
    return tuple(found)


def _read(text: str, experiment: Experiment) -> DrawTarget | Finding:
    match = _FORM.fullmatch(text)
    if match is None:
        return _fault(text, "a target is NAME < NUMBER, with <, <=, > or >=", 'write "payback <= 60"')
    value = as_number(match["value"])
    if value is None:
        return _fault(text, f"{match['value']} is not a number", "write the number in the unit of what is measured")
    name, when = match["name"], match["when"]
    if name in experiment.kpis:
        if when:
            return _fault(text, "a KPI has one value a run", f'leave out "{when}"')
        return DrawTarget(text.strip(), name, match["sign"], value)
    named = find(experiment.model, name)
    if isinstance(named, Unknown):
        hint = did_you_mean(name, (*experiment.kpis, *experiment.model.variables)) or f"KPIs are {', '.join(experiment.kpis)}"
        return _fault(text, f"{name} is neither a KPI nor a variable", hint)
    if named.variable.role is Role.LOOKUP or named.is_array:
        return _fault(text, f"{name} has no single course over time", "name one element, or another variable")
    if when and when not in WHEN:
        return _fault(text, f'"{when}" says no time', f"write one of {', '.join(WHEN)}")
    return DrawTarget(text.strip(), named.name, match["sign"], value, when or WHEN[0])


def _fault(text: str, reason: str, repair: str) -> Finding:
    return error("target", reason, repair, element=text)


def met(target: DrawTarget, ds: Dataset, kpis: Dataset) -> DataArray:
    """1 where a run meets the target, 0 where not, NaN where that cannot be said: dimensions (scenario, draw).

    A time that never comes lies beyond every number, and one that was not needed before every number."""
    if not target.when:
        values = comparable(kpis, target.name)
        return values.copy(data=np.where(np.isnan(values.values), np.nan, target.holds(np.asarray(values.values))))
    base, elements = split(target.name)
    if base not in ds.data_vars:
        raise ExperimentError(error("not-saved", "the variable was not saved", f'add "{base}" to save', element=target.text))
    data = ds[base]
    if elements:
        inner = [name for name in data.dims if name not in ("scenario", "draw", "time")]
        data = data.sel(dict(zip(inner, elements, strict=True)), drop=True)
    course = data.transpose("scenario", "draw", "time")
    held = target.holds(np.asarray(course.values))
    ends = {"throughout": held.all(axis=-1), "ever": held.any(axis=-1), "at_end": held[..., -1]}
    result = course.isel(time=0, drop=True).copy(data=ends[target.when].astype(np.float64))
    return result.where(~failures(ds).transpose("scenario", "draw"))


def comparable(kpis: Dataset, name: str) -> DataArray:
    """A KPI with what never happened as +infinity and what was not needed as -infinity: (scenario, draw)."""
    data = kpis[name].transpose("scenario", "draw")
    flags = kpis.coords.get(f"{name}_outcome")
    values = np.asarray(data.values, dtype=np.float64).copy()
    if flags is not None:
        cause = np.asarray(flags.transpose("scenario", "draw").values)
        values[cause == NEVER] = np.inf
        values[cause == NONE_NEEDED] = -np.inf
        values[(cause == FAILED) | (cause == UNDEFINED)] = np.nan
    return data.reset_coords(drop=True).copy(data=values)
