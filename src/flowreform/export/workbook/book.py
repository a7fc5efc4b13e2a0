"""The one place that touches xlsxwriter: cells are put in any order on a page and written row by row, text only ever as text.

The file holds no clock and no path: the same cells give the same bytes.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error

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
    """A workbook being written to a path. `created` stands in its properties."""

    def __init__(self, path: Path, created: datetime.datetime, properties: Mapping[str, str]) -> None:
        import xlsxwriter

        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        from xlsxwriter.worksheet import Worksheet

        class Sheet(Worksheet):  # type: ignore[misc]
            """Formulas as they stand: xlsxwriter looks each one through for thirty functions that are never used here."""

            def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
                return formula.removeprefix("=")

        self._kind = Sheet
        self._book = xlsxwriter.Workbook(str(path), options)
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

    def close(self) -> None:
        """Write the file."""
        for page in self.pages.values():
            page.flush()
        self._book.close()


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
