"""Simulation-based calibration (Talts, Betancourt, Simpson, Vehtari, Gelman 2018): parameters drawn from their priors, data made
from them, the posterior sampled; then the truth's rank among the draws is uniform, and an 80 % band holds it four times in five.

Every replicate is an ensemble of its own with its own data, so that hundreds are sampled in one batch. Each sampler that is wrong
in one place is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, chisquare

import flowreform as fr
from flowreform.analyse.fitting import sampler
from flowreform.analyse.fitting.likelihood import Likelihood
from flowreform.analyse.fitting.sampler import Sampler
from flowreform.analyse.fitting.search import asked
from test_fit import TRUE, made

Rows = Callable[[np.ndarray], np.ndarray]
"""What a model gives, float64[run, row], for standard normal parameters [run, parameter]."""

WALKERS = 29
"""Draws of each replicate, the walkers' last places: 30 ranks, ten bins of three."""
MOVES = 120
LIMIT = 1e-3
"""Ranks less probable than this are not uniform."""


def ranks(
    rows: Rows, width: int, error: np.ndarray, replicates: int, seed: int, *, twice: bool = False, flat: bool = False
) -> np.ndarray:
    """The rank of each true parameter among its draws, int[replicate, parameter]; with `twice` the data
    are counted twice, and with `flat` the prior is left out."""
    random = np.random.default_rng(seed)
    truth = random.standard_normal((replicates, width))
    data = rows(truth) + error * random.standard_normal((replicates, len(error)))

    def likelihood(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = (rows(z) - np.repeat(data, len(z) // replicates, axis=0)) / error
        away = away * np.sqrt(2.0) if twice else away
        return -0.5 * (away**2).sum(axis=1) + (0.5 * (z**2).sum(axis=1) if flat else 0.0), away

    one = Sampler(likelihood, width, seed=seed, ensembles=replicates, walkers=WALKERS)
    assert one.warm_up()
    one.sample(MOVES)
    return np.asarray((one.z < truth[:, None, :]).sum(axis=1))


def uneven(found: np.ndarray) -> float:
    """The smallest probability over parameters, times their number, of ranks as uneven as these."""
    p = [chisquare(np.bincount(column // 3, minlength=10)).pvalue for column in found.T]
    return float(min(p)) * len(p)


def covered(found: np.ndarray) -> tuple[float, float]:
    """How improbable it is, on either side, that so many truths lie in the middle 24 of 30 ranks."""
    inside = ((found >= 3) & (found < 27)).sum(axis=0)
    n = len(found)
    return float(binom.cdf(inside, n, 0.8).min()), float(binom.sf(inside - 1, n, 0.8).min())


def line(z: np.ndarray) -> np.ndarray:
    """A linear model of three parameters and four rows, one parameter in none of them."""
    return z @ np.array([[1.0, 0.5, 0.0, 2.0], [0.5, -1.0, 1.0, 0.3], [0.0, 0.0, 0.0, 0.0]])


def decay(z: np.ndarray) -> np.ndarray:
    """Exponential decay from an unknown start at an unknown rate: curved, and the two are only known together late on."""
    return np.exp(0.5 * z[:, :1]) * np.exp(-np.exp(0.7 * z[:, 1:2] - 1.0) * np.array([0.5, 1.0, 2.0, 4.0]))


MODELS = {"line": (line, 3, np.array([0.6, 0.5, 0.8, 1.0])), "decay": (decay, 2, np.array([0.1, 0.1, 0.05, 0.05]))}


@pytest.mark.parametrize("name", MODELS)
def test_ranks_are_uniform_and_bands_hold_the_truth(name: str) -> None:
    rows, width, error = MODELS[name]
    found = ranks(rows, width, error, 300, seed=11)
    assert uneven(found) > LIMIT
    assert min(covered(found)) > LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["acceptance", "drift", "data twice", "no prior"])
def test_a_sampler_that_is_wrong_in_one_place_is_caught(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row left out is none of these: such draws are honest about the rows they have seen. The closed form of the likelihood, in
    test_posterior, catches that."""
    right = sampler.Shape.proposal

    def broken(self: sampler.Shape, z: np.ndarray, noise: np.ndarray, kind: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        moved, factor = right(self, z, noise, kind, scale)
        if fault == "acceptance":  # the Hastings factor forgotten
            return moved, 0.0 * factor
        return (moved + 0.5, factor) if sampler.KINDS[kind] == "walk" else (moved, factor)

    if fault in ("acceptance", "drift"):
        monkeypatch.setattr(sampler.Shape, "proposal", broken)
    rows, width, error = MODELS["line"]
    found = ranks(rows, width, error, 300, seed=11, twice=fault == "data twice", flat=fault == "no prior")
    assert uneven(found) < LIMIT


def replicated(model: fr.Model, replicates: int, seed: int) -> np.ndarray:
    """The same through a model's own likelihood: rows by the engine, errors and priors from its files."""
    case, question = asked(model)
    likelihood = Likelihood(model, case, question, question.priors, engine="numba")
    error = likelihood.problem.error

    def rows(z: np.ndarray) -> np.ndarray:
        found = likelihood.rows(z).T
        return np.where(np.isfinite(found), found, 1e3)

    return ranks(rows, len(likelihood.names), error, replicates, seed)


@pytest.mark.slow
def test_a_small_stock_and_flow_model_is_calibrated(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = replicated(made(tmp_path, list(TRUE), TRUE), 150, seed=5)
    assert uneven(found) > LIMIT
    assert min(covered(found)) > LIMIT


@pytest.mark.slow
def test_a_bundled_model_is_calibrated() -> None:
    model = fr.read_model("mental_health_shift")
    found = replicated(replace(model), 60, seed=5)
    assert uneven(found) > LIMIT
    assert min(covered(found)) > LIMIT
