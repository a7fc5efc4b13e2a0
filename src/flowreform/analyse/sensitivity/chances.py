"""What the draws say together: bands over time, the chance of meeting a target, the chance that one scenario beats another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform import statistics
from flowreform.analyse.sensitivity.targets import comparable, met, read_targets
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Subject, as_experiment
from flowreform.kpi import failures

if TYPE_CHECKING:
    from xarray import Dataset

Floats = NDArray[np.float64]

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)


def bands(ds: Dataset, variables: Sequence[str] | None = None, quantiles: Sequence[float] = QUANTILES) -> Dataset:
    """Quantiles over the draws of every saved variable: dimensions (scenario, quantile, time, its own).

    `ds` is what `run` returned; runs that failed are left out, and `draws_used` (scenario) counts the draws behind each
    band. Raises ExperimentError for a variable that was not saved, and where there is one draw only::

        runs = fr.run(fr.read_experiment("va_beds_to_community").with_(draws=8))
        fr.bands(runs, ["total_open_staffed_beds"]).sel(quantile=0.5, scenario="as_was")
    """
    import xarray as xr

    _several_draws(ds)
    names = [str(name) for name in ds.data_vars if {"draw", "time"} <= set(map(str, ds[name].dims))]
    if variables is not None:
        missing = [name for name in variables if name not in names]
        if missing:
            raise ExperimentError(
                [error("not-saved", "the variable was not saved", f'add "{name}" to save', element=name) for name in missing]
            )
        names = list(variables)
    failed = failures(ds)
    used = np.asarray((~failed).sum("draw").values)
    found = {}
    for name in names:
        data = ds[name].where(~failed) if bool(failed.any()) else ds[name]
        values = np.moveaxis(np.asarray(data.transpose("scenario", "draw", "time", ...).values), 1, 0)
        parts = statistics.quantiles(values, quantiles)  # [quantile, scenario, time, ...]
        inner = [dim for dim in data.dims if dim not in ("scenario", "draw", "time")]
        found[name] = (("scenario", "quantile", "time", *inner), np.moveaxis(parts, 0, 1), dict(ds[name].attrs))
    coords = {name: ds.coords[name] for name in ds.coords if "draw" not in ds.coords[name].dims}
    result = xr.Dataset(found, coords, dict(ds.attrs)).assign_coords(quantile=("quantile", np.asarray(quantiles, dtype=float)))
    return result.assign(draws_used=("scenario", used))


def probabilities(ds: Dataset, kpis: Dataset, experiment: Subject, targets: Sequence[str]) -> Dataset:
    """The share of draws in which each scenario meets each target: `probability`, `low`, `high`, `draws_used` (target, scenario).

    `low` to `high` is Wilson's 95 % interval (1927). Draws that failed or have no value are left out; a time that never comes
    counts as beyond every number. Raises ExperimentError for a target that says nothing, and where there is one draw only::

        experiment = fr.read_experiment("va_beds_to_community").with_(draws=8)
        runs = fr.run(experiment)
        fr.probabilities(runs, fr.kpis(runs, experiment), experiment, ["peak_occupancy <= 0.92"])["probability"]
    """
    import xarray as xr

    _several_draws(ds)
    read = read_targets(targets, as_experiment(experiment))
    held = np.stack([np.asarray(met(target, ds, kpis).values) for target in read])
    used = np.isfinite(held).sum(axis=-1)
    share, low, high = wilson(np.nansum(held, axis=-1), used)
    dims = ("target", "scenario")
    return xr.Dataset(
        {"probability": (dims, share), "low": (dims, low), "high": (dims, high), "draws_used": (dims, used)},
        {"target": [target.text for target in read], "scenario": ds["scenario"].values},
        dict(ds.attrs),
    )


def wilson(successes: NDArray[np.floating], count: NDArray[np.integer], reach: float = 1.959963984540054) -> tuple[Floats, ...]:
    """A share with its interval, also where it is 0 or 1 (Wilson 1927); NaN where nothing was counted."""
    n = np.where(count > 0, count, np.nan)
    share = successes / n
    divisor = 1 + reach**2 / n
    middle = (share + reach**2 / (2 * n)) / divisor
    half = reach * np.sqrt(share * (1 - share) / n + reach**2 / (4 * n**2)) / divisor
    low = np.where(successes == 0, 0.0, middle - half)  # rounding must not part an end from a share of 0 or 1
    high = np.where(successes == count, 1.0, middle + half)
    return share, np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def beats(kpis: Dataset) -> Dataset:
    """How often, draw against the same draw, a scenario does better than another: (kpi, scenario, other).

    `probability` of better, `ties`, and `draws_used`; KPIs of which neither direction is better are left out. What never
    happened is later than any time. Raises ExperimentError with fewer than two scenarios or draws::

        experiment = fr.read_experiment("va_beds_to_community").with_(draws=8)
        fr.beats(fr.kpis(fr.run(experiment), experiment))["probability"].sel(kpi="unmet_need")
    """
    import xarray as xr

    _several_draws(kpis)
    if kpis.sizes.get("scenario", 1) < 2:
        reason = "there is one scenario, and nothing it could beat"
        raise ExperimentError(error("one-scenario", reason, "add a [scenarios.NAME] to the experiment"))
    names = [str(name) for name in kpis.data_vars if kpis[name].attrs.get("better") in ("lower", "higher")]
    sign = {name: 1.0 if kpis[name].attrs["better"] == "higher" else -1.0 for name in names}
    size, draws = kpis.sizes["scenario"], kpis.sizes["draw"]
    values = [sign[name] * np.asarray(comparable(kpis, name).values) for name in names]
    share, ties, used = share_better(np.reshape(values, (len(names), size, draws)))
    dims = ("kpi", "scenario", "other")
    scenarios = kpis["scenario"].values
    return xr.Dataset(
        {"probability": (dims, share), "ties": (dims, ties), "draws_used": (dims, used)},
        {"kpi": names, "scenario": scenarios, "other": scenarios},
        dict(kpis.attrs),
    )


def share_better(values: Floats) -> tuple[Floats, Floats, NDArray[np.int_]]:
    """Of `values` float64[kpi, scenario, draw], more is better: how often a scenario is above another in the same draw, how
    often the two are equal, and in how many draws both have a value; each [kpi, scenario, other]."""
    count, size, _ = values.shape
    share, ties, used = (
        np.full((count, size, size), np.nan),
        np.full((count, size, size), np.nan),
        np.zeros((count, size, size), int),
    )
    for one in range(size):
        for other in range(size):
            mine, theirs = values[:, one], values[:, other]
            known = ~np.isnan(mine) & ~np.isnan(theirs)
            used[:, one, other] = known.sum(axis=-1)
            if one != other:
                divisor = np.where(used[:, one, other] > 0, used[:, one, other], np.nan)
                share[:, one, other] = (known & (mine > theirs)).sum(axis=-1) / divisor
                ties[:, one, other] = (known & (mine == theirs)).sum(axis=-1) / divisor
    return share, ties, used


def _several_draws(ds: Dataset) -> None:
    if ds.sizes.get("draw", 1) < 2:
        reason = "one draw says nothing about uncertainty"
        raise ExperimentError(error("one-draw", reason, "set draws to 100 or more, in the file or with --draws"))
