"""Shocks and policies are parameters: an experiment file can move, scale and switch off each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.laws.runs import own

Settings = dict[str, float]

SHOCKS: list[tuple[str, str, str, Settings, Settings, Settings]] = [
    # model, what it is, a variable that shows it, moved, made smaller, switched off
    ("canterbury", "earthquake", "residential_care_places",
     {"earthquake_date": 67.75}, {"earthquake_strength": 0.5}, {"earthquake_strength": 0.0}),
    ("canterbury", "earthquake beds", "beds_under_repair",
     {"earthquake_date": 67.75}, {"hospital_beds_lost": 53.0}, {"hospital_beds_lost": 0.0}),
    ("canterbury", "capital charge", "new_building_charge",
     {"rebuild_opening_start": 132.0}, {"rebuilt_hospital_value": 5e8}, {"share_of_rebuild_charged": 0.0}),
    ("canterbury", "home rehabilitation", "home_rehabilitation_places",
     {"home_rehabilitation_start": 69.0}, {"home_rehabilitation_places_at_once": 60.0},
     {"home_rehabilitation_places_at_once": 0.0}),
    ("va_transformation", "eligibility law", "joining",
     {"eligibility_law_date": 48.0}, {"eligibility_law_effect": 0.5}, {"eligibility_law_effect": 0.0}),
    ("va_transformation", "networks", "patients_with_primary_care",
     {"transformation_start": 36.0}, {"primary_care_contact_rate": 0.02}, {"primary_care_contact_rate": 0.0}),
    ("va_transformation", "capitation", "share_of_budget",
     {"capitation_date": 54.0}, {"capitation_weight": 0.4}, {"capitation_weight": 0.0}),
]  # fmt: skip

REORGANISED = {"va_transformation": 42.0, "canterbury": 60.0, "care_shift": 24.0}


def courses(model: fr.Model, variable: str, runs: list[Settings]) -> np.ndarray:
    """A variable over whole months for each of some settings: float64[run, time, element]."""
    given = {name: [settings.get(name, np.nan) for settings in runs] for settings in runs for name in settings}
    for name, values in given.items():
        own_value = own(model, name)
        given[name] = [own_value if np.isnan(value) else value for value in values]
    ds = fr.simulate(model, given, save=[variable], save_every=1.0, engine="python")
    block = np.asarray(ds[variable].transpose("run", "time", ...).values, dtype=float)
    return block.reshape(*block.shape[:2], -1)


def apart(course: np.ndarray, other: np.ndarray) -> tuple[float, int]:
    """The largest difference of two courses, and the first month in which there is one (-1: none)."""
    gap = np.abs(course - other).max(axis=1)
    return float(gap.max()), int(np.argmax(gap > 1e-6 * gap.max())) if gap.max() > 0 else -1


@pytest.mark.parametrize(("name", "what", "variable", "moved", "smaller", "off"), SHOCKS, ids=[item[1] for item in SHOCKS])
def test_a_shock_can_be_moved_scaled_and_switched_off(
    name: str, what: str, variable: str, moved: Settings, smaller: Settings, off: Settings
) -> None:
    as_was, later, small, none = courses(fr.read_model(name), variable, [{}, moved, smaller, off])
    size, first = apart(as_was, none)
    assert size > 0, f"{what} does nothing to {variable}"
    assert apart(later, none)[1] >= first + 6, f"{what} cannot be moved"
    assert 0 < apart(small, none)[0] < 0.8 * size, f"{what} cannot be made smaller"


@pytest.mark.parametrize("name", REORGANISED)
def test_a_reorganisation_is_a_parameter(name: str) -> None:
    """Zero in every bundled model; with one, capability is lost from its date on, and the more the larger it is."""
    date = REORGANISED[name]
    first = {"first_reorganisation_date": date}
    runs = [{}, {**first, "reorganisation_shock": 0.0}, {**first, "reorganisation_shock": 0.6},
            {**first, "reorganisation_shock": 0.2},
            {"first_reorganisation_date": date + 12, "reorganisation_shock": 0.6}]  # fmt: skip
    none, dated, large, small, moved = courses(fr.read_model(name), "improvement_capability", runs)
    assert apart(none, dated)[0] == 0
    assert 0 < apart(small, none)[0] < apart(large, none)[0]
    assert date <= apart(large, none)[1] <= date + 1
    assert apart(moved, none)[1] == apart(large, none)[1] + 12


def test_an_experiment_file_moves_the_earthquake(tmp_path: Path) -> None:
    """A year later, and not at all."""
    path = tmp_path / "later.toml"
    path.write_text(
        '[experiment]\ntitle = "A later earthquake"\nquestion = "What if it had come a year later?"\nmodel = "canterbury"\n'
        'save = ["residential_care_places"]\nkpis = []\n'
        "[scenarios.as_was]\n[scenarios.later.set]\nearthquake_date = { value = 67.75, unit = 'month' }\n"
        "[scenarios.none.set]\nearthquake_strength = 0\n"
    )
    ds = fr.run(fr.read_experiment(path)).isel(draw=0)
    fall = ds["residential_care_places"].diff("time")
    months = fall["time"].values[fall.argmin("time").values]
    assert months[1] == months[0] + 12
    assert float(fall.sel(scenario="none").min()) > -50
