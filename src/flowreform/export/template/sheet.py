"""Numbers and text put into cells of one sheet's XML: the cell keeps its style, everything else keeps its bytes.

`scan` goes through the sheet once and finds the cells wanted, or where they belong, and what must not be broken: formulas,
merged cells, array formulas and data tables that cover several cells. `patched` then cuts the new cells in. (ECMA-376, part
1, 18.3.1: rows and cells stand in order; either may leave its own address out, and then follows the one before.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from flowreform.errors import ExperimentError, error
from flowreform.text import as_whole, exact

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
_CELL = re.compile(r"\$?([A-Za-z]{1,3})\$?([1-9][0-9]{0,6})")
_AREA = re.compile(rf"{_CELL.pattern}(?::{_CELL.pattern})?")


@dataclass(frozen=True, slots=True, order=True)
class Area:
    """A block of cells, both corners inside, counted from 1."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """(row, column) of every cell, row by row."""
        return tuple((row, column) for row in range(self.top, self.bottom + 1) for column in range(self.left, self.right + 1))

    @property
    def count(self) -> int:
        """How many cells it has."""
        return (self.bottom - self.top + 1) * (self.right - self.left + 1)

    def __contains__(self, cell: tuple[int, int]) -> bool:
        return self.top <= cell[0] <= self.bottom and self.left <= cell[1] <= self.right

    def __str__(self) -> str:
        first = address(self.top, self.left)
        return first if self.count == 1 else f"{first}:{address(self.bottom, self.right)}"


def column_number(letters: str) -> int:
    """`A` is 1, `AA` is 27; 0 for more letters than any column has."""
    found = 0
    if len(letters) > 3:
        return found
    for letter in letters.upper():
        found = found * 26 + ord(letter) - 64
    return found


def column_letters(number: int) -> str:
    """27 is `AA`."""
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text


def address(row: int, column: int) -> str:
    """Row 5, column 2 is `B5`."""
    return f"{column_letters(column)}{row}"


def area(text: str) -> Area | None:
    """The block that a text such as `$B$5:K5` names; None when it names none."""
    match = _AREA.fullmatch(text.strip())
    if match is None:
        return None
    first, last = (column_number(match[1]), int(match[2])), (column_number(match[3] or match[1]), int(match[4] or match[2]))
    left, right = sorted((first[0], last[0]))
    top, bottom = sorted((first[1], last[1]))
    return Area(top, left, bottom, right) if right <= MOST_COLUMNS and bottom <= MOST_ROWS else None


def split_sheet(text: str) -> tuple[str, str]:
    """`'Ward plan'!B5` as sheet and rest, quotes off; the sheet is empty where none is named."""
    head, mark, rest = text.strip().rpartition("!")
    if not mark:
        return "", text.strip()
    if len(head) >= 2 and head[0] == head[-1] == "'":
        head = head[1:-1].replace("''", "'")
    return head, rest


# --- XML parts -------------------------------------------------------------------------------------------------------


MOST_DEEP = 200
_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag: its bytes from `start` to `stop`; `closed` when it is `<a/>`. `name` has no prefix, `prefix` its colon."""

    name: str
    prefix: str
    attributes: Mapping[str, str]
    start: int
    stop: int
    closed: bool


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """The bytes from `start` to `stop` become `new`."""

    start: int
    stop: int
    new: bytes


Opened = Callable[[Tag, int], None]
"""Told of a start tag and its depth, 1 for the root."""
Closed = Callable[[str, int, int, int], None]
"""Told of an end: the name, its depth, where the end tag begins (for `<a/>`, where it stops) and where the element stops."""


def walk(content: bytes, opened: Opened, closed: Closed, file: str, part: str) -> None:
    """Go through an XML part in order.

    Raises ExperimentError for XML that is not well-formed, has a DOCTYPE, is nested too deeply or is not UTF-8."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    stack: list[Tag] = []

    def fail(reason: str) -> ExperimentError:
        repair = "open it in the program that wrote it and save it again"
        return ExperimentError(error("workbook", reason, repair, file=file, line=parser.CurrentLineNumber, element=part))

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _UTF8:
            raise fail("the part is not UTF-8 text")

    def doctype(*_: object) -> None:
        raise fail("the part declares a DOCTYPE, which a workbook never needs and which can hide entities")

    def start(name: str, attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        match = _TAG.match(content, at)
        if match is None:
            raise fail("the part is not well-formed XML")
        if len(stack) >= MOST_DEEP:
            raise fail(f"elements are nested more than {MOST_DEEP} deep")
        prefix, colon, plain = name.rpartition(":")
        tag = Tag(plain, prefix + colon, attributes, at, match.end(), match[0].endswith(b"/>"))
        stack.append(tag)
        opened(tag, len(stack))

    def end(_: str) -> None:
        tag = stack.pop()
        if tag.closed:
            closed(tag.name, len(stack) + 1, tag.stop, tag.stop)
        else:
            at = parser.CurrentByteIndex
            closed(tag.name, len(stack) + 1, at, content.index(b">", at) + 1)

    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = declared, doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:4]:
        raise fail("the part is not UTF-8 text")
    try:
        parser.Parse(content, True)
    except expat.ExpatError as fault:
        reason = f"the part is not well-formed XML: {expat.ErrorString(fault.code)}"
        raise fail(reason) from None


def edited(content: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes with all edits made; of two at one place the insertion comes first."""
    out, at = bytearray(), 0
    for edit in sorted(edits, key=lambda item: (item.start, item.stop)):
        assert edit.start >= at, "edits overlap"
        out += content[at : edit.start] + edit.new
        at = edit.stop
    return bytes(out + content[at:])


