"""ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY: whatever the requests, profiles and supply, no more is given than there is.

Single values are Vensim's own (the vendor-checked suite) or follow from a closed form here.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import parameter, variable
from flowreform.engine import helpers
from flowreform.errors import ModelError
from flowreform.formats.expressions import parse
from flowreform.model import Dimension, Equation, Model, Role, SimSpecs, Variable
from flowreform.runs import simulate

WHO = Dimension("who", "who", ("a", "b", "c", "d"))
PROFILE = Dimension("profile", "profile", ("ptype", "ppriority", "pwidth", "pextra"))

Case = tuple[list[float], list[tuple[float, float, float]], float]
"""Requests, profiles (type, priority, width) and supply."""


def array(name: str, dimensions: tuple[str, ...], values: dict[tuple[str, ...], float]) -> Variable:
    """A parameter with a value for each element."""
    equations = tuple(Equation("", parse(repr(value)), subscripts=element) for element, value in values.items())
    return Variable(name, name, Role.PARAMETER, equations, dimensions)


def allocation(call: str, case: Case) -> Model:
    """A model that shares out once."""
    requests, profiles, supply = case
    names = WHO.elements[: len(requests)]
    who = Dimension("who", "who", names)
    rows = {
        (name, field): value
        for name, row in zip(names, profiles, strict=True)
        for field, value in zip(PROFILE.elements, (*row, 0.0), strict=True)
    }
    parts = [
        array("request", ("who",), {(name,): value for name, value in zip(names, requests, strict=True)}),
        array("rule", ("who", "profile"), rows),
        array("priority", ("who",), {(name,): row[1] for name, row in zip(names, profiles, strict=True)}),
        parameter("supply", supply),
        variable("given", Role.AUXILIARY, call, dimensions=("who",)),
    ]
    return Model("shares", SimSpecs(0.0, 1.0, 1.0), {item.name: item for item in parts}, {"who": who, "profile": PROFILE})


BY_PRICE = "ALLOCATE_AVAILABLE(request[who], rule[who, ptype], supply)"
BY_PRIORITY = "ALLOCATE_BY_PRIORITY(request[who], priority[who], 4, 0.5, supply)"


def shares(call: str, case: Case, engine: str = "python") -> np.ndarray:
    """What each is given."""
    ds = simulate(allocation(call, case), engine=engine)
    assert not ds["failed"].values.any()
    return np.asarray(ds["given"].values[0, 0])


def no_more_than_there_is(call: str, case: Case) -> None:
    """The laws: nobody gets less than nothing or more than asked for, all together never more than there is, and as much as there
    is as long as somebody asks for it."""
    requests, _, supply = case
    asked, there = np.maximum(requests, 0.0), max(supply, 0.0)
    found = shares(call, case)
    size = 1.0 + float(asked.sum())
    assert (found >= 0.0).all()
    assert (found <= asked * (1 + 1e-12)).all()
    assert found.sum() <= there + 1e-12 * size
    assert found.sum() == pytest.approx(min(there, asked.sum()), abs=1e-8 * size)


REQUEST = st.sampled_from([0.0, -3.0, 1.0, 2.5, 40.0, 1e6])
ROW = st.tuples(
    st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0]),
    st.sampled_from([-1.0, 0.0, 0.5, 2.0, 30.0]),
    st.sampled_from([0.0, 0.1, 1.0, 5.0]),
)
CASES = st.lists(st.tuples(REQUEST, ROW), min_size=1, max_size=4).flatmap(
    lambda rows: st.tuples(
        st.just([request for request, _ in rows]),
        st.just([row for _, row in rows]),
        st.sampled_from([-1.0, 0.0, 0.3, 2.0, 44.0, 1e5, 1e7]),
    )
)


@given(st.sampled_from([BY_PRICE, BY_PRIORITY]), CASES)
@settings(max_examples=100, deadline=None)
def test_no_more_is_given_than_there_is(call: str, case: Case) -> None:
    no_more_than_there_is(call, case)


def test_requests_of_no_price_share_what_there_is() -> None:
    """200 and 300 ask for 100: 40 and 60, whatever their priorities."""
    case: Case = ([200.0, 300.0], [(0.0, 0.1, 0.5), (0.0, 0.9, 0.5)], 100.0)
    for engine in ("python", "numba"):
        np.testing.assert_allclose(shares(BY_PRICE, case, engine), [40.0, 60.0], rtol=1e-15)


def test_requests_of_no_price_come_first() -> None:
    """30 of 50 go to the fixed request, 20 to the other, whatever its priority."""
    case: Case = ([30.0, 100.0], [(0.0, 0.0, 1.0), (1.0, 99.0, 1.0)], 50.0)
    np.testing.assert_allclose(shares(BY_PRICE, case), [30.0, 20.0], rtol=1e-12)


def test_equal_rectangles_fill_in_proportion() -> None:
    """A closed form: two straight profiles in one place fall by the same share."""
    case: Case = ([10.0, 30.0], [(1.0, 5.0, 2.0), (1.0, 5.0, 2.0)], 12.0)
    np.testing.assert_allclose(shares(BY_PRICE, case), [3.0, 9.0], rtol=1e-12)


def test_a_run_with_enough_for_all_is_no_failed_run() -> None:
    """The price is then no number that anything sells at; the run is sound all the same."""
    case: Case = ([1.0, 2.0], [(3.0, 1.0, 1.0), (4.0, 2.0, 1.0)], 10.0)
    np.testing.assert_allclose(shares(BY_PRICE, case), [1.0, 2.0])


@pytest.mark.parametrize("kind", [5.0, 6.0, -1.0, 0.5])
def test_profiles_of_another_type_are_refused_before_the_run(kind: float) -> None:
    """Vensim's type 5 shares by constant elasticity of substitution: without it the run would be NaN."""
    case: Case = ([1.0, 2.0], [(3.0, 1.0, 1.0), (kind, 2.0, 1.0)], 1.0)
    with pytest.raises(ModelError, match=f"profiles of type 0 to 4; rule has type {kind:g}") as caught:
        shares(BY_PRICE, case)
    assert ("constant elasticity of substitution" in str(caught.value)) == (kind == 5.0)


