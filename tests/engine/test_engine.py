"""The engine against closed forms, and CPython against numba to the last bit."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import auxiliary, flow, model, parameter, stock, variable
from flowreform import engine
from flowreform.engine.memory import zeros
from flowreform.lower import lower
from flowreform.model import Dimension, Lookup, LookupKind, Method, Model, Role
from flowreform.program import Program
from flowreform.runs import simulate
from flowreform.trace import first_failure


def everything(program: Program) -> list[int]:
    """Every slot a user can name."""
    return [slot for place in program.places.values() for slot in place.slots]


def inputs(program: Program, runs: int = 1) -> np.ndarray:
    """The model's own inputs, once for each run."""
    return np.repeat(np.array([value for item in program.inputs for value in item.values])[:, None], runs, axis=1)


def bits(values: np.ndarray) -> np.ndarray:
    """Bit patterns."""
    return np.ascontiguousarray(values).view(np.uint64)


def decay(method: Method, dt: float) -> Model:
    """A stock of 100 that drains with a time constant of 4."""
    return model([stock("s", "100", outflows=("f",)), parameter("k", 4.0), flow("f", "s / k")], stop=8.0, dt=dt, method=method)


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_euler_is_the_difference_equation() -> None:
    ds = simulate(decay(Method.EULER, 0.25))
    n = np.arange(33)
    np.testing.assert_allclose(ds["s"].values[0], 100 * (1 - 0.25 / 4) ** n, rtol=1e-13)


