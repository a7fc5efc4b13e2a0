"""The lines of money of the three cases: they add up against business as usual, and say nothing where nothing is done."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from xarray import Dataset

import flowreform as fr
from flowreform.model import Model
from mutating import mutants, mutated

STORIES = {
    "va_transformation": ("va_beds_to_community", "as_was"),
    "canterbury": ("canterbury_no_transformation", "as_was"),
    "mental_health_shift": ("mental_health_double_running", "as_planned"),
}
BRIDGE = {
    "total_new_service_cost": 1, "total_one_off_revenue_cost": 1, "total_stranded_cost": 1, "total_reopening_cost": 1,
    "total_gross_release": -1, "total_capital": 1, "total_receipts": -1, "total_other_hospital_spend": 1,
}  # fmt: skip
MORE = ("cumulative_spend", "present_spend", "total_overlap_cost", "closed_beds", "unmet_need", "discount_factor")


def pair(name: str, model: Model) -> tuple[Dataset, Dataset]:
    """Business as usual and the story of a model, without draws."""
    experiment = fr.read_experiment(STORIES[name][0])
    found = []
    for scenario in (experiment.baseline, STORIES[name][1]):
        settings = {key: float(value) for key, value in experiment.scenarios[scenario].settings.items()}  # type: ignore[arg-type]
        found.append(fr.simulate(model, settings, save=[*BRIDGE, *MORE], save_every=1.0).isel(run=0))
    return found[0], found[1]


@cache
def own(name: str) -> tuple[Dataset, Dataset]:
    return pair(name, fr.read_model(name))


def unexplained(usual: Dataset, story: Dataset) -> float:
    """What the parts leave of the difference in spend, at any time, of the spend so far."""
    net = story["cumulative_spend"].values - usual["cumulative_spend"].values
    parts = sum(sign * (story[part].values - usual[part].values) for part, sign in BRIDGE.items())
    return float((np.abs(net - parts)[1:] / usual["cumulative_spend"].values[1:]).max())


@pytest.mark.parametrize("name", STORIES)
def test_the_parts_of_the_difference_add_up(name: str) -> None:
    assert unexplained(*own(name)) < 1e-9


@pytest.mark.parametrize("name", STORIES)
def test_business_as_usual_against_itself_is_no_difference(name: str) -> None:
    usual, _ = own(name)
    assert unexplained(usual, usual) == 0.0


@pytest.mark.parametrize("name", STORIES)
def test_a_line_is_never_more_than_what_it_is_a_part_of(name: str) -> None:
    """Stranded cost is part of what the beds cost while open; overlap is part of the running cost of the new service."""
    for ds in own(name):
        assert (ds["total_stranded_cost"] <= ds["total_gross_release"] * (1 + 1e-9) + 1e-6).all()
        assert float(ds["total_overlap_cost"].min()) >= 0.0
        assert float(ds["total_overlap_cost"][-1]) <= max(0.0, float(ds["total_new_service_cost"].max())) * 2


@pytest.mark.parametrize("name", STORIES)
def test_present_value_lies_between_spend_at_the_last_factor_and_at_the_first(name: str) -> None:
    for ds in own(name):
        spend, present = float(ds["cumulative_spend"][-1]), float(ds["present_spend"][-1])
        assert spend * float(ds["discount_factor"][-1]) < present < spend


@pytest.mark.parametrize("name", STORIES)
def test_the_story_closes_beds_or_opens_fewer_and_nothing_closes_as_usual_in_the_hospital_cases(name: str) -> None:
    usual, story = own(name)
    assert float(story["closed_beds"][-1]) > float(usual["closed_beds"][-1])


MUTANTS = [item for name in STORIES for item in mutants(name, "money")]


@pytest.mark.parametrize(("model", "item"), MUTANTS)
def test_a_mutant_is_caught(model: str, item: dict[str, str], tmp_path: Path) -> None:
    broken = pair(model, fr.read_model(mutated(model, item, tmp_path)))
    assert unexplained(*broken) > 1e-9, "the mutant lives"


def test_every_case_has_a_mutant() -> None:
    assert {item.values[0] for item in MUTANTS} == set(STORIES)
