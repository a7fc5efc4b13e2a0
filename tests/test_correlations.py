"""Correlated inputs: the file's faults, distributions kept, rank correlations reached, everything else as drawn without them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import ExperimentError, Finding
from flowreform.experiment import Correlation, Experiment, read_experiment
from flowreform.experiment.parts import correlations_of
from flowreform.runs import run
from flowreform.sampling import correlated, draw, unit_samples
from flowreform.toml import Document, Source

DESIGNS = ("random", "latin_hypercube", "sobol")
MANY = 2**15


def made(distribution: str, **numbers: Any) -> Uncertainty:
    return Uncertainty.model_validate(
        {"distribution": distribution, "unit": "1", "source": "test", "status": "assumption", **numbers}
    )


def pair(one: str, other: str, rank: float) -> Correlation:
    return Correlation(between=(one, other), rank_correlation=rank, source="test", status="assumption")


INPUTS = {
    "stay": made("lognormal", median=6.0, sigma=0.4),
    "alone": made("uniform", low=0.0, high=1.0),
    "need": made("triangular", low=0.0, mode=0.2, high=1.0),
    "delay": made("pert", low=1.0, mode=2.0, high=8.0),
}
PAIRS = (pair("stay", "need", 0.7), pair("need", "delay", -0.4), pair("stay", "delay", 0.1))


@pytest.mark.parametrize("design", DESIGNS)
def test_rank_correlations_are_reached_and_distributions_kept(design: str) -> None:
    """Within four standard errors of the rank correlation of so many independent pairs, at most 1/sqrt(n - 1) each."""
    before, after = draw(INPUTS, MANY, design, 3), draw(INPUTS, MANY, design, 3, PAIRS)
    for item in PAIRS:
        found = stats.spearmanr(*(after[name] for name in item.between)).statistic
        assert found == pytest.approx(item.rank_correlation, abs=4 / np.sqrt(MANY)), item.between
    for name in INPUTS:
        assert stats.ks_2samp(before[name], after[name]).pvalue > 1e-3, name
    assert abs(stats.spearmanr(after["alone"], after["stay"]).statistic) < 4 / np.sqrt(MANY)


def test_half_and_half_is_what_sheppard_says() -> None:
    """Both below their medians: 1/4 + arcsin(r) / (2 pi) for normal variables with the correlation r (Sheppard 1899)."""
    found = draw(INPUTS, MANY, "sobol", 1, [pair("stay", "need", 0.7)])
    low = (found["stay"] < np.median(found["stay"])) & (found["need"] < np.median(found["need"]))
    normal = 2 * np.sin(np.pi * 0.7 / 6)
    assert low.mean() == pytest.approx(0.25 + np.arcsin(normal) / (2 * np.pi), abs=2 / np.sqrt(MANY))


def test_the_correlation_of_the_normals_is_not_that_of_the_ranks() -> None:
    """A copula that takes the rank correlation as it stands is found out: it reaches 0.682 where 0.7 is wanted."""
    item = pair("stay", "need", 0.7)
    assert item.normal == pytest.approx(2 * np.sin(0.7 * np.pi / 6))
    wrong = 6 / np.pi * np.arcsin(0.7 / 2)
    found = [
        stats.spearmanr(*(draw(INPUTS, MANY, "random", seed, [item])[n] for n in item.between)).statistic for seed in range(4)
    ]
    assert abs(np.mean(found) - 0.7) < abs(np.mean(found) - wrong) / 3


@pytest.mark.parametrize("design", DESIGNS)
def test_nothing_else_moves(design: str) -> None:
    """Without a table all draws are as before; with one, those in no correlation and the first of each group are."""
    before = draw(INPUTS, 500, design, 11)
    same = draw(INPUTS, 500, design, 11, ())
    after = draw(INPUTS, 500, design, 11, PAIRS)
    for name in INPUTS:
        assert np.array_equal(same[name], before[name])
        assert np.array_equal(after[name], before[name]) is (name in ("alone", "stay"))
    alone = draw({"need": INPUTS["need"], "alone": INPUTS["alone"]}, 500, design, 11, PAIRS)
    if design != "sobol":  # its dimension is the order of declaration
        assert np.array_equal(alone["need"], before["need"])  # whom it moves with is not there


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_more_draws_keep_the_first_ones(design: str) -> None:
    few, many = (draw(INPUTS, size, design, 5, PAIRS) for size in (100, 257))
    assert all(np.array_equal(few[name], many[name][:100]) for name in INPUTS)


def test_a_latin_hypercube_keeps_one_sample_in_each_stratum() -> None:
    before = unit_samples(tuple(INPUTS), 300, "latin_hypercube", 5)
    after = correlated(before, PAIRS, reorder=True)
    assert all(np.array_equal(np.sort(before[name]), np.sort(after[name])) for name in INPUTS)


def test_groups_do_not_touch_each_other() -> None:
    more = {**INPUTS, "extra": INPUTS["alone"], "other": INPUTS["alone"]}
    one = draw(more, 50, "random", 2, PAIRS)
    two = draw(more, 50, "random", 2, (*PAIRS, pair("extra", "other", 0.9)))
    assert [name for name in more if not np.array_equal(one[name], two[name])] == ["other"]


# --- the file --------------------------------------------------------------------------------------------------------

ENTRY = """
[[correlations]]
between = ["closure_rate", "share_in_use"]
rank_correlation = 0.6
source = "test"
status = "assumption"
"""
MORE = """uncertainties = "all"

