"""The map of a template: which result goes into which cell, as a TOML file, checked against the experiment.

```toml
[template]
scenario = "build_first"

[[results]]
cell = "Plan!C12:L12"
variable = "staffed_beds"
statistic = "at"
years = [2026, 2035]

[[kpis]]
cell = "peak_occupancy"
kpi = "peak_occupancy"
percentile = 90
```
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from flowreform.case.checks import check_measure
from flowreform.errors import ExperimentError, did_you_mean
from flowreform.measure import Measure, Year
from flowreform.statistics import quantiles
from flowreform.toml import Document, Loc, Source, Table, read_document

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

    from flowreform.experiment import Experiment

KEYS = ("template", "results", "kpis")
MOST_ENTRIES = 10_000
"""Most entries of one map."""


def _two_years(given: object) -> object:
    if (
        isinstance(given, list)
        and len(given) == 2
        and all(isinstance(part, int) and not isinstance(part, bool) for part in given)
    ):
        return tuple(given)
    raise ValueError("the first and the last year are needed, as years = [2026, 2035]")


Percentile = Annotated[float, Field(ge=0, le=100)]
Years = Annotated[tuple[Year, Year], BeforeValidator(_two_years)]


class Defaults(Table):
    """`[template]`: what holds for every entry that does not say otherwise."""

    scenario: str | None = None
    """The scenario whose results are written; the experiment's baseline when missing."""
    percentile: Percentile = 50.0
    """Which percentile of the draws is written: 50 is the median."""
    overwrite_formulas: bool = False
    """Whether a formula in a cell may be replaced by a number."""
    stamp: str | None = None
    """A cell for one line on where the numbers come from: model, experiment, hashes, scenario."""


class MapEntry(Table):
    """What every entry says: the cell, and which runs."""

    cell: str
    """A defined name of the workbook, or an address such as `Plan!C12`; a block such as `Plan!C12:L12` for years."""
    scenario: str | None = None
    """Over `scenario` of [template]."""
    percentile: Percentile | None = None
    """Over `percentile` of [template]."""
    overwrite_formulas: bool | None = None
    """Over `overwrite_formulas` of [template]."""


class Result(MapEntry, Measure):
    """`[[results]]`: one number a cell, taken off a variable as a KPI is; with `years` one cell for each year."""

    years: Years | None = None
    """The first and the last reporting year: the block has as many cells, in one row or one column."""
    unit: str | None = None
    """The unit the cell is in; converted from the variable's."""


class KpiEntry(MapEntry):
    """`[[kpis]]`: a KPI of the experiment in a cell."""

    kpi: str
    """Its name."""


@dataclass(frozen=True, slots=True)
class Filling:
    """One entry made ready: where in the map it stands, its cell as written, and one measure or KPI for each cell."""

    loc: Loc
    cell: str
    measures: tuple[Measure | str, ...]
    scenario: str
    percentile: float
    overwrite: bool


