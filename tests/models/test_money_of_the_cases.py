"""The lines of money of the three cases: they add up against business as usual, and say nothing where nothing is done."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from xarray import DataArray, Dataset

import flowreform as fr
from flowreform.model import Method, Model
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
MORE = ("cumulative_spend", "present_spend", "total_overlap_cost", "closed_beds", "unmet_need", "discount_factor",
        "present_harm", "present_backlog", "present_stranded", "present_cost")  # fmt: skip


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


HARM = {
    "va_transformation": (
        ("waiting_for_admission", "waiting_for_community"), "total_delayed_discharges", ("missed_visits", "cost_per_visit"),
    ),
    "canterbury": (
        ("waiting_for_admission", "waiting_for_elective", "waiting_unlisted", "waiting_for_community"), "delayed_discharges", (),
    ),
    "mental_health_shift": (
        ("waiting_for_admission", "waiting_for_community", "living_without_support"), "delayed_discharges", (),
    ),
}  # fmt: skip
VALUES = (
    "relative_value_of_waiting",
    "relative_value_of_delay",
    "relative_value_of_harm",
    "ward_wte_per_bed",
    "estate_cost_per_bed",
)


def harm_from_counts(name: str, model: Model) -> float:
    """By how much of itself the value of waiting and harm misses what people, staff and prices make of it, step by step, by
    Euler's method, whose sum can be written down."""
    model = replace(model, specs=replace(model.specs, method=Method.EULER))
    queues, delayed, missed = HARM[name]
    pay = "pay_per_wte" if "pay_per_wte" in model.variables else "pay_per_hospital_wte"
    dt = model.specs.dt
    save = [*queues, delayed, *missed, *VALUES, pay, "admission", "crowding_effect_on_harm", "discount_factor", "present_harm"]
    ds = fr.simulate(model, save=save, save_every=dt).isel(run=0)

    def all_of(data: DataArray) -> np.ndarray:
        return np.asarray(data.sum([dim for dim in data.dims if dim != "time"]).values, dtype=float)

    given = {key: float(np.ravel(ds[key].values)[0]) for key in (*VALUES, pay)}
    crowded = all_of(ds["admission"] * (ds["crowding_effect_on_harm"] - 1)) * given["relative_value_of_harm"]
    waiting = sum(all_of(ds[queue]) for queue in queues) * given["relative_value_of_waiting"]
    bed = given["ward_wte_per_bed"] * given[pay] + given["estate_cost_per_bed"]
    value = bed * (waiting + all_of(ds[delayed]) * given["relative_value_of_delay"] + crowded)
    if missed:
        value = value + all_of(ds[missed[0]]) * float(np.ravel(ds[missed[1]].values)[0])
    present = np.cumsum(value * ds["discount_factor"].values * dt)[:-1]
    return float((np.abs(present - ds["present_harm"].values[1:]) / np.abs(present).max()).max())


@pytest.mark.parametrize("name", STORIES)
def test_waiting_and_harm_are_valued_as_their_counts_say(name: str) -> None:
    assert harm_from_counts(name, fr.read_model(name)) < 1e-9


@pytest.mark.parametrize("name", STORIES)
def test_net_present_cost_is_the_sum_of_its_lines(name: str) -> None:
    usual, story = own(name)
    lines = ("present_spend", "present_harm", "present_backlog", "present_stranded")
    for ds in (usual, story):
        assert float(ds["present_cost"][-1]) == pytest.approx(sum(float(ds[line][-1]) for line in lines), rel=1e-12)


MUTANTS = [item for name in STORIES for item in mutants(name, "money")]


@pytest.mark.parametrize(("model", "item"), MUTANTS)
def test_a_mutant_is_caught(model: str, item: dict[str, str], tmp_path: Path) -> None:
    broken = fr.read_model(mutated(model, item, tmp_path))
    if item["money"] == "harm":
        assert harm_from_counts(model, broken) > 1e-9, "the mutant lives"
    else:
        assert unexplained(*pair(model, broken)) > 1e-9, "the mutant lives"


@pytest.mark.parametrize("law", ["bridge", "harm"])
def test_every_case_has_a_mutant(law: str) -> None:
    assert {item.values[0] for item in MUTANTS if item.values[1]["money"] == law} == set(STORIES)
