"""The JavaScript of a program against the engine: every bundled model, random models, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from browsing import in_chromium, in_node, script, values_of
from building import auxiliary, model
from flowreform import engine
from flowreform.batch import ExperimentBatch, drive_of, matrix_of
from flowreform.engine.emit import emit
from flowreform.engine.javascript import javascript
from flowreform.engine.pruned import prune, same
from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment, as_experiment
from flowreform.formats import bundled
from flowreform.lower import lower
from flowreform.model import Method
from flowreform.names import split
from flowreform.program import Program
from flowreform.sampling import samples
from random_models import made

CLOSE = 1e-9
"""Of a series' largest value."""


def every_slot(program: Program) -> list[int]:
    """The slots of all variables."""
    return [slot for place in program.places.values() for slot in place.slots]


def furthest(ours: np.ndarray, theirs: np.ndarray, sizes: Mapping[int, float] | None = None) -> float:
    """The largest difference as a share of each series' largest value, [slot, time, run], or of its size in `sizes`; NaN and
    infinities must agree."""
    assert ours.shape == theirs.shape
    odd = ~np.isfinite(ours)
    np.testing.assert_array_equal(np.where(odd, ours, 0.0), np.where(odd, theirs, 0.0))
    gap = np.abs(np.where(odd, 0.0, ours) - np.where(odd, 0.0, theirs)).max(axis=(1, 2))
    size = np.abs(np.where(odd, 0.0, ours)).max(axis=(1, 2))
    for row, own in (sizes or {}).items():
        size[row] = max(size[row], own)
    return float((gap / np.maximum(size, 1e-300)).max(initial=0.0))


def balances(experiment: Experiment, program: Program, values: np.ndarray, slots: Sequence[int]) -> dict[int, float]:
    """Rows of the balances that the laws conserve, zero but for rounding, and the size of what each balances."""
    row = {slot: number for number, slot in enumerate(slots)}
    conserved = experiment.case.laws.conserved if experiment.case and experiment.case.laws else {}
    found = {}
    for balance, other in conserved.items():
        whole = max(float(np.abs(values[row[slot]]).max()) for slot in program.places[split(other)[0]].slots)
        found |= {row[slot]: whole for slot in program.places[split(balance)[0]].slots}
    return found


def subject(name: str, draws: int = 3) -> Experiment:
    """An experiment with few draws, or one run of a model as it stands."""
    experiment = as_experiment(name)
    return experiment.with_(draws=draws) if name in bundled("experiments") and experiment.draws > 1 else experiment


def case_of(experiment: Experiment) -> tuple[Program, np.ndarray, np.ndarray | None, set[int], int]:
    """The program of an experiment's first scenario, its inputs, levers over time, drawn slots and saving interval."""
    batch = ExperimentBatch(experiment)
    scenario = next(iter(experiment.scenarios.values()))
    drawn = samples(experiment)
    columns = scenario.over(drawn, experiment.draws)
    assert batch.program is not None
    matrix = matrix_of(batch.program, batch.model, columns, experiment.draws)
    slots = {slot for name in drawn for slot in batch.program.places[name.partition("[")[0]].slots}
    return batch.program, matrix, drive_of(batch.program, batch.model, scenario.moving), slots, batch.every


NAMES = (*bundled("models"), *bundled("experiments"))


def first_steps(program: Program, steps: int) -> Program:
    """The program stopped after so many steps."""
    return dataclasses.replace(program, stop=program.start + steps * program.dt)


@pytest.mark.requires("node")
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_variable_of_every_model_and_experiment_is_the_engines(name: str, tmp_path: Path) -> None:
    _every_variable(name, tmp_path, draws=2)


@pytest.mark.requires("node")
@pytest.mark.parametrize("name", ["care_shift", "stroke_centralisation"])
def test_every_variable_in_its_first_steps(name: str, tmp_path: Path) -> None:
    _every_variable(name, tmp_path, draws=1, steps=48)


def _every_variable(name: str, tmp_path: Path, draws: int, steps: int | None = None) -> None:
    experiment = subject(name, draws)
    program, matrix, drive, _, every = case_of(experiment)
    if steps is not None:
        program, drive, every = first_steps(program, steps), None if drive is None else drive[:, : 2 * steps + 1], 16
    keep = every_slot(program)
    ours = engine.simulate(program, matrix, drive, keep=keep, every=every, engine="python")
    text, slots = script(program, keep, matrix, drive, every=every)
    theirs, failed = values_of(in_node(text, tmp_path), len(slots), matrix.shape[1])
    assert slots == ours.slots
    assert furthest(ours.values, theirs, balances(experiment, program, ours.values, slots)) < CLOSE
    assert (failed == ~ours.finite).all()


