"""A sweep's numbers are those of `fr.run`, whoever works them out, and its folder says so to any reader."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr

import flowreform as fr
from flowreform.experiment import Experiment
from flowreform.sweeps import State, experiment_of
from flowreform.sweeps.identity import identity_of
from sweep.folders import DRAWS, PART, contents

Changed = Callable[..., Experiment]


def same(a: object, b: object) -> bool:
    """Equal to the last bit, NaN and all."""
    left, right = np.asarray(a), np.asarray(b)
    return left.shape == right.shape and bool(((left == right) | ((left != left) & (right != right))).all())


def test_the_ward_is_cut_into_several_parts() -> None:
    assert DRAWS // PART > 3
    assert DRAWS % PART


@pytest.mark.parametrize("design", ["random", "latin_hypercube", "sobol"])
def test_kpis_and_inputs_are_those_of_a_run(design: str, changed: Changed, tmp_path: Path) -> None:
    experiment = changed(design=design)
    done = fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    assert (done.runs, done.computed, done.failed) == (2 * DRAWS, 2 * DRAWS, 0)
    ds, plain = fr.open_sweep(tmp_path / "sweep"), fr.run(experiment, engine="numba")
    wanted, found = fr.kpis(plain, experiment), fr.kpis(ds, experiment)
    assert list(found.data_vars) == list(wanted.data_vars)
    for name in wanted.data_vars:
        assert found[name].dims == wanted[name].dims
        assert found[name].attrs == wanted[name].attrs
        assert same(found[name], wanted[name])
        assert same(found[f"{name}_outcome"], wanted[f"{name}_outcome"])
    for name in ("share_in_use", "closure_rate"):
        assert ds[name].dims == plain[name].dims
        assert same(ds[name], plain[name])
    assert (ds.attrs["design"], ds.attrs["seed"], ds.attrs["missing_runs"], ds.attrs["failed_runs"]) == (design, 1, 0, 0)
    assert same(fr.contrast(found)["beds_at_end"], fr.contrast(wanted)["beds_at_end"])


def test_the_compiled_engine_threads_and_processes_give_the_same_files(
    experiment: Experiment, right: dict[str, str], tmp_path: Path
) -> None:
    for workers, pool, engine in (
        (1, "threads", "numba"),
        (2, "threads", "python"),
        (4, "threads", "numba"),
        (2, "processes", "python"),
    ):
        folder = tmp_path / f"{workers}_{pool}_{engine}"
        fr.sweep(experiment, folder, workers=workers, pool=pool, engine=engine)
        assert contents(folder) == right, (workers, pool, engine)


def test_courses_of_all_draws(changed: Changed, tmp_path: Path) -> None:
    experiment = changed(draws=150, sweep_trajectories="all")
    fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    ds, plain = fr.open_sweep(tmp_path / "sweep"), fr.run(experiment, engine="numba")
    for name in ("open_beds", "bed_months_total"):
        assert ds[name].dims == plain[name].dims
        assert same(ds[name], plain[name])
        assert same(
            ds[name].isel(draw=slice(140, 20, -3), scenario=1, time=[0, 3]),
            plain[name].isel(draw=slice(140, 20, -3), scenario=1, time=[0, 3]),
        )
        assert same(ds[name].sel(draw=7), plain[name].sel(draw=7))
    assert same(ds["time"], plain["time"])


def test_courses_of_the_first_draws(changed: Changed, tmp_path: Path) -> None:
    experiment = changed(draws=200, sweep_trajectories=70)
    fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    ds, plain = fr.open_sweep(tmp_path / "sweep"), fr.run(experiment, engine="numba")
    assert same(ds["open_beds"].isel(draw=slice(70)), plain["open_beds"].isel(draw=slice(70)))
    assert bool(ds["open_beds"].isel(draw=slice(70, None)).isnull().all())
    chunks = {name: len(list((tmp_path / "sweep" / "runs.zarr" / name).glob("c.*"))) for name in ("trajectory", "kpi_value")}
    assert chunks == {"trajectory": -(-70 // PART), "kpi_value": -(-200 // PART)}


def test_quantiles_over_few_draws_are_exact(changed: Changed, tmp_path: Path) -> None:
    experiment = changed(draws=150, sweep_quantiles=(0.1, 0.5, 0.9))
    fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    ds, plain = fr.open_sweep(tmp_path / "sweep"), fr.run(experiment, engine="numba")
    assert ds["quantile_value"].attrs["rank_error"] == 0.0
    for name in ("open_beds", "bed_months_total"):
        found = ds["quantile_value"].sel(column=name).transpose("quantile", "scenario", "time")
        assert same(found, np.quantile(plain[name], (0.1, 0.5, 0.9), axis=1))


def test_quantiles_over_many_draws_are_as_good_as_they_say(changed: Changed, tmp_path: Path) -> None:
    experiment = changed(draws=3000, sweep_quantiles=(0.1, 0.5, 0.9), sweep_draws_per_part=512)
    fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    ds, plain = fr.open_sweep(tmp_path / "sweep"), fr.run(experiment, engine="numba")
    error = ds["quantile_value"].attrs["rank_error"]
    assert 0.0 < error < 0.01
    values = np.asarray(plain["bed_months_total"])[:, :, 12]
    for q in (0.1, 0.5, 0.9):
        found = ds["quantile_value"].sel(column="bed_months_total", quantile=q).isel(time=12).values
        rank = (values <= found[:, None]).mean(axis=1)
        assert np.abs(rank - q).max() <= error + 1 / 3000


def test_any_reader_of_zarr_opens_it(undisturbed: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = xr.open_zarr(undisturbed / "runs.zarr", chunks=None)
    assert dict(ds.sizes)["run"] == 2 * DRAWS
    assert list(ds["kpi"].values) == ["beds_at_end", "use_in_first_year", "empty_at"]
    assert same(ds["draw_number"], np.repeat(np.arange(DRAWS), 2))
    assert same(ds["scenario_number"], np.tile([0, 1], DRAWS))
    assert same(ds["status"], np.ones(2 * DRAWS))
    assert same(ds["kpi_value"][1::2], fr.open_sweep(undisturbed)["kpi_value"].sel(scenario="slower"))


def test_a_chunk_is_a_part_and_there_is_no_second_copy(undisturbed: Path) -> None:
    chunks = {path.name for path in (undisturbed / "runs.zarr" / "kpi_value").iterdir()}
    assert chunks == {"zarr.json", *(f"c.{part}.0" for part in range(-(-DRAWS // PART)))}


def test_tables_for_those_without_python(undisturbed: Path, experiment: Experiment) -> None:
    ds = fr.open_sweep(undisturbed)
    with gzip.open(undisturbed / "kpis.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["scenario", "draw", "status", *experiment.kpis]
    assert len(rows) == 1 + 2 * DRAWS
    assert rows[2][:3] == ["slower", "0", "ok"]
    text = np.array([[float(cell) if cell else np.nan for cell in row[3:]] for row in rows[1:]])
    assert same(text.reshape(DRAWS, 2, -1).swapaxes(0, 1), ds["kpi_value"])
    table = pq.read_table(undisturbed / "kpis.parquet")
    assert table.column_names == rows[0]
    assert table["scenario"].to_pylist() == [row[0] for row in rows[1:]]
    assert same(np.asarray(table["beds_at_end"]), text[:, 0])
    assert table["empty_at"].null_count == 2 * DRAWS


def test_the_folder_gives_its_experiment_back(undisturbed: Path, experiment: Experiment) -> None:
    back = experiment_of(undisturbed)
    assert identity_of(back) == identity_of(experiment)
    assert (back.name, back.sha256, back.model.name, back.draws) == (
        experiment.name,
        experiment.sha256,
        experiment.model.name,
        DRAWS,
    )
    assert fr.read_experiment(undisturbed / "experiment.toml").draws == DRAWS
    assert str(undisturbed).encode() not in (undisturbed / "experiment.toml").read_bytes()


def test_it_can_be_moved(copied: Path, right: dict[str, str], experiment: Experiment, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    os.rename(copied, place)
    assert fr.sweep(experiment, place).computed == 0
    assert contents(place) == right


def test_progress_ends_at_the_end(experiment: Experiment, tmp_path: Path) -> None:
    told: list[State] = []
    fr.sweep(experiment, tmp_path / "sweep", engine="numba", workers=1, progress=told.append)
    assert told
    assert all(a.done <= b.done for a, b in pairwise(told))
    assert told[-1].runs == 2 * DRAWS
    assert told[-1].failed == 0


def test_no_uncertainty_and_one_scenario(ward: Path, tmp_path: Path) -> None:
    from flowreform.experiment import experiment_of as one_run

    experiment = one_run(fr.read_model(ward / "model.xmile"))
    fr.sweep(experiment, tmp_path / "sweep")
    found = fr.kpis(fr.open_sweep(tmp_path / "sweep"), experiment)
    assert same(found["beds_at_end"], fr.kpis(fr.run(experiment), experiment)["beds_at_end"])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_runs(experiment_file: Path, tmp_path: Path) -> None:
    """A million runs against ten thousand, each in a process of its own: the most memory it ever took."""
    script = (
        "import dataclasses, resource, sys, flowreform as fr\n"
        "experiment = dataclasses.replace(fr.read_experiment(sys.argv[1]), draws=int(sys.argv[3]))\n"
        "sweep = experiment.sweep.model_copy(update={'draws_per_part': None})\n"
        "fr.sweep(dataclasses.replace(experiment, sweep=sweep), sys.argv[2], engine='numba')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for draws in (5_000, 500_000):
        command = [sys.executable, "-c", script, str(experiment_file), str(tmp_path / str(draws)), str(draws)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 100
    assert peaks[1] < 600


ARRAYED = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
    <header><vendor>flowreform</vendor><product version="1.0">flowreform</product></header>
    <sim_specs method="rk4" time_units="month"><start>0</start><stop>12</stop><dt>0.5</dt></sim_specs>
    <dimensions><dim name="site"><elem name="north"/><elem name="south"/></dim></dimensions>
    <model><variables>
        <stock name="beds"><dimensions><dim name="site"/></dimensions><eqn>100</eqn><outflow>closing</outflow></stock>
        <flow name="closing"><dimensions><dim name="site"/></dimensions><eqn>beds * rate * pace</eqn></flow>
        <aux name="rate"><dimensions><dim name="site"/></dimensions><eqn>0.05</eqn></aux>
        <aux name="pace"><eqn>1</eqn></aux>
    </variables></model>
</xmile>
"""
ARRAYED_EXPERIMENT = """
[experiment]
title = "Two sites"
question = "Which closes first?"
model = "./sites.xmile"
draws = 90
save = "all"
[uncertainties."rate[south]"]
distribution = "lognormal"
median = 0.05
sigma = 0.4
unit = "1/month"
source = "a test"
status = "assumption"
[scenarios.steady]
[scenarios.later]
set = { pace = { points = [[3, 0.0], [6.5, 1.0]] }, "rate[north]" = 0.1 }
[scenarios.fixed]
set = { rate = 0.07 }
[kpis.south]
variable = "beds[south]"
statistic = "final"
[kpis.ratio]
variable = "beds[north]"
statistic = "mean"
over = { variable = "beds[south]" }
[kpis.below]
variable = "beds[south]"
statistic = "first_below"
threshold = 50.0
minus = { variable = "beds[north]" }
[sweep]
trajectories = "all"
quantiles = [0.25]
draws_per_part = 40
"""


