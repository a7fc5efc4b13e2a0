"""The methods by name: what each estimates, what it needs, and what its numbers mean."""

from __future__ import annotations

from dataclasses import dataclass

from flowreform.analyse.sensitivity import estimators, given
from flowreform.analyse.sensitivity.estimators import Estimator


@dataclass(frozen=True)
class Method:
    """One way to ask what matters.

    `indices` are named in order, `leading` is the one to rank by; `shares` says that indices are shares of a variance (0 to
    1, where ends can be passed by sampling error), `in_units` that they are in the unit of what is measured. `smallest` is
    the least number of samples; `fixed` says that the number of runs follows from the parameters alone. `partial` says that
    part of the sample stands for itself, so that convergence can be shown and failed runs left out. `given` says that any
    sample of all inputs will do, correlated ones and one that was run before included."""

    label: str
    estimate: Estimator
    indices: tuple[str, ...]
    leading: str
    smallest: int
    shares: bool = False
    in_units: bool = False
    partial: bool = True
    fixed: bool = False
    slow: bool = False
    given: bool = False


METHODS: dict[str, Method] = {
    "sobol": Method("Sobol indices", estimators.sobol, ("S1", "ST"), "ST", 4, shares=True),
    "morris": Method("Morris elementary effects", estimators.morris, ("mu", "mu_star", "sigma"), "mu_star", 2, in_units=True),
    "fast": Method("FAST", given.fast, ("S1", "ST"), "ST", 130, shares=True, partial=False),
    "rbd_fast": Method("RBD-FAST", given.rbd_fast, ("S1",), "S1", 64, shares=True, given=True),
    "delta": Method("delta moment-independent", given.delta, ("delta", "S1"), "delta", 50, shares=True, slow=True,
                    given=True),
    "pawn": Method("PAWN", given.pawn, ("median", "minimum", "mean", "maximum", "CV", "stdev"), "median", 50, given=True),
    "dgsm": Method("derivative-based (DGSM)", estimators.dgsm, ("vi", "vi_std", "dgsm"), "dgsm", 2),
    "ff": Method("fractional factorial", estimators.ff, ("ME",), "ME", 0, in_units=True, partial=False, fixed=True),
    "tornado": Method("one at a time", estimators.tornado, ("low", "high", "swing"), "swing", 0, in_units=True, partial=False,
                      fixed=True),
    "regional": Method("Monte Carlo filtering", given.regional, ("distance", "p_value", "shift"), "distance", 20, given=True),
}  # fmt: skip

MEANINGS: dict[str, str] = {
    "S1": "share of the variance that goes away when this input alone is known",
    "ST": "share of the variance that stays when all other inputs are known",
    "mu": "mean elementary effect, over the whole range of the input",
    "mu_star": "mean size of the elementary effect, over the whole range of the input",
    "sigma": "spread of elementary effects: curvature and interaction",
    "delta": "mean shift of the whole distribution when this input is known",
    "vi": "mean squared derivative by the input's percentile",
    "vi_std": "standard deviation of the squared derivative",
    "dgsm": "upper bound of the total index",
    "ME": "half the difference between the high and the low end",
    "low": "change when the input is at its 5th percentile, all others at their medians",
    "high": "change when the input is at its 95th percentile, all others at their medians",
    "swing": "difference between the two ends",
    "median": "median distance of conditional distributions", "minimum": "smallest distance of conditional distributions",
    "mean": "mean distance of conditional distributions", "maximum": "largest distance of conditional distributions",
    "CV": "spread of the distances over their mean", "stdev": "spread of the distances",
    "distance": "distance between the input's values in runs that meet the target and in the others",
    "p_value": "how often chance alone gives as great a distance",
    "shift": "mean percentile of the input in runs that meet the target less that in the others",
}  # fmt: skip
"""What each index says, in a line."""
