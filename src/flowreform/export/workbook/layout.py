"""Where everything stands in the workbook: the addresses that formulas are printed with.

Rows and columns count from 0, as xlsxwriter does; the numbers inside formulas count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from flowreform.experiment import Points as LeverPoints
from flowreform.export.workbook.book import letters, reference
from flowreform.export.workbook.printer import Addresses, Points
from flowreform.export.workbook.source import InputCell, Source
from flowreform.program import Drive, walk

LeverAt = tuple[int, int, int]
"""A lever over time: its series, the scenario that sets it, and half steps after the time of the row."""
INPUT_FIRST = 7
"""The first row of inputs, on the Inputs and Scenarios sheets alike."""
NAME, LABEL, VALUE, ACTIVE, UNIT, LOW, HIGH, RAG, SOURCE, NOTE, EXPORTED = range(11)
"""The columns of the Inputs sheet."""
SCENARIO_FIRST = 3
"""The first column of scenarios on the Scenarios sheet."""
SCENARIO_NAME_ROW, SCENARIO_LABEL_ROW = 4, 5
"""The rows with each scenario's name and what the selector calls it."""
SELECTOR, SELECTED = (5, 2), (6, 2)
"""The cells of the Control sheet: the scenario chosen, and its number from 1."""
ENGINE_FIRST = 7
"""The row of the start of the run on the Engine sheet."""
ENGINE_COLUMNS = 3
"""Step, time and date come before the variables."""
TABLE_COLUMNS = 4
"""Columns that a graphical function takes on the Lookups sheet: x, y, slope, and a gap."""
LOOKUP_FIRST = 6
"""The first row of points."""


@dataclass(frozen=True)
class TableAt:
    """A table of points: where it stands and what it holds; `name` for people."""

    name: str
    column: int
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Layout:
    """Addresses for formulas, and the plan of the sheets that are laid out by slots.

    `once` lists the slots of the part "worked out" of Inputs with their rows, `begins` those that differ while the run starts;
    `order` is the inputs as they stand; `tables` the graphical functions by number, `lever_tables` those of levers over time
    by series and scenario; `width` is the number of columns of Engine."""

    addresses: Addresses
    order: tuple[InputCell, ...]
    once: tuple[tuple[int, int], ...]
    begins: tuple[tuple[int, int], ...]
    tables: dict[int, TableAt]
    lever_tables: dict[LeverAt, TableAt]
    lever_columns: dict[LeverAt, int]
    number_columns: dict[tuple[int, int | None], int]
    slot_columns: dict[int, int]
    width: int

    def engine_range(self, slot: int, first: int, last: int) -> str:
        """A slot's cells from one step to another (from 0)."""
        column = letters(self.slot_columns[slot])
        return f"Engine!${column}${ENGINE_FIRST + first + 1}:${column}${ENGINE_FIRST + last + 1}"

    def engine_cell(self, slot: int, step: int) -> str:
        """A slot's cell at one step."""
        return reference(ENGINE_FIRST + step, self.slot_columns[slot], sheet="Engine")


def lay_out(source: Source) -> Layout:
    """The layout of a workbook."""
    flat, columns = source.flat, source.columns
    order = _ordered(source)
    cells = {cell.slot: reference(INPUT_FIRST + i, ACTIVE, sheet="Inputs") for i, cell in enumerate(order)}
    row = INPUT_FIRST + len(order) + 4
    once = tuple((slot, row + i) for i, slot in enumerate(flat.once))
    begins = tuple((slot, row + len(once) + i) for i, slot in enumerate(flat.different))
    cells.update({slot: reference(at, ACTIVE, sheet="Inputs") for slot, at in once})
    column = ENGINE_COLUMNS
    slot_columns = {slot: column + i for i, slot in enumerate(columns.slots)}
    column += len(slot_columns)
    number_columns = {pair: column + i for i, pair in enumerate(columns.points)}
    column += len(number_columns)
    looks = sorted({part.later for code in flat.step.values() for part in walk(code) if isinstance(part, Drive)})
    series = [
        (cell.drive, number, later)
        for cell in order
        if cell.drive is not None
        for later in looks
        for number, setting in sorted(cell.settings.items())
        if isinstance(setting, LeverPoints)
    ]
    lever_columns = {pair: column + i for i, pair in enumerate(series)}
    tables, lever_tables = _tables(source, series)
    levers: dict[tuple[int, int], dict[int, str]] = {}
    for (drive, number, later), at in lever_columns.items():
        levers.setdefault((drive, later), {})[number] = letters(at)
    addresses = Addresses(
        columns={slot: letters(at) for slot, at in slot_columns.items()},
        cells=cells,
        begins={slot: reference(at, ACTIVE, sheet="Inputs") for slot, at in begins},
        numbers={pair: letters(at) for pair, at in number_columns.items()},
        tables={number: points_at(table) for number, table in tables.items()},
        levers=levers,
        scenarios=len(source.scenarios),
        selector=reference(*SELECTED, sheet="Control"),
        start="$B$3",
        dt="$B$4",
        first=ENGINE_FIRST + 1,
    )
    return Layout(addresses, order, once, begins, tables, lever_tables, lever_columns, number_columns, slot_columns,
                  column + len(series))  # fmt: skip


def points_at(table: TableAt) -> Points:
    """The addresses of a table of points."""
    first, last = LOOKUP_FIRST + 1, LOOKUP_FIRST + len(table.x)
    x, y, slope = (letters(table.column + i) for i in range(3))
    return Points(
        xs=f"Lookups!${x}${first}:${x}${last}",
        ys=f"Lookups!${y}${first}:${y}${last}",
        slopes=f"Lookups!${slope}${first}:${slope}${last}",
        low=f"Lookups!${x}${first}",
        high=f"Lookups!${x}${last}",
    )


def _tables(source: Source, series: list[LeverAt]) -> tuple[dict[int, TableAt], dict[LeverAt, TableAt]]:
    """Tables side by side: graphical functions first, then levers over time."""
    tables: dict[int, TableAt] = {}
    column = 0
    for number, table in enumerate(source.program.tables):
        if len(table.x) > 1:
            tables[number] = TableAt(table.name, column, table.x, table.y)
            column += TABLE_COLUMNS
    by_drive = {cell.drive: cell for cell in source.inputs if cell.drive is not None}
    levers: dict[LeverAt, TableAt] = {}
    for drive, number, later in series:
        if (drive, number, series[0][2]) in levers:
            levers[(drive, number, later)] = levers[(drive, number, series[0][2])]  # one table for all looks within a step
            continue
        cell = by_drive[drive]
        setting = cell.settings[number]
        assert isinstance(setting, LeverPoints)
        levers[(drive, number, later)] = TableAt(f"{cell.name}: {source.labels[number]}", column, setting.times, setting.values)
        column += TABLE_COLUMNS
    return tables, levers


def _ordered(source: Source) -> tuple[InputCell, ...]:
    """Levers first, then uncertainties, then the rest, each in the model's order."""
    case = source.experiment.case
    levers = set(case.levers) if case else set()
    uncertain = set(source.experiment.uncertainties) | (set(case.uncertainties) if case else set())

    def is_in(cell: InputCell, names: set[str]) -> bool:
        return cell.name in names or cell.variable.name in names

    first = [cell for cell in source.inputs if is_in(cell, levers)]
    second = [cell for cell in source.inputs if is_in(cell, uncertain) and not is_in(cell, levers)]
    rest = [cell for cell in source.inputs if not is_in(cell, levers | uncertain)]
    return tuple(chain(first, second, rest))


__all__ = ["Layout", "LeverAt", "TableAt", "lay_out", "points_at"]