@pytest.mark.parametrize(("method", "order"), [(Method.EULER, 1), (Method.RK2, 2), (Method.RK4, 4)])
def test_halving_dt_shrinks_the_error_by_the_order_of_the_method(method: Method, order: int) -> None:
    errors = [abs(float(simulate(decay(method, dt))["s"][0, -1]) - 100 * math.exp(-2)) for dt in (0.5, 0.25)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


def test_runge_kutta_sees_the_time_inside_a_step() -> None:
    """d/dt s = 3 t^2 is integrated exactly by Simpson's rule, which RK4 becomes when the rate has no stock in it."""
    made = model([stock("s", "0", inflows=("f",)), flow("f", "3 * TIME ^ 2")], stop=4.0, dt=0.5, method=Method.RK4)
    np.testing.assert_allclose(simulate(made)["s"].values[0], np.arange(0, 4.5, 0.5) ** 3, atol=1e-12)


def test_a_third_order_delay_answers_a_step_as_an_erlang_distribution() -> None:
    made = model([auxiliary("d", "DELAY3(STEP(1, 0), 6, 0)")], start=-1.0, stop=20.0, dt=1 / 64, method=Method.RK4)
    ds = simulate(made)
    t = ds["time"].values
    x = np.maximum(t, 0.0) / 2.0
    expected = 1 - np.exp(-x) * (1 + x + x**2 / 2)
    np.testing.assert_allclose(ds["d"].values[0], expected, atol=3e-3)  # the step itself falls inside one RK4 step


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("time", [0.635, 0.75, 3.0])
def test_a_delay_of_order_three_is_one_delay_however_it_is_written(method: Method, time: float) -> None:
    """XMILE's DELAYN keeps its stages also where they are shorter than a step (Vensim's own DELAY N drops some there)."""
    parts = [auxiliary("n", f"DELAYN(TIME, {time}, 3)"), auxiliary("three", f"DELAY3(TIME, {time})")]
    ds = simulate(model([*parts, auxiliary("s", f"SMTHN(TIME, {time}, 3) - SMTH3(TIME, {time})")], stop=3.0, method=method))
    assert ds["n"].values.tolist() == ds["three"].values.tolist()
    assert not ds["s"].values.any()


def test_a_smooth_starts_in_balance_and_halves_on_time() -> None:
    made = model([auxiliary("m", "SMTH1(10 - STEP(10, 0.5), 2)")], stop=4.5, dt=1 / 256, method=Method.RK4)
    ds = simulate(made)
    assert float(ds["m"][0, 0]) == 10.0
    at = float(ds["m"].sel(time=0.5 + 2 * math.log(2), method="nearest")[0])
    assert at == pytest.approx(5.0, rel=5e-3)


def test_time_is_never_added_up() -> None:
    ds = simulate(model([auxiliary("now", "TIME")], stop=200.0, dt=0.1))
    assert ds["now"].values[0].tolist() == [n * 0.1 for n in range(2001)]
    assert ds["time"].values.tolist() == [n * 0.1 for n in range(2001)]


def test_a_pipeline_delay_is_the_input_moved() -> None:
    ds = simulate(model([auxiliary("x", "TIME * 2"), auxiliary("d", "DELAY(x, 1.5, -1)")], stop=5.0, dt=0.5))
    assert ds["d"].values[0].tolist() == [-1, -1, -1, *[t * 2.0 * 0.5 for t in range(8)]]


def test_previous_and_init() -> None:
    ds = simulate(
        model([auxiliary("x", "TIME + 1"), auxiliary("p", "PREVIOUS(x, -5)"), auxiliary("i", "INIT(x)")], stop=2.0, dt=1.0)
    )
    assert ds["p"].values[0].tolist() == [-5, 1, 2]
    assert ds["i"].values[0].tolist() == [1, 1, 1]


def test_a_non_negative_stock_stops_at_zero() -> None:
    ds = simulate(model([stock("s", "2", outflows=("f",), non_negative=True), flow("f", "1")], stop=4.0, dt=1.0))
    assert ds["s"].values[0].tolist() == [2, 1, 0, 0, 0]


@pytest.mark.parametrize("kind", list(LookupKind))
@pytest.mark.parametrize("points", [2, 5, 40])
def test_lookups_of_every_kind(kind: LookupKind, points: int) -> None:
    """40 points are searched, few are selected from left to right: both as numpy interpolates."""
    x = np.linspace(0.0, 8.0, points)
    y = np.sin(x) * 3
    lookup = Lookup(tuple(x), tuple(y), kind)
    ds = simulate(model([variable("g", Role.AUXILIARY, "TIME", lookup=lookup)], start=-2.0, stop=12.0, dt=0.125))
    t = ds["time"].values
    if kind is LookupKind.CONTINUOUS:
        expected = np.interp(t, x, y)
    elif kind is LookupKind.DISCRETE:
        expected = y[np.clip(np.searchsorted(x, t, side="right") - 1, 0, points - 1)]
    else:
        i = np.clip(np.searchsorted(x, t, side="left") - 1, 0, points - 2)
        expected = y[i] + (y[i + 1] - y[i]) / (x[i + 1] - x[i]) * (t - x[i])
    np.testing.assert_allclose(ds["g"].values[0], expected, atol=1e-12)


def test_arrays_in_loops_equal_the_same_written_out() -> None:
    dimension = Dimension("ward", "ward", ("a", "b", "c"))
    rates = {"a": 2.0, "b": 3.0, "c": 5.0}
    from flowreform.formats.expressions import parse
    from flowreform.model import Equation, Variable

    k = Variable(
        "k", "k", Role.PARAMETER, tuple(Equation("", parse(repr(v)), subscripts=(e,)) for e, v in rates.items()), ("ward",)
    )
    looped = model(
        [
            k,
            stock("s", "100", outflows=("f",), dimensions=("ward",)),
            flow("f", "s / k", dimensions=("ward",)),
            auxiliary("total", "SUM(s[*])"),
            auxiliary("share", "s / total", dimensions=("ward",)),
        ],
        dimensions=[dimension],
    )
    ds = simulate(looped)
    for element, rate in rates.items():
        single = simulate(model([stock("s", "100", outflows=("f",)), parameter("k", rate), flow("f", "s / k")]))
        assert (bits(ds["s"].sel(ward=element).values) == bits(single["s"].values)).all()
    np.testing.assert_allclose(ds["share"].sum("ward").values, 1.0, rtol=1e-15)


# --- two engines, one text -------------------------------------------------------------------------------------------

_UNARY = ("exp", "ln", "log10", "sqrt", "sin", "cos", "tan", "tanh", "arctan", "abs", "int", "round")
_BINARY = ("+", "-", "*", "/", "^", " mod ")


def wild(seed: int, count: int = 40) -> Model:
    """A model of random equations over awkward inputs: every operator, functions, lookups, delays, conditions, arrays."""
    rnd = random.Random(seed)
    names = [f"p{i}" for i in range(6)]
    variables = [parameter(name, rnd.choice([0.0, 1.0, -2.5, 1e-3, 1e3, 0.5])) for name in names]
    lookup = Lookup((-1.0, 0.0, 0.5, 2.0), (3.0, -1.0, 4.0, 1.0))
    for i in range(count):
        a, b, c = (rnd.choice(names) for _ in range(3))
        text = rnd.choice(
            [
                f"{a} {rnd.choice(_BINARY)} {b}",
                f"{a} {rnd.choice(_BINARY)} {rnd.choice(['2', '3', '0.5', '1e300', '0'])}",
                f"{rnd.choice(_UNARY)}({a})",
                f"MIN({a}, {b}) - MAX({b}, {c})",
                f"IF {a} > {b} AND NOT ({c} = 0) OR {a} <= 1 THEN {b} + TIME ELSE {c} - {a}",
                f"SAFEDIV({a}, {b}, {c})",
                f"STEP({a}, 2) + RAMP({b}, 1, 3) + PULSE(1, 1, 2) + QUANTUM({c}, 0.3)",
                f"({a} + {b}) * ({b} - {c}) / ({a} * {a} + 1)",
                f"-{a} ^ 2",
            ]
        )
        name = f"v{i}"
        variables.append(auxiliary(name, text, lookup=lookup if rnd.random() < 0.15 else None))
        names.append(name)
    for i in range(6):
        source = rnd.choice(names)
        variables.append(flow(f"f{i}", f"({source} - s{i}) / 4"))
        variables.append(stock(f"s{i}", str(i), inflows=(f"f{i}",), non_negative=i == 5))
        variables.append(auxiliary(f"d{i}", f"{rnd.choice(['DELAY3', 'SMTH3', 'DELAY1', 'TREND'])}({source}, {i + 1})"))
    return model(variables, stop=4.0, dt=0.25, method=rnd.choice(list(Method)))


@pytest.mark.parametrize("seed", [1, 2])
def test_interpreted_equals_compiled_bit_for_bit(seed: int) -> None:
    program = lower(wild(seed))
    count = len(inputs(program))
    awkward = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e300, -1e300, 1e-300, np.inf, -np.inf, np.nan, 3.7, -7.2, 710.0, 40.0])
    matrix = np.random.default_rng(seed).choice(awkward, (count, 130))
    keep = everything(program)
    slow = engine.simulate(program, matrix, keep=keep, engine="python")
    fast = engine.simulate(program, matrix, keep=keep, engine="numba", workers=2)
    assert (bits(slow.values) == bits(fast.values)).all()
    assert (slow.finite == fast.finite).all()
    assert (slow.strays == fast.strays).all()
    assert not slow.finite.all()
    # A run alone, and in another place of another batch.
    for run in (0, 64, 129):
        alone = engine.simulate(program, matrix[:, run : run + 1], keep=keep, engine="numba")
        assert (bits(alone.values[..., 0]) == bits(fast.values[..., run])).all()
    # What is kept never changes what is computed.
    few = engine.simulate(program, matrix, keep=keep[-3:], engine="numba", every=4)
    where = [fast.slots.index(slot) for slot in few.slots]
    assert (bits(few.values) == bits(fast.values[where][:, ::4])).all()


