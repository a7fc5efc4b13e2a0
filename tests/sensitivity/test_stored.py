"""Indices from runs that were made before, correlated inputs, and what the draws of an analysis say together."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from SALib.analyze import rbd_fast
from scipy.stats import ks_2samp
from typer.testing import CliRunner, Result

import flowreform as fr
from flowreform.analyse.sensitivity import METHODS, designs, sensitivity, sensitivity_of, warnings_of
from flowreform.analyse.sensitivity.designs import problem
from flowreform.analyse.sensitivity.methods import make
from flowreform.case.uncertainty import Uncertainty
from flowreform.cli import app
from flowreform.errors import ExperimentError
from flowreform.experiment import Correlation, Experiment, read_experiment
from flowreform.experiment.tables import SweepTable

GIVEN = ("rbd_fast", "delta", "pawn", "regional")
OWN = ("sobol", "morris", "fast", "dgsm", "ff", "tornado")


def uncertain(distribution: str, unit: str, **numbers: Any) -> Uncertainty:
    return Uncertainty.model_validate(
        {"distribution": distribution, "unit": unit, "source": "test", "status": "assumption", **numbers}
    )


@pytest.fixture
def experiment(ward: Path) -> Experiment:
    items = {
        "closure_rate": uncertain("uniform", "1/month", low=0.02, high=0.08),
        "share_in_use": uncertain("triangular", "dimensionless", low=0.7, mode=0.9, high=1.0),
    }
    return dataclasses.replace(read_experiment(ward / "pace.toml"), uncertainties=items, draws=300, design="latin_hypercube")


@pytest.fixture
def correlated(experiment: Experiment) -> Experiment:
    item = Correlation(between=("closure_rate", "share_in_use"), rank_correlation=0.6, source="test", status="assumption")
    return dataclasses.replace(experiment, correlations=(item,))


def said(ds: Any) -> str:
    return "\n".join(warnings_of(ds))


# --- finished runs ---------------------------------------------------------------------------------------------------


def test_shares_of_finished_runs_are_those_of_salib(experiment: Experiment) -> None:
    runs = fr.run(experiment)
    ds = sensitivity_of(runs, experiment, scenario="as_planned", seed=5)
    drawn = np.stack([runs["closure_rate"].sel(scenario="as_planned").values, runs["share_in_use"].values], axis=1)
    for kpi in ("beds_at_end", "use_in_first_year"):
        values = fr.kpis(runs, experiment)[kpi].sel(scenario="as_planned").values
        witness = rbd_fast.analyze(problem(2), drawn, values, num_resamples=100, seed=5)
        found = ds.sel(scenario="as_planned", kpi=kpi, index="S1")
        np.testing.assert_allclose(found["kpi_index"].values, witness["S1"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found["kpi_confidence"].values, witness["S1_conf"], rtol=1e-9, atol=1e-9)
    beds = runs["open_beds"].sel(scenario="as_planned", time=12.0).values
    witness = rbd_fast.analyze(problem(2), drawn, beds, num_resamples=100, seed=5)
    np.testing.assert_allclose(
        ds["variable_index"].sel(variable="open_beds", time=12.0).values[0, :, 0], witness["S1"], rtol=1e-9
    )


def test_filtering_of_finished_runs_is_that_of_kolmogorov_and_smirnov(experiment: Experiment) -> None:
    runs = fr.run(experiment)
    ds = sensitivity_of(runs, experiment, "regional", targets=["use_in_first_year >= 750"], scenario="as_planned")
    met = fr.kpis(runs, experiment)["use_in_first_year"].sel(scenario="as_planned").values >= 750
    for name in experiment.uncertainties:
        column = runs[name].values if runs[name].ndim == 1 else runs[name].sel(scenario="as_planned").values
        expected = ks_2samp(column[met], column[~met]).statistic
        assert float(ds["kpi_index"].sel(parameter=name, index="distance").item()) == pytest.approx(expected)


@pytest.mark.parametrize("method", OWN)
def test_a_method_with_a_design_of_its_own_is_refused_in_one_line(experiment: Experiment, method: str) -> None:
    with pytest.raises(ExperimentError) as fault:
        sensitivity_of(fr.run(dataclasses.replace(experiment, draws=80)), experiment, method)
    assert len(fault.value.findings) == 1
    assert f"{method} needs runs at points of its own, and these are a latin hypercube sample" in str(fault.value)
    assert all(name in str(fault.value) for name in GIVEN)


def test_what_finished_runs_cannot_tell_is_one_line_each(experiment: Experiment) -> None:
    runs = fr.run(experiment)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (runs.isel(draw=[0]), {}, "one draw says nothing about uncertainty"),
        (runs.isel(draw=slice(0, 40)), {}, "40 samples are too few for RBD-FAST"),
        (runs, {"samples": 20}, "20 samples are too few for RBD-FAST"),
        (runs.drop_vars("open_beds"), {"kpis": ["beds_at_end"], "variables": ()}, "open_beds: its course over time was not kept"),
        (runs.drop_vars("share_in_use"), {}, "share_in_use: the runs do not hold this drawn input"),
        (runs.isel(scenario=[0]), {}, "slower: the runs have no such scenario"),
        (runs, {"method": "delta", "targets": ["beds_at_end <= 30"]}, "a target has two values"),
        (runs, {"method": "sobl"}, 'did you mean "sobol"?'),
    ]
    for ds, options, line in cases:
        with pytest.raises(ExperimentError) as fault:
            sensitivity_of(ds, experiment, **options)
        assert line in str(fault.value)
        assert len(fault.value.findings) == 1, str(fault.value)


def test_some_of_the_draws_can_be_used(experiment: Experiment) -> None:
    ds = sensitivity_of(fr.run(experiment), experiment, "pawn", 100)
    assert "of 300 draws the first 100 are used" in said(ds)
    assert ds.sizes["sample"] == 100


# --- the folder of a sweep -------------------------------------------------------------------------------------------


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["sensitivity", *map(str, words)], env={"COLUMNS": "200"})


@pytest.mark.parametrize("kept", ["none", "all", 100])
def test_a_sweep_gives_what_its_runs_give(correlated: Experiment, kept: Any, tmp_path: Path) -> None:
    asked = dataclasses.replace(correlated, sweep=SweepTable(trajectories=kept))
    fr.sweep(asked, tmp_path / "sweep")
    found = sensitivity_of(fr.open_sweep(tmp_path / "sweep"), asked)
    expected = sensitivity_of(fr.run(asked), asked)
    np.testing.assert_array_equal(found["kpi_index"].values, expected["kpi_index"].values)
    np.testing.assert_array_equal(found["drawn"].values, expected["drawn"].values)
    assert ("variable_index" in found) is (kept == "all")
    if kept == "all":
        np.testing.assert_array_equal(found["variable_index"].values, expected["variable_index"].values)
    if kept == 100:
        part = sensitivity_of(fr.open_sweep(tmp_path / "sweep"), asked, variables=["open_beds"])
        assert "of 300 draws the first 100 are used" in said(part)
    if kept == "none":
        with pytest.raises(ExperimentError, match="its course over time was not kept"):
            sensitivity_of(fr.open_sweep(tmp_path / "sweep"), asked, variables=["open_beds"])


def test_the_command_reads_a_sweep(experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sweep"
    fr.sweep(dataclasses.replace(experiment, sweep=SweepTable(trajectories="all")), folder)
    from flowreform.batch import Batch

    monkeypatch.setattr(Batch, "run", None)  # nothing is run
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".sqlite" not in path.name}
    done = call(folder, "--target", "beds_at_end <= 30", "--scenario", "as_planned", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    assert "closure_rate" in done.stdout
    assert "Chance of meeting each target" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"sensitivity.nc", "indices.csv", "bands.csv", "summary.md", "over_time_1.png", "fan_1.svg"} <= names
    assert all(path.read_bytes() == content for path, content in before.items())
    done = call(folder, "--method", "pawn", "--json")
    assert json.loads(done.stdout)["method"] == "pawn"
    for words in (["--method", "sobol"], ["--second-order"]):
        done = call(folder, *words)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1), done.stderr
    (tmp_path / "empty").mkdir()
    done = call(tmp_path / "empty")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1), done.stderr


# --- correlated inputs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OWN)
def test_methods_that_assume_independence_refuse_correlated_inputs(correlated: Experiment, method: str) -> None:
    with pytest.raises(ExperimentError) as fault:
        sensitivity(correlated, method, 256)
    assert len(fault.value.findings) == 1
    assert "assumes that inputs are independent, and the experiment correlates closure_rate with share_in_use" in str(fault.value)
    assert "take rbd_fast, delta, pawn, regional" in str(fault.value)


def test_one_of_a_pair_alone_is_not_correlated(correlated: Experiment, experiment: Experiment) -> None:
    options: dict[str, Any] = {"samples": 32, "parameters": ["closure_rate"], "scenario": "as_planned"}
    alone, without = sensitivity(correlated, **options), sensitivity(experiment, **options)
    np.testing.assert_array_equal(alone["kpi_index"].values, without["kpi_index"].values)


def test_all_methods_say_which_they_are() -> None:
    assert {name for name, item in METHODS.items() if item.given} == set(GIVEN)
    assert set(METHODS) == {*GIVEN, *OWN}


@pytest.mark.parametrize("method", ["rbd_fast", "pawn", "delta"])
def test_other_methods_take_them_and_say_so(correlated: Experiment, method: str) -> None:
    ds = sensitivity(correlated, method, 128, scenario="as_planned")
    assert "closure_rate with share_in_use (0.6)" in said(ds)
    assert "shares may sum to more than 1" in said(ds)


def test_a_share_counts_what_comes_with_a_partner() -> None:
    """Of y = z1 with normal z1 and z2 of correlation r, z2 alone explains r^2 of the variance."""
    item = Correlation(between=("a", "b"), rank_correlation=0.7, source="test", status="assumption")
    design = designs.mixed(make("rbd_fast", 2, 4096, seed=3), ["a", "b"], [item])
    from scipy.special import ndtri

    found = METHODS["rbd_fast"].estimate(design, ndtri(design.unit[:, :1]), None)
    np.testing.assert_allclose(found.values["S1"][:, 0], [1.0, item.normal**2], atol=0.03)
    assert np.array_equal(np.sort(np.floor(design.unit * 4096), axis=0)[:, 1], np.arange(4096))  # still a Latin hypercube


# --- chances ---------------------------------------------------------------------------------------------------------


def test_an_analysis_says_how_often_targets_are_met_and_scenarios_beat_each_other(experiment: Experiment) -> None:
    """Beds at the end are 100 (1 - pace/4)^96, and the pace is uniform."""
    ds = sensitivity(experiment, samples=256, targets=["beds_at_end <= 30", "open_beds > 30 throughout"])
    needed = 4 * (1 - 0.3 ** (1 / 96))
    expected = (0.08 - needed) / 0.06
    chance = ds["target_probability"].sel(contender="as_planned").values
    np.testing.assert_allclose(chance, [expected, 1 - expected], atol=0.01)  # Sobol points count better than chance
    assert (ds["target_low"] <= ds["target_probability"]).all()
    assert (ds["target_probability"] <= ds["target_high"]).all()
    wins = ds["better_probability"].sel(judged_kpi="beds_at_end")
    assert float(wins.sel(contender="as_planned", opponent="slower")) == 1.0
    assert float(wins.sel(contender="slower", opponent="as_planned")) == 0.0
    both = sensitivity(experiment, samples=64, contrast=("as_planned", "slower"))
    assert float(both["better_probability"].sel(judged_kpi="beds_at_end", contender="as_planned", opponent="slower")) == 1.0
    band = ds["band"].sel(scenario="as_planned", variable="open_beds", time=24.0)
    paces = 0.02 + 0.06 * (1 - np.array([0.05, 0.1, 0.5, 0.9, 0.95]))
    np.testing.assert_allclose(band.values, 100 * (1 - paces / 4) ** 96, rtol=0.02)


def test_chances_agree_with_those_of_a_run(experiment: Experiment) -> None:
    runs = fr.run(experiment)
    measured, targets = fr.kpis(runs, experiment), ["beds_at_end <= 30"]
    ds = sensitivity_of(runs, experiment, targets=targets)
    chances = fr.probabilities(runs, measured, experiment, targets)
    np.testing.assert_array_equal(ds["target_probability"].values, chances["probability"].values.T)
    np.testing.assert_array_equal(ds["better_probability"].values, fr.beats(measured)["probability"].values)
    np.testing.assert_allclose(
        ds["band"].sel(variable="open_beds").values, fr.bands(runs, ["open_beds"])["open_beds"].values, rtol=1e-12
    )
