"""Every bundled model has its files and an experiment, and every bundled experiment its question and its model: by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowreform as fr
from flowreform.errors import Level
from flowreform.formats import bundled

MODELS, EXPERIMENTS = bundled("models"), bundled("experiments")
FILES = ("model.xmile", "model.toml", "reference.csv", "README.md")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_its_files(name: str) -> None:
    folder = MODELS[name].parent
    missing = [file for file in FILES if not (folder / file).is_file()]
    assert not missing, f"models/{name} has no {', '.join(missing)}"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_and_its_case_are_without_faults(name: str) -> None:
    assert [finding for finding in fr.check(name) if finding.level is Level.ERROR] == []


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_an_experiment(name: str) -> None:
    models = {fr.read_experiment(path).model.name for path in EXPERIMENTS.values()}
    assert name in models, f"no file in experiments/ asks anything of {name}"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_asks_one_question_of_a_bundled_model(name: str) -> None:
    experiment = fr.read_experiment(name)
    assert experiment.question.endswith("?")
    assert experiment.model.name in MODELS
    assert Path(EXPERIMENTS[name]).read_text(encoding="utf-8").startswith("#"), f"{name} does not begin with what it asks"
