"""What matters, when, and how sure we are: an experiment's uncertainties against all its KPIs and variables at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flowreform.engine import Progress
from flowreform.errors import ExperimentError, Finding, did_you_mean, error
from flowreform.experiment import Experiment
from flowreform.model import Role
from flowreform.names import Unknown, element_names, find
from flowreform.sensitivity import columns, designs, notes
from flowreform.sensitivity.assemble import Findings, assemble
from flowreform.sensitivity.estimators import Settings
from flowreform.sensitivity.methods import METHODS, Method
from flowreform.sensitivity.runs import Outcome, Runner, Wanted
from flowreform.sensitivity.targets import Target, read_targets

if TYPE_CHECKING:
    from xarray import Dataset

RESAMPLES, SLOW_RESAMPLES = 100, 10
MOST_FF = 256
"""Most parameters of a fractional factorial."""


def sensitivity(
    experiment: Experiment,
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
) -> Dataset:
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
    `parameters` limits what varies; all else stays as the model has it. Raises ExperimentError with all faults found.
    """
    faults: list[Finding] = []
    chosen = _method(method, samples, faults)
    names = _parameters(experiment, parameters, faults)
    scenarios = _scenarios(experiment, scenario, contrast, faults)
    narrowed, wanted = _wanted(experiment, method, kpis, variables, targets, faults)
    _numbers(resamples, confidence, seed, faults)
    if chosen is not None:
        faults += _fit(experiment, method, names, targets, second_order)
    if faults or chosen is None:
        raise ExperimentError(faults)
    seed = experiment.seed if seed is None else seed
    settings = Settings(resamples or (SLOW_RESAMPLES if chosen.slow else RESAMPLES), confidence, seed)
    design = designs.make(method, len(names), samples, seed, second_order=second_order)
    uncertainties = {name: experiment.uncertainties[name] for name in names}
    values = designs.values_of(design, uncertainties)
    runner = Runner(narrowed, values, wanted, scenarios, engine, progress)
    labels, outcomes = _outcomes(narrowed, runner, scenarios, contrast)
    found = Findings(narrowed, method, design, values, wanted, labels, settings, contrast)
    for outcome in outcomes:
        found.failed.append(int(outcome.failed.sum()))
        found.kpis.append(columns.estimate(chosen, design, outcome.kpis, settings))
        found.convergence.append(columns.convergence(chosen, design, outcome.kpis, settings, found.kpis[-1]))
        found.variables.append(columns.estimate(chosen, design, outcome.variables, settings))
        found.keep(outcome)
    ds = assemble(found, engine=runner.engine, command=command)
    lines = notes.lines(ds, found, chosen, samples, [(name, experiment.scenarios[name].settings) for name in scenarios])
    return ds.assign_attrs(warnings="\n".join(lines))


def warnings_of(ds: Dataset) -> tuple[str, ...]:
    """What a reader of the indices must know, a line each: wide intervals, constants, failed runs, sample sizes."""
    text = str(ds.attrs.get("warnings", ""))
    return tuple(text.split("\n")) if text else ()


def _outcomes(
    experiment: Experiment, runner: Runner, scenarios: Sequence[str], contrast: tuple[str, str] | None
) -> tuple[list[str], Any]:
    """The names of what is analysed, and its outcomes, one at a time: each scenario, or the difference of two."""
    if contrast is None:
        return list(scenarios), (runner.run(experiment.scenarios[name]) for name in scenarios)

    def difference() -> Any:
        one, other = (runner.run(experiment.scenarios[name]) for name in contrast)
        yield Outcome(one.kpis - other.kpis, one.variables - other.variables, one.failed | other.failed)

    return [f"{contrast[0]} - {contrast[1]}"], difference()


# --- what was asked for, checked --------------------------------------------------------------------------------------


def _method(name: str, samples: int, faults: list[Finding]) -> Method | None:
    method = METHODS.get(name)
    if method is None:
        hint = did_you_mean(name, METHODS) or f"methods are {', '.join(METHODS)}"
        faults.append(error("unknown-method", "there is no such method", hint, element=name))
        return None
    if samples < method.smallest:
        reason = f"{samples} sample{'s are' if samples != 1 else ' is'} too few for {method.label}"
        faults.append(error("samples", reason, f"take {method.smallest} or more", element=name))
    return method


def _parameters(experiment: Experiment, wanted: Sequence[str] | None, faults: list[Finding]) -> list[str]:
    known = list(experiment.uncertainties)
    if not known:
        reason = "the experiment has no uncertainties, so nothing varies"
        repair = 'write uncertainties = "all" under [experiment], or add [uncertainty.NAME]'
        faults.append(error("no-parameters", reason, repair, file=str(experiment.path or experiment.model.file)))
        return []
    if wanted is None:
        return known
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"uncertainties are {', '.join(known)}"
            faults.append(error("unknown-parameter", "the experiment has no such uncertainty", hint, element=name))
    if not wanted:
        faults.append(error("no-parameters", "the list of parameters is empty, so nothing varies", "name at least one"))
    return [name for name in known if name in set(wanted)]


