"""Draws against scipy.stats, against the definition of each design, and against themselves when something is added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from flowreform.case.distributions import DISTRIBUTIONS, TAIL
from flowreform.case.uncertainty import Uncertainty, faults
from flowreform.sampling import Drawer, draw, unit_samples

DESIGNS = ("random", "latin_hypercube", "sobol")


def made(distribution: str, **numbers: Any) -> Uncertainty:
    return Uncertainty.model_validate(
        {"distribution": distribution, "unit": "1", "source": "test", "status": "assumption", **numbers}
    )


UNIFORM = made("uniform", low=2.0, high=5.0)

WITNESSES = [
    (UNIFORM, stats.uniform(2.0, 3.0)),
    (made("triangular", low=0.3, mode=0.5, high=0.8), stats.triang(0.4, 0.3, 0.5)),
    (made("triangular", low=0.3, mode=0.3, high=0.8), stats.triang(0.0, 0.3, 0.5)),
    (made("triangular", low=0.3, mode=0.8, high=0.8), stats.triang(1.0, 0.3, 0.5)),
    (made("normal", mean=-3.0, sd=2.5), stats.norm(-3.0, 2.5)),
    (made("lognormal", median=4.0, sigma=0.7), stats.lognorm(0.7, scale=4.0)),
    (made("truncated_normal", mean=1.0, sd=2.0, low=0.5, high=4.0), stats.truncnorm(-0.25, 1.5, 1.0, 2.0)),
    (made("truncated_normal", mean=1.0, sd=2.0, low=9.0, high=12.0), stats.truncnorm(4.0, 5.5, 1.0, 2.0)),
    (made("truncated_normal", mean=1.0, sd=2.0, low=-12.0, high=-7.0), stats.truncnorm(-6.5, -4.0, 1.0, 2.0)),
    (made("truncated_normal", mean=1.0, sd=2.0, low=10.4, high=19.0), stats.truncnorm(4.7, 9.0, 1.0, 2.0)),
    (made("pert", low=1.0, mode=2.0, high=5.0), stats.beta(2.0, 4.0, 1.0, 4.0)),
]


@pytest.mark.parametrize(("item", "witness"), WITNESSES, ids=lambda value: getattr(value, "distribution", ""))
def test_inverse_distribution_functions_agree_with_scipy(item: Uncertainty, witness: Any) -> None:
    u = np.concatenate([np.linspace(0.0005, 0.9995, 2001), [2.0**-53, 1e-9, 1 - 2.0**-53]])
    np.testing.assert_allclose(item.quantile(u), witness.ppf(u), rtol=1e-9, atol=1e-12)
    assert faults(item) == []


def test_a_discrete_value_is_drawn_by_its_weight() -> None:
    item = made("discrete", values=[1.0, 7.0, 3.0, 9.0], weights=[2.0, 0.0, 6.0, 0.0])
    u = (np.arange(1000) + 0.5) / 1000
    values, counts = np.unique(item.quantile(u), return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {1.0: 250, 3.0: 750}
    assert item.quantile(np.array([1 - 2.0**-53])).tolist() == [3.0]


def test_ends_are_never_passed_by_rounding() -> None:
    """With these numbers high - sqrt((high - low) * (high - mode)) comes out one unit below low."""
    for low, high in ((37.4, 116.7), (14.8, 63.5), (19.8, 81.6)):
        item = made("triangular", low=low, mode=low, high=high)
        drawn = item.quantile(np.array([2.0**-53, 0.5, 1 - 2.0**-53]))
        assert low <= drawn.min() < drawn.max() <= high


@given(st.floats(-50, 50), st.floats(0.01, 20))
def test_the_reach_of_an_endless_tail_is_one_in_a_million(mean: float, sd: float) -> None:
    low, high = made("normal", mean=mean, sd=sd).support
    assert stats.norm(mean, sd).sf(high) == pytest.approx(1e-6, rel=1e-6)
    assert (low + high) / 2 == pytest.approx(mean, abs=1e-9)
    assert stats.norm.ppf(1e-6) == pytest.approx(-TAIL)


# --- designs ---------------------------------------------------------------------------------------------------------

names = st.lists(st.text("abcdef[],_é", min_size=1, max_size=5), min_size=1, max_size=5, unique=True)


@given(names, st.text("xyz", min_size=1, max_size=4), st.integers(0, 4), st.integers(1, 70), st.integers(0, 2**63 - 1))
def test_an_uncertainty_more_moves_nothing(known: list[str], new: str, place: int, n: int, seed: int) -> None:
    for design in ("random", "latin_hypercube"):
        before = unit_samples(tuple(known), n, design, seed)
        after = unit_samples((*known[:place], new, *known[place:]), n, design, seed)
        assert all(np.array_equal(before[name], after[name]) for name in known)
    before = unit_samples(tuple(known), n, "sobol", seed)
    after = unit_samples((*known, new), n, "sobol", seed)  # appended: the order of declaration is the dimension
    assert all(np.array_equal(before[name], after[name]) for name in known)


@given(names, st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32))
def test_more_draws_keep_the_first_ones(known: list[str], n: int, more: int, seed: int) -> None:
    for design in ("random", "sobol"):
        few, many = (unit_samples(tuple(known), size, design, seed) for size in (n, n + more))
        assert all(np.array_equal(few[name], many[name][:n]) for name in known)


@given(names, st.integers(1, 300), st.integers(0, 2**32))
def test_a_latin_hypercube_has_one_sample_in_each_stratum(known: list[str], n: int, seed: int) -> None:
    for column in unit_samples(tuple(known), n, "latin_hypercube", seed).values():
        assert sorted(np.floor(column * n).astype(int).tolist()) == list(range(n))


@given(st.integers(0, 2**32), st.integers(0, 8))
def test_a_shifted_sobol_sequence_keeps_its_balance(seed: int, power: int) -> None:
    """Two dimensions of the sequence are a (0, m, 2)-net: one point in every elementary box of volume 2^-m."""
    u, v = unit_samples(("one", "two"), 2**power, "sobol", seed).values()
    for split in range(power + 1):
        boxes = {(int(a * 2**split), int(b * 2 ** (power - split))) for a, b in zip(u, v, strict=True)}
        assert len(boxes) == 2**power


@given(st.sampled_from(DESIGNS), st.integers(0, 2**63 - 1), st.integers(1, 500))
def test_samples_are_strictly_inside_the_unit_interval(design: str, seed: int, n: int) -> None:
    column = unit_samples(("x",), n, design, seed)["x"]
    assert column.dtype == np.float64
    assert column.shape == (n,)
    assert column.min() > 0
    assert column.max() < 1


@pytest.mark.parametrize("design", DESIGNS)
def test_samples_fill_the_interval_evenly_and_independently(design: str) -> None:
    first, second = unit_samples(("length_of_stay", "diversion"), 4096, design, 7).values()
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_seeds_and_names_give_other_streams() -> None:
    base = unit_samples(("a", "b"), 50, "random", 1)
    assert not np.array_equal(base["a"], base["b"])
    assert not np.array_equal(base["a"], unit_samples(("a",), 50, "random", 2)["a"])


GOLDEN = {
    "random": [
        4.837789482182318,
        4.568348157133993,
        3.3854459277694113,
        2.4026757081403,
        3.1977540867220187,
        3.9216523445604548,
        4.099028187167008,
        2.14904033275648,
    ],
    "latin_hypercube": [
        3.333827070891857,
        2.2639799043536186,
        4.113374598324299,
        4.745222441852093,
        4.410213105380535,
        4.139685817062855,
        2.704658217728138,
        3.3149933591485023,
    ],
    "sobol": [
        3.267203211976572,
        4.767203211976572,
        4.017203211976572,
        2.517203211976572,
        3.5068202641493933,
        2.0068202641493933,
        4.256820264149393,
        2.7568202641493933,
    ],
}


@pytest.mark.parametrize("design", DESIGNS)
def test_the_first_draws_never_change(design: str) -> None:
    """A change here changes the numbers of every experiment: it belongs in the change log."""
    drawn = draw({"stay": UNIFORM, "delay": UNIFORM}, 4, design, 42)
    assert [*drawn["stay"].tolist(), *drawn["delay"].tolist()] == pytest.approx(GOLDEN[design], rel=1e-15)


def test_an_unknown_design_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown design"):
        draw({"x": UNIFORM}, 2, "halton", 0)


def test_nothing_uncertain_draws_nothing() -> None:
    assert [draw({}, 5, design, 0) for design in DESIGNS] == [{}, {}, {}]


# --- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "key", "reason"),
    [
        (made("uniform", low=1.0), "high", 'needs "high"'),
        (made("uniform", low=1.0, high=2.0, mode=1.5), "mode", 'takes no "mode"'),
        (made("uniform", low=2.0, high=2.0), "low", "not below high"),
        (made("triangular", low=1.0, mode=3.0, high=2.0), "mode", "not between"),
        (made("pert", low=1.0, mode=0.5, high=2.0), "mode", "not between"),
        (made("normal", mean=1.0, sd=0.0), "sd", "above 0"),
        (made("lognormal", median=-1.0, sigma=1.0), "median", "above 0"),
        (made("lognormal", median=1.0, sigma=-1.0), "sigma", "above 0"),
        (made("truncated_normal", mean=0.0, sd=1.0, low=40.0, high=41.0), "mean", "away from the mean"),
        (made("truncated_normal", mean=0.0, sd=1.0, low=2.0, high=1.0), "low", "not below high"),
        (made("discrete", values=[], weights=[]), "values", "no values"),
        (made("discrete", values=[1.0], weights=[1.0, 2.0]), "weights", "1 values have 2 weights"),
        (made("discrete", values=[1.0, 2.0], weights=[-1.0, 2.0]), "weights", "negative"),
        (made("discrete", values=[1.0, 2.0], weights=[0.0, 0.0]), "weights", "not all 0"),
    ],
)
def test_distributions_that_cannot_be_drawn_from_are_faults(item: Uncertainty, key: str, reason: str) -> None:
    found = faults(item)
    assert [fault[0] for fault in found] == [key]
    assert reason in found[0][1]


@given(st.floats(0.01, 100))
def test_a_change_of_unit_scales_the_samples(factor: float) -> None:
    for item, _ in WITNESSES:
        u = np.linspace(0.01, 0.99, 9)
        np.testing.assert_allclose(item.scaled(factor, "2").quantile(u), item.quantile(u) * factor, rtol=1e-9, atol=1e-12)
        assert item.scaled(factor, "2").unit == "2"


@pytest.mark.parametrize("design", ["random", "latin_hypercube", "sobol"])
@given(
    n=st.integers(1, 700), cut=st.lists(st.integers(0, 700), min_size=2, max_size=2).map(sorted), seed=st.integers(0, 2**63 - 1)
)
@settings(max_examples=25)
def test_a_stretch_of_draws_is_that_stretch_of_all(design: str, n: int, cut: list[int], seed: int) -> None:
    items = {str(at): item for at, (item, _) in enumerate(WITNESSES)}
    first, last = min(cut[0], n - 1), min(max(cut[0] + 1, cut[1]), n)
    whole, part = draw(items, n, design, seed), Drawer(items, n, design, seed).part(first, last)
    for name in items:
        np.testing.assert_array_equal(part[name], whole[name][first:last])


def test_a_stretch_of_an_unknown_design_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown design"):
        Drawer({}, 3, "halton", 0)


# --- the table of distributions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_has_a_witness(name: str) -> None:
    assert name in {item.distribution for item, _ in WITNESSES} | {"discrete"}, f"{name} has no row in WITNESSES"


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_number_of_a_distribution_may_stand_in_a_file(name: str) -> None:
    kind = DISTRIBUTIONS[name]
    assert kind.__doc__
    assert set(kind.needs()) <= set(Uncertainty.model_fields), f"{name} takes a number that Uncertainty has no field for"
    assert set(kind.positive) | set(kind.pure) <= set(kind.needs())


@pytest.mark.parametrize(("item", "witness"), WITNESSES, ids=lambda value: getattr(value, "distribution", ""))
def test_samples_stay_in_the_support(item: Uncertainty, witness: Any) -> None:
    low, high = item.support
    ends = item.quantile(np.array([1e-6, 1 - 1e-6]) if item.kind.endless else np.array([2.0**-60, 1 - 2.0**-53]))
    rounding = 1e-9 * (abs(low) + abs(high))
    assert low - rounding <= ends[0] < ends[1] <= high + rounding
    if item.kind.endless:
        np.testing.assert_allclose([low, high], witness.ppf([1e-6, 1 - 1e-6]), rtol=1e-9)
