"""What a user typed, with the options of the command line over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowreform.commands.reading import read_experiment
from flowreform.errors import ExperimentError, ModelError
from flowreform.experiment import is_experiment
from flowreform.experiment.options import read_settings


@pytest.mark.parametrize(
    ("name", "experiment"),
    [
        ("a/pace.toml", True),
        ("pace.TOML", True),
        ("./pace.toml", True),
        ("model.xmile", False),
        ("x.mdl", False),
        ("a\\b.stmx", False),
    ],
)
def test_a_path_is_known_by_its_suffix(name: str, experiment: bool) -> None:
    assert is_experiment(name) is experiment


def test_a_bare_word_is_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ward").mkdir()
    assert is_experiment("va_beds_to_community")
    assert not is_experiment("va_transformation")
    with pytest.raises(ModelError, match=r"\./ward"):
        is_experiment("ward")
    with pytest.raises(ModelError, match='did you mean "va_transformation'):
        is_experiment("va_transformatio")


def test_settings_keep_everything_behind_the_first_equals_sign() -> None:
    assert read_settings(["a = 1 bed", "b[x]=-2e3"]) == {"a": "1 bed", "b[x]": "-2e3"}


def test_all_wrong_settings_are_named() -> None:
    with pytest.raises(ExperimentError) as caught:
        read_settings(["a", "=1", "b=", "c=1", "c=2"])
    assert [finding.element for finding in caught.value.findings] == ["a", "=1", "b=", "c"]


def test_options_go_over_the_file(ward: Path) -> None:
    made = read_experiment(str(ward / "pace.toml"), {"draws": 3, "save": ["closing"], "save_every": 6.0})
    assert (made.draws, made.save_every, made.seed) == (3, 6.0, 1)
    assert set(made.save) == {"open_beds", "bed_months_total", "closing"}
    assert list(made.scenarios) == ["as_planned", "slower"]


def test_options_are_checked_like_the_file(ward: Path) -> None:
    with pytest.raises(ExperimentError) as caught:
        read_experiment(str(ward / "pace.toml"), {"draws": 10**9, "save": ["open_bed"], "save_every": 0.3})
    assert [finding.element for finding in caught.value.findings] == ["--save-every", "--draws", "open_bed"]


def test_draws_of_a_model_bring_its_uncertainties(ward: Path) -> None:
    assert list(read_experiment(str(ward / "model.xmile"), {"draws": 5}).uncertainties) == ["share_in_use"]
    assert read_experiment(str(ward / "model.xmile")).runs == 1
