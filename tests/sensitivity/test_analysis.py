"""Whole analyses of a small model: what comes back, what is said, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowreform.analyse.sensitivity import bands, beats, probabilities, sensitivity, warnings_of
from flowreform.analyse.sensitivity.chances import wilson
from flowreform.analyse.sensitivity.rows import interval
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment, read_experiment
from flowreform.kpi import kpis
from flowreform.runs import run


def uncertain(distribution: str, **numbers: Any) -> Uncertainty:
    return Uncertainty.model_validate(
        {"distribution": distribution, "unit": "1", "source": "test", "status": "assumption", **numbers}
    )


@pytest.fixture(scope="module")
def ward_file() -> Path:
    return Path(__file__).resolve().parents[1] / "fixtures" / "ward" / "pace.toml"


@pytest.fixture
def experiment(ward_file: Path) -> Experiment:
    """One scenario leaves both inputs free, the other sets the pace."""
    items = {
        "closure_rate": uncertain("uniform", low=0.02, high=0.08),
        "share_in_use": uncertain("triangular", low=0.7, mode=0.9, high=1.0),
    }
    return dataclasses.replace(read_experiment(ward_file), uncertainties=items)


def said(ds: Any) -> str:
    return "\n".join(warnings_of(ds))


def test_indices_have_their_dimensions_and_what_does_not_matter_has_none(experiment: Experiment) -> None:
    ds = sensitivity(experiment, samples=128)
    assert ds["kpi_index"].dims == ("scenario", "kpi", "parameter", "index")
    assert ds["variable_index"].dims == ("scenario", "variable", "time", "parameter", "index")
    beds = ds["kpi_index"].sel(scenario="as_planned", kpi="beds_at_end", index="ST")
    assert float(beds.sel(parameter="closure_rate")) == pytest.approx(1.0, abs=0.05)
    assert float(beds.sel(parameter="share_in_use")) == 0.0
    use = ds["kpi_index"].sel(scenario="as_planned", kpi="use_in_first_year", index="S1")
    assert float(use.sum()) == pytest.approx(1.0, abs=0.1)
    assert (use > 0.1).all()
    start = ds["variable_status"].sel(scenario="as_planned", variable="open_beds", time=0.0)
    assert int(start) == 1  # a stock's first value is the same in every run
    assert not np.isnan(ds["variable_index"].values).any()


def test_the_same_seed_gives_the_same_numbers_whatever_lies_beside(experiment: Experiment) -> None:
    both = sensitivity(experiment, samples=64, seed=3)
    one = sensitivity(experiment, samples=64, seed=3, scenario="as_planned", variables=(), kpis=["use_in_first_year"])
    expected = both["kpi_index"].sel(scenario="as_planned", kpi="use_in_first_year").values
    np.testing.assert_allclose(one["kpi_index"].sel(scenario="as_planned", kpi="use_in_first_year").values, expected, rtol=1e-12)


def test_a_set_parameter_and_a_constant_are_named(experiment: Experiment) -> None:
    ds = sensitivity(experiment, samples=64, scenario="slower")
    assert "slower: set by the scenario, and so without effect there: closure_rate" in said(ds)
    assert "the same in every run, so that nothing matters (indices 0): beds_at_end, open_beds" in said(ds)
    assert (ds["kpi_index"].sel(kpi="beds_at_end") == 0).all()


@pytest.mark.parametrize("method", ["delta", "pawn", "sobol"])
def test_an_input_with_one_value_has_no_effect(method: str, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an estimator makes of the order of the runs; the mutant leaves to delta and PAWN what they make of it."""
    from flowreform.analyse.sensitivity import columns

    one = uncertain("discrete", values=(0.9,), weights=(1.0,))
    fixed = dataclasses.replace(experiment, uncertainties={**experiment.uncertainties, "share_in_use": one})

    def of_the_share() -> np.ndarray:
        ds = sensitivity(fixed, method, 128, scenario="as_planned", kpis=["beds_at_end"])
        return np.asarray(ds["kpi_index"].sel(kpi="beds_at_end", parameter="share_in_use").values)

    assert (of_the_share() == 0.0).all()
    monkeypatch.setattr(columns, "still", lambda *given: None)
    assert method == "sobol" or (of_the_share() != 0.0).any()


def test_a_difference_is_of_the_same_samples(experiment: Experiment) -> None:
    """Beds at the end differ by 100 ((1 - pace/4)^96 - (1 - 0.01/4)^96): the draw of the share falls out to the last digit."""
    ds = sensitivity(experiment, samples=64, contrast=("as_planned", "slower"))
    assert ds["scenario"].values.tolist() == ["as_planned - slower"]
    pace = ds["drawn"].sel(parameter="closure_rate").values
    expected = 100 * ((1 - pace / 4) ** 96 - (1 - 0.01 / 4) ** 96)
    np.testing.assert_allclose(ds["kpi_value"].sel(kpi="beds_at_end").values[0], expected, rtol=1e-9)
    assert float(ds["kpi_index"].sel(kpi="beds_at_end", parameter="share_in_use", index="ST").item()) == 0.0


