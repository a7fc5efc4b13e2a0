"""What a page is made of: an experiment, its runs with all that the page shows, its KPIs and the differences to the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.engine import Progress
from flowreform.experiment import Experiment, Scenario
from flowreform.kpi import contrast, kpis, within
from flowreform.model import Role
from flowreform.names import join, split
from flowreform.runs import run

if TYPE_CHECKING:
    from xarray import Dataset

Floats = NDArray[np.float64]
MOST_OPTIONS, MOST_OUTCOMES, MOST_SERIES, MOST_LEVERS = 4, 7, 6, 8


@dataclass(frozen=True)
class Found:
    """An experiment that was run: trajectories, KPIs, differences to the baseline (None where there is one scenario).

    `options` are the scenarios side by side, the baseline first; `outcomes` the KPIs of the table; `series` the courses that are
    shown, the one that decides first."""

    experiment: Experiment
    ds: Dataset
    kpis: Dataset
    against: Dataset | None
    options: tuple[str, ...]
    outcomes: tuple[str, ...]
    series: tuple[str, ...]
    levers: tuple[str, ...]
    courses: Mapping[tuple[str, str], Floats]

    @property
    def focus(self) -> str:
        """The option that the paper is about: the first that it names, or the one that sets most, the baseline aside."""
        others = [name for name in self.options if name != self.experiment.baseline] or [self.options[0]]
        return others[0] if self.experiment.paper.options else max(others, key=lambda name: len(self.scenario(name).settings))

    def scenario(self, name: str) -> Scenario:
        """A scenario by name."""
        return self.experiment.scenarios[name]

    def values(self, name: str, scenario: str) -> Floats:
        """float64[draw, time] of a series in a scenario, failed runs left out as NaN."""
        return self.courses[name, scenario]

    @property
    def times(self) -> Floats:
        """The saved times up to the horizon."""
        return np.asarray(within(self.ds, self.experiment)["time"].values, dtype=np.float64)

    @property
    def failed(self) -> int:
        """How many runs failed."""
        return int(np.asarray(self.ds["failed"].values, dtype=bool).sum())


def find(experiment: Experiment, progress: Progress | None = None, command: str = "") -> Found:
    """Run an experiment with everything kept that its page shows."""
    options = _options(experiment)
    outcomes = _outcomes(experiment)
    series = _series(experiment, outcomes)
    asked = planned_of(experiment)
    wanted = {split(name)[0] for name in (*experiment.save, *series, *money_of(experiment), *balances_of(experiment), *asked)}
    known = tuple(variable.name for variable in experiment.model if variable.name in wanted)
    ds = run(replace(experiment, save=known), progress=progress, command=command)
    found = kpis(ds, experiment)
    against = contrast(found, experiment.baseline) if len(experiment.scenarios) > 1 else None
    shown = tuple(dict.fromkeys((*series, *money_of(experiment), *asked)))
    courses = {(name, option): _course(ds, experiment, name, option) for name in shown for option in options}
    return Found(experiment, ds, found, against, options, outcomes, series, _levers(experiment, options), courses)


def _course(ds: Dataset, experiment: Experiment, name: str, option: str) -> Floats:
    """float64[draw, time] of one series up to the horizon, failed runs as NaN."""
    base, elements = split(name)
    data = within(ds, experiment)[base].sel(scenario=option)
    inner = [dim for dim in data.dims if dim not in ("draw", "time")]
    data = data.sel(dict(zip(inner, elements, strict=True))).transpose("draw", "time")
    found = np.array(data.values, dtype=np.float64)
    found[np.asarray(ds["failed"].sel(scenario=option).values, dtype=bool)] = np.nan
    return found


def _options(experiment: Experiment) -> tuple[str, ...]:
    """The baseline first, then what the paper names or what follows."""
    names = experiment.paper.options or tuple(experiment.scenarios)
    return tuple(dict.fromkeys((experiment.baseline, *names)))[:MOST_OPTIONS]


def _outcomes(experiment: Experiment) -> tuple[str, ...]:
    if experiment.paper.outcomes:
        return experiment.paper.outcomes
    alone = [name for name, kpi in experiment.kpis.items() if not kpi.caution]
    told = [name for name in alone if experiment.kpis[name].better != "neither"]
    return tuple(told or alone or experiment.kpis)[:MOST_OUTCOMES]


def _series(experiment: Experiment, outcomes: Sequence[str]) -> tuple[str, ...]:
    """What is charted: the series that decides, then the first of every chart of the case, then their others."""
    charts = [list(chart.variables) for chart in experiment.charts]
    depth = max(map(len, charts), default=0)
    every = [names[at] for at in range(depth) for names in charts if at < len(names)]
    candidates = [experiment.paper.decides] * bool(experiment.paper.decides)
    candidates += [experiment.kpis[name].variable for name in outcomes[:1]] + every + list(experiment.model.stocks)
    found: dict[str, None] = {}
    for name in candidates:
        base, elements = split(name)
        variable = experiment.model.variables.get(base)
        if variable is None or variable.role is Role.LOOKUP:
            continue
        if variable.dimensions and not elements:
            first = [experiment.model.dimensions[dim].elements[0] for dim in variable.dimensions]
            name = join(base, tuple(first))
        found[name] = None
    return tuple(found)[:MOST_SERIES]


def _levers(experiment: Experiment, options: Sequence[str]) -> tuple[str, ...]:
    if experiment.paper.levers:
        return experiment.paper.levers
    set_by = [name for option in options for name in experiment.scenarios[option].settings]
    every = dict.fromkeys((*set_by, *(experiment.case.levers if experiment.case else ())))
    kept = []
    for name in every:
        base, elements = split(name)
        variable = experiment.model[base]
        if (variable.dimensions and not elements) or None in variable.range:
            continue
        kept.append(name)
    return tuple(kept[:MOST_LEVERS])


def money_of(experiment: Experiment) -> tuple[str, ...]:
    """The totals that the case's bridge names, the one that they make up last; none where it has no bridge."""
    workbook = experiment.case.workbook if experiment.case else None
    if workbook is None or not workbook.bridge or not workbook.bridge_total:
        return ()
    return (*(part.variable for part in workbook.bridge), workbook.bridge_total)


def planned_of(experiment: Experiment) -> tuple[str, ...]:
    """The series that `[planning]` of the case names: places, staff, the fund, paths to compare with."""
    planning = experiment.case.planning if experiment.case else None
    if planning is None:
        return ()
    names = [name for row in planning.places for name in (row.usable, row.staffed, row.needed)]
    names += [name for staff in planning.staff for name in (staff.post, staff.gap)]
    return tuple(dict.fromkeys(name for name in (*names, planning.fund, planning.closed, *planning.paths) if name))


def balances_of(experiment: Experiment) -> tuple[str, ...]:
    """What the laws conserve, and what each is compared with."""
    laws = experiment.case.laws if experiment.case else None
    return tuple(name for pair in laws.conserved.items() for name in pair) if laws else ()
