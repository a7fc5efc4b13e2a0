"""The one place that touches xlsxwriter: cells are put in any order on a page and written row by row, text only ever as text.

The file holds no clock and no path: the same cells give the same bytes.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error, shorten
from flowreform.experiment import Points as LeverPoints
from flowreform.export.workbook.printer import Addresses, PointCells
from flowreform.export.workbook.source import InputCell, WorkbookSource
from flowreform.files import Unfailing, temporary_folder
from flowreform.program import Drive, walk
from flowreform.text import as_whole

LeverAt = tuple[int, int, int]
"""A lever over time: its series, the scenario that sets it, and half steps after the time of the row."""
INPUT_FIRST = 7
"""The first row of inputs, on the Inputs and Scenarios sheets alike."""
NAME, LABEL, VALUE, ACTIVE, UNIT, LOW, HIGH, RAG, SOURCE, NOTE, EXPORTED = range(11)
"""The columns of the Inputs sheet."""
SCENARIO_FIRST = 3
"""The first column of scenarios on the Scenarios sheet."""
SCENARIO_NAME_ROW, SCENARIO_LABEL_ROW = 4, 5
"""The rows with each scenario's name and what the selector calls it."""
SELECTOR, SELECTED = (5, 2), (6, 2)
"""The cells of the Control sheet: the scenario chosen, and its number from 1."""
ENGINE_FIRST = 7
"""The row of the start of the run on the Engine sheet."""
ENGINE_COLUMNS = 3
"""Step, time and date come before the variables."""
TABLE_COLUMNS = 4
"""Columns that a graphical function takes on the Lookups sheet: x, y, slope, and a gap."""
LOOKUP_FIRST = 6
"""The first row of points."""


@dataclass(frozen=True)
class TableAt:
    """A table of points: where it stands and what it holds; `name` for people."""

    name: str
    column: int
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class SheetLayout:
    """Addresses for formulas, and the plan of the sheets that are laid out by slots.

    `once` lists the slots of the part "worked out" of Inputs with their rows, `begins` those that differ while the run starts;
    `order` is the inputs as they stand; `tables` the graphical functions by number, `lever_tables` those of levers over time
    by series and scenario; `width` is the number of columns of Engine."""

    addresses: Addresses
    order: tuple[InputCell, ...]
    once: tuple[tuple[int, int], ...]
    begins: tuple[tuple[int, int], ...]
    tables: dict[int, TableAt]
    lever_tables: dict[LeverAt, TableAt]
    lever_columns: dict[LeverAt, int]
    number_columns: dict[tuple[int, int | None], int]
    slot_columns: dict[int, int]
    width: int

    def engine_range(self, slot: int, first: int, last: int) -> str:
        """A slot's cells from one step to another (from 0)."""
        column = letters(self.slot_columns[slot])
        return f"Engine!${column}${ENGINE_FIRST + first + 1}:${column}${ENGINE_FIRST + last + 1}"

    def engine_cell(self, slot: int, step: int) -> str:
        """A slot's cell at one step."""
        return reference(ENGINE_FIRST + step, self.slot_columns[slot], sheet="Engine")


def lay_out(source: WorkbookSource) -> SheetLayout:
    """The layout of a workbook."""
    flat, columns = source.flat, source.columns
    order = _ordered(source)
    cells = {cell.slot: reference(INPUT_FIRST + i, ACTIVE, sheet="Inputs") for i, cell in enumerate(order)}
    row = INPUT_FIRST + len(order) + 4
    once = tuple((slot, row + i) for i, slot in enumerate(flat.once))
    begins = tuple((slot, row + len(once) + i) for i, slot in enumerate(flat.different))
    cells.update({slot: reference(at, ACTIVE, sheet="Inputs") for slot, at in once})
    column = ENGINE_COLUMNS
    slot_columns = {slot: column + i for i, slot in enumerate(columns.slots)}
    column += len(slot_columns)
    number_columns = {pair: column + i for i, pair in enumerate(columns.points)}
    column += len(number_columns)
    looks = sorted({part.later for code in flat.step.values() for part in walk(code) if isinstance(part, Drive)})
    series = [
        (cell.drive, number, later)
        for cell in order
        if cell.drive is not None
        for later in looks
        for number, setting in sorted(cell.settings.items())
        if isinstance(setting, LeverPoints)
    ]
    lever_columns = {pair: column + i for i, pair in enumerate(series)}
    tables, lever_tables = _tables(source, series)
    levers: dict[tuple[int, int], dict[int, str]] = {}
    for (drive, number, later), at in lever_columns.items():
        levers.setdefault((drive, later), {})[number] = letters(at)
    addresses = Addresses(
        columns={slot: letters(at) for slot, at in slot_columns.items()},
        cells=cells,
        begins={slot: reference(at, ACTIVE, sheet="Inputs") for slot, at in begins},
        numbers={pair: letters(at) for pair, at in number_columns.items()},
        tables={number: points_at(table) for number, table in tables.items()},
        levers=levers,
        scenarios=len(source.scenarios),
        selector=reference(*SELECTED, sheet="Control"),
        start="$B$3",
        dt="$B$4",
        first=ENGINE_FIRST + 1,
    )
    return SheetLayout(addresses, order, once, begins, tables, lever_tables, lever_columns, number_columns, slot_columns,
                  column + len(series))  # fmt: skip


