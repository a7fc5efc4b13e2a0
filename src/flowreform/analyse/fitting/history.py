"""`history.csv`: what a system counted, month by month, wide (a column for each series) or tidy (month, series, value)."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowreform.errors import ExperimentError, Finding, did_you_mean, error, shorten
from flowreform.files import read_plain
from flowreform.text import as_number

Floats = NDArray[np.float64]

MAX_BYTES = 5_000_000
"""Largest file read, in bytes."""
MONTH, SERIES, VALUE = "month", "series", "value"
LEAST = 12
"""Fewest months counted of each series: growth and winter cannot be told apart in less than a year."""
JUMP = 3.0
"""A count so many times larger or smaller than the middle one of its series is of another unit or place."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})(?:-[0-9]{1,2})?")
_SLASHED = re.compile(r"(?:[0-9]{1,2}/)?([0-9]{1,2})/([0-9]{4})")
_WORDS = re.compile(r"(?:[0-9]{1,2}[ -])?([A-Za-z]{3,9})[ -]([0-9]{4})")
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")


@dataclass(frozen=True, eq=False)
class History:
    """Months from `first` on, none left out: `series` has float64[month] by name, NaN where nothing was counted."""

    first: datetime.date
    series: Mapping[str, Floats]
    sha256: str
    file: str

    @property
    def months(self) -> int:
        """How many months there are from the first to the last."""
        return len(next(iter(self.series.values())))

    def until(self, months: int) -> History:
        """The first so many months alone."""
        return History(self.first, {name: row[:months] for name, row in self.series.items()}, self.sha256, self.file)

    def date(self, at: int) -> datetime.date:
        """The first day of month `at`, counted from 0."""
        passed = self.first.month - 1 + at
        return datetime.date(self.first.year + passed // 12, passed % 12 + 1, 1)


def read_history(path: str | Path, known: Sequence[str]) -> History:
    """The months of a file. `known` are the names that a series may have, all of them needed.

    Raises ExperimentError with every fault: file, line, reason and repair."""
    path = Path(path)
    reader = _MonthReader(str(path), known)
    try:
        data = read_plain(path, MAX_BYTES)
    except OSError as failed:
        raise ExperimentError(reader.fault(f"the file cannot be read: {failed.strerror or failed}", "check the path")) from failed
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as failed:
        line = data[: failed.start].count(b"\n") + 1
        raise ExperimentError(reader.fault("the file is not UTF-8 text", "save it as CSV UTF-8", line)) from failed
    counted = reader.read(text)
    if reader.findings:
        raise ExperimentError(reader.findings)
    first, last = min(at for at, _ in counted), max(at for at, _ in counted)
    series = {name: np.full(last - first + 1, np.nan) for name in known}
    for (at, name), (value, _) in counted.items():
        series[name][at - first] = value
    date = datetime.date(first // 12, first % 12 + 1, 1)
    return History(date, series, hashlib.sha256(data).hexdigest(), str(path))


def month_of(text: str) -> int | None:
    """Months since the year 0 for `2024-03`, `2024-03-31`, `31/03/2024`, `03/2024`, `March 2024`, `Mar-2024`; else None."""
    if match := _ISO.fullmatch(text):
        year, month = int(match[1]), int(match[2])
    elif match := _SLASHED.fullmatch(text):
        year, month = int(match[2]), int(match[1])
    elif (match := _WORDS.fullmatch(text)) and match[1][:3].lower() in _MONTHS:
        year, month = int(match[2]), _MONTHS.index(match[1][:3].lower()) + 1
    else:
        return None
    return 12 * year + month - 1 if 1 <= month <= 12 and year >= 1900 else None


Counted = dict[tuple[int, str], tuple[float, int]]
"""Month and series: the value and its line."""


class _MonthReader:
    def __init__(self, file: str, known: Sequence[str]) -> None:
        self.file, self.known = file, tuple(known)
        self.findings: list[Finding] = []

    def fault(self, reason: str, repair: str, line: int = 0, element: str = "") -> Finding:
        found = error("history", reason, repair, file=self.file, line=line, element=element)
        self.findings.append(found)
        return found

    def read(self, text: str) -> Counted:
        wanted = f'write a first line "{MONTH},{",".join(self.known)}" or "{MONTH},{SERIES},{VALUE}"'
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        found: Counted = {}
        try:
            heads = [cell.strip().lower() for cell in next(reader, [])]
            if MONTH not in heads:
                self.fault(f'there is no column "{MONTH}"', wanted, 1)
                return found
            tidy = SERIES in heads and VALUE in heads
            for name in heads:
                if heads.count(name) > 1 and name not in (item.element for item in self.findings):
                    self.fault("this column is there twice", "keep one of them", 1, name)
                elif name not in ((MONTH, SERIES, VALUE) if tidy else (MONTH, *self.known)):
                    hint = did_you_mean(name, self.known) or f"remove it; series are {', '.join(self.known)}"
                    self.fault("no such column is known", hint, 1, shorten(name))
            if self.findings:
                return found
            for row in reader:
                if any(cell.strip() for cell in row):
                    self._row(heads, [cell.strip() for cell in row], reader.line_num, tidy, found)
        except csv.Error as failed:
            self.fault(f"this is no CSV: {failed}", "save it as CSV UTF-8", reader.line_num)
            return found
        self._whole(found)
        return found

    def _row(self, heads: list[str], row: list[str], line: int, tidy: bool, found: Counted) -> None:
        if len(row) != len(heads):
            self.fault(f"{len(row)} cells in a row of {len(heads)} columns", "write numbers without commas, or in quotes", line)
            return
        cells = dict(zip(heads, row, strict=True))
        month = month_of(cells[MONTH])
        if month is None:
            self.fault(f'"{shorten(cells[MONTH], 40)}" is no month', 'write 2024-03, 31/03/2024 or "March 2024"', line, MONTH)
            return
        for name, text in self._cells(cells, line, tidy):
            if not text:
                continue
            value = as_number(text.replace(",", "")) if _THOUSANDS.fullmatch(text) else as_number(text)
            if value is None:
                self.fault(f'"{shorten(text, 40)}" is no number', "write a number, or leave it blank", line, name)
            elif value <= 0:
                self.fault(f"{value:g} is no count of a whole system", "leave blank what was not counted", line, name)
            elif (month, name) in found:
                self.fault(f"{cells[MONTH]} is there already, in line {found[month, name][1]}", "keep one of them", line, name)
            else:
                found[month, name] = (value, line)

    def _cells(self, cells: Mapping[str, str], line: int, tidy: bool) -> Iterator[tuple[str, str]]:
        if not tidy:
            yield from ((name, cells[name]) for name in self.known if name in cells)
            return
        name = cells[SERIES].lower()
        if name in self.known:
            yield name, cells[VALUE]
        else:
            hint = did_you_mean(name, self.known) or f"series are {', '.join(self.known)}"
            self.fault("there is no such series", hint, line, shorten(cells[SERIES]))

    def _whole(self, found: Counted) -> None:
        """What can only be seen of all rows together."""
        if self.findings:
            return
        for name in self.known:
            mine = {at: found[at, name] for at, other in found if other == name}
            if len(mine) < LEAST:
                self.fault(f"{len(mine)} months are counted, and {LEAST} are the least", "add earlier months", element=name)
                continue
            middle = float(np.median([value for value, _ in mine.values()]))
            for value, line in mine.values():
                if not middle / JUMP <= value <= middle * JUMP:
                    reason = f"{value:g} is more than {JUMP:g} times away from the middle of the others, {middle:g}"
                    self.fault(reason, "check unit and place, or leave it blank", line, name)
        for larger, smaller in zip(self.known, self.known[1:], strict=False):
            for (at, name), (value, line) in found.items():
                if name == smaller and (at, larger) in found and value > found[at, larger][0]:
                    reason = f"{value:g} is more than {larger}, {found[at, larger][0]:g}"
                    self.fault(reason, "check that the columns have not changed places", line, smaller)
