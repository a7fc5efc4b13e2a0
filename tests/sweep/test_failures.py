"""Runs that fail: named with variable, time and inputs, kept out of the statistics, and the rest go on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.experiment import Experiment
from flowreform.kpi import summary
from flowreform.sweeps import failures_of
from flowreform.sweeps.evaluate import Evaluator, assignments_of, batch_of
from flowreform.sweeps.layout import layout_of
from sweep.commands import run
from sweep.folders import DRAWS, contents

MARK = 0.81
"""Draws of share_in_use below this give the square root of a negative number."""


@pytest.fixture(scope="module")
def failing_file(experiment_file: Path, session_folder: Path) -> Path:
    """The ward in which about one run in twenty fails."""
    folder = session_folder / "failing"
    folder.mkdir()
    for name in ("model.xmile", "model.toml", "reference.csv", "pace.toml"):
        shutil.copy(experiment_file.with_name(name), folder / name)
    model = folder / "model.xmile"
    text = model.read_text(encoding="utf-8")
    assert text.count("open_beds * share_in_use") == 1
    text = text.replace("open_beds * share_in_use", f"open_beds * share_in_use + 0 * SQRT(share_in_use - {MARK})")
    model.write_text(text, encoding="utf-8")
    return folder / "pace.toml"


@pytest.fixture(scope="module")
def failing(failing_file: Path) -> Experiment:
    return fr.read_experiment(failing_file)


def test_failed_runs_are_named_and_left_out(failing: Experiment, undisturbed: Path, tmp_path: Path) -> None:
    done = fr.sweep(failing, tmp_path / "sweep", engine="python")
    ds, whole = fr.open_sweep(tmp_path / "sweep"), fr.open_sweep(undisturbed)
    drawn = whole["share_in_use"].values
    bad = np.flatnonzero(drawn < MARK)
    assert 3 < len(bad) < DRAWS / 4
    assert done.failed == 2 * len(bad) == ds.attrs["failed_runs"]
    assert np.array_equal(np.flatnonzero(ds["failed"].values[1]), bad)
    found = failures_of(tmp_path / "sweep")
    assert [(f.draw, f.scenario) for f in found] == [(draw, name) for draw in bad for name in ("as_planned", "slower")]
    first = found[0]
    assert (first.variable, first.time, first.value) == ("using", 0.0, "NaN")
    assert first.inputs == {"share_in_use": drawn[bad[0]]}
    assert found[1].inputs == {"share_in_use": drawn[bad[0]], "closure_rate": 0.01}
    assert str(first) == f"scenario as_planned, draw {bad[0]}: using turned NaN at time 0"
    kpis, right = fr.kpis(ds, failing), fr.kpis(fr.run(failing, engine="python"), failing)
    good = np.setdiff1d(np.arange(DRAWS), bad)
    assert np.array_equal(kpis["use_in_first_year"].values[:, good], fr.kpis(whole, failing)["use_in_first_year"].values[:, good])
    assert summary(kpis) == pytest.approx(summary(right), nan_ok=True) or repr(summary(kpis)) == repr(summary(right))
    row = summary(kpis)[0]
    assert (row.failed, row.count) == (len(bad), DRAWS - len(bad))


def test_an_overflow_is_named_by_its_sign(failing_file: Path, tmp_path: Path) -> None:
    for name in ("model.toml", "reference.csv"):
        shutil.copy(failing_file.with_name(name), tmp_path / name)
    text = failing_file.with_name("model.xmile").read_text(encoding="utf-8")
    text = text.replace(
        f"0 * SQRT(share_in_use - {MARK})", f"(IF share_in_use &lt; {MARK} AND TIME &gt; 3 THEN -EXP(800) ELSE 0)"
    )
    (tmp_path / "model.xmile").write_text(text, encoding="utf-8")
    experiment = replace(fr.read_experiment(failing_file, fr.read_model(tmp_path / "model.xmile")), draws=64)
    done = fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    assert 0 < done.failed < 64
    assert (done.failures[0].variable, done.failures[0].time, done.failures[0].value) == ("using", 3.25, "negative infinite")


def test_failed_runs_are_left_out_of_quantiles(failing: Experiment, tmp_path: Path) -> None:
    experiment = replace(failing, draws=128, sweep=failing.sweep.model_copy(update={"quantiles": (0.5,)}))
    fr.sweep(experiment, tmp_path / "sweep", engine="python")
    plain = fr.run(experiment, engine="python")
    good = ~plain["failed"].values[0]
    wanted = np.quantile(plain["bed_months_total"].values[:, good], 0.5, axis=1)
    found = fr.open_sweep(tmp_path / "sweep")["quantile_value"].sel(column="bed_months_total", quantile=0.5)
    assert 0 < good.sum() < 128
    assert np.array_equal(found.values, wanted)


def test_the_command_says_so_and_ends_with_3(failing_file: Path, tmp_path: Path) -> None:
    code, text = run("sweep", failing_file, "-o", tmp_path / "sweep", "--engine", "python", "--json")
    answer = json.loads(text[text.index("{\n") : text.rindex("\n}") + 2])
    assert code == 3
    assert answer["failed"] == len(answer["failures"]) > 0
    assert "runs failed and are left out of every percentile" in text
    assert "using turned NaN at time 0; inputs: share_in_use = 0.80" in text
    assert run("sweep", tmp_path / "sweep", "--quiet")[0] == 3  # still so when nothing is left to do
    assert run("verify", tmp_path / "sweep")[0] == 0


class Clock:
    """A clock by which chosen runs take ten seconds."""

    def __init__(self, readings: Iterator[float]) -> None:
        self._readings = readings

    def __call__(self) -> float:
        return next(self._readings)


def test_a_run_that_is_too_slow_is_named_and_left_out(experiment: Experiment) -> None:
    experiment = replace(experiment, draws=4, sweep=experiment.sweep.model_copy(update={"seconds_per_run": 5.0}))
    worker = Evaluator(experiment, layout_of(experiment, assignments_of(batch_of(experiment, False))), "python")

    def readings() -> Iterator[float]:
        yield from (0.0, 20.0)  # all four side by side took longer than one may
        for seconds in (1.0, 10.0, 1.0, 1.0):
            yield 100.0
            yield from [100.0 + seconds] * (2 if seconds > 5.0 else 1)

    worker.stretches, worker.clock = [], Clock(readings())
    block = worker.runs("slower", worker.drawer.part(0, 4), 0)
    assert block.failed.tolist() == [False, True, False, False]
    assert [str(failure) for failure in block.failures] == ["scenario slower, draw 1: too slow: over 5 s"]
    assert block.failures[0].inputs["closure_rate"] == 0.01
    assert np.isnan(block.kpis[1]).all()
    assert np.isfinite(block.kpis[0, 0])


def test_runs_that_would_take_the_afternoon_end_after_a_few_limits(experiment: Experiment) -> None:
    """64 draws of 20,000 steps would take minutes: two of them are begun, and neither goes further than some limits."""
    long = replace(
        experiment, draws=64, dt=experiment.dt / 256, sweep=experiment.sweep.model_copy(update={"seconds_per_run": 0.02})
    )
    specs = replace(long.model.specs, dt=long.dt)
    long = replace(long, model=replace(long.model, specs=specs))
    worker = Evaluator(long, layout_of(long, assignments_of(batch_of(long, False))), "python")
    before = time.process_time()
    block = worker.runs("slower", worker.drawer.part(0, 64), 0)
    assert block.failed.all()
    assert {str(failure).partition(": ")[2] for failure in block.failures} == {"too slow: over 0.02 s"}
    whole = worker.prepared
    begun = time.process_time()
    whole.run(np.zeros((len(worker.program.inputs) and sum(len(i.values) for i in worker.program.inputs), 1)),
              worker.series["slower"], np.empty((len(whole.slots), worker.times, 1)))  # fmt: skip
    assert begun - before < 8 * (time.process_time() - begun)


def test_no_run_is_too_slow_without_a_limit(experiment: Experiment, right: dict[str, str], tmp_path: Path) -> None:
    roomy = replace(experiment, sweep=experiment.sweep.model_copy(update={"seconds_per_run": 1e6}))
    fr.sweep(roomy, tmp_path / "sweep", engine="numba")
    assert contents(tmp_path / "sweep") == right
