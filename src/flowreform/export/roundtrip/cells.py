"""A workbook as somebody gave it back: values by python-calamine, formulas by our own walk through the XML.

Cells are found by what is printed on the sheets, never by their place: people insert and sort rows, and other programs write
the file anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error
from flowreform.export.template.address import address, column_number
from flowreform.export.template.archive import Archive, read_archive
from flowreform.export.template.markup import Tag, walk
from flowreform.export.template.workbook import Workbook, read_workbook
from flowreform.formats.limits import from_environment

MOST_BYTES = 1_000_000_000
"""Bytes that the largest part of a live workbook may unpack to: ten times what 600,000 formulas take."""
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
class Sheets:
    """The sheets of a workbook. `rows` are values as calamine reads them: text, numbers, dates, truth values, "" for nothing."""

    file: str
    archive: Archive
    book: Workbook
    _values: Any = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sheets, in order."""
        return tuple(str(name) for name in self._values.sheet_names)

    def rows(self, sheet: str) -> list[list[Any]]:
        """Every row of a sheet from the first, all of one length."""
        return [list(row) for row in self._values.get_sheet_by_name(sheet).to_python(skip_empty_area=False)]

    def formulas(self, sheet: str) -> Mapping[Cell, Formula]:
        """The formulas of a sheet by cell."""
        found = self.book.sheet(sheet)
        if found is None or not found.part:
            return {}
        return _formulas(self.archive.read(found.part), self.file, found.part)


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


def _formulas(content: bytes, file: str, part: str) -> dict[Cell, Formula]:
    found: dict[Cell, Formula] = {}
    row = column = 0
    begin: int | None = None

    def opened(tag: Tag, depth: int) -> None:
        nonlocal row, column, begin
        if tag.name == "row" and depth == 3:
            row, column = int(tag.attributes.get("r") or row + 1), 0
        elif tag.name == "c" and depth == 4:
            reference = tag.attributes.get("r")
            column = column_number(reference.rstrip("0123456789")) if reference else column + 1
        elif tag.name == "f" and depth == 5:
            begin = tag.stop
            found[row, column] = Formula("")

    def closed(name: str, depth: int, inside: int, stop: int) -> None:
        nonlocal begin
        if begin is not None and name == "f" and depth == 5:
            found[row, column] = Formula(_plain(content[begin:inside].decode("utf-8", "replace")))
            begin = None

    walk(content, opened, closed, file, part)
    return found


def _plain(text: str) -> str:
    """XML text as it is meant."""
    from html import unescape

    return unescape(text) if "&" in text else text


def place(sheet: str, cell: Cell) -> str:
    """`Inputs!C8`, for messages."""
    return f"{sheet}!{address(*cell)}"
