"""Counts that contradict each other are refused, with the numbers named; ordinary ones are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.case import Case, read_case
from flowreform.errors import ExperimentError, ModelError
from flowreform.experiment import with_settings
from flowreform.experiment.starts import Start
from flowreform.model import Model
from flowreform.runs import simulated

BROKEN: dict[str, tuple[Mapping[str, float], str]] = {
    "pathway_1": ({"p1_discharges_a_day": 40}, "p1_discharges_a_day 40, places_at_start[home] 790"),
    "pathway_2": ({"p2_discharges_a_day": 9}, "p2_discharges_a_day 9"),
    "pathway_3": ({"p3_discharges_a_day": 12}, "care_home_places_at_start 7,970"),
    "pathway_0": ({"home_discharges_a_day": 3}, "home_discharges_a_day 3"),
    "people_in_beds": ({"delayed_inside_at_start": 1400}, "delayed_inside_at_start 1,400"),
    "emergencies": (
        {"planned_share_of_admissions": 0.6, "readmission_share": 0.3, "worsening_while_waiting": 0.3}
        | {"places_at_start[home]": 20000},
        "planned_share_of_admissions 0.6",
    ),
    "long_waits": ({"long_waits_a_month_at_start": 60000}, "long_waits_a_month_at_start 60,000"),
    "emergency_stay": ({"beds_at_start": 800}, "beds_at_start 800"),
    "wait_for_p1": ({"delayed_for_p1_at_start": 0.5, "delayed_inside_at_start": 5}, "delayed_for_p1_at_start 0.5"),
    "wait_for_p2": ({"delayed_for_p2_at_start": 0.5, "delayed_inside_at_start": 5}, "delayed_for_p2_at_start 0.5"),
    "wait_for_p3": ({"delayed_for_p3_at_start": 0.5, "delayed_inside_at_start": 5}, "delayed_for_p3_at_start 0.5"),
}
"""A start that each rule refuses, and what is said of it. Stays in services stay above a step within their range."""


@pytest.fixture(scope="module")
def model() -> Model:
    return fr.read_model("care_shift")


@pytest.fixture(scope="module")
def case(model: Model) -> Case:
    found = read_case(model)
    assert found is not None
    return found


def test_every_rule_has_a_start_that_it_refuses(case: Case) -> None:
    assert set(case.starts) == {*BROKEN, "stay_in_home", "stay_in_bedded", "stay_in_virtual", "stay_in_response"}


@pytest.mark.parametrize("rule", BROKEN)
def test_counts_that_contradict_each_other_are_refused_by_name(rule: str, model: Model, case: Case) -> None:
    settings, told = BROKEN[rule]
    with pytest.raises(ExperimentError) as fault:
        fr.Experiment(model, scenarios={"ours": settings})
    reasons = [finding.reason for finding in fault.value.findings if finding.rule == "start"]
    meant = [reason for reason in reasons if reason.startswith(case.starts[rule].reason)]
    assert len(meant) == 1
    assert told in meant[0]


def test_settings_over_an_experiment_are_held_to_the_same(model: Model) -> None:
    experiment = fr.Experiment(model, scenarios={"ours": {}, "other": {"planned_bed_reduction": 0.02}})
    with pytest.raises(ExperimentError, match="more people leave on pathway 1 than care at home starts"):
        with_settings(experiment, {"p1_discharges_a_day": 40})
    assert with_settings(experiment, {"p1_discharges_a_day": 20})


def test_a_wait_that_outruns_the_step_may_take_a_smaller_one(model: Model) -> None:
    quick = {"delayed_for_p1_at_start": 5, "delayed_inside_at_start": 30}
    with pytest.raises(ExperimentError, match="take a smaller dt"):
        fr.Experiment(model, scenarios={"ours": quick})
    halved = replace(model, specs=replace(model.specs, dt=model.specs.dt / 2))
    assert fr.Experiment(halved, scenarios={"ours": quick})


def test_a_start_is_worked_out_as_the_engine_does(model: Model, case: Case) -> None:
    given = {"p1_discharges_a_day": 18.0, "places_at_start[home]": 900.0, "care_home_occupancy_at_start": 0.9}
    names = sorted({text for rule in case.starts.values() for text in (*rule.add, *rule.less)})
    short = replace(model, specs=replace(model.specs, stop=model.specs.dt))
    ds = simulated(short, given, save=sorted({name.partition("[")[0] for name in names}), engine="python")
    start = Start(model, given)
    for name in names:
        base, _, element = name.rstrip("]").partition("[")
        series = ds[base].isel(run=0)
        series = series.isel(time=0) if "time" in series.dims else series
        value = series.sel({series.dims[0]: element}) if element else series
        assert start.of_text(name) == pytest.approx(float(np.asarray(value.values)), rel=1e-12), name


def test_a_rule_names_what_the_model_has(model: Model, tmp_path: Path) -> None:
    path = model.path
    assert path is not None
    text = path.with_suffix(".toml").read_text(encoding="utf-8")
    text = text.replace('add = ["entries_from_home_at_start"]', 'add = ["entries"]')
    text = text.replace('add = ["service_stay[home]"]', 'add = ["service_stay"]')
    (tmp_path / "model.toml").write_text(text, encoding="utf-8")
    (tmp_path / "model.xmile").write_bytes(path.read_bytes())
    with pytest.raises(ModelError) as fault:
        read_case(fr.read_model(tmp_path / "model.xmile"))
    told = str(fault.value)
    assert "entries: the model has no such variable" in told
    assert "one element is meant" in told
