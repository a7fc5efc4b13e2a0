"""Indices over all columns at once: outputs float64[row, column] in, indices float64[parameter, column] out.

The estimators are SALib's, and on the same samples give its numbers. A resampling is a row of counts, so that the mean of
a thousand resampled columns is one matrix product; the random numbers behind it are drawn as SALib draws them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.designs import LEVELS, Design

Floats = NDArray[np.float64]
Counts = NDArray[np.float64]

COLUMNS = 32
"""So many columns are worked on together: their products stay in the processor's cache."""
TINY = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Settings:
    """How intervals are made: `resamples` resamplings from `seed`, half-widths for a `confidence` level."""

    resamples: int = 100
    confidence: float = 0.95
    seed: int = 1

    @property
    def reach(self) -> float:
        """Standard deviations to each side of a normal variable that hold the confidence level."""
        from scipy.special import ndtri

        return float(ndtri(0.5 + self.confidence / 2.0))


@dataclass
class Indices:
    """float64[parameter, column] by index name; `pairs` float64[parameter, parameter, column], upper triangle, else NaN.

    `half_widths` are of the intervals, for those indices that have one."""

    values: dict[str, Floats] = field(default_factory=dict)
    half_widths: dict[str, Floats] = field(default_factory=dict)
    pairs: Floats | None = None
    pair_half_widths: Floats | None = None


Estimator = Callable[[Design, Floats, Settings | None], Indices]
"""With settings None there are no intervals."""


def counts(picked: NDArray[np.integer], size: int) -> Counts:
    """float64[resample, row]: how often each row was picked, over how many picks; `picked` is [resample, pick]."""
    resamples, picks = picked.shape
    flat = (picked + np.arange(resamples)[:, None] * size).ravel()
    return np.asarray(np.bincount(flat, minlength=resamples * size).reshape(resamples, size) / picks)


def spread(values: Floats) -> Floats:
    """The standard deviation over resamples [resample, ...]."""
    return np.asarray(values.std(axis=0, ddof=1))


def share(work: Callable[[slice], None], columns: int, width: int = COLUMNS) -> None:
    """Call `work` for some columns at a time, on every core.

    Parts and not products are shared out: a matrix library that splits each product over cores makes them wait for each other
    thousands of times, and on a machine with other work to do that takes ten times as long. So it is kept to one thread, and
    the result does not depend on the number of cores."""
    from threadpoolctl import threadpool_limits

    parts = [slice(first, min(first + width, columns)) for first in range(0, columns, width)]
    with threadpool_limits(limits=1, user_api="blas"):
        if len(parts) == 1:
            work(parts[0])
            return
        with ThreadPoolExecutor(_cores()) as pool:
            for _ in pool.map(work, parts):
                pass


def _cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over(value: Floats, divisor: Floats) -> Floats:
    """The quotient, 0 where the divisor is as good as 0."""
    out = np.zeros(np.broadcast_shapes(value.shape, divisor.shape))
    return np.asarray(np.divide(value, divisor, out=out, where=divisor > TINY))


# --- Sobol -----------------------------------------------------------------------------------------------------------


