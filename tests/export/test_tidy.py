"""The tidy table: every number once, where it belongs, in CSV and Parquet alike, and no text that could be a formula."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import tracemalloc
import unicodedata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest

import flowreform.text
from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment
from flowreform.export import tidy
from flowreform.export.tables import kpis_csv
from flowreform.export.tidy import COLUMNS, write_csv, write_kpis, write_parquet
from flowreform.kpi import kpis
from flowreform.text import harmless, number_field, text_field

if TYPE_CHECKING:
    from xarray import Dataset

HOSTILE = ["=cmd|' /c calc'!A1", "+A1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", 'a,"b"', "plain", "line\nbreak",
           "＝1+1", "＋A1", "－1", "＠SUM(A1)", "﹦1", " =1+1", "\u200b=1+1", "a;=1+1", 'a;"=1+1"', "a\n=1+1"]  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def arrayed(ds: Dataset) -> Dataset:
    """The ward's results with an array of two dimensions beside them, hostile names among its elements."""
    import xarray as xr

    shape = (ds.sizes["scenario"], ds.sizes["draw"], ds.sizes["time"], 2, 3)
    values = np.random.default_rng(5).normal(size=shape)
    ds = ds.assign_coords(ward=["north", "=south"], shift=["a", "b", "c"])
    return ds.assign(nurses=xr.DataArray(values, dims=("scenario", "draw", "time", "ward", "shift"), attrs={"units": "wte"}))


