"""Inputs, Scenarios and Lookups: everything that may be changed, and the tables that may not."""

from __future__ import annotations

import math

import numpy as np

from flowreform.case.uncertainty import Sourced
from flowreform.engine.expressions import slopes
from flowreform.experiment import Points
from flowreform.export.workbook.book import (
    ACTIVE,
    AMBER,
    CELL,
    EXPORTED,
    GREEN,
    HEADER,
    HEADING,
    INPUT,
    INPUT_FIRST,
    LOOKUP_FIRST,
    NAME,
    NOTE,
    RED,
    SCENARIO_FIRST,
    SCENARIO_LABEL_ROW,
    SCENARIO_NAME_ROW,
    SELECTED,
    SMALL,
    SUBTITLE,
    TITLE,
    VALUE,
    WRAPPED,
    YELLOW,
    Book,
    Live,
    Page,
    SheetLayout,
    TableAt,
    letters,
    number_format,
    plain_text,
    reference,
    style,
)
from flowreform.export.workbook.engine_sheet import describe
from flowreform.export.workbook.printer import FormulaPrinter, Moment
from flowreform.export.workbook.source import InputCell, WorkbookSource, moving
from flowreform.names import split
from flowreform.program import Code
from flowreform.text import spoken

RAG = {"verified": GREEN, "fitted": AMBER, "derived": AMBER, "recalled": AMBER, "assumption": RED}
"""The colour of how well a number is known."""
_GENERAL = style(num_format="General")


def write_inputs(book: Book, source: WorkbookSource, layout: SheetLayout) -> None:
    """Name, label, value (to change), active value, unit, range, how well it is known, source, note, value as exported."""
    page = book.page("Inputs", "#FFB81C")
    page.widths(30, 40, 13, 13, 16, 11, 11, 12, 60, 40, 13, 10, 10)
    page.put(0, 0, "Inputs", TITLE)
    page.put(1, 0, "Change yellow cells. Active is what the chosen scenario sets, else the value here.", SUBTITLE)
    page.put(2, 0, "Low and high are a plausible range; a value outside the model's own range is not taken.", SUBTITLE)
    page.put(3, 0, "Frozen in this file: horizon, step, dimensions, orders of delays and the points of lookups.", SUBTITLE)
    heads = (
        "Name",
        "Label",
        "Value",
        "Active value",
        "Unit",
        "Low",
        "High",
        "Known",
        "Source",
        "Note",
        "As exported",
        "Model low",
        "Model high",
    )
    page.put_row(INPUT_FIRST - 1, 0, heads, HEADER)
    page.height(INPUT_FIRST - 1, 30)
    last = SCENARIO_FIRST + len(source.scenarios) - 1
    for i, cell in enumerate(layout.order):
        row = INPUT_FIRST + i
        _input_row(page, source, cell, row, last)
    end = INPUT_FIRST + len(layout.order)
    page.put(end + 1, 0, "Worked out from the inputs", HEADING)
    page.put(end + 2, 0, "Formulas, once for the whole run. Nothing to change.", SUBTITLE)
    page.put_row(end + 3, 0, ("Name", "Label", "", "Value", "Unit"), HEADER)
    for slot, row in layout.once:
        _once_row(page, source, layout, slot, row, source.flat.once[slot])
    for slot, row in layout.begins:
        _once_row(page, source, layout, slot, row, source.flat.different[slot], "while the run starts: ")
    page.sheet.autofilter(INPUT_FIRST - 1, 0, end - 1, EXPORTED)
    bottom = max((row for _, row in (*layout.once, *layout.begins)), default=end)
    page.finish(freeze=(INPUT_FIRST, 2), repeat=(INPUT_FIRST - 1, INPUT_FIRST - 1), area=(0, 0, bottom, NOTE))