def test_arrays_elements_and_levers_over_time(tmp_path: Path) -> None:
    (tmp_path / "sites.xmile").write_text(ARRAYED, encoding="utf-8")
    (tmp_path / "sites.toml").write_text(ARRAYED_EXPERIMENT, encoding="utf-8")
    experiment = fr.read_experiment(tmp_path / "sites.toml")
    fr.sweep(experiment, tmp_path / "sweep", engine="numba")
    ds, plain = fr.open_sweep(tmp_path / "sweep"), fr.run(experiment, engine="numba")
    for name in ("beds", "closing", "rate", "pace"):
        assert ds[name].dims == plain[name].dims
        assert same(ds[name], plain[name])
    assert plain["beds"].dims == ("scenario", "draw", "time", "site")
    assert same(ds["beds"].isel(draw=3, site=1), plain["beds"].isel(draw=3, site=1))
    assert same(ds["rate[south]"], plain["rate[south]"])
    found, wanted = fr.kpis(ds, experiment), fr.kpis(plain, experiment)
    for name in ("south", "ratio", "below"):
        assert same(found[name], wanted[name]), name
        assert same(found[f"{name}_outcome"], wanted[f"{name}_outcome"]), name
    south = ds["quantile_value"].sel(column="beds[south]", quantile=0.25)
    assert same(south, np.quantile(plain["beds"].sel(site="south"), 0.25, axis=1))
