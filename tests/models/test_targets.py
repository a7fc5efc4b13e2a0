"""Every bundled model against its own targets and gates, and against another simulator."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import flowreform as fr
from flowreform.analyse.assessment import AGREEMENT, Assessment, assess, in_settings, worst
from flowreform.case import Case
from flowreform.formats import bundled
from flowreform.measure import evaluate
from flowreform.names import split
from mutating import mutants, mutated

MODELS = bundled("models")
LEAST = {"va_transformation": (9, 10), "canterbury": (6, 6), "mental_health_shift": (6, 7), "reform_levers": (14, 14),
         "stroke_centralisation": (7, 7)}  # fmt: skip
"""How many targets must pass, of at least how many."""


@functools.cache
def assessed(name: str) -> Assessment:
    return assess(fr.read_model(name), witnesses=())


def case_of(name: str) -> Case:
    case = fr.read_case(fr.read_model(name))
    assert case is not None
    return case


@pytest.mark.parametrize("name", MODELS)
def test_targets_are_met_or_declared_missed(name: str) -> None:
    rows = [row for row in assessed(name).rows if row.kind == "target"]
    assert rows, "a bundled model has targets"
    wrong = [
        f"{row.label}: wanted {row.wanted}, simulated {row.simulated:.4g}: {row.verdict} {row.note}" for row in rows if not row.ok
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", LEAST)
def test_enough_targets_pass(name: str) -> None:
    passed, total = assessed(name).counted
    assert (passed >= LEAST[name][0], total >= LEAST[name][1]) == (True, True), f"{passed} of {total}"


@pytest.mark.parametrize("name", MODELS)
def test_every_target_counts(name: str) -> None:
    """Nothing of the same quantity is fed in upstream, something is named that makes it fail, and a miss has its reason."""
    for row in assessed(name).rows:
        if row.kind == "target":
            assert row.verdict not in ("given", "not counted", "does not fail"), f"{row.label}: {row.verdict}, {row.note}"
    for target in case_of(name).targets.values():
        assert target.fails_when
        assert target.source
        assert target.expected == "pass" or len(target.reason) > 30


@pytest.mark.parametrize("name", MODELS)
def test_gates_take_the_behaviour_away(name: str) -> None:
    rows = [row for row in assessed(name).rows if row.kind == "gate"]
    assert rows, "a bundled model has gates"
    wrong = [f"{row.label}: wanted {row.wanted}, simulated {row.simulated:.4g} with {row.note}" for row in rows if not row.ok]
    assert not wrong, "\n".join(wrong)


# --- mutants: a target that no fault can break proves nothing --------------------------------------------------------

MUTANTS = [item for name in MODELS for item in mutants(name, "target")]
COMPLETE = ("va_transformation", "canterbury", "care_shift", "mental_health_shift", "reform_levers", "stroke_centralisation")
"""Models with a mutant for every target."""


@pytest.mark.parametrize("name", COMPLETE)
def test_every_target_catches_a_mutant(name: str) -> None:
    assert {item.values[1]["target"] for item in mutants(name, "target")} == set(case_of(name).targets)


@pytest.mark.parametrize(
    ("model", "item"),
    [
        pytest.param(*one.values, id=one.id, marks=pytest.mark.slow if one.values[0] == "reform_levers" else ())
        for one in MUTANTS  # fifteen settings by a small step: the model's mutants take minutes together
    ],
)
def test_a_mutant_is_caught_by_its_target(model: str, item: dict[str, str], tmp_path: Path) -> None:
    mutant = fr.read_model(mutated(model, item, tmp_path))
    case = fr.read_case(mutant)
    assert case is not None
    target = case.targets[item["target"]]
    names = dict.fromkeys(split(name)[0] for check in target.checks for name in check.variables)
    ds = in_settings(mutant, case, [{}], list(names), "python")
    found = [(check.limits, float(evaluate(check, ds, case.calendar).values[0])) for check in target.checks]
    assert not all(low <= value <= high for (low, high), value in found), f"the mutant lives: {found}"


LONG_WITNESSES = {(name, "pysd") for name in MODELS if name != "mental_health_shift"} | {("canterbury", "pysimlin")}
"""Those that take ten seconds to half a minute; every model has one witness that is always run, canterbury's a workbook."""


@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize(
    ("name", "witness"),
    [
        pytest.param(name, witness, marks=pytest.mark.slow if (name, witness) in LONG_WITNESSES else ())
        for name in MODELS
        for witness in ("pysimlin", "pysd")
    ],
)
def test_another_simulator_agrees_on_every_stock(name: str, witness: str) -> None:
    """pysimlin over the whole horizon, PySD over as many steps as `assess` gives it."""
    model = fr.read_model(name)
    found = assess(model, witnesses=(witness,))
    witnessed = [row for row in found.rows if row.kind == "witness"]
    assert {row.name for row in witnessed} == {f"{witness}/{stock}" for stock in model.stocks}
    assert worst(found, witness) <= AGREEMENT, "\n".join(f"{row.name} {row.simulated:.3g}" for row in witnessed if not row.ok)
