"""An experiment as a form in a spreadsheet: the same tables as in a TOML file, found by what is printed on the sheets.

The sheet System names what is asked, the system and the sheets of those who hold the numbers; these have a row for each field,
with its name in the column Field and what was typed in under Value, Low, High and Source of your number. The sheet Options has
a row for each lever and a column for each scenario. Rows and columns may be moved. `export.form` writes such files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error
from flowreform.formats.workbook_cells import UnreadableBook, sheets_cells
from flowreform.text import as_number
from flowreform.toml import Document, Loc, read_document

SYSTEM, OPTIONS = "System", "Options"
KEY, FIELD, VALUE, LOW, HIGH, SOURCE, LEVER, LABEL = (
    "Key",
    "Field",
    "Value",
    "Low",
    "High",
    "Source of your number",
    "Lever",
    "label",
)
"""Words printed on the sheets."""
SHEETS = "sheets"
LISTS = ("experiment.kpis", "experiment.save", "paper.outcomes", "paper.options", "paper.levers")
TEXTS = ("title", "question", "model", "name", "vocabulary", "source", "baseline", "design", "answer", "decides", "start")
MOST_CELLS = 200_000


def is_workbook(path: str | Path) -> bool:
    """Whether a name is that of a workbook: a form, or a live workbook."""
    return str(path).lower().endswith((".xlsx", ".xlsm"))


def document_at(path: Path) -> Document:
    """The tables of an experiment file, TOML or a form. Raises ExperimentError."""
    if not is_workbook(path):
        return read_document(path, ExperimentError)
    found = form_document(path)
    if found is None:
        reason = f"this workbook is no form: it has no sheet {SYSTEM}"
        raise ExperimentError(error("no-form", reason, "`flowreform new FILE.xlsx --model MODEL` writes one", file=str(path)))
    return found


def form_document(path: Path) -> Document | None:
    """The tables of a form, each with the row of its sheet as its line; None for a workbook that is no form.

    Raises ExperimentError for a file that cannot be read, and for a form without its headings."""
    file = str(path)

    def fault(reason: str, repair: str, element: str = "") -> ExperimentError:
        return ExperimentError(error("form", reason, repair, file=file, element=element))

    try:
        data = path.read_bytes()
        (head,) = sheets_cells(path, [SYSTEM], MOST_CELLS)
    except UnreadableBook as failed:
        if failed.names:
            return None
        raise fault(f"the workbook cannot be read: {failed}", "open it in a spreadsheet and save it again") from failed
    except OSError as failed:
        raise fault(f"the file cannot be read: {failed.strerror}", "check the path") from failed
    table: dict[str, Any] = {"experiment": {}, "system": {}, "scenarios": {}}
    lines: dict[Loc, int] = {}
    names: list[str] = []
    for at, row in _below(head, (KEY, VALUE)) or ():
        key, value = str(row[KEY]).strip(), row[VALUE]
        if key == SHEETS:
            names = [part.strip() for part in str(value).split(",") if part.strip()]
        elif key and value != "":
            _put(table, lines, tuple(key.split(".")), _typed(key, value), at)
    if not table["experiment"]:
        return None
    try:
        grids = sheets_cells(path, [*names, OPTIONS], MOST_CELLS)
    except UnreadableBook as failed:
        raise fault(f"a sheet is missing or cannot be read: {failed}", f"the form has {', '.join((*names, OPTIONS))}") from failed
    for name, grid in zip(names, grids, strict=False):
        rows = _below(grid, (FIELD, VALUE, LOW, HIGH, SOURCE))
        if rows is None:
            raise fault(f"the headings {FIELD}, {VALUE}, {LOW}, {HIGH} and {SOURCE} are missing", "put them back", name)
        for at, row in rows:
            entry = {key: row[word] for key, word in (("value", VALUE), ("low", LOW), ("high", HIGH)) if row[word] != ""}
            if not str(row[FIELD]).strip() or not entry:
                continue
            if str(row[SOURCE]).strip():
                entry["source"] = str(row[SOURCE]).strip()
            _put(table, lines, ("system", *str(row[FIELD]).strip().split(".")), entry, at)
    _options(grids[-1], table, lines)
    table = {key: value for key, value in table.items() if value}
    return Document(file, table, lines, hashlib.sha256(data).hexdigest())


def _options(grid: list[list[Any]], table: dict[str, Any], lines: dict[Loc, int]) -> None:
    """A scenario for each column right of Unit."""
    at = next((at for at, row in enumerate(grid) if LEVER in row), None)
    if at is None:
        return
    head = [str(cell).strip() for cell in grid[at]]
    own = head.index(LEVER)
    for column, name in enumerate(head):
        if column <= own or not name or name in ("What it is", "Unit"):
            continue
        loc: Loc = ("scenarios", name)
        _put(table, lines, loc, {"set": {}}, at + 1)
        for line, row in enumerate(grid[at + 1 :], at + 2):
            lever, value = str(row[own]).strip(), row[column]
            if not lever or value == "":
                continue
            if lever == LABEL:
                table["scenarios"][name]["label"] = str(value)
            else:
                table["scenarios"][name]["set"][lever] = float(value) if isinstance(value, int) else value
                lines[(*loc, "set", lever)] = line


def _below(grid: list[list[Any]], heads: Sequence[str]) -> list[tuple[int, dict[str, Any]]] | None:
    """The rows below the first row that holds all headings, each with its number and its cells by heading."""
    for at, cells in enumerate(grid):
        words = [str(cell).strip() for cell in cells]
        if all(head in words for head in heads):
            places = {head: words.index(head) for head in heads}
            return list(_cells(grid, at + 1, places))
    return None


def _cells(grid: list[list[Any]], first: int, places: dict[str, int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for at, cells in enumerate(grid[first:], first + 1):
        yield (
            at,
            {head: (cells[place].strip() if isinstance(cells[place], str) else cells[place]) for head, place in places.items()},
        )


def _typed(key: str, value: Any) -> Any:
    last = key.rpartition(".")[2]
    if key in LISTS:
        return [part.strip() for part in str(value).split(",") if part.strip()]
    if last in TEXTS:
        return str(value).removesuffix(" 00:00:00")
    if isinstance(value, float) and value == int(value) and last in ("draws", "seed"):
        return int(value)
    if isinstance(value, str) and (found := as_number(value)) is not None:
        return int(found) if last in ("draws", "seed") else found
    return value


def _put(table: dict[str, Any], lines: dict[Loc, int], loc: Loc, value: Any, line: int) -> None:
    place = table
    for part in map(str, loc[:-1]):
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            return
    if isinstance(value, dict) and "value" in value and len(value) == 1:
        value = value["value"]
    place[str(loc[-1])] = value
    lines[loc] = line
