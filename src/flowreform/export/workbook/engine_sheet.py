"""The Engine sheet: one row for each step, one column for each variable, nothing to change."""

from __future__ import annotations

import dataclasses

import numpy as np

from flowreform import engine as engines
from flowreform.calendar import Calendar
from flowreform.errors import ModelError, error
from flowreform.export.workbook.book import (
    CELL,
    DARK,
    ENGINE_COLUMNS,
    ENGINE_FIRST,
    GREY,
    HEADER,
    RED,
    SUBTITLE,
    TITLE,
    Book,
    LeverAt,
    Page,
    Progress,
    SheetLayout,
    letters,
    number_format,
    plain_text,
    points_at,
    serial,
    style,
)
from flowreform.export.workbook.printer import (
    ABOVE,
    HERE,
    LONGEST,
    FormulaPrinter,
    Moment,
    SlotKind,
    Unprintable,
    at_row,
    number_of_point,
    read_points,
)
from flowreform.export.workbook.source import Floats, WorkbookSource, input_values
from flowreform.model import LookupKind, deep
from flowreform.names import element_names
from flowreform.program import Assign, Code, LookupTable, Now, Past, Read, walk
from flowreform.text import spoken


def starting_value(source: WorkbookSource, slot: int) -> float:
    """The engine's value of `different[slot]`, from a run of one step in which a spare slot keeps it."""
    program = source.program
    spare = program.slots
    keeper = Assign(program.owners[slot], Read(spare), (), Read(slot))
    held = dataclasses.replace(
        program,
        slots=spare + 1,
        owners=(*program.owners, program.owners[slot]),
        initial=(*program.initial, keeper),
        stop=program.start + program.dt,
    )
    values = {cell.slot: value for cell, value in input_values(source)}
    order = [at for item in program.inputs for at in range(item.base, item.base + len(item.values))]
    matrix = np.array([[values[at]] for at in order]).reshape(len(order), 1)
    drive = None
    timed = [item for item in program.inputs if item.drive is not None]
    if timed:
        drive = np.full((sum(len(item.values) for item in timed), 3), np.nan)
    found = engines.simulate(held, matrix, drive, keep=[spare], engine="python")
    return float(found.values[0, 0, 0])


# --- the engine sheet ------------------------------------------------------------------------------------------------


NAME_ROW = 4
"""The row with the names of variables; labels and units follow."""
_NAME = style(font_size=8, font_color=GREY)
_UNIT = style(font_size=9, font_color=DARK, italic=True, bottom=1, bottom_color=DARK)


class Column:
    """A column of formulas: the one of the first row, the one of all others (with marks), and the values they have."""

    def __init__(self, first: str, rest: str, values: Floats, name: str, label: str, unit: str) -> None:
        self.first, self.rest, self.values = first, rest, values
        self.name, self.label, self.unit = name, label, unit


@deep()
def columns_of(source: WorkbookSource, layout: SheetLayout) -> list[Column]:
    """Every column of formulas, in order. Raises ModelError for those that no spreadsheet takes, all at once."""
    found: list[Column] = []
    faults = []
    for slot in source.columns.slots:
        owner = source.program.owners[slot]
        try:
            first, rest = _formulas(source, layout, slot)
            if max(len(at_row(first, 9_999_999)), len(at_row(rest, 9_999_999))) > LONGEST:
                raise Unprintable(f"its formula is longer than the {LONGEST:,} characters that a spreadsheet takes")
        except Unprintable as fault:
            variable = source.model.variables.get(owner)
            faults.append(
                error(
                    "no-excel-form", str(fault), "split the equation, or export values (flowreform run -o DIR)",
                    file=source.model.file, line=variable.line if variable else 0, element=variable.label if variable else owner,
                )
            )  # fmt: skip
            continue
        name, label, unit = describe(source, slot)
        found.append(Column(first, rest, source.series(slot), name, label, unit))
    if faults:
        raise ModelError(faults)
    found += [_number_column(source, layout, pair) for pair in source.columns.points]
    found += [_lever_column(source, layout, pair) for pair in layout.lever_columns]
    return found