@dataclass(frozen=True)
class Map:
    """A map as read: `entries` with their place in the file; names are not looked up yet."""

    document: Document
    defaults: Defaults
    entries: tuple[tuple[Loc, Result | KpiEntry], ...]

    def variables(self, experiment: Experiment) -> tuple[str, ...]:
        """The variables that the entries read, as the experiment must save them."""
        from flowreform.names import split

        names = [name for _, entry in self.entries if isinstance(entry, Result) for name in entry.variables]
        return tuple(dict.fromkeys(name for name in (split(text)[0] for text in names) if name in experiment.model.variables))

    def wanted(self, experiment: Experiment, source: Source) -> tuple[Filling, ...]:
        """The entries against an experiment: variables, units, years, scenarios; every fault is added to `source`."""
        found: list[Filling] = []
        base = self._scenario(self.defaults.scenario, ("template", "scenario"), experiment, source)
        for loc, entry in self.entries:
            scenario = base if entry.scenario is None else self._scenario(entry.scenario, (*loc, "scenario"), experiment, source)
            percentile = self.defaults.percentile if entry.percentile is None else entry.percentile
            overwrite = self.defaults.overwrite_formulas if entry.overwrite_formulas is None else entry.overwrite_formulas
            measures: tuple[Measure | str, ...]
            if isinstance(entry, KpiEntry):
                if entry.kpi not in experiment.kpis:
                    hint = did_you_mean(entry.kpi, experiment.kpis) or f"known are {', '.join(experiment.kpis) or 'none'}"
                    source.fault("unknown-kpi", (*loc, "kpi"), "there is no such KPI", hint, entry.kpi)
                measures = (entry.kpi,)
            else:
                measures = tuple(self._measures(entry, loc, experiment, source))
            found.append(Filling(loc, entry.cell, measures, scenario, percentile, overwrite))
        return tuple(found)

    def _scenario(self, name: str | None, loc: Loc, experiment: Experiment, source: Source) -> str:
        if name is None:
            return experiment.baseline
        if name not in experiment.scenarios:
            hint = did_you_mean(name, experiment.scenarios) or f"scenarios are {', '.join(experiment.scenarios)}"
            source.fault("unknown-scenario", loc, f'there is no scenario "{name}"', hint)
        return name

    def _measures(self, entry: Result, loc: Loc, experiment: Experiment, source: Source) -> Iterator[Measure]:
        """One measure for each cell: the entry itself, or the entry in each of its years."""
        calendar = experiment.case.calendar if experiment.case else None
        grid = (experiment.start, experiment.stop, experiment.save_every)
        several: list[Result] = [entry]
        if entry.years is not None:
            first, last = entry.years
            when = [key for key in ("year", "date", "start", "stop") if getattr(entry, key) is not None]
            if when:
                reason = f"years cannot stand beside {', '.join(when)}"
                source.fault("measure", (*loc, "years"), reason, "keep one of them")
                return
            if last < first:
                source.fault("measure", (*loc, "years"), f"{last} comes before {first}", "swap them")
                return
            if last - first >= MOST_ENTRIES:
                source.fault("limit", (*loc, "years"), "these are too many years", "choose fewer")
                return
            several = [entry.model_copy(update={"year": year}) for year in range(first, last + 1)]
        document = self._years_at(loc) if entry.years is not None else self.document
        said: set[str] = set()
        for item in several:
            here = Source(document)
            yield check_measure(item, loc, experiment.model, calendar, here, grid=grid)
            source.findings.extend(fault for fault in here.findings if str(fault) not in said)
            said |= {str(fault) for fault in here.findings}

    def _years_at(self, loc: Loc) -> Document:
        """The document with a fault of one year shown at the key `years`."""
        from dataclasses import replace

        lines = dict(self.document.lines)
        if (*loc, "years") in lines:
            lines[(*loc, "year")] = lines[(*loc, "years")]
        return replace(self.document, lines=lines)


def read_map(path: Path) -> Map:
    """The map in a TOML file. Raises ExperimentError with every fault of it, with file and line."""
    source = Source(read_document(path, ExperimentError))
    source.only(KEYS)
    defaults = source.one(Defaults, "template") or Defaults()
    kinds: dict[str, type[Result] | type[KpiEntry]] = {"results": Result, "kpis": KpiEntry}
    entries: list[tuple[Loc, Result | KpiEntry]] = [
        ((key, number), item) for key, kind in kinds.items() for number, item in source.listed(kind, key)
    ]
    if not entries and not source.findings:
        source.fault("schema", (), "the map names no result", "add [[results]] with cell, variable and statistic")
    if len(entries) > MOST_ENTRIES:
        source.fault("limit", (), f"these are more than {MOST_ENTRIES:,} entries", "split the map")
    if source.failed:
        raise ExperimentError(source.findings)
    return Map(source.document, defaults, tuple(entries))


def value_of(measure: Measure | str, ds: Dataset, kpis: Dataset, wanted: Filling, experiment: Experiment) -> float:
    """The number that goes into a cell: the percentile over the draws that have a number (linear between them), or NaN."""
    import numpy as np

    from flowreform.measure import evaluate

    calendar = experiment.case.calendar if experiment.case else None
    data: DataArray = kpis[measure] if isinstance(measure, str) else evaluate(measure, ds, calendar)
    values = np.asarray(data.sel(scenario=wanted.scenario).values, dtype=np.float64).ravel()
    return float(quantiles(values, [wanted.percentile / 100])[0])
