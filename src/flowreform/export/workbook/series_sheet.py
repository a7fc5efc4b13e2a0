"""Series and Baseline: what is shown at the saved times, live from Engine, and frozen from flowreform's own engine.

Charts, key numbers and checks read these two sheets, so that a chart has a hundred points and not thousands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from flowreform.export.workbook.book import (
    CELL,
    GREY,
    HEADER,
    SELECTED,
    SMALL,
    SUBTITLE,
    TITLE,
    Book,
    Live,
    SheetLayout,
    letters,
    number_format,
    plain_text,
    reference,
    style,
)
from flowreform.export.workbook.engine_sheet import NAME_ROW, date_of, describe
from flowreform.export.workbook.source import Floats, Shown, WorkbookSource, moving

FIRST = 7
"""The first row of saved times on both sheets."""
_FIRST_COLUMN = 2


@dataclass
class Series:
    """The columns of the Series sheet: one for each shown series, and further ones that charts and key numbers ask for."""

    source: WorkbookSource
    layout: SheetLayout
    extra: list[tuple[str, str, str, Callable[[int], str], Floats]] = field(default_factory=list)
    known: dict[tuple[str, ...], int] = field(default_factory=dict)

    @property
    def times(self) -> Floats:
        """The saved times."""
        return self.source.rows[list(self.source.saved)]

    @property
    def last(self) -> int:
        """The last row."""
        return FIRST + len(self.source.saved) - 1

    def position(self, name: str) -> int:
        """The column of a shown series."""
        return _FIRST_COLUMN + next(i for i, item in enumerate(self.source.shown) if item.name == name)

    def values(self, name: str, scenario: int | None = None) -> Floats:
        """The engine's values of a shown series at the saved times."""
        number = self.source.chosen if scenario is None else scenario
        return self.source.values[self.source.shown_as(name).slot, list(self.source.saved), number]

    def added(self, key: tuple[str, ...], label: str, unit: str, formula: Callable[[int], str], values: Floats) -> int:
        """A further column, once for each key: `formula` is given the number of a row, from 1."""
        if key not in self.known:
            self.known[key] = _FIRST_COLUMN + len(self.source.shown) + len(self.extra)
            self.extra.append(("/".join(key), label, unit, formula, values))
        return self.known[key]

    def range(self, column: int, first: int = 0, last: int | None = None) -> str:
        """The cells of a column from one saved time to another, counted from 0."""
        end = len(self.source.saved) - 1 if last is None else last
        return f"Series!${letters(column)}${FIRST + first + 1}:${letters(column)}${FIRST + end + 1}"

    def cell(self, column: int, at: int) -> str:
        """One cell."""
        return reference(FIRST + at, column, sheet="Series")

    @property
    def time_range(self) -> str:
        """The saved times."""
        return self.range(0)

    @property
    def axis_range(self) -> str:
        """What charts have along their foot: dates, or times where there is no calendar."""
        case = self.source.experiment.case
        return self.range(1 if case is not None and case.calendar is not None else 0)


def write_series(book: Book, series: Series) -> None:
    """The Series sheet."""
    source, layout = series.source, series.layout
    page = book.page("Series", "#768692")
    page.sheet.set_column(0, 1, 11)
    page.sheet.set_column(_FIRST_COLUMN, _FIRST_COLUMN + len(source.shown) + len(series.extra), 14)
    page.put(0, 0, "Series", TITLE)
    page.put(1, 0, "Values at the saved times, read from Engine; charts and key numbers read them.", SUBTITLE)
    page.put_row(NAME_ROW, 0, ("time", "date"), SMALL)
    page.put_row(NAME_ROW + 1, 0, ("Time", "Date"), HEADER)
    page.put(NAME_ROW + 2, 0, source.model.specs.time_unit, SMALL)
    page.height(NAME_ROW + 1, 58)
    calendar = source.experiment.case.calendar if source.experiment.case else None
    heads = [(item.name, *describe(source, item.slot)[1:]) for item in source.shown]
    heads += [(name, label, unit) for name, label, unit, _, _ in series.extra]
    for i, (name, label, unit) in enumerate(heads):
        page.put(NAME_ROW, _FIRST_COLUMN + i, plain_text(name, 120), SMALL)
        page.put(NAME_ROW + 1, _FIRST_COLUMN + i, plain_text(label, 200), HEADER)
        page.put(NAME_ROW + 2, _FIRST_COLUMN + i, unit, SMALL)
    columns: list[tuple[Callable[[int], str], Floats, str]] = []
    for item in source.shown:
        values = series.values(item.name)
        columns.append((_from_engine(source, layout, item), values, number_format(item.variable.units or "", size=_size(values))))
    for _, _, unit, formula, values in series.extra:
        columns.append((formula, values, number_format(unit, size=_size(values))))
    for at, step in enumerate(source.saved):
        row = FIRST + at
        page.put(row, 0, Live(f"=Engine!$B${row_of(step)}", float(source.rows[step])), style(num_format="0.00"))
        date = date_of(calendar, float(source.rows[step])) if calendar else None
        if date is not None:
            page.put(row, 1, date, style(num_format="mmm yyyy"))
        for i, (formula, values, look) in enumerate(columns):
            given = at if i >= len(source.shown) else step
            text = formula(FIRST + given + 1) if i >= len(source.shown) else formula(step)
            page.put(row, _FIRST_COLUMN + i, Live(text, float(values[at])), style(num_format=look))
    page.finish(freeze=(FIRST, _FIRST_COLUMN), repeat=(NAME_ROW, NAME_ROW + 2))


