"""What the data say of each parameter: standard errors from the slopes, and which parameters they do not identify.

The covariance of least squares is s^2 (J'J)^-1 (Bates and Watts 1988, chapter 2), here from singular values, so that a
direction without slope gives an infinite error instead of a failure. s^2 is the mean squared residual in stated standard
deviations but never under 1: a fit closer than the stated errors is luck, and does not make a parameter better known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FLAT = 1e-3
"""A direction whose singular value is under this share of the largest is one that the data say nothing about."""
SHARE = 0.2
"""A parameter belongs to a direction when its part in it is larger than this."""
AT_BOUND = 1e-4
"""So close to an end of its range, as a share of it, a parameter counts as lying on it."""


@dataclass(frozen=True)
class Identified:
    """Standard errors and half widths of 95 % intervals in shares of the ranges; which parameters the data identify; groups
    of parameters of which only a combination is known."""

    errors: Floats
    halves: Floats
    identified: tuple[bool, ...]
    groups: tuple[tuple[int, ...], ...]
    spread: float


def known(slopes: Floats, residuals: Floats) -> Identified:
    """What slopes (float64[row, parameter], per share of range) and residuals at the best fit say."""
    from scipy.stats import t

    rows, count = slopes.shape
    free = rows - count
    spread = max(1.0, float(residuals @ residuals) / free) if free > 0 else 1.0
    _, sizes, directions = np.linalg.svd(slopes, full_matrices=True)
    sizes = np.concatenate([sizes, np.zeros(count - len(sizes))])
    largest = float(sizes.max()) if sizes.size else 0.0
    flat = sizes <= FLAT * largest if largest > 0 else np.ones(count, dtype=bool)
    with np.errstate(divide="ignore"):
        inverse = np.where(sizes > 0, 1.0 / sizes, np.inf)
    parts = np.abs(directions)
    variance = np.array([
        sum((parts[k, at] * inverse[k]) ** 2 for k in range(count) if parts[k, at] > 1e-12) for at in range(count)
    ])  # fmt: skip
    errors = np.sqrt(spread * variance)
    halves = errors * (float(t.ppf(0.975, free)) if free > 0 else np.inf)
    weak = [tuple(int(at) for at in np.flatnonzero(parts[k] > SHARE)) for k in range(count) if flat[k]]
    lost = {at for group in weak for at in group}
    identified = tuple(at not in lost and bool(halves[at] < 0.5) for at in range(count))
    return Identified(errors, halves, identified, tuple(group for group in weak if len(group) > 1), spread)