def _scenarios(
    experiment: Experiment, scenario: str | None, contrast: tuple[str, str] | None, faults: list[Finding]
) -> list[str]:
    known = list(experiment.scenarios)
    if scenario is not None and contrast is not None:
        faults.append(error("scenario", "a scenario and a contrast cannot stand together", "leave one of them out"))
    asked = list(contrast) if contrast is not None else [scenario] if scenario is not None else known
    for name in asked:
        if name not in known:
            hint = did_you_mean(name, known) or f"scenarios are {', '.join(known)}"
            faults.append(error("unknown-scenario", "the experiment has no such scenario", hint, element=name))
    if contrast is not None and contrast[0] == contrast[1]:
        reason = "a scenario does not differ from itself"
        faults.append(error("scenario", reason, "name two scenarios", element=contrast[0]))
    return asked


def _wanted(
    experiment: Experiment,
    method: str,
    kpis: Sequence[str] | None,
    variables: Sequence[str] | None,
    targets: Sequence[str],
    faults: list[Finding],
) -> tuple[Experiment, Wanted]:
    """What is kept of each run, and the experiment with the KPIs that this needs."""
    names = list(experiment.kpis) if kpis is None else list(dict.fromkeys(kpis))
    for name in names:
        if name not in experiment.kpis:
            hint = did_you_mean(name, experiment.kpis) or f"KPIs are {', '.join(experiment.kpis)}"
            faults.append(error("unknown-kpi", "the experiment has no such KPI", hint, element=name))
    read: tuple[Target, ...] = ()
    try:
        read = read_targets(targets, experiment)
    except ExperimentError as fault:
        faults += fault.findings
    if variables is None:
        drawn = [name for chart in experiment.charts for name in chart.variables] if method not in ("delta", "regional") else []
    else:
        drawn = list(variables)
    courses = _courses(experiment, drawn, faults)
    if method == "regional":
        names, courses = [], []
    needed = {*names, *(target.name for target in read if not target.when)}
    narrowed = dataclasses.replace(experiment, kpis={name: kpi for name, kpi in experiment.kpis.items() if name in needed})
    if not names and not courses and not read and not faults and method != "regional":
        faults.append(error("nothing-asked", "there is no KPI, variable or target to explain", "name at least one"))
    return narrowed, Wanted(tuple(names), tuple(courses), np.arange(len(experiment.times)), read)


def _courses(experiment: Experiment, texts: Sequence[str], faults: list[Finding]) -> list[str]:
    """Variables by full name, arrays element by element."""
    found: dict[str, None] = {}
    for text in texts:
        named = find(experiment.model, text)
        if isinstance(named, Unknown):
            faults.append(error("unknown-variable", named.reason, named.repair, element=text))
        elif named.variable.role is Role.LOOKUP:
            faults.append(error("no-series", "a lookup has no course over time", "name a variable", element=text))
        else:
            found.update(dict.fromkeys(element_names(experiment.model, named.variable) if named.is_array else [named.name]))
    return list(found)


def _numbers(resamples: int | None, confidence: float, seed: int | None, faults: list[Finding]) -> None:
    if resamples is not None and resamples < 2:
        faults.append(error("resamples", f"{resamples} resamplings give no interval", "take 100", element="resamples"))
    if not 0 < confidence < 1:
        faults.append(error("confidence", "a confidence level lies between 0 and 1", "take 0.95", element="confidence"))
    if seed is not None and not 0 <= seed < 2**32:
        faults.append(error("seed", "a seed is a whole number from 0 to 2^32 - 1", "take another", element="seed"))


def _fit(experiment: Experiment, method: str, names: Sequence[str], targets: Sequence[str], second_order: bool) -> list[Finding]:
    """What keeps a method from being used on this experiment."""
    found: list[Finding] = []
    items: Mapping[str, Any] = experiment.uncertainties
    steps = [name for name in names if name in items and items[name].distribution == "discrete"]
    if method == "dgsm" and steps:
        reason = "dgsm needs derivatives, and a discrete input has none"
        found.append(error("method", reason, "take sobol or morris", element=steps[0]))
    if method == "regional" and not targets:
        found.append(
            error("method", "regional needs a target to separate runs by", 'give --target "payback <= 60"', element=method)
        )
    if method == "ff" and len(names) > MOST_FF:
        found.append(error("method", f"{len(names)} parameters are over the limit of {MOST_FF}", "take morris", element=method))
    if method == "fast" and len(names) == 1:
        found.append(error("method", "fast tells parameters apart, and there is one", "take sobol or rbd_fast", element=method))
    if second_order and method not in ("sobol", "ff"):
        found.append(error("method", f"{method} has no second order", "take sobol, or leave it out", element=method))
    if second_order and len(names) == 1:
        found.append(error("method", "one parameter makes no pair", "leave second order out", element=names[0]))
    return found