def describe(source: WorkbookSource, slot: int) -> tuple[str, str, str]:
    """The name, label and unit of a slot: of the element it is, or of the variable it helps."""
    owner = source.program.owners[slot]
    place = source.program.places.get(owner)
    variable = source.model.variables.get(owner)
    if slot in source.flat.looks:
        look = source.flat.looks[slot]
        name, label, unit = describe(source, look.of)
        what = f"net flow of {label}" if look.rate else label
        return f"{name} #{slot}", f"{what}, look {look.number} within the step", "" if look.rate else unit
    if place is None or variable is None:
        return owner, owner, ""
    if slot in place.slots:
        name = element_names(source.model, variable)[slot - place.base]
        inside = name[len(variable.name) :]
        return name, f"{spoken(variable.label)}{inside}", variable.units or ""
    what = {SlotKind.STOCK: "delay or average inside", SlotKind.MEMORY: "remembered for"}.get(source.flat.kinds[slot], "part of")
    return f"{owner} #{slot}", f"{what} {spoken(variable.label)}", ""


def _formulas(source: WorkbookSource, layout: SheetLayout, slot: int) -> tuple[str, str]:
    """The formula of a slot in the first row and, with marks, in the others."""
    flat, where = source.flat, layout.addresses
    same = FormulaPrinter(flat, source.columns, where, Moment.SAME)
    before = FormulaPrinter(flat, source.columns, where, Moment.BEFORE)
    start = FormulaPrinter(flat, source.columns, where, Moment.START)
    match flat.kinds[slot]:
        case SlotKind.STEP:
            code = flat.step[slot]
            rest = same.formula(code)
            has_past = any(isinstance(part, Past) for part in _through(source, code))
            return (FormulaPrinter(flat, source.columns, where, Moment.START).formula(code) if has_past else rest), rest
        case SlotKind.STOCK:
            rate, floor = flat.rates[slot]
            text, level = before.value(rate)
            text = text if level > 4 else f"({text})"
            own = f"{where.columns[slot]}{ABOVE}"
            formula = f"{own}+{where.dt}*{text}"
            return start.formula(flat.begin[slot]), f"=MAX({formula},MIN({own},0))" if floor else f"={formula}"
        case _:
            return start.formula(flat.begin[slot]), before.formula(flat.memory[slot])


def _through(source: WorkbookSource, code: Code) -> list[Code]:
    """An expression with everything folded into it."""
    found: list[Code] = []
    for part in walk(code):
        found.append(part)
        if isinstance(part, Read) and part.base in source.columns.folded:
            found.extend(_through(source, source.flat.step[part.base]))
    return found


def _argument_values(source: WorkbookSource, slot: int | None) -> Floats:
    return source.rows if slot is None else source.series(slot)


def _number_column(source: WorkbookSource, layout: SheetLayout, pair: tuple[int, int | None]) -> Column:
    """The number of the point that a graphical function is read from, in every row."""
    number, slot = pair
    table = source.program.tables[number]
    printer = FormulaPrinter(source.flat, source.columns, layout.addresses, Moment.SAME)
    x = printer.value(Now() if slot is None else Read(slot))[0]
    formula = "=" + number_of_point(layout.addresses.tables[number], table.kind, len(table.x), x)
    values = np.searchsorted(np.array(table.x), _argument_values(source, slot), side="right").astype(np.float64)
    return Column(formula, formula, np.clip(values, 1, last_point(table)), f"{table.name} @{'time' if slot is None else slot}",
                  f"point of {table.name}", "number")  # fmt: skip


def last_point(table: LookupTable) -> int:
    """The highest number of a point that is read from: beyond the last one its slope is 0, unless lines go on there."""
    return len(table.x) - 1 if table.kind is LookupKind.EXTRAPOLATE else len(table.x)


def _lever_column(source: WorkbookSource, layout: SheetLayout, place: LeverAt) -> Column:
    """A lever over time as one scenario sets it, at the time of the row or some half steps later."""
    table, half = layout.lever_tables[place], place[2] * source.program.dt / 2.0
    time = f"{layout.addresses.time}{HERE}" if not half else f"({layout.addresses.time}{HERE}+{half!r})"
    values = np.interp(source.rows + half, table.x, table.y)
    if len(table.x) == 1:
        formula = f"={points_at(table).ys.split(':')[0]}"
    else:
        formula = "=" + read_points(points_at(table), LookupKind.CONTINUOUS, len(table.x), time, None)[0]
    return Column(formula, formula, values, f"{table.name} @time", table.name, "")


