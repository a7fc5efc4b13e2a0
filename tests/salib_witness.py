"""SALib's own answers, column by column, and test functions with known indices: what estimators are compared with."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.designs import Design, problem
from flowreform.analyse.sensitivity.estimators import Settings
from flowreform.analyse.sensitivity.methods import make

Floats = NDArray[np.float64]

SETTINGS = Settings(resamples=60, confidence=0.95, seed=7)
QUICK = Settings(resamples=3, confidence=0.9, seed=7)
G = np.array([0.0, 1.0, 4.5, 9.0])
SAMPLES = {"sobol": 256, "morris": 64, "fast": 513, "rbd_fast": 500, "dgsm": 128, "pawn": 400, "delta": 60, "ff": 0}


def ishigami(unit: Floats) -> Floats:
    """Ishigami and Homma 1990, with a = 7 and b = 0.1."""
    x = np.pi * (2.0 * unit - 1.0)
    return np.asarray(np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))


def sobol_g(unit: Floats) -> Floats:
    """The g-function of Sobol, 1993."""
    return np.asarray(np.prod((np.abs(4.0 * unit - 2.0) + G) / (1.0 + G), axis=1))


def outputs(unit: Floats) -> Floats:
    """Several columns of very different size, one of them with ties."""
    one = ishigami(unit)
    return np.stack([one, 1e6 + 1e3 * one, unit[:, 0] * unit[:, 1] + 1e-3 * unit[:, 2], np.round(3 * one)], axis=1)


def salib(design: Design, values: Floats, settings: Settings = SETTINGS) -> Any:
    """SALib's own answer for one column."""
    module = import_module(f"SALib.analyze.{design.method}")
    given = problem(design.parameters)
    common = {"num_resamples": settings.resamples, "conf_level": settings.confidence, "seed": settings.seed}
    match design.method:
        case "sobol":
            return module.analyze(given, values, calc_second_order=design.second_order, **common)
        case "fast":
            return module.analyze(given, values, **common)
        case "pawn":
            return module.analyze(given, design.unit, values, seed=SETTINGS.seed)
        case "ff":
            return module.analyze(given, design.unit, values, second_order=True)
        case _:
            return module.analyze(given, design.unit, values, **common)


NAMES = {
    "sobol": {"S1": "S1", "ST": "ST"},
    "morris": {"mu": "mu", "mu_star": "mu_star", "sigma": "sigma"},
    "fast": {"S1": "S1", "ST": "ST"},
    "rbd_fast": {"S1": "S1"},
    "dgsm": {"vi": "vi", "vi_std": "vi_std", "dgsm": "dgsm"},
    "pawn": {name: name for name in ("minimum", "mean", "median", "maximum", "CV", "stdev")},
    "delta": {"delta": "delta_raw", "S1": "S1"},
    "ff": {"ME": "ME"},
}
WIDTHS = {
    "sobol": {"S1": "S1_conf", "ST": "ST_conf"},
    "morris": {"mu_star": "mu_star_conf"},
    "fast": {"S1": "S1_conf", "ST": "ST_conf"},
    "rbd_fast": {"S1": "S1_conf"},
    "dgsm": {"vi": "dgsm_conf"},
    "delta": {"delta": "delta_raw_conf", "S1": "S1_conf"},
}


def compare(method: str, estimate: Callable[[Design, Floats, Settings | None], Any]) -> None:
    """Assert that an estimator gives SALib's indices (1e-12) and, given its resampling, its intervals (1e-9), pairs included."""
    design = make(method, 3, SAMPLES[method], seed=5, second_order=method == "sobol")
    settings = QUICK if method == "delta" else SETTINGS
    values = outputs(design.unit)[:, : 2 if method == "delta" else None]
    found = estimate(design, values, settings)
    for column in range(values.shape[1]):
        witness = salib(design, values[:, column], settings)
        for name, theirs in NAMES[method].items():
            theirs = theirs if theirs in witness else theirs.removesuffix("_raw")
            expected = np.asarray(witness[theirs], dtype=float)[:3]
            np.testing.assert_allclose(found.values[name][:, column], expected, rtol=1e-12, atol=1e-12 * scale(expected))
        for name, theirs in WIDTHS.get(method, {}).items():
            theirs = theirs if theirs in witness else theirs.replace("_raw", "")
            expected = np.asarray(witness[theirs], dtype=float)
            np.testing.assert_allclose(found.half_widths[name][:, column], expected, rtol=1e-9, atol=1e-9 * scale(expected))
        if method == "sobol":
            assert found.pairs is not None
            assert found.pair_half_widths is not None
            np.testing.assert_allclose(found.pairs[..., column], witness["S2"], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(found.pair_half_widths[..., column], witness["S2_conf"], rtol=1e-9, atol=1e-9)


def scale(expected: Floats) -> float:
    """The size of the largest value, at least 1."""
    return max(1.0, float(np.abs(expected).max()))
