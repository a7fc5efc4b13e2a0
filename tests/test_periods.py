"""Dated rows of reference.csv: what each stands for, in reading, in `assess`, in `fit` and in targets."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.fitting.chart import chart
from flowreform.calendar import period_of
from flowreform.errors import ModelError
from flowreform.export.panels import panels_of

MODEL = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"><header><vendor>t</vendor><product>t</product>
</header><sim_specs method="Euler" time_units="Months"><start>0</start><stop>24</stop><dt>0.25</dt></sim_specs><model><variables>
<stock name="beds"><eqn>100</eqn><inflow>opened</inflow><units>bed</units></stock>
<flow name="opened"><eqn>rate</eqn><units>bed/month</units></flow>
<aux name="rate"><eqn>2</eqn><units>bed/month</units><range min="0" max="10"/></aux>
</variables></model></xmile>"""
CASE = """[case]
title = "t"
question = "q"
[calendar]
origin = 2026-04-01
time_unit = "month"
year_starts = 4
{named}
[reference.beds]
variable = "beds"
statistic = "{statistic}"
[parameters.rate]
source = "a test"
status = "assumption"
{more}
"""
FIT = """[fit]
parameters = ["rate"]
[fit.series.beds]
error = 0.01
"""
HEAD = "series,{when},value,unit,source,status\n"


def case(
    folder: Path, rows: dict[str, float], statistic: str = "mean", more: str = "", named: str = "", when: str = "year"
) -> Path:
    """The model with these observed values; beds are 100 + 2 t, t months after 1 April 2026."""
    (folder / "m.xmile").write_text(MODEL, encoding="utf-8")
    (folder / "m.toml").write_text(CASE.format(statistic=statistic, more=more, named=named), encoding="utf-8")
    lines = "".join(f"beds,{date},{value},bed,a test,verified\n" for date, value in rows.items())
    (folder / "reference.csv").write_text(HEAD.format(when=when) + lines, encoding="utf-8")
    return folder / "m.xmile"


def compared(path: Path) -> dict[str, float]:
    """What the model gives for each row, by its label's date."""
    return {row.label.rpartition(" ")[2]: row.simulated for row in fr.assess(path).rows if row.kind == "reference"}


@pytest.mark.parametrize(
    ("statistic", "date", "expected"),
    [  # worked by hand from beds = 100 + 2 t
        ("mean", "2026-05", 103.0),  # t from 1 to 2
        ("mean", "2026-Q2", 103.0),  # April to June: t from 0 to 3
        ("mean", "2026-Q3", 109.0),
        ("mean", "2026/27", 112.0),  # t from 0 to 12
        ("mean", "2026/27-Q1", 103.0),
        ("mean", "2027", 112.0),
        ("at", "2026-05", 104.0),  # its end
        ("at", "2026-05-31", 104.0),  # the end of the month
        ("at", "2026-05-01", 102.0),  # the beginning of a day inside a month
        ("mean", "2026-05-31", 104.0),
        ("increase", "2026-05", 2.0),
        ("increase", "2026-Q2", 6.0),
        ("increase", "2026/27", 24.0),
        ("max", "2026-12", 118.0),
        ("min", "2026/27-Q4", 118.0),
    ],
)
def test_what_a_row_stands_for(tmp_path: Path, statistic: str, date: str, expected: float) -> None:
    found = compared(case(tmp_path, {date: 1.0}, statistic))
    assert found == {date: pytest.approx(expected, rel=1e-12)}


def test_a_year_named_by_its_start(tmp_path: Path) -> None:
    assert compared(case(tmp_path, {"2026/27": 1.0}, named='year_named_by = "start"')) == {"2026/27": pytest.approx(112.0)}


@pytest.mark.parametrize("when", ["year", "date"])
def test_a_fit_finds_the_rate_that_dated_rows_were_made_with(tmp_path: Path, when: str) -> None:
    """Rows of beds = 100 + 3 t in four shapes at once: the months' means, quarters' means, a day, a year."""
    rows = {"2026-05": 104.5, "2026-08": 113.5, "2026-Q4": 100 + 3 * 7.5, "2027-03-31": 136.0, "2027/28": 100 + 3 * 18.0}
    found = fr.fit(case(tmp_path, rows, more=FIT, when=when))
    assert found.estimates[0].value == pytest.approx(3.0, rel=1e-6)
    assert {point.when for point in found.points} == set(rows)
    assert "2026-05 to 2027/28" in repr(found)


