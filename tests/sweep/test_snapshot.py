"""What a sweep writes down of its experiment gives the same experiment again, whatever it was read from."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowreform as fr
from conftest import ROOT
from flowreform.experiment import experiment_of, with_settings
from flowreform.sweeps.identity import identity_of
from flowreform.sweeps.snapshot import about, restore, snapshot


@pytest.mark.parametrize("name", ["canterbury_earthquake", "care_shift_build_or_close_first", "va_beds_to_community"])
def test_bundled_experiments(name: str) -> None:
    experiment = fr.read_experiment(name)
    back = restore(snapshot(experiment), about(experiment))
    assert identity_of(back) == identity_of(experiment)
    assert (back.title, back.question, back.baseline, back.draws) == (
        experiment.title,
        experiment.question,
        experiment.baseline,
        experiment.draws,
    )
    assert (back.name, back.sha256, back.model.sha256) == (experiment.name, experiment.sha256, experiment.model.sha256)
    assert {name: kpi.label for name, kpi in back.kpis.items()} == {name: kpi.label for name, kpi in experiment.kpis.items()}


@pytest.mark.parametrize("name", ["care", "cohorts", "spreadsheet"])
def test_vensim_models_with_and_without_data_beside_them(name: str) -> None:
    experiment = experiment_of(fr.read_model(ROOT / "tests" / "fixtures" / "mdl" / f"{name}.mdl"))
    files = snapshot(experiment)
    assert ("model/model.xmile" in files) == (name == "spreadsheet")
    assert identity_of(restore(files, about(experiment))).keys() == identity_of(experiment).keys()


def test_settings_of_the_command_line_and_levers_over_time(ward: Path) -> None:
    experiment = fr.read_experiment(ward / "pace.toml")
    from flowreform.experiment import Points

    experiment = with_settings(experiment, {"closure_rate": Points((0.0, 12.5), (0.1, 1 / 3)), "share_in_use": "0.85"})
    back = restore(snapshot(experiment), about(experiment))
    assert back.scenarios["slower"].settings == experiment.scenarios["slower"].settings
