"""The search for the best plan: all of them, Sobol points and a pattern search, or CMA-ES for many decisions.

A plan is evaluated once, whatever is asked of it afterwards. Every choice depends on seeds and scores alone, so that the search
takes the same way on any number of workers.

The pattern search is that of Hooke and Jeeves (1961) on the steps of the decisions, from several starts of which the worse are
given up as the steps get finer; CMA-ES with margin (Hamano and others 2022), for whole numbers, is that of the package cmaes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from flowreform.analyse.planning.evaluate import Known
from flowreform.analyse.planning.lattice import Plan, axes, diagonals, grid, spread
from flowreform.analyse.planning.score import Terms, ranked, score
from flowreform.experiment.plans import PlanProblem

Evaluate = Callable[[Iterable[Plan]], None]

MAX_GRID = 4_000
"""Most plans that are tried one by one."""
SMALL = 96
"""So few plans are all tried, asked or not."""
FEW = 5
"""Up to so many decisions the pattern search is enough."""
BUDGETS = {"few": 400, "many": 1_200}
"""Plans evaluated at most, by number of decisions."""
STARTS = (6, 3, 2)
"""How many starts are followed in the first rounds; the last number in all after."""


def search(problem: PlanProblem, known: Known, evaluate: Evaluate, terms: Terms, *, full: bool = False, seed: int = 0) -> Plan:
    """The best plan by the terms; everything tried is in `known`."""
    if problem.size <= (MAX_GRID if full else SMALL):
        evaluate(grid(problem.decisions))
        return ranked(known, problem, terms)[0]
    few = len(problem.decisions) <= FEW
    budget = BUDGETS["few" if few else "many"]
    if not known:
        evaluate(spread(problem.decisions, 64 if few else 128, seed))
    pattern(problem, known, evaluate, terms, budget=budget if few else 400)
    if not few:
        evolve(problem, known, evaluate, terms, budget=budget, seed=seed)
        pattern(problem, known, evaluate, terms, budget=budget + 100, starts=(1,), steps=(1,))
    return ranked(known, problem, terms)[0]


def ladder(problem: PlanProblem) -> tuple[int, ...]:
    """The steps of a pattern search, halved each time: from a quarter of the longest decision, 4 at least, to 1."""
    longest = max(item.count for item in problem.decisions)
    return tuple(2**power for power in range(max(2, (longest // 4).bit_length() - 1), -1, -1))


def pattern(
    problem: PlanProblem,
    known: Known,
    evaluate: Evaluate,
    terms: Terms,
    *,
    budget: int,
    starts: tuple[int, ...] = STARTS,
    steps: tuple[int, ...] = (),
) -> Plan:
    """From the best plans known to the nearest that no step makes better; `budget` counts all plans known."""

    def value(plan: Plan) -> tuple[object, ...]:
        return score(plan, known[plan], problem, terms), plan

    at = ranked(known, problem, terms)[: starts[0]]
    steps = steps or ladder(problem)
    for number, step in enumerate(steps):
        count = starts[min(number, len(starts) - 1)]
        at = sorted(set(at), key=value)[:count]
        moving = list(at)
        while moving and len(known) < budget:
            evaluate(other for plan in moving for other in axes(plan, problem.decisions, step))
            moved = [min((plan, *axes(plan, problem.decisions, step)), key=value) for plan in moving]
            stuck = [plan for plan, to in zip(moving, moved, strict=True) if to == plan]
            if stuck and step == min(steps) and len(known) < budget:
                best = min(stuck, key=value)
                if best == min((*at, *moving), key=value):  # only the best is worth the many pairs
                    evaluate(diagonals(best, problem.decisions, step))
                    to = min((best, *diagonals(best, problem.decisions, step)), key=value)
                    moved = [to if plan == best else new for plan, new in zip(moving, moved, strict=True)]
            settled = [plan for plan, to in zip(moving, moved, strict=True) if to == plan]
            moving = sorted({to for plan, to in zip(moving, moved, strict=True) if to != plan} - set(settled), key=value)
            at = sorted({*settled, *moving, *at}, key=value)[:count]
            moving = [plan for plan in moving if plan in at]
    return ranked(known, problem, terms)[0]


def evolve(problem: PlanProblem, known: Known, evaluate: Evaluate, terms: Terms, *, budget: int, seed: int) -> Plan:
    """CMA-ES on the steps of the decisions, from the best plan known, again from others when it has settled."""
    from cmaes import CMAwM
    from threadpoolctl import threadpool_limits

    counts = np.array([item.count for item in problem.decisions], dtype=np.float64)
    free = np.flatnonzero(counts > 1)
    bounds = np.stack([np.zeros(len(free)), counts[free] - 1.0], axis=1)
    tries = 0
    with threadpool_limits(limits=1):  # the same last digits on any number of processors
        while len(known) < budget and tries < 20:
            order = ranked(known, problem, terms)
            begin = np.array(order[min(tries, len(order) - 1)], dtype=np.float64)
            scale = np.maximum(1.0, counts[free] - 1.0)
            optimiser = CMAwM(
                mean=begin[free] / scale, sigma=0.2, bounds=bounds / scale[:, None], steps=1.0 / scale,
                seed=(seed + 7919 * tries) % 2**31, population_size=4 + int(3 * np.log(len(free))) + 8,
            )  # fmt: skip
            quiet, best = 0, score(order[0], known[order[0]], problem, terms)
            while len(known) < budget and quiet < 12 and not optimiser.should_stop():
                asked = [optimiser.ask() for _ in range(optimiser.population_size)]
                plans = [_plan(point, begin, free, scale, counts) for point, _ in asked]
                evaluate(plans)
                places = {plan: at for at, plan in enumerate(ranked(known, problem, terms, set(plans)))}
                optimiser.tell([(told, float(places[plan])) for (_, told), plan in zip(asked, plans, strict=True)])
                now = min(score(plan, known[plan], problem, terms) for plan in plans)
                quiet, best = (0, now) if now < best else (quiet + 1, best)
            tries += 1
    return ranked(known, problem, terms)[0]


def _plan(point: np.ndarray, begin: np.ndarray, free: np.ndarray, scale: np.ndarray, counts: np.ndarray) -> Plan:
    whole = begin.copy()
    whole[free] = np.clip(np.rint(point * scale), 0, counts[free] - 1)
    return tuple(int(at) for at in whole)
