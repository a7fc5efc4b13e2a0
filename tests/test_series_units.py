"""reference.csv as it is written: units converted or refused, and values near zero that need an error of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowreform import fit, read_model
from flowreform.case import read_case
from flowreform.errors import ModelError

MODEL = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product version="1">test</product></header>
<sim_specs method="Euler" time_units="month"><start>0</start><stop>72</stop><dt>0.25</dt></sim_specs>
<model><variables>
<stock name="places"><eqn>2</eqn><inflow>opening</inflow><units>place</units></stock>
<flow name="opening"><eqn>build</eqn><units>place/month</units></flow>
<aux name="build"><eqn>5</eqn><range min="0" max="30"/><units>place/month</units></aux>
<stock name="spent"><eqn>0</eqn><inflow>paying</inflow><units>GBP</units></stock>
<flow name="paying"><eqn>100 * build</eqn><units>GBP/month</units></flow>
</variables></model></xmile>
"""
CASE = """[case]
title = "Places"
question = "How many a month?"
[calendar]
origin = 2020-04-01
time_unit = "month"
year_starts = 4
year_named_by = "start"
[parameters.build]
source = "none"
status = "assumption"
[reference.w]
variable = "{variable}"
statistic = "{statistic}"
{reference}
[fit]
parameters = ["build"]
[fit.series.w]
error = 0.05
{fit}
"""
PLACES = {2021: 240.0, 2022: 360.0, 2023: 480.0, 2024: 600.0, 2025: 720.0}
"""At the end of each reporting year: about ten a month since April 2020."""


def write(
    folder: Path, rows: dict[int, float], unit: str, *, variable: str = "places", statistic: str = "at", reference: str = "",
    fit: str = "",
) -> Path:  # fmt: skip
    """A model with its case and series."""
    (folder / "m.xmile").write_text(MODEL, encoding="utf-8")
    text = CASE.format(variable=variable, statistic=statistic, reference=reference, fit=fit)
    (folder / "m.toml").write_text(text, encoding="utf-8")
    lines = [
        "series,year,value,unit,source,status",
        *(f'w,{year},{value},"{unit}",none,verified' for year, value in rows.items()),
    ]
    (folder / "reference.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "m.xmile"


def fitted(path: Path) -> float:
    """The value that the fit gives `build`."""
    return float(fit(read_model(path)).values["build"])


def values(path: Path) -> list[float]:
    """The rows as they are compared."""
    case = read_case(read_model(path))
    assert case is not None
    return [row.value for row in case.observations]


@pytest.mark.parametrize(
    ("unit", "times"),
    [("place", 1.0), ("places", 1.0), ("places (31 March)", 1.0), ("thousand place", 1e3), ("thousand", 1e3),
     ("thousand (about)", 1e3),     ("hundred places", 100.0), ("", 1.0), ("beds and chairs", 1.0)],
)  # fmt: skip
def test_rows_are_compared_in_the_models_unit(tmp_path: Path, unit: str, times: float) -> None:
    path = write(tmp_path, {year: value / times for year, value in PLACES.items()}, unit)
    assert values(path) == pytest.approx(list(PLACES.values()))


@pytest.mark.parametrize("stated", ["scale = 0.001", 'unit = "thousand place"'])
def test_a_scale_and_a_unit_are_one_and_the_same(tmp_path: Path, stated: str) -> None:
    """A series in thousands whose reference says so by its scale is not scaled twice."""
    path = write(tmp_path, {2021: 0.24, 2022: 0.36}, "thousand place", reference=stated)
    assert values(path) == [0.24, 0.36]


@pytest.mark.parametrize(
    ("unit", "times"), [("GBP", 1.0), ("GBP/year", 1.0), ("thousand GBP per year", 1e3), ("GBP/day", 365.25)]
)
def test_an_increase_over_a_year_may_be_written_as_a_rate(tmp_path: Path, unit: str, times: float) -> None:
    path = write(tmp_path, {2021: 12_000.0 / times, 2022: 6_000.0 / times}, unit, variable="spent", statistic="increase")
    assert values(path) == pytest.approx([12_000.0, 6_000.0])


@pytest.mark.parametrize("unit", ["GBP", "place/month", "month"])
def test_another_kind_of_quantity_is_refused_with_its_line(tmp_path: Path, unit: str) -> None:
    path = write(tmp_path, PLACES, unit)
    with pytest.raises(ModelError, match="another kind of quantity than place") as caught:
        read_case(read_model(path))
    assert caught.value.findings[0].line == 2
    stated = write(tmp_path, PLACES, unit, reference=f'unit = "{unit}"\nscale = 2.0')
    assert values(stated) == list(PLACES.values())


def least_squares(rows: dict[int, float], error: float, least: float = 0.0) -> float:
    """The closed form: places at the end of a reporting year are 2 and `build` a month, each row by its own error."""
    months = {year: 12.0 * (year - 2019) for year in rows}
    weights = {year: max(error * abs(value), least) ** -2.0 for year, value in rows.items()}
    up = sum(weights[year] * months[year] * (value - 2.0) for year, value in rows.items())
    return up / sum(weights[year] * months[year] ** 2 for year in rows)


def test_the_fit_is_the_same_whatever_the_rows_are_in(tmp_path: Path) -> None:
    best = least_squares(PLACES, 0.05)
    assert fitted(write(tmp_path, PLACES, "place")) == pytest.approx(best, rel=1e-4)
    assert fitted(write(tmp_path, {year: value / 1000 for year, value in PLACES.items()}, "thousand place")) == pytest.approx(
        best, rel=1e-4
    )


@pytest.mark.parametrize("first", [0.0, 0.1, -0.2])
def test_a_value_near_zero_needs_an_error_of_its_own(tmp_path: Path, first: float) -> None:
    """With one it moves the fit by what it is known to; without, it would carry all the weight and is refused."""
    rows = {2020: first, **PLACES}
    with pytest.raises(ModelError, match="error_at_least"):
        read_case(read_model(write(tmp_path, rows, "place")))
    for least in (5.0, 50.0):
        found = fitted(write(tmp_path, rows, "place", fit=f"error_at_least = {least}"))
        assert found == pytest.approx(least_squares(rows, 0.05, least), rel=1e-4)


def test_a_scale_near_one_is_a_level_and_no_unit(tmp_path: Path) -> None:
    """Beds of England and Wales are 1.062 times those of England: the model is multiplied, the rows stay as they are."""
    model = read_model(write(tmp_path, PLACES, "places (both)", reference="scale = 1.062"))
    case = read_case(model)
    assert case is not None
    assert [row.value for row in case.observations] == list(PLACES.values())
