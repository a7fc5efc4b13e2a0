"""Inputs that move together: a rank correlation of two, and the matrix of normal variables behind several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict

from flowreform.case.uncertainty import Sourced

Floats = NDArray[np.float64]


class Correlation(Sourced):
    """`[[correlations]]`: two uncertainties that are high together (above 0) or in turn (below 0)."""

    between: Annotated[tuple[str, str], Strict(False)]
    """The two uncertainties."""
    rank_correlation: Annotated[float, Field(gt=-1.0, lt=1.0)]
    """Spearman's: the correlation of their ranks, whatever their distributions."""

    @property
    def normal(self) -> float:
        """The correlation of the two normal variables that gives this rank correlation (Pearson 1907)."""
        return float(2.0 * np.sin(np.pi * self.rank_correlation / 6.0))


def matrix_of(names: Sequence[str], correlations: Iterable[Correlation]) -> Floats:
    """float64[name, name]: the correlations of normal variables, in the order of `names`."""
    found = np.eye(len(names))
    for item in correlations:
        one, other = (names.index(name) for name in item.between)
        found[one, other] = found[other, one] = item.normal
    return found


def named_in(correlations: Iterable[Correlation]) -> set[str]:
    """Every uncertainty that is correlated with another."""
    return {name for item in correlations for name in item.between}
