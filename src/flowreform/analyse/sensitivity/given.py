"""Indices from frequencies and from whole distributions, over all columns at once where SALib goes one by one.

Outputs are float64[row, column], indices float64[parameter, column]; the estimators are SALib's.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.designs import Design, problem
from flowreform.analyse.sensitivity.estimators import Floats, Indices, Settings, counts, share, spread

FAST_HARMONICS = 4
RBD_HARMONICS = 10
SLICES = 10
"""Conditioning intervals of PAWN."""


# --- FAST ------------------------------------------------------------------------------------------------------------


def fast(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """First and total order from one search curve for each parameter (Saltelli, Tarantola and Chan 1999): `S1`, `ST`.

    Intervals come from half curves, as in SALib, and are a hint rather than a level of confidence."""
    count, columns = design.parameters, outputs.shape[1]
    size = len(outputs) // count
    half = math.ceil(size * 0.5)
    found = Indices({"S1": np.empty((count, columns)), "ST": np.empty((count, columns))})
    begins = np.zeros((count, 0), dtype=int)
    if settings is not None:
        found.half_widths = {name: np.empty((count, columns)) for name in ("S1", "ST")}
        stream = np.random.RandomState(settings.seed)
        begins = np.stack([stream.randint(0, size, size=settings.resamples) for _ in range(count)])

    def work(part: slice) -> None:
        for at in range(count):
            curve = outputs[at * size : (at + 1) * size, part]
            found.values["S1"][at, part], found.values["ST"][at, part] = _orders(curve)
            if settings is None:
                continue
            doubled = np.concatenate([curve, curve])
            again = np.array([_orders(doubled[begin : begin + half]) for begin in begins[at]])  # [resample, order, column]
            for order, name in enumerate(("S1", "ST")):
                found.half_widths[name][at, part] = settings.reach * spread(again[:, order])

    share(work, columns)
    return found


def _orders(curve: Floats) -> tuple[Floats, Floats]:
    """First and total order of the parameter that a curve [point, column] runs through fastest."""
    from scipy.fft import rfft

    size = len(curve)
    omega = math.floor((size - 1) / (2 * FAST_HARMONICS))
    waves = rfft(curve, axis=0)[1 : math.ceil(size / 2)]
    power = (waves.real**2 + waves.imag**2) / size**2
    whole = 2.0 * power.sum(axis=0)
    first = 2.0 * power[np.arange(1, FAST_HARMONICS + 1) * omega - 1].sum(axis=0)
    rest = 2.0 * power[: math.floor(omega / 2.0)].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # half a curve may be flat
        return np.where(whole > 0, first / whole, 0.0), np.where(whole > 0, 1.0 - rest / whole, 0.0)


# --- RBD-FAST --------------------------------------------------------------------------------------------------------


def rbd_fast(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """First order from any sample put in order of each parameter (Plischke 2010; Tissot and Prieur 2012): `S1`."""
    size, columns = outputs.shape
    found = Indices({"S1": np.empty((design.parameters, columns))})
    if settings is not None:
        rng = np.random.default_rng(settings.seed)
        found.half_widths = {"S1": np.empty((design.parameters, columns))}
    for at in range(design.parameters):
        x = design.unit[:, at]
        waves = _waves(size)[:, np.argsort(_there_and_back(np.argsort(x)))]
        again = None
        if settings is not None:
            half = int(size * 0.5)
            again = _resampled(x, np.array([rng.choice(size, replace=True, size=half) for _ in range(settings.resamples)]))

        def work(part: slice, at: int = at, waves: Floats = waves, again: _Again | None = again) -> None:
            centred = outputs[:, part] - outputs[:, part].mean(axis=0)
            whole = size * (centred**2).sum(axis=0)
            found.values["S1"][at, part] = _unskewed(_power(waves @ centred) / whole, size)
            if settings is not None and again is not None:
                found.half_widths["S1"][at, part] = settings.reach * spread(again.index(centred))

        share(work, columns)
    return found


@dataclass(frozen=True)
class _Again:
    """Resamplings of a parameter as matrices: `rows` [resample x wave, row] give the waves' sums, `weights` the means."""

    rows: Floats
    weights: Floats
    half: int

    def index(self, centred: Floats) -> Floats:
        """float64[resample, column]: the index of each resampling."""
        mean = self.weights @ centred
        whole = self.half * self.half * (self.weights @ centred**2 - mean**2)
        sums = (self.rows @ centred).reshape(len(self.weights), 2 * RBD_HARMONICS, -1)
        power = _power(sums.swapaxes(0, 1))
        return _unskewed(np.divide(power, whole, out=np.zeros_like(power), where=whole > 0), self.half)


def _resampled(x: Floats, picked: NDArray[np.int_]) -> _Again:
    size, (resamples, half) = len(x), picked.shape
    waves = _waves(half)
    rows = np.zeros((resamples, len(waves), size))
    for resample, index in enumerate(picked):
        placed = index[_there_and_back(np.argsort(x[index]))]
        for wave, row in zip(waves, rows[resample], strict=True):
            row += np.bincount(placed, weights=wave, minlength=size)
    return _Again(rows.reshape(-1, size), counts(picked, size), half)


def _there_and_back(order: NDArray[np.int_]) -> NDArray[np.int_]:
    """Every second one up, the others down, so that the series ends where it began."""
    return np.concatenate([order[::2], order[1::2][::-1]])


