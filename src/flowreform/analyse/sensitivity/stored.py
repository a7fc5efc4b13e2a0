"""Indices from runs that were made before: the draws of an experiment or of a sweep, without running anything again.

Methods that take any sample of all inputs can be used; those with a design of their own are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity import asked
from flowreform.analyse.sensitivity.analysis import RESAMPLES, SLOW_RESAMPLES, estimate_all, with_warnings
from flowreform.analyse.sensitivity.assemble import Findings, assemble
from flowreform.analyse.sensitivity.designs import Design
from flowreform.analyse.sensitivity.estimators import Settings
from flowreform.analyse.sensitivity.methods import METHODS
from flowreform.analyse.sensitivity.runs import Quantities, ScenarioOutcome, keep, without_failed
from flowreform.analyse.sensitivity.targets import DrawTarget, read_targets
from flowreform.errors import ExperimentError, Finding, error
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.kpi import kpis as kpis_of
from flowreform.names import split

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.analyse.sensitivity.shown import SensitivityIndices

Floats = NDArray[np.float64]

MOST_DRAWS = 16_384
"""As many draws are used when nothing is said: more sharpen shares by little, and cost memory."""


def sensitivity_of(
    ds: Dataset,
    experiment: Subject,
    method: str = "rbd_fast",
    samples: int | None = None,
    *,
    scenario: str | None = None,
    contrast: tuple[str, str] | None = None,
    kpis: Sequence[str] | None = None,
    variables: Sequence[str] | None = None,
    targets: Sequence[str] = (),
    parameters: Sequence[str] | None = None,
    resamples: int | None = None,
    confidence: float = 0.95,
    seed: int | None = None,
    command: str = "",
) -> SensitivityIndices:
    """Sensitivity indices from finished runs, as `sensitivity` gives them; nothing is run.

    `ds` has (scenario, draw[, time]) with the drawn inputs in it: what `run` returned, or an opened sweep, lazily read. KPIs
    are those that a sweep stored, or are measured on the trajectories. `method` is one that takes any sample: rbd_fast,
    delta, pawn or regional. `samples` is how many draws to use, the first ones (default: all, 16,384 at most). Raises
    ExperimentError for a method that needs a design of its own, for what was not kept, and for one draw only::

        runs = fr.run(fr.read_experiment("va_beds_to_community").with_(draws=80))
        fr.sensitivity_of(runs, "va_beds_to_community", method="rbd_fast", variables=[])
    """
    experiment = as_experiment(experiment)
    faults: list[Finding] = []
    draws = int(ds.sizes.get("draw", 1))
    if method in METHODS and not METHODS[method].given:
        sample = str(ds.attrs.get("design", "random")).replace("_", " ")
        reason = f"{method} needs runs at points of its own, and these are a {sample} sample"
        names = ", ".join(name for name, item in METHODS.items() if item.given)
        faults.append(error("method", reason, f"take {names}, or run the experiment again", element=method))
        raise ExperimentError(faults)
    if draws < 2:
        reason = "one draw says nothing about uncertainty"
        raise ExperimentError(error("one-draw", reason, "set draws to 100 or more, in the file or with --draws"))
    used = min(draws, MOST_DRAWS if samples is None else samples)
    if variables is None:
        stored = _kept_variables(ds, experiment) if method in METHODS and METHODS[method].courses else []
        variables = stored if _kept_draws(ds, [split(name)[0] for name in stored]) >= used else []
    timed = [split(target.name)[0] for target in _readable(targets, experiment) if target.when]
    used = min(used, _kept_draws(ds, [split(name)[0] for name in variables] + timed))
    ds = ds.isel(draw=slice(0, used))
    chosen = asked.method_of(method, used, faults)
    columns = _inputs(ds, experiment, asked.parameters_of(experiment, parameters, faults), faults)
    scenarios = asked.scenarios_of(experiment, scenario, contrast, faults)
    narrowed, wanted = asked.wanted_of(experiment, method, kpis, variables, targets, faults)
    asked.check_numbers(resamples, confidence, seed, faults)
    faults += _missing(ds, narrowed, wanted, scenarios)
    if chosen is not None:
        faults += asked.check_fit(experiment, method, list(columns), targets, False)
    if faults or chosen is None:
        raise ExperimentError(faults)
    wanted = Quantities(wanted.kpis, wanted.variables, np.arange(ds.sizes.get("time", 0)), wanted.targets)
    settings = Settings(
        resamples or (SLOW_RESAMPLES if chosen.slow else RESAMPLES), confidence, experiment.seed if seed is None else seed
    )
    design = Design(np.stack([percentiles(column) for column in columns.values()], axis=1), 1, (0,), method=method)
    found = Findings(narrowed, method, design, columns, wanted, settings, contrast)
    values = kpis_of(ds, experiment if "kpi_value" in ds.data_vars else narrowed)

    def outcome_of(name: str) -> ScenarioOutcome:
        size = len(wanted.kpis), len(wanted.kpis) + len(wanted.targets), len(wanted.variables) * len(wanted.times)
        kept = ScenarioOutcome(
            np.empty((used, size[1])), np.empty((used, size[2])), np.zeros(used, bool), np.empty((used, size[0]))
        )
        keep(ds, values, name, wanted, kept, slice(0, used))
        return without_failed(kept)

    estimate_all(found, scenarios, outcome_of)
    result = assemble(found, engine=str(ds.attrs.get("engine", "")), command=command)
    result.attrs |= {key: ds.attrs[key] for key in ("draws", "design") if key in ds.attrs}
    more = [f"of {draws:,} draws the first {used:,} are used"] if used < draws else []
    if missing := int(ds.attrs.get("missing_runs", 0)):
        more.append(f"{missing:,} runs of the sweep are not there yet: draws without them are left out")
    return with_warnings(result, found, used, scenarios, more)


def percentiles(column: Floats) -> Floats:
    """The share of a sample below each value, half of the value itself among it: (rank - 1/2) / n, equal values in common."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(column) - 0.5) / len(column))


