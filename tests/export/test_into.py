"""`export --into`: one sheet in somebody's own workbook; everything else in the file keeps its bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest

import flowreform as fr
from flowreform.export.template.into import HEADS, MARK, check_into, write_into
from planning import planning_workbook

MAY_CHANGE = {"xl/workbook.xml", "xl/_rels/workbook.xml.rels", "[Content_Types].xml"}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return planning_workbook(tmp_path / "plan.xlsx")


def parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        return {name: book.read(name) for name in book.namelist()}


def packed(path: Path) -> dict[str, bytes]:
    """The compressed bytes of every part."""
    found, content = {}, path.read_bytes()
    with zipfile.ZipFile(path) as book:
        for item in book.infolist():
            start = item.header_offset + 30 + len(item.filename.encode())
            found[item.filename] = content[start : start + item.compress_size]
    return found


def test_the_sheet_holds_yearly_values_and_the_rest_keeps_its_bytes(plan: Path, ward: Path) -> None:
    experiment = fr.read_experiment(ward / "pace.toml")
    ds = fr.run(experiment)
    before, squeezed = parts(plan), packed(plan)
    count = write_into(plan, "Beds model", ds, experiment)
    after = parts(plan)
    new = set(after) - set(before)
    assert len(new) == 1
    assert all(after[name] == before[name] and packed(plan)[name] == squeezed[name] for name in set(before) - MAY_CHANGE)
    book = openpyxl.load_workbook(plan)
    assert book.sheetnames[-1] == "Beds model"
    sheet = book["Beds model"]
    assert sheet["A1"].value == MARK
    assert tuple(cell.value for cell in sheet[5][:5]) == HEADS
    assert sheet.max_row == 5 + count
    name = sheet["A6"].value
    scenario, variable = name.split(".", 1)
    assert scenario in experiment.scenarios
    values = ds[variable].sel(scenario=scenario).median("draw").values if "[" not in variable else None
    if values is not None and sheet["E6"].value == "at the end of the year":
        assert sheet["F6"].value in [pytest.approx(value) for value in np.atleast_1d(values)]
    assert set(book.defined_names) == set(openpyxl.load_workbook(planning_workbook(plan.with_name("fresh.xlsx"))).defined_names)


def test_written_again_it_is_the_same_sheet_at_the_same_addresses(plan: Path, ward: Path) -> None:
    experiment = fr.read_experiment(ward / "pace.toml")
    ds = fr.run(experiment)
    write_into(plan, "Model", ds, experiment)
    first = plan.read_bytes()
    write_into(plan, "Model", ds, experiment)
    assert plan.read_bytes() == first
    book = openpyxl.load_workbook(plan)
    addresses = {cell.value: cell.coordinate for (cell,) in book["Model"].iter_rows(min_row=6, max_col=1)}
    book["Plan"]["B10"] = "=Model!F6*2"
    book.save(plan)  # another program writes the file anew: the text of A1 is shared there
    write_into(plan, "model", ds, experiment)
    again = openpyxl.load_workbook(plan)
    assert again["Plan"]["B10"].value == "=Model!F6*2"
    assert addresses == {cell.value: cell.coordinate for (cell,) in again["Model"].iter_rows(min_row=6, max_col=1)}


def test_somebody_elses_sheet_is_left_alone(plan: Path) -> None:
    before = plan.read_bytes()
    with pytest.raises(fr.ExperimentError, match="is not one that flowreform wrote; choose another name"):
        check_into(plan, "Plan")
    with pytest.raises(fr.ExperimentError, match="is no name of a sheet"):
        check_into(plan, "a/b")
    assert plan.read_bytes() == before
