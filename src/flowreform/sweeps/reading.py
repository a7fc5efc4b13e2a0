"""A sweep's folder as a Dataset, finished or not, read from disk only where it is looked at; and its experiment."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from flowreform.experiment import Experiment
from flowreform.names import Named, base_values, element_names, split
from flowreform.sweeps import snapshot
from flowreform.sweeps.arrays import ZARR, Arrays, Numbers, damaged
from flowreform.sweeps.layout import FAILED, Layout
from flowreform.sweeps.ledger import Failed, File
from flowreform.sweeps.store import layout_in, open_ledger

if TYPE_CHECKING:
    from xarray import Dataset

Key = tuple[Any, ...]


class _Lazy(BackendArray):
    """What both kinds share: xarray asks with numbers and slices, whatever the user wrote."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    @abstractmethod
    def _read(self, key: Key) -> NDArray[Any]:
        """The part that a key of numbers and slices names."""


class Folded(_Lazy):
    """An array along `run`, then whatever, as (scenario, draw, ...).

    `columns` (first, count) picks part of the second axis of [run, column, time] and folds it behind time into `inner`; `equal`
    makes it a comparison with a number."""

    def __init__(
        self, array: Numbers, scenarios: int, draws: int, *, columns: tuple[int, int] | None = None, inner: tuple[int, ...] = (),
        equal: int | None = None,
    ) -> None:  # fmt: skip
        self._array, self._scenarios, self._columns, self._inner, self._equal = array, scenarios, columns, inner, equal
        rest = tuple(array.shape[1:]) if columns is None else (array.shape[2], *inner)
        self.shape = (scenarios, draws, *rest)
        self.dtype = np.dtype(bool) if equal is not None else np.dtype(array.dtype)

    def _read(self, key: Key) -> NDArray[Any]:
        scenario, draw, *rest = key
        first, last, step = _stretch(draw, self.shape[1])
        runs = slice(first * self._scenarios, last * self._scenarios)
        if self._columns is None:
            found = self._array[(runs, *rest)] if not _has_numbers(rest) else self._array[runs][(slice(None), *rest)]
            rest = []
        else:
            begin, count = self._columns
            found = np.moveaxis(self._array[runs, begin : begin + count], 1, -1)
            found = found.reshape(*found.shape[:-1], *self._inner)
        if self._equal is not None:
            found = found == self._equal
        found = found.reshape(last - first, self._scenarios, *found.shape[1:]).swapaxes(0, 1)
        found = found[:, ::step]
        if isinstance(draw, int | np.integer):
            found = found[:, 0]
            return np.asarray(found[(scenario, *rest)])
        return np.asarray(found[(scenario, slice(None), *rest)])


class Drawn(_Lazy):
    """One column of the drawn inputs (draw); with `fixed` (scenario, draw), where a number wins over what was drawn."""

    def __init__(self, array: Numbers, place: int, fixed: list[float | None] | None) -> None:
        self._array, self._place, self._fixed = array, place, fixed
        self.shape = (array.shape[0],) if fixed is None else (len(fixed), array.shape[0])
        self.dtype = np.dtype(np.float64)

    def _read(self, key: Key) -> NDArray[Any]:
        drawn = self._array[:, self._place] if key[-1] == slice(None) else self._array[key[-1], self._place]
        if self._fixed is None:
            return drawn
        rows = [drawn if value is None else np.full(drawn.shape, float(value)) for value in self._fixed]
        return np.asarray(np.stack(rows)[key[0]])


def _stretch(key: Any, size: int) -> tuple[int, int, int]:
    """First, last (without it) and step of a number or a slice."""
    if isinstance(key, slice):
        first, last, step = key.indices(size)
        return first, max(first, last), step
    return int(key), int(key) + 1, 1


def _has_numbers(key: list[Any]) -> bool:
    return any(isinstance(item, int | np.integer) for item in key)


# --- the Dataset of a folder -----------------------------------------------------------------------------------------


def experiment_of(folder: str | Path) -> Experiment:
    """The experiment of a sweep as it was run. Raises ExperimentError where the folder holds no sweep."""
    folder = Path(folder)
    ledger = open_ledger(folder)
    try:
        return snapshot.read_snapshot(folder, ledger.table("names"))
    finally:
        ledger.close()


