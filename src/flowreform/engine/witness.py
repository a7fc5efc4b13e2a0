"""A second opinion: running a model file through pysimlin, and comparing two sets of results."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.engine.reference import FAULTS, PysdRun, canonical_input, of_run, run_count
from flowreform.errors import ExperimentError, ModelError, did_you_mean, error, one_line
from flowreform.model import Model, canonical
from flowreform.names import element_names, split

if TYPE_CHECKING:
    import numpy as np


def run_simlin(
    path: Path, inputs: Mapping[str, float | np.ndarray], save: Sequence[str] | None = None, *, model: Model | None = None
) -> PysdRun:
    """Run a model file through pysimlin with the file's own start, stop, step and saving interval, once for each run.

    Arguments and result are those of `reference.run_pysd`. Without `model` each element of an arrayed variable is a
    variable of its own (`beds[acute]`).

    Raises ModelError where pysimlin is not installed or cannot run the file, ExperimentError for a name it does not know."""
    import numpy as np

    simlin = _simlin(path)
    inputs = {canonical_input(name): value for name, value in inputs.items()}
    frames: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            opened = simlin.load(path)
            for run in range(run_count(inputs)):
                overrides = {name: of_run(value, run) for name, value in inputs.items()}
                frames.append(opened.run(overrides=overrides, analyze_loops=False).results)
        except (*FAULTS, simlin.SimlinError) as fault:
            reason = f"pysimlin cannot run this model: {one_line(str(fault), 200) or type(fault).__name__}"
            raise ModelError(error("pysimlin", reason, "compare with PySD instead", file=str(path))) from fault
    columns = {canonical_input(str(column)): str(column) for column in frames[0].columns}
    groups = _groups(columns, save, model, path)
    values: dict[str, np.ndarray] = {}
    for name, (members, shape) in groups.items():
        block = np.stack([np.stack([np.asarray(frame[columns[m]], dtype=float) for frame in frames], axis=-1) for m in members])
        values[name] = block.reshape(*shape, *block.shape[1:])
    times = np.asarray(frames[0].index, dtype=float)
    rows = _saved(times, model) if model else np.arange(len(times))
    return PysdRun(times[rows], {name: array[..., rows, :] for name, array in values.items()})


def _saved(times: np.ndarray, model: Model) -> np.ndarray:
    """The rows at the model's own saved times: pysimlin passes over a saving interval that is an expression."""
    import numpy as np

    every = (model.specs.save_every or model.specs.dt) / model.specs.dt
    steps = (times - model.specs.start) / model.specs.dt
    away = np.abs(steps / every - np.round(steps / every)) * every
    return np.flatnonzero(away < 1e-6)


def _simlin(path: Path) -> Any:
    try:
        import simlin
    except ImportError as fault:
        raise ModelError(error("pysimlin", "pysimlin is not installed", "pip install pysimlin", file=str(path))) from fault
    return simlin


def _groups(
    columns: Mapping[str, str], save: Sequence[str] | None, model: Model | None, path: Path
) -> dict[str, tuple[list[str], tuple[int, ...]]]:
    """For each variable, its columns in row-major order and its shape."""
    found: dict[str, tuple[list[str], tuple[int, ...]]] = {}
    for variable in model or ():
        members = list(element_names(model, variable)) if model else []
        if members and all(member in columns for member in members):
            shape = tuple(len(model.dimensions[name].elements) for name in variable.dimensions) if model else ()
            found[variable.name] = (members, shape)
    taken = {member for members, _ in found.values() for member in members}
    found |= {
        name: ([name], ()) for name in columns if name not in taken and (model is None or split(name)[0] not in model.variables)
    }
    if save is None:
        return found
    wanted = [canonical(name) for name in save]
    for name in wanted:
        if name not in found:
            repair = did_you_mean(name, found) or "save nothing, for all of them"
            reason = "pysimlin finds no such variable in the model"
            raise ExperimentError(error("unknown-variable", reason, repair, file=str(path), element=name))
    return {name: found[name] for name in wanted}


def compare(
    ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], sizes: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The largest difference of every variable that both have, |a - b| / max|b|, `b` being theirs or, if larger, its size in
    `sizes`: a running total of what nearly cancels out is nothing but rounding, and has no size of its own.

    NaN in both is no difference, NaN in one an infinite one; where the size is 0, the difference is absolute.

    Raises ValueError where the two have different shapes."""
    import numpy as np

    result: dict[str, float] = {}
    for name in ours:
        if name not in theirs:
            continue
        a, b = np.asarray(ours[name], dtype=float), np.asarray(theirs[name], dtype=float)
        if a.shape != b.shape:
            raise ValueError(f"{name} has shape {a.shape} here and {b.shape} there")
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            distance = np.where(same, 0.0, np.abs(a - b))
        distance = np.where(np.isnan(distance), np.inf, distance)
        finite = np.abs(b[np.isfinite(b)])
        scale = max(float(finite.max()) if finite.size else 0.0, (sizes or {}).get(name, 0.0))
        largest = float(distance.max()) if distance.size else 0.0
        result[name] = largest / scale if scale > 0.0 else largest
    return result
