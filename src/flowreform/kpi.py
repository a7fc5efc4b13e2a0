"""KPIs of every run, differences between scenarios draw by draw, and summary rows.

KPIs select and compare; they never integrate. What has no value is NaN and is counted by cause: it never happened, nothing
was needed, the run failed, or the arithmetic has no answer (a ratio over 0). Causes are a coordinate `<kpi>_outcome` with the
flags of `OUTCOMES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.case.tables import Kpi
from flowreform.errors import ExperimentError, did_you_mean, error
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.measure import Measure, evaluate
from flowreform.names import split
from flowreform.statistics import STATISTICS, quantiles

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

OUTCOMES = ("value", "never", "none_needed", "failed", "undefined")
"""Why a KPI has a value or none, by flag: 0 to 4."""
VALUE, NEVER, NONE_NEEDED, FAILED, UNDEFINED = range(5)

MOST_BYTES = 2**29
"""KPIs of a sweep up to so many bytes are read at once, larger ones when they are used."""

NOISE = 1e-9
"""A difference under this share of what it is a difference of is rounding: it counts as 0."""

Floats = NDArray[np.float64]


def kpis(ds: Dataset, experiment: Subject, base: Dataset | None = None) -> Dataset:
    """Every KPI of the experiment for every run of its Dataset: dimensions (scenario, draw), or (run) of what `simulate` returns.

    `experiment` is an Experiment, a bundled name, a path, or a Model, whose own KPIs are taken.

    KPIs against the baseline are of the difference, moment by moment, to the baseline's run of the same draw: `base`, or that
    scenario of `ds` itself. Where there is neither, they are left out.

    Attributes of each: units, label (long_name), better, floor. Of a sweep (`open_sweep`) they are those it stored. Raises
    ExperimentError when a variable was not saved::

        ds = fr.simulate("care_shift", {"planned_bed_reduction": [0.0, 0.04, 0.08]})
        fr.kpis(ds, "care_shift")["unmet_need"]  # (run)
    """
    import xarray as xr

    experiment = as_experiment(experiment)
    if "kpi_value" in ds.data_vars:
        return _stored(ds, experiment)

    calendar = experiment.case.calendar if experiment.case else None
    failed = failures(ds)
    data: dict[str, DataArray] = {}
    coords: dict[str, DataArray] = {}
    if base is None and "scenario" in ds.dims and experiment.baseline in ds["scenario"].values:
        base = ds.sel(scenario=experiment.baseline, drop=True)
    lost = None if base is None else failed | failures(base)
    for name, kpi in experiment.kpis.items():
        measure, runs_on = taken(kpi, experiment)
        own = ds if runs_on else within(ds, experiment)
        if kpi.against is not None:
            if base is None:
                continue
            own = differences(own, base if runs_on else within(base, experiment), measure)
        raw = evaluate(measure, own, calendar)
        wrong = lost if kpi.against is not None and lost is not None else failed
        outcome = outcomes(kpi, raw.values, wrong.transpose(*raw.dims).values, experiment)
        value = raw.where(outcome == VALUE).reset_coords(drop=True)
        if kpi.against is not None:
            value = value.where(~(abs(value) <= NOISE * kpi.floor), 0.0)
        value.attrs = kpi_attributes(name, kpi, experiment)
        data[name] = value
        flags = xr.DataArray(outcome.astype(np.int8), dims=raw.dims)
        flags.attrs = {"flag_meanings": " ".join(OUTCOMES), "long_name": f"outcome of {value.attrs['long_name']}"}
        coords[f"{name}_outcome"] = flags
    keep = {name: coord for name, coord in ds.coords.items() if set(coord.dims) <= {"scenario", "draw", "run"} and coord.dims}
    return xr.Dataset(data, {**keep, **coords}, dict(ds.attrs))


def taken(kpi: Kpi, experiment: Experiment) -> tuple[Measure, bool]:
    """The measure of a KPI, and whether it is taken of runs that go on past the horizon."""
    runs_on = kpi.run_on is not None and experiment.run_stop > experiment.stop
    return (kpi.model_copy(update={"variable": kpi.run_on}) if runs_on else kpi), runs_on


def within(ds: Dataset, experiment: Experiment) -> Dataset:
    """The part of a Dataset up to the horizon."""
    if experiment.run_stop <= experiment.stop or "time" not in ds.dims:
        return ds
    return ds.isel(time=slice(0, int(np.searchsorted(ds["time"].values, experiment.stop + experiment.dt / 2))))


def difference(values: Floats, base: Floats) -> Floats:
    """What is more than there was, 0 where that is under the size of rounding."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = values - base
        return np.where(np.abs(found) <= NOISE * np.maximum(np.abs(values), np.abs(base)), 0.0, found)


def differences(ds: Dataset, base: Dataset, measure: Measure) -> Dataset:
    """The variables that a measure reads, less those of the baseline's runs: (scenario, draw, time, ...)."""
    import xarray as xr

    names = dict.fromkeys(split(name)[0] for part in measure.parts() for name in part.variables)
    return xr.Dataset(
        {
            name: xr.apply_ufunc(difference, ds[name], base[name], keep_attrs=True).transpose(*ds[name].dims)
            for name in names
            if name in ds.data_vars and name in base.data_vars
        }
    )


