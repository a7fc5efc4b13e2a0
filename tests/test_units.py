"""Unit text against units worked out by hand, and the arithmetic of units against that of numbers."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform import units
from flowreform.model import Model, SimSpecs, UnitAlias
from flowreform.units import NUMBER, Unit, UnitError, factor, known, parse_units, ratio, same, spellings

SAME = [
    (
        "person/month",
        "people per month",
        "Persons / Months",
        "person * 1/month",
        "month^-1*person",
        "person/(month)",
        "person·month^-1",
    ),
    ("1/month", "per month", "/month", "Per Months", "month**-1", "1/mo"),
    ("USD/(bed*day)", "USD/bed-day", "usd per bed day", "USD/bed/day", "US$/(bed × days)"),
    ("bed*day", "bed-days", "bed days", "Bed_Day", "day bed", "beds*days"),
    ("thousand GBP", "GBP_thousand", "kGBP", "1000 GBP", "1e3 £", "GBP thousand", "thousand  gbp"),
    ("million USD", "USD_million", "USDm", "usd m", "1000000 USD", "thousand thousand USD"),
    ("m^2", "metre*metre", "m**2", "meters^2", "square_root^0*m^2"),
    ("percent", "%", "per cent", "0.01"),
    ("", "1", "dmnl", "Dimensionless", "unitless", "fraction", "bed/bed", "month/month", "  "),
    ("wte", "FTE", "whole-time equivalent", "full time equivalents", "WTEs"),
    ("month", "year/12", "Months", "mth"),
    ("year", "12 months", "365.25 days", "8766 hours", "years"),
    ("week", "7 day", "168 hr"),
    ("community place", "Community_Places", "community places"),
    ("patient visit", "patient_visits"),  # two things side by side are a thing of its own
    ("patient*visit", "patient-visits"),
    ("clinic", "clinics"),
    ("batch", "batches"),
    ("therapy", "therapies"),
    ("class", "classes_of_pupil^0*class"),
    ("person^0.5", "people^(1/2)"),
]


@pytest.mark.parametrize("texts", SAME, ids=lambda texts: texts[0] or "dimensionless")
def test_many_ways_to_write_one_unit(texts: tuple[str, ...]) -> None:
    for text in texts[1:]:
        assert same(texts[0], text), text
        assert parse_units(text).powers == parse_units(texts[0]).powers


def test_units_that_are_not_the_same() -> None:
    firsts = [texts[0] for texts in SAME]
    assert [(a, b) for i, a in enumerate(firsts) for b in firsts[:i] if same(a, b)] == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("month", "day", 30.4375),
        ("year", "month", 12.0),
        ("year", "day", 365.25),
        ("week", "day", 7.0),
        ("quarter", "month", 3.0),
        ("day", "minute", 1440.0),
        ("kGBP", "GBP", 1000.0),
        ("GBP", "GBP million", 1e-6),
        ("GBP/day", "thousand GBP/year", 0.36525),
        ("percent", "fraction", 0.01),
        ("bed*day", "bed*month", 1 / 30.4375),
        ("m^2", "ha", 1e-4),
        ("people/month", "person/week", 7 / 30.4375),
    ],
)
def test_factors(one: str, other: str, expected: float) -> None:
    assert factor(one, other) == pytest.approx(expected, rel=1e-12)
    assert factor(other, one) == pytest.approx(1 / expected, rel=1e-12)


@pytest.mark.parametrize(
    ("one", "other"), [("bed", "GBP"), ("GBP", "USD"), ("USD", "$"), ("bed", "bed/month"), ("patient", "person")]
)
def test_different_quantities_do_not_convert(one: str, other: str) -> None:
    with pytest.raises(ValueError, match=f"^{one.replace('$', '.')} and {other.replace('$', '.')} are different quantities$"):
        factor(one, other)


@pytest.mark.parametrize(
    "name", ["point", "hand", "stone", "bar", "barn", "pint", "degree", "gray", "ward", "knot", "k", "s", "delta"]
)
def test_what_a_physicist_would_call_a_unit_is_a_name_here(name: str) -> None:
    assert parse_units(name) == Unit(1.0, ((name, 1.0),))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bed*", "breaks off where a name should follow"),
        ("bed//day", 'has "/" where a name should be'),
        ("(bed", "breaks off where a closing bracket should follow"),
        ("bed)", 'has ")" where an operator should be'),
        ("bed^day", 'has "day" where an exponent should be'),
        ("bed^", "where an exponent should follow"),
        ("bed+day", 'holds "+"'),
        ("bed; drop", 'holds ";"'),
        ("bed^99", "exponent 99"),
        ("1e300 bed^1 * 1e300", "too large or too small"),
        ("0 bed", "too large or too small"),
        ("day^50*day^50*day^50*day^50", "too large or too small"),
        ("(" * 50 + "bed" + ")" * 50, "brackets more than"),
        ("bed" * 400, "characters"),
    ],
)
def test_text_that_is_no_unit(text: str, words: str) -> None:
    with pytest.raises(UnitError) as fault:
        parse_units(text)
    assert words in str(fault.value)
    assert "\n" not in str(fault.value)


@given(st.text(max_size=60) | st.text("bed/day*^()-_ 12.%£ per", max_size=40))
def test_any_text_is_a_unit_or_a_plain_fault(text: str) -> None:
    with suppress(UnitError):
        unit = parse_units(text)
        assert unit.factor > 0.0
        assert ratio(unit, unit) == 1.0


names = st.sampled_from(["person", "month", "day", "GBP", "kGBP", "bed", "wte", "percent", "place", "year"])
products = st.lists(st.tuples(names, st.sampled_from([-2, -1, 1, 2, 3])), min_size=1, max_size=4)


def text_of(product: list[tuple[str, int]]) -> str:
    return "*".join(f"{name}^{power}" for name, power in product)


@given(products, products)
def test_units_of_a_product_are_the_product_of_units(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    whole = parse_units(text_of(one + other))
    made = parse_units(text_of(one)) * parse_units(text_of(other))
    assert ratio(whole, made) == 1.0
    assert ratio(whole / whole, NUMBER) == 1.0
    assert ratio((made**2) ** 0.5, whole) == 1.0


@given(products)
def test_what_a_unit_is_shown_as_spells_it(product: list[tuple[str, int]]) -> None:
    unit = parse_units(text_of(product))
    assert same(str(unit), unit)


def with_units(*aliases: UnitAlias) -> Model:
    return Model("m", SimSpecs(0.0, 1.0, 1.0), {}, unit_aliases=aliases)


def test_units_a_model_defines() -> None:
    model = with_units(
        UnitAlias("caseload", "person", ("Cases in Hand",)),
        UnitAlias("ward day", "28 bed*day"),
        UnitAlias("Money", "", ("US$", "bucks")),
        UnitAlias("models per person per year", "model/person/year", ("mpp",)),
        UnitAlias("year", "360 day"),
    )
    assert same("caseloads/month", "person/month", model)
    assert same("cases_in_hand", "person", model)
    assert factor("ward day", "bed-day", model) == 28.0
    assert same("bucks/month", "USD/month", model)  # through the alias that is known
    assert same("mpp", "model/(person*year)", model)
    assert factor("year", "day", model) == 360.0
    assert factor("year", "day") == 365.25
    assert not same("caseload", "person")


def test_a_base_unit_a_model_defines_with_other_spellings() -> None:
    model = with_units(UnitAlias("widget", "", ("gadget", "gizmos")))
    assert same("gadgets*gizmo", "widgets^2", model)


def test_units_defined_in_a_circle() -> None:
    model = with_units(UnitAlias("a", "b*bed"), UnitAlias("b", "a/day"), UnitAlias("bed", "bed"))
    with pytest.raises(UnitError, match="defined by itself"):
        parse_units("a", model)
    assert same("bed", "beds", model)


def test_units_defined_by_units_take_no_longer() -> None:
    """Each definition is worked out once, however often it is used."""
    chain = [UnitAlias(f"u{i}x", f"u{i + 1}x^2*u{i + 1}x/u{i + 1}x^2") for i in range(7)]
    assert same("u0x", "bed", with_units(*chain, UnitAlias("u7x", "bed")))
    long = [UnitAlias(f"u{i}x", f"u{i + 1}x") for i in range(50)]
    with pytest.raises(UnitError, match="defined through more than"):
        parse_units("u0x", with_units(*long))


def test_names_are_shown_as_people_write_them() -> None:
    assert str(parse_units("people per month")) == "person/month"
    assert str(parse_units("GBP/(bed*day)")) == "GBP/(bed*day)"
    assert str(parse_units("dmnl")) == "dimensionless"
    assert str(parse_units("GBP thousand / year")) == "thousand*GBP/year"
    assert str(parse_units("bed^2*month^-1.5")) == "bed^2/month^1.5"


PLURALS = ("", "s", "es")
PREFIXES = ("", "k", "kilo")


def test_every_spelling_of_the_unit_file_means_what_pint_reads_there() -> None:
    """To the last bit, with every prefix and plural. pint alone takes kilometre for 1,000 metre by its prefix: the same size."""
    from pint import UnitRegistry
    from pint.util import UnitsContainer, to_units_container

    registry = UnitRegistry(None, cache_folder=None)
    registry.load_definitions(Path(units.__file__).with_name("units.txt"))
    names = [name for name in spellings() if name == name.casefold() and not name.endswith("-")]
    assert len(names) > 80
    for prefix, name, plural in product(PREFIXES, names, PLURALS):
        text = prefix + name + plural
        found = registry.parse_unit_name(text)
        unit = known(text)
        assert (unit is None) == (not found), text
        if unit is not None:
            size, roots = registry.get_root_units(UnitsContainer({"".join(found[0][:2]): 1}))
            powers = {name: float(power) for name, power in to_units_container(roots).items()}
            assert (unit.factor, dict(unit.powers)) == (float(size), powers), text


@pytest.mark.parametrize("name", ["k", "kilo", "kilo-", "k-s", "kkiloday", "s", "\u00a3s"])
def test_what_is_no_spelling_of_the_unit_file(name: str) -> None:
    assert known(name) is None
