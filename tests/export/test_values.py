"""The workbook of values: every number where its heading says, no formula whatever the text, the same bytes twice."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import openpyxl
import pytest

from flowreform.calendar import Calendar
from flowreform.experiment import Experiment
from flowreform.export.values import write_values
from flowreform.export.values.sheets import NOT_ADDITIVE, Period, periods
from flowreform.kpi import kpis

if TYPE_CHECKING:
    from xarray import Dataset

SHEETS = ["Cover", "KPIs", "Yearly", "Differences", "Charts", "Scenarios", "Assumptions", "Provenance"]
HOSTILE = "=cmd|' /c calc'!A1"


@pytest.fixture
def book(tmp_path: Path, ds: Dataset, experiment: Experiment) -> Any:
    write_values(tmp_path / "v.xlsx", ds, experiment)
    return openpyxl.load_workbook(tmp_path / "v.xlsx")


def table(sheet: Any, heading: str) -> list[dict[str, Any]]:
    """The rows under the header row that begins with a heading."""
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    at = next(i for i, row in enumerate(rows) if row[0] == heading)
    heads = [str(head) for head in rows[at]]
    found = []
    for row in rows[at + 1 :]:
        if row[0] is None:
            break
        found.append(dict(zip(heads, row, strict=True)))
    return found


def test_percentiles_by_year_and_scenario_are_the_datasets(book: Any, ds: Dataset) -> None:
    rows = table(book["Yearly"], "Result")
    assert len(rows) == 2 * 2 * 3
    year = {"2020/21": (0, 12), "2021/22": (12, 24)}
    for row in rows:
        scenario = {"as planned": "as_planned", "slower": "slower"}[row["Scenario"]]
        data = ds[row["Name in the model"]].sel(scenario=scenario)
        for label, (begin, end) in year.items():
            values = data.sel(time=float(end)).values
            if row["What a year shows"] == "in the year":
                values = values - data.sel(time=float(begin)).values
            assert row[label] == pytest.approx(float(np.percentile(values, int(row["Percentile"][1:]))), rel=1e-14)
    assert {(row["Name in the model"], row["What a year shows"]) for row in rows} == {
        ("open_beds", "at the end of the year"),
        ("bed_months_total", "in the year"),
    }


def test_differences_are_taken_draw_by_draw(book: Any, ds: Dataset) -> None:
    rows = table(book["Differences"], "Result")
    assert {row["Scenario"] for row in rows} == {"slower"}
    total = ds["bed_months_total"]
    grown = (total.sel(time=24.0) - total.sel(time=12.0)).transpose("scenario", "draw").values
    (row,) = [row for row in rows if row["Name in the model"] == "bed_months_total" and row["Percentile"] == "P90"]
    assert row["2021/22"] == pytest.approx(float(np.percentile(grown[1] - grown[0], 90)), rel=1e-14)
    assert abs(row["2021/22"] - (np.percentile(grown[1], 90) - np.percentile(grown[0], 90))) < 1e-9  # comonotone here


def test_kpis_and_what_has_no_number(book: Any, ds: Dataset, experiment: Experiment) -> None:
    rows = {(row["KPI"], row["Scenario"]): row for row in table(book["KPIs"], "KPI")}
    found = kpis(ds, experiment)
    beds = rows["Open beds at the end", "slower"]
    assert beds["P50"] == float(np.median(found["beds_at_end"].sel(scenario="slower")))
    never = rows["First below 10 beds", "slower"]
    assert (never["P50"], never["Draws"], never["Draws without a number"]) == (None, 0, "20 never")


def test_what_must_be_said_is_printed(book: Any) -> None:
    assert book.sheetnames == SHEETS
    for name in ("KPIs", "Yearly", "Differences"):
        assert any(cell == NOT_ADDITIVE for row in book[name].iter_rows(max_row=4, values_only=True) for cell in row)
    assert len(book["Charts"]._charts) == 2
    sources = {row["Name in the model"]: row for row in table(book["Assumptions"], "Input")}
    assert set(sources) == {"closure_rate", "share_in_use"}
    assert sources["share_in_use"]["How it varies"] == "uniform(low 0.8, high 1) dimensionless"
    assert sources["closure_rate"]["Source"] == "board paper | 2020"
    assert [row["slower"] for row in table(book["Scenarios"], "Input")] == ["0.01 1/month"]
    hashes = [row["Value"] for row in table(book["Provenance"], "What")]
    assert any(len(str(value)) == 64 for value in hashes)


def test_no_text_becomes_a_formula(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    table_ = dict(experiment.kpis)
    table_["beds_at_end"] = table_["beds_at_end"].model_copy(update={"label": "@SUM(A1)"})
    scenarios = {
        name: dataclasses.replace(item, label=f"{HOSTILE} {'x' * 300}", settings=item.settings)
        for name, item in experiment.scenarios.items()
    }
    hostile = dataclasses.replace(
        experiment, title=HOSTILE, question="+1-1", kpis=MappingProxyType(table_), scenarios=MappingProxyType(scenarios)
    )
    named = ds.copy()
    named["open_beds"].attrs |= {"long_name": '=HYPERLINK("http://x","y")', "units": "-1+1"}
    write_values(tmp_path / "v.xlsx", named, hostile)
    book = openpyxl.load_workbook(tmp_path / "v.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    assert {HOSTILE, "+1-1", "@SUM(A1)", "-1+1"} <= {cell.value for cell in cells}
    links = [cell.hyperlink for sheet in book for row in sheet.iter_rows() for cell in row if cell.hyperlink]
    assert all(link.target is None and link.location for link in links)
    labels = {row["Scenario"] for row in table(book["Yearly"], "Result")}
    assert len(labels) == 2  # two scenarios of one label are told apart


def test_the_same_bytes_twice_and_no_clock(
    tmp_path: Path, ds: Dataset, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        write_values(tmp_path / f"{name}.xlsx", ds, experiment)
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    assert openpyxl.load_workbook(tmp_path / "one.xlsx").properties.created == datetime.datetime(2020, 4, 1)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(datetime.datetime(2026, 5, 6, tzinfo=datetime.UTC).timestamp())))
    write_values(tmp_path / "three.xlsx", ds, experiment)
    assert openpyxl.load_workbook(tmp_path / "three.xlsx").properties.created == datetime.datetime(2026, 5, 6)


def test_failed_runs_are_left_out_and_counted(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    broken = ds.copy(deep=True)
    broken["open_beds"][0, :5, 10:] = np.nan
    broken["failed"][0, :5] = True
    write_values(tmp_path / "v.xlsx", broken, experiment)
    book = openpyxl.load_workbook(tmp_path / "v.xlsx")
    texts = [cell for row in book["Cover"].iter_rows(values_only=True) for cell in row if cell]
    assert "5 of 40 runs failed and are left out." in texts
    rows = {(row["KPI"], row["Scenario"]): row for row in table(book["KPIs"], "KPI")}
    assert rows["Open beds at the end", "as planned"]["Draws without a number"] == "5 failed"
    yearly = [row for row in table(book["Yearly"], "Result") if row["Name in the model"] == "open_beds"]
    assert all(row["2021/22"] is not None for row in yearly)


def test_one_scenario_and_one_draw(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    alone = dataclasses.replace(
        experiment, draws=1, scenarios=MappingProxyType({"as_planned": experiment.scenarios["as_planned"]})
    )
    write_values(tmp_path / "v.xlsx", ds.isel(scenario=[0], draw=[0]), alone)
    book = openpyxl.load_workbook(tmp_path / "v.xlsx")
    assert "Differences" not in book.sheetnames
    rows = table(book["Yearly"], "Result")
    assert [row["Percentile"] for row in rows] == ["value", "value"]


def test_a_sobol_table_where_there_is_one(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    import flowreform as fr

    indices = fr.sensitivity(experiment, "sobol", 16)
    write_values(tmp_path / "v.xlsx", ds, experiment, indices)
    book = openpyxl.load_workbook(tmp_path / "v.xlsx")
    assert book.sheetnames == [*SHEETS[:5], "Sensitivity", *SHEETS[5:]]
    rows = table(book["Sensitivity"], "KPI")
    one = indices.sel(kpi="use_in_first_year", scenario="slower")
    (row,) = [row for row in rows if row["Scenario"] == "slower" and row["KPI"] == "Bed-months used in 2020/21"]
    for name in ("S1", "ST"):
        assert row[name] == pytest.approx(float(one["kpi_index"].sel(index=name, parameter="share_in_use")), rel=1e-14)


@pytest.mark.requires("soffice")
def test_libreoffice_shows_the_same_numbers(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    from office import recalculated

    write_values(tmp_path / "v.xlsx", ds, experiment)
    other = openpyxl.load_workbook(recalculated(tmp_path / "v.xlsx", tmp_path))
    mine = openpyxl.load_workbook(tmp_path / "v.xlsx")
    assert other.sheetnames == mine.sheetnames
    for name in ("KPIs", "Yearly", "Differences"):
        for one, two in zip(mine[name].iter_rows(values_only=True), other[name].iter_rows(values_only=True), strict=False):
            for a, b in zip(one, two, strict=False):
                assert a == b or (not a and not b) or a == pytest.approx(b, rel=1e-14)


# --- reporting years -------------------------------------------------------------------------------------------------


def test_whole_years_within_the_saved_times() -> None:
    months = np.arange(0.0, 31.0)
    nhs = Calendar(datetime.date(2020, 2, 1), "month", year_starts=4, year_named_by="start")
    assert periods(months, "month", nhs) == (Period("2020/21", 2, 14), Period("2021/22", 14, 26))
    us = Calendar(datetime.date(2020, 2, 1), "month", year_starts=10)
    assert periods(months, "month", us) == (Period("FY2021", 8, 20),)
    assert [period.label for period in periods(np.arange(0.0, 37.0), "Months", None)] == ["Year 1", "Year 2", "Year 3"]
    assert [period.label for period in periods(np.arange(0.0, 6.0), "month", None)] == [f"to {at}" for at in range(1, 6)]
    assert periods(np.array([3.0]), "month", None) == ()
