"""How likely the data are, for parameters in standard normal units.

A row of the fit has its value, and a normal error whose standard deviation stands in the files before anything is fitted.
Parameters are the case's uncertainties, each with its own distribution, and what the fit searches for: anywhere in its range
unless `[fit.priors]` says more. z is normal, u = Phi(z) uniform, and a parameter the quantile u of its prior, so the density
that z is sampled from is the standard normal one times the likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.fitting.search import Problem
from flowreform.case import Case, FitPlan, Uncertainty
from flowreform.experiment import Correlation
from flowreform.model import Model
from flowreform.sampling import correlated

Floats = NDArray[np.float64]


class Likelihood:
    """The logarithm of the likelihood of a question's rows, up to a constant; called with float64[run, parameter]."""

    def __init__(
        self,
        model: Model,
        case: Case,
        question: FitPlan,
        priors: Mapping[str, Uncertainty],
        correlations: Sequence[Correlation] = (),
        engine: str = "auto",
        held: Mapping[str, float] | None = None,
    ) -> None:
        fixed = {*question.table.settings, *(held or {})}
        self.priors = {name: item for name, item in priors.items() if name not in fixed}
        self.names, self.correlations = tuple(self.priors), tuple(correlations)
        self.held = dict(held or {})
        self.problem = Problem(model, case, question, engine, runs=100_000)
        self.weight = 1.0 / self.problem.error**2
        self.free = [self.problem.series == name for name, series in question.table.series.items() if series.level == "free"]

    def values(self, z: Floats) -> dict[str, Floats]:
        """Parameters, float64[run] by name, for standard normal numbers [run, parameter]."""
        from scipy.special import ndtr

        below = np.clip(np.asarray(ndtr(z)), 2.0**-60, 1.0 - 2.0**-53)
        unit = correlated({name: below[:, at] for at, name in enumerate(self.names)}, self.correlations)
        return {name: item.quantile(unit[name]) for name, item in self.priors.items()}

    def rows(self, z: Floats) -> Floats:
        """What the model gives for every row, float64[row, run]."""
        fixed = {name: np.full(len(z), value) for name, value in self.held.items()}
        return self.problem.rows({**fixed, **self.values(z)}, len(z))

    def __call__(self, z: Floats) -> tuple[Floats, Floats]:
        rows = self.rows(z)
        return self.of(rows), self.problem.residuals(rows).T

    def of(self, rows: Floats) -> Floats:
        """The logarithm for rows as the model gives them; -inf where one of them has no number.

        A series whose level is free carries a factor with a flat prior on its logarithm, integrated out by Laplace's method."""
        squares = (self.weight[:, None] * (rows - self.problem.observed[:, None]) ** 2).sum(axis=0)
        found = -0.5 * squares
        for mine in self.free:
            size = (self.weight[mine, None] * rows[mine] ** 2).sum(axis=0)
            with np.errstate(divide="ignore"):  # rows are at their best level: a factor of 1, known to 1 / sqrt(size)
                found = found - 0.5 * np.log(size)
        return np.where(np.isfinite(rows).all(axis=0), found, -np.inf)
