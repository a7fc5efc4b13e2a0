"""What breaks a plan: rules that were put in are found, with their counts; patient rule induction beside EMA workbench's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from flowreform.analyse.planning.rules import best_rules, peel, telling


def inputs(count: int = 1000) -> dict[str, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(1))
    return {name: generator.random(count) for name in ("growth", "delay", "pay", "stay")}


def test_one_cut() -> None:
    table = inputs()
    broken = table["growth"] > np.quantile(table["growth"], 0.8)
    one, _ = best_rules(table, broken)
    assert one is not None
    assert [(cut.name, cut.above) for cut in one.cuts] == [("growth", True)]
    assert (one.inside, one.broken_inside, one.outside, one.broken_outside) == (200, 200, 800, 0)
    assert one.gain == 1.0


def test_two_cuts_and_their_counts() -> None:
    table = inputs()
    broken = (table["growth"] > np.quantile(table["growth"], 0.7)) & (table["delay"] <= np.quantile(table["delay"], 0.5))
    one, two = best_rules(table, broken)
    assert one is not None
    assert two is not None
    assert {(cut.name, cut.above) for cut in two.cuts} == {("growth", True), ("delay", False)}
    assert (two.broken_inside, two.broken_outside) == (int(broken.sum()), 0)
    assert one.gain < two.gain == 1.0


def test_nothing_broken_has_no_rule() -> None:
    table = inputs(50)
    assert best_rules(table, np.zeros(50, dtype=bool)) == (None, None)
    assert best_rules(table, np.ones(50, dtype=bool)) == (None, None)
    assert best_rules({}, np.ones(50, dtype=bool)) == (None, None)


def test_peeling_comes_to_the_box_that_was_put_in() -> None:
    table = inputs(4000)
    broken = (table["growth"] > 0.6) & (table["delay"] < 0.5)
    boxes = peel(table, broken)
    best = telling(boxes)
    assert best is not None
    assert set(best.limits) >= {"growth", "delay"}
    assert best.limits["growth"][0] == pytest.approx(0.6, abs=0.03)
    assert best.limits["delay"][1] == pytest.approx(0.5, abs=0.03)
    assert best.density > 0.95
    assert best.coverage > 0.9
    assert all(later.mass < earlier.mass for earlier, later in pairwise(boxes))
    assert all(later.density >= earlier.density for earlier, later in pairwise(boxes))