def test_what_lacks_values_is_named_and_what_has_most_is_estimated(experiment: Experiment) -> None:
    """Fewer than 10 beds are reached in 24 months only where the pace is quick."""
    ds = sensitivity(experiment, "pawn", 200, scenario="as_planned", targets=["empty_at <= 30"])
    assert "as_planned: too few runs have a value of empty_at: no index" in said(ds)
    assert np.isnan(ds["kpi_index"].sel(kpi="empty_at")).all()
    assert int(ds["kpi_status"].sel(kpi="empty_at").item()) == 2
    quicker = dataclasses.replace(
        experiment, uncertainties={**experiment.uncertainties, "closure_rate": uncertain("uniform", low=0.09, high=0.2)}
    )
    ds = sensitivity(quicker, "pawn", 200, scenario="as_planned")
    assert "only part of the 200 sample points have a value" in said(ds)
    assert float(ds["kpi_index"].sel(kpi="empty_at", parameter="closure_rate", index="median").item()) > 0.3


@pytest.mark.parametrize(("method", "kept"), [("sobol", True), ("morris", True), ("pawn", True), ("ff", False)])
def test_failed_runs_are_left_out_with_their_group_or_refused(
    experiment: Experiment, method: str, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowreform.batch import Batch

    real = Batch.run

    def with_a_failure(self: Batch, *arguments: Any) -> Any:
        found = real(self, *arguments)
        found.failed[1] = True
        return found

    monkeypatch.setattr(Batch, "run", with_a_failure)
    ds = sensitivity(experiment, method, 64, scenario="as_planned")
    assert int(ds["failed_runs"].item()) == 1
    assert "1 of" in said(ds)
    assert "failed" in said(ds)
    assert bool(np.isfinite(ds["kpi_index"].sel(kpi="beds_at_end")).all()) is kept
    if kept:
        assert int(ds["kpi_blocks"].sel(kpi="beds_at_end").item()) == 63


def test_honest_about_samples_ranks_and_signs(experiment: Experiment) -> None:
    even = {
        "closure_rate": uncertain("uniform", low=0.04, high=0.05),
        "share_in_use": uncertain("uniform", low=0.85, high=0.9),
    }
    ds = sensitivity(dataclasses.replace(experiment, uncertainties=even), samples=20, scenario="as_planned")
    assert "20 samples are no power of 2, which Sobol points need: take 16 or 32" in said(ds)
    assert "too wide to say which input comes first (use_in_first_year: " in said(ds)
    assert "scatter around the truth, so read a negative one as near 0" in said(ds)
    assert ds["kpi_convergence"].dims == ("scenario", "kpi", "fraction", "parameter", "index")
    np.testing.assert_array_equal(ds["kpi_convergence"].sel(fraction=1.0).values, ds["kpi_index"].values)
    assert "power of 2" not in said(sensitivity(experiment, samples=32, scenario="as_planned"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"method": "sobl"}, 'sobl: there is no such method; did you mean "sobol"? [unknown-method]'),
        ({"samples": 1}, "sobol: 1 sample is too few for Sobol indices; take 4 or more [samples]"),
        ({"scenario": "as_plan"}, 'did you mean "as_planned"?'),
        ({"contrast": ("slower", "slower")}, "a scenario does not differ from itself"),
        ({"kpis": ["beds"]}, "the experiment has no such KPI"),
        ({"parameters": []}, "the list of parameters is empty, so nothing varies"),
        ({"parameters": ["closure"]}, 'did you mean "closure_rate"?'),
        ({"method": "morris", "second_order": True}, "morris has no second order"),
        ({"method": "regional"}, "regional needs a target"),
        ({"targets": ["beds_at_end"]}, "a target is NAME < NUMBER"),
        ({"targets": ["beds_at_end < many"]}, "many is not a number"),
        ({"targets": ["open_beds < 5 always"]}, '"always" says no time'),
        ({"variables": ["beds"]}, "the model has no such variable"),
        ({"confidence": 1.0}, "a confidence level lies between 0 and 1"),
        ({"resamples": 1}, "1 resamplings give no interval"),
    ],
)
def test_bad_input_is_one_line(experiment: Experiment, options: dict[str, Any], line: str) -> None:
    with pytest.raises(ExperimentError) as fault:
        sensitivity(experiment, **options)
    assert len(fault.value.findings) == 1
    assert line in str(fault.value)
    assert "\n" not in str(fault.value)


