"""Link scores: how much of a variable's change in a step came through one link, and which way.

Schoenberg, Davidsen and Eberlein, "Understanding model behavior using the Loops that Matter method" (System Dynamics Review
36, 2020), with the flow-to-stock scores of Schoenberg, Hayward and Eberlein, "Improving Loops that Matter" (System Dynamics
Review 39, 2023):

- from x to z = f(x, y): |f(x now, y before) - z before| / |z now - z before|, with the sign of the first over the change of x;
- from a flow to its stock: the change of the flow over the change of the stock's rate, plus for inflows, minus for outflows.
  The change of the rate is that from the step before, over which the flow's causes are looked at, too; so flows may be drawn
  apart or as one net flow, and no score of a loop changes.

0 where the one or the other does not change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.links.course import Course, Values
from flowreform.program import Assign

if TYPE_CHECKING:
    import numpy as np

STILL = 1e-13
"""A change in a step of less than this share of the largest value along the run is rounding, and counts as none."""

Link = tuple[int, int]
"""A slot and a slot that it acts on."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of links, float64[step] by (from, to); 0 in the first steps, where there is no change yet."""

    course: Course
    by_link: dict[Link, np.ndarray]


def scores(course: Course, links: Collection[Link]) -> Scores:
    """The scores of the given links along a run by Euler's method."""
    by_link: dict[Link, np.ndarray] = {}
    into: dict[int, list[int]] = {}
    for source, target in links:
        into.setdefault(target, []).append(source)
    moves = _moves(course)
    for target, sources in into.items():
        if target in course.rates:
            found = _into(course, course.rates[target], sources, moves, lag=0)
        elif target in course.after:
            found = _into(course, course.after[target], sources, moves, lag=1)
        else:
            found = _into(course, course.within[target], sources, moves, lag=0)
        by_link.update(found)
    return Scores(course, by_link)


def _moves(course: Course) -> np.ndarray:
    """By slot, the smallest change that counts."""
    import numpy as np

    sizes = np.abs(np.where(np.isfinite(course.values), course.values, 0.0)).max(axis=1)
    least: np.ndarray = sizes * STILL
    return least


def _into(course: Course, part: Assign, sources: Collection[int], moves: np.ndarray, lag: int) -> dict[Link, np.ndarray]:
    """The scores of the links into one slot: for each step those of `lag` steps before it."""
    import numpy as np

    count = len(course.times)
    now, before = np.arange(1, count), np.arange(count - 1)
    old = course.evaluate(part.code, before, _at(course, before))
    change = course.evaluate(part.code, now, _at(course, now)) - old
    size = max(float(np.abs(old[np.isfinite(old)]).max(initial=0.0)), 0.0) * STILL
    found = {}
    for source in sources:
        alone = course.evaluate(part.code, before, _with(course, source, now, before)) - old
        moved = course.values[source][now] - course.values[source][before]
        still = (np.abs(change) <= size) | (np.abs(moved) <= moves[source]) | ~np.isfinite(change) | ~np.isfinite(alone)
        with np.errstate(all="ignore"):
            value = np.where(still, 0.0, np.abs(alone / change) * np.sign(alone) * np.sign(moved))
        score = np.zeros(count)
        score[1 + lag :] = value[: count - 1 - lag]
        found[source, part.target.base] = score
    return found


def _at(course: Course, steps: np.ndarray) -> Values:
    return lambda slot: course.values[slot][steps]


def _with(course: Course, source: int, now: np.ndarray, before: np.ndarray) -> Values:
    return lambda slot: course.values[slot][now if slot == source else before]
