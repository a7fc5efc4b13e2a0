"""PySD and pysimlin as witnesses: what they give for our files, and that they leave the user's folder alone."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flowreform.engine import simulate
from flowreform.engine.reference import run_count, run_pysd
from flowreform.engine.witness import compare, run_simlin
from flowreform.errors import ExperimentError, ModelError
from flowreform.formats.vensim import read_vensim
from flowreform.lower import lower
from flowreform.model import Method, Model

FIXTURES = Path(__file__).parent / "fixtures" / "mdl"

DRAIN = """{UTF-8}
Water= INTEG (-Loss, Start)
	~	litre
	~	|
Loss= Rate*Water
	~	litre/Month
	~	|
Rate= 0.25
	~	1/Month
	~	|
Start= 100
	~	litre
	~	|
FINAL TIME = 4
	~	Month
	~	|
INITIAL TIME = 0
	~	Month
	~	|
SAVEPER = TIME STEP
	~	Month
	~	|
TIME STEP = 1
	~	Month
	~	|
"""


@pytest.fixture
def drain(tmp_path: Path) -> Path:
    path = tmp_path / "drain.mdl"
    path.write_text(DRAIN, encoding="utf-8")
    return path


def ours(model: Model) -> dict[str, np.ndarray]:
    """What our own engine gives for the model as written."""
    program = lower(model)
    inputs = np.array([value for item in program.inputs for value in item.values])[:, None]
    every = round((model.specs.save_every or model.specs.dt) / model.specs.dt)
    keep = [slot for place in program.places.values() for slot in place.slots]
    found = simulate(program, inputs, keep=keep, every=every, engine="python")
    row = {slot: number for number, slot in enumerate(found.slots)}
    return {
        name: np.stack([found.values[row[slot]] for slot in place.slots]).reshape(*place.shape, len(found.times), 1)
        for name, place in program.places.items()
    }


def test_pysd_gives_euler_steps_one_column_a_run(drain: Path) -> None:
    rates = np.array([0.25, 0.5, 0.0])
    found = run_pysd(drain, {"Rate": rates, "start": 80.0}, ["Water"])
    assert found.times.tolist() == [0, 1, 2, 3, 4]
    assert list(found.values) == ["water"]
    expected = 80.0 * (1 - rates[None, :]) ** np.arange(5.0)[:, None]
    np.testing.assert_allclose(found.values["water"], expected, rtol=1e-12)


def test_pysd_follows_the_horizon_it_is_given(drain: Path) -> None:
    model = read_vensim(drain)
    specs = replace(model.specs, start=1.0, stop=3.0, dt=0.5, save_every=1.0)
    found = run_pysd(drain, {}, ["water"], model=model, specs=specs)
    assert found.times.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found.values["water"][:, 0], 100 * 0.875 ** np.array([0.0, 2.0, 4.0]), rtol=1e-12)


def test_pysd_is_not_asked_for_a_method_it_has_not(drain: Path) -> None:
    specs = replace(read_vensim(drain).specs, method=Method.RK4)
    with pytest.raises(ModelError, match="Euler's method only"):
        run_pysd(drain, {}, specs=specs)


@pytest.mark.requires("pysimlin")
def test_pysimlin_gives_euler_steps_one_column_a_run(drain: Path) -> None:
    rates = np.array([0.25, 0.5])
    found = run_simlin(drain, {"rate": rates}, ["water"])
    np.testing.assert_allclose(found.values["water"], 100 * (1 - rates[None, :]) ** np.arange(5.0)[:, None], rtol=1e-12)


def test_a_name_pysd_does_not_know_is_told_with_the_nearest(drain: Path) -> None:
    with pytest.raises(ExperimentError, match='did you mean "water"'):
        run_pysd(drain, {}, ["watr"])
    with pytest.raises(ExperimentError, match="no such variable"):
        run_pysd(drain, {"nothing like it": 1.0})


def test_what_pysd_cannot_run_is_one_line(drain: Path) -> None:
    drain.write_text(DRAIN.replace("Rate*Water", "Rate*Undefined"), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        run_pysd(drain, {})
    assert "\n" not in str(caught.value)
    assert "PySD cannot" in str(caught.value)


def test_pysd_writes_nothing_beside_the_model(drain: Path) -> None:
    script = drain.with_suffix(".py")
    script.write_text("raise SystemExit('the user wrote this')\n", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in drain.parent.iterdir()}
    run_pysd(drain, {}, ["water"])
    assert {path.name: path.read_bytes() for path in drain.parent.iterdir()} == before


def test_pysd_itself_would_have_overwritten_the_script(drain: Path) -> None:
    """The test above can fail: given the file itself, PySD does write over the user's script."""
    import pysd

    script = drain.with_suffix(".py")
    script.write_text("# the user wrote this\n", encoding="utf-8")
    pysd.read_vensim(str(drain))
    assert "the user wrote this" not in script.read_text(encoding="utf-8")


