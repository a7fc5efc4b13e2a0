"""The search: a design over the whole box in one batch, then least squares from its best points.

Parameters are searched as shares of their range, 0 to 1, so that none outweighs another by its unit. Slopes are central
differences, all of them in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from flowreform import engine as engines
from flowreform.analyse.fitting.identify import known
from flowreform.analyse.laws.runs import elements, own
from flowreform.batch import Batch, matrix_of
from flowreform.case import Case, FitPlan, read_case
from flowreform.engine.prepared import Prepared
from flowreform.engine.pruned import prune
from flowreform.errors import ModelError, error
from flowreform.measure import Course, Grid, taker, window
from flowreform.model import Model
from flowreform.names import element_names, split
from flowreform.sampling import unit_samples

Floats = NDArray[np.float64]

STEP = 1e-3
"""The step of a slope, as a share of the range: models with thresholds have no slope at a smaller one."""
FAR = 1e3
"""What a residual counts, in standard deviations, where the model has no value."""
TOGETHER = 256
"""Runs whose trajectories are held at a time."""
TOLERANCE = 1e-9
"""The search ends when neither the parameters nor the sum of squares move by more than this share."""


@dataclass(frozen=True)
class SearchResult:
    """The best point of a search: parameter shares `u`, `simulated` rows, slopes of residuals [row, parameter], runs made."""

    u: Floats
    simulated: Floats
    residuals: Floats
    slopes: Floats
    runs: int
    starts: tuple[float, ...]

    @property
    def cost(self) -> float:
        """Half the sum of squared residuals."""
        return 0.5 * float(self.residuals @ self.residuals)


def asked(model: Model) -> tuple[Case, FitPlan]:
    """The case of a model and what its [fit] asks for."""
    case = read_case(model)
    if case is None:
        raise ModelError(
            error(
                "no-case",
                "there is no model.toml beside the model, so nothing to fit to",
                "write one with [fit]",
                file=model.file,
            )
        )
    if case.fit is None:
        repair = "add [fit] with parameters and [fit.series.<name>]"
        raise ModelError(error("no-fit", "the case file does not say what to fit", repair, file=case.file))
    return case, case.fit


class Problem:
    """The rows of a question for any number of parameter sets, one batch at a time."""

    def __init__(self, model: Model, case: Case, question: FitPlan, engine: str = "auto", runs: int = 0) -> None:
        self.model, self.case, self.question = model, case, question
        self.low, self.high = np.array(question.low), np.array(question.high)
        self.observed = np.array([row.observed for row in question.rows])
        self.error = np.array([row.error for row in question.rows])
        self.series = np.array([row.series for row in question.rows])
        self.count = 0
        used = dict.fromkeys(part.setting for row in question.rows for part in row.measure.parts())
        self.settings = {name: case.settings[name].values if name else {} for name in used}
        held = (element for name in question.table.settings for element in elements(model, name))
        self.over = {*question.parameters, *held}
        order = tuple(name for name in model.variables if name in question.variables)
        expected = runs or question.table.samples + 40 * len(question.parameters)
        self.model = replace(model, specs=replace(model.specs, stop=_last_look(model, case, question)))
        self.batch = Batch(self.model, order, model.specs.dt, engine, total=expected)
        if self.batch.program is not None:  # the same bits, and twice as fast where much of a model is no data
            self.batch.program = prune(self.batch.program, self.batch.keep)
        self.times = model.specs.start + model.specs.dt * np.arange(self.model.specs.steps + 1, dtype=np.float64)
        self.takers = [taker(row.measure, self.times, case.calendar) for row in question.rows]
        self.bases = {name: taker(measure, self.times, case.calendar) for name, measure in question.base.items()}
        measures = [*(row.measure for row in question.rows), *question.base.values()]
        named = {name for measure in measures for name in measure.variables if split(name)[1]}
        self.places = {name: element_names(model, model.variables[split(name)[0]]).index(name) for name in named}
        self.ready = self._prepared(expected)

    def _prepared(self, runs: int) -> Prepared | None:
        """The program with its kernel, made once for all batches; None with PySD as engine."""
        batch = self.batch
        if batch.program is None:
            return None
        made = engines.plan(batch.program, batch.keep, batch.every)
        return Prepared(made, engines.choose(made, runs) if batch.engine == "auto" else batch.engine)

    def share(self, values: Floats) -> Floats:
        """Parameter values as shares of their ranges."""
        return np.asarray((values - self.low) / (self.high - self.low))

    def values(self, u: Floats) -> Floats:
        """Shares of ranges as parameter values."""
        return np.asarray(self.low + (self.high - self.low) * u)

    def simulate(self, u: Floats) -> Floats:
        """Rows as the model gives them, float64[row, run], for shares float64[run, parameter]; NaN where a run has none."""
        values = self.values(u)
        return self.rows({name: values[:, at] for at, name in enumerate(self.question.parameters)}, len(u))

    def rows(self, columns: Mapping[str, Floats], runs: int) -> Floats:
        """The same for parameters set to `columns`, float64[run] by name; what [fit] holds is held."""
        held = {
            element: np.full(runs, value)
            for name, value in self.question.table.settings.items()
            for element in elements(self.model, name)
        }
        given = {**held, **columns}
        size = max(1, TOGETHER // len(self.settings))
        parts = (range(first, min(first + size, runs)) for first in range(0, runs, size))
        rows = np.concatenate([self._rows({name: given[name][part] for name in given}, len(part)) for part in parts], axis=1)
        return self._levelled(rows)

    def _rows(self, columns: Mapping[str, Floats], runs: int) -> Floats:
        """A few runs, so that their trajectories stay in the processor's memory."""
        courses = self.courses(columns, runs)
        base = {name: take.in_settings(courses) for name, take in self.bases.items()}
        rows = np.empty((len(self.takers), runs))
        for at, (row, take) in enumerate(zip(self.question.rows, self.takers, strict=True)):
            rows[at] = take.in_settings(courses)
            if row.series in base:
                with np.errstate(divide="ignore", invalid="ignore"):
                    rows[at] = np.where(base[row.series] != 0, rows[at] / base[row.series], np.nan)
        return rows

    def courses(self, columns: Mapping[str, Floats], runs: int) -> dict[str, Course]:
        """For each setting, variables and elements of them by name as float64[run, time], for parameters set to `columns`.

        What a setting of the case says goes over them, but for what is fitted or held. All settings are one batch."""
        count = runs * len(self.settings)
        columns = self._in_all_settings(columns, runs)
        self.count += count
        if self.ready is None:
            found = self.batch.run(columns, {}, count).values
        else:
            assert self.batch.program is not None
            matrix = matrix_of(self.batch.program, self.model, columns, count, np.zeros(count, dtype=np.int64))
            values = np.empty((len(self.ready.slots), len(self.times), count))
            self.ready.run(matrix, self.ready.series(None), values)
            found = self.batch.named(values, self.ready.slots)

        def course(first: int, name: str) -> Floats:
            base, inside = split(name)
            block = found[base][..., first : first + runs]
            if not inside:
                return np.moveaxis(block, -2, -1)
            return np.moveaxis(block.reshape(-1, *block.shape[-2:])[self.places[name]], -2, -1)

        return {setting: partial(course, at * runs) for at, setting in enumerate(self.settings)}

    def _in_all_settings(self, columns: Mapping[str, Floats], runs: int) -> dict[str, Floats]:
        """The columns once for each setting, one after another, with what each setting says in its own part."""
        whole = {name: np.tile(values, len(self.settings)) for name, values in columns.items()}
        for at, values in enumerate(self.settings.values()):
            for name, value in values.items():
                for element in elements(self.model, name):
                    if element in self.over:
                        continue
                    if element not in whole:
                        array = whole.get(split(element)[0])
                        whole[element] = (
                            np.full(runs * len(self.settings), own(self.model, element)) if array is None else array.copy()
                        )
                    whole[element][at * runs : (at + 1) * runs] = value
        return whole

    def _levelled(self, rows: Floats) -> Floats:
        """Series with a level of their own, times the factor that brings them closest to the data."""
        for name, series in self.question.table.series.items():
            if series.level == "free":
                mine = self.series == name
                weight = 1.0 / self.error[mine][:, None] ** 2
                own = rows[mine]
                squares = (weight * own * own).sum(axis=0)
                with np.errstate(divide="ignore", invalid="ignore"):
                    rows[mine] = own * ((weight * own * self.observed[mine][:, None]).sum(axis=0) / squares)
        return rows

    def residuals(self, rows: Floats) -> Floats:
        """Differences in standard deviations, float64[row, run]; FAR where the model has no value."""
        raw = (rows - self.observed[:, None]) / self.error[:, None]
        return np.where(np.isfinite(raw), np.clip(raw, -FAR, FAR), FAR)

    def slopes(self, u: Floats) -> Floats:
        """Slopes of the residuals, float64[row, parameter], by central differences inside the box, in one batch."""
        above, below = np.minimum(u + STEP, 1.0), np.maximum(u - STEP, 0.0)
        sides = np.repeat(u[None, :], 2 * len(u), axis=0)
        for at in range(len(u)):
            sides[2 * at, at], sides[2 * at + 1, at] = above[at], below[at]
        found = self.residuals(self.simulate(sides))
        return np.asarray((found[:, 0::2] - found[:, 1::2]) / (above - below))


