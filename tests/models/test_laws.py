"""The laws over every bundled model, and a mutant for each law that it must catch.

A law that nothing can break proves nothing: `mutants/<model>.toml` holds one fault each, as an edit of the model file, and
the law that must notice it. `mutants/sound` is a small model that keeps every law, for mutants that need no large model.
"""

from __future__ import annotations

import functools
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

import flowreform as fr
from flowreform.analyse.laws import LAWS, Outcome, check_laws
from flowreform.analyse.laws.rules import degree
from flowreform.case import Case, Laws
from flowreform.errors import ModelError
from flowreform.formats import bundled
from flowreform.model import Model
from mutating import HERE, mutants, mutated

MODELS = bundled("models")


def opened(path: str | Path) -> tuple[Model, Case, Laws]:
    model = fr.read_model(path)
    case = fr.read_case(model)
    assert case is not None
    laws = case.laws
    assert laws is not None, "a bundled model states its laws: add [laws] to model.toml"
    return model, case, laws


def broken(outcomes: Iterable[Outcome]) -> str:
    return "\n".join(str(one) for one in outcomes if not one.ok)


def engine_for(name: str) -> str:
    """Python for a few runs, but where one takes more than half a second and compiling pays: Runge-Kutta models, small steps."""
    return "numba" if name in ("canterbury", "reform_levers", "stroke_centralisation") else "python"


def is_long(name: str, item: dict[str, str]) -> bool:
    """Whether a mutant takes more than five seconds."""
    return name == "reform_levers" or (name == "care_shift" and item["law"] == "halved dt")


@functools.cache
def few_draws(name: str) -> tuple[Outcome, ...]:
    """Every law of a bundled model over a few draws, run once for all tests."""
    return tuple(check_laws(*opened(name), draws=3, engine=engine_for(name)))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_keeps_the_law(name: str, law: str) -> None:
    outcomes = [one for one in few_draws(name) if one.law == law]
    assert outcomes, f"[laws] says nothing about {law}"
    declared = opened(name)[2].halved_dt_misses if law == "halved dt" else {}
    assert not broken(one for one in outcomes if one.name not in declared)
    known = [one for one in outcomes if one.name in declared]
    assert not known or broken(known), "a declared miss has begun to pass: take it out of halved_dt_misses"


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_keeps_the_laws_over_many_draws(name: str) -> None:
    outcomes = list(
        check_laws(*opened(name), draws=150, seed=2, engine="numba", only=[law for law in LAWS if law != "halved dt"])
    )
    declared = opened(name)[2].halved_dt_misses
    halved = check_laws(*opened(name), draws=50, seed=2, engine="numba", only=("halved dt",))
    outcomes += [one for one in halved if one.name not in declared]
    assert not broken(outcomes)


@pytest.mark.parametrize("name", MODELS)
def test_the_laws_of_a_bundled_model_leave_nothing_out(name: str) -> None:
    """What may be negative is money, and what the steady state leaves out neither counts people nor holds anything."""
    model, case, laws = opened(name)
    money = case.about.currency
    for stock in laws.may_be_negative:
        assert money in (model[stock].units or ""), f"{stock} is no money"
    for stock in laws.running_totals:
        variable = model[stock]
        accumulates = not (variable.inflows and variable.outflows)
        assert accumulates or money in (variable.units or ""), f"{stock} has flows both ways: it is no running total"
    people = {stock for stock, variable in model.stocks.items() if variable.units == "person"}
    assert laws.no_demand is not None
    assert set(laws.no_demand.empties) <= people
    assert len(laws.conserved) >= 2
    assert any(degree(model, laws, stock) == 1 for stock in model.stocks)


# --- mutants ---------------------------------------------------------------------------------------------------------


def test_the_sound_model_keeps_every_law() -> None:
    outcomes = list(check_laws(*opened(HERE / "sound" / "model.xmile"), draws=12, engine="python"))
    assert {one.law for one in outcomes} == set(LAWS)
    assert not broken(outcomes)


def test_there_is_a_mutant_for_every_law() -> None:
    assert {item["law"] for item in tomllib.loads((HERE / "sound.toml").read_text()).values()} == set(LAWS)


MUTANTS = [item for name in ("sound", *MODELS) for item in mutants(name, "law")]
COMPLETE = ("va_transformation", "canterbury", "care_shift", "mental_health_shift", "reform_levers", "stroke_centralisation")
"""Models with a mutant of their own for every law."""


@pytest.mark.parametrize("name", COMPLETE)
def test_every_law_catches_a_mutant_of_the_model_itself(name: str) -> None:
    assert {item.values[1]["law"] for item in mutants(name, "law")} == set(LAWS)


SELDOM = {("mental_health_shift", law) for law in ("halved dt", "never above", "last digits")} | {
    ("care_shift", law) for law in ("conserved", "last digits")
}
"""Where two draws are too few: the mutant shows in one of three or four."""


@pytest.mark.parametrize(
    ("model", "item"),
    [pytest.param(*one.values, id=one.id, marks=pytest.mark.slow if is_long(*one.values) else ()) for one in MUTANTS],
)
def test_a_mutant_is_caught_by_its_law(model: str, item: dict[str, str], tmp_path: Path) -> None:
    path = mutated(model, item, tmp_path)
    draws = 5 if (model, item["law"]) in SELDOM else 2
    outcomes = list(
        check_laws(*opened(path), draws=draws, engine="numba" if model == "reform_levers" else "python", only=(item["law"],))
    )
    assert any(one.law == item["law"] and not one.ok for one in outcomes), "the mutant lives"


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "element"),
    [
        ('empties = ["waiting"', 'empties = ["waitin"', "waitin"),
        ('running_totals = ["entered"', 'running_totals = ["referral"', "referral"),
        ('people_balance = "entered"', 'people_balance = "entred"', "entred"),
        ("[laws.steady]", "[laws.stedy]", "laws.stedy"),
        ("set = { growth = 0,", "set = { need = 0,", "need"),
        ('kpi = "waiting_at_end"', 'kpi = "waiting_at_the_end"', "conclusions.closing_makes_people_wait.kpi"),
        ('gate = "nothing_closes"', 'gate = "nothing"', "conclusions.closing_makes_people_wait.gate"),
    ],
)
def test_faults_of_the_tables_are_findings(tmp_path: Path, old: str, new: str, element: str) -> None:
    shutil.copy(HERE / "sound" / "model.xmile", tmp_path)
    text = (HERE / "sound" / "model.toml").read_text()
    assert old in text
    (tmp_path / "model.toml").write_text(text.replace(old, new))
    model = fr.read_model(tmp_path / "model.xmile")
    with pytest.raises(ModelError) as caught:
        fr.read_case(model)
    assert [finding.element for finding in caught.value.findings] == [element]
    assert caught.value.findings[0].line > 0
