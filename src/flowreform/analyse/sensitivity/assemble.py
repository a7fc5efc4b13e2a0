"""Indices of all scenarios as one Dataset, with labels, units and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowreform import results
from flowreform.analyse.sensitivity.chances import QUANTILES, share_better, wilson
from flowreform.analyse.sensitivity.columns import FRACTIONS, STATUS, ColumnCells
from flowreform.analyse.sensitivity.designs import Design
from flowreform.analyse.sensitivity.estimators import Settings
from flowreform.analyse.sensitivity.methods import METHODS
from flowreform.analyse.sensitivity.runs import Quantities, ScenarioOutcome
from flowreform.experiment import Experiment
from flowreform.kpi import kpi_attributes
from flowreform.names import split
from flowreform.statistics import quantiles
from flowreform.text import short

if TYPE_CHECKING:
    from flowreform.analyse.sensitivity.shown import SensitivityIndices

Floats = NDArray[np.float64]


@dataclass
class Findings:
    """What an analysis was about, and what it found, one entry for each of `labels` (scenarios, or the one difference).

    `compared` and `held` have each scenario's KPIs as they compare and its targets (1: met), by independent draws."""

    experiment: Experiment
    method: str
    design: Design
    values: Mapping[str, Floats]
    wanted: Quantities
    settings: Settings
    contrast: tuple[str, str] | None
    labels: list[str] = field(default_factory=list)
    compared: dict[str, Floats] = field(default_factory=dict)
    held: dict[str, Floats] = field(default_factory=dict)
    failed: list[int] = field(default_factory=list)
    kpis: list[ColumnCells] = field(default_factory=list)
    convergence: list[Floats | None] = field(default_factory=list)
    variables: list[ColumnCells] = field(default_factory=list)
    kpi_values: list[Floats] = field(default_factory=list)
    bands: list[Floats] = field(default_factory=list)

    @property
    def rows(self) -> list[str]:
        """The names on the kpi axis: KPIs, then targets."""
        return [*self.wanted.kpis, *(target.text for target in self.wanted.targets)]

    def keep_scenario(self, name: str, outcome: ScenarioOutcome) -> None:
        """Hold on to what says which scenario does better, and which meets its targets."""
        rows = self.design.free_rows()
        if len(rows) > 1 and outcome.compared is not None:
            self.compared[name] = outcome.compared[rows]
            self.held[name] = outcome.kpis[rows, len(self.wanted.kpis) :]

    def keep(self, outcome: ScenarioOutcome) -> None:
        """Hold on to what pictures need of a scenario's runs: those that are independent draws."""
        rows = self.design.free_rows()
        self.kpi_values.append(outcome.kpis[rows])
        if len(rows) and self.wanted.variables:
            found = quantiles(outcome.variables[rows], QUANTILES)
            self.bands.append(found.reshape(len(QUANTILES), len(self.wanted.variables), len(self.wanted.times)))


