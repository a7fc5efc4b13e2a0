"""Which points of the unit cube are run: the designs of SALib, one row a run, one column a parameter.

Rows stand in blocks that belong together (a base point with its neighbours, a trajectory). A block that has lost a run can
be left out whole; a design of a single block can spare none.

All inputs of a design are drawn together from one seed: with one input more all points are others, unlike the draws of an
experiment.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.case.uncertainty import Uncertainty
from flowreform.experiment import Correlation
from flowreform.sampling import correlated

Floats = NDArray[np.float64]

LEVELS = 4
"""Levels of the grid of Morris trajectories; SALib's default."""
CORNER = 0.005
"""Where a design asks for the very end of an endless distribution, it gets this percentile (and 1 less it)."""
TAIL = 1e-6
"""No other design goes further into the tail of an endless distribution."""
OUTER = (0.05, 0.95)
"""The percentiles between which a tornado moves each parameter."""


@dataclass(frozen=True)
class Design:
    """Points of the unit cube, float64[row, parameter], in blocks of `block` rows.

    `free` are the rows of a block that are independent draws of all parameters: of those, bands and shares can be taken.
    `second_order` says of a Sobol design whether it holds the rows for pairs."""

    method: str
    unit: Floats
    block: int
    free: tuple[int, ...] = ()
    second_order: bool = False

    @property
    def parameters(self) -> int:
        """How many parameters vary."""
        return int(self.unit.shape[1])

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.unit) // self.block

    def rows(self, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The rows of some blocks: bool[block] to bool[row]."""
        return np.repeat(kept, self.block)

    def take(self, kept: NDArray[np.bool_]) -> Design:
        """The design with some of its blocks only."""
        return self if bool(kept.all()) else replace(self, unit=self.unit[self.rows(kept)])

    def free_rows(self) -> NDArray[np.int_]:
        """The rows that are independent draws of all parameters, in order."""
        starts = np.arange(self.blocks)[:, None] * self.block
        return np.asarray((starts + np.array(self.free, dtype=int)).ravel()) if self.free else np.zeros(0, dtype=int)


def problem(parameters: int) -> dict[str, Any]:
    """SALib's description of the unit cube."""
    return {
        "num_vars": parameters,
        "names": [f"x{at}" for at in range(parameters)],
        "bounds": [[0.0, 1.0] for _ in range(parameters)],
    }


def make(method: str, parameters: int, samples: int, seed: int, *, second_order: bool = False) -> Design:
    """The design of a method.

    `samples` counts base points (sobol, dgsm), trajectories (morris), points of each curve (fast) or runs (all that take a
    Latin hypercube); ff and tornado have no choice of it. Raises ValueError for a method that is not there."""
    if method not in _MAKERS:
        raise ValueError(f"unknown method {method!r}")
    with warnings.catch_warnings():  # what SALib and scipy say about sample sizes is said by this package, in its own words
        warnings.simplefilter("ignore")
        return _MAKERS[method](parameters, samples, seed, second_order)


def mixed(design: Design, names: Sequence[str], correlations: Sequence[Correlation]) -> Design:
    """The design with its columns correlated, re-ordered so that a Latin hypercube stays one; the same where nothing is."""
    if not correlations:
        return design
    columns = correlated(
        {name: np.clip(design.unit[:, at], 2.0**-60, 1.0 - 2.0**-53) for at, name in enumerate(names)}, correlations, reorder=True
    )
    return replace(design, unit=np.stack([columns[name] for name in names], axis=1))


def values_of(design: Design, uncertainties: dict[str, Uncertainty]) -> dict[str, Floats]:
    """The design in each parameter's own unit, float64[row] by name: through the inverse of its distribution."""
    return {
        name: item.quantile(_inside(design.unit[:, at], item, design.method))
        for at, (name, item) in enumerate(uncertainties.items())
    }


def _inside(u: Floats, item: Uncertainty, method: str) -> Floats:
    if not item.kind.endless:
        return np.clip(u, 2.0**-60, 1.0 - 2.0**-53)
    reach = CORNER if method in ("morris", "ff") else TAIL
    return np.clip(u, reach, 1.0 - reach)


def _sobol(parameters: int, samples: int, seed: int, second_order: bool) -> Design:
    from SALib.sample import sobol

    unit = sobol.sample(problem(parameters), samples, calc_second_order=second_order, seed=seed)
    block = (2 if second_order else 1) * parameters + 2
    return Design("sobol", unit, block, (0, block - 1), second_order)


def _morris(parameters: int, samples: int, seed: int, _: bool) -> Design:
    from SALib.sample import morris

    return Design("morris", morris.sample(problem(parameters), samples, num_levels=LEVELS, seed=seed), parameters + 1)


def _fast(parameters: int, samples: int, seed: int, _: bool) -> Design:
    from SALib.sample import fast_sampler

    unit = fast_sampler.sample(problem(parameters), samples, seed=seed)
    return Design("fast", unit, len(unit))


def _dgsm(parameters: int, samples: int, seed: int, _: bool) -> Design:
    from SALib.sample import finite_diff

    return Design("dgsm", finite_diff.sample(problem(parameters), samples, seed=seed), parameters + 1, (0,))


def _ff(parameters: int, samples: int, seed: int, _: bool) -> Design:
    from SALib.sample import ff

    unit = ff.sample(problem(parameters))[:, :parameters]
    return Design("ff", np.ascontiguousarray(unit), len(unit))


def _tornado(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """The middle, then for each parameter its low and its high end, the others at their medians."""
    unit = np.full((2 * parameters + 1, parameters), 0.5)
    for at in range(parameters):
        unit[1 + 2 * at, at], unit[2 + 2 * at, at] = OUTER
    return Design("tornado", unit, len(unit))


def _latin(method: str) -> Callable[[int, int, int, bool], Design]:
    def make(parameters: int, samples: int, seed: int, _: bool) -> Design:
        from SALib.sample import latin

        return Design(method, latin.sample(problem(parameters), samples, seed=seed), 1, (0,))

    return make


_MAKERS: dict[str, Callable[[int, int, int, bool], Design]] = {
    "sobol": _sobol,
    "morris": _morris,
    "fast": _fast,
    "dgsm": _dgsm,
    "ff": _ff,
    "tornado": _tornado,
    **{name: _latin(name) for name in ("rbd_fast", "delta", "pawn", "regional")},
}
