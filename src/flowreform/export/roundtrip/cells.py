"""A workbook as somebody gave it back: values by python-calamine in a process of its own, formulas by our own walk through
the XML.

Cells are found by what is printed on the sheets, never by their place: people insert and sort rows, and other programs write
the file anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error, shorten
from flowreform.export.template.archive import Archive, read_archive
from flowreform.export.template.sheet import Tag, address, area, walk
from flowreform.export.template.workbook import Workbook, read_workbook
from flowreform.formats.limits import from_environment
from flowreform.formats.workbook_cells import UnreadableBook, sheets_cells

MOST_BYTES = 400_000_000
"""Bytes that the largest part of a live workbook may unpack to: what 2,000,000 formulas take."""
MOST_CELLS = 20_000_000
"""Cells from the first to the last one of a sheet. calamine makes room for all of them, so that two cells at far corners would
take the machine's memory."""
_CELL = re.compile(r"[A-Z]{1,3}[1-9][0-9]{0,6}")
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

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sheets, in order."""
        return tuple(sheet.name for sheet in self.book.sheets)

    def grid(self, sheet: str) -> SheetGrid:
        """A sheet by name. Raises ExperimentError where its XML is damaged or its cells lie too far apart."""
        return self.grids([sheet])[0]

    def grids(self, names: Sequence[str]) -> list[SheetGrid]:
        """Several sheets at once; one that is not there is empty. Raises ExperimentError."""
        there = {name: found for name in names if (found := self.book.sheet(name)) is not None and found.part}
        formulas = {}
        for name, found in there.items():
            formulas[name], last = _walked(self.archive.read(found.part), self.file, found.part)
            if last[0] * last[1] > MOST_CELLS:
                reason = f"its last cell is {address(*last)}, and more than {MOST_CELLS:,} cells are not read"
                raise ExperimentError(error("workbook", reason, "delete what stands far away", file=self.file, element=name))
        try:
            cells = sheets_cells(Path(self.file), [found.name for found in there.values()], MOST_CELLS) if there else []
        except UnreadableBook as fault:
            reason = f"the sheets cannot be read: {shorten(str(fault), 100)}"
            repair = "open the workbook in a spreadsheet and save it again"
            raise ExperimentError(
                error("workbook", reason, repair, file=self.file, element=names[0] if len(names) == 1 else "")
            ) from fault
        rows = dict(zip(there, cells, strict=True))
        return [SheetGrid(rows.get(name, []), formulas.get(name, {})) for name in names]


def read_sheets(path: Path) -> Sheets:
    """The workbook at `path`, with the same limits as any file of others.

    Raises ExperimentError where it is none, is damaged, or unpacks to too much."""
    limits = from_environment()
    archive = read_archive(path, replace(limits, file_bytes=max(limits.file_bytes, MOST_BYTES)))
    too_large = [name for name, member in archive.members.items() if member.size > archive.most]
    if too_large:
        archive.read(too_large[0])  # says so
    book = read_workbook(archive)
    for name in archive.members:
        if name.endswith(("sharedStrings.xml", "styles.xml")):
            archive.read(name)  # unpacks to what the directory says, or is refused
    return Sheets(str(path), archive, book)


def _walked(content: bytes, file: str, part: str) -> tuple[dict[Cell, Formula], Cell]:
    """The formulas of a sheet, and the row and the column of its last cells."""
    found: dict[Cell, Formula] = {}
    row = column = deepest = widest = 0
    begin: int | None = None

    def corner(reference: str) -> Cell:
        """calamine makes room up to whatever a cell says it is, and ends the process where there is none."""
        block = area(reference) if _CELL.fullmatch(reference) else None
        if block is None:
            reason = f'"{shorten(reference, 40)}" is no cell'
            raise ExperimentError(
                error("workbook", reason, "open it in the program that wrote it and save it again", file=file, element=part)
            )
        return block.top, block.left

    def opened(tag: Tag, depth: int) -> None:
        nonlocal row, column, begin, deepest, widest
        if tag.name == "row":
            text = tag.attributes.get("r")
            row, column = row + 1 if text is None else corner(f"A{text}")[0], 0
        elif tag.name == "c":
            reference = tag.attributes.get("r")
            below, column = (row, column + 1) if reference is None else corner(reference)
            row = max(row, below)  # a cell may say another row than the one it stands in
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


def _plain(text: str) -> str:
    """XML text as it is meant."""
    from html import unescape

    return unescape(text) if "&" in text else text


def place(sheet: str, cell: Cell) -> str:
    """`Inputs!C8`, for messages."""
    return f"{sheet}!{address(*cell)}"
