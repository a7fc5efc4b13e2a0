"""reform_levers beside other tools while it moves, beside plain decay, and its values beside those of the other models.

The model as it stands is at rest, so that other simulators would agree about nothing: here they run settings that move."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.assessment import AGREEMENT, in_settings
from flowreform.engine.reference import run_pysd
from flowreform.engine.witness import compare, run_simlin
from flowreform.formats import bundled
from flowreform.measure import evaluate
from flowreform.patch import patched_model
from flowreform.units import factor

if TYPE_CHECKING:
    from xarray import Dataset

MODEL = "reform_levers"
EARLY = {"emergency_four_hours": 156.0, "infections": 178.0, "hospital_from_within": 144.0}
"""The first date of each setting: PySD is slow, so for it all dates are moved to the first months."""


def moving(setting: str, folder: Path, *, earlier: float = 0.0) -> fr.Model:
    """A copy of the model whose own values are those of a setting, with all its dates moved `earlier` by so many months."""
    model = fr.read_model(bundled("models")[MODEL])
    case = fr.read_case(model)
    assert case is not None
    values = {
        name: max(0.0, value - earlier) if model[name].units == "month" and name != "mean_stay_of_leaders" else value
        for name, value in case.settings[setting].values.items()
    }
    text = patched_model(bundled("models")[MODEL].read_bytes(), values)
    (folder / "model.xmile").write_bytes(text)
    return fr.read_model(folder / "model.xmile")


def differences(model: fr.Model, theirs: Mapping[str, np.ndarray], stop: float) -> dict[str, float]:
    ds = fr.simulate(model, save=list(model.stocks), save_every=model.specs.dt, engine="python").sel(time=slice(0.0, stop))
    ours = {
        name: ds[name].transpose(*[dim for dim in ds[name].dims if dim not in ("time", "run")], "time", "run").values
        for name in model.stocks
    }
    sizes = {name: float(np.abs(values).max()) for name, values in ours.items()}
    assert sum(float(np.ptp(values, axis=-2).max()) > 1e-6 * sizes[name] for name, values in ours.items() if sizes[name]) > 10
    return compare(ours, theirs, sizes)


@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("setting", EARLY)
def test_pysimlin_agrees_while_the_model_moves(setting: str, tmp_path: Path) -> None:
    model = moving(setting, tmp_path)
    assert model.path is not None
    theirs = run_simlin(model.path, {}, None, model=model)
    found = differences(model, theirs.values, float(theirs.times[-1]))
    assert max(found.values()) <= AGREEMENT, found


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["infections"])
def test_pysd_agrees_while_the_model_moves(setting: str, tmp_path: Path) -> None:
    model = moving(setting, tmp_path, earlier=EARLY[setting])
    assert model.path is not None
    text = model.path.read_text().replace("<stop>336</stop>", "<stop>8</stop>")
    model.path.write_text(text)
    short = fr.read_model(model.path)
    theirs = run_pysd(model.path, {}, list(short.stocks), model=short)
    found = differences(short, theirs.values, 8.0)
    assert max(found.values()) <= AGREEMENT, found


# --- one set of values against a half-life for each series ----------------------------------------------------------


SERIES = {
    "waits_1990s": 3.0,
    "waits_2002": 145.0,
    "emergency_four_hours": 153.0,
    "infections": 165.0,
    "comparison_alone": 12.0,
    "comparison_and_meetings": 14.0,
    "intensive_care_units": 168.0,
}
"""The settings that are fitted, with the month from which plain decay begins."""


@pytest.mark.slow
def test_one_set_of_values_does_better_than_plain_decay() -> None:
    """Exponential decay with a half-life of its own for each measure in each setting has a larger error over the same rows."""
    model = fr.read_model(bundled("models")[MODEL])
    case = fr.read_case(model)
    assert case is not None
    assert case.fit is not None
    names = sorted({name.partition("[")[0] for row in case.fit.rows for name in row.measure.variables})
    ds = in_settings(model, case, [{}], names, "python")
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in case.fit.rows:
        if row.measure.variable.startswith(("mean_reported", "reported_level")):
            groups.setdefault((row.measure.setting, row.measure.variable), []).append(row)

    def squares(rows: Sequence[Any], found: Dataset) -> float:
        values = [float(evaluate(row.measure, found, case.calendar).values[0]) for row in rows]
        return sum(((value - row.observed) / row.error) ** 2 for value, row in zip(values, rows, strict=True))

    times, plain = ds["time"].values, 0.0
    for (setting, variable), rows in groups.items():
        base = variable.partition("[")[0]
        shape = [-1 if dim == "time" else 1 for dim in ds[base].dims]
        courses = (0.5 ** (np.clip(times - SERIES[setting], 0.0, None) / half) for half in np.geomspace(1.0, 400.0, 80))
        plain += min(squares(rows, ds.assign({base: ds[base] * 0.0 + course.reshape(shape)})) for course in courses)
    structure = sum(squares(rows, ds) for rows in groups.values())
    assert structure < 0.75 * plain, f"{structure:.1f} against {plain:.1f} with {len(groups)} half-lives"


# --- one evidence, one value ------------------------------------------------------------------------------------------

VALUES = tomllib.loads((Path(__file__).parent / "one_value.toml").read_text())


def value_of(model: str, parameter: str, unit: str) -> float:
    variable = fr.read_model(bundled("models")[model])[parameter]
    own = float(str(variable.equations[0].text))
    return own * factor(variable.units or "1", unit, fr.read_model(bundled("models")[model])) if variable.units != unit else own


@pytest.mark.parametrize("quantity", VALUES)
def test_models_share_the_value_of_one_evidence(quantity: str) -> None:
    """Inside the range of the evidence, or named with a reason; a name that is no longer needed is taken out."""
    table = VALUES[quantity]
    exceptions = table.get("exceptions", {})
    assert set(exceptions) <= set(table["parameters"])
    for model, parameter in table["parameters"].items():
        value = value_of(model, parameter, table["unit"])
        inside = table["low"] - 1e-9 <= value <= table["high"] + 1e-9
        assert inside != (model in exceptions), f"{model}: {parameter} = {value:g} {table['unit']}"
        assert model not in exceptions or len(exceptions[model]) > 20


def test_every_range_leaves_something_out() -> None:
    """A range wide enough for three times its own middle, or a third of it, would hold any value."""
    for table in VALUES.values():
        middle = (table["low"] + table["high"]) / 2
        assert not table["low"] <= middle / 3 <= table["high"] or not table["low"] <= 3 * middle <= table["high"]


def test_canterbury_has_the_capability_of_this_model() -> None:
    """Whatever its case file says is as here has the value and the range that it has here; money aside, which is local."""
    here, there = (fr.read_model(bundled("models")[name]) for name in (MODEL, "canterbury"))
    case, other = fr.read_case(here), fr.read_case(there)
    assert case is not None
    assert other is not None
    said = {**other.parameters, **other.uncertainties}
    shared = [name for name, item in said.items() if item.source.startswith("as reform_levers") and name in here]
    assert len(shared) >= 19
    for name in set(shared) - {"fee_per_trainee"}:
        assert there[name].units == here[name].units, name
        assert float(str(there[name].equations[0].text)) == float(str(here[name].equations[0].text)), name
        if name in other.uncertainties:
            assert other.uncertainties[name].support == case.uncertainties[name].support, name