def _waves(size: int) -> Floats:
    """float64[2 harmonics, place]: cosines, then sines, of the first harmonics."""
    angle = 2.0 * np.pi * (np.outer(np.arange(1, RBD_HARMONICS + 1), np.arange(size)) % size) / size
    return np.concatenate([np.cos(angle), np.sin(angle)])


def _power(transformed: Floats) -> Floats:
    """Twice the power in the first harmonics, both halves of the spectrum: [2 harmonics, ...] to [...]."""
    return np.asarray(2.0 * (transformed**2).sum(axis=0))


def _unskewed(index: Floats, size: int) -> Floats:
    share = 2 * RBD_HARMONICS / size
    if share >= 1.0:  # so few runs are all harmonics: they say nothing
        return np.full_like(index, np.nan)
    return index - share / (1 - share) * (1 - index)


# --- whole distributions ---------------------------------------------------------------------------------------------


def pawn(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """Largest distances between conditional and unconditional distributions (Pianosi and Wagener 2018).

    Of the slices of each parameter the `minimum`, `mean`, `median` and `maximum` distance, `CV` and `stdev`."""
    distances = np.full((SLICES, design.parameters, outputs.shape[1]), np.nan)

    def work(part: slice) -> None:
        ranked = _Ranked(outputs[:, part])
        for at in range(design.parameters):
            x = design.unit[:, at]
            edges = np.nanquantile(x, np.arange(0, 1 + 1 / SLICES, 1 / SLICES))
            for place in range(SLICES):
                inside = (x >= edges[place]) & (x < edges[place + 1])
                if inside.any():
                    distances[place, at, part] = ranked.distance(inside)

    share(work, outputs.shape[1])
    mean, deviation = np.nanmean(distances, axis=0), np.nanstd(distances, axis=0)
    return Indices(
        {
            "median": np.nanmedian(distances, axis=0),
            "minimum": np.nanmin(distances, axis=0),
            "mean": mean,
            "maximum": np.nanmax(distances, axis=0),
            "CV": np.divide(deviation, mean, out=np.zeros_like(mean), where=mean > 0),
            "stdev": deviation,
        }
    )


class _Ranked:
    """Columns in order of size, once for many comparisons of a part of the rows with all of them."""

    def __init__(self, outputs: Floats) -> None:
        self.order = np.argsort(outputs, axis=0, kind="stable")
        ordered = np.take_along_axis(outputs, self.order, axis=0)
        self.last = np.ones(ordered.shape, dtype=bool)  # the last of equal values: only there a distribution has its step
        self.last[:-1] = ordered[1:] != ordered[:-1]
        self.all = (np.arange(1, len(outputs) + 1) / len(outputs))[:, None]

    def distance(self, inside: NDArray[np.bool_]) -> Floats:
        """The Kolmogorov-Smirnov distance between the rows inside and all rows, of each column."""
        steps = np.cumsum(inside[self.order], axis=0) / inside.sum()
        return np.asarray(np.abs(np.where(self.last, steps - self.all, 0.0)).max(axis=0))


def delta(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """Moment-independent importance (Borgonovo 2007; Plischke et al. 2013) `delta`, and `S1`: SALib's, column by column."""
    from SALib.analyze import delta as salib

    names = ("delta", "S1")
    shape = (design.parameters, outputs.shape[1])
    found = Indices({name: np.empty(shape) for name in names}, {name: np.empty(shape) for name in names})
    options = (
        {"num_resamples": 2} if settings is None else {"num_resamples": settings.resamples, "conf_level": settings.confidence}
    )
    seed = 1 if settings is None else settings.seed
    format_before, random_before = warnings.formatwarning, np.random.get_state()
    try:  # SALib changes how warnings look and seeds numpy's own stream: both are put back
        for column in range(outputs.shape[1]):
            with warnings.catch_warnings(record=True):  # SALib turns its warnings on again: they end here
                warnings.simplefilter("ignore")
                result = salib.analyze(problem(design.parameters), design.unit, outputs[:, column], seed=seed, **options)
            key = "delta" if "delta" in result else "delta_raw"
            for name, salib_name in zip(names, (key, "S1"), strict=True):
                found.values[name][:, column] = result[salib_name]
                found.half_widths[name][:, column] = result[f"{salib_name}_conf"]
    finally:
        warnings.formatwarning = format_before
        np.random.set_state(random_before)
    if settings is None:
        found.half_widths = {}
    return found


def regional(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """Monte Carlo filtering (Hornberger and Spear 1981): runs that meet a target (1) against those that do not (0).

    `distance` is that of Kolmogorov and Smirnov between a parameter's values in the two, `p_value` how often chance alone
    gives as much, `shift` the mean percentile of those that meet it less that of the others."""
    from scipy.stats import ks_2samp

    names = ("distance", "p_value", "shift")
    found = Indices({name: np.zeros((design.parameters, outputs.shape[1])) for name in names})
    for column in range(outputs.shape[1]):
        met = outputs[:, column] > 0.5
        for at in range(design.parameters):
            x = design.unit[:, at]
            test = ks_2samp(x[met], x[~met], method="asymp")
            row = float(test.statistic), float(test.pvalue), float(x[met].mean() - x[~met].mean())
            for name, value in zip(names, row, strict=True):
                found.values[name][at, column] = value
    return found