def assemble(found: Findings, *, engine: str, command: str) -> SensitivityIndices:
    """The Dataset of an analysis."""
    from flowreform.analyse.sensitivity.shown import SensitivityIndices

    method, names, wanted = METHODS[found.method], list(found.values), found.wanted
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {
        "scenario": np.array(found.labels, dtype=np.str_),
        "scenario_label": ("scenario", np.array([_heading(found, name) for name in found.labels], dtype=np.str_)),
        "parameter": np.array(names, dtype=np.str_),
        "index": np.array(method.indices, dtype=np.str_),
        "parameter_label": ("parameter", np.array([_label(found, name) for name in names], dtype=np.str_)),
        "parameter_units": ("parameter", np.array([found.experiment.uncertainties[name].unit for name in names], dtype=np.str_)),
    }
    if found.rows:
        about = [_kpi_about(found, name) for name in found.rows]
        coords["kpi"] = np.array(found.rows, dtype=np.str_)
        for key in ("label", "units", "better"):
            coords[f"kpi_{key}"] = ("kpi", np.array([item[key] for item in about], dtype=np.str_))
        _cells(data, "kpi", found.kpis, ("kpi",), (len(found.rows),))
        if all(part is not None for part in found.convergence):
            coords["fraction"] = np.array(FRACTIONS)
            parts = np.stack([part for part in found.convergence if part is not None])
            data["kpi_convergence"] = (
                ("scenario", "kpi", "fraction", "parameter", "index"), np.transpose(parts, (0, 4, 1, 3, 2)),
                {"long_name": "index from the first part of the sample"},
            )  # fmt: skip
    if wanted.variables:
        times = found.experiment.times[wanted.times]
        coords["variable"] = np.array(wanted.variables, dtype=np.str_)
        coords["time"] = ("time", times, {"units": found.experiment.model.specs.time_unit, "long_name": "time"})
        models = [found.experiment.model[split(name)[0]] for name in wanted.variables]
        coords["variable_label"] = (
            "variable",
            np.array([_full(m.label, n) for m, n in zip(models, wanted.variables, strict=True)]),
        )
        coords["variable_units"] = ("variable", np.array([m.units or "" for m in models], dtype=np.str_))
        _cells(data, "variable", found.variables, ("variable", "time"), (len(wanted.variables), len(times)))
    rows = found.design.free_rows()
    if len(rows):
        unit = np.stack([found.values[name][rows] for name in names], axis=1)
        data["drawn"] = (("sample", "parameter"), unit, {"long_name": "value of the input"})
        if found.rows:
            data["kpi_value"] = (("scenario", "sample", "kpi"), np.stack(found.kpi_values), {"long_name": "value of the KPI"})
        if found.bands:
            coords["quantile"] = np.array(QUANTILES)
            bands = np.transpose(np.stack(found.bands), (0, 2, 1, 3))
            data["band"] = (("scenario", "variable", "quantile", "time"), bands, {"long_name": "quantile over the draws"})
    _chances(found, data, coords)
    data["failed_runs"] = ("scenario", np.array(found.failed), {"long_name": "runs that failed"})
    attributes = results.provenance(found.experiment, engine=engine, command=command)
    for key in ("draws", "design"):
        attributes.pop(key, None)
    attributes |= {
        "method": found.method, "baseline": found.experiment.baseline, "integration": str(found.experiment.model.specs.method),
        "runs_per_scenario": len(found.design.unit),
        "blocks": found.design.blocks, "seed": found.settings.seed, "resamples": found.settings.resamples,
        "confidence": found.settings.confidence, "second_order": int(found.design.second_order),
        "versions": f"{attributes['versions']}, SALib {_salib()}",
    }  # fmt: skip
    if found.contrast is not None:
        attributes["contrast"] = f"{found.contrast[0]} - {found.contrast[1]}"
    return SensitivityIndices(data, coords, attributes)


def _chances(found: Findings, data: dict[str, Any], coords: dict[str, Any]) -> None:
    """How often each scenario meets each target, and does better than each other, draw against the same draw."""
    if not found.compared:
        return
    names = list(found.compared)
    coords["contender"] = np.array(names, dtype=np.str_)
    coords["contender_label"] = ("contender", np.array([_short(found, name) for name in names], dtype=np.str_))
    if found.wanted.targets:
        held = np.stack([found.held[name].T for name in names])  # [contender, target, draw]
        used = np.isfinite(held).sum(axis=-1)
        coords["target"] = np.array([target.text for target in found.wanted.targets], dtype=np.str_)
        for key, values in zip(("probability", "low", "high"), wilson(np.nansum(held, axis=-1), used), strict=True):
            data[f"target_{key}"] = (("contender", "target"), values, {"long_name": f"{key} of meeting the target"})
        data["target_draws"] = (("contender", "target"), used, {"long_name": "draws in which the target can be judged"})
    better = {name: found.experiment.kpis[name].better for name in found.wanted.kpis}
    judged = [name for name, way in better.items() if way in ("lower", "higher")]
    if judged and len(names) > 1:
        places = [found.wanted.kpis.index(name) for name in judged]
        signs = np.array([1.0 if better[name] == "higher" else -1.0 for name in judged])
        values = np.stack([found.compared[name][:, places] * signs for name in names])  # [contender, draw, kpi]
        share, ties, used = share_better(np.moveaxis(values, -1, 0))
        dims = ("judged_kpi", "contender", "opponent")
        coords["opponent"] = coords["contender"]
        coords["judged_kpi"] = np.array(judged, dtype=np.str_)
        data["better_probability"] = (dims, share, {"long_name": "share of draws in which the contender does better"})
        data["better_ties"] = (dims, ties, {"long_name": "share of draws in which both do as well"})
        data["better_draws"] = (dims, used, {"long_name": "draws in which both have a value"})


