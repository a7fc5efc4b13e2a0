"""KPIs, contrasts and summaries of Datasets made by hand, with every number worked out beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from flowreform.case import Kpi
from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment, experiment_of
from flowreform.kpi import contrast, kpis, summary
from flowreform.model import Equation, Model, Number, Role, SimSpecs, Variable


def stock(name: str, units: str) -> Variable:
    return Variable(name, name, Role.STOCK, (Equation("1", Number(1.0)),), units=units)


MODEL = Model(
    "small",
    SimSpecs(0.0, 4.0, 0.25, time_unit="month"),
    {item.name: item for item in (stock("beds", "bed"), stock("payback", "month"))},
)

BEDS = np.array(
    [
        [[9.0, 8.0, 7.0, 6.0, 5.0], [9.0, 9.0, 9.0, 9.0, 9.0], [9.0, 7.0, 5.0, 3.0, 1.0], [9.0, np.nan, np.nan, np.nan, np.nan]],
        [[9.0, 8.0, 6.0, 4.0, 2.0], [9.0, 8.0, 7.0, 6.0, 5.0], [9.0, 8.0, 7.0, 6.0, 5.0], [9.0, 8.0, 7.0, 6.0, 5.0]],
    ]
)
PAYBACK = np.array([[0.0, 4.0, 2.5, 1.0], [3.0, 3.75, 0.0, 1.0]])[:, :, None] * np.array([0.0, 0.0, 0.0, 0.0, 1.0])

KPIS = {
    "beds_at_end": Kpi(variable="beds", statistic="final", label="Beds at the end", better="lower", floor=2.0),
    "under_seven": Kpi(variable="beds", statistic="first_below", threshold=6.5),
    "payback": Kpi(variable="payback", statistic="final", none_needed=0.0, never="stop", better="lower"),
}


def experiment(items: dict[str, Kpi] | None = None) -> Experiment:
    return replace(experiment_of(MODEL), kpis=KPIS if items is None else items)


def results(**more: Any) -> xr.Dataset:
    dims = ("scenario", "draw", "time")
    data: dict[str, Any] = {"beds": (dims, BEDS), "payback": (dims, PAYBACK)}
    coords = {"scenario": ["as_was", "close_first"], "draw": range(4), "time": np.arange(5.0)}
    return xr.Dataset(data | more, coords, {"baseline": "as_was", "seed": 7})


def test_values_by_scenario_and_draw() -> None:
    table = kpis(results(), experiment())
    assert table["beds_at_end"].dims == ("scenario", "draw")
    np.testing.assert_array_equal(table["beds_at_end"], [[5.0, 9.0, 1.0, np.nan], [2.0, 5.0, 5.0, 5.0]])
    np.testing.assert_array_equal(table["under_seven"], [[3.0, np.nan, 2.0, np.nan], [2.0, 3.0, 3.0, 3.0]])
    np.testing.assert_array_equal(table["payback"], [[np.nan, np.nan, 2.5, np.nan], [3.0, np.nan, np.nan, 1.0]])
    assert table["beds_at_end"].attrs == {"units": "bed", "long_name": "Beds at the end", "better": "lower", "floor": 2.0}
    assert table["under_seven"].attrs["units"] == "month"
    assert table.attrs["seed"] == 7


def test_what_has_no_value_says_why() -> None:
    table = kpis(results(), experiment())
    np.testing.assert_array_equal(table["under_seven_outcome"], [[0, 1, 0, 3], [0, 0, 0, 0]])
    np.testing.assert_array_equal(table["payback_outcome"], [[2, 1, 0, 3], [0, 1, 2, 0]])
    assert table["payback_outcome"].attrs["flag_meanings"] == "value never none_needed failed undefined"


def test_a_run_that_the_engine_marks_as_failed_has_no_value() -> None:
    mark = np.zeros((2, 4), dtype=bool)
    mark[1, 0] = True
    table = kpis(results(failed=(("scenario", "draw"), mark)), experiment())
    assert np.isnan(table["beds_at_end"].values[1, 0])
    assert table["beds_at_end_outcome"].values[1, 0] == 3
    assert table["beds_at_end_outcome"].values[0, 3] == 4, "not marked, yet no number: undefined"


def test_a_code_is_read_before_the_scale() -> None:
    scaled = {"payback": KPIS["payback"].model_copy(update={"scale": 1 / 12, "unit": "year"})}
    table = kpis(results(), experiment(scaled))
    np.testing.assert_array_equal(table["payback_outcome"], [[2, 1, 0, 3], [0, 1, 2, 0]])
    assert table["payback"].values[0, 2] == pytest.approx(2.5 / 12)
    assert table["payback"].attrs["units"] == "year"


def test_a_number_may_stand_for_never() -> None:
    table = kpis(results(), experiment({"payback": KPIS["payback"].model_copy(update={"never": 3.75})}))
    np.testing.assert_array_equal(table["payback_outcome"], [[2, 0, 0, 3], [0, 1, 2, 0]])


def test_the_unit_of_a_ratio() -> None:
    ratio = Kpi.model_validate({"variable": "beds", "statistic": "final", "over": {"statistic": "max"}})
    mixed = Kpi.model_validate({"variable": "beds", "statistic": "final", "over": {"variable": "payback"}})
    table = kpis(results(), experiment({"ratio": ratio, "mixed": mixed}))
    assert table["ratio"].attrs["units"] == "dimensionless"
    assert table["mixed"].attrs["units"] == "(bed)/(month)"
    assert table["ratio"].values[0, 0] == 5 / 9


def test_runs_without_scenarios() -> None:
    ds = xr.Dataset({"beds": (("run", "time"), BEDS[0])}, {"time": np.arange(5.0)})
    table = kpis(ds, experiment({"beds_at_end": KPIS["beds_at_end"]}))
    np.testing.assert_array_equal(table["beds_at_end"], [5.0, 9.0, 1.0, np.nan])
    (row,) = summary(table)
    assert (row.count, row.failed, row.p50) == (3, 1, 5.0)


# --- contrast --------------------------------------------------------------------------------------------------------


def test_a_contrast_is_draw_against_the_same_draw() -> None:
    delta = contrast(kpis(results(), experiment()))
    assert list(delta["scenario"].values) == ["close_first"]
    np.testing.assert_array_equal(delta["beds_at_end"], [[-3.0, -4.0, 4.0, np.nan]])
    np.testing.assert_array_equal(delta["beds_at_end_outcome"], [[0, 0, 0, 3]])
    np.testing.assert_array_equal(delta["payback_outcome"], [[2, 1, 2, 3]])
    assert delta["beds_at_end"].attrs["baseline"] == "as_was"
    other = contrast(kpis(results(), experiment()), baseline="close_first")
    np.testing.assert_array_equal(other["beds_at_end"], [[3.0, 4.0, -4.0, np.nan]])


def test_a_relative_contrast_never_divides_by_less_than_the_floor() -> None:
    delta = contrast(kpis(results(), experiment()), relative=True)
    np.testing.assert_allclose(delta["beds_at_end"], [[-3 / 5, -4 / 9, 4 / 2, np.nan]])
    assert delta["beds_at_end"].attrs["units"] == "dimensionless"


@given(st.integers(0, 1000), st.permutations(range(4)))
def test_the_order_of_draws_does_not_matter_to_a_contrast(seed: int, order: list[int]) -> None:
    values = np.random.default_rng(seed).normal(size=(2, 4))
    table = xr.Dataset({"k": (("scenario", "draw"), values)}, {"scenario": ["a", "b"], "draw": range(4)}, {"baseline": "a"})
    straight, shuffled = contrast(table), contrast(table.isel(draw=order))
    np.testing.assert_array_equal(straight["k"].values[:, order], shuffled["k"].values)
    np.testing.assert_array_equal(straight["k"].values[0], values[1] - values[0])


def test_an_unknown_baseline_is_named() -> None:
    with pytest.raises(ExperimentError, match="as_was"):
        contrast(kpis(results(), experiment()), baseline="as_is")


# --- summary ---------------------------------------------------------------------------------------------------------


def test_quantiles_leave_out_and_count_what_has_no_value() -> None:
    rows = {(row.kpi, row.scenario): row for row in summary(kpis(results(), experiment()))}
    beds = rows["beds_at_end", "as_was"]
    assert (beds.p10, beds.p50, beds.p90) == pytest.approx((1.8, 5.0, 8.2))
    assert beds.mean == pytest.approx(5.0)
    assert (beds.count, beds.never, beds.none_needed, beds.failed, beds.undefined) == (3, 0, 0, 1, 0)
    payback = rows["payback", "as_was"]
    assert (payback.count, payback.never, payback.none_needed, payback.failed) == (1, 1, 1, 1)
    assert payback.p50 == 2.5
    assert rows["under_seven", "as_was"].never == 1
    assert list(rows) == [(name, scenario) for name in KPIS for scenario in ("as_was", "close_first")]


def test_a_contrast_counts_the_draws_in_which_a_scenario_is_better() -> None:
    rows = {row.kpi: row for row in summary(contrast(kpis(results(), experiment())))}
    assert rows["beds_at_end"].better_share == pytest.approx(2 / 3)
    assert rows["under_seven"].better_share is None
    assert rows["payback"].count == 0
    assert np.isnan(rows["payback"].p50)


def test_rounding_is_no_difference() -> None:
    """A difference under a thousand-millionth of what it is taken of is 0, and counts for neither side; a larger one stays."""
    beds = np.full((2, 4, 5), 1.0e6)
    beds[1, :3] *= 1 + np.array([1e-13, -1e-13, 1e-10])[:, None]
    beds[1, 3] *= 1 - 1e-6
    ds = results()
    ds["beds"] = (("scenario", "draw", "time"), beds)
    item = experiment({"beds_at_end": KPIS["beds_at_end"]})
    found = contrast(kpis(ds, item))
    np.testing.assert_array_equal(found["beds_at_end"][0, :3], 0.0)
    assert float(found["beds_at_end"][0, 3]) == pytest.approx(-1.0)
    (row,) = summary(found)
    assert row.better_share == 0.25