def test_nothing_that_varies_and_steps_without_slope_are_refused(experiment: Experiment) -> None:
    with pytest.raises(ExperimentError, match="has no uncertainties, so nothing varies"):
        sensitivity(dataclasses.replace(experiment, uncertainties={}))
    with pytest.raises(ExperimentError, match=r"`flowreform new FILE.toml --model MODEL` begins one"):
        sensitivity(dataclasses.replace(experiment, uncertainties={}, case=None, path=None))  # "all" of none is none
    with pytest.raises(
        ExperimentError, match=r"\[uncertainties.NAME\], and draws = 100 under \[experiment\], in an experiment file \["
    ):
        sensitivity(dataclasses.replace(experiment, uncertainties={}, case=None, path=Path("mine.toml")))
    steps = {"share_in_use": uncertain("discrete", values=[0.8, 0.9], weights=[1, 1])}
    with pytest.raises(ExperimentError, match="a discrete input has none"):
        sensitivity(dataclasses.replace(experiment, uncertainties=steps), "dgsm")


# --- what the draws say together -------------------------------------------------------------------------------------


def test_bands_are_quantiles_of_the_draws(experiment: Experiment) -> None:
    ds = run(dataclasses.replace(experiment, draws=50))
    found = bands(ds, ["open_beds"])
    assert found["open_beds"].dims == ("scenario", "quantile", "time")
    expected = np.quantile(ds["open_beds"].sel(scenario="as_planned").values, 0.95, axis=0)
    np.testing.assert_allclose(found["open_beds"].sel(scenario="as_planned", quantile=0.95).values, expected)
    assert found["draws_used"].values.tolist() == [50, 50]
    with pytest.raises(ExperimentError, match="one draw says nothing about uncertainty"):
        bands(run(dataclasses.replace(experiment, draws=1)))
    with pytest.raises(ExperimentError, match="was not saved"):
        bands(ds, ["closing_time"])


def test_chances_of_targets_and_of_beating_are_counted(experiment: Experiment) -> None:
    ds = run(dataclasses.replace(experiment, draws=200))
    found = kpis(ds, experiment)
    targets = ["beds_at_end <= 30", "open_beds > 30 throughout", "open_beds <= 30 ever", "empty_at <= 24"]
    chances = probabilities(ds, found, experiment, targets)
    share = chances["probability"].sel(scenario="as_planned").values
    pace = ds["closure_rate"].sel(scenario="as_planned").values
    expected = (100 * (1 - pace / 4) ** 96 <= 30).mean()
    np.testing.assert_allclose(share, [expected, 1 - expected, expected, 0.0], atol=1e-12)
    assert (chances["low"] <= chances["probability"]).all()
    assert float(chances["high"].sel(scenario="as_planned").values[3]) > 0  # never in 200 draws is not never
    wins = beats(found)
    assert wins["kpi"].values.tolist() == ["beds_at_end"]  # the only one with a better direction
    assert float(wins["probability"].sel(kpi="beds_at_end", scenario="as_planned", other="slower")) == 1.0
    assert float(wins["probability"].sel(kpi="beds_at_end", scenario="slower", other="as_planned")) == 0.0


def test_wilson_agrees_with_its_definition() -> None:
    """Its ends are the shares p at which the observed share lies 1.96 standard errors of p away."""
    share, low, high = wilson(np.array([7.0]), np.array([40]))
    for end in (low, high):
        np.testing.assert_allclose(abs(share - end), 1.959963984540054 * np.sqrt(end * (1 - end) / 40), rtol=1e-9)


def test_an_analysis_shows_what_the_command_prints_and_a_part_of_it_is_any_dataset(experiment: Experiment) -> None:
    ds = sensitivity(experiment, "morris", 4)
    text = repr(ds)
    assert text.startswith(f"{experiment.title}\nMorris elementary effects: mu_star is ")
    assert "as planned\nKPI " in text
    assert ds._repr_html_().count("<table>") == 2
    assert repr(ds.sel(scenario="slower")).startswith("<xarray.SensitivityIndices>")
    assert ds.identical(ds.copy())


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (0.4321, 0.0512, "0.432 ± 0.051"),
        (2.859e6, 641_635.0, "2.86 ± 0.64 million"),
        (-1.5e9, 2e6, "-1.5 ± 0.002 billion"),
        (138_945.2, 47_378.4, "138,945 ± 47,378"),
        (2.859e6, np.nan, "2.86 million"),
    ],
)
def test_an_interval_stands_in_the_scale_of_its_value(value: float, width: float, text: str) -> None:
    assert interval(value, width) == text
