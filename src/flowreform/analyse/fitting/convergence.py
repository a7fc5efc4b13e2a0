"""Have chains converged? Rank-normalised split R-hat and effective sample sizes (Vehtari, Gelman, Simpson, Carpenter and
Buerkner 2021).

R-hat compares independent ensembles, each with all its walkers, cut into first and second halves: the nested R-hat of
Margossian and others (2024), for chains that are many and short. Effective sizes come from the walkers' chains.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ranked(values: Floats) -> Floats:
    """Normal scores of the ranks of all values, ties sharing theirs (Blom 1958), in the shape of `values`."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = rankdata(values.ravel(), method="average").reshape(values.shape)
    return np.asarray(ndtri((ranks - 0.375) / (values.size + 0.25)))


def r_hat(values: Floats) -> float:
    """The larger of the R-hats of normal scores and of folded ones, which see a difference in spread.

    `values` are float64[ensemble, walker, iteration] of one quantity. 1 where it never moves; infinite where each ensemble
    stands still at a value of its own."""
    folded = np.abs(values - np.median(values))
    return max(_r_hat(ranked(values)), _r_hat(ranked(folded)))


def _r_hat(values: Floats) -> float:
    """Between and within half-ensembles."""
    half = values.shape[2] // 2
    pieces = np.concatenate([values[:, :, :half], values[:, :, -half:]]).reshape(2 * len(values), -1)
    within = float(pieces.var(axis=1, ddof=1).mean())
    between = float(pieces.mean(axis=1).var(ddof=1))
    if within <= 1e-20:  # of normal scores, which have a spread of about 1: nothing moves within an ensemble
        return 1.0 if between <= 1e-20 else float("inf")
    count = pieces.shape[1]
    return float(np.sqrt((count - 1) / count + between / within))


def bulk(values: Floats) -> float:
    """The effective size for the middle of the distribution: that of normal scores, chains cut in halves."""
    return effective(ranked(_halves(values)))


def tail(values: Floats) -> float:
    """The smaller of the effective sizes of the 5th and the 95th percentile."""
    cut = _halves(values)
    low, high = np.quantile(cut, 0.05), np.quantile(cut, 0.95)
    return min(effective((cut <= low).astype(np.float64)), effective((cut <= high).astype(np.float64)))


def _halves(values: Floats) -> Floats:
    """float64[chain, iteration]: every walker's first and second half."""
    flat = values.reshape(-1, values.shape[-1])
    half = flat.shape[1] // 2
    return np.concatenate([flat[:, :half], flat[:, -half:]])


def effective(chains: Floats) -> float:
    """The effective size of float64[chain, iteration]: Geyer's initial monotone sequence over all chains together."""
    count, length = chains.shape
    covariance = _autocovariance(chains).mean(axis=0)
    within = covariance[0] * length / (length - 1.0)
    between = float(chains.mean(axis=1).var(ddof=1)) if count > 1 else 0.0
    total = within * (length - 1.0) / length + between
    if total <= 0.0:
        return float(count * length)
    rho = 1.0 - (within - covariance * length / (length - 1.0)) / total
    rho[0] = 1.0
    pairs = rho[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0.0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if len(negative) else len(pairs)])
    time = max(-1.0 + 2.0 * float(pairs.sum()), 1.0 / np.log10(count * length))
    return float(count * length / time)


def _autocovariance(chains: Floats) -> Floats:
    """float64[chain, lag], by fast Fourier transform, each divided by the length."""
    length = chains.shape[1]
    size = 1 << (2 * length - 1).bit_length()
    centred = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, size, axis=1)
    return np.asarray(np.fft.irfft(spectrum * np.conj(spectrum), size, axis=1)[:, :length] / length)
