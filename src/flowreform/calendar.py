"""Dates and reporting years against model time.

A month is one twelfth of a year whatever its length, so that a monthly model has twelve equal steps a year; a day inside a
month is its share of that month.
"""

from __future__ import annotations

import datetime
import re
from calendar import monthrange
from dataclasses import dataclass
from typing import Literal

from flowreform.toml import Table

MONTHS = {"month": 1.0, "quarter": 3.0, "year": 12.0}
DAYS = {"day": 1.0, "week": 7.0}


class CalendarTable(Table):
    """`[calendar]`: what model time means in dates."""

    origin: datetime.date
    """The date of the model's start time."""
    time_unit: str
    """The model's time unit: month, year, quarter, week or day."""
    year_starts: int = 1
    """The month (1 to 12) in which a reporting year starts: 10 for the US fiscal year, 4 for the NHS."""
    year_named_by: Literal["end", "start"] = "end"
    """Whether a reporting year is named by the calendar year it ends in or starts in."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """What model time means in dates: `origin` is the date of time `start`."""

    origin: datetime.date
    time_unit: str
    year_starts: int = 1
    year_named_by: str = "end"
    start: float = 0.0

    def time(self, date: datetime.date) -> float:
        """The model time, in the model's time unit, at the beginning of a date."""
        if self.time_unit in DAYS:
            return self.start + (date - self.origin).days / DAYS[self.time_unit]
        return self.start + (_months(date) - _months(self.origin)) / MONTHS[self.time_unit]

    def year(self, year: int) -> tuple[float, float]:
        """The model times at which a reporting year begins and ends.

        With `year_starts=10, year_named_by="end"` 1994 is 1 October 1993 to 1 October 1994 (the end of 30 September)."""
        first = year - 1 if self.year_named_by == "end" and self.year_starts > 1 else year
        return self.time(datetime.date(first, self.year_starts, 1)), self.time(datetime.date(first + 1, self.year_starts, 1))

    def date(self, time: float) -> datetime.date:
        """The date of a model time, to the day."""
        passed = time - self.start
        if self.time_unit in DAYS:
            return self.origin + datetime.timedelta(days=round(passed * DAYS[self.time_unit]))
        months = round((_months(self.origin) + passed * MONTHS[self.time_unit]) * 1e6) / 1e6
        whole = int(months // 1)
        year, month = divmod(whole, 12)
        length = monthrange(year, month + 1)[1]
        day = int((months - whole) * length + 1e-3)
        return datetime.date(year, month + 1, min(day, length - 1) + 1)

    def text(self, time: float) -> str:
        """The date of a model time for a message; the bare time where there is no such date."""
        try:
            return str(self.date(time))
        except (ValueError, OverflowError):
            return f"time {time:g}"


def unit_of_time(text: str) -> str:
    """`Months`, `month` and `MONTH` are one time unit; unknown units come back in lower case."""
    word = text.strip().lower()
    return word[:-1] if word.endswith("s") and (word[:-1] in MONTHS or word[:-1] in DAYS) else word


def _months(date: datetime.date) -> float:
    return date.year * 12 + date.month - 1 + (date.day - 1) / monthrange(date.year, date.month)[1]


# --- periods ---------------------------------------------------------------------------------------------------------


SHAPES = "write 2026, 2026/27, 2026-Q2, 2026-05 or 2026-05-31"
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
_YEARS = re.compile(r"([0-9]{4})/([0-9]{2}|[0-9]{4})(?:-Q([1-4]))?")


@dataclass(frozen=True, slots=True)
class DatedPeriod:
    """A stretch of dates, `until` being the first day after it. `kind` is day, month, quarter or years (2026/27, until a
    calendar says when its years begin)."""

    text: str
    kind: str
    first: datetime.date
    until: datetime.date
    quarter: int = 0

    @property
    def at(self) -> float:
        """Its middle on an axis of years."""
        days = (self.until - self.first).days
        middle = self.first + datetime.timedelta(days=days // 2)
        return middle.year + (middle.month - 1 + (middle.day - 1) / 31) / 12

    @property
    def moment(self) -> datetime.date:
        """The date at which its value is counted: its end, or the day itself unless it ends a month."""
        return self.first if self.kind == "day" and self.until.day != 1 else self.until


def period_of(text: str) -> DatedPeriod | None:
    """The period that a text names; None for one that has not the shape of a date. Raises ValueError with the reason."""
    if found := _DAY.fullmatch(text):
        day = _date(text, *(int(part) for part in found.groups()))
        return DatedPeriod(text, "day", day, day + datetime.timedelta(days=1))
    if found := _MONTH.fullmatch(text):
        return months_from(text, "month", _date(text, int(found[1]), int(found[2]), 1), 1)
    if found := _QUARTER.fullmatch(text):
        return months_from(text, "quarter", _date(text, int(found[1]), 3 * int(found[2]) - 2, 1), 3)
    if found := _YEARS.fullmatch(text):
        year, second = int(found[1]), int(found[2])
        if second not in ((year + 1) % 100, year + 1) or year < 2:
            raise ValueError(f"{text} names no two years that follow each other")
        first = datetime.date(year, 1, 1)
        return DatedPeriod(text, "years", first, first.replace(year=year + 1), int(found[3] or 0))
    return None


def _date(text: str, year: int, month: int, day: int) -> datetime.date:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        raise ValueError(f"there is no date {text}") from None


def months_from(text: str, kind: str, first: datetime.date, count: int) -> DatedPeriod:
    """So many months from a date that begins one."""
    years, month = divmod(first.month - 1 + count, 12)
    return DatedPeriod(text, kind, first, first.replace(year=first.year + years, month=month + 1))
