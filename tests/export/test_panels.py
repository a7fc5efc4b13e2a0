"""The chart's numbers: percentiles of the draws, running totals by year, observations where and in what unit they belong."""

from __future__ import annotations

import datetime
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from flowreform.calendar import Calendar
from flowreform.experiment import Experiment
from flowreform.export.panels import axis_of, panels_of

if TYPE_CHECKING:
    from xarray import Dataset


def test_a_stock_is_drawn_as_it_is(ds: Dataset, experiment: Experiment) -> None:
    panel = panels_of(ds, experiment)[0]
    assert (panel.title, panel.unit) == ("Open beds", "bed")
    assert [fan.scenario for fan in panel.fans] == ["as planned", "slower"]
    assert panel.fans[0].middle[12] == pytest.approx(100 * (1 - 0.05 / 4) ** 48)
    assert panel.fans[1].middle[12] == pytest.approx(100 * (1 - 0.01 / 4) ** 48)


def test_observations_at_a_date_stand_at_the_years_end(ds: Dataset, experiment: Experiment) -> None:
    firm, weak = panels_of(ds, experiment)[0].points
    assert (firm.x, firm.y, firm.firm) == ((12.0,), (55.0,), True)
    assert (weak.x, weak.y, weak.firm) == ((24.0,), (30.0,), False)


def test_a_running_total_is_drawn_as_its_yearly_increase(ds: Dataset, experiment: Experiment) -> None:
    panel = panels_of(ds, experiment)[1]
    assert panel.unit == "bed*month in the year"
    first = panel.fans[0]
    assert first.x.tolist() == [6.0, 18.0]
    beds_in_use = 0.25 * sum(100 * (1 - 0.05 / 4) ** step for step in range(48))
    assert first.middle[0] == pytest.approx(0.9 * beds_in_use)
    assert first.low is not None
    assert first.low[0] == pytest.approx(0.82 * beds_in_use)
    assert panel.points[0].x == (6.0,)


def test_observations_in_another_unit_are_put_into_the_models(ds: Dataset, experiment: Experiment) -> None:
    assert experiment.case is not None
    thousands = {"beds": experiment.case.reference["beds"].model_copy(update={"scale": 0.001})}
    other = replace(experiment, case=replace(experiment.case, reference=MappingProxyType(thousands)))
    assert panels_of(ds, other)[0].points[0].y == (55_000.0,)


def test_a_model_without_charts_shows_its_stocks(ds: Dataset, experiment: Experiment) -> None:
    bare = replace(experiment, charts=(), case=None)
    assert [panel.title for panel in panels_of(ds, bare)] == ["open beds", "bed months total"]
    assert panels_of(ds, bare)[0].axis.label == "time (month)"


def test_an_arrayed_variable_gets_a_panel_for_each_element(ds: Dataset, experiment: Experiment) -> None:
    from flowreform.model import Dimension

    model = experiment.model
    sites = MappingProxyType({"site": Dimension("site", "site", ("north", "south"))})
    beds = replace(model["open_beds"], dimensions=("site",))
    arrayed = replace(model, variables=MappingProxyType({**model.variables, "open_beds": beds}), dimensions=sites)
    import xarray as xr

    both = xr.concat([ds["open_beds"], 2 * ds["open_beds"]], dim=xr.DataArray(["north", "south"], dims="site", name="site"))
    two = ds.drop_vars("open_beds").assign(open_beds=both)
    panels = panels_of(two, replace(experiment, model=arrayed, charts=experiment.charts[:1]))
    assert [panel.title for panel in panels] == ["Open beds: north", "Open beds: south"]
    np.testing.assert_allclose(panels[1].fans[0].middle, 2 * panels[0].fans[0].middle)


def test_lines_share_a_panel_only_in_a_single_scenario(ds: Dataset, experiment: Experiment) -> None:
    both = experiment.charts[0].model_copy(update={"title": "Both", "variables": ("open_beds", "bed_months_total")})
    together = replace(experiment, charts=(both,))
    assert [panel.title for panel in panels_of(ds, together)] == ["Open beds", "Bed months total"]
    alone = replace(together, scenarios=MappingProxyType({"as_planned": experiment.scenarios["as_planned"]}))
    panel = panels_of(ds.isel(scenario=[0]), alone)[0]
    assert (panel.title, [fan.line for fan in panel.fans]) == ("Both", ["open beds", "bed months total"])


def test_the_first_of_every_chart_comes_before_the_second_of_any(ds: Dataset, experiment: Experiment) -> None:
    pair = experiment.charts[0].model_copy(update={"variables": ("open_beds", "bed_months_total")})
    ones = [experiment.charts[0].model_copy(update={"title": f"chart {at}"}) for at in range(7)]
    panels = panels_of(ds, replace(experiment, charts=(pair, pair, *ones)))
    assert [panel.title for panel in panels] == ["Open beds", "Open beds", *(f"chart {at}" for at in range(6))]


@pytest.mark.parametrize(
    ("starts", "named_by", "origin", "years"),
    [
        (10, "end", datetime.date(1993, 10, 1), ("1994", "1995")),
        (4, "start", datetime.date(1994, 4, 1), ("1994/95", "1995/96")),
        (1, "start", datetime.date(1999, 1, 1), ("1999", "2000")),
    ],
)
def test_reporting_years(starts: int, named_by: str, origin: datetime.date, years: tuple[str, ...]) -> None:
    axis = axis_of(0.0, 24.0, "month", Calendar(origin, "month", starts, named_by))
    assert axis.years == years
    assert axis.edges == (0.0, 12.0, 24.0)


def test_a_year_cut_short_is_not_named() -> None:
    axis = axis_of(3.0, 20.0, "month", Calendar(datetime.date(1999, 1, 1), "month"))
    assert axis.years == ()
