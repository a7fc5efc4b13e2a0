"""The live workbook against the engine: recalculated by IronCalc and LibreOffice, at base inputs and after changes in it."""

from __future__ import annotations

import dataclasses
import functools
import html
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.experiment import Experiment, read_experiment
from flowreform.export.workbook.source import ROOM
from workbooks import Series, Sheet, by_soffice, cleaned, engine, input_cells, patched, shortened, worst

LIMIT = 1e-9
MOST = 900_000
NESTED = 64
"""Excel's limit on functions inside each other."""

# For each model: its experiment, an end 24 months on, the scenario chosen in the sheet, and inputs changed in the sheet.
CASES: dict[str, tuple[str, float, str, Mapping[str, float]]] = {
    "care_shift": (
        "care_shift_build_or_close_first", 24.0, "close_first",
        {"population_at_start": 1_100_000.0, "occupancy_at_start": 0.95, "p1_discharges_a_day": 17.0,
         "transformation_start": 6.0, "readmission_share": 0.12, "pay_per_registered_wte": 3900.0},
    ),
    "va_transformation": (
        "va_beds_to_community", 24.0, "close_first",
        {"occupancy_at_start": 0.8, "annual_discount_rate": 0.05, "pay_per_hospital_wte": 3500.0, "ward_wte_per_bed": 1.8,
         "transformation_start": 12.0, "winter_amplitude": 0.08},
    ),
    "canterbury": (
        "canterbury_earthquake", 24.0, "as_was",
        {"occupancy_at_start": 0.88, "pay_per_hospital_wte": 5500.0, "transformation_start": 6.0, "winter_amplitude": 0.08,
         "community_occupancy_at_start": 0.85, "annual_demand_growth": 0.03},
    ),
    "mental_health_shift": (
        "mental_health_double_running", 1956.0, "beds_by_plan",
        {"occupancy_at_start": 0.93, "ward_wte_per_bed": 0.4, "pay_per_wte": 9000.0, "annual_demand_growth": 0.01,
         "community_occupancy_at_start": 0.8, "annual_discount_rate": 0.05},
    ),
    "stroke_centralisation": (
        "stroke_big_bang_or_phased", 36.0, "phased_first_unit_sooner",
        {"strokes_per_month_at_start": 500.0, "mean_stay_at_start": 24.0, "pay_per_wte": 3600.0, "annual_discount_rate": 0.05,
         "share_arriving_within_four_hours": 0.42, "support_per_hospital": 0.2},
    ),
    "reform_levers": (
        "build_the_agency_or_the_trusts", 48.0, "agency",
        {"slip_time": 20.0, "time_to_practise": 10.0, "staff_turnover": 0.012, "pay_per_month": 3000.0, "cost_of_defects": 250.0,
         "half_life_of_one_unit": 2.5, "loss_per_change_of_leader": 0.2},
    ),
}  # fmt: skip


@functools.cache
def read(name: str) -> Experiment:
    """An experiment, read once."""
    return read_experiment(name)


def case_of(model: str, *, whole: bool = False) -> tuple[Experiment, str, dict[str, float]]:
    """The experiment, the scenario to choose and inputs to change that this scenario leaves alone."""
    name, stop, scenario, changes = CASES[model]
    experiment = read(name)
    settings = experiment.scenarios[scenario].settings
    changes = {key: value for key, value in changes.items() if key not in settings}
    if whole:
        return experiment, scenario, changes
    kept = (
        experiment.scenarios if model == "care_shift" else {n: experiment.scenarios[n] for n in (experiment.baseline, scenario)}
    )
    return shortened(dataclasses.replace(experiment, scenarios=kept), stop), scenario, changes


def sizes(experiment: Experiment, answers: list[Series]) -> dict[str, float]:
    """What series are compared with where that is more than their own largest value: the largest of any scenario, since a
    difference that is zero but for rounding has no size of its own; and for balances of the laws what they balance."""
    found: dict[str, float] = {}
    for answer in answers:
        for name, values in answer.items():
            found[name] = max(found.get(name, 0.0), float(np.abs(values).max()))
    assert experiment.case is not None
    laws = experiment.case.laws
    assert laws is not None
    for balance, other in laws.conserved.items():
        whole = sum(size for name, size in found.items() if name.split("[")[0] == other) or constant(experiment, other)
        found.update({name: whole for name in found if name.split("[")[0] == balance})
    return found


def constant(experiment: Experiment, name: str) -> float:
    """The size of what never moves, and so has no column."""
    specs = dataclasses.replace(experiment.model.specs, stop=experiment.model.specs.start + experiment.model.specs.dt)
    ds = fr.simulate(dataclasses.replace(experiment.model, specs=specs), save=(name,), engine="python")
    return float(np.abs(ds[name].isel(time=0)).sum())


def moved(before: Series, after: Series) -> float:
    """The share of series that differ between two answers."""
    return float(np.mean([np.abs(before[name] - after[name]).max() > 1e-6 * np.abs(before[name]).max() for name in before]))


def steps(experiment: Experiment) -> int:
    return round((experiment.stop - experiment.start) / experiment.dt) + 1


