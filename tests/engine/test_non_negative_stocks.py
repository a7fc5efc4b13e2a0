"""Non-negative stocks by the rule of the format's maker: an outflow is at most what is there, first come first served.

Expected values are worked out by hand or by `stepped`, a plain loop over the rule; the laws are that nothing is made or lost and
that no stock falls below zero, by any method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import auxiliary, flow, model, parameter, stock
from flowreform.engine import expressions
from flowreform.lower import limits, lower
from flowreform.model import Dimension, Method, Model, Variable
from flowreform.runs import simulate

METHODS = list(Method)
WARD = Dimension("ward", "ward", ("a", "b", "c"))


def floored(name: str, start: str, inflows: tuple[str, ...] = (), outflows: tuple[str, ...] = (), **more: object) -> Variable:
    """A non-negative stock."""
    return stock(name, start, inflows, outflows, non_negative=True, **more)


def values(made: Model, *names: str, engine: str = "python") -> list[np.ndarray]:
    """The series of some variables."""
    ds = simulate(made, engine=engine)
    return [np.asarray(ds[name].values[0]) for name in names]


# --- the rule, by hand -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_people_who_are_not_there_do_not_move(method: Method) -> None:
    """100 in hospital, 25 a month leave: after four months all are in the community, and no more than all."""
    parts = [floored("hospital", "100", (), ("moving",)), floored("community", "0", ("moving",)), flow("moving", "25")]
    hospital, community, moving = values(model(parts, stop=12.0, method=method), "hospital", "community", "moving")
    times = np.arange(49) * 0.25
    np.testing.assert_allclose(hospital, np.maximum(100 - 25 * times, 0.0), atol=1e-11)
    np.testing.assert_allclose(community, np.minimum(25 * times, 100.0), atol=1e-11)
    np.testing.assert_allclose(moving, np.where(times < 4.0, 25.0, 0.0), atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_the_first_outflow_takes_first_and_inflows_count(method: Method) -> None:
    """1 there and 2 a month coming in make 6 a month available in a step of 0.25: 4 to the first, the rest to the second."""
    parts = [floored("s", "1", ("coming",), ("first", "second", "third"))]
    parts += [flow("coming", "2"), flow("first", "4"), flow("second", "5"), flow("third", "6")]
    found = values(model(parts, stop=0.5, dt=0.25, method=method), "s", "first", "second", "third")
    assert [series.tolist() for series in found] == [[1, 0, 0], [4, 2, 2], [2, 0, 0], [0, 0, 0]]


def test_an_outflow_that_another_reads_is_served_before_it() -> None:
    """`first` is listed first and is half of `second`, so `second` takes what is there."""
    parts = [floored("s", "6", (), ("first", "second")), flow("first", "second / 2"), flow("second", "8")]
    first, second = values(model(parts, stop=1.0, dt=1.0), "first", "second")
    assert (first.tolist(), second.tolist()) == ([0, 0], [6, 0])


@pytest.mark.parametrize("method", METHODS)
def test_a_flow_that_runs_backwards_takes_no_more_than_there_is(method: Method) -> None:
    """An inflow below zero drains the stock after its outflows; what it takes arrives at the other end."""
    parts = [floored("a", "10", (), ("swap",)), floored("b", "3", ("swap",), ("leaving",)), stock("gone", "0", ("leaving",))]
    parts += [flow("swap", "-4"), flow("leaving", "2")]
    a, b, gone, swap = values(model(parts, stop=2.0, dt=1.0, method=method), "a", "b", "gone", "swap")
    assert swap.tolist() == [-1, 0, 0]
    assert (a.tolist(), b.tolist(), gone.tolist()) == ([10, 11, 11], [3, 0, 0], [0, 2, 2])


def test_a_stock_that_starts_below_zero_makes_nothing() -> None:
    parts = [
        floored("s", "-3", ("coming",), ("leaving",)),
        flow("coming", "2"),
        flow("leaving", "5"),
        stock("out", "0", ("leaving",)),
    ]
    s, out = values(model(parts, stop=4.0, dt=1.0), "s", "out")
    assert (s.tolist(), out.tolist()) == ([-3, -1, 0, 0, 0], [0, 0, 1, 3, 5])


def test_initial_values_may_follow_from_the_flow() -> None:
    """A stock that starts in balance with its own outflow: the equation counts while the start is worked out."""
    parts = [floored("s", "leaving * 2", (), ("leaving",)), flow("leaving", "3")]
    s, leaving = values(model(parts, stop=3.0, dt=1.0), "s", "leaving")
    assert (s.tolist(), leaving.tolist()) == ([6, 3, 0, 0], [3, 3, 0, 0])


def test_each_element_has_its_own() -> None:
    """An ageing chain over an array: what leaves one element enters the next in the same step, and counts there."""
    from flowreform.formats.expressions import parse
    from flowreform.model import Equation, Role

    arriving = Variable("arriving", "arriving", Role.FLOW, (
        Equation("", parse("5"), subscripts=("a",)), Equation("", parse("leaving[a]"), subscripts=("b",)),
        Equation("", parse("leaving[b]"), subscripts=("c",)),
    ), ("ward",))  # fmt: skip
    parts = [floored("s", "0", ("arriving",), ("leaving",), dimensions=("ward",)), arriving,
             flow("leaving", "100", dimensions=("ward",))]  # fmt: skip
    ds = simulate(model(parts, stop=2.0, dt=0.5, dimensions=[WARD]), engine="python")
    np.testing.assert_array_equal(ds["leaving"].values[0], np.full((5, 3), 5.0))
    np.testing.assert_array_equal(ds["s"].values[0], np.zeros((5, 3)))


def test_a_scalar_flow_cannot_leave_every_element() -> None:
    from flowreform.errors import ModelError

    made = model([floored("s", "1", (), ("leaving",), dimensions=("ward",)), flow("leaving", "1")], dimensions=[WARD])
    with pytest.raises(ModelError, match="not the dimensions of the stock"):
        lower(made)


# --- the rule, as a plain loop -----------------------------------------------------------------------------------------


def stepped(
    start: Mapping[str, float], stocks: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]],
    explicit: Mapping[str, Callable[[float], float]], dt: float, steps: int,
) -> dict[str, list[float]]:  # fmt: skip
    """Euler's method with the rule, for stocks given upstream first: name -> (inflows, outflows)."""
    level = dict(start)
    course = {name: [value] for name, value in level.items()}
    for n in range(steps):
        flows = {name: rate(n * dt) for name, rate in explicit.items()}
        for name, (inflows, outflows) in stocks.items():
            left = max(level[name] / dt + sum(flows[inflow] for inflow in inflows), 0.0)
            for outflow in outflows:
                flows[outflow] = min(flows[outflow], left)
                left -= flows[outflow]
        for name, (inflows, outflows) in stocks.items():
            level[name] += dt * (sum(flows[inflow] for inflow in inflows) - sum(flows[outflow] for outflow in outflows))
            course[name].append(level[name])
    return course


