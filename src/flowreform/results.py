"""Trajectories as an xarray Dataset, with units, labels, the inputs that were drawn, and where they came from.

A Dataset has the dimensions (scenario, draw, time) and those of each variable, in this order; without scenarios (run, time).
Run r of the engine is scenario r // draws, draw r % draws. Drawn inputs are variables of their own name without `time`:
(draw) where scenarios share them, (scenario, draw) where a scenario sets one. `failed` marks runs that turned non-finite.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowreform.errors import ExperimentError, FlowreformError, ModelError, error, shorten, visible
from flowreform.experiment import Experiment
from flowreform.files import Unfailing, is_file, write_file
from flowreform.model import Dimension, Model, Variable
from flowreform.names import RESERVED, split, why_taken

if TYPE_CHECKING:
    from xarray import Dataset

Attributes = Mapping[str, str | int | float | None]


def dataset(
    model: Model,
    times: NDArray[np.float64],
    values: Mapping[str, NDArray[np.float64]],
    *,
    scenarios: Mapping[str, str] | None = None,
    inputs: Mapping[str, NDArray[np.float64]] | None = None,
    failed: Mapping[str, NDArray[Any]] | None = None,
    provenance: Attributes | None = None,
) -> Dataset:
    """A Dataset of what an engine returned.

    `values` has an array (*element dimensions, time, run) for each variable; nothing is copied. `scenarios` gives the label of
    each scenario by name, in run order: runs fold into (scenario, draw); without it there is one `run` dimension. `inputs`
    has float64[run], or [draw], by parameter name (`name[element]` too). `failed` may hold run-shaped `failed` (bool),
    `failed_variable` (text), `failed_time` and `failed_value`. Raises ModelError when a variable has a name that the Dataset
    needs.
    """
    import xarray as xr

    refuse_names(model, (*values, *(inputs or {})))
    runs = _runs(values, inputs, failed)
    folds = 1 if scenarios is None else len(scenarios)
    shape = (runs,) if scenarios is None else (folds, runs // folds)
    outer = ("run",) if scenarios is None else ("scenario", "draw")
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {
        "time": ("time", np.asarray(times, dtype=np.float64), _plain({"units": model.specs.time_unit, "long_name": "time"}))
    }
    for name, array in values.items():
        variable = model.variables[name]
        dims = dimension_names(variable)
        for dimension, label in zip(variable.dimensions, dims, strict=True):
            coords[label] = _elements(label, model.dimensions[dimension])
        folded = np.moveaxis(array, (-1, -2), (0, 1))
        data[name] = ((*outer, "time", *dims), folded.reshape(*shape, *folded.shape[1:]), variable_attributes(variable))
    for name, array in (inputs or {}).items():
        data[name] = _input(model, name, array, outer, shape)
    for name, array in (failed or {}).items():
        data[name] = (outer, np.asarray(array).reshape(shape))
    if scenarios is None:
        coords["run"] = ("run", np.arange(runs))
    else:
        coords["scenario"] = ("scenario", np.array(list(scenarios), dtype=np.str_))
        coords["scenario_label"] = ("scenario", np.array(list(scenarios.values()), dtype=np.str_))
        coords["draw"] = ("draw", np.arange(shape[-1]))
    return xr.Dataset(data, coords, _plain(provenance or {}))


def _runs(*groups: Mapping[str, NDArray[Any]] | None) -> int:
    return max((array.shape[-1] for group in groups for array in (group or {}).values()), default=0)


def refuse_names(model: Model, names: Iterable[str]) -> None:
    """Raises ModelError, with a finding each, for variables to be saved or set under names that results need for themselves."""
    findings = [
        error(
            "reserved-name",
            (why_taken(name) if name in model.variables else "") or "results need this name for themselves",
            "rename the variable",
            file=model.file,
            line=model.variables[name if name in model.variables else split(name)[0]].line,
            element=name,
        )
        for name in dict.fromkeys(names)
        if name in RESERVED or name in model.dimensions or (name in model.variables and why_taken(name))
    ]
    if findings:
        raise ModelError(findings)


def dimension_names(variable: Variable) -> tuple[str, ...]:
    """The dimensions of a variable in a Dataset: a dimension that a variable has twice becomes `name` and `name_2`, one whose
    name results need for themselves `name_dimension`."""
    dims: list[str] = []
    for at, dimension in enumerate(variable.dimensions):
        name = f"{dimension}_dimension" if dimension in RESERVED else dimension
        again = variable.dimensions[:at].count(dimension)
        dims.append(f"{name}_{1 + again}" if again else name)
    return tuple(dims)


def _elements(label: str, dimension: Dimension) -> tuple[str, NDArray[np.str_], dict[str, str | int | float]]:
    return label, np.array(dimension.elements, dtype=np.str_), _plain({"long_name": dimension.label})


def variable_attributes(variable: Variable) -> dict[str, str | int | float]:
    """Units, label, documentation and role of a variable."""
    return _plain({"units": variable.units, "long_name": variable.label, "description": variable.doc, "role": str(variable.role)})


def _input(
    model: Model, name: str, array: NDArray[np.float64], outer: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[tuple[str, ...], NDArray[np.float64], dict[str, str | int | float]]:
    attributes = input_attributes(model, name)
    array = np.asarray(array, dtype=np.float64)
    if outer == ("scenario", "draw") and array.size != shape[0] * shape[1]:
        return ("draw",), array, attributes
    folded = array.reshape(shape)
    if outer == ("scenario", "draw") and bool((folded == folded[:1]).all()):
        return ("draw",), folded[0], attributes
    return outer, folded, attributes


def input_attributes(model: Model, name: str) -> dict[str, str | int | float]:
    """The attributes of an input: those of its parameter, with the element where it is one."""
    base, elements = split(name)
    attributes = variable_attributes(model.variables[base])
    if elements:
        attributes["long_name"] = f"{model.variables[base].label}[{', '.join(elements)}]"
    return attributes


def _plain(attributes: Attributes) -> dict[str, str | int | float]:
    """Attributes that netCDF can hold: text and numbers; those without a value are left out."""
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


# --- where it came from ----------------------------------------------------------------------------------------------


def provenance(source: Experiment | Model, *, engine: str, command: str = "") -> dict[str, str | int | float]:
    """What made a result: names and hashes of the files, seed, versions, dt, method, engine and command; no clock, no paths.

    `command` is kept as given: `command_text` takes the absolute paths out of a command line."""
    model = source.model if isinstance(source, Experiment) else source
    packages = ("flowreform", "numpy", *(("numba", "llvmlite") if engine == "numba" else ("pysd",) if engine == "pysd" else ()))
    found: dict[str, str | int | float | None] = {
        "model": model.name,
        "model_sha256": model.sha256,
        "method": str(model.specs.method),
        "dt": model.specs.dt,
        "engine": engine,
        "versions": ", ".join([f"{name} {_version(name)}" for name in packages] + [f"python {platform.python_version()}"]),
        "command": command,
        "noise_seed": model.noise_seed,
    }
    if isinstance(source, Experiment):
        found |= {
            "title": source.title,
            "question": source.question,
            "experiment": source.name,
            "experiment_sha256": source.sha256,
            "case_sha256": source.case.sha256 if source.case else None,
            "baseline": source.baseline,
            "draws": source.draws,
            "design": source.design,
            "seed": source.seed,
        }
    return _plain(found)


def command_text(arguments: Sequence[str]) -> str:
    """A command line without absolute paths: a path inside the present folder is made relative, any other loses its folders.
    What no text can hold, as in a name that is not UTF-8, is escaped."""
    here = Path.cwd()
    words = ["flowreform"]
    for word in arguments[1:]:
        head, equals, tail = word.partition("=")
        value = tail if equals and head.startswith("-") else word
        path = Path(value)
        if path.is_absolute():
            value = path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name
        word = f"{head}={value}" if equals and head.startswith("-") else value
        words.append(f"'{word}'" if any(mark.isspace() for mark in word) else word)
    return visible(" ".join(words))


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


# --- netCDF ----------------------------------------------------------------------------------------------------------


REAL_NAME = "flowreform_name"
"""The attribute with the name of what a file has to call otherwise."""
MOST_TIMES_LARGER = 1000
"""How many times its own size a file may take in memory: more is no result of anybody's."""