def _inputs(ds: Dataset, experiment: Experiment, names: Sequence[str], faults: list[Finding]) -> dict[str, Floats]:
    """The drawn inputs by name, each float64[draw], from a scenario that does not set them; those set in all are left out."""
    found: dict[str, Floats] = {}
    for name in names:
        if name not in ds.variables:
            faults.append(error("not-kept", "the runs do not hold this drawn input", "leave it out of parameters", element=name))
            continue
        values = np.asarray(ds[name].transpose(..., "draw").values if "draw" in ds[name].dims else ds[name].values, np.float64)
        rows = np.atleast_2d(values)
        if "draw" not in ds[name].dims:
            continue
        varied = [row for row in rows if np.ptp(row) > 0]
        if varied:
            found[name] = varied[0]
    if names and not found and not faults:
        reason = "no input varies over the draws, so nothing can matter"
        faults.append(error("no-parameters", reason, "take runs of several draws of uncertainties"))
    return found


def _readable(texts: Sequence[str], experiment: Experiment) -> tuple[DrawTarget, ...]:
    """The targets, or none where one of them is at fault, which is said elsewhere."""
    try:
        return read_targets(texts, experiment)
    except ExperimentError:
        return ()


def _kept_variables(ds: Dataset, experiment: Experiment) -> list[str]:
    """The variables of the experiment's charts that were kept over time."""
    names = [name for chart in experiment.charts for name in chart.variables]
    return [name for name in names if split(name)[0] in ds.data_vars and _is_course(ds, split(name)[0])]


def _is_course(ds: Dataset, name: str) -> bool:
    return name in ds.data_vars and {"draw", "time"} <= set(map(str, ds[name].dims))


def _missing(ds: Dataset, experiment: Experiment, wanted: Quantities, scenarios: Sequence[str]) -> list[Finding]:
    """What was asked for and not kept."""
    found = [
        error("not-kept", "the runs have no such scenario", "take runs of this experiment", element=name)
        for name in scenarios
        if name in experiment.scenarios and name not in ds["scenario"].values
    ]
    courses = [split(name)[0] for name in wanted.variables] + [split(t.name)[0] for t in wanted.targets if t.when]
    if "kpi_value" in ds.data_vars:
        found += [
            error("not-kept", "the runs do not hold this KPI", "leave it out, or sweep again", element=name)
            for name in experiment.kpis
            if name not in ds["kpi"].values
        ]
    else:
        courses += [split(part)[0] for kpi in experiment.kpis.values() for part in kpi.variables]
    found += [
        error("not-kept", "its course over time was not kept", "keep trajectories of it, or leave it out", element=name)
        for name in dict.fromkeys(courses)
        if not _is_course(ds, name)
    ]
    return found


def _kept_draws(ds: Dataset, names: Sequence[str]) -> int:
    """Of how many draws the courses of these variables were kept."""
    draws = int(ds.sizes["draw"])
    return min((int(ds[name].attrs.get("kept_draws", draws)) for name in names if _is_course(ds, name)), default=draws)
