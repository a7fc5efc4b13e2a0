"""The workbook as it should be, cell by cell, without a file: what the writer of the live workbook would put where."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowreform.errors import InternalError
from flowreform.experiment import Experiment
from flowreform.export.roundtrip.inputs import Given
from flowreform.export.workbook.book import Book, Live, Page, Progress
from flowreform.export.workbook.engine_sheet import columns_of
from flowreform.export.workbook.layout import lay_out
from flowreform.export.workbook.source import Source, read_source, with_inputs
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


@dataclass(frozen=True)
class Recorded:
    """Every sheet by name; and for the columns of Engine (from 1) the size that differences are compared with: the largest
    value in any scenario, and for a balance of the laws that of what it balances, since nought but for rounding has no size.
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


def _sizes(source: Source) -> dict[int, float]:
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