def _stored(ds: Dataset, experiment: Experiment) -> Dataset:
    """The KPIs of a sweep, one by one; read at once where they fit, because they are stored side by side."""
    import xarray as xr

    if ds["kpi_value"].nbytes <= MOST_BYTES:
        ds = ds.assign({name: ds[name].load() for name in ("kpi_value", "kpi_outcome")})
    data: dict[str, DataArray] = {}
    coords: dict[str, DataArray] = {}
    for name in map(str, ds["kpi"].values):
        value = ds["kpi_value"].sel(kpi=name).reset_coords(drop=True)
        value.attrs = kpi_attributes(name, experiment.kpis[name], experiment)
        data[name] = value
        flags = ds["kpi_outcome"].sel(kpi=name).reset_coords(drop=True)
        flags.attrs = {"flag_meanings": " ".join(OUTCOMES), "long_name": f"outcome of {value.attrs['long_name']}"}
        coords[f"{name}_outcome"] = flags
    keep = {name: coord for name, coord in ds.coords.items() if coord.dims and set(coord.dims) <= {"scenario", "draw"}}
    return xr.Dataset(data, {**keep, **coords}, dict(ds.attrs))


def failures(ds: Dataset) -> DataArray:
    """Which runs failed: the Dataset's own `failed`, or those with a number that is not finite anywhere."""
    import xarray as xr

    if "failed" in ds.data_vars:
        return ds["failed"].astype(bool)
    outer = [str(name) for name in ds.dims if name in ("scenario", "draw", "run")]
    found: DataArray = xr.DataArray(np.zeros([ds.sizes[name] for name in outer], dtype=bool), dims=outer)
    for name in ds.data_vars:
        data = ds[name]
        if "time" in data.dims:
            inner = [dim for dim in data.dims if dim not in outer]
            found = found | ~data.copy(data=np.isfinite(data.values)).all(inner)
    return found.transpose(*outer).reset_coords(drop=True)


def kpi_attributes(name: str, kpi: Kpi, experiment: Experiment) -> dict[str, str | float]:
    """The attributes of a KPI: unit of the result, label, better direction, floor of relative comparison."""
    return {
        "units": kpi_unit(kpi, experiment),
        "long_name": kpi.label or name.replace("_", " "),
        "better": kpi.better,
        "floor": kpi.floor,
        **({"caution": kpi.caution} if kpi.caution else {}),
        **({"against": kpi.against} if kpi.against else {}),
    }


def kpi_unit(kpi: Kpi, experiment: Experiment) -> str:
    """The stated unit, or what follows from the measure: the time unit, dimensionless for a ratio, the variable's own."""
    if kpi.unit is not None:
        return kpi.unit
    if kpi.is_time:
        return experiment.model.specs.time_unit
    units = [experiment.model[split(part.variable)[0]].units or "" for part in kpi.parts()]
    if kpi.over is not None:
        return "dimensionless" if len(set(units)) == 1 else f"({units[0]})/({units[1]})"
    return units[0]


def outcomes(kpi: Kpi, raw: Floats, failed: NDArray[np.bool_], experiment: Experiment) -> NDArray[np.int8]:
    """The flag of every run: `raw` is the measure and `failed` which runs failed, in one shape."""
    values = np.asarray(raw, dtype=np.float64) / kpi.scale if kpi.scale else np.asarray(raw, dtype=np.float64)
    found = np.full(values.shape, VALUE, dtype=np.int8)
    row = STATISTICS[kpi.statistic]
    found[~np.isfinite(values)] = NONE_NEEDED if row.good_if_never else NEVER if row.threshold else UNDEFINED
    if kpi.never == "stop":
        found[values >= experiment.stop - experiment.dt * (1 + 1e-6)] = NEVER
    elif kpi.never is not None:
        found[np.isclose(values, kpi.never, rtol=1e-9, atol=1e-9)] = NEVER
    if kpi.none_needed is not None:
        found[np.isclose(values, kpi.none_needed, rtol=1e-9, atol=1e-9)] = NONE_NEEDED
    found[np.asarray(failed, dtype=bool)] = FAILED
    return found


