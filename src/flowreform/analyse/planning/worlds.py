"""Plans in other worlds: an input held at one value in every draw, with the baseline in the same world.

`regrets` compares the best plans in each world that the file names; `switches` looks for the value of an input at which the plan
stops keeping its promises, or costs more than the baseline or than the runner-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.planning.evaluate import Evaluated, Known, Trial
from flowreform.analyse.planning.lattice import Plan
from flowreform.analyse.planning.score import Terms, is_kept, mean, ranked, shares
from flowreform.analyse.planning.search import Evaluate, pattern
from flowreform.experiment.plans import PlanProblem

Floats = NDArray[np.float64]

DRAWS = 50
"""Draws of a world, at most: a comparison within a world, not a proof."""
CANDIDATES = 10
"""The best plans that every world is asked about."""
POINTS = (0.02, 0.25, 0.5, 0.75, 0.98)
"""Quantiles of an input's draws at which its switching value is looked for."""
STRONGEST = 10
"""Inputs whose switching values are looked for, at most."""


@dataclass(frozen=True, slots=True)
class World:
    """One input at one value: the best plan there, and for each candidate its objective, regret and least share."""

    name: str
    value: float
    best: Plan
    objectives: tuple[float, ...]
    regrets: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Regrets:
    """The candidates, what each world says of them, and the plan whose greatest regret is least among those that keep their
    promises in the most worlds."""

    candidates: tuple[Plan, ...]
    worlds: tuple[World, ...]
    least: Plan
    greatest: tuple[float, ...]
    broken: tuple[int, ...]


def regrets(like: Trial, known: Known, terms: Terms, chosen: Sequence[Plan]) -> Regrets | None:
    """The plans in `chosen`, and the next best, in every world of the problem; None without worlds."""
    problem = like.problem
    if not problem.worlds:
        return None
    order = [plan for plan in ranked(known, problem, terms) if is_kept(known[plan], problem, terms)]
    candidates = tuple(dict.fromkeys((*chosen, *order)))[: max(CANDIDATES, len(chosen))]
    asked = Terms(problem.share, terms.levels)
    tried: list[tuple[str, float, dict[Plan, Evaluated], Plan]] = []
    for name, value in problem.worlds:
        trial = _world(like, name, value)
        there: dict[Plan, Evaluated] = {}
        trial.evaluate(candidates, there)
        best = pattern(problem, there, _evaluator(trial, there), asked, budget=len(there) + 16, starts=(1,), steps=(1,))
        tried.append((name, value, there, best))
    worlds = []
    for name, value, there, best in tried:
        least = problem.sense * mean(there[best])
        objectives = tuple(mean(there[plan]) for plan in candidates)
        fell = tuple(min(shares(there[plan], problem, asked), default=1.0) for plan in candidates)
        worlds.append(World(name, value, best, objectives, tuple(problem.sense * cost - least for cost in objectives), fell))
    greatest = tuple(max(world.regrets[at] for world in worlds) for at in range(len(candidates)))
    broken = tuple(sum(world.shares[at] < problem.share - 1e-12 for world in worlds) for at in range(len(candidates)))
    best_at = min(range(len(candidates)), key=lambda at: (broken[at], greatest[at]))
    return Regrets(candidates, tuple(worlds), candidates[best_at], greatest, broken)


def _world(like: Trial, name: str, value: float) -> Trial:
    """A trial in which an input has one value in every draw, of fewer draws."""
    draws = min(like.problem.draws, DRAWS)
    return Trial(like.experiment, like.problem, draws, like.seed, settings={name: value}, like=like)


def _evaluator(trial: Trial, known: Known) -> Evaluate:
    return lambda plans: trial.evaluate(plans, known)


@dataclass(frozen=True, slots=True)
class Switch:
    """One input held at `values`: the plan's least share, its objective and the runner-up's; where each answer turns, and in what
    share of the draws the input lies beyond that (NaN: nowhere in its range)."""

    name: str
    strength: float
    values: tuple[float, ...]
    shares: tuple[float, ...]
    objectives: tuple[float, ...]
    others: tuple[float, ...]
    fails: tuple[float, float]
    loses: tuple[float, float]
    second: tuple[float, float]


