"""The worst of a window against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowreform.analyse.planning.windows import worst


def plain(values: list[float], first: float, last: float, period: int, sign: float) -> float:
    """One run, saved once a time unit, by the words of the specification."""
    inside = [at for at in range(len(values)) if first - 1e-6 <= at <= last + 1e-6]
    if not inside:
        return float("nan")
    low, high = inside[0], inside[-1]
    if not period or low == high:
        found = [values[at] for at in inside]
    else:
        length = min(period, high - low)
        starts = list(range(low, high - length + 1, length))
        if starts[-1] + length < high:
            starts.append(high - length)
        found = [sum((values[at] + values[at + 1]) / 2 for at in range(begin, begin + length)) / length for begin in starts]
    return max(found) if sign > 0 else min(found)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=30),
    st.floats(-3, 32), st.floats(-3, 32), st.sampled_from([0, 1, 3, 12]), st.sampled_from([1.0, -1.0]),
)  # fmt: skip
def test_worst_is_that_of_a_plain_loop(values: list[float], first: float, last: float, period: int, sign: float) -> None:
    table = np.array(values)[:, None]
    got = worst(table, 1.0, np.array([first]), np.array([last]), period, sign)[0]
    assert got == pytest.approx(plain(values, first, last, period, sign), rel=1e-9, abs=1e-9, nan_ok=True)


def test_each_run_has_its_own_window() -> None:
    values = np.array([[1.0, 1.0], [5.0, 5.0], [2.0, 2.0]])
    got = worst(values, 1.0, np.array([0.0, 2.0]), np.array([2.0, 2.0]), 0, 1.0)
    assert got.tolist() == [5.0, 2.0]


def test_a_mean_over_a_mean_is_the_ratio_of_periods() -> None:
    values, base = np.array([[2.0], [4.0], [2.0]]), np.array([[1.0], [3.0], [1.0]])
    assert worst(values, 1.0, np.zeros(1), np.full(1, 2.0), 2, 1.0, base, "times")[0] == pytest.approx(3.0 / 2.0)
    assert worst(values, 1.0, np.zeros(1), np.full(1, 2.0), 0, 1.0, base, "times")[0] == pytest.approx(2.0)
    assert worst(values, 1.0, np.zeros(1), np.full(1, 2.0), 0, 1.0, base, "plus")[0] == pytest.approx(1.0)


def test_over_nothing_a_ratio_is_infinite_and_nothing_over_nothing_is_kept() -> None:
    zero = np.zeros((2, 1))
    assert worst(np.ones((2, 1)), 1.0, np.zeros(1), np.ones(1), 0, 1.0, zero, "times")[0] == np.inf
    assert worst(zero, 1.0, np.zeros(1), np.ones(1), 0, 1.0, zero, "times")[0] == 0.0
    assert np.isnan(worst(np.ones((2, 1)), 1.0, np.zeros(1), np.ones(1), 0, 1.0, zero - 1, "times")[0])
