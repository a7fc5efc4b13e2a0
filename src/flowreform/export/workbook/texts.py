"""Cover, Assumptions and Provenance: what a reader must know."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from flowreform.export.workbook.book import (
    BLUE,
    CELL,
    GREY,
    HEADER,
    HEADING,
    LINKED,
    SMALL,
    SUBTITLE,
    TEXT,
    TITLE,
    WRAPPED,
    YELLOW,
    Book,
    Link,
    Page,
    plain_text,
    style,
)
from flowreform.export.workbook.inputs_sheets import RAG
from flowreform.export.workbook.source import WARN, WorkbookSource
from flowreform.results import provenance

CONTENTS = {
    "Control": "choose the scenario; checks and key numbers at a glance",
    "Inputs": "every number of the model that may be changed, with unit, range and source",
    "Scenarios": "what each scenario sets",
    "Lookups": "points of the graphical functions",
    "Engine": "the model itself, step by step",
    "Yearly": "results by reporting year",
    "Triangulation": "each stock against its flows, year by year",
    "Bridge": "how the difference in cost to the scenario compared with is made up",
    "Charts": "charts that follow the inputs",
    "Sensitivity": "how far results spread when all that is uncertain varies (values)",
    "Checks": "whether the workbook can be trusted",
    "Assumptions": "what is inside the model and what is not, and how well its numbers are known",
    "Provenance": "files, versions and the command that made this workbook",
    "Series": "values at the saved times, for charts and key numbers",
    "Baseline": "what flowreform's engine gave, frozen",
}
HOW = (
    "Choose a scenario on Control. Change yellow cells on Inputs, or a scenario's settings on Scenarios.",
    "Everything else is formulas: no macros, no links to other files. Sheets are protected without a password.",
    "Checks must be green. Once an input is changed, the checks against the frozen engine say so and are switched off.",
    "In LibreOffice, recalculate once after changing many cells if automatic calculation is off (Ctrl+Shift+F9).",
    "flowreform run THIS_FILE.xlsx reads the inputs and the scenario back and runs the model with them.",
)


def open_cover(book: Book) -> Page:
    """The sheet in its place; it is filled when the number of formulas is known."""
    return book.page("Cover", "#003087")


def write_cover(book: Book, page: Page, source: WorkbookSource, made: datetime.date | None) -> None:
    """Title, question, how to use it, contents, and which files it was made from."""
    experiment = source.experiment
    page.widths(26, 92, 4)
    page.put_row(0, 0, ("", "", ""), style(bg_color=BLUE))
    page.put(1, 0, experiment.title, TITLE, style(font_size=22))
    page.height(1, 34)
    page.put(2, 0, experiment.question, SUBTITLE, style(font_size=12))
    page.put(4, 0, "How to use it", HEADING)
    row = 5
    for i, text in enumerate(HOW):
        page.put(row, 0, f"{i + 1}.", style(align="right", valign="top", font_color=GREY))
        page.put(row, 1, text, TEXT)
        row += 1
    page.put(row, 0, "input", style(bg_color=YELLOW, border=1, border_color="#BF9000", align="center"))
    page.put(row, 1, "a cell to change; all others are locked", TEXT)
    row += 2
    page.put(row, 0, "Contents", HEADING)
    row += 1
    for name, text in ((name, text) for name, text in CONTENTS.items() if name in book.pages):
        page.put(row, 0, Link(name, name), LINKED)
        page.put(row, 1, text, TEXT)
        row += 1
    row += 1
    page.put(row, 0, "This file", HEADING)
    row += 1
    steps = (
        f"{source.program.start:g} to {source.program.stop:g} {source.model.specs.time_unit}, step {source.program.dt:g}, Euler"
    )
    facts = [
        ("Model", source.model.name),
        ("Model file (SHA-256)", source.model.sha256 or "-"),
        ("Experiment", experiment.name),
        ("Experiment file (SHA-256)", experiment.sha256 or "-"),
        ("Horizon and step", steps),
        ("Frozen", "horizon, step, dimensions and orders of delays: another export is needed to change them"),
        ("Version", str(provenance(experiment, engine="").get("versions", "")).split(",")[0]),
        ("Command", source.command or "-"),
    ]
    if made is not None:
        facts.append(("Date", made.isoformat()))
    if source.columns.count * len(source.rows) > WARN:
        facts.append(
            ("Size", f"{source.columns.count * len(source.rows):,} formulas in Engine: it may take some seconds to recalculate")
        )
    for name, text in facts:
        page.put(row, 0, name, CELL, style(font_color=GREY))
        page.put(row, 1, text, WRAPPED)
        row += 1
    page.finish(landscape=False)


def write_assumptions(book: Book, source: WorkbookSource) -> None:
    """The boundary, what is fed in, and how well numbers are known."""
    page = book.page("Assumptions", "#768692")
    page.widths(34, 60, 14, 70)
    page.put(0, 0, "Assumptions", TITLE)
    page.put(1, 0, "What the model holds and what it leaves out. Sources of single numbers stand on the Inputs sheet.", SUBTITLE)
    row = 3
    case = source.experiment.case
    facts: list[tuple[str, str]] = [
        ("Structure", "Frozen in this file: horizon, step, dimensions, orders of delays, points of lookups.")
    ]
    facts.append(("Method", f"Euler, step {source.program.dt:g} {source.model.specs.time_unit}"))
    if source.model.doc:
        facts.append(("Model", source.model.doc))
    if case is not None:
        about = case.about
        facts += [
            ("Question", about.question),
            ("Boundary", about.boundary),
            ("Space", about.regions),
            ("Money", f"{about.currency} at the prices of {about.price_base}" if about.currency else ""),
            ("Discounting", f"to {about.discount_base.isoformat()}" if about.discount_base else ""),
        ]
        if case.calendar is not None:
            origin_date, month = case.calendar.origin.isoformat(), case.calendar.year_starts
            facts.append(("Calendar", f"time {case.calendar.start:g} is {origin_date}; a year begins in month {month}"))
    for name, text in facts:
        if text:
            page.put(row, 0, name, CELL, style(bold=True))
            page.put(row, 1, " ".join(text.split()), WRAPPED)
            page.fit(row, (" ".join(text.split()), 60))
            row += 1
    row += 1
    if case is not None and case.exogenous:
        row = _table(page, row, "Fed in from outside", ("Variable", "What it is", "Known", "Source"),
                     [(name, item.quantity, item.status, item.source) for name, item in case.exogenous.items()])  # fmt: skip
    row = _known(page, source, row)
    page.finish(freeze=(2, 0), landscape=True)


def _table(page: Page, row: int, title: str, heads: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> int:
    page.put(row, 0, title, HEADING)
    page.put_row(row + 1, 0, heads, HEADER)
    row += 2
    for line in lines:
        for i, text in enumerate(line):
            page.put(row, i, plain_text(text), WRAPPED, style(bg_color=RAG[text]) if i == 2 and text in RAG else {})
        page.fit(row, *zip(line, (34, 60, 14, 70), strict=False))
        row += 1
    return row + 1


def _known(page: Page, source: WorkbookSource, row: int) -> int:
    """How many inputs are known how well."""
    from flowreform.export.workbook.inputs_sheets import origin

    meanings = {
        "verified": "read in a document",
        "derived": "worked out from documents",
        "fitted": "fitted to data",
        "recalled": "remembered, not looked up",
        "assumption": "assumed",
    }
    counts = dict.fromkeys(meanings, 0)
    for cell in source.inputs:
        found = origin(source, cell)
        if found is not None:
            counts[found.status] += 1
    lines = [(f"{count} inputs", meanings[status], status, "") for status, count in counts.items() if count]
    return _table(page, row, "How well numbers are known", ("How many", "What that means", "Known", ""), lines) if lines else row


def write_provenance(book: Book, source: WorkbookSource) -> None:
    """With what this workbook was made."""
    page = book.page("Provenance", "#768692")
    page.widths(34, 100)
    page.put(0, 0, "Provenance", TITLE)
    page.put(1, 0, "The same files, options and versions give the same workbook, byte for byte.", SUBTITLE)
    page.put_row(3, 0, ("What", "Value"), HEADER)
    facts = dict(provenance(source.experiment, engine="python or numba, which agree to the last bit", command=source.command))
    facts["dt"] = source.program.dt
    if source.own_dt is not None:
        facts["dt of the model"] = source.own_dt
    facts["columns of Engine"] = source.columns.count
    facts["variables worked out inside others"] = len(source.columns.folded)
    facts["steps"] = source.program.steps
    facts["xlsxwriter"] = _version("xlsxwriter")
    for i, (name, value) in enumerate(facts.items()):
        page.put(4 + i, 0, name.replace("_", " "), CELL)
        page.put(4 + i, 1, value if isinstance(value, float | int) else str(value), WRAPPED, style(align="left"))
    page.put(6 + len(facts), 0, "Written by flowreform", SMALL)
    page.finish(landscape=False)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