def strongest(drawn: Mapping[str, Floats], found: Evaluated, problem: PlanProblem, terms: Terms) -> tuple[tuple[str, float], ...]:
    """The inputs named by the case, then those that move the objective or the least margin most (rank correlation)."""
    margins = [
        np.nan_to_num(item.sign * (level - row) / max(abs(level), item.step, 1e-12), nan=-1e6, posinf=1e6, neginf=-1e6)
        for item, level, row in zip(problem.requirements, terms.levels, found.worst, strict=True)
        if level is not None
    ]
    sides = [np.nan_to_num(found.objective), *([np.min(margins, axis=0)] if margins else [])]
    force = {name: max(abs(_rank_correlation(column, side)) for side in sides) for name, column in drawn.items()}
    first = [name for name in problem.rules.switch if name in force]
    rest = sorted((name for name in force if name not in first), key=lambda name: -force[name])
    return tuple((name, force[name]) for name in (*first, *rest)[:STRONGEST])


def _rank_correlation(one: Floats, other: Floats) -> float:
    ranks = [np.argsort(np.argsort(item, kind="stable"), kind="stable").astype(np.float64) for item in (one, other)]
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    table = np.asarray(np.corrcoef(ranks[0], ranks[1]))
    return float(table[0, 1])


def switches(
    like: Trial,
    drawn: Mapping[str, Floats],
    inputs: Sequence[tuple[str, float]],
    plan: Plan,
    runner_up: Plan | None,
    terms: Terms,
) -> tuple[Switch, ...]:
    """The switching values of some inputs of the plan: each at five points of its range, with all else as drawn."""
    problem = like.problem
    asked = Terms(problem.share, terms.levels)
    against_baseline = like.experiment.kpis[problem.objective].against is not None
    found = []
    for name, strength in inputs:
        values = tuple(float(value) for value in np.unique(np.quantile(drawn[name], POINTS)))
        least, mine, others = [], [], []
        for value in values:
            trial = _world(like, name, value)
            there: dict[Plan, Evaluated] = {}
            trial.evaluate([plan, *([runner_up] if runner_up else [])], there)
            least.append(min(shares(there[plan], problem, asked), default=1.0))
            base = 0.0 if against_baseline else mean(trial.baseline_kept())
            mine.append(problem.sense * (mean(there[plan]) - base))
            others.append(problem.sense * (mean(there[runner_up]) - base) if runner_up else float("nan"))
        column = drawn[name]
        found.append(
            Switch(
                name,
                strength,
                values,
                tuple(least),
                tuple(mine),
                tuple(others),
                _turn(values, [problem.share - share for share in least], column),
                _turn(values, mine, column),
                _turn(values, [a - b for a, b in zip(mine, others, strict=True)], column),
            )
        )
    return tuple(found)


def _turn(values: Sequence[float], above: Sequence[float], column: Floats) -> tuple[float, float]:
    """Where a line through the points first rises above 0 on the way out from the middle, and the share of draws beyond it.

    NaN and 0 where it stays below; the middle itself and 1 where it is above there already."""
    middle = len(values) // 2
    nowhere = (float("nan"), 0.0)
    if not np.isfinite(above).all():
        return nowhere
    if above[middle] > 1e-12:
        return values[middle], 1.0
    best = nowhere
    for way in (1, -1):
        at = middle
        while 0 <= at + way < len(values):
            one, other = above[at], above[at + way]
            if other > 1e-12:
                part = -one / (other - one) if other != one else 0.0
                value = values[at] + part * (values[at + way] - values[at])
                share = float((column > value).mean() if way > 0 else (column < value).mean())
                if share > best[1] or best[0] != best[0]:
                    best = (value, share)
                break
            at += way
    return best


def harm_multiple(found: Evaluated, other: Evaluated | None, sense: float) -> float:
    """The multiple of the values of harm at which the plan is worth no more than the baseline (or `other`); NaN where none is.

    The objective is a sum of money and of harm, and harm is in proportion to its values."""
    value, harm = mean(found), float(np.nanmean(found.harm))
    if other is not None:
        value, harm = value - mean(other), harm - float(np.nanmean(other.harm))
    if harm == 0 or not np.isfinite(value) or sense < 0:
        return float("nan")
    multiple = 1.0 - value / harm
    return multiple if multiple >= 0 else float("nan")