def points_at(table: TableAt) -> PointCells:
    """The addresses of a table of points."""
    first, last = LOOKUP_FIRST + 1, LOOKUP_FIRST + len(table.x)
    x, y, slope = (letters(table.column + i) for i in range(3))
    return PointCells(
        xs=f"Lookups!${x}${first}:${x}${last}",
        ys=f"Lookups!${y}${first}:${y}${last}",
        slopes=f"Lookups!${slope}${first}:${slope}${last}",
        low=f"Lookups!${x}${first}",
        high=f"Lookups!${x}${last}",
    )


def _tables(source: WorkbookSource, series: list[LeverAt]) -> tuple[dict[int, TableAt], dict[LeverAt, TableAt]]:
    """Tables side by side: graphical functions first, then levers over time."""
    tables: dict[int, TableAt] = {}
    column = 0
    for number, table in enumerate(source.program.tables):
        if len(table.x) > 1:
            tables[number] = TableAt(table.name, column, table.x, table.y)
            column += TABLE_COLUMNS
    by_drive = {cell.drive: cell for cell in source.inputs if cell.drive is not None}
    levers: dict[LeverAt, TableAt] = {}
    for drive, number, later in series:
        if (drive, number, series[0][2]) in levers:
            levers[(drive, number, later)] = levers[(drive, number, series[0][2])]  # one table for all looks within a step
            continue
        cell = by_drive[drive]
        setting = cell.settings[number]
        assert isinstance(setting, LeverPoints)
        levers[(drive, number, later)] = TableAt(f"{cell.name}: {source.labels[number]}", column, setting.times, setting.values)
        column += TABLE_COLUMNS
    return tables, levers


def _ordered(source: WorkbookSource) -> tuple[InputCell, ...]:
    """Levers first, then uncertainties, then the rest, each in the model's order."""
    case = source.experiment.case
    levers = set(case.levers) if case else set()
    uncertain = set(source.experiment.uncertainties) | (set(case.uncertainties) if case else set())

    def is_in(cell: InputCell, names: set[str]) -> bool:
        return cell.name in names or cell.variable.name in names

    first = [cell for cell in source.inputs if is_in(cell, levers)]
    second = [cell for cell in source.inputs if is_in(cell, uncertain) and not is_in(cell, levers)]
    rest = [cell for cell in source.inputs if not is_in(cell, levers | uncertain)]
    return tuple(chain(first, second, rest))


# --- the one place that touches xlsxwriter ---------------------------------------------------------------------------


MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
"""What a sheet holds, in any spreadsheet."""

BLUE, DARK, PALE, YELLOW, GREY, LINE = "#005EB8", "#003087", "#E8EDEE", "#FFF2CC", "#425563", "#C8D2D9"
GREEN, AMBER, RED = "#C6E7CF", "#FFE1A8", "#F6C3BE"
FONT = "Arial"
_MONEY = re.compile(r"[A-Z]{3}\b(?![/*(])")
"""A unit that is a currency, alone or in thousands."""
LONGEST_TEXT = 2_000
"""Characters of one cell of text; longer text is cut and ends in dots."""

Progress = Callable[[int, int], None]
Style = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Live:
    """A formula and the value it has when the file opens."""

    formula: str
    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Link:
    """Text that leads to a sheet of the same workbook."""

    text: str
    sheet: str


Content = str | float | int | Live | Link | datetime.date | None


def style(**properties: Any) -> Style:
    """The look of a cell over the plain one."""
    return properties


TITLE = style(bold=True, font_size=18, font_color=DARK)
SUBTITLE = style(font_size=11, font_color=GREY)
HEADING = style(bold=True, font_size=12, font_color=BLUE)
HEADER = style(bold=True, font_color="#FFFFFF", bg_color=BLUE, text_wrap=True, valign="vcenter", border=1, border_color=LINE)
TEXT = style(text_wrap=True, valign="top")
PLAIN: Style = {}
SMALL = style(font_size=9, font_color=GREY, valign="top")
CELL = style(border=1, border_color=LINE, valign="top")
WRAPPED = style(border=1, border_color=LINE, valign="top", text_wrap=True)
INPUT = style(bg_color=YELLOW, locked=False, border=1, border_color="#BF9000", valign="top")
LINKED = style(font_color=BLUE, underline=1)


