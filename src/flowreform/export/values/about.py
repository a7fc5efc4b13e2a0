"""The sheets in words: what this is, what the scenarios set, what was assumed, and where the numbers come from."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from flowreform.case.uncertainty import Sourced
from flowreform.experiment import Experiment
from flowreform.export.summary import PROVENANCE, distribution, setting_text
from flowreform.export.tidy import moving
from flowreform.export.values.sheets import (
    NOT_ADDITIVE,
    Results,
    lines,
    periods,
    stored_lines,
    write_charts,
    write_indices,
    write_kpis,
    write_yearly,
)
from flowreform.export.workbook.book import (
    BLUE,
    CELL,
    GREY,
    HEADER,
    HEADING,
    LINKED,
    SUBTITLE,
    TEXT,
    TITLE,
    WRAPPED,
    Book,
    Link,
    Page,
    source_date,
    style,
)
from flowreform.export.workbook.inputs_sheets import RAG
from flowreform.files import write_file
from flowreform.kpi import kpis
from flowreform.names import Named, base_values, element_names, split
from flowreform.text import short, shown_unit

if TYPE_CHECKING:
    from xarray import Dataset

T = TypeVar("T")

CONTENTS = {
    "KPIs": "each KPI of each scenario, and its difference to the baseline",
    "Yearly": "results by reporting year: 10th, 50th and 90th percentile of each scenario",
    "Differences": "each scenario against the baseline by reporting year, draw by draw",
    "Charts": "medians by year",
    "Sensitivity": "which uncertain inputs matter to each KPI",
    "Scenarios": "what each scenario sets",
    "Assumptions": "every input with its value, how it varies, how well it is known, and its source",
    "Provenance": "the files, versions and command behind the numbers",
}


def write_cover(book: Book, page: Page, results: Results) -> None:
    """Title, question, how to read it, contents."""
    experiment = results.experiment
    page.widths(26, 96, 4)
    page.put_row(0, 0, ("", "", ""), style(bg_color=BLUE))
    page.put(1, 0, experiment.title, TITLE, style(font_size=22))
    page.height(1, 34)
    page.put(2, 0, experiment.question, SUBTITLE, style(font_size=12))
    page.put(4, 0, "How to read it", HEADING)
    varied = (
        f"{results.draws:,} draws of {len(experiment.uncertainties)} uncertain inputs" if results.draws > 1 else "one run each"
    )
    notes = [
        "Values only: nothing in this file recalculates. The live workbook of the same experiment has the formulas.",
        f"{len(results.labels)} scenario{'s' if len(results.labels) > 1 else ''}, {varied}."
        + (" Scenarios share their draws, so a difference between them is never luck." if results.draws > 1 else ""),
        NOT_ADDITIVE,
        "Stocks are shown at the end of a year, running totals by what they grew in it, all else by its mean over the year.",
        "An empty cell has no number: it never happened, nothing was needed, or the runs failed (the KPIs sheet counts them).",
    ]
    missing = int(results.ds.attrs.get("missing_runs", 0))
    if missing:
        notes.append(f"The sweep is not finished: {missing:,} of {results.ds.attrs['runs']:,} runs are missing.")
    if results.kept < results.draws:
        notes.append(f"Results by year are of the first {results.kept:,} draws, whose course was kept; KPIs are of all draws.")
    failed = int(results.ds["failed"].values.sum()) if "failed" in results.ds else 0
    if failed:
        notes.append(f"{failed:,} of {results.ds['failed'].size:,} runs failed and are left out.")
    row = 5
    for at, text in enumerate(notes):
        page.put(row, 0, f"{at + 1}.", style(align="right", valign="top", font_color=GREY))
        page.put(row, 1, text, TEXT)
        row += 1
    page.put(row + 1, 0, "Contents", HEADING)
    row += 2
    for name, text in CONTENTS.items():
        if name in book.pages:
            page.put(row, 0, Link(name, name), LINKED)
            page.put(row, 1, text, TEXT)
            row += 1
    page.finish(landscape=False)


def write_scenarios(book: Book, results: Results) -> None:
    """A column for each scenario, a row for each parameter that one of them sets."""
    page = book.page("Scenarios", "#FFB81C")
    page.put(0, 0, "Scenarios", TITLE)
    page.put(1, 0, "What each scenario sets; empty where it leaves the input as it is or as it is drawn.", SUBTITLE)
    chosen = [results.experiment.scenarios[name] for name in results.names]
    names = list(dict.fromkeys(name for scenario in chosen for name in scenario.settings))
    page.widths(40, 34, *([26] * len(chosen)))
    page.put_row(3, 0, ("Input", "Name in the model", *(scenario.label for scenario in chosen)), HEADER)
    page.height(3, 60)
    for row, name in enumerate(names, 4):
        page.put_row(row, 0, (_label(results.experiment, name), name), WRAPPED)
        for at, scenario in enumerate(chosen):
            value = scenario.settings.get(name)
            text = "" if value is None else setting_text(name, value, results.experiment)
            page.put(row, 2 + at, text, WRAPPED)
    page.finish(freeze=(4, 1), repeat=(3, 3))


def write_assumptions(book: Book, results: Results) -> None:
    """Every input of the model, the ones that vary first."""
    experiment = results.experiment
    page = book.page("Assumptions", "#768692")
    page.put(0, 0, "Assumptions", TITLE)
    about = experiment.case.about if experiment.case else None
    page.put(1, 0, " ".join((about.boundary if about else "").split()), SUBTITLE)
    page.widths(40, 34, 14, 18, 40, 12, 70, 40)
    heads = ("Input", "Name in the model", "Value", "Unit", "How it varies", "Known", "Source", "Note")
    page.put_row(3, 0, heads, HEADER)
    row = 4
    for name, value in _inputs(experiment):
        origin = _origin(experiment, name)
        varies = _pick(experiment.uncertainties, name)
        unit = shown_unit(experiment.model[split(name)[0]].units or "")
        texts = (distribution(varies) if varies else "", origin.status if origin else "", origin.source if origin else "")
        page.put_row(row, 0, (_label(experiment, name), name), WRAPPED)
        page.put(row, 2, value, CELL, style(num_format="General"))
        page.put_row(row, 3, (unit, *texts, origin.note if origin else ""), WRAPPED)
        if texts[1] in RAG:
            page.put(row, 5, texts[1], WRAPPED, style(bg_color=RAG[texts[1]]))
        row += 1
    if row > 4:
        page.sheet.autofilter(3, 0, row - 1, len(heads) - 1)
    page.finish(freeze=(4, 2), repeat=(3, 3))


def write_provenance(book: Book, results: Results) -> None:
    """Which files and versions made the numbers, and by which command."""
    page = book.page("Provenance", "#768692")
    page.widths(34, 100)
    page.put(0, 0, "Provenance", TITLE)
    page.put(1, 0, "The same files, options and versions give the same numbers.", SUBTITLE)
    page.put_row(3, 0, ("What", "Value"), HEADER)
    row = 4
    for key, label in PROVENANCE.items():
        value = results.ds.attrs.get(key)
        if value is not None and value != "":
            shown = value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
            page.put(row, 0, label, CELL)
            page.put(row, 1, shown, WRAPPED, style(align="left"))
            row += 1
    page.finish(landscape=False)


def _inputs(experiment: Experiment) -> Iterator[tuple[str, float | None]]:
    """Every element of every parameter with its base value: what varies, then levers, then the rest."""
    model, case = experiment.model, experiment.case
    levers = set(case.levers) if case else set()

    def order(name: str) -> int:
        base = split(name)[0]
        varies = _pick(experiment.uncertainties, name) is not None
        return 0 if varies else 1 if {name, base} & levers else 2

    found = [name for base in model.parameters for name in element_names(model, model[base])]
    for name in sorted(found, key=order):
        base, elements = split(name)
        values = base_values(model, Named(name, model[base], elements))
        yield name, values[0] if values else None


def _label(experiment: Experiment, name: str) -> str:
    base, elements = split(name)
    case = experiment.case
    for table in (experiment.uncertainties, *((case.uncertainties, case.levers) if case else ())):
        item = table.get(name) or table.get(base)
        if item is not None and item.label:
            return f"{item.label} [{', '.join(elements)}]" if elements and name not in table else item.label
    label = experiment.model[base].label.replace("_", " ")
    return f"{label} [{', '.join(elements)}]" if elements else label


def _origin(experiment: Experiment, name: str) -> Sourced | None:
    case = experiment.case
    tables: list[Mapping[str, Sourced]] = [experiment.uncertainties]
    tables += [case.levers, case.uncertainties, case.parameters] if case else []
    return next((item for table in tables if (item := _pick(table, name)) is not None), None)


def _pick(table: Mapping[str, T], name: str) -> T | None:
    """The entry of an element, or that of its whole array."""
    return table.get(name) or table.get(split(name)[0])


# --- `write_values` --------------------------------------------------------------------------------------------------


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
    about = {"title": experiment.title, "subject": experiment.question, "author": "flowreform"}
    with Book(path, _created(results), about) as book:
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


def _created(results: Results) -> datetime.datetime:
    """The date in the file's properties: of SOURCE_DATE_EPOCH, else the first day of the model; never the clock."""
    calendar = results.experiment.case.calendar if results.experiment.case else None
    day = source_date() or (calendar.origin if calendar else datetime.date(2000, 1, 1))
    return datetime.datetime(max(1900, day.year), day.month, day.day)