def test_a_cascade_is_the_plain_loop() -> None:
    """Three stocks in a row, the last fed by both outflows of the first; rates that swing."""
    stocks = {"a": (("in",), ("ab", "ac")), "b": (("ab",), ("bc",)), "c": (("ac", "bc"), ("out",))}
    rates = {"in": (4.0, 3.0), "ab": (6.0, 5.0), "ac": (3.0, 2.0), "bc": (7.0, 7.0), "out": (9.0, 8.0)}
    explicit = {
        name: (lambda t, p=pair, k=k: p[0] + p[1] * math.sin(t * (k + 1) / 2)) for k, (name, pair) in enumerate(rates.items())
    }
    start = {"a": 20.0, "b": 0.0, "c": 1.5}
    expected = stepped(start, stocks, explicit, 0.25, 80)
    parts = [floored(name, repr(start[name]), *ends) for name, ends in reversed(stocks.items())]
    parts += [flow(f, f"{p[0]} + {p[1]} * SIN(TIME * {k + 1} / 2)", non_negative=True) for k, (f, p) in enumerate(rates.items())]
    made = model(parts, stop=20.0, dt=0.25)
    for name, series in zip(stocks, values(made, *stocks), strict=True):
        np.testing.assert_allclose(series, np.maximum(expected[name], 0.0), atol=1e-11)


# --- laws --------------------------------------------------------------------------------------------------------------


def exchange(method: Method, dt: float, rates: list[tuple[float, float, float]], starts: list[float]) -> Model:
    """Three non-negative stocks, each with a flow to each other one, swinging and often below zero; and one to outside."""
    names = ("a", "b", "c")
    pairs = [(x, y) for x in names for y in names if x != y] + [(x, "out") for x in names]
    parts = [
        floored(x, repr(s), tuple(f"{y}{x}" for y in names if y != x), tuple(f"{x}{y}" for y in (*names, "out") if y != x))
        for x, s in zip(names, starts, strict=True)
    ]
    parts.append(stock("out", "0", tuple(f"{x}out" for x in names)))
    parts += [
        flow(f"{x}{y}", f"{m!r} + {s!r} * SIN({w!r} * TIME)" + (f" + 0.2 * {x}" if y != "out" else ""))
        for (x, y), (m, s, w) in zip(pairs, rates, strict=True)
    ]
    return model(parts, stop=24 * dt, dt=dt, method=method)


