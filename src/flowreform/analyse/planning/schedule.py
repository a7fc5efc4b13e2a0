"""Levers that change by the period: a programme by quarter, found from the constant plan on, with what it gains over that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flowreform.analyse.planning.evaluate import Evaluated, Trial, decided
from flowreform.analyse.planning.lattice import Plan, values_of
from flowreform.analyse.planning.proof import Proof, prove
from flowreform.analyse.planning.score import Terms, mean, shares
from flowreform.analyse.planning.search import pattern
from flowreform.experiment import Experiment, Points
from flowreform.experiment.plans import Decision, PlanProblem

BUDGET = 160
"""Schedules that are tried at most: each is a batch of its own."""


@dataclass(frozen=True)
class Scheduled:
    """The best schedule found: its levers over time, its proof, and the objective on fresh draws, constant and not."""

    moving: Mapping[str, Points]
    values: Mapping[str, tuple[float, ...]]
    proof: Proof
    constant: float
    objective: float
    shares: tuple[float, ...]
    tried: int


def schedule_of(experiment: Experiment, problem: PlanProblem, plan: Plan, terms: Terms) -> Scheduled | None:
    """The best schedule near a constant plan, proved as that was; None where none is asked for.

    The search begins from the constant plan, so a schedule that is no better is never found."""
    if not problem.schedule:
        return None
    levers = [item for item in problem.decisions if item.name in problem.schedule]
    at = {item.name: place for item, place in zip(problem.decisions, plan, strict=True)}
    steps = tuple(replace(item, name=f"{item.name} {number + 1}") for item in levers for number in range(problem.periods))
    fixed = {name: value for name, value in decided(plan, problem.decisions).items() if name not in problem.schedule}
    given = {name: value for name, value in problem.given.items() if name not in problem.schedule} | fixed
    asked = replace(problem, decisions=steps, given=given, schedule=())

    def moving(chosen: Plan) -> dict[str, Points]:
        return {name: _points(row, problem, experiment) for name, row in _rows(chosen, levers, problem.periods).items()}

    trial = Trial(experiment, asked, problem.draws, experiment.seed, moving=moving)
    fresh = Trial(experiment, asked, problem.fresh_draws, experiment.seed + 1, moving=moving, like=trial)
    known: dict[Plan, Evaluated] = {}
    proved: dict[Plan, Evaluated] = {}

    def evaluate(plans: Iterable[Plan]) -> None:
        trial.evaluate(plans, known)

    constant = tuple(at[item.name] for item in levers for _ in range(problem.periods))
    evaluate([constant])
    fresh.evaluate([constant], proved)
    pattern(asked, known, evaluate, terms, budget=BUDGET, starts=(1,), steps=(4, 2, 1))
    proof = prove(asked, known, evaluate, fresh, proved, terms, BUDGET // 4)
    best = proof.plan
    fresh.evaluate([best], proved)
    return Scheduled(
        moving(best), _rows(best, levers, problem.periods), proof, mean(proved[constant]), mean(proved[best]),
        shares(proved[best], asked, replace(terms, share=problem.share)), len(known),
    )  # fmt: skip


def _rows(chosen: Plan, levers: list[Decision], periods: int) -> dict[str, tuple[float, ...]]:
    """What each lever is in each period."""
    parts = [chosen[place * periods : (place + 1) * periods] for place in range(len(levers))]
    return {item.name: values_of(part, [item] * periods) for item, part in zip(levers, parts, strict=True)}


def _points(row: tuple[float, ...], problem: PlanProblem, experiment: Experiment) -> Points:
    """A step at the beginning of each period, within one dt before it; the last value is held."""
    begins = [problem.schedule_start + number * problem.every for number in range(len(row))]
    times, values = [begins[0]], [row[0]]
    for begin, before, value in zip(begins[1:], row, row[1:], strict=False):
        times += [begin - experiment.dt, begin]
        values += [before, value]
    return Points(tuple(times), tuple(values))
