"""What only the stroke model promises: settings that share one structure, and a place that nothing is fitted to."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import flowreform as fr
from flowreform.analyse.assessment import in_settings
from flowreform.case import Case

PLACE = {"strokes_per_month_at_start", "area_served", "hospitals_at_start", "hyperacute_units_planned"}
"""Size and distances of a region."""
DATES = {"launch_date", "opening_spread", "preparation_lead", "ordering_spread", "rule_change_date"}


def case_of() -> Case:
    case = fr.read_case(fr.read_model("stroke_centralisation"))
    assert case is not None
    return case


def test_northumbria_has_its_own_size_distances_and_date_and_nothing_else() -> None:
    values = case_of().settings["northumbria"].values
    assert set(values) >= PLACE
    assert set(values) <= PLACE | DATES


def test_nothing_of_northumbria_is_fitted_to_and_no_setting_sets_a_fitted_value() -> None:
    case = case_of()
    assert case.fit is not None
    used = {part.setting for row in case.fit.rows for part in row.measure.parts()}
    assert used == {"", "london_unchanged", "manchester", "manchester_unchanged"}
    for place in case.settings.values():
        assert not set(place.values) & set(case.fit.parameters)


@pytest.mark.parametrize("place", ["london", "manchester", "northumbria"])
def test_a_place_without_the_change_is_the_same_place(place: str) -> None:
    """It differs in nothing but what the change does: size, distances and stay at the start are the place's own."""
    case = case_of()
    changed = case.settings[place].values if place in case.settings else {}
    without = dict(case.settings[f"{place}_unchanged"].values)
    assert without.pop("extent_of_centralisation") == 0
    own = PLACE | {"mean_stay_at_start"}
    assert without == {name: value for name, value in changed.items() if name in own}


def test_places_are_alike_until_the_first_order() -> None:
    """London with and without the change are one run until November 2008, to the last digit, and differ after the launch."""
    model, case = fr.read_model("stroke_centralisation"), case_of()
    ds = in_settings(model, case, [{}], ["mean_stay", "deaths_share", "total_spend"], "python").isel(run=0)
    for name in ("mean_stay", "deaths_share", "total_spend"):
        here, there = (ds[name].sel(setting=place) for place in ("", "london_unchanged"))
        assert bool((here.sel(time=slice(0, 9.9)) == there.sel(time=slice(0, 9.9))).all())
        assert abs(float(here.sel(time=60) - there.sel(time=60))) > 0


def test_the_draws_that_are_shown_are_those_that_run() -> None:
    """Rows of the posterior and distributions of the experiment's own alike: what `fr.draws` gives is what a run was given."""
    experiment = fr.read_experiment("stroke_four_hour_rule").with_(draws=3)
    assert experiment.ensemble is not None
    samples = fr.draws(experiment)
    own = "cover_of_an_admitting_hospital"
    assert set(samples.data_vars) >= {"deaths_avoided_by_all_care", own, "value_of_a_death_avoided"}
    assert samples["deaths_avoided_by_all_care"].attrs["distribution"] == "posterior"
    assert samples[own].attrs["distribution"].startswith("uniform")
    ds = fr.run(experiment, engine="python")
    place = {**case_of().settings["manchester"].values, "rule_change_date": 200.0}
    inputs = {str(name): list(column.values) for name, column in samples.items()} | {
        name: [float(value)] * 3 for name, value in place.items()
    }
    base = fr.simulate(experiment.model, inputs, save=["total_spend"], save_every=experiment.save_every, engine="python")
    assert (ds["total_spend"].sel(scenario="four_hours").values == base["total_spend"].values).all()


def test_one_date_and_phased_are_compared_from_the_same_decision() -> None:
    """The first bed of every scenario is ordered in the same month; the pairs share the middle of the programme, or its end."""
    experiment = fr.read_experiment("stroke_big_bang_or_phased")
    stands = experiment.model.parameters
    dates = {
        name: {
            key: float(scenario.fixed.get(key, stands[key].text)) for key in ("launch_date", "opening_spread", "preparation_lead")
        }
        for name, scenario in experiment.scenarios.items()
        if name != experiment.baseline
    }
    assert {of["launch_date"] - of["preparation_lead"] for of in dates.values()} == {10.0}
    first = {name: of["launch_date"] for name, of in dates.items()}
    last = {name: of["launch_date"] + of["opening_spread"] for name, of in dates.items()}
    assert first["one_date"] == first["phased"]
    assert first["one_date_same_middle"] + last["one_date_same_middle"] == first["phased"] + last["phased"]
    assert last["one_date_same_completion"] == last["phased"]