def _input_row(page: Page, source: WorkbookSource, cell: InputCell, row: int, last: int) -> None:
    low, high = plausible(source, cell)
    sourced = origin(source, cell)
    known = sourced.status if sourced else ""
    look = style(num_format=input_format(cell.value))
    active = cell.settings.get(source.chosen)
    value = float(active) if isinstance(active, int | float) else cell.value
    chosen = (
        f"INDEX(Scenarios!${letters(SCENARIO_FIRST)}{row + 1}:${letters(last)}{row + 1},{reference(*SELECTED, sheet='Control')})"
    )
    own = reference(row, VALUE)
    page.put(row, 0, cell.name, WRAPPED, style(font_size=9))
    page.put(row, 1, label_of(source, cell), WRAPPED)
    page.put(row, 2, cell.value, INPUT, look)
    page.put(row, 3, Live(f"=IF(ISNUMBER({chosen}),{chosen},{own})", value), CELL, look)
    page.put(row, 4, cell.variable.units or "", CELL)
    page.put(row, 5, low, CELL, look)
    page.put(row, 6, high, CELL, look)
    page.put(row, 7, known, CELL, style(bg_color=RAG[known]) if known in RAG else {})
    page.put(row, 8, sourced.source if sourced else "", WRAPPED, style(font_size=9))
    note = sourced.note if sourced else ""
    if cell.drive is not None:
        note = f"{note} Varies over time in a scenario: the Lookups sheet has its points.".strip()
    page.put(row, NOTE, note, WRAPPED, style(font_size=9))
    page.fit(row, (sourced.source if sourced else "", 76), (note, 50), (label_of(source, cell), 42), (cell.name, 36))
    page.put(row, EXPORTED, cell.value, CELL, look, style(font_color="#768692"))
    for column, bound, sign in ((EXPORTED + 1, cell.variable.range[0], -1), (EXPORTED + 2, cell.variable.range[1], 1)):
        page.put(
            row,
            column,
            sign * 1e300 if bound is None else bound,
            CELL,
            style(num_format="General", font_color="#768692"),
        )
    validate(page, cell, row, VALUE)


def validate(page: Page, cell: InputCell, row: int, column: int, last_column: int | None = None) -> None:
    """Only numbers within the model's own range, with unit and range as the prompt."""
    low, high = cell.variable.range
    unit = plain_text(cell.variable.units or "no unit", 60)
    words = f"from {low:g} to {high:g}" if low is not None and high is not None else (
        f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else "any number")  # fmt: skip
    rule: dict[str, object] = {
        "validate": "decimal",
        "ignore_blank": True,
        "input_title": plain_text(cell.name, 32),
        "input_message": plain_text(f"{unit}; {words}", 250),
        "error_title": "Not taken",
        "error_message": plain_text(f"A number is needed, {words}.", 250),
    }
    if low is not None and high is not None:
        rule |= {"criteria": "between", "minimum": low, "maximum": high}
    elif low is not None:
        rule |= {"criteria": ">=", "value": low}
    elif high is not None:
        rule |= {"criteria": "<=", "value": high}
    else:
        rule |= {"criteria": "between", "minimum": -1e300, "maximum": 1e300}
    page.sheet.data_validation(row, column, row, column if last_column is None else last_column, rule)


def _once_row(page: Page, source: WorkbookSource, layout: SheetLayout, slot: int, row: int, code: Code, before: str = "") -> None:
    printer = FormulaPrinter(source.flat, source.columns, layout.addresses, Moment.START, outside=True)
    name, label, unit = describe(source, slot)
    value = evaluated(source, slot, before)
    page.put(row, NAME, name, WRAPPED, style(font_size=9))
    page.put(row, 1, before + label, WRAPPED)
    page.put(row, 2, "", CELL)
    page.put(row, ACTIVE, Live(printer.formula(code), value), CELL, style(num_format=input_format(value)))
    page.put(row, 4, unit, CELL)


def evaluated(source: WorkbookSource, slot: int, before: str) -> float:
    """The engine's value of what is worked out once; of one that differs while the run starts, that value."""
    if not before:
        return float(source.values[slot, 0, source.chosen])
    from flowreform.export.workbook.engine_sheet import starting_value

    return starting_value(source, slot)


def input_format(value: float) -> str:
    """Enough digits for an input, whatever its size."""
    if value == 0 or not math.isfinite(value):
        return "General"
    if abs(value) >= 1000 and value == int(value):
        return "#,##0"
    return "General"


def label_of(source: WorkbookSource, cell: InputCell) -> str:
    """The name shown for an input: of the case file, else the model's own."""
    case = source.experiment.case
    inside = cell.name[len(cell.variable.name) :]
    for tables in (case.levers, case.uncertainties, source.experiment.uncertainties, case.parameters) if case else ():
        item = tables.get(cell.name) or tables.get(cell.variable.name)
        if item is not None and item.label:
            return item.label + inside
    return spoken(cell.variable.label) + inside


def origin(source: WorkbookSource, cell: InputCell) -> Sourced | None:
    """Where the number of an input comes from."""
    case = source.experiment.case
    if case is None:
        return None
    for tables in (source.experiment.uncertainties, case.levers, case.uncertainties, case.parameters):
        for name in (cell.name, cell.variable.name):
            if name in tables:
                return tables[name]
    return None


def plausible(source: WorkbookSource, cell: InputCell) -> tuple[float | None, float | None]:
    """The range that is drawn from, else the model's own."""
    case = source.experiment.case
    for tables in (source.experiment.uncertainties, case.uncertainties if case else {}):
        for name in (cell.name, cell.variable.name):
            if name in tables:
                return tables[name].support
    return cell.variable.range


# --- scenarios -------------------------------------------------------------------------------------------------------


