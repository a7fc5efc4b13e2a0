"""Checks: whether the workbook can be trusted, worked out in the workbook itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowreform.export.workbook.book import (
    AMBER,
    CELL,
    ENGINE_COLUMNS,
    ENGINE_FIRST,
    EXPORTED,
    GREEN,
    HEADER,
    HEADING,
    INPUT_FIRST,
    PALE,
    RED,
    SCENARIO_FIRST,
    SELECTED,
    SMALL,
    SUBTITLE,
    TITLE,
    VALUE,
    WRAPPED,
    Book,
    Live,
    Page,
    SheetLayout,
    letters,
    reference,
    style,
)
from flowreform.export.workbook.engine_sheet import Column, last_point
from flowreform.export.workbook.series_sheet import Series, baseline_range
from flowreform.export.workbook.source import Floats, Shown, WorkbookSource, moving
from flowreform.model import LookupKind
from flowreform.names import element_names, split
from flowreform.text import spoken

TOLERANCE = 1e-9
"""The largest difference to the engine, of the largest value of a series, and the largest imbalance of people or money."""
GUARD = 1e-9
"""How far beyond the ends of a lookup, of its whole width, still counts as on the end."""
OK, FAILED, CHANGED = "OK", "CHECK", "inputs changed"
OVERALL = (4, 2)
"""The cell with the answer of all checks together."""
CHANGED_CELL = (5, 2)
"""The cell with the number of inputs changed since the file was written."""
FIRST = 9


@dataclass
class _ChecksWriter:
    page: Page
    row: int
    statuses: list[int]

    def title(self, text: str, note: str = "") -> None:
        self.row += 1
        self.page.put_row(self.row, 0, (text, None, None, None, None, None), HEADING, style(bg_color=PALE))
        if note:
            self.page.put(self.row + 1, 0, note, SMALL)
            self.row += 1
        self.row += 1

    def line(self, what: str, found: Live, limit: float | int | Live, ok: str, passed: bool = True, show: str = "0") -> None:
        """One check: what is found, what it may be, and its status; `ok` is a condition on `{found}` and `{limit}`."""
        self._status(what, found, limit, ok, OK if passed else FAILED, show, f'IF({ok},"{OK}","{FAILED}")')

    def against_engine(self, what: str, found: Live, show: str = "0.0E+00") -> None:
        """A check against the frozen baseline: only while no input has been changed."""
        changed = reference(*CHANGED_CELL)
        text = f'IF({changed}>0,"{CHANGED}",IF({{found}}<={TOLERANCE!r},"{OK}","{FAILED}"))'
        self._status(what, found, TOLERANCE, "", OK if float(found.value) <= TOLERANCE else FAILED, show, text)

    def _status(self, what: str, found: Live, limit: float | int | Live, ok: str, value: str, show: str, text: str) -> None:
        cells = {"found": reference(self.row, 2), "limit": reference(self.row, 3)}
        self.page.put(self.row, 0, what, WRAPPED)
        self.page.put(self.row, 2, found, CELL, style(num_format=show))
        self.page.put(self.row, 3, limit, CELL, style(num_format=show))
        formula = text.format(**cells)
        self.page.put(self.row, 4, Live(f"={formula}", value), CELL, style(bold=True, align="center"))
        self.statuses.append(self.row)
        self.row += 1


def write_checks(
    book: Book,
    source: WorkbookSource,
    layout: SheetLayout,
    columns: list[Column],
    series: Series,
    accounts: list[tuple[str, str, float]],
) -> None:
    """The sheet."""
    page = book.page("Checks", "#DA291C")
    page.widths(64, 3, 16, 16, 18, 4, *([14] * (2 + len(source.scenarios))))
    page.put(0, 0, "Checks", TITLE)
    page.put(
        1, 0, "From this workbook's own cells. Checks against the engine apply as long as no input has been changed.", SUBTITLE
    )
    page.put(4, 0, "All checks", style(bold=True, font_size=12))
    page.put(5, 0, "Inputs and scenario settings changed since this file was written", CELL)
    page.put_row(FIRST - 1, 0, ("Check", "", "Found", "Limit", "Status"), HEADER)
    writer = _ChecksWriter(page, FIRST - 1, [])
    _cells(writer, source, layout)
    _lookups(writer, source, layout)
    _laws(writer, source, layout)
    if accounts:
        writer.title("Flows account for stocks", "The largest difference of any year on the Triangulation sheet.")
        for label, cells, worst in accounts:
            writer.line(label, Live(f"=MAX({cells})", worst), TOLERANCE, "{found}<={limit}", worst <= TOLERANCE, "0.0E+00")
    first = writer.row + 3  # below a blank row, a title and a note
    _engine(writer, source, layout, columns, series)
    block = f"{reference(first, 2)}:{reference(first + len(source.shown) - 1, 2)}"
    page.put(6, 0, "Largest difference to flowreform's engine, of the largest value of a series", CELL)
    page.put(6, 2, Live(f"=MAX({block})", 0.0), CELL, style(num_format="0.0E+00", align="center"))
    _own_dt(writer, source)
    rows = writer.statuses
    statuses = f"{reference(rows[0], 4)}:{reference(rows[-1], 4)}"
    count = f'({len(rows)}-COUNTIF({statuses},"{OK}")-COUNTIF({statuses},"{CHANGED}"))'  # an error is a failure, too
    page.put(
        *OVERALL, Live(f'=IF({count}=0,"{OK}",{count}&" failed")', OK), style(bold=True, align="center", border=1, font_size=12)
    )
    page.put(*CHANGED_CELL, Live(_changed(source, layout), 0), CELL, style(num_format="0", align="center"))
    for row, column in ((OVERALL), (rows[0], 4)):
        last = rows[-1] if (row, column) != OVERALL else row
        _colours(book, page, row, column, last)
    page.finish(freeze=(FIRST, 1), repeat=(FIRST - 1, FIRST - 1), area=(0, 0, writer.row, 4), landscape=False)


def _colours(book: Book, page: Page, row: int, column: int, last: int) -> None:
    for words, colour in ((OK, GREEN), (FAILED, RED), ("failed", RED), (CHANGED, AMBER)):
        page.sheet.conditional_format(
            row, column, last, column,
            {"type": "text", "criteria": "containing", "value": words, "format": book.format(style(bg_color=colour))},
        )  # fmt: skip


def colour_status(book: Book, page: Page, row: int, column: int) -> None:
    """Green, amber and red for a cell that shows a status."""
    _colours(book, page, row, column, row)


def _changed(source: WorkbookSource, layout: SheetLayout) -> str:
    first, last = INPUT_FIRST + 1, INPUT_FIRST + len(layout.order)
    value, kept = letters(VALUE), letters(EXPORTED)
    count = len(source.scenarios)
    left, right = letters(SCENARIO_FIRST), letters(SCENARIO_FIRST + count - 1)
    copy, end = letters(SCENARIO_FIRST + count + 1), letters(SCENARIO_FIRST + 2 * count)
    inputs = f"SUMPRODUCT(--(Inputs!${value}${first}:${value}${last}<>Inputs!${kept}${first}:${kept}${last}))"
    settings = f"SUMPRODUCT(--(Scenarios!${left}${first}:${right}${last}<>Scenarios!${copy}${first}:${end}${last}))"
    return f"={inputs}+{settings}"


def _cells(writer: _ChecksWriter, source: WorkbookSource, layout: SheetLayout) -> None:
    writer.title("Cells")
    rows, width = len(source.rows), layout.width - ENGINE_COLUMNS
    first, last = letters(ENGINE_COLUMNS), letters(layout.width - 1)
    block = f"Engine!${first}${ENGINE_FIRST + 1}:${last}${ENGINE_FIRST + rows}"
    writer.line("Cells of Engine that are no number (errors, text, empty)", Live(f"={rows * width}-COUNT({block})", 0), 0,
                "{found}={limit}")  # fmt: skip
    count = len(layout.order)
    cells = f"Inputs!${letters(VALUE)}${INPUT_FIRST + 1}:${letters(VALUE)}${INPUT_FIRST + count}"
    writer.line("Inputs that are no number", Live(f"={count}-COUNT({cells})", 0), 0, "{found}={limit}")
    active = f"Inputs!$D${INPUT_FIRST + 1}:$D${INPUT_FIRST + count}"
    low = f"Inputs!$L${INPUT_FIRST + 1}:$L${INPUT_FIRST + count}"
    high = f"Inputs!$M${INPUT_FIRST + 1}:$M${INPUT_FIRST + count}"
    outside = sum(
        not (low_of(cell.variable.range[0], -1) <= _active(source, cell.slot) <= low_of(cell.variable.range[1], 1))
        for cell in layout.order
    )
    writer.line("Active values outside the model's range", Live(f"=SUMPRODUCT(({active}<{low})+({active}>{high}))", outside),
                outside, "{found}<={limit}")  # fmt: skip


def low_of(bound: float | None, sign: int) -> float:
    """A bound of a range as a number: an open side is as far as numbers go."""
    return sign * 1e300 if bound is None else bound


def _active(source: WorkbookSource, slot: int) -> float:
    return float(source.values[slot, 0, source.chosen])


def _lookups(writer: _ChecksWriter, source: WorkbookSource, layout: SheetLayout) -> None:
    pairs = [pair for pair in source.columns.points if source.program.tables[pair[0]].kind is not LookupKind.EXTRAPOLATE]
    if not pairs:
        return
    writer.title(
        "Lookups",
        "Steps at which a lookup is read outside its points, where it holds its end; the limit is what the engine found.",
    )
    selected = reference(*SELECTED, sheet="Control")
    for number, slot in pairs:
        table = source.program.tables[number]
        points = layout.addresses.tables[number]
        if slot is None:
            cells = f"Engine!$B${ENGINE_FIRST + 1}:$B${ENGINE_FIRST + len(source.rows)}"
            values = np.repeat(source.rows[:, None], len(source.scenarios), axis=1)
        else:
            cells = layout.engine_range(slot, 0, len(source.rows) - 1)
            values = source.values[slot]
        # A spreadsheet takes nearly equal numbers for equal: what lies on an end to nine digits is not outside.
        slack = GUARD * (table.x[-1] - table.x[0])
        outside = (values < table.x[0] - slack) | (values > table.x[-1] + slack)
        counts = [int(count) for count in outside.sum(axis=0)]
        for i, count in enumerate(counts):
            writer.page.put(writer.row, 6 + i, count, SMALL)
        frozen = f"{reference(writer.row, 6)}:{reference(writer.row, 5 + len(counts))}"
        live = Live(f"=SUMPRODUCT(({cells}<{points.low}-{slack!r})+({cells}>{points.high}+{slack!r}))", counts[source.chosen])
        limit = Live(f"=INDEX({frozen},{selected})", counts[source.chosen])
        changed = reference(*CHANGED_CELL)
        label = spoken(source.model.variables[table.name].label if table.name in source.model.variables else table.name)
        text = f'IF({{found}}<={{limit}},"{OK}",IF({changed}>0,"{CHANGED}","{FAILED}"))'
        writer._status(label, live, limit, "", OK, "0", text)


def _laws(writer: _ChecksWriter, source: WorkbookSource, layout: SheetLayout) -> None:
    laws = source.laws
    if laws is None or not (laws.conserved or laws.never_above):
        return
    writer.title(
        "Laws of the model",
        "Balances that stay 0, of the largest value of what they are compared with; and what may never be exceeded.",
    )
    last = len(source.rows) - 1
    for name, size in laws.conserved.items():
        scale, value = _largest(source, layout, size, last)
        for full in _elements(source, name):
            item = source.shown_as(full)
            if not moving(source.flat, item.slot):
                continue
            cells = layout.engine_range(item.slot, 0, last)
            found = float(np.abs(source.series(item.slot)).max()) / max(value, 1e-300)
            live = Live(f"=MAX(MAX({cells}),-MIN({cells}))/MAX({scale},0.000000001)", found)
            writer.line(f"{_words(full)} stays 0", live, TOLERANCE, "{found}<={limit}", found <= TOLERANCE, "0.0E+00")
    for name, limit in laws.never_above.items():
        for one, other in zip(_elements(source, name), _elements(source, limit), strict=True):
            used, there = source.shown_as(one), source.shown_as(other)
            if not moving(source.flat, used.slot):
                continue
            a = layout.engine_range(used.slot, 0, last)
            live_limit = moving(source.flat, there.slot)
            b = layout.engine_range(there.slot, 0, last) if live_limit else layout.addresses.cells[there.slot]
            live = Live(f"=SUMPRODUCT(--({a}>{b}*1.000000001+0.000000001))", 0)
            writer.line(f"Steps at which {_words(one)} is above {_words(other)}", live, 0, "{found}={limit}")


def _words(name: str) -> str:
    return spoken(name)


def _elements(source: WorkbookSource, name: str) -> tuple[str, ...]:
    base, elements = split(name)
    return (name,) if elements else element_names(source.model, source.model.variables[base])


def _largest(source: WorkbookSource, layout: SheetLayout, name: str, last: int) -> tuple[str, float]:
    parts, value = [], 0.0
    for full in _elements(source, name):
        item = source.shown_as(full)
        if moving(source.flat, item.slot):
            parts.append(f"MAX({layout.engine_range(item.slot, 0, last)})")
        else:
            parts.append(layout.addresses.cells[item.slot])
        value += float(np.abs(source.series(item.slot)).max())
    return "+".join(parts), value


def _engine(writer: _ChecksWriter, source: WorkbookSource, layout: SheetLayout, columns: list[Column], series: Series) -> None:
    """Against the frozen baseline: shown series at the saved times, and the sum of every column of Engine."""
    writer.title(
        "Against flowreform's engine", "Largest difference at a saved time, of the largest value, in the scenario chosen."
    )
    for at, item in enumerate(source.shown):
        live_cells, frozen = series.range(series.position(item.name)), baseline_range(source, at)
        writer.page.put(writer.row, 6, _scale(source, item), SMALL, style(num_format="General"))
        text = f"=SUMPRODUCT(MAX(ABS({live_cells}-{frozen})))/{reference(writer.row, 6)}"
        writer.against_engine(_words(item.name), Live(text, 0.0))
    writer.title(
        "Every column of Engine",
        "Its sum over all steps against the engine's, of the sum of sizes (1 at least): a changed cell anywhere shows.",
    )
    page, selected = writer.page, reference(*SELECTED, sheet="Control")
    count = len(source.scenarios)
    for i, column in enumerate(columns):
        letter = letters(ENGINE_COLUMNS + i)
        cells = f"Engine!${letter}${ENGINE_FIRST + 1}:${letter}${ENGINE_FIRST + len(source.rows)}"
        sums, size = _sums(source, layout, i, column)
        for k in range(count):
            page.put(writer.row, 7 + k, float(sums[k]), SMALL, style(num_format="General"))
        page.put(writer.row, 6, size, SMALL, style(num_format="General"))
        frozen = f"INDEX({reference(writer.row, 7)}:{reference(writer.row, 6 + count)},{selected})"
        total = float(np.sum(column.values))
        found = abs(total - float(sums[source.chosen])) / max(size, 1e-9)
        writer.against_engine(column.name, Live(f"=ABS(SUM({cells})-{frozen})/MAX({reference(writer.row, 6)},1)", found))


def _scale(source: WorkbookSource, item: Shown) -> float:
    """The largest value of a series in any scenario; of a balance, which is nothing but rounding, of what it balances."""
    size = float(np.abs(source.values[item.slot]).max())
    conserved = source.laws.conserved if source.laws else {}
    for name, other in conserved.items():
        if item.name in _elements(source, name):
            size = sum(float(np.abs(source.values[source.shown_as(full).slot]).max()) for full in _elements(source, other))
    return max(size, 1e-9)


def _sums(source: WorkbookSource, layout: SheetLayout, at: int, column: Column) -> tuple[Floats, float]:
    """The sum of a column in each scenario, and the largest sum of sizes."""
    count = len(source.scenarios)
    slots = source.columns.slots
    if at < len(slots):
        values = source.values[slots[at]]
    elif at < len(slots) + len(source.columns.points):
        number, slot = source.columns.points[at - len(slots)]
        table = source.program.tables[number]
        x = np.repeat(source.rows[:, None], count, axis=1) if slot is None else source.values[slot]
        values = np.clip(np.searchsorted(np.array(table.x), x, side="right"), 1, last_point(table)).astype(np.float64)
    else:
        values = np.repeat(column.values[:, None], count, axis=1)
    size = float(np.abs(values).sum(axis=0).max())
    if at < len(slots):
        balance = next((item for item in source.shown if item.slot == slots[at] and _is_balance(source, item)), None)
        size = max(size, _scale(source, balance) * len(source.rows)) if balance is not None else size
    return values.sum(axis=0), size


def _is_balance(source: WorkbookSource, item: Shown) -> bool:
    laws = source.laws
    return laws is not None and any(item.name in _elements(source, name) for name in laws.conserved)


def _own_dt(writer: _ChecksWriter, source: WorkbookSource) -> None:
    if source.own_dt is None or source.own_values is None:
        return
    note = f"The workbook steps by {source.program.dt:g}, the model by {source.own_dt:g}: what that costs, inputs as exported."
    writer.title("Coarser step", note)
    saved = list(source.saved)
    for at, item in enumerate(source.shown):
        own = source.own_values[at, :, source.chosen]
        here = source.values[item.slot, saved, source.chosen]
        size = float(np.abs(own).max())
        difference = float(np.abs(here - own).max()) / size if size else 0.0
        writer.page.put(writer.row, 0, _words(item.name), WRAPPED)
        writer.page.put(writer.row, 2, difference, CELL, style(num_format="0.00%"))
        writer.page.put(writer.row, 4, "for information", SMALL, style(align="center"))
        writer.row += 1