FEW = 3
"""Series kept where most of a program is left out."""


@pytest.mark.requires("node")
@pytest.mark.parametrize("name", ["stroke_london"])
def test_a_few_series_with_what_draws_share_worked_out_once_keep_their_values(name: str, tmp_path: Path) -> None:
    experiment = subject(name, draws=23)  # a block and a part of one
    program, matrix, drive, drawn, every = case_of(experiment)
    program, every = first_steps(program, 64), 16
    drive = None if drive is None else drive[:, :129]
    keep = [program.places[name].base for name in experiment.save[:FEW]]
    ours = engine.simulate(program, matrix, drive, keep=keep, every=every, engine="python")
    text, slots = script(program, keep, matrix, drive, drawn, every)
    theirs, _ = values_of(in_node(text, tmp_path), len(slots), matrix.shape[1])
    assert slots == ours.slots
    assert furthest(ours.values, theirs) < CLOSE


@pytest.mark.requires("chromium")
def test_a_browser_gives_the_engines_values_under_a_policy_without_eval(tmp_path: Path) -> None:
    experiment = subject("care_shift_build_or_close_first", draws=5)
    program, matrix, drive, drawn, every = case_of(experiment)
    program, every = first_steps(program, 64), 16
    drive = None if drive is None else drive[:, :129]
    keep = [program.places[name].base for name in experiment.save]
    ours = engine.simulate(program, matrix, drive, keep=keep, every=every, engine="python")
    text, slots = script(program, keep, matrix, drive, drawn, every)
    theirs, _ = values_of(in_chromium(text, tmp_path), len(slots), matrix.shape[1])
    assert furthest(ours.values, theirs) < CLOSE


RANDOM = 4


@pytest.mark.requires("node")
@pytest.mark.parametrize("method", list(Method))
def test_random_models_by_every_method(method: Method, tmp_path: Path) -> None:
    """Delays, smooths, pulses, lookups of every kind, memory, histories, arrays, stocks that stop at zero."""
    checked = 0
    for seed in range(RANDOM):
        random = made(seed)
        program = lower(dataclasses.replace(random.model, specs=dataclasses.replace(random.model.specs, method=method)))
        keep = every_slot(program)
        matrix = matrix_of(program, random.model, {}, 2)
        ours = engine.simulate(program, matrix, keep=keep, engine="python")
        text, slots = script(program, keep, matrix)
        theirs, _ = values_of(in_node(text, tmp_path), len(slots), 2)
        assert furthest(ours.values, theirs) < CLOSE, seed
        checked += 1
    assert checked == RANDOM


def test_pruning_leaves_the_bits_of_what_stays() -> None:
    experiment = subject("care_shift_build_or_close_first")
    program, matrix, drive, _, every = case_of(experiment)
    program, every = first_steps(program, 64), 16
    drive = None if drive is None else drive[:, :129]
    keep = [program.places[name].base for name in experiment.save[:FEW]]
    small = prune(program, keep)
    whole = engine.simulate(program, matrix, drive, keep=keep, every=every, engine="python")
    part = engine.simulate(small, matrix, drive, keep=keep, every=every, engine="python")
    assert len(small.step) < len(program.step)
    assert np.array_equal(whole.values, part.values)


def test_what_is_the_same_in_all_draws_is_so_and_what_differs_is_not_called_so() -> None:
    experiment = subject("care_shift_build_or_close_first")
    program, matrix, drive, drawn, _ = case_of(experiment)
    program = first_steps(program, 64)
    drive = None if drive is None else drive[:, :129]
    keep = every_slot(program)
    equal = same(program, drawn)
    found = engine.simulate(program, matrix, drive, keep=keep, engine="python")
    differ = {slot for slot, rows in zip(found.slots, found.values, strict=True) if np.ptp(rows, axis=1).any()}
    assert differ
    assert not differ & equal
    assert equal & {slot for statement in program.step for slot in statement.slots()}


def test_without_sameness_the_text_is_the_engines_own() -> None:
    program = case_of(subject("stroke_london"))[0]
    keep = every_slot(program)
    assert emit(program, keep).source == emit(program, keep, same=()).source


def test_random_functions_are_refused_by_name() -> None:
    noisy = dataclasses.replace(model([auxiliary("x", "NORMAL(0, 1)")]), noise_seed=1)
    program = lower(noisy)
    with pytest.raises(ExperimentError, match="random functions"):
        javascript(program, every_slot(program))


def test_a_function_without_javascript_is_refused_when_printing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower(model([auxiliary("x", "EXP(TIME)")]))
    monkeypatch.delattr("flowreform.arithmetic.exp")
    with pytest.raises(ExperimentError, match="exp"):
        javascript(program, every_slot(program))