def start_tag(tag: Tag, changes: Mapping[str, str | None], *, closed: bool | None = None) -> bytes:
    """The tag anew, with some attributes changed, added, or (None) left out; other attributes keep their order."""
    kept = {name: changes.get(name, value) for name, value in tag.attributes.items()}
    kept |= {name: value for name, value in changes.items() if name not in kept}
    words = "".join(f" {name}={quoteattr(value)}" for name, value in kept.items() if value is not None)
    end = "/>" if (tag.closed if closed is None else closed) else ">"
    return f"<{tag.prefix}{tag.name}{words}{end}".encode()


def text(value: str) -> str:
    """Text as XML holds it: marks escaped, control characters that XML cannot hold left out."""
    return escape("".join(ch for ch in value if ch in "\t\n" or (ch.isprintable() and ch not in "\ufffe\uffff")))


# --- cells -----------------------------------------------------------------------------------------------------------


Cell = tuple[int, int]
"""Row and column, counted from 1."""
Value = float | str | None
"""What goes into a cell; None empties it."""


@dataclass
class CellPlace:
    """A cell that is there: its tag, where it stops, and the kind of formula in it ("" for none)."""

    tag: Tag
    stop: int = 0
    formula: str = ""


@dataclass
class SheetRow:
    """A row that is there: its tag, where its content ends, where it stops, and its wanted cells."""

    tag: Tag
    number: int
    inside: int = 0
    stop: int = 0
    cells: dict[int, CellPlace] = field(default_factory=dict)
    gaps: dict[int, Tag | None] = field(default_factory=dict)


@dataclass
class Scan:
    """What one sheet holds that matters to the wanted cells. `gaps` has the first row after each missing one."""

    data: Tag
    inside: int = 0
    stop: int = 0
    dimension: Tag | None = None
    rows: dict[int, SheetRow] = field(default_factory=dict)
    gaps: dict[int, Tag | None] = field(default_factory=dict)
    merged: list[Area] = field(default_factory=list)
    blocks: list[tuple[str, Area]] = field(default_factory=list)
    shared: dict[Cell, int] = field(default_factory=dict)
    columns: list[tuple[int, int, str]] = field(default_factory=list)
    protected: bool = False

    def at(self, cell: Cell) -> CellPlace | None:
        """The cell, where it is there."""
        row = self.rows.get(cell[0])
        return row.cells.get(cell[1]) if row else None


def scan(content: bytes, wanted: frozenset[Cell], file: str, part: str) -> Scan:
    """Find the wanted cells of a sheet. Raises ExperimentError for XML that is no sound sheet."""
    found = _SheetScanner(wanted, file, part)
    walk(content, found.opened, found.closed, file, part)
    if found.scan is None:
        raise found.fail("this is no worksheet: it has no cells")
    return found.scan


class _SheetScanner:
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
        self.row: SheetRow | None = None
        self.pending: list[int] = []
        self.place: CellPlace | None = None

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
            first, last = (as_whole(tag.attributes.get(key, "")) for key in ("min", "max"))
            if first is not None and last is not None:
                self.columns.append((first, last, tag.attributes["style"]))

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
        number = self.row_number + 1 if text_ is None else as_whole(text_) or 0
        if number <= self.row_number:
            raise self.fail(f"its rows are out of order at row {self.row_number}")
        self.row_number, self.column = number, 0
        while self.missing and self.missing[0] < number:
            self.scan.gaps[self.missing.pop(0)] = tag
        if self.missing and self.missing[0] == number:
            self.row = self.scan.rows[number] = SheetRow(tag, number)
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
            self.place = self.row.cells[number] = CellPlace(tag)

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
            new = cell_xml(place.tag.prefix, number, column, place.tag.attributes.get("s"), value)
            edits.append(Edit(place.tag.start, place.stop, new))
    for row in found.rows.values():
        edits += _into_row(found, row, values)
    edits += _new_rows(found, values)
    if found.dimension is not None:
        edits += _dimension(found.dimension, values)
    return edited(content, edits)


def cell_xml(prefix: str, row: int, column: int, style: str | None, value: Value) -> bytes:
    """A cell's XML: a number in full, text inside the cell itself, or nothing but the style."""
    head = f'<{prefix}c r="{address(row, column)}"' + (f' s="{number}"' if (number := as_whole(style or "")) is not None else "")
    if value is None:
        return f"{head}/>".encode()
    if isinstance(value, str):
        inner = f'<{prefix}is><{prefix}t xml:space="preserve">{text(value)}</{prefix}t></{prefix}is>'
        return f'{head} t="inlineStr">{inner}</{prefix}c>'.encode()
    return f"{head}><{prefix}v>{exact(value)}</{prefix}v></{prefix}c>".encode()


def _into_row(found: Scan, row: SheetRow, values: Mapping[Cell, Value]) -> list[Edit]:
    """The missing cells of a row that is there, styled as its row or column is."""
    if not row.gaps:
        return []
    prefix = row.tag.prefix
    style = row.tag.attributes.get("s") if row.tag.attributes.get("customFormat") in ("1", "true") else None
    new = {
        column: cell_xml(prefix, row.number, column, style or _column_style(found, column), values[row.number, column])
        for column in sorted(row.gaps)
    }
    changes: dict[str, str | None] = {}
    if "spans" in row.tag.attributes:
        words = row.tag.attributes["spans"].replace(":", " ").split()
        numbers = [number for number in map(as_whole, words) if number is not None]
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
        cells = (cell_xml(prefix, number, column, _column_style(found, column), values[number, column]) for column in columns)
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
