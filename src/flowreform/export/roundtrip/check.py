"""Whether a live workbook still says what the model says: its results against its inputs, cell by cell.

The inputs are read raw, the engine works everything out with them, and each formula cell must still be a formula and show that
value, to 1e-9 of the largest value of its series in any scenario (a column of Engine and Series, a row of Yearly, all of
Triangulation, whose rows are differences of larger numbers).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error
from flowreform.experiment.options import with_options
from flowreform.export.roundtrip.cells import Cell, Formula, Sheets, place, read_sheets
from flowreform.export.roundtrip.inputs import Given, facts, given, step_of
from flowreform.export.roundtrip.origin import find_origin
from flowreform.export.roundtrip.recorded import Recorded, recorded
from flowreform.export.template.address import column_number
from flowreform.export.workbook.book import Live, Progress

TOLERANCE = 1e-9
"""Of the largest value of a series: workbooks are worked out by other programs (rule 6)."""
COMPARED = ("Inputs", "Engine", "Yearly", "Triangulation", "Series")
"""The sheets whose values follow from the inputs alone; the others compare with what was exported."""
FROZEN = ("Lookups",)
"""The sheets whose numbers belong to the model."""
RULE = f"values worked out by a spreadsheet: equal to {TOLERANCE:g} of the largest value of each series"
_ENGINE, _SCALE = re.compile(r"Engine!\$?([A-Z]{1,3})\$?\d"), re.compile(r"\*(\d[\d.eE+-]*)$")
_TOKEN = re.compile(r'"(?:[^"]|"")*"|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\s+|.')


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
    for name, cells in should.sheets.items():
        live = {cell: content for cell, content in cells.items() if isinstance(content, Live)}
        if not live and name not in FROZEN:
            continue
        if name not in sheets.names:
            reason = "the sheet is missing"
            raise ExperimentError(error("no-sheet", reason, "put it back, or export anew", file=sheets.file, element=name))
        grid = sheets.grid(name)
        there, rows = grid.formulas, grid.rows
        formulas += len(live)
        broken = set()
        for cell, content in live.items():
            formula = there.get(cell)
            if formula is None or not same_formula(formula, content.formula):
                broken.add(cell)
                overwritten.append(place(name, cell))
        if name in COMPARED:
            sizes = _sizes(name, live, should.sizes)
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
            numbers = {cell: c for cell, c in cells.items() if isinstance(c, int | float) and not isinstance(c, bool)}
            altered += [place(name, cell) for cell, number in numbers.items() if _value(rows, cell) != number]
    return Checked(found.chosen, formulas, values, largest, changed, tuple(overwritten), tuple(altered), tuple(different))


def _sizes(name: str, live: Mapping[Cell, Live], engine: Mapping[int, float]) -> dict[Cell, float]:
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
        if token[0].isdigit() or (token[0] == "." and len(token) > 1):
            previous = found[-1] if found else ""
            joined = isinstance(previous, str) and (previous.isalpha() or previous in ("$", "_"))
            found.append(token if joined else float(token))
        else:
            found.append(token if token[0] == '"' else token.upper())
    return found
