"""One sheet of results in a workbook that somebody plans with: yearly values in cells whose addresses stay.

Every other part of the file keeps its bytes: sheets, charts, names, macros. What changes is the list of sheets in the workbook
part, its relations and the list of content types the first time, and the sheet itself every time; spreadsheets are told to
recalculate, so that formulas which refer to the sheet follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowreform.errors import ExperimentError, error
from flowreform.export.template.archive import Archive, read_archive
from flowreform.export.template.sheet import Edit, Tag, Value, cell_xml, edited, text, walk
from flowreform.export.template.workbook import Workbook, read_workbook, recalculated, relations_part
from flowreform.export.values.sheets import WORDS, lines, periods
from flowreform.files import put, write_file
from flowreform.formats.limits import from_environment
from flowreform.formats.workbook_cells import UnreadableBook, sheet_cells
from flowreform.text import as_whole

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment

SHEET = "flowreform"
"""The sheet's name where none is asked for."""
MARK = "Results of flowreform, written over at the next export"
"""What stands in A1: only such a sheet is written over."""
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
HEADS = ("Name", "What it is", "Scenario", "Unit", "Which of the year")
FIRST_ROW, FIRST_YEAR = 6, 6
"""The row and the column of the first value, from 1: F6."""
MOST_CELLS = 20_000_000


def check_into(path: Path, sheet: str) -> tuple[Workbook, str]:
    """The workbook, and the part of the sheet where it is there already; before anything is run.

    Raises ExperimentError for a file that is no workbook, and for a sheet of that name that is somebody else's."""
    book = read_workbook(read_archive(path, from_environment()))
    if not 1 <= len(sheet) <= 31 or set(sheet) & set("[]:*?/\\") or sheet.startswith("'"):
        raise _fault(path, f'"{sheet}" is no name of a sheet', "1 to 31 characters, without []:*?/\\")
    there = book.sheet(sheet)
    if there is None:
        return book, ""
    try:
        rows = sheet_cells(path, there.name, MOST_CELLS) if there.part else []
    except UnreadableBook as failed:
        raise _fault(path, f"the workbook cannot be read: {failed}", "open it in a spreadsheet and save it again") from failed
    if not rows or not rows[0] or rows[0][0] != MARK:
        raise _fault(path, f'the sheet "{there.name}" is not one that flowreform wrote', "choose another name with --sheet")
    return book, there.part


def write_into(path: Path, sheet: str, ds: Dataset, experiment: Experiment, output: Path | None = None) -> int:
    """Write the yearly values into the workbook, or into a copy of it; how many rows of values there are.

    Raises what `check_into` does."""
    book, part = check_into(path, sheet)
    rows = list(_rows(ds, experiment))
    content = _with_sheet(book, part, sheet, _sheet(rows))
    write_file(output or path, lambda temporary: put(temporary, content))
    return len(rows) - FIRST_ROW + 1


def _rows(ds: Dataset, experiment: Experiment) -> Iterator[tuple[Value, ...]]:
    """The rows of the sheet from the first: medians over the draws, a row for each result and scenario."""
    times = np.asarray(ds["time"].values, dtype=np.float64)
    calendar = experiment.case.calendar if experiment.case else None
    years = periods(times, experiment.model.specs.time_unit, calendar)
    yield (MARK,)
    yield (experiment.title,)
    size = f"median of {experiment.draws:,} draws" if experiment.draws > 1 else "one run"
    yield (f"{size}; model {experiment.model.sha256[:12]}, experiment {experiment.sha256[:12]}",)
    yield ()
    yield (*HEADS, *(year.label for year in years))
    for line in lines(ds, experiment, years):
        for at, (name, scenario) in enumerate(experiment.scenarios.items()):
            numbers = (float(value) if np.isfinite(value) else None for value in line.percentiles[1, at])
            yield (f"{name}.{line.name}", line.label, scenario.label, line.unit, WORDS[line.statistic], *numbers)


def _sheet(rows: list[tuple[Value, ...]]) -> bytes:
    view = f'<pane xSplit="5" ySplit="5" topLeftCell="F{FIRST_ROW}" activePane="bottomRight" state="frozen"/>'
    widths = "".join(f'<col min="{at}" max="{at}" width="{width}" customWidth="1"/>' for at, width in
                     enumerate((44, 44, 34, 14, 22), 1))  # fmt: skip
    body = b"".join(
        f'<row r="{at}">'.encode() + b"".join(cell_xml("", at, column, None, value) for column, value in enumerate(row, 1)
                                               if value is not None) + b"</row>"
        for at, row in enumerate(rows, 1)
    )  # fmt: skip
    head = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{MAIN}">'
    head += '<sheetViews><sheetView workbookViewId="0">'
    return f"{head}{view}</sheetView></sheetViews><cols>{widths}</cols><sheetData>".encode() + body + b"</sheetData></worksheet>"


def _with_sheet(book: Workbook, part: str, sheet: str, content: bytes) -> bytes:
    archive = book.archive
    flagged = recalculated(book)
    if part:
        return archive.with_members({book.part: flagged, part: content})
    folder = book.part.rpartition("/")[0]
    new = next(f"{folder}/worksheets/flowreform{at}.xml".lstrip("/") for at in range(1, 10_000)
               if f"{folder}/worksheets/flowreform{at}.xml".lstrip("/") not in archive)  # fmt: skip
    relations = relations_part(book.part)
    known = archive.read(relations).decode("utf-8", "replace")
    identity = next(f"rIdFlowreform{at}" for at in range(1, 10_000) if f"rIdFlowreform{at}" not in known)
    number = 1 + max((as_whole(item.number) or 0 for item in book.sheets), default=0)
    listed = f'sheet xmlns:r="{RELATIONS}" name="{text(sheet).replace(chr(34), "&quot;")}" sheetId="{number}" r:id="{identity}"/>'
    related = f'Relationship Id="{identity}" Type="{RELATIONS}/worksheet" Target="worksheets/{new.rpartition("/")[2]}"/>'
    typed = f'Override PartName="/{new}" ContentType="{KIND}"/>'
    replaced = {
        book.part: _appended(archive, book.part, flagged, "sheets", listed),
        relations: _appended(archive, relations, archive.read(relations), "", related),
        "[Content_Types].xml": _appended(archive, "[Content_Types].xml", archive.read("[Content_Types].xml"), "", typed),
    }
    return archive.with_members(replaced, added={new: content})


def _appended(archive: Archive, part: str, content: bytes, inside: str, element: str) -> bytes:
    """The part with an element as the last one of the root, or of the child of the root with a name."""
    places: list[int] = []
    prefix: list[str] = []

    def opened(tag: Tag, depth: int) -> None:
        if depth == 1:
            prefix.append(tag.prefix)

    def closed(name: str, depth: int, within: int, stop: int) -> None:
        if (depth == 1 and not inside) or (depth == 2 and name == inside):
            places.append(within)

    walk(content, opened, closed, archive.file, part)
    if not places:
        raise ExperimentError(
            error("workbook", f"the part has no place for a {element.split()[0]}", "save it again", file=archive.file)
        )
    return edited(content, [Edit(places[0], places[0], f"<{prefix[0]}{element}".encode())])


def _fault(path: Path, reason: str, repair: str) -> ExperimentError:
    return ExperimentError(error("workbook", reason, repair, file=str(path)))