[uncertainties.closure_rate]
distribution = "uniform"
low = 0.02
high = 0.08
unit = "1/month"
source = "test"
status = "assumption"

[scenarios.as_planned]"""


@pytest.fixture
def ward_text(ward: Path, tmp_path: Path) -> str:
    for name in ("model.xmile", "model.toml", "reference.csv"):
        (tmp_path / name).write_bytes((ward / name).read_bytes())
    return (ward / "pace.toml").read_text(encoding="utf-8").replace("[scenarios.as_planned]", MORE, 1)


def read(folder: Path, text: str) -> Experiment:
    path = folder / "pace.toml"
    path.write_text(text, encoding="utf-8")
    return read_experiment(path)


def test_an_experiment_runs_with_its_correlations(ward_text: str, tmp_path: Path) -> None:
    experiment = dataclasses.replace(read(tmp_path, ward_text + ENTRY), draws=400)
    assert [item.between for item in experiment.correlations] == [("closure_rate", "share_in_use")]
    ds = run(experiment)
    found = stats.spearmanr(ds["closure_rate"].sel(scenario="as_planned").values, ds["share_in_use"].values).statistic
    assert found == pytest.approx(0.6, abs=4 / 20)
    without = run(dataclasses.replace(read(tmp_path, ward_text), draws=400))
    assert np.array_equal(ds["share_in_use"].values, without["share_in_use"].values) != np.array_equal(
        ds["closure_rate"].sel(scenario="as_planned").values, without["closure_rate"].sel(scenario="as_planned").values
    )


@pytest.mark.parametrize(
    ("old", "new", "part", "reason", "repair"),
    [
        ('"share_in_use"]', '"share_in_us"]', '"share_in_us"', "no such uncertainty", '"share_in_use"'),
        ('"share_in_use"]', '"closure_rate"]', 'between = ["closure_rate", "closure_rate"]', "with itself", "two"),
        (', "share_in_use"]', "]", 'between = ["closure_rate"]', "", ""),
        ("= 0.6", "= 1.0", "= 1.0", "less than 1", ""),
        ("= 0.6", "= -1.5", "= -1.5", "greater than -1", ""),
        ("rank_correlation = 0.6\n", "", "[[correlations]]", '"rank_correlation" is missing', "add it"),
        ("rank_correlation", "rank_corelation", "rank_corelation", "unknown key", '"rank_correlation"'),
    ],
)
def test_each_fault_has_its_line(ward_text: str, tmp_path: Path, old: str, new: str, part: str, reason: str, repair: str) -> None:
    text = ward_text + ENTRY.replace(old, new, 1)
    with pytest.raises(ExperimentError) as caught:
        read(tmp_path, text)
    fitting = [item for item in caught.value.findings if reason in item.reason and repair in item.repair]
    assert text[: text.index(part)].count("\n") + 1 in {item.line for item in fitting}, str(caught.value)


def test_what_cannot_hold_together_is_refused_in_one_line() -> None:
    """Two that move with a third cannot move against each other; what the repair says mends it, and little more does not."""

    def findings(share: float) -> list[Finding]:
        ranks = {("stay", "need"): 0.9, ("need", "delay"): 0.9, ("stay", "delay"): -0.9}
        tables = [pair(*names, share * rank).model_dump() for names, rank in ranks.items()]
        source = Source(Document("x.toml", {"correlations": tables}, {}))
        correlations_of(source, INPUTS, True)
        return source.findings

    (fault,) = findings(1.0)
    assert "cannot all hold at once: no numbers over delay, need, stay" in fault.reason
    enough = float(fault.repair.partition("times ")[2].partition(" ")[0])
    assert findings(enough) == []
    assert len(findings(enough + 0.01)) == 1


def test_a_pair_twice_and_a_single_table_are_faults(ward_text: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="stand here already"):
        read(tmp_path, ward_text + ENTRY + ENTRY)
    with pytest.raises(ExperimentError, match=r"write \[\[correlations\]\]"):
        read(tmp_path, ward_text + ENTRY.replace("[[correlations]]", "[correlations]"))


def test_one_draw_of_base_values_warns(ward_text: str, tmp_path: Path) -> None:
    text = ward_text.replace('uncertainties = "all"\n', "").replace("draws = 20", "draws = 1")
    experiment = read(tmp_path, text + ENTRY)
    assert experiment.correlations == ()
    assert any("nothing can move together" in item.reason for item in experiment.findings)
