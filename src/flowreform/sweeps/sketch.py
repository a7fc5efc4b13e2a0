"""Quantiles over draws from what each part keeps of them: a few order statistics, evenly spaced in rank.

A part with n runs keeps all of their values when n is at most m, and else m of them, the middle one of each of m equal
stretches of the sorted values, each standing for n / m runs (Munro and Paterson 1980 keep the same of a block). So how many of
the part's runs are at or below any value is known to n / (2m), and a quantile read between two of the values kept is off by
no more than one of them on top: `rank_error`. Parts are put together in their order, so nothing depends on who worked them out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowreform import statistics

Floats = NDArray[np.float64]


def ranks_kept(count: int, most: int) -> NDArray[np.int_]:
    """Which of `count` sorted values are kept."""
    if count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(int)


def summarise(values: Floats, most: int) -> Floats:
    """Order statistics of `values` float64[..., run], finite numbers: float64[..., most], NaN behind where there are fewer."""
    kept = np.full((*values.shape[:-1], most), np.nan)
    ranks = ranks_kept(values.shape[-1], most)
    if len(ranks):
        kept[..., : len(ranks)] = np.sort(values, axis=-1)[..., ranks]
    return kept


def rank_error(counts: NDArray[np.int64], most: int) -> float:
    """How far the rank of a quantile may be off, as a share of the runs; 0 where every value was kept."""
    total, lossy = int(counts.sum()), counts[counts > most]
    if not len(lossy):
        return 0.0
    return float(lossy.sum() / (2 * most) + lossy.max() / most) / total


def quantiles(kept: Floats, counts: NDArray[np.int64], wanted: tuple[float, ...]) -> Floats:
    """Quantiles of several parts: `kept` float64[part, ..., rank] and `counts`[part] give float64[..., quantile].

    Straight lines between order statistics, as numpy does by default; with all values kept it is the same number."""
    most = kept.shape[-1]
    sizes = np.minimum(counts, most)
    if not sizes.sum():
        return np.full((*kept.shape[1:-1], len(wanted)), np.nan)
    pieces = [kept[part, ..., :size] for part, size in enumerate(sizes)]
    values = np.concatenate(pieces, axis=-1)
    if (counts <= most).all():
        return np.moveaxis(statistics.quantiles(values, wanted, axis=-1), 0, -1)
    weights = np.concatenate([np.full(size, count / size) for count, size in zip(counts, sizes, strict=True) if size])
    order = np.argsort(values, axis=-1, kind="stable")
    values, heavy = np.take_along_axis(values, order, axis=-1), weights[order]
    middle = np.cumsum(heavy, axis=-1) - heavy / 2
    found = np.empty((*values.shape[:-1], len(wanted)))
    for place in np.ndindex(*values.shape[:-1]):
        at = middle[place]
        share = (at - at[0]) / (at[-1] - at[0]) if at[-1] > at[0] else np.zeros(len(at))
        found[place] = np.interp(wanted, share, values[place])
    return found
