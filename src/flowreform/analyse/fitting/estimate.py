"""Fit named parameters to observed series by least squares, and say how well the data know them.

What is fitted to what stands in `[fit]` of the case file. The fitted number goes into the model file, its standing (fitted,
to what, by which command) into the case file: no value stands in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from flowreform.analyse.fitting.identify import AT_BOUND, known
from flowreform.analyse.fitting.search import Problem, asked, next_step, search
from flowreform.analyse.fitting.theil import Theil, theil
from flowreform.case import Case, FitPlan, Lever, Parameter, Uncertainty, read_case
from flowreform.errors import ModelError, error
from flowreform.experiment import Experiment, Subject, as_experiment, as_model, is_experiment, read_to_fit
from flowreform.model import Model
from flowreform.names import split
from flowreform.text import Manual, Shown

if TYPE_CHECKING:
    from flowreform.analyse.fitting.calibrate import Calibration
    from flowreform.analyse.fitting.history import History
    from flowreform.analyse.fitting.posterior import Posterior

DIGITS = 4
"""Significant digits of a fitted value: data of a few per cent say no more."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One fitted parameter, in the model's unit.

    `before` is the value in the model file, `value` the fitted one to DIGITS digits. `lower` and `upper` are the 95 %
    interval inside the range `low` to `high`, the whole range where the data do not identify it. `note` says why not."""

    name: str
    unit: str
    low: float
    high: float
    before: float
    value: float
    standard_error: float
    lower: float
    upper: float
    identified: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One row: observed, and simulated with the values before and after."""

    series: str
    year: int
    observed: float
    before: float
    after: float
    when: str = ""
    at: float = 0.0


