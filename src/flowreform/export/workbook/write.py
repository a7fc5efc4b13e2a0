"""`to_xlsx`: the sheets in order, whole or not at all."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowreform.errors import ExperimentError, Finding, error, warning
from flowreform.experiment import Subject, as_experiment
from flowreform.export.workbook.book import ENGINE_FIRST, MOST_ROWS, Book, Progress, SheetLayout, lay_out, source_date
from flowreform.export.workbook.bridge_sheet import write_bridge
from flowreform.export.workbook.charts_sheet import write_charts
from flowreform.export.workbook.checks_sheet import write_checks
from flowreform.export.workbook.control_sheet import open_control, write_control
from flowreform.export.workbook.engine_sheet import Column, columns_of, write_engine
from flowreform.export.workbook.inputs_sheets import write_inputs, write_lookups, write_scenarios
from flowreform.export.workbook.sensitivity_sheet import draws_of, write_sensitivity
from flowreform.export.workbook.series_sheet import Series, write_baseline, write_series
from flowreform.export.workbook.source import ROOM, WARN, WorkbookSource, read_source
from flowreform.export.workbook.texts import open_cover, write_assumptions, write_cover, write_provenance
from flowreform.export.workbook.yearly_sheets import write_triangulation, write_yearly
from flowreform.files import write_file
from flowreform.model import deep

if TYPE_CHECKING:
    from xarray import Dataset


COARSE = 0.01
"""The share of a series' largest value that a coarser step may move it by without a warning."""


@dataclass(frozen=True)
class WrittenWorkbook:
    """What a workbook came to: its formulas, the columns and rows of Engine, and warnings."""

    path: Path
    formulas: int
    columns: int
    rows: int
    findings: tuple[Finding, ...]


def to_xlsx(
    source: Subject,
    path: str | Path,
    *,
    scenario: str | None = None,
    dt: float | None = None,
    draws: bool = True,
    room: int = ROOM,
    progress: Progress | None = None,
    command: str = "",
) -> WrittenWorkbook:
    """Write a model with its scenarios as a live workbook: every result a formula, every formula with its value.

    `source` is an experiment, a model (one scenario, one draw), or the name or path of one. `scenario` is the one it opens with
    (default: the baseline); `dt` a coarser step, in the model's time unit, for a smaller workbook. Without `draws` the draws of
    the experiment are not run, and the Sensitivity sheet says so. A model with more than `room` formulas in Engine has variables
    that are not shown worked out inside the formulas that read them, until it fits. `progress` is called with (done, total). The
    file is written under a temporary name and renamed; the same files, options and versions give the same bytes.

    Raises ModelError for what has no form in a spreadsheet, and for more than 2,000,000 formulas, and ExperimentError for a
    scenario or dt that will not do, before anything is written::

        fr.to_xlsx("va_transformation", "va.xlsx", draws=False)
    """
    experiment = as_experiment(source)
    told = progress or (lambda done, total: None)
    read = read_source(experiment, scenario, dt, command, room)
    if len(read.rows) > MOST_ROWS - ENGINE_FIRST:
        reason = f"{len(read.rows):,} steps are more rows than a sheet has ({MOST_ROWS:,})"
        repair = "a larger --dt makes fewer; .csv, .parquet and .nc hold any number"
        raise ExperimentError(error("too-large", reason, repair, file=str(path)))
    layout = lay_out(read)
    columns = columns_of(read, layout)
    drawn = draws_of(read, progress) if draws else None
    formulas = [0]
    write_file(Path(path), lambda place: formulas.append(_write(place, read, layout, columns, drawn, told)))
    count = formulas[-1]
    findings = _of_the_step(read, path)
    if count > WARN:
        reason = f"the workbook has {count:,} formulas, and spreadsheets grow slow above {WARN:,}"
        findings.append(warning("many-formulas", reason, "a larger --dt makes it smaller", file=str(path)))
    return WrittenWorkbook(Path(path), count, read.columns.count, len(read.rows), tuple(findings))


def _of_the_step(source: WorkbookSource, path: str | Path) -> list[Finding]:
    """A warning where a coarser step moves a series by more than a hundredth of its largest value."""
    if source.own_values is None:
        return []
    here = source.values[[item.slot for item in source.shown]][:, list(source.saved)]
    size = np.abs(source.own_values).max(axis=(1, 2))
    moved = np.abs(here - source.own_values).max(axis=(1, 2)) / np.where(size > 0, size, 1.0)
    at = int(moved.argmax())
    if moved[at] <= COARSE:
        return []
    reason = (
        f"a step of {source.program.dt:g} moves {source.shown[at].name} by up to {moved[at]:.2g} of its largest value, "
        f"against the model's own step of {source.own_dt:g}"
    )
    return [warning("coarse-step", reason, "take a smaller --dt; Checks shows every series", file=str(path))]


def _write(
    place: Path, source: WorkbookSource, layout: SheetLayout, columns: list[Column], draws: Dataset | None, progress: Progress
) -> int:
    made = source_date()
    calendar = source.experiment.case.calendar if source.experiment.case else None
    day = made or (calendar.origin if calendar else datetime.date(2000, 1, 1))
    created = datetime.datetime(max(1900, day.year), day.month, day.day)
    about = {"title": source.experiment.title, "subject": source.experiment.question, "author": "flowreform"}
    with Book(place, created, about) as book:
        write_sheets(book, source, layout, columns, draws, progress, made)
    return book.formulas


@deep()
def write_sheets(
    book: Book,
    source: WorkbookSource,
    layout: SheetLayout,
    columns: list[Column],
    draws: Dataset | None,
    progress: Progress,
    made: datetime.date | None,
) -> None:
    """Every sheet in order; `made` is the date on the cover, where there is one."""
    series = Series(source, layout)
    cover = open_cover(book)
    control = open_control(book)
    write_inputs(book, source, layout)
    write_scenarios(book, source, layout)
    write_lookups(book, source, layout)
    write_engine(book, source, layout, columns, progress)
    write_yearly(book, source, layout)
    accounts = write_triangulation(book, source, layout)
    write_bridge(book, source, layout)
    write_charts(book, series, layout)
    write_sensitivity(book, source, draws)
    write_checks(book, source, layout, columns, series, accounts)
    write_assumptions(book, source)
    write_provenance(book, source)
    write_control(book, control, series)
    write_series(book, series)
    write_baseline(book, source)
    write_cover(book, cover, source, made)
