"""Units of equations against units worked out by hand, against another tool, and with every unit of a model broken in turn."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.builtins import BUILTINS, Kind, builtin
from flowreform.checks.consistency import match, signature, units
from flowreform.errors import Finding, Level
from flowreform.formats import read_model
from flowreform.formats.expressions import parse
from flowreform.model import Equation, Lookup, Model, Role, SimSpecs, Variable
from flowreform.units import parse_units, same

CLINIC = Path(__file__).parents[1] / "fixtures" / "checks" / "clinic.xmile"

UNITS = {
    **dict.fromkeys(("people", "more_people"), "person"),
    **dict.fromkeys(("rate", "other_rate"), "person/month"),
    **dict.fromkeys(("span", "when"), "month"),
    **dict.fromkeys(("share", "number"), "dimensionless"),
    "floor_space": "m^2",
    "money": "GBP",
    "daily": "person/day",
}


def model_of(text: str, declared: str | None, role: Role = Role.AUXILIARY) -> Model:
    one = (Equation("1", parse("1")),)
    variables = {name: Variable(name, name, Role.PARAMETER, one, units=unit) for name, unit in UNITS.items()}
    points = Lookup((0.0, 1.0), (0.0, 1.0))
    variables["curve"] = Variable("curve", "curve", Role.LOOKUP, (Equation("", None, lookup=points),), units="bed")
    variables["silent"] = Variable("silent", "silent", Role.PARAMETER, one)
    variables["result"] = Variable("result", "result", role, (Equation(text, parse(text), 9),), units=declared)
    return Model("units", SimSpecs(0.0, 10.0, 0.25, time_unit="Months"), MappingProxyType(variables))


def faults(text: str, declared: str | None = None, role: Role = Role.AUXILIARY) -> list[Finding]:
    return list(units(model_of(text, declared, role)))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("people + more_people", "person"),
        ("people - more_people", "person"),
        ("people / span", "person/month"),
        ("rate * span", "person"),
        ("-people", "person"),
        ("floor_space ^ 0.5", "m"),
        ("SQRT(floor_space)", "m"),
        ("floor_space ^ 2 / floor_space", "m^2"),
        ("floor_space ^ -1", "1/m^2"),
        ("share ^ number", "1"),
        ("people * 0 + 0", None),
        ("people + 0", "person"),
        ("people MOD more_people", "person"),
        ("people > more_people", "1"),
        ("people > more_people AND NOT (share = 1)", "1"),
        ("IF people > 0 THEN rate ELSE 0", "person/month"),
        ("IF share THEN 0 ELSE rate", "person/month"),
        ("MIN(people, more_people)", "person"),
        ("MAX(0, people)", "person"),
        ("ABS(people)", "person"),
        ("EXP(share) + LN(number) + SIN(PI * share)", "1"),
        ("INT(TIME / span)", "1"),
        ("TIME - STARTTIME", "month"),
        ("people // span", "person/month"),
        ("SAFEDIV(people, span, rate)", "person/month"),
        ("STEP(people, when)", "person"),
        ("RAMP(rate, when, when)", "person"),
        ("PULSE(people, when, span)", "person/month"),
        ("DELAY1(people, span)", "person"),
        ("DELAY3(rate, span, other_rate)", "person/month"),
        ("DELAYN(rate, span, number, other_rate)", "person/month"),
        ("SMTH1(people, span, more_people)", "person"),
        ("TREND(people, span)", "1/month"),
        ("FORCST(people, span, span)", "person"),
        ("DELAY(rate, span)", "person/month"),
        ("PREVIOUS(people, more_people)", "person"),
        ("INIT(people)", "person"),
        ("curve(people)", "bed"),
        ("LOOKUP(curve, people)", "bed"),
        ("silent * people", None),
        ("people + silent", "person"),
        ("rate / (people / span)", "1"),
        ("daily * 1", "person/day"),
    ],
)
def test_units_worked_out_by_hand(text: str, unit: str | None) -> None:
    assert faults(text, unit) == []
    (wrong,) = faults(text, "furlong") if unit is not None else faults("people", "furlong")
    assert wrong.rule == "units"
    assert wrong.line == 9
    assert "it is in furlong" in wrong.reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("people + rate", "adds person (people) and person/month (rate)"),
        ("people - span", "subtracts person (people) and month (span)"),
        ("people > span", "compares person (people) and month (span)"),
        ("rate + daily", "1 person/month is 0.0328542 person/day"),
        ("people AND share", "AND takes a number without a unit, and people is in person"),
        ("share ^ people", "an exponent is a number without a unit, and people is in person"),
        ("people ^ share", "raised to a power that varies"),
        ("EXP(people)", "the first argument of EXP, people, is in person and must be in dimensionless"),
        ("IF people THEN 0 ELSE 0", "the first argument of IF"),
        ("IF share THEN people ELSE span", "the third argument of IF, span, is in month and must be in person"),
        ("MIN(people, span)", "the second argument of MIN"),
        ("DELAY3(people, share)", "the second argument of DELAY3, share, is in dimensionless and must be in month"),
        ("DELAY3(people, span, span)", "the third argument of DELAY3"),
        ("STEP(people, people)", "the second argument of STEP"),
        ("RAMP(rate, when, people)", "the third argument of RAMP"),
        ("SAFEDIV(people, span, people)", "the third argument of SAFEDIV"),
    ],
)
def test_faults_inside_an_equation(text: str, words: str) -> None:
    found = faults(text)
    assert len(found) == 1
    assert words in found[0].reason
    assert found[0].repair


@pytest.mark.parametrize(
    ("text", "unit", "factor"),
    [
        ("daily * 1", "person/month", "30.4375"),  # 365.25 / 12
        ("money / 1", "thousand GBP", "0.001"),
        ("money / 1", "GBP_million", "1e-06"),
        ("span * 1", "year", "0.0833333"),
        ("span * 1", "weeks", "4.34821"),  # 30.4375 / 7
        ("share * 1", "percent", "100"),
    ],
)
def test_a_factor_is_named(text: str, unit: str, factor: str) -> None:
    (found,) = faults(text, unit)
    assert f"is {factor} " in found.reason
    assert f"a parameter of {factor}" in found.repair


@pytest.mark.parametrize("text", ["5", "-5", "1/12", "2 * (3 + 4)"])
def test_a_number_alone_takes_the_unit_declared(text: str) -> None:
    assert faults(text, "person", Role.PARAMETER) == []
    assert faults(text, "person", Role.STOCK) == []


def test_letters_are_solved_for_with_their_powers() -> None:
    area, length = parse_units("m^2"), parse_units("m")
    rule = signature(builtin("area_and_length(area: a^2, length: a) -> a/T", Kind.PURE))
    result, misfits = match(rule, (area, length), None)
    assert (result, misfits) == (None, ())  # the time unit is not known
    result, misfits = match(rule, (area, area), parse_units("month"))
    assert result is not None
    assert same(result, "m/month")
    assert [(misfit.at, misfit.wanted) for misfit in misfits] == [(1, length)]


def test_without_a_time_unit_times_must_still_be_alike() -> None:
    model = replace(model_of("RAMP(rate, when, people)", None), specs=SimSpecs(0.0, 10.0, 0.25))
    found = [item for item in units(model) if item.rule == "units"]
    assert len(found) == 1
    assert "the third argument of RAMP, people, is in person and must be in month" in found[0].reason


def test_one_fault_is_told_once() -> None:
    assert len(faults("(people + span) * rate / money", "bed")) == 1


def test_two_faults_of_one_equation_are_two_findings() -> None:
    assert len(faults("(people + span) * EXP(money)", "bed")) == 2


def test_an_equation_nested_deeply() -> None:
    text = "people" + " + people" * 390
    assert faults(text, "person") == []
    assert len(faults(text, "bed")[0].reason) < 400


def test_nothing_is_said_of_a_model_without_units() -> None:
    bare = model_of("people + span", None)
    without = {name: replace(variable, units=None) for name, variable in bare.variables.items()}
    assert list(units(replace(bare, variables=MappingProxyType(without)))) == []


@pytest.mark.parametrize("row", [row for row in BUILTINS.values() if row.kind is not Kind.REFUSED], ids=lambda row: row.name)
def test_every_built_in_has_a_signature_that_fits_its_arguments(row: object) -> None:
    assert row in BUILTINS.values()
    sign = signature(row)  # type: ignore[attr-defined]
    most = row.most  # type: ignore[attr-defined]
    assert sign.repeats or most is None or len(sign.arguments) == most
    letters = {letter for terms in sign.arguments for letter, _ in terms or ()}
    assert {letter for letter, _ in sign.result or ()} <= letters | {"T"}


@given(st.floats(0.25, 4), st.floats(0.25, 4))
def test_units_multiply_as_numbers_do(a: float, b: float) -> None:
    text = f"people ^ {a:.3f} * span ^ {b:.3f}"
    assert faults(text, f"person^{a:.3f}*month^{b:.3f}") == []
    assert len(faults(text, f"person^{a + 1:.3f}*month^{b:.3f}")) == 1


# --- a whole model ---------------------------------------------------------------------------------------------------


def with_units(model: Model, name: str, unit: str) -> Model:
    changed = dict(model.variables) | {name: replace(model.variables[name], units=unit)}
    return replace(model, variables=MappingProxyType(changed))


def test_a_wrong_unit_of_any_variable_is_told() -> None:
    model = read_model(CLINIC)
    assert list(units(model)) == []
    for variable in model:
        assert list(units(with_units(model, variable.name, "furlong"))), variable.name
        assert list(units(with_units(model, variable.name, f"7 {variable.units}"))), variable.name


@pytest.mark.requires("pysimlin")
def test_what_another_tool_finds_is_found(tmp_path: Path) -> None:
    """pysimlin names the equation (or the flow beside a stock) whose units do not fit; we find fault with the same ones.

    It lets bare numbers fit anything, so we may find more."""
    import simlin

    text = re.sub(r"<model_units>.*?</model_units>", "", CLINIC.read_text(encoding="utf-8"), flags=re.S)
    text = text.replace("inpatient", "person").replace("kGBP", "thousand GBP").replace("thousand GBP", "kilopound")
    text = text.replace("persons per month", "person/month").replace(">people<", ">person<").replace(">beds<", ">bed<")
    names = re.findall(r'<(?:stock|flow|aux) name="([^"]*)"', text)
    path = tmp_path / "model.xmile"
    compared = 0
    for name in ["", *names]:
        pattern = rf'(<(?:stock|flow|aux) name="{re.escape(name)}">.*?<units>)([^<]*)(</units>)'
        path.write_text(re.sub(pattern, r"\1furlong\3", text, count=1, flags=re.S) if name else text, encoding="utf-8")
        theirs = {issue.variable for issue in simlin.load(str(path)).check() if "units warning" in issue.message}
        model = read_model(path)
        ours = {finding.element.replace(" ", "_") for finding in units(model) if finding.level is Level.ERROR}
        for stock in model.stocks.values():
            if stock.name in ours:
                ours.update((*stock.inflows, *stock.outflows))
        assert theirs <= ours, name
        assert bool(name) == bool(ours), name
        compared += bool(theirs)
    assert compared > 15


def test_findings_are_in_the_words_of_the_file(findings: Callable[..., tuple[Finding, ...]]) -> None:
    (found,) = findings(("<units>GBP/(person*day)</units>", "<units>USD/(person*day)</units>"))
    assert found.element == "spend"
    assert "thousand*USD/month" in found.reason
    assert "(MAX(0, training))" in found.reason
    assert found.repair == "only like goes with like: correct the equation, or one of the units"