@dataclass(frozen=True, repr=False)
class Fit(Manual):
    """The outcome of a fit; its `repr` is the report.

    `cost` is the sum of squares in stated standard deviations, before and after; `spread` the mean square that standard
    errors are scaled by; `groups` names parameters of which the data know only a combination."""

    model: str
    estimates: tuple[Estimate, ...]
    points: tuple[Point, ...]
    errors: dict[str, Theil]
    cost_before: float
    cost_after: float
    spread: float
    groups: tuple[tuple[str, ...], ...]
    starts: tuple[float, ...]
    runs: int
    data: str
    command: str

    @property
    def values(self) -> dict[str, float]:
        """The fitted values by name."""
        return {item.name: item.value for item in self.estimates}

    @property
    def not_identified(self) -> tuple[str, ...]:
        """The parameters that the data do not identify."""
        return tuple(item.name for item in self.estimates if not item.identified)

    def as_dict(self) -> dict[str, Any]:
        """For scripts: plain values, what is not finite as None."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def manual(self) -> Iterable[Shown]:
        """The report: fitted values, errors of the series, the search."""
        from flowreform.analyse.fitting.report import shown

        return shown(self)


SETTLED = 0.01
"""Values that one more step would improve by less than this share of the sum of squares are still those of the fit."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Whether the values in a model file are still a best fit: what one more step of the search would gain, as a share of the
    sum of squares `cost`, and by how many standard errors it would move each parameter."""

    model: str
    cost: float
    gain: float
    moves: dict[str, float]

    @property
    def ok(self) -> bool:
        """Whether nothing is to be gained."""
        return self.gain <= SETTLED

    def __str__(self) -> str:
        farthest = max(self.moves, key=lambda name: abs(self.moves[name]))
        return (
            f"{self.model}: sum of squares {self.cost:.4g}; one more step would take {100 * self.gain:.2g} % off it "
            f"(limit {100 * SETTLED:g} %) and move {farthest} farthest, by {abs(self.moves[farthest]):.2g} standard errors"
        )


def settled(model: Model, *, engine: str = "auto") -> Settled:
    """Whether the model's own values are a local optimum of its `[fit]`; two runs for each parameter, nothing is written.

    Raises ModelError as `fit` does."""
    case, question = asked(model)
    problem = Problem(model, case, question, engine)
    u = np.clip(problem.share(np.array(question.before)), 0.0, 1.0)
    step = next_step(problem, u)
    with np.errstate(divide="ignore", invalid="ignore"):
        moves = np.where(step.move == 0, 0.0, step.move / step.errors)
    cost = float((problem.residuals(problem.simulate(u[None, :])) ** 2).sum())
    return Settled(model.name, cost, step.gain, dict(zip(question.parameters, map(float, moves), strict=True)))


@overload
def fit(
    model: Subject, *, posterior: Literal[False] = False, engine: str = "auto", seed: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Fit: ...  # fmt: skip
@overload
def fit(
    model: Subject, *, posterior: Literal[True], engine: str = "auto", seed: int | None = None,
    draws: int = 512, iterations: int = 8_000, progress: Callable[[str], None] | None = None, chain: Path | None = None,
) -> Posterior: ...  # fmt: skip
@overload
def fit(
    model: Subject, *, history: History | str | Path, seed: int | None = None, draws: int = 512, iterations: int = 8_000,
    progress: Callable[[str], None] | None = None,
) -> Calibration: ...  # fmt: skip
def fit(
    model: Subject,
    *,
    posterior: bool = False,
    history: History | str | Path | None = None,
    engine: str = "auto",
    seed: int | None = None,
    draws: int = 512,
    iterations: int = 8_000,
    progress: Callable[[str], None] | None = None,
    chain: Path | None = None,
) -> Fit | Posterior | Calibration:
    """Fit the parameters that `[fit]` of the case file names; nothing is written.

    With `posterior` the values in the model file are not searched for anew but where sampling starts: all uncertainties of the
    case and all fitted parameters are drawn by how likely the data are with them, `draws` of them kept, after at most
    `iterations` moves of every walker. An experiment brings its own distributions and correlations, and what its baseline
    sets. `seed` stands in for the file's. Chains that have not converged are kept in the file `chain`, where one is given, and
    the next call goes on from them. Raises ModelError when there is no case file or no [fit], with every fault of it, and for a
    sampler that has not converged::

        found = fr.fit("canterbury")  # its repr is the report
        found.values

    With `history`, the months that a system counted, an experiment's system is calibrated to them, and tested on the last six::

        found = fr.fit("my_system.toml", history="history.csv")
        fr.run(found.applied(fr.read_experiment("my_system.toml")))
    """
    if history is not None:
        from flowreform.analyse.fitting.calibrate import calibrate

        if isinstance(model, str | Path) and is_experiment(model):
            model = read_to_fit(model)
        return calibrate(as_experiment(model), history, draws=draws, iterations=iterations, seed=seed, progress=progress)
    experiment = model if isinstance(model, Experiment) else None
    model = as_model(model)
    case, question = asked(model)
    if seed is not None:
        question = replace(question, table=question.table.model_copy(update={"seed": seed}))
    if not posterior:
        return _fit(model, case, question, engine, progress)
    from flowreform.analyse.fitting.posterior import condition

    own: dict[str, Any] = {}
    if experiment is not None:
        baseline = experiment.scenarios[experiment.baseline].settings
        own["priors"] = question.priors | dict(experiment.uncertainties)
        own["correlations"] = experiment.correlations
        own["held"] = {name: value for name, value in baseline.items() if isinstance(value, float | int)}
    return condition(
        model, case, question, draws=draws, iterations=iterations, engine=engine, progress=progress, chain=chain, **own
    )


def _fit(model: Model, case: Case, question: FitPlan, engine: str, progress: Callable[[str], None] | None) -> Fit:
    problem = Problem(model, case, question, engine)
    found = search(problem, progress)
    ends = np.where(found.u < AT_BOUND, 0.0, np.where(found.u > 1 - AT_BOUND, 1.0, found.u))
    values = np.array([float(f"{value:.{DIGITS}g}") for value in problem.values(ends)])
    values = np.clip(values, problem.low, problem.high)
    both = problem.simulate(np.vstack([problem.share(np.array(question.before)), problem.share(values)]))
    costs = (problem.residuals(both) ** 2).sum(axis=0)
    about = known(found.slopes, found.residuals)
    estimates = []
    for at, name in enumerate(question.parameters):
        low, high = question.low[at], question.high[at]
        width, u = high - low, float(found.u[at])
        half = float(about.halves[at]) * width
        sure = about.identified[at]
        notes = []
        if not sure:
            together = [group for group in about.groups if at in group]
            others = sorted({question.parameters[other] for group in together for other in group if other != at})
            if others:
                notes.append(f"only known together with {', '.join(others)}")
            elif isfinite(half) and not together:
                notes.append(f"its 95 % interval is {2 * half / width:.2g} times its range")
            else:
                notes.append("the data hardly move with it")
        if u < AT_BOUND or u > 1 - AT_BOUND:
            notes.append("on the end of its range")
        estimates.append(
            Estimate(
                name=name,
                unit=model[split(name)[0]].units or "",
                low=low,
                high=high,
                before=question.before[at],
                value=float(values[at]),
                standard_error=float(about.errors[at]) * width,
                lower=max(low, float(values[at]) - half) if sure else low,
                upper=min(high, float(values[at]) + half) if sure else high,
                identified=sure,
                note="; ".join(notes),
            )
        )
    points = tuple(
        Point(row.series, row.year, row.observed, float(both[at, 0]), float(both[at, 1]), row.when, row.at)
        for at, row in enumerate(question.rows)
    )
    errors = {}
    for series in question.table.series:
        mine = problem.series == series
        errors[series] = theil(both[mine, 1], problem.observed[mine])
    return Fit(
        model=model.name,
        estimates=tuple(estimates),
        points=points,
        errors=errors,
        cost_before=float(costs[0]),
        cost_after=float(costs[1]),
        spread=about.spread,
        groups=tuple(tuple(question.parameters[at] for at in group) for group in about.groups),
        starts=found.starts,
        runs=problem.count,
        data=_data(question),
        command=f"flowreform fit {model.name} --write",
    )


def _data(question: FitPlan) -> str:
    """The series and years of a fit in a few words."""
    parts = []
    for series in question.table.series:
        years = [row.when for row in sorted(question.rows, key=lambda row: row.at) if row.series == series]
        parts.append(f"{series} {years[0]}" + (f" to {years[-1]}" if len(years) > 1 else ""))
    return ", ".join(parts)


def write_fit(model: Model, found: Fit) -> None:
    """Put fitted values into the model file, and status and origin into the case file beside it; both or neither.

    Raises ModelError where either file has an equation or a key that cannot be patched."""
    from flowreform.patch import write_patches

    if model.path is None:
        raise ModelError(error("no-file", "the model was not read from a file, so there is none to write to", "save it first"))
    case = read_case(model)
    assert case is not None
    entries = {}
    for item in found.estimates:
        there = _entry(case, item.name)
        old = there.note.partition(_MARK)[0].rstrip("; ") if there else ""
        how = "" if item.identified else " (not identified)"
        entries[item.name] = {
            "status": "fitted",
            "note": f"{old}{'; ' if old else ''}{_MARK} {found.data}, within {item.low:g} to {item.high:g}, "
            f"by `{found.command}`{how}",
        }
    write_patches(model.path, found.values, entries)


_MARK = "fitted to"


def _entry(case: Case, name: str) -> Lever | Uncertainty | Parameter | None:
    """What the case file says of a parameter, or of the array it is an element of."""
    for spelling in (name, split(name)[0]):
        found = case.levers.get(spelling) or case.uncertainties.get(spelling) or case.parameters.get(spelling)
        if found is not None:
            return found
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
