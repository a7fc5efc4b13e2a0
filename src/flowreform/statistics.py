"""The statistics a KPI may take of a course over time: one row each, as an array form and as a workbook formula.

A row is the whole of a statistic: its words, its unit, when it looks, what it gives for arrays and what it writes into a cell.
Measures, KPIs, the workbook and files read this table and know nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def quantiles(values: Floats, shares: Sequence[float], axis: int = 0, *, endless: bool = False) -> Floats:
    """Quantiles [share, ...] over one axis, the draws: linear between them, what is no number left out; NaN where nothing is.

    With `endless`, infinity is a value (a time that never comes), and between a number and infinity lies infinity."""
    values = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    wanted = list(shares)
    if not len(values):
        return np.full((len(wanted), *values.shape[1:]), np.nan)
    if np.isfinite(values).all():
        return np.asarray(np.quantile(values, wanted, axis=0))
    if endless:
        return np.asarray(np.quantile(values, wanted, axis=0, method="higher"))
    known = np.where(np.isfinite(values), values, np.nan)
    empty = np.isnan(known).all(axis=0)
    return np.where(empty, np.nan, np.nanquantile(np.where(empty, 0.0, known), wanted, axis=0))


class Cells(Protocol):
    """The cells of one variable in a window of saved times, as a workbook's formulas name them."""

    @property
    def values(self) -> str:
        """The range of its values."""

    @property
    def times(self) -> str:
        """The range of the times beside them."""

    @property
    def first(self) -> str:
        """The first cell."""

    @property
    def last(self) -> str:
        """The last cell."""

    @property
    def but_last(self) -> str:
        """The range of its values without the last; the one cell where there is one."""

    @property
    def but_first(self) -> str:
        """The range of its values without the first; the one cell where there is one."""

    def times_beyond(self, mark: str) -> str:
        """A range with the time of each value that is `mark` (">" or "<") the threshold, and 1E+99 for the others."""


@dataclass(frozen=True)
class Statistic:
    """One statistic.

    `array` gives the statistic of values float64[..., time], at those times, with a threshold; `cell` gives the formula. `looks`:
    at a "window" of saved times, at the "end" of the run, or at one "moment". `is_time`: the result is a model time, in the time
    unit; otherwise it has the unit of the variable. `threshold`: it needs one, and a run may never pass it (NaN, in the workbook
    1E+99). `good_if_never`: that it never does says that there was nothing to measure, not that it did not happen."""

    label: str
    array: Callable[[Floats, Floats, float], Floats]
    cell: Callable[[Cells], str]
    looks: str = "window"
    is_time: bool = False
    threshold: bool = False
    good_if_never: bool = False


def _mean(values: Floats, times: Floats, _: float) -> Floats:
    """The mean weighted by time: the area under straight lines between saved values, over the length of the window.

    Added up step by step, so that a run's mean does not depend on how many runs lie beside it in memory."""
    if len(times) == 1:
        return values[..., 0]
    area = np.zeros(values.shape[:-1])
    for at in range(len(times) - 1):
        area = area + (values[..., at + 1] + values[..., at]) / 2 * (times[at + 1] - times[at])
    return np.asarray(area / (times[-1] - times[0]))


def _first(beyond: NDArray[np.bool_], times: Floats) -> Floats:
    return np.where(beyond.any(axis=-1), times[beyond.argmax(axis=-1)], np.nan)


def _largest_time(cells: str) -> str:
    """The largest of some times that is not 1E+99, or that where there is none."""
    return f'IF(COUNTIF({cells},"<1E+99")=0,1E+99,SMALL({cells},COUNTIF({cells},"<1E+99")))'


STATISTICS: dict[str, Statistic] = {
    "final": Statistic("value at the end", lambda v, t, x: v[..., -1], lambda c: c.last, looks="end"),
    "at": Statistic("value at a date or the end of a year", lambda v, t, x: v[..., -1], lambda c: c.last, looks="moment"),
    "min": Statistic("lowest", lambda v, t, x: np.asarray(v.min(axis=-1)), lambda c: f"MIN({c.values})"),
    "max": Statistic("highest", lambda v, t, x: np.asarray(v.max(axis=-1)), lambda c: f"MAX({c.values})"),
    "mean": Statistic("mean over time", _mean, lambda c: f"((AVERAGE({c.but_last})+AVERAGE({c.but_first}))/2)"),
    "increase": Statistic(
        "increase from first to last", lambda v, t, x: v[..., -1] - v[..., 0], lambda c: f"({c.last}-{c.first})"
    ),
    "time_of_min": Statistic(
        "time of the lowest value",
        lambda v, t, x: t[v.argmin(axis=-1)],
        lambda c: f"INDEX({c.times},MATCH(MIN({c.values}),{c.values},0))",
        is_time=True,
    ),
    "time_of_max": Statistic(
        "time of the highest value",
        lambda v, t, x: t[v.argmax(axis=-1)],
        lambda c: f"INDEX({c.times},MATCH(MAX({c.values}),{c.values},0))",
        is_time=True,
    ),
    "first_above": Statistic(
        "first time above a threshold",
        lambda v, t, x: _first(v > x, t),
        lambda c: f"MIN({c.times_beyond('>')})",
        is_time=True,
        threshold=True,
    ),
    "first_below": Statistic(
        "first time below a threshold",
        lambda v, t, x: _first(v < x, t),
        lambda c: f"MIN({c.times_beyond('<')})",
        is_time=True,
        threshold=True,
    ),
    "last_above": Statistic(
        "last time above a threshold",
        lambda v, t, x: _first((v > x)[..., ::-1], t[::-1]),
        lambda c: _largest_time(c.times_beyond(">")),
        is_time=True,
        threshold=True,
        good_if_never=True,
    ),
}
"""The statistics by the name that a file uses."""
