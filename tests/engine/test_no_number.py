"""What has no number stays without one: 0/0 in a condition, a subscript or a time is a failed run and never a quiet "no"; a
subscript that names no element is 0 (XMILE 1.0, section 3.7.1)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from building import auxiliary, flow, model, parameter, stock, variable
from flowreform.engine import expressions
from flowreform.model import Dimension, Model, Role
from flowreform.runs import simulate

WARD = Dimension("ward", "ward", ("a", "b", "c"))
SHIFT = Dimension("shift", "shift", ("early", "late", "night"))


def built(*equations: str) -> Model:
    """`x0`, `x1` ... by equations that may read `zero`; a stock `s` counts from 1, `q` of a ward is 10, 20, 30, and `n` of each
    ward and shift 11 to 33."""
    parts = [
        parameter("zero", 0.0),
        stock("s", "1", inflows=("f",)),
        flow("f", "1"),
        variable("q", Role.AUXILIARY, "ward * 10", dimensions=("ward",)),
        variable("n", Role.AUXILIARY, "ward * 10 + shift", dimensions=("ward", "shift")),
        *(auxiliary(f"x{at}", equation) for at, equation in enumerate(equations)),
    ]
    return model(parts, dt=1.0, stop=3.0, dimensions=[WARD, SHIFT])


def course(equation: str, zero: float) -> tuple[bool, list[float]]:
    """Whether the run failed, and the value of an equation over time."""
    ds = simulate(built(equation), {"zero": zero}, engine="python")
    return bool(ds["failed"].any()), ds["x0"].values[0].tolist()


SWALLOWED = (
    "IF {} > 0 THEN 1 ELSE 2", "IF {} <= 0 THEN 1 ELSE 2", "IF {} = 1 THEN 1 ELSE 2", "IF {} THEN 1 ELSE 2",
    "IF NOT({} > 0) THEN 1 ELSE 2", "IF s > 0 AND {} > 0 THEN 1 ELSE 2", "IF s < 0 OR {} > 0 THEN 1 ELSE 2",
    "IF {} > 0 AND {} < 9 THEN 1 ELSE 2", "IF {} > 0 OR {} < 9 THEN 1 ELSE 2", "IF LN({} - 1) < 0 THEN 1 ELSE 2",
    "IF s > 0 THEN (IF {} > 0 THEN 1 ELSE 2) ELSE 3", "({} > 0) + 1", "NOT {}", "SUM(q[*]) * ({} > 0)", "MAX(0, {} > 1)",
    "q[{}]", "q[1 + {}]", "STEP(1, {})", "PULSE(1, {})", "PULSE(1, 1, {})", "RAMP(1, {})", "RAMP(1, 0, {})", "DELAY(1, {})",
    "SAMPLE_IF_TRUE({} > 1, 1, 0)", "MAX(0, {})", "MIN(0, {})", "INT({})",
)  # fmt: skip


@pytest.mark.parametrize("equation", SWALLOWED)
def test_a_fault_of_arithmetic_is_a_failed_run_wherever_it_stands(equation: str) -> None:
    failed, values = course(equation.replace("{}", "(zero/zero)"), 0.0)
    assert failed, values
    assert any(math.isnan(value) for value in values)
    failed, values = course(equation.replace("{}", "(zero/zero)"), 3.0)
    assert not failed or "LN" in equation  # the logarithm of 0 is infinite, and less than 0


GUARDED = {
    "IF zero > 0 AND 1/zero > 9 THEN 1 ELSE 2": 2.0,
    "IF (zero > 0) AND (zero/zero > 9) THEN 1 ELSE 2": 2.0,
    "IF (zero/zero > 9) AND (zero > 0) THEN 1 ELSE 2": 2.0,
    "IF (zero = 0) OR (zero/zero > 9) THEN 1 ELSE 2": 1.0,
    "IF NOT((zero > 0) AND (zero/zero > 9)) THEN 1 ELSE 2": 1.0,
    "IF (s > 99 OR zero > 0) AND (zero/zero > 9 OR zero/zero < 1) THEN 1 ELSE 2": 2.0,
    "IF zero > 0 THEN zero/zero ELSE 7": 7.0,
    "IF 1/zero > 9 THEN 1 ELSE 2": 1.0,
}


@pytest.mark.parametrize("equation", GUARDED)
def test_a_guard_decides_without_the_number_that_is_not_there(equation: str) -> None:
    assert course(equation, 0.0) == (False, [GUARDED[equation]] * 4)


def test_the_engines_agree() -> None:
    """All equations in one model, in a run with 0 and one with 3."""
    equations = [equation.replace("{}", "(zero/zero)") for equation in SWALLOWED]
    whole = built(*equations, *GUARDED, "q[zero]", "n[zero, s]", "n[s, zero - 1]")
    slow, fast = (simulate(whole, {"zero": [0.0, 3.0, 0.5, 4.0]}, engine=engine) for engine in ("python", "numba"))
    for name in (f"x{at}" for at in range(len(SWALLOWED) + len(GUARDED) + 3)):
        np.testing.assert_array_equal(slow[name].values, fast[name].values, err_msg=name)
    np.testing.assert_array_equal(slow["failed"].values, fast["failed"].values)


@pytest.mark.parametrize("equation", ["IF zero/zero > 0 THEN 1 ELSE 2", "q[zero/zero]"])
def test_an_engine_that_takes_it_for_no_is_caught(equation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant asks no condition and no subscript whether it has a number."""
    monkeypatch.setattr(expressions, "_may_fail", lambda code: False)
    with pytest.raises(AssertionError):
        test_a_fault_of_arithmetic_is_a_failed_run_wherever_it_stands(equation.replace("zero/zero", "{}"))


@pytest.mark.parametrize(
    ("index", "expected"),
    [(-1.0, 0.0), (0.0, 0.0), (0.999, 0.0), (1.0, 10.0), (1.999, 10.0), (2.5, 20.0), (3.0, 30.0), (3.999, 30.0), (4.0, 0.0)],
)
def test_a_subscript_is_rounded_down_and_outside_there_is_nothing(index: float, expected: float) -> None:
    assert course("q[zero]", index) == (False, [expected] * 4)
    assert course("SUM(q[*]) + q[zero] + q[s]", index) == (False, [60 + expected + at for at in (10.0, 20.0, 30.0, 0.0)])


@pytest.mark.parametrize(("i", "j", "expected"), [(0, 1, 0.0), (1, 0, 0.0), (1, 3, 13.0), (3, 2, 32.0), (4, 4, 0.0)])
def test_either_subscript_of_two_may_be_outside(i: int, j: int, expected: float) -> None:
    assert course(f"n[zero + {i}, zero + {j}]", 0.0) == (False, [expected] * 4)