def nothing_is_made_or_lost(made: Model, total: float) -> None:
    """The laws: what is in the stocks adds up to what was there at the start, and no stock is below zero."""
    a, b, c, out = values(made, "a", "b", "c", "out")
    size = max(1.0, total, float(np.abs(out).max()))
    np.testing.assert_allclose(a + b + c + out, total, rtol=0, atol=1e-9 * size)
    assert min(float(series.min()) for series in (a, b, c)) >= 0.0


NUMBER = st.floats(-20.0, 20.0).map(lambda x: round(x, 3))
RATES = st.lists(st.tuples(NUMBER, NUMBER, st.sampled_from([0.0, 0.5, 3.0])), min_size=9, max_size=9)
STARTS = st.lists(st.sampled_from([0.0, 0.25, 3.7, 50.0]), min_size=3, max_size=3)


@given(st.sampled_from(METHODS), st.sampled_from([0.1, 0.25, 1.0]), RATES, STARTS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_made_or_lost(method: Method, dt: float, rates: list[tuple[float, float, float]], starts: list[float]) -> None:
    nothing_is_made_or_lost(exchange(method, dt, rates, starts), sum(starts))


SWINGING = [
    (3.0, 9.0, 0.5),
    (-2.0, 8.0, 3.0),
    (4.0, 5.0, 0.5),
    (1.0, -9.0, 3.0),
    (6.0, 2.0, 0.5),
    (-5.0, 7.0, 0.0),
    *[(2.0, 1.0, 3.0)] * 3,
]


@pytest.mark.parametrize("method", METHODS)
def test_the_law_catches_stocks_held_at_zero_while_the_outflow_runs_on(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_is_made_or_lost(exchange(method, 0.25, SWINGING, [10.0, 0.0, 4.0]), 14.0)
    monkeypatch.setattr(limits, "limited", lambda model, driven: {})
    with pytest.raises(AssertionError):
        nothing_is_made_or_lost(exchange(method, 0.25, SWINGING, [10.0, 0.0, 4.0]), 14.0)


def test_the_law_catches_an_inflow_that_may_run_backwards_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = limits.limited

    def outflows_alone(model: Model, driven: frozenset[str]) -> dict[str, tuple[str, ...]]:
        return {
            flow: kept
            for flow, stocks in whole(model, driven).items()
            if (kept := tuple(stock for stock in stocks if flow in model.variables[stock].outflows))
        }

    monkeypatch.setattr(limits, "limited", outflows_alone)
    with pytest.raises(AssertionError):
        nothing_is_made_or_lost(exchange(Method.EULER, 0.25, SWINGING, [10.0, 0.0, 4.0]), 14.0)


@pytest.mark.parametrize("method", [Method.RK2, Method.RK4])
def test_a_limit_by_what_a_stage_sees_is_caught(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without holding the content of the step's beginning a stage would let too little go: people stay who have left."""
    assign = expressions.Printer.assign

    def of_the_stage(printer: expressions.Printer, statement: object, loops: tuple[int, ...]) -> str:
        from dataclasses import replace

        return assign(printer, replace(statement, held=False), loops)  # type: ignore[type-var, arg-type]

    monkeypatch.setattr(expressions.Printer, "assign", of_the_stage)
    with pytest.raises(AssertionError):
        test_people_who_are_not_there_do_not_move(method)


@pytest.mark.parametrize("method", METHODS)
def test_both_engines_agree_to_the_last_bit(method: Method) -> None:
    made = exchange(method, 0.125, SWINGING, [10.0, 0.0, 4.0])
    slow, fast = (np.stack(values(made, "a", "b", "c", "out", engine=engine)) for engine in ("python", "numba"))
    assert (slow.view(np.uint64) == fast.view(np.uint64)).all()


def test_what_is_infinite_is_still_a_failed_run() -> None:
    """MIN would hide an infinite outflow; the run fails all the same."""
    made = model([floored("s", "5", (), ("leaving",)), flow("leaving", "1 / zero"), parameter("zero", 0.0)], stop=1.0)
    assert bool(simulate(made, engine="python")["failed"].values[0])


def test_a_stock_that_may_be_negative_is_left_alone() -> None:
    made = model([stock("s", "1", (), ("leaving",)), flow("leaving", "2"), auxiliary("x", "leaving")], stop=1.0, dt=1.0)
    assert values(made, "s")[0].tolist() == [1, -1]
