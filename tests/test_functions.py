"""Every built-in that works on numbers: CPython and numba agree to the last bit, and neither ever raises."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from flowreform import arithmetic, functions
from flowreform.functions import Kind

ROWS = [row for row in functions.BUILTINS.values() if row.python is not None]
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.0, 2.5, 3.0, 1e-7, 1e300, -1e300, 5e-324, math.inf, -math.inf, math.nan)
COUNT = 1_000_000


def _inputs(row: functions.Builtin) -> list[np.ndarray]:
    """One million inputs: every combination of special values, and random numbers of every size."""
    count = len(inspect.signature(row.python).parameters)
    random = np.random.default_rng(20240601)
    every = np.array(SPECIAL)
    columns = []
    for i in range(count):
        spread = random.standard_normal(COUNT) * 10.0 ** random.uniform(-3, random.choice([1, 3, 12, 300]), COUNT)
        near = np.round(random.uniform(-20, 20, COUNT) * 8) / 8  # exact quarters and halves: ties and boundaries
        column = np.where(random.random(COUNT) < 0.5, spread, near)
        grid = np.tile(np.repeat(every, len(every) ** i), COUNT // len(every) ** (i + 1) + 1)[: COUNT // 4]
        column[: len(grid)] = grid
        columns.append(column)
    if row.kind is Kind.TIMED and count > 2 and "dt" in inspect.signature(row.python).parameters:
        columns[1] = np.abs(random.choice([0.0625, 0.1, 0.25, 1.0], COUNT))
    return columns


def _bits(values: np.ndarray) -> np.ndarray:
    """The bit patterns, with one pattern for all NaN."""
    values = np.where(np.isnan(values), np.nan, values)
    return values.view(np.uint64)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_engines_agree_bit_for_bit(row: functions.Builtin) -> None:
    import numba

    from flowreform.engine.native import HELPERS

    compiled = HELPERS[row.python.__name__]
    columns = _inputs(row)
    names = ", ".join(f"a{i}" for i in range(len(columns)))
    text = (
        f"def loop(out, {names}):\n    for i in range(out.shape[0]):\n"
        f"        out[i] = f({', '.join(f'a{i}[i]' for i in range(len(columns)))})\n"
    )
    scope = {"f": compiled}
    exec(text, scope)
    fast = np.empty(COUNT)
    numba.njit(error_model="numpy")(scope["loop"])(fast, *columns)
    slow = np.array([row.python(*values) for values in zip(*(column.tolist() for column in columns), strict=True)])
    different = np.flatnonzero(_bits(fast) != _bits(slow))
    shown = [(tuple(column[i] for column in columns), fast[i], slow[i]) for i in different[:5]]
    assert not len(different), f"{len(different)} of {COUNT} differ: {shown}"


def test_the_comparison_can_fail() -> None:
    """A mutant: a rounding that differs in the last bit for a few inputs is seen by the same comparison."""
    random = np.random.default_rng(1).uniform(0, 10, 1000)
    assert (_bits(random * 0.1) != _bits(random / 10.0)).any()


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (arithmetic.divide, (1.0, 0.0), math.inf),
        (arithmetic.divide, (-1.0, 0.0), -math.inf),
        (arithmetic.divide, (1.0, -0.0), -math.inf),
        (arithmetic.divide, (0.0, 0.0), math.nan),
        (arithmetic.power, (-8.0, 1 / 3), math.nan),
        (arithmetic.power, (-2.0, 3.0), -8.0),
        (arithmetic.power, (0.0, -1.0), math.inf),
        (arithmetic.power, (10.0, 400.0), math.inf),
        (arithmetic.exp, (1000.0,), math.inf),
        (arithmetic.ln, (0.0,), -math.inf),
        (arithmetic.ln, (-1.0,), math.nan),
        (arithmetic.floor, (-1.5,), -2.0),
        (arithmetic.trunc, (-1.5,), -1.0),
        (arithmetic.ceiling, (-1.5,), -1.0),
        (arithmetic.nearest, (2.5,), 3.0),
        (arithmetic.nearest, (-2.5,), -3.0),
        (arithmetic.modulo, (-7.0, 3.0), -1.0),
        (arithmetic.wrap, (-7.0, 3.0), 2.0),
        (arithmetic.quantum, (7.6, 0.5), 7.5),
        (arithmetic.smaller, (math.nan, 1.0), math.nan),
        (arithmetic.smaller, (1.0, math.nan), math.nan),
        (arithmetic.larger, (1.0, math.nan), math.nan),
        (arithmetic.guarded_divide, (1.0, 1e-9, 7.0), 7.0),
        (arithmetic.safe_divide, (1.0, 0.0, 7.0), 7.0),
        (arithmetic.step, (5.0, 0.5, 3.0, 5.0), 3.0),
        (arithmetic.step, (4.5, 0.5, 3.0, 5.0), 0.0),
        (arithmetic.ramp, (7.0, 2.0, 5.0, 6.0), 2.0),
        (arithmetic.pulse, (5.0, 0.5, 3.0, 5.0, 0.0), 6.0),
        (arithmetic.pulse, (5.5, 0.5, 3.0, 5.0, 0.0), 0.0),
        (arithmetic.pulse_width, (5.5, 0.5, 5.0, 1.0), 1.0),
        (arithmetic.pulse_width, (6.0, 0.5, 5.0, 1.0), 0.0),
    ],
)
def test_worked_values(function: object, arguments: tuple[float, ...], expected: float) -> None:
    result = function(*arguments)  # type: ignore[operator]
    assert result == expected or (math.isnan(result) and math.isnan(expected))


def test_a_pulse_train_never_misses_a_tick() -> None:
    """With dt = 0.1 an added-up clock drifts past t = 120; `t0 + n * dt` with half a step of slack does not."""
    ticks = [n for n in range(2001) if arithmetic.pulse_train(0.0 + n * 0.1, 0.1, 0.0, 0.1, 10.0, 1e9) == 1.0]
    assert ticks == [n for n in range(2001) if n % 100 == 0]


def test_every_row_is_callable_or_says_why_not() -> None:
    for row in functions.BUILTINS.values():
        if row.kind in (Kind.PURE, Kind.TIMED):
            assert row.python is not None
        if row.kind is Kind.REFUSED:
            assert row.note


def test_aliases_lead_to_rows() -> None:
    for name in functions.ALIASES:
        if name != "integ":
            assert functions.find(name) is not None
