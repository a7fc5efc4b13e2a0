"""Results written into a workbook that the user already has, by patching the XML of the sheets concerned.

Every part of the file that needs no change keeps its bytes, compressed as they were. What changes: the sheets that hold the
cells, the workbook's flag that makes spreadsheets recalculate on opening, and the calculation chain where a formula went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.errors import ExperimentError, Finding, error
from flowreform.export.template.archive import read_archive
from flowreform.export.template.map import Filling, Map, read_map, value_of
from flowreform.export.template.sheet import Cell, Scan, Value, address, patched, scan
from flowreform.export.template.workbook import Nowhere, Sheet, Workbook, read_workbook, recalculated, without
from flowreform.export.tidy import kept
from flowreform.files import write_file
from flowreform.formats.limits import from_environment
from flowreform.measure import Measure
from flowreform.toml import Loc, Source

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment

STAMP: Loc = ("template", "stamp")


@dataclass(frozen=True)
class Template:
    """A workbook and its map, read and not yet put together."""

    workbook: Workbook
    map: Map


@dataclass(frozen=True)
class FillPlan:
    """A template against an experiment: every cell known to be there to write to. `cells` by entry; `stamp` has its own."""

    template: Template
    wanted: tuple[Filling, ...]
    cells: Mapping[Loc, tuple[Sheet, tuple[Cell, ...]]]
    scans: Mapping[Sheet, Scan]
    notes: tuple[str, ...]


def read_template(workbook: Path, map: Path, output: Path) -> Template:
    """The workbook to fill and its map. Raises ExperimentError with the faults of both files, and of the output's suffix."""
    findings: list[Finding] = []
    parts: list[object] = []
    for read in (lambda: read_workbook(read_archive(workbook, from_environment())), lambda: read_map(map)):
        try:
            parts.append(read())
        except ExperimentError as fault:
            findings += fault.findings
    if findings:
        raise ExperimentError(findings)
    book, entries = parts
    assert isinstance(book, Workbook)
    assert isinstance(entries, Map)
    if output.suffix.lower() != book.kind:
        reason = f"the template is {'a workbook with macros' if book.kind == '.xlsm' else 'a workbook without macros'} inside"
        raise ExperimentError(
            error("unknown-format", reason, f"give the output a name that ends in {book.kind}", file=str(output))
        )
    return Template(book, entries)


def plan(template: Template, experiment: Experiment) -> FillPlan:
    """Everything that can be checked before anything runs.

    Raises ExperimentError with every fault: unknown names, blocks of the wrong size, merged cells, formulas, years outside
    the run, variables and units."""
    source = Source(template.map.document)
    wanted = template.map.wanted(experiment, source)
    cells: dict[Loc, tuple[Sheet, tuple[Cell, ...]]] = {}
    overwrite = {item.loc: item.overwrite for item in wanted}
    for item in wanted:
        _place(template, item.loc, (*item.loc, "cell"), item.cell, len(item.measures), cells, source)
    if template.map.defaults.stamp is not None:
        overwrite[STAMP] = template.map.defaults.overwrite_formulas
        _place(template, STAMP, STAMP, template.map.defaults.stamp, 1, cells, source)
    _twice(template, cells, source)
    scans, notes = {}, []
    for sheet in template.workbook.sheets:
        entries = {loc: places for loc, (owner, places) in cells.items() if owner == sheet}
        if entries:
            asked = frozenset(cell for places in entries.values() for cell in places)
            part = template.workbook.archive.read(sheet.part)
            scans[sheet] = scan(part, asked, template.workbook.archive.file, sheet.part)
            for loc, places in entries.items():
                for cell in places:
                    _may_write(template, loc, sheet, scans[sheet], cell, overwrite[loc], source)
            if scans[sheet].protected:
                notes.append(f'the sheet "{sheet.name}" is protected: what was written there can be changed only without it')
    if source.failed:
        raise ExperimentError(source.findings)
    if template.workbook.signed:
        notes.append("the workbook was signed; its signature does not hold for the filled copy")
    return FillPlan(template, wanted, cells, scans, tuple(notes))


def fill(made: FillPlan, ds: Dataset, experiment: Experiment, output: Path) -> tuple[str, ...]:
    """Write the template with the results of an experiment in its cells, whole or not at all; notes for the user.

    A result without a number (it never happened, or all runs failed) empties its cell, and a note says so."""
    import flowreform as fr

    kpis = fr.kpis(ds, experiment)
    values: dict[Sheet, dict[Cell, Value]] = {}
    notes = list(made.notes)
    draws = kept(ds).sizes["draw"]
    if draws < ds.sizes["draw"] and any(isinstance(measure, Measure) for item in made.wanted for measure in item.measures):
        note = f"results are of the first {draws:,} draws, whose course the sweep kept; KPIs are of all {ds.sizes['draw']:,}"
        notes.append(note)
    for item in made.wanted:
        sheet, places = made.cells[item.loc]
        for cell, measure in zip(places, item.measures, strict=True):
            number = value_of(measure, ds, kpis, item, experiment)
            if number - number != 0:
                notes.append(f"{sheet.name}!{address(*cell)} was emptied: no run of scenario {item.scenario} has a number for it")
            values.setdefault(sheet, {})[cell] = number if number - number == 0 else None
    if STAMP in made.cells:
        sheet, places = made.cells[STAMP]
        values.setdefault(sheet, {})[places[0]] = stamp(made, ds, experiment)
    content = _filled(made, values)
    write_file(output, lambda temporary: _put(temporary, content))
    return tuple(notes)


