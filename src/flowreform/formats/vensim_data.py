"""Numbers and series that a Vensim model keeps in a spreadsheet or a text table beside it.

`GET XLS/DIRECT CONSTANTS('file', 'tab', 'cell')`, `... LOOKUPS('file', 'tab', 'x row or column', 'cell')` and
`... DATA(...)` are read once, when the model is: constants become numbers, the other two lookups (data is read at Time).
The file must lie in the model's folder or below; every other place is refused by its name alone, before anything is opened.

A digit for the row or column means that the series runs along that row, letters that it runs down that column, anything
else is a named range. In a text table the tab is the character between the cells.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from flowreform.errors import shorten
from flowreform.files import resolved
from flowreform.formats.limits import Limits, how_to_raise
from flowreform.formats.vensim_equations import Unreadable, make_lookup
from flowreform.formats.vensim_expr import VensimReference
from flowreform.formats.workbook_cells import UnreadableBook, sheet_cells
from flowreform.model import Lookup, LookupKind, Number
from flowreform.text import as_number, as_whole

_SHEETS = {".xls", ".xlsx", ".xlsm", ".xlsb", ".ods"}
_CELL = re.compile(r"^\s*([A-Za-z]{1,3})([1-9][0-9]{0,6})\s*(\*?)\s*$")
_NAMED = re.compile(r"^(?:'((?:[^']|'')+)'|([^'!]+))!\$?([A-Za-z]{1,3})\$?([0-9]{1,7})(?::\$?([A-Za-z]{1,3})\$?([0-9]{1,7}))?$")
_SPREADSHEET_SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_MOST_UNPACKED = 10
"""How many times its packed size limit a workbook may unpack to."""

Grid = list[list[float]]


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A rectangle of cells from 0; the ends are behind the last row and column, None for all there is."""

    top: int
    left: int
    bottom: int | None = None
    right: int | None = None