def failures_of(folder: str | Path, most: int = -1) -> list[Failed]:
    """The runs of a sweep that failed, in order: scenario, draw, reason, variable, first time, inputs."""
    ledger = open_ledger(Path(folder))
    try:
        return ledger.failures(most)
    finally:
        ledger.close()


def open_sweep(folder: str | Path) -> Dataset:
    """A sweep as a Dataset (scenario, draw, ...), whose numbers are read when they are used.

    `kpi_value` and `kpi_outcome` (scenario, draw, kpi): `fr.kpis(ds, experiment)` gives them one by one, as after `fr.run`.
    `status` (scenario, draw): 0 missing, 1 ok, 2 failed; `failed` marks the last. Inputs and, where they were kept,
    trajectories stand under their own names as in `fr.run`; `quantile_value` has the quantiles over draws. Attributes: where it
    came from, seed and design, and how many runs there are. `flowreform.sweeps.experiment_of(folder)` is the experiment.
    Raises ExperimentError where there is no sweep, or a file is missing or cut short; `flowreform verify` checks every byte::

        fr.sweep(fr.read_experiment("va_beds_to_community").with_(draws=8), "out/va")
        ds = fr.open_sweep("out/va")
        fr.kpis(ds, "va_beds_to_community")
    """
    import xarray as xr

    folder = Path(folder)
    ledger = open_ledger(folder)
    try:
        layout, files = layout_in(ledger), ledger.files()
        done, failed = ledger.counts()
        attributes = {key: value for key, value in ledger.table("attributes").items() if isinstance(value, str | int | float)}
        rank_error = ledger.get("rank_error")
    finally:
        ledger.close()
    for file in files:
        place = folder / file.path
        if file.path.startswith(ZARR) and not (place.is_file() and place.stat().st_size == file.size):
            raise damaged(place, "a file is missing or cut short")
    experiment = experiment_of(folder)
    try:
        layout.require_of(experiment)
    except ValueError as fault:
        raise damaged(folder, str(fault)) from fault
    attributes |= {"draws": layout.draws, "runs": layout.runs, "missing_runs": layout.runs - done, "failed_runs": failed}
    stored = _Stored(folder, layout, experiment, files)
    data, coords = stored.numbers(rank_error)
    data |= stored.inputs() | stored.courses()
    return xr.Dataset(
        data, coords | stored.labels(data), {key: value for key, value in attributes.items() if value not in (None, "")}
    )


