"""Every row of the table of statistics: a value worked out by hand, the array form, the formula in a spreadsheet, words and unit.

A new statistic needs a row in `WORKED`; without it, or with a cell of its own row left empty, a test here fails by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import pytest

from flowreform.case.tables import Kpi
from flowreform.experiment import experiment_of
from flowreform.formats import read_model
from flowreform.kpi import kpi_unit
from flowreform.statistics import STATISTICS, Statistic

TIMES = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
RISE = [10.0, 12.0, 9.0, 15.0, 15.0, 20.0]
NOTHING_BEYOND = 1e99

WORKED: dict[str, list[tuple[float, float]]] = {
    "final": [(0.0, 20.0)],
    "at": [(0.0, 20.0)],
    "min": [(0.0, 9.0)],
    "max": [(0.0, 20.0)],
    "mean": [(0.0, (11.0 + 10.5 + 12.0 + 15.0 + 17.5) / 5)],
    "increase": [(0.0, 10.0)],
    "time_of_min": [(0.0, 1.0)],
    "time_of_max": [(0.0, 2.5)],
    "first_above": [(12.0, 1.5), (9.5, 0.0), (20.0, nan)],
    "first_below": [(10.0, 1.0), (9.0, nan)],
    "last_above": [(12.0, 2.5), (9.5, 2.5), (20.0, nan)],
}
"""(threshold, value) by hand, over `RISE` at `TIMES`, by the name of the statistic."""


@dataclass(frozen=True)
class Column:
    """Values in column B from row 2 on, times in A, helpers in C: what the Series sheet gives a formula, by hand."""

    count: int
    threshold: float

    values = property(lambda self: f"B2:B{self.count + 1}")
    times = property(lambda self: f"A2:A{self.count + 1}")
    first = property(lambda self: "B2")
    last = property(lambda self: f"B{self.count + 1}")
    but_last = property(lambda self: f"B2:B{max(2, self.count)}")
    but_first = property(lambda self: f"B{min(3, self.count + 1)}:B{self.count + 1}")

    def times_beyond(self, mark: str) -> str:
        return f"C2:C{self.count + 1}" if mark == ">" else f"D2:D{self.count + 1}"


def recalculated(row: Statistic, values: list[float], times: list[float], threshold: float) -> float:
    """The row's formula over a column of values, worked out by IronCalc."""
    import ironcalc

    book = ironcalc.create("book", "en", "UTC", "en")
    for at, (value, time) in enumerate(zip(values, times, strict=True), start=2):
        cells = (repr(time), repr(value), f"=IF(B{at}>{threshold!r},A{at},1E+99)", f"=IF(B{at}<{threshold!r},A{at},1E+99)")
        for column, text in enumerate(cells, start=1):
            book.set_user_input(0, at, column, text)
    book.set_user_input(0, 1, 6, f"={row.cell(Column(len(values), threshold))}")
    book.evaluate()
    return float(book.get_cell_value(0, 1, 6))


def test_every_statistic_has_a_worked_value() -> None:
    assert set(WORKED) == set(STATISTICS), "a statistic and its worked value belong together"


@pytest.mark.parametrize("name", STATISTICS)
def test_the_array_form_gives_the_worked_value(name: str) -> None:
    for threshold, wanted in WORKED[name]:
        found = STATISTICS[name].array(np.array([[RISE, RISE[::-1]]])[:, :1], np.array(TIMES), threshold)
        assert found.shape == (1, 1)
        assert found.item() == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_formula_gives_the_worked_value(name: str) -> None:
    for threshold, wanted in WORKED[name]:
        found = recalculated(STATISTICS[name], RISE, TIMES, threshold)
        assert found == pytest.approx(NOTHING_BEYOND if isnan(wanted) else wanted, rel=1e-12)


@pytest.mark.parametrize("name", STATISTICS)
def test_array_and_formula_agree_on_one_value_alone(name: str) -> None:
    array = STATISTICS[name].array(np.array([[7.0]]), np.array([3.0]), 0.0).item()
    formula = recalculated(STATISTICS[name], [7.0], [3.0], 0.0)
    assert formula == pytest.approx(NOTHING_BEYOND if isnan(array) else array)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_row_says_what_it_is_and_when_it_looks(name: str) -> None:
    row = STATISTICS[name]
    assert row.label
    assert row.looks in ("window", "end", "moment")
    assert row.threshold == any(isnan(value) for _, value in WORKED[name]), "a threshold that is never passed has no time"


@pytest.mark.parametrize("name", STATISTICS)
def test_the_unit_of_a_kpi_follows_from_its_row(name: str) -> None:
    experiment = experiment_of(read_model("care_shift"))
    more = {"threshold": 1.0} if STATISTICS[name].threshold else {}
    kpi = Kpi.model_validate({"variable": "staffed_beds", "statistic": name, **more})
    assert kpi_unit(kpi, experiment) == ("month" if STATISTICS[name].is_time else "bed")