def write_scenarios(book: Book, source: WorkbookSource, layout: SheetLayout) -> None:
    """One column for each scenario; an empty cell leaves the input as it stands. A copy as exported stands to the right."""
    page = book.page("Scenarios", "#FFB81C")
    count = len(source.scenarios)
    page.widths(30, 40, 16, *([17] * count), 4, *([12] * count))
    page.put(0, 0, "Scenarios", TITLE)
    page.put(
        1, 0, "A number here replaces the value of the Inputs sheet in that scenario; an empty cell leaves it alone.", SUBTITLE
    )
    page.put(2, 0, "The copy to the right is as exported, for the checks.", SUBTITLE)
    copy = SCENARIO_FIRST + count + 1
    page.put_row(SCENARIO_NAME_ROW, 0, ("", "", "Scenario"), SMALL)
    page.put_row(SCENARIO_LABEL_ROW, 0, ("Name", "Label", "Unit"), HEADER)
    page.height(SCENARIO_LABEL_ROW, 60)
    for i, (name, label) in enumerate(zip(source.scenarios, source.labels, strict=True)):
        page.put(SCENARIO_NAME_ROW, SCENARIO_FIRST + i, name, SMALL)
        page.put(SCENARIO_LABEL_ROW, SCENARIO_FIRST + i, label, HEADER)
        page.put(SCENARIO_NAME_ROW, copy + i, name, SMALL)
        page.put(SCENARIO_LABEL_ROW, copy + i, "as exported", HEADER)
    page.put_row(SCENARIO_LABEL_ROW + 1, 0, (None, None, None), style(bottom=1))
    for i, cell in enumerate(layout.order):
        row = INPUT_FIRST + i
        look = style(num_format=input_format(cell.value))
        page.put(row, 0, cell.name, WRAPPED, style(font_size=9))
        page.put(row, 1, label_of(source, cell), WRAPPED)
        page.put(row, 2, cell.variable.units or "", CELL)
        for number in range(count):
            setting = cell.settings.get(number)
            content = "over time" if isinstance(setting, Points) else float(setting) if setting is not None else None
            locked = style(locked=True, bg_color="#FFFFFF") if isinstance(setting, Points) else {}
            page.put(row, SCENARIO_FIRST + number, content, INPUT, look, locked)
            page.put(row, copy + number, content, CELL, look, style(font_color="#768692"))
        validate(page, cell, row, SCENARIO_FIRST, SCENARIO_FIRST + count - 1)
    page.finish(freeze=(INPUT_FIRST, SCENARIO_FIRST), repeat=(SCENARIO_NAME_ROW, SCENARIO_LABEL_ROW),
                area=(0, 0, INPUT_FIRST + len(layout.order) - 1, SCENARIO_FIRST + count - 1))  # fmt: skip


# --- lookups ---------------------------------------------------------------------------------------------------------


def write_lookups(book: Book, source: WorkbookSource, layout: SheetLayout) -> None:
    """The points of graphical functions and of levers over time, side by side, with the slope to the next point."""
    page = book.page("Lookups", "#768692")
    page.put(0, 0, "Lookups", TITLE)
    page.put(
        1, 0, "Points of graphical functions, straight lines between them. They belong to the model and are locked.", SUBTITLE
    )
    for table in (*layout.tables.values(), *layout.lever_tables.values()):
        _table(page, source, table)
    if not layout.tables and not layout.lever_tables:
        page.put(3, 0, "This model has none.")
    page.finish(freeze=(LOOKUP_FIRST, 0))


def _table(page: Page, source: WorkbookSource, table: TableAt) -> None:
    label = source.model.variables[split(table.name)[0]].label if split(table.name)[0] in source.model.variables else table.name
    page.put(LOOKUP_FIRST - 2, table.column, plain_text(label, 120), HEADING)
    page.put_row(LOOKUP_FIRST - 1, table.column, ("x", "y", "slope"), HEADER)
    steep = slopes(table.x, table.y)
    for i, (x, y) in enumerate(zip(table.x, table.y, strict=True)):
        row = LOOKUP_FIRST + i
        page.put(row, table.column, x, CELL, _GENERAL)
        page.put(row, table.column + 1, y, CELL, _GENERAL)
        if i + 1 < len(table.x):
            ax, ay = letters(table.column), letters(table.column + 1)
            here, there = row + 1, row + 2
            formula = f"=({ay}{there}-{ay}{here})/({ax}{there}-{ax}{here})"
            page.put(row, table.column + 2, Live(formula, steep[i]), CELL, style(num_format="0.0000"))
        else:
            page.put(row, table.column + 2, 0, CELL, _GENERAL)


__all__ = ["RAG", "YELLOW", "moving", "np", "number_format", "write_inputs", "write_lookups", "write_scenarios"]