def label_of(experiment: Experiment, scenario: str) -> str:
    return experiment.scenarios[scenario].label


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The short workbook of a model, written once."""
    made: dict[str, Path] = {}

    def book(model: str) -> Path:
        if model not in made:
            path = tmp_path_factory.mktemp(model) / "plan.xlsx"
            short, whole = case_of(model)[0], case_of(model, whole=True)[0]
            room = ROOM * steps(short) // steps(whole)  # the same columns as at the full horizon
            fr.to_xlsx(short, path, draws=False, room=room)
            made[model] = path
        return made[model]

    return book


QUICKEST = ("care_shift", "mental_health_shift")


@pytest.mark.parametrize(
    "model",
    [pytest.param(model, marks=() if model in QUICKEST else pytest.mark.slow) for model in CASES],
)
def test_ironcalc_agrees_with_the_engine(model: str, books: Callable[[str], Path]) -> None:
    experiment, scenario, changes = case_of(model)
    assert len(changes) >= 5
    assert set(changes) <= set(experiment.model.parameters)
    sheet = Sheet(books(model))
    sheet.evaluate()
    at_base = sheet.engine()
    asked = [*((name, {}) for name in experiment.scenarios), (scenario, changes)]
    *answers, after = engine(experiment, asked, at_base)
    before = answers[list(experiment.scenarios).index(experiment.baseline)]
    assert moved(before, after) > 0.3, "what is changed must change the answer"
    floors = sizes(experiment, [*answers, after])
    assert worst(at_base, before, floors) <= (LIMIT, "~")
    assert sheet.value("Checks", "C5") == "OK"
    assert sheet.value("Checks", "C6") == 0
    sheet.choose(label_of(experiment, scenario))
    sheet.change(changes)
    sheet.evaluate()
    assert worst(sheet.engine(), after, floors) <= (LIMIT, "~")
    assert sheet.value("Checks", "C6") == len(changes)
    assert sheet.value("Checks", "C5") == "OK"


@pytest.mark.slow
def test_the_selector_alone_moves_the_sheet(books: Callable[[str], Path]) -> None:
    experiment, _, _ = case_of("care_shift")
    answers = engine(
        experiment,
        [(name, {}) for name in experiment.scenarios],
        ["staffed_beds", "community_places_open", "planned_list"],
    )
    sheet = Sheet(books("care_shift"))
    seen = set()
    for scenario, answer in zip(experiment.scenarios, answers, strict=True):
        sheet.choose(label_of(experiment, scenario))
        sheet.evaluate()
        assert sheet.value("Checks", "C5") == "OK", scenario  # each against its own frozen answer
        for name, values in answer.items():
            assert np.isclose(float(sheet.last(name)), values[-1], rtol=LIMIT)  # type: ignore[arg-type]
            seen.add(values[-1])
    assert len(seen) > len(experiment.scenarios)
    sheet.choose("a scenario that is not in the list")
    sheet.evaluate()
    assert str(sheet.value("Checks", "C5")).endswith("failed"), "nothing is chosen, and the checks must not pass"


# --- LibreOffice, at the full horizon ----------------------------------------------------------------------------------


def functions_nested(path: Path) -> int:
    """The most functions inside each other in the first rows of any sheet; every row of the engine has the same formulas."""
    deepest = 0
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if name.startswith("xl/worksheets/sheet"):
                with book.open(name) as sheet:
                    text = sheet.read(4_000_000).decode(errors="ignore")
                for formula in set(re.findall("<f[^>]*>([^<]*)</f>", text)):
                    deepest = max(deepest, nested(re.sub('"[^"]*"', "", html.unescape(formula))))
    return deepest


def nested(formula: str) -> int:
    """How many functions of a formula, without its texts, stand inside each other at most."""
    deepest, opened = 0, [0]
    for before, bracket in re.findall(r"([A-Z0-9.]?)([()])", formula):
        if bracket == "(":
            opened.append(opened[-1] + bool(before))
            deepest = max(deepest, opened[-1])
        else:
            opened.pop()
    return deepest


def test_brackets_of_functions_are_counted_and_others_are_not() -> None:
    assert nested("A1+(B2*(3-C4))") == 0
    assert nested("MAX(0,(A1+MIN(B2,IF(C3>0,(1),LOG10(2)))))+SUM(A1:A2)") == 4


def in_soffice(model: str, folder: Path) -> None:
    """Recalculated by LibreOffice at the full horizon: at base inputs, and with the selector and inputs changed in the file."""
    experiment, scenario, changes = case_of(model, whole=True)
    path = folder / "plan.xlsx"
    written = fr.to_xlsx(experiment, path, draws=False)
    assert written.formulas < MOST
    assert 1 < functions_nested(path) <= NESTED
    at_base = by_soffice(path, folder)
    asked = [*((name, {}) for name in experiment.scenarios), (scenario, changes)]
    *answers, after = engine(experiment, asked, at_base)
    floors = sizes(experiment, [*answers, after])
    before = answers[list(experiment.scenarios).index(experiment.baseline)]
    assert moved(before, after) > 0.3
    assert worst(at_base, before, floors) <= (LIMIT, "~")
    cells: dict[tuple[str, str], float | str] = {("Control", "C6"): label_of(experiment, scenario)}
    where = input_cells(path)
    cells.update({("Inputs", where[name]): value for name, value in changes.items()})
    changed = patched(path, folder / "changed.xlsx", cells)
    found = by_soffice(changed, folder)
    assert moved(at_base, found) > 0.3, "LibreOffice has not recalculated"
    assert worst(found, after, floors) <= (LIMIT, "~")
    print(model, "worst", worst(at_base, before, floors), worst(found, after, floors))
    cleaned(folder)


@pytest.mark.slow
@pytest.mark.requires("soffice")
@pytest.mark.parametrize("model", CASES)
def test_libreoffice_agrees_with_the_engine_over_the_whole_horizon(model: str, tmp_path: Path) -> None:
    in_soffice(model, tmp_path)
