"""Reporting years of a Dataset: which of its saved times each begins and ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from flowreform.calendar import Calendar

MOST = 100
"""Most periods shown."""
LENGTHS = {"month": 12.0, "quarter": 4.0, "year": 1.0, "week": 52.0, "day": 365.0}
"""Time units in a year, where there is no calendar."""
PARTS = 10


@dataclass(frozen=True, slots=True)
class Period:
    """A reporting year: its name, and the numbers of the saved times at which it begins and ends (the next one begins there)."""

    label: str
    first: int
    last: int


def periods(times: NDArray[np.float64], time_unit: str, calendar: Calendar | None) -> tuple[Period, ...]:
    """The whole reporting years within some saved times (ascending, in the time unit), both ends of each saved.

    Without a calendar, or where no year fits, they are years counted from the start, or as many as ten equal parts."""
    found = _years(times, calendar) if calendar is not None else []
    if not found:
        length = LENGTHS.get(time_unit.strip().lower().removesuffix("s"))
        whole = length is not None and times[-1] - times[0] >= length - 1e-9
        width = length if whole and length is not None else (times[-1] - times[0]) / min(PARTS, max(1, len(times) - 1))
        count = int((times[-1] - times[0]) / width + 1e-9) if width else 0
        for at in range(count):
            ends = [_place(times, times[0] + (at + step) * width) for step in (0, 1)]
            if ends[0] is not None and ends[1] is not None:
                found.append(Period(f"Year {at + 1}" if whole else f"to {times[ends[1]]:g}", ends[0], ends[1]))
    return tuple(found[:MOST])


def _years(times: NDArray[np.float64], calendar: Calendar) -> list[Period]:
    found = []
    try:
        span = range(max(2, calendar.date(times[0]).year - 1), min(9998, calendar.date(times[-1]).year + 1) + 1)
    except (ValueError, OverflowError):
        return []
    for year in span:
        begin, end = calendar.year(year)
        first, last = _place(times, begin), _place(times, end)
        if first is not None and last is not None:
            found.append(Period(year_label(year, calendar), first, last))
    return found


def year_label(year: int, calendar: Calendar) -> str:
    """`2026`, `2026/27` for years named by where they start, `FY2026` for those named by where they end."""
    if calendar.year_starts == 1:
        return str(year)
    return f"{year}/{(year + 1) % 100:02d}" if calendar.year_named_by == "start" else f"FY{year}"


def _place(times: NDArray[np.float64], time: float) -> int | None:
    at = int(np.argmin(np.abs(times - time)))
    return at if abs(times[at] - time) <= 1e-6 * max(1.0, abs(time)) else None
