"""What the case files say about workbooks fits their models."""

from __future__ import annotations

import pytest

import flowreform as fr
from flowreform.formats import bundled


@pytest.mark.parametrize("name", bundled("models"))
def test_the_workbook_table_names_what_the_model_has(name: str) -> None:
    model = fr.read_model(name)
    case = fr.read_case(model)
    assert case is not None
    table = case.workbook
    assert table.yearly
    assert any(chart.limit for chart in table.charts), "occupancy is drawn with its limit"
    assert any(chart.shaded for chart in table.charts), "double running is shaded"
    assert table.compare