@dataclass(slots=True)
class Loader:
    """Reads the references of one model file; each table is read once."""

    folder: Path
    file: str
    limits: Limits
    tags: Sequence[tuple[str, str]] = ()
    _grids: dict[tuple[Path, str], Grid] = field(default_factory=dict)

    def place(self, text: str) -> Path:
        """The data file that a reference names. `?tag` is the file that the model's settings give for it, beside the model:
        the folder in which somebody else kept it says nothing here."""
        for tag, name in self.tags:
            if text.strip().lower() == tag:
                return locate(self.folder, name.replace("\\", "/").rpartition("/")[2])
        return locate(self.folder, text)

    def labels(self, file: str, tab: str, first: str, last: str, prefix: str) -> list[str]:
        """The names in a row or column of cells, from `first` to `last`: the elements of a subscript range. `last` is a cell, or
        letters for "down that column to its end", or digits for "along that row to its end". Raises Unreadable."""
        begin, end = _corner(first), _corner(last)
        if begin is None:
            raise Unreadable(f"{first!r} is no cell", "write a cell such as B2")
        cells = self._texts(self.place(file), tab)
        if end is not None:
            bottom, right = end.top + 1, end.left + 1
        elif as_whole(last) is not None:
            bottom, right = begin.top + 1, max((len(row) for row in cells), default=0)
        else:
            bottom, right = len(cells), begin.left + 1
        if not 0 < (bottom - begin.top) * (right - begin.left) <= self.limits.elements:
            raise Unreadable(f"the cells from {first} to {last} are none, or too many", how_to_raise("elements"))
        found = [
            cells[row][column].strip() if row < len(cells) and column < len(cells[row]) else ""
            for row in range(begin.top, bottom)
            for column in range(begin.left, right)
        ]
        return [prefix + text for text in found if text]

    def _texts(self, path: Path, tab: str) -> list[list[str]]:
        if path.stat().st_size > self.limits.file_bytes:
            raise Unreadable(f"{path.name} has more than {self.limits.file_bytes:,} bytes", how_to_raise("file_bytes"))
        if path.suffix.lower() in _SHEETS:
            return [[_as_text(cell) for cell in row] for row in self._cells(path, tab)]
        return _rows(path, tab)

    def load(self, external: VensimReference, keyword: str | None, places: list[tuple[str, ...]]) -> list[Number | Lookup]:
        """A number or lookup for each of `places`, the elements that the left side stands for.

        Raises Unreadable for a place outside the model's folder, and for a file or cells that are not there."""
        path = self.place(external.texts[0])
        tab = external.texts[1]
        if external.kind == "constants":
            values = self._constants(path, tab, external.texts[2], _shape(places))
            return [Number(value) for value in values]
        if len(_shape(places)) > 1:
            raise Unreadable(
                "a series from a file fills two dimensions at once", "write one equation for each element of one of them"
            )
        x, columns = self._series(path, tab, external.texts[2], external.texts[3], len(places))
        return [_as_lookup(x, column, keyword if external.kind == "data" else None) for column in columns]

    def _constants(self, path: Path, tab: str, cell: str, shape: tuple[int, ...]) -> list[float]:
        """Cells from `cell` on, one row for each element of the first of two dimensions; with a star, columns for rows."""
        if len(shape) > 2:
            raise Unreadable(
                "a table from a file fills three dimensions at once", "write one equation for each element of one of them"
            )
        rows, columns = (1, 1, *shape)[-2:]
        block = _corner(cell)
        turned = cell.strip().endswith("*") and rows * columns > 1
        if block is None:
            grid = self._cut(path, tab, self._range(path, tab, cell.strip().removesuffix("*")))
        else:
            down, across = (columns, rows) if turned else (rows, columns)
            grid = self._cut(path, tab, DataBlock(block.top, block.left, block.top + down, block.left + across))
        if turned:
            grid = [list(row) for row in zip(*grid, strict=True)]
        values = [value for row in grid for value in row]
        if len(values) != rows * columns:
            raise Unreadable(f"{len(values)} cells at {cell} for {rows * columns} elements", "name as many cells as elements")
        if any(math.isnan(value) for value in values):
            raise Unreadable(f"a cell at {cell} holds no number", "fill it")
        return values

    def _series(self, path: Path, tab: str, across: str, cell: str, count: int) -> tuple[list[float], list[list[float]]]:
        """The x values and, for each element, the y values."""
        corner = _corner(cell)
        if corner is None:
            head = self._cut(path, tab, self._range(path, tab, across))
            body = self._cut(path, tab, self._range(path, tab, cell))
            if len(head) == 1:
                head, body = [list(row) for row in zip(*head, strict=True)], [list(row) for row in zip(*body, strict=True)]
            x, rows = [row[0] for row in head], body
        elif 0 < (as_whole(across) or 0) < 10**7:
            number = (as_whole(across) or 0) - 1
            x = self._cut(path, tab, DataBlock(number, corner.left, number + 1))[0]
            rows = [
                list(row)
                for row in zip(*self._cut(path, tab, DataBlock(corner.top, corner.left, corner.top + count)), strict=True)
            ]
        elif re.fullmatch(r"\s*[A-Za-z]{1,3}\s*", across):
            column = _column(across.strip())
            x = [row[0] for row in self._cut(path, tab, DataBlock(corner.top, column, None, column + 1))]
            rows = self._cut(path, tab, DataBlock(corner.top, corner.left, None, corner.left + count))
        else:
            raise Unreadable(f"{across!r} is neither a row nor a column", "write the row's number or the column's letters")
        if len(rows) != len(x) or any(len(row) != count for row in rows):
            raise Unreadable(
                f"the cells at {cell} do not fit the {len(x)} values of {across} and {count} elements", "correct the references"
            )
        kept = [(value, row) for value, row in zip(x, rows, strict=True) if not math.isnan(value)]
        if not kept:
            raise Unreadable(f"{across} holds no numbers", "correct the references")
        kept.sort(key=lambda pair: pair[0])
        return [value for value, _ in kept], [[row[number] for _, row in kept] for number in range(count)]

    def _cut(self, path: Path, tab: str, block: DataBlock) -> Grid:
        """The cells of a block; cells beyond the table's edge inside a bounded block are missing (NaN)."""
        grid = self._grid(path, tab)
        width = max((len(row) for row in grid), default=0)
        bottom = len(grid) if block.bottom is None else block.bottom
        right = width if block.right is None else block.right
        if block.top >= len(grid) or block.left >= width or bottom <= block.top or right <= block.left:
            raise Unreadable(f"{path.name} has no such cells", "correct the references")
        if (bottom - block.top) * (right - block.left) > self.limits.elements:
            raise Unreadable(f"more than {self.limits.elements:,} cells are asked for", how_to_raise("elements"))
        rows = [grid[number] if number < len(grid) else [] for number in range(block.top, bottom)]
        return [[row[number] if number < len(row) else math.nan for number in range(block.left, right)] for row in rows]

    def _grid(self, path: Path, tab: str) -> Grid:
        key = (path, tab)
        if key not in self._grids:
            if path.stat().st_size > self.limits.file_bytes:
                raise Unreadable(f"{path.name} has more than {self.limits.file_bytes:,} bytes", how_to_raise("file_bytes"))
            read = self._sheet if path.suffix.lower() in _SHEETS else _table
            self._grids[key] = read(path, tab)
        return self._grids[key]

    def _sheet(self, path: Path, tab: str) -> Grid:
        return [[_number(cell) for cell in row] for row in self._cells(path, tab)]

    def _cells(self, path: Path, tab: str) -> list[list[Any]]:
        self._check_packed(path)
        try:
            return sheet_cells(path, tab, 10 * self.limits.elements)
        except UnreadableBook as fault:
            repair = f"it has {', '.join(fault.names)}" if fault.names else "save the workbook again"
            raise Unreadable(f"{path.name} cannot be read: {fault}", repair) from fault

    def _check_packed(self, path: Path) -> None:
        """Refuse a workbook that unpacks to far more than a file may be."""
        if not zipfile.is_zipfile(path):
            return
        try:
            with zipfile.ZipFile(path) as packed:
                size = sum(item.file_size for item in packed.infolist())
        except (OSError, zipfile.BadZipFile, NotImplementedError) as fault:
            raise Unreadable(f"{path.name} cannot be read: {str(fault)[:100]}", "save the workbook again") from fault
        if size > _MOST_UNPACKED * self.limits.file_bytes:
            raise Unreadable(f"{path.name} unpacks to too many bytes", how_to_raise("file_bytes"))

    def _range(self, path: Path, tab: str, name: str) -> DataBlock:
        """The cells of a named range of an .xlsx workbook; a name of the sheet's own wins over one of the book's."""
        if path.suffix.lower() not in (".xlsx", ".xlsm"):
            raise Unreadable(f"{name!r} is no cell, and {path.name} has no named ranges", "write a cell such as B2")
        self._check_packed(path)
        found = _named_ranges(path).get((tab.lower(), name.lower()))
        if found is None:
            raise Unreadable(f"{path.name} has no range named {name!r} on sheet {tab!r}", "correct the name")
        return found


