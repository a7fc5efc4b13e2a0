"""Reporting years and dates against model times worked out by hand."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.calendar import Calendar, unit_of_time

FISCAL = Calendar(datetime.date(1993, 10, 1), "month", 10, "end", 0.0)
NHS = Calendar(datetime.date(1954, 4, 1), "year", 4, "start", 1954.25)


def test_reporting_years_begin_and_end_where_they_should() -> None:
    assert FISCAL.year(1994) == (0.0, 12.0)
    assert FISCAL.year(1999) == (60.0, 72.0)
    assert NHS.year(1954) == (1954.25, 1955.25)
    assert NHS.year(1994) == (1994.25, 1995.25)
    assert Calendar(datetime.date(2000, 1, 1), "month").year(2001) == (12.0, 24.0)


def test_dates_of_days_weeks_and_quarters() -> None:
    assert FISCAL.time(datetime.date(1996, 10, 1)) == 36.0
    assert FISCAL.time(datetime.date(1993, 10, 16)) == pytest.approx(15 / 31)
    assert Calendar(datetime.date(2020, 2, 28), "day", start=5.0).time(datetime.date(2020, 3, 1)) == 7.0
    assert Calendar(datetime.date(2020, 1, 1), "week").time(datetime.date(2020, 1, 15)) == 2.0
    assert Calendar(datetime.date(2020, 1, 1), "quarter").time(datetime.date(2021, 1, 1)) == 4.0
    assert [unit_of_time(word) for word in ("Months", " month ", "YEARS", "fortnight")] == ["month", "month", "year", "fortnight"]


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), st.sampled_from(["day", "month", "year", "quarter"]))
def test_a_date_comes_back_from_its_time(date: datetime.date, unit: str) -> None:
    calendar = Calendar(datetime.date(1993, 10, 1), unit, start=3.0)
    assert calendar.date(calendar.time(date)) == date


def test_a_time_that_no_calendar_reaches_is_told_as_a_number() -> None:
    assert FISCAL.text(12.0) == "1994-10-01"
    assert FISCAL.text(1e9) == "time 1e+09"
    assert FISCAL.text(-1e9) == "time -1e+09"
