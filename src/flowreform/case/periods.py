"""When an observed value is of: a reporting year, a month, a quarter or a day, as the `year` column of reference.csv says it.

    2026         a reporting year, as the calendar names it       2026/27     the same by its two calendar years
    2026-05      a month                                          2026-Q2     a quarter of a calendar year
    2026-05-31   a day                                            2026/27-Q1  a quarter of a reporting year

A row stands for what the statistic of its series takes over that time: a mean, minimum, maximum or increase over the month,
quarter or year, and with `at` the value at its end. A day has one value: that at its beginning, and on the last day of a month at
its end, since that is when a month's end is counted.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flowreform.calendar import Calendar, months_from
from flowreform.errors import Finding, error
from flowreform.measure import WHEN, Measure
from flowreform.statistics import STATISTICS

if TYPE_CHECKING:
    from flowreform.case.observations import Observation


def settled(
    rows: Sequence[Observation], series: dict[str, str], calendar: Calendar | None, file: str, findings: list[Finding]
) -> tuple[Observation, ...]:
    """The rows with the reporting years in which they lie. `series` has the statistic of each; faults are added to `findings`."""
    found = []
    for row in rows:
        if row.period is None or calendar is None:
            found.append(row)
            continue
        period, statistic = row.period, series.get(row.series, "")
        if period.kind == "day" and statistic and STATISTICS[statistic].looks == "window" and statistic not in _OF_A_MOMENT:
            reason = f"{period.text} is a day, and {statistic} is taken over a stretch of time"
            repair = "date the row by its month, quarter or year (2026-05, 2026-Q2, 2026/27)"
            findings.append(error("reference-date", reason, repair, file=file, line=row.line, element=row.series))
        if period.kind != "years":
            found.append(replace(row, year=_reporting_year(period.first, calendar)))
            continue
        if calendar.year_starts == 1:
            reason = f"{period.text} begins inside a calendar year, and the years of [calendar] begin in January"
            repair = f"write {period.first.year}, or say when years begin: year_starts = 4 in [calendar]"
            findings.append(error("reference-date", reason, repair, file=file, line=row.line, element=row.series))
        year = period.first.year + (calendar.year_named_by == "end")
        begin = datetime.date(period.first.year, calendar.year_starts, 1)
        if period.quarter:
            period = months_from(period.text, "quarter", months_from("", "", begin, 3 * period.quarter - 3).until, 3)
        else:
            period = replace(period, first=begin, until=begin.replace(year=begin.year + 1))
        found.append(replace(row, year=year, period=period))
    return tuple(found)


_OF_A_MOMENT = ("mean", "min", "max")
"""Statistics over a stretch that a single day has as well: its value."""


def _reporting_year(date: datetime.date, calendar: Calendar) -> int:
    later = date.month >= calendar.year_starts and calendar.year_starts > 1 and calendar.year_named_by == "end"
    earlier = date.month < calendar.year_starts and calendar.year_named_by == "start"
    return date.year + later - earlier


def measure_of(measure: Measure, row: Observation) -> Measure:
    """The measure that a row is compared with: in the time it is of, unless the series says when itself."""
    period = row.period
    if period is None or period.kind == "years":
        return measure.in_year(row.year)
    if any(getattr(measure, name) is not None for name in WHEN):
        return measure
    if period.kind == "day" or STATISTICS[measure.statistic].looks == "moment":
        statistic = "at" if measure.statistic in _OF_A_MOMENT else measure.statistic
        return measure.model_copy(update={"statistic": statistic, "date": period.moment})
    return measure.model_copy(update={"start": period.first, "stop": period.until})


__all__ = ["measure_of", "settled"]