def contrast(kpis: Dataset, baseline: str | None = None, *, relative: bool = False) -> Dataset:
    """Each scenario less the baseline, same draw against same draw: dimensions (scenario, draw) without the baseline.

    A difference under the size of rounding is 0. KPIs against the same baseline are differences to it already, and stay.

    `baseline` is a scenario's name; the experiment's own when None. A difference where either side has no value is NaN; its
    outcome is the scenario's own cause, or else the baseline's. With `relative` the difference is divided by the baseline's
    absolute value or the KPI's floor, whichever is larger (0/0 is NaN). Raises ExperimentError for an unknown scenario::

        kpis = fr.kpis(fr.run("va_beds_to_community"), "va_beds_to_community")
        fr.contrast(kpis, baseline="as_was")["unmet_need"].median("draw")
    """
    import xarray as xr

    names = [str(name) for name in kpis["scenario"].values] if "scenario" in kpis.dims else []
    base = str(kpis.attrs.get("baseline", "")) if baseline is None else baseline
    if base not in names:
        hint = did_you_mean(base, names) or f"scenarios are {', '.join(names) or 'none'}"
        raise ExperimentError(error("baseline", f'there is no scenario "{base}"', hint, element=base))
    first = kpis.sel(scenario=base, drop=True)
    others = kpis.sel(scenario=[name for name in names if name != base])
    data: dict[str, DataArray] = {}
    coords = {name: coord for name, coord in others.coords.items() if not str(name).endswith("_outcome")}
    for name in kpis.data_vars:
        flag = f"{name}_outcome"
        if kpis[name].attrs.get("against") and base == kpis.attrs.get("baseline") and not relative:
            data[str(name)] = others[name].reset_coords(drop=True).assign_attrs(baseline=base)  # a difference to it already
            if flag in kpis.coords:
                coords[flag] = others[flag].reset_coords(drop=True)
            continue
        value = xr.apply_ufunc(difference, others[name].reset_coords(drop=True), first[name].reset_coords(drop=True))
        value = value.transpose(*others[name].dims)
        attributes = dict(kpis[name].attrs)
        if relative:
            size = abs(first[name].reset_coords(drop=True)).clip(min=float(attributes.get("floor", 0.0)))
            value = value / size.where(size > 0)
            attributes |= {"units": "dimensionless", "floor": 0.0}
        value.attrs = attributes | {"baseline": base}
        data[str(name)] = value
        if flag in kpis.coords:
            mine, theirs = others[flag].reset_coords(drop=True), first[flag].reset_coords(drop=True)
            coords[flag] = mine.where(mine != VALUE, theirs).transpose(*mine.dims).astype(np.int8).assign_attrs(mine.attrs)
    return xr.Dataset(data, coords, dict(kpis.attrs) | {"baseline": base})


@dataclass(frozen=True, slots=True)
class KpiRow:
    """One line of a summary: the quantiles of a KPI over the draws of a scenario that have a value, and how many have none.

    Where something never happened, quantiles are those of all draws that have a value or never had the event: never is later
    than any date, and infinite. What was not needed came before any date. `better_share` is the share of draws with a value in
    which the scenario beats the baseline; None outside a contrast, when neither direction is better, or when nothing differs."""

    kpi: str
    label: str
    unit: str
    better: str
    scenario: str
    count: int
    p10: float
    p50: float
    p90: float
    mean: float
    never: int
    none_needed: int
    failed: int
    undefined: int
    better_share: float | None = None
    caution: str = ""

    @property
    def total(self) -> int:
        """How many draws there are, with a value or without."""
        return self.count + self.never + self.none_needed + self.failed + self.undefined


def summary(kpis: Dataset) -> tuple[KpiRow, ...]:
    """A row for every KPI and scenario, in order; of a contrast, of the differences. Quantiles are interpolated linearly."""
    rows: list[KpiRow] = []
    scenarios = [str(name) for name in kpis["scenario"].values] if "scenario" in kpis.dims else [""]
    for name in kpis.data_vars:
        data = kpis[name]
        flags = kpis.coords.get(f"{name}_outcome")
        for scenario in scenarios:
            values = np.asarray((data.sel(scenario=scenario) if scenario else data).values, dtype=np.float64).ravel()
            causes = (
                np.asarray((flags.sel(scenario=scenario) if scenario else flags).values).ravel() if flags is not None else None
            )
            rows.append(_row(str(name), scenario, values, causes, data.attrs))
    return tuple(rows)


def _row(name: str, scenario: str, values: Floats, causes: NDArray[np.int8] | None, attributes: dict[str, object]) -> KpiRow:
    kept = values[np.isfinite(values)]
    lost = len(values) - len(kept)
    counts = [int((causes == flag).sum()) for flag in (NEVER, NONE_NEEDED, FAILED)] if causes is not None else [0, 0, 0]
    ranked = np.concatenate([kept, np.full(counts[0], np.inf), np.full(counts[1] if counts[0] else 0, -np.inf)])
    p10, p50, p90 = map(float, quantiles(ranked, (0.1, 0.5, 0.9), endless=True)) if len(kept) else (np.nan,) * 3
    better = str(attributes.get("better", "neither"))
    share = None
    if "baseline" in attributes and better != "neither" and kept.any():
        share = float(np.mean(kept < 0 if better == "lower" else kept > 0))
    return KpiRow(
        kpi=name,
        label=str(attributes.get("long_name", name)),
        unit=str(attributes.get("units", "")),
        better=better,
        scenario=scenario,
        count=len(kept),
        p10=p10,
        p50=p50,
        p90=p90,
        mean=float(np.mean(kept)) if len(kept) else float("nan"),
        never=counts[0],
        none_needed=counts[1],
        failed=counts[2],
        undefined=lost - sum(counts),
        better_share=share,
        caution=str(attributes.get("caution", "")),
    )
