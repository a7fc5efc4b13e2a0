"""Algebraic loops against loops one can see, and against the order that lowering finds or fails to find."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowreform.checks.circles import loops
from flowreform.errors import Finding, ModelError
from flowreform.formats.expressions import parse
from flowreform.lower import lower
from flowreform.model import Dimension, Equation, Model, Role, SimSpecs, Variable

OfParts = Callable[..., tuple[Finding, ...]]


def aux(name: str, text: str, more: str = "") -> str:
    return f'<aux name="{name}">{more}<eqn>{text}</eqn></aux>'


def told(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(item.rule, item.reason.partition(": ")[2]) for item in found]


def test_a_loop_is_spelled_from_cause_to_effect(of_parts: OfParts) -> None:
    found = of_parts(aux("a", "c") + aux("b", "a") + aux("c", "b"))
    assert told(found) == [("loop", "a -> b -> c -> a")]


def test_two_loops_through_one_variable_are_two_findings(of_parts: OfParts) -> None:
    found = of_parts(aux("a", "b + c") + aux("b", "a") + aux("c", "a"))
    assert sorted(told(found)) == [("loop", "a -> b -> a"), ("loop", "a -> c -> a")]


def test_two_loops_apart_are_two_findings(of_parts: OfParts) -> None:
    found = of_parts(aux("a", "b") + aux("b", "a") + aux("c", "d") + aux("d", "c"))
    assert told(found) == [("loop", "a -> b -> a"), ("loop", "c -> d -> c")]


def test_a_variable_that_reads_itself(of_parts: OfParts) -> None:
    assert told(of_parts(aux("a", "a + 1"))) == [("self-reference", "a -> a")]


def test_a_stock_breaks_a_loop(of_parts: OfParts) -> None:
    stock = '<stock name="s"><eqn>1</eqn><inflow>f</inflow></stock>'
    assert of_parts(stock + '<flow name="f"><eqn>a</eqn></flow>' + aux("a", "s * 2")) == ()


def test_initial_values_that_need_each_other(of_parts: OfParts) -> None:
    stock = '<stock name="{}"><eqn>{}</eqn><inflow>f</inflow></stock>'
    flow = '<flow name="f"><eqn>1</eqn></flow>'
    found = of_parts(stock.format("s", "a") + stock.format("r", "s") + flow + aux("a", "r / 2"))
    assert told(found) == [("initial-loop", "s -> r -> a -> s")]


@pytest.mark.parametrize(
    ("call", "running", "starting"),
    [
        ("DELAY1(a, 5)", False, True),  # starts at its input
        ("DELAY1(a, 5, 1)", False, False),
        ("DELAY1(1, a, 1)", True, True),  # content over time
        ("DELAY3(a, 5, 1)", False, False),
        ("DELAYN(a, 5, 2, 1)", False, False),
        ("SMTH1(a, 5)", False, True),
        ("SMTH1(a, 5, 1)", False, False),
        ("SMTH1(1, a, 1)", False, False),  # the time only sets its pace
        ("SMTHN(a, 5, 2, 1)", False, False),
        ("TREND(a, 5, 0)", True, True),
        ("DELAY(a, 5)", False, True),
        ("DELAY(a, 5, 1)", False, False),
        ("PREVIOUS(a, 1)", False, False),
        ("PREVIOUS(1, a)", False, True),
        ("INIT(a)", False, True),
        ("MAX(a, 1)", True, True),
        ("IF 1 > 0 THEN 1 ELSE a", True, True),
    ],
)
def test_what_a_function_with_a_memory_needs_at_once(call: str, running: bool, starting: bool, of_parts: OfParts) -> None:
    found = {item.rule for item in of_parts(aux("a", "b + 1") + aux("b", call.replace(">", "&gt;")), dt="1")} - {"dt"}
    assert found == ({"loop"} if running else {"initial-loop"} if starting else set())


ROWS = '<dim name="row"><elem name="p"/><elem name="q"/><elem name="r"/></dim>'
OVER_ROWS = '<dimensions><dim name="row"/></dimensions>'


def elements(name: str, **texts: str) -> str:
    inside = "".join(f'<element subscript="{element}"><eqn>{text}</eqn></element>' for element, text in texts.items())
    return aux(name, "", OVER_ROWS).replace("<eqn></eqn>", inside)


def test_elements_that_follow_each_other_are_no_loop(of_parts: OfParts) -> None:
    assert of_parts(elements("x", p="1", q="x[p] + 1", r="x[q] + y[q]") + aux("y", "x * 2", OVER_ROWS), dimensions=ROWS) == ()


def test_a_loop_of_elements_names_them(of_parts: OfParts) -> None:
    found = of_parts(elements("x", p="x[r]", q="1", r="y[p]") + aux("y", "x * 2", OVER_ROWS), dimensions=ROWS)
    assert told(found) == [("loop", "x[p] -> y[p] -> x[r] -> x[p]")]


def test_a_sum_reads_every_element(of_parts: OfParts) -> None:
    found = of_parts(elements("x", p="1", q="2", r="total") + aux("total", "SUM(x[*])"), dimensions=ROWS)
    assert told(found) == [("loop", "x[r] -> total -> x[r]")]


def test_a_subscript_worked_out_while_running_reads_every_element(of_parts: OfParts) -> None:
    found = of_parts(elements("x", p="1", q="2", r="y") + aux("y", "x[which]") + aux("which", "1 + 1 * TIME"), dimensions=ROWS)
    assert told(found) == [("loop", "x[r] -> y -> x[r]")]


def test_a_macro_hangs_on_what_its_result_reads(of_parts: OfParts) -> None:
    macro = '<macro name="twice"><parm>of</parm><parm>other</parm><eqn>of * 2</eqn></macro>'
    assert told(of_parts(aux("a", "TWICE(a, 1)"), macros=macro)) == [("self-reference", "a -> a")]
    assert of_parts(aux("a", "TWICE(1, b)") + aux("b", "a"), macros=macro) == ()


# --- any model -------------------------------------------------------------------------------------------------------

NAMES = "abcde"
TERMS = [
    *("1", "{0}", "{0} + {1}", "MAX({0}, 1)", "PREVIOUS({0}, {1})", "INIT({0})", "TREND({0}, 5)", "FORCST({0}, 5, 5)"),
    *("DELAY1({0}, 5)", "DELAY1({0}, 5, {1})", "DELAY3({0}, {1}, 1)", "DELAYN({0}, 5, 2)", "DELAY({0}, 5, {1})"),
    *("DELAY({0}, {1}, 1)", "SMTH1({0}, 5)", "SMTH3({0}, {1}, {2})", "SMTHN({0}, 5, 2, {1})"),
]


@st.composite
def scalar_models(draw: st.DrawFn) -> Model:
    """Five variables, each a stock or an auxiliary, that read each other by any built-in with a memory."""
    variables = {}
    for name in NAMES:
        term = draw(st.sampled_from(TERMS)).format(*(draw(st.sampled_from(NAMES)) for _ in range(3)))
        is_stock = draw(st.integers(0, 3)) == 0
        flows = (draw(st.sampled_from(NAMES)),) if is_stock else ()
        variables[name] = Variable(
            name, name, Role.STOCK if is_stock else Role.AUXILIARY, (Equation(term, parse(term)),), inflows=flows
        )
    return Model("any", SimSpecs(0.0, 10.0, 1.0), MappingProxyType(variables))


ROW = Dimension("row", "row", ("p", "q"))
PART = Dimension("part", "part", ("q",), parent="row")
READS = ["{0}", "{0}[row]", "{0}[p]", "{0}[q]", "SUM({0}[*])", "SUM({0})", "{0}[2]", "1", "PREVIOUS({0}, 1)"]
WHOLE = ("{0}", "{0}[row]", "PREVIOUS({0}, 1)")
"""Not to be read where one element is written."""


@st.composite
def arrayed_models(draw: st.DrawFn) -> Model:
    """Three arrayed auxiliaries with equations for the whole dimension or for elements."""
    variables = {}
    for name in "abc":
        sides = draw(st.sampled_from([((),), (("p",), ("q",)), (("p",), ("part",))]))
        equations = []
        for side in sides:
            allowed = [text for text in READS if not side or text not in WHOLE]
            first, second = (draw(st.sampled_from(allowed)).format(draw(st.sampled_from("abc"))) for _ in range(2))
            equations.append(Equation("", parse(f"{first} + {second}"), subscripts=side))
        variables[name] = Variable(name, name, Role.AUXILIARY, tuple(equations), ("row",))
    return Model("any", SimSpecs(0.0, 10.0, 1.0), MappingProxyType(variables), MappingProxyType({"row": ROW, "part": PART}))


def circle(model: Model) -> bool | None:
    """Whether lowering fails on a circle; None when it fails on something else."""
    try:
        lower(model)
    except ModelError as fault:
        return True if all(" -> " in item.reason for item in fault.findings) else None
    return False


@given(scalar_models() | arrayed_models())
@settings(max_examples=400)
def test_loops_are_found_where_lowering_finds_no_order(model: Model) -> None:
    expected = circle(model)
    assert expected is not None
    assert bool(list(loops(model))) == expected


def chain(length: int, first: str) -> Model:
    variables = {"x0": Variable("x0", "x0", Role.AUXILIARY, (Equation(first, parse(first)),))}
    for number in range(1, length):
        text = f"x{number - 1} + 1"
        variables[f"x{number}"] = Variable(f"x{number}", f"x{number}", Role.AUXILIARY, (Equation(text, parse(text)),))
    return Model("chain", SimSpecs(0.0, 10.0, 1.0), MappingProxyType(variables))


def test_ten_thousand_variables_in_a_row() -> None:
    assert list(loops(chain(10_000, "1"))) == []
    (found,) = loops(chain(10_000, "x9999"))
    assert "x0 -> x1 -> x2" in found.reason
    assert "(9989 more) -> x9999 -> x0" in found.reason
