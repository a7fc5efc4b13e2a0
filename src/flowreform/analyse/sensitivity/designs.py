"""Which points of the unit cube are run: the designs of SALib, one row a run, one column a parameter.

Rows stand in blocks that belong together (a base point with its neighbours, a trajectory). A block that has lost a run can
be left out whole; a design of a single block can spare none.

All inputs of a design are drawn together from one seed: with one input more all points are others, unlike the draws of an
experiment.
"""

from __future__ import annotations

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
    `second_order` says of a Sobol design whether it holds the rows for pairs, `corners` of any whether it goes to the very ends
    of every input; `method` is the name of the method that it was made for."""

    unit: Floats
    block: int
    free: tuple[int, ...] = ()
    second_order: bool = False
    corners: bool = False
    method: str = ""

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


Maker = Callable[[int, int, int, bool], Design]
"""A design for so many parameters and samples, from a seed, with or without the rows for pairs."""


def problem(parameters: int) -> dict[str, Any]:
    """SALib's description of the unit cube."""
    return {
        "num_vars": parameters,
        "names": [f"x{at}" for at in range(parameters)],
        "bounds": [[0.0, 1.0] for _ in range(parameters)],
    }


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
        name: item.quantile(_inside(design.unit[:, at], item, design.corners))
        for at, (name, item) in enumerate(uncertainties.items())
    }


def _inside(u: Floats, item: Uncertainty, corners: bool) -> Floats:
    if not item.kind.endless:
        return np.clip(u, 2.0**-60, 1.0 - 2.0**-53)
    reach = CORNER if corners else TAIL
    return np.clip(u, reach, 1.0 - reach)


def sobol(parameters: int, samples: int, seed: int, second_order: bool) -> Design:
    """Two independent samples and, for each input, the first with that input of the second (Saltelli et al. 2010)."""
    from SALib.sample import sobol as sampler

    unit = sampler.sample(problem(parameters), samples, calc_second_order=second_order, seed=seed)
    block = (2 if second_order else 1) * parameters + 2
    return Design(unit, block, (0, block - 1), second_order)


def morris(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """Trajectories over a grid, one input at a time (Morris 1991)."""
    from SALib.sample import morris as sampler

    unit = sampler.sample(problem(parameters), samples, num_levels=LEVELS, seed=seed)
    return Design(unit, parameters + 1, corners=True)


def fast(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """A curve through the cube for each input (Saltelli, Tarantola and Chan 1999)."""
    from SALib.sample import fast_sampler

    unit = fast_sampler.sample(problem(parameters), samples, seed=seed)
    return Design(unit, len(unit))


def dgsm(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """Points with a neighbour along each input (Sobol and Kucherenko 2009)."""
    from SALib.sample import finite_diff

    return Design(finite_diff.sample(problem(parameters), samples, seed=seed), parameters + 1, (0,))


def ff(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """A fractional factorial of two levels (Saltelli et al. 2008, The Primer)."""
    from SALib.sample import ff as sampler

    unit = sampler.sample(problem(parameters))[:, :parameters]
    return Design(np.ascontiguousarray(unit), len(unit), corners=True)


def tornado(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """The middle, then for each parameter its low and its high end, the others at their medians."""
    unit = np.full((2 * parameters + 1, parameters), 0.5)
    for at in range(parameters):
        unit[1 + 2 * at, at], unit[2 + 2 * at, at] = OUTER
    return Design(unit, len(unit))


def latin(parameters: int, samples: int, seed: int, _: bool) -> Design:
    """A Latin hypercube: one sample in each of as many equal strata of every input."""
    from SALib.sample import latin as sampler

    return Design(sampler.sample(problem(parameters), samples, seed=seed), 1, (0,))
