"""A plan, found and proved, with the answers that a board asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.planning.answers import MORE, Desk, Least, Nearest, Price
from flowreform.analyse.planning.evaluate import Evaluated, Progress, Trial
from flowreform.analyse.planning.lattice import Plan
from flowreform.analyse.planning.proof import Proof, prove
from flowreform.analyse.planning.rules import PeeledBox, Rule, best_rules, peel, telling
from flowreform.analyse.planning.schedule import Scheduled, schedule_of
from flowreform.analyse.planning.score import Terms, is_kept, joint, kept, mean, ranked, shares, terms_of
from flowreform.analyse.planning.search import FEW, search
from flowreform.analyse.planning.worlds import Regrets, Switch, harm_multiple, regrets, strongest, switches
from flowreform.experiment import Experiment
from flowreform.experiment.plans import PlanProblem, problem_of

Floats = NDArray[np.float64]

FRESH_SEED = 1
"""What is added to the experiment's seed for the draws that a plan is proved on."""


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """One level of the frontier: the best plan known there, None where none keeps it."""

    level: float
    plan: Plan | None
    objective: float


@dataclass(frozen=True)
class FoundPlan:
    """What was found. Shares and objectives of `known` are of the draws of the search, those of `proved` of fresh ones.

    `possible` says that some plan keeps every promise in the draws of the search; `nearest` stands in the place of the answers
    otherwise. `drawn` are the fresh draws by input, `broken` bool[draw] those in which some promise is broken."""

    experiment: Experiment
    problem: PlanProblem
    known: Mapping[Plan, Evaluated]
    proved: Mapping[Plan, Evaluated]
    drawn: Mapping[str, Floats]
    proof: Proof
    possible: bool
    runner_up: Plan | None
    least: tuple[Least, ...] = ()
    prices: tuple[Price, ...] = ()
    binding: tuple[Price, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()
    regrets: Regrets | None = None
    scheduled: Scheduled | None = None
    switches: tuple[Switch, ...] = ()
    harm_baseline: float = float("nan")
    harm_runner_up: float = float("nan")
    broken: NDArray[np.bool_] | None = None
    one_cut: Rule | None = None
    two_cuts: Rule | None = None
    boxes: tuple[PeeledBox, ...] = ()
    nearest: Nearest | None = None
    runs: int = 0

    @property
    def plan(self) -> Plan:
        """The plan: proved, or the one that comes closest."""
        return self.nearest.plan if self.nearest is not None else self.proof.plan

    @property
    def box(self) -> PeeledBox | None:
        """The box of inputs that tells most of when the plan breaks."""
        return telling(self.boxes)

    @property
    def terms(self) -> Terms:
        """The terms as the file has them."""
        return terms_of(self.problem)

    def shares(self, plan: Plan, *, fresh: bool) -> tuple[float, ...]:
        """The share of draws in which each requirement is kept."""
        return shares((self.proved if fresh else self.known)[plan], self.problem, self.terms)

    def joint(self, plan: Plan, *, fresh: bool) -> float:
        """The share of draws in which all are kept at once."""
        return joint((self.proved if fresh else self.known)[plan], self.problem, self.terms)

    def objective(self, plan: Plan, *, fresh: bool) -> float:
        """The mean of the objective."""
        return mean((self.proved if fresh else self.known)[plan])


def find(
    experiment: Experiment,
    *,
    full: bool = False,
    answers: bool = True,
    progress: Progress | None = None,
    known: dict[Plan, Evaluated] | None = None,
    keep: Callable[[dict[Plan, Evaluated]], None] | None = None,
) -> FoundPlan:
    """The plan that `[plan]` of an experiment asks for. Raises ExperimentError with every fault of it.

    With `answers` False it is found and proved, and no more is asked. `known` may hold plans evaluated before on the same draws;
    what is found out is added to it, and `keep` is called with it whenever that was more than before."""
    problem = problem_of(experiment)
    trial = Trial(experiment, problem, problem.draws, experiment.seed, progress=progress)
    fresh = Trial(experiment, problem, problem.fresh_draws, experiment.seed + FRESH_SEED, like=trial)
    known = {} if known is None else known
    proved: dict[Plan, Evaluated] = {}
    terms = terms_of(problem)

    def evaluate(plans: Iterable[Plan]) -> None:
        before = len(known)
        trial.evaluate(plans, known)
        if keep is not None and len(known) > before:
            keep(known)

    best = search(problem, known, evaluate, terms, full=full, seed=experiment.seed)
    possible = is_kept(known[best], problem, terms)
    more = 48 if len(problem.decisions) <= FEW else 120
    proof = prove(problem, known, evaluate, fresh, proved, terms, more)
    desk = Desk(problem, known, evaluate, MORE)
    asked = proof.terms
    found = FoundPlan(experiment, problem, known, proved, fresh.drawn, proof, possible, None)
    if not possible:
        nearest = desk.nearest(terms)
        fresh.evaluate([nearest.plan], proved)
        return _broken(replace(found, nearest=nearest, runs=trial.runs + fresh.runs))
    runner_up = _second(found, asked)
    if runner_up is not None:
        fresh.evaluate([runner_up], proved)
    found = _broken(replace(found, runner_up=runner_up, runs=trial.runs + fresh.runs))
    return _answered(found, desk, trial, fresh, proved, asked) if answers else found


def _answered(found: FoundPlan, desk: Desk, trial: Trial, fresh: Trial, proved: dict[Plan, Evaluated], asked: Terms) -> FoundPlan:
    problem, experiment, known = found.problem, found.experiment, found.known

    def proof_of(plan: Plan) -> tuple[float, ...]:
        fresh.evaluate([plan], proved)
        return shares(proved[plan], problem, found.terms)

    names = [item.name for item in problem.decisions]
    wanted = [name for name in (problem.rules.lead, problem.rules.fund_size) if name in names]
    while True:  # questions on other terms come upon better plans: what is proved is the best that is known in the end
        found, asked, settled = _asked(found, desk, fresh, proved, asked)
        if settled:
            break
    least = tuple(item for name in wanted if (item := desk.least(names.index(name), asked, proof_of)) is not None)
    lead = names.index(problem.rules.lead) if problem.rules.lead in names else None
    prices = desk.prices(asked, lead)
    binding = desk.binding(asked, lead)
    frontier = frontier_of(found, desk, asked)
    plan = found.proof.plan
    pair = [plan, *([found.runner_up] if found.runner_up else [])]
    inputs = strongest(fresh.drawn, proved[plan], problem, found.terms)
    return replace(
        found,
        least=least,
        prices=prices,
        binding=binding,
        frontier=frontier,
        scheduled=schedule_of(experiment, problem, plan, asked),
        regrets=regrets(trial, dict(known), asked, pair),
        switches=switches(trial, fresh.drawn, inputs, plan, found.runner_up, found.terms),
        harm_baseline=harm_multiple(proved[plan], None, problem.sense) if problem.rules.harm else float("nan"),
        harm_runner_up=(
            harm_multiple(proved[plan], proved[found.runner_up], problem.sense)
            if problem.rules.harm and found.runner_up
            else float("nan")
        ),
        runs=trial.runs + fresh.runs,
    )


def _asked(
    found: FoundPlan, desk: Desk, fresh: Trial, proved: dict[Plan, Evaluated], asked: Terms
) -> tuple[FoundPlan, Terms, bool]:
    """The questions that run plans, asked once; then the best plan known, proved anew where it is another one that holds.

    Whether it is settled: no plan that was come upon is better and holds. Each round is better, on a finite lattice."""
    problem = found.problem
    lead = next((at for at, item in enumerate(problem.decisions) if item.name == problem.rules.lead), None)
    desk.prices(asked, lead)
    desk.binding(asked, lead)
    frontier_of(found, desk, asked)
    proof = prove(problem, desk.known, desk.evaluate, fresh, proved, found.terms, MORE)
    better = problem.sense * (found.objective(proof.plan, fresh=False) - found.objective(found.proof.plan, fresh=False)) < 0
    if not proof.holds or (found.proof.holds and not better):
        return found, asked, True
    found = replace(found, proof=proof)
    second = _second(found, proof.terms)
    if second is not None:
        fresh.evaluate([second], proved)
    return _broken(replace(found, runner_up=second)), proof.terms, False


def frontier_of(found: FoundPlan, desk: Desk, asked: Terms) -> tuple[FrontierPoint, ...]:
    """The best plan for each level of the requirement that the frontier moves."""
    problem = found.problem
    if not problem.frontier:
        return ()
    at = [item.name for item in problem.requirements].index(problem.frontier)
    points = []
    for level in problem.levels:
        levels = tuple(
            level if place == at else None if item.name in problem.replaced else old
            for place, (item, old) in enumerate(zip(problem.requirements, asked.levels, strict=True))
        )
        solved = desk.solve(replace(asked, levels=levels), far=True)
        points.append(FrontierPoint(level, solved.plan, solved.objective))
    return tuple(points)


def _second(found: FoundPlan, asked: Terms) -> Plan | None:
    """The next best plan that keeps every promise and is another one: at least two steps away."""
    plan = found.proof.plan
    for other in ranked(dict(found.known), found.problem, asked):
        if not is_kept(found.known[other], found.problem, asked):
            return None
        if sum(abs(a - b) for a, b in zip(plan, other, strict=True)) >= 2:
            return other
    return None


def _broken(found: FoundPlan) -> FoundPlan:
    """With the draws in which the plan breaks, and the rules that tell them from the others."""
    plan = found.plan
    if plan not in found.proved:
        return found
    one = found.proved[plan]
    whole = kept(one, found.problem, found.terms).all(axis=0) & np.isfinite(one.objective)
    inputs = {name: column for name, column in found.drawn.items() if len(np.unique(column)) > 1}
    first, second = best_rules(inputs, ~whole)
    return replace(found, broken=~whole, one_cut=first, two_cuts=second, boxes=peel(inputs, ~whole) if (~whole).any() else ())