def row_of(step: int) -> int:
    """The row of a step on Engine, from 1."""
    from flowreform.export.workbook.book import ENGINE_FIRST

    return ENGINE_FIRST + step + 1


def _from_engine(source: WorkbookSource, layout: SheetLayout, item: Shown) -> Callable[[int], str]:
    if not moving(source.flat, item.slot):
        return lambda step: f"={layout.addresses.cells[item.slot]}"
    column = letters(layout.slot_columns[item.slot])
    return lambda step: f"=Engine!{column}{row_of(step)}"


def _size(values: Floats) -> float:
    return float(np.abs(values).max()) if len(values) else 0.0


# --- the frozen baseline ---------------------------------------------------------------------------------------------


def baseline_column(source: WorkbookSource, at: int, scenario: int | None = None) -> int:
    """The column of shown series number `at`: of one scenario, or (None) of the one chosen."""
    width = len(source.scenarios) + 1
    return 1 + at * width + (len(source.scenarios) if scenario is None else scenario)


def baseline_range(source: WorkbookSource, at: int, scenario: int | None = None) -> str:
    """The cells of such a column."""
    column = letters(baseline_column(source, at, scenario))
    return f"Baseline!${column}${FIRST + 1}:${column}${FIRST + len(source.saved)}"


def write_baseline(book: Book, source: WorkbookSource) -> None:
    """What flowreform's engine gave for every scenario at the inputs as exported; and the column of the one chosen."""
    page = book.page("Baseline", "#768692")
    page.put(0, 0, "Baseline", TITLE)
    page.put(
        1, 0, "Numbers from flowreform's own engine at the inputs as exported, for every scenario. They never change.", SUBTITLE
    )
    page.put(NAME_ROW, 0, "time", SMALL)
    page.put(NAME_ROW + 1, 0, "Time", HEADER)
    page.height(NAME_ROW + 1, 58)
    count = len(source.scenarios)
    page.sheet.set_column(0, 0, 9)
    page.sheet.set_column(1, (count + 1) * len(source.shown), 12)
    selected = reference(*SELECTED, sheet="Control")
    for at, item in enumerate(source.shown):
        frozen = source.values[item.slot][list(source.saved)]
        look = style(num_format=number_format(item.variable.units or "", size=float(np.abs(frozen).max())))
        first = baseline_column(source, at, 0)
        for number in range(count + 1):
            page.put(NAME_ROW, first + number, plain_text(item.name, 120), SMALL)
            page.put(NAME_ROW + 1, first + number, source.labels[number] if number < count else "the scenario chosen", HEADER)
        left, right = letters(first), letters(first + count - 1)
        for i in range(len(source.saved)):
            row = FIRST + i
            for number in range(count):
                page.put(row, first + number, float(frozen[i, number]), look)
            chosen = Live(f"=INDEX(${left}{row + 1}:${right}{row + 1},{selected})", float(frozen[i, source.chosen]))
            page.put(row, first + count, chosen, look, style(font_color=GREY))
    for i, step in enumerate(source.saved):
        page.put(FIRST + i, 0, float(source.rows[step]), style(num_format="0.00"))
    page.finish(freeze=(FIRST, 1), repeat=(NAME_ROW, NAME_ROW + 1),
                area=(0, 0, FIRST + min(48, len(source.saved)) - 1, min(12, (count + 1) * len(source.shown))))  # fmt: skip


__all__ = ["CELL", "FIRST", "Series", "baseline_column", "baseline_range", "write_baseline", "write_series"]
