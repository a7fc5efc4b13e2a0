"""Whether a netCDF file of results still says what the model says: run again from what the file carries, and compare.

The file names its experiment and model by hash, and carries seed, draws, saved variables, times and the command's settings. What
is worked out again: every draw and every saved number. Equal to the last bit is what one machine type with one set of versions
gives; elsewhere within 1e-9 of the largest value of each series (rule 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowreform.errors import ExperimentError, error
from flowreform.experiment.options import with_options
from flowreform.export.roundtrip.inputs import ResultOrigin, find_origin
from flowreform.formats import is_bundled
from flowreform.names import RESERVED, element_names
from flowreform.results import read_netcdf
from flowreform.runs import simulated

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.model import Model

TOLERANCE = 1e-9
EXACT = "equal to the last bit"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Compared:
    """What was compared: how many runs, variables and numbers, the rule that they keep, the largest difference (of the
    largest value of its series), and a line for each variable that is not as it should be."""

    runs: int
    variables: int
    numbers: int
    rule: str
    largest: float
    faults: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether everything is as it should be."""
        return not self.faults


def check_netcdf(path: Path, progress: Progress | None = None) -> Compared:
    """Run again what a netCDF file holds and compare every number.

    Raises ExperimentError where it is no such file, or its experiment or model is not there or has changed since."""
    ds = read_netcdf(path)
    runs = "run" in ds.dims or {"scenario", "draw"} <= set(ds.dims)
    if "time" not in ds.dims or not runs or "kpi_value" in ds or "method" not in ds.attrs or "model_sha256" not in ds.attrs:
        reason = "the file holds no runs of a model"
        repair = "give a results.nc; of a sweep, give its folder"
        raise ExperimentError(error("verify", reason, repair, file=str(path)))
    origin = find_origin(ds.attrs, path)
    made_from = origin.experiment.model.path
    if str(ds.attrs.get("engine")) == "pysd" and not (made_from and is_bundled(made_from)):
        reason = "the file says that PySD made it, and PySD runs code that a model file may hold"
        repair = "if you trust the model, run it with --engine pysd yourself"
        raise ExperimentError(error("verify", reason, repair, file=str(path)))
    again = _again(ds, origin, progress)
    return _compared(ds, again)


def _again(ds: Dataset, origin: ResultOrigin, progress: Progress | None) -> Dataset:
    import flowreform as fr

    engine = "pysd" if str(ds.attrs.get("engine")) == "pysd" else "auto"
    saved = [str(name) for name, data in ds.data_vars.items() if "time" in data.dims]
    times = np.asarray(ds["time"].values, dtype=np.float64)
    every = float(times[1] - times[0]) if len(times) > 1 else None
    if "run" in ds.dims:
        inputs = {
            str(name): np.asarray(data.values).tolist()
            for name, data in ds.data_vars.items()
            if data.dims == ("run",) and name not in RESERVED and not str(name).startswith("reads_outside_")
        } | _parameters(ds, origin.experiment.model)
        model = replace(origin.experiment.model, noise_seed=origin.told.options.get("noise_seed"))
        return simulated(model, inputs, engine=engine, save=saved, save_every=every, progress=progress)
    options: dict[str, Any] = dict(origin.told.options) | {"save": saved, "draws": int(ds.sizes["draw"])}
    if every is not None:
        options["save_every"] = every
    experiment = with_options(origin.experiment, options, origin.told.settings)
    return fr.run(experiment, engine=engine, progress=progress)


def _parameters(ds: Dataset, model: Model) -> dict[str, list[float]]:
    """The value in each run of every parameter that was saved as a variable: an input that is saved stands there alone. Elements
    that were set one by one stand in the file by their own names."""
    found: dict[str, list[float]] = {}
    for name, variable in model.parameters.items():
        if name not in ds or ds[name].dims[:2] != ("run", "time"):
            continue
        rows = np.asarray(ds[name].values, dtype=np.float64)[:, :1].reshape(ds.sizes["run"], -1)
        elements = element_names(model, variable)
        rest = [at for at, element in enumerate(elements) if element == name or element not in ds]
        if rows.shape[1] == len(elements) and rest and (rows[:, rest] == rows[:, rest[:1]]).all():
            found[name] = rows[:, rest[0]].tolist()
    return found


def _compared(ds: Dataset, again: Dataset) -> Compared:
    faults: list[str] = []
    numbers = variables = 0
    largest, exact = 0.0, True
    for name in ("scenario", "draw", "run", "time"):
        if name in ds.dims and not np.array_equal(ds[name].values, again[name].values if name in again.dims else []):
            faults.append(f"{name}: the file has other values than the experiment gives")
    if faults:
        return Compared(0, 0, 0, EXACT, 0.0, tuple(faults))
    for name, data in ((str(key), ds[key]) for key in ds.data_vars):
        if name not in again:
            faults.append(f"{name}: the experiment gives no such variable")
            continue
        old, new = data.transpose(*again[name].dims) if set(data.dims) == set(again[name].dims) else None, again[name]
        variables += 1
        if old is None:
            faults.append(f"{name}: it has dimensions {', '.join(map(str, data.dims))} and not {', '.join(map(str, new.dims))}")
            continue
        before, after = np.asarray(old.values), np.asarray(new.values)
        numbers += after.size
        if after.dtype.kind != "f":
            if not np.array_equal(before, after):
                faults.append(f"{name}: {_first(old, before != after)}")
            continue
        if before.dtype.kind not in "fiub":
            faults.append(f"{name}: it holds no numbers")
            continue
        with np.errstate(invalid="ignore"):
            same = (before == after) | (np.isnan(before) & np.isnan(after))
            away = np.where(same, 0.0, np.abs(before - after))
            size = float(np.abs(after[np.isfinite(after)]).max(initial=0.0))
        if same.all():
            continue
        exact = False
        bad = ~same & ~(away <= TOLERANCE * size)
        if bad.any():
            faults.append(f"{name}: {_first(old, bad)}, {_value(before, bad)!r} in the file, {_value(after, bad)!r} worked out")
        finite = away[np.isfinite(away)]
        largest = max(largest, float(finite.max(initial=0.0)) / size if size else np.inf)
    faults += [f"{name}: it is not in the file" for name in again.data_vars if name not in ds]
    runs = int(np.prod([ds.sizes[name] for name in ("scenario", "draw", "run") if name in ds.dims]))
    rule = (
        EXACT
        if exact
        else f"another machine or other versions ({_versions(ds, again)}): equal to {TOLERANCE:g} of the largest value"
    )
    return Compared(runs, variables, numbers, rule, largest, tuple(faults))


def _first(data: Any, where: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    """The place of the first difference: `scenario as_was, draw 3, time 12`."""
    place = np.argwhere(where)[0]
    parts = [f"{dim} {data[dim].values[at] if dim in data.coords else at}" for dim, at in zip(data.dims, place, strict=True)]
    return f"{int(where.sum()):,} of {where.size:,} differ, first at {', '.join(parts) or 'its value'}"


def _value(values: np.ndarray[Any, Any], where: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return float(values[where][0])


def _versions(ds: Dataset, again: Dataset) -> str:
    then, now = str(ds.attrs.get("versions", "")), str(again.attrs.get("versions", ""))
    return f"there {then}, here {now}" if then != now else then