def number_format(unit: str, *, percent: bool = False, size: float = 0.0) -> str:
    """How numbers of a unit are shown: thousands apart, shares in per cent, decimals by their size and not for money."""
    if percent:
        return "0.0%"
    if unit in ("dimensionless", "1", "") or 0 < abs(size) < 1:
        return "#,##0" if abs(size) >= 1000 else "#,##0.000"
    return "#,##0" if abs(size) >= 1000 or _MONEY.match(unit) else "#,##0.0"


class Book:
    """A workbook being written to a path. `created` stands in its properties.

    `with Book(...) as book:` writes the file at its end; where anything fails before, no handle and no half of a file is left."""

    def __init__(self, path: Path, created: datetime.datetime, properties: Mapping[str, str]) -> None:
        import xlsxwriter

        options: dict[str, Any] = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        from xlsxwriter.worksheet import Worksheet

        class Sheet(Worksheet):  # type: ignore[misc]
            """Formulas as they stand: xlsxwriter looks each one through for thirty functions that are never used here."""

            def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
                return formula.removeprefix("=")

        self._kind = Sheet
        self._rest = ExitStack()  # rows wait in files of a folder for a while
        self._out = Unfailing(path)
        options["tmpdir"] = str(self._rest.enter_context(temporary_folder()))
        self._book = xlsxwriter.Workbook(self._out, options)
        self._book.set_properties({**properties, "created": created})
        self._book.set_calc_mode("auto")
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self.formulas = 0
        self.pages: dict[str, Page] = {}

    def page(self, name: str, color: str = BLUE) -> Page:
        """A new sheet, at the end."""
        sheet = self._book.add_worksheet(name, self._kind)
        sheet.set_tab_color(color)
        sheet.hide_gridlines(2)
        page = self.pages[name] = Page(self, sheet, name)
        return page

    def format(self, *styles: Style) -> Any:
        """The xlsxwriter format of some styles laid over each other."""
        properties: dict[str, Any] = {"font_name": FONT, "font_size": 10}
        for one in styles:
            properties.update(one)
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self._book.add_format(properties)
        return self._formats[key]

    def chart(self, kind: str, subtype: str | None = None) -> Any:
        """A new native chart."""
        return self._book.add_chart({"type": kind, **({"subtype": subtype} if subtype else {})})

    def __enter__(self) -> Book:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._let_go()

    def close(self) -> None:
        """Write the file. Raises OSError where a disk is full."""
        from xlsxwriter.exceptions import FileCreateError

        try:
            for page in self.pages.values():
                page.flush()
            self._book.close()
        except FileCreateError as fault:  # what waits to be written has no room
            raise fault.args[0] from fault
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Close every file, whatever has been written. Raises OSError where a write failed."""
        self._book.fileclosed = True  # or it would be written when Python throws it away
        for sheet in self._book.worksheets():
            sheet._opt_close()
        self._rest.close()
        self._out.settle()


class Page:
    """One sheet. Cells wait until `flush`, so that they can be put in any order; rows and columns count from 0."""

    def __init__(self, book: Book, sheet: Any, name: str) -> None:
        self.book, self.sheet, self.name = book, sheet, name
        self._cells: dict[int, dict[int, tuple[Content, Style]]] = {}
        self._done = False

    def put(self, row: int, column: int, content: Content, *styles: Style) -> None:
        """One cell."""
        merged: dict[str, Any] = {}
        for one in styles:
            merged.update(one)
        self._cells.setdefault(row, {})[column] = (content, merged)

    def put_row(self, row: int, column: int, contents: Sequence[Content], *styles: Style) -> None:
        """Cells side by side."""
        for i, content in enumerate(contents):
            self.put(row, column + i, content, *styles)

    def widths(self, *widths: float) -> None:
        """Column widths, from the first."""
        for i, width in enumerate(widths):
            self.sheet.set_column(i, i, width)

    def fit(self, row: int, *texts: tuple[str, float]) -> None:
        """A height that shows wrapped texts whole: each with the width of its column, in characters."""
        lines = max(
            sum(max(1, -(-len(part) // max(1, int(width * 1.05)))) for part in plain_text(text).split("\n"))
            for text, width in texts
        )
        if lines > 1:
            self.height(row, min(400.0, 3.0 + 12.5 * lines))

    def height(self, row: int, height: float) -> None:
        """The height of a row, in points."""
        self.sheet.set_row(row, height)

    def finish(self, *, freeze: tuple[int, int] | None = None, repeat: tuple[int, int] | None = None, landscape: bool = True,
               area: tuple[int, int, int, int] | None = None, zoom: int = 90) -> None:  # fmt: skip
        """Protection without a password, frozen headers, and how it prints."""
        self.sheet.protect("", {"format_columns": True, "format_rows": True, "autofilter": True, "sort": True, "objects": True})
        if freeze is not None:
            self.sheet.freeze_panes(*freeze)
        if repeat is not None:
            self.sheet.repeat_rows(*repeat)
        if landscape:
            self.sheet.set_landscape()
        self.sheet.set_paper(9)
        self.sheet.set_margins(0.4, 0.4, 0.5, 0.6)
        self.sheet.fit_to_pages(1, 0)
        self.sheet.set_footer("&L&8&A&R&8page &P of &N")
        self.sheet.set_zoom(zoom)
        if area is None and self._cells:
            last = max(max(cells) for cells in self._cells.values() if cells)
            area = (0, 0, max(self._cells), last)
        if area is not None:
            self.sheet.print_area(*area)

    def flush(self) -> None:
        """Write what waits, row by row."""
        if self._done:
            return
        for row in sorted(self._cells):
            for column in sorted(self._cells[row]):
                self.write(row, column, *self._cells[row][column])
        self._cells.clear()
        self._done = True

    def written(self) -> None:
        """Every cell has been written one by one."""
        self._done = True

    def _too_large(self) -> ExperimentError:
        reason = (
            f"sheet {self.name} would have more than {MOST_ROWS:,} rows or {MOST_COLUMNS:,} columns, which no spreadsheet opens"
        )
        repair = "a larger --dt or --save-every makes fewer rows; .csv, .parquet and .nc hold any number"
        return ExperimentError(error("too-large", reason, repair))

    def write(self, row: int, column: int, content: Content, look: Style = PLAIN) -> None:
        """One cell at once; rows must come in order. Raises ExperimentError below the last row of a sheet."""
        if row >= MOST_ROWS or column >= MOST_COLUMNS:
            raise self._too_large()
        shape = self.book.format(look)
        match content:
            case None:
                self.sheet.write_blank(row, column, None, shape)
            case Live(formula, value):
                self.sheet.write_formula(row, column, formula, shape, value)
                self.book.formulas += 1
            case Link(text, sheet):
                self.sheet.write_url(row, column, f"internal:'{sheet}'!A1", shape, text)
            case str():
                self.sheet.write_string(row, column, plain_text(content), shape)
            case bool():
                self.sheet.write_boolean(row, column, content, shape)
            case datetime.date():
                self.sheet.write_number(row, column, serial(content), shape)
            case _:
                self.sheet.write_number(row, column, content, shape)


def plain_text(text: str, limit: int = LONGEST_TEXT) -> str:
    """Text fit for a cell: printable, one paragraph a line, and not too long."""
    kept = "".join(mark if mark.isprintable() or mark == "\n" else " " for mark in text.replace("\r\n", "\n"))
    return kept if len(kept) <= limit else f"{kept[: limit - 4]} ..."


def chart_text(text: str, limit: int = 120) -> str:
    """Text fit for a title, an axis or the name of a line: xlsxwriter takes what looks like `Sheet!A1` for a formula, so an
    invisible word joiner follows every exclamation mark."""
    return plain_text(text, limit).replace("!", "!\u2060")


def source_date() -> datetime.date | None:
    """The date of SOURCE_DATE_EPOCH, where it is set: a workbook holds no clock. Raises ExperimentError for what is no date."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    seconds = as_whole(text)
    try:
        if seconds is None:
            raise ValueError(text)
        return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).date()
    except (ValueError, OverflowError, OSError) as fault:
        reason, repair = f"{shorten(text)} is no number of seconds since 1970", "correct it, or unset it"
        raise ExperimentError(error("source-date", reason, repair, element="SOURCE_DATE_EPOCH")) from fault


def serial(date: datetime.date) -> int:
    """A date as spreadsheets count it: days since 30 December 1899."""
    return (date - datetime.date(1899, 12, 30)).days


def reference(row: int, column: int, *, sheet: str = "", fixed: bool = True) -> str:
    """A cell's address, from 0: `Inputs!$D$12`."""
    mark = "$" if fixed else ""
    return f"{sheet}{'!' if sheet else ''}{mark}{letters(column)}{mark}{row + 1}"


def letters(column: int) -> str:
    """A column's letters, from 0: A, B ... Z, AA."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


__all__ = ["LeverAt", "SheetLayout", "TableAt", "lay_out", "points_at"]
