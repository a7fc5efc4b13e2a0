"""Stocks, flows, left sides, macros and clashes, on models built here: most such faults do not pass the reader of XMILE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from flowreform.checks import STRUCTURE, check
from flowreform.errors import Finding, FlowreformError, Level, ModelError
from flowreform.formats import read_model
from flowreform.formats.expressions import parse
from flowreform.lower import lower
from flowreform.model import Dimension, Equation, Lookup, Macro, Model, Role, SimSpecs, Variable
from flowreform.runs import simulate

OfParts = Callable[..., tuple[Finding, ...]]

WARD = Dimension("ward", "ward", ("medical", "surgical"))
HALF = Dimension("half", "half", ("medical",), parent="ward")
AGE = Dimension("age", "age", ("young", "old"))


def variable(name: str, role: Role, *equations: Equation | str, **more: object) -> Variable:
    written = tuple(item if isinstance(item, Equation) else Equation(item, parse(item), 7) for item in equations)
    return Variable(name, name, role, written, doc="What it is.", units="bed", line=5, **more)  # type: ignore[arg-type]


def model(*variables: Variable, macros: tuple[Macro, ...] = ()) -> Model:
    return Model(
        "built",
        SimSpecs(0.0, 10.0, 0.25, time_unit=""),
        MappingProxyType({item.name: item for item in variables}),
        MappingProxyType({item.name: item for item in (WARD, HALF, AGE)}),
        MappingProxyType({item.name: item for item in macros}),
    )


def told(built: Model) -> list[tuple[Level, str, str]]:
    """Level, rule and element of what the checks say, units and use aside."""
    aside = ("missing-units", "units", "unused")
    return [(item.level, item.rule, item.element) for item in check(built) if item.rule not in aside]


FLOW = variable("f", Role.FLOW, "1")


def stock(*equations: Equation | str, into: str = "f", **more: object) -> Variable:
    return variable("s", Role.STOCK, *equations, inflows=(into,), **more)


def test_a_stock_without_an_initial_value() -> None:
    assert told(model(stock(), FLOW)) == [(Level.ERROR, "stock-without-initial", "s")]
    assert told(model(stock(Equation("", None)), FLOW)) == [(Level.ERROR, "stock-without-initial", "s")]


@pytest.mark.parametrize("role", [Role.AUXILIARY, Role.PARAMETER, Role.LOOKUP])
def test_a_variable_without_an_equation(role: Role) -> None:
    assert told(model(variable("a", role))) == [(Level.ERROR, "missing-equation", "a")]


def test_a_flow_that_is_not_there_and_one_that_joins_no_stock() -> None:
    built = model(stock("1", into="flow"), variable("flaw", Role.FLOW, "1"))
    assert told(built) == [(Level.ERROR, "undefined-flow", "s"), (Level.WARNING, "idle-flow", "flaw")]
    assert [item.repair for item in check(built) if item.rule == "undefined-flow"] == ['did you mean "flaw"?']


@pytest.mark.parametrize(
    ("role", "level"),
    [(Role.STOCK, Level.ERROR), (Role.LOOKUP, Level.ERROR), (Role.AUXILIARY, Level.WARNING), (Role.PARAMETER, Level.WARNING)],
)
def test_a_flow_that_is_none(role: Role, level: Level) -> None:
    equation = Equation("", None, lookup=Lookup((0.0, 1.0), (0.0, 1.0))) if role is Role.LOOKUP else "1"
    assert told(model(stock("1"), variable("f", role, equation))) == [(level, "not-a-flow", "s")]


def test_a_flow_in_and_out_of_one_stock() -> None:
    assert told(model(stock("1", outflows=("f",)), FLOW)) == [(Level.WARNING, "in-and-out", "s")]


def test_a_flow_of_another_shape() -> None:
    arrayed = variable("f", Role.FLOW, "1", dimensions=("ward",))
    assert told(model(stock("1"), arrayed)) == [(Level.ERROR, "flow-shape", "s")]
    assert told(model(stock("1", dimensions=("ward",)), arrayed)) == []
    assert told(model(stock("1", dimensions=("ward",)), FLOW)) == []


def left(text: str, *sides: str, exceptions: tuple[tuple[str, ...], ...] = ()) -> Equation:
    return Equation(text, parse(text), 7, sides, exceptions=exceptions)


def arrayed(*equations: Equation, dimensions: tuple[str, ...] = ("ward",)) -> Model:
    return model(variable("a", Role.AUXILIARY, *equations, dimensions=dimensions))


def test_left_sides() -> None:
    assert told(arrayed(left("1", "ward"))) == []
    assert told(arrayed(left("1", "half"), left("2", "surgical"))) == []
    assert told(arrayed(left("1", "ward", exceptions=(("medical",),)), left("2", "medical"))) == []
    assert told(arrayed(left("1", "ward"), dimensions=("wards",))) == [(Level.ERROR, "unknown-dimension", "a")]
    assert (Level.ERROR, "unknown-element", "a") in told(arrayed(left("1", "surgicle")))
    assert (Level.ERROR, "unknown-element", "a") in told(arrayed(left("1", "age")))
    assert (Level.ERROR, "subscript-count", "a") in told(arrayed(left("1", "ward", "age")))


def test_elements_without_an_equation_and_with_two() -> None:
    assert told(arrayed(left("1", "medical"))) == [(Level.WARNING, "missing-element", "a")]
    (found,) = (item for item in check(arrayed(left("1", "half"))) if item.rule == "missing-element")
    assert found.reason == "[surgical] has no equation"
    assert told(arrayed(left("1", "ward"), left("2", "half"))) == [(Level.ERROR, "duplicate-element", "a")]
    one_left_out = arrayed(left("1", "ward", exceptions=(("medical",), ("surgical",))), left("2", "medical"))
    assert told(one_left_out) == [(Level.WARNING, "missing-element", "a")]


def macro(name: str, text: str, *parameters: str) -> Macro:
    return Macro(name, parameters, (variable(name, Role.AUXILIARY, text),), name, line=3)


def test_macros() -> None:
    twice = macro("twice", "of * 2", "of")
    call = variable("a", Role.AUXILIARY, "twice(1)")
    assert told(model(call, macros=(twice,))) == []
    assert told(model(variable("a", Role.AUXILIARY, "twice(1, 2)"), macros=(twice,))) == [(Level.ERROR, "argument-count", "a")]
    assert told(model(variable("a", Role.AUXILIARY, "twice"), macros=(twice,))) == [(Level.ERROR, "argument-count", "a")]
    assert told(model(call, macros=(macro("twice", "off * 2", "of"),))) == [(Level.ERROR, "undefined-name", "twice")]
    circle = (macro("twice", "thrice(of)", "of"), macro("thrice", "twice(of)", "of"))
    found = [item for item in check(model(call, macros=circle)) if item.level is Level.ERROR]
    assert [(item.rule, item.element) for item in found] == [("recursive-macro", "twice")]
    assert "twice -> thrice -> twice" in found[0].reason


def test_a_variable_named_as_a_dimension_or_an_element() -> None:
    assert told(model(variable("ward", Role.AUXILIARY, "1"))) == [(Level.WARNING, "name-clash", "ward")]
    assert told(model(variable("old", Role.AUXILIARY, "1"))) == [(Level.WARNING, "name-clash", "old")]


def test_a_range_the_wrong_way_round() -> None:
    built = model(variable("p", Role.PARAMETER, "1", range=(2.0, 0.0)))
    assert told(built) == [(Level.ERROR, "bad-range", "p")]


def test_warnings_of_the_reader_are_told_too() -> None:
    heard = Finding(Level.WARNING, "heard", "", 1, "a", "the reader said so")
    assert heard in check(replace(model(variable("a", Role.AUXILIARY, "1")), findings=(heard,)))


def test_what_only_lowering_finds_is_told() -> None:
    built = model(variable("a", Role.AUXILIARY, "ACTIVE_INITIAL(0, 0) + 0"))
    with pytest.raises(ModelError):
        lower(built)
    assert [item.rule for item in check(built) if item.level is Level.ERROR] == ["equation"]


def test_a_file_of_unknown_names_is_checked_in_time() -> None:
    names = [f"variable_number_{number}" for number in range(3_000)]
    built = model(*(variable(name, Role.AUXILIARY, f"{name}_x + 1") for name in names))
    found = [item for item in check(built) if item.rule == "undefined-name"]
    assert len(found) == 3_000
    assert all(item.repair for item in found)


@pytest.mark.requires("bad_inputs")
def test_bad_inputs_that_read_are_caught(bad_inputs: Path) -> None:
    rules = {"x20_circular": "loop", "x21_self_reference": "self-reference", "x41_unknown_function": "unknown-function"}
    for stem, rule in rules.items():
        found = [item for item in check(read_model(bad_inputs / "xmile" / f"{stem}.xmile")) if item.level is Level.ERROR]
        assert [item.rule for item in found] == [rule], stem
        assert found[0].line == 8


@pytest.mark.requires("conformance")
def test_models_that_lower_have_no_fault_of_structure(conformance: Path) -> None:
    """Every vendor-checked XMILE model that turns into a program is found sound."""
    compared = 0
    for path in sorted(conformance.rglob("*.xmile")):
        try:
            built = read_model(path)
            lower(built)
        except FlowreformError:
            continue
        compared += 1
        assert [item for rule in STRUCTURE for item in rule(built) if item.level is Level.ERROR] == [], path.name
    assert compared > 30


@pytest.mark.parametrize("label", ["a", "A"])
def test_a_subscript_that_may_mean_a_dimension_or_its_element(label: str, tmp_path: Path) -> None:
    """Names know no capitals: `x[A]` was element a for one reader (20 and 20) and the dimension A for another (20 and 40)."""
    text = f"D: d1, d2 ~~|\n{label}: a, b -> D ~~|\nx[{label}] = 10, 20 ~~|\nz[D] = x[{label}] * 2 ~~|\n"
    clock = "INITIAL TIME = 0 ~~|\nFINAL TIME = 1 ~~|\nTIME STEP = 1 ~~|\nSAVEPER = 1 ~~|\n"
    (tmp_path / "m.mdl").write_text("{UTF-8}\n" + text + clock, encoding="utf-8")
    found = read_model(tmp_path / "m.mdl")
    assert ("two-meanings", "z") in [(item.rule, item.element) for item in check(found)]
    with pytest.raises(ModelError, match="may mean the dimension"):
        lower(found)
    (tmp_path / "m.mdl").write_text("{UTF-8}\n" + text.replace(label + ":", "G:").replace(f"[{label}]", "[G]") + clock, "utf-8")
    assert simulate(read_model(tmp_path / "m.mdl"))["z"].values[0, 0].tolist() == [20.0, 40.0]
