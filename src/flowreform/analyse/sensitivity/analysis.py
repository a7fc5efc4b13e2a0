"""What matters, when, and how sure we are: an experiment's uncertainties against all its KPIs and variables at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity import asked, columns, designs, notes
from flowreform.analyse.sensitivity.assemble import Findings, assemble
from flowreform.analyse.sensitivity.estimators import Settings
from flowreform.analyse.sensitivity.methods import METHODS, make
from flowreform.analyse.sensitivity.runs import DesignRunner, ScenarioOutcome
from flowreform.engine import Progress
from flowreform.errors import ExperimentError, Finding
from flowreform.experiment import Subject, as_experiment
from flowreform.names import split

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.analyse.sensitivity.shown import SensitivityIndices

RESAMPLES, SLOW_RESAMPLES = 100, 10


def sensitivity(
    experiment: Subject,
    method: str = "sobol",
    samples: int = 1024,
    *,
    scenario: str | None = None,
    contrast: tuple[str, str] | None = None,
    kpis: Sequence[str] | None = None,
    variables: Sequence[str] | None = None,
    targets: Sequence[str] = (),
    parameters: Sequence[str] | None = None,
    second_order: bool = False,
    resamples: int | None = None,
    confidence: float = 0.95,
    seed: int | None = None,
    engine: str = "auto",
    progress: Progress | None = None,
    command: str = "",
) -> SensitivityIndices:
    """Sensitivity indices of every KPI, and of variables over time, to an experiment's uncertainties.

    The Dataset has `kpi_index` (scenario, kpi, parameter, index) and `variable_index` (scenario, variable, time, parameter,
    index), each with the half-width of its interval, `kpi_confidence` and `variable_confidence` (NaN where the method gives
    none), and a status; with `second_order` also pairs of parameters. `kpi_convergence` shows the indices at a quarter, half
    and all of the sample; `band` has quantiles over time where the design is a sample of all inputs. `warnings_of` gives
    what a reader must know.

    `method` is one of METHODS. `samples` counts base points (sobol: samples x (parameters + 2) runs), trajectories (morris),
    points of each curve (fast) or runs. `scenario` names one scenario (default: all, one after the other, on the same
    samples); `contrast=(a, b)` asks for what decides the difference a less b. `variables` are followed over time (default:
    those in the experiment's charts; none with delta). `targets` such as "payback <= 60" become columns of 1 (met) and 0.
    `parameters` limits what varies; all else stays as the model has it. Raises ExperimentError with all faults found::

        ds = fr.sensitivity("va_beds_to_community", method="morris", samples=4, scenario="as_was")
        ds["kpi_index"].sel(kpi="unmet_need", index="mu_star")
    """
    experiment = as_experiment(experiment)
    faults: list[Finding] = []
    chosen = asked.method_of(method, samples, faults)
    names = asked.parameters_of(experiment, parameters, faults)
    scenarios = asked.scenarios_of(experiment, scenario, contrast, faults)
    narrowed, wanted = asked.wanted_of(experiment, method, kpis, variables, targets, faults)
    asked.check_numbers(resamples, confidence, seed, faults)
    if chosen is not None:
        faults += asked.check_fit(experiment, method, names, targets, second_order)
    if faults or chosen is None:
        raise ExperimentError(faults)
    seed = experiment.seed if seed is None else seed
    settings = Settings(resamples or (SLOW_RESAMPLES if chosen.slow else RESAMPLES), confidence, seed)
    design = make(method, len(names), samples, seed, second_order=second_order)
    uncertainties = {name: experiment.uncertainties[name] for name in names}
    design = designs.mixed(design, names, asked.correlated(experiment, names))
    values = designs.values_of(design, uncertainties)
    runner = DesignRunner(narrowed, values, wanted, scenarios, engine, progress)
    found = Findings(narrowed, method, design, values, wanted, settings, contrast)
    estimate_all(found, scenarios, lambda name: runner.run(experiment.scenarios[name]))
    ds = assemble(found, engine=runner.engine, command=command)
    return with_warnings(ds, found, samples, scenarios)


def estimate_all(found: Findings, scenarios: Sequence[str], outcome_of: Callable[[str], ScenarioOutcome]) -> None:
    """Indices of every scenario, or of the difference of two, one after the other: only one is held at a time."""
    chosen, design, settings = METHODS[found.method], found.design, found.settings

    def each() -> Iterator[tuple[str, ScenarioOutcome]]:
        kept: list[ScenarioOutcome] = []
        for name in scenarios:
            outcome = outcome_of(name)
            found.keep_scenario(name, outcome)
            if found.contrast is None:
                yield name, outcome
            else:
                kept.append(outcome)
        if found.contrast is not None:
            one, other = kept
            difference = one.kpis - other.kpis, one.variables - other.variables, one.failed | other.failed, None
            yield f"{found.contrast[0]} - {found.contrast[1]}", ScenarioOutcome(*difference)

    for label, outcome in each():
        found.labels.append(label)
        found.failed.append(int(outcome.failed.sum()))
        found.kpis.append(columns.estimate(chosen, design, outcome.kpis, settings))
        found.convergence.append(columns.convergence(chosen, design, outcome.kpis, settings, found.kpis[-1]))
        found.variables.append(columns.estimate(chosen, design, outcome.variables, settings))
        inputs = _without_spread(found, found.contrast or (label,))
        for cells in (found.kpis[-1], found.variables[-1]):
            columns.still(cells, chosen, inputs)
        if found.convergence[-1] is not None:
            found.convergence[-1][:, :, inputs] = found.kpis[-1].values[:, inputs]
        found.keep(outcome)


def _without_spread(found: Findings, scenarios: Sequence[str]) -> NDArray[np.bool_]:
    """bool[parameter]: inputs of which every sample is the same, or that all of these scenarios set to a value of their own."""
    settings = [found.experiment.scenarios[name].settings for name in scenarios]
    return np.array(
        [
            not np.ptp(values) or all(name in given or split(name)[0] in given for given in settings)
            for name, values in found.values.items()
        ]
    )


def with_warnings(
    ds: SensitivityIndices, found: Findings, samples: int, scenarios: Sequence[str], more: Sequence[str] = ()
) -> SensitivityIndices:
    """The Dataset with what its reader must know."""
    settings = [(name, found.experiment.scenarios[name].settings) for name in scenarios]
    lines = [*more, *notes.lines(ds, found, METHODS[found.method], samples, settings)]
    return ds.assign_attrs(warnings="\n".join(lines))


def warnings_of(ds: Dataset) -> tuple[str, ...]:
    """What a reader of the indices must know, a line each: wide intervals, constants, failed runs, sample sizes."""
    text = str(ds.attrs.get("warnings", ""))
    return tuple(text.split("\n")) if text else ()
