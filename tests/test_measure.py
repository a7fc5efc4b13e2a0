"""Measures on series made by hand: values, windows and dates worked out on paper."""

from __future__ import annotations

import datetime
from math import nan

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from flowreform.calendar import Calendar
from flowreform.errors import ExperimentError
from flowreform.measure import Grid, Measure, Second, evaluate, shape_faults, time_faults, window

FISCAL = Calendar(datetime.date(1993, 10, 1), "month", 10, "end", 0.0)
NHS = Calendar(datetime.date(1954, 4, 1), "year", 4, "start", 1954.25)


def series(values: list[float], every: float = 1.0, start: float = 0.0, **more: list[float]) -> xr.Dataset:
    times = start + every * np.arange(len(values))
    return xr.Dataset({name: (("run", "time"), [data]) for name, data in {"x": values, **more}.items()}, {"time": times})


def take(measure: Measure, ds: xr.Dataset, calendar: Calendar | None = FISCAL) -> float:
    return float(evaluate(measure, ds, calendar).item())


# --- statistics ------------------------------------------------------------------------------------------------------

RISE = [10.0, 12.0, 9.0, 15.0, 15.0, 20.0]


@pytest.mark.parametrize(
    ("statistic", "threshold", "value"),
    [
        ("final", None, 20.0),
        ("min", None, 9.0),
        ("max", None, 20.0),
        ("mean", None, (11.0 + 10.5 + 12.0 + 15.0 + 17.5) / 5),
        ("increase", None, 10.0),
        ("time_of_min", None, 2.0),
        ("time_of_max", None, 5.0),
        ("first_above", 12.0, 3.0),
        ("first_above", 9.5, 0.0),
        ("first_above", 20.0, nan),
        ("first_below", 10.0, 2.0),
        ("first_below", 9.0, nan),
    ],
)
def test_statistics_over_the_whole_run(statistic: str, threshold: float | None, value: float) -> None:
    measure = Measure(variable="x", statistic=statistic, threshold=threshold)
    assert take(measure, series(RISE), None) == pytest.approx(value, nan_ok=True)


def test_the_first_of_two_equal_extremes_gives_the_time() -> None:
    assert take(Measure(variable="x", statistic="time_of_max"), series([1.0, 3.0, 3.0, 0.0])) == 1.0


def test_a_year_is_both_its_ends_and_all_between() -> None:
    ds = series([float(month) ** 2 for month in range(25)])
    assert take(Measure(variable="x", statistic="at", year=1994), ds) == 144.0
    assert take(Measure(variable="x", statistic="increase", year=1995), ds) == 24.0**2 - 12.0**2
    assert take(Measure(variable="x", statistic="min", year=1995), ds) == 144.0
    assert take(Measure(variable="x", statistic="max", year=1994), ds) == 144.0
    trapezium = sum((month**2 + (month + 1) ** 2) / 2 for month in range(12)) / 12
    assert take(Measure(variable="x", statistic="mean", year=1994), ds) == pytest.approx(trapezium)


def test_dates_and_windows() -> None:
    ds = series([float(month) for month in range(37)])
    at = Measure(variable="x", statistic="at", date=datetime.date(1996, 10, 1))
    assert take(at, ds) == 36.0
    window = Measure.model_validate(
        {"variable": "x", "statistic": "increase", "from": datetime.date(1994, 1, 1), "to": datetime.date(1994, 3, 1)}
    )
    assert take(window, ds) == 2.0
    open_end = Measure.model_validate({"variable": "x", "statistic": "max", "to": datetime.date(1994, 3, 1)})
    assert take(open_end, ds) == 5.0


def test_a_year_model_by_nhs_years() -> None:
    ds = series([float(n) for n in range(41)], every=0.25, start=1954.25)
    assert take(Measure(variable="x", statistic="at", year=1954), ds, NHS) == 4.0
    assert take(Measure(variable="x", statistic="increase", year=1963), ds, NHS) == 4.0


def test_ratio_difference_and_scale_inherit_what_they_do_not_say() -> None:
    ds = series([float(month) for month in range(1, 74)], y=[2.0] * 73)
    ratio = Measure(variable="x", statistic="at", year=1999, over=Second(year=1994))
    assert take(ratio, ds) == 73.0 / 13.0
    difference = Measure(variable="x", statistic="at", year=1999, minus=Second(year=1994), scale=0.1)
    assert take(difference, ds) == pytest.approx(6.0)
    other = Measure(variable="x", statistic="final", over=Second(variable="y", statistic="mean"))
    assert take(other, ds) == 36.5
    replaced = Measure(variable="x", statistic="at", year=1994, minus=Second(date=datetime.date(1993, 10, 1)))
    assert take(replaced, ds) == 12.0
    assert other.variables == ("x", "y")


def test_over_nothing_is_no_number() -> None:
    ds = series([1.0, 2.0], y=[0.0, 0.0])
    assert np.isnan(take(Measure(variable="x", statistic="final", over=Second(variable="y")), ds))


@pytest.mark.parametrize("statistic", ["final", "min", "max", "mean", "increase", "time_of_max", "first_above"])
@pytest.mark.parametrize("bad", [nan, np.inf, -np.inf])
def test_a_run_that_is_not_finite_has_no_value(statistic: str, bad: float) -> None:
    threshold = 0.0 if statistic == "first_above" else None
    ds = series([1.0, 2.0, bad])
    assert np.isnan(take(Measure(variable="x", statistic=statistic, threshold=threshold), ds))


