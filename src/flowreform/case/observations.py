"""Observed series: the rows of `reference.csv` (series,year,value,unit,source,status)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from flowreform.calendar import SHAPES, DatedPeriod, period_of
from flowreform.case.uncertainty import Status
from flowreform.errors import Finding, did_you_mean, error, shorten
from flowreform.files import read_plain
from flowreform.text import as_number

COLUMNS = ("series", "year", "value", "unit", "source", "status")
STATUSES: tuple[str, ...] = get_args(Status)
MAX_BYTES = 50_000_000
"""Largest file read, in bytes."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One observed value: `value` in `unit` for a reporting year, or for `period` in it; `line` counts from 1 in its file."""

    series: str
    year: int
    value: float
    unit: str
    source: str
    status: str
    line: int = 0
    period: DatedPeriod | None = None

    @property
    def when(self) -> str:
        """What it is of, as written."""
        return self.period.text if self.period else str(self.year)


def read_observations(path: Path, findings: list[Finding]) -> tuple[Observation, ...]:
    """The rows of a reference file, in order; every fault is added to `findings`.

    Columns are separated by commas and named in the first row, in any order; numbers have a decimal point. The column `year` may
    be called `date`, and holds what `periods` says.
    """
    file = str(path)

    def fault(rule: str, reason: str, repair: str, line: int = 0, element: str = "") -> None:
        findings.append(error(rule, reason, repair, file=file, line=line, element=element))

    try:
        if path.stat().st_size > MAX_BYTES:
            fault("reference-size", f"the file is larger than {MAX_BYTES:,} bytes", "keep the series of this case only")
            return ()
        text = read_plain(path, MAX_BYTES).decode("utf-8-sig")
    except OSError as failed:
        fault("reference-read", f"the file cannot be read: {failed.strerror or 'unknown reason'}", "check the path")
        return ()
    except UnicodeDecodeError:
        fault("reference-encoding", "the file is not UTF-8 text", "save it as UTF-8")
        return ()
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[Observation] = []
    seen: dict[tuple[str, str], int] = {}
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if "year" not in header:
            header = ["year" if name == "date" else name for name in header]
        doubles = sorted({name for name in header if header.count(name) > 1})
        missing = [name for name in COLUMNS if name not in header]
        for name in doubles:
            fault("reference-columns", "two columns have this name", "remove one of them", 1, name)
        for name in missing:
            hint = "separate columns by commas" if ";" in "".join(header) else did_you_mean(name, header)
            fault("reference-columns", "this column is missing", hint or f"columns are {', '.join(COLUMNS)}", 1, name)
        if doubles or missing:
            return ()
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                repair = "write numbers with a decimal point, and text that holds a comma in quotes"
                fault("reference-row", f"{len(cells)} cells in a row of {len(header)} columns", repair, line)
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            value, period, reason = as_number(row["value"]), None, ""
            try:
                period = period_of(row["year"])
            except ValueError as wrong:
                reason = str(wrong)
            year = period.first.year if period else _whole(row["year"])
            if year is None:
                reason = reason or f"year must be a whole number or a date, not {shorten(repr(row['year']), 40)}"
                fault("reference-row", reason, SHAPES, line, row["series"])
            if value is None:
                fault("reference-row", f"value must be a number, not {shorten(repr(row['value']), 40)}", "", line, row["series"])
            if row["status"] not in STATUSES:
                hint = did_you_mean(row["status"], STATUSES) or f"write one of {', '.join(STATUSES)}"
                fault("reference-row", f"unknown status {shorten(repr(row['status']), 40)}", hint, line, row["series"])
            if year is None or value is None:
                continue
            when = period.text if period else str(year)
            if (first := seen.setdefault((row["series"], when), line)) != line:
                fault(
                    "reference-row",
                    f"{'' if period else 'year '}{when} stands on line {first} already",
                    "keep one of them",
                    line,
                    row["series"],
                )
                continue
            found.append(Observation(row["series"], year, value, row["unit"], row["source"], row["status"], line, period))
    except csv.Error as failed:
        fault("reference-csv", f"this is not CSV: {failed}", "close every quote", reader.line_num)
    return tuple(found)


def _whole(text: str) -> int | None:
    number = as_number(text)
    return int(number) if number is not None and number == int(number) and 1 < number < 9999 else None