def locate(folder: Path, text: str) -> Path:
    """The data file named in a model, which must lie in the model's folder or below.

    Nothing is opened, and no place outside is even asked for. Raises Unreadable."""
    plain = text.strip().replace("\\", "/")
    repair = "put the file into the model's folder and name it without a path"
    if not plain or any(not character.isprintable() for character in plain):
        raise Unreadable("the data file has no usable name", repair)
    if plain.startswith("?"):
        raise Unreadable(f"'{text}' names a data file through Vensim's settings, which is not supported", repair)
    if plain.startswith("//"):
        raise Unreadable(f"the data file '{text}' is on another machine", repair)
    if plain.startswith(("/", "~")) or ":" in plain:
        raise Unreadable(f"the data file '{text}' has an absolute path", repair)
    if ".." in PurePosixPath(plain).parts:
        raise Unreadable(f"the data file '{text}' is outside the model's folder", repair)
    try:
        root = resolved(folder)
        path = resolved(root / plain)
        there = path.is_file()
    except OSError as fault:  # a name that is too long, a folder that may not be looked into
        raise Unreadable(f"the data file '{shorten(text)}' cannot be read: {fault.strerror or fault}", repair) from fault
    if not path.is_relative_to(root):
        raise Unreadable(f"the data file '{text}' is outside the model's folder", repair)
    if not there:
        raise Unreadable(f"the data file '{text}' is not there", "put it beside the model, or correct its name")
    return path