def test_profiles_that_become_another_type_fail_the_run_by_name() -> None:
    case: Case = ([1.0, 2.0], [(3.0, 1.0, 1.0), (3.0, 2.0, 1.0)], 1.0)
    ds = simulate(allocation(BY_PRICE, case), {"rule[b,ptype]": 5.0}, engine="python")
    assert bool(ds["failed"].all())
    assert str(ds["failed_variable"].values[0]).startswith("given")


def _whole(*given: object) -> float:
    return 1.0


def _lower(*given: object) -> float:
    return PRICE(*given) - 1e-3  # type: ignore[arg-type]


def _with_what_is_owed(s: list[float], size: int, quantity: int, q: int, *rest: float) -> float:
    """What is enough for the sum of all requests, those below zero included, is taken to be enough for all."""
    enough = rest[-1] >= sum(s[quantity + i * q] for i in range(size))
    return -1e300 if enough else PRICE(s, size, quantity, q, *rest)  # type: ignore[arg-type]


PRICE = helpers.clearing_price
SHARP = [(1.0, 0.1, 0.5), (1.0, 0.9, 0.5)]
FREE = [(0.0, 0.1, 0.5), (0.0, 0.9, 0.5)]


@pytest.mark.parametrize(
    ("name", "fault", "requests", "profiles"),
    [
        ("fixed_share", _whole, [200.0, 300.0], FREE),
        ("clearing_price", _lower, [200.0, 300.0], SHARP),
        ("clearing_price", _with_what_is_owed, [-50.0, 120.0], SHARP),
    ],
    ids=["requests of no price in full", "a lower price", "requests below zero"],
)
def test_the_law_catches(
    name: str, fault: object, requests: list[float], profiles: list[tuple[float, float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    no_more_than_there_is(BY_PRICE, (requests, profiles, 100.0))
    monkeypatch.setattr(helpers, name, fault)
    with pytest.raises(AssertionError):
        no_more_than_there_is(BY_PRICE, (requests, profiles, 100.0))
