"""Whether a live workbook still says what the model says: its results against its inputs, cell by cell.

The inputs are read raw, the engine works everything out with them, and each formula cell must still be a formula and show that
value, to 1e-9 of the largest value of its series in any scenario (a column of Engine and Series, a row of Yearly, all of
Triangulation, whose rows are differences of larger numbers).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import digits
from typing import Any

import numpy as np

from flowreform.errors import ExperimentError, InternalError, error
from flowreform.experiment import Experiment
from flowreform.experiment.options import with_options
from flowreform.export.roundtrip.cells import Cell, Formula, Sheets, place, read_sheets
from flowreform.export.roundtrip.inputs import Given, facts, find_origin, given, step_of
from flowreform.export.template.sheet import column_number
from flowreform.export.workbook.book import Book, Live, Page, Progress, lay_out
from flowreform.export.workbook.engine_sheet import columns_of
from flowreform.export.workbook.source import WorkbookSource, read_source, with_inputs
from flowreform.export.workbook.write import write_sheets
from flowreform.names import split

Sheet = dict[tuple[int, int], Live | float]
"""The formulas and numbers of a sheet, by row and column from 1."""


class _Nothing:
    """Stands where xlsxwriter would, and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: _Nothing()


class _Sheet(_Nothing):
    """Keeps what is written where."""

    def __init__(self) -> None:
        self.cells: Sheet = {}

    def write_formula(self, row: int, column: int, formula: str, look: object, value: Any) -> None:
        self.cells[row + 1, column + 1] = Live(formula, value)

    def write_number(self, row: int, column: int, value: float, look: object = None) -> None:
        self.cells[row + 1, column + 1] = value


class _Recorder(Book):
    def __init__(self) -> None:
        self._book = _Nothing()
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self.formulas = 0
        self.pages: dict[str, Page] = {}

    def page(self, name: str, color: str = "") -> Page:
        page = self.pages[name] = Page(self, _Sheet(), name)
        return page

    def close(self) -> None:
        """Put every cell in its place; there is no file to write."""
        for page in self.pages.values():
            page.flush()


@dataclass(frozen=True)
class Recorded:
    """Every sheet by name; and for the columns of Engine (from 1) the size that differences are compared with: the largest
    value in any scenario, and for a balance of the laws that of what it balances, since zero but for rounding has no size.
    `helpers` are the columns with the number of the point that a lookup stands at: at the point itself either side gives the
    same value."""

    sheets: dict[str, Sheet]
    sizes: dict[int, float]
    helpers: frozenset[int]


def recorded(experiment: Experiment, given: Given, dt: float | None, progress: Progress | None = None) -> Recorded:
    """The live workbook of an experiment, as it must be with the inputs given and everything worked out."""
    source = read_source(experiment, given.chosen, dt)
    inputs = tuple(
        dataclasses.replace(
            cell,
            value=given.values[cell.name],
            settings={
                number: given.settings[name][cell.name]
                for number, name in enumerate(source.scenarios)
                if cell.name in given.settings[name]
            },
        )
        for cell in source.inputs
    )
    source = with_inputs(source, inputs)
    book, layout = _Recorder(), lay_out(source)
    write_sheets(book, source, layout, columns_of(source, layout), None, progress or (lambda done, total: None), None)
    book.close()
    found = {name: page.sheet.cells for name, page in book.pages.items()}
    if len([1 for cell in found["Engine"].values() if isinstance(cell, Live)]) < source.columns.count * len(source.rows):
        raise InternalError("the workbook was written past the recorder: its formulas cannot be compared")
    helpers = frozenset(column + 1 for column in layout.number_columns.values())
    sizes = {layout.slot_columns[slot] + 1: size for slot, size in _sizes(source).items() if slot in layout.slot_columns}
    return Recorded(found, sizes, helpers)


def _sizes(source: WorkbookSource) -> dict[int, float]:
    """The size of every slot that has a column."""
    found = {slot: float(np.abs(source.values[slot]).max()) for slot in source.columns.slots}
    places = source.program.places
    for balance, other in (source.laws.conserved if source.laws else {}).items():
        one, two = places[split(balance)[0]], places[split(other)[0]]
        whole = float(np.abs(source.values[list(two.slots)]).max(axis=(1, 2)).sum())
        for slot in one.slots:
            if slot in found:
                found[slot] = max(found[slot], whole)
    return found


# --- a workbook against its model ------------------------------------------------------------------------------------


TOLERANCE = 1e-9
"""Of the largest value of a series: workbooks are worked out by other programs (rule 6)."""
COMPARED = ("Inputs", "Engine", "Yearly", "Triangulation", "Series")
"""The sheets whose values follow from the inputs alone; the others compare with what was exported."""
FROZEN = ("Lookups",)
"""The sheets whose numbers belong to the model."""
RULE = f"values worked out by a spreadsheet: equal to {TOLERANCE:g} of the largest value of each series"
_ENGINE, _SCALE = re.compile(r"Engine!\$?([A-Z]{1,3})\$?[0-9]"), re.compile(r"\*([0-9][0-9.eE+-]*)$")
_TOKEN = re.compile(r'"(?:[^"]|"")*"|[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|\s+|.')


@dataclass(frozen=True)
class Checked:
    """What was found: `changed` input cells (place, name, old, new), formula cells `overwritten` by something else or by
    another formula, numbers of the model `altered`, and cells whose value is `different` (place, shown, worked out)."""

    scenario: str
    formulas: int
    values: int
    largest: float
    changed: tuple[tuple[str, str, object, object], ...]
    overwritten: tuple[str, ...]
    altered: tuple[str, ...]
    different: tuple[tuple[str, object, object], ...]
    rule: str = RULE

    @property
    def same(self) -> bool:
        """Whether the results follow from the inputs."""
        return not (self.overwritten or self.altered or self.different)