def write_netcdf(ds: Dataset, path: str | Path) -> None:
    """The Dataset as a netCDF-4 file, whole or not at all. A name with a slash, which netCDF refuses, has `_` instead, and the
    real one in `long_name`. Raises ExperimentError where it cannot be written::

        fr.write_netcdf(fr.simulate("care_shift"), "run.nc")
    """
    write_file(Path(path), lambda temporary: to_netcdf(ds, temporary), size=ds.nbytes)


def to_netcdf(ds: Dataset, path: Path) -> None:
    """A new file at `path`. Raises OSError where the disk is full."""
    out = Unfailing(path)
    try:
        _storable(ds).to_netcdf(out, engine="h5netcdf")
    finally:
        out.settle()
    with path.open("ab") as end:
        end.write(_seal(path))


_SEAL = b"\nflowreform sha256 "
"""Behind the last byte that HDF5 reads stands the checksum of all before: a flipped bit can make HDF5 read for ever."""


def _seal(path: Path, size: int | None = None) -> bytes:
    """What stands behind the content of a file, or behind its first `size` bytes."""
    digest, left = hashlib.sha256(), path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return _SEAL + digest.hexdigest().encode() + b"\n"


def _is_broken(path: Path) -> bool:
    """Whether a file is sealed and its content is another. Files that others wrote have no seal."""
    length = len(_SEAL) + 65
    body = path.stat().st_size - length
    if body < 0:
        return False
    with path.open("rb") as file:
        file.seek(body)
        end = file.read()
    return end.startswith(_SEAL) and end != _seal(path, body)


