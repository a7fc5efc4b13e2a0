"""The methods by name: the points each runs, what it estimates of them, what it needs, and what its numbers mean.

A row is the whole of a method: the commands, the checks of what is asked, the tables and the pictures read it and know nothing
else. An index that is new has its line in `MEANINGS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from flowreform.analyse.sensitivity import designs, estimators, given
from flowreform.analyse.sensitivity.designs import Design, Maker
from flowreform.analyse.sensitivity.estimators import Estimator
from flowreform.errors import ExperimentError, error


@dataclass(frozen=True, slots=True)
class Request:
    """What a method is asked for: the inputs that vary, those of them that take a few values only, and the targets."""

    names: Sequence[str]
    stepped: Sequence[str]
    targets: Sequence[str]


Refusal = tuple[str, str, str]
"""Why a method cannot do it, what to do instead, and the element at fault ("": the method)."""
Needs = Callable[[Request], Iterator[Refusal]]


def anything(request: Request) -> Iterator[Refusal]:
    """Nothing is refused."""
    yield from ()


def _derivatives(request: Request) -> Iterator[Refusal]:
    if request.stepped:
        yield "dgsm needs derivatives, and a discrete input has none", "take sobol or morris", request.stepped[0]


def _a_target(request: Request) -> Iterator[Refusal]:
    if not request.targets:
        yield "regional needs a target to separate runs by", 'give --target "payback <= 60"', ""


def _no_target(request: Request) -> Iterator[Refusal]:
    if request.targets:
        reason = "delta compares whole distributions, and a target has two values"
        yield reason, "take regional or pawn for targets", request.targets[0]


def _several(request: Request) -> Iterator[Refusal]:
    if len(request.names) == 1:
        yield "fast tells parameters apart, and there is one", "take sobol or rbd_fast", ""


MOST_BYTES = 6 * 2**30
"""What the points of a design may take."""
MOST_FF = 256
"""Most parameters of a fractional factorial."""


def _not_too_many(request: Request) -> Iterator[Refusal]:
    if len(request.names) > MOST_FF:
        yield f"{len(request.names)} parameters are over the limit of {MOST_FF}", "take morris", ""


@dataclass(frozen=True)
class SensitivityMethod:
    """One way to ask what matters.

    `design` makes the points, `estimate` the indices; `needs` says what it cannot do. `indices` are named in order, `leading` is
    the one to rank by; `shares` says that indices are shares of a variance (0 to 1, where ends can be passed by sampling error),
    `in_units` that they are in the unit of what is measured. `smallest` is the least number of samples; `fixed` says that the
    number of runs follows from the parameters alone. `partial` says that part of the sample stands for itself, so that
    convergence can be shown and failed runs left out. `given` says that any sample of all inputs will do, correlated ones and
    one that was run before included. `pairs`: pairs of inputs are estimated "never", when "asked", or "always". `courses`:
    variables are followed over time where nobody says which. `measures`: KPIs are explained, and not targets alone. `by_base`:
    indices are scaled by the variance of the base points alone. `slow`: fewer resamplings."""

    label: str
    design: Maker
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
    pairs: str = "never"
    courses: bool = True
    measures: bool = True
    by_base: bool = False
    needs: Needs = anything


_method = SensitivityMethod
METHODS: dict[str, SensitivityMethod] = {
    "sobol": _method("Sobol indices", designs.sobol, estimators.sobol, ("S1", "ST"), "ST", 4, shares=True, pairs="asked"),
    "morris": _method("Morris elementary effects", designs.morris, estimators.morris, ("mu", "mu_star", "sigma"), "mu_star", 2,
                     in_units=True),
    "fast": _method("FAST", designs.fast, given.fast, ("S1", "ST"), "ST", 130, shares=True, partial=False, needs=_several),
    "rbd_fast": _method("RBD-FAST", designs.latin, given.rbd_fast, ("S1",), "S1", 64, shares=True, given=True),
    "delta": _method("delta moment-independent", designs.latin, given.delta, ("delta", "S1"), "delta", 50, shares=True, slow=True,
                    given=True, courses=False, needs=_no_target),
    "pawn": _method("PAWN", designs.latin, given.pawn, ("median", "minimum", "mean", "maximum", "CV", "stdev"), "median", 50,
                   given=True),
    "dgsm": _method("derivative-based (DGSM)", designs.dgsm, estimators.dgsm, ("vi", "vi_std", "dgsm"), "dgsm", 2,
                   by_base=True, needs=_derivatives),
    "ff": _method("fractional factorial", designs.ff, estimators.ff, ("ME",), "ME", 0, in_units=True, partial=False, fixed=True,
                 pairs="always", needs=_not_too_many),
    "tornado": _method("one at a time", designs.tornado, estimators.tornado, ("low", "high", "swing"), "swing", 0, in_units=True,
                      partial=False, fixed=True),
    "regional": _method("Monte Carlo filtering", designs.latin, given.regional, ("distance", "p_value", "shift"), "distance", 20,
                       given=True, courses=False, measures=False, needs=_a_target),
}  # fmt: skip


def make(method: str, parameters: int, samples: int, seed: int, *, second_order: bool = False) -> Design:
    """The design of a method.

    `samples` counts base points (sobol, dgsm), trajectories (morris), points of each curve (fast) or runs (all that take a
    Latin hypercube); ff and tornado have no choice of it. Raises ValueError for a method that is not there."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}")
    rows = samples * {"sobol": (1 + second_order) * parameters + 2, "morris": parameters + 1, "dgsm": parameters + 1,
                      "fast": parameters}.get(method, 1)  # fmt: skip
    if not METHODS[method].fixed and rows * parameters * 8 > MOST_BYTES:
        reason = f"{samples:,} samples of {parameters} inputs would take {rows * parameters * 8 / 2**30:,.0f} GiB"
        raise ExperimentError(error("too-large", reason, "take fewer samples", file="command line", element="--samples"))
    with warnings.catch_warnings():  # what SALib and scipy say about sample sizes is said by this package, in its own words
        warnings.simplefilter("ignore")
        return replace(METHODS[method].design(parameters, samples, seed, second_order), method=method)


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
