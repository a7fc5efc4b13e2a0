"""What only the stroke model promises: settings that share one structure, and a place that nothing is fitted to."""

from __future__ import annotations

import pytest

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