def _last_look(model: Model, case: Case, question: FitPlan) -> float:
    """The last model time that a row looks at: what comes after costs time and changes nothing."""
    specs = model.specs
    grid = Grid(specs.start, specs.stop, specs.dt)
    measures = [*(row.measure for row in question.rows), *question.base.values()]
    last = max(window(part, grid, case.calendar)[1] for measure in measures for part in measure.parts())
    return specs.start + max(last, 1) * specs.dt


@dataclass(frozen=True)
class Step:
    """What one more step of the local search would do from a point: by what share of itself the sum of squares would fall if the
    model were linear, the step in shares of the ranges, and standard errors with it."""

    gain: float
    move: Floats
    errors: Floats


def next_step(problem: Problem, u: Floats) -> Step:
    """One step of least squares from `u` within the ranges, for a test of whether a point is a local optimum.

    Linear in the slopes, so it costs one batch: two runs for each parameter and one."""
    from scipy.optimize import lsq_linear

    residuals = problem.residuals(problem.simulate(u[None, :]))[:, 0]
    slopes = problem.slopes(u)
    found = lsq_linear(slopes, -residuals, bounds=(-u - 1e-12, 1.0 - u + 1e-12))
    left = residuals + slopes @ found.x
    whole = float(residuals @ residuals)
    gain = 1.0 - float(left @ left) / whole if whole > 0 else 0.0
    return Step(gain, np.asarray(found.x), known(slopes, residuals).errors)


