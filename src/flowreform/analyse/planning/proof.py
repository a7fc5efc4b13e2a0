"""A plan is proved on draws that it was not found with.

The best plan on some draws looks better there than it is: of many plans the luckiest wins. So it meets fresh draws, of another
seed; where a promise is kept too seldom there, the search goes on with a higher share asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

from flowreform.analyse.planning.evaluate import Known, Trial
from flowreform.analyse.planning.lattice import Plan
from flowreform.analyse.planning.score import Terms, is_kept, joint, mean, ranked, shares
from flowreform.analyse.planning.search import Evaluate, pattern
from flowreform.experiment.plans import PlanProblem

ROUNDS = 4
"""How often the share asked for is raised."""
LEAST_RAISE = 0.01
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Round:
    """One plan on the draws of the search and on fresh ones: the shares of each requirement, of all together, the objective."""

    plan: Plan
    asked: float
    searched: tuple[float, ...]
    fresh: tuple[float, ...]
    searched_joint: float
    fresh_joint: float
    searched_objective: float
    fresh_objective: float


@dataclass(frozen=True, slots=True)
class Proof:
    """The last plan that was tried on fresh draws, and whether it kept every promise there; `terms` are those it was found by."""

    plan: Plan
    holds: bool
    terms: Terms
    rounds: tuple[Round, ...]


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of so many draws (Wilson 1927)."""
    z = NORMAL_95
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def prove(
    problem: PlanProblem, known: Known, evaluate: Evaluate, fresh: Trial, proved: Known, terms: Terms, budget: int
) -> Proof:
    """The best plan known that keeps its promises on fresh draws; the search goes on as far as that needs.

    `proved` takes what fresh draws say. `budget` is how many plans one more round may try. Where no plan keeps them, the one
    whose worst share on fresh draws is highest."""
    asked, rounds = terms, []
    for number in range(ROUNDS + 1):
        plan = ranked(known, problem, asked)[0]
        if not is_kept(known[plan], problem, asked):
            break
        fresh.evaluate([plan], proved)
        now = round_of(plan, problem, asked, known, proved, terms)
        rounds.append(now)
        short = terms.share - min(now.fresh, default=1.0)
        if short <= 1e-12:
            return Proof(plan, True, asked, tuple(rounds))
        if number == ROUNDS or asked.share >= 1.0:
            break
        asked = replace(asked, share=min(1.0, asked.share + max(LEAST_RAISE, short)))
        pattern(problem, known, evaluate, asked, budget=len(known) + budget, starts=(3, 2), steps=(2, 1))
    if not rounds:
        return Proof(ranked(known, problem, terms)[0], False, terms, ())
    best = max(rounds, key=lambda item: (min(item.fresh), -problem.sense * item.fresh_objective))
    return Proof(best.plan, False, replace(terms, share=best.asked), tuple(rounds))


def round_of(plan: Plan, problem: PlanProblem, asked: Terms, known: Known, proved: Known, terms: Terms) -> Round:
    """What both kinds of draws say of a plan."""
    one, other = known[plan], proved[plan]
    return Round(
        plan, asked.share, shares(one, problem, terms), shares(other, problem, terms), joint(one, problem, terms),
        joint(other, problem, terms), mean(one), mean(other),
    )  # fmt: skip
