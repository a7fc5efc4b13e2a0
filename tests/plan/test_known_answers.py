"""Plans against answers that are known: closed forms, plain loops, the lake problem, fronts of the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flowreform.analyse.planning.find import find
from flowreform.analyse.planning.lattice import values_of
from flowreform.analyse.planning.proof import interval
from flowreform.analyse.planning.result import runnable
from plan_problems import between, bowl, chance, dtlz2, experiment, lake, moving_target, zdt

REQUIRE = {"draws": 10, "fresh_draws": 10, "objective": "cost"}


def decided(found: object) -> tuple[float, ...]:
    return values_of(found.plan, found.problem.decisions)  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [1, 2, pytest.param(4, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow)])
def test_a_tilted_bowl_has_its_lowest_point_found(count: int) -> None:
    plan = REQUIRE | {"decide": {f"x{at + 1}": between(0, 12, 0.5) for at in range(count)}}
    found = find(experiment(bowl(count), plan), answers=False)
    assert decided(found) == tuple(float(at + 3) for at in range(count))
    assert found.objective(found.plan, fresh=True) == 0.0


def test_a_chance_constraint_is_kept_in_nine_draws_of_ten_and_no_more() -> None:
    plan = {
        "objective": "cost", "draws": 100, "fresh_draws": 400, "decide": {"x": between(0, 2, 0.01)},
        "require": [{"series": "load", "at_most": 2.0}],
    }  # fmt: skip
    found = find(experiment(chance(), plan, uncertainties={"luck": (0.0, 1.0)}), answers=False)
    assert decided(found)[0] == pytest.approx(1.1, abs=0.011)  # x + luck <= 2 in 90 %: x = 2 - 0.9
    assert found.proof.holds
    assert found.shares(found.plan, fresh=True)[0] >= 0.9


@pytest.mark.slow
def test_the_search_goes_on_until_fresh_draws_keep_the_promise() -> None:
    """Ten draws at random say little: the plan that they choose falls short on 2,000 others, and one that does not is found."""
    plan = {
        "objective": "cost", "draws": 20, "fresh_draws": 2000, "decide": {"x": between(0, 2, 0.01)},
        "require": [{"series": "load", "at_most": 2.0}],
    }  # fmt: skip
    again = 0
    for seed in range(6):
        exp = experiment(chance(), plan, uncertainties={"luck": (0.0, 1.0)}, seed=seed).with_(design="random")
        found = find(exp, answers=False)
        first = found.proof.rounds[0]
        again += len(found.proof.rounds) > 1
        if first.fresh[0] < 0.9:
            assert len(found.proof.rounds) > 1
            assert found.proof.rounds[1].asked >= min(1.0, first.asked + max(0.01, 0.9 - first.fresh[0])) - 1e-12
        if found.proof.holds:
            assert found.shares(found.plan, fresh=True)[0] >= 0.9
        else:
            assert found.shares(found.plan, fresh=True)[0] == max(row.fresh[0] for row in found.proof.rounds)
    assert again >= 2


@pytest.mark.slow
def test_the_lake_takes_what_its_fold_lets_it() -> None:
    """The most discharge for ever that does not tip the lake: the largest of b X - X^2/(1 + X^2) below the tipping point, less
    the natural inflow (b = 0.42, q = 2: tipping point 0.5445, as Quinn, Reed and Keller 2017 have it)."""
    x = np.linspace(0.0, 0.6, 60_001)
    room = 0.42 * x - x**2 / (1 + x**2)
    tipping = float(x[1:][np.flatnonzero(np.diff(np.sign(room[1:])))[0]])
    assert tipping == pytest.approx(0.5445, abs=5e-4)
    most = float(room[x < tipping].max()) - 0.02
    plan = REQUIRE | {
        "decide": {"discharge": between(0, 0.1, 0.0005)}, "require": [{"series": "phosphorus", "at_most": 0.5445}],
    }  # fmt: skip
    found = find(experiment(lake(), plan, stop=600.0), answers=False)
    assert decided(found)[0] == pytest.approx(math.floor(most / 0.0005) * 0.0005, abs=0.0005 + 1e-9)


@pytest.mark.slow
def test_the_lake_with_uncertain_inflow_is_that_of_a_plain_loop() -> None:
    plan = {
        "objective": "cost", "draws": 100, "fresh_draws": 100, "kept_in_share_of_runs": 0.85,
        "decide": {"discharge": between(0, 0.1, 0.001)},
        "require": [{"series": "phosphorus", "at_most": 0.5445}],
    }  # fmt: skip
    exp = experiment(lake(), plan, uncertainties={"inflow": (0.01, 0.03)}, stop=100.0)
    found = find(exp, answers=False)
    import flowreform as fr

    inflow = fr.draws(exp)["inflow"].values

    def share(discharge: float) -> float:
        level, highest = np.zeros(100), np.zeros(100)
        for _ in range(100):
            level = level + discharge + inflow + level**2 / (1 + level**2) - 0.42 * level
            highest = np.maximum(highest, level)
        return float((highest <= 0.5445).mean())

    asked = found.proof.terms.share
    best = max(at for at in range(101) if share(at / 1000) >= asked)
    assert decided(found)[0] == pytest.approx(best / 1000)


@pytest.mark.parametrize(
    ("variables", "height"),
    [
        pytest.param(zdt(1), lambda f: 1 - math.sqrt(f), id="ZDT1"),
        pytest.param(zdt(2), lambda f: 1 - f**2, id="ZDT2", marks=pytest.mark.slow),
        pytest.param(dtlz2(), lambda f: math.sqrt(1 - f**2), id="DTLZ2", marks=pytest.mark.slow),
    ],
)
def test_the_frontier_is_that_of_the_literature(variables: list, height) -> None:  # type: ignore[no-untyped-def]
    levels = [0.2, 0.4, 0.6, 0.8]
    step = 0.02
    plan = REQUIRE | {
        "decide": {f"x{at + 1}": between(0, 1, step) for at in range(4)},
        "require": [{"name": "first", "series": "first", "at_most": 0.6}],
        "frontier": {"against": "first", "levels": levels},
    }  # fmt: skip
    found = find(experiment(variables, plan))
    assert [point.plan is not None for point in found.frontier] == [True] * 4
    for point in found.frontier:
        own = height(point.level)
        # one step of x1 away from the level at most: the front is that steep there
        near = max(abs(height(point.level) - height(max(0.0, point.level - 2 * step))), 1e-9)
        assert own - 1e-9 <= point.objective <= own + near + 0.02


def test_no_plan_is_no_error_and_says_what_would_have_to_give_way() -> None:
    plan = REQUIRE | {
        "decide": {"x1": between(0, 10, 1)},
        "require": [
            {"name": "low", "series": "x1", "at_most": 3.0},
            {"name": "high", "series": "x1", "at_least": 5.0},
        ],
    }  # fmt: skip
    found = find(experiment(bowl(1), plan))
    assert not found.possible
    assert found.nearest is not None
    assert found.nearest.alone == (1.0, 1.0)
    assert found.nearest.levels == (5.0, 3.0)  # either promise, moved to where the other one is


def test_what_binds_and_what_it_costs() -> None:
    """The bowl's lowest point is x1 = 3; at most 1 is asked: a step looser (2) costs 1 instead of 4, a step tighter (0) 9."""
    plan = REQUIRE | {
        "decide": {"x1": between(0, 6, 1)},
        "require": [{"name": "cap", "series": "x1", "at_most": 1.0, "step": 1.0}],
    }
    found = find(experiment(bowl(1), plan))
    assert decided(found) == (1.0,)
    assert [(row.level, row.solved.objective) for row in found.prices if row.requirement] == [(0.0, 9.0), (2.0, 1.0)]
    assert [row.solved.objective for row in found.binding] == [0.0]


def test_a_schedule_gains_what_constant_levers_cannot() -> None:
    """A target that steps from 0 to 10 half way: the best constant is 5, at 25 a month; by the period nothing is left."""
    plan = REQUIRE | {"decide": {"x": between(0, 10, 1)}, "schedule": {"levers": ["x"], "every": 2.0, "periods": 2}}
    found = find(experiment(moving_target(), plan, dt=0.25))
    assert decided(found) == (5.0,)
    assert found.scheduled is not None
    assert found.scheduled.values == {"x": (0.0, 10.0)}
    assert (found.scheduled.constant, found.scheduled.objective) == (100.0, 0.0)
    scenario = runnable(found).scenarios["schedule"]
    assert scenario.moving["x"].at(np.array([0.0, 1.75, 2.0, 4.0])).tolist() == [0.0, 0.0, 10.0, 10.0]


def test_wilson_interval() -> None:
    low, high = interval(0.9, 400)  # worked out by hand: (p + z2/2n -+ z sqrt(p q/n + z2/4n2))/(1 + z2/n)
    assert (low, high) == pytest.approx((0.86669, 0.92570), abs=5e-5)
    assert interval(1.0, 400) == pytest.approx((0.99049, 1.0), abs=5e-5)
