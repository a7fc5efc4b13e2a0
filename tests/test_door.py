"""The Python door: what public functions take and refuse, and experiments built, varied and written back in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr

BEDS = "open_beds"


@pytest.fixture(scope="module")
def clinic(ward: Path) -> fr.Model:
    return fr.read_model(ward / "model.xmile")


@pytest.fixture(scope="module")
def pace(ward: Path) -> fr.Experiment:
    return fr.read_experiment(ward / "pace.toml")


# --- what public functions take --------------------------------------------------------------------------------------


def test_a_path_a_model_and_an_experiment_give_the_same_run(ward: Path, clinic: fr.Model, pace: fr.Experiment) -> None:
    one, other = fr.run(ward / "pace.toml"), fr.run(pace)
    assert one.equals(other)
    assert fr.kpis(one, str(ward / "pace.toml")).equals(fr.kpis(other, pace))
    alone = fr.run(clinic)
    assert dict(alone.sizes) == {"scenario": 1, "draw": 1, "time": 25}
    assert alone.equals(fr.run(ward / "model.xmile"))


def test_a_bundled_name_is_taken_wherever_an_experiment_is() -> None:
    assert fr.draws("care_shift_build_or_close_first").sizes["draw"] > 1
    assert fr.check("care_shift") == fr.check(fr.read_model("care_shift"))


def test_kpis_are_measured_on_what_simulate_returns(clinic: fr.Model) -> None:
    rates = np.array([0.01, 0.05])
    found = fr.kpis(fr.simulate(clinic, {"closure_rate": rates}), clinic)
    assert found["beds_at_end"].dims == ("run",)
    np.testing.assert_allclose(found["beds_at_end"], 100 * (1 - rates * clinic.specs.dt) ** clinic.specs.steps, rtol=1e-12)


def test_draws_are_the_inputs_of_the_run(pace: fr.Experiment) -> None:
    samples = fr.draws(pace)
    assert samples["share_in_use"].attrs["units"] == "dimensionless"
    np.testing.assert_array_equal(samples["share_in_use"], fr.run(pace)["share_in_use"])


TAKERS: dict[str, Callable[[object], object]] = {
    "run": fr.run,
    "simulate": fr.simulate,
    "check": fr.check,
    "draws": fr.draws,
    "assess": fr.assess,
    "fit": fr.fit,
    "sensitivity": fr.sensitivity,
    "kpis": lambda subject: fr.kpis(fr.simulate("care_shift", save=["staffed_beds"]), subject),  # type: ignore[arg-type]
    "sweep": lambda subject: fr.sweep(subject, "nowhere"),  # type: ignore[arg-type]
    "to_xlsx": lambda subject: fr.to_xlsx(subject, "nowhere.xlsx"),  # type: ignore[arg-type]
    "Experiment": fr.Experiment,
}


@pytest.mark.parametrize("subject", [7, None, ["care_shift"], {"model": "care_shift"}], ids=repr)
@pytest.mark.parametrize("taker", TAKERS.values(), ids=TAKERS)
def test_anything_else_is_refused_in_words(
    taker: Callable[[object], object], subject: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fr.FlowreformError, match="a bundled name, a path") as caught:
        taker(subject)
    assert type(subject).__name__ in str(caught.value) or repr(subject) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_public_name_is_there_and_documented() -> None:
    for name in fr.__all__:
        assert getattr(fr, name).__doc__ or name == "__version__", name


# --- experiments in Python -------------------------------------------------------------------------------------------


def built(clinic: fr.Model, **keys: object) -> fr.Experiment:
    scenarios = {"as_planned": {}, "slower": {"Closure Rate": 0.01}}
    return fr.Experiment(clinic, scenarios, **({"uncertainties": "all", "draws": 20, "seed": 1} | keys))  # type: ignore[arg-type]


def test_an_experiment_built_in_python_runs_as_the_file_does(clinic: fr.Model, pace: fr.Experiment) -> None:
    assert fr.run(built(clinic)).equals(fr.run(pace))


def test_what_is_given_in_python_is_checked_as_a_file_is_and_all_at_once(clinic: fr.Model) -> None:
    with pytest.raises(fr.ExperimentError) as caught:
        fr.Experiment(
            clinic,
            scenarios={"one": {"closing_rate": 0.01}, "two": {"closure_rate": 7.0}, "three": {"closure_rate": "0.1 bed"}},
            uncertainties={"share_in_use": {"low": 2.0}},
            kpis=["beds_at_the_end"],
            draws=0,
            baseline="four",
        )
    rules = {finding.rule for finding in caught.value.findings}
    assert {"unknown-parameter", "outside-range", "unit", "distribution", "unknown-kpis", "schema", "baseline"} <= rules
    assert all(str(finding).startswith("Experiment: error: ") for finding in caught.value.findings)


def test_an_unknown_argument_is_refused(clinic: fr.Model) -> None:
    with pytest.raises(TypeError, match="drawss"):
        fr.Experiment(clinic, drawss=3)
    with pytest.raises(TypeError, match="drawss"):
        built(clinic).with_(drawss=3)


def test_uncertainties_and_kpis_are_all_named_or_given(clinic: fr.Model) -> None:
    given = built(
        clinic,
        uncertainties={"share_in_use": None, "closure_rate": {"distribution": "uniform", "low": 0.01, "high": 0.1}},
        kpis={"beds_at_end": None, "least": {"variable": BEDS, "statistic": "min"}},
    )
    assert str(given.uncertainties["closure_rate"]) == "uniform(0.01, 0.1)"
    assert given.uncertainties["closure_rate"].status == "assumption"
    assert given.uncertainties["share_in_use"] == built(clinic).uncertainties["share_in_use"]
    assert list(given.kpis) == ["beds_at_end", "least"]
    assert list(built(clinic, kpis=["empty_at"]).kpis) == ["empty_at"]
    assert not fr.Experiment(clinic).uncertainties
    assert list(fr.Experiment(clinic).with_(draws=5).uncertainties) == ["share_in_use"]  # as in a file that names none


def test_settings_take_units_points_and_arrays(clinic: fr.Model) -> None:
    given = fr.Experiment(
        clinic, {"a": {"closure_rate": "0.6 1/year"}, "b": {"closure_rate": {"points": [(0, 0.1), (12, np.float64(0.2))]}}}
    )
    assert given.scenarios["a"].settings["closure_rate"] == pytest.approx(0.05)
    assert given.scenarios["b"].settings["closure_rate"].values == (0.1, 0.2)  # type: ignore[union-attr]


def test_with_changes_what_it_names_and_nothing_else(pace: fr.Experiment) -> None:
    more = pace.with_(draws=40)
    np.testing.assert_array_equal(fr.draws(more)["share_in_use"][:20], fr.draws(pace)["share_in_use"])
    differ = {item.name for item in dataclasses.fields(pace) if getattr(pace, item.name) != getattr(more, item.name)}
    assert differ == {"draws", "path", "sha256"}
    assert list(pace.with_(scenario="slower").scenarios) == ["slower"]
    assert pace.with_(scenario="slower").baseline == "slower"
    assert {item.settings["closure_rate"] for item in pace.with_(settings={"closure rate": 0.2}).scenarios.values()} == {0.2}
    assert list(pace.with_(scenarios={**pace.scenarios, "none": {"closure_rate": 0}}).scenarios) == [*pace.scenarios, "none"]
    with pytest.raises(fr.ExperimentError, match='did you mean "slower"'):
        pace.with_(scenario="slow")


@pytest.mark.parametrize("name", ["va_beds_to_community", "care_shift_local_template", "canterbury_earthquake", "stroke_london"])
def test_an_experiment_written_back_is_the_same_experiment(name: str, tmp_path: Path) -> None:
    wanted = fr.read_experiment(name)
    text = wanted.to_toml(tmp_path / "again.toml")
    assert (tmp_path / "again.toml").read_text(encoding="utf-8") == text
    again = fr.read_experiment(tmp_path / "again.toml")
    differ = {item.name for item in dataclasses.fields(again) if getattr(wanted, item.name) != getattr(again, item.name)}
    assert differ <= {"name", "path", "sha256", "origins", "findings"}
    if wanted.ensemble is not None:  # and other draws are other draws
        assert wanted.ensemble != dataclasses.replace(wanted.ensemble, values=wanted.ensemble.values + 1.0)


def test_the_hash_of_an_experiment_is_that_of_its_file(tmp_path: Path) -> None:
    made = fr.Experiment("care_shift", {"as_is": {}}, draws=2, uncertainties="all", name="mine")
    made.to_toml(tmp_path / "mine.toml")
    assert fr.read_experiment(tmp_path / "mine.toml").sha256 == made.sha256


def test_a_model_beside_the_file_is_named_from_there(ward: Path, tmp_path: Path) -> None:
    for name in ("model.xmile", "model.toml", "reference.csv"):
        (tmp_path / name).write_bytes((ward / name).read_bytes())
    made = built(fr.read_model(tmp_path / "model.xmile"))
    made.to_toml(tmp_path / "made.toml")
    assert 'model = "./model.xmile"' in (tmp_path / "made.toml").read_text(encoding="utf-8")
    assert fr.run(tmp_path / "made.toml").equals(fr.run(made))


def test_a_model_without_a_file_runs_and_cannot_be_named(clinic: fr.Model) -> None:
    nameless = dataclasses.replace(clinic, path=None)
    made = fr.Experiment(nameless, {"a": {"closure_rate": 0.02}})
    assert not made.sha256
    assert fr.run(made)["failed"].sum() == 0
    with pytest.raises(fr.ExperimentError, match="no experiment file can name it"):
        made.to_toml()


def test_the_repr_of_an_experiment_is_its_manual(pace: fr.Experiment) -> None:
    text = repr(pace)
    for fact in (pace.question, "closure_rate = 0.01", "uniform(0.8, 1)", "Open beds at the end", "2 scenarios x 20 draws"):
        assert fact in text
    assert "<table>" in pace._repr_html_()
