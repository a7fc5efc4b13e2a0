"""Theil's split of an error: how much of it is a wrong mean, a wrong swing, and wrong timing.

With means m, standard deviations s (dividing by n) and correlation r of simulated and observed values, the mean squared
error is (m1 - m2)^2 + (s1 - s2)^2 + 2 (1 - r) s1 s2 (Theil 1966; Sterman 1984). The shares of the three terms sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Theil:
    """The root mean squared error in the unit of the series and as a share of its mean; three shares, NaN where there is
    no error to split; `count` rows."""

    count: int
    root_mean_square: float
    relative: float
    bias: float
    variation: float
    covariation: float


def theil(simulated: NDArray[np.float64], observed: NDArray[np.float64]) -> Theil:
    """The split of the error of one series; the last share is what the first two leave."""
    s, o = np.asarray(simulated, dtype=float), np.asarray(observed, dtype=float)
    square = float(np.mean((s - o) ** 2))
    size = float(np.mean(np.abs(o)))
    if not square > 0:
        return Theil(len(s), sqrt(square) if square == 0 else nan, 0.0 if square == 0 else nan, nan, nan, nan)
    bias = (float(s.mean()) - float(o.mean())) ** 2 / square
    variation = (float(s.std()) - float(o.std())) ** 2 / square
    covariation = 2 * (float(s.std()) * float(o.std()) - float(np.mean((s - s.mean()) * (o - o.mean())))) / square
    return Theil(len(s), sqrt(square), sqrt(square) / size if size else nan, bias, variation, max(0.0, covariation))
