"""How good a plan is: kept by enough draws first, then the objective.

A plan that keeps every requirement in the share asked for is scored by the mean of its objective; any other by how far its shares
fall short, and then by how far the values of the missing draws do, so that a search knows which way to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.planning.evaluate import Evaluated, Known
from flowreform.analyse.planning.lattice import Plan, values_of
from flowreform.experiment.plans import PlanProblem, Requirement

Score = tuple[float, float, float]
ROUNDING = 1e-9
"""A limit is kept within this share of its size: the difference of rounding in a run that is the baseline itself."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of plans: the share of draws, the level of each requirement (None: dropped), and a decision to be made least
    before the objective (by number)."""

    share: float
    levels: tuple[float | None, ...]
    least: int | None = None
    harm: float = 1.0
    """The multiple of the values of harm."""


def terms_of(problem: PlanProblem, share: float | None = None) -> Terms:
    """The terms as the file has them; the level of a frontier that no requirement sets is not asked."""
    asked = len(problem.requirements) - (1 if problem.added else 0)
    levels = tuple(item.level if at < asked else None for at, item in enumerate(problem.requirements))
    return Terms(problem.share if share is None else share, levels)


def kept(found: Evaluated, problem: PlanProblem, terms: Terms) -> NDArray[np.bool_]:
    """bool[requirement, draw]: in which draws each requirement is kept; one that was dropped always is."""
    rows = [_kept(item, level, row) for item, level, row in zip(problem.requirements, terms.levels, found.worst, strict=True)]
    whole = np.isfinite(found.objective)
    return np.array(rows, dtype=bool).reshape(len(rows), len(whole)) & whole


def _kept(item: Requirement, level: float | None, row: NDArray[np.float64]) -> NDArray[np.bool_]:
    if level is None:
        return np.ones(len(row), dtype=bool)
    with np.errstate(invalid="ignore"):
        return item.sign * (row - level) <= ROUNDING * max(1.0, abs(level))


def shares(found: Evaluated, problem: PlanProblem, terms: Terms) -> tuple[float, ...]:
    """The share of draws in which each requirement is kept."""
    return tuple(float(row.mean()) for row in kept(found, problem, terms))


def joint(found: Evaluated, problem: PlanProblem, terms: Terms) -> float:
    """The share of draws in which all are kept at once."""
    return float((kept(found, problem, terms).all(axis=0) & np.isfinite(found.objective)).mean())


def mean(found: Evaluated, harm: float = 1.0) -> float:
    """The mean of the objective over draws that ended well; `harm` multiplies the part that values harm to people."""
    values = found.objective if harm == 1.0 else found.objective + (harm - 1.0) * found.harm
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("inf")


def score(plan: Plan, found: Evaluated, problem: PlanProblem, terms: Terms) -> Score:
    """Less is better, the first number before the second, the second before the third."""
    of_draws = shares(found, problem, terms)
    failed = 1.0 - float(np.isfinite(found.objective).mean())
    short = [max(0.0, terms.share - share) for share in of_draws] or [max(0.0, failed - (1.0 - terms.share))]
    value = problem.sense * mean(found, terms.harm)
    if not any(gap > 1e-12 for gap in short):
        if terms.least is None:
            return 0.0, value, 0.0
        return 0.0, values_of(plan, problem.decisions)[terms.least], value
    far = sum(
        _distance(item, level, row, terms.share)
        for item, level, row, gap in zip(problem.requirements, terms.levels, found.worst, short, strict=True)
        if gap > 1e-12 and level is not None
    ) if problem.requirements else 0.0  # fmt: skip
    return 1.0, float(sum(short)), far


def _distance(item: Requirement, level: float, row: NDArray[np.float64], share: float) -> float:
    """How far the value that the share asks for lies beyond the limit, in sizes of the limit."""
    beyond = np.where(np.isnan(row), np.inf, item.sign * (row - level))
    value = float(np.sort(beyond)[min(len(beyond) - 1, max(0, int(np.ceil(share * len(beyond))) - 1))])
    return min(1e6, max(0.0, value) / max(abs(level), item.step, 1e-12))


def is_kept(found: Evaluated, problem: PlanProblem, terms: Terms) -> bool:
    """Whether every requirement is kept in the share asked for."""
    return all(share >= terms.share - 1e-12 for share in shares(found, problem, terms)) and bool(np.isfinite(mean(found)))


def ranked(known: Known, problem: PlanProblem, terms: Terms, plans: Iterable[Plan] | None = None) -> list[Plan]:
    """The plans known, the best first; of equals the one with the lower decisions."""
    chosen: Sequence[Plan] = list(known if plans is None else plans)
    return sorted(chosen, key=lambda plan: (score(plan, known[plan], problem, terms), plan))
