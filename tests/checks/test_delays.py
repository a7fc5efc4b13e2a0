"""dt against delays: what is known before a run, and where the thresholds lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.checks.delays import constants, value
from flowreform.errors import Finding, Level
from flowreform.formats.expressions import parse
from flowreform.model import Equation, Model, Role, SimSpecs, Variable

OfParts = Callable[..., tuple[Finding, ...]]


def aux(name: str, text: str) -> str:
    return f'<aux name="{name}"><eqn>{text}</eqn></aux>'


@pytest.mark.parametrize(
    ("call", "dt", "level"),
    [
        ("SMTH1(TIME, 1, 0)", 0.25, None),  # a quarter of the time
        ("SMTH1(TIME, 1, 0)", 0.5, Level.WARNING),
        ("SMTH1(TIME, 1, 0)", 1.0, Level.WARNING),  # all of it: exact in one step, and nothing like the path
        ("SMTH1(TIME, 1, 0)", 1.25, Level.ERROR),
        ("SMTH3(TIME, 3, 0)", 0.25, None),  # three stages of 1
        ("SMTH3(TIME, 3, 0)", 0.5, Level.WARNING),
        ("SMTH3(TIME, 3, 0)", 1.25, Level.ERROR),
        ("SMTHN(TIME, 3, 6, 0)", 0.125, None),  # six stages of a half
        ("SMTHN(TIME, 3, 6, 0)", 0.25, Level.WARNING),
        ("SMTHN(TIME, 3, 6, 0)", 1.0, Level.ERROR),
        ("DELAYN(TIME, 3, 6, 0)", 0.5, Level.WARNING),
        ("DELAYN(TIME, 3, 6, 0)", 1.0, Level.ERROR),  # overshoots, as DELAY3 would
        ("DELAY_N(TIME, 3, 6, 0)", 1.0, Level.WARNING),  # Vensim's runs with three stages
        ("DELAYN(TIME, 3, 6, 0)", 5.0, Level.ERROR),
        ("DELAY1(TIME, time_to_act, 0)", 1.25, Level.ERROR),
        ("DELAY1(TIME, 2 * time_to_act, 0)", 0.5, None),
        ("DELAY1(TIME, 1 + TIME, 0)", 1.25, None),  # not known before the run
        ("TREND(TIME, 1, 0)", 1.25, Level.ERROR),
        ("FORCST(TIME, 1, 5)", 1.25, Level.ERROR),
        ("DELAY(TIME, 1, 0)", 0.25, None),
        ("DELAY(TIME, 1, 0)", 0.625, Level.WARNING),  # not a whole number of steps
        ("DELAY(TIME, 0.1, 0)", 0.25, Level.WARNING),
        ("SMTH1(TIME, -1, 0)", 0.25, Level.ERROR),
    ],
)
def test_thresholds(call: str, dt: float, level: Level | None, of_parts: OfParts) -> None:
    found = of_parts(aux("a", call) + aux("time_to_act", "1"), dt=f"{dt}")
    assert [item.level for item in found if item.rule in ("dt", "delay-time")] == ([] if level is None else [level])


@pytest.mark.parametrize(("method", "dt"), [("rk2", 1.75), ("rk4", 2.5)])
def test_runge_kutta_bears_longer_steps(method: str, dt: float, of_parts: OfParts) -> None:
    for step, level in ((dt, Level.WARNING), (2 * dt, Level.ERROR)):
        found = of_parts(aux("a", "SMTH1(TIME, 1, 0)"), dt=f"{step}", method=method)
        assert [item.level for item in found if item.rule == "dt"] == [level]


@pytest.mark.parametrize(
    ("equation", "level"),
    [
        ("s / 2", None),
        ("s / 1.5", Level.WARNING),
        ("s / 0.25", Level.ERROR),
        ("s * 4", Level.ERROR),
        ("2 * s / 0.5", Level.ERROR),
        ("s / DT", None),  # meant to go at once
        ("s / (1 + TIME)", None),
        ("s / 0.25 * TIME", None),
    ],
)
def test_a_stock_that_drains_faster_than_dt(equation: str, level: Level | None, of_parts: OfParts) -> None:
    stock = '<stock name="s"><eqn>1</eqn><outflow>f</outflow></stock>'
    found = of_parts(stock + f'<flow name="f"><eqn>{equation}</eqn></flow>', dt="0.5")
    assert [item.level for item in found if item.rule == "dt"] == ([] if level is None else [level])


def test_an_inflow_does_not_drain(of_parts: OfParts) -> None:
    stock = '<stock name="s"><eqn>1</eqn><inflow>f</inflow></stock>'
    assert of_parts(stock + '<flow name="f"><eqn>s / 0.25</eqn></flow>', dt="0.5") == ()


def chain(*texts: str) -> Model:
    variables = {
        f"x{number}": Variable(f"x{number}", f"x{number}", Role.AUXILIARY, (Equation(text, parse(text)),))
        for number, text in enumerate(texts)
    }
    return Model("chain", SimSpecs(2.0, 10.0, 0.5), variables)


def test_constants_follow_each_other_in_any_order() -> None:
    known = constants(chain("x1 * 2", "x2 + DT", "3", "TIME", "x3 + 1", "x6", "x5", "SQRT(x8)", "9", "MAX(x2, STARTTIME)"))
    known = {name: number for name, number in known.items() if name.startswith("x")}
    assert known == {"x0": 7.0, "x1": 3.5, "x2": 3.0, "x7": 3.0, "x8": 9.0, "x9": 3.0}


def test_sixty_doublings_take_no_time() -> None:
    """Each variable is worked out once, however often it is read."""
    known = constants(chain("1", *(f"x{number} + x{number}" for number in range(60))))
    assert known["x60"] == 2.0**60


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10))
def test_values_are_those_of_python(a: float, b: float, c: float) -> None:
    expected = -(a + b) * c / b - a**2
    found = value(parse("-(a + b) * c / b - a^2"), {"a": a, "b": b, "c": c})
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert value(parse("a + d"), {"a": a}) is None