def write_engine(book: Book, source: WorkbookSource, layout: SheetLayout, columns: list[Column], progress: Progress) -> None:
    """The sheet, row by row."""
    page = book.page("Engine", GREY)
    sheet = page.sheet
    sheet.set_column(0, 2, 10)
    sheet.set_column(ENGINE_COLUMNS, layout.width - 1, 14)
    page.height(5, 58)
    note = (
        "The model itself: a row for each step, a column for each variable; a stock is the row above plus dt times its net flow."
    )
    if source.flat.looks:
        method = source.model.specs.method.upper()
        note += f" By {method} the net flow is a weighted mean of evaluations within the step, each in columns of its own."
    if source.columns.folded:
        note += f" {len(source.columns.folded)} variables that are not shown are worked out inside the formulas that read them."
    page.write(0, 0, "Engine", TITLE)
    page.write(1, 0, note + " A cell that is no formula any more turns red.", SUBTITLE)
    page.write(2, 0, "start", CELL)
    page.write(2, 1, source.program.start, CELL)
    page.write(2, 2, source.model.specs.time_unit, CELL)
    page.write(3, 0, "dt", CELL)
    page.write(3, 1, source.program.dt, CELL)
    page.write(3, 2, source.model.specs.time_unit, CELL)
    heads = [("step", "Step", ""), ("time", "Time", source.model.specs.time_unit), ("date", "Date", "")]
    heads += [(column.name, column.label, column.unit) for column in columns]
    for row, look in ((NAME_ROW, _NAME), (NAME_ROW + 1, HEADER), (NAME_ROW + 2, _UNIT)):
        for i, texts in enumerate(heads):
            page.write(row, i, plain_text(texts[row - NAME_ROW], 300), look)
    _write_rows(book, page, source, columns, progress)
    last = ENGINE_FIRST + len(source.rows) - 1
    criteria = f"=NOT(_xlfn.ISFORMULA({letters(ENGINE_COLUMNS)}{ENGINE_FIRST + 1}))"
    sheet.conditional_format(
        ENGINE_FIRST, ENGINE_COLUMNS, last, layout.width - 1,
        {"type": "formula", "criteria": criteria, "format": book.format(style(bg_color=RED))},
    )  # fmt: skip
    area = (0, 0, min(last, ENGINE_FIRST + 48), min(14, layout.width - 1))
    page.finish(freeze=(ENGINE_FIRST, ENGINE_COLUMNS), repeat=(NAME_ROW, NAME_ROW + 2), area=area)


def _write_rows(book: Book, page: Page, source: WorkbookSource, columns: list[Column], progress: Progress) -> None:
    """The steps. Some hundred thousand cells: what does not depend on the cell is worked out before the loop."""
    sheet = page.sheet
    calendar = source.experiment.case.calendar if source.experiment.case else None
    plain, dated = book.format(style(num_format="0")), book.format(style(num_format="d mmm yyyy"))
    clock = book.format(style(num_format="0.0000"))
    looks = [book.format(style(num_format=number_format(c.unit, size=float(np.abs(c.values).max())))) for c in columns]
    texts = [column.rest for column in columns]
    values = [column.values.tolist() for column in columns]
    write = sheet.write_formula
    total = len(source.rows)
    for step in range(total):
        row = ENGINE_FIRST + step
        here, above = str(row + 1), str(row)
        sheet.write_number(row, 0, step, plain)
        write(row, 1, f"=$B$3+A{here}*$B$4", clock, float(source.rows[step]))
        if calendar is not None:
            date = date_of(calendar, float(source.rows[step]))
            if date is not None:
                sheet.write_number(row, 2, date, dated)
        for i, text in enumerate(texts):
            formula = (text if step else columns[i].first).replace(HERE, here).replace(ABOVE, above)
            write(row, ENGINE_COLUMNS + i, formula, looks[i], values[i][step])
        if step % 32 == 0:
            progress(step, total)
    book.formulas += total * (len(columns) + 1)
    page.written()


def date_of(calendar: Calendar, time: float) -> int | None:
    """The date of a model time as a spreadsheet counts it; None where there is none."""
    try:
        return serial(calendar.date(time))
    except (ValueError, OverflowError):
        return None
