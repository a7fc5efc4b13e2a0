"""Bands scaled by what the inner origins show, fixed before the blind forecast is written."""

from __future__ import annotations

import numpy as np

from .data import FORECAST

LEVEL = 0.8
HIGHEST = 0.9999
"""Occupancy is scaled as a logit, which has no place for a full house."""


def _scale(values: np.ndarray, series: int) -> np.ndarray:
    if FORECAST[series] == "ga_occupancy":
        share = np.minimum(values, HIGHEST)
        return np.asarray(np.log(share / (1 - share)))
    return np.asarray(np.log(values))


def _count(values: np.ndarray, series: int) -> np.ndarray:
    if FORECAST[series] == "ga_occupancy":
        return np.asarray(1 / (1 + np.exp(-values)))
    return np.asarray(np.exp(values))


def needed(band: np.ndarray, actual: np.ndarray, series: int) -> np.ndarray:
    """By how much each band[3, board, month] would have to be scaled to reach the actual value, gaps left out."""
    there = np.isfinite(actual)
    low, middle, high = (_scale(part[there], series) for part in band)
    off = _scale(actual[there], series) - middle
    return np.asarray(np.where(off > 0, off / (high - middle), off / (low - middle)))


def factors(bands: list[np.ndarray], actual: list[np.ndarray]) -> np.ndarray:
    """float64[series]: the factor that covers 80 % at the origins given.

    Never under one: a band is not made narrower than the model says."""
    found = []
    for series in range(len(FORECAST)):
        reach = [needed(band[:, :, series], value[:, series], series) for band, value in zip(bands, actual, strict=True)]
        found.append(max(1.0, float(np.quantile(np.concatenate(reach), LEVEL))))
    return np.array(found)


def scaled(band: np.ndarray, factor: np.ndarray, longest: int) -> np.ndarray:
    """band[3, board, series, month] by these factors, and wider still beyond the longest horizon that any inner origin saw.

    There widths grow with the root of time."""
    result = band.copy()
    ahead = np.sqrt(np.maximum(1.0, np.arange(1, band.shape[-1] + 1) / longest))
    for series in range(len(FORECAST)):
        low, middle, high = (_scale(band[k, :, series], series) for k in range(3))
        result[0, :, series] = _count(middle - factor[series] * ahead * (middle - low), series)
        result[2, :, series] = _count(middle + factor[series] * ahead * (high - middle), series)
    return result
