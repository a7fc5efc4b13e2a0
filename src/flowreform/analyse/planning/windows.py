"""The worst that a series does within a window: what a limit is held against.

A window is from one model time to another, of each run its own. With averages it is cut into whole periods from its beginning;
where a part is left over, the last whole period before its end is looked at as well, so that no moment goes unseen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowreform.kpi import difference

Floats = NDArray[np.float64]


def worst(
    values: Floats,
    every: float,
    first: Floats,
    last: Floats,
    period: int,
    sign: float,
    base: Floats | None = None,
    form: str = "",
) -> Floats:
    """float64[run]: the highest (sign 1) or lowest (-1) value, or mean of a period, within each run's window.

    `values` is float64[time, run], saved `every` apart; `first` and `last` are float64[run], in the time unit after the first
    saved time; `period` is a number of saving intervals, 0 for the values themselves. With `base`, of the same shape, it is the
    worst difference to it, or ratio (`form` "times"), of the same moments or periods. A run without any saved time in its window
    gives NaN: a promise that never comes due is not kept."""
    count = values.shape[0]
    begin = np.clip(np.ceil(np.nan_to_num(first / every, nan=np.inf) - 1e-6), 0, count).astype(int)
    end = np.clip(np.floor(np.nan_to_num(last / every, nan=-1.0) + 1e-6), -1, count - 1).astype(int)
    found = np.full(values.shape[1], np.nan)
    for low, high in sorted(set(zip(begin.tolist(), end.tolist(), strict=True))):
        if high < low:
            continue
        runs = np.flatnonzero((begin == low) & (end == high))
        part = _periods(values[low : high + 1, runs], period)
        if base is not None:
            part = relative(part, _periods(base[low : high + 1, runs], period), form)
        found[runs] = part.max(axis=0) if sign > 0 else part.min(axis=0)
    return found


def relative(values: Floats, base: Floats, form: str) -> Floats:
    """Differences to a baseline, or with `form` "times" ratios: infinite over 0, NaN over less."""
    if form != "times":
        return difference(values, base)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = values / base
    return np.where(base > 0, ratio, np.where((base == 0) & (values <= 0), 0.0, np.where(base == 0, np.inf, np.nan)))


def _periods(values: Floats, period: int) -> Floats:
    """float64[period, run]: the values, or the means of whole periods, of one window; means are of straight lines between."""
    last = len(values) - 1
    if not period or not last:
        return values
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum((values[1:] + values[:-1]) / 2.0, axis=0)])
    if last < period:
        return np.asarray((total[-1:] - total[:1]) / last)
    starts = list(range(0, last - period + 1, period))
    if starts[-1] + period < last:
        starts.append(last - period)
    at = np.array(starts)
    return np.asarray((total[at + period] - total[at]) / period)