def test_pysd_is_kept_from_files_outside_the_folder(drain: Path) -> None:
    secret = drain.parent.parent / "secret.csv"
    secret.write_text("7\n", encoding="utf-8")
    drain.write_text(DRAIN.replace("Rate= 0.25", f"Rate= GET DIRECT CONSTANTS('{secret}', ',', 'A1')"), encoding="utf-8")
    with pytest.raises(ModelError, match="absolute path"):
        run_pysd(drain, {})


def test_pysd_finds_data_files_of_the_model_folder() -> None:
    path = FIXTURES / "spreadsheet.mdl"
    theirs = run_pysd(path, {}, ["beds", "held"], model=read_vensim(path)).values
    assert theirs["beds"][:, 0, 0].tolist() == [10, 20]
    assert theirs["held"][:, 0].tolist() == [10, 10, 10, 10, 20, 20, 20, 20, 40]


@pytest.mark.parametrize("name", ["care", "places", "cohorts", "spreadsheet"])
def test_our_engine_agrees_with_pysd_on_every_variable(name: str) -> None:
    path = FIXTURES / f"{name}.mdl"
    model = read_vensim(path)
    theirs = run_pysd(path, {}, model=model).values
    differences = compare(ours(model), theirs)
    assert len(differences) >= 6
    assert max(differences.values()) <= 1e-9, differences


@pytest.mark.requires("pysimlin")
def test_our_engine_agrees_with_pysimlin() -> None:
    path = FIXTURES / "care.mdl"
    model = read_vensim(path)
    differences = compare(ours(model), run_simlin(path, {}, model=model).values)
    assert {"occupied_beds", "caseload", "signed"} <= differences.keys()
    stocks = {name: differences[name] for name in model.stocks}
    assert max(stocks.values()) <= 1e-9, stocks


def test_elements_of_an_array_can_be_set_and_come_back_in_the_model_order(tmp_path: Path) -> None:
    path = FIXTURES / "places.mdl"
    model = read_vensim(path)
    found = run_pysd(path, {"Plan[East]": np.array([3.0, 30.0])}, ["opened", "rate"], model=model)
    assert found.values["opened"].shape == (3, 5, 2)
    assert found.values["opened"][:, 0, :].tolist() == [[1, 1], [2, 2], [3, 30]]
    assert found.values["rate"][:, :, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@given(arrays(np.float64, (3, 2), elements=st.floats(-1e6, 1e6)), st.floats(1e-6, 1e-2))
def test_compare_is_the_largest_distance_over_the_largest_of_theirs(theirs: np.ndarray, share: float) -> None:
    largest = float(np.abs(theirs).max())
    moved = theirs.copy()
    moved[1, 1] += share * (largest or 1.0)
    result = compare({"x": moved, "only ours": theirs}, {"x": theirs})
    assert result == {"x": pytest.approx(share, rel=1e-6)}


def test_compare_takes_missing_values_for_what_they_are() -> None:
    some = np.array([1.0, math.nan])
    assert compare({"x": some}, {"x": some.copy()}) == {"x": 0.0}
    assert compare({"x": np.array([1.0, 2.0])}, {"x": some}) == {"x": math.inf}
    with pytest.raises(ValueError, match="shape"):
        compare({"x": some}, {"x": some[:1]})


def test_runs_are_counted_by_the_longest_input() -> None:
    assert run_count({}) == 1
    assert run_count({"a": 1.0, "b": np.zeros(4), "c": np.zeros(1)}) == 4
    with pytest.raises(ValueError, match="different numbers of runs"):
        run_count({"a": np.zeros(3), "b": np.zeros(4)})
