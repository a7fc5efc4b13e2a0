"""What follows from the plans that were tried: the shortest lead, the least fund, the price of each promise, the nearest plan.

Each answer is the same problem on other terms. It is scored from what is known already, and a short search goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from flowreform.analyse.planning.evaluate import Evaluated, Known
from flowreform.analyse.planning.lattice import Plan, values_of
from flowreform.analyse.planning.score import Terms, is_kept, mean, ranked, shares
from flowreform.analyse.planning.search import Evaluate, ladder, pattern
from flowreform.experiment.plans import PlanProblem, Requirement

MORE = 24
"""Plans that one more question may try."""


@dataclass(frozen=True, slots=True)
class Solved:
    """The best plan on some terms and the mean of its objective; None where no plan known keeps them."""

    plan: Plan | None
    objective: float


@dataclass(frozen=True, slots=True)
class Price:
    """What the best plan costs when one requirement is moved to `level` (None: dropped), or the share of draws to `share`.

    `lead` is the least value, of the plans tried, of the decision that comes before; NaN without one."""

    requirement: str
    level: float | None
    share: float
    solved: Solved
    lead: float


@dataclass(frozen=True, slots=True)
class Least:
    """The plan with the least value of one decision that keeps every promise; `fresh` are its shares on fresh draws."""

    decision: str
    value: float
    plan: Plan
    fresh: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Nearest:
    """Where no plan keeps every promise: the plan whose worst share is highest, the best share of each requirement alone, and for
    each how far its level must move, alone, until a plan exists (None: no move of it is enough), with that plan."""

    plan: Plan
    shares: tuple[float, ...]
    alone: tuple[float, ...]
    levels: tuple[float | None, ...]
    plans: tuple[Plan | None, ...]


class Desk:
    """A problem with what is known of its plans; asking adds to that."""

    def __init__(self, problem: PlanProblem, known: Known, evaluate: Evaluate, more: int = MORE) -> None:
        self.problem, self.known, self.evaluate, self.more = problem, known, evaluate, more

    def solve(self, terms: Terms, *, far: bool = False) -> Solved:
        """The best plan on other terms; `far` where these are far from those that plans were sought by so far."""
        budget = len(self.known) + self.more * (4 if far else 1)
        steps = ladder(self.problem) if far else (2, 1)
        pattern(self.problem, self.known, self.evaluate, terms, budget=budget, starts=(2, 1), steps=steps)
        plan = ranked(self.known, self.problem, terms)[0]
        if not is_kept(self.known[plan], self.problem, terms):
            return Solved(None, float("nan"))
        return Solved(plan, mean(self.known[plan], terms.harm))

    def least(self, at: int, terms: Terms, prove: Callable[[Plan], tuple[float, ...]]) -> Least | None:
        """The least value of decision number `at` with every promise kept, in the draws of the search and in fresh ones."""
        solved = self.solve(replace(terms, least=at))
        if solved.plan is None:
            return None
        chosen = replace(terms, least=at)
        for plan in ranked(self.known, self.problem, chosen)[:4]:
            if not is_kept(self.known[plan], self.problem, terms):
                break
            fresh = prove(plan)
            if min(fresh, default=1.0) >= self.problem.share - 1e-12:
                return Least(self.problem.decisions[at].name, values_of(plan, self.problem.decisions)[at], plan, fresh)
        plan = solved.plan
        return Least(self.problem.decisions[at].name, values_of(plan, self.problem.decisions)[at], plan, prove(plan))

    def shortest(self, terms: Terms, lead: int | None) -> float:
        """The least value of a decision among the plans known that keep the terms; NaN without one."""
        if lead is None:
            return float("nan")
        fit = [plan for plan, found in self.known.items() if is_kept(found, self.problem, terms)]
        return min((values_of(plan, self.problem.decisions)[lead] for plan in fit), default=float("nan"))

    def prices(self, terms: Terms, lead: int | None) -> tuple[Price, ...]:
        """Each requirement a step tighter and a step looser, then the share of draws at 0.05 less and more."""
        found = []
        for at, item in enumerate(self.problem.requirements):
            level = terms.levels[at]
            if level is None or not item.step:
                continue
            for way in (-1.0, 1.0):
                moved = float(f"{level + way * item.sign * item.step:.12g}")
                found.append(self._price(item.name, moved, terms.share, _with(terms, at, moved), lead))
        base = self.problem.share
        for share in (base - 0.05, min(1.0, base + 0.05)):
            other = replace(terms, share=min(1.0, terms.share + share - base))
            found.append(self._price("", None, share, other, lead))
        return tuple(found)

    def binding(self, terms: Terms, lead: int | None) -> tuple[Price, ...]:
        """Each requirement dropped: what the best plan is then."""
        rows = [(at, item) for at, item in enumerate(self.problem.requirements) if terms.levels[at] is not None]
        return tuple(self._price(item.name, None, terms.share, _with(terms, at, None), lead) for at, item in rows)

    def _price(self, name: str, level: float | None, share: float, terms: Terms, lead: int | None) -> Price:
        solved = self.solve(terms)
        return Price(name, level, share, solved, self.shortest(terms, lead))

    def nearest(self, terms: Terms) -> Nearest:
        """The plan that comes closest, and what would have to give way."""
        plan = max(
            self.known, key=lambda item: (min(shares(self.known[item], self.problem, terms)), _sum(self, item, terms), item)
        )
        every = np.array([shares(found, self.problem, terms) for found in self.known.values()])
        levels, plans = [], []
        for at, item in enumerate(self.problem.requirements):
            level, other = self._enough(at, item, terms)
            levels.append(level)
            plans.append(other)
        own = shares(self.known[plan], self.problem, terms)
        return Nearest(plan, own, tuple(map(float, every.max(axis=0))), tuple(levels), tuple(plans))

    def _enough(self, at: int, item: Requirement, terms: Terms) -> tuple[float | None, Plan | None]:
        """The level of one requirement at which a plan exists, the others as they are."""
        if terms.levels[at] is None:
            return None, None
        self.solve(_with(terms, at, None))
        best: tuple[float, Plan] | None = None
        for plan, found in self.known.items():
            if is_kept(found, self.problem, _with(terms, at, None)):
                level = item.sign * _needed(found, at, item, terms.share)
                if np.isfinite(level) and (best is None or (level, plan) < best):
                    best = (level, plan)
        return (None, None) if best is None else (item.sign * best[0], best[1])


def _sum(desk: Desk, plan: Plan, terms: Terms) -> float:
    return sum(shares(desk.known[plan], desk.problem, terms))


def _needed(found: Evaluated, at: int, item: Requirement, share: float) -> float:
    """The tightest level that a plan keeps in a share of draws."""
    row = np.sort(np.where(np.isnan(found.worst[at]), np.inf, item.sign * found.worst[at]))
    return float(item.sign * row[min(len(row) - 1, max(0, int(np.ceil(share * len(row) - 1e-9)) - 1))])


def _with(terms: Terms, at: int, level: float | None) -> Terms:
    return replace(terms, levels=tuple(level if place == at else old for place, old in enumerate(terms.levels)))