def check_workbook(path: Path, progress: Progress | None = None) -> Checked:
    """Read a live workbook, work it out again, and compare.

    Raises ExperimentError where it is none, where the model or experiment is not there or has changed, and for inputs that
    cannot be used."""
    sheets = read_sheets(path)
    told = facts(sheets)
    origin = find_origin(told, path)
    if not origin.same_case:
        reason = "the case file of the model has changed since, and with it what stands where in the workbook"
        raise ExperimentError(error("changed", reason, "restore it, or export anew", file=str(path)))
    experiment = with_options(origin.experiment, origin.told.options, origin.told.settings)
    found = given(sheets, experiment)
    should = recorded(experiment, found, step_of(told, experiment), progress)
    return _compared(sheets, should, found, tuple(found.changed(experiment)))


def _compared(sheets: Sheets, should: Recorded, found: Given, changed: tuple[Any, ...]) -> Checked:
    overwritten: list[str] = []
    altered: list[str] = []
    different: list[tuple[str, object, object]] = []
    formulas = values = 0
    largest = 0.0
    wanted = {
        name: live
        for name, cells in should.sheets.items()
        if (live := {cell: content for cell, content in cells.items() if isinstance(content, Live)}) or name in FROZEN
    }
    for name in wanted:
        if name not in sheets.names:
            reason = "the sheet is missing"
            raise ExperimentError(error("no-sheet", reason, "put it back, or export anew", file=sheets.file, element=name))
    for (name, live), grid in zip(wanted.items(), sheets.grids(tuple(wanted)), strict=True):
        there, rows = grid.formulas, grid.rows
        formulas += len(live)
        broken = set()
        for cell, content in live.items():
            formula = there.get(cell)
            if formula is None or not same_formula(formula, content.formula):
                broken.add(cell)
                overwritten.append(place(name, cell))
        if name in COMPARED:
            sizes = _largest(name, live, should.sizes)
            for cell, content in live.items():
                if name == "Engine" and cell[1] in should.helpers:
                    continue
                shown = _value(rows, cell)
                values += 1
                away = _distance(shown, content.value, sizes[cell])
                if away is None or away > TOLERANCE:
                    different.append((place(name, cell), shown, content.value))
                elif cell not in broken:
                    largest = max(largest, away)
        if name in FROZEN:
            numbers = {
                cell: c for cell, c in should.sheets[name].items() if isinstance(c, int | float) and not isinstance(c, bool)
            }
            altered += [place(name, cell) for cell, number in numbers.items() if _value(rows, cell) != number]
    return Checked(found.chosen, formulas, values, largest, changed, tuple(overwritten), tuple(altered), tuple(different))


def _largest(name: str, live: Mapping[Cell, Live], engine: Mapping[int, float]) -> dict[Cell, float]:
    """What a difference in each cell is compared with: the largest value of its series (a column of Engine and Series, a row of
    Yearly, all of Triangulation), or of the column of Engine that the series is taken from where that is larger."""

    def key(cell: Cell) -> int:
        return cell[1] if name in ("Engine", "Series") else cell[0] if name in ("Yearly", "Inputs") else 0

    largest: dict[int, float] = {}
    for cell, content in live.items():
        size = abs(float(content.value)) if isinstance(content.value, int | float) else 0.0
        if name == "Engine":
            size = max(size, engine.get(cell[1], 0.0))
        elif name in ("Series", "Yearly"):
            taken = (engine.get(column_number(letters), 0.0) for letters in _ENGINE.findall(content.formula))
            scale = _SCALE.search(content.formula)
            size = max(size, max(taken, default=0.0) * min(1.0, float(scale[1]) if scale else 1.0))
        largest[key(cell)] = max(largest.get(key(cell), 0.0), size)
    return {cell: largest[key(cell)] for cell in live}


def _distance(shown: object, wanted: object, size: float) -> float | None:
    """How far a shown value is from the one wanted, of the largest of its series; None when they are not of one kind."""
    if isinstance(wanted, str):
        return 0.0 if isinstance(shown, str) and shown.casefold() == wanted.casefold() else None
    if isinstance(shown, str) or not isinstance(shown, int | float) or not isinstance(wanted, int | float):
        return None
    away = abs(float(shown) - float(wanted))
    if away == 0.0:
        return 0.0
    return away / size if size > 0 else float("inf")


def _value(rows: list[list[Any]], cell: Cell) -> Any:
    row, column = cell[0] - 1, cell[1] - 1
    return rows[row][column] if row < len(rows) and column < len(rows[row]) else ""


def same_formula(there: Formula, wanted: str) -> bool:
    """Whether a formula is the one wanted, whatever a program does to spaces, capitals and the form of numbers when it saves.

    A formula that is shared with another cell shows no text, and counts as the same: its value is compared."""
    text = there.text
    if not text or text == wanted.lstrip("="):
        return True
    return _tokens(text) == _tokens(wanted)


def _tokens(formula: str) -> list[object]:
    found: list[object] = []
    for token in _TOKEN.findall(formula.lstrip("=")):
        if token.isspace():
            continue
        if token[0] in digits or (token[0] == "." and len(token) > 1):
            previous = found[-1] if found else ""
            joined = isinstance(previous, str) and (previous.isalpha() or previous in ("$", "_"))
            found.append(token if joined else float(token))
        else:
            found.append(token if token[0] == '"' else token.upper())
    return found