def _shape(places: Sequence[tuple[str, ...]]) -> tuple[int, ...]:
    """The sizes of those subscripts of a left side that stand for more than one element."""
    sizes = (len(set(column)) for column in zip(*places, strict=True)) if places and places[0] else ()
    return tuple(size for size in sizes if size > 1)


def _as_lookup(x: list[float], y: list[float], keyword: str | None) -> Lookup:
    """The series as a lookup of Time (or of any x): interpolated, or held, or there at its own times only."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if keyword == "raw" or not math.isnan(b)]
    if not points:
        raise Unreadable("the series has no numbers", "correct the references")
    plain = make_lookup([point[0] for point in points], [point[1] for point in points])
    if keyword == "hold_backward":
        return Lookup(plain.x, plain.y, LookupKind.DISCRETE)
    if keyword == "look_forward":  # from just behind one point on, the value of the next
        behind = [plain.x[0], *(_behind(value) for value in plain.x[:-1])]
        return _discrete(list(zip(behind, plain.y, strict=True)))
    if keyword == "raw":
        raw: list[tuple[float, float]] = [(plain.x[0] - 1.0, math.nan)]
        for a, b in zip(plain.x, plain.y, strict=True):
            raw += [(a - (_behind(a) - a), b), (_behind(a), math.nan)]
        return _discrete(raw)
    return plain


def _behind(value: float) -> float:
    """A hair after a time: far under any step, far over the rounding of t0 + n * dt."""
    return value + 1e-9 * max(1.0, abs(value))


def _discrete(points: list[tuple[float, float]]) -> Lookup:
    rising = [pair for number, pair in enumerate(points) if number == 0 or pair[0] > points[number - 1][0]]
    return Lookup(tuple(pair[0] for pair in rising), tuple(pair[1] for pair in rising), LookupKind.DISCRETE)


def _corner(cell: str) -> DataBlock | None:
    """The top left corner a cell such as `B2` names, or None for a name."""
    found = _CELL.match(cell)
    return DataBlock(int(found.group(2)) - 1, _column(found.group(1))) if found else None


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _number(cell: Any) -> float:
    """The number in a cell; NaN for anything else."""
    if isinstance(cell, str):
        return math.nan if (value := as_number(cell)) is None else value
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan


def _table(path: Path, tab: str) -> Grid:
    return [[_number(cell) for cell in row] for row in _rows(path, tab)]


def _rows(path: Path, tab: str) -> list[list[str]]:
    """A text table; the tab is the character between its cells, by default a comma in .csv files and a tabulator elsewhere."""
    mark = "\t" if tab == "\\t" else tab
    if len(mark) != 1 or mark.isalnum():
        mark = "," if path.suffix.lower() == ".csv" else "\t"
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    except (OSError, csv.Error, ValueError) as fault:
        raise Unreadable(f"{path.name} cannot be read: {str(fault)[:100]}", "save it again as a text table") from fault


def _as_text(cell: Any) -> str:
    """A cell as the name it spells: whole numbers without a point."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _named_ranges(path: Path) -> dict[tuple[str, str], DataBlock]:
    """Every named range of a workbook by sheet and name in lower case."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=False)
    try:
        with zipfile.ZipFile(path) as packed:
            root = etree.fromstring(packed.read("xl/workbook.xml"), parser)
    except (OSError, KeyError, zipfile.BadZipFile, etree.XMLSyntaxError) as fault:
        raise Unreadable(f"{path.name} cannot be read: {str(fault)[:100]}", "save the workbook again") from fault
    found: dict[tuple[str, str], DataBlock] = {}
    for item in root.iter(f"{{{_SPREADSHEET_SPACE}}}definedName"):
        cells = _NAMED.match((item.text or "").strip())
        if not cells:
            continue
        sheet = (cells.group(1) or cells.group(2)).replace("''", "'").lower()
        top, left = int(cells.group(4)) - 1, _column(cells.group(3))
        bottom = int(cells.group(6)) if cells.group(6) else top + 1
        right = _column(cells.group(5)) + 1 if cells.group(5) else left + 1
        key = (sheet, (item.get("name") or "").lower())
        if key not in found or item.get("localSheetId") is not None:
            found[key] = DataBlock(top, left, bottom, right)
    return found