def test_every_number_stands_where_it_belongs(tmp_path: Path, arrayed: Dataset, experiment: Experiment) -> None:
    assert experiment.case is not None
    write_csv(tmp_path / "a.csv", arrayed, experiment.case.calendar)
    rows = rows_of(tmp_path / "a.csv")
    lines = 2 + 2 * 3
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * 20 * 25 * lines
    for row in rows[:: 97 if len(rows) > 1000 else 1]:
        at = {"scenario": row["scenario"], "draw": int(row["draw"]), "time": float(row["time"])}
        base, _, inside = row["variable"].partition("[")
        data = arrayed[base].sel(at)
        if inside:
            ward, shift = inside.rstrip("]").split(",")
            data = data.sel(ward=ward, shift=shift)
        assert float(row["value"]) == float(data)
        assert row["unit"] == arrayed[base].attrs["units"]
        months = int(float(row["time"]))
        assert row["date"] == str(datetime.date(2020 + (3 + months) // 12, (3 + months) % 12 + 1, 1))
    assert [row["variable"] for row in rows[2:lines]] == [f"nurses[{w},{s}]" for w in ("north", "=south") for s in "abc"]
    keys = [(row["scenario"], int(row["draw"]), float(row["time"])) for row in rows]
    assert keys == sorted(keys, key=lambda key: (["as_planned", "slower"].index(key[0]), *key[1:]))


def test_parquet_has_the_same_rows(
    tmp_path: Path, arrayed: Dataset, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(tidy, "BLOCK_BYTES", 8 * 8 * 25 * 3)  # three draws a block
    assert experiment.case is not None
    write_csv(tmp_path / "a.csv", arrayed, experiment.case.calendar)
    write_parquet(tmp_path / "a.parquet", arrayed, experiment.case.calendar)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 2 * 7
    found = file.read().to_pylist()
    rows = rows_of(tmp_path / "a.csv")
    assert len(rows) == len(found)
    for row, other in zip(rows, found, strict=True):
        assert list(other) == list(row)
        assert (row["scenario"], int(row["draw"]), float(row["time"]), float(row["value"]), row["unit"], row["variable"]) == (
            other["scenario"], other["draw"], other["time"], other["value"], other["unit"], other["variable"],
        )  # fmt: skip
        assert row["date"] == str(other["date"])
    assert file.schema_arrow.metadata[b"flowreform.model_sha256"].decode() == experiment.model.sha256


def test_without_a_calendar_there_are_no_dates(tmp_path: Path, ds: Dataset) -> None:
    import pyarrow.parquet as pq

    write_csv(tmp_path / "a.csv", ds)
    write_parquet(tmp_path / "a.parquet", ds)
    assert {row["date"] for row in rows_of(tmp_path / "a.csv")} == {""}
    assert pq.read_table(tmp_path / "a.parquet")["date"].null_count == len(rows_of(tmp_path / "a.csv"))


def test_runs_without_a_number_are_empty(tmp_path: Path, ds: Dataset) -> None:
    import pyarrow.parquet as pq

    broken = ds.copy(deep=True)
    broken["open_beds"][0, 0, 2:5] = [np.nan, np.inf, -np.inf]
    write_csv(tmp_path / "a.csv", broken)
    values = [row["value"] for row in rows_of(tmp_path / "a.csv") if row["variable"] == "open_beds"]
    assert values[2:5] == ["", "", ""]
    assert all(values[5:])
    write_parquet(tmp_path / "a.parquet", broken)
    found = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["value"] for row in found if row["variable"] == "open_beds"][3:5] == [np.inf, -np.inf]


def test_the_same_bytes_twice(tmp_path: Path, ds: Dataset) -> None:
    for name in ("one", "two"):
        write_csv(tmp_path / f"{name}.csv", ds)
        write_parquet(tmp_path / f"{name}.parquet", ds)
    for kind in ("csv", "parquet"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()


def test_nothing_over_time_is_a_fault_and_no_file(tmp_path: Path, ds: Dataset) -> None:
    still = ds.drop_vars(["open_beds", "bed_months_total"])
    for write, name in ((write_csv, "a.csv"), (write_parquet, "a.parquet")):
        with pytest.raises(ExperimentError, match="no variable over time"):
            write(tmp_path / name, still)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven times the runs take no more beside the results themselves than a block and its rows."""
    import xarray as xr

    monkeypatch.setattr(tidy, "BLOCK_BYTES", 80_000)

    def peak(draws: int) -> int:
        values = np.random.default_rng(1).normal(size=(1, draws, 50, 10))
        data = {f"v{at}": (("scenario", "draw", "time"), values[..., at]) for at in range(10)}
        ds = xr.Dataset(data, {"scenario": ["base"], "draw": np.arange(draws), "time": np.arange(50.0)})
        tracemalloc.start()
        write_csv(tmp_path / "a.csv", ds)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(60), peak(400)
    assert large < 1.2 * small
    assert (tmp_path / "a.csv").stat().st_size > 3 * large


def test_pyarrow_missing_is_one_line_with_what_to_install(tmp_path: Path, ds: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowreform.export.tidy.find_spec", lambda name: None)
    with pytest.raises(ExperimentError, match=r"pip install 'flowreform\[parquet\]'"):
        write_parquet(tmp_path / "a.parquet", ds)


# --- text is never a formula -----------------------------------------------------------------------------------------


def formulas(path: Path) -> list[str]:
    """The cells that a spreadsheet would read as formulas: they begin with a mark, and are no number."""

    def numeric(text: str) -> bool:
        try:
            float(text)
        except ValueError:
            return False
        return True

    cells = []
    for mark in ",;":  # a spreadsheet of another country keeps cells apart by semicolons
        with open(path, encoding="utf-8", newline="") as file:
            cells += [cell for row in csv.reader(file, delimiter=mark) for cell in row]
    plain = [unicodedata.normalize("NFKC", cell).lstrip(" \u200b").strip('"') for cell in cells]
    return [cell for cell in plain if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not numeric(cell)]


def hostile(ds: Dataset) -> Dataset:
    found = ds.assign_coords(scenario=HOSTILE[:2]).rename(open_beds="=open", bed_months_total="@beds")
    found["=open"] = -found["=open"]
    found["=open"].attrs["units"] = "-1/month"
    return found


def test_text_that_could_be_a_formula_is_made_harmless(tmp_path: Path, ds: Dataset) -> None:
    write_csv(tmp_path / "a.csv", hostile(ds))
    assert formulas(tmp_path / "a.csv") == []
    rows = rows_of(tmp_path / "a.csv")
    assert {row["scenario"] for row in rows} == {"'" + name for name in HOSTILE[:2]}
    assert {(row["variable"], row["unit"]) for row in rows} == {("'=open", "'-1/month"), ("'@beds", "bed*month")}
    assert {row["value"][0] for row in rows if row["variable"] == "'=open"} == {"-"}  # a number stays a number


def test_text_without_its_apostrophe_is_caught(tmp_path: Path, ds: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant quotes, which keeps columns apart and formulas alive."""
    monkeypatch.setattr(flowreform.text, "harmless", lambda text: text)
    write_csv(tmp_path / "a.csv", hostile(ds))
    assert set(formulas(tmp_path / "a.csv")) >= {*HOSTILE[:2], "=open", "@beds", "-1/month"}


@pytest.mark.requires("soffice")
def test_libreoffice_sees_no_formula_in_it(tmp_path: Path, ds: Dataset) -> None:
    import openpyxl

    from office import recalculated

    write_csv(tmp_path / "a.csv", hostile(ds).isel(draw=[0], time=[0]))
    sheet = openpyxl.load_workbook(recalculated(tmp_path / "a.csv", tmp_path)).active
    assert sheet.max_row == 5
    assert not [cell.value for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_field_reads_back_as_its_harmless_text(text: str) -> None:
    (cells,) = csv.reader([f"{text_field(text)},{number_field(-1.5)}\n"])
    assert cells == [harmless(text), "-1.5"] or "\n" in text or "\r" in text
    assert harmless(text).replace("'", "") == text.replace("'", "")
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_way_of_reading_a_field_finds_a_formula(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"x,{text_field(text)},{number_field(-1.5)}\n", encoding="utf-8", newline="")
    assert formulas(tmp_path / "a.csv") == []


@pytest.mark.parametrize("text", ["beds", "Beds, open (ward A)", "a; b", "5 - 3", "'quoted", "NHS e-mail", "1/month"])
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_kpi_tables_are_harmless_and_alike(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    import pyarrow.parquet as pq

    table = dict(experiment.kpis)
    table["=beds"] = table.pop("beds_at_end")
    named = dataclasses.replace(experiment, kpis=MappingProxyType(table))
    found = kpis(ds, named).assign_coords(scenario=HOSTILE[:2])
    (tmp_path / "k.csv").write_text(kpis_csv(found), encoding="utf-8", newline="")
    assert formulas(tmp_path / "k.csv") == []
    write_kpis(tmp_path / "k.parquet", found)
    other = pq.read_table(tmp_path / "k.parquet")
    assert other.schema.field("=beds").metadata == {b"unit": b"bed"}
    rows = rows_of(tmp_path / "k.csv")
    assert [row["'=beds"] for row in rows] == [number_field(value) for value in other["=beds"].to_pylist()]
    assert [row["scenario"] for row in rows] == ["'" + name for name in other["scenario"].to_pylist()]
