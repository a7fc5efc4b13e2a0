"""The one quantile over draws, against the definition: the value at rank share * (n - 1), straight lines between ranks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.statistics import quantiles


def by_definition(values: list[float], share: float) -> float:
    ranked = sorted(value for value in values if math.isfinite(value))
    if not ranked:
        return math.nan
    rank = share * (len(ranked) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (rank - below) * (ranked[above] - ranked[below])


NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf])


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=12), st.floats(0, 1))
def test_it_is_the_definition_and_leaves_out_what_is_no_number(rows: list[list[float]], share: float) -> None:
    found = quantiles(np.array(rows), [share])
    assert found[0] == pytest.approx(
        [by_definition(list(column), share) for column in zip(*rows, strict=True)], rel=1e-9, nan_ok=True
    )
    assert quantiles(np.array(rows).T, [share], axis=1) == pytest.approx(found, nan_ok=True)


def test_without_draws_there_is_no_quantile() -> None:
    assert np.isnan(quantiles(np.empty((0, 2)), [0.1, 0.9])).all()


def test_a_time_that_never_comes_counts_where_it_may() -> None:
    values = np.array([1.0, 2.0, math.inf, math.inf])
    assert list(quantiles(values, [0.0, 0.5, 1.0], endless=True)) == [1.0, math.inf, math.inf]
    assert list(quantiles(values, [0.5])) == [1.5]