def _cells(data: dict[str, Any], kind: str, cells: list[ColumnCells], dims: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    """The estimates of one kind of column: float64[scenario, index, parameter, column] to (scenario, *dims, parameter, index)."""
    outer = ("scenario", *dims)
    flags = {"flag_meanings": " ".join(STATUS), "long_name": "what became of the estimate"}

    def placed(parts: list[Floats]) -> Floats:
        stacked = np.moveaxis(np.stack(parts), -1, 1)  # [scenario, column, first, second]
        return stacked.reshape(len(parts), *sizes, *stacked.shape[2:])

    index = np.swapaxes(placed([cell.values for cell in cells]), -1, -2)
    width = np.swapaxes(placed([cell.half_widths for cell in cells]), -1, -2)
    data[f"{kind}_index"] = ((*outer, "parameter", "index"), index, {"long_name": "sensitivity index"})
    data[f"{kind}_confidence"] = ((*outer, "parameter", "index"), width, {"long_name": "half-width of the interval"})
    pairs = [cell.pairs for cell in cells if cell.pairs is not None]
    if pairs and not all(np.isnan(part).all() for part in pairs):
        widths = [cell.pair_half_widths for cell in cells if cell.pair_half_widths is not None]
        both = (*outer, "parameter", "other")
        data[f"{kind}_pair"] = (both, placed(pairs), {"long_name": "second-order index; upper triangle"})
        data[f"{kind}_pair_confidence"] = (both, placed(widths), {"long_name": "half-width of the interval"})
    shape = (len(cells), *sizes)
    data[f"{kind}_status"] = (outer, np.stack([cell.status for cell in cells]).reshape(shape), flags)
    used = {"long_name": "blocks of the sample behind the estimate"}
    data[f"{kind}_blocks"] = (outer, np.stack([cell.blocks for cell in cells]).reshape(shape), used)


def _heading(found: Findings, name: str) -> str:
    """What a scenario of the analysis, or its one difference, is called."""
    if found.contrast is None:
        return _short(found, name)
    return " less ".join(_short(found, one) for one in found.contrast)


def _short(found: Findings, scenario: str) -> str:
    return short(found.experiment.scenarios[scenario].label)


def _label(found: Findings, name: str) -> str:
    item = found.experiment.uncertainties[name]
    return item.label or _full(found.experiment.model[split(name)[0]].label, name)


def _full(label: str, name: str) -> str:
    elements = split(name)[1]
    text = label.replace("_", " ")
    return f"{text} [{', '.join(elements)}]" if elements else text


def _kpi_about(found: Findings, name: str) -> dict[str, str]:
    if name in found.experiment.kpis:
        about = kpi_attributes(name, found.experiment.kpis[name], found.experiment)
        return {"label": str(about["long_name"]), "units": str(about["units"]), "better": str(about["better"])}
    return {"label": name, "units": "dimensionless", "better": "higher"}


def _salib() -> str:
    from importlib.metadata import version

    return version("SALib")