def test_a_fault_after_the_window_does_not_touch_it() -> None:
    ds = series([float(month) for month in range(24)] + [nan])
    assert take(Measure(variable="x", statistic="at", year=1994), ds) == 12.0


def test_any_leading_dimensions_and_elements() -> None:
    values = np.arange(2 * 3 * 4 * 2, dtype=float).reshape(2, 3, 4, 2)
    ds = xr.Dataset(
        {"beds": (("scenario", "draw", "time", "network"), values)},
        {"scenario": ["a", "b"], "time": [0.0, 1.0, 2.0, 3.0], "network": ["losing", "gaining"]},
    )
    result = evaluate(Measure(variable="beds[gaining]", statistic="final"), ds, None)
    assert result.dims == ("scenario", "draw")
    np.testing.assert_array_equal(result.values, values[:, :, 3, 1])
    assert evaluate(Measure(variable="beds", statistic="max"), ds, None).dims == ("scenario", "draw", "network")


@given(st.integers(1, 40), st.integers(0, 2**32))
def test_a_run_alone_measures_as_in_a_batch_bit_for_bit(runs: int, seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(size=(30, runs))  # time first, as an engine keeps it
    batch = xr.Dataset({"x": (("run", "time"), values.T)}, {"time": np.arange(30.0)})
    for statistic in ("mean", "increase", "max"):
        measure = Measure(variable="x", statistic=statistic)
        together = evaluate(measure, batch, None).values
        alone = [evaluate(measure, batch.isel(run=[k]).copy(deep=True), None).values[0] for k in range(runs)]
        assert together.tolist() == alone


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_date_between_saved_times_is_a_fault_that_names_the_remedy() -> None:
    quarterly = series([1.0, 2.0, 3.0, 4.0, 5.0], every=3.0)
    measure = Measure(variable="x", statistic="at", date=datetime.date(1993, 11, 1))
    with pytest.raises(ExperimentError, match="between two saved times") as caught:
        evaluate(measure, quarterly, FISCAL)
    assert caught.value.findings[0].element == "x"
    yearly = Measure(variable="x", statistic="at", year=1994)
    (fault,) = time_faults(yearly, 0.0, 64.0, 8.0, FISCAL)
    assert fault.repair == "set save_every = 4"
    assert time_faults(yearly, 0.0, 64.0, 4.0, FISCAL) == []


def test_a_date_outside_the_run_or_without_calendar_is_a_fault() -> None:
    measure = Measure(variable="x", statistic="increase", year=1999, over=Second(year=1990))
    assert ["not inside the run" in fault.reason for fault in time_faults(measure, 0.0, 72.0, 1.0, FISCAL)] == [True]
    assert "1993-10-01 to 1999-10-01" in time_faults(measure, 0.0, 72.0, 1.0, FISCAL)[0].reason
    assert ["no calendar" in fault.reason for fault in time_faults(measure, 0.0, 72.0, 1.0, None)] == [True, True]


def test_a_dataset_with_gaps_is_refused() -> None:
    gaps = series([float(month) for month in range(37)]).isel(time=[0, 1, 12, 36])
    with pytest.raises(ExperimentError, match="not evenly spaced"):
        evaluate(Measure(variable="x", statistic="at", year=1994), gaps, FISCAL)


@given(st.integers(1, 400), st.sampled_from([0.1, 0.125, 0.3, 1.0, 7.0]), st.floats(-2000, 2000))
def test_every_saved_time_is_found_however_it_is_rounded(steps: int, every: float, start: float) -> None:
    calendar = Calendar(datetime.date(2000, 1, 1), "month", start=start)
    grid = Grid(start, start + steps * every, every)
    assert [grid.nearest(start + k * every)[0] for k in range(steps + 1)] == list(range(steps + 1))
    whole = Measure.model_validate({"variable": "x", "statistic": "max", "from": datetime.date(2000, 1, 1)})
    assert window(whole, grid, calendar) == (0, steps)


def test_a_variable_that_was_not_saved_is_named() -> None:
    with pytest.raises(ExperimentError, match="not saved") as caught:
        evaluate(Measure(variable="y", statistic="final"), series([1.0]), None)
    assert 'add "y" to save' in caught.value.findings[0].repair


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"statistic": "first_above"}, "needs a"),
        ({"statistic": "max", "threshold": 1.0}, "takes no threshold"),
        ({"statistic": "at"}, "needs year or date"),
        ({"statistic": "at", "year": 1999, "date": datetime.date(1999, 1, 1)}, "cannot stand together"),
        ({"statistic": "final", "year": 1999}, "takes no date"),
        ({"statistic": "at", "from": datetime.date(1999, 1, 1)}, "not a window"),
        ({"statistic": "max", "date": datetime.date(1999, 1, 1)}, "not one date"),
        ({"statistic": "max", "from": datetime.date(1999, 1, 1), "to": datetime.date(1998, 1, 1)}, "ends before"),
        ({"statistic": "final", "over": {"statistic": "at"}}, "needs year or date"),
        ({"statistic": "final", "over": {}, "minus": {}}, "cannot stand together"),
    ],
)
def test_measures_that_mean_nothing_are_faults(fields: dict[str, object], reason: str) -> None:
    faults = shape_faults(Measure.model_validate({"variable": "x", **fields}))
    assert any(reason in fault.reason for fault in faults), [fault.reason for fault in faults]


def test_a_reference_takes_its_year_from_each_row() -> None:
    measure = Measure(variable="x", statistic="at")
    assert shape_faults(measure, year_follows=True) == []
    assert measure.in_year(1994).year == 1994
    fixed = Measure(variable="x", statistic="at", year=1999)
    assert fixed.in_year(1994).year == 1999