@pytest.mark.parametrize("method", list(Method))
def test_many_stocks_step_alike_in_both_engines(method: Method) -> None:
    """Stocks that stand together are walked through in a loop, others one by one; some are clamped, some are remembered."""
    wards = Dimension("ward", "ward", tuple(f"w{i}" for i in range(5)))
    program = lower(
        model(
            [
                parameter("k", 4.0),
                stock("many", "10 + ward", inflows=("filling",), outflows=("draining",), dimensions=("ward",)),
                flow("draining", "many / k * (1 + 0.1 * ward)", dimensions=("ward",)),
                flow("filling", "one * ward / 50", dimensions=("ward",)),
                stock("one", "100", outflows=("leaving",)),
                flow("leaving", "one / k + 30 * TIME"),
                stock("floored", "5", outflows=("taking",), non_negative=True),
                flow("taking", "k * TIME"),
                auxiliary("before", "PREVIOUS(one, 0)"),
                auxiliary("wards_before", "PREVIOUS(many, -1)", dimensions=("ward",)),
            ],
            dimensions=[wards],
            stop=6.0,
            dt=0.125,
            method=method,
        )
    )
    matrix = np.random.default_rng(3).uniform(2.0, 8.0, (1, 70))
    slow, fast = (engine.simulate(program, matrix, keep=everything(program), engine=name) for name in ("python", "numba"))
    assert (bits(slow.values) == bits(fast.values)).all()
    assert slow.values[slow.slots.index(program.places["floored"].base)].min() == 0.0
    half = engine.simulate(program, matrix, keep=everything(program), every=4, engine="numba")
    assert (bits(half.values) == bits(fast.values[:, ::4])).all()


