"""`write_values`: the sheets of the values-only workbook, in order, whole or not at all."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowreform.experiment import Experiment
from flowreform.export.describe import short
from flowreform.export.tidy import moving
from flowreform.export.values.about import write_assumptions, write_cover, write_provenance, write_scenarios
from flowreform.export.values.charts import write_charts
from flowreform.export.values.lines import lines, stored_lines
from flowreform.export.values.periods import periods
from flowreform.export.values.results import Results
from flowreform.export.values.sheets import write_indices, write_kpis, write_yearly
from flowreform.export.workbook.book import Book
from flowreform.files import write_file
from flowreform.kpi import kpis

if TYPE_CHECKING:
    from xarray import Dataset


def write_values(path: Path, ds: Dataset, experiment: Experiment, indices: Dataset | None = None) -> None:
    """Write the results of an experiment (scenario, draw, time, ...) as a workbook of values.

    Sheets: Cover, KPIs, Yearly (P10, P50 and P90 by year and scenario), Differences (against the baseline, draw by draw),
    Charts, Sensitivity (when `indices`, a Dataset of `fr.sensitivity`, is given), Scenarios, Assumptions, Provenance. No cell
    is a formula, whatever its text; the same results give the same bytes. Raises ExperimentError where it cannot be written."""
    calendar = experiment.case.calendar if experiment.case else None
    times = np.asarray(ds["time"].values, dtype=np.float64) if "time" in ds.coords else np.empty(0)
    years = periods(times, experiment.model.specs.time_unit, calendar) if len(times) else ()
    labels = tuple(short(experiment.scenarios[str(name)].label) for name in ds["scenario"].values)
    found = tuple(lines(ds, experiment, years) if moving(ds) else stored_lines(ds, experiment, years))
    results = Results(experiment, ds, kpis(ds, experiment), years, found, _apart(labels), indices)
    write_file(path, lambda temporary: _write(temporary, results))


def _apart(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels that are all different, as a filter of a spreadsheet tells them apart."""
    found: list[str] = []
    for label in labels:
        text, number = label, 2
        while text.casefold() in {other.casefold() for other in found}:
            text, number = f"{label} ({number})", number + 1
        found.append(text)
    return tuple(found)


def _write(path: Path, results: Results) -> None:
    experiment = results.experiment
    book = Book(path, _created(results), {"title": experiment.title, "subject": experiment.question, "author": "flowreform"})
    cover = book.page("Cover", "#003087")
    write_kpis(book, results)
    places = write_yearly(book, results, "Yearly", results.lines)
    if len(results.labels) > 1 and any(line.differences is not None for line in results.lines):
        write_yearly(book, results, "Differences", results.lines, without=results.baseline)
    write_charts(book, results, places)
    if results.indices is not None:
        write_indices(book, results, results.indices)
    write_scenarios(book, results)
    write_assumptions(book, results)
    write_provenance(book, results)
    write_cover(book, cover, results)
    book.close()


def _created(results: Results) -> datetime.datetime:
    """The date in the file's properties: of SOURCE_DATE_EPOCH, else the first day of the model; never the clock."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    calendar = results.experiment.case.calendar if results.experiment.case else None
    day = calendar.origin if calendar else datetime.date(2000, 1, 1)
    if text.isdigit():
        day = datetime.datetime.fromtimestamp(int(text), tz=datetime.UTC).date()
    return datetime.datetime(max(1900, day.year), day.month, day.day)
