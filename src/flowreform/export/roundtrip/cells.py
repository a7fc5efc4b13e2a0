"""A workbook as somebody gave it back: values by python-calamine, formulas by our own walk through the XML.

Cells are found by what is printed on the sheets, never by their place: people insert and sort rows, and other programs write
the file anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_letters
from typing import Any

from flowreform.errors import ExperimentError, error
from flowreform.export.template.archive import Archive, read_archive
from flowreform.export.template.sheet import Tag, address, column_number, walk
from flowreform.export.template.workbook import Workbook, read_workbook
from flowreform.formats.limits import from_environment
from flowreform.text import as_whole

MOST_BYTES = 400_000_000
"""Bytes that the largest part of a live workbook may unpack to: what 2,000,000 formulas take."""
MOST_CELLS = 20_000_000
"""Cells from the first to the last one of a sheet. calamine makes room for all of them, so that two cells at far corners would
take the machine's memory."""
_NOTHING_BUT_NUMBERS = re.compile(r"[0-9.eE+\-*/^()% ]*")

Cell = tuple[int, int]
"""Row and column, counted from 1."""


@dataclass(frozen=True, slots=True)
class Formula:
    """What stands in a cell that is worked out: its text without `=`; "" where it is shared with another cell."""

    text: str

    @property
    def only_numbers(self) -> bool:
        """Whether it refers to nothing, so that its value cannot be stale."""
        return bool(self.text) and _NOTHING_BUT_NUMBERS.fullmatch(self.text) is not None


@dataclass(frozen=True)
class SheetGrid:
    """A sheet: every row from the first, all of one length, with values as calamine reads them (text, numbers, dates, truth
    values, "" for nothing); and the formulas by cell."""

    rows: list[list[Any]]
    formulas: Mapping[Cell, Formula]


@dataclass(frozen=True)
class Sheets:
    """The sheets of a workbook."""

    file: str
    archive: Archive
    book: Workbook
    _values: Any = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sheets, in order."""
        return tuple(str(name) for name in self._values.sheet_names)

    def grid(self, sheet: str) -> SheetGrid:
        """A sheet by name. Raises ExperimentError where its XML is damaged or its cells lie too far apart."""
        found = self.book.sheet(sheet)
        if found is None or not found.part:
            return SheetGrid([], {})
        formulas, last = _walked(self.archive.read(found.part), self.file, found.part)
        if last[0] * last[1] > MOST_CELLS:
            reason = f"its last cell is {address(*last)}, and more than {MOST_CELLS:,} cells are not read"
            raise ExperimentError(error("workbook", reason, "delete what stands far away", file=self.file, element=sheet))
        rows = self._values.get_sheet_by_name(found.name).to_python(skip_empty_area=False)
        return SheetGrid([list(row) for row in rows], formulas)


def read_sheets(path: Path) -> Sheets:
    """The workbook at `path`, with the same limits as any file of others.

    Raises ExperimentError where it is none, is damaged, or unpacks to too much."""
    import python_calamine

    limits = from_environment()
    archive = read_archive(path, replace(limits, file_bytes=max(limits.file_bytes, MOST_BYTES)))
    too_large = [name for name, member in archive.members.items() if member.size > archive.most]
    if too_large:
        archive.read(too_large[0])  # says so
    book = read_workbook(archive)
    for name in archive.members:
        if name.endswith(("sharedStrings.xml", "styles.xml")):
            archive.read(name)  # unpacks to what the directory says, or is refused
    try:
        values = python_calamine.load_workbook(str(path))
    except (python_calamine.CalamineError, OSError, ValueError) as fault:
        reason = f"the workbook cannot be read: {fault}"
        raise ExperimentError(error("workbook", reason, "open it in a spreadsheet and save it again", file=str(path))) from fault
    return Sheets(str(path), archive, book, values)


def _walked(content: bytes, file: str, part: str) -> tuple[dict[Cell, Formula], Cell]:
    """The formulas of a sheet, and the row and the column of its last cells."""
    found: dict[Cell, Formula] = {}
    row = column = deepest = widest = 0
    begin: int | None = None

    def opened(tag: Tag, depth: int) -> None:
        nonlocal row, column, begin, deepest, widest
        if tag.name == "row" and depth == 3:
            text = tag.attributes.get("r", "")
            number = as_whole(text) or 0
            row, column = number if 0 < number < 10**7 else row + 1, 0
        elif tag.name == "c" and depth == 4:
            reference = tag.attributes.get("r")
            column = column_number(reference.rstrip("0123456789")) if reference else column + 1
            row = max(row, _row_number(reference)) if reference else row  # a cell may say another row than the one it stands in
            deepest, widest = max(deepest, row), max(widest, column)
        elif tag.name == "f" and depth == 5:
            begin = tag.stop
            found[row, column] = Formula("")

    def closed(name: str, depth: int, inside: int, stop: int) -> None:
        nonlocal begin
        if begin is not None and name == "f" and depth == 5:
            found[row, column] = Formula(_plain(content[begin:inside].decode("utf-8", "replace")))
            begin = None

    walk(content, opened, closed, file, part)
    return found, (deepest, widest)


def _row_number(reference: str) -> int:
    """The row of `B12`; 0 where there is none."""
    digits = reference.lstrip(ascii_letters)
    number = as_whole(digits) or 0
    return number if 0 < number < 10**7 else 0


def _plain(text: str) -> str:
    """XML text as it is meant."""
    from html import unescape

    return unescape(text) if "&" in text else text


def place(sheet: str, cell: Cell) -> str:
    """`Inputs!C8`, for messages."""
    return f"{sheet}!{address(*cell)}"