def stamp(made: FillPlan, ds: Dataset, experiment: Experiment) -> str:
    """One line on where the numbers come from, without a clock."""
    scenarios = ", ".join(dict.fromkeys(experiment.scenarios[item.scenario].label for item in made.wanted))
    parts = [f"flowreform: {experiment.title}", f"scenario {scenarios}"]
    parts.append(f"model {experiment.model.name} {experiment.model.sha256[:12]}")
    if experiment.sha256:
        parts.append(f"experiment {experiment.name} {experiment.sha256[:12]}")
    parts.append(f"{experiment.draws:,} draws, seed {experiment.seed}" if experiment.draws > 1 else "one run")
    return "; ".join([*parts, str(ds.attrs["command"])] if ds.attrs.get("command") else parts)


def _filled(made: FillPlan, values: Mapping[Sheet, Mapping[Cell, Value]]) -> bytes:
    book = made.template.workbook
    replaced: dict[str, bytes] = {book.part: recalculated(book)}
    gone: set[tuple[str, str]] = set()
    for sheet, cells in values.items():
        found = made.scans[sheet]
        gone |= {(sheet.number, address(*cell)) for cell in cells if (place := found.at(cell)) is not None and place.formula}
        replaced[sheet.part] = patched(book.archive.read(sheet.part), found, cells)
    parts, removed = without(book, gone)
    return book.archive.with_members(replaced | parts, removed)


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


# --- what may be written where ---------------------------------------------------------------------------------------


def _place(
    template: Template, owner: Loc, loc: Loc, text: str, count: int,
    cells: dict[Loc, tuple[Sheet, tuple[Cell, ...]]], source: Source,
) -> None:  # fmt: skip
    """The cells of one entry; a block must have one for each number, in one row or column."""
    found = template.workbook.target(text)
    if isinstance(found, Nowhere):
        source.fault("unknown-cell", loc, found.reason, found.repair, element=text)
        return
    sheet, block = found
    if block.count != count or min(block.bottom - block.top, block.right - block.left) > 0:
        shape = f"{block} is {block.count:,} cell{'s' if block.count > 1 else ''}"
        need = f"{count:,} in one row or column, one for each year" if count > 1 else "one cell"
        repair = (
            "give the block as many cells as there are years" if count > 1 else "name one cell, or give years = [FIRST, LAST]"
        )
        source.fault("cells", loc, f"{shape}, and {need} is needed", repair, element=text)
        return
    cells[owner] = (sheet, block.cells)


def _twice(template: Template, cells: Mapping[Loc, tuple[Sheet, tuple[Cell, ...]]], source: Source) -> None:
    seen: dict[tuple[Sheet, Cell], Loc] = {}
    for loc, (sheet, places) in cells.items():
        for cell in places:
            if (sheet, cell) in seen:
                line = template.map.document.line(seen[sheet, cell])
                reason = f"{sheet.name}!{address(*cell)} is filled by the entry at line {line} already"
                source.fault("duplicate", (*loc, "cell"), reason, "keep one of them")
                break
            seen[sheet, cell] = loc


def _may_write(template: Template, loc: Loc, sheet: Sheet, found: Scan, cell: Cell, overwrite: bool, source: Source) -> None:
    """Refuse cells that Excel or the workbook's owner would not have written to."""
    place = f"{sheet.name}!{address(*cell)}"

    def refuse(reason: str, repair: str) -> None:
        where = loc if loc == STAMP else (*loc, "cell")
        source.fault("cell", where, reason, repair, element=place)

    for block in found.merged:
        if cell in block and cell != (block.top, block.left):
            return refuse(
                f"the cell is part of the merged block {block}", f"write {address(block.top, block.left)}, its first cell"
            )
    for what, block in template.workbook.covered(sheet):
        if cell in block:
            return refuse(f"the cell belongs to {what} ({block}), which Excel writes itself", "choose a cell outside")
    for kind, block in found.blocks:
        if cell in block and (block.count > 1 or kind == "dataTable"):
            word = "an array formula" if kind == "array" else "a data table"
            return refuse(f"the cell belongs to {word} over {block}", "choose a cell outside, or remove it in the workbook")
    there = found.at(cell)
    if there is None or not there.formula:
        return None
    if found.shared.get(cell, 1) > 1:
        return refuse("other cells take their formula from this cell", "enter the formula anew in the cells beside it")
    if not overwrite:
        return refuse("the cell holds a formula", "choose an input cell, or say overwrite_formulas = true")
    return None