def test_an_unguarded_power_would_be_caught() -> None:
    """A mutant: had x^3 been printed with its literal, LLVM would fold it, and the comparison above would see it."""
    import numba

    def literal(values: np.ndarray, out: np.ndarray) -> None:
        for i in range(len(values)):
            out[i] = values[i] ** 3

    values = np.random.default_rng(0).uniform(0.1, 10, 20_000)
    out = np.empty_like(values)
    numba.njit(error_model="numpy")(literal)(values, out)
    plain = np.array([math.pow(x, 3.0) for x in values.tolist()])
    assert (bits(out) != bits(plain)).any()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(14)))
def test_the_order_of_equations_is_irrelevant(order: list[int]) -> None:
    made = wild(7, count=2)
    variables = list(made)
    base = lower(made)
    moved = lower(
        model(
            [variables[i] if i < len(variables) else variables[0] for i in order] + variables[14:],
            stop=4.0,
            dt=0.25,
            method=made.specs.method,
        )
    )
    a = engine.simulate(base, inputs(base), keep=[base.places[v.name].base for v in variables], engine="python")
    row_a = dict(zip(a.slots, a.values, strict=True))
    b = engine.simulate(moved, inputs(moved), keep=[moved.places[v.name].base for v in variables], engine="python")
    row_b = dict(zip(b.slots, b.values, strict=True))
    for item in variables:
        assert (bits(row_a[base.places[item.name].base]) == bits(row_b[moved.places[item.name].base])).all()


def test_a_kernel_is_emitted_without_a_word_from_the_model() -> None:
    """Rule 10: names, labels and units never reach the text that is run."""
    hostile = "__import__('os').system('true')"
    made = model([parameter("x", 1.0), auxiliary(hostile, "x + 1"), stock("evil\nname", "1", inflows=())])
    program = lower(made)
    source = engine.plan(program, everything(program)).text.source
    for word in ("import", "system", "evil"):
        assert word not in source


# --- what goes wrong in a run ----------------------------------------------------------------------------------------


def test_a_run_that_overflows_is_named_and_the_rest_go_on() -> None:
    made = model(
        [parameter("x", 1.0), auxiliary("d", "10 ^ (x * TIME * 100)"), stock("s", "1", inflows=("f",)), flow("f", "MIN(d, 3)")],
        stop=10.0,
        dt=1.0,
    )
    for name in ("python", "numba"):
        ds = simulate(made, {"x": [0.1, 1.0, 0.2]}, engine=name)
        assert ds["failed"].values.tolist() == [False, True, False]
        assert ds["failed_variable"].values.tolist() == ["", "d", ""]
        assert float(ds["failed_time"][1]) == 4.0
        assert np.isfinite(ds["s"].values).all()  # MIN swallowed the infinity: only the watch saw it


def test_nan_that_nobody_reads_is_still_seen() -> None:
    made = model([auxiliary("x", "LN(3 - TIME)"), stock("s", "1")], stop=6.0, dt=1.0)
    program = lower(made)
    found = engine.simulate(program, inputs(program), keep=[program.places["s"].base], engine="numba")
    assert not found.finite[0]
    failure = first_failure(program, inputs(program))
    assert failure is not None
    assert (failure.variable, failure.time) == ("x", 3.0)


def test_reads_outside_a_lookup_are_counted_per_run() -> None:
    lookup = Lookup((0.0, 1.0), (0.0, 1.0))
    made = model([parameter("x", 1.0), variable("g", Role.AUXILIARY, "x * TIME", lookup=lookup)], stop=4.0, dt=1.0)
    ds = simulate(made, {"x": [0.1, 1.0]})
    assert ds["reads_outside_g"].values.tolist() == [0.0, 3.0]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers: int) -> None:
    program = lower(decay(Method.EULER, 0.25))
    matrix = np.linspace(1, 9, 300)[None, :]
    found = engine.simulate(program, matrix, keep=everything(program), engine="numba", workers=workers)
    n = np.arange(33)
    row = found.slots.index(program.places["s"].base)
    expected = np.empty((33, 300))
    for run, k in enumerate(matrix[0]):
        s = 100.0
        for i in n:
            expected[i, run] = s
            s = s + 0.25 * (-(s / k))
    assert (bits(found.values[row]) == bits(expected)).all()


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 101, 64), (7, 1)])
def test_memory_for_vectors_starts_with_a_cache_line(shape: tuple[int, ...]) -> None:
    made = zeros(*shape)
    assert made.shape == shape
    assert made.ctypes.data % 64 == 0
    assert not made.any()
    made[...] = 1.0
    assert made.sum() == made.size
