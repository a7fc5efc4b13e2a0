"""Numbers and text put into cells of one sheet's XML: the cell keeps its style, everything else keeps its bytes.

`scan` goes through the sheet once and finds the cells wanted, or where they belong, and what must not be broken: formulas,
merged cells, array formulas and data tables that cover several cells. `patched` then cuts the new cells in. (ECMA-376, part
1, 18.3.1: rows and cells stand in order; either may leave its own address out, and then follows the one before.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowreform.errors import ExperimentError, error
from flowreform.export.template.address import Area, address, area, column_number
from flowreform.export.template.markup import Edit, Tag, edited, start_tag, text, walk
from flowreform.text import exact

Cell = tuple[int, int]
"""Row and column, counted from 1."""
Value = float | str | None
"""What goes into a cell; None empties it."""


@dataclass
class Place:
    """A cell that is there: its tag, where it stops, and the kind of formula in it ("" for none)."""

    tag: Tag
    stop: int = 0
    formula: str = ""


@dataclass
class Row:
    """A row that is there: its tag, where its content ends, where it stops, and its wanted cells."""

    tag: Tag
    number: int
    inside: int = 0
    stop: int = 0
    cells: dict[int, Place] = field(default_factory=dict)
    gaps: dict[int, Tag | None] = field(default_factory=dict)


@dataclass
class Scan:
    """What one sheet holds that matters to the wanted cells. `gaps` has the first row after each missing one."""

    data: Tag
    inside: int = 0
    stop: int = 0
    dimension: Tag | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    gaps: dict[int, Tag | None] = field(default_factory=dict)
    merged: list[Area] = field(default_factory=list)
    blocks: list[tuple[str, Area]] = field(default_factory=list)
    shared: dict[Cell, int] = field(default_factory=dict)
    columns: list[tuple[int, int, str]] = field(default_factory=list)
    protected: bool = False

    def at(self, cell: Cell) -> Place | None:
        """The cell, where it is there."""
        row = self.rows.get(cell[0])
        return row.cells.get(cell[1]) if row else None


def scan(content: bytes, wanted: frozenset[Cell], file: str, part: str) -> Scan:
    """Find the wanted cells of a sheet. Raises ExperimentError for XML that is no sound sheet."""
    found = _Scanner(wanted, file, part)
    walk(content, found.opened, found.closed, file, part)
    if found.scan is None:
        raise found.fail("this is no worksheet: it has no cells")
    return found.scan


class _Scanner:
    """The state of one walk through a sheet."""

    def __init__(self, wanted: frozenset[Cell], file: str, part: str) -> None:
        self.file, self.part = file, part
        self.wanted: dict[int, list[int]] = {}
        for row, column in sorted(wanted):
            self.wanted.setdefault(row, []).append(column)
        self.missing = sorted(self.wanted)
        self.scan: Scan | None = None
        self.dimension: Tag | None = None
        self.columns: list[tuple[int, int, str]] = []
        self.row_number = self.column = 0
        self.row: Row | None = None
        self.pending: list[int] = []
        self.place: Place | None = None

    def fail(self, reason: str) -> ExperimentError:
        repair = "open it in the program that wrote it and save it again"
        return ExperimentError(error("workbook", reason, repair, file=self.file, element=self.part))

    def opened(self, tag: Tag, depth: int) -> None:
        """A start tag of the sheet."""
        if depth == 2:
            self._part(tag)
        elif self.scan is not None and not self.scan.stop:
            if depth == 3 and tag.name == "row":
                self._row(tag)
            elif depth == 4 and tag.name == "c":
                self._cell(tag)
            elif depth == 5 and tag.name == "f":
                self._formula(tag)
        elif self.scan is not None and depth == 3 and tag.name == "mergeCell":
            block = area(tag.attributes.get("ref", ""))
            if block is not None:
                self.scan.merged.append(block)
        elif depth == 3 and tag.name == "col" and "style" in tag.attributes:
            first, last = tag.attributes.get("min", ""), tag.attributes.get("max", "")
            if first.isdigit() and last.isdigit():
                self.columns.append((int(first), int(last), tag.attributes["style"]))

    def closed(self, name: str, depth: int, inside: int, stop: int) -> None:
        """An end tag of the sheet."""
        if self.scan is None or self.scan.stop:
            return
        if depth == 2 and name == "sheetData":
            self.scan.inside, self.scan.stop = inside, stop
            self.scan.gaps |= dict.fromkeys(self.missing)
        elif depth == 3 and name == "row" and self.row is not None:
            self.row.inside, self.row.stop = inside, stop
            self.row.gaps |= dict.fromkeys(self.pending)
            self.row, self.pending = None, []
        elif depth == 4 and name == "c" and self.place is not None:
            self.place.stop, self.place = stop, None

    def _part(self, tag: Tag) -> None:
        if tag.name == "dimension":
            self.dimension = tag
        elif tag.name == "sheetData":
            if self.scan is not None:
                raise self.fail("it has its cells twice")
            self.scan = Scan(tag, dimension=self.dimension, columns=self.columns)
        elif tag.name == "sheetProtection" and self.scan is not None:
            self.scan.protected = tag.attributes.get("sheet", "").lower() in ("1", "true", "on")

    def _row(self, tag: Tag) -> None:
        assert self.scan is not None
        text_ = tag.attributes.get("r")
        number = self.row_number + 1 if text_ is None else int(text_) if text_.isascii() and text_.isdigit() else 0
        if number <= self.row_number:
            raise self.fail(f"its rows are out of order at row {self.row_number}")
        self.row_number, self.column = number, 0
        while self.missing and self.missing[0] < number:
            self.scan.gaps[self.missing.pop(0)] = tag
        if self.missing and self.missing[0] == number:
            self.row = self.scan.rows[number] = Row(tag, number)
            self.pending = list(self.wanted[self.missing.pop(0)])

    def _cell(self, tag: Tag) -> None:
        reference = tag.attributes.get("r")
        letters = reference.rstrip("0123456789") if reference else ""
        if reference and not (letters.isascii() and letters.isalpha() and len(letters) <= 3):
            raise self.fail(f'"{reference[:20]}" is no cell')
        number = column_number(letters) if reference else self.column + 1
        if number <= self.column:
            raise self.fail(f"the cells of row {self.row_number} are out of order")
        self.column = number
        if self.row is None:
            return
        while self.pending and self.pending[0] < number:
            self.row.gaps[self.pending.pop(0)] = tag
        if self.pending and self.pending[0] == number:
            self.pending.pop(0)
            self.place = self.row.cells[number] = Place(tag)

    def _formula(self, tag: Tag) -> None:
        assert self.scan is not None
        kind = tag.attributes.get("t", "normal")
        if self.place is not None:
            self.place.formula = kind
        block = area(tag.attributes.get("ref", ""))
        if block is None:
            return
        if kind in ("array", "dataTable"):
            self.scan.blocks.append((kind, block))
        elif kind == "shared":
            self.scan.shared[self.row_number, self.column] = block.count


def patched(content: bytes, found: Scan, values: Mapping[Cell, Value]) -> bytes:
    """The sheet with values in the cells that were scanned for."""
    edits: list[Edit] = []
    for (number, column), value in values.items():
        place = found.at((number, column))
        if place is not None:
            new = _cell(place.tag.prefix, number, column, place.tag.attributes.get("s"), value)
            edits.append(Edit(place.tag.start, place.stop, new))
    for row in found.rows.values():
        edits += _into_row(found, row, values)
    edits += _new_rows(found, values)
    if found.dimension is not None:
        edits += _dimension(found.dimension, values)
    return edited(content, edits)


def _cell(prefix: str, row: int, column: int, style: str | None, value: Value) -> bytes:
    """A cell's XML: a number in full, text inside the cell itself, or nothing but the style."""
    head = f'<{prefix}c r="{address(row, column)}"' + (f' s="{int(style)}"' if style and style.isdigit() else "")
    if value is None:
        return f"{head}/>".encode()
    if isinstance(value, str):
        inner = f'<{prefix}is><{prefix}t xml:space="preserve">{text(value)}</{prefix}t></{prefix}is>'
        return f'{head} t="inlineStr">{inner}</{prefix}c>'.encode()
    return f"{head}><{prefix}v>{exact(value)}</{prefix}v></{prefix}c>".encode()


