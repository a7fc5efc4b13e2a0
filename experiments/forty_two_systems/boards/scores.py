"""How good a forecast was: error, scaled error, coverage, width and interval score, over whatever was counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Score:
    """Of one series, pooled over boards and months: mean absolute error; the same over the mean change from month to month before
    the origin (MASE); share inside the 80 % band; its mean width; interval score (width and misses, lower is better)."""

    error: float
    scaled: float
    coverage: float
    width: float
    interval: float
    months: int


def interval_score(low: np.ndarray, high: np.ndarray, actual: np.ndarray, level: float = 0.8) -> np.ndarray:
    """Width, and 2/(1 - level) for each unit that the actual value lies outside (Gneiting and Raftery 2007)."""
    miss = 2 / (1 - level)
    return np.asarray(high - low + miss * np.maximum(0, low - actual) + miss * np.maximum(0, actual - high))


def scale(history: np.ndarray) -> np.ndarray:
    """float64[board, series]: mean absolute change from month to month in the months before, the unit of MASE."""
    with np.errstate(invalid="ignore"):
        change = np.abs(np.diff(history, axis=2))
    counted = np.isfinite(change)
    total = np.where(counted, change, 0).sum(axis=2)
    number = counted.sum(axis=2)
    return np.where(number > 0, total / np.maximum(1, number), np.nan)


def score(actual: np.ndarray, band: np.ndarray, unit: np.ndarray) -> Score:
    """Of actual[board, month] by band[3, board, month] (10th, 50th, 90th percentile); `unit` as from `scale`, for one series."""
    there = np.isfinite(actual)
    low, middle, high = (part[there] for part in band)
    value = actual[there]
    error = np.abs(value - middle)
    ratio = error / np.broadcast_to(unit[:, None], actual.shape)[there]
    return Score(
        error=float(error.mean()),
        scaled=float(np.nanmean(ratio)),
        coverage=float(((low <= value) & (value <= high)).mean()),
        width=float((high - low).mean()),
        interval=float(interval_score(low, high, value).mean()),
        months=int(there.sum()),
    )


def mean_error(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean absolute error where something was counted."""
    return float(np.nanmean(np.abs(actual - forecast)))


def common_share(log_errors: np.ndarray) -> float:
    """Share of the mean squared error that all boards have in common, from errors[board, month] with gaps.

    Common: the squared mean error of the boards, less what independent errors would give it. Own: the variance about the mean."""
    there = np.isfinite(log_errors)
    number = there.sum(axis=0)
    mean = np.where(there, log_errors, 0).sum(axis=0) / number
    within = np.where(there, log_errors - mean, 0) ** 2
    own = (within.sum(axis=0) / (number - 1)).mean()
    common = max(0.0, float((mean**2).mean() - (own / number).mean()))
    return float(common / (common + own))
