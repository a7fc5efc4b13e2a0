"""The fitted values of a bundled model are those that its committed command gives, and nothing else is called fitted."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.fitting.estimate import Settled, fit, settled
from flowreform.case import Case, FitPlan
from flowreform.formats import bundled
from flowreform.measure import evaluate
from flowreform.model import Model
from flowreform.patch import patched_model

FITTED = ("canterbury", "mental_health_shift", "reform_levers", "stroke_centralisation", "va_transformation")
"""Models whose fit is committed."""
LAST = {
    "canterbury": 2018,
    "mental_health_shift": 1996,
    "reform_levers": 2008,
    "stroke_centralisation": 2013,
    "va_transformation": 2001,
}
"""No later year may be fitted to."""
ROWS = {"canterbury": 2, "mental_health_shift": 3, "reform_levers": 3, "stroke_centralisation": 2, "va_transformation": 2}
"""At least so many rows for each parameter."""


def opened(name: str) -> tuple[Model, Case, FitPlan]:
    model = fr.read_model(bundled("models")[name])
    case = fr.read_case(model)
    assert case is not None
    assert case.fit is not None
    return model, case, case.fit


@functools.cache
def found(name: str) -> Settled:
    return settled(opened(name)[0], engine=engine_for(name))


def engine_for(name: str) -> str:
    """Python for some hundred runs, but where one takes more than half a second and compiling pays."""
    return "numba" if name == "reform_levers" else "python"


def moved(name: str, values: dict[str, float], folder: Path) -> Model:
    """A copy of a model with other values."""
    source = bundled("models")[name].parent
    for file in ("model.toml", "reference.csv"):
        shutil.copy(source / file, folder / file)
    (folder / "model.xmile").write_bytes(patched_model((source / "model.xmile").read_bytes(), values))
    return fr.read_model(folder / "model.xmile")


@pytest.mark.parametrize("name", FITTED)
def test_the_values_are_a_best_fit(name: str) -> None:
    """One more step of the search from the model's own values gains nothing and moves nothing (the slow test searches anew)."""
    assert found(name).ok, str(found(name))
    assert max(map(abs, found(name).moves.values())) < 0.25, str(found(name))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("mental_health_shift", "va_transformation") else pytest.mark.slow)
        for name in FITTED
    ],
)
def test_a_value_changed_by_hand_is_noticed(name: str, tmp_path: Path) -> None:
    model, _, question = opened(name)
    first = question.parameters[0]
    assert not settled(moved(name, {first: 1.1 * question.before[0]}, tmp_path), engine=engine_for(name)).ok
    assert model.variables[first].range[1] > 1.1 * question.before[0]  # type: ignore[operator]


@pytest.mark.slow
@pytest.mark.parametrize("name", FITTED)
def test_a_fit_from_elsewhere_comes_to_the_same_values(name: str, tmp_path: Path) -> None:
    """From the middle of every range; a value may differ by a quarter of its standard error."""
    model, _, question = opened(name)
    middle = {name: (low + high) / 2 for name, low, high in zip(question.parameters, question.low, question.high, strict=True)}
    again = fit(moved(name, middle, tmp_path))
    assert again.cost_after == pytest.approx(found(name).cost, rel=2e-3)
    for item, before in zip(again.estimates, question.before, strict=True):
        assert item.name in model.variables
        if item.identified:
            assert abs(item.value - before) < 0.25 * item.standard_error, item


@pytest.mark.parametrize("name", FITTED)
def test_nothing_else_is_called_fitted(name: str) -> None:
    """Status, range, data and command stand beside every fitted parameter, and beside no other."""
    model, case, question = opened(name)
    entries = {**case.levers, **case.uncertainties, **case.parameters}
    assert {key for key, item in entries.items() if item.status == "fitted"} == set(question.parameters)
    for key in question.parameters:
        low, high = model.variables[key].range
        assert f"within {low:g} to {high:g}, by `flowreform fit {name} --write`" in entries[key].note
        for series in question.table.series:
            assert series in entries[key].note
    for key, item in entries.items():
        if key not in question.parameters:
            assert "fitted" not in item.source.lower(), f"{key} is not fitted by the command"


@pytest.mark.parametrize("name", FITTED)
def test_only_the_years_given_are_fitted_to(name: str) -> None:
    _, _, question = opened(name)
    assert max(row.year for row in question.rows) <= LAST[name]
    assert len(question.rows) >= ROWS[name] * len(question.parameters), "few parameters, many rows"


def test_the_hospitals_close_as_they_did_and_not_along_a_line() -> None:
    """Both counts of England on one scale, 1970-96: the model's error is under half that of the best straight line."""
    model, case, _ = opened("mental_health_shift")
    ds = fr.simulate(model, save=["staffed_beds"], engine="python")
    years, observed, simulated = [], [], []
    for row in case.observations:
        if row.series in ("beds_staffed_31dec", "beds_avg_daily_available"):
            measure = case.reference[row.series]
            years.append(row.year + (1.0 if measure.statistic == "at" else 0.5))
            observed.append(row.value / measure.scale)
            simulated.append(float(evaluate(measure.in_year(row.year), ds, case.calendar).values[0]) / measure.scale)
    line = np.polyval(np.polyfit(years, observed, 1), years)

    def error(course: object) -> float:
        return float(np.sqrt(np.mean((np.asarray(course) - observed) ** 2)))

    assert error(simulated) < 0.5 * error(line)
    text = (bundled("models")["mental_health_shift"].parent / "README.md").read_text()
    stated = re.search(r"error ([\d,]+) beds .*?straight line [^;]*?([\d,]+);", text, re.DOTALL)
    assert stated, "the README states both errors"
    assert [float(part.replace(",", "")) for part in stated.groups()] == pytest.approx([error(simulated), error(line)], abs=1)