def _into_row(found: Scan, row: Row, values: Mapping[Cell, Value]) -> list[Edit]:
    """The missing cells of a row that is there, styled as its row or column is."""
    if not row.gaps:
        return []
    prefix = row.tag.prefix
    style = row.tag.attributes.get("s") if row.tag.attributes.get("customFormat") in ("1", "true") else None
    new = {
        column: _cell(prefix, row.number, column, style or _column_style(found, column), values[row.number, column])
        for column in sorted(row.gaps)
    }
    changes: dict[str, str | None] = {}
    if "spans" in row.tag.attributes:
        numbers = [int(part) for part in row.tag.attributes["spans"].replace(":", " ").split() if part.isdigit()]
        numbers += list(new)
        changes["spans"] = f"{min(numbers)}:{max(numbers)}"
    if row.tag.closed:
        whole = start_tag(row.tag, changes, closed=False) + b"".join(new.values()) + f"</{prefix}row>".encode()
        return [Edit(row.tag.start, row.tag.stop, whole)]
    edits = []
    if changes and changes["spans"] != row.tag.attributes["spans"]:
        edits.append(Edit(row.tag.start, row.tag.stop, start_tag(row.tag, changes)))
    return edits + _grouped(row.gaps, new, row.inside)


def _new_rows(found: Scan, values: Mapping[Cell, Value]) -> list[Edit]:
    """The rows that were not there, with their cells."""
    prefix = found.data.prefix
    new: dict[int, bytes] = {}
    for number in sorted(found.gaps):
        columns = sorted(column for row, column in values if row == number)
        cells = (_cell(prefix, number, column, _column_style(found, column), values[number, column]) for column in columns)
        new[number] = f'<{prefix}row r="{number}">'.encode() + b"".join(cells) + f"</{prefix}row>".encode()
    if not new:
        return []
    if found.data.closed:
        whole = start_tag(found.data, {}, closed=False) + b"".join(new.values()) + f"</{prefix}sheetData>".encode()
        return [Edit(found.data.start, found.data.stop, whole)]
    return _grouped(found.gaps, new, found.inside)


def _grouped(gaps: Mapping[int, Tag | None], new: Mapping[int, bytes], end: int) -> list[Edit]:
    """One insertion for each place: before the tag that comes next, or at the end. What comes next after a gap always names
    its own address, since without one it would stand right after the one before, and there would be no gap."""
    places: dict[int, bytes] = {}
    for number in sorted(new):
        tag = gaps[number]
        at = tag.start if tag else end
        places[at] = places.get(at, b"") + new[number]
    return [Edit(at, at, content) for at, content in places.items()]


def _dimension(tag: Tag, values: Mapping[Cell, Value]) -> list[Edit]:
    """The used block of the sheet, made larger where a cell lies outside."""
    block = area(tag.attributes.get("ref", ""))
    if block is None or all(cell in block for cell in values):
        return []
    rows, columns = [row for row, _ in values], [column for _, column in values]
    wider = Area(min(block.top, *rows), min(block.left, *columns), max(block.bottom, *rows), max(block.right, *columns))
    return [Edit(tag.start, tag.stop, start_tag(tag, {"ref": str(wider)}))]


def _column_style(found: Scan, column: int) -> str | None:
    return next((style for first, last, style in found.columns if first <= column <= last), None)