class _Stored:
    """The arrays of a folder, lazily, by the names of results."""

    def __init__(self, folder: Path, layout: Layout, experiment: Experiment, files: list[File]) -> None:
        self.layout, self.experiment, self.model = layout, experiment, experiment.model
        self.root = Arrays(folder, layout, files)

    def numbers(self, rank_error: float | None) -> tuple[dict[str, Any], dict[str, Any]]:
        """KPIs, status and quantiles."""
        known = self.layout.arrays()
        flags = {name: self.root[name].attrs for name in ("status", "kpi_outcome") if name in known}
        data: dict[str, Any] = {
            "status": self._lazy("status", ("scenario", "draw"), flags["status"]),
            "failed": self._lazy("status", ("scenario", "draw"), {"long_name": "run failed"}, equal=FAILED),
        }
        for name in ("kpi_value", "kpi_outcome"):
            if name in known:
                data[name] = self._lazy(name, ("scenario", "draw", "kpi"), self.root[name].attrs)
        coords: dict[str, Any] = {}
        if "quantile_value" in known:
            array = known["quantile_value"]
            data["quantile_value"] = (array.dims, self.root["quantile_value"][...], {"rank_error": float(rank_error or 0.0)})
            coords |= {"column": np.array(self.layout.columns, dtype=np.str_), "quantile": np.array(self.layout.quantiles)}
        return data, coords

    def inputs(self) -> dict[str, Any]:
        """What each run was given: (draw) where the scenarios share it, (scenario, draw) where one sets it."""
        from flowreform.results import input_attributes

        scenarios = [self.experiment.scenarios[name] for name in self.layout.scenarios]
        fixed = [scenario.fixed for scenario in scenarios]
        names = dict.fromkeys((*self.layout.parameters, *(name for table in fixed for name in table)))
        shape, found = (len(scenarios), self.layout.draws), {}
        for name in names:
            if name in self.experiment.save and self.layout.kept_draws:
                continue  # its course is there
            base, elements = split(name)
            values = [table.get(name, table.get(base)) for table in fixed]
            attributes = input_attributes(self.model, name)
            place = self.layout.parameters.index(name) if name in self.layout.parameters else None
            if place is not None and all(value is None for value in values):
                found[name] = self._input(place, None, attributes)
            elif place is not None:
                found[name] = self._input(place, values, attributes)
            else:
                own = base_values(self.model, Named(name, self.model.variables[base], elements))
                base_value = own[0] if len(own) == 1 else np.nan
                column = np.array([base_value if value is None else value for value in values], dtype=np.float64)
                if (column == column[0]).all():
                    found[name] = (("draw",), np.broadcast_to(column[0], shape[1:]), attributes)
                else:
                    found[name] = (("scenario", "draw"), np.broadcast_to(column[:, None], shape), attributes)
        return found

    def courses(self) -> dict[str, Any]:
        """Trajectories by variable, where they were kept: (scenario, draw, time, dimensions...)."""
        from flowreform.results import dimension_names, variable_attributes

        if not self.layout.kept_draws:
            return {}
        found, first = {}, 0
        for name in self.experiment.save:
            variable = self.model.variables[name]
            count = len(element_names(self.model, variable))
            dims = dimension_names(variable)
            inner = tuple(len(self.model.dimensions[dimension].elements) for dimension in variable.dimensions)
            attributes = variable_attributes(variable) | {"kept_draws": self.layout.kept_draws}
            found[name] = self._lazy(
                "trajectory", ("scenario", "draw", "time", *dims), attributes, columns=(first, count), inner=inner
            )
            first += count
        return found

    def labels(self, data: dict[str, Any]) -> dict[str, Any]:
        """Coordinates."""
        scenarios = [self.experiment.scenarios[name] for name in self.layout.scenarios]
        coords: dict[str, Any] = {
            "scenario": np.array(self.layout.scenarios, dtype=np.str_),
            "scenario_label": ("scenario", np.array([scenario.label for scenario in scenarios], dtype=np.str_)),
            "draw": np.arange(self.layout.draws),
        }
        if self.layout.kpis:
            coords["kpi"] = np.array(self.layout.kpis, dtype=np.str_)
        if self.layout.columns:
            units = {"units": self.model.specs.time_unit, "long_name": "time"}
            coords["time"] = ("time", np.asarray(self.experiment.times), units)
            for name in self.experiment.save if self.layout.kept_draws else ():
                for dimension, label in zip(self.model.variables[name].dimensions, data[name].dims[3:], strict=True):
                    coords[label] = np.array(self.model.dimensions[dimension].elements, dtype=np.str_)
        return coords

    def _lazy(self, name: str, dims: tuple[str, ...], attributes: dict[str, Any], **how: Any) -> Any:
        from xarray import Variable
        from xarray.core.indexing import LazilyIndexedArray

        array = Folded(self.root[name], len(self.layout.scenarios), self.layout.draws, **how)
        return Variable(dims, LazilyIndexedArray(array), attributes)

    def _input(self, place: int, fixed: list[Any] | None, attributes: dict[str, Any]) -> Any:
        from xarray import Variable
        from xarray.core.indexing import LazilyIndexedArray

        dims = ("draw",) if fixed is None else ("scenario", "draw")
        return Variable(dims, LazilyIndexedArray(Drawn(self.root["input_value"], place, fixed)), attributes)


def kpi_table(root: Arrays, layout: Layout, part: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """KPIs of a part float64[run, kpi] and the status of its runs."""
    count, draws = len(layout.scenarios), layout.draws_of(part)
    runs = slice(draws.start * count, draws.stop * count)
    values = root["kpi_value"][runs] if layout.kpis else np.empty((len(draws) * count, 0))
    return values, root["status"][runs]
