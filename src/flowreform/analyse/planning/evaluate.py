"""Plans run over draws, and what is kept of each: its objective and the worst of every requirement, draw by draw.

All plans meet the same draws, so that two plans differ by what they decide alone. What is kept knows no level and no share: other
levels, shares and frontiers are scored again and run nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.planning.lattice import Plan, values_of
from flowreform.analyse.planning.windows import relative, worst
from flowreform.batch import BatchResult, ExperimentBatch
from flowreform.case.tables import Kpi
from flowreform.experiment import Experiment, Points, Scenario
from flowreform.experiment.plans import Decision, PlanProblem, Requirement, WindowEdge, period_length
from flowreform.kpi import difference, taken
from flowreform.measure import Taker, taker
from flowreform.names import element_names, split
from flowreform.sampling import samples

Floats = NDArray[np.float64]
Known = MutableMapping[Plan, "Evaluated"]
Progress = Callable[[int, int], None]
Moving = Callable[[Plan], Mapping[str, Points]]

RUNS_AT_ONCE = 2_000
"""Runs of one batch: enough for every thread, and few enough to stay in memory."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One plan over the draws: `objective` and `harm` float64[draw], `worst` float64[requirement, draw].

    `worst` is the highest (or, for a least level, lowest) value in the window: a level, a difference to the baseline, or a ratio
    to it, by the form of the requirement. What a failed run would give is NaN."""

    objective: Floats
    harm: Floats
    worst: Floats


class Trial:
    """A problem with its draws: plans go in, and what is known of them comes out."""

    def __init__(
        self,
        experiment: Experiment,
        problem: PlanProblem,
        draws: int,
        seed: int,
        *,
        settings: Mapping[str, float] | None = None,
        progress: Progress | None = None,
        moving: Moving | None = None,
        like: Trial | None = None,
    ) -> None:
        """`settings` are those of a world, over every draw, plan and baseline; `moving` gives what a plan sets over time; `like`
        is a trial of the same problem, whose model need not be made ready again."""
        self.experiment = replace(experiment, draws=draws, seed=seed, appraisal_end=_beyond(problem, experiment))
        self.problem, self.draws, self.seed, self.runs = problem, draws, seed, 0
        self._world = dict(settings or {})
        self._progress, self._moving = progress, moving
        exp, case = self.experiment, self.experiment.case
        self._kpis = {name: exp.kpis[name] for name in _kpis_read(problem)}
        self._plan = Scenario("plan", "plan", {**problem.given, **self._world})
        base = exp.scenarios[problem.baseline]
        self._base = Scenario(base.name, base.label, {**base.settings, **self._world})
        patterns = [self._plan, self._base]
        if moving is not None:
            start = moving(tuple(0 for _ in problem.decisions))
            patterns.append(Scenario("moving", "moving", dict(start)))
        names = _variables(problem, self._kpis, exp)
        self._batch: ExperimentBatch = (
            ExperimentBatch(exp, names, scenarios=patterns, total=RUNS_AT_ONCE) if like is None else like._batch
        )
        self._drawn = samples(exp)
        calendar = case.calendar if case else None
        times = exp.times
        inside = times[: round((exp.stop - exp.start) / exp.save_every) + 1]
        self._takers: dict[str, tuple[Taker, int, Kpi]] = {}
        for name, kpi in self._kpis.items():
            measure, runs_on = taken(kpi, exp)
            cut = times if runs_on else inside
            self._takers[name] = (taker(measure, cut, calendar), len(cut), kpi)
        self._inside = len(inside)
        self.baseline: BatchResult = self._batch.block(self._base, self._drawn, draws, np.arange(draws))[1]

    @property
    def drawn(self) -> Mapping[str, Floats]:
        """The draws by parameter."""
        return self._drawn

    def evaluate(self, plans: Iterable[Plan], known: Known) -> None:
        """Run the plans that are not known yet."""
        new = [plan for plan in dict.fromkeys(plans) if plan not in known]
        size = 1 if self._moving else max(1, RUNS_AT_ONCE // self.draws)
        for at in range(0, len(new), size):
            part = new[at : at + size]
            for plan, found in zip(part, self._evaluated(part), strict=True):
                known[plan] = found
            self.runs += len(part) * self.draws
            if self._progress is not None:
                self._progress(self.runs, max(self.runs, len(known) * self.draws))

    def _evaluated(self, plans: Sequence[Plan]) -> list[Evaluated]:
        count, draws = len(plans), self.draws
        tiled = {name: np.tile(column, count) for name, column in self._drawn.items()}
        columns = self._plan.over(tiled, count * draws)
        moving = self._moving(plans[0]) if self._moving else {}
        if not self._moving:
            rows = np.array([values_of(plan, self.problem.decisions) for plan in plans])
            for at, item in enumerate(self.problem.decisions):
                columns = {name: column for name, column in columns.items() if name != item.name and split(name)[0] != item.name}
                columns[item.name] = np.repeat(rows[:, at], draws)
        found = self._batch.run(columns, {**self._plan.moving, **moving}, count * draws, np.tile(np.arange(draws), count))
        return [self._kept(found, slice(at * draws, (at + 1) * draws)) for at in range(count)]

    def baseline_kept(self) -> Evaluated:
        """The baseline against itself: what doing nothing new would keep."""
        return self._kept(self.baseline, slice(0, self.draws))

    def _kept(self, found: BatchResult, runs: slice) -> Evaluated:
        lost = found.failed[runs] | self.baseline.failed
        objective = self._kpi(self.problem.objective, found, runs)
        harm = np.zeros(self.draws)
        if self.problem.rules.harm:
            harm = (
                self._course(found, self.problem.rules.harm, runs)[-1]
                - self._course(self.baseline, self.problem.rules.harm, None)[-1]
            )
        rows = [np.where(lost, np.nan, self._worst(item, found, runs)) for item in self.problem.requirements]
        return Evaluated(
            np.where(lost, np.nan, objective), np.where(lost, np.nan, harm), np.array(rows).reshape(len(rows), self.draws)
        )

    def _course(self, found: BatchResult, name: str, runs: slice | None) -> Floats:
        """float64[time, run] of a variable or one of its elements."""
        base, elements = split(name)
        array = found.values[base]
        if elements:
            variable = self.experiment.model.variables[base]
            names = element_names(self.experiment.model, variable)
            array = array.reshape(-1, *array.shape[-2:])[names.index(name)]
        return array if runs is None else array[:, runs]

    def _at_end(self, found: BatchResult, runs: slice | None) -> Floats:
        return np.asarray(self._course(found, self.problem.rules.harm, runs)[-1])

    def _kpi(self, name: str, found: BatchResult, runs: slice) -> Floats:
        ready, count, kpi = self._takers[name]

        def course(variable: str) -> Floats:
            values = self._course(found, variable, runs)[:count]
            if kpi.against is not None:
                values = difference(values, self._course(self.baseline, variable, None)[:count])
            return values.T

        return ready.of(course)

    def _worst(self, item: Requirement, found: BatchResult, runs: slice) -> Floats:
        if item.kpi:
            own = self._kpi(item.kpi, found, runs)
            return (
                own if not item.relative else relative(own, self._kpi(item.kpi, self.baseline, slice(0, self.draws)), item.form)
            )
        values = self._course(found, item.series, runs)[: self._inside]
        exp = self.experiment
        period = round(period_length(item.average, exp) / exp.save_every) if item.average else 0
        first, last = self._when(item.start, found, runs), self._when(item.stop, found, runs)
        last = np.minimum(last, exp.stop - exp.start)
        base = self._course(self.baseline, item.series, None)[: self._inside] if item.relative else None
        return worst(values, exp.save_every, first, last, period, item.sign, base, item.form)

    def _when(self, moment: WindowEdge, found: BatchResult, runs: slice) -> Floats:
        """float64[run]: a place in time, counted from the start of the run."""
        exp = self.experiment
        if moment.of_run:
            return np.asarray(self._course(found, moment.name, runs)[0] + moment.offset - exp.start)
        time = moment.offset + {"start": exp.start, "end": exp.stop}.get(moment.name, 0.0)
        return np.full(self.draws, time - exp.start)


def _beyond(problem: PlanProblem, experiment: Experiment) -> float | None:
    end = problem.appraisal_end
    return None if end is None or end <= experiment.stop else end


def _variables(problem: PlanProblem, kpis: Mapping[str, Kpi], experiment: Experiment) -> tuple[str, ...]:
    wanted = {split(name)[0] for kpi in kpis.values() for name in kpi.variables}
    for item in problem.requirements:
        wanted |= {
            split(name)[0] for name in (item.series, item.start.name, item.stop.name) if name and name not in ("start", "end")
        }
    if problem.rules.harm:
        wanted.add(split(problem.rules.harm)[0])
    return tuple(name for name in experiment.model.variables if name in wanted)


def _kpis_read(problem: PlanProblem) -> tuple[str, ...]:
    return tuple(dict.fromkeys((problem.objective, *(item.kpi for item in problem.requirements if item.kpi))))


def decided(plan: Plan, decisions: Sequence[Decision]) -> dict[str, float]:
    """The settings of a plan by parameter."""
    return {item.name: value for item, value in zip(decisions, values_of(plan, decisions), strict=True)}
