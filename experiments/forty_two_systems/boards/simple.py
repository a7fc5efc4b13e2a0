"""Simple methods that a planner has already: last value, the same month a year before, the mean of twelve months, their means."""

from __future__ import annotations

import warnings

import numpy as np

NAMES = ("last value", "seasonal naive", "12-month mean", "mean of last and 12-month mean", "mean of the three")


def forecasts(counts: np.ndarray, horizon: int, seasonal: bool) -> dict[str, np.ndarray]:
    """float64[board, series, horizon] by method, from counts[board, series, month] with gaps.

    A gap takes the last month counted before it. Beyond a year the seasonal naive method repeats the last year. Without
    `seasonal` (less than a year of months) the seasonal naive method and the mean of the three are left out.
    """
    filled = counts.copy()
    for month in range(1, filled.shape[2]):
        gap = np.isnan(filled[:, :, month])
        filled[:, :, month] = np.where(gap, filled[:, :, month - 1], filled[:, :, month])
    for month in range(filled.shape[2] - 2, -1, -1):
        gap = np.isnan(filled[:, :, month])
        filled[:, :, month] = np.where(gap, filled[:, :, month + 1], filled[:, :, month])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a board that never counted has no mean, and none is used
        mean = np.nanmean(counts[:, :, -12:], axis=2)
    mean = np.where(np.isfinite(mean), mean, filled[:, :, -1])
    flat = np.ones(horizon)
    found = {"last value": filled[:, :, -1:] * flat, "12-month mean": mean[:, :, None] * flat}
    if seasonal:
        ahead = np.arange(horizon) % 12
        found["seasonal naive"] = filled[:, :, filled.shape[2] - 12 + ahead]
    found = {name: found[name] for name in NAMES if name in found}
    both = (found["last value"] + found["12-month mean"]) / 2
    if seasonal:
        found["mean of the three"] = np.mean(list(found.values()), axis=0)
    found["mean of last and 12-month mean"] = both
    return {name: found[name] for name in NAMES if name in found}