def test_practice_is_of_people_who_are_taught() -> None:
    """Where no unit is staffed and nobody is paid to teach, nobody practises early discharge, whatever the date."""
    model, place = fr.read_model("stroke_centralisation"), case_of().settings["manchester"].values
    inputs = {name: [float(value)] * 2 for name, value in place.items()}
    inputs |= {"support_per_hospital": [0.0, place["support_per_hospital"]], "share_of_extra_cost_paid": [0.0, 1.0]}
    ds = fr.simulate(model, inputs, save=["practising_staff"], save_every=1.0, engine="python").sel(time=72)
    assert float(ds["practising_staff"][0]) == 0
    assert float(ds["practising_staff"][1]) > 50


def runs_of(place: str, rows: list[dict[str, float]], save: list[str]) -> xr.Dataset:
    """One run for each row of inputs, in a place, at whole months."""
    model, values = fr.read_model("stroke_centralisation"), case_of().settings[place].values
    names = set(values) | {name for row in rows for name in row}
    stands = {name: float(model.parameters[name].text) for name in names}
    inputs = {name: [float(row.get(name, values.get(name, stands[name]))) for row in rows] for name in names}
    return fr.simulate(model, inputs, save=save, save_every=1.0, engine="python")


def test_a_wider_rule_changes_nothing_at_the_door_before_its_date() -> None:
    """Beds ordered for it wait: no unit counts as less open, and no bed opens for patients who are not sent yet."""
    ds = runs_of("manchester", [{}, {"rule_change_date": 200.0}], ["units_open", "hyperacute_beds", "readiness_of_units"])
    planned, never = (ds.isel(run=at).sel(time=slice(60, 86)) for at in (0, 1))
    assert float((planned["hyperacute_beds"] - never["hyperacute_beds"]).max()) < 2
    for name in ("units_open", "readiness_of_units"):
        assert float((planned[name] - never[name]).min()) >= 0


def test_a_single_unit_takes_nobody_while_it_is_closed() -> None:
    """Half of the week open, half of the patients: hours that no unit covers are not free."""
    ds = runs_of("northumbria", [{}, {"share_of_week_open": 0.5}], ["share_admitted_to_hyperacute"]).sel(time=120)
    whole, half = (float(ds["share_admitted_to_hyperacute"][at]) for at in (0, 1))
    assert half == pytest.approx(whole / 2, rel=0.05)


def test_closing_a_ward_leaves_the_staffing_of_the_others_as_it_is() -> None:
    """Its staff move with it: where nobody else comes or goes, a bed fewer is a bed's staff fewer."""
    still = {"annual_turnover": 0.02, "poaching_rate": 0.0, "recruits_limit": 0.01}
    names = ["stroke_unit_beds", "stroke_unit_staff"]
    ds = runs_of("northumbria", [still, {**still, "share_of_freed_beds_closed": 0.0}], names).sel(time=108)
    beds, staff = (float(ds[name][0] / ds[name][1]) for name in names)
    assert beds < 0.97
    assert staff == pytest.approx(beds, rel=0.01)


def test_deaths_of_the_stocks_are_those_of_the_share() -> None:
    """The share of arrivals who will die, added up, is what the places count, but for those still in care at either end."""
    ds = runs_of("manchester", [{}, {}], ["deaths_share", "deaths_within_90_days", "arrivals"]).isel(run=0)
    share = ds["deaths_share"].values * ds["arrivals"].values
    expected = float(((share[1:] + share[:-1]) / 2 * np.diff(ds["time"].values)).sum())
    assert float(ds["deaths_within_90_days"][-1]) == pytest.approx(expected, rel=2e-3)