def search(problem: Problem, progress: Callable[[str], None] | None = None) -> SearchResult:
    """The best fit: the design and the present values in one batch, then a local search from the best few of them."""
    from scipy.optimize import least_squares

    question = problem.question
    names = question.parameters
    design = unit_samples(names, question.table.samples, question.table.design, question.table.seed)
    points = np.column_stack([design[name] for name in names])
    present = np.clip(problem.share(np.array(question.before)), 0.0, 1.0)
    points = np.vstack([present, points])
    costs = 0.5 * (problem.residuals(problem.simulate(points)) ** 2).sum(axis=0)
    order = np.argsort(costs, kind="stable")
    best: tuple[float, Floats] | None = None
    ends = []
    for at in order[: question.table.starts]:
        if progress:
            progress(f"local search from a point of cost {costs[at]:.4g}")
        found = least_squares(
            lambda u: problem.residuals(problem.simulate(u[None, :]))[:, 0],
            np.clip(points[at], 1e-6, 1 - 1e-6),
            jac=problem.slopes,
            bounds=(np.zeros(len(names)), np.ones(len(names))),
            method="trf",
            x_scale=1.0,
            xtol=TOLERANCE,
            ftol=TOLERANCE,
            gtol=TOLERANCE,
            max_nfev=60,
        )
        ends.append(float(found.cost))
        if best is None or found.cost < best[0]:
            best = float(found.cost), np.asarray(found.x)
    assert best is not None
    u = best[1]
    simulated = problem.simulate(u[None, :])
    residuals = problem.residuals(simulated)[:, 0]
    return SearchResult(u, simulated[:, 0], residuals, problem.slopes(u), problem.count, tuple(ends))
