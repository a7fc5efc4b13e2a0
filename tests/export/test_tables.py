"""Tables say what the numbers say, and what has no number."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from flowreform.experiment import Experiment
from flowreform.export.tables import kpis_csv, spread
from flowreform.kpi import KpiRow, kpis
from flowreform.text import cell, markdown

if TYPE_CHECKING:
    from xarray import Dataset

ROW = KpiRow("beds", "Beds", "bed", "lower", "base", 20, 21_000.0, 23_100.0, 25_400.0, 23_000.0, 0, 0, 0, 0)


def test_csv_has_a_row_for_every_run_and_every_digit(ds: Dataset, experiment: Experiment) -> None:
    values = kpis(ds, experiment)
    rows = list(csv.DictReader(io.StringIO(kpis_csv(values))))
    assert [(row["scenario"], row["draw"]) for row in rows] == [
        (name, str(at)) for name in ("as_planned", "slower") for at in range(20)
    ]
    np.testing.assert_array_equal([float(row["use_in_first_year"]) for row in rows], values["use_in_first_year"].values.ravel())
    assert {row["empty_at"] for row in rows} == {""}  # never below 10 beds in two years
    assert "\r" not in kpis_csv(values)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "23,100 (21,000 to 25,400)"),
        ({"p10": -2e6, "p50": 2.4791e9, "p90": 3e9}, "2.479 (-0.002 to 3) billion"),
        ({"p10": -1.4e-4, "p50": 1.222e6, "p90": 5.838e6}, "1.222 (0 to 5.838) million"),
        ({"p10": 0.0, "p50": 6.68, "p90": 958.8}, "6.7 (0 to 958.8)"),
        ({"p10": 1e-12, "p50": 2e-12, "p90": 3e-12}, "2.000e-12 (1.000e-12 to 3.000e-12)"),
        ({"p10": 5.0, "p50": 5.0, "p90": 5.0}, "5"),
        ({"count": 17, "never": 2, "failed": 1}, "2 never, 1 failed of 20; 23,100 (21,000 to 25,400)"),
        ({"count": 0, "never": 20}, "20 never"),
        ({"count": 0, "never": 1}, "never"),
        ({"count": 0, "none_needed": 1}, "none needed"),
        ({"count": 0}, "-"),
    ],
)
def test_spread(changes: dict[str, float], text: str) -> None:
    assert spread(replace(ROW, **changes)) == text


def test_differences_carry_their_sign() -> None:
    assert spread(replace(ROW, p10=-1.0, p50=0.0, p90=2.0), signed=True) == "0 (-1 to +2)"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "no difference"),
        ({"count": 17, "failed": 3}, "3 failed; no difference"),
        ({"p90": 1.0}, "0 (0 to +1)"),
        ({"better_share": 0.02}, "0"),
    ],
)
def test_no_difference_is_said_in_words_only_where_no_draw_differs(changes: dict[str, float], text: str) -> None:
    assert spread(replace(ROW, **({"p10": 0.0, "p50": 0.0, "p90": 0.0, "better_share": 0.0} | changes)), signed=True) == text


def test_how_many_never_pay_back_stands_before_a_median_over_all_of_them() -> None:
    row = replace(ROW, count=41, never=59, p10=40.0, p50=float("inf"), p90=float("inf"))
    assert spread(row) == "59 never of 100; never (40 to never)"


def test_text_cannot_leave_its_cell() -> None:
    assert cell("a|b\n<script>`x`\\") == "a\\|b &lt;script>'x'\\\\"
    assert markdown(["a", "b"], [["1|2", "3"]]) == "| a | b |\n| --- | ---: |\n| 1\\|2 | 3 |\n"