def _storable(ds: Dataset) -> Dataset:
    """The Dataset under names that netCDF takes."""
    taken = {str(name) for name in (*ds.variables, *ds.dims)}
    names: dict[str, str] = {}
    for name in sorted(taken):
        if "/" in name or name == ".":
            safe = name.replace("/", "_").replace(".", "_")
            while safe in taken:
                safe += "_"
            taken.add(safe)
            names[name] = safe
    if not names:
        return ds
    stored = ds.rename(names)
    for name, safe in names.items():
        if safe in stored.variables:
            about = stored[safe].attrs
            stored[safe].attrs = {**about, "long_name": about.get("long_name", name), REAL_NAME: name}
    return stored


def read_netcdf(path: str | Path) -> Dataset:
    """A Dataset that `write_netcdf` wrote, loaded and equal to it, attributes included.

    Raises ExperimentError when there is no such file or it is not netCDF::

        fr.write_netcdf(fr.simulate("care_shift"), "run.nc")
        fr.read_netcdf("run.nc")["staffed_beds"]
    """
    import xarray as xr

    if not is_file(Path(path)):
        reason = "this is not an ordinary file" if Path(path).exists() else "there is no such file"
        raise ExperimentError(error("no-file", reason, "check the path", file=str(path)))
    try:
        if _is_broken(Path(path)):
            raise ExperimentError(
                error("not-netcdf", "the file is damaged: its checksum is another", "run the experiment again", file=str(path))
            )
        _require_whole(Path(path))
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as stored:
            if stored.nbytes > MOST_TIMES_LARGER * Path(path).stat().st_size:
                reason = f"{stored.nbytes:,} bytes are said to stand in a file of {Path(path).stat().st_size:,}"
                raise ExperimentError(error("not-netcdf", reason, "run the experiment again", file=str(path)))
            ds = stored.load()
        ds = ds.rename({name: str(data.attrs.pop(REAL_NAME)) for name, data in ds.variables.items() if REAL_NAME in data.attrs})
    except FlowreformError:
        raise
    except Exception as fault:  # a flipped bit can make HDF5 and what reads it say anything
        raise ExperimentError(
            error("not-netcdf", "this is not a netCDF-4 file, or it is damaged", "run the experiment again", file=str(path))
        ) from fault
    for name in ds.variables:
        ds[name].encoding = {}
        if ds[name].dtype.kind in "OT":
            ds[name] = ds[name].astype(np.str_).assign_attrs(ds[name].attrs)
        ds[name].attrs = {key: _scalar(value) for key, value in ds[name].attrs.items()}
    ds.attrs = {key: _scalar(value) for key, value in ds.attrs.items()}
    ds.encoding = {}
    return ds


def _require_whole(path: Path) -> None:
    """Refuse what takes its numbers from other files, which a result of ours never does."""
    import h5py

    with h5py.File(path, "r") as file:
        for name in file:
            item = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
            if item is None or (isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)):
                reason = f"{shorten(name)} stands in another file"
                raise ExperimentError(error("not-netcdf", reason, "run the experiment again", file=str(path)))


def _scalar(value: object) -> object:
    """A number as Python has it, not as numpy does."""
    return value.item() if isinstance(value, np.generic) else value