def sobol(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """First (Saltelli et al. 2010), total (Jansen 1999) and second order (Saltelli 2002) indices: `S1`, `ST` and pairs."""
    size, count, columns = design.blocks, design.parameters, outputs.shape[1]
    weights = np.full((1, size), 1.0 / size)  # the first row is the sample itself, all others are resamplings
    if settings is not None:
        picked = np.random.default_rng(settings.seed).integers(size, size=(size, settings.resamples))
        weights = np.concatenate([weights, counts(picked.T, size)])
    shape = (count, columns)
    found = Indices({"S1": np.empty(shape), "ST": np.empty(shape)})
    if settings is not None:
        found.half_widths = {"S1": np.empty(shape), "ST": np.empty(shape)}
    if design.second_order:
        found.pairs = np.full((count, *shape), np.nan)
        found.pair_half_widths = np.full((count, *shape), np.nan) if settings is not None else None
    share(lambda part: _sobol_part(design, outputs[:, part], weights, settings, found, part), columns)
    return found


def _sobol_part(design: Design, outputs: Floats, weights: Counts, settings: Settings | None, found: Indices, part: slice) -> None:
    """Some columns. Every mean over base points is one row of a matrix product: of the sample, then of each resampling."""
    count = design.parameters
    scaled = np.ascontiguousarray(outputs)
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    cube = scaled.reshape(design.blocks, design.block, -1)  # [base, place, column]
    a, b, mixed = cube[:, :1], cube[:, -1:], cube[:, 1 : 1 + count]
    variance = _means(weights, (a * a + b * b) / 2.0) - _means(weights, (a + b) / 2.0) ** 2
    variance[0] = np.var(cube[:, [0, -1]], axis=(0, 1))
    first = over(_means(weights, b * (mixed - a)), variance)  # [resample, parameter, column]
    total = over(0.5 * _means(weights, (mixed - a) ** 2), variance)
    for name, values in (("S1", first), ("ST", total)):
        found.values[name][:, part] = values[0]
        if settings is not None:
            found.half_widths[name][:, part] = settings.reach * spread(values[1:])
    if found.pairs is None:
        return
    swapped, both = cube[:, 1 + count : 1 + 2 * count], a * b
    for j in range(count - 1):
        products = swapped[:, j : j + 1] * mixed[:, j + 1 :]
        products -= both
        pair = over(_means(weights, products), variance) - first[:, j : j + 1] - first[:, j + 1 :]
        found.pairs[j, j + 1 :, part] = pair[0]
        if settings is not None and found.pair_half_widths is not None:
            found.pair_half_widths[j, j + 1 :, part] = settings.reach * spread(pair[1:])


def _means(weights: Counts, values: Floats) -> Floats:
    """float64[resample, place, column]: means of [base, place, column] over the base points."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    return np.asarray(weights @ flat).reshape(len(weights), *values.shape[1:])


# --- screening -------------------------------------------------------------------------------------------------------


def morris(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """Elementary effects for each unit of the cube (Morris 1991; Campolongo et al. 2007): `mu`, `mu_star`, `sigma`."""
    effects = elementary_effects(design, outputs)
    size = effects.shape[1]
    found = Indices(
        {
            "mu": effects.mean(axis=1),
            "mu_star": np.abs(effects).mean(axis=1),
            "sigma": effects.std(axis=1, ddof=1) if size > 1 else np.zeros((effects.shape[0], effects.shape[2])),
        }
    )
    if settings is not None:
        rng = np.random.default_rng(settings.seed)
        widths = np.empty_like(found.values["mu"])
        for at in range(design.parameters):
            weights = counts(rng.integers(size, size=(settings.resamples, size)), size)
            widths[at] = settings.reach * spread(weights @ np.abs(effects[at]))
        found.half_widths["mu_star"] = widths
    return found


def elementary_effects(design: Design, outputs: Floats) -> Floats:
    """float64[parameter, trajectory, column]: the change of the output over the step of its one parameter."""
    count, size = design.parameters, design.blocks
    steps = np.diff(design.unit.reshape(size, count + 1, count), axis=1)
    changes = np.diff(outputs.reshape(size, count + 1, -1), axis=1)
    moved = np.abs(steps).argmax(axis=2)  # [trajectory, step]: which parameter moved
    signs = np.sign(np.take_along_axis(steps, moved[..., None], axis=2))
    found = np.empty((count, size, outputs.shape[1]))
    found[moved, np.arange(size)[:, None]] = changes * signs / (LEVELS / (2.0 * (LEVELS - 1)))
    return found


def ff(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """Main effects of a fractional factorial of two levels, `ME`, and of pairs (Saltelli et al. 2008, The Primer)."""
    from SALib.sample.ff import generate_contrast

    count = design.parameters
    contrast = np.asarray(generate_contrast({"num_vars": count}), dtype=np.float64)
    found = Indices({"ME": contrast[:, :count].T @ outputs / len(outputs)})
    found.pairs = np.full((count, count, outputs.shape[1]), np.nan)
    for j in range(count):
        for k in range(j + 1, count):
            found.pairs[j, k] = (contrast[:, j] * contrast[:, k]) @ outputs / len(outputs)
    return found


def tornado(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """One at a time: the output with each parameter at its low and high end less that at all medians, and `swing` between."""
    low, high = outputs[1::2] - outputs[0], outputs[2::2] - outputs[0]
    return Indices({"low": low, "high": high, "swing": np.abs(high - low)})


def dgsm(design: Design, outputs: Floats, settings: Settings | None) -> Indices:
    """Squared derivatives (Sobol and Kucherenko 2009): `vi`, `vi_std`, and `dgsm`, an upper bound of the total index.

    The interval of `vi` is what SALib calls dgsm_conf; that of `dgsm` is the same on the scale of `dgsm`."""
    size, count, columns = design.blocks, design.parameters, outputs.shape[1]
    cube = outputs.reshape(size, count + 1, columns)
    points = design.unit.reshape(size, count + 1, count)
    base = cube[:, 0]
    scale = 1.0 / (np.var(base, axis=0) * np.pi**2)
    shape = (count, columns)
    found = Indices({name: np.empty(shape) for name in ("vi", "vi_std", "dgsm")})
    if settings is not None:
        found.half_widths = {"vi": np.empty(shape), "dgsm": np.empty(shape)}
        stream = np.random.RandomState(settings.seed)
    for at in range(count):
        step = (points[:, 1 + at, at] - points[:, 0, at])[:, None]
        squared = ((cube[:, 1 + at] - base) / step) ** 2
        found.values["vi"][at] = squared.mean(axis=0)
        found.values["vi_std"][at] = squared.std(axis=0)
        found.values["dgsm"][at] = found.values["vi"][at] * scale
        if settings is not None:
            weights = counts(stream.randint(size, size=(settings.resamples, size)), size)
            found.half_widths["vi"][at] = settings.reach * spread(weights @ squared)
            found.half_widths["dgsm"][at] = found.half_widths["vi"][at] * scale
    return found