def test_the_chart_of_a_fit_puts_months_where_they_belong(tmp_path: Path) -> None:
    path = case(tmp_path, {f"2026-{month:02}": 100 + 3 * (month - 3.5) for month in range(4, 13)}, more=FIT)
    axes = chart(fr.fit(path)).axes[0]
    assert axes.lines[0].get_xdata() == pytest.approx([2026 + (month - 0.5) / 12 for month in range(4, 13)], abs=0.01)


def test_a_run_shows_dated_rows_in_their_place(tmp_path: Path) -> None:
    experiment = fr.Experiment(case(tmp_path, {"2026-05": 103.0, "2026-Q3": 109.0}))
    shown = [points for panel in panels_of(fr.run(experiment), experiment) for points in panel.points]
    assert [x for points in shown for x in points.x] == pytest.approx([1.5, 4.5])


@pytest.mark.parametrize(
    ("rows", "statistic", "reason"),
    [
        ({"2026-13": 1.0}, "mean", "there is no date 2026-13"),
        ({"2026-02-30": 1.0}, "at", "there is no date 2026-02-30"),
        ({"2026/28": 1.0}, "mean", "names no two years that follow each other"),
        ({"May 2026": 1.0}, "mean", "write 2026, 2026/27, 2026-Q2, 2026-05 or 2026-05-31"),
        ({"2026-05-31": 1.0}, "increase", "is a day, and increase is taken over a stretch of time"),
    ],
)
def test_what_is_no_period_is_said_with_its_line_and_a_repair(
    tmp_path: Path, rows: dict[str, float], statistic: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason) as fault:
        fr.read_case(fr.read_model(case(tmp_path, rows, statistic)))
    assert [finding.line for finding in fault.value.findings if finding.file.endswith("reference.csv")] == [2]
    assert all(finding.repair for finding in fault.value.findings)


def test_a_year_of_two_needs_years_that_begin_inside_a_calendar_year(tmp_path: Path) -> None:
    path = case(tmp_path, {"2026/27": 1.0})
    toml = tmp_path / "m.toml"
    toml.write_text(toml.read_text().replace("year_starts = 4", "year_starts = 1"))
    with pytest.raises(ModelError, match="year_starts = 4"):
        fr.read_case(fr.read_model(path))


def test_the_same_month_twice_is_a_fault_and_a_month_and_its_quarter_are_not(tmp_path: Path) -> None:
    path = case(tmp_path, {"2026-05": 1.0, "2026-Q2": 1.0})
    assert fr.read_case(fr.read_model(path)) is not None
    file = tmp_path / "reference.csv"
    file.write_text(file.read_text() + "beds,2026-05,2,bed,a test,verified\n")
    with pytest.raises(ModelError, match="2026-05 stands on line 2 already"):
        fr.read_case(fr.read_model(path))


def test_a_month_between_two_steps_says_how_it_could_be_reached(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"2026-05-08: .* lies between two saved times") as fault:
        fr.read_case(fr.read_model(case(tmp_path, {"2026-05-08": 1.0}, "at", FIT)))
    assert "save_every" in fault.value.findings[0].repair


@pytest.mark.parametrize(("period", "value"), [("2026-05", 103.0), ("2026-Q3", 109.0)])
def test_targets_and_kpis_name_periods(tmp_path: Path, period: str, value: float) -> None:
    target = (
        f'[targets.t]\nlabel = "t"\nsource = "t"\nstatus = "verified"\n[[targets.t.checks]]\nvariable = "beds"\n'
        f'statistic = "mean"\nperiod = "{period}"\nvalue = {value}\ntolerance = 0.001\n'
    )
    rows = [row for row in fr.assess(case(tmp_path, {"2027": 1.0}, more=target)).rows if row.kind == "target"]
    assert [row.simulated for row in rows] == [pytest.approx(value)]


def test_a_period_of_a_target_that_is_none_is_refused(tmp_path: Path) -> None:
    kpi = '[kpis.k]\nvariable = "beds"\nstatistic = "mean"\nperiod = "2026/27"\nbetter = "lower"\n'
    with pytest.raises(ModelError, match="a year is year = 2027"):
        fr.read_case(fr.read_model(case(tmp_path, {"2027": 1.0}, more=kpi)))


@pytest.mark.parametrize(
    ("text", "first", "until"),
    [
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2024-12", (2024, 12, 1), (2025, 1, 1)),
        ("2024-Q4", (2024, 10, 1), (2025, 1, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        ("1999/00", (1999, 1, 1), (2000, 1, 1)),
    ],
)
def test_periods(text: str, first: tuple[int, int, int], until: tuple[int, int, int]) -> None:
    found = period_of(text)
    assert found is not None
    assert (found.first, found.until) == (datetime.date(*first), datetime.date(*until))
    assert np.floor(found.at) == first[0]
