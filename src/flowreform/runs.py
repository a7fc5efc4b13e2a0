"""Run a model for given inputs, or an experiment for all its scenarios and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowreform import results
from flowreform.batch import Batch, BatchResult, ExperimentBatch, joined
from flowreform.engine import Progress
from flowreform.errors import ExperimentError, Finding, error
from flowreform.experiment import Subject, as_experiment, as_model
from flowreform.model import Model, Role
from flowreform.names import Named, Unknown, base_values, find, split
from flowreform.sampling import samples

if TYPE_CHECKING:
    import numpy as np
    from xarray import Dataset


def simulate(
    model: Subject,
    inputs: Mapping[str, float | Sequence[float]] | None = None,
    *,
    engine: str = "auto",
    save: Sequence[str] | None = None,
    save_every: float | None = None,
    progress: Progress | None = None,
    command: str = "",
    noise_seed: int | None = None,
) -> Dataset:
    """Run a model and return a Dataset (run, time, its dimensions...), in the units of the model.

    `model` is a bundled name, a path, a Model, or an Experiment, whose model is meant. `inputs` sets parameters by name
    (`"length_of_stay"`, `"beds[surgical]"`), in the model's units: numbers for all runs, or sequences of one length, one value a
    run. `save` names the variables to keep (default: all), `save_every` the time between saved values in the model's time unit
    (default: the file's). `engine` is "auto", "python", "numba" or "pysd"; all give the same Dataset. "pysd"
    builds Python from the text of the model's file and runs it: only for files you trust as programs. With `noise_seed` the
    model's random functions (NORMAL, RANDOM UNIFORM ...) draw before each run, run r as draw r; without one they are refused.
    Raises ModelError or ExperimentError with every fault found::

        ds = fr.simulate("care_shift", {"occupancy_at_start": [0.91, 0.93, 0.95]}, save=["occupied_beds"])
        ds["occupied_beds"].sel(run=2).plot()
    """
    model = _with_noise(as_model(model), noise_seed)
    _require_in_range(model, inputs or {})
    return simulated(model, inputs, engine=engine, save=save, save_every=save_every, progress=progress, command=command)


def simulated(
    model: Model,
    inputs: Mapping[str, float | Sequence[float]] | None = None,
    *,
    engine: str = "auto",
    save: Sequence[str] | None = None,
    save_every: float | None = None,
    progress: Progress | None = None,
    command: str = "",
) -> Dataset:
    """`simulate` for tests of a model, which go outside the ranges of its parameters on purpose."""
    columns, runs = _columns(model, inputs or {})
    kept = _saved(model, save)
    results.refuse_names(model, (*kept, *columns))
    batch = Batch(model, kept, save_every, engine, progress)
    found = batch.run(columns, {}, runs)
    return _dataset(model, found, columns, None, results.provenance(model, engine=found.engine, command=command))


def run(
    experiment: Subject,
    *,
    engine: str = "auto",
    progress: Progress | None = None,
    command: str = "",
    noise_seed: int | None = None,
) -> Dataset:
    """Run every scenario of an experiment for every draw and return a Dataset (scenario, draw, time, dimensions...).

    `experiment` is an Experiment, a bundled name, a path, or a Model, of which one run is made as it stands. All scenarios share
    the draws. What a scenario sets wins over a draw of the same parameter. Values are in the units of the model; `failed`
    (scenario, draw) marks runs that turned infinite or NaN, with the variable and time where that began. `noise_seed` goes over
    the experiment's own; scenarios share what random functions draw. Raises ModelError or ExperimentError with every fault::

        ds = fr.run("va_beds_to_community")
        fr.kpis(ds, "va_beds_to_community")["unmet_need"].median("draw")
    """
    import numpy as np

    experiment = as_experiment(experiment)
    experiment = replace(experiment, model=_with_noise(experiment.model, noise_seed))
    settings = (name for scenario in experiment.scenarios.values() for name in scenario.settings)
    results.refuse_names(experiment.model, (*experiment.save, *experiment.uncertainties, *settings))
    batch = ExperimentBatch(experiment, engine=engine, progress=progress, total=experiment.runs)
    batch.require_room(experiment.runs, len(experiment.uncertainties))
    model = batch.model
    blocks = list(batch.blocks(samples(experiment), experiment.draws))
    columns = [values for _, values, _ in blocks]
    found = joined([part for _, _, part in blocks])
    names = dict.fromkeys(name for values in columns for name in values)
    inputs = {name: np.concatenate([_column(model, values, name, experiment.draws) for values in columns]) for name in names}
    labels = {scenario.name: scenario.label or scenario.name for scenario in batch.scenarios}
    return _dataset(model, found, inputs, labels, results.provenance(experiment, engine=found.engine, command=command))


def _with_noise(model: Model, seed: int | None) -> Model:
    """The model with that seed for its random functions. Raises ExperimentError for what is no seed."""
    if seed is None:
        return model
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ExperimentError(error("noise-seed", f"a noise seed is a whole number from 0, not {seed!r}", "write noise_seed=1"))
    return replace(model, noise_seed=seed)


def _require_in_range(model: Model, inputs: Mapping[str, float | Sequence[float]]) -> None:
    """Raises ExperimentError for values outside the range that the model gives a parameter."""
    import numpy as np

    columns, _ = _columns(model, inputs)
    faults = []
    for name, column in columns.items():
        variable = model.variables[split(name)[0]]
        low, high = (
            (-np.inf if variable.range[0] is None else variable.range[0]),
            (np.inf if variable.range[1] is None else variable.range[1]),
        )
        outside = column[(column < low) | (column > high)]
        if len(outside):
            unit = f" {variable.units}" if variable.units else ""
            reason = f"{outside[0]:g}{unit} is outside the range {low:g} to {high:g} of {variable.name}"
            faults.append(error("outside-range", reason, "choose a value inside, or widen <range> in the model", element=name))
    if faults:
        raise ExperimentError(faults)


def _columns(model: Model, inputs: Mapping[str, float | Sequence[float]]) -> tuple[dict[str, np.ndarray], int]:
    """Each input as float64[run], by canonical name, and the number of runs."""
    import numpy as np

    faults: list[Finding] = []
    columns: dict[str, np.ndarray] = {}
    for text, value in inputs.items():
        named = find(model, text, parameter=True)
        if isinstance(named, Unknown):
            faults.append(error("unknown-input", named.reason, named.repair, file=model.file, element=text))
            continue
        try:
            column = np.atleast_1d(np.asarray(value, dtype=np.float64))
        except (TypeError, ValueError):
            faults.append(error("bad-input", "this is not a number or a sequence of numbers", element=text))
            continue
        if column.ndim != 1 or not column.size:
            faults.append(error("bad-input", "this must be a number or one value per run", element=text))
            continue
        if not np.isfinite(column).all():
            faults.append(error("bad-input", "this is None, NaN or infinite, and an input is a number", element=text))
            continue
        columns[named.name] = column
    lengths = {len(column) for column in columns.values()} - {1}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(column)}" for name, column in columns.items() if len(column) > 1)
        faults.append(error("uneven-inputs", f"sequences differ in length ({shown})", "give each input one value per run"))
    if faults:
        raise ExperimentError(faults)
    runs = max(lengths, default=1)
    return {name: np.broadcast_to(column, (runs,)).copy() for name, column in columns.items()}, runs


def _saved(model: Model, save: Sequence[str] | None) -> tuple[str, ...]:
    """The variables to keep, canonical, in model order."""
    known = [variable.name for variable in model if variable.role is not Role.LOOKUP]
    if save is None:
        return tuple(known)
    faults = []
    wanted = set()
    for text in save:
        named = find(model, text)
        if isinstance(named, Unknown):
            faults.append(error("unknown-variable", named.reason, named.repair, file=model.file, element=text))
        elif named.variable.role is Role.LOOKUP:
            faults.append(error("no-series", "a lookup has no course over time to save", file=model.file, element=text))
        else:
            wanted.add(named.variable.name)
    if not save:
        faults.append(error("nothing-saved", "the list of variables to save is empty", "name at least one"))
    if faults:
        raise ExperimentError(faults)
    return tuple(name for name in known if name in wanted)


def _column(model: Model, values: Mapping[str, np.ndarray], name: str, draws: int) -> np.ndarray:
    """A parameter's values in one scenario: given, or the model's own where this scenario does not touch it."""
    import numpy as np

    base, elements = split(name)
    given = values.get(name, values.get(base))
    if given is not None:
        return given
    found = base_values(model, Named(name, model.variables[base], elements))
    return np.full(draws, found[0] if len(found) == 1 else np.nan)


def _dataset(
    model: Model,
    found: BatchResult,
    inputs: Mapping[str, np.ndarray],
    labels: Mapping[str, str] | None,
    provenance: dict[str, Any],
) -> Dataset:
    import numpy as np

    runs = len(found.failed)
    names, times, values = np.full(runs, "", dtype=object), np.full(runs, np.nan), np.full(runs, np.nan)
    for failure in found.failures:
        names[failure.run], times[failure.run], values[failure.run] = failure.variable, failure.time, failure.value
    ds = results.dataset(
        model,
        found.times,
        found.values,
        scenarios=labels,
        inputs={name: column for name, column in inputs.items() if name not in found.values},
        failed={
            "failed": found.failed,
            "failed_variable": names.astype(np.str_),
            "failed_time": times,
            "failed_value": values,
        },
        provenance=provenance,
    )
    outer = ("run",) if labels is None else ("scenario", "draw")
    shape = ds["failed"].shape
    strays = {
        f"reads_outside_{name}": (
            outer,
            counts.reshape(shape),
            {"long_name": f"reads of lookup {name} outside its points", "units": "1"},
        )
        for name, counts in found.strays.items()
    }
    return ds.assign(strays)  # at once: xarray looks at all that is there for each assignment
