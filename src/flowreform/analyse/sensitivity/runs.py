"""A design run through the scenarios of an experiment, some rows at a time, keeping only what is asked of each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform import results
from flowreform.analyse.sensitivity.targets import DrawTarget, comparable, met
from flowreform.batch import ExperimentBatch
from flowreform.engine import Progress
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment, Scenario
from flowreform.kpi import failures
from flowreform.kpi import kpis as kpis_of
from flowreform.names import split

if TYPE_CHECKING:
    from xarray import Dataset

Floats = NDArray[np.float64]

CHUNK_BYTES = 192 * 2**20
"""Trajectories held at a time."""
MAX_BYTES = 6 * 2**30
"""What all kept values of one scenario may take."""


@dataclass(frozen=True)
class Quantities:
    """What is kept of each run: names of KPIs, of variables (with elements) at the numbers `times` of saved times, targets."""

    kpis: tuple[str, ...]
    variables: tuple[str, ...]
    times: NDArray[np.int_]
    targets: tuple[DrawTarget, ...] = ()

    @property
    def columns(self) -> int:
        """Numbers kept of each run."""
        return len(self.kpis) + len(self.targets) + len(self.variables) * len(self.times)


@dataclass
class ScenarioOutcome:
    """What a scenario gave: KPIs (targets after them) float64[row, kpi], variables float64[row, variable x time], failed runs.

    Runs that failed are NaN everywhere. `compared` has the KPIs once more, with what never happened as +infinity and what was
    not needed as -infinity; None of a difference."""

    kpis: Floats
    variables: Floats
    failed: NDArray[np.bool_]
    compared: Floats | None = None


class DesignRunner:
    """An experiment made ready once for many scenarios of one design; `values` are float64[row] by parameter."""

    def __init__(
        self,
        experiment: Experiment,
        values: Mapping[str, Floats],
        wanted: Quantities,
        scenarios: Sequence[str],
        engine: str,
        progress: Progress | None,
    ) -> None:
        self.experiment, self.values, self.wanted = experiment, values, wanted
        self.rows = len(next(iter(values.values())))
        against = any(experiment.kpis[name].against for name in wanted.kpis)
        base = [experiment.scenarios[experiment.baseline]] if against else []
        chosen = [*(experiment.scenarios[name] for name in scenarios), *base]
        save = _saved(experiment, wanted)
        total = self.rows * len(chosen)
        told = None if progress is None else lambda done, _: progress(done, total)
        self.batch = ExperimentBatch(experiment, save, scenarios=chosen, engine=engine, progress=told)
        self.model = self.batch.model
        self.engine = engine
        size = max(1, 8 * len(save) * len(experiment.times) * _widest(experiment, save))
        self.chunk = int(np.clip(CHUNK_BYTES // size, 64, 8192)) // 64 * 64
        if wanted.columns * self.rows * 8 > MAX_BYTES:
            reason = f"{self.rows:,} runs with {wanted.columns:,} numbers of each are over the limit of {MAX_BYTES // 2**30} GiB"
            repair = "take fewer samples or variables, or save less often (save_every)"
            raise ExperimentError(error("too-large", reason, repair, file=self.model.file))

    def run(self, scenario: Scenario) -> ScenarioOutcome:
        """All rows of the design in one scenario: what it sets wins over a sample of the same parameter."""
        wanted, base = self.wanted, self._base(scenario)
        kept = ScenarioOutcome(
            np.empty((self.rows, len(wanted.kpis) + len(wanted.targets))),
            np.empty((self.rows, len(wanted.variables) * len(wanted.times))),
            np.zeros(self.rows, dtype=bool),
            np.empty((self.rows, len(wanted.kpis))),
        )
        for rows in self._chunks():
            ds = self._run(scenario, rows)
            other = None if base is None else self._run(base, rows).sel(scenario=base.name, drop=True)
            keep(ds, kpis_of(ds, self.experiment, other), scenario.name, wanted, kept, rows)
        return without_failed(kept)

    def _base(self, scenario: Scenario) -> Scenario | None:
        """The baseline, where a KPI is a difference to it and it is not this scenario itself."""
        needed = any(self.experiment.kpis[name].against for name in self.wanted.kpis)
        return (
            self.experiment.scenarios[self.experiment.baseline] if needed and scenario.name != self.experiment.baseline else None
        )

    def _run(self, scenario: Scenario, rows: slice) -> Dataset:
        drawn = {name: column[rows] for name, column in self.values.items()}
        # Random functions draw alike in every row: else what they draw would be taken for the effect of the inputs that differ.
        alike = np.zeros(rows.stop - rows.start, dtype=np.int64)
        _, found = self.batch.block(scenario, drawn, rows.stop - rows.start, alike)
        if self.batch.engine == "auto":
            self.batch.engine = self.engine = found.engine  # one choice for all chunks
        return results.dataset(
            self.model, found.times, found.values, scenarios={scenario.name: scenario.label}, failed={"failed": found.failed}
        )

    def _chunks(self) -> Iterator[slice]:
        for first in range(0, self.rows, self.chunk):
            yield slice(first, min(first + self.chunk, self.rows))


def keep(ds: Dataset, kpis: Dataset, scenario: str, wanted: Quantities, kept: ScenarioOutcome, rows: slice) -> None:
    """Put what is wanted of a scenario's runs into `rows`; `ds` and `kpis` have (scenario, draw)."""
    failed = failures(ds).sel(scenario=scenario)
    kept.failed[rows] = np.asarray(failed.values)
    for at, name in enumerate(wanted.kpis):
        kept.kpis[rows, at] = np.asarray(kpis[name].sel(scenario=scenario).values)
        if kept.compared is not None:
            kept.compared[rows, at] = np.asarray(comparable(kpis, name).sel(scenario=scenario).values)
    for at, target in enumerate(wanted.targets, start=len(wanted.kpis)):
        kept.kpis[rows, at] = np.asarray(met(target, ds, kpis).sel(scenario=scenario).values)
    count = len(wanted.times)
    for at, name in enumerate(wanted.variables):
        base, elements = split(name)
        data = ds[base].sel(scenario=scenario)
        if elements:
            inner = [dim for dim in data.dims if dim not in ("draw", "time")]
            data = data.sel(dict(zip(inner, elements, strict=True)))
        course = np.asarray(data.transpose("draw", "time").values)
        kept.variables[rows, at * count : (at + 1) * count] = course[:, wanted.times]


def without_failed(kept: ScenarioOutcome) -> ScenarioOutcome:
    """The outcome with NaN for everything of a failed run."""
    kept.kpis[kept.failed] = np.nan
    kept.variables[kept.failed] = np.nan
    if kept.compared is not None:
        kept.compared[kept.failed] = np.nan
    return kept


def fixed_in(experiment: Experiment, scenario: str, parameters: Sequence[str]) -> list[str]:
    """The parameters that a scenario sets itself, so that they do not vary there."""
    return [name for name in parameters if experiment.scenarios[scenario].sets(name)]


def _saved(experiment: Experiment, wanted: Quantities) -> tuple[str, ...]:
    names = {split(variable)[0] for kpi in experiment.kpis.values() for variable in kpi.variables}
    names |= {split(name)[0] for name in wanted.variables} | {split(t.name)[0] for t in wanted.targets if t.when}
    return tuple(variable.name for variable in experiment.model if variable.name in names)


def _widest(experiment: Experiment, save: Sequence[str]) -> int:
    from flowreform.names import element_names

    return max((len(element_names(experiment.model, experiment.model[name])) for name in save), default=1)
