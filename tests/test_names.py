"""Names in any spelling, and the numbers behind them."""

from __future__ import annotations

import pytest

from flowreform.model import Dimension, Equation, Model, Number, Role, SimSpecs, Unary, Variable
from flowreform.names import Named, Unknown, base_values, element_names, find, join, split

BEDS = Variable("open_beds", "Open beds", Role.STOCK, (Equation("1", Number(1.0)),), ("network", "age"))
SHARE = Variable(
    "share",
    "Share",
    Role.PARAMETER,
    (
        Equation("0.1", Number(0.1), subscripts=("network",)),
        Equation("0.2", Number(0.2), subscripts=("gaining",)),
        Equation("-0.3", Unary("-", Number(0.3)), subscripts=("rest",)),
    ),
    ("network",),
)
STAY = Variable("stay", "Stay", Role.PARAMETER, (Equation("+6", Unary("+", Number(6.0))),))
ODD = Variable("a[b]", "a[b]", Role.PARAMETER, (Equation("6", Number(6.0)),))
MODEL = Model(
    "m",
    SimSpecs(0.0, 1.0, 1.0),
    {item.name: item for item in (BEDS, SHARE, STAY, ODD)},
    {
        "network": Dimension("network", "Network", ("losing", "gaining", "rest")),
        "age": Dimension("age", "Age", ("young", "old")),
    },
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("open_beds", ("open_beds", ())),
        (" Open  Beds [Losing, Old ] ", ("open_beds", ("losing", "old"))),
        ('"Open Beds"', ("open_beds", ())),
    ],
)
def test_a_name_and_its_elements(text: str, parts: tuple[str, tuple[str, ...]]) -> None:
    assert split(text) == parts
    assert split(join(*parts)) == parts


def test_what_a_text_names() -> None:
    found = find(MODEL, "Open Beds[gaining, OLD]")
    assert isinstance(found, Named)
    assert (found.name, found.elements, found.is_array) == ("open_beds[gaining,old]", ("gaining", "old"), False)
    whole = find(MODEL, "open beds")
    assert isinstance(whole, Named)
    assert whole.is_array
    odd = find(MODEL, '"a[b]"')
    assert isinstance(odd, Named)
    assert odd.variable is ODD


@pytest.mark.parametrize(
    ("text", "parameter", "reason", "repair"),
    [
        ("open_bed", False, "no such variable", '"open_beds"'),
        ("stai", True, "no such parameter", '"stay"'),
        ("open_beds", True, "a stock, not a parameter", ""),
        ("open_beds[losing]", False, "1 element names are given", "one element for each dimension"),
        ("stay[losing]", False, "no dimension", ""),
        ("share[lost]", False, 'no element "lost"', '"losing"'),
    ],
)
def test_what_a_text_does_not_name(text: str, parameter: bool, reason: str, repair: str) -> None:
    found = find(MODEL, text, parameter=parameter)
    assert isinstance(found, Unknown)
    assert reason in found.reason
    assert repair in found.repair


def test_elements_run_through_the_last_dimension_first() -> None:
    assert element_names(MODEL, BEDS)[:3] == ("open_beds[losing,young]", "open_beds[losing,old]", "open_beds[gaining,young]")
    assert element_names(MODEL, STAY) == ("stay",)


def test_the_numbers_in_the_equations() -> None:
    assert base_values(MODEL, Named("stay", STAY)) == (6.0,)
    assert base_values(MODEL, Named("share", SHARE)) == (0.1, 0.2, -0.3), "an element's own equation wins over the dimension's"
    assert base_values(MODEL, Named("share[rest]", SHARE, ("rest",))) == (-0.3,)
