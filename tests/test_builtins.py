"""Every built-in that works on numbers: CPython and numba agree to the last bit, and neither ever raises."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re

import numpy as np
import pytest

from building import auxiliary, model
from flowreform import arithmetic, builtins
from flowreform.builtins import Kind
from flowreform.checks import check
from flowreform.checks.consistency import signature
from flowreform.lower.resolve import lowering

ROWS = [row for row in builtins.BUILTINS.values() if row.python is not None]
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.0, 2.5, 3.0, 1e-7, 1e300, -1e300, 5e-324, math.inf, -math.inf, math.nan)
COUNT = 1_000_000
SLOW = ("poisson_between", "binomial_between")
"""What adds up hundreds of probabilities in one call."""


def _inputs(row: builtins.Builtin) -> list[np.ndarray]:
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
        columns.append(column[: COUNT // 50 if row.name in SLOW else COUNT // 5 if row.name.endswith("_between") else COUNT])
    if row.kind is Kind.TIMED and count > 2 and "dt" in inspect.signature(row.python).parameters:
        columns[1] = np.abs(random.choice([0.0625, 0.1, 0.25, 1.0], COUNT))
    return columns


def _bits(values: np.ndarray) -> np.ndarray:
    """The bit patterns, with one pattern for all NaN."""
    values = np.where(np.isnan(values), np.nan, values)
    return values.view(np.uint64)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_engines_agree_bit_for_bit(row: builtins.Builtin) -> None:
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
    fast = np.empty(len(columns[0]))
    numba.njit(error_model="numpy")(scope["loop"])(fast, *columns)
    slow = np.array([row.python(*values) for values in zip(*(column.tolist() for column in columns), strict=True)])
    different = np.flatnonzero(_bits(fast) != _bits(slow))
    shown = [(tuple(column[i] for column in columns), fast[i], slow[i]) for i in different[:5]]
    assert not len(different), f"{len(different)} of {len(fast)} differ: {shown}"


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


# What a record of each kind must have, and must not.
CELLS = {
    Kind.PURE: {"python"},
    Kind.TIMED: {"python"},
    Kind.STATE: {"lowering", "at_start"},
    Kind.REDUCE: {"lowering"},
    Kind.VECTOR: {"lowering"},
    Kind.FORM: {"lowering"},
    Kind.RANDOM: {"lowering"},
    Kind.VALUE: set(),
    Kind.REFUSED: {"note"},
}
CALLED = [row for row in builtins.BUILTINS.values() if row.kind not in (Kind.REFUSED, Kind.VALUE) and row.name != "random_0_1"]


def faults(row: builtins.Builtin) -> list[str]:
    """What is missing from a record, or contradicts itself."""
    found = [f"it has no {cell}" for cell in sorted(CELLS[row.kind]) if not getattr(row, cell)]
    also = {cell for kind, cells in CELLS.items() for cell in cells if kind is not row.kind} - CELLS[row.kind]
    found += [f"a {row.kind} built-in has no {cell}" for cell in sorted(also) if getattr(row, cell)]
    numeric = row.kind in (Kind.PURE, Kind.TIMED)
    if numeric and bool(row.excel) == bool(row.no_excel):
        found.append("it needs either an Excel form or the reason why there is none")
    if numeric and row.python is not None:
        names = [
            name
            for name in inspect.signature(row.python).parameters
            if not (row.kind is Kind.TIMED and name in ("t", "begun", "dt"))
        ]
        if len(names) != (2 if row.repeats else row.most):
            found.append(f"its Python form takes {len(names)} numbers and its call {row.most}")
        if len({argument.word for argument in row.arguments}) != len(row.arguments):
            found.append("two arguments have one word")
    if numeric and any(argument.optional and not argument.default for argument in row.arguments):
        found.append("an optional argument has no value to take its place")
    if numeric and row.excel:
        used = {int(number) for number in re.findall(r"\{(\d+)\}", row.excel)}
        if used != set(range(2 if row.repeats else len(row.arguments))):
            found.append(f"its Excel form uses the arguments {sorted(used)}")
    words = {word.replace(" ", "_") for word in row.words}
    named = {word for words in (*row.now, *row.at_start) for word in words.split("|")}
    found += [f"it has no argument {word}" for word in sorted(named - words)]
    if row.lowering:
        try:
            count = len(inspect.signature(lowering(row)).parameters)
            found += [f"its lowering takes {count} arguments"] * (count != 4)
        except (AttributeError, KeyError):
            found.append(f"there is no {row.lowering} in flowreform.lower")
    try:
        signature(row)
    except ValueError as fault:
        found.append(f"its units cannot be read: {fault}")
    return found


@pytest.mark.parametrize("row", builtins.BUILTINS.values(), ids=lambda row: row.name)
def test_every_record_is_whole(row: builtins.Builtin) -> None:
    assert faults(row) == []


@pytest.mark.parametrize("cell", ["python", "excel", "lowering", "note", "arguments", "at_start"])
def test_a_record_without_a_cell_is_seen(cell: str) -> None:
    """A mutant for each cell: the walk above names what is missing."""
    names = {
        "python": "abs",
        "excel": "step",
        "lowering": "vector_rank",
        "note": "gamma",
        "arguments": "pulse",
        "at_start": "delay1",
    }
    row = builtins.BUILTINS[names[cell]]
    empty = () if isinstance(getattr(row, cell), tuple) else None if cell == "python" else ""
    assert faults(dataclasses.replace(row, **{cell: empty}))


@pytest.mark.parametrize("row", CALLED, ids=lambda row: row.name)
def test_a_wrong_number_of_arguments_is_answered_with_the_words(row: builtins.Builtin) -> None:
    spelling = row.also[0] if row.name == "if" else row.name  # IF() is no call
    found = [f for f in check(model([auxiliary("y", f"{spelling}()")])) if f.rule == "argument-count"]
    assert found
    assert all(word in found[0].repair for word in row.words)


def test_spellings_lead_to_one_record() -> None:
    spellings = [name for row in builtins.BUILTINS.values() for name in (row.name, *row.also)]
    assert len(spellings) == len(set(spellings))
    assert all(builtins.find(name) is not None for name in spellings)
